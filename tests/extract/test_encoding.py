"""Spans of characters to tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from extract.encoding import encode, span_tokens

from .conftest import TROPHY, make_tokenizer

TOKENIZER = make_tokenizer()
LETTERS = "abcz'. ,\t\nÄéßI\u0301\u200d\U0001f600\u6f22\u05d0\u0e01"


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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(LETTERS, min_size=1, max_size=30), st.data())
def test_a_span_takes_just_the_tokens_of_its_characters(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    (encoded,) = encode(TOKENIZER, [text], 512)
    touching = {
        i
        for i, (a, b) in enumerate(encoded.offsets.tolist())
        if not encoded.special[i] and set(range(a, b)) & set(range(start, end))
    }
    found = encoded.span(start, end)
    if found is None:
        assert not touching
        return
    inside = set(range(*found))
    assert touching <= inside
    assert all(np.ptp(encoded.offsets[i]) == 0 for i in inside - touching)
    for i in touching:  # every token's characters are the text's own
        a, b = encoded.offsets[i]
        assert 0 <= a < b <= len(text)


def test_a_character_split_over_tokens_brings_all_of_them() -> None:
    offsets = np.array([[0, 0], [0, 1], [0, 1], [2, 4], [0, 0]], dtype=np.int32)
    special = np.array([True, False, False, False, True])
    assert span_tokens(offsets, special, 0, 1) == (1, 3)
    assert span_tokens(offsets, special, 3, 4) == (3, 4)
    assert span_tokens(offsets, special, 1, 2) is None


def test_cutting_says_which_spans_it_loses(tokenizer: PreTrainedTokenizerFast) -> None:
    whole, cut = (encode(tokenizer, [TROPHY], limit)[0] for limit in (64, 12))
    assert cut.cut and len(cut) == 12 and cut.special[-1]
    assert not whole.loses(0, len(TROPHY))
    assert not cut.loses(0, 10)
    pronoun = TROPHY.index(" it ") + 1
    assert cut.loses(pronoun, pronoun + 2)
    assert cut.loses(0, len(TROPHY))  # part of it is there, part is not
    assert np.array_equal(cut.ids[:-1], whole.ids[:11])
