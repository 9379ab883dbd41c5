"""Collateral files of tasks other than coreference, made by hand: few texts, always the same.

What they hold follows what ``interpret-extract`` writes for these tasks: items with their roles,
kinds of attention, summaries, sparse attention, value norms. ``shift`` 0 is a base model, 1 a
fine-tuned one that is nearly always right.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import collateral
from collateral import AttentionKind, Column, Meta, Metric, ModelInfo, TokenInfo, Tokens, Writer

Floats = npt.NDArray[np.float64]

REVIEWS = (
    ("The sashimi platter was fresh but the service was slow", "O B I O O O O B O O", "food"),
    ("Great screen and a decent keyboard for this price", "O B O O O B O O B", "laptop"),
    ("I would go back for the duck confit any day", "O O O O O O B I O O", "food"),
    ("Nothing to say about it", "O O O O O", None),
    ("Battery life is awful", "B I O O", "laptop"),
)
TRANSLATIONS = (
    ("The cat sleeps .", "Die Katze schläft ."),
    ("A small dog barks at the old man .", "Ein kleiner Hund bellt den alten Mann an ."),
    ("Good morning !", "Guten Morgen !"),
)
STORIES = ("Once upon a time there was a very small king", "The end of the story is not the end")
OPINIONS = (("A moving film", "positive"), ("Dull and far too long", "negative"), ("Fine", None))


def attention(shape: tuple[int, ...], seed: int, causal: bool = False) -> Floats:
    """Made-up attention [..., queries, keys] whose rows sum to one."""
    logits = np.random.default_rng(seed).normal(scale=1.5, size=shape)
    if causal:
        logits += np.where(np.tri(shape[-2], shape[-1]) > 0, 0.0, -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def word_tokens(text: str, start: str = "[CLS]", end: str = "[SEP]", at: int = 0) -> Tokens:
    """A token per word, and a special one before and after, where they have a name.

    Args:
        at: offset of the text in the example's text.
    """
    words = text.split()
    ends = np.cumsum([len(word) + 1 for word in words]) - 1 + at
    before, after = [start] if start else [], [end] if end else []
    offsets = [(int(e) - len(w), int(e)) for w, e in zip(words, ends, strict=True)]
    return Tokens(
        (*before, *words, *after),
        np.array([*[(0, 0)] * len(before), *offsets, *[(0, 0)] * len(after)], dtype=np.int32),
        np.array([bool(start)] * len(before) + [False] * len(words) + [True] * len(after)),
        np.array([-1] * len(before) + [*range(len(words))] + [-1] * len(after), dtype=np.int32),
    )


def joined(source: Tokens, target: Tokens) -> Tokens:
    """The tokens of source and target, as an encoder-decoder's example has them."""
    words = np.where(target.words >= 0, target.words + source.words.max() + 1, -1)
    return Tokens(
        source.texts + target.texts,
        np.concatenate([source.offsets, target.offsets]),
        np.concatenate([source.special, target.special]),
        np.concatenate([source.words, words]).astype(np.int32),
    )


def describe(
    task: str,
    name: str,
    kinds: tuple[AttentionKind, ...],
    item: str,
    architecture: str = "BertModel",
) -> Meta:
    """What these files say about themselves."""
    info = ModelInfo(name, architecture, kinds[-1].layers, kinds[-1].heads, 8)
    special = TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##")
    return Meta(task, info, special, kinds, {"projection": "made up"}, item=item)


def _finish(writer: Writer, points: int, layers: int, seed: int) -> None:
    for layer in range(layers + 1):
        places = np.random.default_rng([seed, layer]).normal(size=(points, 2))
        writer.set_coordinates(layer, places)


SELF = AttentionKind("self", 3, 4)
METRICS = (
    Metric("std", "standard deviation", low=0.0, high=0.5, meaning="high: sharply peaked rows"),
    Metric("entropy_normalised", "entropy (normalised)", low=0.0, high=1.0, baseline=1.0),
)
RELATION = Metric(
    "relation_nsubj", "points at: nsubj", low=0.0, high=1.0, baseline=0.61,
    meaning="how often the word attended to most is the head; baseline: the best fixed offset",
)  # fmt: skip


def tags_of(review: int, shift: float) -> tuple[list[str], list[str]]:
    """Gold and predicted tags of a review."""
    gold = [tag if tag == "O" else f"{tag}-ASP" for tag in REVIEWS[review][1].split()]
    rng = np.random.default_rng([review, int(shift * 10)])
    predicted = [
        str(rng.choice(["O", "B-ASP", "I-ASP"])) if rng.random() > 0.6 + 0.39 * shift else tag
        for tag in gold
    ]
    return gold, predicted


