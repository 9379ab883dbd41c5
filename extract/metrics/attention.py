"""Head metrics of one example, made of row statistics of attention A [heads, queries, keys].

Special tokens stay in, as rows and as columns, and nothing is renormalised, unless a metric says
otherwise; padding is left out. Metrics are means over rows.

Formulas: Clark et al. 2019 (What Does BERT Look At?), Voita et al. 2019 (Analyzing Multi-Head
Self-Attention), Vig and Belinkov 2019 (Analyzing the Structure of Attention), Olsson et al. 2022
(In-context Learning and Induction Heads), Lal et al. 2021 (InterpreT).
"""

from __future__ import annotations

import math

import torch

from collateral.schema import Metric

from .base import example_metric
from .layout import Rows

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
    ),
    "norm",
)
def std(rows: Rows) -> torch.Tensor:
    """std(A) = √(Σ_ij A_ij² / n² − 1/n²), as rows sum to one: no second pass for the mean."""
    n = rows.keys
    return ((rows.mean(rows["norm"].square()) - 1 / n).clamp_min(0.0) / n).sqrt()


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
    ),
    "norm",
)
def std_normalised(rows: Rows) -> torch.Tensor:
    """√(mean_i (Σ_j A_ij² − 1/v_i) / (1 − 1/v_i)) over rows with v_i > 1."""
    visible = rows.visible
    some = visible > 1
    largest = torch.where(some, 1 - 1 / visible, 1.0)
    share = (rows["norm"].square() - 1 / visible).clamp_min(0.0) / largest
    return rows.mean(share, rows.real[:, None, :] & some).sqrt()


@example_metric(
    Metric(
        "entropy",
        "entropy",
        low=0.0,
        meaning="Mean entropy of the rows in nats. High: attention is spread over many tokens; 0: "
        "each token looks at one. exp(entropy) is the effective number of tokens looked at. Grows "
        "with the length of the text." + _KEPT,
        source="Clark et al. 2019: mean_i(−Σ_j A_ij ln A_ij), with 0 ln 0 = 0 and no smoothing",
    ),
    "information",
)
def entropy(rows: Rows) -> torch.Tensor:
    """mean_i H_i, H_i = −Σ_j A_ij ln A_ij."""
    return -rows.mean(rows["information"])


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
    ),
    "information",
)
def entropy_normalised(rows: Rows) -> torch.Tensor:
    """mean_i H_i / ln v_i over rows with v_i > 1."""
    some = rows.visible > 1
    largest = torch.where(some, rows.visible.log(), 1.0)
    return -rows.mean(rows["information"] / largest, rows.real[:, None, :] & some)


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
    ),
    "largest",
)
def confidence(rows: Rows) -> torch.Tensor:
    """mean_i max_{j not a separator} A_ij."""
    return rows.mean(rows["largest"])


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
    _positional("mass_previous", "mass on previous token", "the token before", "mean A[i, i−1]"),
    "previous",
    needs=("same",),
)
def mass_previous(rows: Rows) -> torch.Tensor:
    """mean_{i ≥ 1} A[i, i − 1]."""
    return rows.mean(rows["previous"], rows.real & (rows.whole.positions > 0))


@example_metric(
    _positional("mass_same", "mass on same token", "the token itself", "mean A[i, i]"),
    "own",
    needs=("same",),
)
def mass_same(rows: Rows) -> torch.Tensor:
    """mean_i A[i, i]."""
    return rows.mean(rows["own"])


@example_metric(
    _positional("mass_next", "mass on next token", "the token after", "mean A[i, i+1]"),
    "next",
    needs=("same", "ahead"),
)
def mass_next(rows: Rows) -> torch.Tensor:
    """mean_{i < n − 1} A[i, i + 1]."""
    last = rows.whole.query_lengths[:, None] - 1
    return rows.mean(rows["next"], rows.whole.positions < last)


@example_metric(
    _positional(
        "mass_first",
        "mass on first token",
        "the first token, from all others (an attention sink)",
        "mean over i ≥ 1 of A[i, 0]",
    ),
    "first",
    needs=("same",),
)
def mass_first(rows: Rows) -> torch.Tensor:
    """mean_{i ≥ 1} A[i, 0]."""
    return rows.mean(rows["first"], rows.real & (rows.whole.positions > 0))


