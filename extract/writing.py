"""What a run puts into its file: the description of itself, and rows in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import collateral
from collateral import Meta, Writer
from collateral.schema import Setting

from . import projection, quality
from .errors import BadLine
from .forward import Outcome
from .metrics import EXAMPLE_METRICS, PAIR_METRICS
from .models import LoadedModel
from .options import RunOptions
from .span_head import SpanHead
from .tasks.base import Placed, Task

_BAD_NAMED = 3


@dataclass(frozen=True)
class Prepared:
    """All that is known before the first forward pass.

    Attributes:
        task: the task.
        placed: the examples, with their spans as tokens.
        loaded: the model.
        head: of predictions, None without one.
        max_length: tokens that texts were cut at.
        lines: lines of the data that are not blank.
        bad: lines that were left out.
        notes: what the task has to say of the data.
    """

    task: Task[Any]
    placed: list[Placed[Any]]
    loaded: LoadedModel
    head: SpanHead | None
    max_length: int
    lines: int
    bad: list[BadLine]
    notes: tuple[str, ...]

    @property
    def points(self) -> int:
        """Number of points of all examples."""
        return sum(len(one.points) for one in self.placed)

    @property
    def pairs(self) -> int:
        """Number of pairs of all examples."""
        return sum(len(one.pairs) for one in self.placed)


def describe_run(ready: Prepared, options: RunOptions) -> Meta:
    """Everything about the run that is no table and no array."""
    return Meta(
        task=ready.task.name,
        model=ready.loaded.info,
        tokens=ready.loaded.tokens,
        attention=ready.loaded.kinds,
        settings=_settings(ready, options),
        notes=(*ready.notes, *_notes(ready, options)),
    )


def open_writer(ready: Prepared, meta: Meta, output: Path) -> Writer:
    """A writer with the columns, metrics and measures of the task."""
    tables = ready.task.tables(ready.placed)
    metrics = [EXAMPLE_METRICS[name].description for name in ready.task.example_metrics]
    metrics += [PAIR_METRICS[name].description for name in ready.task.pair_metrics]
    kind = ready.loaded.kinds[0].name
    return collateral.create(
        output,
        meta,
        examples=tables.examples,
        points=tables.points,
        pairs=tables.pairs,
        metrics=[dataclasses.replace(metric, attention=kind) for metric in metrics],
        measures=ready.task.measures,
    )


def write_window(
    writer: Writer,
    ready: Prepared,
    window: Sequence[Placed[Any]],
    outcomes: Sequence[Outcome],
    options: RunOptions,
) -> None:
    """Writes the rows, metrics, distances and attention of some examples, in order."""
    task = ready.task
    for one, outcome in zip(window, outcomes, strict=True):
        row = _write_rows(writer, ready, one, outcome)
        if outcome.maps is not None:
            writer.add_attention(row, outcome.maps, encoding=options.attention_dtype)
    examples = np.stack([outcome.example_metrics for outcome in outcomes], axis=1)
    for name, block in zip(task.example_metrics, examples, strict=True):
        writer.append_metric(name, block)
    pairs = np.concatenate([outcome.pair_metrics for outcome in outcomes], axis=1)
    for name, block in zip(task.pair_metrics, pairs, strict=True):
        writer.append_metric(name, block)
    distances = np.concatenate([outcome.distances for outcome in outcomes], axis=1)
    for measure, block in zip(task.measures, distances, strict=True):
        writer.append_distances(measure.name, block)


def _write_rows(writer: Writer, ready: Prepared, one: Placed[Any], outcome: Outcome) -> int:
    """Adds an example with its points and pairs; its row."""
    rows = ready.task.rows(one, outcome.logits)
    tokens = one.encoded.tokens(ready.loaded.tokenizer)
    row = writer.add_example(one.id, one.text, tokens, **rows.example)
    first = 0
    for number, ((start, stop), values) in enumerate(zip(one.points, rows.points, strict=True)):
        text = " ".join(tokens.texts[start:stop])
        point = writer.add_point(row, start, stop, text, **values)
        first = point if number == 0 else first
    for pair, values in zip(one.pairs, rows.pairs, strict=True):
        writer.add_pair(
            pair.id,
            row,
            span1_tokens=pair.span1,
            span2_tokens=pair.span2,
            span1_points=(first + pair.points1[0], first + pair.points1[1]),
            span2_points=(first + pair.points2[0], first + pair.points2[1]),
            **values,
        )
    return row


def _settings(ready: Prepared, options: RunOptions) -> dict[str, Setting]:
    points = ready.points
    kept = len(ready.placed) if options.attention is None else options.attention
    sampled = points > quality.SAMPLE_ABOVE
    return {
        "model": options.model,
        "data": options.data.name,
        "span_head": options.span_head.name if options.span_head else None,
        "limit": options.limit,
        "attention_maps": min(kept, len(ready.placed)),
        "attention_dtype": options.attention_dtype,
        "max_length": ready.max_length if ready.max_length < 1 << 30 else None,
        "batch_size": options.batch_size,
        "device": str(ready.loaded.device),
        "threads": torch.get_num_threads(),
        "seed": options.seed,
        "skip_bad": options.skip_bad,
        "projection": "t-SNE (openTSNE, Barnes-Hut)"
        if points >= projection.FEWEST
        else "PCA (too few points for t-SNE)",
        "projection_input": "hidden states scaled to unit length (cosine)",
        "projection_start": "principal components of the mean over layers, the same for all layers",
        "perplexity": projection.usable_perplexity(options.perplexity, points),
        "theta": projection.theta_for(points),
        "learning_rate": projection.learning_rate_for(points),
        "iterations": sum(projection.ITERATIONS),
        "neighbours": projection.neighbour_method(points),
        "quality_neighbours": quality.neighbours_for(points),
        "quality_sample": quality.SAMPLE if sampled else points,
    }


def _notes(ready: Prepared, options: RunOptions) -> list[str]:
    """What whoever looks at the numbers should know."""
    points, notes = ready.points, []
    if ready.bad:
        some = ", ".join(f"line {one.line} ({one.what})" for one in ready.bad[:_BAD_NAMED])
        more = ", ..." if len(ready.bad) > _BAD_NAMED else ""
        notes.append(f"{len(ready.bad)} of {ready.lines} lines were left out as bad: {some}{more}.")
    cut = sum(one.encoded.cut for one in ready.placed)
    if cut:
        notes.append(f"{cut} texts were cut at {ready.max_length} tokens, after their last span.")
    perplexity = projection.usable_perplexity(options.perplexity, points)
    if points < projection.FEWEST:
        notes.append(
            f"{points} points are too few for t-SNE; the map, the same for all layers, shows the "
            "principal components of the mean over layers."
        )
    elif perplexity < options.perplexity:
        notes.append(
            f"The perplexity was lowered from {options.perplexity:g} to {perplexity:.3g}, a third "
            f"of the {points - 1} neighbours that a point has."
        )
    if points > quality.SAMPLE_ABOVE:
        notes.append(
            f"The quality of the maps was measured on a sample of {quality.SAMPLE:,} of their "
            f"{points:,} points."
        )
    notes += ready.task.notes(ready.placed, ready.head is not None)
    return notes
