"""What the index of a file says of it, checked: nothing else of the file is read for that."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from . import layout, sections
from .schema import FORMAT, Column, Measure, Meta, Metric, TableName, from_map, to_map
from .section import BlockCache, Section, check_places
from .source import Source
from .table import Table

Columns = dict[TableName, dict[str, Column]]


class Described:
    """The descriptions of a file and its sections, which are all there and of the right shapes.

    Attributes:
        meta: model, task, fingerprints, kinds of attention, settings, counts.
        metrics, measures, summaries: by their names.
        columns, categories: table to columns; "TABLE/COLUMN" to labels.
        sections: name to section.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the index is wrong.
    """

    def __init__(self, source: Source, index: dict[str, Any], head: dict[str, Any]) -> None:
        self.meta: Meta = from_map(Meta, index["meta"])
        if head.get("magic") != layout.MAGIC or index.get("record") != "index":
            raise ValueError("head or index is none")
        if head.get("format") != list(self.meta.format):
            raise ValueError("its version is not that of the head")
        if self.meta.format[0] != FORMAT[0]:
            raise ValueError(f"it is of format version {self.meta.format[0]}")
        self.categories = {
            text(name): tuple(map(text, labels)) for name, labels in index["categories"].items()
        }
        self.columns: Columns = {
            name: self._described(name, index)
            for name in sections.TABLES
            if name in index["tables"] or name not in sections.OPTIONAL_TABLES
        }
        self.metrics: Mapping[str, Metric] = _by_name(Metric, index["metrics"])
        self.measures: Mapping[str, Measure] = _by_name(Measure, index["measures"])
        self.summaries: Mapping[str, Metric] = _by_name(Metric, index.get("summaries", []))
        cache = BlockCache()
        self.sections = {
            text(name): Section(source, cache, name, description)
            for name, description in index["sections"].items()
        }
        known = all(section.known for section in self.sections.values())
        if not known and self.meta.format <= FORMAT:
            raise ValueError("a section is of an unknown kind")
        self._check()
        check_places(self.sections.values(), source.head_end, source.index_at)

    def table(self, name: TableName) -> Table:
        """A table; empty and without columns if the file has none of this name.

        Raises:
            ValueError: there are rows, but no table.
        """
        columns = self.columns.get(name)
        count = self.meta.counts[name] if columns is not None else 0
        if columns is None and self.meta.counts.get(name):
            raise ValueError(f"it counts {name} but has no table of them")
        return Table(name, count, columns or {}, self.sections, self.categories)

    def _described(self, table: TableName, index: dict[str, Any]) -> dict[str, Column]:
        columns = {text(k): from_map(Column, v) for k, v in index["tables"][table].items()}
        for name, column in columns.items():
            if column.kind == "categorical":
                labels = self.categories[f"{table}/{name}"]
                if len(set(labels)) < len(labels):
                    raise ValueError(f"a label of column {name!r} of {table} appears twice")
        return columns

    def _check(self) -> None:
        """Every section that must be there is, and has the shape that it must have."""
        described = (self.columns, self.metrics, self.measures, self.summaries)
        shapes = sections.declared(self.meta, *described)
        for name in self.sections:
            if name not in shapes and (shape := sections.optional(name, self.meta)):
                shapes[name] = shape
        units = sections.units(self.meta, self.meta.counts)
        for name, shape in shapes.items():
            section = self.sections[name]
            found = (section.kind, section.dtype, section.row, section.count)
            count = units[shape.count] if shape.count else section.count
            if found != (shape.kind, shape.dtype, shape.row, count):
                raise ValueError(f"{name[:80]!r} does not have the type and shape it must have")


def stated(described: Any) -> tuple[Columns, dict[str, Metric], dict[str, Measure]]:
    """What the head of a file says of tables, metrics and measures (``layout.DESCRIBED``).

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is wrong.
    """
    columns: Columns = {
        name: {text(k): from_map(Column, v) for k, v in described["tables"][name].items()}
        for name in sections.TABLES
        if name in described["tables"] or name not in sections.OPTIONAL_TABLES
    }
    metrics = _by_name(Metric, described["metrics"])
    return columns, metrics, _by_name(Measure, described["measures"])


def as_maps(
    columns: Mapping[TableName, Mapping[str, Column]],
    metrics: Mapping[str, Metric],
    measures: Mapping[str, Measure],
) -> dict[str, Any]:
    """The inverse of :func:`stated`."""
    return {
        "tables": {name: to_map(dict(of_table)) for name, of_table in columns.items()},
        "metrics": to_map(list(metrics.values())),
        "measures": to_map(list(measures.values())),
    }


def text(value: object) -> str:
    """``value``, which must be text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{reprlib.repr(value)} is not text")
    return value


def _by_name(cls: type[Any], items: Any) -> dict[str, Any]:
    found = {item.name: item for item in (from_map(cls, data) for data in items)}
    if len(found) < len(items):
        raise ValueError(f"two of kind {cls.__name__} have the same name")
    return found
