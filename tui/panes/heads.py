"""The head grid: one number per attention head, averaged over what the status line says."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from collateral.analysis.heads import ranked

from .. import copying, state, tables, text
from ..actions import PaneName
from ..export import Data
from ..pane import Context, Pane
from ..plots.canvas import Canvas
from ..plots.heatmap import HeatMap, heatmap
from ..plots.scale import Scale, legend
from ..state import Selection
from ..views.answers import HeadView


class HeadsPane(Pane):
    """Layers down, heads across; the cursor is the selected head."""

    name: ClassVar[PaneName] = "heads"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"view", "kind", "metric", "scope", "marked", "filter", "search"}
        | {"example", "pair", "head_layer", "head"}
    )
    help: ClassVar[str] = (
        "One cell per attention head, layers down and heads across, both counted from 0 and "
        "written `layer.head`. `t` goes through the metrics. Numbers in the cells are ×100; the "
        "exact value of the head under the cursor stands below, with the strongest heads. `a` "
        "chooses what is averaged: all examples, those that the list shows, those of the marked "
        "points, or this example (or pair). Each example counts once, however many points or pairs "
        "it has. In B − A the units are subtracted one by one and then averaged; the colours are "
        "centred on zero. `?` in a cell: undefined.\n\n"
        "Metrics of the *whole data set*, such as how often a head points at the word that another "
        "depends on, come last: they are one number, so `a` does not apply to them. A **baseline** "
        "beside the value is what a head would score that knows nothing (the file says what that "
        "is).\n\n"
        "Encoder-decoders have a grid per kind of attention: `K` goes from encoder to decoder to "
        "cross-attention, `t` through the metrics of that kind."
    )

    def __init__(self) -> None:
        self._drawn: HeatMap | None = None
        self._at = (0, 0)

    def title(self, c: Context) -> str:
        """Model, metric, and what it is averaged over."""
        found = c.project.head_view(c.selection)
        return f"{c.project.short(c.selection.view)} · {found.title}"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The grid, the exact value under the cursor, the colour scale, the strongest heads."""
        look, s = c.look, c.selection
        canvas = Canvas(width, height, ascii_only=look.ascii)
        found = c.project.head_view(s)
        layers, heads = found.values.shape
        below = max(1, min(4, height - layers - 1))
        scale = _scale(found)
        large = max(abs(scale.lo), abs(scale.hi)) >= 10
        drawn = heatmap(
            found.values,
            look,
            width - 1,
            height - below,
            scale=scale,
            row_labels=[str(n) for n in range(layers)],
            column_labels=[str(n) for n in range(heads)],
            cursor=(s.head_layer, s.head),
            top=self._at[0],
            left=self._at[1],
            hundredths=not large,
        )
        self._drawn, self._at = drawn, (drawn.top, drawn.left)
        canvas.blit(1, 0, drawn.canvas)
        y = min(height - below, drawn.y + drawn.rows)
        self._value(c, canvas, y, found)
        if below > 1:
            note = "cells ×100" if drawn.numbers and not large else ""
            bar = legend(look, scale, width - 2, note=note, beyond=scale.clips(found.values))
            canvas.blit(1, y + 1, bar)
            canvas.put(1, y + 2, text.cut(found.over, width - 2), look.muted)
        rest = height - y - 3
        if rest > 0:
            _strongest(c, canvas, 1, y + 3, found, rest)
        return canvas

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
        """Moves the selected head inside the grid."""
        return state.move_head(c.selection, c.project.limits, dy, dx)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the head that was clicked."""
        cell = self._drawn.hit(x - 1, y) if self._drawn is not None else None
        if cell is None:
            return c.selection
        s = c.selection
        return state.move_head(s, c.project.limits, cell[0] - s.head_layer, cell[1] - s.head)

    def gist(self, c: Context, width: int) -> Canvas:
        """The strongest heads."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
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


def _scale(found: HeadView) -> Scale:
    """Automatic colour range: of the values that are there, about zero for differences."""
    return Scale.of(found.values, diverging=found.difference)


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
