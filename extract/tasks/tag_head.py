"""What a model's head says of each word: the label of its first piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .base import NOWHERE, Placed

if TYPE_CHECKING:
    from ..models.capture import Ran

Said = tuple[str, float]
"""The label that a model gives to a word, and its probability."""
UNDEFINED: Said = ("", float("nan"))
"""What it gives where its logits are no numbers, as those of half precision that overflows."""


@dataclass
class TagPredictor:
    """The label of the highest logit at the first piece of each word.

    Attributes:
        labels: by number.
        full: True, the logits are the head's.
    """

    labels: tuple[str, ...]
    full: bool = True

    def predict(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        """For each example a label and its probability for each word, None without a token."""
        if ran.logits is None:
            raise ValueError("the model was run without its head")
        rows = [row for row, one in enumerate(batch) for span in one.items if span != NOWHERE]
        at = [span[0] for one in batch for span in one.items if span != NOWHERE]
        logits = ran.logits[rows, at].float()
        best = logits.softmax(-1).max(-1)
        said = iter(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        found: list[Any] = []
        for one in batch:
            answers: list[Said | None] = []
            for span in one.items:
                if span == NOWHERE:
                    answers.append(None)
                else:
                    label, probability = next(said)
                    defined = probability == probability
                    answers.append((self.labels[label], probability) if defined else UNDEFINED)
            found.append(answers)
        return found
