"""Texts to tokens, and spans of characters to ranges of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from collateral.schema import Tokens

from ..errors import ExtractError

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

PART_BREAK = "\n"
"""What stands between the two parts of an example's text: of two texts, of source and target."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The tokens of one example, without padding.

    An example is a text, a pair of texts that go into the model together, or a source and a target
    (:func:`joined`). The text of two parts is both with :data:`PART_BREAK` between; offsets count
    in that.

    Attributes:
        ids: int32 [n], numbers of the tokens.
        offsets: int32 [n, 2], start and end in characters; (0, 0) for special tokens.
        special: bool [n], tokens that the tokenizer added.
        words: int32 [n], number of the word, -1 for special tokens; no two parts share a number.
        full_offsets, full_special: the same before the text was cut to the model's length; the very
            same arrays if it was not cut.
        types: int32 [n], numbers of the token types, None where the model takes none.
        source: number of tokens of the source, the target's follow; None if there is no target.
        characters: length of the example's text.
    """

    ids: IntArray
    offsets: IntArray
    special: BoolArray
    words: IntArray
    full_offsets: IntArray
    full_special: BoolArray
    types: IntArray | None = None
    source: int | None = None
    characters: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def cut(self) -> bool:
        """Whether the end of the text is missing."""
        return self.full_offsets is not self.offsets

    def tokens(self, tokenizer: Any) -> Tokens:
        """The tokens as the collateral file keeps them."""
        texts = token_names(tokenizer, self.ids.tolist())
        return Tokens(tuple(texts), self.offsets, self.special, self.words)

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The half-open range of tokens that cover characters ``start`` to ``end``.

        None if no token covers any of them. See :func:`span_tokens`.
        """
        return span_tokens(self.offsets, self.special, start, end)

    def loses(self, start: int, end: int) -> bool:
        """Whether cutting the text took tokens of these characters away."""
        if not self.cut:
            return False
        # what is left is tokens of the whole, though not always at the same places: the second
        # part moves up when the first is cut
        whole = _overlap(self.full_offsets, self.full_special, start, end)
        return int(whole.sum()) != int(_overlap(self.offsets, self.special, start, end).sum())


