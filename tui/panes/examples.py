"""The list of examples: one row each, with what each model got right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from .. import filters, state, text
from ..actions import PaneName
from ..out import copying, tables
from ..out.export import Data
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.heatmap import scroll
from ..plots.table import Cell, Column, Found, Table, table
from ..state import Selection
from ..views import listing
from ..views.answers import Side


class ExamplesPane(Pane):
    """The examples, all or some, in an order; the cursor is the selected one."""

    name: ClassVar[PaneName] = "list"
    depends: ClassVar[frozenset[str]] = frozenset({"example", "marked", "filter", "search", "sort"})
    help: ClassVar[str] = (
        "Every text of the data. Moving the cursor selects the example in all panes; `space` marks "
        "its points, so that averages follow the marked examples. Columns **A** and **B** say "
        "whether the model got all of the text right (✓), some wrong (✗), or has no prediction "
        "(·). Where a text has a score (F1, loss, the share of pairs that are right), it stands "
        "beside the mark, or in its place; in a narrow list only where nothing else tells the "
        "texts apart. `+` stands before marked examples; where attention is stored for some "
        "examples only, a star stands before those (after the `+`). Of an encoder-decoder the "
        "source stands first, then, after `→`, the target.\n\n"
        "`/` shows only the examples whose text or id has what you type, or a match of a regular "
        "expression written `/like this/`; what was found is underlined. `f` shows those that fit "
        "conditions, and `n` `p` go through what is shown; `F` shows all again. The first line of "
        "the list says what is shown, its title how many. `a` averages heads and distances over "
        "the examples shown. `r` sorts by any column, `R` the other way round; a click on a "
        "heading does both. `N` keeps the filter by a name, which `@name` stands for after `f`, "
        "also on another day, until `X` forgets it.\n\n"
        "**Conditions**: " + filters.HELP + "\n\n"
        "Where two files are open, a model's column is B's; `A.` before it makes it A's, `B-A.` "
        "the difference of a number: `A.correct = true and B.correct = false`, `B-A.score < 0`. "
        "`tab` completes names, comparisons and values; the up key brings back what was entered."
    )

    def __init__(self) -> None:
        self._drawn: Table | None = None
        self._above = 0
        self._left = 0
        self._top = 0
        self._width = 0
        self._shown = (False, True)
        self._sorts: list[str] = []
        self._own_sort = False

    def title(self, c: Context) -> str:
        """How many examples are shown, in which order; what their scores are, if those are."""
        s, total = c.selection, c.project.limits.examples
        wide = self._width >= _ROOM_FOR_BOTH
        place = listing.place(c.project, s)
        parts = [f"{0 if place is None else place + 1:,} of {total:,}"]
        if s.narrowed:
            parts = [f"{len(listing.order(c.project, s)):,} of {total:,} shown"]
            if wide and place is not None:
                parts.append(f"at {place + 1:,}")
        if s.sort and (wide or not self._own_sort):  # else its column says so
            parts.append(f"{'sorted by ' * wide}{s.sort.removeprefix('-')} {_arrow(c)}")
        elif self._shown[0] and c.project.two:
            parts.append(f"{'A, B:' if wide else 'A/B'} {c.project.score_title}")
        return " · ".join(parts)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """What is shown, a header, and the rows that fit."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        self._above = int(c.selection.narrowed and height > 3)
        self._width = width
        if self._above:
            canvas.put(0, 0, text.cut(_narrowing(c), width, c.look.marks.ellipsis), c.look.accent)
        rows, at = listing.order(c.project, c.selection), listing.place(c.project, c.selection)
        if c.selection.sort and c.project.limits.examples <= _READ_WHOLE:
            c.project.example_texts  # noqa: B018 (rows from everywhere: read all of them once)
        room = max(1, height - self._above - 1)
        self._top = scroll(self._top, at, room, len(rows))
        self._left = int(at is None)  # without a cursor, its column stays free
        self._drawn = self._table(
            c,
            rows[self._top : self._top + room].tolist(),
            (width - self._left, height - self._above),
            at,
            len(rows),
        )
        canvas.blit(self._left, self._above, self._drawn.canvas)
        return canvas

    def _table(
        self, c: Context, rows: list[int], size: tuple[int, int], at: int | None, total: int
    ) -> Table:
        """The rows that are seen, under their headings."""
        self._shown = _judgements(c, self._width)
        some = _some_attended(c)
        judged = _sorts_of(c, c.project.sides, self._shown)
        sorts, sort_column = _sorted_column(c, rows, ("", "id", "text", *judged), self._width)
        self._own_sort = bool(sort_column)
        self._sorts = ["", "id", "text", *[c.selection.sort] * len(sort_column), *judged]
        names = [c.project.example_head(row)[0].removeprefix(c.project.id_prefix) for row in rows]
        ids = _room_for_ids(names, self._width, c.look.marks.ellipsis)
        short = _short_ids(names, ids, c.look.marks.ellipsis)
        marks = 2 if c.selection.marked and some else 1
        columns = [Column(width=marks), Column("id", width=ids), Column("text", flexible=True)]
        columns += [*sort_column, *_heads(c, c.project.sides, self._shown)]
        columns = [
            column if column in sort_column else _pointed(c, column, name)
            for column, name in zip(columns, self._sorts, strict=True)
        ]
        room = size[0] - 1 - sum((column.width or 0) + 1 for column in columns if column.width)
        cells = []
        for row, shown, value in zip(rows, short, sorts, strict=True):
            first, judgements = self._row(c, row, shown, room)
            cells.append([*first, *[value] * len(sort_column), *judgements])
        return table(
            columns,
            cells,
            c.look,
            *size,
            total=total,
            first=self._top,
            cursor=at,
            top=self._top,
            focused=c.focused,
        )

    def _row(self, c: Context, row: int, name: str, room: int) -> tuple[list[Cell], list[Cell]]:
        """Mark, id and text of an example; and what each model got right."""
        look, project = c.look, c.project
        some = _some_attended(c)
        mark, ink = "", look.muted
        if c.selection.marked:
            chosen = row in project.marked_examples(c.selection)
            mark, ink = ("+", look.star) if chosen else (" ", ink)
        if some:
            mark += look.marks.star if row in project.attended else " "
        mark = mark or " "
        judgements: list[Cell] = []
        for side in c.project.sides:
            judgements += _verdict(c, side, row, self._shown)
        return [(mark, ink), (name, look.muted), _sentence(c, row, room)], judgements

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down the list."""
        return state.choose_example(
            c.selection, c.project.limits, listing.near(c.project, c.selection, dy)
        )

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the row that was clicked; a heading sorts by its column, then turns it round."""
        if self._drawn is None:
            return c.selection
        x, y = x - self._left, y - self._above
        column = self._drawn.column(x)
        if y == 0 and self._drawn.y == 1 and column is not None:
            return _sorted_by_click(c.selection, self._sorts[column])
        place = self._drawn.hit(y)
        rows = listing.order(c.project, c.selection)
        if place is None or place >= len(rows):
            return c.selection
        return state.choose_example(c.selection, c.project.limits, int(rows[place]))

    def gist(self, c: Context, width: int) -> Canvas:
        """Id and beginning of the example."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        name = c.project.example_head(c.selection.example)[0]
        sentence = listing.sentence(c.project, c.selection.example)
        x = canvas.put(0, 0, name, c.look.muted)
        canvas.put(x + 1, 0, text.fit(sentence, max(0, width - x - 1)))
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The row of the selected example."""
        return copying.example_row(c)

    def data(self, c: Context) -> Data:
        """The examples that are shown, in that order, with all that is known of them."""
        return tables.examples(c, listing.order(c.project, c.selection))


