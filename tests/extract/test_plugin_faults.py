"""What a plug-in gives and may not give is called the plug-in's fault, with what was expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import collateral
from extract import cli, pipeline
from extract.metrics import EXAMPLE_METRICS, PAIR_METRICS
from extract.metrics.base import ROW_STATISTICS, checked
from extract.options import RunOptions
from extract.tasks import TASKS

from .conftest import LINES

METRIC = """\
import torch
from collateral import Metric
from extract.metrics import example_metric, pair_metric, row_metric, row_statistic, word_metric
ODD = Metric("odd", "odd")
"""
TASK = """\
from dataclasses import replace
from collateral import Column
from extract.tasks import register
from extract.tasks.base import Rows, Tables
from extract.tasks.text import Texts
@register
class Odd(Texts):
    name = "odd"
"""
PARSED = {"words": ["the", "trophy"], "heads": [1, -1]}


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What plug-ins add to the registries is gone after each test."""
    registries = (EXAMPLE_METRICS, PAIR_METRICS, ROW_STATISTICS, TASKS)
    kept = [(registry, dict(registry)) for registry in registries]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "row_metric(ODD)(lambda view: view.weights.sum((-1, -2)))",
            "row statistic 'odd' gave a tensor [1, 2], not [1, 2, 4].",
        ),
        (
            "row_metric(ODD)(lambda view: None)",
            "row statistic 'odd' gave nothing, not a tensor [1, 2, 4].",
        ),
        (
            "row_metric(ODD)(lambda view: view.weights.sum(-1).tolist())",
            "row statistic 'odd' gave a list, not a tensor [1, 2, 4].",
        ),
        (
            "row_metric(ODD)(lambda view: view.weights.sum(-1) / 0)",
            "row statistic 'odd' gave an infinite number; what is undefined is NaN.",
        ),
        (
            "row_metric(ODD)(lambda view: view.weights.sum(-1) * 1j)",
            "row statistic 'odd' gave complex numbers, not real ones.",
        ),
        (
            "example_metric(ODD, 'norm')(lambda rows: rows['norm'])",
            "metric 'odd' gave a tensor [1, 6, 4], not [1, 6].",
        ),
        (
            "word_metric(ODD)(lambda view: view.attention.sum(-1))",
            "metric 'odd' gave a tensor [1, 6, 2], not [1, 6].",
        ),
        (
            "pair_metric(Metric('odd', 'odd', unit='pair'), Metric('even', 'even', unit='pair'))(\n"
            "    lambda view: view.mass.sum(-1))",
            "metric 'odd' gave a tensor [2], not [2, 6].",
        ),
        ("row_metric(ODD)(lambda view: view.nothing)", "failed in <lambda>, line 5 (AttributeErr"),
    ],
)
def test_a_metric(
    code: str, says: str, bert_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, data = tmp_path / "odd.py", tmp_path / "data.jsonl"
    plugin.write_text(f"{METRIC}{code}\n", encoding="utf-8")
    pairs = "pair" in code
    rows = LINES[:2] if pairs else [PARSED]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = _failed(bert_folder, data, "coref" if pairs else "text", plugin, capsys)
    assert said.startswith(f"interpret-extract: The plug-in {plugin}") and says in said


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def read(self, records, *, skip_bad): return []", "read gave a list, not a Source."),
        (
            "def place(self, group, encoded): return super().place(group, encoded)[0]",
            "place gave a Placed, not a Placed (or None) and a list of BadLine.",
        ),
        (
            "def place(self, group, encoded):\n"
            "        return replace(super().place(group, encoded)[0], points=((0, 99),)), []",
            "place gave the range (0, 99) in the example 1, which is no half-open range among its "
            "4 tokens.",
        ),
        (
            "def extend(self, placed, loaded): return placed[1:]",
            "extend gave 0 examples for 1.",
        ),
        (
            "def points_after(self, placed, predicted): return ((0, 3),)",
            "points_after gave (0, 3), which is no point of the example 1.",
        ),
        ("def rows(self, placed, predicted): return {}", "rows gave a dict, not Rows."),
        (
            "def rows(self, placed, predicted): return Rows({}, [])",
            "rows gave values of 0 points for the 2 points of the example 1.",
        ),
        (
            "def rows(self, placed, predicted):\n"
            "        return replace(super().rows(placed, predicted), example={'colour': 'red'})",
            "its rows cannot be used (ValueError: example '1': ",
        ),
        (
            "def rows(self, placed, predicted):\n"
            "        return replace(super().rows(placed, predicted), example={'size': 'red'})\n"
            "    def tables(self, groups, loaded):\n"
            "        return Tables({'size': Column('continuous', 'size', '')}, {}, {}, {})",
            "its rows cannot be used (ValueError: ",
        ),
        (
            "def rows(self, placed, predicted):\n"
            "        return replace(super().rows(placed, predicted), example={'a': {1, 2}})",
            "its rows cannot be used (TypeError: a part cannot hold set)",
        ),
        ("def tables(self, groups, loaded): return {}", "its columns cannot be used (Attribute"),
        ("def score(self, total): return 3", "its score cannot be used (TypeError: "),
        (
            "def predictor(self, loaded): return Odder()\n"
            "class Odder:\n    full = False\n    def predict(self, ran, batch): return []",
            "predict gave a list of 0, not a list of one for each of 1 example.",
        ),
    ],
)
def test_a_task(
    code: str, says: str, bert_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin, data = tmp_path / "odd.py", tmp_path / "data.txt"
    plugin.write_text(f"{TASK}    {code}\n", encoding="utf-8")
    data.write_text("the trophy\n", encoding="utf-8")
    said = _failed(bert_folder, data, "odd", plugin, capsys)
    assert said.startswith(f"interpret-extract: The plug-in {plugin}: {says}")


def test_what_is_built_in_is_no_plugins_fault() -> None:
    with pytest.raises(ValueError, match=r"metric 'x' gave nothing, not a tensor \[1, 2\]"):
        checked("metric", "x", checked, None, (1, 2))


def test_a_metric_of_pairs_is_in_the_file(
    bert_folder: Path, wsc_file: Path, tmp_path: Path
) -> None:
    plugin, output = tmp_path / "pairs.py", tmp_path / "out.msgpack"
    plugin.write_text(
        f"{METRIC}forward, back = (Metric(f'twice_{{way}}', way, unit='pair') for way in 'ab')\n"
        "pair_metric(forward, back)(lambda view: 2 * view.mass)\n",
        encoding="utf-8",
    )
    pipeline.run(RunOptions(str(bert_folder), wsc_file, output, plugins=(plugin,)))
    with collateral.open(output) as c:
        for way, name in (("a", "candidate_pronoun"), ("b", "pronoun_candidate")):
            found, mass = (c.head_metric(n) for n in (f"twice_{way}", f"intensity_{name}_mass"))
            np.testing.assert_allclose(found, 2 * np.asarray(mass), atol=1e-6)


def _failed(
    model: Path, data: Path, task: str, plugin: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    output = plugin.parent / "out.msgpack"
    command = ["run", "--model", str(model), "--data", str(data), "--task", task]
    command += ["--device", "cpu", "--batch-size", "1", "-o", str(output)]
    assert cli.main([*command, "--plugin", str(plugin)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.endswith(".") and "defect" not in said and not output.exists()
    return said
