"""Files of any task: what the viewer tells of items, kinds of attention and summaries, by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import collateral
from collateral import CollateralError, Table
from tests.tui.pilot import running
from tests.tui.tasks import (
    TRANSLATIONS,
    tags_of,
    write_language_model,
    write_tagging,
    write_translation,
)
from tests.tui.test_panes import LOOKS, PLAIN, check_canvas, drawn, selection, walk
from tui import chrome, state
from tui.actions import PANES, PaneName
from tui.commands import COMMANDS, Refused
from tui.help import help_canvas
from tui.kept import Kept
from tui.look import Look
from tui.pane import Context
from tui.panes import all_panes
from tui.panes.attention import AttentionPane
from tui.panes.attention.arrow_map import Map
from tui.panes.example import ExamplePane
from tui.panes.examples import ExamplesPane
from tui.panes.heads import HeadsPane
from tui.panes.map import MapPane
from tui.parts import map_points
from tui.project import Project
from tui.state import Selection
from tui.views import opening
from tui.views.answers import Missing, Side

Opened = Callable[..., Project]
TOGETHER = ["tagging-1", "tagging-2", "translation-2", "classification-2", "model-1"]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens projects that are closed when the test ends."""
    with ExitStack() as stack:

        def make(*paths: Path) -> Project:
            project = Project.open(paths)
            stack.callback(project.close)
            return project

        yield make


def shown(pane: object, project: Project, s: Selection, size: tuple[int, int]) -> list[str]:
    """The lines that a pane draws."""
    canvas = pane.draw(Context(project, s, PLAIN, True), *size)  # type: ignore[attr-defined]
    return str(canvas.text()).splitlines()


# -- everything is drawn, and stays valid -----------------------------------------------------


@pytest.mark.parametrize("look", LOOKS, ids=lambda k: f"{k.depth}{'-ascii' * k.ascii}")
@pytest.mark.parametrize("name", PANES)
def test_every_pane_draws_files_of_any_task(
    name: PaneName, look: Look, tasks: dict[str, Project]
) -> None:
    for project in (tasks[which] for which in TOGETHER):
        for kind in project.limits.kinds:
            for view in state.ATTENTION_VIEWS if name == "attention" else ("matrix",):
                s = selection(project, kind=kind.name, attention_view=view, query=1, example=1)
                pane = all_panes()[name]
                for size in ((78, 16), (124, 9), (32, 41), (1, 1), (5, 2), (20, 3)):
                    found = drawn(pane, Context(project, s, look, True), *size)
                    assert found is not None or name == "distance"
                    if found is not None:
                        check_canvas(pane.gist(Context(project, s, look), 60), look, 60, 1)


@pytest.mark.parametrize("which", ["tagging-2", "translation-1", "translation-2", "model-1"])
@pytest.mark.parametrize("name", PANES)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_keys_and_clicks_are_survived(
    name: PaneName, which: str, data: st.DataObject, tasks: dict[str, Project]
) -> None:
    walk(name, tasks[which], data)


@pytest.mark.parametrize("which", TOGETHER)
def test_the_first_selection_is_of_something_that_is_there(
    which: str, tasks: dict[str, Project]
) -> None:
    project = tasks[which]
    s = project.first_selection()
    assert state.valid(s, project.limits) == s == project.settled(s)
    assert s.metric in project.limits.kind(s.kind).metrics and s.colouring
    assert np.isfinite(project.head_view(s).values).all()
    assert project.attention(s).weights.size
    assert (s.kind, s.measure) == ("cross" if which.startswith("trans") else "self", "tsne")
    if which.startswith(("trans", "model")):
        with pytest.raises(Missing, match="No column groups the points of this file"):
            project.distance_view(s)
        s = state.valid(state.toggle_marks(s, project.points_of(0)), project.limits)
    labels = {curve.label for curve in project.distance_view(s).curves}
    assert labels & {"marked", "B-ASP", "negative"} and "between groups" in labels


# -- items ------------------------------------------------------------------------------------


