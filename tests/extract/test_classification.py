"""The classification task: labels, probabilities, the token that decoders classify by, points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from extract.errors import BadLine, ExtractError, UsageError
from extract.models import HeadKind, load
from extract.models.capture import watching
from extract.running.batches import model_inputs
from extract.tasks.base import TaskOptions
from extract.tasks.classification import Classification

from .task_runs import begin, no_model, predict, total
from .tiny import save_tiny

Write = Callable[..., Path]
HEAD: HeadKind = "sequence-classification"
MOODS = ("negative", "neutral", "positive")
MODEL = no_model(head=HEAD, labels=MOODS)
LOGITS = np.array([0.0, 1.0, 3.0], dtype=np.float32)


def lines(*labels: Any) -> list[dict[str, Any]]:
    """A text for each label."""
    return [{"id": i, "text": "it fits", "label": label} for i, label in enumerate(labels)]


def test_probabilities_and_scores(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    path = write_lines(*lines("Positive", 0, None))
    begun = begin(Classification(), path, tokenizer, MODEL)
    exp = [math.exp(value) for value in (0, 1, 3)]
    chance = [value / sum(exp) for value in exp]
    right, wrong, unknown = (begun.rows(i, LOGITS) for i in range(3))
    assert (right.example["gold"], right.example["prediction"]) == ("positive", "positive")
    assert right.example["probability"] == pytest.approx(chance[2])
    assert right.example["score"] == pytest.approx(chance[2])
    assert right.example["loss"] == pytest.approx(-math.log(chance[2]))
    assert wrong.example["gold"] == "negative" and wrong.example["correct"] is False
    assert wrong.example["loss"] == pytest.approx(-math.log(chance[0]))
    assert unknown.example["correct"] is None and unknown.example["loss"] is None
    assert unknown.example["prediction"] == "positive" and not unknown.tally
    assert [row["text"] for row in wrong.items] == ["positive", "neutral", "negative"]
    assert [row["gold"] for row in wrong.items] == [False, False, True]
    assert [row["prediction"] for row in wrong.items] == [True, False, False]
    assert [row["probability"] for row in wrong.items] == pytest.approx(chance[::-1])
    assert [row["gold"] for row in unknown.items] == [None] * 3
    assert wrong.points == [
        {"word": "", "gold": "negative", "prediction": "positive", "correct": False}
    ]
    assert begun.task.score(total([right, wrong, unknown])) == [
        "accuracy 50.0% of 2 texts (majority 50.0%)"
    ]


def test_probabilities_neither_overflow_nor_vanish(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = begin(Classification(), write_lines(*lines(0)), tokenizer, MODEL)
    example = begun.rows(0, np.array([-4000.0, 0.0, 4000.0], dtype=np.float32)).example
    assert example["loss"] == pytest.approx(8000) and example["score"] == 0
    assert example["probability"] == 1


@pytest.mark.parametrize(
    ("labels", "gold", "expected"),
    [
        (("no", "yes"), True, "yes"),
        (("NO", "YES"), False, "NO"),
        (("bad", "good"), True, "good"),
        (("False", "True"), "true", "True"),
        (("LABEL_0", "LABEL_1"), 1, "LABEL_1"),
        (("LABEL_0", "LABEL_1"), "label_1", "LABEL_1"),
        (("LABEL_0", "LABEL_1"), " 1 ", "LABEL_1"),
        (("5", "1", "2"), 1, "1"),  # a name goes before a number
        (("5", "1", "2"), 0, "5"),
        (("a", "b"), 1.0, "b"),
    ],
)
def test_gold_is_a_name_or_a_number(
    labels: tuple[str, ...],
    gold: Any,
    expected: str,
    write_lines: Write,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    begun = begin(
        Classification(),
        write_lines(*lines(gold)),
        tokenizer,
        no_model(head=HEAD, labels=labels),
    )
    assert begun.rows(0, np.zeros(len(labels))).example["gold"] == expected


def test_labels_that_are_none_of_the_models(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(ExtractError, match=r"\(angry, sad\).*negative, neutral.*--map label="):
        begin(Classification(), write_lines(*lines("sad", "angry")), tokenizer, MODEL)
    unnamed = no_model(head=HEAD, labels=("LABEL_0", "LABEL_1"))
    with pytest.raises(ExtractError, match="id2label"):
        begin(Classification(), write_lines(*lines("sad", 7)), tokenizer, unnamed)
    begun = begin(Classification(), write_lines(*lines("sad", "neutral")), tokenizer, MODEL)
    strange = begun.rows(0, LOGITS)
    assert strange.example["gold"] == "sad" and strange.example["correct"] is False
    assert strange.example["loss"] is None
    assert "1 gold label is not among" in begun.notes()
    for label in (["a", "b"], {"x": 1}):
        with pytest.raises(BadLine, match='line 1: "label" must be one class'):
            begin(Classification(), write_lines(*lines(label)), tokenizer, MODEL)


def test_without_a_head(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    begun = begin(Classification(), write_lines(*lines("sad", True)), tokenizer)
    rows = begun.rows(1)
    assert rows.example["gold"] == "true" and rows.example["prediction"] is None
    assert not rows.items and not begun.tables.items and "unknown" in begun.notes()
    assert begun.task.predictor(begun.loaded) is None
    assert begun.task.score(total([rows])) == []


def test_regression(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    model = no_model(head=HEAD, labels=("LABEL_0",))
    gold, said = [1.0, 2.5, 4.0], [1.5, 2.0, 5.0]
    begun = begin(Classification(), write_lines(*lines(1, "2.5", 4.0)), tokenizer, model)
    rows = [begun.rows(i, np.array([value])) for i, value in enumerate(said)]
    assert [row.example["error"] for row in rows] == pytest.approx([0.5, 0.5, 1.0])
    assert rows[0].points[0] == {"word": "", "gold": 1.0, "prediction": 1.5}
    assert begun.tables.examples["gold"].kind == "continuous" and not rows[0].items
    r = np.corrcoef(gold, said)[0, 1]
    assert begun.task.score(total(rows)) == [
        f"mean absolute error 0.667 of 3 texts (correlation with gold {r:.3f})"
    ]
    assert begun.task.score(total(rows[:1])) == ["mean absolute error 0.500 of 1 text"]
    assert "predicts a number" in begun.notes()
    with pytest.raises(ExtractError, match='label of 0 is "good"'):
        begin(Classification(), write_lines(*lines("good")), tokenizer, model)


def test_several_classes_at_once_have_probabilities_of_their_own(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    config = SimpleNamespace(pad_token_id=0, problem_type="multi_label_classification")
    model = no_model(head=HEAD, labels=MOODS, model=SimpleNamespace(config=config))
    begun = begin(Classification(), write_lines(*lines(1)), tokenizer, model)
    rows = begun.rows(0, LOGITS)
    expected = [1 / (1 + math.exp(-value)) for value in (3, 1, 0)]
    assert [row["probability"] for row in rows.items] == pytest.approx(expected)
    assert "sigmoid" in begun.notes()


def test_many_classes_show_the_likeliest_and_gold(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = no_model(head=HEAD, labels=tuple(f"c{i}" for i in range(40)))
    begun = begin(Classification(), write_lines(*lines("c0", "c39")), tokenizer, model)
    shown = [row["text"] for row in begun.rows(0, np.arange(40.0)).items]
    assert shown == [*(f"c{i}" for i in range(39, 28, -1)), "c0"]
    assert [row["text"] for row in begun.rows(1, np.arange(40.0)).items][-1] == "c28"


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("", ["[CLS]"]),
        ("last", ["[SEP]"]),
        ("mean", ["the suit and it [SEP] he and she"]),
        ("all", ["the", "suit", "and", "it", "he", "and", "she"]),
        ("regex:(suit and|she)", ["suit and", "she"]),
        ("sample:3", None),
    ],
)
def test_points_of_two_texts(
    points: str,
    expected: list[str] | None,
    write_lines: Write,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    path = write_lines({"text": "the suit and it", "second": "he and she", "label": 0})
    begun = begin(Classification(TaskOptions(points=points)), path, tokenizer, MODEL)
    one, rows = begun.chosen(0, LOGITS)
    assert one.text == "the suit and it\nhe and she"
    texts = one.encoded.tokens(tokenizer).texts
    found = [" ".join(texts[start:stop]) for start, stop in one.points]
    if expected is None:
        assert len(found) == 3
    else:
        assert found == expected
    if points == "all":
        assert [row["word"] for row in rows.points] == expected


def test_further_fields_are_columns(write_lines: Write, tokenizer: PreTrainedTokenizerFast) -> None:
    path = write_lines(*({**one, "score": i, "topic": "x"} for i, one in enumerate(lines(0, 1))))
    task = Classification(TaskOptions(kinds={"score": "categorical"}))
    begun = begin(task, path, tokenizer, MODEL)
    example = begun.rows(1, LOGITS).example
    assert (example["score (data)"], example["topic"]) == ("1", "x")
    with pytest.raises(UsageError, match='no further field "tropic"'):
        begin(Classification(TaskOptions(kinds={"tropic": "text"})), path, tokenizer, MODEL)
    with pytest.raises(UsageError, match='"x" is no number'):
        begin(Classification(TaskOptions(kinds={"topic": "continuous"})), path, tokenizer, MODEL)


def test_an_encoder_decoder_is_refused() -> None:
    with pytest.raises(ExtractError, match="is an encoder-decoder"):
        Classification().predictor(no_model(head=HEAD, labels=MOODS, sides=("source", "target")))


@pytest.mark.parametrize(
    ("family", "by_last"),
    [("bert", False), ("roberta", False), ("gpt2", True), ("llama", True), ("xlnet", True)],
)
def test_a_batch_says_what_single_texts_say(
    family: str, by_last: bool, write_lines: Write, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "m", family, head=HEAD, labels=MOODS)
    loaded = load(str(folder), head=HEAD)
    words = ["the", "suit", "fits", "and", "he", "said", "it!"]
    path = write_lines(*({"id": i, "text": " ".join(words[: 1 + i])} for i in range(7)))
    begun = begin(Classification(), path, loaded.tokenizer, loaded)
    predictor = begun.task.predictor(loaded)
    assert predictor is not None and predictor.full is not by_last
    batch, single = (predict(begun, loaded, batch=size) for size in (7, 1))
    np.testing.assert_allclose(batch, single, atol=2e-5)
    with torch.inference_mode():  # what transformers itself says of one text without padding
        own = [
            loaded.model(input_ids=torch.from_numpy(one.encoded.ids)[None].long()).logits[0]
            for one in begun.placed
        ]
    np.testing.assert_allclose(single, torch.stack(own).numpy(), atol=2e-5)
    assert np.ptp(np.array(single), axis=0).min() > 1e-3
    for i in range(7):
        one, _ = begun.chosen(i, single[i])
        last = len(one.encoded) - 1
        assert one.points == (((last, last + 1) if by_last else (0, 1)),)
    assert ("last tokens" in begun.notes()) is by_last


def test_the_last_token_is_the_last_that_is_no_padding(write_lines: Write, tmp_path: Path) -> None:
    """As transformers looks for it, where padding is a token that texts may end with."""
    folder = save_tiny(tmp_path / "m", "gpt2", head=HEAD, labels=MOODS)
    loaded = load(str(folder), head=HEAD)
    pad = loaded.tokenizer("!", add_special_tokens=False)["input_ids"][-1]
    loaded.model.config.pad_token_id = pad
    loaded = replace(loaded, own_pad_id=pad)
    begun = begin(Classification(), write_lines({"text": "it fits!!"}), loaded.tokenizer, loaded)
    ids = begun.placed[0].encoded.ids.tolist()
    assert ids[-2:] == [pad, pad]
    with torch.inference_mode():
        own = loaded.model(input_ids=torch.tensor([ids])).logits[0].numpy()
    np.testing.assert_allclose(predict(begun, loaded, batch=1)[0], own, atol=2e-5)
    one, _ = begun.chosen(0, own)
    assert one.points == ((len(ids) - 3, len(ids) - 2),)


def test_a_model_that_names_no_padding_has_none_in_its_texts(
    write_lines: Write, tmp_path: Path
) -> None:
    """A number has to fill batches, and a text may end with the token of that number."""
    folder = save_tiny(tmp_path / "m", "gpt2", head=HEAD, labels=MOODS)
    loaded = load(str(folder), head=HEAD)
    assert loaded.own_pad_id is None
    filler = loaded.tokenizer.decode([loaded.pad_id])
    begun = begin(
        Classification(), write_lines({"text": f"it fits{filler}"}), loaded.tokenizer, loaded
    )
    ids = begun.placed[0].encoded.ids.tolist()
    assert ids[-1] == loaded.pad_id
    with torch.inference_mode():
        own = loaded.model.score(loaded.base(torch.tensor([ids])).last_hidden_state[0, -1]).numpy()
    np.testing.assert_allclose(predict(begun, loaded, batch=1)[0], own, atol=2e-5)


class _Unwatched:
    """Sees a run and keeps nothing."""

    def attention(self, block: object) -> None:
        """Does not matter here."""

    def values(self, kind: str, layer: int, norms: object) -> None:
        """Does not matter here."""

    def layer(self, kind: str, layer: int) -> None:
        """Does not matter here."""

    def hidden(self, side: str, layer: int, states: object) -> None:
        """Does not matter here."""


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "xlnet"])
def test_what_a_watched_run_gives_is_enough(
    family: str, write_lines: Write, tmp_path: Path
) -> None:
    folder = save_tiny(tmp_path / "m", family, head=HEAD, labels=MOODS)
    loaded = load(str(folder), head=HEAD)
    path = write_lines(*({"id": i, "text": "the suit fits it"[: 4 + 4 * i]} for i in range(4)))
    begun = begin(Classification(), path, loaded.tokenizer, loaded)
    predictor = begun.task.predictor(loaded)
    with watching(loaded) as watch, torch.inference_mode():
        ran = watch.run(model_inputs(loaded, begun.placed), _Unwatched(), full=predictor.full)
        found = predictor.predict(ran, begun.placed)
    np.testing.assert_allclose(found, predict(begun, loaded, batch=1), atol=2e-5)
