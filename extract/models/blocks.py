"""The model's own eager attention on slices of examples and queries, so that weights stay small.

Rows of attention do not depend on each other, so a few examples and a range of queries at a time
give the same numbers as the whole, and the weights of one slice fit into a processor's cache: that
is what bounds memory for long texts, and is faster for short ones.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .overhear import Overhearing

CPU_BYTES = 1 << 21
"""Weights of one block on a CPU: fewer pay more for calls than they save by fitting its caches."""
DEVICE_BYTES = 1 << 28
"""Weights of one block on a GPU, where few large kernels are faster than many small ones."""
MIN_ROWS = 32
"""Rows of one block at least: products of fewer rows are slow whatever the cache does."""

Eager = Callable[..., tuple[torch.Tensor, torch.Tensor | None]]
Show = Callable[[slice, slice, torch.Tensor, torch.Tensor | None, torch.Tensor | None], None]


def own_eager_attention(module: torch.nn.Module) -> Eager | None:
    """The eager attention function of the file that defines ``module``; None if it has none."""
    home = sys.modules.get(type(module).__module__)
    function: Eager | None = getattr(home, "eager_attention_forward", None)
    return function


def attend(
    eager: Eager,
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    options: dict[str, Any],
    show: Show,
) -> torch.Tensor:
    """Attention of a layer, block by block.

    Args:
        eager: the model's own attention function.
        module: the attention module that calls it.
        query: [batch, query heads, queries, width of a head].
        key, value: [batch, key heads, keys, width of a head].
        mask: as the model made it, [batch or 1, 1 or heads, queries or 1, keys], or None.
        options: the model's other arguments to its attention function.
        show: is given each block's examples, rows, weights, mask and, on a CPU, the scores whose
            softmax the weights are, where the function lets them be overheard.

    Returns:
        Outputs [batch, queries, heads, width of a head], as ``eager`` gives them.
    """
    batch, heads, queries, _ = query.shape
    blocks = list(cut(batch, queries, heads * key.shape[2] * query.element_size(), query.device))
    if query.device.type == "cpu":
        eager = _Overheard(eager)
    if len(blocks) == 1:
        output, weights = eager(module, query, key, value, mask, **options)
        assert weights is not None
        show(*blocks[0], weights, mask, _scores(eager, weights))
        return output
    if blocks[0][1].stop < queries:
        module, key, value = _copied(module, heads, key, value)
    joined: torch.Tensor | None = None
    for examples, rows in blocks:
        part = _part(mask, examples, rows, batch, queries)
        output, weights = eager(
            module,
            query[examples, :, rows],
            key[examples],
            value[examples],
            part,
            **{name: _option(x, examples, rows, batch, queries) for name, x in options.items()},
        )
        assert weights is not None
        show(examples, rows, weights, part, _scores(eager, weights))
        if joined is None:
            joined = output.new_empty((batch, queries, *output.shape[2:]))
        joined[examples, rows] = output
    assert joined is not None
    return joined


def _copied(
    module: Any, heads: int, key: torch.Tensor, value: torch.Tensor
) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """Keys and values that every block of rows needs, copied once as eager attention would."""
    groups = heads // key.shape[1]
    if groups > 1 and getattr(module, "num_key_value_groups", 1) == groups:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
        module = _Ungrouped(module)
    return module, key.contiguous(), value.contiguous()


class _Overheard:
    """An eager attention function with someone listening."""

    def __init__(self, eager: Eager) -> None:
        self._eager = eager
        self.ear = Overhearing()

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        with self.ear:
            return self._eager(*args, **kwargs)


def _scores(eager: Eager, weights: torch.Tensor) -> torch.Tensor | None:
    return eager.ear.scores_of(weights) if isinstance(eager, _Overheard) else None


def cut(
    batch: int, queries: int, row_bytes: int, device: torch.device
) -> Iterator[tuple[slice, slice]]:
    """Slices of examples and rows, each of few enough weights; examples outer, rows inner."""
    size = CPU_BYTES if device.type == "cpu" else DEVICE_BYTES
    examples_at_once = max(1, size // (row_bytes * queries))
    rows_at_once = queries
    if examples_at_once == 1:
        rows_at_once = max(MIN_ROWS, size // row_bytes)
    for examples in _alike(batch, examples_at_once):
        for rows in _alike(queries, rows_at_once):
            yield examples, rows


def cut_weights(weights: torch.Tensor) -> Iterator[tuple[slice, slice]]:
    """The same for weights [batch, heads, queries, keys] that are there already."""
    batch, heads, queries, keys = weights.shape
    return cut(batch, queries, heads * keys * weights.element_size(), weights.device)


def _alike(total: int, most: int) -> list[slice]:
    """Slices of at most ``most``, as few as will do, of almost the same size."""
    step = math.ceil(total / math.ceil(total / most))
    return [slice(start, min(total, start + step)) for start in range(0, total, step)]


class _Ungrouped:
    """An attention module whose keys and values have been repeated for its query heads already."""

    num_key_value_groups = 1

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _part(
    tensor: torch.Tensor | None, examples: slice, rows: slice, batch: int, queries: int
) -> torch.Tensor | None:
    """The slice of a tensor [batch or 1, heads or 1, queries or 1, keys]."""
    if tensor is None:
        return None
    if tensor.shape[0] == batch:
        tensor = tensor[examples]
    return tensor[:, :, rows] if tensor.shape[2] == queries else tensor


def _option(value: Any, examples: slice, rows: slice, batch: int, queries: int) -> Any:
    """The slice of an argument that belongs to weights, such as T5's position bias."""
    if isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[2] == queries:
        return _part(value, examples, rows, batch, queries)
    return value
