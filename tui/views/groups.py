"""Distances between groups of points on the maps, for any file: with pairs of spans or without."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from collateral.analysis import Curve, GroupCurves, difference, group_curves

from ..state import MARKED, Selection
from . import points
from .answers import MAP_MEASURE, DistanceView, Ints, Missing, Side

if TYPE_CHECKING:
    from ..project import Project

POINTS = "points: "
"""What the name of a grouping begins with that is a colouring of the points."""
WHICH = {"filtered": "filtered "}
"""What stands before a number of examples that are not all."""
_MOST_GROUPS = 5
"""Groups that have curves, the largest ones: more can't be told apart."""
_QUICK = 200_000
"""Distances that are computed before anyone notices: points, squared, times layers."""


def groupings(p: Project) -> tuple[str, ...]:
    """What can make groups: columns of the pairs, colourings of the points, the marked points."""
    files = p.files
    names = [
        name
        for name, kind in p.a.pairs.columns.items()
        if len(p.a.pairs)
        and kind in ("categorical", "boolean")
        and all(name in file.pairs for file in files)
    ]
    if all(file.mapped_layers for file in files) and len(p.points.examples):
        names += [f"{POINTS}{name}" for name in points.colourings(p) if _has_groups(p, name)]
        names.append(MARKED)
    return tuple(names)


def _has_groups(p: Project, colouring: str) -> bool:
    """Whether a colouring has two classes, as far as the file's index says."""
    kind, labels = points.classed(p, colouring)
    return kind == "boolean" or (kind == "categorical" and labels > 1)


def of_points(s: Selection) -> bool:
    """Whether the groups are of points, not of pairs."""
    return s.grouping == MARKED or s.grouping.startswith(POINTS)


def title(p: Project, grouping: str) -> str:
    """What makes the groups, for people."""
    if grouping == MARKED:
        return "marked points, the rest"
    return f"points by {points.colouring_title(p, grouping.removeprefix(POINTS))}"


def ready(p: Project, s: Selection) -> bool:
    """Whether :func:`view` answers within a moment."""
    sides = p.models(s.view)
    size = max(len(p.file(side).points) for side in sides)
    few = size * size * len(p.a.mapped_layers) <= _QUICK or s.scope == "example"
    return few or all(p.has(_key(p, s, side)) for side in sides)


def view(p: Project, s: Selection) -> DistanceView:
    """Distances between the points of groups, per layer, for the chosen view.

    Raises:
        Missing: nothing groups the points.
    """
    if s.grouping == MARKED and not s.marked:
        raise Missing(
            "No column groups the points of this file. Mark some, space for those of an example or "
            "b for a rectangle on the map: they are then compared with the rest."
        )
    codes, labels = _codes(p, s, p.side(s.view))
    chosen = _largest(codes)
    if not chosen:
        raise Missing(
            f"No point has a known group: {title(p, s.grouping)}; g groups by another column."
        )
    found = [_found(p, s, side, chosen) for side in p.models(s.view)]
    parts = [_shown(one, s.gap, len(chosen)) for one in found]
    if s.view == "B−A":
        parts = [[difference(a, b, b.label) for a, b in zip(*parts, strict=True)]]
    kept = [number for number, curve in enumerate(parts[0]) if np.isfinite(curve.mean).any()]
    groups = [*chosen, len(labels)]
    return DistanceView(
        curves=[parts[0][number] for number in kept],
        categories=[groups[number] for number in kept],
        counts=[_count(found[-1], number) for number in kept],
        title=_title(p, s, len(chosen), len(np.unique(codes[codes >= 0]))),
        measure=MAP_MEASURE,
        unit="point",
        brief="t-SNE others − own" if s.gap else p.measure_title(MAP_MEASURE),
        difference=s.gap or s.view == "B−A",
        over=_over(p, s, codes),
        note=_note(found),
    )


def _title(p: Project, s: Selection, shown: int, groups: int) -> str:
    gap = "others − own · " if s.gap else ""
    some = f", {shown} of {groups}" if groups > shown else ""
    owned = p.two and p.points.shared and s.grouping != MARKED
    owner = f" ({_side(p, s)})" if owned else ""
    return f"t-SNE · {gap}{title(p, s.grouping)}{owner}{some}"