def span_tokens(
    offsets: IntArray, special: BoolArray, start: int, end: int
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
    found = np.flatnonzero(_overlap(offsets, special, start, end))
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def _overlap(offsets: IntArray, special: BoolArray, start: int, end: int) -> BoolArray:
    # a token of no width overlaps nothing, though it may lie inside
    inside = (offsets[:, 0] < end) & (offsets[:, 1] > start) & (offsets[:, 0] < offsets[:, 1])
    found: BoolArray = inside & ~special
    return found


def encode(
    tokenizer: Any,
    texts: Sequence[str],
    max_length: int,
    *,
    seconds: Sequence[str | None] | None = None,
    types: bool = False,
) -> list[Encoded]:
    """Tokenises texts, each cut to ``max_length`` tokens (special ones included).

    Of a pair the longer part is cut first.

    Args:
        tokenizer: a fast tokenizer of transformers.
        texts: any number of texts.
        max_length: most tokens per text.
        seconds: for each text the one that goes into the model with it, or None.
        types: whether the model takes token types; kept if the tokenizer makes them, too.

    Raises:
        ExtractError: ``max_length`` is too small for the special tokens.
    """
    types = types and "token_type_ids" in tokenizer.model_input_names
    if seconds is None:
        return _cut(_Call(tokenizer, types=types), list(texts), None, max_length)
    rows: list[Encoded | None] = [None] * len(texts)
    for paired in (False, True):
        places = [i for i, second in enumerate(seconds) if (second is not None) == paired]
        firsts = [texts[i] for i in places]
        others = [second for second in seconds if second is not None] if paired else None
        found = _cut(_Call(tokenizer, types=types), firsts, others, max_length)
        for i, one in zip(places, found, strict=True):
            rows[i] = one
    return [row for row in rows if row is not None]


def encode_target(
    tokenizer: Any, targets: Sequence[str], max_length: int, start_id: int
) -> list[Encoded]:
    """Tokenises targets as the inputs of a decoder: its start token, then the target's tokens.

    The tokenizer's own rules for targets hold (``text_target``): another vocabulary, other special
    tokens.

    Args:
        tokenizer: a fast tokenizer of transformers.
        targets: any number of texts.
        max_length: most tokens per target, the start token included.
        start_id: number of the start token, which counts as special.

    Raises:
        ExtractError: ``max_length`` is too small for the special tokens.
    """
    rows = _cut(_Call(tokenizer, target=True), list(targets), None, max_length - 1)
    return [_started(row, start_id) for row in rows]


def joined(source: Encoded, target: Encoded) -> Encoded:
    """Source and target as one example, of which the text is both, :data:`PART_BREAK` between."""
    shift = source.characters + len(PART_BREAK)
    words = int(source.words.max(initial=-1)) + 1
    offsets = _both(source.offsets, _shifted(target.offsets, target.special, shift))
    special = _both(source.special, target.special)
    full_offsets, full_special = offsets, special
    if source.cut or target.cut:
        moved = _shifted(target.full_offsets, target.full_special, shift)
        full_offsets = _both(source.full_offsets, moved)
        full_special = _both(source.full_special, target.full_special)
    return Encoded(
        _both(source.ids, target.ids),
        offsets,
        special,
        _both(source.words, np.where(target.words < 0, target.words, target.words + words)),
        full_offsets,
        full_special,
        source=len(source),
        characters=shift + target.characters,
    )


def _both(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([first, second]).astype(first.dtype, copy=False)


def _shifted(offsets: IntArray, special: BoolArray, shift: int) -> IntArray:
    moved = offsets + np.int32(shift)
    moved[special] = 0
    return moved


def _started(target: Encoded, start_id: int) -> Encoded:
    nowhere = np.zeros((1, 2), dtype=np.int32)
    yes, none = np.ones(1, dtype=np.bool_), np.full(1, -1, dtype=np.int32)
    offsets, special = _both(nowhere, target.offsets), _both(yes, target.special)
    full_offsets, full_special = offsets, special
    if target.cut:
        full_offsets = _both(nowhere, target.full_offsets)
        full_special = _both(yes, target.full_special)
    return replace(
        target,
        ids=_both(np.array([start_id], dtype=np.int32), target.ids),
        offsets=offsets,
        special=special,
        words=_both(none, target.words),
        full_offsets=full_offsets,
        full_special=full_special,
    )


def token_names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Tokens as the tokenizer writes them; numbers that only the model knows as ``<number>``."""
    names = tokenizer.convert_ids_to_tokens(list(ids))
    return [
        f"<{number}>" if name is None else str(name)
        for number, name in zip(ids, names, strict=True)
    ]


def source_of(encoded: Encoded) -> int:
    """Number of the source's tokens; all of them where there is no target."""
    return len(encoded) if encoded.source is None else encoded.source


@dataclass(frozen=True)
class _Call:
    """How the tokenizer is called: as for targets or not, with token types or not."""

    tokenizer: Any
    types: bool = False
    target: bool = False

    def __call__(
        self, texts: list[str], seconds: list[str] | None, max_length: int | None
    ) -> list[Encoded]:
        """Texts, or pairs of them, as tokens; cut if there is a ``max_length``."""
        if not texts:
            return []
        what: dict[str, Any] = {"text_target" if self.target else "text": texts}
        if seconds is not None:
            what["text_pair"] = seconds
        found = self.tokenizer(
            **what,
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            return_attention_mask=False,
            return_token_type_ids=self.types,
            verbose=False,
        )
        second = [None] * len(texts) if seconds is None else seconds
        return [self._row(found, i, pair) for i, pair in enumerate(zip(texts, second, strict=True))]

    def _row(self, found: Any, i: int, texts: tuple[str, str | None]) -> Encoded:
        special = np.array(found["special_tokens_mask"][i], dtype=np.bool_)
        offsets = np.array(found["offset_mapping"][i], dtype=np.int32).reshape(-1, 2)
        words = np.array([-1 if w is None else w for w in found.word_ids(i)], dtype=np.int32)
        characters = len(texts[0])
        if texts[1] is not None:
            parts = np.array([p == 1 for p in found.sequence_ids(i)], dtype=np.bool_)
            shift = characters + len(PART_BREAK)
            characters = shift + len(texts[1])
            offsets[parts] += shift
            words[parts & (words >= 0)] += words[~parts & ~special].max(initial=-1) + 1
        offsets[special] = 0
        words[special] = -1
        types = np.array(found["token_type_ids"][i], dtype=np.int32) if self.types else None
        return Encoded(
            np.array(found["input_ids"][i], dtype=np.int32),
            offsets,
            special,
            words,
            offsets,
            special,
            types,
            characters=characters,
        )


def _cut(
    call: _Call, texts: list[str], seconds: list[str] | None, max_length: int
) -> list[Encoded]:
    """All texts in full where they fit, else cut, with the offsets from before."""
    rows = call(texts, seconds, None)
    long = [i for i, row in enumerate(rows) if len(row) > max_length]
    others = None if seconds is None else [seconds[i] for i in long]
    for i, cut in zip(long, call([texts[i] for i in long], others, max_length), strict=True):
        if len(cut) > max_length:  # the tokenizer leaves a text whole if it cannot be cut enough
            few = f"{max_length} tokens do not hold even the special tokens of an example"
            raise ExtractError(f"{few}; give more with --max-length.")
        full = rows[i]
        rows[i] = replace(cut, full_offsets=full.offsets, full_special=full.special)
    return rows
