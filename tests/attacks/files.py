"""Files that are no collateral, or lie about it: a builder for each, and what is said of it."""

from __future__ import annotations

import gzip
import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from collateral import layout
from tests.attacks.small import write_pairs
from tests.collateral import forge

Builder = Callable[[Path], Path]
GIB = 1 << 30


def _bytes(data: bytes) -> Builder:
    def build(folder: Path) -> Path:
        (folder / "file").write_bytes(data)
        return folder / "file"

    return build


def _good(folder: Path) -> bytes:
    return write_pairs(folder / "good").read_bytes()


def _index(change: Callable[[dict[str, Any]], Any]) -> Builder:
    """A file whose index was changed, all checksums right."""

    def build(folder: Path) -> Path:
        return forge.with_index(write_pairs(folder / "good"), change)

    return build


def _packed(packed: bytes) -> Builder:
    """A file with these bytes for an index, all checksums right."""
    return _index(lambda _: packed)


def _version(major: int, minor: int) -> Builder:
    def build(folder: Path) -> Path:
        key = msgpack.packb("format")

        def change(head: bytes) -> bytes:
            return head.replace(key + b"\x92\x01\x01", key + bytes([0x92, major, minor]))

        return forge.with_head(write_pairs(folder / "good"), change)

    return build


def _blocks(name: str, column: int, value: int) -> Builder:
    """A file in which a number about a section's first record is another one."""

    def change(index: dict[str, Any]) -> None:
        section = index["sections"][name]
        table = np.frombuffer(section["blocks"], dtype="<u8").reshape(-1, 5).copy()
        table[0, column] = value
        section["blocks"] = table.tobytes()

    return _index(change)


def _put(*path: Any, value: Any) -> Builder:
    return _index(forge.put(*path)(value))


def _same_place(index: dict[str, Any]) -> None:
    found = index["sections"]
    found["distance/d"]["blocks"] = found["quality/q"]["blocks"]


def _cut(part: float) -> Builder:
    def build(folder: Path) -> Path:
        data = _good(folder)
        (folder / "file").write_bytes(data[: int(len(data) * part)])
        return folder / "file"

    return build


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def _socket(folder: Path) -> Path:
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)
    return folder / "s"


def _link(target: str) -> Builder:
    def build(folder: Path) -> Path:
        (folder / "link").symlink_to(target)
        return folder / "link"

    return build


def _directory(folder: Path) -> Path:
    return folder


def _missing(folder: Path) -> Path:
    return folder / "missing"


def _unreadable(folder: Path) -> Path:
    path = write_pairs(folder / "secret")
    path.chmod(0)
    return path


def _sparse(folder: Path) -> Path:
    """100 GiB that take no room: a good beginning and then zeros."""
    path = write_pairs(folder / "sparse")
    os.truncate(path, 100 * GIB)
    return path


def _sparse_with_end(folder: Path) -> Path:
    """100 GiB with a good beginning and an end that fits it, and a hole where records would be."""
    body, index = forge.split(_good(folder))
    packed = msgpack.packb(index)
    at = 100 * GIB
    with (folder / "sparse").open("wb") as file:
        file.write(body)
        file.seek(at)
        file.write(packed + layout.pack_trailer(at, len(packed), layout.checksum(packed)))
    return folder / "sparse"


