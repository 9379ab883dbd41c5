"""Writing a collateral file as a stream: records out as they come, index and trailer at the end."""

from __future__ import annotations

import array
import dataclasses
import datetime
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import cells, layout, sections
from .growing import Growing
from .schema import (
    FORMAT,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    TableName,
    Tokens,
    from_map,
    to_map,
)
from .sink import Sink


class Writer:
    """Writes one collateral file; made by :func:`create`, used as a context manager.

    Records go to a temporary file beside the target. Leaving the block normally writes index and
    trailer, syncs and renames; an exception removes the temporary file and leaves an older target
    as it was. Memory holds a block (64 KiB, at most 1 MiB) per section, the ids, and a few bytes
    per example and per attention record. A call that raises ValueError has added nothing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        meta: Meta,
        examples: Mapping[str, Column],
        points: Mapping[str, Column],
        pairs: Mapping[str, Column],
        metrics: Sequence[Metric],
        measures: Sequence[Measure],
    ) -> None:
        self.path = os.fspath(path)
        self._meta = dataclasses.replace(
            meta, generator=f"interpret-tui {_version()}", created=_now(), format=FORMAT
        )
        self._columns = cells.with_always(
            {"examples": dict(examples), "points": dict(points), "pairs": dict(pairs)}
        )
        self._metrics = _by_name("metrics", metrics)
        self._measures = _by_name("measures", measures)
        self._counts = dict.fromkeys((*sections.TABLES, "attention"), 0)
        self._cells = cells.Cells()
        self._lengths = array.array("q")
        self._ids: dict[TableName, set[str]] = {"examples": set(), "pairs": set()}
        self._last: dict[TableName, int] = {"points": 0, "pairs": 0}
        self._attended: set[tuple[int, int]] = set()
        self._digests = {n: hashlib.sha256() for n in ("data", "tokens", "points", "pairs")}
        self._check_described()
        shapes = sections.declared(self._meta, self._columns, self._metrics, self._measures)
        head = {"magic": layout.MAGIC, "format": list(FORMAT), "meta": to_map(self._meta)}
        packed = layout.pack(head)
        if len(packed) > layout.MAX_HEAD:
            raise ValueError(f"settings and notes take {len(packed)} bytes, too many for the head")
        self._sink = Sink(self.path)
        self._head = (self._sink.write(packed), len(packed), layout.checksum(packed))
        self._sections = {name: Growing(self._sink, name, shape) for name, shape in shapes.items()}

    # -- life -------------------------------------------------------------------------------

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self._finish()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Gives up: removes the temporary file. The target, if there was one, is untouched."""
        self._sink.abort()

    def _finish(self) -> None:
        self._check_complete()
        for section in self._sections.values():
            section.flush()
        index = layout.pack(self._index())
        if len(index) > layout.MAX_INDEX:
            raise ValueError(f"the index would take {len(index)} bytes: too many labels or blocks")
        offset = self._sink.write(index)
        self._sink.write(layout.pack_trailer(offset, len(index), layout.checksum(index)))
        self._sink.finish()

    def _index(self) -> dict[str, Any]:
        digests = self._digests
        both = digests["points"].digest() + digests["pairs"].digest()
        meta = dataclasses.replace(
            self._meta,
            fingerprint=digests["data"].hexdigest(),
            token_fingerprint=digests["tokens"].hexdigest(),
            layout_fingerprint=hashlib.sha256(both).hexdigest(),
            counts=dict(self._counts),
        )
        return {
            "record": "index",
            "head": list(self._head),
            "meta": to_map(meta),
            "tables": {name: to_map(columns) for name, columns in self._columns.items()},
            "categories": self._cells.categories(self._columns),
            "metrics": to_map(list(self._metrics.values())),
            "measures": to_map(list(self._measures.values())),
            "sections": {name: section.describe() for name, section in self._sections.items()},
        }

    # -- rows -------------------------------------------------------------------------------

    def add_example(self, example_id: str, text: str, tokens: Tokens, **values: Any) -> int:
        """Adds the next example and returns its row.

        Raises:
            ValueError: the id was used before, the tokens contradict each other or the text, or a
                value does not fit its column.
        """
        where = f"example {example_id!r}"
        self._check_id("examples", example_id)
        entry = cells.token_entry(where, text, tokens)
        packed = layout.pack(entry)
        self._check_record(where, len(packed))
        row = self._add_row("examples", where, {**values, "id": example_id, "text": text})
        self._ids["examples"].add(example_id)
        self._digests["data"].update(layout.pack([example_id, text]))
        self._digests["tokens"].update(layout.pack(entry[:2]))
        self._sections["tokens"].append(entry, len(packed))
        self._lengths.append(len(tokens))
        return row

    def add_point(
        self, example_row: int, token_start: int, token_stop: int, text: str, **values: Any
    ) -> int:
        """Adds the next point (tokens ``token_start`` to ``token_stop`` of an example); its row.

        Raises:
            ValueError: no such example or tokens, an example before that of the last point, or a
                value does not fit its column.
        """
        where = f"point {self._counts['points']}"
        self._check_span(where, example_row, token_start, token_stop)
        self._check_order("points", where, example_row)
        place = [int(example_row), int(token_start), int(token_stop)]
        row = self._add_row("points", where, {**values, "text": text})
        self._last["points"] = place[0]
        self._digests["points"].update(layout.pack(place))
        self._sections["points/@example"].append(place[0])
        self._sections["points/@tokens"].append(place[1:])
        return row

    def add_pair(
        self,
        pair_id: str,
        example_row: int,
        span1_tokens: tuple[int, int],
        span2_tokens: tuple[int, int],
        span1_points: tuple[int, int],
        span2_points: tuple[int, int],
        **values: Any,
    ) -> int:
        """Adds the next pair of spans (half-open ranges of tokens and of points); its row.

        Raises:
            ValueError: the id was used before, no such example, tokens or points, an example before
                that of the last pair, or a value does not fit its column.
        """
        where = f"pair {pair_id!r}"
        self._check_id("pairs", pair_id)
        for start, stop in (span1_tokens, span2_tokens):
            self._check_span(where, example_row, start, stop)
        self._check_order("pairs", where, example_row)
        for start, stop in (span1_points, span2_points):
            if not 0 <= start < stop <= self._counts["points"]:
                raise ValueError(f"{where}: there are no points {start} to {stop}")
        row = self._add_row("pairs", where, {**values, "id": pair_id})
        self._ids["pairs"].add(pair_id)
        spans = [int(n) for n in (example_row, *span1_tokens, *span2_tokens)]
        self._last["pairs"] = spans[0]
        self._digests["pairs"].update(layout.pack([pair_id, *spans]))
        self._sections["pairs/@example"].append(spans[0])
        self._sections["pairs/@tokens"].append(spans[1:])
        self._sections["pairs/@points"].append([*map(int, span1_points), *map(int, span2_points)])
        return row

    # -- arrays -----------------------------------------------------------------------------

    def append_metric(self, name: str, block: npt.ArrayLike) -> None:
        """Adds the next units of a head metric: [k, layers, heads]; NaN where undefined.

        Raises:
            ValueError: the metric was not declared, or the shape does not fit.
        """
        if name not in self._metrics:
            raise ValueError(f"the head metric {name!r} was not declared")
        self._extend(f"head_metric/{name}", block)

    def append_distances(self, name: str, block: npt.ArrayLike) -> None:
        """Adds the next pairs' distances: [k, layers + 1].

        Raises:
            ValueError: the measure was not declared, or the shape does not fit.
        """
        if name not in self._measures:
            raise ValueError(f"the measure {name!r} was not declared")
        self._extend(f"distance/{name}", block)

    def set_coordinates(self, layer: int, coordinates: npt.ArrayLike) -> None:
        """The map of hidden state ``layer`` (0 to L): [points, 2], once per layer.

        Raises:
            ValueError: no such hidden state, set before, a wrong shape or a coordinate that is no
                number.
        """
        values = np.asarray(coordinates, dtype=np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"the map of layer {layer} has coordinates that are not numbers")
        self._set(f"coordinates/{layer:d}", values)

    def set_quality(self, name: str, values: npt.ArrayLike) -> None:
        """A quality of the maps, one value per hidden state: [layers + 1]; NaN where undefined.

        Raises:
            ValueError: set before, or a wrong shape.
        """
        self._set(f"quality/{name}", np.asarray(values, dtype=np.float32))

    def add_attention(
        self,
        example_row: int,
        maps: npt.ArrayLike,
        kind: str = "self",
        encoding: Encoding = "float16",
    ) -> None:
        """Attention weights of one example: [layers, heads, queries, keys]; in any order.

        Raises:
            ValueError: no such example or kind, a wrong shape, a weight outside [0, 1], or added
                before.
        """
        where = f"attention of example {example_row}"
        weights = np.asarray(maps)
        number = next((i for i, k in enumerate(self._meta.attention) if k.name == kind), None)
        if number is None:
            raise ValueError(f"{where}: there is no kind of attention {kind!r}")
        if not 0 <= example_row < self._counts["examples"]:
            raise ValueError(f"{where}: there is no such example")
        info, length = self._meta.attention[number], self._lengths[example_row]
        if weights.ndim != 4 or weights.shape[:2] != (info.layers, info.heads):
            raise ValueError(f"{where}: the shape {weights.shape} does not fit {info}")
        if kind == "self" and weights.shape[2:] != (length, length):
            raise ValueError(f"{where}: {weights.shape[2:]} weights for {length} tokens")
        if not 0 < weights.shape[2] * weights.shape[3] <= layout.MAX_TOKENS**2:
            raise ValueError(f"{where}: {weights.shape[2]} queries, {weights.shape[3]} keys")
        if (number, example_row) in self._attended:
            raise ValueError(f"{where}: added before")
        data = layout.encode_attention(weights, encoding)
        if data.nbytes > layout.MAX_ATTENTION:
            raise ValueError(f"{where}: {data.nbytes} bytes are more than one record can hold")
        self._put_attention(number, int(example_row), encoding, data)

    def _put_attention(
        self, kind: int, row: int, encoding: Encoding, data: npt.NDArray[Any]
    ) -> None:
        heads = [head.tobytes() for layer in data for head in layer]
        checks = np.array([layout.checksum(head) for head in heads], dtype="<u4").tobytes()
        fields = {
            "record": "attention",
            "kind": self._meta.attention[kind].name,
            "example": row,
            "encoding": encoding,
            "shape": list(data.shape),
            "checksums": checks,
        }
        before = layout.pack_before_data(fields, data.nbytes)
        offset = self._sink.write(before, *heads)
        data_at = offset + len(before)
        entry = {
            "kind": kind,
            "example": row,
            "encoding": list(layout.ENCODINGS).index(encoding),
            "queries": data.shape[2],
            "keys": data.shape[3],
            "offset": offset,
            "length": len(before) + data.nbytes,
            "checksum": layout.checksum(before, *heads),
            "checksums_at": offset + before.rindex(b"\xa4data") - len(checks),
            "data_at": data_at,
        }
        values = [[entry[name] for name in layout.DIRECTORY]]
        self._sections["attention/directory"].extend(np.array(values, dtype="<u8"))
        self._attended.add((kind, row))
        self._counts["attention"] += 1

    # -- inside -----------------------------------------------------------------------------

    def _check_described(self) -> None:
        """Whether a reader will take all that the file says about itself."""
        columns = [column for table in self._columns.values() for column in table.values()]
        for item in (self._meta, *columns, *self._metrics.values(), *self._measures.values()):
            from_map(type(item), layout.unpack(layout.pack(to_map(item))))

    def _add_row(self, table: TableName, where: str, values: Mapping[str, Any]) -> int:
        """Adds one row to the columns of a table, all of it or nothing."""
        columns = self._columns[table]
        if unknown := values.keys() - columns.keys():
            raise ValueError(f"{where}: {table} has no column {', '.join(sorted(unknown))}")
        stored = [
            (name, *self._cells.cell(f"{table}/{name}", where, column, values.get(name)))
            for name, column in columns.items()
        ]
        for _, _, size in stored:
            self._check_record(where, size)
        for name, value, size in stored:
            key = f"{table}/{name}"
            if columns[name].kind == "categorical":
                value = self._cells.code(key, value)
            self._sections[key].append(value, size)
        self._counts[table] += 1
        return self._counts[table] - 1

    def _extend(self, name: str, rows: npt.ArrayLike) -> None:
        section = self._sections[name]
        values = np.asarray(rows, dtype=section.shape.dtype)
        if values.ndim != len(section.shape.row) + 1 or values.shape[1:] != section.shape.row:
            raise ValueError(
                f"{name}: rows of shape {section.shape.row} expected, not {values.shape}"
            )
        section.extend(values)

    def _set(self, name: str, values: npt.NDArray[np.float32]) -> None:
        """Adds a section that a file may have, whole."""
        if name in self._sections:
            raise ValueError(f"{name} was set before")
        shape = sections.optional(name, self._meta)
        states = self._meta.model.layers + 1
        if shape is None or values.ndim != len(shape.row) + 1 or values.shape[1:] != shape.row:
            raise ValueError(f"{name} has the shape {values.shape}")
        if shape.count == "states" and len(values) != states:
            raise ValueError(f"{name} has {len(values)} values for {states} hidden states")
        layout.pack(name)
        self._sections[name] = Growing(self._sink, name, shape)
        self._sections[name].extend(values)

    def _check_id(self, table: TableName, name: str) -> None:
        if not isinstance(name, str):
            raise ValueError(f"the id {name!r} is not text")
        if name in self._ids[table]:
            raise ValueError(f"the id {name!r} is used twice in {table}")

    def _check_span(self, where: str, example: int, start: int, stop: int) -> None:
        if not 0 <= example < self._counts["examples"]:
            raise ValueError(f"{where}: there is no example {example}")
        if not 0 <= start < stop <= self._lengths[example]:
            raise ValueError(f"{where}: there are no tokens {start} to {stop} in example {example}")

    def _check_order(self, table: TableName, where: str, example: int) -> None:
        """Points and pairs come in the order of their examples, as the format demands."""
        if example < self._last[table]:
            raise ValueError(
                f"{where}: example {example} comes after example {self._last[table]}; "
                f"add {table} in the order of their examples"
            )

    def _check_record(self, where: str, size: int) -> None:
        if size > layout.MAX_RECORD // 2:
            raise ValueError(f"{where}: {size} bytes of text or tokens are too many for one row")

    def _check_complete(self) -> None:
        units = {**self._counts, "states": self._meta.model.layers + 1}
        for name, section in self._sections.items():
            expected = units[section.shape.count]
            if section.count != expected:
                raise ValueError(f"{name} has {section.count} rows, {expected} were expected")


