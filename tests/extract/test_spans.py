"""Spans of characters to tokens to words, over tokenizers of every kind and texts of any script."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from extract.data.encoding import Encoded, encode, encode_target, joined, span_tokens
from extract.data.words import word_ranges

from .conftest import TROPHY
from .token_kinds import KINDS, LETTERS

CLUSTERS = [
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family, joined by ZWJ
    "\U0001f1e9\U0001f1ea",  # a flag of two letters
    "\U0001f44d\U0001f3fd",  # a thumb with its colour
    "e\u0301",
    "n\u0303\u0323",
    "\u0e01\u0e33",
    "ﬁ",
    "½",
    "İ",
    "ß",
    "㍿",
    *"漢字仮名한글",
    *"שלוםمرحبا\u200f",
]
text_parts = st.lists(
    st.sampled_from(CLUSTERS)
    | st.text(LETTERS + "AÉüIJ019", min_size=1, max_size=4)
    | st.sampled_from([" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", " the cat "]),
    min_size=1,
    max_size=10,
)
texts = text_parts.map("".join)
kinds = st.sampled_from(sorted(KINDS))
relaxed = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def tokenizer_of(kind: str) -> PreTrainedTokenizerFast:
    return KINDS[kind]()


def touching(encoded: Encoded, start: int, end: int) -> set[int]:
    """Tokens with one of these characters, counted character by character."""
    return {
        i
        for i, (a, b) in enumerate(encoded.offsets.tolist())
        if not encoded.special[i] and set(range(a, b)) & set(range(start, end))
    }


def check_span(encoded: Encoded, start: int, end: int) -> None:
    """A span's tokens are those that touch it, and what has no width in between."""
    touched = touching(encoded, start, end)
    found = encoded.span(start, end)
    if found is None:
        assert not touched
        return
    inside = set(range(*found))
    assert touched <= inside and {found[0], found[1] - 1} <= touched
    for i in inside - touched:
        assert np.ptp(encoded.offsets[i]) == 0 or encoded.special[i]


def visible(word: str) -> bool:
    """Whether every tokenizer here has a token for a word, known or not."""
    return any(c.isalnum() and c.isascii() for c in word)


