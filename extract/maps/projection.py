"""From hidden states to maps: t-SNE per layer, all layers from one common start.

Rows are scaled to unit length, so that neighbours are those by cosine. Every layer starts from the
same two principal components, so that points move from layer to layer rather than jump; each layer
is then optimised in full, which keeps quality.

Of more points than :data:`SAMPLE_ABOVE`, t-SNE is fitted on a random sample, the same for all
layers, and each of the others is placed on that map by its nearest neighbours in the sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import openTSNE
import openTSNE.nearest_neighbors
import scipy.sparse.linalg
import torch

from ..errors import ExtractError
from ..saying import agree, many
from .quality import SAMPLE, TIE, FloatArray, unit_rows
from .quality import SAMPLE_ABOVE as QUALITY_SAMPLE_ABOVE
from .vectors import ArrayLayer, Layer

Rows = npt.NDArray[np.intp]

SAMPLE_ABOVE = 10_000
"""Points that t-SNE is fitted on at most.

Of 10,000 points and one layer t-SNE takes well under a minute on one thread, and their exact
neighbours a few seconds; both grow faster than the number of points, placing only as fast as it.
A terminal of 160 x 45 cells has 29,000 braille dots, so that a denser map could not be seen.
"""

EXACT_BELOW = 20_000
"""Neighbours are found exactly up to so many fitted points, with ``annoy`` above."""

FEWEST = 8
"""With fewer points there are no neighbourhoods to keep: the common start itself is the map."""

NEIGHBOURS_PER_PERPLEXITY = 2
"""Affinities reach so many times the perplexity of neighbours, where scikit-learn takes 3.

On MiniLM's layers 2 was better in trustworthiness (by .002 to .013) and recall, and faster.
"""

PLACING_NEIGHBOURS = 3
"""A placed point is put at the median of so many fitted neighbours, by coordinate.

On MiniLM's layers 3 was better than 4 to 25 and than means weighted by closeness.
"""


@dataclass(frozen=True)
class Phase:
    """A part of the optimisation.

    Attributes:
        exaggeration: factor of the attraction between neighbours.
        steps: of gradient descent.
        rate: step length, in units of :func:`learning_rate_for`.
        fine: whether forces are as accurate as :func:`theta_for` says; else theta is 1.
    """

    exaggeration: float
    steps: int
    rate: float
    fine: bool = False


PHASES = (Phase(12, 100, 1), Phase(3, 75, 2), Phase(1.5, 75, 2), Phase(1, 150, 2, fine=True))
"""The exaggeration falls in stages rather than at once.

Clusters torn apart when a strong exaggeration ends at once stay apart. On 5,000 tokens of MiniLM's
last layer stages gain .01 to .02 of trustworthiness over 250 steps of 12 and 500 of 1, in half the
time.
"""

ITERATIONS = sum(phase.steps for phase in PHASES)
MOMENTUM = 0.8
COARSE_THETA = 1.0

_START_SPREAD = 1e-4
_ROWS_AT_ONCE = 1024
_BLOCK = 1 << 21
"""Numbers in the largest matrix of cosines that is made."""
_DENSE_WIDTH = 1024
"""Principal components come from all eigenvectors up to this width: beyond it that is slow."""


class Asked(Protocol):
    """What is taken from the options of a run."""

    @property
    def perplexity(self) -> float:
        """Wanted perplexity."""

    @property
    def seed(self) -> int:
        """Of everything random."""

    @property
    def map_sample(self) -> int | None:
        """Points to fit on at most; None for the default."""


@dataclass(frozen=True)
class Settings:
    """How maps are made.

    The same settings give the same coordinates on the same machine with the same versions and
    number of threads; another processor or library may round differently, and t-SNE lets small
    differences grow.

    Attributes:
        perplexity: effective number of neighbours that count.
        seed: of the sample, the start's jitter and approximate neighbours.
        threads: of openTSNE.
        sample: points that t-SNE is fitted on at most; the others are placed.
        wanted: the perplexity that was asked for, if it had to be lowered.
    """

    perplexity: float = 30.0
    seed: int = 0
    threads: int = 1
    sample: int = SAMPLE_ABOVE
    wanted: float | None = None

    @classmethod
    def of(cls, options: Asked, points: int) -> Settings:
        """Those of a run with so many points, with as many threads as torch has."""
        sample = SAMPLE_ABOVE if options.map_sample is None else options.map_sample
        perplexity = usable_perplexity(options.perplexity, min(points, sample))
        wanted = options.perplexity if perplexity < options.perplexity else None
        return cls(perplexity, options.seed, torch.get_num_threads(), sample, wanted)

    def fitted(self, points: int) -> int:
        """How many of so many points t-SNE is fitted on."""
        return min(points, self.sample)

    def described(self, points: int) -> dict[str, str | int | float | bool | None]:
        """What the file says of how its maps were made."""
        fitted = self.fitted(points)
        few = fitted < FEWEST
        found: dict[str, str | int | float | bool | None] = {
            "projection": "PCA (too few points for t-SNE)"
            if few
            else "t-SNE (openTSNE, Barnes-Hut)",
            "projection_input": "hidden states scaled to unit length (cosine)",
            "projection_start": "principal components of the mean over layers, the same for all",
            "projection_fitted": fitted,
            "projection_placed": points - fitted,
            "perplexity": self.perplexity,
            "theta": theta_for(fitted),
            "learning_rate": learning_rate_for(fitted),
            "exaggeration": ", ".join(f"{p.exaggeration:g} x {p.steps}" for p in PHASES),
            "iterations": 0 if few else ITERATIONS,
            "neighbours": neighbour_method(fitted),
            "projection_neighbours": neighbours_of(self.perplexity, fitted),
            "projection_threads": self.threads,
        }
        if points > fitted:
            found["placing"] = f"median of {PLACING_NEIGHBOURS} nearest fitted points (cosine)"
        return found

    def notes(self, points: int) -> list[str]:
        """What whoever looks at the maps must know."""
        notes = []
        fitted = self.fitted(points)
        if points < FEWEST:
            notes.append(
                f"{many(points, 'point')} {agree(points, 'are')} too few for t-SNE; the map, the "
                "same for all layers, shows the principal components of the mean over layers."
            )
        elif self.wanted is not None:
            notes.append(
                f"The perplexity was lowered from {self.wanted:g} to {self.perplexity:.3g}, a "
                f"third of the {fitted - 1:,} neighbours that a point has."
            )
        if fitted < points:
            notes.append(
                f"t-SNE was fitted on {fitted:,} of {points:,} points; the others were placed on "
                "that map by their nearest neighbours."
            )
        if points > QUALITY_SAMPLE_ABOVE:
            notes.append(
                f"The quality of the maps was measured on a sample of {SAMPLE:,} of their "
                f"{points:,} points, with neighbours among all of them."
            )
        return notes


def usable_perplexity(wanted: float, points: int) -> float:
    """``wanted``, or the largest that so many points allow: a third of a point's neighbours."""
    return min(wanted, max(1.0, (points - 1) / 3))


