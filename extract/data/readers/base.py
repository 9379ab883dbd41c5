"""What readers share: records, what is wrong with one, and the lines of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ExtractError
from ...saying import listed

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Record:
    """One record of the data: a line, a row, or a sentence.

    Attributes:
        line: number of its first line (of a data set by name: its row), counted from 1.
        fields: its values by name, as JSON has them.
        untyped: whether every value is a string (CSV), so that numbers, booleans and lists of
            words are to be read from strings.
    """

    line: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    untyped: bool = False


@dataclass(frozen=True)
class Problem:
    """A record that cannot be used: the line that is to blame, and what is wrong with it."""

    line: int
    what: str


class BadRecord(Exception):
    """What is wrong with a record, as the part of a sentence, before its line is added."""


Read = Callable[[Path], Iterator["Record | Problem"]]
"""A reader: a file to its records, one at a time."""


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """All lines with their numbers, without a byte order mark; only ``\\n`` ends a line.

    Raises:
        ExtractError: the file cannot be read.
    """
    if path.is_dir():
        raise ExtractError(f"{path} is a directory; give a JSON Lines file with --data.")
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                yield number, raw.removeprefix(BOM) if number == 1 else raw
    except FileNotFoundError:
        raise ExtractError(f"There is no data file {path}; check the path of --data.") from None
    except OSError as error:
        raise ExtractError(f"{path} cannot be read ({error.strerror}).") from None


def decoded(raw: bytes) -> str:
    """A line as text.

    Raises:
        BadRecord: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"is not UTF-8 (byte {error.start + 1} of the line)") from None


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    number = (
        "a number" if isinstance(value, (int, float)) else f"of the type {type(value).__name__}"
    )
    return names.get(type(value), number)


def check_heads(heads: list[int]) -> None:
    """Whether heads make a tree.

    Args:
        heads: for each word the 0-based position of its head, -1 for the root.

    Raises:
        BadRecord: a head is out of range, or there is not exactly one root, or a cycle.
    """
    count = len(heads)
    for i, head in enumerate(heads):
        if not -1 <= head < count:
            raise BadRecord(f"word {i + 1} has a head outside the sentence of {count} words")
        if head == i:
            raise BadRecord(f"word {i + 1} is its own head")
    roots = [i + 1 for i, head in enumerate(heads) if head == -1]
    if len(roots) > 1:
        raise BadRecord(f"has {len(roots)} roots (words {listed(roots, 5)}); it must have one")
    if not roots:
        raise BadRecord("has no root")
    # walk up from every word once; a word met again on the same walk closes a cycle
    walk = [-1] * count
    for start in range(count):
        at = start
        while at != -1 and walk[at] == -1:
            walk[at] = start
            at = heads[at]
        if at != -1 and walk[at] == start:
            raise BadRecord(f"the heads make a cycle through word {at + 1}")
