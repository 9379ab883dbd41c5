"""Many rows of a table at once: the same checks and the same file, at a fraction of the time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import layout
from .growing import Growing
from .rows import Rows
from .schema import TableName

Range: TypeAlias = "tuple[int, int] | Sequence[int]"
Where: TypeAlias = "Callable[[int], str]"
Growings: TypeAlias = "Mapping[str, Growing]"
Digest: TypeAlias = "hashlib._Hash"


def add_points(
    rows: Rows,
    sections: Growings,
    digest: Digest,
    examples: Sequence[int],
    tokens: Sequence[Range],
    values: Mapping[str, Sequence[Any]],
) -> int:
    """As ``Writer.add_points``."""
    start = rows.counts["points"]

    def where(number: int) -> str:
        return f"point {start + number}"

    _check_spans(rows, where, examples, tokens)
    _check_order(rows, "points", where, examples)
    first = rows.add_all("points", where, values, examples)
    places = [[example, *map(int, span)] for example, span in zip(examples, tokens, strict=True)]
    digest.update(b"".join(map(layout.pack, places)))
    sections["points/@example"].append_all([place[0] for place in places])
    sections["points/@tokens"].append_all([place[1:] for place in places])
    return first


def add_pairs(
    rows: Rows,
    sections: Growings,
    digest: Digest,
    ids: Sequence[str],
    examples: Sequence[int],
    spans: tuple[Sequence[Range], Sequence[Range]],
    points: tuple[Sequence[Range], Sequence[Range]],
    values: Mapping[str, Sequence[Any]],
) -> int:
    """As ``Writer.add_pairs``."""

    def where(number: int) -> str:
        return f"pair {ids[number]!r}"

    _check_ids(rows, "pairs", ids)
    for some in spans:
        _check_spans(rows, where, examples, some)
    _check_order(rows, "pairs", where, examples)
    for some in points:
        for number, (start, stop) in enumerate(some):
            if not 0 <= start < stop <= rows.counts["points"]:
                raise ValueError(f"{where(number)}: there are no points {start} to {stop}")
    first = rows.add_all("pairs", where, {**values, "id": ids}, examples)
    places = [
        [example, *map(int, one), *map(int, other)]
        for example, one, other in zip(examples, *spans, strict=True)
    ]
    packed = (layout.pack([name, *place]) for name, place in zip(ids, places, strict=True))
    digest.update(b"".join(packed))
    sections["pairs/@example"].append_all([place[0] for place in places])
    sections["pairs/@tokens"].append_all([place[1:] for place in places])
    sections["pairs/@points"].append_all(
        [[*map(int, one), *map(int, other)] for one, other in zip(*points, strict=True)]
    )
    return first


def add_items(
    rows: Rows,
    sections: Growings,
    examples: Sequence[int],
    tokens: Sequence[Range],
    values: Mapping[str, Sequence[Any]],
) -> int:
    """As ``Writer.add_items``."""
    start = rows.counts["items"]

    def where(number: int) -> str:
        return f"item {start + number}"

    if "items" not in rows.columns:
        raise ValueError(f"{where(0)}: the file was created without items")
    _check_spans(rows, where, examples, tokens, none=True)
    _check_order(rows, "items", where, examples)
    first = rows.add_all("items", where, values, examples)
    sections["items/@example"].append_all(list(map(int, examples)))
    sections["items/@tokens"].append_all([list(map(int, span)) for span in tokens])
    return first


def _check_spans(
    rows: Rows, where: Where, examples: Sequence[int], spans: Sequence[Range], *, none: bool = False
) -> None:
    """Whether the examples have these tokens; with ``none``, 0 and 0 are none and right.

    Raises:
        ValueError: no; about the first row that is wrong.
    """
    if len(examples) != len(spans):
        raise ValueError(f"{len(examples)} examples and {len(spans)} ranges of tokens")
    if not len(examples):
        return
    number = np.asarray(examples, dtype=np.int64)
    start, stop = np.asarray(spans, dtype=np.int64).reshape(-1, 2).T
    known = (number >= 0) & (number < rows.counts["examples"])
    tokens = np.array(
        [
            rows.lengths.tokens(int(n)) if right else 0
            for n, right in zip(number, known, strict=True)
        ]
    )
    right = (start >= 0) & (start < stop) & (stop <= tokens)
    if none:
        right |= (start == 0) & (stop == 0)
    if not (right & known).all():
        first = int(np.argmin(right & known))
        rows.check_example(where(first), int(number[first]))
        rows.check_span(where(first), int(number[first]), int(start[first]), int(stop[first]))


def _check_order(rows: Rows, table: TableName, where: Where, examples: Sequence[int]) -> None:
    """Whether rows come in the order of their examples.

    Raises:
        ValueError: one does not.
    """
    if len(examples):
        rows.check_order(table, where(0), examples[0])
    for number, (before, after) in enumerate(itertools.pairwise(examples), 1):
        if after < before:
            raise ValueError(
                f"{where(number)}: example {after} comes after example {before}; add {table} in "
                "the order of their examples"
            )


def _check_ids(rows: Rows, table: TableName, ids: Sequence[str]) -> None:
    """Whether rows may have these ids.

    Raises:
        ValueError: one is no text, or is used twice.
    """
    for name in ids:
        rows.check_id(table, name)
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the id {twice!r} is used twice in {table}")
