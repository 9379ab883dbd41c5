"""The edges of one head's attention, sorted: query, key, weight, a bar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import state, text
from .pane import Context
from .plots.canvas import Canvas
from .plots.heatmap import scroll
from .project import AttentionGrid
from .state import Selection


def strongest(grid: AttentionGrid, n: int, ordinary: bool = False) -> list[tuple[int, int]]:
    """The n edges (query row, key row) of largest weight, or largest change; NaN left out.

    Args:
        ordinary: leave out edges from or to special tokens.
    """
    size = np.abs(grid.weights)
    if ordinary:
        special = grid.tokens.special[grid.rows]
        size = np.where(special[:, None] | special[None, :], np.nan, size)
    flat = size.ravel()
    count = min(n, int(np.count_nonzero(~np.isnan(flat))))
    if not count:
        return []
    known = np.where(np.isnan(flat), -1.0, flat)
    part = np.argpartition(-known, count - 1)[:count]
    order = part[np.lexsort((part, -known[part]))]
    width = grid.weights.shape[1]
    return [(int(place) // width, int(place) % width) for place in order]


class EdgeTable:
    """The table view of the attention pane; scrolls over all edges."""

    def __init__(self) -> None:
        self._top = 0
        self._rows = 1
        self._order: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._ordered: AttentionGrid | None = None

    def _sorted(self, grid: AttentionGrid) -> npt.NDArray[np.int64]:
        """All edges as flat places, the largest first; made once per grid."""
        if self._ordered is not grid:
            size = np.nan_to_num(np.abs(grid.weights).ravel(), nan=-1.0)
            self._order = np.argsort(-size, kind="stable")
            self._ordered, self._top = grid, 0
        return self._order

    def draw(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        """The visible rows, and how many edges there are."""
        look = c.look
        canvas = Canvas(width, height, ascii_only=look.ascii)
        order = self._sorted(grid)
        self._rows = max(1, height - 2)
        chosen = self._chosen(c, grid)
        self._top = scroll(self._top, chosen, self._rows, len(order))
        label = max(8, min(20, (width - 24) // 2))
        canvas.put(6, 0, "query", look.header)
        canvas.put(8 + label, 0, "key", look.header)
        canvas.put(10 + 2 * label, 0, "B−A" if grid.difference else "weight", look.header)
        columns = grid.weights.shape[1]
        most = float(np.nanmax(np.abs(grid.weights), initial=0.0)) or 1.0
        for y, place in enumerate(order[self._top : self._top + self._rows].tolist(), start=1):
            edge = (place // columns, place % columns)
            self._row(c, canvas, y, grid, edge, label, most)
            if self._top + y - 1 == chosen:
                canvas.put(0, y, look.marks.cursor, look.accent)
                canvas.restyle(0, y, width, 1, bold=True, reverse=c.focused)
        note = f"{len(order):,} edges, largest first"
        canvas.put(1, height - 1, text.cut(f"{note}  {grid.note}", width - 1), look.muted)
        return canvas

    def _row(
        self,
        c: Context,
        canvas: Canvas,
        y: int,
        grid: AttentionGrid,
        edge: tuple[int, int],
        label: int,
        most: float,
    ) -> None:
        look = c.look
        value = float(grid.weights[edge])
        canvas.put(1, y, text.fit(str(self._top + y), 4, "right"), look.muted)
        for x, place in ((6, edge[0]), (8 + label, edge[1])):
            special = bool(grid.tokens.special[grid.rows[place]])
            words = text.cut(grid.label(place), label)
            canvas.put(x, y, words, look.muted if special else look.text)
        canvas.put(6 + label, y, look.marks.right, look.muted)
        number = f"{value:+.3f}" if grid.difference else f"{value:.3f}"
        x = canvas.put(10 + 2 * label, y, number.replace("-", look.marks.minus))
        room = canvas.width - x - 2
        strokes = look.strokes(grid.difference)
        middle = len(strokes) // 2
        step = round(abs(value) / most * (len(strokes) - 1)) if not np.isnan(value) else 0
        if grid.difference:
            step = middle + round(value / most * middle) if not np.isnan(value) else middle
        bar = "#" if look.ascii else "━"
        length = 0 if np.isnan(value) else round(abs(value) / most * max(0, room))
        canvas.put(x + 1, y, bar * length, strokes[step])

    def _chosen(self, c: Context, grid: AttentionGrid) -> int | None:
        """Place of the chosen edge in the sorted list; None if no whole edge is chosen."""
        query, key = grid.place(c.selection.query), grid.place(c.selection.key)
        if query is None or key is None:
            return None
        flat = query * grid.weights.shape[1] + key
        return int(np.flatnonzero(self._sorted(grid) == flat)[0])

    def move(self, c: Context, grid: AttentionGrid, dy: int) -> Selection:
        """The next edge in the list."""
        chosen = self._chosen(c, grid)
        place = 0 if chosen is None else state.clamp(chosen + dy, grid.weights.size)
        return self._choose(c, grid, place)

    def click(self, c: Context, grid: AttentionGrid, y: int) -> Selection:
        """The edge in row ``y`` of the picture."""
        place = self._top + y - 1
        if y < 1 or y > self._rows or place >= grid.weights.size:
            return c.selection
        return self._choose(c, grid, place)

    def _choose(self, c: Context, grid: AttentionGrid, place: int) -> Selection:
        query, key = divmod(int(self._sorted(grid)[place]), grid.weights.shape[1])
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.rows[key]))
