"""Attention between spans, distances between spans: directions, padding, plain loops."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from extract.capture import Block
from extract.metrics import PAIR_METRICS, AttentionStats, BatchLayout
from extract.metrics.spans import PairIndex, SpanIndex, span_distances

NAMES = tuple(PAIR_METRICS)
Pair = tuple[int, tuple[int, int], tuple[int, int]]


def measure(
    weights: torch.Tensor,
    lengths: list[int],
    pairs: list[Pair],
    causal: bool = False,
    rows: int = 0,
) -> dict[str, npt.NDArray[np.float32]]:
    """Metrics of pairs (example, span 1, span 2): name → [pairs, heads]."""
    examples, first, second = zip(*pairs, strict=True)
    index = PairIndex.of(examples, first, second)
    stats = AttentionStats(
        BatchLayout(lengths, causal=causal), 1, (), pair_metrics=NAMES, pairs=index
    )
    batch, tokens = weights.shape[0], weights.shape[2]
    for start in range(0, tokens, rows or tokens):
        at = slice(start, min(tokens, start + (rows or tokens)))
        stats.add(Block("self", 0, slice(0, batch), at, weights[:, :, at], None))
    return dict(zip(NAMES, stats.finish().pair[:, :, 0].numpy(), strict=True))


def test_directions() -> None:
    weights = torch.zeros(1, 1, 6, 6)
    weights[0, 0, 1, 4] = 0.5  # the candidate's first piece looks at the pronoun
    weights[0, 0, 4, 2] = 0.25  # the pronoun looks at the candidate's second piece
    found = measure(weights, [6], [(0, (1, 3), (4, 5))])
    assert found["intensity_candidate_pronoun_max"] == pytest.approx(0.5)
    assert found["intensity_pronoun_candidate_max"] == pytest.approx(0.25)
    assert found["intensity_candidate_pronoun_mass"] == pytest.approx(0.25)  # of two pieces
    assert found["intensity_pronoun_candidate_mass"] == pytest.approx(0.25)
    assert found["intensity_candidate_pronoun_excess"] == pytest.approx(0.25 - 1 / 6)
    assert found["intensity_pronoun_candidate_excess"] == pytest.approx(0.25 - 2 / 6)


@pytest.mark.parametrize("rows", [0, 4, 1])
@pytest.mark.parametrize("causal", [False, True])
def test_all_metrics_equal_plain_loops(causal: bool, rows: int) -> None:
    random = np.random.default_rng(3)
    lengths = [9, 6]
    weights = torch.zeros(2, 3, 9, 9)
    for row, n in enumerate(lengths):
        scores = torch.from_numpy(random.normal(size=(3, n, n)) * 2)
        if causal:
            scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -math.inf)
        weights[row, :, :n, :n] = scores.softmax(-1).float()
    pairs: list[Pair] = [
        (0, (1, 4), (6, 7)),
        (0, (2, 3), (4, 9)),
        (1, (3, 5), (0, 2)),
        (1, (5, 6), (1, 2)),
    ]
    found = measure(weights, lengths, pairs, causal, rows)
    for number, (row, first, second) in enumerate(pairs):
        for way, (of, to) in {
            "candidate_pronoun": (first, second),
            "pronoun_candidate": (second, first),
        }.items():
            for head in range(3):
                a = weights[row, head].double().numpy()
                block = a[of[0] : of[1], to[0] : to[1]]
                mass = block.sum(1).mean()
                chance = np.mean(
                    [
                        sum(j <= i or not causal for j in range(*to))
                        / (i + 1 if causal else lengths[row])
                        for i in range(*of)
                    ]
                )
                for form, value in (
                    ("max", block.max()),
                    ("mass", mass),
                    ("excess", mass - chance),
                ):
                    got = found[f"intensity_{way}_{form}"][number, head]
                    assert got == pytest.approx(value, abs=1e-6), (number, way, form, head)


def test_uniform_attention_has_no_excess() -> None:
    weights = torch.full((1, 2, 7, 7), 1 / 7)
    found = measure(weights, [7], [(0, (0, 3), (4, 6))])
    for way in ("candidate_pronoun", "pronoun_candidate"):
        assert found[f"intensity_{way}_excess"] == pytest.approx(0, abs=1e-6)
    assert found["intensity_candidate_pronoun_mass"] == pytest.approx(2 / 7)


def test_span_means_pass_over_padding() -> None:
    states = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3)
    index = SpanIndex.of([(0, 1), (1, 4), (2, 3)])
    means = index.mean(states, torch.tensor([0, 1, 1]))
    assert torch.equal(means[0], states[0, 0])
    assert torch.equal(means[1], states[1, 1:4].mean(0))
    assert torch.equal(means[2], states[1, 2])


def test_distances_between_spans() -> None:
    u = torch.tensor([[1.0, 0, 0], [2.0, 0, 0], [3.0, 4, 0], [0.0, 0, 0]])
    v = torch.tensor([[5.0, 0, 0], [0.0, 2, 0], [-3.0, -4, 0], [1.0, 0, 0]])
    cosine, euclid = span_distances(u, v).numpy()
    assert cosine[:3] == pytest.approx([0, 1, 2], abs=1e-6) and math.isnan(cosine[3])
    assert euclid == pytest.approx([4, math.sqrt(8), 10, 1], abs=1e-6)
