"""How long a newcomer waits: ``--help``, and the first picture of the viewer."""

from __future__ import annotations

import compileall
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.harness import Candidate, Comparison, compare
from bench.terminal import start

ROOT = Path(__file__).resolve().parent.parent

EMPTY_APP = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("all is drawn")

Empty().run()
"""


MOMENTS = {
    "marker": ("First picture", "From exec to the frame, through a pseudo-terminal of 160x45."),
    "settled": ("All drawn", "From exec to the last byte, when all panes are filled."),
}


def comparisons(runs: int) -> Iterator[Comparison]:
    """Start-up of the viewer against that of an empty Textual app.

    All modules are compiled beforehand, as an installation leaves them.
    """
    for room in ("tui", "collateral"):
        compileall.compile_dir(ROOT / room, quiet=1)
    viewer = str(Path(sys.executable).with_name("interpret-tui"))
    whole = {
        "`import textual.app`": (sys.executable, "-c", "import textual.app"),
        "`interpret-tui --help`": (viewer, "--help"),
        "`import tui.app`": (sys.executable, "-c", "import tui.app"),
        "`python -c pass`": (sys.executable, "-c", "pass"),
    }
    candidates = [Candidate(name, partial(process, *command)) for name, command in whole.items()]
    yield compare("Answering --help", candidates, runs, note="Whole processes.")
    for moment, (title, note) in MOMENTS.items():
        empty = partial(shown, moment, b"drawn", sys.executable, "-c", EMPTY_APP)
        demo = partial(shown, moment, b"t-SNE", viewer, "--demo")
        candidates = [
            Candidate("an empty Textual app", empty),
            Candidate("`interpret-tui --demo`", demo),
        ]
        yield compare(title, candidates, runs, note=note)


def shown(moment: str, marker: bytes, *command: str) -> float:
    """Milliseconds from exec to one of :data:`MOMENTS` of a program in a terminal."""
    # The panes fill after the first frame; on a busy machine that pause is long.
    found = start(command, marker, silence=2.0)
    return 1000 * {"marker": found.marker, "settled": found.settled}[moment]


def process(*command: str) -> float:
    """Milliseconds that a whole process takes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - began)
