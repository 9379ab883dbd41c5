"""Tokens without offsets find their place in a text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.importers.align import align, conventions, joined, placed, unpadded


def pieces(text: str, tokens: list[str]) -> list[str] | None:
    """The stretch of the text that each token was given."""
    info = conventions([tokens])
    special = np.array([token in info.special for token in tokens])
    offsets = align(text, tokens, special, info)
    return None if offsets is None else [text[a:b] for a, b in offsets.tolist()]


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        (
            "The Trophy doesn't fit.",
            ["[CLS]", "the", "tro", "##phy", "doesn", "'", "t", "fit", ".", "[SEP]"],
            ["", "The", "Tro", "phy", "doesn", "'", "t", "fit", ".", ""],
        ),
        ("Café naïve", ["cafe", "nai", "##ve"], ["Café", "naï", "ve"]),
        ("Cafe\u0301!", ["cafe", "!"], ["Cafe\u0301", "!"]),
        (" hello\tworld", ["Ġhello", "ĉ", "world"], ["hello", "", "world"]),
        ("Hello world", ["Hello", "Ġworld"], ["Hello", "world"]),
        ("a 🙂 b", ["a", "ĠðŁ", "ĻĤ", "Ġb"], ["a", "🙂", "🙂", "b"]),
        ("Ein Bär.", ["▁Ein", "▁Bär", "."], ["Ein", "Bär", "."]),
        ("日本 go", ["日", "本", "go"], ["日", "本", "go"]),
        ("he 🙂🙂 ran", ["he", "[UNK]", "ran"], ["he", "🙂🙂", "ran"]),
        ("x 🙂, y", ["x", "[UNK]", ",", "y"], ["x", "🙂", ",", "y"]),
        ("a ∂ ∑ b", ["a", "[UNK]", "[UNK]", "b"], ["a", "∂", "∑", "b"]),
        ("cut off after two", ["cut", "off"], ["cut", "off"]),
        ("<s>", ["<s>", "</s>"], ["", ""]),
    ],
)
def test_tokens_are_found_where_they_are_written(
    text: str, tokens: list[str], expected: list[str]
) -> None:
    assert pieces(text, tokens) == expected


@pytest.mark.parametrize(
    ("text", "tokens"), [("one two", ["one", "three"]), ("short", ["short", "er"]), ("", ["a"])]
)
def test_tokens_of_another_text_are_not_found(text: str, tokens: list[str]) -> None:
    assert pieces(text, tokens) is None


def test_a_text_of_pieces_has_whole_words() -> None:
    tokens = ["[CLS]", "un", "##like", "##ly", ",", "no", "[SEP]"]
    text, found, inside = placed(tokens, "something else", conventions([tokens]))
    assert not inside
    assert text == "unlikely , no"
    assert [text[a:b] for a, b in found.offsets.tolist()] == ["", "un", "like", "ly", ",", "no", ""]
    assert found.words.tolist() == [-1, 0, 0, 0, 1, 2, -1]
    assert found.special.tolist() == [True, *[False] * 5, True]


@pytest.mark.parametrize(
    ("tokens", "text", "words"),
    [
        (["Hel", "lo", "Ġwor", "ld"], "Hello world", [0, 0, 1, 1]),
        (["▁Hel", "lo", "▁world"], "Hello world", [0, 0, 1]),
        (["plain", "words"], "plain words", [0, 1]),
    ],
)
def test_words_follow_the_tokenizers_marks(tokens: list[str], text: str, words: list[int]) -> None:
    made, found, _ = placed(tokens, None, conventions([tokens]))
    assert made == text
    assert found.words.tolist() == words


def test_conventions_are_read_from_the_tokens() -> None:
    bert = conventions([["[CLS]", "a", "##b", "[SEP]"], ["[PAD]"]])
    assert bert.special == ("[CLS]", "[PAD]", "[SEP]")
    assert (bert.separator, bert.continuation, bert.word_start) == ("[SEP]", "##", "")
    gpt = conventions([["a", "Ġb"]], special={"<x>"})
    assert (gpt.special, gpt.separator, gpt.word_start) == (("<x>",), "", "Ġ")
    assert conventions([["##"]]).continuation == ""  # a markdown heading is no continuation


def test_padding_is_counted_at_the_end_only() -> None:
    assert unpadded(["[PAD]", "a", "[PAD]", "[PAD]"]) == 2
    assert unpadded(["<pad>"]) == 0


WORDS = st.lists(st.text("abcäßçéÎ日🙂'.", min_size=1, max_size=6), min_size=1, max_size=6)


@given(WORDS, st.data())
def test_what_is_cut_from_a_text_is_found_in_it(words: list[str], data: st.DataObject) -> None:
    tokens: list[str] = []
    expected: list[tuple[int, int]] = []
    at = 0
    for word in words:
        cut = data.draw(st.integers(0, len(word) - 1))
        parts = [word[:cut], word[cut:]] if cut else [word]
        for number, part in enumerate(parts):
            tokens.append(("##" if number else "") + part)
            expected.append((at, at + len(part)))
            at += len(part)
        at += 1
    info = conventions([tokens])
    if not info.continuation:
        tokens = [token.removeprefix("##") for token in tokens]
    offsets = align(" ".join(words), tokens, np.zeros(len(tokens), dtype=bool), info)
    assert offsets is not None
    assert [tuple(one) for one in offsets.tolist()] == expected
    if info.continuation or len(tokens) == len(words):
        assert joined(tokens, np.zeros(len(tokens), dtype=bool), info)[0] == " ".join(words)
