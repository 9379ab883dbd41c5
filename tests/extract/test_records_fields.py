"""Checked access to fields: what each method takes, and what it says of the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.data.fields import BadRecord, Fields, read_column
from extract.data.readers.base import check_heads
from extract.data.records import Record


def typed(**fields: Any) -> Fields:
    return Fields(Record(1, fields))


def cells(**fields: str | None) -> Fields:
    return Fields(Record(1, fields, untyped=True))


def test_what_is_right_is_given() -> None:
    fields = typed(s=" a ", i=7, f=2.0, yes=True, none=None, words=["a", " "], tags=["B", 3])
    assert fields.string("s") == " a " and fields.optional_string("none") is None
    assert fields.identifier("i") == "7" and fields.identifier("id", default="x") == "x"
    assert fields.boolean("yes") is True and fields.boolean("none") is None
    assert fields.number("i", low=0, high=7) == 7.0 and fields.whole("f") == 2
    assert fields.label("yes") == "true" and fields.label("f") == "2" and fields.label("i") == "7"
    assert fields.words() == ["a", " "] and fields.labels("tags", 2) == ["B", "3"]
    assert fields.labels("absent", 2) is None and fields.heads("absent", 2) is None
    assert "s" in fields and "none" not in fields and "absent" not in fields


def test_cells_are_read_as_what_is_wanted() -> None:
    fields = cells(a="Yes", b="0", c=" 2.5 ", d=None, e="a b  c", h="1 -1 1", w="12")
    assert fields.boolean("a") is True and fields.boolean("b") is False
    assert fields.boolean("d") is None and fields.number("c") == 2.5 and fields.number("d") is None
    assert fields.words("e") == ["a", "b", "c"] and fields.heads("h", 3) == [1, -1, 1]
    assert fields.whole("w") == 12 and fields.label("w") == "12"


_WRONG: list[tuple[Fields, Callable[[Fields], object], str]] = [
    (typed(), lambda f: f.string("a"), 'has no field "a"'),
    (typed(a=[1]), lambda f: f.string("a"), '"a" must be a string, not a list'),
    (typed(a=b"x"), lambda f: f.string("a"), '"a" must be a string, not of the type bytes'),
    (typed(a=" \u3000"), lambda f: f.string("a"), '"a" is empty'),
    (cells(a=None), lambda f: f.string("a"), '"a" is empty'),
    (typed(a=""), lambda f: f.optional_string("a"), '"a" is empty'),
    (typed(a=1.5), lambda f: f.identifier("a"), '"a" must be a string, not a number'),
    (typed(a="yes"), lambda f: f.boolean("a"), '"a" must be true, false or null, not a string'),
    (cells(a="ja"), lambda f: f.boolean("a"), '"a" must be true or false'),
    (typed(a="1"), lambda f: f.number("a"), '"a" must be a number, not a string'),
    (typed(a=True), lambda f: f.number("a"), '"a" must be a number, not a boolean'),
    (cells(a="nan"), lambda f: f.number("a"), '"a" must be a number or empty, not "nan"'),
    (cells(a="1_0"), lambda f: f.number("a"), '"a" must be a number or empty, not "1_0"'),
    (typed(a=2), lambda f: f.number("a", low=0, high=1), '"a" must lie between 0 and 1, not 2'),
    (typed(a=-1), lambda f: f.number("a", low=0), '"a" must be at least 0, not -1'),
    (typed(a=10**400), lambda f: f.number("a"), '"a" is a number too large to keep'),
    (typed(a=1.5), lambda f: f.whole("a"), '"a" must be a whole number, not 1.5'),
    (typed(a=1.5), lambda f: f.label("a"), '"a" must be a label, not a number'),
    (typed(words="a b"), lambda f: f.words(), '"words" must be a list, not a string'),
    (typed(words=[]), lambda f: f.words(), '"words" has no words'),
    (typed(words=["a", ""]), lambda f: f.words(), 'word 2 of "words" is empty'),
    (typed(words=["a", 1]), lambda f: f.words(), 'word 2 of "words" must be a string'),
    (typed(t=["O"]), lambda f: f.labels("t", 2), '"t" has 1 label for 2 words'),
    (typed(t=["O", "O"]), lambda f: f.labels("t", 1), '"t" has 2 labels for 1 word'),
    (typed(t=["O", None]), lambda f: f.labels("t", 2), 'label 2 of "t" must be a string, not null'),
    (typed(t=[""]), lambda f: f.labels("t", 1), 'label 1 of "t" is empty'),
    (typed(h=[0.0]), lambda f: f.heads("h", 1), 'head 1 of "h" must be a whole number'),
    (typed(h=[-1, 2]), lambda f: f.heads("h", 2), "word 2 has a head outside the sentence"),
    (cells(h="-1 x"), lambda f: f.heads("h", 2), 'head 2 of "h" must be a whole number'),
    (typed(r=[[0, 1], [1, 1]]), lambda f: f.ranges("r", 2, 3), "(characters 1 to 1 of 3)"),
    (typed(r=[[1, 2], [0, 1]]), lambda f: f.ranges("r", 2, 3), "range 2"),
    (typed(r=[[0, 4]]), lambda f: f.ranges("r", 1, 3), "(characters 0 to 4 of 3)"),
    (typed(r=[[0, True]]), lambda f: f.ranges("r", 1, 3), "must be two whole numbers"),
]


@pytest.mark.parametrize(("fields", "read", "what"), _WRONG, ids=[row[2] for row in _WRONG])
def test_what_is_wrong_is_said(fields: Fields, read: Callable[[Fields], object], what: str) -> None:
    with pytest.raises(BadRecord) as caught:
        read(fields)
    assert what in str(caught.value)


def test_further_fields_are_kept_if_simple() -> None:
    kept, dropped = typed(id=1, a=2, b="x", c=None, d=False, e=[1], f={}, g=10**400).extras({"id"})
    assert kept == {"a": 2.0, "b": "x", "c": None, "d": False}
    assert type(kept["a"]) is float and dropped == ["e", "f", "g"]


@pytest.mark.parametrize(
    ("column", "read"),
    [
        (["1", None, " 2.5"], [1.0, None, 2.5]),
        (["True", "no", None], [True, False, None]),
        (["1", "0"], [1.0, 0.0]),
        (["007", "12"], ["007", "12"]),
        (["1", "x"], ["1", "x"]),
        (["inf", "1"], ["inf", "1"]),
        ([None, None], [None, None]),
        (["1", 2.0], ["1", 2.0]),
    ],
)
def test_a_column_of_cells_is_read_as_one_kind(column: list[Any], read: list[Any]) -> None:
    found = read_column(column)
    assert found == read and [type(v) for v in found] == [type(v) for v in read]


def _is_tree(heads: list[int]) -> bool:
    """Every word leads to the one root in at most as many steps as there are words."""
    if heads.count(-1) != 1 or any(not -1 <= head < len(heads) for head in heads):
        return False
    for at in range(len(heads)):
        steps = 0
        while at != -1 and steps <= len(heads):
            at, steps = heads[at], steps + 1
        if at != -1:
            return False
    return True


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.integers(-2, n), min_size=n, max_size=n)))
def test_heads_are_a_tree_or_refused(heads: list[int]) -> None:
    try:
        check_heads(heads)
    except BadRecord:
        assert not _is_tree(heads)
    else:
        assert _is_tree(heads)


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_every_tree_is_taken(count: int, random: Any) -> None:
    order = random.sample(range(count), count)
    heads = [-1] * count
    for i in range(1, count):
        heads[order[i]] = order[random.randrange(i)]
    check_heads(heads)
    assert math.isfinite(sum(heads)) and typed(h=heads).heads("h", count) == heads
