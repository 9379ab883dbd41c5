"""Small tables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.test_text import anything
from tui.look import Ink, Look
from tui.plots.table import Cell, Column, table

COLUMNS = [Column("pair", flexible=True), Column("gold"), Column("n", "right")]
RED = Ink(fg="#ff0000")
ROWS: list[Sequence[Cell]] = [
    ["Fred – he", "no", "12"],
    ["George – he", ("yes", RED), "3"],
    ["日本 – it", "?", "140"],
]


def test_golden() -> None:
    drawn = table(COLUMNS, ROWS, Look(), 26, 5, cursor=1)
    assert drawn.canvas.text().split("\n") == [
        " pair             gold   n",
        " Fred – he        no    12",
        "▸George – he      yes    3",
        " 日本 – it        ?    140",
        "",
    ]
    assert drawn.canvas.ink(3, 2).reverse
    assert not drawn.canvas.ink(3, 1).reverse
    assert [drawn.hit(y) for y in range(5)] == [None, 0, 1, 2, None]


def test_inks_and_focus() -> None:
    drawn = table(COLUMNS, ROWS, Look(), 26, 4, cursor=0, focused=False)
    assert drawn.canvas.ink(18, 2) == RED
    assert not drawn.canvas.ink(3, 1).reverse
    assert drawn.canvas.char(0, 1) == "▸"


def test_the_flexible_column_gives_way_first() -> None:
    drawn = table(COLUMNS, ROWS, Look(), 16, 4)
    assert drawn.canvas.text().split("\n") == [
        "pair    gold   n",
        "Fred –… no    12",
        "George… yes    3",
        "日本 –… ?    140",
    ]
    narrow = table(COLUMNS, ROWS, Look(ascii=True), 8, 2)
    assert narrow.canvas.text().split("\n")[1] == "F. no 12"


def test_ascii() -> None:
    drawn = table(COLUMNS, ROWS, Look(ascii=True), 40, 4, cursor=2)
    assert drawn.canvas.text().isascii()


def test_long_table_is_given_in_part_and_scrolls() -> None:
    part: list[Sequence[Cell]] = [[f"row {number}"] for number in range(95, 105)]
    drawn = table([Column("", width=8)], part, Look(), 10, 4, total=1000, first=95, cursor=101)
    assert (drawn.top, drawn.rows) == (99, 3)
    assert drawn.canvas.text() == "\n row 99\n row 100\n▸row 101"
    assert drawn.hit(1) == 99


@pytest.mark.parametrize(("cursor", "top"), [(None, 0), (0, 0), (5, 3), (9, 7)])
def test_cursor_is_visible(cursor: int | None, top: int) -> None:
    rows: list[Sequence[Cell]] = [[str(number)] for number in range(10)]
    drawn = table([Column("x")], rows, Look(), 6, 4, cursor=cursor)
    assert drawn.top == top
    assert drawn.rows == 3


@given(
    st.lists(st.tuples(anything, anything), max_size=8),
    st.tuples(anything, anything),
    st.integers(0, 40),
    st.integers(0, 8),
    st.booleans(),
    st.booleans(),
)
def test_any_text_keeps_the_width(
    rows: list[tuple[str, str]],
    titles: tuple[str, str],
    width: int,
    height: int,
    flexible: bool,
    ascii_only: bool,
) -> None:
    columns = [Column(titles[0], flexible=flexible), Column(titles[1], "right")]
    cursor = len(rows) - 1 if rows else None
    drawn = table(columns, rows, Look("none", ascii_only), width, height, cursor=cursor)
    assert all(cell_len("".join(t for t, _ in row)) == width for row in drawn.canvas.rows())
    assert drawn.canvas.text().isascii() or not ascii_only
