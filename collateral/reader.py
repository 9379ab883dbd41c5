"""Reading a collateral file: opened in constant time, and only what is asked for is read."""

from __future__ import annotations

import operator
import os
import reprlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout, sections
from .attention import Attention, Entry
from .schema import FORMAT, Column, Encoding, Measure, Meta, Metric, TableName, Tokens, from_map
from .section import BlockCache, Section, check_places
from .source import Source
from .table import Table

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


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
            index, self._head = self._source.index()
            try:
                self._load(index)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                reason = f"it lacks {error}" if isinstance(error, KeyError) else error
                raise self._source.error(f"the index is wrong: {reason}") from error
        except BaseException:
            self._source.close()
            raise

    def __repr__(self) -> str:
        model, counts = self.meta.model, self.meta.counts
        rows = ", ".join(f"{counts[name]} {name}" for name in sections.TABLES)
        heads = f"{model.layers} layers, {model.heads} heads"
        return f"<Collateral {self.path!r}: {self.meta.task}, {model.name}, {heads}, {rows}>"

    def _load(self, index: dict[str, Any]) -> None:
        self.meta: Meta = from_map(Meta, index["meta"])
        if self._head.get("magic") != layout.MAGIC or index.get("record") != "index":
            raise ValueError("head or index is none")
        if self._head.get("format") != list(self.meta.format):
            raise ValueError("its version is not that of the head")
        if self.meta.format[0] != FORMAT[0]:
            raise ValueError(f"it is of format version {self.meta.format[0]}")
        self._categories = {
            _text(name): tuple(map(_text, labels)) for name, labels in index["categories"].items()
        }
        tables = {name: self._columns(name, index) for name in sections.TABLES}
        self.metrics: Mapping[str, Metric] = _by_name(Metric, index["metrics"])
        self.measures: Mapping[str, Measure] = _by_name(Measure, index["measures"])
        cache = BlockCache()
        self._sections = {
            _text(name): Section(self._source, cache, name, description)
            for name, description in index["sections"].items()
        }
        known = all(section.known for section in self._sections.values())
        if not known and self.meta.format <= FORMAT:
            raise ValueError("a section is of an unknown kind")
        self._check(sections.declared(self.meta, tables, self.metrics, self.measures))
        self.examples, self.points, self.pairs = (
            Table(name, self.meta.counts[name], tables[name], self._sections, self._categories)
            for name in sections.TABLES
        )
        directory = self._sections["attention/directory"]
        self._attention = Attention(self._source, self.meta, directory)

    def _columns(self, table: TableName, index: dict[str, Any]) -> dict[str, Column]:
        columns = {_text(k): from_map(Column, v) for k, v in index["tables"][table].items()}
        for name, column in columns.items():
            if column.kind == "categorical":
                labels = self._categories[f"{table}/{name}"]
                if len(set(labels)) < len(labels):
                    raise ValueError(f"a label of column {name!r} of {table} appears twice")
        return columns

    def _check(self, shapes: dict[str, sections.Shape]) -> None:
        """Every section that must be there is, and has the shape that it must have."""
        units = {**self.meta.counts, "states": self.meta.model.layers + 1}
        for name in self._sections:
            if name not in shapes and (shape := sections.optional(name, self.meta)):
                shapes[name] = shape
        for name, shape in shapes.items():
            section = self._sections[name]
            found = (section.kind, section.dtype, section.row, section.count)
            if found != (shape.kind, shape.dtype, shape.row, units[shape.count]):
                raise ValueError(f"{name[:80]!r} does not have the type and shape it must have")
        check_places(self._sections.values(), self._source.head_end, self._source.index_at)

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
        """Example row of each point, which never falls: int32 [points]."""
        return self._owners("points/@example")

    @property
    def point_tokens(self) -> Ints:
        """Half-open token range of each point: int32 [points, 2]."""
        return self._array("points/@tokens")

    @property
    def pair_examples(self) -> Ints:
        """Example row of each pair, which never falls: int32 [pairs]."""
        return self._owners("pairs/@example")

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
        row = operator.index(example)
        if not 0 <= row < len(self.examples):
            raise KeyError(f"there is no example {row}, rows go from 0 to {len(self.examples) - 1}")
        return row

    def tokens(self, example: str | int) -> Tokens:
        """The tokens of one example with their character offsets.

        Raises:
            KeyError: no such example.
            CollateralError: the record is damaged.
        """
        row = self.row(example)
        try:
            return _tokens(self._sections["tokens"].one(row))
        except (IndexError, TypeError, ValueError):
            raise self._source.error(f"the tokens of example {row} are wrong") from None

    def has_attention(self, example: str | int, kind: str = "self") -> bool:
        """Whether the attention weights of this example are stored."""
        return self._attention.find(self.row(example), kind) is not None

    def attention_examples(self, kind: str = "self") -> tuple[int, ...]:
        """Rows of the examples whose attention is stored, in order.

        Raises:
            KeyError: there is no such kind of attention.
        """
        return self._attention.examples(kind)

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
        entry = self._entry(example, kind)
        info = self._attention.info(entry)
        layers = _chosen("layer", layer, info.layers)
        heads = _chosen("head", head, info.heads)
        weights = self._attention.weights(entry, layers, heads)
        picked = weights if layer is None else weights[0]
        return picked if head is None else picked[..., 0, :, :]

    def attention_encoding(self, example: str | int, kind: str = "self") -> Encoding:
        """How the weights of this example are stored: "float16" or "uint8".

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        return self._attention.encoding(self._entry(example, kind))

    def _entry(self, example: str | int, kind: str) -> Entry:
        row = self.row(example)
        entry = self._attention.find(row, kind)
        if entry is None:
            name = self.examples.cell("id", row)
            raise KeyError(f"no {kind} attention is stored for example {name!r}")
        return entry

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

    def _owners(self, name: str) -> npt.NDArray[Any]:
        """Example rows in order: those who read may look for an example's rows by bisection."""
        rows = self._rows_below(name, len(self.examples))
        falls = np.flatnonzero(rows[1:] < rows[:-1])
        if len(falls):
            row = int(falls[0]) + 1
            raise self._source.error(
                f"row {row} of {name!r} is of example {rows[row]}, but the one before it is of "
                f"example {rows[row - 1]}: the rows are not in the order of their examples"
            )
        return rows

    def verify(self) -> Iterator[str]:
        """Reads and checks everything; yields one sentence per fault found."""
        from .verify import faults  # only who verifies needs it

        return faults(self, self._source, self._sections, self._attention)


