"""Head metrics of cross-attention, windows, long texts, half precision; metrics of others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from collateral.schema import Metric
from extract.metrics import (
    EXAMPLE_METRICS,
    PAIR_METRICS,
    AttentionStats,
    BatchLayout,
    base,
    example_metric,
    example_metrics,
    layout,
    of_kind,
    pair_metric,
    row_metric,
    row_statistic,
    word_metric,
)
from extract.metrics.layout import Rows, View
from extract.metrics.spans import PairIndex, SpanView
from extract.metrics.words import WordIndex, WordStats, WordView
from extract.models.capture import Block

from .test_attention_metrics import by_hand, cut, softmax
from .test_relations import one_piece

Matrix = npt.NDArray[np.float64]


def run(
    of: BatchLayout, weights: torch.Tensor, names: tuple[str, ...], rows: int = 0
) -> dict[str, Matrix]:
    """Metrics of weights [layers, batch, heads, rows, keys]: name → [batch, layers, heads]."""
    stats = AttentionStats(of, len(weights), names)
    for layer, one in enumerate(weights):
        for block in cut(one, 0, rows, layer):
            stats.add(block)
    found = stats.finish()
    assert float(found.row_error) < 1e-2
    return dict(zip(names, found.example.double().numpy(), strict=True))


def test_cross_attention_has_the_metrics_that_make_sense_of_it() -> None:
    random = np.random.default_rng(1)
    names = example_metrics(same=False, ids=False)
    assert set(names) == {
        "std",
        "std_normalised",
        "entropy",
        "entropy_normalised",
        "confidence",
        "mass_separator",
    }
    queries, keys = [5, 3, 1], [4, 7, 7]
    weights = torch.zeros(1, 3, 2, 5, 7)
    marks = np.zeros((3, 7), dtype=np.bool_)
    for row, (q, k) in enumerate(zip(queries, keys, strict=True)):
        weights[0, row, :, :q, :k] = torch.from_numpy(softmax(random.normal(size=(2, q, k)) * 2))
        weights[0, row, :, q:] = math.nan
        marks[row, k - 1] = row != 1
    of = BatchLayout(queries, keys, separators=marks)
    for rows in (0, 2):
        found = run(of, weights, names, rows)
        for row, (q, k) in enumerate(zip(queries, keys, strict=True)):
            for head in range(2):
                a = weights[0, row, head, :q, :k].double().numpy()
                h = [-sum(x * math.log(x) for x in line) for line in a]
                m = np.mean([sum(line**2) for line in a])
                others = a if row == 1 else a[:, :-1]
                expected = {
                    "std": np.std(a),
                    "std_normalised": math.sqrt((m - 1 / k) / (1 - 1 / k)),
                    "entropy": np.mean(h),
                    "entropy_normalised": np.mean(h) / math.log(k),
                    "confidence": np.mean(others.max(1)),
                    "mass_separator": math.nan if row == 1 else np.mean(a[:, -1]),
                }
                for name, value in expected.items():
                    got = found[name][row, 0, head]
                    assert got == pytest.approx(value, abs=1e-5, nan_ok=True), name


@pytest.mark.parametrize("rows", [0, 3])
def test_masks_say_how_many_keys_a_row_sees(rows: int) -> None:
    """Two layers look at windows, one at all that is before: v_i comes from each block's mask."""
    random = np.random.default_rng(2)
    lengths, n, names = [9, 6], 9, example_metrics(causal=True)
    at = np.arange(n)
    full = (at[None, :] <= at[:, None])[None] & (at < np.array(lengths)[:, None])[:, None, :]
    window = full & (at[None, None, :] > at[None, :, None] - 3)
    open_ = [full, window, window]
    lowest = torch.finfo(torch.float32).min
    masks = [
        torch.from_numpy(np.where(one, 0.0, lowest).astype(np.float32))[:, None]
        for one in open_[:2]
    ]
    masks.append(masks[1])
    weights = torch.zeros(3, 2, 2, n, n)
    for layer, seen in enumerate(open_):
        scores = random.normal(size=(2, 2, n, n)) * 2
        with np.errstate(invalid="ignore"):
            weights[layer] = torch.from_numpy(softmax(np.where(seen[:, None], scores, lowest)))
    of = BatchLayout(lengths, causal=True, ids=np.tile(at, (2, 1)))
    pairs = PairIndex.of([0, 1, 0], [(3, 5), (1, 2), (0, 2)], [(1, 3), (4, 6), (7, 9)])
    pair_names = tuple(PAIR_METRICS)
    stats = AttentionStats(of, 3, names, pair_metrics=pair_names, pairs=pairs)
    for layer in range(3):
        for start in range(0, n, rows or n):
            cut_ = slice(start, min(n, start + (rows or n)))
            mask = masks[layer][:, :, cut_]
            stats.add(Block("self", layer, slice(0, 2), cut_, weights[layer][:, :, cut_], mask))
    reduced = stats.finish()
    found = dict(zip(names, reduced.example.double().numpy(), strict=True))
    for row, length in enumerate(lengths):
        for layer, seen in enumerate(open_):
            v = seen[row, :length].sum(1)
            for head in range(2):
                a = weights[layer, row, head, :length, :length].double().numpy()
                expected = by_hand(a, [], causal=True)
                h = [-sum(x * math.log(x) for x in line if x > 0) for line in a]
                expected["entropy_normalised"] = np.mean(
                    [h[i] / math.log(v[i]) for i in range(length) if v[i] > 1]
                )
                expected["std_normalised"] = math.sqrt(
                    np.mean(
                        [
                            (sum(a[i] ** 2) - 1 / v[i]) / (1 - 1 / v[i])
                            for i in range(length)
                            if v[i] > 1
                        ]
                    )
                )
                for name in names:
                    got = found[name][row, layer, head]
                    assert got == pytest.approx(expected[name], abs=1e-5, nan_ok=True), name
    excess = reduced.pair[pair_names.index("intensity_candidate_pronoun_excess")].numpy()
    mass = reduced.pair[pair_names.index("intensity_candidate_pronoun_mass")].numpy()
    for layer, seen in enumerate(open_):
        one = seen[0]
        chance = np.mean([one[i, 1:3].sum() / one[i].sum() for i in (3, 4)])
        np.testing.assert_allclose(mass[0, layer] - excess[0, layer], chance, atol=1e-6)
        np.testing.assert_allclose(excess[1:, layer], 0, atol=1e-6)  # all of it lies ahead


