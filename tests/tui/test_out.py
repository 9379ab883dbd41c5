"""What is copied, exported and saved is what the pane shows, in full."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shlex
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree

import numpy as np
import pytest

from collateral import Meta, TokenInfo
from tests.tui import tasks as made
from tests.tui.handmade import Recipe
from tests.tui.pilot import Session, running
from tests.tui.terminal import COMMAND, Terminal
from tui.actions import PANES
from tui.asked import wanted
from tui.cli import DEMO_FILES, parser
from tui.commands import Refused
from tui.look import Look
from tui.out import copying, tables, weights
from tui.out.export import Data, free_name, plain, save, write_csv, write_json, write_new
from tui.pane import Context
from tui.panes import all_panes
from tui.panes.attention import AttentionPane
from tui.project import Project

LOOK = Look("truecolor", False, True)


def _context(project: Project, **changes: Any) -> Context:
    return Context(project, replace(project.first_selection(), **changes), LOOK)


def as_json(data: Data) -> str:
    """The table as it is written."""
    out = io.StringIO()
    write_json(data, out)
    return out.getvalue()


def as_csv(data: Data) -> tuple[str, int]:
    """The table as it is written, and how many cells were guarded."""
    out = io.StringIO()
    guarded = write_csv(data, out)
    return out.getvalue(), guarded


def _rows(data: Data) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(data)[0])))


# -- files -------------------------------------------------------------------------------------


def test_numbers_come_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    powers = 10.0 ** rng.integers(-20, 20, 200)
    single = (rng.normal(size=200) * powers).astype(np.float32)
    double = rng.normal(size=200)
    single[3], double[4] = np.nan, np.inf
    data = Data("x", {"single": single, "double": double})
    rows = _rows(data)
    assert rows[3]["single"] == "" and rows[4]["double"] == ""
    read = np.array([float(row["single"] or "nan") for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(read, single)
    columns = json.loads(as_json(data))["columns"]
    assert columns["single"][3] is None and columns["double"][4] is None
    back = np.array([np.nan if v is None else v for v in columns["single"]], dtype=np.float32)
    np.testing.assert_array_equal(back, single)
    known = np.isfinite(double)
    assert [v for v in columns["double"] if v is not None] == double[known].tolist()


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("@sum", "'@sum"),
        ("+a", "'+a"),
        ("-b", "'-b"),
        ("\t=1", "'\t=1"),
        ("-", "-"),
        ("-5.5", "-5.5"),
        ("a=b", "a=b"),
        ('say "so", twice\n', 'say "so", twice\n'),
    ],
)
def test_no_text_becomes_a_formula(cell: str, written: str) -> None:
    data = Data("x", {"text": [cell], "number": [-1.5]})
    words, guarded = as_csv(data)
    assert list(csv.reader(io.StringIO(words)))[1] == [written, "-1.5"]
    assert guarded == (written != cell)
    assert json.loads(as_json(data))["columns"]["text"] == [cell]


def test_a_lone_surrogate_can_be_written(tmp_path: Path) -> None:
    data = Data("x", {"text": ["a\ud800b"], "number": [1]})
    save(data, str(tmp_path / "x.json"))
    save(data, str(tmp_path / "x.csv"))
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))["columns"]["text"] == ["a\ud800b"]
    assert "a\\ud800b" in (tmp_path / "x.csv").read_text("utf-8")


def test_no_file_is_replaced(tmp_path: Path) -> None:
    data, path = Data("x", {"n": [1]}), tmp_path / "x.csv"
    path.write_text("mine")
    with pytest.raises(Refused, match="is there already"):
        save(data, str(path))
    assert path.read_text() == "mine"
    assert free_name("x", ".csv", tmp_path) == "x-2.csv"
    assert free_name("y", ".csv", tmp_path) == "y.csv"
    for wrong, says in (
        ("x.txt", "must end"),
        ("", "must end"),
        ("gone/x.csv", "can't be written"),
    ):
        with pytest.raises(Refused, match=says):
            save(data, str(tmp_path / wrong) if wrong else wrong)
    with pytest.raises(Refused, match="can't be written"):
        save(data, "a\0b.csv")


def test_a_long_table_is_written_in_parts_that_join(tmp_path: Path) -> None:
    count = 25_003
    numbers = np.arange(count, dtype=np.float32) / np.float32(7)
    data = Data("x", {"n": numbers, "word": [f"=w{n}" for n in range(count)]}, {"of": np.int32(3)})
    assert "25,003 cells" in save(data, str(tmp_path / "x.csv"))
    rows = list(csv.DictReader((tmp_path / "x.csv").open(encoding="utf-8")))
    assert [row["word"] for row in rows] == [f"'=w{n}" for n in range(count)]
    np.testing.assert_array_equal(np.array([row["n"] for row in rows], dtype=np.float32), numbers)
    save(data, str(tmp_path / "x.json"))
    found = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert found["about"] == {"of": 3} and found["columns"]["word"] == data.columns["word"]
    empty = Data("x", {"n": ()})
    assert json.loads(as_json(empty)) == {"about": {}, "columns": {"n": []}}
    assert as_csv(empty) == ("n\n", 0)


# -- data --------------------------------------------------------------------------------------


def test_the_heads_are_the_mean_of_the_differences(compared: Project) -> None:
    data = tables.heads(_context(compared, metric="std", view="B−A"))
    values = np.array(data.columns["value"]).reshape(3, 4)
    one, two = (compared.file(side).head_metric("std").astype(np.float64) for side in ("A", "B"))
    np.testing.assert_allclose(values, (two - one).mean(axis=0), atol=1e-6)
    assert _rows(data)[5]["layer"] == "1" and _rows(data)[5]["head"] == "1"
    assert data.about["metric"] == "std" and data.about["view"] == "B-A"


def test_the_weights_of_a_head(compared: Project) -> None:
    data = weights.attention(_context(compared, view="A", example=0, head_layer=1, head=2))
    stored = compared.a.attention(0, "self", layer=1, head=2)
    texts = compared.tokens(0).texts
    rows = _rows(data)
    assert len(rows) == stored.size
    for row in rows[:: max(1, len(rows) // 20)]:
        query, key = int(row["query"]), int(row["key"])
        assert np.float32(row["weight"]) == stored[query, key]
        assert (row["query token"], row["key token"]) == (texts[query], texts[key])


def test_the_points_of_both_maps(compared: Project) -> None:
    data = tables.map_points(_context(compared, layer=2), ("A", "B"))
    rows = _rows(data)
    assert len(rows) == len(compared.a.points) + len(compared.file("B").points)
    last = rows[-1]
    x, y = compared.file("B").coordinates(2)[-1]
    assert (last["model"], np.float32(last["x"]), np.float32(last["y"])) == ("B", x, y)
    row = len(compared.file("B").points) - 1
    assert last["text"] == compared.file("B").points.cell("text", row)
    assert last["example"] == compared.example_texts[0][int(compared.points.examples[row])]


def test_the_distances_with_their_intervals(compared: Project) -> None:
    c = _context(compared)
    rows = _rows(tables.distances(c))
    curves = compared.distance_view(c.selection).curves
    assert len(rows) == sum(len(curve.mean) for curve in curves)
    second = rows[len(curves[0].mean) + 1]
    assert second["group"] == curves[1].label and second["layer"] == "1"
    for name in ("mean", "low", "high"):
        assert np.float32(second[name]) == getattr(curves[1], name)[1]
    assert second["examples"] == str(curves[1].examples)


def test_all_columns_of_the_examples(compared: Project) -> None:
    rows = _rows(tables.examples(_context(compared)))
    assert [row["id"] for row in rows] == list(compared.example_texts[0])
    assert [row["text"] for row in rows] == list(compared.example_texts[1])
    assert {"correct A", "correct B"} <= rows[0].keys()
    for number, row in enumerate(rows):
        right = compared.correct("B", number)
        assert row["correct B"] == {True: "true", False: "false", None: ""}[right]


@pytest.mark.parametrize("sort", ["B-A.score", "-B-A.score", "-pair.probability"])
def test_what_the_list_is_sorted_by_is_written_with_it(sort: str, compared: Project) -> None:
    from tui.views import listing

    c = _context(compared, sort=sort)
    rows = _rows(tables.examples(c, listing.order(compared, c.selection)))
    values = [float(row[sort.removeprefix("-")] or "nan") for row in rows]
    known = np.array([value for value in values if value == value])
    assert len(known) > 2 and (np.diff(known) * (-1 if sort.startswith("-") else 1) >= 0).all()
    if sort.endswith("score"):
        both = [[float(row[f"score {side}"] or "nan") for row in rows] for side in "BA"]
        np.testing.assert_allclose(values, np.array(both[0]) - np.array(both[1]))
    own = tables.examples(_context(compared, sort="A.score"))
    assert [*own.columns] == [*tables.examples(_context(compared)).columns]


def test_the_table_of_an_example(compared: Project, tasks: Mapping[str, Project]) -> None:
    data = tables.example(_context(compared, example=0))
    assert data.name == "pairs" and len(data) == len(compared.pairs_of(0))
    tagging = tasks["tagging-2"]
    data = tables.example(_context(tagging, example=1))
    assert data.name == "items" and len(data) == len(tagging.items(1))


@pytest.mark.parametrize("name", ["tagging-2", "translation-2", "classification-1", "model-1"])
def test_every_pane_of_every_task_has_data_or_says_why(
    name: str, tasks: Mapping[str, Project]
) -> None:
    from tui.views.answers import TROUBLE

    c = _context(tasks[name])
    there = 0
    for pane in all_panes().values():
        for take in (pane.data, pane.copy):
            try:
                found = take(c)
            except (Refused, *TROUBLE) as reason:
                assert str(reason).endswith((".", ";")) or " " in str(reason)
                continue
            there += bool(as_json(found) if isinstance(found, Data) else found)
    assert there >= 8


def test_a_file_of_nothing_but_texts(tmp_path: Path) -> None:
    project = Project.open([Recipe().write(tmp_path / "bare.msgpack")])
    c = _context(project)
    assert tables.example(c).name == "tokens"
    assert len(tables.examples(c)) == 3
    assert copying.table_row(c).startswith(project.example_texts[0][0])
    project.close()


async def test_very_many_rows_are_written_in_a_thread(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.screens import out

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(out, "_MANY_ROWS", 3)
    async with running(files) as session:
        await session.press("e", "enter")
        await session.settle()
        assert "12 rows written to heads.csv" in session.foot()
        await session.press("e", *["backspace"] * len("heads-2.csv"), *"gone/x.csv", "enter")
        await session.settle()
        assert "gone/x.csv can't be written" in session.foot()


def test_what_a_number_means_stands_in_every_row_of_csv(compared: Project) -> None:
    c = _context(compared, metric="std", view="B−A", head_layer=1, head=2, example=1)
    over = compared.head_view(c.selection).over
    same = {"view": "B-A tuned - base", "metric": "std", "over": over}
    rows = _rows(tables.heads(c))
    assert [*rows[0]] == ["layer", "head", "value", *same]
    assert all(same.items() <= row.items() for row in rows)
    written = json.loads(as_json(tables.heads(c)))
    assert [*written["columns"]] == ["layer", "head", "value"]
    assert written["about"]["metric"] == "std"
    row = _rows(weights.attention(c._replace(selection=replace(c.selection, weighted=False))))[7]
    expected = {"view": same["view"], "example": compared.example_texts[0][1], "head": "1.2"}
    assert (expected | {"attention": "self", "weighted": "false"}).items() <= row.items()
    combined = replace(c.selection, combine="layer-mean")
    (head,) = {row["head"] for row in _rows(weights.attention(c._replace(selection=combined)))}
    assert head == "mean of layer 1, 4 heads"
    assert _rows(tables.distances(c))[0]["measure"] == c.selection.measure
    assert _rows(tables.map_points(c, ("A",)))[0]["layer"] == str(c.selection.layer)


def test_same_columns_are_as_long_as_the_table_and_guarded() -> None:
    data = Data("x", {"n": np.arange(25_000)}, constant={"of": "=a", "n": "no"})
    words, guarded = as_csv(data)
    rows = list(csv.reader(io.StringIO(words)))
    assert rows[0] == ["n", "of"] and guarded == 25_000
    assert rows[1:] == [[str(n), "'=a"] for n in range(25_000)]
    assert as_csv(Data("x", {"n": []}, constant={"of": 1})) == ("n,of\n", 0)


def test_the_list_of_heads_is_written_for_both_models(compared: Project) -> None:
    chosen: dict[str, Any] = {"attention_view": "heads", "example": 1, "query": 3, "key": 1}
    rows = _rows(AttentionPane().data(_context(compared, view="B−A", **chosen)))
    stored = {
        side: compared.file(side).attention_row(1, 3, "self")[:, :, 1] for side in compared.sides
    }
    assert len(rows) == 12
    for row in rows:
        at = int(row["layer"]), int(row["head"])
        for side in compared.sides:
            assert np.float32(row[f"weight {side}"]) == stored[side][at]
        assert np.float32(row["B-A"]) == stored["B"][at] - stored["A"][at]
        tokens = compared.tokens(1).texts
        assert (row["query"], row["query token"]) == ("3", tokens[3])
        assert (row["key"], row["key token"]) == ("1", tokens[1])
    alone = _rows(AttentionPane().data(_context(compared, view="A", **chosen)))
    assert np.float32(alone[5]["weight"]) == stored["A"][1, 1] and "weight A" not in alone[5]


@pytest.mark.parametrize("view", ["layer", "layers"])
@pytest.mark.parametrize("size", [(120, 40), (30, 9)])
def test_the_birds_eye_views_write_the_heads_in_sight(
    view: Any, size: tuple[int, int], compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pane, c = AttentionPane(), _context(compared, view="A", example=1, attention_view=view)
    picture = pane.draw(c, *size).text()
    rows = _rows(pane.data(c))
    written = {(int(row["layer"]), int(row["head"])) for row in rows}
    seen = {
        (layer, head) for layer in range(3) for head in range(4) if f"{layer}.{head}" in picture
    }
    assert written == seen
    for row in rows[:: len(rows) // 50]:
        stored = compared.a.attention(1, "self", layer=int(row["layer"]), head=int(row["head"]))
        assert np.float32(row["weight"]) == stored[int(row["query"]), int(row["key"])]
    monkeypatch.setattr(weights, "_MOST_WEIGHTS", len(rows) - 1)
    with pytest.raises(Refused, match="too many for a table; enter shows one head"):
        pane.data(c)


def test_pieces_are_copied_as_they_are_shown_and_written_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a language model: words, predictions and choices are pieces with the tokenizer's marks."""
    describe = made.describe

    def marked(*args: Any, **more: Any) -> Meta:
        return replace(describe(*args, **more), tokens=TokenInfo((), word_start="Ġ"))

    monkeypatch.setattr(made, "describe", marked)
    monkeypatch.setattr(made, "STORIES", ("Once Ġupon Ġ ĠâĢĵ Ċ s",))
    with closing(Project.open([made.write_language_model(tmp_path / "a.msgpack")])) as project:
        c = _context(project, example=0, item=4)
        own, shown = (
            ["Once", "Ġupon", "Ġ", "ĠâĢĵ", "Ċ", "s"],
            ["Once", "upon", "␣", "–", "⏎", "s"],
        )
        found = tables.example(c).columns
        assert (found["token"], found["text"], found["text shown"]) == (own, own, shown)
        assert [*found["prediction"]] == ["s", *own[:-1]]
        assert [*found["prediction shown"]] == ["·s", "·Once", *shown[1:-1]]
        assert [name for name in found if "shown" in name] == ["text shown", "prediction shown"]
        copied = copying.table_row(c).split("\t")
        assert copied[:2] == ["⏎", "–"] and not any("Ġ" in cell for cell in copied)
        row = _rows(weights.attention(c))[-1]
        names = ("query token", "query text", "key token", "key text")
        key = int(row["key"])
        assert [row[name] for name in names] == ["s", "s", own[key], shown[key]]
        assert copying.point(c, "A", 3).split("\t")[2] == "–"


