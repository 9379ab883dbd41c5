"""What a model's head says of a whole text: classes or a number, from the right token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from ..errors import ExtractError

if TYPE_CHECKING:
    from ..models import LoadedModel
    from ..models.capture import Ran
    from .base import Placed

_SEVERAL = (
    ", which gives every class a probability of its own (sigmoid); the likeliest one counts as "
    "predicted"
)

Kind = Literal["one", "several", "regression"]


@dataclass(frozen=True)
class Heads:
    """What the outputs of a head mean.

    Attributes:
        kind: one class of several (softmax), several at once (sigmoid), or a number.
        note: for people, after "the model's own head".
    """

    kind: Kind
    note: str = ""

    def log(self, logits: Any) -> list[float] | None:
        """Natural logarithms of the probabilities of the classes, in float64.

        None if the logits give none, as those of half precision that overflows.
        """
        values = np.asarray(logits, dtype=np.float64)
        if np.isnan(values).any() or (self.kind == "one" and not np.isfinite(values.max())):
            return None
        if self.kind == "several":
            return [-float(np.logaddexp(0.0, -value)) for value in values]
        shifted = values - values.max()
        logs = shifted - np.log(np.exp(shifted).sum())
        return [float(value) for value in logs]


def head_of(loaded: LoadedModel) -> Heads:
    """What the head of a model predicts.

    Raises:
        ExtractError: the model is an encoder-decoder.
    """
    if len(loaded.sides) > 1:
        raise ExtractError(
            f"{loaded.info.name} is an encoder-decoder; its head for classes is not supported. Run "
            "it with --task seq2seq, or another model."
        )
    config = loaded.model.config
    if getattr(config, "problem_type", None) == "multi_label_classification":
        return Heads("several", _SEVERAL)
    if len(loaded.labels) == 1:
        return Heads("regression", ", which predicts a number")
    return Heads("one")


class ClassPredictor:
    """The logits of the classes.

    Models that classify by the last token of a text look for it by the padding token, which many
    decoders do not have, and which may be an ordinary token of the text. So their head is applied
    here, to the last token that is there.

    Attributes:
        full: whether the model is run with its head.
        by_last: whether it classifies by the last token.
    """

    def __init__(self, loaded: LoadedModel, heads: Heads) -> None:
        self.heads = heads
        self._model = loaded.model
        self._pad = loaded.own_pad_id
        # "score" is the linear layer of transformers' decoders for classes; XLNet sums up a
        # sequence by its last position, which would be padding here
        self._linear = isinstance(getattr(self._model, "score", None), torch.nn.Linear)
        summary = getattr(self._model, "sequence_summary", None)
        self._summary = getattr(summary, "summary_type", "") == "last" and hasattr(
            self._model, "logits_proj"
        )
        self.by_last = self._linear or self._summary
        self.full = not self.by_last

    def last_token(self, one: Placed[Any]) -> int:
        """The token that the model classifies an example by: the last that is no padding token."""
        ids = one.encoded.ids
        if self._linear and self._pad is not None:
            found = np.flatnonzero(ids != self._pad)
            return int(found[-1]) if len(found) else len(ids) - 1
        return len(ids) - 1

    def predict(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        """float32 [classes] for each example: logits, or the number that is predicted."""
        if self.by_last:
            rows = torch.arange(len(batch), device=ran.last.device)
            at = torch.tensor([self.last_token(one) for one in batch], device=ran.last.device)
            logits = self._logits(ran.last[rows, at])
        elif ran.logits is None:
            raise ValueError("the model was run without its head")
        else:
            logits = ran.logits
        values = logits.float().cpu().numpy()
        return [values[row] for row in range(len(batch))]

    def _logits(self, last: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor
        if self._linear:
            found = self._model.score(last.to(self._model.score.weight.device))
        else:
            found = self._model.logits_proj(self._model.sequence_summary(last[:, None]))
        return found
