"""The bytes of a collateral file: opened safely, read by position, checked."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import Any

from . import layout
from .errors import CollateralError
from .schema import FORMAT

_FOREIGN = (
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first."),
    (b"PK\x03\x04", "is a zip archive or a torch file, not collateral", ""),
    (b"\x80\x02", "is a pickle, not collateral", ""),
    (b"\x80\x03", "is a pickle, not collateral", ""),
    (b"\x80\x04", "is a pickle, not collateral", ""),
    (b"\x80\x05", "is a pickle, not collateral", ""),
)
_MAKE = "Make a collateral file with: interpret-extract run"
_AGAIN = "Copy it again or extract it again."
_CUT = (
    "Was the extraction or a copy interrupted? Copy it again or extract it again; or keep what is "
    "whole of it: interpret-collateral recover FILE NEW-FILE"
)
_VERSION_AT = len(layout.HEAD_START)


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

    Attributes:
        path: its name.
        size: its bytes when it was opened.
        head, index_at: where the head ends and the index begins, known once :meth:`index` was read.

    Raises:
        CollateralError: there is no such file, or it is not a regular one.
    """

    _handle = -1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.head_end = self.index_at = 0
        try:
            self._check_regular(os.stat(self.path).st_mode)  # opening a device may do something
            flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
            flags |= getattr(os, "O_NONBLOCK", 0)  # should it have become a FIFO, do not wait
            self._handle = os.open(self.path, flags)
            status = os.fstat(self._handle)
            self._check_regular(status.st_mode)
            self.size = status.st_size
        except FileNotFoundError:
            raise self.error("there is no such file", "Check the name.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise self.error(f"cannot be opened ({reason})", "Check the name.") from error

    def _check_regular(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            what = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file"
            self.close()
            raise self.error(what, "Name a collateral file.")

    def error(self, what: str, advice: str = _AGAIN) -> CollateralError:
        """An error about this file."""
        return CollateralError(self.path, what, advice)

    def close(self) -> None:
        """Closes the file; twice is fine."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)

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
                what = f"ends at byte {offset}, though it was longer when it was opened"
                raise self.error(what, "Was it replaced? Open it again.")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def data_from(self, offset: int) -> int:
        """Where from ``offset`` on the next bytes lie that are no hole of a sparse file."""
        try:
            return os.lseek(self._handle, offset, os.SEEK_DATA)
        except AttributeError:  # a system that cannot tell
            return offset
        except OSError as error:
            return self.size if error.errno == errno.ENXIO else offset

    def checked(self, offset: int, length: int, checksum: int) -> bytes:
        """As :meth:`read`, and the bytes have this checksum."""
        data = self.read(offset, length)
        if layout.checksum(data) != checksum:
            raise self.error(f"is damaged: bytes {offset} to {offset + length} have changed")
        return data

    def record(self, block: Block) -> dict[str, Any]:
        """One record, checked and unpacked; a map.

        Raises:
            CollateralError: it is damaged, or not a map.
        """
        data = self.checked(block.offset, block.length, block.checksum)
        try:
            value = layout.unpack(data)
        except ValueError as error:
            raise self.error(f"the record at byte {block.offset} is wrong: {error}") from error
        if not isinstance(value, dict):
            raise self.error(f"the record at byte {block.offset} is not a map")
        return value

    def index(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Checks start, version and end of the file; returns its index and its head.

        Raises:
            CollateralError: it is no collateral file, of another version, cut or damaged.
        """
        self.check_start()
        index = self.index_at_end()
        start, length, check = self.head_place(index)
        head = self.record(Block(0, 0, start, length, check))
        self.head_end = length
        return index, head

    def index_at_end(self) -> dict[str, Any]:
        """The index, by what the end of the file says.

        Raises:
            CollateralError: the end is cut, or the index is damaged.
        """
        try:
            trailer = self.read(max(0, self.size - layout.TRAILER_SIZE), layout.TRAILER_SIZE)
            offset, length, check = layout.unpack_trailer(trailer, self.size)
        except (ValueError, CollateralError):
            raise self.error(
                "is cut: its end, where the index stands, is missing or damaged", _CUT
            ) from None
        self.index_at = offset
        return self.record(Block(0, 0, offset, length, check))

    def head_place(self, index: dict[str, Any]) -> tuple[int, int, int]:
        """Where the head begins, its bytes and its checksum, as the index says.

        Raises:
            CollateralError: it does not say so, or the head cannot be there.
        """
        place = index.get("head")
        if not (isinstance(place, list) and len(place) == 3 and all(type(n) is int for n in place)):
            raise self.error("the index does not say where the head is")
        start, length, check = place
        if start != 0 or not _VERSION_AT < length <= min(layout.MAX_HEAD, self.index_at):
            raise self.error("the index says that the head is where it cannot be")
        return start, length, check

    def check_start(self) -> None:
        """Whether the file begins as a collateral file does, of a version that is read here.

        Raises:
            CollateralError: no.
        """
        if self.size == 0:
            raise self.error("is empty", _MAKE)
        start = self.read(0, min(self.size, _VERSION_AT + 64))
        if not start.startswith(layout.HEAD_START[: len(start)]):
            for lead, what, advice in _FOREIGN:
                if start.startswith(lead):
                    raise self.error(what, advice or _MAKE)
            raise self.error("is not a collateral file", _MAKE)
        version = layout.unpack_version(start[_VERSION_AT:])
        if version is not None and version[0] != FORMAT[0]:
            newer = version[0] > FORMAT[0]
            advice = (
                "Update interpret-tui: pip install --upgrade interpret-tui" if newer else _AGAIN
            )
            what = f"has format version {version[0]}, this program reads version {FORMAT[0]}"
            raise self.error(what, advice)
