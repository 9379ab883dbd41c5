"""Encoder-decoders with tasks that give them nothing to write: they are looked at as encoders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

import collateral
from extract import pipeline
from extract.maps.vectors import VectorStore
from extract.options import RunOptions

from . import tiny

TEXTS = ["the", "the cat sat on the mat", "it is a small house"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5, saved."""
    path = tmp_path_factory.mktemp("t5")
    tiny.save_tiny(path, "t5", head="seq2seq")
    return path


@pytest.mark.parametrize("task", ["text", "tagging"])
def test_points_are_the_encoders(
    task: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data.jsonl"
    rows = [{"words": text.split(), "tags": ["X"] * len(text.split())} for text in TEXTS]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    kept: list[np.ndarray] = []
    real = VectorStore.append

    def spy(self: VectorStore, states: np.ndarray) -> None:
        kept.append(np.array(states))
        real(self, states)

    monkeypatch.setattr(VectorStore, "append", spy)
    output = tmp_path / "out.msgpack"
    summary = pipeline.run(RunOptions(str(folder), data, output, task, points="all"))
    assert summary is not None and any("start token alone" in note for note in summary.notes)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    with collateral.open(output) as c:
        assert list(c.verify()) == []
        assert c.meta.model.layers == tiny.LAYERS
        for row in range(len(TEXTS)):
            start = c.side(row, "target").start
            at = c.point_tokens[c.point_examples == row]
            assert len(at) and at.max() <= start
            tokens = c.tokens(row).texts[:start]
            found = tiny.tokenizer_of("t5").convert_tokens_to_ids(list(tokens))
            with torch.no_grad():
                states = model.encoder(torch.tensor([found]), output_hidden_states=True)
            expected = torch.cat(states.hidden_states).numpy()[:, at[:, 0]]
            np.testing.assert_allclose(kept[row], expected, atol=1e-5)
