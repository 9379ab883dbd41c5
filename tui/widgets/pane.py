"""The thin widget around every pane: keys and mouse in, a picture out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events, work
from textual.message import Message
from textual.strip import Strip

from ..actions import PANE_TITLES, PANES, PaneName
from ..frame import frame_row
from .cells import CellsWidget

if TYPE_CHECKING:
    from ..pane import Context, Pane
    from ..plots.canvas import Canvas
    from ..state import Selection


Wish = Callable[["Pane", "Context"], "Selection | None"]
"""What a key or the mouse asks of a pane: its next selection, None if it has nothing to say."""


class PaneWidget(CellsWidget):
    """One of the six panes. It draws when it is visible, and posts what it would like selected.

    It is no focusable widget of Textual, which repaints the whole screen when the focus moves: the
    main screen knows which pane is active, and the context says so. It draws its frame itself, for
    the same reason: a border whose title changes is repainted with all that it frames.
    """

    @dataclass
    class Asked(Message):
        """The mouse asks for something in a pane; the screen grants it."""

        widget: PaneWidget
        wish: Wish

    def __init__(self, pane_name: PaneName) -> None:
        super().__init__(id=f"pane-{pane_name}", classes="pane")
        self.pane_name = pane_name
        self.pane: Pane | None = None
        self.pane_title = ""
        self.ascii_only = False
        self._seen: Context | None = None
        self._picture: Canvas | None = None
        self._preparing = False
        self._pressed: tuple[int, int] | None = None  # where the mouse button went down
        self._dragged: tuple[int, int] | None = None  # where it is by now, if it moved

    def attach(self, pane: Pane) -> None:
        """Gives the widget the pane that it shows."""
        self.pane = pane

    def show(self, context: Context) -> None:
        """Draws the pane for a context, now or when it becomes visible."""
        self._seen = context
        self._paint()

    def keep(self, context: Context) -> None:
        """Takes a context that changes nothing in the picture."""
        self._seen = context

    def _paint(self) -> None:
        context, pane = self._seen, self.pane
        if context is None or pane is None:
            return
        if not self._ready(pane, context):  # also while hidden: another pane may show its gist
            if not self._preparing:  # one at a time: the next is started when it is done
                self._preparing = True
                self._prepare(pane, context)
            self._frame("computing...")
            return
        width, height = self.size
        if not self.display or width < 3 or height < 3:
            return
        from ..pane import say
        from ..plots.canvas import Canvas
        from ..views.answers import TROUBLE

        try:
            self._picture = pane.draw(context, width - 2, height - 2)
            self.pane_title = pane.title(context)  # after it: a title may say what was drawn
        except TROUBLE as reason:
            self._picture = Canvas(width - 2, height - 2, ascii_only=context.look.ascii)
            say(self._picture, context.look, str(reason))
            self.pane_title = context.project.short(context.selection.view)
        self._frame()

    @staticmethod
    def _ready(pane: Pane, context: Context) -> bool:
        """Whether the pane can be drawn; also where its file can't be read, which drawing says."""
        from ..views.answers import TROUBLE

        try:
            return pane.ready(context)
        except TROUBLE:
            return True

    def _frame(self, note: str = "") -> None:
        """Shows the picture in its frame, whose upper edge is bright if the keys go here."""
        context, picture = self._seen, self._picture
        width, height = self.size
        if context is None or picture is None or width < 3 or height < 3 or not self.display:
            return
        from ..plots.canvas import Canvas

        look = context.look
        canvas = Canvas(width, height, ascii_only=look.ascii)
        title = self._full_title(note)
        spare = "" if context.project.two else context.project.name("A")  # the top line has it
        for y in range(height):
            # only the upper edge tells where the keys go: a bright right edge would cost the
            # whole row, as Textual crops what it sends on the right alone
            ink = look.accent if context.focused and y == 0 else look.muted
            canvas.put(0, y, frame_row(y, width, height, title, look.ascii, spare), ink)
        canvas.blit(1, 1, picture)
        self.present(canvas)

    def _full_title(self, note: str = "") -> str:
        number = PANES.index(self.pane_name) + 1
        heading = PANE_TITLES[self.pane_name]
        if self.pane is not None and self._seen is not None:
            from ..views.answers import TROUBLE

            with contextlib.suppress(*TROUBLE):  # the pane says it in its place
                heading = self.pane.heading(self._seen)
        parts = [f"{number} {heading}", note, self.pane_title]
        return "  ".join(part for part in parts if part)

    def render_line(self, y: int) -> Strip:
        """One row of the picture; an empty frame as long as there is none."""
        if self._picture is None:
            width, height = self.size
            row = frame_row(y, width, height, self._full_title(), self.ascii_only)
            return Strip([Segment(row, self.rich_style)], width)
        return super().render_line(y)

    @work(thread=True, group="prepare", exit_on_error=False)
    def _prepare(self, pane: Pane, context: Context) -> None:
        """Computes in a thread; meanwhile the old picture stays, and the title says so."""
        from ..views.answers import TROUBLE

        fault: Exception | None = None
        try:
            with contextlib.suppress(*TROUBLE):  # drawing says it again, where it can be read
                pane.prepare(context)
        except Exception as error:
            fault = error
        self.post_message(self.Prepared(fault))

    @dataclass
    class Prepared(Message):
        """What a picture needed has been computed; another may be wanted by now.

        Attributes:
            fault: what nobody expected, in place of it.
        """

        fault: Exception | None = None

    def on_pane_widget_prepared(self, event: PaneWidget.Prepared) -> None:
        """Draws, or computes what is wanted by now."""
        if event.fault is not None:  # else it would be tried again, without end
            raise event.fault
        self._preparing = False
        self._paint()

    # -- events -----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Draws at the new size."""
        self._paint()

    def on_show(self) -> None:
        """Draws what changed while it was hidden."""
        self._paint()

    def _cell(self, event: events.MouseEvent) -> tuple[int, int]:
        """The cell of the picture under the mouse: without the frame, which may be outside."""
        return int(event.x) - 1, int(event.y) - 1

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Remembers where a drag may begin."""
        self._dragged = None
        if event.button == 1 and self.pane is not None and self.pane.drags:
            self._pressed = self._cell(event)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drags, once the mouse has left the cell where its button went down."""
        place, start = self._cell(event), self._pressed
        if start is not None and not event.button:  # it was let go where nobody heard of it
            self._pressed = self._dragged = None
            self.release_mouse()
        elif start is not None and place != (self._dragged or start):
            self._dragged = place
            self._drag(start, place, done=False)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Ends a drag."""
        start, self._pressed = self._pressed, None
        if start is None:
            return
        self.release_mouse()
        if self._dragged is not None:
            self._drag(start, self._cell(event), done=True)

    def _drag(self, start: tuple[int, int], place: tuple[int, int], done: bool) -> None:
        self.post_message(self.Asked(self, lambda pane, c: pane.drag(c, start, place, done)))

    def on_click(self, event: events.Click) -> None:
        """Chooses the thing that was clicked; the end of a drag is no click."""
        dragged, self._dragged = self._dragged, None
        if dragged is not None:
            return
        x, y = self._cell(event)
        inside = 0 <= x < self.size.width - 2 and 0 <= y < self.size.height - 2
        self.post_message(self.Asked(self, lambda pane, c: pane.click(c, x, y) if inside else None))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel, down."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel, up."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        x, y = self._cell(event)
        self.post_message(self.Asked(self, lambda pane, c: pane.wheel(c, x, y, step)))

    def grant(self, wish: Wish, context: Context) -> Selection | None:
        """Carries out a wish for the selection as it is now.

        Returns:
            The selection that the pane asks for; None if the pane has no answer. If it is the same
            one, the pane is drawn again, as its own cursor may have moved.
        """
        if self.pane is None:
            return None
        wanted = wish(self.pane, context)
        if wanted is not None and wanted == context.selection:
            self.show(context)
        return wanted

    @property
    def page(self) -> int:
        """Rows that a page key moves by."""
        return max(1, self.size.height - 4)
