"""Vectors that a file keeps of its points, against full vectors in float64."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import collateral
from collateral import unpack_vectors
from extract import pipeline
from extract.arguments import add_vectors
from extract.errors import UsageError
from extract.maps import reducing
from extract.maps.projection import Settings
from extract.maps.reducing import main_directions, reduced_layers
from extract.maps.vectors import VectorStore
from extract.options import RunOptions
from tests.collateral.simple import a_writer, some_tokens

Array = npt.NDArray[np.float32]
SETTINGS = Settings(perplexity=5)


def some_states(points: int, width: int, layers: int = 2, seed: int = 0) -> Array:
    """Hidden states that point much the same way, as those of real models do."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(size=(layers, points, width)) * np.geomspace(3, 0.05, width)
    return (spread + 2 * rng.normal(size=(layers, 1, width))).astype(np.float32)


def store_of(folder: Path, states: Array) -> VectorStore:
    store = VectorStore(folder / "vectors", states.shape[0], states.shape[2])
    store.append(states)
    return store


def cosines(states: Array) -> npt.NDArray[np.float64]:
    x = states.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1)
    return x @ x.T / np.maximum(np.outer(lengths, lengths), 1e-30)


def test_cosines_and_distances_come_back(tmp_path: Path) -> None:
    states = some_states(300, 48)
    with store_of(tmp_path, states) as store:
        rows, layers = reduced_layers(store, SETTINGS, 32)
        assert rows.tolist() == list(range(300))
        for x, found in zip(states, layers, strict=True):
            z = unpack_vectors(found.stored, found.steps).astype(np.float64)
            assert z.shape == (300, 32)
            apart = ~np.eye(300, dtype=bool)
            error = np.abs(z @ z.T - cosines(x))[apart]
            # a sample of pairs: as far off as all of them are
            assert found.error == pytest.approx(np.percentile(error, 95), rel=0.1)
            assert found.error < 0.01
            lengths = np.linalg.norm(x.astype(np.float64), axis=1)
            np.testing.assert_allclose(found.lengths, lengths, rtol=1e-6)
            assert found.kept == pytest.approx((z**2).sum() / 300, rel=1e-4)
            # no other directions would have kept more: singular values say how much there is
            values = np.linalg.svd(x / lengths[:, None], compute_uv=False) ** 2
            assert found.kept == pytest.approx(values[:32].sum() / values.sum(), abs=2e-3)


def test_all_dimensions_leave_only_rounding(tmp_path: Path) -> None:
    states = some_states(120, 16)
    with store_of(tmp_path, states) as store:
        _, layers = reduced_layers(store, SETTINGS, 1000)
        for x, found in zip(states, layers, strict=True):
            z = unpack_vectors(found.stored, found.steps)
            assert z.shape == (120, 16)
            assert found.kept > 0.999
            bound = 2 * np.linalg.norm(found.steps / 2) + np.sum(found.steps**2) / 4 + 1e-6
            assert np.abs(z @ z.T - cosines(x)).max() <= bound


def test_wide_vectors_find_the_same_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = some_states(400, 96)[0]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    exact = main_directions(unit, 24)
    monkeypatch.setattr(reducing, "_DENSE_WIDTH", 32)
    found = main_directions(unit, 24)
    np.testing.assert_allclose(found.T @ found, np.eye(24), atol=1e-5)
    kept = [float(((unit @ axes) ** 2).sum()) for axes in (exact, found)]
    assert kept[1] == pytest.approx(kept[0], rel=1e-3)
    np.testing.assert_array_equal(found, main_directions(unit, 24))


def test_few_points_and_zeros(tmp_path: Path) -> None:
    states = some_states(3, 8, layers=1)
    states[0, 1] = 0
    with store_of(tmp_path, states) as store:
        rows, layers = reduced_layers(store, SETTINGS, 256)
        (found,) = layers
        assert len(rows) == 3
        assert found.stored.shape == (3, 3)
        assert found.lengths[1] == 0
        z = unpack_vectors(found.stored, found.steps)
        assert not z[1].any()
        np.testing.assert_allclose(z[0] @ z[2], cosines(states[0])[0, 2], atol=0.02)
    with store_of(tmp_path, states[:, :1]) as store:
        (found,) = reduced_layers(store, SETTINGS, 256)[1]
        assert np.isnan(found.error)


