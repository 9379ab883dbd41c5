"""Spans of tagged words: BIO in its variants, read as ``conlleval`` reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

OUTSIDE = "O"

# I and M (BMES) go on; E and L (BILOU) end a span, S and U are one alone
_PREFIX = re.compile(r"([BIMELSU])(?:[-_](.+))?\Z", re.DOTALL)
_GOES_ON = frozenset("IMEL")
_OPEN = frozenset("BIM")

Span = tuple[str, int, int]
"""Type, and half-open range of words."""


def is_bio(tags: Iterable[str]) -> bool:
    """Whether tags make spans: all of them are ``O`` or such as ``B-X``, and one begins a span.

    Tags with a prefix alone (``B``, ``I``) are spans of one type without a name.
    """
    different = set(tags) - {OUTSIDE}
    found = [_PREFIX.match(tag) for tag in different]
    return bool(found) and all(found) and any(one is not None and one[1] in "BISU" for one in found)


def type_of(tag: str | None) -> str:
    """The type of a tag; empty for ``O`` and for tags without a name."""
    found = _PREFIX.match(tag) if tag else None
    return (found[2] or "") if found else ""


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence, in order.

    A span begins with B (S, U), and also with another tag that does not go on from the one before:
    after O, after the end of a span, or with another type. So it is in ``conlleval`` of the
    CoNLL-2000 shared task, which takes IOB1, IOB2 and IOBES alike.

    Args:
        tags: one per word.
    """
    found: list[Span] = []
    kind, start, is_open = "", -1, False
    for at, tag in enumerate(tags):
        match = _PREFIX.match(tag)
        prefix, name = (match[1], match[2] or "") if match else (OUTSIDE, "")
        if start >= 0 and not (is_open and prefix in _GOES_ON and name == kind):
            found.append((kind, start, at))
            start = -1
        if start < 0 and match:
            kind, start = name, at
        is_open = prefix in _OPEN
    if start >= 0:
        found.append((kind, start, len(tags)))
    return found


def f1(right: float, gold: float, found: float) -> float | None:
    """2 · right / (gold + found), the harmonic mean of precision and recall; None if all are 0."""
    return 2 * right / (gold + found) if gold + found else None
