"""Further fields of records as columns: where they belong and of which kind they are."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence

from collateral import Writer
from collateral.schema import Column, Kind

from ..data import Value

MOST_CATEGORIES = 64

_ARGUMENTS = {
    name
    for function in (Writer.add_example, Writer.add_point, Writer.add_pair)
    for name in inspect.signature(function).parameters
}


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


def column_for(name: str, values: Sequence[Value]) -> Column:
    """A column for the values of a field; its kind follows from them.

    Booleans and numbers are what they are; strings are categorical if few differ and most of them
    repeat, else text. A mixture is text.
    """
    known = [value for value in values if value is not None]
    kind: Kind = "text"
    if known and all(isinstance(value, bool) for value in known):
        kind = "boolean"
    elif known and all(isinstance(value, float) for value in known):
        kind = "continuous"
    elif known and all(isinstance(value, str) for value in known):
        different = len(set(known))
        if different <= MOST_CATEGORIES and (different == 1 or 2 * different <= len(known)):
            kind = "categorical"
    gaps = " Empty where it is unknown." if kind == "text" and len(known) < len(values) else ""
    return Column(kind, meaning=f'The field "{name}" of the data.{gaps}')


def cell(column: Column, value: Value) -> Value:
    """``value`` as ``column`` takes it."""
    if column.kind != "text" or isinstance(value, str):
        return value
    if value is None:
        return ""
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
