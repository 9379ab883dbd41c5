"""The lines around the panes: status, tabs, gists, footer. Thin; what they say is pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.message import Message

from .cells import CellsWidget

if TYPE_CHECKING:
    from ..chrome import Line


class LineWidget(CellsWidget):
    """Shows the line that ``make(width, height)`` gives, and reports clicks on its parts."""

    Maker = Callable[[int, int], "Line"]

    @dataclass
    class Pressed(Message):
        """A part of a line that stands for an action was clicked."""

        action: str

    def __init__(self, id: str) -> None:  # noqa: A002 (Textual's own name for it)
        super().__init__(id=id, classes="line")
        self._make: LineWidget.Maker | None = None
        self._line: Line | None = None

    def set_source(self, make: Maker) -> None:
        """Sets what the line says; call :meth:`update` when that may have changed."""
        self._make = make
        self.update()

    def update(self) -> None:
        """Asks for the line again and repaints what changed."""
        width, height = self.size
        if self._make is not None and self.display and width > 0 and height > 0:
            self._line = self._make(width, height)
            self.present(self._line.canvas)

    def on_resize(self) -> None:
        """Asks for the line at the new width."""
        self.update()

    def on_click(self, event: events.Click) -> None:
        """Reports the action under the pointer."""
        if self._line is not None and (action := self._line.at(event.x, event.y)):
            self.post_message(self.Pressed(action))
