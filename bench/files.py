"""Collateral files to measure with: of any size, and quickly made.

Texts, tables, metrics, distances and maps are as large as those of an extraction of so many
examples. Attention is made once per length of text and turned for each example; of very large
files, what nobody will look at is zeros, which take no room on the disk where its file system can
leave holes. To a reader they are records like all others.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
import numpy.typing as npt

import collateral
from collateral import (
    AttentionKind,
    Column,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    Writer,
)
from collateral.packing import PackedAttention, pack_attention

Floats = npt.NDArray[np.float32]

CLASSES = 10
VARIANTS = 4
"""Different sets of attention weights; neighbouring examples never share one."""
DEMO = Path(__file__).resolve().parent.parent / "tui" / "demo" / "tuned.msgpack"
WHAT_MAPS = "the demo's t-SNE maps with jittered copies of their points"
_SPARE = 2e9
"""Bytes of the disk that are left alone."""


@dataclass(frozen=True)
class Recipe:
    """What a file holds.

    Attributes:
        tokens: of each example; the lengths are taken in turn.
        real: examples whose attention is there, the first ones.
        hollow: further examples whose attention is all zeros.
        bare: further examples without attention.
        metrics: how many per example, and per pair.
        maps: coordinates [hidden states, points, 2]; None gives five points per example, with maps.
    """

    tokens: Sequence[int] = (64,)
    real: int = 2
    hollow: int = 0
    bare: int = 0
    layers: int = 12
    heads: int = 12
    pairs: int = 2
    metrics: tuple[int, int] = (11, 6)
    maps: Floats | None = None

    @property
    def examples(self) -> int:
        """Of all kinds."""
        return self.real + self.hollow + self.bare


def of_size(size: float, folder: Path, real: int) -> Recipe:
    """A file of about so many bytes, or of as many as the disk has room for.

    All but ``real`` examples have zeros for attention, if the file has more than that.
    """
    per_example = 12 * 12 * 64 * 64 * 2 + 20_000
    count = max(2, round(size / per_example))
    room = shutil.disk_usage(folder).free - _SPARE
    needed = min(count, real) * per_example + count * 20_000
    if needed > room:
        count = max(2, int(room / per_example))
    return Recipe(real=min(count, real), hollow=max(0, count - real))


def write(path: Path, recipe: Recipe) -> Path:
    """Writes a file and returns its path."""
    meta = Meta(
        "coref",
        ModelInfo("made up", "BertModel", recipe.layers, recipe.heads, 64),
        TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
        (AttentionKind("self", recipe.layers, recipe.heads),),
        {},
    )
    units: dict[Literal["example", "pair"], int]
    units = {"example": recipe.metrics[0], "pair": recipe.metrics[1]}
    metrics = [
        Metric(f"{unit}_{number}", f"{unit} metric {number}", unit=unit, low=0.0, high=1.0)
        for unit, count in units.items()
        for number in range(count)
    ]
    judged = {"gold": Column("categorical", role="gold")}
    with collateral.create(
        path,
        meta,
        examples={"correct": Column("boolean", role="correct")},
        points=judged,
        pairs=judged,
        metrics=metrics,
        measures=[Measure(name, name) for name in ("cosine", "euclid")],
    ) as writer:
        _rows(writer, recipe)
        _numbers(writer, recipe)
        _attention(writer, recipe, meta.attention[0])
    return path


def maps(points: int, states: int) -> Floats:
    """The demo's maps with jittered copies of its points: [states, points, 2].

    A copy lies about a hundredth of the map's width from its original.
    """
    rng = np.random.default_rng(0)
    with collateral.open(DEMO) as demo:
        layers = [demo.mapped_layers[i % len(demo.mapped_layers)] for i in range(states)]
        made = np.empty((states, points, 2), dtype=np.float32)
        for state, layer in zip(made, layers, strict=True):
            found = demo.coordinates(layer)
            extent = np.ptp(found, axis=0)
            for start in range(0, points, len(found)):
                part = state[start : start + len(found)]
                noise = rng.normal(scale=0.01, size=part.shape) if start else 0.0
                part[:] = found[: len(part)] + extent * noise
    return made


def classes(places: Floats) -> npt.NDArray[np.intp]:
    """Classes of points [points, 2]: which of some of them is the nearest."""
    centres = places[np.random.default_rng(0).integers(0, len(places), CLASSES)]
    gaps = np.stack([((places - centre) ** 2).sum(axis=1) for centre in centres])
    return np.asarray(gaps.argmin(axis=0))


def coordinates(recipe: Recipe) -> Floats:
    """The maps of a file."""
    if recipe.maps is not None:
        return recipe.maps
    return maps(5 * recipe.examples, recipe.layers + 1)


@lru_cache(maxsize=8)
def weights(layers: int, heads: int, tokens: int) -> npt.NDArray[np.float16]:
    """Attention whose rows sum to one, different in each head: [layers, heads, tokens, tokens]."""
    rng = np.random.default_rng(tokens)
    found = np.empty((layers, heads, tokens, tokens), dtype=np.float16)
    step = abs(np.arange(tokens)[None, :] - np.arange(tokens)[:, None]).astype(np.float32)
    noise = rng.normal(scale=1.5, size=(tokens, tokens)).astype(np.float32)
    for layer in range(layers):
        for head in range(heads):
            reach = 1 + (layer * heads + head) % 9
            rows = np.exp(np.roll(noise, 7 * (layer + head), axis=1) - step / (2 * reach))
            found[layer, head] = rows / rows.sum(axis=1, keepdims=True)
    return found


def variants(kind: AttentionKind, tokens: int) -> list[PackedAttention]:
    """Records of different weights: those of :func:`weights`, the heads in another order each."""
    base = weights(kind.layers, kind.heads, tokens)
    turned = (np.roll(base, (i, i), axis=(0, 1)) for i in range(VARIANTS))
    return [pack_attention(kind, "float16", each, copy=False) for each in turned]


def _rows(writer: Writer, recipe: Recipe) -> None:
    words = [f"{start}{end}" for start in ("ka", "lo", "mi", "ru") for end in ("ten", "sar", "p")]
    made = {count: _text(words, count) for count in set(recipe.tokens)}
    for row in range(recipe.examples):
        text, tokens = made[recipe.tokens[row % len(recipe.tokens)]]
        writer.add_example(f"text-{row:06d}", text, tokens, correct=row % 3 > 0)
    places = coordinates(recipe)
    points = places.shape[1]
    owners = np.sort(np.arange(points) % recipe.examples)
    at = np.zeros(points, dtype=int)
    at[1:] = np.arange(1, points)
    at -= np.searchsorted(owners, owners)  # the how-manieth of its example
    at = 1 + at % (min(recipe.tokens) - 2)
    labels = [f"class {code}" for code in classes(places[-1])] if points else []
    spans = np.stack([at, at + 1], axis=1).tolist()
    values = {"gold": labels, "text": ["word"] * points}
    writer.add_points(owners.tolist(), spans, values)
    _pairs(writer, recipe, owners)


def _pairs(writer: Writer, recipe: Recipe, owners: npt.NDArray[Any]) -> None:
    rows = np.repeat(np.arange(recipe.examples), recipe.pairs)
    if not len(rows):
        return
    first = np.searchsorted(owners, rows)
    last = np.searchsorted(owners, rows, side="right") - 1
    here = [np.stack([np.minimum(p, len(owners) - 1), p + 1], axis=1) for p in (first, last)]
    here = [np.minimum(span, len(owners)) for span in here]
    writer.add_pairs(
        [f"pair-{number}" for number in range(len(rows))],
        rows.tolist(),
        ([[1, 2]] * len(rows), [[4, 5]] * len(rows)),
        (here[0].tolist(), here[1].tolist()),
        {"gold": [("same", "other")[number % 2] for number in range(len(rows))]},
    )


def _numbers(writer: Writer, recipe: Recipe) -> None:
    rng = np.random.default_rng(1)
    pairs = recipe.examples * recipe.pairs
    for unit, count, units in zip(
        ("example", "pair"), recipe.metrics, (recipe.examples, pairs), strict=True
    ):
        for number in range(count):
            values = rng.random((units, recipe.layers, recipe.heads), dtype=np.float32)
            writer.append_metric(f"{unit}_{number}", values)
    for name in ("cosine", "euclid"):
        distances = rng.random((pairs, recipe.layers + 1), dtype=np.float32)
        writer.append_distances(name, distances)
    for layer, places in enumerate(coordinates(recipe)):
        writer.set_coordinates(layer, places)
    writer.set_quality("trustworthiness@15", np.full(recipe.layers + 1, 0.97))


def _attention(writer: Writer, recipe: Recipe, kind: AttentionKind) -> None:
    lengths = set(recipe.tokens) if recipe.real else set()
    packed = {count: variants(kind, count) for count in lengths}
    for row in range(recipe.real):
        count = recipe.tokens[row % len(recipe.tokens)]
        writer.add_packed_attention(row, packed[count][row // len(recipe.tokens) % VARIANTS])
    if not recipe.hollow:
        return
    (count,) = set(recipe.tokens)
    nothing = np.zeros((kind.layers, kind.heads, count, count), dtype=np.float16)
    empty = replace(pack_attention(kind, "float16", nothing), data=bytes(nothing.nbytes))
    sink = writer._sink
    kept, sink._file = sink._file, cast(Any, _Holes(sink._file, empty.data))
    for row in range(recipe.real, recipe.real + recipe.hollow):
        writer.add_packed_attention(row, empty)
    sink._file = kept


class _Holes:
    """A file in which certain zeros are passed over instead of written."""

    def __init__(self, file: BinaryIO, zeros: bytes | memoryview) -> None:
        self._file, self._zeros = file, zeros

    def write(self, part: bytes | memoryview) -> int:
        """Writes, or leaves a hole."""
        if part is self._zeros:
            self._file.seek(len(part), 1)
            return len(part)
        return self._file.write(part)


def _text(words: Sequence[str], count: int) -> tuple[str, Tokens]:
    """A text of so many tokens, the two special ones included."""
    chosen = [words[(7 * i + i // 5) % len(words)] for i in range(count - 2)]
    ends = np.cumsum([len(word) + 1 for word in chosen]) - 1
    offsets = [(end - len(word), end) for word, end in zip(chosen, ends.tolist(), strict=True)]
    return " ".join(chosen), Tokens(
        ("[CLS]", *chosen, "[SEP]"),
        np.array([(0, 0), *offsets, (0, 0)], dtype=np.int32),
        np.array([True, *[False] * (count - 2), True]),
        np.array([-1, *range(count - 2), -1], dtype=np.int32),
    )


def examples_of(recipe: Recipe) -> Iterator[list[npt.NDArray[np.float16]]]:
    """The attention of each example with weights, layer by layer, as arrays of their own."""
    for row in range(recipe.real):
        count = recipe.tokens[row % len(recipe.tokens)]
        turn = row // len(recipe.tokens) % VARIANTS
        base = np.roll(weights(recipe.layers, recipe.heads, count), (turn, turn), axis=(0, 1))
        yield [np.array(layer) for layer in base]