def create(
    path: str | os.PathLike[str],
    meta: Meta,
    *,
    examples: Mapping[str, Column] | None = None,
    points: Mapping[str, Column] | None = None,
    pairs: Mapping[str, Column] | None = None,
    metrics: Sequence[Metric] = (),
    measures: Sequence[Measure] = (),
) -> Writer:
    """Starts a collateral file; use the writer in a ``with`` block.

    Args:
        path: the file; written under a temporary name beside it, then renamed.
        meta: model, task, tokens, kinds of attention, settings.
        examples, points, pairs: the columns of the three tables, beside "id" and "text" of
            examples, "text" of points and "id" of pairs, which are always there.
        metrics, measures: the head metrics and the distances that will be appended.

    Raises:
        CollateralError: the target cannot be written.
        ValueError: a description contradicts another, or cannot be stored.
    """
    return Writer(path, meta, examples or {}, points or {}, pairs or {}, metrics, measures)


def _by_name(what: str, items: Sequence[Any]) -> dict[str, Any]:
    found = {item.name: item for item in items}
    if len(found) < len(items):
        raise ValueError(f"two {what} have the same name")
    return found


def _now() -> str:
    """The time as ISO 8601 in UTC; ``SOURCE_DATE_EPOCH`` fixes it, for files that must not vary."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    utc = datetime.timezone.utc
    moment = datetime.datetime.now(utc)
    if fixed.isascii() and fixed.isdigit():
        moment = datetime.datetime.fromtimestamp(int(fixed), utc)
    return moment.isoformat(timespec="seconds")


def _version() -> str:
    try:
        return metadata.version("interpret-tui")
    except metadata.PackageNotFoundError:
        return "(not installed)"
