"""What one import is asked to do; light, so that the command line loads fast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import UsageError
from ..options import DEFAULT_VECTORS

Task = Literal["wsc", "absa"]
AttentionDtype = Literal["float16", "uint8"]


@dataclass(frozen=True)
class ImportOptions:
    """What all imports share.

    Attributes:
        output: the collateral file to write.
        name: of the model, for people; empty takes it from the input's name.
        attention: keep whole attention maps of the first so many texts that have one; None all.
        attention_dtype: how a kept attention weight is stored.
        causal: decoder attention: a token sees only itself and what is before it.
        skip_bad: leave out what cannot be used instead of stopping.
    """

    output: Path
    name: str = ""
    attention: int | None = None
    attention_dtype: AttentionDtype = "float16"
    causal: bool = False
    skip_bad: bool = False

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            UsageError: an option is out of its range.
        """
        _at_least("--attention", self.attention, 0)

    @property
    def inputs(self) -> tuple[tuple[str, Path], ...]:
        """The files that are read, each with the option that names it."""
        return ()


@dataclass(frozen=True)
class InterpretOptions(ImportOptions):
    """Options of ``import interpret``.

    Attributes:
        collateral: the torch-saved dictionary; None without.
        table: the CSV; None without.
        task: what the table's columns mean.
    """

    collateral: Path | None = None
    table: Path | None = None
    task: Task = "wsc"

    def __post_init__(self) -> None:
        """Checks that there is something to read.

        Raises:
            UsageError: neither file is given, or an option is out of its range.
        """
        super().__post_init__()
        if self.collateral is None and self.table is None:
            raise UsageError("Nothing to import: give --collateral, --table or both.")

    @property
    def inputs(self) -> tuple[tuple[str, Path], ...]:
        """The files that are read, each with the option that names it."""
        both = (("--collateral", self.collateral), ("--table", self.table))
        return tuple((option, path) for option, path in both if path is not None)


@dataclass(frozen=True)
class ArrayOptions(ImportOptions):
    """Options of ``import safetensors`` and ``import npz``.

    Attributes:
        arrays: the file of arrays.
        examples: JSON Lines that say what the arrays are of.
        kind: the format of ``arrays``.
        architecture: of the model; empty takes it from the file's own metadata.
        seed, perplexity: of t-SNE.
        map_sample: points that t-SNE is fitted on at most; others are placed on the map.
        vectors: numbers kept of each hidden state of those points; 0 keeps none.
        threads: of t-SNE; None takes all cores.
    """

    arrays: Path = Path()
    examples: Path = Path()
    kind: Literal["safetensors", "npz"] = "safetensors"
    architecture: str = ""
    seed: int = 0
    perplexity: float = 30.0
    map_sample: int | None = None
    vectors: int = DEFAULT_VECTORS
    threads: int | None = None

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            UsageError: an option is out of its range.
        """
        super().__post_init__()
        _at_least("--seed", self.seed, 0)
        _at_least("--perplexity", self.perplexity, 1)
        _at_least("--map-sample", self.map_sample, 100)
        _at_least("--vectors", self.vectors, 0)
        _at_least("--threads", self.threads, 1)

    @property
    def inputs(self) -> tuple[tuple[str, Path], ...]:
        """The files that are read, each with the option that names it."""
        return ((f"the {self.kind} file", self.arrays), ("--examples", self.examples))


def _at_least(option: str, value: float | None, least: float) -> None:
    if value is not None and not least <= value < 2**31:
        raise UsageError(f"{option} must be at least {least:g}, not {value:g}.")
