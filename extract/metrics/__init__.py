"""Head metrics: each maps attention to one number per head, for an example or for a pair of spans.

Importing this package registers the built-in ones in :data:`EXAMPLE_METRICS` and
:data:`PAIR_METRICS`.
"""

from . import attention, spans
from .base import EXAMPLE_METRICS, PAIR_METRICS, example_metric, pair_metric

__all__ = [
    "EXAMPLE_METRICS",
    "PAIR_METRICS",
    "attention",
    "example_metric",
    "pair_metric",
    "spans",
]
