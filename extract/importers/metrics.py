"""Head metrics of attention that is there already: the one door to :mod:`extract.metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from collateral.schema import AttentionKind, Metric

from ..metrics import EXAMPLE_METRICS, PAIR_METRICS
from ..metrics.base import example_metrics, of_kind
from ..metrics.layout import BatchLayout
from ..metrics.spans import PairIndex
from ..metrics.stats import AttentionStats
from .common import Range

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Block:
    """One layer of one example as the metrics are shown it."""

    layer: int
    weights: torch.Tensor
    mask: torch.Tensor | None
    scores: torch.Tensor | None = None

    @property
    def examples(self) -> slice:
        return slice(0, 1)

    @property
    def rows(self) -> slice:
        return slice(0, self.weights.shape[2])


class HeadMetrics:
    """The metrics of one kind of attention, for one example after another.

    Attributes:
        descriptions: of the example metrics, then of the pair metrics, as a file states them.
        examples: how many of them are example metrics.
    """

    def __init__(self, kind: AttentionKind, *, several: bool, pairs: bool) -> None:
        self._kind = kind
        self._same = kind.queries == kind.keys
        self._names = example_metrics(same=self._same, causal=kind.causal, ids=False)
        self._pair_names = (
            tuple(PAIR_METRICS) if pairs and self._same and kind.queries == "text" else ()
        )
        made = [EXAMPLE_METRICS[name].description for name in self._names]
        made += [PAIR_METRICS[name].description for name in self._pair_names]
        self.descriptions: tuple[Metric, ...] = tuple(
            of_kind(one, kind.name, several=several) for one in made
        )
        self.examples = len(self._names)

    def of(
        self, maps: Floats, separators: npt.NDArray[np.bool_], pairs: Sequence[tuple[Range, Range]]
    ) -> tuple[Floats, Floats]:
        """Metrics of one example.

        Args:
            maps: float32 [layers, heads, queries, keys].
            separators: bool [keys].
            pairs: token ranges of the spans of its pairs.

        Returns:
            float32 [example metrics, layers, heads] and [pair metrics, pairs, layers, heads]; NaN
            where undefined.
        """
        layers, heads, queries, keys = maps.shape
        layout = BatchLayout(
            [queries],
            None if self._same else [keys],
            causal=self._kind.causal,
            separators=separators[None],
        )
        index = None
        if pairs and self._pair_names:
            first, second = [one for one, _ in pairs], [two for _, two in pairs]
            index = PairIndex.of([0] * len(pairs), first, second)
        stats = AttentionStats(
            layout, layers, self._names, pair_metrics=self._pair_names, pairs=index
        )
        mask = _causal_mask(queries) if self._kind.causal else None
        for layer in range(layers):
            stats.add(_Block(layer, torch.from_numpy(maps[layer][None]), mask))
        found = stats.finish()
        example = found.example[:, 0].numpy()
        if index is None:
            return example, np.zeros((len(self._pair_names), 0, layers, heads), np.float32)
        return example, found.pair.numpy()


def _causal_mask(queries: int) -> torch.Tensor:
    """What hides the keys behind each row, as models make it: [1, 1, queries, keys]."""
    hidden = torch.ones(queries, queries, dtype=torch.bool).triu(1)
    mask = torch.zeros(queries, queries)
    return mask.masked_fill_(hidden, torch.finfo(torch.float32).min)[None, None]
