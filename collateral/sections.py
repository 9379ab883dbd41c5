"""Which named arrays and lists a file has, and what each looks like: for writer and reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from . import layout
from .schema import Column, Kind, Measure, Meta, Metric, TableName

SectionKind = Literal["array", "texts", "tokens"]
Tables = Mapping[TableName, Mapping[str, Column]]

TABLES: tuple[TableName, ...] = ("examples", "points", "pairs", "items")
OPTIONAL_TABLES: frozenset[TableName] = frozenset({"items"})
"""Tables that a file may lack, as all of version 1.0 do."""
COLUMN_TYPES: dict[Kind, str] = {
    "categorical": "<i4",
    "boolean": "|u1",
    "continuous": "<f8",
    "text": "",
}
"""The stored type of a column; text is no array."""

ARRAY_TYPES = ("<f4", "<f8", "<i4", "<u8", "|u1")
UNKNOWN_BOOLEAN = 255
SOURCE = "examples/@source"
LABELS = "labels"
"""Group of sections: the labels of each categorical column, for who must do without the index."""
VALUE_NORM, VALUE_NORM_PLACES = "value_norm", "value_norm_places"
"""Groups of sections, one section of each per kind of attention: value norms, and of whom."""
VECTORS, VECTOR_STEPS, VECTOR_LENGTHS = "vectors", "vector_steps", "vector_lengths"
"""Groups of sections, one section of each per hidden state: reduced vectors of points."""
VECTOR_POINTS, VECTOR_QUALITY = "vector_points", "vector_quality"
"""Which points have vectors; and the group of sections that say how much the vectors keep."""
ALWAYS: dict[TableName, dict[str, Column]] = {
    "examples": {"id": Column("text", role="id"), "text": Column("text", role="text")},
    "points": {"text": Column("text", role="text")},
    "pairs": {"id": Column("text", role="id")},
    "items": {"text": Column("text", role="text")},
}
"""Columns that every table has."""


@dataclass(frozen=True)
class Shape:
    """What a section holds: ``count`` rows, each an array of shape ``row`` and type ``dtype``.

    Attributes:
        kind: "array", "texts" (one string a row) or "tokens" (one example's tokens a row).
        count: which number of rows it must have: a key of ``Meta.counts``, "states" for one row per
            hidden state, "vector" for one per dimension of a vector, "one", or "" for any number.
    """

    kind: SectionKind
    dtype: str
    row: tuple[int, ...]
    count: str


def declared(
    meta: Meta,
    tables: Tables,
    metrics: Mapping[str, Metric],
    measures: Mapping[str, Measure],
    summaries: Mapping[str, Metric],
) -> dict[str, Shape]:
    """The sections that a file with these descriptions must have: name to shape.

    Raises:
        ValueError: a description contradicts another or exceeds a limit.
    """
    _check_sizes(meta)
    shapes = dict(_columns(tables))
    shapes["tokens"] = Shape("tokens", "", (), "examples")
    shapes["points/@example"] = Shape("array", "<i4", (), "points")
    shapes["points/@tokens"] = Shape("array", "<i4", (2,), "points")
    shapes["pairs/@example"] = Shape("array", "<i4", (), "pairs")
    shapes["pairs/@tokens"] = Shape("array", "<i4", (2, 2), "pairs")
    shapes["pairs/@points"] = Shape("array", "<i4", (2, 2), "pairs")
    shapes["attention/directory"] = Shape("array", "<u8", (len(layout.DIRECTORY),), "attention")
    if "items" in tables:
        shapes["items/@example"] = Shape("array", "<i4", (), "items")
        shapes["items/@tokens"] = Shape("array", "<i4", (2,), "items")
    for metric in metrics.values():
        row = _heads("metric", metric, meta)
        shapes[f"head_metric/{metric.name}"] = Shape("array", "<f4", row, f"{metric.unit}s")
    for name, summary in summaries.items():
        shapes[f"head_summary/{name}"] = summary_shape(summary, meta)
    for measure in measures:
        shapes[f"distance/{measure}"] = Shape("array", "<f4", (meta.model.layers + 1,), "pairs")
    return shapes


def units(meta: Meta, counts: Mapping[str, int]) -> dict[str, int]:
    """How many rows a section has by its ``Shape.count``, given the numbers of rows."""
    return {**counts, "states": meta.model.layers + 1, "vector": meta.vector_size, "one": 1}


def summary_shape(summary: Metric, meta: Meta) -> Shape:
    """The shape of a head metric of the whole data set.

    Raises:
        ValueError: it is of an unknown kind of attention.
    """
    return Shape("array", "<f4", _heads("summary", summary, meta), "one")


def _heads(what: str, metric: Metric, meta: Meta) -> tuple[int, int]:
    """Layers and heads of the attention that a metric is of."""
    kind = meta.kind(metric.attention)
    if kind is None:
        raise ValueError(f"{what} {metric.name[:80]!r} is of an unknown kind of attention")
    return kind.layers, kind.heads


def optional(name: str, meta: Meta) -> Shape | None:
    """The shape of a section that a file may have.

    That is coordinates or vectors of a layer, a quality, value norms of a kind of attention, which
    points have vectors, how many tokens of each example are the source's, or the labels of a
    column.

    Raises:
        ValueError: the name says coordinates, vectors or value norms, but of no hidden state or
            kind.
    """
    if name in (SOURCE, VECTOR_POINTS):
        return Shape("array", "<i4", (), "examples" if name == SOURCE else "vectors")
    group, _, rest = name.partition("/")
    if group == LABELS:
        return Shape("texts", "", (), "")
    if group in (VALUE_NORM, VALUE_NORM_PLACES):
        kind = meta.kind(rest)
        if kind is None:
            raise ValueError(f"there are value norms of no kind of attention {rest[:80]!r}")
        if group == VALUE_NORM:
            return Shape("array", "<f4", (kind.layers, kind.heads), "")
        return Shape("array", "<u8", (2,), "")
    if group in ("coordinates", VECTORS, VECTOR_STEPS, VECTOR_LENGTHS):
        known = rest.isascii() and rest.isdigit() and len(rest) < 6 and str(int(rest)) == rest
        if not known or int(rest) > meta.model.layers:
            raise ValueError(f"there is no hidden state {rest[:20]!r}")
        return _of_points(group, meta)
    return Shape("array", "<f4", (), "states") if group in ("quality", VECTOR_QUALITY) else None


def _of_points(group: str, meta: Meta) -> Shape:
    """What a hidden state of the points has: a place on its map, or a vector and its parts."""
    if group == "coordinates":
        return Shape("array", "<f4", (2,), "points")
    if not 1 <= meta.vector_size <= layout.MAX_VECTOR:
        raise ValueError(f"vectors cannot be of {meta.vector_size} numbers")
    if group == VECTORS:
        return Shape("array", "|u1", (meta.vector_size,), "vectors")
    return Shape("array", "<f4", (), "vector" if group == VECTOR_STEPS else "vectors")


def _columns(tables: Tables) -> Iterator[tuple[str, Shape]]:
    for table in tables:
        for name in ALWAYS[table]:
            if tables[table][name].kind != "text":
                raise ValueError(f"column {name!r} of {table} must be of kind text")
        for name, column in tables[table].items():
            if not name or name.startswith("@") or "/" in name:
                raise ValueError(f"a column of {table} cannot be called {name[:40]!r}")
            dtype = COLUMN_TYPES[column.kind]
            yield f"{table}/{name}", Shape("array" if dtype else "texts", dtype, (), table)


def _check_sizes(meta: Meta) -> None:
    names = [kind.name for kind in meta.attention]
    if len(set(names)) < len(names):
        raise ValueError("two kinds of attention have the same name")
    sizes = [("layers", meta.model.layers, layout.MAX_LAYERS)]
    sizes += [("heads", meta.model.heads, layout.MAX_HEADS)]
    sizes += [("layers", kind.layers, layout.MAX_LAYERS) for kind in meta.attention]
    sizes += [("heads", kind.heads, layout.MAX_HEADS) for kind in meta.attention]
    for what, number, most in sizes:
        if not 1 <= number <= most:
            raise ValueError(f"{number} {what} are not between 1 and {most}")
