"""Writing a collateral file as a stream: records out as they come, index and trailer at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from . import cells, layout, many, packing, sections
from .growing import Growing
from .records import AttentionRecords
from .rows import Rows, check_size
from .schema import (
    FORMAT,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    Side,
    TableName,
    Tokens,
    from_map,
    to_map,
)
from .sink import Sink
from .version import now, version


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
        items: Mapping[str, Column] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self._meta = dataclasses.replace(
            meta, generator=f"interpret-tui {version()}", created=now(), format=FORMAT
        )
        given: dict[TableName, Mapping[str, Column]]
        given = {"examples": examples, "points": points, "pairs": pairs}
        self._sections: dict[str, Growing] = {}
        self._rows = Rows(given if items is None else {**given, "items": items}, self._sections)
        self._metrics = _by_name("metrics", metrics)
        self._measures = _by_name("measures", measures)
        self._summaries: dict[str, Metric] = {}
        self._digests = {n: hashlib.sha256() for n in ("data", "tokens", "points", "pairs")}
        self._check_described()
        shapes = sections.declared(
            self._meta, self._rows.columns, self._metrics, self._measures, {}
        )
        head = {"magic": layout.MAGIC, "format": list(FORMAT), "meta": to_map(self._meta)}
        packed = layout.pack(head)
        if len(packed) > layout.MAX_HEAD:
            raise ValueError(f"settings and notes take {len(packed)} bytes, too many for the head")
        self._sink = Sink(self.path)
        self._head = (self._sink.write(packed), len(packed), layout.checksum(packed))
        for name, shape in shapes.items():
            self._sections[name] = Growing(self._sink, name, shape)
        lengths = self._rows.lengths
        self._attention = AttentionRecords(self._sink, self._meta, lengths, self._sections)

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
            counts=self._counts(),
        )
        return {
            "record": "index",
            "head": list(self._head),
            "meta": to_map(meta),
            "tables": {name: to_map(columns) for name, columns in self._rows.columns.items()},
            "categories": self._rows.categories(),
            "metrics": to_map(list(self._metrics.values())),
            "measures": to_map(list(self._measures.values())),
            "summaries": to_map(list(self._summaries.values())),
            "sections": {name: section.describe() for name, section in self._sections.items()},
        }

    # -- rows -------------------------------------------------------------------------------

    def add_example(
        self,
        example_id: str,
        text: str,
        tokens: Tokens,
        source_tokens: int | None = None,
        **values: Any,
    ) -> int:
        """Adds the next example and returns its row.

        Args:
            example_id: its id, which no other example has.
            text: its text.
            tokens: its tokens; those of an encoder-decoder's source first, then the target's.
            source_tokens: how many of them are the source's; None if there is no source and no
                target, which is so for all examples of a file or for none.
            values: column name to value; a column without one is unknown.

        Raises:
            ValueError: the id was used before, the tokens contradict each other or the text, or a
                value does not fit its column.
        """
        where = f"example {example_id!r}"
        self._rows.check_id("examples", example_id)
        with _about(where):
            self._rows.lengths.check_source(len(tokens), source_tokens)
        entry = cells.token_entry(where, text, tokens)
        packed = layout.pack(entry)
        check_size(where, len(packed))
        row = self._rows.add("examples", where, {**values, "id": example_id, "text": text})
        self._digests["data"].update(layout.pack([example_id, text]))
        self._digests["tokens"].update(layout.pack(entry[:2]))
        self._sections["tokens"].append(entry, len(packed))
        self._rows.lengths.add(len(tokens), source_tokens)
        if source_tokens is not None:
            self._optional(sections.SOURCE).append(int(source_tokens))
        return row

    def add_point(
        self, example_row: int, token_start: int, token_stop: int, text: str, **values: Any
    ) -> int:
        """Adds the next point (tokens ``token_start`` to ``token_stop`` of an example); its row.

        Raises:
            ValueError: no such example or tokens, an example before that of the last point, or a
                value does not fit its column.
        """
        where = f"point {self._rows.counts['points']}"
        self._rows.check_span(where, example_row, token_start, token_stop)
        self._rows.check_order("points", where, example_row)
        place = [int(example_row), int(token_start), int(token_stop)]
        row = self._rows.add("points", where, {**values, "text": text}, place[0])
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
        self._rows.check_id("pairs", pair_id)
        for start, stop in (span1_tokens, span2_tokens):
            self._rows.check_span(where, example_row, start, stop)
        self._rows.check_order("pairs", where, example_row)
        for start, stop in (span1_points, span2_points):
            if not 0 <= start < stop <= self._rows.counts["points"]:
                raise ValueError(f"{where}: there are no points {start} to {stop}")
        spans = [int(n) for n in (example_row, *span1_tokens, *span2_tokens)]
        row = self._rows.add("pairs", where, {**values, "id": pair_id}, spans[0])
        self._digests["pairs"].update(layout.pack([pair_id, *spans]))
        self._sections["pairs/@example"].append(spans[0])
        self._sections["pairs/@tokens"].append(spans[1:])
        self._sections["pairs/@points"].append([*map(int, span1_points), *map(int, span2_points)])
        return row

    def add_item(
        self, example_row: int, token_start: int, token_stop: int, text: str = "", **values: Any
    ) -> int:
        """Adds the next item (a word, a label, a token: see ``Meta.item``); its row.

        Its tokens are ``token_start`` to ``token_stop`` of its example; 0 and 0 if it has none.

        Raises:
            ValueError: the file has no table of items, no such example or tokens, an example before
                that of the last item, or a value does not fit its column.
        """
        where = f"item {self._rows.counts['items']}"
        if "items" not in self._rows.columns:
            raise ValueError(f"{where}: the file was created without items")
        self._rows.check_example(where, example_row)
        if (token_start, token_stop) != (0, 0):
            self._rows.check_span(where, example_row, token_start, token_stop)
        self._rows.check_order("items", where, example_row)
        row = self._rows.add("items", where, {**values, "text": text}, int(example_row))
        self._sections["items/@example"].append(int(example_row))
        self._sections["items/@tokens"].append([int(token_start), int(token_stop)])
        return row

    # -- many rows --------------------------------------------------------------------------

    def add_points(
        self,
        example_rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many points as :meth:`add_point` adds one; the first one's row.

        Args:
            example_rows: the example of each.
            tokens: start and stop of each.
            values: column, "text" among them, to a value for each.

        Raises:
            ValueError: as :meth:`add_point`; nothing was added.
        """
        return many.add_points(
            self._rows, self._sections, self._digests["points"], example_rows, tokens, values
        )

    def add_pairs(
        self,
        pair_ids: Sequence[str],
        example_rows: Sequence[int],
        span_tokens: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        span_points: tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many pairs as :meth:`add_pair` adds one; the first one's row.

        Args:
            pair_ids: the name of each.
            example_rows: the example of each.
            span_tokens: tokens of each pair's span 1, and of each pair's span 2.
            span_points: likewise points.
            values: column to a value for each.

        Raises:
            ValueError: as :meth:`add_pair`; nothing was added.
        """
        return many.add_pairs(
            self._rows,
            self._sections,
            self._digests["pairs"],
            pair_ids,
            example_rows,
            span_tokens,
            span_points,
            values,
        )

    def add_items(
        self,
        example_rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        values: Mapping[str, Sequence[Any]],
    ) -> int:
        """Adds many items as :meth:`add_item` adds one; the first one's row.

        Raises:
            ValueError: as :meth:`add_item`; nothing was added.
        """
        return many.add_items(self._rows, self._sections, example_rows, tokens, values)

    # -- arrays -----------------------------------------------------------------------------

    def append_metric(self, name: str, block: npt.ArrayLike) -> None:
        """Adds the next units of a head metric: [k, layers, heads]; NaN where undefined.

        Raises:
            ValueError: the metric was not declared, or the shape does not fit.
        """
        if name not in self._metrics:
            raise ValueError(f"the head metric {name!r} was not declared")
        self._extend(f"head_metric/{name}", block)

    def add_summary(self, metric: Metric, values: npt.ArrayLike) -> None:
        """Adds a head metric of the whole data set: [layers, heads]; NaN where undefined.

        Raises:
            ValueError: a summary of this name was added before, it is of an unknown kind of
                attention, or the shape does not fit.
        """
        with _about(f"summary {metric.name!r}"):
            if metric.name in self._summaries:
                raise ValueError("added before")
            from_map(Metric, layout.unpack(layout.pack(to_map(metric))))
            shape = sections.summary_shape(metric, self._meta)
            numbers = np.asarray(values, dtype=np.float32)
            if numbers.shape != shape.row:
                raise ValueError(f"values of shape {shape.row} expected, not {numbers.shape}")
            name = f"head_summary/{metric.name}"
            self._sections[name] = Growing(self._sink, name, shape)
            self._sections[name].extend(numbers[None])
            self._summaries[metric.name] = metric

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
        with _about(f"attention of example {example_row}"):
            info = self._attention.check(example_row, kind)
            packed = packing.pack_attention(info, encoding, maps, copy=False)
            self._attention.put(int(example_row), packed)

    def add_sparse_attention(
        self,
        example_row: int,
        indices: npt.ArrayLike,
        weights: npt.ArrayLike,
        rest: npt.ArrayLike,
        *,
        keys: int,
        kind: str = "self",
    ) -> None:
        """The k largest attention weights of each row of one example; in any order.

        Args:
            example_row: the example.
            indices: int [layers, heads, queries, k], the numbers of the keys, rising in each row.
            weights: [layers, heads, queries, k]; 0 where a row has fewer than k keys.
            rest: [layers, heads, queries], the sum of the weights that were not kept.
            keys: how many keys there are.
            kind: which attention.

        Raises:
            ValueError: no such example or kind, a wrong shape, an index that is not below ``keys``
                or does not rise, a weight or a rest outside [0, 1], or added before.
        """
        with _about(f"attention of example {example_row}"):
            info = self._attention.check(example_row, kind)
            packed = packing.pack_sparse_attention(info, indices, weights, rest, keys)
            self._attention.put(int(example_row), packed)

    def add_packed_attention(self, example_row: int, packed: packing.PackedAttention) -> None:
        """Attention weights of one example as ``pack_attention`` packed them; in any order.

        The weights are written as they are: neither encoded nor checked again.

        Raises:
            ValueError: no such example or kind, a wrong shape, or added before.
        """
        with _about(f"attention of example {example_row}"):
            self._attention.put(int(example_row), packed)

    def add_value_norms(self, example_row: int, norms: npt.ArrayLike, kind: str = "self") -> None:
        """How long the values of one example are: [layers, heads, keys]; after its attention.

        Entry [l, h, j] is the norm of f(x_j) = (x_j W_V + b_V) W_O of that head (Kobayashi et al.
        2020, "Attention is Not Only a Weight", section 3): what key j contributes to a query is its
        attention weight times this.

        Raises:
            ValueError: no such example or kind, no attention of it, a wrong shape, a norm that is
                negative or no number, or added before.
        """
        with _about(f"value norms of example {example_row}"):
            values = np.asarray(norms, dtype=np.float32)
            self._attention.add_norms(int(example_row), values, kind)

    # -- inside -----------------------------------------------------------------------------

    def _check_described(self) -> None:
        """Whether a reader will take all that the file says about itself."""
        for kind in self._meta.attention:
            if unknown := {kind.queries, kind.keys} - set(get_args(Side)):
                raise ValueError(f"{kind.name} attention is of no side {min(unknown)!r}")
        columns = [column for table in self._rows.columns.values() for column in table.values()]
        for item in (self._meta, *columns, *self._metrics.values(), *self._measures.values()):
            from_map(type(item), layout.unpack(layout.pack(to_map(item))))

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
        self._optional(name).extend(values)

    def _optional(self, name: str) -> Growing:
        """A section that a file may have, begun when it is first needed."""
        if name not in self._sections:
            shape = sections.optional(name, self._meta)
            assert shape is not None, name
            self._sections[name] = Growing(self._sink, name, shape)
        return self._sections[name]

    def _counts(self) -> dict[str, int]:
        return {**self._rows.counts, "attention": self._attention.count}

    def _check_complete(self) -> None:
        units = sections.units(self._meta, self._counts())
        for name, section in self._sections.items():
            expected = units.get(section.shape.count, section.count)
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
    items: Mapping[str, Column] | None = None,
) -> Writer:
    """Starts a collateral file; use the writer in a ``with`` block.

    Args:
        path: the file; written under a temporary name beside it, then renamed.
        meta: model, task, tokens, kinds of attention, settings.
        examples, points, pairs: the columns of the three tables, beside "id" and "text" of
            examples, "text" of points and "id" of pairs, which are always there.
        metrics, measures: the head metrics and the distances that will be appended.
        items: the columns of the table of items beside "text", which is always there; None: no such
            table.

    Raises:
        CollateralError: the target cannot be written.
        ValueError: a description contradicts another, or cannot be stored.
    """
    return Writer(path, meta, examples or {}, points or {}, pairs or {}, metrics, measures, items)


@contextlib.contextmanager
def _about(where: str) -> Iterator[None]:
    """What is refused inside is said to be about this."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _by_name(what: str, items: Sequence[Any]) -> dict[str, Any]:
    found = {item.name: item for item in items}
    if len(found) < len(items):
        raise ValueError(f"two {what} have the same name")
    return found
