"""What every pane is: files, selection, look and size to a canvas; no widget, no other pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .actions import PANE_TITLES, PaneName
from .commands import Refused
from .look import Look
from .plots.canvas import Canvas, Ink
from .project import Project
from .state import Selection

if TYPE_CHECKING:
    from .out.export import Data


class Context(NamedTuple):
    """All that a picture depends on, beside its size.

    Attributes:
        focused: whether keys go to this pane; its cursor is then drawn brighter.
    """

    project: Project
    selection: Selection
    look: Look
    focused: bool = False


class Pane:
    """Base of the panes. A pane keeps only where it is scrolled to, never what is selected.

    Moves and clicks return the selection they ask for; the same one means that nothing changed but
    possibly the pane's own cursor, which is drawn again.
    """

    name: ClassVar[PaneName]
    help: ClassVar[str]
    depends: ClassVar[frozenset[str]]
    """Fields of the selection that can change the picture."""
    drags: ClassVar[bool] = False
    """Whether the mouse can drag something; if not, a click may end elsewhere than it began."""

    def heading(self, c: Context) -> str:
        """The pane's name."""
        return PANE_TITLES[self.name]

    def title(self, c: Context) -> str:
        """What the pane shows, for its border."""
        raise NotImplementedError

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The picture, ``width`` by ``height`` cells.

        Raises:
            Missing: what it shows is not in the files.
        """
        raise NotImplementedError

    def ready(self, c: Context) -> bool:
        """Whether :meth:`draw` is quick; if not, :meth:`prepare` runs in a thread first."""
        return True

    def prepare(self, c: Context) -> None:
        """Computes what :meth:`draw` needs, so that drawing is quick afterwards.

        Raises:
            Missing: what it shows is not in the files.
        """

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """An arrow key (or a page, with larger steps)."""
        return c.selection

    def jump(self, c: Context, end: bool) -> Selection:
        """Home or end."""
        return self.move(c, 0, 1_000_000 if end else -1_000_000)

    def enter(self, c: Context) -> Selection:
        """Chooses what is under the pane's cursor."""
        return c.selection

    def mark(self, c: Context) -> Selection | None:
        """Marks what is under the pane's cursor; None where the pane has nothing of its own."""
        return None

    def box(self, c: Context) -> Selection | None:
        """Begins a rectangle; None if the pane has no use for one."""
        return None

    def act(self, c: Context, name: str) -> Selection | None:
        """Another action of the action table; None if the pane has no use for it."""
        return None

    def idle(self, c: Context) -> frozenset[str]:
        """Names of actions of this pane that do nothing now: the footer leaves them out."""
        return frozenset()

    def copy(self, c: Context) -> str:
        """What is copied: the value or row under the cursor, cells with tabs between.

        Raises:
            Refused: nothing is under the cursor.
        """
        raise Refused("There is nothing to copy in this pane.")

    def data(self, c: Context) -> Data:
        """The data behind the picture, in full.

        Raises:
            Refused: there is none.
        """
        raise Refused("There are no data behind this pane.")

    def back(self, c: Context) -> Selection | None:
        """Ends what the pane is in the middle of; None if there was nothing."""
        return None

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A mouse click on a cell of the picture."""
        return c.selection

    def drag(
        self, c: Context, start: tuple[int, int], place: tuple[int, int], done: bool
    ) -> Selection | None:
        """The mouse went from one cell (x, y) to another with its button down; None if nothing.

        Args:
            done: the button was let go.
        """
        return None

    def wheel(self, c: Context, x: int, y: int, step: int) -> Selection:
        """The mouse wheel was turned over a cell, down (1) or up (-1)."""
        return self.move(c, 0, step)

    def gist(self, c: Context, width: int) -> Canvas:
        """One line that says the most, for when the pane itself is not shown."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        canvas.put(0, 0, self.title(c), c.look.muted)
        return canvas


def say(canvas: Canvas, look: Look, text: str, ink: Ink | None = None) -> None:
    """Writes a sentence over the middle of a canvas, wrapped."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > max(10, canvas.width - 4) and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    top = max(0, (canvas.height - len(lines)) // 2)
    for number, line in enumerate(lines):
        canvas.put(max(0, (canvas.width - len(line)) // 2), top + number, line, ink or look.muted)
