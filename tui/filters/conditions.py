"""What a filter means for open files: every condition checked, then one truth per example."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import columns
from .columns import Bools, Column, Numbers
from .language import Joined, Mistake, Test, Tree, Word, tree
from .searching import compiled, matching

if TYPE_CHECKING:
    from ..project import Project

Condition = Callable[[], Bools]
"""Evaluates a checked filter: bool [examples]."""

_SIGNS = {
    "continuous": "= != < <= > >=",
    "boolean": "= !=",
    "categorical": "= != ~ in",
    "text": "= != ~ in",
}
_WHAT = {
    "continuous": "a number",
    "boolean": "yes or no",
    "categorical": "a label",
    "text": "text",
}
_COMPARE: dict[str, Callable[[Numbers, float], Bools]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse(text: str, p: Project) -> Condition:
    """Checks a filter against the files.

    Returns:
        What evaluates it.

    Raises:
        Mistake: it can't be understood, or names what there isn't.
    """
    return _of_examples(_checked(tree(text), p), p)


def mask(text: str, p: Project) -> Bools:
    """Which examples a filter lets through, bool [examples]; not to be changed.

    Raises:
        Mistake: it can't be understood, names what there isn't, or takes too long.
    """
    return p.once(("filter", text), lambda: parse(text, p)())


@dataclass(frozen=True)
class _Part:
    """A part of a filter that was checked.

    Attributes:
        column: a column of the table whose rows it is about; None for the examples themselves.
        rows: names these rows: parts with the same name are about the same rows.
        fits: evaluates it: bool [rows], or [examples].
    """

    column: Column | None
    rows: Hashable
    fits: Condition


def _of_examples(part: _Part, p: Project) -> Condition:
    """Whether a part holds for an example: for any of its rows."""
    column = part.column
    if column is None:
        return part.fits

    def evaluate() -> Bools:
        owners = columns.owners(p, column)
        found = np.zeros(len(p.a.examples), dtype=bool)
        if owners is not None:
            found[owners[part.fits()]] = True
        return found

    return evaluate


def _checked(found: Tree, p: Project) -> _Part:
    """A filter or a part of it.

    What "and" and "or" join that is about the same rows stays about them, so that all of it must
    hold for one row.
    """
    if isinstance(found, Test):
        return _test(found, p)
    parts = [_checked(part, p) for part in found.parts]
    if found.how in ("not", "any"):
        inner = _of_examples(parts[0], p)
        return _Part(None, None, inner if found.how == "any" else lambda: ~inner())
    groups: dict[Hashable, list[_Part]] = {}
    for part in parts:
        groups.setdefault(part.rows, []).append(part)
    joined = [_join(found, some) for some in groups.values()]
    if len(joined) == 1:
        return joined[0]
    whole = [_of_examples(part, p) for part in joined]
    return _join(found, [_Part(None, None, one) for one in whole])


def _join(found: Joined, parts: Sequence[_Part]) -> _Part:
    """Parts about the same rows, as one."""
    join = np.logical_and if found.how == "and" else np.logical_or

    def evaluate() -> Bools:
        result: Bools = join.reduce([part.fits() for part in parts])
        return result

    return _Part(parts[0].column, parts[0].rows, evaluate)


def _test(test: Test, p: Project) -> _Part:
    """One condition, about the rows of its column's table."""
    column = columns.find(p, test.column.text, test.column.place)
    _check_sign(test, column)
    fits = _rows(test, column, p)
    rows = columns.rows_of(p, column)
    return _Part(None if rows is None else column, rows, fits)


def _check_sign(test: Test, column: Column) -> None:
    name, kind = test.column.text, column.kind
    sign = {"!~": "~", "not in": "in"}.get(test.op, test.op)
    if not test.values and kind != "boolean":
        raise Mistake(
            f"{name} is {_WHAT[kind]}; compare it with {_SIGNS[kind]}, for example {name} "
            f"{'< 0.5' if kind == 'continuous' else '= unknown'}.",
            test.column.place + len(name),
        )
    allowed = (*_SIGNS[kind].split(), "in")
    if sign not in allowed:
        words = f"{name} is {_WHAT[kind]}; compare it with {_SIGNS[kind]}."
        raise Mistake(words, test.values[0].place)


