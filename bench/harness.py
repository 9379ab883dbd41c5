"""What every measurement shares: candidates run in turn, medians, ratios to a baseline beside them.

The speed of a shared machine drifts by more than what is to be measured, so candidates take turns
within one run and the ratio to the first of them is what counts; milliseconds say little elsewhere.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")
Measured = TypeVar("Measured", covariant=True)


@dataclass
class Spent:
    """How long something took.

    Attributes:
        wall: milliseconds that went by.
        cpu: milliseconds of this process's processor time, all threads together: what other
            programs do meanwhile changes it less.
    """

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Spent]:
    """Measures what is done in the block; several blocks can be summed by the caller."""
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.wall = 1000 * (time.perf_counter() - wall)
    spent.cpu = 1000 * (time.process_time() - cpu)


@dataclass(frozen=True)
class Candidate(Generic[Measured]):
    """One thing to measure.

    Attributes:
        name: what it is.
        measure: does it once and returns how much it took.
        promise: key of the promise that it is held to (see ``bench.promises``); empty if none.
    """

    name: str
    measure: Callable[[], Measured]
    promise: str = ""


@dataclass(frozen=True)
class Row:
    """One candidate's result.

    Attributes:
        name: the candidate's.
        median: of all its runs.
        low, high: its smallest and largest run.
        ratio: median of the ratios to the baseline's run of the same round.
        more: median of the differences to it.
        cpu_ratio: the ratio of processor time; None if it was not measured.
        promise: the candidate's.
    """

    name: str
    median: float
    low: float
    high: float
    ratio: float
    more: float = 0.0
    cpu_ratio: float | None = None
    promise: str = ""


@dataclass(frozen=True)
class Comparison:
    """Candidates that were measured together; the first row is the baseline.

    Attributes:
        title: what was measured.
        unit: of the numbers, such as "ms".
        runs: how often each candidate ran.
        rows: one per candidate.
        note: what a reader must know to read it.
    """

    title: str
    unit: str
    runs: int
    rows: tuple[Row, ...]
    note: str = ""


def compare(
    title: str,
    candidates: Sequence[Candidate[float | Spent]],
    runs: int,
    unit: str = "ms",
    note: str = "",
) -> Comparison:
    """Runs the candidates in turn, ``runs`` times each after one round that does not count.

    Args:
        title: what is measured.
        candidates: the baseline first.
        runs: rounds that count, at least 1.
        unit: of what the candidates return.
        note: what a reader must know.
    """
    return tabled(title, candidates, in_turn(candidates, runs), unit, note)


def in_turn(
    candidates: Sequence[Candidate[Found]], runs: int, warm_up: bool = True
) -> list[list[Found]]:
    """What the candidates measured in each round, after one that does not count."""
    taken: list[list[Found]] = []
    for number in range(runs + warm_up):
        # Each round starts with another candidate, so that none always follows the same one.
        turn = [(i + number) % len(candidates) for i in range(len(candidates))]
        found = {i: candidates[i].measure() for i in turn}
        taken.append([found[i] for i in range(len(candidates))])
    return taken[warm_up:]


def tabled(
    title: str,
    candidates: Sequence[Candidate[Any]],
    rounds: Sequence[Sequence[float | Spent]],
    unit: str = "ms",
    note: str = "",
) -> Comparison:
    """Medians, and ratios and differences to the first candidate, of what was measured."""
    taken = [[_spent(found) for found in one] for one in rounds]
    rows = []
    for i, candidate in enumerate(candidates):
        values = [spent[i].wall for spent in taken]
        ratio = statistics.median(spent[i].wall / (spent[0].wall or 1e-9) for spent in taken)
        more = statistics.median(spent[i].wall - spent[0].wall for spent in taken)
        timed = all(spent[0].cpu and spent[i].cpu for spent in taken)
        cpu = statistics.median(s[i].cpu / s[0].cpu for s in taken) if timed else None
        median, low, high = statistics.median(values), min(values), max(values)
        rows.append(Row(candidate.name, median, low, high, ratio, more, cpu, candidate.promise))
    return Comparison(title, unit, len(taken), tuple(rows), note)


def _spent(measured: float | Spent) -> Spent:
    return measured if isinstance(measured, Spent) else Spent(measured)


def as_markdown(comparison: Comparison) -> str:
    """A comparison as a section with a table."""
    unit = comparison.unit
    timed = any(row.cpu_ratio is not None for row in comparison.rows)
    lines = [f"## {comparison.title}", ""]
    lines += [
        f"| what | median {unit} | lowest to highest | ratio |{' of CPU time |' if timed else ''}",
        f"| --- | ---: | ---: | ---: |{' ---: |' if timed else ''}",
    ]
    for row in comparison.rows:
        spread = f"{number(row.low)} to {number(row.high)}"
        line = f"| {row.name} | {number(row.median)} | {spread} | {row.ratio:.2f}x |"
        if timed:
            line += "  |" if row.cpu_ratio is None else f" {row.cpu_ratio:.2f}x |"
        lines.append(line)
    runs = "run" if comparison.runs == 1 else "runs, taken in turn"
    lines += ["", f"{comparison.runs} {runs}. {comparison.note}".rstrip(), ""]
    return "\n".join(lines)


def number(value: float) -> str:
    """A measured number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return (
        f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
        if abs(value) >= 1
        else f"{value:.3g}"
    )


def machine() -> str:
    """Where and with what the measurements were made."""
    packages = (
        *("textual", "numpy", "msgpack", "torch", "transformers", "openTSNE"),
        *("scikit-learn", "textual-plotext", "plotext", "bertviz"),
    )
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return (
        f"{when}; {_processor()}, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}; {versions}."
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(absent)"


def _processor() -> str:
    import os

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.processor() or 'processor'}"


def write_results(comparisons: Sequence[Comparison], path: Path, summary: str = "") -> None:
    """Writes all comparisons, after a summary of them, with the machine they were made on."""
    head = "# Measurements\n\nMade by `make bench`. Trust the ratios, not the milliseconds.\n\n"
    sections = "\n".join(filter(None, [summary, *map(as_markdown, comparisons)]))
    path.write_text(f"{head}{machine()}\n\n{sections}", encoding="utf-8")
