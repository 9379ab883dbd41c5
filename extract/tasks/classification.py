"""Texts, or pairs of texts, with a class (or, by regression, a number) for each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from collateral.schema import Column

from ..data.encoding import Encoded
from ..data.fields import BadRecord, Fields, Value, kind_of
from ..data.words import word_ranges
from ..errors import BadLine, ExtractError
from ..saying import agree, listed, many
from .base import Given, Placed, Predictor, Rows, Source, Tables, Task, TaskOptions
from .class_head import ClassPredictor, Heads, head_of
from .columns import FieldColumns, as_text, check_kinds
from .points import MEAN_NOTE, check_found, parse_points, points_of_text, quotas, sampled
from .reading import Parsed, further, identifier, read_each
from .words import word_at

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import LoadedModel
    from .base import Values

MOST_LABELS = 12
"""Rows of the summary table of an example at most: its likeliest classes, and gold."""

_CHOICES = ("first", "last", "mean", "all", "sample", "regex")
_KNOWN = {"id", "text", "words", "second", "text2", "label", "ranges"}
_DEFAULT_LABEL = "LABEL_"
_TRUTH = {True: ("true", "yes", "1"), False: ("false", "no", "0")}


@dataclass(frozen=True)
class Labelled:
    """One or two texts.

    Attributes:
        second: of a pair, None of a single text.
        label: gold, as the data has it; None if unknown.
        extras: further fields.
        quota: its points, if they are a sample.
        untyped: whether further fields are all strings.
        line: of the data.
    """

    id: str
    text: str
    second: str | None
    label: Value
    extras: Mapping[str, Value] = field(default_factory=dict)
    quota: int = 0
    untyped: bool = False
    line: int = 0

    @property
    def given(self) -> Given:
        """The text or texts."""
        return Given(self.text, self.second)


class Classification(Task[Labelled]):
    """Texts with a class; see :class:`~extract.tasks.base.Task`."""

    name = "classification"
    summary = "texts, or pairs of texts, with a class or a number for each"
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the text (may be missing)",
        "text": "the text, or the first of two (or a list of words)",
        "second": "the second text, as in entailment (may be missing; also called text2)",
        "label": "gold class: its name, its number, true or false; for models with one output a "
        "number (may be missing)",
    }
    also = ("words", "text2")
    head = "sequence-classification"
    item = "label"

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self._choice = parse_points(self.options.points or "first", self.name, _CHOICES)
        self._heads: Heads | None = None
        self._labels: tuple[str, ...] = ()
        self._fields = FieldColumns()

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Labelled]:
        """Texts with their classes, one per record."""
        source = read_each(records, _parse, skip_bad=skip_bad)
        groups = source.groups
        if self._choice.name == "mean":
            source.notes.append(MEAN_NOTE)
        check_found(self._choice, [(one.given.whole, None) for one in groups])
        if self._choice.name == "sample":
            sizes = [len(one.given.whole) for one in groups]
            shares = quotas(sizes, self._choice.count, self.options.limit)
            source.groups = [replace(one, quota=n) for one, n in zip(groups, shares, strict=True)]
        return source

    def given(self, group: Labelled) -> Given:
        """The text or texts."""
        return group.given

    def place(
        self, group: Labelled, encoded: Encoded
    ) -> tuple[Placed[Labelled] | None, list[BadLine]]:
        """Points are what ``--points`` says; of a decoder the first is the one it classifies by."""
        if bool(encoded.special.all()):
            return None, [BadLine(self.options.data, group.line, "its text has no token")]
        text = group.given.whole
        points = points_of_text(self._choice, text, encoded, None, ())
        if self._choice.name == "sample":
            points = sampled(points, group.quota, self.options.seed, group.id)
        return Placed(group.id, text, encoded, group, points), []

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The model's own head, if it classifies sequences.

        Raises:
            ExtractError: the model is an encoder-decoder.
        """
        if loaded.head != self.head:
            return None
        return ClassPredictor(loaded, head_of(loaded))

    def extend(
        self, placed: Sequence[Placed[Labelled]], loaded: LoadedModel
    ) -> list[Placed[Labelled]]:
        """The point "first" of a model that classifies by its last token is that one."""
        if self._choice.name != "first" or loaded.head != self.head:
            return list(placed)
        predictor = ClassPredictor(loaded, head_of(loaded))
        if not predictor.by_last:
            return list(placed)
        lasts = [predictor.last_token(one) for one in placed]
        return [replace(one, points=((at, at + 1),)) for one, at in zip(placed, lasts, strict=True)]

    def tables(self, groups: Sequence[Labelled], loaded: LoadedModel) -> Tables:
        """Columns of texts, points and classes.

        Raises:
            ExtractError: no gold label is one of the model's, or is a number where one is needed.
        """
        if loaded.head == self.head:
            self._heads = head_of(loaded)
            self._labels = loaded.labels
        self._check_labels(groups, loaded)
        number = self._heads is not None and self._heads.kind == "regression"
        examples = dict(_NUMBERS if number else _CLASSES)
        points = {"word": _WORD}
        points |= {
            name: examples[name] for name in ("gold", "prediction", "correct") if name in examples
        }
        untyped = any(one.untyped for one in groups)
        self._fields = FieldColumns(self.options.kinds, untyped=untyped)
        self._fields.add(examples, [one.extras for one in groups])
        check_kinds(self.options.kinds, self._fields.names)
        labels = self._labels and not number
        return Tables(examples, points, items=dict(_LABELS) if labels else {})

    def _check_labels(self, groups: Sequence[Labelled], loaded: LoadedModel) -> None:
        if self._heads is None:
            return
        known = [one for one in groups if one.label is not None]
        if self._heads.kind == "regression":
            for one in known:
                if _number(one.label) is None:
                    raise ExtractError(
                        f"{loaded.info.name} predicts a number, but the label of {one.id} is "
                        f'"{as_text(one.label)}"; give numbers with --map label=FIELD.'
                    )
            return
        if known and all(self._class_of(one.label) is None for one in known):
            gold = sorted({as_text(one.label) for one in known})
            unnamed = all(label.startswith(_DEFAULT_LABEL) for label in self._labels)
            advice = (
                "name the classes under id2label in its config.json, give their numbers"
                if unnamed
                else "take the label from another field with --map label=FIELD"
            )
            raise ExtractError(
                f"None of the labels of the data ({listed(gold, 8)}) is a class of "
                f"{loaded.info.name} ({listed(self._labels, 8)}); {advice}, or do without its "
                "predictions with --task text."
            )

    def notes(self, groups: Sequence[Labelled], loaded: LoadedModel) -> list[str]:
        """Where predictions come from, and which points there are."""
        notes = []
        if self._heads is None:
            notes.append(
                f"Predictions are unknown: {loaded.info.name} has no sequence classification head."
            )
        else:
            notes.append(f"Predictions are those of the model's own head{self._heads.note}.")
            if self._heads.kind != "regression":
                strange = Counter(
                    as_text(one.label)
                    for one in groups
                    if one.label is not None and self._class_of(one.label) is None
                )
                if count := strange.total():
                    notes.append(
                        f"{many(count, 'gold label')} {agree(count, 'are')} not among the model's "
                        f"classes and {agree(count, 'count')} as wrong: {listed(strange, 8)}."
                    )
            if self._choice.name == "first" and ClassPredictor(loaded, self._heads).by_last:
                notes.append("Points are the last tokens, which the model classifies by.")
        return notes

    def rows(self, placed: Placed[Labelled], predicted: Any) -> Rows:
        """Values of a text, of its points and of the classes; ``predicted`` holds logits."""
        group = placed.source
        if self._heads is not None and self._heads.kind == "regression":
            example, tally = self._number_row(group, predicted)
            items: list[Values] = []
        else:
            log = None if predicted is None or self._heads is None else self._heads.log(predicted)
            example, tally = self._class_row(group, log)
            items = self._label_rows(group, log)
        shared = {
            name: example[name] for name in ("gold", "prediction", "correct") if name in example
        }
        whole = self._choice.name == "mean"
        points = [
            {"word": "" if whole else word_at(placed, start, stop), **shared}
            for start, stop in placed.points
        ]
        example |= self._fields.values(group.extras)
        return Rows(example, points, items=items, tally=tally)

    def _class_row(
        self, group: Labelled, log: Sequence[float] | None
    ) -> tuple[Values, Counter[str]]:
        gold = None if group.label is None else self._class_of(group.label)
        name = self._labels[gold] if gold is not None else _plain(group.label)
        row: Values = dict.fromkeys(_CLASSES)
        row["gold"] = name
        if log is None:
            return row, Counter()
        best = max(range(len(log)), key=lambda i: log[i])
        row |= {"prediction": self._labels[best], "probability": math.exp(log[best])}
        if group.label is None:
            return row, Counter()
        row["correct"] = best == gold
        if gold is None:
            return row, Counter({"judged": 1, f"gold {name}": 1})
        row |= {"score": math.exp(log[gold]), "loss": -log[gold]}
        tally = Counter({"judged": 1, "right": int(best == gold), f"gold {name}": 1})
        return row, tally

    def _label_rows(self, group: Labelled, log: Sequence[float] | None) -> list[Values]:
        """The likeliest classes and gold, likeliest first; without a prediction in their order."""
        if not self._labels:
            return []
        gold = None if group.label is None else self._class_of(group.label)
        order = list(range(len(self._labels)))
        if log is not None:
            order.sort(key=lambda i: -log[i])
        shown = order[:MOST_LABELS]
        if gold is not None and gold not in shown:
            shown[-1] = gold
        return [
            {
                "text": self._labels[i],
                "gold": None if group.label is None else i == gold,
                "prediction": None if log is None else i == order[0],
                "probability": None if log is None else math.exp(log[i]),
            }
            for i in shown
        ]

    def _number_row(self, group: Labelled, predicted: Any) -> tuple[Values, Counter[str]]:
        gold = None if group.label is None else _number(group.label)
        said = None if predicted is None else float(predicted[0])
        row: Values = {"gold": gold, "prediction": said, "error": None}
        if gold is None or said is None:
            return row, Counter()
        row["error"] = abs(said - gold)
        sums: Any = {
            "judged": 1,
            "absolute": abs(said - gold),
            "gold sum": gold,
            "said sum": said,
            "gold squares": gold * gold,
            "said squares": said * said,
            "products": gold * said,
        }
        return row, Counter(sums)

    def score(self, total: Counter[str]) -> list[str]:
        """Accuracy and mean loss; mean absolute error and correlation of numbers."""
        judged: float = total["judged"]
        if not judged:
            return []
        texts = many(int(judged), "text")
        if "absolute" in total:
            error = f"mean absolute error {total['absolute'] / judged:.3f} of {texts}"
            r = _correlation(total)
            return [error if r is None else f"{error} (correlation with gold {r:.3f})"]
        usual = max(count for name, count in total.items() if name.startswith("gold "))
        return [
            f"accuracy {total['right'] / judged:.1%} of {texts} (majority {usual / judged:.1%})"
        ]

    def _class_of(self, label: Value) -> int | None:
        """The number of the class that a gold label means; None if it is none of the model's."""
        names = {name.casefold(): i for i, name in enumerate(self._labels)}
        words = _TRUTH[label] if isinstance(label, bool) else (as_text(label).strip(),)
        for word in words:
            if word.casefold() in names:
                return names[word.casefold()]
        if isinstance(label, bool):
            return int(label) if len(names) == 2 else None
        word = words[0]
        return int(word) if word.isdecimal() and int(word) < len(self._labels) else None


