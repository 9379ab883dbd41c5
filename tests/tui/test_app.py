"""The running app: every key on what is selected and on what is drawn, the mouse, sizes, bytes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.command import CommandPalette
from textual.drivers.headless_driver import HeadlessDriver
from textual.widgets import Input, OptionList

from tests.factory import write_collateral
from tests.tui.handmade import Recipe
from tests.tui.pilot import Session, running
from tui import state
from tui.actions import ACTIONS, BY_NAME, PANES, PaneName, shown
from tui.help import help_canvas
from tui.layout import layout_for
from tui.look import Look
from tui.palette_words import TITLES, titles
from tui.screens.help import HelpScreen
from tui.views import listing
from tui.widgets.palette import Everything
from tui.window import Window
from tui.wire import Wire

WIDE, SMALL = (160, 45), (80, 24)

START: dict[str, Any] = {
    "view": "B",
    "example": 4,
    "layer": 1,
    "head_layer": 1,
    "head": 1,
    "metric": "confidence",
    "colouring": "gold",
    "attention_view": "matrix",
    "query": None,
    "key": None,
    "share": None,
    "edges": "",
    "combine": "head",
    "ranked": False,
    "head_range": None,
}


# -- every action -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """What an action must do from START: fields of the selection, and words on the screen.

    Attributes:
        pane: the pane that has the focus.
        first: more changes of the selection before the key.
        changes: the fields that change, and to what; all others stay.
        shows: words that stand on the wide screen after the key and not before.
        check: for all else.
    """

    pane: PaneName = "heads"
    first: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    shows: str = ""
    check: Callable[[Session, str], Awaitable[None]] | None = None


async def _box(session: Session, key: str) -> None:
    await session.press(key)
    assert session.screen.active == "map"
    await session.press("enter")
    assert session.selection.scope == "marked" and session.selection.marked


async def _undo(session: Session, key: str) -> None:
    before = session.selection
    await session.press("n", "n", key)
    assert session.selection.example == 5
    await session.press(key)
    assert session.selection == before and "wsc-004" in session.lines()[0]


async def _redo(session: Session, key: str) -> None:
    await session.press("n", "u", key)
    assert session.selection.example == 5 and "wsc-005" in session.lines()[0]


async def _search(session: Session, key: str) -> None:
    wanted = session.project.example_head(9)[1].split()[0]
    await session.press(key, *wanted, "enter")
    assert session.selection.search == wanted
    texts = session.project.example_texts
    found = [r for r in range(12) if wanted.lower() in f"{texts[0][r]} {texts[1][r]}".lower()]
    assert f"{len(found)} of 12 shown" in session.title("list")
    assert session.foot().startswith(f" {len(found)} of 12 shown;")
    await session.press(key, "enter")
    assert session.selection.search == "" and "shown" not in session.title("list")


async def _filter(session: Session, key: str) -> None:
    await session.press(key, *"A.correct = fals", "enter")
    assert session.selection.filter == "" and "A.correct = fals" in session.foot()
    assert "A.correct is yes or no" in session.lines()[-2]
    await session.press("end", "e", "enter")
    wrong = [r for r, right in enumerate(session.project.a.examples["correct"]) if right is False]
    assert session.selection.filter == "A.correct = false" and session.selection.example in wrong
    assert f"{len(wrong)} of 12 shown" in session.title("list")
    await session.press("1", "home")
    for row in wrong[1:]:
        await session.press("n")
        assert session.selection.example == row
    await session.press("a")
    assert session.selection.scope == "filtered"
    assert f"{len(wrong)} filtered examples" in session.lines()[0]


async def _sort(session: Session, key: str) -> None:
    await session.press(key, *"-sou", "tab", "enter")
    assert session.selection.sort.strip() == "-source"
    await session.press(key, "ctrl+u", "enter")
    assert session.selection.sort == ""


async def _forget(session: Session, key: str) -> None:
    await session.select(filter="A.correct = false")
    await session.press("N", *"first", "enter", "N", *"other", "enter", key, *"fisrt", "enter")
    assert "No filter is kept as fisrt. Kept: " in session.text()
    await session.press("ctrl+u", *"fi", "tab", "enter")
    assert "Forgotten: @first." in session.foot()
    assert session.selection.filter == "A.correct = false"
    await session.press("f", "ctrl+u", *"@first", "enter")
    assert "There is no @first. Kept: " in session.text() and "@other" in session.text()
    await session.press("escape")


async def _keep(session: Session, key: str) -> None:
    await session.press(key)
    assert session.foot() == " There is no filter to keep; f sets one."
    await session.select(filter="A.correct = false", search="wsc-0")
    await session.press(key, *"not good", "enter")
    assert "A name is one word" in session.lines()[-2]
    await session.press("ctrl+u", *"hard", "enter")
    assert "@hard" in session.foot()
    s = session.selection
    rows = [session.project.limits.examples, *_listed(session)]
    await session.select(filter="", search="")
    await session.press("f", *"@ha", "tab", "enter")
    assert session.selection.filter.startswith("(A.correct = false) and (text ~ ")
    assert rows[1:] == _listed(session) and s.search not in ("", session.selection.search)


def _listed(session: Session) -> list[int]:
    """Rows of the examples in the list, in its order."""
    return [int(row) for row in listing.order(session.project, session.selection)]


def _goes_to(pane: PaneName) -> Effect:
    async def check(session: Session, key: str) -> None:
        await session.press(key)
        assert session.screen.active == pane
        assert session.title(pane).startswith(f"{PANES.index(pane) + 1} ")
        assert session.screen.pane_widget(pane).display

    return Effect("example" if pane == "map" else "map", check=check)


def _steps_to(start: PaneName, end: PaneName) -> Effect:
    async def check(session: Session, key: str) -> None:
        await session.press(key)
        assert session.screen.active == end

    return Effect(start, check=check)


async def _zoom(session: Session, key: str) -> None:
    await session.press(key)
    shown_panes = [name for name in PANES if session.screen.pane_widget(name).display]
    assert shown_panes == ["heads"]
    assert session.screen.pane_widget("heads").size.width >= session.app.size.width - 2
    await session.press(key)
    visible = [name for name in PANES if session.screen.pane_widget(name).display]
    assert len(visible) == (6 if session.app.size.width == 160 else 1)


async def _kind(session: Session, key: str) -> None:
    before = session.selection
    await session.press(key)
    assert session.foot() == " There is only one kind of attention in the file: self."
    assert session.selection == before  # test_tasks.py presses it where there are several


async def _nearest(session: Session, key: str) -> None:
    """These files keep no vectors of points; what it does with them is in another module."""
    await session.press("end", key)
    assert session.screen.message.startswith("The file keeps no vectors of its points")
    assert not session.selection.marked


async def _weighted(session: Session, key: str) -> None:
    before = session.selection
    await session.press(key)
    assert "No value norms are stored for wsc-004" in session.foot()
    assert session.selection == before  # test_tasks.py presses it where there are norms


async def _back(session: Session, key: str) -> None:
    await session.press("z", key)
    assert not session.screen.has_class("-zoom")


async def _palette(session: Session, key: str) -> None:
    await session.press(key)
    assert isinstance(session.app.screen, CommandPalette)
    await session.press("escape")


async def _help(session: Session, key: str) -> None:
    await session.press(key)
    assert isinstance(session.app.screen, HelpScreen)
    await session.press("escape")
    assert not isinstance(_top(session), HelpScreen)


async def _range(session: Session, key: str) -> None:
    await session.press(key, *"0.5 0.1", "enter")
    assert "A colour range is two numbers, the lower one first" in session.text()
    await session.press(*["backspace"] * 7, *"0.1 0.5", "enter")
    assert session.selection.head_range == ("confidence", 0.1, 0.5)
    assert "range by hand" in session.text()
    await session.press(key, *["backspace"] * 7, *"auto", "enter")
    assert session.selection.head_range is None


async def _edges(session: Session, key: str) -> None:
    await session.press(key, *"xyzzy", "enter")
    assert 'No token of this example contains "xyzzy"' in session.text()
    tokens = session.project.tokens(4).texts
    word = tokens[2].upper()
    await session.press(*["backspace"] * 5, *f"> {word}", "enter")
    assert session.selection.edges == f"> {word}"
    assert session.selection.attention_view == "table"
    found = len(tokens) * sum(word.casefold() in text.casefold() for text in tokens)
    assert found and f'{found} edges of "> {word}"' in session.text()
    await session.press(key, *["backspace"] * (len(word) + 2), "enter")
    assert session.selection.edges == ""


async def _suspend(session: Session, key: str) -> None:
    called: list[str] = []
    session.app.action_suspend_process = lambda: called.append(key)  # type: ignore[method-assign]
    await session.press(key)
    assert called == [key]


async def _redraw(session: Session, key: str) -> None:
    called: list[str] = []
    session.app.redraw = lambda: called.append(key)  # type: ignore[method-assign]
    await session.press(key)
    assert called == [key]  # what it sends: below


async def _out(session: Session, key: str) -> None:
    before = session.selection
    await session.press(key)
    assert session.foot().startswith(" Copied: ")
    assert session.selection == before  # what is copied: test_out.py


async def _file(session: Session, key: str) -> None:
    """Writes to the folder of the test."""
    before = sorted(Path().iterdir())
    await session.press(key, "enter")
    (new,) = set(Path().iterdir()) - set(before)
    assert new.name in session.foot()


async def _quit(session: Session, key: str) -> None:
    await session.press(key)
    assert session.app._exit and session.app.return_code == 0


ALL_EDGES = {"attention_view": "map", "query": state.ALL_TOKENS}


async def _whole(session: Session, key: str) -> None:
    for press, zoom in (("plus", 2), ("plus", 4), ("minus", 2), ("plus", 4), (key, 1)):
        await session.press(press)
        assert {session.selection.window_a.zoom, session.selection.window_b.zoom} == {zoom}
        assert (f"zoom {zoom}x" in session.title("map")) == (zoom != 1)


def _pans(dx: int, dy: int) -> Effect:
    async def check(session: Session, key: str) -> None:
        middle = Window(4, 0.5, 0.5)
        await session.select(window_a=middle, window_b=middle)
        before, words = session.selection.window_a, session.text()
        await session.press(key)
        after = session.selection.window_a
        assert (after.x - before.x, after.y - before.y) == pytest.approx((dx / 16, dy / 16))
        assert session.text() != words
        await session.press("0")

    return Effect("map", {"example": 4}, check=check)


EFFECTS: dict[str, Effect] = {
    "whole": Effect("map", check=_whole),
    "pan-left": _pans(-1, 0),
    "pan-right": _pans(1, 0),
    "pan-up": _pans(0, 1),
    "pan-down": _pans(0, -1),
    "path": Effect(changes={"path": True}, shows="layers 0-3"),
    "density": Effect(changes={"density": "on"}, shows=" a cell"),
    "move-left": Effect(changes={"head": 0}, shows="head 1.0"),
    "move-right": Effect(changes={"head": 2}, shows="head 1.2"),
    "move-up": Effect(changes={"head_layer": 0}, shows="head 0.1"),
    "move-down": Effect(changes={"head_layer": 2}, shows="head 2.1"),
    "page-up": Effect("list", changes={"example": 0}, shows="wsc-000"),
    "page-down": Effect("list", changes={"example": 11}, shows="wsc-011"),
    "first": Effect("list", changes={"example": 0}, shows="1 of 12"),
    "last": Effect("list", changes={"example": 11}, shows="12 of 12"),
    "enter": Effect("map", check=None, changes={}),  # below: the map's cursor
    "previous-layer": Effect(changes={"layer": 0, "head_layer": 0}, shows="layer 0  head 0.1"),
    "next-layer": Effect(changes={"layer": 2, "head_layer": 2}, shows="layer 2  head 2.1"),
    "previous-head": Effect(changes={"head": 0}, shows="layer 1  head 1.0"),
    "next-head": Effect(changes={"head": 2}, shows="layer 1  head 1.2"),
    "next-example": Effect(changes={"example": 5}, shows="wsc-005"),
    "previous-example": Effect(changes={"example": 3}, shows="wsc-003"),
    "model": Effect(changes={"view": "B−A"}, shows="▸B−A"),
    "kind": Effect(check=_kind),
    "weighted": Effect(check=_weighted),
    "metric": Effect(changes={"metric": "mass_previous"}, shows="mass on the previous token"),
    "previous-metric": Effect(changes={"metric": "entropy_normalised"}, shows="entropy (norm"),
    "colour": Effect(changes={"colouring": "prediction"}, shows="layer 1 · by prediction"),
    "previous-colour": Effect(changes={"colouring": "role"}, shows="layer 1 · by role"),
    "attention-view": Effect(changes={"attention_view": "map"}, shows="head 1.1 · map"),
    "more": Effect("attention", ALL_EDGES, {"share": 80}, shows="edges: 80 % of each row"),
    "less": Effect("attention", ALL_EDGES, {"share": 50}, shows="edges: 50 % of each row"),
    "ranked": Effect(changes={"ranked": True}, shows="12 heads, largest first"),
    "range": Effect(check=_range),
    "edges": Effect(check=_edges),
    "combine": Effect(changes={"combine": "layer-mean"}, shows="mean of layer 1, 4 heads"),
    "specials": Effect(changes={"hide_special": True}, shows="specials hidden"),
    "measure": Effect(changes={"measure": "euclid"}, shows="Euclid"),
    "group": Effect(changes={"grouping": "correct"}, shows="by correct"),
    "gap": Effect(changes={"gap": True}, shows=" coreferent − not coreferent"),
    "average": Effect(changes={"scope": "example"}, shows="this example"),
    "mark": Effect(changes={"scope": "marked", "marked": None}, shows="points marked"),
    "box": Effect(check=_box),
    "nearest": Effect("map", check=_nearest),
    "search": Effect("list", check=_search),
    "filter": Effect("list", check=_filter),
    "clear-filter": Effect(
        "list", first={"filter": "pairs > 1"}, changes={"filter": ""}, shows="5 of 12 ─"
    ),
    "sort": Effect("list", check=_sort),
    "reverse": Effect(
        "list", first={"sort": "source"}, changes={"sort": "-source"}, shows="source↓"
    ),
    "keep-filter": Effect("list", check=_keep),
    "forget-filter": Effect("list", check=_forget),
    "pin": Effect(changes={"pinned": 4}, shows="pinned wsc-004"),
    "clear": Effect(
        first={"marked": frozenset({0, 1}), "scope": "marked"},
        changes={"scope": "all", "marked": frozenset()},
        shows="all 12 examples",
    ),
    **{name: Effect(check=_out) for name in ("copy", "copy-command")},
    **{name: Effect(check=_file) for name in ("export", "save", "save-screen")},
    "undo": Effect(check=_undo),
    "redo": Effect(check=_redo),
    **{f"pane-{name}": _goes_to(name) for name in PANES},
    "next-pane": _steps_to("heads", "attention"),
    "previous-pane": _steps_to("heads", "map"),
    "zoom": Effect(check=_zoom),
    "back": Effect(check=_back),
    "palette": Effect(check=_palette),
    "help": Effect(check=_help),
    "suspend": Effect(check=_suspend),
    "redraw": Effect(check=_redraw),
    "quit": Effect(check=_quit),
}


async def _enter(session: Session, key: str) -> None:
    """The cursor of the map jumps to a point of another example, which enter then selects."""
    await session.press("right", "right", "right", "right")
    pane = session.screen.panes["map"]
    point: int = pane._cursor  # type: ignore[attr-defined]
    await session.press(key)
    assert session.selection.example == session.project.points.examples[point]


EFFECTS["enter"] = Effect("map", check=_enter)


async def _start(session: Session, effect: Effect) -> None:
    session.screen.remove_class("-zoom")
    await session.go(effect.pane)
    narrow = {"filter": "", "search": "", "sort": ""}
    await session.select(
        **(START | narrow | {"marked": frozenset(), "scope": "all"} | effect.first)
    )


async def _perform(session: Session, effect: Effect, key: str) -> None:
    """Presses a key and checks what it did to the selection and to the picture."""
    before, words = session.selection, session.text()
    if effect.check is not None:
        await effect.check(session, key)
        return
    await session.press(key)
    changed = {
        name: value
        for name, value in vars(session.selection).items()
        if value != getattr(before, name)
    }
    expected = dict(effect.changes)
    if expected.get("marked", ...) is None:
        expected["marked"] = frozenset(session.project.points_of(4))
    assert changed == expected
    assert session.text() != words
    if session.app.size.width == WIDE[0]:
        assert effect.shows not in words and effect.shows in session.text()
    assert session.screen.message == ""


def test_every_action_has_a_test() -> None:
    assert set(EFFECTS) == set(BY_NAME)


@pytest.mark.parametrize("name", [action.name for action in ACTIONS])
async def test_every_key_at_160x45(
    name: str, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(files, WIDE) as session:
        for key in BY_NAME[name].keys:
            await _start(session, EFFECTS[name])
            await _perform(session, EFFECTS[name], key)


@pytest.mark.slow
async def test_every_key_at_80x24(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(files, SMALL) as session:
        for action in sorted(ACTIONS, key=lambda action: action.name == "quit"):
            effect = EFFECTS[action.name]
            pane = {"colour": "map", "previous-colour": "map", "measure": "distance"}
            pane |= {"combine": "attention", "pin": "example"}
            pane |= {"group": "distance", "gap": "distance"}
            pane |= {"attention-view": "attention", "specials": "attention"}
            if name := pane.get(action.name):
                effect = Effect(name, effect.first, effect.changes)  # type: ignore[arg-type]
            await _start(session, effect)
            await _perform(session, effect, action.keys[0])


async def test_keys_typed_fast_are_all_carried_out(files: tuple[Path, Path]) -> None:
    """Over a slow line several keys arrive at once."""
    async with running(files) as session:
        await session.go("list")
        for key in "jjjnn":
            session.app.post_message(events.Key(key, key))
        await session.settle()
        assert session.selection.example == 5
        await session.go("heads")
        await session.select(head_layer=0, head=0)
        for key in ("right", "right", "down", "full_stop"):
            session.app.post_message(events.Key(key, None))
        await session.settle()
        assert session.selection.head_name == "1.3"


# -- the selection drives the panes -----------------------------------------------------------


async def test_another_example_is_seen_in_every_pane(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(**START)
        before = session.lines()
        await session.press("n")
        assert session.title("example").startswith("2 Example  wsc-005")
        assert "6 of 12" in session.title("list")
        assert _stars(session.lines()) != _stars(before)
        names = [m.text for m in session.project.mentions(5)]
        text = session.project.example_head(5)[1]
        assert any(name in text for name in names)
        assert session.project.tokens(5).texts[1] in session.text()


def _stars(lines: list[str]) -> list[tuple[int, int]]:
    """Places of the stars right of the list."""
    return [
        (x, y) for y, line in enumerate(lines) for x, c in enumerate(line) if c == "★" and x > 36
    ]


async def test_the_model_goes_round_and_every_title_follows(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        seen = []
        for _ in range(3):
            await session.press("m")
            view = session.selection.view
            seen.append(view)
            short = {"A": "A base", "B": "B tuned", "B−A": "B−A"}[view]
            assert f"▸{short}" in session.lines()[0]
            for pane in ("heads", "attention", "distance"):
                assert f"  {short} · " in session.title(pane)
            on_map = {"A": "A base", "B": "B tuned", "B−A": "B"}[view]
            assert f"  {on_map}" in session.title("map") or "A | B" in session.title("map")
        assert seen == ["A", "B", "B−A"]


async def test_marks_change_what_grid_and_distances_are_over(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(metric="std", example=2)
        everything = session.text()
        await session.press("space")
        assert "mean of 1 marked example" in session.text()
        assert "1 marked example" in session.lines()[0]
        await session.press("n", "space")
        assert "mean of 2 marked examples" in session.text()
        await session.press("x")
        assert "mean of all 12 examples" in session.text()
        await session.press("p")
        assert session.text() == everything


async def test_the_metric_under_the_cursor_is_that_of_the_file(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(view="A", metric="std", head_layer=2, head=3)
        stored = session.project.a.head_metric("std")[:, 2, 3].astype(float).mean()
        match = re.search(r"head 2\.3 (\d\.\d+)", session.text())
        assert match and float(match[1]) == pytest.approx(stored, rel=5.1e-4)


async def test_undo_and_redo_walk_back_and_forth(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        first, pictures = session.selection, [session.text()]
        keys = ("n", "left_square_bracket", "m", "t", "c", "v", "space", "a", "d")
        for key in keys:
            await session.press(key)
            pictures.append(session.text())
        last = session.selection
        for picture in reversed(pictures[:-1]):
            await session.press("u")
            assert session.text() == picture
        assert session.selection == first
        for _ in keys:
            await session.press("U")
        assert session.selection == last and session.text() == pictures[-1]


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("x", "Nothing is marked"),
        ("u", "There is nothing to undo."),
        ("U", "There is nothing to redo."),
    ],
)
async def test_a_refusal_is_told_until_the_next_key(
    key: str, says: str, files: tuple[Path, Path]
) -> None:
    async with running(files) as session:
        before = session.foot()
        await session.press(key)
        assert says in session.foot()
        await session.press("n")
        assert session.foot() == before


async def test_one_file_has_no_other_model(files: tuple[Path, Path]) -> None:
    async with running(files[:1]) as session:
        assert "B−A" not in session.text()
        await session.press("m")
        assert "Only one file is open. To compare: interpret-tui A.msgpack B.m" in session.foot()
        assert session.selection.view == "A"


async def test_an_example_without_attention_says_so_and_what_to_do(
    files: tuple[Path, Path],
) -> None:
    async with running(files) as session:
        await session.select(example=8)
        said = " ".join(session.text().split())
        assert "No attention is stored for wsc-008" in said and "--attention all" in said
        await session.press("5", "down", "right", "enter", "v", "v")
        assert session.selection.query is None
        await session.select(example=1)
        assert "No attention" not in session.text()


@pytest.mark.parametrize(
    "size", [pytest.param(WIDE, marks=pytest.mark.slow), SMALL, (20, 5)], ids=str
)
async def test_a_file_with_texts_alone_can_be_walked_through(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = Recipe().write(tmp_path / "bare.msgpack")
    for paths in ([path], [path, path]):
        async with running(paths, size) as session:
            for pane in range(1, 7):
                await session.press(str(pane), "down", "right", "enter", "home", "end")
            for action in ACTIONS:
                if action.name not in ("quit", "palette", "help"):
                    await session.press(action.keys[0])
            assert session.app.return_code is None


async def test_damage_that_is_met_while_looking_is_told_and_ends_nothing(
    tmp_path: Path,
) -> None:
    """Opening reads little of a file; a flipped bit elsewhere shows when it is read."""
    path = write_collateral(tmp_path / "f.msgpack", examples=6, attention=6)
    data = bytearray(path.read_bytes())
    at = data.index(b"attention", data.index(b"attention", 3000) + 1)
    for offset in range(at + 200, len(data) - 20_000, 3_000):
        data[offset] ^= 0x55
    path.write_bytes(data)
    async with running([path]) as session:
        for key in ("n", "n", "n", "n", "t", "t", "v", "v", "g", "d", "a", "space", "3", "up"):
            if session.app._exit:
                break
            await session.press(key)
        told = session.app.failure or session.text()
    assert "is damaged" in _squeezed(told.replace("│", " "))
    assert session.app.return_code in (None, 0, 1)


# -- panes and layouts ------------------------------------------------------------------------


async def test_tabs_show_the_pane_that_has_the_keys(files: tuple[Path, Path]) -> None:
    async with running(files, SMALL) as session:
        for number, name in enumerate(PANES, start=1):
            await session.press(str(number))
            assert f"▸{number} " in session.lines()[1]
            assert [n for n in PANES if session.screen.pane_widget(n).display] == [name]
            assert session.title(name).startswith(f"{number} ")
        seen = []
        for _ in PANES:
            await session.press("tab")
            seen.append(session.screen.active)
        assert seen == list(PANES)
        await session.press("shift+tab")
        assert session.screen.active == "attention"


async def test_panes_that_are_not_shown_leave_their_gist(files: tuple[Path, Path]) -> None:
    async with running(files, SMALL) as session:
        await session.press("3")
        gist = "\n".join(session.lines()[-4:-1])
        assert "wsc-000" in gist and "heads" in gist and "cosine distance" in gist
        await session.press("n")
        assert "wsc-001" in "\n".join(session.lines()[-4:-1])


async def test_the_focused_pane_has_its_own_keys_in_the_footer(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        for name, key in (
            ("3", "c colour"),
            ("4", "t metric"),
            ("5", "v view"),
            ("6", "d measure"),
        ):
            await session.press(name)
            assert session.foot().split("  ")[0].strip() == key or key in session.foot()


async def test_a_hidden_pane_is_drawn_anew_when_it_is_shown(files: tuple[Path, Path]) -> None:
    async with running(files, SMALL) as session:
        await session.press("3", "4")
        await session.press("n", "left_square_bracket", "left_square_bracket")
        await session.press("3")
        assert "layer 1" in session.title("map") and "layer 1" in session.lines()[0]


SIZES = [(160, 45), (120, 36), (100, 28), (80, 24), (60, 20), (59, 18), (20, 5), (19, 4), (10, 3),
         (1, 1), (200, 60), (80, 24), (160, 45)]  # fmt: skip


async def test_resizing_goes_through_all_layouts_and_back(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.press("v")
        first = session.text()
        for size in SIZES:
            await session.pilot.resize_terminal(*size)
            await session.settle()
            lines = session.lines()
            assert len(lines) == size[1] and all(len(line) <= size[0] for line in lines)
            layout = layout_for(*size)
            assert session.screen.has_class(f"-{layout}")
            if layout == "tiny":
                assert "needs 20x5"[: size[0]] in lines[0]
            else:
                assert f"head {session.selection.head_name}" in session.text()
            await session.press("n", "p")  # keys go on working
        assert session.text() == first


@pytest.mark.parametrize("size", [(60, 20), (20, 5), (10, 3)])
async def test_opening_in_a_small_terminal(size: tuple[int, int], files: tuple[Path, Path]) -> None:
    async with running(files, size) as session:
        for key in ("1", "2", "3", "4", "5", "6", "n", "z", "z", "b", "escape", "m"):
            await session.press(key)
        assert session.selection.example == 1 and session.selection.view == "A"
        assert session.app.return_code is None


# -- the rectangle ----------------------------------------------------------------------------


async def test_a_rectangle_marks_what_is_inside(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(view="B")
        await session.press("b")
        assert session.screen.active == "map"
        for _ in range(40):
            session.app.post_message(events.Key("right", None))
            session.app.post_message(events.Key("down", None))
        await session.settle()
        before = session.selection
        assert before.marked == frozenset()
        await session.press("enter")
        assert session.selection.scope == "marked"
        count = len(session.selection.marked)
        assert count > 5 and f"{count} points marked" in session.lines()[0]
        await session.press("u")
        assert session.selection == before


async def test_escape_ends_the_rectangle_and_marks_nothing(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.press("3")
        before = session.text()
        await session.press("b", "right", "escape")
        assert session.text() == before
        await session.press("enter")
        assert session.selection.marked == frozenset()


# -- the mouse --------------------------------------------------------------------------------


def _active(session: Session) -> str:
    """The pane that has the keys."""
    return str(session.screen.active)


async def _click(session: Session, x: int, y: int) -> None:
    await session.pilot.click(offset=(x, y))
    await session.settle()


async def _mouse(session: Session, kind: type[events.MouseEvent], x: int, y: int) -> None:
    """What a terminal sends of the mouse, its left button down."""
    button = 0 if kind is events.MouseMove and session.app.mouse_captured is None else 1
    event = kind(None, x, y, 0, 0, button, False, False, False, x, y, None)
    session.app.post_message(event)
    await session.settle()


async def test_dragging_on_the_map_marks_what_is_inside(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(**START, scope="all")
        left, top = session.inside("map")
        part = session.screen.panes["map"]._drawn[0]  # type: ignore[attr-defined]
        cells = part.view.cells(part.coordinates)
        (x0, y0), (x1, y1) = cells.min(axis=0).tolist(), cells.max(axis=0).tolist()
        x1, y1 = (x0 + x1) // 2, (y0 + y1) // 2
        await _mouse(session, events.MouseDown, left + x0, top + y0)
        await _mouse(session, events.MouseMove, left + x0 + 3, top + y0 + 1)
        assert "let go to mark" in session.text() and not session.selection.marked
        await _mouse(session, events.MouseMove, left + x1, top + y1)
        await _mouse(session, events.MouseUp, left + x1, top + y1)
        inside = (cells >= (x0, y0)).all(axis=1) & (cells <= (x1, y1)).all(axis=1)
        assert session.selection.marked == set(inside.nonzero()[0].tolist()) != set()
        assert session.selection.example == START["example"]  # the drag was no click
        assert "let go" not in session.text() and _active(session) == "map"
        await _click(session, left + x0, top + y0)  # and the next click is one
        assert session.screen.panes["map"]._cursor >= 0  # type: ignore[attr-defined]


async def test_the_mouse_wheel_zooms_in_where_it_points(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(**(START | {"view": "A"}), scope="all")
        left, top = session.inside("map")
        part = session.screen.panes["map"]._drawn[0]  # type: ignore[attr-defined]
        x, y = part.view.cells(part.coordinates[[30]])[0].tolist()
        for _ in range(4):
            await _mouse(session, events.MouseScrollUp, left + x, top + y)
        assert session.selection.window_a.zoom == pytest.approx(4)
        assert session.selection.window_b.zoom == 1 and "zoom 4x" in session.title("map")
        part = session.screen.panes["map"]._drawn[0]  # type: ignore[attr-defined]
        now = part.view.cells(part.coordinates[[30]])[0]
        assert abs(now - (x, y)).max() <= 3
        for _ in range(4):
            await _mouse(session, events.MouseScrollDown, left + x, top + y)
        assert session.selection.window_a.zoom == 1


async def test_clicks_choose_what_was_clicked(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.select(**START, scope="all")
        left, top = session.inside("heads")
        drawn = session.screen.panes["heads"]._drawn  # type: ignore[attr-defined]
        x, y = drawn.place(2, 3)
        await _click(session, left + 1 + x, top + y)
        assert session.selection.head_name == "2.3" and session.screen.active == "heads"
        assert "head 2.3" in session.lines()[0]

        left, top = session.inside("attention")
        matrix = session.screen.panes["attention"].ways["matrix"]._drawn  # type: ignore[attr-defined]
        row = matrix.top + 1
        x, y = matrix.place(row, 3)
        await _click(session, left + x, top + y)
        assert (session.selection.query, session.selection.key) == (row, 3)
        assert _active(session) == "attention"

        x, y = session.find("007 ")
        await _click(session, x + 8, y)
        assert session.selection.example == 7 and _active(session) == "list"

        left, top = session.inside("map")
        part = session.screen.panes["map"]._drawn[0]  # type: ignore[attr-defined]
        cell = part.view.cells(part.coordinates[[30]])[0].tolist()
        await _click(session, left + cell[0], top + cell[1])
        assert _active(session) == "map"
        cells = part.view.cells(part.coordinates)
        owners = session.project.points.examples[(cells == cell).all(axis=1)]
        assert session.selection.example in owners.tolist()


async def test_clicks_on_the_lines(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        x, y = session.find("n p example")
        await _click(session, x + 1, y)
        assert session.selection.example == 1
        x, y = session.find("? help")
        await _click(session, x, y)
        assert isinstance(session.app.screen, HelpScreen)
        await session.press("escape")
        await _click(session, 3, 0)  # the models in the status line
        assert session.selection.view == "A"
    async with running(files, SMALL) as session:
        x, y = session.find("5 Attention")
        await _click(session, x + 3, y)
        assert _active(session) == "attention"
        x, y = session.find("cosine distance", after=18)
        await _click(session, x, y)
        assert _active(session) == "distance"


async def test_the_wheel_moves_in_the_pane_under_it(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        widget = session.screen.pane_widget("list")
        for kind in (events.MouseScrollDown, events.MouseScrollDown, events.MouseScrollUp):
            widget.post_message(kind(widget, 3, 3, 0, 0, 0, False, False, False))
        await session.settle()
        assert session.selection.example == 1


# -- help, palette, themes --------------------------------------------------------------------


@pytest.mark.parametrize("size", [WIDE, SMALL, (40, 12)])
async def test_help_explains_the_pane_the_metric_and_every_key(
    size: tuple[int, int], files: tuple[Path, Path]
) -> None:
    async with running(files, size) as session:
        await session.select(metric="std")
        await session.press("4", "question_mark")
        assert isinstance(session.app.screen, HelpScreen)
        assert "Heads" in session.text()
        top = session.text()
        await session.press("j", "j", "down")
        assert session.text() != top
        await session.press("k", "k", "up")
        assert session.text() == top
        await session.press("q")  # closes the help, not the app
        assert not isinstance(_top(session), HelpScreen)
        context = session.screen.context()
        words = help_canvas(session.screen.panes["heads"], context, size[0] - 8).text()
    lines = words.split("\n")
    assert lines[0] == "Heads" and lines[1].split()[0] == "K"  # its own keys come first
    listed = [line.lstrip("▸ ").split("  ")[0] for line in lines]
    for metric in context.project.metrics.values():
        known = [line.rstrip("…") for line in listed if len(line) > 8]
        assert any(metric.title.startswith(line) for line in known)
    words = _squeezed(words)
    assert "range 0 to 0.5" in words and "unit one number per head and example" in words
    assert "standard deviation" in words and "sharply peaked rows" in words  # and its meaning
    for action in ACTIONS:
        assert _squeezed(action.help) in words
        assert all(shown(key) in words.split() for key in action.keys)


def _top(session: Session) -> object:
    """The screen that covers the others."""
    return session.app.screen


def _squeezed(words: str) -> str:
    return " ".join(words.split())


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("head 2.1", {"head_layer": 2, "head": 1}),
        ("metric entropy (norm", {"metric": "entropy_normalised"}),
        ("wsc-009", {"example": 9}),
        ("colour by role", {"colouring": "role"}),
        ("distance Euclid", {"measure": "euclid"}),
        ("token 0 [CLS]", {"query": 0, "key": None}),
        ("specials (o)", {"hide_special": True}),
        ("omit or show special", {"hide_special": True}),
        ("gap", {"gap": True}),
    ],
)
async def test_the_palette_finds_everything(
    typed: str, changes: dict[str, Any], files: tuple[Path, Path]
) -> None:
    async with running(files) as session:
        await session.press("ctrl+p")
        palette = session.app.screen
        assert isinstance(palette, CommandPalette)
        palette.query_one(Input).value = typed
        for _ in range(100):  # it searches in a task of its own
            await session.settle()
            if palette.query_one(OptionList).option_count:
                break
        await session.press("enter")
        if session.app.screen is palette:
            await session.press("enter")
        for name, value in changes.items():
            assert getattr(session.selection, name) == value


async def test_the_palette_ranks_what_was_typed_and_drops_what_is_not(
    files: tuple[Path, Path],
) -> None:
    async with running(files) as session:
        provider = Everything(session.screen)

        async def hits(typed: str) -> list[str]:
            found = [hit async for hit in provider.search(typed)]
            return [hit.text or "" for hit in sorted(found, key=lambda hit: -hit.score)]

        assert await hits("undo") == ["undo the last selection  (u)"]
        texts = await hits("she")
        assert texts and not any(BY_NAME["nearest"].help in text for text in texts)
        ids, sentences = session.project.example_texts
        with_she = {f"example {i}" for i, t in zip(ids, sentences, strict=True) if "she" in t}
        assert with_she & set(texts)
        said = [text for text in texts if "she" not in text.lower() and text not in with_she]
        assert said == []  # nothing that only has these letters somewhere
        assert (await hits("entrpy"))[0].startswith("metric")


async def test_what_the_palette_selects_is_brought_in_sight(files: tuple[Path, Path]) -> None:
    choices: tuple[tuple[str, PaneName], ...] = (
        ("metric entropy", "heads"),
        ("colour by role", "map"),
        ("group distances: pairs by", "distance"),
        ("token 0", "attention"),
        ("sort by score", "list"),
    )
    for size, small in (((80, 24), True), ((160, 45), False)):
        async with running(files, size) as session:
            provider = Everything(session.screen)
            for typed, pane in choices:
                await session.go("example")
                found = [hit async for hit in provider.search(typed)]
                found[0].command()
                await session.settle()
                assert session.screen.pane_widget(pane).display
                assert (session.screen.active == pane) == small


async def test_the_palette_begins_with_what_is_used_most_and_has_no_cursor_keys(
    files: tuple[Path, Path],
) -> None:
    moves = {"first", "last", "enter", "palette"}
    moves |= {a.name for a in ACTIONS if a.name.startswith(("move-", "page-", "pan-"))}
    assert set(titles()) == set(BY_NAME) - moves
    assert set(TITLES) <= set(BY_NAME)
    assert len(set(TITLES.values())) == len(TITLES)
    async with running(files) as session:
        provider = Everything(session.screen)
        found = [hit.text async for hit in provider.discover()]
        assert found[:2] == [
            "search: examples whose text has some words  (/)",
            "filter: examples that fit conditions  (f)",
        ]
        assert len(found) == len(titles()) - len(session.project.unused & set(titles()))


async def test_another_theme_repaints_in_its_colours(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        before, words = _colours(session), session.text()
        assert session.screen.look == Look("truecolor")
        session.app.theme = "textual-light"
        await session.settle()
        assert session.screen.look == Look("truecolor", dark=False)
        assert session.text() == words
        after = _colours(session)
        assert len(after - before) > 10 and len(after) > 10


def _colours(session: Session) -> set[str]:
    strips = session.app.screen._compositor.render_strips()
    return {
        f"{segment.style.color} {segment.style.bgcolor}"
        for strip in strips
        for segment in strip
        if segment.style is not None
    }


async def test_the_title_of_the_map_is_right_at_once(files: tuple[Path, Path]) -> None:
    async with running(files, (200, 50)) as session:
        assert session.selection.view == "B−A"
        drawn = session.screen.panes["map"]._drawn  # type: ignore[attr-defined]
        assert ("A | B" in session.title("map")) == (len(drawn) == 2)


# -- what is sent to the terminal -------------------------------------------------------------


class _Counter(HeadlessDriver):
    """A driver that counts what the viewer's own would send to a terminal."""

    sent = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        self.wire = Wire()
        super().__init__(*args, **options)

    @property
    def is_headless(self) -> bool:
        """Textual draws nothing for a headless driver."""
        return False

    def write(self, data: str) -> None:
        """Counts bytes as they would go over the line."""
        type(self).sent += len(self.wire.passed(data).encode())


