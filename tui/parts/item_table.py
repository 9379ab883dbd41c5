"""The summary table of an example's items: what gold says of each, and what each model says.

Nothing here knows the task: columns are shown by their roles and kinds. What gold says stands
once, what a model says once per model, and columns of no known role where there is room.
"""

from __future__ import annotations

from typing import NamedTuple

from .. import state, text
from ..pane import Context
from ..plots.canvas import Ink
from ..plots.heatmap import scroll
from ..plots.table import Column, Table, table
from ..state import Selection
from ..views import items as item_views
from ..views.answers import ItemRows, Side
from ..views.items import ItemColumn, columns

_WIDEST = 22
"""Cells that a value takes at most, beside that of the flexible column."""
_NAME = 14
"""Cells that a model's name takes at most in a narrow table."""
_WIDE = 100
_GAP = 2


class _Shown(NamedTuple):
    """A column of the table as it is drawn.

    Attributes:
        column: of the items; None for the mark that says whether two models differ.
        side: whose file the value is read from; None if it is the same in both.
        mark: show right or wrong instead of the value.
    """

    head: Column
    column: ItemColumn | None
    side: Side | None = None
    mark: bool = False


class ItemTable:
    """The table of one example; only the rows that are visible are read."""

    def __init__(self) -> None:
        self._top = 0
        self._drawn: Table | None = None

    def draw(self, c: Context, width: int, height: int) -> Table:
        """The visible rows, the item that is looked at under the cursor."""
        found = c.project.items(c.selection.example)
        chosen, total = c.project.item(c.selection) or 0, len(found)
        room = max(1, height - 1)
        self._top = scroll(self._top, chosen, room, total)
        numbers = range(self._top, min(self._top + room, total))
        shown = _fitting(_layout(c, found, numbers, width), width - 1)
        if shown and total > room:
            first = shown[0].head
            shown[0] = shown[0]._replace(
                head=first._replace(title=_more(first.title, total - room))
            )
        rows = [[_cell(c, found, number, part) for part in shown] for number in numbers]
        self._drawn = table(
            [part.head for part in shown],
            rows,
            c.look,
            width,
            height,
            total=total,
            first=self._top,
            cursor=chosen,
            top=self._top,
            focused=c.focused,
            gap=_GAP,
        )
        return self._drawn

    def move(self, c: Context, by: int) -> Selection:
        """Another item; its first token becomes the query."""
        now = c.project.item(c.selection) or 0
        return self.choose(c, now + by)

    def choose(self, c: Context, item: int) -> Selection:
        """The item with this number, as near as there is one."""
        found = c.project.items(c.selection.example)
        item = state.clamp(item, len(found))
        start, stop = found.tokens[item].tolist()
        return state.choose_item(c.selection, item, start if stop > start else None)

    def click(self, c: Context, y: int) -> Selection:
        """The item in row ``y`` of the table."""
        row = self._drawn.hit(y) if self._drawn is not None else None
        return c.selection if row is None else self.choose(c, row)


def _more(title: str, count: int) -> str:
    """A heading of a table that has more rows than are seen."""
    return f"{title} (+{count:,})".lstrip()


def summary(c: Context) -> list[tuple[str, Ink]]:
    """The item that is looked at in a few words: what it is, gold, and what each model says."""
    found, item = c.project.items(c.selection.example), c.project.item(c.selection)
    if item is None:
        return []
    words: list[tuple[str, Ink]] = []
    for part in _layout(c, found, range(item, item + 1), 0):
        if part.column is None or part.column.role in ("", "id", "score"):
            continue
        cell, ink = _cell(c, found, item, part)
        if not cell or part.column.role == "text":
            words += [(cell, ink)] if cell else []
        elif part.mark:
            words.append((cell, ink))
        else:
            words.append((f"{_brief(c, part)} {cell}", ink))
    return words


def _brief(c: Context, part: _Shown) -> str:
    """What stands before a value in the summary of one item."""
    assert part.column is not None
    if part.column.role == "prediction":
        return part.side or "predicted"
    return part.column.title if part.column.role != "probability" else ""


# -- which columns --------------------------------------------------------------------------


def _layout(c: Context, found: ItemRows, numbers: range, width: int) -> list[_Shown]:
    """All columns in their order, the most important ones first."""
    room = _WIDEST if width >= _WIDE else _NAME
    known = columns(c.project)
    sides: tuple[Side | None, ...] = ("A", "B") if c.project.two else (None,)
    shown = [
        _Shown(_head(c, column, None, flexible=column.role == "text"), column)
        for column in known
        if column.part == "shared" and column.role != "id"
    ]
    for side in sides:
        shown += _of_model(c, known, side, room)
    if len(sides) == 2 and any(column.role == "prediction" for column in known):
        shown.append(_Shown(Column(width=1), None))
    for column in known:
        if column.part != "more":
            continue
        one = len(sides) == 1 or _same(c, found, numbers, column)
        for side in (None,) if one else sides:
            shown.append(_Shown(_head(c, column, side), column, side))
    return shown


