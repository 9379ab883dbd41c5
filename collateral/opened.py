"""An open collateral file: its descriptions, its sections, and how it is closed again."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import sections
from .attention import Attention
from .described import Described
from .norms import ValueNorms
from .source import Source
from .vectors import Vectors

T = TypeVar("T", bound="Opened")


class Opened:
    """What ``Collateral`` stands on: see there for the attributes."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._source = Source(path)
        self.path = self._source.path
        try:
            index, self._head = self._source.index()
            try:
                self._load(index)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else error
                raise self._source.error(f"the index is wrong: {reason}") from error
        except BaseException:
            self._source.close()
            raise

    def _load(self, index: dict[str, Any]) -> None:
        found = Described(self._source, index, self._head)
        self.meta, self._sections = found.meta, found.sections
        self.metrics, self.measures = found.metrics, found.measures
        self.summaries = found.summaries
        self.examples, self.points, self.pairs, self.items = map(found.table, sections.TABLES)
        directory = self._sections["attention/directory"]
        self._attention = Attention(self._source, self.meta, directory)
        self.vectors = Vectors(self._source, self._sections, self.meta)
        count = len(self.examples)
        self._norms = {
            kind.name: ValueNorms(self._source, self._sections, kind.name, count)
            for kind in self.meta.attention
        }

    # -- life -------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes the file; what was read stays usable."""
        self._source.close()

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- inside -----------------------------------------------------------------------------

    def _array(self, name: str, message: str = "") -> npt.NDArray[Any]:
        if name not in self._sections:
            raise KeyError(message or f"{name} is not in this file")
        rows: npt.NDArray[Any] = self._sections[name].all()
        return rows

    def _rows_below(self, name: str, limit: int) -> npt.NDArray[Any]:
        """An array of row numbers that must all lie in [0, limit)."""
        rows = self._array(name)
        if rows.size and not (rows.min() >= 0 and rows.max() < limit):
            raise self._source.error(f"{name!r} points outside its table")
        return rows

    def _owners(self, name: str) -> npt.NDArray[Any]:
        """Example rows in order: those who read may look for an example's rows by bisection."""
        rows = self._rows_below(name, len(self.examples))
        falls = np.flatnonzero(rows[1:] < rows[:-1])
        if len(falls):
            row = int(falls[0]) + 1
            raise self._source.error(
                f"row {row} of {name!r} is of example {rows[row]}, but the one before it is of "
                f"example {rows[row - 1]}: the rows are not in the order of their examples"
            )
        return rows
