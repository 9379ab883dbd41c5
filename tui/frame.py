"""The frame around a pane, as text: also drawn before numpy and the plots are loaded."""

from __future__ import annotations

from . import text

_BOX = "╭╮╰╯─│"
_BOX_ASCII = "+++" + "+-|"


def frame_row(y: int, width: int, height: int, title: str, ascii_only: bool = False) -> str:
    """Row ``y`` of an empty frame, exactly ``width`` cells; the title stands in the upper edge."""
    corners = _BOX_ASCII if ascii_only else _BOX
    if width < 2:
        return " " * width
    if 0 < y < height - 1:
        return corners[5] + " " * (width - 2) + corners[5]
    left, right = (corners[0], corners[1]) if y == 0 else (corners[2], corners[3])
    shown = ""
    if y == 0 and title and width > 8:
        ellipsis = "." if ascii_only else "…"
        cleaned = text.clean(title, ascii_only)
        shown = f"{corners[4]} {text.cut(cleaned, width - 6, ellipsis)} "
    return left + shown + corners[4] * (width - 2 - text.width(shown)) + right
