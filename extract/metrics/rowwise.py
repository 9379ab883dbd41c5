"""The built-in row statistics: numbers per query row, from one block of attention."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch

from .base import row_statistic
from .layout import BatchLayout, View

CHUNK = 1 << 18
"""Weights per step of a sweep on a CPU, a MiB; smaller steps pay more for calls than they save."""
DEVICE_CHUNK = 1 << 27
"""The same on a GPU, where it bounds memory."""


@row_statistic("total", "squares", "largest", "distance", "entropy")
def sweep(view: View) -> torch.Tensor:
    """All that needs every weight, in parts that fit into a processor's cache.

    Returns:
        [5, examples, heads, rows]: Σ_j A_ij over real keys, Σ_j A_ij², the largest weight outside
        separator columns, Σ_j A_ij |i − j| (0 for cross-attention), and −Σ_j A_ij ln A_ij in nats
        with 0 · ln 0 = 0.
    """
    weights = view.weights
    sums = torch.zeros((5, *weights.shape[:3]), device=weights.device)
    size = CHUNK if weights.device.type == "cpu" else DEVICE_CHUNK
    for examples, rows in _parts(weights, size):
        if examples.stop - examples.start == 1:
            _sweep_one(view, examples.start, rows, sums)
        else:
            _sweep_several(view, examples, sums[:, examples])
    return sums


def _parts(weights: torch.Tensor, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of examples and of rows that hold few enough weights; all rows of several examples."""
    batch, heads, rows, keys = weights.shape
    examples_at_once = max(1, size // (heads * rows * keys))
    rows_at_once = rows if examples_at_once > 1 else max(1, size // (heads * keys))
    for example in range(0, batch, examples_at_once):
        for row in range(0, rows, rows_at_once):
            yield (
                slice(example, min(batch, example + examples_at_once)),
                slice(row, min(rows, row + rows_at_once)),
            )


def _sweep_one(view: View, example: int, rows: slice, sums: torch.Tensor) -> None:
    """One step over rows of one example: its padding is passed over, not summed."""
    part, layout = view.part, view.layout
    start, number = part.rows.start, part.examples.start + example
    last = min(rows.stop, int(layout.query_lengths[number]) - start)
    if last <= rows.start:
        return
    keys = int(layout.key_lengths[number])
    if layout.causal and layout.same:
        keys = min(keys, start + last)  # what comes after the last row is 0
    block = view.weights[example, :, rows.start : last, :keys].to(torch.float32)
    sums = sums[:, example, :, rows.start : last]
    torch.sum(block, -1, out=sums[0])
    _reduce(block, layout, slice(start + rows.start, start + last), sums)
    # the stretches between separators, whose largest weights need no copy without the separators
    ends = [*np.flatnonzero(layout.separators[number, :keys]).tolist(), keys]
    begins = [0, *(end + 1 for end in ends)]
    found = [_largest(block[..., a:b]) for a, b in zip(begins, ends, strict=False) if a < b]
    if found:
        sums[2] = functools.reduce(torch.maximum, found)


def _sweep_several(view: View, examples: slice, sums: torch.Tensor) -> None:
    """One step over all rows of several short examples; ``sums`` is [5, examples, heads, rows]."""
    part, layout = view.part, view.layout
    block = view.weights[examples].to(torch.float32)
    torch.sum(block, -1, out=sums[0])
    first = layout.shortest
    if first < layout.keys:
        sums[0] -= (block[..., first:] * part.outside[examples, ..., first:]).sum(-1)
    _reduce(block, layout, part.rows, sums)
    if part.has_separators:
        room = layout.scratch(block.numel(), block.device).view(block.shape)
        block = torch.mul(block, part.others[examples], out=room)
    sums[2] = _largest(block)


def _largest(values: torch.Tensor) -> torch.Tensor:
    """The largest of the last axis, several times as fast as amax alone where its size is odd.

    amax takes 32 values at a time and what is left over one by one: so two stretches of a multiple
    of 32 that overlap, or, of fewer values, halves that do.
    """
    keys = values.shape[-1]
    stretch = keys - keys % 32
    if 0 < stretch < keys:
        both = (values[..., :stretch].amax(-1), values[..., keys - stretch :].amax(-1))
        return torch.maximum(*both)
    while 4 < keys < 32:
        half = (keys + 1) // 2
        values = torch.maximum(values[..., :half], values[..., keys - half :])
        keys = half
    return values.amax(-1)


def _reduce(block: torch.Tensor, layout: BatchLayout, at: slice, sums: torch.Tensor) -> None:
    """Squares, distance and entropy of weights [..., rows, keys] of the rows ``at``."""
    torch.linalg.vector_norm(block, dim=-1, out=sums[1])
    sums[1].square_()
    room = layout.scratch(block.numel(), block.device).view(block.shape)
    if layout.same:
        torch.mul(block, layout.distance(at, block.shape[-1], block.device), out=room)
        torch.sum(room, -1, out=sums[3])
    # the smallest normal number stands in for 0: its logarithm is finite, and 0 times it is 0
    torch.clamp_min(block, torch.finfo(torch.float32).tiny, out=room)
    room.log_().mul_(block)
    torch.sum(room, -1, out=sums[4])
    sums[4].neg_()


@row_statistic("previous", "own", "next")
def beside(view: View) -> torch.Tensor:
    """A[i, i − 1], A[i, i] and A[i, i + 1], [3, examples, heads, rows]; 0 where there is none."""
    weights, start = view.weights, view.part.rows.start
    rows, keys = weights.shape[2:]
    found = torch.zeros((3, *weights.shape[:3]), device=weights.device)
    for number, offset in enumerate((-1, 0, 1)):
        low, high = max(0, -(start + offset)), min(rows, keys - start - offset)
        if low < high:
            found[number, ..., low:high] = weights.diagonal(start + offset, -2, -1)
    return found


@row_statistic("first")
def first(view: View) -> torch.Tensor:
    """A[i, 0], [examples, heads, rows]."""
    return view.weights[..., 0]


@row_statistic("separators")
def separators(view: View) -> torch.Tensor:
    """Σ_j A_ij over separators, [examples, heads, rows]."""
    weights, part = view.weights, view.part
    if len(weights) == 1:
        found = torch.zeros(weights.shape[:3], device=weights.device)
        for column in np.flatnonzero(view.layout.separators[part.examples.start]).tolist():
            found += weights[..., column]
        return found
    columns, real = part.separator_columns
    picked = weights.permute(0, 3, 1, 2)[part.example_numbers, columns]
    return (picked.to(torch.float32) * real[:, :, None, None]).sum(1)


@row_statistic("duplicate", "induction")
def repeats(view: View) -> torch.Tensor:
    """Weights on earlier equal tokens, and on the tokens after them, [2, examples, heads, rows].

    With k < i and x_k = x_i: Σ_k A_ik, and Σ_k A_i(k+1). Few pairs (i, k) match, so their weights
    are fetched one by one.
    """
    weights = view.weights
    examples, heads, rows, _ = weights.shape
    found = torch.zeros(2 * heads * examples * rows, device=weights.device)
    flat = weights.reshape(-1)
    for at, row in view.part.repeats(heads):
        found.scatter_add_(0, row, flat.index_select(0, at).to(torch.float32))
    return found.view(2, examples, heads, rows)
