"""How bytes lie in a collateral file: constants, records, checks. Spelled out in ``format.md``."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from .schema import Encoding

MAGIC = "interpret-collateral"
HEAD_START = b"\x83\xa5magic\xb4" + MAGIC.encode()
"""The first bytes of every file: a map of three, "magic", the magic string."""

DESCRIBED = "described"
"""Key of the head's "meta": what the index says of tables, metrics and measures."""

TRAILER_MAGIC = b"ITPCTRLR"
TRAILER_LEAD = b"\xc4\x28"  # msgpack bin of 40 bytes
_TRAILER = struct.Struct("<2s8sQQQII")
TRAILER_SIZE = _TRAILER.size

# Limits: what a writer never exceeds and a reader refuses before it allocates anything.
MAX_HEAD = 16 << 20
MAX_INDEX = 32 << 20
MAX_RECORD = 16 << 20
"""Bytes of one record of a section. Attention records are not unpacked whole and may be larger."""
MAX_ATTENTION = (1 << 32) - 1
"""Bytes of one example's attention weights: what a msgpack bin can hold."""
MAX_FILLED = 1 << 30
"""Weights that sparse attention is filled out to at once: a small record may stand for many."""
MAX_SIZE = 1 << 50
MAX_TOKENS = 1 << 20
MAX_LAYERS = MAX_HEADS = 1 << 12
MAX_VECTOR = 1 << 16
"""Numbers of a vector."""
MAX_LABELS = 1 << 16
MAX_LIST = 1 << 22
MAX_CONTAINERS = 1 << 17

ENCODINGS: dict[Encoding, npt.DTypeLike] = {"float16": "<f2", "uint8": "|u1"}
"""The encodings that store every weight, and the type of one."""
SPARSE: dict[Encoding, npt.DTypeLike] = {"topk16": "<u2", "topk32": "<u4"}
"""The encodings that store the largest weights of each row, and the type of a key's number."""
ENCODING_NAMES: tuple[Encoding, ...] = (*ENCODINGS, *SPARSE)
"""By their numbers in the directory."""
ENCODING_ERROR: dict[Encoding, float] = {
    "float16": 2.5e-4,
    "uint8": 4.0e-3,
    "topk16": 2.5e-4,
    "topk32": 2.5e-4,
}
"""Largest absolute error of a stored attention weight in [0, 1]."""

DIRECTORY = (
    "kind",
    "example",
    "encoding",
    "queries",
    "keys",
    "offset",
    "length",
    "checksum",
    "checksums_at",
    "data_at",
)
"""Columns of the attention directory, unsigned 64-bit each."""

BLOCK = ("start", "count", "offset", "length", "checksum")
"""Columns of a section's list of blocks, unsigned 64-bit each."""


def checksum(*parts: bytes | memoryview) -> int:
    """CRC-32 (zlib's) of the parts one after another."""
    value = 0
    for part in parts:
        value = checksum_on(value, part)
    return value


def checksum_on(value: int, part: bytes | memoryview) -> int:
    """The checksum of what had ``value`` before, and then of ``part``."""
    return zlib.crc32(part, value)


def pack(value: Any) -> bytes:
    """``value`` as msgpack.

    Raises:
        ValueError: it holds something that msgpack has no form for; the message says what.
    """
    try:
        return bytes(msgpack.packb(value, use_bin_type=True))
    except UnicodeEncodeError:
        raise ValueError("the text holds half a character (a lone surrogate)") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def pack_before_data(fields: Mapping[str, Any], size: int) -> bytes:
    """A record whose last key is "data", up to where its ``size`` bytes begin."""
    header = bytes([0x80 | len(fields) + 1])  # a map of at most 15
    body = b"".join(pack(part) for item in fields.items() for part in item)
    if size < 1 << 8:
        lead = struct.pack(">BB", 0xC4, size)
    elif size < 1 << 16:
        lead = struct.pack(">BH", 0xC5, size)
    else:
        lead = struct.pack(">BI", 0xC6, size)
    return header + body + pack("data") + lead


def unpack(data: bytes) -> Any:
    """One plain msgpack object; nothing may follow it.

    Memory is bounded: lists and maps are counted, as an empty one takes 60 times its single byte.

    Raises:
        ValueError: not msgpack, cut, trailing bytes, repeated keys, an extension type, or too many
            lists and maps.
    """
    containers = 0

    def counted() -> None:
        nonlocal containers
        containers += 1
        if containers > MAX_CONTAINERS:
            raise ValueError("too many lists and maps")

    def a_list(items: list[Any]) -> list[Any]:
        counted()
        return items

    def a_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        counted()
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key appears twice in one map")
        return found

    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=min(len(data), MAX_LIST),
            max_map_len=min(len(data), MAX_CONTAINERS),
            list_hook=a_list,
            object_pairs_hook=a_map,
            ext_hook=_no_extensions,
        )
    except (msgpack.UnpackException, ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"not readable as msgpack ({reason[:80]})") from error


