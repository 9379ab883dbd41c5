"""One head's attention over the example: as matrix, as arrow map, or as table of edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .. import copying, state, tables, text
from ..actions import PaneName
from ..attention_table import EdgeTable, strongest
from ..export import Data
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
            "kind",
            "head_layer",
            "head",
            "attention_view",
            "query",
            "key",
            "hide_special",
            "weighted",
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
        "±.008), and say so.\n\n"
        "Encoder-decoders have three **kinds** of attention, `K` goes through them: *encoder* "
        "(source to source), *decoder* (target to target, the decoder's inputs) and *cross*: a row "
        "is a token of the target, a column one of the source.\n\n"
        "Of long texts a file may keep the **top** weights of each row only. What is left over of "
        "the row is said above; a cell without a kept weight is empty, which means small, not "
        "zero.\n\n"
        "`w` multiplies each weight by the length of the **value** that the head passes on for "
        "that key, ‖f(x)‖ (Kobayashi et al. 2020): a token that is attended to but adds next to "
        "nothing, often [SEP], then fades. Rows no longer sum to 1."
    )

    def __init__(self) -> None:
        self._matrix: HeatMap | None = None
        self._arrows: ArrowMap | None = None
        self._near: _Near | None = None
        self._table = EdgeTable()
        self._at = (0, 0)
        self._top = 0

    def title(self, c: Context) -> str:
        """Model, head, view and the view transform; what about the numbers is not exact."""
        s = c.selection
        head = f"{s.kind} {s.head_name}" if len(c.project.kinds) > 1 else f"head {s.head_name}"
        grid = c.project.attention(s)
        weights = f"{s.attention_view} × ‖f(x)‖" if s.weighted else s.attention_view
        parts = [c.project.short(s.view), head, weights]
        if s.hide_special:
            parts.append("specials hidden")
        if grid.kept is not None:
            parts.append(self._kept(c, grid))
        if grid.note:
            parts.append(grid.note)
        return " · ".join(parts)

    def _kept(self, c: Context, grid: AttentionGrid) -> str:
        """How much of each row is there, and what is left over of the cursor's row."""
        words = f"top {grid.kept} of each row"
        whole_map = c.selection.attention_view == "map" and self._chosen(c, grid)[0] is None
        if not len(grid.rows) or whole_map:
            return words
        query = self._cursor(c, grid)[0]
        rests = [
            f"{side} {c.look.number(float(rest[query]))}".strip()
            for side, rest in grid.rests.items()
        ]
        return f"{words}, {', '.join(rests)} left out"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The chosen view."""
        grid = c.project.attention(c.selection)
        if not len(grid.rows) or not len(grid.columns):
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
        drawn = heatmap(
            grid.weights,
            look,
            width,
            height - below,
            scale=scale,
            row_labels=[grid.label(place) for place in range(len(grid.rows))],
            column_labels=[grid.key_label(place) for place in range(len(grid.columns))],
            row_inks=_token_inks(c, grid, grid.rows),
            column_inks=_token_inks(c, grid, grid.columns),
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
        words = f"{grid.label(query)} {c.look.marks.right} {grid.key_label(key)}"
        x = canvas.put(0, y, text.cut(words, canvas.width - 12), c.look.accent)
        number = f"{value:+.4f}" if grid.difference else f"{value:.4f}"
        if grid.kept is not None and value == 0:
            number = "not kept"
        canvas.put(x + 2, y, number.replace("-", c.look.marks.minus))

    def _chosen(self, c: Context, grid: AttentionGrid) -> tuple[int | None, int | None]:
        """The query or the key whose edges the map shows; neither for those of all tokens."""
        s = c.selection
        query, key = grid.place(s.query), grid.key_place(s.key)
        if s.query is None and s.key is None and _pair_rows(c, grid)[0] is not None:
            query = self._cursor(c, grid)[0]
        return query, key if query is None else None

    def _draw_map(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        near = _near(grid, *self._chosen(c, grid), height - 1)
        special = grid.tokens.special
        drawn = arrows(
            near.weights,
            [grid.label(place) for place in near.queries],
            [grid.key_label(place) for place in near.keys],
            c.look,
            width,
            height,
            query=near.query,
            key=near.key,
            top=self._top,
            share=SHARE if near.whole else 1.0,
            difference=grid.difference,
            faint=set(np.flatnonzero(special[grid.rows[near.queries]]).tolist()),
            faint_keys=set(np.flatnonzero(special[grid.columns[near.keys]]).tolist()),
            note=near.note,
        )
        self._arrows, self._top, self._near = drawn, drawn.top, near
        return drawn.canvas

    def _draw_table(self, c: Context, grid: AttentionGrid, width: int, height: int) -> Canvas:
        return self._table.draw(c, grid, width, height)

    def _cursor(self, c: Context, grid: AttentionGrid) -> tuple[int, int]:
        """Row and column of the cursor: the chosen tokens, at first those of the chosen pair."""
        query, key = grid.place(c.selection.query), grid.key_place(c.selection.key)
        first = _pair_rows(c, grid)
        return (
            (first[0] if query is None else query) or 0,
            (first[1] if key is None else key) or 0,
        )

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the cursor of the matrix, the query of the map, the row of the table."""
        grid = self._grid(c)
        if grid is None or not grid.weights.size:
            return c.selection
        view = c.selection.attention_view
        if view == "map":
            return self._move_map(c, grid, dx, dy)
        if view == "table":
            return self._table.move(c, grid, dy)
        query, key = self._cursor(c, grid)
        query = state.clamp(query + dy, len(grid.rows))
        key = state.clamp(key + dx, len(grid.columns))
        return state.choose_tokens(c.selection, int(grid.rows[query]), int(grid.columns[key]))

    def _move_map(self, c: Context, grid: AttentionGrid, dx: int, dy: int) -> Selection:
        """Up and down choose the token; left makes it the query, right the key."""
        s = c.selection
        to_key = s.query is None and s.key is not None
        now = grid.key_place(s.key) if to_key else grid.place(s.query)
        if now is None:
            now = self._cursor(c, grid)[to_key]
        if dx and (dx > 0) != to_key:  # the token itself where it is on both sides, else its row
            token = int((grid.columns if to_key else grid.rows)[now])
            place = (grid.place if to_key else grid.key_place)(token)
            to_key = dx > 0
            now = now if place is None else place
        numbers = grid.columns if to_key else grid.rows
        token = int(numbers[state.clamp(now + dy, len(numbers))])
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
            if hit is None or self._near is None:
                return c.selection
            if hit[0] == "query":
                token = int(grid.rows[self._near.queries[hit[1]]])
                return state.choose_tokens(c.selection, token, None)
            token = int(grid.columns[self._near.keys[hit[1]]])
            return state.choose_tokens(c.selection, None, token)
        cell = self._matrix.hit(x, y) if self._matrix is not None else None
        if cell is None:
            return c.selection
        query, key = int(grid.rows[cell[0]]), int(grid.columns[cell[1]])
        return state.choose_tokens(c.selection, query, key)

    def gist(self, c: Context, width: int) -> Canvas:
        """The strongest edges between ordinary tokens."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        grid = c.project.attention(c.selection)
        kind = c.selection.kind if len(c.project.kinds) > 1 else "head"
        x = canvas.put(0, 0, f"{kind} {c.selection.head_name}", c.look.muted)
        for query, key in strongest(grid, 4, ordinary=True):
            value = c.look.number(float(grid.weights[query, key]), signed=grid.difference)
            words = f"{grid.label(query)}{c.look.marks.right}{grid.key_label(key)} {value}"
            if x + 2 + text.width(words) > width:
                break
            x = canvas.put(x + 2, 0, words)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The weight under the cursor with its tokens; of a token alone, all its weights."""
        grid = c.project.attention(c.selection)
        one = self._chosen(c, grid) if c.selection.attention_view == "map" else None
        return copying.edge(c, grid, *(one or self._cursor(c, grid)))

    def data(self, c: Context) -> Data:
        """A row per weight."""
        return tables.attention(c)


