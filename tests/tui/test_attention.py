"""The ways of showing attention: shares of rows, several heads, heads of a pair, overviews."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from collateral import Tokens
from tests.factory import write_collateral
from tests.tui.test_panes import LOOKS, PLAIN, check_canvas, selection
from tui import state
from tui.actions import footer
from tui.pane import Context
from tui.panes.attention import AttentionPane
from tui.panes.attention.arrow_map import Map
from tui.panes.attention.near import near
from tui.panes.attention.overview import Overview
from tui.panes.attention.table import _Sorted
from tui.panes.attention.way import _nth
from tui.plots.arrows import MOST_LINES, arrows
from tui.project import Project
from tui.state import Selection
from tui.views import attention as views
from tui.views.answers import AttentionGrid


def lines_of(
    pane: AttentionPane, project: Project, s: Selection, size: tuple[int, int]
) -> list[str]:
    """What the pane shows, line by line."""
    return pane.draw(Context(project, s, PLAIN, True), *size).text().splitlines()


def signed(words: str) -> float:
    """A number as it is shown."""
    return float(words.replace("−", "-"))


# -- shares of rows -----------------------------------------------------------------------------


def test_the_share_goes_up_and_down_from_what_is_shown() -> None:
    s = Selection()
    assert state.step_share(s, 70, 1).share == 80
    assert state.step_share(s, 95, -1).share == 90
    assert state.step_share(s, 100, 1).share == 100
    assert state.step_share(s, 50, -1).share == 50


def test_edges_without_room_are_counted_in_words(compared: Project) -> None:
    s = selection(compared, view="A", example=1, attention_view="map", query=3)
    grid = compared.attention(s)
    row = np.sort(grid.weights[3].astype(float))[::-1]
    wanted = int(np.searchsorted(np.cumsum(row) / row.sum(), 0.95)) + 1
    assert wanted > 6
    part = near(grid, 3, None, 7, 0.95)
    percent = round(100 * row[:6].sum() / row.sum())
    assert part.note == f"6 of {wanted} edges fit: {percent} % of the row"
    percent = round(100 * row[:wanted].sum() / row.sum())
    enough = near(grid, 3, None, 20, 0.95)
    assert enough.note == f"{wanted} of {len(row)} tokens: {percent} % of the row"
    assert part.note in "\n".join(lines_of(AttentionPane(), compared, s, (60, 8)))


def test_no_smaller_number_of_edges_makes_up_the_share(compared: Project) -> None:
    pane = AttentionPane()
    s = selection(compared, view="B", example=1, attention_view="map", query=state.ALL_TOKENS)
    weights = compared.attention(s).weights.astype(float)
    for share in state.SHARES:
        s = replace(s, share=share)
        assert f"edges: {share} % of each row" in "\n".join(lines_of(pane, compared, s, (70, 30)))
        drawn = cast(Map, pane.ways["map"])._drawn
        assert drawn is not None
        needed = 0
        for row in weights:
            falling = np.cumsum(np.sort(row)[::-1])
            needed += int(np.argmax(falling >= share / 100 * falling[-1] - 1e-12)) + 1
        assert drawn.edges == needed
        table = lines_of(AttentionPane(), compared, replace(s, attention_view="table"), (70, 12))
        if share < 100:
            assert f"{needed} edges, {share} % of each row" in table[-1]
        else:
            assert f"{weights.size} edges, largest" in table[-1]


def test_plus_begins_at_the_share_that_the_map_shows(compared: Project) -> None:
    pane = AttentionPane()
    s = selection(compared, example=1, attention_view="map", query=state.ALL_TOKENS)
    assert cast(Selection, pane.act(Context(compared, s, PLAIN), "more")).share == 80
    s = replace(s, query=3)
    assert cast(Selection, pane.act(Context(compared, s, PLAIN), "less")).share == 90
    s = replace(s, attention_view="table")
    assert cast(Selection, pane.act(Context(compared, s, PLAIN), "less")).share == 99
    s = replace(s, attention_view="matrix")
    assert pane.act(Context(compared, s, PLAIN), "more") is None


# -- several heads together ---------------------------------------------------------------------


COMBINED: dict[str, Callable[[Any], Any]] = {
    "layer-mean": lambda maps: maps[1].mean(axis=0),
    "layer-maximum": lambda maps: maps[1].max(axis=0),
    "mean": lambda maps: maps.mean(axis=(0, 1)),
    "maximum": lambda maps: maps.max(axis=(0, 1)),
}


@pytest.mark.parametrize("combine", sorted(COMBINED))
def test_several_heads_together_are_what_numpy_says(combine: str, compared: Project) -> None:
    assert compared.b is not None
    a, b = (COMBINED[combine](f.attention(1).astype(float)) for f in (compared.a, compared.b))
    for view, expected in (("A", a), ("B", b), ("B−A", b - a)):
        s = selection(compared, view=view, example=1, head_layer=1, head=2, combine=combine)
        np.testing.assert_allclose(compared.attention(s).weights, expected, atol=1e-6)
        other = compared.attention(replace(s, head=0))
        assert other is compared.attention(s), "any head of the layer gives the same"
        title = AttentionPane().title(Context(compared, s, PLAIN))
        how = combine.rpartition("-")[2]
        where = "layer 1, 4 heads" if "layer" in combine else "all layers, 12 heads"
        assert f"{how} of {where}" in title


def test_weights_are_lengthened_before_they_are_combined(tasks: dict[str, Project]) -> None:
    project = tasks["tagging-1"]
    s = selection(project, example=0, head_layer=1, combine="layer-maximum", weighted=True)
    products = project.a.attention(0, layer=1) * project.a.value_norms(0, layer=1)[:, None]
    np.testing.assert_allclose(project.attention(s).weights, products.max(axis=0), rtol=1e-6)


def test_what_is_left_over_of_several_heads_is_their_mean(tasks: dict[str, Project]) -> None:
    project = tasks["model-1"]
    s = selection(project, example=0, query=7, head_layer=1, combine="layer-mean")
    rests = project.attention(s).rests[""]
    expected = project.a.attention_rest(0, layer=1).mean(axis=0)
    np.testing.assert_allclose(rests, expected, atol=1e-6)
    assert project.attention(replace(s, combine="maximum")).rests == {}
    assert "left out" not in AttentionPane().title(
        Context(project, replace(s, combine="maximum"), PLAIN)
    )


# -- the heads of a pair of tokens --------------------------------------------------------------


@pytest.mark.parametrize("view", state.VIEWS)
def test_the_heads_of_a_pair_of_tokens_are_sorted(view: state.View, compared: Project) -> None:
    assert compared.b is not None
    a, b = (f.attention(1)[:, :, 7, 3] for f in (compared.a, compared.b))
    expected = {"A": a, "B": b, "B−A": b - a}[view]
    s = selection(compared, view=view, example=1, query=7, key=3, attention_view="heads")
    lines = lines_of(AttentionPane(), compared, s, (40, 16))
    found = [line.replace("▸", " ").split()[1:3] for line in lines[3:15]]
    assert len(found) == expected.size == len({head for head, _ in found})
    for head, number in found:
        layer, _, own = head.partition(".")
        assert signed(number) == pytest.approx(expected[int(layer), int(own)], abs=5.1e-5)
    sizes = [abs(signed(number)) for _, number in found]
    assert sizes == sorted(sizes, reverse=True)
    texts = compared.pieces(1)
    assert lines[0].startswith(f"{texts[7]} 7 → {texts[3]} 3 (2 of 3)  {s.head_name} ")


def test_walking_through_the_heads_of_a_pair(compared: Project) -> None:
    s = selection(compared, view="B", example=1, query=7, key=3, attention_view="heads")
    weights = compared.file("B").attention(1)[:, :, 7, 3]
    order = [divmod(int(flat), 4) for flat in np.argsort(-weights.ravel(), kind="stable")]
    pane = AttentionPane()
    s = pane.jump(Context(compared, s, PLAIN), end=False)
    for layer, head in order:
        assert (s.head_layer, s.head) == (layer, head)
        s = pane.move(Context(compared, s, PLAIN), 0, 1)
    turned = pane.move(Context(compared, s, PLAIN), 1, 0)
    assert (turned.query, turned.key, turned.head_name) == (7, 4, s.head_name)
    kept = pane.enter(Context(compared, turned, PLAIN))
    assert kept.attention_view == "matrix" and (kept.query, kept.key) == (7, 4)


def test_clicks_on_the_heads_of_a_pair(compared: Project) -> None:
    s = selection(compared, view="A", example=1, query=7, key=3, attention_view="heads")
    pane = AttentionPane()
    lines = lines_of(pane, compared, s, (70, 14))
    c = Context(compared, s, PLAIN)
    for y in (3, 6, 11):
        head = lines[y].replace("▸", " ").split()[1]
        assert pane.click(c, 6, y).head_name == head
    grid = pane.ways["heads"]._grid  # type: ignore[attr-defined]
    x, y = grid.place(2, 1)
    assert pane.click(c, pane.ways["heads"]._grid_x + x, 2 + y).head_name == "2.1"  # type: ignore[attr-defined]
    assert pane.click(c, 0, 0) == s


def test_the_heads_of_a_pair_follow_kind_and_values(tasks: dict[str, Project]) -> None:
    project = tasks["translation-1"]
    s = selection(project, example=1, kind="cross", query=13, key=4)
    links = views.head_links(project, s, 13, 4)
    np.testing.assert_array_equal(links.weights, project.a.attention(1, "cross")[:, :, 3, 4])
    project = tasks["tagging-1"]
    s = selection(project, example=0, weighted=True)
    links = views.head_links(project, s, 2, 1)
    expected = project.a.attention(0)[:, :, 2, 1] * project.a.value_norms(0)[:, :, 1]
    np.testing.assert_allclose(links.weights, expected, rtol=1e-6)


# -- overviews ----------------------------------------------------------------------------------


def test_a_smaller_matrix_keeps_the_largest_numbers() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(11, 7)).astype(np.float32)
    small = views.largest_of(matrix, 4, 3)
    rows, columns = [n * 11 // 4 for n in range(5)], [n * 7 // 3 for n in range(4)]
    for i in range(4):
        for j in range(3):
            part = matrix[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].ravel()
            assert small[i, j] == part[np.abs(part).argmax()]
    np.testing.assert_array_equal(views.largest_of(matrix, 20, 20), matrix)
    holed = matrix.copy()
    holed[:2] = np.nan
    assert not np.isnan(views.largest_of(holed, 4, 3)[1:]).any()
    assert np.isnan(views.largest_of(np.full((4, 4), np.nan, np.float32), 2, 2)).all()


@pytest.mark.parametrize("look", LOOKS, ids=lambda k: f"{k.depth}{'-ascii' * k.ascii}")
@pytest.mark.parametrize("way", ["layer", "layers"])
def test_overviews_name_every_head_in_sight(
    way: state.AttentionView, look: Any, compared: Project
) -> None:
    for view in ("A", "B−A"):
        s = selection(compared, view=view, example=1, attention_view=way, head_layer=1, head=2)
        pane = AttentionPane()
        canvas = pane.draw(Context(compared, s, look, True), 120, 42)
        check_canvas(canvas, look, 120, 42)
        names = {word for word in canvas.text().split() if "." in word}
        expected = {f"{layer}.{head}" for layer in ((1,) if way == "layer" else range(3))
                    for head in range(4)}  # fmt: skip
        assert expected <= names


def test_an_overview_of_small_heads_has_a_cell_per_weight(compared: Project) -> None:
    s = selection(compared, view="A", example=1, attention_view="layer", head_layer=1)
    look = LOOKS[4]  # shades, no colours
    pane = AttentionPane()
    canvas = pane.draw(Context(compared, s, look), 160, 60)
    maps = compared.a.attention(1, layer=1)
    plan = cast(Overview, pane.ways["layer"])._plan
    assert plan is not None and plan.side == maps.shape[1:]
    levels = look.levels()
    for head in range(4):
        x, y = cast(Overview, pane.ways["layer"])._place(plan, 1, head)
        for query in range(maps.shape[1]):
            for key in range(maps.shape[2]):
                share = maps[head, query, key] / maps.max()
                step = min(int(share * levels), levels - 1)
                assert canvas.char(x + 2 * key, y + 1 + query) == look.heat(step)[0][0]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A file of 80 layers with 64 heads each."""
    path = tmp_path_factory.mktemp("many") / "many.msgpack"
    return Project.open([write_collateral(path, examples=2, layers=80, heads=64, attention=1)])


