"""The lines of an arrow map: from where to where, as braille dots or ASCII signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.look import PLAIN, Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.scale import Scale

__all__ = ["Edges", "Plan", "draw_lines"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int32)


class Plan(NamedTuple):
    """Where things stand.

    Attributes:
        queries, keys: Numbers of tokens.
        top: First token in sight.
        first: Canvas row of that token.
        rows: Rows of tokens.
        label: Widths of the labels of queries and of keys.
        weight: Widths of the weights beside queries and beside keys, 0 without.
        left: Column where the queries' labels begin.
        lines: Column where the lines begin.
        across: Columns of lines.
    """

    queries: int
    keys: int
    top: int
    first: int
    rows: int
    label: tuple[int, int]
    weight: tuple[int, int]
    left: int
    lines: int
    across: int


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges, weakest first: rows, columns and weights, each [n]."""

    queries: Ints
    keys: Ints
    weights: Floats


def _window(plan: Plan, edges: Edges) -> tuple[Floats, Floats]:
    """Return where each edge comes into the window and leaves it, 0 at the query, 1 at the key."""
    starts = (edges.queries - plan.top).astype(np.float64)
    run = (edges.keys - edges.queries).astype(np.float64)
    # The window's borders are half a row beyond its first and last row's middle. A level edge
    # never meets them; any number that is not 0 sends both meeting points far away.
    run[run == 0] = 1e-9
    meets = np.stack(((-0.5 - starts) / run, (plan.rows - 0.5 - starts) / run))
    enter, leave = np.maximum(meets.min(axis=0), 0), np.minimum(meets.max(axis=0), 1)
    return enter, leave


def _trace(plan: Plan, edges: Edges, fine: tuple[int, int]) -> tuple[Ints, Ints]:
    """Return the points along the edges, as far as they are in the window.

    Args:
        plan: The layout.
        edges: The edges.
        fine: Points per cell, across and down: (2, 4) in braille, (1, 1) in ASCII.

    Returns:
        Columns and rows, both [edges, points], from the upper left corner of the lines. From point
        to point they change by at most one, so lines have no holes.
    """
    wide, high = plan.across * fine[0], plan.rows * fine[1]
    enter, leave = _window(plan, edges)
    count = max(wide, high)
    along = enter[:, None] + (leave - enter)[:, None] * ((np.arange(count) + 0.5) / count)
    starts = (edges.queries - plan.top) * fine[1] + (fine[1] - 1) / 2
    run = (edges.keys - edges.queries) * fine[1]
    columns = np.clip(along * wide, 0, wide - 1).astype(np.int64)
    rows = np.clip(np.floor(starts[:, None] + run[:, None] * along + 0.5), 0, high - 1)
    return columns, rows.astype(np.int64)


def _steps(edges: Edges, scale: Scale, look: Look) -> NDArray[np.int32]:
    """Return each edge's place in `Look.strokes`."""
    return scale.steps(edges.weights, len(look.strokes(scale.diverging)))


def draw_lines(
    canvas: Canvas, plan: Plan, edges: Edges, scale: Scale, look: Look, mesh: bool
) -> None:
    """Draw the lines, weakest first; negative differences are dashed, in ASCII dotted.

    A cell has the colour of the strongest edge through it. In a mesh, the map of all tokens, it
    also has the dots of edges of that colour only, so that strong lines stay lines; edges of one
    token fan out from it and need no such help.
    """
    fine = (1, 1) if look.ascii else (2, 4)
    columns, rows = _trace(plan, edges, fine)
    steps = _steps(edges, scale, look)
    drawn = np.ones(columns.shape, dtype=bool)
    if scale.diverging and not look.ascii:
        # Each edge begins its dashes elsewhere, else those of a bundle join to columns.
        dash = (columns // fine[0] // 2 + np.arange(len(steps))[:, None]) % 2 == 0
        drawn = dash | (edges.weights >= 0)[:, None]
    which = np.nonzero(drawn)[0]
    x, y = columns[drawn], rows[drawn]
    cell = y // fine[1], x // fine[0]
    owner = np.full((plan.rows, plan.across), -1)
    owner[cell] = which  # of several the last one stays: the strongest
    if look.ascii:
        chars = np.where(edges.weights < 0, ".", _slopes(plan, edges))[np.maximum(owner, 0)]
        chars[owner < 0] = " "
    else:
        dots = np.zeros((plan.rows * 4, plan.across * 2), dtype=bool)
        same = (steps[which] == steps[owner[cell]]) | (not mesh)
        dots[y[same], x[same]] = True
        tiles = dots.reshape(plan.rows, 4, plan.across, 2)
        bits = (tiles * _DOTS[None, :, None, :]).sum(axis=(1, 3), dtype=np.int32)
        codes = np.where(bits > 0, bits + 0x2800, ord(" ")).astype(np.uint32)
        chars = codes.view("<U1").reshape(bits.shape)
    inks = (PLAIN, *look.strokes(scale.diverging))
    ids = np.where(owner < 0, 0, steps[np.maximum(owner, 0)] + 1)
    canvas.paint(plan.lines, plan.first, chars, ids, inks)
    _draw_exits(canvas, plan, edges, [inks[step + 1] for step in steps.tolist()], look)


def _slopes(plan: Plan, edges: Edges) -> NDArray[np.str_]:
    """Return the ASCII sign of each edge: `-` for a flat one, `/` and `\\`, `|` for a steep one."""
    slope = (edges.keys - edges.queries) / max(plan.across, 1)
    signs = np.where(slope > 0, "\\", "/")
    signs = np.where(np.abs(slope) < 0.25, "-", signs)
    found: NDArray[np.str_] = np.where(np.abs(slope) > 2, "|", signs).astype("<U1")
    return found


def _draw_exits(canvas: Canvas, plan: Plan, edges: Edges, inks: Sequence[Ink], look: Look) -> None:
    """Mark where edges leave the window or come into it: the token is further up or down."""
    enter, leave = _window(plan, edges)
    coming = enter > 0
    border = np.where(coming, enter, leave)
    x = np.minimum((border * plan.across).astype(np.int64), plan.across - 1)
    up = np.where(coming, edges.queries, edges.keys) < plan.top
    out = np.flatnonzero(coming | (leave < 1))
    # Of the edges through one cell the last, the strongest, gives its colour.
    last = {(x[index], up[index]): index for index in out.tolist()}
    for (column, above), index in last.items():
        y = plan.first if above else plan.first + plan.rows - 1
        sign = look.marks.up if above else look.marks.down
        canvas.put(plan.lines + int(column), y, sign, inks[index]._replace(bold=True))
