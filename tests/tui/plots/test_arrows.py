"""The arrow map: which edges, from where to where, and what is said about what is out of sight."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from rich.cells import cell_len

from tests.tui.test_text import anything
from tui.look import Look
from tui.plots.arrows import ArrowMap, arrows, strongest
from tui.plots.scale import Scale

LOOK = Look()
ASCII = Look("none", ascii=True)
WORDS = ["[CLS]", "Fred", "saw", "George", "and", "he", "left", "[SEP]"]
FAINT = (0, 7)

GOLDEN_ALL = [
    "  [CLS] ⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⣤⣤⣤⣤⣤⣤⣤⠤⠤⠤⠤⠤⠤⠤  [CLS]",
    "   Fred ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠤⠤  Fred",
    "    saw ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠤⠤  saw",
    " George ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠤⠤  George",
    "    and ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⠒⠒⠒⠊⠉⠉⠉         and",
    "     he ⠒⠒⠒⠊⠉⠉⠉       ⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠤⠤  he",
    "   left ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠤⠤  left",
    "  [SEP] ⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉                [SEP]",
    "",
    "0 ━━━━━━━━━━━━ 1.0  edges: 70 % of each row",
]
GOLDEN_QUERY = [
    "  [CLS]                               [CLS]",
    "   Fred                     ---  .25  Fred",
    "    saw               ------          saw",
    " George          -----   ------  .60  George",
    "    and    --------------             and",
    "    >he ------                        he",
    "   left       -----------             left",
    "  [SEP]                  ------  .13  [SEP]",
    "",
    "0 ------ 1.0         edges: 95 % of the row",
]
GOLDEN_KEY = [
    "  [CLS]                                               [CLS]",
    "   Fred                                               Fred",
    "    saw                                               saw",
    " George  −.50 ⠤⠤  ⠤⠤  ⠤⠤  ⠤⠤  ⠤⠤ ⣀⣤⣤⣀⣀⣤⣤⣀⣀⣤⣤⣤⣤⣤⡤⠤⠤⠤⠤ ▸George",
    "    and  +1.0 ⠒⠒⠒⠒⠒⠒⠒⠒⠒⢊⣉⣉⣉⣉⡩⠭⠭⠭⠭⠒⠒⠒⠒⠒⠉⠉⠉⠉⠁           and",
    "     he  +.60 ⠒⠒⠒⠒⠒⠉⠉⠉⠉⠁                              he",
    "   left                                               left",
    "  [SEP]                                               [SEP]",
    "",
    "−1.0 ━━━━━ 0 ━━━━━ +1.0  edges: 95 % into the key, − dashed",
]


def attention() -> NDArray[np.float32]:
    """Return a head in which "he" (5) looks at "George" (3), at "Fred" (1) and at [SEP]."""
    weights = np.zeros((8, 8), dtype=np.float32)
    weights[np.arange(8), np.maximum(np.arange(8) - 1, 0)] = 1
    weights[5] = [0.02, 0.25, 0, 0.6, 0, 0, 0, 0.13]
    return weights


def draw(
    weights: NDArray[np.float32],
    look: Look = LOOK,
    size: tuple[int, int] = (44, 10),
    words: list[str] | None = None,
    query: int | None = None,
    key: int | None = None,
    top: int = 0,
    difference: bool = False,
) -> ArrowMap:
    names = [f"t{index}" for index in range(len(weights))] if words is None else words
    return arrows(
        weights,
        names,
        names,
        look,
        *size,
        query=query,
        key=key,
        top=top,
        difference=difference,
        faint=FAINT if words else (),
    )


def lines(drawn: ArrowMap) -> list[str]:
    return drawn.canvas.text().split("\n")


def test_golden_of_all_tokens() -> None:
    assert lines(draw(attention(), words=WORDS)) == GOLDEN_ALL


def test_golden_of_a_query_in_ascii() -> None:
    drawn = draw(attention(), ASCII, words=WORDS, query=5)
    assert lines(drawn) == GOLDEN_QUERY
    assert drawn.edges == 3 and drawn.note == "edges: 95 % of the row"


def test_golden_of_a_key_in_a_difference() -> None:
    change = attention() - 0.5 * np.eye(8, dtype=np.float32)
    drawn = draw(change, size=(60, 10), words=WORDS, key=3, difference=True)
    assert lines(drawn) == GOLDEN_KEY
    assert drawn.note == "edges: 95 % into the key, − dashed"


@pytest.mark.parametrize("look", [LOOK, ASCII])
def test_a_line_goes_from_the_query_at_the_left_to_the_key_at_the_right(look: Look) -> None:
    weights = np.zeros((4, 4), dtype=np.float32)
    weights[2, 0] = 1
    drawn = draw(weights, look, (30, 6))
    inside = [row[7:23] for row in lines(drawn)[:4]]
    first = [min((x for x, sign in enumerate(row) if sign != " "), default=None) for row in inside]
    assert first[3] is None and None not in first[:3]
    from_left = [row for row in (2, 1, 0) if first[row] is not None]
    assert from_left == sorted(from_left, key=lambda row: first[row] or 0)
    assert inside[2][0] != " " and inside[2][-1] == " "
    assert inside[0][-1] != " " and inside[0][0] == " "
    assert drawn.edges == 1


@pytest.mark.parametrize("look", [LOOK, ASCII])
@pytest.mark.parametrize(("query", "key"), [(0, 29), (29, 0), (3, 3), (10, 12), (20, 2)])
def test_lines_have_no_holes(look: Look, query: int, key: int) -> None:
    weights = np.zeros((30, 30), dtype=np.float32)
    weights[query, key] = 1
    canvas = draw(weights, look, (24, 31)).canvas
    cells = {
        (x, y)
        for y in range(30)
        for x in range(canvas.width)
        if not canvas.char(x, y).isalnum() and canvas.char(x, y) != " "
    }
    assert {y for _, y in cells} == set(range(min(query, key), max(query, key) + 1))
    columns = {x for x, _ in cells}
    assert columns == set(range(min(columns), max(columns) + 1)) and len(columns) >= 8
    for x, y in cells:
        around = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} - {(x, y)}
        assert around & cells or len(cells) == 1


def test_the_strongest_line_is_on_top_and_has_its_colour() -> None:
    weights = np.full((3, 3), 0.1, dtype=np.float32)
    weights[0, 2] = 1
    canvas = arrows(
        weights, "abc", "abc", LOOK, 40, 4, query=None, key=None, share=1, scale=Scale(0, 1)
    ).canvas
    strokes = LOOK.strokes()
    middle = [canvas.ink(x, 1) for x in range(18, 22)]
    assert strokes[-1] in middle and canvas.ink(20, 2) != strokes[-1]


def test_the_chosen_token_has_the_cursor_and_its_keys_their_weights() -> None:
    canvas = draw(attention(), words=WORDS, query=5).canvas
    rows = canvas.text().split("\n")
    assert rows[5].startswith("    ▸he ") and canvas.ink(4, 5) == canvas.ink(6, 5) == LOOK.accent
    assert " .60 " in rows[3] and " .25 " in rows[1] and " .13 " in rows[7]
    assert ".02" not in canvas.text()
    george = rows[3].rindex("George")
    assert canvas.ink(george, 3).bold
    assert not canvas.ink(rows[1].rindex("Fred"), 1).bold
    assert canvas.ink(rows[2].rindex("saw"), 2) == LOOK.muted


def test_query_and_key_chosen_show_their_weight_even_without_a_line() -> None:
    drawn = draw(attention(), words=WORDS, query=5, key=0)
    assert " .02 ▸[CLS]" in lines(drawn)[0] and drawn.edges == 3
    undefined = attention()
    undefined[5, 2] = math.nan
    assert " ? ▸saw" in lines(draw(undefined, words=WORDS, query=5, key=2))[2]


def test_differences_are_chosen_by_size_and_carry_signs() -> None:
    change = np.zeros((3, 3), dtype=np.float32)
    change[1] = [-0.6, 0.35, 0.02]
    drawn = draw(change, size=(40, 4), query=1, difference=True)
    assert "−.60" in lines(drawn)[0] and "+.35" in lines(drawn)[1]
    assert "t2" in lines(drawn)[2] and ".02" not in lines(drawn)[2] and drawn.edges == 2
    strokes = LOOK.strokes(True)
    colours = {ink.fg for row in drawn.canvas.rows()[:3] for _, ink in row}
    assert strokes[0].fg in colours and strokes[-1].fg not in colours


def test_negative_differences_are_dashed_so_that_colour_is_not_alone() -> None:
    change = np.zeros((2, 2), dtype=np.float32)
    change[0, 0], change[1, 1] = -0.5, 0.5
    up, down = lines(draw(change, Look("none"), (40, 3), difference=True))[:2]
    assert " " in up.split("t0")[1].strip() and " " not in down.split("t1")[1].strip()


def test_negative_differences_are_dotted_in_ascii() -> None:
    change = np.zeros((2, 2), dtype=np.float32)
    change[0, 0], change[1, 1] = -0.5, 0.5
    drawn = lines(draw(change, Look("16", True), (60, 4), difference=True))
    up, down = drawn[:2]
    assert "..." in up and "--" not in up and "---" in down and ".." not in down
    assert "dotted" in drawn[3]
    low, high = drawn[3].split(" 0 ")
    assert low.count(".") > 2 and "--" not in low and "--" in high


def test_special_tokens_are_muted() -> None:
    canvas = draw(attention(), words=WORDS).canvas
    assert canvas.ink(2, 0) == LOOK.muted and canvas.ink(4, 1) == LOOK.text


def test_scrolling_says_what_is_out_of_sight_and_keeps_the_chosen_token() -> None:
    weights = np.eye(40, dtype=np.float32)
    drawn = draw(weights, size=(40, 13), top=5)
    assert drawn.top == 5 and drawn.edges == 10
    assert lines(drawn)[0].strip() == "↑ 5 above" and lines(drawn)[11].strip() == "↓ 25 below"
    assert lines(drawn)[1].split()[0] == "t5" and lines(drawn)[10].split()[0] == "t14"
    assert drawn.note == "edges: 70 % of each row in sight"
    assert draw(weights, size=(40, 13), top=5, query=30).top == 21
    assert draw(weights, size=(40, 13), top=25, key=3).top == 3
    assert draw(weights, size=(40, 13), top=99).top == 30
    assert lines(draw(weights, size=(40, 4), top=2))[3].startswith("↑ 2 above ↓ 35 below")
    cross = arrows(
        np.ones((4, 20)), "abcd", "x" * 20, LOOK, 60, 9, query=None, key=None, top=1
    ).canvas.text()
    assert "↓ 13 keys" not in cross and "↓ 0 queries, 13 keys below" in cross


def test_edges_that_leave_the_window_end_in_an_arrow_at_its_border() -> None:
    weights = np.zeros((40, 40), dtype=np.float32)
    weights[8, 30] = weights[9, 0] = 1
    drawn = draw(weights, size=(40, 13), top=5)
    assert "↓" in lines(drawn)[10] and "↑" in lines(drawn)[1]
    assert lines(drawn)[10].index("↓") < 22 > lines(drawn)[1].index("↑")
    into = draw(weights, size=(40, 13), top=28, key=30)
    assert "↑" in lines(into)[1] and "↓" not in lines(into)[10]


def test_hit_finds_labels_and_nothing_between_them() -> None:
    drawn = draw(attention(), words=WORDS)
    assert drawn.hit(4, 1) == ("query", 1) and drawn.hit(40, 3) == ("key", 3)
    assert drawn.hit(20, 3) is None and drawn.hit(4, 8) is None and drawn.hit(4, 9) is None
    assert drawn.hit(-1, 1) is None and drawn.hit(44, 1) is None and drawn.hit(4, -1) is None
    scrolled = draw(np.eye(40, dtype=np.float32), size=(40, 13), top=5)
    assert scrolled.hit(0, 1) == ("query", 5) and scrolled.hit(0, 0) is None


def test_undefined_rows_have_no_edges() -> None:
    weights = attention()
    weights[5] = math.nan
    assert draw(weights, words=WORDS).edges == 7
    assert draw(weights, words=WORDS, query=5).edges == 0
    assert draw(np.full((3, 3), math.nan, dtype=np.float32)).edges == 0


def test_labels_that_do_not_fit_the_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) do not fit 2 query and 2 key labels"):
        arrows(np.ones((2, 3)), "ab", "ab", LOOK, 20, 5, query=None, key=None)


def test_strongest_by_hand() -> None:
    weights = np.array(
        [[0.5, 0.3, 0.2], [0.25, 0.5, 0.25], [0, 0, 0], [-0.6, 0.3, math.nan], [1, 0, 0]]
    )
    assert strongest(weights, 0.7).tolist() == [
        [True, True, False],
        [True, True, False],  # of equals the first
        [False, False, False],
        [True, True, False],
        [True, False, False],
    ]
    assert strongest(weights, 0).sum() == 0
    assert strongest(weights, 2).tolist() == (np.nan_to_num(weights) != 0).tolist()


matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
    elements=st.floats(-1, 1, width=32) | st.sampled_from([0.0, 0.25, math.nan, math.inf]),
)


@given(matrices, st.floats(0, 1))
def test_strongest_reaches_the_share_with_the_fewest_largest(
    weights: NDArray[np.float32], share: float
) -> None:
    chosen = strongest(weights, share)
    mass = np.abs(np.where(np.isfinite(weights), weights, 0)).astype(np.float64)
    for row, picked in zip(mass, chosen, strict=True):
        taken, left = row[picked], row[~picked]
        tolerance = 1e-9 * row.sum()
        assert taken.sum() >= share * row.sum() - tolerance
        assert not (taken == 0).any()
        if taken.size:
            assert taken.sum() - taken.min() < share * row.sum() + tolerance
            assert taken.min() >= left.max(initial=0)
            ties = np.flatnonzero(row == taken.min())
            assert picked[ties].tolist() == sorted(picked[ties].tolist(), reverse=True)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_labels_and_any_size(data: st.DataObject) -> None:
    weights = data.draw(matrices)
    queries = [data.draw(anything) for _ in range(weights.shape[0])]
    keys = [data.draw(anything) for _ in range(weights.shape[1])]
    width, height = data.draw(st.integers(0, 70)), data.draw(st.integers(0, 16))
    plain = data.draw(st.booleans())
    drawn = arrows(
        weights,
        queries,
        keys,
        ASCII if plain else LOOK,
        width,
        height,
        query=data.draw(st.none() | st.integers(-1, 12)),
        key=data.draw(st.none() | st.integers(-1, 12)),
        top=data.draw(st.integers(-3, 15)),
        share=data.draw(st.floats(0, 1)),
        difference=data.draw(st.booleans()),
        faint=(0,),
    )
    canvas = drawn.canvas
    assert (canvas.width, canvas.height) == (width, height)
    assert [sum(cell_len(text) for text, _ in row) for row in canvas.rows()] == [width] * height
    assert canvas.text().isascii() or not plain
    for y in range(height):
        for x in range(width):
            hit = drawn.hit(x, y)
            assert hit is None or hit[1] < len(queries if hit[0] == "query" else keys)


@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize("query", [None, 5])
def test_without_colours_there_are_none(difference: bool, query: int | None) -> None:
    for look in (ASCII, Look("none")):
        canvas = draw(
            attention() - 0.3, look, words=WORDS, query=query, difference=difference
        ).canvas
        inks = [ink for row in canvas.rows() for _, ink in row]
        assert all(not ink.fg and not ink.bg for ink in inks)


def test_the_legend_has_the_range_and_the_note_gives_way_first() -> None:
    foot = lines(draw(attention(), size=(60, 10), words=WORDS))[-1]
    assert foot.startswith("0 ━") and "━ 1.0" in foot and foot.endswith("edges: 70 % of each row")
    narrow = lines(draw(attention(), size=(30, 10), words=WORDS))[-1]
    assert narrow.startswith("0 ━") and narrow.endswith("━ 1.0")


def test_the_callers_words_take_the_place_of_the_note() -> None:
    drawn = arrows(
        attention(), WORDS, WORDS, LOOK, 60, 10, query=None, key=None, note="8 of 90 tokens"
    )
    assert drawn.note == "8 of 90 tokens" and lines(drawn)[-1].endswith("  8 of 90 tokens")
