"""The points of one or two files, and the columns that colour them.

Two files of the same texts need not have the same points: where points are the words that gold or
model tagged, each model brings its own. They then get numbers of their own, which stand for the
same tokens in both files; a file may lack some.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from collateral import Collateral, Table

from .answers import Floats, Ints, Mention, Side

if TYPE_CHECKING:
    from ..project import Project

EXAMPLE = "example: "
"""What the name of a colouring begins with that is a column of the points' examples."""


@dataclass(frozen=True, eq=False)
class Points:
    """The points of all open files.

    Attributes:
        examples: example of each point, never falling: [points].
        tokens: half-open token range of each, [points, 2].
        rows: row of each point in a model's file, -1 where it has none; None if that is its number.
        numbers: number of the point in each row of a model's file; None if that is its row.
    """

    examples: Ints
    tokens: Ints
    rows: Mapping[Side, Ints | None]
    numbers: Mapping[Side, Ints | None]

    @property
    def shared(self) -> bool:
        """Whether the files have the same points."""
        return self.rows["B"] is None


def points(a: Collateral, b: Collateral | None) -> Points:
    """Numbers the points of one file, or of two, which may have others."""
    same = b is None or a.meta.layout_fingerprint == b.meta.layout_fingerprint
    if b is None or same or _same_points(a, b):
        none: dict[Side, Ints | None] = {"A": None, "B": None}
        return Points(a.point_examples, a.point_tokens, none, none)
    places = [np.column_stack([f.point_examples, f.point_tokens]) for f in (a, b)]
    found, numbers = np.unique(np.concatenate(places), axis=0, return_inverse=True)
    parts = np.split(numbers.ravel().astype(np.int32), [len(places[0])])
    rows: dict[Side, Ints | None] = {}
    own: dict[Side, Ints | None] = {}
    sides: tuple[Side, Side] = ("A", "B")
    for side, part in zip(sides, parts, strict=True):
        of = np.full(len(found), -1, dtype=np.int32)
        of[part[::-1]] = np.arange(len(part), dtype=np.int32)[::-1]  # of several rows the first
        rows[side], own[side] = of, part
    return Points(found[:, 0].astype(np.int32), found[:, 1:].astype(np.int32), rows, own)


def _same_points(a: Collateral, b: Collateral) -> bool:
    return np.array_equal(a.point_examples, b.point_examples) and np.array_equal(
        a.point_tokens, b.point_tokens
    )


def numbered(p: Project, points: Collection[int]) -> Ints:
    """Numbers of points as an array; those of a set that does not change are kept."""

    def make() -> Ints:
        return np.fromiter(points, dtype=np.int32, count=len(points))

    return p.once(("numbers", points), make) if isinstance(points, frozenset) else make()


def marked_examples(p: Project, marked: frozenset[int]) -> frozenset[int]:
    """Rows of the examples that have a marked point."""

    def make() -> frozenset[int]:
        there = np.zeros(p.limits.examples, dtype=bool)
        there[p.points.examples[numbered(p, marked)]] = True
        return frozenset(np.flatnonzero(there).tolist())

    return p.once(("marked", marked), make) if marked else frozenset()


def mentions(p: Project, example: int) -> list[Mention]:
    """The points of an example, grouped by the span they belong to, in token order."""
    return p.once(("mentions", example), lambda: _mentions(p, example))


def _mentions(p: Project, example: int) -> list[Mention]:
    found: list[Mention] = []
    for point in p.points_of(example):
        token = int(p.points.tokens[point, 0])
        table, row = _row(p, point)
        words = str(table.cell("mention" if "mention" in table else "text", row))
        last = found[-1] if found else None
        if last and last.text == words and token == last.token + len(last.points):
            found[-1] = Mention((*last.points, point), last.token, words)
        else:
            found.append(Mention((point,), token, words))
    return [mention._replace(text=_readable(p, mention)) for mention in found]


