"""Which named arrays and lists a file has, and what each looks like: for writer and reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from . import layout
from .schema import Column, Kind, Measure, Meta, Metric, TableName

SectionKind = Literal["array", "texts", "tokens"]
Tables = Mapping[TableName, Mapping[str, Column]]

TABLES: tuple[TableName, ...] = ("examples", "points", "pairs")
COLUMN_TYPES: dict[Kind, str] = {
    "categorical": "<i4",
    "boolean": "|u1",
    "continuous": "<f8",
    "text": "",
}
"""The stored type of a column; text is no array."""

ARRAY_TYPES = ("<f4", "<f8", "<i4", "<u8", "|u1")
UNKNOWN_BOOLEAN = 255
ALWAYS: dict[TableName, dict[str, Column]] = {
    "examples": {"id": Column("text", role="id"), "text": Column("text", role="text")},
    "points": {"text": Column("text", role="text")},
    "pairs": {"id": Column("text", role="id")},
}
"""Columns that every file has."""


@dataclass(frozen=True)
class Shape:
    """What a section holds: ``count`` rows, each an array of shape ``row`` and type ``dtype``.

    Attributes:
        kind: "array", "texts" (one string a row) or "tokens" (one example's tokens a row).
        count: which number of rows it must have: a key of ``Meta.counts``, or "states" for one
            row per hidden state.
    """

    kind: SectionKind
    dtype: str
    row: tuple[int, ...]
    count: str


def declared(
    meta: Meta, tables: Tables, metrics: Mapping[str, Metric], measures: Mapping[str, Measure]
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
    for metric in metrics.values():
        kind = meta.kind(metric.attention)
        if kind is None:
            raise ValueError(f"metric {metric.name!r} is of an unknown kind of attention")
        shapes[f"head_metric/{metric.name}"] = Shape(
            "array", "<f4", (kind.layers, kind.heads), f"{metric.unit}s"
        )
    for measure in measures:
        shapes[f"distance/{measure}"] = Shape("array", "<f4", (meta.model.layers + 1,), "pairs")
    return shapes


def optional(name: str, meta: Meta) -> Shape | None:
    """The shape of a section that a file may have: coordinates of a layer, or a quality.

    Raises:
        ValueError: the name says coordinates, but of no hidden state.
    """
    group, _, rest = name.partition("/")
    if group == "coordinates":
        known = rest.isascii() and rest.isdigit() and len(rest) < 6 and str(int(rest)) == rest
        if not known or int(rest) > meta.model.layers:
            raise ValueError(f"there is no hidden state {rest[:20]!r}")
        return Shape("array", "<f4", (2,), "points")
    return Shape("array", "<f4", (), "states") if group == "quality" else None


def _columns(tables: Tables) -> Iterator[tuple[str, Shape]]:
    for table in TABLES:
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
