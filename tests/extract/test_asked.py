"""No option is ignored: what a run makes no use of is refused in one sentence that says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import collateral
from extract import cli
from extract.errors import ExtractError
from extract.saying import agree, first_line, listed, many
from extract.tasks.span_head import load_span_head

from . import tiny

ROW = {"text": "the trophy", "label": "a", "domain": "x"}
WORDS = {"words": ["the", "trophy"], "tags": ["O", "B-X"], "domain": "x"}
SOURCE = {"source": "the", "target": "trophy", "domain": "x"}
PAIR: dict[str, Any] = {
    "id": "1",
    "text": "the trophy",
    "span1": {"text": "the", "start": 0, "end": 3},
    "span2": {"text": "trophy", "start": 4, "end": 10},
    "domain": "x",
}
ROWS: dict[str, dict[str, Any]] = {
    "text": ROW,
    "classification": ROW,
    "language-model": ROW,
    "tagging": WORDS,
    "seq2seq": SOURCE,
    "coref": PAIR,
}

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, saved."""
    path = tmp_path_factory.mktemp("t5")
    tiny.save_tiny(path, "t5", head="seq2seq")
    return path


@pytest.fixture
def run(tmp_path: Path, bert_folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a task over one record, of the tiny BERT if no other model is named."""

    def call(task: str, *extra: str, model: Path | None = None, **row: Any) -> tuple[int, str]:
        data = tmp_path / "data.jsonl"
        data.write_text(json.dumps(ROWS[task] | row) + "\n", encoding="utf-8")
        output = tmp_path / "out.msgpack"
        given = ["--model", str(model or bert_folder), "--data", str(data), "-o", str(output)]
        status = cli.main(["run", *given, "--task", task, "--device", "cpu", *extra])
        error = capsys.readouterr().err.strip().splitlines()
        assert output.exists() == (status == 0)
        return status, error[-1] if status else ""

    return call


@pytest.mark.parametrize("task", ["text", "classification", "tagging", "language-model", "seq2seq"])
def test_a_span_head_is_of_pairs(task: str, run: Run, head_file: Path) -> None:
    status, said = run(task, "--span-head", str(head_file))
    assert status == 2 and f"--span-head: the task {task} has no pairs of spans" in said


@pytest.mark.parametrize("task", ["text", "classification", "tagging", "language-model", "coref"])
def test_a_target_is_of_tasks_that_write(task: str, run: Run) -> None:
    status, said = run(task, "--side", "target")
    assert status == 2 and f"--side target: the task {task} has no targets" in said


def test_a_side_is_of_encoder_decoders(run: Run, t5: Path, tmp_path: Path) -> None:
    status, said = run("text", "--side", "source")
    assert status == 2 and "--side source: " in said and "(BertModel) is no encoder-decoder" in said
    for task, option, side in (
        ("text", ("--side", "source"), "source"),
        ("text", (), "source"),
        ("seq2seq", ("--side", "source"), "source"),
        ("seq2seq", (), "target"),
    ):
        assert run(task, *option, model=t5) == (0, "")
        with collateral.open(tmp_path / "out.msgpack") as c:
            assert c.meta.settings["side"] == side


@pytest.mark.parametrize("task", list(ROWS))
def test_a_field_that_the_task_does_not_read(task: str, run: Run) -> None:
    status, said = run(task, "--map", "lable=domain")
    assert status == 2
    assert f'--map lable=domain: the task {task} reads no field "lable"; it reads id, ' in said


@pytest.mark.parametrize("task", list(ROWS))
def test_a_column_that_no_record_has(task: str, run: Run, t5: Path) -> None:
    model = t5 if task == "seq2seq" else None
    status, said = run(task, "--map", "id=nummer", model=model)
    assert status == 2 and 'has no column "nummer" for the field "id"; its columns are ' in said
    for name in ROWS[task]:
        assert f" {name}" in said
    status, said = run(task, "--column", "price=continuous", model=model)
    assert status == 2 and 'the data has no further field "price"' in said and "domain" in said


@pytest.mark.parametrize(
    ("task", "row", "says"),
    [
        ("text", {}, 'no field "text"; its fields are body, domain: name one with --map text='),
        ("classification", {}, 'no field "text"; its fields are body, domain: name one with'),
        ("coref", {}, 'no field "text"; its fields are body, domain: name one with --map text='),
        ("tagging", {}, 'no field "words"; its fields are body, domain: name one with --map words'),
        ("tagging", {"text": "the"}, "lists of words with --map words=COLUMN"),
        ("seq2seq", {}, 'no field "source"; its fields are body, domain: name one with --map so'),
        ("seq2seq", {"text": "the"}, "name its column with --map target=COLUMN"),
        ("coref", {"text": "the"}, 'no field "span1"; its fields are body, domain, text: name on'),
    ],
)
def test_a_missing_field_says_which_there_are(
    task: str,
    row: dict[str, Any],
    says: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ROWS, task, {"body": "the trophy", "domain": "x", **row})
    extra = {"id": "1"} if task == "coref" and row else {}
    status, said = run(task, **extra)
    assert status == 1 and says in said.replace(", id", "")


def test_points_of_coreference_are_its_spans(run: Run) -> None:
    status, said = run("coref", "--points", "all")
    assert status == 2 and "points of the task coref are the pieces of its spans" in said


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.jsonl", "\n", "one JSON object per line"),
        ("a.json", "[]", "a JSON array of objects"),
        ("a.csv", "text,label\n", "a line that names the columns, and rows beneath it"),
        ("a.tsv", "", "a line that names the columns, and rows beneath it"),
        ("a.conll", "\n\n", "a word and its tag per line"),
        ("a.conllu", "\n", "ten columns of CoNLL-U"),
        ("a.txt", " \n", "one text per line"),
    ],
)
def test_data_without_records_by_format(
    name: str,
    content: str,
    what: str,
    tmp_path: Path,
    bert_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / name
    data.write_text(content, encoding="utf-8")
    given = ["--model", str(bert_folder), "--data", str(data), "-o", str(tmp_path / "out")]
    assert cli.main(["run", *given, "--task", "text"]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{data} has no records; it must hold " in said and what in said
    assert cli.main(["run", *given, "--task", "text", "--split", "test"]) == 2
    assert "is a file and has no splits" in capsys.readouterr().err


def test_a_span_head_of_many_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({f"layer.{i:03}": torch.ones(1) for i in range(100)}, path)
    with pytest.raises(ExtractError) as caught:
        load_span_head(path, 2)
    assert "layer.000, layer.001" in str(caught.value) and "and 95 more" in str(caught.value)
    assert "layer.005" not in str(caught.value)


def test_parts_of_sentences() -> None:
    assert [many(n, "text") for n in (0, 1, 2000)] == ["0 texts", "1 text", "2,000 texts"]
    assert [agree(n, "were") for n in (0, 1, 2)] == ["were", "was", "were"]
    assert listed("abc", 3) == "a, b, c" and listed("abcd", 3) == "a, b, c and 1 more"
    assert listed([]) == "" and listed(range(1002), 1) == "0 and 1,001 more"
    assert first_line(ValueError("no.\nmore")) == "no" and first_line(KeyError()) == "KeyError"
