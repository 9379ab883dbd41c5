"""Tokens that came without offsets: where they stand in a text, and which words they make.

White space is left out on both sides, so that a token matches where it is written however its
tokenizer marked the space before it. Case, accents and compatibility forms do not count, as many
tokenizers fold them. Byte-level tokens are compared as bytes.
"""

from __future__ import annotations

import functools
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collateral.schema import TokenInfo, Tokens

SPECIAL = frozenset(
    {"[CLS]", "[SEP]", "[PAD]", "<s>", "</s>", "<pad>", "<cls>", "<sep>", "<bos>", "<eos>"}
    | {"<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|startoftext|>"}
)
"""Tokens that tokenizers add; elsewhere they hardly occur."""

PADDING = frozenset({"[PAD]", "<pad>"})
UNKNOWN = frozenset({"[UNK]", "<unk>"})
_SEPARATORS = ("[SEP]", "</s>", "<sep>")
_WORD_PIECE, _BYTES, _PIECE = "##", "Ġ", "▁"
_SPACE = " \t\r\n\v\f"


def conventions(tokens: Iterable[Sequence[str]], special: Iterable[str] = ()) -> TokenInfo:
    """How the tokenizer of these tokens marks words and specials.

    Args:
        tokens: of each example.
        special: tokens known to be special, beside the usual ones.
    """
    different = {token for one in tokens for token in one}
    named = sorted((different & SPECIAL) | set(special))
    separator = next((one for one in _SEPARATORS if one in named), "")
    continuation = word_start = ""
    plain = [one for one in different if one not in named]
    if any(one.startswith(_WORD_PIECE) and len(one) > 2 for one in plain):
        continuation = _WORD_PIECE
    elif any(one.startswith(_BYTES) for one in plain):
        word_start = _BYTES
    elif any(one.startswith(_PIECE) for one in plain):
        word_start = _PIECE
    return TokenInfo(tuple(named), separator, continuation, word_start)


def unpadded(tokens: Sequence[str]) -> int:
    """How many tokens there are before the padding at the end."""
    count = len(tokens)
    while count and tokens[count - 1] in PADDING:
        count -= 1
    return count


def placed(
    tokens: Sequence[str],
    text: str | None,
    info: TokenInfo,
    special: npt.NDArray[np.bool_] | None = None,
) -> tuple[str, Tokens, bool]:
    """Tokens with their places in a text.

    Args:
        tokens: as the tokenizer writes them.
        text: the text, None if it is not known.
        info: from :func:`conventions`.
        special: bool [n], which are special; by their text if not given.

    Returns:
        The text, the tokens, and whether they are in the text that was given: if not, the text is
        made of the tokens.
    """
    if special is None:
        special = np.array([token in info.special for token in tokens], dtype=np.bool_)
    offsets = None if text is None else align(text, tokens, special, info)
    found = offsets is not None
    if text is None or offsets is None:
        text, offsets = joined(tokens, special, info)
    words = word_numbers(tokens, special, info)
    return text, Tokens(tuple(tokens), offsets, special, words), found


def joined(
    tokens: Sequence[str], special: npt.NDArray[np.bool_], info: TokenInfo
) -> tuple[str, npt.NDArray[np.int32]]:
    """A text made of tokens: words with single spaces between them, specials left out.

    Returns:
        The text; int32 [n, 2], the characters of each token, (0, 0) for special ones.
    """
    pieces: list[str] = []
    offsets = np.zeros((len(tokens), 2), dtype=np.int32)
    at = 0
    for i, token in enumerate(tokens):
        if special[i]:
            continue
        shown = _shown(token, info)
        if at and _starts_word(token, info):
            pieces.append(" ")
            at += 1
        pieces.append(shown)
        offsets[i] = at, at + len(shown)
        at += len(shown)
    return "".join(pieces), offsets


def word_numbers(
    tokens: Sequence[str], special: npt.NDArray[np.bool_], info: TokenInfo
) -> npt.NDArray[np.int32]:
    """The number of the word of each token, -1 for special ones: int32 [n]."""
    numbers = np.full(len(tokens), -1, dtype=np.int32)
    word = -1
    after_special = True
    for i, token in enumerate(tokens):
        if special[i]:
            after_special = True
            continue
        if after_special or _starts_word(token, info):
            word += 1
        after_special = False
        numbers[i] = word
    return numbers


