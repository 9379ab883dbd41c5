"""The span head: its formula, and files that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from extract.errors import ExtractError
from extract.metrics.spans import PairIndex
from extract.tasks.span_head import load_span_head

from .conftest import WIDTH


def test_logit_by_hand(head_file: Path) -> None:
    head = load_span_head(head_file, WIDTH)
    states = torch.randn(2, 7, WIDTH, generator=torch.Generator().manual_seed(1))
    pairs = PairIndex.of([0, 1], [(0, 2), (3, 4)], [(5, 6), (4, 7)])
    logits = head.logits(states, pairs).numpy()
    x, w = states.double().numpy(), head.weight.double().numpy()[0]
    for row, (example, (a, b), (c, d)) in enumerate([(0, (0, 2), (5, 6)), (1, (3, 4), (4, 7))]):
        u, v = x[example, a:b].mean(0), x[example, c:d].mean(0)
        features = np.concatenate([u, v, u * v, np.abs(u - v)])
        assert logits[row] == pytest.approx(w @ features + 0.1, abs=1e-5)


def test_half_precision_is_widened(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({"weight": torch.ones(1, 8).half(), "bias": torch.zeros(1).half()}, path)
    assert load_span_head(path, 2).weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"weight": torch.ones(1, 8)}, 'no tensor "bias"'),
        ({"w": torch.ones(1)}, 'no tensor "weight" \\(it holds w\\)'),
        ({"weight": torch.ones(1, 12), "bias": torch.ones(1)}, "of shape \\[1, 12\\].*\\[1, 8\\]"),
        ({"weight": torch.ones(1, 8), "bias": torch.ones(2)}, '"bias" of shape \\[2\\]'),
        ({"weight": torch.full((1, 8), torch.nan), "bias": torch.ones(1)}, "not finite"),
    ],
)
def test_a_head_that_does_not_fit(
    tmp_path: Path, tensors: dict[str, torch.Tensor], what: str
) -> None:
    path = tmp_path / "head.safetensors"
    save_file(tensors, path)
    with pytest.raises(ExtractError, match=what):
        load_span_head(path, 2)


def test_a_head_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="There is no span head"):
        load_span_head(tmp_path / "none", 2)
    with pytest.raises(ExtractError, match="is a directory"):
        load_span_head(tmp_path, 2)
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(ExtractError, match="not readable as safetensors"):
        load_span_head(tmp_path / "junk", 2)
