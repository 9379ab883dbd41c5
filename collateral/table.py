"""Sections (arrays and texts in blocks) and tables (named columns), read as far as asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout
from .schema import Column, Kind, TableName
from .source import Block, Source

_CACHED_BLOCKS = 48
_UNKNOWN_BOOLEAN = 255
_BOOLEAN_LABELS = ("no", "yes")


class Section:
    """One named array, or list of texts or tokens, stored in blocks of rows.

    Raises:
        CollateralError: its description in the index is wrong.
    """

    def __init__(self, source: Source, name: str, description: Any) -> None:
        self.source, self.name = source, name
        try:
            self.kind = str(description["kind"])
            self.dtype = str(description["dtype"])
            self.row: tuple[int, ...] = tuple(_size(n) for n in description["row"])
            self.count = _size(description["count"])
            self.blocks = [Block(*map(_size, block)) for block in description["blocks"]]
            self._check()
        except (KeyError, TypeError, ValueError) as error:
            raise source.error(f"the index describes {name!r} wrongly ({error})") from None
        self._cache: OrderedDict[int, Any] = OrderedDict()

    def _check(self) -> None:
        if self.kind not in ("array", "texts", "tokens"):
            raise ValueError(f"unknown kind {self.kind!r}")
        if self.kind == "array" and self.dtype not in layout.ARRAY_TYPES:
            raise ValueError(f"unknown type {self.dtype!r}")
        row = 0
        for block in self.blocks:
            if block.start != row or block.count < 1:
                raise ValueError(f"row {row} is missing")
            if block.offset + block.length > self.source.index_at:
                raise ValueError("a block lies outside the file")
            if block.count * max(1, self._row_bytes()) > block.length:
                raise ValueError("a block is shorter than its rows")
            row += block.count
        if row != self.count:
            raise ValueError(f"{row} rows of {self.count}")

    def _row_bytes(self) -> int:
        if self.kind != "array":
            return 1
        size = int(np.dtype(self.dtype).itemsize)
        for extent in self.row:
            size *= extent
        return size

    def block(self, number: int) -> Any:
        """The rows of one block: an array [rows, ...] or a list. Kept for a while."""
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        block = self.blocks[number]
        rows = self._decode(block, self.source.record(block))
        self._cache[number] = rows
        if len(self._cache) > _CACHED_BLOCKS:
            self._cache.popitem(last=False)
        return rows

    def _decode(self, block: Block, record: dict[str, Any]) -> Any:
        data = record.get("data")
        wrong = self.source.error(f"the record of {self.name!r} at byte {block.offset} is wrong")
        if record.get("name") != self.name or record.get("start") != block.start:
            raise wrong
        if self.kind == "array":
            if not isinstance(data, bytes) or len(data) != block.count * self._row_bytes():
                raise wrong
            return np.frombuffer(data, dtype=self.dtype).reshape((block.count, *self.row))
        if not isinstance(data, list) or len(data) != block.count:
            raise wrong
        if self.kind == "texts" and not all(isinstance(text, str) for text in data):
            raise wrong
        return data

    def all(self) -> Any:
        """Every row: an array [count, ...] or a list. Not kept; the caller may change it."""
        decoded = [self._decode(block, self.source.record(block)) for block in self.blocks]
        if self.kind == "array":
            empty = np.zeros((0, *self.row), dtype=self.dtype)
            return np.concatenate([empty, *decoded])
        return [row for rows in decoded for row in rows]

    def one(self, row: int) -> Any:
        """One row.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= row < self.count:
            raise IndexError(f"{self.name} has no row {row}")
        low, high = 0, len(self.blocks) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.blocks[middle].start <= row:
                low = middle
            else:
                high = middle - 1
        return self.block(low)[row - self.blocks[low].start]


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= layout.MAX_COUNT:
        raise ValueError(f"{value!r} is not a size")
    return value


class Table:
    """A table of a collateral file: examples, points or pairs.

    ``table["name"]`` gives a whole column: a float64 array for a continuous one (NaN is unknown), a
    list of str for text, a list of str or None for categorical, of bool or None for boolean.

    Attributes:
        name: "examples", "points" or "pairs".
        columns: column name to kind ("categorical", "continuous", "text", "boolean").
    """

    def __init__(
        self,
        name: TableName,
        count: int,
        columns: Mapping[str, Column],
        sections: Mapping[str, Section],
        categories: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.name = name
        self._count = count
        self._columns = dict(columns)
        self._sections = sections
        self._categories = categories
        self.columns: Mapping[str, Kind] = MappingProxyType(
            {key: column.kind for key, column in columns.items()}
        )

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Any:
        column, section = self.describe(name), self._section(name)
        rows = section.all()
        if column.kind in ("text", "continuous"):
            return rows
        return [self._value(name, code) for code in rows.tolist()]

    def describe(self, name: str) -> Column:
        """The column's description.

        Raises:
            KeyError: there is no such column; the message lists those there are.
        """
        try:
            return self._columns[name]
        except KeyError:
            raise KeyError(
                f"{self.name} has no column {name!r}; {', '.join(self._columns)}"
            ) from None

    def with_role(self, role: str) -> str | None:
        """The name of the first column with this role, or None."""
        return next((name for name, c in self._columns.items() if c.role == role), None)

    def codes(self, name: str) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
        """A categorical or boolean column as numbers: codes int32 [rows] (-1 unknown) and labels.

        Raises:
            KeyError: no such column.
            ValueError: the column is continuous or text.
        """
        column = self.describe(name)
        if column.kind not in ("categorical", "boolean"):
            raise ValueError(f"column {name!r} is {column.kind}, it has no labels")
        codes = self._section(name).all().astype(np.int32)
        if column.kind == "boolean":
            codes[codes == _UNKNOWN_BOOLEAN] = -1
            return codes, _BOOLEAN_LABELS
        return codes, self._categories[f"{self.name}/{name}"]

    def cell(self, name: str, row: int) -> str | float | bool | None:
        """One value; reads one block only."""
        column = self.describe(name)
        value = self._section(name).one(row)
        if column.kind == "text":
            return str(value)
        return float(value) if column.kind == "continuous" else self._value(name, int(value))

    def _value(self, name: str, code: int) -> str | bool | None:
        if self._columns[name].kind == "boolean":
            return None if code == _UNKNOWN_BOOLEAN else bool(code)
        return None if code < 0 else self._categories[f"{self.name}/{name}"][code]

    def _section(self, name: str) -> Section:
        return self._sections[f"{self.name}/{name}"]
