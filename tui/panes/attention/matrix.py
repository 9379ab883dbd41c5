"""Attention as a matrix: rows are queries, columns are keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ... import state, text
from ...pane import Context
from ...plots.canvas import Canvas
from ...plots.heatmap import HeatMap, heatmap
from ...plots.scale import legend
from ...state import Selection
from ...views.answers import AttentionGrid
from .way import Way, cursor, grid_of, grid_title, kept_words, place_words, scale_of, token_inks


class Matrix(Way):
    """A coloured cell per pair of tokens, and the value under the cursor."""

    def __init__(self) -> None:
        self._drawn: HeatMap | None = None
        self._at = (0, 0)

    def title(self, c: Context) -> list[str]:
        """The head or heads; what is left over of the cursor's row."""
        grid = grid_of(c)
        return grid_title(c, grid, kept_words(c, grid, cursor(c, grid)[0]))

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The part around the cursor, its value, the colours."""
        grid, look = grid_of(c), c.look
        canvas = Canvas(width, height, ascii_only=look.ascii)
        at = cursor(c, grid)
        below = 2 if height > 6 else 1
        scale = scale_of(grid)
        drawn = heatmap(
            grid.weights,
            look,
            width,
            height - below,
            scale=scale,
            row_labels=grid.labels,
            column_labels=grid.key_labels,
            row_inks=token_inks(c, grid, grid.rows),
            column_inks=token_inks(c, grid, grid.columns),
            cursor=at,
            top=self._at[0],
            left=self._at[1],
            numbers=False,
        )
        self._drawn, self._at = drawn, (drawn.top, drawn.left)
        canvas.blit(0, 0, drawn.canvas)
        y = min(height - below, drawn.y + drawn.rows)
        self._value(c, canvas, y, grid, at)
        if below > 1:
            canvas.blit(0, y + 1, legend(look, scale, width, note=grid.note))
        return canvas

    def _value(
        self, c: Context, canvas: Canvas, y: int, grid: AttentionGrid, at: tuple[int, int]
    ) -> None:
        query, key = at
        value = float(grid.weights[query, key])
        number = f"{value:+.4f}" if grid.difference else f"{value:.4f}"
        if np.isnan(value):
            number = "undefined"
        elif grid.kept is not None and value == 0:
            number = "not kept"
        words = text.clean(f"{grid.label(query)} → {grid.key_label(key)}", c.look.ascii)
        places = [place_words(c, int(token)) for token in (grid.rows[query], grid.columns[key])]
        both = "" if c.project.source(c.selection.example) is not None else "tokens "
        where = text.clean(f"  {both}{' → '.join(places)}", c.look.ascii)
        x = canvas.put(0, y, text.cut(words, canvas.width - len(number) - 2), c.look.accent)
        x = canvas.put(x + 2, y, number.replace("-", c.look.marks.minus))
        if x + len(where) <= canvas.width:
            canvas.put(x, y, where, c.look.muted)

    def act(self, c: Context, name: str) -> Selection | None:
        """Minus goes back to the overview of the layer's heads, from which plus leads here."""
        if name == "less":
            return replace(c.selection, attention_view="layer", combine="head")
        return None

    def idle(self, c: Context) -> frozenset[str]:
        """There is nothing nearer than the matrix."""
        return frozenset({"more"})

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """The next query, the next key."""
        grid = grid_of(c)
        query, key = cursor(c, grid)
        query = state.clamp(query + dy, len(grid.rows))
        key = state.clamp(key + dx, len(grid.columns))
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.columns[key]))

    def click(self, c: Context, x: int, y: int) -> Selection:
        """The cell that was clicked."""
        grid = grid_of(c)
        cell = self._drawn.hit(x, y) if self._drawn is not None else None
        if cell is None or cell[0] >= len(grid.rows) or cell[1] >= len(grid.columns):
            return c.selection
        query, key = int(grid.rows[cell[0]]), int(grid.columns[cell[1]])
        return state.choose_tokens(c.selection, query, key)
