"""The language of conditions: text to words, words to a tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from ..refusal import Refused

HELP = (
    "A condition is a column, a comparison and a value: `f1 < 0.5`, `domain = restaurant`, `text ~ "
    "/colou?r/`, `domain in (hotel, food)`, `gold = unknown`. Comparisons: `= != < <= > >=`, `~` "
    "and `!~` for regular expressions. Join conditions with `and`, `or`, `not` and parentheses. "
    'Names and values of several words stand in quotes: `"F1 ASP" = 1`. Letter case does not '
    "matter. What is unknown fits no comparison but `= unknown`. A condition on a column of pairs, "
    "items or points holds for an example if it does for any of its own; several of them that are "
    "joined by `and` hold for one and the same: `word.gold = X and word.prediction = Y` finds "
    "words that are X and taken for Y. Where it may be another one, write `any (word.gold = X) and "
    "any (word.prediction = Y)`."
)

MAX_DEPTH = 50
"""Parentheses and "not" inside each other; more are a mistake, not a filter."""

Op = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~", "in", "not in"]


class Mistake(Refused):
    """A filter that can't be understood, or asks for what there isn't; ``place`` says where."""


class Word(NamedTuple):
    """A piece of a filter.

    Attributes:
        kind: "word", "quoted", "regex", "op", "mark" (parentheses, commas) or "end".
        text: what it says, without quotes.
        place: where it begins.
    """

    kind: str
    text: str
    place: int

    def is_key(self, *words: str) -> bool:
        """Whether it is one of the language's own words."""
        return self.kind == "word" and self.text.casefold() in words

    def is_mark(self, mark: str) -> bool:
        """Whether it is a parenthesis or comma."""
        return self.kind == "mark" and self.text == mark


class Test(NamedTuple):
    """A column compared with a value, or with several."""

    column: Word
    op: Op
    values: tuple[Word, ...]


class Joined(NamedTuple):
    """Conditions of which all ("and"), one at least ("or") or, of one, none ("not") must hold.

    "any" is one condition that is about the example, whatever rows it looks at.
    """

    how: Literal["and", "or", "not", "any"]
    parts: tuple[Tree, ...]


Tree = Test | Joined

_WORD = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<open>["'])
      | (?P<op><=|>=|!=|!~|==|=|<|>|~|≠|≤|≥)
      | (?P<mark>[(),])
      | (?P<word>[^\s"'(),<>=!~≠≤≥][^\s"(),<>=!~≠≤≥]*)
      | (?P<other>\S)
    )""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*/(?P<regex>(?:[^/\\]|\\.)*)/")
_SAME = {"==": "=", "≠": "!=", "≤": "<=", "≥": ">="}
_OTHER_SIGNS = {"&": "and", "|": "or", "!": "not"}


def words(text: str, whole: bool = True) -> list[Word]:
    """Cuts a filter into words, with one of kind "end" behind them.

    Args:
        whole: False if the text may break off inside quotes: it then ends before them.

    Raises:
        Mistake: quotes are not closed, or a sign is not known.
    """
    found: list[Word] = []
    at = 0
    while True:
        pattern = _WORD
        if found and found[-1].kind == "op" and found[-1].text in ("~", "!~"):
            pattern = _REGEX if _REGEX.match(text, at) else _WORD
        match = pattern.match(text, at)
        if match is None:  # nothing but white space is left
            return [*found, Word("end", "", len(text))]
        kind = str(match.lastgroup)
        said, place, at = match[kind], match.start(kind), match.end()
        if kind in ("open", "other"):
            if not whole:
                return [*found, Word("end", "", place)]
            raise _unreadable(said, place)
        found.append(Word(kind, _meant(kind, said), place))


def _meant(kind: str, said: str) -> str:
    if kind == "quoted":
        return re.sub(r"\\(.)", r"\1", said[1:-1])
    if kind == "regex":
        return said.replace("\\/", "/")
    return _SAME.get(said, said)


def _unreadable(sign: str, place: int) -> Mistake:
    if sign in "\"'":
        return Mistake(f"The quote {sign} is not closed.", place)
    instead = f"; write {_OTHER_SIGNS[sign]}" if sign in _OTHER_SIGNS else ""
    return Mistake(f"The sign {sign} has no meaning here{instead}.", place)


