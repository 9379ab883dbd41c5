"""What one run of the extraction is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import UsageError

DEFAULT_MAPS = 100
"""Whole attention maps are large; so many texts' are kept unless more are asked for."""

AttentionDtype = Literal["float16", "uint8"]


@dataclass(frozen=True)
class RunOptions:
    """Options of ``interpret-extract run``.

    Attributes:
        model: folder of a model, or its name on the Hugging Face hub.
        task: name of a task of :data:`extract.tasks.TASKS`.
        data: the JSON Lines file.
        output: the collateral file to write.
        name: name of the model for people; empty takes it from ``model``.
        span_head: safetensors file that turns span pairs into predictions.
        limit: only the first so many texts; None takes all.
        attention: keep whole attention maps for the first so many texts; None keeps all.
        attention_dtype: how a kept attention weight is stored.
        batch_size: texts per forward pass.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto", "float32", "float16", "bfloat16".
        max_length: tokens per text; None takes the model's limit.
        seed: of t-SNE and of samples.
        perplexity: of t-SNE.
        threads: CPU threads; None leaves torch's default.
        skip_bad: leave out lines that cannot be used instead of stopping.
        trust_remote_code: run code that comes with the model.
    """

    model: str
    data: Path
    output: Path
    task: str = "coref"
    name: str = ""
    span_head: Path | None = None
    limit: int | None = None
    attention: int | None = DEFAULT_MAPS
    attention_dtype: AttentionDtype = "float16"
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "auto"
    max_length: int | None = None
    seed: int = 0
    perplexity: float = 30.0
    threads: int | None = None
    skip_bad: bool = False
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        """Checks ranges.

        Raises:
            UsageError: an option is out of its range.
        """
        smallest: tuple[tuple[str, float | None, float], ...] = (
            ("--limit", self.limit, 1),
            ("--attention", self.attention, 0),
            ("--batch-size", self.batch_size, 1),
            ("--max-length", self.max_length, 4),
            ("--seed", self.seed, 0),
            ("--perplexity", self.perplexity, 1),
            ("--threads", self.threads, 1),
        )
        for option, value, least in smallest:
            if value is not None and not least <= value < 2**31:
                raise UsageError(f"{option} must be at least {least:g}, not {value:g}.")
