"""Points that are means over a text: special tokens have no part in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer

import collateral
from extract import pipeline
from extract.maps.vectors import VectorStore
from extract.metrics.spans import SpanIndex
from extract.options import RunOptions

from . import tiny

TEXTS = [("the trophy", "he said"), ("it", "the suit is too large"), ("they and she", "the")]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[npt.NDArray[Any]]:
    """The vectors of the points of each text, as a run keeps them."""
    found: list[npt.NDArray[Any]] = []
    real = VectorStore.append

    def spy(self: VectorStore, states: npt.NDArray[Any]) -> None:
        found.append(np.array(states))
        real(self, states)

    monkeypatch.setattr(VectorStore, "append", spy)
    return found


def run(model: Path, task: str, rows: list[dict[str, str]], tmp_path: Path, side: str = "") -> Path:
    """The file of a run whose points are means."""
    data, output = tmp_path / "data.jsonl", tmp_path / "out.msgpack"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    summary = pipeline.run(
        RunOptions(str(model), data, output, task, points="mean", side=side, batch_size=2)
    )
    assert summary is not None and summary.points == len(rows)
    assert any("special tokens left out" in note for note in summary.notes)
    return output


def test_of_two_texts_the_separator_between_them_is_left_out(
    bert_folder: Path, tmp_path: Path, kept: list[npt.NDArray[Any]]
) -> None:
    rows = [{"text": one, "second": two} for one, two in TEXTS]
    output = run(bert_folder, "classification", rows, tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(bert_folder)
    model = AutoModel.from_pretrained(bert_folder).eval()
    with collateral.open(output) as c:
        for row, texts in enumerate(TEXTS):
            encoded = tokenizer(*texts, return_tensors="pt", return_special_tokens_mask=True)
            own = encoded.pop("special_tokens_mask")[0] == 0
            assert own.sum() == len(own) - 3
            with torch.no_grad():
                states = model(**encoded, output_hidden_states=True).hidden_states
            expected = torch.stack([one[0, own].mean(0) for one in states]).numpy()
            np.testing.assert_allclose(kept[row][:, 0], expected, atol=1e-5)
            assert c.point_tokens[row].tolist() == [1, len(own) - 1]
            assert c.points["word"][row] == ""


@pytest.mark.parametrize("side", ["source", "target"])
def test_of_an_encoder_decoder(side: str, tmp_path: Path, kept: list[npt.NDArray[Any]]) -> None:
    folder = tiny.save_tiny(tmp_path / "t5", "t5", head="seq2seq")
    rows = [{"source": one, "target": two} for one, two in TEXTS]
    run(folder, "seq2seq", rows, tmp_path, side)
    tokenizer, model = tiny.tokenizer_of("t5"), AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    for row, (source, target) in enumerate(TEXTS):
        ids = torch.tensor([tokenizer(source).input_ids])
        written = torch.tensor(
            [[model.config.decoder_start_token_id, *tokenizer(target).input_ids]]
        )
        with torch.no_grad():
            said = model(input_ids=ids, decoder_input_ids=written, output_hidden_states=True)
        states = said.encoder_hidden_states if side == "source" else said.decoder_hidden_states
        start = 0 if side == "source" else 1  # the decoder's first token is its start
        expected = torch.stack([one[0, start:-1].mean(0) for one in states]).numpy()
        np.testing.assert_allclose(kept[row][:, 0], expected, atol=1e-5)


def test_a_span_of_special_tokens_alone_keeps_them() -> None:
    states = torch.arange(12.0).view(1, 6, 2)
    index = SpanIndex.of([(0, 1), (0, 3), (4, 6)])
    special = torch.tensor([1, 0, 0, 1, 1, 1], dtype=torch.bool)
    found = index.without(special[index.positions]).mean(states, torch.zeros(3, dtype=torch.int64))
    assert found.tolist() == [[0, 1], [3, 4], [9, 10]]
