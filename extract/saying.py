"""Parts of sentences: numbers with their nouns, lists of names, what an error says."""

from __future__ import annotations

from collections.abc import Iterable


def many(count: int, what: str) -> str:
    """A number with its noun: ``1 text``, ``2,000 texts``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def agree(count: int, plural: str) -> str:
    """The verb that goes with so many things, from its form for several of them."""
    return _SINGULAR[plural] if count == 1 else plural


_SINGULAR = {"are": "is", "were": "was", "have": "has", "count": "counts", "belong": "belongs"}


def listed(names: Iterable[object], most: int = 20) -> str:
    """Names in order, the first ``most`` of them and how many more there are."""
    every = [str(name) for name in names]
    rest = len(every) - most
    shown = ", ".join(every[:most])
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without a point at its end; else its kind."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
