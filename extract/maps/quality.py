"""How faithful a map is: trustworthiness and shared neighbours, with cosine as the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .vectors import ArrayLayer, Layer

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

NEIGHBOURS = 15
SAMPLE_ABOVE = 5000
SAMPLE = 2000
TIE = 5e-7
"""Cosines closer than this are equal: equal vectors differ by rounding only."""

_BLOCK = 1 << 19
"""Pairs of points that are compared at once."""

_VECTORS_AT_ONCE = 1024


@dataclass(frozen=True)
class Quality:
    """How faithful a map is, as means over its points; NaN where there are none to measure.

    Attributes:
        trustworthiness: of all points.
        recall: of all points.
        placed_trustworthiness, placed_recall: of those that were placed on a map of others;
            their neighbours are among all points nevertheless. NaN if none was placed.
        measured: number of points that the means are over.
    """

    trustworthiness: float
    recall: float
    placed_trustworthiness: float
    placed_recall: float
    measured: int


def neighbours_for(points: int) -> int:
    """The k that quality is measured with: 15, or less where there are few points; 0 if none.

    Trustworthiness is defined for k < n/2.
    """
    return min(NEIGHBOURS, max(0, (points - 1) // 2))


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Rows scaled to length one; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)


def map_quality(
    unit: FloatArray, coordinates: FloatArray, k: int, seed: int = 0
) -> tuple[float, float]:
    """Trustworthiness and neighbour recall of a map; see :func:`layer_quality`.

    Args:
        unit: float32 [points, width], rows of length one; neighbours by cosine.
        coordinates: float32 [points, 2].
        k: neighbours, 1 ≤ k < points / 2.
        seed: of the sample.

    Returns:
        Both between 0 and 1; NaN if k is 0.
    """
    found = layer_quality(ArrayLayer(unit), coordinates, k, seed=seed)
    return found.trustworthiness, found.recall


def layer_quality(
    layer: Layer,
    coordinates: FloatArray,
    k: int,
    fitted: Rows | None = None,
    seed: int = 0,
) -> Quality:
    """Trustworthiness and neighbour recall of a map, with bounded memory.

    T(k) = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j in kNN of i in the map} max(0, r(i, j) − k), with
    r the rank of j from i in the original space (Venna and Kaski 2001); recall is the mean share
    of the k neighbours in the original space that are also among the k in the map. Neighbours and
    ranks are among all n points, fitted and placed. Above 5,000 points the sum over i is that over
    a sample of 2,000 points, scaled up; where some points were placed on a map of others, half of
    the sample are fitted ones and half placed ones, each half weighted by how many it stands for.

    Ties: points with equal vectors have the best rank that any of them has.

    Args:
        layer: vectors of all points, as they are; neighbours by cosine.
        coordinates: float32 [points, 2].
        k: neighbours, 1 ≤ k < points / 2.
        fitted: rows, rising, that the map was fitted on; None means all.
        seed: of the sample.

    Returns:
        Numbers between 0 and 1; NaN if k is 0.
    """
    n = layer.points
    if k < 1:
        return Quality(np.nan, np.nan, np.nan, np.nan, 0)
    groups = _groups(n, fitted, seed)
    rows = np.concatenate([chosen for _, chosen in groups])
    penalties, common = _rows_quality(layer, coordinates, rows, k)
    scale = 2 / (k * (2 * n - 3 * k - 1))
    trusts, recalls, at = [], [], 0
    for _, chosen in groups:
        part = slice(at, at + len(chosen))
        trusts.append(1 - scale * float(penalties[part].mean()))
        recalls.append(float(common[part].mean()) / k)
        at += len(chosen)
    weights = [size / n for size, _ in groups]
    some = len(groups) > 1
    return Quality(
        float(np.dot(weights, trusts)),
        float(np.dot(weights, recalls)),
        trusts[1] if some else float("nan"),
        recalls[1] if some else float("nan"),
        len(rows),
    )


def _groups(n: int, fitted: Rows | None, seed: int) -> list[tuple[int, Rows]]:
    """How many points a group has, and those of them that are measured: fitted, then placed."""
    everyone = np.arange(n)
    groups = [everyone]
    if fitted is not None and len(fitted) < n:
        groups = [fitted, np.setdiff1d(everyone, fitted, assume_unique=True)]
    if n <= SAMPLE_ABOVE:
        return [(len(rows), rows) for rows in groups]
    random = np.random.default_rng(seed)
    share = SAMPLE // len(groups)
    return [
        (len(rows), np.sort(random.choice(rows, min(share, len(rows)), replace=False)))
        for rows in groups
    ]


def _rows_quality(
    layer: Layer, coordinates: FloatArray, rows: Rows, k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For some points: Σ max(0, rank − k) over their k map neighbours, and how many rank ≤ k.

    A rank is one more than the number of points that are closer by more than :data:`TIE`.
    """
    near = map_neighbours(coordinates, rows, k)
    queries = unit_rows(layer.rows(rows))
    limits = np.empty((len(rows), k), dtype=np.float32)
    step = max(1, _VECTORS_AT_ONCE // k)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        others = unit_rows(layer.rows(near[part])).reshape(-1, k, layer.width)
        limits[part] = np.einsum("iw,ijw->ij", queries[part], others) + np.float32(TIE)
    limits.sort(axis=1)  # which neighbour a limit is of does not matter
    closer = np.zeros((len(rows), k), dtype=np.int64)
    for first, chunk in _unit_chunks(layer):
        _count_closer(queries, limits, chunk, rows - first, closer)
    ranks = 1 + closer
    return np.maximum(ranks - k, 0).sum(axis=1), (ranks <= k).sum(axis=1)


def _unit_chunks(layer: Layer) -> Iterable[tuple[int, FloatArray]]:
    for first, chunk in layer.chunks(_VECTORS_AT_ONCE):
        yield first, unit_rows(chunk)


def _count_closer(
    queries: FloatArray,
    limits: FloatArray,
    chunk: FloatArray,
    own: Rows,
    closer: npt.NDArray[np.int64],
) -> None:
    """Adds to ``closer`` how many points of a chunk have a cosine above each limit.

    Args:
        queries: float32 [rows, width].
        limits: float32 [rows, k], rising along a row.
        chunk: float32 [points, width].
        own: [rows], where in the chunk a row itself is; outside of it if it is not there.
        closer: [rows, k], added to.
    """
    step = max(1, _BLOCK // len(chunk))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        cosines = queries[part] @ chunk.T
        here = np.flatnonzero((own[part] >= 0) & (own[part] < len(chunk)))
        cosines[here, own[part][here]] = -np.inf
        # on a good map few points are closer than even the farthest of the map's neighbours
        found, at = np.nonzero(cosines > limits[part, :1])
        k = limits.shape[1]
        candidates = cosines[found, at]
        above = np.ones(len(found), dtype=np.intp)
        for limit in limits[part, 1:].T:
            above += candidates > limit[found]
        counts = np.bincount(found * (k + 1) + above, minlength=len(cosines) * (k + 1))
        # a point above the j lowest limits counts for each of them
        closer[part] += counts.reshape(-1, k + 1)[:, :0:-1].cumsum(axis=1)[:, ::-1]


def map_neighbours(coordinates: FloatArray, rows: Rows, k: int) -> npt.NDArray[np.intp]:
    """The k nearest points on the map of some points, in no particular order: [rows, k].

    Distances are in float64, all points are compared; points on one spot come in any order.
    """
    n = len(coordinates)
    x, y = coordinates.astype(np.float64).T
    found = np.empty((len(rows), k), dtype=np.intp)
    step = max(1, _BLOCK // (2 * n))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        gaps = (x[part, None] - x) ** 2
        gaps += (y[part, None] - y) ** 2
        gaps[np.arange(len(part)), part] = np.inf
        found[start : start + step] = np.argpartition(gaps, k - 1, axis=1)[:, :k]
    return found
