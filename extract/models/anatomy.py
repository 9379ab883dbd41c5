"""Where in a model its stacks and layers are, whatever its family calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from ..errors import ExtractError

SELF = "self"
ENCODER, DECODER, CROSS = "encoder", "decoder", "cross"
TEXT, SOURCE, TARGET = "text", "source", "target"

QUERIES = {SELF: TEXT, ENCODER: SOURCE, DECODER: TARGET, CROSS: TARGET}
"""Which tokens ask, by kind of attention."""
KEYS = {SELF: TEXT, ENCODER: SOURCE, DECODER: TARGET, CROSS: SOURCE}
"""Which tokens are looked at, by kind of attention."""


@dataclass(frozen=True)
class Stack:
    """Layers over one side.

    Attributes:
        side: whose tokens they are: "text", or "source" or "target" of an encoder-decoder.
        kinds: kinds of attention in a layer, in the order in which they are called.
        module: the module that runs the layers; its first output is the last hidden state.
        layers: the layers' modules; a model that shares its layers has one for all.
    """

    side: str
    kinds: tuple[str, ...]
    module: torch.nn.Module
    layers: tuple[torch.nn.Module, ...]


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model.

    Attributes:
        model: the whole, with its head if it has one.
        base: the model without its head; the model itself if it cannot be had apart.
        stacks: in the order in which they run.
        apart: whether ``base`` is without a head; T5's encoder and decoder hang on the head.
        interface: whether attention goes through transformers' attention interface; otherwise
            the model is asked for it, which holds all layers' weights at once.
    """

    model: Any
    base: Any
    stacks: tuple[Stack, ...]
    apart: bool
    interface: bool

    @property
    def encoder_decoder(self) -> bool:
        """Whether there is a source and a target."""
        return len(self.stacks) == 2

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of attention, in the order in which they run."""
        return tuple(kind for stack in self.stacks for kind in stack.kinds)

    @property
    def sides(self) -> tuple[str, ...]:
        """Sides, in the order in which they run."""
        return tuple(stack.side for stack in self.stacks)


def anatomy_of(model: Any, *, headed: bool = False, interface: bool | None = None) -> Anatomy:
    """Finds the parts of a model of transformers.

    Args:
        model: the model.
        headed: whether it has a head.
        interface: whether to go through the attention interface; None for wherever it can.

    Raises:
        ExtractError: it has no layers that could be watched.
    """
    base = model.base_model
    # of a model that also sees or hears, the part that reads
    base = getattr(base, "language_model", base)
    apart = base is not model or not headed
    if getattr(model.config, "is_encoder_decoder", False) and _has_two_stacks(model):
        # of two models that were joined, the decoder brings a head of its own
        encoder, decoder = (x.base_model for x in (model.get_encoder(), model.get_decoder()))
        stacks: tuple[Stack, ...] = (
            Stack(SOURCE, (ENCODER,), encoder, layer_modules(encoder)),
            Stack(TARGET, (DECODER, CROSS), decoder, layer_modules(decoder)),
        )
    else:
        inner = base.get_decoder()  # OPT's head is given what its base's decoder gives
        inner = inner if isinstance(inner, PreTrainedModel) else base
        stacks = (Stack(TEXT, (SELF,), inner, layer_modules(inner)),)
    through = has_interface(model) if interface is None else interface
    return Anatomy(model, base, stacks, apart, through)


def has_interface(model: Any) -> bool:
    """Whether a model looks its attention function up by name."""
    parts = [part for part in model.modules() if hasattr(part, "_can_set_attn_implementation")]
    return all(part._can_set_attn_implementation() for part in (model, *parts))


def layer_modules(stack: Any) -> tuple[torch.nn.Module, ...]:
    """The modules whose inputs are the hidden states of a stack.

    As transformers itself records them; where it does not say, the longest list of modules of one
    class.

    Raises:
        ExtractError: there is no such module.
    """
    recorded = (getattr(stack, "_can_record_outputs", None) or {}).get("hidden_states")
    recorded = recorded[0] if isinstance(recorded, list) else recorded
    target = getattr(recorded, "target_class", recorded)
    if isinstance(target, type):
        modules: list[torch.nn.Module] = list(stack.modules())
        found = tuple(module for module in modules if isinstance(module, target))
        if found:
            return found
    lists = [m for m in stack.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    alike = [tuple(m.children()) for m in lists if len({type(layer) for layer in m}) == 1]
    if not alike:
        raise ExtractError(
            f"{type(stack).__name__} has no stack of layers that could be watched; this "
            "architecture is not supported."
        )
    return max(alike, key=len)


def _has_two_stacks(model: Any) -> bool:
    """Whether encoder and decoder are both there: T5's encoder also comes alone."""
    encoder, decoder = model.get_encoder(), model.get_decoder()
    return encoder is not decoder and decoder is not model and decoder is not model.base_model
