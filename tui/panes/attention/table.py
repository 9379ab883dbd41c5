"""Attention as a sorted table of edges: query, key, weight, a bar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ... import state, text
from ...out import copying
from ...pane import Context
from ...plots.arrows import strongest
from ...plots.bar import bar
from ...plots.canvas import Canvas, Ink
from ...plots.heatmap import scroll
from ...plots.table import Column, Table, table
from ...refusal import Refused
from ...state import Selection
from ...views.answers import AttentionGrid
from ...views.attention import edges_of, edges_words
from .way import (
    SHARE_STEPS,
    SHARES,
    Way,
    grid_of,
    grid_title,
    kept_words,
    place_number,
    step_share,
)

_AROUND = 1000
"""Edges that are sorted before and behind those in sight."""


class EdgeTable(Way):
    """The edges, the largest first; scrolls over all of them.

    The cursor is on the chosen edge; if that is not in the list, on the first row in sight.
    """

    def __init__(self) -> None:
        self._top = 0
        self._drawn: Table | None = None
        self._edges: _Sorted | None = None

    def title(self, c: Context) -> list[str]:
        """The head or heads; what is left over of the row under the cursor."""
        grid = grid_of(c)
        query = None
        if grid.kept is not None and len(self._sorted(c, grid)):
            query = self._edge(c, grid, self._at(c, grid))[0]
        return grid_title(c, grid, kept_words(c, grid, query))

    def _sorted(self, c: Context, grid: AttentionGrid) -> _Sorted:
        """The edges that are shown; made once per grid and share."""
        share = c.selection.share or SHARES["table"]
        made_of = (grid, share, c.selection.edges)
        if self._edges is None or self._edges.made_of != made_of:
            self._edges, self._top = _Sorted(*made_of), 0
        return self._edges

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The visible rows, and how many edges there are."""
        grid = grid_of(c)
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        edges = self._sorted(c, grid)
        room = max(1, height - 2)
        self._top = scroll(self._top, self._chosen(c, grid), room, len(edges))
        places = edges.between(self._top, self._top + room).tolist()
        columns = _columns(grid, edges, self._top + room, width)
        taken = sum(column.width or 0 for column in columns) + len(columns)
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
            total=len(edges),
            first=self._top,
            cursor=self._at(c, grid) if len(edges) else -1,
            top=self._top,
            focused=c.focused,
        )
        canvas.blit(0, 0, self._drawn.canvas)
        canvas.put(1, height - 1, text.cut(edges.words, width - 1), c.look.muted)
        return canvas

    def _row(
        self, c: Context, grid: AttentionGrid, number: int, place: int, room: int
    ) -> list[tuple[str, Ink]]:
        """Rank, place and text of query and key, weight, and a bar of the weight's size."""
        look = c.look
        query, key = divmod(place, grid.weights.shape[1])
        value = float(grid.weights[query, key])
        special = grid.tokens.special
        tokens = int(grid.rows[query]), int(grid.columns[key])
        inks = [look.muted if special[token] else look.text for token in tokens]
        written = f"{value:+.3f}" if grid.difference else f"{value:.3f}"
        return [
            (f"{number + 1:,}", look.muted),
            (str(place_number(c, tokens[0])), look.muted),
            (grid.label(query), inks[0]),
            (look.marks.right, look.muted),
            (str(place_number(c, tokens[1])), look.muted),
            (grid.key_label(key), inks[1]),
            (written.replace("-", look.marks.minus), look.text),
            bar(look, value, grid.most, room, grid.difference),
        ]

    def _chosen(self, c: Context, grid: AttentionGrid) -> int | None:
        """Place of the chosen edge in the sorted list; None if no whole edge is chosen."""
        query, key = grid.place(c.selection.query), grid.key_place(c.selection.key)
        if query is None or key is None:
            return None
        return self._sorted(c, grid).rank(query * grid.weights.shape[1] + key)

    def _at(self, c: Context, grid: AttentionGrid) -> int:
        """Place of the cursor in the sorted list."""
        chosen, count = self._chosen(c, grid), len(self._sorted(c, grid))
        return state.clamp(self._top, count) if chosen is None else chosen

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """The next edge in the list."""
        grid = grid_of(c)
        count = len(self._sorted(c, grid))
        if not count:
            return c.selection
        return self._choose(c, grid, state.clamp(self._at(c, grid) + dy, count))

    def act(self, c: Context, name: str) -> Selection | None:
        """More or fewer edges."""
        if name not in SHARE_STEPS:
            return None
        return step_share(c, name, c.selection.share or SHARES["table"])

    def click(self, c: Context, x: int, y: int) -> Selection:
        """The edge that was clicked."""
        grid = grid_of(c)
        place = self._drawn.hit(y) if self._drawn is not None else None
        if place is None or place >= len(self._sorted(c, grid)):
            return c.selection
        return self._choose(c, grid, place)

    def _choose(self, c: Context, grid: AttentionGrid, place: int) -> Selection:
        query, key = self._edge(c, grid, place)
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.columns[key]))

    def _edge(self, c: Context, grid: AttentionGrid, place: int) -> tuple[int, int]:
        """Row and column of the edge in a place of the sorted list."""
        flat = int(self._sorted(c, grid).between(place, place + 1)[0])
        query, key = divmod(flat, int(grid.weights.shape[1]))
        return query, key

    def copy(self, c: Context) -> str:
        """The edge under the cursor."""
        grid = grid_of(c)
        if not len(self._sorted(c, grid)):
            raise Refused("No edge is in the table; E chooses which, + shows more.")
        return copying.edge(c, grid, *self._edge(c, grid, self._at(c, grid)))


