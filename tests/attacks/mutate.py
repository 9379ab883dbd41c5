"""Mutants of a collateral file: every byte in turn, and structured ones with right checksums."""

from __future__ import annotations

import contextlib
import math
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np

from collateral import layout
from tests.collateral import forge

MASKS = (0x01, 0x20, 0x80, 0xFF)
INSERTED = (0x00, 0xC1)
Mutant = tuple[str, bytes]


def cuts(data: bytes) -> Iterator[Mutant]:
    """The file cut at every length."""
    yield from ((f"cut at {length}", data[:length]) for length in range(len(data)))


def flips(data: bytes, masks: tuple[int, ...] = MASKS) -> Iterator[Mutant]:
    """Every byte changed, by each of some patterns of bits."""
    for at, byte in enumerate(data):
        for mask in masks:
            yield f"byte {at} xor {mask:#x}", data[:at] + bytes([byte ^ mask]) + data[at + 1 :]


def edits(data: bytes) -> Iterator[Mutant]:
    """A byte put in or left out at every place, and neighbours swapped where they differ."""
    for at in range(len(data) + 1):
        for byte in INSERTED:
            yield f"{byte:#x} put in at {at}", data[:at] + bytes([byte]) + data[at:]
    for at in range(len(data)):
        yield f"byte {at} left out", data[:at] + data[at + 1 :]
        pair = data[at : at + 2]
        if len(set(pair)) == 2:
            yield f"bytes {at} and {at + 1} swapped", data[:at] + pair[::-1] + data[at + 2 :]


def exhaustive(data: bytes) -> Iterator[Mutant]:
    """All of them; none is the file itself, and none is sound."""
    yield from cuts(data)
    yield from flips(data)
    yield from edits(data)


def ruined(data: bytes, seed: str) -> Mutant:
    """A file cut somewhere (in half of them just before the index) and damaged here and there.

    The same ``seed`` gives the same mutant of the same file. None of them is sound.
    """
    rng = random.Random(seed)
    body, _ = forge.split(data)
    left = bytearray(body[: rng.choice((len(body), rng.randrange(len(body))))])
    for _ in range(rng.choice((0, 1, 1, 2, 5)) if left else 0):
        at = rng.randrange(len(left))
        kind = rng.randrange(4)
        if kind == 0:
            left[at] = rng.randrange(256)
        elif kind == 1:
            del left[at : at + rng.choice((1, 2, 40, 400))]
        elif kind == 2:
            left[at:at] = left[rng.randrange(len(left)) :][: rng.choice((1, 3, 60, 500))]
        else:
            left[at : at + 4] = struct.pack(">I", rng.choice((0, 1 << 16, (1 << 32) - 1)))
        if not left:
            break
    return "ruined", bytes(left)


# -- structured -------------------------------------------------------------------------------


def structured(data: bytes, seed: str) -> Mutant:
    """One mutant with right checksums of index and trailer, so that it gets further in.

    The same ``seed`` gives the same mutant of the same file.
    """
    rng = random.Random(seed)
    body, index = forge.split(data)
    names = rng.choices(list(WAYS), k=rng.choice((1, 1, 1, 2, 4)))
    body, packed = WAYS[names[0]](rng, body, index)
    with contextlib.suppress(AttributeError, LookupError, TypeError, ValueError):
        for name in names[1:]:  # what is left of the index may have no such place
            body, packed = WAYS[name](rng, body, msgpack.unpackb(packed))
    return " ".join(names), forge.join(body, packed)


Way = Callable[[random.Random, bytes, Any], tuple[bytes, bytes]]


