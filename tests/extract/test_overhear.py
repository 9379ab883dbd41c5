"""Scores are overheard where weights are their softmax, and entropy made of them is the entropy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from extract.metrics import AttentionStats, BatchLayout
from extract.models.capture import Block
from extract.models.overhear import Overhearing

LOWEST = torch.finfo(torch.float32).min


def heard(function: Callable[[torch.Tensor], torch.Tensor], scores: torch.Tensor) -> bool:
    """Whether the scores of what a function makes of them are known."""
    ear = Overhearing()
    with ear:
        weights = function(scores)
    found = ear.scores_of(weights)
    assert found is None or found is scores
    assert ear.scores_of(weights) is None, "of the last call only"
    return found is not None


@pytest.mark.parametrize(
    ("function", "known"),
    [
        (lambda s: s.softmax(-1), True),
        (lambda s: torch.softmax(s, dim=3), True),
        (lambda s: torch.nn.functional.softmax(s, dim=-1, dtype=torch.float32).to(s.dtype), True),
        (lambda s: torch.dropout(torch.nn.functional.softmax(s, -1), 0.5, False), True),
        (lambda s: s.softmax(2), False),
        (lambda s: s.softmax(-1)[..., :-1], False),
        (lambda s: s.softmax(-1).to(torch.bfloat16), False),
        (lambda s: s.softmax(-1) * 2, False),
        (lambda s: s.softmax(-1) + 0 * s.softmax(-1), False),
        (lambda s: s.exp() / s.exp().sum(-1, keepdim=True), False),
    ],
)
def test_only_what_the_weights_are_the_softmax_of(
    function: Callable[[torch.Tensor], torch.Tensor], known: bool
) -> None:
    assert heard(function, torch.randn(2, 3, 4, 5)) == known


def test_narrow_scores_are_not_used() -> None:
    assert not heard(lambda s: s.softmax(-1), torch.randn(2, 3, 4, 5).to(torch.bfloat16))


def entropies(scores: torch.Tensor, *, told: bool, lengths: list[int]) -> torch.Tensor:
    """Entropy of each head, [examples, heads], with or without knowing the scores."""
    batch, _, rows, _ = scores.shape
    layout = BatchLayout(lengths)
    stats = AttentionStats(layout, 1, ("entropy",))
    whole = slice(0, batch), slice(0, rows)
    stats.add(Block("self", 0, *whole, scores.softmax(-1), None, scores if told else None))
    return stats.finish().example[0, :, 0]


def by_hand(scores: torch.Tensor, lengths: list[int]) -> list[list[float]]:
    """The same in float64, row by row."""
    found: list[list[float]] = []
    for example, n in zip(scores.double().numpy(), lengths, strict=True):
        found.append([])
        for head in example[:, :n, :n]:
            weights = np.exp(head - head.max(1, keepdims=True))
            weights /= weights.sum(1, keepdims=True)
            some = np.where(weights > 0, weights, 1)
            found[-1].append(float(-(weights * np.log(some)).sum(1).mean()))
    return found


@pytest.mark.parametrize("size", [0.01, 1.0, 8.0, 300.0])
@pytest.mark.parametrize("batch", [1, 3])
def test_entropy_from_scores_is_the_entropy(size: float, batch: int) -> None:
    """Short texts are summed side by side, a single one by itself; both of any size of score."""
    lengths = [37, 29, 1][:batch]
    scores = size * torch.randn(batch, 4, 37, 37, generator=torch.Generator().manual_seed(0))
    scores[:, 0, :, 0] -= 100.0  # the first key has no weight that would say much
    for example, n in enumerate(lengths):
        scores[example, ..., n:] = LOWEST
    told = entropies(scores, told=True, lengths=lengths)
    expected = torch.tensor(by_hand(scores, lengths), dtype=torch.float32)
    torch.testing.assert_close(told, expected, rtol=1e-5, atol=1e-5)
    plain = entropies(scores, told=False, lengths=lengths)
    torch.testing.assert_close(told, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [LOWEST, -np.inf])
def test_hidden_keys_do_not_matter(hidden: float) -> None:
    scores = 3 * torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    scores[..., torch.ones(6, 6, dtype=torch.bool).triu(1)] = hidden
    told = entropies(scores, told=True, lengths=[6])
    expected = torch.tensor(by_hand(scores, [6]), dtype=torch.float32)
    torch.testing.assert_close(told, expected, rtol=1e-5, atol=1e-6)
