"""Reading a collateral file: opened in constant time, and only what is asked for is read."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import cells, sections
from .attention import Attention, Entry
from .described import Described
from .norms import ValueNorms
from .schema import Encoding, Tokens
from .source import Source
from .sparse import Kept

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
        summaries: name to description of the head metrics of the whole data set.
        examples, points, pairs: the tables.
        items: the table of words, labels or tokens (``meta.item`` says which); empty, and without
            columns, in a file that has none.
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
        rows = ", ".join(f"{counts[name]} {name}" for name in sections.TABLES[:3])
        rows += f", {counts['items']} items" if self.items.columns else ""
        heads = f"{model.layers} layers, {model.heads} heads"
        return f"<Collateral {self.path!r}: {self.meta.task}, {model.name}, {heads}, {rows}>"

    def _load(self, index: dict[str, Any]) -> None:
        found = Described(self._source, index, self._head)
        self.meta, self._sections = found.meta, found.sections
        self.metrics, self.measures = found.metrics, found.measures
        self.summaries = found.summaries
        self.examples, self.points, self.pairs, self.items = map(found.table, sections.TABLES)
        directory = self._sections["attention/directory"]
        self._attention = Attention(self._source, self.meta, directory)
        count = len(self.examples)
        self._norms = {
            kind.name: ValueNorms(self._source, self._sections, kind.name, count)
            for kind in self.meta.attention
        }

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

    def head_summary(self, name: str) -> Floats:
        """A head metric of the whole data set: float32 [layers, heads] of its kind of attention.

        Raises:
            KeyError: no such summary; the message lists those there are.
        """
        known = ", ".join(self.summaries) or "none"
        values = self._array(f"head_summary/{name}", f"no summary {name!r}; there are: {known}")
        return values.reshape(values.shape[1:])

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

    @property
    def item_examples(self) -> Ints:
        """Example row of each item, which never falls: int32 [items]."""
        return self._owners("items/@example") if self.items.columns else np.empty(0, np.int32)

    @property
    def item_tokens(self) -> Ints:
        """Half-open token range of each item, (0, 0) for none: int32 [items, 2]."""
        return self._array("items/@tokens") if self.items.columns else np.empty((0, 2), np.int32)

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
            return cells.tokens(self._sections["tokens"].one(row))
        except (IndexError, TypeError, ValueError):
            raise self._source.error(f"the tokens of example {row} are wrong") from None

    def source_tokens(self, example: str | int) -> int | None:
        """How many of its tokens are the source's; None if there is no source and no target.

        Raises:
            KeyError: no such example.
            CollateralError: the example does not have so many tokens.
        """
        row = self.row(example)
        section = self._sections.get(sections.SOURCE)
        if section is None:
            return None
        source = int(section.one(row))
        if not 0 <= source <= len(self.tokens(row)):
            raise self._source.error(f"the source of example {row} is longer than the example")
        return source

    def side(self, example: str | int, side: str) -> range:
        """The tokens of one side of an example, as in ``AttentionKind.queries``.

        Raises:
            KeyError: no such example, or it has no such side.
        """
        row = self.row(example)
        tokens = range(len(self.tokens(row)))
        source = self.source_tokens(row)
        if side == "text":
            return tokens
        if source is None or side not in ("source", "target"):
            raise KeyError(f"example {self.examples.cell('id', row)!r} has no side {side!r}")
        return tokens[:source] if side == "source" else tokens[source:]

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

        Of sparse attention, what was not kept is 0: see :meth:`attention_kept` and
        :meth:`attention_rest`.

        Args:
            example: the example's id or row.
            kind: which attention: a name out of ``meta.attention``.
            layer, head: read just this layer, this head, or both.

        Returns:
            float32 [layers, heads, queries, keys], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: the record is damaged, or sparse and too large to be filled out.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        return _picked(self._attention.weights(entry, layers, heads), layer, head)

    def attention_row(self, example: str | int, query: int, kind: str = "self") -> Floats:
        """One query's row of every head; of long texts it reads little more than that.

        Returns:
            float32 [layers, heads, keys]; 0 what was not kept of sparse attention.

        Raises:
            KeyError: no such example, kind or query, or none stored for this example.
            CollateralError: the record is damaged (rows of a large one are checked in part).
        """
        entry = self._entry(example, kind)
        if not 0 <= query < entry.queries:
            raise KeyError(f"there is no query {query}, they go from 0 to {entry.queries - 1}")
        return self._attention.rows(entry, query)

    def attention_shape(self, example: str | int, kind: str = "self") -> tuple[int, int, int, int]:
        """Layers, heads, queries and keys of the attention of this example, which is not read.

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        entry = self._entry(example, kind)
        info = self._attention.info(entry)
        return info.layers, info.heads, entry.queries, entry.keys

    def attention_kept(self, example: str | int, kind: str = "self") -> int | None:
        """How many weights of each row are stored: the k largest; None if all are.

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        return self._attention.kept(self._entry(example, kind))

    def attention_rest(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """The sum of the weights of each row that were not kept; 0 where all are stored.

        Returns:
            float32 [layers, heads, queries], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: the record is damaged.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        if self._attention.kept(entry) is None:
            rest = np.zeros((len(layers), len(heads), entry.queries), dtype=np.float32)
        else:
            rest = self._attention.kept_weights(entry, layers, heads).rest
        return _picked(rest, layer, head)

    def attention_sparse(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Kept:
        """What is stored of sparse attention, not filled out.

        Returns:
            indices (int32) and weights (float32) [layers, heads, queries, k] and rest (float32)
            [layers, heads, queries], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, none stored for this example, or all
                its weights are.
            CollateralError: the record is damaged.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        if self._attention.kept(entry) is None:
            raise KeyError(f"all {kind} attention of example {entry.example} is stored")
        found = self._attention.kept_weights(entry, layers, heads)
        return Kept(*(_picked(part, layer, head) for part in found))

    def attention_encoding(self, example: str | int, kind: str = "self") -> Encoding:
        """How the weights are stored: "float16", "uint8"; sparse ones "topk16" or "topk32".

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
        if self._attention.known(entry) and self._attention.kept(entry) is not None:
            self._check_sides(entry)  # a few bytes must not be filled out to gigabytes
        return entry

    def _check_sides(self, entry: Entry) -> None:
        """Whether queries and keys of a record are as many as the tokens that they are.

        Raises:
            CollateralError: not so.
        """
        row, info = entry.example, self._attention.info(entry)
        for what, side in (("queries", info.queries), ("keys", info.keys)):
            if side in ("source", "target"):
                parts = self.source_tokens(row) is not None
                tokens = len(self.side(row, side)) if parts else 0
            elif side == "text" and info.name == "self":
                tokens = len(self.tokens(row))
            else:
                continue  # other tokens than the example's
            if getattr(entry, what) != tokens:
                raise self._source.error(
                    f"the {info.name} attention of example {row} has {getattr(entry, what):,} "
                    f"{what} for {tokens:,} tokens"
                )

    def _heads(self, kind: str, layer: int | None, head: int | None) -> tuple[range, range]:
        """The layers and the heads that are asked for."""
        info = self.meta.attention[self._attention.kind(kind)]
        return _chosen("layer", layer, info.layers), _chosen("head", head, info.heads)

    def has_value_norms(self, example: str | int, kind: str = "self") -> bool:
        """Whether the value norms of this example are stored.

        Raises:
            KeyError: no such example or kind.
        """
        row = self.row(example)
        return self._norms_of(kind).keys(row) is not None

    def value_norm_examples(self, kind: str = "self") -> tuple[int, ...]:
        """Rows of the examples whose value norms are stored, in order.

        Raises:
            KeyError: there is no such kind of attention.
        """
        return self._norms_of(kind).examples

    def value_norms(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """How long the value of each key is, as the head passes it on (Kobayashi et al. 2020).

        An attention weight times the norm of its key is the length of what that key contributes.

        Returns:
            float32 [layers, heads, keys], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: they are damaged.
        """
        row = self.row(example)
        norms = self._norms_of(kind)
        layers, heads = self._heads(kind, layer, head)
        if norms.keys(row) is None:
            name = self.examples.cell("id", row)
            raise KeyError(f"no {kind} value norms are stored for example {name!r}")
        entry = self._attention.find(row, kind)
        if entry is None or entry.keys != norms.keys(row):
            name = f"the {kind} value norms of example {row}"
            raise self._source.error(f"{name} are not of the keys of its attention")
        values = norms.read(row)[layers.start : layers.stop, heads.start : heads.stop]
        return _picked(values, layer, head).copy()

    def _norms_of(self, kind: str) -> ValueNorms:
        return self._norms[self.meta.attention[self._attention.kind(kind)].name]

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


def _picked(values: npt.NDArray[Any], layer: int | None, head: int | None) -> npt.NDArray[Any]:
    """``values`` [layers, heads, ...] without the axes of which one was chosen."""
    lead = [n for n, one in zip(values.shape, (layer, head), strict=False) if one is None]
    return values.reshape(*lead, *values.shape[2:])


def _chosen(what: str, number: int | None, count: int) -> range:
    if number is None:
        return range(count)
    if not 0 <= number < count:
        raise KeyError(f"there is no {what} {number}, they go from 0 to {count - 1}")
    return range(number, number + 1)