def _value(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """One value somewhere in the index is another one."""
    place, key = _place(rng, index)
    place[key] = _other(rng, place[key])
    return body, _pack(index)


def _exchange(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """Two entries of one map or list of the index are exchanged."""
    for _ in range(20):
        place, key = _place(rng, index)
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if len(keys) > 1:
            other = rng.choice([k for k in keys if k != key])
            place[key], place[other] = place[other], place[key]
            break
    return body, _pack(index)


def _drop(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """An entry of the index is gone, or a new one is there."""
    place, key = _place(rng, index)
    if rng.random() < 0.7 or not isinstance(place, dict):
        del place[key]
    else:
        place[rng.choice(("", "x", "labels/x", "coordinates/0", "value_norm/self"))] = place[key]
    return body, _pack(index)


def _deeper(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """A value of the index lies many lists or maps deep."""
    place, key = _place(rng, index)
    for _ in range(rng.choice((1, 2, 200, 600))):
        place[key] = [place[key]] if rng.random() < 0.5 else {"a": place[key]}
    return body, _pack(index)


def _bytes(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """Bytes of the index are others: a type, a length, anything."""
    packed = bytearray(_pack(index))
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(packed))
        packed[at] = rng.choice((packed[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0xDD))
    return body, bytes(packed)


def _twice(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """A key of the index stands there twice."""
    packed = _pack(index)
    key = rng.choice(list(index))
    double = msgpack.packb(key) + msgpack.packb(index[key])
    return body, bytes([packed[0] + 1]) + packed[1:] + double


def _blocks(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """A number in a section's list of blocks is another one."""
    section = rng.choice([s for s in index["sections"].values() if s["blocks"]])
    table = np.frombuffer(section["blocks"], dtype="<u8").copy()
    at = rng.randrange(len(table))
    table[at] = _number(rng, int(table[at])) % (1 << 64)
    section["blocks"] = table.tobytes()
    return body, _pack(index)


def _record(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """A record says something else, and its checksum is right; its old place is a gap."""
    name = rng.choice([n for n, s in index["sections"].items() if s["blocks"]])
    table = np.frombuffer(index["sections"][name]["blocks"], dtype="<u8").reshape(-1, 5).copy()
    row = rng.randrange(len(table))
    _, _, offset, length, _ = table[row].tolist()
    record = msgpack.unpackb(body[offset : offset + length])
    if isinstance(record["data"], bytes) and rng.random() < 0.7:
        record["data"] = _element(rng, record["data"], record["dtype"])
    else:
        place, key = _place(rng, record)
        place[key] = _other(rng, place[key])
    packed = _pack(record)
    if rng.random() < 0.2:
        packed = packed[: rng.randrange(len(packed) + 1)]
    table[row, 2:] = len(body), len(packed), layout.checksum(packed)
    index["sections"][name]["blocks"] = table.tobytes()
    return body + packed, _pack(index)


def _weights(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """Bytes of an attention record are others, and all checksums are right."""
    table = np.frombuffer(index["sections"]["attention/directory"]["blocks"], dtype="<u8")
    if not len(table):
        return body, _pack(index)
    _, _, offset, length, _ = table[:5].tolist()
    record = msgpack.unpackb(body[offset : offset + length])
    rows = np.frombuffer(record["data"], dtype="<u8").reshape(-1, len(layout.DIRECTORY)).copy()
    row = rows[rng.randrange(len(rows))]
    entry = dict(zip(layout.DIRECTORY, row.tolist(), strict=True))
    start, stop = entry["data_at"], entry["offset"] + entry["length"]
    changed = bytearray(body)
    changed[rng.randrange(start, stop)] = rng.choice((0, 0x3C, 0x7C, 0x7E, 0xFC, 0xFF))
    heads = (start - entry["checksums_at"]) // 4
    size = (stop - start) // max(1, heads)
    for head in range(heads if size else 0):
        at = entry["checksums_at"] + 4 * head
        if at + 4 <= start:
            check = layout.checksum(bytes(changed[start + head * size : start + (head + 1) * size]))
            changed[at : at + 4] = struct.pack("<I", check)
    row[layout.DIRECTORY.index("checksum")] = layout.checksum(
        bytes(changed[entry["offset"] : stop])
    )
    record["data"] = rows.tobytes()
    return _put(bytes(changed), index, "attention/directory", _pack(record))


def _put(body: bytes, index: Any, name: str, packed: bytes) -> tuple[bytes, bytes]:
    """Puts a record of the same length in the place of a section's first one."""
    section = index["sections"][name]
    table = np.frombuffer(section["blocks"], dtype="<u8").reshape(-1, 5).copy()
    offset = int(table[0, 2])
    table[0, 4] = layout.checksum(packed)
    section["blocks"] = table.tobytes()
    return body[:offset] + packed + body[offset + len(packed) :], _pack(index)


def _head(rng: random.Random, body: bytes, index: Any) -> tuple[bytes, bytes]:
    """The head says something else, with its checksum; of the same length only by chance."""
    length = index["head"][1]
    changed = bytearray(body)
    at = rng.randrange(length)
    changed[at] = rng.choice((changed[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
    index["head"][2] = layout.checksum(bytes(changed[:length]))
    return bytes(changed), _pack(index)


WAYS: dict[str, Way] = {
    "value": _value,
    "exchange": _exchange,
    "drop": _drop,
    "deeper": _deeper,
    "bytes": _bytes,
    "twice": _twice,
    "blocks": _blocks,
    "record": _record,
    "weights": _weights,
    "head": _head,
}


# -- values -----------------------------------------------------------------------------------


def _place(rng: random.Random, value: Any) -> tuple[Any, Any]:
    """A random entry of a map or a list, however deep: the container and its key."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.15:
            return value, key
        value = inner


def _number(rng: random.Random, value: int) -> int:
    edges = (0, 1, 255, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 32, 1 << 40, 1 << 50, (1 << 63) - 1)
    return rng.choice((value + 1, max(0, value - 1), value * 2, value // 2, *edges, (1 << 64) - 1))


def _other(rng: random.Random, value: Any) -> Any:
    """Another value, often of the same type."""
    if rng.random() < 0.3:
        anything: list[Any] = [None, True, 0, -1, 1.5, math.nan, math.inf, "", "x", b"", [], {}]
        return rng.choice([*anything, [[]], {"a": {}}, (1 << 64) - 1, -(1 << 63), "\x1b[2J\u202e"])
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return _number(rng, value)
    if isinstance(value, float):
        return rng.choice((math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -value))
    if isinstance(value, str):
        return rng.choice((value * 2, value[1:], value + "/", value.upper(), "x" * 70_000, "@x"))
    if isinstance(value, bytes):
        at = rng.randrange(len(value) + 1)
        return rng.choice((value[:at], value + value, value[:at] + b"\xff" + value[at + 1 :], b"x"))
    if isinstance(value, list):
        return rng.choice((value[:-1], value + value, value[::-1], [value], value * 50))
    return rng.choice((dict(list(value.items())[:-1]), list(value), {**value, "y": value}))


def _element(rng: random.Random, data: bytes, dtype: str) -> bytes:
    """An array with one number changed."""
    array = np.frombuffer(data, dtype=dtype).copy()
    if not len(array):
        return data
    at = rng.randrange(len(array))
    if array.dtype.kind == "f":
        array[at] = rng.choice((math.nan, math.inf, -math.inf, -1.0, 1e30))
    else:
        low, high = int(np.iinfo(array.dtype).min), int(np.iinfo(array.dtype).max)
        array[at] = min(high, max(low, _number(rng, int(array[at]))))
        if low and rng.random() < 0.3:
            array[at] = rng.choice((-1, low))
    return array.tobytes()


def _pack(value: Any) -> bytes:
    try:
        return bytes(msgpack.packb(value))
    except ValueError:  # nested deeper than the packer goes: by hand
        return b"\x91" * 5000 + b"\xc0"
