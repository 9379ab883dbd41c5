"""The recipe's training on a tiny model: it learns, it saves, and what it saves says the same."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from demo.finetune import Settings, finetune, main, probe, rate
from demo.span_model import (
    Example,
    SpanPairModel,
    batches,
    collate,
    prepare,
    span_means,
)
from extract.data.pairs import read_pairs

NAMES = ("anna", "bert", "carla", "dora", "emil", "fritz")
WORDS = (*NAMES, "saw", "and", "then", "he", "##ra", "left", "smiled", "far", ".")


def row(number: int, true: str, false: str, label_first: bool) -> list[dict[str, object]]:
    """Two pairs: the name that left is the one the pronoun means."""
    first, second = (true, false) if label_first else (false, true)
    text = f"{first} {'left' if label_first else 'saw'} {second} and then he smiled"
    pronoun = {"text": "he", "start": text.index(" he ") + 1, "end": text.index(" he ") + 3}
    return [
        {
            "id": f"t-{number}-{letter}",
            "schema_id": f"t-{number}",
            "text": text,
            "span1": {"text": name, "start": text.index(name), "end": text.index(name) + len(name)},
            "span2": pronoun,
            "label": name == true,
        }
        for letter, name in (("A", first), ("B", second))
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 32 texts with two pairs each."""
    chance = random.Random(3)
    path = tmp_path_factory.mktemp("data") / "toy.jsonl"
    rows = []
    for number in range(32):
        true, false = chance.sample(NAMES, 2)
        rows += row(number, true, false, number % 2 == 0)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved BERT of two layers of 16, with a tokenizer of a few words."""
    folder = tmp_path_factory.mktemp("tiny")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tiny: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One training of the tiny model; its report, with the folder added."""
    output = tmp_path_factory.mktemp("out") / "model"
    settings = Settings(epochs=30, lr=3e-3, head_lr=1e-2, batch=8, max_tokens=32)
    return {"folder": output, **finetune(tiny, [data], data, output, settings)}


def test_it_learns_what_is_there_to_learn(trained: dict[str, Any]) -> None:
    losses = [epoch["train_loss"] for epoch in trained["epochs"]]
    assert losses[-1] < 0.5 * losses[0]
    assert trained["epochs"][-1]["validation"]["accuracy"] >= 0.9
    assert trained["epochs"][-1]["validation"]["majority"] == 0.5


def test_what_is_saved_scores_as_reported(trained: dict[str, Any], data: Path) -> None:
    """The saved weights, read again with the head's formula written out, give the same answers."""
    folder = trained["folder"]
    weights = load_file(folder / "coref_head.safetensors")
    assert weights["weight"].shape == (1, 64)
    assert weights["bias"].shape == (1,)
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float16)}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    right = []
    for group in read_pairs(data).groups:
        found = tokenizer(group.text, return_tensors="pt", return_offsets_mapping=True)
        offsets = found.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            hidden = encoder(**found).last_hidden_state[0].numpy()
        for record in group.records:
            u, v = (
                np.mean(
                    [h for h, (a, b) in zip(hidden, offsets, strict=True) if s <= a < b <= e], 0
                )
                for s, e in (
                    (record.span1.start, record.span1.end),
                    (record.span2.start, record.span2.end),
                )
            )
            features = np.concatenate([u, v, u * v, np.abs(u - v)])
            logit = features @ weights["weight"][0].astype(float) + float(weights["bias"][0])
            right.append((logit > 0) == record.label)
    assert np.mean(right) == pytest.approx(trained["final"]["accuracy"])
    report = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert report["final"] == trained["final"]
    assert report["settings"]["seed"] == 1


def test_a_frozen_encoder_stays_as_it_is_and_only_the_head_is_saved(
    tiny: Path, data: Path, tmp_path: Path
) -> None:
    settings = Settings(epochs=100, head_lr=1e-2, batch=8, max_tokens=32, frozen=True)
    report = finetune(tiny, [data], data, tmp_path / "head", settings)
    assert {path.name for path in (tmp_path / "head").iterdir()} == {
        "coref_head.safetensors",
        "training.json",
    }
    (row,) = report["epochs"]
    assert row["train_loss"] < 0.67, "a coin's is 0.693; random weights let little be read off"
    before = AutoModel.from_pretrained(tiny).state_dict()
    model = SpanPairModel(AutoModel.from_pretrained(tiny))
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    examples, _ = prepare(read_pairs(data).groups, tokenizer, 32)
    start = model.head.weight.detach().clone()
    probe(model, examples, examples, 0, settings)
    assert not torch.equal(model.head.weight, start)
    assert all(
        torch.equal(value, before[name]) for name, value in model.encoder.state_dict().items()
    )


def test_the_same_seed_gives_the_same_weights(tiny: Path, data: Path, tmp_path: Path) -> None:
    settings = Settings(epochs=1, batch=8, max_tokens=32)
    for name in ("one", "two"):
        finetune(tiny, [data], data, tmp_path / name, settings, limit=10)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_span_means_are_means_over_the_tokens_inside() -> None:
    hidden = torch.arange(24, dtype=torch.float32).reshape(2, 4, 3) ** 2
    spans = torch.tensor([[1, 3], [0, 4], [2, 3]])
    found = span_means(hidden, torch.tensor([0, 1, 1]), spans)
    expected = torch.stack([hidden[0, 1:3].mean(0), hidden[1].mean(0), hidden[1, 2]])
    torch.testing.assert_close(found, expected)


def test_padding_does_not_change_a_logit(tiny: Path) -> None:
    torch.manual_seed(4)
    model = SpanPairModel(AutoModel.from_pretrained(tiny)).eval()
    short = Example((2, 5, 7, 3), (((1, 2), (2, 3)),), (True,))
    long = Example((2, 5, 7, 8, 9, 10, 11, 3), (((1, 3), (5, 6)), ((2, 4), (5, 6))), (True, False))
    with torch.inference_mode():
        alone = model(collate([short], 0))
        together = model(collate([short, long], 0))
    assert together.shape == (3,)
    torch.testing.assert_close(together[:1], alone)


def test_pairs_cut_off_are_lost_and_counted(tiny: Path, data: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    groups = read_pairs(data).groups
    whole, lost = prepare(groups, tokenizer, 32)
    assert (len(whole), lost) == (32, 0)
    assert sum(len(example.spans) for example in whole) == 64
    # [CLS] first verb second and | then he smiled [SEP]: the pronoun is gone, so every pair is.
    nothing, lost = prepare(groups, tokenizer, 6)
    assert (nothing, lost) == ([], 64)


def test_shuffled_batches_hold_every_text_once() -> None:
    examples = [Example(tuple(range(n % 7 + 2)), (((0, 1), (1, 2)),), (True,)) for n in range(103)]
    found = list(batches(examples, 4, 0, random.Random(1)))
    lengths = sorted(int(n) for batch in found for n in batch.mask.sum(1))
    assert lengths == sorted(len(example.ids) for example in examples)
    assert max(len(batch.ids) for batch in found) == 4


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(step, 100, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_a_folder_with_something_in_it_is_refused(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    common = ["--train", str(data), "--validate", str(data)]
    assert main([*common, "--output", str(tmp_path)]) == 1
    assert "is not empty" in capsys.readouterr().err
    missing = ["--train", str(tmp_path / "no.jsonl"), "--validate", str(data)]
    assert main([*missing, "--output", str(tmp_path / "new")]) == 1
    assert "no.jsonl" in capsys.readouterr().err