@pytest.mark.parametrize("size", [(76, 16), (156, 38), (58, 14)])
@pytest.mark.parametrize("way", ["heads", "layer", "layers"])
def test_80_by_64_heads_are_all_reached(
    way: state.AttentionView, size: tuple[int, int], many: Project
) -> None:
    pane = AttentionPane()
    s = selection(many, example=0, attention_view=way, head_layer=0, head=0)
    for layer, head in ((0, 0), (0, 63), (79, 0), (79, 63), (40, 31)):
        s = replace(s, head_layer=layer, head=head)
        text = "\n".join(lines_of(pane, many, s, size))
        assert f"{layer}.{head}" in text
    if way == "layers":
        assert re.search(r"layers \d+-\d+ of 80, heads \d+-\d+ of 64", text)
    if way != "heads":
        s = replace(s, head_layer=0, head=0)
        for _ in range(63):
            s = pane.move(Context(many, s, PLAIN), 1, 0)
        assert s.head_name == "0.63"
        lines_of(pane, many, s, size)
        rows = {0: 1, **dict.fromkeys(range(1, 80), 0)}
        while s.head_layer < 79:
            s = pane.move(Context(many, s, PLAIN), 0, 1)
            rows[s.head_layer] += 1
        assert all(rows.values()), "no layer is jumped over"


