"""Attention between words, from attention between tokens, and how it goes with gold relations.

Attention to a word is the sum over its pieces, attention from a word the mean over them (Clark et
al. 2019). Tokens of no word, special ones among them, are left out and nothing is renormalised;
what a word gives itself is left out too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch

from .base import EXAMPLE_METRICS, WordFunction, checked
from .layout import BatchLayout, Block, Part

Range = tuple[int, int]
Matrix = npt.NDArray[np.float64]

KEPT_NUMBERS = 1 << 24
"""Numbers of attention between words (64 MiB) that may wait for their layers' metrics."""

_CONSTANT = 1e-6
"""Numbers whose spread is this small beside their mean are taken for all the same."""

_UNSCORED = ("root", "punct")


class Words(Protocol):
    """The words of an example and what is known of them, as :class:`extract.tasks.base.Words`."""

    @property
    def tokens(self) -> Sequence[Range]:
        """Half-open token range of each word; an empty one if the text was cut before it."""

    @property
    def heads(self) -> Sequence[int] | None:
        """For each word the number of its head, -1 for the root; None without a parse."""

    @property
    def relations(self) -> Sequence[str]:
        """The relation of each word to its head; empty without."""


def relation_matrix(words: Words) -> Matrix:
    """G [words, words]: G[dependent, head] = 1 for every arc, 0 elsewhere."""
    matrix = np.zeros((len(words.tokens), len(words.tokens)))
    for dependent, head in enumerate(words.heads or ()):
        if head >= 0:
            matrix[dependent, head] = 1.0
    return matrix


def scored_heads(words: Words) -> list[int]:
    """For each word the head that it is scored by, -1 for those that are left out.

    Left out are roots, punctuation, and arcs of which a word has no tokens.
    """
    count = len(words.tokens)
    found = [-1] * count
    for dependent, head in enumerate(words.heads or ()):
        relation = words.relations[dependent] if words.relations else ""
        there = all(stop > start for start, stop in (words.tokens[dependent], words.tokens[head]))
        if head >= 0 and there and relation.split(":")[0].lower() not in _UNSCORED:
            found[dependent] = head
    return found