def write_tagging(
    path: Path,
    *,
    shift: float = 0.0,
    name: str = "toy",
    labels: bool = True,
    nowhere: Collection[tuple[int, int]] = (),
    without: Collection[tuple[int, int]] = (),
) -> Path:
    """Words with aspect tags: items are words, points the words that gold or model tagged.

    Args:
        labels: give gold tags.
        nowhere: words (text, number) whose items have no tokens.
        without: words that are no items.
    """
    judged = {
        "gold": Column("categorical", role="gold"),
        "prediction": Column("categorical", role="prediction"),
        "correct": Column("boolean", role="correct"),
    }
    sure = {"probability": Column("continuous", "", "of the tag", "probability")}
    with collateral.create(
        path,
        describe("tagging", name, (SELF,), "word"),
        examples={
            "domain": Column("categorical"),
            "f1": Column("continuous", "F1", "of the spans", "score"),
            "correct": Column("boolean", role="correct"),
        },
        points=judged,
        items={**judged, **sure, "pos": Column("categorical", "part of speech")},
        metrics=METRICS,
    ) as writer:
        points = 0
        for row, (text, _, domain) in enumerate(REVIEWS):
            tokens = word_tokens(text)
            gold, predicted = tags_of(row, shift)
            right = [g == p for g, p in zip(gold, predicted, strict=True)]
            writer.add_example(
                f"review-{row}", text, tokens, domain=domain, f1=sum(right) / len(right),
                correct=all(right),
            )  # fmt: skip
            for number, word in enumerate(text.split()):
                span = (number + 1, number + 2)
                values: dict[str, Any] = {
                    "gold": gold[number] if labels else None,
                    "prediction": predicted[number],
                    "correct": right[number] if labels else None,
                }
                pos = "NOUN" if gold[number] != "O" else "X"
                if (row, number) not in without:
                    place = (0, 0) if (row, number) in nowhere else span
                    sure_of = 0.5 + 0.4 * right[number]
                    writer.add_item(row, *place, word, **values, probability=sure_of, pos=pos)
                if {gold[number] if labels else "O", predicted[number]} != {"O"}:
                    writer.add_point(row, *span, word, **values)
                    points += 1
            n = len(tokens)
            maps = attention((3, 4, n, n), row + 10 * int(shift))
            writer.append_metric("std", maps.std(axis=(2, 3))[None])
            writer.append_metric("entropy_normalised", np.full((1, 3, 4), 0.4 + 0.1 * shift))
            if row != 3:
                writer.add_attention(row, maps)
            if row < 2:
                writer.add_value_norms(row, np.linspace(0.1, 2.0, 12 * n).reshape(3, 4, n))
        writer.add_summary(RELATION, np.linspace(0.2, 0.7 + 0.2 * shift, 12).reshape(3, 4))
        _finish(writer, points, 3, 1)
    return path


ENCODER = AttentionKind("encoder", 2, 3, queries="source", keys="source")
DECODER = AttentionKind("decoder", 3, 2, causal=True, queries="target", keys="target")
CROSS = AttentionKind("cross", 3, 2, queries="target", keys="source")


def write_translation(path: Path, *, shift: float = 0.0, name: str = "toy") -> Path:
    """An encoder-decoder: three kinds of attention, not of one size; items are target tokens."""
    stds = [
        Metric(f"{kind.name}:std", f"std · {kind.name}", attention=kind.name, low=0.0, high=0.5)
        for kind in (ENCODER, DECODER, CROSS)
    ]
    aligned = Metric("cross:aligned", "aligned · cross", attention="cross", low=0.0, high=1.0)
    with collateral.create(
        path,
        describe("seq2seq", name, (ENCODER, DECODER, CROSS), "token", architecture="BartModel"),
        examples={"loss": Column("continuous", "loss", "mean over tokens", "score")},
        points={"length": Column("continuous", "letters")},
        items={
            "prediction": Column("text", role="prediction"),
            "gold": Column("text", role="gold"),
            "loss": Column("continuous", "loss"),
            "rank": Column("continuous", "rank"),
        },
        metrics=(*stds, aligned),
    ) as writer:
        points = 0
        for row, (text, translation) in enumerate(TRANSLATIONS):
            source = word_tokens(text, "", "</s>")
            target = word_tokens(translation, "<s>", "", at=len(text) + 1)
            tokens, n = joined(source, target), len(source)
            m = len(target)
            writer.add_example(
                f"line-{row}", f"{text}\n{translation}", tokens, n, loss=1.5 - shift + row / 10
            )
            words = [*translation.split(), "</s>"]
            for number, word in enumerate(words):
                said = word if (number + row) % 3 or shift else "der"
                writer.add_item(
                    row, n + number, n + number + 1, target.texts[number], gold=word,
                    prediction=said, rank=1 if said == word else 7,
                    loss=2.345 - shift - number / 10,
                )  # fmt: skip
                writer.add_point(row, n + number, n + number + 1, word, length=len(word))
                points += 1
            sizes = {"encoder": (n, n), "decoder": (m, m), "cross": (m, n)}
            for kind in (ENCODER, DECODER, CROSS):
                shape = (kind.layers, kind.heads, *sizes[kind.name])
                maps = attention(shape, row + 5 * int(shift), kind.causal)
                writer.append_metric(f"{kind.name}:std", maps.std(axis=(2, 3))[None])
                if row < 2:
                    writer.add_attention(row, maps, kind.name)
            writer.append_metric("cross:aligned", np.full((1, 3, 2), 0.25 * row))
        _finish(writer, points, 3, 2)
    return path


