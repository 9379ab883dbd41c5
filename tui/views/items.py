"""The items of an example: the words, labels or tokens that models said something of.

Which columns there are depends on the task; what they are for is told by their roles.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from collateral import Collateral

from .. import pieces
from ..state import Selection
from .answers import Ints, ItemRows, Side, Tag, Verdict

if TYPE_CHECKING:
    from ..project import Project

OUTSIDE = "O"
"""The label of a word that is part of nothing, in every tagging scheme that has one."""

Part = Literal["shared", "model", "more"]


class ItemColumn(NamedTuple):
    """A column of the table of items.

    Attributes:
        part: it is the data's ("shared"), a model's, or neither is known ("more").
    """

    name: str
    title: str
    kind: str
    role: str
    part: Part


_PARTS: dict[str, Part] = {"text": "shared", "id": "shared", "gold": "shared", "": "more"}


def columns(p: Project) -> tuple[ItemColumn, ...]:
    """The columns of the items that all files have, in the order of their roles."""
    return p.once(("item columns",), lambda: _columns(p))


def _columns(p: Project) -> tuple[ItemColumn, ...]:
    order = ("text", "gold", "prediction", "probability", "correct", "score", "", "id")
    found = []
    for name in p.a.items:
        column = p.a.items.describe(name)
        if p.b is None or p.b.items.columns.get(name) == column.kind:
            part = _PARTS.get(column.role, "model")
            title = column.title or name
            found.append(ItemColumn(name, title, column.kind, column.role, part))
    place = {role: number for number, role in enumerate(order)}
    return tuple(sorted(found, key=lambda column: place.get(column.role, len(order))))


def items(p: Project, example: int) -> ItemRows:
    """The items of an example; of two files, one row for what is the same item in both."""
    return p.once(("items", example), lambda: _items(p, example))


def joined(p: Project, example: int, found: ItemRows, number: int) -> str:
    """The tokens of an item as people read them."""
    start, stop = found.tokens[number].tolist()
    return pieces.joined(p.pieces(example)[start:stop])


def readable(
    p: Project, example: int, found: ItemRows, number: int, column: ItemColumn, words: str
) -> str:
    """The words in a column of an item; tokens as people read them."""
    known = p.a.meta
    if column.kind != "text":
        return words
    if column.role == "text":
        start, stop = found.tokens[number].tolist()
        texts = p.tokens(example).texts[start:stop]
        own = not words or " ".join(texts) == words
        return joined(p, example, found, number) if own else words
    if known.item != "token":
        return words
    if column.role == "prediction":
        return pieces.one(words, known.tokens)
    return pieces.choices(words, known.tokens) if column.part == "more" else words


def owned(p: Project, side: Side) -> tuple[Ints, Ints]:
    """Example [items] and token range [items, 2] of each item of a file."""
    file = p.file(side)
    return p.once(("item owners", side), lambda: (file.item_examples, file.item_tokens))


def _items(p: Project, example: int) -> ItemRows:
    ranges: dict[Side, Ints] = {}
    tokens: dict[Side, Ints] = {}
    for side in p.sides:
        examples, all_tokens = owned(p, side)
        start, stop = np.searchsorted(examples, [example, example + 1]).tolist()
        ranges[side] = np.arange(start, stop, dtype=np.int32)
        tokens[side] = all_tokens[start:stop]
    if not p.two or (np.array_equal(tokens["A"], tokens["B"]) and _same_texts(p, ranges, tokens)):
        return ItemRows(tokens["A"], ranges)
    return _matched(p, ranges, tokens)


def _same_texts(p: Project, ranges: dict[Side, Ints], tokens: dict[Side, Ints]) -> bool:
    """Whether the items without tokens have the same texts in both files."""
    nowhere = np.flatnonzero(tokens["A"][:, 1] == 0)
    texts = [
        [p.file(side).items.cell("text", row) for row in rows[nowhere].tolist()]
        for side, rows in ranges.items()
    ]
    return texts[0] == texts[-1]


def _matched(p: Project, ranges: dict[Side, Ints], tokens: dict[Side, Ints]) -> ItemRows:
    """Items of two files side by side: the same tokens, or the same text where there are none."""
    rows: dict[tuple[int, int, str, int], dict[Side, int]] = {}
    places: dict[tuple[int, int, str, int], int] = {}
    for side, numbers in ranges.items():
        met: Counter[tuple[int, int, str]] = Counter()
        place = 0
        for row, (start, stop) in zip(numbers.tolist(), tokens[side].tolist(), strict=True):
            words = "" if stop else str(p.file(side).items.cell("text", row))
            key = (start, stop, words)
            place = max(place, start)  # without tokens an item stays behind the one before it
            places.setdefault((*key, met[key]), place)
            rows.setdefault((*key, met[key]), {})[side] = row
            met[key] += 1
    order = sorted(rows, key=lambda key: places[key])
    return ItemRows(
        np.array([key[:2] for key in order], dtype=np.int32).reshape(-1, 2),
        {
            side: np.array([rows[key].get(side, -1) for key in order], dtype=np.int32)
            for side in ranges
        },
    )


def current(p: Project, s: Selection) -> int | None:
    """The item that is looked at: the query's, else the chosen one; None without items."""
    rows = items(p, s.example)
    if not len(rows):
        return None
    chosen = min(s.item, len(rows) - 1)
    if s.query is None or s.query < 0:
        return chosen
    start, stop = rows.tokens[chosen].tolist()
    if start <= s.query < stop:
        return chosen
    inside = np.flatnonzero((rows.tokens[:, 0] <= s.query) & (s.query < rows.tokens[:, 1]))
    return int(inside[0]) if len(inside) else chosen


