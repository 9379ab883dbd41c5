"""Heat maps: right steps in the right places, legible labels, a cursor that is always visible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len

from tests.tui.test_text import anything
from tui.look import Look
from tui.plots import scale as scale_module
from tui.plots.heatmap import heatmap, scroll
from tui.plots.scale import Scale

GRID = np.array([[0.0, -0.01, 0.32], [np.nan, 0.001, -0.35]])
HEADS = ["0", "1", "2"]


def test_golden_head_grid_with_numbers() -> None:
    drawn = heatmap(
        GRID,
        Look(),
        24,
        4,
        scale=Scale.of(GRID, True),
        row_labels=["0", "1"],
        column_labels=HEADS,
        cursor=(0, 2),
    )
    assert drawn.canvas.text() == (
        "      0     1     2\n0     0    −1 ▐ +32▌\n1     ?     ~   −35\n"
    )
    assert drawn.numbers
    assert drawn.cell == 6


def test_golden_attention_matrix_with_words_written_downwards() -> None:
    tokens = ["[CLS]", "he", "日本", "won"]
    weights = np.array([[1.0, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 1, 0], [0, np.nan, 0, 0.25]])
    drawn = heatmap(
        weights,
        Look("none"),
        15,
        15,
        scale=Scale(0, 1),
        row_labels=tokens,
        column_labels=tokens,
        cursor=(2, 0),
        numbers=False,
    )
    assert drawn.canvas.text().split("\n")[:9] == [
        "    [",
        "    C",
        "    L     w",
        "    S h 日o",
        "    ] e 本n",
        "[C… ██",
        " he   ▒▒▒▒",
        "日… []  ██",
        "won   ?   ░░",
    ]


def test_golden_shades_and_signs_without_colour() -> None:
    values = np.array([[-1.0, -0.5, 0, 0.5, 1.0, np.nan]])
    for look, shown in (
        (Look("none"), "−█−▒  +▒+█? "),
        (Look("none", True), "-@-*  +*+@? "),
        (Look("16"), "−−−   + ++? "),
    ):
        drawn = heatmap(values, look, 12, 1, scale=Scale(-1, 1, True), numbers=False)
        assert drawn.canvas.text().ljust(12) == shown


@pytest.mark.parametrize("diverging", [False, True])
def test_colours_are_the_steps_of_the_values(diverging: bool) -> None:
    look = Look()
    values = np.linspace(-1, 1, 7)[None, :]
    scale = Scale(-1, 1, diverging)
    drawn = heatmap(values, look, 14, 1, scale=scale, numbers=False)
    ramp = look.diverging if diverging else look.sequential
    by_hand = [min(int((v + 1) / 2 * len(ramp)), len(ramp) - 1) for v in values[0].tolist()]
    assert [drawn.canvas.ink(2 * at, 0).bg for at in range(7)] == [ramp[step] for step in by_hand]
    assert [drawn.canvas.ink(2 * at + 1, 0).bg for at in range(7)] == [ramp[s] for s in by_hand]


def test_undefined_has_no_colour_and_is_not_zero() -> None:
    drawn = heatmap(np.array([[np.nan, 0.0, 1.0]]), Look(), 6, 1, numbers=False)
    assert drawn.canvas.text() == "?"
    assert drawn.canvas.ink(0, 0).bg == ""
    assert drawn.canvas.ink(2, 0).bg == Look().sequential[0]


def test_numeric_labels_are_thinned_out_and_the_cursor_column_is_named() -> None:
    labels = [str(number) for number in range(20)]
    drawn = heatmap(
        np.zeros((1, 20)), Look(), 42, 2, row_labels=["x"], column_labels=labels, cursor=(0, 11)
    )
    assert drawn.canvas.text().split("\n")[0] == "  0   2   4   6   8     11    14  16  18"


def test_cursor_labels_are_accented() -> None:
    look = Look()
    drawn = heatmap(GRID, look, 24, 4, row_labels=["0", "1"], column_labels=HEADS, cursor=(1, 0))
    assert drawn.canvas.ink(0, 2) == look.accent
    assert drawn.canvas.ink(0, 1) == look.text
    assert drawn.canvas.ink(drawn.x + drawn.cell - 2, 0) == look.accent


def test_label_inks() -> None:
    look = Look()
    drawn = heatmap(
        GRID,
        look,
        24,
        4,
        row_labels=["0", "1"],
        column_labels=HEADS,
        row_inks=[look.muted, look.text],
        column_inks=[look.text, look.muted, look.text],
    )
    assert drawn.canvas.ink(0, 1) == look.muted
    assert drawn.canvas.ink(drawn.x + 2 * drawn.cell - 2, 0) == look.muted


def test_values_as_decimals() -> None:
    drawn = heatmap(np.array([[1.79, 0.001, 0.5]]), Look(), 20, 1, numbers=True, hundredths=False)
    assert drawn.canvas.text().split() == ["1.8", "<.01", ".50"]


def test_a_number_that_does_not_fit_is_marked_and_not_cut() -> None:
    drawn = heatmap(np.array([[0.5, 99.99]]), Look(), 9, 1, scale=Scale(0, 1), numbers=True)
    assert drawn.canvas.text().split() == ["50", "…"]


def test_scrolled_matrix_says_where_there_is_more() -> None:
    values = np.zeros((50, 50))
    names = [str(number) for number in range(50)]
    drawn = heatmap(
        values, Look(), 24, 6, row_labels=names, column_labels=names, cursor=(20, 30), numbers=False
    )
    assert (drawn.top, drawn.left) == (16, 21)
    assert drawn.canvas.text().startswith("←↑↓")
    assert drawn.canvas.char(*(drawn.place(20, 30) or (0, 0))) == "["
    assert drawn.place(0, 0) is None


@pytest.mark.parametrize("numbers", [False, True])
def test_only_what_is_visible_is_computed(monkeypatch: pytest.MonkeyPatch, numbers: bool) -> None:
    seen: list[int] = []
    steps, texts = Scale.steps, scale_module.cell_texts

    def watched_steps(self: Scale, values: ArrayLike, n: int) -> NDArray[np.int32]:
        seen.append(np.asarray(values).size)
        return steps(self, values, n)

    def watched_texts(values: NDArray[np.float64], *args: Any) -> list[str]:
        seen.append(values.size)
        return texts(values, *args)

    monkeypatch.setattr(Scale, "steps", watched_steps)
    monkeypatch.setattr("tui.plots.heatmap.cell_texts", watched_texts)
    names = ["token"] * 500
    drawn = heatmap(
        np.zeros((500, 500)),
        Look(),
        80,
        30,
        scale=Scale(0, 1),
        row_labels=names,
        column_labels=names,
        cursor=(499, 499),
        numbers=numbers,
    )
    assert drawn.top + drawn.rows == drawn.left + drawn.columns == 500
    assert 0 < max(seen) <= drawn.rows * drawn.columns < 80 * 30


@given(
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.integers(0, 40), st.integers(0, 15)),
    st.lists(anything, min_size=9, max_size=9),
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.data(),
)
def test_any_labels_and_sizes_keep_the_width_and_hits_find_their_place(
    shape: tuple[int, int],
    size: tuple[int, int],
    names: list[str],
    ascii_only: bool,
    numbers: bool | None,
    data: st.DataObject,
) -> None:
    rows, columns = shape
    values = np.random.default_rng(rows).normal(size=shape)
    cursor = None
    if rows and columns:
        cursor = data.draw(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)))
    look = Look("none", ascii_only)
    drawn = heatmap(
        values,
        look,
        *size,
        scale=Scale(-1, 1, True),
        row_labels=names[:rows],
        column_labels=names[:columns],
        cursor=cursor,
        numbers=numbers,
    )
    assert all(cell_len("".join(t for t, _ in row)) == size[0] for row in drawn.canvas.rows())
    assert drawn.canvas.text().isascii() or not ascii_only
    for row in range(drawn.top, drawn.top + drawn.rows):
        for column in range(drawn.left, drawn.left + drawn.columns):
            place = drawn.place(row, column)
            assert place is not None
            for offset in range(drawn.cell):
                assert drawn.hit(place[0] + offset, place[1]) == (row, column)
    if cursor and drawn.rows and drawn.columns:
        assert drawn.place(*cursor) is not None
    assert drawn.hit(-1, -1) is None
    assert drawn.hit(size[0], size[1]) is None


@given(st.integers(-5, 60), st.integers(0, 49), st.integers(1, 60), st.integers(1, 50))
def test_scroll_shows_the_cursor_and_leaves_no_gap(
    offset: int, cursor: int, room: int, total: int
) -> None:
    found = scroll(offset, cursor, room, total)
    cursor = min(cursor, total - 1)
    assert 0 <= found <= max(total - room, 0)
    assert found <= cursor < found + room
    if 0 <= offset <= total - room and offset <= cursor < offset + room:
        assert found == offset
