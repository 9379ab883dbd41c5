"""The frame around a pane, as text: also drawn before numpy and the plots are loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import text

_BOX = "╭╮╰╯─│"
_BOX_ASCII = "+++" + "+-|"


def frame_row(
    y: int, width: int, height: int, title: str, ascii_only: bool = False, spare: str = ""
) -> str:
    """Row ``y`` of an empty frame, exactly ``width`` cells; the title stands in the upper edge.

    A title without room loses its least important parts first: what stands in brackets, ``spare``
    (a part that is said elsewhere), long words, then its last parts.
    """
    corners = _BOX_ASCII if ascii_only else _BOX
    if width < 2:
        return " " * width
    if 0 < y < height - 1:
        return corners[5] + " " * (width - 2) + corners[5]
    left, right = (corners[0], corners[1]) if y == 0 else (corners[2], corners[3])
    shown = ""
    if y == 0 and title and width > 8:
        ellipsis = "." if ascii_only else "…"
        options = [text.clean(words, ascii_only) for words in _shorter(title, spare)]
        shown = f"{corners[4]} {text.fitting(options, width - 6, ellipsis)} "
    return left + shown + corners[4] * (width - 2 - text.width(shown)) + right


_BETWEEN = " · "
_LONG = (
    ("standard deviation", "std. dev."),
    ("maximum of", "max. of"),
    ("difference", "diff."),
    ("not renormalised", "not renorm."),
)


def _shorter(title: str, spare: str) -> Iterator[str]:
    """The title, then ever shorter ones."""
    yield title
    title = re.sub(r" \([^()]*\)(?= · |$)", "", title)
    yield title
    if spare and spare != title:
        title = title.replace(f"{spare}{_BETWEEN}", "", 1)
        yield title
    title = re.sub(r", [\d,]+ heads?(?= · |$)", "", title)
    yield title
    for long, short in _LONG:
        title = title.replace(long, short)
    yield title
    parts = title.split(_BETWEEN)
    while len(parts) > 1:
        parts.pop()
        yield _BETWEEN.join(parts)
