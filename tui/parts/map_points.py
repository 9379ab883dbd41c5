"""The points of the map as they are drawn: their ground, kept from frame to frame, and stars."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..pane import Context
from ..plots.plane import Bounds
from ..plots.scale import Scale
from ..plots.scatter import Ground, Mode, Star, ground
from ..views.answers import Mention, Side
from ..window import Window

MOST_STARS = 60
"""Mentions that are starred at most: the tokens of a long text would cover the whole map."""


def window(c: Context, side: Side) -> Window:
    """The part of a model's map that is shown."""
    return c.selection.window_a if side == "A" else c.selection.window_b


def frame(c: Context, side: Side, layer: int) -> Bounds:
    """The rectangle of a whole map."""
    key = ("frame", side, layer)
    return c.project.once(key, lambda: Bounds.of(c.project.coordinates(side, layer)))


def colours(
    c: Context, side: Side
) -> tuple[npt.NDArray[np.int32] | None, npt.NDArray[np.float32] | None]:
    """What colours the points: classes or values, one of them None; both if nothing does."""
    column = c.selection.colouring
    if not column:
        return None, None
    if c.project.is_continuous(column):
        return None, c.project.numbers(side, column)
    return c.project.classes(side, column)[0], None


def scale(c: Context) -> Scale | None:
    """Range of a continuous column, the same for A and B; None for other columns."""
    column = c.selection.colouring
    if not column or not c.project.is_continuous(column):
        return None
    values = [c.project.numbers(side, column) for side in c.project.sides]
    return c.project.once(("scale", column), lambda: Scale.of(np.concatenate(values)))


def drawn_ground(c: Context, side: Side, width: int, height: int) -> Ground:
    """All points of the chosen map; what was drawn before is kept."""
    s = c.selection
    part = window(c, side)
    modes: dict[str, Mode] = {"auto": "auto", "on": "density"}
    calm: Literal["dots", "glyphs"] = "glyphs" if c.look.depth == "none" else "dots"
    mode = modes.get(s.density, calm)
    key = ("ground", side, s.layer, s.colouring, part, width, height, c.look, mode)
    return c.project.once(key, lambda: _ground(c, side, width, height, part, mode))


def _ground(c: Context, side: Side, width: int, height: int, part: Window, mode: Mode) -> Ground:
    classes, values = colours(c, side)
    return ground(
        c.project.coordinates(side, c.selection.layer),
        classes,
        c.look,
        width,
        height,
        values=values,
        scale=scale(c),
        bounds=frame(c, side, c.selection.layer).part(part),
        mode=mode,
    )


def marked(c: Context, side: Side) -> npt.NDArray[np.bool_] | None:
    """Which points of a model's map are marked; None if none are."""
    s, project = c.selection, c.project
    if not s.marked:
        return None

    def make() -> npt.NDArray[np.bool_]:
        found = np.zeros(len(project.file(side).points), dtype=bool)
        found[project.point_rows(side, s.marked)] = True
        return found

    return project.once(("marked points", side, s.marked), make)


def stars(c: Context, side: Side, inks: Mapping[int, str] | None = None) -> list[Star]:
    """A star per point of the selected example, labelled once per mention, the chosen first.

    Then, with a sign of its own, one per point of the pinned example.

    Args:
        inks: colours of labels, by row; of the others that of their class.
    """
    project, s = c.project, c.selection
    item = project.item_span(s)
    found = []
    for mention in starred(c):
        rows = [row for p in mention.points if (row := project.point_row(side, p)) >= 0]
        aimed = item is not None and item[0] <= mention.token < item[1]
        label = f"{c.look.marks.cursor}{mention.text}" if aimed else mention.text
        for number, row in enumerate(rows):
            last = number > 0 or not (aimed or mention.token in chosen_tokens(c))
            found.append((last, Star(row, label if number == 0 else "", (inks or {}).get(row, ""))))
    return [star for _, star in sorted(found, key=lambda one: one[0])] + _pinned(c, side)


def _pinned(c: Context, side: Side) -> list[Star]:
    """The points of the pinned example, unless it is the one that is looked at."""
    project, s = c.project, c.selection
    if s.pinned is None or s.pinned == s.example:
        return []
    found, sign = [], c.look.marks.pinned
    for mention in project.mentions(s.pinned)[:MOST_STARS]:
        rows = [row for p in mention.points if (row := project.point_row(side, p)) >= 0]
        found += [Star(row, "" if number else mention.text, "", sign) for number, row in
                  enumerate(rows)]  # fmt: skip
    return found


def chosen_tokens(c: Context) -> frozenset[int]:
    """The tokens of the chosen pair."""
    return frozenset(t for a, b in c.project.spans(c.selection) for t in range(a, b))


def starred(c: Context) -> list[Mention]:
    """What is starred: the mentions of the example; of very many those around the chosen item."""
    mentions = c.project.mentions(c.selection.example)
    if len(mentions) <= MOST_STARS:
        return mentions
    item = c.project.item_span(c.selection)
    at = bisect_left([mention.token for mention in mentions], 0 if item is None else item[0])
    first = max(0, min(at - MOST_STARS // 2, len(mentions) - MOST_STARS))
    return mentions[first : first + MOST_STARS]
