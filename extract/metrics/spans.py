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

from .base import PairMetric, checked, pair_metric
from .layout import Part, View

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

    def to(self, device: torch.device | str) -> SpanIndex:
        """The table on a device."""
        if self.positions.device == torch.device(device):
            return self
        return SpanIndex(self.positions.to(device), self.real.to(device))

    def without(self, left_out: torch.Tensor) -> SpanIndex:
        """The table without some tokens, for means; a span of such tokens alone keeps them.

        Args:
            left_out: bool [pairs, longest].
        """
        real = self.real & ~left_out
        return SpanIndex(self.positions, torch.where(real.any(1, keepdim=True), real, self.real))

    def mean(self, states: torch.Tensor, examples: torch.Tensor) -> torch.Tensor:
        """Mean over each span of states [batch, tokens, width] → float32 [pairs, width]."""
        spans, longest = self.positions.shape
        places = (examples[:, None] * states.shape[1] + self.positions).flatten()
        vectors = states.flatten(0, 1).index_select(0, places).to(torch.float32)
        if longest <= 1:
            return vectors
        vectors = vectors.view(spans, longest, states.shape[-1])
        return torch.bmm(self._shares[:, None, :], vectors).squeeze(1)

    @cached_property
    def _shares(self) -> torch.Tensor:
        """float32 [pairs, longest]: of each token in the mean over its span."""
        return self.real / self.real.sum(1, keepdim=True)


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

    def to(self, device: torch.device | str) -> PairIndex:
        """The index on a device."""
        if self.examples.device == torch.device(device):
            return self
        return PairIndex(self.examples.to(device), self.first.to(device), self.second.to(device))


class SpanView:
    """Attention of one span to another for several pairs: rows × columns, heads side by side.

    Attributes:
        block: float32 [pairs, rows, columns, heads], with repeats in the padding.
        row_real: bool [pairs, rows].
        column_real: bool [pairs, columns].
        seen: bool [pairs, rows, columns, 1 or heads], whether the row can see the column.
        visible: float32 [pairs, rows, 1 or heads], how many keys the row sees.
    """

    def __init__(
        self,
        block: torch.Tensor,
        row_real: torch.Tensor,
        column_real: torch.Tensor,
        seen: torch.Tensor,
        visible: torch.Tensor,
    ) -> None:
        self.block = block
        self.row_real, self.column_real = row_real, column_real
        self.seen, self.visible = seen, visible

    @cached_property
    def _real(self) -> torch.Tensor:
        return (self.row_real[:, :, None] & self.column_real[:, None, :])[..., None]

    @cached_property
    def mass(self) -> torch.Tensor:
        """mean_{i in rows} Σ_{j in columns} A_ij, [pairs, heads]."""
        return (self.block * self._real).sum((1, 2)) / self.row_real.sum(1, keepdim=True)

    @cached_property
    def uniform(self) -> torch.Tensor:
        """The same for a head that looks alike at all keys a row can see, [pairs, 1 or heads]."""
        share = (self.seen & self._real).sum(2) / self.visible
        return share.sum(1) / self.row_real.sum(1, keepdim=True)


