"""Scores of pairs against values worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from demo.scores import scores


def test_scores_by_hand() -> None:
    found = scores([[2.0, -1.0], [0.5, 1.5], [-3.0]], [[True, False], [True, False], [False]])
    # Guesses: + − | + + | −; truth: + − | + − | −. One of five is wrong, one of two picks.
    assert found["pairs"] == 5
    assert found["accuracy"] == pytest.approx(0.8)
    assert found["accuracy_se"] == pytest.approx(math.sqrt(0.8 * 0.2 / 5))
    assert found["majority"] == pytest.approx(0.6)
    assert found["f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert found["predicted_true"] == pytest.approx(0.6)
    assert (found["pick_texts"], found["pick_accuracy"]) == (2, 0.5)


def test_scores_agree_with_scikit_learn() -> None:
    chance = np.random.default_rng(5)
    logits = chance.normal(size=(40, 2))
    labels = chance.random(size=(40, 2)) < 0.4
    found = scores(logits.tolist(), labels.tolist())
    assert found["accuracy"] == pytest.approx(accuracy_score(labels.ravel(), logits.ravel() > 0))
    assert found["f1"] == pytest.approx(f1_score(labels.ravel(), logits.ravel() > 0))


def test_a_logit_of_zero_is_not_coreferent() -> None:
    assert scores([[0.0]], [[True]])["accuracy"] == 0.0


def test_what_has_no_case_is_undefined() -> None:
    found = scores([], [])
    assert found["pairs"] == 0
    assert math.isnan(found["accuracy"])
    assert math.isnan(found["pick_accuracy"])
