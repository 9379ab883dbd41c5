"""Heads: found by what a checkpoint says, the same logits in parts as of the whole model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from extract.errors import ExtractError
from extract.models import load
from extract.models.loading import HeadKind

from . import tiny
from .watched import batch, watched

LABELS = ("O", "B", "I")
MASKED = (
    *("bert", "roberta", "distilbert", "albert", "electra", "modernbert"),
    "deberta-v2",
)
PREDICTORS: list[tuple[str, HeadKind]] = [
    *((family, "language-model") for family in MASKED + tiny.CAUSAL),
    *((family, "seq2seq") for family in tiny.SEQ2SEQ),
]


def two(family: str) -> tuple[int, ...]:
    """Lengths of targets, if the family has any."""
    return (5, 3) if family in tiny.SEQ2SEQ else ()


@pytest.mark.parametrize(("family", "head"), PREDICTORS)
def test_a_head_that_predicts_tokens(family: str, head: HeadKind, tmp_path: Path) -> None:
    loaded = load(str(tiny.save_tiny(tmp_path / family, family, head=head)), head=head)
    assert (loaded.head, loaded.masked, loaded.labels) == (head, family in MASKED, ())
    inputs = batch(9, 5, targets=two(family))
    with torch.no_grad():
        expected = loaded.model(**inputs).logits
    _, ran = watched(loaded, inputs, full=True)
    assert ran.logits is not None and ran.logits.shape[-1] == tiny.VOCABULARY
    real = inputs["decoder_attention_mask" if head == "seq2seq" else "attention_mask"].bool()
    torch.testing.assert_close(ran.logits[real], expected[real], rtol=1e-5, atol=1e-4)
    # without the head, and the head a few positions at a time
    _, bare = watched(loaded, inputs)
    assert bare.logits is None
    torch.testing.assert_close(bare.last, ran.last, rtol=0, atol=0)
    assert loaded.logits is not None
    for stretch in (slice(0, 1), slice(1, 4)):
        part = loaded.logits(bare.last[:, stretch])
        torch.testing.assert_close(part, ran.logits[:, stretch], rtol=1e-5, atol=1e-5)
    # nothing stands in for the layers any more
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(**inputs).logits, expected, rtol=0, atol=0)


def test_logits_are_more_than_a_product_with_the_embeddings(tmp_path: Path) -> None:
    """Otherwise the test above would not need the models' own code."""
    heads: dict[str, HeadKind] = {
        "gemma2": "language-model",
        "bart": "seq2seq",
        "bert": "language-model",
    }
    for family, head in heads.items():
        loaded = load(str(tiny.save_tiny(tmp_path / family, family, head=head)), head=head)
        _, ran = watched(loaded, batch(4, targets=(4,) if head == "seq2seq" else ()), full=True)
        with torch.inference_mode():
            plain = loaded.model.get_output_embeddings()(ran.last)
        assert ran.logits is not None
        assert (plain - ran.logits).abs().max() > 0.01


def test_a_head_that_looks_at_all_positions_is_not_run_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save_tiny(tmp_path / "gpt2", "gpt2", head="language-model")
    library: Any = __import__("transformers").models.gpt2.modeling_gpt2.GPT2LMHeadModel
    forward = library.forward

    def centred(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = forward(self, *args, **kwargs)
        result.logits = result.logits - result.logits.mean(1, keepdim=True)
        return result

    monkeypatch.setattr(library, "forward", centred)
    loaded = load(str(folder), head="language-model")
    assert loaded.head == "language-model" and loaded.logits is None


@pytest.mark.parametrize("family", ["bert", "modernbert", "deberta-v2", "gpt2", "t5", "xlnet"])
def test_a_head_that_labels_tokens(family: str, tmp_path: Path) -> None:
    head: HeadKind = "token-classification"
    folder = tiny.save_tiny(tmp_path / family, family, head=head, labels=LABELS)
    loaded = load(str(folder), head=head)
    assert (loaded.head, loaded.labels, loaded.masked) == (head, LABELS, False)
    assert loaded.logits is None and loaded.sides == ("text",)
    inputs = batch(6, 4)
    with torch.no_grad():
        expected = loaded.model(**inputs).logits
    found, ran = watched(loaded, inputs, full=True)
    assert ran.logits is not None and ran.logits.shape == (2, 6, 3)
    torch.testing.assert_close(ran.logits, expected, rtol=0, atol=1e-5)
    bare = load(str(folder))
    assert bare.head is None and bare.labels == ()
    again, _ = watched(bare, inputs)
    assert again.states.keys() == found.states.keys()
    for place, states in found.states.items():
        torch.testing.assert_close(again.states[place], states, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "llama", "gpt2", "deberta-v2", "bart"])
