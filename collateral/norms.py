"""Reading value norms: how long the values are that attention weights are given to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from . import layout
from .section import Section
from .sections import VALUE_NORM, VALUE_NORM_PLACES
from .source import Source


class ValueNorms:
    """The value norms of one kind of attention: of which examples, and where in the section.

    Raises:
        ValueError: the file has one of the two sections but not the other.
    """

    def __init__(
        self, source: Source, sections: Mapping[str, Section], kind: str, examples: int
    ) -> None:
        self._source, self._kind, self._count = source, kind, examples
        self._norms = sections.get(f"{VALUE_NORM}/{kind}")
        self._places = sections.get(f"{VALUE_NORM_PLACES}/{kind}")
        if (self._norms is None) != (self._places is None):
            raise ValueError(f"the value norms of {kind[:80]!r} are not complete")

    @cached_property
    def _ranges(self) -> dict[int, tuple[int, int]]:
        """Example row to range of rows of the section.

        Raises:
            CollateralError: the ranges leave rows out, an example is not there or has two.
        """
        if self._norms is None or self._places is None:
            return {}
        examples, starts = self._places.all().T.tolist()
        edges = [*starts, self._norms.count]
        sizes = [stop - start for start, stop in itertools.pairwise(edges)]
        sound = edges[0] == 0 and all(0 < size <= layout.MAX_TOKENS for size in sizes)
        sound &= len(set(examples)) == len(examples) and max(examples, default=-1) < self._count
        if not sound:
            raise self._source.error(f"the places of the {self._kind} value norms are wrong")
        return {n: (edges[i], edges[i + 1]) for i, n in enumerate(examples)}

    @property
    def examples(self) -> tuple[int, ...]:
        """Rows of the examples that have value norms, in order."""
        return tuple(sorted(self._ranges))

    def keys(self, example: int) -> int | None:
        """How many keys an example has value norms of; None if it has none."""
        found = self._ranges.get(example)
        return None if found is None else found[1] - found[0]

    def read(self, example: int) -> npt.NDArray[np.float32]:
        """The norms of an example that has them: float32 [layers, heads, keys].

        Raises:
            CollateralError: they are damaged.
        """
        assert self._norms is not None
        rows = self._norms.some(*self._ranges[example])
        return np.ascontiguousarray(np.moveaxis(rows, 0, 2))
