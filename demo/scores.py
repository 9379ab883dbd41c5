"""How good the answers about pairs are, with what guessing would give beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence


def scores(logits: Sequence[Sequence[float]], labels: Sequence[Sequence[bool]]) -> dict[str, float]:
    """Scores of all pairs of some texts.

    Args:
        logits: for each text the logits of its pairs; positive means coreferent.
        labels: for each text the truth of its pairs.

    Returns:
        ``pairs``; ``accuracy`` and its standard error ``accuracy_se`` (binomial); ``majority``, the
        accuracy of always giving the commoner answer; ``f1`` of the coreferent pairs;
        ``predicted_true``, the share called coreferent; and over the ``pick_texts`` texts with
        several pairs of which just one is coreferent, ``pick_accuracy``, how often that one has the
        highest logit. Shares without a case are NaN.
    """
    flat = [
        (z > 0, y)
        for zs, ys in zip(logits, labels, strict=True)
        for z, y in zip(zs, ys, strict=True)
    ]
    n = len(flat)
    right = sum(guess == truth for guess, truth in flat)
    true = sum(truth for _, truth in flat)
    called = sum(guess for guess, _ in flat)
    hits = sum(guess and truth for guess, truth in flat)
    picks = [
        list(zs).index(max(zs)) == list(ys).index(True)
        for zs, ys in zip(logits, labels, strict=True)
        if len(ys) > 1 and sum(ys) == 1
    ]
    accuracy = _share(right, n)
    return {
        "pairs": n,
        "accuracy": accuracy,
        "accuracy_se": math.sqrt(accuracy * (1 - accuracy) / n) if n else math.nan,
        "majority": _share(max(true, n - true), n),
        "f1": _share(2 * hits, called + true),
        "predicted_true": _share(called, n),
        "pick_texts": len(picks),
        "pick_accuracy": _share(sum(picks), len(picks)),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
