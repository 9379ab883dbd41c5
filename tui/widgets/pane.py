"""The thin widget around every pane: keys and mouse in, a picture out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual import events, work
from textual.content import Content
from textual.message import Message

from .. import text as texts
from ..actions import PANE_TITLES, PANES, PaneName
from .cells import CellsWidget

if TYPE_CHECKING:
    from ..pane import Context, Pane
    from ..state import Selection


Wish = Callable[["Pane", "Context"], "Selection | None"]
"""What a key or the mouse asks of a pane: its next selection, None if it has nothing to say."""


class PaneWidget(CellsWidget, can_focus=True):
    """One of the six panes. It draws when it is visible, and posts what it would like selected."""

    @dataclass
    class Asked(Message):
        """The mouse asks for something in a pane; the screen grants it."""

        widget: PaneWidget
        wish: Wish

    @dataclass
    class Focused(Message):
        """A pane received the focus."""

        pane: PaneName

    def __init__(self, pane_name: PaneName) -> None:
        super().__init__(id=f"pane-{pane_name}", classes="pane")
        self.pane_name = pane_name
        self.pane: Pane | None = None
        self._seen: Context | None = None
        self._title = self._said_title = ""
        self._preparing = False
        self._set_title("")

    def attach(self, pane: Pane) -> None:
        """Gives the widget the pane that it shows."""
        self.pane = pane

    def show(self, context: Context) -> None:
        """Draws the pane for a context, now or when it becomes visible."""
        self._seen = context
        self._paint()

    def keep(self, context: Context) -> None:
        """Takes a context that changes nothing in the picture; draws only if it has none yet."""
        self._seen = context

    @property
    def context(self) -> Context | None:
        """What is shown, with the focus as it is now."""
        if self._seen is None:
            return None
        return replace(self._seen, focused=self.has_focus)

    def _paint(self) -> None:
        context = self.context
        width, height = self.size
        if context is None or self.pane is None:
            return
        if not self.pane.ready(context):  # also while hidden: another pane may show its gist
            if not self._preparing:  # one at a time: the next is started when it is done
                self._preparing = True
                self._set_title(self._said_title, busy=True)
                self._prepare(self.pane, context)
            return
        if not self.display or width < 1 or height < 1:
            return
        from ..pane import say
        from ..plots.canvas import Canvas
        from ..project import Missing

        try:
            canvas = self.pane.draw(context, width, height)
            self._set_title(self.pane.title(context))  # after it: a title may say what was drawn
        except Missing as reason:
            canvas = Canvas(width, height, ascii_only=context.look.ascii)
            say(canvas, context.look, str(reason))
        self.present(canvas)

    @work(thread=True, group="prepare", exit_on_error=False)
    def _prepare(self, pane: Pane, context: Context) -> None:
        """Computes in a thread; meanwhile the old picture stays, and the title says so."""
        from ..project import Missing

        with contextlib.suppress(Missing):  # drawing says it again, where it can be read
            pane.prepare(context)
        self.post_message(self.Prepared())

    @dataclass
    class Prepared(Message):
        """What a picture needed has been computed; another may be wanted by now."""

    def on_pane_widget_prepared(self, event: PaneWidget.Prepared) -> None:
        """Draws, or computes what is wanted by now."""
        self._preparing = False
        self._paint()

    def _set_title(self, title: str, busy: bool = False) -> None:
        self._said_title = title
        number = PANES.index(self.pane_name) + 1
        parts = [f"{number} {PANE_TITLES[self.pane_name]}"]
        parts += ["computing..."] * busy + [title] * bool(title)
        text = "  ".join(parts)
        if self._seen is not None:
            look = self._seen.look
            room = self.outer_size.width - 6  # corners, and the blanks that Textual sets around it
            text = texts.clean(texts.cut(text, room, look.marks.ellipsis), look.ascii)
        if text != self._title:
            self._title = text
            self.border_title = Content(text)

    # -- events -----------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Draws at the new size."""
        self._paint()

    def on_show(self) -> None:
        """Draws what changed while it was hidden."""
        self._paint()

    def on_focus(self) -> None:
        """Draws the bright cursor and tells the screen."""
        self._paint()
        self.post_message(self.Focused(self.pane_name))

    def on_blur(self) -> None:
        """Draws the faint cursor."""
        self._paint()

    def on_click(self, event: events.Click) -> None:
        """Chooses the thing that was clicked."""
        offset = event.get_content_offset(self)
        if offset is not None:
            x, y = offset.x, offset.y
            self.post_message(self.Asked(self, lambda pane, c: pane.click(c, x, y)))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Moves down."""
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Moves up."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, step: int) -> None:
        event.stop()
        self.post_message(self.Asked(self, lambda pane, c: pane.move(c, 0, step)))

    def grant(self, wish: Wish, context: Context) -> Selection | None:
        """Carries out a wish for the selection as it is now.

        Returns:
            The selection that the pane asks for; None if the pane has no answer. If it is the same
            one, the pane is drawn again, as its own cursor may have moved.
        """
        if self.pane is None:
            return None
        wanted = wish(self.pane, replace(context, focused=self.has_focus))
        if wanted is not None and wanted == context.selection:
            self.show(context)
        return wanted

    @property
    def page(self) -> int:
        """Rows that a page key moves by."""
        return max(1, self.size.height - 2)
