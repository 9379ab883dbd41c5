"""Texts, pairs of texts, sources and targets as tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import NllbTokenizer, PreTrainedTokenizerFast

from extract.data.encoding import Encoded, encode, encode_target, joined
from extract.errors import ExtractError

from .token_kinds import KINDS, byte_level, unigram, word_piece


def texts_of(encoded: Encoded, tokenizer: Any) -> list[str]:
    return list(encoded.tokens(tokenizer).texts)


def test_a_pair_is_one_example_with_both_texts() -> None:
    tokenizer = word_piece()
    first, second = "the cat", "on the side"
    (pair,) = encode(tokenizer, [first], 64, seconds=[second], types=True)
    text = f"{first}\n{second}"
    assert texts_of(pair, tokenizer) == [
        *("[CLS]", "the", "cat", "[SEP]"),
        *("o", "##n", "the", "side", "[SEP]"),
    ]
    assert [text[a:b] for a, b in pair.offsets] == ["", "the", "cat", "", *"on", "the", "side", ""]
    assert pair.words.tolist() == [-1, 0, 1, -1, 2, 2, 3, 4, -1]
    assert pair.types is not None and pair.types.dtype == np.int32
    assert pair.types.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert pair.span(8, 10) == (4, 6) and pair.characters == len(text) and pair.source is None


def test_texts_with_and_without_a_second_keep_their_places() -> None:
    tokenizer = word_piece()
    firsts, seconds = ["the", "cat", "side", "don"], ["a", None, "b", None]
    rows = encode(tokenizer, firsts, 64, seconds=seconds)
    singly = [
        encode(tokenizer, [first], 64, seconds=[second])[0]
        for first, second in zip(firsts, seconds, strict=True)
    ]
    assert [row.ids.tolist() for row in rows] == [one.ids.tolist() for one in singly]
    assert [len(row) for row in rows] == [5, 3, 5, 3]
    assert rows[1].ids.tolist() == encode(tokenizer, ["cat"], 64)[0].ids.tolist()


def test_token_types_only_where_they_are_made_and_wanted() -> None:
    (plain,) = encode(word_piece(), ["the cat"], 64)
    (typed,) = encode(word_piece(), ["the cat"], 64, types=True)
    assert plain.types is None and typed.types is not None and typed.types.tolist() == [0] * 4
    assert encode(byte_level(), ["the cat"], 64, types=True)[0].types is None


def test_the_longer_part_of_a_pair_is_cut_first() -> None:
    tokenizer = word_piece()
    first, second = "the cat " * 6, "the side"
    (pair,) = encode(tokenizer, [first], 9, seconds=[second], types=True)
    assert len(pair) == 9 and pair.cut and pair.types is not None and len(pair.types) == 9
    assert texts_of(pair, tokenizer)[-3:] == ["the", "side", "[SEP]"]
    shift = len(first) + 1
    assert not pair.loses(shift, shift + len(second))  # though its tokens stand elsewhere now
    assert pair.span(shift, shift + 3) == (6, 7)
    assert pair.loses(0, len(first)) and not pair.loses(0, 15)
    assert pair.words.tolist() == [-1, 0, 1, 2, 3, -1, 4, 5, -1]


def test_a_decoders_inputs_are_its_start_and_the_target() -> None:
    tokenizer = unigram()
    (target,) = encode_target(tokenizer, ["the cat"], 64, 0)
    plain = tokenizer("the cat")["input_ids"]
    assert target.ids.tolist() == [0, *plain] and plain[-1] == 1
    assert target.special.tolist() == [True, *[False] * (len(plain) - 1), True]
    assert target.offsets[0].tolist() == [0, 0] and not target.cut
    (cut,) = encode_target(tokenizer, ["the cat " * 20], 8, 0)
    assert len(cut) == 8 and cut.cut and cut.ids[0] == 0 and cut.ids[-1] == 1
    assert cut.loses(0, 100) and not cut.loses(0, 3)


def test_source_and_target_are_joined() -> None:
    tokenizer = unigram()
    (source,) = encode(tokenizer, ["the cat"], 64)
    (target,) = encode_target(tokenizer, ["the box"], 64, 0)
    both = joined(source, target)
    text = "the cat\nthe box"
    assert both.source == len(source) and both.ids.tolist() == [*source.ids, *target.ids]
    pieces = [text[a:b].strip() for a, b in both.offsets[~both.special]]
    assert "".join(pieces[: len(source) - 1]) == "thecat"
    assert "".join(pieces[len(source) - 1 :]) == "thebox"
    assert {word for word in both.words.tolist() if word >= 0} == {0, 1, 2, 3}
    assert both.full_offsets is both.offsets and both.types is None


@pytest.mark.parametrize(("source_limit", "target_limit"), [(4, 64), (64, 4), (4, 4)])
def test_what_is_lost_of_source_and_target(source_limit: int, target_limit: int) -> None:
    tokenizer = unigram()
    first, second = "the cat sat on the mat", "the hat is in the box"
    (source,) = encode(tokenizer, [first], source_limit)
    (target,) = encode_target(tokenizer, [second], target_limit, 0)
    both = joined(source, target)
    shift = len(first) + 1
    assert both.cut
    assert both.loses(0, len(first)) == (source_limit == 4)
    assert both.loses(shift, shift + len(second)) == (target_limit == 4)
    assert not both.loses(0, 1)


def test_targets_are_tokenised_by_their_own_rules() -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "▁a", "▁b", "ab"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges: Any = [("▁", "a"), ("▁", "b"), ("a", "b")]
    tokenizer = NllbTokenizer(vocabulary, merges, src_lang="eng_Latn", tgt_lang="deu_Latn")
    (source,) = encode(tokenizer, ["a b"], 64)
    (target,) = encode_target(tokenizer, ["b a"], 64, 2)
    assert texts_of(source, tokenizer) == ["eng_Latn", "▁a", "▁b", "</s>"]
    assert texts_of(target, tokenizer) == ["</s>", "deu_Latn", "▁b", "▁a", "</s>"]
    # and the tokenizer is left as it was
    assert texts_of(encode(tokenizer, ["a b"], 64)[0], tokenizer)[0] == "eng_Latn"
    both = joined(source, target)
    assert both.special.tolist() == [True, False, False, True, True, True, False, False, True]
    assert both.span(4, 5) == (6, 7) and both.words.tolist() == [-1, 0, 1, -1, -1, -1, 2, 3, -1]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_many_texts_are_each_by_itself(kind: str) -> None:
    tokenizer: PreTrainedTokenizerFast = KINDS[kind]()
    texts = ["the cat", "\u05e9\u05dc \U0001f1e9\U0001f1ea e\u0301", "don't\n\n\tthe " * 9, "a"]
    rows = encode(tokenizer, texts, 12)
    for text, row in zip(texts, rows, strict=True):
        (one,) = encode(tokenizer, [text], 12)
        for name in ("ids", "offsets", "special", "words", "full_offsets", "full_special"):
            assert np.array_equal(getattr(row, name), getattr(one, name)), (kind, name)
        assert (row.characters, row.cut) == (len(text), one.cut)
    assert rows[2].cut and encode(tokenizer, [], 12) == []


def test_special_tokens_alone_are_too_many() -> None:
    assert len(encode(word_piece(), ["the cat"], 3)[0]) == 3
    with pytest.raises(ExtractError, match=r"^2 tokens do not hold .* with --max-length\.$"):
        encode(word_piece(), ["the cat"], 2, seconds=["the side"])
