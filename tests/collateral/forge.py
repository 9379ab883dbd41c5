"""Collateral files taken apart and put together again, for tests of what must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

import collateral
from collateral import layout

Index = dict[str, Any]


def split(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """All before the index of a sound file, and the index."""
    size = len(data)
    offset, length, _ = layout.unpack_trailer(data[-layout.TRAILER_SIZE :], size)
    return data[:offset], msgpack.unpackb(data[offset : offset + length])


def join(body: bytes, index: Any) -> bytes:
    """A file with this index, its checksums right; ``index`` may be packed already."""
    packed = index if isinstance(index, bytes) else msgpack.packb(index)
    trailer = layout.pack_trailer(len(body), len(packed), layout.checksum(packed))
    return body + packed + trailer


def with_index(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a file whose index was changed by ``change`` (which may return another)."""
    body, index = split(path.read_bytes())
    changed = change(index)
    forged = path.with_name(f"{path.name}.forged")
    forged.write_bytes(join(body, index if changed is None else changed))
    return forged


def with_head(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a file whose head was changed by ``change``, which must keep its length."""
    body, index = split(path.read_bytes())
    length = index["head"][1]
    head = change(body[:length])
    assert len(head) == length
    index["head"][2] = layout.checksum(head)
    forged = path.with_name(f"{path.name}.forged")
    forged.write_bytes(join(head + body[length:], index))
    return forged


def outcome(path: Path) -> str:
    """What opening and verifying a file says: an error, the first fault, or "sound".

    Any other exception is a failure of the reader and comes through.
    """
    try:
        with collateral.open(path) as c:
            for fault in c.verify():
                return fault
    except collateral.CollateralError as error:
        assert error.path == str(path)
        assert str(path) in str(error)
        assert "\n" not in str(error)
        return error.what
    return "sound"


def put(*path: Any) -> Callable[[Any], Callable[[Index], None]]:
    """``put("a", 0)(value)`` makes a change that sets ``index["a"][0]``."""

    def given_value(value: Any) -> Callable[[Index], None]:
        def change(index: Index) -> None:
            place = index
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value

        return change

    return given_value


def rewritten(good: Path, section: str, change: Callable[[Any], Any]) -> Path:
    """A copy in which the last block of a section was rewritten, all checksums right."""
    body, index = split(good.read_bytes())
    table = np.frombuffer(index["sections"][section]["blocks"], dtype="<u8").reshape(-1, 5).copy()
    _, _, offset, length, _ = table[-1].tolist()
    record = msgpack.unpackb(body[offset : offset + length])
    record["data"] = change(record["data"])
    packed = msgpack.packb(record)
    # At the end of the records, so that nothing else moves; the old place is left as a gap.
    table[-1, 2:] = len(body), len(packed), layout.checksum(packed)
    index["sections"][section]["blocks"] = table.tobytes()
    path = good.with_name("rewritten")
    path.write_bytes(join(body + packed, index))
    return path


def faults(path: Path) -> list[str]:
    """What is wrong with a rewritten file, but for the gap that rewriting leaves."""
    with collateral.open(path) as c:
        return [fault for fault in c.verify() if "belong to no record" not in fault]


def directory(column: str, value: int, row: int = 0) -> Callable[[bytes], bytes]:
    """Sets one number of the attention directory, for :func:`rewritten`."""

    def change(data: bytes) -> bytes:
        table = np.frombuffer(data, dtype="<u8").reshape(-1, len(layout.DIRECTORY)).copy()
        table[row, layout.DIRECTORY.index(column)] = value
        return table.tobytes()

    return change
