"""The tagging task: spans of tags, predictions, scores, points, columns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from extract.errors import ExtractError, UsageError
from extract.models import load
from extract.tasks.base import NOWHERE, TaskOptions
from extract.tasks.bio import f1, is_bio, spans, type_of
from extract.tasks.tagging import Tagging

from .task_runs import begin, no_model, predict, total
from .tiny import save_tiny

Write = Callable[..., Path]
SHARED = Path(__file__).parents[2].parent / "shared"
LABELS = ("O", "B-ASP", "I-ASP", "B-OP", "I-OP")
MODEL = no_model(head="token-classification", labels=LABELS)

SENTENCES: list[dict[str, Any]] = [
    {
        "id": "a",
        "words": ["The", "suitcase", "handle", "fits", "and"],
        "tags": ["O", "B-ASP", "I-ASP", "B-OP", "O"],
        "domain": "bags",
    },
    {"id": "b", "words": ["they", "and", "it"], "tags": ["O", "O", "O"], "domain": "none"},
]


def said(*tags: str, probability: float = 0.5) -> list[tuple[str, float]]:
    """A prediction for each word."""
    return [(tag, probability) for tag in tags]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-A I-A O B-B", [("A", 0, 2), ("B", 3, 4)]),
        ("B-A B-A I-A", [("A", 0, 1), ("A", 1, 3)]),
        # IOB1, and what goes on from nothing: an I begins a span after O and after another type
        ("I-A I-A O I-A", [("A", 0, 2), ("A", 3, 4)]),
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)]),
        ("O I-A B-A", [("A", 1, 2), ("A", 2, 3)]),
        # IOBES and BILOU, whole and broken
        ("B-A I-A E-A S-A", [("A", 0, 3), ("A", 3, 4)]),
        ("B-A L-A U-A O L-A", [("A", 0, 2), ("A", 2, 3), ("A", 4, 5)]),
        ("E-A E-A", [("A", 0, 1), ("A", 1, 2)]),
        ("S-A I-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B I O I", [("", 0, 2), ("", 3, 4)]),
        ("B-A-X I-A-X", [("A-X", 0, 2)]),
        ("O O", []),
        ("", []),
    ],
)
def test_spans_worked_by_hand(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == expected


def conlleval_chunks(tags: list[str]) -> list[tuple[str, int, int]]:
    """Chunks by the two tables of conlleval (Tjong Kim Sang and Buchholz 2000), word by word."""
    ends = {"BB", "BO", "BS", "IB", "IO", "IS", "EE", "EI", "EO", "EB", "ES"}
    ends |= {"SS", "SB", "SI", "SE", "SO"}
    starts = {"EE", "EI", "SE", "SI", "OE", "OI"}
    found: list[tuple[str, int, int]] = []
    begun: int | None = None
    before, kind_before = "O", ""
    for at, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        other = kind != kind_before
        if begun is not None and (before + prefix in ends or (before != "O" and other)):
            found.append((kind_before, begun, at))
            begun = None
        if prefix in "BS" or before + prefix in starts or (prefix != "O" and other):
            begun = at
        before, kind_before = prefix, kind
    return found


TAGS = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in "XY")])


@given(st.lists(TAGS, max_size=12))
def test_spans_are_those_of_conlleval(tags: list[str]) -> None:
    assert spans(tags) == conlleval_chunks(tags)


@given(st.lists(TAGS, max_size=12))
def test_spans_are_apart_and_cover_all_tagged_words(tags: list[str]) -> None:
    covered = [at for _, start, stop in spans(tags) for at in range(start, stop)]
    assert covered == [at for at, tag in enumerate(tags) if tag != "O"]


def test_what_is_bio() -> None:
    assert is_bio(["O", "B-X", "I-X"]) and is_bio(["I-NP", "O"]) and is_bio(["U-X", "L-X"])
    assert not is_bio(["NOUN", "VERB"]) and not is_bio(["O"]) and not is_bio(["B-X", "NN"])
    assert not is_bio(["E-X"]) and not is_bio([])
    assert (type_of("B-ASP"), type_of("O"), type_of("B"), type_of(None)) == ("ASP", "", "", "")


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_f1_is_the_harmonic_mean(right: int, more_gold: int, more_found: int) -> None:
    gold, found = right + more_gold, right + more_found
    value = f1(right, gold, found)
    if gold + found == 0:
        assert value is None
    elif right == 0:
        assert value == 0
    else:
        precision, recall = right / found, right / gold
        assert value == pytest.approx(2 * precision * recall / (precision + recall))


def test_scores_of_sentences_and_of_all(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = begin(Tagging(), write_lines(*SENTENCES), tokenizer, MODEL)
    # the aspect is one word too short, the opinion right, and a second opinion wrong
    first = begun.rows(0, said("O", "B-ASP", "O", "B-OP", "B-OP", probability=0.75))
    assert first.example["score"] == pytest.approx(2 * 1 / (2 + 3))
    assert first.example["F1 ASP"] == 0 and first.example["F1 OP"] == pytest.approx(2 / 3)
    assert first.example["correct"] is False and first.example["domain"] == "bags"
    assert [row["correct"] for row in first.items] == [True, True, False, True, False]
    assert [row["text"] for row in first.items] == SENTENCES[0]["words"]
    second = begun.rows(1, said("O", "O", "O"))
    assert second.example["score"] is None and second.example["F1 ASP"] is None
    assert second.example["correct"] is True
    assert begun.task.score(total([first, second])) == [
        "F1 40.0% of 2 spans (precision 33.3%, recall 50.0%)",
        "F1 by type: ASP 0.0%, OP 66.7%",
    ]
    assert begun.task.score(total([second])) == [
        "F1 is undefined: there is no span, neither in gold nor predicted"
    ]
    roles = {name: column.role for name, column in begun.tables.examples.items() if column.role}
    assert roles == {"correct": "correct", "score": "score"}


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("", ["suitcase", "handle", "fits", "and"]),
        ("tagged", ["suitcase", "handle", "fits", "and"]),
        ("gold", ["suitcase", "handle", "fits"]),
        ("all", ["The", "suitcase", "handle", "fits", "and"]),
        ("regex:a.d", ["handle", "and"]),
        ("words:pos=N,V", ["suitcase", "handle", "fits"]),
    ],
)
def test_points_are_first_pieces_of_chosen_words(
    points: str, expected: list[str], write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(SENTENCES[0] | {"pos": ["D", "N", "N", "V", "C"]})
    begun = begin(Tagging(TaskOptions(points=points)), path, tokenizer, MODEL)
    one, rows = begun.chosen(0, said("O", "B-ASP", "O", "O", "B-OP"))
    assert [row["word"] for row in rows.points] == expected
    texts = one.encoded.tokens(tokenizer).texts
    for (start, stop), row in zip(one.points, rows.points, strict=True):
        assert stop == start + 1 and row["word"].lower().startswith(texts[start])
        assert not texts[start].startswith("##")
    kinds = {row["word"]: (row["type"], row["predicted type"]) for row in rows.points}
    if "suitcase" in kinds:
        assert kinds["suitcase"] == ("ASP", "ASP")
    if points == "":
        assert (kinds["fits"], kinds["and"]) == (("OP", "none"), ("none", "OP"))
        assert [row["pos"] for row in rows.points] == ["N", "N", "V", "C"]
        assert [row["pos"] for row in rows.items] == ["D", "N", "N", "V", "C"]


def test_a_sample_is_of_all_words_and_always_the_same(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    lines = [{"id": i, "words": ["it", "and", "the", "he"][: 1 + i % 4]} for i in range(20)]
    path = write_lines(*lines)

    def chosen(seed: int) -> list[tuple[tuple[int, int], ...]]:
        begun = begin(Tagging(TaskOptions(points="sample:25", seed=seed)), path, tokenizer, MODEL)
        return [begun.chosen(i, said(*["O"] * (1 + i % 4)))[0].points for i in range(20)]

    first = chosen(1)
    assert sum(map(len, first)) == 25 and first == chosen(1) and first != chosen(2)
    assert sum(map(len, first[:10])) == 11  # they have 23 of the 50 words
    everything = begin(Tagging(TaskOptions(points="sample:999")), path, tokenizer, MODEL)
    assert len(everything.chosen(3, said(*"OOOO"))[0].points) == 4


def test_parts_of_speech_have_an_accuracy(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(
        {"id": 1, "words": ["he", "and", "she"], "tags": ["PRON", "CCONJ", "PRON"]},
        {"id": 2, "words": ["it"], "tags": ["X"]},
    )
    model = no_model(head="token-classification", labels=("PRON", "CCONJ", "NOUN"))
    begun = begin(Tagging(), path, tokenizer, model)
    first = begun.rows(0, said("PRON", "NOUN", "PRON"))
    assert first.example == {"score": pytest.approx(2 / 3), "correct": False}
    assert len(first.points) == 3 and "type" not in first.points[0]
    second = begun.rows(1, said("PRON"))
    assert begun.task.score(total([first, second])) == [
        "accuracy 50.0% of 4 words (majority 50.0%)"
    ]
    assert "1 gold tag is not among the model's labels" in begun.notes()


def test_numbers_of_labels_are_their_names(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = begin(
        Tagging(), write_lines({"words": ["he", "fits"], "tags": [0, 3]}), tokenizer, MODEL
    )
    rows = begun.rows(0, said("O", "B-OP"))
    assert [row["gold"] for row in rows.items] == ["O", "B-OP"]
    assert rows.example["score"] == 1 and rows.example["correct"] is True


def test_labels_that_do_not_fit_are_refused(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines({"words": ["he"], "tags": ["B-PER"]})
    with pytest.raises(ExtractError, match=r"B-PER.*B-ASP.*--map tags=FIELD"):
        begin(Tagging(), path, tokenizer, MODEL)


def test_without_a_head_predictions_are_unknown(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = begin(Tagging(), write_lines(*SENTENCES), tokenizer)
    rows = begun.rows(0)
    assert rows.example["score"] is None and rows.example["correct"] is None
    assert [row["word"] for row in rows.points] == ["suitcase", "handle", "fits"]
    assert {row["prediction"] for row in rows.items} == {None} and not rows.tally
    assert begun.task.predictor(no_model()) is None and "unknown" in begun.notes()
    assert begun.task.score(total([rows])) == []
    bare = begin(Tagging(), write_lines({"words": ["he", "fits"]}), tokenizer)
    assert len(bare.rows(0).points) == 2  # nothing is tagged: all words are points


def test_words_without_a_token_are_not_found(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    long = {"words": ["suitcase", "handle", "it"], "tags": ["B-ASP", "O", "B-OP"]}
    begun = begin(Tagging(), write_lines(long), tokenizer, MODEL, limit=9)
    one = begun.placed[0]
    assert one.items[2] == NOWHERE and one.items[0] != NOWHERE
    rows = begun.rows(0, [("B-ASP", 0.9), ("O", 0.9), None])
    assert [row["correct"] for row in rows.items] == [True, True, False]
    assert rows.items[2]["prediction"] is None
    assert rows.example["score"] == pytest.approx(2 / 3)
    assert "1 word has no token" in begun.notes()
    gone = begin(Tagging(), write_lines({"words": ["\u200d"], "tags": ["O"]}), tokenizer, MODEL)
    assert gone.lost == [1]


def test_the_gold_parse_is_handed_on(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(
        {"words": ["suit", "fits"], "heads": [1, -1], "deprels": ["nsubj", "root"], "tags": "x"},
    )
    with pytest.raises(ExtractError, match='line 1: "tags" must be a list'):
        begin(Tagging(), path, tokenizer)
    path = write_lines({"words": ["suit", "fits"], "heads": [1, -1], "deprels": ["nsubj", "root"]})
    begun = begin(Tagging(), path, tokenizer)
    words = begun.placed[0].words
    assert words is not None and words.heads == (1, -1) and words.relations == ("nsubj", "root")
    assert words.tokens == begun.placed[0].items
    assert [row["deprels"] for row in begun.rows(0).items] == ["nsubj", "root"]


@pytest.mark.parametrize("points", ["first", "sample", "sample:0", "regex:(", "words:pos", "none"])
def test_points_that_cannot_be(points: str) -> None:
    with pytest.raises(UsageError, match=r"--points "):
        Tagging(TaskOptions(points=points))


def test_points_of_a_field_that_no_word_has(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(SENTENCES[0] | {"pos": ["D", "N", "N", "V", "C"]})
    for points, says in (
        ("words:upos=N", 'no field "upos"; they have: pos'),
        ("words:pos=Z", "no word of the data has such a value"),
        ("regex:zzz", "no text of the data has a match"),
    ):
        with pytest.raises(UsageError, match=says):
            begin(Tagging(TaskOptions(points=points)), path, tokenizer)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "roberta"])
def test_a_batch_says_what_single_sentences_say(
    family: str, write_lines: Write, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "m", family, head="token-classification", labels=LABELS)
    loaded = load(str(folder), head="token-classification")
    lines = [{"words": SENTENCES[0]["words"][: 1 + i % 5], "id": i} for i in range(7)]
    begun = begin(Tagging(), write_lines(*lines), loaded.tokenizer, loaded)
    batch, single = (predict(begun, loaded, batch=size) for size in (4, 1))
    assert len({probability for one in single for _, probability in one}) > 1
    for a, b in zip(batch, single, strict=True):
        assert [label for label, _ in a] == [label for label, _ in b]
        assert [p for _, p in a] == pytest.approx([p for _, p in b], abs=1e-5)


def test_words_are_read_as_taggers_are_trained(write_lines: Write, tmp_path: Path) -> None:
    """Against transformers' own way with words: is_split_into_words and word_ids."""
    folder = save_tiny(tmp_path / "m", "bert", head="token-classification", labels=LABELS)
    loaded = load(str(folder), head="token-classification")
    words = ["don't", "suitcase", "é", "(it)", "手机", "U.S.", "fits", "🙂", "and"]
    begun = begin(Tagging(), write_lines({"words": words}), loaded.tokenizer, loaded)
    encoded = loaded.tokenizer(words, is_split_into_words=True, return_tensors="pt")
    assert begun.placed[0].encoded.ids.tolist() == encoded["input_ids"][0].tolist()
    with torch.inference_mode():
        logits = loaded.model(**encoded).logits[0].double()
    first = [encoded.word_ids().index(word) for word in range(len(words))]
    expected = [LABELS[int(logits[at].argmax())] for at in first]
    chances = [float(logits[at].softmax(0).max()) for at in first]
    answer = predict(begun, loaded, batch=1)[0]
    assert [label for label, _ in answer] == expected
    assert [chance for _, chance in answer] == pytest.approx(chances, abs=1e-5)


