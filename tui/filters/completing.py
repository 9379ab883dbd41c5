"""How a filter can go on: column names, then comparisons, then values of that column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..editing import Completion
from . import columns
from .language import Mistake, Word, quoted, words

if TYPE_CHECKING:
    from ..project import Project

_MOST = 60
"""Words that are offered at most."""

Next = Literal["column", "comparison", "value", "list", "in", "joint", "nothing"]


def complete(before: str, p: Project, slices: Iterable[str] = ()) -> Completion:
    """The words that may follow the text before the cursor.

    Args:
        slices: names of kept filters, offered as ``@name``.
    """
    stable, typed, start = _split(before)
    try:
        expected, column = _expected(stable)
        found = _options(expected, column, p, list(slices))
    except Mistake:
        return Completion(len(before))
    low = typed.lstrip("\"'").casefold()
    options = [word for word in found if word.lstrip('"').casefold().startswith(low)]
    titles = {}
    if expected == "column":
        titles = {quoted(name): title for name, title in columns.titles(p).items()}
        by_title = [quoted(name) for name in columns.offered(p, low)]
        options += [word for word in by_title if word not in options]
    if [word.casefold() for word in options] == [typed.casefold()]:
        options = []
    return Completion(start, options[:_MOST], " ", titles)


def _split(before: str) -> tuple[list[Word], str, int]:
    """The finished words, and the unfinished one with its place."""
    found = words(before, whole=False)
    stable, end = found[:-1], found[-1]
    if end.place < len(before):  # an open quote
        return stable, before[end.place :], end.place
    last = stable[-1] if stable else None
    if last is not None and last.kind == "word" and not before[-1:].isspace():
        return stable[:-1], last.text, last.place
    return stable, "", len(before)


def _expected(given: Sequence[Word]) -> tuple[Next, str]:
    """What comes after these words, and the column that they end with."""
    expected: Next = "column"
    column = ""
    for word in given:
        expected, column = _after(expected, column, word)
    return expected, column


def _after(expected: Next, column: str, word: Word) -> tuple[Next, str]:
    if expected == "column":
        if word.is_mark("(") or word.is_key("not"):
            return "column", ""
        return ("joint", "") if word.text.startswith("@") else ("comparison", word.text)
    if expected == "comparison":
        if word.is_key("and", "or") or (column.casefold() == "any" and word.is_mark("(")):
            return "column", ""
        if word.is_mark(")"):
            return "joint", ""
        if word.is_key("not"):
            return "comparison", column
        return ("in" if word.is_key("in") else "value"), column
    if expected == "value":
        return ("value", column) if word.is_key("not") else ("joint", column)
    if expected == "in":
        return "list", column
    if expected == "list":
        return ("joint", column) if word.is_mark(")") else ("list", column)
    return ("column", "") if word.is_key("and", "or") else ("joint", "")


def _options(expected: Next, column: str, p: Project, slices: Sequence[str]) -> list[str]:
    if expected == "column":
        kept = [f"@{name}" for name in slices]
        return [*(quoted(name) for name in columns.names(p)), *kept, "not"]
    if expected == "joint":
        return ["and", "or"]
    if expected == "in":
        return ["("]
    found = columns.find(p, column)
    if expected == "comparison":
        signs = {
            "continuous": ["<", "<=", ">", ">=", "=", "!="],
            "boolean": ["=", "!=", "and", "or"],
            "categorical": ["=", "!=", "~", "in"],
        }
        return signs.get(found.kind, ["~", "!~", "=", "!="])
    return [*_values(found, p), "unknown"]


def _values(column: columns.Column, p: Project) -> list[str]:
    """Values of a column: labels by how often they occur, or some numbers in order."""
    if column.kind == "boolean":
        return ["true", "false"]
    if column.kind == "categorical":
        codes, labels = columns.codes(p, column)
        counts = np.bincount(codes[codes >= 0], minlength=len(labels))
        return [quoted(labels[code]) for code in np.argsort(-counts, kind="stable").tolist()]
    if column.kind == "text":
        return [] if column.name != "id" else [quoted(t) for t in columns.strings(p, column)[:1000]]
    known = columns.numbers(p, column)
    known = known[np.isfinite(known)]
    if not len(known):
        return []
    return list(dict.fromkeys(f"{q:.3g}" for q in np.quantile(known, [0, 0.25, 0.5, 0.75, 1])))
