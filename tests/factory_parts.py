"""Collateral files with the parts that came with format 1.1: items, sides, sparse attention.

As in ``tests/factory.py`` the numbers are made up but agree with each other, and the same arguments
give the same file. What is in them follows what ``interpret-extract`` writes for taggers and
encoder-decoders.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

import collateral
from collateral import (
    AttentionKind,
    Column,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    Writer,
    pack_attention,
    pack_sparse_attention,
    top_k,
)

Floats = npt.NDArray[np.float64]

_PREDICTED = {
    "prediction": Column("text", role="prediction"),
    "probability": Column("continuous", role="probability"),
    "correct": Column("boolean", role="correct"),
}
_TAGGED = {**_PREDICTED, "prediction": Column("categorical", role="prediction")}
TAGS = ("O", "B-PER", "I-PER", "B-LOC")
_WORDS = [
    "Anna",
    "Lind",
    "met",
    "old",
    "Marie",
    "in",
    "Lyon",
    "and",
    "then",
    "walked",
    "home",
    "over",
    "the",
    "Rhône",
    "bridge",
]
_GERMAN = [
    "Anna",
    "traf",
    "gestern",
    "die",
    "alte",
    "Frau",
    "in",
    "der",
    "kleinen",
    "Stadt",
    "am",
    "Fluss",
]


def softmax_rows(rng: np.random.Generator, shape: tuple[int, ...], causal: bool = False) -> Floats:
    """Attention weights [..., queries, keys] that sum to one in each row; peaked."""
    logits = 2.5 * rng.normal(size=shape)
    if causal:
        logits = np.where(np.tril(np.ones(shape[-2:], dtype=bool)), logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _tokens(words: list[str], special: list[bool], start: int = 0) -> tuple[str, Tokens]:
    """A text of words with blanks between them, and a token for each; special ones are no text."""
    offsets: list[tuple[int, int]] = []
    numbers: list[int] = []
    texts: list[str] = []
    at = start
    for word, is_special in zip(words, special, strict=True):
        if is_special:
            offsets.append((0, 0))
            numbers.append(-1)
            continue
        offsets.append((at, at + len(word)))
        numbers.append(len(texts))
        texts.append(word)
        at += len(word) + 1
    tokens = Tokens(
        tuple(words),
        np.array(offsets, dtype=np.int32).reshape(-1, 2),
        np.array(special, dtype=bool),
        np.array(numbers, dtype=np.int32),
    )
    return " ".join(texts), tokens


def _joined(first: Tokens, second: Tokens) -> Tokens:
    """The tokens of a source and then of a target, whose words are numbered on."""
    words = first.words.max(initial=-1) + 1
    return Tokens(
        first.texts + second.texts,
        np.concatenate([first.offsets, second.offsets]),
        np.concatenate([first.special, second.special]),
        np.concatenate([first.words, np.where(second.special, -1, second.words + words)]),
    )


def _add_attention(
    writer: Writer, row: int, kind: AttentionKind, maps: Floats, kept: int, rng: np.random.Generator
) -> None:
    """Adds weights, the ``kept`` largest of each row or (0) all; packed first in every other row.

    And value norms of the keys.
    """
    keys = maps.shape[3]
    kept = min(kept, keys)
    if row % 2:
        packed = (
            pack_sparse_attention(kind, *top_k(maps, kept), keys)
            if kept
            else pack_attention(kind, "float16", maps)
        )
        writer.add_packed_attention(row, packed)
    elif kept:
        writer.add_sparse_attention(row, *top_k(maps, kept), keys=keys, kind=kind.name)
    else:
        writer.add_attention(row, maps, kind.name)
    norms = rng.gamma(4.0, 0.3, size=(kind.layers, kind.heads, keys))
    writer.add_value_norms(row, norms, kind.name)


def write_translation(
    path: str | os.PathLike[str],
    *,
    examples: int = 5,
    layers: int = 2,
    heads: int = 3,
    seed: int = 0,
    attention: int = 3,
    kept: int = 0,
) -> Path:
    """Writes a file of an encoder-decoder and returns its path.

    Three kinds of attention, an item for each token of the target but the last, points on the
    target's tokens, no pairs, summaries. The source of the last example has no tokens.

    Args:
        path: the file.
        examples: number of examples.
        layers, heads: of each kind of attention.
        seed: decides about texts and numbers.
        attention: the first so many examples have their attention and its value norms stored.
        kept: so many weights of each row are stored; 0: all.
    """
    kinds = (
        AttentionKind("encoder", layers, heads, False, "source", "source"),
        AttentionKind("decoder", layers, heads, True, "target", "target"),
        AttentionKind("cross", layers, heads, False, "target", "source"),
    )
    meta = Meta(
        task="translation",
        model=ModelInfo("toy translator", "MarianModel", layers, heads, 16),
        tokens=TokenInfo(("<pad>", "</s>"), "</s>", word_start="▁"),
        attention=kinds,
        settings={"seed": seed, "kept": kept},
        item="token",
    )
    metrics = [
        Metric(f"{kind.name}:std", f"std · {kind.name}", attention=kind.name, low=0.0, high=0.5)
        for kind in kinds
    ]
    rng = np.random.default_rng([seed, 11])
    with collateral.create(path, meta, metrics=metrics, items=_PREDICTED) as writer:
        points = 0
        for row in range(examples):
            empty = row == examples - 1 and row > 0
            sides = _add_translation(writer, row, 0 if empty else int(rng.integers(3, 8)), rng)
            points += sides["target"] - 1
            for kind in kinds:
                shape = (layers, heads, sides[kind.queries], sides[kind.keys])
                maps = softmax_rows(rng, shape, kind.causal) if min(shape) else np.zeros(shape)
                std = maps.std(axis=(2, 3)) if maps.size else np.full((layers, heads), np.nan)
                writer.append_metric(f"{kind.name}:std", std[None])
                if row < attention and maps.size:
                    _add_attention(writer, row, kind, maps, kept, rng)
        for layer in range(layers + 1):
            writer.set_coordinates(layer, rng.normal(size=(points, 2)))
        for kind in kinds:
            _add_summary(writer, f"{kind.name}:previous", kind, rng)
    return Path(path)


def _add_translation(
    writer: Writer, row: int, length: int, rng: np.random.Generator
) -> dict[str, int]:
    """Adds an example of ``length`` source words, its items and points; tokens of each side."""
    ends = ["</s>"] if length else []
    source, one = _tokens([*_GERMAN[:length], *ends], [False] * length + [True] * len(ends))
    words = _WORDS[: int(rng.integers(2, 7))]
    target, two = _tokens(["<pad>", *words], [True] + [False] * len(words), len(source) + 1)
    tokens = _joined(one, two)
    writer.add_example(f"t-{row}", f"{source}\n{target}", tokens, len(one))
    for token in range(len(one), len(tokens) - 1):
        probability = float(rng.random())
        writer.add_item(
            row,
            token,
            token + 1,
            tokens.texts[token],
            prediction=tokens.texts[token + 1],
            probability=probability,
            correct=probability > 0.3,
        )
    for token in range(len(one) + 1, len(tokens)):
        writer.add_point(row, token, token + 1, tokens.texts[token])
    return {"source": len(one), "target": len(two)}


def _add_summary(writer: Writer, name: str, kind: AttentionKind, rng: np.random.Generator) -> None:
    """Adds numbers between 0 and 1, the last head's undefined."""
    summary = Metric(
        name,
        f"{name} (share)",
        attention=kind.name,
        low=0.0,
        high=1.0,
        baseline=0.25,
        meaning="share of the words whose largest weight is on the word it belongs to",
    )
    values = rng.random((kind.layers, kind.heads))
    values[-1, -1] = np.nan
    writer.add_summary(summary, values)


