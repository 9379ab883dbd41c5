"""Distances on the maps, curves per group and their bootstrap intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

import collateral
from collateral.analysis import (
    Curve,
    curves,
    difference,
    disagreements,
    distances,
    map_distances,
)
from tests.factory import write_collateral

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with more pairs of points than are all taken."""
    path = tmp_path_factory.mktemp("distances") / "large"
    return write_collateral(path, examples=110, layers=2, heads=1, attention=0)


def on_maps(path: Path, change: Callable[[int, Floats], npt.ArrayLike]) -> Floats:
    """``map_distances`` of a file as if ``change`` had made its maps from layer and places."""
    with collateral.open(path) as c:
        plain = c.coordinates
        c.coordinates = lambda layer: np.asarray(change(layer, plain(layer)), np.float32)  # type: ignore[method-assign]
        return map_distances(c)


def unscaled(c: collateral.Collateral, layer: int) -> npt.NDArray[np.float64]:
    """Distances of the pairs' span centres on a map, in the map's own unit, by plain loops."""
    places = c.coordinates(layer).astype(np.float64)
    return np.array(
        [
            math.dist(places[a:b].mean(axis=0), places[x:y].mean(axis=0))
            for (a, b), (x, y) in c.pair_points
        ]
    )


def test_map_distances_equal_plain_loops(tmp_path: Path) -> None:
    with collateral.open(write_collateral(tmp_path / "a", examples=9)) as c:
        found = map_distances(c)
        assert found.shape == (len(c.pairs), c.meta.model.layers + 1)
        assert found.dtype == np.float32
        for layer in c.mapped_layers:
            scale = np.median(pdist(c.coordinates(layer).astype(np.float64)))
            np.testing.assert_allclose(found[:, layer], unscaled(c, layer) / scale, rtol=1e-6)


def test_a_large_map_is_scaled_by_a_sample_of_its_points(large: Path) -> None:
    with collateral.open(large) as c:
        assert len(c.points) * (len(c.points) - 1) // 2 > 100_000
        found = map_distances(c)
        for layer in c.mapped_layers:
            scale = np.median(pdist(c.coordinates(layer).astype(np.float64)))
            ratio = found[:, layer] * scale / unscaled(c, layer)
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)  # one scale for all pairs
            assert ratio[0] == pytest.approx(1, abs=0.01)
        np.testing.assert_array_equal(map_distances(c), found)  # the same sample each time


@pytest.mark.parametrize("points", [448, 1000, 5000])
def test_sampled_pairs_are_of_different_points_and_miss_none(points: int) -> None:
    one, other = distances.pairs_of_points(points)
    assert len(one) == len(other) == 100_000
    assert (one != other).all()
    assert min(one.min(), other.min()) == 0
    assert max(one.max(), other.max()) == points - 1
    # Both ends are drawn evenly: each point as often as expected, within six standard deviations.
    for ends in (one, other):
        expected = 100_000 / points
        counts = np.bincount(ends, minlength=points)
        assert abs(counts - expected).max() < 6 * math.sqrt(expected)


@pytest.mark.parametrize("points", [0, 1, 2, 3, 447])
def test_few_points_are_paired_each_with_each(points: int) -> None:
    one, other = distances.pairs_of_points(points)
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    assert pairs == set(itertools.combinations(range(points), 2))
    assert len(one) == len(pairs)


