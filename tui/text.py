"""Text that is safe and measurable in a terminal.

Sentences and tokens come from data sets and can hold anything: escape sequences, marks that turn
the writing direction round, characters without width, emoji built from many parts. Whatever of
that reaches a terminal moves its cursor or breaks the alignment of everything to the right, so all
text passes through `clean`, and everything is measured with the same table as Textual's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from rich.cells import get_character_cell_size

__all__ = ["clean", "clusters", "cut", "end", "fit", "fitting", "many", "middle", "width"]

_MARKS_PER_BASE = (
    2  # more than two marks on one letter is decoration, and overflows into other rows
)
_VARIATION = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
_INVISIBLE_LETTERS = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
_UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Our own signs and typographic punctuation are folded in the ASCII look; letters are escaped,
# because two different words must not look the same.
_FOLDED = {
    "-": "−–─▒",
    ".": "…·░",
    "x": "×",
    "y": "✓",
    "n": "✗",
    "~": "≈",
    ">": "▸▹\u203a»",
    "<": "◂\u2039«",
    "^": "↑▲△▴",
    "v": "↓▾",
    "|": "│▐▌┊‖",
    "+": "┌┐└┘├┤┬┴┼◆",
    "*": "★☆",
    "o": "●○◇",
    "#": "■□█",
    "=": "▓━",
    '"': "“”",
    "'": "\u2018’",
}
_ASCII = str.maketrans({sign: plain for plain, signs in _FOLDED.items() for sign in signs})
_ASCII |= str.maketrans({"→": "->", "←": "<-", "±": "+/-", "≥": ">=", "≤": "<=", "≠": "!="})
_ASCII |= {0x2014: "--"}  # a dash between words is no hyphen
_ASCII |= {0x2400 + code: f"\\x{code:02x}" for code in range(0x20)}
_ASCII |= {0x2424: "\\n", 0x23CE: "\\n", 0x2423: "_", 0x2409: "\\t", 0x2421: "\\x7f"}


def _escape(code: int) -> str:
    """Return the visible escape of one code point, as Python writes it."""
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _safe(code: int) -> str:
    """Return what one code point, looked at alone, is shown as."""
    char = chr(code)
    category = unicodedata.category(char)
    if code == 0x0A:
        return "\u2424"
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code in _VARIATION:  # they choose a form of the character before them, and its width with it
        return ""
    if 0x1F1E6 <= code <= 0x1F1FF:  # halves of flags join in some terminals and not in others
        return chr(ord("A") + code - 0x1F1E6)
    if 0x1F3FB <= code <= 0x1F3FF or code in _INVISIBLE_LETTERS or category in _UNSAFE_CATEGORIES:
        return _escape(code)
    if category == "Zs" and code != 0x3000:
        return " "
    if get_character_cell_size(char) == 0 and not category.startswith("M"):
        return _escape(code)
    return char


class _SafeTable(dict[int, str]):
    """A table for `str.translate` that is filled as characters are met."""

    def __missing__(self, code: int) -> str:
        shown = self[code] = _safe(code)
        return shown


_SAFE = _SafeTable()


def _is_mark(char: str) -> bool:
    return get_character_cell_size(char) == 0


def _tie_marks(text: str) -> str:
    """Escape the combining marks that have no letter to stand on, or too many on theirs."""
    shown: list[str] = []
    room = 0
    for char in text:
        if not _is_mark(char):
            room = 0 if char == " " else _MARKS_PER_BASE
        elif room:
            room -= 1
        else:
            char = _escape(ord(char))
        shown.append(char)
    return "".join(shown)


@lru_cache(maxsize=16384)
def _clean(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    text = unicodedata.normalize("NFC", text.translate(_SAFE))
    return _tie_marks(text)


@lru_cache(maxsize=16384)
def _to_ascii(text: str) -> str:
    folded = text.translate(_ASCII)
    return "".join(char if char.isascii() else _escape(ord(char)) for char in folded)


def clean(text: str, ascii_only: bool = False) -> str:
    """Return `text` so that a terminal shows all of it and obeys none of it.

    Control characters become pictures (`␛`, `␉`, `␤`); format characters (direction overrides,
    zero-width characters, joiners), lone surrogates, private and unassigned code points, skin
    tones and marks without a letter become escapes such as `\\u200d`, so a family emoji falls into
    its members; flags become their two letters; variation selectors are dropped; every space but
    the ideographic one becomes a plain space. Letters with marks are composed (NFC).

    Args:
        text: Anything.
        ascii_only: Use ASCII only: our own signs are folded (`−` to `-`), other characters escaped.

    Returns:
        Text that `clean` leaves as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _clean(text)
    return _to_ascii(text) if ascii_only else text


