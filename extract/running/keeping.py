"""Attention maps of the examples that keep them: blocks are copied as they pass, then packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from collateral import layout
from collateral.packing import PackedAttention, pack_attention, pack_sparse_attention
from collateral.schema import AttentionKind

from ..data.encoding import Encoded, source_of
from ..options import AttentionDtype, RunOptions


class KeptMap:
    """The attention of one example and one kind: all of it, or the largest weights of each row.

    Attributes:
        queries, keys: its tokens on either side.
        top: weights kept of each row, 0 for all.
    """

    def __init__(
        self, kind: AttentionKind, queries: int, keys: int, top: int, dtype: AttentionDtype
    ) -> None:
        self.queries, self.keys, self.top = queries, keys, top
        self._kind, self._dtype = kind, dtype
        # 8-bit weights are rounded once, from float32; half precision is how float16 is written
        stored = torch.float16 if dtype == "float16" or top > 0 else torch.float32
        shape = (kind.layers, kind.heads, queries)
        self._weights = torch.empty((*shape, top or keys), dtype=stored)
        if top:
            index: npt.DTypeLike = np.uint16 if keys <= 1 << 16 else np.uint32
            self._indices: npt.NDArray[Any] = np.zeros((*shape, top), dtype=index)
            self._rest = np.zeros(shape, dtype=np.float16)

    def add(self, layer: int, rows: slice, weights: torch.Tensor) -> None:
        """Copies some rows of a layer.

        Args:
            layer: number of the layer.
            rows: which queries.
            weights: [heads, rows, keys], without padding.
        """
        if not self.top:
            # torch narrows to half precision some forty times faster than numpy does
            self._weights[layer, :, rows].copy_(weights)
            return
        found = torch.topk(weights, self.top, dim=-1, sorted=False)
        order = found.indices.argsort(dim=-1)
        kept = found.values.gather(-1, order)
        rest = (weights.sum(-1, dtype=torch.float32) - kept.sum(-1, dtype=torch.float32)).clamp_(
            0.0, 1.0
        )
        self._indices[layer, :, rows] = found.indices.gather(-1, order).cpu().numpy()
        self._weights[layer, :, rows].copy_(kept)
        self._rest[layer, :, rows] = rest.to(torch.float16).cpu().numpy()

    def packed(self) -> PackedAttention:
        """All layers, as the file keeps them."""
        if self.top:
            return pack_sparse_attention(
                self._kind, self._indices, self._weights.numpy(), self._rest, self.keys
            )
        return pack_attention(self._kind, self._dtype, self._weights.numpy(), copy=False)


def map_bytes(kinds: Sequence[AttentionKind], encoded: Encoded, options: RunOptions) -> int:
    """How many bytes the maps of an example take while they are kept."""
    source = source_of(encoded)
    sides = {"text": len(encoded), "source": source, "target": len(encoded) - source}
    total = 0
    for kind in kinds:
        queries, keys = sides[kind.queries], sides[kind.keys]
        top = options.top_for(keys)
        weight = 2 if options.attention_dtype == "float16" else 4
        row = top * (4 if keys <= 1 << 16 else 6) + 2 if top else weight * keys
        total += kind.layers * kind.heads * queries * row
    return total


LARGEST_MAP = layout.MAX_ATTENTION
"""Bytes of one example's attention that the file can hold."""
