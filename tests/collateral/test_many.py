"""Many rows at once make the very file that the same rows make one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import Column, Writer, layout
from collateral.growing import SMALL_BLOCK
from tests.collateral.simple import LAYERS, a_meta, some_tokens

COLUMNS = {
    "label": Column("categorical"),
    "flag": Column("boolean"),
    "number": Column("continuous"),
    "remark": Column("text"),
}
EXAMPLES, EACH = 40, 30
"""1,200 rows with texts of some 100 bytes: several blocks of each section."""

Values = dict[str, list[Any]]


def some_values(count: int) -> Values:
    numbers: list[Any] = [None, 1, 2.5, np.float32(0.25), np.int64(3)]
    return {
        "label": [("x", None, "y", "z" * 9)[i % 4] for i in range(count)],
        "flag": [(True, None, False, np.bool_(True))[i % 4] for i in range(count)],
        "number": [numbers[i % 5] for i in range(count)],
        "remark": [(None, "", "é" * 60, "word " * 20)[i % 4] for i in range(count)],
    }


def writer(path: Path) -> Writer:
    made = collateral.create(
        path, a_meta(item="word"), points=COLUMNS, pairs=COLUMNS, items=COLUMNS, metrics=()
    )
    for row in range(EXAMPLES):
        made.add_example(f"e{row}", "abcdefgh", some_tokens(8))
    return made


def rows() -> tuple[list[int], list[list[int]]]:
    examples = [row for row in range(EXAMPLES) for _ in range(EACH)]
    return examples, [[i % 5, i % 5 + 1 + i % 3] for i in range(len(examples))]


def finished(made: Writer, points: int) -> Writer:
    for layer in range(LAYERS + 1):
        made.set_coordinates(layer, np.zeros((points, 2)))
    return made


def one_by_one(path: Path) -> Path:
    examples, spans = rows()
    with writer(path) as made:
        values = some_values(len(examples))
        for i, (example, (start, stop)) in enumerate(zip(examples, spans, strict=True)):
            row = {name: column[i] for name, column in values.items()}
            made.add_point(example, start, stop, f"t{i}", **row)
            start, stop = (0, 0) if i % 7 == 0 else (start, stop)
            made.add_item(example, start, stop, f"t{i}", **row)
        values = some_values(EXAMPLES)
        for i in range(EXAMPLES):
            row = {name: column[i] for name, column in values.items()}
            points = ((i, i + 2), (i + 1, i + 2))
            made.add_pair(f"p{i}", i, (0, 2), (1, 2), *points, **row)
        finished(made, len(examples))
    return path


def all_at_once(path: Path) -> Path:
    examples, spans = rows()
    texts = [f"t{i}" for i in range(len(examples))]
    places = [[0, 0] if i % 7 == 0 else span for i, span in enumerate(spans)]
    values = some_values(len(examples))
    cut = 700
    with writer(path) as made:
        for part in (slice(0, cut), slice(cut, cut), slice(cut, None)):
            some: Values = {n: c[part] for n, c in {**values, "text": texts}.items()}
            first = made.add_points(examples[part], spans[part], some)
            assert first == part.start == made.add_items(examples[part], places[part], some)
        where = list(range(EXAMPLES))
        made.add_pairs(
            [f"p{i}" for i in where],
            where,
            ([(0, 2)] * EXAMPLES, [(1, 2)] * EXAMPLES),
            ([(i, i + 2) for i in where], [(i + 1, i + 2) for i in where]),
            some_values(EXAMPLES),
        )
        finished(made, len(examples))
    return path


def records(path: Path) -> dict[str, tuple[Any, ...]]:
    """Every section by name: its blocks, and all it holds."""
    with collateral.open(path) as c:
        found: dict[str, tuple[Any, ...]] = {}
        for name, table in (("points", c.points), ("pairs", c.pairs), ("items", c.items)):
            for column in table.columns:
                found[f"{name}/{column}"] = (np.asarray(table[column]).tolist(),)
        found["tokens"] = (c.point_tokens.tolist(), c.pair_tokens.tolist(), c.item_tokens.tolist())
        found["points"] = (c.pair_points.tolist(),)
        found["examples"] = (c.point_examples.tolist(), c.item_examples.tolist())
        found["layout"] = (c.meta.layout_fingerprint, c.meta.counts)
    return found


def test_the_same_file(tmp_path: Path) -> None:
    one, many = one_by_one(tmp_path / "one"), all_at_once(tmp_path / "many")
    assert str(records(one)) == str(records(many))  # as text: NaN is not NaN
    assert one.stat().st_size == many.stat().st_size > 3 * SMALL_BLOCK


Wrong = Callable[[Writer], Any]
TEXT = {"text": ["a", "b"]}
PAIR = ([(0, 1)] * 2, [(1, 2)] * 2), ([(0, 1)] * 2, [(0, 1)] * 2)
WRONG: dict[str, tuple[Wrong, str]] = {
    "column": (lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"colour": ["", ""]}), "no column col"),
    "count": (lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"text": ["a"]}), "has not 2 values"),
    "places": (lambda w: w.add_points([0, 0], [(0, 1)], TEXT), "2 examples and 1 ranges"),
    "tokens": (
        lambda w: w.add_points([0, 1], [(0, 1), (3, 9)], TEXT),
        "point 4: there are no tokens 3 to 9 in example 1",
    ),
    "example": (
        lambda w: w.add_points([0, 40], [(0, 1)] * 2, TEXT),
        "point 4: there is no example 40",
    ),
    "order": (
        lambda w: w.add_points([5, 4], [(0, 1)] * 2, TEXT),
        "point 4: example 4 comes after example 5",
    ),
    "order of calls": (lambda w: w.add_items([1, 1], [(0, 1)] * 2, TEXT), "item 1: example 1 com"),
    "flag": (
        lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"flag": [True, 1]}),
        "point 4: 1 does not fit the boolean column",
    ),
    "number": (
        lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"number": [1.0, 10**400]}),
        "point 4: 1000",
    ),
    "half a character": (
        lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"remark": ["", "\ud800"]}),
        "point 4: the text of points/remark holds half a character",
    ),
    "half a label": (
        lambda w: w.add_points([9, 9], [(0, 1)] * 2, {"label": ["", "\ud800"]}),
        "point 4: the text of points/label holds half a character",
    ),
    "item": (lambda w: w.add_items([9, 9], [(0, 0), (1, 1)], TEXT), "no tokens 1 to 1"),
    "id twice": (
        lambda w: w.add_pairs(["a", "a"], [9, 9], *PAIR, {}),
        "'a' is used twice in pairs",
    ),
    "id again": (lambda w: w.add_pairs(["b", "old"], [9, 9], *PAIR, {}), "'old' is used twice"),
    "points": (
        lambda w: w.add_pairs(["b", "c"], [9, 9], PAIR[0], (PAIR[1][0], [(0, 1), (2, 9)]), {}),
        "pair 'c': there are no points 2 to 9",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rows_are_refused_and_nothing_is_added(name: str, tmp_path: Path) -> None:
    call, message = WRONG[name]
    with writer(tmp_path / "file") as made:
        made.add_points([0, 1, 2], [(0, 1)] * 3, {"text": list("abc")})
        made.add_item(3, 0, 0, "x")
        made.add_pair("old", 4, (0, 1), (1, 2), (0, 1), (1, 2))
        with pytest.raises(ValueError, match=message):
            call(made)
        finished(made, 3)
    with collateral.open(tmp_path / "file") as c:
        assert (len(c.points), len(c.items), len(c.pairs)) == (3, 1, 1)
        assert c.points["text"] == ["a", "b", "c"]


def test_no_column_has_too_many_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_LABELS", 3)
    with writer(tmp_path / "file") as made:
        made.add_points([0] * 3, [(0, 1)] * 3, {"label": ["a", "b", None]})
        with pytest.raises(ValueError, match="point 5: column points/label has more than 3 labels"):
            made.add_points([0] * 4, [(0, 1)] * 4, {"label": ["c", None, "d", "a"]})
        made.add_points([0] * 2, [(0, 1)] * 2, {"label": ["c", "a"]})
        finished(made, 5)
    with collateral.open(tmp_path / "file") as c:
        assert list(c.points["label"]) == ["a", "b", None, "c", "a"]


def test_items_need_a_table(tmp_path: Path) -> None:
    with collateral.create(tmp_path / "file", a_meta()) as made:
        made.add_example("e", "abcd", some_tokens(4))
        with pytest.raises(ValueError, match="created without items"):
            made.add_items([0], [(0, 1)], {"text": ["a"]})
        finished(made, 0)
