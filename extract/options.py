"""What one run of the extraction is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .errors import UsageError

DEFAULT_MAPS = 100
"""Whole attention maps are large; so many texts' are kept unless more are asked for."""

SPARSE_ABOVE = 1024
"""Attention of texts of more tokens is kept sparse, unless asked otherwise."""
DEFAULT_TOP = 64
"""Weights kept of each row of a sparse map, unless asked otherwise."""

DEFAULT_VECTORS = 256
"""Numbers kept of each point's hidden states, a byte each, unless asked otherwise."""

AttentionDtype = Literal["float16", "uint8"]


@dataclass(frozen=True)
class RunOptions:
    """Options of ``interpret-extract run``.

    Attributes:
        model: folder of a model, or its name on the Hugging Face hub.
        task: name of a task (see ``interpret-extract tasks``).
        data: file of records, or the name of a data set of the package ``datasets``.
        output: the collateral file to write.
        format: of the data: "auto" goes by the file's ending.
        split: of a data set by name.
        mapping: field that the task wants to column that the data has.
        kinds: kind of the column of a further field: name to kind.
        name: name of the model for people; empty takes it from ``model``.
        span_head: safetensors file that turns span pairs into predictions.
        points: which tokens become points, as the task understands it.
        generate: most tokens that a language model adds to each text.
        side: "target" or "source": the tokens of an encoder-decoder whose hidden states are mapped;
            "" is the target where the task has one.
        limit: only the first so many texts; None takes all.
        attention: keep attention maps for the first so many texts; None keeps all.
        attention_dtype: how a kept attention weight is stored.
        top: weights kept of each row of a map; 0 keeps all; None keeps all up to
            ``SPARSE_ABOVE`` tokens and ``DEFAULT_TOP`` above.
        values: keep the norms of value vectors beside the maps.
        batch_size: texts per forward pass.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        device_map: "auto" spreads a model over several devices; "" does not.
        dtype: "auto", "float32", "float16", "bfloat16".
        max_length: tokens per text; None takes the model's limit.
        seed: of t-SNE and of samples.
        perplexity: of t-SNE.
        map_sample: points that t-SNE is fitted on at most; others are placed on the map.
        vectors: numbers kept of each hidden state of those points; 0 keeps none.
        threads: CPU threads; None leaves torch's default.
        skip_bad: leave out lines that cannot be used instead of stopping.
        trust_remote_code: run code that comes with the model.
        plugins: Python files with tasks or metrics of the user's own.
        resume: go on with an unfinished run of the same command.
        restart: throw an unfinished run of the same command away.
    """

    model: str
    data: Path
    output: Path
    task: str = "coref"
    format: str = "auto"
    split: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    span_head: Path | None = None
    points: str = ""
    generate: int = 0
    side: str = ""
    limit: int | None = None
    attention: int | None = DEFAULT_MAPS
    attention_dtype: AttentionDtype = "float16"
    top: int | None = None
    values: bool = True
    batch_size: int = 32
    device: str = "auto"
    device_map: str = ""
    dtype: str = "auto"
    max_length: int | None = None
    seed: int = 0
    perplexity: float = 30.0
    map_sample: int | None = None
    vectors: int = DEFAULT_VECTORS
    threads: int | None = None
    skip_bad: bool = False
    trust_remote_code: bool = False
    plugins: tuple[Path, ...] = ()
    resume: bool = False
    restart: bool = False

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            UsageError: an option is out of its range.
        """
        smallest: tuple[tuple[str, float | None, float], ...] = (
            ("--limit", self.limit, 1),
            ("--attention", self.attention, 0),
            ("--attention-top", self.top, 0),
            ("--batch-size", self.batch_size, 1),
            ("--max-length", self.max_length, 4),
            ("--generate", self.generate, 0),
            ("--seed", self.seed, 0),
            ("--perplexity", self.perplexity, 1),
            ("--map-sample", self.map_sample, 100),
            ("--vectors", self.vectors, 0),
            ("--threads", self.threads, 1),
        )
        for option, value, least in smallest:
            if value is not None and not least <= value < 2**31:
                raise UsageError(f"{option} must be at least {least:g}, not {value:g}.")
        if self.resume and self.restart:
            raise UsageError("--resume and --restart contradict each other; give one of them.")

    def top_for(self, keys: int) -> int:
        """Weights to keep of each row of a map of so many keys; 0 keeps all."""
        top = self.top
        if top is None:
            top = DEFAULT_TOP if keys > SPARSE_ABOVE else 0
        return top if top < keys else 0
