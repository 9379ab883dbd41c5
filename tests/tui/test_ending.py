"""How the viewer ends, stops and goes on: signals, a line that drops, a fault of its own."""

from __future__ import annotations

import signal
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.tui.terminal import COMMAND, Terminal

pytestmark = [
    pytest.mark.pty,
    pytest.mark.skipif(not COMMAND.exists(), reason="interpret-tui is not installed here"),
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

SOON = 20.0
"""Seconds in which it has ended, on a busy machine too."""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_by_itself_and_the_status_names_it(
    number: signal.Signals, files: tuple[Path, Path]
) -> None:
    with Terminal(files, controlling=True) as terminal:
        terminal.wait("q quit")
        terminal.process.send_signal(number)
        assert terminal.end(SOON) == 128 + number
        assert terminal.errors == ""
        assert terminal.is_restored()


@pytest.mark.slow
def test_a_signal_while_it_starts(files: tuple[Path, Path]) -> None:
    """At any moment: before the terminal is changed, while numpy is loaded, while panes fill."""
    for moment in (0.02, 0.15, 0.3, 0.5):
        with Terminal(files, controlling=True) as terminal:
            until = time.monotonic() + moment
            while time.monotonic() < until:
                terminal.read(0.01)
            terminal.process.send_signal(signal.SIGTERM)
            status = terminal.end(SOON)
            assert status in (128 + signal.SIGTERM, -signal.SIGTERM)
            assert b"Traceback" not in terminal.sent
            assert b"\x1b[?1049h" not in terminal.sent or terminal.is_restored()


@pytest.mark.parametrize("controlling", [True, False])
def test_a_terminal_that_is_closed(controlling: bool, files: tuple[Path, Path]) -> None:
    """With the signal that tells of it, and without."""
    with Terminal(files, controlling=controlling) as terminal:
        terminal.wait("q quit")
        terminal.hang_up()
        assert terminal.process.wait(SOON) == 128 + signal.SIGHUP


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.05, 0.35])
def test_a_terminal_that_is_closed_while_it_starts(moment: float, files: tuple[Path, Path]) -> None:
    with Terminal(files) as terminal:
        time.sleep(moment)
        terminal.hang_up()
        terminal.process.wait(SOON)


@linux
@pytest.mark.slow
def test_a_terminal_that_takes_nothing_more_does_not_keep_it(files: tuple[Path, Path]) -> None:
    """As when ctrl+s was pressed, or a line is dead: nobody reads what is sent."""
    with Terminal(files, controlling=True) as terminal:
        terminal.wait("q quit")
        for _ in range(400):
            terminal.press("v.[")
            time.sleep(0.005)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(SOON) == 128 + signal.SIGTERM
        modes = termios.tcgetattr(terminal._slave)
        assert modes[:4] == terminal.before[:4]


@linux
@pytest.mark.parametrize("way", ["key", pytest.param("SIGTSTP", marks=pytest.mark.slow), "SIGSTOP"])
def test_it_stops_goes_on_and_all_is_drawn_again(way: str, files: tuple[Path, Path]) -> None:
    with Terminal(files, size=(100, 30), controlling=True) as terminal:
        terminal.wait("q quit")
        terminal.press("3")
        terminal.wait("▸3 ") if "▸3 " in terminal.text() else terminal.read(0.3)
        while terminal.read(0.5):
            pass
        before = terminal.text()
        if way == "key":
            terminal.press("\x1a")
        else:
            terminal.process.send_signal(getattr(signal, way))
        assert terminal.stopped()
        if way != "SIGSTOP":  # which nobody is told of
            assert terminal.is_restored()
        else:  # a shell makes the terminal fit for itself
            termios.tcsetattr(terminal._slave, termios.TCSANOW, terminal.before)
        terminal.screen.reset()  # what a shell and other programs leave
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait("q quit", SOON)
        terminal.wait(lambda: terminal.text() == before, SOON)
        terminal.press("?")
        terminal.wait("Help", SOON)
        terminal.press("\x1b")
        terminal.wait(lambda: terminal.text() == before, SOON)
        terminal.press("q")
        assert terminal.end(SOON) == 0
        assert terminal.errors == "" and terminal.is_restored()


@pytest.mark.slow
def test_ctrl_l_mends_a_screen_that_others_wrote_over(files: tuple[Path, Path]) -> None:
    with Terminal(files) as terminal:
        terminal.wait("q quit")
        while terminal.read(0.5):
            pass
        before = terminal.text()
        terminal._stream.feed(b"\x1b[3;3HWALL: the machine goes down\x1b[10;1Hin a moment")
        assert terminal.text() != before
        terminal.press("\x0c")
        terminal.wait(lambda: terminal.text() == before, SOON)


@pytest.mark.slow
def test_a_storm_of_sizes_leaves_the_last(files: tuple[Path, Path]) -> None:
    with Terminal(files) as terminal:
        terminal.wait("q quit")
        for number in range(60):
            terminal.resize(20 + number * 37 % 150, 5 + number * 11 % 40)
            if number % 10 == 0:
                terminal.press("]")
                terminal.read(0.001)
        terminal.resize(120, 36)
        terminal.wait(lambda: not terminal.read(0.5), 120)
        shown = terminal.text()
        terminal.screen.reset()
        terminal.press("\x0c")
        terminal.wait(lambda: terminal.text() == shown, SOON)
        assert "q quit" in shown
        terminal.press("q")
        assert terminal.end(SOON) == 0


_FAULTY = """
import sys
from tui import cli
from tui.panes.{module} import {name}
def broken(self, *_):
    raise ZeroDivisionError("\\x1b[31mno such number\\u202e")
if {late}:
    {name}.ready = lambda *_: False
    {name}.prepare = broken
else:
    draw, times = {name}.draw, []
    def late(self, *given):
        times.append(1)
        return draw(self, *given) if len(times) < 3 else broken(self)
    {name}.draw = late
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("late", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_fault_of_its_own(late: bool, files: tuple[Path, Path], tmp_path: Path) -> None:
    """While a pane is drawn, and while its numbers are computed in a thread."""
    code = _FAULTY.format(module="heads", name="HeadsPane", late=late)
    command = (sys.executable, "-c", code)
    with Terminal(files, command=command, TMPDIR=str(tmp_path)) as terminal:
        if not late:
            terminal.wait("q quit")
            terminal.press("......")
        assert terminal.end(SOON) == 70
        assert terminal.is_restored()
        assert terminal.errors.startswith("interpret-tui: there is a fault in the program")
        assert terminal.errors.count("\n") == 1 and "Traceback" not in terminal.errors
        (written,) = tmp_path.glob("interpret-tui-fault-*.txt")
        assert str(written) in terminal.errors
        details = written.read_text()
        assert "ZeroDivisionError" in details and "in broken" in details
        assert "\x1b" not in details and "\u202e" not in details


@pytest.mark.slow
def test_a_fault_that_cannot_be_written_down(files: tuple[Path, Path]) -> None:
    code = "import tempfile\ndef no(*_, **__): raise OSError\ntempfile.mkstemp = no\n"
    code += _FAULTY.format(module="heads", name="HeadsPane", late=True)
    with Terminal(files, command=(sys.executable, "-c", code)) as terminal:
        assert terminal.end(SOON) == 70
        assert terminal.is_restored()
        assert "ZeroDivisionError" in terminal.errors
        assert "the lines above" in terminal.errors.splitlines()[-1]
