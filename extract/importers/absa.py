"""Tables of the paper's aspect task: tags of words per id, a row per aspect."""

from __future__ import annotations

import re
from collections.abc import Sequence

from collateral.schema import Column

from ..data.encoding import span_tokens
from ..data.fields import read_column
from .common import Columns, Example, Item, Point, Problems, Values
from .joined import FurtherColumns, Placed
from .places import word_places
from .table import Row, Table, need, one_of

_KNOWN = ("sentence", "target", "pred", "f1")
_ASPECT = ("aspect", "token")
_EXAMPLES = {
    "gold": Column("text", "gold tags", "The tag of each word in the data.", role="gold"),
    "prediction": Column(
        "text", "predicted tags", "The tag of each word as predicted.", role="prediction"
    ),
    "correct": Column(
        "boolean", "all right", "Whether all tags are predicted as gold.", role="correct"
    ),
    "score": Column(
        "continuous", "F1", "F1 of the aspects and opinions of the sentence.", role="score"
    ),
}
_ITEMS = {
    "gold": Column("categorical", "gold", "The word's tag in the data.", role="gold"),
    "prediction": Column("categorical", "predicted", "Its predicted tag.", role="prediction"),
    "correct": Column("boolean", "right", "Whether the prediction is gold.", role="correct"),
}


class AbsaBuilder:
    """Makes examples of the aspect task.

    Attributes:
        columns: of the tables.
        rows: rows of the table, in the order of the points made so far.
    """

    task = "tagging"

    @staticmethod
    def check(table: Table) -> None:
        """Whether the table has the columns of this task.

        Raises:
            ExtractError: one is missing.
        """
        need(table, _ASPECT, "the words that each row is of", ("span_token", "wsc"))

    def __init__(self, table: Table | None, examples: Sequence[Placed], problems: Problems) -> None:
        """Looks at the columns of a table that was checked."""
        self._problems = problems
        self.rows: list[Row] = []
        names = table.columns if table is not None else ()
        self._aspect = one_of(names, _ASPECT)
        self._tagged = "target" in names or "pred" in names
        used = {"gold": "target", "prediction": "pred", "score": "f1"}
        own = {name: _EXAMPLES[name] for name, column in used.items() if column in names}
        if "gold" in own and "prediction" in own:
            own["correct"] = _EXAMPLES["correct"]
        points = {self._aspect: Column("text", self._aspect, "The words that the point is of.")}
        points = points if self._aspect else {}
        self._further = FurtherColumns(examples, (*_KNOWN, self._aspect), own, points)
        self.columns = Columns(
            own | self._further.examples,
            points | self._further.points,
            items=dict(_ITEMS) if self._tagged else None,
        )

    def example(self, one: Placed) -> Example:
        """The example with its points and its words."""
        values = self._further.of_example(one)
        if not one.rows:
            return Example(one.id, one.text, one.tokens, values)
        first = one.rows[0].values
        gold, predicted = ((first.get(name) or "").split() for name in ("target", "pred"))
        score = read_column([first.get("f1")])[0]
        own: Values = {
            "gold": " ".join(gold),
            "prediction": " ".join(predicted),
            "correct": gold == predicted if gold and predicted else None,
            "score": score if isinstance(score, float) else None,
        }
        values |= {name: value for name, value in own.items() if name in self.columns.examples}
        items = self._items(one, gold, predicted)
        return Example(one.id, one.text, one.tokens, values, self._points(one, gold), items=items)

    def notes(self) -> list[str]:
        """What was guessed."""
        if not self.rows:
            return []
        return [
            "Points are all pieces of an aspect's words: which of them the coordinates are of is "
            "not said in the table."
        ]

    def _points(self, one: Placed, gold: Sequence[str]) -> list[Point]:
        places = word_places(one.rows, self._aspect, one.text, one.tokens, gold)
        found = []
        for row, place in zip(one.rows, places, strict=True):
            words = row.values.get(self._aspect) or ""
            if place is None:
                what = f'has the {self._aspect} "{words[:40]}", which is not in its tokens (cut?)'
                self._problems.add(f"{one.where}, line {row.line}", what)
                continue
            found.append((place, row, {self._aspect: words, **self._further.of_point(row)}))
        found.sort(key=lambda item: item[0])
        self.rows += [row for _, row, _ in found]
        return [Point(place, values) for place, _, values in found]

    def _items(self, one: Placed, gold: Sequence[str], predicted: Sequence[str]) -> list[Item]:
        """A row per word of the sentence."""
        sentence = one.sentence or ""
        words = list(re.finditer(r"\S+", sentence))
        items = []
        for name, tags in (("target", gold), ("pred", predicted)):
            if tags and len(tags) != len(words):
                self._problems.add(
                    one.where, f'has {len(tags)} tags as "{name}" for {len(words)} words'
                )
                return []
        if not gold and not predicted:
            return []
        for number, match in enumerate(words):
            place = (
                span_tokens(one.tokens.offsets, one.tokens.special, *match.span())
                if one.in_sentence and one.text == sentence
                else None
            )
            labels = [tags[number] if tags else None for tags in (gold, predicted)]
            correct = labels[0] == labels[1] if None not in labels else None
            values: Values = {"gold": labels[0], "prediction": labels[1], "correct": correct}
            items.append(Item(place or (0, 0), match.group(), values))
        return items
