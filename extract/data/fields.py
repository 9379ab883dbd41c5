"""Checked access to the fields of a record: every value is what a task takes it for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..saying import listed
from .readers.base import BadRecord as BadRecord
from .readers.base import Record, check_heads
from .readers.base import kind_of as kind_of

Value = str | float | bool | None
"""What a further field of a record may hold."""

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_MISSING = object()


class Fields:
    """The fields of one record.

    A name with dots reaches into objects (``answer.text``), unless a field is called so. Where a
    record is of strings only (CSV), numbers, booleans and lists of words are read from strings.
    All methods raise :class:`BadRecord` with the part of a sentence that says what is wrong.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._row = record.fields

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> Any:
        """A field as it is; None if there is none or it is null."""
        found = lookup(self._row, name)
        return None if found is _MISSING else found

    def required(self, name: str) -> Any:
        """A field as it is, which must be there (null is there)."""
        found = lookup(self._row, name)
        if found is _MISSING:
            raise BadRecord(f'has no field "{name}"{self._instead(name)}')
        return found

    def string(self, name: str) -> str:
        """A string with visible characters."""
        value = self.required(name)
        if value is None and self.record.untyped:
            raise BadRecord(f'"{name}" is empty')
        if not isinstance(value, str):
            raise BadRecord(f'"{name}" must be a string, not {kind_of(value)}')
        if not value.strip():
            raise BadRecord(f'"{name}" is empty')
        return value

    def optional_string(self, name: str) -> str | None:
        """A string, None if it is missing or null; if there, it has visible characters."""
        return None if self.get(name) is None else self.string(name)

    def identifier(self, name: str = "id", *, default: str | None = None) -> str:
        """A string or a whole number, as a string.

        Args:
            name: of the field.
            default: what stands for a missing one; None if it must be there.
        """
        if default is not None and self.get(name) is None:
            return default
        value = self.required(name)
        return str(value) if type(value) is int else self.string(name)

    def boolean(self, name: str) -> bool | None:
        """True or false, None if it is missing or null."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        if not self.record.untyped:
            raise BadRecord(f'"{name}" must be true, false or null, not {kind_of(value)}')
        known = _BOOLEANS.get(str(value).strip().lower())
        if known is None:
            allowed = "true or false (or yes/no, 1/0)"
            raise BadRecord(f'"{name}" must be {allowed} or empty, not "{value}"')
        return known

    def number(self, name: str, *, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A number from ``low`` to ``high``, None if it is missing or null."""
        value = self.get(name)
        if value is None:
            return None
        if self.record.untyped and isinstance(value, str):
            number = _read_number(value)
            if number is None:
                raise BadRecord(f'"{name}" must be a number or empty, not "{value}"')
            value = number
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadRecord(f'"{name}" must be a number, not {kind_of(value)}')
        if not low <= value <= high:
            if math.isinf(high):
                raise BadRecord(f'"{name}" must be at least {low:g}, not {value:g}')
            raise BadRecord(f'"{name}" must lie between {low:g} and {high:g}, not {value:g}')
        try:
            return float(value)
        except OverflowError:
            raise BadRecord(f'"{name}" is a number too large to keep') from None

    def whole(self, name: str) -> int | None:
        """A whole number, None if it is missing or null."""
        value = self.get(name)
        if type(value) is int:
            return value
        number = self.number(name)
        if number is None:
            return None
        if not number.is_integer():
            raise BadRecord(f'"{name}" must be a whole number, not {number:g}')
        return int(number)

    def label(self, name: str) -> str | None:
        """A class label as a string: a string, a whole number or a boolean; None if unknown."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, bool):
            return str(value).lower()
        if type(value) is int or (isinstance(value, float) and value.is_integer()):
            return str(int(value))
        if not isinstance(value, str):
            raise BadRecord(f'"{name}" must be a label, not {kind_of(value)}')
        return self.string(name)

    def words(self, name: str = "words") -> list[str]:
        """A list of strings, none of them empty, at least one."""
        words = self._list(name)
        for i, word in enumerate(words, 1):
            if not isinstance(word, str):
                raise BadRecord(f'word {i} of "{name}" must be a string, not {kind_of(word)}')
            if not word:
                raise BadRecord(f'word {i} of "{name}" is empty')
        if not words:
            raise BadRecord(f'"{name}" has no words')
        return words

    def labels(self, name: str, count: int) -> list[str] | None:
        """A label for each of ``count`` words, None if the field is missing or null."""
        if self.get(name) is None:
            return None
        labels = self._list(name)
        _same_length(name, labels, "labels", count)
        for i, label in enumerate(labels, 1):
            if isinstance(label, bool) or not isinstance(label, (str, int)):
                raise BadRecord(f'label {i} of "{name}" must be a string, not {kind_of(label)}')
            if label == "":
                raise BadRecord(f'label {i} of "{name}" is empty')
        return [str(label) for label in labels]

    def heads(self, name: str, count: int) -> list[int] | None:
        """For each of ``count`` words the 0-based position of its head, -1 for the root.

        None if the field is missing or null. The heads are a tree with one root.
        """
        if self.get(name) is None:
            return None
        heads = self._list(name)
        if self.record.untyped:
            heads = [int(h) if isinstance(h, str) and _is_whole(h) else h for h in heads]
        _same_length(name, heads, "heads", count)
        for i, head in enumerate(heads, 1):
            if type(head) is not int:
                raise BadRecord(f'head {i} of "{name}" must be a whole number')
        check_heads(heads)
        return heads

    def ranges(self, name: str, count: int, length: int) -> list[tuple[int, int]] | None:
        """For each of ``count`` words its characters in a text of ``length`` characters.

        None if the field is missing or null. The starts rise or stay; no range is empty.
        """
        if self.get(name) is None:
            return None
        ranges = self._list(name)
        _same_length(name, ranges, "ranges", count)
        before = 0
        for i, one in enumerate(ranges, 1):
            if not (isinstance(one, (list, tuple)) and [type(x) for x in one] == [int, int]):
                raise BadRecord(f'range {i} of "{name}" must be two whole numbers')
            if not before <= one[0] < one[1] <= length:
                where = f"characters {one[0]} to {one[1]} of {length}"
                raise BadRecord(
                    f'range {i} of "{name}" is empty, outside or out of order ({where})'
                )
            before = one[0]
        return [(start, end) for start, end in ranges]

    def extras(self, known: Collection[str]) -> tuple[dict[str, Value], list[str]]:
        """The further simple fields, numbers as float, and names of those that are not simple.

        Args:
            known: names of the fields that the task has taken.
        """
        kept: dict[str, Value] = {}
        dropped: list[str] = []
        for name, value in self._row.items():
            if name in known:
                continue
            if _is_simple(value):
                kept[name] = float(value) if type(value) is int else value
            else:
                dropped.append(name)
        return kept, dropped

    def _instead(self, name: str) -> str:
        """What there is instead of a missing field, and how to read it."""
        others = listed(self._row, 8)
        return f"; its fields are {others}: name one with --map {name}=COLUMN" if others else ""

    def _list(self, name: str) -> list[Any]:
        value = self.required(name)
        if self.record.untyped and isinstance(value, str):
            return value.split()
        if not isinstance(value, list):
            raise BadRecord(f'"{name}" must be a list, not {kind_of(value)}')
        return value


def lookup(row: Mapping[str, Any], name: str) -> Any:
    """A value by its name, or by the dots in it; a private mark if there is none."""
    if name in row:
        return row[name]
    first, dot, rest = name.partition(".")
    while dot:
        inner = row.get(first)
        if isinstance(inner, Mapping):
            found = lookup(inner, rest)
            if found is not _MISSING:
                return found
        more, dot, rest = rest.partition(".")
        first = f"{first}.{more}"
    return _MISSING


def is_missing(value: object) -> bool:
    """Whether :func:`lookup` found nothing."""
    return value is _MISSING


def read_column(values: Sequence[Value]) -> list[Value]:
    """Strings of a CSV column as numbers or booleans, if all of them can be read as such.

    Numbers are floats. Only true/false and yes/no are booleans, as 1 and 0 are numbers. A column
    in which a number is written with leading zeros (``007``) is one of names and stays.
    """
    known = [value for value in values if value is not None]
    if not known or not all(isinstance(value, str) for value in known):
        return list(values)
    texts = [str(value).strip() for value in known]
    if all(text.lower() in _BOOLEANS and not text.isdigit() for text in texts):
        return [None if v is None else _BOOLEANS[str(v).strip().lower()] for v in values]
    if any(len(text) > 1 and text[0] == "0" and text.isdigit() for text in texts):
        return list(values)
    if all(_read_number(text) is not None for text in texts):
        return [None if v is None else _read_number(str(v)) for v in values]
    return list(values)


def _read_number(text: str) -> float | None:
    if "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) < 10


def _is_simple(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 1000
    return value is None or isinstance(value, (str, float, bool))


def _same_length(name: str, values: Sequence[object], what: str, count: int) -> None:
    if len(values) != count:
        has = f"1 {what[:-1]}" if len(values) == 1 else f"{len(values)} {what}"
        raise BadRecord(f'"{name}" has {has} for {count} word{"s" * (count != 1)}')