class _Sorted:
    """The edges of a grid by size; sorted where they are looked at.

    Attributes:
        made_of: grid, percent of each row, tokens that are meant ("" for all).
        words: how many there are, and which.
    """

    def __init__(self, grid: AttentionGrid, share: int, wanted: str) -> None:
        self.made_of = (grid, share, wanted)
        self._size = np.abs(grid.weights).ravel()
        undefined = np.isnan(self._size)
        if undefined.any():
            self._size[undefined] = -1.0
        if share < 100:
            self._size[~strongest(grid.weights, share / 100).ravel()] = -2.0
        elif grid.kept is not None:
            self._size[self._size == 0] = -2.0
        if wanted:
            self._size[~edges_of(grid, wanted).ravel()] = -2.0
        self._count = int(np.count_nonzero(self._size > -2.0))
        self._from, self._order = 0, np.zeros(0, dtype=np.int64)
        edges = text.many(self._count, "edge")
        what = edges if grid.kept is None else f"{edges} kept"
        whole = "each row" if grid.kept is None else "what each row keeps"
        part = f", {share} % of {whole}" if share < 100 else ""
        of = f" of {edges_words(grid, wanted)}" if wanted else ""
        self.words = f"{what}{of}{part}, largest first  {grid.note}".rstrip()

    def __len__(self) -> int:
        return self._count

    def between(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """The flat places of ranks ``start`` to ``stop``; of equal edges the first in the grid.

        Only what lies about there is sorted, and kept for the next time.
        """
        start, stop = (max(0, min(rank, self._count)) for rank in (start, stop))
        if not self._from <= start <= stop <= self._from + len(self._order):
            self._sort(max(0, start - _AROUND), min(self._count, stop + _AROUND))
        return self._order[start - self._from : stop - self._from]

    def _sort(self, start: int, stop: int) -> None:
        total = self._size.size
        ends = [total - stop, total - 1 - start]
        least, most = np.partition(self._size, ends)[ends]
        part = np.flatnonzero((self._size >= least) & (self._size <= most))
        before = int(np.count_nonzero(self._size > most))
        order = part[np.argsort(-self._size[part], kind="stable")]
        self._from, self._order = start, order[start - before : stop - before]

    def rank(self, flat: int) -> int | None:
        """How many edges stand before one; None if it is not among them."""
        size = self._size[flat]
        if size <= -2.0:
            return None
        here = np.flatnonzero(self._order == flat)
        if len(here):
            return self._from + int(here[0])
        before = np.count_nonzero(self._size > size)
        return int(before + np.count_nonzero(self._size[:flat] == size))


def _columns(grid: AttentionGrid, edges: _Sorted, shown: int, width: int) -> list[Column]:
    """Their widths do not change while one scrolls, but for the rank's."""
    places = [len(str(int(numbers[-1]))) for numbers in (grid.rows, grid.columns)]
    rank = len(f"{min(shown, len(edges)):,}")
    taken = rank + sum(places) + 8
    value = _digits(grid.most)
    label = max(5, min(20, (width - taken - value - 6) // 2))
    return [
        Column("", "right", width=rank),
        Column("", "right", width=places[0]),
        Column("query", width=label),
        Column(width=1),
        Column("", "right", width=places[1]),
        Column("key", width=label),
        Column("B−A" if grid.difference else "weight", "right", width=value),
        Column(flexible=True),
    ]


def _digits(most: float) -> int:
    """Cells that a weight takes: with a sign, three decimals and what stands before the point."""
    return 6 + (most >= 10) + (most >= 100) + (most >= 1000)


def largest_edges(grid: AttentionGrid, n: int, ordinary: bool = False) -> list[tuple[int, int]]:
    """The n edges (query row, key row) of largest weight, or largest change; NaN left out.

    Of equal edges the first in the grid.

    Args:
        ordinary: leave out edges from or to special tokens.
    """
    size = np.abs(grid.weights)
    if ordinary:
        special = grid.tokens.special
        size[special[grid.rows]] = np.nan
        size[:, special[grid.columns]] = np.nan
    flat = size.ravel()
    flat[np.isnan(flat)] = -1.0
    count = min(n, int(np.count_nonzero(flat >= 0)))
    if not count:
        return []
    least = np.partition(flat, -count)[-count]
    more = np.flatnonzero(flat > least)
    order = more[np.argsort(-flat[more], kind="stable")]
    order = np.concatenate([order, np.flatnonzero(flat == least)[: count - len(more)]])
    width = grid.weights.shape[1]
    return [(int(place) // width, int(place) % width) for place in order]
