"""Distances between groups of points in the original space, against full vectors in float64."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist

import collateral
from collateral.analysis import Space, difference, disagreements, group_curves, groups
from collateral.analysis.distances import resamples
from tests.collateral.simple import a_writer, some_tokens

LABELS = ("x", "y", "z")
EXAMPLES, EACH, WIDTH, STATES = 15, 6, 24, 3
Doubles = npt.NDArray[np.float64]
Measure = Literal["cosine", "euclid"]
MEASURES: tuple[Measure, ...] = ("cosine", "euclid")
PAIRS = [frozenset(pair) for pair in itertools.combinations(range(3), 2)]


def states(layer: int) -> Doubles:
    """Hidden states of the points; those of an example are alike."""
    rng = np.random.default_rng([3, layer])
    shared = np.repeat(rng.normal(size=(EXAMPLES, WIDTH)), EACH, axis=0)
    own = rng.normal(size=(EXAMPLES * EACH, WIDTH))
    return (rng.normal(size=WIDTH) + shared + own) * rng.uniform(0.5, 4, (EXAMPLES * EACH, 1))


def write(
    path: Path, size: int = WIDTH, rows: npt.NDArray[np.intp] | None = None, zero: int = -1
) -> Path:
    """A file whose vectors keep ``size`` of the main directions of the points in ``rows``."""
    points = EXAMPLES * EACH
    rows = np.arange(points) if rows is None else rows
    with a_writer(path, metrics=[], measures=[]) as writer:
        for row in range(EXAMPLES):
            writer.add_example(f"e{row}", "a" * EACH, some_tokens(EACH))
            for token in range(EACH):
                writer.add_point(row, token, token + 1, "t")
        writer.set_vector_points(rows)
        for layer in range(STATES - 1):
            x = states(layer)
            if zero >= 0:
                x[zero] = 0
            lengths = np.linalg.norm(x, axis=1)
            unit = x / np.maximum(lengths, 1e-9)[:, None]
            axes = np.linalg.svd(unit)[2][:size].T
            writer.set_vectors(layer, unit[rows] @ axes, lengths[rows])
            writer.set_coordinates(layer, x[:, :2])
    return path


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> collateral.Collateral:
    return collateral.open(write(tmp_path_factory.mktemp("groups") / "file"))


def some_codes(seed: int = 0) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(-1, len(LABELS), size=EXAMPLES * EACH)


def by_hand(
    codes: npt.NDArray[np.int64],
    pairs: list[frozenset[int]],
    layer: int,
    measure: Measure,
    drawn: Doubles | None = None,
) -> float:
    """The mean over these pairs of groups of full vectors, every example weighted by ``drawn``."""
    x = states(layer)
    gaps = cdist(x, x, "cosine" if measure == "cosine" else "euclidean")
    owners = np.repeat(np.arange(EXAMPLES), EACH).tolist()
    known = Counter(zip(owners, codes.tolist(), strict=True))
    total = weight = 0.0
    for i, j in itertools.combinations(np.flatnonzero(codes >= 0).tolist(), 2):
        if frozenset((int(codes[i]), int(codes[j]))) not in pairs:
            continue
        share = 1 / math.prod(known[owners[k], int(codes[k])] for k in (i, j))
        if drawn is not None:
            share *= drawn[owners[i]] * (drawn[owners[j]] if owners[i] != owners[j] else 1.0)
        total += share * gaps[i, j]
        weight += share
    return total / weight


@pytest.mark.parametrize("measure", MEASURES)
def test_means_are_those_of_full_vectors(c: collateral.Collateral, measure: Measure) -> None:
    codes = some_codes()
    found = group_curves(c, codes, LABELS, measure=measure)
    for layer in range(STATES - 1):
        for group in range(3):
            own = by_hand(codes, [frozenset((group,))], layer, measure)
            assert found.within[group].mean[layer] == pytest.approx(own, rel=3e-3)
            far = [pair for pair in PAIRS if group in pair]
            expected = by_hand(codes, far, layer, measure)
            assert found.others[group].mean[layer] == pytest.approx(expected, rel=3e-3)
        expected = by_hand(codes, PAIRS, layer, measure)
        assert found.between.mean[layer] == pytest.approx(expected, rel=3e-3)
    assert np.isnan(found.between.mean[STATES - 1])  # no vectors of it
    assert found.taken == found.sizes


@pytest.mark.parametrize("measure", MEASURES)
def test_fewer_dimensions_come_as_near_as_their_cosines(tmp_path: Path, measure: Measure) -> None:
    codes = some_codes()
    with collateral.open(write(tmp_path / "file", 12)) as c:
        found = group_curves(c, codes, LABELS, measure=measure)
        for layer in range(STATES - 1):
            x = states(layer)
            cosines = 1 - cdist(x, x, "cosine")
            z = c.vectors.read(layer)
            worst = np.abs(z @ z.T - cosines)[~np.eye(len(x), dtype=bool)].max()
            longest = np.linalg.norm(x, axis=1).max()
            # |a - b| ≤ √|a² - b²|, and a² is off by 2 |x| |y| times the error of the cosine
            most = worst if measure == "cosine" else math.sqrt(2 * worst) * longest
            for group in range(3):
                own = by_hand(codes, [frozenset((group,))], layer, measure)
                assert abs(found.within[group].mean[layer] - own) <= most


@pytest.mark.parametrize("measure", MEASURES)
def test_resamples_follow_the_derivative(c: collateral.Collateral, measure: Measure) -> None:
    codes = np.where(some_codes() == 2, -1, some_codes())
    found = group_curves(c, codes, LABELS[:2], measure=measure, samples=2)
    examples = np.unique(c.point_examples[codes >= 0])
    (_, counts), *_ = resamples(len(examples), 2, 0)
    for curve, pairs in ((found.within[0], [frozenset((0,))]), (found.between, [PAIRS[0]])):
        expected = at = by_hand(codes, pairs, 1, measure)
        for example, times in zip(examples, counts[0], strict=True):
            shifted = np.ones(EXAMPLES)
            shifted[example] += 1e-4
            expected += (times - 1) * (by_hand(codes, pairs, 1, measure, shifted) - at) / 1e-4
        assert curve.resampled[0, 1] == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_of_points_do_not_matter(
    c: collateral.Collateral, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = group_curves(c, some_codes(), LABELS, measure=measure)
    monkeypatch.setattr(groups, "_BLOCK", 7)
    parts = group_curves(c, some_codes(), LABELS, measure=measure)
    for one, other in zip(whole.within, parts.within, strict=True):
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-5)


def test_cosine_by_sums_is_that_by_pairs(c: collateral.Collateral) -> None:
    """The sums without pairs against all pairs of the same vectors, in float64."""
    cells = groups._Cells(np.array([0, 1, 0, 0, 1, 1]), np.array([2, 2, 2, 5, 5, 7]), 2)
    z = c.vectors.read(0)[:6].astype(np.float64)
    gaps = 1 - z @ z.T
    np.fill_diagonal(gaps, 0)
    by_pairs = cells.sums(iter([(slice(0, 6), gaps.astype(np.float32))]))
    for one, other in zip(cells.cosine_sums(z), by_pairs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_only_points_with_vectors_are_taken(tmp_path: Path, measure: Measure) -> None:
    rows = np.sort(np.random.default_rng(1).choice(EXAMPLES * EACH, 50, replace=False))
    codes = some_codes()
    with collateral.open(write(tmp_path / "file", rows=rows)) as c:
        found = group_curves(c, codes, LABELS, measure=measure)
        known = np.full(len(codes), -1)
        known[rows] = codes[rows]
        assert found.sizes == tuple(int((codes == g).sum()) for g in range(3))
        assert found.taken == tuple(int((known == g).sum()) for g in range(3))
        expected = by_hand(known, [frozenset((1,))], 1, measure)
        assert found.within[1].mean[1] == pytest.approx(expected, rel=3e-3)


def test_the_cosine_of_nothing_is_undefined(tmp_path: Path) -> None:
    codes = some_codes()
    zero = int(np.flatnonzero(codes == 1)[0])
    with collateral.open(write(tmp_path / "file", zero=zero)) as c:
        found = group_curves(c, codes, LABELS, measure="cosine")
        assert np.isnan(found.within[1].mean).all()
        assert np.isnan(found.within[1].low).all()
        lengths = group_curves(c, codes, LABELS, measure="euclid")
        assert np.isfinite(lengths.within[1].mean[: STATES - 1]).all()
        codes[zero] = -1
        assert np.isfinite(group_curves(c, codes, LABELS, measure="cosine").within[1].mean[0])


@pytest.mark.parametrize("measure", MEASURES)
def test_a_model_minus_itself_is_zero(c: collateral.Collateral, measure: Measure) -> None:
    one, other = (group_curves(c, some_codes(), LABELS, measure=measure) for _ in range(2))
    for a, b in zip([*one.within, one.between], [*other.within, other.between], strict=True):
        gap = difference(a, b)
        assert not np.nan_to_num(gap.mean).any()
        assert not np.nan_to_num(gap.low).any()
        assert not np.nan_to_num(gap.high).any()


def write_contrary(path: Path) -> Path:
    """A file of two groups: apart on the map, and in hidden state 0; not so in hidden state 1.

    There group "x" lies around "y", which is one spot.
    """
    noise = np.random.default_rng(0).normal(size=(EXAMPLES * EACH, 2))
    codes = np.arange(len(noise))[:, None] % 2
    with a_writer(path, metrics=[], measures=[]) as writer:
        for row in range(EXAMPLES):
            writer.add_example(f"e{row}", "a" * EACH, some_tokens(EACH))
            for token in range(EACH):
                writer.add_point(row, token, token + 1, "t", label=LABELS[token % 2])
        writer.set_vector_points(range(len(codes)))
        for layer in (0, 1):
            writer.set_coordinates(layer, 4 * codes + 0.3 * noise)
            angle = (noise * np.where(codes, 0.01, 1) + 2 * codes * (layer == 0))[:, 0]
            vectors = np.column_stack([np.cos(angle), np.sin(angle)])
            writer.set_vectors(layer, vectors, np.ones(len(codes)))
        writer.set_coordinates(2, 4 * codes + 0.3 * noise)
    return path


def test_where_map_and_original_space_disagree(tmp_path: Path) -> None:
    with collateral.open(write_contrary(tmp_path / "file")) as c:
        codes, labels = c.points.codes("label")
        gaps = []
        spaces: tuple[Space, ...] = ("tsne", "cosine")
        for measure in spaces:
            found = group_curves(c, codes, labels, measure=measure)
            gaps.append(difference(found.within[0], found.others[0]))
        assert disagreements(*gaps) == (1,)
