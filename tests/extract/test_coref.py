"""The coreference task: points, columns, predictions, scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from extract.encoding import encode
from extract.tasks import Coref
from extract.tasks.base import Placed
from extract.tasks.columns import column_for, free_name, shared_fields

from .conftest import COUNCIL, LINES, TROPHY, line

Write = Callable[..., Path]


def place(
    path: Path, tokenizer: PreTrainedTokenizerFast, limit: int = 64
) -> tuple[Coref, list[Placed[Any]], list[int]]:
    """Task, examples, and numbers of the lines that have no place."""
    task = Coref()
    groups = task.read(path, skip_bad=False).groups
    placed, lost = [], []
    for group in groups:
        one, bad = task.place(group, encode(tokenizer, [group.text], limit)[0])
        lost += [problem.line for problem in bad]
        placed += [one] if one is not None else []
    return task, placed, lost


def test_points_are_the_pieces_of_all_spans_once_in_order(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    _, placed, _ = place(wsc_file, tokenizer)
    first = placed[0]
    starts = [start for start, _ in first.points]
    assert starts == sorted(set(starts))
    texts = [first.encoded.tokens(tokenizer).texts[at] for at in starts]
    assert texts[:2] == ["the", "trophy"] and "suit" in texts and texts[-1] == "it"
    for pair in first.pairs:
        for span, points in ((pair.span1, pair.points1), (pair.span2, pair.points2)):
            assert starts[points[0] : points[1]] == list(range(*span))


def test_predictions_of_a_head(wsc_file: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    task, placed, _ = place(wsc_file, tokenizer)
    task.tables(placed)
    rows = task.rows(placed[0], np.array([2.0, 0.5], dtype=np.float32))  # gold: yes, no
    assert [row["prediction"] for row in rows.pairs] == ["coreferent", "coreferent"]
    assert [row["correct"] for row in rows.pairs] == [True, False]
    assert rows.pairs[0]["probability"] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert rows.example["correct"] is False and rows.example["score"] == 0.5
    pronoun, candidate = rows.points[-1], rows.points[0]
    assert (pronoun["role"], candidate["role"]) == ("pronoun", "candidate")
    assert (pronoun["gold"], pronoun["prediction"]) == ("ambiguous", "coreferent")
    assert (candidate["gold"], candidate["mention"]) == ("coreferent", "The trophy")
    assert (pronoun["correct"], candidate["correct"]) == (False, True)
    score = task.score()
    assert (score.right, score.judged, score.majority) == (1, 2, 1)


def test_a_head_says_no_at_exactly_zero_and_never_overflows(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    task, placed, _ = place(wsc_file, tokenizer)
    rows = task.rows(placed[0], np.array([0.0, -1e6], dtype=np.float32))
    assert [row["prediction"] for row in rows.pairs] == ["not coreferent"] * 2
    assert [row["probability"] for row in rows.pairs] == [0.5, 0.0]


def test_without_predictions_nothing_is_said(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    task, placed, _ = place(wsc_file, tokenizer)
    rows = task.rows(placed[0], None)
    for name in ("prediction", "probability", "correct"):
        assert [row[name] for row in rows.pairs] == [None, None]
    assert rows.example["correct"] is None and rows.example["score"] is None
    assert all(row["prediction"] is None and row["correct"] is None for row in rows.points)
    assert task.score().judged == 0
    assert "unknown" in task.notes(placed, False)[0]


def test_predictions_of_the_data_are_used_without_a_head(
    write_lines: Write, tokenizer: PreTrainedTokenizerFast
) -> None:
    path = write_lines(
        line(TROPHY, "The trophy", "it", id=1, label=True, prediction=True, probability=0.9),
        line(TROPHY, "the brown suitcase", "it", id=2, label=False),
        line(COUNCIL, "the demonstrators", "they", id=3, prediction=False),
    )
    task, placed, _ = place(path, tokenizer)
    first = task.rows(placed[0], None)
    assert [row["correct"] for row in first.pairs] == [True, None]
    assert [row["probability"] for row in first.pairs] == [0.9, None]
    assert first.example["correct"] is None and first.example["score"] is None
    second = task.rows(placed[1], None)
    assert (second.pairs[0]["prediction"], second.pairs[0]["gold"]) == ("not coreferent", None)
    assert task.score().judged == 1
    assert "2 of 3 pairs" in task.notes(placed, False)[0]
    assert "passed over" in task.notes(placed, True)[0]


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
    _, placed, lost = place(path, tokenizer, limit=12)
    assert (placed, lost) == ([], [1, 2, 3])
    task = Coref()
    groups = task.read(path, skip_bad=False).groups
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
    task, placed, _ = place(write_lines(*rows), tokenizer)
    tables = task.tables(placed)
    assert {"source", "score (data)"} <= set(tables.examples)
    assert {"match", "note"} <= set(tables.pairs) and "match" not in tables.examples
    assert tables.examples["score (data)"].kind == "continuous"
    assert tables.examples["score"].role == "score"
    values = task.rows(placed[0], None)
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


def test_names_of_columns_can_be_taken() -> None:
    assert free_name("a/b", {"a_b"}) == "a_b (data)"
    assert free_name("@", {"x"}) == "field" and free_name("self", {}) == "self (data)"
    assert free_name("tokens", {"tokens (data)"}) == "tokens (data) (data)"
    shared, own = shared_fields([[{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": True}]])
    assert (shared, own) == (["a"], ["b"])
