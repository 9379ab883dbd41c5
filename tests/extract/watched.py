"""What a tap is shown, kept whole: for tests that compare it with what a model gives when asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from extract.models import LoadedModel
from extract.models.capture import Block, Ran, watching


class Keep:
    """A tap that puts blocks together again, and checks that they come in order.

    Attributes:
        maps: weights [batch, heads, queries, keys] by kind and layer.
        seen: bool of the same shape, whether a key may be seen; by kind and layer.
        states: hidden states by side and layer.
        norms: of values, by kind and layer.
        blocks: number of blocks by kind and layer.
    """

    def __init__(self) -> None:
        self.maps: dict[tuple[str, int], torch.Tensor] = {}
        self.seen: dict[tuple[str, int], torch.Tensor] = {}
        self.states: dict[tuple[str, int], torch.Tensor] = {}
        self.norms: dict[tuple[str, int], torch.Tensor] = {}
        self.blocks: dict[tuple[str, int], int] = {}
        self._open: list[Block] = []

    def attention(self, block: Block) -> None:
        assert all((one.kind, one.layer) == (block.kind, block.layer) for one in self._open)
        self._open.append(
            Block(
                block.kind,
                block.layer,
                block.examples,
                block.rows,
                block.weights.clone(),
                None if block.mask is None else block.mask.clone(),
            )
        )

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        assert (kind, layer) not in self.norms
        self.norms[kind, layer] = norms.clone()

    def layer(self, kind: str, layer: int) -> None:
        blocks, self._open = self._open, []
        assert (kind, layer) not in self.maps and blocks
        places = [(one.examples.start, one.rows.start) for one in blocks]
        assert places == sorted(places)
        last, first = blocks[-1], blocks[0]
        shape = (last.examples.stop, first.weights.shape[1], last.rows.stop)
        maps = torch.full((*shape, first.weights.shape[3]), torch.nan, dtype=first.weights.dtype)
        seen = torch.ones(maps.shape, dtype=torch.bool)
        for one in blocks:
            maps[one.examples, :, one.rows] = one.weights
            if one.mask is not None:
                examples, _, rows, keys = one.weights.shape
                assert one.mask.shape in {
                    (examples, heads, rows, keys) for heads in (1, first.weights.shape[1])
                }
                seen[one.examples, :, one.rows] = one.mask == 0
        self.maps[kind, layer], self.seen[kind, layer] = maps, seen
        self.blocks[kind, layer] = len(blocks)

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        assert (side, layer) not in self.states
        self.states[side, layer] = states.clone()


def watched(
    loaded: LoadedModel,
    inputs: dict[str, torch.Tensor],
    *,
    full: bool = False,
    values: bool = False,
) -> tuple[Keep, Ran]:
    """Runs a model once and keeps all that a tap is shown."""
    keep = Keep()
    with watching(loaded, values=values) as watch:
        ran = watch.run(inputs, keep, full=full)
    return keep, ran


def batch(
    *lengths: int, targets: Sequence[int] = (), lowest: int = 8, highest: int = 60
) -> dict[str, torch.Tensor]:
    """Random tokens, padded on the right with zeros.

    Args:
        lengths: of the texts, or of the sources.
        targets: lengths of the targets, for encoder-decoders.
        lowest, highest: range of the tokens' numbers, without special ones.
    """
    generator = torch.Generator().manual_seed(5)
    inputs: dict[str, torch.Tensor] = {}
    for sizes, before in ((lengths, ""), (targets, "decoder_")):
        if not sizes:
            continue
        ids = torch.randint(lowest, highest, (len(sizes), max(sizes)), generator=generator)
        mask = (torch.arange(max(sizes))[None, :] < torch.tensor(list(sizes))[:, None]).long()
        inputs |= {f"{before}input_ids": ids * mask, f"{before}attention_mask": mask}
    return inputs


def alone(inputs: dict[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    """One example of a batch, without its padding."""
    found = {}
    for before in ("", "decoder_"):
        if f"{before}input_ids" in inputs:
            n = int(inputs[f"{before}attention_mask"][row].sum())
            for name in (f"{before}input_ids", f"{before}attention_mask"):
                found[name] = inputs[name][row : row + 1, :n]
    return found


def asked(model: Any, inputs: dict[str, torch.Tensor]) -> Any:
    """The output of a model with eager attention that is asked for all it has.

    Args:
        model: a copy that is used for nothing else.
        inputs: its keyword arguments.
    """
    if model._can_set_attn_implementation():
        model.set_attn_implementation("eager")
    with torch.no_grad():
        return model(**inputs, output_attentions=True, output_hidden_states=True)