class SpanBlocks:
    """Gathers the weights between the spans of pairs, both ways, from the blocks of a batch."""

    def __init__(self, pairs: PairIndex, device: torch.device) -> None:
        """Looks for the weights of these pairs; what is gathered is kept on ``device``."""
        self._pairs = pairs = pairs.to(device)
        self._device = device
        self._ways = ((pairs.first, pairs.second), (pairs.second, pairs.first))
        entries = []
        for rows, columns in self._ways:
            at = (
                pairs.examples[:, None, None],
                rows.positions[:, :, None],
                columns.positions[:, None, :],
            )
            shape = (len(pairs.examples), rows.positions.shape[1], columns.positions.shape[1])
            entries.append([one.expand(shape) for one in at])
        self._sizes = [one[0].numel() for one in entries]
        # example, row and key of every weight that is wanted, one direction after the other
        self._at = torch.stack([torch.cat([one[k].flatten() for one in entries]) for k in range(3)])
        self._weights = self._seen = self._visible = torch.empty(0)

    def prepare(self, layers: int, heads: int) -> None:
        """Makes room for the weights of so many layers at once."""
        size = self._at.shape[1]
        self._weights = torch.zeros((size, layers, heads), device=self._device)
        self._seen = torch.zeros((size, layers), dtype=torch.bool, device=self._device)
        self._visible = torch.ones((size, layers), device=self._device)

    def add(self, view: View, layer: int) -> None:
        """Takes what is wanted from one block, as layer number ``layer`` of those in the room."""
        where, example, row, key = self._within(view.part)
        if not len(where):
            return
        kept = view.seen.kept
        if self not in kept:
            seen, visible = view.seen.at(example, row, key), view.seen.visible[example, row]
            kept[self] = seen.to(self._device), visible.to(self._device)
        picked = view.weights.permute(0, 2, 3, 1)[example, row, key]
        self._weights[where, layer] = picked.to(self._device, torch.float32)
        self._seen[where, layer], self._visible[where, layer] = kept[self]

    def finish(self, metrics: Sequence[PairMetric], layers: int) -> torch.Tensor:
        """Pair metrics of the first ``layers`` layers, float32 [metrics, pairs, layers, heads]."""
        heads = self._weights.shape[2]
        views, start = [], 0
        for (rows, columns), size in zip(self._ways, self._sizes, strict=True):
            mine = slice(start, start := start + size)
            shape = (*rows.positions.shape, columns.positions.shape[1])
            seen = self._seen[mine, :layers].repeat_interleave(heads, 1).view(*shape, -1)
            visible = self._visible[mine, :layers].repeat_interleave(heads, 1).view(*shape, -1)
            views.append(
                SpanView(
                    self._weights[mine, :layers].reshape(*shape, -1),
                    rows.real,
                    columns.real,
                    seen,
                    visible[:, :, 0],
                )
            )
        shape = len(self._pairs.examples), layers * heads
        found = [_pair_metric(metric, views[metric.reverse], shape) for metric in metrics]
        return torch.stack(found).view(len(found), -1, layers, heads)

    def _within(self, part: Part) -> tuple[torch.Tensor, ...]:
        """Which weights stand in a part (on this device), and where in it (on the part's)."""
        found: tuple[torch.Tensor, ...] | None = part.kept.get(self)
        if found is None:
            example, row, key = self._at
            inside = (example >= part.examples.start) & (example < part.examples.stop)
            inside &= (row >= part.rows.start) & (row < part.rows.stop)
            where = inside.nonzero().squeeze(1)
            found = part.kept[self] = (
                where,
                (example[where] - part.examples.start).to(part.device),
                (row[where] - part.rows.start).to(part.device),
                key[where].to(part.device),
            )
        return found


def _pair_metric(metric: PairMetric, view: SpanView, shape: tuple[int, int]) -> torch.Tensor:
    function = metric.function
    return checked("metric", metric.description.name, function, function(view), shape)


def span_distances(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Cosine and Euclidean distance between rows.

    Args:
        u, v: float32 [pairs, width], means over the spans.

    Returns:
        float32 [2, pairs]: 1 − cos(u, v), NaN where a vector is zero, and ‖u − v‖.
    """
    cosine = 1 - (_directions_of(u) * _directions_of(v)).sum(-1)
    gap = u - v
    largest = gap.abs().amax(-1, keepdim=True)
    shares = gap / torch.where(largest > 0, largest, 1.0)
    euclid = torch.linalg.vector_norm(shares, dim=-1) * largest[:, 0]
    return torch.stack([cosine.clamp(0.0, 2.0), euclid])


def _directions_of(vectors: torch.Tensor) -> torch.Tensor:
    """Rows of length one; NaN where a vector is zero.

    Divided by their largest number first: the squares of huge or tiny ones are no numbers.
    """
    shares = vectors / vectors.abs().amax(-1, keepdim=True)
    lengths: torch.Tensor = torch.linalg.vector_norm(shares, dim=-1, keepdim=True)
    return shares / lengths


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
def intensity_max(view: SpanView) -> torch.Tensor:
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
def intensity_mass(view: SpanView) -> torch.Tensor:
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
def intensity_excess(view: SpanView) -> torch.Tensor:
    """mass − mean_{i in rows} |columns that i sees| / v_i."""
    return view.mass - view.uniform
