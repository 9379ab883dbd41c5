"""Maps of points: from coordinates to braille cells in one pass, and back.

A braille cell holds 2x4 dots. All dots of a cell share a colour, so the cell takes the class that
most of its points have. The counting is one `bincount` over cell and class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tui import text as texts
from tui.look import Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.scale import Scale

__all__ = ["Bounds", "Scatter", "Star", "View", "class_legend", "nearest", "scatter", "toward"]

Floats = NDArray[np.floating]
Mode = Literal["auto", "dots", "glyphs"]

_BRAILLE = np.array([" ", *(chr(0x2800 + bits) for bits in range(1, 256))])
_DENSITY = np.array(list(".:o#@"))  # 1, 2-3, 4-7, 8-15, 16 and more points
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


def _columns(xy: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y, each contiguous: sums and comparisons along rows of two are slow."""
    pairs = np.asarray(xy).reshape(-1, 2)
    return pairs[:, 0].astype(np.float64), pairs[:, 1].astype(np.float64)


@dataclass(frozen=True)
class Bounds:
    """The rectangle of the data that is shown; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def of(cls, xy: Floats, margin: float = 0.03) -> Bounds:
        """Return the box of the finite points, wider by the same share on every side.

        Args:
            xy: [n, 2].
            margin: Share of the box's width and height that is added on each side.
        """
        x, y = _columns(xy)
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.any():
            return cls(-1.0, -1.0, 1.0, 1.0)
        x, y = x[finite], y[finite]
        low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
        size = high - low
        # Points in one place, or on one line, get room around them and stand in the middle.
        pad = np.where(size > 0, size * margin, max(float(size.max()), 1.0) / 2)
        (left, bottom), (right, top) = (low - pad).tolist(), (high + pad).tolist()
        return cls(left, bottom, right, top)


@dataclass(frozen=True)
class View:
    """Where data lie on a grid of cells.

    Attributes:
        bounds: What is shown of the data.
        width: Cells across.
        height: Cells down.
    """

    bounds: Bounds
    width: int
    height: int

    def dots(self, xy: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return dot columns [n] (0..2*width-1), dot rows [n] (0..4*height-1) and visibility [n].

        The upper and right edges belong to the last dot. For points that are not visible (outside,
        or not a number) the place means nothing.
        """
        b = self.bounds
        x, y = _columns(xy)
        visible = (x >= b.left) & (x <= b.right) & (y >= b.bottom) & (y <= b.top)
        across = np.where(visible, (x - b.left) / (b.right - b.left), 0.0)
        down = np.where(visible, (b.top - y) / (b.top - b.bottom), 0.0)
        columns = np.clip((across * (2 * self.width)).astype(np.int64), 0, 2 * self.width - 1)
        rows = np.clip((down * (4 * self.height)).astype(np.int64), 0, 4 * self.height - 1)
        return columns, rows, visible

    def cells(self, xy: Floats) -> NDArray[np.int64]:
        """Return the cell (column, row) of each point, [n, 2]; (-1, -1) where it is not visible."""
        columns, rows, visible = self.dots(xy)
        found = np.stack([columns // 2, rows // 4], axis=1)
        found[~visible] = -1
        return found

    def data(self, x: float, y: float) -> tuple[float, float]:
        """Return the data coordinates of the middle of cell (x, y)."""
        b = self.bounds
        across, down = (x + 0.5) / max(self.width, 1), (y + 0.5) / max(self.height, 1)
        return b.left + across * (b.right - b.left), b.top - down * (b.top - b.bottom)


@dataclass(frozen=True)
class Star:
    """A point that is drawn above all others, with a label.

    Attributes:
        point: Its row in the coordinates.
        label: Its text; "" for none.
    """

    point: int
    label: str = ""


@dataclass(frozen=True)
class Scatter:
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


def _braille(columns: NDArray[np.int64], rows: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """Return the braille bits of each cell, [height, width]."""
    grid = np.zeros((view.height * 4, view.width * 2), dtype=np.uint8)
    grid[rows, columns] = 1
    bits = np.zeros((view.height, view.width), dtype=np.uint8)
    for row, column in np.ndindex(4, 2):
        bits |= grid[row::4, column::2] * _BITS[row, column]
    return bits


def _majority(cells: NDArray[np.int64], classes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the most frequent class of each cell, -1 for unknown; the lower one wins a tie.

    Args:
        cells: Flat cell of each point.
        classes: Class of each point, -1 for unknown, which loses ties.
        size: Number of cells.
    """
    count = int(classes.max(initial=-1)) + 2
    shifted = np.where(classes < 0, count - 1, classes)
    votes = np.bincount(cells * count + shifted, minlength=size * count).reshape(size, count)
    found = votes.argmax(axis=1)
    return np.where(found == count - 1, -1, found)


def _means(cells: NDArray[np.int64], values: Floats, size: int) -> NDArray[np.float64]:
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
    stars: Sequence[Star] = (),
    marked: NDArray[np.bool_] | None = None,
    cursor: int | None = None,
    mode: Mode = "auto",
) -> Scatter:
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
        stars: Points drawn above the others, the most important first.
        marked: [n], points whose cells get a background.
        cursor: The point under the cursor, drawn above all.
        mode: "dots" is braille (in ASCII: density), "glyphs" shows the class of each cell by its
            glyph (values: by a digit 0-9 for tenths of the range), "auto" takes glyphs where colour
            cannot tell classes apart.
    """
    xy = np.asarray(xy).reshape(-1, 2)
    view = View(bounds or Bounds.of(xy), max(width, 1), max(height, 1))
    columns, rows, visible = view.dots(xy)
    shown = _Shown(
        view,
        columns[visible],
        rows[visible],
        np.zeros(int(visible.sum()), np.int64)
        if classes is None
        else np.asarray(classes, np.int64)[visible],
        None if values is None else np.asarray(values, np.float64)[visible],
        scale or Scale.of([] if values is None else values),
    )
    if mode == "auto":
        mode = "glyphs" if look.depth == "none" else "dots"
    canvas = Canvas(width, height, look.ascii)
    _draw_points(canvas, shown, look, mode, plain=classes is None and values is None)
    if marked is not None:
        places = np.unique(view.cells(xy[np.asarray(marked, bool)]), axis=0)
        for x, y in places[places[:, 0] >= 0].tolist():
            canvas.restyle(x, y, 1, 1, **_tint(look))
    missing = _draw_stars(canvas, view, xy, stars, classes, look)
    if cursor is not None:
        x, y = view.cells(xy[[cursor]])[0].tolist()
        canvas.put(x, y, look.marks.aim, look.cursor)
    undefined = int(np.count_nonzero(~np.isfinite(xy[~visible]).all(axis=1)))
    outside = len(xy) - int(np.count_nonzero(visible)) - undefined
    return Scatter(canvas, view, undefined, outside, missing)


@dataclass(frozen=True)
class _Shown:
    """The visible points: their dots, classes and values."""

    view: View
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    values: NDArray[np.float64] | None
    scale: Scale

    @property
    def size(self) -> int:
        return self.view.width * self.view.height

    @property
    def cells(self) -> NDArray[np.int64]:
        return (self.rows // 4) * self.view.width + self.columns // 2


def _tint(look: Look) -> dict[str, object]:
    """Return what `Canvas.restyle` changes for a marked cell."""
    return {"bg": look.marked.bg} if look.marked.bg else {"reverse": True}


def _draw_points(canvas: Canvas, shown: _Shown, look: Look, mode: Mode, plain: bool) -> None:
    """Draw the points as dots, density characters or glyphs."""
    cells, size = shown.cells, shown.size
    shape = (shown.view.height, shown.view.width)
    counts = np.bincount(cells, minlength=size).reshape(shape)
    if shown.values is not None:
        means = _means(cells, shown.values, size)
        strokes = look.strokes(shown.scale.diverging)
        inks = [*strokes, look.muted]
        place = shown.scale.steps(means, len(strokes)).astype(np.int64)
        tenths = np.array([*"0123456789", look.marks.undefined])
        glyphs = tenths[shown.scale.steps(means, 10)]
    else:
        place = _majority(cells, shown.classes, size)
        known = range(int(shown.classes.max(initial=-1)) + 1)
        inks = [Ink(fg=look.category(index)[0]) for index in known]
        inks = [look.text] if plain else inks
        inks.append(Ink(fg=look.category(-1)[0]))
        glyphs = np.array([*(look.category(index)[1] for index in known), "?"])[place]
    place = np.where(place < 0, len(inks) - 1, place)
    if mode == "glyphs" and not plain:
        chars = glyphs.reshape(shape)
    elif look.ascii:
        chars = _DENSITY[np.minimum(np.log2(np.maximum(counts, 1)), 4).astype(np.int64)]
    else:
        chars = _BRAILLE[_braille(shown.columns, shown.rows, shown.view)]
    filled = counts > 0
    ids = _spread(place.reshape(shape), filled)
    canvas.paint(0, 0, np.where(filled, chars, " "), ids, inks)


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
) -> int:
    """Draw the stars and their labels; return for how many labels there was no room.

    A label never covers a star or another label. It has the colour of its point's class; where
    colours are few, the glyph of the class follows it.
    """
    taken = np.zeros((view.height, view.width), dtype=bool)
    places = view.cells(xy[[star.point for star in stars]]) if stars else np.zeros((0, 2), int)
    seen = [(star, *place) for star, place in zip(stars, places.tolist(), strict=True)]
    seen = [(star, x, y) for star, x, y in seen if x >= 0]
    for _, x, y in seen:
        canvas.put(x, y, look.marks.star, look.star)
        taken[y, x] = True
    missing = 0
    for star, x, y in seen:
        kind = -1 if classes is None else int(classes[star.point])
        colour, glyph = look.category(kind)
        text = texts.clean(star.label, look.ascii)
        if classes is not None and look.depth in ("none", "16") and text:
            text += glyph
        if not text:
            continue
        text = texts.cut(text, max(view.width // 3, 4), look.marks.ellipsis)
        size = texts.width(text)
        free = (
            (column, row)
            for column, row in _label_places(x, y, size, view.width, view.height)
            if not taken[row, _span(column, size, x)].any()
        )
        column, row = next(free, (-1, -1))
        if column < 0:
            missing += 1
            continue
        canvas.put(column, row, text, replace(look.star, fg=colour if kind >= 0 else look.star.fg))
        taken[row, _span(column, size, x)] = True
    return missing


def _span(column: int, size: int, star: int) -> slice:
    """Return the columns that a label needs: its own, and a blank where it does not touch its star.

    Otherwise two labels would run into one word.
    """
    left = column - (column != star + 1)
    return slice(max(left, 0), column + size + (column + size != star))


def nearest(view: View, xy: Floats, x: int, y: int) -> int:
    """Return the point nearest to the middle of cell (x, y) as seen on the screen; -1 if none is.

    Args:
        view: Where data lie on the cells.
        xy: [n, 2].
        x: Column.
        y: Row.
    """
    b = view.bounds
    at = np.array(view.data(x, y))
    dots = np.array([2 * view.width / (b.right - b.left), 4 * view.height / (b.top - b.bottom)])
    squared = (((np.asarray(xy, np.float64) - at) * dots) ** 2).sum(axis=1)
    squared[~view.dots(xy)[2]] = np.inf
    return int(squared.argmin()) if squared.size and np.isfinite(squared.min()) else -1


def toward(view: View, xy: Floats, point: int, dx: int, dy: int) -> int:
    """Return the visible point that an arrow key leads to from `point`; itself if there is none.

    It is the nearest of those in the quarter of the plane that the arrow points at, as seen on the
    screen; points on the same dot are passed over.

    Args:
        view: Where data lie on the cells.
        xy: [n, 2].
        point: Row of the point the cursor is on; -1 starts from the middle.
        dx: -1 left, 1 right, else 0.
        dy: -1 up, 1 down, else 0.
    """
    columns, rows, visible = view.dots(xy)
    if point < 0 or not visible[point]:
        found = nearest(view, xy, view.width // 2, view.height // 2)
        return found if found >= 0 else point
    across, down = columns - columns[point], rows - rows[point]
    ahead, aside = across * dx + down * dy, np.abs(across * dy) + np.abs(down * dx)
    reachable = visible & (ahead > 0) & (aside <= ahead)
    if not reachable.any():
        return point
    return int(np.where(reachable, ahead**2 + aside**2, np.inf).argmin())


def class_legend(
    labels: Sequence[str],
    counts: Sequence[int],
    look: Look,
    width: int,
    *,
    unknown: int = 0,
) -> Canvas:
    """Draw glyph, name and count of each class in one row: `● coreferent 400  ■ not 508`.

    What has no room is announced as `+3`, the number of classes that are not shown.

    Args:
        labels: Names of the classes, in class order.
        counts: Points of each.
        look: The terminal's look.
        width: Cells.
        unknown: Points of unknown class; shown if there are any.
    """
    canvas = Canvas(width, 1, look.ascii)
    entries = [(index, *pair) for index, pair in enumerate(zip(labels, counts, strict=True))]
    entries += [(-1, "unknown", unknown)] if unknown else []
    x = 0
    for place, (index, label, count) in enumerate(entries):
        colour, glyph = look.category(index)
        text = f" {texts.clean(label, look.ascii)} {count:,}"
        left = len(entries) - place - 1
        room = width - (len(f"  +{left} more") if left else 0)
        if x + 1 + texts.width(text) > room:
            canvas.put(x, 0, f"+{left + 1} more", look.muted)
            break
        x = canvas.put(x, 0, glyph, Ink(fg=colour, bold=True))
        x = canvas.put(x, 0, text) + 2
    return canvas
