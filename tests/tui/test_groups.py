"""The distance pane's groups of points, and differences of groups."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from collateral import Collateral, analysis
from tests.tui.handmade import Recipe
from tui import state
from tui.commands import COMMANDS, Refused
from tui.kept import Kept
from tui.look import Look
from tui.pane import Context
from tui.panes.distance import DistancePane
from tui.project import Project
from tui.state import Selection
from tui.views import groups
from tui.views.answers import Missing

PLAIN = Look("truecolor")


def selection(project: Project, **changes: Any) -> Selection:
    """The first selection, with changes, made valid."""
    return state.valid(replace(project.first_selection(), **changes), project.limits)


def by_hand(file: Collateral, codes: list[Any], wanted: set[frozenset[Any]], layer: int) -> float:
    """Mean distance over pairs of points whose groups are ``wanted``; None is no group."""
    places = file.coordinates(layer).astype(float)
    owners = file.point_examples.tolist()
    known = Counter(zip(owners, codes, strict=True))
    total = weight = 0.0
    for i, j in itertools.combinations(range(len(places)), 2):
        if None in (codes[i], codes[j]) or frozenset((codes[i], codes[j])) not in wanted:
            continue
        share = 1 / (known[owners[i], codes[i]] * known[owners[j], codes[j]])
        total += share * math.dist(places[i], places[j])
        weight += share
    return total / weight / float(np.median(pdist(places)))


def gold_in(project: Project, s: Selection) -> list[Any]:
    """The gold label of each point of an example that counts, else None."""
    rows = project.scope(s)
    owners = project.a.point_examples.tolist()
    labels = project.a.points["gold"]
    return [
        label if rows is None or owner in rows else None
        for label, owner in zip(labels, owners, strict=True)
    ]


@pytest.mark.parametrize("scope", ["all", "marked", "example"])
@pytest.mark.parametrize("view", ["A", "B", "B−A"])
def test_groups_of_points_equal_plain_loops(view: str, scope: str, compared: Project) -> None:
    marked = frozenset(p for e in (0, 1, 3) for p in compared.points_of(e))
    s = selection(
        compared, view=view, scope=scope, grouping="points: gold", marked=marked, example=3
    )
    codes = gold_in(compared, s)
    found = compared.distance_view(s)
    assert compared.b is not None
    files = {"A": (compared.a,), "B": (compared.b,), "B−A": (compared.a, compared.b)}[view]
    labels = {code for code in codes if code is not None}
    every = {frozenset(pair) for pair in itertools.combinations(labels, 2)}
    for curve in found.curves:
        wanted = {frozenset((curve.label,))} if curve.label in labels else every
        values = [by_hand(file, codes, wanted, 2) for file in files]
        assert curve.mean[2] == pytest.approx(values[-1] - sum(values[:-1]), rel=1e-4, abs=1e-5)
    names = [curve.label for curve in found.curves]
    assert set(names) == (labels | {"between groups"} if len(labels) > 1 else labels)
    assert found.difference == (view == "B−A")
    counts = Counter(code for code in codes if code is not None)
    assert found.counts == [str(counts[name]) if name in counts else "" for name in names]


def test_the_difference_of_points_is_others_minus_own(compared: Project) -> None:
    s = selection(compared, view="B", grouping="points: gold", gap=True)
    codes, file = compared.a.points["gold"], compared.b
    assert file is not None
    found = compared.distance_view(s)
    assert found.difference and found.title.startswith("t-SNE · others − own · points by gold")
    labels = set(codes) - {None}
    for curve in found.curves:
        others = {frozenset((curve.label, label)) for label in labels - {curve.label}}
        own = by_hand(file, codes, {frozenset((curve.label,))}, 1)
        expected = by_hand(file, codes, others, 1) - own
        assert curve.mean[1] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert curve.low[1] < curve.mean[1] < curve.high[1]


def test_marked_points_are_compared_with_all_others(compared: Project) -> None:
    marked = frozenset(compared.points_of(2)) | {compared.points_of(5)[0]}
    s = selection(compared, view="A", grouping="marked", marked=marked, scope="marked")
    assert s.grouping == "marked"
    codes = ["in" if p in marked else "out" for p in range(len(compared.a.points))]
    found = compared.distance_view(s)
    wanted = ({frozenset(("in",))}, {frozenset(("out",))}, {frozenset(("in", "out"))})
    assert [curve.label for curve in found.curves] == ["marked", "the rest", "between groups"]
    for curve, pairs in zip(found.curves, wanted, strict=True):
        assert curve.mean[1] == pytest.approx(by_hand(compared.a, codes, pairs, 1), rel=1e-4)
    assert found.over == "12 ex." and "marked points, the rest" in found.title


def test_the_marked_points_are_a_grouping_only_while_there_are_some(compared: Project) -> None:
    s = selection(compared)
    names = []
    for _ in range(40):
        s = state.valid(COMMANDS["group"](compared, s), compared.limits)
        names.append(s.grouping)
    assert set(names) == set(compared.limits.groupings) - {"marked"}
    s = state.valid(state.toggle_marks(s, [0, 1]), compared.limits)
    s = state.valid(replace(s, grouping="marked"), compared.limits)
    assert s.grouping == "marked"
    assert state.valid(state.clear_marks(s), compared.limits).grouping != "marked"


def test_other_distances_of_points_are_refused(compared: Project) -> None:
    s = selection(compared, grouping="points: gold")
    with pytest.raises(Refused, match="one distance, that on the map"):
        COMMANDS["measure"](compared, s)
    title = DistancePane().title(Context(compared, replace(s, measure="cosine"), PLAIN))
    assert "t-SNE" in title and "cosine" not in title


def test_a_pairs_difference_is_the_first_group_minus_the_second(compared: Project) -> None:
    s = selection(compared, view="B", grouping="gold", measure="cosine")
    groups = compared.distance_view(s).curves
    (gap,) = compared.distance_view(replace(s, gap=True)).curves
    assert gap.label == f"{groups[0].label} − {groups[1].label}"
    np.testing.assert_allclose(gap.mean, groups[0].mean - groups[1].mean, atol=1e-6)
    paired = groups[0].resampled - groups[1].resampled
    np.testing.assert_allclose(gap.low, np.nanpercentile(paired, 2.5, axis=0), atol=1e-6)


def test_more_groups_than_can_be_told_apart() -> None:
    labels = [f"g{n}" for n in (0, 1, 2, 3, 4, 5, 6)]
    found = groups._largest(np.repeat(np.arange(7), [5, 1, 2, 9, 4, 7, 8]).astype(np.int32))
    assert [labels[n] for n in found] == ["g0", "g3", "g4", "g5", "g6"]
    assert groups._largest(np.array([-1, -1], dtype=np.int32)) == []


def test_a_sample_is_announced(compared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    s = selection(compared, grouping="points: gold", view="A")
    plenty = len(compared.a.points)
    real = analysis.group_curves
    monkeypatch.setattr(compared, "kept", Kept())
    monkeypatch.setattr(groups, "group_curves", lambda *a, **k: real(*a, **k, most=20))
    found = compared.distance_view(s)
    assert plenty > 20 and "drawn at random" in found.note
    assert all(" of " in count for count in found.counts[:-1])
    canvas = DistancePane().draw(Context(compared, s, PLAIN), 100, 18)
    assert "drawn at random" in canvas.text()


def test_without_maps_and_pairs_there_is_nothing(tmp_path: Path) -> None:
    project = Project.open([Recipe().write(tmp_path / "f.msgpack")])
    with pytest.raises(Missing, match="neither pairs of spans nor maps"):
        project.distance_view(project.first_selection())
    for name in ("gap", "group", "measure"):
        with pytest.raises(Refused):
            COMMANDS[name](project, project.first_selection())
