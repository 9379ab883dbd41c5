"""From values to steps, and what the legend says about it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.look import Look
from tui.plots.scale import Scale, cell_texts, legend, steps

numbers = st.floats(-1e6, 1e6)


def test_steps_by_hand() -> None:
    values = [0.0, 0.24, 0.25, 0.5, 0.99, 1.0, -3.0, 7.0, math.nan, math.inf, -math.inf]
    assert steps(values, 0, 1, 4).tolist() == [0, 0, 1, 2, 3, 3, 0, 3, -1, 3, 0]


def test_zero_is_in_the_middle_of_a_difference() -> None:
    scale = Scale.of([[-0.1, math.nan], [0.35, 0.0]], diverging=True)
    assert scale == Scale(-0.35, 0.35, True)
    assert scale.steps([-0.35, -0.01, 0.0, 0.01, 0.35], 17).tolist() == [0, 8, 8, 8, 16]
    assert scale.steps([-0.1, 0.1], 17).tolist() == [6, 10]


def test_no_range() -> None:
    assert Scale.of([]) == Scale(0, 0)
    assert Scale.of([math.nan]).steps([math.nan, 0.0], 16).tolist() == [-1, 0]
    assert Scale.of([0.0, 0.0], diverging=True).steps([0.0], 17).tolist() == [8]
    assert Scale.of([0.7, 0.7]).steps([0.7], 16).tolist() == [0]


@given(st.lists(numbers, min_size=1, max_size=30), st.integers(1, 20), st.booleans())
def test_steps_stay_inside_and_keep_order(values: list[float], count: int, diverging: bool) -> None:
    scale = Scale.of(values, diverging)
    found = scale.steps(sorted(values), count)
    assert found.min() >= 0
    assert found.max() < count
    assert (np.diff(found) >= 0).all()


@given(st.lists(numbers, min_size=1, max_size=30), st.sampled_from([5, 9, 13, 17]))
def test_a_difference_and_its_opposite_mirror_each_other(values: list[float], count: int) -> None:
    scale = Scale.of(values, diverging=True)
    there = scale.steps(values, count)
    back = scale.steps([-value for value in values], count)
    # on a border between two steps one of them may round the other way
    assert (np.abs(there + back - (count - 1)) <= 1).all()


def test_clips() -> None:
    assert Scale(0, 1).clips([0, 0.5, 1, math.nan]) == (False, False)
    assert Scale(0, 1).clips([-0.1, 2]) == (True, True)


@pytest.mark.parametrize(
    ("look", "scale", "width", "shown"),
    [
        (Look("none"), Scale(0.02, 0.31), 40, ".02   ░░▒▒▓▓██ .31"),
        (Look("none"), Scale(-0.35, 0.35, True), 40, "−.35 −█−▓−▒−░ 0 +░+▒+▓+█ +.35"),
        (Look("none", True), Scale(0, 6.2), 40, "0   ..::--==++**##%%@@ 6.2"),
        (Look("16"), Scale(-0.35, 0.35, True), 40, "−.35 −−−  0 + ++ +.35"),
        (Look("none"), Scale(0.02, 0.31), 12, ".02  ░▓█ .31"),
        (Look("none"), Scale(0.02, 0.31), 7, ".02 .31"),
    ],
)
def test_legend(look: Look, scale: Scale, width: int, shown: str) -> None:
    assert legend(look, scale, width).text() == shown


def test_legend_shows_the_whole_ramp_in_colour() -> None:
    look = Look()
    row = legend(look, Scale(0, 0.5), 40, note="mean of 3", beyond=(False, True)).rows()[0]
    assert tuple(ink.bg for _, ink in row if ink.bg) == look.sequential
    assert "".join(text for text, _ in row).rstrip().endswith(">.50  mean of 3")


def test_cell_texts() -> None:
    values = np.array([[0.324, -0.04, 0.001], [0.0, np.nan, 1.0]])
    assert cell_texts(values, Look(), signed=True) == ["+32", "−4", "~", "0", "?", "+100"]
    assert cell_texts(values, Look(ascii=True)) == ["32", "-4", "~", "0", "?", "100"]
    assert cell_texts(np.array([0.324, 1.79]), Look(), hundredths=False) == [".32", "1.8"]
