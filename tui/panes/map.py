"""The t-SNE map of one hidden state, the selected example's tokens starred on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import state, text
from ..actions import PaneName
from ..out import copying, tables
from ..out.export import Data
from ..pane import Context, Pane
from ..parts import map_path, map_points
from ..parts.map_lines import Strip, colour_line, layer_strip
from ..plots import plane
from ..plots import scatter as plot
from ..plots.canvas import Canvas
from ..refusal import Refused
from ..state import Selection
from ..views.answers import Side
from ..views.nearest import nearest
from ..window import WHOLE, Window

_SIDE_BY_SIDE = 64
"""Columns from which A and B stand side by side in the B − A view."""
_STEP = 2.0
"""How much larger a key draws the map; the wheel takes two steps for that."""
_PANS = {"pan-left": (-1, 0), "pan-right": (1, 0), "pan-up": (0, 1), "pan-down": (0, -1)}
_PAN = 0.25
"""Share of what is shown that a key moves it by."""


@dataclass
class _Box:
    """A rectangle being drawn: its fixed corner and the moving one, in cells of a map.

    Attributes:
        on: the map, 0 or 1.
        dragged: the mouse draws it.
    """

    on: int
    x: int
    y: int
    to_x: int
    to_y: int
    dragged: bool = False

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """Left, top, width, height."""
        left, right = sorted((self.x, self.to_x))
        top, bottom = sorted((self.y, self.to_y))
        return left, top, right - left + 1, bottom - top + 1


class _Drawn(NamedTuple):
    """Where a map was drawn last, so that cells can be turned into points again."""

    side: Side
    left: int
    ground: plot.Ground
    coordinates: npt.NDArray[np.float32]

    @property
    def view(self) -> plane.View:
        """Where data lie on its cells."""
        return self.ground.view

    @property
    def undefined(self) -> int:
        """Points without a place."""
        return self.ground.undefined


class MapPane(Pane):
    """Braille scatter of all points in the chosen layer, coloured by a column."""

    name: ClassVar[PaneName] = "map"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"view", "example", "pair", "item", "pinned", "layer", "colouring", "marked"}
        | {"window_a", "window_b", "path", "density"}
    )
    drags: ClassVar[bool] = True
    help: ClassVar[str] = (
        "Every point is a word piece, placed by t-SNE of its hidden state in this layer (0 is the "
        "embeddings). `[` `]` go through the layers, `c` changes the column that colours the "
        "points, their own or one of their *example*; a cell of several points takes the colour "
        "that most of them have. ★ are the tokens of the selected example (of very many those "
        "around the chosen word), ▸ the chosen word among them, ☆ those of the pinned example (in "
        "ASCII `*` and `P`).\n\n"
        "The arrows jump from point to point; `enter` selects the example of the point under the "
        "cursor, `space` marks it, `b` begins a rectangle whose corner the arrows move, `enter` "
        "then marks all points inside (or drag the mouse). `B` marks the point under the cursor "
        "and the 10 nearest to it in the original space, by cosine, as far as the file keeps "
        "vectors. Head grid and distances follow the marked points' examples.\n\n"
        "`+` and `-` draw the map larger around the cursor, or smaller (the mouse wheel does so "
        "where it points), shift with an arrow shows the part beside it, `0` all of it. The part "
        "stays while you go through the layers; the title says how many times larger it is, and "
        "how many ★ lie outside. Where there are over four points to a cell, shades show how many "
        "a cell holds, by steps of the logarithm; `I` does so at any time.\n\n"
        "The bars beside the layers say how faithful each map is, between the least and the most "
        "faithful one; click one to go there.\n\n"
        "`i` draws the path of up to four points through all layers (two, of more than twelve "
        "layers): the marked ones if they are few, else the example's, the chosen pair or word "
        "first. Numbers are layers. Each "
        "map is scaled to its own frame, so a path shows which neighbourhoods a token passes, not "
        "how far it goes.\n\n"
        "**What to trust.** Distances between far groups, and the sizes of groups, mean little in "
        "t-SNE, and each layer is a map of its own. *Trust* (trustworthiness, 1 is perfect) and "
        "*recall* (share of true nearest neighbours kept) say how faithful the map of this layer "
        "is. The distance pane shows the original space beside it. In the view B − A there is no "
        "difference of maps: A and B stand side by side, or only B where there is no room. Where "
        "the models have points of their own (words that either tagged), each map shows its own."
    )

    def __init__(self) -> None:
        self._cursor = -1
        self._on = 0  # which of the drawn maps the keys act on
        self._drawn: list[_Drawn] = []
        self._stars_outside = 0
        self._strip: tuple[int, Strip] | None = None  # and its row
        self._box: _Box | None = None
        self._near: tuple[frozenset[int], str] = (frozenset(), "")
        """Neighbours that were marked, and what is said of them while they are."""

    def heading(self, c: Context) -> str:
        """How the maps were made: t-SNE, or what the file says in its place."""
        made = str(c.project.a.meta.settings.get("projection") or "")
        return made.partition(" (")[0] or super().heading(c)

    def title(self, c: Context) -> str:
        """Model, layer, whose tokens, colouring, part of the map."""
        s, project = c.selection, c.project
        who = "" if not project.two else f"{project.short(s.view)} · "
        if s.view == "B−A":
            who = "A | B · " if len(self._drawn) > 1 else f"B {project.name('B')} · "
        whose = str(project.a.meta.settings.get("side") or "")
        whose = f" · {whose} tokens" if whose in ("source", "target") else ""
        title = f"{who}layer {s.layer}{whose}{self._zoom_words(c)}"
        title += f" · by {project.colouring_title(s.colouring)}" if s.colouring else ""
        columns = project.limits.colourings
        if s.colouring in columns and len(columns) > 1:
            title += f" ({columns.index(s.colouring) + 1} of {len(columns)})"
        star = c.look.marks.star
        if self._stars_outside:
            title += f" · {self._stars_outside} {star} outside"
        there = len(project.mentions(s.example))
        if there > map_points.MOST_STARS:
            title += f" · {star} {map_points.MOST_STARS} of {there:,}"
        return title

    def _zoom_words(self, c: Context) -> str:
        zooms = [f"{map_points.window(c, drawn.side).zoom:.3g}" for drawn in self._drawn]
        if set(zooms) <= {"1"}:
            return ""
        return f" · zoom {' | '.join(zooms) if len(set(zooms)) > 1 else zooms[0]}x"

    # -- drawing ----------------------------------------------------------------------------

    def ready(self, c: Context) -> bool:
        """Whether the maps of all layers were read, if a path goes through them."""
        return not c.selection.path or all(map_path.ready(c, side) for side in c.project.sides)

    def prepare(self, c: Context) -> None:
        """Reads the maps of all layers for the path."""
        for side in c.project.sides:
            map_path.stops(c, side)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The map (two of them for B − A if they fit), legend, layers with their quality."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        sides = self._sides(c, width)
        rows = max(1, height - (2 if height > 5 else 1))
        self._drawn, self._stars_outside = [], 0
        self._on = min(self._on, len(sides) - 1)
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
        shown = [(drawn.side, drawn.ground) for drawn in self._drawn]
        if height > 5:
            canvas.blit(0, height - 2, colour_line(c, width, shown))
        strip = layer_strip(c, width, shown, sides)
        self._strip = (height - 1, strip)
        canvas.blit(0, height - 1, strip.canvas)
        return canvas

    def _sides(self, c: Context, width: int) -> tuple[Side, ...]:
        if c.selection.view == "B−A" and width >= _SIDE_BY_SIDE:
            return ("A", "B")
        return (c.project.side(c.selection.view),)

    def _one(
        self, c: Context, canvas: Canvas, side: Side, left: int, width: int, rows: int
    ) -> None:
        xy = c.project.coordinates(side, c.selection.layer)
        ground = map_points.drawn_ground(c, side, width, rows)
        path = c.selection.path
        stars = map_points.stars(c, side, map_path.inks(c, side) if path else None)
        cursor = self._cursor_row(c, side) if c.focused else None
        drawn = plot.scatter(
            xy,
            map_points.colours(c, side)[0],
            c.look,
            width,
            rows,
            stars=stars,
            marked=map_points.marked(c, side),
            cursor=cursor,
            below=map_path.with_routes(c, side, ground) if path else ground,
        )
        canvas.blit(left, 0, drawn.canvas)
        self._drawn.append(_Drawn(side, left, ground, xy))
        own = [star for star in stars if star.sign != c.look.marks.pinned]
        hidden = sum(not ground.dots.visible[star.point] for star in own)
        self._stars_outside = max(self._stars_outside, hidden)
        self._words(c, canvas, left, width, rows)

    def _words(self, c: Context, canvas: Canvas, left: int, width: int, rows: int) -> None:
        """What stands over the foot of the map drawn last: box, point under the cursor, path."""
        side, number = self._drawn[-1].side, len(self._drawn) - 1
        ink = c.look.accent._replace(reverse=True)
        y = rows - 1
        if self._box is not None:
            if self._box.on == number:
                plot.rectangle(canvas, c.look, left, *self._box.rectangle)
                canvas.put(left, y, text.fitting(_box_words(side, self._box), width), ink)
            return
        if c.focused and self._cursor_row(c, side) is not None and rows > 3:
            words = c.project.point_words(side, self._cursor, c.selection.colouring)
            canvas.put(left, y, text.cut(f" {words} ", width), ink)
            y -= 1
            if self._near[1] and self._near[0] == c.selection.marked and rows > 4:
                canvas.put(left, y, text.cut(f" {self._near[1]} ", width), ink)
                y -= 1
        if c.selection.path and rows > 4:
            canvas.put(left, y, map_path.caution(c, side, width), c.look.muted)

    def _cursor_row(self, c: Context, side: Side) -> int | None:
        """Row of the point under the cursor in a model's file; None without one."""
        row = c.project.point_row(side, self._cursor) if self._cursor >= 0 else -1
        return row if row >= 0 else None

    # -- keys -------------------------------------------------------------------------------

    @property
    def _here(self) -> _Drawn:
        """The map that the keys act on."""
        return self._drawn[min(self._on, len(self._drawn) - 1)]

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the corner of the rectangle, or jumps to the next point in that direction.

        If the part that is shown has none, it moves to the next point beyond.
        """
        if not self._drawn:
            return c.selection
        if self._box is not None:
            view = self._drawn[self._box.on].view
            self._box.to_x = state.clamp(self._box.to_x + 2 * dx, view.width)
            self._box.to_y = state.clamp(self._box.to_y + dy, view.height)
            return c.selection
        here = self._here
        view, xy, seen = here.view, here.coordinates, here.ground.dots.visible
        start = self._cursor_row(c, here.side)
        if start is None or not seen[start]:
            rows = [c.project.point_row(here.side, p) for p in self._points_of(c, here.side)]
            row = next((row for row in rows if seen[row]), -1)
            row = row if row >= 0 else plane.nearest(view, xy, view.width // 2, view.height // 2)
            return self._step_to(c, here, row)
        steps = (max(-1, min(1, dx)), max(-1, min(1, dy)))
        row = plane.toward(view, xy, start, *steps, dots=here.ground.dots)
        part = map_points.window(c, here.side)
        if row != start or part.zoom == 1:
            return self._step_to(c, here, row)
        box = map_points.frame(c, here.side, c.selection.layer)
        size = (round(view.width * part.zoom), round(view.height * part.zoom))
        row = plane.toward(plane.View(box, *size), xy, start, *steps)
        self._step_to(c, here, row)
        x, y = box.shares(*xy[row].astype(float).tolist())
        return _shown(c, here.side, part._replace(x=x, y=y)) if row != start else c.selection

    def _step_to(self, c: Context, here: _Drawn, row: int) -> Selection:
        if row >= 0:
            self._cursor = c.project.point_number(here.side, row)
        return c.selection

    def _points_of(self, c: Context, side: Side) -> list[int]:
        """The points of the selected example that are on a model's map."""
        points = c.project.points_of(c.selection.example)
        return [point for point in points if c.project.point_row(side, point) >= 0]

    def jump(self, c: Context, end: bool) -> Selection:
        """Moves the cursor to the first or last point of the selected example."""
        side = self._here.side if self._drawn else c.project.side(c.selection.view)
        points = self._points_of(c, side)
        if points:
            self._cursor = points[-1 if end else 0]
        return c.selection

    def enter(self, c: Context) -> Selection:
        """Marks what is inside the rectangle, or selects the example under the cursor."""
        if self._box is not None:
            inside = self._inside(c, self._box) if self._drawn else []  # there may be no map
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
        drawn = self._here
        x, y = drawn.view.width // 2, drawn.view.height // 2
        row = self._cursor_row(c, drawn.side)
        if row is not None:
            cell = drawn.view.cells(drawn.coordinates[[row]])[0].tolist()
            x, y = cell if cell[0] >= 0 else (x, y)
        self._box = _Box(self._drawn.index(drawn), max(0, x - 4), max(0, y - 2), x, y)
        self._box.to_x = state.clamp(x + 4, drawn.view.width)
        self._box.to_y = state.clamp(y + 2, drawn.view.height)
        return c.selection

    def back(self, c: Context) -> Selection | None:
        """Gives up the rectangle."""
        had = self._box is not None
        self._box = None
        return c.selection if had else None

    def act(self, c: Context, name: str) -> Selection | None:
        """Draws the map larger or smaller, shows another part, or how crowded its cells are."""
        s = c.selection
        if name == "nearest":
            return self._mark_nearest(c)
        if name in ("more", "less"):
            factor = _STEP if name == "more" else 1 / _STEP
            for side in c.project.sides:
                s = _shown(c._replace(selection=s), side, self._zoomed(c, side, factor))
            return s
        if name == "whole":
            return replace(s, window_a=WHOLE, window_b=WHOLE)
        if name in _PANS:
            dx, dy = (_PAN * step for step in _PANS[name])
            return replace(s, window_a=s.window_a.moved(dx, dy), window_b=s.window_b.moved(dx, dy))
        if name == "density" and self._drawn:
            return replace(s, density="off" if self._here.ground.edges else "on")
        return None

    def _mark_nearest(self, c: Context) -> Selection:
        """Marks the cursor's point and its nearest in the original space, and nothing else."""
        if self._cursor < 0 or not self._drawn:
            raise Refused("No point is under the cursor; the arrows move it.")
        near, cosines = nearest(c.project, self._here.side, self._cursor, c.selection.layer)
        marked = frozenset((self._cursor, *near))
        ends = " to ".join(c.look.number(one) for one in (cosines[0], cosines[-1])) if near else ""
        said = f"marked {len(near)} nearest, original space: cosine {ends}"
        self._near = (marked, said)
        return state.toggle_marks(state.clear_marks(c.selection), marked)

    def _zoomed(self, c: Context, side: Side, factor: float) -> Window:
        """A model's part drawn larger: the cursor's point stays in its place, if it is seen."""
        part, row = map_points.window(c, side), self._cursor_row(c, side)
        x, y = part.x, part.y
        if row is not None:
            box = map_points.frame(c, side, c.selection.layer)
            xy = c.project.coordinates(side, c.selection.layer)[row]
            place = box.shares(*xy.astype(float).tolist())
            if all(abs(at - mid) * part.zoom <= 0.5 for at, mid in zip(place, (x, y), strict=True)):
                x, y = place
        return part.zoomed(factor, x, y)

    # -- mouse ------------------------------------------------------------------------------

    def _at(self, x: int, y: int) -> int | None:
        """Which of the maps is drawn at a cell."""
        for number, drawn in enumerate(self._drawn):
            across = drawn.left <= x < drawn.left + drawn.view.width
            if across and 0 <= y < drawn.view.height:
                return number
        return None

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the example of the nearest point, or the layer in the strip."""
        if self._strip is not None and self._strip[0] == y:
            layer = self._strip[1].layer(x)
            step = 0 if layer is None else layer - c.selection.layer
            return state.step_layer(c.selection, c.project.limits, step) if step else c.selection
        number = self._at(x, y)
        if number is None:
            return c.selection
        self._on, drawn = number, self._drawn[number]
        row = plane.nearest(drawn.view, drawn.coordinates, x - drawn.left, y)
        return self._choose(c, c.project.point_number(drawn.side, row)) if row >= 0 else c.selection

    def drag(
        self, c: Context, start: tuple[int, int], place: tuple[int, int], done: bool
    ) -> Selection | None:
        """Draws a rectangle with the mouse, and marks what is inside when it is let go."""
        number = self._at(*start)
        if number is None:
            return None
        self._on, drawn = number, self._drawn[number]
        to_x = state.clamp(place[0] - drawn.left, drawn.view.width)
        to_y = state.clamp(place[1], drawn.view.height)
        self._box = _Box(number, start[0] - drawn.left, start[1], to_x, to_y, dragged=True)
        return self.enter(c) if done else c.selection

    def wheel(self, c: Context, x: int, y: int, step: int) -> Selection:
        """Draws the map under the mouse larger or smaller; what the mouse points at stays there."""
        number = self._at(x, y)
        if number is None:
            return c.selection
        drawn = self._drawn[number]
        part = map_points.window(c, drawn.side)
        across, up = (x - drawn.left + 0.5) / drawn.view.width, 1 - (y + 0.5) / drawn.view.height
        factor = _STEP ** (-step / 2)
        return _shown(c, drawn.side, part.zoomed(factor, *part.place(across, up)))

    def _inside(self, c: Context, box: _Box) -> list[int]:
        x, y, w, h = box.rectangle
        drawn = self._drawn[min(box.on, len(self._drawn) - 1)]
        columns, rows, visible = drawn.ground.dots
        inside = visible & (columns >= 2 * x) & (columns < 2 * (x + w))
        inside &= (rows >= 4 * y) & (rows < 4 * (y + h))
        found = np.flatnonzero(inside)
        numbers = c.project.points.numbers[drawn.side]
        return (found if numbers is None else numbers[found]).tolist()

    def gist(self, c: Context, width: int) -> Canvas:
        """Layer and quality of the map."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        x = canvas.put(0, 0, "map ", c.look.muted)
        side = c.project.side(c.selection.view)
        canvas.blit(x, 0, layer_strip(c, width - x, (), (side,)).canvas)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The point under the cursor."""
        side = self._here.side if self._drawn else c.project.side(c.selection.view)
        return copying.point(c, side, self._cursor)

    def data(self, c: Context) -> Data:
        """A row per point, of both models if they are compared."""
        both = c.selection.view == "B−A"
        return tables.map_points(
            c, c.project.sides if both else (c.project.side(c.selection.view),)
        )


def _box_words(side: Side, box: _Box) -> list[str]:
    """What can be done with a rectangle, ever shorter."""
    if box.dragged:
        return [f" box on {side}: let go to mark inside ", " let go to mark "]
    return [
        f" box on {side}: arrows move its corner, enter marks inside, esc gives up ",
        f" box on {side}: arrows, enter marks, esc ",
        " arrows, enter marks, esc ",
        " enter marks, esc ",
    ]


def _shown(c: Context, side: Side, part: Window) -> Selection:
    """The selection with another part of a model's map."""
    if side == "A":
        return replace(c.selection, window_a=part)
    return replace(c.selection, window_b=part)
