"""Distances between groups of points, for any file: with pairs of spans or without.

On the maps, and in the original space where the files keep vectors of the points.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from collateral.analysis import Curve, GroupCurves, Space, difference, disagreements, group_curves

from .. import text
from ..state import MARKED, Selection
from . import points
from .answers import MAP_MEASURE, Behind, DistanceView, Ints, Missing, Side

if TYPE_CHECKING:
    from ..project import Project

POINTS = "points: "
"""What the name of a grouping begins with that is a colouring of the points."""
WHICH = {"filtered": "filtered "}
"""What stands before a number of examples that are not all."""
NO_VECTORS = "t-SNE only: the file keeps no vectors; extract it again"
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
    if spaces(p) and len(p.points.examples):
        names += [f"{POINTS}{name}" for name in points.colourings(p) if _has_groups(p, name)]
        names.append(MARKED)
    return tuple(names)


def spaces(p: Project) -> tuple[Space, ...]:
    """What all files have distances of points by: their vectors, their maps."""
    vectors: tuple[Space, ...] = ("cosine", "euclid")
    maps: tuple[Space, ...] = ("tsne",)
    return vectors * all(file.vectors.layers for file in p.files) + maps * all(
        file.mapped_layers for file in p.files
    )


def space(p: Project, s: Selection) -> Space:
    """The distance of points that a selection shows: the chosen one, else that on the map."""
    found = spaces(p)
    return next((name for name in found if name == s.measure), found[-1])


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
    if not spaces(p):
        return True
    sides = p.models(s.view)
    size = max(len(p.file(side).points) for side in sides)
    few = size * size * (p.a.meta.model.layers + 1) <= _QUICK or s.scope == "example"
    needed = {space(p, s), *_compared(p, s)}
    return few or all(p.has(_key(p, s, side, name)) for side in sides for name in needed)


def view(p: Project, s: Selection) -> DistanceView:
    """Distances between the points of groups, per layer, for the chosen view and measure.

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
    name = space(p, s)
    found = [_found(p, s, side, chosen, name) for side in p.models(s.view)]
    curves = _curves(found, s.gap)
    kept = [number for number, curve in enumerate(curves) if np.isfinite(curve.mean).any()]
    groups = [*chosen, len(labels)]
    return DistanceView(
        curves=[curves[number] for number in kept],
        categories=[groups[number] for number in kept],
        counts=[_counted(found, number) for number in kept],
        behind=[_behind(p, s, found, number) for number in kept],
        title=_title(p, s, len(chosen), len(np.unique(codes[codes >= 0]))),
        measure=name,
        unit="point",
        brief=f"{_short(p, name)} others − own" if s.gap else p.measure_title(name),
        difference=s.gap or s.view == "B−A",
        over=_over(p, s, codes),
        warning="; ".join(
            words for words in (_warning(p, s, chosen), _other_points(p, s)) if words
        ),
        note=_note(p, s, found),
    )


def _curves(found: Sequence[GroupCurves], gap: bool) -> list[Curve]:
    """The curves of one model, or those of B minus those of A."""
    parts = [_shown(one, gap) for one in found]
    if len(parts) < 2:
        return parts[0]
    return [difference(a, b, b.label) for a, b in zip(*parts, strict=True)]


def _behind(
    p: Project, s: Selection, found: Sequence[GroupCurves], number: int
) -> tuple[Behind, ...]:
    """What stands behind a curve, of each model."""
    sides = p.models(s.view)
    curves = [_shown(one, s.gap)[number] for one in found]
    return tuple(
        Behind(side if len(sides) > 1 else "", curve.pairs, curve.examples)
        for side, curve in zip(sides, curves, strict=True)
    )


def _compared(p: Project, s: Selection) -> tuple[Space, ...]:
    """The two distances that are held against each other: on the map, in the original space."""
    found = spaces(p)
    if len(found) < 2 or found[-1] != MAP_MEASURE:
        return ()
    name = space(p, s)
    return (MAP_MEASURE, found[0] if name == MAP_MEASURE else name)


def _warning(p: Project, s: Selection, chosen: list[int]) -> str:
    """Which groups stand apart on the map but not in the original space, or the reverse."""
    compared = _compared(p, s)
    if not compared or len(chosen) < 2:
        return ""
    on_map, in_space = (
        _curves([_found(p, s, side, chosen, name) for side in p.models(s.view)], gap=True)
        for name in compared
    )
    found = [
        (one.label, disagreements(one, other)) for one, other in zip(on_map, in_space, strict=True)
    ]
    layers = sorted({layer for _, some in found for layer in some})
    if not layers:
        return ""
    labels = [label for label, some in found if some]
    who = ", ".join(labels) if len(labels) < 3 else text.many(len(labels), "group")
    where = f"layer{'s' if len(layers) > 1 else ''} {', '.join(map(str, layers))}"
    return f"t-SNE shows the opposite of {_short(p, compared[1])} for {who} in {where}"


