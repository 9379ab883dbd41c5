"""Distances between groups of points, against plain loops, and their intervals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import pdist

import collateral
from collateral.analysis import difference, group_curves, groups
from collateral.analysis.distances import resamples
from tests.factory import write_collateral

LABELS = ("x", "y", "z")
Doubles = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with 16 examples, each with some points."""
    where = tmp_path_factory.mktemp("groups") / "a"
    return write_collateral(where, examples=16, layers=2, heads=1, attention=0)


@pytest.fixture
def c(path: Path) -> collateral.Collateral:
    """It, open."""
    return collateral.open(path)


def some_codes(c: collateral.Collateral, seed: int = 0) -> npt.NDArray[np.int64]:
    """A group for every point at random, some in none."""
    return np.random.default_rng(seed).integers(-1, len(LABELS), size=len(c.points))


def by_hand(
    c: collateral.Collateral,
    codes: npt.NDArray[np.integer],
    groups: set[frozenset[int]],
    layer: int,
    drawn: npt.NDArray[np.floating] | None = None,
) -> float:
    """The mean distance over these pairs of groups, every example weighted by ``drawn``.

    Pairs of points of different examples weigh the product, pairs inside an example its weight.
    """
    places = c.coordinates(layer).astype(float)
    owners = c.point_examples.tolist()
    known = Counter(zip(owners, codes.tolist(), strict=True))
    total = weight = 0.0
    for i, j in itertools.combinations(np.flatnonzero(codes >= 0).tolist(), 2):
        if frozenset((int(codes[i]), int(codes[j]))) not in groups:
            continue
        share = 1 / math.prod(known[owners[k], int(codes[k])] for k in (i, j))
        if drawn is not None:
            apart = owners[i] != owners[j]
            share *= drawn[owners[i]] * (drawn[owners[j]] if apart else 1.0)
        total += share * math.dist(places[i], places[j])
        weight += share
    return total / weight / float(np.median(pdist(places))) if weight else math.nan


def test_means_equal_plain_loops(c: collateral.Collateral) -> None:
    codes = some_codes(c)
    found = group_curves(c, codes, LABELS)
    for layer in range(c.meta.model.layers + 1):
        for group in range(3):
            own = by_hand(c, codes, {frozenset((group,))}, layer)
            assert found.within[group].mean[layer] == pytest.approx(own, rel=1e-5)
            far = {frozenset((group, other)) for other in range(3) if other != group}
            expected = by_hand(c, codes, far, layer)
            assert found.others[group].mean[layer] == pytest.approx(expected, rel=1e-5)
        every = {frozenset(pair) for pair in itertools.combinations(range(3), 2)}
        expected = by_hand(c, codes, every, layer)
        assert found.between.mean[layer] == pytest.approx(expected, rel=1e-5)
    assert found.sizes == found.taken == tuple(int((codes == g).sum()) for g in range(3))
    assert [curve.pairs for curve in found.within] == list(found.sizes)
    owners = c.point_examples
    assert [curve.examples for curve in found.within] == [
        len(set(owners[codes == g].tolist())) for g in range(3)
    ]


@pytest.mark.parametrize("pairs", [((0, 0),), ((0, 1),)], ids=["within", "between"])
def test_resamples_follow_the_derivative(
    c: collateral.Collateral, pairs: tuple[tuple[int, int], ...]
) -> None:
    codes = np.where(some_codes(c) == 2, -1, some_codes(c))
    found = group_curves(c, codes, LABELS[:2], samples=3)
    chosen = found.within[0] if pairs == ((0, 0),) else found.between
    wanted = {frozenset(pair) for pair in pairs}
    examples = np.unique(c.point_examples[codes >= 0])
    base = np.ones(len(c.examples))
    (_, counts), *_ = resamples(len(examples), 3, 0)
    for sample in range(2):
        expected = at = by_hand(c, codes, wanted, 1)
        for example, times in zip(examples, counts[sample], strict=True):
            shifted = base.copy()
            shifted[example] += 1e-4
            slope = (by_hand(c, codes, wanted, 1, shifted) - at) / 1e-4
            expected += (times - 1) * slope
        assert chosen.resampled[sample, 1] == pytest.approx(expected, rel=1e-3)


