"""From values to what is stored: cells of tables, tokens of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from . import layout
from .schema import Column, Kind, TableName, Tokens
from .sections import ALWAYS, OPTIONAL_TABLES, TABLES, UNKNOWN_BOOLEAN

_ARGUMENTS: dict[TableName, frozenset[str]] = {
    "examples": frozenset({"self", "example_id", "tokens", "source_tokens"}),
    "points": frozenset({"self", "example_row", "token_start", "token_stop"}),
    "pairs": frozenset(
        {"self", "pair_id", "example_row", "span1_tokens", "span2_tokens"}
        | {"span1_points", "span2_points"}
    ),
    "items": frozenset({"self", "example_row", "token_start", "token_stop"}),
}
"""Names that the writer's own arguments take: a column of that name could not be given a value."""

_PLAIN: dict[Kind, frozenset[type]] = {
    "text": frozenset({str, type(None)}),
    "categorical": frozenset({str, type(None)}),
    "boolean": frozenset({bool, type(None)}),
    "continuous": frozenset({float, type(None)}),
}
"""Types of values that need no further look."""


def with_always(given: Mapping[TableName, Mapping[str, Column]]) -> dict[TableName, dict[str, Any]]:
    """The columns of each table: those that are always there, then the given ones.

    Raises:
        ValueError: a column has a name that cannot be used.
    """
    result = {}
    for table in TABLES:
        if table not in given and table in OPTIONAL_TABLES:
            continue
        for name in given[table]:
            if name in _ARGUMENTS[table]:
                raise ValueError(f"a column of {table} cannot be called {name!r}")
        result[table] = ALWAYS[table] | dict(given[table])
    return result


class Cells:
    """Checks values against their columns and keeps the labels of categorical ones."""

    def __init__(self) -> None:
        self._labels: dict[str, dict[str, int]] = {}

    def cell(self, key: str, where: str, column: Column, value: Any) -> tuple[Any, int]:
        """``value`` as it will be stored, and its bytes (0: as the column's type says).

        A categorical value stays text: it gets its number by :meth:`code`, once its whole row is
        known to be right.

        Raises:
            ValueError: it does not fit the column ``key``; the message begins with ``where``.
        """
        if column.kind == "text" and (value is None or isinstance(value, str)):
            return value or "", self._size(key, where, value or "")
        if column.kind == "categorical" and (value is None or isinstance(value, str)):
            labels = self._labels.setdefault(key, {})
            if value is not None and value not in labels:
                if (size := self._size(key, where, value)) > layout.MAX_RECORD // 2:
                    raise ValueError(f"{where}: a label of {size} bytes is too large")
                if len(labels) >= layout.MAX_LABELS:
                    what = f"{where}: column {key} has more than {layout.MAX_LABELS} labels"
                    raise ValueError(f"{what}; make it a text column")
            return value, 0
        if column.kind == "boolean" and (value is None or isinstance(value, (bool, np.bool_))):
            return UNKNOWN_BOOLEAN if value is None else int(value), 0
        if column.kind == "continuous" and not isinstance(value, (bool, np.bool_)):
            if value is None:
                return float("nan"), 0
            if isinstance(value, (int, float, np.integer, np.floating)):
                try:
                    return float(value), 0
                except OverflowError:
                    pass
        shown = repr(value)[:60]
        raise ValueError(f"{where}: {shown} does not fit the {column.kind} column {key}")

    def column(
        self, key: str, where: Callable[[int], str], column: Column, values: Sequence[Any]
    ) -> tuple[list[Any], list[int] | None]:
        """Many values of a column, as :meth:`cell` gives each; sizes only of text.

        Raises:
            ValueError: one does not fit the column; ``where`` of its number begins the message.
        """
        if not set(map(type, values)) <= _PLAIN[column.kind]:
            found = [self.cell(key, where(i), column, value) for i, value in enumerate(values)]
            if column.kind == "categorical":
                self._check_new(key, where, column, values)
            sizes = [size for _, size in found] if column.kind == "text" else None
            return [value for value, _ in found], sizes
        if column.kind == "text":
            texts = [value or "" for value in values]
            return texts, [
                len(text) + 5 if text.isascii() else self._size(key, where(i), text)
                for i, text in enumerate(texts)
            ]
        if column.kind == "boolean":
            return [UNKNOWN_BOOLEAN if value is None else int(value) for value in values], None
        if column.kind == "continuous":
            nan = float("nan")
            return [nan if value is None else value for value in values], None
        self._check_new(key, where, column, values)
        return list(values), None

    def _check_new(
        self, key: str, where: Callable[[int], str], column: Column, values: Sequence[Any]
    ) -> None:
        """Whether labels that are new can be kept, and there are numbers for all of them."""
        known = self._labels.get(key, {})
        new = [value for value in dict.fromkeys(values) if value is not None and value not in known]
        for label in new:
            self.cell(key, where(values.index(label)), column, label)
        if len(new) > (room := layout.MAX_LABELS - len(known)):
            what = f"{where(values.index(new[room]))}: column {key} has more than "
            raise ValueError(f"{what}{layout.MAX_LABELS} labels; make it a text column")

    def codes(self, key: str, labels: Sequence[str | None]) -> list[int]:
        """The numbers of many labels, as :meth:`code` gives each."""
        numbers = {label: self.code(key, label) for label in dict.fromkeys(labels)}
        return [numbers[label] for label in labels]

    def code(self, key: str, label: str | None) -> int:
        """The number of a label of a categorical column, a new one if need be; -1 for None."""
        if label is None:
            return -1
        labels = self._labels.setdefault(key, {})
        return labels.setdefault(label, len(labels))

    def labels(self, key: str) -> dict[str, int]:
        """The labels of a categorical column so far, in order, with their numbers."""
        return self._labels.get(key, {})

    def categories(self, columns: Mapping[TableName, Mapping[str, Column]]) -> dict[str, list[str]]:
        """The labels of every categorical column, in the order of their numbers."""
        keys = [
            f"{table}/{name}"
            for table in columns
            for name, column in columns[table].items()
            if column.kind == "categorical"
        ]
        return {key: list(self._labels.get(key, ())) for key in keys}

    @staticmethod
    def _size(key: str, where: str, text: str) -> int:
        try:
            return len(text.encode()) + 5
        except UnicodeEncodeError:
            what = f"{where}: the text of {key} holds half a character (a lone surrogate)"
            raise ValueError(what) from None


