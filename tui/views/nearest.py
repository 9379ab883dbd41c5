"""The nearest neighbours of a point in the original space, by the vectors that a file keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .answers import Missing, Side

if TYPE_CHECKING:
    from ..project import Project

NEAREST = 10
"""Neighbours that are looked for."""


def nearest(p: Project, side: Side, point: int, layer: int) -> tuple[list[int], list[float]]:
    """The points of a model nearest to one of them by cosine, in a hidden state; nearest first.

    Returns:
        Numbers of points, and the cosine of each with the point.

    A hidden state that is zero has no direction, so it is near nothing.

    Raises:
        Missing: the file keeps no vector of this point, or there it is zero.
    """
    file = p.file(side)
    if layer not in file.vectors.layers:
        raise Missing(
            "The file keeps no vectors of its points; extract it again to find neighbours."
        )
    rows, row = file.vectors.points, p.point_row(side, point)
    place = int(np.searchsorted(rows, row))
    if place == len(rows) or rows[place] != row:
        raise Missing(
            f"The file keeps vectors of {len(rows):,} of {len(file.points):,} points, "
            "and none of this one."
        )
    directed = file.vectors.lengths(layer) > 0
    if not directed[place]:
        raise Missing(f"This point's hidden state {layer} is zero, so it is near no other.")
    directed[place] = False
    vectors = file.vectors.read(layer)
    cosines = np.where(directed, vectors @ vectors[place], -np.inf)
    found = np.argsort(-cosines, kind="stable")[: min(NEAREST, int(directed.sum()))]
    numbers = [p.point_number(side, int(rows[one])) for one in found]
    return numbers, cosines[found].tolist()
