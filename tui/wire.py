"""What goes over the line: only the cells that differ from what the terminal shows.

Textual sends each changed region whole, and every stretch of it with its full style and a reset.
Over a slow line that is most of the waiting. This module stands between Textual and the terminal:
it knows what every cell shows, and sends the others, with the changes of style alone.

It stays out of the way where it is not sure. What it does not understand is sent as it is, and then
it knows nothing of the screen; a stretch with characters that terminals may draw wider or narrower
than one cell is sent as it is, with the rest of its line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Wire"]


class _State(NamedTuple):
    """What the next character looks like: codes of its attributes, foreground, background."""

    on: tuple[str, ...] = ()
    fg: str = ""
    bg: str = ""


class _Row(NamedTuple):
    """What a line of the screen shows; None where that is not known."""

    chars: list[str | None]
    looks: list[_State | None]


_PLAIN: Final = _State()
_MOVE: Final = r"\x1b\[(\d+);(\d+)H"
_PIECE: Final = re.compile(
    rf"(?:{_MOVE}|\x1b\[([\d;]*)m)([^\x00-\x1f\x7f-\x9f]*)(?:\n(?=\x1b\[\d+;\d+H))?"
)
"""A change of style or a move, and the text behind it. A line's end is followed by a move."""
_FRAME: Final = re.compile(_MOVE)
_HARMLESS: Final = re.compile(
    r"(?:\x1b\[\?(?:25|1000|1002|1003|1004|1006|1015|1016|2004|2026|2048)[hl]|\x1b\[\?\d+\$p"
    r"|\x1b\[\d* q|\x1b\]52;[^\x07\x1b]*\x07|\x07)*"
)
"""What changes no cell and moves nothing: modes, questions, the shape of the cursor, the clipboard,
the bell."""
_ONE_CELL: Final = re.compile(
    "[ -~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0373\u0384-\u03ff\u0400-\u0482\u048a-\u052f"
    "\u2010-\u2027\u2030-\u205e\u2100-\u2121\u2123-\u2138\u2150-\u22ff\u2500-\u25fc"
    "\u2605\u2606\u2713\u2717\u2718\u2800-\u28ff]+"
)
"""Characters that all terminals draw in one cell: letters, lines, blocks, braille."""
_OFF: Final = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27"}
_OFF.update({"8": "28", "9": "29", "21": "24", "51": "54", "52": "54", "53": "55"})
_JUMP: Final = 4
"""Bytes that a jump over cells of the same line costs: "ESC [ 5 C"."""
_SHORT: Final = 2
"""A stretch of so few cells is sent whole."""