def test_keys_and_clicks_in_overviews(compared: Project) -> None:
    s = selection(compared, view="B", example=1, attention_view="layers", head_layer=1, head=2)
    pane, c = AttentionPane(), Context(compared, s, PLAIN)
    pane.draw(c, 76, 20)
    plan = cast(Overview, pane.ways["layers"])._plan
    assert plan is not None
    x, y = cast(Overview, pane.ways["layers"])._place(plan, 2, 3)
    assert pane.click(c, x + 1, y + 1).head_name == "2.3"
    nearer = pane.act(c, "more")
    assert nearer is not None and nearer.attention_view == "layer"
    nearest = pane.act(c._replace(selection=nearer), "more")
    assert nearest is not None and nearest.attention_view == "matrix"
    further = pane.act(c._replace(selection=nearer), "less")
    assert further is not None and further.attention_view == "layers"


def test_the_table_sorts_only_where_one_looks(compared: Project) -> None:
    rng = np.random.default_rng(2)
    weights = rng.integers(0, 40, size=(90, 110)).astype(np.float32)  # many are equal
    grid = replace(compared.attention(selection(compared, example=1)), weights=weights)
    edges = _Sorted(grid, 100, "")
    order = np.argsort(-weights.ravel(), kind="stable")
    for start, stop in ((0, 20), (5000, 5030), (5010, 5040), (9890, 9900), (20, 40), (9000, 99999)):
        np.testing.assert_array_equal(edges.between(start, stop), order[start:stop])
        assert len(edges._order) <= 2000 + stop - start
    for rank in (0, 17, 4321, 9899):
        assert edges.rank(int(order[rank])) == rank


