"""Attention between words and gold relations, against plain loops in float64 and scipy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
import torch

from extract.metrics import EXAMPLE_METRICS, BatchLayout, WordIndex, WordStats, words
from extract.metrics.relations import CORRELATIONS, DIRECTIONS, RelationScores, wilson
from extract.metrics.words import distance_correlations, forms, relation_matrix, scored_heads

from .test_attention_metrics import cut, softmax

Matrix = npt.NDArray[np.float64]
Range = tuple[int, int]


@dataclass(frozen=True)
class Parsed:
    """The words of a sentence."""

    tokens: tuple[Range, ...]
    heads: tuple[int, ...] | None = None
    relations: tuple[str, ...] = ()


def one_piece(heads: list[int], relations: list[str] | None = None, first: int = 0) -> Parsed:
    """Words of one token each, from token ``first`` on."""
    tokens = tuple((first + i, first + i + 1) for i in range(len(heads)))
    return Parsed(tokens, tuple(heads), tuple(relations or ["dep"] * len(heads)))


def measure(
    maps: list[Matrix],
    parses: list[Parsed | None],
    matrices: list[Matrix | None] | None = None,
    rows: int = 0,
    examples: int = 0,
    causal: bool = False,
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Correlations [3, batch, layers, heads] and hits [2, batch, words, layers, heads].

    Args:
        maps: one per example, [layers, heads, n, n].
        parses: of each.
        matrices: in the place of the gold heads.
        rows, examples: of a block at most, 0 for all.
        causal: what the layout says.
    """
    lengths = [one.shape[-1] for one in maps]
    layers, heads = maps[0].shape[:2]
    # rows of padding hold what a model's softmax gives that has nothing to look at
    batch = torch.full((layers, len(maps), heads, max(lengths), max(lengths)), math.nan)
    for row, one in enumerate(maps):
        batch[:, row, :, : lengths[row]] = 0
        batch[:, row, :, : lengths[row], : lengths[row]] = torch.from_numpy(one)
    stats = WordStats(
        BatchLayout(lengths, causal=causal), layers, CORRELATIONS, WordIndex(parses, matrices)
    )
    for layer in range(layers):
        for block in cut(batch[layer], examples, rows, layer):
            stats.add(block)
    found, hits = stats.finish(heads, torch.device("cpu"))
    return found.double().numpy(), hits.numpy()


def between_words(a: Matrix, tokens: tuple[Range, ...]) -> Matrix:
    """Attention between words: sums over the key's pieces, means over the query's; for one head."""
    found = np.full((len(tokens), len(tokens)), math.nan)
    for i, (a0, a1) in enumerate(tokens):
        for j, (b0, b1) in enumerate(tokens):
            if a1 > a0 and b1 > b0:
                found[i, j] = sum(sum(a[p, q] for q in range(b0, b1)) for p in range(a0, a1)) / (
                    a1 - a0
                )
    return found


def pearson(a: Matrix, g: Matrix) -> float:
    """r over pairs of different words that both have tokens, by scipy; NaN where undefined."""
    n = len(a)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and not math.isnan(a[i, j])]
    x, y = [a[p] for p in pairs], [g[p] for p in pairs]
    if len(set(x)) < 2 or len(set(y)) < 2:
        return math.nan
    return float(scipy.stats.pearsonr(x, y).statistic)


def looks(a: Matrix, way: int, word: int) -> int:
    """Where a word looks most, or which word looks most at it; -1 if there is no such."""
    row = a[word] if way == 0 else a[:, word]
    best = -1
    for j, value in enumerate(row):
        if j != word and value > (row[best] if best >= 0 else 0.0):
            best = j
    return best


