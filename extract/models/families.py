"""Families that are refused by name, with the reason, before their weights are read.

What is not in this table is tried: a trial run finds out whether attention can be captured.
"""

from __future__ import annotations

from typing import Any

from ..errors import ExtractError

_NO_ATTENTION = "has layers without attention, so that there is no map to show for them"
_SPARSE = "attends sparsely: it computes no weights for most pairs of tokens"
_SHRINKS = "changes the number of tokens between its layers"

REFUSED = {
    "big_bird": _SPARSE,
    "bigbird_pegasus": _SPARSE,
    "longformer": _SPARSE,
    "led": _SPARSE,
    "longt5": _SPARSE,
    "reformer": "attends within buckets of tokens, and computes no weights between them",
    "nystromformer": "approximates attention, and computes no weight for a pair of tokens",
    "mra": "approximates attention, and computes no weight for a pair of tokens",
    "yoso": "approximates attention, and computes no weight for a pair of tokens",
    "fnet": "has no attention",
    "funnel": _SHRINKS,
    "canine": _SHRINKS,
    "perceiver": "attends to an array of its own, not from token to token",
    "mamba": "has no attention",
    "mamba2": "has no attention",
    "falcon_mamba": "has no attention",
    "rwkv": "has no attention",
    "xlstm": "has no attention",
    "jamba": _NO_ATTENTION,
    "zamba": _NO_ATTENTION,
    "zamba2": _NO_ATTENTION,
    "bamba": _NO_ATTENTION,
    "recurrent_gemma": _NO_ATTENTION,
}
"""Why a family cannot be shown, by transformers' name of its type."""


def refuse_by_name(path: str, config: Any) -> None:
    """Refuses a family whose attention cannot be shown as one map per layer and head.

    Args:
        path: the model, for the message.
        config: its configuration.

    Raises:
        ExtractError: it is one of :data:`REFUSED`.
    """
    kind = str(getattr(config, "model_type", ""))
    if kind in ("big_bird", "bigbird_pegasus") and config.attention_type == "original_full":
        return
    if kind in REFUSED:
        name = type(config).__name__.removesuffix("Config")
        advice = ""
        if kind in ("big_bird", "bigbird_pegasus"):
            advice = ' (with "attention_type": "original_full" in its config.json it can be shown)'
        raise ExtractError(
            f"{path} is a {name}, which {REFUSED[kind]}; it is not supported{advice}."
        )