# -- the clipboard -----------------------------------------------------------------------------


def test_what_is_copied_of_each_pane(compared: Project) -> None:
    c = _context(compared, view="A", metric="std", head_layer=1, head=2, example=0, query=3, key=1)
    name, value, title, *_ = copying.head(c).split("\t")
    mean = compared.a.head_metric("std").astype(np.float64).mean(axis=0)
    assert name == "1.2" and title == compared.metric_title("std")
    assert float(value) == pytest.approx(mean[1, 2], abs=1e-6)
    grid = compared.attention(c.selection)
    texts = compared.tokens(0).texts
    assert copying.edge(c, grid, 3, 1) == f"{texts[3]}\t{texts[1]}\t{grid.weights[3, 1]!s}\t1.2"
    lines = copying.edge(c, grid, 3, None).split("\n")
    assert len(lines) == len(texts)
    assert float(lines[0].split("\t")[2]) == pytest.approx(float(grid.weights[3].max()))
    assert copying.example_row(c).startswith("wsc-000\t")
    point = compared.points_of(0)[0]
    assert copying.point(c, "A", point).startswith("A\twsc-000\t")
    with pytest.raises(Refused):
        copying.point(c, "A", -1)
    with pytest.raises(Refused):
        copying.edge(c, grid, None, None)