_CLASSES = {
    "gold": Column("categorical", "gold", "The gold class.", role="gold"),
    "prediction": Column(
        "categorical", "predicted", "The class of the highest probability.", role="prediction"
    ),
    "probability": Column(
        "continuous", "probability", "Probability of the predicted class.", role="probability"
    ),
    "correct": Column("boolean", "right", "Whether the predicted class is gold.", role="correct"),
    "score": Column("continuous", "p(gold)", "Probability of the gold class.", role="score"),
    "loss": Column("continuous", "loss", "Cross-entropy of the gold class, −ln p(gold), in nats."),
}
_NUMBERS = {
    "gold": Column("continuous", "gold", "The gold number.", role="gold"),
    "prediction": Column("continuous", "predicted", "The predicted number.", role="prediction"),
    "error": Column(
        "continuous", "error", "How far the prediction is from gold: |predicted − gold|."
    ),
}
_LABELS = {
    "gold": Column("boolean", "gold", "Whether it is the gold class.", role="gold"),
    "prediction": Column("boolean", "predicted", "Whether it is predicted.", role="prediction"),
    "probability": Column(
        "continuous", "probability", "Probability of the class.", role="probability"
    ),
}
_WORD = Column("text", "word", "The word that the point is of; empty for a whole text.")


def _parse(fields: Fields) -> Parsed[Labelled]:
    if "words" in fields and "text" not in fields:
        text, _ = word_ranges(fields.words(), None)
    else:
        text = fields.string("text")
    second = fields.optional_string("second") or fields.optional_string("text2")
    label = fields.get("label")
    if isinstance(label, (list, dict)):
        raise BadRecord(
            f'"label" must be one class (a string, a number, true or false), not {kind_of(label)}'
        )
    if isinstance(label, str) and not label.strip():
        label = None
    if isinstance(label, int) and not isinstance(label, bool):
        label = fields.number("label")
    extras, dropped = further(fields, _KNOWN)
    record = fields.record
    group = Labelled(
        identifier(fields),
        text,
        second,
        label,
        extras,
        untyped=record.untyped,
        line=record.line,
    )
    return Parsed(group, dropped)


def _number(label: Value) -> float | None:
    try:
        number = float(as_text(label))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _plain(label: Value) -> str | None:
    return None if label is None else as_text(label)


_ROUNDING = 1e-12
"""Below this share of the mean square a variance from sums has few digits that are right."""


def _correlation(total: Mapping[str, float]) -> float | None:
    """Pearson's r from sums; None where gold or what is said is constant.

    Constant is also what differs so little that the difference of sums is rounding.
    """
    n = total["judged"]
    means, spreads = [], []
    for name in ("gold", "said"):
        mean, squares = total[f"{name} sum"] / n, total[f"{name} squares"] / n
        spread = squares - mean * mean
        if not spread > _ROUNDING * squares:
            return None
        means.append(mean)
        spreads.append(spread)
    return (total["products"] / n - math.prod(means)) / math.sqrt(math.prod(spreads))
