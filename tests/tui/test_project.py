"""What panes are told: the numbers against numpy on what the files hold, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import collateral
from collateral import CollateralError
from collateral.analysis.distances import Curve
from tests.factory import write_collateral
from tests.tui.handmade import Recipe, uniform
from tui import state
from tui.look import Look
from tui.pane import Context
from tui.panes.distance import DistancePane
from tui.project import Project
from tui.state import Scope, Selection, View
from tui.views import distances as distance_views
from tui.views.answers import Missing

Floats = npt.NDArray[np.float64]


@pytest.fixture
def opened() -> Iterator[Callable[..., Project]]:
    """Opens projects that are closed when the test ends."""
    with ExitStack() as stack:

        def make(*paths: Path) -> Project:
            project = Project.open(paths)
            stack.callback(project.close)
            return project

        yield make


# -- files that do not belong together --------------------------------------------------------

SAME = Recipe(points=(0, 0, 1), pairs=(0, 0, 1), labels={"gold": ("x", "y", "x")})


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (replace(SAME, texts=("one two four", *SAME.texts[1:])), "another text for example 'tex"),
        (replace(SAME, ids=("b", "a", "c")), "example 'b' instead of 'text-0' in row 0"),
        (replace(SAME, texts=SAME.texts[:2]), "2 examples instead of 3"),
        (replace(SAME, layers=3), "3 layers of 2 heads instead of 2 of 2"),
        (replace(SAME, heads=4), "2 layers of 4 heads instead of 2 of 2"),
        (replace(SAME, task="text"), "task text instead of coref"),
        (replace(SAME, pairs=(0, 1), labels={"gold": ("x", "x")}), "2 pairs instead of 3"),
        (replace(SAME, pairs=(0, 1, 1)), "other pairs in the same texts"),
    ],
)
def test_files_that_do_not_belong_together_are_refused_in_a_sentence(
    other: Recipe, names: str, tmp_path: Path
) -> None:
    one, two = SAME.write(tmp_path / "one.msgpack"), other.write(tmp_path / "two.msgpack")
    with pytest.raises(CollateralError) as refusal:
        Project.open([one, two])
    words = str(refusal.value)
    assert f"does not belong to one.msgpack: it has {names}" in words
    assert words.startswith(str(two)) and "\n" not in words
    assert words.endswith("Extract both from the same data with the same tokenizer and options.")


def test_texts_in_another_order_are_refused(tmp_path: Path) -> None:
    recipe = Recipe(ids=("a", "b", "c"))
    turned = Recipe(texts=tuple(reversed(recipe.texts)), ids=("c", "b", "a"))
    paths = [recipe.write(tmp_path / "1.msgpack"), turned.write(tmp_path / "2.msgpack")]
    with pytest.raises(CollateralError, match="example 'c' instead of 'a' in row 0"):
        Project.open(paths)


def test_another_tokenizer_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_collateral(tmp_path / "words.msgpack", word_pieces=False)
    with pytest.raises(CollateralError, match="the same texts but other tokens"):
        Project.open([files[0], other])


def test_a_file_without_examples_is_refused(tmp_path: Path) -> None:
    empty = write_collateral(tmp_path / "empty.msgpack", examples=0)
    with pytest.raises(CollateralError, match="has no examples"):
        Project.open([empty])


def test_a_refused_project_leaves_no_file_open(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = collateral.Collateral.close

    def noted(self: collateral.Collateral) -> None:
        closed.append(Path(self.path).name)
        close(self)

    monkeypatch.setattr(collateral.Collateral, "close", noted)
    other = write_collateral(tmp_path / "words.msgpack", word_pieces=False)
    with pytest.raises(CollateralError):
        Project.open([files[0], other])
    assert {"base.msgpack", "words.msgpack"} <= set(closed)


# -- head metrics -----------------------------------------------------------------------------


def mean_by_hand(
    values: npt.ArrayLike, owners: npt.NDArray[np.int32], rows: list[int] | None
) -> Floats:
    """Means over examples, the slow way: pairs inside an example first, NaN left out."""
    values = np.asarray(values, dtype=np.float64)
    result = np.full(values.shape[1:], np.nan)
    for place in np.ndindex(result.shape):
        means = []
        for row in sorted(set(owners.tolist())) if rows is None else rows:
            own = [
                float(v)
                for v, o in zip(values[(slice(None), *place)], owners, strict=True)
                if o == row and not np.isnan(v)
            ]
            if own:
                means.append(sum(own) / len(own))
        if means:
            result[place] = sum(means) / len(means)
    return result


def units_by_hand(project: Project, view: View, name: str) -> Floats:
    """A metric of every unit for a view, in float64, straight from the files."""
    assert project.b is not None
    a = project.a.head_metric(name).astype(np.float64)
    b = project.b.head_metric(name).astype(np.float64)
    return {"A": a, "B": b, "B−A": b - a}[view]


MARKED = frozenset({0, 1, 2, 25})


@pytest.mark.parametrize("scope", ["all", "marked", "example"])
@pytest.mark.parametrize("view", state.VIEWS)
def test_head_metrics_of_every_view_and_scope(compared: Project, view: View, scope: Scope) -> None:
    for name, metric in compared.a.metrics.items():
        for example in (1, 8):  # row 8 has no defined pair metric
            s = replace(
                compared.first_selection(),
                view=view,
                scope=scope,
                metric=name,
                example=example,
                pair=0,
                marked=MARKED,
            )
            owners = (
                compared.a.pair_examples
                if metric.unit == "pair"
                else np.arange(len(compared.a.examples), dtype=np.int32)
            )
            rows = {
                "all": None,
                "marked": sorted({int(compared.a.point_examples[p]) for p in MARKED}),
                "example": [example],
            }[scope]
            values = units_by_hand(compared, view, name)
            if scope == "example" and metric.unit == "pair":
                first = int(np.flatnonzero(owners == example)[0])
                values, owners = values[first : first + 1], owners[first : first + 1]
            found = compared.head_view(s)
            np.testing.assert_allclose(
                found.values, mean_by_hand(values, owners, rows), rtol=2e-6, atol=1e-7
            )
            assert found.difference == (view == "B−A")
            assert found.title == metric.title and found.meaning == metric.meaning


def test_a_pair_metric_of_one_example_is_that_of_the_chosen_pair(compared: Project) -> None:
    s = replace(compared.first_selection(), view="B", scope="example", example=1)
    stored = compared.file("B").head_metric(s.metric)
    rows = list(compared.pairs_of(1))
    assert len(rows) == 2
    for pair, row in enumerate(rows):
        found = compared.head_view(replace(s, pair=pair))
        np.testing.assert_array_equal(found.values, stored[row])
        assert found.over == "this pair"


def test_means_count_examples_and_not_pairs(opened: Callable[..., Project], tmp_path: Path) -> None:
    """Example 0 has three pairs of 1, example 1 has one of 5: 3 over examples, 2 over pairs."""
    values = np.ones((4, 2, 2))
    values[3] = 5.0
    recipe = Recipe(points=(0, 0, 0, 1), pairs=(0, 0, 0, 1), metrics={"pair": values})
    project = opened(recipe.write(tmp_path / "f.msgpack"))
    s = project.first_selection()
    np.testing.assert_array_equal(project.head_view(s).values, 3.0)
    over = "mean of 2 of 3 examples, 4 pairs (others undefined)"
    assert project.head_view(s).over == over


def test_means_count_examples_and_not_points(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    """Three marked points of example 0 (value 1), one of example 1 (5): 3, not 2."""
    values = np.ones((3, 2, 2))
    values[1], values[2] = 5.0, 100.0
    recipe = Recipe(points=(0, 0, 0, 1, 2), metrics={"std": values})
    project = opened(recipe.write(tmp_path / "f.msgpack"))
    s = state.toggle_marks(project.first_selection(), [0, 1, 2, 3])
    assert project.marked_examples(s) == {0, 1}
    found = project.head_view(s)
    np.testing.assert_array_equal(found.values, 3.0)
    assert found.over == "mean of 2 marked examples"
    np.testing.assert_allclose(project.head_view(replace(s, scope="all")).values, 106 / 3)


def test_a_unit_that_one_model_leaves_undefined_is_no_difference(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    base, tuned = np.zeros((3, 2, 2)), np.ones((3, 2, 2))
    base[2], tuned[2] = np.nan, 50.0
    paths = [
        Recipe(metrics={"std": base}).write(tmp_path / "a.msgpack"),
        Recipe(metrics={"std": tuned}).write(tmp_path / "b.msgpack"),
    ]
    project = opened(*paths)
    found = project.head_view(project.first_selection())
    assert found.difference
    np.testing.assert_array_equal(found.values, 1.0)
    assert found.over == "mean of 2 of 3 examples (others undefined)"
    s = replace(project.first_selection(), view="A")
    assert project.head_view(s).over == "mean of 2 of 3 examples (others undefined)"
    assert project.head_view(replace(s, view="B")).over == "mean of all 3 examples"
    s = replace(s, scope="filtered", search="text-2")
    assert project.head_view(s).over == "undefined in 1 filtered example"
    assert project.head_view(replace(s, view="B")).over == "mean of 1 filtered example"


def test_marked_points_stand_for_their_examples(compared: Project) -> None:
    owners = compared.a.point_examples
    s = state.toggle_marks(compared.first_selection(), MARKED)
    assert compared.marked_examples(s) == {int(owners[p]) for p in MARKED}
    assert compared.scope(s) == compared.marked_examples(s)
    assert compared.scope(replace(s, scope="all")) is None
    assert compared.scope(replace(s, scope="example", example=4)) == frozenset({4})
    assert compared.marked_examples(state.clear_marks(s)) == frozenset()


# -- distances --------------------------------------------------------------------------------


BOOLEAN = {("correct", True): "correct", ("correct", False): "not correct"}
"""How the groups of a boolean column are called."""


def map_distances_by_hand(c: collateral.Collateral) -> Floats:
    """Distances of span centres on each map, over the median distance of two of its points."""
    result = np.zeros((len(c.pairs), c.meta.model.layers + 1))
    for layer in range(result.shape[1]):
        places = c.coordinates(layer).astype(np.float64)
        for row, spans in enumerate(c.pair_points.tolist()):
            one, two = (places[start:stop].mean(axis=0) for start, stop in spans)
            result[row, layer] = np.sqrt(((one - two) ** 2).sum())
        gaps = [np.hypot(*(a - b)) for n, a in enumerate(places) for b in places[:n]]
        result[:, layer] /= np.median(gaps)
    return result


@pytest.mark.parametrize("scope", ["all", "marked", "example"])
@pytest.mark.parametrize("view", state.VIEWS)
@pytest.mark.parametrize("measure", ["cosine", "euclid", "tsne"])
def test_distances_of_every_view_and_scope(
    compared: Project, measure: str, view: View, scope: Scope
) -> None:
    assert compared.b is not None
    s = replace(
        compared.first_selection(),
        view=view,
        scope=scope,
        measure=measure,
        example=1,
        marked=MARKED,
    )
    sides = {
        side: map_distances_by_hand(file)
        if measure == "tsne"
        else file.distances(measure).astype(np.float64)
        for side, file in (("A", compared.a), ("B", compared.b))
    }
    values = sides["B"] - sides["A"] if view == "B−A" else sides[view]
    owners = compared.a.pair_examples
    rows = compared.scope(s)
    for grouping in (g for g in compared.limits.groupings if g in compared.a.pairs):
        labels = (compared.a if view == "A" else compared.b).pairs[grouping]
        found = compared.distance_view(replace(s, grouping=grouping))
        for curve in found.curves:
            member = [
                i
                for i, label in enumerate(labels)
                if label is not None
                and curve.label in (label, BOOLEAN.get((grouping, label)))
                and (rows is None or int(owners[i]) in rows)
            ]
            expected = mean_by_hand(values[member][..., None], owners[member], None)[:, 0]
            np.testing.assert_allclose(curve.mean, expected, rtol=2e-5, atol=1e-6)
            assert curve.pairs == len(member)
        known = {label for i, label in enumerate(labels) if _counts(label, owners[i], rows)}
        assert len(found.curves) == len(known)
        assert found.difference == (view == "B−A")


def _counts(label: object, owner: object, rows: frozenset[int] | None) -> bool:
    return label is not None and (rows is None or owner in rows)


def test_distances_count_examples_and_not_pairs(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    values = np.ones((4, 3))
    values[3] = 5.0
    recipe = Recipe(
        points=(0, 0, 1, 1),
        pairs=(0, 0, 0, 1),
        measures={"cosine": values},
        labels={"gold": ("x",) * 4},
    )
    project = opened(recipe.write(tmp_path / "f.msgpack"))
    (curve,) = project.distance_view(project.first_selection()).curves
    np.testing.assert_array_equal(curve.mean, 3.0)
    assert (curve.pairs, curve.examples) == (4, 2)


# -- attention --------------------------------------------------------------------------------


@pytest.mark.parametrize("view", state.VIEWS)
def test_attention_is_that_of_the_file(compared: Project, view: View) -> None:
    assert compared.b is not None
    for layer, head in ((0, 0), (2, 3), (1, 2)):
        s = replace(compared.first_selection(), view=view, example=2, head_layer=layer, head=head)
        a, b = (f.attention(2)[layer, head].astype(np.float64) for f in (compared.a, compared.b))
        grid = compared.attention(s)
        np.testing.assert_allclose(
            grid.weights, {"A": a, "B": b, "B−A": b - a}[view], rtol=0, atol=1e-7
        )
        assert grid.difference == (view == "B−A")
        assert [grid.label(n) for n in range(len(grid.rows))] == [
            text.replace("##", "·") for text in compared.tokens(2).texts
        ]


def test_hidden_specials_are_left_out_and_nothing_else_changes(compared: Project) -> None:
    s = replace(compared.first_selection(), view="A", example=2)
    before = compared.attention(s).weights.copy()
    hidden = compared.attention(replace(s, hide_special=True))
    kept = [n for n, special in enumerate(compared.tokens(2).special) if not special]
    assert hidden.rows.tolist() == kept and 0 not in kept
    np.testing.assert_array_equal(hidden.weights, before[np.ix_(kept, kept)])
    assert (hidden.weights.sum(axis=1) < 0.999).any()  # not renormalised: the rest is missing
    np.testing.assert_array_equal(compared.attention(s).weights, before)
    np.testing.assert_array_equal(compared.a.attention(2, layer=s.head_layer, head=s.head), before)


def test_places_of_tokens_in_a_grid(compared: Project) -> None:
    s = replace(compared.first_selection(), example=2, hide_special=True)
    grid = compared.attention(s)
    last = len(compared.tokens(2)) - 1
    assert grid.place(1) == 0 and grid.place(0) is None and grid.place(last) is None
    assert grid.place(None) is None and grid.place(last - 1) == len(grid.rows) - 1
    assert compared.attention(replace(s, hide_special=False)).place(0) == 0


def test_attention_that_is_stored_in_8_bits_says_so(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    maps = {0: uniform(5)}
    exact = Recipe(attention=maps).write(tmp_path / "exact.msgpack")
    coarse = Recipe(attention=maps, encoding="uint8").write(tmp_path / "coarse.msgpack")
    project = opened(exact, coarse)
    s = project.first_selection()
    assert project.attention(replace(s, view="A")).note == ""
    assert "8 bits" in project.attention(replace(s, view="B")).note
    assert "8 bits" in project.attention(replace(s, view="B−A")).note


# -- a file with itself -----------------------------------------------------------------------


def test_the_difference_of_a_file_with_itself_is_zero(
    opened: Callable[..., Project], files: tuple[Path, Path]
) -> None:
    project = opened(files[1], files[1])
    first = replace(project.first_selection(), marked=MARKED)
    assert first.view == "B−A"
    for metric in project.limits.metrics:
        for scope in ("all", "marked", "example"):
            values = project.head_view(replace(first, metric=metric, scope=scope)).values
            assert np.isnan(values).all() or (values[~np.isnan(values)] == 0).all()
    for measure in project.limits.measures:
        for curve in project.distance_view(replace(first, measure=measure)).curves:
            assert (curve.mean == 0).all() and (curve.low == 0).all() and (curve.high == 0).all()
    for example in project.attended:
        assert (project.attention(replace(first, example=example)).weights == 0).all()


# -- labels -----------------------------------------------------------------------------------


def test_a_label_has_one_place_in_both_models_in_points_and_in_pairs(compared: Project) -> None:
    order = compared.classes("A", "prediction")[1]
    assert compared.classes("B", "prediction")[1] == order
    assert compared.classes("A", "gold")[1][:2] == order[:2] == ("coreferent", "not coreferent")
    s = replace(compared.first_selection(), grouping="gold")
    assert [curve.label for curve in compared.distance_view(s).curves] == list(order[:2])


@pytest.mark.parametrize("side", ["A", "B"])
def test_codes_stand_for_the_labels_of_the_file(compared: Project, side: str) -> None:
    file = compared.a if side == "A" else compared.file("B")
    for column in compared.limits.colourings:
        if compared.is_continuous(column):
            continue
        codes, labels = compared.classes(side, column)  # type: ignore[arg-type]
        name = column.removeprefix("example: ")
        owners = file.point_examples.tolist()
        of_examples = [file.examples[name][row] for row in owners] if name != column else []
        stored = of_examples or file.points[column]
        for code, value in zip(codes.tolist(), stored, strict=True):
            assert (code == -1) == (value is None)
            if code >= 0 and isinstance(value, str):
                assert labels[code] == value


# -- names and texts --------------------------------------------------------------------------


def test_names_come_from_the_command_line_or_the_files(files: tuple[Path, Path]) -> None:
    project = Project.open(files, ["first"])
    try:
        assert project.names == ("first", "tuned")
        assert project.describe("B−A") == "B−A tuned − first"
        assert (project.describe("A"), project.short("B−A")) == ("A first", "B−A")
    finally:
        project.close()


def test_the_common_beginning_of_ids(
    compared: Project, opened: Callable[..., Project], tmp_path: Path
) -> None:
    assert compared.id_prefix == "wsc-"
    other = Recipe(ids=("a", "b", "c")).write(tmp_path / "f.msgpack")
    assert opened(other).id_prefix == ""


def test_spans_mentions_and_facts_are_those_of_the_example(compared: Project) -> None:
    assert compared.b is not None
    for example in range(4):
        tokens = compared.a.tokens(example)
        text = compared.a.examples.cell("text", example)
        assert isinstance(text, str)
        rows = [r for r, o in enumerate(compared.a.pair_examples.tolist()) if o == example]
        assert list(compared.pairs_of(example)) == rows
        for number, (row, fact) in enumerate(zip(rows, compared.pair_facts(example), strict=True)):
            s = replace(compared.first_selection(), example=example, pair=number)
            spans = compared.spans(s)
            words = [text[tokens.offsets[a, 0] : tokens.offsets[b - 1, 1]] for a, b in spans]
            assert words == [fact.span1, fact.span2]
            for said, file in zip(fact.models, (compared.a, compared.b), strict=True):
                assert said.prediction == file.pairs["prediction"][row]
                assert said.correct == file.pairs["correct"][row]
        points = [p for mention in compared.mentions(example) for p in mention.points]
        assert points == list(compared.points_of(example))


# -- what is not there ------------------------------------------------------------------------


def test_a_file_with_texts_alone_says_what_is_missing(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    path = Recipe().write(tmp_path / "bare.msgpack")
    for project in (opened(path), opened(path, path)):
        s = state.valid(project.first_selection(), project.limits)
        asked: list[Callable[[Selection], object]] = [
            project.head_view,
            project.attention,
            project.distance_view,
            partial(_map, project),
        ]
        for ask in asked:
            with pytest.raises(Missing) as missing:
                ask(s)
            assert re.fullmatch(r"[A-Z].+\.", str(missing.value))
        assert project.pair(s) is None and project.spans(s) == []
        assert project.pair_facts(0) == [] and project.mentions(0) == []


def _map(project: Project, s: Selection) -> object:
    return project.coordinates("A", s.layer)


def test_attention_that_only_one_model_has(opened: Callable[..., Project], tmp_path: Path) -> None:
    full = Recipe(attention={0: uniform(5)}).write(tmp_path / "full.msgpack")
    bare = Recipe().write(tmp_path / "bare.msgpack")
    project = opened(full, bare)
    s = project.first_selection()
    assert project.attention(replace(s, view="A")).weights.shape == (5, 5)
    for view in ("B", "B−A"):
        with pytest.raises(Missing, match=r"for text-0 in B \(bare\); extract with --attention"):
            project.attention(replace(s, view=view))
    assert project.attended == frozenset()


def test_distances_that_only_one_model_has(opened: Callable[..., Project], tmp_path: Path) -> None:
    base = Recipe(points=(0, 0, 1), pairs=(0, 1), labels={"gold": ("x", "y")})
    full = replace(base, measures={"cosine": np.ones((2, 3))}, maps={1: np.eye(3)[:, :2]})
    paths = full.write(tmp_path / "full.msgpack"), base.write(tmp_path / "bare.msgpack")
    for project in (opened(*paths), opened(*reversed(paths))):
        for measure in (*project.limits.measures, ""):
            for view in state.VIEWS:
                s = replace(project.first_selection(), view=view, measure=measure)
                s = state.valid(s, project.limits)
                try:
                    project.distance_view(s)
                except Missing as missing:
                    assert str(missing).endswith(".")


def test_a_metric_that_only_one_model_has_is_not_offered(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    ones = np.ones((3, 2, 2))
    one = Recipe(metrics={"std": ones, "entropy": ones}).write(tmp_path / "1.msgpack")
    two = Recipe(metrics={"entropy": ones}).write(tmp_path / "2.msgpack")
    assert opened(one, two).limits.metrics == ("entropy",)
    assert opened(two, one).limits.metrics == ("entropy",)


def test_an_example_without_pairs_has_no_pair_metric(
    opened: Callable[..., Project], tmp_path: Path
) -> None:
    recipe = Recipe(points=(0, 0), pairs=(0,), metrics={"pair": np.ones((1, 2, 2))})
    project = opened(recipe.write(tmp_path / "f.msgpack"))
    s = replace(project.first_selection(), scope="example", example=1)
    assert np.isnan(project.head_view(s).values).all()


def test_first_selection_of_any_file_is_valid(
    opened: Callable[..., Project], tmp_path: Path, compared: Project, alone: Project
) -> None:
    bare = opened(Recipe().write(tmp_path / "bare.msgpack"))
    for project in (bare, compared, alone):
        s = project.first_selection()
        assert state.valid(s, project.limits) == s
        assert isinstance(s, Selection)


def test_the_first_selection_shows_the_head_that_changed_most(compared: Project) -> None:
    s = compared.first_selection()
    assert (s.view, s.layer, s.grouping, s.colouring) == ("B−A", 3, "prediction", "prediction")
    values = np.abs(compared.head_view(s).values)
    assert values[s.head_layer, s.head] == np.nanmax(values)
    assert s.example in compared.attended


def test_answers_are_kept_and_the_oldest_forgotten(compared: Project) -> None:
    s = compared.first_selection()
    assert compared.head_view(s) is compared.head_view(replace(s, layer=0))
    for number in range(250):
        compared.marked_examples(replace(s, marked=frozenset({number % 30, number // 30})))
    assert len(compared.kept) <= 200


def test_a_group_that_one_space_does_not_know_gives_no_warning(
    compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = replace(compared.first_selection(), view="A", grouping="gold", measure="tsne")
    real = distance_views._curves

    def fewer(p: Project, s: Selection, measure: str) -> list[Curve]:
        found = real(p, s, measure)
        return found if measure == "tsne" else found[:1]

    monkeypatch.setattr(distance_views, "_curves", fewer)
    assert distance_views._warning(compared, s, fewer(compared, s, "tsne")) == ""


def test_a_warning_without_room_begins_with_its_layers(
    compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "t-SNE shows the opposite of cosine distance in layers 2, 3"
    monkeypatch.setattr(distance_views, "_warning", lambda *_: said)
    s = replace(compared.first_selection(), view="A", measure="euclid", grouping="correct")
    c = Context(compared, s, Look())
    wide, narrow = (DistancePane().draw(c, width, 14).text() for width in (78, 40))
    assert f"! {said}" in wide
    assert "! layers 2, 3: t-SNE shows the" in narrow
