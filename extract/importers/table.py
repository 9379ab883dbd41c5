"""The table of the paper's application: a CSV with a row per tracked token.

Columns ``layer_00_tsne_x``, ``layer_00_tsne_y`` and so on hold the map of each hidden state. The
samples that its authors give are read as they are: one names all its columns twice in its header,
both begin their rows with a number that has no name, and tables put together from parts repeat the
header line.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ExtractError
from ..saying import listed
from .common import Problems

_COORDINATE = re.compile(r"layer_(\d{1,4})_tsne_([xy])\Z")
_AGGREGATED = re.compile(r"aggr_layer_\d+_tsne_[xy]\Z")
_START = 4096
"""Bytes that tell whether a file is of text."""
_INDEX = ("", "Unnamed: 0")
_LONGEST_CELL = 1 << 24
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Row:
    """One tracked token.

    Attributes:
        line: number of the line, counted from 1.
        id: of its example.
        coordinates: float32 [layers + 1, 2].
        values: all other cells by name; an empty cell is None.
    """

    line: int
    id: str
    coordinates: npt.NDArray[np.float32]
    values: dict[str, str | None]


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it was read.

    Attributes:
        columns: names of the columns beside id and coordinates, in order.
        states: number of hidden states with a map, 0 without any.
        rows: the rows, in order.
        repeated: header lines that came again.
        aggregated: number of columns of aggregated coordinates, which are passed over.
    """

    path: Path
    columns: tuple[str, ...]
    states: int
    rows: list[Row]
    repeated: int
    aggregated: int


@dataclass(frozen=True)
class _Header:
    names: list[str]
    width: int
    places: dict[str, int]
    states: list[tuple[int, int]]


def read_table(path: Path, problems: Problems) -> Table:
    """Reads a table.

    Args:
        path: the file; UTF-8, separated by commas, or by tabs if its first line has those only.
        problems: takes rows that cannot be used.

    Raises:
        ExtractError: the file cannot be read, or a column is missing.
    """
    _check_text(path)
    lines = _cells(path)
    first = next(lines, None)
    if first is None:
        raise ExtractError(f"{path} is empty; it must hold a header line and rows.")
    header = _header(path, first[1])
    others = [
        name
        for name in header.places
        if name != "id" and not _COORDINATE.match(name) and not _AGGREGATED.match(name)
    ]
    rows: list[Row] = []
    repeated = 0
    for line, cells in lines:
        if _is_header(cells, first[1], header):
            repeated += 1
            continue
        try:
            rows.append(_row(line, cells, header, others))
        except ValueError as error:
            problems.add(f"{path}, line {line}", str(error))
    if not rows:
        raise ExtractError(f"{path} has no rows that can be used beneath its header.")
    aggregated = sum(1 for name in header.places if _AGGREGATED.match(name))
    return Table(path, tuple(others), len(header.states), rows, repeated, aggregated)


