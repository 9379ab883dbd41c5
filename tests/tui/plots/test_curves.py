"""Curves: what is drawn where, gaps, axes, and nothing left behind in plotext."""

from __future__ import annotations

import math
import re

import numpy as np
import plotext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.test_text import anything
from tui.look import Look
from tui.plots.axes import ticks
from tui.plots.canvas import Canvas
from tui.plots.curves import Series, curves, legend_fits
from tui.plots.sparkline import sparkline

LOOK = Look()
ASCII = Look("none", ascii=True)
NAN = math.nan


def series(
    name: str, values: list[float], category: int = 0, n_text: str = "", spread: float = 0.04
) -> Series:
    mean = np.array(values)
    return Series(name, mean, mean - spread, mean + spread, category, n_text)


NEAR = series("coreferent", [0.5, 0.45, 0.40, 0.33, 0.28, 0.22, 0.18], 0, "400")
FAR = series("not coreferent", [0.52, 0.55, 0.58, 0.50, 0.66, 0.74, 0.81], 1, "508")


def test_golden_braille() -> None:
    assert curves([NEAR, FAR], LOOK, 40, 6, current=6).text().split("\n") == [
        " ● coreferent 400   ■ not coreferent 508",
        ".8┤                       ⢀⢀⢀⢀⣀⣀■⠤⠤⠤⠤⠤■",
        "  │●■⣀⣀⣀⣀■⠤⠤⠤⠤⠤■⣀⣀⣀⣀⣀■⣀⡠⠤⠒■⠉⠉⠁        ┊",
        "  │⠁⠉⠉⠉⠉⠉●⠒⠒⠒⠤⠤●⣀⣀⣀⣀⣀●⠄               ┊",
        ".2┤                 ⠁⠁⠉⠉⠉⠉●⠒⠒⠒⠒⠒●⠤⠤⠤⠤⠤●",
        "   0     1     2     3    4     5    ▐6▌",
    ]


def test_golden_ascii_has_whiskers_and_all_the_axes() -> None:
    assert curves([NEAR, FAR], ASCII, 50, 13, current=5).text().split("\n") == [
        " o coreferent 400   x not coreferent 508",
        "     |                                   :      |",
        "   .8+                                   x''''''x",
        "     |                            x'''''':|",
        "   .6+        |     x|         ''' |     :",
        "     |ox'''''x'''''' ''''''x'''          :",
        "     ||......o      |       |            :",
        "   .4+       |......o      |             :",
        "     |               ......o......o      |",
        "   .2+                            |......o......o",
        "     |                                   :      |",
        "     ++------+------+------+------+------+------+",
        "layer 0      1      2      3      4     [5]     6",
    ]


def test_a_line_is_where_its_values_are() -> None:
    canvas = curves([series("a", [0.0, 1.0, 0.0], 2, spread=0)], LOOK, 41, 12, current=None)
    glyph = LOOK.category(2)[1]
    rows = canvas.text().split("\n")
    assert [rows[1].index(glyph), rows[9].index(glyph), rows[9].rindex(glyph)] == [22, 4, 39]
    assert rows[10].index("┬") == 4 and rows[11].split() == ["0", "1", "2"]
    assert canvas.ink(21, 1).fg == LOOK.category(2)[0]


def test_nan_is_a_gap_and_a_lonely_value_still_has_its_sign() -> None:
    gap = series("a", [0.1, 0.2, NAN, 0.2, NAN, 0.3, 0.4], spread=NAN)
    canvas = curves([gap], LOOK, 64, 10, current=None)
    columns = sorted(
        x for x in range(6, 64) for y in range(1, 9) if canvas.char(x, y) in LOOK.category(0)[1]
    )
    assert columns == [6, 15, 34, 53, 62]
    empty = [x for x in range(6, 64) if all(canvas.char(x, y) == " " for y in range(1, 9))]
    assert empty == [*range(16, 34), *range(35, 53), 63]


def test_infinities_are_gaps_because_the_file_never_draws_them() -> None:
    drawn = [
        curves([series("a", [0, far, 1], spread=0)], LOOK, 30, 8, current=None).text()
        for far in (math.inf, -math.inf, 1e300, NAN)
    ]
    assert len(set(drawn)) == 1


