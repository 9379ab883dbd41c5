"""What a task is: everything the pipeline must be told that depends on the kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from collateral.schema import Column, Measure

from ..encoding import Encoded
from ..errors import BadLine

Range = tuple[int, int]
Group = TypeVar("Group")
Values = dict[str, Any]


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
        source: what the task read.
        points: half-open token ranges of the points, in token order.
        pairs: spans that are compared.
    """

    id: str
    text: str
    encoded: Encoded
    source: Group
    points: tuple[Range, ...]
    pairs: tuple[PlacedPair, ...]


@dataclass
class Source(Generic[Group]):
    """What a task read from its file.

    Attributes:
        groups: the examples, not tokenised yet.
        lines: lines that are not blank.
        bad: lines that were left out.
        notes: what whoever looks at the numbers should know.
    """

    groups: list[Group]
    lines: int
    bad: list[BadLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tables:
    """The columns a task adds to the three tables."""

    examples: Mapping[str, Column]
    points: Mapping[str, Column]
    pairs: Mapping[str, Column]


@dataclass(frozen=True)
class Rows:
    """Values of one example: its own, those of its points and those of its pairs."""

    example: Values
    points: Sequence[Values]
    pairs: Sequence[Values]


@dataclass(frozen=True)
class Score:
    """How predictions compare with gold.

    Attributes:
        right: number of pairs (or other units) predicted right.
        judged: number that have both a prediction and a gold label.
        majority: number of the commonest gold label among those judged.
    """

    right: int
    judged: int
    majority: int


class Task(ABC, Generic[Group]):
    """Turns records into examples, and what a model said about them into columns.

    Attributes:
        name: as given with ``--task``.
        example_metrics, pair_metrics: names of the head metrics that make sense.
        measures: distances between the spans of a pair.
    """

    name: str
    example_metrics: tuple[str, ...]
    pair_metrics: tuple[str, ...]
    measures: tuple[Measure, ...]

    @abstractmethod
    def read(self, path: Path, *, skip_bad: bool) -> Source[Group]:
        """Reads the data.

        Raises:
            ExtractError: the file, or a line of it, cannot be used.
        """

    @abstractmethod
    def text(self, group: Group) -> str:
        """The text of an example."""

    @abstractmethod
    def place(self, group: Group, encoded: Encoded) -> tuple[Placed[Group] | None, list[BadLine]]:
        """Finds an example's spans among its tokens.

        Returns:
            The example without the lines that have no place, None if none is left; those lines.
        """

    @abstractmethod
    def tables(self, placed: Sequence[Placed[Group]]) -> Tables:
        """The columns that these examples need."""

    @abstractmethod
    def notes(self, placed: Sequence[Placed[Group]], has_head: bool) -> list[str]:
        """What whoever looks at predictions should know of where they come from."""

    @abstractmethod
    def rows(self, placed: Placed[Group], logits: npt.NDArray[np.float32] | None) -> Rows:
        """The values of one example.

        Args:
            placed: the example.
            logits: float32 [pairs] of a head, None if there is no head.
        """

    @abstractmethod
    def score(self) -> Score:
        """How all predictions passed to :meth:`rows` so far compare with gold."""
