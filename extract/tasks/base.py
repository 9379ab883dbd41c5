"""What a task is: everything the pipeline must be told that depends on the kind of data.

A task is made once per run. Its methods are called in this order: ``read`` once; for every example
``given``, then ``place``; ``tables``, ``notes`` and ``predictor`` once; then, window by window and
perhaps in several processes, ``extend``, the model, ``predictor.predict``, ``points_after`` and
``rows``; ``score`` at the end, on the sums of what all examples counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from collateral.schema import Column, Measure

from ..data.encoding import Encoded
from ..errors import BadLine

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import HeadKind, LoadedModel
    from ..models.capture import Ran

Range = tuple[int, int]
Group = TypeVar("Group")
Values = dict[str, Any]

NOWHERE: Range = (0, 0)
"""The token range of an item that is about no token in particular."""


@dataclass(frozen=True)
class TaskOptions:
    """What the command line says to a task; a task reads what concerns it.

    Attributes:
        data: what the data is called in messages.
        span_head: safetensors file that turns span pairs into predictions.
        points: which tokens become points, as the task understands it; "" is its own choice.
        generate: most tokens that a language model adds to each text.
        side: whose hidden states the points are of, for encoder-decoders.
        kinds: further fields whose kind of column is given: name to kind.
        seed: of random choices.
        limit: only the first so many examples are taken of those that were read; None takes all.
    """

    data: Path = field(default_factory=Path)
    span_head: Path | None = None
    points: str = ""
    generate: int = 0
    side: str = "target"
    kinds: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    limit: int | None = None


@dataclass(frozen=True)
class Given:
    """An example before it is tokenised.

    Attributes:
        text: the text, or the first of two texts.
        second: a second text for models that take two, None if there is one only.
        target: what an encoder-decoder is to write, None for other models.
    """

    text: str
    second: str | None = None
    target: str | None = None

    @property
    def whole(self) -> str:
        """All texts, a line each: the example's text in the file, which offsets count in."""
        parts = (self.text, self.second, self.target)
        return "\n".join(part for part in parts if part is not None)


@dataclass(frozen=True)
class Words:
    """The words of an example and, where known, their gold parse.

    Attributes:
        tokens: half-open token range of each word; (0, 0) where none of its tokens is left.
        heads: for each word the number of its head, -1 for the root; None without a parse.
        relations: the relation of each word to its head.
    """

    tokens: tuple[Range, ...]
    heads: tuple[int, ...] | None = None
    relations: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlacedPair:
    """Two spans of one example.

    Attributes:
        span1, span2: half-open ranges of tokens.
        points1, points2: half-open ranges of the example's own points, counted from 0.
    """

    id: str
    span1: Range
    span2: Range
    points1: Range
    points2: Range


@dataclass(frozen=True)
class Placed(Generic[Group]):
    """An example whose spans are known as tokens, ready to be run.

    Attributes:
        source: what the task read; lines without a place are left out of it.
        points: half-open token ranges of the points, in token order; for encoder-decoders they
            count in the joined tokens and lie on one side.
        pairs: spans that are compared.
        items: token ranges of the rows of the summary table, ``NOWHERE`` for none.
        words: for relation metrics; None where words do not matter.
    """

    id: str
    text: str
    encoded: Encoded
    source: Group
    points: tuple[Range, ...]
    pairs: tuple[PlacedPair, ...] = ()
    items: tuple[Range, ...] = ()
    words: Words | None = None


