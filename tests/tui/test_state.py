"""What is looked at: every step keeps it inside the files, and every step can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tui import state
from tui.actions import ACTIONS, BY_NAME, PANES, footer, key_table, shown
from tui.commands import COMMANDS, Refused
from tui.project import Project
from tui.state import History, KindLimits, Limits, Selection
from tui.window import Window

LIMITS = Limits(
    views=("A", "B", "B−A"),
    layers=3,
    heads=4,
    examples=5,
    metrics=("std", "entropy"),
    colourings=("gold", "role"),
    measures=("cosine", "tsne"),
    groupings=("gold", "prediction"),
    pair_counts=(2, 2, 0, 1, 3),
)
START = state.valid(Selection(), LIMITS)

numbers = st.integers(-3, 40)
names = st.sampled_from(["", "std", "entropy", "gold", "role", "cosine", "tsne", "nothing"])
selections = st.builds(
    Selection,
    view=st.sampled_from(state.VIEWS),
    example=numbers,
    pair=numbers,
    marked=st.frozensets(st.integers(0, 9), max_size=3),
    scope=st.sampled_from(["all", "filtered", "marked", "example"]),
    filter=st.sampled_from(["", "correct"]),
    search=st.sampled_from(["", "the"]),
    layer=numbers,
    head_layer=numbers,
    head=numbers,
    metric=names,
    colouring=names,
    measure=names,
    grouping=names,
    gap=st.booleans(),
    edges=st.sampled_from(["", "a", "> b"]),
    pinned=st.none() | numbers,
    window_a=st.builds(Window, st.floats(), st.floats(), st.floats()),
    window_b=st.builds(Window, st.floats(), st.floats(), st.floats()),
    path=st.booleans(),
    density=st.sampled_from(["auto", "on", "off"]),
    query=st.none() | st.integers(0, 9),
    key=st.none() | st.integers(0, 9),
)


@given(selections)
def test_valid_moves_everything_inside_and_changes_nothing_that_is(s: Selection) -> None:
    v = state.valid(s, LIMITS)
    assert v.view in LIMITS.views
    assert 0 <= v.example < 5 and 0 <= v.pair < max(1, LIMITS.pair_counts[v.example])
    assert 0 <= v.layer <= 3 and 0 <= v.head_layer < 3 and 0 <= v.head < 4
    assert v.metric in LIMITS.metrics and v.colouring in LIMITS.colourings
    assert v.measure in LIMITS.measures and v.grouping in LIMITS.groupings
    assert v.scope != "marked" or v.marked
    assert v.scope != "filtered" or v.filter or v.search
    assert v.pinned is None or 0 <= v.pinned < 5
    assert state.valid(v, LIMITS) == v
    inside = {name for name in ("layer", "head_layer") if 0 <= getattr(s, name) < 3}
    assert not inside & state.changed_fields(s, v)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder:std", "cross:std"),
        ("encoder:relation:nsubj:to_head", "cross:relation:nsubj:to_head"),
        ("cross:std", "cross:std"),
        ("decoder:aligned", "cross:std"),
        ("relation:std", "cross:std"),
    ],
)
def test_another_kind_keeps_the_metric_if_it_has_that(name: str, expected: str) -> None:
    kinds = (
        KindLimits("encoder", 2, 2, ("encoder:std", "encoder:relation:nsubj:to_head")),
        KindLimits("decoder", 2, 2, ("decoder:std", "decoder:aligned")),
        KindLimits("cross", 2, 2, ("cross:std", "cross:relation:nsubj:to_head")),
    )
    limits = LIMITS._replace(kinds=kinds)
    s = state.choose_kind(replace(START, metric=name, query=3, key=4), limits, "cross")
    assert (s.kind, s.metric, s.query, s.key) == ("cross", expected, None, None)


def test_valid_with_nothing_to_choose_from() -> None:
    bare = Limits(("A",), 1, 1, 1, (), (), (), ())
    v = state.valid(Selection(view="B−A", pair=3, metric="gone", layer=9), bare)
    assert (v.view, v.pair, v.metric, v.layer, v.head_layer) == ("A", 0, "gone", 1, 0)


def test_a_selection_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        START.layer = 2  # type: ignore[misc]


# -- layer and head ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "step", "expected", "head_layer"),
    [
        (0, +1, 1, 1),
        (0, -1, 0, 0),
        (1, -1, 0, 0),
        (2, +1, 3, 2),  # the last hidden state keeps the last attention layer
        (3, +1, 3, 2),
        (3, -1, 2, 2),
        (0, +99, 3, 2),
        (3, -99, 0, 0),
    ],
)
def test_step_layer(layer: int, step: int, expected: int, head_layer: int) -> None:
    start = replace(START, layer=layer, head_layer=min(layer, 2), head=2)
    s = state.step_layer(start, LIMITS, step)
    assert (s.layer, s.head_layer, s.head) == (expected, head_layer, 2)


@given(st.integers(0, 3), st.integers(0, 2), st.sampled_from([-1, 1]))
def test_a_step_back_undoes_a_step_of_the_layer(layer: int, head_layer: int, step: int) -> None:
    start = replace(START, layer=layer, head_layer=head_layer)
    there = state.step_layer(start, LIMITS, step)
    assert abs(there.head_layer - head_layer) <= 1  # never thrown to the map's layer
    moved = min(layer + step, 2) - min(layer, 2)
    if 0 <= layer + step <= 3 and 0 <= head_layer + moved <= 2:  # else it stops at the edge
        assert state.step_layer(there, LIMITS, -step) == start


@pytest.mark.parametrize(
    ("start", "step", "expected"),
    [
        ((0, 0), +1, (0, 1)),
        ((0, 3), +1, (1, 0)),
        ((1, 0), -1, (0, 3)),
        ((0, 0), -1, (0, 0)),
        ((2, 3), +1, (2, 3)),
        ((0, 0), +5, (1, 1)),
        ((1, 1), -99, (0, 0)),
    ],
)
def test_step_head_goes_on_in_reading_order_and_stops_at_the_ends(
    start: tuple[int, int], step: int, expected: tuple[int, int]
) -> None:
    s = replace(START, layer=1, head_layer=start[0], head=start[1])
    moved = state.step_head(s, LIMITS, step)
    assert (moved.head_layer, moved.head) == expected
    assert moved.layer == 1  # the map stays


@pytest.mark.parametrize(
    ("start", "by", "expected"),
    [
        ((0, 0), (1, 0), (1, 0)),
        ((0, 3), (0, 1), (0, 3)),
        ((2, 1), (1, 0), (2, 1)),
        ((1, 1), (-9, 9), (0, 3)),
    ],
)
def test_move_head_stops_at_the_edges_of_the_grid(
    start: tuple[int, int], by: tuple[int, int], expected: tuple[int, int]
) -> None:
    s = replace(START, head_layer=start[0], head=start[1])
    moved = state.move_head(s, LIMITS, *by)
    assert (moved.head_layer, moved.head) == expected


def test_a_head_is_written_layer_dot_head() -> None:
    assert replace(START, head_layer=5, head=10).head_name == "5.10"


@pytest.mark.parametrize(
    ("value", "count", "expected"), [(-1, 3, 0), (0, 3, 0), (3, 3, 2), (5, 1, 0), (2, 0, 0)]
)
def test_clamp(value: int, count: int, expected: int) -> None:
    assert state.clamp(value, count) == expected


# -- example, pair, tokens --------------------------------------------------------------------


def test_another_example_forgets_tokens_and_begins_with_its_first_pair() -> None:
    s = replace(START, pair=1, query=4, key=5)
    moved = state.choose_example(s, LIMITS, 1)
    assert (moved.example, moved.pair, moved.query, moved.key) == (1, 0, None, None)


def test_another_pair_of_the_same_example_keeps_the_tokens() -> None:
    s = replace(START, query=4, key=5)
    moved = state.step_pair(s, LIMITS, +1)
    assert (moved.example, moved.pair, moved.query, moved.key) == (0, 1, 4, 5)


@pytest.mark.parametrize(
    ("example", "pair", "step", "expected"),
    [(0, 0, -1, 0), (0, 1, +1, 1), (4, 0, +9, 2), (4, 2, -1, 1), (2, 0, +1, 0), (2, 0, -1, 0)],
)
def test_step_pair_stays_inside_the_example(
    example: int, pair: int, step: int, expected: int
) -> None:
    s = replace(START, example=example, pair=pair)
    assert state.step_pair(s, LIMITS, step).pair == expected


@pytest.mark.parametrize(("example", "expected"), [(-1, 0), (4, 4), (5, 4), (99, 4)])
def test_choose_example_stops_at_the_ends(example: int, expected: int) -> None:
    assert state.choose_example(START, LIMITS, example).example == expected


def test_choosing_what_is_chosen_keeps_the_token_cursor() -> None:
    s = replace(START, query=1, key=2)
    assert state.choose_example(s, LIMITS, 0) == s


# -- marks and scope --------------------------------------------------------------------------


def test_marking_makes_averages_follow_the_marks() -> None:
    s = state.toggle_marks(replace(START, scope="example"), [3, 4])
    assert (s.marked, s.scope) == (frozenset({3, 4}), "marked")


def test_marking_some_that_are_marked_marks_the_rest() -> None:
    s = state.toggle_marks(state.toggle_marks(START, [3]), [3, 4])
    assert s.marked == {3, 4}


def test_marking_all_that_are_marked_unmarks_them() -> None:
    s = state.toggle_marks(state.toggle_marks(START, [3, 4, 5]), [3, 4])
    assert (s.marked, s.scope) == (frozenset({5}), "marked")
    assert state.toggle_marks(s, [5]).scope == "all"


def test_scope_falls_back_when_the_marks_are_cleared() -> None:
    s = state.clear_marks(state.toggle_marks(START, [1]))
    assert (s.marked, s.scope) == (frozenset(), "all")
    assert state.valid(replace(START, scope="marked"), LIMITS).scope == "all"


def test_scope_goes_round() -> None:
    s, seen = START, []
    for _ in range(4):
        s = state.step_scope(s)
        seen.append(s.scope)
    assert seen == ["example", "all", "example", "all"]
    s, seen = replace(START, marked=frozenset({1})), []
    for _ in range(4):
        s = state.step_scope(s)
        seen.append(s.scope)
    assert seen == ["marked", "example", "all", "marked"]
    s, seen = replace(s, search="the"), []
    for _ in range(4):
        s = state.step_scope(s)
        seen.append(s.scope)
    assert seen == ["example", "all", "filtered", "marked"]


@pytest.mark.parametrize(
    ("value", "options", "step", "expected"),
    [
        ("a", ("a", "b"), 1, "b"),
        ("b", ("a", "b"), 1, "a"),
        ("a", ("a", "b", "c"), -1, "c"),
        ("x", ("a", "b"), 1, "a"),
        ("x", (), 1, "x"),
    ],
)
def test_after(value: str, options: Sequence[str], step: int, expected: str) -> None:
    assert state.after(value, options, step) == expected


# -- undo and redo ----------------------------------------------------------------------------


def test_undo_and_redo_of_single_steps() -> None:
    history, one = History(), START
    assert history.undo(one) is None and history.redo(one) is None
    two = replace(one, layer=1)
    history.record(one, two)
    assert history.undo(two) == one
    assert history.undo(one) is None
    assert history.redo(one) == two
    assert history.redo(two) is None


def test_a_new_step_after_undo_drops_what_was_undone() -> None:
    history, one = History(), START
    two, three = replace(one, layer=1), replace(one, layer=2)
    history.record(one, two)
    assert history.undo(two) == one
    history.record(one, three)
    assert history.redo(three) is None
    assert history.undo(three) == one


def test_a_run_of_cursor_moves_is_one_entry() -> None:
    history, s = History(), START
    for token in range(6):
        moved = replace(s, query=token, key=token)
        history.record(s, moved)
        s = moved
    assert history.undo(s) == START
    assert history.undo(START) is None


def test_another_step_ends_a_run_of_cursor_moves() -> None:
    history = History()
    one = replace(START, query=1)
    two = replace(one, layer=1)
    three = replace(two, query=2)
    for old, new in ((START, one), (one, two), (two, three)):
        history.record(old, new)
    assert history.undo(three) == two
    assert history.undo(two) == one
    assert history.undo(one) == START


def test_recording_nothing_keeps_what_can_be_redone() -> None:
    history, two = History(), replace(START, layer=1)
    history.record(START, two)
    history.undo(two)
    history.record(START, START)
    assert history.redo(START) == two


def test_history_is_bounded() -> None:
    history, s = History(limit=3), START
    steps = [s := replace(s, layer=n) for n in range(1, 9)]
    for old, new in zip([START, *steps], steps, strict=False):
        history.record(old, new)
    assert len(history.past) == 3
    undone = []
    while (found := history.undo(s)) is not None:
        s = found
        undone.append(s.layer)
    assert undone == [7, 6, 5]


# -- any sequence of commands -----------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.just("command"), st.sampled_from(sorted(COMMANDS))),
    st.tuples(st.sampled_from(["tokens", "undo", "redo"]), st.sampled_from("012345")),
)


class _Store:
    """The main screen's way with a selection, without a screen."""

    def __init__(self, project: Project) -> None:
        self.project, self.history = project, History()
        self.selection = project.first_selection()

    def take(self, step: tuple[str, str]) -> Selection:
        """One key, or nothing if it is refused; the selection after it."""
        kind, what = step
        if kind in ("undo", "redo"):
            turn = self.history.undo if kind == "undo" else self.history.redo
            self.selection = turn(self.selection) or self.selection
            return self.selection
        change: Callable[[Selection], Selection] = (
            (lambda s: state.choose_tokens(s, int(what), None))
            if kind == "tokens"
            else (lambda s: COMMANDS[what](self.project, s))
        )
        try:
            wanted = state.valid(change(self.selection), self.project.limits)
            new = self.project.settled(wanted)
        except Refused:
            return self.selection
        if new != self.selection:
            self.history.record(self.selection, new)
            self.selection = new
        return self.selection


