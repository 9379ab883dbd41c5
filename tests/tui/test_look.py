"""Looks: colours that stay apart, signs that do not need colours, numbers that do not mislead."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.color import Color, ColorSystem

from tui import text
from tui.look import PLAIN, Depth, Look, compact

DEPTHS: tuple[Depth, ...] = ("truecolor", "256", "16", "none")
LOOKS = [Look(*parts) for parts in itertools.product(DEPTHS, (False, True), (False, True))]
COLOURED = [look for look in LOOKS if look.depth != "none"]


def oklab(colours: tuple[str, ...]) -> NDArray[np.float64]:
    """Convert "#rrggbb" to OKLab, [n, 3], with the matrices of Ottosson (2020)."""
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    found: NDArray[np.float64] = np.cbrt(linear @ np.transpose(to_cones)) @ np.transpose(to_lab)
    return found


@pytest.mark.parametrize("look", COLOURED, ids=str)
def test_sequential_ramp_rises_from_the_background(look: Look) -> None:
    lightness = oklab(look.sequential)[:, 0]
    rises = np.diff(lightness) * (1 if look.dark else -1)
    assert (rises > 0.005).all()
    assert (lightness[0] < 0.3) if look.dark else (lightness[0] > 0.95)


@pytest.mark.parametrize("dark", [True, False])
def test_truecolor_ramps_are_even(dark: bool) -> None:
    look = Look(dark=dark)
    for ramp, count in ((look.sequential, 16), (look.diverging, 17)):
        lengths = np.linalg.norm(np.diff(oklab(ramp), axis=0), axis=1)
        assert len(ramp) == count
        assert lengths.max() / lengths.min() < 1.4


@pytest.mark.parametrize("look", COLOURED, ids=str)
def test_diverging_ramp_is_blue_below_zero_and_orange_above(look: Look) -> None:
    lab = oklab(look.diverging)
    middle = len(lab) // 2
    assert len(lab) % 2 == 1
    assert np.hypot(*lab[middle, 1:]) < 0.02
    assert (lab[:middle, 2] < -0.01).all()
    assert (lab[middle + 1 :, 2] > 0.01).all()


@pytest.mark.parametrize("look", [look for look in LOOKS if look.depth in ("256", "16")], ids=str)
def test_few_colours_stay_distinct_after_rich_folds_them(look: Look) -> None:
    system = ColorSystem.EIGHT_BIT if look.depth == "256" else ColorSystem.STANDARD
    for ramp in (look.sequential, look.diverging, [look.category(i)[0] for i in range(6)]):
        folded = [Color.parse(colour).downgrade(system) for colour in ramp]
        assert len({colour.number for colour in folded}) == len(ramp)
        # exactly these colours, not their neighbours
        for colour, wanted in zip(folded, ramp, strict=True):
            assert colour.get_truecolor().hex == wanted or look.depth == "16"


@pytest.mark.parametrize("look", COLOURED, ids=str)
def test_text_on_a_ramp_is_readable(look: Look) -> None:
    def light(colour: str) -> float:
        rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for colour in (*look.sequential, *look.diverging):
        dim, bright = sorted((light(colour), light(look.on(colour))))
        assert (bright + 0.05) / (dim + 0.05) >= 4.5


def test_on_leaves_the_default_background_alone() -> None:
    assert Look().on("") == ""


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_categories_differ_by_glyph_and_not_only_by_colour(look: Look) -> None:
    drawn = [look.category(index) for index in range(-1, 50)]
    assert len({glyph for _, glyph in drawn}) == 51
    assert all(len(glyph) == 1 for _, glyph in drawn)
    if look.depth != "none":
        assert len({colour for colour, _ in drawn[:7]}) == 7
    if not look.ascii:  # letters would look like text
        assert not any(glyph.isalnum() for _, glyph in drawn[:38])
        assert all(text.width(glyph) == 1 for _, glyph in drawn)
        assert not {look.marks.star, look.marks.aim} & {glyph for _, glyph in drawn}


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("diverging", [False, True])
def test_heat_has_its_width_and_a_drawing_for_every_step(look: Look, diverging: bool) -> None:
    levels = look.levels(diverging)
    assert levels % 2 == 1 if diverging else levels >= 4
    for width in (1, 2, 4):
        drawn = [look.heat(step, diverging, width) for step in range(-1, levels)]
        assert all(len(text) == width for text, _ in drawn)
        if width > 1:
            assert len(set(drawn)) == levels + 1
            assert look.marks.undefined in drawn[0][0]


@pytest.mark.parametrize("look", [look for look in LOOKS if look.ascii], ids=str)
def test_ascii_looks_have_no_other_character(look: Look) -> None:
    fields = [getattr(look.marks, name) for name in look.marks._fields]
    glyphs = [look.category(index)[1] for index in range(-1, 70)]
    heat = [look.heat(s, d, 3)[0] for d in (True, False) for s in range(-1, look.levels(d))]
    assert "".join([*fields, *glyphs, *heat, look.number(-0.5)]).isascii()


@pytest.mark.parametrize("look", [look for look in LOOKS if look.depth == "none"], ids=str)
def test_no_colour_means_none(look: Look) -> None:
    roles = [look.accent, look.muted, look.star, look.good, look.bad, look.header, look.cursor]
    heat = [look.heat(s, d)[1] for d in (True, False) for s in range(-1, look.levels(d))]
    strokes = [*look.strokes(False), *look.strokes(True)]
    assert all(ink.fg == ink.bg == "" for ink in (*roles, *heat, *strokes))
    assert look.sequential == look.diverging == ()
    assert {look.category(index)[0] for index in range(-1, 9)} == {""}


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_strokes_are_never_the_background(look: Look) -> None:
    background = oklab(("#1e1e1e" if look.dark else "#ffffff",))
    for diverging in (False, True):
        inks = look.strokes(diverging)
        assert not diverging or len(inks) % 2 == 1
        colours = tuple(ink.fg for ink in inks if ink.fg)
        if look.depth != "none":
            assert len(colours) == len(inks)
            assert (np.linalg.norm(oklab(colours) - background, axis=1) > 0.15).all()


def test_signs_stand_beside_colours_where_colours_are_few() -> None:
    look = Look("16")
    assert [look.heat(step, True)[0] for step in range(5)] == ["−−", "− ", "  ", "+ ", "++"]
    assert look.heat(2, True)[1] == PLAIN
    look = Look("none")
    assert [look.heat(step, True)[0] for step in (0, 3, 4, 5, 8)] == ["−█", "−░", "  ", "+░", "+█"]


@pytest.mark.parametrize(
    ("system", "environ", "look"),
    [
        ("truecolor", {"LANG": "en_US.UTF-8"}, Look("truecolor", False)),
        ("256", {"LANG": "C", "LC_ALL": "de_DE.utf8"}, Look("256", False)),
        ("standard", {"LANG": "en_US.UTF-8", "TERM": "linux"}, Look("16", True)),
        ("truecolor", {"LANG": "en_US.UTF-8", "NO_COLOR": "1"}, Look("none", False)),
        ("truecolor", {"LANG": "en_US.UTF-8", "NO_COLOR": ""}, Look("truecolor", False)),
        (None, {"LANG": "C.UTF-8"}, Look("none", False)),
        ("256", {"LANG": "en_US.UTF-8", "LC_ALL": "C"}, Look("256", True)),
        ("256", {}, Look("256", True)),
        ("256", {"LANG": "en_US.UTF-8", "TERM": "dumb"}, Look("none", True)),
    ],
)
def test_detect(system: str | None, environ: dict[str, str], look: Look) -> None:
    assert Look.detect(system, environ) == look


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.314, "+.31"),
        (-0.2, "−.20"),
        (1.0, "+1.0"),
        (0.999, "+>.99"),
        (0.0049, "+<.01"),
        (-1e-9, "−<.01"),
        (1.23, "+1.2"),
        (12.3, "+12"),
        (1234.0, "+1.2k"),
        (9.96, "+10"),
        (999.6, "+1.0k"),
        (float("nan"), "?"),
        (float("-inf"), "−inf"),
    ],
)
def test_compact(value: float, shown: str) -> None:
    assert compact(value, signed=True) == shown


@given(st.floats(allow_nan=False))
def test_compact_never_turns_a_number_into_zero_or_changes_its_sign(value: float) -> None:
    shown = compact(value, minus="-")
    assert (shown == "0") == (value == 0)
    assert shown.startswith("-") == (value < 0)
    assert len(shown) <= 6 or math.isinf(value) or abs(value) >= 1e12


@given(st.floats(0.01, 1e11), st.booleans())
def test_compact_is_near_the_number(value: float, negative: bool) -> None:
    shown = compact(-value if negative else value, minus="-").replace(">", "")
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(shown[-1], 1.0)
    read = float(shown.rstrip("kMG")) * factor
    assert abs(read) == pytest.approx(value, rel=0.06, abs=0.006)
    assert math.copysign(1, read) == (-1 if negative else 1)
