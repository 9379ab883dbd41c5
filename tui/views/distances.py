"""Distances per layer and group: between the spans of pairs; those of points are in ``groups``."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from collateral.analysis import distances

from .. import text
from ..state import MARKED, Selection
from . import groups
from .answers import MAP_MEASURE, Behind, DistanceView, Floats, Ints, Missing, Side

if TYPE_CHECKING:
    from ..project import Project

_QUICK_PAIRS = 500
"""Up to so many pairs the bootstrap takes less time than anyone notices."""


def distance_view(p: Project, s: Selection) -> DistanceView:
    """Distances per layer and group, for the chosen view: of pairs of spans, or of points.

    Raises:
        Missing: no pairs and no maps, or no groups.
    """
    return p.once(_distance_key(p, s), lambda: _distance_view(p, s))


def distance_ready(p: Project, s: Selection) -> bool:
    """Whether :meth:`distance_view` answers within a moment."""
    if p.has(_distance_key(p, s)) or not s.grouping:
        return True
    if groups.of_points(s):
        return groups.ready(p, s)
    return len(p.a.pairs) <= _QUICK_PAIRS or s.scope == "example"


def pair_measures(p: Project) -> tuple[str, ...]:
    """The distances between the spans of pairs that all files have."""
    names = [name for name in p.a.measures if all(name in file.measures for file in p.files)]
    maps = [MAP_MEASURE] * all(file.mapped_layers for file in p.files)
    return (*names, *maps) if len(p.a.pairs) else ()


def _distance_key(p: Project, s: Selection) -> Hashable:
    marked = s.marked if s.grouping == MARKED else None
    return ("distance", s.view, s.measure, s.grouping, s.gap, marked, p.scope_key(s, "example"))


def _distance_view(p: Project, s: Selection) -> DistanceView:
    if groups.of_points(s) and p.limits.groupings:
        return groups.view(p, s)
    if not len(p.a.pairs) and not p.limits.groupings:
        raise Missing(
            "The file has neither pairs of spans nor maps of points, so there are no distances; "
            "extract it with maps."
        )
    known = pair_measures(p)
    if not s.grouping or not known:
        raise Missing("The file has no distances; extract it again.")
    s = s if s.measure in known else replace(s, measure=known[-1])
    curves = _curves(p, s, s.measure)
    codes, labels = _groups(p, s)
    warning = _warning(p, s, curves)
    counts = [text.many(curve.pairs, "pair") for curve in curves]
    behind: list[tuple[Behind, ...]]
    behind = [(Behind("", curve.pairs, curve.examples),) for curve in curves]
    if s.gap:
        two = _two_of(curves)
        behind = [tuple(Behind(one.label, one.pairs, one.examples) for one in two)]
        first, second = two
        label = f"{first.label} − {second.label}"
        curves, counts = [distances.difference(second, first, label)], [""]
    measure = p.measure_title(s.measure)
    return DistanceView(
        curves=curves,
        categories=[len(labels) if s.gap else labels.index(curve.label) for curve in curves],
        counts=counts,
        behind=behind,
        title=f"{measure.removesuffix(' distance')} · {_by(p, s)}",
        measure=s.measure,
        unit="pair",
        brief=measure,
        difference=s.gap or s.view == "B−A",
        over=_over(p, s, codes),
        warning=warning,
    )


def grouping_title(p: Project, grouping: str) -> str:
    """What makes groups, for people: "pairs by gold", "points by word class"."""
    if groups.of_points(Selection(grouping=grouping)):
        return groups.title(p, grouping)
    return f"pairs by {p.a.pairs.describe(grouping).title or grouping}"


def _by(p: Project, s: Selection) -> str:
    """What groups the pairs, and whose column that is."""
    column = p.a.pairs.describe(s.grouping)
    by_model = column.role in ("prediction", "correct")
    owner = f" ({_grouping_side(p, s)})" if p.two and by_model else ""
    return f"by {column.title or s.grouping}{owner}"


def _over(p: Project, s: Selection, codes: Ints) -> str:
    if s.scope == "example":
        return "this example"
    return f"{len(set(p.pair_examples[codes >= 0].tolist())):,} {groups.WHICH.get(s.scope, '')}ex."


def _two_of(curves: list[distances.Curve]) -> list[distances.Curve]:
    """The two groups that are subtracted: of more those with the most pairs."""
    if len(curves) < 2:
        raise Missing("There are no two groups to subtract here; D shows the groups again.")
    largest = sorted(curves, key=lambda curve: -curve.pairs)[:2]
    return [curve for curve in curves if curve in largest]


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
    labels = [[curve.label for curve in found] for found in (on_map, in_space)]
    if labels[0] != labels[1] or len(labels[0]) != 2:  # a group may be unknown in one of them
        return ""
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
