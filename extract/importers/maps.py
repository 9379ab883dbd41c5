"""Maps of hidden states that came from elsewhere: t-SNE per layer, as a run makes them."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from collateral.schema import Setting

from .. import projection, quality
from ..progress import Reporter, stage
from .common import Imported
from .options import ArrayOptions

Floats = npt.NDArray[np.float32]


def add_maps(
    imported: Imported, vectors: Floats, options: ArrayOptions, reporter: Reporter
) -> dict[str, Setting]:
    """Makes the map of every hidden state and measures how faithful each is.

    Args:
        imported: takes coordinates, qualities and notes.
        vectors: float32 [layers + 1, points, width].
        options: seed, perplexity, threads.
        reporter: hears of every layer.

    Returns:
        How the maps were made, for the file's settings.

    Raises:
        ExtractError: t-SNE did not come to coordinates.
    """
    count, points, _ = vectors.shape
    perplexity = projection.usable_perplexity(options.perplexity, points)
    threads = options.threads or os.cpu_count() or 1
    settings = projection.Settings(perplexity, options.seed, threads)
    k = quality.neighbours_for(points)
    found = []
    with stage(reporter, "t-SNE by layer", count) as advance:
        start = projection.common_start(vectors, options.seed)
        for layer in range(count):
            unit = quality.unit_rows(vectors[layer])
            coordinates = projection.project(unit, start, settings)
            imported.coordinates[layer] = coordinates
            found.append(quality.map_quality(unit, coordinates, k, options.seed))
            advance(1)
    if k:
        trust, recall = np.array(found, dtype=np.float32).T
        imported.quality = {f"trustworthiness@{k}": trust, f"recall@{k}": recall}
    if points < projection.FEWEST:
        imported.notes.append(
            f"{points} points are too few for t-SNE; the map, the same for all layers, shows the "
            "principal components of the mean over layers."
        )
    elif perplexity < options.perplexity:
        imported.notes.append(
            f"The perplexity was lowered from {options.perplexity:g} to {perplexity:.3g}, a third "
            f"of the {points - 1} neighbours that a point has."
        )
    return {
        "projection": "t-SNE (openTSNE, Barnes-Hut)"
        if points >= projection.FEWEST
        else "PCA (too few points for t-SNE)",
        "projection_input": "hidden states scaled to unit length (cosine)",
        "perplexity": perplexity,
        "seed": options.seed,
        "quality_neighbours": k,
    }


def span_distances(
    states: Floats, pairs: list[tuple[tuple[int, int], tuple[int, int]]]
) -> tuple[Floats, Floats]:
    """Cosine and Euclidean distance between the means of two spans' hidden states.

    Args:
        states: float32 [layers + 1, tokens, width].
        pairs: token ranges of the two spans of each pair.

    Returns:
        float32 [pairs, layers + 1] each: 1 − cos(u, v), NaN where a mean is zero, and ‖u − v‖.
    """
    cosine = np.empty((len(pairs), len(states)), dtype=np.float32)
    euclid = np.empty_like(cosine)
    for row, (first, second) in enumerate(pairs):
        u = states[:, slice(*first)].mean(axis=1, dtype=np.float64)
        v = states[:, slice(*second)].mean(axis=1, dtype=np.float64)
        lengths = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine[row] = np.clip(1 - (u * v).sum(axis=1) / lengths, 0, 2)
        euclid[row] = np.linalg.norm(u - v, axis=1)
    return cosine, euclid
