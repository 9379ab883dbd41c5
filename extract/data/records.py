"""The data as records: files of every format, and data sets by name, read one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadLine, ExtractError, UsageError
from ..saying import listed
from .fields import is_missing, lookup
from .readers import conll, conllu, csv, hub, jsonl
from .readers.base import Problem, Read, raw_lines
from .readers.base import Record as Record

Item = Record | BadLine

FORMATS: Mapping[str, Read] = {
    "jsonl": jsonl.read_jsonl,
    "json": jsonl.read_json,
    "csv": csv.read_csv,
    "tsv": csv.read_tsv,
    "tsv-unquoted": csv.read_unquoted_tsv,
    "conll": conll.read_conll,
    "conllu": conllu.read_conllu,
    "txt": jsonl.read_text,
}
"""Readers of files by the name of the format; "datasets" is none of them, as it reads no file."""

_ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".conllu": "conllu",
    ".txt": "txt",
}
_DATASETS = "datasets"
_ENOUGH = 1000
"""Records that are looked at before a column that none of them has is said to be unknown."""


class RecordSource:
    """Records of one file or data set; it can be gone through several times.

    Attributes:
        name: the path or name, as messages give it.
        description: what was read, in a few words: ``dev.jsonl``, ``imdb, split test``.
        format: one of :data:`FORMATS`, or ``datasets``.
    """

    def __init__(
        self,
        name: str,
        description: str,
        format: str,  # noqa: A002 (as the option is called)
        read: Callable[[], Iterator[Record | Problem]],
        mapping: Mapping[str, str],
        limit: int | None,
    ) -> None:
        self.name = name
        self.description = description
        self.format = format
        self._read = read
        self._mapping = dict(mapping)
        self._limit = limit

    def __iter__(self) -> Iterator[Item]:
        """Records in order, and :class:`BadLine` (not raised) for each that cannot be used.

        Raises:
            ExtractError: the file cannot be read, or not further.
            UsageError: the mapping names a column that is not there.
        """
        good = 0
        for one in self._mapped():
            if self._limit is not None and good >= self._limit:
                return
            if isinstance(one, Problem):
                yield self.bad(one.line, one.what)
            else:
                good += 1
                yield one

    def records(self, bad: list[BadLine] | None = None) -> Iterator[Record]:
        """The records alone.

        Args:
            bad: where those are put that cannot be used; None to raise at the first.

        Raises:
            BadLine: a record cannot be used (only without ``bad``).
            ExtractError: as in going through the source.
        """
        for one in self:
            if isinstance(one, Record):
                yield one
            elif bad is None:
                raise one
            else:
                bad.append(one)

    def bad(self, line: int, what: str) -> BadLine:
        """The error for a record of this source."""
        return BadLine(self.name, line, what)

    def _mapped(self) -> Iterator[Record | Problem]:
        records = iter(self._read())
        if not self._mapping:
            return records
        # fields may be left out of some records, so that one of them does not tell
        start: list[Record | Problem] = []
        missing = dict(self._mapping)
        columns: dict[str, None] = {}
        seen = 0
        while missing and seen < _ENOUGH and (one := next(records, None)) is not None:
            start.append(one)
            if isinstance(one, Record):
                seen += 1
                columns.update(dict.fromkeys(one.fields))
                for name, column in list(missing.items()):
                    if not is_missing(lookup(one.fields, column)):
                        del missing[name]
        if missing and seen:
            raise self._unknown(missing, list(columns))
        return (_renamed(one, self._mapping) for one in itertools.chain(start, records))

    def _unknown(self, missing: Mapping[str, str], columns: list[str]) -> UsageError:
        name, column = next(iter(missing.items()))
        return UsageError(
            f'{self.name} has no column "{column}" for the field "{name}"; its columns are '
            f"{listed(columns)}."
        )


def open_records(
    path_or_name: str | Path,
    *,
    format: str = "auto",  # noqa: A002 (as the option is called)
    mapping: Mapping[str, str] | None = None,
    split: str | None = None,
    limit: int | None = None,
) -> RecordSource:
    """Finds the data and how to read it; a file is read only as its records are asked for.

    Args:
        path_or_name: a file, or ``NAME`` or ``NAME:CONFIGURATION`` of a data set.
        format: one of :data:`FORMATS` or ``datasets``; ``auto`` goes by the ending of a file (and
            the first character of a ``.json``), and takes what is no file for a data set's name.
        mapping: fields that a task wants, and the columns they are read from; a column may be
            within objects (``answer.text``).
        split: of a data set, needed if it has several.
        limit: most records that are given, None for all.

    Raises:
        UsageError: the format is unknown or cannot be told, or there is no such split.
        ExtractError: there is no such file or data set.
    """
    path = Path(path_or_name)
    if format not in ("auto", _DATASETS, *FORMATS):
        known = ", ".join((*FORMATS, _DATASETS))
        raise UsageError(f'"{format}" is no format of data; there are {known}.')
    if format == _DATASETS or (format == "auto" and _is_name(path_or_name)):
        return _open_hub(str(path_or_name), dict(mapping or {}), split, limit)
    if split is not None:
        raise UsageError(f"{path} is a file and has no splits; give the file of that split.")
    if not path.exists() or path.is_dir():
        next(raw_lines(path), None)  # says what is wrong with it
    found = _format_of(path) if format == "auto" else format
    read = FORMATS[found]
    return RecordSource(str(path), path.name, found, lambda: read(path), mapping or {}, limit)


def _open_hub(
    name: str, mapping: Mapping[str, str], split: str | None, limit: int | None
) -> RecordSource:
    data = hub.HubData(name, split)
    of_split = f", split {data.split}" if data.split else ""
    return RecordSource(name, f"{name}{of_split}", _DATASETS, lambda: iter(data), mapping, limit)


def _is_name(path_or_name: str | Path) -> bool:
    """Whether this is to be taken for a data set's name: it is no file and does not look like one.

    Raises:
        ExtractError: it would be a name, but the package is not installed.
    """
    path = Path(path_or_name)
    name = str(path_or_name)
    path_like = path.suffix.lower() in {*_ENDINGS, ".json"} or name.startswith((".", "~", "/"))
    if path.exists() or path_like or path.is_absolute() or "\\" in name or name.count("/") > 1:
        return False
    if not hub.installed():
        raise ExtractError(
            f"There is no data file {path}; if it is the name of a data set, install the package "
            '"datasets" (pip install datasets), which looks it up.'
        )
    return True


def _format_of(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    first = next((raw.lstrip()[:1] for _, raw in raw_lines(path) if raw.strip()), b"")
    if ending == ".json" or first in (b"{", b"["):
        return "json" if first == b"[" else "jsonl"
    raise UsageError(
        f"The format of {path} cannot be told from its name; give it with --format "
        f"({', '.join(FORMATS)})."
    )


def _renamed(one: Record | Problem, mapping: Mapping[str, str]) -> Record | Problem:
    """The record with its columns under the names of fields."""
    if isinstance(one, Problem):
        return one
    row = one.fields
    found: dict[str, Any] = {}
    for name, column in mapping.items():
        value = lookup(row, column)
        if not is_missing(value):
            found[name] = value
    taken = {*mapping.values(), *mapping}
    found.update((key, value) for key, value in row.items() if key not in taken)
    return Record(one.line, found, one.untyped)
