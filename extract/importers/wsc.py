"""Tables of the paper's coreference task: a pair of spans per id, a row per token of a span."""

from __future__ import annotations

import re
from collections.abc import Sequence

from collateral.schema import Column

from ..saying import many
from ..tasks.coref import NO, PAIRS, POINTS, YES
from .common import Columns, Example, Pair, Point, Problems, Range, Unusable, Values
from .joined import FurtherColumns, Placed
from .places import TwoSpans, token_places, two_spans
from .table import Row, Table, need, one_of

_SPANS = ("span1", "span2", "span")
_KNOWN = ("sentence", *_SPANS, "span_token", "target", "pred", "pred_proba", "acc")
_TOKEN = ("span_token", "token")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")

_EXAMPLES = {
    "correct": Column("boolean", "right", "Whether its pair is predicted as gold.", role="correct"),
}


class WscBuilder:
    """Makes examples of the coreference task.

    Attributes:
        columns: of the tables.
        rows: rows of the table, in the order of the points made so far.
    """

    task = "coref"

    @staticmethod
    def check(table: Table) -> None:
        """Whether the table has the columns of this task.

        Raises:
            ExtractError: one is missing.
        """
        need(table, _TOKEN, "the token that each row is of", ("aspect", "absa"))

    def __init__(self, table: Table | None, examples: Sequence[Placed], problems: Problems) -> None:
        """Looks at the columns of a table that was checked."""
        self._problems = problems
        self.rows: list[Row] = []
        names = table.columns if table is not None else ()
        self._token = one_of(names, _TOKEN)
        self._paired = all(name in names for name in _SPANS)
        pairs = self._paired
        own_points = dict(POINTS) if pairs else {}
        own_examples = dict(_EXAMPLES) if pairs else {}
        known = _KNOWN if pairs else ("sentence", self._token)
        self._further = FurtherColumns(examples, known, own_examples, own_points)
        self.columns = Columns(
            own_examples | self._further.examples,
            own_points | self._further.points,
            dict(PAIRS) if pairs else {},
        )
        self._ambiguous = 0
        self._single = 0

    def example(self, one: Placed) -> Example:
        """The example with its points and its pair, if it has rows and they can be placed."""
        further = self._further.of_example(one)
        if not one.rows:
            return Example(one.id, one.text, one.tokens, further)
        try:
            if not self._paired:
                return self._points_only(one, further)
            said = _said(one)
            spans = two_spans(one.rows, one.text, one.tokens, one.entry, one.where)
        except Unusable as error:
            self._problems.add(error.where, error.what)
            return Example(one.id, one.text, one.tokens, further)
        self._ambiguous += spans.ambiguous
        self._single += spans.first is None or spans.second is None
        return self._with_spans(one, spans, said, further)

    def notes(self) -> list[str]:
        """What was guessed."""
        notes = []
        if self.rows and not self._paired:
            notes.append("The table has no span1, span2 and span, hence there are no pairs.")
        if self._single:
            notes.append(
                f"The table has rows of one span only for {many(self._single, 'example')}: there "
                "are points but no pair."
            )
        if self._ambiguous:
            notes.append(
                f"Words of a span stand more than once in {many(self._ambiguous, 'example')}, and "
                "which are meant is not said: the places nearest to each other were taken."
            )
        return notes

    def _points_only(self, one: Placed, further: Values) -> Example:
        places = token_places(one.rows, self._token, one.tokens, one.where)
        order = sorted(range(len(places)), key=lambda i: places[i])
        rows = [one.rows[i] for i in order]
        points = [Point(places[i], self._further.of_point(one.rows[i])) for i in order]
        self.rows += rows
        return Example(one.id, one.text, one.tokens, further, points)

    def _with_spans(self, one: Placed, spans: TwoSpans, said: Values, further: Values) -> Example:
        """The example with the points of its spans, in token order, and with its pair."""
        words = [str(one.rows[0].values.get(name) or "") for name in ("span1", "span2")]
        shared = {name: said[name] for name in ("gold", "prediction", "correct")}
        found: list[tuple[Range, int]] = []
        for number, span in enumerate((spans.first, spans.second)):
            if span is not None:
                found.append((span, number))
        points: list[Point] = []
        ranges: dict[int, Range] = {}
        for span, number in sorted(found):
            rows = (spans.rows1, spans.rows2)[number]
            role = ("candidate", "pronoun")[number]
            values = {"mention": words[number], "role": role, **shared}
            start = len(points)
            points += self._span_points(span, rows, values)
            ranges[number] = start, len(points)
            self.rows += rows
        pairs = []
        if spans.first is not None and spans.second is not None:
            both = {"span1": words[0], "span2": words[1], **said}
            pairs = [Pair(one.id, spans.first, spans.second, ranges[0], ranges[1], both)]
        values = {"correct": said["correct"], **further}
        return Example(one.id, one.text, one.tokens, values, points, pairs)

    def _span_points(self, span: Range, rows: Sequence[Row], values: Values) -> list[Point]:
        """A point per row: its own token, or the whole span if there are not as many as tokens."""
        alone = len(rows) == span[1] - span[0]
        return [
            Point(
                (span[0] + i, span[0] + i + 1) if alone else span,
                values | self._further.of_point(row),
            )
            for i, row in enumerate(rows)
        ]


def _said(one: Placed) -> Values:
    """Gold, prediction, probability and whether they agree, from an example's first row.

    Raises:
        Unusable: a value is none of those that can be.
    """
    first = one.rows[0].values
    gold, prediction = _truth(one, "target"), _truth(one, "pred")
    correct = _truth(one, "acc")
    if gold is not None and prediction is not None:
        correct = gold == prediction
    numbers = [float(part) for part in _NUMBER.findall(first.get("pred_proba") or "")]
    probability = numbers[-1] if len(numbers) in (1, 2) else None
    if probability is not None and not 0 <= probability <= 1:
        raise Unusable(f"{one.where}", f'has {probability:g} as "pred_proba", not between 0 and 1')
    return {
        "gold": None if gold is None else YES if gold else NO,
        "prediction": None if prediction is None else YES if prediction else NO,
        "probability": probability,
        "correct": correct,
    }


def _truth(one: Placed, name: str) -> bool | None:
    value = one.rows[0].values.get(name)
    if value is None:
        return None
    known = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
    found = known.get(value.lower())
    if found is None:
        raise Unusable(one.where, f'has "{value[:20]}" as "{name}", which is neither 0 nor 1')
    return found
