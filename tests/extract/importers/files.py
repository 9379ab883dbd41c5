"""Files as users of InterpreT have them, made by hand: dictionaries and tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import collateral
from collateral import Collateral
from collateral.cli import main as collateral_command
from tui.project import Project

LAYERS, HEADS = 2, 3

TROPHY = ["[CLS]", "the", "tro", "##phy", "does", "not", "fit", "because", "it", "is", "large"]
TROPHY += [".", "[SEP]"]
BOB = ["[CLS]", "he", "saw", "bob", "and", "he", "left", ".", "[SEP]"]
"""Two texts as pieces; in the second, "he" stands twice."""


def attention(tokens: int, seed: int, padding: int = 0) -> list[npt.NDArray[np.float32]]:
    """Rows that sum to one, per layer [heads, n, n]; padded rows and columns hold what BERT has."""
    rng = np.random.default_rng(seed)
    weights = rng.random((LAYERS, HEADS, tokens, tokens)) ** 4
    weights /= weights.sum(axis=-1, keepdims=True)
    n = tokens + padding
    padded = np.zeros((LAYERS, HEADS, n, n), dtype=np.float32)
    padded[..., :tokens, :tokens] = weights
    padded[..., tokens:, :tokens] = 1 / tokens
    return list(padded)


def dictionary() -> dict[Any, dict[str, Any]]:
    """Example 0 as numpy arrays, example 1 as padded half-precision tensors."""
    first = attention(len(TROPHY), 0)
    second = [torch.from_numpy(one).half() for one in attention(len(BOB), 1, padding=2)]
    return {
        0: {
            "attentions": first,
            "tokens": TROPHY,
            "attention_spans": [one[:, 1:4, 8:9] for one in first],
            "acc_matrix": np.full((LAYERS, HEADS), 0.25),
        },
        1: {
            "attentions": second,
            "tokens": [*BOB, "[PAD]", "[PAD]"],
            "attention_spans": [one[:, 3:4, 1:2] for one in second],
            "acc_matrix": np.full((LAYERS, HEADS), 0.25),
        },
    }


def coordinate(row: int, layer: int, axis: int) -> float:
    """Where a row of a table stands in a map: a number that no other has."""
    return row + layer / 10 + axis / 100


def wsc_rows() -> list[dict[str, str]]:
    """Rows of two pairs as the table of the paper's authors has them."""
    pairs: list[tuple[str, Sequence[str], str, str, list[tuple[str, str]], dict[str, str]]] = [
        (
            "0",
            TROPHY,
            "The trophy",
            "it",
            [("The trophy", "the"), ("The trophy", "tro"), ("The trophy", "##phy"), ("it", "it")],
            {"target": "1", "pred": "0", "pred_proba": "[0.75 0.25 ]", "acc": "0"},
        ),
        (
            "1",
            BOB,
            "Bob",
            "he",
            [("Bob", "bob"), ("he", "he")],
            {"target": "0", "pred": "0", "pred_proba": "[0.9 0.1]", "acc": "1"},
        ),
    ]
    rows: list[dict[str, str]] = []
    for name, tokens, span1, span2, pieces, said in pairs:
        for span, token in pieces:
            number = len(rows)
            places = {
                f"layer_{layer:02}_tsne_{'xy'[axis]}": str(coordinate(number, layer, axis))
                for layer in range(LAYERS + 1)
                for axis in (0, 1)
            }
            rows.append(
                {
                    "": str(number),
                    "id": name,
                    "sentence": " ".join(tokens),
                    "span1": span1,
                    "span2": span2,
                    **said,
                    "span": span,
                    "span_token": token,
                    **places,
                    "sentence_idx": "8",
                    "tp_coloring": str(number / 4),
                }
            )
    return rows


def absa_rows() -> list[dict[str, str]]:
    """Rows of two sentences, one of them with the same aspect twice."""
    sentences = [
        ("3", "the food was good , food !", "O B-ASP O B-OP O B-ASP O", "O B-ASP O O O O O", "0.5"),
        ("4", "nice screen", "B-OP B-ASP", "B-OP B-ASP", "1.0"),
    ]
    aspects = [(0, "food"), (0, "food"), (1, "screen")]
    rows = []
    for number, (at, aspect) in enumerate(aspects):
        name, sentence, target, pred, f1 = sentences[at]
        places = {
            f"layer_{layer:02}_tsne_{'xy'[axis]}": str(coordinate(number, layer, axis))
            for layer in range(LAYERS + 1)
            for axis in (0, 1)
        }
        rows.append(
            {"aspect": aspect, "sentence": sentence, **places, "f1": f1, "target": target}
            | {"pred": pred, "domain": ("restaurants", "laptops")[at], "id": name}
        )
    return rows


def write_table(path: Path, rows: Sequence[dict[str, str]], **changes: str) -> Path:
    """Writes rows as CSV; ``changes`` go into the first row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([rows[0] | changes, *rows[1:]])
    return path


def save(path: Path, data: object, **options: Any) -> Path:
    """Writes a file as torch does."""
    torch.save(data, path, **options)
    return path


def opened(path: Path) -> Collateral:
    """The file, after ``interpret-collateral verify`` and the viewer have taken it."""
    assert collateral_command(["verify", str(path)]) == 0
    project = Project.open([path])
    project.first_selection()
    project.close()
    return collateral.open(path)
