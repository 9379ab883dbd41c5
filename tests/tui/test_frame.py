"""The frame of a pane: its title says the most important where there is little room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import text
from tui.frame import frame_row

TITLE = "5 Attention  base · maximum of layer 5, 12 heads · map · 8 bits, ±.004"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (90, TITLE),
        (72, "5 Attention  maximum of layer 5, 12 heads · map · 8 bits, ±.004"),
        (60, "5 Attention  maximum of layer 5 · map · 8 bits, ±.004"),
        (56, "5 Attention  max. of layer 5 · map · 8 bits, ±.004"),
        (42, "5 Attention  max. of layer 5 · map"),
        (36, "5 Attention  max. of layer 5"),
        (22, "5 Attention  ma…"),
    ],
)
def test_a_title_loses_the_least_important_first(width: int, shown: str) -> None:
    row = frame_row(0, width, 9, TITLE, spare="base")
    assert row.strip("╭╮─ ") == shown


def test_what_is_said_elsewhere_goes_before_words() -> None:
    row = frame_row(0, 47, 9, "3 t-SNE  layer 6 · by predicted (3 of 7) · zoom 2x")
    assert row.strip("╭╮─ ") == "3 t-SNE  layer 6 · by predicted · zoom 2x"


@given(st.text(max_size=60), st.integers(0, 80), st.booleans(), st.text(max_size=5))
def test_every_row_fills_its_width(title: str, width: int, plain: bool, spare: str) -> None:
    for y in range(3):
        assert text.width(frame_row(y, width, 3, title, plain, spare)) == width
