"""Where a few points go through the layers: their places in each layer's map, joined by lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import text
from ..look import Ink
from ..pane import Context
from ..plots.canvas import Canvas
from ..plots.path import Route, draw_routes
from ..plots.scatter import Ground
from ..views.answers import Side
from .map_points import chosen_tokens, frame, starred, window

MOST_ROUTES = 4
"""Points whose way is drawn: more lines than this cannot be told apart."""
_MANY_MAPS = 12
"""Maps from which only half as many ways are drawn, unless the points are marked."""
_MOST_NAMES = 16
"""Stops of a way that have a number; of more layers only some do."""


def followed(c: Context, side: Side) -> dict[int, str]:
    """The points whose way is drawn, by row, with their words.

    Those that are marked, if they are few; else what is starred, the chosen pair or word first.
    """
    project, s = c.project, c.selection
    if 0 < len(s.marked) <= MOST_ROUTES:
        rows = project.point_rows(side, sorted(s.marked)).tolist()
        points = project.file(side).points
        return {row: str(points.cell("text", row)) for row in rows}
    item, chosen = project.item_span(s), chosen_tokens(c)
    aimed = range(*item) if item is not None else chosen
    mentions = sorted(starred(c), key=lambda mention: mention.token not in aimed)
    rows_of = ((project.point_row(side, mention.points[0]), mention.text) for mention in mentions)
    most = MOST_ROUTES // 2 if len(project.file(side).mapped_layers) > _MANY_MAPS else MOST_ROUTES
    return dict([(row, words) for row, words in rows_of if row >= 0][:most])


def inks(c: Context, side: Side) -> dict[int, str]:
    """The colour of each way, by the point's row; its label has it too."""
    return {row: c.look.category(number)[0] for number, row in enumerate(followed(c, side))}


def _key(c: Context, side: Side) -> tuple[object, ...]:
    return ("stops", side, tuple(followed(c, side)))


def ready(c: Context, side: Side) -> bool:
    """Whether the stops are known; finding them reads the maps of all layers."""
    return c.project.has(_key(c, side))


def stops(c: Context, side: Side) -> npt.NDArray[np.float64]:
    """Where the followed points are in each map, shares of its frame: [points, maps, 2]."""
    rows = list(followed(c, side))

    def make() -> npt.NDArray[np.float64]:
        found = [_shares(c, side, layer, rows) for layer in c.project.file(side).mapped_layers]
        places = np.array(found, dtype=np.float64).reshape(len(found), len(rows), 2)
        return places.swapaxes(0, 1)

    return c.project.once(_key(c, side), make)


def _shares(c: Context, side: Side, layer: int, rows: list[int]) -> npt.NDArray[np.float64]:
    """Places in one map, as shares of its width and height: [rows, 2]."""
    box = frame(c, side, layer)
    xy = np.asarray(c.project.coordinates(side, layer)[rows], dtype=np.float64)
    low, high = np.array([box.left, box.bottom]), np.array([box.right, box.top])
    return np.asarray((xy - low) / (high - low))


def with_routes(c: Context, side: Side, below: Ground) -> Ground:
    """The ground with the ways of the followed points drawn over it; the points recede."""
    canvas = Canvas(below.canvas.width, below.canvas.height, c.look.ascii)
    canvas.blit(0, 0, below.canvas)
    canvas.restyle(0, 0, canvas.width, canvas.height, dim=True, bold=False)
    part = window(c, side)
    layers = c.project.file(side).mapped_layers
    every = -(-len(layers) // _MOST_NAMES)
    routes = []
    words = followed(c, side).values()
    for number, (shares, word) in enumerate(zip(stops(c, side), words, strict=True)):
        seen = (shares - (part.x, part.y)) * part.zoom + 0.5
        letter = _letter(c, number, word, len(words))
        names = [
            f"{letter}{layer}" if place % every == 0 and layer != c.selection.layer else ""
            for place, layer in enumerate(layers)
        ]
        ink = Ink(fg=c.look.category(number)[0], bold=True)
        routes.append(Route(seen, names, ink))
    draw_routes(canvas, routes, c.look)
    return below._replace(canvas=canvas)


def _letter(c: Context, number: int, word: str, count: int) -> str:
    """What stands before the numbers of a way, where colours don't tell several apart."""
    if count < 2 or c.look.depth not in ("none", "16"):
        return ""
    first = text.clean(word, c.look.ascii)[:1]
    return first if first.isalpha() else "abcd"[number]


def caution(c: Context, side: Side, width: int) -> str:
    """What the ways are worth, in the longest words that fit.

    Maps of different layers can be compared as far as they grew from one start.
    """
    file = c.project.file(side)
    layers, start = file.mapped_layers, str(file.meta.settings.get("projection_start") or "")
    span = f"layers {layers[0]}-{layers[-1]}"
    if "same for all" in start:
        worth = [
            "the maps grew from one start: places are comparable roughly, in shares of each map",
            "maps of one start, roughly comparable",
            "roughly comparable",
        ]
    elif start:
        worth = ["the maps have no common start: moves mean little", "no common start"]
    else:
        worth = [
            "the file does not say whether the maps share a start: moves may mean nothing",
            "comparable only if maps share a start",
            "maps may not compare",
        ]
    forms = [f" path through {span}: {worth[0]} ", f" path, {span}: {worth[1]} "]
    forms += [f" {span}: {worth[-1]} ", f" path, {span} "]
    return next((form for form in forms if len(form) <= width), text.cut(forms[-1], width))
