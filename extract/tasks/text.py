"""Nothing but texts, or words with what is known of them: no labels and no predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from collateral.schema import Column

from ..data.encoding import Encoded
from ..data.fields import Fields, Value
from ..errors import BadLine
from ..saying import many
from .base import Given, Placed, Range, Rows, Source, Tables, Task, TaskOptions, Values
from .columns import FieldColumns, check_kinds
from .points import MEAN_NOTE, Choice, check_found, parse_points, points_of_text, quotas, sampled
from .reading import Parsed, further, identifier, read_each
from .words import WORD_FIELDS, WordRecord, read_words, word_at, word_of_token, word_tokens

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import LoadedModel

MOST_TOKENS = 5_000
"""About so many tokens become points, if nothing else is asked for."""

_CHARACTERS_PER_TOKEN = 4
_CHOICES = ("all", "sample", "regex", "words", "first", "last", "mean")
_KNOWN = {"id", *WORD_FIELDS}

_ITEMS = {
    "number": Column("continuous", "number", "Number of the word in its text, counted from 1."),
}
_HEAD = Column("text", "head", "The word that it depends on; empty for the root.")
_POINTS = {
    "word": Column(
        "text",
        "word",
        "The word that the point is of, or begins with; empty for the mean over a text.",
    )
}


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        words: its words, None if they are not told apart.
        extras: further fields.
        quota: its points, if they are a sample; None if they are not.
        untyped: whether further fields are all strings.
        line: of the data.
    """

    id: str
    text: str
    words: WordRecord | None
    extras: Mapping[str, Value] = field(default_factory=dict)
    quota: int | None = None
    untyped: bool = False
    line: int = 0