@pytest.mark.parametrize("which", ["alone", "compared", "tagging-2", "translation-2", "model-1"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_sequence_stays_valid_and_can_be_taken_back_exactly(
    which: str,
    data: st.DataObject,
    alone: Project,
    compared: Project,
    tasks: dict[str, Project],
) -> None:
    project = {"alone": alone, "compared": compared, **tasks}[which]
    store = _Store(project)
    first = store.selection
    for step in data.draw(st.lists(steps, max_size=30)):
        store.take(step)
        assert state.valid(store.selection, project.limits) == store.selection
        assert project.settled(store.selection) == store.selection
    back = list(reversed(store.history.past))
    forth = [*reversed(back), store.selection, *reversed(store.history.future)][1:]
    undone = [store.take(("undo", "")) for _ in back]
    assert undone == back
    assert store.selection == first
    redone = [store.take(("redo", "")) for _ in forth]
    assert redone == forth


# -- commands ---------------------------------------------------------------------------------


ON_THE_MAP = ("more", "less", "whole", "pan-left", "pan-right", "pan-up", "pan-down")


@pytest.mark.parametrize("name", ON_THE_MAP)
def test_what_only_the_map_can_do_is_refused_elsewhere(name: str, compared: Project) -> None:
    with pytest.raises(Refused, match=r"3 goes there|zoom the map \(3\)"):
        COMMANDS[name](compared, compared.first_selection())


def test_every_command_is_an_action() -> None:
    assert set(COMMANDS) <= set(BY_NAME)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"kind", "weighted", *ON_THE_MAP}))
