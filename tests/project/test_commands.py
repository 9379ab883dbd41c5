"""The three commands answer for themselves, without loading what they do not need for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

COMMANDS = ("interpret-tui", "interpret-extract", "interpret-collateral")


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an installed console script of this environment."""
    script = Path(sys.executable).parent / command
    return subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_version_is_that_of_the_distribution(command: str) -> None:
    done = run(command, "--version")
    assert done.returncode == 0, done.stderr
    assert version("interpret-tui") in done.stdout
    assert done.stdout.startswith(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_how_to_use_it(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert command in done.stdout
    assert "--version" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("subcommand", ["info", "verify", "export", "recover"])
def test_each_part_of_interpret_collateral_has_help(subcommand: str) -> None:
    done = run("interpret-collateral", subcommand, "--help")
    assert done.returncode == 0, done.stderr
    assert subcommand in done.stdout


def test_interpret_extract_run_names_all_its_options() -> None:
    done = run("interpret-extract", "run", "--help")
    assert done.returncode == 0, done.stderr
    options = (
        "--model --task --data --output --span-head --limit --attention --batch-size --device"
        " --dtype --max-length --seed --perplexity --threads --skip-bad"
    )
    assert [option for option in options.split() if option not in done.stdout] == []


@pytest.mark.parametrize(
    "command",
    [
        "interpret-tui file.msgpack",
        "interpret-extract run --model m --data d.jsonl --output o.msgpack",
        "interpret-collateral info file.msgpack",
    ],
)
def test_an_unknown_option_is_refused(command: str) -> None:
    done = run(*command.split(), "--no-such-option")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "no-such-option" in done.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("tui", ("numpy", "textual", "torch", "msgpack")),
        ("extract", ("torch", "transformers", "textual", "sklearn")),
        ("collateral", ("textual", "torch")),
    ],
)
def test_help_loads_little(module: str, absent: tuple[str, ...]) -> None:
    """``--help`` has to answer in the time of an import, so nothing big may be loaded for it."""
    code = (
        "import sys\n"
        f"from {module}.cli import main\n"
        "status = 'none'\n"
        "try:\n"
        "    status = main(['--help'])\n"
        "except SystemExit as stop:\n"
        "    status = stop.code\n"
        "assert not status, status\n"
        f"print('loaded:', [name for name in {absent!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
