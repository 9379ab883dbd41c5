"""Groups of points in the original space, of files that keep vectors of their points."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from collateral import analysis
from tests.collateral.test_vector_groups import write_contrary
from tests.factory import WIDTH, write_collateral
from tui import state
from tui.cli import main
from tui.commands import COMMANDS, Refused
from tui.look import Look
from tui.out import copying, tables
from tui.pane import Context
from tui.panes.distance import DistancePane
from tui.panes.map import MapPane
from tui.project import Project
from tui.state import Selection
from tui.views import groups
from tui.views.answers import Missing

PLAIN = Look("truecolor")
SPACES: tuple[Literal["cosine", "euclid", "tsne"], ...] = ("cosine", "euclid", "tsne")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models' files with vectors, the first with fewer numbers; and one without."""
    folder = tmp_path_factory.mktemp("vectors")
    return [
        write_collateral(folder / "base.msgpack", vectors=12),
        write_collateral(folder / "tuned.msgpack", shift=1.0, vectors=WIDTH),
        write_collateral(folder / "bare.msgpack", shift=1.0),
    ]


@pytest.fixture
def compared(paths: list[Path]) -> Iterator[Project]:
    project = Project.open(paths[:2])
    yield project
    project.close()


def selection(project: Project, **changes: Any) -> Selection:
    chosen = replace(project.first_selection(), **{"grouping": "points: gold", **changes})
    return state.valid(chosen, project.limits)


def drawn(project: Project, s: Selection, width: int = 90, height: int = 20) -> str:
    return DistancePane().draw(Context(project, s, PLAIN), width, height).text()


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("measure", SPACES)
def test_curves_are_those_of_the_files(
    compared: Project, measure: Literal["cosine", "euclid", "tsne"], gap: bool
) -> None:
    assert compared.b is not None
    codes, labels = compared.codes("points", "B", "gold")
    by_model = []
    for file in (compared.a, compared.b):
        every = np.arange(len(file.examples))
        one = analysis.group_curves(file, codes, labels, measure=measure, among=every)
        pairs = zip(one.within, one.others, strict=True)
        by_model.append(
            [o.mean - w.mean for w, o in pairs] if gap else [w.mean for w in one.within]
        )
    views: tuple[tuple[state.View, Any], ...] = (
        ("A", by_model[0]),
        ("B", by_model[1]),
        ("B−A", [b - a for a, b in zip(*by_model, strict=True)]),
    )
    for view, expected in views:
        found = compared.distance_view(selection(compared, view=view, measure=measure, gap=gap))
        assert (found.measure, found.unit) == (measure, "point")
        assert found.title.startswith(
            {"cosine": "cosine", "euclid": "Euclidean"}.get(measure, "t-")
        )
        assert found.difference == (gap or view == "B−A")
        for curve, mean in zip(found.curves, expected, strict=False):
            np.testing.assert_allclose(curve.mean, mean, atol=1e-5)
            assert (curve.low <= curve.mean).all()


def test_d_goes_through_the_distances_of_points(compared: Project) -> None:
    s = selection(compared, measure="cosine")
    seen = [s.measure]
    for _ in range(3):
        s = state.valid(COMMANDS["measure"](compared, s), compared.limits)
        seen.append(s.measure)
    assert seen == [*SPACES, "cosine"]


@pytest.mark.parametrize("measure", ["cosine", "euclid"])
def test_a_model_minus_itself_is_zero(paths: list[Path], measure: str) -> None:
    project = Project.open([paths[0], paths[0]])
    for gap in (False, True):
        s = selection(project, view="B−A", measure=measure, gap=gap)
        for curve in project.distance_view(s).curves:
            assert not np.nan_to_num([curve.mean, curve.low, curve.high]).any()
    project.close()


def test_marked_points_against_the_rest(compared: Project) -> None:
    marked = frozenset(compared.points_of(2)) | frozenset(compared.points_of(5))
    s = selection(compared, view="A", grouping="marked", marked=marked, measure="cosine")
    found = compared.distance_view(s)
    assert [curve.label for curve in found.curves] == ["marked", "the rest", "between groups"]
    codes = np.array([0 if p in marked else 1 for p in range(len(compared.a.points))])
    z = compared.a.vectors.read(1).astype(float)
    owners = compared.a.point_examples
    total = weight = 0.0
    for i in np.flatnonzero(codes == 0):
        for j in np.flatnonzero(codes == 1):
            share = 1.0
            for k in (i, j):
                share /= ((owners == owners[k]) & (codes == codes[k])).sum()
            total += share * (1 - z[i] @ z[j])
            weight += share
    assert found.curves[2].mean[1] == pytest.approx(total / weight, rel=1e-5)


def test_what_the_vectors_keep_is_said(compared: Project) -> None:
    whole = compared.b.meta.model.hidden_size if compared.b else 0
    text = drawn(compared, selection(compared, view="A", measure="cosine"))
    assert f"from 12 of {whole} dimensions: cosines within .005" in text
    text = drawn(compared, selection(compared, view="B", measure="euclid"))
    assert f"from {WIDTH} of {whole} dimensions" in text
    text = drawn(compared, selection(compared, view="B−A", measure="euclid"))
    assert f"from 12 of {whole} dimensions" in text
    assert "dimensions" not in drawn(compared, selection(compared, view="A", measure="tsne"))


