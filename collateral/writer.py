"""Writing a collateral file as a stream: records out as they come, index and trailer at the end."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import layout, packing, sections
from .adding import Adding
from .begun import about
from .growing import Growing
from .schema import Column, Encoding, Measure, Meta, Metric, from_map, to_map
from .vectors import pack_vectors


class Writer(Adding):
    """Writes one collateral file; made by :func:`create`, used as a context manager.

    Records go to a temporary file beside the target. Leaving the block normally writes index and
    trailer, syncs and renames; an exception removes the temporary file and leaves an older target
    as it was. Memory holds a block (64 KiB, at most 1 MiB) per section, the ids, and a few bytes
    per example and per attention record. A call that raises ValueError has added nothing.
    """

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
        described = self._described()
        return {
            "record": "index",
            "head": list(self._head),
            "meta": to_map(meta),
            "tables": described["tables"],
            "categories": self._rows.categories(),
            "metrics": described["metrics"],
            "measures": described["measures"],
            "summaries": to_map(list(self._summaries.values())),
            "sections": {name: section.describe() for name, section in self._sections.items()},
        }

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
        with about(f"summary {metric.name!r}"):
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

    def set_vector_points(self, points: npt.ArrayLike) -> None:
        """Which points have reduced vectors: their rows, rising; before :meth:`set_vectors`.

        Raises:
            ValueError: set before, rows that do not rise, or no such points.
        """
        rows = np.asarray(points, dtype=np.int64)
        if sections.VECTOR_POINTS in self._sections:
            raise ValueError("the points of vectors were set before")
        count = self._rows.counts["points"]
        sound = rows.ndim == 1 and bool((np.diff(rows) > 0).all())
        if not sound or (len(rows) and not (rows[0] >= 0 and rows[-1] < count)):
            raise ValueError(f"rows of points must rise, and lie between 0 and {count - 1}")
        self._optional(sections.VECTOR_POINTS).extend(rows.astype("<i4"))

    def set_vectors(self, layer: int, vectors: npt.ArrayLike, lengths: npt.ArrayLike) -> None:
        """Reduced vectors of hidden state ``layer`` (0 to L), once per layer; see ``Vectors``.

        Args:
            layer: the hidden state.
            vectors: [n, size], a row for each point of :meth:`set_vector_points`: coordinates of
                its hidden state, scaled to length one, in orthogonal directions.
            lengths: [n], the lengths of the hidden states.

        Raises:
            ValueError: no such hidden state, set before, no points were set, a wrong shape, or a
                value that is no number.
        """
        points = self._sections.get(sections.VECTOR_POINTS)
        if points is None:
            raise ValueError("vectors need their points first")
        sections.optional(f"coordinates/{layer:d}", self._meta)  # whether there is such a state
        stored, steps = pack_vectors(vectors)
        sizes = np.asarray(lengths, dtype=np.float32)
        sizes = np.asarray(lengths, dtype=np.float32)
        if not (np.isfinite(sizes).all() and (sizes >= 0).all()):
            raise ValueError(f"the lengths of layer {layer} are not numbers from 0 up")
        if len(stored) != points.count or sizes.shape != (points.count,):
            raise ValueError(f"{points.count} vectors and lengths were expected")
        size = self._meta.vector_size or stored.shape[1]
        if stored.shape[1] != size:
            raise ValueError(f"vectors of {size} numbers were expected, not of {stored.shape[1]}")
        self._meta = dataclasses.replace(self._meta, vector_size=size)
        self._set(f"{sections.VECTORS}/{layer:d}", stored)
        self._set(f"{sections.VECTOR_STEPS}/{layer:d}", steps)
        self._set(f"{sections.VECTOR_LENGTHS}/{layer:d}", sizes)

    def set_vector_quality(self, name: str, values: npt.ArrayLike) -> None:
        """How much the vectors keep, one value per hidden state: [layers + 1]; NaN if undefined.

        Raises:
            ValueError: set before, or a wrong shape.
        """
        self._set(f"{sections.VECTOR_QUALITY}/{name}", np.asarray(values, dtype=np.float32))

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
        with about(f"attention of example {example_row}"):
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
        with about(f"attention of example {example_row}"):
            info = self._attention.check(example_row, kind)
            packed = packing.pack_sparse_attention(info, indices, weights, rest, keys)
            self._attention.put(int(example_row), packed)

    def add_packed_attention(self, example_row: int, packed: packing.PackedAttention) -> None:
        """Attention weights of one example as ``pack_attention`` packed them; in any order.

        The weights are written as they are: neither encoded nor checked again.

        Raises:
            ValueError: no such example or kind, a wrong shape, or added before.
        """
        with about(f"attention of example {example_row}"):
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
        with about(f"value norms of example {example_row}"):
            values = np.asarray(norms, dtype=np.float32)
            self._attention.add_norms(int(example_row), values, kind)


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