@dataclass(frozen=True, eq=False)
class _Near:
    """The part of a grid that an arrow map shows.

    Attributes:
        queries, keys: rows and columns of the grid.
        weights: [queries, keys]; NaN for edges that are left out.
        query, key: place of the chosen token among them, None for none.
        whole: it is the whole grid.
        note: what is shown, if it is not the whole.
    """

    queries: list[int]
    keys: list[int]
    weights: npt.NDArray[np.float32]
    query: int | None
    key: int | None
    whole: bool = False
    note: str = ""


def _near(grid: AttentionGrid, query: int | None, key: int | None, room: int) -> _Near:
    """The chosen token and those it has the strongest edges with, as many as there is room for.

    A sentence may have more tokens than the pane has rows; then only tokens with an edge stay, in
    their order, so that no edge leads out of sight. Where queries and keys are the same tokens,
    both sides keep the same ones.
    """
    sizes = grid.weights.shape
    token = query if query is not None else key
    if token is None or max(sizes) <= room:
        everything = [list(range(size)) for size in sizes]
        return _Near(everything[0], everything[1], grid.weights, query, key, whole=True)
    line = grid.weights[token] if query is not None else grid.weights[:, token]
    needed = edges_of(line[None], ONE_SHARE)[0]
    order = np.argsort(-np.abs(np.nan_to_num(line)), kind="stable")
    kept = [place for place in order.tolist() if needed[place]][: max(1, room - 1)]
    own, others = [token], sorted(kept)
    if grid.square:
        own = others = sorted({token, *kept})
    queries, keys = (own, others) if query is not None else (others, own)
    weights = grid.weights[np.ix_(queries, keys)].copy()
    left_out = [number for number, place in enumerate(others) if place not in kept]
    if query is not None:
        weights[own.index(token), left_out] = np.nan
    else:
        weights[left_out, own.index(token)] = np.nan
    note = _part(line, kept, query is not None)
    if query is not None:
        return _Near(queries, keys, weights, own.index(token), None, note=note)
    return _Near(queries, keys, weights, None, own.index(token), note=note)


