"""The two lines below the map: what its colours mean, and the layers with their maps' quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .. import text
from ..pane import Context
from ..plots.canvas import Canvas, Ink
from ..plots.legends import class_legend, density_legend
from ..plots.scale import legend
from ..plots.scatter import Ground
from ..views.answers import Side
from .map_points import colours, scale

Shown = Sequence[tuple[Side, Ground]]
"""The maps that are drawn, one or two."""


@dataclass
class Strip:
    """The strip of layers.

    Attributes:
        hits: (first column, one past the last, layer) of what a click chooses.
    """

    canvas: Canvas
    hits: list[tuple[int, int, int]] = field(default_factory=list)

    def layer(self, x: int) -> int | None:
        """The layer at a column."""
        return next((layer for left, right, layer in self.hits if left <= x < right), None)


# -- colours ------------------------------------------------------------------------------------


def colour_line(c: Context, width: int, shown: Shown) -> Canvas:
    """What the colours of the (last) map mean, and its shades if it shows how crowded cells are."""
    canvas = Canvas(width, 1, ascii_only=c.look.ascii)
    side, ground = shown[-1] if shown else (c.project.side(c.selection.view), None)
    x = canvas.put(0, 0, f"{side} ", c.look.header) if len(shown) > 1 else 0
    right = width
    if ground is not None and ground.edges:
        plain = not c.selection.colouring
        shades = density_legend(c.look, ground.edges, ground.densest, width // 2 - x, plain=plain)
        right = x if plain else width - shades.width
        canvas.blit(right, 0, shades)
        right -= 2
    if right > x:
        canvas.blit(x, 0, _colours(c, side, right - x))
    return canvas


def _colours(c: Context, side: Side, width: int) -> Canvas:
    s, project = c.selection, c.project
    classes, values = colours(c, side)
    if values is not None and (found := scale(c)) is not None:
        title = project.colouring_title(s.colouring)
        return legend(c.look, found, width, note=title, lines=True)
    if classes is None:
        return Canvas(width, 1, ascii_only=c.look.ascii)
    labels = project.classes(side, s.colouring)[1]
    key = ("class counts", side, s.colouring)
    counts = project.once(key, lambda: np.bincount(classes + 1, minlength=len(labels) + 1)).tolist()
    return class_legend(labels, counts[1:], c.look, width, unknown=counts[0])


# -- layers -------------------------------------------------------------------------------------


def layer_strip(c: Context, width: int, shown: Shown, sides: Sequence[Side]) -> Strip:
    """The layers with a bar for the quality of each map, the chosen one marked; how many points.

    Where there is no room for all numbers, bars of the layers around the chosen one remain.

    Args:
        shown: the maps as they were drawn; empty if they were not.
        sides: whose points and quality are told.
    """
    look, s = c.look, c.selection
    strip = Strip(Canvas(width, 1, ascii_only=look.ascii))
    bars, ends = _bars(c, sides[-1])
    layers = range(c.project.limits.layers + 1)
    x = strip.canvas.put(0, 0, "layer", look.muted)
    if x + sum(len(str(layer)) + 2 for layer in layers) <= width - 26:
        for layer in layers:
            start = x + 1
            x = strip.canvas.put(start, 0, f"{layer}{bars[layer]}", _layer_ink(c, layer))
            strip.hits.append((start, x, layer))
    else:
        x = strip.canvas.put(x + 1, 0, f"{s.layer} of 0-{layers[-1]}", look.accent)
        x = _bar_row(c, strip, x + 1, min(len(layers), width - 26 - x), bars)
    _facts(c, strip.canvas, x, shown, sides, ends)
    return strip


def _layer_ink(c: Context, layer: int) -> Ink:
    return c.look.accent._replace(reverse=True) if layer == c.selection.layer else c.look.muted


def _bar_row(c: Context, strip: Strip, x: int, room: int, bars: Sequence[str]) -> int:
    """Only bars, of the layers around the chosen one if there are too many; the column after."""
    if room < 5 or not any(bars):
        return x - 1
    first = max(0, min(c.selection.layer - room // 2, len(bars) - room))
    for layer in range(first, min(first + room, len(bars))):
        strip.canvas.put(x, 0, bars[layer], _layer_ink(c, layer))
        strip.hits.append((x, x + 1, layer))
        x += 1
    return x


def _bars(c: Context, side: Side) -> tuple[list[str], str]:
    """A bar per layer for the first quality that the file has, and the range that they span."""
    count = c.project.limits.layers + 1
    quality = c.project.file(side).quality
    if not quality:
        return [""] * count, ""
    name, values = next(iter(quality.items()))
    found = np.full(count, np.nan)
    found[: len(values)] = np.asarray(values, dtype=np.float64)[:count]
    if not np.isfinite(found).any():
        return [""] * count, ""
    low, high = float(np.nanmin(found)), float(np.nanmax(found))
    signs = c.look.marks.bars[1:]
    steps = np.rint((found - low) / max(high - low, 1e-9) * (len(signs) - 1))
    bars = [
        c.look.marks.undefined if np.isnan(step) else signs[int(step)] for step in steps.tolist()
    ]
    return bars, f"{short(name)} {c.look.number(low)} to {c.look.number(high)}"


def _facts(
    c: Context, canvas: Canvas, x: int, shown: Shown, sides: Sequence[Side], ends: str
) -> None:
    """Number of points, quality of the map that is shown, range of the bars; what has room."""
    look, s = c.look, c.selection
    words = [_count(c, shown, sides)]
    qualities = {side: c.project.file(side).quality for side in sides}
    for name in qualities[sides[-1]]:
        numbers = [
            (f"{side} " if len(sides) > 1 else "") + look.number(float(found[name][s.layer]))
            for side, found in qualities.items()
            if name in found and s.layer < len(found[name])
        ]
        words.append(f"{short(name)} {' '.join(numbers)}")
    if ends:
        words.append(f"bars: {ends}")
    for word in words:
        if x + 2 + text.width(word) <= canvas.width:
            x = canvas.put(x + 2, 0, word, look.muted)


def _count(c: Context, shown: Shown, sides: Sequence[Side]) -> str:
    """How many points there are, how many of them are seen, how many have no place."""
    whole = [len(c.project.file(side).points) for side in sides]
    hidden = max((ground.outside for _, ground in shown), default=0)
    undefined = max((ground.undefined for _, ground in shown), default=0)
    if c.project.points.shared or len(sides) == 1:
        seen = f"{whole[-1] - shown[-1][1].outside:,} of " if hidden and len(sides) == 1 else ""
        words = seen + text.many(whole[-1], "point")
    else:
        counts = (f"{side} {count:,}" for side, count in zip(sides, whole, strict=True))
        words = f"{', '.join(counts)} points"
    return f"{words} ({undefined:,} have no place)" if undefined else words


def short(name: str) -> str:
    """A quality's name for the narrow line: "trustworthiness@15" becomes "trust@15"."""
    return name.replace("trustworthiness", "trust")