def _check_text(path: Path) -> None:
    """Whether it is a file of text, whatever its encoding.

    Raises:
        ExtractError: it is one of torch.save, or another of bytes.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise ExtractError(f"{path} cannot be read ({error.strerror}).") from None
    if start.startswith((b"PK\x03\x04", b"\x80")) and start[8:9] != b"{":
        raise ExtractError(
            f"{path} is no table (CSV); a dictionary that torch.save wrote is given with "
            "--collateral."
        )
    if b"\0" in start and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ExtractError(f"{path} is no text; --table takes a table (CSV).")


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_CELL)
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter="\t" if "\t" in start and "," not in start else ",")
            line = 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield line, cells
                line = reader.line_num + 1
    except UnicodeDecodeError:
        raise ExtractError(
            f"{path} is not UTF-8 (at or after line {max(line, 1)}); convert it."
        ) from None
    except csv.Error as error:
        raise ExtractError(f"{path}, line {line}: cannot be read as CSV ({error}).") from None
    except OSError as error:
        raise ExtractError(f"{path} cannot be read ({error.strerror}).") from None


def _header(path: Path, cells: Sequence[str]) -> _Header:
    names = [name.strip() for name in cells]
    half = len(names) // 2
    if len(names) > 1 and names[:half] == names[half:]:
        names = names[:half]
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in _INDEX:
            continue
        if name in places:
            raise ExtractError(
                f'{path}, line 1: the header names the column "{name}" twice; rename one of them.'
            )
        places[name] = place
    if "id" not in places:
        raise ExtractError(
            f'{path} has no column "id", which joins its rows to the examples; its columns are '
            f"{listed([name[:40] for name in places], 8)}."
        )
    return _Header(names, len(names), places, _states(path, places))


def _states(path: Path, places: dict[str, int]) -> list[tuple[int, int]]:
    """The places of x and y of each hidden state.

    Raises:
        ExtractError: a layer is missing, or one of its two columns.
    """
    found: dict[int, dict[str, tuple[str, int]]] = {}
    for name, place in places.items():
        if match := _COORDINATE.match(name):
            found.setdefault(int(match[1]), {})[match[2]] = (name, place)
    made = []
    for layer in range(max(found, default=-1) + 1):
        both = found.get(layer, {})
        for axis in "xy":
            if axis not in both:
                raise ExtractError(
                    f'{path} has no column "layer_{layer:02}_tsne_{axis}" but others of its kind; '
                    "there must be an x and a y for every layer from 00 on."
                )
        made.append((both["x"][1], both["y"][1]))
    return made


def one_of(columns: Collection[str], names: Sequence[str]) -> str:
    """The first of some names that is one of the columns; empty if none is."""
    return next((one for one in names if one in columns), "")


def need(table: Table, names: Sequence[str], what: str, other: tuple[str, str]) -> None:
    """Whether a table has one of some columns.

    Args:
        table: as it was read.
        names: of the columns, the usual one first.
        what: it holds, for messages.
        other: a column that tables of another task have, and that task.

    Raises:
        ExtractError: it has none.
    """
    if one_of(table.columns, names):
        return
    column, task = other
    there = listed([name[:40] for name in ("id", *table.columns)], 8)
    advice = f"is it a table of --task {task}?"
    raise ExtractError(
        f'{table.path} has no column "{names[0]}" with {what}; '
        f"{advice if column in table.columns else f'its columns are {there}.'}"
    )


def _is_header(cells: Sequence[str], first: Sequence[str], header: _Header) -> bool:
    stripped = [cell.strip() for cell in cells]
    return stripped in ([cell.strip() for cell in first], header.names) or (
        stripped[1:] == header.names
    )


def _row(line: int, cells: list[str], header: _Header, others: Sequence[str]) -> Row:
    """A row, or ValueError with what is wrong with it."""
    if len(cells) == header.width + 1:
        cells = cells[1:]  # a number without a name, as pandas writes its index
    elif len(cells) in (2 * header.width, 2 * header.width + 1):
        cells = cells[-2 * header.width :][: header.width]
    if len(cells) != header.width:
        raise ValueError(f"has {len(cells)} cells, but the header names {header.width} columns")
    name = cells[header.places["id"]].strip()
    if not name:
        raise ValueError("has no id")
    coordinates = np.empty((len(header.states), 2), dtype=np.float32)
    for layer, places in enumerate(header.states):
        for axis, place in enumerate(places):
            coordinates[layer, axis] = _number(cells[place], header.names[place])
    values = {other: cells[header.places[other]].strip() or None for other in others}
    return Row(line, normal_id(name), coordinates, values)


def _number(cell: str, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not abs(value) <= _LARGEST:  # so is NaN
        shown = f'"{cell[:20]}"' if cell.strip() else "nothing"
        raise ValueError(f'has {shown} as "{name}"; a point needs a place in every layer')
    return value


def normal_id(name: object) -> str:
    """An id as text: whole numbers are the same however they are written."""
    text = str(name).strip()
    if isinstance(name, float) and name.is_integer():
        return str(int(name))
    head, _, tail = text.partition(".")
    return head if head.isdecimal() and tail and not tail.strip("0") else text
