"""Reading attention weights: the directory of records, and single heads out of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import layout
from .schema import FORMAT, AttentionKind, Encoding, Meta
from .section import Section
from .source import Source

_TYPES: Mapping[int, npt.DTypeLike] = dict(enumerate(layout.ENCODINGS.values()))


class Entry(NamedTuple):
    """One row of the attention directory (see ``layout.DIRECTORY``)."""

    kind: int
    example: int
    encoding: int
    queries: int
    keys: int
    offset: int
    length: int
    checksum: int
    checksums_at: int
    data_at: int


class Attention:
    """The attention records of a file. The directory is read when the first one is asked for."""

    def __init__(self, source: Source, meta: Meta, directory: Section) -> None:
        self._source, self._meta, self._section = source, meta, directory

    @cached_property
    def _directory(self) -> npt.NDArray[np.uint64]:
        rows: npt.NDArray[np.uint64] = self._section.all()
        return rows

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        """(kind, example) to row of the directory."""
        pairs = self._directory[:, :2].tolist()
        return {(kind, example): row for row, (kind, example) in enumerate(pairs)}

    def kind(self, name: str) -> int:
        """The number of a kind of attention.

        Raises:
            KeyError: there is no such kind; the message lists those there are.
        """
        for number, kind in enumerate(self._meta.attention):
            if kind.name == name:
                return number
        known = ", ".join(kind.name for kind in self._meta.attention)
        raise KeyError(f"there is no attention of kind {name!r}; there is: {known}")

    def examples(self, kind: str) -> tuple[int, ...]:
        """Rows of the examples whose attention of this kind is stored, in order."""
        number, count = self.kind(kind), self._meta.counts["examples"]
        rows = self._directory[self._directory[:, 0] == number, 1]
        return tuple(np.unique(rows[rows < count]).tolist())

    def find(self, example: int, kind: str) -> Entry | None:
        """The record of an example, checked against the file; None if there is none.

        Raises:
            KeyError: there is no such kind of attention.
            CollateralError: the directory is wrong.
        """
        row = self._places.get((self.kind(kind), example))
        return None if row is None else self.entry(row)

    def __len__(self) -> int:
        return len(self._directory)

    def entry(self, row: int) -> Entry:
        """One row of the directory.

        Raises:
            CollateralError: it is wrong.
        """
        entry = Entry(*self._directory[row].tolist())
        if not self._plausible(entry):
            raise self._source.error(f"row {row} of the directory of attention records is wrong")
        return entry

    def known(self, entry: Entry) -> bool:
        """Whether this version can read it."""
        return entry.encoding in _TYPES

    def _plausible(self, entry: Entry) -> bool:
        inside = entry.offset >= self._source.head_end
        inside &= entry.offset + entry.length <= self._source.index_at
        if entry.example >= self._meta.counts["examples"]:
            return False
        if entry.kind >= len(self._meta.attention):
            return False
        if not self.known(entry):
            return inside and self._meta.format > FORMAT
        info = self._meta.attention[entry.kind]
        heads = info.layers * info.heads
        return (
            inside
            and 1 <= entry.queries <= layout.MAX_TOKENS
            and 1 <= entry.keys <= layout.MAX_TOKENS
            and entry.offset <= entry.checksums_at
            and entry.checksums_at + 4 * heads <= entry.data_at
            and entry.data_at + heads * self.head_bytes(entry) == entry.offset + entry.length
        )

    def encoding(self, entry: Entry) -> Encoding:
        """How the weights are stored.

        Raises:
            CollateralError: in a way that this version does not know.
        """
        if not self.known(entry):
            what = f"the attention of example {entry.example} is stored in a way not known here"
            raise self._source.error(what, "Update interpret-tui.")
        return list(layout.ENCODINGS)[entry.encoding]

    def info(self, entry: Entry) -> AttentionKind:
        """The kind of attention of a record."""
        return self._meta.attention[entry.kind]

    def head_bytes(self, entry: Entry) -> int:
        """Bytes of one head's weights."""
        return entry.queries * entry.keys * np.dtype(_TYPES[entry.encoding]).itemsize

    def weights(self, entry: Entry, layers: range, heads: range) -> npt.NDArray[np.float32]:
        """float32 [layers, heads, queries, keys]; reads these heads and nothing else.

        Raises:
            CollateralError: a head is damaged.
        """
        self.encoding(entry)
        shape = (len(layers), len(heads), entry.queries, entry.keys)
        result = np.empty(shape, dtype=np.float32)
        for i, layer in enumerate(layers):
            for j, stored in enumerate(self.stored(entry, layer, heads)):
                result[i, j] = layout.decode_attention(stored).reshape(shape[2:])
        return result

    def stored(self, entry: Entry, layer: int, heads: range) -> Iterator[npt.NDArray[Any]]:
        """The heads of one layer as they are stored, flat, each checked."""
        dtype = np.dtype(_TYPES[entry.encoding])
        size = self.head_bytes(entry)
        first = layer * self.info(entry).heads + heads.start
        data = memoryview(self._source.read(entry.data_at + first * size, len(heads) * size))
        checks = np.frombuffer(
            self._source.read(entry.checksums_at + 4 * first, 4 * len(heads)), dtype="<u4"
        )
        for i, head in enumerate(heads):
            part = data[i * size : (i + 1) * size]
            if layout.checksum(part) != checks[i]:
                name = f"head {layer}.{head} of example {entry.example}"
                raise self._source.error(f"is damaged: the attention of {name} has changed")
            yield np.frombuffer(part, dtype=dtype)
