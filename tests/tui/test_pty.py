"""The program as a user starts it, in a pseudo-terminal: screen, exit status, what it leaves."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factory import write_collateral
from tests.tui.terminal import COMMAND, Terminal

pytestmark = [
    pytest.mark.pty,
    pytest.mark.skipif(not COMMAND.exists(), reason="interpret-tui is not installed here"),
]

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|38|4[0-7]|48|9[0-7]|10[0-7])(?:;\d+)*m")


def test_look_choose_and_quit(files: tuple[Path, Path]) -> None:
    with Terminal([*files, "--name", "before", "--name", "after"]) as terminal:
        terminal.wait("q quit")
        assert "▸B−A" in terminal.text() and "wsc-000" in terminal.text()
        terminal.press("njn")
        terminal.wait("wsc-002")
        terminal.press("m")
        terminal.wait("▸A")
        terminal.press("3")
        terminal.wait("A before · layer 3")
        terminal.press("[")
        terminal.wait("A before · layer 2")
        terminal.press("\x1b[A")  # an arrow, as terminals send it
        terminal.press("x")
        terminal.wait("Nothing is marked")
        terminal.press("?")
        terminal.wait("Help")
        terminal.press("\x1b")
        terminal.wait(lambda: "Help" not in terminal.text())
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.errors == ""
        assert terminal.is_restored()
        assert COLOUR.search(terminal.sent)


def test_another_size_while_it_runs(files: tuple[Path, Path]) -> None:
    with Terminal(files) as terminal:
        terminal.wait("q quit")
        terminal.resize(160, 45)
        terminal.wait("─ 1 Examples")  # the frame of a pane that only the wide layout shows
        terminal.resize(18, 4)
        terminal.wait("needs 20x5")
        terminal.press("q")
        assert terminal.end() == 0 and terminal.is_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_and_the_terminal_is_as_it_was(
    number: signal.Signals, files: tuple[Path, Path]
) -> None:
    with Terminal(files) as terminal:
        terminal.wait("q quit")
        terminal.process.send_signal(number)
        if number == signal.SIGINT:  # a key in a raw terminal; the signal may be ignored
            terminal.press("q")
        terminal.end()
        assert "Traceback" not in terminal.errors
        assert terminal.is_restored()


# -- files that are wrong ---------------------------------------------------------------------


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 0xFF
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(2000))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("spoil", [_cut, _flip, _empty, _foreign, _directory, _missing])
def test_a_wrong_file_is_one_sentence_and_status_1(
    spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    path = write_collateral(tmp_path / "wrong.msgpack", examples=3)
    spoil(path)
    with Terminal([path]) as terminal:
        assert terminal.end() == 1
        _is_one_sentence(terminal.errors, path)
        assert b"Traceback" not in terminal.sent
        assert b"\x1b[?1049h" not in terminal.sent or terminal.is_restored()


def test_files_that_do_not_belong_together(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_collateral(tmp_path / "other.msgpack", seed=7)
    with Terminal([files[0], other]) as terminal:
        assert terminal.end() == 1
        _is_one_sentence(terminal.errors, other)
        assert "does not belong to base.msgpack" in terminal.errors


def _is_one_sentence(errors: str, path: Path) -> None:
    assert errors.startswith("interpret-tui: ") and errors.count("\n") == 1, errors
    assert str(path) in errors and ". " in errors  # what is wrong, and then what to do
    assert "Traceback" not in errors and "Error" not in errors


# -- terminals that can do less ---------------------------------------------------------------


def test_a_pipe_is_no_terminal(files: tuple[Path, Path]) -> None:
    done = subprocess.run(
        [str(COMMAND), str(files[0])], input="q", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "this is no terminal" in done.stderr


def test_a_picture_that_nobody_would_see(files: tuple[Path, Path]) -> None:
    """Textual draws on stderr, so that must be a terminal too."""
    with Terminal([files[0]], redirected=True) as terminal:
        assert terminal.end() == 1
        assert "is redirected" in terminal.errors


def test_a_dumb_terminal(files: tuple[Path, Path]) -> None:
    with Terminal(files, TERM="dumb") as terminal:
        assert terminal.end() == 1
        assert "TERM" in terminal.errors and terminal.errors.count("\n") == 1
        assert b"\x1b" not in terminal.sent


def test_no_color_sends_no_colour(files: tuple[Path, Path]) -> None:
    with Terminal(files, NO_COLOR="1") as terminal:
        terminal.wait("q quit")
        terminal.press("35m")
        terminal.wait("▸A")
        terminal.press("q")
        assert terminal.end() == 0
        assert COLOUR.search(terminal.sent) is None


@pytest.mark.slow
def test_ascii_alone_where_the_locale_knows_no_more(files: tuple[Path, Path]) -> None:
    with Terminal(files, size=(160, 45), LC_ALL="C") as terminal:
        terminal.wait("q quit")
        terminal.wait("5 Attention")
        for keys in ("3", "5", "v", "v", "6", "?"):
            terminal.press(keys)
            terminal.read(0.3)
        terminal.wait("Help")
        terminal.press("\x1b")
        terminal.wait(lambda: "Help" not in terminal.text())
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.printed().isascii()
