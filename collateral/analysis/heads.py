"""Head metrics over many examples: means that count each example once, and the strongest heads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BLOCK_UNITS = 2048
"""Units summed at a time: a block of 12 x 12 heads then fits the processor's cache."""


@dataclass(frozen=True, eq=False)
class HeadMean:
    """A head metric averaged over examples.

    Attributes:
        mean: float32 [layers, heads]; NaN where no selected example defines the head's value.
        examples: how many examples stand behind it (with a defined value for at least one head).
        units: how many units (examples or pairs) of those examples.
    """

    mean: npt.NDArray[np.float32]
    examples: int
    units: int


def mean_over_examples(
    values: npt.NDArray[np.floating],
    unit_examples: npt.NDArray[np.integer],
    examples: Collection[int] | None = None,
) -> HeadMean:
    """The mean of a head metric over examples, each example counted once.

    The units (pairs) of an example are averaged first, then the examples: an example with many
    pairs weighs no more than another. Undefined values (NaN) are left out, head by head. For the
    change between two files pass ``b - a``: then only units that both define are counted.

    Args:
        values: [units, layers, heads].
        unit_examples: int [units], the example row of each unit; ``arange`` if units are examples.
        examples: the rows to average over; None means all, an empty collection none.

    Returns:
        The mean and what stands behind it; NaN and 0 if nothing is selected or defined.

    Raises:
        ValueError: the shapes do not belong together.
    """
    if values.ndim != 3 or len(values) != len(unit_examples):
        raise ValueError(f"values {values.shape} do not fit {len(unit_examples)} units")
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    total = np.zeros(flat.shape[1])
    defined = np.zeros(flat.shape[1], dtype=np.int64)
    behind_examples = behind_units = 0
    for rows, starts in _blocks(np.asarray(unit_examples), examples):
        part = flat[rows]
        known = ~np.isnan(part)
        if known.all():  # one product: each unit weighs its share of its example
            sizes = np.diff(starts, append=len(part))
            total += np.repeat((1 / sizes).astype(part.dtype), sizes) @ part
            defined += len(starts)
            behind_examples, behind_units = behind_examples + len(starts), behind_units + len(part)
            continue
        means, counts = np.where(known, part, part.dtype.type(0)), known.astype(part.dtype)
        if len(starts) < len(part):
            counts = _sums(counts, starts)
            means = _sums(means, starts) / np.maximum(counts, 1)
        total += np.ones(len(starts), dtype=part.dtype) @ means
        defined += np.count_nonzero(counts, axis=0)
        behind_examples += int(counts.any(axis=1).sum())
        behind_units += int(known.any(axis=1).sum())
    mean = np.where(defined > 0, total / np.maximum(defined, 1), np.nan).astype(np.float32)
    return HeadMean(mean.reshape(values.shape[1:]), behind_examples, behind_units)


def _sums(part: npt.NDArray[np.floating], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.floating]:
    """Sums of the rows from each start to the next: the first units, plus the second, and so on.

    ``np.add.reduceat`` does the same, but takes a multiple of the time along the first axis.
    """
    sizes = np.diff(starts, append=len(part))
    sums = part[starts]
    for nth in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > nth)
        sums[longer] += part[starts[longer] + nth]
    return sums


def _blocks(
    unit_examples: npt.NDArray[np.integer], examples: Collection[int] | None
) -> Iterator[tuple[slice | npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows of units, examples never split, and where in them each example starts."""
    rows: npt.NDArray[np.intp] | None = None
    if examples is not None:
        rows = np.flatnonzero(np.isin(unit_examples, np.fromiter(examples, dtype=np.int64)))
        unit_examples = unit_examples[rows]
    step = np.diff(unit_examples)
    if (step < 0).any():  # the units of an example must stand together
        order = np.argsort(unit_examples, kind="stable")
        rows = order if rows is None else rows[order]
        step = np.diff(unit_examples[order])
    if not len(unit_examples):
        return
    starts = np.flatnonzero(np.concatenate([[True], step != 0]))
    ends = np.append(starts[1:], len(unit_examples))
    first = 0
    while first < len(starts):
        low = starts[first]
        last = max(first + 1, int(np.searchsorted(ends, low + _BLOCK_UNITS, side="right")))
        high = ends[last - 1]
        chosen: slice | npt.NDArray[np.intp] = slice(low, high) if rows is None else rows[low:high]
        yield chosen, starts[first:last] - low
        first = last


def ranked(
    values: npt.NDArray[np.floating], n: int | None = None, by_magnitude: bool = False
) -> list[tuple[int, int, float]]:
    """The heads with the largest values: (layer, head, value), largest first.

    Args:
        values: [layers, heads]; NaN is left out.
        n: at most so many; None gives all.
        by_magnitude: order by absolute value, for differences.

    Heads of equal value stand in the order of layer and head.
    """
    flat = values.ravel()
    known = np.flatnonzero(~np.isnan(flat))
    keys = np.abs(flat[known]) if by_magnitude else flat[known]
    best = known[np.argsort(-keys, kind="stable")][:n]
    return [(*divmod(int(i), values.shape[1]), float(flat[i])) for i in best]