@relaxed
@given(kinds, texts, st.data())
def test_a_span_takes_just_the_tokens_of_its_characters(
    kind: str, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    (encoded,) = encode(tokenizer_of(kind), [text], 512)
    assert encoded.characters == len(text) and not encoded.cut
    for a, b in encoded.offsets[~encoded.special].tolist():
        assert 0 <= a <= b <= len(text)
    check_span(encoded, start, end)


@relaxed
@given(
    kinds,
    st.lists(
        st.lists(
            st.sampled_from(CLUSTERS) | st.text(LETTERS + "AÉü01", min_size=1, max_size=4),
            min_size=1,
            max_size=3,
        ).map("".join),
        min_size=1,
        max_size=6,
    ),
)
def test_words_to_characters_to_tokens(kind: str, words: list[str]) -> None:
    text, ranges = word_ranges(words, None)
    assert [text[a:b] for a, b in ranges] == words
    (encoded,) = encode(tokenizer_of(kind), [text], 512)
    before = 0
    for word, (start, end) in zip(words, ranges, strict=True):
        check_span(encoded, start, end)
        found = encoded.span(start, end)
        if found is None:
            assert not visible(word)
            continue
        # order is kept, and as words are apart, no token is in two of them
        assert found[0] >= before
        before = found[1]
        # back from the tokens to characters: the word is covered, and no other word is reached
        known = [i for i in range(*found) if not encoded.special[i]]
        low, high = encoded.offsets[known, 0].min(), encoded.offsets[known, 1].max()
        assert not text[low:start].strip() and not text[end:high].strip()
        if visible(word):
            first = next(i for i, c in enumerate(word) if c.isalnum() and c.isascii())
            assert low <= start + first < high


@relaxed
@given(kinds, texts, texts, st.data())
def test_spans_of_a_pair_of_texts(kind: str, first: str, second: str, data: st.DataObject) -> None:
    tokenizer = tokenizer_of(kind)
    (pair,) = encode(tokenizer, [first], 512, seconds=[second])
    alone, other = encode(tokenizer, [first, second], 512)
    shift = len(first) + 1
    assert pair.characters == len(f"{first}\n{second}")
    for one, moved in ((alone, 0), (other, shift)):
        start = data.draw(st.integers(0, one.characters - 1))
        end = data.draw(st.integers(start + 1, one.characters))
        check_span(pair, start + moved, end + moved)
        here, there = one.span(start, end), pair.span(start + moved, end + moved)
        assert (here is None) == (there is None)
        if here and there:
            assert np.array_equal(one.ids[slice(*here)], pair.ids[slice(*there)])
            assert np.array_equal(one.offsets[slice(*here)] + moved, pair.offsets[slice(*there)])
    check_words(pair)


def check_words(encoded: Encoded) -> None:
    """Words are numbered from 0 in the order of their tokens; special tokens are in none."""
    words = encoded.words[encoded.words >= 0]
    assert np.array_equal(encoded.words < 0, encoded.special)
    assert np.all(np.diff(words) >= 0)


@relaxed
@given(kinds, kinds, texts, texts, st.data())
def test_spans_of_source_and_target(
    kind: str, other: str, source: str, target: str, data: st.DataObject
) -> None:
    (first,) = encode(tokenizer_of(kind), [source], 512)
    (second,) = encode_target(tokenizer_of(other), [target], 512, 0)
    both = joined(first, second)
    text = f"{source}\n{target}"
    assert both.source == len(first) and len(both) == len(first) + len(second)
    assert both.characters == len(text) and both.special[len(first)] and not both.cut
    assert second.offsets[0].tolist() == [0, 0] and second.words[0] == -1 and second.ids[0] == 0
    check_words(both)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    check_span(both, start, end)
    for i in touching(both, 0, len(source)):
        assert i < len(first)
    for i in touching(both, len(source) + 1, len(text)):
        assert i > len(first)


@relaxed
@given(kinds, texts, st.none() | texts, st.integers(4, 12), st.data())
def test_what_cutting_loses_is_known(
    kind: str, text: str, second: str | None, limit: int, data: st.DataObject
) -> None:
    tokenizer = tokenizer_of(kind)
    (whole,) = encode(tokenizer, [text], 4096, seconds=[second])
    (cut,) = encode(tokenizer, [text], limit, seconds=[second])
    assert cut.cut == (len(whole) > limit) and len(cut) == min(limit, len(whole))
    assert np.array_equal(cut.full_offsets, whole.offsets) and cut.characters == whole.characters
    check_words(cut)
    start = data.draw(st.integers(0, cut.characters - 1))
    end = data.draw(st.integers(start + 1, cut.characters))
    check_span(cut, start, end)
    left, there = touching(cut, start, end), touching(whole, start, end)
    assert cut.loses(start, end) == (len(left) < len(there))


def test_word_pieces_of_a_span(tokenizer: PreTrainedTokenizerFast) -> None:
    (encoded,) = encode(tokenizer, [TROPHY], 64)
    start = TROPHY.index("suitcase")
    first, stop = encoded.span(start, start + len("suitcase")) or (0, 0)
    tokens = encoded.tokens(tokenizer)
    assert tokens.texts[first:stop] == ("suit", "##case")
    assert len(set(encoded.words[first:stop])) == 1
    assert tokens.texts[0] == "[CLS]" and tokens.texts[-1] == "[SEP]"
    assert tokens.special.tolist() == [True] + [False] * (len(tokens) - 2) + [True]
    assert tokens.words[0] == tokens.words[-1] == -1 and not encoded.cut


def test_a_character_split_over_tokens_brings_all_of_them() -> None:
    offsets = np.array([[0, 0], [0, 1], [0, 1], [2, 4], [0, 0]], dtype=np.int32)
    special = np.array([True, False, False, False, True])
    assert span_tokens(offsets, special, 0, 1) == (1, 3)
    assert span_tokens(offsets, special, 3, 4) == (3, 4)
    assert span_tokens(offsets, special, 1, 2) is None


def test_a_token_of_no_width_is_in_no_span_by_itself() -> None:
    offsets = np.array([[0, 2], [2, 2], [3, 5]], dtype=np.int32)
    special = np.zeros(3, dtype=np.bool_)
    assert span_tokens(offsets, special, 1, 3) == (0, 1)
    assert span_tokens(offsets, special, 0, 5) == (0, 3)


@pytest.mark.parametrize(
    ("kind", "text", "span", "tokens"),
    [
        ("byte_level", "the cat", (4, 7), ["Ġc", "at"]),
        ("byte_level", "a 漢", (2, 3), ["æ", "¼", "¢"]),
        ("trimmed_byte_level", "a  \U0001f600", (3, 4), ["ð", "Ł", "ĺ", "Ģ"]),
        ("byte_fallback", "the é", (4, 5), ["<0xC3>", "<0xA9>"]),
        ("composed", "aﬁb", (1, 2), ["<unk>", "i"]),
        ("word_piece", "Thé cats", (0, 3), ["the"]),
    ],
)
def test_tokens_by_hand(kind: str, text: str, span: tuple[int, int], tokens: list[str]) -> None:
    tokenizer = tokenizer_of(kind)
    (encoded,) = encode(tokenizer, [text], 64)
    found = encoded.span(*span)
    assert found is not None
    assert list(encoded.tokens(tokenizer).texts[slice(*found)]) == tokens


def test_cutting_says_which_spans_it_loses(tokenizer: PreTrainedTokenizerFast) -> None:
    whole, cut = (encode(tokenizer, [TROPHY], limit)[0] for limit in (64, 12))
    assert cut.cut and len(cut) == 12 and cut.special[-1]
    assert not whole.loses(0, len(TROPHY))
    assert not cut.loses(0, 10)
    pronoun = TROPHY.index(" it ") + 1
    assert cut.loses(pronoun, pronoun + 2)
    assert cut.loses(0, len(TROPHY))  # part of it is there, part is not
    assert np.array_equal(cut.ids[:-1], whole.ids[:11])
