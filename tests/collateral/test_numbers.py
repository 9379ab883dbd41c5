"""Curves, percentiles and ranks of any numbers, held against numpy's and scipy's own.

NaN, columns of nothing else, constants, one value alone, numbers that are huge or tiny.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from collateral.analysis import curves, difference, distances, mean_over_examples, ranked

Doubles = npt.NDArray[np.float64]

THOUSANDTHS = st.integers(-1000, 1000).map(lambda n: n / 1000)
SIZE = st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e30])
"""What numbers of one array are measured in."""


def numbers(shape: Any, nan: bool = True) -> st.SearchStrategy[Doubles]:
    """Arrays of a shape: of like numbers in any unit, some of them NaN, often equal ones."""
    plain = st.integers(-3, 3).map(float) | THOUSANDTHS
    elements = plain | st.just(np.nan) if nan else plain
    return st.builds(np.multiply, arrays(np.float64, shape, elements=elements), SIZE)


def near(found: Any, expected: Any, digits: float = 1e-6) -> None:
    """Equal to some digits of the largest, NaN where NaN is expected."""
    known = np.abs(np.asarray(expected, dtype=np.float64))
    largest = float(np.nanmax(known, initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=digits, atol=digits * largest)


def quietly(function: Any, *args: Any, **named: Any) -> Any:
    """What numpy gives of nothing but NaN, without its warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*args, **named)


# -- percentiles and medians ------------------------------------------------------------------


@given(numbers(st.tuples(st.integers(1, 40), st.integers(1, 4))))
def test_percentiles_are_numpys(resampled: Doubles) -> None:
    low, high = distances._percentiles(resampled)
    expected = quietly(np.nanpercentile, resampled, [2.5, 97.5], axis=0)
    for column in range(resampled.shape[1]):
        scale = np.nanmax(np.abs(resampled[:, column]), initial=0.0)
        for found, wanted in ((low, expected[0]), (high, expected[1])):
            assert found[column] == pytest.approx(
                wanted[column], rel=1e-6, abs=1e-6 * scale, nan_ok=True
            )
        if (resampled[:, column] == resampled[0, column]).all():
            assert low[column] == high[column] == np.float32(resampled[0, column])


@given(numbers(st.tuples(st.integers(2, 20), st.just(2)), nan=False), st.booleans(), st.data())
def test_the_median_distance_is_numpys_of_scipys_distances(
    places: Doubles, undefined: bool, data: st.DataObject
) -> None:
    if undefined:
        places[data.draw(st.integers(0, len(places) - 1)), data.draw(st.integers(0, 1))] = np.nan
    one, other = distances.pairs_of_points(len(places))
    found = distances.median_distance(places, one, other)
    assert found == pytest.approx(float(np.median(pdist(places))), rel=1e-9, abs=0, nan_ok=True)


# -- curves -----------------------------------------------------------------------------------

Pairs = tuple[Doubles, npt.NDArray[np.int64], npt.NDArray[np.int64]]


@st.composite
def some_pairs(draw: st.DrawFn) -> Pairs:
    """Values [pairs, 3], groups (-1 for none), and the example of each pair."""
    count = draw(st.integers(0, 16))
    row = st.integers(0, 5)
    codes = draw(st.lists(st.integers(-1, 1), min_size=count, max_size=count))
    owners = draw(st.lists(row, min_size=count, max_size=count))
    values = draw(numbers((count, 3)))
    return values, np.array(codes, dtype=np.int64), np.array(owners, dtype=np.int64)


def example_means(pairs: Pairs, group: int) -> Doubles:
    """The mean of each example's pairs in a group, by numpy: [examples, 3]; NaN without any."""
    values, codes, owners = pairs
    rows = [values[(owners == owner) & (codes == group)] for owner in np.unique(owners)]
    means = [
        quietly(np.nanmean, some, axis=0) if len(some) else np.full(3, np.nan) for some in rows
    ]
    return np.array(means).reshape(-1, 3)


