"""How attention between words goes with gold relations: correlations, and relations found.

Correlation of a head's attention with a relation matrix: Lal et al. 2021 (InterpreT), who show it
and do not say how it is computed; here Pearson's r over all pairs of two different words. Relations
found by a head: Clark et al. 2019 (What Does BERT Look At?).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from collateral.schema import Metric

from .base import of_kind, word_metric
from .words import WordView

CORRELATIONS = ("correlation", "correlation_transposed", "correlation_symmetric")
"""The three correlations, in the order of :func:`extract.metrics.words.forms`."""

DIRECTIONS = ("to_head", "from_head")
"""Where a word looks most; which word looks most at it."""

_WORDS = (
    " Attention to a word is the sum over its pieces, from a word the mean; special tokens and a "
    "word's attention to itself are left out. Undefined where one of the two is constant. The "
    "baseline is the mean of what 1 / distance reaches in the same texts: no head is informative "
    "below it."
)


def _correlation(name: str, title: str, what: str, formula: str) -> Metric:
    return Metric(
        name,
        title,
        low=-1.0,
        high=1.0,
        meaning=f"Correlation of attention between words with {what}, over all pairs of two words "
        "of the text. 1: the head looks there and nowhere else." + _WORDS,
        source=f"Lal et al. 2021, InterpreT (no formula given): Pearson's r of A with {formula}, "
        "off the diagonal",
    )


@word_metric(
    _correlation(
        CORRELATIONS[0],
        "relation correlation",
        "the relation matrix as it is (rows look from a dependent to its head)",
        "G, G[dependent, head] = 1",
    )
)
def correlation(view: WordView) -> torch.Tensor:
    """Pearson's r of A with G."""
    return view.correlation(view.matrices[0])


@word_metric(
    _correlation(
        CORRELATIONS[1],
        "relation correlation, transposed",
        "the relation matrix turned round (rows look from a head to its dependents)",
        "Gᵀ",
    )
)
def correlation_transposed(view: WordView) -> torch.Tensor:
    """Pearson's r of A with Gᵀ."""
    return view.correlation(view.matrices[1])


@word_metric(
    _correlation(
        CORRELATIONS[2],
        "relation correlation, symmetric",
        "the relation matrix in both directions",
        "G or Gᵀ ((G + Gᵀ) / 2 if not of zeros and ones)",
    )
)
def correlation_symmetric(view: WordView) -> torch.Tensor:
    """Pearson's r of A with G or Gᵀ."""
    return view.correlation(view.matrices[2])


_REACH = 3
"""Fixed offsets of the baseline: the head is taken to stand up to so many words away."""

_Z = 1.959963984540054
"""95 % of a normal distribution lie within so many standard deviations."""


