"""Names and numbers that people type for what the files have, and how they are written for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MOST_NAMED = 12
"""So many names are listed at most where one was not found."""


class Unknown(Exception):
    """An option that these files cannot follow; the text says what there is, in a sentence."""


def number(what: str, words: str, count: int) -> int:
    """A number from 0 to count - 1.

    Raises:
        Unknown: it is none.
    """
    if words.isascii() and words.isdecimal() and len(words) < 10 and int(words) < count:
        return int(words)
    there = f"from 0 to {count - 1:,}" if count > 1 else "0 only" if count else "none at all"
    raise Unknown(f"There is no {what} {words!r}; there is {there}.")


def not_found(what: str, words: str, names: Iterable[str]) -> Unknown:
    """Says that a name is none of these, with those that are like it."""
    from difflib import get_close_matches

    known = [name for name in names if name]
    folded = {name.casefold(): name for name in known}
    near = [folded[like] for like in get_close_matches(words.casefold(), folded, 3, 0.5)]
    if near:
        return Unknown(f"There is no {what} {words!r}; did you mean {' or '.join(near)}?")
    if not known:
        return Unknown(f"There is no {what} {words!r}: the file has none.")
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return Unknown(
        f"There is no {what} {words!r}; there is: {', '.join(known[:_MOST_NAMED])}{more}."
    )


def among(what: str, words: str, names: Sequence[str], titles: Sequence[str] = ()) -> str:
    """The name that is meant: itself, ``#2`` for the third, or a title, in any case of letters.

    Raises:
        Unknown: it is none of them.
    """
    if words in names and not words.startswith("#"):
        return words
    if words.startswith("#"):
        return names[number(what, words[1:], len(names))]
    for known in (titles, names):
        same = [n for n, k in zip(names, known, strict=False) if k.casefold() == words.casefold()]
        if len(same) == 1:
            return same[0]
    raise not_found(what, words, names)


def named(value: str, names: Sequence[str]) -> str:
    """How a name is written so that it is read as itself; ``#2`` if it can't be typed."""
    plain = value and harmless(value) and not value.startswith("#")
    return value if plain or value not in names else f"#{list(names).index(value)}"


def harmless(words: str) -> bool:
    """Whether words hold nothing that a shell or terminal they are pasted into could obey."""
    from unicodedata import category

    unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return (words.isascii() and words.isprintable()) or not {category(c) for c in words} & unsafe
