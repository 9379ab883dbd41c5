"""What ``interpret-extract tasks`` and ``interpret-extract metrics`` print."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .metrics import EXAMPLE_METRICS, PAIR_METRICS
from .tasks import TASKS

_WIDTH = 100
_NEEDS = {
    "same": "queries and keys are the same tokens",
    "ids": "the tokens' ids",
    "causal": "causal attention",
    "ahead": "attention that sees what comes after",
    "words": "gold relations between words",
}


def tasks() -> Iterator[str]:
    """The tasks, each with the fields of a record that it reads."""
    for number, (name, task) in enumerate(TASKS.items()):
        if number:
            yield ""
        yield f"{name}: {task.summary}"
        if task.head:
            yield f"    predictions by the model's own head for {task.head}"
        for field, what in task.fields.items():
            yield from _entry(field, what)


def metrics() -> Iterator[str]:
    """The head metrics, with range, needs and meaning."""
    for unit, registry in (("text", EXAMPLE_METRICS), ("pair", PAIR_METRICS)):
        yield f"one number per head and {unit}:"
        for name, metric in registry.items():
            one = metric.description
            low, high = ("?" if end is None else f"{end:g}" for end in (one.low, one.high))
            needs = ", ".join(_NEEDS[need] for need in sorted(getattr(metric, "needs", ())))
            need = f" Needs {needs}." if needs else ""
            yield f"  {name} ({low} to {high})"
            yield from textwrap.wrap(
                f"{one.meaning}{need}", _WIDTH, initial_indent="      ", subsequent_indent="      "
            )
        yield ""


def _entry(name: str, what: str) -> list[str]:
    return textwrap.wrap(
        what, _WIDTH, initial_indent=f"    {name:<14} ", subsequent_indent=" " * 19
    )
