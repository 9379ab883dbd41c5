"""Whether what was recovered of a file is what stood in it: every cell, array and weight."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

import collateral
from collateral import Collateral
from collateral.schema import to_map

NEW = ("notes", "generator", "created", "format", "counts")
"""What a recovered file says otherwise of itself; fingerprints too, if rows are lost."""


def counts(c: Collateral) -> dict[str, int]:
    """How much of everything a file holds."""
    found: dict[str, int] = {
        str(table.name): len(table) for table in (c.examples, c.points, c.pairs, c.items)
    }
    for kind in c.meta.attention:
        found[f"attention {kind.name}"] = len(c.attention_examples(kind.name))
        found[f"norms {kind.name}"] = len(c.value_norm_examples(kind.name))
    return {
        **found,
        "maps": len(c.mapped_layers),
        "quality": len(c.quality),
        "vectors": len(c.vectors.layers),
    }


def assert_beginning(whole: Collateral, part: Collateral) -> None:
    """``part`` holds the first rows of each table of ``whole``; what they lack is unknown."""
    assert list(part.verify()) == []
    assert_described_alike(whole, part)
    for one, other in zip(tables(whole), tables(part), strict=True):
        assert len(other) <= len(one)
        for name in other:
            assert_cells(one[name], other[name])
    for name in ("point_examples", "point_tokens", "pair_examples", "pair_tokens", "pair_points"):
        assert_rows(getattr(whole, name), getattr(part, name))
    assert_rows(whole.item_examples, part.item_examples)
    assert_rows(whole.item_tokens, part.item_tokens)
    for name in part.metrics:
        assert_rows(whole.head_metric(name), part.head_metric(name), or_nan=True)
    for name in part.measures:
        assert_rows(whole.distances(name), part.distances(name), or_nan=True)
    for layer in part.mapped_layers:
        assert_rows(whole.coordinates(layer), part.coordinates(layer))
    if part.vectors.layers:
        points = whole.vectors.points
        np.testing.assert_array_equal(points[points < len(part.points)], part.vectors.points)
    for layer in part.vectors.layers:
        assert_rows(whole.vectors.read(layer), part.vectors.read(layer))
        assert_rows(whole.vectors.lengths(layer), part.vectors.lengths(layer))
    for name in part.quality:
        np.testing.assert_array_equal(whole.quality[name], part.quality[name])
    for name in part.summaries:
        np.testing.assert_array_equal(whole.head_summary(name), part.head_summary(name))
    for row in range(len(part.examples)):
        assert_example(whole, row, part, row)


def tables(c: Collateral) -> tuple[collateral.Table, ...]:
    """All four."""
    return c.examples, c.points, c.pairs, c.items


def assert_described_alike(whole: Collateral, part: Collateral) -> None:
    """Model, columns, metrics and so on are as they were."""
    one, other = dataclasses.asdict(whole.meta), dataclasses.asdict(part.meta)
    for name in one:
        if name not in NEW and not name.endswith("fingerprint"):
            assert one[name] == other[name], name
    assert part.meta.notes[:-1] == whole.meta.notes
    for before, after in zip(tables(whole), tables(part), strict=True):
        for name in after:
            assert before.describe(name) == after.describe(name)
    for name in part.metrics:
        assert to_map(whole.metrics[name]) == to_map(part.metrics[name])
    for name in part.measures:
        assert whole.measures[name] == part.measures[name]


def assert_example(whole: Collateral, row: int, part: Collateral, new: int) -> None:
    """Row ``new`` of ``part`` is row ``row`` of ``whole``, with tokens, weights and norms."""
    one, other = whole.tokens(row), part.tokens(new)
    assert one.texts == other.texts
    for name in ("offsets", "special", "words"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert whole.source_tokens(row) == part.source_tokens(new)
    for kind in (kind.name for kind in part.meta.attention):
        if part.has_attention(new, kind):
            assert whole.attention_encoding(row, kind) == part.attention_encoding(new, kind)
            np.testing.assert_array_equal(
                whole.attention(row, kind), part.attention(new, kind), strict=True
            )
            np.testing.assert_array_equal(
                whole.attention_rest(row, kind), part.attention_rest(new, kind)
            )
        if part.has_value_norms(new, kind):
            np.testing.assert_array_equal(whole.value_norms(row, kind), part.value_norms(new, kind))


def assert_cells(one: Any, other: Any) -> None:
    """Cell by cell equal, or unknown."""
    for before, after in zip(one, other, strict=False):
        unknown = after is None or after == "" or (isinstance(after, float) and math.isnan(after))
        assert unknown or before == after


def assert_rows(one: Any, other: Any, *, or_nan: bool = False) -> None:
    """Row by row equal; with ``or_nan``, or undefined as a whole."""
    assert len(other) <= len(one)
    for before, after in zip(one, other, strict=False):
        if not (or_nan and np.isnan(after).all()):
            np.testing.assert_array_equal(before, after)
