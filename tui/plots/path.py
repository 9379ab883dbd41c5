"""Where points go from map to map: lines in braille, with a number at every stop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.look import Ink, Look
from tui.plots.canvas import Canvas

__all__ = ["Route", "draw_routes"]

_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


class Route(NamedTuple):
    """The stops of one point.

    Attributes:
        stops: [n, 2], shares of width and height of the part that is shown, from its lower left
            corner; they may lie outside. Not a number where a point has no place: the line breaks.
        names: What stands at each stop, "" for nothing.
        ink: How it is drawn.
    """

    stops: NDArray[np.float64]
    names: Sequence[str]
    ink: Ink


def draw_routes(canvas: Canvas, routes: Sequence[Route], look: Look) -> None:
    """Draw lines from stop to stop over a canvas, then the names of the stops above all lines.

    A name has no room where another one stands already, or right beside it; the line shows the
    stop all the same.
    """
    for route in routes:
        _lines(canvas, route, look)
    taken = np.zeros((canvas.height, canvas.width), dtype=bool)
    for route in routes:
        for (across, up), name in zip(route.stops.tolist(), route.names, strict=True):
            if not (0 <= across <= 1 and 0 <= up <= 1) or not name:
                continue
            x = min(int(across * canvas.width), canvas.width - len(name))
            y = min(int((1 - up) * canvas.height), canvas.height - 1)
            beside = taken[y, max(x - 1, 0) : x + len(name) + 1]  # else two numbers read as one
            if x >= 0 and not beside.any():
                canvas.put(x, y, name, route.ink)
                taken[y, x : x + len(name)] = True


def _lines(canvas: Canvas, route: Route, look: Look) -> None:
    size = np.array([2 * canvas.width, 4 * canvas.height])
    grid = np.zeros((4 * canvas.height, 2 * canvas.width), dtype=bool)
    dots = np.column_stack([route.stops[:, 0], 1 - route.stops[:, 1]]) * size
    for start, stop in pairwise(dots):
        part = _clipped(start, stop, size)
        if part is None:
            continue
        first, last = (np.minimum(np.floor(end), size - 1) for end in part)
        steps = int(np.abs(last - first).max())
        columns, rows = np.rint(np.linspace(first, last, steps + 1)).astype(np.int64).T
        grid[rows, columns] = True
    bits = np.zeros((canvas.height, canvas.width), dtype=np.uint8)
    for row, column in np.ndindex(4, 2):
        bits |= np.where(grid[row::4, column::2], _BITS[row, column], np.uint8(0))
    for y, x in np.argwhere(bits).tolist():
        canvas.put(x, y, "." if look.ascii else chr(0x2800 + int(bits[y, x])), route.ink)


def _clipped(
    start: NDArray[np.float64], stop: NDArray[np.float64], size: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the part of a line that lies in the rectangle from 0 to `size`; None without one.

    After Liang and Barsky (1984): the part of the line that is inside all four edges.
    """
    way = stop - start
    if not np.isfinite(way).all():
        return None
    first, last = 0.0, 1.0
    for step, room in zip((*-way, *way), (*start, *(size - start)), strict=True):
        if abs(step) < 1e-9:  # along this edge, or no line at all
            if room < 0:
                return None
        elif step < 0:
            first = max(first, room / step)
        else:
            last = min(last, room / step)
    return (start + first * way, start + last * way) if first <= last else None
