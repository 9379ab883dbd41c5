"""JSON Lines, one JSON array of objects, and plain texts, one per line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import ExtractError
from .base import BOM, BadRecord, Problem, Record, decoded, kind_of, raw_lines

_CHUNK = 1 << 20


def read_jsonl(path: Path) -> Iterator[Record | Problem]:
    """One JSON object per line; blank lines are passed over."""
    for number, raw in raw_lines(path):
        if not raw.strip():
            continue
        try:
            text = decoded(raw)
            yield Record(number, _object(_parsed(text), text))
        except BadRecord as error:
            yield Problem(number, str(error))


def read_text(path: Path) -> Iterator[Record | Problem]:
    """One text per line, as the field ``text``; blank lines are passed over."""
    for number, raw in raw_lines(path):
        if not raw.strip():
            continue
        try:
            text = decoded(raw).rstrip("\r\n")
            if "\0" in text:
                raise BadRecord("holds a NUL character")
            yield Record(number, {"text": text})
        except BadRecord as error:
            yield Problem(number, str(error))


def read_json(path: Path) -> Iterator[Record | Problem]:
    """One JSON array of objects, read piece by piece.

    What stands behind an object that is not valid JSON cannot be told apart, so that reading ends
    there.

    Raises:
        ExtractError: the file cannot be read, is no array, or is broken; with the line.
    """
    text = _Stream(path)
    if text.skip() != "[":
        raise ExtractError(f"{path}, line {text.line}: a JSON array was expected here.")
    text.advance(1)
    first = True
    while (found := text.skip()) != "]":
        if not first:
            if found != ",":
                problem = "the array is not closed" if not found else "a comma is missing here"
                raise ExtractError(f"{path}, line {text.line}: {problem}.")
            text.advance(1)
            text.skip()
        first = False
        line = text.line
        value, raw = text.value()
        try:
            yield Record(line, _object(value, raw))
        except BadRecord as error:
            yield Problem(line, str(error))
    text.advance(1)
    if text.skip():
        raise ExtractError(f"{path}, line {text.line}: more follows after the end of the array.")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadRecord(f"is not valid JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"is not valid JSON ({error})") from None


def _object(row: Any, text: str) -> dict[str, Any]:
    """``row`` as an object of whole characters; ``text`` is what it was read from."""
    if "\\u" in text:
        try:
            # an escaped lone surrogate is valid JSON, but no tokenizer and no file takes it
            json.dumps(row, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise BadRecord("holds half of a surrogate pair, which is no character") from None
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"is not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise BadRecord(f"is not a JSON object but {kind_of(row)}")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


class _Stream:
    """A file's text from a place on, of which as little as possible is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks = self._read()
        self._text = ""
        self._at = 0
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)
        self.line = 1

    def _read(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            with self._path.open("rb") as file:
                start = file.read(len(BOM)).removeprefix(BOM)
                while chunk := start + file.read(_CHUNK):
                    start = b""
                    yield decoder.decode(chunk)
                yield decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            where = f"at or after line {self.line}"
            raise ExtractError(f"{self._path} is not UTF-8 ({where}).") from None
        except OSError as error:
            raise ExtractError(f"{self._path} cannot be read ({error.strerror}).") from None

    def _more(self, least: int = 1) -> bool:
        """Reads at least so many further characters, if there are any."""
        pieces: list[str] = []
        while least > 0 and (piece := next(self._chunks, None)) is not None:
            pieces.append(piece)
            least -= len(piece)
        self._text = self._text[self._at :] + "".join(pieces)
        self._at = 0
        return any(pieces)

    def skip(self) -> str:
        """Passes over white space; the character that follows, empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self.advance(1)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def advance(self, count: int) -> None:
        """Passes over characters."""
        self.line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def value(self) -> tuple[Any, str]:
        """The JSON value that begins here, and what it was read from."""
        while True:
            problem = None
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem, at = error.msg.removesuffix(" at"), error.pos
            except (ValueError, RecursionError) as error:
                problem, at = str(error), self._at
            # a value that ends with what is in memory may go on; an error may be its cut end
            if problem is None and end < len(self._text):
                break
            if not self._more(len(self._text) - self._at + 1):
                if problem is None:
                    break
                line = self.line + self._text.count("\n", self._at, at)
                raise ExtractError(f"{self._path}, line {line}: is not valid JSON ({problem}).")
        raw = self._text[self._at : end]
        self.advance(len(raw))
        return value, raw
