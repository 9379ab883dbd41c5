"""Coreference of span pairs (WSC, GAP): does the pronoun name the candidate?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collateral.schema import Column, Measure

from ..data import PairRecord, TextGroup, Value, read_pairs
from ..encoding import Encoded
from ..errors import BadLine
from ..metrics import EXAMPLE_METRICS, PAIR_METRICS
from .base import Placed, PlacedPair, Range, Rows, Score, Source, Tables, Task, Values
from .columns import cell, column_for, free_name, shared_fields

YES, NO, BOTH = "coreferent", "not coreferent", "ambiguous"

_EXAMPLES = {
    "pairs": Column("continuous", "pairs", "How many pairs of spans the text has."),
    "correct": Column(
        "boolean", "all right", "Whether all pairs are predicted as gold.", role="correct"
    ),
    "score": Column("continuous", "score", "Share of its pairs predicted as gold.", role="score"),
}
_PAIRS = {
    "span1": Column("text", "candidate", "The words that may be what the pronoun names."),
    "span2": Column("text", "pronoun", "The pronoun."),
    "gold": Column("categorical", "gold", "Whether they name the same thing.", role="gold"),
    "prediction": Column(
        "categorical", "predicted", "Whether the model says that they do.", role="prediction"
    ),
    "probability": Column(
        "continuous", "probability", "Predicted probability that they do.", role="probability"
    ),
    "correct": Column("boolean", "right", "Whether the prediction is gold.", role="correct"),
}
_POINTS = {
    "mention": Column("text", "mention", "The words of the span that the piece belongs to."),
    "role": Column("categorical", "role", "Whether the mention is a candidate or the pronoun."),
    "gold": Column(
        "categorical",
        "gold",
        f'What gold says of the pairs the mention is in; "{BOTH}" if not the same of all.',
        role="gold",
    ),
    "prediction": Column(
        "categorical",
        "predicted",
        f'What is predicted of the pairs the mention is in; "{BOTH}" if not the same of all.',
        role="prediction",
    ),
    "correct": Column(
        "boolean", "right", "Whether all pairs the mention is in are right.", role="correct"
    ),
}


@dataclass(frozen=True)
class Judged:
    """A pair with what is known of it: the gold answer and a prediction, None if unknown."""

    record: PairRecord
    gold: bool | None
    prediction: bool | None
    probability: float | None

    @property
    def correct(self) -> bool | None:
        """Whether the prediction is gold; None if either is unknown."""
        if self.gold is None or self.prediction is None:
            return None
        return self.gold == self.prediction


class Coref(Task[TextGroup]):
    """Span pairs in texts; see :class:`~extract.tasks.base.Task`."""

    name = "coref"
    example_metrics = tuple(EXAMPLE_METRICS)
    pair_metrics = tuple(PAIR_METRICS)
    measures = (
        Measure(
            "cosine",
            "cosine distance",
            "",
            "1 − cosine of the angle between the means of the two spans' hidden states: 0 is the "
            "same direction, 1 a right angle, 2 opposite.",
            "1 − u·v / (‖u‖ ‖v‖), u and v means over word pieces",
        ),
        Measure(
            "euclid",
            "Euclidean distance",
            "hidden-state units",
            "Distance between the means of the two spans' hidden states; grows with their length, "
            "so layers and models do not compare.",
            "‖u − v‖, u and v means over word pieces",
        ),
    )

    def __init__(self) -> None:
        self._path = Path()
        self._gold: Counter[bool] = Counter()
        self._right = 0
        self._example_fields: dict[str, tuple[str, Column]] = {}
        self._pair_fields: dict[str, tuple[str, Column]] = {}

    def read(self, path: Path, *, skip_bad: bool) -> Source[TextGroup]:
        """Reads span pairs; see :func:`extract.data.read_pairs`."""
        self._path = path
        reading = read_pairs(path, skip_bad=skip_bad)
        notes = []
        if reading.dropped_fields:
            names = ", ".join(reading.dropped_fields)
            notes.append(f"Fields that hold lists or objects were not kept: {names}.")
        return Source(reading.groups, reading.lines, reading.bad, notes)

    def text(self, group: TextGroup) -> str:
        """The text of an example."""
        return group.text

    def place(
        self, group: TextGroup, encoded: Encoded
    ) -> tuple[Placed[TextGroup] | None, list[BadLine]]:
        """Points are the word pieces of all spans, once each, in token order."""
        bad: list[BadLine] = []
        kept: list[tuple[PairRecord, Range, Range]] = []
        for record in group.records:
            try:
                first, second = (_tokens_of(record, name, encoded) for name in ("span1", "span2"))
            except _NoPlace as error:
                bad.append(BadLine(self._path, record.line, str(error)))
                continue
            kept.append((record, first, second))
        if not kept:
            return None, bad
        pieces = sorted({at for _, *spans in kept for span in spans for at in range(*span)})
        number = {at: i for i, at in enumerate(pieces)}
        pairs = tuple(
            PlacedPair(record.id, first, second, _points(number, first), _points(number, second))
            for record, first, second in kept
        )
        source = TextGroup(group.id, group.text, tuple(record for record, *_ in kept))
        points = tuple((at, at + 1) for at in pieces)
        return Placed(group.id, group.text, encoded, source, points, pairs), bad

    def tables(self, placed: Sequence[Placed[TextGroup]]) -> Tables:
        """The columns of the coref task, and one for each further simple field of the data."""
        records = [[record.extras for record in one.source.records] for one in placed]
        shared, own = shared_fields(records)
        examples, pairs = dict(_EXAMPLES), dict(_PAIRS)
        for names, table, fields, values in (
            (shared, examples, self._example_fields, [group[0] for group in records]),
            (own, pairs, self._pair_fields, [extras for group in records for extras in group]),
        ):
            for name in names:
                free = free_name(name, {"id", "text", *table})
                table[free] = column_for(name, [extras.get(name) for extras in values])
                fields[name] = (free, table[free])
        return Tables(examples, dict(_POINTS), pairs)

    def notes(self, placed: Sequence[Placed[TextGroup]], has_head: bool) -> list[str]:
        """Whether predictions are the head's, the data's or unknown."""
        records = [record for one in placed for record in one.source.records]
        given = sum(record.prediction is not None for record in records)
        if has_head:
            both = "; those in the data were passed over" if given else ""
            return [f"Predictions are those of the span head{both}."]
        if not given:
            return ["Predictions are unknown: no span head was given and the data holds none."]
        return [f"Predictions were read from the data, for {given} of {len(records)} pairs."]

    def rows(self, placed: Placed[TextGroup], logits: npt.NDArray[np.float32] | None) -> Rows:
        """Values of an example; counts its predictions for :meth:`score`."""
        judged = [
            _judge(record, None if logits is None else float(logits[i]))
            for i, record in enumerate(placed.source.records)
        ]
        answers = [one.correct for one in judged if one.correct is not None]
        self._right += sum(answers)
        self._gold.update(bool(one.gold) for one in judged if one.correct is not None)
        example: Values = {
            "pairs": float(len(judged)),
            "correct": _all_right([one.correct for one in judged]),
            "score": sum(answers) / len(answers) if len(answers) == len(judged) else None,
            **_extras(self._example_fields, placed.source.records[0].extras),
        }
        return Rows(example, _point_rows(placed, judged), [self._pair_row(one) for one in judged])

    def score(self) -> Score:
        """Pairs with a gold label and a prediction, so far."""
        majority = max(self._gold.values(), default=0)
        return Score(self._right, self._gold.total(), majority)

    def _pair_row(self, judged: Judged) -> Values:
        return {
            "span1": judged.record.span1.text,
            "span2": judged.record.span2.text,
            "gold": _label(judged.gold),
            "prediction": _label(judged.prediction),
            "probability": judged.probability,
            "correct": judged.correct,
            **_extras(self._pair_fields, judged.record.extras),
        }


class _NoPlace(Exception):
    """Why a span has no tokens."""


def _tokens_of(record: PairRecord, name: str, encoded: Encoded) -> Range:
    span = record.span1 if name == "span1" else record.span2
    where = f'"{name}" (characters {span.start} to {span.end})'
    if encoded.loses(span.start, span.end):
        raise _NoPlace(f"{where} is cut off at {len(encoded)} tokens, see --max-length")
    found = encoded.span(span.start, span.end)
    if found is None:
        raise _NoPlace(f"{where} has no token: the tokenizer leaves these characters out")
    return found


def _points(number: Mapping[int, int], span: Range) -> Range:
    return number[span[0]], number[span[1] - 1] + 1


def _judge(record: PairRecord, logit: float | None) -> Judged:
    """A head's logit goes before what the data says."""
    if logit is None:
        return Judged(record, record.label, record.prediction, record.probability)
    return Judged(record, record.label, logit > 0, _sigmoid(logit))


