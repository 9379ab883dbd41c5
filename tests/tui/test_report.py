"""The report says what the panes show, without a terminal."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tui import goldens
from tests.tui.handmade import Recipe
from tui import text
from tui.asked.wanted import apply
from tui.look import Look
from tui.out import copying, tables
from tui.out.report import facts
from tui.out.report_text import _wrapped, as_markdown, as_text
from tui.pane import Context
from tui.panes.distance import DistancePane
from tui.project import Project


def _run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    import os

    done = subprocess.run(
        [sys.executable, "-m", "tui.cli", *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=dict(os.environ, **environment),
    )
    return done.returncode, done.stdout, done.stderr


def _json(found: dict[str, Any]) -> Any:
    return json.loads(json.dumps(found, allow_nan=False))


# -- what it says ------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_files(compared: Project) -> None:
    s = replace(compared.first_selection(), metric="std")
    found = _json(facts(compared, s))
    one, two = (compared.file(side).head_metric("std").astype(np.float64) for side in ("A", "B"))
    mean = (two - one).mean(axis=0)
    np.testing.assert_allclose(np.array(found["heads"]["values"]), mean, atol=1e-6)
    flat = np.argsort(-np.abs(mean).ravel())[:3]
    names = [f"{n // 4}.{n % 4}" for n in flat.tolist()]
    assert [one["head"] for one in found["heads"]["strongest"][:3]] == names
    for group, curve in zip(
        found["distances"]["groups"], compared.distance_view(s).curves, strict=True
    ):
        assert group["label"] == curve.label and group["examples"] == curve.examples
        for name in ("mean", "low", "high"):
            written = np.array(group[name], dtype=np.float32)
            np.testing.assert_array_equal(written, getattr(curve, name))
    right = [compared.correct("B", row) for row in range(12)]
    known = [value for value in right if value is not None]
    shares = {x["table"]: x for x in found["scores"] if x["what"] == "share right"}
    assert shares["examples"]["values"]["B"] == pytest.approx(sum(known) / len(known))
    assert shares["examples"]["n"]["B"] == len(known)
    assert found["maps"]["A"].keys() == compared.a.quality.keys()


def test_it_follows_the_options(compared: Project) -> None:
    first = compared.first_selection()
    s = apply(
        compared, first, {"view": "A", "metric": "std", "example": "wsc-003", "scope": "example"}
    )
    found = _json(facts(compared, s))
    values = compared.a.head_metric("std")[3]
    np.testing.assert_array_equal(np.array(found["heads"]["values"], dtype=np.float32), values)
    assert found["scope"] == {"over": "example", "examples": 1, "of": 12}
    pairs = next(x for x in found["scores"] if x["table"] == "pairs")
    assert max(pairs["n"].values()) <= len(compared.pairs_of(3))
    assert apply(compared, first, found["selection"]) == s


def test_averages_over_a_filter_are_called_so(compared: Project) -> None:
    wanted = {"filter": "A.correct = false", "scope": "filtered"}
    s = apply(compared, compared.first_selection(), wanted)
    wrong = compared.a.examples["correct"].count(False)
    words = as_text(_json(facts(compared, s)), 80)
    assert f"filtered examples: {wrong} of 12" in words and "marked" not in words


def test_undefined_is_null_and_said_to_be_undefined(tmp_path: Path) -> None:
    values = np.full((3, 2, 2), np.nan)
    values[:, 0, 0] = (0.25, 0.5, 0.75)
    recipe = Recipe(metrics={"std": values})
    project = Project.open([recipe.write(tmp_path / "a.msgpack")])
    found = facts(project, replace(project.first_selection(), head_layer=1, head=1))
    assert _json(found)["heads"]["values"] == [[0.5, None], [None, None]]
    assert found["heads"]["chosen"] == {"head": "1.1", "value": None}
    assert [one["head"] for one in found["heads"]["strongest"]] == ["0.0"]
    words = as_text(found)
    assert "? undefined" in words and "chosen: 1.1 undefined" in words
    assert "  0 .500    ?" in words
    project.close()


def test_a_file_of_texts_alone(tmp_path: Path) -> None:
    project = Project.open([Recipe().write(tmp_path / "bare.msgpack")])
    found = facts(project, project.first_selection())
    assert "missing" in found["heads"] and "missing" in found["distances"]
    words = as_text(found)
    assert (
        "! The file has no head metrics" in words
        and "! The file has neither pairs of spans nor maps" in words
    )
    assert "Heads:" not in words and "## Heads" not in as_markdown(found)
    project.close()


# -- how it looks ------------------------------------------------------------------------------


def test_text_and_markdown(compared: Project) -> None:
    found = facts(compared, compared.first_selection(), "interpret-tui a b --report")
    goldens.check("report", as_text(found))
    goldens.check("report-ascii-40", as_text(found, 40, ascii_only=True))
    goldens.check("report-markdown", as_markdown(found))


@pytest.mark.parametrize("width", [40, 60, 80, 133])
def test_no_line_is_wider_than_asked(
    width: int, compared: Project, tasks: Mapping[str, Project]
) -> None:
    for project in (compared, *tasks.values()):
        found = facts(project, project.first_selection(), "interpret-tui " + "x" * 200)
        words = as_text(found, width)
        assert max(map(text.width, words.splitlines())) <= width
        plain = as_text(found, width, ascii_only=True)
        assert plain.isascii() and max(map(len, plain.splitlines())) <= width


def test_a_grid_of_many_heads_stands_in_blocks_with_every_head_once(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 5, 40))
    recipe = Recipe(layers=5, heads=40, metrics={"std": values})
    project = Project.open([recipe.write(tmp_path / "a.msgpack")])
    words = as_text(facts(project, project.first_selection()))
    headings = re.findall(r"^ {3,}((?:\d+ +)*\d+)$", words, re.MULTILINE)
    assert [int(n) for line in headings for n in line.split()] == list(range(40))
    third = [line.split()[1:] for line in words.splitlines() if re.match(r" +3 +\.\d", line)]
    shown = [float(cell) for line in third for cell in line]
    np.testing.assert_allclose(shown, values.mean(axis=0)[3], atol=2e-3)
    project.close()


def test_small_numbers_get_a_factor_and_keep_their_sign(tmp_path: Path) -> None:
    values = np.zeros((3, 2, 2))
    values[:] = [[0.00004, -0.0000001], [0.0, 0.00001]]
    paths = [
        Recipe(metrics={"std": part}).write(tmp_path / f"{name}.msgpack")
        for name, part in (("a", values * 0), ("b", values))
    ]
    project = Project.open(paths)
    found = facts(project, project.first_selection())
    found["heads"]["values"] = values[0].tolist()  # the file keeps fewer digits
    words = as_text(found)
    assert "cells ×10,000" in words
    assert "  0 +.400 −.001" in words and "  1     0 +.100" in words
    project.close()


def test_numbers_that_round_to_zero_have_the_sign_of_the_pane(compared: Project) -> None:
    found = facts(compared, compared.first_selection())
    found["heads"]["values"] = [[0.5, -0.0004], [0.0, 0.0006]]
    lines = as_text(found).splitlines()
    assert "  0 +.500     ~" in lines and "  1     0 +.001" in lines
    assert lines[lines.index("  1     0 +.001") + 1] == "  ~ not zero, but rounds to it"


def test_notes_are_no_warnings(compared: Project) -> None:
    found = facts(compared, compared.first_selection())
    assert found["notes"] == ["base: made up for tests", "tuned: made up for tests"]
    assert not any("made up" in warning for warning in found["warnings"])
    for words, sign in ((as_text(found), ""), (as_markdown(found), "## ")):
        after = words.partition(f"{sign}Notes\n")[2]
        assert "base: made up for tests" in after and "! base" not in words


def test_a_difference_of_groups_says_how_much_is_behind_both(compared: Project) -> None:
    s = replace(compared.first_selection(), gap=True)
    one, two = compared.distance_view(replace(s, gap=False)).curves
    assert (one.pairs, one.examples) != (two.pairs, two.examples)
    found = _json(facts(compared, s))
    (group,) = found["distances"]["groups"]
    assert group["behind"] == [
        {"of": curve.label, "pairs": curve.pairs, "examples": curve.examples}
        for curve in (one, two)
    ]
    words = f"coreferent: {one.pairs} pairs, {one.examples} examples; not coreferent: {two.pairs} "
    c = Context(compared, s, Look())
    assert words in " ".join(as_text(found).split()) and words in copying.distance(c)
    columns = tables.distances(c).columns
    assert [columns[f"pairs {curve.label}"][0] for curve in (one, two)] == [one.pairs, two.pairs]


def test_two_files_with_points_of_their_own_have_both_counts(tmp_path: Path) -> None:
    """In the legend, the copy, the table and the report; pane and report say that they differ."""
    places = np.random.default_rng(0).normal(size=(6, 2))
    owners = {"a": (0, 0, 1, 1, 2), "b": (0, 0, 0, 1, 1, 2)}
    paths = [
        Recipe(
            points=own, maps={layer: places[: len(own)] for layer in range(3)}, classes=True
        ).write(tmp_path / f"{name}.msgpack")
        for name, own in owners.items()
    ]
    with closing(Project.open(paths)) as project:
        s = replace(project.first_selection(), view="B−A")
        found = project.distance_view(s)
        assert [[part[:2] for part in parts] for parts in found.behind] == [
            [("A", 2), ("B", 2)],
            [("A", 3), ("B", 4)],
            [("A", 5), ("B", 6)],
        ]
        assert found.counts[:2] == ["2", "3 | 4"]
        said = "A and B have points of their own"
        assert said in found.warning
        c = Context(project, s, Look())
        assert said in DistancePane().draw(c, 100, 14).text()
        words = " ".join(as_text(_json(facts(project, s))).split())
        assert "5 and 6 points" in words and f"! {said}" in words
        for line in (words, copying.distance(c)):
            assert "A: 3 points, 3 examples; B: 4 points, 3 examples" in line
            assert "2 points, 2 examples" in line
        columns = tables.distances(c).columns
        assert [columns[f"points {side}"][::3] for side in "AB"] == [[2, 3, 5], [2, 4, 6]]


def test_text_of_a_file_commands_nothing(tmp_path: Path) -> None:
    evil = "\x1b]0;x\x07|`*<b>\u202e"
    recipe = Recipe(
        texts=["one two three"],
        points=(0, 0),
        pairs=(0,),
        measures={"cosine": np.ones((1, 3))},
        labels={evil: [evil]},
    )
    path = recipe.write(tmp_path / "a.msgpack")
    project = Project.open([path], [evil])
    found = facts(project, replace(project.first_selection(), grouping=evil))
    for words in (as_text(found), as_markdown(found)):
        assert not set("\x1b\x07\u202e") & set(words)
    line = next(line for line in as_markdown(found).splitlines() if line.startswith("| layer"))
    assert line.count("|") - line.count("\\|") == 3
    project.close()
    status, out, _ = _run(str(path), "--name", evil, "--report", "--format", "json")
    assert status == 0 and not set("\x1b\x07\u202e") & set(out)
    assert json.loads(out)["files"][0]["name"] == evil


# -- as a command ------------------------------------------------------------------------------


def test_no_terminal_and_no_textual_are_needed(files: tuple[Path, Path]) -> None:
    code = (
        "import sys; from tui.cli import main\n"
        f"status = main([{str(files[0])!r}, {str(files[1])!r}, '--report', '--format', 'json'])\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('textual', 'plotext')), "
        "file=sys.stderr)\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["files"][1]["name"] == "tuned"


def test_the_options_hold_for_the_command(files: tuple[Path, Path]) -> None:
    paths = [str(path) for path in files]
    status, out, err = _run(*paths, "--report", "--metric", "std", "--view", "A", "--width", "60")
    assert (status, err) == (0, "")
    assert "Heads: A base · " in out and "--view A" in out.replace("\n    ", " ")
    status, out, err = _run(*paths, "--report", "--metric", "sdt")
    assert (status, out) == (2, "") and "did you mean std?" in err
    status, out, err = _run("gone.msgpack", "--report")
    assert (status, out) == (1, "") and err.count("\n") == 1
    status, out, err = _run(*paths, "--format", "json")
    assert status == 2 and "--format and --width are for --report" in err


def test_an_output_that_takes_ascii_only(files: tuple[Path, Path]) -> None:
    paths = [str(path) for path in files]
    status, out, _ = _run(*paths, "--report", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert status == 0 and out.isascii() and "B-A" in out


def test_a_reader_that_has_seen_enough(files: tuple[Path, Path]) -> None:
    command = f"{sys.executable} -m tui.cli {files[0]} --report | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "line", [" " * 100 + "word " * 30, " " * 60 + "\u6f22" * 200, "  a" + " " * 90]
)
def test_a_line_of_any_indent_comes_to_an_end(line: str) -> None:
    for width in (40, 80):
        lines = [*itertools.islice(_wrapped(line, width), 200)]
        assert len(lines) < 200
        assert all(text.width(one) <= width for one in lines)
        assert "".join(lines).replace(" ", "") == line.replace(" ", "")
