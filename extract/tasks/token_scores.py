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

from ..data.encoding import source_of, token_names

if TYPE_CHECKING:
    from ..models import LoadedModel
    from ..models.capture import Ran
    from .base import Placed

CHOICES = 5
"""First choices that are kept of each token."""

_AT_ONCE = 1 << 25
"""Logits that are alive at once: 128 MiB in float32."""
_FIRST = 64
"""Positions of the first stretch, as long as the size of the vocabulary is not known."""


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Of one example's tokens, on the side that the model writes.

    Attributes:
        loss: float32 [tokens], −ln p(token | what is before it) in nats; NaN where none is said.
        rank: int64 [tokens], 1 for the model's first choice; 0 where none is said. Of tokens that
            the model holds for equally likely the one that stands there comes first.
        choices: int64 [tokens, k], numbers of the k = min(CHOICES, vocabulary) likeliest tokens,
            best first.
        chances: float32 [tokens, k], their probabilities.
        names: the likeliest tokens as the tokenizer writes them; empty where none is said.
    """

    loss: npt.NDArray[np.float32]
    rank: npt.NDArray[np.int64]
    choices: npt.NDArray[np.int64]
    chances: npt.NDArray[np.float32]
    names: list[list[str]]


@dataclass(frozen=True)
class _Said:
    """What is said of some tokens, on the device: a row of each tensor is a token's."""

    loss: torch.Tensor
    rank: torch.Tensor
    choices: torch.Tensor
    chances: torch.Tensor

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        return tuple(
            one.cpu().numpy() for one in (self.loss, self.rank, self.choices, self.chances)
        )


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
        ids = [
            one.encoded.ids if whole else one.encoded.ids[source_of(one.encoded) :] for one in batch
        ]
        counts = [max(0, len(one) - self._shift) for one in ids]
        found = self._said(ran, ids, counts)
        scores = []
        start = 0
        for count, own in zip(counts, ids, strict=True):
            mine = slice(start, start := start + count)
            scores.append(self._scores(len(own), *(array[mine] for array in found)))
        return scores

    def _said(
        self, ran: Ran, ids: Sequence[npt.NDArray[np.int32]], counts: Sequence[int]
    ) -> list[npt.NDArray[Any]]:
        """Loss, rank, choices and chances of all tokens of a batch, one example after another."""
        rows = np.repeat(np.arange(len(ids)), counts)
        at = np.concatenate([np.arange(count) for count in counts])
        gold = np.concatenate([own[self._shift :] for own in ids]).astype(np.int64)
        parts = [
            _said_of(logits, torch.from_numpy(gold[stretch]).to(logits.device)).arrays
            for stretch, logits in self._logits(ran, torch.from_numpy(rows), torch.from_numpy(at))
        ]
        if not parts:
            none = np.zeros((0, 0), dtype=np.float32)
            return [none[:, :0].reshape(0), np.zeros(0, dtype=np.int64), none.astype(int), none]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def _logits(
        self, ran: Ran, rows: torch.Tensor, at: torch.Tensor
    ) -> Iterator[tuple[slice, torch.Tensor]]:
        """Stretches of some positions of a batch, with their logits: float32 [k, vocabulary]."""
        states = ran.last if ran.logits is None else ran.logits
        rows, at = rows.to(states.device), at.to(states.device)
        start, step = 0, _FIRST
        while start < len(rows):
            stretch = slice(start, min(start + step, len(rows)))
            logits = states[rows[stretch], at[stretch]]
            if ran.logits is None:
                head = self._loaded.logits
                assert head is not None  # else the whole model was run
                logits = head(logits[None])[0]
            yield stretch, logits.to(torch.float32)
            start, step = stretch.stop, max(1, _AT_ONCE // logits.shape[1])

    def _scores(
        self,
        count: int,
        loss: npt.NDArray[np.float32],
        rank: npt.NDArray[np.int64],
        choices: npt.NDArray[np.int64],
        chances: npt.NDArray[np.float32],
    ) -> TokenScores:
        """Of one example: what is said stands at its last tokens, there is nothing before that."""
        silent = count - len(loss)
        width = choices.shape[1]
        flat = token_names(self._loaded.tokenizer, choices.reshape(-1).tolist())
        names = [flat[i * width : (i + 1) * width] for i in range(len(loss))]
        return TokenScores(
            np.concatenate([np.full(silent, np.nan, dtype=np.float32), loss]),
            np.concatenate([np.zeros(silent, dtype=np.int64), rank]),
            np.concatenate([np.zeros((silent, width), dtype=np.int64), choices]),
            np.concatenate([np.zeros((silent, width), dtype=np.float32), chances]),
            [[] for _ in range(silent)] + names,
        )


def _said_of(logits: torch.Tensor, gold: torch.Tensor) -> _Said:
    """What some logits say.

    Args:
        logits: float32 [tokens, vocabulary], which may be written to.
        gold: int64 [tokens], the tokens that stand there.
    """
    total = logits.logsumexp(1, keepdim=True)
    own = logits.gather(1, gold[:, None])
    loss = (total - own)[:, 0]
    # logits that are no numbers, as of half precision that overflows, say nothing
    rank = (1 + (logits > own).sum(1)).where(loss.isfinite(), 0)
    # among equals the one that stands there comes first, so that rank 1 is the first choice
    logits.scatter_(1, gold[:, None], own.nextafter(own.new_full((), torch.inf)))
    best = logits.topk(min(CHOICES, logits.shape[1]), dim=1)
    return _Said(
        loss.where(loss.isfinite(), torch.nan), rank, best.indices, (best.values - total).exp()
    )