def _part(line: npt.NDArray[np.float32], kept: list[int], row: bool) -> str:
    """How much of a row, or of what goes into a key, the edges that are shown make up."""
    whole = float(np.nansum(np.abs(line)))
    if not whole:
        return f"no edges: the whole {'row' if row else 'column'} is zero"
    where = "of the row" if row else "into the key"
    share = float(np.abs(line[kept]).sum()) / whole
    return f"{len(kept)} of {len(line)} tokens: {share:.0%} {where}"


def _pair_rows(c: Context, grid: AttentionGrid) -> tuple[int | None, int | None]:
    """Row and column of the chosen pair's second and first span, None where they are not shown."""
    spans = c.project.spans(c.selection)
    if not spans:
        return None, None
    return grid.place(spans[1][0]), grid.key_place(spans[0][0])


def _scale(grid: AttentionGrid) -> Scale:
    """From 0 for weights, about zero for differences."""
    if grid.difference:
        return Scale.of(grid.weights, diverging=True)
    return Scale(0.0, float(np.nanmax(grid.weights, initial=0.0)))


def _token_inks(c: Context, grid: AttentionGrid, tokens: npt.NDArray[np.int32]) -> list[Ink]:
    """Special tokens faint, the spans of the chosen pair in their colours."""
    spans = c.project.spans(c.selection)
    inks = []
    for token in tokens.tolist():
        ink = c.look.muted if grid.tokens.special[token] else c.look.text
        for number, (start, stop) in enumerate(spans):
            if start <= token < stop:
                ink = Ink(fg=c.look.category(number)[0], bold=True)
        inks.append(ink)
    return inks
