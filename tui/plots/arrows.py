"""The arrow map of one attention head: which tokens look at which.

Queries stand at the left, keys at the right, lines run between them: braille dots, in ASCII signs
that follow the slope. What is shown is chosen by share: of each row the strongest edges that
together make up so much of its mass, so that no row is empty and none a hairball.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tui.look import PLAIN, Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.heatmap import scroll
from tui.plots.scale import Scale, legend
from tui.text import cut
from tui.text import width as cells_of

__all__ = ["ArrowMap", "arrows", "strongest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ALL_TOKENS = 0.7  # the share that is shown of all rows together
_ONE_TOKEN = 0.95  # the same of a chosen token, which has the picture for itself
_WIDEST = 64  # columns of lines; more only pulls the labels apart
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int32)


@dataclass(frozen=True, eq=False)
class ArrowMap:
    """A drawn arrow map.

    Attributes:
        canvas: The picture.
        top: First token in sight; give it back for calm scrolling.
        edges: Lines that were drawn.
        note: What they are, in words, for a report.
    """

    canvas: Canvas
    top: int
    edges: int
    note: str
    _plan: _Plan

    def hit(self, x: int, y: int) -> tuple[Literal["query", "key"], int] | None:
        """Return which token's label a cell belongs to, or None between and outside the labels.

        Args:
            x: Column of the canvas.
            y: Row of the canvas.
        """
        plan = self._plan
        row = plan.top + y - plan.first
        if not (0 <= y - plan.first < plan.rows and 0 <= x < self.canvas.width):
            return None
        if x < plan.lines and row < plan.queries:
            return "query", row
        if x >= plan.lines + plan.across and row < plan.keys:
            return "key", row
        return None


@dataclass(frozen=True)
class _Plan:
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
class _Edges:
    """Edges, weakest first: rows, columns and weights, each [n]."""

    queries: Ints
    keys: Ints
    weights: Floats


def strongest(weights: NDArray[np.floating[Any]], share: float) -> Mask:
    """Choose the strongest entries of each row that together make up a share of its mass.

    The mass of a row is the sum of its absolute values. Entries are taken from the largest down
    (of equal ones the first in the row) until they reach the share, so no smaller number of them
    would do.

    Args:
        weights: [rows, columns]; NaN and infinities count as 0.
        share: Part of the mass, 0 to 1; what lies outside counts as the nearer end.

    Returns:
        bool [rows, columns], true for the chosen ones. Zeros are never chosen.
    """
    mass = np.abs(np.asarray(weights, dtype=np.float64))
    mass[~np.isfinite(mass)] = 0
    order = np.argsort(-mass, axis=1, kind="stable")
    ordered = np.take_along_axis(mass, order, axis=1)
    reached = np.cumsum(ordered, axis=1)
    # An entry is needed if what stands before it does not reach the share.
    before = reached - ordered
    before[:, 1:] = reached[:, :-1]
    needed = before < min(max(share, 0.0), 1.0) * reached[:, -1:]
    chosen = np.zeros(mass.shape, dtype=bool)
    np.put_along_axis(chosen, order, needed & (ordered > 0), axis=1)
    return chosen


def _chosen(
    weights: Floats, query: int | None, key: int | None, plan: _Plan, share: float
) -> _Edges:
    """Return the edges to draw: of a query, into a key, or of the rows in sight."""
    if query is not None:
        columns = np.flatnonzero(strongest(weights[query : query + 1], share)[0])
        rows = np.full(len(columns), query)
    elif key is not None:
        rows = np.flatnonzero(strongest(weights[:, key][None], share)[0])
        columns = np.full(len(rows), key)
    else:
        rows, columns = np.nonzero(strongest(weights[plan.top : plan.top + plan.rows], share))
        rows = rows + plan.top
    found = weights[rows, columns]
    order = np.argsort(np.abs(found), kind="stable")
    return _Edges(rows[order], columns[order], found[order])


def _label_widths(room: int, queries: Sequence[str], keys: Sequence[str]) -> tuple[int, int]:
    """Share room between the labels of both sides; what one does not need the other gets."""
    wanted = [max((cells_of(label) for label in labels), default=0) for labels in (queries, keys)]
    half = room // 2
    first = min(wanted[0], max(half, room - wanted[1]))
    return max(first, 0), max(min(wanted[1], room - first), 0)


def _make_plan(
    canvas: Canvas,
    labels: tuple[Sequence[str], Sequence[str]],
    weight: tuple[int, int],
    chosen: int | None,
    top: int,
) -> _Plan:
    """Lay the map out on the canvas."""
    queries, keys = len(labels[0]), len(labels[1])
    room = canvas.height - (1 if canvas.height >= 3 else 0)
    scrolls = max(queries, keys) > room
    first = 1 if scrolls and room >= 6 else 0
    rows = max(room - 2 * first, 0)
    # Beside the labels stand a cell for the cursor and one of air, and the weights with theirs.
    beside = 4 + sum(cells + 1 for cells in weight if cells)
    least = min(max(canvas.width // 3, 4), 24)
    label = _label_widths(max(canvas.width - beside - least, 0), *labels)
    across = min(max(canvas.width - beside - sum(label), 0), _WIDEST)
    left = max((canvas.width - beside - sum(label) - across) // 2, 0)
    return _Plan(
        queries=queries,
        keys=keys,
        top=scroll(top, chosen, rows, max(queries, keys)),
        first=first,
        rows=rows,
        label=label,
        weight=weight,
        left=left,
        lines=left + 2 + label[0] + (weight[0] + 1 if weight[0] else 0),
        across=across,
    )


def _window(plan: _Plan, edges: _Edges) -> tuple[Floats, Floats]:
    """Return where each edge comes into the window and leaves it, 0 at the query, 1 at the key."""
    starts = (edges.queries - plan.top).astype(np.float64)
    run = (edges.keys - edges.queries).astype(np.float64)
    # The window's borders are half a row beyond its first and last row's middle. A level edge
    # never meets them; any number that is not 0 sends both meeting points far away.
    run[run == 0] = 1e-9
    meets = np.stack(((-0.5 - starts) / run, (plan.rows - 0.5 - starts) / run))
    enter, leave = np.maximum(meets.min(axis=0), 0), np.minimum(meets.max(axis=0), 1)
    return enter, leave


def _trace(plan: _Plan, edges: _Edges, fine: tuple[int, int]) -> tuple[Ints, Ints]:
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


def _steps(edges: _Edges, scale: Scale, look: Look) -> NDArray[np.int32]:
    """Return each edge's place in `Look.strokes`."""
    return scale.steps(edges.weights, len(look.strokes(scale.diverging)))


