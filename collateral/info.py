"""What ``interpret-collateral info`` says of a file, for people and as JSON."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .plain import jsonable, printable, size
from .reader import Collateral
from .schema import Metric, to_map
from .table import Table

_WIDTH = 100
_INDENT = 13
_SHOWN_LABELS = 6


def as_map(c: Collateral) -> dict[str, Any]:
    """All of it, ready for JSON; undefined numbers are None."""
    tables = _tables_of(c)
    result = {
        "path": os.fspath(c.path),
        "bytes": os.path.getsize(c.path),
        **to_map(c.meta),
        "tables": {
            table.name: {
                "rows": len(table),
                "columns": {name: to_map(table.describe(name)) for name in table},
                "labels": {
                    name: list(table.labels(name))
                    for name, kind in table.columns.items()
                    if kind == "categorical"
                },
            }
            for table in tables
        },
        "metrics": [to_map(metric) for metric in c.metrics.values()],
        "measures": [to_map(measure) for measure in c.measures.values()],
        "summaries": [to_map(metric) for metric in c.summaries.values()],
        "mapped_layers": list(c.mapped_layers),
        "quality": dict(c.quality),
        "vectors": {
            "size": c.vectors.size,
            "points": len(c.vectors.points),
            "layers": list(c.vectors.layers),
            "quality": c.vectors.quality,
        },
        "attention_examples": {
            kind.name: len(c.attention_examples(kind.name)) for kind in c.meta.attention
        },
        "attention_kept": {
            kind.name: {
                "all" if kept is None else str(kept): count
                for kept, count in c._attention.kept_counts(kind.name)
            }
            for kind in c.meta.attention
        },
        "value_norm_examples": {
            kind.name: len(c.value_norm_examples(kind.name)) for kind in c.meta.attention
        },
    }
    found: dict[str, Any] = jsonable(result)
    return found


def as_text(c: Collateral) -> str:
    """A page for people; whatever the file says is shown as printable text."""
    lines = [printable(line) for line in _lines(c)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _lines(c: Collateral) -> Iterator[str]:
    meta, counts = c.meta, c.meta.counts
    version = ".".join(map(str, meta.format))
    yield f"{c.path}: collateral {version}, {size(os.path.getsize(c.path))}"
    yield f"written {meta.created} by {meta.generator}"
    yield ""
    yield from _model(c)
    yield from _entry("task", [meta.task])
    rows = [f"{counts[table.name]:,} {table.name}" for table in _tables_of(c)]
    if meta.item:
        rows[-1] += f" ({meta.item})"
    yield from _entry("data", rows)
    yield from _entry("tokens", list(_conventions(c)))
    for number, line in enumerate(_attention(c)):
        yield from _entry("" if number else "attention", [line])
    yield from _maps(c)
    yield from _vectors(c)
    settings = [f"{key} {'none' if v is None else v}" for key, v in meta.settings.items()]
    yield from _entry("settings", settings)
    for number, note in enumerate(meta.notes):
        yield from _entry("" if number else "notes", [note])
    for number, (name, value) in enumerate(
        (
            ("texts", meta.fingerprint),
            ("tokens", meta.token_fingerprint),
            ("points", meta.layout_fingerprint),
        )
    ):
        yield from _entry("" if number else "fingerprint", [f"{name:<8}{value}"], wrap=False)
    yield from _tables(c)
    yield from _measured(c)


def _model(c: Collateral) -> Iterator[str]:
    model = c.meta.model
    revision = f" at {model.revision}" if model.revision else ""
    shape = f"{model.layers} layers, {model.heads} heads, hidden size {model.hidden_size}"
    yield from _entry("model", [model.name + revision])
    yield from _entry("", [model.architecture, shape, model.dtype])
    versions = [f"{name} {version}" for name, version in model.versions.items()]
    yield from _entry("run with", [*versions, f"attention by {model.attention}"])


def _conventions(c: Collateral) -> Iterator[str]:
    info = c.meta.tokens
    if info.special:
        yield "special " + " ".join(info.special)
    for name, value in (("continued by", info.continuation), ("words start with", info.word_start)):
        if value:
            yield f"{name} {value}"


def _attention(c: Collateral) -> Iterator[str]:
    """A line for each kind of attention, and one for its value norms if there are any."""
    total = c.meta.counts["examples"]
    for kind in c.meta.attention:
        size = f"{kind.layers} layers x {kind.heads} heads"
        about = [*(["causal"] if kind.causal else []), size]
        if (kind.queries, kind.keys) != ("text", "text"):
            about.insert(0, f"from {kind.queries} to {kind.keys}")
        stored = len(c.attention_examples(kind.name))
        line = f"{kind.name} ({', '.join(about)}) of {stored:,} of {total:,} examples"
        kept = [(k, count) for k, count in c._attention.kept_counts(kind.name) if k is not None]
        parts = [
            f"top {k:,} of each row" + (f" for {count:,} of them" if count < stored else "")
            for k, count in kept
        ]
        yield ", ".join([line, *parts])
        normed = len(c.value_norm_examples(kind.name))
        if normed:
            yield f"{kind.name} value norms of {normed:,} of {total:,} examples"


def _maps(c: Collateral) -> Iterator[str]:
    if not c.mapped_layers:
        yield from _entry("maps", ["none"])
        return
    layers = c.mapped_layers
    yield from _entry("maps", [f"of hidden states {', '.join(map(str, layers))}"])
    yield from _numbers_by_layer(c.quality)


def _vectors(c: Collateral) -> Iterator[str]:
    vectors = c.vectors
    if not vectors.layers:
        return
    size = f"{vectors.size} of {c.meta.model.hidden_size} dimensions"
    total = c.meta.counts["points"]
    whose = f"of {len(vectors.points):,} of {total:,} points"
    layers = f"hidden states {', '.join(map(str, vectors.layers))}"
    yield from _entry("vectors", [size, whose, layers])
    yield from _numbers_by_layer(vectors.quality)


def _numbers_by_layer(named: Mapping[str, npt.NDArray[np.float32]]) -> Iterator[str]:
    for name, values in named.items():
        shown = " ".join("  -  " if v != v else f"{v:5.3f}" for v in values)
        yield from _entry("", [f"{name:<20} {shown}"], wrap=False)


def _tables(c: Collateral) -> Iterator[str]:
    for table in _tables_of(c):
        yield ""
        rows = [
            (name, kind, table.describe(name).role, _labels(table, name))
            for name, kind in table.columns.items()
        ]
        yield from _columns(table.name, ("column", "kind", "role", ""), rows)


def _tables_of(c: Collateral) -> list[Table]:
    """The tables that the file has."""
    return [t for t in (c.examples, c.points, c.pairs, c.items) if t.columns]


def _labels(table: Table, name: str) -> str:
    if table.columns[name] != "categorical":
        return table.describe(name).meaning
    labels = table.labels(name)
    shown = ", ".join(labels[:_SHOWN_LABELS])
    more = len(labels) - _SHOWN_LABELS
    return f"{shown} and {more:,} more" if more > 0 else shown


def _measured(c: Collateral) -> Iterator[str]:
    if c.metrics:
        yield ""
        rows = [(m.name, m.unit, _range(m), m.title) for m in c.metrics.values()]
        yield from _columns("metrics", ("name", "of each", "range", ""), rows)
    if c.summaries:
        yield ""
        summaries = [(m.name, _range(m), m.title) for m in c.summaries.values()]
        yield from _columns("summaries of the whole data set", ("name", "range", ""), summaries)
    if c.measures:
        yield ""
        measures = [(m.name, m.unit_text, m.title) for m in c.measures.values()]
        yield from _columns("distances", ("name", "unit", ""), measures)


def _range(metric: Metric) -> str:
    if metric.low is None and metric.high is None:
        return ""
    low = "" if metric.low is None else f"{metric.low:g}"
    high = "" if metric.high is None else f"{metric.high:g}"
    return f"{low} to {high}" if high else f"from {low}"


def _entry(name: str, parts: Sequence[str], wrap: bool = True) -> Iterator[str]:
    """A line "name   part, part"; none without parts."""
    if not parts:
        return
    text = ", ".join(parts)
    lines = textwrap.wrap(text, _WIDTH - _INDENT, break_on_hyphens=False) if wrap else [text]
    for number, line in enumerate(lines or [""]):
        yield f"{'' if number else name:<{_INDENT}}{line}"


def _columns(name: str, titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A name, and below it rows in aligned columns under their titles, cut to the page."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    yield name
    for row in [titles, *rows]:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        line = f"  {'  '.join(cells)}".rstrip()
        yield line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
