"""Coreference of span pairs (WSC, GAP): does the pronoun name the candidate?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from collateral.schema import Column, Measure

from ..data.encoding import Encoded
from ..data.pairs import PairRecord, TextGroup, Value, pairs_from_records
from ..errors import BadLine, UsageError
from ..metrics import PAIR_METRICS
from ..saying import many
from .base import (
    Given,
    Placed,
    PlacedPair,
    Predictor,
    Range,
    Rows,
    Source,
    Tables,
    Task,
    TaskOptions,
    Values,
)
from .columns import cell, check_kinds, column_for, free_name, shared_fields
from .span_head import SpanPredictor, load_span_head

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import LoadedModel

YES, NO, BOTH = "coreferent", "not coreferent", "ambiguous"

_EXAMPLES = {
    "pairs": Column("continuous", "pairs", "How many pairs of spans the text has."),
    "correct": Column(
        "boolean", "all right", "Whether all pairs are predicted as gold.", role="correct"
    ),
    "score": Column("continuous", "score", "Share of its pairs predicted as gold.", role="score"),
}
PAIRS: Mapping[str, Column] = {
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
"""Columns of pairs, here and in what is imported."""
POINTS: Mapping[str, Column] = {
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
"""Columns of points, here and in what is imported."""


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
    summary = "pairs of spans that may name the same thing (WSC, GAP)"
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the pair",
        "text": "the text",
        "span1": "the candidate: an object with text, start and end (characters)",
        "span2": "the pronoun, in the same form",
        "label": "gold answer, true or false (may be missing)",
        "schema_id": "name of the example (may be missing: lines of one text belong together)",
        "prediction": "a model's answer, true or false (may be missing)",
        "probability": "the model's probability of true (may be missing)",
    }
    also = tuple(
        f"{span}.{part}" for span in ("span1", "span2") for part in ("text", "start", "end")
    )
    judges_spans = True
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

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        if self.options.points:
            raise UsageError(
                f"--points: points of the task {self.name} are the pieces of its spans; leave "
                "it out."
            )
        self._head = self.options.span_head is not None
        self._untyped = False
        self._example_fields: dict[str, tuple[str, Column]] = {}
        self._pair_fields: dict[str, tuple[str, Column]] = {}

    @property
    def pair_metrics(self) -> tuple[str, ...]:
        """All that there are, those of plug-ins among them."""
        return tuple(PAIR_METRICS)

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[TextGroup]:
        """Groups span pairs by their text; see :func:`extract.data.pairs.pairs_from_records`."""
        reading = pairs_from_records(records, skip_bad=skip_bad)
        self._untyped = records.format in ("csv", "tsv", "tsv-unquoted")
        notes = []
        if reading.dropped_fields:
            names = ", ".join(reading.dropped_fields)
            notes.append(f"Fields that hold lists or objects were not kept: {names}.")
        return Source(reading.groups, reading.lines, reading.bad, notes)

    def given(self, group: TextGroup) -> Given:
        """The text of an example."""
        return Given(group.text)

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
                bad.append(BadLine(self.options.data, record.line, str(error)))
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

    def tables(self, groups: Sequence[TextGroup], loaded: LoadedModel) -> Tables:
        """The columns of the coref task, and one for each further simple field of the data.

        Raises:
            UsageError: a kind was given for a field that is not there or does not fit it.
        """
        records = [[record.extras for record in group.records] for group in groups]
        shared, own = shared_fields(records)
        kinds = self.options.kinds
        check_kinds(kinds, [*shared, *own])
        examples, pairs = dict(_EXAMPLES), dict(PAIRS)
        for names, table, fields, values in (
            (shared, examples, self._example_fields, [group[0] for group in records]),
            (own, pairs, self._pair_fields, [extras for group in records for extras in group]),
        ):
            for name in names:
                free = free_name(name, {"id", "text", *table})
                cells = [extras.get(name) for extras in values]
                table[free] = column_for(name, cells, kinds.get(name), untyped=self._untyped)
                fields[name] = (free, table[free])
        return Tables(examples, dict(POINTS), pairs)

    def notes(self, groups: Sequence[TextGroup], loaded: LoadedModel) -> list[str]:
        """Whether predictions are the head's, the data's or unknown."""
        records = [record for group in groups for record in group.records]
        given = sum(record.prediction is not None for record in records)
        if self._head:
            both = "; those in the data were passed over" if given else ""
            return [f"Predictions are those of the span head{both}."]
        if not given:
            return ["Predictions are unknown: no span head was given and the data holds none."]
        return [
            f"Predictions were read from the data, for {given:,} of {many(len(records), 'pair')}."
        ]

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The span head, if one was given."""
        if self.options.span_head is None:
            return None
        return SpanPredictor(load_span_head(self.options.span_head, loaded.info.hidden_size))

    def rows(self, placed: Placed[TextGroup], predicted: Any) -> Rows:
        """Values of an example; ``predicted`` holds a logit per pair, None without a head."""
        judged = [
            _judge(record, None if predicted is None else float(predicted[i]))
            for i, record in enumerate(placed.source.records)
        ]
        answers = [one.correct for one in judged if one.correct is not None]
        example: Values = {
            "pairs": float(len(judged)),
            "correct": _all_right([one.correct for one in judged]),
            "score": sum(answers) / len(answers) if len(answers) == len(judged) else None,
            **_extras(self._example_fields, placed.source.records[0].extras),
        }
        tally = Counter({"right": sum(answers), "judged": len(answers)})
        tally.update(f"gold {one.gold}" for one in judged if one.correct is not None)
        return Rows(
            example,
            _point_rows(placed, judged),
            [self._pair_row(one) for one in judged],
            tally=tally,
        )

    def score(self, total: Counter[str]) -> list[str]:
        """Accuracy over the pairs with a gold label and a prediction, beside the majority's."""
        judged = total["judged"]
        if not judged:
            return []
        majority = max(total["gold True"], total["gold False"])
        right, usual = total["right"] / judged, majority / judged
        return [f"accuracy {right:.1%} of {many(judged, 'pair')} (majority {usual:.1%})"]

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
    """A head's logit goes before what the data says; one that is no number says nothing."""
    if logit is None:
        return Judged(record, record.label, record.prediction, record.probability)
    if math.isnan(logit):
        return Judged(record, record.label, None, None)
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
    mentions: list[tuple[str, str]] = [("", "")] * len(placed.points)
    around: list[tuple[int, ...]] = [()] * len(placed.points)
    # the last writes first, so that the first span of a piece has the say
    for number in reversed(range(len(judged))):
        pair, record = placed.pairs[number], judged[number].record
        sides = (
            (pair.points2, record.span2.text, "pronoun"),
            (pair.points1, record.span1.text, "candidate"),
        )
        for points, text, role in sides:
            for i in range(*points):
                mentions[i] = (text, role)
                if number not in around[i]:
                    around[i] = (number, *around[i])
    answers = {some: _answers([judged[number] for number in some]) for some in set(around)}
    return [
        {"mention": text, "role": role, **answers[some]}
        for (text, role), some in zip(mentions, around, strict=True)
    ]


def _answers(judged: Sequence[Judged]) -> Values:
    """What is known of a piece that these pairs are about."""
    return {
        "gold": _common([one.gold for one in judged]),
        "prediction": _common([one.prediction for one in judged]),
        "correct": _all_right([one.correct for one in judged]),
    }


def _extras(
    fields: Mapping[str, tuple[str, Column]], extras: Mapping[str, Value]
) -> dict[str, Value]:
    return {free: cell(column, extras.get(name)) for name, (free, column) in fields.items()}
