"""Points land where a plain loop puts them, and what is left out is counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.tui.test_text import anything
from tui.look import Look
from tui.plots.canvas import Canvas
from tui.plots.legends import class_legend
from tui.plots.plane import Bounds, View, nearest, toward
from tui.plots.scale import Scale
from tui.plots.scatter import Star, density_signs, rectangle, scatter

SQUARE = Bounds(0, 0, 1, 1)
BIT = {(0, 0): 0x01, (0, 1): 0x02, (0, 2): 0x04, (0, 3): 0x40}
BIT |= {(1, 0): 0x08, (1, 1): 0x10, (1, 2): 0x20, (1, 3): 0x80}

coordinates = st.one_of(st.floats(-1e3, 1e3, width=32), st.sampled_from([np.nan, np.inf, 0.0, 1.0]))
maps = st.integers(0, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 2), elements=coordinates),
        hnp.arrays(np.int32, n, elements=st.integers(-1, 4)),
    )
)
sizes = st.tuples(st.integers(1, 30), st.integers(1, 12))


def random_points(seed: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return points in and around the unit square, a few of them undefined, with classes."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-0.1, 1.1, (count, 2)).astype(np.float32)
    xy[rng.random(count) < 0.05] = np.nan
    return xy, rng.integers(-1, 4, count).astype(np.int32)


def naive(
    xy: NDArray[np.float32], classes: NDArray[np.int32], width: int, height: int
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return bits and majority class of each cell by a loop over points of the unit square."""
    bits: Counter[tuple[int, int]] = Counter()
    votes: dict[tuple[int, int], Counter[int]] = {}
    for (x, y), kind in zip(xy.astype(float).tolist(), classes.tolist(), strict=True):
        if not (0 <= x <= 1 and 0 <= y <= 1):
            continue
        column = min(int(x * 2 * width), 2 * width - 1)
        row = min(int((1 - y) * 4 * height), 4 * height - 1)
        cell = column // 2, row // 4
        bits[cell] |= BIT[column % 2, row % 4]
        votes.setdefault(cell, Counter())[kind] += 1
    best = {
        cell: min(count, key=lambda kind: (-count[kind], kind < 0, kind))
        for cell, count in votes.items()
    }
    return {cell: (bits[cell], best[cell]) for cell in votes}


@pytest.mark.parametrize(("seed", "width", "height"), [(1, 20, 8), (2, 7, 3), (3, 60, 20)])
def test_dots_and_majority_agree_with_a_plain_loop(seed: int, width: int, height: int) -> None:
    look = Look()
    xy, classes = random_points(seed, 400)
    drawn = scatter(xy, classes, look, width, height, bounds=SQUARE, mode="dots")
    expected = naive(xy, classes, width, height)
    for y in range(height):
        for x in range(width):
            bits, kind = expected.get((x, y), (0, 0))
            assert drawn.canvas.char(x, y) == (chr(0x2800 + bits) if bits else " ")
            if bits:
                assert drawn.canvas.ink(x, y).fg == look.category(kind)[0]
    undefined = int(np.isnan(xy[:, 0]).sum())
    finite = xy[~np.isnan(xy[:, 0])]
    outside = int(((finite < 0) | (finite > 1)).any(axis=1).sum())
    assert (drawn.undefined, drawn.outside) == (undefined, outside)
    assert undefined > 0
    assert outside > 0


def test_golden_dots() -> None:
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])
    drawn = scatter(corners, None, Look(), 7, 3, bounds=SQUARE)
    assert drawn.canvas.text() == "⠁     ⠈\n   ⠠\n⡀     ⢀"


def test_golden_glyphs_and_density() -> None:
    xy = np.array([[0.1, 0.9]] * 3 + [[0.9, 0.9]] + [[0.5, 0.1]] * 20 + [[0.9, 0.1]])
    classes = np.array([0, 0, 1, 1] + [2] * 20 + [-1])
    glyphs = scatter(xy, classes, Look("none"), 5, 2, bounds=SQUARE)
    assert glyphs.canvas.text() == "●   ■\n  ▲ ?"
    ascii_glyphs = scatter(xy, classes, Look("none", True), 5, 2, bounds=SQUARE)
    assert ascii_glyphs.canvas.text() == "o   x\n  + ?"
    in_colour = scatter(xy, classes, Look("16", True), 5, 2, bounds=SQUARE)
    assert in_colour.canvas.text() == ascii_glyphs.canvas.text()  # dots would be signs of classes
    density = scatter(xy, None, Look("16", True), 5, 2, bounds=SQUARE)
    assert density.canvas.text() == ":   .\n  @ ."


