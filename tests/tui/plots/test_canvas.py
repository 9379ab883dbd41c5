"""The canvas keeps its size, whatever is drawn on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.test_text import anything
from tui.plots.canvas import PLAIN, Canvas, Ink

RED = Ink(fg="#ff0000")
BOLD = Ink(bold=True)


def test_put_returns_where_it_ends_and_rows_join_equal_inks() -> None:
    canvas = Canvas(8, 2)
    assert canvas.put(1, 0, "ab", RED) == 3
    assert canvas.put(3, 0, "cd", RED) == 5
    assert canvas.rows() == [
        [(" ", PLAIN), ("abcd", RED), ("   ", PLAIN)],
        [("        ", PLAIN)],
    ]
    assert canvas.text() == " abcd\n"


def test_everything_outside_is_clipped() -> None:
    canvas = Canvas(4, 2)
    assert canvas.put(-2, 0, "abcdefgh") == 6
    canvas.put(0, 2, "below")
    canvas.put(0, -1, "above")
    canvas.put(4, 1, "right")
    canvas.fill(2, 1, 9, 9, "#")
    assert canvas.text() == "cdef\n  ##"


def test_wide_characters_are_never_cut_in_half() -> None:
    canvas = Canvas(6, 4)
    for y in range(4):
        canvas.put(0, y, "日本語")
    canvas.put(1, 0, "x")
    canvas.fill(2, 1, 1, 1, "#")
    canvas.put(5, 2, "日")
    canvas.put(-1, 3, "日")
    assert canvas.text() == " x本語\n日# 語\n日本\n  本語"
    assert [sum(cell_len(run) for run, _ in row) for row in canvas.rows()] == [6] * 4


def test_blit_clips_and_carries_inks() -> None:
    small = Canvas(3, 2)
    small.put(0, 0, "日x", RED)
    small.put(0, 1, "abc", BOLD)
    canvas = Canvas(4, 3)
    canvas.put(0, 0, "....", BOLD)
    canvas.blit(-1, 0, small)
    canvas.blit(3, 1, small)
    assert canvas.text() == " x..\nbc\n   a"
    assert canvas.ink(1, 0) == RED
    assert canvas.ink(0, 1) == BOLD
    assert canvas.ink(2, 1) == PLAIN


def test_wide_characters_that_came_with_another_canvas_are_not_cut_either() -> None:
    small = Canvas(4, 1)
    small.put(0, 0, "日本")
    canvas = Canvas(6, 1)
    canvas.blit(1, 0, small)
    canvas.put(2, 0, "xy")
    assert canvas.text() == "  xy"
    assert [canvas.char(x, 0) for x in range(6)] == [" ", " ", "x", "y", " ", " "]


def test_paint_writes_a_block() -> None:
    canvas = Canvas(4, 3)
    chars = np.array([["a", "b"], ["c", "d"]])
    canvas.paint(3, 1, chars, np.array([[0, 1], [1, 0]]), [RED, BOLD])
    canvas.paint(-1, 0, chars, np.array([[0, 1], [1, 0]]), [RED, BOLD])
    assert canvas.text() == "b\nd  a\n   c"
    assert [canvas.ink(0, 0), canvas.ink(0, 1), canvas.ink(3, 1)] == [BOLD, RED, RED]


def test_restyle_merges() -> None:
    canvas = Canvas(4, 1)
    canvas.put(0, 0, "ab", RED)
    canvas.restyle(1, 0, 2, 1, reverse=True, bold=True)
    assert canvas.rows() == [
        [
            ("a", RED),
            ("b", Ink(fg="#ff0000", bold=True, reverse=True)),
            (" ", Ink(bold=True, reverse=True)),
            (" ", PLAIN),
        ]
    ]
    with pytest.raises((TypeError, ValueError)):
        canvas.restyle(0, 0, 1, 1, blink=True)


def test_fill_refuses_what_is_not_one_cell() -> None:
    with pytest.raises(ValueError, match="one cell wide"):
        Canvas(4, 1).fill(0, 0, 4, 1, "日")


def test_ascii_canvas() -> None:
    canvas = Canvas(20, 1, ascii_only=True)
    canvas.put(0, 0, "−.35 … é")
    canvas.fill(18, 0, 2, 1, "█")
    assert canvas.text() == "-.35 . \\xe9       ##"


at = st.integers(-4, 14)
orders = st.lists(
    st.one_of(
        st.tuples(st.just("put"), at, at, anything),
        st.tuples(st.just("fill"), at, at, at, at),
        st.tuples(st.just("blit"), at, at, anything),
        st.tuples(st.just("restyle"), at, at, at, at),
    ),
    max_size=12,
)


def obey(canvas: Canvas, order: tuple[Any, ...]) -> None:
    """Draw what one drawn order says."""
    kind, x, y, *rest = order
    if kind == "put":
        canvas.put(x, y, rest[0], RED)
    elif kind == "fill":
        canvas.fill(x, y, rest[0], rest[1], "#", BOLD)
    elif kind == "restyle":
        canvas.restyle(x, y, rest[0], rest[1], underline=True)
    else:
        small = Canvas(5, 2)
        small.put(-1, 0, rest[0], BOLD)
        small.put(0, 1, rest[0])
        canvas.blit(x, y, small)


@given(orders, st.integers(0, 12), st.integers(0, 6))
def test_every_row_has_the_canvas_width(
    drawn: list[tuple[Any, ...]], width: int, height: int
) -> None:
    canvas = Canvas(width, height)
    for order in drawn:
        obey(canvas, order)
    rows = canvas.rows()
    assert len(rows) == height
    for row in rows:
        assert cell_len("".join(run for run, _ in row)) == width
        assert sum(cell_len(run) for run, _ in row) == width