def open(path: str | os.PathLike[str]) -> Collateral:  # noqa: A001 (collateral.open is the interface)
    """Opens a collateral file; use it in a ``with`` block.

    Raises:
        CollateralError: no such file, not a collateral file, cut, damaged, or of a newer major
            version.
    """
    return Collateral(path)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{reprlib.repr(value)} is not text")
    return value


def _by_name(cls: type[Any], items: Any) -> dict[str, Any]:
    found = {item.name: item for item in (from_map(cls, data) for data in items)}
    if len(found) < len(items):
        raise ValueError(f"two of kind {cls.__name__} have the same name")
    return found


def _tokens(entry: Any) -> Tokens:
    """The tokens of one example from what is stored; TypeError or ValueError if that is wrong."""
    if not isinstance(entry, list) or not isinstance(entry[0], list):
        raise TypeError
    texts, offsets, special, words = entry
    tokens = Tokens(
        tuple(_text(text) for text in texts),
        np.frombuffer(offsets, dtype="<i4").reshape(-1, 2).astype(np.int32),
        np.frombuffer(special, dtype="|u1").astype(bool),
        np.frombuffer(words, dtype="<i4").astype(np.int32),
    )
    if not len(tokens) == len(tokens.offsets) == len(tokens.special) == len(tokens.words):
        raise ValueError
    return tokens


def _chosen(what: str, number: int | None, count: int) -> range:
    if number is None:
        return range(count)
    if not 0 <= number < count:
        raise KeyError(f"there is no {what} {number}, they go from 0 to {count - 1}")
    return range(number, number + 1)
