"""The axes of the curves over the layers: where the plot stands, what its edges mean, labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.look import Ink, Look
from tui.plots.canvas import Canvas

__all__ = ["Frame", "layer_labels", "layout", "ticks"]

Floats = NDArray[np.float64]


class Frame(NamedTuple):
    """Where the plot stands on the canvas and what its edges mean.

    Attributes:
        left, top, width, height: The plot without its axes, in cells.
        layers: The last layer's number.
        lo, hi: Values at the middle of the lowest and of the highest dot.
        margin: Half of a dot's height in cells: 1/8 in braille, 1/2 in ASCII.
    """

    left: int
    top: int
    width: int
    height: int
    layers: int
    lo: float
    hi: float
    margin: float

    def column(self, layer: int) -> int:
        """Return the column of a layer, counted from the plot's left."""
        if not self.layers:
            return (self.width - 1) // 2
        return round(layer * (self.width - 1) / self.layers)

    def up(self, values: Floats) -> Floats:
        """Return how many cells above the plot's lower edge the values lie."""
        share = (values - self.lo) / (self.hi - self.lo)
        found: Floats = self.margin + np.clip(share, 0, 1) * (self.height - 2 * self.margin)
        return found

    def row(self, value: float) -> int:
        """Return the row of a value, counted from the plot's top."""
        return self.height - 1 - min(int(self.up(np.array([value]))[0]), self.height - 1)


def _widened(lo: float, hi: float) -> tuple[float, float]:
    """Return the range, or one about its middle where it is a single number."""
    if hi - lo > 1e-6 * max(abs(lo), abs(hi)):
        return lo, hi
    half = abs(hi) * 0.1 or 0.5
    return lo - half, hi + half


def ticks(lo: float, hi: float, most: int) -> tuple[list[float], int]:
    """Return the values to label between `lo` and `hi`, at least two, and their decimals.

    They are multiples of 1, 2 or 5 times a power of ten: as many as there is room for, or, where a
    step gives too many and the next one but a single label, the first and the last of the former.
    """
    power = math.floor(math.log10(hi - lo))
    found: list[float] = []
    decimals = 0
    for step, exponent in (
        (f * 10.0**e, e) for e in (power - 1, power, power + 1) for f in (1, 2, 5)
    ):
        first, last = math.ceil(lo / step - 1e-4), math.floor(hi / step + 1e-4)
        if last - first < 1:
            break
        found, decimals = [number * step for number in range(first, last + 1)], max(0, -exponent)
        if len(found) <= most:
            break
    return (found if len(found) <= most else [found[0], found[-1]]), decimals


def _label(value: float, decimals: int, look: Look, signed: bool) -> str:
    """Write a value of the y axis exactly, in the style of `Look.number`."""
    if abs(value) >= 1000 or decimals > 4:
        return look.number(value, signed)
    digits = f"{abs(value):.{decimals}f}"
    if not float(digits):
        return "0"
    digits = digits.removeprefix("0")
    return (look.marks.minus if value < 0 else "+" if signed else "") + digits


def layer_labels(canvas: Canvas, y: int, frame: Frame, look: Look, current: int | None) -> None:
    """Write the numbers of layers below the plot, the current one first and between edges."""
    free = [True] * (canvas.width + 2)

    def write(layer: int, text: str, ink: Ink) -> None:
        x = frame.left + frame.column(layer) - len(text) // 2
        x = min(max(x, 0), max(canvas.width - len(text), 0))
        if all(free[max(x - 1, 0) : x + len(text) + 1]):
            canvas.put(x, y, text, ink)
            free[x : x + len(text)] = [False] * len(text)

    if current is not None and 0 <= current <= frame.layers:
        marks = look.marks
        write(current, f"{marks.open}{current}{marks.close}", look.accent)
    room = (frame.width - 1) / max(frame.layers, 1)
    needed = len(str(frame.layers)) + 1
    steps = (step * 10**power for power in range(4) for step in (1, 2, 5))
    every = next((step for step in steps if step * room >= needed), frame.layers + 1)
    for layer in range(0, frame.layers + 1, every):
        write(layer, str(layer), look.muted)
    if frame.left >= 6:
        canvas.put(0, y, "layer", look.muted)


def _y_axis(canvas: Canvas, frame: Frame, labels: dict[int, str], look: Look) -> None:
    """Draw the upright axis with its labels to the left of the plot."""
    for row in range(frame.height):
        label = labels.get(row, "")
        sign = "┤" if label else "│"
        x = max(frame.left - 1 - len(label), 0)
        canvas.put(x, frame.top + row, label, look.text)
        canvas.put(frame.left - 1, frame.top + row, sign, look.muted)


def layout(
    canvas: Canvas, top: int, layers: int, span: tuple[float, float], look: Look, signed: bool
) -> Frame:
    """Draw the axes and return the room that they leave, with its range."""
    below = 0 if canvas.height < 3 else 1 if canvas.height < 12 else 2
    height = canvas.height - top - below
    most = 2 if height < 4 else 3 if height < 8 else 4
    lo, hi = _widened(*span)
    labelled, decimals = ticks(lo, hi, most)
    texts = [_label(value, decimals, look, signed) for value in labelled]
    left = max(map(len, texts)) + 1
    if canvas.width >= 48:
        left = max(left, 6)
    if canvas.width - left < 8 or height < 2:
        left = 0
    frame = Frame(
        left,
        top,
        # A column stays free at the right for the edge of the last layer's number.
        canvas.width - left - (1 if left else 0),
        height,
        layers,
        lo,
        hi,
        0.5 if look.ascii else 0.125,
    )
    if left:
        rows = {frame.row(value): text for value, text in zip(labelled, texts, strict=True)}
        _y_axis(canvas, frame, rows, look)
    if below == 2:
        line = ["─"] * frame.width
        for layer in range(layers + 1):
            line[frame.column(layer)] = "┬"
        canvas.put(left, top + height, "".join(line), look.muted)
        if left:
            canvas.put(left - 1, top + height, "└", look.muted)
    return frame
