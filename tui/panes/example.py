"""The example: its tokens with what is chosen marked, and a table of what each model says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from collateral import TokenInfo

from .. import copying, state, tables, text
from ..actions import PaneName
from ..export import Data
from ..item_table import ItemTable, summary
from ..look import Look
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.table import Column, Table, table
from ..state import Selection
from ..views.answers import Said, Side, Verdict


@dataclass(frozen=True)
class _Placed:
    """One token in the wrapped strip: row, first column, text, number of the token.

    Attributes:
        begins, ends: it is the first, the last of its word: there is room for marks.
    """

    row: int
    x: int
    shown: str
    token: int
    begins: bool
    ends: bool


class _Piece(NamedTuple):
    """A token as it is shown in the strip: its number, text, and width in cells."""

    token: int
    shown: str
    width: int


class ExamplePane(Pane):
    """The text as tokens, and its items or pairs with what gold and the models say of each."""

    name: ClassVar[PaneName] = "example"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"example", "pair", "item", "query", "key", "view"}
    )
    help: ClassVar[str] = (
        "The text as the model reads it, token by token. Pieces of one word are joined by `·`, "
        "special tokens are faint. Of an encoder-decoder the source stands first, then, after `→`, "
        "the target as the decoder reads it. Below, a table of what gold and each model say: a row "
        "per word, label or token (depending on the task), or per pair of spans.\n\n"
        "The chosen row's word, or the two spans of the chosen pair, stand in ‹ ›. ✓ right, ✗ "
        "wrong, ≠ the models differ, `?` unknown; with pairs, the number is the probability of the "
        "relation. After the words that have a **tag** other than O stands what became of it: ✓ "
        "rightly predicted, − missed, + predicted where gold has none, ✗ another tag, * nothing to "
        "compare with; of model B if two are shown. (In ASCII these are /v, /-, /+, /x and /*.)\n\n"
        "`↑` `↓` choose the row, whose first token is the query of the attention pane; `←` `→` "
        "move the query token by token."
    )

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._top = 0
        self._table_at = 0
        self._drawn: Table | None = None
        self._items = ItemTable()

    def title(self, c: Context) -> str:
        """The example's id, its size, and whose tags are marked."""
        example = c.selection.example
        parts = [text.cut(c.project.example_head(example)[0], 40)]
        parts.append(text.many(len(c.project.tokens(example)), "token"))
        source = c.project.source(example)
        if source is not None:
            parts.append(f"{source} source, {len(c.project.tokens(example)) - source} target")
        side = c.project.side(c.selection.view)
        if c.project.two and c.project.tags(side, example):
            parts.append(f"tags of {side}")
        return " · ".join(parts)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The strip above, the table below; the strip scrolls to what is chosen."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        self._placed = _wrap(c, width)
        rows = self._table_rows(c, height)
        self._strip(c, canvas, height - rows)
        self._table_at, self._drawn = height - rows, None
        if rows:
            by_item = c.project.item(c.selection) is not None
            draw = self._items.draw if by_item else self._table
            self._drawn = draw(c, width, rows)
            canvas.blit(0, height - rows, self._drawn.canvas)
        return canvas

    def _table_rows(self, c: Context, height: int) -> int:
        """Rows of the table with its heading: half, or what the strip does not need."""
        example = c.selection.example
        items, pairs = len(c.project.items(example)), len(c.project.pairs_of(example))
        if height <= 2 or not (items or pairs):
            return 0
        strip = self._placed[-1].row + 1 if self._placed else 0
        room = max(2, height // 2, height - strip if items else 0)
        return min((items or pairs) + 1, room)

    def _strip(self, c: Context, canvas: Canvas, rows: int) -> None:
        spans = _spans(c)
        signs = _signs(c)
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
                self._token(c, canvas, placed, y, spans, signs)
        target = c.project.source(c.selection.example)
        start = next((p.row for p in self._placed if p.token == target), None)
        if start is not None and 0 <= start - self._top < rows:
            canvas.put(1, start - self._top, c.look.marks.right, c.look.accent)
        if self._top > 0:
            canvas.put(canvas.width - 1, 0, c.look.marks.up, c.look.accent)
        if last - self._top >= rows > 0:
            canvas.put(canvas.width - 1, rows - 1, c.look.marks.down, c.look.accent)

    def _token(
        self,
        c: Context,
        canvas: Canvas,
        p: _Placed,
        y: int,
        spans: list[tuple[int, int]],
        signs: dict[int, tuple[str, Ink]],
    ) -> None:
        look, s = c.look, c.selection
        number = next((i for i, (a, b) in enumerate(spans) if a <= p.token < b), None)
        ink = look.muted if c.project.tokens(s.example).special[p.token] else look.text
        end = p.x + text.width(p.shown)
        if number is not None:
            ink = Ink(fg=look.category(number)[0], bold=True)
            opening, closing = "‹›"
            if p.token == spans[number][0] and p.begins:
                canvas.put(p.x - 1, y, opening, ink)
            if p.token == spans[number][1] - 1 and p.ends:
                end = canvas.put(end, y, closing, ink)
        sign, tagged = signs.get(p.token, ("", ink))
        if sign and p.ends:
            canvas.put(end, y, sign, tagged)
        canvas.put(p.x, y, p.shown, tagged if p.token in signs and number is None else ink)
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
        """Up and down choose the item or pair, left and right the query token."""
        if dy and c.project.item(c.selection) is not None:
            return self._items.move(c, dy)
        if dy:
            return state.step_pair(c.selection, c.project.limits, dy)
        tokens = len(c.project.tokens(c.selection.example))
        now = c.selection.query
        if now is None:
            spans = _spans(c)
            return state.choose_tokens(c.selection, spans[-1][0] if spans else 0, None)
        return state.choose_tokens(c.selection, state.clamp(now + dx, tokens), c.selection.key)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A token becomes the query, a row of the table the item or pair."""
        if y >= self._table_at and c.project.item(c.selection) is not None:
            return self._items.click(c, y - self._table_at)
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
        """The chosen item or pair: gold and predictions in short."""
        look = c.look
        canvas = Canvas(width, 1, ascii_only=look.ascii)
        if said := summary(c):
            x = canvas.put(0, 0, c.project.example_head(c.selection.example)[0], look.muted)
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
        words = (
            f"{c.project.example_head(c.selection.example)[0]}  {facts.span1} {joint} {facts.span2}"
        )
        x = canvas.put(0, 0, text.cut(words, max(10, width - 36)), look.text)
        x = canvas.put(x + 2, 0, f"gold {_label(facts.gold, True)}", look.muted)
        for side, model in zip("AB", facts.models, strict=False):
            right = {True: look.marks.yes, False: look.marks.no, None: ""}[model.correct]
            ink = {True: look.good, False: look.bad, None: look.muted}[model.correct]
            who = side if c.project.two else "predicted"
            x = canvas.put(x + 2, 0, f"{who} {_label(model.prediction, True)} {right}", ink)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The row of the table that is looked at."""
        return copying.table_row(c)

    def data(self, c: Context) -> Data:
        """The example's items, pairs or tokens."""
        return tables.example(c)


def _said(c: Context, said: Said, short: bool) -> list[tuple[str, Ink]]:
    """Three cells: the prediction, its probability, right or wrong."""
    look = c.look
    marks = {True: (look.marks.yes, look.good), False: (look.marks.no, look.bad)}
    mark = (look.marks.unknown, look.muted) if said.correct is None else marks[said.correct]
    probability = "" if said.probability is None else look.number(said.probability)
    ink = look.text if said.prediction else look.muted
    return [(_label(said.prediction, short), ink), (probability, look.muted), mark]


def _label(value: str | None, short: bool) -> str:
    if value is None:
        return "?" if short else "? unknown"
    if short:
        return {"coreferent": "coref", "not coreferent": "not"}.get(value, value)
    return value


def _spans(c: Context) -> list[tuple[int, int]]:
    """Token ranges that stand in ‹ ›: the chosen item's, else those of the chosen pair."""
    if c.project.item(c.selection) is None:
        return c.project.spans(c.selection)
    span = c.project.item_span(c.selection)
    return [] if span is None else [span]


def _signs(c: Context) -> dict[int, tuple[str, Ink]]:
    """Ink of each token of a tagged word, and the sign that stands after the word's last one."""
    look = c.look
    looks: dict[Verdict, tuple[str, Ink]] = {
        "right": (look.marks.yes, replace(look.good, bold=True)),
        "missed": (look.marks.minus, look.bad),
        "extra": ("+", look.bad),
        "other": (look.marks.no, look.bad),
        "tagged": ("*", look.star),
    }
    signs: dict[int, tuple[str, Ink]] = {}
    for tag in c.project.tags(c.project.side(c.selection.view), c.selection.example):
        sign, ink = looks[tag.verdict]
        sign = f"/{sign}" if look.ascii else sign  # there, right and wrong are letters
        signs |= dict.fromkeys(range(tag.start, tag.stop - 1), ("", ink))
        signs[tag.stop - 1] = (sign, ink)
    return signs


def _wrap(c: Context, width: int) -> list[_Placed]:
    """Places the tokens in rows of ``width`` cells; a word's pieces stay together if they fit.

    The target of an encoder-decoder begins in a row of its own, indented.
    """
    target, ends = c.project.source(c.selection.example), _ends(c)
    placed: list[_Placed] = []
    row, left = 0, 1
    x = left
    for word in _pieces(c):
        first, last = word[0].token, word[-1].token
        if first == target:
            row, left = row + (1 if placed else 0), min(3, max(1, width - 2))
            x = left
        if x + sum(piece.width for piece in word) + 2 > width and x > left:
            row, x = row + 1, left
        for piece in word:
            if x + piece.width + 1 > width and x > left:
                row, x = row + 1, left
            shown = piece.shown
            if piece.width > width - left - 1:
                shown = text.cut(shown, max(1, width - left - 1))
            edges = piece.token == first, piece.token == last
            placed.append(_Placed(row, x, shown, piece.token, *edges))
            x += piece.width
        x += 1 + ends.get(last, 0)
    return placed


def _pieces(c: Context) -> list[list[_Piece]]:
    """The tokens of the example as they are shown, by word; kept, as a text may have thousands."""
    example, look = c.selection.example, c.look

    def make() -> list[list[_Piece]]:
        tokens, conventions = c.project.tokens(example), c.project.a.meta.tokens
        return [
            [_piece(look, tokens.texts[n], n, n > word[0], conventions) for n in word]
            for word in _words(tokens.words.tolist(), c.project.source(example))
        ]

    return c.project.once(("strip", example, look.ascii), make)


def _piece(look: Look, token: str, number: int, inside: bool, conventions: TokenInfo) -> _Piece:
    shown = text.clean(_shown(look, token, inside, conventions), look.ascii)
    return _Piece(number, shown, text.width(shown))


def _ends(c: Context) -> dict[int, int]:
    """Cells that marks need after a token, or before the next: the ends of spans, signs."""
    ends: dict[int, int] = {}
    for start, stop in _spans(c):
        for token in (start - 1, stop - 1):
            ends[token] = 1
    for token, (sign, _) in _signs(c).items():
        if sign:
            ends[token] = ends.get(token, 0) + len(sign)
    return ends


def _words(numbers: list[int], target: int | None) -> list[list[int]]:
    """Token numbers grouped by word; special tokens alone; a word ends where the target begins."""
    groups: list[list[int]] = []
    for token, word in enumerate(numbers):
        if groups and token != target and word >= 0 and numbers[groups[-1][0]] == word:
            groups[-1].append(token)
        else:
            groups.append([token])
    return groups


def _shown(look: Look, token: str, inside: bool, conventions: TokenInfo) -> str:
    """A token for the strip: inside a word it begins with a dot, not the tokenizer's mark."""
    continuation, start = conventions.continuation, conventions.word_start
    if continuation and token.startswith(continuation):
        return ("." if look.ascii else "·") + token[len(continuation) :]
    if start and token.startswith(start):
        return token[len(start) :] or token
    return ("." if look.ascii else "·") + token if inside and start else token