def _draw_lines(
    canvas: Canvas, plan: _Plan, edges: _Edges, scale: Scale, look: Look, mesh: bool
) -> None:
    """Draw the lines, weakest first; negative differences are dashed.

    A cell has the colour of the strongest edge through it. In a mesh, the map of all tokens, it
    also has the dots of edges of that colour only, so that strong lines stay lines; edges of one
    token fan out from it and need no such help.
    """
    fine = (1, 1) if look.ascii else (2, 4)
    columns, rows = _trace(plan, edges, fine)
    steps = _steps(edges, scale, look)
    drawn = np.ones(columns.shape, dtype=bool)
    if scale.diverging:
        # Each edge begins its dashes elsewhere, else those of a bundle join to columns.
        dash = (columns // fine[0] // 2 + np.arange(len(steps))[:, None]) % 2 == 0
        drawn = dash | (edges.weights >= 0)[:, None]
    which = np.nonzero(drawn)[0]
    x, y = columns[drawn], rows[drawn]
    cell = y // fine[1], x // fine[0]
    owner = np.full((plan.rows, plan.across), -1)
    owner[cell] = which  # of several the last one stays: the strongest
    if look.ascii:
        chars = _slopes(plan, edges)[np.maximum(owner, 0)]
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


def _slopes(plan: _Plan, edges: _Edges) -> NDArray[np.str_]:
    """Return the ASCII sign of each edge: `-` for a flat one, `/` and `\\`, `|` for a steep one."""
    slope = (edges.keys - edges.queries) / max(plan.across, 1)
    signs = np.where(slope > 0, "\\", "/")
    signs = np.where(np.abs(slope) < 0.25, "-", signs)
    found: NDArray[np.str_] = np.where(np.abs(slope) > 2, "|", signs).astype("<U1")
    return found


def _draw_exits(
    canvas: Canvas, plan: _Plan, edges: _Edges, inks: Sequence[Ink], look: Look
) -> None:
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
        canvas.put(plan.lines + int(column), y, sign, replace(inks[index], bold=True))


def _draw_label(
    canvas: Canvas,
    plan: _Plan,
    side: int,
    row: int,
    text: str,
    ink: Ink,
    cursor: bool,
    weight: tuple[str, Ink] | None,
    look: Look,
) -> None:
    """Write one token, with the cursor before it and its weight towards the lines."""
    y = plan.first + row - plan.top
    text = cut(text, plan.label[side], look.marks.ellipsis)
    if side == 0:
        x = plan.left + 1 + plan.label[0] - cells_of(text)
        weight_x = plan.left + 2 + plan.label[0]
    else:
        weight_x = plan.lines + plan.across + 1
        x = weight_x + (plan.weight[1] + 1 if plan.weight[1] else 0) + 1
    if cursor:
        canvas.put(x - 1, y, look.marks.cursor, look.accent)
    canvas.put(x, y, text, ink)
    if weight and plan.weight[side]:
        number, weight_ink = weight
        canvas.put(weight_x + plan.weight[side] - cells_of(number), y, number, weight_ink)


def _draw_labels(
    canvas: Canvas,
    plan: _Plan,
    labels: tuple[Sequence[str], Sequence[str]],
    chosen: tuple[int | None, int | None],
    partners: tuple[dict[int, tuple[str, Ink]], dict[int, tuple[str, Ink]]],
    faint: tuple[Collection[int], Collection[int]],
    look: Look,
) -> None:
    """Write the tokens of both sides that are in sight."""
    anything = chosen != (None, None)
    for side in (0, 1):
        for row in range(plan.top, min(plan.top + plan.rows, len(labels[side]))):
            here = row == chosen[side]
            weight = partners[side].get(row)
            pale = row in faint[side]
            ink = look.muted if pale or anything else look.text
            if weight:
                ink = replace(look.muted if pale else look.text, bold=weight[1].bold)
            if here:
                ink = look.accent
            _draw_label(canvas, plan, side, row, labels[side][row], ink, here, weight, look)


def _partners(
    weights: Floats, edges: _Edges, query: int | None, key: int | None, scale: Scale, look: Look
) -> tuple[dict[int, tuple[str, Ink]], dict[int, tuple[str, Ink]]]:
    """Return the numbers to write beside queries and beside keys.

    With both a query and a key chosen theirs is written even if it is too weak for a line. Those of
    at least half the largest are bold.
    """
    found: tuple[dict[int, tuple[str, Ink]], dict[int, tuple[str, Ink]]] = ({}, {})
    if query is None and key is None:
        return found
    strokes = look.strokes(scale.diverging)
    pairs = list(zip(edges.queries.tolist(), edges.keys.tolist(), strict=True))
    if query is not None and key is not None and (query, key) not in pairs:
        pairs.append((query, key))
    largest = float(np.abs(edges.weights).max(initial=0))
    side = 0 if query is None else 1
    for pair in pairs:
        value = float(weights[pair])
        strong = abs(value) >= largest / 2 and value != 0
        # The low end of the ramps is fit for lines, not for reading.
        ink = look.text
        if strong and 2 * abs(value) >= max(abs(scale.lo), abs(scale.hi)):
            ink = strokes[int(scale.steps(value, len(strokes)))]
        found[side][pair[side]] = look.number(value, scale.diverging), replace(ink, bold=strong)
    return found


def _weight_width(
    weights: Floats, query: int | None, key: int | None, signed: bool
) -> tuple[int, int]:
    """Return how many cells the weights beside queries and keys take; steady while one moves."""
    if query is None and key is None:
        return 0, 0
    cells = 5 if signed else 4
    if np.abs(weights[np.isfinite(weights)]).max(initial=0) >= 10:
        cells += 1
    return (cells, 0) if query is None else (0, cells)


def _beyond(plan: _Plan) -> tuple[str, str]:
    """Return how many tokens are above the window and below it, in words; "" for none."""
    below = [max(total - plan.top - plan.rows, 0) for total in (plan.queries, plan.keys)]
    words = f"↓ {below[0]} below"
    if below[0] != below[1]:
        words = f"↓ {below[0]} queries, {below[1]} keys below"
    return f"↑ {plan.top} above" if plan.top else "", words if any(below) else ""


def _draw_beyond(canvas: Canvas, plan: _Plan, look: Look) -> str:
    """Say what is out of sight: in rows of its own, else in words for the last line."""
    above, below = _beyond(plan)
    if not plan.first:
        return " ".join(words for words in (above, below) if words)
    for words, y in ((above, plan.first - 1), (below, plan.first + plan.rows)):
        words = cut(words, canvas.width, look.marks.ellipsis)
        x = plan.lines + (plan.across - cells_of(words)) // 2
        canvas.put(min(max(x, 0), canvas.width - cells_of(words)), y, words, look.muted)
    return ""


def _draw_foot(canvas: Canvas, scale: Scale, note: str, beyond: str, look: Look) -> None:
    """Draw the legend and the note in the last row; the note gives way first."""
    y = canvas.height - 1
    x = canvas.put(0, y, beyond, look.muted) + 2 if beyond else 0
    room = canvas.width - x
    taken = cells_of(note) + 2
    if room - taken >= (20 if scale.diverging else 16):
        canvas.put(canvas.width - taken + 1, y, note, look.muted)
        room -= taken + 1
    canvas.blit(x, y, legend(look, scale, min(room, 36), lines=True))


def _note(query: int | None, key: int | None, share: float, plan: _Plan, scale: Scale) -> str:
    """Say in words which edges are drawn."""
    percent = round(100 * share)
    if query is not None:
        words = f"edges: {percent} % of the row"
    elif key is not None:
        words = f"edges: {percent} % into the key"
    else:
        all_shown = plan.queries <= plan.rows
        words = f"edges: {percent} % of each row" + ("" if all_shown else " in sight")
    return words + (", − dashed" if scale.diverging else "")


def arrows(
    weights: NDArray[np.floating[Any]],
    query_labels: Sequence[str],
    key_labels: Sequence[str],
    look: Look,
    width: int,
    height: int,
    *,
    query: int | None,
    key: int | None,
    top: int = 0,
    share: float | None = None,
    difference: bool = False,
    faint: Collection[int] = (),
    faint_keys: Collection[int] | None = None,
    scale: Scale | None = None,
    note: str = "",
) -> ArrowMap:
    """Draw the attention of one head as lines from queries, left, to keys, right.

    Without a chosen token the strongest edges of each row in sight are drawn (`strongest`). With a
    query, its edges, with their weights beside the keys; with a key alone, the edges into it, with
    the weights beside the queries. Of differences (B − A) the
    absolute values count, the sign is in the colour, in the weight, and negative lines are dashed.

    Args:
        weights: [queries, keys]; NaN is undefined and has no edge.
        query_labels: The queries' tokens, anything; as many as rows.
        key_labels: The keys' tokens; as many as columns.
        look: The terminal's look.
        width: Cells; any number.
        height: Rows; any number. From 3 rows on the last one is the legend.
        query: The chosen query, kept in sight; None, or out of range: none.
        key: The chosen key; kept in sight if no query is chosen.
        top: First token in sight before the chosen one is brought there.
        share: Part of a row's mass that is drawn, 0 to 1; by default 0.7, of one token 0.95.
        difference: The weights are differences.
        faint: Tokens that are drawn muted, such as special tokens; of both sides, or
        faint_keys: of the queries alone, and these of the keys.
        scale: Range of the line colours; by default 0 to the largest weight, for differences
            symmetric.
        note: Words in the last row that say which edges these are; made from the above if empty.

    Returns:
        The picture and how to read it.

    Raises:
        ValueError: If labels and weights differ in number.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (len(query_labels), len(key_labels)):
        raise ValueError(
            f"weights of shape {values.shape} do not fit {len(query_labels)} query and "
            f"{len(key_labels)} key labels; give one label for each row and each column"
        )
    query = query if query is not None and 0 <= query < len(query_labels) else None
    key = key if key is not None and 0 <= key < len(key_labels) else None
    if scale is None:
        scale = Scale.of(values, difference)
        scale = scale if difference else Scale(min(0.0, scale.lo), scale.hi)
    if share is None:
        share = _ALL_TOKENS if query is None and key is None else _ONE_TOKEN
    canvas = Canvas(width, height, look.ascii)
    labels = (query_labels, key_labels)
    beside = _weight_width(values, query, key, difference)
    plan = _make_plan(canvas, labels, beside, key if query is None else query, top)
    edges = _chosen(values, query, key, plan, share)
    drawn = len(edges.weights) if plan.across and plan.rows else 0
    if drawn:
        _draw_lines(canvas, plan, edges, scale, look, mesh=query is None and key is None)
    partners = _partners(values, edges, query, key, scale, look)
    pale = (faint, faint if faint_keys is None else faint_keys)
    _draw_labels(canvas, plan, labels, (query, key), partners, pale, look)
    beyond = _draw_beyond(canvas, plan, look)
    note = note or _note(query, key, share, plan, scale)
    if canvas.height >= 3:
        _draw_foot(canvas, scale, note, beyond, look)
    return ArrowMap(canvas, plan.top, drawn, note, plan)
