"""A section while it is written: rows collect until they fill a block, one record each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout
from .sections import Shape
from .sink import Sink

SMALL_BLOCK = 1 << 16
"""Bytes of a block of texts, of tokens or of narrow rows: one row is read by reading its block."""
LARGE_BLOCK = 1 << 20
BLOCK_ROWS = 1024
"""Rows of a block that lies between the two."""


class Growing:
    """One named array, or list of texts or of tokens, that grows and is flushed in blocks.

    Args:
        before: what the rows refer to; it is flushed before each of their blocks, so that a file
            that is cut between the two can be understood.

    Attributes:
        count: rows so far.
    """

    def __init__(self, sink: Sink, name: str, shape: Shape, before: Growing | None = None) -> None:
        self.name, self.shape, self._before = name, shape, before
        self.count = 0
        self._sink = sink
        self._blocks: list[tuple[int, ...]] = []
        self._pending: list[Any] = []
        self._pending_rows = self._pending_bytes = 0
        row_bytes = math.prod(shape.row) * np.dtype(shape.dtype).itemsize if shape.dtype else 1
        self._row_bytes = max(1, row_bytes)

    def describe(self) -> dict[str, Any]:
        """The section as the index describes it."""
        return {
            "kind": self.shape.kind,
            "dtype": self.shape.dtype,
            "row": list(self.shape.row),
            "count": self.count,
            "blocks": np.array(self._blocks, dtype="<u8").tobytes(),
        }

    def append(self, value: Any, size: int = 0) -> None:
        """Adds one row: a scalar, a text, or one example's tokens; ``size`` is its bytes."""
        size = size or self._row_bytes
        if self._pending_rows and self._pending_bytes + size > SMALL_BLOCK:
            self.flush()
        self._pending.append(value)
        self.count += 1
        self._pending_rows += 1
        self._pending_bytes += size

    def append_all(self, values: Sequence[Any], sizes: Sequence[int] | None = None) -> None:
        """Adds many rows; the blocks are those that :meth:`append` would make of them.

        Args:
            values: scalars, texts, or lists for rows of several numbers.
            sizes: bytes of each, None if each takes what this section's type takes.
        """
        if sizes is not None:
            for value, size in zip(values, sizes, strict=True):
                self.append(value, size)
            return
        at = 0
        while at < len(values):
            room = (SMALL_BLOCK - self._pending_bytes) // self._row_bytes
            if room < 1 and self._pending_rows:
                self.flush()
                continue
            some = values[at : at + max(1, room)]
            self._pending += some
            self.count += len(some)
            self._pending_rows += len(some)
            self._pending_bytes += len(some) * self._row_bytes
            at += len(some)

    def extend(self, rows: npt.NDArray[Any]) -> None:
        """Adds rows of an array, of this section's shape and type."""
        if not len(rows):
            return
        size = self._row_bytes
        step = max(1, min(max(BLOCK_ROWS, SMALL_BLOCK // size), LARGE_BLOCK // size))
        if self._pending_rows + len(rows) < step:
            self._pending.append(rows.copy())  # the caller may change its array
            self.count += len(rows)
            self._pending_rows += len(rows)
            return
        if self._pending:
            rows = np.concatenate([*self._pending, rows])
            self.count -= self._pending_rows
            self._pending, self._pending_rows = [], 0
        whole = len(rows) - len(rows) % step
        for start in range(0, whole, step):
            self._put_array(rows[start : start + step])
        self.extend(rows[whole:])

    def flush(self) -> None:
        """Writes what is pending."""
        if not self._pending:
            return
        rows, count = self._pending, self._pending_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0
        self.count -= count
        if self.shape.kind != "array":
            fields = {"record": self.shape.kind, "name": self.name, "start": self.count}
            self._put(count, layout.pack(fields | {"data": rows}))
        elif isinstance(rows[0], np.ndarray):
            self._put_array(np.concatenate(rows))
        else:
            self._put_array(np.array(rows, dtype=self.shape.dtype))

    def _put_array(self, rows: npt.NDArray[Any]) -> None:
        rows = rows.reshape((len(rows), *self.shape.row))
        fields = {
            "record": "array",
            "name": self.name,
            "start": self.count,
            "dtype": self.shape.dtype,
            "shape": list(rows.shape),
        }
        data = np.ascontiguousarray(rows, dtype=self.shape.dtype).tobytes()
        self._put(len(rows), layout.pack_before_data(fields, len(data)), data)

    def _put(self, count: int, *parts: bytes) -> None:
        if self._before is not None:
            self._before.flush()
        offset = self._sink.write(*parts)
        length = sum(map(len, parts))
        self._blocks.append((self.count, count, offset, length, layout.checksum(*parts)))
        self.count += count
