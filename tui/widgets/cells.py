"""A widget that shows a canvas and repaints only the cells that changed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from ..plots.canvas import Canvas, Ink

Cell = tuple[str, "Ink"]


class CellsWidget(Widget):
    """Shows the last canvas given to :meth:`present`.

    Textual sends again whatever a widget calls dirty, so the new picture is compared with the old
    one, and of each row only the runs of changed cells are refreshed.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._rows: list[list[Cell]] = []
        self._strips: list[Strip] = []

    def present(self, canvas: Canvas) -> None:
        """Shows a canvas, normally of the widget's own size."""
        rows = canvas.rows()
        base = self.rich_style
        old_rows, old_strips = self._rows, self._strips
        strips = []
        regions = []
        for y, row in enumerate(rows):
            if y < len(old_rows) and old_rows[y] == row and old_strips[y].cell_length:
                strips.append(old_strips[y])
                continue
            segments = [Segment(text, _style(base, ink)) for text, ink in row]
            strips.append(Strip(segments, canvas.width))
            runs = [(0, canvas.width)]
            if y < len(old_rows):
                runs = _changed(old_rows[y], row, canvas.width)
            regions += [Region(left, y, right - left, 1) for left, right in runs]
        gone = range(len(rows), len(old_rows))
        regions += [Region(0, y, self.size.width, 1) for y in gone]
        self._rows, self._strips = rows, strips
        if regions:
            self.refresh(*regions)

    def forget(self) -> None:
        """Drops the picture, so that the next one is painted whole (theme or size changed)."""
        self._rows, self._strips = [], []
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the picture."""
        width = self.size.width
        if y < len(self._strips):
            return self._strips[y].adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)


_GAP = 12
"""Unchanged cells between two changed ones that are sent along: moving the cursor costs as much."""


def _changed(old: list[Cell], new: list[Cell], width: int) -> list[tuple[int, int]]:
    """Runs of columns that differ, first and one past the last, for rows of runs of ink."""
    one, two = _cells(old), _cells(new)
    if len(one) != len(two):
        return [(0, width)]
    runs: list[tuple[int, int]] = []
    for x, (a, b) in enumerate(zip(one, two, strict=True)):
        if a == b:
            continue
        if runs and x - runs[-1][1] < _GAP:
            runs[-1] = (runs[-1][0], x + 1)
        else:
            runs.append((x, x + 1))
    return [_whole(run, one, two) for run in runs] or [(0, width)]


def _whole(run: tuple[int, int], one: list[Cell], two: list[Cell]) -> tuple[int, int]:
    """A run widened so that it begins and ends at no half of a wide character."""
    left, right = run
    while left > 0 and (one[left][0] == "" or two[left][0] == ""):
        left -= 1
    while right < len(two) and (one[right][0] == "" or two[right][0] == ""):
        right += 1
    return left, right


def _cells(row: list[Cell]) -> list[Cell]:
    """One (character, ink) per column; a wide character is followed by an empty one."""
    from rich.cells import cell_len

    cells: list[Cell] = []
    for text, ink in row:
        if text.isascii():
            cells.extend((character, ink) for character in text)
            continue
        for character in text:
            size = cell_len(character)
            if size == 0 and cells:
                last, kept = cells[-1]
                cells[-1] = (last + character, kept)
                continue
            cells.append((character, ink))
            cells.extend([("", ink)] * (size - 1))
    return cells


@lru_cache(maxsize=4096)
def _style(base: Style, ink: Ink) -> Style:
    return base + Style(
        color=ink.fg or None,
        bgcolor=ink.bg or None,
        bold=ink.bold or None,
        dim=ink.dim or None,
        italic=ink.italic or None,
        underline=ink.underline or None,
        reverse=ink.reverse or None,
    )
