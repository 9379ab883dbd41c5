"""Where the pairs of a batch are, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..metrics.spans import PairIndex

if TYPE_CHECKING:
    from .base import Placed


def pair_index(batch: Sequence[Placed[Any]], device: torch.device | str) -> PairIndex | None:
    """Where the pairs of a batch are; None if it has none."""
    pairs = [(row, pair) for row, one in enumerate(batch) for pair in one.pairs]
    if not pairs:
        return None
    return PairIndex.of(
        [row for row, _ in pairs],
        [pair.span1 for _, pair in pairs],
        [pair.span2 for _, pair in pairs],
        device,
    )
