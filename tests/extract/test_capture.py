"""Captured attention is eager attention, a batch is its examples, padding never counts."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    BertModel,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
)

from extract.capture import own_eager_attention, watching
from extract.errors import ExtractError
from extract.models import describe

from .conftest import LAYERS, make_bert


class Keep:
    """A tap that keeps copies of all it sees."""

    def __init__(self) -> None:
        self.maps: list[torch.Tensor] = []
        self.states: list[torch.Tensor] = []

    def attention(self, layer: int, weights: torch.Tensor) -> None:
        assert layer == len(self.maps)
        self.maps.append(weights.clone())

    def hidden(self, layer: int, states: torch.Tensor) -> None:
        assert layer == len(self.states)
        self.states.append(states.clone())


def make_gpt2() -> Any:
    torch.manual_seed(1)
    size: dict[str, Any] = {
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 2,
        "vocab_size": 80,
        "n_positions": 64,
    }
    model: Any = GPT2Model(GPT2Config(**size, initializer_range=0.6))
    return model.eval()


def make_llama() -> Any:
    torch.manual_seed(2)
    model: Any = LlamaModel(
        LlamaConfig(
            vocab_size=80,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.6,
        )
    )
    return model.eval()


MAKERS: dict[str, Any] = {"bert": make_bert, "gpt2": make_gpt2, "llama": make_llama}


def batch(*lengths: int) -> dict[str, torch.Tensor]:
    """Random tokens, padded on the right with zeros."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(4, 80, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def captured(model: Any, inputs: dict[str, torch.Tensor]) -> Keep:
    keep = Keep()
    with watching(model, model.config.num_hidden_layers) as watch:
        last = watch.run(inputs, keep)
    assert torch.equal(last, keep.states[-1])
    return keep


@pytest.mark.parametrize("family", MAKERS)
def test_captured_equals_eager(family: str) -> None:
    model = MAKERS[family]()
    reference = copy.deepcopy(model)
    reference.set_attn_implementation("eager")
    inputs = batch(9, 5, 1)
    with torch.no_grad():
        expected = reference(**inputs, output_attentions=True, output_hidden_states=True)
    found = captured(model, inputs)
    assert len(found.maps) == len(expected.attentions)
    for mine, theirs in zip(found.maps, expected.attentions, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)
    assert len(found.states) == len(expected.hidden_states)
    for mine, theirs in zip(found.states, expected.hidden_states, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", MAKERS)
def test_a_batch_is_its_examples_and_padding_never_counts(family: str) -> None:
    model = MAKERS[family]()
    lengths = (9, 5, 2)
    inputs = batch(*lengths)
    together = captured(model, inputs)
    for row, n in enumerate(lengths):
        alone = captured(model, {name: x[row : row + 1, :n] for name, x in inputs.items()})
        for mine, single in zip(together.maps, alone.maps, strict=True):
            torch.testing.assert_close(mine[row, :, :n, :n], single[0], rtol=0, atol=5e-6)
            assert not mine[row, :, :n, n:].any()
            sums = mine[row, :, :n, :n].sum(-1)
            torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
        for mine, single in zip(together.states, alone.states, strict=True):
            torch.testing.assert_close(mine[row, :n], single[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_decoder_sees_nothing_after_itself_and_reports_query_heads(family: str) -> None:
    model = MAKERS[family]()
    found = captured(model, batch(7, 4))
    for maps in found.maps:
        assert maps.shape[1] == model.config.num_attention_heads
        assert not maps.triu(1).any() and maps.tril().any()


def test_nothing_is_left_behind(bert: BertModel) -> None:
    names = set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)
    before = bert.config._attn_implementation
    hooks = [len(module._forward_pre_hooks) for module in bert.modules()]
    with pytest.raises(RuntimeError, match="stop"), watching(bert, LAYERS):
        assert bert.config._attn_implementation != before
        raise RuntimeError("stop")
    assert bert.config._attn_implementation == before
    assert [len(module._forward_pre_hooks) for module in bert.modules()] == hooks
    after = set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)
    assert after == names


def test_one_layer_is_alive_at_a_time(bert: BertModel) -> None:
    alive: list[Any] = []
    most = 0

    class Count:
        def attention(self, layer: int, weights: torch.Tensor) -> None:
            nonlocal most
            gc.collect()
            alive.append(weakref.ref(weights))
            most = max(most, sum(ref() is not None for ref in alive))

        def hidden(self, layer: int, states: torch.Tensor) -> None:
            pass

    with watching(bert, LAYERS) as watch:
        watch.run(batch(6, 6), Count())
    assert len(alive) == LAYERS and most == 1


def test_a_wrong_number_of_layers_is_an_error(bert: BertModel) -> None:
    with (
        watching(bert, LAYERS + 1) as watch,
        pytest.raises(ExtractError, match="ran 3 attention layers"),
    ):
        watch.run(batch(4), Keep())


def test_a_model_without_the_interface_is_refused() -> None:
    with pytest.raises(ExtractError, match="Linear does not go through"):
        own_eager_attention(torch.nn.Linear(2, 2))


def test_causality_is_found_by_looking(tokenizer: PreTrainedTokenizerFast, bert: BertModel) -> None:
    assert not describe(bert, tokenizer, "b").causal
    loaded = describe(make_gpt2(), tokenizer, "g")
    assert loaded.causal and loaded.kinds[0].causal
    assert (loaded.info.layers, loaded.info.heads, loaded.info.hidden_size) == (2, 2, 16)


def test_what_a_file_says_of_model_and_tokenizer(
    tokenizer: PreTrainedTokenizerFast, bert: BertModel
) -> None:
    loaded = describe(bert, tokenizer, "tiny")
    assert loaded.tokens.special == ("[CLS]", "[SEP]")
    assert (loaded.tokens.separator, loaded.tokens.continuation) == ("[SEP]", "##")
    assert loaded.tokens.word_start == ""
    assert (loaded.info.architecture, loaded.info.dtype) == ("BertModel", "float32")
    assert loaded.max_length == 64
    assert set(loaded.info.versions) >= {"torch", "transformers", "openTSNE", "numpy"}
