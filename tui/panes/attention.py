"""One head's attention over the example: as matrix, as arrow map, or as table of edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .. import state, text
from ..actions import PaneName
from ..attention_table import EdgeTable, strongest
from ..pane import Context, Pane
from ..plots.arrows import ArrowMap, arrows
from ..plots.arrows import strongest as edges_of
from ..plots.canvas import Canvas, Ink
from ..plots.heatmap import HeatMap, heatmap
from ..plots.scale import Scale, legend
from ..state import Selection
from ..views.answers import AttentionGrid, Missing

SHARE = 0.7
"""Share of each row's mass that the drawn edges make up (exBERT's default)."""
ONE_SHARE = 0.95
"""The same where the edges of one token stand alone."""


class AttentionPane(Pane):
    """Attention weights of the selected head; rows are queries, columns are keys."""

    name: ClassVar[PaneName] = "attention"
    depends: ClassVar[frozenset[str]] = frozenset(
        {
            "view",
            "example",
            "pair",
            "head_layer",
            "head",
            "attention_view",
            "query",
            "key",
            "hide_special",
        }
    )
    help: ClassVar[str] = (
        "The attention weights of the selected head over the selected example, as the model "
        "computed them. A row is a **query** (the token that attends), a column a **key** (the "
        "token that is attended to); a row sums to 1. `v` changes the view:\n\n"
        "- **matrix**: a coloured cell per pair of tokens; the arrows move the cursor, its value "
        "stands below.\n"
        "- **map**: queries on the left, keys on the right, a line per edge. At first the edges "
        "of the chosen pair's second span (the pronoun) with their weights; `↑` `↓` choose "
        "another query, `←` `→` change between edges *from* and edges *to* the token. `esc` shows "
        "the edges of all tokens: the strongest, that make up 70 % of each row.\n"
        "- **table**: the edges sorted by weight (by size of the difference in B − A).\n\n"
        "`o` omits special tokens; the other weights stay as they are (they are not "
        "renormalised, so rows then sum to less than 1). In B − A a positive number means that "
        "B attends more. Maps that were stored in 8 bits are exact to ±.004 (a difference of two: "
        "±.008), and say so."
    )

    def __init__(self) -> None:
        self._matrix: HeatMap | None = None
        self._arrows: ArrowMap | None = None
        self._near: list[int] = []
        self._table = EdgeTable()
        self._at = (0, 0)
        self._top = 0

    def title(self, c: Context) -> str:
        """Model, head, view and the view transform."""
        s = c.selection
        parts = [c.project.short(s.view), f"head {s.head_name}", s.attention_view]
        if s.hide_special:
            parts.append("specials hidden")
        if note := c.project.attention(s).note:
            parts.append(note)
        return " · ".join(parts)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The chosen view."""
        grid = c.project.attention(c.selection)
        if not len(grid.rows):
            raise Missing("Only special tokens are left; o shows them again.")
        draw: dict[str, Callable[..., Canvas]] = {
            "matrix": self._draw_matrix,
            "map": self._draw_map,
            "table": self._draw_table,
        }
        return draw[c.selection.attention_view](c, grid, width, height)

    def _draw_matrix(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        look = c.look
        canvas = Canvas(width, height, ascii_only=look.ascii)
        cursor = self._cursor(c, grid)
        below = 2 if height > 6 else 1
        scale = _scale(grid)
        labels = [grid.label(place) for place in range(len(grid.rows))]
        inks = _token_inks(c, grid)
        drawn = heatmap(
            grid.weights,
            look,
            width,
            height - below,
            scale=scale,
            row_labels=labels,
            column_labels=labels,
            row_inks=inks,
            column_inks=inks,
            cursor=cursor,
            top=self._at[0],
            left=self._at[1],
            numbers=False,
        )
        self._matrix, self._at = drawn, (drawn.top, drawn.left)
        canvas.blit(0, 0, drawn.canvas)
        y = min(height - below, drawn.y + drawn.rows)
        self._value(c, canvas, y, grid, cursor)
        if below > 1:
            canvas.blit(0, y + 1, legend(look, scale, width, note=grid.note))
        return canvas

    def _value(
        self, c: Context, canvas: Canvas, y: int, grid: AttentionGrid, cursor: tuple[int, int]
    ) -> None:
        query, key = cursor
        value = float(grid.weights[query, key])
        words = f"{grid.label(query)} {c.look.marks.right} {grid.label(key)}"
        x = canvas.put(0, y, text.cut(words, canvas.width - 12), c.look.accent)
        number = f"{value:+.4f}" if grid.difference else f"{value:.4f}"
        canvas.put(x + 2, y, number.replace("-", c.look.marks.minus))

    def _draw_map(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        s = c.selection
        query, key = grid.place(s.query), grid.place(s.key)
        if s.query is None and s.key is None and c.project.spans(s):
            query = self._cursor(c, grid)[0]
        key = key if query is None else None
        near = _near(grid, query, key, height - 1)
        labels = [grid.label(place) for place in near.places]
        special = [bool(grid.tokens.special[grid.rows[place]]) for place in near.places]
        drawn = arrows(
            near.weights,
            labels,
            labels,
            c.look,
            width,
            height,
            query=None if query is None else near.places.index(query),
            key=None if key is None else near.places.index(key),
            top=self._top,
            share=SHARE if near.whole else 1.0,
            difference=grid.difference,
            faint=[number for number, faint in enumerate(special) if faint],
            note=near.note,
        )
        self._arrows, self._top, self._near = drawn, drawn.top, near.places
        return drawn.canvas

    def _draw_table(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        return self._table.draw(c, grid, width, height)

    def _cursor(self, c: Context, grid: AttentionGrid) -> tuple[int, int]:
        """Row and column of the cursor: the chosen tokens, at first those of the chosen pair."""
        query, key = grid.place(c.selection.query), grid.place(c.selection.key)
        spans = c.project.spans(c.selection)
        if query is None:
            query = grid.place(spans[1][0]) if spans else None
        if key is None:
            key = grid.place(spans[0][0]) if spans else None
        return query or 0, key or 0

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the cursor of the matrix, the query of the map, the row of the table."""
        grid = self._grid(c)
        if grid is None or not len(grid.rows):
            return c.selection
        view = c.selection.attention_view
        if view == "map":
            return self._move_map(c, grid, dx, dy)
        if view == "table":
            return self._table.move(c, grid, dy)
        query, key = self._cursor(c, grid)
        query = state.clamp(query + dy, len(grid.rows))
        key = state.clamp(key + dx, len(grid.rows))
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.rows[key]))

    def _move_map(self, c: Context, grid: AttentionGrid, dx: int, dy: int) -> Selection:
        """Up and down choose the token; left makes it the query, right the key."""
        s = c.selection
        to_key = s.query is None and s.key is not None
        now = grid.place(s.key if to_key else s.query)
        if now is None:
            now = self._cursor(c, grid)[0]
        place = state.clamp(now + dy, len(grid.rows))
        token = int(grid.rows[place])
        to_key = dx > 0 or (to_key and dx == 0)
        return state.choose_tokens(s, None if to_key else token, token if to_key else None)

    def back(self, c: Context) -> Selection | None:
        """Lets the map show the edges of all tokens."""
        if c.selection.attention_view != "map" or c.selection.query == state.ALL_TOKENS:
            return None
        return state.choose_tokens(c.selection, state.ALL_TOKENS, None)

    def _grid(self, c: Context) -> AttentionGrid | None:
        try:
            return c.project.attention(c.selection)
        except Missing:
            return None

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Chooses the cell, token or edge that was clicked."""
        grid = self._grid(c)
        if grid is None:
            return c.selection
        view = c.selection.attention_view
        if view == "table":
            return self._table.click(c, grid, y)
        if view == "map":
            hit = self._arrows.hit(x, y) if self._arrows is not None else None
            if hit is None:
                return c.selection
            token = int(grid.rows[self._near[hit[1]]])
            chosen = (token, None) if hit[0] == "query" else (None, token)
            return state.choose_tokens(c.selection, *chosen)
        cell = self._matrix.hit(x, y) if self._matrix is not None else None
        if cell is None:
            return c.selection
        return state.choose_tokens(c.selection, int(grid.rows[cell[0]]), int(grid.rows[cell[1]]))

    def gist(self, c: Context, width: int) -> Canvas:
        """The strongest edges between ordinary tokens."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        grid = c.project.attention(c.selection)
        x = canvas.put(0, 0, f"head {c.selection.head_name}", c.look.muted)
        for query, key in strongest(grid, 4, ordinary=True):
            value = c.look.number(float(grid.weights[query, key]), signed=grid.difference)
            words = f"{grid.label(query)}{c.look.marks.right}{grid.label(key)} {value}"
            if x + 2 + text.width(words) > width:
                break
            x = canvas.put(x + 2, 0, words)
        return canvas


@dataclass(frozen=True, eq=False)
class _Near:
    """The part of a grid that an arrow map shows.

    Attributes:
        places: rows of the grid.
        weights: [places, places]; NaN for edges that are left out.
        whole: it is the whole grid.
        note: what is shown, if it is not the whole.
    """

    places: list[int]
    weights: npt.NDArray[np.float32]
    whole: bool
    note: str


def _near(grid: AttentionGrid, query: int | None, key: int | None, room: int) -> _Near:
    """The chosen token and those it has the strongest edges with, as many as there is room for.

    A sentence may have more tokens than the pane has rows; then only tokens with an edge stay, in
    their order, so that no edge leads out of sight.
    """
    count = len(grid.rows)
    token = query if query is not None else key
    if token is None or count <= room:
        return _Near(list(range(count)), grid.weights, True, "")
    line = grid.weights[token] if query is not None else grid.weights[:, token]
    needed = edges_of(line[None], ONE_SHARE)[0]
    order = np.argsort(-np.abs(np.nan_to_num(line)), kind="stable")
    kept = [int(place) for place in order if needed[place]][: max(1, room - 1)]
    places = sorted({token, *kept})
    weights = grid.weights[np.ix_(places, places)].copy()
    left_out = [number for number, place in enumerate(places) if place not in kept]
    if query is not None:
        weights[places.index(token), left_out] = np.nan
    else:
        weights[left_out, places.index(token)] = np.nan
    whole = float(np.nansum(np.abs(line)))
    if not whole:
        return _Near(places, weights, False, "no edges: the whole row is zero")
    share = float(np.abs(line[kept]).sum()) / whole
    where = "of the row" if query is not None else "into the key"
    return _Near(places, weights, False, f"{len(kept)} of {count} tokens: {share:.0%} {where}")


def _scale(grid: AttentionGrid) -> Scale:
    """From 0 for weights, about zero for differences."""
    if grid.difference:
        return Scale.of(grid.weights, diverging=True)
    return Scale(0.0, float(np.nanmax(grid.weights, initial=0.0)))


def _token_inks(c: Context, grid: AttentionGrid) -> list[Ink]:
    """Special tokens faint, the spans of the chosen pair in their colours."""
    spans = c.project.spans(c.selection)
    inks = []
    for row in grid.rows.tolist():
        ink = c.look.muted if grid.tokens.special[row] else c.look.text
        for number, (start, stop) in enumerate(spans):
            if start <= row < stop:
                ink = Ink(fg=c.look.category(number)[0], bold=True)
        inks.append(ink)
    return inks
