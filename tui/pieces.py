"""How the pieces that a tokenizer makes of words are shown: the same way in every pane.

A tokenizer marks where words start (`▁the`, `Ġthe`) or go on (`##ing`), and some write bytes as
letters of their own (`Ċ` for a new line, `æĹ¥` for 日). People read words: what starts a word is
shown as it is (`the`), what goes on in one begins with a dot (`·ing`), a blank without a word is
`␣`, a new line `⏎`. Bytes that are no character alone are written `<0xE6>`. What is copied is what
is shown; what is searched is the piece as the file has it, and exports have both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from collateral import TokenInfo, Tokens

__all__ = ["BLANK", "INSIDE", "LINE", "choices", "joined", "one", "readable"]

INSIDE = "·"
BLANK = "␣"
LINE = "⏎"

_BYTE_LEVEL = "Ġ"
_NEW_LINE = "<0x0A>"  # as SentencePiece writes it


def _byte_letters() -> dict[str, int]:
    """The letter that byte-level tokenizers write for each byte: printable bytes as themselves."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in own]
    return {chr(byte): byte for byte in own} | {
        chr(0x100 + number): byte for number, byte in enumerate(others)
    }


_BYTES = _byte_letters()
_HALF = re.compile("[\udc80-\udcff]")  # bytes that are no character, as Python reads them


def readable(tokens: Tokens, conventions: TokenInfo, target: int | None = None) -> tuple[str, ...]:
    """All tokens of an example as people read them.

    Args:
        tokens: the tokens, with the word that each belongs to.
        conventions: the tokenizer's marks.
        target: number of the token where a target begins, which goes on with no word before it.
    """
    words = tokens.words.tolist()
    shown = []
    for number, token in enumerate(tokens.texts):
        inside = 0 < number != target and 0 <= words[number] == words[number - 1]
        special = bool(tokens.special[number])
        shown.append(token if special else one(token, conventions, inside))
    return tuple(shown)


def joined(pieces: Sequence[str]) -> str:
    """Shown pieces as running text: those that go on in a word follow without a blank."""
    return "".join(
        piece if not number or piece.startswith(INSIDE) else f" {piece}"
        for number, piece in enumerate(pieces)
    )


def choices(words: str, conventions: TokenInfo) -> str:
    """Pieces with a number after each, two blanks between: `the .41  ·s .03`.

    Of two that would look the same, the one that begins with a blank does so here.
    """
    found = [part.rpartition(" ") for part in words.split("  ")]
    shown = [one(piece, conventions) for piece, _, _ in found]
    for place, (piece, _, _) in enumerate(found):
        start = conventions.word_start
        if start and piece.startswith(start) and shown.count(shown[place]) > 1:
            shown[place] = BLANK + shown[place]
    return "  ".join(
        f"{piece}{blank}{last}" for piece, (_, blank, last) in zip(shown, found, strict=True)
    )


@lru_cache(maxsize=16384)
def one(token: str, conventions: TokenInfo, inside: bool | None = None) -> str:
    """A piece as people read it.

    Args:
        token: the piece as the tokenizer writes it.
        conventions: the tokenizer's marks.
        inside: whether it goes on in a word; None where that is not known but from the piece: a
            letter without the mark of a word's start then does.
    """
    start, goes_on = conventions.word_start, conventions.continuation
    if token in conventions.special or not token:
        return token
    if token == _NEW_LINE:
        return LINE
    if goes_on and token.startswith(goes_on):
        return INSIDE + token[len(goes_on) :]
    if not start:
        return token
    begins = token.startswith(start)
    rest = token.removeprefix(start)
    shown = _decoded(rest) if start == _BYTE_LEVEL else rest.replace(start, BLANK)
    if begins:
        return shown or BLANK
    if inside is None:
        inside = shown[:1].isalpha()
    return f"{INSIDE}{shown}" if inside else shown


def _decoded(token: str) -> str:
    """What a byte-level piece stands for; blanks and new lines as signs."""
    if not all(letter in _BYTES for letter in token):
        return token
    found = bytes(_BYTES[letter] for letter in token)
    words = found.decode("utf-8", errors="surrogateescape")
    words = _HALF.sub(lambda byte: f"<0x{ord(byte[0]) - 0xDC00:02X}>", words)
    return words.replace(" ", BLANK).replace("\n", LINE)
