"""Head metrics of a pair of spans: attention of one span's tokens to the other's, both ways.

"Candidate" is span 1 of a pair, "pronoun" span 2. Source: Lal et al. 2021 (InterpreT) for the
maximum; mass and its excess over uniform attention stand beside it, because a maximum grows with
the size of the spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from collateral.schema import Metric

from .attention import BatchShape
from .base import PAIR_METRICS, pair_metric

Range = tuple[int, int]


@dataclass(frozen=True)
class SpanIndex:
    """Token positions of one span for each of several pairs, as a padded table.

    Attributes:
        positions: int64 [pairs, longest]; the last position repeats in the padding.
        real: bool [pairs, longest], False in the padding.
    """

    positions: torch.Tensor
    real: torch.Tensor

    @classmethod
    def of(cls, ranges: Sequence[Range], device: torch.device | str = "cpu") -> SpanIndex:
        """The table for half-open ranges of tokens."""
        starts = torch.tensor([start for start, _ in ranges], dtype=torch.int64)
        sizes = torch.tensor([stop - start for start, stop in ranges], dtype=torch.int64)
        steps = torch.arange(int(sizes.max()) if len(ranges) else 0)
        positions = starts[:, None] + torch.minimum(steps[None, :], sizes[:, None] - 1)
        return cls(positions.to(device), (steps[None, :] < sizes[:, None]).to(device))

    def mean(self, states: torch.Tensor, examples: torch.Tensor) -> torch.Tensor:
        """Mean over each span of states [batch, tokens, width] → float32 [pairs, width]."""
        vectors = states[examples[:, None], self.positions].to(torch.float32)
        vectors = vectors * self.real[:, :, None]
        return vectors.sum(1) / self.real.sum(1, keepdim=True)


@dataclass(frozen=True)
class PairIndex:
    """Where the pairs of a batch are.

    Attributes:
        examples: int64 [pairs], example of each pair within the batch.
        first, second: tokens of span 1 and of span 2.
    """

    examples: torch.Tensor
    first: SpanIndex
    second: SpanIndex

    @classmethod
    def of(
        cls,
        examples: Sequence[int],
        first: Sequence[Range],
        second: Sequence[Range],
        device: torch.device | str = "cpu",
    ) -> PairIndex:
        """The index for pairs given as lists."""
        at = torch.tensor(list(examples), dtype=torch.int64, device=device)
        return cls(at, SpanIndex.of(first, device), SpanIndex.of(second, device))


class BlockView:
    """Attention of one span to another for several pairs: rows × columns of one layer.

    Attributes:
        block: float32 [pairs, rows, columns, heads], with repeats in the padding.
        row_real: bool [pairs, rows].
        column_real: bool [pairs, columns].
    """

    def __init__(
        self,
        weights: torch.Tensor,
        shape: BatchShape,
        examples: torch.Tensor,
        rows: SpanIndex,
        columns: SpanIndex,
    ) -> None:
        at, i, j = (
            examples[:, None, None],
            rows.positions[:, :, None],
            columns.positions[:, None, :],
        )
        self.block = weights.permute(0, 2, 3, 1)[at, i, j].to(torch.float32)
        self.row_real, self.column_real = rows.real, columns.real
        self._shape, self._at, self._i, self._j = shape, at, i, j

    @cached_property
    def mass(self) -> torch.Tensor:
        """mean_{i in rows} Σ_{j in columns} A_ij, [pairs, heads]."""
        real = (self.row_real[:, :, None] & self.column_real[:, None, :])[..., None]
        return (self.block * real).sum((1, 2)) / self.row_real.sum(1, keepdim=True)

    @cached_property
    def uniform(self) -> torch.Tensor:
        """The same for a head that looks alike at all keys a row can see, [pairs, 1]."""
        seen = self.column_real[:, None, :] & self.row_real[:, :, None]
        if self._shape.causal:
            seen = seen & (self._j <= self._i)
        share = seen.sum(-1) / self._shape.visible[self._at[..., 0], self._i[..., 0]]
        return (share.sum(1) / self.row_real.sum(1))[:, None]


def compute(
    weights: torch.Tensor, shape: BatchShape, pairs: PairIndex, names: tuple[str, ...]
) -> torch.Tensor:
    """Pair metrics of one layer.

    Args:
        weights: [batch, heads, tokens, tokens].
        shape: lengths, separators, causality.
        pairs: where the pairs are.
        names: metrics of :data:`~extract.metrics.base.PAIR_METRICS`.

    Returns:
        float32 [metrics, pairs, heads].
    """
    ways = {
        False: BlockView(weights, shape, pairs.examples, pairs.first, pairs.second),
        True: BlockView(weights, shape, pairs.examples, pairs.second, pairs.first),
    }
    metrics = [PAIR_METRICS[name] for name in names]
    return torch.stack([metric.function(ways[metric.reverse]) for metric in metrics])


def span_distances(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Cosine and Euclidean distance between rows.

    Args:
        u, v: float32 [pairs, width], means over the spans.

    Returns:
        float32 [2, pairs]: 1 − cos(u, v), NaN where a vector is zero, and ‖u − v‖.
    """
    lengths = torch.linalg.vector_norm(u, dim=-1) * torch.linalg.vector_norm(v, dim=-1)
    cosine = 1 - (u * v).sum(-1) / lengths
    return torch.stack([cosine.clamp(0.0, 2.0), torch.linalg.vector_norm(u - v, dim=-1)])


def _directions(
    form: str, title: str, low: float, baseline: float | None, meaning: str, source: str
) -> tuple[Metric, Metric]:
    """Descriptions for candidate→pronoun and pronoun→candidate."""
    made = []
    for rows, columns in (("candidate", "pronoun"), ("pronoun", "candidate")):
        made.append(
            Metric(
                f"intensity_{rows}_{columns}_{form}",
                f"intensity {rows}→{columns} ({title})",
                unit="pair",
                low=low,
                high=1.0,
                baseline=baseline,
                meaning=meaning.format(rows=rows, columns=columns),
                source=source,
            )
        )
    return made[0], made[1]


@pair_metric(
    *_directions(
        "max",
        "max",
        0.0,
        None,
        "Largest weight from a word piece of the {rows} to one of the {columns}. High: the head "
        "links the two.",
        "Lal et al. 2021, InterpreT: max of A over rows × columns of the spans",
    )
)
def intensity_max(view: BlockView) -> torch.Tensor:
    """max_{i in rows, j in columns} A_ij; repeats in the padding change no maximum."""
    return view.block.amax((1, 2))


@pair_metric(
    *_directions(
        "mass",
        "mass",
        0.0,
        None,
        "Share of its attention that a word piece of the {rows} gives to the {columns}, mean over "
        "the {rows}'s pieces. High: the head links the two.",
        "mean over rows i of the sum over columns j of A_ij",
    )
)
def intensity_mass(view: BlockView) -> torch.Tensor:
    """mean_{i in rows} Σ_{j in columns} A_ij."""
    return view.mass


@pair_metric(
    *_directions(
        "excess",
        "excess over uniform",
        -1.0,
        0.0,
        "The mass from {rows} to {columns} less what a head that looks everywhere alike would "
        "give. Above 0: more than chance by size.",
        "mass − |columns| / v, v the number of keys a row can see",
    )
)
def intensity_excess(view: BlockView) -> torch.Tensor:
    """mass − mean_{i in rows} |columns that i sees| / v_i."""
    return view.mass - view.uniform
