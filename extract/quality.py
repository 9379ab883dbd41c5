"""How faithful a map is: trustworthiness and shared neighbours, with cosine as the truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

NEIGHBOURS = 15
SAMPLE_ABOVE = 5000
SAMPLE = 2000
_ROWS_AT_ONCE = 256
_TIE = 1e-6
"""Cosines closer than this are equal: equal vectors differ by rounding only."""


def neighbours_for(points: int) -> int:
    """The k that quality is measured with: 15, or less where there are few points; 0 if none.

    Trustworthiness is defined for k < n/2.
    """
    return min(NEIGHBOURS, max(0, (points - 1) // 2))


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Rows scaled to length one; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def map_quality(
    unit: FloatArray, coordinates: FloatArray, k: int, seed: int = 0
) -> tuple[float, float]:
    """Trustworthiness and neighbour recall of a map.

    T(k) = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j in kNN of i in the map} max(0, r(i, j) − k), with
    r the rank of j from i in the original space (Venna and Kaski 2001); recall is the mean share
    of the k neighbours in the original space that are also among the k in the map. Above 5,000
    points both are means over a sample of 2,000 points i, with neighbours among all points.

    Args:
        unit: float32 [points, width], rows of length one; neighbours by cosine.
        coordinates: float32 [points, 2].
        k: neighbours, 1 ≤ k < points / 2.
        seed: of the sample.

    Returns:
        Both between 0 and 1; NaN if k is 0.
    """
    n = len(unit)
    if k < 1:
        return float("nan"), float("nan")
    chosen = np.arange(n)
    if n > SAMPLE_ABOVE:
        chosen = np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))
    penalty, shared = 0, 0
    for start in range(0, len(chosen), _ROWS_AT_ONCE):
        rows = chosen[start : start + _ROWS_AT_ONCE]
        penalised, common = _rows_quality(unit, coordinates, rows, k)
        penalty += penalised
        shared += common
    trust = 1 - 2 * penalty / (len(chosen) * k * (2 * n - 3 * k - 1))
    return float(trust), shared / (len(chosen) * k)


def _rows_quality(
    unit: FloatArray, coordinates: FloatArray, rows: npt.NDArray[np.intp], k: int
) -> tuple[int, int]:
    """Σ max(0, rank − k) over map neighbours of some points, and how many have rank ≤ k.

    A rank is one more than the number of points that are closer; ties all get the best rank.
    """
    at = np.arange(len(rows))
    original = -(unit[rows] @ unit.T)
    original[at, rows] = np.inf
    gaps = coordinates[rows, None, :].astype(np.float64) - coordinates[None, :, :]
    in_map = np.einsum("ijk,ijk->ij", gaps, gaps)
    in_map[at, rows] = np.inf
    near = np.argpartition(in_map, k - 1, axis=1)[:, :k]
    limits = np.take_along_axis(original, near, axis=1) - _TIE
    penalty, common = 0, 0
    for limit in limits.T:
        ranks = 1 + (original < limit[:, None]).sum(axis=1)
        penalty += int(np.maximum(ranks - k, 0).sum())
        common += int((ranks <= k).sum())
    return penalty, common
