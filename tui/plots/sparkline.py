"""Numbers as a row of bars, for where there is one line only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tui.look import Look

__all__ = ["numbers_of", "sparkline"]

Floats = NDArray[np.float64]


def numbers_of(values: ArrayLike, count: int = 0) -> Floats:
    """Return the numbers as stored in the file, infinities as NaN, padded with NaN to `count`."""
    with np.errstate(over="ignore"):
        stored = np.asarray(values, dtype=np.float32).ravel().astype(np.float64)
    stored[~np.isfinite(stored)] = np.nan
    return np.pad(stored, (0, max(count - len(stored), 0)), constant_values=np.nan)


def sparkline(values: ArrayLike, look: Look, width: int | None = None) -> str:
    """Draw numbers as a row of bars, `▁▂▅?█`: the lowest bar is the smallest number, not zero.

    Args:
        values: [n] numbers. NaN and infinities are drawn as the sign of undefined numbers.
        look: The terminal's look; its bars, lowest to highest, stand for smallest to largest.
        width: Cells at most: bars are as wide as fit in, and if not even one cell each does, the
            row is cut and ends with an ellipsis. None: one cell each.

    Returns:
        One line of text, not longer than `width`; "" without values.
    """
    numbers = numbers_of(values)
    bars = look.marks.bars[1:]
    known = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return ""
    lo, hi = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    drawn: list[str] = []
    for number in numbers.tolist():
        if math.isnan(number):
            drawn.append(look.marks.undefined)
        elif hi > lo:
            drawn.append(bars[round((number - lo) / (hi - lo) * (len(bars) - 1))])
        else:
            drawn.append(bars[len(bars) // 2])
    size = 1 if width is None else max(1, width // len(drawn))
    line = "".join(bar * size for bar in drawn)
    if width is None or len(line) <= width:
        return line
    return line[: max(width - 1, 0)] + look.marks.ellipsis[:width]