def test_a_command_changes_what_it_is_named_after(name: str, compared: Project) -> None:
    s = replace(compared.first_selection(), layer=1, head_layer=1, head=1, example=1)
    s = replace(state.toggle_marks(s, [0]), filter="pairs > 0", search="e", sort="-score")
    if name.endswith("example"):
        s = replace(s, sort="")
    fields = {
        "layer": {"layer", "head_layer"},
        "head": {"head"},
        "example": {"example"},
        "model": {"view"},
        "metric": {"metric"},
        "colour": {"colouring"},
        "view": {"attention_view"},
        "combine": {"combine"},
        "ranked": {"ranked"},
        "specials": {"hide_special"},
        "measure": {"measure"},
        "group": {"grouping"},
        "gap": {"gap"},
        "pin": {"pinned"},
        "average": {"scope"},
        "mark": {"marked"},
        "clear": {"marked", "scope"},
        "filter": {"filter", "search"},
        "reverse": {"sort"},
        "path": {"path"},
        "density": {"density"},
    }
    changed = state.changed_fields(s, COMMANDS[name](compared, s))
    assert changed == fields[name.rpartition("-")[2]]


def test_the_other_model_is_refused_with_one_file(alone: Project) -> None:
    with pytest.raises(Refused, match="Only one file is open"):
        COMMANDS["model"](alone, alone.first_selection())


