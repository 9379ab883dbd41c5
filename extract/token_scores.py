"""What a language model says of every token: loss, rank, and its own first choices.

For a causal model, and for a decoder, the token at position i is scored by the output at i − 1. A
masked model is scored at i itself, with the token in sight: that is one clean pass over the text as
it is, not a pseudo-likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .encoding import source_of

if TYPE_CHECKING:
    from .capture import Ran
    from .models import LoadedModel
    from .tasks.base import Placed

CHOICES = 5
"""First choices that are kept of each token."""

_AT_ONCE = 1 << 25
"""Logits that are alive at once: 128 MiB in float32."""


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Of one example's tokens, on the side that the model writes.

    Attributes:
        loss: float32 [tokens], −ln p(token | what is before it) in nats; NaN where none is said.
        rank: int64 [tokens], 1 for the model's first choice; 0 where none is said.
        choices: int64 [tokens, CHOICES], numbers of the likeliest tokens, best first.
        chances: float32 [tokens, CHOICES], their probabilities.
        names: the likeliest tokens as the tokenizer writes them.
    """

    loss: npt.NDArray[np.float32]
    rank: npt.NDArray[np.int64]
    choices: npt.NDArray[np.int64]
    chances: npt.NDArray[np.float32]
    names: list[list[str]]


class TokenPredictor:
    """Scores every token of a batch from the last hidden state, a stretch at a time.

    Attributes:
        full: whether logits must come from the whole model, as they cannot be had for a stretch.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._shift = 0 if loaded.masked else 1
        self.full = loaded.logits is None

    def predict(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        """:class:`TokenScores` for each example."""
        whole = self._loaded.sides == ("text",)
        found = []
        for row, one in enumerate(batch):
            ids = one.encoded.ids if whole else one.encoded.ids[source_of(one.encoded) :]
            found.append(self._scores(ran, row, torch.from_numpy(ids.astype(np.int64))))
        return found

    def _scores(self, ran: Ran, row: int, ids: torch.Tensor) -> TokenScores:
        count, shift = len(ids), self._shift
        loss = np.full(count, np.nan, dtype=np.float32)
        rank = np.zeros(count, dtype=np.int64)
        choices = np.zeros((count, CHOICES), dtype=np.int64)
        chances = np.zeros((count, CHOICES), dtype=np.float32)
        for start, logits in self._logits(ran, row, count - shift):
            at = slice(start + shift, start + shift + len(logits))
            gold = ids[at].to(logits.device)[:, None]
            own = logits.gather(1, gold)
            total = logits.logsumexp(1, keepdim=True)
            best = logits.topk(min(CHOICES, logits.shape[1]), dim=1)
            width = best.indices.shape[1]
            loss[at] = (total - own)[:, 0].cpu().numpy()
            rank[at] = 1 + (logits > own).sum(1).cpu().numpy()
            choices[at, :width] = best.indices.cpu().numpy()
            chances[at, :width] = (best.values - total).exp().cpu().numpy()
        flat = choices.reshape(-1).tolist()
        names = [
            f"<{number}>"
            if name is None
            else str(name)  # some models know more than their tokenizer
            for number, name in zip(
                flat, self._loaded.tokenizer.convert_ids_to_tokens(flat), strict=True
            )
        ]
        by_token = [names[i * CHOICES : (i + 1) * CHOICES] for i in range(count)]
        return TokenScores(loss, rank, choices, chances, by_token)

    def _logits(self, ran: Ran, row: int, count: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Stretches of the first ``count`` positions: where they start, float32 [k, vocabulary]."""
        if ran.logits is not None:
            if count > 0:
                yield 0, ran.logits[row, :count].to(torch.float32)
            return
        head = self._loaded.logits
        assert head is not None  # else the whole model was run
        start, step = 0, 64
        while start < count:
            logits = head(ran.last[row, start : min(start + step, count)][None])[0]
            yield start, logits.to(torch.float32)
            start += len(logits)
            step = max(1, _AT_ONCE // logits.shape[1])