async def _sent(session: Session, *keys: str) -> int:
    """Bytes sent for these keys, per key."""
    await session.settle()
    before = _Counter.sent
    await session.press(*keys)
    return (_Counter.sent - before) // len(keys)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of the size of a base model: 12 layers of 12 heads."""
    folder = tmp_path_factory.mktemp("large")
    return (
        write_collateral(folder / "a.msgpack", examples=8, layers=12, heads=12, long=60),
        write_collateral(folder / "b.msgpack", examples=8, layers=12, heads=12, long=60, shift=1),
    )


BOUNDS = {
    "cursor": 500,
    "head": 2_500,
    "layer": 6_000,
    "example": 7_000,
    "grid": 2_500,
    "map": 400,
    "refusal": 400,
    "pane": 2_700,
    "typing": 300,
}
"""Bytes per key at 120x40, where opening sends 22,000: well above what was measured (but for the
cursor, which is promised: 430, 1,150, 3,190, 3,930, 1,310, 160, 190, 1,350 and 130), well below a
repaint."""


async def test_a_key_sends_what_changed_and_not_the_screen(large: tuple[Path, Path]) -> None:
    """Over a slow line every KB is felt."""
    before = _Counter.sent
    async with running(large, (120, 40), _Counter) as session:
        whole = _Counter.sent - before
        await session.select(
            view="B", example=1, attention_view="matrix", head_layer=5, head=5, layer=5
        )
        await session.press("5")
        sent = {
            "cursor": await _sent(session, "right", "left", "up", "down"),
            "head": await _sent(session, "full_stop", "full_stop", "comma"),
            "layer": await _sent(session, "right_square_bracket", "left_square_bracket"),
            "example": await _sent(session, "n", "p"),
            "refusal": await _sent(session, "x"),
        }
        await session.press("f", *"pairs ")
        sent["typing"] = await _sent(session, *"> 1 or pairs < 1")
        await session.press("escape")
        sent["pane"] = await _sent(session, "4", "5", "4")
        sent["grid"] = await _sent(session, "left", "down", "up")
        await session.press("3", "right")
        sent["map"] = await _sent(session, "right", "right")
    assert whole > 2 * BOUNDS["cursor"] and sent.keys() == BOUNDS.keys()
    too_much = {name: n for name, n in sent.items() if not 0 < n < BOUNDS[name]}
    assert not too_much, (too_much, sent, whole)


