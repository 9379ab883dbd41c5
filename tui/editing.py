"""A line that is typed: its text, its cursor, what was entered before, how words go on.

Pure: keys in, a picture out. The widget around it is ``widgets/prompt.py``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from . import text as texts
from .look import Look
from .plots.canvas import Canvas


class Completion(NamedTuple):
    """How the text before the cursor can go on.

    Attributes:
        start: where in the text the word begins that an option takes the place of.
        options: the words that could stand there, the likeliest first.
        after: what is typed behind the word if it is the only one.
        titles: what options are called elsewhere, shown beside them.
    """

    start: int = 0
    options: Sequence[str] = ()
    after: str = ""
    titles: Mapping[str, str] = MappingProxyType({})


Complete = Callable[[str], Completion]
"""From the text before the cursor to how it can go on."""


def among(words: Sequence[str]) -> Complete:
    """Completes the whole text to one of some words, whatever their case."""

    def complete(before: str) -> Completion:
        found = [word for word in words if word.casefold().startswith(before.casefold())]
        return Completion(0, [] if found == [before] else found)

    return complete


def _nothing(before: str) -> Completion:
    return Completion(len(before))


class Editor:
    """A line of text and a cursor in it.

    Attributes:
        text: what stands there now.
        cursor: the character that the next one is put before.
        offered: how the text can go on.
        chosen: the option that stands in the text now; None before tab is pressed.
    """

    def __init__(
        self, text: str = "", past: Sequence[str] = (), complete: Complete | None = None
    ) -> None:
        """Begins with a text.

        Args:
            text: what stands there first.
            past: what was entered before, oldest first.
            complete: how the text can go on; nothing is offered without it.
        """
        self._complete = complete or _nothing
        self._lines = [*past, text]
        self._line = len(past)
        self.text, self.cursor = text, len(text)
        self.offered = Completion()
        self.chosen: int | None = None
        self._offer()

    def press(self, key: str, character: str | None) -> bool:
        """Takes a key; whether it had a use for it."""
        if act := _KEYS.get(key):
            act(self)
        elif character is not None and character.isprintable():
            self.insert(character)
        else:
            return False
        return True

    def insert(self, words: str) -> None:
        """Puts words before the cursor; line ends and what can't be printed become blanks."""
        words = "".join(c if c.isprintable() else " " for c in " ".join(words.splitlines()))
        self._set(self.text[: self.cursor] + words + self.text[self.cursor :])
        self._go(self.cursor + len(words))

    def place(self, at: int) -> None:
        """Moves the cursor to a character."""
        self._go(at)

    def choose(self, option: int) -> None:
        """Puts one of the offered words where its beginning stands."""
        start, options = self.offered.start, self.offered.options
        word = options[option] + (self.offered.after if len(options) == 1 else "")
        self._set(self.text[:start] + word + self.text[self.cursor :])
        self.cursor = start + len(word)
        if len(options) == 1:
            self._offer()
        else:
            self.chosen = option

    # -- what keys do -------------------------------------------------------------------------

    def _set(self, text: str) -> None:
        self.text = text
        self._lines[self._line] = text

    def _go(self, to: int) -> None:
        self.cursor = max(0, min(to, len(self.text)))
        self._offer()

    def _offer(self) -> None:
        self.offered, self.chosen = self._complete(self.text[: self.cursor]), None

    def _step(self, step: int) -> None:
        """The next of the offered words, or the one before it."""
        count = len(self.offered.options)
        if count:
            first = 0 if step > 0 else count - 1
            self.choose(first if self.chosen is None else (self.chosen + step) % count)

    def _recall(self, step: int) -> None:
        """What was entered before, or after that."""
        self._line = max(0, min(self._line + step, len(self._lines) - 1))
        self.text = self._lines[self._line]
        self._go(len(self.text))

    def _cut(self, start: int, stop: int) -> None:
        """Takes some characters away."""
        start, stop = max(0, start), max(0, stop)
        self._set(self.text[:start] + self.text[stop:])
        self._go(start)

    def _word(self, step: int) -> int:
        """Where the word before (or behind) the cursor begins (ends)."""
        at, text = self.cursor, self.text
        for wanted in (True, False):  # first the blanks, then the word
            while (
                0 <= at + min(step, 0) < len(text) and text[at + min(step, 0)].isspace() == wanted
            ):
                at += step
        return at


