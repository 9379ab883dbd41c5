"""The answers that panes draw, and the reason where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from collateral import CollateralError, Tokens
from collateral.analysis import distances

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Side = Literal["A", "B"]

MAP_MEASURE = "tsne"
"""Name of the distance on the map, beside the measures of the file."""


class Missing(Exception):
    """What was asked for is not in the file; the text says why and what to do, in a sentence."""


TROUBLE = (Missing, CollateralError)
"""What a question may raise while the viewer runs: absent, or damaged. Both are sentences."""


@dataclass(frozen=True, eq=False)
class HeadView:
    """A head metric, averaged: values [layers, heads] and what stands behind them."""

    values: Floats
    title: str
    meaning: str
    low: float | None
    high: float | None
    difference: bool
    over: str


@dataclass(frozen=True, eq=False)
class AttentionGrid:
    """One head's attention over one example: weights [queries, keys] and the token of each row.

    Attributes:
        rows: numbers of the tokens that are shown (special tokens may be left out), for queries
            and keys alike.
    """

    weights: Floats
    tokens: Tokens
    rows: Ints
    difference: bool
    note: str

    def label(self, place: int) -> str:
        """The text of the token shown in row ``place``."""
        return self.tokens.texts[int(self.rows[place])]

    def place(self, token: int | None) -> int | None:
        """The row in which a token is shown; None if it is hidden, or is None."""
        if token is None:
            return None
        found = int(np.searchsorted(self.rows, token))
        return found if found < len(self.rows) and self.rows[found] == token else None


@dataclass(frozen=True, eq=False)
class DistanceView:
    """Distances per layer: one curve per group, and where map and original space disagree.

    Attributes:
        categories: number of each curve's group among all groups of the column, as elsewhere.
    """

    curves: list[distances.Curve]
    categories: list[int]
    title: str
    difference: bool
    over: str
    warning: str


@dataclass(frozen=True)
class Mention:
    """Points of one span of an example: their rows, the first token, the span's text."""

    points: tuple[int, ...]
    token: int
    text: str


@dataclass(frozen=True)
class Said:
    """What one model says of a pair; None is unknown."""

    prediction: str | None
    probability: float | None
    correct: bool | None


@dataclass(frozen=True)
class PairFacts:
    """One pair of an example, as the summary table shows it: spans, gold label, A (and B)."""

    number: int
    span1: str
    span2: str
    gold: str | None
    models: tuple[Said, ...]