def _sigmoid(logit: float) -> float:
    # the exponent is never positive, so that no logit overflows
    small = math.exp(-abs(logit))
    return (1 if logit >= 0 else small) / (1 + small)


def _label(value: bool | None) -> str | None:
    return None if value is None else YES if value else NO


def _all_right(answers: Sequence[bool | None]) -> bool | None:
    """False if one is wrong; else None if one is unknown; else True."""
    if False in answers:
        return False
    return None if None in answers else True


def _common(answers: Sequence[bool | None]) -> str | None:
    """The one answer of all pairs whose answer is known, "ambiguous" if there are two."""
    known = {answer for answer in answers if answer is not None}
    return BOTH if len(known) > 1 else _label(next(iter(known), None))


def _point_rows(placed: Placed[TextGroup], judged: Sequence[Judged]) -> list[Values]:
    """One row per point. A piece of several spans takes words and role from the first of them."""
    rows: list[Values] = []
    for start, stop in placed.points:
        mentions: list[tuple[str, str]] = []
        around: list[Judged] = []
        for pair, one in zip(placed.pairs, judged, strict=True):
            sides = (
                (pair.span1, one.record.span1.text, "candidate"),
                (pair.span2, one.record.span2.text, "pronoun"),
            )
            inside = [(text, role) for span, text, role in sides if _within(start, stop, span)]
            mentions += inside
            around += [one] * bool(inside)
        rows.append(
            {
                "mention": mentions[0][0],
                "role": mentions[0][1],
                "gold": _common([one.gold for one in around]),
                "prediction": _common([one.prediction for one in around]),
                "correct": _all_right([one.correct for one in around]),
            }
        )
    return rows


def _within(start: int, stop: int, span: Range) -> bool:
    return span[0] <= start and stop <= span[1]


def _extras(
    fields: Mapping[str, tuple[str, Column]], extras: Mapping[str, Value]
) -> dict[str, Value]:
    return {free: cell(column, extras.get(name)) for name, (free, column) in fields.items()}