class Wire:
    """One terminal's screen, and the way to it."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._at: tuple[int, int] | None = None

    def forget(self) -> None:
        """Nothing is known of the screen any more: all of the next frame will be sent."""
        self._rows.clear()
        self._at = None

    def passed(self, data: str) -> str:
        """What to send for what Textual wants to send.

        Args:
            data: a whole write of Textual's: a frame, which begins and ends with a move of the
                cursor and leaves no style behind, or anything else.

        Returns:
            Characters that leave the terminal with the same cells and the same place of the cursor.
        """
        if not _FRAME.match(data):
            if not _HARMLESS.fullmatch(data):
                self.forget()
            return data
        frame = _Frame(self._rows, self._at)
        sent = frame.passed(data)
        if sent is None:
            self.forget()
            return data
        self._at = frame.at
        return sent


class _Frame:
    """One frame on its way: what is sent, and the terminal's style and cursor by now.

    Attributes:
        at: line and column of the cursor; None where they are not known.
    """

    def __init__(self, rows: dict[int, _Row], at: tuple[int, int] | None) -> None:
        self._rows = rows
        self.at = at
        self._has = _PLAIN
        self._flows = False
        self._sent: list[str] = []

    def passed(self, data: str) -> str | None:
        """What to send for a frame; None if it holds something unknown."""
        y, x, end, look = 1, 1, 0, _PLAIN
        for piece in _PIECE.finditer(data):
            if piece.start() != end:
                return None
            end = piece.end()
            down, across, style, text = piece.groups()
            if down is not None:
                y, x, self._flows = int(down), int(across), False
            else:
                after = _styled(look, style)
                if after is None:
                    return None
                look = after
                if self._flows:
                    self._sent.append(f"\x1b[{style}m")
                    self._has = look
            if text:
                self._text(y, x, text, look)
                x += len(text)
        if end != len(data) or look is not _PLAIN:
            return None
        self._look(_PLAIN)
        self._move(y, x)
        return "".join(self._sent)

    def _text(self, y: int, x: int, text: str, look: _State) -> None:
        """Sends what changes of a stretch of text."""
        if self._flows:
            self._sent.append(text)
        elif _ONE_CELL.fullmatch(text):
            self._cells(y, x, text, look)
        else:  # of unsure width: sent as it is with the rest of its line, which is not known then
            chars, looks = self._row(y, x)
            # It may begin with a mark that joins the letter before, be that at the end of a line.
            del chars[max(x - 2, 0) :], looks[max(x - 2, 0) :]
            if x == 1:
                self._rows.pop(y - 1, None)
            self._write(y, x, text, look)
            self.at, self._flows = None, True

    def _cells(self, y: int, x: int, text: str, look: _State) -> None:
        """Sends those of some neighbouring cells that change."""
        chars, looks = self._row(y, x + len(text) - 1)
        start, stop = x - 1, x - 1 + len(text)
        was, looked, wanted = chars[start:stop], looks[start:stop], list(text)
        alike: list[_State | None] = [look] * len(text)
        if looked == alike:
            if was == wanted:
                return
            changed = [i for i, char in enumerate(wanted) if char != was[i]]
        else:
            changed = [
                i for i, char in enumerate(wanted) if looked[i] is not look or char != was[i]
            ]
        chars[start:stop], looks[start:stop] = wanted, alike
        first = last = changed[0]
        if len(text) <= _SHORT:
            first, last = 0, len(text) - 1
        elif len(changed) < len(text):
            for i in changed[1:]:
                if i - last > 1 and len(text[last + 1 : i].encode()) > _JUMP:
                    self._write(y, x + first, text[first : last + 1], look)
                    first = i
                last = i
        else:
            last = len(text) - 1
        self._write(y, x + first, text[first : last + 1], look)

    def _write(self, y: int, x: int, text: str, look: _State) -> None:
        self._move(y, x)
        self._look(look)
        self._sent.append(text)
        self.at = (y, x + len(text))

    def _row(self, y: int, end: int) -> _Row:
        """The cells of a line, as many as needed."""
        row = self._rows.setdefault(y, _Row([], []))
        missing = end - len(row.chars)
        if missing > 0:
            row.chars.extend([None] * missing)
            row.looks.extend([None] * missing)
        return row

    def _move(self, y: int, x: int) -> None:
        if self.at == (y, x):
            return
        if self.at is not None and self.at[0] == y and self.at[1] < x:
            step = x - self.at[1]
            self._sent.append(f"\x1b[{step}C" if step > 1 else "\x1b[C")
        else:
            self._sent.append(f"\x1b[{y};{x}H" if x > 1 else f"\x1b[{y}H")
        self.at = (y, x)

    def _look(self, look: _State) -> None:
        if look is not self._has:
            self._sent.append(_change(self._has, look))
            self._has = look


_known: dict[_State, _State] = {_PLAIN: _PLAIN}
"""One object for each state, so that equal ones are the same."""


@lru_cache(maxsize=4096)
def _styled(look: _State, codes: str) -> _State | None:
    """The state after ``ESC [ codes m``; None if a code is unknown."""
    on, fg, bg = set(look.on), look.fg, look.bg
    rest = codes.split(";")
    while rest:
        code = rest.pop(0) or "0"
        if code in ("38", "48"):
            length = {"5": 2, "2": 4}.get(rest[0] if rest else "", 99)
            if len(rest) < length:
                return None
            colour = ";".join([code, *rest[:length]])
            del rest[:length]
            fg, bg = (colour, bg) if code == "38" else (fg, colour)
        elif code == "0":
            on, fg, bg = set(), "", ""
        elif code in _OFF:
            on.add(code)
        elif code in _OFF.values():
            on = {one for one in on if _OFF[one] != code}
        elif code[:-1] in ("3", "9") and code not in ("39", "98", "99"):
            fg = code
        elif code[:-1] in ("4", "10") and code not in ("49", "108", "109"):
            bg = code
        elif code in ("39", "49"):
            fg, bg = ("", bg) if code == "39" else (fg, "")
        else:
            return None
    state = _State(tuple(sorted(on)), fg, bg)
    return _known.setdefault(state, state)


@lru_cache(maxsize=16384)
def _change(has: _State, wanted: _State) -> str:
    """The shortest way from one state to another; attributes are taken away by a reset only.

    Not every terminal knows how to take away a single one.
    """
    whole = [*wanted.on, *filter(None, (wanted.fg, wanted.bg))]
    reset = f"\x1b[{';'.join(['0', *whole]) if whole else ''}m"
    if not set(has.on) <= set(wanted.on):
        return reset
    codes = [code for code in wanted.on if code not in has.on]
    codes += [wanted.fg or "39"] * (wanted.fg != has.fg)
    codes += [wanted.bg or "49"] * (wanted.bg != has.bg)
    return min(f"\x1b[{';'.join(codes)}m", reset, key=len)