@pytest.mark.parametrize("size", ["small", "large"])
def test_scale_and_place_of_a_map_do_not_matter(tmp_path: Path, large: Path, size: str) -> None:
    path = large if size == "large" else write_collateral(tmp_path / "a")
    before = on_maps(path, lambda layer, places: places)
    shift = np.array([7.0, -3.0])
    for change in (
        lambda layer, places: places * 10.0**layer,
        lambda layer, places: places + layer * shift,
        lambda layer, places: places[:, ::-1] * [0.25, -0.25] - shift,
    ):
        np.testing.assert_allclose(on_maps(path, change), before, rtol=1e-4)


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_movement_that_all_pairs_share_is_seen(tmp_path: Path, large: Path, size: str) -> None:
    """Where only the pairs' spans close up and the other points stay, all distances fall.

    The file's pairs are read as if they named points of the first half only, each pair two points
    side by side; in layer 2 the points of each such pair halve their distance.
    """
    path = large if size == "large" else write_collateral(tmp_path / "a", examples=40)
    with collateral.open(path) as c:
        n = len(c.points) // 4
        few = np.arange(0, len(c.pairs)) % n
        spans = np.stack([2 * few, 2 * few + 1], axis=1)[:, :, None] + np.arange(2, dtype=np.int64)
        plain = c.coordinates(0)

        def places(layer: int) -> Floats:
            moved = plain.copy()
            if layer == 2:
                first, second = plain[0 : 2 * n : 2], plain[1 : 2 * n : 2]
                middle = (first + second) / 2
                moved[0 : 2 * n : 2] = (first + middle) / 2
                moved[1 : 2 * n : 2] = (second + middle) / 2
            return moved

        c._sections["pairs/@points"].all = lambda: spans  # type: ignore[method-assign]
        c.coordinates = places  # type: ignore[method-assign]
        found = map_distances(c)
    np.testing.assert_array_equal(found[:, 1], found[:, 0])
    assert (found[:, 2] < 0.75 * found[:, 0]).all()


def test_points_that_all_coincide_have_no_scale(tmp_path: Path) -> None:
    path = write_collateral(tmp_path / "a")
    found = on_maps(path, lambda layer, places: places * (layer != 1))
    assert np.isnan(found[:, 1]).all()
    assert not np.isnan(found[:, [0, 2, 3]]).any()


def test_a_layer_without_map_and_a_file_without_pairs(tmp_path: Path) -> None:
    with collateral.open(write_collateral(tmp_path / "a", examples=0)) as c:
        assert map_distances(c).shape == (0, 4)
    with collateral.open(write_collateral(tmp_path / "b")) as c:
        c._sections.pop("coordinates/2")
        found = map_distances(c)
        assert np.isnan(found[:, 2]).all()
        assert not np.isnan(found[:, [0, 1, 3]]).any()


def a_case(seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], list[int]]:
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(40), rng.integers(1, 4, size=40)).tolist()
    values = rng.normal(size=(len(owners), 5)).astype(np.float32)
    values[rng.random(len(owners)) < 0.1] = np.nan
    values[3, 2] = np.nan
    return values, rng.integers(-1, 3, size=len(owners)), owners


def test_means_average_pairs_in_an_example_first() -> None:
    values, codes, owners = a_case()
    found = curves(values, codes, ("a", "b", "c", "nobody"), np.array(owners), samples=0)
    for group, curve in enumerate(found[:3]):
        for layer in range(5):
            per: dict[int, list[float]] = {}
            for value, code, owner in zip(values[:, layer].tolist(), codes, owners, strict=True):
                if code == group and not math.isnan(value):
                    per.setdefault(owner, []).append(value)
            expected = math.fsum(math.fsum(v) / len(v) for v in per.values()) / len(per)
            assert curve.mean[layer] == pytest.approx(expected, abs=1e-6)
        mine = (codes == group) & ~np.isnan(values).all(axis=1)
        assert curve.pairs == mine.sum()
        assert curve.examples == len(set(np.array(owners)[mine].tolist()))
        assert np.isnan(curve.low).all()  # no samples, no interval
    assert found[3].label == "nobody"
    assert (found[3].pairs, found[3].examples) == (0, 0)
    assert np.isnan(found[3].mean).all()


def test_intervals_agree_with_scipy() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=(60, 3)).astype(np.float32)
    (curve,) = curves(values, np.zeros(60, dtype=int), ("all",), np.arange(60), samples=4000)
    for layer in range(3):
        other = stats.bootstrap(  # its seed has another name in older versions
            (values[:, layer],), np.mean, n_resamples=4000, method="percentile"
        ).confidence_interval
        width = float(other.high - other.low)
        assert curve.low[layer] == pytest.approx(other.low, abs=0.08 * width)
        assert curve.high[layer] == pytest.approx(other.high, abs=0.08 * width)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(50, 400)).astype(np.float32)  # 400 independent "layers", true mean 0
    (curve,) = curves(values, np.zeros(50, dtype=int), ("all",), np.arange(50), samples=500)
    covered = ((curve.low <= 0) & (curve.high >= 0)).mean()
    assert 0.90 <= covered <= 0.98


