"""Watching a model think: attention weights and hidden states, layer by layer, as they pass.

transformers looks an attention function up by name. For the length of a ``with`` block a function
of ours stands under a name of its own; it calls the model's *own* eager attention, slice by slice
(:mod:`extract.blocks`), and shows the weights to a :class:`Tap`. So the numbers are the eager ones
by construction, whatever the architecture does in there (grouped queries, position bias, soft
caps), no model code is patched, and a block's weights are free again before the next one starts.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from . import blocks
from .anatomy import Anatomy, Stack
from .errors import ExtractError

if TYPE_CHECKING:
    from .models import LoadedModel

_numbers = itertools.count()


@dataclass(frozen=True)
class Block:
    """A part of one layer's attention: some examples, some rows, all heads, all keys.

    Attributes:
        kind: of attention, such as "self".
        layer: number of the layer within its stack.
        examples: which examples of the batch.
        rows: which queries.
        weights: [examples, query heads, rows, keys], as the model computed them.
        mask: what was added to the scores, [examples, 1 or heads, rows, keys]: 0 where a key is
            seen and the most negative number where not; None if nothing is masked.
    """

    kind: str
    layer: int
    examples: slice
    rows: slice
    weights: torch.Tensor
    mask: torch.Tensor | None


class Tap(Protocol):
    """Sees what passes during one forward call. Tensors must be copied to be kept."""

    def attention(self, block: Block) -> None:
        """A block of weights; blocks of a layer come in order, examples outer, rows inner."""

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        """‖v_j W_O^h‖ of a layer, [batch, query heads, keys]; only if asked for."""

    def layer(self, kind: str, layer: int) -> None:
        """All blocks of this layer have been shown."""

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        """Hidden state ``layer`` of a side, 0 (embeddings) to L: [batch, tokens, width]."""


@dataclass(frozen=True)
class Ran:
    """What a forward call gives.

    Attributes:
        last: the last hidden state, [batch, tokens, width]; an encoder-decoder's is its decoder's.
        logits: of the model's head, None if it was not run.
    """

    last: torch.Tensor
    logits: torch.Tensor | None


class Watch:
    """Runs a model while a tap looks on; made by :func:`watching`."""

    def __init__(self, anatomy: Anatomy, expected: Mapping[str, int] | None) -> None:
        self._anatomy = anatomy
        self._expected = expected
        self._tap: Tap | None = None
        self._stack: Stack | None = None
        self._calls: Counter[str] = Counter()
        self._within = 0
        self._last: dict[str, torch.Tensor] = {}

    def run(self, inputs: Mapping[str, torch.Tensor], tap: Tap, *, full: bool = False) -> Ran:
        """One forward call without gradients.

        Args:
            inputs: keyword arguments of the model, on its device.
            tap: sees every layer's attention once and every hidden state once.
            full: run the head as well.

        Raises:
            ExtractError: the model did not use its attention the expected number of times.
        """
        self._tap, self._stack, self._within = tap, self._anatomy.stacks[0], 0
        self._calls.clear()
        try:
            with torch.inference_mode():
                whole = self._anatomy.model if full else self._anatomy.base
                result = whole(**inputs)
            self._check_calls()
            return Ran(self._last[self._anatomy.sides[-1]], result.logits if full else None)
        finally:
            self._tap = self._stack = None
            self._last.clear()

    @property
    def calls(self) -> Mapping[str, int]:
        """How often each kind of attention and each side's layers were called in the last run."""
        return dict(self._calls)

    def _check_calls(self) -> None:
        if self._expected is not None and self.calls != dict(self._expected):
            raise ExtractError(
                f"{type(self._anatomy.model).__name__} did not run the same layers as for other "
                f"texts ({self.calls}, expected {dict(self._expected)}); this architecture is not "
                "supported."
            )

    def attend(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        """The attention function: the model's own eager one, with the tap shown its weights."""
        eager = blocks.own_eager_attention(module)
        if eager is None or self._stack is None or self._tap is None:
            raise ExtractError(unsupported(type(module).__name__))
        if self._within >= len(self._stack.kinds):
            raise ExtractError(
                f"{type(module).__name__} attends more often in a layer than is known; this "
                "architecture is not supported."
            )
        kind, tap = self._stack.kinds[self._within], self._tap
        layer = self._calls[kind]

        def show(
            examples: slice, rows: slice, weights: torch.Tensor, mask: torch.Tensor | None
        ) -> None:
            tap.attention(Block(kind, layer, examples, rows, weights, _additive(mask, weights)))

        output = blocks.attend(eager, module, query, key, value, attention_mask, options, show)
        tap.layer(kind, layer)
        self._calls[kind] += 1
        self._within += 1
        return output, None

    def enter_stack(self, stack: Stack) -> None:
        """A stack of layers begins."""
        self._stack, self._within = stack, 0

    def leave_stack(self, stack: Stack, output: Any) -> None:
        """A stack of layers ends: its output is the last hidden state."""
        if self._tap is not None:
            last: torch.Tensor = output[0]
            self._tap.hidden(stack.side, self._calls[stack.side], last)
            self._last[stack.side] = last

    def enter_layer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A layer begins: its input is the hidden state before it."""
        if self._tap is not None and self._stack is not None:
            side = self._stack.side
            states = args[0] if args else kwargs["hidden_states"]
            self._tap.hidden(side, self._calls[side], states)
            self._calls[side] += 1
            self._within = 0


@contextmanager
def watching(loaded: LoadedModel, *, values: bool = False) -> Iterator[Watch]:
    """Sets a model up to be watched; everything is as it was when the block ends.

    Args:
        loaded: the model.
        values: show the tap the norms of values as well.

    Raises:
        ExtractError: its attention cannot be captured.
    """
    del values
    with watching_parts(loaded.anatomy, loaded.calls) as watch:
        yield watch


@contextmanager
def watching_parts(anatomy: Anatomy, expected: Mapping[str, int] | None) -> Iterator[Watch]:
    """As :func:`watching`, for a model of which nothing is known but its parts."""
    if not anatomy.interface:
        raise ExtractError(unsupported(type(anatomy.model).__name__))
    watch = Watch(anatomy, expected)
    name = f"interpret-capture-{next(_numbers)}"
    with ExitStack() as stack:
        AttentionInterface.register(name, watch.attend)
        stack.callback(AttentionInterface._global_mapping.pop, name, None)
        # without a mask function of the same name transformers would pass no padding mask at all
        AttentionMaskInterface.register(name, eager_mask)
        stack.callback(AttentionMaskInterface._global_mapping.pop, name, None)
        for config in _configs(anatomy.model):
            stack.callback(
                setattr, config, "_attn_implementation_internal", config._attn_implementation
            )
            if getattr(config, "use_cache", False):  # holds every layer's keys to no use here
                stack.callback(setattr, config, "use_cache", True)
                config.use_cache = False
        anatomy.model.set_attn_implementation(name)
        _hook(anatomy, watch, stack)
        yield watch


def _hook(anatomy: Anatomy, watch: Watch, exits: ExitStack) -> None:
    """Lets the watch know of stacks and layers as they begin and end."""
    for stack in anatomy.stacks:
        hooks = [
            stack.module.register_forward_pre_hook(
                lambda _module, _args, stack=stack: watch.enter_stack(stack)
            ),
            stack.module.register_forward_hook(
                lambda _module, _args, output, stack=stack: watch.leave_stack(stack, output)
            ),
            *(
                layer.register_forward_pre_hook(
                    lambda _module, args, kwargs: watch.enter_layer(args, kwargs),
                    with_kwargs=True,
                )
                for layer in stack.layers
            ),
        ]
        for hook in hooks:
            exits.callback(hook.remove)


def _configs(model: Any) -> list[Any]:
    """Every configuration object that ``set_attn_implementation`` may change."""
    parts = [part.config for part in model.modules() if hasattr(part, "set_attn_implementation")]
    subs = [getattr(model.config, name, None) for name in model.config.sub_configs]
    return list({id(c): c for c in (*parts, *subs) if c is not None}.values())


def _additive(mask: torch.Tensor | None, weights: torch.Tensor) -> torch.Tensor | None:
    """A mask as it is added to scores, [examples, 1 or heads, rows, keys] of some weights."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        least = torch.finfo(weights.dtype).min
        mask = torch.zeros_like(mask, dtype=weights.dtype).masked_fill_(~mask, least)
    examples, _, rows, keys = weights.shape
    return mask[..., :keys].expand(examples, -1, rows, -1)


def unsupported(name: str) -> str:
    """That the attention of a class cannot be had."""
    return (
        f"{name} does not go through transformers' attention interface, so its attention cannot be "
        "captured; this architecture is not supported yet."
    )
