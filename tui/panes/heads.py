"""The head grid: one number per attention head, averaged over what the status line says."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import numpy as np

from collateral.analysis.heads import ranked

from .. import state, text
from ..actions import PaneName
from ..look import Look
from ..out import copying, tables
from ..out.export import Data
from ..pane import Context, Pane
from ..plots.bar import bar
from ..plots.canvas import Canvas
from ..plots.heatmap import HeatMap, heatmap, scroll
from ..plots.scale import Scale, cell_texts, legend
from ..plots.table import Column, Table, table
from ..state import Selection
from ..views.answers import Floats, HeadView, Missing


class HeadsPane(Pane):
    """Layers down, heads across; the cursor is the selected head."""

    name: ClassVar[PaneName] = "heads"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"view", "kind", "metric", "scope", "marked", "filter", "search"}
        | {"example", "pair", "head_layer", "head", "ranked", "head_range"}
    )
    help: ClassVar[str] = (
        "One cell per attention head, layers down and heads across, both counted from 0 and "
        "written `layer.head`. `t` goes through the metrics. Numbers in the cells are ×100; the "
        "exact value of the head under the cursor stands below, with the strongest heads. `a` "
        "chooses what is averaged: all examples, those that the list shows, those of the marked "
        "points, or this example (or pair). Each example counts once, however many points or pairs "
        "it has. In B − A the units are subtracted one by one and then averaged; the colours are "
        "centred on zero. `?` in a cell: undefined, `~`: not zero, but rounds to it. Where there "
        "is room, the means of rows and columns stand beside the grid.\n\n"
        "`O` shows the heads as a list in the order of their values instead, with the baseline as "
        "a line across the bars; `↑` `↓` go through it, `enter` returns to the grid. `=` sets the "
        "range of the colours by hand, for this metric: two numbers, or `auto`. Cells beyond it "
        "get `<` or `>`. In B − A the range is always centred on zero.\n\n"
        "Metrics of the *whole data set*, such as how often a head points at the word that another "
        "depends on, come last: they are one number, so `a` does not apply to them. A **baseline** "
        "beside the value is what a head would score that knows nothing (the file says what that "
        "is).\n\n"
        "Encoder-decoders have a grid per kind of attention: `K` goes from encoder to decoder to "
        "cross-attention, `t` through the metrics of that kind. It passes over those that are "
        "undefined in all of the file, such as attention to separators where there are none; "
        "`ctrl+p` chooses them too."
    )

    def __init__(self) -> None:
        self._drawn: HeatMap | None = None
        self._list: Table | None = None
        self._at = (0, 0)
        self._top = 0

    def ready(self, c: Context) -> bool:
        """Whether the mean over examples is known, or made in a moment."""
        return c.project.head_ready(c.selection)

    def prepare(self, c: Context) -> None:
        """Averages."""
        c.project.head_view(c.selection)

    def title(self, c: Context) -> str:
        """Model, metric, and what it is averaged over."""
        found = c.project.head_view(c.selection)
        return f"{c.project.short(c.selection.view)} · {found.title}"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The grid or the list, the exact value under the cursor, what it is averaged over."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        found = c.project.head_view(c.selection)
        if c.selection.ranked:
            self._draw_list(c, canvas, found)
            return canvas
        look, (layers, heads) = c.look, found.values.shape
        below = max(3 if height >= 10 else 1, min(4, height - layers - 1))
        scale = _scale(c, found)
        large = max(abs(scale.lo), abs(scale.hi)) >= 10
        means = _Means.of(found, scale, look, not large, (width - 1, height - below))
        drawn = heatmap(
            found.values,
            look,
            width - 1 - means.across,
            height - below - means.down,
            scale=scale,
            row_labels=[str(n).rjust(4 * means.down) for n in range(layers)],
            column_labels=[str(n) for n in range(heads)],
            cursor=(c.selection.head_layer, c.selection.head),
            top=self._at[0],
            left=self._at[1],
            hundredths=not large,
        )
        self._drawn, self._at = drawn, (drawn.top, drawn.left)
        canvas.blit(1, 0, drawn.canvas)
        means.draw(canvas, drawn, look)
        if self._by_hand(c):
            _mark_clipped(canvas, drawn, found, scale, look)
        y = min(height - below, drawn.y + drawn.rows + means.down)
        self._value(c, canvas, y, found)
        if below > 1:
            note = "cells ×100" if drawn.numbers and not large else ""
            note = ", ".join(words for words in (note, self._by_hand(c)) if words)
            beyond = scale.clips(found.values)
            colours = legend(
                look, scale, width - 2, note=note, beyond=beyond, numbers=drawn.numbers
            )
            canvas.blit(1, y + 1, colours)
            words = "  ".join(part for part in (_seen(drawn, layers, heads), found.over) if part)
            canvas.put(1, y + 2, text.cut(words, width - 2), look.muted)
        rest = height - y - 3
        if rest > 0:
            _strongest(c, canvas, 1, y + 3, found, rest)
        return canvas

    def _by_hand(self, c: Context) -> str:
        """Says that the colour range was set by hand; "" if it was not."""
        chosen = c.selection.head_range
        return "range by hand" if chosen and chosen[0] == c.selection.metric else ""

    def _draw_list(self, c: Context, canvas: Canvas, found: HeadView) -> None:
        """All heads in the order of their values (of differences: of their size)."""
        look, s = c.look, c.selection
        width, height = canvas.width, canvas.height
        order = _ordered(found)
        chosen = order.index((s.head_layer, s.head))
        below = 2 if height >= 6 else 1
        room = max(1, height - below - 1)
        self._top = scroll(self._top, chosen, room, len(order))
        most = max(float(np.nanmax(np.abs(found.values), initial=0.0)), found.baseline or 0.0)
        name = f"{found.values.shape[0] - 1}.{found.values.shape[1] - 1}"
        columns = [
            Column("", "right", width=len(f"{len(order):,}")),
            Column("head", "right", width=max(4, len(name))),
            Column("B−A" if found.difference else "value", "right", width=10),
            Column(flexible=True),
        ]
        bars = width - sum(column.width or 0 for column in columns) - len(columns) - 1
        rows = []
        for number, (layer, head) in enumerate(order[self._top : self._top + room]):
            value = float(found.values[layer, head])
            written = "undefined" if np.isnan(value) else _exact(value, found.difference)
            rows.append(
                [
                    (f"{self._top + number + 1:,}", look.muted),
                    (f"{layer}.{head}", look.text),
                    (written, look.muted if np.isnan(value) else look.text),
                    bar(look, value, most, bars, found.difference, found.baseline),
                ]
            )
        self._list = table(
            columns,
            rows,
            look,
            width,
            height - below,
            total=len(order),
            first=self._top,
            cursor=chosen,
            top=self._top,
            focused=c.focused,
        )
        canvas.blit(0, 0, self._list.canvas)
        self._value(c, canvas, height - below, found)
        if below > 1:
            how = "largest change first" if found.difference else "largest first"
            words = f"{text.many(len(order), 'head')}, {how}  {found.over}"
            canvas.put(1, height - 1, text.cut(words, width - 2), look.muted)

    def _value(self, c: Context, canvas: Canvas, y: int, found: HeadView) -> None:
        """The exact value of the selected head, beside the mean of its layer and of all heads."""
        s, look = c.selection, c.look
        value = float(found.values[s.head_layer, s.head])
        kind = s.kind if len(c.project.kinds) > 1 else "head"
        x = canvas.put(1, y, f"{kind} {s.head_name}", look.accent)
        exact = "undefined" if np.isnan(value) else _exact(value, found.difference)
        x = canvas.put(x + 1, y, exact)
        if found.baseline is not None:
            words = f"baseline {_exact(found.baseline, False)}"
            if x + 2 + text.width(words) <= canvas.width:
                x = canvas.put(x + 2, y, words, look.header)
        layer = found.values[s.head_layer]
        means = [
            f"{what} {_exact(float(np.nanmean(part)), found.difference)}"
            for what, part in ((f"layer {s.head_layer}", layer), ("all", found.values))
            if not np.isnan(part).all()
        ]
        while means:  # a number that is cut would be another number
            words = "mean of " + ", ".join(means)
            if x + 2 + text.width(words) <= canvas.width:
                canvas.put(x + 2, y, words, look.muted)
                break
            means.pop()

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the selected head inside the grid, or along the list."""
        s = c.selection
        if not s.ranked:
            return state.move_head(s, c.project.limits, dy, dx)
        try:
            order = _ordered(c.project.head_view(s))
        except Missing:
            return s
        place = state.clamp(order.index((s.head_layer, s.head)) + dy, len(order))
        return _with_head(c, *order[place])

    def enter(self, c: Context) -> Selection:
        """Returns from the list to the grid, with the head that was chosen."""
        return dataclasses.replace(c.selection, ranked=False)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the head that was clicked."""
        if c.selection.ranked:
            place = self._list.hit(y) if self._list is not None else None
            order = _ordered(c.project.head_view(c.selection))
            if place is None or place >= len(order):
                return c.selection
            return _with_head(c, *order[place])
        cell = self._drawn.hit(x - 1, y) if self._drawn is not None else None
        return c.selection if cell is None else _with_head(c, *cell)

    def gist(self, c: Context, width: int) -> Canvas:
        """The strongest heads."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        if not self.ready(c):
            canvas.put(0, 0, "heads: computing", c.look.muted)
            return canvas
        found = c.project.head_view(c.selection)
        canvas.put(0, 0, text.cut(f"heads {found.title}", max(0, width - 30)), c.look.muted)
        start = min(text.width(f"heads {found.title}"), max(0, width - 30)) + 2
        _strongest(c, canvas, start, 0, found)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The selected head with its exact value."""
        return copying.head(c)

    def data(self, c: Context) -> Data:
        """A row per head."""
        return tables.heads(c)


def _with_head(c: Context, layer: int, head: int) -> Selection:
    s = c.selection
    return state.move_head(s, c.project.limits, layer - s.head_layer, head - s.head)


def _ordered(found: HeadView) -> list[tuple[int, int]]:
    """All heads, the largest value (or change) first, undefined ones last."""
    order = [(layer, head) for layer, head, _ in ranked(found.values, None, found.difference)]
    undefined = np.argwhere(np.isnan(found.values)).tolist()
    return [*order, *((layer, head) for layer, head in undefined)]


def _scale(c: Context, found: HeadView) -> Scale:
    """The range that was set by hand, else of the values that are there; about zero for B − A."""
    chosen = c.selection.head_range
    if chosen is None or chosen[0] != c.selection.metric:
        return Scale.of(found.values, diverging=found.difference)
    if found.difference:
        most = max(abs(chosen[1]), abs(chosen[2]))
        return Scale(-most, most, True)
    return Scale(chosen[1], chosen[2])


def _seen(drawn: HeatMap, layers: int, heads: int) -> str:
    """Which layers and heads are in sight, if not all are."""
    parts = [
        f"{name} {first}-{first + shown - 1} of {count}"
        for name, first, shown, count in (
            ("layers", drawn.top, drawn.rows, layers),
            ("heads", drawn.left, drawn.columns, heads),
        )
        if shown < count
    ]
    return ", ".join(parts)


def _mark_clipped(
    canvas: Canvas, drawn: HeatMap, found: HeadView, scale: Scale, look: Look
) -> None:
    """Marks the cells in sight whose values lie beyond the range of the colours."""
    beyond = (found.values < scale.lo) | (found.values > scale.hi)
    for layer, head in np.argwhere(beyond).tolist():
        place = drawn.place(layer, head)
        if place is None:
            continue
        x, y = place[0] + 1, place[1]
        if drawn.numbers:  # right before its number
            cells = range(place[0] + 1, place[0] + drawn.cell)
            x = next((at - 1 for at in cells if canvas.char(at, y) != " "), x)
        if canvas.char(x, y) in (" ", *look.marks.shades):
            sign = "<" if found.values[layer, head] < scale.lo else ">"
            canvas.put(x, y, sign, canvas.ink(x, y))


class _Means(NamedTuple):
    """The means of layers and of heads, beside the grid where there is room.

    Attributes:
        rows, columns: as they are written; of layers, and of heads.
        across: cells that the layers' means take, 0 without.
        down: rows that the heads' means take, 0 without.
    """

    rows: list[str]
    columns: list[str]
    across: int
    down: int

    @classmethod
    def of(
        cls, found: HeadView, scale: Scale, look: Look, hundredths: bool, size: tuple[int, int]
    ) -> _Means:
        """Those for which there is room in so many cells and rows."""
        layers, heads = found.values.shape
        ends = cell_texts(np.array([scale.lo, scale.hi]), look, scale.diverging, hundredths)
        number = max(2, *map(len, ends))
        across = 7 if 5 + heads * (number + 1) + 7 <= size[0] else 0
        down = int(bool(across) and layers + 2 <= size[1])
        written = [
            cell_texts(_mean(found.values, axis), look, scale.diverging, hundredths)
            for axis in (1, 0)
        ]
        return cls(written[0], written[1], across, down)

    def draw(self, canvas: Canvas, drawn: HeatMap, look: Look) -> None:
        """Writes them right of the grid and below."""
        if self.across and drawn.columns == len(self.columns):
            x = 1 + drawn.x + drawn.columns * drawn.cell + 1
            canvas.put(x, drawn.y - 1, "mean", look.header)
            for row in range(drawn.top, drawn.top + drawn.rows):
                canvas.put(x, drawn.y + row - drawn.top, self.rows[row].rjust(4), look.muted)
        if self.down and drawn.rows == len(self.rows):
            y = drawn.y + drawn.rows
            canvas.put(1, y, "mean", look.header)
            for column in range(drawn.left, drawn.left + drawn.columns):
                x = 1 + drawn.x + (column - drawn.left) * drawn.cell
                canvas.put(x, y, self.columns[column].rjust(drawn.cell - 1), look.muted)


def _mean(values: Floats, axis: int) -> Floats:
    """Means over an axis; NaN where nothing is defined."""
    there = ~np.isnan(values)
    counts = there.sum(axis=axis)
    sums = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def _strongest(
    c: Context, canvas: Canvas, left: int, top: int, found: HeadView, rows: int = 1
) -> None:
    """The heads with the largest values (differences: the largest changes), as many as fit."""
    x = left
    y = top
    word = "most changed" if found.difference else "highest"
    x = canvas.put(x, y, word, c.look.muted)
    for layer, head, value in ranked(found.values, 200, by_magnitude=found.difference):
        entry = f"{layer}.{head} {c.look.number(value, signed=found.difference)}"
        if x + 2 + text.width(entry) > canvas.width:
            x, y = left + len(word), y + 1
            if y >= top + rows:
                break
        chosen = (layer, head) == (c.selection.head_layer, c.selection.head)
        x = canvas.put(x + 2, y, entry.ljust(10), c.look.accent if chosen else c.look.text)


def _exact(value: float, signed: bool) -> str:
    """A value to four significant digits, with its sign if it is a difference."""
    return (f"{value:+.4g}" if signed else f"{value:.4g}").replace("-", "−")
