"""Attention as an arrow map: queries on the left, keys on the right, a line per edge."""

from __future__ import annotations

import numpy as np

from ... import state
from ...out import copying
from ...pane import Context
from ...plots.arrows import ArrowMap, arrows
from ...plots.canvas import Canvas
from ...state import Selection
from ...views.answers import AttentionGrid
from .near import Near, near
from .way import (
    ONE_SHARE,
    SHARE_STEPS,
    SHARES,
    Way,
    cursor,
    grid_of,
    grid_title,
    kept_words,
    pair_places,
    scale_of,
    step_share,
)


class Map(Way):
    """The edges of all tokens, or those from or to one."""

    def __init__(self) -> None:
        self._drawn: ArrowMap | None = None
        self._near: Near | None = None
        self._top = 0

    def title(self, c: Context) -> list[str]:
        """The head or heads; what is left over of the chosen row."""
        grid = grid_of(c)
        return grid_title(c, grid, kept_words(c, grid, chosen(c, grid)[0]))

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The strongest edges, up to a share of each row."""
        grid, special = grid_of(c), c.project.tokens(c.selection.example).special
        query, key = chosen(c, grid)
        share = share_of(c, grid) / 100
        part = near(grid, query, key, height - 1, share)
        drawn = arrows(
            part.weights,
            grid.labels if part.whole else [grid.label(place) for place in part.queries],
            grid.key_labels if part.whole else [grid.key_label(place) for place in part.keys],
            c.look,
            width,
            height,
            query=part.query,
            key=part.key,
            top=self._top,
            share=share if part.whole else 1.0,
            difference=grid.difference,
            faint=set(np.flatnonzero(special[grid.rows[part.queries]]).tolist()),
            faint_keys=set(np.flatnonzero(special[grid.columns[part.keys]]).tolist()),
            scale=scale_of(grid) if part.whole else None,
            note=part.note,
        )
        self._drawn, self._top, self._near = drawn, drawn.top, part
        return drawn.canvas

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down choose the token; left makes it the query, right the key."""
        s, grid = c.selection, grid_of(c)
        to_key = s.query is None and s.key is not None
        now = grid.key_place(s.key) if to_key else grid.place(s.query)
        if now is None:
            now = cursor(c, grid)[to_key]
        if dx and (dx > 0) != to_key:  # the token itself where it is on both sides, else its row
            token = int((grid.columns if to_key else grid.rows)[now])
            place = (grid.place if to_key else grid.key_place)(token)
            to_key = dx > 0
            now = now if place is None else place
        numbers = grid.columns if to_key else grid.rows
        token = int(numbers[state.clamp(now + dy, len(numbers))])
        return state.choose_tokens(s, None if to_key else token, token if to_key else None)

    def back(self, c: Context) -> Selection | None:
        """Shows the edges of all tokens."""
        if c.selection.query == state.ALL_TOKENS:
            return None
        return state.choose_tokens(c.selection, state.ALL_TOKENS, None)

    def act(self, c: Context, name: str) -> Selection | None:
        """More or fewer edges."""
        return step_share(c, name, share_of(c, grid_of(c))) if name in SHARE_STEPS else None

    def click(self, c: Context, x: int, y: int) -> Selection:
        """The token that was clicked."""
        grid = grid_of(c)
        hit = self._drawn.hit(x, y) if self._drawn is not None else None
        if hit is None or self._near is None:
            return c.selection
        side, at = hit
        place = (self._near.queries if side == "query" else self._near.keys)[at]
        numbers = grid.rows if side == "query" else grid.columns
        if place >= len(numbers):
            return c.selection
        token = int(numbers[place])
        if side == "query":
            return state.choose_tokens(c.selection, token, None)
        return state.choose_tokens(c.selection, None, token)

    def copy(self, c: Context) -> str:
        """The edges of the chosen token."""
        grid = grid_of(c)
        return copying.edge(c, grid, *chosen(c, grid))


def chosen(c: Context, grid: AttentionGrid) -> tuple[int | None, int | None]:
    """The query or the key whose edges the map shows; neither for those of all tokens."""
    s = c.selection
    query, key = grid.place(s.query), grid.key_place(s.key)
    if s.query is None and s.key is None and pair_places(c, grid)[0] is not None:
        query = cursor(c, grid)[0]
    return query, key if query is None else None


def share_of(c: Context, grid: AttentionGrid) -> int:
    """Percent of each row that the map's edges make up."""
    one = chosen(c, grid) != (None, None)
    return c.selection.share or (ONE_SHARE if one else SHARES["map"])
