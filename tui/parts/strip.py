"""The tokens of an example as a strip that wraps, with what is chosen and what is tagged marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .. import text
from ..pane import Context
from ..plots.canvas import Canvas, Ink
from ..views.answers import Verdict


class _Placed(NamedTuple):
    """One token in the wrapped strip: row, first column, text, number of the token."""

    row: int
    x: int
    shown: str
    token: int


class _Piece(NamedTuple):
    """A token as it is shown in the strip: its number, text, and width in cells."""

    token: int
    shown: str
    width: int


class Strip:
    """The strip of one example; it scrolls to what is chosen."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._top = 0

    def place(self, c: Context, width: int) -> int:
        """Places the tokens in rows of ``width`` cells and returns how many rows they take."""
        self._placed = _wrap(c, width)
        return self._placed[-1].row + 1 if self._placed else 0

    def hit(self, x: int, y: int) -> int | None:
        """The token in a cell of the picture."""
        for placed in self._placed:
            end = placed.x + text.width(placed.shown)
            if placed.row == y + self._top and placed.x <= x < end:
                return placed.token
        return None

    def draw(self, c: Context, width: int, rows: int) -> Canvas:
        """The rows that are in sight, of those that :meth:`place` made."""
        canvas = Canvas(width, rows, ascii_only=c.look.ascii)
        spans = chosen_spans(c)
        signs = _signs(c)
        inside = [p.row for p in self._placed if any(a <= p.token < b for a, b in spans)]
        cursor = [p.row for p in self._placed if p.token == c.selection.query]
        last = self._placed[-1].row if self._placed else 0
        wanted = cursor or inside or [0]
        self._top = 0
        if last >= rows:
            self._top = max(0, min(min(wanted), last - rows + 1))
            if max(wanted) >= self._top + rows:
                self._top = max(0, max(wanted) - rows + 1)
        for placed in self._placed:
            y = placed.row - self._top
            if 0 <= y < rows:
                self._token(c, canvas, placed, y, spans, signs)
        target = c.project.source(c.selection.example)
        start = next((p.row for p in self._placed if p.token == target), None)
        if start is not None and 0 <= start - self._top < rows:
            canvas.put(1, start - self._top, c.look.marks.right, c.look.accent)
        if self._top > 0:
            canvas.put(canvas.width - 1, 0, c.look.marks.up, c.look.accent)
        if last - self._top >= rows > 0:
            canvas.put(canvas.width - 1, rows - 1, c.look.marks.down, c.look.accent)
        return canvas

    def _token(
        self,
        c: Context,
        canvas: Canvas,
        p: _Placed,
        y: int,
        spans: list[tuple[int, int]],
        signs: dict[int, tuple[str, Ink]],
    ) -> None:
        look, s = c.look, c.selection
        number = next((i for i, (a, b) in enumerate(spans) if a <= p.token < b), None)
        ink = look.muted if c.project.tokens(s.example).special[p.token] else look.text
        end = p.x + text.width(p.shown)
        if number is not None:
            ink = Ink(fg=look.category(number)[0], bold=True)
            opening, closing = "‹›"
            if p.token == spans[number][0]:
                canvas.put(p.x - 1, y, opening, ink)
            if p.token == spans[number][1] - 1:
                end = canvas.put(end, y, closing, ink)
        sign, tagged = signs.get(p.token, ("", ink))
        if sign:
            canvas.put(end, y, sign, tagged)
        canvas.put(p.x, y, p.shown, tagged if p.token in signs and number is None else ink)
        if p.token == s.query:
            canvas.restyle(p.x, y, text.width(p.shown), 1, reverse=True)
        elif p.token == s.key:
            canvas.restyle(p.x, y, text.width(p.shown), 1, underline=True)


def chosen_spans(c: Context) -> list[tuple[int, int]]:
    """Token ranges that stand in ‹ ›: the chosen item's, else those of the chosen pair."""
    if c.project.item(c.selection) is None:
        return c.project.spans(c.selection)
    span = c.project.item_span(c.selection)
    return [] if span is None else [span]


def _signs(c: Context) -> dict[int, tuple[str, Ink]]:
    """Ink of each token of a tagged word, and the sign that stands after the word's last one."""
    look = c.look
    looks: dict[Verdict, tuple[str, Ink]] = {
        "right": (look.marks.yes, look.good._replace(bold=True)),
        "missed": (look.marks.minus, look.bad),
        "extra": ("+", look.bad),
        "other": (look.marks.no, look.bad),
        "tagged": ("*", look.star),
    }
    signs: dict[int, tuple[str, Ink]] = {}
    for tag in c.project.tags(c.project.side(c.selection.view), c.selection.example):
        sign, ink = looks[tag.verdict]
        sign = f"/{sign}" if look.ascii else sign  # there, right and wrong are letters
        signs |= dict.fromkeys(range(tag.start, tag.stop - 1), ("", ink))
        signs[tag.stop - 1] = (sign, ink)
    return signs


def _wrap(c: Context, width: int) -> list[_Placed]:
    """Places the tokens in rows of ``width`` cells; a word's pieces stay together if they fit.

    The target of an encoder-decoder begins in a row of its own, indented. Before a word there is
    a cell for a mark anyway, inside a word only where a span begins there.
    """
    target = c.project.source(c.selection.example)
    before, after = _room(c)
    placed: list[_Placed] = []
    row, left = 0, 1
    x = left
    for word in _pieces(c):
        first = word[0].token
        if first == target:
            row, left = row + (1 if placed else 0), min(3, max(1, width - 2))
            x = left
        gaps = [before.get(p.token, 0) * (p.token != first) for p in word]
        sizes = [p.width + after.get(p.token, 0) for p in word]
        if x > left and before.get(first):
            x += 1  # the blank, then the mark
        if x + sum(gaps) + sum(sizes) + 1 > width and x > left:
            row, x = row + 1, left
        for piece, gap, size in zip(word, gaps, sizes, strict=True):
            if x + gap + size + 1 > width and x > left:
                row, x = row + 1, left
            shown = piece.shown
            if piece.width > width - left - 1:
                shown = text.cut(shown, max(1, width - left - 1))
            placed.append(_Placed(row, x + gap, shown, piece.token))
            x += gap + size
        x += 1
    return placed


def _pieces(c: Context) -> list[list[_Piece]]:
    """The tokens of the example as they are shown, by word; kept, as a text may have thousands."""
    example, look = c.selection.example, c.look

    def make() -> list[list[_Piece]]:
        pieces = [text.clean(piece, look.ascii) for piece in c.project.pieces(example)]
        words = _words(c.project.tokens(example).words.tolist(), c.project.source(example))
        return [[_Piece(n, pieces[n], text.width(pieces[n])) for n in word] for word in words]

    return c.project.once(("strip", example, look.ascii), make)


def _room(c: Context) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Cells that marks need before and after tokens: the ends of spans, signs of tags."""
    before = {start: 1 for start, _ in chosen_spans(c)}
    after = {stop - 1: 1 for _, stop in chosen_spans(c)}
    for token, (sign, _) in _signs(c).items():
        after[token] = after.get(token, 0) + len(sign)
    return before, after


def _words(numbers: list[int], target: int | None) -> list[list[int]]:
    """Token numbers grouped by word; special tokens alone; a word ends where the target begins."""
    groups: list[list[int]] = []
    for token, word in enumerate(numbers):
        if groups and token != target and word >= 0 and numbers[groups[-1][0]] == word:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups
