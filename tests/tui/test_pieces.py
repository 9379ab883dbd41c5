"""How pieces of words are shown: without the marks of tokenizers, the same in every pane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral import TokenInfo, Tokens
from tui import pieces, text

WORDPIECE = TokenInfo(special=("[CLS]",), continuation="##")
SENTENCE = TokenInfo(special=("<s>",), word_start="▁")
BYTES = TokenInfo(special=("<s>", "<|end|>"), word_start="Ġ")


@pytest.mark.parametrize(
    ("conventions", "token", "shown"),
    [
        (WORDPIECE, "play", "play"),
        (WORDPIECE, "##ing", "·ing"),
        (WORDPIECE, "Ġ", "Ġ"),
        (WORDPIECE, "[CLS]", "[CLS]"),
        (SENTENCE, "▁the", "the"),
        (SENTENCE, "ing", "·ing"),
        (SENTENCE, ",", ","),
        (SENTENCE, "▁", "␣"),
        (SENTENCE, "▁▁x", "␣x"),
        (SENTENCE, "<0x0A>", "⏎"),
        (SENTENCE, "<0xE6>", "<0xE6>"),
        (SENTENCE, "<s>", "<s>"),
        (BYTES, "Ġthe", "the"),
        (BYTES, "ing", "·ing"),
        (BYTES, "Ġ", "␣"),
        (BYTES, "ĠĠ", "␣"),
        (BYTES, "Ċ", "⏎"),
        (BYTES, "æĹ¥", "·日"),
        (BYTES, "ĠæĹ", "<0xE6><0x97>"),
        (BYTES, "<|end|>", "<|end|>"),
        (TokenInfo(), "##ing", "##ing"),
    ],
)
def test_a_piece_without_its_place(conventions: TokenInfo, token: str, shown: str) -> None:
    assert pieces.one(token, conventions) == shown


@pytest.mark.extract
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_bytes_are_read_back(words: str) -> None:
    """Another library writes text as byte-level pieces; what is shown is the text again."""
    from tokenizers.pre_tokenizers import ByteLevel

    written = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(words)
    token = "".join(piece for piece, _ in written)
    if token in BYTES.special or token == "<0x0A>":
        return
    expected = words.replace("\n", "⏎")
    expected = expected[1:] if expected.startswith(" ") else expected
    assert pieces.one(token, BYTES, inside=False) == (expected.replace(" ", "␣") or "␣")


def test_words_decide_what_goes_on() -> None:
    texts = ("<s>", "t", "he", "Ġ", "cat", ",", "le")
    words = np.array([-1, 0, 0, 1, 1, 2, 2], dtype=np.int32)
    special = np.array([True, *[False] * 6])
    tokens = Tokens(texts, np.zeros((7, 2), dtype=np.int32), special, words)
    shown = pieces.readable(tokens, BYTES, target=6)
    assert shown == ("<s>", "t", "·he", "␣", "·cat", ",", "le")
    assert pieces.joined(shown) == "<s> t·he ␣·cat , le"


def test_choices_keep_their_numbers() -> None:
    assert pieces.choices("Ġa .41  ĠJohn .04  s .03", BYTES) == "a .41  John .04  ·s .03"
    assert pieces.choices("Ċ .5  , .02", BYTES) == "⏎ .5  , .02"
    assert pieces.choices("Ġ. .5  . .02  Ġ! .01", BYTES) == "␣. .5  . .02  ! .01"


def test_signs_in_ascii() -> None:
    assert [text.clean(sign, ascii_only=True) for sign in "·␣⏎"] == [".", "_", "\\n"]