def test_clearing_nothing_is_refused(alone: Project) -> None:
    with pytest.raises(Refused, match="Nothing is marked"):
        COMMANDS["clear"](alone, alone.first_selection())


def test_forward_and_back_are_opposites(compared: Project) -> None:
    s = compared.first_selection()
    for forward, back in (("metric", "previous-metric"), ("colour", "previous-colour")):
        there = COMMANDS[forward](compared, s)
        assert there != s
        assert COMMANDS[back](compared, there) == s


# -- the action table -------------------------------------------------------------------------


def test_no_key_has_two_actions() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert len(BY_NAME) == len(ACTIONS)


def test_every_action_explains_itself() -> None:
    for action in ACTIONS:
        assert action.keys and action.help.endswith(".") and action.group
        assert len(action.label.split()) <= 2
        assert set(action.panes) <= set(PANES)


@pytest.mark.parametrize("pane", [None, *PANES])
def test_the_footer_names_existing_actions_once(pane: str | None) -> None:
    entries = footer(pane)  # type: ignore[arg-type]
    names = [name for _, _, name in entries]
    assert len(names) == len(set(names)) and set(names) <= set(BY_NAME)
    assert names[-2:] == ["help", "quit"]
    own = [a.name for a in ACTIONS if pane in a.panes and a.label]
    assert names[: len(own)] == own


def test_the_key_table_holds_every_key() -> None:
    table = key_table()
    for action in ACTIONS:
        assert action.help in table
        assert all(f"`{shown(key)}`" in table for key in action.keys)
