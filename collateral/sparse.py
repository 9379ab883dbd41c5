"""Sparse attention: the largest weights of each row, and what is left over of it.

One head of ``queries`` rows with ``k`` kept weights each is stored as the numbers of the keys
[queries, k], their weights [queries, k] as float16, and the rests [queries] as float16.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import layout
from .schema import Encoding

_HALF = 2
"""Bytes of a weight, and of a rest."""
_ROUNDING = 1e-4


class Kept(NamedTuple):
    """What is kept of some heads' attention.

    Attributes:
        indices: int [..., queries, k], the numbers of the keys, rising in each row.
        weights: float [..., queries, k], their weights; 0 where a row has fewer than k keys.
        rest: float [..., queries], the sum of the weights that were not kept.
    """

    indices: npt.NDArray[Any]
    weights: npt.NDArray[Any]
    rest: npt.NDArray[Any]


def top_k(maps: npt.ArrayLike, k: int) -> Kept:
    """The ``k`` largest weights of each row; of equal ones those of the first keys.

    Args:
        maps: attention weights [..., queries, keys].
        k: how many to keep; all of them if there are not so many.

    Raises:
        ValueError: ``k`` is not positive, or ``maps`` has no rows and columns.
    """
    weights = np.asarray(maps)
    if k < 1 or weights.ndim < 2:
        raise ValueError(f"{k} of the weights of an array of shape {weights.shape} cannot be kept")
    order = np.argsort(-weights, axis=-1, kind="stable")[..., :k]
    indices = np.sort(order, axis=-1)
    kept = np.take_along_axis(weights, indices, axis=-1)
    left = weights.astype(np.float64)
    np.put_along_axis(left, indices, 0.0, axis=-1)
    return Kept(indices, kept, left.sum(axis=-1).astype(np.float32))


def encoding_for(keys: int) -> Encoding:
    """The encoding that can number so many keys."""
    return "topk16" if keys <= layout.most_keys("topk16") else "topk32"


def row_bytes(encoding: Encoding, k: int) -> int:
    """Bytes of one row of one head."""
    return k * (np.dtype(layout.SPARSE[encoding]).itemsize + _HALF) + _HALF


def kept_in(encoding: Encoding, size: int) -> int:
    """How many weights a row of ``size`` bytes keeps, rounded down; 0 if it is none."""
    per_weight = np.dtype(layout.SPARSE[encoding]).itemsize + _HALF
    return max(0, (size - _HALF) // per_weight)


def encode(kept: Kept, keys: int, encoding: Encoding) -> npt.NDArray[np.uint8]:
    """Heads as stored: uint8 [layers, heads, bytes of a head].

    Args:
        kept: of all heads: indices and weights [layers, heads, queries, k], rest [layers, heads,
            queries].
        keys: how many keys there are.
        encoding: "topk16" or "topk32".

    Raises:
        ValueError: the shapes do not fit each other, an index is not below ``keys`` or does not
            rise, or a weight or a rest lies outside [0, 1].
    """
    indices, weights, rest = map(np.asarray, kept)
    _check(indices, weights, rest, keys)
    heads = indices.shape[:2]
    parts = (
        np.ascontiguousarray(indices, dtype=layout.SPARSE[encoding]),
        np.ascontiguousarray(weights, dtype="<f2"),
        np.ascontiguousarray(np.clip(rest, 0, 1), dtype="<f2"),
    )
    flat = [part.reshape(heads[0] * heads[1], -1).view(np.uint8) for part in parts]
    return np.concatenate(flat, axis=1).reshape(*heads, -1)


def _check(
    indices: npt.NDArray[Any], weights: npt.NDArray[Any], rest: npt.NDArray[Any], keys: int
) -> None:
    shape = indices.shape
    if len(shape) != 4 or weights.shape != shape or rest.shape != shape[:3]:
        found = f"indices {shape}, weights {weights.shape}, rest {rest.shape}"
        raise ValueError(f"sparse attention of shapes that do not fit: {found}")
    if indices.dtype.kind not in "iu":
        raise ValueError(f"indices of sparse attention must be whole numbers, not {indices.dtype}")
    if not 1 <= shape[3] <= keys:
        raise ValueError(f"{shape[3]} weights of each row cannot be kept of {keys} keys")
    if indices.size and not (indices.min() >= 0 and indices.max() < keys):
        raise ValueError(f"an index of sparse attention does not lie between 0 and {keys - 1}")
    if not (indices[..., 1:] > indices[..., :-1]).all():
        raise ValueError("indices of sparse attention must rise in each row")
    layout.check_weights("attention weights", weights)
    layout.check_weights("rests of sparse attention", rest, -_ROUNDING)


def split(stored: npt.NDArray[np.uint8], queries: int, k: int, encoding: Encoding) -> Kept:
    """One head as it is stored, taken apart: indices, weights as float16, rest as float16."""
    dtype = np.dtype(layout.SPARSE[encoding])
    middle, end = queries * k * dtype.itemsize, len(stored) - queries * _HALF
    return Kept(
        stored[:middle].view(dtype).reshape(queries, k),
        stored[middle:end].view("<f2").reshape(queries, k),
        stored[end:].view("<f2"),
    )


def sound(kept: Kept, keys: int) -> bool:
    """Whether the indices of a head rise in each row and stay below ``keys``."""
    indices = kept.indices
    rising = bool((indices[:, 1:] > indices[:, :-1]).all())
    return rising and bool((indices[:, -1] < keys).all())


def fill(kept: Kept, into: npt.NDArray[np.float32]) -> None:
    """Puts the kept weights of one head into a matrix [queries, keys] of zeros."""
    queries, keys = into.shape
    places = kept.indices + (np.arange(queries, dtype=np.int64) * keys)[:, None]
    into.reshape(-1)[places] = layout.decode_attention(kept.weights)