@dataclass
class Source(Generic[Group]):
    """What a task read from its records.

    Attributes:
        groups: the examples, not tokenised yet.
        lines: records that there were.
        bad: records that were left out.
        notes: what whoever looks at the numbers should know.
    """

    groups: list[Group]
    lines: int
    bad: list[BadLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tables:
    """The columns a task adds to the tables of the file."""

    examples: Mapping[str, Column]
    points: Mapping[str, Column]
    pairs: Mapping[str, Column] = field(default_factory=dict)
    items: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """Values of one example: its own, those of its points, pairs and items.

    Attributes:
        items: each with a value for "text" beside those of the task's columns.
        tally: numbers that are summed over all examples and then scored.
    """

    example: Values
    points: Sequence[Values]
    pairs: Sequence[Values] = ()
    items: Sequence[Values] = ()
    tally: Mapping[str, float] = field(default_factory=dict)


class Predictor(Protocol):
    """Turns what a model put out into predictions, on the device, batch by batch."""

    @property
    def full(self) -> bool:
        """Whether the model must be run with its head (``Ran.logits``)."""

    def predict(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        """What the model says of each example of a batch, small and on the CPU."""


class Task(ABC, Generic[Group]):
    """Turns records into examples, and what a model said about them into columns.

    Attributes:
        name: as given with ``--task``.
        summary: one line for ``interpret-extract tasks``.
        fields: the fields of a record that it reads: name to what it is, for people.
        also: further names of fields that it reads, which need no explanation.
        head: which head of the model makes its predictions, None for none.
        writes: whether examples have a target, which an encoder-decoder's decoder reads; else only
            its encoder has something to read, and everything is about the encoder's tokens.
        generates: whether the model can be let write first (``--generate``).
        judges_spans: whether a span head makes its predictions (``--span-head``).
        item: what a row of the summary table is about: "word", "label", "token" or "".
        measures: distances between the spans of a pair.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    fields: ClassVar[Mapping[str, str]] = {}
    also: ClassVar[tuple[str, ...]] = ()
    head: ClassVar[HeadKind | None] = None
    writes: ClassVar[bool] = False
    generates: ClassVar[bool] = False
    judges_spans: ClassVar[bool] = False
    item: ClassVar[str] = ""
    measures: ClassVar[tuple[Measure, ...]] = ()

    def __init__(self, options: TaskOptions | None = None) -> None:
        self.options = options or TaskOptions()

    @property
    def pair_metrics(self) -> tuple[str, ...]:
        """Names of the head metrics of pairs that make sense."""
        return ()

    @abstractmethod
    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Group]:
        """Makes examples of the records; bad ones are raised, or collected with ``skip_bad``.

        Raises:
            ExtractError: the data cannot be used.
        """

    @abstractmethod
    def given(self, group: Group) -> Given:
        """The text, or texts, of an example."""

    @abstractmethod
    def place(self, group: Group, encoded: Encoded) -> tuple[Placed[Group] | None, list[BadLine]]:
        """Finds points, pairs, items and words of an example among its tokens.

        Returns:
            The example without the records that have no place, None if none is left; those records.
        """

    @abstractmethod
    def tables(self, groups: Sequence[Group], loaded: LoadedModel) -> Tables:
        """The columns that these examples need."""

    def notes(self, groups: Sequence[Group], loaded: LoadedModel) -> list[str]:
        """What whoever looks at predictions should know of where they come from."""
        return []

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """What makes predictions of the model's outputs; None if it has no head for it.

        Raises:
            ExtractError: the head does not fit the task.
        """
        return None

    def extend(self, placed: Sequence[Placed[Group]], loaded: LoadedModel) -> list[Placed[Group]]:
        """The examples with what the model adds to them before it is looked at (generation)."""
        return list(placed)

    def points_after(self, placed: Placed[Group], predicted: Any) -> tuple[Range, ...] | None:
        """The points that are kept, where that depends on what the model says.

        ``placed.points`` are all that may become points; the model runs with those. Afterwards
        only the ones given here are kept, and ``rows`` gets an example that has no others.

        Args:
            placed: the example.
            predicted: what the predictor said of it, None without one.

        Returns:
            Some of ``placed.points``, in their order; None keeps all.
        """
        return None

    @abstractmethod
    def rows(self, placed: Placed[Group], predicted: Any) -> Rows:
        """The values of one example.

        Args:
            placed: the example.
            predicted: what the predictor said of it, None without one.
        """

    def score(self, total: Counter[str]) -> list[str]:
        """How predictions compare with gold, in sentences; empty if there is nothing to compare.

        Args:
            total: the sums of all examples' tallies.
        """
        return []