def _under_cursor(pane: AttentionPane, c: Context) -> list[str]:
    """The row that the pane marks, as its cells."""
    (row,) = [
        row for row in pane.draw(c, 110, 12).text().splitlines() if c.look.marks.cursor in row
    ]
    return row.split()


@pytest.mark.parametrize("edges", ["", "she", "> she"])
def test_y_in_the_table_copies_the_edge_under_the_cursor(edges: str, compared: Project) -> None:
    """Also where no edge is chosen, or one that the table does not show."""
    chosen = {"attention_view": "table", "view": "A", "example": 1, "edges": edges, "share": 50}
    for query, key in ((None, None), (2, None), (0, 0), (3, 1)):
        c = _context(compared, query=query, key=key, **chosen)
        pane = AttentionPane()
        for _ in range(3):
            row = _under_cursor(pane, c)
            first, second, value, head = pane.copy(c).split("\t")
            assert {first, second, f"{float(value):.3f}"} <= set(row), row
            assert head == c.selection.head_name
            c = c._replace(selection=pane.move(c, 0, 1))
    nothing = _context(compared, **{**chosen, "edges": "no such token"})
    with pytest.raises(Refused, match="No edge is in the table"):
        AttentionPane().copy(nothing)


def test_y_in_the_list_of_heads_copies_the_row_under_the_cursor(compared: Project) -> None:
    pane = AttentionPane()
    c = _context(compared, attention_view="heads", view="B−A", example=1, query=3, key=1)
    for _ in range(4):
        row = _under_cursor(pane, c)
        s = c.selection
        a, b = (
            compared.file(side).attention(1, "self", layer=s.head_layer, head=s.head)[3, 1]
            for side in ("A", "B")
        )
        pieces = compared.pieces(1)
        assert pane.copy(c) == f"{pieces[3]}\t{pieces[1]}\t{plain(b - a)}\t{s.head_name}"
        assert s.head_name in row
        c = c._replace(selection=pane.move(c, 0, 1))


