"""Attention of one kind for one batch, reduced block by block to head metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch

from .base import EXAMPLE_METRICS, PAIR_METRICS, RowsFunction, statistics_of
from .layout import BatchLayout, Block, Part, Rows, Seen, View
from .spans import PairIndex, SpanBlocks
from .words import WordIndex, WordStats

KEPT_STATISTICS = 1 << 24
"""Numbers of row statistics (64 MiB) that may wait for their layers' metrics to be made."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """What is left of one kind of attention of a batch.

    Attributes:
        example: float32 [metrics, batch, layers, heads]; NaN where undefined.
        pair: float32 [metrics, pairs, layers, heads]; NaN where undefined.
        row_error: how far the sum of a row over real keys is from one at most; NaN if one is NaN.
        hits: bool [2, batch, words, layers, heads], whether a head finds a word's gold head: first
            by where the word looks most, then by which word looks most at it; no words if none
            are known.
    """

    example: torch.Tensor
    pair: torch.Tensor
    row_error: torch.Tensor
    hits: torch.Tensor


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
        words: WordIndex | None = None,
    ) -> None:
        """Prepares for a batch.

        Args:
            layout: what is known of the batch.
            layers: attention layers of this kind.
            example_metrics, pair_metrics: names of registered metrics.
            pairs: where the pairs are, None if there are none.
            words: where the words are; None if not known, and metrics that need them are NaN.
        """
        self._layout, self._layers = layout, layers
        self._example_metrics, self._pair_metrics = tuple(example_metrics), tuple(pair_metrics)
        self._groups = statistics_of([*self._example_metrics, "entropy"])  # it comes with the sums
        self._names = tuple(name for group in self._groups for name in group.names)
        self._pairs = pairs if pair_metrics else None
        self._of_words = tuple(n for n in example_metrics if "words" in EXAMPLE_METRICS[n].needs)
        self._of_rows = tuple(n for n in example_metrics if n not in self._of_words)
        self._words = WordStats(layout, layers, self._of_words, words or WordIndex([]))
        self._spans: SpanBlocks | None = None
        self._heads = self._at_once = self._first = 0
        self._kept: list[list[Seen]] = []
        self._rows = torch.empty(0)
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
        while len(self._kept) <= layer:
            self._kept.append([])
        part = self._layout.part(block.examples, block.rows, block.weights.device)
        view = View(block, part)
        self._kept[layer].append(view.seen)
        room = self._rows[:, block.examples, layer, :, block.rows]
        at = 0
        for group in self._groups:
            size = len(group.names)
            found = group.function(view)
            room[at : at + size] = found if size > 1 else found[None]
            at += size
        if self._spans is not None:
            self._spans.add(view, layer)
        self._words.add(block)

    def finish(self) -> Reduced:
        """The metrics of the whole batch, on the device of the first layer."""
        if self._kept:
            self._flush()
        device = self._rows.device
        pairs = 0 if self._pairs is None else len(self._pairs.examples)
        if not self._pair:
            size = (len(self._pair_metrics), pairs, self._layers, self._heads)
            self._pair = [torch.zeros(size, device=device)]
        of_words, hits = self._words.finish(self._heads, device)
        names = [*self._of_rows, *self._of_words]
        order = [names.index(name) for name in self._example_metrics]
        return Reduced(
            torch.cat([torch.cat(self._example, 2), of_words])[order],
            torch.cat(self._pair, 2),
            torch.stack(self._errors).amax(),
            hits,
        )

    def _prepare(self, block: Block) -> None:
        """Makes room, now that the number of heads and the device are known."""
        self._heads = block.weights.shape[1]
        layout = self._layout
        size = len(self._names) * layout.batch * self._heads * layout.queries
        self._at_once = max(1, min(self._layers, KEPT_STATISTICS // size))
        self._rows = torch.zeros(
            (len(self._names), layout.batch, self._at_once, self._heads, layout.queries),
            device=block.weights.device,
        )
        if self._pairs is not None:
            self._spans = SpanBlocks(self._pairs, block.weights.device)
            self._spans.prepare(self._at_once, self._heads)

    def _flush(self) -> None:
        """Makes the metrics of the layers that were shown since the last time."""
        layers = len(self._kept)
        whole = self._layout.whole(self._rows.device)
        rows = self._rows[:, :, :layers].flatten(2, 3)  # a copy only for the last, smaller group
        rows.masked_fill_(~whole.real[:, None, :], 0.0)
        statistics = dict(zip(self._names, rows, strict=True))
        self._errors.append(
            torch.where(whole.real[:, None, :], (statistics["total"] - 1).abs(), 0.0).amax()
        )
        view = Rows(statistics, whole, self._visible(whole))
        shape = (self._layout.batch, layers, self._heads)
        if self._of_rows:
            found = [
                cast(RowsFunction, EXAMPLE_METRICS[name].function)(view).view(shape)
                for name in self._of_rows
            ]
            self._example.append(torch.stack(found))
        else:
            self._example.append(rows.new_zeros((0, *shape)))
        if self._spans is not None:
            self._pair.append(
                self._spans.finish([PAIR_METRICS[name] for name in self._pair_metrics], layers)
            )
        self._first += layers
        self._kept = []

    def _visible(self, whole: Part) -> torch.Tensor:
        """float32 [batch, 1 or layers · heads, rows] from what the blocks' masks show."""
        alike = all(
            len(one) == len(self._kept[0]) and all(map(_is, one, self._kept[0]))
            for one in self._kept
        )
        made = []
        for seen in self._kept[:1] if alike else self._kept:
            visible = torch.ones(whole.real.shape, device=whole.device)
            for one in seen:
                visible[one.part.examples, one.part.rows] = one.visible.to(whole.device)
            made.append(visible)
        joined = torch.stack(made, 1)
        return joined if alike else joined.repeat_interleave(self._heads, 1)


def _is(one: Seen, other: Seen) -> bool:
    return one is other
