"""Means of head metrics over examples, and the ranking of heads."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.analysis import heads, mean_over_examples, ranked


def by_hand(
    values: npt.NDArray[np.float32], owners: list[int], chosen: Collection[int] | None
) -> npt.NDArray[np.float64]:
    """The same mean with plain loops and exact sums."""
    result = np.full(values.shape[1:], np.nan)
    for cell in np.ndindex(*values.shape[1:]):
        found: dict[int, list[float]] = {}
        for unit, owner in enumerate(owners):
            value = float(values[(unit, *cell)])
            if not math.isnan(value) and (chosen is None or owner in chosen):
                found.setdefault(owner, []).append(value)
        if found:
            result[cell] = math.fsum(math.fsum(v) / len(v) for v in found.values()) / len(found)
    return result


@st.composite
def cases(
    draw: st.DrawFn,
) -> tuple[npt.NDArray[np.float32], list[int], set[int] | None]:
    owners = draw(st.lists(st.integers(0, 6), max_size=25))
    number = st.one_of(st.just(math.nan), st.floats(-2, 2, width=32))
    layers, count = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = len(owners) * layers * count
    flat = draw(st.lists(number, min_size=size, max_size=size))
    values = np.array(flat, dtype=np.float32).reshape(len(owners), layers, count)
    return values, owners, draw(st.none() | st.sets(st.integers(0, 8)))


@given(cases(), st.sampled_from([1, 3, 2048]))
def test_equals_plain_loops(
    case: tuple[npt.NDArray[np.float32], list[int], set[int] | None], block: int
) -> None:
    values, owners, chosen = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "_BLOCK_UNITS", block)  # an example must never be split in two
        result = mean_over_examples(values, np.array(owners, dtype=np.int32), chosen)
    np.testing.assert_allclose(result.mean, by_hand(values, owners, chosen), atol=2e-6)
    used = [
        i
        for i, owner in enumerate(owners)
        if (chosen is None or owner in chosen) and not np.isnan(values[i]).all()
    ]
    assert result.units == len(used)
    assert result.examples == len({owners[i] for i in used})
    assert result.mean.dtype == np.float32


def test_an_example_with_many_pairs_counts_once() -> None:
    values = np.array([0, 0, 0, 1], dtype=np.float32).reshape(4, 1, 1)
    result = mean_over_examples(values, np.array([0, 0, 0, 1], dtype=np.int32))
    assert result.mean[0, 0] == 0.5  # 0.25 if pairs were counted
    assert (result.examples, result.units) == (2, 4)


@pytest.mark.parametrize("values", [np.zeros((4, 2, 3)), np.full((4, 2, 3), np.nan)])
def test_nothing_selected_or_defined_is_undefined(values: npt.NDArray[np.float64]) -> None:
    chosen: list[int] | None = None if np.isnan(values).any() else []
    result = mean_over_examples(values, np.arange(4), chosen)
    assert np.isnan(result.mean).all()
    assert result.mean.shape == (2, 3)
    assert (result.examples, result.units) == (0, 0)


def test_large_means_keep_their_digits() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(1.0, 0.01, size=(20_000, 1, 2)).astype(np.float32)
    result = mean_over_examples(values, np.arange(20_000))
    np.testing.assert_allclose(result.mean, values.mean(axis=0, dtype=np.float64), atol=2e-7)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 3 units"):
        mean_over_examples(np.zeros((4, 2, 2)), np.arange(3))


def test_ranked_orders_leaves_nan_out_and_breaks_ties_by_place() -> None:
    values = np.array([[0.5, np.nan, -0.9], [0.5, 0.1, 0.7]], dtype=np.float64)
    assert ranked(values, 3) == [(1, 2, 0.7), (0, 0, 0.5), (1, 0, 0.5)]
    assert ranked(values, 2, by_magnitude=True) == [(0, 2, -0.9), (1, 2, 0.7)]
    assert len(ranked(values)) == 5
    assert ranked(np.full((2, 2), np.nan), 3) == []
