"""Comma- and tab-separated values; the first line names the columns, all cells are strings."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ...errors import ExtractError
from ...saying import listed
from .base import BadRecord, Problem, Record, raw_lines

_LONGEST_CELL = 1 << 27
_NUL = "\udc00"  # stands for NUL, which the csv module of Python 3.10 does not take


def read_csv(path: Path) -> Iterator[Record | Problem]:
    """Values separated by commas, quoted where needed (RFC 4180)."""
    return _read(path, ",", quoted=True)


def read_tsv(path: Path) -> Iterator[Record | Problem]:
    """Values separated by tabs, quoted where needed."""
    return _read(path, "\t", quoted=True)


def read_unquoted_tsv(path: Path) -> Iterator[Record | Problem]:
    """Values separated by tabs, in which quotes are characters like others."""
    return _read(path, "\t", quoted=False)


def _read(path: Path, delimiter: str, *, quoted: bool) -> Iterator[Record | Problem]:
    names: list[str] | None = None
    for line, row in _rows(path, delimiter, quoted=quoted):
        if isinstance(row, BadRecord):
            if names is None:
                raise ExtractError(f"{path}, line {line}: {row}.")
            yield Problem(line, str(row))
        elif names is None:
            names = _header(path, line, row)
        elif len(row) != len(names):
            cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            yield Problem(line, f"has {cells}, but the header names {len(names)} columns")
        else:
            cells_by_name = {n: cell or None for n, cell in zip(names, row, strict=True)}
            yield Record(line, cells_by_name, untyped=True)


def _header(path: Path, line: int, row: list[str]) -> list[str]:
    """Names of the columns; one without a name (an index) is called by its number."""
    names = [name.strip() or f"column {i}" for i, name in enumerate(row, 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ExtractError(
            f"{path}, line {line}: the header names a column twice ({listed(twice)}); "
            "rename one of them."
        )
    return names


def _rows(
    path: Path, delimiter: str, *, quoted: bool
) -> Iterator[tuple[int, list[str] | BadRecord]]:
    """Rows that are not blank, each with the number of its first line."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(
        _texts(path),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            what = str(error)
            if "unexpected end of data" in what:
                advice = "close it"
                if delimiter == "\t":
                    advice += ', or give the format "tsv-unquoted" if quotes mean nothing here'
                raise ExtractError(
                    f"{path}, line {line}: a quote is opened and never closed; {advice}."
                ) from None
            yield line, BadRecord(_explained(what, delimiter))
            continue
        if not row or (len(row) == 1 and not row[0].strip()):
            continue
        try:
            yield line, [_whole(cell) for cell in row]
        except BadRecord as error:
            yield line, error


def _texts(path: Path) -> Iterator[str]:
    # bytes that are not UTF-8 stay in place, so that the row they are in is found and named
    for _, raw in raw_lines(path):
        yield raw.decode("utf-8", errors="surrogateescape").replace("\0", _NUL)


def _whole(cell: str) -> str:
    if cell.isascii():
        return cell
    if _NUL in cell:
        raise BadRecord("holds a NUL character")
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError as error:
        byte = ord(cell[error.start]) - 0xDC00
        raise BadRecord(f"is not UTF-8 (byte 0x{byte:02x} in a cell)") from None
    return cell


def _explained(what: str, delimiter: str) -> str:
    if "field larger" in what:
        return f"has a cell of more than {_LONGEST_CELL:,} characters; is a quote not closed?"
    if "expected after" in what:
        sign = "tab" if delimiter == "\t" else "comma"
        return f"a quoted cell goes on after its closing quote, where a {sign} is due"
    if "new-line" in what:
        return "has a carriage return outside quotes; end lines with a newline"
    return f"cannot be read as cells ({what})"
