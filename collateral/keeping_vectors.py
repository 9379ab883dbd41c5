"""Keeping the reduced vectors of points of a damaged file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .sections import VECTOR_LENGTHS, VECTOR_POINTS, VECTOR_QUALITY, VECTOR_STEPS, VECTORS
from .vectors import unpack_vectors
from .whole import Pieces
from .writer import Writer

_LOST = (KeyError, ValueError)
"""A section is not there, or some of its rows are not."""


def keep_vectors(
    writer: Writer, pieces: Mapping[str, Pieces], new: npt.NDArray[np.int64], states: int
) -> tuple[int, list[str]]:
    """Keeps the vectors of each hidden state that has those of all points that were kept.

    Args:
        writer: of the new file, which has its points.
        pieces: what is whole of the old one.
        new: the new row of each old point, -1 if it is lost.
        states: how many hidden states there are.

    Returns:
        How many hidden states have kept their vectors, and the sections that are lost.
    """
    layers = [name for name in pieces if name.startswith(f"{VECTORS}/")]
    if not layers:
        return 0, []
    try:
        rows = pieces[VECTOR_POINTS].all()
    except _LOST:
        return 0, layers
    inside = (rows >= 0) & (rows < len(new))
    kept = np.where(inside, new[np.where(inside, rows, 0)] if len(new) else -1, -1)
    try:
        writer.set_vector_points(kept[kept >= 0])
    except ValueError:
        return 0, layers
    lost = []
    for name in layers:
        layer = name.partition("/")[2]
        try:
            steps = pieces[f"{VECTOR_STEPS}/{layer}"].all()
            lengths = pieces[f"{VECTOR_LENGTHS}/{layer}"].all(len(rows))[kept >= 0]
            stored = pieces[name].all(len(rows))[kept >= 0]
            writer.set_vectors(int(layer), unpack_vectors(stored, steps), lengths)
        except _LOST:
            lost.append(name)
    for name in pieces:
        if name.startswith(f"{VECTOR_QUALITY}/"):
            try:
                writer.set_vector_quality(name.partition("/")[2], pieces[name].all(states))
            except ValueError:
                lost.append(name)
    return len(layers) - sum(name in lost for name in layers), lost
