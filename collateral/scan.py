"""What stands in a collateral file whose end or middle is lost: its records, from the front."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgpack
import numpy as np

from . import layout
from .sections import ARRAY_TYPES
from .source import Block, Source

_RECORD = re.compile(rb"[\x84-\x8f]\xa6record|\xc4\x28" + layout.TRAILER_MAGIC)
"""What every record but the head begins with, and the trailer."""
_FIRST_WINDOW = 1 << 12
_CHUNK = 1 << 22
_MOST_HEADER = 4 * layout.MAX_LAYERS * layout.MAX_HEADS + _CHUNK
_MOST_TRIES = 10_000
_MOST_RECORDS = 1 << 20
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, msgpack.UnpackException)

T = TypeVar("T")


class Form(NamedTuple):
    """What a record says of its section: kind, and of an array type and shape of a row."""

    kind: str
    dtype: str
    row: tuple[int, ...]


class AttentionRecord(NamedTuple):
    """An attention record as it describes itself, and where its parts are."""

    kind: str
    example: int
    encoding: str
    shape: tuple[int, ...]
    offset: int
    length: int
    checksums_at: int
    data_at: int


@dataclass
class Scan:
    """What was found.

    Attributes:
        head: the first object, if it is a head.
        head_end: where it ends; 0 if there is none.
        index: the index, if it can be read.
        index_sound: whether it has the checksum that a trailer behind it states; None: no trailer.
        end: where the records end: at the index, or at the end of the file.
        blocks: section to forms and places of its records, in the order in which they stand there.
        attention: the attention records.
        gaps: ranges of bytes that are no whole record.
    """

    head: dict[str, Any] | None = None
    head_end: int = 0
    index: dict[str, Any] | None = None
    index_sound: bool | None = None
    end: int = 0
    blocks: dict[str, list[tuple[Form, Block]]] = field(default_factory=dict)
    attention: list[AttentionRecord] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)


def scan(source: Source) -> Scan:
    """Goes through a file from its front, record by record; over what is none to the next one.

    Records of sections are not unpacked, only measured, and nothing is held against a checksum.

    Raises:
        CollateralError: the file cannot be read, or has too many records.
    """
    return _Scanner(source).run()


class _Scanner:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._found = Scan(end=source.size)
        self._tries, self._wasted = _MOST_TRIES, 2 * source.size + _CHUNK
        self._records = self._spent = 0
        self._searched = 0, b""

    def run(self) -> Scan:
        found, at = self._found, self._head()
        while at < self._source.size and not self._is_trailer(at):
            length = self._record(at)
            if length:
                at += length
                continue
            self._wasted -= self._spent
            after = self._next(at + 1)
            found.gaps.append((at, after))
            at = after
        if found.index is not None:
            self._hold_index_against(at)
        return found

    def _head(self) -> int:
        """Reads the head; where it ends, 0 if it is none."""
        try:
            length = self._measured(0, layout.MAX_HEAD)
            head = layout.unpack(self._source.read(0, length))
        except _UNREADABLE:
            return 0
        if not isinstance(head, dict) or head.get("magic") != layout.MAGIC:
            return 0
        self._found.head, self._found.head_end = head, length
        return length

    def _record(self, at: int) -> int:
        """Notes the record that begins here; its length, 0 if there is none that is whole."""
        self._spent = 0
        self._records += 1
        if self._records > _MOST_RECORDS:
            raise self._source.error("has too many records")
        try:
            kind, fields, data_at, size = self._window(at, _MOST_HEADER, _header)
            if kind in ("array", "attention"):
                length = data_at + size
                if at + length > self._source.size:
                    return 0
                note = self._note_array if kind == "array" else self._note_attention
                note(at, length, data_at, fields)
            else:
                length = self._note_whole(at, kind)
            return length
        except _UNREADABLE:
            return 0

    def _note_array(self, at: int, length: int, data_at: int, fields: dict[str, Any]) -> None:
        shape, dtype, start = fields["shape"], fields["dtype"], fields["start"]
        if dtype not in ARRAY_TYPES or length > layout.MAX_RECORD or not 1 <= len(shape) <= 5:
            raise ValueError
        if not all(_is_size(n) for n in (start, *shape)) or not shape[0]:
            raise ValueError
        if math.prod(shape) * np.dtype(dtype).itemsize != length - data_at:
            raise ValueError
        self._note(
            Form("array", dtype, tuple(shape[1:])), fields["name"], start, shape[0], at, length
        )

    def _note_attention(self, at: int, length: int, data_at: int, fields: dict[str, Any]) -> None:
        shape, checksums = fields["shape"], fields["checksums"]
        if not (len(shape) == 4 and all(map(_is_size, shape)) and _is_size(fields["example"])):
            raise ValueError
        lead = len(self._lead(at, data_at))
        place = (at, length, at + data_at - lead - len(checksums), at + data_at)
        text = (str(fields["kind"]), fields["example"], str(fields["encoding"]), tuple(shape))
        self._found.attention.append(AttentionRecord(*text, *place))

    def _lead(self, at: int, data_at: int) -> bytes:
        """The key "data" and the header of its bin, which stand before the weights."""
        end = self._source.read(at + data_at - min(data_at, 10), min(data_at, 10))
        return end[end.rindex(b"\xa4data") :]

    def _note_whole(self, at: int, kind: str) -> int:
        """A record that is read whole: texts, tokens or the index."""
        is_index = kind == "index"
        if kind not in ("texts", "tokens", "index"):
            raise ValueError
        length = self._measured(at, layout.MAX_INDEX if is_index else layout.MAX_RECORD)
        record = layout.unpack(self._source.read(at, length))
        if is_index:
            if self._found.index is None:
                self._found.index, self._found.end = record, at
            return length
        data, start = record["data"], record["start"]
        if not isinstance(data, list) or not data or not _is_size(start):
            raise ValueError
        self._note(Form(kind, "", ()), record["name"], start, len(data), at, length)
        return length

    def _note(self, form: Form, name: Any, start: int, count: int, at: int, length: int) -> None:
        if not isinstance(name, str):
            raise ValueError
        check = layout.checksum(self._source.read(at, length))
        block = Block(start, count, at, length, check)
        self._found.blocks.setdefault(name, []).append((form, block))

    def _measured(self, at: int, most: int) -> int:
        """The length of the msgpack object that begins here."""

        def skipped(unpacker: Any, data: bytes) -> int:
            unpacker.skip()
            return int(unpacker.tell())

        return self._window(at, most, skipped)

    def _window(self, at: int, most: int, parse: Callable[[Any, bytes], T]) -> T:
        """What ``parse`` makes of the bytes from here, of as few as it needs."""
        size = _FIRST_WINDOW
        while True:
            length = min(size, most, self._source.size - at)
            data = self._source.read(at, length)
            self._spent += length
            unpacker = msgpack.Unpacker(
                raw=False,
                strict_map_key=True,
                max_buffer_size=most,
                read_size=1 << 10,
                list_hook=_short,
                object_pairs_hook=_no_map,
            )
            unpacker.feed(data)
            try:
                return parse(unpacker, data)
            except msgpack.OutOfData:
                if length < size:
                    raise
                size *= 4

    def _next(self, at: int) -> int:
        """Where the next record may begin; the end of the file if there is none."""
        self._tries -= 1
        size = self._source.size
        while at < size and self._tries > 0 and self._wasted > 0:
            start, data = self._searched
            if not start <= at < start + len(data):
                start = at = min(size, self._source.data_from(at))
                data = self._source.read(start, min(_CHUNK, size - start))
                self._searched = start, data
            if match := _RECORD.search(data, at - start):
                return start + match.start()
            if start + len(data) >= size:
                break
            self._searched = 0, b""
            at = max(at + 1, start + len(data) - 16)  # one may begin here and end in the next chunk
        return size

    def _is_trailer(self, at: int) -> bool:
        size = layout.TRAILER_SIZE
        if at + size > self._source.size:
            return False
        lead = layout.TRAILER_LEAD + layout.TRAILER_MAGIC
        return self._source.read(at, size).startswith(lead)

    def _hold_index_against(self, at: int) -> None:
        """Whether the index has the checksum that the trailer at this place states."""
        if at + layout.TRAILER_SIZE > self._source.size:
            return
        data = self._source.read(at, layout.TRAILER_SIZE)
        try:
            offset, length, check = layout.unpack_trailer(data, at + layout.TRAILER_SIZE)
        except ValueError:
            return
        if offset == self._found.end:
            packed = self._source.read(offset, length)
            self._found.index_sound = layout.checksum(packed) == check


def _header(unpacker: Any, data: bytes) -> tuple[str, dict[str, Any], int, int]:
    """Kind, fields before the data, where the data begin, their bytes (0 if they are no bin)."""
    count = unpacker.read_map_header()
    if unpacker.unpack() != "record":
        raise ValueError
    kind = unpacker.unpack()
    if kind not in ("array", "attention"):
        return str(kind), {}, 0, 0
    fields: dict[str, Any] = {}
    for _ in range(count - 1):
        key = unpacker.unpack()
        if key == "data":
            break
        fields[key] = unpacker.unpack()
    else:
        raise ValueError
    at = unpacker.tell()
    if at >= len(data):
        raise msgpack.OutOfData
    width = {0xC4: 1, 0xC5: 2, 0xC6: 4}[data[at]]
    begin = at + 1 + width
    if begin > len(data):
        raise msgpack.OutOfData
    return kind, fields, begin, int.from_bytes(data[at + 1 : begin], "big")


def _short(items: list[Any]) -> list[Any]:
    if len(items) > 8:
        raise ValueError
    return items


def _no_map(pairs: Any) -> Any:
    raise ValueError


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= layout.MAX_SIZE
