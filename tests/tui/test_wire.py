"""What is sent: an emulated terminal (pyte) shows the same cells as it does of all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.drivers.headless_driver import HeadlessDriver
from textual.strip import Strip

from tests.tui.pilot import running
from tui.wire import Wire

COLUMNS, LINES = 40, 12
ALPHABETS = (
    " abcdefghij",
    "⠀⠁⣿⡇⢸⠿",
    "─│┌┐█▉░▒★✓→−±",
    "日本語 ab",
    "e\u0301a\u200db👍 c",
)


class Two:
    """Two terminals: one gets everything, the other what a wire passes on."""

    def __init__(self, columns: int = COLUMNS, lines: int = LINES) -> None:
        self.wire = Wire()
        self.all = pyte.Screen(columns, lines)
        self.thrifty = pyte.Screen(columns, lines)
        self.written = self.sent = 0
        self._streams = pyte.Stream(self.all), pyte.Stream(self.thrifty)
        for stream in self._streams:
            stream.feed("\x1b[?7l")  # Textual takes line wrap away, too

    def feed(self, data: str) -> str:
        """Shows a write of Textual's on both; what was sent to the second."""
        sent = self.wire.passed(data)
        for stream, part in zip(self._streams, (data, sent), strict=True):
            stream.feed(part)
        self.written += len(data.encode())
        self.sent += len(sent.encode())
        return sent

    def differences(self) -> list[str]:
        """Where the two do not show the same, cell for cell with all attributes."""
        found = [
            f"{y},{x}: {self.all.buffer[y][x]} and {self.thrifty.buffer[y][x]}"
            for y in range(self.all.lines)
            if self.all.buffer[y] != self.thrifty.buffer[y]
            for x in range(self.all.columns)
            if self.all.buffer[y][x] != self.thrifty.buffer[y][x]
        ]
        places = [(s.cursor.x, s.cursor.y, s.cursor.attrs) for s in (self.all, self.thrifty)]
        return found if places[0] == places[1] else [*found, f"the cursor: {places}"]


def _style(rng: random.Random) -> Style | None:
    if rng.random() < 0.2:
        return None
    colours = ["red", "bright_blue", "color(208)", "#10a0ff", "#102030", "default", None, None]
    flags = ("bold", "dim", "italic", "underline", "reverse", "strike", "underline2", "overline")
    names = [name for name in flags if rng.random() < 0.12]
    ground = rng.choice(colours)
    return Style(
        color=rng.choice(colours),
        bgcolor=ground if ground != "color(208)" else "#333333",
        **dict.fromkeys(names, True),  # type: ignore[arg-type]
    )


def _frame(rng: random.Random, console: Console) -> str:
    """A frame as Textual's compositor writes one: some parts of some lines, then the cursor."""
    parts = []
    whole = rng.random() < 0.1
    for y in range(LINES) if whole else sorted(rng.sample(range(LINES), rng.randint(1, LINES))):
        x = 0 if whole else rng.randrange(COLUMNS - 1)
        segments: list[Segment] = []
        room = COLUMNS - x
        alphabet = rng.choices(ALPHABETS, (6, 4, 4, 1, 1))[0]
        while room > 0:
            text = "".join(rng.choices(alphabet, k=rng.randint(1, 9)))
            strip = Strip([Segment(text)])
            if strip.cell_length > room:
                break
            segments.append(Segment(text, _style(rng)))
            room -= strip.cell_length
        parts.append(f"\x1b[{y + 1};{x + 1}H" + Strip(segments).render(console))
    lines = "\n".join(parts) if whole else "".join(parts)
    return f"{lines}\x1b[{rng.randint(1, LINES)};{rng.randint(1, COLUMNS)}H"


@pytest.mark.parametrize("depth", ["standard", "256", "truecolor"])
def test_thousands_of_random_frames_leave_the_same_cells(depth: str) -> None:
    """Frames repeat parts of those before, as real ones do; so cells stay, change and come back."""
    rng = random.Random(depth)
    console = Console(color_system=depth, force_terminal=True)  # type: ignore[arg-type]
    two = Two()
    shown: list[str] = []
    for number in range(1200):
        frame = rng.choice(shown[-5:]) if shown and rng.random() < 0.4 else _frame(rng, console)
        shown.append(frame)
        two.feed(frame)
        assert not two.differences(), (number, frame)
    assert two.sent < 0.8 * two.written


