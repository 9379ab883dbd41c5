"""One example as a picture: its tokens, what else is known of it, and its summary table."""

from __future__ import annotations

from .. import state, text
from ..pane import Context
from ..plots.canvas import Canvas
from ..plots.table import Table
from ..state import Selection
from ..views.answers import Field
from .item_table import ItemTable, written
from .pair_table import pair_table
from .strip import Strip

_BESIDE = 100
"""Cells from which on the table may stand beside the tokens, not below them."""
_ENOUGH = 9
"""Rows of a table below the tokens that are enough."""


class ExamplePicture:
    """The example of a selection, drawn into any room; it knows what stands where."""

    def __init__(self) -> None:
        self._strip = Strip()
        self._items = ItemTable()
        self._table_at = (0, 0)
        self._drawn: Table | None = None

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The tokens above, the table below; beside them where it would not find room below."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        rows = self._rows(c)
        needed = self._strip.place(c, width)
        left = self._beside(c, width, height, needed, rows)
        if left < width:
            needed = self._strip.place(c, left)
        self._drawn = None
        beside = left < width
        told = _cut(c, lines(c, left), _told(height, needed, 0 if beside else rows))
        above = height - len(told)
        below = 0 if beside else self._table_rows(c, above, needed)
        canvas.blit(0, 0, self._strip.draw(c, left, above - below))
        shown = min(needed, above - below)
        for y, line in enumerate(told, start=shown):
            canvas.put(1, y, line, c.look.muted)
        if beside:
            self._put_table(c, canvas, left + 2, 0, min(rows, height))
        elif below:
            self._put_table(c, canvas, 0, min(height - below, shown + len(told) + 1), below)
        return canvas

    def _beside(self, c: Context, width: int, height: int, needed: int, rows: int) -> int:
        """Cells for the tokens: all, or what a table beside them leaves.

        Args:
            needed: rows that the tokens take in all cells.
            rows: rows of the whole table.
        """
        below = height - needed - bool(lines(c, width))
        if width < _BESIDE or height < 4 or below >= min(rows, _ENOUGH):
            return width
        small, large = width * 35 // 100, width * 55 // 100
        return small if self._strip.place(c, small) < height else large

    def _rows(self, c: Context) -> int:
        """Rows of the whole table with its heading; 0 if there is none."""
        example = c.selection.example
        count = len(c.project.items(example)) or len(c.project.pairs_of(example))
        return count + 1 if count else 0

    def _table_rows(self, c: Context, height: int, strip: int) -> int:
        """Rows of a table below: half, or what the strip does not need."""
        rows = self._rows(c)
        if height <= 2 or not rows:
            return 0
        items = len(c.project.items(c.selection.example))
        return min(rows, max(2, height // 2, height - strip if items else 0))

    def _put_table(self, c: Context, canvas: Canvas, x: int, y: int, rows: int) -> None:
        draw = self._items.draw if c.project.item(c.selection) is not None else pair_table
        self._drawn = draw(c, canvas.width - x, rows)
        self._table_at = x, y
        canvas.blit(x, y, self._drawn.canvas)

    def move(self, c: Context, dy: int) -> Selection:
        """Another item or pair."""
        if c.project.item(c.selection) is not None:
            return self._items.move(c, dy)
        return state.step_pair(c.selection, c.project.limits, dy)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A token becomes the query, a row of the table the item or pair."""
        left, top = self._table_at
        if self._drawn is not None and x >= left and y >= top:
            if c.project.item(c.selection) is not None:
                return self._items.click(c, y - top)
            row = self._drawn.hit(y - top)
            if row is None:
                return c.selection
            return state.choose_example(c.selection, c.project.limits, c.selection.example, row)
        token = self._strip.hit(x, y)
        if token is None:
            return c.selection
        return state.choose_tokens(c.selection, token, c.selection.key)


def _told(height: int, strip: int, table: int) -> int:
    """Lines for the further fields: all that is free, one if it is tight, none if very."""
    return max(height - strip - table, height // 5, int(height >= 6))


def _cut(c: Context, told: list[str], most: int) -> list[str]:
    """The first lines; an ellipsis says that there are more."""
    if len(told) <= most or not most:
        return told[:most]
    return [*told[: most - 1], f"{told[most - 1]} {c.look.marks.ellipsis}"]


def lines(c: Context, width: int) -> list[str]:
    """The further fields of the example, such as its label, domain and score, in lines."""
    joint = " - " if c.look.ascii else " · "
    found: list[str] = []
    for field in c.project.fields(c.selection.example):
        words = text.cut(_written(c, field), width - 4)
        if found and text.width(found[-1]) + len(joint) + text.width(words) <= width - 4:
            found[-1] += joint + words
        else:
            found.append(words)
    return found


def _written(c: Context, field: Field) -> str:
    """A field as words: "domain restaurant", "F1 A .50 B 1"."""
    values = [_value(c, value) for value in field.values]
    if len(set(values)) == 1:
        return f"{field.title} {values[0]}"
    both = (f"{side} {value}" for side, value in zip("AB", values, strict=True))
    return f"{field.title} {' '.join(both)}"


def _value(c: Context, value: str | float | bool | None) -> str:
    if value is None or value == "":
        return c.look.marks.undefined
    if isinstance(value, str):
        return " ".join(value.split())
    return c.look.marks.undefined if value != value else written(c, value)
