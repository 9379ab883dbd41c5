"""Values as plain text and JSON: what is undefined stays so, and nothing unsafe is shown."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import numpy.typing as npt

_UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
_INVISIBLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
_INVISIBLE |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
"""Letters without a shape, and what chooses the shape of the letter before."""
_MARKS = 2
"""More marks on one letter would cover the lines around it."""


def printable(text: str) -> str:
    """``text`` with control characters, direction overrides and the like as visible escapes.

    A file from someone else must not be able to move the cursor or hide what follows.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in _UNSAFE or ord(char) in _INVISIBLE or marks > _MARKS
        shown.append(ascii(char)[1:-1] if hidden else char)
    return "".join(shown)


def numbers(values: npt.NDArray[Any]) -> Any:
    """An array as nested lists for JSON: the fewest digits that give it back, NaN as None."""
    if values.ndim > 1:
        return [numbers(part) for part in values]
    if values.dtype.kind != "f":
        return values.tolist()
    return [float(str(value)) if math.isfinite(value) else None for value in values]


def fields(values: npt.NDArray[np.floating]) -> list[str]:
    """A row of numbers for CSV: the fewest digits that give each back, NaN as nothing."""
    return ["" if math.isnan(value) else str(value) for value in values.ravel()]


def jsonable(value: Any) -> Any:
    """``value`` (maps, lists, scalars) with numbers that JSON does not have as None."""
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, np.ndarray):
        return numbers(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def size(count: int) -> str:
    """Bytes for people: "95.4 kB"."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}" if unit != "bytes" else f"{count} bytes"
        amount /= 1000
    return f"{amount:.3g} TB"
