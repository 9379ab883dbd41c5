"""The head pane: ranked list, means at the edges, a colour range by hand, very many heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from collateral import Collateral
from tests.factory import write_collateral
from tests.tui.handmade import Recipe
from tests.tui.test_panes import LOOKS, PLAIN, check_canvas, selection
from tui import state
from tui.commands import COMMANDS
from tui.look import Look
from tui.pane import Context
from tui.panes.heads import HeadsPane
from tui.plots.bar import bar
from tui.project import Project
from tui.refusal import Refused
from tui.state import Selection, set_range
from tui.views import heads


def lines_of(
    project: Project, s: Selection, size: tuple[int, int], look: Look = PLAIN
) -> list[str]:
    """What a fresh pane shows, line by line."""
    return HeadsPane().draw(Context(project, s, look, True), *size).text().splitlines()


@pytest.mark.parametrize("view", state.VIEWS)
def test_the_list_has_every_head_once_in_order(view: state.View, compared: Project) -> None:
    s = selection(compared, view=view, ranked=True, metric="std")
    values = compared.head_view(s).values
    found = [line.replace("▸", " ").split()[1:3] for line in lines_of(compared, s, (50, 15))[1:13]]
    heads = [tuple(map(int, head.split("."))) for head, _ in found]
    assert len(set(heads)) == values.size
    numbers = [values[head] for head in heads]
    sizes = np.abs(numbers) if view == "B−A" else numbers
    assert (np.diff(sizes) <= 0).all()
    for (_, word), number in zip(found, numbers, strict=True):
        assert float(word.replace("−", "-")) == pytest.approx(float(number), rel=5.1e-4)


def test_walking_and_clicking_in_the_list(compared: Project) -> None:
    pane, s = HeadsPane(), selection(compared, view="A", ranked=True, metric="std")
    values = compared.head_view(s).values
    s = pane.jump(Context(compared, s, PLAIN), end=False)
    order = [divmod(int(flat), 4) for flat in np.argsort(-values.ravel(), kind="stable")]
    for layer, head in order:
        assert (s.head_layer, s.head) == (layer, head)
        s = pane.move(Context(compared, s, PLAIN), 0, 1)
    c = Context(compared, s, PLAIN)
    pane.draw(c, 50, 15)
    clicked = pane.click(c, 5, 3)
    assert (clicked.head_layer, clicked.head) == order[2]
    assert pane.click(c, 5, 0) == s
    assert not pane.enter(c).ranked


def test_undefined_heads_end_the_list(tmp_path: Path) -> None:
    values = np.array([[[0.25, np.nan], [0.5, -0.125]]] * 3)
    path = Recipe(metrics={"m": values}).write(tmp_path / "file.msgpack")
    project = Project.open([path])
    s = selection(project, metric="m", ranked=True, head_layer=0, head=1)
    lines = [line.replace("▸", " ").split()[1:3] for line in lines_of(project, s, (50, 8))[1:5]]
    assert lines == [["1.0", "0.5"], ["0.0", "0.25"], ["1.1", "−0.125"], ["0.1", "undefined"]]


def test_the_means_of_rows_and_columns(tmp_path: Path) -> None:
    values = np.array([[[0.1, 0.3, np.nan], [0.5, np.nan, np.nan]]] * 3)
    path = Recipe(metrics={"m": values}, heads=3).write(tmp_path / "file.msgpack")
    project = Project.open([path])
    s = selection(project, metric="m", head_layer=0, head=0)
    lines = lines_of(project, s, (60, 12))
    assert lines[0].split()[-1] == "mean"
    assert lines[1].replace("▐", " ").replace("▌", " ").split() == ["0", "10", "30", "?", "20"]
    assert lines[2].split() == ["1", "50", "?", "?", "50"]
    assert lines[3].split() == ["mean", "30", "30", "?"]
    small = lines_of(project, s, (18, 6))
    assert "mean" not in small[0]


def test_a_range_by_hand_holds_for_its_metric_and_marks_what_is_beyond(tmp_path: Path) -> None:
    values = np.array([[[0.05, 0.3], [0.9, 0.5]]] * 3)
    path = Recipe(metrics={"m": values, "n": values}).write(tmp_path / "file.msgpack")
    project = Project.open([path])
    s = selection(project, metric="m", head_layer=1, head=1)
    s = set_range(s, "0.1 0.6")
    lines = lines_of(project, s, (60, 12))
    assert lines[1].split()[:4] == ["0", "<5", "30", "18"]
    assert ">" in lines[2].split()[1] and "90" in lines[2] and lines[2].count(">") == 1
    legend = next(line for line in lines if "range by hand" in line)
    assert "<.10" in legend and ">.60" in legend
    plain = lines_of(project, s, (60, 12), Look("none"))
    legend = next(line for line in plain if "range by hand" in line)
    assert legend.split()[:3] == ["<.10", "to", ">.60"]  # the numbers stand for themselves
    other = "\n".join(lines_of(project, replace(s, metric="n"), (60, 12)))
    assert "range by hand" not in other
    assert set_range(s, "auto").head_range is None


@pytest.mark.parametrize("words", ["1", "2 1", "a b", "0 1 2", "0 nan", "0 inf", "1 1"])
def test_what_is_no_range_is_refused(words: str) -> None:
    with pytest.raises(Refused, match="two numbers, the lower one first"):
        set_range(Selection(metric="m"), words)


def test_a_range_of_differences_is_centred_on_zero(compared: Project) -> None:
    s = selection(compared, view="B−A", metric="std")
    one, two = set_range(s, "0.2"), set_range(s, "−0.1, 0.2")
    assert one.head_range == ("std", -0.2, 0.2) and two.head_range == ("std", -0.1, 0.2)
    for chosen in (one, two):
        text = "\n".join(lines_of(compared, chosen, (60, 14)))
        assert "−.20" in text and "+.20" in text


@pytest.mark.parametrize("look", LOOKS, ids=lambda k: f"{k.depth}{'-ascii' * k.ascii}")
def test_80_by_64_heads_are_readable_and_reachable(
    look: object, tmp_path_factory: pytest.TempPathFactory, many: Project
) -> None:
    for size in ((76, 16), (156, 38), (56, 13)):
        for place in ((0, 0), (79, 63), (40, 31), (79, 0)):
            s = selection(many, head_layer=place[0], head=place[1], metric="std")
            pane = HeadsPane()
            canvas = pane.draw(Context(many, s, look, True), *size)  # type: ignore[arg-type]
            check_canvas(canvas, look, *size)  # type: ignore[arg-type]
            text = canvas.text()
            assert f"head {place[0]}.{place[1]} " in text
            assert "layers " in text and " of 80" in text
            drawn = pane._drawn
            assert drawn is not None and drawn.place(*place) is not None
            x, y = drawn.place(*place) or (0, 0)
            assert pane.click(Context(many, s, PLAIN), x + 1, y) == s


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A file of 80 layers with 64 heads each."""
    path = tmp_path_factory.mktemp("many") / "many.msgpack"
    return Project.open([write_collateral(path, examples=2, layers=80, heads=64, attention=1)])