def _over(p: Project, s: Selection, codes: Ints) -> str:
    if s.scope == "example" and s.grouping != MARKED:
        return "this example"
    count = len(np.unique(p.file(p.side(s.view)).point_examples[codes >= 0]))
    which = "" if s.grouping == MARKED else WHICH.get(s.scope, "")
    return f"{count:,} {which}ex."


def _note(found: Sequence[GroupCurves]) -> str:
    """What is not exact or not known of these numbers."""
    if any(one.taken != one.sizes for one in found):
        return f"t-SNE only; {max(found[-1].taken):,} points of a group at most, drawn at random"
    return "t-SNE only: the file keeps no vectors to check it by"


def _count(found: GroupCurves, number: int) -> str:
    if number >= len(found.sizes):
        return ""
    taken, size = found.taken[number], found.sizes[number]
    return f"{size:,}" if taken == size else f"{taken:,} of {size:,}"


def _shown(found: GroupCurves, gap: bool, groups: int) -> list[Curve]:
    """The curves of one model: within each group and between all; or others minus own."""
    if not gap:
        return [*found.within, found.between][: groups + (groups > 1)]
    both = zip(found.within, found.others, strict=True)
    return [difference(own, others, own.label) for own, others in both]


def _found(p: Project, s: Selection, side: Side, chosen: list[int]) -> GroupCurves:
    return p.once(_key(p, s, side), lambda: _made(p, s, side, chosen))


def _key(p: Project, s: Selection, side: Side) -> Hashable:
    """What a model's curves depend on; the shown model decides which groups are the largest."""
    marked = s.marked if s.grouping == MARKED else None
    owner = _side(p, s) if p.points.shared else side
    return ("groups", side, owner, p.side(s.view), s.grouping, marked, _scope(p, s))


def _scope(p: Project, s: Selection) -> Hashable:
    """What the points depend on that count; for marked points against the rest, all do."""
    return None if s.grouping == MARKED else p.scope_key(s, "example")


def _made(p: Project, s: Selection, side: Side, chosen: list[int]) -> GroupCurves:
    codes, labels = _codes(p, s, side)
    place = np.full(len(labels) + 1, -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    examples = p.points.examples
    among = np.unique(examples[_inside(p, s, examples)])
    return group_curves(
        p.file(side), place[codes], [labels[group] for group in chosen], among=among
    )


def _side(p: Project, s: Selection) -> Side:
    """Whose column makes the groups: the shown model's, or the other's if it knows nothing."""
    side: Side = p.side(s.view)
    if not p.two or s.grouping == MARKED:
        return side
    codes = points.classes(p, side, s.grouping.removeprefix(POINTS))[0]
    return side if (codes >= 0).any() else "A" if side == "B" else "B"


def _codes(p: Project, s: Selection, side: Side) -> tuple[Ints, tuple[str, ...]]:
    """Group of each point of a model's file, -1 outside the scope or unknown, and the labels.

    Where two files have the same points, one model's column groups those of both.
    """
    file = p.file(side)
    if s.grouping == MARKED:
        codes = np.ones(len(file.points), dtype=np.int32)
        codes[p.point_rows(side, s.marked)] = 0
        return codes, (MARKED, "the rest")
    owner = _side(p, s) if p.points.shared else side
    codes, labels = points.classes(p, owner, s.grouping.removeprefix(POINTS))
    return np.where(_inside(p, s, file.point_examples), codes, np.int32(-1)), labels


def _inside(p: Project, s: Selection, examples: Ints) -> npt.NDArray[np.bool_]:
    """Which of these examples count."""
    scope = None if s.grouping == MARKED else p.scope(s)
    if scope is None:
        return np.ones(len(examples), dtype=np.bool_)
    return np.isin(examples, np.fromiter(scope, dtype=np.int64))


def _largest(codes: Ints) -> list[int]:
    """The groups with the most points, in the order of their labels."""
    sizes = np.bincount(codes[codes >= 0])
    order = np.argsort(-sizes, kind="stable")[:_MOST_GROUPS]
    return sorted(int(group) for group in order if sizes[group])