def test_intervals_are_fainter_than_the_line_and_two_of_them_are_told_apart() -> None:
    one = Series("a", [0.5, 0.5], [0.0, 0.0], [1.0, 1.0], 0)
    other = Series("b", [0.4, 0.4], [0.0, 0.0], [0.5, 0.5], 1)
    alone = curves([one], LOOK, 40, 10, current=None)
    both = curves([one, other], LOOK, 40, 10, current=None)
    assert alone.ink(20, 2).dim and alone.ink(20, 2).fg == LOOK.category(0)[0]
    assert {alone.char(20, 2), both.char(20, 2), both.char(20, 8)} == {"⠅", "⢕"}
    lines = [y for y in range(1, 9) if not alone.ink(20, y).dim]
    assert len(lines) == 1 and alone.ink(20, lines[0]).fg == LOOK.category(0)[0]


@pytest.mark.parametrize("look", [LOOK, ASCII])
def test_many_curves_in_little_room_have_intervals_at_the_current_layer(look: Look) -> None:
    """Elsewhere they may be anything; with more room, all of them are drawn."""

    def drawn(spread: float, height: int, at_current: float = 0.4) -> str:
        some = []
        for number in range(4):
            ends = np.full(7, spread)
            ends[3] = at_current
            ends[0 if number == 0 else 6] = 2.0  # the range is the same
            mean = np.array([number + 0.1 * layer for layer in range(7)])
            some.append(Series(f"{number}", mean, mean - ends, mean + ends, number))
        return curves(some, look, 61, height, current=3).text()

    assert drawn(0.1, 16) == drawn(0.9, 16)
    assert drawn(0.1, 16) != drawn(0.1, 16, at_current=1.5)
    assert drawn(0.1, 40) != drawn(0.9, 40)


def test_values_in_one_place_stand_beside_each_other() -> None:
    twins = [series("a", [0.5, 0.5], 0), series("b", [0.5, 0.5], 1), series("c", [0.5, 0.5], 2)]
    text = curves(twins, LOOK, 40, 7, current=None).text()
    assert text.split("\n")[3].startswith("   │●■▲") and text.split("\n")[3].endswith("▲■●")


def test_current_layer_is_marked_and_out_of_range_ones_are_not() -> None:
    marked = curves([NEAR], LOOK, 62, 10, current=3)
    assert "▐3▌" in marked.text() and "┊" in marked.text()
    x = marked.text().split("\n")[-1].index("3")
    assert marked.ink(x, 9) == LOOK.accent
    for layer in (None, -1, 7):
        text = curves([NEAR], LOOK, 62, 10, current=layer).text()
        assert "▐" not in text and "┊" not in text


def test_dense_layers_share_signs_but_the_current_one_has_its_own() -> None:
    dense = [series("a", [0.5] * 41, spread=0)]
    for current in (16, 17):
        last = curves(dense, LOOK, 47, 10, current=current).text().split("\n")
        row = next(row for row in last[1:] if "●" in row)
        assert (row[4 + 17] == "●") == (current == 17)
        assert row.count("●") < 20


def test_crossing_lines_keep_the_dots_of_both() -> None:
    up, down = (series("", [0.0, 1.0][::way], at, spread=0) for at, way in enumerate((1, -1)))
    both = curves([up, down], LOOK, 40, 8, current=None)
    alone = [curves([one], LOOK, 40, 8, current=None) for one in (up, down)]
    crossing = 0
    for y in range(1, 7):
        for x in range(6, 37):
            cells = [ord(one.char(x, y)) for one in alone]
            if min(cells) > 0x2800:
                crossing += 1
                assert ord(both.char(x, y)) == cells[0] | cells[1]
    assert crossing


def test_differences_have_zero_in_range_with_its_line_and_signs() -> None:
    change = series("B−A", [0.02, 0.11, 0.25], spread=0.01)
    canvas = curves([change], LOOK, 50, 10, current=None, zero=True, signed=True)
    rows = canvas.text().split("\n")
    zero = [row for row in rows if row.strip().startswith("0┤")]
    assert len(zero) == 1 and "────" in zero[0]
    assert "+.1┤" in canvas.text() and "+.2┤" in canvas.text()
    down = curves([series("B−A", [-0.25, 0])], LOOK, 50, 10, current=0, zero=True, signed=True)
    assert "−.2┤" in down.text()


