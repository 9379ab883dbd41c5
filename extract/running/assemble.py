"""From the parts of a run to one collateral file: rows in order, then the maps of the points."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import collateral
from collateral import Meta, Tokens, Writer
from collateral.packing import PackedAttention
from collateral.schema import Metric

from ..maps.vectors import VectorStore
from ..metrics import EXAMPLE_METRICS, PAIR_METRICS
from ..metrics.base import of_kind
from ..tasks.base import Tables
from .forward import MetricNames
from .parts import Large, Part, Table, Workspace
from .prepare import Prepared


@dataclasses.dataclass
class Counts:
    """What was written.

    Attributes:
        texts, pairs, points, items: rows of the tables.
        maps: texts whose attention maps were kept.
        total: sums of the examples' tallies.
    """

    texts: int = 0
    pairs: int = 0
    points: int = 0
    items: int = 0
    maps: int = 0
    total: Counter[str] = dataclasses.field(default_factory=Counter)


def described_metrics(
    names: Mapping[str, MetricNames], baselines: Mapping[str, float]
) -> list[Metric]:
    """The head metrics of a run as the file states them.

    Args:
        names: the metrics of each kind of attention.
        baselines: what an uninformed head would score, known only of this data: name in the
            registry to mean.
    """
    several = len(names) > 1
    found = []
    for kind, metrics in names.items():
        for name in (*metrics.example, *metrics.words, *metrics.pair):
            registered = EXAMPLE_METRICS.get(name) or PAIR_METRICS[name]
            description = of_kind(registered.description, kind, several=several)
            if name in baselines:
                description = dataclasses.replace(description, baseline=baselines[name])
            found.append(description)
    # those of pairs first: they are what a task is about
    return sorted(found, key=lambda metric: metric.unit != "pair") if several else found


def create(
    output: Path, meta: Meta, ready: Prepared, tables: Tables, metrics: list[Metric]
) -> Writer:
    """A writer with the columns, metrics and measures of a run."""
    return collateral.create(
        output,
        meta,
        examples=tables.examples,
        points=tables.points,
        pairs=tables.pairs,
        items=tables.items or None,
        metrics=metrics,
        measures=ready.task.measures,
    )


class Assembly:
    """Writes the rows of all parts, in order, and gathers the vectors of their points."""

    def __init__(self, writer: Writer, workspace: Workspace, vectors: VectorStore) -> None:
        self.counts = Counts()
        self._writer, self._workspace, self._vectors = writer, workspace, vectors

    def add(self, window: int) -> Part:
        """Writes one part's rows; gives the part for whoever wants more of it."""
        part = self._workspace.read(window)
        row, point = self.counts.texts, self.counts.points
        with self._workspace.large(window) as large:
            for record in part.examples:
                self._add_example(record, large)
        first = [point]
        for record in part.examples:
            first.append(first[-1] + record["points"])
        self._add_rows(part.tables, row, np.array(first, dtype=np.int32))
        for name, block in (*part.example_metrics.items(), *part.pair_metrics.items()):
            self._writer.append_metric(name, block)
        for name, block in part.distances.items():
            self._writer.append_distances(name, block)
        return part

    def _add_example(self, record: Mapping[str, Any], large: Large) -> None:
        writer, counts = self._writer, self.counts
        texts, offsets, special, words = record["tokens"]
        tokens = Tokens(tuple(texts), offsets, special, words)
        row = writer.add_example(
            record["id"],
            record["text"],
            tokens,
            source_tokens=record["source"],
            **record["values"],
        )
        self._add_attention(row, record, large)
        self._vectors.append(large.array(record["vectors"]))
        counts.texts += 1
        counts.points += record["points"]
        counts.maps += bool(record["maps"])
        counts.total.update(record["tally"])

    def _add_rows(
        self, tables: Mapping[str, Table], row: int, first_points: npt.NDArray[np.int32]
    ) -> None:
        """Writes the points, pairs and items of a part.

        Args:
            tables: of the part.
            row: of its first example.
            first_points: the row of each example's first point.
        """
        writer = self._writer
        points, pairs, items = (tables[name] for name in ("points", "pairs", "items"))
        if len(points["examples"]):
            writer.add_points(_from(points, row), points["places"].tolist(), points["values"])
        if len(pairs["examples"]):
            spans = pairs["places"].reshape(-1, 4, 2).copy()
            spans[:, 2:] += first_points[pairs["examples"]][:, None, None]
            one, two, points1, points2 = (spans[:, i].tolist() for i in range(4))
            values = dict(pairs["values"])
            ids = values.pop("id")
            writer.add_pairs(ids, _from(pairs, row), (one, two), (points1, points2), values)
        if len(items["examples"]):
            writer.add_items(_from(items, row), items["places"].tolist(), items["values"])
        self.counts.pairs += len(pairs["examples"])
        self.counts.items += len(items["examples"])

    def _add_attention(self, row: int, record: Mapping[str, Any], large: Large) -> None:
        for kind, packed in record["maps"].items():
            self._writer.add_packed_attention(
                row,
                PackedAttention(
                    kind,
                    packed["encoding"],
                    tuple(packed["shape"]),
                    packed["checksums"],
                    large.read(*packed["at"]),
                ),
            )
        for kind, norms in record["norms"].items():
            self._writer.add_value_norms(row, large.array(norms), kind)


def _from(table: Table, row: int) -> list[int]:
    """Whose rows they are, if the part's first example is ``row``."""
    found: list[int] = (table["examples"] + row).tolist()
    return found


def arcs_of(part: Part) -> Iterator[Mapping[str, Any]]:
    """The gold relations of a part's examples, with which heads find each."""
    for record in part.examples:
        arcs = record["arcs"]
        if arcs is not None:
            size = int(np.prod(arcs["shape"]))
            hits = np.unpackbits(arcs["hits"], count=size).astype(bool).reshape(arcs["shape"])
            yield {**arcs, "hits": hits}
