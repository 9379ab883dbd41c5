"""Reduced vectors of points: how they are stored in a byte a number, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .schema import Meta
from .section import Section
from .sections import VECTOR_LENGTHS, VECTOR_POINTS, VECTOR_QUALITY, VECTOR_STEPS, VECTORS
from .source import Source

Floats = npt.NDArray[np.float32]
_ZERO, _MOST = 128, 127


def pack_vectors(vectors: npt.ArrayLike) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Vectors as they are stored: whole numbers of a step, which each dimension has for itself.

    A number is off by half a step at most, a step being a 127th of the largest number of its
    dimension.

    Args:
        vectors: [points, size].

    Returns:
        uint8 [points, size] and the steps, float32 [size]; see :func:`unpack_vectors`.

    Raises:
        ValueError: the shape is another, or a value is no number.
    """
    values = np.asarray(vectors, dtype=np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("vectors must be numbers [points, size]")
    steps = np.abs(values).max(axis=0, initial=0) / np.float32(_MOST)
    counts = np.rint(values / np.where(steps > 0, steps, 1))
    return (np.clip(counts, -_MOST, _MOST) + _ZERO).astype(np.uint8), steps


def unpack_vectors(stored: npt.NDArray[np.uint8], steps: Floats) -> Floats:
    """The inverse of :func:`pack_vectors`: float32 [points, size]."""
    values = stored.astype(np.float32)
    values -= _ZERO
    with np.errstate(invalid="ignore", over="ignore"):  # steps of a hostile file
        values *= steps
    return values


class Vectors:
    """The reduced vectors of a file's points, as ``Collateral.vectors``; read when asked for.

    The vector z of a point with hidden state x holds ``size`` coordinates of x / |x| in orthogonal
    directions, those in which the points' unit vectors reach farthest from zero. So the inner
    product of two points' z is nearly the cosine of their hidden states, ``quality`` says how
    nearly, and the lengths |x| are exact::

        cosine(i, j) = z_i · z_j
        |x_i - x_j|² = |x_i|² + |x_j|² - 2 |x_i| |x_j| z_i · z_j

    Attributes:
        size: numbers of a vector; 0 if the file has none.
        layers: the hidden states that have vectors, in order.

    Raises:
        ValueError: the file has only part of what belongs to a layer's vectors.
    """

    def __init__(self, source: Source, sections: Mapping[str, Section], meta: Meta) -> None:
        self._source, self._sections = source, sections
        self._rows = meta.counts.get("points", 0)
        names = [name.partition("/") for name in sections if name.startswith(f"{VECTORS}/")]
        self.layers = tuple(sorted(int(layer) for _, _, layer in names))
        self.size = meta.vector_size if self.layers else 0
        for layer in self.layers:
            parts = (f"{VECTOR_STEPS}/{layer}", f"{VECTOR_LENGTHS}/{layer}", VECTOR_POINTS)
            if not all(part in sections for part in parts):
                raise ValueError(f"the vectors of layer {layer} are not complete")

    @cached_property
    def points(self) -> npt.NDArray[np.int32]:
        """Rows of the points that have vectors, rising: int32 [n]. All points, or a sample.

        Raises:
            CollateralError: they do not rise, or are not there.
        """
        if not self.layers:
            return np.empty(0, np.int32)
        rows: npt.NDArray[np.int32] = self._sections[VECTOR_POINTS].all()
        rising = bool((np.diff(rows) > 0).all())
        if len(rows) and not (rising and rows[0] >= 0 and rows[-1] < self._rows):
            raise self._source.error("the points that have vectors are not points, or do not rise")
        return rows

    def read(self, layer: int, places: npt.NDArray[np.integer] | None = None) -> Floats:
        """The vectors of one hidden state.

        Args:
            layer: the hidden state; 0 is the embeddings.
            places: only these rows of what ``points`` names, rising; None: all.

        Returns:
            float32 [n, size]; no row is longer than 1, but for rounding.

        Raises:
            KeyError: that hidden state has no vectors.
            CollateralError: they are damaged.
        """
        section = self._section(VECTORS, layer)
        steps = self.steps(layer)
        if places is None:
            return unpack_vectors(section.all(), steps)
        wanted = np.asarray(places, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < section.count:
            raise KeyError(f"there are {section.count} vectors")
        result = np.empty((len(wanted), self.size), dtype=np.float32)
        for number, (start, count, *_) in enumerate(section.blocks.tolist()):
            first, last = np.searchsorted(wanted, [start, start + count]).tolist()
            if first < last:
                rows = section.read(number)[wanted[first:last] - start]
                result[first:last] = unpack_vectors(rows, steps)
        return result

    def lengths(self, layer: int) -> Floats:
        """The lengths of the hidden states themselves: float32 [n].

        Raises:
            KeyError: that hidden state has no vectors.
            CollateralError: they are damaged.
        """
        lengths: Floats = self._section(VECTOR_LENGTHS, layer).all()
        return lengths

    def steps(self, layer: int) -> Floats:
        """What a stored number counts, by dimension: float32 [size].

        Raises:
            KeyError: that hidden state has no vectors.
            CollateralError: they are damaged.
        """
        steps: Floats = self._section(VECTOR_STEPS, layer).all()
        return steps

    @property
    def quality(self) -> dict[str, Floats]:
        """How much the vectors keep: name to float32 [layers + 1].

        As extraction writes them: "kept", the share of the unit vectors' squared length, and
        "cosine error", which 95 % of pairs of points stay below.
        """
        names = [name for name in self._sections if name.startswith(f"{VECTOR_QUALITY}/")]
        return {name.partition("/")[2]: self._sections[name].all() for name in names}

    def _section(self, group: str, layer: int) -> Section:
        name = f"{group}/{layer}"
        if name not in self._sections:
            raise KeyError(f"no vectors of layer {layer} are stored")
        return self._sections[name]