def random_parse(random: np.random.Generator, n: int) -> tuple[Parsed, int]:
    """Words of one to three tokens between special tokens, some tokens of no word; a tree."""
    tokens, at = [], 1
    for _ in range(n):
        at += int(random.random() < 0.2)
        size = int(random.integers(1, 4))
        tokens.append((at, at + size))
        at += size
    heads = [-1, *(int(random.integers(0, i)) for i in range(1, n))]
    order = random.permutation(n)
    moved = [0] * n
    for i, head in enumerate(heads):
        moved[order[i]] = -1 if head < 0 else int(order[head])
    relations = random.choice(["nsubj", "obj", "det:x", "punct"], n).tolist()
    return Parsed(tuple(tokens), tuple(moved), tuple(relations)), at + 1


def check(
    maps: list[Matrix], parses: list[Parsed], found: Matrix, hits: npt.NDArray[np.bool_]
) -> int:
    """Compares with loops; gives the number of hits."""
    count = 0
    for row, (one, parse) in enumerate(zip(maps, parses, strict=True)):
        gold = scored_heads(parse)
        g = relation_matrix(parse)
        for layer in range(one.shape[0]):
            for head in range(one.shape[1]):
                # the weights are float32 there
                a = between_words(one[layer, head].astype(np.float32).astype(float), parse.tokens)
                for form, matrix in enumerate((g, g.T, np.maximum(g, g.T))):
                    got = found[form, row, layer, head]
                    assert got == pytest.approx(pearson(a, matrix), abs=2e-5, nan_ok=True)
                for way in range(2):
                    for word, of in enumerate(gold):
                        expected = of >= 0 and looks(a, way, word) == of
                        assert hits[way, row, word, layer, head] == expected
                        count += expected
    return count


