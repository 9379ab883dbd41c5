"""Whole runs with a tiny model: what stands in the file, against values computed apart from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForTokenClassification,
    BertModel,
    PreTrainedTokenizerFast,
)

import collateral
from collateral import layout
from extract import pipeline
from extract.data import batching
from extract.errors import BadLine, ExtractError, OutOfMemory, UsageError
from extract.maps import making as maps
from extract.options import RunOptions
from extract.running import forward, windows

from .conftest import HEADS, LAYERS, LINES, line, make_bert
from .test_attention_metrics import Matrix, by_hand

Write = Callable[..., Path]


@pytest.fixture
def options(bert_folder: Path, wsc_file: Path, head_file: Path, tmp_path: Path) -> RunOptions:
    """A run over the three sentences with a span head, all attention kept."""
    return RunOptions(
        model=str(bert_folder),
        data=wsc_file,
        output=tmp_path / "out.msgpack",
        span_head=head_file,
        attention=None,
        batch_size=2,
    )


def run(options: RunOptions) -> pipeline.Summary:
    """A run of one process."""
    summary = pipeline.run(options)
    assert summary is not None
    return summary


def test_a_file_has_what_the_sentences_have(options: RunOptions) -> None:
    summary = run(options)
    assert (summary.texts, summary.pairs, summary.maps) == (3, 6, 3)
    assert len(summary.score) == 1 and "of 6 pairs (majority 50.0%)" in summary.score[0]
    assert summary.size == options.output.stat().st_size
    with collateral.open(options.output) as c:
        assert c.examples["id"] == ["a", "b", "c"] and len(c.points) == summary.points
        assert c.pairs["id"] == [one["id"] for one in LINES]
        assert c.pairs["gold"][:2] == ["coreferent", "not coreferent"]
        assert c.pairs["span2"][:4] == ["it", "it", "they", "they"]
        assert c.examples["source"] == ["x", "y", "y"]
        right = np.array(c.pairs["prediction"]) == np.array(c.pairs["gold"])
        assert c.pairs["correct"] == right.tolist()
        assert f"accuracy {right.mean():.1%} " in summary.score[0]
        assert (c.meta.model.layers, c.meta.model.heads) == (LAYERS, HEADS)
        assert c.meta.model.name == Path(options.model).name
        assert c.meta.task == "coref" and c.meta.settings["seed"] == 0
        assert any("perplexity was lowered" in note for note in c.meta.notes)
        for row, text in enumerate(c.examples["text"]):
            tokens = c.tokens(row)
            for point in np.flatnonzero(c.point_examples == row):
                start, stop = c.point_tokens[point]
                a, b = tokens.offsets[start][0], tokens.offsets[stop - 1][1]
                piece = c.points["text"][point].removeprefix("##")
                assert piece in ("[UNK]", text[a:b].lower())
        for pair in range(len(c.pairs)):
            for side in (0, 1):
                points = range(*c.pair_points[pair, side])
                tokens_of = [c.point_tokens[point, 0] for point in points]
                assert tokens_of == list(range(*c.pair_tokens[pair, side]))
        for layer in range(LAYERS + 1):
            assert c.coordinates(layer).shape == (summary.points, 2)
            assert np.isfinite(c.coordinates(layer)).all()
        assert {"trustworthiness@15", "recall@15"} == set(c.quality)


def reference(model: Any, tokenizer: Any, text: str) -> tuple[Matrix, Matrix, list[list[int]]]:
    """Eager attention [L, H, n, n] and hidden states [L + 1, n, D] of one text, float64."""
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        found = model(**encoded, output_attentions=True, output_hidden_states=True)
    maps = torch.cat(found.attentions).double().numpy()
    return maps, torch.cat(found.hidden_states).double().numpy(), offsets


def check_against_reference(
    path: Path, model: Any, tokenizer: Any, lines: list[dict[str, Any]]
) -> None:
    """Every metric and distance of a file against float64 loops over eager attention."""
    with collateral.open(path) as c:
        metrics = {name: c.head_metric(name) for name in c.metrics}
        cosine, euclid = c.distances("cosine"), c.distances("euclid")
        for pair, one in enumerate(lines):
            row = c.pair_examples[pair]
            maps, states, offsets = reference(model, tokenizer, one["text"])
            layers, heads = maps.shape[:2]
            ids = tokenizer(one["text"])["input_ids"]
            np.testing.assert_allclose(c.attention(row), maps, atol=1e-3)
            spans: list[list[int]] = []
            for name in ("span1", "span2"):
                start, end = one[name]["start"], one[name]["end"]
                at = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
                assert at == list(range(*c.pair_tokens[pair, len(spans)]))
                spans.append(at)
            for layer in range(layers):
                for head in range(heads):
                    a = maps[layer, head]
                    values = by_hand(a, [len(a) - 1], ids=ids)
                    for way, (x, y) in {
                        "candidate_pronoun": spans,
                        "pronoun_candidate": spans[::-1],
                    }.items():
                        block = a[np.ix_(x, y)]
                        mass = float(block.sum(1).mean())
                        values[f"intensity_{way}_max"] = float(block.max())
                        values[f"intensity_{way}_mass"] = mass
                        values[f"intensity_{way}_excess"] = mass - len(y) / len(a)
                    assert set(values) == set(metrics)
                    for name, value in values.items():
                        unit = row if c.metrics[name].unit == "example" else pair
                        got = metrics[name][unit, layer, head]
                        close = pytest.approx(value, abs=1e-5, nan_ok=True)
                        assert got == close, (name, pair, layer, head)
            for layer in range(layers + 1):
                u, v = (states[layer, at].mean(0) for at in spans)
                angle = 1 - u @ v / (np.linalg.norm(u) * np.linalg.norm(v))
                assert cosine[pair, layer] == pytest.approx(angle, abs=1e-5)
                assert euclid[pair, layer] == pytest.approx(np.linalg.norm(u - v), rel=1e-5)


def test_every_number_against_float64(
    options: RunOptions, tokenizer: PreTrainedTokenizerFast
) -> None:
    run(options)
    check_against_reference(options.output, make_bert(), tokenizer, LINES)


@pytest.mark.model
@pytest.mark.slow
def test_every_number_of_a_real_model_against_float64(
    base_model: Path, wsc_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "real.msgpack"
    run(RunOptions(str(base_model), wsc_file, output, attention=None))
    model = AutoModel.from_pretrained(base_model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    check_against_reference(output, model, tokenizer, LINES)


def test_predictions_are_the_heads(
    options: RunOptions, tokenizer: PreTrainedTokenizerFast, head_file: Path
) -> None:
    run(options)
    head = load_file(head_file)
    weight, bias = head["weight"].double().numpy()[0], float(head["bias"][0])
    with collateral.open(options.output) as c:
        for pair, one in enumerate(LINES):
            _, states, _ = reference(make_bert(), tokenizer, one["text"])
            (a, b), (x, y) = c.pair_tokens[pair]
            u, v = states[-1, a:b].mean(0), states[-1, x:y].mean(0)
            logit = weight @ np.concatenate([u, v, u * v, abs(u - v)]) + bias
            probability = c.pairs["probability"][pair]
            assert probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)
            assert c.pairs["prediction"][pair] == ("coreferent" if logit > 0 else "not coreferent")


def test_neither_batches_nor_windows_change_anything(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(options)
    other = dataclasses.replace(options, output=options.output.with_name("b.msgpack"), batch_size=1)
    monkeypatch.setattr(windows, "WINDOW", 2)
    run(other)
    with collateral.open(options.output) as a, collateral.open(other.output) as b:
        assert a.meta.fingerprint == b.meta.fingerprint
        assert a.meta.token_fingerprint == b.meta.token_fingerprint
        for name in a.metrics:
            np.testing.assert_allclose(a.head_metric(name), b.head_metric(name), atol=1e-5)
        for name in a.measures:
            np.testing.assert_allclose(a.distances(name), b.distances(name), atol=1e-4)
        for row in range(3):
            np.testing.assert_allclose(a.attention(row), b.attention(row), atol=1e-3)
        assert a.pairs["prediction"] == b.pairs["prediction"]


def test_batches_are_of_like_lengths_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [5, 900, 6, 7, 800, 5, 40]
    found = list(batching.batches(lengths, 3, lambda _: 0))
    assert sorted(i for batch in found for i in batch) == list(range(7))
    order = [lengths[i] for batch in found for i in batch]
    assert order == sorted(lengths) and max(map(len, found)) == 3
    monkeypatch.setattr(batching, "MOST_TOKENS", 1000)
    assert [len(b) for b in batching.batches(lengths, 10, lambda _: 0)] == [5, 1, 1]
    monkeypatch.setattr(batching, "MAP_BYTES", 10)
    assert all(len(b) == 2 for b in list(batching.batches([1] * 6, 10, lambda _: 5)))
    assert [len(b) for b in batching.batches([1] * 3, 10, lambda _: 50)] == [1, 1, 1]


def test_memory_that_is_too_small_for_a_batch_halves_it(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = forward.Runner.run, []

    def small(self: forward.Runner, batch: Any, keep: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise OutOfMemory
        return real(self, batch, keep)

    run(options)
    other = dataclasses.replace(options, output=options.output.with_name("b.msgpack"))
    monkeypatch.setattr(forward.Runner, "run", small)
    summary = run(other)
    assert sizes == [2, 1, 1, 1]
    assert any("batches held 1" in note for note in summary.notes)
    with collateral.open(options.output) as a, collateral.open(other.output) as b:
        np.testing.assert_allclose(a.head_metric("std"), b.head_metric("std"), atol=1e-6)
        assert a.examples["id"] == b.examples["id"]


def test_memory_that_is_too_small_for_one_text(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise OutOfMemory

    monkeypatch.setattr(forward.Runner, "run", never)
    with pytest.raises(ExtractError, match=r"too small for 1 text of up to .* --max-length"):
        run(options)
    assert list(options.output.parent.glob(".*")) == []


@pytest.mark.parametrize(("attention", "kept"), [(0, []), (2, [0, 1]), (None, [0, 1, 2])])
def test_attention_of_some_examples(
    options: RunOptions, attention: int | None, kept: list[int]
) -> None:
    changed = dataclasses.replace(options, attention=attention, attention_dtype="uint8")
    assert run(changed).maps == len(kept)
    with collateral.open(options.output) as c:
        assert [row for row in range(3) if c.has_attention(row)] == kept
        for row in kept:
            sums = c.attention(row).sum(-1)
            assert sums == pytest.approx(np.ones_like(sums), abs=0.05)


def test_limit_takes_the_first_texts(options: RunOptions) -> None:
    assert run(dataclasses.replace(options, limit=2)).texts == 2
    with collateral.open(options.output) as c:
        assert c.examples["id"] == ["a", "b"]


def test_one_pair_of_one_text_is_enough(options: RunOptions, write_lines: Write) -> None:
    path = write_lines(line("He saw it.", "He", "it", id="1"), name="one.jsonl")
    summary = run(dataclasses.replace(options, data=path, span_head=None))
    assert summary.points == 2 and not summary.score
    with collateral.open(options.output) as c:
        assert c.coordinates(LAYERS).shape == (2, 2) and not c.quality
        assert c.pairs["prediction"] == [None] and c.pairs["gold"] == [None]
        assert any("too few for t-SNE" in note for note in c.meta.notes)
        assert any("Predictions are unknown" in note for note in c.meta.notes)


def test_equal_embeddings_do_not_break_the_map(options: RunOptions, write_lines: Write) -> None:
    rows = [line("He saw it.", "He", "it", id=i, schema_id=i) for i in range(20)]
    path = write_lines(*rows, name="same.jsonl")
    run(dataclasses.replace(options, data=path))
    with collateral.open(options.output) as c:
        assert all(np.isfinite(c.coordinates(layer)).all() for layer in range(LAYERS + 1))
        assert np.isfinite(c.quality["trustworthiness@15"]).all()


def test_bad_lines_are_left_out_and_counted(options: RunOptions, write_lines: Write) -> None:
    path = write_lines(LINES[0], "{", *LINES[1:], name="bad.jsonl")
    with pytest.raises(BadLine, match="line 2"):
        run(dataclasses.replace(options, data=path))
    assert not options.output.exists()
    summary = run(dataclasses.replace(options, data=path, skip_bad=True))
    assert [one.line for one in summary.bad] == [2] and summary.pairs == 6
    with collateral.open(options.output) as c:
        assert any("1 of 7 records was left out" in note for note in c.meta.notes)


def test_a_span_beyond_max_length_is_a_bad_line(options: RunOptions) -> None:
    short = dataclasses.replace(options, max_length=30)
    with pytest.raises(BadLine, match="cut off at 30 tokens, see --max-length") as caught:
        run(short)
    assert caught.value.line == 3  # the first text is short enough
    with pytest.raises(ExtractError, match="all of its records are bad \\(6 of 6\\)"):
        run(dataclasses.replace(options, max_length=5, skip_bad=True))


def test_texts_cut_after_their_spans_are_noted(options: RunOptions, write_lines: Write) -> None:
    path = write_lines(line("He saw it. " + "and " * 80, "He", "it", id="1"), LINES[0])
    run(dataclasses.replace(options, data=path))
    with collateral.open(options.output) as c:
        assert any("1 text was cut at 64 tokens" in note for note in c.meta.notes)
        assert len(c.tokens(0)) == 64


def test_half_precision_runs_and_is_stated(options: RunOptions) -> None:
    run(dataclasses.replace(options, dtype="bfloat16"))
    with collateral.open(options.output) as c:
        assert c.meta.model.dtype == "bfloat16"
        assert np.isfinite(c.head_metric("std")).all()


def test_numbers_that_are_no_attention_are_refused(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(forward._ROW_TOLERANCE, torch.float32, -1.0)
    with pytest.raises(ExtractError, match="do not sum to one"):
        run(options)
    assert list(options.output.parent.glob(".*")) == [] and not options.output.exists()


def test_a_model_that_overflows_is_refused(options: RunOptions, tmp_path: Path) -> None:
    model: Any = make_bert()
    with torch.no_grad():
        model.encoder.layer[-1].output.LayerNorm.weight.fill_(torch.inf)
    folder = tmp_path / "inf"
    model.save_pretrained(folder)
    for file in Path(options.model).glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ExtractError, match="not finite"):
        run(dataclasses.replace(options, model=str(folder)))


def test_more_tokens_than_the_model_takes(options: RunOptions) -> None:
    with pytest.raises(UsageError, match="65 is more than the 64 tokens"):
        run(dataclasses.replace(options, max_length=65))


def test_a_failure_leaves_an_older_file_as_it_was(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    options.output.write_bytes(layout.HEAD_START + b"older")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(maps, "project", stop)
    with pytest.raises(KeyboardInterrupt):
        run(options)
    assert options.output.read_bytes() == layout.HEAD_START + b"older"
    assert not [p for p in options.output.parent.iterdir() if "partial" in p.name]
    monkeypatch.undo()
    run(dataclasses.replace(options, resume=True))
    with collateral.open(options.output) as c:
        assert c.examples["id"] == ["a", "b", "c"]


def test_a_file_that_is_not_ours_is_not_replaced(options: RunOptions) -> None:
    options.output.write_text("my notes")
    with pytest.raises(ExtractError, match="exists and is no collateral file"):
        pipeline.run(options)
    assert options.output.read_text() == "my notes"


def test_the_encoder_of_a_task_model_is_what_runs(
    options: RunOptions, tmp_path: Path, bert: BertModel
) -> None:
    whole = BertForTokenClassification(bert.config)
    whole.bert.load_state_dict(bert.state_dict(), strict=False)
    folder = tmp_path / "tagger"
    whole.save_pretrained(folder)
    for file in Path(options.model).glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    other = dataclasses.replace(
        options, model=str(folder), output=tmp_path / "t.msgpack", name="tagger"
    )
    run(options)
    run(other)
    with collateral.open(options.output) as a, collateral.open(other.output) as b:
        assert b.meta.model.name == "tagger" and b.meta.model.architecture == "BertModel"
        np.testing.assert_allclose(a.head_metric("std"), b.head_metric("std"), atol=1e-6)
