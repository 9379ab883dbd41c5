"""The list of examples: one row each, with what each model got right."""

from __future__ import annotations

from typing import ClassVar

from .. import copying, state, tables, text
from ..actions import PaneName
from ..export import Data
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.heatmap import scroll
from ..plots.table import Column, Table, table
from ..state import Selection
from ..views.answers import Side


class ExamplesPane(Pane):
    """All examples; the cursor is the selected one."""

    name: ClassVar[PaneName] = "list"
    depends: ClassVar[frozenset[str]] = frozenset({"example", "marked"})
    help: ClassVar[str] = (
        "Every text of the data. Moving the cursor selects the example in all panes; `space` marks "
        "its points, so that averages follow the marked examples. Columns **A** and **B** say "
        "whether the model got all of the text right (✓), some wrong (✗), or has no prediction "
        "(·). Where a text has a score (F1, loss, the share of pairs that are right), it stands "
        "beside the mark, or in its place; in a narrow list only where nothing else tells the "
        "texts apart. `+` stands before marked examples; where attention is stored for some "
        "examples only, a star stands before those."
    )

    def __init__(self) -> None:
        self._drawn: Table | None = None
        self._top = 0
        self._shown = (False, True)

    def title(self, c: Context) -> str:
        """Position and number of examples; what their scores are, if those are shown."""
        place = f"{c.selection.example + 1:,} of {c.project.limits.examples:,}"
        return f"{place} · {c.project.score_title}" if self._shown[0] and c.project.two else place

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """Header and the rows that fit."""
        total, room = c.project.limits.examples, max(1, height - 1)
        self._top = scroll(self._top, c.selection.example, room, total)
        self._shown = _judgements(c, width)
        rows = [self._row(c, row) for row in range(self._top, min(self._top + room, total))]
        ids = max((text.width(str(row[1][0])) for row in rows), default=2)
        columns = [
            Column(width=1),
            Column("id", width=min(max(ids, 2), max(4, width // 3))),
            Column("text", flexible=True),
            *_heads(c, self._sides(c), self._shown),
        ]
        self._drawn = table(
            columns,
            rows,
            c.look,
            width,
            height,
            total=total,
            first=self._top,
            cursor=c.selection.example,
            top=self._top,
            focused=c.focused,
        )
        return self._drawn.canvas

    def _row(self, c: Context, row: int) -> list[tuple[str, Ink]]:
        look, project = c.look, c.project
        name, sentence = project.example_head(row)
        some = 0 < len(project.attended) < project.limits.examples
        mark = look.marks.star if some and row in project.attended else " "
        ink = look.muted
        if row in project.marked_examples(c.selection):
            mark, ink = "+", look.star
        return [
            (mark, ink),
            (name.removeprefix(project.id_prefix), look.muted),
            (sentence, look.text),
            *(cell for side in self._sides(c) for cell in _verdict(c, side, row, self._shown)),
        ]

    def _sides(self, c: Context) -> tuple[Side, ...]:
        return ("A", "B") if c.project.two else ("A",)

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down the list."""
        example = state.clamp(c.selection.example + dy, c.project.limits.examples)
        return state.choose_example(c.selection, c.project.limits, example)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the row that was clicked."""
        row = self._drawn.hit(y) if self._drawn is not None else None
        if row is None:
            return c.selection
        return state.choose_example(c.selection, c.project.limits, row)

    def gist(self, c: Context, width: int) -> Canvas:
        """Id and beginning of the example."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        name, sentence = c.project.example_head(c.selection.example)
        x = canvas.put(0, 0, name, c.look.muted)
        canvas.put(x + 1, 0, text.fit(sentence, max(0, width - x - 1)))
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The row of the selected example."""
        return copying.example_row(c)

    def data(self, c: Context) -> Data:
        """All examples with all that is known of them."""
        return tables.examples(c)


_ROOM_FOR_BOTH = 60
"""Columns from which a list has room for scores beside right and wrong."""


def _judgements(c: Context, width: int) -> tuple[bool, bool]:
    """Whether scores, and whether right and wrong are shown.

    Both where there is room. Else scores if nothing is known of right and wrong, or if they say
    more: of a text with many items hardly ever all is right.
    """
    scores = c.project.score_column is not None
    marks = c.project.a.examples.with_role("correct") is not None
    if not scores or (marks and width >= _ROOM_FOR_BOTH):
        return scores, True
    return (True, False) if not marks or len(c.project.a.items) else (False, True)


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