def _of_model(
    c: Context, known: tuple[ItemColumn, ...], side: Side | None, room: int
) -> list[_Shown]:
    """The columns of one model: what it predicts, how sure it is, whether it is right, scores."""
    shown = []
    named = False
    for column in known:
        if column.part != "model":
            continue
        head, mark = _head(c, column, side), column.role == "correct"
        if column.role == "prediction" and not named:
            name = f"{side} {c.project.name(side)}" if side else "predicted"
            name = text.cut(name, room)
            width = None if head.width is None else max(head.width, text.width(name))
            head, named = Column(name, head.align, width=width), True
        elif column.role in ("probability", "correct") and named:
            head = Column("", head.align, width=head.width)
        shown.append(_Shown(head, column, side, mark))
    roles = {column.role: column for column in known}
    if "correct" not in roles and {"gold", "prediction"} <= roles.keys():
        gold, said = roles["gold"], roles["prediction"]
        if gold.kind == said.kind != "continuous":
            places = [number for number, part in enumerate(shown) if part.column is said]
            shown.insert(places[0] + 1, _Shown(Column(width=1), said, side, mark=True))
    return shown


def _head(c: Context, column: ItemColumn, side: Side | None, flexible: bool = False) -> Column:
    """A heading: the column's title, and whose it is."""
    name = c.project.a.meta.item or "text" if column.role == "text" else column.title
    title = text.cut(f"{side} {name}" if side else name, _WIDEST)
    if column.role == "correct":
        return Column(side or "", width=1)
    if column.kind == "categorical":
        labels = c.project.codes("items", side or "A", column.name)[1]
        width = min(_WIDEST, max(map(text.width, ("?", *labels))))
        return Column(title, width=max(width, text.width(title)))
    flexible = flexible or (column.kind == "text" and column.part == "more")
    return Column(title, "right" if column.kind == "continuous" else "left", flexible)


def _fitting(shown: list[_Shown], width: int) -> list[_Shown]:
    """The columns without those of no known role that there is no room for, of either model."""
    sizes: dict[str, int] = {}
    for part in shown:
        name = part.column.name if part.column is not None else ""
        sizes[name] = sizes.get(name, 0) + _least(part) + _GAP
    more = {part.column.name: True for part in shown if part.column and part.column.part == "more"}
    taken = sum(size for name, size in sizes.items() if name not in more)
    for name in more:
        more[name] = taken + sizes[name] <= width + _GAP
        taken += sizes[name] if more[name] else 0
    return [part for part in shown if part.column is None or more.get(part.column.name, True)]


def _least(part: _Shown) -> int:
    """Cells that a column should have at least."""
    if part.head.width is not None:
        return part.head.width
    if part.column is not None and part.column.kind == "text":
        return 8 if part.column.role == "text" else 12
    return max(5, text.width(part.head.title))


def _same(c: Context, found: ItemRows, numbers: range, column: ItemColumn) -> bool:
    """Whether both models say the same of all visible items, so that it can stand once."""
    return all(
        _value(c, found, number, column, "A") == _value(c, found, number, column, "B")
        for number in numbers
    )


# -- what stands in them --------------------------------------------------------------------


def _value(
    c: Context, found: ItemRows, number: int, column: ItemColumn, side: Side | None
) -> str | float | bool | None:
    """A value of an item; None where it is unknown or the file does not have the item."""
    sides: tuple[Side, ...] = (side,) if side else ("A", "B")
    for one in sides:
        row = int(found.rows[one][number]) if one in found.rows else -1
        if row >= 0:
            value = c.project.file(one).items.cell(column.name, row)
            if value == "" and column.role == "text":
                return item_views.joined(c.project, c.selection.example, found, number)
            return None if isinstance(value, float) and value != value else value
    return None


def _cell(c: Context, found: ItemRows, number: int, part: _Shown) -> tuple[str, Ink]:
    """The text of a cell and its ink."""
    look = c.look
    if part.column is None:
        return _difference(c, found, number)
    if part.mark:
        return _mark(c, _right(c, found, number, part.side))
    value = _value(c, found, number, part.column, part.side)
    if value is None:
        return look.marks.undefined, look.muted
    muted = part.column.role in ("probability", "") or part.column.part == "more"
    words = written(c, value)
    if isinstance(value, str):
        example = c.selection.example
        words = item_views.readable(c.project, example, found, number, part.column, value)
    return text.cut(words, _WIDEST * 3), look.muted if muted else look.text


def written(c: Context, value: str | float | bool) -> str:
    """A value as words; whole numbers without decimals."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        whole = value == int(value) if abs(value) < 1e6 else False
        return f"{value:.0f}".replace("-", c.look.marks.minus) if whole else c.look.number(value)
    return value


def _mark(c: Context, right: bool | None) -> tuple[str, Ink]:
    look = c.look
    if right is None:
        return look.marks.unknown, look.muted
    return (look.marks.yes, look.good) if right else (look.marks.no, look.bad)


def _right(c: Context, found: ItemRows, number: int, side: Side | None) -> bool | None:
    """Whether a model is right about an item: as the file says, else gold and prediction agree."""
    roles = {column.role: column for column in columns(c.project)}
    if "correct" in roles:
        value = _value(c, found, number, roles["correct"], side)
        return value if isinstance(value, bool) else None
    gold = _value(c, found, number, roles["gold"], side)
    said = _value(c, found, number, roles["prediction"], side)
    return None if gold is None or said is None else gold == said


def _difference(c: Context, found: ItemRows, number: int) -> tuple[str, Ink]:
    """A mark where the two models predict different things."""
    column = next(column for column in columns(c.project) if column.role == "prediction")
    sides: tuple[Side, Side] = ("A", "B")
    said = [_value(c, found, number, column, side) for side in sides]
    differ = said[0] != said[1] and None not in said
    return (c.look.marks.differ, c.look.star) if differ else ("", c.look.muted)