def test_values_are_averaged_over_the_cell_and_undefined_ones_say_so() -> None:
    xy = np.array([[0.1, 0.5], [0.1, 0.5], [0.5, 0.5], [0.9, 0.5]])
    values = np.array([0.0, 1.0, 1.0, np.nan])
    look = Look("none")
    drawn = scatter(xy, None, look, 3, 1, values=values, bounds=SQUARE, scale=Scale(0, 1))
    assert drawn.canvas.text() == "59?"
    look = Look()
    drawn = scatter(xy, None, look, 3, 1, values=values, bounds=SQUARE, scale=Scale(0, 1))
    strokes = look.strokes()
    inks = [drawn.canvas.ink(x, 0) for x in range(3)]
    assert inks == [strokes[len(strokes) // 2], strokes[-1], look.muted]


def test_undefined_glyph_is_not_lost_in_ascii_values() -> None:
    xy = np.array([[0.5, 0.5]])
    drawn = scatter(xy, None, Look("none", True), 1, 1, values=np.array([np.nan]), bounds=SQUARE)
    assert drawn.canvas.text() == "?"


@given(maps, sizes, st.booleans())
def test_everything_lands_inside(
    points: tuple[NDArray[np.float32], NDArray[np.int32]], size: tuple[int, int], ascii_only: bool
) -> None:
    xy, classes = points
    width, height = size
    drawn = scatter(xy, classes, Look("none", ascii_only), width, height)
    finite = np.isfinite(xy).all(axis=1)
    cells = drawn.view.cells(xy)
    assert drawn.undefined == int((~finite).sum())
    assert drawn.outside == 0
    assert ((cells >= 0).all(axis=1) == finite).all()
    assert (cells < [width, height]).all()
    filled = {tuple(cell) for cell in cells[finite].tolist()}
    shown = {(x, y) for y in range(height) for x in range(width) if drawn.canvas.char(x, y) != " "}
    assert shown == filled
    assert drawn.canvas.text().isascii() or not ascii_only


@given(st.floats(-100, 100), st.floats(-100, 100), sizes)
def test_a_cell_maps_to_data_and_back(x: float, y: float, size: tuple[int, int]) -> None:
    view = View(Bounds(x, y, x + 3.5, y + 7), *size)
    for column in range(size[0]):
        for row in range(size[1]):
            assert view.cells(np.array([view.data(column, row)])).tolist() == [[column, row]]


def test_bounds_have_equal_margins_and_are_never_empty() -> None:
    assert Bounds.of(np.array([[0, 0], [10, 20], [np.nan, 99]]), 0.1) == Bounds(-1, -2, 11, 22)
    assert Bounds.of(np.zeros((0, 2))) == Bounds(-1, -1, 1, 1)
    point = Bounds.of(np.array([[3.0, 4.0]]))
    assert (point.left + point.right, point.bottom + point.top) == (6, 8)
    line = Bounds.of(np.array([[0.0, 4.0], [8.0, 4.0]]))
    assert line.bottom < 4 < line.top


def test_star_labels_avoid_each_other_and_stay_inside() -> None:
    xy = np.array([[0.05, 0.5], [0.5, 0.5], [0.52, 0.5], [0.98, 0.5]])
    stars = [Star(0, "Fred"), Star(1, "he"), Star(2, "George"), Star(3, "she")]
    drawn = scatter(xy, None, Look(), 40, 3, bounds=SQUARE, stars=stars)
    assert drawn.canvas.text() == "\n  ★Fred       George★he             she★\n"
    assert drawn.unlabelled == 0


def test_labels_without_room_are_counted_and_the_stars_stay() -> None:
    xy = np.array([[x, 0.5] for x in (0.1, 0.3, 0.5, 0.7, 0.9)])
    drawn = scatter(xy, None, Look(), 5, 1, bounds=SQUARE, stars=[Star(i, "abc") for i in range(5)])
    assert drawn.canvas.text() == "★★★★★"
    assert drawn.unlabelled == 5


def test_label_shows_its_class_by_colour_and_by_glyph_where_colours_are_few() -> None:
    xy, classes = np.array([[0.5, 0.5]]), np.array([1])
    for look, shown in ((Look(), "★he"), (Look("16"), "★he■"), (Look("none", True), "*hex")):
        drawn = scatter(xy, classes, look, 12, 1, bounds=SQUARE, stars=[Star(0, "he")])
        assert drawn.canvas.text().strip() == shown
        assert drawn.canvas.ink(7, 0).fg == look.category(1)[0]


@given(st.lists(anything, max_size=6), sizes, st.booleans())
def test_any_label_keeps_the_size(
    labels: list[str], size: tuple[int, int], ascii_only: bool
) -> None:
    rng = np.random.default_rng(len(labels))
    xy = rng.random((len(labels), 2))
    stars = [Star(at, label) for at, label in enumerate(labels)]
    look = Look("16", ascii_only)
    drawn = scatter(xy, None, look, *size, bounds=SQUARE, stars=stars)
    cells = drawn.view.cells(xy)
    for x, y in cells.tolist():
        assert drawn.canvas.char(x, y) == look.marks.star
    assert drawn.canvas.text().isascii() or not ascii_only


def test_marked_points_and_cursor() -> None:
    xy = np.array([[0.1, 0.5], [0.5, 0.5], [0.9, 0.5], [np.nan, 0]])
    marked = np.array([True, False, False, True])
    for look in (Look(), Look("none")):
        drawn = scatter(xy, None, look, 3, 1, bounds=SQUARE, marked=marked, cursor=2)
        inks = [drawn.canvas.ink(x, 0) for x in range(3)]
        assert (inks[0].bg or inks[0].reverse) and not (inks[1].bg or inks[1].reverse)
        assert drawn.canvas.char(2, 0) == look.marks.aim
    hidden = scatter(xy, None, Look(), 3, 1, bounds=SQUARE, cursor=3)
    assert Look().marks.aim not in hidden.canvas.text()


def test_nearest_and_toward() -> None:
    xy = np.array([[0.1, 0.5], [0.5, 0.5], [0.5, 0.9], [0.9, 0.5], [np.nan, 0.5], [5.0, 5.0]])
    view = View(SQUARE, 20, 10)
    assert nearest(view, xy, 3, 5) == 0
    assert nearest(view, xy, 10, 0) == 2
    assert nearest(view, xy[4:], 0, 0) == -1
    assert toward(view, xy, 0, 1, 0) == 1
    assert toward(view, xy, 1, 0, -1) == 2
    assert toward(view, xy, 3, 1, 0) == 3
    assert toward(view, xy, -1, 1, 0) == 1
    assert toward(view, xy[4:], -1, 1, 0) == -1


@given(st.integers(0, 2**31), st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1)]))
def test_an_arrow_key_leads_to_the_nearest_point_of_its_quarter(
    seed: int, arrow: tuple[int, int]
) -> None:
    xy, _ = random_points(seed, 12)
    view = View(SQUARE, 20, 10)
    columns, rows, visible = view.dots(xy)
    for point in np.flatnonzero(visible).tolist():
        quarter = []
        for other in np.flatnonzero(visible).tolist():
            dx, dy = int(columns[other] - columns[point]), int(rows[other] - rows[point])
            ahead = dx * arrow[0] + dy * arrow[1]
            aside = dy if arrow[0] else dx
            if ahead > 0 and abs(aside) <= ahead:
                quarter.append((dx * dx + dy * dy, other))
        expected = min(quarter)[1] if quarter else point
        assert toward(view, xy, point, *arrow) == expected


