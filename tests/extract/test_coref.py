"""The coreference task: points, columns, predictions, scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from collateral.schema import Column
from extract.data.encoding import encode
from extract.errors import UsageError
from extract.tasks import Coref
from extract.tasks.base import TaskOptions
from extract.tasks.columns import FieldColumns, cell, column_for, free_name, shared_fields

from .conftest import COUNCIL, LINES, TROPHY, line
from .task_runs import Begun, begin, total

Write = Callable[..., Path]


def place(
    path: Path, tokenizer: PreTrainedTokenizerFast, limit: int = 64, *, head: bool = False
) -> Begun:
    """Task and examples; without a head for the spans unless told."""
    options = TaskOptions(span_head=Path("head.safetensors") if head else None)
    return begin(Coref(options), path, tokenizer, limit=limit)


def test_points_are_the_pieces_of_all_spans_once_in_order(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    first = place(wsc_file, tokenizer).placed[0]
    starts = [start for start, _ in first.points]
    assert starts == sorted(set(starts))
    texts = [first.encoded.tokens(tokenizer).texts[at] for at in starts]
    assert texts[:2] == ["the", "trophy"] and "suit" in texts and texts[-1] == "it"
    for pair in first.pairs:
        for span, points in ((pair.span1, pair.points1), (pair.span2, pair.points2)):
            assert starts[points[0] : points[1]] == list(range(*span))


def test_predictions_of_a_head(wsc_file: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    begun = place(wsc_file, tokenizer, head=True)
    rows = begun.rows(0, np.array([2.0, 0.5], dtype=np.float32))  # gold: yes, no
    assert [row["prediction"] for row in rows.pairs] == ["coreferent", "coreferent"]
    assert [row["correct"] for row in rows.pairs] == [True, False]
    assert rows.pairs[0]["probability"] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert rows.example["correct"] is False and rows.example["score"] == 0.5
    pronoun, candidate = rows.points[-1], rows.points[0]
    assert (pronoun["role"], candidate["role"]) == ("pronoun", "candidate")
    assert (pronoun["gold"], pronoun["prediction"]) == ("ambiguous", "coreferent")
    assert (candidate["gold"], candidate["mention"]) == ("coreferent", "The trophy")
    assert (pronoun["correct"], candidate["correct"]) == (False, True)
    assert begun.task.score(total([rows])) == ["accuracy 50.0% of 2 pairs (majority 50.0%)"]


def test_a_head_says_no_at_exactly_zero_and_never_overflows(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = place(wsc_file, tokenizer, head=True)
    rows = begun.rows(0, np.array([0.0, -1e6], dtype=np.float32))
    assert [row["prediction"] for row in rows.pairs] == ["not coreferent"] * 2
    assert [row["probability"] for row in rows.pairs] == [0.5, 0.0]


def test_without_predictions_nothing_is_said(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = place(wsc_file, tokenizer)
    rows = begun.rows(0)
    for name in ("prediction", "probability", "correct"):
        assert [row[name] for row in rows.pairs] == [None, None]
    assert rows.example["correct"] is None and rows.example["score"] is None
    assert all(row["prediction"] is None and row["correct"] is None for row in rows.points)
    assert begun.task.score(total([rows])) == [] and begun.task.predictor(begun.loaded) is None
    assert "unknown" in begun.notes()


def test_predictions_of_the_data_are_used_without_a_head(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(
        line(TROPHY, "The trophy", "it", id=1, label=True, prediction=True, probability=0.9),
        line(TROPHY, "the brown suitcase", "it", id=2, label=False),
        line(COUNCIL, "the demonstrators", "they", id=3, prediction=False),
    )
    begun = place(path, tokenizer)
    first, second = begun.rows(0), begun.rows(1)
    assert [row["correct"] for row in first.pairs] == [True, None]
    assert [row["probability"] for row in first.pairs] == [0.9, None]
    assert first.example["correct"] is None and first.example["score"] is None
    assert (second.pairs[0]["prediction"], second.pairs[0]["gold"]) == ("not coreferent", None)
    assert total([first, second])["judged"] == 1
    assert "2 of 3 pairs" in begun.notes()
    assert "passed over" in place(path, tokenizer, head=True).notes()


def test_spans_that_are_cut_off_or_have_no_token(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    zero_width = "he\u200d said it"
    path = write_lines(
        *LINES[:2],
        {
            "id": "z",
            "text": zero_width,
            "span1": {"text": "\u200d", "start": 2, "end": 3},
            "span2": {"text": "it", "start": 9, "end": 11},
        },
    )
    begun = place(path, tokenizer, limit=12)
    assert (begun.placed, begun.lost) == ([], [1, 2, 3])
    task, groups = begun.task, begun.source.groups
    problems = []
    for group in groups:
        problems += task.place(group, encode(tokenizer, [group.text], 12)[0])[1]
    assert '"span2"' in str(problems[0]) and "cut off at 12 tokens" in str(problems[0])
    assert "has no token" in str(problems[2]) and "line 3" in str(problems[2])


def test_fields_all_lines_of_a_text_share_are_the_examples(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    extra = [
        {"source": "x", "match": "exact", "score": 3, "note": None},
        {"source": "x", "match": "nocase", "score": 3, "note": "n"},
        {"source": "x", "match": "exact", "score": 4, "note": "n"},
        {"source": "x", "match": "exact", "score": 4, "note": "n"},
    ]
    rows = [one | more for one, more in zip(LINES[:4], extra, strict=True)]
    begun = place(write_lines(*rows), tokenizer)
    tables = begun.tables
    assert {"source", "score (data)"} <= set(tables.examples)
    assert {"match", "note"} <= set(tables.pairs) and "match" not in tables.examples
    assert tables.examples["score (data)"].kind == "continuous"
    assert tables.examples["score"].role == "score"
    values = begun.rows(0)
    assert (values.example["source"], values.example["score (data)"]) == ("x", 3)
    assert [row["match"] for row in values.pairs] == ["exact", "nocase"]
    assert [row["note"] for row in values.pairs] == [None, "n"]


def test_kinds_of_columns_follow_from_values() -> None:
    assert column_for("a", [True, None, False]).kind == "boolean"
    assert column_for("a", [1.0, None]).kind == "continuous"
    assert column_for("a", ["x", "y", "x", "y", None]).kind == "categorical"
    assert column_for("a", ["x"]).kind == "categorical"
    assert column_for("a", [f"http://{i}" for i in range(9)]).kind == "text"
    assert column_for("a", [1.0, "x"]).kind == "text"
    assert column_for("a", [None]).kind == "text"
    assert column_for("a", [True, 1.0]).kind == "text"


def test_strings_of_a_table_may_be_numbers() -> None:
    """In CSV all values are strings; a column is of numbers if all of them can be."""

    def kind(*values: str | None) -> str:
        return column_for("a", values, untyped=True).kind

    assert kind("1", "2.5", None) == "continuous" and kind("true", "FALSE") == "boolean"
    assert kind("007", "012", "007", "012") == "categorical" and kind("1", "x", "y") == "text"
    assert column_for("a", ["1", "2", "3"]).kind == "text"
    table: dict[str, Column] = {}
    fields = FieldColumns(untyped=True)
    fields.add(table, [{"n": "1.5", "b": "yes"}, {"n": None, "b": "no"}])
    assert fields.values({"n": "1.5", "b": "yes"}) == {"n": 1.5, "b": True}
    assert fields.values({}) == {"n": None, "b": None}


def test_kinds_of_columns_may_be_given() -> None:
    values = [1.0, 2.0, 0.0]
    assert cell(column_for("a", values, "categorical"), 2.0) == "2"
    assert cell(column_for("a", [1.0, 0.0, True], "boolean"), 1.0) is True
    assert cell(column_for("a", ["1", "2"], "continuous"), "2") == 2.0
    assert cell(column_for("a", [True], "text"), None) == ""
    with pytest.raises(UsageError, match='--column a=boolean: "2" is no truth value'):
        column_for("a", values, "boolean")
    with pytest.raises(UsageError, match='--column a=continuous: "x" is no number'):
        column_for("a", ["1", "x"], "continuous")


def test_names_of_columns_can_be_taken() -> None:
    assert free_name("a/b", {"a_b"}) == "a_b (data)"
    assert free_name("@", {"x"}) == "field" and free_name("self", {}) == "self (data)"
    assert free_name("tokens", {"tokens (data)"}) == "tokens (data) (data)"
    shared, own = shared_fields([[{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": True}]])
    assert (shared, own) == (["a"], ["b"])


def test_numbers_of_a_csv_file(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "id,text,span1.text,span1.start,span1.end,span2.text,span2.start,span2.end,year,page\n"
        "1,he and it,he,0,2,it,7,9,1999,3\n"
        "2,he or it,he,0,2,it,6,8,2001,4\n"
    )
    begun = begin(Coref(TaskOptions(kinds={"page": "text"})), path, tokenizer)
    assert begun.tables.examples["year"].kind == "continuous"
    example = begun.rows(1).example
    assert (example["year"], example["page"]) == (2001.0, "4")
    with pytest.raises(UsageError, match='no further field "pages"'):
        begin(Coref(TaskOptions(kinds={"pages": "text"})), path, tokenizer)