def _other_points(p: Project, s: Selection) -> str:
    """Says of B − A that the models' points are not the same ones."""
    own = s.view == "B−A" and not p.points.shared
    return "A and B have points of their own: the groups differ" if own else ""


def _short(p: Project, name: Space) -> str:
    """A distance where there is little room: "t-SNE", "cosine"."""
    return p.measure_title(name).removesuffix(" distance")


def _title(p: Project, s: Selection, shown: int, groups: int) -> str:
    gap = "others − own · " if s.gap else ""
    some = f", {shown} of {groups}" if groups > shown else ""
    owned = p.two and p.points.shared and s.grouping != MARKED
    owner = f" ({_side(p, s)})" if owned else ""
    return f"{_short(p, space(p, s))} · {gap}{title(p, s.grouping)}{owner}{some}"


def _over(p: Project, s: Selection, codes: Ints) -> str:
    if s.scope == "example" and s.grouping != MARKED:
        return "this example"
    count = len(np.unique(p.file(p.side(s.view)).point_examples[codes >= 0]))
    which = "" if s.grouping == MARKED else WHICH.get(s.scope, "")
    return f"{count:,} {which}ex."


def _note(p: Project, s: Selection, found: Sequence[GroupCurves]) -> str:
    """What is not exact or not known of these numbers."""
    known, some = spaces(p), ""
    if any(one.taken != one.sizes for one in found):
        some = f"{max(found[-1].taken):,} points of a group at most, drawn at random"
    if known == (MAP_MEASURE,):
        return f"t-SNE only; {some}" if some else NO_VECTORS
    kept = "" if space(p, s) == MAP_MEASURE else _kept(p, s)
    return "; ".join(part for part in (kept, some) if part)


def _kept(p: Project, s: Selection) -> str:
    """How much of the original space the vectors keep: "from 256 of 384 dimensions ..."."""
    files = [p.file(side) for side in p.models(s.view)]
    file = min(files, key=lambda one: one.vectors.size / one.meta.model.hidden_size)
    size, whole = file.vectors.size, file.meta.model.hidden_size
    errors = [one.vectors.quality.get("cosine error") for one in files]
    known = [float(np.nanmax(one)) for one in errors if one is not None and np.isfinite(one).any()]
    if not known:
        return f"from {size} of {whole} dimensions"
    most = f"{np.ceil(1000 * max(known)) / 1000:.3f}".removeprefix("0")
    return f"from {size} of {whole} dimensions: cosines within {most}"


def _count(found: GroupCurves, number: int) -> str:
    if number >= len(found.sizes):
        return ""
    taken, size = found.taken[number], found.sizes[number]
    return f"{size:,}" if taken == size else f"{taken:,} of {size:,}"


def _counted(found: Sequence[GroupCurves], number: int) -> str:
    """The points of a group; of each model, A first, where they have other ones."""
    return " | ".join(dict.fromkeys(_count(one, number) for one in found))


def _shown(found: GroupCurves, gap: bool) -> list[Curve]:
    """The curves of one model: within each group and between all; or others minus own."""
    groups = len(found.within)
    if not gap:
        return [*found.within, found.between][: groups + (groups > 1)]
    both = zip(found.within, found.others, strict=True)
    return [difference(own, others, own.label) for own, others in both]


def _found(p: Project, s: Selection, side: Side, chosen: list[int], name: Space) -> GroupCurves:
    return p.once(_key(p, s, side, name), lambda: _made(p, s, side, chosen, name))


def _key(p: Project, s: Selection, side: Side, name: Space) -> Hashable:
    """What a model's curves depend on; the shown model decides which groups are the largest."""
    marked = s.marked if s.grouping == MARKED else None
    owner = _side(p, s) if p.points.shared else side
    return ("groups", name, side, owner, p.side(s.view), s.grouping, marked, _scope(p, s))


def _scope(p: Project, s: Selection) -> Hashable:
    """What the points depend on that count; for marked points against the rest, all do."""
    return None if s.grouping == MARKED else p.scope_key(s, "example")


def _made(p: Project, s: Selection, side: Side, chosen: list[int], name: Space) -> GroupCurves:
    codes, labels = _codes(p, s, side)
    place = np.full(len(labels) + 1, -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    examples = p.points.examples
    among = np.unique(examples[_inside(p, s, examples)])
    kept = [labels[group] for group in chosen]
    return group_curves(p.file(side), place[codes], kept, measure=name, among=among)


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
