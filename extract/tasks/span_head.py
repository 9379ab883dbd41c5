"""A span head: the linear layer that says whether two spans of a text name the same thing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import ExtractError
from ..metrics.spans import PairIndex
from ..saying import listed
from .pair_index import pair_index

if TYPE_CHECKING:
    from ..models.capture import Ran
    from .base import Placed


@dataclass(frozen=True)
class SpanHead:
    """logit = weight · [u; v; u ∘ v; |u − v|] + bias, u and v means over span 1 and span 2.

    Attributes:
        weight: float32 [1, 4 · width].
        bias: float32 [1].
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def logits(self, last: torch.Tensor, pairs: PairIndex) -> torch.Tensor:
        """Logit of coreference for each pair.

        Args:
            last: [batch, tokens, width], the last hidden state.
            pairs: where the pairs are.

        Returns:
            float32 [pairs]; coreferent where above 0.
        """
        u = pairs.first.mean(last, pairs.examples)
        v = pairs.second.mean(last, pairs.examples)
        features = torch.cat([u, v, u * v, (u - v).abs()], dim=-1)
        return features @ self.weight[0].to(features.device) + self.bias.to(features.device)


@dataclass(frozen=True)
class SpanPredictor:
    """Predicts a logit for each pair of an example.

    Attributes:
        head: makes the logits from the last hidden state.
        full: False, the model's own head is not needed.
    """

    head: SpanHead
    full: bool = False

    def predict(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        """float32 [pairs] for each example; None for those without pairs."""
        index = pair_index(batch, ran.last.device)
        if index is None:
            return [None] * len(batch)
        logits = self.head.logits(ran.last, index).float().cpu().numpy()
        ends = list(itertools.accumulate(len(one.pairs) for one in batch))
        return [
            logits[end - len(one.pairs) : end] if one.pairs else None
            for one, end in zip(batch, ends, strict=True)
        ]


def load_span_head(path: Path, width: int) -> SpanHead:
    """Reads a span head from a safetensors file.

    Args:
        path: the file, with ``weight`` [1, 4 · width] and ``bias`` [1].
        width: of the model's hidden states.

    Raises:
        ExtractError: no such file, or one that does not fit the model.
    """
    if path.is_dir():
        raise ExtractError(f"{path} is a directory; --span-head takes a safetensors file.")
    if not path.exists():
        raise ExtractError(f"There is no span head {path}; check the path of --span-head.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ExtractError(
            f"The span head {path} is not readable as safetensors ({error})."
        ) from error
    wanted = {"weight": (1, 4 * width), "bias": (1,)}
    for name, shape in wanted.items():
        if name not in tensors:
            found = listed(sorted(tensors), 5) or "nothing"
            raise ExtractError(f'The span head {path} has no tensor "{name}" (it holds {found}).')
        if tuple(tensors[name].shape) != shape:
            raise ExtractError(
                f'The span head {path} has "{name}" of shape {list(tensors[name].shape)}, but '
                f"a model of width {width} needs {list(shape)}; "
                "take the head that was trained with this model."
            )
    weight, bias = (tensors[name].to(torch.float32) for name in wanted)
    if not bool(torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise ExtractError(f"The span head {path} holds values that are not finite.")
    return SpanHead(weight, bias)
