"""The heads that link a pair of tokens: what every head of all layers gives it, sorted."""

from __future__ import annotations

import dataclasses

import numpy as np

from collateral.analysis.heads import ranked

from ... import state, text
from ...out import copying, weights
from ...out.export import Data
from ...pane import Context
from ...plots.bar import bar
from ...plots.canvas import Canvas
from ...plots.heatmap import HeatMap, heatmap, scroll
from ...plots.scale import Scale, legend
from ...plots.table import Column, Table, table
from ...state import Selection
from ...views import attention as attention_views
from ...views.answers import AttentionGrid, HeadLinks
from .way import Way, cursor, grid_of, part_words, place_words

_LIST = (30, 46)
"""Least and most cells of the list where the grid stands beside it."""


class Links(Way):
    """A list of all heads, the strongest first, and a grid of them beside it."""

    def __init__(self) -> None:
        self._top = 0
        self._at = (0, 0)
        self._list: Table | None = None
        self._grid: HeatMap | None = None
        self._grid_x = 0
        self._above = 1

    def title(self, c: Context) -> list[str]:
        """How many heads, and what is not exact."""
        links = _links(c)
        heads = text.many(links.weights.size, "head")
        kind = f" of {c.selection.kind} attention" if len(c.project.kinds) > 1 else ""
        words = f"{heads}{kind} by weight"
        parts = [f"{words} × ‖f(x)‖" if c.selection.weighted else words]
        if links.kept is not None:
            parts.append(f"top {links.kept} of each row")
        return [*parts, links.note] if links.note else parts

    def ready(self, c: Context) -> bool:
        """One row of each head is read at once."""
        return True

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The pair with the chosen head's value; below, the list and, with room, the grid.

        What is only a piece of a span or word is said to be one, and where all of it counts.
        """
        look, s, links = c.look, c.selection, _links(c)
        canvas = Canvas(width, height, ascii_only=look.ascii)
        parts = [part_words(c, token) for token in (links.query, links.key)]
        self._pair(c, canvas, links, parts)
        self._above = 1 + int(any(parts) and height > 6)
        if self._above > 1:
            canvas.put(0, 1, text.fitting(_of_parts(c), width, look.marks.ellipsis), look.muted)
        layers, heads = links.weights.shape
        across = len(str(layers - 1)) + 1 + 2 * heads
        beside = width - across - 2 >= _LIST[0]
        room = min(width - across - 2, _LIST[1]) if beside else width
        self._draw_list(c, canvas, links, room, height - self._above)
        scale = _scale(links)
        if beside:
            self._grid_x = room + 2
            self._grid = heatmap(
                links.weights,
                look,
                width - self._grid_x,
                height - self._above - 1,
                scale=scale,
                row_labels=[str(n) for n in range(layers)],
                column_labels=[str(n) for n in range(heads)],
                cursor=(s.head_layer, s.head),
                top=self._at[0],
                left=self._at[1],
            )
            self._at = self._grid.top, self._grid.left
            canvas.blit(self._grid_x, self._above, self._grid.canvas)
            y = min(height - 1, self._above + 1 + self._grid.rows)
            note = "cells ×100" if self._grid.numbers else ""
            colours = legend(
                look, scale, width - self._grid_x, note=note, numbers=self._grid.numbers
            )
            canvas.blit(self._grid_x, y, colours)
        else:
            self._grid = None
        return canvas

    def _pair(self, c: Context, canvas: Canvas, links: HeadLinks, parts: list[str]) -> None:
        """Both tokens with their places, and what the chosen head gives them."""
        s, look = c.selection, c.look
        texts = c.project.pieces(s.example)
        value = float(links.weights[s.head_layer, s.head])
        number = _written(value, links).replace("-", look.marks.minus)
        end = f"  {s.head_name} {number}"
        ways = [
            text.clean(
                " → ".join(
                    f"{texts[token]} {place_words(c, token)}" + (f" ({part})" if part else "")
                    for token, part in zip((links.query, links.key), said, strict=True)
                ),
                look.ascii,
            )
            for said in (parts, [_brief(part) for part in parts], ["", ""])
        ]
        words = text.fitting(ways, canvas.width - len(end), look.marks.ellipsis)
        x = canvas.put(0, 0, words, look.accent)
        canvas.put(x, 0, end)

    def _draw_list(
        self, c: Context, canvas: Canvas, links: HeadLinks, width: int, height: int
    ) -> None:
        s, look = c.selection, c.look
        order = _ranked(links)
        chosen = _rank(order, s)
        room = max(1, height - 1)
        self._top = scroll(self._top, chosen, room, len(order))
        most = max((abs(value) for _, _, value in order), default=0.0)
        sizes = len(f"{len(order):,}"), len(f"{links.weights.shape[0]}.{links.weights.shape[1]}")
        columns = [
            Column("", "right", width=sizes[0]),
            Column("head", "right", width=max(4, sizes[1])),
            Column("B−A" if links.difference else "weight", "right", width=8),
            Column(flexible=True),
        ]
        bar_room = width - sum(column.width or 0 for column in columns) - 5
        rows = [
            [
                (f"{self._top + number + 1:,}", look.muted),
                (f"{layer}.{head}", look.text),
                (_written(value, links).replace("-", look.marks.minus), look.text),
                bar(look, value, most, bar_room, links.difference),
            ]
            for number, (layer, head, value) in enumerate(order[self._top : self._top + room])
        ]
        self._list = table(
            columns,
            rows,
            look,
            width,
            height,
            total=len(order),
            first=self._top,
            cursor=-1 if chosen is None else chosen,
            top=self._top,
            focused=c.focused,
        )
        canvas.blit(0, self._above, self._list.canvas)

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down go through the list, left and right to another key of the same query."""
        s = c.selection
        if dx:
            grid = _one(c)
            query, key = cursor(c, grid)
            key = state.clamp(key + dx, len(grid.columns))
            s = state.choose_tokens(s, int(grid.rows[query]), int(grid.columns[key]))
        if dy:
            order = _ranked(_links(c))
            now = _rank(order, s)
            place = 0 if now is None else state.clamp(now + dy, len(order))
            if order:
                s = _with_head(c, s, order[place][0], order[place][1])
        return s

    def enter(self, c: Context) -> Selection:
        """Shows the chosen head's matrix at these tokens."""
        links = _links(c)
        s = dataclasses.replace(c.selection, attention_view="matrix", combine="head")
        return state.choose_tokens(s, links.query, links.key)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """The head that was clicked, in the list or in the grid."""
        if self._grid is not None and x >= self._grid_x:
            cell = self._grid.hit(x - self._grid_x, y - self._above)
            return c.selection if cell is None else _with_head(c, c.selection, *cell)
        place = self._list.hit(y - self._above) if self._list is not None else None
        order = _ranked(_links(c))
        if place is None or place >= len(order):
            return c.selection
        return _with_head(c, c.selection, order[place][0], order[place][1])

    def idle(self, c: Context) -> frozenset[str]:
        """All heads are in the list: there is no more, and no less."""
        return frozenset({"more", "less"})

    def copy(self, c: Context) -> str:
        """What the head under the cursor gives the pair of tokens."""
        return copying.link(c, _links(c))

    def data(self, c: Context) -> Data:
        """What every head gives the pair of tokens."""
        return weights.links(c, _links(c))