def test_without_values_it_says_so() -> None:
    for nothing in ([], [series("a", [NAN, NAN])], [series("a", [])]):
        assert "no values to draw" in curves(nothing, LOOK, 40, 8, current=1).text()


def test_constant_curves_have_an_axis() -> None:
    text = curves([series("a", [0.5] * 5, spread=0)], LOOK, 50, 10, current=None).text()
    assert ".55┤" in text and ".50┤●" in text and ".45┤" in text


def test_small_ranges_have_labels_that_differ() -> None:
    text = curves([series("a", [0.0012, 0.0018], spread=0)], LOOK, 50, 10, current=None).text()
    labels = [row.split("┤")[0].strip() for row in text.split("\n") if "┤" in row]
    assert labels == [".0018", ".0016", ".0014", ".0012"]


def test_the_legend_cuts_names_but_never_numbers() -> None:
    long = [series("a" * 60, [0, 1], 0, "400"), series("b" * 60, [1, 0], 1, "508")]
    first = curves(long, LOOK, 40, 8, current=None).text().split("\n")[0]
    assert first == " ● aaaaaaaaaaa… 400   ■ bbbbbbbbbbb… 508"
    two = curves(long, LOOK, 50, 20, current=None).text().split("\n")
    assert two[0].endswith("… 400") and two[1].endswith("… 508")


def test_many_series_wrap_and_the_last_ones_fall_away_with_a_mark() -> None:
    many = [series(f"group {index}", [0, index], index, "99") for index in range(12)]
    rows = curves(many, LOOK, 40, 20, current=None).text().split("\n")
    assert rows[:2] == [
        " ● grou… 99   ■ grou… 99   ▲ grou… 99",
        " ◆ grou… 99   ✚ grou… 99   +7 more",
    ]
    rows = curves(many[:6], LOOK, 40, 20, current=None).text().split("\n")
    assert "more" not in rows[1] and rows[1].endswith("✖ grou… 99")


def test_of_too_many_curves_the_largest_are_drawn() -> None:
    sizes = (5, 900, 30, 70, 400, 6)
    six = [
        Series(f"group {n}", [0, n], [0, n], [0, n], n, f"{size}", size)
        for n, size in enumerate(sizes)
    ]
    glyphs = [LOOK.category(n)[1] for n in range(6)]
    for height, kept in ((9, {1, 3, 4}), (13, {1, 2, 3, 4}), (18, {*range(6)})):
        drawn = curves(six, LOOK, 100, height, current=None).text()
        legend, _, plot = drawn.partition("\n")
        assert {n for n in range(6) if glyphs[n] in plot} == kept
        assert all(f"group {n} {sizes[n]}" in legend for n in kept)
        assert (f"+{6 - len(kept)} more" in legend) == (len(kept) < 6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.integers(0, 100), st.integers(0, 24))
def test_every_curve_is_named_or_counted(count: int, width: int, height: int) -> None:
    many = [series(f"group {n}", [0, n], n, "99") for n in range(count)]
    lines = curves(many, LOOK, width, height, current=None).text().split("\n")[:2]
    named = sum(line.count(" 99") for line in lines)
    found = [int(n) for line in lines for n in re.findall(r"\+(\d+) more", line)]
    if found and width >= 30:
        assert named + found[0] == count


def test_plotext_is_left_empty_and_unlimited_by_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    plotext.clear_figure()
    untouched = plotext.build()
    plotext.plot([1, 2], [3, 4])
    canvas = curves([FAR], LOOK, 150, 35, current=None)
    assert canvas.text().split("\n")[-3].count("⠤") + canvas.text().count("■") > 5
    plotext.limit_size(True, True)
    assert plotext.build() == untouched


def test_the_last_column_of_a_wide_plot_is_reached_whatever_the_terminal() -> None:
    canvas = curves([FAR], LOOK, 300, 35, current=None)
    assert any(LOOK.category(1)[1] in row[290:] for row in canvas.text().split("\n"))