def _rows(test: Test, column: Column, p: Project) -> Condition:
    """The condition for every row of the column's table."""
    negative = test.op in ("!=", "!~", "not in")
    unknown = any(_is_unknown(word) for word in test.values)
    values = [word for word in test.values if not _is_unknown(word)]
    if unknown and test.op not in ("=", "!=", "in", "not in"):
        raise Mistake("unknown can only be compared with = and !=.", test.values[0].place)
    make = {"continuous": _numbers, "text": _texts}.get(column.kind, _labels)
    fits = make(test, column, values, p)

    def evaluate() -> Bools:
        found, known = fits()
        if negative:
            return known & ~found
        return (found & known) | ~known if unknown else found & known

    return evaluate


def _is_unknown(word: Word) -> bool:
    return word.is_key("unknown")


Fits = Callable[[], tuple[Bools, Bools]]
"""Which rows fit one of the values (whether they are wanted or not), and which are known."""


def _numbers(test: Test, column: Column, values: Sequence[Word], p: Project) -> Fits:
    limits = [_number(test, word) for word in values]
    compare = _COMPARE.get("=" if test.op in ("in", "not in", "!=") else test.op, np.equal)

    def fits() -> tuple[Bools, Bools]:
        rows = columns.numbers(p, column)
        found = np.zeros(len(rows), dtype=bool)
        for limit in limits:
            found |= compare(rows, limit)
        return found, ~np.isnan(rows)

    return fits


def _number(test: Test, word: Word) -> float:
    try:
        value = float(word.text.replace("−", "-"))
    except ValueError:
        value = float("nan")
    if value != value:
        name = test.column.text
        raise Mistake(f"{name} is a number, which {word.text} is not.", word.place)
    return value


def _labels(test: Test, column: Column, values: Sequence[Word], p: Project) -> Fits:
    labels = columns.codes(p, column)[1]
    wanted: set[int] = set()
    if column.kind == "boolean":
        wanted = {int(_truth(test, word)) for word in values} if test.values else {1}
    elif test.op in ("~", "!~"):
        patterns = [compiled(word.text, word.place) for word in values]
        for word, pattern in zip(values, patterns, strict=True):
            wanted.update(np.flatnonzero(matching(pattern, labels, word.place)).tolist())
    else:
        for word in values:
            wanted.update(_label(test, word, labels))

    def fits() -> tuple[Bools, Bools]:
        codes = columns.codes(p, column)[0]
        lookup = np.zeros(len(labels) + 1, dtype=bool)  # the last stands for code -1
        lookup[list(wanted)] = True
        return lookup[codes], codes >= 0

    return fits


def _truth(test: Test, word: Word) -> bool:
    found = _TRUTH.get(word.text.casefold())
    if found is None:
        name = test.column.text
        raise Mistake(f"{name} is yes or no: {name} = true, or false.", word.place)
    return found


def _label(test: Test, word: Word, labels: Sequence[str]) -> list[int]:
    """The numbers of a label, whatever its case."""
    if word.text in labels:
        return [labels.index(word.text)]
    lower = [label.casefold() for label in labels]
    found = [n for n, label in enumerate(lower) if label == word.text.casefold()]
    if not found:
        near = difflib.get_close_matches(word.text.casefold(), lower, 1, cutoff=0.6)
        known = f"It has: {columns.listed(list(labels)) or 'none'}."
        hint = f"did you mean {labels[lower.index(near[0])]}?" if near else known
        joint = "; " if near else ". "
        raise Mistake(f"{test.column.text} has no label {word.text}{joint}{hint}", word.place)
    return found


def _texts(test: Test, column: Column, values: Sequence[Word], p: Project) -> Fits:
    wanted = {word.text.casefold() for word in values}
    by_pattern = test.op in ("~", "!~")
    pattern = compiled(values[0].text, values[0].place) if by_pattern else None

    def fits() -> tuple[Bools, Bools]:
        rows = columns.strings(p, column)
        known = np.array([bool(text) for text in rows], dtype=bool)
        if pattern is not None:
            return matching(pattern, rows, values[0].place), known
        return np.array([text.casefold() in wanted for text in rows], dtype=bool), known

    return fits