def wilson(right: int, count: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson 1927; NaN of nothing."""
    if not count:
        return math.nan, math.nan
    share, z = right / count, _Z * _Z / count
    middle = share + z / 2
    half = _Z * math.sqrt(share * (1 - share) / count + z / (4 * count))
    return (middle - half) / (1 + z), (middle + half) / (1 + z)


@dataclass(frozen=True)
class RelationRow:
    """How well heads find one relation, in one direction.

    The head (and the offset it is compared with) is chosen on the examples of even number and
    scored on those of odd number: the best of a hundred scores is no fair score.

    Attributes:
        relation: such as "nsubj".
        direction: "to_head": where the dependent looks most; "from_head": which word looks most at
            the dependent.
        count: words with this relation.
        layer, head: the head that is best on the first half.
        first_score: its share of hits on the first half.
        score: its share of hits on the second half; NaN if one half has none of the relation.
        interval: 95 % Wilson interval of the score; words count as independent of each other.
        offset: the distance at which the head of such a word stands most often, first half.
        offset_score: how often it stands there, second half.
    """

    relation: str
    direction: str
    count: int
    layer: int
    head: int
    first_score: float
    score: float
    interval: tuple[float, float]
    offset: int
    offset_score: float


class RelationScores:
    """Counts, over a data set, how often each head finds the head of a word, by relation."""

    def __init__(self, minimum: int = 100) -> None:
        """Starts with nothing counted.

        Args:
            minimum: words that a relation must have to be reported.
        """
        self.minimum = minimum
        self._examples = 0
        self._names: dict[str, int] = {}
        self._counts = np.zeros((0, 2), dtype=np.int64)
        self._offsets = np.zeros((0, 2, 2 * _REACH + 1), dtype=np.int64)
        self._hits: npt.NDArray[np.int64] | None = None  # [relations, halves, 2, layers, heads]

    def add(self, arcs: Mapping[str, Any], row: int | None = None) -> None:
        """Counts the words of one more example.

        Args:
            arcs: ``relations``, the relation of each word; ``heads``, the head that it is scored
                by, -1 to leave it out (:func:`extract.metrics.words.scored_heads`); ``hits``, bool
                [2, words, layers, heads], whether a head finds it.
            row: number of the example, which says what half it is in; so many as were counted
                before if not given.
        """
        half = (self._examples if row is None else row) % 2
        self._examples += 1
        heads = np.asarray(arcs["heads"], dtype=np.int64)
        at = np.flatnonzero(heads >= 0)
        if not len(at):
            return
        hits = np.asarray(arcs["hits"])[:, at]
        numbers = self._numbers([arcs["relations"][i] for i in at], hits.shape[2:])
        np.add.at(self._counts[:, half], numbers, 1)
        offsets = heads[at] - at
        near = np.abs(offsets) <= _REACH
        np.add.at(self._offsets, (numbers[near], half, offsets[near] + _REACH), 1)
        some, inverse = np.unique(numbers, return_inverse=True)
        # sums by relation as a product: a loop over relations takes several times as long
        member = (np.arange(len(some))[:, None] == inverse).astype(np.float32)
        sums = np.matmul(member, hits.reshape(2, len(at), -1).astype(np.float32))
        assert self._hits is not None
        shape = (2, len(some), *hits.shape[2:])
        self._hits[some, half] += sums.reshape(shape).swapaxes(0, 1).astype(np.int64)

    def table(self) -> list[RelationRow]:
        """A row per relation of enough words and direction, the commonest relation first."""
        found = []
        for name, number in self._reported():
            found += [self._row(name, number, way) for way in range(2)]
        return found

    def summaries(
        self, kind: str = "self", *, several: bool = False
    ) -> Iterator[tuple[Metric, npt.NDArray[np.float32]]]:
        """Metrics of the whole data set: how often each head finds a relation, in one direction.

        Args:
            kind: of the attention that was counted.
            several: whether the model has several kinds, so that names must say which.

        Yields:
            Description and float32 [layers, heads].
        """
        for name, number in self._reported():
            assert self._hits is not None
            for way, direction in enumerate(DIRECTIONS):
                shares = self._hits[number, :, way].sum(0) / self._counts[number].sum()
                row = self._row(name, number, way)
                offsets = self._offsets[number, :, row.offset + _REACH].sum()
                described = Metric(
                    f"relation:{name}:{direction}",
                    f"{name}, {direction.replace('_', ' ')}",
                    low=0.0,
                    high=1.0,
                    baseline=float(offsets / self._counts[number].sum()),
                    meaning=_meaning(row),
                    source="Clark et al. 2019: argmax over the other words of attention between "
                    "words, by relation; baseline: the best fixed offset up to 3 words away",
                )
                yield of_kind(described, kind, several=several), shares.astype(np.float32)

    def lines(self, most: int = 12) -> list[str]:
        """A table to be printed: each relation in its better direction, by the first half.

        Args:
            most: lines of relations at most.
        """
        rows: dict[str, RelationRow] = {}
        for row in self.table():
            if not math.isnan(row.score) and (
                row.relation not in rows or row.first_score > rows[row.relation].first_score
            ):
                rows[row.relation] = row
        if not rows:
            return []
        width = max(8, *(len(name) for name in rows))
        found = [
            f"{'relation':<{width}}  {'words':>6}  {'head':>5}  {'direction':<9}  "
            f"{'found':>5}  {'95 %':>7}  best fixed offset"
        ]
        for row in list(rows.values())[:most]:
            low, high = (f"{100 * end:.0f}" for end in row.interval)
            found.append(
                f"{row.relation:<{width}}  {row.count:>6,}  {f'{row.layer}.{row.head}':>5}  "
                f"{row.direction.replace('_', ' '):<9}  {row.score:>5.0%}  {f'{low}–{high}':>7}  "
                f"{row.offset:+d}: {row.offset_score:.0%}"
            )
        if len(rows) > most:
            found.append(f"and {len(rows) - most} more relations, in the file")
        return found

    def _numbers(self, names: Sequence[str], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
        """Rows of relations, new ones made; ``shape`` is [layers, heads]."""
        for name in names:
            self._names.setdefault(name, len(self._names))
        more = len(self._names) - len(self._counts)
        if self._hits is None:
            self._hits = np.zeros((0, 2, 2, *shape), dtype=np.int64)
        if more:
            self._counts = _longer(self._counts, more)
            self._offsets = _longer(self._offsets, more)
            self._hits = _longer(self._hits, more)
        return np.array([self._names[name] for name in names], dtype=np.intp)

    def _reported(self) -> list[tuple[str, int]]:
        totals = self._counts.sum(1)
        enough = [(name, i) for name, i in self._names.items() if totals[i] >= self.minimum]
        return sorted(enough, key=lambda one: (-totals[one[1]], one[0]))

    def _row(self, name: str, number: int, way: int) -> RelationRow:
        assert self._hits is not None
        hits, offsets = self._hits[number, :, way], self._offsets[number]
        first, second = (int(n) for n in self._counts[number])
        layer, head = np.unravel_index(int(hits[0].argmax()), hits[0].shape)
        right = int(hits[1, layer, head])
        best = int(offsets[0].argmax())
        both = first > 0 and second > 0
        return RelationRow(
            relation=name,
            direction=DIRECTIONS[way],
            count=first + second,
            layer=int(layer),
            head=int(head),
            first_score=float(hits[0, layer, head] / first) if first else math.nan,
            score=right / second if both else math.nan,
            interval=wilson(right, second if both else 0),
            offset=best - _REACH,
            offset_score=float(offsets[1, best] / second) if both else math.nan,
        )


def _longer(array: npt.NDArray[np.int64], more: int) -> npt.NDArray[np.int64]:
    return np.concatenate([array, np.zeros((more, *array.shape[1:]), dtype=np.int64)])


def _meaning(row: RelationRow) -> str:
    what = (
        "whose gold head is the word that they look at most"
        if row.direction == "to_head"
        else "whose gold head is, of all words, the one that looks most at them"
    )
    text = (
        f"Share of the {row.count:,} words of relation {row.relation} {what}; the word itself and "
        "special tokens are left out."
    )
    if math.isnan(row.score):
        return text + " All of them are in one half of the texts, so no head could be tested."
    low, high = (f"{100 * end:.1f}" for end in row.interval)
    return (
        f"{text} Head {row.layer}.{row.head}, the best on one half of the texts, finds "
        f"{100 * row.score:.1f} % ({low} to {high}) on the other half; the best fixed offset "
        f"({row.offset:+d}) finds {100 * row.offset_score:.1f} % there. The baseline is that "
        "offset over all texts."
    )
