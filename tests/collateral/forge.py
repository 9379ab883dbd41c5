"""Collateral files taken apart and put together again, for tests of what must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

import collateral
from collateral import layout


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
