"""The example: its tokens with what is chosen marked, and a table of what each model says."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from .. import state, text
from ..actions import PaneName
from ..out import copying, tables
from ..out.export import Data
from ..pane import Context, Pane
from ..parts.example_picture import ExamplePicture
from ..parts.item_table import summary
from ..parts.pair_table import label
from ..parts.strip import chosen_spans
from ..plots.canvas import Canvas
from ..state import Selection

_TWO_COLUMNS = 100
"""Cells from which on two examples stand side by side."""
_TWO_ROWS = 12
"""Rows from which on two examples stand one above the other."""


class ExamplePane(Pane):
    """The text as tokens, and its items or pairs with what gold and the models say of each."""

    name: ClassVar[PaneName] = "example"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"example", "pair", "item", "query", "key", "view", "pinned"}
    )
    help: ClassVar[str] = (
        "The text as the model reads it, token by token. Pieces of one word are joined by `·`, "
        "here and in all panes, instead of the tokenizer's marks; `␣` is a blank that begins a "
        "word, `⏎` a new line. You copy what you see, search the token as the tokenizer writes "
        "it, and export both. Special tokens are faint. Of an encoder-decoder the source stands "
        "first, then, after `→`, the target as the decoder reads it. Then what else the file knows "
        "of the text: label, score, further fields. The table says what gold and each model say: a "
        "row per word, label or token (depending on the task), or per pair of spans.\n\n"
        "The chosen row's word, or the two spans of the chosen pair, stand in ‹ ›. ✓ right, ✗ "
        "wrong, ≠ the models differ, `?` unknown. With pairs, a number is the probability of the "
        "label that its heading names, `P(coref)`, whatever was predicted (in a narrow table "
        "`P`). `+2` in a heading: so many more rows are out of sight. After the words that have a "
        "**tag** other than O stands what became of it: ✓ rightly predicted, − missed, + "
        "predicted where gold has none, ✗ another tag, `*` nothing to compare with; of model B if "
        "two are shown. (In ASCII these are `/y`, `/-`, `/+`, `/n` "
        "and `/*`.)\n\n"
        "`↑` `↓` choose the row, whose first token is the query of the attention pane; `←` `→` "
        "move the query token by token. `P` pins the example: it then stays here, beside the one "
        "that is chosen, or below it, and in one line where there is little room. `P` on the "
        "pinned example itself takes it away."
    )

    def __init__(self) -> None:
        self._chosen, self._pinned = ExamplePicture(), ExamplePicture()
        self._pinned_at: tuple[int, int] | None = None

    def title(self, c: Context) -> str:
        """The example's id, its size, and whose tags are marked."""
        parts = [f"pinned {_about(c)}" if c.selection.pinned == c.selection.example else _about(c)]
        side = c.project.side(c.selection.view)
        if c.project.two and c.project.tags(side, c.selection.example):
            parts.append(f"tags of {side}")
        return " · ".join(parts)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The example, and the pinned one beside it, below it, or in a line."""
        other = _other(c)
        self._pinned_at = None
        if other is None or height < 3:
            return self._chosen.draw(c, width, height)
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        words = f"pinned {_about(other)}"
        marks = c.look.marks
        if width >= _TWO_COLUMNS:
            half = width // 2
            canvas.blit(0, 0, self._chosen.draw(c, half - 1, height))
            for y in range(height):
                canvas.put(half - 1, y, marks.vertical, c.look.muted)
            canvas.put(half + 1, 0, text.cut(words, width - half - 2), c.look.header)
            canvas.blit(half, 1, self._pinned.draw(other, width - half, height - 1))
            self._pinned_at = half, 0
        elif height >= _TWO_ROWS:
            half = height - height * 2 // 5
            canvas.blit(0, 0, self._chosen.draw(c, width, half))
            canvas.put(0, half, marks.horizontal * width, c.look.muted)
            canvas.put(1, half, text.cut(f" {words} ", width - 2), c.look.header)
            canvas.blit(0, half + 1, self._pinned.draw(other, width, height - half - 1))
            self._pinned_at = 0, half
        else:
            canvas.blit(0, 0, self._chosen.draw(c, width, height - 1))
            x = canvas.put(1, height - 1, "pinned ", c.look.header)
            canvas.blit(x, height - 1, _gist(other, width - x))
            self._pinned_at = 0, height - 1
        return canvas

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down choose the item or pair, left and right the query token."""
        if dy:
            return self._chosen.move(c, dy)
        tokens = len(c.project.tokens(c.selection.example))
        now = c.selection.query
        if now is None:
            spans = chosen_spans(c)
            return state.choose_tokens(c.selection, spans[-1][0] if spans else 0, None)
        return state.choose_tokens(c.selection, state.clamp(now + dx, tokens), c.selection.key)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A token becomes the query, a row of the table the item or pair; the pinned is chosen."""
        pinned, at = c.selection.pinned, self._pinned_at
        if pinned is not None and at is not None and x >= at[0] and y >= at[1]:
            return state.choose_example(c.selection, c.project.limits, pinned)
        return self._chosen.click(c, x, y)

    def gist(self, c: Context, width: int) -> Canvas:
        """The chosen item or pair: gold and predictions in short."""
        return _gist(c, width)

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The row of the table that is looked at."""
        return copying.table_row(c)

    def data(self, c: Context) -> Data:
        """The example's items, pairs or tokens."""
        return tables.example(c)


def _gist(c: Context, width: int) -> Canvas:
    """An example in one line."""
    look = c.look
    canvas = Canvas(width, 1, ascii_only=look.ascii)
    if said := summary(c):
        name = c.project.example_head(c.selection.example)[0]
        x = canvas.put(0, 0, text.middle(name, max(8, width // 4)), look.muted)
        for word, ink in said:
            if x + 2 + text.width(word) <= width:
                x = canvas.put(x + 2, 0, word, ink)
        return canvas
    pairs = c.project.pair_facts(c.selection.example)
    if not pairs:
        canvas.put(0, 0, text.fit(c.project.example_head(c.selection.example)[1], width))
        return canvas
    facts = pairs[min(c.selection.pair, len(pairs) - 1)]
    joint = "-" if look.ascii else "–"
    name = text.middle(c.project.example_head(c.selection.example)[0], max(8, width // 4))
    words = f"{name}  {facts.span1} {joint} {facts.span2}"
    x = canvas.put(0, 0, text.cut(words, max(10, width - 36)), look.text)
    x = canvas.put(x + 2, 0, f"gold {label(facts.gold, True)}", look.muted)
    for side, model in zip("AB", facts.models, strict=False):
        right = {True: look.marks.yes, False: look.marks.no, None: ""}[model.correct]
        ink = {True: look.good, False: look.bad, None: look.muted}[model.correct]
        who = side if c.project.two else "predicted"
        x = canvas.put(x + 2, 0, f"{who} {label(model.prediction, True)} {right}", ink)
    return canvas


def _other(c: Context) -> Context | None:
    """The context of the pinned example, if that is another than the chosen one."""
    s = c.selection
    if s.pinned is None or s.pinned == s.example:
        return None
    other = replace(s, example=s.pinned, pair=0, item=0, query=None, key=None)
    return c._replace(selection=other, focused=False)


def _about(c: Context) -> str:
    """An example's id and its size."""
    example = c.selection.example
    size = len(c.project.tokens(example))
    parts = [text.middle(c.project.example_head(example)[0], 40), text.many(size, "token")]
    source = c.project.source(example)
    if source is not None:
        parts.append(f"{source} source, {size - source} target")
    return " · ".join(parts)
