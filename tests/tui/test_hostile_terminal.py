"""Whatever a file and its name hold, the terminal obeys the viewer alone; rows keep their width."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from rich.cells import cell_len
from textual.drivers.headless_driver import HeadlessDriver

from tests.tui.hostile import FILE, NASTY, OWN, unsafe, write_hostile
from tests.tui.pilot import Session, running
from tests.tui.terminal import Terminal
from tui.actions import ACTIONS
from tui.screens.main import MainScreen

LINES = re.compile(r"\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files that belong together, with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "b").mkdir()
    return write_hostile(folder / FILE), write_hostile(folder / "b" / FILE, shift=1.0)


@pytest.fixture(scope="module")
def pairs_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """One file without items."""
    return (write_hostile(tmp_path_factory.mktemp("pairs") / FILE, items=False),)


class _Recorder(HeadlessDriver):
    """Keeps what Textual writes for a terminal."""

    written: ClassVar[list[str]]

    @property
    def is_headless(self) -> bool:
        """Textual draws nothing for a headless driver."""
        return False

    def write(self, data: str) -> None:
        """Keeps it."""
        self.written.append(data)


@pytest.fixture
def recorder() -> Iterator[type[_Recorder]]:
    """A driver's class of its own for each test."""
    yield type("Recorder", (_Recorder,), {"written": []})


def _check(session: Session, written: list[str]) -> None:
    """Looks at what was sent since the last time, and at the width of every row."""
    sent = "".join(written)
    assert unsafe(sent) == []
    for words in re.findall(r"\x1b\]52;c;([^\x07]*)\x07", sent):
        copied = base64.b64decode(words).decode()
        assert unsafe(copied, re.compile(r"[\t\n]")) == []
    written.clear()
    width = session.app.size.width
    for strip in session.app.screen._compositor.render_strips():
        assert cell_len(strip.text) == width, strip.text


LEFT_OUT = {"quit", "suspend", "back"}
ASKED = {"search", "filter", "sort", "keep-filter", "forget-filter", "edges"}


async def _walk(session: Session, written: list[str], panes: str) -> None:
    """Every key in every pane; what is asked is answered by the text that stands there."""
    for pane in panes:
        await session.press("escape", pane)
        for action in ACTIONS:
            if action.name in LEFT_OUT or action.name.startswith(("pane-", "next-pane")):
                continue
            await session.press(action.keys[0])
            _check(session, written)
            if session.screen.prompt.question is not None:
                await session.press("enter")
                _check(session, written)
            while not isinstance(session.app.screen, MainScreen):
                await session.press("escape")
            if session.screen.prompt.question is not None:
                await session.press("escape")
        await session.press("escape")