def test_intervals_are_as_wide_as_those_of_drawn_examples(c: collateral.Collateral) -> None:
    """Against the slow way: weights of drawn examples put into the formula itself."""
    codes = np.where(some_codes(c) == 2, -1, some_codes(c))
    found = group_curves(c, codes, LABELS[:2]).between
    rng = np.random.default_rng(5)
    owners = np.unique(c.point_examples[codes >= 0])
    means = []
    for _ in range(60):
        drawn = np.zeros(len(c.examples))
        np.add.at(drawn, rng.choice(owners, len(owners)), 1)
        means.append(by_hand(c, codes, {frozenset((0, 1))}, 1, drawn))
    spread = found.resampled[:, 1].std()
    assert spread == pytest.approx(np.std(means), rel=0.35)  # of 60 resamples: give or take a third
    assert found.low[1] < found.mean[1] < found.high[1]


def test_an_interval_needs_two_examples_on_either_side(c: collateral.Collateral) -> None:
    codes = np.where(c.point_examples == 4, 0, 1)
    found = group_curves(c, codes, LABELS[:2])
    assert np.isfinite(found.within[0].mean).all() and np.isnan(found.within[0].low).all()
    assert np.isfinite(found.between.mean).all() and np.isnan(found.between.low).all()
    assert np.isfinite(found.within[1].low).all()
    assert (found.within[0].examples, found.between.examples) == (1, 1)


def test_a_group_of_one_point_or_none_has_no_mean(c: collateral.Collateral) -> None:
    codes = np.full(len(c.points), 1)
    codes[3] = 0
    found = group_curves(c, codes, LABELS)
    assert np.isnan(found.within[0].mean).all() and np.isfinite(found.others[0].mean).all()
    assert np.isnan(found.within[2].mean).all() and np.isnan(found.others[2].mean).all()
    assert np.isnan(group_curves(c, np.full(len(c.points), -1), LABELS).between.mean).all()


def test_curves_over_the_same_examples_can_be_subtracted(c: collateral.Collateral) -> None:
    among = np.arange(len(c.examples))
    first, second = (
        group_curves(c, some_codes(c, seed), LABELS, among=among).within[0] for seed in (0, 1)
    )
    gap = difference(first, second)
    np.testing.assert_allclose(gap.mean, second.mean - first.mean)
    same = difference(first, first)
    assert not same.mean.any() and not same.low.any() and not same.high.any()


def test_no_more_points_are_taken_than_said(c: collateral.Collateral) -> None:
    codes = np.where(np.arange(len(c.points)) < 5, 0, 1)
    found = group_curves(c, codes, LABELS[:2], most=30)
    assert found.taken == (5, 25) and found.sizes == (5, len(c.points) - 5)
    again = group_curves(c, codes, LABELS[:2], most=30)
    np.testing.assert_array_equal(found.between.mean, again.between.mean)
    other = group_curves(c, codes, LABELS[:2], most=30, seed=1)
    assert (found.within[1].mean != other.within[1].mean).any()
    whole = group_curves(c, codes, LABELS[:2])
    np.testing.assert_allclose(found.between.mean, whole.between.mean, rtol=0.2)


def test_blocks_of_points_do_not_matter(
    c: collateral.Collateral, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = some_codes(c)
    whole = group_curves(c, codes, LABELS)
    monkeypatch.setattr(groups, "_BLOCK", 7)
    parts = group_curves(c, codes, LABELS)
    for one, other in zip(whole.within, parts.within, strict=True):
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-5)
        np.testing.assert_allclose(one.low, other.low, rtol=1e-4)


def test_codes_must_fit(c: collateral.Collateral) -> None:
    with pytest.raises(ValueError, match="codes for"):
        group_curves(c, np.zeros(3, dtype=int), LABELS)
    with pytest.raises(ValueError, match="no label"):
        group_curves(c, np.full(len(c.points), 3), LABELS)
