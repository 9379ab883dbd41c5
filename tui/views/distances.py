"""Distances between the spans of pairs, per layer and group."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from collateral.analysis import distances

from ..state import Selection
from .answers import MAP_MEASURE, DistanceView, Floats, Ints, Missing, Side

if TYPE_CHECKING:
    from ..project import Project

_WHICH = {"filtered": "filtered "}
_QUICK_PAIRS = 500
"""Up to so many pairs the bootstrap takes less time than anyone notices."""


def distance_view(p: Project, s: Selection) -> DistanceView:
    """Distance between the spans of each pair, per layer and group, for the chosen view.

    Raises:
        Missing: no pairs, no distances, or no groups.
    """
    return p.once(_distance_key(p, s), lambda: _distance_view(p, s))


def distance_ready(p: Project, s: Selection) -> bool:
    """Whether :meth:`distance_view` answers within a moment."""
    few = len(p.a.pairs) <= _QUICK_PAIRS or s.scope == "example"
    return few or p.has(_distance_key(p, s))


def _distance_key(p: Project, s: Selection) -> Hashable:
    return ("distance", s.view, s.measure, s.grouping, p.scope_key(s, "example"))


def _distance_view(p: Project, s: Selection) -> DistanceView:
    if not len(p.a.pairs):
        raise Missing(
            "The file has no pairs of spans, so there are no distances; tasks with pairs, such as "
            "coref, make them."
        )
    if not s.grouping or not s.measure:
        raise Missing("The file has no distances; extract it again.")
    curves = _curves(p, s, s.measure)
    column = p.a.pairs.describe(s.grouping).title or s.grouping
    by_model = p.a.pairs.describe(s.grouping).role in ("prediction", "correct")
    owner = f" ({_grouping_side(p, s)})" if p.two and by_model else ""
    measure = p.measure_title(s.measure).removesuffix(" distance")
    codes, labels = _groups(p, s)
    count = len(np.unique(p.pair_examples[codes >= 0]))
    return DistanceView(
        curves=curves,
        categories=[labels.index(curve.label) for curve in curves],
        title=f"{measure} · by {column}{owner}",
        difference=s.view == "B−A",
        over="this example" if s.scope == "example" else f"{count:,} {_WHICH.get(s.scope, '')}ex.",
        warning=_warning(p, s, curves),
    )


def _groups(p: Project, s: Selection) -> tuple[Ints, tuple[str, ...]]:
    """Group of each pair (-1 outside the scope or unknown), and the groups' labels."""
    codes, labels = p.codes("pairs", _grouping_side(p, s), s.grouping)
    examples = p.scope(s)
    if examples is not None:
        inside = np.isin(p.pair_examples, np.fromiter(examples, dtype=np.int64))
        codes = np.where(inside, codes, np.int32(-1))
    return codes, labels


def _grouping_side(p: Project, s: Selection) -> Side:
    """Whose column makes the groups: the shown model's, or the other's if it knows nothing."""
    side: Side = p.side(s.view)
    if p.two and not (p.codes("pairs", side, s.grouping)[0] >= 0).any():
        return "A" if side == "B" else "B"
    return side


def _pair_distances(p: Project, side: Side, measure: str) -> Floats:
    file = p.file(side)
    if measure == MAP_MEASURE:
        return p.once(("distances", side, measure), lambda: distances.map_distances(file))
    return p.once(("distances", side, measure), lambda: file.distances(measure))


def _curves(p: Project, s: Selection, measure: str) -> list[distances.Curve]:
    side = p.side(s.view)
    values = _pair_distances(p, side, measure)
    if s.view == "B−A":
        values = values - _pair_distances(p, "A", measure)
    codes, labels = _groups(p, s)
    inside = codes >= 0  # others would only make the number of examples in a resample vary
    values, codes, owners = values[inside], codes[inside], p.pair_examples[inside]
    found = distances.curves(values, codes, labels, owners)
    return [curve for curve in found if curve.pairs]


def _warning(p: Project, s: Selection, curves: list[distances.Curve]) -> str:
    """Where the map shows the opposite of the original space, in words."""
    if MAP_MEASURE not in p.limits.measures or len(curves) != 2:
        return ""
    original = s.measure if s.measure != MAP_MEASURE else next(iter(p.a.measures), "")
    if not original:
        return ""
    on_map = curves if s.measure == MAP_MEASURE else _curves(p, s, MAP_MEASURE)
    in_space = curves if s.measure == original else _curves(p, s, original)
    layers = distances.disagreements(_gap(on_map), _gap(in_space))
    if not layers:
        return ""
    names = ", ".join(str(layer) for layer in layers)
    plural = "s" if len(layers) > 1 else ""
    return f"t-SNE shows the opposite of {p.measure_title(original)} in layer{plural} {names}"


def _gap(curves: list[distances.Curve]) -> distances.Curve:
    """The first of two groups minus the second."""
    first, second = curves
    return distances.difference(second, first)
