"""Plug-ins: the worked examples of the documentation run, and what is wrong with one is said."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import collateral
from extract import pipeline, plugins
from extract.cli import main
from extract.errors import ExtractError
from extract.metrics import EXAMPLE_METRICS
from extract.metrics.base import ROW_STATISTICS
from extract.options import RunOptions
from extract.tasks import TASKS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
TEXTS = ["it fears the trophy", "does the suit fit?", "the trophy and the suit because"]


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What plug-ins add to the registries is gone after each test."""
    kept = [(registry, dict(registry)) for registry in (EXAMPLE_METRICS, ROW_STATISTICS, TASKS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)  # type: ignore[arg-type]


def example(name: str, folder: Path) -> Path:
    """The code block of the documentation that begins with ``# name``, as a file."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if block.startswith(f"# {name}:")]
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


@pytest.fixture
def options(bert_folder: Path, tmp_path: Path) -> Callable[..., RunOptions]:
    """Options of a run over a few texts with a plug-in."""
    data = tmp_path / "texts.txt"
    data.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")

    def make(task: str, plugin: Path) -> RunOptions:
        output = tmp_path / "out.msgpack"
        return RunOptions(str(bert_folder), data, output, task, attention=None, plugins=(plugin,))

    return make


def test_the_metric_of_the_documentation(
    options: Callable[..., RunOptions], tmp_path: Path
) -> None:
    asked = options("text", example("near.py", tmp_path))
    pipeline.run(asked)
    with collateral.open(asked.output) as c:
        assert c.metrics["mass_near"].title == "mass within 3 tokens"
        for row in range(len(TEXTS)):
            maps = c.attention(row).astype(np.float64)
            at = np.arange(maps.shape[-1])
            near = np.abs(at[:, None] - at) <= 3
            expected = (maps * near).sum(-1).mean(-1)
            np.testing.assert_allclose(c.head_metric("mass_near")[row], expected, atol=2e-3)
            assert expected.max() < 0.99  # not all is near, so the test can fail


def test_the_task_of_the_documentation(options: Callable[..., RunOptions], tmp_path: Path) -> None:
    asked = options("questions", example("questions.py", tmp_path))
    pipeline.run(asked)
    with collateral.open(asked.output) as c:
        assert c.meta.task == "questions" and c.examples["asks"] == [False, True, False]
        assert c.points["asks"] == [row == 1 for row in c.point_examples]
        assert c.points.describe("asks").meaning.startswith("Whether the text ends")


def test_plugins_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["metrics", "--plugin", str(example("near.py", tmp_path))]) == 0
    assert "mass_near (0 to 1)" in capsys.readouterr().out
    assert main(["tasks", "--plugin", str(example("questions.py", tmp_path))]) == 0
    listed = capsys.readouterr().out
    assert "questions: texts, told apart" in listed and "tagging: " in listed


def test_a_file_given_twice_is_imported_once(tmp_path: Path) -> None:
    path = example("near.py", tmp_path)
    plugins.load([path, path])
    assert "mass_near" in EXAMPLE_METRICS


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nothing_of_that_name\n", r"ModuleNotFoundError.*line 1"),
        ("\n\nraise RuntimeError('no')\n", r"RuntimeError: no, line 3"),
        ("def (\n", r"SyntaxError.*line 1"),
        (
            "from collateral import Metric\nfrom extract.metrics import row_metric\n"
            "row_metric(Metric('std', 'again'))(lambda view: view)\n",
            r"there is a metric 'std' already, line 3",
        ),
    ],
)
def test_a_plugin_that_fails_is_one_sentence(code: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(code, encoding="utf-8")
    with pytest.raises(ExtractError, match=says):
        plugins.load([path])


def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="no plug-in"):
        plugins.load([tmp_path / "none.py"])
    (tmp_path / "plugin.txt").write_text("")
    with pytest.raises(ExtractError, match=r"ends in \.py"):
        plugins.load([tmp_path / "plugin.txt"])


@pytest.mark.parametrize(
    ("task", "code", "says"),
    [
        (
            "text",
            "from collateral import Metric\nfrom extract.metrics import row_metric\n"
            "@row_metric(Metric('odd', 'odd'))\ndef odd(view):\n    raise RuntimeError('no')\n",
            r"bad\.py failed in odd, line 5 \(RuntimeError: no\)",
        ),
        (
            "odd",
            "from extract.tasks import register\nfrom extract.tasks.text import Texts\n"
            "@register\nclass Odd(Texts):\n    name = 'odd'\n"
            "    def rows(self, placed, predicted):\n        return {}['nothing']\n",
            r"bad\.py failed in rows, line 7 \(KeyError: 'nothing'\)",
        ),
    ],
)
def test_a_plugin_that_fails_on_the_way_is_named(
    task: str,
    code: str,
    says: str,
    options: Callable[..., RunOptions],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(code, encoding="utf-8")
    asked = options(task, path)
    path = Path(os.path.relpath(path))  # as it is typed
    command = ["run", "--model", asked.model, "--data", str(asked.data), "--task", task]
    assert main([*command, "-o", str(asked.output), "--plugin", str(path)]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(says, said) and "Traceback" not in said


def test_a_plugin_that_exits_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "exits.py"
    path.write_text("import sys\nsys.exit()\n", encoding="utf-8")
    with pytest.raises(ExtractError, match="SystemExit"):
        plugins.load([path])
