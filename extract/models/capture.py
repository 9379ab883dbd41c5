"""Watching a model think: attention weights and hidden states, layer by layer, as they pass.

transformers looks an attention function up by name. For the length of a ``with`` block a function
of ours stands under a name of its own; it calls the model's *own* eager attention, slice by slice
(:mod:`extract.models.blocks`), and shows the weights to a :class:`Tap`. So the numbers are the
eager ones by construction, whatever the architecture does in there (grouped queries, position bias,
soft caps), no model code is patched, and a block's weights are free again before the next one
starts.
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

from ..errors import ExtractError
from . import blocks
from .anatomy import Anatomy, Stack
from .eager import EagerLayer, EagerStates, additive, eager_layers, eager_masks
from .value_norms import ProjectionFinder, ValueNorms

if TYPE_CHECKING:
    from .loaded import LoadedModel
    from .probe import Probed

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
        scores: of the same type, what the weights are the softmax of; None where that is not known.
    """

    kind: str
    layer: int
    examples: slice
    rows: slice
    weights: torch.Tensor
    mask: torch.Tensor | None
    scores: torch.Tensor | None = None


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

    def __init__(
        self,
        anatomy: Anatomy,
        known: Probed | None,
        norms: ValueNorms | None,
        finder: ProjectionFinder | None,
    ) -> None:
        self._anatomy = anatomy
        self._known = known
        self._norms, self._finder = norms, finder
        self._values = True
        self._tap: Tap | None = None
        self._stack = anatomy.stacks[0]
        self._calls: Counter[str] = Counter()
        self._within = 0
        self._output: torch.Tensor | None = None
        self._last: dict[str, torch.Tensor] = {}

    def run(
        self,
        inputs: Mapping[str, torch.Tensor],
        tap: Tap,
        *,
        full: bool = False,
        values: bool = True,
    ) -> Ran:
        """One forward call without gradients.

        Args:
            inputs: keyword arguments of the model, on its device.
            tap: sees every layer's attention once and every hidden state once.
            full: run the head as well.
            values: show norms of values, if there are any to be shown.

        Raises:
            ExtractError: the model did not run the layers that it ran before.
        """
        self._tap, self._stack, self._within = tap, self._anatomy.stacks[0], 0
        self._values = values
        self._calls.clear()
        try:
            with torch.inference_mode():
                logits = self._run(inputs, full)
            self._check_calls()
            return Ran(self._last[self._anatomy.sides[-1]], logits)
        finally:
            self._tap = self._output = None
            self._last.clear()

    @property
    def calls(self) -> dict[str, int]:
        """Layers by side, and calls of attention by kind, in the last run."""
        return dict(self._calls)

    def _run(self, inputs: Mapping[str, torch.Tensor], full: bool) -> torch.Tensor | None:
        parts = self._anatomy
        options = {} if parts.interface else {"output_attentions": True}
        if not parts.interface:
            options["output_hidden_states"] = True
        if not full and not parts.apart and parts.encoder_decoder:
            self._run_stacks(inputs)
            return None
        result = (parts.model if full else parts.base)(**inputs, **options)
        if not parts.interface:
            masks = eager_masks(inputs, {} if self._known is None else self._known.causal)
            for shown in eager_layers(parts, result, masks):
                self._show(shown)
        return result.logits if full else None

    def _run_stacks(self, inputs: Mapping[str, torch.Tensor]) -> None:
        """Encoder and decoder, where only the whole model with its head has both."""
        encoder, decoder = (stack.module for stack in self._anatomy.stacks)
        mask = inputs["attention_mask"]
        states = encoder(input_ids=inputs["input_ids"], attention_mask=mask)[0]
        decoder(
            input_ids=inputs["decoder_input_ids"],
            attention_mask=inputs["decoder_attention_mask"],
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
        )

    def _check_calls(self) -> None:
        if self._known is not None and self.calls != dict(self._known.calls):
            raise ExtractError(
                f"{type(self._anatomy.model).__name__} did not run the layers that it ran for "
                f"other texts ({self.calls}, expected {dict(self._known.calls)}); this "
                "architecture is not supported."
            )

    def attend(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The attention function: the model's own eager one, with the tap shown its weights."""
        eager = blocks.own_eager_attention(module)
        if eager is not None and self._tap is None:  # unwatched: it writes before it is looked at
            return eager(module, query, key, value, attention_mask, **options)
        if eager is None or self._within >= len(self._stack.kinds) or self._tap is None:
            raise NoInterface(unsupported(type(self._anatomy.model).__name__))
        kind, tap = self._stack.kinds[self._within], self._tap
        layer = self._calls[kind]

        def show(
            examples: slice,
            rows: slice,
            weights: torch.Tensor,
            mask: torch.Tensor | None,
            scores: torch.Tensor | None,
        ) -> None:
            mask = additive(mask, weights)
            tap.attention(Block(kind, layer, examples, rows, weights, mask, scores))

        output = blocks.attend(eager, module, query, key, value, attention_mask, options, show)
        if self._norms is not None and self._values:
            tap.values(kind, layer, self._norms.of(module, value, query.shape[1]))
        tap.layer(kind, layer)
        if self._finder is not None:
            self._finder.attended(module, output)
        self._calls[kind] += 1
        self._within += 1
        return output, None

    def _show(self, shown: EagerLayer | EagerStates) -> None:
        """Shows the tap a part of what a model gave that was asked for its attention."""
        assert self._tap is not None
        if isinstance(shown, EagerStates):
            self._tap.hidden(shown.side, shown.layer, shown.states)
            self._calls[shown.side] = shown.layer
            return
        weights, mask = shown.weights, shown.mask
        for examples, rows in blocks.cut_weights(weights):
            part = None if mask is None else mask[examples, :, rows]
            self._tap.attention(
                Block(shown.kind, shown.layer, examples, rows, weights[examples, :, rows], part)
            )
        self._tap.layer(shown.kind, shown.layer)
        self._calls[shown.kind] += 1

    def enter_stack(self, stack: Stack) -> None:
        """A stack of layers begins."""
        self._stack, self._within, self._output = stack, 0, None

    def leave_stack(self, stack: Stack, output: Any) -> None:
        """A stack of layers ends: its output is the last hidden state."""
        if self._tap is None:
            self._output = None
            return
        last: torch.Tensor = output[0]
        self._last[stack.side] = last
        if self._anatomy.interface:
            # OPT's may be projected to another width: then the last layer's output is what is meant
            own = self._output
            changed = own is not None and own.shape[-1] != last.shape[-1]
            states = own if own is not None and changed else last
            self._tap.hidden(stack.side, self._calls[stack.side], states)
        self._output = None

    def enter_layer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A layer begins: its input is the hidden state before it."""
        if self._tap is not None:
            side = self._stack.side
            self._tap.hidden(side, self._calls[side], args[0] if args else kwargs["hidden_states"])
            self._calls[side] += 1
            self._within = 0

    def leave_layer(self, output: Any) -> None:
        """A layer ends."""
        self._output = output if isinstance(output, torch.Tensor) else output[0]


@contextmanager
def watching(loaded: LoadedModel, *, values: bool = False) -> Iterator[Watch]:
    """Sets a model up to be watched; everything is as it was when the block ends.

    Args:
        loaded: the model.
        values: show the tap the norms of values as well; nothing is shown if the model has none
            (:attr:`LoadedModel.value_norms`).
    """
    norms = ValueNorms(loaded.probed.projections) if values and loaded.value_norms else None
    with watching_parts(loaded.anatomy, loaded.probed, norms=norms) as watch:
        yield watch


@contextmanager
def watching_parts(
    anatomy: Anatomy,
    known: Probed | None,
    *,
    norms: ValueNorms | None = None,
    finder: ProjectionFinder | None = None,
) -> Iterator[Watch]:
    """As :func:`watching`, for a model of which nothing may be known but its parts.

    Args:
        anatomy: the parts.
        known: what is known, None if this is the first run.
        norms: computes norms of values, None if they are not wanted.
        finder: is told of every output of attention, None if nothing is looked for.
    """
    watch = Watch(anatomy, known, norms, finder)
    with ExitStack() as exits:
        for config in _configs(anatomy.model):
            exits.callback(
                setattr, config, "_attn_implementation_internal", config._attn_implementation
            )
            if getattr(config, "use_cache", False):  # holds every layer's keys to no use here
                exits.callback(setattr, config, "use_cache", True)
                config.use_cache = False
            config._attn_implementation_internal = "eager"
        if anatomy.interface:
            name = f"interpret-capture-{next(_numbers)}"
            AttentionInterface.register(name, watch.attend)
            exits.callback(AttentionInterface._global_mapping.pop, name, None)
            # without a mask function of the same name transformers would pass no padding mask
            AttentionMaskInterface.register(name, eager_mask)
            exits.callback(AttentionMaskInterface._global_mapping.pop, name, None)
            anatomy.model.set_attn_implementation(name)
        _hook(anatomy, watch, exits)
        yield watch


def _hook(anatomy: Anatomy, watch: Watch, exits: ExitStack) -> None:
    """Lets the watch know of stacks and layers as they begin and end."""
    for stack in anatomy.stacks:
        module = stack.module
        hooks = [
            module.register_forward_pre_hook(
                lambda _module, _args, stack=stack: watch.enter_stack(stack)
            ),
            module.register_forward_hook(
                lambda _module, _args, output, stack=stack: watch.leave_stack(stack, output)
            ),
        ]
        for layer in stack.layers if anatomy.interface else ():
            hooks += [
                layer.register_forward_pre_hook(
                    lambda _module, args, kwargs: watch.enter_layer(args, kwargs), with_kwargs=True
                ),
                layer.register_forward_hook(
                    lambda _module, _args, output: watch.leave_layer(output)
                ),
            ]
        for hook in hooks:
            exits.callback(hook.remove)


def _configs(model: Any) -> list[Any]:
    """Every configuration object that ``set_attn_implementation`` may change."""
    parts = [part.config for part in model.modules() if hasattr(part, "set_attn_implementation")]
    subs = [getattr(model.config, name, None) for name in model.config.sub_configs]
    return list({id(c): c for c in (*parts, *subs) if c is not None}.values())


class NoInterface(ExtractError):
    """A model does not go through the attention interface, whatever it says."""


def unsupported(name: str) -> str:
    """That the attention of a class cannot be had."""
    return (
        f"{name} does not go through transformers' attention interface, so its attention cannot be "
        "captured; this architecture is not supported."
    )
