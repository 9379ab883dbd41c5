"""The answers that panes draw, and the reason where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from collateral import CollateralError, Tokens
from collateral.analysis import distances

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Side = Literal["A", "B"]

MAP_MEASURE = "tsne"
"""Name of the distance on the map, beside the measures of the file."""
VECTOR_MEASURES = {"cosine": "cosine distance", "euclid": "Euclidean distance"}
"""Distances between points by their vectors, as far as a file keeps them: name to title."""


class Missing(Exception):
    """What was asked for is not in the file; the text says why and what to do, in a sentence."""


TROUBLE = (Missing, CollateralError)
"""What a question may raise while the viewer runs: absent, or damaged. Both are sentences."""


def subtracted(parts: Sequence[Floats]) -> Floats:
    """What the models of a view have, made one: the only part, or the second minus the first."""
    return parts[0] if len(parts) == 1 else parts[1] - parts[0]


@dataclass(frozen=True, eq=False)
class HeadView:
    """A head metric, averaged: values [layers, heads] and what stands behind them.

    Attributes:
        baseline: what an uninformative head would score; None if unknown, and for differences.
        whole: one number for the whole data set, so there is nothing to average over.
    """

    values: Floats
    title: str
    meaning: str
    low: float | None
    high: float | None
    difference: bool
    over: str
    baseline: float | None = None
    whole: bool = False


@dataclass(frozen=True, eq=False)
class AttentionGrid:
    """One head's attention over one example: weights [queries, keys] and the token of each row.

    Attributes:
        weights: as the model computed them, or times the norms of the keys' values; 0 where nothing
            was kept.
        rows, columns: numbers of the tokens that are shown as queries and as keys (special tokens
            may be left out; of cross-attention, queries are the target's and keys the source's).
        pieces: all tokens as people read them; the same as ``tokens.texts`` if none are given.
        note: what about the numbers is not exact, in words.
        kept: how many weights of each row the files hold; None for all.
        rests: what is left over of each row shown, by model: "" for the only one.
    """

    weights: Floats
    tokens: Tokens
    rows: Ints
    columns: Ints
    difference: bool
    note: str
    kept: int | None = None
    rests: Mapping[str, Floats] = field(default_factory=dict)
    pieces: Sequence[str] = ()

    @cached_property
    def most(self) -> float:
        """The largest weight, or the largest size of a difference; 0 without any."""
        low = float(np.nanmin(self.weights, initial=0.0)) if self.difference else 0.0
        most = max(float(np.nanmax(self.weights, initial=0.0)), -low)
        return most if np.isfinite(most) else float(np.finfo(np.float32).max)

    @cached_property
    def labels(self) -> list[str]:
        """All queries as people read them."""
        return [self._shown[token] for token in self.rows.tolist()]

    @cached_property
    def key_labels(self) -> list[str]:
        """All keys as people read them."""
        return [self._shown[token] for token in self.columns.tolist()]

    def label(self, place: int) -> str:
        """The query in row ``place`` as people read it."""
        return self._shown[int(self.rows[place])]

    def key_label(self, place: int) -> str:
        """The key in column ``place`` as people read it."""
        return self._shown[int(self.columns[place])]

    @property
    def _shown(self) -> Sequence[str]:
        return self.pieces or self.tokens.texts

    def place(self, token: int | None) -> int | None:
        """The row in which a token is shown as query; None if it is hidden, or is None."""
        return _place(self.rows, token)

    def key_place(self, token: int | None) -> int | None:
        """The column in which a token is shown as key; None if it is hidden, or is None."""
        return _place(self.columns, token)

    @property
    def square(self) -> bool:
        """Whether queries and keys are the same tokens."""
        return np.array_equal(self.rows, self.columns)


def _place(numbers: Ints, token: int | None) -> int | None:
    if token is None:
        return None
    found = int(np.searchsorted(numbers, token))
    return found if found < len(numbers) and numbers[found] == token else None


@dataclass(frozen=True, eq=False)
class HeadLinks:
    """What every head gives a pair of tokens: weights [layers, heads].

    Attributes:
        query, key: the tokens.
        kept: how many weights of each row the files hold; None for all.
    """

    weights: Floats
    query: int
    key: int
    difference: bool
    note: str
    kept: int | None = None


class Behind(NamedTuple):
    """What stands behind a curve, or behind one of the two that it is the difference of.

    Attributes:
        of: which of the two, in words; "" for the curve itself.
        units: how many pairs or points.
    """

    of: str
    units: int
    examples: int


@dataclass(frozen=True, eq=False)
class DistanceView:
    """Distances per layer: one curve per group, and where map and original space disagree.

    Attributes:
        categories: number of each curve's group among all groups of the column, as elsewhere; -1
            for a curve of no group.
        counts: what stands behind each curve: "300 pairs"; "" where it says nothing.
        behind: the same in full; of a difference, what stands behind both sides of it.
        measure: name of the distance that is shown.
        unit: what the groups are of, "pair" or "point".
        brief: the distance for people, where there is little room.
        difference: the curves are differences, of models or of groups.
        warning: where the map misleads, in words.
        note: what else is to be known of the numbers; "" for nothing.
    """

    curves: list[distances.Curve]
    categories: list[int]
    counts: list[str]
    behind: list[tuple[Behind, ...]]
    title: str
    measure: str
    unit: str
    brief: str
    difference: bool
    over: str
    warning: str = ""
    note: str = ""


class Mention(NamedTuple):
    """Points of one span of an example: their rows, the first token, the span's text."""

    points: tuple[int, ...]
    token: int
    text: str


class Field(NamedTuple):
    """A further column of the examples and its value for one, by model; one if it is the same."""

    title: str
    values: tuple[str | float | bool | None, ...]


class Said(NamedTuple):
    """What one model says of a pair; None is unknown."""

    prediction: str | None
    probability: float | None
    correct: bool | None


class PairFacts(NamedTuple):
    """One pair of an example, as the summary table shows it: spans, gold label, A (and B)."""

    number: int
    span1: str
    span2: str
    gold: str | None
    models: tuple[Said, ...]


@dataclass(frozen=True, eq=False)
class ItemRows:
    """The items of one example: rows of its summary table.

    Attributes:
        tokens: half-open token range of each, [items, 2]; (0, 0) for none.
        rows: row of each item in a model's file, -1 where it has none; by model.
    """

    tokens: Ints
    rows: Mapping[Side, Ints]

    def __len__(self) -> int:
        return len(self.tokens)


Verdict = Literal["right", "missed", "extra", "other", "tagged"]
"""A tagged word: rightly; in gold alone; in the prediction alone; as another; or who knows."""


class Tag(NamedTuple):
    """A word that gold or model gave a tag: its token range and whether they agree."""

    start: int
    stop: int
    verdict: Verdict