def test_very_many_lines_are_not_drawn_and_it_is_said(compared: Project) -> None:
    n = 300
    weights = np.random.default_rng(1).dirichlet(np.ones(n), size=n)
    labels = [f"w{place}" for place in range(n)]
    drawn = arrows(weights, labels, labels, PLAIN, 110, 30, query=None, key=None)
    assert drawn.edges == MOST_LINES
    assert drawn.note == f"the strongest {MOST_LINES:,} edges: 70 % of each row in sight"


@pytest.mark.parametrize("words", ["she", "SHE >", "> e", "e > she", "e\u2192she"])
def test_the_table_shows_the_edges_of_some_tokens_only(words: str, compared: Project) -> None:
    s = selection(compared, example=1, edges=words)
    grid = compared.attention(s)
    first, arrow, second = words.casefold().replace("\u2192", ">").partition(">")
    second = second if arrow else first
    both = all if arrow else any
    expected = [
        (query, key)
        for query, one in enumerate(grid.labels)
        for key, other in enumerate(grid.key_labels)
        if both((first.strip() in one.casefold(), second.strip() in other.casefold()))
    ]
    assert 0 < len(expected) < grid.weights.size
    assert [*zip(*np.nonzero(views.edges_of(grid, words)), strict=True)] == expected
    c = Context(compared, replace(s, attention_view="table"), PLAIN)
    drawn = AttentionPane().draw(c, 78, 16)
    whole = all(
        any(part.strip() in ("", label) for label in grid.labels) for part in (first, second)
    )
    which = f'"{words}"' if whole else f'tokens with "{words}"'
    assert f"{len(expected)} edges of {which}" in drawn.text()


