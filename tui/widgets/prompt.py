"""The line at the bottom that asks for text; thin, the line itself is ``tui/editing.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from textual import events

from .cells import CellsWidget

if TYPE_CHECKING:
    from ..editing import Complete, Editor, Picture
    from ..look import Look


class Question(NamedTuple):
    """What is asked.

    Attributes:
        label: what the text is for, in a word or two; texts are remembered by it.
        done: takes the text; raises ``Refused`` if it can't be used.
        complete: how a text can go on.
    """

    label: str
    done: Callable[[str], None]
    complete: Complete | None = None


class Prompt(CellsWidget):
    """Asks one question at a time, above the footer; what is wrong stands above the text.

    It lies over the panes, which keep their places; the main screen hands it every key.
    """

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.question: Question | None = None
        self.display = False
        self._editor: Editor | None = None
        self._past: dict[str, list[str]] = {}
        self._message = ""
        self._look: Look | None = None
        self._drawn: Picture | None = None
        self._height = 1

    @property
    def text(self) -> str:
        """What is typed now; "" if nothing is asked."""
        return self._editor.text if self._editor is not None else ""

    def ask(self, question: Question, initial: str, look: Look) -> None:
        """Asks a question; ``initial`` stands there first."""
        from ..editing import Editor

        past = self._past.get(question.label, [])
        self.question, self._look, self._message = question, look, ""
        self._editor = Editor(initial, past, question.complete)
        self.display = True
        self._draw()

    def close(self) -> None:
        """Takes the question away."""
        self.question = self._editor = None
        self._height = 1
        self.display = False

    def refuse(self, message: str, place: int | None = None) -> None:
        """Says what is wrong with the text, which stays; the cursor goes where that is."""
        if self._editor is not None:
            if place is not None:
                self._editor.place(place)
            self._message = message
            self._draw()

    def press(self, event: events.Key) -> None:
        """Takes a key: enter and escape end the question, the others edit the text."""
        if self._editor is None or self.question is None:
            return
        if event.key == "enter":
            self._enter(self.question, self._editor.text)
        elif event.key in ("escape", "ctrl+c") or (event.key == "backspace" and not self.text):
            self.close()
        else:
            editor = self._editor
            self._edit(lambda: editor.press(event.key, event.character))

    def _enter(self, question: Question, text: str) -> None:
        """Hands the text over; if it was taken, the question is done, unless the next is asked."""
        from ..refusal import Refused
        from ..views.answers import TROUBLE

        try:
            question.done(text)
        except (Refused, *TROUBLE) as reason:
            self.refuse(str(reason), getattr(reason, "place", None))
            return
        past = self._past.setdefault(question.label, [])
        past[:] = [*(line for line in past if line != text), *[text] * bool(text.strip())]
        if self.question is question:
            self.close()

    def paste(self, words: str) -> None:
        """Takes text from the clipboard."""
        if self._editor is not None:
            editor = self._editor
            self._edit(lambda: editor.insert(words))

    def _edit(self, act: Callable[[], bool | None]) -> None:
        """Edits, and draws unless that was no use; files are asked how the text can go on."""
        from ..views.answers import TROUBLE

        try:
            if act() is not False:
                self._message = ""
                self._draw()
        except TROUBLE as reason:
            self.refuse(str(reason))

    def _draw(self) -> None:
        if self._editor is None or self.question is None or self._look is None:
            return
        from ..editing import picture

        width, height = self.app.size
        room = max(1, min(6, height - 2))
        label = self.question.label
        message, look = self._message, self._look
        self._drawn = picture(self._editor, label, message, look, width, room, self._height)
        if self._height != self._drawn.canvas.height:
            self._height = self._drawn.canvas.height
            self.styles.height = self._height
        self.present(self._drawn.canvas)

    def on_resize(self) -> None:
        """Draws at the new size."""
        self._draw()

    def on_click(self, event: events.Click) -> None:
        """Takes the word under the pointer, or moves the cursor."""
        event.stop()
        if self._editor is None or self._drawn is None:
            return
        for row, start, stop, option in self._drawn.hits:
            if row == event.y and start <= event.x < stop:
                self._editor.choose(option)
        if event.y == self._drawn.canvas.height - 1:
            column, first = self._drawn.typed
            self._editor.place(max(0, first + event.x - column))
        self._draw()
