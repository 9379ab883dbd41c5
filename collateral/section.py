"""Reading a section: one named array, or list of texts or of tokens, stored in blocks of rows."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout
from .sections import ARRAY_TYPES
from .source import Block, Source

_CACHE_BYTES = 8 << 20
_BLOCK_BYTES = 8 * len(layout.BLOCK)
_LIST_COST = 8
"""Texts and tokens take so many times their bytes once they are Python objects."""


class BlockCache:
    """The blocks that were read last, for all sections of a file; may be used from any thread."""

    def __init__(self, most: int = _CACHE_BYTES) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[tuple[str, int], tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int]) -> Any:
        """The rows kept under ``key``, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][1]

    def put(self, key: tuple[str, int], rows: Any, cost: int) -> None:
        """Keeps rows that take ``cost`` bytes; the oldest go when there are too many."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = (cost, rows)
            self._size += cost
            while self._size > self._most and len(self._kept) > 1:
                _, (freed, _) = self._kept.popitem(last=False)
                self._size -= freed


class Section:
    """One named array, or list of texts or tokens; its blocks are read when they are asked for.

    Attributes:
        name: its name in the index.
        kind: "array", "texts", "tokens"; another if a newer minor version wrote it.
        dtype, row: of an array: numpy's name of the type, and the shape of one row.
        count: number of rows.

    Raises:
        ValueError: its description in the index is wrong.
    """

    def __init__(self, source: Source, cache: BlockCache, name: str, description: Any) -> None:
        self.source, self.name, self._cache = source, name, cache
        try:
            self.kind, self.dtype = description["kind"], description["dtype"]
            self.row = tuple(map(_size, description["row"]))
            self.count = _size(description["count"])
            self.packed_blocks = description["blocks"]
            self._check()
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"it describes {name[:80]!r} wrongly ({reason})") from None

    @property
    def known(self) -> bool:
        """Whether this version can read it."""
        return self.kind in ("array", "texts", "tokens")

    def _check(self) -> None:
        if not isinstance(self.kind, str):
            raise ValueError("the kind is no text")
        if self.kind == "array" and self.dtype not in ARRAY_TYPES:
            raise ValueError("unknown type")
        if len(self.row) > 4 or max(self.row, default=0) > layout.MAX_RECORD:
            raise ValueError("the rows are too large")
        self._row_bytes = math.prod(self.row) if self.kind == "array" else 1
        if self.kind == "array":
            self._row_bytes *= np.dtype(self.dtype).itemsize
        if self._row_bytes > layout.MAX_RECORD:
            raise ValueError("the rows are too large")
        if not isinstance(self.packed_blocks, bytes) or len(self.packed_blocks) % _BLOCK_BYTES:
            raise ValueError("the list of blocks is wrong")

    @cached_property
    def blocks(self) -> npt.NDArray[np.int64]:
        """The section's blocks: int64 [blocks, 5], columns as ``layout.BLOCK`` says.

        That they lie inside the file and apart from each other was checked for all sections at
        once, see :func:`check_places`; here, that they hold these rows.

        Raises:
            CollateralError: they do not.
        """
        blocks = unpack_blocks(self.packed_blocks)
        starts, counts, _, lengths, _ = blocks.T
        sound = not self.known or not len(blocks) or int(lengths.max()) <= layout.MAX_RECORD
        sound &= bool((counts >= 1).all() and (counts <= lengths // max(1, self._row_bytes)).all())
        sound &= bool((starts == np.cumsum(counts) - counts).all())
        if not sound or int(counts.sum()) != self.count:
            raise self.source.error(f"the index is wrong: the blocks of {self.name!r} lack rows")
        return blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def place(self, number: int) -> Block:
        """Where block ``number`` lies."""
        return Block(*self.blocks[number].tolist())

    def read(self, number: int) -> Any:
        """The rows of one block: an array [rows, ...] (not to be changed) or a list.

        Raises:
            CollateralError: the block is damaged.
        """
        return self.block(self.place(number))

    def block(self, block: Block) -> Any:
        """The rows of a block that lies anywhere, of an array or a list.

        Raises:
            CollateralError: it is damaged, or none of this section.
        """
        return self._decode(block, self.source.record(block))

    def _block(self, number: int) -> Any:
        key = (self.name, number)
        rows = self._cache.get(key)
        if rows is None:
            rows = self.read(number)
            cost = int(self.blocks[number, 3]) * (1 if self.kind == "array" else _LIST_COST)
            self._cache.put(key, rows, cost)
        return rows

    def _decode(self, block: Block, record: dict[str, Any]) -> Any:
        data = record.get("data")
        wrong = self.source.error(f"the record of {self.name!r} at byte {block.offset} is wrong")
        if not self.known:
            advice = "Update interpret-tui."
            raise self.source.error(f"{self.name!r} is of a kind that is not known here", advice)
        stated = (record.get("record"), record.get("name"), record.get("start"))
        if stated != (self.kind, self.name, block.start):
            raise wrong
        if self.kind == "array":
            shape = [block.count, *self.row]
            if record.get("dtype") != self.dtype or record.get("shape") != shape:
                raise wrong
            if not isinstance(data, bytes) or len(data) != block.count * self._row_bytes:
                raise wrong
            return np.frombuffer(data, dtype=self.dtype).reshape(shape)
        if not isinstance(data, list) or len(data) != block.count:
            raise wrong
        if self.kind == "texts" and not all(isinstance(text, str) for text in data):
            raise wrong
        return data

    def all(self) -> Any:
        """Every row: an array [count, ...] or a list. Not kept; the caller may change it.

        Raises:
            CollateralError: a block is damaged.
        """
        if self.kind != "array":
            return [row for number in range(len(self.blocks)) for row in self.read(number)]
        result = np.empty((self.count, *self.row), dtype=self.dtype)
        for number, (start, count, *_) in enumerate(self.blocks.tolist()):
            result[start : start + count] = self.read(number)
        return result

    def rows(self) -> Iterator[Any]:
        """The rows one after another, a block in memory at a time.

        Raises:
            CollateralError: a block is damaged.
        """
        for number in range(len(self.blocks)):
            yield from self.read(number)

    def one(self, row: int) -> Any:
        """One row; its block is kept for a while.

        Raises:
            IndexError: there is no such row.
            CollateralError: its block is damaged.
        """
        if not 0 <= row < self.count:
            raise IndexError(f"{self.name} has no row {row}")
        number = self._number(row)
        return self._block(number)[row - int(self.blocks[number, 0])]

    def some(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows ``start`` to ``stop`` of an array; the caller may change them.

        Their blocks are kept for a while.

        Raises:
            IndexError: there are no such rows.
            CollateralError: a block is damaged.
        """
        if not 0 <= start <= stop <= self.count:
            raise IndexError(f"{self.name} has no rows {start} to {stop}")
        result = np.empty((stop - start, *self.row), dtype=self.dtype)
        at = start
        while at < stop:
            number = self._number(at)
            first, count = self.blocks[number, :2].tolist()
            end = min(stop, first + count)
            result[at - start : end - start] = self._block(number)[at - first : end - first]
            at = end
        return result

    def _number(self, row: int) -> int:
        """The block that a row is in."""
        return int(np.searchsorted(self.blocks[:, 0], row, side="right")) - 1


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= layout.MAX_SIZE:
        raise ValueError("a size is none")
    return value


def unpack_blocks(data: bytes) -> npt.NDArray[np.int64]:
    """Lists of blocks as int64 [blocks, 5].

    Raises:
        ValueError: a number is too large.
    """
    blocks = np.frombuffer(data, dtype="<u8").reshape(-1, len(layout.BLOCK))
    if len(blocks) and int(blocks.max()) > layout.MAX_SIZE:
        raise ValueError("a size is too large")
    return blocks.astype(np.int64)


def check_places(sections: Iterable[Section], start: int, end: int) -> None:
    """Whether all blocks lie between ``start`` and ``end`` of the file and none overlaps another.

    Raises:
        ValueError: not so.
    """
    blocks = unpack_blocks(b"".join(section.packed_blocks for section in sections))
    offsets, lengths = blocks[:, 2], blocks[:, 3]
    if (offsets < start).any() or (offsets + lengths > end).any():
        raise ValueError("a block lies outside the records")
    order = np.argsort(offsets, kind="stable")
    if (offsets[order[:-1]] + lengths[order[:-1]] > offsets[order[1:]]).any():
        raise ValueError("two blocks overlap")
