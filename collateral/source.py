"""The bytes of a collateral file: opened safely, read by position, checked."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any

from . import layout
from .errors import CollateralError

_FOREIGN = (
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first."),
    (b"PK\x03\x04", "is a zip archive or a torch file, not collateral", ""),
    (b"\x80", "is a pickle or another msgpack file, not collateral", ""),
)
_MAKE = "Make a collateral file with: interpret-extract run"
_AGAIN = "Copy it again or extract it again."


@dataclass(frozen=True)
class Block:
    """Where one record of a section lies: ``count`` rows from row ``start``."""

    start: int
    count: int
    offset: int
    length: int
    checksum: int


class Source:
    """An open file that is read by position only, so that memory stays flat.

    Raises:
        CollateralError: there is no such file, or it is not a regular one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._handle = -1
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):  # before open: a FIFO would wait
                what = "is a directory" if os.path.isdir(self.path) else "is not a regular file"
                raise self.error(what, "Name a collateral file.")
            self._handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            self.size = os.fstat(self._handle).st_size
        except FileNotFoundError:
            raise self.error("there is no such file", "Check the name.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self.error(f"cannot be opened ({reason})", "Check the name.") from error

    def error(self, what: str, advice: str = _AGAIN) -> CollateralError:
        """An error about this file."""
        return CollateralError(self.path, what, advice)

    def close(self) -> None:
        """Closes the file; twice is fine."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        self.close()

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``.

        Raises:
            CollateralError: the file is closed or has become shorter.
        """
        if self._handle < 0:
            raise self.error("is closed", "Open it again.")
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self.error(f"ends before byte {offset + length}")
        parts = []
        while length > 0:
            try:
                part = os.pread(self._handle, length, offset)
            except OSError as error:
                raise self.error(f"cannot be read ({error.strerror})") from error
            if not part:
                raise self.error(f"ends at byte {offset}, though it was longer when opened")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def checked(self, offset: int, length: int, checksum: int) -> bytes:
        """As :meth:`read`, and the bytes have this checksum."""
        data = self.read(offset, length)
        if layout.checksum(data) != checksum:
            raise self.error(f"is damaged: bytes {offset} to {offset + length} have changed")
        return data

    def record(self, block: Block) -> dict[str, Any]:
        """One record, checked and unpacked; a map."""
        data = self.checked(block.offset, block.length, block.checksum)
        try:
            value = layout.unpack(data)
        except ValueError as error:
            raise self.error(f"the record at byte {block.offset} is wrong: {error}") from error
        if not isinstance(value, dict):
            raise self.error(f"the record at byte {block.offset} is not a map")
        return value

    def index(self) -> dict[str, Any]:
        """Checks start, version and end of the file and returns its index."""
        self._check_start()
        try:
            trailer = self.read(max(0, self.size - layout.TRAILER_SIZE), layout.TRAILER_SIZE)
            offset, length, check = layout.unpack_trailer(trailer, self.size)
        except (ValueError, CollateralError):
            raise self.error(
                "is cut: its end, where the index stands, is missing or damaged",
                "Was the extraction or a copy interrupted? " + _AGAIN,
            ) from None
        value = self.record(Block(0, 0, offset, length, check))
        head = value.get("head")
        if not (isinstance(head, list) and len(head) == 3 and all(type(n) is int for n in head)):
            raise self.error("the index does not say where the head is")
        if head[0] != 0 or not 0 < head[1] <= layout.MAX_HEAD:
            raise self.error("the head is not where it belongs")
        start = self.record(Block(0, 0, *head))
        if set(start) < {"magic", "format", "meta"}:
            raise self.error("the head is incomplete")
        self.index_at = offset
        return value

    def _check_start(self) -> None:
        if self.size == 0:
            raise self.error("is empty", _MAKE)
        start = self.read(0, min(self.size, 64))
        if not start.startswith(layout.HEAD_START[: len(start)]):
            for lead, what, advice in _FOREIGN:
                if start.startswith(lead):
                    raise self.error(what, advice or _MAKE)
            raise self.error("is not a collateral file", _MAKE)
        # after the magic: fixstr "format", then an array of two small integers
        version = start[len(layout.HEAD_START) + 7 :]
        if len(version) >= 3 and version[0] == 0x92 and version[1] < 0x80 and version[1] != 1:
            major = version[1]
            advice = "Update interpret-tui." if major > 1 else _AGAIN
            raise self.error(f"has format version {major}, this program reads version 1", advice)
