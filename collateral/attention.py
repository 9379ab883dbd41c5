"""Reading attention weights: the directory of records, and single heads out of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import layout, sparse
from .schema import FORMAT, AttentionKind, Encoding, Meta
from .section import Section
from .source import Source

_SMALL = 4 * 1024**2
"""Bytes of a record that is read whole where one row of each head is asked for."""
_MOST = 1.01
"""No weight is larger, rounded as it may be."""


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
        return tuple(sorted(set(rows[rows < count].tolist())))

    def kept_counts(self, kind: str) -> list[tuple[int | None, int]]:
        """How many weights of each row are kept (None: all), and by how many examples, rising.

        Examples whose weights are stored in a way that this version does not know are left out.

        Raises:
            CollateralError: the directory is wrong.
        """
        rows = np.flatnonzero(self._directory[:, 0] == self.kind(kind)).tolist()
        entries = [entry for entry in map(self.entry, rows) if self.known(entry)]
        counts = Counter(self.kept(entry) for entry in entries)
        return sorted(counts.items(), key=lambda item: item[0] or 0)

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
        if not self.plausible(entry):
            raise self._source.error(f"row {row} of the directory of attention records is wrong")
        return entry

    def known(self, entry: Entry) -> bool:
        """Whether this version can read it."""
        return entry.encoding < len(layout.ENCODING_NAMES)

    def plausible(self, entry: Entry) -> bool:
        """Whether a record of this kind and size can lie there."""
        inside = entry.offset >= self._source.head_end
        inside &= entry.offset + entry.length <= self._source.index_at
        if entry.example >= self._meta.counts["examples"]:
            return False
        if entry.kind >= len(self._meta.attention):
            return False
        if not self.known(entry):
            return inside and self._meta.format > FORMAT
        heads = self.heads(entry)
        return (
            inside
            and 1 <= entry.queries <= layout.MAX_TOKENS
            and 1 <= entry.keys <= layout.MAX_TOKENS
            and entry.offset <= entry.checksums_at
            and entry.checksums_at + 4 * heads <= entry.data_at
            and entry.data_at + heads * self.head_bytes(entry) == entry.offset + entry.length
            and self._keeps_some(entry)
        )

    def _keeps_some(self, entry: Entry) -> bool:
        """A sparse record keeps between one and all of the weights of a row."""
        kept = self.kept(entry)
        if kept is None:
            return True
        return 1 <= kept <= entry.keys <= layout.most_keys(self.encoding(entry))

    def encoding(self, entry: Entry) -> Encoding:
        """How the weights are stored.

        Raises:
            CollateralError: in a way that this version does not know.
        """
        if not self.known(entry):
            what = f"the attention of example {entry.example} is stored in a way not known here"
            raise self._source.error(what, "Update interpret-tui.")
        return layout.ENCODING_NAMES[entry.encoding]

    def info(self, entry: Entry) -> AttentionKind:
        """The kind of attention of a record."""
        return self._meta.attention[entry.kind]

    def heads(self, entry: Entry) -> int:
        """Heads of a record, of all layers."""
        info = self.info(entry)
        return info.layers * info.heads

    def kept(self, entry: Entry) -> int | None:
        """How many weights of each row are stored; None if all are.

        Raises:
            CollateralError: the weights are stored in a way that this version does not know.
        """
        encoding = self.encoding(entry)
        if encoding not in layout.SPARSE:
            return None
        size = entry.offset + entry.length - entry.data_at
        return sparse.kept_in(encoding, size // (self.heads(entry) * entry.queries))

    def head_bytes(self, entry: Entry) -> int:
        """Bytes of one head's weights."""
        encoding, kept = self.encoding(entry), self.kept(entry)
        if kept is not None:
            return entry.queries * sparse.row_bytes(encoding, kept)
        return entry.queries * entry.keys * np.dtype(layout.ENCODINGS[encoding]).itemsize

    def weights(self, entry: Entry, layers: range, heads: range) -> npt.NDArray[np.float32]:
        """float32 [layers, heads, queries, keys]; reads these heads and nothing else.

        Raises:
            CollateralError: a head is damaged, or sparse weights would take too much room.
        """
        is_sparse = self.kept(entry) is not None
        shape = (len(layers), len(heads), entry.queries, entry.keys)
        if is_sparse and math.prod(shape) > layout.MAX_FILLED:
            sizes = " x ".join(f"{size:,}" for size in shape)
            what = f"the attention of example {entry.example} is too large to be filled out"
            advice = "Read fewer heads at once, or what was kept only."
            raise self._source.error(f"{what}: {sizes} weights", advice)
        result = (np.zeros if is_sparse else np.empty)(shape, dtype=np.float32)
        for i, layer in enumerate(layers):
            for j, stored in enumerate(self.stored(entry, layer, heads)):
                if is_sparse:
                    sparse.fill(self._split(entry, stored), result[i, j])
                else:
                    layout.decode_attention(stored, result[i, j].reshape(stored.shape))
        return result

    def rows(self, entry: Entry, query: int) -> npt.NDArray[np.float32]:
        """float32 [layers, heads, keys]: one query's row in every head; reads little more.

        Checksums are of whole heads. Rows of a large record are only looked at for what cannot be
        a weight.

        Raises:
            CollateralError: the record is damaged.
        """
        info, size = self.info(entry), self.head_bytes(entry)
        count = self.heads(entry)
        if count * size <= _SMALL:
            layers, heads = range(info.layers), range(info.heads)
            return self.weights(entry, layers, heads)[:, :, query].copy()
        result = np.zeros((count, entry.keys), dtype=np.float32)
        for head, row in enumerate(result):
            self._row(entry, entry.data_at + head * size, query, row)
        if not (np.isfinite(result).all() and result.min() >= 0 and result.max() <= _MOST):
            name = f"query {query} of example {entry.example}"
            raise self._source.error(f"is damaged: the attention of {name} has changed")
        return result.reshape(info.layers, info.heads, entry.keys)

    def _row(self, entry: Entry, at: int, query: int, into: npt.NDArray[np.float32]) -> None:
        """Fills in one row of the head that begins at a place in the file."""
        encoding, kept = self.encoding(entry), self.kept(entry)
        if kept is None:
            dtype = np.dtype(layout.ENCODINGS[encoding])
            length = entry.keys * dtype.itemsize
            stored = np.frombuffer(self._source.read(at + query * length, length), dtype=dtype)
            into[:] = layout.decode_attention(stored)
            return
        dtype, half = np.dtype(layout.SPARSE[encoding]), np.dtype("<f2")
        parts = []
        for part in (dtype, half):
            length = kept * part.itemsize
            data = self._source.read(at + query * length, length)
            parts.append(np.frombuffer(data, dtype=part)[None])
            at += entry.queries * length
        head = sparse.Kept(parts[0], parts[1], np.zeros(1, dtype=half))
        if not sparse.sound(head, entry.keys):
            what = f"the attention of example {entry.example} has keys out of order or range"
            raise self._source.error(what)
        sparse.fill(head, into[None])

    def kept_weights(self, entry: Entry, layers: range, heads: range) -> sparse.Kept:
        """What a sparse record keeps of these heads: [layers, heads, queries, k], weights float32.

        Raises:
            CollateralError: a head is damaged.
        """
        found = [
            self._split(entry, stored)
            for layer in layers
            for stored in self.stored(entry, layer, heads)
        ]
        lead = (len(layers), len(heads))
        indices = np.stack([kept.indices for kept in found]).astype(np.int32)
        weights = layout.decode_attention(np.stack([kept.weights for kept in found]))
        rest = layout.decode_attention(np.stack([kept.rest for kept in found]))
        return sparse.Kept(
            indices.reshape(*lead, *indices.shape[1:]),
            weights.reshape(*lead, *weights.shape[1:]),
            rest.reshape(*lead, entry.queries),
        )

    def halves(self, entry: Entry, stored: npt.NDArray[Any]) -> npt.NDArray[np.float16] | None:
        """The weights and rests of a stored head, where they are float16.

        Raises:
            CollateralError: sparse, and its indices do not rise or are of keys that are not there.
        """
        if self.kept(entry) is None:
            return stored if stored.dtype.kind == "f" else None
        head = self._split(entry, stored)
        return np.concatenate([head.weights.reshape(-1), head.rest])

    def _split(self, entry: Entry, stored: npt.NDArray[Any]) -> sparse.Kept:
        """A head of a sparse record, taken apart.

        Raises:
            CollateralError: its indices do not rise, or are of keys that are not there.
        """
        kept = self.kept(entry)
        assert kept is not None
        head = sparse.split(stored, entry.queries, kept, self.encoding(entry))
        if not sparse.sound(head, entry.keys):
            what = f"the attention of example {entry.example} has keys out of order or range"
            raise self._source.error(what)
        return head

    def stored(self, entry: Entry, layer: int, heads: range) -> Iterator[npt.NDArray[Any]]:
        """The heads of one layer as they are stored, flat, each checked; sparse ones as bytes."""
        dtype = np.dtype(layout.ENCODINGS.get(self.encoding(entry), "|u1"))
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
