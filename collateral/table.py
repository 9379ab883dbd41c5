"""Tables: named, typed columns over the sections of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from .schema import Column, Kind, TableName
from .section import Section
from .sections import UNKNOWN_BOOLEAN

_BOOLEAN_LABELS = ("no", "yes")


class Table:
    """A table of a collateral file: examples, points or pairs.

    ``table["name"]`` gives a whole column: a float64 array for a continuous one (NaN is unknown), a
    list of str for text, a list of str or None for categorical, of bool or None for boolean. It is
    read from the file each time; keep it if it is needed again.

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

    def __repr__(self) -> str:
        return f"<Table {self.name}: {self._count} rows of {', '.join(self._columns)}>"

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> Any:
        column = self.describe(name)
        if column.kind in ("text", "continuous"):
            return self._section(name).all()
        codes, labels = self.codes(name)
        values = (False, True) if column.kind == "boolean" else labels
        return [None if code < 0 else values[code] for code in codes.tolist()]

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
            CollateralError: the file is damaged.
        """
        labels = self.labels(name)
        return self._checked(name, self._section(name).all()), labels

    def labels(self, name: str) -> tuple[str, ...]:
        """The labels of a categorical or boolean column, in the order of their codes.

        Raises:
            KeyError: no such column.
            ValueError: the column is continuous or text.
        """
        kind = self.describe(name).kind
        if kind == "boolean":
            return _BOOLEAN_LABELS
        if kind != "categorical":
            raise ValueError(f"column {name!r} is {kind}, it has no labels")
        return self._categories[f"{self.name}/{name}"]

    def cell(self, name: str, row: int) -> str | float | bool | None:
        """One value; reads one block only.

        Raises:
            KeyError: no such column.
            IndexError: no such row.
            CollateralError: the file is damaged.
        """
        column = self.describe(name)
        value = self._section(name).one(row)
        if column.kind == "text":
            return str(value)
        if column.kind == "continuous":
            return float(value)
        code = int(self._checked(name, np.array([value]))[0])
        if code < 0:
            return None
        return bool(code) if column.kind == "boolean" else self.labels(name)[code]

    def _checked(self, name: str, stored: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Stored codes, every one of which has a label or is -1."""
        codes = stored.astype(np.int32)
        if self._columns[name].kind == "boolean":
            codes[codes == UNKNOWN_BOOLEAN] = -1
        if codes.size and not -1 <= codes.min() <= codes.max() < len(self.labels(name)):
            source = self._section(name).source
            raise source.error(f"column {name!r} of {self.name} has a value without a label")
        return codes

    def _section(self, name: str) -> Section:
        self.describe(name)
        return self._sections[f"{self.name}/{name}"]