def span(p: Project, s: Selection) -> tuple[int, int] | None:
    """The token range of the item that is looked at; None without one, or without tokens."""
    item = current(p, s)
    if item is None:
        return None
    start, stop = items(p, s.example).tokens[item].tolist()
    return (start, stop) if stop > start else None


# -- tags -----------------------------------------------------------------------------------


def tags(p: Project, side: Side, example: int) -> list[Tag]:
    """The words of an example that gold or a model gave a tag other than "O", in order."""
    return p.once(("tags", side, example), lambda: _tags(p, side, example))


def _tag_column(file: Collateral, role: str) -> str | None:
    """A column of tags of words: categorical, and with a label for words that are none."""
    name = file.items.with_role(role)
    found = name is not None and file.items.columns[name] == "categorical"
    return name if found and name is not None and OUTSIDE in file.items.labels(name) else None


def _tags(p: Project, side: Side, example: int) -> list[Tag]:
    file, rows = p.file(side), items(p, example)
    names = [_tag_column(file, role) for role in ("gold", "prediction")]
    if names == [None, None]:
        return []
    own = rows.rows[side]
    there = np.flatnonzero((own >= 0) & (rows.tokens[:, 1] > rows.tokens[:, 0]))
    labels = [_labels(p, side, name, own[there]) for name in names]
    found = []
    for (start, stop), gold, predicted in zip(rows.tokens[there].tolist(), *labels, strict=True):
        if {gold, predicted} - {None, OUTSIDE}:
            found.append(Tag(start, stop, _verdict(gold, predicted)))
    return found


def _labels(p: Project, side: Side, name: str | None, rows: Ints) -> list[str | None]:
    if name is None:
        return [None] * len(rows)
    codes, labels = p.codes("items", side, name)
    return [labels[code] if code >= 0 else None for code in codes[rows].tolist()]


def _verdict(gold: str | None, predicted: str | None) -> Verdict:
    if gold is None or predicted is None:
        return "tagged"
    if gold == predicted:
        return "right"
    if predicted == OUTSIDE:
        return "missed"
    return "extra" if gold == OUTSIDE else "other"
