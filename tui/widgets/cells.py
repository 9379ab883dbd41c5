"""A widget that shows a canvas and repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from ..plots.canvas import Canvas, Ink


class CellsWidget(Widget):
    """Shows the last canvas given to :meth:`present`.

    Textual sends again whatever a widget calls dirty, so the new picture is compared with the old
    one, and of each row only the runs of changed cells are refreshed.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._shown: Canvas | None = None
        self._strips: list[Strip] = []

    def present(self, canvas: Canvas) -> None:
        """Shows a canvas, normally of the widget's own size."""
        old, self._shown = self._shown, canvas
        if old is None or (old.width, old.height) != (canvas.width, canvas.height):
            self._restrip(canvas, range(canvas.height))
            self.refresh()
        elif changes := canvas.changes(old, _GAP):
            self._restrip(canvas, {y for y, _, _ in changes})
            self.refresh(*(Region(left, y, right - left, 1) for y, left, right in changes))

    def _restrip(self, canvas: Canvas, rows: Iterable[int]) -> None:
        base = self.rich_style  # put together anew each time it is asked for
        self._strips[canvas.height :] = []
        self._strips += [Strip.blank(canvas.width)] * (canvas.height - len(self._strips))
        for y in rows:
            segments = [Segment(text, _style(base, ink)) for text, ink in canvas.row(y)]
            self._strips[y] = Strip(segments, canvas.width)

    def forget(self) -> None:
        """Drops the picture, so that the next one is painted whole (theme or size changed)."""
        self._shown, self._strips = None, []
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the picture."""
        width = self.size.width
        if y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        strip = self._strips[y]
        if strip.cell_length == width:
            return strip
        return strip.adjust_cell_length(width, self.rich_style)


_GAP = 12
"""Unchanged cells between two changed ones that are sent along: moving the cursor costs as much."""


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