@pytest.mark.parametrize(
    ("which", "size", "panes"),
    [
        pytest.param("hostile", (160, 45), "123456", marks=pytest.mark.slow),
        pytest.param("pairs_alone", (160, 45), "123456", marks=pytest.mark.slow),
        pytest.param("hostile", (80, 24), "123456", marks=pytest.mark.slow),
        ("pairs_alone", (60, 20), "5"),
    ],
)
async def test_every_key_in_every_pane(
    which: str,
    size: tuple[int, int],
    panes: str,
    recorder: type[_Recorder],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(request.getfixturevalue(which), size, recorder, limit=None) as session:
        _check(session, recorder.written)
        await _walk(session, recorder.written, panes)
    assert unsafe("".join(recorder.written)) == []
    pictures = [*tmp_path.glob("*.svg"), *tmp_path.glob("*.txt"), *tmp_path.glob("*.json")]
    assert pictures
    for path in pictures:
        assert unsafe(path.read_text("utf-8"), LINES) == []


@pytest.mark.slow
async def test_words_are_completed_searched_and_refused(
    hostile: tuple[Path, Path],
    recorder: type[_Recorder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(hostile, (100, 30), recorder, limit=None) as session:
        for action, typed in (
            ("f", ["c", "tab", "tab", "tab", "down", "tab", "enter"]),
            ("f", ["w", "o", "r", "d", "s", "tab", "enter"]),
            ("f", ["enter"]),
            ("r", ["n", "tab", "enter"]),
            ("slash", ["i", "d", "enter"]),
            ("N", ["tab", "enter"]),
            ("E", ["x", "enter"]),
            ("ctrl+p", [*"metric", "down"]),
            ("ctrl+p", [*"example"]),
            ("ctrl+p", [*"token", "enter"]),
            ("ctrl+p", [*"colour", "enter"]),
            ("question_mark", ["pagedown", "pagedown"]),
        ):
            await session.press(action, *typed)
            _check(session, recorder.written)
            session.screen.on_paste(_paste(NASTY))
            await session.settle()
            _check(session, recorder.written)
            while not isinstance(session.app.screen, MainScreen):
                await session.press("escape")
            await session.press("escape")
        for name in (f"e{NASTY}.csv", f"s{NASTY}.txt", f"no/such{NASTY}.json", NASTY):
            for key in "es":
                await session.press(key, *["backspace"] * 12)
                session.screen.on_paste(_paste(name))
                await session.press("enter")
                _check(session, recorder.written)
                await session.press("escape")


def _paste(text: str):  # type: ignore[no-untyped-def]
    from textual import events

    return events.Paste(text)


@pytest.mark.parametrize("ascii_only", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_real_terminal(hostile: tuple[Path, Path], ascii_only: bool) -> None:
    with Terminal([*hostile, *["--ascii"] * ascii_only, "--send-all"]) as terminal:
        terminal.wait("q quit")
        for keys, seen in (("2", "2 Example"), ("3", "─ 3"), ("5", "5 Attention"), ("1", "1 Ex")):
            terminal.press(keys)
            terminal.wait(seen.replace("─", "-") if ascii_only else seen)
        terminal.press("?")
        terminal.wait("Help")
        terminal.press("\x1b")
        terminal.wait(lambda: "Help" not in terminal.text())
        terminal.press("6yYq")
        assert terminal.end() == 0
        sent = terminal.sent.decode()
        assert unsafe(sent.replace("\r\n", "\n"), OWN) == []
        assert "owned" in sent  # it is shown, not left out
        assert not ascii_only or sent.isascii()


# -- without a terminal, and beside it -----------------------------------------------------------


def _run(module: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_report(form: str, hostile: tuple[Path, Path]) -> None:
    done = _run("tui.cli", *hostile, "--report", "--format", form)
    assert done.returncode == 0 and unsafe(done.stderr.decode(), LINES) == []
    printed = done.stdout.decode()
    assert "owned" in printed and unsafe(printed, LINES) == []
    if form == "text":
        assert max(map(cell_len, printed.split("\n"))) <= 80


@pytest.mark.parametrize("what", ["metric", "colour", "sort"])
def test_a_refused_option_that_lists_names(what: str, hostile: tuple[Path, Path]) -> None:
    done = _run("tui.cli", hostile[0], "--report", f"--{what}", NASTY.replace("\0", ""))
    assert done.returncode == 2, done.stderr
    assert done.stdout == b"" and unsafe(done.stderr.decode(), LINES) == []


def test_a_wrong_file_with_a_hostile_name(tmp_path: Path) -> None:
    path = tmp_path / FILE
    for data in (b"", b"\x1b[2J" * 30):
        path.write_bytes(data)
        for words in (("tui.cli", path, "--report"), ("collateral.cli", "info", path)):
            done = _run(*words)
            assert done.returncode == 1 and done.stdout == b""
            assert done.stderr.count(b"\n") == 1 and unsafe(done.stderr.decode(), LINES) == []


def test_a_name_that_looks_like_an_option() -> None:
    for module in ("tui.cli", "collateral.cli"):
        done = _run(module, f"-{FILE}".replace(" ", ""))
        assert done.returncode == 2 and unsafe(done.stderr.decode(), LINES) == []


def test_info_verify_and_export_in_a_terminal(hostile: tuple[Path, Path]) -> None:
    for words in (
        ("info", hostile[0]),
        ("verify", hostile[0]),
        ("export", hostile[0], "--what", "examples"),
        ("export", hostile[0], "--what", NASTY.replace("\0", "")),
    ):
        command = (sys.executable, "-m", "collateral.cli")
        with Terminal(words, command=command) as terminal:
            terminal.process.wait(30) if words[0] == "verify" else terminal.end()
            while terminal.read(0.2):
                pass
            assert terminal.sent
            assert unsafe(terminal.sent.decode().replace("\r\n", "\n"), LINES) == [], words
