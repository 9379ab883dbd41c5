"""Texts to tokens, and spans of characters to ranges of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from collateral.schema import Tokens

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The tokens of one text, without padding.

    Attributes:
        ids: int32 [n], numbers of the tokens.
        offsets: int32 [n, 2], start and end in characters; (0, 0) for special tokens.
        special: bool [n], tokens that the tokenizer added.
        words: int32 [n], number of the word, -1 for special tokens.
        full_offsets, full_special: the same before the text was cut to the model's length; the very
            same arrays if it was not cut.
    """

    ids: IntArray
    offsets: IntArray
    special: npt.NDArray[np.bool_]
    words: IntArray
    full_offsets: IntArray
    full_special: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def cut(self) -> bool:
        """Whether the end of the text is missing."""
        return self.full_offsets is not self.offsets

    def tokens(self, tokenizer: Any) -> Tokens:
        """The tokens as the collateral file keeps them."""
        texts = tuple(str(t) for t in tokenizer.convert_ids_to_tokens(self.ids.tolist()))
        return Tokens(texts, self.offsets, self.special, self.words)

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The half-open range of tokens that cover characters ``start`` to ``end``.

        None if no token covers any of them. See :func:`span_tokens`.
        """
        return span_tokens(self.offsets, self.special, start, end)

    def loses(self, start: int, end: int) -> bool:
        """Whether cutting the text took tokens of these characters away."""
        if not self.cut:
            return False
        whole = span_tokens(self.full_offsets, self.full_special, start, end)
        return whole is not None and whole != self.span(start, end)


def span_tokens(
    offsets: IntArray, special: npt.NDArray[np.bool_], start: int, end: int
) -> tuple[int, int] | None:
    """The half-open range of tokens that overlap characters ``start`` to ``end``.

    Every token in the range overlaps the span, but for tokens of no width in between, and no
    token outside the range does. A character split over several tokens brings all of them.

    Args:
        offsets: int32 [n, 2], characters of each token.
        special: bool [n], tokens to pass over.
        start, end: characters, half open.

    Returns:
        (first, last + 1), or None if no token overlaps.
    """
    overlap = (offsets[:, 0] < end) & (offsets[:, 1] > start) & ~special
    found = np.flatnonzero(overlap)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def encode(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Encoded]:
    """Tokenises texts, each cut to ``max_length`` tokens (special ones included).

    Args:
        tokenizer: a fast tokenizer of transformers.
        texts: any number of texts.
        max_length: most tokens per text.
    """
    whole = _arrays(tokenizer, list(texts), None)
    long = [i for i, (ids, *_) in enumerate(whole) if len(ids) > max_length]
    cut = dict(zip(long, _arrays(tokenizer, [texts[i] for i in long], max_length), strict=True))
    encoded = []
    for i, full in enumerate(whole):
        ids, offsets, special, words = cut.get(i, full)
        encoded.append(Encoded(ids, offsets, special, words, full[1], full[2]))
    return encoded


_Arrays = tuple[IntArray, IntArray, npt.NDArray[np.bool_], IntArray]


def _arrays(tokenizer: Any, texts: list[str], max_length: int | None) -> list[_Arrays]:
    if not texts:
        return []
    found = tokenizer(
        texts,
        truncation=max_length is not None,
        max_length=max_length,
        padding=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    rows = []
    for i, ids in enumerate(found["input_ids"]):
        special = np.array(found["special_tokens_mask"][i], dtype=np.bool_)
        offsets = np.array(found["offset_mapping"][i], dtype=np.int32).reshape(-1, 2)
        words = [-1 if word is None else word for word in found.word_ids(i)]
        offsets[special] = 0
        word_array = np.array(words, dtype=np.int32)
        word_array[special] = -1
        rows.append((np.array(ids, dtype=np.int32), offsets, special, word_array))
    return rows
