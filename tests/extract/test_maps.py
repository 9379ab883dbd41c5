"""Maps of many points: a sample is fitted, the others placed; runs go on where they stopped."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from extract.errors import ExtractError
from extract.maps import making as maps
from extract.maps import projection, quality, vectors
from extract.maps.making import Maps, make_maps
from extract.maps.projection import Settings, chosen_rows, nearest, place
from extract.maps.quality import unit_rows
from extract.maps.vectors import VectorStore

Array = npt.NDArray[np.float32]
Written = dict[int, Array]


@dataclass(frozen=True)
class Options:
    """What maps want to know of a run's options."""

    perplexity: float = 30.0
    seed: int = 0
    map_sample: int | None = None


def clusters(points: int, seed: int = 0, width: int = 12) -> Array:
    """Two layers of eight clusters that overlap a little, [2, points, width]."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(2, 8, width)) * 2
    which = random.integers(0, 8, points)
    return (centres[:, which] + random.normal(size=(2, points, width))).astype(np.float32)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[Array], VectorStore]:
    """Makes stores of vectors; they are in a folder of the test."""

    def store(values: Array) -> VectorStore:
        found = VectorStore(tmp_path / "vectors", values.shape[0], values.shape[2])
        found.append(values)
        return found

    return store


def made(store: VectorStore, settings: Settings, cache: Path | None = None) -> tuple[Maps, Written]:
    """The maps, and what was written by layer."""
    written: Written = {}
    return make_maps(store, settings, written.__setitem__, cache=cache), written


def test_few_points_are_all_fitted(stored: Callable[[Array], VectorStore]) -> None:
    values = clusters(150)
    settings = Settings(perplexity=12, seed=3)
    found, written = made(stored(values), settings)
    start = projection.common_start(values, 3)
    for layer in range(2):
        expected = projection.project(unit_rows(values[layer]), start, settings)
        assert np.array_equal(written[layer], expected)
    assert list(found.qualities) == ["trustworthiness@15", "recall@15"]
    assert found.qualities["trustworthiness@15"].shape == (2,)
    assert found.qualities["trustworthiness@15"].min() > 0.85
    assert found.notes == []
    assert found.settings["projection_fitted"] == 150 and found.settings["projection_placed"] == 0


def test_a_sample_is_fitted_and_the_rest_placed(stored: Callable[[Array], VectorStore]) -> None:
    values = clusters(600)
    settings = Settings.of(Options(perplexity=15, map_sample=200), 600)
    found, written = made(stored(values), settings)
    rows = chosen_rows(600, settings)
    assert len(rows) == 200 and (np.diff(rows) > 0).all()
    # the sample's own coordinates are those of the sample alone
    start = projection.common_start(values[:, rows], settings.seed)
    for layer in range(2):
        alone = projection.project(unit_rows(values[layer][rows]), start, settings)
        assert np.array_equal(written[layer][rows], alone)
        assert np.isfinite(written[layer]).all()
    placed = found.qualities["placed_recall@15"], found.qualities["placed_trustworthiness@15"]
    assert (placed[0] > 0.25).all() and (placed[1] > 0.85).all()
    assert found.notes == [
        "t-SNE was fitted on 200 of 600 points; the others were placed on that map by their "
        "nearest neighbours."
    ]
    assert found.settings["projection_placed"] == 400
    assert "median of 3" in str(found.settings["placing"])


def test_a_placed_copy_is_as_good_as_what_was_fitted(
    stored: Callable[[Array], VectorStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = clusters(300)
    noise = np.random.default_rng(1).normal(size=first.shape) * 1e-3
    values = np.concatenate([first, first + noise.astype(np.float32)], axis=1)
    monkeypatch.setattr(maps, "chosen_rows", lambda points, settings: np.arange(300))
    found, written = made(stored(values), Settings(perplexity=15, sample=300))
    recall, placed = found.qualities["recall@15"], found.qualities["placed_recall@15"]
    fitted = 2 * recall - placed  # halves
    assert (np.abs(placed - fitted) < 0.1).all() and (placed > 0.4).all()
    radius = np.sqrt((written[0] ** 2).sum(axis=1).mean())
    moved = np.linalg.norm(written[0][300:] - written[0][:300], axis=1)
    assert np.median(moved) < 0.05 * radius


def test_a_point_equal_to_a_fitted_one_lands_near_it() -> None:
    unit = unit_rows(clusters(400)[0])
    settings = Settings(perplexity=15)
    flat = projection.project(unit, projection.common_start(unit[None]), settings)
    landed = place(unit[:50], unit, flat)
    radius = np.sqrt((flat**2).sum(axis=1).mean())
    apart = np.linalg.norm(landed - flat[:50], axis=1)
    assert np.median(apart) < 0.05 * radius
    # three copies of a point on three spots: the median of those, whatever else there is
    copies = np.concatenate([unit[:1]] * 3 + [-unit[:1]] * 5)
    spots = np.array([[0, 9], [1, 5], [7, 6], *[[99, 99]] * 5], dtype=np.float32)
    assert place(unit[:1], copies, spots).tolist() == [[1, 6]]
    # of fewer than three all count
    assert place(unit[:2], unit[:1], flat[:1]).tolist() == [flat[0].tolist()] * 2


@pytest.mark.parametrize("block", [1, 1000, 1 << 21])
def test_nearest_are_those_of_a_sort_in_float64(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "_BLOCK", block)
    unit = unit_rows(clusters(80)[0])
    wide = unit.astype(np.float64)
    gaps = np.linalg.norm(wide[:, None] - wide, axis=2)
    np.fill_diagonal(gaps, np.inf)
    order = np.argsort(gaps, axis=1)
    for k in (1, 9, 79):
        numbers, distances = nearest(unit, unit, k, same=True)
        assert np.array_equal(numbers, order[:, :k])
        assert np.allclose(distances, np.take_along_axis(gaps, order[:, :k], axis=1), atol=1e-3)
    numbers, distances = nearest(unit[:5], unit, 80)
    assert numbers[:, 0].tolist() == [0, 1, 2, 3, 4] and (distances[:, 0] == 0).all()
    assert sorted(numbers[4]) == list(range(80))


def test_same_seed_same_maps_and_another_seed_another_sample(
    stored: Callable[[Array], VectorStore],
) -> None:
    store = stored(clusters(300))
    settings = Settings(perplexity=10, sample=120, seed=1)
    _, first = made(store, settings)
    _, again = made(store, settings)
    _, other = made(store, replace(settings, seed=2))
    for layer in range(2):
        assert np.array_equal(first[layer], again[layer])
        assert not np.array_equal(first[layer], other[layer])
    assert not np.array_equal(
        chosen_rows(300, settings), chosen_rows(300, replace(settings, seed=2))
    )


def test_a_run_goes_on_after_the_finished_layers(
    stored: Callable[[Array], VectorStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = clusters(200)
    settings = Settings(perplexity=10, sample=100)
    project = projection.project
    projected: list[int] = []

    def counted(unit: Array, start: npt.NDArray[np.float64], how: Settings) -> Array:
        if len(projected) == stop:
            raise KeyboardInterrupt
        projected.append(len(unit))
        return project(unit, start, how)

    monkeypatch.setattr(maps, "project", counted)
    cache = tmp_path / "cache"
    cache.mkdir()
    stop = 1
    with pytest.raises(KeyboardInterrupt):
        made(stored(values), settings, cache)
    stop = -1
    found, written = made(stored(values), settings, cache)
    assert len(projected) == 2  # one before, one after
    plain, expected = made(stored(values), settings)
    for layer in range(2):
        assert np.array_equal(written[layer], expected[layer])
    for name, numbers in plain.qualities.items():
        assert np.array_equal(found.qualities[name], numbers)
    # all is there now; other settings, other vectors and damaged files are made anew
    assert not list(cache.glob("*.partial"))
    count = len(projected)
    made(stored(values), settings, cache)
    assert len(projected) == count
    made(stored(values), replace(settings, seed=9), cache)
    assert len(projected) == count + 2
    changed = values.copy()
    changed[1, 7, 0] += 1
    made(stored(changed), settings, cache)
    assert len(projected) == count + 4
    for path in cache.iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)
    _, written = made(stored(values), settings, cache)
    assert len(projected) == count + 6
    assert np.array_equal(written[1], expected[1])


def test_a_cache_that_cannot_be_written_stops_nothing(
    stored: Callable[[Array], VectorStore], tmp_path: Path
) -> None:
    _, written = made(stored(clusters(30)), Settings(perplexity=5), tmp_path / "no" / "folder")
    assert sorted(written) == [0, 1]


@pytest.mark.parametrize("points", [0, 1, 3, 9])
def test_very_few_points_have_maps_too(points: int, stored: Callable[[Array], VectorStore]) -> None:
    settings = Settings.of(Options(), points)
    found, written = made(stored(clusters(points)), settings)
    assert all(one.shape == (points, 2) and np.isfinite(one).all() for one in written.values())
    assert len(written) == 2
    if points < projection.FEWEST:
        assert "too few for t-SNE" in found.notes[0]
        assert str(found.settings["projection"]).startswith("PCA")
    else:
        assert found.notes == [
            "The perplexity was lowered from 30 to 2.67, a third of the 8 neighbours that a point "
            "has."
        ]
    assert bool(found.qualities) == (points >= 3)


def test_the_default_sample_and_what_is_told_of_it() -> None:
    settings = Settings.of(Options(), 48_231)
    assert settings.fitted(48_231) == 10_000 and settings.fitted(9_999) == 9_999
    assert settings.notes(48_231) == [
        "t-SNE was fitted on 10,000 of 48,231 points; the others were placed on that map by their "
        "nearest neighbours.",
        "The quality of the maps was measured on a sample of 2,000 of their 48,231 points, with "
        "neighbours among all of them.",
    ]
    # the perplexity is lowered for what is fitted
    assert Settings.of(Options(map_sample=61), 48_231).perplexity == 20


def test_maps_that_are_not_finite_are_an_error(
    stored: Callable[[Array], VectorStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "learning_rate_for", lambda points: float("nan"))
    with pytest.raises(ExtractError, match="not numbers"):
        made(stored(clusters(30)), Settings(perplexity=5))


def test_wide_vectors_have_the_same_main_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    values = clusters(200, width=40)
    dense = projection.common_start(values)
    monkeypatch.setattr(projection, "_DENSE_WIDTH", 10)
    assert np.allclose(projection.common_start(values), dense, atol=1e-8 * 1e-1)


@pytest.mark.slow
def test_memory_is_that_of_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, width, sample = 50_000, 64, 500
    monkeypatch.setattr(quality, "SAMPLE", 100)  # what it measures is not the matter here
    random = np.random.default_rng(0)
    monkeypatch.setattr(vectors, "PENDING_BYTES", 1 << 20)
    peaks = []
    for count in (points // 5, points):
        with VectorStore(tmp_path / "v", 2, width) as store:
            tracemalloc.start()
            for _ in range(count // 500):
                store.append(random.normal(size=(2, 500, width)))
            found, written = made(store, Settings(perplexity=10, sample=sample))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert written[1].shape == (count, 2) and "placed_recall@15" in found.qualities
    # all vectors of the larger store are 25.6 MB, points times points would be 10 GB
    assert peaks[1] < 60e6
    assert peaks[1] < peaks[0] + 12e6
