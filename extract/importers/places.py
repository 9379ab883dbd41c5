"""Where the tokens that a table tracks stand among the tokens of an example."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from collateral.schema import Tokens

from ..data.encoding import span_tokens
from .common import Range, Unusable
from .dictionary import Entry
from .table import Row

_CLOSE = 2e-3
"""Weights that differ less are the same, stored in half precision or not."""


@dataclass(frozen=True)
class TwoSpans:
    """The spans of a pair and the rows that track their tokens.

    Attributes:
        first, second: ranges of tokens; None for a span without rows.
        rows1, rows2: rows of the table, one per token.
        ambiguous: whether the words stand at several places and one was taken by rule.
    """

    first: Range | None
    second: Range | None
    rows1: tuple[Row, ...]
    rows2: tuple[Row, ...]
    ambiguous: bool


def two_spans(
    rows: Sequence[Row], text: str, tokens: Tokens, entry: Entry | None, where: str
) -> TwoSpans:
    """Finds the two spans of a pair by the tokens that the table lists for them.

    Where a span's tokens stand at several places, ``attention_spans`` of the dictionary tell which
    are meant. Without them the two places are taken that are nearest to each other, span 1 before
    span 2 if that is possible.

    Raises:
        Unusable: no span has rows, or the tokens of one are not there.
    """
    names = [str(rows[0].values.get(name) or "") for name in ("span1", "span2")]
    groups = _groups(rows, names, where)
    places = [
        _span_places(name, group, text, tokens, where) if group else []
        for name, group in zip(names, groups, strict=True)
    ]
    rows1, rows2 = tuple(groups[0]), tuple(groups[1])
    if not places[0] or not places[1]:
        one = (places[0] or places[1])[0]
        several = len(places[0] + places[1]) > 1
        return TwoSpans(
            one if rows1 else None, one if rows2 else None, rows1, rows2, ambiguous=several
        )
    both = list(product(places[0], places[1]))
    choices = [(first, second) for first, second in both if first != second] or both
    sure = _by_attention(choices, entry) if len(choices) > 1 else choices
    first, second = min(sure or choices, key=_nearness)
    return TwoSpans(first, second, rows1, rows2, len(sure) != 1)


def token_places(rows: Sequence[Row], column: str, tokens: Tokens, where: str) -> list[Range]:
    """The token of each row by its text: the second row of the same text is at its second place.

    Raises:
        Unusable: it is not there.
    """
    seen: Counter[str] = Counter()
    made = []
    for row in rows:
        wanted = str(row.values.get(column) or "")
        found = [at for at, token in enumerate(tokens.texts) if token == wanted]
        if not found:
            raise Unusable(f"{where}, line {row.line}", f'has "{wanted}", which is not there')
        at = found[min(seen[wanted], len(found) - 1)]
        seen[wanted] += 1
        made.append((at, at + 1))
    return made


def word_places(
    rows: Sequence[Row], column: str, text: str, tokens: Tokens, tags: Sequence[str]
) -> list[Range | None]:
    """The words of each row in the text: the second row of the same words is at the second place.

    Args:
        rows: of one example.
        column: of the words.
        text: of the example.
        tokens: of the example.
        tags: one per word of the text that white space parts, or none; places that begin with a
            tagged word come first.

    Returns:
        Half-open ranges of tokens; None for words that are not there, cut off perhaps.
    """
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    tagged = {at for at, tag in zip(starts, tags, strict=False) if tag.upper().startswith("B-ASP")}
    seen: Counter[str] = Counter()
    made: list[Range | None] = []
    for row in rows:
        wanted = str(row.values.get(column) or "").lower()
        found = _matches(text, wanted)
        found = [at for at in found if at[0] in tagged] or found
        spans = [span for at in found if (span := span_tokens(tokens.offsets, tokens.special, *at))]
        spans = spans or [(at, at + 1) for at, one in enumerate(tokens.texts) if one == wanted]
        made.append(spans[min(seen[wanted], len(spans) - 1)] if spans else None)
        seen[wanted] += 1
    return made


def _span_places(
    name: str, rows: Sequence[Row], text: str, tokens: Tokens, where: str
) -> list[Range]:
    """Where the tokens that rows list stand together, else where the words of the span do."""
    wanted = [str(row.values.get("span_token") or "") for row in rows]
    found = [(at, at + len(wanted)) for at in _runs(tokens.texts, wanted)]
    if not found:
        found = [span for span in _words(text, tokens, name) if len(wanted) <= _size(span)]
    if not found:
        raise Unusable(where, f'has the span "{name}", which is not among its tokens')
    return found


def _groups(rows: Sequence[Row], names: Sequence[str], where: str) -> list[list[Row]]:
    """The rows of span 1 and of span 2; one of the two may have none."""
    if names[0] == names[1]:
        half = len(rows) // 2
        groups = [list(rows[:half]), list(rows[half:])]
    else:
        groups = [[row for row in rows if row.values.get("span") == name] for name in names]
    if not groups[0] and not groups[1]:
        raise Unusable(
            where, f'has no rows whose "span" is one of its spans, "{names[0]}" or "{names[1]}"'
        )
    return groups


def _runs(tokens: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where a run of tokens begins, at every place it stands."""
    size, run = len(wanted), tuple(wanted)
    return [at for at in range(len(tokens) - size + 1) if tuple(tokens[at : at + size]) == run]


def _words(text: str, tokens: Tokens, words: str) -> list[Range]:
    found = [span_tokens(tokens.offsets, tokens.special, *at) for at in _matches(text, words)]
    return list(dict.fromkeys(span for span in found if span is not None))


def _matches(text: str, words: str) -> list[tuple[int, int]]:
    """Where words stand in a text, whatever their case, as whole words."""
    if not words.strip():
        return []
    pattern = r"\s+".join(re.escape(part) for part in words.split())
    found = re.finditer(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)
    return [match.span() for match in found]


def _by_attention(choices: Sequence[tuple[Range, Range]], entry: Entry | None) -> list[Any]:
    """The places whose attention is that of ``attention_spans``; none if that is not known."""
    if entry is None or entry.spans is None or entry.attention is None:
        return []
    given = [np.asarray(one, dtype=np.float32) for one in entry.spans]
    fitting = []
    for first, second in choices:
        for rows, columns in ((first, second), (second, first)):
            blocks = [one[:, slice(*rows), slice(*columns)] for one in entry.attention]
            if all(
                block.shape == one.shape
                and np.allclose(np.asarray(block, np.float32), one, rtol=0, atol=_CLOSE)
                for block, one in zip(blocks, given, strict=True)
            ):
                fitting.append((first, second))
                break
    return fitting


def _nearness(spans: tuple[Range, Range]) -> tuple[bool, int, int]:
    """Sorts nearer spans first, those in order before those that are not, later ones first."""
    first, second = spans
    return first[0] > second[0], abs(second[0] - first[0]), -second[0]


def _size(span: Range) -> int:
    return span[1] - span[0]
