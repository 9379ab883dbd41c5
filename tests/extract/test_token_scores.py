"""What a model says of tokens, against transformers' own losses and plain sorts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from extract.data.encoding import Encoded, encode, encode_target, joined, token_names
from extract.models import LoadedModel, load
from extract.models.capture import Ran, watching
from extract.running.batches import model_inputs
from extract.tasks import token_scores
from extract.tasks.base import Placed
from extract.tasks.token_scores import CHOICES, TokenPredictor, TokenScores

from . import tiny
from .watched import Keep

TEXTS = ("the trophy and it because he, the suit", "they", "it is too large. She's")
TARGETS = ("he and she", "it", "the large suit because it")
MASKED = ("bert", "roberta", "distilbert", "albert", "modernbert")
FAMILIES = (*tiny.CAUSAL, *MASKED, *tiny.SEQ2SEQ)


def load_tiny(folder: Path, family: str, **options: Any) -> LoadedModel:
    """A tiny model with its language model's head, saved and loaded."""
    head: Any = "seq2seq" if family in tiny.SEQ2SEQ else "language-model"
    return load(str(tiny.save_tiny(folder / family, family, head=head, **options)), head=head)


def encoded(loaded: LoadedModel) -> list[Encoded]:
    """The texts, with their targets if the model takes such."""
    found = encode(loaded.tokenizer, TEXTS, 60)
    if loaded.start_id is None:
        return found
    targets = encode_target(loaded.tokenizer, TARGETS, 60, loaded.start_id)
    return [joined(source, target) for source, target in zip(found, targets, strict=True)]


def placed(rows: Sequence[Encoded]) -> list[Placed[None]]:
    """Examples of nothing but tokens."""
    return [Placed(str(i), "", row, None, ()) for i, row in enumerate(rows)]


def scored(
    loaded: LoadedModel, rows: Sequence[Encoded], *, full: bool = False
) -> list[TokenScores]:
    """What is said of the examples as one batch."""
    batch = placed(rows)
    with watching(loaded) as watch:
        ran = watch.run(model_inputs(loaded, batch), Keep(), full=full)
        with torch.inference_mode():
            return TokenPredictor(loaded).predict(ran, batch)


def reference(loaded: LoadedModel, one: Encoded) -> tuple[torch.Tensor, torch.Tensor]:
    """Float64 log-probabilities at each position, [positions, vocabulary], and the tokens scored.

    The decoder of an encoder-decoder is given the target shifted by one, by transformers' own code;
    but mBART's would begin with the target's last token, which is a language's in its own data.
    """
    ids = torch.from_numpy(one.ids.astype(np.int64))[None]
    with torch.no_grad():
        if one.source is None:
            logits = loaded.model(input_ids=ids).logits[0]
            if not loaded.masked:
                return logits[:-1].double().log_softmax(-1), ids[0, 1:]
            return logits.double().log_softmax(-1), ids[0]
        labels = ids[:, one.source + 1 :]
        inputs = {"input_ids": ids[:, : one.source], "labels": labels}
        if loaded.model.config.model_type == "mbart":
            inputs["decoder_input_ids"] = ids[:, one.source : -1]
        logits = loaded.model(**inputs).logits[0]
        return logits.double().log_softmax(-1), labels[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_ranks_and_choices(family: str, tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, family)
    rows = encoded(loaded)
    for one, scores in zip(rows, scored(loaded, rows), strict=True):
        expected, tokens = reference(loaded, one)
        silent = len(scores.loss) - len(tokens)
        assert silent == (0 if loaded.masked else 1)
        assert np.isnan(scores.loss[:silent]).all() and not scores.rank[:silent].any()
        assert [len(names) for names in scores.names] == [0] * silent + [CHOICES] * len(tokens)
        losses = cross_entropy(expected, tokens, reduction="none")
        np.testing.assert_allclose(scores.loss[silent:], losses, rtol=2e-5, atol=2e-5)
        for at, (row, token) in enumerate(zip(expected, tokens.tolist(), strict=True), silent):
            # a plain sort: by probability, of equals the token that stands there first
            order = sorted(range(len(row)), key=lambda i: (-float(row[i]), i != token))
            assert scores.rank[at] == 1 + order.index(token)
            assert scores.choices[at].tolist() == order[:CHOICES]
            np.testing.assert_allclose(scores.chances[at], row[order[:CHOICES]].exp(), rtol=1e-4)
            assert scores.names[at] == token_names(loaded.tokenizer, order[:CHOICES])


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt-neox", "opt", "bert", "t5"])
def test_the_mean_is_the_models_own_loss(family: str, tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, family)
    rows = encoded(loaded)
    for one, scores in zip(rows, scored(loaded, rows), strict=True):
        if np.isnan(scores.loss).all():  # a text of one token
            continue
        ids = torch.from_numpy(one.ids.astype(np.int64))[None]
        inputs = {"input_ids": ids, "labels": ids}
        if one.source is not None:
            inputs = {"input_ids": ids[:, : one.source], "labels": ids[:, one.source + 1 :]}
        with torch.no_grad():
            own = float(loaded.model(**inputs).loss)
        assert np.nanmean(scores.loss) == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "bloom", "roberta", "t5", "bart", "marian"])