@given(some_pairs())
def test_means_and_intervals_are_numpys_of_the_resampled_examples(pairs: Pairs) -> None:
    values, codes, owners = pairs
    found = curves(values, codes, ("a", "b"), owners, samples=30)
    drawn = (
        [w for _, w in distances.resamples(len(np.unique(owners)), 30, 0)] if len(values) else []
    )
    for group, curve in enumerate(found):
        means = example_means(pairs, group)
        expected = quietly(np.nanmean, means, axis=0) if len(means) else np.full(3, np.nan)
        near(curve.mean, expected)
        behind = ~np.isnan(means).all(axis=1)
        assert curve.examples == behind.sum()
        if curve.examples < 2:
            assert np.isnan(curve.low).all() and np.isnan(curve.high).all()
            continue
        resampled = [
            quietly(np.nanmean, np.repeat(means, weights.astype(int), axis=0), axis=0)
            for weights in drawn[0]
        ]
        low, high = quietly(np.nanpercentile, resampled, [2.5, 97.5], axis=0)
        near(np.stack([curve.low, curve.high]), np.stack([low, high]), 3e-6)


@given(THOUSANDTHS, SIZE, st.integers(2, 6))
def test_what_is_constant_has_an_interval_of_no_width(
    value: float, size: float, count: int
) -> None:
    values = np.full((count, 2), value * size)
    (curve,) = curves(values, np.zeros(count, dtype=int), ("all",), np.arange(count), samples=50)
    near(curve.mean, values[0])
    near(curve.low, values[0])
    near(curve.high, values[0])
    gap = difference(curve, curve)
    assert not gap.mean.any() and not gap.low.any() and not gap.high.any()


def test_intervals_of_few_examples_are_those_of_scipy() -> None:
    """The same bootstrap by another hand, for skewed numbers with gaps in them."""
    values = np.random.default_rng(3).lognormal(sigma=1.0, size=(25, 2))
    values[4, 1] = np.nan
    (curve,) = curves(values, np.zeros(25, dtype=int), ("all",), np.arange(25), samples=6000)
    for layer in range(2):
        other = stats.bootstrap(
            (values[:, layer],), np.nanmean, n_resamples=6000, method="percentile", vectorized=True
        ).confidence_interval
        width = float(other.high - other.low)
        assert curve.low[layer] == pytest.approx(other.low, abs=0.08 * width)
        assert curve.high[layer] == pytest.approx(other.high, abs=0.08 * width)


# -- heads ------------------------------------------------------------------------------------


@given(numbers((6, 2, 3)), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_head_means_are_numpys_means_of_means(values: Doubles, owners: list[int]) -> None:
    flat = values.astype(np.float32)
    found = mean_over_examples(flat, np.array(owners))
    each = [
        quietly(np.nanmean, flat[np.array(owners) == owner].astype(np.float64), axis=0)
        for owner in sorted(set(owners))
    ]
    near(found.mean, quietly(np.nanmean, each, axis=0))


@given(numbers((3, 4)), st.booleans())
def test_heads_are_ranked_as_scipy_ranks_them(values: Doubles, by_magnitude: bool) -> None:
    found = ranked(values, by_magnitude=by_magnitude)
    flat = values.ravel()
    known = np.flatnonzero(~np.isnan(flat))
    keys = np.abs(flat[known]) if by_magnitude else flat[known]
    places = stats.rankdata(-keys, method="ordinal")
    expected = known[np.argsort(places)].tolist()
    assert [layer * 4 + head for layer, head, _ in found] == expected
    assert [value for *_, value in found] == flat[expected].tolist()


# -- distances of spans on the map ------------------------------------------------------------


@given(numbers((9, 2), nan=False))
def test_distances_of_points_by_blocks_are_scipys(places: Doubles) -> None:
    from collateral.analysis import groups

    unit = np.abs(places).max(initial=0.0) or 1.0
    found = np.concatenate([gaps.copy() for _, gaps in groups._distances(places / unit)])
    near(found, cdist(places / unit, places / unit))
