"""Tagged words: aspects and opinions, names, parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from collateral.schema import Column

from ..data.encoding import Encoded
from ..data.fields import BadRecord, Fields, Value
from ..errors import BadLine, ExtractError
from ..saying import agree, listed, many
from . import bio
from .base import (
    NOWHERE,
    Given,
    Placed,
    Predictor,
    Range,
    Rows,
    Source,
    Tables,
    Task,
    TaskOptions,
    Values,
)
from .columns import FieldColumns, check_kinds, free_name
from .points import Choice, check_found, matching_words, parse_points, quotas, sampled
from .reading import Parsed, further, identifier, read_each
from .tag_head import UNDEFINED, Said, TagPredictor
from .words import WORD_FIELDS, WordRecord, read_words, word_tokens

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import LoadedModel

NONE = "none"
"""What stands in a column of types for a word outside all spans."""

MOST_TYPES = 6
"""Types of spans that get a column of their own at most."""

MOST_WORDS = 20_000
"""Words that become points, if all of them would and nothing else is asked for."""

_CHOICES = ("tagged", "gold", "all", "sample", "regex", "words")
_KNOWN = {"id", "tags", *WORD_FIELDS}


@dataclass(frozen=True)
class Tagged:
    """A sentence.

    Attributes:
        words: its words.
        tags: gold, one for each word; None if unknown.
        extras: further fields.
        quota: its points, if they are a sample.
        untyped: whether further fields are all strings.
        lost: words without a token, known once it is placed.
        line: of the data.
    """

    id: str
    words: WordRecord
    tags: tuple[str, ...] | None
    extras: Mapping[str, Value] = field(default_factory=dict)
    quota: int = 0
    untyped: bool = False
    lost: int = 0
    line: int = 0


@dataclass(frozen=True)
class _Word:
    """What is known of one word; None is unknown."""

    gold: str | None
    prediction: str | None
    probability: float | None
    correct: bool | None

    def values(self) -> Values:
        return {
            "gold": self.gold,
            "prediction": self.prediction,
            "probability": self.probability,
            "correct": self.correct,
        }


class Tagging(Task[Tagged]):
    """Tagged words; see :class:`~extract.tasks.base.Task`."""

    name = "tagging"
    summary = "words with tags: aspects and opinions, names (BIO), parts of speech"
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the sentence (may be missing)",
        "words": "list of words; the text is these with single spaces between",
        "tags": "list of gold tags, one per word, BIO or any other (may be missing; "
        "--map tags=upos takes parts of speech)",
        "heads": "for each word the position of its head, counted from 0, -1 for the root (may be "
        "missing)",
        "deprels": "for each word its relation to the head (may be missing)",
    }
    head = "token-classification"
    item = "word"

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        points = self.options.points
        self._choice = parse_points(points, self.name, _CHOICES) if points else Choice("")
        self._spans = self._blind = False
        self._gold_names: Mapping[str, str] = {}
        self._types: tuple[str, ...] = ()
        self._type_columns: dict[str, str] = {}
        self._example_fields = self._word_fields = FieldColumns()

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Tagged]:
        """Sentences with their tags, one per record."""
        source = read_each(records, _parse, skip_bad=skip_bad)
        groups = source.groups
        check_found(self._choice, [(one.words.sentence.text, one.words) for one in groups])
        sizes = [len(one.words) for one in groups]
        wanted, limit = self._choice.count or MOST_WORDS, self.options.limit
        shares = quotas(sizes, wanted, limit) if sum(sizes[:limit]) > wanted else sizes
        source.groups = [replace(one, quota=n) for one, n in zip(groups, shares, strict=True)]
        return source

    def given(self, group: Tagged) -> Given:
        """The words, with single spaces between."""
        return Given(group.words.sentence.text)

    def place(self, group: Tagged, encoded: Encoded) -> tuple[Placed[Tagged] | None, list[BadLine]]:
        """The first piece of every word may become a point; see :meth:`points_after`."""
        tokens = word_tokens(group.words.sentence.ranges, encoded)
        lost = tokens.count(NOWHERE)
        if lost == len(tokens):
            what = "none of its words has a token"
            return None, [BadLine(self.options.data, group.line, what)]
        group = replace(group, lost=lost)
        placed = Placed(
            group.id,
            group.words.sentence.text,
            encoded,
            group,
            points=tuple((start, start + 1) for start, stop in tokens if stop),
            items=tokens,
            words=group.words.placed(tokens),
        )
        return placed, []

    def tables(self, groups: Sequence[Tagged], loaded: LoadedModel) -> Tables:
        """Columns of sentences and words, and one for each further field.

        Raises:
            ExtractError: no gold tag is among the model's labels.
        """
        labels = loaded.labels if loaded.head == self.head else ()
        gold = Counter(tag for one in groups for tag in one.tags or ())
        self._gold_names = _names_of_numbers(gold, labels)
        self._check_labels(list(self._named(list(gold))), labels, loaded)
        tags = self._named(list(gold)) if set(gold) - {bio.OUTSIDE} else labels
        self._spans = bio.is_bio(tags)
        self._blind = not gold and not labels
        examples, words = dict(_SCORES), dict(_WORDS)
        points = {"word": _WORD, **words}
        if self._spans:
            examples["score"] = _F1
            known = {bio.type_of(tag) for tag in (*tags, *labels)} - {""}
            self._types = tuple(sorted(known))
            points |= _TYPES
        if 2 <= len(self._types) <= MOST_TYPES:
            for kind in self._types:
                name = free_name(f"F1 {kind}", {"id", "text", *examples})
                self._type_columns[kind] = name
                examples[name] = _f1_of(kind)
        self._add_fields(groups, examples, words, points)
        return Tables(examples, points, items=words)

    def _add_fields(
        self,
        groups: Sequence[Tagged],
        examples: dict[str, Column],
        words: dict[str, Column],
        points: dict[str, Column],
    ) -> None:
        """Adds the further fields; those of words go to points and items under one name."""
        untyped = any(one.untyped for one in groups)
        self._example_fields = FieldColumns(self.options.kinds, untyped=untyped)
        self._word_fields = FieldColumns(self.options.kinds, untyped=untyped)
        self._example_fields.add(examples, [one.extras for one in groups])
        both = {**points, **words}
        rows = [one.words.row(i) for one in groups for i in range(len(one.words))]
        self._word_fields.add(both, rows)
        words |= self._word_fields.columns
        points |= self._word_fields.columns
        check_kinds(self.options.kinds, self._example_fields.names | self._word_fields.names)

    def _check_labels(
        self, gold: Sequence[str], labels: Sequence[str], loaded: LoadedModel
    ) -> None:
        known, wanted = set(labels) - {bio.OUTSIDE}, set(gold) - {bio.OUTSIDE}
        if labels and wanted and not wanted & known:
            raise ExtractError(
                f"None of the tags of the data ({listed(sorted(wanted), 8)}) is a label of "
                f"{loaded.info.name} ({listed(sorted(labels), 8)}); take the tags from another "
                "field with --map tags=FIELD, or do without its predictions with --task text."
            )

    def _named(self, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._gold_names.get(tag, tag) for tag in tags)

    def notes(self, groups: Sequence[Tagged], loaded: LoadedModel) -> list[str]:
        """Where predictions come from, what they can not be, and which words are points."""
        notes = []
        if loaded.head != self.head:
            notes.append(
                f"Predictions are unknown: {loaded.info.name} has no token classification head."
            )
        else:
            notes.append(
                "Predictions are the label of the highest probability at the first piece of each "
                "word."
            )
            gold = Counter(tag for one in groups for tag in self._named(one.tags or ()))
            strange = [tag for tag in gold if tag not in loaded.labels]
            if strange:
                count = sum(gold[tag] for tag in strange)
                notes.append(
                    f"{many(count, 'gold tag')} {agree(count, 'are')} not among the model's labels "
                    f"and {agree(count, 'count')} as wrong: {listed(sorted(strange), 8)}."
                )
        lost = sum(one.lost for one in groups)
        if lost:
            notes.append(
                f"{many(lost, 'word')} {agree(lost, 'have')} no token, as the text was cut or the "
                "tokenizer leaves such out: no prediction, and a span there counts as not found."
            )
        return [*notes, *self._point_notes(groups)]

    def _point_notes(self, groups: Sequence[Tagged]) -> list[str]:
        all_words = sum(len(one.words) for one in groups)
        quota = sum(one.quota for one in groups)
        choice = self._points
        if choice == "tagged":
            return ["Points are the first pieces of words that gold or the model tags."]
        if choice == "sample" and quota < all_words:
            return [
                f"Points are the first pieces of {many(quota, 'word')}, a sample of all "
                f"{all_words:,}."
            ]
        return []

    @property
    def _points(self) -> str:
        """Which points there are, with the task's own choice."""
        return self._choice.name or ("tagged" if self._spans else "sample")

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The model's own head, if it classifies tokens."""
        return TagPredictor(loaded.labels) if loaded.head == self.head else None

    def points_after(self, placed: Placed[Tagged], predicted: Any) -> tuple[Range, ...] | None:
        """First pieces of words: tagged ones, all, or a sample; see ``--points``."""
        group, which = placed.source, self._points
        if which == "all" or self._blind:
            return None
        if which == "sample":
            return sampled(placed.points, group.quota, self.options.seed, group.id)
        if which in ("regex", "words"):
            chosen = set(matching_words(self._choice, group.words))
        else:
            judged = self._judge(group, predicted)
            chosen = {i for i, one in enumerate(judged) if _is_tagged(one.gold)}
            if which == "tagged":
                chosen |= {i for i, one in enumerate(judged) if _is_tagged(one.prediction)}
        spans = (span for i, span in enumerate(placed.items) if i in chosen and span != NOWHERE)
        return tuple((start, start + 1) for start, _ in spans)

    def rows(self, placed: Placed[Tagged], predicted: Any) -> Rows:
        """Values of a sentence, of its points and of all its words."""
        group = placed.source
        judged = self._judge(group, predicted)
        example, tally = self._scored(judged)
        example.update(self._example_fields.values(group.extras))
        words = group.words
        first = {span[0]: i for i, span in enumerate(placed.items) if span != NOWHERE}
        fields = [self._word_fields.values(words.row(i)) for i in range(len(words))]
        points: list[Values] = []
        for start, _ in placed.points:
            i = first[start]
            row = {"word": words.sentence.words[i], **judged[i].values(), **fields[i]}
            if self._spans:
                row |= {
                    "type": _type(judged[i].gold),
                    "predicted type": _type(judged[i].prediction),
                }
            points.append(row)
        items = [
            {"text": word, **one.values(), **more}
            for word, one, more in zip(words.sentence.words, judged, fields, strict=True)
        ]
        return Rows(example, points, items=items, tally=tally)

    def _judge(self, group: Tagged, predicted: Sequence[Said | None] | None) -> list[_Word]:
        """Gold and prediction of each word; a word without a token is one that is not found."""
        gold = [None] * len(group.words) if group.tags is None else self._named(group.tags)
        judged = []
        for i, tag in enumerate(gold):
            said = None if predicted is None else predicted[i]
            known = tag is not None and predicted is not None and said is not UNDEFINED
            label, probability = (None, None) if said is None or said is UNDEFINED else said
            right = (label or bio.OUTSIDE) == tag if known else None
            judged.append(_Word(tag, label, probability, right))
        return judged

    def _scored(self, judged: Sequence[_Word]) -> tuple[Values, Counter[str]]:
        """The columns of an example that say how well it is predicted, and what is summed."""
        answers = [one.correct for one in judged]
        types = dict.fromkeys(self._type_columns.values())
        if None in answers:
            return {"correct": None, "score": None, **types}, Counter()
        right = sum(answer is True for answer in answers)
        example: Values = {"correct": right == len(answers), "score": right / len(answers)}
        tally = Counter({"right": right, "judged": len(answers)})
        if not self._spans:
            tally.update(f"gold {one.gold}" for one in judged)
            return example, tally
        gold = set(bio.spans([one.gold or bio.OUTSIDE for one in judged]))
        found = set(bio.spans([one.prediction or bio.OUTSIDE for one in judged]))
        for what, which in (("right", gold & found), ("gold", gold), ("found", found)):
            tally[f"spans {what}"] = len(which)
            tally.update(f"spans {what} {kind}" for kind, *_ in which)
        example["score"] = _f1_from(tally)
        for kind, column in self._type_columns.items():
            example[column] = _f1_from(tally, kind)
        return example, tally

    def score(self, total: Counter[str]) -> list[str]:
        """F1 over exact spans, overall and by type; accuracy where tags make no spans."""
        if not total["judged"]:
            return []
        accuracy = total["right"] / total["judged"]
        if not self._spans:
            usual = max(count for name, count in total.items() if name.startswith("gold "))
            majority = usual / total["judged"]
            return [
                f"accuracy {accuracy:.1%} of {int(total['judged']):,} words "
                f"(majority {majority:.1%})"
            ]
        right, gold, found = (total[f"spans {what}"] for what in ("right", "gold", "found"))
        overall = _f1_from(total)
        if overall is None:
            return ["F1 is undefined: there is no span, neither in gold nor predicted"]
        precision = f"precision {right / found:.1%}" if found else "nothing predicted"
        recall = f"recall {right / gold:.1%}" if gold else "nothing in gold"
        sentences = [f"F1 {overall:.1%} of {int(gold):,} spans ({precision}, {recall})"]
        by_type = [(kind, _f1_from(total, kind)) for kind in self._types]
        known = [f"{kind} {value:.1%}" for kind, value in by_type if value is not None]
        if len(known) > 1:
            sentences.append(f"F1 by type: {', '.join(known)}")
        return sentences


