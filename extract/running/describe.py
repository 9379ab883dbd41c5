"""What a file says of the run that made it: settings, and notes for whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from collateral import Meta
from collateral.schema import Setting

from ..options import DEFAULT_TOP, RunOptions
from ..saying import agree, listed, many
from .prepare import Prepared

_BAD_NAMED = 3


def describe_run(
    ready: Prepared,
    options: RunOptions,
    settings: dict[str, Setting],
    notes: Sequence[str],
) -> Meta:
    """Everything about a run that is no table and no array.

    Args:
        ready: model and data.
        options: what was asked.
        settings: further ones, of the maps.
        notes: further ones, of what happened on the way.
    """
    return Meta(
        task=ready.task.name,
        model=ready.loaded.info,
        tokens=ready.loaded.tokens,
        attention=ready.loaded.kinds,
        item=ready.task.item,
        settings={**_settings(ready, options), **settings},
        notes=(*ready.notes, *_notes(ready), *notes),
    )


def _settings(ready: Prepared, options: RunOptions) -> dict[str, Setting]:
    kept = len(ready.groups) if options.attention is None else options.attention
    settings: dict[str, Setting] = {
        "model": options.model,
        "data": Path(options.data).name,
        "limit": options.limit,
        "attention_maps": min(kept, len(ready.groups)),
        "attention_dtype": options.attention_dtype,
        "attention_top": options.top,
        "max_length": ready.limit,
        "batch_size": options.batch_size,
        "device": str(ready.loaded.device),
        "threads": torch.get_num_threads(),
        "seed": options.seed,
        "skip_bad": options.skip_bad,
    }
    asked: dict[str, Setting] = {
        "format": options.format if options.format != "auto" else "",
        "split": options.split,
        "map": ", ".join(f"{a}={b}" for a, b in options.mapping.items()),
        "span_head": options.span_head.name if options.span_head else "",
        "points": options.points,
        "generate": options.generate,
        "side": ready.loaded.side if len(ready.loaded.sides) > 1 else "",
        "plugins": ", ".join(path.name for path in options.plugins),
    }
    return settings | {name: value for name, value in asked.items() if value}


def _notes(ready: Prepared) -> list[str]:
    notes = []
    if ready.bad:
        some = listed([f"line {one.line} ({one.what})" for one in ready.bad], _BAD_NAMED)
        count = len(ready.bad)
        notes.append(
            f"{count:,} of {many(ready.lines, 'record')} {agree(count, 'were')} left out as bad: "
            f"{some}."
        )
    if ready.cut:
        cut = f"{many(ready.cut, 'text')} {agree(ready.cut, 'were')} cut"
        notes.append(f"{cut} at {ready.max_length:,} tokens.")
    notes += ready.task.notes(ready.groups, ready.loaded)
    return notes


def sparse_notes(options: RunOptions, texts: int) -> list[str]:
    """What was kept of the attention of so many texts, where it is not all of it."""
    if not texts:
        return []
    top = DEFAULT_TOP if options.top is None else options.top
    return [
        f"Of the attention of {many(texts, 'text')} the {top} largest weights of each row were "
        "kept, and the sum of the others; head metrics come from all weights."
    ]
