"""Writing what is whole of a damaged file: the tables in order, examples with their attention."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import cells, sections
from .attention import Entry
from .errors import CollateralError, shortened
from .keeping_vectors import keep_vectors
from .packing import PackedAttention
from .schema import Column, TableName
from .verify import check_attention
from .whole import Pieces, Whole
from .writer import Writer, create

_ROWS = 1024
"""Rows of a section that are read at once, if they are small."""
_BYTES = 4 << 20
_SHOWN = 12
_NAMED = 4
_NOTHING = "holds no example that is whole, so that nothing can be kept"
_NEEDED = ("examples/id", "examples/text", "tokens")
"""What makes an example."""

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[Any]


@dataclasses.dataclass
class Kept:
    """What was kept and what was lost, for people.

    Attributes:
        rows: table, or "attention records" and the like, to how many were kept and how many there
            were (None: not known).
        lost: what was lost besides, a phrase each.
        sections: group of sections ("head_metric") to those of which nothing is left.
        has_index: whether the index was there: then everything was held against its checksum.
    """

    rows: dict[str, tuple[int, int | None]] = dataclasses.field(default_factory=dict)
    lost: list[str] = dataclasses.field(default_factory=list)
    sections: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    has_index: bool = True

    @property
    def whole(self) -> bool:
        """Whether nothing was lost."""
        return (
            not self.lost
            and not self.sections
            and all(kept == total for kept, total in self.rows.values())
        )

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        return map(shortened, self._lines())

    def _lines(self) -> Iterator[str]:
        parts = [
            f"{kept:,} {name}" if total is None else f"{kept:,} of {total:,} {name}"
            for name, (kept, total) in self.rows.items()
            if kept or total
        ]
        yield f"kept: {', '.join(parts) or 'what it says of itself'}"
        if not self.has_index:
            yield (
                "lost: the index, so how much there was is not known, and only attention could be "
                "held against checksums"
            )
        for group, names in self.sections.items():
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield f"lost: all of {group}/ {', '.join(names[:_NAMED])}{more}"
        yield from (f"lost: {what}" for what in self.lost[:_SHOWN])
        if len(self.lost) > _SHOWN:
            yield f"lost: {len(self.lost) - _SHOWN} more things"
        if self.whole:
            yield "nothing was lost"


class Keeping:
    """One recovery: reads ``whole``, writes ``target``."""

    def __init__(self, whole: Whole, target: str | os.PathLike[str]) -> None:
        self._whole, self._target = whole, target
        self.kept = Kept(lost=list(whole.remarks), has_index=whole.has_index)
        for name in whole.unknown:
            self._gone(name)
        self._new: dict[str, Numbers] = {}
        """Table to the new row of each old one, -1 if it is lost."""
        self._keys: dict[tuple[str, int], int] = {}
        """Kind and old example of the attention that was kept, to its keys."""
        self._missing: dict[tuple[str, str], int] = {}

    def run(self) -> Kept:
        """Writes the file.

        Raises:
            CollateralError: nothing can be kept, or the file cannot be written.
        """
        whole = self._whole
        sides = any(kind.queries != "text" or kind.keys != "text" for kind in whole.meta.attention)
        needed = [*_NEEDED]
        if sides or sections.SOURCE in whole.pieces:
            needed.append(sections.SOURCE)
        rows = whole.stop(*needed)
        if not rows and whole.total("examples/id") != 0:
            raise whole.source.error(_NOTHING)
        try:
            with self._writer() as writer:
                self._examples(writer, needed, rows)
                self._table(writer, "points", writer.add_points)
                self._pairs(writer)
                if "items" in whole.columns:
                    self._table(writer, "items", writer.add_items)
                self._norms(writer)
                self._arrays(writer)
                self._maps(writer)
                self._vectors(writer)
                for (name, what), count in self._missing.items():
                    self.kept.lost.append(f"{name} of {count:,} rows, where it is {what} now")
        except ValueError as error:
            raise whole.source.error(f"cannot be recovered ({error})") from error
        return self.kept

    def _writer(self) -> Writer:
        """Begins the file, with the columns, metrics and measures of which there is something."""
        whole = self._whole
        name = os.path.basename(whole.source.path)
        note = f"Recovered from {name}: what was lost there is unknown or undefined here."
        nothing: dict[str, Any] = {"counts": {}, "fingerprint": "", "token_fingerprint": ""}
        nothing["vector_size"] = 0
        meta = dataclasses.replace(
            whole.meta, notes=(*whole.meta.notes, note), layout_fingerprint="", **nothing
        )
        self._metrics = {
            name: metric
            for name, metric in whole.metrics.items()
            if self._is_there(f"head_metric/{name}")
        }
        self._measures = {
            name: measure
            for name, measure in whole.measures.items()
            if self._is_there(f"distance/{name}")
        }
        self._columns: dict[TableName, dict[str, Column]] = {
            table: {
                name: column
                for name, column in columns.items()
                if name not in sections.ALWAYS[table] and self._is_there(f"{table}/{name}", table)
            }
            for table, columns in whole.columns.items()
        }
        metrics, measures = list(self._metrics.values()), list(self._measures.values())
        return create(self._target, meta, **self._columns, metrics=metrics, measures=measures)

    def _is_there(self, name: str, table: str = "") -> bool:
        """Whether a section has rows, or has none to have; else that is noted.

        Args:
            name: the section.
            table: its table, where a table without rows keeps its columns.
        """
        owner = "examples/id" if table == "examples" else f"{table}/@example"
        empty = table and not self._whole.stop(owner)
        there = bool(self._whole.stop(name) or empty or self._whole.total(name) == 0)
        if not there:
            self._gone(name)
        return there

    # -- tables -----------------------------------------------------------------------------

    def _examples(self, writer: Writer, needed: Sequence[str], rows: int) -> None:
        whole = self._whole
        self._new["examples"] = new = np.full(rows, -1, dtype=np.int64)
        entries: dict[int, list[Entry]] = {}
        for entry in whole.entries:
            entries.setdefault(entry.example, []).append(entry)
        for start, stop in _steps(rows, 256):
            parts = [whole.pieces[name].get(start, stop) for name in needed]
            there = np.logical_and.reduce([some for _, some in parts])
            ids, texts, tokens, *source = (values for values, _ in parts)
            columns = self._values("examples", start, stop, there)
            for i in np.flatnonzero(there).tolist():
                values = {name: column[i] for name, column in columns.items()}
                try:
                    found = cells.tokens(tokens[i])
                    side = int(source[0][i]) if source else None
                    new[start + i] = writer.add_example(ids[i], texts[i], found, side, **values)
                except (IndexError, TypeError, ValueError):
                    continue
                for entry in entries.get(start + i, []):
                    self._attention(writer, entry, int(new[start + i]))
        self._count("examples", int((new >= 0).sum()), whole.total("examples/id"))
        if not self.kept.rows["examples"][0] and whole.total("examples/id") != 0:
            raise whole.source.error(_NOTHING)
        total = whole.meta.counts.get("attention")
        self._count("attention records", len(self._keys), total)

    def _values(
        self, table: TableName, start: int, stop: int, wanted: npt.NDArray[np.bool_]
    ) -> dict[str, list[Any]]:
        """The columns of some rows as the writer takes them, None where a value is lost."""
        found: dict[str, list[Any]] = {}
        for name, column in self._columns[table].items():
            found[name], there = self._column(table, name, column, start, stop)
            self._miss(f"{table}/{name}", int((wanted & ~there).sum()), "unknown")
        if table in ("points", "items"):
            found["text"], there = self._column(table, "text", Column("text"), start, stop)
            self._miss(f"{table}/text", int((wanted & ~there).sum()), "empty")
        return found

    def _column(
        self, table: str, name: str, column: Column, start: int, stop: int
    ) -> tuple[list[Any], npt.NDArray[np.bool_]]:
        key = f"{table}/{name}"
        if key not in self._whole.pieces:
            return [None] * (stop - start), np.zeros(stop - start, dtype=bool)
        values, there = self._whole.pieces[key].get(start, stop)
        if column.kind == "text":
            return values, there
        if column.kind == "boolean":
            words: list[Any] = [(False, True)[v] if v < 2 else None for v in values.tolist()]
        elif column.kind == "continuous":
            words = values.tolist()
        else:
            words = [self._label(key, code) for code in values.tolist()]
        return [word if some else None for word, some in zip(words, there, strict=True)], there

    def _label(self, key: str, code: int) -> str | None:
        """The label of a number; one that is lost is called by its number."""
        if code < 0:
            return None
        known = self._whole.categories.get(key, {})
        if code in known or self._whole.has_index:
            return known.get(code)
        return f"label {code} (its name is lost)"

    def _owned(self, table: str, start: int, stop: int) -> tuple[Numbers, Any, Any]:
        """New rows of the examples of some rows (-1: lost), their tokens, and whether all is there.

        Args:
            table: points, pairs or items.
            start, stop: old rows.
        """
        pieces, new = self._whole.pieces, self._new["examples"]
        examples, there = pieces[f"{table}/@example"].get(start, stop)
        tokens, also = pieces[f"{table}/@tokens"].get(start, stop)
        good = there & also & (examples >= 0) & (examples < len(new))
        owners = np.where(good, new[np.where(good, examples, 0)], -1)
        return owners, tokens, good & (owners >= 0)

    def _table(self, writer: Writer, table: TableName, add: Callable[..., int]) -> None:
        """Keeps the points, or the items."""
        rows = self._whole.stop(f"{table}/@example", f"{table}/@tokens")
        self._new[table] = np.full(rows, -1, dtype=np.int64)
        for start, stop in _steps(rows, _ROWS):
            owners, tokens, there = self._owned(table, start, stop)
            values = self._values(table, start, stop, there)

            def some(
                chosen: list[int], owners: Any = owners, tokens: Any = tokens, values: Any = values
            ) -> int:
                columns = {
                    name: [column[i] if name != "text" else column[i] or "" for i in chosen]
                    for name, column in values.items()
                }
                first: int = add(owners[chosen].tolist(), tokens[chosen].tolist(), columns)
                return first

            _add(some, np.flatnonzero(there).tolist(), self._new[table][start:stop])
        self._count(
            table, int((self._new[table] >= 0).sum()), self._whole.total(f"{table}/@example")
        )

    def _pairs(self, writer: Writer) -> None:
        pieces, new = self._whole.pieces, self._new["points"]
        names = ("pairs/@example", "pairs/@tokens", "pairs/@points", "pairs/id")
        rows = self._whole.stop(*names)
        self._new["pairs"] = np.full(rows, -1, dtype=np.int64)
        before = np.concatenate([[0], np.cumsum(new >= 0)])  # points kept before each
        for start, stop in _steps(rows, _ROWS):
            owners, tokens, there = self._owned("pairs", start, stop)
            points, also = pieces["pairs/@points"].get(start, stop)
            ids, named = pieces["pairs/id"].get(start, stop)
            low, high = points[..., 0].astype(np.int64), points[..., 1].astype(np.int64)
            inside = (low >= 0) & (low < high) & (high < len(before))
            low, high = np.where(inside, low, 0), np.where(inside, high, 0)
            spans = np.stack([before[low], before[high]], axis=-1)
            all_kept = inside & (before[high] - before[low] == high - low)
            there = there & also & named & all_kept.all(axis=1)
            values = self._values("pairs", start, stop, there)

            def some(
                chosen: list[int],
                owners: Any = owners,
                tokens: Any = tokens,
                spans: Any = spans,
                ids: Any = ids,
                values: Any = values,
            ) -> int:
                return writer.add_pairs(
                    [ids[i] for i in chosen],
                    owners[chosen].tolist(),
                    (tokens[chosen, 0].tolist(), tokens[chosen, 1].tolist()),
                    (spans[chosen, 0].tolist(), spans[chosen, 1].tolist()),
                    {name: [column[i] for i in chosen] for name, column in values.items()},
                )

            _add(some, np.flatnonzero(there).tolist(), self._new["pairs"][start:stop])
        kept = int((self._new["pairs"] >= 0).sum())
        self._count("pairs", kept, self._whole.total("pairs/@example"))

    # -- attention --------------------------------------------------------------------------

    def _attention(self, writer: Writer, entry: Entry, row: int) -> None:
        """Keeps one attention record, if every head has its checksum and is no nonsense."""
        whole = self._whole
        source, attention = whole.source, whole.attention
        try:
            if not attention.plausible(entry):
                return
            check_attention(source, attention, entry)
            info, encoding = attention.info(entry), attention.encoding(entry)
            packed = PackedAttention(
                info.name,
                encoding,
                (info.layers, info.heads, entry.queries, entry.keys),
                source.read(entry.checksums_at, 4 * attention.heads(entry)),
                source.read(entry.data_at, entry.offset + entry.length - entry.data_at),
            )
            writer.add_packed_attention(row, packed)
        except (CollateralError, ValueError):
            return
        self._keys[info.name, entry.example] = entry.keys

    def _norms(self, writer: Writer) -> None:
        """Keeps the value norms of the examples whose attention was kept."""
        kept, stated = 0, 0
        for kind in self._whole.meta.attention:
            places = self._whole.pieces.get(f"{sections.VALUE_NORM_PLACES}/{kind.name}")
            norms = self._whole.pieces.get(f"{sections.VALUE_NORM}/{kind.name}")
            if places is None or norms is None:
                continue
            stated += places.total or 0
            for start, stop in _steps(places.stop, _ROWS):
                rows, there = places.get(start, stop)
                kept += sum(
                    self._norm(writer, kind.name, norms, example, first)
                    for example, first in rows[there].tolist()
                )
        if kept or stated:
            total = stated if self._whole.has_index else None
            self._count("value norms", kept, total)

    def _norm(self, writer: Writer, kind: str, norms: Pieces, example: int, first: int) -> bool:
        keys = self._keys.get((kind, example))
        if keys is None or not norms.has(first, first + keys):
            return False
        values, _ = norms.get(first, first + keys)
        row = int(self._new["examples"][example])
        try:
            writer.add_value_norms(row, np.moveaxis(values, 0, 2), kind)
        except ValueError:
            return False
        return True

    # -- arrays -----------------------------------------------------------------------------

    def _arrays(self, writer: Writer) -> None:
        """Keeps metrics and distances; undefined where they are lost."""
        for name, metric in self._metrics.items():
            for block in self._blocks(f"head_metric/{name}", f"{metric.unit}s"):
                writer.append_metric(name, block)
        for name in self._measures:
            for block in self._blocks(f"distance/{name}", "pairs"):
                writer.append_distances(name, block)

    def _blocks(self, name: str, table: str) -> Iterator[Floats]:
        """The rows of an array that belong to rows of a table that were kept."""
        new, pieces = self._new[table], self._whole.pieces[name]
        for start, stop in _steps(len(new), _rows(pieces)):
            values, there = pieces.get(start, stop)
            wanted = new[start:stop] >= 0
            values[~there] = np.nan
            self._miss(name, int((wanted & ~there).sum()), "undefined")
            yield values[wanted]

    def _maps(self, writer: Writer) -> None:
        """Keeps maps, qualities and summaries, each if all of it is there."""
        maps = [0, 0]
        for name, pieces in self._whole.pieces.items():
            group, _, rest = name.partition("/")
            if group not in ("coordinates", "quality", "head_summary"):
                continue
            try:
                if group == "coordinates":
                    writer.set_coordinates(int(rest), self._map(pieces))
                elif group == "quality":
                    writer.set_quality(rest, pieces.all(self._whole.meta.model.layers + 1))
                elif rest in self._whole.summaries:
                    writer.add_summary(self._whole.summaries[rest], pieces.all(1)[0])
            except ValueError:
                self._gone(name)
                maps[1] += group == "coordinates"
                continue
            maps[0] += group == "coordinates"
        self._count("maps", maps[0], sum(maps) if self._whole.has_index else None)

    def _map(self, pieces: Pieces) -> Floats:
        """The coordinates of the points that were kept.

        Raises:
            ValueError: one is lost.
        """
        new, found = self._new["points"], [np.zeros((0, 2), dtype=np.float32)]
        for start, stop in _steps(len(new), 1 << 16):
            values, there = pieces.get(start, stop)
            wanted = new[start:stop] >= 0
            if (wanted & ~there).any():
                raise ValueError("a point has lost its place")
            found.append(values[wanted])
        return np.concatenate(found)

    def _vectors(self, writer: Writer) -> None:
        """Keeps the vectors of points, of each hidden state that has all of them."""
        states = self._whole.meta.model.layers + 1
        kept, lost = keep_vectors(writer, self._whole.pieces, self._new["points"], states)
        for name in lost:
            self._gone(name)
        layers = sum(name.startswith(f"{sections.VECTORS}/") for name in lost)
        if kept or lost:
            self._count("vectors", kept, kept + layers if self._whole.has_index else None)

    # -- the report -------------------------------------------------------------------------

    def _count(self, name: str, kept: int, total: int | None) -> None:
        self.kept.rows[name] = kept, total

    def _gone(self, name: str) -> None:
        """Notes that nothing is left of a section."""
        group, _, rest = name.partition("/")
        self.kept.sections.setdefault(group, []).append(rest)

    def _miss(self, name: str, count: int, what: str) -> None:
        """Notes that so many more values of a section are lost, of rows that are kept."""
        if count:
            self._missing[name, what] = self._missing.get((name, what), 0) + count


def _steps(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most so many rows, one after another."""
    for start in range(0, rows, most):
        yield start, min(rows, start + most)


def _rows(pieces: Pieces) -> int:
    """How many rows of an array to read at once."""
    size = math.prod(pieces.section.row) * np.dtype(pieces.section.dtype).itemsize
    return max(1, min(_ROWS, _BYTES // max(1, int(size))))


def _add(add: Callable[[list[int]], int], rows: list[int], new: Numbers) -> None:
    """Adds rows, those that are wrong left out; ``new`` gets their new numbers."""
    if not rows:
        return
    try:
        first = add(rows)
        new[rows] = np.arange(first, first + len(rows))
    except ValueError:
        for row in rows:
            with contextlib.suppress(ValueError):
                new[row] = add([row])
