"""CoNLL-U, the format of Universal Dependencies (https://universaldependencies.org/format.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..words import Range, align, split_surface
from .base import BadRecord, Problem, Record, check_heads
from .conll import COMMENT, sentences

_COLUMNS = 10
_WORD = re.compile(r"[1-9][0-9]{0,6}$")
_RANGE = re.compile(r"([1-9][0-9]{0,6})-([1-9][0-9]{0,6})$")
_EMPTY = re.compile(r"[0-9]{1,7}\.[1-9][0-9]{0,6}$")


def read_conllu(path: Path) -> Iterator[Record | Problem]:
    """Sentences as words with their heads and relations.

    Fields: ``id`` (``sent_id``, else the file's name and the sentence's number), ``text``,
    ``words`` (syntactic words, without multiword tokens and empty nodes), ``ranges`` (characters
    of each word in ``text``), ``upos``, ``xpos``, ``lemmas``, ``feats`` (as written), ``heads``
    (0-based, -1 for the root), ``deprels``, and comments ``# key = value``. Of the columns a
    field is made of, one that is ``_`` for all words is left out.

    Where ``# text`` is missing or does not hold the words, the text is made from them.
    """
    number = 0
    for lines in sentences(path):
        read = _Reading()
        try:
            if lines.problem:
                read.line = lines.problem.line
                raise BadRecord(lines.problem.what)
            for read.line, text in lines.lines:
                read.add(text)
            if not read.words and not read.surfaces:
                continue
            number += 1
            yield Record(read.first, read.fields(f"{path.stem}-{number:04}"))
        except BadRecord as error:
            number += 1
            yield Problem(read.line, str(error))


@dataclass
class _Surface:
    """A stretch of text: one word, or several that are written as one."""

    form: str
    words: range
    space: bool


@dataclass
class _Reading:
    """A sentence as far as it is read."""

    line: int = 0
    first: int = 0
    comments: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    surfaces: list[_Surface] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Takes one line."""
        if text.startswith("#"):
            if found := COMMENT.match(text):
                self.comments[found[1]] = found[2].strip()
            return
        cells = text.split("\t")
        self.first = self.first or self.line
        if len(cells) != _COLUMNS:
            raise BadRecord(
                f"has {len(cells)} column{'s' * (len(cells) != 1)} (separated by tabs) where "
                f"CoNLL-U has {_COLUMNS}"
            )
        if _EMPTY.match(cells[0]):
            return
        if not cells[1].strip():
            raise BadRecord("has an empty word form")
        space = "SpaceAfter=No" not in cells[9].split("|")
        if span := _RANGE.match(cells[0]):
            self._add_range(int(span[1]), int(span[2]), cells[1], space)
        elif _WORD.match(cells[0]):
            self._add_word(cells, space)
        else:
            raise BadRecord(f'has the id "{cells[0]}", which is no number, range or empty node')

    def _add_range(self, start: int, stop: int, form: str, space: bool) -> None:
        if start != len(self.words) + 1 or stop < start or self._covered() > len(self.words):
            raise BadRecord(f"has the range {start}-{stop} where word {len(self.words) + 1} is due")
        self.surfaces.append(_Surface(form, range(start - 1, stop), space))

    def _add_word(self, cells: list[str], space: bool) -> None:
        if int(cells[0]) != len(self.words) + 1:
            raise BadRecord(f"has word {cells[0]} where word {len(self.words) + 1} is due")
        if self._covered() <= len(self.words):
            at = len(self.words)
            self.surfaces.append(_Surface(cells[1], range(at, at + 1), space))
        self.words.append(cells[1])
        self.rows.append(cells)
        self.lines.append(self.line)

    def _covered(self) -> int:
        """Number of words that the stretches so far hold."""
        return self.surfaces[-1].words.stop if self.surfaces else 0

    def fields(self, name: str) -> dict[str, Any]:
        """The sentence's fields.

        Raises:
            BadRecord: its heads are no tree; ``line`` is the line to blame.
        """
        if self._covered() != len(self.words):
            raise BadRecord(f"a range names word {self._covered()}, which the sentence has not")
        columns = {
            field_name: [row[i] for row in self.rows]
            for field_name, i in _FIELDS.items()
            if any(row[i] != "_" for row in self.rows)
        }
        heads = self._heads()
        text, ranges = self._text()
        comments = dict(self.comments)
        own = comments.pop("sent_id", "") or comments.pop("id", "")
        comments.pop("text", None)
        found: dict[str, Any] = {"id": own or name, "text": text, "words": self.words}
        found |= {"ranges": [list(one) for one in ranges], **columns}
        if heads is not None:
            found["heads"] = heads
        return found | {key: value for key, value in comments.items() if key not in found}

    def _heads(self) -> list[int] | None:
        written = [row[6] for row in self.rows]
        if all(head == "_" for head in written):
            return None
        heads = []
        for line, head in zip(self.lines, written, strict=True):
            self.line = line
            if head != "0" and not _WORD.match(head):
                raise BadRecord(f'has the head "{head}", which is no word\'s number')
            if int(head) > len(written):
                raise BadRecord(f"has the head {head}, but the sentence has {len(written)} words")
            heads.append(int(head) - 1)
        self.line = self.first
        check_heads(heads)
        return heads

    def _text(self) -> tuple[str, list[Range]]:
        forms = [surface.form for surface in self.surfaces]
        text = self.comments.get("text", "")
        found = align(forms, text) if text else None
        if found is None:
            text, found = "", []
            for surface in self.surfaces:
                found.append((len(text), len(text) + len(surface.form)))
                text += surface.form + " " * surface.space
            text = text.rstrip(" ")
        ranges: list[Range] = []
        for surface, span in zip(self.surfaces, found, strict=True):
            words = [self.words[i] for i in surface.words]
            ranges += split_surface(span, text, words)
        return text, ranges


_FIELDS = {"lemmas": 2, "upos": 3, "xpos": 4, "feats": 5, "deprels": 7}
