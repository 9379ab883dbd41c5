"""Further fields of records as columns: where they belong and of which kind they are."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from collateral import Writer
from collateral.schema import Column, Kind

from ..data.fields import read_column
from ..data.pairs import Value
from ..errors import UsageError

MOST_CATEGORIES = 64

_ARGUMENTS = {
    name
    for function in (Writer.add_example, Writer.add_point, Writer.add_pair, Writer.add_item)
    for name in inspect.signature(function).parameters
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def shared_fields(groups: Sequence[Sequence[Mapping[str, Value]]]) -> tuple[list[str], list[str]]:
    """Which fields belong to examples and which to their records.

    A field is the example's if all records of every example agree on it. Where no example has
    two records nothing can be told apart, and all fields are the examples'.

    Args:
        groups: for each example, the fields of each of its records.

    Returns:
        Names for the examples and names for the records, in order of appearance.
    """
    names = list(dict.fromkeys(name for group in groups for fields in group for name in fields))
    shared: list[str] = []
    own: list[str] = []
    for name in names:
        same = all(len({_key(fields.get(name)) for fields in group}) <= 1 for group in groups)
        (shared if same else own).append(name)
    return shared, own


class FieldColumns:
    """Further fields as columns of one table.

    Args:
        kinds: kinds given by the user: name of a field to kind.
        untyped: whether all values are strings (CSV), so that numbers are to be read from them.
    """

    def __init__(self, kinds: Mapping[str, str] | None = None, *, untyped: bool = False) -> None:
        self._kinds = kinds or {}
        self._untyped = untyped
        self._fields: dict[str, tuple[str, Column]] = {}

    @property
    def names(self) -> set[str]:
        """The fields that became columns."""
        return set(self._fields)

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that were added, by name."""
        return dict(self._fields.values())

    def add(self, table: dict[str, Column], rows: Sequence[Mapping[str, Value]]) -> None:
        """Adds a column to ``table`` for each field of ``rows``, under a name that is free.

        Raises:
            UsageError: a value does not fit the kind that the user gave.
        """
        for name in dict.fromkeys(name for row in rows for name in row):
            column = column_for(
                name,
                [row.get(name) for row in rows],
                self._kinds.get(name),
                untyped=self._untyped,
            )
            free = free_name(name, {"id", "text", *table})
            table[free] = column
            self._fields[name] = (free, column)

    def values(self, row: Mapping[str, Value]) -> dict[str, Value]:
        """The values of one row, by column."""
        return {free: cell(column, row.get(name)) for name, (free, column) in self._fields.items()}


def check_kinds(kinds: Mapping[str, str], names: Iterable[str]) -> None:
    """Whether all fields that a kind was given for are there.

    Raises:
        UsageError: one is not.
    """
    known = sorted(set(names))
    for name, kind in kinds.items():
        if name not in known:
            there = ", ".join(known) or "none"
            raise UsageError(
                f'--column {name}={kind}: the data has no further field "{name}"; its further '
                f"fields are: {there}."
            )


def column_for(
    name: str, values: Sequence[Value], kind: str | None = None, *, untyped: bool = False
) -> Column:
    """A column for the values of a field; its kind follows from them, if none is given.

    Booleans and numbers are what they are; strings are categorical if few differ and most of them
    repeat, else text. A mixture is text.

    Args:
        name: of the field.
        values: all that there are.
        kind: given by the user.
        untyped: all values are strings, and numbers and booleans are read from them where every
            one can be.

    Raises:
        UsageError: a value does not fit ``kind``.
    """
    known = [value for value in values if value is not None]
    found = cast(Kind, kind) if kind else _guessed(read_column(known) if untyped else known)
    gaps = " Empty where it is unknown." if found == "text" and len(known) < len(values) else ""
    column = Column(found, meaning=f'The field "{name}" of the data.{gaps}')
    if kind:
        _check_fits(name, column, known)
    return column


def _check_fits(name: str, column: Column, values: Sequence[Value]) -> None:
    shown = ""
    try:
        for value in values:
            shown = as_text(value)
            cell(column, value)
    except ValueError:
        wanted = "number" if column.kind == "continuous" else "truth value (true, false, yes, no)"
        raise UsageError(
            f'--column {name}={column.kind}: "{shown}" is no {wanted}; give another kind.'
        ) from None


def _guessed(known: Sequence[Value]) -> Kind:
    if known and all(isinstance(value, bool) for value in known):
        return "boolean"
    if known and all(isinstance(value, float) for value in known):
        return "continuous"
    if known and all(isinstance(value, str) for value in known):
        different = len(set(known))
        if different <= MOST_CATEGORIES and (different == 1 or 2 * different <= len(known)):
            return "categorical"
    return "text"


def cell(column: Column, value: Value) -> Value:
    """``value`` as ``column`` takes it.

    Raises:
        ValueError: it is no number, or no truth value, where the column is of such.
    """
    if value is None:
        return "" if column.kind == "text" else None
    if column.kind == "continuous":
        return float(value)
    if column.kind == "boolean":
        if isinstance(value, bool):
            return value
        known = _BOOLEANS.get(as_text(value).strip().lower())
        if known is None:
            raise ValueError(f"{value!r} is neither true nor false")
        return known
    return as_text(value)


def as_text(value: Value) -> str:
    """A simple value as words: whole numbers without a point, true and false as in JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).lower()


def free_name(name: str, taken: Collection[str]) -> str:
    """``name`` as a column may be called: not taken, no ``/``, no ``@`` in front.

    Values are given to the writer by name, so that its own arguments are taken as well.
    """
    clean = name.replace("/", "_").lstrip("@") or "field"
    while clean in taken or clean in _ARGUMENTS:
        clean += " (data)"
    return clean


def _key(value: Value) -> tuple[str, Value]:
    return type(value).__name__, value
