"""A head metric for every head: averaged over examples, or one of the whole data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collateral.analysis import heads

from ..state import Selection
from ..text import many
from .answers import Floats, HeadView, Ints, Missing

if TYPE_CHECKING:
    from ..project import Project


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
    key = ("heads", s.view, s.metric, p.scope_key(s, metric.unit))
    return p.once(key, lambda: _head_view(p, s))


def _head_view(p: Project, s: Selection) -> HeadView:
    metric = p.metrics[s.metric]
    found = heads.mean_over_examples(*_units(p, s))
    over = _over(p, s, metric.unit, found.examples, found.units)
    return _view(p, s, found.mean, over)


def _summary(p: Project, s: Selection) -> HeadView:
    """A metric of the whole data set; it has no units, so nothing is averaged."""
    name = p.summaries[s.metric].name
    values = p.file(p.side(s.view)).head_summary(name)
    if s.view == "B−A":
        values = values - p.a.head_summary(name)
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
    values = p.metric(p.side(s.view), s.metric)
    if s.view == "B−A":
        values = values - p.metric("A", s.metric)
    owners = p.pair_examples
    if unit == "example":
        owners = np.arange(len(p.a.examples), dtype=np.int32)
    pair = p.pair(s)
    if s.scope == "example" and unit == "pair" and pair is not None:
        return values[pair : pair + 1], owners[pair : pair + 1], None
    return values, owners, p.scope(s)


def _over(p: Project, s: Selection, unit: str, examples: int, units: int) -> str:
    if s.scope == "example":
        return "this pair" if unit == "pair" else "this example"
    some = many(examples, f"{s.scope} example")
    counted = f"all {many(examples, 'example')}" if s.scope == "all" else some
    pairs = f", {many(units, 'pair')}" if unit == "pair" else ""
    return f"mean of {counted}{pairs}"
