"""Small files with something in every section: what is mutated byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import collateral
from collateral import (
    AttentionKind,
    Column,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    top_k,
)

_COLUMNS = {"g": Column("categorical"), "c": Column("boolean"), "s": Column("continuous")}


def _tokens(text: str) -> Tokens:
    at = np.arange(len(text), dtype=np.int32)
    offsets = np.stack([at, at + 1], axis=1)
    return Tokens(tuple(text), offsets, np.zeros(len(text), dtype=bool), at)


def _maps(queries: int, keys: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values = np.arange(2 * queries * keys, dtype=np.float64).reshape(1, 2, queries, keys) % 7 + 1
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def write_pairs(path: Path) -> Path:
    """Pairs, points, a map, a quality, vectors, whole attention in both encodings: some 7 kB."""
    kind = AttentionKind("self", 1, 2)
    meta = Meta("t", ModelInfo("m", "B", 1, 2, 4), TokenInfo(), (kind,))
    metrics = [Metric("e", "e"), Metric("p", "p", unit="pair")]
    with collateral.create(
        path,
        meta,
        examples=_COLUMNS,
        pairs={"g": Column("categorical")},
        metrics=metrics,
        measures=[Measure("d", "d")],
    ) as writer:
        for row, text in enumerate(("abc", "de")):
            writer.add_example(f"x{row}", text, _tokens(text), g="uv"[row], c=row > 0, s=0.5)
            writer.add_point(row, 0, 1, text[0])
            writer.add_pair(f"p{row}", row, (0, 1), (1, 2), (row, row + 1), (row, row + 1), g="w")
            encoding = ("float16", "uint8")[row]
            n = len(text)
            writer.add_attention(row, _maps(n, n), encoding=encoding)  # type: ignore[arg-type]
        writer.append_metric("e", np.ones((2, 1, 2)))
        writer.append_metric("p", np.ones((2, 1, 2)))
        writer.append_distances("d", np.ones((2, 2)))
        writer.set_coordinates(1, np.ones((2, 2)))
        writer.set_quality("q", np.ones(2))
        writer.set_vector_points([0, 1])
        writer.set_vectors(1, np.array([[1.0, 0.0], [0.6, 0.8]]), np.ones(2))
        writer.set_vector_quality("kept", np.ones(2))
    return path


def write_sides(path: Path) -> Path:
    """Sources and targets, items, sparse attention, value norms, a summary: some 4 kB."""
    kinds = (
        AttentionKind("cross", 1, 2, False, "target", "source"),
        AttentionKind("decoder", 1, 2, True, "target", "target"),
    )
    meta = Meta("t", ModelInfo("m", "B", 1, 2, 4), TokenInfo(), kinds, item="token")
    with collateral.create(path, meta, items=_COLUMNS) as writer:
        for row, text in enumerate(("abcd", "efg")):
            writer.add_example(f"x{row}", text, _tokens(text), source_tokens=2)
            writer.add_item(row, 2, 3, text[2], g="u", c=False, s=0.25)
            targets = len(text) - 2
            kept = top_k(_maps(targets, 2), 1)
            writer.add_sparse_attention(row, *kept, keys=2, kind="cross")
            writer.add_value_norms(row, np.ones((1, 2, 2)), "cross")
        writer.add_attention(0, _maps(2, 2), "decoder")
        writer.add_summary(Metric("z", "z", attention="cross"), np.ones((1, 2)))
    return path


FILES = {"pairs": write_pairs, "sides": write_sides}
