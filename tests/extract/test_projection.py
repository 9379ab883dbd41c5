"""Maps of points: quality against scikit-learn, meaning, and inputs that could break them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.manifold
import sklearn.neighbors

from extract.maps import projection, quality
from extract.maps.projection import Settings, common_start, project, usable_perplexity
from extract.maps.quality import map_quality, neighbours_for, unit_rows

Array = npt.NDArray[np.float32]


def blobs(points: int, seed: int = 0) -> tuple[Array, npt.NDArray[np.int64]]:
    """Two layers of four clusters, [2, points, 10], and the cluster of each point."""
    random = np.random.default_rng(seed)
    which = random.integers(0, 4, points)
    centres = random.normal(size=(2, 4, 10)) * 3
    vectors = centres[:, which] + random.normal(size=(2, points, 10))
    return vectors.astype(np.float32), which


def test_trustworthiness_and_recall_are_those_of_scikit_learn() -> None:
    vectors, _ = blobs(120)
    unit = unit_rows(vectors[0])
    random = np.random.default_rng(5)
    for coordinates in (random.normal(size=(120, 2)), vectors[0][:, :2]):
        flat = coordinates.astype(np.float32)
        trust, recall = map_quality(unit, flat, 15)
        expected = sklearn.manifold.trustworthiness(
            vectors[0], flat, n_neighbors=15, metric="cosine"
        )
        assert trust == pytest.approx(expected, abs=1e-5)
        near = [
            sklearn.neighbors.NearestNeighbors(n_neighbors=15, metric=metric)
            .fit(data)
            .kneighbors(return_distance=False)
            for data, metric in ((vectors[0], "cosine"), (flat, "euclidean"))
        ]
        shared = [len(set(a) & set(b)) / 15 for a, b in zip(*near, strict=True)]
        assert recall == pytest.approx(np.mean(shared), abs=1e-9)


def test_equal_points_are_all_nearest() -> None:
    unit = unit_rows(np.repeat(np.eye(3, dtype=np.float32), 20, axis=0))
    apart = np.repeat(np.arange(3.0), 20)[:, None] * 10 + np.random.default_rng(0).random((60, 2))
    assert map_quality(unit, apart.astype(np.float32), 15) == (1.0, 1.0)


def test_a_sample_stands_for_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs(600)
    unit, flat = unit_rows(vectors[0]), vectors[0][:, :2].copy()
    whole = map_quality(unit, flat, 15)
    monkeypatch.setattr(quality, "SAMPLE_ABOVE", 500)
    monkeypatch.setattr(quality, "SAMPLE", 300)
    sampled = map_quality(unit, flat, 15, seed=1)
    assert sampled != whole and sampled == map_quality(unit, flat, 15, seed=1)
    assert sampled == pytest.approx(whole, abs=0.03)


def test_fewer_neighbours_for_few_points() -> None:
    assert [neighbours_for(n) for n in (1, 2, 3, 10, 31, 1000)] == [0, 0, 1, 4, 15, 15]
    assert all(np.isnan(map_quality(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32), 0)))


def test_a_map_tells_clusters_apart_where_its_start_did_not() -> None:
    vectors, which = blobs(160, seed=3)
    random = np.random.default_rng(0).normal(size=(160, 2)) * 1e-4
    unit = unit_rows(vectors[0])
    found = project(unit, random, Settings(perplexity=20))

    def right(coordinates: npt.ArrayLike) -> float:
        # left out one at a time: a point must be told by its neighbours, not by itself
        nearest = sklearn.neighbors.NearestNeighbors(n_neighbors=5).fit(np.asarray(coordinates))
        votes = which[nearest.kneighbors(return_distance=False)]
        return float(
            np.mean([np.bincount(v).argmax() == w for v, w in zip(votes, which, strict=True)])
        )

    assert right(random) < 0.5
    assert right(found) > 0.9
    assert found.dtype == np.float32 and np.abs(found.mean(axis=0)).max() < 1e-3
    assert map_quality(unit, found, 15)[0] > 0.9


def test_same_seed_same_map_and_cosine_is_what_counts() -> None:
    vectors, _ = blobs(60)
    start = common_start(vectors, seed=1)
    settings = Settings(perplexity=10, seed=1)
    first = project(unit_rows(vectors[0]), start, settings)
    again = project(unit_rows(vectors[0]), common_start(vectors, seed=1), settings)
    assert np.array_equal(first, again)
    lengths = np.random.default_rng(0).uniform(0.1, 10, (60, 1)).astype(np.float32)
    longer = project(unit_rows(vectors[0] * lengths), start, settings)
    assert map_quality(unit_rows(vectors[0]), longer, 15)[0] > 0.85


def test_layers_have_one_start_so_that_points_move_rather_than_jump() -> None:
    def moved(vectors: Array, starts: list[npt.NDArray[np.float64]]) -> float:
        maps = [
            project(unit_rows(layer), start, Settings(perplexity=15))
            for layer, start in zip(vectors, starts, strict=True)
        ]
        first, second = (one / np.sqrt((one**2).sum(1).mean()) for one in maps)
        return float(np.linalg.norm(first - second, axis=1).mean())

    together, apart = 0.0, 0.0
    for seed in range(3):
        vectors, _ = blobs(80, seed)
        vectors[1] = vectors[0] + 0.02 * vectors[1]
        start = common_start(vectors)
        assert start[:, 0].std() == pytest.approx(1e-4, rel=0.05)
        elsewhere = np.random.default_rng(1).normal(size=start.shape) * 1e-4
        together += moved(vectors, [start, start])
        apart += moved(vectors, [start, elsewhere])
    assert together < 0.6 * apart


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((2, 0, 6)),
        np.ones((2, 1, 6)),
        np.random.default_rng(0).normal(size=(2, 3, 6)),
        np.random.default_rng(0).normal(size=(2, 9, 6)),
        np.random.default_rng(0).normal(size=(2, 30, 1)),
        np.ones((2, 40, 6)),
        np.zeros((2, 40, 6)),
        np.repeat(np.random.default_rng(0).normal(size=(2, 2, 6)), 50, axis=1),
    ],
    ids=["none", "one", "three", "nine", "one wide", "equal", "zero", "repeats"],
)
def test_odd_inputs_give_finite_maps(vectors: npt.NDArray[np.float64]) -> None:
    layers = vectors.astype(np.float32)
    points = layers.shape[1]
    start = common_start(layers)
    settings = Settings(usable_perplexity(30, points))
    for layer in layers:
        found = project(unit_rows(layer), start, settings)
        assert found.shape == (points, 2) and np.isfinite(found).all()


def test_perplexity_is_lowered_for_few_points() -> None:
    assert usable_perplexity(30, 1000) == 30
    assert usable_perplexity(30, 31) == 10
    assert usable_perplexity(30, 2) == 1
    assert [projection.neighbour_method(n) for n in (20_000, 20_001)] == ["exact", "annoy"]


def test_approximate_neighbours_give_a_map_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs(300)
    start, unit = common_start(vectors), unit_rows(vectors[0])
    exact = project(unit, start, Settings(perplexity=15))
    monkeypatch.setattr(projection, "EXACT_BELOW", 100)
    found = project(unit, start, Settings(perplexity=15))
    assert map_quality(unit, found, 15)[0] > map_quality(unit, exact, 15)[0] - 0.03
    assert np.array_equal(found, project(unit, start, Settings(perplexity=15)))
