"""Running a task in tests: read, place, predict, rows, as the pipeline does."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from extract.data.encoding import encode
from extract.data.records import open_records
from extract.models.capture import Ran
from extract.tasks.base import Placed, Rows, Source, Tables, Task


def no_model(**changes: Any) -> Any:
    """What a task asks of a loaded model, for a model without a head."""
    about: dict[str, Any] = {
        "head": None,
        "labels": (),
        "sides": ("text",),
        "own_pad_id": None,
        "info": SimpleNamespace(name="tiny"),
        "model": SimpleNamespace(config=SimpleNamespace(pad_token_id=0)),
    }
    return SimpleNamespace(**(about | changes))


@dataclass
class Begun:
    """A task with its examples, ready to be run.

    Attributes:
        lost: numbers of the lines that have no place.
    """

    task: Any
    source: Source[Any]
    placed: list[Placed[Any]]
    lost: list[int]
    tables: Tables
    loaded: Any

    def rows(self, example: int, predicted: Any = None) -> Rows:
        """The rows of an example, with the points that are chosen."""
        return self.chosen(example, predicted)[1]

    def chosen(self, example: int, predicted: Any = None) -> tuple[Placed[Any], Rows]:
        """The same with the example as it is then."""
        one = self.task.extend([self.placed[example]], self.loaded)[0]
        points = self.task.points_after(one, predicted)
        if points is not None:
            assert set(points) <= set(one.points)
            one = dataclasses.replace(one, points=points)
        rows = self.task.rows(one, predicted)
        self._check(one, rows)
        return one, rows

    def notes(self) -> str:
        """All notes as one text."""
        groups = [one.source for one in self.placed]
        return " ".join([*self.source.notes, *self.task.notes(groups, self.loaded)])

    def _check(self, one: Placed[Any], rows: Rows) -> None:
        """Rows have exactly the columns that the tables say."""
        assert set(rows.example) == set(self.tables.examples)
        assert len(rows.points) == len(one.points)
        assert all(set(row) == set(self.tables.points) for row in rows.points)
        assert bool(rows.items) <= bool(self.tables.items)
        assert all(set(row) == {"text", *self.tables.items} for row in rows.items)
        assert not one.items or len(one.items) == len(rows.items)


def begin(
    task: Task[Any], path: Path, tokenizer: Any, loaded: Any = None, *, limit: int = 64
) -> Begun:
    """Reads and places the examples of a file."""
    loaded = loaded or no_model()
    source = task.read(open_records(path), skip_bad=False)
    given = [task.given(group) for group in source.groups]
    seconds = [one.second for one in given]
    found = encode(tokenizer, [one.text for one in given], limit, seconds=seconds)
    placed, lost = [], []
    for group, encoded in zip(source.groups, found, strict=True):
        one, bad = task.place(group, encoded)
        lost += [problem.line for problem in bad]
        placed += [one] if one is not None else []
    tables = task.tables([one.source for one in placed], loaded)
    return Begun(task, source, placed, lost, tables, loaded)


def predict(begun: Begun, loaded: Any, *, batch: int) -> list[Any]:
    """What the task's predictor says of every example, in batches padded on the right."""
    predictor = begun.task.predictor(loaded)
    assert predictor is not None
    found: list[Any] = []
    for start in range(0, len(begun.placed), batch):
        part: Sequence[Placed[Any]] = begun.placed[start : start + batch]
        length = max(len(one.encoded) for one in part)
        ids = torch.full((len(part), length), loaded.pad_id)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(part):
            ids[row, : len(one.encoded)] = torch.from_numpy(one.encoded.ids)
            mask[row, : len(one.encoded)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        with torch.inference_mode():
            last = loaded.base(**inputs).last_hidden_state
            logits = loaded.model(**inputs).logits if predictor.full else None
            found += predictor.predict(Ran(last, logits), part)
    return found


def total(rows: Sequence[Rows]) -> Counter[str]:
    """The sum of what examples count."""
    summed: Counter[str] = Counter()
    for one in rows:
        summed.update(one.tally)
    return summed
