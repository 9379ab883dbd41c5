"""A head metric for every head, averaged over examples."""

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
        Missing: the files have no head metrics.
    """
    if s.metric not in p.a.metrics:
        raise Missing("The file has no head metrics; extract it again.")
    metric = p.a.metrics[s.metric]
    key = ("heads", s.view, s.metric, p.scope_key(s, metric.unit))
    return p.once(key, lambda: _head_view(p, s))


def _head_view(p: Project, s: Selection) -> HeadView:
    metric = p.a.metrics[s.metric]
    found = heads.mean_over_examples(*_units(p, s))
    return HeadView(
        values=found.mean,
        title=metric.title or metric.name,
        meaning=metric.meaning,
        low=metric.low,
        high=metric.high,
        difference=s.view == "B−A",
        over=_over(p, s, metric.unit, found.examples, found.units),
    )


def _units(p: Project, s: Selection) -> tuple[Floats, Ints, frozenset[int] | None]:
    """The metric of the view for every unit, the example of each, the examples that count.

    For B − A the units are subtracted before they are averaged: only units that both define
    count.
    """
    unit = p.a.metrics[s.metric].unit
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
    marked = s.scope == "marked"
    counted = many(examples, "marked example") if marked else f"all {many(examples, 'example')}"
    pairs = f", {many(units, 'pair')}" if unit == "pair" else ""
    return f"mean of {counted}{pairs}"