def test_a_frame_that_changes_nothing_sends_nothing_but_what_moves_the_cursor() -> None:
    two = Two()
    frame = "\x1b[2;3H\x1b[1;31mabc\x1b[0m\x1b[1;1H"
    two.feed(frame)
    assert two.feed(frame) == ""
    assert two.feed(frame.replace("\x1b[1;1H", "\x1b[1;5H")) == "\x1b[4C"
    assert (
        two.feed("\x1b[2;3H\x1b[1;31mabd\x1b[0m\x1b[1;5H") == "\x1b[2;5H\x1b[1;31md\x1b[m\x1b[1;5H"
    )


@pytest.mark.parametrize(
    "said",
    [
        "\x1b[?1049h",
        "\x1b[2J",
        "words from elsewhere",
        "\x1b[1;1H\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b[1;1H",
        "\x1b[1;1H\x1b[4:3mcurly\x1b[0m\x1b[1;1H",
        "\x1b[1;1Hno reset \x1b[31m\x1b[1;1H",
        "\x1b[1;1Ha tab\t\x1b[1;1H",
        "\x1b[1;1H\x1b[38;9;1mx\x1b[0m\x1b[1;1H",
        "\x1b[1;1Hline\nno move",
    ],
)
def test_what_is_not_understood_is_sent_as_it_is_and_all_is_forgotten(said: str) -> None:
    wire = Wire()
    frame = "\x1b[2;1H\x1b[31mabc\x1b[0m\x1b[1;1H"
    wire.passed(frame)
    assert wire.passed(frame) == ""
    assert wire.passed(said) == said
    assert "abc" in wire.passed(frame)


@pytest.mark.parametrize(
    "said",
    ["\x1b[?2026h", "\x1b[?2026l", "\x1b]52;c;aGk=\x07", "\x07", "\x1b[?1003h", "\x1b[?2026$p"],
)
def test_modes_questions_and_the_clipboard_change_no_cell(said: str) -> None:
    wire = Wire()
    frame = "\x1b[2;1H\x1b[31mabc\x1b[0m\x1b[1;1H"
    wire.passed(frame)
    assert wire.passed(said) == said
    assert wire.passed(frame) == ""


def test_what_another_program_wrote_is_mended_by_forgetting() -> None:
    two = Two()
    frame = "\x1b[2;1H\x1b[31mabc\x1b[0m\x1b[1;1H"
    two.feed(frame)
    pyte.Stream(two.thrifty).feed("\x1b[2;2HWALL\x1b[1;1H")
    two.feed(frame)
    assert two.differences()
    two.wire.forget()
    two.feed(frame + "")
    assert [line for line in two.differences() if line.startswith("1,1:")] == []


class _Recorder(HeadlessDriver):
    """Keeps what Textual writes for a terminal."""

    written: list[str]

    @property
    def is_headless(self) -> bool:
        """Textual draws nothing for a headless driver."""
        return False

    def write(self, data: str) -> None:
        """Keeps it."""
        type(self).written.append(data)


@pytest.fixture
def recorder() -> Iterator[type[_Recorder]]:
    """A driver's class of its own for each test."""
    yield type("Recorder", (_Recorder,), {"written": []})


KEYS = [*"5v", "right", "down", *"vvv4", "left", "down", "3", "right", "plus", *"1nnpf", "escape"]
KEYS += [
    *"6dzz",
    "right_square_bracket",
    "left_square_bracket",
    *"m",
    "question_mark",
    "escape",
    "u",
]


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_the_viewers_own_frames_leave_the_same_cells(
    files: tuple[Path, Path], size: tuple[int, int], recorder: type[_Recorder]
) -> None:
    async with running(files, size, recorder) as session:
        for key in KEYS:
            await session.press(key)
            await asyncio.sleep(0)
    two = Two(*size)
    for number, data in enumerate(recorder.written):
        two.feed(data)
        assert not two.differences(), (number, data)
    assert two.sent < 0.6 * two.written


def test_colours_are_named_as_rich_names_them() -> None:
    """Rich's own codes for each depth are understood; none is sent as it is for being unknown."""
    for depth in ("standard", "256", "truecolor"):
        console = Console(color_system=depth, force_terminal=True)
        for step in range(0, 256, 15):
            style = Style(color=ColorTriplet(step, 255 - step, 128).hex, bgcolor=f"color({step})")
            text = Strip([Segment("x", style)]).render(console)
            wire = Wire()
            frame = f"\x1b[1;1H{text}\x1b[1;1H"
            wire.passed(frame)
            assert wire.passed(frame) == ""