floats = st.floats(-1e6, 1e6) | st.sampled_from([NAN, math.inf, -math.inf, 0.0, 1e-40, 3e38])
many_series = st.lists(
    st.builds(
        Series,
        anything,
        st.lists(floats, max_size=30),
        st.lists(floats, max_size=30),
        st.lists(floats, max_size=30),
        st.integers(-1, 100),
        anything,
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(
    many_series,
    st.integers(0, 90),
    st.integers(0, 24),
    st.none() | st.integers(-2, 40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_any_size_and_any_numbers(
    drawn: list[Series],
    width: int,
    height: int,
    current: int | None,
    zero: bool,
    signed: bool,
    plain: bool,
) -> None:
    look = ASCII if plain else LOOK
    canvas = curves(drawn, look, width, height, current=current, zero=zero, signed=signed)
    assert_whole(canvas, width, height)
    if plain:
        assert canvas.text().isascii()


def assert_whole(canvas: Canvas, width: int, height: int) -> None:
    assert (canvas.width, canvas.height) == (width, height)
    assert [sum(cell_len(text) for text, _ in row) for row in canvas.rows()] == [width] * height


@pytest.mark.parametrize("plain", [False, True])
def test_without_colours_there_are_none(plain: bool) -> None:
    canvas = curves([NEAR, FAR], Look("none", plain), 62, 12, current=2, zero=True)
    inks = [ink for row in canvas.rows() for _, ink in row]
    assert all(not ink.fg and not ink.bg for ink in inks)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 4))
def test_labels_are_few_inside_the_range_and_written_exactly(
    lo: float, span: float, most: int
) -> None:
    labels, decimals = ticks(lo, lo + span, most)
    assert 2 <= len(labels) <= most
    assert labels == sorted(set(labels))
    assert all(lo - 1e-3 * span <= value <= lo + span * (1 + 1e-3) for value in labels)
    assert all(abs(round(value, decimals) - value) < 1e-9 * max(1, abs(value)) for value in labels)
    assert labels[-1] - labels[0] > span / 5


def test_sparkline_by_hand() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], LOOK) == "▁▂▃▄▅▆▇█"
    assert sparkline([7, NAN, 0], LOOK) == "█?▁"
    assert sparkline([5, 5], LOOK) == "▅▅"
    assert sparkline([], LOOK) == ""
    assert sparkline([NAN, math.inf], LOOK) == "??"
    assert sparkline([0, 1], LOOK, 5) == "▁▁██"
    assert sparkline([0, 1, 2, 3], LOOK, 3) == "▁▃…"
    assert sparkline([0, 1], LOOK, 0) == ""
    assert sparkline([0, 7, NAN], ASCII) == "_#?"


@given(st.lists(floats, max_size=40), st.none() | st.integers(0, 60), st.booleans())
def test_sparkline_fits(values: list[float], width: int | None, plain: bool) -> None:
    line = sparkline(values, ASCII if plain else LOOK, width)
    assert cell_len(line) <= (len(values) if width is None else width)
    assert line.isascii() or not plain


def test_a_plot_of_one_cell() -> None:
    """plotext divides by the difference of its limits, which must not be zero."""
    for look in (LOOK, ASCII):
        for width, height in ((1, 1), (1, 9), (9, 1), (2, 2)):
            curves([series("", [0.0, 0.0], spread=0.0)], look, width, height, current=None)


def test_lines_in_ascii_differ_and_are_no_signs_of_other_things() -> None:
    """Four curves apart have four lines, none of which is a glyph, a guide or an axis."""
    some = [series(f"{n}", [float(n)] * 4, n, spread=0) for n in range(4)]
    drawn = curves(some, ASCII, 60, 20, current=None).text().split("\n")
    glyphs = [ASCII.category(n)[1] for n in range(60)]
    used: list[str] = []
    for number in range(4):
        row = next(line for line in drawn[1:] if line[6:].count(glyphs[number]) == 4)
        signs = {*row[6:]} - {" ", glyphs[number]}
        assert len(signs) == 1
        used += signs
    assert len(set(used)) == 4 and not set(used) & {*glyphs, *"|:-"}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_legend_fits_if_all_of_it_is_written(count: int) -> None:
    many = [
        series(f"group number {n}", [0.1, 0.9], n)._replace(n_text="+.25") for n in range(count)
    ]
    seen = set()
    for height in (3, 8, 9, 10, 16):
        for width in range(10, 120, 3):
            picture = curves(many, LOOK, width, height, current=None).text()
            whole = all(f"{one.name} {one.n_text}" in picture for one in many)
            fits = legend_fits(many, LOOK, width, height)
            assert whole or not fits
            seen.add(fits)
    assert seen == {True, False}