def test_a_mask_for_all_examples_and_rows_is_understood() -> None:
    """Encoders pass [batch, 1, 1, keys], causal models without padding [1, 1, rows, keys]."""
    random = np.random.default_rng(3)
    weights = torch.zeros(1, 2, 1, 5, 5)
    weights[0, 0] = torch.from_numpy(softmax(random.normal(size=(1, 5, 5))))
    weights[0, 1, :, :, :3] = torch.from_numpy(softmax(random.normal(size=(1, 5, 3))))
    pairs = PairIndex.of([1], [(0, 1)], [(1, 3)])
    names = ("entropy_normalised",)
    results = []
    by_key = torch.zeros(2, 1, 1, 5)
    by_key[1, ..., 3:] = torch.finfo(torch.float32).min
    for mask in (None, by_key, by_key == 0):
        stats = AttentionStats(
            BatchLayout([5, 3]), 1, names, pair_metrics=tuple(PAIR_METRICS), pairs=pairs
        )
        stats.add(Block("self", 0, slice(0, 2), slice(0, 5), weights[0], mask))
        results.append(stats.finish())
    for one in results[1:]:
        torch.testing.assert_close(one.example, results[0].example)
        torch.testing.assert_close(one.pair, results[0].pair)


def test_a_batch_gives_what_single_examples_give() -> None:
    random = np.random.default_rng(4)
    names, lengths = example_metrics(), [11, 4, 8]
    ids = random.integers(0, 5, (3, 11))
    marks = np.zeros((3, 11), dtype=np.bool_)
    weights = torch.zeros(2, 3, 4, 11, 11)
    for row, n in enumerate(lengths):
        marks[row, n - 1] = True
        weights[:, row, :, :n, :n] = torch.from_numpy(softmax(random.normal(size=(2, 4, n, n))))
    found = run(BatchLayout(lengths, separators=marks, ids=ids), weights, names)
    for row, n in enumerate(lengths):
        of = BatchLayout([n], separators=marks[row : row + 1, :n], ids=ids[row : row + 1, :n])
        alone = run(of, weights[:, row : row + 1, :, :n, :n], names)
        for name in names:
            np.testing.assert_allclose(found[name][row], alone[name][0], atol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_before_it_is_summed(dtype: torch.dtype) -> None:
    n = 300
    random = np.random.default_rng(5)
    exact = torch.from_numpy(softmax(random.normal(size=(1, 1, 2, n, n)))).to(dtype)
    of = BatchLayout([n], ids=random.integers(0, 50, (1, n)))
    found = run(of, exact, example_metrics(), rows=64)
    wide = run(of, exact.float(), example_metrics(), rows=64)
    for name in found:
        np.testing.assert_array_equal(found[name], wide[name], err_msg=name)


def test_layers_may_wait_for_each_other_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    weights = torch.from_numpy(softmax(random.normal(size=(5, 2, 3, 6, 6)))).float()
    of = BatchLayout([6, 6], ids=random.integers(0, 3, (2, 6)))
    together = run(of, weights, example_metrics(), rows=4)
    for most in (1, 1300):  # a layer at a time, two at a time
        monkeypatch.setattr("extract.metrics.stats.KEPT_STATISTICS", most)
        apart = run(of, weights, example_metrics(), rows=4)
        for name in together:
            np.testing.assert_allclose(apart[name], together[name], atol=1e-6, err_msg=name)


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers how many numbers the largest tensor holds that any operation gave."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.untyped_storage().nbytes() // 4)
        return found


def test_a_long_text_never_needs_a_whole_matrix() -> None:
    """4,096 tokens of one id: blocks of 32 rows, and as many repeats as there can be."""
    n, heads = 4096, 2
    of = BatchLayout([n], causal=True, ids=np.zeros((1, n), dtype=np.int64))
    names = example_metrics(causal=True)
    stats = AttentionStats(of, 1, names)
    largest = Largest()
    for start in range(0, n, 32):
        at = torch.arange(start, start + 32)
        seen = (torch.arange(n) <= at[:, None]).float()
        weights = (seen / seen.sum(-1, keepdim=True)).expand(1, heads, 32, n).contiguous()
        with largest:
            rows = slice(start, start + 32)
            stats.add(Block("self", 0, slice(0, 1), rows, weights, None))
    with largest:
        example = stats.finish().example
    assert heads * 32 * n <= largest.numbers <= 2 * heads * 32 * n  # of the size of a block
    found = dict(zip(names, example[:, 0, 0, 0].tolist(), strict=True))
    i = np.arange(1, n)
    assert found["duplicate_token"] == pytest.approx(np.mean(i / (i + 1)), rel=1e-4)
    assert found["mean_distance"] == pytest.approx((n - 1) / 4, rel=1e-4)
    assert found["entropy_normalised"] == pytest.approx(1, abs=1e-4)


def test_repeats_are_found_anew_when_too_many_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    weights = torch.from_numpy(softmax(random.normal(size=(2, 2, 3, 8, 8)))).float()
    ids, names = random.integers(0, 3, (2, 8)), ("duplicate_token", "induction")
    kept = run(BatchLayout([8, 8], ids=ids), weights, names, rows=3)
    monkeypatch.setattr(layout, "KEPT_PLACES", 0)
    anew = run(BatchLayout([8, 8], ids=ids), weights, names, rows=3)
    for name in names:
        np.testing.assert_array_equal(kept[name], anew[name])


def test_repeats_need_ids() -> None:
    weights = torch.full((1, 1, 1, 2, 2), 0.5)
    with pytest.raises(ValueError, match="ids"):
        run(BatchLayout([2]), weights, ("induction",))


def test_induction_looks_after_the_earlier_copy_and_duplicate_at_it() -> None:
    a = np.zeros((2, 6, 6))
    for i in range(3, 6):  # a b c a b c
        a[0, i, i - 2] = 1  # what followed the earlier copy
        a[1, i, i - 3] = 1  # the earlier copy
    a[:, :3, 0] = 1
    weights = torch.from_numpy(a)[None, None].float()
    of = BatchLayout([6], ids=np.array([[7, 8, 9, 7, 8, 9]]))
    found = run(of, weights, ("duplicate_token", "induction"))
    assert found["induction"][0, 0].tolist() == [1, 0]
    assert found["duplicate_token"][0, 0].tolist() == [0, 1]


@pytest.fixture
def registries() -> Iterator[None]:
    """Takes away what a test registers."""
    kept: list[dict[str, Any]] = [base.ROW_STATISTICS, base.EXAMPLE_METRICS, base.PAIR_METRICS]
    copies = [dict(one) for one in kept]
    yield
    for one, copy in zip(kept, copies, strict=True):
        one.clear()
        one.update(copy)


@pytest.mark.usefixtures("registries")
def test_anyone_can_add_metrics() -> None:
    @row_metric(Metric("weight_on_last", "last"), needs=["same"])
    def weight_on_last(view: View) -> torch.Tensor:
        last = view.part.query_lengths - 1
        values = view.weights[torch.arange(len(last)), :, :, last].float()
        return torch.where((view.part.positions == last[:, None])[:, None], math.nan, values)

    @row_statistic("second")
    def second(view: View) -> torch.Tensor:
        return view.weights.sort(-1).values[..., -2]

    @example_metric(Metric("most_second", "second"), "second")
    def most_second(rows: Rows) -> torch.Tensor:
        return rows["second"].amax(-1)

    @word_metric(Metric("between_words", "words"))
    def between_words(view: WordView) -> torch.Tensor:
        return view.attention.sum((-1, -2))

    @pair_metric(Metric("low_1", "1", unit="pair"), Metric("low_2", "2", unit="pair"))
    def low(view: SpanView) -> torch.Tensor:
        return view.block.amin((1, 2))

    random = np.random.default_rng(8)
    a = softmax(random.normal(size=(2, 5, 5)))
    weights = torch.zeros(2, 1, 2, 6, 6)
    weights[0, 0, :, :5, :5] = torch.from_numpy(a)
    weights[1, 0] = torch.from_numpy(softmax(random.normal(size=(2, 6, 6))))
    names = ("most_second", "weight_on_last")
    assert {*names, "between_words"} <= set(example_metrics(words=True))
    assert "weight_on_last" not in example_metrics(same=False)
    stats = AttentionStats(
        BatchLayout([5, 6]),
        1,
        names,
        pair_metrics=("low_1", "low_2"),
        pairs=PairIndex.of([0], [(0, 2)], [(2, 4)]),
    )
    words = WordStats(
        BatchLayout([5, 6]), 1, ["between_words"], WordIndex([one_piece([-1, 0], first=1), None])
    )
    block = Block("self", 0, slice(0, 2), slice(0, 6), weights[:, 0], None)
    stats.add(block)
    words.add(block)
    found, of_words = stats.finish(), words.finish(2, weights.device)[0]
    for head in range(2):
        one = found.example[:, 0, 0, head].tolist()
        assert one[0] == pytest.approx(np.sort(a[head], axis=1)[:, -2].max(), abs=1e-6)
        assert one[1] == pytest.approx(a[head, :4, 4].mean(), abs=1e-6)
        expected = a[head, 1, 2] + a[head, 2, 1]
        assert float(of_words[0, 0, 0, head]) == pytest.approx(expected, abs=1e-6)
        low_1, low_2 = found.pair[:, 0, 0, head].tolist()
        assert low_1 == pytest.approx(a[head, :2, 2:4].min(), abs=1e-6)
        assert low_2 == pytest.approx(a[head, 2:4, :2].min(), abs=1e-6)


@pytest.mark.usefixtures("registries")
def test_names_do_not_clash() -> None:
    for register in (example_metric(Metric("std", "")), row_metric(Metric("std", ""))):
        with pytest.raises(ValueError, match="a metric 'std' already"):
            register(lambda view: view.weights)
    with pytest.raises(ValueError, match="a row statistic 'total' already"):
        row_statistic("total")(lambda view: view.weights)
    with pytest.raises(ValueError, match="'entropy' already"):
        pair_metric(Metric("new", ""), Metric("entropy", ""))(lambda view: view.block)
    assert "new" not in PAIR_METRICS
    with pytest.raises(ValueError, match="no row statistic 'nonsense'"):
        example_metric(Metric("other", ""), "nonsense")(lambda rows: rows["nonsense"])
    # a name that is free as a metric and taken as a row statistic leaves nothing behind
    with pytest.raises(ValueError, match="row statistic 'total'"):
        row_metric(Metric("total", ""))(lambda view: view.weights)
    assert "total" not in EXAMPLE_METRICS


@pytest.mark.usefixtures("registries")
def test_a_metric_of_the_wrong_shape_is_named() -> None:
    row_metric(Metric("flat", ""))(lambda view: view.weights.sum((0, 1, 3)))
    example_metric(Metric("thin", ""), "first")(lambda rows: rows["first"].sum((1, 2)))
    weights = torch.full((1, 2, 3, 4, 4), 0.25)
    with pytest.raises(ValueError, match=r"'flat' gave a tensor \[4\], not \[2, 3, 4\]"):
        run(BatchLayout([4, 4]), weights, ("flat",))
    with pytest.raises(ValueError, match=r"'thin' gave a tensor \[2\], not \[2, 3\]"):
        run(BatchLayout([4, 4]), weights, ("thin",))


def test_a_metric_of_one_of_several_kinds_says_so() -> None:
    description = EXAMPLE_METRICS["std"].description
    alone = of_kind(description, "self", several=False)
    assert (alone.name, alone.title, alone.attention) == ("std", "standard deviation", "self")
    one = of_kind(description, "cross", several=True)
    assert (one.name, one.title) == ("cross:std", "standard deviation · cross")
    assert one.attention == "cross" and one.meaning == description.meaning


def test_what_comes_after_is_measured_where_it_is_seen() -> None:
    """The mass on the next token is 0 for every causal head, which tells nothing."""
    both, causal = set(example_metrics()), set(example_metrics(causal=True))
    assert both - causal == {"mass_next"} and causal <= both
    assert "mass_next" not in example_metrics(same=False)
