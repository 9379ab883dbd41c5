"""The edges of one head's attention, sorted: query, key, weight, a bar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import state, text
from .pane import Context
from .plots.canvas import Canvas, Ink
from .plots.heatmap import scroll
from .plots.scale import steps
from .plots.table import Column, Table, table
from .state import Selection
from .views.answers import AttentionGrid


def strongest(grid: AttentionGrid, n: int, ordinary: bool = False) -> list[tuple[int, int]]:
    """The n edges (query row, key row) of largest weight, or largest change; NaN left out.

    Args:
        ordinary: leave out edges from or to special tokens.
    """
    size = np.abs(grid.weights)
    if ordinary:
        special = grid.tokens.special
        size = np.where(special[grid.rows][:, None] | special[grid.columns], np.nan, size)
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
        self._drawn: Table | None = None
        self._order: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._ordered: AttentionGrid | None = None
        self._most = 0.0

    def _sorted(self, grid: AttentionGrid) -> npt.NDArray[np.int64]:
        """All edges that are known as flat places, the largest first; made once per grid."""
        if self._ordered is not grid:
            size = np.nan_to_num(np.abs(grid.weights).ravel(), nan=-1.0)
            known = np.flatnonzero(size) if grid.kept is not None else np.arange(len(size))
            self._order = known[np.argsort(-size[known], kind="stable")]
            self._ordered, self._top = grid, 0
            self._most = float(size[self._order[0]]) if len(self._order) else 0.0
        return self._order

    def draw(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        """The visible rows, and how many edges there are."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        order = self._sorted(grid)
        room = max(1, height - 2)
        chosen = self._chosen(c, grid)
        self._top = scroll(self._top, chosen, room, len(order))
        label = max(6, min(20, (width - 24) // 2))
        value = Column("B−A" if grid.difference else "weight", "right", width=_digits(self._most))
        columns = [
            Column("", "right", width=len(str(len(order)))),
            Column("query", width=label),
            Column(width=1),
            Column("key", width=label),
            value,
            Column(flexible=True),
        ]
        taken = sum(column.width or 0 for column in columns) + len(columns)
        places = order[self._top : self._top + room].tolist()
        rows = [
            self._row(c, grid, self._top + number, place, width - taken)
            for number, place in enumerate(places)
        ]
        self._drawn = table(
            columns,
            rows,
            c.look,
            width,
            height - 1,
            total=len(order),
            first=self._top,
            cursor=-1 if chosen is None else chosen,
            top=self._top,
            focused=c.focused,
        )
        canvas.blit(0, 0, self._drawn.canvas)
        what = "edges" if grid.kept is None else "edges kept"
        note = f"{len(order):,} {what}, largest first  {grid.note}"
        canvas.put(1, height - 1, text.cut(note, width - 1), c.look.muted)
        return canvas

    def _row(
        self, c: Context, grid: AttentionGrid, number: int, place: int, room: int
    ) -> list[tuple[str, Ink]]:
        """Rank, query, key, weight, and a bar of the weight's size."""
        look = c.look
        query, key = divmod(place, grid.weights.shape[1])
        value = float(grid.weights[query, key])
        special = grid.tokens.special
        tokens = (grid.rows[query], grid.columns[key])
        inks = [look.muted if special[token] else look.text for token in tokens]
        share = value / self._most if self._most > 0 and not np.isnan(value) else 0.0
        strokes = look.strokes(grid.difference)
        low = -1.0 if grid.difference else 0.0
        step = int(steps([share], low, 1.0, len(strokes))[0])
        bar = ("#" if look.ascii else "━") * round(abs(share) * max(0, room))
        written = f"{value:+.3f}" if grid.difference else f"{value:.3f}"
        return [
            (str(number + 1), look.muted),
            (grid.label(query), inks[0]),
            (look.marks.right, look.muted),
            (grid.key_label(key), inks[1]),
            (written.replace("-", look.marks.minus), look.text),
            (bar, strokes[step]),
        ]

    def _chosen(self, c: Context, grid: AttentionGrid) -> int | None:
        """Place of the chosen edge in the sorted list; None if no whole edge is chosen."""
        query, key = grid.place(c.selection.query), grid.key_place(c.selection.key)
        if query is None or key is None:
            return None
        flat = query * grid.weights.shape[1] + key
        found = np.flatnonzero(self._sorted(grid) == flat)
        return int(found[0]) if len(found) else None

    def move(self, c: Context, grid: AttentionGrid, dy: int) -> Selection:
        """The next edge in the list."""
        chosen = self._chosen(c, grid)
        count = len(self._sorted(grid))
        place = 0 if chosen is None else state.clamp(chosen + dy, count)
        return self._choose(c, grid, place) if count else c.selection

    def click(self, c: Context, grid: AttentionGrid, y: int) -> Selection:
        """The edge in row ``y`` of the picture."""
        place = self._drawn.hit(y) if self._drawn is not None else None
        return c.selection if place is None else self._choose(c, grid, place)

    def _choose(self, c: Context, grid: AttentionGrid, place: int) -> Selection:
        query, key = divmod(int(self._sorted(grid)[place]), grid.weights.shape[1])
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.columns[key]))


def _digits(most: float) -> int:
    """Cells that a weight takes: with a sign, three decimals and what stands before the point."""
    return 6 + (most >= 10) + (most >= 100) + (most >= 1000)
