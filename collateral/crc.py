"""The checksum of pieces that lie one after another, from their own checksums.

CRC-32 is the remainder of a polynomial, so that of a whole is that of its first part times a power
of x, plus that of the second. Numbers are polynomials modulo the CRC's, their highest bit stands
for x⁰, as in zlib's ``crc32_combine``, which Python's zlib does not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def joined(value: int, checksums: Iterable[int], size: int) -> int:
    """The CRC-32 of something with the CRC-32 ``value`` and of pieces after it.

    Args:
        value: of what comes before the pieces.
        checksums: CRC-32 of each piece.
        size: bytes of each piece.
    """
    a, b, c, d = _tables(size)
    for checksum in checksums:
        value = a[value & 255] ^ b[value >> 8 & 255] ^ c[value >> 16 & 255] ^ d[value >> 24]
        value ^= checksum
    return value


@lru_cache(maxsize=64)
def _tables(size: int) -> tuple[list[int], ...]:
    """What each byte of a CRC-32 becomes when ``size`` bytes follow, from the lowest to the top."""
    shift = _power(8 * size)
    bits = [_product(shift, 1 << bit) for bit in range(32)]
    tables: tuple[list[int], ...] = ([0], [0], [0], [0])
    for number, table in enumerate(tables):
        for bit in bits[8 * number : 8 * number + 8]:
            table += [entry ^ bit for entry in table]
    return tables


def _power(exponent: int) -> int:
    """x to a power."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _product(square, result)
        square = _product(square, square)
        exponent >>= 1
    return result


def _product(a: int, b: int) -> int:
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result
