"""The rows of the tables while a file is written: checked, counted, kept in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import cells, layout, sections
from .growing import Growing
from .records import Lengths
from .schema import Column, TableName


class Rows:
    """The tables of a file that is written.

    Attributes:
        columns: table to column to description.
        counts: rows of each table so far.
        lengths: tokens of the examples.

    Raises:
        ValueError: a column has a name that cannot be used.
    """

    def __init__(
        self, given: Mapping[TableName, Mapping[str, Column]], growing: Mapping[str, Growing]
    ) -> None:
        self.columns = cells.with_always(given)
        self.counts: dict[str, int] = dict.fromkeys(sections.TABLES, 0)
        self.lengths = Lengths()
        self._sections = growing
        self._cells = cells.Cells()
        self._ids: dict[TableName, set[str]] = {"examples": set(), "pairs": set()}
        self._last: dict[TableName, int] = {"points": 0, "pairs": 0, "items": 0}

    def categories(self) -> dict[str, list[str]]:
        """The labels of every categorical column, in the order of their numbers."""
        return self._cells.categories(self.columns)

    def add(self, table: TableName, where: str, values: Mapping[str, Any], example: int = 0) -> int:
        """Adds one row to the columns of a table, all of it or nothing; its number.

        Args:
            table: the table.
            where: how messages begin.
            values: column name to value.
            example: whose row it is, unless it is an example itself.

        Raises:
            ValueError: there is no such column, or a value does not fit its column.
        """
        columns = self.columns[table]
        if unknown := values.keys() - columns.keys():
            raise ValueError(f"{where}: {table} has no column {', '.join(sorted(unknown))}")
        stored = [
            (name, *self._cells.cell(f"{table}/{name}", where, column, values.get(name)))
            for name, column in columns.items()
        ]
        for _, _, size in stored:
            check_size(where, size)
        for name, value, size in stored:
            key = f"{table}/{name}"
            if columns[name].kind == "categorical":
                value = self._cells.code(key, value)
                self._keep_labels(key)
            self._sections[key].append(value, size)
        if table in self._ids:
            self._ids[table].add(values["id"])
        self._last[table] = example
        self.counts[table] += 1
        return self.counts[table] - 1

    def add_all(
        self,
        table: TableName,
        where: Callable[[int], str],
        values: Mapping[str, Sequence[Any]],
        examples: Sequence[int],
    ) -> int:
        """Adds many rows to the columns of a table, all of them or nothing; the first's number.

        Args:
            table: the table, not that of the examples.
            where: how messages about a row, by its place among these, begin.
            values: column name to a value for each row.
            examples: whose rows they are.

        Raises:
            ValueError: there is no such column, a column has too few or too many values, or a value
                does not fit its column.
        """
        columns, count = self.columns[table], len(examples)
        if unknown := values.keys() - columns.keys():
            raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        if wrong := [name for name, column in values.items() if len(column) != count]:
            raise ValueError(f"{table} column {wrong[0]} has not {count} values")
        nothing = [None] * count
        stored = [
            (name, *self._cells.column(f"{table}/{name}", where, column, values.get(name, nothing)))
            for name, column in columns.items()
        ]
        for _, _, sizes in stored:
            if sizes:
                check_size(where(sizes.index(max(sizes))), max(sizes))
        for name, column_values, sizes in stored:
            key = f"{table}/{name}"
            if columns[name].kind == "categorical":
                column_values = self._cells.codes(key, column_values)
                self._keep_labels(key)
            self._sections[key].append_all(column_values, sizes)
        if table in self._ids:
            self._ids[table].update(values["id"])
        first = self.counts[table]
        if count:
            self._last[table] = int(examples[-1])
            self.counts[table] += count
        return first

    def _keep_labels(self, key: str) -> None:
        """Adds the labels of a column that are new to their section."""
        labels, section = self._cells.labels(key), self._sections[f"{sections.LABELS}/{key}"]
        if new := len(labels) - section.count:
            for label in reversed(list(itertools.islice(reversed(labels), new))):
                section.append(label, len(label.encode()) + 5)

    def check_id(self, table: TableName, name: str) -> None:
        """Whether a row may have this id.

        Raises:
            ValueError: it is no text, or another row has it.
        """
        if not isinstance(name, str):
            raise ValueError(f"the id {name!r} is not text")
        if name in self._ids[table]:
            raise ValueError(f"the id {name!r} is used twice in {table}")

    def check_span(self, where: str, example: int, start: int, stop: int) -> None:
        """Whether an example has these tokens.

        Raises:
            ValueError: no, or they are none.
        """
        self.check_example(where, example)
        if not 0 <= start < stop <= self.lengths.tokens(example):
            raise ValueError(f"{where}: there are no tokens {start} to {stop} in example {example}")

    def check_example(self, where: str, example: int) -> None:
        """Whether there is such an example.

        Raises:
            ValueError: no.
        """
        if not 0 <= example < self.counts["examples"]:
            raise ValueError(f"{where}: there is no example {example}")

    def check_order(self, table: TableName, where: str, example: int) -> None:
        """Points, pairs and items come in the order of their examples, as the format demands.

        Raises:
            ValueError: this one does not.
        """
        if example < self._last[table]:
            raise ValueError(
                f"{where}: example {example} comes after example {self._last[table]}; "
                f"add {table} in the order of their examples"
            )


def check_size(where: str, size: int) -> None:
    """Whether a text or the tokens of one example are small enough for a record.

    Raises:
        ValueError: no.
    """
    if size > layout.MAX_RECORD // 2:
        raise ValueError(f"{where}: {size} bytes of text or tokens are too many for one row")
