"""What importers share: examples between reading and writing, what went wrong, what was done."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from collateral.schema import AttentionKind, Column, Measure, Meta, Metric, Tokens

from ..errors import ExtractError, UsageError
from ..saying import agree, many
from .options import ImportOptions

if TYPE_CHECKING:
    from ..maps.reducing import Reduced

Range = tuple[int, int]
Values = dict[str, Any]
Maps = Mapping[str, npt.NDArray[np.float32]]
"""Attention of one example: kind to float32 [layers, heads, queries, keys]."""

SUM_TOLERANCE = 5e-3
"""Rows whose sum is this close to one are taken to sum to one: half precision does no better."""

_NAMED = 3


@dataclass(frozen=True)
class Point:
    """A tracked range of tokens."""

    tokens: Range
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Two spans of an example; points are counted within the example."""

    id: str
    span1: Range
    span2: Range
    points1: Range
    points2: Range
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """A row of an example's summary table."""

    tokens: Range
    text: str
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Example:
    """One example, ready to be written.

    Attributes:
        source: tokens of an encoder-decoder's source, None for other models.
    """

    id: str
    text: str
    tokens: Tokens
    values: Values = field(default_factory=dict)
    points: Sequence[Point] = ()
    pairs: Sequence[Pair] = ()
    items: Sequence[Item] = ()
    source: int | None = None

    def length(self, side: str) -> int:
        """Number of tokens of a side: "text", "source" or "target"."""
        n = len(self.tokens)
        return (
            n
            if side == "text" or self.source is None
            else (self.source if side == "source" else n - self.source)
        )


@dataclass
class Columns:
    """The columns of the four tables; items None without that table."""

    examples: dict[str, Column] = field(default_factory=dict)
    points: dict[str, Column] = field(default_factory=dict)
    pairs: dict[str, Column] = field(default_factory=dict)
    items: dict[str, Column] | None = None


class AttentionSource(Protocol):
    """Where attention comes from, one example at a time."""

    def has(self, row: int) -> bool:
        """Whether there is attention for an example."""

    def maps(self, row: int) -> Maps:
        """The attention of an example.

        Raises:
            Unusable: it cannot be used.
        """


@dataclass
class Imported:
    """All that goes into a file beside attention.

    Attributes:
        meta: notes may still be added.
        extra: metrics that came ready-made: description and [units, layers, heads].
        distances: measures between the spans of pairs: description and [pairs, layers + 1].
        coordinates: hidden state to float32 [points, 2].
        quality: name to [layers + 1].
        vectors: rows of the points that keep vectors, and these by layer; None without.
    """

    meta: Meta
    columns: Columns
    examples: list[Example]
    extra: list[tuple[Metric, npt.NDArray[np.float32]]] = field(default_factory=list)
    distances: list[tuple[Measure, npt.NDArray[np.float32]]] = field(default_factory=list)
    coordinates: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)
    quality: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    vectors: tuple[npt.NDArray[np.intp], list[Reduced]] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> tuple[AttentionKind, ...]:
        """The kinds of attention."""
        return self.meta.attention


@dataclass(frozen=True)
class Summary:
    """What an import did.

    Attributes:
        counts: rows written, by name: "texts", "points", "pairs", "items", "maps" (texts whose
            attention was kept), "layers" (maps of hidden states).
        left_out: what could not be used, by --skip-bad.
        size: of the file, in bytes.
        seconds: by stage.
    """

    output: Path
    counts: dict[str, int]
    notes: tuple[str, ...]
    left_out: int
    size: int
    seconds: dict[str, float]


class Unusable(Exception):
    """Something in a file cannot be used.

    Attributes:
        where: file and place.
        what: what is wrong there; goes on after ``where`` as a sentence.
    """

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        super().__init__(f"{where} {what}")


class Problems:
    """Things that cannot be used: the first one ends the import, or all are counted."""

    def __init__(self, *, skip: bool) -> None:
        self._skip = skip
        self._found: list[str] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: str, what: str) -> None:
        """Something cannot be used.

        Raises:
            ExtractError: such things are not to be left out.
        """
        if not self._skip:
            advice = "Correct it, or leave such things out with --skip-bad."
            raise ExtractError(f"{where} {what.rstrip('.')}. {advice}")
        self._found.append(f"{where} {what}".rstrip("."))

    def note(self) -> list[str]:
        """What was left out, as a note for the file."""
        if not self._found:
            return []
        count = len(self._found)
        more = "; ..." if count > _NAMED else ""
        some = "; ".join(self._found[:_NAMED])
        return [f"{many(count, 'thing')} {agree(count, 'were')} left out: {some}{more}."]


class Clock:
    """How long each stage takes.

    Attributes:
        seconds: by stage.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measures what is in a ``with`` block."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def check_paths(options: ImportOptions) -> None:
    """Finds out before any work whether files are there and the target can be written.

    Raises:
        ExtractError: one is not.
    """
    for option, path in options.inputs:
        if path.is_dir():
            raise ExtractError(f"{path} is a directory; give a file with {option}.")
        if not path.is_file():
            what = "is no file" if path.exists() else "is not there"
            raise ExtractError(f"{path} {what}; check the path of {option}.")
    path = options.output
    folder = path.absolute().parent
    if path.is_dir():
        raise ExtractError(f"{path} is a directory; give the name of a file with --output.")
    if not folder.is_dir():
        raise ExtractError(f"There is no folder {folder} to write {path.name} in; make it first.")
    for option, given in options.inputs:
        if path.exists() and path.samefile(given):
            raise UsageError(f"--output and {option} are the same file ({path}); choose another.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ExtractError(
            f"{folder} cannot be written to ({error.strerror}); choose another --output."
        ) from error
