"""Small tables: aligned columns, a header, a cursor row, only the visible rows looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tui import text as texts
from tui.look import Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.heatmap import scroll

__all__ = ["Cell", "Column", "Found", "Table", "table"]


class Found(NamedTuple):
    """Text with its ink, and parts of it (first character, one past the last) that stand out."""

    text: str
    ink: Ink
    parts: Sequence[tuple[int, int]]


Cell = str | tuple[str, Ink] | Found  # text, or text with its ink

_LEAST = 3  # a column of text does not shrink below this while others can


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        title: Its heading.
        align: "right" for numbers.
        flexible: It takes the room that is left, and gives way first where there is too little.
        width: Fixed width in cells; None fits what is visible.
    """

    title: str = ""
    align: Literal["left", "right"] = "left"
    flexible: bool = False
    width: int | None = None


class Table(NamedTuple):
    """A drawn table.

    Attributes:
        canvas: The picture.
        top: First row that is shown.
        rows: Number of rows that are shown.
        y: Row of the canvas where they begin.
        places: First cell and width of each column.
    """

    canvas: Canvas
    top: int
    rows: int
    y: int
    places: Sequence[tuple[int, int]] = ()

    def column(self, x: int) -> int | None:
        """Return the column at a column of cells, or None between columns."""
        found = (n for n, (start, size) in enumerate(self.places) if start <= x < start + size)
        return next(found, None)

    def hit(self, y: int) -> int | None:
        """Return the table's row at a row of the canvas, or None beside the rows."""
        return self.top + y - self.y if 0 <= y - self.y < self.rows else None


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _widths(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    room: int,
    gap: int,
    ascii_only: bool,
) -> list[int]:
    """Return the width of each column so that all fit into the room, if they can at all."""

    def widest(at: int, title: str) -> int:
        shown = (texts.clean(words, ascii_only) for words in (title, *(_text(r[at]) for r in rows)))
        return max(map(texts.width, shown))

    wanted = [
        min(widest(at, column.title), room) if column.width is None else column.width
        for at, column in enumerate(columns)
    ]
    room -= gap * max(len(columns) - 1, 0)
    flexible = [at for at, column in enumerate(columns) if column.flexible]
    if flexible and sum(wanted) < room:
        wanted[flexible[-1]] += room - sum(wanted)
    for group, least in ((flexible, _LEAST), (range(len(columns)), 1)):
        while sum(wanted) > room and group:
            largest = max(group, key=wanted.__getitem__)
            if wanted[largest] <= least:
                break
            wanted[largest] -= 1
    return wanted


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    look: Look,
    width: int,
    height: int,
    *,
    total: int | None = None,
    first: int = 0,
    cursor: int | None = None,
    top: int = 0,
    focused: bool = True,
    header: bool = True,
    gap: int = 1,
) -> Table:
    """Draw a table.

    Args:
        columns: Its columns.
        rows: Cells of each row, as text or as text with an ink. Only those that are visible are
            looked at; of a long table it is enough to give a part (see `first`).
        look: The terminal's look.
        width: Cells across.
        height: Cells down, the header included.
        total: Number of rows of the whole table; as many as are given by default.
        first: Number, in the whole table, of the first row that is given.
        cursor: The row under the cursor; it gets a mark, and is shown reversed if `focused`. With a
            cursor the first column of the canvas is kept for the mark.
        top: First row to show, as long as the cursor is visible then.
        focused: The table has the focus.
        header: Write the headings.
        gap: Cells between columns.
    """
    canvas = Canvas(width, height, look.ascii)
    total = first + len(rows) if total is None else total
    y = int(header and height > 1)
    top = scroll(top, cursor, max(height - y, 1), total)
    given = range(max(top, first), min(top + height - y, total, first + len(rows)))
    visible = [rows[at - first] for at in given]
    x = 0 if cursor is None else 1
    widths = _widths(columns, visible, width - x, gap, look.ascii)
    if y:
        titles = [(column.title, look.header) for column in columns]
        _draw_row(canvas, x, 0, columns, titles, widths, gap, look)
    for down, (at, row) in enumerate(zip(given, visible, strict=True), start=y):
        _draw_row(canvas, x, down, columns, row, widths, gap, look)
        if at == cursor:
            if focused:
                canvas.restyle(x, down, width - x, 1, fg="", bg="", dim=False, reverse=True)
            canvas.put(0, down, look.marks.cursor, look.accent)
    starts = [x + sum(widths[:at]) + gap * at for at in range(len(widths))]
    return Table(canvas, top, len(visible), y, list(zip(starts, widths, strict=True)))


def _draw_row(
    canvas: Canvas,
    x: int,
    y: int,
    columns: Sequence[Column],
    row: Sequence[Cell],
    widths: Sequence[int],
    gap: int,
    look: Look,
) -> None:
    """Write the cells of one row next to each other."""
    for column, cell, size in zip(columns, row, widths, strict=True):
        ink = look.text if isinstance(cell, str) else cell[1]
        text = texts.clean(_text(cell), look.ascii)
        canvas.put(x, y, texts.fit(text, size, column.align, look.marks.ellipsis), ink)
        for start, stop in cell.parts if isinstance(cell, Found) else ():
            before, found = (
                texts.width(texts.clean(part, look.ascii))
                for part in (cell[0][:start], cell[0][start:stop])
            )
            shown = min(found, size - before)
            canvas.restyle(x + before, y, shown, 1, fg=look.accent.fg, bold=True, underline=True)
        x += size + gap
