"""The built-in row statistics: numbers per query row, from one block of attention."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .base import row_statistic
from .layout import View

CHUNK = 1 << 17
"""Weights per step of a sweep on a CPU: with a buffer of its size they fill a MiB of cache."""
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
        _sweep(view, examples, rows, sums[:, examples, :, rows])
    return sums


def _parts(weights: torch.Tensor, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of examples and of rows that hold few enough weights for one step."""
    batch, heads, rows, keys = weights.shape
    examples_at_once = max(1, size // (heads * rows * keys))
    rows_at_once = rows if examples_at_once > 1 else max(1, size // (heads * keys))
    for example in range(0, batch, examples_at_once):
        for row in range(0, rows, rows_at_once):
            yield (
                slice(example, min(batch, example + examples_at_once)),
                slice(row, min(rows, row + rows_at_once)),
            )


def _sweep(view: View, examples: slice, rows: slice, sums: torch.Tensor) -> None:
    """One step, whose results go into ``sums`` [5, examples, heads, rows]."""
    part, layout = view.part, view.layout
    start = part.rows.start
    keys = view.weights.shape[-1]
    if layout.causal and layout.same:
        keys = min(keys, start + rows.stop)  # what comes after the last row is 0
    block = view.weights[examples, :, rows, :keys].to(torch.float32)
    room = layout.scratch(block.numel(), block.device).view(block.shape)
    torch.sum(block, -1, out=sums[0])
    if layout.shortest < keys:
        sums[0] -= _outside(block, part.key_lengths[examples], layout.shortest)
    torch.linalg.vector_norm(block, dim=-1, out=sums[1])
    sums[1].square_()
    if layout.same:
        at = slice(start + rows.start, start + rows.stop)
        torch.mul(block, layout.distance(at, keys, block.device), out=room)
        torch.sum(room, -1, out=sums[3])
    # the smallest normal number stands in for 0: its logarithm is finite, and 0 times it is 0
    tiny = torch.finfo(torch.float32).tiny
    torch.clamp_min(block, tiny, out=room)
    columns, _ = part.separator_columns
    if columns.shape[1]:
        torch.amax(block * ~part.separators[examples, None, None, :keys], -1, out=sums[2])
    else:
        torch.amax(block, -1, out=sums[2])
    room.log_().mul_(block)
    torch.sum(room, -1, out=sums[4])
    sums[4].neg_()


def _outside(block: torch.Tensor, lengths: torch.Tensor, first: int) -> torch.Tensor:
    """What rows give to padding, [examples, heads, rows]; it starts at key ``first``."""
    at = torch.arange(first, block.shape[-1], device=block.device)
    return (block[..., first:] * (at >= lengths[:, None])[:, None, None, :]).sum(-1)


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
    columns, real = view.part.separator_columns
    picked = view.weights.permute(0, 3, 1, 2)[view.part.example_numbers, columns]
    return (picked.to(torch.float32) * real[:, :, None, None]).sum(1)


@row_statistic("duplicate", "induction")
def repeats(view: View) -> torch.Tensor:
    """Weights on earlier equal tokens, and on the tokens after them, [2, examples, heads, rows].

    With k < i and x_k = x_i: Σ_k A_ik, and Σ_k A_i(k+1). Few pairs (i, k) match, so their weights
    are fetched one by one.
    """
    weights = view.weights
    examples, heads, rows, _ = weights.shape
    found = torch.zeros((2, heads, examples * rows), device=weights.device)
    example, row, earlier = view.part.matches
    if len(example):
        at = (example * rows + row).expand(heads, -1)
        head = torch.arange(heads, device=weights.device)[:, None]
        for number in (0, 1):
            picked = weights[example, head, row, earlier + number]
            found[number].scatter_add_(1, at, picked.to(torch.float32))
    return found.view(2, heads, examples, rows).transpose(1, 2)