def test_bars() -> None:
    assert bar(PLAIN, 0.5, 1.0, 10)[0] == "━" * 5
    assert bar(PLAIN, -1.0, 1.0, 4, True)[0] == "━" * 4
    assert bar(PLAIN, 0.2, 1.0, 10, mark=0.5)[0] == "━━   │"
    assert bar(PLAIN, 0.9, 1.0, 10, mark=0.5)[0] == "━━━━━│━━━"
    assert bar(PLAIN, float("nan"), 1.0, 10)[0] == "" == bar(PLAIN, 1.0, 0.0, 10)[0]
    assert bar(PLAIN, 1.0, 1.0, -3, mark=0.1)[0] == ""


@pytest.fixture
def fresh(files: tuple[Path, Path]) -> Iterator[Project]:
    """The two files, opened anew: nothing is kept yet."""
    project = Project.open([str(path) for path in files])
    yield project
    project.close()


@pytest.mark.parametrize("view", state.VIEWS)
def test_a_large_metric_is_averaged_apart_and_not_kept(
    view: state.View, fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = selection(fresh, view=view, metric="std", scope="all")
    monkeypatch.setattr(heads, "_QUICK", 1)
    pane, c = HeadsPane(), Context(fresh, s, PLAIN)
    assert not pane.ready(c)
    assert "computing" in pane.gist(c, 60).text()
    pane.prepare(c)
    assert pane.ready(c) and "computing" not in pane.gist(c, 60).text()
    one, two = fresh.a.head_metric("std"), fresh.file("B").head_metric("std")
    wanted = {"A": one, "B": two, "B−A": two - one}[view].astype(np.float64)
    np.testing.assert_allclose(fresh.head_view(s).values, wanted.mean(axis=0), atol=1e-6)
    assert not fresh.has(("metric", "A", "std")) and not fresh.has(("metric", "B", "std"))


def test_one_example_of_a_large_metric_is_read_alone(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_QUICK", 1)
    s = selection(fresh, view="A", metric="std", scope="example", example=3)
    asked: list[tuple[object, ...]] = []
    whole = Collateral.head_metric

    def watched(c: Collateral, name: str, *rows: int) -> object:
        asked.append((name, *rows))
        return whole(c, name, *rows)

    monkeypatch.setattr(Collateral, "head_metric", watched)
    np.testing.assert_array_equal(fresh.head_view(s).values, whole(fresh.a, "std")[3])
    assert asked == [("std", 3, 4)]


def test_the_first_head_of_a_large_file_stands_out_among_its_first_examples(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = selection(fresh, view="B−A", metric="std", scope="all")
    values = fresh.file("B").head_metric("std") - fresh.a.head_metric("std")
    monkeypatch.setattr(heads, "_QUICK", 5 * values[0].size)
    means = np.abs(values[:5].astype(np.float64).mean(axis=0))
    assert heads.standing_out(fresh, s) == np.unravel_index(means.argmax(), means.shape)
    assert not fresh.has(heads._key(fresh, s))


def test_metrics_without_any_number_are_passed_over(tmp_path: Path) -> None:
    some, none = np.full((3, 2, 2), 0.5), np.full((3, 2, 2), np.nan)
    part = none.copy()
    part[2, 1, 1] = 0.25
    path = Recipe(metrics={"a": some, "b": none, "c": part, "d": none}).write(
        tmp_path / "f.msgpack"
    )
    project = Project.open([path])
    s = selection(project, metric="a")
    assert COMMANDS["metric"](project, s).metric == "c"
    assert COMMANDS["metric"](project, replace(s, metric="c")).metric == "a"
    assert COMMANDS["previous-metric"](project, s).metric == "c"
    assert COMMANDS["metric"](project, replace(s, metric="b")).metric == "c"  # it can be chosen
    empty = Recipe(metrics={"b": none, "d": none}).write(tmp_path / "g.msgpack")
    project = Project.open([empty])
    assert COMMANDS["metric"](project, selection(project, metric="b")).metric == "d"


def test_two_files_that_are_large_together_only_have_a_first_head(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = selection(fresh, view="B−A", metric="std", scope="all")
    values = fresh.file("B").head_metric("std") - fresh.a.head_metric("std")
    monkeypatch.setattr(heads, "_QUICK", values.size + values[0].size)
    assert not heads.head_ready(fresh, s)
    means = np.abs(values.astype(np.float64).mean(axis=0))
    assert heads.standing_out(fresh, s) == np.unravel_index(means.argmax(), means.shape)
