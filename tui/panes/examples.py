"""The list of examples: one row each, with what each model got right."""

from __future__ import annotations

from typing import ClassVar

from .. import state, text
from ..actions import PaneName
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
        "whether the model got all pairs of the text right (✓), some wrong (✗), or has no "
        "prediction (·). `+` stands before marked examples; where attention is stored for some "
        "examples only, a star stands before those."
    )

    def __init__(self) -> None:
        self._drawn: Table | None = None
        self._top = 0

    def title(self, c: Context) -> str:
        """Position and number of examples."""
        return f"{c.selection.example + 1:,} of {c.project.limits.examples:,}"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """Header and the rows that fit."""
        total, room = c.project.limits.examples, max(1, height - 1)
        self._top = scroll(self._top, c.selection.example, room, total)
        rows = [self._row(c, row) for row in range(self._top, min(self._top + room, total))]
        ids = max((text.width(str(row[1][0])) for row in rows), default=2)
        columns = [
            Column(width=1),
            Column("id", width=min(max(ids, 2), max(4, width // 3))),
            Column("text", flexible=True),
            *(Column(side, width=1) for side in self._sides(c)),
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
            *(_verdict(c, project.correct(side, row)) for side in self._sides(c)),
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


def _verdict(c: Context, correct: bool | None) -> tuple[str, Ink]:
    if correct is None:
        return c.look.marks.small, c.look.muted
    return (c.look.marks.yes, c.look.good) if correct else (c.look.marks.no, c.look.bad)
