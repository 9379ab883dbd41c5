"""Data that leave the viewer: a table with what it is about, as CSV or JSON.

Numbers are written in full: as many digits as bring back the same float32 or float64. Undefined is
an empty cell in CSV and null in JSON. No file is ever replaced.

A spreadsheet takes a cell of text that begins with ``=``, ``+``, ``-`` or ``@`` for a formula and
runs it, and the text of our cells comes from data sets. So in CSV an apostrophe is put before such
a cell, if there is more to it than that one character and it is no number; how many there were is
said. JSON holds every text as it is.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from .. import text
from ..asked.naming import harmless
from ..commands import Refused

Cells = Sequence[Any] | npt.NDArray[Any]

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r")
_ROWS = 10_000
"""Rows that are written at a time, so that a table of millions takes no memory of its own."""


@dataclass(frozen=True, eq=False)
class Data:
    """A table.

    Attributes:
        name: what the file is called by default, without its ending.
        columns: cells by name of the column, all of one length; None and NaN are undefined.
        about: what the numbers are: model, metric, what was averaged.
        constant: the part of it that changes what a number means. In CSV, which has no place for
            what the table is about, it becomes columns that say the same in every row.
    """

    name: str
    columns: Mapping[str, Cells]
    about: Mapping[str, Any] = field(default_factory=dict)
    constant: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and infinities are None, a float32 keeps its own digits."""
    if isinstance(value, np.floating):
        value = float(str(value)) if value.dtype.itemsize < 8 else float(value)
    if isinstance(value, np.ndarray):
        return plain_list(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return value


def plain_list(cells: Cells) -> list[Any]:
    """A column, or an array of any number of axes, as JSON has it."""
    if not isinstance(cells, np.ndarray):
        return [plain(cell) for cell in cells]
    if cells.ndim > 1:
        return [plain_list(row) for row in cells]
    if not np.issubdtype(cells.dtype, np.floating):
        return list(cells.tolist())
    values = cells.tolist() if cells.dtype.itemsize == 8 else map(float, cells.astype("U32"))
    return [value if math.isfinite(value) else None for value in values]


def write_json(data: Data, out: TextIO) -> int:
    """``{"about": ..., "columns": {name: [cells]}}``; ``columns`` makes a data frame as it is.

    Returns:
        0: no text is changed.
    """
    out.write(f'{{"about": {_json(plain(data.about))}, "columns": {{')
    for number, (name, cells) in enumerate(data.columns.items()):
        out.write(f"{', ' * bool(number)}{_json(name)}: [")
        for start in range(0, len(cells), _ROWS):
            part = _json(plain_list(cells[start : start + _ROWS]))
            out.write(f"{', ' * bool(start)}{part[1:-1]}")
        out.write("]")
    out.write("}}\n")
    return 0


def written_json(value: Any) -> str:
    """A value as JSON with a line end."""
    return _json(value) + "\n"


def _json(value: Any) -> str:
    """JSON; all but ASCII is escaped where a terminal could obey some of it."""
    words = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return words if harmless(words) else json.dumps(value, allow_nan=False)


def write_csv(data: Data, out: TextIO) -> int:
    """The table as CSV with a line of names; last the columns that are the same in every row.

    Returns:
        How many cells got an apostrophe before them.
    """
    constant = {name: value for name, value in data.constant.items() if name not in data.columns}
    names, guarded = _guarded([*data.columns, *constant])
    _rows(out, [[name] for name in names])
    same, more = _guarded(_cells([*constant.values()]))
    guarded += more * len(data)
    for start in range(0, len(data), _ROWS):
        columns = []
        for cells in data.columns.values():
            written, more = _guarded(_cells(cells[start : start + _ROWS]))
            columns.append(written)
            guarded += more
        count = min(_ROWS, len(data) - start)
        _rows(out, [*columns, *([cell] * count for cell in same)])
    return guarded


def _rows(out: TextIO, columns: Sequence[Sequence[str]]) -> None:
    """Some rows; all quoted where a reader could take part of a cell for the end of it."""
    risky = any(mark in cell for column in columns for cell in column for mark in "\r;\t")
    rows = zip(*columns, strict=True)
    if risky:
        csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    else:
        csv.writer(out, lineterminator="\n").writerows(rows)


def _cells(cells: Cells) -> Iterator[str]:
    for cell in plain_list(cells):
        if isinstance(cell, bool):
            yield "true" if cell else "false"
        else:
            yield "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)


def _guarded(cells: Iterable[str]) -> tuple[list[str], int]:
    """Cells with an apostrophe before those that are formulas, and how many these are."""
    written, guarded = [], 0
    for cell in cells:
        runs = cell.startswith(_FORMULA) and _runs(cell)
        written.append(f"'{cell}" if runs else cell)
        guarded += runs
    return written, guarded


def _runs(cell: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula, as it begins like one."""
    try:
        float(cell)
    except ValueError:
        return len(cell) > 1
    return False


def save(data: Data, name: str) -> str:
    """Writes a table to a new file, CSV or JSON by its ending; what was done, in a sentence.

    Raises:
        Refused: the file is there already, its name has another ending, or it can't be written.
    """
    writers = {".json": write_json, ".csv": write_csv}
    write = writers.get(Path(name).suffix.lower())
    if write is None:
        raise Refused("The name must end with .csv or .json.")
    guarded = write_new(name, lambda out: write(data, out))
    said = f"{text.many(len(data), 'row')} written to {name}"
    cells = text.many(guarded, "cell")
    return said + (f"; {cells} that a spreadsheet would run got a ' before" if guarded else "")


def write_new(name: str, write: Callable[[TextIO], int]) -> int:
    """Writes to a file that is not there yet; what ``write`` returns.

    Raises:
        Refused: it is there, or can't be written; what was begun is removed.
    """
    if not name.strip():
        raise Refused("The file needs a name.")
    path = Path(name).expanduser()
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            try:
                result = write(file)
                file.flush()
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            return result
    except FileExistsError:
        raise Refused(f"{name} is there already; nothing was written.") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Refused(f"{name} can't be written: {reason}.") from None


def free_name(stem: str, ending: str, folder: Path | None = None) -> str:
    """A name that no file in the folder has: ``heads.csv``, ``heads-2.csv``..."""
    folder = folder or Path()
    number = 1
    name = f"{stem}{ending}"
    while (folder / name).exists():
        number += 1
        name = f"{stem}-{number}{ending}"
    return name