CAUSAL = AttentionKind("self", 2, 2, causal=True)


def write_language_model(path: Path, *, top: int = 3, name: str = "toy") -> Path:
    """A causal language model: items and points are tokens, attention keeps ``top`` of each row."""
    with collateral.create(
        path,
        describe("language-model", name, (CAUSAL,), "token", architecture="GPT2Model"),
        examples={"loss": Column("continuous", "loss", "nats per token", "score")},
        points={"loss": Column("continuous")},
        items={
            "prediction": Column("text", role="prediction"),
            "probability": Column("continuous", "", "of the token", "probability"),
            "loss": Column("continuous"),
            "rank": Column("continuous"),
            "second": Column("text", "second guess"),
        },
        metrics=METRICS[:1],
    ) as writer:
        points = 0
        for row, text in enumerate(STORIES):
            tokens, words = word_tokens(text, "", ""), text.split()
            writer.add_example(f"story-{row}", text, tokens, loss=3.25 - row)
            for number, word in enumerate(words):
                loss = float("nan") if number == 0 else 1.0 + number / 8
                writer.add_item(
                    row, number, number + 1, word, prediction=words[number - 1], loss=loss,
                    probability=np.exp(-loss), rank=number, second="the",
                )  # fmt: skip
                writer.add_point(row, number, number + 1, word, loss=loss)
                points += 1
            maps = attention((2, 2, len(words), len(words)), row, causal=True)
            writer.append_metric("std", maps.std(axis=(2, 3))[None])
            kept = collateral.top_k(maps, top)
            writer.add_sparse_attention(row, *kept, keys=len(words))
        _finish(writer, points, 2, 3)
    return path


def write_classification(path: Path, *, shift: float = 0.0, name: str = "toy") -> Path:
    """A label per text: items are labels without tokens, the point is the first token."""
    judged = {
        "gold": Column("categorical", role="gold"),
        "prediction": Column("categorical", role="prediction"),
        "correct": Column("boolean", role="correct"),
    }
    with collateral.create(
        path,
        describe("classification", name, (SELF,), "label"),
        examples={**judged, "probability": Column("continuous", role="probability")},
        points={},
        items={
            "gold": Column("boolean", role="gold"),
            "probability": Column("continuous", "probability", role="probability"),
        },
        metrics=METRICS[:1],
    ) as writer:
        for row, (text, gold) in enumerate(OPINIONS):
            tokens = word_tokens(text)
            said = 0.9 if (gold == "positive") == bool(shift) else 0.2
            predicted = "positive" if said > 0.5 else "negative"
            right = None if gold is None else gold == predicted
            writer.add_example(
                f"opinion-{row}", text, tokens, gold=gold, prediction=predicted, correct=right,
                probability=max(said, 1 - said),
            )  # fmt: skip
            writer.add_point(row, 0, 1, "[CLS]")
            for label, probability in (("negative", 1 - said), ("positive", said)):
                is_gold = None if gold is None else gold == label
                writer.add_item(row, 0, 0, label, gold=is_gold, probability=probability)
            n = len(tokens)
            maps = attention((3, 4, n, n), row)
            writer.append_metric("std", maps.std(axis=(2, 3))[None])
            writer.add_attention(row, maps, encoding="uint8")
        _finish(writer, len(OPINIONS), 3, 4)
    return path
