"""Watching a model think: attention weights and hidden states, layer by layer, as they pass.

transformers looks an attention function up by name. For the length of a ``with`` block a function
of ours stands under a name of its own; it calls the model's *own* eager attention and shows the
weights to a :class:`Tap`. So the numbers are the eager ones by construction, whatever the
architecture does in there (grouped queries, position bias, soft caps), no model code is patched,
and one layer's weights are free again before the next layer starts.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from .errors import ExtractError

_numbers = itertools.count()


class Tap(Protocol):
    """Sees what passes during one forward call. Tensors must be copied to be kept."""

    def attention(self, layer: int, weights: torch.Tensor) -> None:
        """Weights of attention layer ``layer``: [batch, query heads, queries, keys]."""

    def hidden(self, layer: int, states: torch.Tensor) -> None:
        """Hidden state ``layer``, 0 (embeddings) to L: [batch, tokens, width]."""


class Watch:
    """Runs a model while a tap looks on; made by :func:`watching`."""

    def __init__(self, model: Any, layers: int) -> None:
        self._model = model
        self._layers = layers
        self._tap: Tap | None = None
        self._attention_calls = 0
        self._layer_calls = 0

    def run(self, inputs: dict[str, torch.Tensor], tap: Tap) -> torch.Tensor:
        """One forward call without gradients.

        Args:
            inputs: keyword arguments of the model, on its device.
            tap: sees every layer's attention once and every hidden state once.

        Returns:
            The last hidden state, [batch, tokens, width].

        Raises:
            ExtractError: the model did not use its attention the expected number of times.
        """
        self._tap, self._attention_calls, self._layer_calls = tap, 0, 0
        try:
            with torch.inference_mode():
                last: torch.Tensor = self._model(**inputs).last_hidden_state
                self._check_calls()
                tap.hidden(self._layers, last)
        finally:
            self._tap = None
        return last

    def _check_calls(self) -> None:
        if (self._attention_calls, self._layer_calls) != (self._layers, self._layers):
            raise ExtractError(
                f"{type(self._model).__name__} ran {self._attention_calls} attention layers and "
                f"{self._layer_calls} layers where its configuration says {self._layers}; "
                "this architecture is not supported yet."
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
        eager = own_eager_attention(module)
        output, weights = eager(module, query, key, value, attention_mask, **options)
        if self._tap is not None:
            self._tap.attention(self._attention_calls, weights)
        self._attention_calls += 1
        return output, None

    def enter_layer(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Forward pre-hook of a layer: its input is the hidden state before it."""
        if self._tap is not None:
            states = args[0] if args else kwargs["hidden_states"]
            self._tap.hidden(self._layer_calls, states)
        self._layer_calls += 1


def own_eager_attention(module: torch.nn.Module) -> Callable[..., tuple[Any, torch.Tensor]]:
    """The eager attention function of the file that defines ``module``.

    Raises:
        ExtractError: there is none, so attention cannot be captured through the interface.
    """
    home = sys.modules.get(type(module).__module__)
    function = getattr(home, "eager_attention_forward", None)
    if function is None:
        raise ExtractError(_unsupported(type(module).__name__))
    return function  # type: ignore[no-any-return]


@contextmanager
def watching(model: Any, layers: int) -> Iterator[Watch]:
    """Sets a model up to be watched; everything is as it was when the block ends.

    Args:
        model: an encoder or decoder of transformers.
        layers: number of attention layers it has.

    Raises:
        ExtractError: the architecture does not use transformers' attention interface.
    """
    if not model._can_set_attn_implementation():
        raise ExtractError(_unsupported(type(model).__name__))
    watch = Watch(model, layers)
    name = f"interpret-capture-{next(_numbers)}"
    with ExitStack() as stack:
        AttentionInterface.register(name, watch.attend)
        stack.callback(AttentionInterface._global_mapping.pop, name, None)
        # without a mask function of the same name transformers would pass no padding mask at all
        AttentionMaskInterface.register(name, eager_mask)
        stack.callback(AttentionMaskInterface._global_mapping.pop, name, None)
        for config in _configs(model):
            stack.callback(
                setattr, config, "_attn_implementation_internal", config._attn_implementation
            )
        model.set_attn_implementation(name)
        for layer in _layer_modules(model):
            hook = layer.register_forward_pre_hook(watch.enter_layer, with_kwargs=True)
            stack.callback(hook.remove)
        yield watch


def _configs(model: Any) -> list[Any]:
    """Every configuration object that ``set_attn_implementation`` may change."""
    parts = [part.config for part in model.modules() if hasattr(part, "set_attn_implementation")]
    subs = [getattr(model.config, name, None) for name in model.config.sub_configs]
    return list({id(c): c for c in (*parts, *subs) if c is not None}.values())


def _layer_modules(model: Any) -> list[torch.nn.Module]:
    """The modules whose inputs are the hidden states, as transformers itself records them."""
    recorded = (getattr(model, "_can_record_outputs", None) or {}).get("hidden_states")
    target = getattr(recorded, "target_class", recorded)
    if not isinstance(target, type):
        raise ExtractError(_unsupported(type(model).__name__))
    modules: list[torch.nn.Module] = list(model.modules())
    return [module for module in modules if isinstance(module, target)]


def _unsupported(name: str) -> str:
    return (
        f"{name} does not go through transformers' attention interface, so its attention cannot be "
        "captured; this architecture is not supported yet."
    )
