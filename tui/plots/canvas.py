"""The grid of styled cells that every plot draws on and every widget shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui import text as texts
from tui.look import PLAIN, Ink

__all__ = ["PLAIN", "Canvas", "Ink"]

# A cell holds a character and up to two combining marks; "" is the second cell of a wide character.
_CELL = np.dtype("<U3")


class Canvas:
    """A grid of cells, each with a character and an ink.

    Coordinates are cells, x to the right and y down from the upper left corner. Everything that is
    drawn outside the grid is clipped.
    """

    def __init__(self, width: int, height: int, ascii_only: bool = False) -> None:
        """Make an empty canvas.

        Args:
            width: Cells per row; a negative number counts as 0.
            height: Rows; a negative number counts as 0.
            ascii_only: `put` writes ASCII only (see `tui.text.clean`).
        """
        self.width = max(0, width)
        self.height = max(0, height)
        self.ascii_only = ascii_only
        self._chars: NDArray[np.str_] = np.full((self.height, self.width), " ", dtype=_CELL)
        self._ids = np.zeros((self.height, self.width), dtype=np.int32)
        self._inks: list[Ink] = [PLAIN]
        self._known: dict[Ink, int] = {PLAIN: 0}
        self._has_wide = False  # most canvases never do, and need not look for halves

    def _ink_id(self, ink: Ink) -> int:
        found = self._known.get(ink)
        if found is None:
            found = self._known[ink] = len(self._inks)
            self._inks.append(ink)
        return found

    def _clip(self, x: int, y: int, w: int, h: int) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the part of a rectangle that is on the canvas."""
        left, top = min(max(x, 0), self.width), min(max(y, 0), self.height)
        right, bottom = min(max(x + w, left), self.width), min(max(y + h, top), self.height)
        return left, top, right, bottom

    def _claim(self, left: int, top: int, right: int, bottom: int) -> None:
        """Blank the halves of wide characters that overwriting this rectangle would cut."""
        if right <= left or not self._has_wide:
            return
        if left > 0:
            before = self._chars[top:bottom, left - 1]
            before[self._chars[top:bottom, left] == ""] = " "
        if right < self.width:
            after = self._chars[top:bottom, right]
            after[after == ""] = " "

    def _cells_of(self, text: str) -> list[str]:
        """Return the cells that clean text takes; a wide character is followed by ""."""
        if text.isascii():
            return list(text)
        cells: list[str] = []
        for cluster, taken in texts.clusters(text):
            cells.append(cluster)
            if taken == 2:
                cells.append("")
                self._has_wide = True
        return cells

    def put(self, x: int, y: int, text: str, ink: Ink = PLAIN) -> int:
        """Write text, cleaned, from (x, y) to the right.

        Args:
            x: First cell; may lie left of the canvas.
            y: Row.
            text: Anything (see `tui.text.clean`).
            ink: How to draw it.

        Returns:
            The column after the text, whether or not it was clipped.
        """
        text = texts.clean(text, self.ascii_only)
        end = x + texts.width(text)
        cells = self._cells_of(text[: 3 * max(1, self.width - x + 1)])  # a cell has 3 letters
        left, right = max(x, 0), min(end, self.width)
        if right <= left or not 0 <= y < self.height:
            return end
        shown = cells[left - x : right - x]
        if shown[0] == "":  # the first half is off the canvas
            shown[0] = " "
        if right < end and cells[right - x] == "":
            shown[-1] = " "
        self._claim(left, y, right, y + 1)
        self._chars[y, left:right] = shown
        self._ids[y, left:right] = self._ink_id(ink)
        return end

    def fill(self, x: int, y: int, w: int, h: int, char: str = " ", ink: Ink = PLAIN) -> None:
        """Fill a rectangle with one single-width character.

        Raises:
            ValueError: If `char` is not exactly one cell wide.
        """
        if texts.width(char) != 1:
            raise ValueError(f"fill needs a character one cell wide, not {char!r}; use put")
        left, top, right, bottom = self._clip(x, y, w, h)
        self._claim(left, top, right, bottom)
        self._chars[top:bottom, left:right] = texts.clean(char, self.ascii_only)
        self._ids[top:bottom, left:right] = self._ink_id(ink)

    def blit(self, x: int, y: int, other: Canvas) -> None:
        """Copy another canvas with its upper left corner to (x, y)."""
        left, top, right, bottom = self._clip(x, y, other.width, other.height)
        if right <= left or bottom <= top:
            return
        source = np.s_[top - y : bottom - y, left - x : right - x]
        block = other._chars[source].copy()
        if left > x:
            block[block[:, 0] == "", 0] = " "
        if right < x + other.width:
            block[other._chars[top - y : bottom - y, right - x] == "", -1] = " "
        self._claim(left, top, right, bottom)
        self._has_wide |= other._has_wide
        self._chars[top:bottom, left:right] = block
        own = np.array([self._ink_id(ink) for ink in other._inks], dtype=np.int32)
        self._ids[top:bottom, left:right] = own[other._ids[source]]

    def paint(
        self,
        x: int,
        y: int,
        chars: NDArray[np.str_],
        ink_ids: NDArray[np.integer[Any]],
        inks: Sequence[Ink],
    ) -> None:
        """Write a whole block of cells at once.

        Args:
            x: Left column of the block.
            y: Upper row of the block.
            chars: [h, w], one single-width character each; they are trusted, not cleaned.
            ink_ids: [h, w], places in `inks`.
            inks: The inks that are used.
        """
        height, width = chars.shape
        left, top, right, bottom = self._clip(x, y, width, height)
        source = np.s_[top - y : bottom - y, left - x : right - x]
        self._claim(left, top, right, bottom)
        self._chars[top:bottom, left:right] = chars[source]
        own = np.array([self._ink_id(ink) for ink in inks], dtype=np.int32)
        if own.size:
            self._ids[top:bottom, left:right] = own[ink_ids[source]]

    def restyle(self, x: int, y: int, w: int, h: int, **changes: Any) -> None:
        """Change fields of the inks in a rectangle, for example `reverse=True`.

        Raises:
            ValueError: If a field does not exist (TypeError since Python 3.13).
        """
        left, top, right, bottom = self._clip(x, y, w, h)
        block = self._ids[top:bottom, left:right]
        for ink_id in np.flatnonzero(np.bincount(block.ravel())).tolist():
            changed = self._ink_id(self._inks[ink_id]._replace(**changes))
            # Ids that appear in this loop are new or were met before, so no cell is changed twice:
            # the field values are the same for all, and applying them again changes nothing.
            block[block == ink_id] = changed

    def restyle_where(self, cells: NDArray[np.bool_], **changes: Any) -> None:
        """Change fields of the inks of some cells, [height, width].

        Raises:
            ValueError: If a field does not exist (TypeError since Python 3.13).
        """
        chosen = self._ids[cells]
        found = np.arange(len(self._inks), dtype=np.int32)
        for ink_id in np.flatnonzero(np.bincount(chosen)).tolist():
            found[ink_id] = self._ink_id(self._inks[ink_id]._replace(**changes))
        self._ids[cells] = found[chosen]

    def char(self, x: int, y: int) -> str:
        """Return what stands in a cell; "" is the second cell of a wide character."""
        return str(self._chars[y, x])

    def ink(self, x: int, y: int) -> Ink:
        """Return the ink of a cell."""
        return self._inks[int(self._ids[y, x])]

    def rows(self) -> list[list[tuple[str, Ink]]]:
        """Return the rows as runs of equal ink; each row is exactly `width` cells wide."""
        return [self.row(y) for y in range(self.height)]

    def row(self, y: int) -> list[tuple[str, Ink]]:
        """Return one row as runs of equal ink."""
        if not self.width:
            return []
        cells, ids = self._chars[y].tolist(), self._ids[y]
        starts = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist()]
        stops = [*starts[1:], self.width]
        runs = [
            ("".join(cells[start:stop]), self._inks[ink_id])
            for start, stop, ink_id in zip(starts, stops, ids[starts].tolist(), strict=True)
        ]
        return [run for run in runs if run[0]]

    def changes(self, before: Canvas, gap: int) -> list[tuple[int, int, int]]:
        """Return where this canvas differs from one of the same size.

        Args:
            before: The other one.
            gap: Cells that are alike between two that differ join them if they are fewer.

        Returns:
            Row, first column and the one past the last of each stretch that differs; none begins
            or ends at half of a wide character.

        Raises:
            ValueError: The sizes differ.
        """
        if (self.width, self.height) != (before.width, before.height):
            raise ValueError("canvases of different sizes")
        numbers: dict[Ink, int] = {}
        mine, other = (
            np.array([numbers.setdefault(ink, len(numbers)) for ink in one._inks])[one._ids]
            for one in (self, before)
        )
        differs = (self._chars != before._chars) | (mine != other)
        halves = None
        if self._has_wide or before._has_wide:
            halves = (self._chars == "") | (before._chars == "")
        found = []
        for y in np.flatnonzero(differs.any(axis=1)).tolist():
            columns = np.flatnonzero(differs[y])
            ends = np.flatnonzero(np.diff(columns) > gap)
            lefts = columns[[0, *(ends + 1)]].tolist()
            rights = (columns[[*ends, -1]] + 1).tolist()
            for left, right in zip(lefts, rights, strict=True):
                if halves is not None:
                    left, right = _around(halves[y], left, right)
                found.append((y, left, right))
        return found

    def text(self) -> str:
        """Return the characters alone, one line per row, without spaces at the ends of lines."""
        return "\n".join("".join(cells).rstrip() for cells in self._chars.tolist())


def _around(halves: NDArray[np.bool_], left: int, right: int) -> tuple[int, int]:
    """Widen a stretch that begins at or ends before the second half of a wide character."""
    while left > 0 and halves[left]:
        left -= 1
    while right < len(halves) and halves[right]:
        right += 1
    return left, right
