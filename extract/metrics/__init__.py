"""Head metrics: each maps attention to one number per head, for an example or for a pair of spans.

Importing this package registers the built-in ones in :data:`EXAMPLE_METRICS` and
:data:`PAIR_METRICS`. :class:`AttentionStats` computes them from blocks of attention.
"""

from . import rowwise  # isort: skip  (the metrics are made of its row statistics)
from . import attention, relations, spans
from .base import (
    EXAMPLE_METRICS,
    PAIR_METRICS,
    example_metric,
    example_metrics,
    of_kind,
    pair_metric,
    row_metric,
    row_statistic,
    word_metric,
)
from .layout import BatchLayout
from .stats import AttentionStats, Reduced
from .words import WordIndex, WordStats

__all__ = [
    "EXAMPLE_METRICS",
    "PAIR_METRICS",
    "AttentionStats",
    "BatchLayout",
    "Reduced",
    "WordIndex",
    "WordStats",
    "attention",
    "example_metric",
    "example_metrics",
    "of_kind",
    "pair_metric",
    "relations",
    "row_metric",
    "row_statistic",
    "rowwise",
    "spans",
    "word_metric",
]
