"""Attention of one example as it is stored: packed once, written as it is.

An extraction packs where the weights are computed (in a worker, before a part is written), and
puts the files together elsewhere without encoding and checking the weights again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout, sparse
from .schema import AttentionKind, Encoding


@dataclass(frozen=True, eq=False)
class PackedAttention:
    """The attention of one example, ready to be written by ``Writer.add_packed_attention``.

    All are plain values that msgpack can hold. Who changes ``data`` makes a damaged file.

    Attributes:
        kind: name of the kind of attention.
        encoding: how the weights are stored.
        shape: layers, heads, queries, keys.
        checksums: of each head, <u4 one after another.
        data: the heads one after another.
    """

    kind: str
    encoding: Encoding
    shape: tuple[int, int, int, int]
    checksums: bytes
    data: bytes | memoryview

    def check(self) -> None:
        """Whether the sizes fit each other; the weights are not looked at.

        Raises:
            ValueError: not so.
        """
        if self.encoding not in layout.ENCODING_NAMES:
            known = ", ".join(layout.ENCODING_NAMES)
            raise ValueError(f"no encoding {self.encoding!r}; there are: {known}")
        layers, heads, queries, keys = self.shape
        number = layers * heads
        if not 0 < queries * keys <= layout.MAX_TOKENS**2:
            raise ValueError(f"{queries} queries, {keys} keys")
        if self.encoding in layout.SPARSE:
            k = sparse.kept_in(self.encoding, len(self.data) // max(1, number * queries))
            size = number * queries * sparse.row_bytes(self.encoding, k)
            fits = 1 <= k <= keys and keys <= layout.most_keys(self.encoding)
        else:
            size = number * queries * keys * np.dtype(layout.ENCODINGS[self.encoding]).itemsize
            fits = True
        if not fits or len(self.data) != size or len(self.checksums) != 4 * number:
            raise ValueError(f"{len(self.data)} bytes do not fit the shape {self.shape}")


def pack_attention(
    kind: AttentionKind, encoding: Encoding, maps: npt.ArrayLike, *, copy: bool = True
) -> PackedAttention:
    """Packs attention weights: [layers, heads, queries, keys].

    Args:
        kind: which attention, as the file's ``Meta.attention`` has it.
        encoding: "float16" or "uint8"; for others see :func:`pack_sparse_attention`.
        maps: the weights.
        copy: False lets ``data`` be the very memory of float16 ``maps``, which nobody may change.

    Raises:
        ValueError: a wrong shape, a weight outside [0, 1], too many weights for a record, or no
            such encoding.
    """
    weights = np.asarray(maps)
    if weights.ndim != 4 or weights.shape[:2] != (kind.layers, kind.heads):
        raise ValueError(f"the shape {weights.shape} does not fit {kind}")
    data = layout.encode_attention(weights, encoding)
    queries, keys = data.shape[2:]
    return _packed(kind, encoding, queries, keys, data, copy=copy)


def pack_sparse_attention(
    kind: AttentionKind,
    indices: npt.ArrayLike,
    weights: npt.ArrayLike,
    rest: npt.ArrayLike,
    keys: int,
) -> PackedAttention:
    """Packs the largest weights of each row; as "topk16" where that can number the keys.

    Args:
        kind: which attention, as the file's ``Meta.attention`` has it.
        indices: int [layers, heads, queries, k], the numbers of the keys, rising in each row.
        weights: [layers, heads, queries, k]; 0 where a row has fewer than k keys.
        rest: [layers, heads, queries], the sum of the weights that were not kept.
        keys: how many keys there are.

    Raises:
        ValueError: a wrong shape, an index that is not below ``keys`` or does not rise, a weight
            or a rest outside [0, 1], or too many weights for a record.
    """
    kept = sparse.Kept(np.asarray(indices), np.asarray(weights), np.asarray(rest))
    if kept.indices.ndim != 4 or kept.indices.shape[:2] != (kind.layers, kind.heads):
        raise ValueError(f"the shape {kept.indices.shape} does not fit {kind}")
    encoding = sparse.encoding_for(keys)
    data = sparse.encode(kept, keys, encoding)
    return _packed(kind, encoding, kept.indices.shape[2], keys, data)


def _packed(
    kind: AttentionKind,
    encoding: Encoding,
    queries: int,
    keys: int,
    data: npt.NDArray[Any],
    *,
    copy: bool = True,
) -> PackedAttention:
    if not 0 < queries * keys <= layout.MAX_TOKENS**2:
        raise ValueError(f"{queries} queries, {keys} keys")
    if data.nbytes > layout.MAX_ATTENTION:
        raise ValueError(f"{data.nbytes} bytes are more than one record can hold")
    number = kind.layers * kind.heads
    heads = data.reshape(-1).view(np.uint8).data
    size = data.nbytes // number
    checks = [layout.checksum(heads[i * size : (i + 1) * size]) for i in range(number)]
    shape = (kind.layers, kind.heads, queries, keys)
    checksums = np.array(checks, dtype="<u4").tobytes()
    stored = data.tobytes() if copy else heads
    return PackedAttention(kind.name, encoding, shape, checksums, stored)
