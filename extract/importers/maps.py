"""Maps of hidden states that came from elsewhere, as a run makes them, and distances of spans."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import torch

from ..maps.making import make_maps
from ..maps.projection import Settings
from ..maps.reducing import reduced_layers
from ..maps.vectors import VectorStore
from ..progress import Reporter
from .common import Imported
from .options import ArrayOptions

Floats = npt.NDArray[np.float32]


def add_maps(
    imported: Imported, store: VectorStore, options: ArrayOptions, reporter: Reporter
) -> None:
    """Makes the map of every hidden state, measures how faithful each is, and keeps vectors.

    Args:
        imported: takes coordinates, qualities, vectors, settings and notes.
        store: the vectors of all points.
        options: seed, perplexity, sample, vectors, threads.
        reporter: hears of every layer.

    Raises:
        ExtractError: t-SNE did not come to coordinates.
    """
    threads = options.threads or torch.get_num_threads()
    settings = dataclasses.replace(Settings.of(options, store.points), threads=threads)
    maps = make_maps(store, settings, imported.coordinates.__setitem__, reporter)
    imported.quality = maps.qualities
    both = imported.meta.settings | maps.settings | {"seed": options.seed}
    imported.meta = dataclasses.replace(imported.meta, settings=both)
    imported.notes += maps.notes
    if options.vectors:
        rows, layers = reduced_layers(store, settings, options.vectors, reporter)
        imported.vectors = rows, list(layers)


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
