"""Every family: captured attention is eager attention, a batch is its examples, rows sum to one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from extract.data.encoding import encode
from extract.errors import ExtractError
from extract.models import LoadedModel, blocks, describe, load
from extract.running.batches import model_inputs
from extract.tasks.base import Placed

from . import tiny
from .watched import Keep, alone, asked, batch, watched

FAMILIES = tiny.FAMILIES
WINDOWS = {"mistral": 4, "gemma2": 4, "gemma3": 4}
"""Most tokens that a row of a layer with a sliding window sees."""
LENGTHS, TARGETS = (12, 9, 1), (7, 4, 2)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one example and a few rows, as they are with long texts."""
    monkeypatch.setattr(blocks, "CPU_BYTES", 700)
    monkeypatch.setattr(blocks, "MIN_ROWS", 2)


def make(family: str, **options: Any) -> LoadedModel:
    """A tiny model, ready to run."""
    return describe(tiny.tiny_model(family, **options), tiny.tokenizer_of(family), family)


def inputs_of(family: str) -> dict[str, torch.Tensor]:
    """A batch of texts of different lengths."""
    return batch(*LENGTHS, targets=TARGETS if family in tiny.SEQ2SEQ else ())


def expected(family: str, result: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Attention by kind and layer, and hidden states by side and layer, as the model gives them."""
    maps = {"self": "attentions"}
    states = {"text": "hidden_states"}
    if family in tiny.SEQ2SEQ:
        maps = {
            "encoder": "encoder_attentions",
            "decoder": "decoder_attentions",
            "cross": "cross_attentions",
        }
        states = {"source": "encoder_hidden_states", "target": "decoder_hidden_states"}
    return (
        {(kind, i): x for kind, name in maps.items() for i, x in enumerate(getattr(result, name))},
        {
            (side, i): x
            for side, name in states.items()
            for i, x in enumerate(getattr(result, name))
        },
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_captured_equals_eager(family: str) -> None:
    model = tiny.tiny_model(family)
    reference = copy.deepcopy(model)
    loaded = describe(model, tiny.tokenizer_of(family), family)
    inputs = inputs_of(family)
    found, ran = watched(loaded, inputs)
    result = asked(reference, inputs)
    maps, states = expected(family, result)
    assert found.maps.keys() == maps.keys()
    for place, theirs in maps.items():
        torch.testing.assert_close(found.maps[place], theirs, rtol=0, atol=1e-6)
        assert found.blocks[place] > 1
    assert found.states.keys() == states.keys()
    torch.testing.assert_close(ran.last, result.last_hidden_state, rtol=0, atol=1e-5)
    last = (loaded.sides[-1], loaded.layers_of[loaded.sides[-1]])
    if family == "opt":  # its last state is projected to another width, which layers do not have
        assert states.pop(last).shape[-1] == 8 and found.states[last].shape[-1] == tiny.WIDTH
    for place, theirs in states.items():
        torch.testing.assert_close(found.states[place], theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_is_uneven_enough_for_these_tests_to_mean_something(family: str) -> None:
    found, _ = watched(make(family), inputs_of(family))
    for maps in found.maps.values():
        row = maps[0, :, -1]
        assert row.std() > 0.03, row


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_sum_to_one_over_what_they_can_see(family: str) -> None:
    loaded, inputs = make(family), inputs_of(family)
    found, _ = watched(loaded, inputs)
    for kind in loaded.kinds:
        before = {side: "decoder_" if side == "target" else "" for side in loaded.sides}
        rows = inputs[f"{before[kind.queries]}attention_mask"].bool()
        keys = inputs[f"{before[kind.keys]}attention_mask"].bool()
        for layer in range(kind.layers):
            maps = found.maps[kind.name, layer]
            assert maps.shape[1] == kind.heads
            real = rows[:, None, :].expand(maps.shape[:3])
            visible = keys[:, None, None, :].expand(maps.shape)
            if kind.causal:
                visible = visible & torch.ones(maps.shape[-2:], dtype=torch.bool).tril()
            assert not maps.masked_fill(visible, 0.0)[real].any()
            sums = maps.sum(-1)[real]
            torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
            # the mask says what is seen: nothing else has weight, and all that is there is in it
            assert not maps.masked_fill(found.seen[kind.name, layer], 0.0)[real].any()
            assert not (found.seen[kind.name, layer] & ~visible)[real].any()
    causal = {kind.name: kind.causal for kind in loaded.kinds}
    if family in tiny.SEQ2SEQ:
        assert causal == {"encoder": False, "decoder": True, "cross": False}
    else:
        assert causal == {"self": family in tiny.CAUSAL}
    assert loaded.causal == (family in tiny.CAUSAL + tiny.SEQ2SEQ)


@pytest.mark.parametrize("family", WINDOWS)
def test_a_sliding_window_is_seen_and_said(family: str) -> None:
    loaded = make(family)
    found, _ = watched(loaded, batch(12))
    windowed = {"mistral": (0, 1), "gemma2": (0,), "gemma3": (0, 1)}[family]
    for layer in range(loaded.info.layers):
        seen = found.seen["self", layer][0, 0].sum(-1).tolist()
        most = WINDOWS[family] if layer in windowed else 12
        assert seen == [min(row + 1, most) for row in range(12)]
        outside = found.maps["self", layer][0, :, 11, : 12 - most]
        assert not outside.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_its_examples(family: str) -> None:
    loaded, inputs = make(family), inputs_of(family)
    together, _ = watched(loaded, inputs)
    for row in range(len(LENGTHS)):
        single, _ = watched(loaded, alone(inputs, row))
        _same(together, single, row)


def _same(together: Keep, single: Keep, row: int) -> None:
    for place, theirs in single.maps.items():
        queries, keys = theirs.shape[-2:]
        mine = together.maps[place][row]
        torch.testing.assert_close(mine[:, :queries, :keys], theirs[0], rtol=0, atol=5e-6)
        assert not mine[:, :queries, keys:].any()
    for place, theirs in single.states.items():
        mine = together.states[place][row, : theirs.shape[1]]
        torch.testing.assert_close(mine, theirs[0], rtol=0, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_says_what_it_is(family: str, tmp_path: Path) -> None:
    loaded = load(str(tiny.save_tiny(tmp_path / family, family)))
    info = loaded.info
    assert info.attention == ("eager" if family in tiny.EAGER else "interface")
    assert (info.name, info.dtype, info.hidden_size) == (family, "float32", tiny.WIDTH)
    layers = 3 if family in (*tiny.SEQ2SEQ, "gemma3", "modernbert") else tiny.LAYERS
    assert info.layers == layers == loaded.layers_of[loaded.side]
    assert loaded.head is None and loaded.labels == () and not loaded.masked
    assert loaded.value_norms == (family not in tiny.EAGER)
    if family in tiny.SEQ2SEQ:
        assert (loaded.sides, loaded.side) == (("source", "target"), "target")
        assert loaded.start_id == loaded.model.config.decoder_start_token_id
        source = load(str(tmp_path / family), side="source").info
        assert (source.layers, source.heads) == (tiny.LAYERS, tiny.HEADS)
    else:
        assert (loaded.sides, loaded.side, loaded.start_id) == (("text",), "text", None)


TEXTS = ("The trophy, and the suit too", "It", "because they, and he")


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "deberta-v2"])
def test_the_tokenizers_padding_side_changes_nothing(family: str) -> None:
    found = []
    for side in ("left", "right"):
        loaded = make(family)
        loaded.tokenizer.padding_side = side
        encoded = encode(loaded.tokenizer, TEXTS, 64)
        placed = [Placed(str(i), TEXTS[i], one, None, ()) for i, one in enumerate(encoded)]
        inputs = model_inputs(loaded, placed)
        assert inputs["attention_mask"][1].tolist()[0] == 1
        found.append(watched(loaded, inputs)[0])
    left, right = found
    for place, theirs in right.maps.items():
        assert torch.equal(left.maps[place], theirs)


@pytest.mark.parametrize("family", ["bert", "llama", "gemma3", "t5", "marian", "deberta-v2"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near(family: str, dtype: str, tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / family, family)
    half = load(str(folder), dtype=dtype)
    assert half.info.dtype == dtype
    inputs = inputs_of(family)
    found, _ = watched(half, inputs)
    exact, _ = watched(load(str(folder)), inputs)
    first = (half.kinds[0].name, 0)
    assert found.maps[first].dtype == getattr(torch, dtype)
    n = LENGTHS[0]
    mine, theirs = found.maps[first][0].float(), exact.maps[first][0]
    torch.testing.assert_close(mine[:, :n], theirs[:, :n], rtol=0, atol=0.05)
    torch.testing.assert_close(mine.sum(-1), torch.ones(mine.shape[:2]), rtol=0, atol=0.02)


def test_a_family_that_cannot_compute_in_half_precision_is_told_so(tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "xlnet", "xlnet")
    with pytest.raises(ExtractError, match=r"XLNetModel.*float16 .*--dtype float32"):
        load(str(folder), dtype="float16")


def test_shared_layers_are_counted_one_by_one() -> None:
    loaded = make("albert")
    assert len(loaded.anatomy.stacks[0].layers) == 1 and loaded.info.layers == tiny.LAYERS
    found, _ = watched(loaded, batch(6))
    assert not torch.equal(found.maps["self", 0], found.maps["self", 1])


def test_grouped_keys_are_reported_per_query_head() -> None:
    loaded = make("llama")
    assert loaded.model.config.num_key_value_heads == 2 and loaded.info.heads == tiny.HEADS
    found, _ = watched(loaded, batch(6))
    heads = found.maps["self", 0][0]
    assert all(not torch.equal(heads[0], heads[h]) for h in range(1, tiny.HEADS))
