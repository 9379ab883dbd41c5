"""Norms of what a head would add to its token's vector, ‖f_h(x_j)‖ = ‖v_j^h W_O^h‖.

Kobayashi et al. 2020 (Attention is Not Only a Weight): weighted with attention A_ij they say how
much token j gives to token i in head h, which weights alone do not. v_j^h is the value with its
bias as the attention function sees it, W_O^h the rows of the output projection that belong to the
head. Where keys are grouped, a query head has the value of its group.

No table of names says where an architecture has its output projection: it is the linear module
that, in a trial run, is given the very output of the attention function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from transformers.pytorch_utils import Conv1D

Projections = Mapping[torch.nn.Module, torch.nn.Module]
"""Output projection by attention module."""


class ProjectionFinder:
    """Looks in a trial run for the output projection of each attention module."""

    def __init__(self) -> None:
        self.found: dict[torch.nn.Module, torch.nn.Module] = {}
        self._attending: set[torch.nn.Module] = set()
        self._waiting: tuple[torch.nn.Module, torch.Tensor] | None = None

    @property
    def complete(self) -> bool:
        """Whether every attention module's projection was found."""
        return bool(self.found) and self._attending == set(self.found)

    def attended(self, module: torch.nn.Module, output: torch.Tensor) -> None:
        """An attention function gave ``output`` [batch, queries, heads, width] to ``module``."""
        self._attending.add(module)
        self._waiting = (module, output.flatten(2))

    def _enters(self, linear: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        if self._waiting is None or not args or not isinstance(args[0], torch.Tensor):
            return
        module, output = self._waiting
        self._waiting = None
        given = args[0]
        if given.numel() == output.numel() and torch.equal(
            given.reshape(output.shape).to(output), output
        ):
            self.found[module] = linear

    @contextmanager
    def looking(self, model: torch.nn.Module) -> Iterator[None]:
        """Looks at every linear module of a model while it runs."""
        linear = [module for module in model.modules() if matrix(module) is not None]
        hooks = [module.register_forward_pre_hook(self._enters) for module in linear]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def matrix(module: torch.nn.Module) -> torch.Tensor | None:
    """The matrix M [inputs, outputs] of a linear module x ↦ x M + b; None for any other module."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return None
    if weight.is_meta or not weight.is_floating_point():  # offloaded, or quantised
        return None
    if isinstance(module, torch.nn.Linear):
        return weight.T
    return weight if isinstance(module, Conv1D) else None


class ValueNorms:
    """Computes norms of values, with what each layer needs for it made once."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections
        self._factors: dict[torch.nn.Module, torch.Tensor] = {}

    def of(self, module: torch.nn.Module, value: torch.Tensor, heads: int) -> torch.Tensor:
        """‖v_j^h W_O^h‖ of a layer.

        Args:
            module: the attention module.
            value: [batch, key heads, keys, width of a head].
            heads: number of query heads.

        Returns:
            float32 [batch, heads, keys].
        """
        batch, groups, keys, _ = value.shape
        factor = self._factor(module, heads, value.device)
        norms = torch.empty((batch, heads, keys), dtype=torch.float32, device=value.device)
        for head in range(heads):
            mine = value[:, head * groups // heads].to(torch.float32)
            norms[:, head] = torch.linalg.vector_norm(mine @ factor[head], dim=-1)
        return norms

    def _factor(self, module: torch.nn.Module, heads: int, device: torch.device) -> torch.Tensor:
        """[heads, width, at most width]: F with ‖v F‖ = ‖v W_O^h‖, but small.

        W_O^h transposed is Q R with orthonormal columns in Q, so that ‖v W_O^h‖ = ‖v Rᵀ‖.
        """
        if module not in self._factors:
            whole = matrix(self._projections[module])
            assert whole is not None
            # on the CPU, as not every device can do this
            whole = whole.detach().to("cpu", torch.float32)
            parts = whole.reshape(heads, -1, whole.shape[-1])
            _, upper = torch.linalg.qr(parts.mT, mode="r")
            self._factors[module] = upper.mT.to(device)
        return self._factors[module]
