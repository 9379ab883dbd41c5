"""Checksums of pieces make that of the whole."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from collateral import crc


@pytest.mark.parametrize(
    ("size", "count"), [(0, 3), (1, 1), (1, 9), (7, 4), (4096, 72), (99991, 5)]
)
@pytest.mark.parametrize("before", [b"", b"before"])
def test_pieces_make_the_whole(before: bytes, size: int, count: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size * count, dtype=np.uint8).tobytes()
    pieces = [zlib.crc32(data[i * size : (i + 1) * size]) for i in range(count)]
    assert crc.joined(zlib.crc32(before), pieces, size) == zlib.crc32(before + data)