_SCORES = {
    "correct": Column(
        "boolean", "all right", "Whether every word is predicted as gold.", role="correct"
    ),
    "score": Column(
        "continuous", "accuracy", "Share of its words predicted as gold.", role="score"
    ),
}
_F1 = Column(
    "continuous",
    "F1",
    "F1 of its spans: exactly as gold, type and both ends. Unknown where neither gold nor the "
    "model has a span.",
    role="score",
)
_WORD = Column("text", "word", "The word that the piece begins.")
_WORDS = {
    "gold": Column("categorical", "gold", "The gold tag of the word.", role="gold"),
    "prediction": Column(
        "categorical",
        "predicted",
        "The tag that the model gives to the word's first piece.",
        role="prediction",
    ),
    "probability": Column(
        "continuous", "probability", "Probability of the predicted tag.", role="probability"
    ),
    "correct": Column(
        "boolean",
        "right",
        "Whether the predicted tag is gold; a word without a token counts as O.",
        role="correct",
    ),
}
_TYPES = {
    "type": Column("categorical", "type", f'Type of the gold span, "{NONE}" outside all spans.'),
    "predicted type": Column(
        "categorical", "predicted type", f'Type of the predicted span, "{NONE}" outside all spans.'
    ),
}


def _f1_of(kind: str) -> Column:
    return Column(
        "continuous",
        f"F1 {kind}",
        f"F1 of its spans of the type {kind}; unknown where neither gold nor the model has one.",
    )


