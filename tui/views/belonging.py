"""Whether two files can be compared."""

from __future__ import annotations

import os

import numpy as np

from collateral import Collateral, CollateralError


def check_same_data(a: Collateral, b: Collateral) -> None:
    """Makes sure that two files can be compared.

    They must be of the same texts, tokens and pairs, and of models of the same size. Points and
    items may differ: they may be what each model predicted.

    Raises:
        CollateralError: they saw other texts, other tokens, or have other sizes; it says which.
    """
    first, second = a.meta, b.meta
    name = os.path.basename(a.path)
    advice = "Extract both from the same data with the same tokenizer and options."
    counts = [(k, first.counts[k], second.counts[k]) for k in ("examples", "pairs")]
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
    elif first.layout_fingerprint != second.layout_fingerprint and not _same_pairs(a, b):
        problem = "other pairs in the same texts"
    elif (first.model.layers, first.model.heads) != (second.model.layers, second.model.heads):
        problem = (
            f"{second.model.layers} layers of {second.model.heads} heads instead of "
            f"{first.model.layers} of {first.model.heads}"
        )
    elif first.attention != second.attention:
        problem = f"{_kinds(b)} attention instead of {_kinds(a)}"
    if problem:
        raise CollateralError(b.path, f"does not belong to {name}: it has {problem}", advice)


def _same_pairs(a: Collateral, b: Collateral) -> bool:
    return (
        a.pairs["id"] == b.pairs["id"]
        and np.array_equal(a.pair_examples, b.pair_examples)
        and np.array_equal(a.pair_tokens, b.pair_tokens)
    )


def _kinds(file: Collateral) -> str:
    kinds = [f"{k.name} ({k.layers} layers of {k.heads} heads)" for k in file.meta.attention]
    return ", ".join(kinds) or "no"


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
