"""A collateral file that is being written: what it says of itself, and its growing sections."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from . import described, layout, sections
from .growing import Growing
from .records import AttentionRecords
from .rows import Rows
from .schema import FORMAT, Column, Measure, Meta, Metric, Side, TableName, from_map, to_map
from .sink import Sink
from .version import now, version

LEAST_BETWEEN = 1 << 18
"""After so many bytes all pending rows are written; in a large file after a sixteenth of it, so
that this makes few blocks in a file of any size."""


class Begun:
    """What ``Writer`` stands on: head written, sections begun."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        meta: Meta,
        examples: Mapping[str, Column],
        points: Mapping[str, Column],
        pairs: Mapping[str, Column],
        metrics: Sequence[Metric],
        measures: Sequence[Measure],
        items: Mapping[str, Column] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self._meta = dataclasses.replace(
            meta, generator=f"interpret-tui {version()}", created=now(), format=FORMAT
        )
        given: dict[TableName, Mapping[str, Column]]
        given = {"examples": examples, "points": points, "pairs": pairs}
        self._sections: dict[str, Growing] = {}
        self._rows = Rows(given if items is None else {**given, "items": items}, self._sections)
        self._metrics = _by_name("metrics", metrics)
        self._measures = _by_name("measures", measures)
        self._summaries: dict[str, Metric] = {}
        self._digests = {n: hashlib.sha256() for n in ("data", "tokens", "points", "pairs")}
        self._check_described()
        shapes = sections.declared(
            self._meta, self._rows.columns, self._metrics, self._measures, {}
        )
        stated = {**to_map(self._meta), layout.DESCRIBED: self._described()}
        head = {"magic": layout.MAGIC, "format": list(FORMAT), "meta": stated}
        packed = layout.pack(head)
        if len(packed) > layout.MAX_HEAD:
            raise ValueError(f"settings and notes take {len(packed)} bytes, too many for the head")
        self._sink = Sink(self.path)
        self._flushed = 0
        self._head = (self._sink.write(packed), len(packed), layout.checksum(packed))
        self._begin(shapes)
        lengths = self._rows.lengths
        self._attention = AttentionRecords(self._sink, self._meta, lengths, self._sections)

    def _begin(self, shapes: Mapping[str, sections.Shape]) -> None:
        """Begins the sections that are there from the start."""
        labels: dict[str, Growing] = {}
        for table, columns in self._rows.columns.items():
            for column, description in columns.items():
                if description.kind == "categorical":
                    key = f"{table}/{column}"
                    labels[key] = self._optional(f"{sections.LABELS}/{key}")
        for name, shape in shapes.items():
            self._sections[name] = Growing(self._sink, name, shape, labels.get(name))

    def _described(self) -> dict[str, Any]:
        """What the index will say of tables, metrics and measures, for who must do without it."""
        return described.as_maps(self._rows.columns, self._metrics, self._measures)

    def _check_described(self) -> None:
        """Whether a reader will take all that the file says about itself."""
        for kind in self._meta.attention:
            if unknown := {kind.queries, kind.keys} - set(get_args(Side)):
                raise ValueError(f"{kind.name} attention is of no side {min(unknown)!r}")
        columns = [column for table in self._rows.columns.values() for column in table.values()]
        for item in (self._meta, *columns, *self._metrics.values(), *self._measures.values()):
            from_map(type(item), layout.unpack(layout.pack(to_map(item))))

    def _extend(self, name: str, rows: npt.ArrayLike) -> None:
        section = self._sections[name]
        values = np.asarray(rows, dtype=section.shape.dtype)
        if values.ndim != len(section.shape.row) + 1 or values.shape[1:] != section.shape.row:
            raise ValueError(
                f"{name}: rows of shape {section.shape.row} expected, not {values.shape}"
            )
        section.extend(values)

    def _set(self, name: str, values: npt.NDArray[np.float32 | np.uint8]) -> None:
        """Adds a section that a file may have, whole."""
        if name in self._sections:
            raise ValueError(f"{name} was set before")
        shape = sections.optional(name, self._meta)
        states = self._meta.model.layers + 1
        if shape is None or values.ndim != len(shape.row) + 1 or values.shape[1:] != shape.row:
            raise ValueError(f"{name} has the shape {values.shape}")
        if shape.count == "states" and len(values) != states:
            raise ValueError(f"{name} has {len(values)} values for {states} hidden states")
        layout.pack(name)
        self._optional(name).extend(values)

    def _optional(self, name: str) -> Growing:
        """A section that a file may have, begun when it is first needed."""
        if name not in self._sections:
            shape = sections.optional(name, self._meta)
            assert shape is not None, name
            self._sections[name] = Growing(self._sink, name, shape)
        return self._sections[name]

    def _checkpoint(self) -> None:
        """Flushes what is pending now and then, so that a cut file holds most of its rows."""
        if self._sink.offset - self._flushed < max(LEAST_BETWEEN, self._sink.offset // 16):
            return
        for name, section in self._sections.items():
            if name != "attention/directory":  # the records say it all
                section.flush()
        self._sink.flush()
        self._flushed = self._sink.offset

    def _counts(self) -> dict[str, int]:
        counts = {**self._rows.counts, "attention": self._attention.count}
        vectors = self._sections.get(sections.VECTOR_POINTS)
        return counts if vectors is None else {**counts, "vectors": vectors.count}

    def _check_complete(self) -> None:
        units = sections.units(self._meta, self._counts())
        for name, section in self._sections.items():
            expected = units.get(section.shape.count, section.count)
            if section.count != expected:
                raise ValueError(f"{name} has {section.count} rows, {expected} were expected")


@contextlib.contextmanager
def about(where: str) -> Iterator[None]:
    """What is refused inside is said to be about this."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _by_name(what: str, items: Sequence[Any]) -> dict[str, Any]:
    found = {item.name: item for item in items}
    if len(found) < len(items):
        raise ValueError(f"two {what} have the same name")
    return found
