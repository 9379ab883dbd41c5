"""The list of examples: one row each, with what each model got right."""

from __future__ import annotations

from typing import ClassVar

from .. import state, text
from ..actions import PaneName
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..state import Selection


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
        self._top = 0
        self._shown_for = -1
        self._height = 1

    def title(self, c: Context) -> str:
        """Position and number of examples."""
        return f"{c.selection.example + 1} of {len(c.project.a.examples)}"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """Header and the rows that fit."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        rows = max(1, height - 1)
        self._height = rows
        self._scroll(c.selection.example, rows, len(c.project.a.examples))
        verdicts = self._verdict_sides(c)
        right = width - 2 * len(verdicts)
        ids = self._id_width(c, rows, width)
        canvas.put(3, 0, text.fit("id", ids), c.look.header)
        canvas.put(4 + ids, 0, "text", c.look.header)
        for number, side in enumerate(verdicts):
            canvas.put(right + 2 * number + 1, 0, side, c.look.header)
        for y in range(rows):
            row = self._top + y
            if row < len(c.project.a.examples):
                self._row(c, canvas, y + 1, row, ids)
        return canvas

    def _row(self, c: Context, canvas: Canvas, y: int, row: int, ids: int) -> None:
        look, project = c.look, c.project
        sides = self._verdict_sides(c)
        space = canvas.width - 2 * len(sides) - 5 - ids
        marked = row in project.marked_examples(c.selection)
        canvas.put(1, y, "+" if marked else " ", look.star)
        some = 0 < len(project.attended) < len(project.a.examples)
        if some and row in project.attended:
            canvas.put(2, y, look.marks.star, look.muted)
        name, sentence = project.example_head(row)
        canvas.put(3, y, text.fit(name.removeprefix(project.id_prefix), ids), look.muted)
        canvas.put(4 + ids, y, text.fit(sentence, max(0, space)))
        for number, side in enumerate(sides):
            mark, ink = _verdict(c, project.correct("B" if side == "B" else "A", row))
            canvas.put(canvas.width - 2 * (len(sides) - number) + 1, y, mark, ink)
        if row == c.selection.example:
            canvas.put(0, y, look.marks.cursor, look.accent)
            canvas.restyle(0, y, canvas.width, 1, bold=True, reverse=c.focused)

    def _verdict_sides(self, c: Context) -> tuple[str, ...]:
        return ("A", "B") if c.project.two else ("A",)

    def _id_width(self, c: Context, rows: int, width: int) -> int:
        names = [
            c.project.example_head(row)[0].removeprefix(c.project.id_prefix)
            for row in range(self._top, min(self._top + rows, len(c.project.a.examples)))
        ]
        return min(max((text.width(name) for name in names), default=2), max(4, width // 4))

    def _scroll(self, row: int, rows: int, count: int) -> None:
        """Keeps the cursor in sight, with a row to spare where there is room."""
        spare = 1 if rows > 3 else 0
        if row != self._shown_for or not self._top <= row < self._top + rows:
            self._top = min(self._top, max(0, row - spare))
            self._top = max(self._top, row + spare - rows + 1)
        self._top = max(0, min(self._top, count - rows))
        self._shown_for = row

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down the list."""
        example = state.clamp(c.selection.example + dy, c.project.limits.examples)
        return state.choose_example(c.selection, c.project.limits, example)

    def mark(self, c: Context) -> Selection | None:
        """Marks the points of the example under the cursor."""
        return None

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Selects the row that was clicked."""
        row = self._top + y - 1
        if y < 1 or row >= c.project.limits.examples:
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
