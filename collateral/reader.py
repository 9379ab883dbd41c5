"""Reading a collateral file: opened in constant time, and only what is asked for is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import layout
from .schema import (
    AttentionKind,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    TableName,
    Tokens,
    from_map,
)
from .source import Block, Source
from .table import Section, Table

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class _Entry(NamedTuple):
    """One row of the attention directory (see ``layout.DIRECTORY``)."""

    kind: int
    example: int
    encoding: int
    queries: int
    keys: int
    offset: int
    length: int
    checksum: int
    checksums_at: int
    data_at: int


class Collateral:
    """An open collateral file; made by :func:`open`, used as a context manager.

    Everything but the index is read when it is asked for. Arrays that are returned belong to the
    caller: changing them changes nothing here.

    Attributes:
        path: the file.
        meta: model, task, fingerprints, kinds of attention, settings, counts.
        metrics: head metric name to description.
        measures: distance measure name to description.
        examples, points, pairs: the tables.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._source = Source(path)
        self.path = self._source.path
        try:
            self._load(self._source.index())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._source.error(f"the index is wrong: {error}") from error

    def _load(self, index: dict[str, Any]) -> None:
        self.meta: Meta = from_map(Meta, index["meta"])
        described = index["sections"].items()
        self._sections = {str(n): Section(self._source, str(n), d) for n, d in described}
        categories = {
            str(name): tuple(map(_text, labels)) for name, labels in index["categories"].items()
        }
        self.examples = self._table("examples", index, categories)
        self.points = self._table("points", index, categories)
        self.pairs = self._table("pairs", index, categories)
        metrics = [from_map(Metric, item) for item in index["metrics"]]
        measures = [from_map(Measure, item) for item in index["measures"]]
        self.metrics: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
        self.measures: Mapping[str, Measure] = {measure.name: measure for measure in measures}
        self._check()

    def _table(
        self, name: TableName, index: dict[str, Any], categories: dict[str, tuple[str, ...]]
    ) -> Table:
        columns = {str(k): from_map(Column, v) for k, v in index["tables"][name].items()}
        count = self.meta.counts[name]
        for key, column in columns.items():
            section = self._sections[f"{name}/{key}"]
            if section.count != count or (section.kind == "texts") != (column.kind == "text"):
                raise ValueError(f"column {key!r} of {name} does not fit its table")
            if column.kind == "categorical" and f"{name}/{key}" not in categories:
                raise ValueError(f"column {key!r} of {name} has no categories")
        return Table(name, count, columns, self._sections, categories)

    def _check(self) -> None:
        model, counts = self.meta.model, self.meta.counts
        states = model.layers + 1
        units = {"example": counts["examples"], "pair": counts["pairs"]}
        shapes: dict[str, tuple[int, ...]] = {
            "tokens": (counts["examples"],),
            "points/@example": (counts["points"],),
            "points/@tokens": (counts["points"], 2),
            "pairs/@example": (counts["pairs"],),
            "pairs/@tokens": (counts["pairs"], 2, 2),
            "pairs/@points": (counts["pairs"], 2, 2),
            "attention/directory": (counts["attention"], len(layout.DIRECTORY)),
        }
        for metric in self.metrics.values():
            kind = self.meta.kind(metric.attention)
            if kind is None:
                raise ValueError(f"metric {metric.name!r} is of an unknown kind of attention")
            shapes[f"head_metric/{metric.name}"] = (units[metric.unit], kind.layers, kind.heads)
        for measure in self.measures:
            shapes[f"distance/{measure}"] = (counts["pairs"], states)
        for name in self._sections:
            if name.startswith("coordinates/"):
                shapes[name] = (counts["points"], 2)
            elif name.startswith("quality/"):
                shapes[name] = (states,)
        for name, shape in shapes.items():
            section = self._sections[name]
            if (section.count, *section.row) != shape:
                raise ValueError(f"{name!r} does not have the shape {shape}")

    # -- life -------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes the file; what was read stays usable."""
        self._source.close()

    def __enter__(self) -> Collateral:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- what was measured --------------------------------------------------------------------

    @property
    def quality(self) -> dict[str, Floats]:
        """Quality of the maps: name to float32 [layers + 1]."""
        names = [name for name in self._sections if name.startswith("quality/")]
        return {name.partition("/")[2]: self._array(name) for name in names}

    def coordinates(self, layer: int) -> Floats:
        """The map of one hidden state: float32 [points, 2]; layer 0 is the embeddings.

        Raises:
            KeyError: the file has no map of that layer.
        """
        return self._array(f"coordinates/{layer}", f"no map of layer {layer} is stored")

    @property
    def mapped_layers(self) -> tuple[int, ...]:
        """The hidden states that have a map, in order."""
        names = [name for name in self._sections if name.startswith("coordinates/")]
        return tuple(sorted(int(name.partition("/")[2]) for name in names))

    def head_metric(self, name: str) -> Floats:
        """A head metric: float32 [units, layers, heads], units as ``metrics[name].unit`` says.

        Raises:
            KeyError: no such metric; the message lists those there are.
        """
        known = ", ".join(self.metrics)
        return self._array(f"head_metric/{name}", f"no head metric {name!r}; there are: {known}")

    def distances(self, name: str) -> Floats:
        """A distance between the spans of each pair: float32 [pairs, layers + 1].

        Raises:
            KeyError: no such measure; the message lists those there are.
        """
        known = ", ".join(self.measures)
        return self._array(f"distance/{name}", f"no distance {name!r}; there are: {known}")

    @property
    def point_examples(self) -> Ints:
        """Example row of each point: int32 [points]."""
        return self._rows_below("points/@example", len(self.examples))

    @property
    def point_tokens(self) -> Ints:
        """Half-open token range of each point: int32 [points, 2]."""
        return self._array("points/@tokens")

    @property
    def pair_examples(self) -> Ints:
        """Example row of each pair: int32 [pairs]."""
        return self._rows_below("pairs/@example", len(self.examples))

    @property
    def pair_tokens(self) -> Ints:
        """Token ranges of the two spans of each pair: int32 [pairs, 2 spans, 2]."""
        return self._array("pairs/@tokens")

    @property
    def pair_points(self) -> Ints:
        """Point ranges of the two spans of each pair: int32 [pairs, 2 spans, 2]."""
        return self._rows_below("pairs/@points", len(self.points) + 1)

    # -- one example ------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.examples["id"])}

    def row(self, example: str | int) -> int:
        """The row of an example, given its id (or its row, which is checked).

        Raises:
            KeyError: no such example.
        """
        if isinstance(example, str):
            if example not in self._rows:
                raise KeyError(f"no example has the id {example!r}")
            return self._rows[example]
        if not 0 <= example < len(self.examples):
            raise KeyError(
                f"there is no example {example}, rows go from 0 to {len(self.examples) - 1}"
            )
        return int(example)

    def tokens(self, example: str | int) -> Tokens:
        """The tokens of one example with their character offsets.

        Raises:
            KeyError: no such example.
            CollateralError: the record is damaged.
        """
        row = self.row(example)
        entry = self._sections["tokens"].one(row)
        try:
            texts, offsets, special, words = entry
            tokens = Tokens(
                tuple(_text(text) for text in texts),
                np.frombuffer(offsets, dtype="<i4").reshape(-1, 2),
                np.frombuffer(special, dtype="|u1").astype(bool),
                np.frombuffer(words, dtype="<i4"),
            )
            if not len(tokens) == len(tokens.offsets) == len(tokens.special) == len(tokens.words):
                raise ValueError
        except (TypeError, ValueError):
            raise self._source.error(f"the tokens of example {row} are wrong") from None
        return tokens

    def has_attention(self, example: str | int, kind: str = "self") -> bool:
        """Whether the attention weights of this example are stored."""
        return self._find(self.row(example), kind) is not None

    def attention_examples(self, kind: str = "self") -> tuple[int, ...]:
        """Rows of the examples whose attention is stored, in order."""
        number = self._kind(kind)
        return tuple(sorted(row for k, row in self._directory if k == number))

    def attention(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """Attention weights of one example, rows (queries) sum to one up to the encoding's error.

        Args:
            example: the example's id or row.
            kind: which attention ("self").
            layer, head: read just this layer, this head, or both.

        Returns:
            float32 [layers, heads, queries, keys], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: the record is damaged.
        """
        row = self.row(example)
        entry = self._find(row, kind)
        if entry is None:
            name = self.examples.cell("id", row)
            raise KeyError(f"no {kind} attention is stored for example {name!r}")
        info = self.meta.attention[entry.kind]
        layers = _chosen("layer", layer, info.layers)
        heads = _chosen("head", head, info.heads)
        size = entry.queries * entry.keys
        result = np.empty((len(layers), len(heads), entry.queries, entry.keys), dtype=np.float32)
        stored = self._heads(entry, info, layers, heads)
        for i in range(len(layers)):
            for j in range(len(heads)):
                flat = next(stored)
                result[i, j] = layout.decode_attention(flat[:size]).reshape(
                    entry.queries, entry.keys
                )
        picked = result if layer is None else result[0]
        return picked if head is None else picked[..., 0, :, :]

    def attention_encoding(self, example: str | int, kind: str = "self") -> Encoding:
        """How the weights of this example are stored: "float16" or "uint8"."""
        entry = self._find(self.row(example), kind)
        if entry is None:
            raise KeyError(f"no {kind} attention is stored for example {example!r}")
        return list(layout.ENCODINGS)[entry.encoding]

    def _heads(
        self, entry: _Entry, info: AttentionKind, layers: range, heads: range
    ) -> Iterator[npt.NDArray[Any]]:
        """Stored weights of the heads asked for, flat, each checked."""
        dtype = np.dtype(list(layout.ENCODINGS.values())[entry.encoding])
        size = entry.queries * entry.keys * dtype.itemsize
        for layer in layers:
            first = layer * info.heads + heads.start
            data = self._source.read(entry.data_at + first * size, len(heads) * size)
            checks = np.frombuffer(
                self._source.read(entry.checksums_at + 4 * first, 4 * len(heads)), dtype="<u4"
            )
            for i in range(len(heads)):
                part = data[i * size : (i + 1) * size]
                if layout.checksum(part) != checks[i]:
                    name = f"head {layer}.{heads.start + i} of example {entry.example}"
                    raise self._source.error(f"is damaged: the attention of {name} has changed")
                yield np.frombuffer(part, dtype=dtype)

    @cached_property
    def _directory(self) -> dict[tuple[int, int], _Entry]:
        rows = self._sections["attention/directory"].all().tolist()
        entries = [_Entry(*row) for row in rows]
        for entry in entries:
            if not self._plausible(entry):
                raise self._source.error("the directory of attention records is wrong")
        return {(entry.kind, entry.example): entry for entry in entries}

    def _plausible(self, entry: _Entry) -> bool:
        if entry.kind >= len(self.meta.attention) or entry.encoding >= len(layout.ENCODINGS):
            return False
        info = self.meta.attention[entry.kind]
        heads = info.layers * info.heads
        item = np.dtype(list(layout.ENCODINGS.values())[entry.encoding]).itemsize
        end = entry.offset + entry.length
        size = heads * entry.queries * entry.keys * item
        return (
            entry.example < len(self.examples)
            and end <= self._source.index_at
            and entry.offset <= entry.checksums_at
            and entry.checksums_at + 4 * heads <= entry.data_at
            and entry.data_at + size == end
        )

    def _find(self, row: int, kind: str) -> _Entry | None:
        return self._directory.get((self._kind(kind), row))

    def _kind(self, name: str) -> int:
        for number, kind in enumerate(self.meta.attention):
            if kind.name == name:
                return number
        known = ", ".join(kind.name for kind in self.meta.attention)
        raise KeyError(f"there is no attention of kind {name!r}; there is: {known}")

    # -- inside -----------------------------------------------------------------------------

    def _array(self, name: str, message: str = "") -> npt.NDArray[Any]:
        if name not in self._sections:
            raise KeyError(message or f"{name} is not in this file")
        rows: npt.NDArray[Any] = self._sections[name].all()
        return rows

    def _rows_below(self, name: str, limit: int) -> npt.NDArray[Any]:
        """An array of row numbers that must all lie in [0, limit)."""
        rows = self._array(name)
        if rows.size and not (rows.min() >= 0 and rows.max() < limit):
            raise self._source.error(f"{name!r} points outside its table")
        return rows

    def verify(self) -> Iterator[str]:
        """Reads and checks everything; yields one sentence per fault found."""
        from .verify import faults

        return faults(self, self._source, self._sections)

    def attention_blocks(self) -> list[tuple[str, Block]]:
        """Name and place of every attention record, for checking whole files."""
        return [
            (f"attention of example {e.example}", Block(0, 0, e.offset, e.length, e.checksum))
            for e in self._directory.values()
        ]


def open(path: str | os.PathLike[str]) -> Collateral:  # noqa: A001 (collateral.open is the interface)
    """Opens a collateral file; use it in a ``with`` block.

    Raises:
        CollateralError: no such file, not a collateral file, cut, damaged, or of a newer major
            version.
    """
    return Collateral(path)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _chosen(what: str, number: int | None, count: int) -> range:
    if number is None:
        return range(count)
    if not 0 <= number < count:
        raise KeyError(f"there is no {what} {number}, they go from 0 to {count - 1}")
    return range(number, number + 1)