def test_copied_text_holds_no_controls() -> None:
    assert copying.line(["a\x1b]52;c;x\x07b", "two\nlines\t", np.float32("nan"), True]) == (
        "a\u241b]52;c;x\u2407b\ttwo lines\tundefined\tyes"
    )


def _clipboard(session: Session) -> str:
    return session.app.clipboard


async def test_the_copied_command_shows_the_same(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        await session.press("3", "left_square_bracket", "t", "m", "n", "space", "Y")
        s, words = session.selection, shlex.split(_clipboard(session))
        assert words[0] == "interpret-tui" and words[1:3] == [str(path) for path in files]
        assert "Copied: interpret-tui" in session.foot()
    parsed = parser().parse_args(words[1:])
    from tui.app import InterpretApp

    app = InterpretApp(parsed.files, asked=wanted.read(parsed))
    async with app.run_test(size=(160, 45)) as pilot:
        again = Session(app, pilot)
        await again.settle()
        assert again.selection == s and again.screen.active == "map"


async def test_what_goes_to_the_clipboard_is_said(files: tuple[Path, Path]) -> None:
    async with running(files, (80, 24)) as session:
        for pane in PANES:
            await session.go(pane)
            await session.press("down", "y")
            copied = _clipboard(session)
            first = copied.split("\n")[0].replace("\t", "  ")
            assert session.foot().startswith(" Copied")
            shown = session.foot().partition(": ")[2].rstrip("…")
            assert shown and first.startswith(shown)


async def test_a_command_of_the_demo_is_short() -> None:
    from tui.cli import DEMO_FILES

    async with running([Path(path) for path in DEMO_FILES]) as session:
        await session.press("Y")
        assert _clipboard(session) == "interpret-tui --demo --pane heads"


# -- pictures ----------------------------------------------------------------------------------


async def test_a_picture_of_the_pane_and_of_the_screen(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(files) as session:
        await session.go("distance")
        words = session.text()
        await session.press("s", "enter", "S", "enter")
        pane = "".join(ElementTree.parse("distance.svg").getroot().itertext())
        assert "6\xa0Distance" in pane and "Heads" not in pane
        screen = "".join(ElementTree.parse("screen.svg").getroot().itertext())
        assert "url(http" not in screen + pane  # nothing is fetched when it is opened
        assert "6\xa0Distance" in screen and "4\xa0Heads" in screen
        await session.press("s", "enter")
        assert "distance-2.svg" in session.foot()
        from tui.screens.out import _Picture

        _Picture.of_pane(session.screen).save("pane.txt")
        text = Path("pane.txt").read_text("utf-8").splitlines()
        assert text[0].startswith("╭") and text[-1].startswith("╰")
        assert all(line in words for line in text)
        _Picture.of_screen(session.screen).save("screen.txt")
        saved = Path("screen.txt").read_text("utf-8").splitlines()
        assert saved[:-1] == words.splitlines()[:-1]  # the bottom line says what was saved
        with pytest.raises(Refused, match="must end"):
            _Picture.of_pane(session.screen).save("pane.png")


@pytest.mark.pty
@pytest.mark.skipif(not COMMAND.exists(), reason="interpret-tui is not installed here")
def test_the_terminal_is_asked_to_take_the_words(files: tuple[Path, Path]) -> None:
    with Terminal([*files, "--pane", "heads", "--head", "1.2", "--metric", "std"]) as terminal:
        terminal.wait("q quit")
        terminal.press("y")
        terminal.wait("Copied: 1.2")
        terminal.press("q")
        assert terminal.end() == 0
        (sent,) = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", terminal.sent)
        assert base64.b64decode(sent).decode().startswith("1.2\t")


@pytest.mark.parametrize("cell", ["a\r=cmd", "x;=cmd|calc y", "a\tb", 'say "a;b"'])
def test_no_cell_ends_in_its_middle(cell: str) -> None:
    out = io.StringIO()
    write_csv(Data("texts", {"text": [cell, "plain"]}), out)
    assert out.getvalue().splitlines()[0].strip('"') == "text"
    quoted = cell.replace('"', '""')
    assert f'"{quoted}"\n' in out.getvalue()


def test_what_was_begun_is_removed(tmp_path: Path) -> None:
    def write(out: TextIO) -> int:
        out.write("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_new(str(tmp_path / "a.csv"), write)
    assert not [*tmp_path.iterdir()]


def test_counts_are_written_as_whole_numbers_and_measures_as_they_are() -> None:
    """The demo's `pairs` counts, its `score` measures, though both are numbers in the file."""
    project = Project.open([DEMO_FILES[0]])
    with closing(project):
        c = Context(project, project.first_selection(), Look())
        every, few = tables.examples(c), tables.examples(c, np.arange(3, dtype=np.int32))
        expected = np.bincount(project.pair_examples, minlength=project.limits.examples)
        for found in (every, few):
            pairs = list(found.columns["pairs"])
            assert all(isinstance(cell, (int, np.integer)) for cell in pairs)
            assert all(isinstance(cell, (float, np.floating)) for cell in found.columns["score"])
            out = io.StringIO()
            write_csv(found, out)
            at = next(csv.reader(io.StringIO(out.getvalue()))).index("pairs")
            rows = list(csv.reader(io.StringIO(out.getvalue())))[1:]
            assert [row[at] for row in rows] == [str(int(n)) for n in pairs]
            assert (np.array(pairs) <= expected[: len(pairs)]).all()
