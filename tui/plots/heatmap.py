"""Matrices as coloured cells: the grid of heads, attention from token to token.

Only what the viewport shows is computed, so a matrix of 2048 tokens costs no more than one of 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui import text as texts
from tui.look import Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.scale import Scale, cell_texts

__all__ = ["HeatMap", "heatmap", "measure_labels", "scroll"]

_NARROW = 2  # cells of a matrix entry without numbers: about a square


def scroll(offset: int, cursor: int | None, room: int, total: int) -> int:
    """Return the offset, moved as little as needed, that shows the cursor and leaves no gap.

    Args:
        offset: First entry that was shown.
        cursor: Entry that has to be visible, or None.
        room: How many entries fit.
        total: How many there are.
    """
    if cursor is not None:
        cursor = min(max(cursor, 0), max(total - 1, 0))
        offset = min(max(offset, cursor - room + 1), cursor)
    return max(0, min(offset, total - room))


class HeatMap(NamedTuple):
    """A drawn matrix.

    Attributes:
        canvas: The picture.
        x: Column of the canvas where the entries begin.
        y: Row of the canvas where they begin.
        cell: Width of an entry in cells; its height is 1.
        top: First row of the matrix that is shown.
        left: First column of the matrix that is shown.
        rows: Number of rows that are shown.
        columns: Number of columns that are shown.
        numbers: The entries show their values.
    """

    canvas: Canvas
    x: int
    y: int
    cell: int
    top: int
    left: int
    rows: int
    columns: int
    numbers: bool

    def hit(self, x: int, y: int) -> tuple[int, int] | None:
        """Return the entry (row, column) at a cell of the canvas, or None beside the entries."""
        row, column = y - self.y, (x - self.x) // self.cell
        if 0 <= row < self.rows and 0 <= column < self.columns:
            return self.top + row, self.left + column
        return None

    def place(self, row: int, column: int) -> tuple[int, int] | None:
        """Return the first cell (x, y) of an entry on the canvas, or None if it is scrolled off."""
        down, across = row - self.top, column - self.left
        if 0 <= down < self.rows and 0 <= across < self.columns:
            return self.x + across * self.cell, self.y + down
        return None


@lru_cache(maxsize=64)
def measure_labels(labels: tuple[str, ...]) -> tuple[int, bool]:
    """Return the width of the widest label, and whether all are numbers.

    Kept, because all labels decide about the room, visible or not, and a text has thousands.
    """
    widest = max((texts.width(label) for label in labels), default=0)
    return widest, all(label.isdigit() for label in labels)


class _Plan(NamedTuple):
    """How the room is divided."""

    gutter: int
    header: int
    cell: int
    numbers: bool
    vertical: bool


def _plan(
    shape: tuple[int, int],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    number: int,
    width: int,
    height: int,
    numbers: bool | None,
) -> _Plan:
    """Divide the room between labels and entries.

    Args:
        shape: Rows and columns of the matrix.
        row_labels: All of them.
        column_labels: All of them.
        number: Width of the widest number.
        width: Cells across.
        height: Cells down.
        numbers: Write values; None if all columns then fit.
    """
    widest, _ = measure_labels(tuple(row_labels))
    gutter = min(widest, max(width // 4, 3)) + 1 if row_labels else 0
    longest, is_number = measure_labels(tuple(column_labels))
    room = width - gutter
    if numbers is None:
        numbers = shape[1] * (number + 1) <= room
    cell = _NARROW
    if numbers:
        fair = room // max(shape[1], 1)
        cell = min(max(fair, number + 1), number + 3)
    vertical = not is_number and longest >= cell
    header = min(longest, max(height // 3, 1)) if vertical else int(bool(column_labels))
    return _Plan(gutter, header, cell, numbers, vertical)


def _empty(
    plan: _Plan,
    canvas: Canvas,
    shape: tuple[int, ...],
    cursor: tuple[int, int] | None,
    first: tuple[int, int],
) -> HeatMap:
    """Return a heat map without its entries: what is in sight, and where it will stand."""
    room = max((canvas.width - plan.gutter) // plan.cell, 0), max(canvas.height - plan.header, 0)
    columns, rows = min(room[0], shape[1]), min(room[1], shape[0])
    top = scroll(first[0], cursor and cursor[0], max(rows, 1), shape[0])
    left = scroll(first[1], cursor and cursor[1], max(columns, 1), shape[1])
    return HeatMap(
        canvas, plan.gutter, plan.header, plan.cell, top, left, rows, columns, plan.numbers
    )


def heatmap(
    matrix: NDArray[np.floating],
    look: Look,
    width: int,
    height: int,
    *,
    scale: Scale | None = None,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    row_inks: Sequence[Ink] = (),
    column_inks: Sequence[Ink] = (),
    cursor: tuple[int, int] | None = None,
    top: int = 0,
    left: int = 0,
    numbers: bool | None = None,
    hundredths: bool = True,
) -> HeatMap:
    """Draw a matrix as cells that are coloured by value.

    Args:
        matrix: [rows, columns]; NaN is drawn as "?" and never as a colour.
        look: The terminal's look.
        width: Cells across.
        height: Cells down.
        scale: Range and kind of the values; the range of all values by default.
        row_labels: One for each row, or none; they stand on the left, right-aligned.
        column_labels: One for each column, or none. Numbers are written across, every second or
            third if they would touch; longer words are written downwards.
        row_inks: Ink of each row label; ordinary text by default.
        column_inks: Ink of each column label.
        cursor: Entry (row, column) that is bracketed, with its labels highlighted.
        top: First row that is shown, as long as the cursor is visible then.
        left: First column that is shown, likewise.
        numbers: Write the values into the cells; None does so if all columns then fit.
        hundredths: Write values x100 (see `tui.plots.scale.cell_texts`).

    Returns:
        The picture, with `hit` and `place` between its cells and entries.
    """
    scale = scale or Scale.of(matrix)
    ends = cell_texts(np.array([scale.lo, scale.hi]), look, scale.diverging, hundredths)
    number = max(2, *map(len, ends))
    plan = _plan(matrix.shape, row_labels, column_labels, number, width, height, numbers)
    drawn = _empty(plan, Canvas(width, height, look.ascii), matrix.shape, cursor, (top, left))
    part = matrix[drawn.top : drawn.top + drawn.rows, drawn.left : drawn.left + drawn.columns]
    if part.size:
        _draw_entries(drawn, part, scale, look, hundredths)
    _draw_row_labels(drawn, row_labels, row_inks, cursor, look)
    _draw_column_labels(drawn, column_labels, column_inks, cursor, look, plan.vertical)
    _draw_corner(drawn, matrix.shape, look)
    if cursor is not None:
        _draw_cursor(drawn, cursor, look)
    return drawn


def _draw_entries(
    drawn: HeatMap, part: NDArray[np.floating], scale: Scale, look: Look, hundredths: bool
) -> None:
    """Paint the visible entries: a drawing for each step is made once and looked up."""
    levels, cell = look.levels(scale.diverging), drawn.cell
    table = [look.heat(step, scale.diverging, cell) for step in range(-1, levels)]
    places = scale.steps(part, levels) + 1
    shape = (part.shape[0], part.shape[1] * cell)
    if drawn.numbers:
        written = cell_texts(part, look, scale.diverging, hundredths)
        room = cell - 1
        padded = [
            (text if len(text) <= room else look.marks.ellipsis).rjust(room) + " "
            for text in written
        ]
        # without colours the numbers speak for themselves, and shades would only cover them
        chars = np.array(padded, dtype=f"<U{cell}")
    else:
        chars = np.array([text for text, _ in table], dtype=f"<U{cell}")[places.ravel()]
    drawn.canvas.paint(
        drawn.x,
        drawn.y,
        chars.view("<U1").reshape(shape),
        np.repeat(places, cell, axis=1),
        [ink for _, ink in table],
    )


def _ink_of(inks: Sequence[Ink], index: int, chosen: int | None, look: Look) -> Ink:
    """Return the ink of a label: accented where the cursor is."""
    if index == chosen:
        return look.accent if look.depth != "none" else look.cursor
    return inks[index] if inks else look.text


def _draw_row_labels(
    drawn: HeatMap,
    labels: Sequence[str],
    inks: Sequence[Ink],
    cursor: tuple[int, int] | None,
    look: Look,
) -> None:
    for row in range(drawn.top, drawn.top + drawn.rows if labels else 0):
        text = texts.clean(labels[row], look.ascii)
        text = texts.fit(text, drawn.x - 1, "right", look.marks.ellipsis)
        ink = _ink_of(inks, row, cursor and cursor[0], look)
        drawn.canvas.put(0, drawn.y + row - drawn.top, text, ink)


def _draw_column_labels(
    drawn: HeatMap,
    labels: Sequence[str],
    inks: Sequence[Ink],
    cursor: tuple[int, int] | None,
    look: Look,
    vertical: bool,
) -> None:
    """Write the column labels: across, thinned out where they would touch, or downwards."""
    if not labels:
        return
    chosen = cursor[1] if cursor else -1
    widest, _ = measure_labels(tuple(labels))
    stride = 1 if vertical else -(-(widest + 1) // drawn.cell)
    aim = drawn.x + (chosen - drawn.left) * drawn.cell
    for column in range(drawn.left, drawn.left + drawn.columns):
        x = drawn.x + (column - drawn.left) * drawn.cell
        ink = _ink_of(inks, column, chosen, look)
        text = texts.clean(labels[column], look.ascii)
        if vertical:
            _put_downwards(drawn, x, text, ink, look)
        elif drawn.numbers:
            text = texts.fit(text, drawn.cell - 1, "right", look.marks.ellipsis)
            drawn.canvas.put(x, 0, text, ink)
        elif column == chosen or (column % stride == 0 and abs(x - aim) > widest):
            # the chosen column is always named, and displaces the labels that it would touch
            text = texts.cut(text, max(stride * drawn.cell - 1, 1), look.marks.ellipsis)
            drawn.canvas.put(min(x, drawn.canvas.width - texts.width(text)), 0, text, ink)


def _put_downwards(drawn: HeatMap, x: int, text: str, ink: Ink, look: Look) -> None:
    """Write a label from top to bottom, so that it ends just above its column."""
    pieces = [cluster for cluster, _ in texts.clusters(text)]
    if len(pieces) > drawn.y:
        pieces = [*pieces[: drawn.y - 1], look.marks.ellipsis]
    for down, piece in enumerate(pieces, start=drawn.y - len(pieces)):
        drawn.canvas.put(x, down, piece, ink)


def _draw_corner(drawn: HeatMap, shape: tuple[int, ...], look: Look) -> None:
    """Show in the corner in which directions there is more."""
    more = (
        (drawn.left > 0, look.marks.left),
        (drawn.top > 0, look.marks.up),
        (drawn.top + drawn.rows < shape[0], look.marks.down),
        (drawn.left + drawn.columns < shape[1], look.marks.right),
    )
    text = "".join(mark for there, mark in more if there)
    if drawn.y and drawn.x:
        drawn.canvas.put(0, drawn.y - 1, text[: drawn.x], look.muted)


def _draw_cursor(drawn: HeatMap, cursor: tuple[int, int], look: Look) -> None:
    """Bracket the entry under the cursor, without covering its number."""
    place = drawn.place(*cursor)
    if place is None:
        return
    x, y = place
    ink = drawn.canvas.ink(x, y)
    last = x + drawn.cell - 1
    if drawn.cell == _NARROW:
        drawn.canvas.put(x, y, "[]", ink)
    else:
        drawn.canvas.put(last, y, look.marks.close, ink)
        if drawn.canvas.char(x, y) == " ":
            drawn.canvas.put(x, y, look.marks.open, ink)
    drawn.canvas.restyle(x, y, drawn.cell, 1, bold=True)
    if look.depth == "none" or drawn.canvas.char(x, y) not in ("[", look.marks.open):
        drawn.canvas.restyle(x, y, drawn.cell, 1, reverse=True)