def forms(matrix: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """A relation matrix as it is, transposed, and symmetric.

    Symmetric is G or Gᵀ for a matrix of zeros and ones, (G + Gᵀ) / 2 for any other.
    """
    relation = bool(np.isin(matrix, (0.0, 1.0)).all())
    both = np.maximum(matrix, matrix.T) if relation else (matrix + matrix.T) / 2
    return matrix, matrix.T, both


def distance_correlations(words: Words, matrix: Matrix | None = None) -> tuple[float, ...]:
    """What 1/distance alone reaches: r of 1 / |i − j| with the three :func:`forms` of a matrix.

    Args:
        words: of the example.
        matrix: [words, words]; that of the gold heads if not given.

    Returns:
        Three numbers, NaN where undefined.
    """
    matrix = relation_matrix(words) if matrix is None else matrix
    at = np.flatnonzero([stop > start for start, stop in words.tokens])
    off = ~np.eye(len(at), dtype=np.bool_)
    distance = np.abs(at[:, None] - at[None, :])[off]
    near = 1 / distance
    return tuple(_pearson(near, form[np.ix_(at, at)][off]) for form in forms(matrix))


def _pearson(x: Matrix, y: Matrix) -> float:
    if len(x) < 2:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size > 0 else math.nan


class WordIndex:
    """Where the words of a batch are and how they relate.

    Attributes:
        most: words of the example that has most.
        counts: words of each example, 0 where they are not known.
        tokens: int64 [batch, words, 2], half-open token ranges; empty in padding.
        heads: int64 [batch, words], the head that a word is scored by, -1 for none.
        matrices: float32 [3, batch, words, words], the three :func:`forms`; 0 in padding.
    """

    def __init__(
        self, words: Sequence[Words | None], matrices: Sequence[Matrix | None] | None = None
    ) -> None:
        """Of the examples of a batch.

        Args:
            words: of each example, None where they are not known.
            matrices: a relation matrix [words, words] for each; None (or None for an example)
                takes that of the gold heads.
        """
        self.counts = [0 if one is None else len(one.tokens) for one in words]
        batch, most = len(self.counts), max(self.counts, default=0)
        self.most = most
        self.tokens = np.zeros((batch, most, 2), dtype=np.int64)
        self.heads = np.full((batch, most), -1, dtype=np.int64)
        self.matrices = np.zeros((3, batch, most, most), dtype=np.float32)
        for row, one in enumerate(words):
            if one is None or not one.tokens:
                continue
            n = len(one.tokens)
            self.tokens[row, :n] = one.tokens
            self.heads[row, :n] = scored_heads(one)
            given = None if matrices is None else matrices[row]
            matrix = relation_matrix(one) if given is None else given
            for form, values in enumerate(forms(matrix)):
                self.matrices[form, row, :n, :n] = values
        self._columns: dict[tuple[int, int, torch.device], torch.Tensor] = {}

    def pool(self, part: Part) -> _Pool:
        """How the tokens of a part make words."""
        found: _Pool | None = part.kept.get(self)
        if found is None:
            found = part.kept[self] = _Pool.of(self, part)
        return found

    def columns(self, part: Part) -> torch.Tensor:
        """float32 [examples, keys, words] of a part: 1 where a token belongs to a word."""
        key = (part.examples.start, part.examples.stop, part.device)
        found = self._columns.get(key)
        if found is None:
            start, stop = (self.tokens[part.examples, None, :, end] for end in (0, 1))
            at = np.arange(part.layout.keys)[:, None]
            belongs = ((at >= start) & (at < stop)).astype(np.float32)
            if not part.layout.keeps:
                self._columns.clear()  # large: only those of the examples at hand
            found = self._columns[key] = torch.from_numpy(belongs).to(part.device)
        return found


@dataclass(frozen=True, eq=False)
class _Pool:
    """How the tokens of a part of a batch make words.

    Attributes:
        words: the words of which rows are in the part, those of all its examples together.
        rows: float32 [examples, words, rows], a row's share in a word, 1 / pieces.
        columns: float32 [examples, keys, all words], 1 where a token belongs to a word.
        padding: bool [examples, rows, 1, 1], True for rows of padding; None if there are none.
    """

    words: slice
    rows: torch.Tensor
    columns: torch.Tensor
    padding: torch.Tensor | None

    @classmethod
    def of(cls, index: WordIndex, part: Part) -> _Pool:
        tokens = index.tokens[part.examples]
        start, stop = tokens[..., 0], tokens[..., 1]
        inside = (np.minimum(stop, part.rows.stop) > np.maximum(start, part.rows.start)).any(0)
        some = np.flatnonzero(inside)
        words = slice(int(some[0]), int(some[-1]) + 1) if len(some) else slice(0, 0)
        low, high = start[:, words, None], stop[:, words, None]
        at = np.arange(part.rows.start, part.rows.stop)
        rows = ((at >= low) & (at < high)) / np.maximum(high - low, 1)
        return cls(
            words,
            torch.from_numpy(rows.astype(np.float32)).to(part.device),
            index.columns(part),
            None if bool(part.real.all()) else ~part.real[:, :, None, None],
        )

    def attention(self, weights: torch.Tensor) -> torch.Tensor:
        """This part's share in attention between words, [examples, words, heads, all words].

        Args:
            weights: [examples, heads, rows, keys].
        """
        examples, heads, rows, keys = weights.shape
        by_row = weights.transpose(1, 2).to(torch.float32).reshape(examples, rows * heads, keys)
        to_words = torch.bmm(by_row, self.columns).view(examples, rows, heads, -1)
        if self.padding is not None:  # may hold NaN, which a share of 0 would not take away
            to_words.masked_fill_(self.padding, 0.0)
        pooled = torch.bmm(self.rows, to_words.view(examples, rows, -1))
        return pooled.view(examples, -1, heads, self.columns.shape[2])


class WordView:
    """Attention between the words of some examples, as word metrics see it.

    The heads of several layers stand side by side.

    Attributes:
        attention: float32 [examples, heads, words, words]: from a word (row) to a word (column);
            0 on the diagonal and in padding.
        matrices: float32 [3, examples, words, words]: the relation matrix as it is, transposed,
            symmetric.
        pairs: bool [examples, words, words]: pairs of two words, off the diagonal.
    """

    def __init__(
        self, attention: torch.Tensor, matrices: torch.Tensor, pairs: torch.Tensor
    ) -> None:
        self.attention, self.matrices, self.pairs = attention, matrices, pairs

    @cached_property
    def _centred(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention less its mean, [examples, heads, pairs], and its length; NaN if constant."""
        return _centred(self.attention.flatten(2), self.pairs.flatten(1)[:, None])

    def correlation(self, matrix: torch.Tensor) -> torch.Tensor:
        """Pearson's r of attention with a matrix over pairs of words, [examples, heads].

        Args:
            matrix: float32 [examples, words, words].

        Returns:
            NaN where either is constant or there are fewer than two words.
        """
        attention, length = self._centred
        values, size = _centred(matrix.flatten(1)[:, None], self.pairs.flatten(1)[:, None])
        r = torch.bmm(attention, values.transpose(1, 2)).squeeze(-1) / (length * size)
        return r.clamp(-1.0, 1.0)


def _centred(values: torch.Tensor, among: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Values [a, b, n] less their mean among some, 0 elsewhere; their length [a, b] or NaN."""
    count = among.sum(-1)
    mean = (values * among).sum(-1) / count
    centred = (values - mean[..., None]) * among
    length = torch.linalg.vector_norm(centred, dim=-1)
    constant = length <= _CONSTANT * mean.abs() * count.sqrt()
    return centred, torch.where(constant, math.nan, length)


class WordStats:
    """Attention between words for one kind of attention of one batch, and what comes of it."""

    def __init__(
        self, layout: BatchLayout, layers: int, metrics: Sequence[str], words: WordIndex
    ) -> None:
        """Prepares for a batch.

        Args:
            layout: what is known of the batch.
            layers: attention layers of this kind.
            metrics: names of registered example metrics that need words.
            words: where the words are.
        """
        self._layout, self._layers, self._words = layout, layers, words
        self._functions = {
            name: cast(WordFunction, EXAMPLE_METRICS[name].function) for name in metrics
        }
        self._room: torch.Tensor | None = None
        self._first = self._filled = 0

    def add(self, block: Block) -> None:
        """Takes in one block."""
        if not self._words.most:
            return
        if self._room is None:
            self._prepare(block)
        if self._whole and block.layer - self._first >= self._at_once:
            self._flush(slice(0, self._layout.batch))
        part = self._layout.part(block.examples, block.rows, block.weights.device)
        pool = self._words.pool(part)
        share = pool.attention(block.weights).to(self._device)
        room = self._room
        assert room is not None
        if self._whole:
            room[block.examples, pool.words, block.layer - self._first] += share
            self._filled = block.layer - self._first + 1
            return
        if block.rows.start == 0:
            room = self._room = room.new_zeros((len(share), *room.shape[1:]))
        room[:, pool.words, 0] += share
        if block.rows.stop == self._layout.queries:
            self._first, self._filled = block.layer, 1
            self._flush(block.examples)

    def finish(self, heads: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """What came of all layers.

        Args:
            heads: of a layer.
            device: where the results are wanted.

        Returns:
            Example metrics, float32 [metrics, batch, layers, heads], and whether a head finds a
            word's gold head, bool [2, batch, words, layers, heads]: first by where the word looks
            most, then by which word looks most at it.
        """
        if self._room is None:
            size = (self._layout.batch, self._layers, heads)
            empty = torch.zeros((2, size[0], 0, *size[1:]), dtype=torch.bool, device=device)
            return torch.full((len(self._functions), *size), math.nan, device=device), empty
        if self._whole:
            self._flush(slice(0, self._layout.batch))
        return self._example, self._hits

    def _prepare(self, block: Block) -> None:
        """Makes room, now that the number of heads and the device are known."""
        heads, words = block.weights.shape[1], self._words.most
        batch, layers = self._layout.batch, self._layers
        self._device = device = block.weights.device
        size = batch * words * heads * words
        # few words: all examples of several layers at once; many: an example's as it is complete
        self._whole = size <= KEPT_NUMBERS
        self._at_once = max(1, min(layers, KEPT_NUMBERS // size)) if self._whole else 1
        rows = batch if self._whole else 0
        self._room = torch.zeros((rows, words, self._at_once, heads, words), device=device)
        self._example = torch.full(
            (len(self._functions), batch, layers, heads), math.nan, device=device
        )
        self._hits = torch.zeros((2, batch, words, layers, heads), dtype=torch.bool, device=device)
        self._matrices = torch.from_numpy(self._words.matrices).to(device)
        self._heads = torch.from_numpy(self._words.heads).to(device)
        there = torch.from_numpy(self._words.tokens[..., 1] > self._words.tokens[..., 0])
        pairs = there[:, :, None] & there[:, None, :]
        self._pairs = (pairs & ~torch.eye(words, dtype=torch.bool)).to(device)

    def _flush(self, examples: slice) -> None:
        """Makes what is wanted of the layers in the room."""
        assert self._room is not None
        layers, words = self._filled, self._words.most
        heads = self._room.shape[3]
        pairs = self._pairs[examples]
        # [examples, words, layers, heads, words] with the layers' heads side by side
        attention = self._room[:, :, :layers].permute(0, 2, 3, 1, 4)
        attention = (attention * pairs[:, None, None]).flatten(1, 2)
        into = slice(self._first, self._first + layers)
        view = WordView(attention, self._matrices[:, examples], pairs)
        for number, (name, function) in enumerate(self._functions.items()):
            values = checked("metric", name, function, function(view), attention.shape[:2])
            self._example[number, examples, into] = values.view(-1, layers, heads)
        hits = _hits(attention, self._heads[examples]).view(2, -1, layers, heads, words)
        self._hits[:, examples, :, into] = hits.permute(0, 1, 4, 2, 3)
        self._first, self._filled = self._first + layers, 0
        if self._whole:
            self._room.zero_()


def _hits(attention: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
    """Whether the most attention to, and from, a word is that of its head.

    Args:
        attention: [examples, heads, words, words], 0 on the diagonal.
        heads: int64 [examples, words], -1 where there is none.

    Returns:
        bool [2, examples, heads, words]. No attention at all is no hit; of equals the first word
        counts as the one with most.
    """
    found = []
    for axis in (-1, -2):
        most, where = attention.max(axis)
        found.append((where == heads[:, None, :]) & (most > 0))
    return torch.stack(found)