def test_a_file_without_vectors_says_how_to_get_them(paths: list[Path]) -> None:
    for files in (paths[2:], [paths[0], paths[2]]):
        project = Project.open(files)
        assert groups.spaces(project) == ("tsne",)
        s = selection(project, measure="cosine")
        assert project.distance_view(s).measure == "tsne"
        assert "the file keeps no vectors; extract it again" in drawn(project, s)
        with pytest.raises(Refused, match=r"keeps no vectors; extract it again\."):
            COMMANDS["measure"](project, s)
        project.close()


def test_pairs_have_the_distances_they_had(paths: list[Path]) -> None:
    with_vectors, bare = (Project.open([path]) for path in paths[1:])
    assert with_vectors.limits.measures == bare.limits.measures == SPACES
    for measure in SPACES:
        first, second = (
            project.distance_view(selection(project, grouping="gold", measure=measure))
            for project in (with_vectors, bare)
        )
        assert first.title == second.title
        for one, other in zip(first.curves, second.curves, strict=True):
            np.testing.assert_array_equal(one.mean, other.mean)
    with_vectors.close()
    bare.close()


@pytest.mark.parametrize("measure", SPACES)
def test_where_the_map_shows_the_opposite_it_says_so(tmp_path: Path, measure: str) -> None:
    project = Project.open([write_contrary(tmp_path / "file.msgpack")])
    assert project.limits.measures == SPACES
    s = selection(project, grouping="points: label", measure=measure)
    title = "Euclidean" if measure == "euclid" else "cosine"
    expected = f"t-SNE shows the opposite of {title} for x in layer 1"
    found = project.distance_view(s)
    assert found.warning == expected
    assert f"! {expected}" in drawn(project, s)
    assert f"! layer 1: t-SNE shows the opposite of {title}"[:44] in drawn(project, s, width=48)
    project.close()


def test_one_group_has_nothing_to_subtract(compared: Project) -> None:
    """Some example has points of one gold label only."""
    for example in range(12):
        s = selection(compared, view="A", scope="example", example=example, gap=True)
        found = compared.distance_view(s)
        if not found.curves:
            break
    assert "There are no two groups to subtract here; D shows the groups." in drawn(compared, s)


def test_reports_and_exports_follow(
    compared: Project, paths: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    s = selection(compared, view="A", measure="euclid")
    c = Context(compared, s, PLAIN)
    data = tables.distances(c)
    assert data.about["measure"] == "euclid"
    assert data.about["note"].startswith("from 12 of")
    curve = compared.distance_view(s).curves[0]
    assert copying.distance(c).splitlines()[0].split("\t")[0] == curve.label
    arguments = [str(paths[0]), "--group", "points: gold", "--measure", "euclid", "--report"]
    assert main([*arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["distances"]
    assert found["measure"] == "euclid"
    np.testing.assert_allclose(found["groups"][0]["mean"], curve.mean, rtol=1e-4)
    for form in ("text", "markdown"):
        assert main([*arguments, "--format", form]) == 0
        said = capsys.readouterr().out
        assert "Euclidean · points by gold" in said
        assert "from 12 of" in said


def test_long_work_is_not_done_on_a_key(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Until map and original space are both known, the pane says that it computes."""
    project = Project.open(paths[:1])
    s = selection(project, measure="cosine")
    monkeypatch.setattr(groups, "_QUICK", 0)
    assert not groups.ready(project, s)
    project.distance_view(s)
    assert groups.ready(project, s)
    assert not groups.ready(project, replace(s, measure="euclid"))
    project.close()


def test_a_group_without_points_is_missing_still(compared: Project) -> None:
    with pytest.raises(Missing, match="Mark some"):
        compared.distance_view(replace(selection(compared), grouping="marked", marked=frozenset()))


def test_b_marks_the_nearest_in_the_original_space(compared: Project) -> None:
    pane = MapPane()
    s = selection(compared, view="B")
    c = Context(compared, s, PLAIN, focused=True)
    pane.draw(c, 80, 20)
    with pytest.raises(Refused, match="No point is under the cursor"):
        pane.act(c, "nearest")
    pane.jump(c, end=False)
    start = compared.points_of(s.example)[0]
    marked = pane.act(c, "nearest")
    assert marked is not None and compared.b is not None
    z = compared.b.vectors.read(s.layer).astype(float)
    cosines = z @ z[start]
    order = sorted((p for p in range(len(z)) if p != start), key=lambda p: -cosines[p])
    assert marked.marked == frozenset((start, *order[:10]))
    assert marked.scope == "marked"
    said = pane.draw(Context(compared, marked, PLAIN, focused=True), 80, 20).text()
    assert "marked 10 nearest, original space: cosine " in said
    other = state.clear_marks(marked)
    assert "nearest" not in pane.draw(Context(compared, other, PLAIN, focused=True), 80, 20).text()


def test_without_vectors_there_are_no_nearest(paths: list[Path]) -> None:
    project = Project.open(paths[2:])
    assert "nearest" in project.unused
    pane = MapPane()
    c = Context(project, project.first_selection(), PLAIN, focused=True)
    pane.draw(c, 80, 20)
    pane.jump(c, end=False)
    with pytest.raises(Missing, match="keeps no vectors of its points; extract it again"):
        pane.act(c, "nearest")
    project.close()
