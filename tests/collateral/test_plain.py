"""Values as plain text and JSON."""

from __future__ import annotations

import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral import plain


@given(st.text(st.characters(codec="utf-8")))
def test_nothing_printable_is_changed_and_nothing_else_is_left(text: str) -> None:
    shown = plain.printable(text)
    assert "\n" not in shown
    assert plain.printable(shown) == shown
    letters = not any(unicodedata.category(char) in ("Mn", "Me") for char in text)
    if text.isprintable() and letters and not {*"\u115f\u1160\u3164\uffa0"} & {*text}:
        assert shown == text
    for char in "\0\x07\x1b\x7f\x9b\u200b\u200f\u202e\u2066\u2028\ufeff":
        assert char not in shown


def test_what_hides_or_covers_is_shown() -> None:
    assert plain.printable("a\u3164b\u2764\ufe0f") == "a\\u3164b\u2764\\ufe0f"
    assert plain.printable("e\u0301\u0302\u0303!") == "e\u0301\u0302\\u0303!"


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly_from_the_fewest_digits(value: float) -> None:
    array = np.array([value], dtype=np.float32)
    (shown,) = plain.numbers(array)
    assert np.float32(json.loads(json.dumps(shown))) == array[0]
    (field,) = plain.fields(array)
    assert np.float32(field) == array[0]
    # Numpy chooses the notation, "1e+15" or in older versions "1000000000000000.0": zeros at the
    # ends are no digits of the number.
    digits = field.partition("e")[0].replace(".", "").lstrip("-").strip("0")
    assert len(digits) <= 9
    if len(digits) > 1:
        assert np.float32(f"{array[0]:.{len(digits) - 2}e}") != array[0]  # one digit fewer


def test_what_is_undefined_is_no_number() -> None:
    array = np.array([[0.1, math.nan], [math.inf, -1.0]], dtype=np.float32)
    assert plain.numbers(array) == [[0.1, None], [None, -1.0]]
    assert plain.fields(array) == ["0.1", "", "inf", "-1.0"]
    assert plain.numbers(np.array([3, 4], dtype=np.int32)) == [3, 4]
    mixed = {"a": (math.nan, 1), "b": {"c": array[0]}, "d": "text", "e": True}
    assert plain.jsonable(mixed) == {
        "a": [None, 1],
        "b": {"c": [0.1, None]},
        "d": "text",
        "e": True,
    }


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (95_391, "95.4 kB"),
        (10_000_000, "10 MB"),
        (1_073_741_824, "1.07 GB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert plain.size(count) == shown