def test_a_token_that_is_the_word_comes_before_those_that_contain_it() -> None:
    texts = ("[CLS]", "He", "saw", "henry", "##he", "the", "[SEP]")
    shown = ("[CLS]", "He", "saw", "henry", "·he", "the", "[SEP]")
    tokens = Tokens(texts, np.zeros((7, 2), np.int32), np.zeros(7, bool), np.arange(7, dtype="i4"))
    places = np.arange(7, dtype=np.int32)
    grid = AttentionGrid(np.full((7, 7), 1 / 7, "f4"), tokens, places, places, False, "")
    grid = replace(grid, pieces=shown)

    def rows(words: str, some: AttentionGrid = grid) -> list[int]:
        return np.flatnonzero(views.edges_of(some, words).all(axis=1)).tolist()

    assert rows("he >") == [1] and views.edges_words(grid, "he >") == '"he >"'
    assert rows("·HE >") == [4] and rows("##he >") == [4]
    assert rows("hen >") == [3] and views.edges_words(grid, "hen >") == 'tokens with "hen >"'
    hidden = replace(grid, rows=places[2:], columns=places[2:], weights=grid.weights[2:, 2:])
    assert rows("he >", hidden) == [1, 2, 3]  # the word itself is not shown


def test_minus_goes_back_from_the_matrix_the_way_that_plus_came(compared: Project) -> None:
    s = selection(compared, view="B", example=1, attention_view="layers", combine="mean")
    pane, seen = AttentionPane(), []
    for name in ("more", "more", "less", "less"):
        found = pane.act(Context(compared, s, PLAIN), name)
        assert found is not None
        s = found
        seen.append(s.attention_view)
    assert seen == ["layer", "matrix", "layer", "layers"]


@pytest.mark.parametrize("view", state.ATTENTION_VIEWS)
def test_the_footer_names_more_and_less_where_they_do_something(
    view: state.AttentionView, compared: Project
) -> None:
    pane = AttentionPane()
    c = Context(compared, selection(compared, example=1, attention_view=view), PLAIN)
    pane.draw(c, 76, 20)
    works = {name for name in ("more", "less") if pane.act(c, name) not in (None, c.selection)}
    if view == "table":
        works.add("more")  # everything is shown already, but there is a share
    shown = " ".join(f"{key} {label}" for key, label, _ in footer("attention", pane.idle(c)))
    assert {"more": "+ more" in shown, "less": "- " in shown} == {
        name: name in works for name in ("more", "less")
    }


def test_heads_by_weight_say_that_one_token_of_several_counts(compared: Project) -> None:
    s = selection(compared, example=1, attention_view="heads", view="A")
    (first, last), (pronoun, _) = compared.spans(s)
    assert last - first == 3  # tch aiko vsky
    pane = AttentionPane()
    lines = lines_of(pane, compared, s, (90, 20))
    assert lines[0].startswith(f"she {pronoun} → tch {first} (1st of 3 tokens)")
    assert "metrics of pairs (4, t) take whole spans" in lines[1]
    assert lines[2].split()[:2] == ["head", "weight"]
    clicked = pane.click(Context(compared, s, PLAIN, True), 5, 3)
    layer, head = lines[3].lstrip("▸").split()[1].split(".")
    assert (clicked.head_layer, clicked.head) == (int(layer), int(head))
    third = state.choose_tokens(s, pronoun, last - 1)
    assert "(3rd of 3 tokens)" in lines_of(pane, compared, third, (90, 20))[0]
    other = state.choose_tokens(s, pronoun, pronoun + 1)
    lines = lines_of(pane, compared, other, (90, 20))
    assert "(" not in lines[0] and lines[1].split()[:2] == ["head", "weight"]
    words = compared.tokens(1).words
    inside = next(n for n in range(last, len(words) - 1) if words[n] == words[n + 1] >= 0)
    piece = lines_of(pane, compared, state.choose_tokens(s, pronoun, inside + 1), (90, 20))
    assert "(2nd of 2 pieces)" in piece[0]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st")],
)
def test_ordinal_numbers(number: int, expected: str) -> None:
    assert _nth(number) == expected