def _brief(part: str) -> str:
    """ "2 of 3" for "2nd of 3 pieces"."""
    number, _, rest = part.partition(" of ")
    return f"{number[:-2]} of {rest.split()[0]}" if rest else ""


def _of_parts(c: Context) -> list[str]:
    """What to look at for a whole span, from the longest to the shortest words."""
    if not any(metric.unit == "pair" for metric in c.project.metrics.values()):
        return ["The weight between these two tokens alone.", "these two tokens alone"]
    return [
        "These two tokens alone; the head grid's metrics of pairs (4, t) take whole spans.",
        "These tokens alone; metrics of pairs (4, t) take whole spans.",
        "these two tokens alone",
    ]


def _one(c: Context) -> AttentionGrid:
    """The chosen head's own weights, whatever is combined."""
    return grid_of(c._replace(selection=dataclasses.replace(c.selection, combine="head")))


def _links(c: Context) -> HeadLinks:
    grid = _one(c)
    query, key = cursor(c, grid)
    return attention_views.head_links(
        c.project, c.selection, int(grid.rows[query]), int(grid.columns[key])
    )


def _ranked(links: HeadLinks) -> list[tuple[int, int, float]]:
    return ranked(links.weights, by_magnitude=links.difference)


def _rank(order: list[tuple[int, int, float]], s: Selection) -> int | None:
    heads = [(layer, head) for layer, head, _ in order]
    here = (s.head_layer, s.head)
    return heads.index(here) if here in heads else None


def _with_head(c: Context, s: Selection, layer: int, head: int) -> Selection:
    return state.move_head(s, c.project.limits, layer - s.head_layer, head - s.head)


def _scale(links: HeadLinks) -> Scale:
    if links.difference:
        return Scale.of(links.weights, diverging=True)
    return Scale(0.0, max(0.0, Scale.of(links.weights).hi))


def _written(value: float, links: HeadLinks) -> str:
    if np.isnan(value):
        return "undefined"
    if links.kept is not None and value == 0:
        return "not kept"
    return f"{value:+.4f}" if links.difference else f"{value:.4f}"
