"""The example: its tokens with the chosen pair marked, and a table of what each model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import state, text
from ..actions import PaneName
from ..look import Look
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.table import Column, Table, table
from ..state import Selection
from ..views.answers import Said, Side


@dataclass(frozen=True)
class _Placed:
    """One token in the wrapped strip: row, first column, text, number of the token."""

    row: int
    x: int
    shown: str
    token: int


class ExamplePane(Pane):
    """The sentence as tokens, and its pairs with gold and predicted label."""

    name: ClassVar[PaneName] = "example"
    depends: ClassVar[frozenset[str]] = frozenset({"example", "pair", "query", "key", "view"})
    help: ClassVar[str] = (
        "The text as the model reads it, token by token. Pieces of one word are joined by `·`, "
        "special tokens are faint. The two spans of the chosen pair stand in ‹ ›. Below, a row "
        "per pair: the gold label, and what each model predicts with its probability of "
        "*coreferent*; ✓ right, ✗ wrong, `?` unknown. `↑` `↓` choose the pair, `←` `→` move the "
        "query token, whose attention the attention pane shows."
    )

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._top = 0
        self._table_at = 0
        self._drawn: Table | None = None

    def title(self, c: Context) -> str:
        """The example's id."""
        tokens = text.many(len(c.project.tokens(c.selection.example)), "token")
        return f"{c.project.example_head(c.selection.example)[0]} · {tokens}"

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The strip above, the table below; the strip scrolls to the chosen pair."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        pairs = len(c.project.pairs_of(c.selection.example))
        rows = min(pairs + 1, max(2, height // 2)) if pairs and height > 2 else 0
        self._placed = _wrap(c, width)
        self._strip(c, canvas, height - rows)
        self._table_at, self._drawn = height - rows, None
        if rows:
            self._drawn = self._table(c, width, rows)
            canvas.blit(0, height - rows, self._drawn.canvas)
        return canvas

    def _strip(self, c: Context, canvas: Canvas, rows: int) -> None:
        spans = c.project.spans(c.selection)
        inside = [p.row for p in self._placed if any(a <= p.token < b for a, b in spans)]
        cursor = [p.row for p in self._placed if p.token == c.selection.query]
        last = self._placed[-1].row if self._placed else 0
        wanted = cursor or inside or [0]
        self._top = 0
        if last >= rows:
            self._top = max(0, min(min(wanted), last - rows + 1))
            if max(wanted) >= self._top + rows:
                self._top = max(0, max(wanted) - rows + 1)
        for placed in self._placed:
            y = placed.row - self._top
            if 0 <= y < rows:
                self._token(c, canvas, placed, y, spans)
        if self._top > 0:
            canvas.put(canvas.width - 1, 0, c.look.marks.up, c.look.accent)
        if last - self._top >= rows > 0:
            canvas.put(canvas.width - 1, rows - 1, c.look.marks.down, c.look.accent)

    def _token(
        self, c: Context, canvas: Canvas, p: _Placed, y: int, spans: list[tuple[int, int]]
    ) -> None:
        look, s = c.look, c.selection
        number = next((i for i, (a, b) in enumerate(spans) if a <= p.token < b), None)
        ink = look.muted if c.project.tokens(s.example).special[p.token] else look.text
        if number is not None:
            ink = Ink(fg=look.category(number)[0], bold=True)
            opening, closing = "‹›"
            if p.token == spans[number][0]:
                canvas.put(p.x - 1, y, opening, ink)
            if p.token == spans[number][1] - 1:
                canvas.put(p.x + text.width(p.shown), y, closing, ink)
        canvas.put(p.x, y, p.shown, ink)
        if p.token == s.query:
            canvas.restyle(p.x, y, text.width(p.shown), 1, reverse=True)
        elif p.token == s.key:
            canvas.restyle(p.x, y, text.width(p.shown), 1, underline=True)

    def _table(self, c: Context, width: int, height: int) -> Table:
        """A row per pair: spans, gold label, and what each model says."""
        short = width < 100
        columns = [Column("pair", flexible=True), Column("gold")]
        sides: tuple[Side, ...] = ("A", "B") if c.project.two else ("A",)
        for side in sides:
            name = f"{side} {c.project.name(side)}" if c.project.two else "model"
            columns += [Column(text.cut(name, 8 if short else 18)), Column(align="right"), Column()]
        rows: list[list[tuple[str, Ink]]] = []
        for facts in c.project.pair_facts(c.selection.example):
            pair = f"{facts.span1} – {facts.span2}"
            row = [(pair, c.look.text), (_label(facts.gold, short), c.look.text)]
            rows.append(row + [cell for said in facts.models for cell in _said(c, said, short)])
        chosen = min(c.selection.pair, len(rows) - 1)
        return table(columns, rows, c.look, width, height, cursor=chosen, focused=c.focused, gap=2)

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Up and down choose the pair, left and right the query token."""
        if dy:
            return state.step_pair(c.selection, c.project.limits, dy)
        tokens = len(c.project.tokens(c.selection.example))
        now = c.selection.query
        if now is None:
            spans = c.project.spans(c.selection)
            return state.choose_tokens(c.selection, spans[-1][0] if spans else 0, None)
        return state.choose_tokens(c.selection, state.clamp(now + dx, tokens), c.selection.key)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A token becomes the query, a row of the table the pair."""
        if y >= self._table_at:
            row = self._drawn.hit(y - self._table_at) if self._drawn is not None else None
            if row is None:
                return c.selection
            return state.choose_example(c.selection, c.project.limits, c.selection.example, row)
        for placed in self._placed:
            end = placed.x + text.width(placed.shown)
            if placed.row == y + self._top and placed.x <= x < end:
                return state.choose_tokens(c.selection, placed.token, c.selection.key)
        return c.selection

    def gist(self, c: Context, width: int) -> Canvas:
        """The chosen pair: spans, gold and predictions in short."""
        look = c.look
        canvas = Canvas(width, 1, ascii_only=look.ascii)
        pairs = c.project.pair_facts(c.selection.example)
        if not pairs:
            canvas.put(0, 0, text.fit(c.project.example_head(c.selection.example)[1], width))
            return canvas
        facts = pairs[min(c.selection.pair, len(pairs) - 1)]
        joint = "-" if look.ascii else "–"
        words = (
            f"{c.project.example_head(c.selection.example)[0]}  {facts.span1} {joint} {facts.span2}"
        )
        x = canvas.put(0, 0, text.cut(words, max(10, width - 36)), look.text)
        x = canvas.put(x + 2, 0, f"gold {_label(facts.gold, True)}", look.muted)
        for side, said in zip("AB", facts.models, strict=False):
            right = {True: look.marks.yes, False: look.marks.no, None: ""}[said.correct]
            ink = {True: look.good, False: look.bad, None: look.muted}[said.correct]
            who = side if c.project.two else "predicted"
            x = canvas.put(x + 2, 0, f"{who} {_label(said.prediction, True)} {right}", ink)
        return canvas


def _said(c: Context, said: Said, short: bool) -> list[tuple[str, Ink]]:
    """Three cells: the prediction, its probability, right or wrong."""
    look = c.look
    marks = {True: (look.marks.yes, look.good), False: (look.marks.no, look.bad)}
    mark = (look.marks.small, look.muted) if said.correct is None else marks[said.correct]
    probability = "" if said.probability is None else look.number(said.probability)
    ink = look.text if said.prediction else look.muted
    return [(_label(said.prediction, short), ink), (probability, look.muted), mark]


def _label(value: str | None, short: bool) -> str:
    if value is None:
        return "?" if short else "? unknown"
    if short:
        return {"coreferent": "coref", "not coreferent": "not"}.get(value, value)
    return value


def _wrap(c: Context, width: int) -> list[_Placed]:
    """Places the tokens in rows of ``width`` cells; a word's pieces stay together if they fit."""
    tokens = c.project.tokens(c.selection.example)
    conventions = c.project.a.meta.tokens
    placed: list[_Placed] = []
    row, x = 0, 1
    for word in _words(tokens.words.tolist()):
        pieces = [(n, _shown(c.look, tokens.texts[n], n > word[0], conventions)) for n in word]
        size = sum(text.width(piece) for _, piece in pieces)
        if x + size + 2 > width and x > 1:
            row, x = row + 1, 1
        for number, piece in pieces:
            taken = text.width(piece)
            if x + taken + 1 > width and x > 1:
                row, x = row + 1, 1
            placed.append(_Placed(row, x, text.cut(piece, max(1, min(taken, width - 2))), number))
            x += taken
        x += 2 if _edge(c, word) else 1
    return placed


def _edge(c: Context, word: list[int]) -> bool:
    """Whether a span mark needs room after (or before the next of) this word."""
    spans = c.project.spans(c.selection)
    return any(word[0] < b <= word[-1] + 1 or a == word[-1] + 1 for a, b in spans)


def _words(numbers: list[int]) -> list[list[int]]:
    """Token numbers grouped by word; special tokens alone."""
    groups: list[list[int]] = []
    for token, word in enumerate(numbers):
        if groups and word >= 0 and numbers[groups[-1][0]] == word:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups


def _shown(look: Look, token: str, inside: bool, conventions: object) -> str:
    """A token for the strip: inside a word it begins with a dot, not the tokenizer's mark."""
    continuation = str(getattr(conventions, "continuation", ""))
    start = str(getattr(conventions, "word_start", ""))
    if continuation and token.startswith(continuation):
        return ("." if look.ascii else "·") + token[len(continuation) :]
    if start and token.startswith(start):
        return token[len(start) :] or token
    return ("." if look.ascii else "·") + token if inside and start else token