def neighbours_of(perplexity: float, points: int) -> int:
    """How many neighbours a point is attracted to."""
    return max(0, min(points - 1, math.ceil(NEIGHBOURS_PER_PERPLEXITY * perplexity)))


def theta_for(points: int) -> float:
    """Barnes-Hut accuracy of the last phase: finer where it costs little.

    On 5,000 points .8 takes two thirds of the time of .5, for less than .005 of trustworthiness and
    .003 of neighbour recall.
    """
    return 0.5 if points <= 2500 else 0.8


def learning_rate_for(points: int) -> float:
    """Step length of the first phase: a twelfth of the points, but at least 100.

    Belkina et al. (2019) divide by the exaggeration; less than 100 has not settled in so few steps.
    """
    return max(points / PHASES[0].exaggeration, 100.0)


def neighbour_method(points: int) -> str:
    """How neighbours are found: "exact", or "annoy" (approximate) for very many points."""
    return "exact" if points <= EXACT_BELOW else "annoy"


def chosen_rows(points: int, settings: Settings) -> Rows:
    """Rows that t-SNE is fitted on, rising: all of them, or a random sample."""
    if points <= settings.sample:
        return np.arange(points)
    random = np.random.default_rng(settings.seed)
    return np.sort(random.choice(points, settings.sample, replace=False))


def common_start(
    layers: npt.NDArray[np.float32] | Sequence[Layer], seed: int = 0, rows: Rows | None = None
) -> npt.NDArray[np.float64]:
    """The layout every layer starts from: principal components of the mean over layers.

    Args:
        layers: float32 [layers + 1, points, width], as they are; or the layers of a store.
        seed: of a small jitter, so that points with equal vectors do not stay on one spot.
        rows: those that are wanted, rising; all by default.

    Returns:
        float64 [points, 2], centred, first column of standard deviation 1e-4.
    """
    if isinstance(layers, np.ndarray):
        layers = [ArrayLayer(vectors) for vectors in layers]
    rows = np.arange(layers[0].points) if rows is None else rows
    if not len(rows):
        return np.zeros((0, 2))
    total = _centred_sum(layers, rows)
    start = total @ _main_axes(total)
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros((len(rows), 2 - start.shape[1]))])
    # an axis may come out either way round; the largest value on it is made positive
    signs = np.sign(start[np.abs(start).argmax(axis=0), [0, 1]])
    start = start * np.where(signs == 0, 1, signs)
    spread = start[:, 0].std()
    start = start / spread if spread > 1e-6 * len(layers) else np.zeros((len(rows), 2))
    jitter = np.random.default_rng(seed).normal(0, 0.01 if start.any() else 1.0, start.shape)
    return np.asarray((start + jitter) * _START_SPREAD)


def _centred_sum(layers: Sequence[Layer], rows: Rows) -> FloatArray:
    """Sum over layers of unit rows, less its mean over rows: float32 [rows, width]; in blocks."""
    total = np.zeros((len(rows), layers[0].width), dtype=np.float32)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        for layer in layers:
            total[part] += unit_rows(layer.rows(rows[part]))
    total -= total.mean(axis=0, dtype=np.float64).astype(np.float32)
    return total