def _readable(p: Project, mention: Mention) -> str:
    """What a mention is called: if that is a token, as people read it."""
    example = int(p.points.examples[mention.points[0]])
    token = mention.text == p.tokens(example).texts[mention.token]
    return p.pieces(example)[mention.token] if token else mention.text


def _row(p: Project, point: int) -> tuple[Table, int]:
    """A table that has the point, and its row there."""
    row = p.point_row("A", point)
    if row >= 0:
        return p.a.points, row
    return p.file("B").points, p.point_row("B", point)


def point_words(p: Project, side: Side, point: int, colouring: str) -> str:
    """A point in words: its text, its value in a column, and the text that it stands in."""
    file, row, example = p.file(side), p.point_row(side, point), int(p.points.examples[point])
    name, sentence = p.example_head(example)
    table, column = column_of(file, colouring)
    value = table.cell(column, row if table is file.points else example) if column else None
    what = f" · {column} {_words(value)}" if column else ""
    return f"{point_text(p, side, point)}{what} · {name} {sentence}"


def point_text(p: Project, side: Side, point: int) -> str:
    """The text of a point; if that is a token, as people read it."""
    words = str(p.file(side).points.cell("text", p.point_row(side, point)))
    example, token = int(p.points.examples[point]), int(p.points.tokens[point, 0])
    return p.pieces(example)[token] if words == p.tokens(example).texts[token] else words


def _words(value: object) -> str:
    """A cell of a table: "yes", "0.1647", "unknown"."""
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "undefined"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "unknown" if value is None else str(value)


# -- what colours them ----------------------------------------------------------------------


def colourings(p: Project) -> tuple[str, ...]:
    """What can colour the points: their columns, then those of their examples, that all have."""
    names: list[str] = []
    tables: tuple[Literal["points", "examples"], ...] = ("points", "examples")
    for table, prefix in zip(tables, ("", EXAMPLE), strict=True):
        own = [getattr(f, table) for f in p.files]
        names += [
            f"{prefix}{column}"
            for column, kind in own[0].columns.items()
            if kind != "text" and all(t.columns.get(column) == kind for t in own)
        ]
    return tuple(names)


def column_of(file: Collateral, colouring: str) -> tuple[Table, str]:
    """The table and the column that a colouring stands for."""
    if colouring in file.points:
        return file.points, colouring
    return file.examples, colouring.removeprefix(EXAMPLE)


def colouring_title(p: Project, colouring: str) -> str:
    """A colouring for people: "gold", "example: domain"."""
    if not colouring:
        return "nothing"
    table, column = column_of(p.a, colouring)
    title = table.describe(column).title or column
    return title if table is p.a.points else f"{EXAMPLE}{title}"


def classed(p: Project, colouring: str) -> tuple[str, int]:
    """A colouring's kind, and how many labels it has if it is categorical; reads no rows."""
    table, column = column_of(p.a, colouring)
    kind = table.columns[column]
    return kind, len(table.labels(column)) if kind == "categorical" else 0


def is_continuous(p: Project, colouring: str) -> bool:
    """Whether a colouring goes by numbers, not by classes."""
    table, column = column_of(p.a, colouring)
    return table.columns[column] == "continuous"


def classes(p: Project, side: Side, colouring: str) -> tuple[Ints, tuple[str, ...]]:
    """A categorical or boolean colouring of a model's points: codes (-1 unknown), labels."""
    table, column = column_of(p.file(side), colouring)
    codes, labels = p.codes(table.name, side, column)
    if table.name == "points":
        return codes, labels
    key = ("classes", side, colouring)
    return p.once(key, lambda: codes[p.file(side).point_examples]), labels


def numbers(p: Project, side: Side, colouring: str) -> Floats:
    """A continuous colouring of a model's points."""
    return p.once(("numbers", side, colouring), lambda: _numbers(p.file(side), colouring))


def _numbers(file: Collateral, colouring: str) -> Floats:
    table, column = column_of(file, colouring)
    values = np.asarray(table[column], dtype=np.float32)
    return values if table is file.points else values[file.point_examples]