def token_entry(where: str, text: str, tokens: Tokens) -> list[Any]:
    """The tokens of one example as stored: texts, offsets, special, words.

    Raises:
        ValueError: they contradict each other, or their offsets lie outside ``text``.
    """
    n = len(tokens)
    if n > layout.MAX_TOKENS:
        raise ValueError(f"{where}: {n} tokens, at most {layout.MAX_TOKENS} can be stored")
    offsets = np.ascontiguousarray(tokens.offsets, dtype="<i4")
    special = np.ascontiguousarray(tokens.special, dtype=bool)
    words = np.ascontiguousarray(tokens.words, dtype="<i4")
    if offsets.shape != (n, 2) or special.shape != (n,) or words.shape != (n,):
        shapes = f"offsets {offsets.shape}, special {special.shape}, words {words.shape}"
        raise ValueError(f"{where}: {n} tokens, but {shapes}")
    wrong = (offsets[:, 0] < 0) | (offsets[:, 0] > offsets[:, 1]) | (offsets[:, 1] > len(text))
    if wrong.any():
        token = int(np.argmax(wrong))
        low, high = cast("list[int]", offsets[token].tolist())
        raise ValueError(
            f"{where}: token {token} spans characters {low} to {high} of a text of {len(text)}"
        )
    if not all(issubclass(kind, str) for kind in set(map(type, tokens.texts))):
        raise ValueError(f"{where}: a token is not text")
    return [list(tokens.texts), offsets.tobytes(), special.tobytes(), words.tobytes()]


def tokens(entry: Any) -> Tokens:
    """The inverse of :func:`token_entry`.

    Raises:
        IndexError, TypeError, ValueError: what is stored is no entry.
    """
    if not isinstance(entry, list) or not isinstance(entry[0], list):
        raise TypeError
    texts, offsets, special, words = entry
    if not all(isinstance(text, str) for text in texts):
        raise ValueError
    found = Tokens(
        tuple(texts),
        np.frombuffer(offsets, dtype="<i4").reshape(-1, 2).astype(np.int32),
        np.frombuffer(special, dtype="|u1").astype(bool),
        np.frombuffer(words, dtype="<i4").astype(np.int32),
    )
    if not len(found) == len(found.offsets) == len(found.special) == len(found.words):
        raise ValueError
    return found
