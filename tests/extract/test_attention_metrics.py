"""Head metrics against hand-made matrices and against plain loops in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import torch

from extract.metrics import (
    EXAMPLE_METRICS,
    PAIR_METRICS,
    AttentionStats,
    BatchLayout,
    example_metrics,
    rowwise,
)
from extract.models.capture import Block

NAMES = example_metrics()
Matrix = npt.NDArray[np.float64]


def measure(
    maps: list[Matrix],
    separators: list[list[int]] | None = None,
    causal: bool = False,
    ids: list[list[int]] | None = None,
    rows: int = 0,
    examples: int = 0,
) -> dict[str, Matrix]:
    """Metrics of a padded batch of maps [heads, n, n]: name → [batch, heads].

    Args:
        maps: one per example.
        separators: where they stand in each.
        causal: what the layout says.
        ids: of the tokens; all different if not given.
        rows, examples: of a block at most, 0 for all.
    """
    longest = max(one.shape[-1] for one in maps)
    # rows of padding hold nonsense, as those of a model do: it must not be looked at
    batch = torch.full((len(maps), maps[0].shape[0], longest, longest), 0.37)
    marks = np.zeros((len(maps), longest), dtype=np.bool_)
    numbers = np.zeros((len(maps), longest), dtype=np.int64)  # padding repeats, and is no repeat
    for row, one in enumerate(maps):
        n = one.shape[-1]
        batch[row, :, :n] = 0
        batch[row, :, :n, :n] = torch.from_numpy(one)
        marks[row, separators[row] if separators else []] = True
        numbers[row, :n] = ids[row] if ids else np.arange(n)
    lengths = [one.shape[-1] for one in maps]
    layout = BatchLayout(lengths, causal=causal, separators=marks, ids=numbers)
    stats = AttentionStats(layout, 1, NAMES)
    for block in cut(batch, examples, rows):
        stats.add(block)
    found = stats.finish().example[:, :, 0].double().numpy()
    return dict(zip(NAMES, found, strict=True))


def cut(weights: torch.Tensor, examples: int = 0, rows: int = 0, layer: int = 0) -> Iterator[Block]:
    """One layer's weights as blocks of some examples and rows; 0 for all."""
    batch, _, queries, _ = weights.shape
    for example in range(0, batch, examples or batch):
        for row in range(0, queries, rows or queries):
            at = slice(example, min(batch, example + (examples or batch)))
            of = slice(row, min(queries, row + (rows or queries)))
            yield Block("self", layer, at, of, weights[at, :, of], None)


def by_hand(
    a: Matrix, separators: list[int], causal: bool = False, ids: Sequence[int] | None = None
) -> dict[str, float]:
    """The formulas of the field, one number at a time, for one head's map [n, n]."""
    n = len(a)
    seen = [i + 1 if causal else n for i in range(n)]
    others = [j for j in range(n) if j not in separators]
    nan = float("nan")
    x = list(ids) if ids is not None else list(range(n))
    again = [i for i in range(n) if x[i] in x[:i]]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else nan

    spread = [(sum(a[i] ** 2) - 1 / v) / (1 - 1 / v) for i, v in enumerate(seen) if v > 1]
    entropies = [float(scipy.stats.entropy(a[i])) for i in range(n)]
    return {
        "std": float(np.std(a)),
        "std_normalised": math.sqrt(mean(spread)) if spread else nan,
        "entropy": mean(entropies),
        "entropy_normalised": mean(
            [entropies[i] / math.log(seen[i]) for i in range(n) if seen[i] > 1]
        ),
        "confidence": mean([max((a[i, j] for j in others), default=0.0) for i in range(n)]),
        "mass_previous": mean([a[i, i - 1] for i in range(1, n)]),
        "mass_same": mean([a[i, i] for i in range(n)]),
        "mass_next": mean([a[i, i + 1] for i in range(n - 1)]),
        "mass_first": mean([a[i, 0] for i in range(1, n)]),
        "mass_separator": mean([sum(a[i, separators]) for i in range(n)]) if separators else nan,
        "separator_from_separators": mean([sum(a[i, separators]) for i in separators]),
        "separator_from_others": mean([sum(a[i, separators]) for i in others])
        if separators
        else nan,
        "duplicate_token": mean([sum(a[i, j] for j in range(i) if x[j] == x[i]) for i in again]),
        "induction": mean(
            [sum(a[i, j] for j in range(1, i + 1) if x[j - 1] == x[i]) for i in again]
        ),
        "mean_distance": sum(a[i, j] * abs(i - j) for i in range(n) for j in range(n)) / a.sum(),
    }


def softmax(scores: Matrix) -> Matrix:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


