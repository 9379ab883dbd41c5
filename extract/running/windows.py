"""Running the windows of a run: batches by length, halved where memory is short, parts on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from collateral import layout
from collateral.schema import Tokens

from .. import plugins
from ..data.batching import batches
from ..data.encoding import source_of
from ..errors import ExtractError, OutOfMemory, is_out_of_memory
from ..metrics.words import scored_heads
from ..progress import Advance
from ..tasks.base import NOWHERE, Placed, Rows, Values
from . import checking
from .forward import Outcome, Runner, size_of
from .keeping import LARGEST_MAP, map_bytes
from .parts import Part, PartWriter, Workspace, table
from .prepare import Prepared

T = TypeVar("T")

WINDOW = 256
"""Examples of a window: they are sorted by length together, and end in one part."""


def windows(examples: int) -> list[range]:
    """The rows of each window."""
    return [range(at, min(at + WINDOW, examples)) for at in range(0, examples, WINDOW)]


class WindowRunner:
    """Runs windows one after another; remembers the batch size that memory allows."""

    def __init__(self, ready: Prepared, runner: Runner, workspace: Workspace, kept: int) -> None:
        """Prepares.

        Args:
            ready: what is run.
            runner: runs a batch.
            workspace: takes the parts.
            kept: the first so many examples keep their attention maps.
        """
        self._ready, self._runner, self._workspace, self._kept = ready, runner, workspace, kept
        self._size = runner.options.batch_size
        self._notes: list[str] = []

    def run(self, number: int, rows: range, advance: Advance) -> None:
        """Runs one window and writes its part.

        Raises:
            ExtractError: a batch of one text failed, or the part cannot be written.
        """
        ready = self._ready
        self._notes = []
        placed = self._extended(ready.place(rows), advance)
        keep = [row < self._kept for row in rows]
        lengths = [len(one.encoded) for one in placed]
        sizes = self._map_sizes(placed, keep)
        found: dict[int, Found] = {}

        def attempt(part: Sequence[int]) -> list[Outcome]:
            return self._runner.run([placed[i] for i in part], [keep[i] for i in part])

        with self._workspace.writing(number) as writer:
            for batch in batches(lengths, self._size, sizes.__getitem__):
                for i, outcome in self._in_parts(batch, placed, attempt):
                    found[i] = _found(ready, outcome, writer)
                    advance(1)
            with plugins.answering(type(ready.task), "its rows"):
                writer.finish(self._part([found[i] for i in range(len(placed))]))

    def _extended(self, before: Sequence[Placed[Any]], advance: Advance) -> Sequence[Placed[Any]]:
        """The examples with what the model writes; that is done in batches, and each text counts.

        Raises:
            ExtractError: memory is too small for one text.
        """
        ready = self._ready
        task, loaded = ready.task, ready.loaded
        if not self._runner.options.generate:
            return checking.extended(task, before, task.extend(before, loaded))
        found: dict[int, Placed[Any]] = {}

        def attempt(part: Sequence[int]) -> list[Placed[Any]]:
            some = [before[i] for i in part]
            return checking.extended(task, some, task.extend(some, loaded))

        lengths = [len(one.encoded) for one in before]
        for batch in batches(lengths, self._size, lambda _: 0):
            for i, one in self._in_parts(batch, before, attempt):
                found[i] = one
                advance(1)
        return [found[i] for i in range(len(before))]

    def _map_sizes(self, placed: Sequence[Placed[Any]], keep: Sequence[bool]) -> list[int]:
        """Bytes of the maps that are kept of each example.

        Raises:
            ExtractError: those of one are more than a file holds.
        """
        kinds, options = self._ready.loaded.kinds, self._runner.options
        sizes = [
            map_bytes(kinds, one.encoded, options) if kept else 0
            for one, kept in zip(placed, keep, strict=True)
        ]
        for one, size in zip(placed, sizes, strict=True):
            if size > LARGEST_MAP:
                raise ExtractError(
                    f"The attention maps of text {one.id} ({len(one.encoded)} tokens) would take "
                    f"{size / 1e9:.1f} GB, more than a file holds of one; keep fewer weights with "
                    "--attention-top K, or fewer texts' with --attention."
                )
        return sizes

    def _in_parts(
        self,
        batch: Sequence[int],
        placed: Sequence[Placed[Any]],
        attempt: Callable[[Sequence[int]], Sequence[T]],
    ) -> Iterator[tuple[int, T]]:
        """Does a batch, in smaller ones where memory is short; from there on all are smaller."""
        rest = list(batch)
        while rest:
            part = rest[: self._size]
            found = _attempted(attempt, part)
            if found is None:
                # only now is the memory of the failed batch free
                self._halve([placed[i] for i in part])
                continue
            rest = rest[len(part) :]
            yield from zip(part, found, strict=True)

    def _halve(self, batch: Sequence[Placed[Any]]) -> None:
        device = self._runner.loaded.device
        if len(batch) == 1:
            options = ["--max-length", *["--generate"] * (self._runner.options.generate > 0)]
            raise ExtractError(
                f"The memory of {device} is too small for {size_of(batch)}; lower "
                f"{', '.join(options)}, or --attention."
            )
        self._size = len(batch) // 2
        self._notes = [
            f"The memory of {device} was too small for {size_of(batch)} at once; from there on "
            f"batches held {self._size}."
        ]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _part(self, found: Sequence[Found]) -> Part:
        outcomes = [one.outcome for one in found]
        names = self._runner.names.values()
        measures = self._ready.task.measures
        distances = np.concatenate([one.distances for one in outcomes], axis=1)
        return Part(
            points=sum(len(one.placed.points) for one in outcomes),
            sparse=sum(_is_sparse(one.record) for one in found),
            notes=list(self._notes),
            examples=[one.record for one in found],
            tables={
                name: table(
                    [(i, *row) for i, one in enumerate(found) for row in one.rows[name]], width
                )
                for name, width in (("points", 2), ("pairs", 8), ("items", 2))
            },
            example_metrics={
                name: np.stack([one.example_metrics[name] for one in outcomes])
                for of in names
                for name in (*of.example.values(), *of.words.values())
            },
            pair_metrics={
                name: np.concatenate([one.pair_metrics[name] for one in outcomes])
                for of in names
                for name in of.pair.values()
            },
            distances={m.name: d for m, d in zip(measures, distances, strict=True)},
        )


def _attempted(
    attempt: Callable[[Sequence[int]], Sequence[T]], part: Sequence[int]
) -> Sequence[T] | None:
    """What came of a part of a batch; None if memory is too small for it."""
    try:
        return attempt(part)
    except OutOfMemory:
        return None
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            return None
        raise


@dataclass(frozen=True, eq=False)
class Found:
    """What is kept of an example until its window is done.

    Attributes:
        outcome: without what was written already.
        record: the example as plain values.
        rows: of each table, where a row is and its values.
    """

    outcome: Outcome
    record: dict[str, Any]
    rows: Mapping[str, list[tuple[Sequence[int], Values]]]


def _found(ready: Prepared, outcome: Outcome, writer: PartWriter) -> Found:
    """Writes the large things of an example."""
    one = outcome.placed
    rows = checking.rows(ready.task, one, ready.task.rows(one, outcome.predicted))
    tokens = one.encoded.tokens(ready.loaded.tokenizer)
    empty = np.zeros((0, 0, 0), np.float32)
    return Found(
        replace(outcome, points=empty, predicted=None, maps={}, norms={}, hits=None),
        _record(ready, outcome, rows, tokens, writer),
        _rows_of(one, rows, tokens.texts),
    )


def _record(
    ready: Prepared, outcome: Outcome, rows: Rows, tokens: Tokens, writer: PartWriter
) -> dict[str, Any]:
    """An example as plain values; its large things are written."""
    one = outcome.placed
    maps = {
        kind: {
            "encoding": packed.encoding,
            "shape": list(packed.shape),
            "checksums": packed.checksums,
            "at": writer.add(packed.data),
        }
        for kind, packed in outcome.maps.items()
    }
    return {
        "id": one.id,
        "text": one.text,
        "source": source_of(one.encoded) if len(ready.loaded.sides) > 1 else None,
        "tokens": [list(tokens.texts), tokens.offsets, tokens.special, tokens.words],
        "values": rows.example,
        "tally": dict(rows.tally),
        "maps": maps,
        "norms": {kind: writer.add_array(norms) for kind, norms in outcome.norms.items()},
        "points": len(one.points),
        "vectors": writer.add_array(outcome.points),
        "arcs": _arcs(one, outcome),
    }


def _rows_of(
    one: Placed[Any], rows: Rows, texts: Sequence[str]
) -> dict[str, list[tuple[Sequence[int], Values]]]:
    """Of each table, where a row is and its values, with those that every table has."""
    places = one.items or [NOWHERE] * len(rows.items)
    return {
        "points": [
            (span, {**values, "text": " ".join(texts[slice(*span)])})
            for span, values in zip(one.points, rows.points, strict=True)
        ],
        "pairs": [
            ((*pair.span1, *pair.span2, *pair.points1, *pair.points2), {**values, "id": pair.id})
            for pair, values in zip(one.pairs, rows.pairs, strict=True)
        ],
        "items": [
            (span, {"text": " ".join(texts[slice(*span)]), **values})
            for span, values in zip(places, rows.items, strict=True)
        ],
    }


def _is_sparse(record: Mapping[str, Any]) -> bool:
    return any(packed["encoding"] in layout.SPARSE for packed in record["maps"].values())


def _arcs(one: Placed[Any], outcome: Outcome) -> dict[str, Any] | None:
    """Which heads find the gold relations of an example: the relations, and bits."""
    if outcome.hits is None or one.words is None or one.words.heads is None:
        return None
    return {
        "relations": list(one.words.relations) or [""] * len(one.words.heads),
        "heads": scored_heads(one.words),
        "hits": np.packbits(outcome.hits),
        "shape": list(outcome.hits.shape),
    }
