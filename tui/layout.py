"""Which layout a terminal of a certain size gets."""

from __future__ import annotations

from typing import Literal

Layout = Literal["wide", "medium", "small", "tiny"]

LAYOUTS: tuple[Layout, ...] = ("wide", "medium", "small", "tiny")
MINIMUM = (20, 5)


def layout_for(width: int, height: int) -> Layout:
    """wide: six panes; medium: five; small: one pane and tabs; tiny: only what is needed.

    Args:
        width, height: the terminal's size in cells.
    """
    if width < MINIMUM[0] or height < MINIMUM[1]:
        return "tiny"
    if width >= 140 and height >= 36:
        return "wide"
    return "medium" if width >= 100 and height >= 30 else "small"


def example_rows(height: int) -> int:
    """Rows of the panes above the maps and grids, which have 17 each until these have a quarter.

    Args:
        height: rows for all panes together.
    """
    return max(9, min(height - 2 * 17, height // 4))


def gist_rows(width: int, height: int) -> int:
    """Rows at the foot of the small layout for the gist of panes that are not shown."""
    if width < 60 or height < 18:
        return 0
    return 3 if height >= 24 else 2