def test_doubling_every_pair_inside_its_example_changes_nothing() -> None:
    values, codes, owners = a_case()
    labels = ("a", "b", "c")
    once = curves(values, codes, labels, np.array(owners))
    twice = curves(
        np.repeat(values, 2, axis=0), np.repeat(codes, 2), labels, np.repeat(np.array(owners), 2)
    )
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a.low, b.low, rtol=1e-5)  # pairs are no independent evidence
        np.testing.assert_allclose(a.high, b.high, rtol=1e-5)
        assert b.pairs == 2 * a.pairs


def test_the_draw_depends_on_the_seed_only() -> None:
    values, codes, owners = a_case()
    first = curves(values, codes, "abc", np.array(owners), seed=1)[0]
    again = curves(values, codes, "abc", np.array(owners), seed=1)[0]
    other = curves(values, codes, "abc", np.array(owners), seed=2)[0]
    np.testing.assert_array_equal(first.resampled, again.resampled)
    assert (first.low != other.low).any()


def test_fewer_than_two_examples_have_no_interval() -> None:
    values = np.ones((4, 2), dtype=np.float32)
    one, two = curves(values, np.array([0, 0, 1, 1]), "ab", np.array([0, 0, 1, 2]))
    assert (one.examples, two.examples) == (1, 2)
    assert np.isnan([one.low, one.high]).all()
    np.testing.assert_array_equal([two.low, two.high], np.ones((2, 2)))


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(scale=5.0, size=(80, 3)).astype(np.float32)
    moved = base + np.float32(0.25) + rng.normal(scale=0.01, size=(80, 3)).astype(np.float32)
    zeros, rows = np.zeros(80, dtype=int), np.arange(80)
    (a,), (b,) = curves(base, zeros, "a", rows), curves(moved, zeros, "b", rows)
    gap = difference(a, b)
    np.testing.assert_allclose(gap.mean, 0.25, atol=0.02)
    assert (gap.low > 0.2).all()
    assert (gap.high < 0.3).all()  # unpaired, the interval would be over 1 wide
    assert gap.label == "b - a"
    assert gap.examples == 80


def test_curves_that_were_not_drawn_together_cannot_be_subtracted() -> None:
    values, zeros = np.ones((6, 2)), np.zeros(6, dtype=int)
    (a,) = curves(values, zeros, "a", np.arange(6), seed=0)
    (b,) = curves(values, zeros, "b", np.arange(6), seed=1)
    with pytest.raises(ValueError, match="not resampled together"):
        difference(a, b)


def a_gap(low: list[float], high: list[float]) -> Curve:
    bounds = np.array([low, high], dtype=np.float32)
    return Curve("", 9, 9, bounds.mean(axis=0), bounds[0], bounds[1], np.empty((0, len(low))))


def test_disagreement_needs_both_intervals_clear_of_zero_on_opposite_sides() -> None:
    nan = math.nan
    map_gap = a_gap([0.1, 0.1, -0.1, nan, -0.5, 0.2], [0.3, 0.3, 0.3, nan, -0.2, 0.4])
    original = a_gap([-0.3, -0.3, -0.3, -1.0, 0.1, 0.2], [-0.1, 0.1, -0.1, -0.5, 0.4, 0.4])
    assert disagreements(map_gap, original) == (0, 4)
    plain = np.array([0.1, -0.1, nan, 0.0]), np.array([-0.1, 0.2, 1.0, -1.0])
    assert disagreements(*plain) == (0, 1)
    with pytest.raises(ValueError, match="gaps of 6 and 4"):
        disagreements(map_gap, plain[0])


def test_wrong_arguments_are_refused() -> None:
    values, rows = np.ones((3, 2)), np.arange(3)
    with pytest.raises(ValueError, match="differ in length"):
        curves(values, np.zeros(2, dtype=int), "a", rows)
    with pytest.raises(ValueError, match="code 4 has no label"):
        curves(values, np.array([0, 4, 0]), "a", rows)
