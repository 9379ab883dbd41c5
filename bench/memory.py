"""Memory of the viewer with a large file, when it is opened and after many of its examples."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Candidate, Comparison, tabled
from bench.startup import EMPTY, LARGE, QUICK_LARGE, large_file
from bench.terminal import VIEWER, Memory, Session

VISITS, QUICK_VISITS = 200, 40
_ROUNDS = 3
"""Memory hardly differs from run to run."""


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Resident and private memory, beside an empty Textual app."""
    visits = QUICK_VISITS if quick else VISITS
    with tempfile.TemporaryDirectory() as name:
        large, note = large_file(Path(name), QUICK_LARGE if quick else LARGE)
        rounds = [measured(large, visits) for _ in range(min(runs, 1 if quick else _ROUNDS))]
    names = [
        ("an empty Textual app", ""),
        ("the viewer, the file open", "memory-open"),
        (f"the viewer, {visits} examples visited", "memory-visited"),
    ]
    note = f"Keys go from example to example. {note}"
    known = [[found for found in one if found is not None] for one in rounds]
    if any(len(one) < len(names) for one in known):
        return  # this system does not say what a process holds
    for kind, values in (
        ("Resident memory", [[found.resident for found in one] for one in known]),
        ("Private memory", [[found.private for found in one] for one in known]),
    ):
        held = kind.startswith("Resident")
        candidates = [Candidate(n, lambda: 0.0, key if held else "") for n, key in names]
        yield tabled(kind, candidates, values, "MB", note)


def measured(path: Path, visits: int) -> list[Memory | None]:
    """Of an empty app, of the viewer when all is drawn, and after so many further examples."""
    with Session(EMPTY) as empty:
        empty.until(b"drawn")
        empty.settled()
        found = [empty.memory()]
    with Session([VIEWER, str(path)]) as session:
        session.until(b"t-SNE")
        session.settled()
        found.append(session.memory())
        for _ in range(visits):
            session.press(b"n")
        found.append(session.memory())
    return found
