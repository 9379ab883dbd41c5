"""The command of a view leads back to the view, whatever is selected."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tui.handmade import Recipe
from tui import state
from tui.asked import wanted
from tui.asked.naming import Unknown, harmless
from tui.asked.options import OPTIONS
from tui.asked.wanted import apply, command
from tui.cli import parser
from tui.project import Project
from tui.state import Selection
from tui.views import listing
from tui.window import WHOLE, Window

NOT_TYPED: frozenset[str] = frozenset()
"""Fields of the selection that no command says."""


def test_every_field_of_the_selection_has_its_option() -> None:
    """A new field needs a row in the table, or Y would copy a command that leads elsewhere."""
    fields = {f.name for f in dataclasses.fields(Selection)}
    assert fields - NOT_TYPED == {name for option in OPTIONS for name in option.fields}


windows = st.just(WHOLE) | st.builds(Window, st.floats(1, 1024), st.floats(0, 1), st.floats(0, 1))


def read_back(project: Project, words: list[str]) -> Selection:
    """What the program shows first that is started with these words in a shell."""
    parsed = parser().parse_args(shlex.split(shlex.join(words))[1:])
    return apply(project, project.first_selection(), wanted.read(parsed).texts)


def selections(data: st.DataObject, p: Project) -> Selection:
    """Any selection that the viewer could be in."""
    draw, limits = data.draw, p.limits
    kind = draw(st.sampled_from([kind.name for kind in p.kinds]))
    size = limits.kind(kind)
    example = draw(st.integers(0, limits.examples - 1))
    tokens = st.none() | st.integers(-1, len(p.tokens(example)) - 1)
    marked = draw(st.frozensets(st.integers(0, max(0, len(p.points.examples) - 1)), max_size=6))

    def one_of(names: tuple[str, ...]) -> str:
        return draw(st.sampled_from(names)) if names else ""

    chosen = Selection(
        view=draw(st.sampled_from(limits.views)),
        example=example,
        pair=draw(st.integers(0, 3)),
        item=draw(st.integers(0, max(0, len(p.items(example)) - 1))),
        marked=marked if len(p.points.examples) else frozenset(),
        scope=draw(st.sampled_from(["all", "filtered", "marked", "example"])),
        layer=draw(st.integers(0, limits.layers)),
        kind=kind,
        head_layer=draw(st.integers(0, size.layers - 1)),
        head=draw(st.integers(0, size.heads - 1)),
        metric=one_of(size.metrics),
        colouring=one_of(limits.colourings),
        measure=one_of(limits.measures),
        grouping=one_of(limits.groupings),
        gap=draw(st.booleans()),
        edges=draw(st.sampled_from(["", "she", "a > $b", "> x"])),
        pinned=draw(st.none() | st.integers(0, limits.examples - 1)),
        attention_view=draw(st.sampled_from(state.ATTENTION_VIEWS)),
        query=draw(tokens),
        key=draw(tokens),
        hide_special=draw(st.booleans()),
        weighted=draw(st.booleans()),
        filter=draw(st.sampled_from(["", 'id != unknown and not text = "\'x $y"', "text ~ /e|a/"])),
        search=draw(st.sampled_from(["", "e", "/e|$(a)/"])),
        sort=draw(st.sampled_from(["", "id", "-text", *listing.sortable(p)])),
        window_a=draw(windows),
        window_b=draw(windows),
        path=draw(st.booleans()),
        density=draw(st.sampled_from(state.DENSITIES)),
    )
    return p.settled(state.valid(chosen, limits))


PROJECTS = ("coref-2", "tagging-2", "tagging-1", "translation-2", "classification-1", "model-1")


@pytest.mark.parametrize("name", PROJECTS)
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_command_of_any_selection_leads_back_to_it(
    name: str, compared: Project, tasks: Mapping[str, Project], data: st.DataObject
) -> None:
    project = compared if name == "coref-2" else tasks[name]
    s = selections(data, project)
    words = command(project, s, data.draw(st.sampled_from(["map", "heads"])), ["x.msgpack"])
    assert read_back(project, words) == s
    assert harmless(" ".join(words))


@pytest.fixture
def awkward(tmp_path: Path) -> Project:
    """Ids that look like numbers, options or shell code, or hold what no command may hold."""
    ids = (
        "2",
        "--layer",
        "$(touch x); 'a b'",
        "tab\there",
        "#0",
        "",
        "bidi\u202e",
    )
    return Project.open(
        [Recipe(texts=["one two"] * len(ids), ids=ids).write(tmp_path / "a.msgpack")]
    )


def test_ids_that_are_hard_to_write(awkward: Project) -> None:
    written = {}
    for row in range(awkward.limits.examples):
        s = replace(awkward.first_selection(), example=row)
        words = command(awkward, s, None, ["x.msgpack"])
        assert read_back(awkward, words).example == row
        written[row] = words[2:]
    assert written[0] == []  # what is shown first needs no option
    assert written[1] == ["--example=--layer"]
    assert written[2] == ["--example", "$(touch x); 'a b'"]
    assert written[3] == ["--example", "#3"] and written[4] == ["--example", "#4"]
    assert written[5] == ["--example", "#5"] and written[6] == ["--example", "#6"]


def test_only_what_differs_is_said(compared: Project) -> None:
    first = compared.first_selection()
    assert command(compared, first, "heads", ["a", "b"]) == [
        "interpret-tui",
        "a",
        "b",
        "--pane",
        "heads",
    ]
    other = replace(first, layer=0, head_layer=0, head=0, weighted=True)
    assert command(compared, other, None, ["a", "b"])[3:] == ["--layer", "0", "--weighted"]


def _shown(project: Project, **texts: str) -> Selection:
    return apply(
        project, project.first_selection(), {k.replace("_", "-"): v for k, v in texts.items()}
    )


def test_values_as_people_write_them(compared: Project) -> None:
    s = _shown(compared, layer="1", head="2")
    assert (s.layer, s.head_name) == (1, "1.2")
    assert _shown(compared, head="0.3").head_name == "0.3"
    assert _shown(compared, view="b").view == "B" and _shown(compared, view="base").view == "A"
    assert _shown(compared, view="b-a").view == "B−A"
    assert _shown(compared, measure="t-SNE").measure == "tsne"
    row = compared.example_texts[0].index("wsc-003")
    assert _shown(compared, example="wsc-003") == _shown(compared, example=str(row))
    marked = _shown(compared, marked="0, 3-5")
    assert (marked.marked, marked.scope) == (frozenset({0, 3, 4, 5}), "marked")
    assert _shown(compared, marked="1", scope="all").scope == "all"
    title = compared.metric_title("std")
    assert _shown(compared, metric=title.upper()).metric == "std"
    tokens = compared.tokens(0).texts
    assert _shown(compared, example="#0", query=tokens[2]).query == 2


@pytest.mark.parametrize(
    ("option", "words", "says"),
    [
        ("metric", "entorpy", "did you mean entropy?"),
        ("metric", "zzz", "there is: "),
        ("layer", "9", "There is no layer '9'; there is from 0 to 3."),
        ("layer", "-1", "There is no layer '-1'"),
        ("head", "1.7", "There is no head '7'; there is from 0 to 3."),
        ("head", "7.1", "There is no attention layer '7'; there is from 0 to 2."),
        ("view", "C", "There is no view 'C'"),
        ("example", "wsc-0003", "did you mean wsc-0"),
        ("example", "99", "There is no example '99'; there is from 0 to 11."),
        ("kind", "cross", "There is no kind of attention 'cross'; there is: self."),
        ("scope", "marked", "--scope marked needs marked points"),
        ("marked", "3-99999", "There is no point '99999'"),
        ("query", "supercalifragilistic", "There is no token"),
        ("weighted", "maybe", "--weighted is yes or no"),
        ("pair", "55", "There is no pair '55'"),
    ],
)
def test_what_the_files_lack_is_answered_with_what_there_is(
    compared: Project, option: str, words: str, says: str
) -> None:
    with pytest.raises(Unknown) as refused:
        apply(compared, compared.first_selection(), {option: words})
    assert says in str(refused.value)
    with pytest.raises(Unknown):
        wanted.check(compared, wanted.Wanted({option: words}))


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ("gap-dev-347", 0),
        ("347", 0),
        ("dev-348", 1),
        ("2", 2),
        ("1", 1),
        ("#2", 2),
        ("test-001", 3),
    ],
)
def test_an_example_may_be_called_by_the_end_of_its_id(
    words: str, row: int, tmp_path: Path
) -> None:
    """The list leaves out what all ids begin with; what ids end with is enough if only one does."""
    ids = ["gap-dev-347", "gap-dev-348", "gap-test-7", "gap-test-001", "gap-dev-7"]
    recipe = Recipe(texts=["one two"] * 5, ids=ids)
    with closing(Project.open([recipe.write(tmp_path / "a.msgpack")])) as project:
        assert _shown(project, example=words).example == row
        assert _shown(project, pinned=words).pinned == row
        with pytest.raises(Unknown, match="2 ids end so: gap-test-7, gap-dev-7"):
            _shown(project, example="7")
        for wrong in ("47", "348x", ""):
            with pytest.raises(Unknown, match="There is no example"):
                _shown(project, example=wrong)


def test_the_short_id_of_the_list_comes_before_the_number_of_a_row(tmp_path: Path) -> None:
    recipe = Recipe(ids=["gap-2", "gap-0", "gap-1"])
    with closing(Project.open([recipe.write(tmp_path / "a.msgpack")])) as project:
        assert [_shown(project, example=words).example for words in "012"] == [1, 2, 0]
        assert [_shown(project, example=f"#{words}").example for words in "012"] == [0, 1, 2]


def test_one_file_has_no_other_view(alone: Project) -> None:
    with pytest.raises(Unknown, match="needs two files"):
        _shown(alone, view="B-A")


def test_a_metric_of_another_kind_says_which(tasks: Mapping[str, Project]) -> None:
    project = tasks["translation-1"]
    other = next(n for n, m in project.metrics.items() if m.attention == "encoder")
    with pytest.raises(Unknown, match="add --kind encoder"):
        _shown(project, metric=other)
    assert _shown(project, kind="encoder", metric=other).metric == other


def test_a_filter_shows_its_first_example_and_a_mistake_is_told(compared: Project) -> None:
    first = compared.first_selection()
    s = apply(compared, first, {"filter": "A.correct = false", "sort": "-id", "scope": "filtered"})
    wrong = [r for r, right in enumerate(compared.a.examples["correct"]) if right is False]
    assert listing.order(compared, s).tolist() == wrong[::-1] and s.example in wrong
    assert s.scope == "filtered"
    for texts, sentence in (
        ({"filter": "A.corect"}, r"--filter A\.corect: There is no column A\.corect; did you mean"),
        ({"search": "nowhere at all"}, "No id or text has nowhere at all"),
        ({"sort": "zzz"}, "There is no column zzz"),
        ({"scope": "filtered"}, "needs a filter"),
    ):
        with pytest.raises(Unknown, match=sentence):
            apply(compared, first, texts)
