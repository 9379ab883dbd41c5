"""What can be looked at in the open files, and what is shown first."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from collateral import Table

from .. import state
from ..state import MARKED, VIEWS, KindLimits, Limits, Selection
from . import groups, points
from .answers import Missing
from .heads import standing_out

if TYPE_CHECKING:
    from ..project import Project


MAPPED = 25
"""Tokens of a side of cross-attention up to which its lines are shown first."""


def limits(p: Project) -> Limits:
    """How far a selection can go: what all open files have."""
    model = p.a.meta.model
    pairs = np.bincount(p.pair_examples, minlength=len(p.a.examples)).tolist()
    files = p.files
    measures = [name for name in p.a.measures if all(name in file.measures for file in files)]
    measures = measures if any(pairs) else []
    measures += [name for name in groups.spaces(p) if name not in measures]
    return Limits(
        views=VIEWS if p.two else ("A",),
        layers=model.layers,
        heads=model.heads,
        examples=len(p.a.examples),
        metrics=tuple(p.metrics),
        colourings=points.colourings(p),
        measures=tuple(measures),
        groupings=groups.groupings(p),
        pair_counts=pairs,
        kinds=tuple(
            KindLimits(
                kind.name,
                kind.layers,
                kind.heads,
                tuple(name for name, m in p.metrics.items() if m.attention == kind.name),
            )
            for kind in p.kinds
        ),
    )


def first_selection(p: Project) -> Selection:
    """What is shown on opening: the last layer, the head that stands out, an attended text.

    Of an encoder-decoder the cross-attention, which is about both texts; of long ones as a matrix,
    as a map of its lines could not be read.
    """
    limits = p.limits
    names = [kind.name for kind in p.kinds]
    kind = "cross" if "cross" in names else names[0] if names else "self"
    metrics = limits.kind(kind).metrics
    of_pairs = [name for name in metrics if p.metrics[name].unit == "pair"]
    preferred = [name for name in of_pairs if "pronoun_candidate" in name] or of_pairs
    chosen = Selection(
        view=limits.views[-1],
        example=min(p.attended, default=0),
        layer=limits.layers,
        kind=kind,
        head_layer=max(0, limits.kind(kind).layers - 1),
        metric=(preferred or list(metrics) or [""])[0],
        colouring=_first_colouring(p),
        measure=limits.measures[0] if limits.measures else "",
        grouping=_first_grouping(p),
    )
    with contextlib.suppress(Missing):
        found = standing_out(p, chosen)
        if found is not None:
            chosen = replace(chosen, head_layer=found[0], head=found[1])
    if chosen.kind == "cross" and max(map(len, p.kind_tokens(chosen.example, "cross"))) > MAPPED:
        chosen = replace(chosen, attention_view="matrix")
    return p.settled(state.valid(chosen, limits))


def _first_colouring(p: Project) -> str:
    """What the model predicted, else the gold label, of the points, else of their examples.

    Else the first column that says anything.
    """
    file = p.file("B")
    for table, prefix in ((file.points, ""), (file.examples, points.EXAMPLE)):
        for role in ("prediction", "gold"):
            name = table.with_role(role)
            known = name is not None and f"{prefix}{name}" in p.limits.colourings
            if name is not None and known and _says_anything(table, name):
                return f"{prefix}{name}"
    telling = (
        name for name in p.limits.colourings if _says_anything(*points.column_of(file, name))
    )
    return next(telling, p.limits.colourings[0] if p.limits.colourings else "")


def _says_anything(table: Table, name: str) -> bool:
    if table.columns[name] == "continuous":
        return bool(np.isfinite(table[name]).any())
    return bool((table.codes(name)[0] >= 0).any())


def _first_grouping(p: Project) -> str:
    """By what the model predicted, else by gold: the pairs, else the points, else anything."""
    file = p.file("B")
    for table, prefix in (
        (file.pairs, ""),
        (file.points, groups.POINTS),
        (file.examples, groups.POINTS + points.EXAMPLE),
    ):
        for role in ("prediction", "gold", "correct"):
            name = table.with_role(role)
            known = name is not None and f"{prefix}{name}" in p.limits.groupings
            if name is not None and known and _says_anything(table, name):
                return f"{prefix}{name}"
    return p.limits.groupings[0] if p.limits.groupings else MARKED
