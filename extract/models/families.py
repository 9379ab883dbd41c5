"""Families that are refused by name, with the reason, before their weights are read.

What is not in this table is tried: a trial run finds out whether attention can be captured.
"""

from __future__ import annotations

import re
from typing import Any

import transformers

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


NEEDS = {"gemma2": ((5, 21), "its losses and what it writes are wrong with older versions")}
"""The first version of transformers that a family is right with, and why."""


def refuse_by_name(path: str, config: Any) -> None:
    """Refuses a family whose attention cannot be shown as one map per layer and head.

    Args:
        path: the model, for the message.
        config: its configuration.

    Raises:
        ExtractError: it is one of :data:`REFUSED`, or the transformers that is installed is too
            old for it (:data:`NEEDS`).
    """
    kind = str(getattr(config, "model_type", ""))
    name = type(config).__name__.removesuffix("Config")
    if is_too_old_for(kind):
        (major, minor), why = NEEDS[kind]
        raise ExtractError(
            f"{path} is a {name}, which needs transformers {major}.{minor} or newer (here is "
            f"{transformers.__version__}): {why}. Upgrade it; Python 3.10 has none so new."
        )
    if kind in ("big_bird", "bigbird_pegasus") and config.attention_type == "original_full":
        return
    if kind in REFUSED:
        advice = ""
        if kind in ("big_bird", "bigbird_pegasus"):
            advice = ' (with "attention_type": "original_full" in its config.json it can be shown)'
        raise ExtractError(
            f"{path} is a {name}, which {REFUSED[kind]}; it is not supported{advice}."
        )


def is_too_old_for(kind: str) -> bool:
    """Whether the transformers that is installed does a family wrong."""
    if kind not in NEEDS:
        return False
    here = re.match(r"(\d+)\.(\d+)", transformers.__version__)
    return here is not None and (int(here[1]), int(here[2])) < NEEDS[kind][0]
