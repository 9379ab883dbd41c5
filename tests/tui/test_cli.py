"""The command line of the viewer, as far as it needs no terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from importlib import metadata

import pytest

from tui import cli


def _run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the program in a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name a collateral file, or try --demo"),
        (("a", "b", "c"), "one file, or two to compare"),
        (("--demo", "a"), "--demo brings two itself"),
        (("a", "--name", "x", "--name", "y"), "--name was given 2 times for 1 file(s)"),
        (("a", "b", "--name", "x", "--name", "y", "--name", "z"), "3 times for 2 file(s)"),
        (("a", "--colours"), "unrecognized arguments: --colours"),
        (("a", "--pane", "maps"), "invalid choice: 'maps'"),
    ],
)
def test_wrong_use_is_status_2_and_a_sentence(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.out == ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"interpret-tui {metadata.version('interpret-tui')}\n"


def test_help_names_every_option_and_how_to_make_a_file() -> None:
    status, out, err = _run("--help")
    assert (status, err) == (0, "")
    for words in ("--demo", "--name", "--ascii", "--version", "FILE", "interpret-extract run"):
        assert words in out


def test_no_terminal_is_status_1_and_one_sentence() -> None:
    status, out, err = _run("whatever.msgpack")
    assert (status, out) == (1, "")
    assert err.count("\n") == 1 and "no terminal" in err and "ssh -t" in err


def _in_terminal(monkeypatch: pytest.MonkeyPatch) -> _Screen:
    monkeypatch.setenv("TERM", "xterm-256color")
    errors = _Screen()
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, _Screen())
    monkeypatch.setattr(sys, "stderr", errors)
    return errors


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--demo", "--metric", "entorpy"), 2, "There is no metric 'entorpy'; did you mean"),
        (("--demo", "--layer", "7"), 2, "There is no layer '7'; there is from 0 to 6."),
        (("--demo", "--example", "no\x1b[2Jne"), 2, "There is no example 'no\\x1b[2Jne'"),
        (("gone.msgpack", "--layer", "1"), 1, "gone.msgpack"),
    ],
)
def test_an_unknown_name_is_said_before_the_screen_is_taken(
    arguments: tuple[str, ...], status: int, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = _in_terminal(monkeypatch)
    assert cli.main(arguments) == status
    assert says in errors.getvalue() and errors.getvalue().count("\n") == 1
    assert "\x1b" not in errors.getvalue()


class _Screen(io.StringIO):
    """What looks like a terminal."""

    def isatty(self) -> bool:
        """So it says."""
        return True


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_cannot_move_its_cursor(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    errors = _Screen()
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, _Screen())
    monkeypatch.setattr(sys, "stderr", errors)
    assert cli.main(["whatever.msgpack"]) == 1
    assert "TERM=xterm-256color" in errors.getvalue()
