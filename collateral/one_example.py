"""Reading what belongs to one example: its tokens, its attention, the norms of its values."""

from __future__ import annotations

import operator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from . import cells, sections
from .attention import Entry
from .norms import ValueNorms
from .opened import Opened
from .schema import Encoding, Tokens
from .sparse import Kept

Floats = npt.NDArray[np.float32]


class OfExamples(Opened):
    """The part of ``Collateral`` that is about single examples."""

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.examples["id"])}

    def row(self, example: str | int) -> int:
        """The row of an example, given its id (or its row, which is checked).

        Raises:
            KeyError: no such example.
        """
        if isinstance(example, str):
            if example not in self._rows:
                raise KeyError(f"no example has the id {example!r}")
            return self._rows[example]
        row = operator.index(example)
        if not 0 <= row < len(self.examples):
            raise KeyError(f"there is no example {row}, rows go from 0 to {len(self.examples) - 1}")
        return row

    def tokens(self, example: str | int) -> Tokens:
        """The tokens of one example with their character offsets.

        Raises:
            KeyError: no such example.
            CollateralError: the record is damaged.
        """
        row = self.row(example)
        try:
            return cells.tokens(self._sections["tokens"].one(row))
        except (IndexError, TypeError, ValueError):
            raise self._source.error(f"the tokens of example {row} are wrong") from None

    def source_tokens(self, example: str | int) -> int | None:
        """How many of its tokens are the source's; None if there is no source and no target.

        Raises:
            KeyError: no such example.
            CollateralError: the example does not have so many tokens.
        """
        row = self.row(example)
        section = self._sections.get(sections.SOURCE)
        if section is None:
            return None
        source = int(section.one(row))
        if not 0 <= source <= len(self.tokens(row)):
            raise self._source.error(f"the source of example {row} is longer than the example")
        return source

    def side(self, example: str | int, side: str) -> range:
        """The tokens of one side of an example, as in ``AttentionKind.queries``.

        Raises:
            KeyError: no such example, or it has no such side.
        """
        row = self.row(example)
        tokens = range(len(self.tokens(row)))
        source = self.source_tokens(row)
        if side == "text":
            return tokens
        if source is None or side not in ("source", "target"):
            raise KeyError(f"example {self.examples.cell('id', row)!r} has no side {side!r}")
        return tokens[:source] if side == "source" else tokens[source:]

    def has_attention(self, example: str | int, kind: str = "self") -> bool:
        """Whether the attention weights of this example are stored."""
        return self._attention.find(self.row(example), kind) is not None

    def attention_examples(self, kind: str = "self") -> tuple[int, ...]:
        """Rows of the examples whose attention is stored, in order.

        Raises:
            KeyError: there is no such kind of attention.
        """
        return self._attention.examples(kind)

    def attention(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """Attention weights of one example, rows (queries) sum to one up to the encoding's error.

        Of sparse attention, what was not kept is 0: see :meth:`attention_kept` and
        :meth:`attention_rest`.

        Args:
            example: the example's id or row.
            kind: which attention: a name out of ``meta.attention``.
            layer, head: read just this layer, this head, or both.

        Returns:
            float32 [layers, heads, queries, keys], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: the record is damaged, or sparse and too large to be filled out.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        return _picked(self._attention.weights(entry, layers, heads), layer, head)

    def attention_row(self, example: str | int, query: int, kind: str = "self") -> Floats:
        """One query's row of every head; of long texts it reads little more than that.

        Returns:
            float32 [layers, heads, keys]; 0 what was not kept of sparse attention.

        Raises:
            KeyError: no such example, kind or query, or none stored for this example.
            CollateralError: the record is damaged (rows of a large one are checked in part).
        """
        entry = self._entry(example, kind)
        if not 0 <= query < entry.queries:
            raise KeyError(f"there is no query {query}, they go from 0 to {entry.queries - 1}")
        return self._attention.rows(entry, query)

    def attention_shape(self, example: str | int, kind: str = "self") -> tuple[int, int, int, int]:
        """Layers, heads, queries and keys of the attention of this example, which is not read.

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        entry = self._entry(example, kind)
        info = self._attention.info(entry)
        return info.layers, info.heads, entry.queries, entry.keys

    def attention_kept(self, example: str | int, kind: str = "self") -> int | None:
        """How many weights of each row are stored: the k largest; None if all are.

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        return self._attention.kept(self._entry(example, kind))

    def attention_rest(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """The sum of the weights of each row that were not kept; 0 where all are stored.

        Returns:
            float32 [layers, heads, queries], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: the record is damaged.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        if self._attention.kept(entry) is None:
            rest = np.zeros((len(layers), len(heads), entry.queries), dtype=np.float32)
        else:
            rest = self._attention.kept_weights(entry, layers, heads).rest
        return _picked(rest, layer, head)

    def attention_sparse(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Kept:
        """What is stored of sparse attention, not filled out.

        Returns:
            indices (int32) and weights (float32) [layers, heads, queries, k] and rest (float32)
            [layers, heads, queries], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, none stored for this example, or all
                its weights are.
            CollateralError: the record is damaged.
        """
        entry = self._entry(example, kind)
        layers, heads = self._heads(kind, layer, head)
        if self._attention.kept(entry) is None:
            raise KeyError(f"all {kind} attention of example {entry.example} is stored")
        found = self._attention.kept_weights(entry, layers, heads)
        return Kept(*(_picked(part, layer, head) for part in found))

    def attention_encoding(self, example: str | int, kind: str = "self") -> Encoding:
        """How the weights are stored: "float16", "uint8"; sparse ones "topk16" or "topk32".

        Raises:
            KeyError: no such example or kind, or none stored for this example.
        """
        return self._attention.encoding(self._entry(example, kind))

    def _entry(self, example: str | int, kind: str) -> Entry:
        row = self.row(example)
        entry = self._attention.find(row, kind)
        if entry is None:
            name = self.examples.cell("id", row)
            raise KeyError(f"no {kind} attention is stored for example {name!r}")
        if self._attention.known(entry) and self._attention.kept(entry) is not None:
            self._check_sides(entry)  # a few bytes must not be filled out to gigabytes
        return entry

    def _check_sides(self, entry: Entry) -> None:
        """Whether queries and keys of a record are as many as the tokens that they are.

        Raises:
            CollateralError: not so.
        """
        row, info = entry.example, self._attention.info(entry)
        for what, side in (("queries", info.queries), ("keys", info.keys)):
            if side in ("source", "target"):
                parts = self.source_tokens(row) is not None
                tokens = len(self.side(row, side)) if parts else 0
            elif side == "text" and info.name == "self":
                tokens = len(self.tokens(row))
            else:
                continue  # other tokens than the example's
            if getattr(entry, what) != tokens:
                raise self._source.error(
                    f"the {info.name} attention of example {row} has {getattr(entry, what):,} "
                    f"{what} for {tokens:,} tokens"
                )

    def _heads(self, kind: str, layer: int | None, head: int | None) -> tuple[range, range]:
        """The layers and the heads that are asked for."""
        info = self.meta.attention[self._attention.kind(kind)]
        return _chosen("layer", layer, info.layers), _chosen("head", head, info.heads)

    def has_value_norms(self, example: str | int, kind: str = "self") -> bool:
        """Whether the value norms of this example are stored.

        Raises:
            KeyError: no such example or kind.
        """
        row = self.row(example)
        return self._norms_of(kind).keys(row) is not None

    def value_norm_examples(self, kind: str = "self") -> tuple[int, ...]:
        """Rows of the examples whose value norms are stored, in order.

        Raises:
            KeyError: there is no such kind of attention.
        """
        return self._norms_of(kind).examples

    def value_norms(
        self,
        example: str | int,
        kind: str = "self",
        layer: int | None = None,
        head: int | None = None,
    ) -> Floats:
        """How long the value of each key is, as the head passes it on (Kobayashi et al. 2020).

        An attention weight times the norm of its key is the length of what that key contributes.

        Returns:
            float32 [layers, heads, keys], without the axes that were chosen.

        Raises:
            KeyError: no such example, kind, layer or head, or none stored for this example.
            CollateralError: they are damaged.
        """
        row = self.row(example)
        norms = self._norms_of(kind)
        layers, heads = self._heads(kind, layer, head)
        if norms.keys(row) is None:
            name = self.examples.cell("id", row)
            raise KeyError(f"no {kind} value norms are stored for example {name!r}")
        entry = self._attention.find(row, kind)
        if entry is None or entry.keys != norms.keys(row):
            name = f"the {kind} value norms of example {row}"
            raise self._source.error(f"{name} are not of the keys of its attention")
        values = norms.read(row)[layers.start : layers.stop, heads.start : heads.stop]
        return _picked(values, layer, head).copy()

    def _norms_of(self, kind: str) -> ValueNorms:
        return self._norms[self.meta.attention[self._attention.kind(kind)].name]


def _picked(values: npt.NDArray[Any], layer: int | None, head: int | None) -> npt.NDArray[Any]:
    """``values`` [layers, heads, ...] without the axes of which one was chosen."""
    lead = [n for n, one in zip(values.shape, (layer, head), strict=False) if one is None]
    return values.reshape(*lead, *values.shape[2:])


def _chosen(what: str, number: int | None, count: int) -> range:
    if number is None:
        return range(count)
    if not 0 <= number < count:
        raise KeyError(f"there is no {what} {number}, they go from 0 to {count - 1}")
    return range(number, number + 1)
