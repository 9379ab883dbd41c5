"""Words in their text: every word has its characters, in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.data.fields import BadRecord, Fields
from extract.data.records import Record, open_records
from extract.data.words import align, sentence, split_surface, word_ranges

WIDE = (
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd "
    "e\u0301 n\u0303 \u0e01\u0e33 \u6f22\u5b57 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d"
)
SIGNS = "aBzß\u0130'.-_\u0301\u200d\u200f\ufe0f" + WIDE.replace(" ", "")
SPACES = " \t\n\u00a0\u3000"

visible = st.text(SIGNS, min_size=1, max_size=5)
words = st.lists(visible | st.lists(visible, min_size=2, max_size=2).map(" ".join), min_size=1)


@given(words)
def test_without_a_text_words_are_joined(found: list[str]) -> None:
    text, ranges = word_ranges(found, None)
    assert text == " ".join(found) and [text[a:b] for a, b in ranges] == found


@settings(max_examples=300)
@given(words, st.data())
def test_words_are_found_where_they_were_written(found: list[str], data: st.DataObject) -> None:
    gaps = st.text(SPACES, max_size=3)
    text, written = "", []
    for word in found:
        text += data.draw(gaps)
        # white space within a word may be written otherwise
        inner = data.draw(st.text(SPACES, min_size=1, max_size=2)).join(word.split())
        written.append((len(text), len(text) + len(inner)))
        text += inner
    text += data.draw(gaps)
    assert word_ranges(found, text) == (text, written)


@settings(max_examples=300)
@given(words, st.text(SIGNS + SPACES, max_size=40))
def test_any_text_gives_ranges_in_order_or_the_words_themselves(
    found: list[str], other: str
) -> None:
    text, ranges = word_ranges(found, other)
    assert text in (other, " ".join(found)) and len(ranges) == len(found)
    for (start, end), following in zip(ranges, [*ranges[1:], (len(text), len(text))], strict=True):
        assert 0 <= start < end <= len(text) and text[start:end].strip()
        assert end <= following[0] or (start, end) == following


@settings(max_examples=100)
@given(st.lists(st.text("abcdef", min_size=2, max_size=6), min_size=9, max_size=20), st.data())
def test_a_word_that_is_written_otherwise_is_what_is_left(
    found: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(found) - 1))
    text, ranges = word_ranges(found, None)
    other = [*found[:place], "XYZ", *found[place + 1 :]]
    assert align(other, text) == ranges


@pytest.mark.parametrize(
    ("given_words", "text", "pieces"),
    [
        ("Do n't go", "Don't go", "Do n't go"),
        ("ca n't", "CAN'T", "CA N'T"),
        ("I will n't go", "I won't go", "I wo n't go"),
        ("va à le lac", "va au lac", "va au au lac"),
        (
            "Je vais à le lexique à les mots",
            "Je vais au lexique aux mots",
            "Je vais au au lexique aux aux mots",
        ),
        ("`` Hi '' , -LRB- U.S. -RRB-", '"Hi", (U.S.)', '" Hi " , ( U.S. )'),
        ("Hello world", "Hello, big world!", "Hello world"),
        ("the cat", "a mat, the cat, the cat", "the cat"),
        ("我 喜欢 书", "我喜欢书", "我 喜欢 书"),
        ("dá me lo", "dámelo", "dá me lo"),
    ],
)
def test_words_of_treebanks(given_words: str, text: str, pieces: str) -> None:
    found, ranges = word_ranges(given_words.split(), text)
    assert found == text and [text[a:b] for a, b in ranges] == pieces.split()


@pytest.mark.parametrize(
    ("given_words", "text"), [("a b c", "x y z"), ("à le", "au"), ("a", ""), ("a", "b")]
)
def test_words_of_another_text_are_not_sought_in_it(given_words: str, text: str) -> None:
    assert align(given_words.split(), text) is None
    assert word_ranges(given_words.split(), text)[0] == given_words


def test_words_far_apart_are_found_whole() -> None:
    text = "Many words stand here that nobody has tagged, and a cat among the categories"
    ranges = align(["here", "cat", "categories"], text)
    assert ranges == [(17, 21), (52, 55), (66, 76)]


def test_a_surface_is_split_if_its_words_make_it_up() -> None:
    assert split_surface((2, 7), "I Don't", ["do", "n't"]) == [(2, 4), (4, 7)]
    assert split_surface((0, 2), "au", ["à", "le"]) == [(0, 2), (0, 2)]


def test_ranges_of_the_record_are_taken() -> None:
    fields = {"words": ["x", "y"], "text": "au fait", "ranges": [[0, 2], [0, 2]]}
    found = sentence(Fields(Record(1, fields)))
    assert (found.text, found.ranges) == ("au fait", ((0, 2), (0, 2)))
    without = sentence(Fields(Record(1, {"words": ["x", "y"], "ranges": [[0, 2], [0, 2]]})))
    assert (without.text, without.ranges) == ("x y", ((0, 1), (2, 3)))
    with pytest.raises(BadRecord, match='range 2 of "ranges"'):
        sentence(Fields(Record(1, fields | {"ranges": [[0, 2], [0, 9]]})))


def test_nothing_of_the_gold_parses_is_lost() -> None:
    path = Path(__file__).parents[3] / "shared/data/ud-ewt-dev.jsonl"
    if not path.exists():
        pytest.skip("the shared data are not here")
    for record in open_records(path).records():
        found = sentence(Fields(record))
        assert found.text == record.fields["text"]
        assert [found.text[a:b] for a, b in found.ranges] == record.fields["words"]