def _torch(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("data.pkl", b"\x80\x02")
    return folder / "model.pt"


def _long_list(count: int) -> bytes:
    return b"\x81\xa1a\xdd" + struct.pack(">I", count)


CUT = "is cut: its end, where the index stands, is missing or damaged"
UNREADABLE = "not readable as msgpack"
REFUSED: dict[str, tuple[Builder, str]] = {
    "empty": (_bytes(b""), "is empty"),
    "one byte": (_bytes(b"\x83"), "is cut"),
    "text": (_bytes(b"id,text\n1,hello\n"), "is not a collateral file"),
    "json": (_bytes(b'{"magic": "interpret-collateral"}'), "is not a collateral file"),
    "zeros": (_bytes(bytes(5000)), "is not a collateral file"),
    "gzip": (_bytes(gzip.compress(b"x" * 99)), "is compressed with gzip"),
    "pickle": (_bytes(pickle.dumps([1, 2])), "is a pickle, not collateral"),
    "torch": (_torch, "is a zip archive or a torch file, not collateral"),
    "other msgpack": (_bytes(msgpack.packb({"a": [1, 2]})), "is not a collateral file"),
    "a list of msgpack": (_bytes(msgpack.packb([1, 2, 3])), "is not a collateral file"),
    "magic alone": (_bytes(layout.HEAD_START), "is cut"),
    "magic and rubbish": (_bytes(layout.HEAD_START + b"\xff" * 500), "is cut"),
    "magic and depth": (_bytes(layout.HEAD_START + b"\x91" * 100_000), "is cut"),
    "magic and a huge text": (_bytes(layout.HEAD_START + b"\xdb\xff\xff\xff\xffx"), "is cut"),
    "cut in the head": (_cut(0.05), CUT),
    "cut in the middle": (_cut(0.5), CUT),
    "cut at the end": (_cut(0.999), CUT),
    "newer major": (_version(2, 0), "has format version 2, this program reads version 1"),
    "older major": (_version(0, 9), "has format version 0, this program reads version 1"),
    "minor unlike the index": (_version(1, 9), "its version is not that of the head"),
    "FIFO": (_fifo, "is not a regular file"),
    "socket": (_socket, "is not a regular file"),
    "directory": (_directory, "is a directory"),
    "/dev/zero": (_link("/dev/zero"), "is not a regular file"),
    "a terminal": (_link("/dev/tty"), "is not a regular file"),
    "link to itself": (_link("link"), "cannot be opened"),
    "link to nothing": (_link("nothing"), "there is no such file"),
    "missing": (_missing, "there is no such file"),
    "sparse": (_sparse, CUT),
    "index of a huge list": (_packed(b"\xdd\xff\xff\xff\xff"), UNREADABLE),
    "index of a huge map": (_packed(b"\xdf\xff\xff\xff\xff"), UNREADABLE),
    "index of huge bytes": (_packed(b"\xc6\xff\xff\xff\xff"), UNREADABLE),
    "a huge list in the index": (_packed(_long_list(1 << 31)), UNREADABLE),
    "many lists in the index": (_packed(_long_list(1 << 20) + b"\x90" * (1 << 20)), "too many li"),
    "deep lists": (_packed(b"\x91" * 100_000 + b"\xc0"), UNREADABLE),
    "deep maps": (_packed(b"\x81\xa1a" * 100_000 + b"\xc0"), UNREADABLE),
    "a key twice": (_packed(b"\x82\xa4head\xc0\xa4head\xc0"), "a key appears twice"),
    "a key twice, deep": (_packed(b"\x81\xa4meta\x82\xa1a\x01\xa1a\x02"), "a key appears twice"),
    "a key that is no text": (_packed(b"\x81\x01\x01"), UNREADABLE),
    "an extension type": (_packed(b"\xd4\x05\x00"), "extension type 5"),
    "text that is none": (_packed(b"\x81\xa1a\xa2\xff\xfe"), UNREADABLE),
    "index of nil": (_packed(b"\xc0"), "is not a map"),
    "index of NaN": (_packed(msgpack.packb(float("nan"))), "is not a map"),
    "a head of NaN": (_put("head", 1, value=float("nan")), "does not say where the head is"),
    "a head in itself": (_put("head", 0, value=5), "the head is where it cannot be"),
    "layers of NaN": (_put("meta", "model", "layers", value=float("nan")), "cannot be nan"),
    "layers without end": (_put("meta", "model", "layers", value=1 << 40), "not between 1 and"),
    "heads of infinity": (
        _put("meta", "model", "heads", value=float("inf")),
        "cannot be inf",
    ),
    "counts of infinity": (
        _put("meta", "counts", "examples", value=float("inf")),
        "Meta.counts cannot be",
    ),
    "a count without end": (
        _put("sections", "tokens", "count", value=1 << 50),
        "does not have",
    ),
    "rows without end": (
        _put("sections", "quality/q", "row", value=[1 << 40, 1 << 40]),
        "the rows are too large",
    ),
    "objects for numbers": (_put("sections", "quality/q", "dtype", value="|O"), "unknown type"),
    "another shape": (_put("sections", "distance/d", "row", value=[7]), "does not have the type"),
    "one record for two": (_index(_same_place), "two blocks overlap"),
    "a record in the head": (_blocks("tokens", 2, 0), "a block lies outside the records"),
    "a record over itself": (_blocks("tokens", 3, 1 << 40), "a block lies outside the records"),
    "a record behind the end": (_blocks("tokens", 2, 1 << 49), "a block lies outside the records"),
    "a record of no size": (_blocks("tokens", 2, (1 << 64) - 1), "a size is too large"),
}
"""What opening refuses, and how the reason goes on."""
FAULTY: dict[str, tuple[Builder, str]] = {
    "a wrong checksum": (_blocks("tokens", 4, 7), "tokens, rows from 0: is damaged: bytes"),
    "a record without rows": (_blocks("tokens", 1, 0), "the blocks of 'tokens' lack rows"),
    "a record in the index": (_blocks("tokens", 3, 3), "tokens, rows from 0: is damaged"),
    "a hole of 100 GiB": (_sparse_with_end, "belong to no record"),
}
"""What can be opened, and what ``verify`` finds first."""
ONLY_FOR_OTHERS: dict[str, tuple[Builder, str]] = {"no permission": (_unreadable, "Permission den")}
"""What root can read."""
