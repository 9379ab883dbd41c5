"""The built-in row statistics: numbers per query row, from one block of attention."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from .base import row_statistics
from .layout import BatchLayout, View

CHUNK = 1 << 19
"""Weights per step of a sweep on a CPU, 2 MiB; smaller steps pay more for calls than they save."""
DEVICE_CHUNK = 1 << 25
"""The same on a GPU, where it bounds memory."""

_SMALL_SCORE = 16.0
"""Scores up to this are multiplied as they are: what rounding does stays below 1e-5 nats."""

_SOME_WEIGHT = 1e-20
"""From this weight on its logarithm is exact to 1e-5: the score is 46 below the largest at most."""

_TINY = torch.finfo(torch.float32).tiny


@row_statistics("total", "norm", "largest", "distance", "information")
def sweep(view: View, out: torch.Tensor) -> None:
    """All that needs every weight, in parts that fit into a processor's cache.

    Σ_j A_ij over real keys, √Σ_j A_ij², the largest weight outside separator columns, Σ_j A_ij |i −
    j| (0 for cross-attention), and Σ_j A_ij ln A_ij, the entropy's negative, with 0 · ln 0 = 0.
    """
    weights = view.weights
    size = CHUNK if weights.device.type == "cpu" else DEVICE_CHUNK
    if weights.numel() <= size and len(weights) > 1:
        _sweep_several(view, slice(0, len(weights)), out)
        return
    for examples, rows in _parts(weights, size):
        if examples.stop - examples.start == 1:
            _sweep_one(view, examples.start, rows, out)
        else:
            _sweep_several(view, examples, out[:, examples])


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


def _sweep_one(view: View, example: int, rows: slice, out: torch.Tensor) -> None:
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
    scores = None if view.scores is None else view.scores[example, :, rows.start : last, :keys]
    total, norm, largest, distance, information = out[:, example, :, rows.start : last].unbind()
    torch.sum(block, -1, out=total)
    _reduce(
        block,
        scores,
        layout,
        slice(start + rows.start, start + last),
        (norm, distance, information),
    )
    _largest_between(block, layout.separator_places[number], largest)


def _sweep_several(view: View, examples: slice, out: torch.Tensor) -> None:
    """One step over all rows of several short examples; ``out`` is [5, examples, heads, rows]."""
    part, layout = view.part, view.layout
    block = view.weights[examples].to(torch.float32)
    total, norm, largest, distance, information = out.unbind()
    torch.sum(block, -1, out=total)
    first = layout.shortest
    if first < layout.keys:
        total -= (block[..., first:] * part.outside[examples, ..., first:]).sum(-1)
    scores = None if view.scores is None else view.scores[examples]
    _reduce(block, scores, layout, part.rows, (norm, distance, information))
    separators = part.same_separators
    if separators is None:
        room = layout.scratch(block.numel(), block.device).view(block.shape)
        largest.copy_(_largest(torch.mul(block, part.others[examples], out=room)))
    else:
        _largest_between(block, separators, largest)


def _largest_between(block: torch.Tensor, separators: Sequence[int], out: torch.Tensor) -> None:
    """The largest of the stretches between separators: no copy without them is needed."""
    keys = block.shape[-1]
    begins, ends = (0, *(at + 1 for at in separators)), (*separators, keys)
    found = [
        _largest(block[..., a : min(b, keys)])
        for a, b in zip(begins, ends, strict=True)
        if a < min(b, keys)
    ]
    if found:
        out.copy_(functools.reduce(torch.maximum, found))
    else:
        out.zero_()


def _largest(values: torch.Tensor) -> torch.Tensor:
    """The largest of the last axis, several times as fast as amax alone where its size is odd.

    amax takes 32 values at a time and what is left over one by one: so a stretch of a multiple of
    32 and the last 32, which overlap, or, of fewer values, halves that do.
    """
    keys = values.shape[-1]
    stretch = keys - keys % 32
    if 0 < stretch < keys:
        return torch.maximum(values[..., :stretch].amax(-1), values[..., keys - 32 :].amax(-1))
    while 4 < keys < 32:
        half = (keys + 1) // 2
        values = torch.maximum(values[..., :half], values[..., keys - half :])
        keys = half
    return values.amax(-1)


def _reduce(
    block: torch.Tensor,
    scores: torch.Tensor | None,
    layout: BatchLayout,
    at: slice,
    out: tuple[torch.Tensor, ...],
) -> None:
    """Norm, distance and information of weights [..., rows, keys] of the rows ``at``."""
    norm, distance, information = out
    torch.linalg.vector_norm(block, dim=-1, out=norm)
    room = layout.scratch(block.numel(), block.device).view(block.shape)
    if layout.same:
        _dot(block, layout.distance(at, block.shape[-1], block.device), room, distance)
    else:
        distance.zero_()
    if scores is not None and _information_of(block, scores.to(block), room, information):
        return
    # the smallest normal number stands in for 0: its logarithm is finite, and 0 times it is 0
    torch.clamp_min(block, _TINY, out=room)
    torch.sum(room.log_().mul_(block), -1, out=information)


def _information_of(
    block: torch.Tensor, scores: torch.Tensor, room: torch.Tensor, out: torch.Tensor
) -> bool:
    """Σ_j A_ij ln A_ij of A = softmax(s): ln A_ij = s_ij − z_i with z_i = ln Σ_j exp s_ij.

    Returns:
        Whether it could be done: hidden keys may have scores that are no numbers.
    """
    sums = _log_sums(block, scores)
    if float(sums.abs().amax()) <= _SMALL_SCORE:
        _dot(block, scores, room, out)
        out -= sums
    else:  # a difference of large numbers would not be exact
        _dot(block, torch.sub(scores, sums[..., None], out=room), room, out)
    out.clamp_max_(0.0)
    return math.isfinite(float(out.sum()))


def _log_sums(block: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """z_i = ln Σ_j exp s_ij = s_ik − ln A_ik, which holds for any key k that has some weight."""
    first = block[..., 0]
    if float(first.amin()) > _SOME_WEIGHT:
        return scores[..., 0] - first.log()
    return _largest(scores) - _largest(block).log()


def _dot(block: torch.Tensor, other: torch.Tensor, room: torch.Tensor, out: torch.Tensor) -> None:
    """Σ_j A_ij B_ij; ``room`` may be overwritten unless it is B."""
    if block.device.type == "cpu":  # in one pass, and torch has none as fast
        np.einsum("...j,...j->...", block.numpy(), other.numpy(), out=out.numpy())
    else:
        torch.sum(torch.mul(block, other, out=room), -1, out=out)


@row_statistics("previous", "own", "next")
def beside(view: View, out: torch.Tensor) -> None:
    """A[i, i − 1], A[i, i] and A[i, i + 1]; 0 where there is none."""
    weights, start = view.weights, view.part.rows.start
    examples, heads, rows, keys = weights.shape
    if start > 0 and start + rows < keys and weights.is_contiguous():
        # all three are there: one band along the diagonal
        size, step = (examples, heads, rows, 3), (heads * rows * keys, rows * keys, keys + 1, 1)
        band = weights.as_strided(size, step, weights.storage_offset() + start - 1)
        out.copy_(band.permute(3, 0, 1, 2))
        return
    for number, offset in enumerate((-1, 0, 1)):
        low, high = max(0, -(start + offset)), min(rows, keys - start - offset)
        if low < high:
            out[number, ..., low:high] = weights.diagonal(start + offset, -2, -1)
        out[number, ..., :low] = 0.0
        out[number, ..., max(high, 0) :] = 0.0


@row_statistics("first")
def first(view: View, out: torch.Tensor) -> None:
    """A[i, 0]."""
    out[0] = view.weights[..., 0]


@row_statistics("separators")
def separators(view: View, out: torch.Tensor) -> None:
    """Σ_j A_ij over separators."""
    weights, part = view.weights, view.part
    places = part.same_separators
    if places is None:
        columns, real = part.separator_columns
        picked = weights.permute(0, 3, 1, 2)[part.example_numbers, columns]
        torch.sum(picked.to(torch.float32) * real[:, :, None, None], 1, out=out[0])
        return
    out[0] = weights[..., places[0]] if places else 0.0
    for place in places[1:]:
        out[0] += weights[..., place]


@row_statistics("duplicate", "induction")
def repeats(view: View, out: torch.Tensor) -> None:
    """Weights on earlier equal tokens, and on the tokens after them.

    With k < i and x_k = x_i: Σ_k A_ik, and Σ_k A_i(k+1). Few pairs (i, k) match, so their weights
    are fetched one by one.
    """
    weights = view.weights
    examples, heads, rows, _ = weights.shape
    found = torch.zeros(2 * heads * examples * rows, device=weights.device)
    flat = weights.reshape(-1)
    for at, row in view.part.repeats(heads):
        found.scatter_add_(0, row, flat.index_select(0, at).to(torch.float32))
    out.copy_(found.view(2, examples, heads, rows))