def write_tagging(
    path: str | os.PathLike[str],
    *,
    examples: int = 6,
    layers: int = 2,
    heads: int = 4,
    seed: int = 0,
    attention: int = 4,
    kept: int = 0,
    tokens: int = 0,
) -> Path:
    """Writes a file of a tagger and returns its path: an item for each word, summaries, no pairs.

    Args:
        path: the file.
        examples: number of examples.
        layers, heads: of the attention.
        seed: decides about texts and numbers.
        attention: the first so many examples have their attention and its value norms stored.
        kept: so many weights of each row are stored; 0: all.
        tokens: every example has at least so many tokens.
    """
    kind = AttentionKind("self", layers, heads)
    meta = Meta(
        task="tagging",
        model=ModelInfo("toy tagger", "BertForTokenClassification", layers, heads, 16),
        tokens=TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
        attention=(kind,),
        settings={"seed": seed, "kept": kept},
        item="word",
    )
    columns = {"gold": Column("categorical", role="gold"), **_TAGGED}
    rng = np.random.default_rng([seed, 12])
    metric = Metric("std", "standard deviation", low=0.0, high=0.5)
    with collateral.create(path, meta, items=columns, metrics=[metric]) as writer:
        points = 0
        for row in range(examples):
            length = max(int(rng.integers(4, len(_WORDS))), tokens - 2)
            _add_tagged(writer, row, length, rng)
            points += length
            maps = softmax_rows(rng, (layers, heads, length + 2, length + 2))
            writer.append_metric("std", maps.std(axis=(2, 3))[None])
            if row < attention:
                _add_attention(writer, row, kind, maps, kept, rng)
        for layer in range(layers + 1):
            writer.set_coordinates(layer, rng.normal(size=(points, 2)))
        _add_summary(writer, "amod", kind, rng)
    return Path(path)


def _add_tagged(writer: Writer, row: int, length: int, rng: np.random.Generator) -> None:
    """Adds an example of so many words, with an item and a point for each."""
    words = (_WORDS * (length // len(_WORDS) + 1))[:length]
    text, tokens = _tokens(["[CLS]", *words, "[SEP]"], [True, *[False] * length, True])
    writer.add_example(f"s-{row}", text, tokens)
    for word in range(length):
        gold, predicted = (TAGS[i] for i in rng.choice(len(TAGS), 2))
        known = word % 7 != 6
        writer.add_item(
            row,
            word + 1,
            word + 2,
            words[word],
            gold=gold if known else None,
            prediction=predicted,
            probability=float(rng.random()),
            correct=gold == predicted if known else None,
        )
        writer.add_point(row, word + 1, word + 2, words[word])