def _parse(fields: Fields) -> Parsed[Tagged]:
    if "words" not in fields and "text" in fields:
        raise BadRecord(
            'has no field "words", and the words must be told apart to be tagged; name a column of '
            "lists of words with --map words=COLUMN"
        )
    words = read_words(fields, {"tags"}, joined=True)
    tags = fields.labels("tags", len(words))
    extras, dropped = further(fields, _KNOWN, words.fields)
    group = Tagged(
        identifier(fields),
        words,
        None if tags is None else tuple(tags),
        extras,
        untyped=fields.record.untyped,
        line=fields.record.line,
    )
    return Parsed(group, dropped)


def _names_of_numbers(gold: Mapping[str, int], labels: Sequence[str]) -> dict[str, str]:
    """Names of gold tags that are the numbers of labels; empty if they are not."""
    if not gold or set(gold) & set(labels):
        return {}
    if not all(tag.isdecimal() and int(tag) < len(labels) for tag in gold):
        return {}
    return {tag: labels[int(tag)] for tag in gold}


def _is_tagged(tag: str | None) -> bool:
    return tag is not None and tag != bio.OUTSIDE


def _type(tag: str | None) -> str | None:
    return None if tag is None else bio.type_of(tag) or (NONE if tag == bio.OUTSIDE else tag)


def _f1_from(tally: Mapping[str, float], kind: str | None = None) -> float | None:
    end = "" if kind is None else f" {kind}"
    right, gold, found = (tally.get(f"spans {what}{end}", 0) for what in ("right", "gold", "found"))
    return bio.f1(right, gold, found)