_SHORT_ID = 8
"""Cells of ids that do not tell the rows apart once they are cut: the text does so better."""


def _room_for_ids(names: Sequence[str], width: int, ellipsis: str) -> int:
    """Cells of the column of ids: a third of the list at most."""
    longest, most = max([2, *map(text.width, names)]), max(4, width // 3)
    cut = set(_short_ids(names, most, ellipsis))
    if longest > most and len(cut) < len(set(names)):
        most = min(most, _SHORT_ID)
    return min(longest, most)


def _short_ids(names: Sequence[str], cells: int, ellipsis: str) -> list[str]:
    """Ids in so many cells: of middle, start and end what tells most of them apart is kept."""
    ways = [
        [text.middle(name, cells, ellipsis) for name in names],
        [text.end(name, cells, ellipsis) for name in names],
        [text.cut(name, cells, ellipsis) for name in names],
    ]
    return max(ways, key=lambda shown: len(set(shown)))


def _some_attended(c: Context) -> bool:
    """Whether attention is stored for some of the examples only."""
    return 0 < len(c.project.attended) < c.project.limits.examples


def _narrowing(c: Context) -> str:
    """Filter and search, as one line."""
    s = c.selection
    search = f"/ {s.search}" if s.search else ""
    return "  ".join(part for part in (search, s.filter) if part)


_READ_WHOLE = 300_000
"""Examples whose texts are read at once where a list shows them in another order than stored."""
_BEFORE = 12
"""Characters before the first place that was found, where the text does not begin with it."""


def _sentence(c: Context, row: int, room: int) -> Cell:
    """The text of an example; from what was searched for, if that would be cut off."""
    sentence, wanted = listing.sentence(c.project, row), c.selection.search
    if not wanted:
        return sentence, c.look.text
    found = filters.spans(wanted, sentence)
    if found and text.width(sentence[: found[0][1]]) >= room:
        start = max(0, found[0][0] - min(_BEFORE, room // 3))
        sentence = c.look.marks.ellipsis + sentence[start:]
        found = [(first - start + 1, last - start + 1) for first, last in found]
    return Found(sentence, c.look.text, found)


def _arrow(c: Context) -> str:
    """Up if the list is sorted from low to high."""
    return c.look.marks.down if c.selection.sort.startswith("-") else c.look.marks.up


def _sorted_column(
    c: Context, rows: list[int], shown: Sequence[str], width: int
) -> tuple[list[Cell], list[Column]]:
    """What the rows are sorted by, unless another column shows it; and the column for it."""
    sort = c.selection.sort
    if not sort or sort.removeprefix("-") in shown:
        return [""] * len(rows), []
    values = [listing.sort_value(c.project, sort, row) for row in rows]
    difference = sort.removeprefix("-").startswith("B-A.")
    cells: list[Cell] = []
    for value in values:
        words = value if isinstance(value, str) else c.look.marks.unknown
        if isinstance(value, float):
            words = c.look.number(value, signed=difference)
        cells.append((words, c.look.muted if value is None else c.look.text))
    name = sort.removeprefix("-")
    number = any(isinstance(value, float) for value in values)
    widest = max([4, *(text.width(cell[0]) for cell in cells)])
    most = 12 if width < _ROOM_FOR_BOTH else 18
    title = _short_name(name, most - 1, c.look.marks.ellipsis) + _arrow(c)
    size = min(max(widest, text.width(title)), most)
    return cells, [Column(title, "right" if number else "left", width=size)]


def _pointed(c: Context, column: Column, name: str) -> Column:
    """A heading, with an arrow if the list is sorted by its column."""
    if not name or name != c.selection.sort.removeprefix("-"):
        return column
    title = column.title + _arrow(c)
    width = column.width and max(column.width, text.width(title))
    return column._replace(title=title, width=width)


def _short_name(name: str, cells: int, ellipsis: str) -> str:
    """The name of a column; without room for it, first without its table, then its middle."""
    if text.width(name) > cells and not name.startswith(("A.", "B.", "B-A.")):
        name = name.rpartition(".")[2]
    return text.middle(name, cells, ellipsis)


def _sorts_of(c: Context, sides: tuple[Side, ...], shown: tuple[bool, bool]) -> list[str]:
    """The columns that are sorted by a click on the headings of what each model got right."""
    names = [c.project.score_column, c.project.a.examples.with_role("correct")]
    return [
        f"{side}.{name}" if c.project.two else name or ""
        for side in sides
        for name, there in zip(names, shown, strict=True)
        if there
    ]


def _sorted_by_click(s: Selection, name: str) -> Selection:
    if not name:
        return s
    bare = s.sort.removeprefix("-")
    again = name.removeprefix("-") == bare
    return replace(s, sort=f"-{bare}" if again and not s.sort.startswith("-") else name.lstrip("-"))


_ROOM_FOR_BOTH = 60
"""Columns from which a list has room for scores beside right and wrong."""


def _judgements(c: Context, width: int) -> tuple[bool, bool]:
    """Whether scores, and whether right and wrong are shown.

    Both where there is room. Else scores if nothing is known of right and wrong, or if they say
    more: of a text with many items hardly ever all is right.
    """
    scores, marks = listing.judged(c.project)
    if not (scores and marks) or width >= _ROOM_FOR_BOTH:
        return scores, marks
    return (True, False) if len(c.project.a.items) else (False, True)


def _heads(c: Context, sides: tuple[Side, ...], shown: tuple[bool, bool]) -> list[Column]:
    """Headings of what each model got right: the model, or what the only model's score is."""
    heads = []
    for side in sides:
        name: str = side
        if shown[0]:
            name = name if c.project.two else text.cut(c.project.score_title, 8)
            heads.append(Column(name, "right", width=max(4, text.width(name))))
            name = ""
        if shown[1]:
            heads.append(Column(name, width=1))
    return heads


def _verdict(c: Context, side: Side, row: int, shown: tuple[bool, bool]) -> list[tuple[str, Ink]]:
    """The score of an example, and whether all of it is right."""
    look, cells = c.look, []
    correct = c.project.correct(side, row)
    ink = {True: look.good, False: look.bad, None: look.muted}[correct]
    if shown[0]:
        score = c.project.score(side, row)
        unknown = score is None or score != score
        ink_of_score = look.text if correct is None or shown[1] else ink
        cells.append(
            (look.marks.unknown, look.muted) if unknown else (_score(c, score), ink_of_score)
        )
    if shown[1]:
        mark = {True: look.marks.yes, False: look.marks.no, None: look.marks.unknown}[correct]
        cells.append((mark, ink))
    return cells


def _score(c: Context, score: float | None) -> str:
    """A score short, 1 as "1"."""
    return "1" if score == 1 else c.look.number(score or 0.0)
