"""Whatever text holds, a terminal shows it and does not obey it, and its width is known."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import text as texts

# hypothesis draws nasty characters rarely by itself, so half of the time they are drawn from here
NASTY = list(
    "\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\u00ad\u0301\u0338\u034f\u115f\u1161\u180e\u200b\u200d\u200e"
    "\u202e\u2028\u2066\u20dd\u3000\u3164\ufe0f\ufe0e\ufeff\uffa0\ud800\udfff\ue000\U000e0041\U0010ffff"
    "é한日ｶ👩👧🏽❤🇩🇪ก็กําक्षिשלוםمرحبا"
)
anything = st.text(st.one_of(st.characters(), st.sampled_from(NASTY)), max_size=40)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("a\tb\nc\r", "a␉b␤c␍"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202edef", "abc\\u202edef"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u0301alone", "\\u0301alone"),
        (" \u0301", " \\u0301"),
        ("e\u0301", "é"),
        ("q\u0301\u0302\u0303", "q\u0301\u0302\\u0303"),
        ("\ud83d", "\\ud83d"),
        ("❤\ufe0f", "❤"),
        ("👩\u200d👧", "👩\\u200d👧"),
        ("👍🏽", "👍\\U0001f3fd"),
        ("🇩🇪", "DE"),
        ("a\u00a0b", "a b"),
        ("日本", "日本"),
    ],
)
def test_clean_shows_what_is_there(raw: str, shown: str) -> None:
    assert texts.clean(raw) == shown


@given(anything)
def test_clean_text_cannot_move_the_cursor(raw: str) -> None:
    shown = texts.clean(raw)
    for char in shown:
        assert unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert texts.clean(shown) == shown


@given(anything)
def test_width_is_what_rich_measures_and_what_the_clusters_add_up_to(raw: str) -> None:
    shown = texts.clean(raw)
    clusters = texts.clusters(shown)
    assert texts.width(raw) == cell_len(shown) == sum(cells for _, cells in clusters)
    assert "".join(cluster for cluster, _ in clusters) == shown
    assert all(cells in (1, 2) and len(cluster) <= 3 for cluster, cells in clusters)


@given(anything)
def test_ascii_text_is_ascii(raw: str) -> None:
    shown = texts.clean(raw, ascii_only=True)
    assert shown.isascii()
    assert shown.isprintable()


def test_ascii_folds_our_signs_and_keeps_letters_apart() -> None:
    shown = texts.clean("−.35 … ★he \u203a don’t ✓✗ é è \t\x1b", ascii_only=True)
    assert shown == "-.35 . *he > don't yn \\xe9 \\xe8 \\t\\x1b"


def test_signs_that_differ_differ_in_ascii() -> None:
    signs = ["→", "±", "≈", "≥", "≤", "≠", "✓", "✗", "×", "—", "−", "›"]
    folded = [texts.clean(sign, ascii_only=True) for sign in signs]
    assert len(set(folded)) == len(signs)
    assert folded[:2] == ["->", "+/-"]


@given(anything, st.integers(-2, 30), st.sampled_from(["left", "right"]))
def test_fit_is_exact(raw: str, cells: int, align: str) -> None:
    fitted = texts.fit(raw, cells, "left" if align == "left" else "right")
    assert texts.width(fitted) == max(cells, 0)


@given(anything, st.integers(0, 30))
def test_cut_never_exceeds_its_room_and_marks_a_loss(raw: str, cells: int) -> None:
    kept = texts.cut(raw, cells)
    assert texts.width(kept) <= cells
    if texts.width(raw) > cells > 0:
        assert kept.endswith("…")
    elif cells >= texts.width(raw):
        assert kept == texts.clean(raw)


def test_fit_examples() -> None:
    assert texts.fit("token", 8) == "token   "
    assert texts.fit("token", 8, "right") == "   token"
    assert texts.fit("token", 4) == "tok…"
    assert texts.fit("日本語", 4) == "日… "
    assert texts.fit("token", 4, ellipsis=".") == "tok."
    assert texts.fit("token", 0) == ""
