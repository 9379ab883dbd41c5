"""Head metrics of one example, from one layer's attention A [batch, heads, queries, keys].

Special tokens stay in, as rows and as columns, and nothing is renormalised, unless a metric says
otherwise; padding is left out. Each view is a small part of the batch, so that the passes over it
find it in the processor's cache, and shares what several metrics need.

Formulas: Clark et al. 2019 (What Does BERT Look At?), Voita et al. 2019 (Analyzing Multi-Head
Self-Attention), Vig and Belinkov 2019 (Analyzing the Structure of Attention), Lal et al. 2021
(InterpreT).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

from collateral.schema import Metric

from .base import EXAMPLE_METRICS, example_metric

CHUNK = 1 << 17
"""Weights per view on a CPU: half a MiB of float32, so that it stays in the second-level cache."""


@dataclass(frozen=True)
class BatchShape:
    """What is known of a padded batch beside its attention; padding is on the right.

    Attributes:
        lengths: int64 [batch], tokens of each example.
        separators: bool [batch, tokens], where the separator token stands.
        causal: whether a row sees only itself and what is before it.
    """

    lengths: torch.Tensor
    separators: torch.Tensor
    causal: bool

    @cached_property
    def rows(self) -> torch.Tensor:
        """bool [batch, tokens], True for real tokens."""
        tokens = self.separators.shape[1]
        return torch.arange(tokens, device=self.lengths.device) < self.lengths[:, None]

    @cached_property
    def visible(self) -> torch.Tensor:
        """float32 [batch, tokens]: how many keys a row sees (v_i); 1 in padding."""
        tokens = self.separators.shape[1]
        if self.causal:
            counts = torch.arange(1, tokens + 1, device=self.lengths.device).expand_as(self.rows)
        else:
            counts = self.lengths[:, None].expand_as(self.rows)
        return torch.where(self.rows, counts, 1).to(torch.float32)

    @cached_property
    def distance(self) -> torch.Tensor:
        """float32 [tokens, tokens]: |i − j|."""
        at = torch.arange(self.separators.shape[1], device=self.lengths.device)
        return (at[:, None] - at[None, :]).abs().to(torch.float32)

    @cached_property
    def other_columns(self) -> torch.Tensor:
        """float32 [batch, 1, 1, tokens]: 0 for separators, 1 for all else."""
        return (~self.separators).to(torch.float32)[:, None, None, :]

    def part(self, start: int, stop: int) -> BatchShape:
        """The shape of some of the examples."""
        return BatchShape(self.lengths[start:stop], self.separators[start:stop], self.causal)


class AttentionView:
    """Attention of some examples and heads of one layer, and what metrics compute from it.

    Attributes:
        weights: float32 [b, h, tokens, tokens].
        shape: what is known of these b examples.
    """

    def __init__(self, weights: torch.Tensor, shape: BatchShape) -> None:
        self.weights = weights
        self.shape = shape

    def row_mean(self, values: torch.Tensor, among: torch.Tensor | None = None) -> torch.Tensor:
        """Mean over rows of [b, h, tokens] → [b, h]; NaN where there is no row.

        Args:
            values: one number per row; whatever stands in other rows is passed over.
            among: bool [b, tokens], the rows that count; real tokens if not given.
        """
        among = self.shape.rows if among is None else among
        total = torch.where(among[:, None, :], values, 0.0).sum(-1)
        return total / among.sum(-1, keepdim=True)

    def row_error(self) -> torch.Tensor:
        """How far the sum of a row over real tokens is from one at most; NaN if one is NaN."""
        error = (self.column_sums[..., 0] - 1).abs()
        return torch.where(self.shape.rows[:, None, :], error, 0.0).amax()

    @cached_property
    def column_sums(self) -> torch.Tensor:
        """Σ_j A_ij over real tokens and over separators, [b, h, tokens, 2]; one pass for both."""
        columns = torch.stack([self.shape.rows, self.shape.separators], dim=-1)
        return self.weights @ columns.to(torch.float32)[:, None]

    @cached_property
    def squares(self) -> torch.Tensor:
        """Σ_j A_ij², [b, h, tokens]."""
        norms: torch.Tensor = torch.linalg.vector_norm(self.weights, dim=-1)
        return norms.square()

    @cached_property
    def entropy(self) -> torch.Tensor:
        """−Σ_j A_ij ln A_ij in nats with 0 · ln 0 = 0, [b, h, tokens]."""
        # the smallest normal number stands in for 0: its logarithm is finite and 0 times it is 0
        logs = self.weights.clamp_min(torch.finfo(torch.float32).tiny).log_()
        return -(logs.mul_(self.weights)).sum(-1)

    @cached_property
    def spread(self) -> torch.Tensor:
        """Σ_j A_ij² − 1/v_i, [b, h, tokens]: squared distance of a row from uniform; ≥ 0."""
        return (self.squares - 1 / self.shape.visible[:, None, :]).clamp_min(0.0)


def views(weights: torch.Tensor, shape: BatchShape) -> Iterator[tuple[slice, slice, AttentionView]]:
    """One layer's attention in parts: slices of examples and of heads, and the view of them."""
    batch, heads, tokens, _ = weights.shape
    size = CHUNK if weights.device.type == "cpu" else 1 << 27
    step = max(1, size // (heads * tokens * tokens))
    head_step = heads if step > 1 else max(1, min(heads, size // (tokens * tokens)))
    for start in range(0, batch, step):
        examples = slice(start, min(start + step, batch))
        part = shape.part(examples.start, examples.stop)
        for first in range(0, heads, head_step):
            some = slice(first, min(first + head_step, heads))
            block = weights[examples, some].to(torch.float32)
            yield examples, some, AttentionView(block, part)


def compute(
    weights: torch.Tensor,
    shape: BatchShape,
    names: tuple[str, ...],
    check: Callable[[torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Example metrics of one layer.

    Args:
        weights: [batch, heads, tokens, tokens].
        shape: lengths, separators, causality.
        names: metrics of :data:`~extract.metrics.base.EXAMPLE_METRICS`.
        check: is given, for every part, how far a row's sum over real tokens is from one at most.

    Returns:
        float32 [metrics, batch, heads]; NaN where undefined.
    """
    found = weights.new_empty((len(names), *weights.shape[:2]), dtype=torch.float32)
    for examples, heads, view in views(weights, shape):
        if check is not None:
            check(view.row_error())
        for number, name in enumerate(names):
            found[number, examples, heads] = EXAMPLE_METRICS[name].function(view)
    return found


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
    return view.row_mean((view.weights * view.shape.other_columns).amax(-1))


def _offset(view: AttentionView, offset: int) -> torch.Tensor:
    """Mean over rows i where i + offset is a real token of A[i, i + offset]."""
    tokens = view.weights.shape[-1]
    values = view.weights.new_zeros(view.weights.shape[:-1])
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
    return view.row_mean(view.weights[..., 0], among)


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
    mass = view.row_mean(view.column_sums[..., 1])
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
    return view.row_mean((view.weights * view.shape.distance).sum(-1))
