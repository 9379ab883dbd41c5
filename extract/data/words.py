"""Words and the text they stand in: which characters each word has."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .fields import Fields

Range = tuple[int, int]

_MOST_TOGETHER = 4
"""Most words that are sought under one stretch of the text which is none of them."""
_GUESS = 3
"""What a word costs that is not found, in characters that are left out."""
_SURE = 4
"""After so many words in a row as they stand, no other reading of what is before is sought."""
_MOST_STEPS = 400
"""Places that are looked at for each word before the text is given up."""


@dataclass(frozen=True)
class Sentence:
    """Words in their text.

    Attributes:
        text: the text.
        words: the words as the data has them.
        ranges: characters of each word, half open, none empty, their starts in order. Words that
            the text writes as one (French *au*: *à*, *le*) have the same range.
    """

    text: str
    words: tuple[str, ...]
    ranges: tuple[Range, ...]


def sentence(fields: Fields, name: str = "words") -> Sentence:
    """The words of a record in its text.

    ``ranges`` of the record (as CoNLL-U is read) are taken as they are if there is a ``text``;
    else see :func:`word_ranges`.

    Raises:
        BadRecord: there are no words, or what there is of text and ranges is of no use.
    """
    words = fields.words(name)
    text = fields.optional_string("text")
    ranges = fields.ranges("ranges", len(words), len(text)) if text is not None else None
    if text is None or ranges is None:
        text, ranges = word_ranges(words, text)
    return Sentence(text, tuple(words), tuple(ranges))


def word_ranges(words: Sequence[str], text: str | None) -> tuple[str, list[Range]]:
    """The text of some words, and the characters of each word in it.

    If the words occur in ``text`` in their order, that is the text; case and the width of white
    space within a word do not count, and a few words that differ from what is written (*will* for
    *wo* in *won't*) are found between their neighbours. Otherwise the text is the words with
    single spaces between them.

    Args:
        words: not empty.
        text: what they may occur in, None if there is no such text.

    Returns:
        The text, and half-open ranges as in :class:`Sentence`.
    """
    ranges = align(words, text) if text is not None else None
    if text is not None and ranges is not None:
        return text, ranges
    joined: list[Range] = []
    at = 0
    for word in words:
        joined.append((at, at + len(word)))
        at += len(word) + 1
    return " ".join(words), joined


def align(words: Sequence[str], text: str) -> list[Range] | None:
    """Characters of each word in a text; None if they do not occur in it.

    Words that follow each other with nothing but white space between are found at once. Else the
    reading is taken that leaves the fewest characters out and the fewest words unmatched. If more
    than about every second word would have to be guessed, each word must occur as a whole.
    """
    if not words or not all(words):
        return None
    folded = _fold(text)
    wanted = [_Word(word) for word in words]
    exact: list[Range] = []
    at = 0
    for word in wanted:
        found = word.at(folded, at)
        if found is None:
            return _Search(wanted, folded).best() or _scattered(wanted, folded)
        exact.append(found)
        at = found[1]
    return exact


def split_surface(surface: Range, text: str, words: Sequence[str]) -> list[Range]:
    """Ranges of the words that a stretch of text writes as one.

    Each word has its own characters if they make up the whole (*don't*: *do*, *n't*), else all of
    them have the whole stretch (*au*: *à*, *le*).
    """
    start, end = surface
    if _fold("".join(words)) != _fold(text[start:end]):
        return [surface] * len(words)
    ranges = []
    for word in words:
        ranges.append((start, start + len(word)))
        start += len(word)
    return ranges


def _fold(text: str) -> str:
    """Lower case where that does not change the number of characters."""
    if text.isascii():
        return text.lower()
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


_TREEBANK = {
    **{"``": ('"', "“", "«"), "''": ('"', "”", "»"), "-lrb-": ("(",), "-rrb-": (")",)},
    **{"-lsb-": ("[",), "-rsb-": ("]",), "-lcb-": ("{",), "-rcb-": ("}",)},
}
"""How the Penn Treebank writes quotes and brackets, and what the text has."""


class _Word:
    """A word to be found in folded text; its inner white space may be wider or other there."""

    def __init__(self, word: str) -> None:
        self._folded = _fold(word)
        self._signs = _TREEBANK.get(self._folded, ())
        self.letters = any(c.isalnum() for c in word)
        parts = word.split()
        self._pattern: re.Pattern[str] | None = None
        if len(parts) > 1:
            self._pattern = re.compile(r"\s+".join(re.escape(_fold(part)) for part in parts))

    def at(self, text: str, at: int) -> Range | None:
        """Its characters if it stands at ``at``, or behind white space there."""
        if found := self._exactly(text, at):
            return found
        while at < len(text) and text[at].isspace():
            at += 1
        return self._exactly(text, at)

    def after(self, text: str, at: int) -> Range | None:
        """Its characters where it next occurs."""
        if self._pattern:
            match = self._pattern.search(text, at)
            return match.span() if match else None
        start = text.find(self._folded, at)
        return (start, start + len(self._folded)) if start >= 0 else None

    def _exactly(self, text: str, at: int) -> Range | None:
        if self._pattern:
            match = self._pattern.match(text, at)
            return match.span() if match else None
        if text.startswith(self._folded, at):
            return at, at + len(self._folded)
        return (at, at + 1) if text.startswith(self._signs, at) else None


_Place = tuple[int, int]  # words that are placed, and the character they end at


class _Search:
    """The cheapest reading of a text as words, by Dijkstra over (word, character)."""

    def __init__(self, words: Sequence[_Word], text: str) -> None:
        self._words = words
        self._text = text

    def best(self) -> list[Range] | None:
        """Ranges of all words; None if there is no reading worth having."""
        count = len(self._words)
        highest = _GUESS * (count // 2) + _GUESS - 1
        costs = {(0, 0): 0}
        before: dict[_Place, tuple[_Place, list[Range]]] = {}
        runs = {(0, 0): 0}
        queue = [(0, 0, 0)]
        for _ in range(_MOST_STEPS * count):
            if not queue:
                return None
            # of equal costs the one that has placed most words comes first: they are negated
            cost, placed, at = heapq.heappop(queue)
            place = (-placed, at)
            if place[0] == count:
                return self._walk(before, place)
            if cost > costs[place]:
                continue
            if runs[place] == _SURE:
                queue.clear()
            for more, ranges in self._steps(*place):
                follows = (place[0] + len(ranges), ranges[-1][1])
                if follows[0] == count:
                    more += self._left_out(follows[1], len(self._text))
                if cost + more < costs.get(follows, highest + 1):
                    costs[follows] = cost + more
                    runs[follows] = 0 if more else runs[place] + 1
                    before[follows] = (place, ranges)
                    heapq.heappush(queue, (cost + more, -follows[0], follows[1]))
        return None

    @staticmethod
    def _walk(before: Mapping[_Place, tuple[_Place, list[Range]]], place: _Place) -> list[Range]:
        found: list[Range] = []
        while place in before:
            place, ranges = before[place]
            found[:0] = ranges
        return found

    def _steps(self, word: int, at: int) -> Iterator[tuple[int, list[Range]]]:
        """Ways to place the next word or words: as it stands, further on, or guessed.

        Yields:
            What it costs, and the ranges of the words that it places.
        """
        text = self._text
        if here := self._words[word].at(text, at):
            yield 0, [here]
        elif there := self._words[word].after(text, at):
            yield self._left_out(at, there[0]) + self._torn(there[0]), [there]
        while at < len(text) and text[at].isspace():
            at += 1
        end = at
        while end < len(text) and not text[end].isspace():
            end += 1
        if at == end:
            return
        for together in range(1, min(_MOST_TOGETHER, len(self._words) - word) + 1):
            guessed = self._words[word : word + together]
            yield self._guess(guessed, at, end), [(at, end)] * together
            if word + together < len(self._words):
                follows = self._words[word + together]
                for stop in range(at + 1, end):
                    if (found := follows.at(text, stop)) and found[0] == stop:
                        yield self._guess(guessed, at, stop), [(at, stop)] * together

    def _left_out(self, start: int, end: int) -> int:
        """What it costs that a stretch of text belongs to no word."""
        visible = sum(not c.isspace() for c in self._text[start:end])
        return 1 + visible if visible else 0

    def _guess(self, words: Sequence[_Word], start: int, end: int) -> int:
        """What it costs to take a stretch of text for words that are not written so."""
        letters = any(c.isalnum() for c in self._text[start:end])
        other = letters != any(word.letters for word in words)
        return _GUESS * len(words) + self._torn(start) + self._torn(end) + other

    def _torn(self, at: int) -> bool:
        """Whether letters or digits stand on both sides of a place."""
        text = self._text
        return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


def _scattered(words: Sequence[_Word], text: str) -> list[Range] | None:
    """The words where each next occurs as a whole, whatever stands between."""
    found: list[Range] = []
    at = 0
    for word in words:
        place = word.after(text, at)
        while place and not _is_whole(text, place):
            place = word.after(text, place[0] + 1)
        if place is None:
            return None
        found.append(place)
        at = place[1]
    return found


def _is_whole(text: str, place: Range) -> bool:
    start, end = place
    before, behind = text[start - 1 : start], text[end : end + 1]
    return not (
        (before.isalnum() and text[start].isalnum())
        or (behind.isalnum() and text[end - 1].isalnum())
    )
