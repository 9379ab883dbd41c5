"""The t-SNE map of one hidden state, the selected example's tokens starred on it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from .. import copying, state, tables, text
from ..actions import PaneName
from ..export import Data
from ..pane import Context, Pane
from ..plots import scatter as plot
from ..plots.canvas import Canvas
from ..plots.scale import Scale, legend
from ..state import Selection
from ..views.answers import Mention, Side

_SIDE_BY_SIDE = 64
"""Columns from which A and B stand side by side in the B − A view."""
_MOST_STARS = 60
"""Mentions that are starred at most: the tokens of a long text would cover the whole map."""


@dataclass
class _Box:
    """A rectangle being drawn: its fixed corner and the moving one, in cells of the map."""

    x: int
    y: int
    to_x: int
    to_y: int


@dataclass(frozen=True)
class _Drawn:
    """Where a map was drawn last, so that cells can be turned into points again."""

    side: Side
    left: int
    view: plot.View
    coordinates: npt.NDArray[np.float32]
    undefined: int


class MapPane(Pane):
    """Braille scatter of all points in the chosen layer, coloured by a column."""

    name: ClassVar[PaneName] = "map"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"view", "example", "pair", "item", "layer", "colouring", "marked"}
    )
    help: ClassVar[str] = (
        "Every point is a word piece, placed by t-SNE of its hidden state in this layer (0 is the "
        "embeddings). `[` `]` go through the layers, `c` changes the column that colours the "
        "points, their own or one of their *example*; a cell of several points takes the colour "
        "that most of them have. ★ are the tokens of the selected example (of very many those "
        "around the chosen word), ▸ the chosen word among them.\n\n"
        "The arrows jump from point to point; `enter` selects the example of the point under the "
        "cursor, `space` marks it, `b` begins a rectangle whose corner the arrows move, `enter` "
        "then marks all points inside. Head grid and distances follow the marked points' "
        "examples.\n\n"
        "**What to trust.** Distances between far groups, and the sizes of groups, mean little in "
        "t-SNE, and each layer is a map of its own. *Trust* (trustworthiness, 1 is perfect) and "
        "*recall* (share of true nearest neighbours kept) say how faithful the map of this layer "
        "is. The distance pane shows the original space beside it. In the view B − A there is no "
        "difference of maps: A and B stand side by side, or only B where there is no room. Where "
        "the models have points of their own (words that either tagged), each map shows its own."
    )

    def __init__(self) -> None:
        self._cursor = -1
        self._drawn: list[_Drawn] = []
        self._box: _Box | None = None

    def heading(self, c: Context) -> str:
        """How the maps were made: t-SNE, or what the file says in its place."""
        made = str(c.project.a.meta.settings.get("projection") or "")
        return made.partition(" (")[0] or super().heading(c)

    def title(self, c: Context) -> str:
        """Model, layer, colouring."""
        s = c.selection
        who = "" if not c.project.two else f"{c.project.short(s.view)} · "
        if s.view == "B−A":
            who = "A | B · " if len(self._drawn) > 1 else f"B {c.project.name('B')} · "
        title = f"{who}layer {s.layer} · by {c.project.colouring_title(s.colouring)}"
        there = len(c.project.mentions(s.example))
        if there > _MOST_STARS:
            title += f" · {c.look.marks.star} {_MOST_STARS} of {there:,}"
        return title

    # -- drawing ----------------------------------------------------------------------------

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The map (two of them for B − A if they fit), legend, layers with their quality."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        sides = self._sides(c, width)
        rows = max(1, height - (2 if height > 5 else 1))
        self._drawn = []
        each = (width - (len(sides) - 1)) // len(sides)
        for number, side in enumerate(sides):
            left = number * (each + 1)
            self._one(c, canvas, side, left, each, rows)
            if number:
                canvas.fill(left - 1, 0, 1, rows, c.look.marks.vertical, c.look.muted)
        if len(sides) > 1:
            for drawn in self._drawn:
                label = f"{drawn.side} {c.project.name(drawn.side)}"
                canvas.put(drawn.left, 0, text.cut(label, each), c.look.header)
        if height > 5:
            x = canvas.put(0, height - 2, f"{sides[-1]} ", c.look.header) if len(sides) > 1 else 0
            canvas.blit(x, height - 2, self._legend(c, width - x))
        canvas.blit(0, height - 1, self._layers(c, width, sides))
        return canvas

    def _sides(self, c: Context, width: int) -> tuple[Side, ...]:
        if c.selection.view == "B−A" and width >= _SIDE_BY_SIDE:
            return ("A", "B")
        return (c.project.side(c.selection.view),)

    def _one(
        self, c: Context, canvas: Canvas, side: Side, left: int, width: int, rows: int
    ) -> None:
        s, project = c.selection, c.project
        xy = project.coordinates(side, s.layer)
        classes, values = self._colours(c, side)
        marked = None
        if s.marked:
            marked = np.zeros(len(xy), dtype=bool)
            marked[project.point_rows(side, s.marked)] = True
        cursor = self._cursor_row(c, side) if c.focused else None
        drawn = plot.scatter(
            xy,
            classes,
            c.look,
            width,
            rows,
            values=values,
            scale=self._scale(c),
            stars=self._stars(c, side),
            marked=marked,
            cursor=cursor,
        )
        canvas.blit(left, 0, drawn.canvas)
        self._drawn.append(_Drawn(side, left, drawn.view, xy, drawn.undefined))
        if self._box is not None and len(self._drawn) == 1:
            self._draw_box(c, canvas, self._box)
            words = f" box on {side}: arrows move its corner, enter marks inside, esc gives up "
            canvas.put(left, rows - 1, text.cut(words, width), replace(c.look.accent, reverse=True))
        elif cursor is not None and rows > 3:
            self._under_cursor(c, canvas, left, width, rows, side)

    def _cursor_row(self, c: Context, side: Side) -> int | None:
        """Row of the point under the cursor in a model's file; None without one."""
        row = c.project.point_row(side, self._cursor) if self._cursor >= 0 else -1
        return row if row >= 0 else None

    def _stars(self, c: Context, side: Side) -> list[plot.Star]:
        """A star per point of the selected example, labelled once per mention, the chosen first."""
        project, s = c.project, c.selection
        chosen = {t for a, b in project.spans(s) for t in range(a, b)}
        item = project.item_span(s)
        stars = []
        for mention in _starred(c):
            rows = [row for p in mention.points if (row := project.point_row(side, p)) >= 0]
            aimed = item is not None and item[0] <= mention.token < item[1]
            label = f"{c.look.marks.cursor}{mention.text}" if aimed else mention.text
            for number, row in enumerate(rows):
                last = number > 0 or not (aimed or mention.token in chosen)
                stars.append((last, plot.Star(row, label if number == 0 else "")))
        return [star for _, star in sorted(stars, key=lambda found: found[0])]

    def _colours(
        self, c: Context, side: Side
    ) -> tuple[npt.NDArray[np.int32] | None, npt.NDArray[np.float32] | None]:
        column = c.selection.colouring
        if not column:
            return None, None
        if c.project.is_continuous(column):
            return None, c.project.numbers(side, column)
        return c.project.classes(side, column)[0], None

    def _scale(self, c: Context) -> Scale | None:
        """Range of a continuous column, the same for A and B; None for other columns."""
        sides: tuple[Side, ...] = ("A", "B") if c.project.two else ("A",)
        values = [v for side in sides if (v := self._colours(c, side)[1]) is not None]
        return Scale.of(np.concatenate(values)) if values else None

    def _under_cursor(
        self, c: Context, canvas: Canvas, left: int, width: int, rows: int, side: Side
    ) -> None:
        """Says what the point under the cursor is."""
        words = c.project.point_words(side, self._cursor, c.selection.colouring)
        line = text.cut(f" {words} ", width)
        canvas.put(left, rows - 1, line, replace(c.look.accent, reverse=True))

    def _draw_box(self, c: Context, canvas: Canvas, box: _Box) -> None:
        x, y, w, h = _rectangle(box)
        canvas.restyle(x, y, w, 1, reverse=True)
        canvas.restyle(x, y + h - 1, w, 1, reverse=True)
        canvas.restyle(x, y, 1, h, reverse=True)
        canvas.restyle(x + w - 1, y, 1, h, reverse=True)

    def _legend(self, c: Context, width: int) -> Canvas:
        s, project = c.selection, c.project
        side = project.side(s.view)
        classes, values = self._colours(c, side)
        if values is not None and (scale := self._scale(c)) is not None:
            title = project.colouring_title(s.colouring)
            return legend(c.look, scale, width, note=title, lines=True)
        if classes is None:
            return Canvas(width, 1, ascii_only=c.look.ascii)
        labels = project.classes(side, s.colouring)[1]
        counts = np.bincount(classes[classes >= 0], minlength=len(labels)).tolist()
        unknown = int((classes < 0).sum())
        return plot.class_legend(labels, counts, c.look, width, unknown=unknown)

    def _layers(self, c: Context, width: int, sides: tuple[Side, ...]) -> Canvas:
        """The layers with the chosen one marked, number of points, quality of the map."""
        look, s = c.look, c.selection
        canvas = Canvas(width, 1, ascii_only=look.ascii)
        x = canvas.put(0, 0, "layer", look.muted)
        layers = range(c.project.limits.layers + 1)
        if len(layers) * 3 > width - 30:
            x = canvas.put(x + 1, 0, f"{s.layer} of 0-{layers[-1]}", look.accent)
        else:
            for layer in layers:
                ink = replace(look.accent, reverse=True) if layer == s.layer else look.muted
                x = canvas.put(x + 1, 0, str(layer), ink)
        count = f"  {self._count(c, sides)}"
        if undefined := max((drawn.undefined for drawn in self._drawn), default=0):
            count += f" ({undefined:,} have no place)"
        x = canvas.put(x, 0, count, look.muted)
        qualities = {side: c.project.file(side).quality for side in sides}
        for name in qualities[sides[-1]]:
            numbers = [
                (f"{side} " if len(sides) > 1 else "") + look.number(float(found[name][s.layer]))
                for side, found in qualities.items()
                if name in found
            ]
            word = f"  {_short(name)} {' '.join(numbers)}"
            if x + len(word) <= width:
                x = canvas.put(x, 0, word, look.muted)
        return canvas

    def _count(self, c: Context, sides: tuple[Side, ...]) -> str:
        """How many points there are; those of each model if it has points of its own."""
        counts = [len(c.project.file(side).points) for side in sides]
        if c.project.points.shared or len(sides) == 1:
            return text.many(counts[-1], "point")
        return (
            ", ".join(f"{s} {count:,}" for s, count in zip(sides, counts, strict=True)) + " points"
        )

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the corner of the rectangle, or jumps to the next point in that direction."""
        if not self._drawn:
            return c.selection
        view = self._drawn[0].view
        if self._box is not None:
            self._box.to_x = state.clamp(self._box.to_x + 2 * dx, view.width)
            self._box.to_y = state.clamp(self._box.to_y + dy, view.height)
            return c.selection
        side = self._drawn[0].side
        start = self._cursor_row(c, side)
        if start is None:
            points = self._points_of(c, side)
            if points or len(self._drawn[0].coordinates):
                self._cursor = points[0] if points else c.project.point_number(side, 0)
            return c.selection
        steps = (max(-1, min(1, dx)), max(-1, min(1, dy)))
        row = plot.toward(view, self._drawn[0].coordinates, start, *steps)
        self._cursor = c.project.point_number(side, row)
        return c.selection

    def _points_of(self, c: Context, side: Side) -> list[int]:
        """The points of the selected example that are on a model's map."""
        points = c.project.points_of(c.selection.example)
        return [point for point in points if c.project.point_row(side, point) >= 0]

    def jump(self, c: Context, end: bool) -> Selection:
        """Moves the cursor to the first or last point of the selected example."""
        side = self._drawn[0].side if self._drawn else c.project.side(c.selection.view)
        points = self._points_of(c, side)
        if points:
            self._cursor = points[-1 if end else 0]
        return c.selection

    def enter(self, c: Context) -> Selection:
        """Marks what is inside the rectangle, or selects the example under the cursor."""
        if self._box is not None:
            inside = self._inside(c, self._box)
            self._box = None
            return state.toggle_marks(c.selection, inside) if inside else c.selection
        if self._cursor < 0:
            return c.selection
        return self._choose(c, self._cursor)

    def _choose(self, c: Context, point: int) -> Selection:
        self._cursor = point
        example = int(c.project.points.examples[point])
        return state.choose_example(c.selection, c.project.limits, example)

    def mark(self, c: Context) -> Selection | None:
        """Marks the point under the cursor; without a cursor, the example's points."""
        if self._cursor < 0 or self._box is not None:
            return None
        return state.toggle_marks(c.selection, (self._cursor,))

    def box(self, c: Context) -> Selection | None:
        """Begins a rectangle around the cursor, or in the middle."""
        if not self._drawn:
            return None
        drawn = self._drawn[0]
        x, y = drawn.view.width // 2, drawn.view.height // 2
        row = self._cursor_row(c, drawn.side)
        if row is not None:
            cell = drawn.view.cells(drawn.coordinates[[row]])[0].tolist()
            x, y = cell if cell[0] >= 0 else (x, y)
        self._box = _Box(max(0, x - 4), max(0, y - 2), x, y)
        self._box.to_x = state.clamp(x + 4, drawn.view.width)
        self._box.to_y = state.clamp(y + 2, drawn.view.height)
        return c.selection

    def back(self, c: Context) -> Selection | None:
        """Gives up the rectangle."""
        had = self._box is not None
        self._box = None
        return c.selection if had else None

    def _inside(self, c: Context, box: _Box) -> list[int]:
        x, y, w, h = _rectangle(box)
        drawn = self._drawn[0]
        cells = drawn.view.cells(drawn.coordinates)
        inside = (cells[:, 0] >= x) & (cells[:, 0] < x + w)
        inside &= (cells[:, 1] >= y) & (cells[:, 1] < y + h)
        rows = np.flatnonzero(inside).tolist()
        return [c.project.point_number(drawn.side, row) for row in rows]

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the example of the nearest point."""
        for drawn in self._drawn:
            if drawn.left <= x < drawn.left + drawn.view.width and y < drawn.view.height:
                row = plot.nearest(drawn.view, drawn.coordinates, x - drawn.left, y)
                if row < 0:
                    return c.selection
                return self._choose(c, c.project.point_number(drawn.side, row))
        return c.selection

    def gist(self, c: Context, width: int) -> Canvas:
        """Layer and quality of the map."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        x = canvas.put(0, 0, "map ", c.look.muted)
        side = c.project.side(c.selection.view)
        canvas.blit(x, 0, self._layers(c, width - x, (side,)))
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The point under the cursor."""
        side = self._drawn[0].side if self._drawn else c.project.side(c.selection.view)
        return copying.point(c, side, self._cursor)

    def data(self, c: Context) -> Data:
        """A row per point, of both models if they are compared."""
        both = c.selection.view == "B−A"
        return tables.map_points(
            c, tables.sides(c) if both else (c.project.side(c.selection.view),)
        )


def _starred(c: Context) -> list[Mention]:
    """What is starred: the mentions of the example; of very many those around the chosen item."""
    mentions = c.project.mentions(c.selection.example)
    if len(mentions) <= _MOST_STARS:
        return mentions
    item = c.project.item_span(c.selection)
    at = bisect_left([mention.token for mention in mentions], 0 if item is None else item[0])
    first = max(0, min(at - _MOST_STARS // 2, len(mentions) - _MOST_STARS))
    return mentions[first : first + _MOST_STARS]


def _rectangle(box: _Box) -> tuple[int, int, int, int]:
    """Left, top, width, height."""
    left, right = sorted((box.x, box.to_x))
    top, bottom = sorted((box.y, box.to_y))
    return left, top, right - left + 1, bottom - top + 1


def _short(name: str) -> str:
    """A quality's name for the narrow line: "trustworthiness@15" becomes "trust@15"."""
    return name.replace("trustworthiness", "trust")
