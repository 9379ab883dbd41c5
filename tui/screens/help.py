"""The help screen: explains the focused pane and lists every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from ..widgets.cells import CellsWidget

if TYPE_CHECKING:
    from ..pane import Context, Pane


class HelpText(CellsWidget):
    """The help of one pane, as high as it needs at its width."""

    def __init__(self, pane: Pane, context: Context) -> None:
        super().__init__(id="help-text")
        self._about = (pane, context)

    def on_resize(self) -> None:
        """Wraps the text again."""
        from ..help import help_canvas
        from ..pane import say
        from ..plots.canvas import Canvas
        from ..views.answers import TROUBLE

        pane, context = self._about
        try:
            canvas = help_canvas(pane, context, self.size.width)
        except TROUBLE as reason:  # it tells of what is in the files, too
            canvas = Canvas(self.size.width, 10, ascii_only=context.look.ascii)
            say(canvas, context.look, str(reason))
        self.styles.height = canvas.height
        self.present(canvas)


class HelpScreen(ModalScreen[None]):
    """The help over the panes; scrolls with the arrows, closes with escape."""

    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark,enter", "close", "close", show=False),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("pagedown,space", "scroll(15)", "page down", show=False),
        Binding("pageup", "scroll(-15)", "page up", show=False),
        Binding("home", "scroll(-10000)", "top", show=False),
        Binding("end", "scroll(10000)", "bottom", show=False),
    ]

    def __init__(self, pane: Pane, context: Context) -> None:
        super().__init__()
        self._about = (pane, context)
        self.set_class(context.look.ascii, "-ascii")

    def compose(self) -> ComposeResult:
        """The text in a frame that says how to leave it."""
        with VerticalScroll(id="help") as scroll:
            scroll.can_focus = False
            scroll.border_title = "Help"
            scroll.border_subtitle = "up and down scroll, esc closes"
            yield HelpText(*self._about)

    def action_scroll(self, rows: int) -> None:
        """Scrolls by some rows."""
        self.query_one("#help", VerticalScroll).scroll_relative(y=rows, animate=False)

    def action_close(self) -> None:
        """Closes the help; a second escape finds it closed."""
        if self.app.screen is self:
            self.dismiss()