async def test_drawing_again_sends_the_whole_screen(files: tuple[Path, Path]) -> None:
    before = _Counter.sent
    async with running(files, (120, 40), _Counter) as session:
        whole = _Counter.sent - before
        assert await _sent(session, "ctrl+l") > whole / 2


async def test_a_key_that_changes_nothing_sends_nothing(files: tuple[Path, Path]) -> None:
    async with running(files, (120, 40), _Counter) as session:
        await session.select(example=0, layer=0, head_layer=0, head=0)
        assert await _sent(session, "p") == 0
        assert await _sent(session, "left_square_bracket") == 0
        assert await _sent(session, "comma") == 0


# -- keys that come faster than the screen ------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        ("pagedown", "ctrl+p", "h"),  # before the palette's list is there
        ("ctrl+p", "pagedown", "down", "enter"),
        ("question_mark", "escape", "escape", "q"),
    ],
)
async def test_keys_before_a_screen_is_there_and_after_it_is_gone(
    keys: tuple[str, ...], files: tuple[Path, Path]
) -> None:
    async with running(files) as session:
        session.app.exit = lambda *_, **__: None  # type: ignore[method-assign]
        for key in keys:
            session.app.post_message(events.Key(key, key if len(key) == 1 else None))
        for _ in range(3):
            await session.settle()
        assert session.app._exception is None and session.app.is_running


async def test_the_palette_takes_enter_twice(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.press("ctrl+p", *"zoom", "down")
        for _ in range(3):
            session.app.post_message(events.Key("enter", "\r"))
        for _ in range(3):
            await session.settle()
        assert session.app._exception is None
        assert session.app.screen is session.screen


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (11, 4)])
async def test_the_help_in_a_window_without_room(
    size: tuple[int, int], files: tuple[Path, Path]
) -> None:
    async with running(files, size) as session:
        await session.press("question_mark", "down", "escape", "n")
        assert session.app.is_running
