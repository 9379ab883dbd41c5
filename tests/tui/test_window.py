"""The part of a map that is shown: it stays on the map, and places stay where they are seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.plots.plane import Bounds
from tui.window import LARGEST, WHOLE, Window

shares = st.floats(0, 1)
windows = st.builds(Window, st.floats(1, LARGEST), shares, shares).map(Window.inside)
anything = st.floats(allow_nan=True, allow_infinity=True)


@given(st.builds(Window, anything, anything, anything))
def test_a_part_lies_on_the_map(window: Window) -> None:
    part = window.inside()
    assert 1 <= part.zoom <= LARGEST
    for middle in (part.x, part.y):
        assert middle - 0.5 / part.zoom >= -1e-6 and middle + 0.5 / part.zoom <= 1 + 1e-6
    assert part.inside() == part


@given(windows, shares, shares, st.floats(1, 4))
def test_what_one_zooms_in_on_stays_where_it_is_seen(
    window: Window, across: float, up: float, factor: float
) -> None:
    x, y = window.place(across, up)
    part = window.zoomed(factor, x, y)
    assert part.zoom == pytest.approx(min(window.zoom * factor, LARGEST), rel=1e-5)
    assert part.place(across, up) == pytest.approx((x, y), abs=1e-5)


@given(windows)
def test_zooming_out_far_enough_shows_the_whole_map(window: Window) -> None:
    assert window.zoomed(1 / LARGEST, window.x, window.y) == WHOLE


@given(windows, st.floats(-1, 1), st.floats(-1, 1))
def test_moving_keeps_the_size_and_shows_the_part_beside(
    window: Window, dx: float, dy: float
) -> None:
    part = window.moved(dx, dy)
    assert part.zoom == window.zoom
    half = 0.5 / window.zoom
    for now, before, step in ((part.x, window.x, dx), (part.y, window.y, dy)):
        assert now == pytest.approx(min(max(before + step / window.zoom, half), 1 - half), abs=1e-6)


@given(windows)
def test_what_is_written_is_read(window: Window) -> None:
    assert Window.read(str(window)) == window


def test_how_a_part_is_written() -> None:
    assert str(Window(4, 0.3, 0.75)) == "4@0.3,0.75"
    assert Window.read(" 4@.3,.75 ") == Window(4, 0.3, 0.75)
    for wrong in ("", "4", "4@1", "nan@0,0", "4@0.3;0.7", "-4@0.5,0.5"):
        with pytest.raises(ValueError, match="ZOOM@X,Y"):
            Window.read(wrong)


@given(windows)
def test_the_part_of_a_rectangle(window: Window) -> None:
    whole = Bounds(-3.0, 2.0, 5.0, 6.0)
    part = whole.part(window)
    assert (part.right - part.left) * window.zoom == pytest.approx(8)
    assert (part.top - part.bottom) * window.zoom == pytest.approx(4)
    middle = (part.left + part.right) / 2, (part.bottom + part.top) / 2
    assert whole.shares(*middle) == pytest.approx((window.x, window.y), abs=1e-6)
