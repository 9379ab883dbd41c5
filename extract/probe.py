"""Running a few tokens through a model, to see what it is before it is relied on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .anatomy import CROSS, Anatomy
from .capture import Block, watching_parts
from .errors import ExtractError

TOKENS, TARGET_TOKENS = 5, 4


@dataclass(frozen=True)
class Probed:
    """What is known of a model after it has run.

    Attributes:
        calls: layers by side, and calls of attention by kind.
        heads: heads by kind.
        causal: by kind, whether no token sees one after it.
        width: size of a hidden state, by side.
    """

    calls: Mapping[str, int]
    heads: Mapping[str, int]
    causal: Mapping[str, bool]
    width: Mapping[str, int]


@dataclass
class _Look:
    """A tap that remembers shapes and whether any token sees one after it."""

    heads: dict[str, set[int]] = field(default_factory=dict)
    keys: dict[str, set[int]] = field(default_factory=dict)
    causal: dict[str, bool] = field(default_factory=dict)
    width: dict[str, set[int]] = field(default_factory=dict)
    error: float = 0.0

    def attention(self, block: Block) -> None:
        """Looks at weights."""
        weights, kind = block.weights, block.kind
        self.heads.setdefault(kind, set()).add(weights.shape[1])
        self.keys.setdefault(kind, set()).add(weights.shape[-1])
        sees = bool(weights.triu(1 + block.rows.start).any())
        self.causal[kind] = self.causal.get(kind, True) and not sees
        self.error = max(self.error, float((weights.float().sum(-1) - 1).abs().max()))

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        """Does not matter here."""

    def layer(self, kind: str, layer: int) -> None:
        """Does not matter here."""

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        """Looks at the width."""
        self.width.setdefault(side, set()).add(states.shape[-1])


def probe(anatomy: Anatomy, device: torch.device) -> Probed:
    """Runs a few tokens, which also proves that attention can be captured.

    Raises:
        ExtractError: it cannot, or is nothing that could be shown as one map per head.
    """
    look = _Look()
    with watching_parts(anatomy, None) as watch:
        watch.run(inputs_of(anatomy, device), look)
        calls = watch.calls
    name = type(anatomy.model).__name__
    for stack in anatomy.stacks:
        counts = {kind: calls.get(kind, 0) for kind in stack.kinds}
        if set(counts.values()) != {calls.get(stack.side, 0)}:
            raise ExtractError(
                f"{name} ran {sum(counts.values())} attention layers in {calls.get(stack.side, 0)} "
                "layers; models with layers that do not attend are not supported."
            )
    for kind, sizes in look.heads.items():
        keys = TARGET_TOKENS if kind not in (CROSS, *anatomy.kinds[:1]) else TOKENS
        if look.keys[kind] != {keys}:
            raise ExtractError(f"The attention of {name} is not over the tokens of a text.")
        if len(sizes) != 1:
            raise ExtractError(
                f"{name} has layers with different numbers of heads, which is not supported."
            )
    if not look.error < 0.05:
        raise ExtractError(why_not_one(anatomy.model))
    return Probed(
        calls=calls,
        heads={kind: next(iter(sizes)) for kind, sizes in look.heads.items()},
        causal={kind: causal and kind != CROSS for kind, causal in look.causal.items()},
        width={side: max(sizes) for side, sizes in look.width.items()},
    )


def inputs_of(anatomy: Anatomy, device: torch.device) -> dict[str, torch.Tensor]:
    """A few tokens as a model takes them."""
    known = anatomy.model.get_input_embeddings().num_embeddings
    ids = torch.arange(TOKENS, device=device)[None] % known
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if anatomy.encoder_decoder:
        target = ids[:, :TARGET_TOKENS]
        inputs |= {
            "decoder_input_ids": target,
            "decoder_attention_mask": torch.ones_like(target),
        }
    return inputs


def why_not_one(model: Any) -> str:
    """Why rows of attention do not sum to one, as far as can be known."""
    kind = type(model).__name__
    # "sinks", "sink_proj": transformers' names for what takes part in the softmax and is no token
    if any("sink" in name for name, _ in model.named_parameters()):
        return (
            f"{kind} gives part of its attention to a sink, which is no token of the text, so that "
            "its rows do not sum to one; such models are not supported."
        )
    return f"The attention weights of {kind} do not sum to one over the tokens of a text."