def quoted(name: str) -> str:
    """A name or value as it must be written in a filter: in quotes if it needs them."""
    match = _WORD.fullmatch(name)
    plain = match is not None and match.lastgroup == "word" and name == match["word"]
    if plain and name.casefold() not in (*_KEYS, "unknown") and name[0] not in "@/":
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def expand(text: str, slices: Mapping[str, str]) -> str:
    """The filter with what ``@name`` stands for written out.

    Raises:
        Mistake: nothing is kept by such a name.
    """
    parts: list[str] = []
    done = 0
    given = words(text)
    whole = "any " * any(word.is_key("and") for word in given)  # each is about the example
    for word in given:
        if word.kind == "word" and word.text.startswith("@"):
            name = next((n for n in slices if n.casefold() == word.text[1:].casefold()), None)
            if name is None:
                kept = ", ".join(f"@{n}" for n in slices) or "nothing; N keeps the present filter"
                raise Mistake(f"There is no {word.text}. Kept: {kept}.", word.place)
            stands = slices[name] if len(given) == 2 else f"{whole}({slices[name]})"
            parts += [text[done : word.place], stands]
            done = word.place + len(word.text)
    return "".join([*parts, text[done:]])


_KEYS = ("and", "or", "not", "in", "is")


def tree(text: str) -> Tree:
    """What a filter says.

    Raises:
        Mistake: it can't be understood.
    """
    return _Parser(words(text)).whole()


class _Parser:
    """Reads words from left to right."""

    def __init__(self, given: Sequence[Word]) -> None:
        self._words = given
        self._at = 0
        self._depth = 0

    @property
    def _now(self) -> Word:
        return self._words[self._at]

    def _take(self) -> Word:
        word = self._now
        self._at += word.kind != "end"
        return word

    def whole(self) -> Tree:
        """All of it."""
        found = self._joined("or")
        if self._now.is_mark(")"):
            raise Mistake("There is a ) without its (.", self._now.place)
        if self._now.kind != "end":
            raise self._stray()
        return found

    def _stray(self) -> Mistake:
        """Something stands where the filter could have ended."""
        before = self._words[self._at - 1]
        joint = "put several words in quotes, or join conditions with and, or"
        if sign := _OTHER_SIGNS.get(self._now.text[:1]):
            joint = f"write {sign} instead"
        if self._now.is_mark(","):
            number = before.text.isdecimal()
            joint = "a list stands in parentheses: in (a, b)" + ", 0.5 has a point" * number
        return Mistake(f"After {before.text} comes {self._now.text}; {joint}.", self._now.place)

    def _joined(self, how: Literal["and", "or"]) -> Tree:
        def part() -> Tree:
            return self._joined("and") if how == "or" else self._part()

        parts = [part()]
        while self._now.is_key(how):
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(how, tuple(parts))

    def _part(self) -> Tree:
        if self._now.is_key("not"):
            self._take()
            return Joined("not", (self._deeper(self._part),))
        if self._now.is_key("any") and self._words[self._at + 1].is_mark("("):
            self._take()
            return Joined("any", (self._deeper(self._part),))
        if not self._now.is_mark("("):
            return self._test()
        opened = self._take()
        found = self._deeper(lambda: self._joined("or"))
        if not self._now.is_mark(")"):
            if self._now.kind != "end":
                raise self._stray()
            raise Mistake("There is a ( without its ).", opened.place)
        self._take()
        return found

    def _deeper(self, read: Callable[[], Tree]) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Mistake(f"More than {MAX_DEPTH} parentheses inside each other.", self._now.place)
        found = read()
        self._depth -= 1
        return found

    def _test(self) -> Test:
        column = self._take()
        if column.kind not in ("word", "quoted") or column.is_key(*_KEYS):
            said = column.text or "the end"
            raise Mistake(f"A condition begins with a column, not with {said}.", column.place)
        if self._now.kind == "op":
            op = self._take().text
            value = self._take()
            return Test(column, op, (self._value(value, f"{column.text} {op}"),))  # type: ignore[arg-type]
        if self._now.is_key("is"):
            self._take()
            negative = self._now.is_key("not")
            self._at += negative
            values = (self._value(self._take(), f"{column.text} is"),)
            return Test(column, "!=" if negative else "=", values)
        negated = self._now.is_key("not") and self._words[self._at + 1].is_key("in")
        if negated:
            self._take()
        if self._now.is_key("in"):
            self._take()
            return Test(column, "not in" if negated else "in", self._list(column))
        return Test(column, "=", ())  # a column alone: of yes or no

    def _value(self, word: Word, after: str) -> Word:
        if word.kind in ("word", "quoted", "regex") and not word.is_key(*_KEYS):
            return word
        said = f"not {word.text}" if word.text else "a word, a number or unknown"
        raise Mistake(f"After {after} comes a value, {said}.", word.place)

    def _list(self, column: Word) -> tuple[Word, ...]:
        after = f"{column.text} in"
        opened = self._take()
        if not opened.is_mark("("):
            raise Mistake(f"After {after} comes a list: (a, b).", opened.place)
        values = [self._value(self._take(), f"{after} (")]
        while self._now.is_mark(","):
            self._take()
            values.append(self._value(self._take(), f"{after} (...,"))
        if not self._now.is_mark(")"):
            raise Mistake("The list is not closed with a ).", self._now.place)
        self._take()
        return tuple(values)
