"""From hidden states to maps: t-SNE per layer, all layers from one common start.

Rows are scaled to unit length, so that neighbours are those by cosine. Every layer starts from the
same two principal components, so that points move from layer to layer rather than jump; each layer
is then optimised in full, which keeps quality. openTSNE, because it can place new points later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import openTSNE

from .errors import ExtractError
from .quality import FloatArray, unit_rows

EXACT_BELOW = 5000
FEWEST = 8
"""With fewer points there are no neighbourhoods to keep: the common start itself is the map."""

EXAGGERATION = 12
ITERATIONS = (250, 500)
"""Steps with attraction exaggerated, and steps after them."""

_START_SPREAD = 1e-4


@dataclass(frozen=True)
class Settings:
    """How maps are made.

    Attributes:
        perplexity: effective number of neighbours that count.
        seed: of the start's jitter and of approximate neighbours.
        threads: of openTSNE.
    """

    perplexity: float = 30.0
    seed: int = 0
    threads: int = 1


def usable_perplexity(wanted: float, points: int) -> float:
    """``wanted``, or the largest that so many points allow: a third of a point's neighbours."""
    return min(wanted, max(1.0, (points - 1) / 3))


def theta_for(points: int) -> float:
    """Barnes-Hut accuracy: finer where it costs little.

    On 5,000 points .8 takes two thirds of the time of .5, for .002 to .003 of trustworthiness and
    no loss of neighbour recall.
    """
    return 0.5 if points <= 2500 else 0.8


def learning_rate_for(points: int) -> float:
    """Step length: that of scikit-learn, whose gradient lacks a factor of 4.

    openTSNE's own default, a twelfth of the number of points, has not settled when it stops on
    maps this small: on 1,224 points it cost up to .01 of trustworthiness.
    """
    return max(points / EXAGGERATION, 200.0)


def neighbour_method(points: int) -> str:
    """How neighbours are found: "exact", or "annoy" (approximate) for many points."""
    return "exact" if points <= EXACT_BELOW else "annoy"


def common_start(layers: npt.NDArray[np.float32], seed: int = 0) -> npt.NDArray[np.float64]:
    """The layout every layer starts from: principal components of the mean over layers.

    Args:
        layers: float32 [layers + 1, points, width], as they are.
        seed: of a small jitter, so that points with equal vectors do not stay on one spot.

    Returns:
        float64 [points, 2], centred, first column of standard deviation 1e-4.
    """
    count, points, width = layers.shape
    if not points:
        return np.zeros((0, 2))
    mean = np.zeros((points, width))
    for vectors in layers:
        mean += unit_rows(vectors)
    mean -= mean.mean(axis=0)
    values, axes = np.linalg.eigh(mean.T @ mean)
    start = mean @ axes[:, np.argsort(values)[::-1][:2]]
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros((points, 2 - start.shape[1]))])
    # an axis may come out either way round; the largest value on it is made positive
    signs = np.sign(start[np.abs(start).argmax(axis=0), [0, 1]])
    start = start * np.where(signs == 0, 1, signs)
    spread = start[:, 0].std()
    start = start / spread if spread > 1e-6 * count else np.zeros((points, 2))
    jitter = np.random.default_rng(seed).normal(0, 0.01 if start.any() else 1.0, start.shape)
    return np.asarray((start + jitter) * _START_SPREAD)


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
    affinities = openTSNE.affinity.PerplexityBasedNN(
        unit,
        perplexity=settings.perplexity,
        method=neighbour_method(points),
        metric="euclidean",
        n_jobs=settings.threads,
        random_state=settings.seed,
    )
    tsne = openTSNE.TSNE(
        theta=theta_for(points),
        learning_rate=learning_rate_for(points),
        early_exaggeration=EXAGGERATION,
        early_exaggeration_iter=ITERATIONS[0],
        n_iter=ITERATIONS[1],
        negative_gradient_method="bh",
        n_jobs=settings.threads,
        random_state=settings.seed,
    )
    found = np.asarray(tsne.fit(affinities=affinities, initialization=start.copy()))
    if not np.isfinite(found).all():
        raise ExtractError(
            "t-SNE ended in coordinates that are not numbers; try another --perplexity or --seed."
        )
    return np.asarray(found - found.mean(axis=0), dtype=np.float32)
