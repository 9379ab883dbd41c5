"""Quality of maps: sums over rows against loops in float64, groups, samples and memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from extract.maps import quality
from extract.maps.quality import layer_quality, map_neighbours, unit_rows
from extract.maps.vectors import ArrayLayer, VectorStore

Array = npt.NDArray[np.float32]


def by_hand(vectors: Array, flat: Array, k: int) -> npt.NDArray[np.float64]:
    """Penalty and shared neighbours of each point, by loops in float64: [points, 2]."""
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    n = len(wide)
    found = np.zeros((n, 2))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        closeness = {j: float(wide[i] @ wide[j]) for j in others}
        on_map = sorted(others, key=lambda j: float(((flat[i] - flat[j]).astype(float) ** 2).sum()))
        for j in on_map[:k]:
            rank = 1 + sum(closeness[m] > closeness[j] for m in others)
            found[i] += max(0, rank - k), rank <= k
    return found


def made(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Vectors of unequal lengths, and a map that shows two of their six dimensions."""
    vectors = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return vectors, vectors[:, :2] + 0.1 * vectors[:, 2:4]


def trust(penalties: npt.NDArray[np.float64], n: int, k: int) -> float:
    """Mean trustworthiness of some of n points."""
    return float(1 - 2 * penalties.mean() / (k * (2 * n - 3 * k - 1)))


def test_every_row_is_that_of_a_loop() -> None:
    vectors, flat = made(70)
    expected = by_hand(vectors, flat, 7)
    found = quality._rows_quality(ArrayLayer(vectors), flat, np.arange(70), 7)
    assert np.array_equal(np.stack(found, axis=1), expected)


@pytest.mark.parametrize("block", [1, 200, 5000])
def test_blocks_do_not_change_numbers(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, flat = made(70)
    rows = np.array([3, 68, 20])
    expected = by_hand(vectors, flat, 7)[rows]
    monkeypatch.setattr(quality, "_BLOCK", block)
    monkeypatch.setattr(quality, "_VECTORS_AT_ONCE", max(1, block // 20))
    found = quality._rows_quality(ArrayLayer(vectors), flat, rows, 7)
    assert np.array_equal(np.stack(found, axis=1), expected)


def test_placed_points_are_told_apart() -> None:
    vectors, flat = made(90)
    fitted = np.arange(0, 90, 3)
    placed = np.setdiff1d(np.arange(90), fitted)
    flat[placed] += np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    found = layer_quality(ArrayLayer(vectors), flat, 5, fitted)
    rows = by_hand(vectors, flat, 5)
    assert found.measured == 90
    assert found.trustworthiness == pytest.approx(trust(rows[:, 0], 90, 5), abs=1e-9)
    assert found.recall == pytest.approx(rows[:, 1].mean() / 5, abs=1e-9)
    assert found.placed_trustworthiness == pytest.approx(trust(rows[placed, 0], 90, 5), abs=1e-9)
    assert found.placed_recall == pytest.approx(rows[placed, 1].mean() / 5, abs=1e-9)


def test_all_fitted_means_none_placed() -> None:
    vectors, flat = made(40)
    layer = ArrayLayer(vectors)
    one, other = layer_quality(layer, flat, 5), layer_quality(layer, flat, 5, np.arange(40))
    assert one.recall == other.recall
    assert np.isnan([one.placed_recall, other.placed_recall, one.placed_trustworthiness]).all()
    assert np.isnan(layer_quality(layer, flat, 0).trustworthiness)


def test_a_sample_weighs_its_groups_by_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, flat = made(900)
    fitted = np.arange(0, 900, 9)
    rest = np.setdiff1d(np.arange(900), fitted)
    flat[rest] = np.random.default_rng(1).normal(size=(800, 2))
    layer = ArrayLayer(vectors)
    whole = layer_quality(layer, flat, 15, fitted)
    monkeypatch.setattr(quality, "SAMPLE_ABOVE", 500)
    monkeypatch.setattr(quality, "SAMPLE", 400)
    found = layer_quality(layer, flat, 15, fitted, seed=3)
    assert found == layer_quality(layer, flat, 15, fitted, seed=3)
    assert found.measured == 100 + 200  # no more than there are
    assert found.recall == pytest.approx(whole.recall, abs=0.02)
    assert found.placed_recall == pytest.approx(whole.placed_recall, abs=0.02)
    assert found.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)


def test_map_neighbours_are_those_of_a_sort() -> None:
    _, flat = made(50)
    found = map_neighbours(flat, np.array([4, 49]), 6)
    for row, near in zip((4, 49), found, strict=True):
        gaps = ((flat[row].astype(float) - flat) ** 2).sum(axis=1)
        gaps[row] = np.inf
        assert set(near) == set(np.argsort(gaps)[:6])


def test_zero_vectors_are_not_numbers_of_nothing() -> None:
    vectors, flat = made(30)
    vectors[:3] = 0
    assert np.array_equal(unit_rows(vectors)[:3], np.zeros((3, 6)))
    found = layer_quality(ArrayLayer(vectors), flat, 5)
    assert 0 <= found.recall <= 1 and 0 <= found.trustworthiness <= 1


def test_no_array_of_points_squared_is_made(tmp_path: Path) -> None:
    n, width = 50_000, 64
    random = np.random.default_rng(0)
    flat = random.random(size=(n, 2)).astype(np.float32)
    waves, shifts = 10 * random.normal(size=(2, width)), random.uniform(0, 7, width)
    with VectorStore(tmp_path / "v", 1, width) as store:
        for part in np.split(flat, 50):
            store.append(np.cos(part @ waves + shifts)[None])
        tracemalloc.start()
        found = layer_quality(store.layer(0), flat, 15, np.arange(0, n, 5))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert found.measured == quality.SAMPLE
    # the vectors are 12.8 MB, a matrix of the sample and all points would be 400 MB
    assert peak < 40e6
    # what is near on the map is near in the vectors that were made from it
    assert found.recall > 0.7 and found.trustworthiness > 0.999
