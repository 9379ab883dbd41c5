"""Maps of points: from coordinates to braille cells in one pass, and back.

A braille cell holds 2x4 dots. All dots of a cell share a colour, so the cell takes the class that
most of its points have. The counting is one `bincount` over cell and class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui import text as texts
from tui.look import PLAIN, Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.plane import Bounds, Dots, View
from tui.plots.scale import Scale

__all__ = [
    "Ground",
    "Mode",
    "Scatter",
    "Star",
    "density_signs",
    "ground",
    "rectangle",
    "scatter",
]

Floats = NDArray[np.floating]
Mode = Literal["auto", "dots", "glyphs", "density"]

CROWDED = 4
"""Points per cell of the map from which it shows how many points a cell holds."""
_BRAILLE = np.array([" ", *(chr(0x2800 + bits) for bits in range(1, 256))])
_DENSITY = np.array(list(".:o#@"))  # 1, 2-3, 4-7, 8-15, 16 and more points
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)
_SHADES = "░▒▓█"
_SHADES_ASCII = ".:!$"  # no glyph of a class, no star
_STRENGTHS = (Ink(dim=True), PLAIN, Ink(bold=True), Ink(bold=True, reverse=True))


class Star(NamedTuple):
    """A point that is drawn above all others, with a label.

    Attributes:
        point: Its row in the coordinates.
        label: Its text; "" for none.
        fg: Colour of the label; "" for that of the point's class.
        sign: What stands on the point; "" for the look's star.
    """

    point: int
    label: str = ""
    fg: str = ""
    sign: str = ""


class Scatter(NamedTuple):
    """A drawn map.

    Attributes:
        canvas: The picture.
        view: Where data lie on it.
        undefined: Points left out because a coordinate is not a number.
        outside: Points left out because they lie outside the bounds.
        unlabelled: Stars whose label found no room.
    """

    canvas: Canvas
    view: View
    undefined: int
    outside: int
    unlabelled: int = 0


def _braille(columns: NDArray[np.int32], rows: NDArray[np.int32], view: View) -> NDArray[np.uint8]:
    """Return the braille bits of each cell, [height, width]."""
    grid = np.zeros((view.height * 4, view.width * 2), dtype=np.uint8)
    grid[rows, columns] = 1
    bits = np.zeros((view.height, view.width), dtype=np.uint8)
    for row, column in np.ndindex(4, 2):
        bits |= grid[row::4, column::2] * _BITS[row, column]
    return bits


def _majority(cells: NDArray[np.int32], classes: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Return the most frequent class of each cell, -1 for unknown; the lower one wins a tie.

    Args:
        cells: Flat cell of each point.
        classes: Class of each point, -1 for unknown, which loses ties.
        size: Number of cells.
    """
    count = int(classes.max(initial=-1)) + 2
    shifted = cells.astype(np.int64) * count
    shifted += np.where(classes < 0, count - 1, classes)
    votes = np.bincount(shifted, minlength=size * count).reshape(size, count)
    found = votes.argmax(axis=1)
    return np.where(found == count - 1, -1, found)