_KEYS: dict[str, Callable[[Editor], None]] = {
    "left": lambda e: e._go(e.cursor - 1),
    "right": lambda e: e._go(e.cursor + 1),
    "ctrl+left": lambda e: e._go(e._word(-1)),
    "ctrl+right": lambda e: e._go(e._word(1)),
    "home": lambda e: e._go(0),
    "ctrl+a": lambda e: e._go(0),
    "end": lambda e: e._go(len(e.text)),
    "ctrl+e": lambda e: e._go(len(e.text)),
    "backspace": lambda e: e._cut(e.cursor - 1, e.cursor),
    "delete": lambda e: e._cut(e.cursor, e.cursor + 1),
    "ctrl+w": lambda e: e._cut(e._word(-1), e.cursor),
    "ctrl+u": lambda e: e._cut(0, len(e.text)),
    "ctrl+k": lambda e: e._cut(e.cursor, len(e.text)),
    "up": lambda e: e._recall(-1),
    "down": lambda e: e._recall(1),
    "tab": lambda e: e._step(1),
    "shift+tab": lambda e: e._step(-1),
}


class Picture(NamedTuple):
    """A drawn line.

    Attributes:
        canvas: the hint above it, then the line itself as the last row.
        hits: (row, first column, one past the last, number of the offered word).
        typed: column in which the text begins, and the character that stands there.
    """

    canvas: Canvas
    hits: Sequence[tuple[int, int, int, int]]
    typed: tuple[int, int]


def picture(
    editor: Editor,
    label: str,
    message: str,
    look: Look,
    width: int,
    height: int,
    least: int = 1,
) -> Picture:
    """Draws the line with its label; above it what is wrong, or else how it can go on.

    Args:
        message: what is wrong with the text; "" if nothing is known to be.
        width, height: cells that it may take; it is as high as it needs, the last row is the line.
        least: rows that it takes at least: a line that keeps its height sends less.
    """
    words = texts.clean(message, look.ascii)
    hint = textwrap.wrap(words, max(1, width - 2))[: max(0, height - 1)]
    offered = not hint and bool(editor.offered.options) and height > 1
    rows = max(len(hint) + 1, offered + 1, min(least, height))
    canvas = Canvas(width, rows, ascii_only=look.ascii)
    for y, line in enumerate(hint, start=rows - 1 - len(hint)):
        canvas.put(1, y, line, look.bad)
    hits = _options(canvas, editor, look) if offered else []
    return Picture(canvas, hits, _line(canvas, editor, label, look))


def _options(canvas: Canvas, editor: Editor, look: Look) -> list[tuple[int, int, int, int]]:
    """The words that are offered, from the one on which the chosen one can be seen."""
    options, chosen = editor.offered.options, editor.chosen
    titles = editor.offered.titles
    whole = [f"{word} ({titles[word]})" if word in titles else word for word in options]
    shown = [texts.cut(word, max(1, canvas.width - 2), look.marks.ellipsis) for word in whole]
    first = 0
    if chosen is not None:
        room = canvas.width - 2 - texts.width(shown[chosen])
        first = chosen
        while first and room >= texts.width(shown[first - 1]) + 2:
            first -= 1
            room -= texts.width(shown[first]) + 2
    hits, x, y = [], 1, canvas.height - 2
    for number in range(first, len(options)):
        size = texts.width(shown[number])
        if x + size > canvas.width - 1:
            canvas.put(canvas.width - 1, y, look.marks.ellipsis, look.muted)
            break
        ink = look.cursor if number == chosen else look.muted
        canvas.put(x, y, shown[number], ink)
        hits.append((y, x, x + size, number))
        x += size + 2
    return hits


def _line(canvas: Canvas, editor: Editor, label: str, look: Look) -> tuple[int, int]:
    """The line itself: label, text, and the cell of the cursor reversed."""
    y = canvas.height - 1
    head = texts.cut(label, max(2, canvas.width // 3), look.marks.ellipsis)
    x = canvas.put(1, y, f"{head}:", look.accent) + 1
    text, cursor = editor.text, editor.cursor
    start, room = 0, max(2, canvas.width - x - 1)

    def size(words: str) -> int:
        return texts.width(texts.clean(words, look.ascii))

    while start < cursor and size(text[start:cursor]) > room - 1:
        start += 1
    canvas.put(x, y, text[start:cursor])
    at = x + size(text[start:cursor])
    under = text[cursor : cursor + 1] or " "
    after = canvas.put(at, y, under, look.cursor)
    canvas.put(after, y, text[cursor + 1 :])
    if start:
        canvas.put(x - 1, y, look.marks.ellipsis, look.muted)
    return x, start
