"""Watching leaves no trace, blocks are small and come in order, and what is odd is refused."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface, BertModel

from extract.errors import ExtractError
from extract.models import LoadedModel, blocks, describe
from extract.models.anatomy import anatomy_of
from extract.models.blocks import attend, cut, own_eager_attention
from extract.models.capture import Block, watching, watching_parts
from extract.models.loading import HeadClass, HeadKind
from extract.models.probe import Probed

from . import tiny
from .conftest import LAYERS
from .watched import Keep, asked, batch, watched


def make(family: str, **options: Any) -> LoadedModel:
    """A tiny model, ready to run."""
    return describe(tiny.tiny_model(family, **options), tiny.tokenizer_of(family), family)


@pytest.mark.parametrize("family", ["bert", "llama", "t5", "deberta-v2"])
def test_nothing_is_left_behind(family: str) -> None:
    model = tiny.tiny_model(family)
    loaded = describe(model, tiny.tokenizer_of(family), family)
    names = set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)
    parts = [model, *(part for part in model.modules() if hasattr(part, "config"))]

    def state() -> list[Any]:
        settings = [
            (part.config._attn_implementation, getattr(part.config, "use_cache", None))
            for part in parts
        ]
        hooks = [(len(m._forward_pre_hooks), len(m._forward_hooks)) for m in model.modules()]
        return [settings, hooks, [sorted(m.__dict__) for m in model.modules()]]

    before = copy.deepcopy(state())
    with pytest.raises(RuntimeError, match="stop"), watching(loaded, values=True):
        assert state() != before
        raise RuntimeError("stop")
    assert state() == before
    after = set(AttentionInterface._global_mapping), set(AttentionMaskInterface._global_mapping)
    assert after == names


def test_one_block_is_alive_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "CPU_BYTES", 1)
    monkeypatch.setattr(blocks, "MIN_ROWS", 2)
    alive: list[Any] = []
    most = 0

    class Count(Keep):
        def attention(self, block: Block) -> None:
            nonlocal most
            gc.collect()
            alive.append(weakref.ref(block.weights))
            most = max(most, sum(ref() is not None for ref in alive))

        def layer(self, kind: str, layer: int) -> None:
            pass

    loaded = make("bert")
    with watching(loaded) as watch:
        watch.run(batch(6, 6), Count())
    assert len(alive) == tiny.LAYERS * 2 * 3 and most == 1


def test_long_texts_come_in_blocks_of_bounded_size() -> None:
    loaded = make("llama", max_position_embeddings=4096)
    sizes = []

    class Measure(Keep):
        def attention(self, block: Block) -> None:
            sizes.append(block.weights.numel() * block.weights.element_size())
            assert block.weights.shape[1:] == (tiny.HEADS, sizes_of(block.rows), 1000)

        def layer(self, kind: str, layer: int) -> None:
            pass

    def sizes_of(rows: slice) -> int:
        return int(rows.stop - rows.start)

    with watching(loaded) as watch:
        watch.run(batch(1000), Measure())
    assert max(sizes) <= blocks.CPU_BYTES
    assert sum(sizes) == tiny.LAYERS * tiny.HEADS * 1000 * 1000 * 4


@pytest.mark.parametrize(
    ("examples", "queries", "row_bytes", "expected"),
    [
        (4, 8, 1, [(0, 4, 0, 8)]),  # all fits
        (5, 10, 10, [(0, 3, 0, 10), (3, 5, 0, 10)]),  # some examples at a time, evenly
        (2, 7, 100, [(0, 1, 0, 4), (0, 1, 4, 7), (1, 2, 0, 4), (1, 2, 4, 7)]),
        (1, 7, 10**6, [(0, 1, 0, 2), (0, 1, 2, 4), (0, 1, 4, 6), (0, 1, 6, 7)]),
    ],
)
def test_blocks_are_cut_evenly_examples_outside_and_rows_inside(
    examples: int,
    queries: int,
    row_bytes: int,
    expected: list[tuple[int, int, int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "CPU_BYTES", 400)
    monkeypatch.setattr(blocks, "MIN_ROWS", 2)
    found = cut(examples, queries, row_bytes, torch.device("cpu"))
    assert [(e.start, e.stop, r.start, r.stop) for e, r in found] == expected


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("masked", ["no", "one row", "per head", "one example"])
def test_slices_equal_the_whole_with_any_mask_and_bias(
    groups: int, masked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a float64 softmax by hand; the function's own arguments are sliced like the mask."""
    monkeypatch.setattr(blocks, "CPU_BYTES", 1)
    monkeypatch.setattr(blocks, "MIN_ROWS", 3)
    generator = torch.Generator().manual_seed(1)
    b, h, q, k, d = 2, 4, 7, 9, 3

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    query, key, value = (
        random(b, h, q, d),
        random(b, h // groups, k, d),
        random(b, h // groups, k, d),
    )
    shapes = {"one row": (b, 1, 1, k), "per head": (b, h, q, k), "one example": (1, 1, q, k)}
    mask = random(*shapes[masked]) * 3 if masked in shapes else None
    bias = random(1, h, q, k)

    class Module(torch.nn.Module):
        num_key_value_groups = groups

    def eager(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        bias: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        repeats = module.num_key_value_groups
        key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
        scores = query @ key.mT + bias + (0 if mask is None else mask)
        weights = scores.softmax(-1)
        return (weights @ value).transpose(1, 2), weights

    seen = torch.zeros(b, h, q, k, dtype=torch.float64)

    def show(
        examples: slice,
        rows: slice,
        weights: torch.Tensor,
        part: torch.Tensor | None,
        scores: torch.Tensor | None,
    ) -> None:
        assert (part is None) == (mask is None)
        assert scores is not None
        torch.testing.assert_close(scores.softmax(-1), weights)
        seen[examples, :, rows] = weights

    module = Module()
    output = attend(eager, module, query, key, value, mask, {"bias": bias}, show)
    expected, weights = eager(module, query, key, value, mask, bias)
    torch.testing.assert_close(seen, weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    assert module.num_key_value_groups == groups


def test_a_run_with_other_layers_is_an_error(bert: BertModel) -> None:
    loaded = describe(bert, tiny.tokenizer_of("bert"), "b")
    known = loaded.probed
    calls = {side: count + 1 for side, count in known.calls.items()}
    wrong = Probed(calls, known.heads, known.causal, known.width, {}, None)
    with (
        watching_parts(loaded.anatomy, wrong) as watch,
        pytest.raises(ExtractError, match=rf"'self': {LAYERS}.*expected .*'self': {LAYERS + 1}"),
    ):
        watch.run(batch(4), Keep())


def test_what_has_no_eager_attention_is_known() -> None:
    assert own_eager_attention(torch.nn.Linear(2, 2)) is None
    model = tiny.tiny_model("bert")
    module = model.encoder.layer[0].attention.self
    function = own_eager_attention(module)
    assert function is not None and function.__module__ == type(module).__module__


def test_layers_that_do_not_attend_are_refused() -> None:
    model = tiny.tiny_model("bert")

    class Skips(torch.nn.Module):
        def forward(self, states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, None]:
            return states, None

    model.encoder.layer[1].attention = Skips()
    with pytest.raises(ExtractError, match="BertModel has 2 layers and attends in 1 of them"):
        describe(model, tiny.tokenizer_of("bert"), "b")


def test_layers_with_different_heads_are_refused() -> None:
    model = tiny.tiny_model("bert")
    other = tiny.tiny_model("bert", num_attention_heads=2)
    model.encoder.layer[1] = other.encoder.layer[1]
    for part in model.encoder.layer[1].modules():
        if hasattr(part, "config"):
            part.config = model.config
    with pytest.raises(ExtractError, match="different numbers of heads"):
        describe(model, tiny.tokenizer_of("bert"), "b")


def test_a_model_that_only_says_it_uses_the_interface_falls_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny.tiny_model("deberta-v2")
    reference = copy.deepcopy(model)
    monkeypatch.setattr(type(model), "_can_set_attn_implementation", classmethod(lambda _: True))
    assert anatomy_of(model).interface
    loaded = describe(model, tiny.tokenizer_of("deberta-v2"), "d")
    assert loaded.info.attention == "eager" and not loaded.anatomy.interface
    monkeypatch.undo()
    found, _ = watched(loaded, batch(6))
    result = asked(reference, batch(6))
    for layer, theirs in enumerate(result.attentions):
        assert torch.equal(found.maps["self", layer], theirs)


def test_causality_is_found_by_looking() -> None:
    assert not make("bert").causal
    assert make("bert", is_decoder=True).causal
    assert make("gpt2").causal


def test_keys_are_not_kept_for_writing() -> None:
    """A cache of every layer's keys and values would be alive at the end of a long text."""
    loaded = make("llama")
    assert loaded.model.config.use_cache
    caches = []
    handle = loaded.model.register_forward_hook(
        lambda _module, _args, output: caches.append(output.past_key_values)
    )
    watched(loaded, batch(5))
    handle.remove()
    assert caches == [None] and loaded.model.config.use_cache


@pytest.mark.parametrize(("family", "head"), [("gpt2", "language-model"), ("t5", "seq2seq")])
def test_a_watched_model_writes_what_it_writes_unwatched(family: str, head: HeadKind) -> None:
    # transformers 5.23 cannot write with a T5 whose decoder is deeper than its encoder
    depth = {"num_decoder_layers": tiny.LAYERS} if family == "t5" else {}
    model = tiny.tiny_model(family, head=head, **depth)
    loaded = describe(
        model, tiny.tokenizer_of(family), family, head=head, loaded_as=HeadClass("of the test")
    )
    inputs = batch(6)

    def written() -> list[list[int]]:
        found = model.generate(**inputs, max_new_tokens=5, do_sample=False)
        return found.tolist()  # type: ignore[no-any-return]

    alone = written()
    with watching(loaded) as watch:
        watch.run(batch(4, targets=(3,) if family == "t5" else ()), Keep())
        assert written() == alone
        watch.run(batch(4, targets=(3,) if family == "t5" else ()), Keep())
    assert len(alone[0]) > 2
