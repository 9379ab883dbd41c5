"""Writing what belongs to one example and one kind of attention: weights, and norms of values."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import numpy.typing as npt

from . import crc, layout, sections
from .growing import Growing
from .packing import PackedAttention
from .schema import AttentionKind, Meta
from .sink import Sink


class Lengths:
    """How many tokens each example has, and how many of them are the source's."""

    def __init__(self) -> None:
        self._tokens = array.array("q")
        self._source = array.array("q")

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def has_source(self) -> bool:
        """Whether the examples have a source and a target."""
        return len(self._source) > 0

    def check_source(self, tokens: int, source: int | None) -> None:
        """Whether the next example may have so many tokens of the source.

        Raises:
            ValueError: no; the message goes on after the example's name.
        """
        if len(self) and (source is not None) != self.has_source:
            raise ValueError("either all examples have source_tokens or none")
        if source is not None and not 0 <= source <= tokens:
            raise ValueError(f"{source} of {tokens} tokens cannot be the source's")

    def add(self, tokens: int, source: int | None) -> None:
        """The next example."""
        self._tokens.append(tokens)
        if source is not None:
            self._source.append(source)

    def tokens(self, example: int) -> int:
        """Tokens of an example."""
        return self._tokens[example]

    def of(self, example: int, kind: AttentionKind, side: str) -> int | None:
        """How many tokens a side of an example's attention must have; None if any number.

        Raises:
            ValueError: the examples have no source and target.
        """
        if side == "text":
            return self._tokens[example] if kind.name == "self" else None
        if not self.has_source:
            raise ValueError(f"the {side} is not known: add the examples with source_tokens")
        source = self._source[example]
        return source if side == "source" else self._tokens[example] - source


MANY_BYTES = 1 << 20
"""From here on it pays to make the checksum of a record from those of its heads."""


def _checksum(before: bytes, packed: PackedAttention) -> int:
    """That of a record, ``before`` and the heads."""
    if len(packed.data) < MANY_BYTES:
        return layout.checksum(before, packed.data)
    heads = np.frombuffer(packed.checksums, dtype="<u4").tolist()
    return crc.joined(layout.checksum(before), heads, len(packed.data) // len(heads))


class AttentionRecords:
    """The attention of examples while a file is written, in any order.

    Attributes:
        count: records so far.
    """

    def __init__(
        self, sink: Sink, meta: Meta, lengths: Lengths, growing: dict[str, Growing]
    ) -> None:
        self._sink, self._meta, self._lengths, self._sections = sink, meta, lengths, growing
        self._keys: dict[tuple[str, int], int] = {}
        self._normed: set[tuple[str, int]] = set()
        self.count = 0

    def check(self, example: int, kind: str) -> AttentionKind:
        """The kind of attention, whose weights may be added for this example.

        Raises:
            ValueError: no such kind or example, or added before.
        """
        info = self._kind(example, kind)
        if (kind, example) in self._keys:
            raise ValueError("added before")
        return info

    def _kind(self, example: int, kind: str) -> AttentionKind:
        info = self._meta.kind(kind)
        if info is None:
            raise ValueError(f"there is no kind of attention {kind!r}")
        if not 0 <= example < len(self._lengths):
            raise ValueError("there is no such example")
        return info

    def put(self, example: int, packed: PackedAttention) -> None:
        """Adds what was packed for this example.

        Raises:
            ValueError: it does not fit its kind or the example, or was added before.
        """
        info = self.check(example, packed.kind)
        if packed.shape[:2] != (info.layers, info.heads):
            raise ValueError(f"the shape {packed.shape} does not fit {info}")
        self._check_sides(example, info, *packed.shape[2:])
        packed.check()
        entry = self._write(example, packed)
        values = [[entry[name] for name in layout.DIRECTORY]]
        self._sections["attention/directory"].extend(np.array(values, dtype="<u8"))
        self._keys[packed.kind, example] = packed.shape[3]
        self.count += 1

    def _check_sides(self, example: int, info: AttentionKind, queries: int, keys: int) -> None:
        expected = [self._lengths.of(example, info, side) for side in (info.queries, info.keys)]
        for found, number in zip((queries, keys), expected, strict=True):
            if number is not None and found != number:
                tokens = " and ".join(str(n) for n in dict.fromkeys(expected) if n is not None)
                raise ValueError(f"{(queries, keys)} weights for {tokens} tokens")

    def _write(self, example: int, packed: PackedAttention) -> dict[str, int]:
        fields = {
            "record": "attention",
            "kind": packed.kind,
            "example": example,
            "encoding": packed.encoding,
            "shape": list(packed.shape),
            "checksums": packed.checksums,
        }
        before = layout.pack_before_data(fields, len(packed.data))
        offset = self._sink.write(before, packed.data)
        return {
            "kind": next(i for i, k in enumerate(self._meta.attention) if k.name == packed.kind),
            "example": example,
            "encoding": layout.ENCODING_NAMES.index(packed.encoding),
            "queries": packed.shape[2],
            "keys": packed.shape[3],
            "offset": offset,
            "length": len(before) + len(packed.data),
            "checksum": _checksum(before, packed),
            "checksums_at": offset + before.rindex(b"\xa4data") - len(packed.checksums),
            "data_at": offset + len(before),
        }

    def add_norms(self, example: int, norms: npt.NDArray[Any], kind: str) -> None:
        """Adds the value norms of this example: [layers, heads, keys].

        Raises:
            ValueError: no such kind or example, a wrong shape, a norm that is none, added before,
                or no attention of this kind is stored for this example.
        """
        info = self._kind(example, kind)
        keys = self._keys.get((kind, example))
        if keys is None:
            raise ValueError(f"there is no {kind} attention of it: add that first")
        if (kind, example) in self._normed:
            raise ValueError("added before")
        if norms.shape != (info.layers, info.heads, keys):
            raise ValueError(f"the shape {norms.shape} does not fit {info} and {keys} keys")
        if not (np.isfinite(norms).all() and (norms >= 0).all()):
            raise ValueError("a norm is no number from 0 up")
        rows = self._growing(f"{sections.VALUE_NORM}/{kind}")
        places = self._growing(f"{sections.VALUE_NORM_PLACES}/{kind}")
        places.append([example, rows.count])
        rows.extend(np.moveaxis(norms, 2, 0))
        self._normed.add((kind, example))

    def _growing(self, name: str) -> Growing:
        """A section that a file may have, begun when it is first needed."""
        if name not in self._sections:
            shape = sections.optional(name, self._meta)
            assert shape is not None
            self._sections[name] = Growing(self._sink, name, shape)
        return self._sections[name]
