"""Choosing points: which tokens are followed through the layers (``--points``)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.encoding import Encoded
from ..errors import UsageError
from .base import NOWHERE, Range
from .words import WordRecord

SIMPLE = ("all", "first", "last", "mean")
MEAN_NOTE = "Points are means over the tokens of each text, special tokens left out."
_FORMS = {
    "all": "all",
    "first": "first",
    "last": "last",
    "mean": "mean",
    "tagged": "tagged",
    "gold": "gold",
    "sample": "sample:N",
    "regex": "regex:PATTERN",
    "words": "words:FIELD=VALUE,...",
}


@dataclass(frozen=True)
class Choice:
    """What ``--points`` says.

    Attributes:
        name: what comes before the colon.
        count: of ``sample:N``, points of the whole data set.
        pattern: of ``regex:PATTERN``.
        field, values: of ``words:FIELD=VALUE,...``.
    """

    name: str
    count: int = 0
    pattern: re.Pattern[str] | None = None
    field: str = ""
    values: frozenset[str] = frozenset()


def parse_points(text: str, task: str, allowed: Sequence[str]) -> Choice:
    """Reads the option.

    Args:
        text: what was given.
        task: name of the task, for the message.
        allowed: names that the task takes.

    Raises:
        UsageError: the task knows no such points, or what follows the colon is wrong.
    """
    name, colon, rest = text.partition(":")
    takes_more = name in ("sample", "regex", "words")
    if name not in allowed or takes_more != bool(colon):
        forms = ", ".join(_FORMS[one] for one in allowed)
        raise UsageError(f"--points {text}: the task {task} takes {forms}.")
    if name == "sample":
        if not rest.isdecimal() or not 0 < int(rest) < 10**9:
            raise UsageError(f"--points {text}: N must be a whole number of at least 1.")
        return Choice(name, count=int(rest))
    if name == "regex":
        try:
            return Choice(name, pattern=re.compile(rest))
        except re.error as error:
            raise UsageError(f"--points {text}: no regular expression ({error}).") from None
    if name == "words":
        field, equals, values = rest.partition("=")
        chosen = frozenset(value for value in values.split(",") if value)
        if not field or not equals or not chosen:
            raise UsageError(
                f"--points {text}: give a field and its values, words:upos=NOUN,PROPN."
            )
        return Choice(name, field=field, values=chosen)
    return Choice(name)


def quotas(sizes: Sequence[int], count: int, limit: int | None = None) -> list[int]:
    """How many of ``count`` points fall to each text: in proportion, and ``count`` in all.

    Args:
        sizes: of the texts, in words or characters.
        count: points of the whole data set.
        limit: texts that are taken, None for all; later ones get no points.
    """
    sizes = [size if limit is None or i < limit else 0 for i, size in enumerate(sizes)]
    total, before, sum_so_far = sum(sizes), 0, 0
    found = []
    for size in sizes:
        sum_so_far += size
        upto = count * sum_so_far // total if total else 0
        found.append(upto - before)
        before = upto
    return found


def sampled(candidates: Sequence[Range], quota: int, seed: int, name: str) -> tuple[Range, ...]:
    """At most ``quota`` of some candidates, in their order; the same for the same seed and name."""
    if quota >= len(candidates):
        return tuple(candidates)
    # a generator of the example's own, so that neither other examples nor processes matter
    chosen = random.Random(f"{seed}:{name}").sample(range(len(candidates)), quota)
    return tuple(candidates[i] for i in sorted(chosen))


def matched(choice: Choice, text: str) -> list[Range]:
    """Characters of each match of a regular expression that is not empty."""
    if choice.pattern is None:
        return []
    return [match.span() for match in choice.pattern.finditer(text) if match.end() > match.start()]


def matching_words(choice: Choice, words: WordRecord) -> list[int]:
    """Numbers of the words that ``words:`` or ``regex:`` ask for."""
    if choice.name == "regex":
        spans = matched(choice, words.sentence.text)
        return [
            number
            for number, (start, end) in enumerate(words.sentence.ranges)
            if any(low < end and start < high for low, high in spans)
        ]
    values = words.fields.get(choice.field, ())
    return [number for number, value in enumerate(values) if value in choice.values]


def points_of_text(
    choice: Choice,
    text: str,
    encoded: Encoded,
    words: WordRecord | None,
    tokens: Sequence[Range],
) -> tuple[Range, ...]:
    """The points of an example whose points depend on its text alone.

    Single tokens for ``all`` and ``sample`` (of which the caller draws), ``first`` and ``last``;
    for ``mean`` the range from the first to the last token that is not special; the range of the
    match's or the word's tokens for ``regex`` and ``words``.

    Args:
        choice: what is asked for.
        text: the example's text.
        encoded: its tokens.
        words: its words, if it has them.
        tokens: token ranges of the words.
    """
    count = len(encoded)
    if choice.name in ("first", "last", "mean"):
        own = np.flatnonzero(~encoded.special)
        inner = (int(own[0]), int(own[-1]) + 1) if len(own) else (0, count)
        ends = {"first": (0, 1), "last": (count - 1, count), "mean": inner}
        return (ends[choice.name],) if count else ()
    if choice.name == "regex":
        found = (encoded.span(*span) for span in matched(choice, text))
        return tuple(sorted({one for one in found if one is not None}))
    if choice.name == "words":
        numbers = [] if words is None else matching_words(choice, words)
        return tuple(tokens[number] for number in numbers if tokens[number] != NOWHERE)
    return tuple((at, at + 1) for at in range(count) if not encoded.special[at])


def check_found(choice: Choice, records: Sequence[tuple[str, WordRecord | None]]) -> None:
    """Whether anything in the data can become a point.

    Args:
        choice: what is asked for.
        records: text and words of each example.

    Raises:
        UsageError: nothing can, or there is no such field.
    """
    if choice.pattern is not None and not any(matched(choice, text) for text, _ in records):
        raise UsageError(
            f"--points regex:{choice.pattern.pattern}: no text of the data has a match."
        )
    if choice.name != "words":
        return
    known = [words for _, words in records if words is not None]
    names = sorted({name for words in known for name in words.fields})
    asked = f"--points words:{choice.field}={','.join(sorted(choice.values))}"
    if choice.field not in names:
        there = ", ".join(names) or "none"
        raise UsageError(
            f'{asked}: the words of the data have no field "{choice.field}"; they have: {there}.'
        )
    if not any(matching_words(choice, words) for words in known):
        raise UsageError(f"{asked}: no word of the data has such a value.")