def align(
    text: str, tokens: Sequence[str], special: npt.NDArray[np.bool_], info: TokenInfo
) -> npt.NDArray[np.int32] | None:
    """The characters of each token in a text: int32 [n, 2], (0, 0) for special tokens.

    The text may go on after the last token, as it was perhaps cut. An unknown token stands for
    what is left of a word, up to where the next token fits.

    Returns:
        None if the tokens are not those of the text.
    """
    hay = _hay(text, as_bytes=info.word_start == _BYTES)
    needles = [
        "" if special[i] else _needle(token, info, hay.as_bytes) for i, token in enumerate(tokens)
    ]
    offsets = np.zeros((len(tokens), 2), dtype=np.int32)
    at = 0
    for i, token in enumerate(tokens):
        if special[i]:
            continue
        if token in UNKNOWN and not hay.units.startswith(needles[i], at):
            following = next(
                (n for n, t in zip(needles[i + 1 :], tokens[i + 1 :], strict=True) if n), ""
            )
            stop = hay.unknown_stop(at, "" if following in _unknown_needles(hay) else following)
        elif hay.units.startswith(needles[i], at):
            stop = at + len(needles[i])
        else:
            return None
        offsets[i] = hay.characters(at, stop)
        at = stop
    return offsets


@dataclass(frozen=True)
class _Hay:
    """A text without white space, in units that compare: folded characters, or bytes.

    Attributes:
        units: one character per unit.
        starts, stops: the characters of the text that each unit is of.
        gaps: units before which white space was left out, in order.
        length: of the text.
    """

    units: str
    starts: list[int]
    stops: list[int]
    gaps: list[int]
    length: int
    as_bytes: bool

    def characters(self, start: int, stop: int) -> tuple[int, int]:
        """The half-open range of characters of some units."""
        if start == stop:
            at = self.starts[start] if start < len(self.starts) else self.length
            return at, at
        return self.starts[start], self.stops[stop - 1]

    def unknown_stop(self, at: int, following: str) -> int:
        """Where an unknown token ends that begins at a unit."""
        gap = bisect_right(self.gaps, at)
        stop = self.gaps[gap] if gap < len(self.gaps) else len(self.units)
        found = self.units.find(following, at + 1, stop + len(following)) if following else -1
        return found if 0 <= found <= stop else stop


def _hay(text: str, *, as_bytes: bool) -> _Hay:
    units: list[str] = []
    starts: list[int] = []
    stops: list[int] = []
    gaps: list[int] = []
    for i, char in enumerate(text):
        if char in _SPACE or (not as_bytes and char.isspace()):
            gaps.append(len(starts))
            continue
        made = char.encode().decode("latin-1") if as_bytes else _folded(char)
        if not made and stops:
            stops[-1] = i + 1  # a mark upon the character before it
        units.append(made)
        starts += [i] * len(made)
        stops += [i + 1] * len(made)
    return _Hay("".join(units), starts, stops, gaps, len(text), as_bytes)


def _needle(token: str, info: TokenInfo, as_bytes: bool) -> str:
    if as_bytes:
        raw = _bytes(token)
        if raw is not None:
            return "".join(chr(byte) for byte in raw if chr(byte) not in _SPACE)
    return "".join(_folded(char) for char in _bare(token, info) if not char.isspace())


def _unknown_needles(hay: _Hay) -> frozenset[str]:
    return frozenset(one if hay.as_bytes else "".join(map(_folded, one)) for one in UNKNOWN)


@functools.lru_cache(maxsize=4096)
def _folded(char: str) -> str:
    """A character without case, accents and compatibility forms."""
    apart = unicodedata.normalize("NFKD", char)
    return "".join(c for c in apart.lower() if not unicodedata.combining(c) and not c.isspace())


def _bare(token: str, info: TokenInfo) -> str:
    for mark in (info.continuation, info.word_start):
        if mark and token.startswith(mark) and len(token) > len(mark):
            return token[len(mark) :]
    return "" if token == _PIECE == info.word_start else token


def _shown(token: str, info: TokenInfo) -> str:
    """A token as it is written in a text."""
    if info.word_start == _BYTES:
        raw = _bytes(token)
        if raw is not None:
            return raw.decode("utf-8", errors="replace").strip(_SPACE)
    return (
        _bare(token, info).replace(_PIECE, " ") if info.word_start == _PIECE else _bare(token, info)
    )


def _starts_word(token: str, info: TokenInfo) -> bool:
    if info.continuation:
        return not (token.startswith(info.continuation) and len(token) > len(info.continuation))
    return token.startswith(info.word_start) if info.word_start else True


def _bytes(token: str) -> bytes | None:
    """The bytes of a byte-level token, None if it is written otherwise."""
    table = _byte_table()
    found = [table.get(char) for char in token]
    known = [byte for byte in found if byte is not None]
    return bytes(known) if len(known) == len(found) else None


@functools.cache
def _byte_table() -> dict[str, int]:
    """Character to byte, as GPT-2 writes bytes: printable ones as they are, others from U+0100."""
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in own]
    table = {chr(byte): byte for byte in own}
    table.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return table
