"""The map pane: parts of the map, rectangles, paths through the layers, crowded cells, legends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from collateral import Collateral
from tests.tui.handmade import Recipe
from tests.tui.test_panes import PLAIN, selection
from tui import state
from tui.look import Look
from tui.pane import Context
from tui.panes.map import MapPane
from tui.parts import map_path, map_points
from tui.parts.map_lines import layer_strip
from tui.plots.legends import class_legend, density_legend
from tui.plots.scatter import ground
from tui.project import Project
from tui.state import Selection
from tui.window import WHOLE, Window

SIZE = (78, 18)
Floats = NDArray[np.float64]


def at(project: Project, s: Selection, pane: MapPane) -> Context:
    """The context in which the pane was drawn for a selection."""
    c = Context(project, s, PLAIN, True)
    pane.prepare(c)
    pane.draw(c, *SIZE)
    return c


def shares(project: Project, side: str, layer: int) -> Floats:
    """Where the points are in the frame of their map, by hand: 3 % of margin on each side."""
    xy = project.file("A" if side == "A" else "B").coordinates(layer).astype(float)
    low, high = xy.min(axis=0), xy.max(axis=0)
    margin = 0.03 * (high - low)
    return np.asarray((xy - low + margin) / (high - low + 2 * margin))


# -- parts of the map -------------------------------------------------------------------------


def test_zooming_keeps_the_point_under_the_cursor_where_it_is(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B", example=4)
    c = at(compared, s, pane)
    pane.move(c, 1, 0)
    row = pane._cursor
    before = pane._drawn[0].view.cells(pane._drawn[0].coordinates[[row]])[0]
    for _ in range(3):
        s = pane.act(c, "more") or s
        c = at(compared, s, pane)
    after = pane._drawn[0].view.cells(pane._drawn[0].coordinates[[row]])[0]
    assert s.window_b.zoom == 8 and np.abs(after - before).max() <= 8  # less at the map's edges
    assert "zoom 8x" in pane.title(c)
    assert pane.act(c, "whole") == replace(s, window_a=WHOLE, window_b=WHOLE)


def test_only_what_the_part_shows_is_seen_and_that_is_counted(compared: Project) -> None:
    part = Window(2, 0.25, 0.75)  # the upper left quarter
    pane, s = MapPane(), selection(compared, view="B", example=4, window_b=part)
    c = at(compared, s, pane)
    place = shares(compared, "B", s.layer)
    inside = (place[:, 0] <= 0.5) & (place[:, 1] >= 0.5)
    assert 0 < inside.sum() < len(inside)
    assert (pane._drawn[0].ground.dots.visible == inside).all()
    lines = pane.draw(c, *SIZE).text().splitlines()
    assert f"{inside.sum()} of {len(inside)} points" in lines[-1]
    stars = [p for p in compared.points_of(4) if not inside[p]]
    assert (f"{len(stars)} ★ outside" in pane.title(c)) == bool(stars)


def test_the_part_stays_when_the_layer_changes(compared: Project) -> None:
    s = selection(compared, view="B", window_b=Window(4, 0.3, 0.6))
    assert state.step_layer(s, compared.limits, -1).window_b == Window(4, 0.3, 0.6)


@pytest.mark.parametrize(("name", "step"), [("pan-left", (-1, 0)), ("pan-up", (0, 1))])
def test_panning_moves_both_maps_by_a_quarter_of_what_is_shown(
    name: str, step: tuple[int, int], compared: Project
) -> None:
    window = Window(4, 0.5, 0.5)
    pane, s = MapPane(), selection(compared, view="B−A", window_a=window, window_b=window)
    moved = pane.act(at(compared, s, pane), name)
    expected = Window(4, 0.5 + step[0] / 16, 0.5 + step[1] / 16)
    assert moved is not None and moved.window_a == moved.window_b == expected


def test_the_rectangle_marks_what_is_inside_of_a_part_too(compared: Project) -> None:
    s = selection(compared, view="B", window_b=Window(2, 0.4, 0.6))
    pane = MapPane()
    c = at(compared, s, pane)
    chosen = pane.drag(c, (10, 3), (60, 12), done=True)
    place = (shares(compared, "B", s.layer) - (0.4, 0.6)) * 2 + 0.5
    width, height = pane._drawn[0].view.width, pane._drawn[0].view.height
    cell = np.stack([place[:, 0] * width, (1 - place[:, 1]) * height], axis=1)
    inside = (cell >= (10, 3)).all(axis=1) & (cell < (61, 13)).all(axis=1)
    assert chosen is not None and chosen.marked == set(np.flatnonzero(inside).tolist()) != set()


def test_a_drag_that_begins_outside_the_maps_does_nothing(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B")
    c = at(compared, s, pane)
    assert pane.drag(c, (3, SIZE[1] - 1), (20, 5), done=False) is None
    assert pane.drag(c, (-1, 5), (20, 5), done=True) is None


def test_a_drag_in_the_second_map_is_of_the_second_model(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B−A", layer=2)
    c = at(compared, s, pane)
    right = pane._drawn[1]
    chosen = pane.drag(c, (right.left, 0), (SIZE[0], 99), done=True)
    assert chosen is not None and len(chosen.marked) == len(compared.file("B").points)


def test_an_arrow_at_the_edge_of_the_part_goes_on_beyond_it(compared: Project) -> None:
    place = shares(compared, "B", 3)
    row = int(place[:, 0].argsort()[len(place) // 2])
    x, y = place[row].tolist()
    part = Window(512, x, y).inside()  # it shows this point and hardly another
    pane, s = MapPane(), selection(compared, view="B", layer=3, window_b=part)
    pane._cursor = row
    c = at(compared, s, pane)
    assert pane._drawn[0].ground.dots.visible[row]
    moved = pane.move(c, 1, 0)
    if pane._drawn[0].ground.dots.visible.sum() > 1:
        pytest.skip("another point happens to be as near")
    assert place[pane._cursor, 0] > x and moved.window_b.zoom == 512
    at(compared, moved, pane)
    assert pane._drawn[0].ground.dots.visible[pane._cursor]


def test_the_wheel_zooms_only_the_map_under_the_mouse(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B−A")
    c = at(compared, s, pane)
    right = pane._drawn[1]
    zoomed = pane.wheel(c, right.left + 3, 2, -1)
    assert zoomed.window_a == WHOLE and zoomed.window_b.zoom == pytest.approx(2**0.5)
    at(compared, zoomed, pane)
    assert "zoom 1 | 1.41x" in pane.title(Context(compared, zoomed, PLAIN))
    assert pane.wheel(c, 2, SIZE[1] - 1, -1) == s  # over the strip


# -- the strip of layers ----------------------------------------------------------------------


def test_the_strip_has_a_bar_per_layer_and_a_click_goes_there(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B", layer=3)
    c = at(compared, s, pane)
    name, quality = next(iter(compared.file("B").quality.items()))
    strip = layer_strip(c, 100, [(d.side, d.ground) for d in pane._drawn], ("B",))
    words = strip.canvas.text()
    bars = [words[words.index(f" {layer}") + 2] for layer in range(4)]
    order = np.argsort(quality, kind="stable")
    assert [PLAIN.marks.bars.index(bars[n]) for n in order] == sorted(
        PLAIN.marks.bars.index(bar) for bar in bars
    )
    assert bars[int(np.argmax(quality))] == "█" and bars[int(np.argmin(quality))] == "▁"
    assert name.replace("trustworthiness", "trust") in words
    for layer in range(4):
        x = words.index(f" {layer}") + 1
        clicked = pane.click(c, x, SIZE[1] - 1)
        assert clicked.layer == layer
        assert clicked == state.step_layer(s, compared.limits, layer - s.layer)
    assert pane.click(c, SIZE[0] - 1, SIZE[1] - 1) == s


def test_of_very_many_layers_bars_around_the_chosen_one_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = {n: np.zeros((2, 2)) for n in range(81)}
    path = Recipe(layers=80, points=(0, 1), maps=maps).write(tmp_path / "f.msgpack")
    with_quality = Project.open([path])
    quality = {"trustworthiness@15": np.linspace(0.5, 1, 81, dtype=np.float32)}
    monkeypatch.setattr(Collateral, "quality", quality)
    for layer in (0, 40, 80):
        c = Context(with_quality, selection(with_quality, layer=layer), PLAIN)
        strip = layer_strip(c, 60, (), ("A",))
        assert strip.canvas.text().startswith(f"layer {layer} of 0-80 ")
        shown = [found for _, _, found in strip.hits]
        assert layer in shown and shown == list(range(shown[0], shown[-1] + 1))
        assert len(shown) >= 10
    with_quality.close()


# -- paths ------------------------------------------------------------------------------------


def test_a_path_goes_through_the_places_in_each_map(compared: Project) -> None:
    s = selection(compared, view="B", example=4, path=True)
    c = Context(compared, s, PLAIN)
    rows = list(map_path.followed(c, "B"))
    stops = map_path.stops(c, "B")
    assert stops.shape == (len(rows), 4, 2) and 0 < len(rows) <= map_path.MOST_ROUTES
    for layer in range(4):
        assert np.allclose(stops[:, layer], shares(compared, "B", layer)[rows], atol=1e-5)


def test_the_pair_is_followed_first_and_marked_points_instead(compared: Project) -> None:
    s = selection(compared, view="B", example=9, path=True)
    first = next(iter(map_path.followed(Context(compared, s, PLAIN), "B")))
    start = compared.points.tokens[first, 0]
    item = compared.item_span(s)
    spans = compared.spans(s) if item is None else [item]
    assert any(a <= start < b for a, b in spans)
    marked = replace(s, marked=frozenset({5, 2, 11}))
    assert list(map_path.followed(Context(compared, marked, PLAIN), "B")) == [2, 5, 11]


def test_a_path_is_drawn_with_the_numbers_of_its_layers_and_what_it_is_worth(
    compared: Project,
) -> None:
    pane, s = MapPane(), selection(compared, view="B", layer=3, example=4)
    plain = pane.draw(at(compared, s, pane), 100, 40).text()
    s = replace(s, path=True)
    c = at(compared, s, pane)._replace(look=Look("none"))
    words = pane.draw(c, 100, 40).text()
    assert words != plain and "layers 0-3: " in words
    start = compared.a.meta.settings.get("projection_start")
    assert ("if maps share a start" in words) == (start is None)
    rows = map_path.followed(Context(compared, s, PLAIN), "B")
    letters = {word[0] for word in rows.values()}
    assert any(f"{letter}{layer}" in words for letter in letters for layer in range(3))


def test_a_path_waits_for_the_maps_of_all_layers(compared: Project) -> None:
    fresh = Project(compared.a, compared.b, compared.names)
    pane, s = MapPane(), selection(fresh, view="B", path=True)
    c = Context(fresh, s, PLAIN)
    assert pane.ready(c._replace(selection=replace(s, path=False))) and not pane.ready(c)
    pane.prepare(c)
    assert pane.ready(c)


# -- crowded cells ----------------------------------------------------------------------------


def crowd(count: int) -> tuple[Floats, NDArray[np.int32]]:
    """Points in three places, ever more of them, of three classes."""
    rng = np.random.default_rng(count)
    place = rng.choice(3, count, p=(0.01, 0.09, 0.9))
    return np.stack([place + 0.5, np.full(count, 0.5)], axis=1), place.astype(np.int32)


@pytest.mark.parametrize("look", [Look(), Look("16"), Look("none"), Look("16", True)])
def test_shades_tell_how_many_points_a_cell_holds(look: Look) -> None:
    from tui.plots.plane import Bounds

    xy, classes = crowd(2000)
    counts = np.bincount(classes)
    drawn = ground(xy, classes, look, 3, 1, bounds=Bounds(0, 0, 3, 1))
    assert drawn.densest == counts.max() and drawn.edges[0] == 1  # 2,000 points > 4 per cell
    levels = [sum(count >= edge for edge in drawn.edges) for count in counts]
    assert levels == sorted(levels) and levels[0] < levels[1] < levels[2]
    seen = [(drawn.canvas.char(x, 0), drawn.canvas.ink(x, 0)) for x in range(3)]
    assert len(set(seen)) == 3
    if look.depth == "none":
        assert [char for char, _ in seen] == [look.category(n)[1] for n in range(3)]
        assert len({ink for _, ink in seen}) == 3
    else:
        signs = "░▒▓█" if not look.ascii else ".:!$"
        assert [signs[-len(drawn.edges) :].index(char) + 1 for char, _ in seen] == levels
        assert [ink.fg for _, ink in seen] == [look.category(n)[0] for n in range(3)]
    words = density_legend(look, drawn.edges, drawn.densest, 60).text()
    assert words.endswith(f"-{counts.max():,} a cell")
    assert all(f"{edge}" in words for edge in drawn.edges)


def test_few_points_are_dots_unless_density_is_asked_for(compared: Project) -> None:
    pane, s = MapPane(), selection(compared, view="B")
    c = at(compared, s, pane)
    assert not pane._drawn[0].ground.edges
    on = pane.act(c, "density")
    assert on == replace(s, density="on")
    c = at(compared, replace(s, density="on"), pane)
    assert pane._drawn[0].ground.edges and "a cell" in pane.draw(c, *SIZE).text()
    assert pane.act(c, "density") == replace(s, density="off")


def test_what_was_drawn_is_kept_while_the_cursor_moves(
    compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pane, s = MapPane(), selection(compared, view="B", layer=2)
    c = at(compared, s, pane)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(map_points, "ground", never)
    for _ in range(3):
        pane.move(c, 1, 0)
        pane.draw(c, *SIZE)


# -- what is said of colours ------------------------------------------------------------------


def test_of_many_classes_the_largest_are_named() -> None:
    labels = [f"c{n}" for n in range(50)]
    counts = [n % 7 + 1 for n in range(50)]
    counts[33] = 900
    words = class_legend(labels, counts, Look(), 60, unknown=4).text()
    assert " c33 900  " in words and words.index("c33") < 4
    named = words.count("  ")
    assert words.endswith(f"+{51 - named} more")
    few = class_legend(labels[:3], [1, 0, 5], Look(), 60).text()
    assert "c0 1" in few and "c2 5" in few and "c1" not in few and few.index("c0") < few.index("c2")


def test_the_title_says_which_column_of_how_many_and_whose_tokens(
    compared: Project, tasks: dict[str, Project]
) -> None:
    s = selection(compared, view="B")
    count = len(compared.limits.colourings)
    place = compared.limits.colourings.index(s.colouring) + 1
    pane = MapPane()
    assert f"({place} of {count})" in pane.title(at(compared, s, pane))
    project = tasks["translation-2"]
    title = MapPane().title(Context(project, selection(project), PLAIN))
    side = project.a.meta.settings.get("side")
    assert (f"{side} tokens" in title) == (side in ("source", "target"))


def test_a_map_opens_with_a_column_that_says_something(
    compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.views import opening

    told: Callable[..., bool] = lambda table, name: name == "role"  # noqa: E731
    monkeypatch.setattr(opening, "_says_anything", told)
    assert opening.first_selection(compared).colouring == "role"
    monkeypatch.setattr(opening, "_says_anything", lambda *_: False)
    assert opening.first_selection(compared).colouring == compared.limits.colourings[0]