def test_a_head_that_labels_texts(family: str, tmp_path: Path) -> None:
    head: HeadKind = "sequence-classification"
    folder = tiny.save_tiny(tmp_path / family, family, head=head, labels=("no", "yes"))
    loaded = load(str(folder), head=head)
    assert (loaded.head, loaded.labels) == (head, ("no", "yes"))
    inputs = batch(6, 4)
    if family == "bart":  # it looks for the end of a text, and its decoder reads the text again
        inputs["input_ids"][0, 5] = inputs["input_ids"][1, 3] = loaded.model.config.eos_token_id
        inputs["decoder_input_ids"] = inputs["input_ids"]
        inputs["decoder_attention_mask"] = inputs["attention_mask"]
    inputs["input_ids"][1, 4:] = loaded.pad_id
    _, ran = watched(loaded, inputs, full=True)
    assert ran.logits is not None and ran.logits.shape == (2, 2)
    single = {name: ids[1:, :4] for name, ids in inputs.items()}
    _, one = watched(loaded, single, full=True)
    assert one.logits is not None
    torch.testing.assert_close(ran.logits[1], one.logits[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("saved", "asked"),
    [
        (None, "language-model"),
        ("language-model", "token-classification"),
        ("token-classification", "sequence-classification"),
        ("sequence-classification", "language-model"),
        ("language-model", "seq2seq"),
    ],
)
def test_a_head_that_the_checkpoint_lacks_is_not_made_up(
    saved: HeadKind | None, asked: HeadKind, tmp_path: Path
) -> None:
    folder = tiny.save_tiny(tmp_path / "bert", "bert", head=saved)
    loaded = load(str(folder), head=asked)
    assert loaded.head is None and type(loaded.model).__name__ == "BertModel"
    assert loaded.labels == () and loaded.logits is None


def test_xlnet_sees_what_it_would_predict(tmp_path: Path) -> None:
    """Its language model needs masks of its own: without them it reads off the answer."""
    folder = tiny.save_tiny(tmp_path / "xlnet", "xlnet", head="language-model")
    loaded = load(str(folder), head="language-model")
    assert loaded.head is None


@pytest.mark.parametrize("head", ["token-classification", "language-model"])
def test_a_head_without_its_weights_is_an_error(head: HeadKind, tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "roberta", "roberta", head=head)
    path = folder / "model.safetensors"
    gone = {"token-classification": "classifier.weight", "language-model": "lm_head.dense.weight"}
    weights = {name: x for name, x in load_file(path).items() if name != gone[head]}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ExtractError, match=rf"lacks 1 of the weights.*{gone[head]}"):
        load(str(folder), head=head)
    assert load(str(folder)).head is None


def test_a_pooler_matters_only_to_a_head(tmp_path: Path) -> None:
    head: HeadKind = "sequence-classification"
    folder = tiny.save_tiny(tmp_path / "bert", "bert", head=head, labels=("a", "b"))
    path = folder / "model.safetensors"
    weights = {name: x for name, x in load_file(path).items() if "pooler" not in name}
    save_file(weights, path, metadata={"format": "pt"})
    assert load(str(folder)).head is None
    with pytest.raises(ExtractError, match=r"lacks 2 of the weights.*pooler"):
        load(str(folder), head=head)


@pytest.mark.parametrize("family", ["marian", "t5", "bart"])
def test_a_writers_layers_are_the_same_without_its_head(family: str, tmp_path: Path) -> None:
    """Marian's positions are computed, not saved: they must be there all the same."""
    folder = tiny.save_tiny(tmp_path / family, family, head="seq2seq")
    inputs = batch(6, 4, targets=two(family))
    with_head, ran = watched(load(str(folder), head="seq2seq"), inputs, full=True)
    without, bare = watched(load(str(folder)), inputs)
    torch.testing.assert_close(bare.last, ran.last, rtol=0, atol=1e-6)
    for place, maps in with_head.maps.items():
        torch.testing.assert_close(without.maps[place], maps, rtol=0, atol=1e-6)