def test_only_the_fitted_points_keep_vectors(tmp_path: Path) -> None:
    states = some_states(500, 12)
    settings = dataclasses.replace(SETTINGS, sample=100)
    with store_of(tmp_path, states) as store:
        rows, layers = reduced_layers(store, settings, 12)
        assert len(rows) == 100
        assert (np.diff(rows) > 0).all()
        for x, found in zip(states, layers, strict=True):
            lengths = np.linalg.norm(x[rows].astype(np.float64), axis=1)
            np.testing.assert_allclose(found.lengths, lengths, rtol=1e-6)


def test_huge_states_do_not_overflow(tmp_path: Path) -> None:
    states = some_states(50, 8, layers=1) * np.float32(1e30)
    states[0, 0] *= 1e4
    with store_of(tmp_path, states) as store:
        (found,) = reduced_layers(store, SETTINGS, 8)[1]
        assert np.isfinite(found.lengths).all()
        z = unpack_vectors(found.stored, found.steps)
        np.testing.assert_allclose(z @ z.T, cosines(states[0]), atol=0.02)


def test_written_and_read(tmp_path: Path) -> None:
    states = some_states(20, 8, layers=3)
    with a_writer(tmp_path / "file", metrics=[], measures=[]) as writer:
        writer.add_example("x", "a" * 20, some_tokens(20))
        for token in range(20):
            writer.add_point(0, token, token + 1, "t")
        with store_of(tmp_path, states) as store:
            reducing.write_vectors(store, SETTINGS, 8, writer)
    with collateral.open(tmp_path / "file") as c:
        assert (c.vectors.size, c.vectors.layers) == (8, (0, 1, 2))
        assert set(c.vectors.quality) == {"kept", "cosine error"}
        z = c.vectors.read(2)
        np.testing.assert_allclose(z @ z.T, cosines(states[2]), atol=0.02)


def run(model: Path, tmp_path: Path, **changes: Any) -> Path:
    data, output = tmp_path / "data.txt", tmp_path / "out.msgpack"
    data.write_text("the trophy\nhe said it\nthe suit is too large\n", encoding="utf-8")
    pipeline.run(RunOptions(str(model), data, output, "text", batch_size=2, **changes))
    return output


def test_a_run_keeps_vectors_of_its_points(bert_folder: Path, tmp_path: Path) -> None:
    """Against the hidden states of the model itself, run as transformers says."""
    tokenizer: Any = AutoTokenizer.from_pretrained(bert_folder)
    model = AutoModel.from_pretrained(bert_folder).eval()
    with collateral.open(run(bert_folder, tmp_path)) as c:
        assert list(c.verify()) == []
        whole = []
        for row, text in enumerate(c.examples["text"]):
            with torch.no_grad():
                states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            spans = c.point_tokens[c.point_examples == row]
            tokens = [start for start, _ in spans.tolist()]
            whole.append(torch.stack(states.hidden_states)[:, 0, tokens].numpy())
        states = np.concatenate(whole, axis=1)
        assert c.vectors.layers == tuple(range(len(states)))
        assert c.vectors.points.tolist() == list(range(len(c.points)))
        for layer, x in enumerate(states):
            z = c.vectors.read(layer).astype(np.float64)
            error = np.abs(z @ z.T - cosines(x))[~np.eye(len(x), dtype=bool)]
            stated = float(c.vectors.quality["cosine error"][layer])
            assert np.percentile(error, 95) == pytest.approx(stated, rel=0.2, abs=1e-4)
            assert stated < 0.02
            lengths = np.linalg.norm(x, axis=1)
            np.testing.assert_allclose(c.vectors.lengths(layer), lengths, rtol=1e-4)


def test_a_run_may_keep_fewer_or_none(bert_folder: Path, tmp_path: Path) -> None:
    with collateral.open(run(bert_folder, tmp_path, vectors=3)) as c:
        assert c.vectors.size == 3
        places = [c.coordinates(layer) for layer in c.mapped_layers]
    with collateral.open(run(bert_folder, tmp_path, vectors=0)) as c:
        assert (c.vectors.layers, c.meta.vector_size) == ((), 0)
        for layer, expected in zip(c.mapped_layers, places, strict=True):
            np.testing.assert_array_equal(c.coordinates(layer), expected)


@pytest.mark.parametrize(
    ("words", "expected"), [([], 256), (["--vectors", "none"], 0), (["--vectors", "64"], 64)]
)
def test_the_option(words: list[str], expected: int) -> None:
    parser = argparse.ArgumentParser()
    add_vectors(parser)
    assert parser.parse_args(words).vectors == expected
    with pytest.raises(UsageError, match="--vectors must be at least 0"):
        RunOptions("m", Path("d"), Path("o"), vectors=-1)
    with pytest.raises(SystemExit):
        parser.parse_args(["--vectors", "x"])
