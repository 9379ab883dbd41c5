"""Overhearing the scores of attention: what a model's own eager function gives to its softmax.

With scores s and weights A = softmax(s) at hand, Σ_j A_ij ln A_ij = Σ_j A_ij s_ij − ln Σ_j exp s_ij
needs no logarithm of every weight, which is dearer on a processor than the softmax itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_SOFTMAX = (torch.nn.functional.softmax, torch.softmax, torch.Tensor.softmax)


class Overhearing(TorchFunctionMode):
    """While it is on, hears what is given to softmax; nothing that is computed changes."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls ``func``, and remembers scores and weights if it is a softmax of the last axis."""
        found = func(*args, **(kwargs or {}))
        if func in _SOFTMAX:
            axis = (kwargs or {}).get("dim", args[1] if len(args) > 1 else None)
            scores = args[0] if args else None
            if isinstance(scores, torch.Tensor) and axis in (-1, scores.ndim - 1):
                self._heard.append((scores, found))
        return found

    def scores_of(self, weights: torch.Tensor) -> torch.Tensor | None:
        """The scores whose softmax these very weights are; None if that is not known for sure.

        Weights that were narrowed, cut or changed after the softmax are not its result any more.
        """
        heard, self._heard = self._heard, []
        if len(heard) != 1:
            return None
        scores, found = heard[0]
        same = (
            found.data_ptr() == weights.data_ptr()
            and found.shape == weights.shape
            and found.stride() == weights.stride()
            and found.dtype == scores.dtype == weights.dtype
            and found.dtype.itemsize >= 4
        )
        return scores if same else None