class Texts(Task[Text]):
    """Texts without labels; see :class:`~extract.tasks.base.Task`."""

    name = "text"
    summary = "texts without labels, or words with their gold parse"
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the text (may be missing)",
        "text": "the text (may be missing if there are words)",
        "words": "list of its words (may be missing)",
        "heads": "for each word the position of its head, counted from 0, -1 for the root (may be "
        "missing)",
        "deprels": "for each word its relation to the head (may be missing)",
    }
    also = ("ranges",)
    item = "word"

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        points = self.options.points
        self._choice = parse_points(points, self.name, _CHOICES) if points else Choice("")
        self._parsed = False
        self._example_fields = self._word_fields = FieldColumns()

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Text]:
        """Texts, one per record."""
        source = read_each(records, _parse, skip_bad=skip_bad)
        check_found(self._choice, [(one.text, one.words) for one in source.groups])
        return self._sampled(source)

    def _sampled(self, source: Source[Text]) -> Source[Text]:
        """Gives each text its share of the points, if they are a sample."""
        groups = source.groups
        if self._choice.name == "mean":
            source.notes.append(MEAN_NOTE)
        sizes = [self._size(one) for one in groups]
        wanted, limit = self._choice.count, self.options.limit
        if not self._choice.name and sum(sizes[:limit]) > MOST_TOKENS:
            wanted = MOST_TOKENS
        if wanted:
            shares = quotas(sizes, wanted, limit)
            source.groups = [replace(one, quota=n) for one, n in zip(groups, shares, strict=True)]
            source.notes.append(
                f"Points are a sample of about {many(wanted, 'token')}, spread over the texts by "
                "their length; --points all takes every token."
            )
        return source

    def given(self, group: Text) -> Given:
        """The text."""
        return Given(group.text)

    def place(self, group: Text, encoded: Encoded) -> tuple[Placed[Text] | None, list[BadLine]]:
        """Points are what ``--points`` says; items are the words, if they are known."""
        if bool(encoded.special.all()):
            return None, [BadLine(self.options.data, group.line, "its text has no token")]
        tokens: tuple[Range, ...] = ()
        if group.words is not None:
            tokens = word_tokens(group.words.sentence.ranges, encoded)
        points = self._chosen(group, group.text, encoded, tokens)
        words = None if group.words is None else group.words.placed(tokens)
        return Placed(group.id, group.text, encoded, group, points, items=tokens, words=words), []

    def _size(self, group: Text) -> int:
        """About how many tokens of a text may become points."""
        if group.words is not None:
            return len(group.words)
        return about_tokens(group.text)

    def _chosen(
        self, group: Text, text: str, encoded: Encoded, tokens: Sequence[Range]
    ) -> tuple[Range, ...]:
        """The points among some tokens, which are those of ``text``; ``tokens`` are the words'."""
        points = points_of_text(self._choice, text, encoded, group.words, tokens)
        if group.quota is None:
            return points
        return sampled(points, group.quota, self.options.seed, group.id)

    def _own_columns(self, loaded: LoadedModel) -> Tables:
        """The columns that are not fields of the data; fields of the same name are called else."""
        return Tables({}, _POINTS)

    def tables(self, groups: Sequence[Text], loaded: LoadedModel) -> Tables:
        """A column for each further field of texts and of words."""
        untyped = any(one.untyped for one in groups)
        self._example_fields = FieldColumns(self.options.kinds, untyped=untyped)
        self._word_fields = FieldColumns(self.options.kinds, untyped=untyped)
        own = self._own_columns(loaded)
        examples, points = dict(own.examples), dict(own.points)
        self._example_fields.add(examples, [one.extras for one in groups])
        known = [one.words for one in groups if one.words is not None]
        both = {**points, **_ITEMS, "head": _HEAD}
        self._word_fields.add(both, [words.row(i) for words in known for i in range(len(words))])
        points |= self._word_fields.columns
        items = dict(own.items)
        if known and not items:
            self._parsed = any(words.heads is not None for words in known)
            items = {**_ITEMS, **({"head": _HEAD} if self._parsed else {})}
            items |= self._word_fields.columns
        check_kinds(self.options.kinds, self._example_fields.names | self._word_fields.names)
        return Tables(examples, points, items=items)

    def rows(self, placed: Placed[Text], predicted: Any) -> Rows:
        """Further fields of a text, of the words of its points, and of all its words."""
        group, words = placed.source, placed.source.words
        items = [] if words is None else [self._item(words, i) for i in range(len(words))]
        points = self._point_rows(placed)
        return Rows(self._example_fields.values(group.extras), points, items=items)

    def _point_rows(self, placed: Placed[Text]) -> list[Values]:
        """For each point its word, and what is known of that."""
        words = placed.source.words
        word_of = word_of_token(() if placed.words is None else placed.words.tokens)
        whole = self._choice.name == "mean"
        points: list[Values] = []
        for start, stop in placed.points:
            word = word_of.get(start)
            if words is None or word is None or whole:
                values: Values = {"word": "" if whole else word_at(placed, start, stop)}
                values |= self._word_fields.values({})
            else:
                values = {"word": words.sentence.words[word]}
                values |= self._word_fields.values(words.row(word))
            points.append(values)
        return points

    def _item(self, words: WordRecord, i: int) -> Values:
        spelt = words.sentence.words
        values: Values = {"text": spelt[i], "number": float(i + 1)}
        if self._parsed:
            head = -1 if words.heads is None else words.heads[i]
            values["head"] = "" if head < 0 else spelt[head]
        return values | self._word_fields.values(words.row(i))


def _parse(fields: Fields) -> Parsed[Text]:
    words = read_words(fields, (), joined=False) if "words" in fields else None
    text = fields.string("text") if words is None else words.sentence.text
    extras, dropped = further(fields, _KNOWN, () if words is None else words.fields)
    record = fields.record
    group = Text(identifier(fields), text, words, extras, untyped=record.untyped, line=record.line)
    return Parsed(group, dropped)


def about_tokens(text: str) -> int:
    """About how many tokens a text has."""
    return max(1, len(text) // _CHARACTERS_PER_TOKEN)
