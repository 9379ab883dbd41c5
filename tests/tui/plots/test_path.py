"""Lines through stops: every stop is on its line, nothing is drawn outside, names don't overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tui.look import Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.path import Route, draw_routes

LOOK = Look()


def drawn(
    *stops: tuple[float, float], size: tuple[int, int] = (9, 3), ascii_only: bool = False
) -> str:
    canvas = Canvas(*size, ascii_only)
    route = Route(np.array(stops), [""] * len(stops), Ink())
    draw_routes(canvas, [route], Look(ascii=ascii_only))
    return canvas.text()


def test_straight_lines() -> None:
    assert drawn((0, 0), (1, 0)) == "\n\n" + "⣀" * 9
    assert drawn((0, 1), (1, 1)) == "⠉" * 9 + "\n\n"
    assert drawn((0, 0), (0, 1)) == "⡇\n⡇\n⡇"
    assert drawn((0, 0.99), (0.99, 0), size=(2, 1)) == "⠑⢄"
    assert drawn((0, 0.5), (1, 0.5), ascii_only=True) == "\n" + "." * 9 + "\n"


def test_a_line_breaks_where_a_point_has_no_place() -> None:
    whole = drawn((0, 0), (0.2, 0), (0.8, 0), (1, 0))
    broken = drawn((0, 0), (0.2, 0), (np.nan, np.nan), (0.8, 0), (1, 0))
    assert whole == "\n\n⣀⣀⣀⣀⣀⣀⣀⣀⣀"
    assert broken == "\n\n⣀⡀     ⢀⣀" or broken.splitlines()[2][3:6] == "   "


@pytest.mark.parametrize("far", [10.0, 1e4, 1e9])
def test_lines_from_far_outside_are_cut_at_the_edges(far: float) -> None:
    assert drawn((-far, 0.5), (far, 0.5)) == drawn((0, 0.5), (1, 0.5))
    assert drawn((-far, 2.0), (far, 2.0)).strip() == ""
    assert drawn((2.0, -far), (3.0, far)).strip() == ""


@given(
    hnp.arrays(np.float64, (4, 2), elements=st.floats(0, 0.999)),
    st.integers(1, 30),
    st.integers(1, 12),
)
def test_every_stop_inside_is_on_the_line(
    stops: NDArray[np.float64], width: int, height: int
) -> None:
    canvas = Canvas(width, height)
    draw_routes(canvas, [Route(stops, [""] * 4, Ink())], LOOK)
    for across, up in stops.tolist():
        x, y = int(across * width), min(int((1 - up) * height), height - 1)
        near = [
            canvas.char(column, row) != " "
            for column in range(max(x - 1, 0), min(x + 2, width))
            for row in range(max(y - 1, 0), min(y + 2, height))
        ]
        assert any(near)


def test_names_stand_at_their_stops_and_do_not_cover_each_other() -> None:
    canvas = Canvas(10, 3)
    stops = np.array([[0.05, 0.9], [0.95, 0.1], [0.9, 0.1], [0.5, 2.0]])
    draw_routes(canvas, [Route(stops, ["0", "11", "12", "13"], Ink(bold=True))], LOOK)
    text = canvas.text()
    assert text.startswith("0") and text.endswith("11")
    assert "12" not in text and "13" not in text


def test_numbers_of_two_ways_never_run_together() -> None:
    canvas = Canvas(9, 1)
    for_each = [np.array([[place / 9 + 0.01, 0.5]]) for place in (0, 2, 3, 5)]
    draw_routes(canvas, [Route(at, [f"1{n}"], Ink()) for n, at in enumerate(for_each)], LOOK)
    assert canvas.text().replace("⠂", " ").split() == ["10", "12"]
