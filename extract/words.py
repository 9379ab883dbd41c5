"""Words and the text they stand in: which characters each word has."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .fields import Fields

Range = tuple[int, int]

_MOST_TOGETHER = 4
"""Most words that are sought under one stretch of the text which is none of them."""


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
    reading is taken that leaves the fewest characters out and the fewest words unmatched (each
    word that is not found costs as much as two characters); if more than every second word would
    have to be guessed, the words are those of another text.
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
            return _Search(wanted, folded).best()
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


class _Word:
    """A word to be found in folded text; its inner white space may be wider or other there."""

    def __init__(self, word: str) -> None:
        self._folded = _fold(word)
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
        return (at, at + len(self._folded)) if text.startswith(self._folded, at) else None


_Step = tuple[int, list[Range]]  # what it costs, and the ranges of the words it places


class _Search:
    """The cheapest reading of a text as words, by Dijkstra over (word, character)."""

    def __init__(self, words: Sequence[_Word], text: str) -> None:
        self._words = words
        self._text = text

    def best(self) -> list[Range] | None:
        """Ranges of all words; None if there is no reading worth having."""
        count = len(self._words)
        highest = 2 * (count // 2) + 3
        start = (0, 0)
        costs = {start: 0}
        before: dict[tuple[int, int], tuple[tuple[int, int], list[Range]]] = {}
        queue = [(0, 0, 0)]
        while queue:
            cost, word, at = heapq.heappop(queue)
            # more words placed come first among equals, as the queue holds them negated
            state = (-word, at)
            if state[0] == count:
                return self._walk(before, state)
            if cost > costs[state] or cost > highest:
                continue
            for more, ranges in self._steps(*state):
                follows = (state[0] + len(ranges), ranges[-1][1])
                if cost + more < costs.get(follows, highest + 1):
                    costs[follows] = cost + more
                    before[follows] = (state, ranges)
                    heapq.heappush(queue, (cost + more, -follows[0], follows[1]))
        return None

    @staticmethod
    def _walk(
        before: dict[tuple[int, int], tuple[tuple[int, int], list[Range]]], state: tuple[int, int]
    ) -> list[Range]:
        found: list[Range] = []
        while state in before:
            state, ranges = before[state]
            found[:0] = ranges
        return found

    def _steps(self, word: int, at: int) -> Iterator[_Step]:
        """Ways to place the next word, or the next few: as it stands, further on, or guessed."""
        text = self._text
        if here := self._words[word].at(text, at):
            yield 0, [here]
        elif there := self._words[word].after(text, at):
            left_out = sum(not c.isspace() for c in text[at : there[0]])
            yield 1 + left_out, [there]
        while at < len(text) and text[at].isspace():
            at += 1
        end = at
        while end < len(text) and not text[end].isspace():
            end += 1
        if at == end:
            return
        for together in range(1, min(_MOST_TOGETHER, len(self._words) - word) + 1):
            yield 2 * together, [(at, end)] * together
            if word + together < len(self._words):
                follows = self._words[word + together]
                for stop in range(at + 1, end):
                    if (found := follows.at(text, stop)) and found[0] == stop:
                        torn = text[stop - 1].isalnum() and text[stop].isalnum()
                        yield 2 * together + torn, [(at, stop)] * together
