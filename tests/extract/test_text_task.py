"""The text task: points by option, words and their fields; what tasks with words share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from extract.data.encoding import encode
from extract.errors import BadLine, ExtractError
from extract.tasks.base import NOWHERE, Range, TaskOptions
from extract.tasks.points import quotas, sampled
from extract.tasks.text import Texts
from extract.tasks.words import word_of_token, word_tokens, written_word

from .conftest import make_tokenizer
from .task_runs import begin
from .tiny import tiny_tokenizer

Write = Callable[..., Path]

PARSED: dict[str, Any] = {
    "id": "p",
    "text": "He didn't fit it.",
    "words": ["He", "did", "n't", "fit", "it", "."],
    "heads": [3, 3, 3, -1, 3, 3],
    "deprels": ["nsubj", "aux", "advmod", "root", "obj", "punct"],
    "upos": ["PRON", "AUX", "PART", "VERB", "PRON", "PUNCT"],
    "genre": "x",
}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("", "he h ##o ##p ."),
        ("all", "he h ##o ##p ."),
        ("first", "[CLS]"),
        ("last", "[SEP]"),
        ("mean", "he h ##o ##p ."),
        (r"regex:h\w+(?=\.)", "h ##o ##p"),
        ("regex:óp.?", "##o ##p ."),
    ],
)
def test_points_of_texts(points: str, expected: str, write_lines: Write) -> None:
    tokenizer = make_tokenizer()
    path = write_lines({"text": "He hóp."})
    begun = begin(Texts(TaskOptions(points=points)), path, tokenizer)
    one = begun.placed[0]
    texts = one.encoded.tokens(tokenizer).texts
    found = [" ".join(texts[start:stop]) for start, stop in one.points]
    assert found == (expected.split() if points in ("", "all") else [expected])


def test_words_bring_their_parse_and_fields(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = begin(Texts(), write_lines(PARSED), tokenizer)
    one, rows = begun.chosen(0)
    texts = one.encoded.tokens(tokenizer).texts
    assert one.text == PARSED["text"]
    spelt = [" ".join(texts[start:stop]) for start, stop in one.items]
    assert spelt == ["he", "d ##i ##d", "##n ' t", "f ##i ##t", "it", "."]
    assert one.words is not None and one.words.heads == (3, 3, 3, -1, 3, 3)
    assert one.words.tokens == one.items
    assert [row["head"] for row in rows.items] == ["fit", "fit", "fit", "", "fit", "fit"]
    assert [row["upos"] for row in rows.items] == PARSED["upos"]
    assert [row["number"] for row in rows.items] == [1, 2, 3, 4, 5, 6]
    assert rows.example == {"genre": "x"}
    of = dict(zip(["".join(texts[a:b]) for a, b in one.points], rows.points, strict=True))
    assert (of["f"]["word"], of["f"]["deprels"]) == ("fit", "root")
    assert (of["'"]["word"], of["'"]["upos"]) == ("n't", "PART")
    assert begun.tables.points["upos"].kind == "text"  # most of so few words differ


def test_points_are_words_of_a_kind(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    options = TaskOptions(points="words:upos=PRON,VERB")
    begun = begin(Texts(options), write_lines(PARSED), tokenizer)
    one, rows = begun.chosen(0)
    assert [row["word"] for row in rows.points] == ["He", "fit", "it"]
    assert list(one.points) == [one.items[0], one.items[3], one.items[4]]


def test_records_with_and_without_words(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(PARSED, {"text": "they fit", "genre": "y"}, {"words": ["it"]})
    begun = begin(Texts(), path, tokenizer)
    rows = [begun.rows(i) for i in range(3)]
    assert [len(row.items) for row in rows] == [6, 0, 1]
    assert rows[1].points[0] == {"word": "they", "deprels": "", "upos": ""}
    assert rows[2].items[0]["head"] == "" and rows[2].example == {"genre": ""}


def test_many_texts_are_sampled(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    text = " ".join(["it"] * 40)
    path = write_lines(*({"text": text} for _ in range(200)))
    begun = begin(Texts(), path, tokenizer, limit=64)
    found = sum(len(one.points) for one in begun.placed)
    assert found == 5000 and "sample of about 5,000 tokens" in begun.notes()
    few = begin(Texts(TaskOptions(points="sample:70", limit=10)), path, tokenizer)
    assert sum(len(one.points) for one in few.placed[:10]) == 70
    everything = begin(Texts(TaskOptions(points="all")), path, tokenizer)
    assert sum(len(one.points) for one in everything.placed) == 8000


def test_texts_that_cannot_be(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(BadLine, match='has no field "text"'):
        begin(Texts(), write_lines({"id": 1}), tokenizer)
    with pytest.raises(BadLine, match='line 2: the id "1" was used in line 1'):
        begin(Texts(), write_lines({"id": 1, "text": "a"}, {"id": 1, "text": "b"}), tokenizer)
    with pytest.raises(BadLine, match="has a head outside"):
        begin(Texts(), write_lines(PARSED | {"heads": [9, 3, 3, -1, 3, 3]}), tokenizer)
    assert begin(Texts(), write_lines({"text": "\u200d"}), tokenizer).lost == [1]
    with pytest.raises(ExtractError, match="upos"):
        options = TaskOptions(points="words:xpos=NN")
        begin(Texts(options), write_lines(PARSED), tokenizer)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(0, 200))
def test_quotas_are_in_proportion_and_add_up(sizes: list[int], count: int) -> None:
    found = quotas(sizes, count)
    total = sum(sizes)
    assert sum(found) == (count if total else 0)
    for size, quota in zip(sizes, found, strict=True):
        assert total == 0 or abs(quota - count * size / total) < 1


@given(st.integers(0, 30), st.integers(0, 40), st.integers(0, 3))
def test_samples_keep_order(count: int, quota: int, seed: int) -> None:
    candidates: list[Range] = [(i, i + 1) for i in range(count)]
    found = sampled(candidates, quota, seed, "x")
    assert len(found) == min(count, quota) and list(found) == sorted(set(found))
    assert set(found) <= set(candidates) and found == sampled(candidates, quota, seed, "x")


def test_samples_are_even() -> None:
    candidates: list[Range] = [(i, i + 1) for i in range(10)]
    seen = Counter(at for i in range(2000) for at, _ in sampled(candidates, 3, 0, str(i)))
    assert all(520 < seen[at] < 680 for at in range(10))  # 600 each, four deviations of 20


WORDS = st.lists(
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Z"))
        | st.sampled_from("aé🙂字ب'\u0301\u200d"),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=8,
)


@given(WORDS, st.sampled_from(["wordpiece", "bytes", "metaspace", "unigram-bert"]))
def test_tokens_of_words_are_apart_and_in_order(words: list[str], kind: str) -> None:
    tokenizer = tiny_tokenizer(kind)
    text = " ".join(words)
    ranges, at = [], 0
    for word in words:
        ranges.append((at, at + len(word)))
        at += len(word) + 1
    encoded = encode(tokenizer, [text], 10_000)[0]
    tokens = word_tokens(ranges, encoded)
    assert len(tokens) == len(words)
    taken: set[int] = set()
    before = 0
    for (start, end), (low, high) in zip(ranges, tokens, strict=True):
        # a plain loop over the tokens, each of which is the first word's that it is part of
        mine = [
            i
            for i, (a, b) in enumerate(encoded.offsets.tolist())
            if not encoded.special[i] and a < end and start < b and a < b and i not in taken
        ]
        taken.update(mine)
        if (low, high) == NOWHERE:
            assert not mine
            continue
        assert mine[0] == low and mine[-1] == high - 1 and before <= low
        before = high
    assert set(word_of_token(tokens)) >= taken


def test_a_token_of_two_words_is_the_first_ones(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = encode(tokenizer, ["he and the"], 64)[0]
    # "and" is one token; so is "the", which two words share
    assert word_tokens([(0, 2), (3, 5), (5, 6), (7, 10), (7, 10)], encoded) == (
        *((1, 2), (2, 3), NOWHERE),
        *((3, 4), NOWHERE),
    )


@pytest.mark.parametrize(
    ("text", "piece", "expected"),
    [
        ('He said "don\'t".', "don", "don't"),
        ('He said "don\'t".', "'", "don't"),
        ('He said "don\'t".', '"', '"'),
        ('He said "don\'t".', ".", "."),
        ('He said "don\'t".', '".', '".'),
        ('He said "don\'t".', " said", "said"),
        ("हिन्दी में", "न्", "हिन्दी"),
        ("a\tb", "\t", ""),
        ("…", "…", "…"),
        ("我" * 39 + "们", "们", "我" * 39 + "们"),
        ("我" * 90 + "们" + "我" * 90, "们", "们"),
    ],
)
def test_words_as_written(text: str, piece: str, expected: str) -> None:
    at = text.index(piece)
    assert written_word(text, at, at + len(piece)) == expected