def _means(cells: NDArray[np.int32], values: Floats, size: int) -> NDArray[np.float64]:
    """Return the mean of the defined values of each cell; NaN where there are none."""
    defined = np.isfinite(values)
    count = np.bincount(cells[defined], minlength=size)
    total = np.bincount(cells[defined], weights=values[defined], minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _spread(inks: NDArray[np.int64], filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give blanks the ink of the filled cell on their left: fewer runs, and nobody can see it."""
    columns = np.arange(filled.shape[1])
    source = np.maximum.accumulate(np.where(filled, columns, 0), axis=1)
    return np.take_along_axis(np.where(filled, inks, 0), source, axis=1)


class Ground(NamedTuple):
    """All points of a map as they are drawn below stars, marks and cursor, which come and go.

    Attributes:
        canvas: The picture.
        view: Where data lie on it.
        dots: Where each point lies.
        undefined: Points left out because a coordinate is not a number.
        outside: Points left out because they lie outside the bounds.
        edges: Least points of each shade of a picture that shows how many points a cell holds;
            empty if it does not.
        densest: Points in the fullest cell.
    """

    canvas: Canvas
    view: View
    dots: Dots
    undefined: int
    outside: int
    edges: tuple[int, ...]
    densest: int

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return sum(part.nbytes for part in self.dots)

    def filled(self, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the cells [height, width] that hold one of the points [n]."""
        chosen = points & self.dots.visible
        width, height = self.view.width, self.view.height
        cells = (self.dots.rows[chosen] // 4) * width + self.dots.columns[chosen] // 2
        return (np.bincount(cells, minlength=width * height) > 0).reshape(height, width)


def ground(
    xy: Floats,
    classes: NDArray[np.integer] | None,
    look: Look,
    width: int,
    height: int,
    *,
    values: Floats | None = None,
    scale: Scale | None = None,
    bounds: Bounds | None = None,
    mode: Mode = "auto",
) -> Ground:
    """Draw points.

    Args:
        xy: [n, 2]; points with NaN or infinite coordinates are left out and counted.
        classes: [n], -1 for unknown; None draws all points alike.
        look: The terminal's look.
        width: Cells across.
        height: Cells down.
        values: [n], colours by value (mean of each cell) and not by class.
        scale: Range of `values`; theirs by default.
        bounds: What is shown; all points by default.
        mode: "dots" is braille (in ASCII: density), "glyphs" shows the class of each cell by its
            glyph (values: by a digit 0-9 for tenths of the range), "density" how many points each
            cell holds (shades; glyphs in four strengths where there is no colour). "auto" takes
            density for more than `CROWDED` points per cell, else glyphs where colour cannot tell
            classes apart or dots would be signs of classes (ASCII), else dots.
    """
    xy = np.asarray(xy).reshape(-1, 2)
    view = View(bounds or Bounds.of(xy), max(width, 1), max(height, 1))
    dots = view.dots(xy)
    shown = _Shown.of(view, dots, classes, values, scale)
    if mode == "auto":
        crowded = len(shown.cells) > CROWDED * shown.size
        signs = look.depth == "none" or (look.ascii and classes is not None)
        mode = "density" if crowded else "glyphs" if signs else "dots"
    canvas = Canvas(width, height, look.ascii)
    counts = np.bincount(shown.cells, minlength=shown.size).reshape(view.height, view.width)
    densest = int(counts.max(initial=0))
    edges = _edges(densest) if mode == "density" else ()
    plain = classes is None and values is None
    _draw_points(canvas, shown, look, mode, counts, edges, plain)
    missing = len(xy) - len(shown.cells)
    undefined = 0
    if missing:
        undefined = int(np.count_nonzero(~np.isfinite(xy[~dots.visible]).all(axis=1)))
    return Ground(canvas, view, dots, undefined, missing - undefined, edges, densest)


def scatter(
    xy: Floats,
    classes: NDArray[np.integer] | None,
    look: Look,
    width: int,
    height: int,
    *,
    values: Floats | None = None,
    scale: Scale | None = None,
    bounds: Bounds | None = None,
    mode: Mode = "auto",
    stars: Sequence[Star] = (),
    marked: NDArray[np.bool_] | None = None,
    cursor: int | None = None,
    below: Ground | None = None,
) -> Scatter:
    """Draw points, and above them marks, stars and cursor.

    Args:
        xy, classes, look, width, height, values, scale, bounds, mode: As for `ground`.
        stars: Points drawn above the others, the most important first.
        marked: [n], points whose cells get a background.
        cursor: The point under the cursor, drawn above all.
        below: What `ground` drew with the same arguments, if it did.
    """
    xy = np.asarray(xy).reshape(-1, 2)
    below = below or ground(
        xy, classes, look, width, height, values=values, scale=scale, bounds=bounds, mode=mode
    )
    canvas, view = Canvas(width, height, look.ascii), below.view
    canvas.blit(0, 0, below.canvas)
    if marked is not None and canvas.width and canvas.height:
        canvas.restyle_where(below.filled(np.asarray(marked, bool)), **_tint(look))
    aim = None if cursor is None else view.cells(xy[[cursor]])[0].tolist()
    missing = _draw_stars(canvas, view, xy, stars, classes, look, aim)
    if aim is not None:
        canvas.put(aim[0], aim[1], look.marks.aim, look.cursor)
    return Scatter(canvas, view, below.undefined, below.outside, missing)


class _Shown(NamedTuple):
    """The visible points: their cells, dots, classes and values."""

    view: View
    cells: NDArray[np.int32]
    columns: NDArray[np.int32]
    rows: NDArray[np.int32]
    classes: NDArray[np.int32] | None
    values: NDArray[np.float64] | None
    scale: Scale

    @classmethod
    def of(
        cls,
        view: View,
        dots: Dots,
        classes: NDArray[np.integer] | None,
        values: Floats | None,
        scale: Scale | None,
    ) -> _Shown:
        seen = slice(None) if dots.visible.all() else dots.visible
        columns, rows = dots.columns[seen], dots.rows[seen]
        return cls(
            view,
            (rows // 4) * view.width + columns // 2,
            columns,
            rows,
            None if classes is None else np.asarray(classes, np.int32)[seen],
            None if values is None else np.asarray(values, np.float64)[seen],
            scale or Scale.of([] if values is None else values),
        )

    @property
    def size(self) -> int:
        return self.view.width * self.view.height


def _tint(look: Look) -> dict[str, object]:
    """Return what `Canvas.restyle` changes for a marked cell."""
    return {"bg": look.marked.bg} if look.marked.bg else {"reverse": True}


def _edges(densest: int) -> tuple[int, ...]:
    """Return the least counts of the shades: equal steps of the logarithm, without empty ones."""
    steps = len(_SHADES)
    found = {math.ceil(max(densest, 1) ** (step / steps) - 1e-9) for step in range(steps)}
    return tuple(sorted(found))


def density_signs(look: Look, edges: Sequence[int], plain: bool) -> list[tuple[str, Ink]]:
    """Return how each shade of a map is drawn that shows how many points a cell holds.

    Args:
        look: The terminal's look.
        edges: Least points of each shade (see `Ground`).
        plain: All points are alike. If they are not, and there are no colours to tell them apart,
            their glyphs do, in as many strengths as there are shades.
    """
    if look.depth == "none" and not plain:
        sign = "$" if look.ascii else "#"  # no class's glyph
        return [(sign, how) for how in _STRENGTHS[-len(edges) :]]
    return [(sign, PLAIN) for sign in (_SHADES_ASCII if look.ascii else _SHADES)[-len(edges) :]]


def _glyph_inks(shown: _Shown, look: Look) -> tuple[NDArray[np.int64], list[Ink], NDArray[np.str_]]:
    """Return the place of each cell's ink (flat), the inks, and the glyph of each cell (flat)."""
    if shown.values is not None:
        means = _means(shown.cells, shown.values, shown.size)
        strokes = look.strokes(shown.scale.diverging)
        place = shown.scale.steps(means, len(strokes)).astype(np.int64)
        tenths = np.array([*"0123456789", look.marks.undefined])
        inks, glyphs = [*strokes, look.muted], tenths[shown.scale.steps(means, 10)]
    elif shown.classes is None:
        place = np.zeros(shown.size, np.int64)
        inks, glyphs = [look.text, look.muted], np.full(shown.size, look.marks.unknown)
    else:
        place = _majority(shown.cells, shown.classes, shown.size)
        known = range(int(shown.classes.max(initial=-1)) + 1)
        inks = [Ink(fg=look.category(index)[0]) for index in (*known, -1)]
        glyphs = np.array([*(look.category(index)[1] for index in known), "?"])[place]
    return np.where(place < 0, len(inks) - 1, place), inks, glyphs


def _draw_points(
    canvas: Canvas,
    shown: _Shown,
    look: Look,
    mode: Mode,
    counts: NDArray[np.int64],
    edges: Sequence[int],
    plain: bool,
) -> None:
    """Draw the points as dots, shades or glyphs."""
    shape = counts.shape
    place, inks, glyphs = _glyph_inks(shown, look)
    place, glyphs = place.reshape(shape), glyphs.reshape(shape)
    if mode == "density":
        signs = density_signs(look, edges, plain)
        level = np.maximum(np.searchsorted(edges, counts, side="right") - 1, 0)
        chars = np.array([sign for sign, _ in signs])[level]
        if look.depth == "none" and not plain:
            chars, place = glyphs, place * len(signs) + level
            inks = [how for _ in inks for _, how in signs]
    elif mode == "glyphs" and not plain:
        chars = glyphs
    elif look.ascii:
        chars = _DENSITY[np.minimum(np.log2(np.maximum(counts, 1)), 4).astype(np.int64)]
    else:
        chars = _BRAILLE[_braille(shown.columns, shown.rows, shown.view)]
    filled = counts > 0
    canvas.paint(0, 0, np.where(filled, chars, " "), _spread(place, filled), inks)


def rectangle(canvas: Canvas, look: Look, left: int, x: int, y: int, w: int, h: int) -> None:
    """Draw the edges of a rectangle: reversed, or as lines where marked points are reversed.

    Args:
        canvas: The picture of the map.
        look: The terminal's look.
        left: Column where the map begins on the canvas.
        x, y, w, h: Its left upper cell on the map, and its size in cells.
    """
    x += left
    edges = [(x, y, w, 1), (x, y + h - 1, w, 1), (x, y, 1, h), (x + w - 1, y, 1, h)]
    if look.marked.bg:
        for edge in edges:
            canvas.restyle(*edge, reverse=True)
        return
    for row in range(y, y + h):
        for column in (x, x + w - 1):
            canvas.put(column, row, look.marks.vertical, look.accent)
    for row in (y, y + h - 1):
        canvas.put(x, row, look.marks.horizontal * w, look.accent)
        for column in (x, x + w - 1):
            canvas.put(column, row, "+", look.accent)


def _label_places(x: int, y: int, size: int, width: int, height: int) -> list[tuple[int, int]]:
    """Return where a label may stand beside its star, the best first; all are inside."""
    places = []
    for dy in (0, -1, 1, -2, 2, -3, 3):
        columns = (x + 1, x - size) if dy == 0 else (x, x + 1, x - size + 1, x - size)
        places += [(column, y + dy) for column in columns]
    return [(c, r) for c, r in places if c >= 0 and c + size <= width and 0 <= r < height]


def _draw_stars(
    canvas: Canvas,
    view: View,
    xy: Floats,
    stars: Sequence[Star],
    classes: NDArray[np.integer] | None,
    look: Look,
    aim: Sequence[int] | None = None,
) -> int:
    """Draw the stars and their labels; return for how many labels there was no room.

    A label never covers a star, another label, or the cell under the cursor (``aim``). It has the
    colour of its point's class; where colours are few, the glyph of the class follows it.
    """
    taken = np.zeros((view.height, view.width), dtype=bool)
    places = view.cells(xy[[star.point for star in stars]]) if stars else np.zeros((0, 2), int)
    seen = [(star, *place) for star, place in zip(stars, places.tolist(), strict=True)]
    seen = [(star, x, y) for star, x, y in seen if x >= 0]
    for star, x, y in reversed(seen):  # the most important one is seen where several share a cell
        canvas.put(x, y, star.sign or look.marks.star, look.star)
        taken[y, x] = True
    if aim is not None and aim[0] >= 0:
        taken[aim[1], aim[0]] = True
    missing = 0
    for star, x, y in seen:
        kind = -1 if classes is None else int(classes[star.point])
        colour, glyph = look.category(kind)
        text = texts.clean(star.label, look.ascii)
        if classes is not None and look.depth in ("none", "16") and text:
            text += glyph
        if text:
            text = texts.cut(text, max(view.width // 3, 4), look.marks.ellipsis)
            ink = look.star._replace(fg=star.fg or (colour if kind >= 0 else look.star.fg))
            missing += not _put_label(canvas, taken, (x, y), text, ink)
    return missing


def _put_label(
    canvas: Canvas, taken: NDArray[np.bool_], star: tuple[int, int], text: str, ink: Ink
) -> bool:
    """Write a label where nothing is taken yet, beside its star; whether there was room."""
    (x, y), size, (height, width) = star, texts.width(text), taken.shape
    free = (
        (column, row)
        for column, row in _label_places(x, y, size, width, height)
        if not taken[row, _span(column, size, x)].any()
    )
    column, row = next(free, (-1, -1))
    if column < 0:
        return False
    canvas.put(column, row, text, ink)
    taken[row, _span(column, size, x)] = True
    return True


def _span(column: int, size: int, star: int) -> slice:
    """Return the columns that a label needs: its own, and a blank where it does not touch its star.

    Otherwise two labels would run into one word.
    """
    left = column - (column != star + 1)
    return slice(max(left, 0), column + size + (column + size != star))
