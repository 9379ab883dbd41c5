"""Attention of one kind for one batch, reduced block by block to head metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch

from .base import EXAMPLE_METRICS, PAIR_METRICS, RowsFunction, checked, statistics_of
from .layout import BatchLayout, Block, Rows, View
from .spans import PairIndex, SpanBlocks

KEPT_STATISTICS = 1 << 24
"""Numbers of row statistics (64 MiB) that may wait for their layers' metrics to be made."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is left of one kind of attention of a batch.

    Attributes:
        example: float32 [metrics, batch, layers, heads]; NaN where undefined.
        pair: float32 [metrics, pairs, layers, heads]; NaN where undefined.
        row_error: how far the sum of a row over real keys is from one at most; NaN if one is NaN.
    """

    example: torch.Tensor
    pair: torch.Tensor
    row_error: torch.Tensor


class AttentionStats:
    """Reduces one kind of attention of one batch; shown every block of every layer, in order."""

    def __init__(
        self,
        layout: BatchLayout,
        layers: int,
        example_metrics: Sequence[str],
        *,
        pair_metrics: Sequence[str] = (),
        pairs: PairIndex | None = None,
    ) -> None:
        """Prepares for a batch.

        Args:
            layout: what is known of the batch.
            layers: attention layers of this kind.
            example_metrics: names of registered metrics; those that need words are for
                :class:`~extract.metrics.words.WordStats`.
            pair_metrics: names of registered metrics.
            pairs: where the pairs are, None if there are none.
        """
        self._layout, self._layers = layout, layers
        self._example_metrics, self._pair_metrics = tuple(example_metrics), tuple(pair_metrics)
        self._groups = statistics_of(
            [*self._example_metrics, "entropy"]
        )  # it brings the sums of rows
        self._names = tuple(name for group in self._groups for name in group.names)
        self._pairs = pairs if pair_metrics else None
        self._spans: SpanBlocks | None = None
        self._heads = self._at_once = self._first = 0
        self._filled = 0
        self._rows = self._visible = torch.empty(0)
        self._example: list[torch.Tensor] = []
        self._pair: list[torch.Tensor] = []
        self._errors: list[torch.Tensor] = []

    def add(self, block: Block) -> None:
        """Takes in one block; nothing of it is kept but numbers per row and per pair."""
        if not self._heads:
            self._prepare(block)
        if block.layer - self._first >= self._at_once:
            self._flush()
        layer = block.layer - self._first
        self._filled = layer + 1
        part = self._layout.part(block.examples, block.rows, block.weights.device)
        view = View(block, part)
        self._visible[block.examples, layer, block.rows] = view.seen.visible
        room = self._rows[:, block.examples, layer, :, block.rows]
        there = room.device == view.weights.device
        out = room if there else torch.empty_like(room, device=view.weights.device)
        at = 0
        for group in self._groups:
            group.fill(view, out[at : (at := at + len(group.names))])
        if not there:
            room.copy_(out)
        if self._spans is not None:
            self._spans.add(view, layer)

    def finish(self) -> Reduced:
        """The metrics of the whole batch, on the device of the first layer."""
        if self._filled:
            self._flush()
        device = self._rows.device
        pairs = 0 if self._pairs is None else len(self._pairs.examples)
        if not self._pair:
            size = (len(self._pair_metrics), pairs, self._layers, self._heads)
            self._pair = [torch.zeros(size, device=device)]
        return Reduced(
            torch.cat(self._example, 2), torch.cat(self._pair, 2), torch.stack(self._errors).amax()
        )

    def _prepare(self, block: Block) -> None:
        """Makes room, now that the number of heads and the device are known."""
        self._heads = block.weights.shape[1]
        layout = self._layout
        size = len(self._names) * layout.batch * self._heads * layout.queries
        self._at_once = max(1, min(self._layers, KEPT_STATISTICS // size))
        self._rows = torch.empty(
            (len(self._names), layout.batch, self._at_once, self._heads, layout.queries),
            device=block.weights.device,
        )
        self._visible = torch.ones(
            (layout.batch, self._at_once, layout.queries), device=block.weights.device
        )
        if self._pairs is not None:
            self._spans = SpanBlocks(self._pairs, block.weights.device)
            self._spans.prepare(self._at_once, self._heads)

    def _flush(self) -> None:
        """Makes the metrics of the layers that were shown since the last time."""
        layers, visible = self._filled, self._visible[:, : self._filled]
        whole = self._layout.whole(self._rows.device)
        rows = self._rows[:, :, :layers].flatten(2, 3)  # a copy only for the last, smaller group
        for example, length in enumerate(self._layout.query_lengths.tolist()):
            rows[:, example, :, length:] = 0.0  # few: a mask over all takes longer
        statistics = dict(zip(self._names, rows, strict=True))
        self._errors.append(((statistics["total"] - 1).abs() * whole.real[:, None, :]).amax())
        alike = bool((visible == visible[:, :1]).all())
        visible = visible[:, :1] if alike else visible.repeat_interleave(self._heads, 1)
        view = Rows(statistics, whole, visible)
        shape = (self._layout.batch, layers, self._heads)
        if self._example_metrics:
            found = [_example_metric(name, view, rows) for name in self._example_metrics]
            self._example.append(torch.stack(found).view(-1, *shape))
        else:
            self._example.append(rows.new_zeros((0, *shape)))
        if self._spans is not None:
            self._pair.append(
                self._spans.finish([PAIR_METRICS[name] for name in self._pair_metrics], layers)
            )
        self._first, self._filled = self._first + layers, 0


def _example_metric(name: str, view: Rows, rows: torch.Tensor) -> torch.Tensor:
    function = cast(RowsFunction, EXAMPLE_METRICS[name].function)
    return checked("metric", name, function, function(view), rows.shape[1:3])