@example_metric(
    Metric(
        "mass_separator",
        "mass on separator",
        low=0.0,
        high=1.0,
        meaning="Mean over all rows, the separator's own among them, of the weight on separator "
        "tokens together. High: the head has little to do. Undefined without a separator.",
        source="Clark et al. 2019: mean_i Σ_{j in SEP} A_ij",
    ),
    "separators",
)
def mass_separator(rows: Rows) -> torch.Tensor:
    """mean_i Σ_{j in separators} A_ij; NaN for an example without one."""
    some = rows.whole.separators.any(-1, keepdim=True)
    return torch.where(some, rows.mean(rows["separators"]), math.nan)


@example_metric(
    Metric(
        "separator_from_separators",
        "separator, from separators",
        low=0.0,
        high=1.0,
        meaning="Mean weight on separator tokens together, from the rows of separators only. High: "
        "separators keep to themselves. Undefined without a separator.",
        source="Clark et al. 2019: mean over i in SEP of Σ_{j in SEP} A_ij",
    ),
    "separators",
    needs=("same",),
)
def separator_from_separators(rows: Rows) -> torch.Tensor:
    """mean_{i in separators} Σ_{j in separators} A_ij."""
    return rows.mean(rows["separators"], rows.whole.from_separators)


@example_metric(
    Metric(
        "separator_from_others",
        "separator, from other tokens",
        low=0.0,
        high=1.0,
        meaning="Mean weight on separator tokens together, from the rows of all other tokens. "
        "High: the head has little to do. Undefined without a separator.",
        source="Clark et al. 2019: mean over i not in SEP of Σ_{j in SEP} A_ij",
    ),
    "separators",
    needs=("same",),
)
def separator_from_others(rows: Rows) -> torch.Tensor:
    """mean_{i not in separators} Σ_{j in separators} A_ij; NaN for an example without one."""
    marks = rows.whole.from_separators
    mass = rows.mean(rows["separators"], rows.real & ~marks)
    return torch.where(marks.any(-1, keepdim=True), mass, math.nan)


@example_metric(
    Metric(
        "mean_distance",
        "mean distance",
        low=0.0,
        meaning="How many tokens away the head looks on average. 0: at the token itself. Attention "
        "to the first token counts (Vig and Belinkov leave it out)." + _KEPT,
        source="Vig and Belinkov 2019: Σ_ij A_ij |i − j| / Σ_ij A_ij",
    ),
    "distance",
    needs=("same",),
)
def mean_distance(rows: Rows) -> torch.Tensor:
    """mean_i Σ_j A_ij |i − j|, as rows sum to one."""
    return rows.mean(rows["distance"])


@example_metric(
    Metric(
        "duplicate_token",
        "duplicate token",
        low=0.0,
        high=1.0,
        meaning="How much a token that stood in the text before looks at its earlier occurrences, "
        "mean over such tokens; later occurrences do not count. High: the head finds repeats. "
        "Undefined where nothing repeats." + _KEPT,
        source="TransformerLens: mean of Σ_{j < i, x_j = x_i} A_ij over rows i with such a j",
    ),
    "duplicate",
    needs=("same", "ids"),
)
def duplicate_token(rows: Rows) -> torch.Tensor:
    """mean of Σ_{j < i, x_j = x_i} A_ij over rows where x_i stood before."""
    return rows.mean(rows["duplicate"], rows.whole.repeated)


@example_metric(
    Metric(
        "induction",
        "induction",
        low=0.0,
        high=1.0,
        meaning="How much a token that stood in the text before looks at what followed its earlier "
        "occurrences, mean over such tokens. High in a decoder: the head can copy what comes next; "
        "in a model that reads both ways it says where the head looks, no more. Undefined where "
        "nothing repeats." + _KEPT,
        source="Olsson et al. 2022: mean of Σ_{j ≤ i, x_{j−1} = x_i} A_ij over rows i with such a "
        "j, in texts as they are",
    ),
    "induction",
    needs=("same", "ids"),
)
def induction(rows: Rows) -> torch.Tensor:
    """mean of Σ_{j ≤ i, x_{j−1} = x_i} A_ij over rows where x_i stood before."""
    return rows.mean(rows["induction"], rows.whole.repeated)