@pytest.mark.parametrize(("rows", "examples"), [(0, 0), (4, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize("most", [1 << 24, 1, 3000])
def test_correlations_and_hits_equal_plain_loops(
    rows: int, examples: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "KEPT_NUMBERS", most)  # layers together, or example by example
    random = np.random.default_rng(7)
    parses, maps = [], []
    for n in (6, 4, 1, 2, 9):
        parse, tokens = random_parse(random, n)
        parses.append(parse)
        maps.append(softmax(random.normal(size=(3, 2, tokens, tokens)) * 3))
    found, hits = measure(maps, [*parses], rows=rows, examples=examples)
    assert check(maps, parses, found, hits) > 20
    assert np.isnan(found[:, 2]).all()  # one word has no pairs


def test_causal_attention_hits_no_head_that_comes_later() -> None:
    random = np.random.default_rng(8)
    n = 7
    maps = [softmax(np.where(np.tri(n) > 0, random.normal(size=(2, 3, n, n)), -np.inf))]
    parse = one_piece([1, 2, -1, 2, 3, 3, 2])
    found, hits = measure(maps, [parse], causal=True)
    check(maps, [parse], found, hits)
    assert not hits[0, 0, :2].any() and not hits[1, 0, 3:].any()


def test_directions() -> None:
    """Word i's head is word i - 1; one head looks there, one the other way round."""
    n = 6
    parse = one_piece([-1, 0, 1, 2, 3])
    parse = Parsed(tuple((s + 1, t + 1) for s, t in parse.tokens), parse.heads, parse.relations)
    back, forth = np.zeros((2, n, n))
    for i in range(n):
        back[i, max(i - 1, 0)] = 1
        forth[i, min(i + 1, n - 1)] = 1
    found, hits = measure([np.stack([back, forth])[None]], [parse])
    assert DIRECTIONS == ("to_head", "from_head")
    # word 0 looks at the special token 0, which is no word: the matrices are equal off that
    assert found[:2, 0, 0, 0] == pytest.approx([1, found[0, 0, 0, 1]], abs=1e-6)
    assert found[:2, 0, 0, 1] == pytest.approx([found[1, 0, 0, 0], 1], abs=1e-6)
    assert found[0, 0, 0, 1] < 0
    assert hits[:, 0, :, 0, 0].tolist() == [[False, *[True] * 4], [False] * 5]
    assert hits[:, 0, :, 0, 1].tolist() == [[False] * 5, [False, *[True] * 4]]


def test_undefined_correlations_stay_undefined() -> None:
    uniform = np.full((1, 1, 4, 4), 0.25)
    some = softmax(np.random.default_rng(0).normal(size=(1, 1, 4, 4)))
    parse, none = one_piece([-1, 0, 1, 2]), Parsed(tuple((i, i + 1) for i in range(4)))
    found, _ = measure([uniform, some, some, some], [parse, none, None, parse])
    assert np.isnan(found[:, :3]).all()  # constant attention, no arcs, no words
    assert np.isfinite(found[:, 3]).all()
    two, _ = measure([some], [one_piece([-1, 0])])
    # of two words, symmetric is constant
    assert np.abs(two[:2, 0, 0, 0]) == pytest.approx(1) and math.isnan(two[2, 0, 0, 0])


def test_any_matrix_of_the_data_can_be_correlated() -> None:
    random = np.random.default_rng(5)
    n = 6
    one, matrix = softmax(random.normal(size=(1, 2, n, n))), random.normal(size=(n, n))
    found, _ = measure([one], [Parsed(tuple((i, i + 1) for i in range(n)))], [matrix])
    for head in range(2):
        for form, values in enumerate((matrix, matrix.T, (matrix + matrix.T) / 2)):
            expected = pearson(one[0, head], values)
            assert found[form, 0, 0, head] == pytest.approx(expected, abs=1e-5)


def test_words_that_lost_their_tokens_are_left_out() -> None:
    random = np.random.default_rng(6)
    maps = [softmax(random.normal(size=(1, 4, 5, 5)))]
    parse = Parsed(((1, 2), (2, 4), (0, 0)), (1, -1, 1), ("det", "root", "obj"))
    assert scored_heads(parse) == [1, -1, -1]
    found, hits = measure(maps, [parse])
    check(maps, [parse], found, hits)
    assert not hits[:, 0, 2].any()


def test_what_distance_alone_reaches() -> None:
    random = np.random.default_rng(3)
    parse, _ = random_parse(random, 8)
    parse = Parsed((*parse.tokens, (0, 0)), (*(parse.heads or ()), 2), (*parse.relations, "x"))
    near = np.array([[1 / abs(i - j) if i != j else 0 for j in range(8)] for i in range(8)])
    g = relation_matrix(parse)[:8, :8]  # the last word has no tokens
    expected = [pearson(near, form) for form in (g, g.T, np.maximum(g, g.T))]
    assert distance_correlations(parse) == pytest.approx(expected)
    assert all(math.isnan(r) for r in distance_correlations(one_piece([-1])))
    mixed = random.normal(size=(9, 9))
    assert distance_correlations(parse, mixed)[2] == pytest.approx(
        pearson(near, (mixed + mixed.T)[:8, :8])
    )
    assert forms(np.eye(2) * 0.5)[2].tolist() == [[0.5, 0], [0, 0.5]]


def test_wilson_interval() -> None:
    for right, count in ((0, 5), (3, 7), (40, 50), (12, 12)):
        expected = scipy.stats.binomtest(right, count).proportion_ci(method="wilson")
        assert wilson(right, count) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert all(math.isnan(end) for end in wilson(0, 0))


Arcs = dict[str, object]


def random_arcs(random: np.random.Generator, examples: int) -> list[Arcs]:
    found: list[Arcs] = []
    for _ in range(examples):
        n = int(random.integers(1, 12))
        heads = random.integers(-1, n, n)
        found.append(
            {
                "relations": random.choice(
                    ["nsubj", "obj", "rare"], n, p=[0.6, 0.35, 0.05]
                ).tolist(),
                "heads": heads.tolist(),
                "hits": random.random((2, n, 2, 3)) < random.random((2, 1, 2, 3)),
            }
        )
    return found


def test_scores_of_relations_equal_plain_loops() -> None:
    arcs = random_arcs(np.random.default_rng(11), 60)
    scores = RelationScores(minimum=30)
    for one in arcs:
        scores.add(one)
    rows = {(row.relation, row.direction): row for row in scores.table()}
    summaries = {metric.name: (metric, values) for metric, values in scores.summaries()}
    assert {name for name, _ in rows} == {"nsubj", "obj"}  # the rare one has too few words
    assert set(summaries) == {f"relation:{n}:{d}" for n in ("nsubj", "obj") for d in DIRECTIONS}
    for (name, direction), row in rows.items():
        way = DIRECTIONS.index(direction)
        found = [
            (i % 2, int(head) - word, np.asarray(one["hits"])[way, word])
            for i, one in enumerate(arcs)
            for word, (head, of) in enumerate(zip(one["heads"], one["relations"], strict=True))  # type: ignore[call-overload]
            if of == name and head >= 0
        ]
        first = np.mean([hit for half, _, hit in found if half == 0], axis=0)
        second = np.mean([hit for half, _, hit in found if half == 1], axis=0)
        layer, head = np.unravel_index(first.argmax(), first.shape)
        assert (row.count, row.layer, row.head) == (len(found), layer, head)
        assert row.first_score == pytest.approx(first[layer, head])
        assert row.score == pytest.approx(second[layer, head])
        low, high = row.interval
        assert low < row.score < high

        def share(offset: int, halves: tuple[int, ...]) -> float:
            return float(np.mean([o == offset for half, o, _ in found if half in halves]))  # noqa: B023

        best = max(range(-3, 4), key=lambda offset: share(offset, (0,)))
        assert share(row.offset, (0,)) == pytest.approx(share(best, (0,)))
        assert row.offset_score == pytest.approx(share(row.offset, (1,)))
        metric, values = summaries[f"relation:{name}:{direction}"]
        np.testing.assert_allclose(values, np.mean([hit for *_, hit in found], axis=0), atol=1e-6)
        assert metric.baseline == pytest.approx(share(row.offset, (0, 1)))
        assert f"{len(found):,} words" in metric.meaning
        assert f"{100 * row.score:.1f} %" in metric.meaning
    assert len(scores.lines()) == 3 and "nsubj" in scores.lines()[1]


def test_scores_of_nothing_are_no_scores() -> None:
    empty = RelationScores()
    assert empty.table() == [] and empty.lines() == [] and list(empty.summaries()) == []


def test_a_relation_of_one_half_only_is_not_scored() -> None:
    scores = RelationScores(minimum=1)
    hits = np.ones((2, 2, 1, 1), dtype=np.bool_)
    scores.add({"relations": ["a", "b"], "heads": [1, 0], "hits": hits})
    scores.add({"relations": ["a", "root"], "heads": [1, -1], "hits": hits})
    score = {row.relation: row.score for row in scores.table()}
    assert score["a"] == 1 and math.isnan(score["b"]) and set(score) == {"a", "b"}
    meanings = {metric.name: metric.meaning for metric, _ in scores.summaries()}
    assert "no head could be tested" in meanings["relation:b:to_head"]


def test_the_correlations_say_what_they_need() -> None:
    for name in CORRELATIONS:
        metric = EXAMPLE_METRICS[name]
        assert metric.needs == {"words", "same"}
        assert (metric.description.low, metric.description.high) == (-1, 1)


def test_real_sentences(shared: Path) -> None:
    """Twenty parsed sentences with made-up attention and words cut into pieces at random."""
    random = np.random.default_rng(1)
    lines = (shared / "data" / "ud-ewt-dev.jsonl").read_text(encoding="utf-8").split("\n")[:20]
    parses, maps = [], []
    for record in map(json.loads, lines):
        sizes = [1 + len(word) // 5 for word in record["words"]]
        ends = 1 + np.cumsum(sizes)
        tokens = tuple(zip((ends - sizes).tolist(), ends.tolist(), strict=True))
        parses.append(Parsed(tokens, tuple(record["heads"]), tuple(record["deprels"])))
        n = int(ends[-1]) + 1
        maps.append(softmax(random.normal(size=(2, 2, n, n)) * 2))
    found, hits = measure(maps, [*parses])
    assert check(maps, parses, found, hits) > 0
