"""Writing a collateral file as a stream: records out as they come, index and trailer at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout
from .errors import CollateralError
from .schema import FORMAT, Column, Encoding, Measure, Meta, Metric, TableName, Tokens, to_map

BLOCK_ROWS = 1024
BLOCK_BYTES = 1 << 20

_COLUMN_TYPES = {"categorical": "<i4", "boolean": "|u1", "continuous": "<f8"}
UNKNOWN_BOOLEAN = 255


class _Section:
    """One named array (or list of texts, or of tokens) that grows row by row, flushed in blocks."""

    def __init__(self, name: str, kind: str, dtype: str = "", row: tuple[int, ...] = ()) -> None:
        self.name, self.kind, self.dtype, self.row = name, kind, dtype, row
        self.count = 0
        self.blocks: list[list[int]] = []
        self.pending: list[Any] = []
        self.pending_rows = 0
        row_bytes = int(np.prod(row, dtype=np.int64)) * np.dtype(dtype).itemsize if dtype else 1024
        self.limit = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, row_bytes)))

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "dtype": self.dtype,
            "row": list(self.row),
            "count": self.count,
            "blocks": self.blocks,
        }


class Writer:
    """Writes one collateral file; made by :func:`create`, used as a context manager.

    Records go to a temporary file beside the target. Leaving the block normally writes index and
    trailer, syncs and renames; an exception removes the temporary file and leaves an older target
    as it was. Memory holds at most a block (1,024 rows or 1 MiB) per section, the ids, and 80 bytes
    per attention record until they fill a block.
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
            meta,
            generator=f"interpret-tui {_version()}",
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            format=FORMAT,
        )
        self._columns: dict[TableName, dict[str, Column]] = {
            "examples": {"id": Column("text", role="id"), "text": Column("text", role="text")}
            | dict(examples),
            "points": {"text": Column("text", role="text")} | dict(points),
            "pairs": {"id": Column("text", role="id")} | dict(pairs),
        }
        self._counts: dict[str, int] = {"examples": 0, "points": 0, "pairs": 0, "attention": 0}
        self._metrics = {metric.name: metric for metric in metrics}
        self._measures = {measure.name: measure for measure in measures}
        self._sections: dict[str, _Section] = {}
        self._categories: dict[str, dict[str, int]] = {}
        self._lengths: list[int] = []
        self._ids: dict[str, set[str]] = {"examples": set(), "pairs": set()}
        self._attended: set[tuple[int, int]] = set()
        self._digests = {name: hashlib.sha256() for name in ("data", "tokens", "layout")}
        self._declare()
        self._offset = 0
        self._open()

    # -- life -------------------------------------------------------------------------------

    def _open(self) -> None:
        folder, name = os.path.split(os.path.abspath(self.path))
        if os.path.isdir(self.path):
            raise CollateralError(self.path, "is a directory", "Give the name of a file to write.")
        try:
            handle, self._temporary = tempfile.mkstemp(
                prefix=f".{name}.", suffix=".partial", dir=folder
            )
        except OSError as error:
            advice = "Choose a folder that exists and that you may write to."
            raise CollateralError(
                self.path, f"cannot be written ({error.strerror})", advice
            ) from error
        self._file = os.fdopen(handle, "wb", buffering=BLOCK_BYTES)
        self._head = self._put(
            {"magic": layout.MAGIC, "format": list(FORMAT), "meta": to_map(self._meta)}
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._finish()
            except BaseException:
                self.abort()
                raise
        else:
            self.abort()

    def abort(self) -> None:
        """Gives up: removes the temporary file. The target, if there was one, is untouched."""
        with contextlib.suppress(OSError):  # a full disk, say; what matters is that nothing stays
            self._file.close()
        if os.path.exists(self._temporary):
            os.unlink(self._temporary)

    def _finish(self) -> None:
        self._check_complete()
        for section in self._sections.values():
            self._flush(section)
        offset = self._offset
        _, length, check = self._put(self._index())
        self._write(layout.pack_trailer(offset, length, check))
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(self._temporary, 0o666 & ~umask)
            os.replace(self._temporary, self.path)
        except OSError as error:
            raise self._failed(error) from error

    def _index(self) -> dict[str, Any]:
        meta = dataclasses.replace(
            self._meta,
            fingerprint=self._digests["data"].hexdigest(),
            token_fingerprint=self._digests["tokens"].hexdigest(),
            layout_fingerprint=self._digests["layout"].hexdigest(),
            counts=dict(self._counts),
        )
        return {
            "record": "index",
            "head": list(self._head),
            "meta": to_map(meta),
            "tables": {name: to_map(columns) for name, columns in self._columns.items()},
            "categories": {name: list(labels) for name, labels in self._categories.items()},
            "metrics": to_map(list(self._metrics.values())),
            "measures": to_map(list(self._measures.values())),
            "sections": {name: section.describe() for name, section in self._sections.items()},
        }

    # -- rows -------------------------------------------------------------------------------

    def add_example(self, example_id: str, text: str, tokens: Tokens, **values: Any) -> int:
        """Adds the next example and returns its row.

        Raises:
            ValueError: the id was used before, or a value does not fit its column.
        """
        self._new_id("examples", example_id)
        row = self._add_row("examples", {"id": example_id, "text": text, **values})
        self._digests["data"].update(layout.pack([example_id, text]))
        offsets = np.ascontiguousarray(tokens.offsets, dtype="<i4")
        if offsets.shape != (len(tokens), 2) or len(tokens.special) != len(tokens):
            raise ValueError(f"example {example_id}: tokens and offsets differ in length")
        entry = [
            list(tokens.texts),
            offsets.tobytes(),
            np.ascontiguousarray(tokens.special, dtype="|u1").tobytes(),
            np.ascontiguousarray(tokens.words, dtype="<i4").tobytes(),
        ]
        self._digests["tokens"].update(layout.pack(entry[:2]))
        self._append_one(self._sections["tokens"], entry)
        self._lengths.append(len(tokens))
        return row

    def add_point(
        self, example_row: int, token_start: int, token_stop: int, text: str, **values: Any
    ) -> int:
        """Adds the next point (tokens ``token_start`` to ``token_stop`` of an example); its row."""
        where = f"point {self._counts['points']}"
        self._check_span(where, example_row, token_start, token_stop)
        row = self._add_row("points", {"text": text, **values})
        self._digests["layout"].update(layout.pack([example_row, token_start, token_stop]))
        self._append_one(self._sections["points/@example"], example_row)
        self._append_one(self._sections["points/@tokens"], (token_start, token_stop))
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
        """Adds the next pair of spans (half-open ranges of tokens and of points); its row."""
        self._new_id("pairs", pair_id)
        for start, stop in (span1_tokens, span2_tokens):
            self._check_span(f"pair {pair_id}", example_row, start, stop)
        for start, stop in (span1_points, span2_points):
            if not 0 <= start < stop <= self._counts["points"]:
                raise ValueError(f"pair {pair_id}: no points {start} to {stop}")
        row = self._add_row("pairs", {"id": pair_id, **values})
        spans = [pair_id, example_row, *span1_tokens, *span2_tokens]
        self._digests["layout"].update(layout.pack(spans))
        self._append_one(self._sections["pairs/@example"], example_row)
        self._append_one(self._sections["pairs/@tokens"], (span1_tokens, span2_tokens))
        self._append_one(self._sections["pairs/@points"], (span1_points, span2_points))
        return row

    # -- arrays -----------------------------------------------------------------------------

    def append_metric(self, name: str, block: npt.ArrayLike) -> None:
        """Adds the next units of a head metric: [k, layers, heads]; NaN where undefined."""
        self._append_rows(self._section("head_metric", name), block)

    def append_distances(self, name: str, block: npt.ArrayLike) -> None:
        """Adds the next pairs' distances: [k, layers + 1]."""
        self._append_rows(self._section("distance", name), block)

    def set_coordinates(self, layer: int, coordinates: npt.ArrayLike) -> None:
        """The map of hidden state ``layer`` (0 to L): [points, 2], once per layer."""
        if not 0 <= layer <= self._meta.model.layers:
            raise ValueError(f"there is no hidden state {layer}")
        name = f"coordinates/{layer}"
        if name in self._sections:
            raise ValueError(f"coordinates of layer {layer} were set before")
        self._sections[name] = _Section(name, "array", "<f4", (2,))
        self._append_rows(self._sections[name], coordinates)

    def set_quality(self, name: str, values: npt.ArrayLike) -> None:
        """A quality of the maps, one value per hidden state: [layers + 1]."""
        key = f"quality/{name}"
        self._sections[key] = _Section(key, "array", "<f4")
        self._append_rows(self._sections[key], values)

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
        array = np.asarray(maps)
        number = next((i for i, k in enumerate(self._meta.attention) if k.name == kind), None)
        if number is None or not 0 <= example_row < self._counts["examples"]:
            raise ValueError(f"no example {example_row} or no attention of kind {kind!r}")
        info = self._meta.attention[number]
        if array.ndim != 4 or array.shape[:2] != (info.layers, info.heads):
            raise ValueError(f"attention of shape {array.shape} does not fit {info}")
        if kind == "self" and array.shape[2:] != (self._lengths[example_row],) * 2:
            raise ValueError(f"example {example_row} has {self._lengths[example_row]} tokens")
        if (number, example_row) in self._attended:
            raise ValueError(f"attention of example {example_row} was added before")
        self._attended.add((number, example_row))
        data = layout.encode_attention(array, encoding)
        self._put_attention(number, example_row, encoding, data)

    def _put_attention(
        self, kind: int, row: int, encoding: Encoding, data: npt.NDArray[Any]
    ) -> None:
        heads = data.reshape((-1, *data.shape[2:]))
        checks = np.array([layout.checksum(head.tobytes()) for head in heads], dtype="<u4")
        raw = data.tobytes()
        offset, length, check = self._put(
            {
                "record": "attention",
                "kind": self._meta.attention[kind].name,
                "example": row,
                "encoding": encoding,
                "shape": list(data.shape),
                "checksums": checks.tobytes(),
                "data": raw,
            }
        )
        data_at = offset + length - len(raw)
        # "data" stands between the two: fixstr "data" (5 bytes) and the header of its bin
        header = 2 if len(raw) < 1 << 8 else 3 if len(raw) < 1 << 16 else 5
        checks_at = data_at - header - 5 - checks.nbytes
        encodings = list(layout.ENCODINGS)
        entry = (kind, row, encodings.index(encoding), *data.shape[2:], offset, length, check)
        self._append_one(self._sections["attention/directory"], (*entry, checks_at, data_at))
        self._counts["attention"] += 1

    # -- inside -----------------------------------------------------------------------------

    def _declare(self) -> None:
        """Declares the sections that every file has."""
        for table, columns in self._columns.items():
            for name, column in columns.items():
                key = f"{table}/{name}"
                if name.startswith("@") or "/" in name:
                    raise ValueError(f"a column cannot be called {name!r}")
                if column.kind == "text":
                    self._sections[key] = _Section(key, "texts")
                else:
                    self._sections[key] = _Section(key, "array", _COLUMN_TYPES[column.kind])
                if column.kind == "categorical":
                    self._categories[key] = {}
        self._sections["tokens"] = _Section("tokens", "tokens")
        for key, dtype, row in (
            ("points/@example", "<i4", ()),
            ("points/@tokens", "<i4", (2,)),
            ("pairs/@example", "<i4", ()),
            ("pairs/@tokens", "<i4", (2, 2)),
            ("pairs/@points", "<i4", (2, 2)),
            ("attention/directory", "<u8", (len(layout.DIRECTORY),)),
        ):
            self._sections[key] = _Section(key, "array", dtype, row)
        for metric in self._metrics.values():
            kind = self._meta.kind(metric.attention)
            if kind is None:
                raise ValueError(f"metric {metric.name} is of an unknown kind of attention")
            key = f"head_metric/{metric.name}"
            self._sections[key] = _Section(key, "array", "<f4", (kind.layers, kind.heads))
        for measure in self._measures.values():
            key = f"distance/{measure.name}"
            self._sections[key] = _Section(key, "array", "<f4", (self._meta.model.layers + 1,))

    def _section(self, group: str, name: str) -> _Section:
        try:
            return self._sections[f"{group}/{name}"]
        except KeyError:
            raise ValueError(f"{group} {name!r} was not declared") from None

    def _new_id(self, table: str, name: str) -> None:
        if name in self._ids[table]:
            raise ValueError(f"the id {name!r} is used twice in {table}")
        self._ids[table].add(name)

    def _check_span(self, where: str, example: int, start: int, stop: int) -> None:
        if not 0 <= example < self._counts["examples"]:
            raise ValueError(f"{where}: there is no example {example}")
        if not 0 <= start < stop <= self._lengths[example]:
            raise ValueError(f"{where}: no tokens {start} to {stop} in example {example}")

    def _add_row(self, table: TableName, values: Mapping[str, Any]) -> int:
        columns = self._columns[table]
        if unknown := values.keys() - columns.keys():
            raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        for name, column in columns.items():
            key = f"{table}/{name}"
            self._append_one(self._sections[key], self._cell(key, column, values.get(name)))
        row = self._counts[table]
        self._counts[table] += 1
        return row

    def _cell(self, key: str, column: Column, value: Any) -> Any:
        """``value`` as stored in a column: None is unknown."""
        if column.kind == "categorical" and (value is None or isinstance(value, str)):
            labels = self._categories[key]
            return -1 if value is None else labels.setdefault(value, len(labels))
        if column.kind == "text" and isinstance(value, (str, type(None))):
            return value or ""
        if column.kind == "boolean" and (value is None or isinstance(value, (bool, np.bool_))):
            return UNKNOWN_BOOLEAN if value is None else int(value)
        if column.kind == "continuous" and not isinstance(value, (str, bool)):
            return float("nan") if value is None else float(value)
        raise ValueError(f"{value!r} does not fit the {column.kind} column {key}")

    def _append_one(self, section: _Section, row: Any) -> None:
        section.pending.append(row)
        section.pending_rows += 1
        section.count += 1
        if section.pending_rows >= section.limit:
            self._flush(section)

    def _append_rows(self, section: _Section, rows: npt.ArrayLike) -> None:
        array = np.asarray(rows, dtype=section.dtype)
        if array.shape[1:] != section.row or array.ndim != len(section.row) + 1:
            raise ValueError(
                f"{section.name}: rows of shape {section.row} expected, not {array.shape}"
            )
        if section.pending_rows + len(array) < section.limit:
            section.pending.extend(array.copy())
            section.pending_rows += len(array)
            section.count += len(array)
            return
        self._flush(section)
        step = max(1, BLOCK_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), step):
            part = array[start : start + step]
            section.count += len(part)
            self._put_block(section, part, len(part))

    def _flush(self, section: _Section) -> None:
        if not section.pending_rows:
            return
        rows, count = section.pending, section.pending_rows
        section.pending, section.pending_rows = [], 0
        self._put_block(section, rows, count)

    def _put_block(self, section: _Section, rows: Any, count: int) -> None:
        """Writes the last ``count`` rows of a section as one record."""
        start = section.count - count
        record: dict[str, Any] = {"record": section.kind, "name": section.name, "start": start}
        if section.kind == "array":
            array = np.asarray(rows, dtype=section.dtype).reshape((count, *section.row))
            record |= {"dtype": section.dtype, "shape": list(array.shape), "data": array.tobytes()}
        else:
            record |= {"data": rows}
        offset, length, check = self._put(record)
        section.blocks.append([start, count, offset, length, check])

    def _put(self, value: Any) -> tuple[int, int, int]:
        """Writes one object; (offset, length, checksum)."""
        data = layout.pack(value)
        offset = self._offset
        self._write(data)
        return offset, len(data), layout.checksum(data)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error
        self._offset += len(data)

    def _failed(self, error: OSError) -> CollateralError:
        what = f"cannot be written ({error.strerror})"
        return CollateralError(self.path, what, "Free some space or choose another folder.")

    def _check_complete(self) -> None:
        units = {"example": self._counts["examples"], "pair": self._counts["pairs"]}
        expected = {f"head_metric/{m.name}": units[m.unit] for m in self._metrics.values()}
        expected |= {f"distance/{name}": self._counts["pairs"] for name in self._measures}
        for name, section in self._sections.items():
            if name.startswith("coordinates/"):
                expected[name] = self._counts["points"]
            elif name.startswith("quality/"):
                expected[name] = self._meta.model.layers + 1
            if section.count != expected.get(name, section.count):
                raise ValueError(f"{name} has {section.count} rows, {expected[name]} were expected")


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
        ValueError: a description contradicts another.
    """
    return Writer(path, meta, examples or {}, points or {}, pairs or {}, metrics, measures)


def _version() -> str:
    try:
        return metadata.version("interpret-tui")
    except metadata.PackageNotFoundError:
        return "(not installed)"
