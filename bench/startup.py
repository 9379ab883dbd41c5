"""How long a newcomer waits: ``--help``, the first picture of the viewer, and all its panes."""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import files
from bench.harness import Candidate, Comparison, Spent, compare, in_turn, tabled
from bench.terminal import ROOT, VIEWER, Session

EMPTY_APP = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("all is drawn")

Empty().run()
"""
EMPTY = (sys.executable, "-c", EMPTY_APP)

SMALL = files.Recipe(real=2, bare=148)
LARGE, QUICK_LARGE = 10e9, 1e9
"""Bytes of the large file."""
READ = 300
"""Examples of it whose attention is no zeros; more than a measurement looks at."""

MOMENTS = {
    "frame": ("First picture", "From exec to the frame, through a pseudo-terminal of 160x45."),
    "filled": ("All drawn", "From exec to the last byte, when all panes are filled."),
}


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Start-up of the viewer against that of an empty Textual app.

    All modules are compiled beforehand, as an installation leaves them.
    """
    for room in ("tui", "collateral"):
        compileall.compile_dir(ROOT / room, quiet=1)
    whole = {
        "`import textual.app`": (sys.executable, "-c", "import textual.app"),
        "`interpret-tui --help`": (VIEWER, "--help"),
        "`import tui.app`": (sys.executable, "-c", "import tui.app"),
        "`python -c pass`": (sys.executable, "-c", "pass"),
    }
    answering = [Candidate(name, partial(process, *command)) for name, command in whole.items()]
    yield compare("Answering --help", answering, runs, note="Whole processes.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = files.write(folder / "small.msgpack", SMALL)
        large, note = large_file(folder, QUICK_LARGE if quick else LARGE)
        candidates = [
            Candidate("an empty Textual app", partial(started, b"drawn", *EMPTY)),
            Candidate(_named(small), partial(started, b"t-SNE", VIEWER, str(small)), "small"),
            Candidate(_named(large), partial(started, b"t-SNE", VIEWER, str(large)), "large"),
            Candidate("`interpret-tui --demo`", partial(started, b"t-SNE", VIEWER, "--demo")),
        ]
        rounds = in_turn(candidates, runs)
    for number, (moment, (title, what)) in enumerate(MOMENTS.items()):
        held = [
            Candidate(c.name, c.measure, c.promise and f"{moment}-{c.promise}") for c in candidates
        ]
        times = [[found[number] for found in one] for one in rounds]
        yield tabled(title, held, times, note=f"{what} {note}")


def large_file(folder: Path, size: float) -> tuple[Path, str]:
    """The large file, or as large a one as the disk has room for, and what a reader must know."""
    recipe = files.of_size(size, folder, READ)
    path = files.write(folder / "large.msgpack", recipe)
    made = path.stat().st_size
    note = (
        f"The large file holds {recipe.examples:,} examples of 64 tokens, 12 x 12 heads; tables, "
        f"metrics and index are whole, attention after the first {recipe.real} examples is zeros "
        "that take no room on the disk. The system's cache is warm."
    )
    if made < 0.9 * size:
        note += f" The disk has no room for {size / 1e9:.0f} GB: it is smaller than promised."
    return path, note


def started(marker: bytes, *command: str) -> tuple[Spent, Spent]:
    """From exec to the marker, and to the last byte, of a program in a terminal."""
    with Session(command) as session:
        frame = Spent(session.until(marker), session.used())
        filled = session.settled()
        return frame, Spent(max(frame.wall, filled), session.used())


def process(*command: str) -> float:
    """Milliseconds that a whole process takes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - began)


def _named(path: Path) -> str:
    size = path.stat().st_size
    said = f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.1f} MB"
    return f"the viewer, a file of {said}"
