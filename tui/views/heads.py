"""A head metric for every head: averaged over examples, or one of the whole data set."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from collateral.analysis import heads

from ..state import Selection
from ..text import many
from .answers import TROUBLE, Floats, HeadView, Ints, Missing, Side, subtracted

if TYPE_CHECKING:
    from ..project import Project


_QUICK = 1 << 20
"""So many numbers are read and averaged within a moment, and no more of a metric are kept."""


def head_view(p: Project, s: Selection) -> HeadView:
    """The chosen metric for every head, averaged over the scope, for the chosen view.

    Raises:
        Missing: the files have no head metrics of this kind of attention.
    """
    metric = p.metrics.get(s.metric)
    if metric is None or metric.attention != s.kind:
        what = f"head metrics of {s.kind} attention" if len(p.kinds) > 1 else "head metrics"
        raise Missing(f"The file has no {what}; extract it again.")
    if s.metric in p.summaries:
        return p.once(("summary", s.view, s.metric), lambda: _summary(p, s))
    return p.once(_key(p, s), lambda: _head_view(p, s))


def head_ready(p: Project, s: Selection) -> bool:
    """Whether :func:`head_view` answers within a moment."""
    known = s.metric in p.metrics and s.metric not in p.summaries
    if not known or s.scope == "example" or p.has(_key(p, s)):
        return True
    return _numbers(p, s.metric) * len(p.models(s.view)) <= _QUICK


def standing_out(p: Project, s: Selection) -> tuple[int, int] | None:
    """The head whose mean is largest (of a difference: furthest from zero), to begin with.

    In a large file by the first examples only: opening it must not wait for all of them. None if
    no head has a value.

    Raises:
        Missing: the files have no head metrics of this kind of attention.
    """
    if head_ready(p, s):
        values = head_view(p, s).values
    else:
        owners = _owners(p, s.metric)
        few = min(len(owners), max(1, _QUICK // math.prod(_shape(p, s.metric))))
        parts = [p.file(side).head_metric(s.metric, 0, few) for side in p.models(s.view)]
        values = heads.mean_over_examples(subtracted(parts), owners[:few]).mean
    top = heads.ranked(values, 1, by_magnitude=s.view == "B−A")
    return top[0][:2] if top else None


def undefined(p: Project, s: Selection, name: str) -> bool:
    """Whether a metric has no number at all in the files, such as that of separators without any.

    Of a large file this is not known, and taken to be false: finding out would take too long.
    """
    return any(_undefined(p, side, name) for side in p.models(s.view))


def _undefined(p: Project, side: Side, name: str) -> bool:
    if name not in p.summaries and _numbers(p, name) > _QUICK:
        return False
    try:
        return p.once(("undefined", side, name), lambda: bool(np.isnan(_all(p, side, name)).all()))
    except TROUBLE:  # a damaged part is another matter, and said where it is shown
        return False


def _all(p: Project, side: Side, name: str) -> Floats:
    if name in p.summaries:
        return p.file(side).head_summary(p.summaries[name].name)
    return p.file(side).head_metric(name)


def metric(p: Project, side: Side, name: str) -> Floats:
    """A head metric of one model, [units, layers, heads]; kept if it is small."""
    key = ("metric", side, name)
    if p.has(key) or _numbers(p, name) <= _QUICK:
        return p.once(key, lambda: p.file(side).head_metric(name))
    return p.file(side).head_metric(name)


def _key(p: Project, s: Selection) -> Hashable:
    return ("heads", s.view, s.metric, p.scope_key(s, p.metrics[s.metric].unit))


def _shape(p: Project, name: str) -> tuple[int, int]:
    kind = p.limits.kind(p.metrics[name].attention)
    return kind.layers, kind.heads


def _numbers(p: Project, name: str) -> int:
    """How many numbers a metric has: units x layers x heads."""
    units = len(p.a.pairs if p.metrics[name].unit == "pair" else p.a.examples)
    return units * math.prod(_shape(p, name))


def _owners(p: Project, name: str) -> Ints:
    """The example of each unit of a metric."""
    if p.metrics[name].unit == "pair":
        return p.pair_examples
    return np.arange(len(p.a.examples), dtype=np.int32)


def _head_view(p: Project, s: Selection) -> HeadView:
    metric = p.metrics[s.metric]
    found = heads.mean_over_examples(*_units(p, s))
    over = _over(p, s, metric.unit, found.examples, found.units)
    return _view(p, s, found.mean, over)


def _summary(p: Project, s: Selection) -> HeadView:
    """A metric of the whole data set; it has no units, so nothing is averaged."""
    values = subtracted([_all(p, side, s.metric) for side in p.models(s.view)])
    over = f"of the whole data set, {many(len(p.a.examples), 'example')}; not an average"
    return _view(p, s, values, over)


def _view(p: Project, s: Selection, values: Floats, over: str) -> HeadView:
    metric = p.metrics[s.metric]
    difference, whole = s.view == "B−A", s.metric in p.summaries
    return HeadView(
        values=values,
        title=p.metric_title(s.metric),
        meaning=metric.meaning,
        low=metric.low,
        high=metric.high,
        difference=difference,
        over=over,
        baseline=None if difference else p.baseline(p.side(s.view), s.metric),
        whole=whole,
    )


def _units(p: Project, s: Selection) -> tuple[Floats, Ints, frozenset[int] | None]:
    """The metric of the view for every unit, the example of each, the examples that count.

    For B − A the units are subtracted before they are averaged: only units that both define
    count.
    """
    unit = p.metrics[s.metric].unit
    sides = p.models(s.view)
    pair = p.pair(s)
    rows, scope = slice(None), p.scope(s)
    if s.scope == "example" and not (unit == "pair" and pair is None):
        row = s.example if unit == "example" or pair is None else pair
        rows, scope = slice(row, row + 1), None
        parts = [p.file(side).head_metric(s.metric, row, row + 1) for side in sides]
    else:
        parts = [p.metric(side, s.metric) for side in sides]
    return subtracted(parts), _owners(p, s.metric)[rows], scope


def _over(p: Project, s: Selection, unit: str, examples: int, units: int) -> str:
    if s.scope == "example":
        return "this pair" if unit == "pair" else "this example"
    scope = p.scope(s)
    there = p.limits.examples if scope is None else len(scope)
    what = "example" if scope is None else f"{s.scope} example"
    if not examples:
        return f"undefined in {'all ' if there > 1 else ''}{many(there, what)}"
    pairs = f", {many(units, 'pair')}" if unit == "pair" else ""
    if examples < there:
        return f"mean of {examples:,} of {many(there, what)}{pairs} (others undefined)"
    every = "all " if scope is None else ""
    return f"mean of {every}{many(examples, what)}{pairs}"
