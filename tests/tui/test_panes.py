"""What the panes draw: at every size and look, the right numbers, and clicks that hit them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factory import write_collateral
from tests.tui import goldens
from tests.tui.handmade import Recipe, uniform
from tui import chrome, state, text
from tui.actions import PANES, PaneName
from tui.look import Depth, Look
from tui.pane import Context, Pane
from tui.panes import all_panes
from tui.panes.attention import AttentionPane
from tui.panes.attention.matrix import Matrix
from tui.panes.distance import DistancePane
from tui.panes.example import ExamplePane
from tui.panes.examples import ExamplesPane
from tui.panes.heads import HeadsPane
from tui.panes.map import MapPane
from tui.plots.canvas import Canvas
from tui.project import Project
from tui.state import Selection
from tui.views.answers import Missing
from tui.window import Window

SIZES = [(78, 16), (124, 9), (32, 41), (61, 15), (1, 1), (5, 2), (20, 3)]
LOOKS = [
    Look("truecolor"),
    Look("truecolor", dark=False),
    Look("256"),
    Look("16"),
    Look("none"),
    Look("none", ascii=True),
    Look("truecolor", ascii=True),
]
PLAIN = Look("truecolor")


def selection(project: Project, **changes: Any) -> Selection:
    """The first selection, with changes, made valid."""
    return state.valid(replace(project.first_selection(), **changes), project.limits)


def drawn(pane: Pane, c: Context, width: int, height: int) -> Canvas | None:
    """The picture, after checking that it is one; None if the pane says that it cannot."""
    try:
        title = pane.title(c)
        canvas = pane.draw(c, width, height)
    except Missing as reason:
        assert str(reason).endswith(".") and len(str(reason)) > 20
        return None
    assert title and "\n" not in title
    check_canvas(canvas, c.look, width, height)
    return canvas


def check_canvas(canvas: Canvas, look: Look, width: int, height: int) -> None:
    """Whether a canvas is as large as asked, and shows nothing that the look forbids."""
    assert (canvas.width, canvas.height) == (width, height)
    rows = canvas.rows()
    assert len(rows) == height
    for row in rows:
        assert sum(text.width(run) for run, _ in row) == width
    if look.ascii:
        assert canvas.text().isascii()
    if look.depth == "none":
        assert not any(ink.fg or ink.bg for row in rows for _, ink in row)


# -- every size, every look -------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS, ids=lambda k: f"{k.depth}{'-ascii' * k.ascii}")
@pytest.mark.parametrize("name", PANES)
def test_every_pane_draws_at_every_size_in_every_look(
    name: PaneName, look: Look, compared: Project, alone: Project
) -> None:
    for project, views in ((compared, ("B", "B−A")), (alone, ("A",))):
        for view in views:
            for attention_view in state.ATTENTION_VIEWS if name == "attention" else ("matrix",):
                s = selection(
                    project,
                    view=view,
                    attention_view=attention_view,
                    example=1,
                    marked=frozenset({0, 9}),
                )
                pane = all_panes()[name]
                for size in SIZES:
                    c = Context(project, s, look, focused=view == "B−A")
                    assert drawn(pane, c, *size) is not None
                    check_canvas(pane.gist(c, size[0]), look, size[0], 1)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Project]]:
    """Files in which things are missing, undefined, one, or very many."""
    folder = tmp_path_factory.mktemp("strange")
    nothing = Recipe().write(folder / "nothing.msgpack")
    undefined = Recipe(
        points=(0, 0),
        pairs=(0,),
        metrics={"pair": np.full((1, 2, 2), np.nan), "std": np.full((3, 2, 2), np.nan)},
        measures={"cosine": np.full((1, 3), np.nan)},
        labels={"gold": ("x",)},
        maps={n: np.zeros((2, 2)) for n in range(3)},
        attention={0: uniform(5)},
    ).write(folder / "undefined.msgpack")
    unknown = Recipe(
        points=(0, 1),
        pairs=(0,),
        measures={"cosine": np.ones((1, 3))},
        labels={"gold": (None,)},
        attention={0: uniform(5)},
        only_specials=True,
    ).write(folder / "unknown.msgpack")
    nasty = Recipe(
        texts=("\x1b[31mred \u202eabc 日本語 👩‍👧", "a b"), attention={0: uniform(6)}
    ).write(folder / "nasty.msgpack")
    long = write_collateral(folder / "long.msgpack", examples=3, long=180, attention=3)
    large = write_collateral(folder / "large.msgpack", examples=2, layers=26, heads=32, attention=1)
    with ExitStack() as stack:
        projects = {}
        for path in (nothing, undefined, unknown, nasty, long, large):
            for paths in ((path,), (path, path)):
                project = Project.open(paths)
                stack.callback(project.close)
                projects[f"{path.stem}-{len(paths)}"] = project
        yield projects


@pytest.mark.parametrize("name", PANES)
def test_strange_files_are_drawn_or_explained(name: PaneName, strange: dict[str, Project]) -> None:
    for project in strange.values():
        for example in range(project.limits.examples):
            for scope in ("all", "example"):
                for view in state.ATTENTION_VIEWS if name == "attention" else ("matrix",):
                    for hide in (False, True) if name == "attention" else (False,):
                        s = selection(
                            project,
                            example=example,
                            scope=scope,
                            attention_view=view,
                            hide_special=hide,
                        )
                        pane = all_panes()[name]
                        for size in ((61, 15), (20, 3)):
                            canvas = drawn(pane, Context(project, s, PLAIN, True), *size)
                            assert canvas is None or not re.search(r"\bnan\b", canvas.text())


def test_control_characters_of_a_text_never_reach_the_screen(strange: dict[str, Project]) -> None:
    project = strange["nasty-1"]
    c = Context(project, selection(project), PLAIN)
    for pane in all_panes().values():
        canvas = drawn(pane, c, 78, 16)
        if canvas is not None:
            assert not {"\x1b", "\u202e", "\u200d"} & set(canvas.text())


@pytest.mark.parametrize("name", PANES)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_keys_and_clicks_leave_a_valid_selection_and_a_picture(
    name: PaneName, data: st.DataObject, compared: Project
) -> None:
    walk(name, compared, data)


def walk(name: PaneName, project: Project, data: st.DataObject) -> None:
    """A pane is moved, clicked and drawn in any order, as the widget would."""
    pane, s = all_panes()[name], selection(project)
    steps = st.sampled_from(
        ["move", "jump", "enter", "mark", "box", "back", "click", "draw", "view", "example", "act"]
    )
    width, height = data.draw(st.sampled_from([(61, 15), (20, 4), (78, 16)]))
    for step in data.draw(st.lists(steps, max_size=12)):
        c = Context(project, s, PLAIN, True)
        whole = st.integers(-3, 3)
        if step == "draw":
            drawn(pane, c, width, height)
        elif step == "view":
            s = replace(s, attention_view=state.after(s.attention_view, state.ATTENTION_VIEWS))
        elif step == "example":
            s = state.choose_example(
                s, project.limits, data.draw(st.integers(0, project.limits.examples))
            )
        elif step == "move":
            s = pane.move(c, data.draw(whole), data.draw(whole))
        elif step == "jump":
            s = pane.jump(c, data.draw(st.booleans()))
        elif step == "enter":
            s = pane.enter(c)
        elif step == "mark":
            s = pane.mark(c) or s
        elif step == "act":
            try:
                s = pane.act(c, data.draw(st.sampled_from(["more", "less"]))) or s
            except Missing as reason:  # the screen says it in the bottom line
                assert str(reason).endswith(".")
        elif step == "click":
            x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
            s = pane.click(c, x, y)
        elif step == "back":
            pane.back(c)
        else:
            try:
                pane.box(c)
            except Missing as reason:
                assert str(reason).endswith(".")
        assert state.valid(s, project.limits) == s
        tokens = len(project.tokens(s.example))
        assert all(t is None or 0 <= t < tokens for t in (s.query, s.key))
    drawn(pane, Context(project, s, PLAIN, True), width, height)


CHANGES: dict[str, Any] = {
    "view": "A",
    "example": 2,
    "pair": 1,
    "pinned": 1,
    "item": 2,
    "marked": frozenset({0, 6}),
    "scope": "example",
    "layer": 1,
    "kind": "encoder",
    "head_layer": 2,
    "head": 1,
    "metric": "std",
    "colouring": "role",
    "measure": "tsne",
    "grouping": "gold",
    "gap": True,
    "window_a": Window(2, 0.4, 0.4),
    "window_b": Window(2, 0.4, 0.4),
    "path": True,
    "density": "on",
    "attention_view": "table",
    "query": 3,
    "key": 4,
    "share": 50,
    "edges": "she",
    "combine": "layer-mean",
    "ranked": True,
    "head_range": ("std", 0.0, 0.1),
    "hide_special": True,
    "weighted": True,
    "filter": "correct",
    "search": "e",
    "sort": "-id",
}
"""A change of each field; what a file has its own names for is in ``OWN_CHANGES``."""
OWN_CHANGES: dict[str, dict[str, Any]] = {
    "coref": {},
    "tagging": {
        "metric": "relation_nsubj",
        "colouring": "example: domain",
        "grouping": "points: gold",
    },
    "translation": {
        "query": 12,
        "metric": "cross:aligned",
        "colouring": "example: loss",
        "grouping": "marked",
    },
}


def picture(name: PaneName, c: Context) -> object:
    """What a pane shows, or why it shows nothing."""
    pane = all_panes()[name]
    try:
        canvas = pane.draw(c, 70, 18)
        return pane.title(c), canvas.rows()
    except Missing as reason:
        return str(reason)


@pytest.mark.parametrize("which", sorted(OWN_CHANGES))
@pytest.mark.parametrize("name", PANES)
def test_a_pane_depends_on_what_it_says_and_on_nothing_else(
    name: PaneName, which: str, compared: Project, tasks: dict[str, Project]
) -> None:
    project = compared if which == "coref" else tasks[f"{which}-2"]
    assert set(CHANGES) == {field.name for field in fields(Selection)}
    for scope in ("all", "filtered", "example"):
        narrow = {"search": "e"} if scope == "filtered" else {}
        start = project.settled(selection(project, view="B", scope=scope, **narrow))
        for field, value in (CHANGES | OWN_CHANGES[which]).items():
            changed = project.settled(replace(start, **{field: value}))
            pictures = [picture(name, Context(project, s, PLAIN)) for s in (start, changed)]
            if pictures[0] != pictures[1]:
                told = all_panes()[name].depends & state.changed_fields(start, changed)
                assert told, f"{field} changes the picture"


# -- pictures ---------------------------------------------------------------------------------

GOLDENS: list[tuple[PaneName, tuple[int, int], dict[str, Any]]] = [
    ("list", (48, 9), {}),
    ("example", (78, 9), {}),
    ("map", (78, 16), {"view": "B"}),
    ("map", (100, 16), {"view": "B−A"}),
    ("heads", (60, 12), {"view": "B"}),
    ("heads", (60, 12), {"view": "B−A"}),
    ("attention", (60, 24), {"view": "B", "attention_view": "matrix"}),
    ("attention", (60, 24), {"view": "B−A", "attention_view": "matrix"}),
    ("attention", (70, 24), {"view": "B", "attention_view": "map"}),
    ("attention", (70, 24), {"view": "B−A", "attention_view": "map", "query": 12}),
    ("attention", (60, 12), {"view": "B−A", "attention_view": "table"}),
    ("distance", (70, 18), {"view": "B"}),
    ("distance", (70, 18), {"view": "B−A", "measure": "tsne"}),
    ("distance", (70, 18), {"view": "B", "grouping": "points: gold"}),
    ("distance", (70, 18), {"view": "B", "grouping": "points: gold", "gap": True}),
    ("distance", (70, 18), {"view": "B−A", "gap": True}),
]


def _golden_name(name: str, changes: dict[str, Any]) -> str:
    view = {"B−A": "difference"}.get(changes.get("view", ""), changes.get("view", ""))
    parts = ["pane", name, changes.get("attention_view", ""), view, changes.get("measure", "")]
    parts += ["points" * ("grouping" in changes), "gap" * ("gap" in changes)]
    return "-".join(part for part in parts if part)


@pytest.mark.parametrize("look", ["braille", "ascii"])
@pytest.mark.parametrize(("name", "size", "changes"), GOLDENS)
def test_pictures_of_the_panes(
    name: PaneName, size: tuple[int, int], changes: dict[str, Any], look: str, compared: Project
) -> None:
    kind = Look("none", ascii=True) if look == "ascii" else PLAIN
    c = Context(compared, selection(compared, example=1, **changes), kind, focused=True)
    pane = all_panes()[name]
    canvas = pane.draw(c, *size)
    picture = f"{pane.title(c)}\n{canvas.text()}\n\n{pane.gist(c, size[0]).text()}"
    goldens.check(f"{_golden_name(name, changes)}{'-ascii' * (look == 'ascii')}", picture)


# -- the numbers that are shown ---------------------------------------------------------------


def shown_number(words: str) -> float:
    """A number as the panes write it."""
    return float(words.replace("−", "-"))


@pytest.mark.parametrize("view", state.VIEWS)
def test_the_head_grid_shows_the_stored_mean_of_the_head_under_the_cursor(
    view: state.View, compared: Project
) -> None:
    assert compared.b is not None
    for layer, head in ((0, 0), (1, 3), (2, 2)):
        s = selection(compared, view=view, metric="std", head_layer=layer, head=head)
        canvas = HeadsPane().draw(Context(compared, s, PLAIN), 70, 14)
        match = re.search(rf"head {layer}\.{head} +([−+]?[\d.e−]+)", canvas.text())
        assert match, canvas.text()
        a, b = (
            f.head_metric("std")[:, layer, head].astype(float) for f in (compared.a, compared.b)
        )
        expected = {"A": a.mean(), "B": b.mean(), "B−A": (b - a).mean()}[view]
        assert shown_number(match[1]) == pytest.approx(expected, rel=5.1e-4)
        assert match[1][0] in "+−" if view == "B−A" else match[1][0].isdigit()


@pytest.mark.parametrize("view", state.VIEWS)
@pytest.mark.parametrize("hide", [False, True])
def test_the_matrix_shows_the_stored_weight_under_the_cursor(
    view: state.View, hide: bool, compared: Project
) -> None:
    assert compared.b is not None
    tokens = compared.tokens(1)
    for query, key in ((5, 2), (1, 10), (12, 12)):
        s = selection(
            compared, view=view, example=1, head_layer=1, head=0, query=query, key=key,
            hide_special=hide, attention_view="matrix",
        )  # fmt: skip
        canvas = AttentionPane().draw(Context(compared, s, PLAIN), 60, 20)
        a, b = (f.attention(1)[1, 0, query, key] for f in (compared.a, compared.b))
        expected = {"A": a, "B": b, "B−A": b - a}[view]
        words = f"{tokens.texts[query]} → {tokens.texts[key]}"
        line = next(line for line in canvas.text().splitlines() if line.startswith(words))
        number, _, *places = line.removeprefix(words).split()
        assert shown_number(number) == pytest.approx(expected, abs=5.1e-5)
        assert places == [str(query), "→", str(key)]


def test_the_table_lists_the_largest_edges_first(compared: Project) -> None:
    s = selection(compared, view="B", example=1, attention_view="table")
    canvas = AttentionPane().draw(Context(compared, s, PLAIN), 60, 12)
    weights = compared.file("B").attention(1, layer=s.head_layer, head=s.head)
    texts = compared.pieces(1)
    order = np.argsort(-weights.ravel(), kind="stable")[:8]
    for line, place in zip(canvas.text().splitlines()[1:], order.tolist(), strict=False):
        query, key = divmod(place, len(texts))
        _, at, one, _, to, two, value, *_ = line.lstrip("▸> ").split()
        assert (int(at), one, int(to), two) == (query, texts[query], key, texts[key])
        assert float(value) == pytest.approx(weights[query, key], abs=5.1e-4)


@pytest.mark.parametrize("layer", range(4))
@pytest.mark.parametrize("view", ["A", "B"])
def test_the_stars_stand_at_the_coordinates_of_the_example(
    view: state.View, layer: int, compared: Project
) -> None:
    s = selection(compared, view=view, layer=layer, example=4)
    canvas = MapPane().draw(Context(compared, s, PLAIN), 78, 18)
    xy = compared.file("A" if view == "A" else "B").coordinates(layer).astype(float)
    mine = xy[list(compared.points_of(4))]
    rows = [[*row] for row in canvas.text().splitlines()]
    stars = np.array([(x, y) for y, row in enumerate(rows) for x, c in enumerate(row) if c == "★"])
    assert 0 < len(stars) <= len(mine)
    # cells are a linear picture of the data: the margin is the only unknown, so it is fitted
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = 0.03 * (high - low)
    share = (mine - low + margin) / (high - low + 2 * margin)
    cells = np.floor(np.stack([share[:, 0] * 78, (1 - share[:, 1]) * 16], axis=1))
    for x, y in stars.tolist():
        assert (np.abs(cells - (x, y)).max(axis=1) <= 1).any()


def test_the_stars_are_labelled_with_their_mentions(compared: Project) -> None:
    s = selection(compared, view="B", example=4)
    canvas = MapPane().draw(Context(compared, s, PLAIN), 100, 30)
    shown = canvas.text()
    assert any(mention.text in shown for mention in compared.mentions(4))


def test_undefined_is_shown_as_undefined(strange: dict[str, Project]) -> None:
    project = strange["undefined-1"]
    c = Context(project, selection(project), PLAIN)
    heads = HeadsPane().draw(c, 50, 12).text()
    assert "undefined" in heads and "?" in heads and "nan" not in heads.lower()


def test_the_example_pane_says_what_each_model_says(compared: Project) -> None:
    s = selection(compared, example=9)
    canvas = ExamplePane().draw(Context(compared, s, PLAIN), 100, 9)
    for fact in compared.pair_facts(9):
        line = next(x for x in canvas.text().splitlines() if f"{fact.span1} – {fact.span2}" in x)
        marks = {True: "✓", False: "✗"}
        expected = [marks[said.correct] for said in fact.models if said.correct is not None]
        assert [c for c in line if c in "✓✗"] == expected
        assert line.count("coreferent") == 3


def test_the_list_says_which_examples_are_right(compared: Project) -> None:
    assert compared.b is not None
    canvas = ExamplesPane().draw(Context(compared, selection(compared), PLAIN), 50, 14)
    for row, line in enumerate(canvas.text().splitlines()[1:]):
        marks = {True: "✓", False: "✗", None: "·"}
        right = [f.examples["correct"][row] for f in (compared.a, compared.b)]
        assert line.split()[-2:] == [marks[value] for value in right]
        assert ("★" in line) == (row in compared.attended)
        assert (line[0] == "▸") == (row == 0)


def test_the_list_keeps_the_cursor_in_sight(compared: Project) -> None:
    pane = ExamplesPane()
    for example in (0, 5, 11, 3, 0):
        s = selection(compared, example=example)
        lines = pane.draw(Context(compared, s, PLAIN), 40, 5).text().splitlines()
        (chosen,) = [line for line in lines if line.startswith("▸")]
        assert f"{example:03d}" in chosen


# -- clicks choose what was drawn there -------------------------------------------------------


def test_a_click_on_a_head_selects_it(compared: Project) -> None:
    pane, c = HeadsPane(), Context(compared, selection(compared), PLAIN)
    pane.draw(c, 40, 12)
    assert pane._drawn is not None
    for layer in range(3):
        for head in range(4):
            place = pane._drawn.place(layer, head)
            assert place is not None
            chosen = pane.click(c, place[0] + 1, place[1])
            assert (chosen.head_layer, chosen.head) == (layer, head)
    assert pane.click(c, 0, 0) == c.selection


def test_clicks_on_the_matrix(compared: Project) -> None:
    s = selection(compared, example=1, view="A", hide_special=True, attention_view="matrix")
    pane, c = AttentionPane(), Context(compared, s, PLAIN)
    pane.draw(c, 60, 26)
    matrix = cast(Matrix, pane.ways["matrix"])
    assert matrix._drawn is not None
    rows = compared.attention(s).rows.tolist()
    for row, column in ((0, 0), (3, 7), (11, 2)):
        place = matrix._drawn.place(row, column)
        assert place is not None
        chosen = pane.click(c, *place)
        assert (chosen.query, chosen.key) == (rows[row], rows[column])
    assert pane.click(c, 0, 0) == s


def test_clicks_on_the_arrow_map(compared: Project) -> None:
    s = selection(compared, example=1, view="A", attention_view="map")
    pane, c = AttentionPane(), Context(compared, s, PLAIN)
    lines = pane.draw(c, 60, 26).text().splitlines()
    texts = compared.tokens(1).texts
    y = next(n for n, line in enumerate(lines) if line.split()[:1] == ["captain"])
    left = pane.click(c, lines[y].index("captain"), y)
    assert (texts[left.query or 0], left.key) == ("captain", None)
    right = pane.click(c, lines[y].rindex("captain"), y)
    assert (right.query, texts[right.key or 0]) == (None, "captain")


def test_clicks_on_the_table_of_edges(compared: Project) -> None:
    s = selection(compared, example=1, view="A", attention_view="table")
    pane, c = AttentionPane(), Context(compared, s, PLAIN)
    lines = pane.draw(c, 60, 12).text().splitlines()
    texts = compared.pieces(1)
    for y in (1, 5, 9):
        chosen = pane.click(c, 8, y)
        _, query, one, _, key, two, *_ = lines[y].lstrip("▸> ").split()
        assert (chosen.query, chosen.key) == (int(query), int(key))
        assert (texts[int(query)], texts[int(key)]) == (one, two)
    assert pane.click(c, 8, 0) == s and pane.click(c, 8, 11) == s


def test_a_click_in_the_list_selects_the_row(compared: Project) -> None:
    pane, c = ExamplesPane(), Context(compared, selection(compared, example=11), PLAIN)
    lines = pane.draw(c, 40, 6).text().splitlines()
    for y in (1, 3, 5):
        assert f"{pane.click(c, 10, y).example:03d}" in lines[y]
    assert pane.click(c, 0, 0) == c.selection
    at = {name: lines[0].index(name) for name in ("id", "text")}
    assert pane.click(c, at["id"], 0).sort == "id"
    turned = pane.click(Context(compared, replace(c.selection, sort="id"), PLAIN), at["id"], 0)
    assert turned.sort == "-id"
    assert pane.click(c, at["text"] + 2, 0).sort == "text"


def test_long_ids_are_cut_where_they_are_alike() -> None:
    names = [f"validation-of-the-second-part-{n}" for n in (17, 18)]
    assert [text.middle(name, 12) for name in names] == ["valid…art-17", "valid…art-18"]
    assert text.middle("abc", 3) == "abc"
    assert all(text.width(text.middle("日本語日本語日", n)) <= n for n in range(15))


def test_what_was_searched_for_is_underlined_and_in_sight(compared: Project) -> None:
    pane, sentence = ExamplesPane(), compared.example_head(3)[1]
    wanted = sentence.split()[-1].strip(".")
    s = selection(compared, example=3, search=wanted)
    canvas = pane.draw(Context(compared, s, PLAIN), 40, 8)
    lines = canvas.text().splitlines()
    assert lines[0].startswith(f"/ {wanted}")
    (y,) = [y for y, line in enumerate(lines) if line.startswith("▸")]
    marked = [x for x in range(40) if canvas.ink(x, y).underline]
    assert "".join(canvas.char(x, y) for x in marked) == wanted
    assert pane.title(Context(compared, s, PLAIN)).endswith("of 12 shown")


def test_the_list_shows_what_it_is_sorted_by(compared: Project) -> None:
    pane, s = ExamplesPane(), selection(compared, sort="-source")
    sources = compared.a.examples["source"]
    known = sorted({value for value in sources if value is not None}, reverse=True)
    lines = pane.draw(Context(compared, s, PLAIN), 60, 14).text().splitlines()
    assert "source↓" in lines[0]
    shown = [next((n for n in known if n in line), None) for line in lines[1:13]]
    assert shown == [
        *sorted((v for v in sources if v), reverse=True),
        *[None] * sources.count(None),
    ]


def test_a_column_in_which_nothing_is_known_is_left_out(tmp_path: Path) -> None:
    project = Project.open([Recipe().write(tmp_path / "a.msgpack")])
    lines = ExamplesPane().draw(Context(project, Selection(), PLAIN), 40, 5).text().splitlines()
    assert lines[0].split() == ["id", "text"] and "·" not in "".join(lines)
    project.close()


def test_clicks_on_tokens_and_pairs_of_the_example(compared: Project) -> None:
    pane, c = ExamplePane(), Context(compared, selection(compared, example=1), PLAIN)
    lines = pane.draw(c, 110, 9).text().splitlines()
    texts = compared.tokens(1).texts
    for word in ("succeeded", "captain", "only", "[SEP]"):
        y = next(n for n, line in enumerate(lines) if word in line)
        chosen = pane.click(c, lines[y].index(word) + 1, y)
        assert chosen.query is not None and texts[chosen.query] == word
    y = next(n for n, line in enumerate(lines) if "Jose de Venecia – she" in line)
    assert pane.click(c, 5, y).pair == 1
    assert pane.click(c, 59, 4) == c.selection


@pytest.mark.parametrize("view", ["B", "B−A"])
def test_a_click_on_a_point_selects_its_example(view: state.View, compared: Project) -> None:
    s = selection(compared, example=0, view=view)
    pane, c = MapPane(), Context(compared, s, PLAIN)
    pane.draw(c, 100, 24)
    for part in pane._drawn:
        cells = part.view.cells(part.coordinates).tolist()
        for point in (3, 20, 40, 63):
            x, y = cells[point]
            there = {
                int(compared.points.examples[n]) for n, cell in enumerate(cells) if cell == [x, y]
            }
            assert pane.click(c, part.left + x, y).example in there


# -- moves ------------------------------------------------------------------------------------


def test_the_rectangle_marks_what_is_inside(compared: Project) -> None:
    s = selection(compared, view="B")
    pane, c = MapPane(), Context(compared, s, PLAIN, True)
    pane.draw(c, 60, 20)
    assert pane.box(c)
    pane.move(c, -99, -99)
    pane.move(c, 99, 99)
    chosen = pane.enter(c)
    assert chosen.scope == "marked" and chosen.marked
    cells = pane._drawn[0].view.cells(pane._drawn[0].coordinates)
    mine = cells[list(chosen.marked)]
    inside = (cells >= mine.min(axis=0)).all(axis=1) & (cells <= mine.max(axis=0)).all(axis=1)
    assert set(np.flatnonzero(inside).tolist()) == chosen.marked
    assert not pane.back(c)  # the rectangle is gone


def test_escape_gives_up_the_rectangle(compared: Project) -> None:
    pane, c = MapPane(), Context(compared, selection(compared, view="B"), PLAIN, True)
    pane.draw(c, 60, 20)
    assert pane.box(c) and pane.back(c) and not pane.back(c)


def test_the_cursor_of_the_map_goes_from_point_to_point(compared: Project) -> None:
    s = selection(compared, view="B", example=0)
    pane, c = MapPane(), Context(compared, s, PLAIN, True)
    pane.draw(c, 78, 18)
    assert pane.enter(c) == s  # no cursor yet
    pane.move(c, 1, 0)
    first = pane._cursor
    assert first in compared.points_of(0)
    xy = compared.file("B").coordinates(s.layer)
    pane.move(c, 1, 0)
    assert xy[pane._cursor, 0] > xy[first, 0]
    assert pane.enter(c).example == compared.points.examples[pane._cursor]
    assert (pane.mark(c) or s).marked == {pane._cursor}


def test_moves_in_the_matrix_begin_at_the_chosen_pair(compared: Project) -> None:
    s = selection(compared, example=1, view="A", attention_view="matrix")
    pane, c = AttentionPane(), Context(compared, s, PLAIN, True)
    (candidate, _), (pronoun, _) = compared.spans(s)
    moved = pane.move(c, 1, 0)
    assert (moved.query, moved.key) == (pronoun, candidate + 1)
    moved = pane.move(c._replace(selection=moved), 0, -1)
    assert (moved.query, moved.key) == (pronoun - 1, candidate + 1)


# -- the lines around the panes ---------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 5, 20, 40, 60, 80, 120, 160])
@pytest.mark.parametrize("look", LOOKS, ids=lambda k: f"{k.depth}{'-ascii' * k.ascii}")
def test_lines_fit_any_width(width: int, look: Look, compared: Project, alone: Project) -> None:
    panes = all_panes()
    for project in (compared, alone):
        s = selection(project, hide_special=True, marked=frozenset({0, 1}))
        c = Context(project, s, look)
        for pane in PANES:
            lines = [
                chrome.status(c, width),
                chrome.tabs(c, pane, width),
                chrome.foot(look, pane, "", width),
                chrome.foot(look, pane, "Only one file is open.", width),
            ]
            for line in lines:
                check_canvas(line.canvas, look, width, 1)
                for y, start, stop, action in line.hits:
                    assert y == 0 and start < stop
                    assert line.at(start, 0) == action
            found = chrome.gists(c, panes, pane, (width, 3))
            check_canvas(found.canvas, look, width, 3)
        check_canvas(chrome.tiny(look, width, 2).canvas, look, width, 2)


def test_the_status_line_tells_layer_head_example_metric_and_scope(compared: Project) -> None:
    s = selection(compared, layer=2, head_layer=1, head=3, metric="std", example=4, view="B")
    line = chrome.status(Context(compared, s, PLAIN), 160).canvas.text()
    for part in ("▸B tuned", "layer 2  head 1.3", "wsc-004", "standard deviation", "12 texts"):
        assert part in line
    assert "all 12 examples" in line and "hidden" not in line and "marked" not in line
    s = replace(s, scope="marked", marked=frozenset({0, 1, 60}), hide_special=True, view="B−A")
    line = chrome.status(Context(compared, s, PLAIN), 160).canvas.text()
    owners = {int(compared.points.examples[p]) for p in (0, 1, 60)}
    assert f"{len(owners)} marked examples" in line and "3 points marked" in line
    assert "▸B−A" in line and "specials hidden" in line


def test_layer_and_head_stay_in_the_status_line_longest(compared: Project) -> None:
    c = Context(compared, selection(compared), PLAIN)
    assert f"head {c.selection.head_name}" in chrome.status(c, 44).canvas.text()


def test_the_footer_never_drops_help_and_quit() -> None:
    for width in (24, 40, 80):
        line = chrome.foot(PLAIN, "map", "", width).canvas.text()
        assert "? help" in line and "q quit" in line


def test_depths_that_looks_know() -> None:
    assert {look.depth for look in LOOKS} == set(cast("tuple[Depth, ...]", Depth.__args__))  # type: ignore[attr-defined]


def test_goldens_on_disk_are_all_compared() -> None:
    """A picture that no test looks at is dead weight."""
    names = {_golden_name(name, changes) for name, _, changes in GOLDENS}
    stored = {p.stem.removesuffix("-ascii") for p in Path(goldens.FOLDER).glob("pane-*.txt")}
    assert stored == names


def test_the_legend_of_distances_has_their_values_at_the_layer(compared: Project) -> None:
    for layer in range(4):
        s = selection(compared, view="B−A", layer=layer)
        found = compared.distance_view(s)
        wide = pane_text(compared, s, 78)
        for curve, count in zip(found.curves, found.counts, strict=True):
            number = PLAIN.number(float(curve.mean[layer]), signed=True)
            assert f"{curve.label} {number} ({count})" in wide
        narrow = pane_text(compared, s, 30)
        assert all(count in narrow for count in found.counts[:1])  # no room for numbers


def pane_text(project: Project, s: Selection, width: int) -> str:
    """What the distance pane shows."""
    return DistancePane().draw(Context(project, s, PLAIN, True), width, 18).text()


@pytest.mark.parametrize("width", [40, 70])
def test_a_click_on_a_heading_leaves_an_arrow_there(width: int, compared: Project) -> None:
    pane = ExamplesPane()
    s = selection(compared)
    first = pane.draw(Context(compared, s, PLAIN, True), width, 8).text().split("\n")[0]
    assert "↑" not in first and "↓" not in first
    if width == 70:
        assert "A, B: score" in pane.title(Context(compared, s, PLAIN, True))
    for heading, name in (("A", "A."), ("B", "B."), ("id", "id")):
        s = selection(compared)
        for arrow in "↑↓":
            c = Context(compared, s, PLAIN, True)
            x = pane.draw(c, width, 8).text().split("\n")[0].index(heading)
            s = pane.click(c, x, 0)
            assert s.sort.removeprefix("-").startswith(name)
            line = pane.draw(Context(compared, s, PLAIN, True), width, 8).text().split("\n")[0]
            assert line.count(arrow) == 1 and re.search(rf"{heading} ?{arrow}", line)