@pytest.mark.parametrize("causal", [False, True])
def test_all_metrics_equal_plain_loops(causal: bool) -> None:
    random = np.random.default_rng(4)
    maps, separators, ids = [], [[8], [4, 6], [], [0], [1]], []
    for n in (9, 7, 5, 1, 2):
        ids.append(random.integers(0, 4, n).tolist())
        scores = random.normal(size=(3, n, n)) * np.array([0.1, 2, 9])[:, None, None]
        maps.append(softmax(np.where(np.tri(n) > 0, scores, -np.inf) if causal else scores))
    found = measure(maps, separators, causal, ids)
    for row, one in enumerate(maps):
        for head in range(3):
            expected = by_hand(one[head], separators[row], causal, ids[row])
            assert set(expected) == set(found)
            for name, value in expected.items():
                got = found[name][row, head]
                assert got == pytest.approx(value, abs=1e-5, nan_ok=True), (name, row, head)


def test_previous_is_before_and_next_is_after() -> None:
    n = 5
    previous, following, first = np.zeros((3, n, n))
    for i in range(n):
        previous[i, max(i - 1, 0)] = 1  # the second token looks at the first, and so on
        following[i, min(i + 1, n - 1)] = 1
        first[i, 0] = 1
    found = measure([np.stack([previous, following, first])])
    assert found["mass_previous"][0].tolist() == [1, 0, 0.25]
    assert found["mass_next"][0].tolist() == [0, 1, 0]
    assert found["mass_first"][0].tolist() == [0.25, 0, 1]
    assert found["mass_same"][0] == pytest.approx([0.2, 0.2, 0.2])


def test_uniform_and_one_hot_are_the_ends_of_the_range() -> None:
    for n in (2, 8, 64):
        uniform, one_hot = np.full((n, n), 1 / n), np.roll(np.eye(n), -1, axis=0)
        found = {name: x[0] for name, x in measure([np.stack([uniform, one_hot])]).items()}
        assert found["std"] == pytest.approx([0, math.sqrt((1 / n) * (1 - 1 / n))], abs=1e-4)
        assert found["std_normalised"] == pytest.approx([0, 1], abs=1e-3)
        assert found["entropy"] == pytest.approx([math.log(n), 0], abs=1e-5)
        assert found["entropy_normalised"] == pytest.approx([1, 0], abs=1e-5)
        assert found["confidence"] == pytest.approx([1 / n, 1], abs=1e-5)


def test_normalised_std_is_std_by_its_largest_value() -> None:
    random = np.random.default_rng(1)
    for n in (3, 10, 40):
        found = measure([softmax(random.normal(size=(4, n, n)) * 3)])
        largest = math.sqrt((1 / n) * (1 - 1 / n))
        assert found["std_normalised"] == pytest.approx(found["std"] / largest, rel=1e-4)


def test_confidence_looks_away_from_the_separator() -> None:
    a = np.array([[[0.2, 0.1, 0.7], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]]])
    found = measure([a], [[2]])
    assert found["confidence"][0, 0] == pytest.approx((0.2 + 0.3 + 0.0) / 3)
    assert found["mass_separator"][0, 0] == pytest.approx((0.7 + 0.4 + 1.0) / 3)


@pytest.mark.parametrize("causal", [False, True])
def test_blocks_and_parts_of_any_size_give_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, causal: bool
) -> None:
    random = np.random.default_rng(2)
    scores = [random.normal(size=(4, n, n)) for n in (12, 11, 9, 3)]
    maps = [
        softmax(np.where(np.tri(len(one[0])) > 0, one, -np.inf) if causal else one)
        for one in scores
    ]
    separators = [[11], [10], [8], [2]]
    ids = [random.integers(0, 5, len(one[0])).tolist() for one in maps]
    whole = measure(maps, separators, causal, ids)
    for size, rows, examples in ((1, 0, 0), (200, 0, 0), (1 << 17, 5, 1), (300, 7, 3), (50, 1, 2)):
        monkeypatch.setattr(rowwise, "CHUNK", size)
        parts = measure(maps, separators, causal, ids, rows, examples)
        for name in NAMES:
            np.testing.assert_allclose(parts[name], whole[name], atol=1e-6, err_msg=name)


def test_rows_that_do_not_sum_to_one_are_noticed() -> None:
    def error(weights: torch.Tensor) -> float:
        stats = AttentionStats(BatchLayout([3, 4]), 1, ("entropy",))
        for block in cut(weights):
            stats.add(block)
        return float(stats.finish().row_error)

    weights = torch.full((2, 1, 4, 4), 1 / 3)
    weights[1] = 1 / 4
    assert error(weights) == pytest.approx(0, abs=1e-6)  # the padded row does not count
    weights[0, 0, 0, 3] = 0.5  # nor does what a row gives to padding
    assert error(weights) == pytest.approx(0, abs=1e-6)
    weights[0, 0, 1, 1] = 0.5
    assert error(weights) == pytest.approx(1 / 6, abs=1e-6)
    weights[0, 0, 1, 1] = math.nan
    assert math.isnan(error(weights))


def test_every_metric_says_what_it_is() -> None:
    descriptions = [m.description for m in EXAMPLE_METRICS.values()]
    assert all(one.unit == "example" for one in descriptions)
    pairs = [m.description for m in PAIR_METRICS.values()]
    assert all(one.unit == "pair" for one in pairs)
    for one in (*descriptions, *pairs):
        assert one.title and one.source and len(one.meaning) > 40, one.name
        assert one.low is not None