def clusters(text: str) -> list[tuple[str, int]]:
    """Split clean text into what stands in one place: a character with its marks.

    Args:
        text: Text from `clean`.

    Returns:
        Pairs of cluster and its width in cells, 1 or 2.
    """
    if text.isascii():
        return [(char, 1) for char in text]
    found: list[tuple[str, int]] = []
    for char in text:
        cells = get_character_cell_size(char)
        if cells == 0 and found:
            base, base_cells = found[-1]
            found[-1] = (base + char, base_cells)
        else:
            found.append((char, cells))
    return found


def width(text: str) -> int:
    """Return how many cells `text` takes once it is clean."""
    text = clean(text)
    return len(text) if text.isascii() else _width(text)


@lru_cache(maxsize=16384)
def _width(text: str) -> int:
    return sum(map(get_character_cell_size, text))


def _most(cells: int) -> int:
    """Characters of clean text that so many cells can hold, with their marks."""
    return max(0, cells) * (1 + _MARKS_PER_BASE)


def _fits(text: str, cells: int) -> bool:
    """Whether clean text has room; a text of any length is no work."""
    return len(text) <= _most(cells) and width(text) <= cells


def cut(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return clean text of at most `cells` cells; what is cut off is marked by `ellipsis`.

    Args:
        text: Anything; it is cleaned first.
        cells: Room in cells.
        ellipsis: A one-cell mark, "." in the ASCII look.

    Returns:
        The text, possibly one cell shorter than the room where a wide character does not fit.
    """
    text = clean(text)
    if _fits(text, cells):
        return text
    if cells <= 0:
        return ""
    kept: list[str] = []
    room = cells - 1
    for cluster, taken in clusters(text[: _most(cells)]):
        if taken > room:
            break
        kept.append(cluster)
        room -= taken
    return "".join(kept) + ellipsis


def middle(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return clean text of at most `cells` cells, cut in its middle: names differ at their ends.

    Args:
        text: Anything; it is cleaned first.
        cells: Room in cells.
        ellipsis: A one-cell mark of the cut.
    """
    text = clean(text)
    if cells < 5 or _fits(text, cells):
        return cut(text, cells, ellipsis)
    start = cut(text, (cells + 1) // 2, ellipsis)
    return start + _last(text, cells - width(start))


def end(text: str, cells: int, ellipsis: str = "…") -> str:
    """Return clean text of at most `cells` cells, cut at its start.

    Args:
        text: Anything; it is cleaned first.
        cells: Room in cells.
        ellipsis: A one-cell mark of the cut.
    """
    text = clean(text)
    if _fits(text, cells):
        return text
    return ellipsis + _last(text, cells - 1) if cells > 0 else ""


def _last(text: str, room: int) -> str:
    """The last characters of clean text that there is room for."""
    kept: list[str] = []
    for cluster, taken in reversed(clusters(text[-max(1, _most(room)) :])):
        if taken > room:
            break
        kept.append(cluster)
        room -= taken
    return "".join(reversed(kept))


def fit(
    text: str, cells: int, align: Literal["left", "right"] = "left", ellipsis: str = "…"
) -> str:
    """Return clean text of exactly `cells` cells: cut at its end, or padded with spaces.

    Args:
        text: Anything; it is cleaned first.
        cells: Width of the result; a negative one counts as 0.
        align: The side the text stands on; the padding goes to the other.
        ellipsis: A one-cell mark of a cut, "." in the ASCII look.
    """
    text = cut(text, cells, ellipsis)
    padding = " " * (cells - width(text))
    return text + padding if align == "left" else padding + text


def fitting(options: Sequence[str], cells: int, ellipsis: str = "…") -> str:
    """Return the first of several ways to say the same that fits; the last one, cut, if none does.

    Args:
        options: Anything, from the fullest to the shortest.
        cells: Room in cells.
        ellipsis: A one-cell mark of a cut.
    """
    found = next((o for o in options if _fits(clean(o), cells)), options[-1])
    return cut(found, cells, ellipsis)


def behind(parts: Iterable[tuple[str, int, int]], unit: str) -> str:
    """What stands behind a curve: `300 pairs, 12 examples`; of both sides where these differ.

    Args:
        parts: of which side, how many of the unit, how many examples.
    """
    said = {
        f"{many(count, unit)}, {many(examples, 'example')}": of for of, count, examples in parts
    }
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(
        f"{of}: {many(count, unit)}, {many(examples, 'example')}" for of, count, examples in parts
    )


def many(count: int, word: str) -> str:
    """Return a count with its noun: `1 example`, `1,024 examples`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
