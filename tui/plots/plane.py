"""Where points lie on a grid of cells: from coordinates to dots, and back to points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.window import WHOLE, Window

__all__ = ["Bounds", "Dots", "View", "nearest", "toward"]

Floats = NDArray[np.floating]


def _columns(xy: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y, each contiguous: sums and comparisons along rows of two are slow."""
    pairs = np.asarray(xy).reshape(-1, 2)
    return pairs[:, 0].astype(np.float64), pairs[:, 1].astype(np.float64)


class Bounds(NamedTuple):
    """The rectangle of the data that is shown; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def of(cls, xy: Floats, margin: float = 0.03) -> Bounds:
        """Return the box of the finite points, wider by the same share on every side.

        Args:
            xy: [n, 2].
            margin: Share of the box's width and height that is added on each side.
        """
        pairs = np.asarray(xy).reshape(-1, 2)
        x, y = pairs[:, 0], pairs[:, 1]
        with np.errstate(all="ignore"):
            doubt = not np.isfinite([x.sum(), y.sum()]).all()  # also where a sum overflows
        if doubt:
            x, y = pairs[np.isfinite(pairs).all(axis=1)].T
        if not len(x):
            return cls(-1.0, -1.0, 1.0, 1.0)
        low = np.array([x.min(), y.min()], dtype=np.float64)
        high = np.array([x.max(), y.max()], dtype=np.float64)
        size = high - low
        # Points in one place, or on one line, get room around them and stand in the middle.
        pad = np.where(size > 0, size * margin, max(float(size.max()), 1.0) / 2)
        (left, bottom), (right, top) = (low - pad).tolist(), (high + pad).tolist()
        return cls(left, bottom, right, top)

    def part(self, window: Window) -> Bounds:
        """Return the part of this rectangle that a window shows."""
        if window == WHOLE:
            return self
        across, up = self.right - self.left, self.top - self.bottom
        x, y = self.left + window.x * across, self.bottom + window.y * up
        across, up = across / window.zoom / 2, up / window.zoom / 2
        return Bounds(x - across, y - up, x + across, y + up)

    def shares(self, x: float, y: float) -> tuple[float, float]:
        """Return where a place lies, as shares of width and height from the lower left corner."""
        across = (x - self.left) / (self.right - self.left)
        return across, (y - self.bottom) / (self.top - self.bottom)


class Dots(NamedTuple):
    """Where points lie on a grid of 2x4 dots per cell.

    Attributes:
        columns: [n], from 0 to 2 * width - 1.
        rows: [n], from 0 to 4 * height - 1.
        visible: [n]; the place of a point that is not visible means nothing.
    """

    columns: NDArray[np.int32]
    rows: NDArray[np.int32]
    visible: NDArray[np.bool_]


class View(NamedTuple):
    """Where data lie on a grid of cells.

    Attributes:
        bounds: What is shown of the data.
        width: Cells across.
        height: Cells down.
    """

    bounds: Bounds
    width: int
    height: int

    def dots(self, xy: Floats) -> Dots:
        """Return where points lie, [n, 2]; those outside and those without a place are not visible.

        The upper and right edges belong to the last dot.
        """
        b = self.bounds
        x, y = _columns(xy)
        visible = (x >= b.left) & (x <= b.right) & (y >= b.bottom) & (y <= b.top)
        if not visible.all():
            x, y = np.where(visible, x, b.left), np.where(visible, y, b.top)
        x -= b.left
        x /= b.right - b.left
        y -= b.top
        y /= b.bottom - b.top
        columns = (x * (2 * self.width)).astype(np.int32)
        rows = (y * (4 * self.height)).astype(np.int32)
        np.minimum(columns, 2 * self.width - 1, out=columns)
        np.minimum(rows, 4 * self.height - 1, out=rows)
        return Dots(columns, rows, visible)

    def cells(self, xy: Floats) -> NDArray[np.int64]:
        """Return the cell (column, row) of each point, [n, 2]; (-1, -1) where it is not visible."""
        columns, rows, visible = self.dots(xy)
        found = np.stack([columns // 2, rows // 4], axis=1).astype(np.int64)
        found[~visible] = -1
        return found

    def data(self, x: float, y: float) -> tuple[float, float]:
        """Return the data coordinates of the middle of cell (x, y)."""
        b = self.bounds
        across, down = (x + 0.5) / max(self.width, 1), (y + 0.5) / max(self.height, 1)
        return b.left + across * (b.right - b.left), b.top - down * (b.top - b.bottom)


def nearest(view: View, xy: Floats, x: int, y: int) -> int:
    """Return the point nearest to the middle of cell (x, y) as seen on the screen; -1 if none is.

    Args:
        view: Where data lie on the cells.
        xy: [n, 2].
        x: Column.
        y: Row.
    """
    b = view.bounds
    at = view.data(x, y)
    across, up = _columns(xy)
    seen = np.flatnonzero(
        (across >= b.left) & (across <= b.right) & (up >= b.bottom) & (up <= b.top)
    )
    if not seen.size:
        return -1
    squared = ((across[seen] - at[0]) * (2 * view.width / (b.right - b.left))) ** 2
    squared += ((up[seen] - at[1]) * (4 * view.height / (b.top - b.bottom))) ** 2
    return int(seen[squared.argmin()])


def toward(view: View, xy: Floats, point: int, dx: int, dy: int, dots: Dots | None = None) -> int:
    """Return the visible point that an arrow key leads to from `point`; itself if there is none.

    It is the nearest of those in the quarter of the plane that the arrow points at, as seen on the
    screen; points on the same dot are passed over.

    Args:
        view: Where data lie on the cells.
        xy: [n, 2].
        point: Row of the point the cursor is on; -1 starts from the middle.
        dx: -1 left, 1 right, else 0.
        dy: -1 up, 1 down, else 0.
        dots: What `view.dots` says of them, if it is known.
    """
    columns, rows, visible = view.dots(xy) if dots is None else dots
    if point < 0 or not visible[point]:
        found = nearest(view, xy, view.width // 2, view.height // 2)
        return found if found >= 0 else point
    across, down = columns - columns[point], rows - rows[point]
    ahead, aside = across * dx + down * dy, np.abs(across * dy) + np.abs(down * dx)
    reachable = np.flatnonzero(visible & (ahead > 0) & (aside <= ahead))
    if not reachable.size:
        return point
    ahead, aside = ahead[reachable].astype(np.int64), aside[reachable].astype(np.int64)
    return int(reachable[(ahead * ahead + aside * aside).argmin()])