@pytest.mark.model
@pytest.mark.parametrize(
    ("domain", "aspects", "opinions", "both"),
    [("laptop", 0.7962, 0.7680, 0.7818), ("restaurant", 0.6062, 0.7623, 0.6867)],
)
def test_the_tagger_of_laptops_scores_what_its_card_says(
    domain: str, aspects: float, opinions: float, both: float, tmp_path: Path
) -> None:
    folder, data = SHARED / "models/minilm-absa-laptop", SHARED / f"data/absa-{domain}.jsonl"
    if not folder.is_dir() or not data.is_file():
        pytest.skip("the tagger or its data is not here")
    test = [line for line in data.read_text().splitlines() if '"split": "test"' in line]
    path = tmp_path / "test.jsonl"
    path.write_text("\n".join(test) + "\n")
    loaded = load(os.fspath(folder), head="token-classification")
    begun = begin(Tagging(), path, loaded.tokenizer, loaded, limit=512)
    order = sorted(range(len(begun.placed)), key=lambda i: len(begun.placed[i].encoded))
    begun.placed = [begun.placed[i] for i in order]
    predicted = predict(begun, loaded, batch=32)
    summed = total([begun.rows(i, one) for i, one in enumerate(predicted)])
    for kind, expected in ((" ASP", aspects), (" OP", opinions), ("", both)):
        counts = [summed[f"spans {what}{kind}"] for what in ("right", "gold", "found")]
        assert f1(*counts) == pytest.approx(expected, abs=5e-5)
