"""What a head metric is, and the registries they are entered in by decorator.

Attention is shown block by block (:class:`~extract.models.capture.Block`), and nothing of a block
is kept but *row statistics*: numbers per example, head and query row. A metric of an example is
made of row statistics once all layers have passed; it sees the heads of several layers side by
side, so that short texts do not pay for a dozen small calls per layer. Three ways to add a metric
of examples, from the simplest:

- :func:`row_metric`: a number per row, whose mean over the rows of the text is the metric;
- :func:`row_statistic` and :func:`example_metric`: a number per row, and what is made of it;
- :func:`word_metric`: from the attention between words and gold relations between them.

:func:`pair_metric` adds a metric of pairs of spans.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import torch

from collateral.schema import Metric

from .. import plugins

if TYPE_CHECKING:
    from .layout import Rows, View
    from .spans import SpanView
    from .words import WordView

Need = Literal["same", "ids", "causal", "ahead", "words"]
"""What a metric cannot do without: "same": queries and keys are the same tokens (no
cross-attention); "ids": the tokens' ids; "causal": each row sees only what is before it; "ahead":
it sees what is after it, too; "words": gold relations between words."""

StatisticFunction = Callable[["View"], torch.Tensor]
FillFunction = Callable[["View", torch.Tensor], None]
RowsFunction = Callable[["Rows"], torch.Tensor]
WordFunction = Callable[["WordView"], torch.Tensor]
PairFunction = Callable[["SpanView"], torch.Tensor]
F = TypeVar("F", bound=Callable[..., torch.Tensor])


@dataclass(frozen=True)
class RowStatistic:
    """Numbers per row, computed from one block of attention.

    Attributes:
        names: what they are called.
        fill: from a view of a block, into an array [names, examples, heads, rows] whose rows of
            padding may be left as they are.
    """

    names: tuple[str, ...]
    fill: FillFunction


@dataclass(frozen=True)
class ExampleMetric:
    """A number per head and example.

    Attributes:
        description: as the file states it.
        function: to [examples, heads], NaN where undefined; from a
            :class:`~extract.metrics.layout.Rows`, or, if it needs words, from a
            :class:`~extract.metrics.words.WordView`.
        statistics: names of the row statistics it reads.
        needs: what it cannot do without.
    """

    description: Metric
    function: RowsFunction | WordFunction
    statistics: tuple[str, ...] = ()
    needs: frozenset[Need] = frozenset()


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


ROW_STATISTICS: dict[str, RowStatistic] = {}
EXAMPLE_METRICS: dict[str, ExampleMetric] = {}
PAIR_METRICS: dict[str, PairMetric] = {}


def row_statistic(name: str) -> Callable[[F], F]:
    """Registers a function of a block's view as a row statistic: [examples, heads, rows].

    Raises:
        ValueError: there is a row statistic of that name already.
    """

    def register(function: F) -> F:
        """Enters ``function`` in the registry."""

        def fill(view: View, out: torch.Tensor) -> None:
            out[0] = checked("row statistic", name, function, function(view), out.shape[1:])

        row_statistics(name)(fill)
        return function

    return register


def row_statistics(*names: str) -> Callable[[FillFunction], FillFunction]:
    """Registers a function that fills in several row statistics of a block at once.

    Raises:
        ValueError: there is a row statistic of one of these names already.
    """

    def register(fill: FillFunction) -> FillFunction:
        """Enters ``fill`` in the registry under each name."""
        taken = [name for name in names if name in ROW_STATISTICS]
        if taken:
            raise ValueError(f"there is a row statistic {taken[0]!r} already")
        ROW_STATISTICS.update(dict.fromkeys(names, RowStatistic(names, fill)))
        return fill

    return register


def example_metric(
    description: Metric, *statistics: str, needs: Iterable[Need] = ()
) -> Callable[[F], F]:
    """Registers a function of row statistics as the example metric ``description``.

    Args:
        description: as the file states it.
        statistics: names of the row statistics that the function reads.
        needs: what it cannot do without.

    Raises:
        ValueError: there is a metric of that name already, or no such row statistic.
    """

    def register(function: F) -> F:
        """Enters ``function`` in the registry."""
        _check_new(description)
        missing = [name for name in statistics if name not in ROW_STATISTICS]
        if missing:
            raise ValueError(f"metric {description.name!r}: no row statistic {missing[0]!r}")
        EXAMPLE_METRICS[description.name] = ExampleMetric(
            description, function, statistics, frozenset(needs)
        )
        return function

    return register


def row_metric(description: Metric, *, needs: Iterable[Need] = ()) -> Callable[[F], F]:
    """Registers a function of a block's view, whose mean over the rows of a text is the metric.

    The function gives [examples, heads, rows]; rows that are NaN are left out of the mean, and the
    metric is NaN where no row is left.

    Raises:
        ValueError: there is a metric or a row statistic of that name already.
    """

    def register(function: F) -> F:
        """Enters ``function`` as a row statistic, and its mean as a metric."""
        name = description.name
        _check_new(description)
        row_statistic(name)(function)

        def mean(rows: Rows) -> torch.Tensor:
            return rows.mean_of_defined(rows[name])

        EXAMPLE_METRICS[name] = ExampleMetric(description, mean, (name,), frozenset(needs))
        return function

    return register


def word_metric(description: Metric) -> Callable[[F], F]:
    """Registers a function of the attention between words as the example metric ``description``.

    Raises:
        ValueError: there is a metric of that name already.
    """
    return example_metric(description, needs=("words", "same"))


def pair_metric(forward: Metric, backward: Metric) -> Callable[[PairFunction], PairFunction]:
    """Registers a function as two pair metrics, one in each direction.

    Args:
        forward: description for rows = span 1, columns = span 2.
        backward: description for rows = span 2, columns = span 1.

    Raises:
        ValueError: there is a metric of either name already.
    """

    def register(function: PairFunction) -> PairFunction:
        """Enters ``function`` in the registry, once per direction."""
        _check_new(forward)
        _check_new(backward)
        for description, reverse in ((forward, False), (backward, True)):
            PAIR_METRICS[description.name] = PairMetric(description, reverse, function)
        return function

    return register


def example_metrics(
    *, same: bool = True, causal: bool = False, words: bool = False, ids: bool = True
) -> tuple[str, ...]:
    """Names of the example metrics that make sense for one kind of attention.

    Args:
        same: whether queries and keys are the same tokens (False for cross-attention).
        causal: whether a row sees only itself and what is before it.
        words: whether examples come with gold relations between words.
        ids: whether the tokens' ids are given.
    """
    have = {"same": same, "causal": causal, "ahead": not causal, "words": words, "ids": ids}
    return tuple(
        name for name, metric in EXAMPLE_METRICS.items() if all(have[need] for need in metric.needs)
    )


def statistics_of(names: Collection[str]) -> tuple[RowStatistic, ...]:
    """The row statistics that metrics read, each once."""
    found = dict.fromkeys(
        ROW_STATISTICS[statistic]
        for name in names
        for statistic in EXAMPLE_METRICS[name].statistics
    )
    return tuple(found)


def of_kind(description: Metric, kind: str, *, several: bool) -> Metric:
    """The description of a metric for one kind of attention.

    Args:
        description: as registered.
        kind: name of the kind.
        several: whether the model has several kinds; then name and title say which.
    """
    if not several:
        return dataclasses.replace(description, attention=kind)
    return dataclasses.replace(
        description,
        name=f"{kind}:{description.name}",
        title=f"{description.title} · {kind}",
        attention=kind,
    )


def _check_new(description: Metric) -> None:
    if description.name in EXAMPLE_METRICS or description.name in PAIR_METRICS:
        raise ValueError(f"there is a metric {description.name!r} already")


def checked(
    what: str, name: str, function: object, found: object, shape: Sequence[int]
) -> torch.Tensor:
    """What a metric's function gave, if it is numbers of the right shape.

    Args:
        what: the function is, for messages.
        name: of the metric or statistic.
        function: it came from; where that is a plug-in's, the plug-in is blamed.
        found: what it gave.
        shape: what it should have.

    Raises:
        ExtractError: a plug-in's is something else, or not finite (NaN is undefined and allowed).
        ValueError: a built-in one's is.
    """
    if not isinstance(found, torch.Tensor):
        kind = "nothing" if found is None else f"a {type(found).__name__}"
        raise plugins.fault(function, f"{what} {name!r} gave {kind}, not a tensor {list(shape)}")
    if found.shape != torch.Size(shape):
        raise plugins.fault(
            function, f"{what} {name!r} gave a tensor {list(found.shape)}, not {list(shape)}"
        )
    if plugins.owner(function) is None:
        return found
    if found.is_complex():
        raise plugins.fault(function, f"{what} {name!r} gave complex numbers, not real ones")
    if bool(found.isinf().any()):
        raise plugins.fault(
            function, f"{what} {name!r} gave an infinite number; what is undefined is NaN"
        )
    return found.to(torch.float32)
