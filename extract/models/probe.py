"""Running a few tokens through a model, to see what it is before it is relied on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..errors import ExtractError
from .anatomy import CROSS, ENCODER, SELF, Anatomy, anatomy_of
from .capture import Block, NoInterface, watching_parts
from .chunked_head import ChunkedHead, chunked_head
from .value_norms import ProjectionFinder, Projections

TOKENS, TARGET_TOKENS = 5, 4


@dataclass(frozen=True)
class Probed:
    """What is known of a model after it has run.

    Attributes:
        calls: layers by side, and calls of attention by kind.
        heads: heads by kind.
        causal: by kind, whether no token sees one after it.
        width: size of a hidden state, by side.
        projections: output projection by attention module, empty if one was not found.
        logits: from last hidden states to the logits of a language model's head, None if there is
            no such head, or none that can be run alone.
    """

    calls: Mapping[str, int]
    heads: Mapping[str, int]
    causal: Mapping[str, bool]
    width: Mapping[str, int]
    projections: Projections
    logits: ChunkedHead | None


@dataclass
class _Look:
    """A tap that remembers shapes and whether any token sees one after it."""

    heads: dict[str, set[int]] = field(default_factory=dict)
    keys: dict[str, set[int]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    causal: dict[str, bool] = field(default_factory=dict)
    width: dict[str, set[int]] = field(default_factory=dict)
    dimensions: set[int] = field(default_factory=set)
    error: float = 0.0

    def check(self, name: str) -> None:
        """Whether there is one map of the text's tokens per head, of as many heads in each layer.

        Raises:
            ExtractError: there is not.
        """
        for kind, keys in self.keys.items():
            queries = TOKENS if kind in (SELF, ENCODER) else TARGET_TOKENS
            known = TOKENS if kind in (SELF, ENCODER, CROSS) else TARGET_TOKENS
            if keys != {known} or self.rows[kind] != queries:
                raise ExtractError(
                    f"The attention of {name} is not between the tokens of a text; this "
                    "architecture is not supported."
                )
            if len(self.heads[kind]) != 1:
                raise ExtractError(
                    f"{name} has layers with different numbers of heads, which is not supported."
                )
        for sizes in self.width.values():
            if self.dimensions != {3}:
                raise ExtractError(
                    f"The hidden states of {name} are not one vector per token; this architecture "
                    "is not supported."
                )
            if len(sizes) != 1:
                raise ExtractError(
                    f"The hidden states of {name} differ in size from layer to layer, which is not "
                    "supported."
                )

    def attention(self, block: Block) -> None:
        """Looks at weights."""
        weights, kind = block.weights, block.kind
        self.heads.setdefault(kind, set()).add(weights.shape[1])
        self.keys.setdefault(kind, set()).add(weights.shape[-1])
        self.rows[kind] = max(self.rows.get(kind, 0), block.rows.stop)
        sees = bool(weights.triu(1 + block.rows.start).any())
        self.causal[kind] = self.causal.get(kind, True) and not sees
        self.error = max(self.error, float((weights.float().sum(-1) - 1).abs().max()))

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        """Does not matter here."""

    def layer(self, kind: str, layer: int) -> None:
        """Does not matter here."""

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        """Looks at the width."""
        self.dimensions.add(states.ndim)
        self.width.setdefault(side, set()).add(states.shape[-1])


def probe(
    model: Any, device: torch.device, *, headed: bool = False, language_model: bool = False
) -> tuple[Anatomy, Probed]:
    """Runs a few tokens, which also proves that attention can be captured.

    Args:
        model: in evaluation mode.
        device: where its input goes.
        headed: whether it has a head.
        language_model: whether its head predicts tokens.

    Returns:
        The model's parts, and what was seen.

    Raises:
        ExtractError: attention cannot be captured, or cannot be shown as one map per head.
    """
    anatomy = anatomy_of(model, headed=headed)
    if not anatomy.interface:
        return anatomy, _probe(anatomy, device, language_model)
    try:
        return anatomy, _probe(anatomy, device, language_model)
    except NoInterface as error:
        try:
            anatomy = anatomy_of(model, headed=headed, interface=False)
            return anatomy, _probe(anatomy, device, language_model)
        except Exception:  # it was worth a try; what was wrong first is what matters
            raise error from None


def _probe(anatomy: Anatomy, device: torch.device, language_model: bool) -> Probed:
    look, finder = _Look(), ProjectionFinder()
    with watching_parts(anatomy, None, finder=finder) as watch, finder.looking(anatomy.model):
        ran = watch.run(inputs_of(anatomy, device), look, full=language_model)
        calls = watch.calls
    name = type(anatomy.model).__name__
    _check_calls(anatomy, calls, name)
    look.check(name)
    if not look.error < 0.05:
        raise ExtractError(why_not_one(anatomy.model))
    logits = None
    if ran.logits is not None:
        logits = chunked_head(anatomy, ran.last, ran.logits)
    return Probed(
        calls=calls,
        heads={kind: next(iter(sizes)) for kind, sizes in look.heads.items()},
        causal={kind: causal and kind != CROSS for kind, causal in look.causal.items()},
        width={side: next(iter(sizes)) for side, sizes in look.width.items()},
        projections=finder.found if finder.complete else {},
        logits=logits,
    )


def _check_calls(anatomy: Anatomy, calls: Mapping[str, int], name: str) -> None:
    for stack in anatomy.stacks:
        layers = calls.get(stack.side, 0)
        for kind in stack.kinds:
            if calls.get(kind, 0) == layers and layers > 0:
                continue
            if not calls.get(kind, 0):
                raise NoInterface(
                    f"{name} computes no {kind} attention that could be seen; this architecture is "
                    "not supported."
                )
            raise NoInterface(
                f"{name} has {layers} layers and attends in {calls.get(kind, 0)} of them; models "
                "with layers that do not attend are not supported."
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
