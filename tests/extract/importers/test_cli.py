"""The command ``interpret-extract import``, as users run it."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from extract.cli import main
from extract.importers.cli import add_parser
from tests.extract.importers.files import attention, dictionary, opened, save, write_table, wsc_rows


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A dictionary and a table."""
    return (
        save(tmp_path / "c.pt", dictionary()),
        write_table(tmp_path / "t.csv", wsc_rows()),
    )


def test_an_import_says_what_it_did(
    files: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o.msgpack"
    command = ["import", "interpret", "--collateral", str(files[0]), "--table", str(files[1])]
    assert main([*command, "--task", "wsc", "--name", "BERT", "-o", str(output)]) == 0
    out, err = capfd.readouterr()
    assert re.search(r"^rows +2 texts, 6 points, 2 pairs$", out, re.MULTILINE)
    assert re.search(r"^maps +of 3 hidden states$", out, re.MULTILINE)
    assert re.search(r"^attention +whole maps of 2 of 2 texts$", out, re.MULTILINE)
    assert "Padding was cut off" in out
    assert f"Next: interpret-tui {output}" in out
    assert "Reading" in err
    with opened(output) as c:
        assert c.meta.model.name == "BERT"


def test_arrays_are_imported_by_a_command(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, examples, output = tmp_path / "a.safetensors", tmp_path / "a.jsonl", tmp_path / "o"
    save_file({f"attention/{i}": one[None] for i, one in enumerate(attention(3, 0))}, path)
    examples.write_text(
        '{"id": 0, "tokens": ["a", "b", "c"]}\n{"id": 1, "tokens": ["d", "e", "f"]}'
    )
    command = ["import", "safetensors", str(path), "--examples", str(examples), "-o", str(output)]
    assert main([*command, "--attention", "1", "--causal", "--threads", "1"]) == 1
    assert "said to be causal, but token" in capfd.readouterr().err
    assert main([*command, "--attention", "1"]) == 0
    assert "whole maps of 1 of 2 texts" in capfd.readouterr().out
    opened(output).close()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["interpret"], 2, "required: -o/--output"),
        (["interpret", "-o", "o"], 2, "Nothing to import: give --collateral, --table or both"),
        (["interpret", "--table", "none.csv", "-o", "o"], 1, "none.csv is not there"),
        (["interpret", "--table", ".", "-o", "o"], 1, "is a directory; give a file with --table"),
        (["npz", "none.npz", "--examples", "x", "-o", "o"], 1, "none.npz is not there"),
        (
            ["npz", "x", "--examples", "x", "-o", "o", "--seed", "-1"],
            2,
            "--seed must be at least 0",
        ),
        (["interpret", "--table", "here.csv", "-o", "here.csv"], 2, "are the same file"),
        (["interpret", "--table", "here.csv", "-o", "no/o"], 1, "There is no folder"),
        (["interpret", "--table", "here.csv", "-o", "o", "--attention", "x"], 2, "neither all"),
    ],
)
def test_mistakes_are_said_in_one_sentence(
    arguments: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").write_text("id,token,sentence\na,b,b\n")
    assert main(["import", *arguments]) == status
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_name_in_a_file_cannot_steer_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,token,sentence\n\x1b[2J,a,b\n", encoding="utf-8")
    assert main(["import", "interpret", "--table", str(path), "-o", str(tmp_path / "o")]) == 1
    assert "\x1b" not in capfd.readouterr().err


def test_help_loads_no_heavy_library(repository: Path) -> None:
    code = (
        "import sys; from extract.cli import build_parser; build_parser(); "
        "print({'torch', 'numpy', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_layout_is_written_down(repository: Path) -> None:
    """docs/import.md names every option, array and field."""
    page = (repository / "docs" / "import.md").read_text(encoding="utf-8")
    parser = argparse.ArgumentParser()
    made = add_parser(parser.add_subparsers())
    kinds = next(a for a in made._actions if isinstance(a, argparse._SubParsersAction))
    options = {
        option
        for kind in kinds.choices.values()
        for action in kind._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert {option for option in options if option not in page} == set()
    fields = ["tokens", "text", "offsets", "special", "source", "points", "pairs", "span1"]
    names = ["attention/ID", "hidden/ID", "encoder/ID", "decoder/ID", "cross/ID"]
    assert [one for one in [*fields, *names] if f"`{one}`" not in page] == []


def test_the_examples_of_the_page_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs" / "import.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    exec(blocks[0], {"data": dictionary()})
    assert main(["import", "interpret", "--collateral", "safe.pt", "-o", "one.msgpack"]) == 0
    exec(blocks[1], {"data": dictionary()})
    command = "import safetensors mine.safetensors --examples mine.jsonl -o two.msgpack --threads 1"
    assert main(command.split()) == 0
    for name in ("one.msgpack", "two.msgpack"):
        opened(tmp_path / name).close()
