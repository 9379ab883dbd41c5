"""Checking a whole collateral file, byte by byte, in memory that does not grow with the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import described, layout
from .attention import Attention, Entry
from .errors import CollateralError, shortened
from .schema import Meta, from_map, to_map
from .section import Section
from .sections import LABELS
from .source import Source
from .table import Table

if TYPE_CHECKING:
    from .reader import Collateral

_CHUNK = 1 << 22
_FILLED_IN = ("fingerprint", "token_fingerprint", "layout_fingerprint", "vector_size", "counts")
"""What the index knows of a file and its head does not yet."""

Span = tuple[int, int, str]


def faults(
    c: Collateral, source: Source, sections: Mapping[str, Section], attention: Attention
) -> Iterator[str]:
    """One sentence per fault: checksums, shapes, references, fingerprints, unknown bytes.

    Head, index and trailer were checked when the file was opened. Every other byte must belong to
    exactly one record, and every record has a checksum: so a changed byte cannot go unnoticed.
    """
    return map(shortened, _faults(c, source, sections, attention))


def _faults(
    c: Collateral, source: Source, sections: Mapping[str, Section], attention: Attention
) -> Iterator[str]:
    spans: list[Span] = [(0, source.head_end, "head"), (source.index_at, 0, "index")]
    found = False
    for fault in _records(source, sections, attention, spans):
        found = True
        yield fault
    yield from _places(spans)
    if found:
        return  # what refers to damaged records would only repeat what was said
    for check in _CHECKS:
        yield from _guarded(check(c))
    for row in range(len(attention)):
        yield from _guarded(_sides(c, attention, row))


def _guarded(check: Iterator[str]) -> Iterator[str]:
    """What a check finds, and the error that ended it, if one did."""
    try:
        yield from check
    except CollateralError as error:
        yield error.what


def _records(
    source: Source, sections: Mapping[str, Section], attention: Attention, spans: list[Span]
) -> Iterator[str]:
    for section in sections.values():
        for number in range(len(section)):
            yield from _guarded(_block(source, section, number, spans))
    yield from _guarded(_attention(source, attention, spans))


def _block(source: Source, section: Section, number: int, spans: list[Span]) -> Iterator[str]:
    block = section.place(number)
    spans.append((block.offset, block.length, section.name))
    try:
        if section.known:
            section.read(number)
        else:
            _check_bytes(source, block.offset, block.length, block.checksum)
    except CollateralError as error:
        yield f"{section.name}, rows from {block.start}: {error.what}"


def _attention(source: Source, attention: Attention, spans: list[Span]) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for row in range(len(attention)):
        yield from _guarded(_attention_record(source, attention, row, spans, seen))


def _attention_record(
    source: Source,
    attention: Attention,
    row: int,
    spans: list[Span],
    seen: set[tuple[int, int]],
) -> Iterator[str]:
    entry = attention.entry(row)
    name = f"attention of example {entry.example}"
    spans.append((entry.offset, entry.length, name))
    if (entry.kind, entry.example) in seen:
        yield f"{name} is stored twice"
    seen.add((entry.kind, entry.example))
    try:
        _check_bytes(source, entry.offset, entry.length, entry.checksum)
        if attention.known(entry):
            check_attention(source, attention, entry)
    except CollateralError as error:
        yield f"{name}: {error.what}"


def _check_bytes(source: Source, offset: int, length: int, checksum: int) -> None:
    """As ``Source.checked``, a part in memory at a time: attention records may be large."""
    value = 0
    for start in range(0, length, _CHUNK):
        value = layout.checksum_on(value, source.read(offset + start, min(_CHUNK, length - start)))
    if value != checksum:
        raise source.error(f"is damaged: bytes {offset} to {offset + length} have changed")


def check_attention(source: Source, attention: Attention, entry: Entry) -> None:
    """The record says what the directory says of it, and its weights are weights."""
    info, encoding = attention.info(entry), attention.encoding(entry)
    fields = {
        "record": "attention",
        "kind": info.name,
        "example": entry.example,
        "encoding": encoding,
        "shape": [info.layers, info.heads, entry.queries, entry.keys],
        "checksums": source.read(entry.checksums_at, 4 * info.layers * info.heads),
    }
    size = info.layers * info.heads * attention.head_bytes(entry)
    before = layout.pack_before_data(fields, size)
    if before != source.read(entry.offset, entry.data_at - entry.offset):
        raise source.error("its record contradicts the directory")
    for layer in range(info.layers):
        for head, stored in enumerate(attention.stored(entry, layer, range(info.heads))):
            halves = attention.halves(entry, stored)
            if halves is not None and not _are_weights(halves):
                raise source.error(f"head {layer}.{head} has weights outside 0 to 1")


def _are_weights(stored: npt.NDArray[np.float16]) -> bool:
    """Whether all lie in [0, 1]. Read as whole numbers the weights have the same order, but for
    -0, and comparing those takes a hundredth of the time."""
    ones = stored.view("<u2").max() <= 0x3C00  # 1.0
    return bool(ones or (stored.min() >= 0 and stored.max() <= 1))


def _places(spans: list[Span]) -> Iterator[str]:
    """Records lie one after another, without overlap and without bytes between them."""
    spans.sort()
    end = 0
    for start, length, name in spans:
        if start > end:
            yield f"bytes {end} to {start} belong to no record"
        elif start < end:
            yield f"the record of {name} at byte {start} overlaps the one before it"
        end = max(end, start + length)


def _head(c: Collateral) -> Iterator[str]:
    try:
        stated = to_map(from_map(Meta, c._head.get("meta")))
    except ValueError as error:
        yield f"the head is wrong: {error}"
        return
    known = to_map(c.meta)
    same = (layout.pack(stated[k]) == layout.pack(known[k]) for k in known if k not in _FILLED_IN)
    if not all(same):
        yield "head and index describe the file differently"
    yield from _described(c)


def _described(c: Collateral) -> Iterator[str]:
    """What the head says of tables, metrics and measures is what the index says."""
    stated = c._head["meta"].get(layout.DESCRIBED)  # since 1.1
    if stated is None:
        return
    try:
        stated = described.as_maps(*described.stated(stated))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"the head is wrong: {error}"
        return
    tables = [table for table in (c.examples, c.points, c.pairs, c.items) if table.columns]
    columns = {table.name: {name: table.describe(name) for name in table} for table in tables}
    if layout.pack(stated) != layout.pack(described.as_maps(columns, c.metrics, c.measures)):
        yield "head and index describe tables, metrics or distances differently"


def _kept_labels(c: Collateral) -> Iterator[str]:
    for table in (c.examples, c.points, c.pairs, c.items):
        for name, kind in table.columns.items():
            section = c._sections.get(f"{LABELS}/{table.name}/{name}")
            if kind == "categorical" and section and tuple(section.all()) != table.labels(name):
                yield f"the labels of column {name!r} of {table.name} are not those of the index"


def _examples(c: Collateral) -> Iterator[str]:
    data, tokens = hashlib.sha256(), hashlib.sha256()
    ids: set[str] = set()
    rows = zip(c._sections["examples/id"].rows(), c._sections["examples/text"].rows(), strict=True)
    for row, (name, text) in enumerate(rows):
        if name in ids:
            yield f"the id {name[:80]!r} is used by two examples"
        ids.add(name)
        data.update(layout.pack([name, text]))
        entry = c._sections["tokens"].one(row)
        offsets = c.tokens(row).offsets
        tokens.update(layout.pack(entry[:2]))
        starts, stops = offsets[:, 0], offsets[:, 1]
        if (starts < 0).any() or (starts > stops).any() or (stops > len(text)).any():
            yield f"tokens of example {row} lie outside its text"
    if data.hexdigest() != c.meta.fingerprint:
        yield "the texts do not have the fingerprint that the file states"
    if tokens.hexdigest() != c.meta.token_fingerprint:
        yield "the tokens do not have the fingerprint that the file states"


def _points(c: Collateral) -> Iterator[str]:
    yield from _spans(c, "points", c.point_examples, c.point_tokens[:, None])


def _pairs(c: Collateral) -> Iterator[str]:
    yield from _spans(c, "pairs", c.pair_examples, c.pair_tokens)
    spans = c.pair_points
    if (spans[..., 0] >= spans[..., 1]).any():
        yield "a pair has a span without points"
    ids = c.pairs["id"]
    if len(set(ids)) < len(ids):
        yield "an id is used by two pairs"
    points, pairs = hashlib.sha256(), hashlib.sha256()
    for place in np.column_stack([c.point_examples, c.point_tokens]).tolist():
        points.update(layout.pack(place))
    of_pairs = np.column_stack([c.pair_examples, c.pair_tokens.reshape(-1, 4)]).tolist()
    for name, numbers in zip(ids, of_pairs, strict=True):
        pairs.update(layout.pack([name, *numbers]))
    both = hashlib.sha256(points.digest() + pairs.digest())
    if both.hexdigest() != c.meta.layout_fingerprint:
        yield "points and pairs do not have the fingerprint that the file states"


def _spans(
    c: Collateral,
    table: str,
    examples: npt.NDArray[np.int32],
    spans: npt.NDArray[Any],
    rows: npt.NDArray[Any] | None = None,
) -> Iterator[str]:
    """Token ranges [rows, spans, 2] are not empty and lie inside their example.

    ``rows`` are the rows' numbers, if they are not all of the table.
    """
    lengths = np.array([len(c.tokens(row)) for row in range(len(c.examples))], dtype=np.int64)
    limit = lengths[examples][:, None]
    bad = (spans[..., 0] < 0) | (spans[..., 0] >= spans[..., 1]) | (spans[..., 1] > limit)
    if bad.any():
        first = int(np.argwhere(bad)[0][0])
        row = first if rows is None else int(rows[first])
        yield f"row {row} of {table} names tokens that are not there"


def _items(c: Collateral) -> Iterator[str]:
    spans = c.item_tokens
    some = spans.any(axis=1)
    rows = np.flatnonzero(some)
    yield from _spans(c, "items", c.item_examples[some], spans[some][:, None], rows)


def _columns(c: Collateral) -> Iterator[str]:
    for table in (c.examples, c.points, c.pairs, c.items):
        for name, kind in table.columns.items():
            if kind in ("categorical", "boolean"):
                yield from _guarded(_labels(table, name))


def _labels(table: Table, name: str) -> Iterator[str]:
    table.codes(name)
    yield from ()


def _numbers(c: Collateral) -> Iterator[str]:
    for layer in c.mapped_layers:
        if not np.isfinite(c.coordinates(layer)).all():
            yield f"the map of layer {layer} has coordinates that are not numbers"


def _vectors(c: Collateral) -> Iterator[str]:
    if c.vectors.layers:
        c.vectors.points  # noqa: B018 (reading them checks them)
    for layer in c.vectors.layers:
        steps, lengths = c.vectors.steps(layer), c.vectors.lengths(layer)
        if not all(np.isfinite(part).all() and (part >= 0).all() for part in (steps, lengths)):
            yield f"the vectors of layer {layer} have lengths or steps that are not numbers from 0"


def _sources(c: Collateral) -> Iterator[str]:
    for row in range(len(c.examples)):
        c.source_tokens(row)
    yield from ()


def _sides(c: Collateral, attention: Attention, row: int) -> Iterator[str]:
    entry = attention.entry(row)
    if attention.known(entry):
        c._check_sides(entry)
    yield from ()


def _norms(c: Collateral) -> Iterator[str]:
    for kind in c.meta.attention:
        for row in c.value_norm_examples(kind.name):
            norms = c.value_norms(row, kind.name)
            if not (np.isfinite(norms).all() and (norms >= 0).all()):
                yield f"the {kind.name} value norms of example {row} are not numbers from 0 up"


_CHECKS = (
    _head,
    _examples,
    _points,
    _pairs,
    _items,
    _columns,
    _kept_labels,
    _numbers,
    _sources,
    _norms,
    _vectors,
)
