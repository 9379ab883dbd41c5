"""From examples to a file: attention is looked through once, for metrics, and once to be kept."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

import collateral
from collateral import Writer
from collateral.schema import AttentionKind, Metric

from ..errors import ExtractError
from ..progress import Reporter, stage
from ..saying import many
from .common import (
    SUM_TOLERANCE,
    AttentionSource,
    Clock,
    Example,
    Imported,
    Maps,
    Problems,
    Summary,
    Unusable,
)
from .metrics import HeadMetrics
from .options import ImportOptions

Floats = npt.NDArray[np.float32]
MOST_ABOVE_ONE = 1e-4
"""What rounding may add to a weight."""


@dataclass
class Survey:
    """What is known of the attention once all of it was looked at.

    Attributes:
        usable: example row to the kinds it has.
        metrics: description and [units, layers, heads].
        notes: for the file.
    """

    usable: dict[int, tuple[str, ...]] = field(default_factory=dict)
    metrics: list[tuple[Metric, Floats]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Sums:
    """Rows that do not sum to one, and how many examples look ahead.

    Attributes:
        seen, ahead: maps of several tokens that need not be causal, and those of them that are not.
    """

    examples: int = 0
    seen: int = 0
    ahead: int = 0
    worst: float = 0.0
    where: str = ""


def finish(
    imported: Imported,
    source: AttentionSource,
    options: ImportOptions,
    problems: Problems,
    reporter: Reporter,
    clock: Clock,
) -> Summary:
    """Looks through the attention and writes the file.

    Raises:
        ExtractError: something cannot be used, and such things are not to be left out.
        CollateralError: the file cannot be written.
    """
    with clock.of("attention"):
        found = survey(imported, source, problems, reporter)
    notes = (*imported.notes, *found.notes, *problems.note())
    imported.meta = dataclasses.replace(imported.meta, notes=notes)
    with clock.of("writing"):
        try:
            counts = write(imported, source, found, options, reporter)
        except ValueError as error:
            raise ExtractError(f"The file cannot be written: {error}.") from error
    size = options.output.stat().st_size
    return Summary(options.output, counts, notes, len(problems), size, clock.seconds)


def survey(
    imported: Imported, source: AttentionSource, problems: Problems, reporter: Reporter
) -> Survey:
    """Checks all attention and computes the head metrics.

    Attention that cannot be used is a problem; its example stays, with metrics undefined.

    Raises:
        ExtractError: some cannot be used, and such things are not to be left out.
    """
    found = Survey()
    sums = _Sums()
    several = len(imported.kinds) > 1
    pairs = sum(len(one.pairs) for one in imported.examples)
    tools = {
        kind.name: HeadMetrics(kind, several=several, pairs=pairs > 0) for kind in imported.kinds
    }
    tables = _tables(imported, tools, pairs)
    first_pair = 0
    with stage(reporter, "Attention", len(imported.examples)) as advance:
        for row, example in enumerate(imported.examples):
            if source.has(row):
                try:
                    maps = source.maps(row)
                    for kind in imported.kinds:
                        if kind.name in maps:
                            _check(example, kind, maps[kind.name], sums)
                except Unusable as error:
                    problems.add(error.where, error.what)
                else:
                    found.usable[row] = tuple(maps)
                    _measure(imported, example, maps, tools, tables, row, first_pair)
            first_pair += len(example.pairs)
            advance(1)
    if found.usable:
        for name, tool in tools.items():
            found.metrics += zip(tool.descriptions, tables[name], strict=True)
    found.notes += _sum_notes(sums)
    return found


def _sum_notes(sums: _Sums) -> list[str]:
    notes = []
    if sums.seen and not sums.ahead:
        notes.append(
            "No token attends to what is after it: if the model is a decoder, import it with "
            "--causal, so that head metrics count what a token can see."
        )
    if sums.examples:
        notes.append(
            f"Rows of attention do not sum to one in {many(sums.examples, 'example')} (off by up "
            f"to {sums.worst:.2g}, {sums.where}); they are kept as they are, but head metrics "
            "assume that rows sum to one."
        )
    return notes


def write(
    imported: Imported,
    source: AttentionSource,
    found: Survey,
    options: ImportOptions,
    reporter: Reporter,
) -> dict[str, int]:
    """Writes the file.

    Returns:
        Numbers of rows, by name.

    Raises:
        CollateralError: the file cannot be written.
        ExtractError: attention changed since it was looked at.
    """
    columns = imported.columns
    metrics = [*found.metrics, *imported.extra]
    keep = list(found.usable)[: options.attention]
    with ExitStack() as stack:
        writer = stack.enter_context(
            collateral.create(
                options.output,
                imported.meta,
                examples=columns.examples,
                points=columns.points,
                pairs=columns.pairs,
                items=columns.items,
                metrics=[metric for metric, _ in metrics],
                measures=[measure for measure, _ in imported.distances],
            )
        )
        with stage(reporter, "Writing", len(imported.examples)) as advance:
            kept = frozenset(keep)
            for row, example in enumerate(imported.examples):
                _write_example(writer, example)
                if row in kept:
                    for kind, weights in source.maps(row).items():
                        writer.add_attention(row, weights, kind, options.attention_dtype)
                advance(1)
            _write_numbers(writer, imported, metrics)
            stack.close()
    return {**_counts(imported), "maps": len(keep)}


def _counts(imported: Imported) -> dict[str, int]:
    return {
        "texts": len(imported.examples),
        "points": sum(len(one.points) for one in imported.examples),
        "pairs": sum(len(one.pairs) for one in imported.examples),
        "items": sum(len(one.items) for one in imported.examples),
        "layers": len(imported.coordinates),
    }


def _write_numbers(
    writer: Writer, imported: Imported, metrics: Sequence[tuple[Metric, Floats]]
) -> None:
    """Writes metrics, distances, maps and how faithful those are."""
    for metric, values in metrics:
        writer.append_metric(metric.name, values)
    for measure, values in imported.distances:
        writer.append_distances(measure.name, values)
    for layer, coordinates in imported.coordinates.items():
        writer.set_coordinates(layer, coordinates)
    for name, values in imported.quality.items():
        writer.set_quality(name, values)
    if imported.vectors is not None:
        from ..maps.reducing import put_vectors  # late: most imports bring no hidden states

        put_vectors(writer, *imported.vectors)


def _tables(
    imported: Imported, tools: Mapping[str, HeadMetrics], pairs: int
) -> dict[str, list[Floats]]:
    """Room for the metrics of every kind, undefined so far."""
    made: dict[str, list[Floats]] = defaultdict(list)
    for kind in imported.kinds:
        tool = tools[kind.name]
        for number in range(len(tool.descriptions)):
            units = len(imported.examples) if number < tool.examples else pairs
            shape = (units, kind.layers, kind.heads)
            made[kind.name].append(np.full(shape, np.nan, dtype=np.float32))
    return made


def _measure(
    imported: Imported,
    example: Example,
    maps: Maps,
    tools: Mapping[str, HeadMetrics],
    tables: Mapping[str, list[Floats]],
    row: int,
    first_pair: int,
) -> None:
    """Computes the metrics of one example and puts them into their tables."""
    texts = np.array(example.tokens.texts, dtype=object)
    separators = texts == imported.meta.tokens.separator if len(texts) else np.zeros(0, bool)
    spans = [(pair.span1, pair.span2) for pair in example.pairs]
    for kind in imported.kinds:
        if kind.name not in maps:
            continue
        keys = separators
        if example.source is not None:
            half = (
                slice(0, example.source) if kind.keys == "source" else slice(example.source, None)
            )
            keys = separators[half]
        of_example, of_pairs = tools[kind.name].of(
            maps[kind.name], np.asarray(keys, dtype=np.bool_), spans
        )
        table = tables[kind.name]
        for values, one in zip(table, of_example, strict=False):
            values[row] = one
        for values, block in zip(table[len(of_example) :], of_pairs, strict=True):
            values[first_pair : first_pair + len(spans)] = block


def _check(example: Example, kind: AttentionKind, weights: Floats, sums: _Sums) -> None:
    """Whether weights are numbers between 0 and 1; notes sums of rows that are not one.

    Raises:
        Unusable: a weight is none.
    """
    low, high = float(weights.min()), float(weights.max())
    if not (low >= 0 and high <= 1 + MOST_ABOVE_ONE):  # so is NaN
        outside = ~((weights >= 0) & (weights <= 1 + MOST_ABOVE_ONE))
        layer, head, query, key = (int(at) for at in np.argwhere(outside)[0])
        value = weights[layer, head, query, key]
        shown = "no number" if np.isnan(value) else f"{value:.4g}"
        raise Unusable(
            f"Example {example.id}, {kind.name} attention, layer {layer}, head {head}, "
            f"row {query}, column {key}",
            f"is {shown}; weights lie between 0 and 1 (are they from after the softmax?)",
        )
    _check_order(example, kind, weights, sums)
    off = np.abs(weights.sum(axis=-1, dtype=np.float64) - 1)
    worst = float(off.max())
    if worst > SUM_TOLERANCE:
        sums.examples += 1
        if worst > sums.worst:
            layer, head, query = (int(at) for at in np.argwhere(off == off.max())[0])
            sums.worst = worst
            sums.where = f"example {example.id}, head {layer}.{head}, row {query}"


def _check_order(example: Example, kind: AttentionKind, weights: Floats, sums: _Sums) -> None:
    """Whether causal attention looks back only; notes whether other attention looks ahead.

    Raises:
        Unusable: causal attention looks ahead.
    """
    if kind.queries != kind.keys or weights.shape[-1] < 2:
        return
    ahead = np.triu(weights.max(axis=(0, 1)), 1)
    looks = float(ahead.max()) > MOST_ABOVE_ONE
    if kind.causal and looks:
        query, key = (int(at) for at in np.argwhere(ahead == ahead.max())[0])
        raise Unusable(
            f"Example {example.id}, {kind.name} attention",
            f"is said to be causal, but token {query} attends to token {key} after it",
        )
    sums.seen += not kind.causal
    sums.ahead += looks


def _write_example(writer: Writer, example: Example) -> None:
    row = writer.add_example(
        example.id, example.text, example.tokens, source_tokens=example.source, **example.values
    )
    first = 0
    for number, point in enumerate(example.points):
        start, stop = point.tokens
        text = " ".join(example.tokens.texts[start:stop])
        at = writer.add_point(row, start, stop, text, **point.values)
        first = at if number == 0 else first
    for pair in example.pairs:
        writer.add_pair(
            pair.id,
            row,
            span1_tokens=pair.span1,
            span2_tokens=pair.span2,
            span1_points=(first + pair.points1[0], first + pair.points1[1]),
            span2_points=(first + pair.points2[0], first + pair.points2[1]),
            **pair.values,
        )
    for item in example.items:
        writer.add_item(row, *item.tokens, item.text, **item.values)
