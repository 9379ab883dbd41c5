"""What a head metric is, and the registries they are entered in by decorator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from collateral.schema import Metric

if TYPE_CHECKING:
    from .attention import AttentionView
    from .spans import BlockView

ExampleFunction = Callable[["AttentionView"], torch.Tensor]
PairFunction = Callable[["BlockView"], torch.Tensor]


@dataclass(frozen=True)
class ExampleMetric:
    """A number per head and example.

    Attributes:
        description: as the file states it.
        function: from a view of one layer's attention to [examples, heads]; NaN where undefined.
    """

    description: Metric
    function: ExampleFunction


@dataclass(frozen=True)
class PairMetric:
    """A number per head and pair of spans.

    Attributes:
        description: as the file states it.
        reverse: False for attention from span 1 to span 2, True for the other way round.
        function: from the block of attention between the spans to [pairs, heads].
    """

    description: Metric
    reverse: bool
    function: PairFunction


EXAMPLE_METRICS: dict[str, ExampleMetric] = {}
PAIR_METRICS: dict[str, PairMetric] = {}


def example_metric(description: Metric) -> Callable[[ExampleFunction], ExampleFunction]:
    """Registers a function as the example metric ``description``."""

    def register(function: ExampleFunction) -> ExampleFunction:
        """Enters ``function`` in the registry."""
        _check_new(description)
        EXAMPLE_METRICS[description.name] = ExampleMetric(description, function)
        return function

    return register


def pair_metric(forward: Metric, backward: Metric) -> Callable[[PairFunction], PairFunction]:
    """Registers a function as two pair metrics, one in each direction.

    Args:
        forward: description for rows = span 1, columns = span 2.
        backward: description for rows = span 2, columns = span 1.
    """

    def register(function: PairFunction) -> PairFunction:
        """Enters ``function`` in the registry, once per direction."""
        for description, reverse in ((forward, False), (backward, True)):
            _check_new(description)
            PAIR_METRICS[description.name] = PairMetric(description, reverse, function)
        return function

    return register


def _check_new(description: Metric) -> None:
    if description.name in EXAMPLE_METRICS or description.name in PAIR_METRICS:
        raise ValueError(f"there is a metric {description.name!r} already")
