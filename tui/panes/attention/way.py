"""What every way of showing attention is, and what several of them ask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ... import state
from ...out import copying, weights
from ...out.export import Data
from ...pane import Context
from ...plots.canvas import Canvas, Ink
from ...plots.scale import Scale
from ...state import Selection
from ...views import attention as attention_views
from ...views.answers import AttentionGrid, Missing
from ...views.example import token_place

SHARES = {"map": 70, "table": 100}
"""Percent of each row whose edges are shown, where nobody chose (70 is exBERT's default)."""
ONE_SHARE = 95
"""The same where the edges of one token stand alone."""

ONLY_SPECIALS = "Only special tokens are left; o shows them again."


class Way:
    """One way of showing attention. It keeps only where it is scrolled to."""

    def title(self, c: Context) -> list[str]:
        """What it shows, in words, part by part."""
        raise NotImplementedError

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The picture.

        Raises:
            Missing: what it shows is not in the files.
        """
        raise NotImplementedError

    def ready(self, c: Context) -> bool:
        """Whether :meth:`draw` is quick."""
        return attention_views.ready(c.project, c.selection)

    def prepare(self, c: Context) -> None:
        """Computes what :meth:`draw` needs."""
        c.project.attention(c.selection)

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """An arrow key."""
        return c.selection

    def click(self, c: Context, x: int, y: int) -> Selection:
        """A mouse click."""
        return c.selection

    def enter(self, c: Context) -> Selection:
        """Chooses what is under the cursor."""
        return c.selection

    def back(self, c: Context) -> Selection | None:
        """Ends what it is in the middle of; None if there was nothing."""
        return None

    def act(self, c: Context, name: str) -> Selection | None:
        """Another action; None if it has no use for it."""
        return None

    def idle(self, c: Context) -> frozenset[str]:
        """Names of actions for which it has no use now, though other ways have."""
        return frozenset()

    def copy(self, c: Context) -> str:
        """The weight under the cursor with its tokens."""
        grid = grid_of(c)
        return copying.edge(c, grid, *cursor(c, grid))

    def data(self, c: Context) -> Data:
        """A row per weight of the head or heads."""
        return weights.attention(c)


def grid_of(c: Context) -> AttentionGrid:
    """The weights that the selection is about.

    Raises:
        Missing: they are not in the files, or no token of them is shown.
    """
    grid = c.project.attention(c.selection)
    if not grid.weights.size:
        raise Missing(ONLY_SPECIALS)
    return grid


def grid_title(c: Context, grid: AttentionGrid, kept: str) -> list[str]:
    """Heads, way, and what about the numbers is not exact."""
    s = c.selection
    shown = f"{s.attention_view} × ‖f(x)‖" if s.weighted else s.attention_view
    parts = [attention_views.heads_words(c.project, s), shown]
    if s.hide_special:
        parts.append("specials hidden")
    return [*parts, *(words for words in (kept, grid.note) if words)]


def kept_words(c: Context, grid: AttentionGrid, query: int | None) -> str:
    """How much of each row is there, and what is left over of the row of ``query``."""
    if grid.kept is None:
        return ""
    words = f"top {grid.kept} of each row"
    if query is None or not grid.rests:
        return words
    rests = [
        f"{side} {c.look.number(float(rest[query]))}".strip() for side, rest in grid.rests.items()
    ]
    return f"{words}, {', '.join(rests)} left out"


def pair_places(c: Context, grid: AttentionGrid) -> tuple[int | None, int | None]:
    """Row and column of the chosen pair's second and first span, None where they are not shown."""
    spans = c.project.spans(c.selection)
    if not spans:
        return None, None
    return grid.place(spans[1][0]), grid.key_place(spans[0][0])


def cursor(c: Context, grid: AttentionGrid) -> tuple[int, int]:
    """Row and column of the cursor: the chosen tokens, at first those of the chosen pair."""
    query, key = grid.place(c.selection.query), grid.key_place(c.selection.key)
    first = pair_places(c, grid)
    return (
        (first[0] if query is None else query) or 0,
        (first[1] if key is None else key) or 0,
    )


def place_words(c: Context, token: int) -> str:
    """Where a token stands: "7", or "source 7", "target 0" where there are both."""
    return token_place(c.project, c.selection.example, token)


def place_number(c: Context, token: int) -> int:
    """The same without words: a target's tokens are counted from 0."""
    source = c.project.source(c.selection.example) or 0
    return token - source if token >= source else token


def part_words(c: Context, token: int) -> str:
    """Which part of something larger a token is: "1st of 2 pieces"; "" for a whole word.

    That is the chosen pair's span, if it has several tokens, else the token's word.
    """
    for start, stop in c.project.spans(c.selection):
        if start <= token < stop and stop - start > 1:
            return f"{_nth(token - start + 1)} of {stop - start} tokens"
    words = c.project.tokens(c.selection.example).words
    if words[token] < 0:
        return ""
    same = np.flatnonzero(words == words[token])
    if len(same) < 2 or same[-1] - same[0] != len(same) - 1:
        return ""
    return f"{_nth(token - int(same[0]) + 1)} of {len(same)} pieces"


def _nth(number: int) -> str:
    """ "1st", "2nd", "3rd", "4th"."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{last or 'th'}"


def scale_of(grid: AttentionGrid) -> Scale:
    """From 0 for weights, about zero for differences."""
    if grid.difference:
        return Scale(-grid.most, grid.most, True)
    return Scale(0.0, grid.most)


def token_inks(c: Context, grid: AttentionGrid, tokens: npt.NDArray[np.int32]) -> list[Ink]:
    """Special tokens faint, the spans of the chosen pair in their colours."""
    look = c.look
    inks = [look.muted if special else look.text for special in grid.tokens.special[tokens]]
    for number, (start, stop) in enumerate(c.project.spans(c.selection)):
        ink = Ink(fg=look.category(number)[0], bold=True)
        for place in np.flatnonzero((tokens >= start) & (tokens < stop)).tolist():
            inks[place] = ink
    return inks


SHARE_STEPS = {"more": 1, "less": -1}
"""Actions that show more edges, or fewer."""


def step_share(c: Context, name: str, now: int) -> Selection | None:
    """More edges than are shown now, or fewer."""
    return state.step_share(c.selection, now, SHARE_STEPS[name])
