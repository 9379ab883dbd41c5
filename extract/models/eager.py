"""Attention of models that do not go through the attention interface: what they give when asked.

All layers' weights are alive at once then, which is dear for long texts; there is no other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import ExtractError
from .anatomy import CROSS, DECODER, ENCODER, KEYS, QUERIES, SELF, SOURCE, TARGET, TEXT, Anatomy

_ATTENTIONS = {
    SELF: "attentions",
    ENCODER: "encoder_attentions",
    DECODER: "decoder_attentions",
    CROSS: "cross_attentions",
}
_STATES = {
    TEXT: "hidden_states",
    SOURCE: "encoder_hidden_states",
    TARGET: "decoder_hidden_states",
}
_MASKS = {TEXT: "attention_mask", SOURCE: "attention_mask", TARGET: "decoder_attention_mask"}


@dataclass(frozen=True)
class EagerStates:
    """A hidden state [batch, tokens, width] of a side."""

    side: str
    layer: int
    states: torch.Tensor


@dataclass(frozen=True)
class EagerLayer:
    """Weights [batch, heads, queries, keys] of a layer, and their additive mask."""

    kind: str
    layer: int
    weights: torch.Tensor
    mask: torch.Tensor | None


def eager_layers(
    anatomy: Anatomy, result: Any, masks: Mapping[str, torch.Tensor]
) -> Iterator[EagerStates | EagerLayer]:
    """Hidden states and weights out of a model's output, in the order in which they were computed.

    Args:
        anatomy: the model.
        result: its output, with attention and hidden states.
        masks: by kind of attention.

    Raises:
        ExtractError: the output does not have one map per layer, head and token.
    """
    name = type(anatomy.model).__name__
    for stack in anatomy.stacks:
        states = getattr(result, _STATES[stack.side], None) or ()
        maps = {kind: getattr(result, _ATTENTIONS[kind], None) or () for kind in stack.kinds}
        if any(len(found) != len(states) - 1 for found in maps.values()):
            raise ExtractError(
                f"{name} gives attention for {max(map(len, maps.values()))} layers and "
                f"{len(states)} hidden states, so that they do not belong together; this "
                "architecture is not supported."
            )
        for layer, state in enumerate(states):
            yield EagerStates(stack.side, layer, state)
            for kind in stack.kinds if layer < len(states) - 1 else ():
                weights = maps[kind][layer]
                if not isinstance(weights, torch.Tensor) or weights.ndim != 4:
                    raise ExtractError(
                        f"The attention of {name} is no map per head; this architecture is not "
                        "supported."
                    )
                yield EagerLayer(kind, layer, weights, masks.get(kind))


def eager_masks(
    inputs: Mapping[str, torch.Tensor], causal: Mapping[str, bool]
) -> dict[str, torch.Tensor]:
    """Additive masks [batch, 1, queries, keys] by kind, from padding and from what is causal.

    Args:
        inputs: of the model.
        causal: by kind; kinds that are not in it have no mask.
    """
    masks = {}
    for kind, one_way in causal.items():
        keys = inputs[_MASKS[KEYS[kind]]].bool()
        queries = inputs[_MASKS[QUERIES[kind]]].shape[1]
        seen = keys[:, None, None, :].expand(-1, 1, queries, -1)
        if one_way:
            seen = seen & torch.ones(seen.shape[-2:], dtype=torch.bool, device=keys.device).tril()
        masks[kind] = _least(seen, torch.float32)
    return masks


def additive(mask: torch.Tensor | None, weights: torch.Tensor) -> torch.Tensor | None:
    """A mask as it is added to scores, [examples, 1 or heads, rows, keys] of some weights."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = _least(mask, weights.dtype)
    examples, _, rows, keys = weights.shape
    return mask[..., :keys].expand(examples, -1, rows, -1)


def _least(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where a key is seen, the most negative number where not."""
    return torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
