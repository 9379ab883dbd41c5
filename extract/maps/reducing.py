"""Vectors of the points for the file: hidden states in fewer directions, and what that costs.

Directions are the main ones of the points' unit vectors, not centred: what is kept of two points
then has nearly their cosine, which centring would change. They are those of the points that t-SNE
is fitted on, and only these points are kept, so that a file grows no further with its examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collateral import Writer, pack_vectors, unpack_vectors

from ..progress import Reporter, Silent, stage
from .projection import Rows, Settings, chosen_rows
from .quality import FloatArray
from .vectors import Layer, VectorStore

_ROWS_AT_ONCE = 1024
_DENSE_WIDTH = 1024
"""Directions come from all eigenvectors up to this width: beyond it that is slow."""
_PASSES = 4
"""Over the vectors, to find the main directions of wider ones."""
_SPARE = 16
"""Directions that are looked for beyond those that are wanted: the last ones come out worst."""
_PAIRS = 20_000
"""Pairs of points that the error is measured on."""
KEPT, ERROR = "kept", "cosine error"
"""Names of what is measured."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """The vectors of one layer.

    Attributes:
        stored, steps: as :func:`collateral.pack_vectors` gives them.
        lengths: float32 [points], of the hidden states themselves.
        kept: share of the unit vectors' squared length.
        error: that the cosine of 95 % of pairs of points stays below; NaN for fewer than two.
    """

    stored: npt.NDArray[np.uint8]
    steps: FloatArray
    lengths: FloatArray
    kept: float
    error: float


def reduced_layers(
    store: VectorStore, settings: Settings, size: int, reporter: Reporter | None = None
) -> tuple[Rows, Iterator[Reduced]]:
    """The points that vectors are kept of, and the vectors, layer by layer.

    In memory are the unit vectors of one layer's kept points, as for its map.

    Args:
        store: the hidden states of all points.
        settings: of the maps; their sample is kept.
        size: numbers of a vector; fewer if the hidden states, or the points, are fewer.
        reporter: hears of every layer.

    Raises:
        ExtractError: vectors cannot be read.
    """
    rows = chosen_rows(store.points, settings)

    def layers() -> Iterator[Reduced]:
        with stage(reporter or Silent(), "Vectors by layer", store.layers) as advance:
            for number in range(store.layers):
                yield _reduced(store.layer(number), rows, size, settings.seed)
                advance(1)

    return rows, layers()


def write_vectors(
    store: VectorStore,
    settings: Settings,
    size: int,
    writer: Writer,
    reporter: Reporter | None = None,
) -> None:
    """Writes the vectors and how much they keep; see :func:`reduced_layers`."""
    if not (size and store.points):
        return
    put_vectors(writer, *reduced_layers(store, settings, size, reporter))


def put_vectors(writer: Writer, rows: Rows, layers: Iterable[Reduced]) -> None:
    """Writes the vectors of these points, of all layers, and how much they keep."""
    writer.set_vector_points(rows)
    measured = []
    for layer, found in enumerate(layers):
        writer.set_vectors(layer, unpack_vectors(found.stored, found.steps), found.lengths)
        measured.append((found.kept, found.error))
    for name, values in zip((KEPT, ERROR), zip(*measured, strict=True), strict=True):
        writer.set_vector_quality(name, values)


def _reduced(layer: Layer, rows: Rows, size: int, seed: int) -> Reduced:
    unit = np.empty((len(rows), layer.width), dtype=np.float32)
    lengths = np.empty(len(rows), dtype=np.float32)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        states = layer.rows(rows[part]).astype(np.float64)  # squares of large ones stay finite
        sizes = np.linalg.norm(states, axis=1)
        unit[part] = states / np.where(sizes > 0, sizes, 1)[:, None]
        lengths[part] = np.minimum(sizes, np.finfo(np.float32).max)
    axes = main_directions(unit, min(size, layer.width, len(rows)), seed)
    stored, steps = pack_vectors(unit @ axes)
    found = unpack_vectors(stored, steps)
    total = float(np.einsum("ij,ij->", unit, unit, dtype=np.float64))
    kept = float(np.einsum("ij,ij->", found, found, dtype=np.float64)) / total if total else 1.0
    return Reduced(stored, steps, lengths, min(kept, 1.0), _error(unit, found, seed))


def main_directions(unit: FloatArray, size: int, seed: int = 0) -> FloatArray:
    """The directions that keep most of the rows' squared length, without centring.

    Args:
        unit: float32 [points, width].
        size: how many; at most points, and width.
        seed: of where the search for directions of wide vectors begins.

    Returns:
        float32 [width, size], orthonormal columns.
    """
    width = unit.shape[1]
    if width <= max(_DENSE_WIDTH, size):
        moments = np.zeros((width, width))
        for block in _blocks(unit):
            moments += block.T @ block
        return np.asarray(np.linalg.eigh(moments)[1][:, ::-1][:, :size], dtype=np.float32)
    random = np.random.default_rng(seed)
    basis: npt.NDArray[np.float64] = random.normal(size=(width, min(width, size + _SPARE)))
    for _ in range(_PASSES):
        basis = np.linalg.qr(_times_moments(unit, np.linalg.qr(basis)[0]))[0]
    _, axes = np.linalg.eigh(basis.T @ _times_moments(unit, basis))
    return np.asarray(basis @ axes[:, ::-1][:, :size], dtype=np.float32)


def _blocks(unit: FloatArray) -> Iterator[npt.NDArray[np.float64]]:
    """Some rows at a time, in double precision."""
    for first in range(0, len(unit), _ROWS_AT_ONCE):
        yield unit[first : first + _ROWS_AT_ONCE].astype(np.float64)


def _times_moments(unit: FloatArray, basis: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The matrix of second moments of the rows times ``basis``; it is not made itself."""
    total = np.zeros(basis.shape)
    for block in _blocks(unit):
        total += block.T @ (block @ basis)
    return total


def _error(unit: FloatArray, found: FloatArray, seed: int) -> float:
    """What the cosine of 95 % of pairs of different points, drawn at random, is off by at most."""
    points = len(unit)
    if points < 2:
        return float("nan")
    random = np.random.default_rng(seed)
    one = random.integers(0, points, _PAIRS)
    other = (one + random.integers(1, points, _PAIRS)) % points
    gaps = np.empty(_PAIRS)
    for first in range(0, _PAIRS, _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        i, j = one[part], other[part]
        true = np.einsum("ij,ij->i", unit[i], unit[j], dtype=np.float64)
        gaps[part] = np.einsum("ij,ij->i", found[i], found[j], dtype=np.float64) - true
    return float(np.percentile(np.abs(gaps), 95))
