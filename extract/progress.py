"""How long work tells the world where it stands, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Listens to the stages of a run."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage starts; ``total`` steps are expected, None if that is not known."""

    def advance(self, steps: int) -> None:
        """So many more steps of the current stage are done."""

    def end(self) -> None:
        """The current stage is done."""


class Silent:
    """A reporter that says nothing."""

    def begin(self, stage: str, total: int | None) -> None:
        """Says nothing."""

    def advance(self, steps: int) -> None:
        """Says nothing."""

    def end(self) -> None:
        """Says nothing."""


@contextmanager
def stage(reporter: Reporter, name: str, total: int | None = None) -> Iterator[Advance]:
    """Announces a stage for the length of a ``with`` block; yields what advances it."""
    reporter.begin(name, total)
    yield reporter.advance
    reporter.end()
