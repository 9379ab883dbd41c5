"""How bytes lie in a collateral file: constants, records, checks. Spelled out in ``format.md``."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from .schema import Encoding

MAGIC = "interpret-collateral"
HEAD_START = b"\x83\xa5magic\xb4" + MAGIC.encode()
"""The first bytes of every file: a map of three, "magic", the magic string."""

TRAILER_MAGIC = b"ITPCTRLR"
_TRAILER = struct.Struct("<2s8sQQIIQ")
TRAILER_SIZE = _TRAILER.size
MAX_HEAD = 16 << 20
MAX_INDEX = 1 << 30
MAX_COUNT = 1 << 40

ENCODINGS: dict[Encoding, npt.DTypeLike] = {"float16": "<f2", "uint8": "|u1"}
ENCODING_ERROR: dict[Encoding, float] = {"float16": 2.5e-4, "uint8": 4.0e-3}
"""Largest absolute error of a stored attention weight in [0, 1]."""

ARRAY_TYPES = ("<f4", "<f8", "<i4", "<u8", "|u1")

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


def checksum(data: bytes | memoryview) -> int:
    """CRC-32 of ``data`` (zlib's)."""
    return zlib.crc32(data) & 0xFFFFFFFF


def pack(value: Any) -> bytes:
    """``value`` as msgpack."""
    return bytes(msgpack.packb(value, use_bin_type=True))


def _no_repeats(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one map")
    return found


def _no_extensions(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not part of the format")


def unpack(data: bytes) -> Any:
    """One plain msgpack object; nothing may follow it.

    Raises:
        ValueError: not msgpack, cut, trailing bytes, repeated keys or an extension type.
    """
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_no_repeats,
            ext_hook=_no_extensions,
        )
    except (msgpack.UnpackException, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not readable as msgpack ({type(error).__name__})") from error


def pack_trailer(index_offset: int, index_length: int, index_checksum: int) -> bytes:
    """The last bytes of a file: a msgpack ``bin`` of fixed length that says where the index is."""
    end = index_offset + index_length + TRAILER_SIZE
    return _TRAILER.pack(
        bytes((0xC4, TRAILER_SIZE - 2)),
        TRAILER_MAGIC,
        index_offset,
        index_length,
        index_checksum,
        0,
        end,
    )


def unpack_trailer(data: bytes, size: int) -> tuple[int, int, int]:
    """(offset, length, checksum) of the index.

    Raises:
        ValueError: ``data`` is no trailer of a file of ``size`` bytes.
    """
    if len(data) != TRAILER_SIZE:
        raise ValueError("too short for a trailer")
    lead, magic, offset, length, check, _, end = _TRAILER.unpack(data)
    if lead != bytes((0xC4, TRAILER_SIZE - 2)) or magic != TRAILER_MAGIC:
        raise ValueError("no trailer")
    if end != size or offset + length + TRAILER_SIZE != size or length > MAX_INDEX:
        raise ValueError("the trailer's offsets do not fit the file")
    return offset, length, check


def encode_attention(maps: npt.NDArray[Any], encoding: Encoding) -> npt.NDArray[Any]:
    """Attention weights as stored. uint8 keeps round(255·√w): small weights stay visible.

    Raises:
        ValueError: weights outside [0, 1] or not finite.
    """
    if maps.size and not (maps.min() >= 0 and maps.max() <= 1 + 1e-3):  # False for NaN as well
        raise ValueError("attention weights must lie between 0 and 1")
    if encoding == "float16":
        return np.ascontiguousarray(maps, dtype="<f2")
    roots: npt.NDArray[np.float32] = np.sqrt(np.clip(maps, 0.0, 1.0, dtype=np.float32))
    return np.rint(roots * 255).astype(np.uint8)


def decode_attention(stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The inverse of :func:`encode_attention`, float32."""
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    weights: npt.NDArray[np.float32] = _SQUARES[stored]
    return weights


_SQUARES: npt.NDArray[np.float32] = (np.arange(256, dtype=np.float32) / np.float32(255)) ** 2