def _main_axes(centred: FloatArray) -> npt.NDArray[np.float64]:
    """The two main axes of rows: [width, 2], or [width, 1] of one column."""
    width = centred.shape[1]
    moments = np.zeros((width, width))
    for first in range(0, len(centred), _ROWS_AT_ONCE):
        block = centred[first : first + _ROWS_AT_ONCE].astype(np.float64)
        moments += block.T @ block
    if width <= _DENSE_WIDTH:
        values, axes = np.linalg.eigh(moments)
    else:
        begin = np.random.default_rng(0).normal(size=(width,))
        values, axes = scipy.sparse.linalg.eigsh(moments, k=2, v0=begin)
    return np.asarray(axes[:, np.argsort(values)[::-1][:2]])


def nearest(
    queries: FloatArray, among: FloatArray, k: int, *, same: bool = False
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """The k nearest rows by Euclidean distance of unit rows, exactly, in blocks.

    Args:
        queries: float32 [queries, width], rows of length one.
        among: float32 [points, width], rows of length one.
        k: neighbours, at most as many as there are.
        same: the queries are those points, and no point is its own neighbour.

    Returns:
        Numbers of points int32 [queries, k] and distances float64 [queries, k], nearest first.
        Distances below .001 (cosines within 5e-7 of one) are 0.
    """
    numbers = np.empty((len(queries), k), dtype=np.int32)
    distances = np.empty((len(queries), k))
    step = max(1, _BLOCK // max(1, len(among)))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        gaps = queries[part] @ among.T
        np.negative(gaps, out=gaps)
        if same:
            at = np.arange(len(gaps))
            gaps[at, at + start] = np.inf
        near = np.argpartition(gaps, min(k, len(among) - 1), axis=1)[:, :k]
        found = np.take_along_axis(gaps, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        numbers[part] = np.take_along_axis(near, order, axis=1)
        squared = 2 + 2 * np.take_along_axis(found, order, axis=1).astype(np.float64)
        distances[part] = np.sqrt(np.where(squared < 2 * TIE, 0, squared))
    return numbers, distances


def _affinities(unit: FloatArray, settings: Settings) -> openTSNE.affinity.PerplexityBasedNN:
    k = neighbours_of(settings.perplexity, len(unit))
    shared = {"perplexity": settings.perplexity, "n_jobs": settings.threads}
    if neighbour_method(len(unit)) == "exact":
        index = openTSNE.nearest_neighbors.PrecomputedNeighbors(*nearest(unit, unit, k, same=True))
        return openTSNE.affinity.PerplexityBasedNN(knn_index=index, **shared)
    return openTSNE.affinity.PerplexityBasedNN(
        unit,
        method="annoy",
        metric="euclidean",
        k_neighbors=k,
        random_state=settings.seed,
        **shared,
    )


def project(
    unit: FloatArray, start: npt.NDArray[np.float64], settings: Settings
) -> npt.NDArray[np.float32]:
    """The map of one layer.

    Args:
        unit: float32 [points, width], rows of length one.
        start: float64 [points, 2] from :func:`common_start`.
        settings: perplexity (already usable), seed, threads.

    Returns:
        float32 [points, 2], finite, centred on zero.

    Raises:
        ExtractError: t-SNE did not come to finite coordinates.
    """
    points = len(unit)
    if points < FEWEST:
        return np.asarray(start / _START_SPREAD, dtype=np.float32)
    tsne = openTSNE.TSNE(
        negative_gradient_method="bh", n_jobs=settings.threads, random_state=settings.seed
    )
    map_ = tsne.prepare_initial(affinities=_affinities(unit, settings), initialization=start.copy())
    for phase in PHASES:
        map_.optimize(
            n_iter=phase.steps,
            exaggeration=phase.exaggeration,
            learning_rate=phase.rate * learning_rate_for(points),
            momentum=MOMENTUM,
            theta=theta_for(points) if phase.fine else COARSE_THETA,
            inplace=True,
        )
    found = np.asarray(map_)
    if not np.isfinite(found).all():
        raise ExtractError(
            "t-SNE ended in coordinates that are not numbers; try another --perplexity or --seed."
        )
    return np.asarray(found - found.mean(axis=0), dtype=np.float32)


def place(unit: FloatArray, fitted: FloatArray, map_: FloatArray) -> FloatArray:
    """Where further points belong on a map: the median of their nearest fitted neighbours.

    The median by coordinate of :data:`PLACING_NEIGHBOURS` neighbours, rather than a mean: one
    neighbour in another cluster does not draw the point into the empty space between.

    Args:
        unit: float32 [points, width], rows of length one, to be placed.
        fitted: float32 [fitted, width], rows of length one, that the map was fitted on.
        map_: float32 [fitted, 2].

    Returns:
        float32 [points, 2].
    """
    k = min(PLACING_NEIGHBOURS, len(fitted))
    numbers, _ = nearest(unit, fitted, k)
    return np.asarray(np.median(map_[numbers], axis=1), dtype=np.float32)
