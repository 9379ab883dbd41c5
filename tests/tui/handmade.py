"""Small collateral files whose every number is given, for cases that the factory cannot make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import collateral
from collateral import (
    AttentionKind,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    Writer,
)

TEXTS = ("one two three", "four five six seven", "eight nine ten")


@dataclass(frozen=True)
class Recipe:
    """What a file holds; by default three texts and nothing else.

    Attributes:
        points: the example of each point, in order; a point is the example's next word.
        pairs: the example of each pair; its spans are the first and second word, and as points the
            example's first and last one.
        metrics: values [units, layers, heads] by name; names that begin with "pair" are per pair.
        measures: values [pairs, layers + 1] by name.
        maps: coordinates [points, 2] by layer.
        attention: weights [layers, heads, n, n] by example.
        labels: columns of the pairs, values by name: text is categorical, bool boolean.
        classes: points have a column "class" that is "odd" or "even", by their place in the text.
    """

    texts: Sequence[str] = TEXTS
    ids: Sequence[str] = ()
    task: str = "coref"
    layers: int = 2
    heads: int = 2
    points: Sequence[int] = ()
    pairs: Sequence[int] = ()
    metrics: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    measures: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    maps: Mapping[int, npt.ArrayLike] = field(default_factory=dict)
    attention: Mapping[int, npt.ArrayLike] = field(default_factory=dict)
    labels: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    encoding: Encoding = "float16"
    only_specials: bool = False
    classes: bool = False

    def write(self, path: Path) -> Path:
        """Writes the file and returns its path."""
        kinds = {n: any(isinstance(v, bool) for v in values) for n, values in self.labels.items()}
        meta = Meta(
            self.task,
            ModelInfo("handmade", "BertModel", self.layers, self.heads, 8),
            TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
            (AttentionKind("self", self.layers, self.heads),),
            {},
        )
        with collateral.create(
            path,
            meta,
            points={"class": Column("categorical")} if self.classes else {},
            pairs={
                name: Column("boolean" if boolean else "categorical", role=_role(name))
                for name, boolean in kinds.items()
            },
            metrics=[
                Metric(name, name, unit="pair" if name.startswith("pair") else "example")
                for name in self.metrics
            ],
            measures=[Measure(name, name, "", "") for name in self.measures],
        ) as writer:
            self._rows(writer)
            self._arrays(writer)
        return path

    def _rows(self, writer: Writer) -> None:
        ids = self.ids or [f"text-{n}" for n in range(len(self.texts))]
        for name, text in zip(ids, self.texts, strict=True):
            writer.add_example(name, text, tokens(text, self.only_specials))
        nth: dict[int, int] = {}
        for example in self.points:
            nth[example] = nth.get(example, 0) + 1
            word = self.texts[example].split()[nth[example] - 1]
            known = {"class": ("even", "odd")[nth[example] % 2]} if self.classes else {}
            writer.add_point(example, nth[example], nth[example] + 1, word, **known)
        for row, example in enumerate(self.pairs):
            own = [point for point, owner in enumerate(self.points) if owner == example]
            writer.add_pair(
                f"pair-{row}",
                example,
                (1, 2),
                (2, 3),
                (own[0], own[0] + 1),
                (own[-1], own[-1] + 1),
                **{name: values[row] for name, values in self.labels.items()},
            )

    def _arrays(self, writer: Writer) -> None:
        for name, values in self.metrics.items():
            writer.append_metric(name, values)
        for name, values in self.measures.items():
            writer.append_distances(name, values)
        for layer, places in self.maps.items():
            writer.set_coordinates(layer, places)
        for row, weights in self.attention.items():
            writer.add_attention(row, weights, encoding=self.encoding)


def tokens(text: str, only_specials: bool = False) -> Tokens:
    """A token per word, between [CLS] and [SEP]."""
    words = text.split()
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    offsets = [(0, 0)]
    offsets += [(int(e) - len(w), int(e)) for w, e in zip(words, ends, strict=True)]
    special = [True, *[only_specials] * len(words), True]
    return Tokens(
        ("[CLS]", *words, "[SEP]"),
        np.array([*offsets, (0, 0)], dtype=np.int32),
        np.array(special),
        np.array([-1, *range(len(words)), -1], dtype=np.int32),
    )


def uniform(count: int, layers: int = 2, heads: int = 2) -> npt.NDArray[np.float64]:
    """Attention of ``count`` tokens that is the same everywhere: [layers, heads, n, n]."""
    return np.full((layers, heads, count, count), 1 / count)


def _role(name: str) -> str:
    return name if name in ("gold", "prediction", "correct") else ""
