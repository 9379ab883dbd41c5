"""Head metrics of one example, from one layer's attention A [batch, heads, queries, keys].

Special tokens stay in, as rows and as columns, and nothing is renormalised, unless a metric says
otherwise; padding is left out. All that needs every weight is computed per row in one sweep, in
parts that fit into a processor's cache; metrics are means over those rows.

Formulas: Clark et al. 2019 (What Does BERT Look At?), Voita et al. 2019 (Analyzing Multi-Head
Self-Attention), Vig and Belinkov 2019 (Analyzing the Structure of Attention), Lal et al. 2021
(InterpreT).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from collateral.schema import Metric

from .base import EXAMPLE_METRICS, example_metric

CHUNK = 1 << 17
"""Weights per part of a sweep on a CPU: with a buffer of its size they fill a MiB of cache."""


@dataclass(frozen=True)
class BatchShape:
    """What is known of a padded batch beside its attention; padding is on the right.

    Attributes:
        lengths: int64 [batch], tokens of each example.
        separators: bool [batch, tokens], where the separator token stands.
        separator_columns: int64 [batch, most], their positions; 0 where there are fewer.
        shortest: tokens of the shortest example.
        causal: whether a row sees only itself and what is before it.
    """

    lengths: torch.Tensor
    separators: torch.Tensor
    separator_columns: torch.Tensor
    shortest: int
    causal: bool

    @classmethod
    def of(
        cls,
        lengths: Sequence[int],
        separators: npt.NDArray[np.bool_],
        causal: bool,
        device: torch.device | str = "cpu",
    ) -> BatchShape:
        """The shape for lengths and for marks [batch, tokens] of separators."""
        most = int(separators.sum(1).max())
        # a stable sort of "not a separator" brings the positions of separators to the front
        columns = np.argsort(~separators, axis=1, kind="stable")[:, :most]
        return cls(
            torch.tensor(list(lengths), device=device),
            torch.from_numpy(separators).to(device),
            torch.from_numpy(columns.astype(np.int64)).to(device),
            min(lengths),
            causal,
        )

    @property
    def tokens(self) -> int:
        """Tokens of the padded batch."""
        return self.separators.shape[1]

    @cached_property
    def rows(self) -> torch.Tensor:
        """bool [batch, tokens], True for real tokens."""
        return torch.arange(self.tokens, device=self.lengths.device) < self.lengths[:, None]

    @cached_property
    def visible(self) -> torch.Tensor:
        """float32 [batch, tokens]: how many keys a row sees (v_i); 1 in padding."""
        if self.causal:
            counts = torch.arange(1, self.tokens + 1, device=self.lengths.device)
        else:
            counts = self.lengths[:, None]
        return torch.where(self.rows, counts, 1).to(torch.float32)

    @cached_property
    def distance(self) -> torch.Tensor:
        """float32 [tokens, tokens]: |i − j|."""
        at = torch.arange(self.tokens, device=self.lengths.device)
        return (at[:, None] - at[None, :]).abs().to(torch.float32)

    @cached_property
    def other_columns(self) -> torch.Tensor:
        """float32 [batch, 1, 1, tokens]: 0 for separators, 1 for all else."""
        return (~self.separators).to(torch.float32)[:, None, None, :]


class AttentionView:
    """Attention of a batch in one layer, and what metrics compute from it.

    Attributes:
        weights: [batch, heads, tokens, tokens]; half precision is widened where it is summed.
        shape: what is known of the batch.
        total, squares, largest, distance, entropy: float32 [batch, heads, tokens], one number per
            row: Σ_j A_ij, Σ_j A_ij², the largest weight outside separator columns,
            Σ_j A_ij |i − j|, and −Σ_j A_ij ln A_ij in nats with 0 · ln 0 = 0.
    """

    def __init__(self, weights: torch.Tensor, shape: BatchShape) -> None:
        self.weights = weights
        self.shape = shape
        sums = weights.new_empty((5, *weights.shape[:3]), dtype=torch.float32)
        buffer = weights.new_empty(weights[0].numel() + CHUNK, dtype=torch.float32)
        for examples, heads in _parts(weights):
            block = weights[examples, heads].to(torch.float32)
            other = shape.other_columns[examples]
            room = buffer[: block.numel()].view(block.shape)
            _sweep(block, other, shape.distance, sums[:, examples, heads], room)
        self.total, self.squares, self.largest, self.distance, self.entropy = sums

    def row_mean(self, values: torch.Tensor, among: torch.Tensor | None = None) -> torch.Tensor:
        """Mean over rows of [batch, heads, tokens] → [batch, heads]; NaN where there is no row.

        Args:
            values: one number per row; whatever stands in other rows is passed over.
            among: bool [batch, tokens], the rows that count; real tokens if not given.
        """
        among = self.shape.rows if among is None else among
        total = torch.where(among[:, None, :], values, 0.0).sum(-1)
        return total / among.sum(-1, keepdim=True)

    @cached_property
    def separators(self) -> torch.Tensor:
        """Σ_j A_ij over separators, [batch, heads, tokens]."""
        columns = self.shape.separator_columns
        at = torch.arange(len(columns), device=columns.device)[:, None]
        real = self.shape.separators[at, columns]
        picked = self.weights.permute(0, 3, 1, 2)[at, columns].to(torch.float32)
        mass: torch.Tensor = (picked * real[:, :, None, None]).sum(1)
        return mass

    @property
    def row_error(self) -> torch.Tensor:
        """How far the sum of a row over real tokens is from one at most; NaN if one is NaN."""
        first = self.shape.shortest
        padding = (~self.shape.rows[:, first:]).to(torch.float32)[:, None, :, None]
        outside = (self.weights[..., first:].to(torch.float32) @ padding).squeeze(-1)
        error = (self.total - outside - 1).abs()
        return torch.where(self.shape.rows[:, None, :], error, 0.0).amax()

    @cached_property
    def spread(self) -> torch.Tensor:
        """Σ_j A_ij² − 1/v_i, [batch, heads, tokens]: squared distance from uniform; ≥ 0."""
        uniform = 1 / self.shape.visible[:, None, :]
        return torch.clamp_min(self.squares - uniform, 0.0)


def compute(view: AttentionView, names: tuple[str, ...]) -> torch.Tensor:
    """Example metrics of one layer.

    Args:
        view: attention of a batch.
        names: metrics of :data:`~extract.metrics.base.EXAMPLE_METRICS`.

    Returns:
        float32 [metrics, batch, heads]; NaN where undefined.
    """
    return torch.stack([EXAMPLE_METRICS[name].function(view) for name in names])


def _parts(weights: torch.Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of examples and of heads that hold few enough weights for one step of a sweep."""
    batch, heads, tokens, _ = weights.shape
    size = CHUNK if weights.device.type == "cpu" else 1 << 27
    examples_at_once = max(1, size // (heads * tokens * tokens))
    heads_at_once = heads if examples_at_once > 1 else max(1, size // (tokens * tokens))
    for example in range(0, batch, examples_at_once):
        for head in range(0, heads, heads_at_once):
            yield slice(example, example + examples_at_once), slice(head, head + heads_at_once)


def _sweep(
    block: torch.Tensor,
    other: torch.Tensor,
    distance: torch.Tensor,
    sums: torch.Tensor,
    room: torch.Tensor,
) -> None:
    """All that needs every weight, while a block [b, h, tokens, tokens] is in the cache.

    Args:
        block: float32 weights.
        other: float32 [b, 1, 1, tokens], 0 for separators.
        distance: float32 [tokens, tokens].
        sums: takes the results, [5, b, h, tokens].
        room: of the block's shape, to be overwritten.
    """
    sums[0] = block.sum(-1)
    norms: torch.Tensor = torch.linalg.vector_norm(block, dim=-1)
    sums[1] = norms.square()
    sums[2] = torch.mul(block, other, out=room).amax(-1)
    sums[3] = torch.mul(block, distance, out=room).sum(-1)
    # the smallest normal number stands in for 0: its logarithm is finite, and 0 times it is 0
    torch.clamp_min(block, torch.finfo(torch.float32).tiny, out=room)
    sums[4] = -room.log_().mul_(block).sum(-1)


_KEPT = " Special tokens count, as rows and as columns."


@example_metric(
    Metric(
        "std",
        "standard deviation",
        low=0.0,
        high=0.5,
        meaning="Standard deviation of all weights of the head in this text. High: the head "
        "picks few tokens; 0: it looks everywhere alike. Falls with its length: compare "
        "texts by the normalised form." + _KEPT,
        source="Lal et al. 2021, InterpreT: std(A) over queries and keys, ddof 0",
    )
)
def std(view: AttentionView) -> torch.Tensor:
    """std(A) = √(Σ_ij A_ij² / n² − 1/n²), as rows sum to one: no second pass for the mean."""
    n = view.shape.lengths.to(torch.float32)[:, None]
    return ((view.row_mean(view.squares) - 1 / n).clamp_min(0.0) / n).sqrt()


@example_metric(
    Metric(
        "std_normalised",
        "standard deviation, normalised",
        low=0.0,
        high=1.0,
        baseline=0.0,
        meaning="Spread of the rows between 0 (every row uniform) and 1 (every row on one token), "
        "whatever the length of the text. Undefined for a text of one token." + _KEPT,
        source="√((m − 1/n) / (1 − 1/n)), m = mean_i Σ_j A_ij²; std divided by √((1/n)(1 − 1/n)). "
        "Causal: per row with the keys it can see, rows that see one key left out",
    )
)
def std_normalised(view: AttentionView) -> torch.Tensor:
    """√(mean_i (Σ_j A_ij² − 1/v_i) / (1 − 1/v_i)) over rows with v_i > 1."""
    among = view.shape.rows & (view.shape.visible > 1)
    share = view.spread / (1 - 1 / view.shape.visible)[:, None, :]
    return view.row_mean(share, among).sqrt()


@example_metric(
    Metric(
        "entropy",
        "entropy",
        low=0.0,
        meaning="Mean entropy of the rows in nats. High: attention is spread over many tokens; 0: "
        "each token looks at one. exp(entropy) is the effective number of tokens looked at. Grows "
        "with the length of the text." + _KEPT,
        source="Clark et al. 2019: mean_i(−Σ_j A_ij ln A_ij), with 0 ln 0 = 0 and no smoothing",
    )
)
def entropy(view: AttentionView) -> torch.Tensor:
    """mean_i H_i, H_i = −Σ_j A_ij ln A_ij."""
    return view.row_mean(view.entropy)


@example_metric(
    Metric(
        "entropy_normalised",
        "entropy, normalised",
        low=0.0,
        high=1.0,
        baseline=1.0,
        meaning="Mean over rows of entropy divided by the logarithm of the number of tokens the "
        "row can see: 1 is uniform, 0 is one token, whatever the length. Undefined for a text of "
        "one token." + _KEPT,
        source="mean_i H_i / ln v_i over rows with v_i > 1",
    )
)
def entropy_normalised(view: AttentionView) -> torch.Tensor:
    """mean_i H_i / ln v_i over rows with v_i > 1."""
    among = view.shape.rows & (view.shape.visible > 1)
    return view.row_mean(view.entropy / view.shape.visible.log()[:, None, :], among)


@example_metric(
    Metric(
        "confidence",
        "confidence",
        low=0.0,
        high=1.0,
        meaning="Mean over all rows of the largest weight in the row, the separator's column left "
        "out and not renormalised. High: the head is sure where to look, and not at the separator. "
        "Rows of special tokens count.",
        source="Voita et al. 2019: mean_i max_j A_ij, end-of-sentence column excluded",
    )
)
def confidence(view: AttentionView) -> torch.Tensor:
    """mean_i max_{j not a separator} A_ij."""
    return view.row_mean(view.largest)


def _offset(view: AttentionView, offset: int) -> torch.Tensor:
    """Mean over rows i where i + offset is a real token of A[i, i + offset]."""
    tokens = view.weights.shape[-1]
    values = view.total.new_zeros(view.total.shape)
    if tokens > abs(offset):
        rows = slice(max(0, -offset), tokens - max(0, offset))
        values[..., rows] = view.weights.diagonal(offset, -2, -1)
    at = torch.arange(tokens, device=values.device)
    target = at + offset
    inside = (target >= 0) & (target < view.shape.lengths[:, None])
    return view.row_mean(values, view.shape.rows & inside)


def _positional(name: str, title: str, what: str, formula: str) -> Metric:
    return Metric(
        name,
        title,
        low=0.0,
        high=1.0,
        meaning=f"Mean weight on {what}. 1: the head always looks there. Rows without such a token "
        "are left out; undefined where there is none." + _KEPT,
        source=f"Clark et al. 2019, over the rows where it exists: {formula}",
    )


@example_metric(
    _positional("mass_previous", "mass on previous token", "the token before", "mean A[i, i−1]")
)
def mass_previous(view: AttentionView) -> torch.Tensor:
    """mean_{i ≥ 1} A[i, i − 1]."""
    return _offset(view, -1)


@example_metric(_positional("mass_same", "mass on same token", "the token itself", "mean A[i, i]"))
def mass_same(view: AttentionView) -> torch.Tensor:
    """mean_i A[i, i]."""
    return _offset(view, 0)


@example_metric(_positional("mass_next", "mass on next token", "the token after", "mean A[i, i+1]"))
def mass_next(view: AttentionView) -> torch.Tensor:
    """mean_{i < n − 1} A[i, i + 1]."""
    return _offset(view, 1)


@example_metric(
    _positional(
        "mass_first",
        "mass on first token",
        "the first token, from all others (an attention sink)",
        "mean over i ≥ 1 of A[i, 0]",
    )
)
def mass_first(view: AttentionView) -> torch.Tensor:
    """mean_{i ≥ 1} A[i, 0]."""
    among = view.shape.rows.clone()
    among[:, 0] = False
    return view.row_mean(view.weights[..., 0].to(torch.float32), among)


@example_metric(
    Metric(
        "mass_separator",
        "mass on separator",
        low=0.0,
        high=1.0,
        meaning="Mean over all rows, the separator's own among them, of the weight on separator "
        "tokens together. High: the head has little to do. Undefined without a separator.",
        source="Clark et al. 2019: mean_i Σ_{j in SEP} A_ij",
    )
)
def mass_separator(view: AttentionView) -> torch.Tensor:
    """mean_i Σ_{j in separators} A_ij; NaN for an example without one."""
    mass = view.row_mean(view.separators)
    some = view.shape.separators.any(-1, keepdim=True)
    return torch.where(some, mass, math.nan)


@example_metric(
    Metric(
        "mean_distance",
        "mean distance",
        low=0.0,
        meaning="How many tokens away the head looks on average. 0: at the token itself. Attention "
        "to the first token counts (Vig and Belinkov leave it out)." + _KEPT,
        source="Vig and Belinkov 2019: Σ_ij A_ij |i − j| / Σ_ij A_ij",
    )
)
def mean_distance(view: AttentionView) -> torch.Tensor:
    """mean_i Σ_j A_ij |i − j|, as rows sum to one."""
    return view.row_mean(view.distance)
