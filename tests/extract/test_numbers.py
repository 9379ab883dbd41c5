"""What extraction computes of numbers, held against scipy's and scikit-learn's own.

Metrics of any attention, quality of maps, distances, scores of tasks: with NaN, constants, one
value alone, numbers that are huge or tiny.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
import scipy.stats
import sklearn.manifold
import sklearn.metrics
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from transformers import PreTrainedTokenizerFast

from extract.importers import maps as imported
from extract.maps.quality import map_quality, neighbours_for, unit_rows
from extract.metrics import PAIR_METRICS, AttentionStats, BatchLayout
from extract.metrics.relations import wilson
from extract.metrics.spans import PairIndex, span_distances
from extract.metrics.words import relation_matrix
from extract.tasks import bio
from extract.tasks.base import NOWHERE
from extract.tasks.class_head import Heads
from extract.tasks.classification import _correlation
from extract.tasks.language_model import summed
from extract.tasks.tag_head import UNDEFINED, TagPredictor
from extract.tasks.tagging import Tagging
from extract.tasks.token_scores import TokenScores, _said_of
from tests.collateral.test_numbers import THOUSANDTHS, numbers

from .task_runs import begin
from .test_attention_metrics import by_hand, cut, softmax
from .test_attention_metrics import measure as head_metrics
from .test_coref import place
from .test_relations import measure as correlations
from .test_relations import one_piece, pearson
from .test_tagging import MODEL, SENTENCES
from .test_tagging import said as tagged

Doubles = npt.NDArray[np.float64]

SHARPNESS = st.sampled_from([0.0, 0.1, 3.0, 200.0])
"""Scores times this: every row uniform, nearly so, as usual, on one token."""


@st.composite
def some_attention(draw: st.DrawFn, most: int = 7) -> tuple[Doubles, bool]:
    """Weights [1, n, n], and whether tokens see only what is before them."""
    n, causal = draw(st.integers(1, most)), draw(st.booleans())
    scores = draw(arrays(np.float64, (1, n, n), elements=THOUSANDTHS)) * draw(SHARPNESS)
    return softmax(np.where(np.tri(n) > 0, scores, -np.inf) if causal else scores), causal


# -- head metrics -----------------------------------------------------------------------------


@settings(deadline=None)
@given(some_attention(), st.data())
def test_metrics_of_any_attention_are_those_of_loops_and_scipy(
    drawn: tuple[Doubles, bool], data: st.DataObject
) -> None:
    one, causal = drawn
    n = one.shape[-1]
    separators = sorted(data.draw(st.sets(st.integers(0, n - 1))))
    ids = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    found = head_metrics([one], [separators], causal, [ids])
    for name, expected in by_hand(one[0], separators, causal, ids).items():
        # a standard deviation near 0 is the root of what rounding leaves
        digits = 1e-3 if name.startswith("std") else 1e-5
        got = float(found[name][0, 0])
        assert got == pytest.approx(expected, abs=digits, nan_ok=True), name


@settings(deadline=None)
@given(some_attention(), st.data())
def test_correlations_of_any_attention_are_scipys(
    drawn: tuple[Doubles, bool], data: st.DataObject
) -> None:
    one, causal = drawn
    n = one.shape[-1]
    parse = one_piece([data.draw(st.integers(-1, n - 1)) for _ in range(n)])
    weights = one.astype(np.float32)
    found, _ = correlations([weights[None].astype(np.float64)], [parse], causal=causal)
    g = relation_matrix(parse)
    apart = weights[0][~np.eye(n, dtype=bool)].astype(np.float64)
    # of what differs by rounding only, scipy's r is one of rounding
    assume(not len(apart) or np.ptp(apart) == 0 or np.std(apart) > 1e-4)
    for form, matrix in enumerate((g, g.T, np.maximum(g, g.T))):
        expected = pearson(weights[0].astype(np.float64), matrix)
        assert found[form, 0, 0, 0] == pytest.approx(expected, abs=2e-3, nan_ok=True)


@settings(deadline=None)
@given(some_attention(), st.data())
def test_intensities_of_any_attention_are_numpys(
    drawn: tuple[Doubles, bool], data: st.DataObject
) -> None:
    one, causal = drawn
    n = one.shape[-1]
    ends = st.tuples(st.integers(0, n - 1), st.integers(1, n)).filter(
        lambda span: span[0] < span[1]
    )
    spans = [data.draw(ends), data.draw(ends)]
    pairs = PairIndex.of([0], [spans[0]], [spans[1]])
    stats = AttentionStats(
        BatchLayout([n], causal=causal), 1, (), pair_metrics=tuple(PAIR_METRICS), pairs=pairs
    )
    for block in cut(torch.from_numpy(one[None]).float()):
        stats.add(block)
    found = dict(zip(PAIR_METRICS, stats.finish().pair[:, 0, 0, 0].tolist(), strict=True))
    seen = np.tri(n) if causal else np.ones((n, n))
    uniform = seen / seen.sum(axis=1, keepdims=True)
    for way, (rows, columns) in (
        ("candidate_pronoun", spans),
        ("pronoun_candidate", reversed(spans)),
    ):
        mine = (slice(*rows), slice(*columns))
        mass = one[0][mine].sum(axis=1).mean()
        expected = {
            "max": one[0][mine].max(),
            "mass": mass,
            "excess": mass - uniform[mine].sum(axis=1).mean(),
        }
        for form, value in expected.items():
            assert found[f"intensity_{way}_{form}"] == pytest.approx(value, abs=1e-6), form


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_interval_of_a_share_is_scipys(right: int, more: int) -> None:
    assume(right + more)
    expected = scipy.stats.binomtest(right, right + more).proportion_ci(method="wilson")
    assert wilson(right, right + more) == pytest.approx((expected.low, expected.high), abs=1e-9)


# -- distances and maps -----------------------------------------------------------------------


@given(numbers((2, 5), nan=False), numbers((2, 5), nan=False), st.booleans())
def test_distances_of_spans_are_scipys(u: Doubles, v: Doubles, zero: bool) -> None:
    if zero:
        u[1] = 0
    one, other = (x.astype(np.float32) for x in (u, v))
    wide = [x.astype(np.float64) for x in (one, other)]
    for row in range(2):  # scipy's cosine underflows too: lengths one, which change nothing
        a, b = (x[row] / (np.abs(x[row]).max() or 1) for x in wide)
        nothing = not (a.any() and b.any())
        cosine = math.nan if nothing else float(cdist(a[None], b[None], "cosine")[0, 0])
        euclid = float(cdist(wide[0][row][None], wide[1][row][None])[0, 0])
        found = span_distances(
            torch.from_numpy(one[row : row + 1]), torch.from_numpy(other[row : row + 1])
        )
        assert float(found[0, 0]) == pytest.approx(cosine, abs=1e-6, nan_ok=True)
        assert float(found[1, 0]) == pytest.approx(euclid, rel=1e-5)
        both = np.stack([one[row], other[row]])[None]
        cosines, euclids = imported.span_distances(both, [((0, 1), (1, 2))])
        assert cosines[0, 0] == pytest.approx(cosine, abs=1e-6, nan_ok=True)
        assert euclids[0, 0] == pytest.approx(euclid, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 40), st.sampled_from([1e-20, 1.0, 1e15]))
def test_quality_of_any_map_is_scikit_learns(seed: int, points: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(points, 4)) * size).astype(np.float32)
    flat = rng.normal(size=(points, 2)).astype(np.float32)
    k = neighbours_for(points)
    trust, recall = map_quality(unit_rows(vectors), flat, k)
    wide = vectors / size
    expected = sklearn.manifold.trustworthiness(wide, flat, n_neighbors=k, metric="cosine")
    assert trust == pytest.approx(expected, abs=1e-5)
    near = [cdist(wide, wide, "cosine"), cdist(flat, flat)]
    for gaps in near:
        np.fill_diagonal(gaps, np.inf)
    nearest = [np.argsort(gaps, axis=1)[:, :k] for gaps in near]
    shared = [
        len(set(a) & set(b)) / k for a, b in zip(*map(np.ndarray.tolist, nearest), strict=True)
    ]
    assert recall == pytest.approx(np.mean(shared))


# -- scores of tasks --------------------------------------------------------------------------


@pytest.mark.parametrize("undefined", [[math.nan, 1.0], [math.inf, 0.0], [-math.inf, -math.inf]])
def test_logits_that_are_no_numbers_choose_no_class(undefined: list[float]) -> None:
    assert Heads("one").log(undefined) is None
    some = Heads("one").log([-math.inf, 2.0])
    assert some is not None and some[1] == 0  # a class may be ruled out
    assert Heads("several").log([math.nan, 1.0]) is None
    never = Heads("several").log([-math.inf, math.inf])
    assert never == [-math.inf, 0]


def test_logits_that_are_no_numbers_say_nothing_of_a_pair(
    wsc_file: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    begun = place(wsc_file, tokenizer, head=True)
    for row, one in enumerate(begun.placed):
        count = len(one.pairs)
        rows = begun.rows(row, np.full(count, np.nan, dtype=np.float32))
        for pair in rows.pairs:
            assert pair["prediction"] is None and pair["probability"] is None
            assert pair["correct"] is None
        assert rows.example["correct"] is None and rows.example["score"] is None
        assert not rows.tally.get("judged")


def test_logits_that_are_no_numbers_tag_no_word(
    write_lines: Callable[..., Path], tokenizer: PreTrainedTokenizerFast
) -> None:
    logits = torch.zeros(1, 4, 3)
    logits[0, 1, 2], logits[0, 2, 0] = 5, math.nan
    one: Any = SimpleNamespace(items=((1, 2), (2, 3), NOWHERE))
    ran: Any = SimpleNamespace(logits=logits)
    (said,) = TagPredictor(("O", "B-X", "B-Y")).predict(ran, [one])
    expected = float(scipy.special.softmax(logits[0, 1].numpy())[2])
    assert said[0] == ("B-Y", pytest.approx(expected))
    assert said[1] is UNDEFINED and said[2] is None
    begun = begin(Tagging(), write_lines(*SENTENCES), tokenizer, MODEL)
    rows = begun.rows(0, [UNDEFINED, *tagged("B-ASP", "O", "B-OP", "O")])
    assert rows.items[0]["correct"] is None
    assert rows.items[0]["prediction"] is None and rows.items[0]["probability"] is None
    assert rows.example["correct"] is None and rows.example["score"] is None and not rows.tally


@given(numbers((5,), nan=False))
def test_probabilities_are_scipys(logits: Doubles) -> None:
    one, several = Heads("one").log(logits), Heads("several").log(logits)
    assert one is not None and several is not None
    assert one == pytest.approx(scipy.special.log_softmax(logits).tolist(), rel=1e-9, abs=1e-9)
    expected = scipy.special.log_expit(logits).tolist()
    assert several == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(numbers((6, 9), nan=False), st.lists(st.integers(0, 8), min_size=6, max_size=6), st.data())
def test_losses_and_ranks_of_tokens_are_scipys(
    logits: Doubles, gold: list[int], data: st.DataObject
) -> None:
    values = np.clip(logits, -1000, 1000).astype(np.float32)
    undefined = data.draw(st.sets(st.integers(0, 5)))
    values[list(undefined), 3] = np.nan
    said = _said_of(torch.from_numpy(values.copy()), torch.tensor(gold))
    for row, token in enumerate(gold):
        loss, rank = float(said.loss[row]), int(said.rank[row])
        if row in undefined:
            assert math.isnan(loss) and rank == 0
            continue
        exact = values[row].astype(np.float64)
        expected = float(-scipy.special.log_softmax(exact)[token])
        assert loss == pytest.approx(expected, rel=1e-5, abs=2e-4)  # of float32 and 1,000
        assert rank == scipy.stats.rankdata(-exact, method="min")[token]
        chances = scipy.special.softmax(exact)[said.choices[row].numpy()]
        np.testing.assert_allclose(said.chances[row].numpy(), chances, atol=2e-4)


@given(numbers((7,)), st.lists(st.integers(1, 3), min_size=7, max_size=7))
def test_perplexity_and_accuracy_are_numpys_and_scikit_learns(
    loss: Doubles, ranks: list[int]
) -> None:
    loss = np.minimum(np.abs(loss), 1000)
    rank = np.where(np.isnan(loss), 0, ranks)

    class Made:
        class encoded:
            special = np.array([True, *[False] * 6])

    made: Any = Made()
    none = np.zeros((7, 0), dtype=np.float32)
    scores = TokenScores(loss.astype(np.float32), rank, none.astype(int), none, [[]] * 7)
    example, tally = summed(made, scores, 0)
    known = ~np.isnan(loss[1:])
    if not known.any():
        assert example["loss"] is None and example["perplexity"] is None and not tally
        return
    counted, first = loss[1:][known], rank[1:][known] == 1
    assert example["loss"] == pytest.approx(np.mean(counted), rel=1e-6)
    # e to the power of 700 is nearly all that a number can hold
    expected = np.exp(min(float(np.mean(counted.astype(np.float32), dtype=np.float64)), 700.0))
    assert example["perplexity"] == pytest.approx(expected, rel=1e-6)
    right = sklearn.metrics.accuracy_score(np.ones(len(first), dtype=bool), first)
    assert example["accuracy"] == pytest.approx(right)


@given(arrays(np.bool_, (2, 12)))
def test_f1_is_scikit_learns(answers: npt.NDArray[np.bool_]) -> None:
    gold, found = answers
    value = bio.f1(int((gold & found).sum()), int(gold.sum()), int(found.sum()))
    if not answers.any():
        assert value is None  # scikit-learn calls it 0
    else:
        assert value == pytest.approx(sklearn.metrics.f1_score(gold, found, zero_division=0))


def sums_of(gold: Doubles, said: Doubles) -> Counter[str]:
    """What a regression adds up over its texts."""
    sums: Counter[str] = Counter()
    for g, p in zip(gold.tolist(), said.tolist(), strict=True):
        more: Any = {
            "judged": 1,
            "gold sum": g,
            "said sum": p,
            "gold squares": g * g,
            "said squares": p * p,
            "products": g * p,
        }
        sums.update(more)
    return sums


@given(
    numbers(st.tuples(st.just(2), st.integers(1, 12)), nan=False), st.sampled_from([0.0, 3.0, 1e3])
)
def test_the_correlation_of_a_regression_is_scipys(pairs: Doubles, shift: float) -> None:
    gold, said = pairs + shift * np.abs(pairs).max()
    found = _correlation(sums_of(gold, said))
    if len(gold) < 2 or len(set(gold)) < 2 or len(set(said)) < 2:
        assert found is None
        return
    exact = float(scipy.stats.pearsonr(gold, said).statistic)
    assert found is None or found == pytest.approx(exact, abs=1e-3)
    spread = min(np.std(x) / np.sqrt(np.mean(x**2)) for x in (gold, said))
    assert (found is not None) == (spread > 1e-6) or spread == pytest.approx(1e-6, rel=0.1)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 3.3, 1e30])
def test_a_constant_has_no_correlation(value: float) -> None:
    """Sums of 0.1 three times are not quite 0.3."""
    for count in range(1, 12):
        other = np.arange(count) / 10
        assert _correlation(sums_of(np.full(count, value), other)) is None
        assert _correlation(sums_of(other, np.full(count, value))) is None
