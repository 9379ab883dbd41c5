"""From numbers to the steps of a ramp, and the legend that says what the steps mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tui.look import PLAIN, Look
from tui.plots.canvas import Canvas

__all__ = ["Scale", "cell_texts", "legend", "steps"]


def steps(values: ArrayLike, lo: float, hi: float, n: int) -> NDArray[np.int32]:
    """Map values to steps 0..n-1 of equal length from `lo` to `hi`.

    With an odd `n` and lo = -hi the middle step lies around zero, so it means "about zero".

    Args:
        values: Numbers of any shape. NaN gives -1; what lies outside the range gets the end's step.
        lo: Value at the lower edge of step 0.
        hi: Value at the upper edge of step n-1. Where hi <= lo there is nothing to tell apart and
            every number gets the middle step if `n` is odd and lo = -hi = 0, else step 0.
        n: Number of steps, at least 1.

    Returns:
        Steps, in the shape of `values`.
    """
    numbers = np.asarray(values, dtype=np.float64)
    undefined = np.isnan(numbers)
    if not hi > lo:
        flat = n // 2 if n % 2 and lo == hi == 0 else 0
        return np.where(undefined, -1, flat).astype(np.int32)
    # Clipped before it is scaled, so that infinities and huge numbers do not overflow.
    inside = np.clip(np.where(undefined, lo, numbers), lo, hi)
    found = np.floor((inside - lo) / (hi - lo) * n).astype(np.int32)
    return np.where(undefined, -1, np.clip(found, 0, n - 1)).astype(np.int32)


class Scale(NamedTuple):
    """The range that a ramp covers.

    Attributes:
        lo: Value at the low end.
        hi: Value at the high end.
        diverging: The values are differences: lo = -hi, and the middle of the ramp is zero.
    """

    lo: float = 0.0
    hi: float = 1.0
    diverging: bool = False

    @classmethod
    def of(cls, values: ArrayLike, diverging: bool = False) -> Scale:
        """Return the range of the finite values; symmetric about zero for differences.

        Without any finite value the range is 0 to 0.
        """
        numbers = np.asarray(values, dtype=np.float64)
        finite = numbers[np.isfinite(numbers)]
        if not finite.size:
            return cls(0.0, 0.0, diverging)
        if diverging:
            most = float(np.abs(finite).max())
            return cls(-most, most, True)
        return cls(float(finite.min()), float(finite.max()), False)

    def steps(self, values: ArrayLike, n: int) -> NDArray[np.int32]:
        """Map values to steps 0..n-1; NaN to -1. See `steps`."""
        return steps(values, self.lo, self.hi, n)

    def clips(self, values: ArrayLike) -> tuple[bool, bool]:
        """Return whether values lie below and above the range (for the legend's `beyond`)."""
        numbers = np.asarray(values, dtype=np.float64)
        return bool((numbers < self.lo).any()), bool((numbers > self.hi).any())


def _labels(look: Look, scale: Scale, beyond: tuple[bool, bool]) -> tuple[str, str]:
    """Return what stands at the two ends of a legend."""
    low, high = (look.number(value, signed=scale.diverging) for value in (scale.lo, scale.hi))
    return ("<" if beyond[0] else "") + low, (">" if beyond[1] else "") + high


def legend(
    look: Look,
    scale: Scale,
    width: int,
    *,
    note: str = "",
    beyond: tuple[bool, bool] = (False, False),
    lines: bool = False,
    numbers: bool = False,
) -> Canvas:
    """Draw a ramp with its range, in one row: `0 ▒▒▓▓██ .31` or `−.35 ██▒▒ 0 ▒▒██ +.35`.

    Args:
        look: The terminal's look.
        scale: The range.
        width: Cells; the ramp shrinks to them, to nothing if need be, and the numbers stay.
        note: Muted words behind it, where there is room.
        beyond: Values lie below, above the range (see `Scale.clips`); the ends get "<" and ">".
        lines: Show the inks of lines and dots (`Look.strokes`) and not those of heat map cells.
        numbers: The cells show their values: without colours they then have no shades, and the
            legend has none: `−.35 to +.35`.

    Returns:
        A canvas of one row.
    """
    canvas = Canvas(width, 1, look.ascii)
    low, high = _labels(look, scale, beyond)
    levels = len(look.strokes(scale.diverging)) if lines else look.levels(scale.diverging)
    room = width - len(low) - len(high) - 2 - (2 if scale.diverging else 0)
    size = 2 if room >= 2 * levels and look.depth in ("16", "none") else 1
    shown = min(levels, max(room // size, 0))
    if numbers and look.depth == "none":
        shown, low = 0, f"{low} to"
    if scale.diverging and shown % 2 == 0 and shown:
        shown -= 1
    x = canvas.put(0, 0, low + " ")
    for index in range(shown):
        step = round(index * (levels - 1) / max(shown - 1, 1))
        middle = scale.diverging and index == shown // 2
        x = _swatch(canvas, x, look, scale, step, size, lines, middle)
    x = canvas.put(x + 1 if shown else x, 0, high)
    if note and x + 2 + len(note) <= width:
        canvas.put(x + 2, 0, note, look.muted)
    return canvas


def _swatch(
    canvas: Canvas,
    x: int,
    look: Look,
    scale: Scale,
    step: int,
    size: int,
    lines: bool,
    middle: bool,
) -> int:
    """Draw one step of a legend and return the column after it; the middle one says 0."""
    if middle:
        return canvas.put(x, 0, " 0 ", PLAIN)
    if lines:
        ink = look.strokes(scale.diverging)[step]
        plain = "." if scale.diverging and step < len(look.strokes(True)) // 2 else "-"
        return canvas.put(x, 0, (plain if look.ascii else "━") * size, ink)
    text, ink = look.heat(step, scale.diverging, size)
    return canvas.put(x, 0, text, ink)


def cell_texts(
    values: NDArray[Any], look: Look, signed: bool = False, hundredths: bool = True
) -> list[str]:
    """Write values for the cells of a heat map: `+32`, `−4`, `~`, `?`, or `.32`.

    Args:
        values: Numbers of any shape; they are written in flat order.
        look: Its marks stand for minus, for what rounds to 0 but is not 0, and for NaN.
        signed: Write "+" before numbers above 0.
        hundredths: Write ×100 as whole numbers (for values of about 1 or less), else as
            `tui.look.compact` does.
    """
    written: list[str] = []
    for value in values.ravel().tolist():
        if value != value:
            written.append(look.marks.undefined)
        elif not hundredths or abs(value) >= 100:
            written.append(look.number(value, signed))
        elif value != 0 and round(abs(value) * 100) == 0:
            written.append(look.marks.small)
        else:
            sign = look.marks.minus if value < 0 else "+" if signed and value > 0 else ""
            written.append(f"{sign}{round(abs(value) * 100)}")
    return written
