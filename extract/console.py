"""The terminal's side of a run: a bar per stage on standard error, a summary at the end."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from types import TracebackType

import rich.console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from collateral.plain import printable

from .pipeline import Summary
from .saying import many

_WIDTH = 17


class Console:
    """Shows progress; a bar per stage on a terminal, a line per finished stage elsewhere."""

    def __init__(self) -> None:
        self._console = rich.console.Console(stderr=True, highlight=False)
        self._bars = Progress(
            SpinnerColumn(finished_text="✓" if self._console.encoding == "utf-8" else "x"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._live = self._console.is_terminal
        self._stage = ""
        self._task: TaskID | None = None
        self._total: int | None = None
        self._start = time.perf_counter()

    def __enter__(self) -> Console:
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._bars.stop()

    def begin(self, stage: str, total: int | None) -> None:
        """A stage starts."""
        self._stage, self._total = stage, total
        self._stage_start = time.perf_counter()
        if self._live:
            self._task = self._bars.add_task(stage.ljust(_WIDTH), total=total)

    def advance(self, steps: int) -> None:
        """So many more steps are done."""
        if self._live and self._task is not None:
            self._bars.advance(self._task, steps)

    def end(self) -> None:
        """The stage is done."""
        if self._live and self._task is not None:
            done = self._total or 1
            self._bars.update(self._task, total=done, completed=done)
        elif not self._live:
            seconds = time.perf_counter() - self._stage_start
            amount = "" if self._total is None else f"{self._total:>6}"
            print(f"{self._stage:<{_WIDTH}} {amount:>6} {seconds:7.1f} s", file=sys.stderr)

    def summary(self, summary: Summary) -> None:
        """What was done, on standard output; names from the data cannot move the cursor."""
        out = rich.console.Console(highlight=False, soft_wrap=True)
        for name, value in _facts(summary, time.perf_counter() - self._start):
            out.print(Text.assemble((f"{name:<10}", "bold"), printable(value)))
        for note in summary.notes:
            out.print(Text.assemble((f"{'note':<10}", "bold yellow"), printable(note)))
        path = printable(shlex.quote(str(summary.output)))
        out.print(Text(f"\nNext: interpret-tui {path}"))


def _facts(summary: Summary, seconds: float) -> list[tuple[str, str]]:
    parts = [f"{name} {spent:.1f} s" for name, spent in summary.seconds.items() if spent >= 0.05]
    facts = [("file", f"{summary.output} ({_size(summary.size)})"), ("texts", f"{summary.texts:,}")]
    facts += [
        (name, f"{count:,}")
        for name, count in (("pairs", summary.pairs), ("points", summary.points))
        if count
    ]
    facts += [("score" if number == 0 else "", line) for number, line in enumerate(summary.score)]
    facts.append(("attention", f"maps of {summary.maps:,} of {many(summary.texts, 'text')}"))
    facts += [
        ("relations" if number == 0 else "", line) for number, line in enumerate(summary.relations)
    ]
    facts.append(("time", f"{seconds:.1f} s ({', '.join(parts)})"))
    peak = peak_memory()
    if peak is not None:
        facts.append(("memory", f"{_size(peak)} at most"))
    return facts


def _size(count: int) -> str:
    if count < 1 << 20:
        return f"{count / (1 << 10):.1f} KiB"
    return f"{count / (1 << 20):.1f} MiB" if count < 1 << 30 else f"{count / (1 << 30):.2f} GiB"


def peak_memory() -> int | None:
    """The most memory this process held, in bytes; None where the system does not say."""
    with contextlib.suppress(ImportError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return None