def _no_extensions(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code}")


def unpack_version(data: bytes) -> tuple[int, int] | None:
    """(major, minor) from the bytes after :data:`HEAD_START`, None if they are not a version."""
    unpacker = msgpack.Unpacker(max_buffer_size=max(1, len(data)))
    unpacker.feed(data)
    try:
        key, version = unpacker.unpack(), unpacker.unpack()
    except (msgpack.UnpackException, ValueError):
        return None
    if key != "format" or not isinstance(version, list) or len(version) != 2:
        return None
    major, minor = version
    return (major, minor) if type(major) is int and type(minor) is int else None


def pack_trailer(index_offset: int, index_length: int, index_checksum: int) -> bytes:
    """The last bytes of a file: a msgpack ``bin`` of fixed length that says where the index is."""
    size = index_offset + index_length + TRAILER_SIZE
    fields = (TRAILER_LEAD, TRAILER_MAGIC, index_offset, index_length, size, index_checksum)
    own = checksum(_TRAILER.pack(*fields, 0)[:-4])
    return _TRAILER.pack(*fields, own)


def unpack_trailer(data: bytes, size: int) -> tuple[int, int, int]:
    """(offset, length, checksum) of the index.

    Raises:
        ValueError: ``data`` is no trailer of a file of ``size`` bytes.
    """
    if len(data) != TRAILER_SIZE:
        raise ValueError("too short for a trailer")
    lead, magic, offset, length, stated, check, own = _TRAILER.unpack(data)
    if lead != TRAILER_LEAD or magic != TRAILER_MAGIC or own != checksum(data[:-4]):
        raise ValueError("no trailer")
    if stated != size or offset + length + TRAILER_SIZE != size or length > MAX_INDEX:
        raise ValueError("the trailer's offsets do not fit the file")
    return offset, length, check


def encode_attention(maps: npt.NDArray[Any], encoding: Encoding) -> npt.NDArray[Any]:
    """Attention weights as stored. uint8 keeps round(255·√w): small weights stay visible.

    Raises:
        ValueError: weights outside [0, 1] or not finite, or no such encoding.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"no encoding {encoding!r}; there are: {', '.join(ENCODINGS)}")
    check_weights("attention weights", maps)
    if encoding == "float16":
        return np.ascontiguousarray(maps, dtype="<f2")
    roots: npt.NDArray[np.float32] = np.sqrt(np.clip(maps, 0.0, 1.0, dtype=np.float32))
    return np.ascontiguousarray(np.rint(roots * 255).astype(np.uint8))


def most_keys(encoding: Encoding) -> int:
    """How many keys an encoding can tell apart."""
    return 1 << 16 if encoding == "topk16" else MAX_TOKENS


def check_weights(what: str, values: npt.NDArray[Any], least: float = 0.0) -> None:
    """Whether all lie in [``least``, 1], but for what rounding does.

    Raises:
        ValueError: not so; the message begins with ``what``.
    """
    halves = least == 0 and values.dtype == np.float16
    # as integers halves from 0 to 1 are the smallest, and are compared a hundred times as fast
    if halves and values.view(np.uint16).max(initial=0) <= _ONE:
        return
    if values.size and not (values.min() >= least and values.max() <= 1 + 1e-4):  # NaN neither
        raise ValueError(f"{what} must lie between 0 and 1")


def decode_attention(
    stored: npt.NDArray[Any], out: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """The inverse of :func:`encode_attention`, float32; into ``out`` if it is given."""
    table, places = (
        (_HALVES, stored.view("<u2")) if stored.dtype.kind == "f" else (_SQUARES, stored)
    )
    # no place lies outside its table; "clip" needs no copy to fill ``out``, as "raise" does
    return table.take(places, out=out, mode="clip")


_ONE = int(np.float16(1).view(np.uint16))
_SQUARES: npt.NDArray[np.float32] = (np.arange(256, dtype=np.float32) / np.float32(255)) ** 2
_HALVES: npt.NDArray[np.float32] = np.arange(1 << 16, dtype="<u2").view("<f2").astype(np.float32)
"""Every float16 by its bits: three times as fast as numpy's own conversion."""
