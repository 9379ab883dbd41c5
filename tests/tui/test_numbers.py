"""What the viewer itself computes of numbers, held against numpy, scipy and scikit-learn.

NaN, nothing but NaN, constants, one value alone, numbers that are huge or tiny.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import cosine_similarity

from tests.collateral.simple import a_writer, some_tokens
from tests.collateral.test_numbers import numbers, quietly
from tui.out.report import _mean
from tui.panes.attention.table import largest_edges
from tui.plots.scale import Scale, steps
from tui.project import Project
from tui.views import listing
from tui.views.answers import AttentionGrid, Missing
from tui.views.attention import largest_of
from tui.views.nearest import NEAREST, nearest

Doubles = npt.NDArray[np.float64]
ANY = numbers(st.integers(0, 30))
SOME = numbers(st.integers(1, 30))


# -- ranges and steps of colours --------------------------------------------------------------


@given(ANY, st.booleans())
def test_a_range_is_numpys(values: Doubles, diverging: bool) -> None:
    scale = Scale.of(values, diverging)
    if np.isnan(values).all():
        assert (scale.lo, scale.hi) == (0, 0)
    elif diverging:
        assert scale.hi == np.nanmax(np.abs(values)) == -scale.lo
    else:
        assert (scale.lo, scale.hi) == (np.nanmin(values), np.nanmax(values))


@given(SOME, st.integers(1, 20), st.booleans())
def test_steps_are_the_bins_of_numpys_histogram(values: Doubles, n: int, diverging: bool) -> None:
    scale = Scale.of(values, diverging)
    found = steps(values, scale.lo, scale.hi, n)
    assert (found[np.isnan(values)] == -1).all()
    known = values[~np.isnan(values)]
    if not scale.hi > scale.lo:
        assert len(set(found[~np.isnan(values)].tolist())) <= 1
        return
    edges = np.linspace(scale.lo, scale.hi, n + 1)
    at = found[~np.isnan(values)]
    slack = 1e-9 * (scale.hi - scale.lo)  # where an edge falls, rounding decides
    assert ((edges[at] - slack <= known) & (known <= edges[at + 1] + slack)).all()
    counts = np.histogram(known, bins=n, range=(scale.lo, scale.hi))[0]
    inside = np.abs(known[:, None] - edges[1:-1]).min(axis=1, initial=np.inf) > slack
    if inside.all():
        assert np.array_equal(np.bincount(at, minlength=n), counts)


@given(numbers((5, 7)), st.integers(1, 8), st.integers(1, 8))
def test_smaller_matrices_keep_the_largest_of_each_part(
    values: Doubles, rows: int, columns: int
) -> None:
    found = largest_of(values.astype(np.float32), rows, columns)
    parts = [
        np.unique(np.arange(min(most, n)) * n // min(most, n))
        for most, n in ((rows, 5), (columns, 7))
    ]
    assert found.shape == tuple(map(len, parts))
    flat = values.astype(np.float32)
    for i, row in enumerate(np.split(flat, parts[0][1:])):
        for j, part in enumerate(np.split(row, parts[1][1:], axis=1)):
            expected = quietly(np.nanmax, np.abs(part))
            np.testing.assert_equal(abs(found[i, j]), expected)
            assert np.isnan(expected) or found[i, j] in part


@given(numbers((3, 4)), st.booleans())
def test_the_largest_weight_is_numpys(values: Doubles, difference: bool) -> None:
    weights = (values if difference else np.abs(values)).astype(np.float32)
    grid = AttentionGrid(
        weights,
        some_tokens(4),
        np.arange(3, dtype=np.int32),
        np.arange(4, dtype=np.int32),
        difference,
        "",
    )
    assert grid.most == (0 if np.isnan(weights).all() else np.nanmax(np.abs(weights)))


@given(numbers((3, 4)), st.integers(0, 14))
def test_the_largest_edges_are_those_of_a_sort(values: Doubles, n: int) -> None:
    weights = values.astype(np.float32)
    rows, columns = np.arange(3, dtype=np.int32), np.arange(4, dtype=np.int32)
    found = largest_edges(AttentionGrid(weights, some_tokens(4), rows, columns, True, ""), n)
    known = [place for place in np.ndindex(3, 4) if not np.isnan(weights[place])]
    expected = sorted(known, key=lambda place: (-abs(weights[place]), place))
    assert found == expected[:n]  # of equal ones the first, whatever the version of numpy


# -- means and order --------------------------------------------------------------------------


@given(ANY)
def test_a_score_of_the_report_is_numpys_mean(values: Doubles) -> None:
    found = _mean(values)
    if np.isnan(values).all():
        assert found is None
    else:
        scale = np.nanmax(np.abs(values))
        assert found == pytest.approx(np.nanmean(values), rel=1e-9, abs=1e-9 * scale)


@given(numbers((20,)), arrays(np.int32, 20, elements=st.integers(0, 5)))
def test_the_mean_that_sorts_examples_is_scipys(values: Doubles, owners: Any) -> None:
    found = listing._means(values, owners, 7)
    known = ~np.isnan(values)
    if not known.any():
        assert np.isnan(found).all()
        return
    there = np.unique(owners[known])
    expected = np.full(7, np.nan)
    expected[there] = scipy.ndimage.mean(values[known], owners[known], there)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.nanmax(np.abs(values)))


VALUES = 60
"""Examples of the file that is sorted."""


@pytest.fixture(scope="module")
def sorted_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Project]]:
    """A file with many equal numbers and unknown ones, one of nothing known, one of a constant."""
    folder, rng = tmp_path_factory.mktemp("sorted"), np.random.default_rng(2)
    some = np.where(rng.random(VALUES) < 0.3, np.nan, rng.integers(-3, 3, VALUES) * 1e30)
    columns = {"some": some, "none": np.full(VALUES, np.nan), "equal": np.full(VALUES, 0.1)}
    projects = {}
    for name, values in columns.items():
        with a_writer(folder / name, metrics=[], measures=[]) as writer:
            for row, value in enumerate(values.tolist()):
                known = {} if value != value else {"number": value}
                writer.add_example(str(row), "abcd", some_tokens(4), **known)
        projects[name] = Project.open([folder / name])
    yield projects
    for project in projects.values():
        project.close()


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", ["some", "none", "equal"])
def test_examples_are_sorted_with_the_unknown_last(
    name: str, sign: str, sorted_files: dict[str, Project]
) -> None:
    project = sorted_files[name]
    s = replace(project.first_selection(), sort=f"{sign}number")
    values = np.asarray(project.a.examples["number"], dtype=np.float64)
    key = (-values if sign else values).tolist()
    unknown = np.isnan(values).tolist()
    expected = sorted(
        range(VALUES), key=lambda row: (unknown[row], 0 if unknown[row] else key[row], row)
    )
    assert expected == list(range(VALUES)) or name == "some"  # as stored
    assert listing.order(project, s).tolist() == expected


# -- neighbours -------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [1, 2, 5, 40])
@pytest.mark.parametrize("zeros", [0, 1, 3])
def test_the_nearest_are_scikit_learns(tmp_path: Path, points: int, zeros: int) -> None:
    """Vectors in any unit, some of them zero, two of them equal."""
    if zeros >= points:
        pytest.skip("no point has a direction")
    rng = np.random.default_rng(points)
    states = rng.normal(size=(points, 6)) * rng.choice([1e-6, 1.0, 1e6], (points, 1))
    states[points - zeros :] = 0
    states[1 % (points - zeros)] = states[0]
    lengths = np.linalg.norm(states, axis=1)
    with a_writer(tmp_path / "file", metrics=[], measures=[]) as writer:
        writer.add_example("e", "a" * points, some_tokens(points))
        for token in range(points):
            writer.add_point(0, token, token + 1, "t")
        writer.set_vector_points(np.arange(points))
        writer.set_vectors(0, states / np.where(lengths > 0, lengths, 1)[:, None], lengths)
    project = Project.open([tmp_path / "file"])
    kept = project.a.vectors.read(0).astype(np.float64)
    expected = cosine_similarity(states)
    for point in range(points - zeros):
        numbers, cosines = nearest(project, "A", point, 0)
        assert len(numbers) == min(NEAREST, points - zeros - 1) and point not in numbers
        assert max(numbers, default=0) < points - zeros, "what is zero is near nothing"
        np.testing.assert_allclose(cosines, expected[point, numbers], atol=0.02)  # of bytes
        others = [p for p in range(points - zeros) if p != point]
        assert np.allclose(
            cosines, sorted(kept[others] @ kept[point], reverse=True)[: len(numbers)], atol=1e-6
        )
    for point in range(points - zeros, points):
        with pytest.raises(Missing, match="is zero"):
            nearest(project, "A", point, 0)
    project.close()
