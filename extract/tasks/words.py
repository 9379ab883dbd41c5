"""Words of records, for every task whose records may have them: texts, tokens, gold parses."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.encoding import Encoded
from ..data.fields import BadRecord, Fields, Value
from ..data.words import Sentence, sentence, word_ranges
from .base import NOWHERE, Placed, Range, Words

WORD_FIELDS = ("words", "text", "ranges", "heads", "deprels")
"""Fields of a record that say where its words stand and how they depend on each other."""

_LONGEST_WORD = 40
"""Characters between white space that are taken for a word at most."""


@dataclass(frozen=True)
class WordRecord:
    """The words of a record.

    Attributes:
        sentence: the words in their text.
        heads: for each word the number of its head, -1 for the root; None without a parse.
        relations: of each word to its head; empty if unknown.
        fields: further lists of a value for each word (``upos``, ...), ``deprels`` among them.
    """

    sentence: Sentence
    heads: tuple[int, ...] | None = None
    relations: tuple[str, ...] = ()
    fields: Mapping[str, Sequence[Value]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sentence.words)

    def row(self, word: int | None) -> dict[str, Value]:
        """The further fields of one word; all None for no word."""
        return {
            name: None if word is None else values[word] for name, values in self.fields.items()
        }

    def placed(self, tokens: tuple[Range, ...]) -> Words:
        """The words as relation metrics want them."""
        return Words(tokens, self.heads, self.relations)


def read_words(fields: Fields, known: Collection[str], *, joined: bool) -> WordRecord:
    """The words of a record, with everything there is for each of them.

    Args:
        fields: the record; ``words`` is needed, ``heads``, ``deprels`` and ``text`` are not.
        known: lists that the task reads itself.
        joined: the text is the words with single spaces between, whatever ``text`` says; so
            taggers are trained, and so no token is part of two words. Else it is ``text`` if the
            words are found in it.

    Raises:
        BadRecord: something is wrong with one of them.
    """
    if joined:
        words = fields.words()
        if not any(word.strip() for word in words):
            raise BadRecord('"words" holds nothing but white space')
        text, ranges = word_ranges(words, None)
        found = Sentence(text, tuple(words), tuple(ranges))
    else:
        found = sentence(fields)
    count = len(found.words)
    heads = fields.heads("heads", count)
    relations = fields.labels("deprels", count)
    lists: dict[str, Sequence[Value]] = {}
    if relations is not None:
        lists["deprels"] = relations
    for name, values in fields.record.fields.items():
        if name in WORD_FIELDS or name in known or not isinstance(values, list):
            continue
        if len(values) == count and (simple := _simple(values)) is not None:
            lists[name] = simple
    return WordRecord(found, None if heads is None else tuple(heads), tuple(relations or ()), lists)


def word_tokens(ranges: Sequence[Range], encoded: Encoded) -> tuple[Range, ...]:
    """Half-open token range of each word; no token belongs to two words.

    A token that reaches over several words is the first one's, so that sums over words count
    every token once.

    Args:
        ranges: characters of each word, starts in order.
        encoded: the tokens.

    Returns:
        A range for each word, ``NOWHERE`` if it has no token of its own.
    """
    offsets = encoded.offsets
    at = np.flatnonzero(~encoded.special & (offsets[:, 0] < offsets[:, 1]))
    # an ordinary tokenizer's offsets rise; where they do not, neither end falls behind the others
    starts = np.minimum.accumulate(offsets[at, 0][::-1])[::-1]
    ends = np.maximum.accumulate(offsets[at, 1])
    wanted = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(ends, wanted[:, 0], side="right")
    last = np.searchsorted(starts, wanted[:, 1], side="left")
    found: list[Range] = []
    taken = 0
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        low = max(low, taken)
        if low >= high:
            found.append(NOWHERE)
            continue
        taken = high
        found.append((int(at[low]), int(at[high - 1]) + 1))
    return tuple(found)


def word_of_token(tokens: Sequence[Range]) -> dict[int, int]:
    """The number of the word that each token belongs to; tokens of no word are not in it."""
    return {at: word for word, span in enumerate(tokens) for at in range(*span)}


def written_word(text: str, start: int, end: int) -> str:
    """The word of a text around some of its characters, for texts whose words are not given.

    That is what stands between white space, without the punctuation and signs around it; those
    are words of their own. Where white space is far (Chinese, addresses of pages), it is the
    characters themselves. It depends on the text alone, so that it is the same for all models.
    """
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return ""
    low, high = start, end
    while low > 0 and not text[low - 1].isspace() and high - low <= _LONGEST_WORD:
        low -= 1
    while high < len(text) and not text[high].isspace() and high - low <= _LONGEST_WORD:
        high += 1
    if high - low > _LONGEST_WORD:
        return text[start:end]
    while low < start and _is_sign(text[low]):
        low += 1
    while high > end and _is_sign(text[high - 1]):
        high -= 1
    if all(_is_sign(character) for character in text[start:end]):
        # within a word (don't) a sign is part of it; at its edge it stands alone
        inside = low < start and high > end
        return text[low:high] if inside else text[start:end]
    return text[low:high]


def word_at(placed: Placed[Any], start: int, stop: int) -> str:
    """The word of the text around some tokens of an example; empty for special tokens."""
    offsets = placed.encoded.offsets[start:stop]
    low, high = int(offsets[:, 0].min()), int(offsets[:, 1].max())
    return written_word(placed.text, low, high) if low < high else ""


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def _simple(values: Sequence[object]) -> list[Value] | None:
    """A list of strings, numbers, booleans and nulls as columns take them; else None."""
    found: list[Value] = []
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) >= 1 << 1000:
                return None
            found.append(float(value))
        elif value is None or isinstance(value, (str, float, bool)):
            found.append(value)
        else:
            return None
    return found