def test_items_are_those_of_the_file(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    for example in range(project.limits.examples):
        rows = [r for r, o in enumerate(project.a.item_examples.tolist()) if o == example]
        found = project.items(example)
        assert found.rows["A"].tolist() == found.rows["B"].tolist() == rows
        assert found.tokens.tolist() == project.a.item_tokens[rows].tolist()


def test_items_that_one_file_lacks_are_matched_by_their_tokens(
    opened: Opened, tmp_path: Path
) -> None:
    one = write_tagging(tmp_path / "1.msgpack", without=[(0, 2), (2, 0)])
    two = write_tagging(tmp_path / "2.msgpack", shift=1.0, without=[(0, 0), (2, 0)])
    project = opened(one, two)
    for example in range(project.limits.examples):
        found = project.items(example)
        starts = found.tokens[:, 0].tolist()
        assert starts == sorted(set(starts))
        without: dict[Side, list[tuple[int, int]]] = {"A": [(0, 2), (2, 0)], "B": [(0, 0), (2, 0)]}
        for side, gone in without.items():
            file, rows = project.file(side), found.rows[side]
            there = [r for r, o in enumerate(file.item_examples.tolist()) if o == example]
            assert [row for row in rows.tolist() if row >= 0] == there
            for start, row in zip(starts, rows.tolist(), strict=True):
                assert (row < 0) == ((example, start - 1) in gone)
                if row >= 0:
                    assert file.item_tokens[row, 0] == start
    s = selection(project, example=0, view="B")
    lines = shown(ExamplePane(), project, s, (100, 16))
    first = next(line for line in lines if line.startswith("▸The"))
    assert first.count("?") >= 2  # B has no such item: nothing is said in its name


def test_items_without_tokens_are_matched_by_their_text_and_keep_their_place(
    opened: Opened, tmp_path: Path
) -> None:
    one = write_tagging(tmp_path / "1.msgpack", nowhere=[(0, 2), (0, 4)])
    two = write_tagging(tmp_path / "2.msgpack", nowhere=[(0, 2), (0, 4)], without=[(0, 0)])
    project = opened(one, two)
    found = project.items(0)
    texts = [project.a.items.cell("text", row) for row in found.rows["A"].tolist()]
    assert texts == [
        "The",
        "sashimi",
        "platter",
        "was",
        "fresh",
        "but",
        "the",
        "service",
        "was",
        "slow",
    ]
    assert found.rows["B"].tolist() == [-1, *range(9)]
    same = opened(one, one).items(0)
    assert same.rows["A"].tolist() == same.rows["B"].tolist() == list(range(10))


def test_the_table_of_items_says_gold_once_and_what_each_model_says(
    tasks: dict[str, Project],
) -> None:
    project = tasks["tagging-2"]
    s = selection(project, example=0)
    lines = shown(ExamplePane(), project, s, (110, 14))
    head = next(line for line in lines if line.startswith(" word"))
    names = ["A", "tagging-base", "B", "tagging-tuned"]
    assert head.split() == ["word", "gold", *names, "part", "of", "speech"]
    gold, a = tags_of(0, 0.0)
    _, b = tags_of(0, 1.0)
    for number, word in enumerate(
        ["The", "sashimi", "platter", "was", "fresh", "but", "the", "service", "was", "slow"]
    ):
        row = lines[lines.index(head) + 1 + number]
        cells = row.lstrip(" ▸").split()
        marks = ["✓" if said == gold[number] else "✗" for said in (a[number], b[number])]
        differ = ["≠"] if a[number] != b[number] else []
        sure = [".90" if mark == "✓" else ".50" for mark in marks]
        expected = [word, gold[number], a[number], sure[0], marks[0], b[number], sure[1], marks[1]]
        assert cells == [*expected, *differ, "X" if gold[number] == "O" else "NOUN"]


def test_right_and_wrong_follow_from_gold_and_prediction_where_the_file_does_not_say(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-1"]
    s = selection(project, example=1)
    lines = shown(ExamplePane(), project, s, (90, 14))
    words = [line.lstrip(" ▸").split() for line in lines if "✓" in line or "✗" in line]
    assert len(words) == 10
    for row in words:
        assert row[3] == ("✓" if row[1] == row[2] else "✗")


def test_columns_of_no_known_role_give_way_and_never_for_one_model_alone(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-2"]
    s = selection(project, example=1)
    for width in range(20, 140, 5):
        heads = " ".join(shown(ExamplePane(), project, s, (width, 12)))
        for name in ("loss", "rank"):
            assert (f"A {name}" in heads) == (f"B {name}" in heads)
    assert "B rank" in heads


def test_booleans_and_unknown_values_are_words(tasks: dict[str, Project]) -> None:
    project = tasks["classification-2"]
    for example, words in ((0, ["no", "yes"]), (2, ["?", "?"])):
        lines = shown(ExamplePane(), project, selection(project, example=example), (90, 9))
        rows = [line for line in lines if re.match("[ ▸](negative|positive)", line)]
        assert [row.lstrip(" ▸").split()[1] for row in rows] == words


def test_a_long_list_of_items_reads_and_draws_what_is_visible(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(f"word{n}" for n in range(600))
    monkeypatch.setattr("tests.tui.tasks.STORIES", (text,))
    project = opened(write_language_model(tmp_path / "f.msgpack"))
    read: list[int] = []
    cell = Table.cell

    def noted(table: Table, name: str, row: int) -> object:
        read.append(row)
        return cell(table, name, row)

    monkeypatch.setattr(Table, "cell", noted)
    pane, s = ExamplePane(), selection(project)
    for step, word in ((0, "word0"), (1, "word1"), (400, "word401"), (9999, "word599")):
        s = project.settled(pane.move(Context(project, s, PLAIN), 0, step)) if step else s
        read.clear()
        lines = shown(pane, project, s, (80, 12))
        assert next(line for line in lines if line.startswith("▸")).split()[0] == f"▸{word}"
        assert len(set(read)) <= 12
        assert any(f"‹{word}›" in line for line in lines)  # the strip scrolls to the item


def test_items_without_a_text_are_called_by_their_tokens(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = collateral.Writer.add_item

    def nameless(
        writer: collateral.Writer, row: int, start: int, stop: int, *_: str, **v: Any
    ) -> int:
        return add(writer, row, start, stop, "", **v)

    monkeypatch.setattr(collateral.Writer, "add_item", nameless)
    project = opened(write_language_model(tmp_path / "f.msgpack"))
    lines = shown(ExamplePane(), project, selection(project, example=1), (80, 14))
    words = project.tokens(1).texts
    assert [line.lstrip(" ▸").split()[0] for line in lines[-len(words) :]] == list(words)


def test_a_token_inside_a_word_covers_none_of_its_neighbours(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = write_language_model.__globals__["word_tokens"]

    def one_word(text: str, *_: str) -> collateral.Tokens:
        tokens: collateral.Tokens = make(text, "", "")
        return replace(tokens, words=tokens.words // 3)

    monkeypatch.setattr("tests.tui.tasks.word_tokens", one_word)
    project = opened(write_language_model(tmp_path / "f.msgpack"))
    for query in range(len(project.tokens(0))):
        s = project.settled(selection(project, query=query))
        strip = shown(ExamplePane(), project, s, (80, 14))[0]
        assert re.sub("[‹› ]", "", strip) == "".join(project.tokens(0).texts)
        assert strip.count("‹") == strip.count("›") == 1
        token = project.tokens(0).texts[query]
        assert f"‹{token}›" in strip


# -- an item is the query, and the query an item ----------------------------------------------


def test_choosing_an_item_chooses_its_first_token(tasks: dict[str, Project]) -> None:
    project = tasks["translation-1"]
    pane, s = ExamplePane(), selection(project, example=0)
    tokens = project.items(0).tokens[:, 0].tolist()
    for number in range(1, len(tokens) + 2):
        s = pane.move(Context(project, s, PLAIN), 0, 1)
        last = min(number, len(tokens) - 1)
        assert (s.item, s.query, s.key) == (last, tokens[last], None)
        assert project.attention(s).place(s.query) == last  # the decoder's rows are its tokens


def test_the_item_follows_the_query(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-1"]
    s = selection(project, example=0)
    assert project.settled(state.choose_tokens(s, 4, None)).item == 3
    assert project.settled(state.choose_tokens(s, 0, None)).item == s.item  # [CLS] is no item
    moved = project.settled(state.choose_tokens(s, 4, 7))
    assert (moved.query, moved.key, project.item_span(moved)) == (4, 7, (4, 5))
    labels = tasks["classification-2"]
    chosen = ExamplePane().move(Context(labels, selection(labels), PLAIN), 0, 1)
    assert (chosen.item, chosen.query, labels.item_span(chosen)) == (1, None, None)


def test_a_click_on_a_row_chooses_its_item(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    pane, c = ExamplePane(), Context(project, selection(project, example=0), PLAIN)
    lines = pane.draw(c, 90, 14).text().splitlines()
    y = next(n for n, line in enumerate(lines) if line.strip().startswith("fresh"))
    assert pane.click(c, 5, y) == state.choose_item(c.selection, 4, 5)
    assert pane.click(c, 5, 13) != c.selection and pane.click(c, 89, 3) == c.selection


# -- tags in the strip ------------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [False, True])
def test_tagged_words_have_a_sign(ascii_only: bool, tasks: dict[str, Project]) -> None:
    project = tasks["tagging-1"]
    look = Look("none", ascii=ascii_only)
    signs = {"right": "✓", "missed": "−", "extra": "+", "other": "✗"}
    for example in range(project.limits.examples):
        gold, said = tags_of(example, 0.0)
        words = str(project.a.examples.cell("text", example)).split()
        s = selection(project, example=example, item=99)
        c = Context(project, s, look)
        canvas = ExamplePane().draw(c, 120, 12)
        strip = re.sub(r"[‹›<> ]", "", canvas.text().splitlines()[0])
        expected = []
        for word, one, two in zip(words, gold, said, strict=True):
            if {one, two} == {"O"}:
                expected.append(word)
                continue
            kind = "right" if one == two else "missed" if two == "O" else "other"
            kind = "extra" if one == "O" else kind
            sign = {"−": "-", "✓": "y", "✗": "n"}.get(signs[kind], signs[kind])
            expected.append(word + (f"/{sign}" if ascii_only else signs[kind]))
        assert strip == f"[CLS]{''.join(expected)}[SEP]"


def test_letters_that_ascii_lacks_are_written_out_in_strip_and_table(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-1"]
    c = Context(project, selection(project, example=0), Look("none", ascii=True))
    lines = ExamplePane().draw(c, 90, 12).text().splitlines()
    assert lines[1].split() == ["><<s>>", "Die", "Katze", r"schl\xe4ft", "."]
    assert sum(r"schl\xe4ft" in line.split() for line in lines[2:]) == 2


def test_tags_without_gold_are_marked_as_such(opened: Opened, tmp_path: Path) -> None:
    project = opened(write_tagging(tmp_path / "f.msgpack", labels=False))
    found = project.tags("A", 0)
    _, said = tags_of(0, 0.0)
    assert [tag.start - 1 for tag in found] == [n for n, tag in enumerate(said) if tag != "O"]
    assert {tag.verdict for tag in found} == {"tagged"}
    assert "sashimi*" in shown(ExamplePane(), project, selection(project), (120, 9))[0]


def test_texts_without_tags_are_not_marked(tasks: dict[str, Project]) -> None:
    assert tasks["model-1"].tags("A", 0) == tasks["classification-2"].tags("B", 0) == []


# -- colourings -------------------------------------------------------------------------------


def test_columns_of_the_examples_colour_their_points(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    assert project.limits.colourings == (
        *("gold", "prediction", "correct"),
        *("example: domain", "example: f1", "example: correct"),
    )
    assert project.colouring_title("example: f1") == "example: F1"
    sides: tuple[Side, Side] = ("A", "B")
    for side in sides:
        file = project.file(side)
        codes, labels = project.classes(side, "example: domain")
        owners = file.point_examples.tolist()
        stored = [file.examples.cell("domain", owner) for owner in owners]
        assert [None if code < 0 else labels[code] for code in codes.tolist()] == stored
        assert None in stored or side == "B"
        numbers = project.numbers(side, "example: f1").tolist()
        for number, owner in zip(numbers, owners, strict=True):
            assert number == pytest.approx(file.examples.cell("f1", owner), abs=1e-6)


def test_the_map_says_that_a_colour_is_the_examples(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-1"]
    for colouring, legend in (("example: domain", "laptop"), ("example: f1", "example: F1")):
        s = selection(project, colouring=colouring)
        pane = MapPane()
        lines = shown(pane, project, s, (78, 16))
        title = pane.title(Context(project, s, PLAIN))
        assert f"by {project.colouring_title(colouring)} (" in title
        assert legend in lines[-2]
    words = project.point_words("A", 0, "example: domain")
    assert "· example: domain food ·" in words.replace("· domain", "· example: domain")


def test_columns_are_read_once_and_not_point_by_point(
    tasks: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tasks["tagging-2"]
    s = selection(project, colouring="example: domain", view="B")
    shown(MapPane(), project, s, (60, 16))

    def never(*_: object) -> None:
        raise AssertionError("read again")

    for name in ("__getitem__", "codes"):
        monkeypatch.setattr(Table, name, never)
    shown(MapPane(), project, replace(s, layer=1), (60, 16))


def test_of_very_many_points_of_an_example_those_around_the_item_are_starred(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tui.tasks.STORIES", (" ".join(f"w{n}" for n in range(300)),))
    project = opened(write_language_model(tmp_path / "f.msgpack"))
    for item, inside in ((0, range(60)), (150, range(120, 180)), (299, range(240, 300))):
        s = selection(project, item=item)
        pane, c = MapPane(), Context(project, s, PLAIN)
        stars = map_points.stars(c, "A")
        assert stars[0].point == item and {star.point for star in stars} == set(inside)
        shown(pane, project, s, (70, 16))
        assert pane.title(c).endswith("★ 60 of 300")


# -- files whose points differ ----------------------------------------------------------------


def test_points_of_two_files_get_numbers_that_mean_the_same_tokens(
    tasks: dict[str, Project],
) -> None:
    project = tasks["tagging-2"]
    assert not project.points.shared and project.b is not None
    places = {}
    for side, file in (("A", project.a), ("B", project.b)):
        places[side] = list(
            zip(file.point_examples.tolist(), map(tuple, file.point_tokens.tolist()), strict=True)
        )
    both = sorted({*places["A"], *places["B"]})
    assert len(project.points.examples) == len(both) > len(places["B"])
    for number, (example, span) in enumerate(both):
        assert project.points.examples[number] == example
        assert tuple(project.points.tokens[number]) == span
        sides: tuple[Side, Side] = ("A", "B")
        for side in sides:
            row = project.point_row(side, number)
            there = places[side].index((example, span)) if (example, span) in places[side] else -1
            assert row == there
            assert row < 0 or project.point_number(side, row) == number
    owners = project.points.examples.tolist()
    for example in range(project.limits.examples):
        numbers = [n for n, owner in enumerate(owners) if owner == example]
        assert list(project.points_of(example)) == numbers
        texts = [word for m in project.mentions(example) for word in [m.text] * len(m.points)]
        tokens = project.tokens(example).texts
        assert texts == [tokens[project.points.tokens[n, 0]] for n in numbers]


@pytest.mark.parametrize("view", ["A", "B", "B−A"])
def test_each_map_shows_and_chooses_its_own_points(
    view: state.View, tasks: dict[str, Project]
) -> None:
    project = tasks["tagging-2"]
    s = selection(project, view=view, example=0)
    pane, c = MapPane(), Context(project, s, PLAIN, True)
    lines = pane.draw(c, 120, 24).text().splitlines()
    sizes = {"A": len(project.a.points), "B": len(project.file("B").points)}
    counted = f"A {sizes['A']}, B {sizes['B']} points"
    assert (counted if view == "B−A" else f"{sizes[view]} points") in lines[-1]
    for part in pane._drawn:
        file = project.file(part.side)
        np.testing.assert_array_equal(part.coordinates, file.coordinates(s.layer))
        for row, (x, y) in enumerate(part.view.cells(part.coordinates).tolist()):
            same = {
                int(file.point_examples[n])
                for n, cell in enumerate(part.view.cells(part.coordinates).tolist())
                if cell == [x, y]
            }
            assert pane.click(c, part.left + x, y).example in same, row
    pane.box(c)
    pane.move(c, -99, -99)
    pane.move(c, 99, 99)
    marked = pane.enter(c).marked
    rows = project.point_rows(pane._drawn[0].side, marked).tolist()
    assert len(rows) == len(marked) > 0
    assert project.marked_examples(replace(s, marked=marked)) == {
        int(project.file(pane._drawn[0].side).point_examples[row]) for row in rows
    }


def test_marks_of_points_that_a_model_does_not_have_still_stand_for_their_examples(
    tasks: dict[str, Project],
) -> None:
    project = tasks["tagging-2"]
    only_a = [n for n in range(len(project.points.examples)) if project.point_row("B", n) < 0]
    s = selection(project, view="B", marked=frozenset(only_a), scope="marked")
    shown(MapPane(), project, s, (60, 16))
    rows = sorted(project.marked_examples(s))
    values = project.head_view(s).values
    expected = project.file("B").head_metric(s.metric)[rows].mean(axis=0)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_models_of_other_kinds_of_attention_are_refused(
    task_files: dict[str, tuple[Path, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tui.tasks.ENCODER", replace(ENCODER, heads=4))
    other = write_translation(tmp_path / "other.msgpack")
    with pytest.raises(CollateralError, match=r"it has encoder \(2 layers of 4 heads\), decoder"):
        Project.open([task_files["translation"][0], other])


ENCODER = collateral.AttentionKind("encoder", 2, 3, queries="source", keys="source")


# -- kinds of attention -----------------------------------------------------------------------


def test_the_kinds_go_round_with_their_own_metrics_and_sizes(tasks: dict[str, Project]) -> None:
    project = tasks["translation-2"]
    s = replace(project.first_selection(), head_layer=2, head=1)
    assert (s.kind, s.metric) == ("cross", "cross:std")
    seen = []
    for _ in range(3):
        s = COMMANDS["kind"](project, s)
        shape = project.head_view(s).values.shape
        seen.append((s.kind, s.metric, shape, s.head_layer, s.head))
    assert seen == [
        ("encoder", "encoder:std", (2, 3), 1, 1),
        ("decoder", "decoder:std", (3, 2), 1, 1),
        ("cross", "cross:std", (3, 2), 1, 1),
    ]
    assert COMMANDS["metric"](project, s).metric == "cross:aligned"
    assert COMMANDS["metric"](project, COMMANDS["metric"](project, s)) == s
    other = COMMANDS["kind"](project, COMMANDS["metric"](project, s))
    assert (other.kind, other.metric) == ("encoder", "encoder:std")  # it has no such metric
    with pytest.raises(Refused, match="There is only one head metric of encoder attention"):
        COMMANDS["metric"](project, other)
    tagging = tasks["tagging-1"]
    with pytest.raises(Refused, match="only one kind of attention in the file: self"):
        COMMANDS["kind"](tagging, tagging.first_selection())


@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("hide", [False, True])
def test_queries_and_keys_are_the_tokens_of_their_sides(
    kind: str, hide: bool, tasks: dict[str, Project]
) -> None:
    project = tasks["translation-2"]
    assert project.b is not None
    s = selection(project, kind=kind, example=1, head_layer=1, head=1, hide_special=hide)
    grid = project.attention(s)
    source = project.a.source_tokens(1)
    assert source == 10
    tokens = project.tokens(1)
    sides = {"source": range(source), "target": range(source, len(tokens))}
    found = project.a.meta.kind(kind)
    assert found is not None
    rows = [t for t in sides[found.queries] if not (hide and tokens.special[t])]
    columns = [t for t in sides[found.keys] if not (hide and tokens.special[t])]
    assert (grid.rows.tolist(), grid.columns.tolist()) == (rows, columns)
    assert [grid.label(n) for n in range(len(rows))] == [tokens.texts[t] for t in rows]
    assert [grid.key_label(n) for n in range(len(columns))] == [tokens.texts[t] for t in columns]
    a, b = (f.attention(1, kind, layer=1, head=1).astype(float) for f in (project.a, project.b))
    for place, token in enumerate(rows):
        for at, key in enumerate(columns):
            q, k = token - sides[found.queries].start, key - sides[found.keys].start
            assert grid.weights[place, at] == pytest.approx(b[q, k] - a[q, k], abs=1e-6)
    assert grid.place(rows[-1]) == len(rows) - 1 and grid.key_place(columns[0]) == 0
    outside = set(range(len(tokens))) - set(rows)
    assert all(grid.place(token) is None for token in outside)


def test_the_matrix_of_cross_attention_is_walked_through_to_its_edges(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-1"]
    s = selection(project, example=0, attention_view="matrix")
    grid = project.attention(s)
    assert grid.weights.shape == (5, 5)
    s = selection(project, example=2, attention_view="matrix", kind="cross")
    pane = AttentionPane()
    with pytest.raises(Missing, match="No cross attention is stored for line-2 in the file"):
        pane.draw(Context(project, s, PLAIN), 60, 20)
    s = selection(project, example=1, attention_view="matrix", head_layer=2, head=1)
    weights = project.a.attention(1, "cross", layer=2, head=1)
    lines = shown(pane, project, s, (60, 20))
    assert any("<s> → A" in line and f"{weights[0, 0]:.4f}" in line for line in lines)
    s = pane.move(Context(project, s, PLAIN), 99, 99)
    assert (s.query, s.key) == (19, 9)
    lines = shown(pane, project, s, (60, 20))
    assert any(". → </s>" in line and f"{weights[9, 9]:.4f}" in line for line in lines)
    assert any(line.endswith("target 9 → source 9") for line in lines)  # 19 of all tokens
    lines = shown(AttentionPane(), project, replace(s, attention_view="heads"), (60, 20))
    assert lines[0].startswith(". target 9 → </s> source 9")
    lines = shown(AttentionPane(), project, replace(s, attention_view="table"), (60, 130))
    numbers = {tuple(map(int, re.findall(r" (\d+) \S", line)[-2:])) for line in lines[1:101]}
    assert numbers == {(query, key) for query in range(10) for key in range(10)}


def test_long_cross_attention_begins_as_a_matrix(
    tasks: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tasks["translation-1"]
    longest = max(map(len, project.kind_tokens(project.first_selection().example, "cross")))
    assert longest <= 25 and project.first_selection().attention_view == "map"
    monkeypatch.setattr(opening, "MAPPED", longest)
    assert project.first_selection().attention_view == "map"
    monkeypatch.setattr(opening, "MAPPED", longest - 1)
    assert project.first_selection().attention_view == "matrix"
    assert opening.first_selection(tasks["tagging-1"]).attention_view == "map"  # no cross-attention


def test_the_map_and_the_table_of_cross_attention_tell_the_right_tokens(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-1"]
    s = selection(project, example=1, head_layer=0, head=0, attention_view="map", query=13)
    weights = project.a.attention(1, "cross", layer=0, head=0)
    pane = AttentionPane()
    c = Context(project, s, PLAIN)
    lines = shown(pane, project, s, (70, 14))
    assert any("▸Hund" in line for line in lines)
    best = int(weights[3].argmax())
    assert PLAIN.number(float(weights[3, best])) in lines[best]
    turned = pane.move(c, 1, 0)  # the target's token is no key: the cursor stays in its row
    assert (turned.query, turned.key) == (None, 3)
    assert pane.move(c._replace(selection=turned), 0, 1).key == 4
    assert pane.move(c._replace(selection=turned), -1, 0).query == 13
    for y, word in enumerate(project.tokens(1).texts[:10]):
        x = lines[y].rindex(word)
        assert pane.click(c, x, y).key == y
    s = replace(s, attention_view="table", query=None)
    lines = shown(AttentionPane(), project, s, (70, 14))
    flat = np.sort(weights.ravel())[::-1]
    order = [divmod(int(n), 10) for n in np.argsort(-weights.ravel(), kind="stable")]
    texts = project.tokens(1).texts
    for line, value, (query, key) in zip(lines[1:6], flat, order, strict=False):
        words = [str(query), texts[10 + query], "→", str(key), texts[key], f"{value:.3f}"]
        assert line.replace("▸", " ").split()[1:7] == words


def test_a_map_with_more_tokens_than_rows_keeps_every_edge_in_sight(
    tasks: dict[str, Project],
) -> None:
    project = tasks["translation-1"]
    for query, key in ((14, None), (None, 4)):
        s = selection(project, example=1, attention_view="map", query=query, key=key)
        pane = AttentionPane()
        shown(pane, project, s, (70, 8))
        near = cast(Map, pane.ways["map"])._near
        assert near is not None and not near.whole
        assert len(near.queries if key is not None else near.keys) <= 6
        assert [near.queries, near.keys][key is not None] == [4]
        text = "\n".join(shown(pane, project, s, (70, 8)))
        assert re.search(r" of (10 tokens|\d edges fit): \d+ % ", text) and "↓" not in text


def test_titles_and_status_say_the_kind_where_there_are_several(
    tasks: dict[str, Project],
) -> None:
    for which, words in (("translation-2", "cross 1.0"), ("tagging-2", "head 1.0")):
        project = tasks[which]
        c = Context(project, selection(project, head_layer=1, head=0), PLAIN)
        assert words in AttentionPane().title(c)
        assert words in chrome.status(c, 160).canvas.text()
        assert words in HeadsPane().draw(c, 60, 12).text()
        assert words in AttentionPane().gist(c, 60).text()


def test_the_target_begins_in_a_row_of_its_own(tasks: dict[str, Project]) -> None:
    project = tasks["translation-1"]
    s = selection(project, example=0, item=2)
    lines = shown(ExamplePane(), project, s, (60, 12))
    assert lines[0].strip() == "The cat sleeps . </s>"
    assert lines[1].strip() == "→ <s> Die ‹Katze› schläft ."
    pane = ExamplePane()
    c = Context(project, s, PLAIN)
    pane.draw(c, 60, 12)
    assert pane.click(c, lines[1].index("Die"), 1).query == 6
    assert "5 source, 5 target" in pane.title(c)


# -- summaries and baselines ------------------------------------------------------------------


def test_a_summary_is_the_files_and_no_average(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    assert project.b is not None
    assert project.limits.kind("self").metrics[-1] == "relation_nsubj"
    a, b = (file.head_summary("relation_nsubj") for file in (project.a, project.b))
    for view, expected in (("A", a), ("B", b), ("B−A", b - a)):
        for scope in ("all", "example"):
            s = selection(project, view=view, scope=scope, metric="relation_nsubj")
            found = project.head_view(s)
            np.testing.assert_array_equal(found.values, expected)
            assert "of the whole data set, 5 examples" in found.over and found.whole
            assert found.baseline == (None if view == "B−A" else 0.61)
            pane, c = HeadsPane(), Context(project, s, PLAIN)
            assert "whole data set" in pane.title(c)
            assert ("baseline 0.61" in pane.draw(c, 76, 14).text()) == (view != "B−A")
            assert COMMANDS["average"](project, s).scope != scope  # the distances follow


def test_any_metric_shows_its_baseline(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-1"]
    for metric, words in (("entropy_normalised", "baseline 1"), ("std", "")):
        c = Context(project, selection(project, metric=metric), PLAIN)
        drawing = HeadsPane().draw(c, 76, 14).text()
        assert ("baseline" in drawing) == bool(words) and words in drawing


def test_a_summary_that_is_called_like_a_metric_is_told_from_it(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = collateral.Metric("std", "of all", low=0.0, high=1.0, baseline=0.25)
    monkeypatch.setattr("tests.tui.tasks.RELATION", described)
    project = opened(write_tagging(tmp_path / "f.msgpack"))
    assert project.limits.metrics == ("std", "entropy_normalised", "summary:std")
    found = project.head_view(selection(project, metric="summary:std"))
    np.testing.assert_array_equal(found.values, project.a.head_summary("std"))
    assert found.baseline == 0.25
    mean = project.head_view(selection(project, metric="std"))
    np.testing.assert_allclose(mean.values, project.a.head_metric("std").mean(axis=0), rtol=1e-6)


# -- sparse attention -------------------------------------------------------------------------


def test_sparse_attention_reads_like_dense_and_says_what_is_left_over(
    tasks: dict[str, Project],
) -> None:
    project = tasks["model-1"]
    s = selection(project, example=0, query=7, head_layer=1, head=0)
    grid = project.attention(s)
    np.testing.assert_array_equal(grid.weights, project.a.attention(0, layer=1, head=0))
    assert grid.kept == 3 and grid.note == ""
    left = 1 - grid.weights.sum(axis=1)
    np.testing.assert_allclose(grid.rests[""], left, atol=2e-3)
    kept = int(np.flatnonzero(grid.weights[7])[0])
    ways: list[tuple[state.AttentionView, int | None]]
    ways = [("matrix", None), ("map", None), ("table", kept)]
    for view, key in ways:
        chosen = replace(s, attention_view=view, key=key)
        title = AttentionPane().title(Context(project, chosen, PLAIN))
        assert title.endswith(
            f"top 3 of each row, {PLAIN.number(float(grid.rests[''][7]))} left out"
        )
    title = AttentionPane().title(Context(project, replace(s, query=state.ALL_TOKENS), PLAIN))
    assert title.endswith("top 3 of each row")


def test_a_weight_that_was_not_kept_is_not_shown_as_zero(tasks: dict[str, Project]) -> None:
    project = tasks["model-1"]
    s = selection(project, example=0, attention_view="matrix", query=8, head_layer=0, head=0)
    weights = project.attention(s).weights
    gone = int(np.flatnonzero(weights[8] == 0)[0])
    kept = int(np.flatnonzero(weights[8])[0])
    for key, words in ((gone, "not kept"), (kept, f"{weights[8, kept]:.4f}")):
        lines = shown(AttentionPane(), project, replace(s, key=key), (60, 20))
        line = next(line for line in lines if "small → " in line)
        assert line.endswith(f"{words}  tokens 8 → {key}")
    lines = shown(AttentionPane(), project, replace(s, attention_view="table"), (60, 60))
    assert f"{np.count_nonzero(weights)} edges kept" in lines[-1]
    pane = AttentionPane()
    c = Context(project, replace(s, attention_view="table", key=gone), PLAIN)
    pane.draw(c, 60, 20)
    for rank in (0, 1):  # the chosen edge is not in the table: the cursor is on its first row
        found = pane.move(c, 0, rank)
        assert weights[found.query, found.key] == np.sort(weights.ravel())[-1 - rank]


def test_hidden_specials_keep_the_rests_beside_their_rows(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = write_language_model.__globals__["word_tokens"]
    monkeypatch.setattr(
        "tests.tui.tasks.word_tokens", lambda text, *_: replace_first_special(make(text, "", ""))
    )
    project = opened(write_language_model(tmp_path / "f.msgpack"))
    s = selection(project, example=0)
    whole, hidden = project.attention(s), project.attention(replace(s, hide_special=True))
    assert hidden.rows.tolist() == whole.rows.tolist()[1:]
    np.testing.assert_array_equal(hidden.rests[""], whole.rests[""][1:])


def replace_first_special(tokens: collateral.Tokens) -> collateral.Tokens:
    """The tokens with the first one marked as special."""
    special = tokens.special.copy()
    special[0] = True
    return replace(tokens, special=special)


# -- weights times the length of the values ---------------------------------------------------


def test_weights_are_multiplied_by_the_norm_of_each_key(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    assert project.b is not None
    s = selection(project, view="A", example=1, head_layer=2, head=3)
    s = COMMANDS["weighted"](project, s)
    parts = {}
    for side, file in (("A", project.a), ("B", project.b)):
        weights = file.attention(1)[2, 3].astype(float)
        norms = file.value_norms(1)[2, 3]
        parts[side] = np.array([[w * n for w, n in zip(r, norms, strict=True)] for r in weights])
    parts["B−A"] = parts["B"] - parts["A"]
    for view in state.VIEWS:
        grid = project.attention(replace(s, view=view))
        np.testing.assert_allclose(grid.weights, parts[view], rtol=1e-5, atol=1e-6)
        for look in (PLAIN, Look("none", ascii=True)):
            c = Context(project, replace(s, view=view), look)
            pane = all_panes()["attention"]
            pane.draw(c, 60, 20)
            assert "× ‖f(x)‖" in pane.title(c)
            assert "weights × ‖f(x)‖" in chrome.status(c, 200).canvas.text() or look.ascii
    assert not COMMANDS["weighted"](project, s).weighted


def test_weighting_is_refused_in_words_where_there_are_no_norms(
    tasks: dict[str, Project],
) -> None:
    project = tasks["tagging-2"]
    s = selection(project, view="B", example=2)
    with pytest.raises(Refused, match=r"^No value norms are stored for review-2 in B \(tagging-tu"):
        COMMANDS["weighted"](project, s)
    moved = replace(s, weighted=True)  # it was turned on at another example
    with pytest.raises(Missing, match=r"w shows the weights alone\.$"):
        project.attention(moved)
    assert COMMANDS["weighted"](project, moved) == s
    translated = tasks["translation-1"]
    with pytest.raises(Refused, match=r"No norms of value vectors \(cross\) are stored for line-0"):
        COMMANDS["weighted"](translated, translated.first_selection())


# -- the list ---------------------------------------------------------------------------------


def test_the_list_shows_the_score_of_each_model(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    assert project.b is not None
    pane, s = ExamplesPane(), selection(project)
    for width, marks in ((40, False), (90, True)):
        lines = shown(pane, project, s, (width, 8))
        whose = "A, B:" if marks else "A/B"
        assert pane.title(Context(project, s, PLAIN)) == f"1 of 5 · {whose} F1"
        for row, line in enumerate(lines[1:6]):
            cells = []
            for file in (project.a, project.b):
                score, right = (file.examples.cell(name, row) for name in ("f1", "correct"))
                assert isinstance(score, float)
                cells.append("1" if score == 1 else PLAIN.number(score))
                cells += ["✓" if right else "✗"] if marks else []
            assert line.split()[-len(cells) :] == cells


def test_the_list_of_one_model_is_headed_by_the_score(tasks: dict[str, Project]) -> None:
    project = tasks["model-1"]
    pane, s = ExamplesPane(), selection(project)
    lines = shown(pane, project, s, (40, 6))
    assert lines[0].split()[-1] == "loss" and [line.split()[-1] for line in lines[1:3]] == [
        *("3.2", "2.2"),
    ]


def test_the_list_tells_source_and_target_apart(tasks: dict[str, Project]) -> None:
    project = tasks["translation-1"]
    lines = shown(ExamplesPane(), project, selection(project), (120, 8))
    for (source, target), line in zip(TRANSLATIONS, lines[1:], strict=False):
        assert f"{source} → {target}" in line


# -- the running app --------------------------------------------------------------------------


def test_help_says_what_is_special_about_these_files(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    pane = all_panes()["map"]
    c = Context(project, selection(project, metric="relation_nsubj"), PLAIN)
    words = " ".join(help_canvas(pane, c, 70).text().split())
    assert "The two files have points of their own (A 17, B 10)" in words
    assert "unit one number per head for the whole data set range 0 to 1" in words
    assert "baseline 0.61: what an uninformative head would score" in words
    assert (
        "points of their own (A"
        not in help_canvas(
            pane, Context(tasks["tagging-1"], tasks["tagging-1"].first_selection(), PLAIN), 70
        ).text()
    )


async def test_keys_of_kinds_and_items_in_the_app(task_files: dict[str, tuple[Path, ...]]) -> None:
    async with running(task_files["translation"]) as session:
        assert "cross 1.0" in session.lines()[0]
        await session.press("K")
        assert "encoder" in session.lines()[0] and "std · encoder" in session.title("heads")
        assert (session.selection.kind, session.selection.metric) == ("encoder", "encoder:std")
        await session.press("K", "K", "t")
        assert session.selection.metric == "cross:aligned"
        await session.press("2", "down", "down")
        s = session.selection
        assert (s.item, s.query) == (2, 7) and "‹Katze›" in session.text()
        assert "▸Katze" in session.text()  # on the map and in the attention pane, too
        await session.press("5", "down")
        assert (session.selection.item, session.selection.query) == (3, 8)
        await session.press("u")
        assert session.selection.item == 0  # moves of the cursor are one step


async def test_the_footer_has_the_keys_that_the_files_have_a_use_for(
    task_files: dict[str, tuple[Path, ...]], files: tuple[Path, Path]
) -> None:
    uses = {"translation": (True, False), "tagging": (False, True), "model": (False, False)}
    for which, (kinds, norms) in uses.items():
        async with running(task_files[which]) as session:
            for pane, expected in (("heads", False), ("attention", norms)):
                await session.go(pane)  # type: ignore[arg-type]
                assert ("K kind" in session.foot()) == kinds
                assert ("w values" in session.foot()) == expected
    async with running(files) as session:
        await session.go("attention")
        assert "K kind" not in session.foot() and "w values" not in session.foot()


async def test_w_and_the_scope_of_summaries_in_the_app(
    task_files: dict[str, tuple[Path, ...]],
) -> None:
    async with running(task_files["tagging"][:1]) as session:
        await session.press("w")
        assert "map × ‖f(x)‖" in session.title("attention")
        await session.press("n", "n")
        assert "No value norms are stored for review-2" in " ".join(session.text().split())
        await session.press("w")
        assert "×" not in session.title("attention")
        await session.select(metric="relation_nsubj")
        title = session.title("heads")
        await session.press("a")
        assert session.selection.scope == "example" and session.title("heads") == title


async def test_the_palette_goes_to_heads_metrics_and_colours_of_any_kind(
    task_files: dict[str, tuple[Path, ...]],
) -> None:
    from tui.widgets.palette import Everything

    async with running(task_files["translation"]) as session:
        provider = Everything(session.screen)
        entries = {
            entry.text: entry.selection
            for entry in provider._selectable(session.project, session.selection)
        }
        chosen = entries["encoder head 1.2"]
        assert chosen is not None
        assert (chosen.kind, chosen.head_layer, chosen.head) == ("encoder", 1, 2)
        chosen = entries["metric std · decoder"]
        assert chosen is not None and (chosen.kind, chosen.metric) == ("decoder", "decoder:std")
        chosen = entries["colour by example: loss"]
        assert chosen is not None and chosen.colouring == "example: loss"
        assert "kind cross" in entries
        for found in entries.values():
            assert found is not None
            session.screen.choose(found)
            assert state.valid(found, session.project.limits) == found


def test_what_is_kept_stays_within_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.kept.MOST_BYTES", 1000)
    kept, made = Kept(), []

    def make(number: int, size: int) -> Callable[[], object]:
        def array() -> object:
            made.append(number)
            return np.zeros(size, dtype=np.uint8)

        return array

    for number in (0, 1, 0, 2):  # 1 was used longest ago when there is no room left for it
        kept.once(number, make(number, 400))
        assert kept.nbytes <= 1000
    assert [kept.has(number) for number in range(3)] == [True, False, True]
    kept.once(3, make(3, 5000))
    assert (made, len(kept), kept.nbytes) == ([0, 1, 2, 3], 1, 5000)  # the last one always stays
    kept.once(4, make(4, 10))
    assert kept.has(4) and kept.nbytes == 10


def test_a_file_without_items_has_none(compared: Project) -> None:
    assert compared.items(0).tokens.shape == (0, 2)
    assert compared.item(compared.first_selection()) is None
    assert compared.tags("A", 0) == []
    assert compared.source(0) is None
