"""Norms of values against a computation in float64 from the weights and hidden states alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from extract.models import describe

from . import tiny
from .watched import asked, batch, watched

TEXTS = (9, 5)


def norms(
    states: torch.Tensor,
    value: tuple[torch.Tensor, torch.Tensor | float],
    output: torch.Tensor,
    heads: int,
) -> torch.Tensor:
    """‖(x W_V + b_V) W_O‖ by a loop over heads: [batch, tokens, width] → [batch, heads, tokens].

    Args:
        states: what the value projection is given.
        value: its matrix [width, key heads · head width] and bias.
        output: the output projection's matrix, [heads · head width, width].
        heads: query heads.
    """
    weight, bias = value
    made = states.double() @ weight.double() + bias
    each = output.shape[0] // heads
    groups = weight.shape[1] // each
    found = []
    for head in range(heads):
        group = head // (heads // groups)
        part = made[..., group * each : (group + 1) * each]
        found.append((part @ output[head * each : (head + 1) * each].double()).norm(dim=-1))
    return torch.stack(found, 1)


def bert(model: Any, result: Any, layer: int) -> torch.Tensor:
    attention = model.encoder.layer[layer].attention
    value = attention.self.value
    states = result.hidden_states[layer]
    output = attention.output.dense.weight.T
    return norms(states, (value.weight.T, value.bias.double()), output, tiny.HEADS)


def gpt2(model: Any, result: Any, layer: int) -> torch.Tensor:
    block = model.h[layer]
    states = block.ln_1(result.hidden_states[layer])
    weight, bias = block.attn.c_attn.weight, block.attn.c_attn.bias
    value = (weight[:, 2 * tiny.WIDTH :], bias[2 * tiny.WIDTH :].double())
    return norms(states, value, block.attn.c_proj.weight, tiny.HEADS)


def llama(model: Any, result: Any, layer: int) -> torch.Tensor:
    one = model.layers[layer]
    states = one.input_layernorm(result.hidden_states[layer])
    attention = one.self_attn
    return norms(states, (attention.v_proj.weight.T, 0.0), attention.o_proj.weight.T, tiny.HEADS)


@pytest.mark.parametrize(("family", "compute"), [("bert", bert), ("gpt2", gpt2), ("llama", llama)])
def test_norms_of_one_stack(family: str, compute: Callable[[Any, Any, int], torch.Tensor]) -> None:
    model = tiny.tiny_model(family)
    reference = copy.deepcopy(model)
    loaded = describe(model, tiny.tokenizer_of(family), family)
    inputs = batch(*TEXTS)
    found, _ = watched(loaded, inputs, values=True)
    result = asked(reference, inputs)
    assert len(found.norms) == tiny.LAYERS and loaded.value_norms
    for layer in range(tiny.LAYERS):
        mine = found.norms["self", layer]
        with torch.no_grad():
            theirs = compute(reference, result, layer)
        assert mine.shape == (2, tiny.HEADS, TEXTS[0]) and float(theirs.min()) > 0
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-6)


def test_norms_of_an_encoder_decoder() -> None:
    model = tiny.tiny_model("t5")
    reference = copy.deepcopy(model)
    loaded = describe(model, tiny.tokenizer_of("t5"), "t5")
    inputs = batch(*TEXTS, targets=(4, 3))
    found, _ = watched(loaded, inputs, values=True)
    result = asked(reference, inputs)
    expected = {}
    for layer, block in enumerate(reference.encoder.block):
        states = block.layer[0].layer_norm(result.encoder_hidden_states[layer])
        expected["encoder", layer] = (states, block.layer[0].SelfAttention)
    for layer, block in enumerate(reference.decoder.block):
        states = block.layer[0].layer_norm(result.decoder_hidden_states[layer])
        expected["decoder", layer] = (states, block.layer[0].SelfAttention)
        expected["cross", layer] = (
            result.encoder_last_hidden_state,
            block.layer[1].EncDecAttention,
        )
    assert found.norms.keys() == expected.keys()
    for place, (states, attention) in expected.items():
        with torch.no_grad():
            theirs = norms(states, (attention.v.weight.T, 0.0), attention.o.weight.T, tiny.HEADS)
        torch.testing.assert_close(found.norms[place].double(), theirs, rtol=1e-5, atol=1e-6)


def test_heads_and_their_norms_add_up_to_the_attention_blocks_output() -> None:
    """Σ_h Σ_j A_hij f_h(x_j) is what the block adds: so f_h is the vector whose norm is meant."""
    model = tiny.tiny_model("bert")
    attention = model.encoder.layer[0].attention
    inputs = batch(6)
    found, _ = watched(describe(model, tiny.tokenizer_of("bert"), "b"), inputs)
    states = found.states["text", 0].double()
    value, output = attention.self.value, attention.output.dense
    with torch.no_grad():
        made = states @ value.weight.T.double() + value.bias.double()
        parts = torch.einsum(
            "bhqk,bkhd,hdo->bqo",
            found.maps["self", 0].double(),
            made.unflatten(-1, (tiny.HEADS, -1)),
            output.weight.T.double().unflatten(0, (tiny.HEADS, -1)),
        )
        whole = parts + output.bias.double() + states
        expected = attention(found.states["text", 0], None)[0].double()
        mine = torch.nn.functional.layer_norm(
            whole,
            whole.shape[-1:],
            attention.output.LayerNorm.weight.double(),
            attention.output.LayerNorm.bias.double(),
            attention.output.LayerNorm.eps,
        )
    torch.testing.assert_close(mine, expected, rtol=0, atol=1e-5)


def test_none_are_shown_unless_asked_for() -> None:
    loaded = describe(tiny.tiny_model("bert"), tiny.tokenizer_of("bert"), "b")
    found, _ = watched(loaded, batch(4))
    assert not found.norms


def test_a_gate_before_the_projection_leaves_no_norms() -> None:
    """What a gate does to values depends on the query: no number per key would be true."""
    model = tiny.tiny_model("llama")

    class Gated(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.inner(states * states.sigmoid())
            return found

    for layer in model.layers:
        layer.self_attn.o_proj = Gated(layer.self_attn.o_proj)
    loaded = describe(model, tiny.tokenizer_of("llama"), "gated")
    assert not loaded.value_norms
    found, _ = watched(loaded, batch(4), values=True)
    assert found.maps and not found.norms


@pytest.mark.parametrize("family", tiny.EAGER)
def test_none_without_the_interface(family: str) -> None:
    loaded = describe(tiny.tiny_model(family), tiny.tokenizer_of(family), family)
    assert not loaded.value_norms
