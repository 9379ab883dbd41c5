"""What is promised of speed and memory, and whether a run kept it. Reported, never asserted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bench.harness import Comparison, Row, number

_BUDGET = re.compile(r"(at most|at least) ([\d.,]+)(x| ms| MB)( faster| more)?")


@dataclass(frozen=True)
class Budget:
    """A limit, read from words.

    Attributes:
        text: the words.
        least: whether it is a smallest value, not a largest one.
        limit: the number.
        of: which number of a row it limits: "ratio", "faster" (the ratio upside down), "more"
            (the difference to the baseline) or "median".
        unit: of the number: "x", " ms" or " MB".
    """

    text: str
    least: bool
    limit: float
    of: str
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Reads "at most 1.15x", "at least 10x faster", "at most 40 MB more", "at most 100 ms".

        Raises:
            ValueError: it says something else.
        """
        found = _BUDGET.fullmatch(text)
        if found is None:
            raise ValueError(f"no budget: {text!r}")
        bound, limit, unit, how = found.groups()
        of = (how or "").strip() or ("ratio" if unit == "x" else "median")
        if (of == "faster") != (bound == "at least") or (of == "faster" and unit != "x"):
            raise ValueError(f"no budget: {text!r}")
        return cls(text, bound == "at least", float(limit.replace(",", "")), of, unit)

    def value(self, row: Row) -> float:
        """The number of a row that is limited."""
        if self.of == "faster":
            return 1 / (row.ratio or 1e-9)
        return {"ratio": row.ratio, "more": row.more, "median": row.median}[self.of]

    def is_met(self, row: Row) -> bool:
        """Whether a row keeps within it."""
        value = self.value(row)
        return value >= self.limit if self.least else value <= self.limit

    def said(self, row: Row) -> str:
        """What was measured, in the words of the budget."""
        how = f" {self.of}" if self.of in ("faster", "more") else ""
        return f"{number(self.value(row))}{self.unit}{how}"


@dataclass(frozen=True)
class Promise:
    """One line of what is promised.

    Attributes:
        module: the measurement (see ``bench.run``) that looks at it.
        what: what is measured.
        baseline: beside what; empty if alone.
        budget: words that :meth:`Budget.parse` reads.
    """

    module: str
    what: str
    baseline: str
    budget: str


_EMPTY = "an empty Textual app"
_PLOTEXT = "the same in textual-plotext"
_BARE = "the bare forward pass"
_HEAD_VIEW = "BertViz head_view"

PROMISES = {
    "frame-small": Promise("startup", "exec to first frame, 5 MB file", _EMPTY, "at most 1.15x"),
    "frame-large": Promise("startup", "exec to first frame, 10 GB file", _EMPTY, "at most 1.15x"),
    "filled-small": Promise(
        "startup", "exec to all panes filled, 5 MB file", _EMPTY, "at most 2.0x"
    ),
    "filled-large": Promise(
        "startup", "exec to all panes filled, 10 GB file", _EMPTY, "at most 2.0x"
    ),
    "memory-open": Promise("memory", "memory, 10 GB file open", _EMPTY, "at most 40 MB more"),
    "memory-visited": Promise(
        "memory", "memory after 200 examples of it", _EMPTY, "at most 64 MB more"
    ),
    "opening": Promise(
        "opening", "opening a 1 GiB file", "torch.load of the same data", "at least 1,000x faster"
    ),
    "layer-5k": Promise(
        "layers", "key to last byte, next layer, 5,000 points", _PLOTEXT, "at least 10x faster"
    ),
    "layer-100k": Promise(
        "layers", "key to last byte, next layer, 100,000 points", _PLOTEXT, "at least 40x faster"
    ),
    "layer-1m": Promise(
        "layers", "key to last byte, next layer, 1,000,000 points", _PLOTEXT, "at least 100x faster"
    ),
    "layer-bytes": Promise(
        "layers", "bytes per layer change, 5,000 points", _PLOTEXT, "at most 0.30x"
    ),
    "head-512": Promise(
        "heads", "key to last byte, next head, 512 tokens", "the same at 32", "at most 2x"
    ),
    "head-2048": Promise(
        "heads", "key to last byte, next head, 2,048 tokens", "the same at 32", "at most 2x"
    ),
    "one-head": Promise(
        "heads", "key to last byte, one head of 128 tokens", "DataTable", "at least 50x faster"
    ),
    "mean": Promise("averages", "mean of a head metric, 100,000 examples", "", "at most 100 ms"),
    "curves": Promise(
        "averages", "distance curves, 10,000 pairs, 1,000 resamples", "", "at most 300 ms"
    ),
    "mean-apart": Promise(
        "averages", "a key's answer while the mean is made", "the mean on screen", "at most 0.5x"
    ),
    "curves-apart": Promise(
        "averages", "a key's answer while curves are made", "the curves on screen", "at most 0.5x"
    ),
    "whole-128": Promise(
        "whole", "all 12 x 12 heads of 128 tokens", _HEAD_VIEW, "at least 100x faster"
    ),
    "whole-512": Promise(
        "whole", "all 12 x 12 heads of 512 tokens", _HEAD_VIEW, "at least 100x faster"
    ),
    "extract-32": Promise("extraction", "extraction, 32 tokens", _BARE, "at most 1.10x"),
    "extract-64": Promise("extraction", "extraction, 64 tokens", _BARE, "at most 1.10x"),
    "extract-128": Promise("extraction", "extraction, 128 tokens", _BARE, "at most 1.15x"),
    "extract-256": Promise("extraction", "extraction, 256 tokens", _BARE, "at most 1.25x"),
    "extract-512": Promise("extraction", "extraction, 512 tokens", _BARE, "at most 1.45x"),
    "tsne": Promise(
        "tsne", "t-SNE of 5,000 points, equal quality", "scikit-learn", "at least 1.6x faster"
    ),
}
"""Every promise by its key, which candidates of the measurements name."""


def summary(
    comparisons: Iterable[Comparison], quick: bool = False, modules: Collection[str] | None = None
) -> str:
    """A table of the promises: what was measured and whether it is kept.

    Of a promise that several rows look at, each has its line.

    Args:
        comparisons: what was measured.
        quick: sizes were smaller than those promised, which is said.
        modules: the measurements that ran, whose promises are listed; None for all.
    """
    rows = [row for comparison in comparisons for row in comparison.rows]
    lines = ["## What is promised", ""]
    if quick:
        said = "Sizes were smaller than those named here (each section says them)"
        lines += [f"{said}, so that fixed costs weigh more: this tells what broke, no more.", ""]
    lines += ["| what | beside | budget | measured | met |", "| --- | --- | --- | ---: | --- |"]
    for key, promise in PROMISES.items():
        if modules is not None and promise.module not in modules:
            continue
        beside, budget = promise.baseline, Budget.parse(promise.budget)
        found = [row for row in rows if row.promise == key]
        for row in found:
            what = promise.what if len(found) == 1 else f"{promise.what}: {row.name}"
            met = "yes" if budget.is_met(row) else "no"
            lines.append(f"| {what} | {beside} | {budget.text} | {budget.said(row)} | {met} |")
        if not found:
            lines.append(f"| {promise.what} | {beside} | {budget.text} | not measured | |")
    return "\n".join([*lines, ""])