def test_in_stretches_whole_and_alone_are_the_same(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_tiny(tmp_path, family)
    rows = encoded(loaded)
    whole = scored(loaded, rows, full=True)
    alone = [scored(loaded, [row])[0] for row in rows]
    monkeypatch.setattr(token_scores, "_FIRST", 3)
    monkeypatch.setattr(token_scores, "_AT_ONCE", 4 * tiny.VOCABULARY)
    for other in (scored(loaded, rows), alone):
        for mine, one in zip(whole, other, strict=True):
            np.testing.assert_allclose(mine.loss, one.loss, rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(mine.chances, one.chances, rtol=1e-4, atol=1e-6)
            np.testing.assert_array_equal(mine.rank, one.rank)
            np.testing.assert_array_equal(mine.choices, one.choices)
            assert mine.names == one.names


def test_only_a_stretch_of_logits_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_tiny(tmp_path, "gpt2")
    monkeypatch.setattr(token_scores, "_FIRST", 2)
    monkeypatch.setattr(token_scores, "_AT_ONCE", 5 * tiny.VOCABULARY + 1)
    sizes = []
    real = token_scores._said_of

    def said_of(logits: torch.Tensor, gold: torch.Tensor) -> Any:
        sizes.append(len(logits))
        return real(logits, gold)

    monkeypatch.setattr(token_scores, "_said_of", said_of)
    rows = encoded(loaded)
    scored(loaded, rows)
    total = sum(len(row) - 1 for row in rows)
    assert sizes[0] == 2 and sizes[1:-1] == [5] * (len(sizes) - 2) and sum(sizes) == total


def test_a_token_that_only_the_model_knows_has_a_name(tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, "gpt2")  # 384 tokens, the tokenizer knows fewer
    known = len(loaded.tokenizer)
    assert known < tiny.VOCABULARY
    scores = scored(loaded, encoded(loaded))[0]
    unknown = scores.choices[1:] >= known
    assert unknown.any() and not unknown.all()
    for numbers, names in zip(scores.choices[1:], scores.names[1:], strict=True):
        for number, name in zip(numbers.tolist(), names, strict=True):
            assert (name == f"<{number}>") == (number >= known)


def test_one_token_alone(tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, "gpt2")
    (scores,) = scored(loaded, encode(loaded.tokenizer, ["h"], 9))
    assert np.isnan(scores.loss).tolist() == [True]
    assert scores.rank.tolist() == [0] and scores.names == [[]]
    (bert,) = scored(load_tiny(tmp_path, "bert"), encode(tiny.tokenizer_of("bert"), ["h"], 9))
    assert len(bert.loss) == 3 and np.isfinite(bert.loss).all()


def test_equals_and_numbers_that_are_none() -> None:
    """Half precision has many equals, and may overflow."""

    class Made:
        masked = False
        sides = ("text",)
        logits = None
        tokenizer = tiny.tiny_tokenizer("bytes")

    logits = torch.zeros(1, 4, 9, dtype=torch.bfloat16)
    logits[0, 1, [2, 4, 7]] = 3.0
    logits[0, 2, 5] = torch.nan
    rows = encode(Made.tokenizer, ["abcd"], 9)
    rows[0].ids[:] = [0, 8, 4, 1]
    made: Any = Made()
    predictor = TokenPredictor(made)
    assert predictor.full
    (scores,) = predictor.predict(Ran(torch.zeros(1, 4, 2), logits), placed(rows))
    # all nine are equal: the one that stands there counts as the first choice
    assert scores.rank.tolist() == [0, 1, 1, 0]
    assert scores.choices[1, 0] == 8 and scores.choices[2, 0] == 4
    assert set(scores.choices[2, 1:3].tolist()) == {2, 7}
    assert scores.loss[1] == pytest.approx(np.log(9))
    assert scores.loss[2] == pytest.approx(np.log(3 * np.exp(3) + 6) - 3)
    assert np.isnan(scores.loss[[0, 3]]).all()


def test_a_vocabulary_smaller_than_the_choices() -> None:
    class Made:
        masked = True
        sides = ("text",)
        logits = None
        tokenizer = tiny.tiny_tokenizer("bytes")

    rows = encode(Made.tokenizer, ["ab"], 9)
    rows[0].ids[:] = [0, 2]
    made: Any = Made()
    logits = torch.tensor([[[1.0, 2.0, 0.5], [3.0, 2.0, 1.0]]])
    (scores,) = TokenPredictor(made).predict(Ran(torch.zeros(1, 2, 2), logits), placed(rows))
    assert scores.choices.tolist() == [[1, 0, 2], [0, 1, 2]] and scores.rank.tolist() == [2, 3]
    np.testing.assert_allclose(scores.chances.sum(1), 1, atol=1e-6)
