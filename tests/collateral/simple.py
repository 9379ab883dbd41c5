"""The plainest file there can be, for tests that need many rows or want to do something wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import collateral
from collateral import AttentionKind, Column, Measure, Meta, Metric, ModelInfo, TokenInfo, Tokens

LAYERS, HEADS = 2, 3


def a_meta(**changes: Any) -> Meta:
    """A description of a model of two layers and three heads."""
    values: dict[str, Any] = {
        "task": "coref",
        "model": ModelInfo("m", "BertModel", LAYERS, HEADS, 8),
        "tokens": TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
        "attention": (AttentionKind("self", LAYERS, HEADS),),
    }
    return Meta(**{**values, **changes})


def some_tokens(n: int = 4) -> Tokens:
    """Tokens of the text "abcd...", one per character."""
    at = np.arange(n, dtype=np.int32)
    texts = tuple("abcdefgh"[i % 8] for i in range(n))
    return Tokens(texts, np.stack([at, at + 1], axis=1), np.zeros(n, dtype=bool), at)


def uniform(n: int = 4) -> npt.NDArray[np.float32]:
    """Uniform attention between n tokens."""
    return np.full((LAYERS, HEADS, n, n), 1 / n, dtype=np.float32)


def a_writer(path: str | os.PathLike[str], **changes: Any) -> collateral.Writer:
    """A writer with one column of each kind, a metric of each unit and a measure."""
    arguments: dict[str, Any] = {
        "examples": {
            "flag": Column("boolean"),
            "label": Column("categorical"),
            "number": Column("continuous"),
            "remark": Column("text"),
        },
        "points": {"label": Column("categorical")},
        "pairs": {"label": Column("categorical")},
        "metrics": [Metric("std", "spread"), Metric("hit", "hits", unit="pair")],
        "measures": [Measure("cosine", "cosine")],
    }
    meta = changes.pop("meta", a_meta())
    return collateral.create(path, meta, **{**arguments, **changes})


def write_simple(path: Path, examples: int = 2) -> Path:
    """A file with so many examples, each with a point, a pair and a text of its own."""
    with a_writer(path) as writer:
        for row in range(examples):
            text = f"{row:08d}"
            writer.add_example(f"id-{row}", text, some_tokens(8), label="ab"[row % 2], number=row)
            writer.add_point(row, 1, 2, "b", label="x")
            writer.add_pair(f"p-{row}", row, (0, 1), (1, 3), (row, row + 1), (row, row + 1))
        values = np.arange(examples * LAYERS * HEADS, dtype=np.float32)
        writer.append_metric("std", values.reshape(-1, LAYERS, HEADS))
        writer.append_metric("hit", values.reshape(-1, LAYERS, HEADS))
        writer.append_distances("cosine", np.zeros((examples, LAYERS + 1)))
        for layer in range(LAYERS + 1):
            writer.set_coordinates(layer, np.full((examples, 2), layer))
        for row in range(min(examples, 2)):
            writer.add_attention(row, uniform(8))
    return path


def sentence(path: object, what: str) -> str:
    """How an error about a file begins: the name is the subject where a verb follows."""
    verb = what.split(" ", 1)[0] in {"is", "has", "ends", "cannot", "does"}
    return f"{path} {what}" if verb else f"{path}: {what}"
