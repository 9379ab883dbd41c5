"""Whether two files can be compared."""

from __future__ import annotations

import os

from collateral import Collateral, CollateralError


def check_same_data(a: Collateral, b: Collateral) -> None:
    """Makes sure that two files can be compared.

    Raises:
        CollateralError: they saw other texts, other tokens, or have other sizes; it says which.
    """
    first, second = a.meta, b.meta
    name = os.path.basename(a.path)
    advice = "Extract both from the same data with the same tokenizer and options."
    counts = [(k, first.counts[k], second.counts[k]) for k in ("examples", "pairs", "points")]
    problem = ""
    if first.task != second.task:
        problem = f"task {second.task} instead of {first.task}"
    elif first.fingerprint != second.fingerprint:
        problem = _first_difference(a, b) or "other texts"
    elif first.token_fingerprint != second.token_fingerprint:
        problem = "the same texts but other tokens (another tokenizer)"
    elif differing := [c for c in counts if c[1] != c[2]]:
        what, here, there = differing[0]
        problem = f"{there} {what} instead of {here}"
    elif first.layout_fingerprint != second.layout_fingerprint:
        problem = "other points or pairs in the same texts"
    elif (first.model.layers, first.model.heads) != (second.model.layers, second.model.heads):
        problem = (
            f"{second.model.layers} layers of {second.model.heads} heads instead of "
            f"{first.model.layers} of {first.model.heads}"
        )
    if problem:
        raise CollateralError(b.path, f"does not belong to {name}: it has {problem}", advice)


def _first_difference(a: Collateral, b: Collateral) -> str:
    """Where two sets of examples differ, in words."""
    if len(a.examples) != len(b.examples):
        return f"{len(b.examples)} examples instead of {len(a.examples)}"
    ids = zip(a.examples["id"], b.examples["id"], strict=True)
    for row, (one, two) in enumerate(ids):
        if one != two:
            return f"example {two!r} instead of {one!r} in row {row}"
    texts = zip(a.examples["id"], a.examples["text"], b.examples["text"], strict=True)
    return next((f"another text for example {id_!r}" for id_, one, two in texts if one != two), "")
