"""Checking a whole collateral file, byte by byte."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from . import layout
from .errors import CollateralError
from .source import Source
from .table import Section

if TYPE_CHECKING:
    from .reader import Collateral


def faults(c: Collateral, source: Source, sections: Mapping[str, Section]) -> Iterator[str]:
    """One sentence per fault: checksums, shapes, references, fingerprints, gaps between records."""
    spans = [(0, len(layout.HEAD_START), "head")]
    for name, section in sections.items():
        for number, block in enumerate(section.blocks):
            spans.append((block.offset, block.length, name))
            try:
                section.block(number)
            except CollateralError as error:
                yield f"{name}, rows from {block.start}: {error.what}"
    yield from _attention(c, source, spans)
    yield from _overlaps(spans)
    for check in (_references, _fingerprints, _numbers):
        try:
            yield from check(c)
        except (CollateralError, KeyError, IndexError) as error:
            yield str(getattr(error, "what", error))


def _attention(c: Collateral, source: Source, spans: list[tuple[int, int, str]]) -> Iterator[str]:
    try:
        blocks = c.attention_blocks()
    except CollateralError as error:
        yield error.what
        return
    for name, block in blocks:
        spans.append((block.offset, block.length, name))
        try:
            source.record(block)
        except CollateralError as error:
            yield f"{name}: {error.what}"


def _overlaps(spans: list[tuple[int, int, str]]) -> Iterator[str]:
    spans.sort()
    for (start, length, name), (following, _, other) in itertools.pairwise(spans):
        if start + length > following:
            yield f"the records of {name} and {other} overlap at byte {following}"


def _references(c: Collateral) -> Iterator[str]:
    lengths = [len(c.tokens(row)) for row in range(len(c.examples))]
    for table, examples, spans in (
        ("points", c.point_examples, c.point_tokens.reshape(-1, 1, 2)),
        ("pairs", c.pair_examples, c.pair_tokens),
    ):
        limit = np.array([lengths[row] for row in examples], dtype=np.int64)[:, None]
        bad = (spans[..., 0] < 0) | (spans[..., 0] >= spans[..., 1]) | (spans[..., 1] > limit)
        if bad.any():
            yield f"row {int(np.argwhere(bad)[0][0])} of {table} names tokens that are not there"
    for rows in (c.examples, c.points, c.pairs):
        for name, kind in rows.columns.items():
            if kind == "categorical":
                codes, labels = rows.codes(name)
                if codes.size and (codes.min() < -1 or codes.max() >= len(labels)):
                    yield f"column {name!r} of {rows.name} has a value without a label"


def _fingerprints(c: Collateral) -> Iterator[str]:
    data = hashlib.sha256()
    for name, text in zip(c.examples["id"], c.examples["text"], strict=True):
        data.update(layout.pack([name, text]))
    if data.hexdigest() != c.meta.fingerprint:
        yield "the texts do not have the fingerprint that the file states"


def _numbers(c: Collateral) -> Iterator[str]:
    for layer in c.mapped_layers:
        if not np.isfinite(c.coordinates(layer)).all():
            yield f"the map of layer {layer} has coordinates that are not numbers"
