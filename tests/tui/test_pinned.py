"""A pinned example beside the chosen one, and what else is known of an example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.tui import goldens
from tests.tui.pilot import running
from tui import state, text
from tui.commands import COMMANDS
from tui.look import Look
from tui.pane import Context
from tui.panes.example import ExamplePane
from tui.panes.examples import ExamplesPane, _room_for_ids, _short_ids
from tui.panes.map import MapPane
from tui.parts.pair_table import pair_table
from tui.project import Project
from tui.state import Selection
from tui.views.example import _probability_of

PLAIN = Look("truecolor")


def selection(project: Project, **changes: Any) -> Selection:
    """The first selection, with changes, made valid."""
    return state.valid(replace(project.first_selection(), **changes), project.limits)


def shown(project: Project, s: Selection, size: tuple[int, int], look: Look = PLAIN) -> list[str]:
    """The lines of the example pane."""
    return ExamplePane().draw(Context(project, s, look), *size).text().split("\n")


def test_p_pins_the_example_and_unpins_it(compared: Project) -> None:
    s = COMMANDS["pin"](compared, selection(compared, example=3))
    assert s.pinned == 3
    other = COMMANDS["pin"](compared, state.choose_example(s, compared.limits, 5))
    assert other.pinned == 5
    assert COMMANDS["pin"](compared, other).pinned is None


@pytest.mark.parametrize("look", [PLAIN, Look("none", ascii=True)], ids=["braille", "ascii"])
@pytest.mark.parametrize("size", [(124, 9), (78, 18), (78, 7)], ids=["beside", "below", "line"])
def test_the_pinned_example_stays_beside_the_chosen_one(
    size: tuple[int, int], look: Look, compared: Project
) -> None:
    s = selection(compared, example=1, pinned=3)
    lines = shown(compared, s, size, look)
    assert sum("pinned wsc-003" in line for line in lines) == 1 or size == (78, 7)
    assert any("pinned" in line and "wsc-003" in line for line in lines)
    assert "Tchaikovsky" in "".join(lines)  # the chosen one's pairs
    goldens.check(f"example-pinned-{size[0]}x{size[1]}{'-ascii' * look.ascii}", "\n".join(lines))


def test_a_pinned_example_looks_the_same_whatever_is_chosen(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-2"]
    halves = [
        [line[62:] for line in shown(project, selection(project, example=n, pinned=4), (124, 9))]
        for n in (0, 1, 2)
    ]
    assert halves[0] == halves[1] == halves[2]
    assert "Battery" in "".join(halves[0])


def test_the_chosen_example_alone_is_shown_when_it_is_the_pinned_one(compared: Project) -> None:
    s = selection(compared, example=3)
    pinned = replace(s, pinned=3)
    assert shown(compared, s, (124, 9)) == shown(compared, pinned, (124, 9))
    assert ExamplePane().title(Context(compared, pinned, PLAIN)).startswith("pinned wsc-003")


async def test_a_click_on_the_pinned_example_chooses_it(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.go("example")
        await session.select(example=2, pinned=6)
        x, y = session.find("pinned wsc-006")
        await session.pilot.click(offset=(x + 4, y + 1))
        await session.settle()
        assert session.selection.example == 6


def test_fields_say_what_both_models_say_and_who_says_what(compared: Project) -> None:
    lines = " ".join(" ".join(shown(compared, selection(compared, example=0), (150, 30))).split())
    first, second = (f.examples.cell("score", 0) for f in (compared.a, compared.b) if f)
    a, b = (("1" if v == 1 else "0" if v == 0 else PLAIN.number(v)) for v in (first, second))  # type: ignore[arg-type]
    assert (f"score {a}" if a == b else f"score A {a} B {b}") in lines
    for column in ("source", "url"):
        assert f"{column} {compared.a.examples.cell(column, 0)}" in lines


def test_the_label_of_a_text_is_shown_without_a_head(tasks: dict[str, Project]) -> None:
    project = tasks["classification-1"]
    for example in range(2):
        label = project.a.examples.cell("gold", example)
        lines = shown(project, selection(project, example=example), (78, 7))
        assert any(f"gold {label}" in line for line in lines)


def test_fields_give_way_where_there_is_no_room(compared: Project) -> None:
    s = selection(compared, example=1)
    assert not any("source" in line for line in shown(compared, s, (78, 4)))
    lines = shown(compared, s, (40, 7))
    assert any(line.endswith("…") and "·" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "cells", "expected"),
    [
        ("validation-0017", 20, "validation-0017"),
        ("validation-0017", 9, "vali…0017"),
        ("validation-0017", 8, "val…0017"),
        ("日本語日本語日本語", 9, "日本…本語"),
        ("validation", 3, "va…"),
        ("validation", 0, ""),
    ],
)
def test_names_are_cut_in_their_middle(words: str, cells: int, expected: str) -> None:
    assert text.middle(words, cells) == expected
    assert text.width(text.middle(words, cells)) <= cells


def test_a_long_id_leaves_room_in_the_status_line(tmp_path: Path) -> None:
    from tests.tui.handmade import Recipe
    from tui import chrome

    ids = [f"{'very-' * 12}long-{n}" for n in range(3)]
    with_long = Project.open([Recipe(ids=ids).write(tmp_path / "f.msgpack")])
    line = chrome.status(Context(with_long, with_long.first_selection(), PLAIN), 80)
    assert "very" in line.canvas.text() and "long-0" in line.canvas.text()
    assert "all 3 examples" in line.canvas.text()
    with_long.close()


@pytest.mark.parametrize("look", [PLAIN, Look("none", ascii=True)], ids=["braille", "ascii"])
def test_the_pinned_example_has_its_own_sign_on_the_map(look: Look, compared: Project) -> None:
    """One sign per point of it, where the file has them; none if it is the one looked at."""
    s = selection(compared, view="A", example=1, pinned=3)
    drawn = MapPane().draw(Context(compared, s, look), 150, 60).text()
    sign = look.marks.pinned
    xy = compared.coordinates("A", s.layer)[list(compared.points_of(3))]
    assert 0 < drawn.count(sign) <= len(np.unique(xy, axis=0)) + drawn.count("Pron") * look.ascii
    assert all(mention.text in drawn for mention in compared.mentions(3)[:1])
    alone = MapPane().draw(Context(compared, replace(s, pinned=1), look), 150, 60).text()
    assert alone.count(look.marks.star) > 0 and "☆" not in alone


def test_marks_leave_the_star_of_stored_attention_in_sight(compared: Project) -> None:
    some = compared.attended
    assert 0 < len(some) < compared.limits.examples
    s = state.toggle_marks(selection(compared), compared.points_of(min(some)))
    lines = ExamplesPane().draw(Context(compared, s, PLAIN), 60, 20).text().split("\n")
    row = next(line for line in lines if line.lstrip("▸ ").startswith("+"))
    assert row.lstrip("▸ ").startswith("+★")
    assert sum("★" in line for line in lines) == len(some)


def test_ids_that_tell_nothing_leave_the_room_to_the_text() -> None:
    """Ids that differ are shown as far as a third of the list goes; else they are kept short."""
    alike = [f"weblog-{'x' * 20}{place}{'x' * 20}-0001" for place in range(4)]
    apart = [f"{place}{'x' * 40}" for place in range(4)]
    assert _room_for_ids(alike, 60, "…") == 8
    assert _room_for_ids(apart, 60, "…") == 20
    assert _room_for_ids(["blogs-one-0001", "blogs-two-0001"], 24, "…") == 8
    assert _room_for_ids(["a", "bb", "ccc"], 60, "…") == 3


def test_a_map_without_colours_is_by_nothing(compared: Project) -> None:
    s = replace(selection(compared), colouring="")
    pane = MapPane()
    pane.draw(Context(compared, s, PLAIN), 60, 20)
    assert " by " not in pane.title(Context(compared, s, PLAIN))


def test_marks_are_gone_through_once_not_for_every_row(compared: Project) -> None:
    """A rectangle may mark half a million points: drawing the list must not read them again."""

    class Counted(frozenset[int]):
        times = 0

        def __iter__(self) -> Iterator[int]:
            Counted.times += 1
            return super().__iter__()

    points = [*compared.points_of(2), *compared.points_of(5)]
    s = replace(selection(compared), marked=Counted(points))
    drawn = ExamplesPane().draw(Context(compared, s, PLAIN), 60, 20).text()
    assert Counted.times <= 1
    assert compared.marked_examples(s) == {2, 5}
    assert sum(line.lstrip("▸│ ").startswith("+") for line in drawn.split("\n")) == 2


@pytest.mark.parametrize(
    ("names", "cells", "expected"),
    [
        (["blogs-one-0001", "blogs-two-0001"], 9, ["…one-0001", "…two-0001"]),
        (["news-0001-train-set", "news-0002-train-set"], 10, ["news-0001…", "news-0002…"]),
        (["validation-17", "validation-18"], 8, ["val…n-17", "val…n-18"]),
        (["a", "bb"], 4, ["a", "bb"]),
    ],
)
def test_ids_are_cut_where_they_are_alike(
    names: list[str], cells: int, expected: list[str]
) -> None:
    assert _short_ids(names, cells, "…") == expected


@pytest.mark.parametrize("words", ["日本語日本語日", "a\u0301bc\u0301d", "x", ""])
def test_the_end_of_a_text_fits(words: str) -> None:
    for cells in range(-1, 16):
        shown = text.end(words, cells)
        assert text.width(shown) <= max(cells, 0)
        assert shown == text.clean(words) or text.clean(words).endswith(shown[1:])


@pytest.mark.parametrize(
    ("said", "numbers", "expected"),
    [
        ("yynn", (0.9, 0.6, 0.1, 0.36), "yes"),
        ("nnyy", (0.9, 0.6, 0.1, 0.36), "no"),
        ("yynn", (0.9, 0.6, 0.8, 0.7), None),  # of whatever is predicted
        ("ynyn", (0.9, 0.6, 0.1, 0.36), None),
        ("yyyy", (0.9, 0.6, 0.7, 0.8), None),  # of the label or of the prediction: who knows
        ("??nn", (0.9, float("nan"), 0.2, 0.1), None),
    ],
)
def test_of_what_a_probability_is(
    said: str, numbers: tuple[float, ...], expected: str | None
) -> None:
    class Pairs(dict[str, tuple[float, ...]]):
        columns: ClassVar = {"p": "continuous", "label": "categorical"}

        def with_role(self, role: str) -> str:
            return {"probability": "p", "prediction": "label"}[role]

        def codes(self, name: str) -> tuple[Any, tuple[str, ...]]:
            return np.array(["yn".find(letter) for letter in said]), ("yes", "no")

    assert _probability_of(Pairs(p=numbers)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "heading"), [(2, "pair (+1 more)"), (3, "pair  ")])
def test_pairs_out_of_sight_are_counted(compared: Project, height: int, heading: str) -> None:
    s = selection(compared, example=1)
    assert len(compared.pairs_of(1)) == 2
    picture = pair_table(Context(compared, s, PLAIN), 78, height).canvas.text()
    assert picture.split("\n")[0].strip().startswith(heading)