def test_class_legend() -> None:
    labels, counts = ["coreferent", "not coreferent"], [400, 1508]
    assert class_legend(labels, counts, Look(), 60, unknown=3).text() == (
        "● coreferent 400  ■ not coreferent 1,508  ? unknown 3"
    )
    assert class_legend(labels, counts, Look(ascii=True), 40).text() == (
        "o coreferent 400  x not coreferent 1,508"
    )
    assert class_legend(labels, counts, Look(), 46, unknown=3).text() == (
        "● corefer… 400  ■ not cor… 1,508  ? unknown 3"
    )
    assert (
        class_legend(labels, counts, Look(), 30, unknown=3).text() == "● coref…  ■ not c…  ? unkno…"
    )
    assert class_legend(labels, counts, Look(), 18, unknown=3).text() == "■ not co…  +2 more"
    assert class_legend(labels, counts, Look(), 9).text() == "+2 more"


def test_no_room_is_no_error() -> None:
    assert scatter(np.zeros((3, 2)), None, Look(), 0, 0).canvas.rows() == []


@pytest.mark.parametrize("look", [Look("truecolor", True), Look("16", True), Look("none", True)])
def test_no_shade_in_ascii_is_the_sign_of_a_class(look: Look) -> None:
    shades = {sign for sign, _ in density_signs(look, (1, 2, 3, 4), plain=look.depth == "none")}
    known = {look.category(kind)[1] for kind in range(-1, 60)}
    assert len(shades) == 4 and not shades & {*known, look.marks.star, look.marks.aim}


def test_a_label_leaves_the_point_under_the_cursor_in_sight() -> None:
    xy = np.array([[0.05, 0.5], [0.15, 0.5]])
    stars = [Star(0, "Mia")]
    free = scatter(xy, None, Look(), 20, 3, bounds=SQUARE, stars=stars)
    assert "★Mia" in free.canvas.text()
    aimed = scatter(xy, None, Look(), 20, 3, bounds=SQUARE, stars=stars, cursor=1)
    picture = aimed.canvas.text()
    assert "Mia" in picture and "◎" in picture and aimed.unlabelled == 0


def test_a_rectangle_differs_from_marked_points_without_colours() -> None:
    for look in (Look("none"), Look("none", True), Look("16")):
        canvas = Canvas(12, 6, look.ascii)
        rectangle(canvas, look, 2, 1, 1, 5, 3)
        assert not any(canvas.ink(x, y).reverse for x in range(12) for y in range(6))
        rows = canvas.text().split("\n")
        assert rows[1].strip().startswith("+") and rows[1].rstrip().endswith("+")
        assert rows[1].index("+") == rows[3].index("+") == 3 and len(rows[1].strip()) == 5
    canvas = Canvas(12, 6)
    rectangle(canvas, Look(), 2, 1, 1, 5, 3)
    reversed_cells = sum(canvas.ink(x, y).reverse for x in range(12) for y in range(6))
    assert reversed_cells == 2 * 5 + 2 * 3 - 4 and canvas.text().strip() == ""
