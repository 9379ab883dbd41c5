"""CoNLL in columns: one word per line with its tag, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .base import BadRecord, Problem, Record, decoded, raw_lines

COMMENT = re.compile(r"#\s*([^=\s][^=\t]*?)\s*=\s*([^\t]*)$")


@dataclass
class Lines:
    """The lines of a sentence.

    Attributes:
        lines: numbers and texts of all its lines, comments included.
        problem: the first line that is not text.
    """

    lines: list[tuple[int, str]] = field(default_factory=list)
    problem: Problem | None = None


def sentences(path: Path) -> Iterator[Lines]:
    """The stretches between blank lines."""
    found = Lines()
    for number, raw in raw_lines(path):
        if not raw.strip():
            if found.lines or found.problem:
                yield found
            found = Lines()
            continue
        try:
            text = decoded(raw).rstrip("\r\n")
            if "\0" in text:
                raise BadRecord("holds a NUL character")
            found.lines.append((number, text))
        except BadRecord as error:
            found.problem = found.problem or Problem(number, str(error))
    if found.lines or found.problem:
        yield found


def read_conll(path: Path) -> Iterator[Record | Problem]:
    """Sentences with ``words``, ``tags``, ``id`` and their comments ``# key = value``.

    The first column is the word and the last the tag. Columns are separated by tabs if the first
    word's line has one, else by spaces. Lines of ``-DOCSTART-`` are passed over. A sentence
    without an ``id`` or ``sent_id`` of its own is called after the file and its number.
    """
    columns = _Columns()
    number = 0
    for lines in sentences(path):
        try:
            words, tags, comments, first = columns.read(lines)
        except _BadColumns as error:
            number += 1
            yield Problem(error.line, str(error))
            continue
        if not words:
            continue
        number += 1
        own = comments.pop("sent_id", "") or comments.pop("id", "")
        name = own or f"{path.stem}-{number:04}"
        fields = {**comments, "id": name, "words": words, "tags": tags}
        yield Record(first, fields)


class _BadColumns(BadRecord):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


class _Columns:
    """How many columns a file has and what separates them, as its first word's line says."""

    def __init__(self) -> None:
        self.count = 0
        self.tabs = False

    def read(self, lines: Lines) -> tuple[list[str], list[str], dict[str, str], int]:
        """Words, tags, comments and the line of the first word."""
        if lines.problem:
            raise _BadColumns(lines.problem.line, lines.problem.what)
        words: list[str] = []
        tags: list[str] = []
        comments: dict[str, str] = {}
        first = 0
        for number, text in lines.lines:
            if text.startswith("-DOCSTART-"):
                continue
            if not words and text.startswith("#") and self._is_comment(text):
                if found := COMMENT.match(text):
                    comments[found[1]] = found[2].strip()
                continue
            cells = self._cells(number, text)
            first = first or number
            words.append(cells[0])
            tags.append(cells[-1])
        return words, tags, comments, first

    def _is_comment(self, text: str) -> bool:
        """A line that begins with # may be a word: then it has as many columns as others."""
        if COMMENT.match(text):
            return True
        cells = self._split(text, "\t" in text if not self.count else self.tabs)
        return len(cells) != (self.count or 2)

    def _cells(self, number: int, text: str) -> list[str]:
        tabs = self.tabs if self.count else "\t" in text
        cells = self._split(text, tabs)
        if not self.count:
            if len(cells) < 2:
                raise _BadColumns(number, "has one column; a word and its tag are needed")
            self.count, self.tabs = len(cells), tabs
        if len(cells) != self.count:
            sign = "tabs" if self.tabs else "spaces"
            has = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            raise _BadColumns(
                number, f"has {has} (separated by {sign}) where the lines before have {self.count}"
            )
        if not cells[0] or not cells[-1]:
            raise _BadColumns(number, "has an empty word" if not cells[0] else "has an empty tag")
        return cells

    def _split(self, text: str, tabs: bool) -> list[str]:
        if tabs:
            return [cell.strip(" ") for cell in text.split("\t")]
        return re.split(" +", text.strip(" "))
