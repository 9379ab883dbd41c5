"""What of a damaged collateral file is whole: descriptions, rows of sections, attention records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import described, layout, sections
from .attention import Attention, Entry
from .described import Columns, Described
from .errors import CollateralError
from .scan import AttentionRecord, Scan, scan
from .schema import FORMAT, Column, Measure, Meta, Metric, from_map
from .section import BlockCache, Section
from .source import Block, Source

_MOST_LOST = 1 << 24
"""Rows that are lost of a section between others that are kept: more are not believed."""
_WRONG = (AttributeError, KeyError, TypeError, ValueError)


class Pieces:
    """The blocks of one section that are whole.

    Attributes:
        section: the section.
        total: how many rows it had; None if that is not known.
        stop: no row after this one is there.
    """

    def __init__(self, section: Section, blocks: list[Block], total: int | None) -> None:
        self.section, self.total = section, total
        self._blocks: list[Block] = []
        # without an index, a record may say that it begins anywhere
        room = _MOST_LOST if total is None else total
        for block in sorted(blocks, key=lambda block: block.start):
            lost = block.start - self.stop
            if 0 <= lost <= room and self._is_whole(block):
                self._blocks.append(block)
                room -= lost
        self._last: tuple[int, Any] = (-1, None)

    @property
    def stop(self) -> int:
        """One more than the last row that is there."""
        return self._blocks[-1].start + self._blocks[-1].count if self._blocks else 0

    @property
    def rows(self) -> int:
        """How many rows are there."""
        return sum(block.count for block in self._blocks)

    def has(self, start: int, stop: int) -> bool:
        """Whether rows ``start`` to ``stop`` are all there."""
        ranges = ((block.start, block.start + block.count) for block in self._blocks)
        found = sum(max(0, min(stop, high) - max(start, low)) for low, high in ranges)
        return found == stop - start

    def _is_whole(self, block: Block) -> bool:
        try:
            self.section.block(block)
        except CollateralError:
            return False
        return True

    def get(self, start: int, stop: int) -> tuple[Any, npt.NDArray[np.bool_]]:
        """Rows ``start`` to ``stop``, and which of them are there.

        The others are None in a list and 0 in an array.
        """
        count = stop - start
        is_array = self.section.kind == "array"
        values: Any = [None] * count
        if is_array:
            values = np.zeros((count, *self.section.row), dtype=self.section.dtype)
        there = np.zeros(count, dtype=bool)
        first = np.searchsorted([block.start for block in self._blocks], start, side="right") - 1
        for number in range(max(0, int(first)), len(self._blocks)):
            block = self._blocks[number]
            low, high = max(start, block.start), min(stop, block.start + block.count)
            if block.start >= stop:
                break
            if low < high:
                rows = self._read(number)[low - block.start : high - block.start]
                values[low - start : high - start] = rows
                there[low - start : high - start] = True
        return values, there

    def all(self, rows: int | None = None) -> Any:
        """All rows.

        Args:
            rows: how many there must be; None: as many as there were, as far as that is known.

        Raises:
            ValueError: one is lost.
        """
        count = rows if rows is not None else max(self.stop, self.total or 0)
        if not self.has(0, count):
            raise ValueError(f"rows of {self.section.name} are lost")
        return self.get(0, count)[0]

    def _read(self, number: int) -> Any:
        if self._last[0] != number:
            self._last = number, self.section.block(self._blocks[number])
        return self._last[1]


@dataclasses.dataclass
class Whole:
    """What can be kept of a file.

    Attributes:
        source: the file.
        meta: as the file states it; without counts where the index is lost.
        columns, metrics, measures, summaries: descriptions.
        categories: "TABLE/COLUMN" to the labels that are known, by number.
        pieces: section to the rows of it that are whole.
        attention: to read attention records with.
        entries: the attention records, of which only the places are known to be plausible.
        remarks: what else is lost, a phrase each.
        unknown: sections of which it is not known what they are about.
        has_index: whether the index was there.
    """

    source: Source
    meta: Meta
    columns: Columns
    metrics: Mapping[str, Metric]
    measures: Mapping[str, Measure]
    summaries: Mapping[str, Metric]
    categories: dict[str, dict[int, str]]
    pieces: dict[str, Pieces]
    attention: Attention
    entries: list[Entry]
    remarks: list[str]
    unknown: list[str]
    has_index: bool

    def total(self, section: str) -> int | None:
        """How many rows a section had, None if that is not known."""
        return self.pieces[section].total if section in self.pieces else None

    def stop(self, *names: str) -> int:
        """No row after this one is there in all of these sections."""
        return min((self.pieces[name].stop if name in self.pieces else 0) for name in names)


def look(source: Source) -> Whole:
    """Looks at a file that may be cut or damaged.

    Raises:
        CollateralError: it is no collateral file or of another version, or neither its head nor its
            index can be read.
    """
    try:
        index = source.index_at_end()
    except CollateralError:
        source.check_start()
    else:
        if (whole := _by_index(source, index)) is not None:
            return whole
    found = scan(source)
    source.head_end, source.index_at = found.head_end, found.end
    if found.index is not None and (found.index_sound or not _describes(found.head)):
        if (whole := _by_index(source, found.index)) is not None:
            if not found.index_sound:
                whole.remarks.append("the end, so the index was held against no checksum")
            return whole
        source.head_end, source.index_at = found.head_end, found.end
    if found.head is None:
        raise source.error("has lost its head and its index, so that nothing can be kept")
    try:
        return _by_head(source, found, found.head)
    except _WRONG as error:
        raise source.error(f"has a head that is wrong: {error}") from error


def _describes(head: dict[str, Any] | None) -> bool:
    meta = head.get("meta") if head else None
    return isinstance(meta, dict) and layout.DESCRIBED in meta


# -- with the index ---------------------------------------------------------------------------


def _by_index(source: Source, index: dict[str, Any]) -> Whole | None:
    """What is whole by what the index says; None if it is wrong."""
    try:
        source.head_end = source.head_place(index)[1]
        stated = index["meta"]
        head = {"magic": layout.MAGIC, "format": stated["format"], "meta": stated}
        found = Described(source, index, head)
        categories = {key: dict(enumerate(labels)) for key, labels in found.categories.items()}
    except (CollateralError, *_WRONG):
        return None
    remarks: list[str] = []
    pieces = {
        name: Pieces(section, list(_places(section)), section.count)
        for name, section in found.sections.items()
        if section.known
    }
    directory = pieces["attention/directory"]
    attention = Attention(source, found.meta, directory.section)
    rows, there = directory.get(0, directory.section.count)
    entries = [Entry(*row) for row in rows[there].tolist()]
    if not there.all():  # the records say themselves what they are
        again = scan(source)
        known = {entry.offset for entry in entries}
        records = [record for record in again.attention if record.offset not in known]
        entries += _entries(found.meta, records, remarks)
    return Whole(
        source,
        found.meta,
        found.columns,
        found.metrics,
        found.measures,
        found.summaries,
        categories,
        pieces,
        attention,
        entries,
        remarks,
        [name for name, section in found.sections.items() if not section.known],
        has_index=True,
    )


def _places(section: Section) -> Iterator[Block]:
    try:
        yield from (section.place(number) for number in range(len(section)))
    except CollateralError:
        return


# -- without it -------------------------------------------------------------------------------


def _by_head(source: Source, found: Scan, head: dict[str, Any]) -> Whole:
    """What is whole by what the head and the records say."""
    meta = from_map(Meta, head["meta"])
    if meta.format[0] != FORMAT[0]:
        raise ValueError(f"it is of format version {meta.format[0]}")
    meta = dataclasses.replace(meta, vector_size=_vector_size(found))
    remarks: list[str] = []
    if _describes(head):
        columns, metrics, measures = described.stated(head["meta"][layout.DESCRIBED])
    else:
        columns, metrics, measures = _guessed(found)
        remarks.append("the head metrics, and what the index says of columns, labels and distances")
    summaries = _summaries(meta, found)
    shapes = sections.declared(meta, columns, metrics, measures, summaries)
    pieces, unknown = _found_pieces(source, meta, found, shapes)
    categories = {
        name.partition("/")[2]: _known(some)
        for name, some in pieces.items()
        if name.startswith(f"{sections.LABELS}/")
    }
    counts = {"examples": max(pieces[name].stop for name in ("examples/id", "tokens"))}
    counted = dataclasses.replace(meta, counts=counts)
    attention = Attention(source, counted, pieces["attention/directory"].section)
    return Whole(
        source,
        meta,
        columns,
        metrics,
        measures,
        summaries,
        categories,
        pieces,
        attention,
        _entries(meta, found.attention, remarks),
        [*remarks, *_gaps(found)],
        unknown,
        has_index=False,
    )


def _found_pieces(
    source: Source, meta: Meta, found: Scan, shapes: Mapping[str, sections.Shape]
) -> tuple[dict[str, Pieces], list[str]]:
    """The rows of each section, all of ``shapes`` among them; and sections of an unknown shape."""
    pieces: dict[str, Pieces] = {}
    unknown: list[str] = []
    for name, blocks in found.blocks.items():
        shape = shapes.get(name) or _optional(name, meta)
        if shape is None:
            unknown.append(name)
            continue
        fitting = [block for form, block in blocks if form == (shape.kind, shape.dtype, shape.row)]
        pieces[name] = Pieces(_section(source, name, shape), fitting, None)
    for name, shape in shapes.items():
        if name not in pieces:
            pieces[name] = Pieces(_section(source, name, shape), [], None)
    return pieces, unknown


def _gaps(found: Scan) -> Iterator[str]:
    for start, stop in found.gaps:
        place = f"bytes {start:,} to {stop:,}"
        yield f"{place}, which is all from there on" if stop == found.end else place


def _section(source: Source, name: str, shape: sections.Shape) -> Section:
    """A section of which only single blocks are read."""
    description = {"kind": shape.kind, "dtype": shape.dtype, "row": list(shape.row)}
    return Section(source, BlockCache(), name, {**description, "count": 0, "blocks": b""})


def _known(labels: Pieces) -> dict[int, str]:
    values, there = labels.get(0, min(labels.stop, layout.MAX_LABELS))
    return {n: label for n, (label, known) in enumerate(zip(values, there, strict=True)) if known}


def _vector_size(found: Scan) -> int:
    """Numbers of a vector, which only the index states; 0 without vectors."""
    rows = [
        form.row
        for name, blocks in found.blocks.items()
        for form, _ in blocks[:1]
        if name.startswith(f"{sections.VECTORS}/")
    ]
    return int(rows[0][0]) if rows and len(rows[0]) == 1 else 0


def _optional(name: str, meta: Meta) -> sections.Shape | None:
    try:
        return sections.optional(name, meta)
    except ValueError:
        return None


def _entries(meta: Meta, records: list[AttentionRecord], remarks: list[str]) -> list[Entry]:
    """Records as the directory has them."""
    kinds = {kind.name: number for number, kind in enumerate(meta.attention)}
    found, other = [], 0
    for record in records:
        if record.kind not in kinds or record.encoding not in layout.ENCODING_NAMES:
            other += 1
            continue
        number = layout.ENCODING_NAMES.index(record.encoding)
        place = (record.offset, record.length, 0, record.checksums_at, record.data_at)
        queries, keys = record.shape[2:]
        found.append(Entry(kinds[record.kind], record.example, number, queries, keys, *place))
    if other:
        remarks.append(f"{other} attention records of a kind or an encoding not known here")
    return found


def _guessed(found: Scan) -> tuple[Columns, dict[str, Metric], dict[str, Measure]]:
    """Descriptions of a file whose head has none, as far as its records tell.

    Whether a metric is about examples or pairs cannot be told: metrics are left out.
    """
    columns: Columns = {
        name: dict(always)
        for name, always in sections.ALWAYS.items()
        if name not in sections.OPTIONAL_TABLES or f"{name}/@example" in found.blocks
    }
    kinds = {dtype: kind for kind, dtype in sections.COLUMN_TYPES.items()}
    measures = {}
    for name, blocks in found.blocks.items():
        group, _, rest = name.partition("/")
        form = blocks[0][0]
        if group in columns and rest and not rest.startswith("@") and form.dtype in kinds:
            known = columns[group]
            known.setdefault(rest, Column(kinds[form.dtype]))
        elif group == "distance":
            measures[rest] = Measure(rest, rest)
    return columns, {}, measures


def _summaries(meta: Meta, found: Scan) -> dict[str, Metric]:
    """The summaries that are there; only the index describes them."""
    names = {}
    for name, blocks in found.blocks.items():
        group, _, rest = name.partition("/")
        kind = _kind_of(meta, rest, blocks[0][0].row) if group == "head_summary" else None
        if kind is not None:
            names[rest] = Metric(rest, rest, attention=kind)
    return names


def _kind_of(meta: Meta, name: str, row: tuple[int, ...]) -> str | None:
    """The kind of attention that a metric of this name and shape is of; None if several may be."""
    fitting = [kind.name for kind in meta.attention if (kind.layers, kind.heads) == row]
    named = [kind for kind in fitting if name.startswith(f"{kind}:")]
    if len(named or fitting) == 1:
        return (named or fitting)[0]
    return None
