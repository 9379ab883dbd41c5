"""The arrow map of one attention head: which tokens look at which.

Queries stand at the left, keys at the right, lines run between them: braille dots, in ASCII signs
that follow the slope. What is shown is chosen by share: of each row the strongest edges that
together make up so much of its mass, so that no row is empty and none a hairball.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tui.look import Ink, Look
from tui.plots.arrow_lines import Edges, Plan, draw_lines
from tui.plots.canvas import Canvas
from tui.plots.heatmap import measure_labels, scroll
from tui.plots.scale import Scale, legend
from tui.text import cut
from tui.text import width as cells_of

__all__ = ["ArrowMap", "arrows", "strongest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ALL_TOKENS = 0.7  # the share that is shown of all rows together
_ONE_TOKEN = 0.95  # the same of a chosen token, which has the picture for itself
MOST_LINES = 1000
"""No more are drawn, the strongest; more would only fill the picture."""
_WIDEST = 64  # columns of lines; more only pulls the labels apart


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
    _plan: Plan

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


def _chosen(weights: Floats, query: int | None, key: int | None, plan: Plan, share: float) -> Edges:
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
    found = weights[rows, columns].astype(np.float64)
    order = np.argsort(np.abs(found), kind="stable")[-MOST_LINES:]
    return Edges(rows[order], columns[order], found[order])


def _label_widths(room: int, queries: Sequence[str], keys: Sequence[str]) -> tuple[int, int]:
    """Share room between the labels of both sides; what one does not need the other gets."""
    wanted = [measure_labels(tuple(labels))[0] for labels in (queries, keys)]
    half = room // 2
    first = min(wanted[0], max(half, room - wanted[1]))
    return max(first, 0), max(min(wanted[1], room - first), 0)


def _make_plan(
    canvas: Canvas,
    labels: tuple[Sequence[str], Sequence[str]],
    weight: tuple[int, int],
    chosen: int | None,
    top: int,
) -> Plan:
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
    return Plan(
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


def _draw_label(
    canvas: Canvas,
    plan: Plan,
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
    plan: Plan,
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
                ink = look.muted if pale else look.text._replace(bold=weight[1].bold)
            if here:
                ink = look.accent
            _draw_label(canvas, plan, side, row, labels[side][row], ink, here, weight, look)


def _partners(
    weights: Floats, edges: Edges, query: int | None, key: int | None, scale: Scale, look: Look
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
        found[side][pair[side]] = look.number(value, scale.diverging), ink._replace(bold=strong)
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


def _beyond(plan: Plan) -> tuple[str, str]:
    """Return how many tokens are above the window and below it, in words; "" for none."""
    below = [max(total - plan.top - plan.rows, 0) for total in (plan.queries, plan.keys)]
    words = f"↓ {below[0]} below"
    if below[0] != below[1]:
        words = f"↓ {below[0]} queries, {below[1]} keys below"
    return f"↑ {plan.top} above" if plan.top else "", words if any(below) else ""


def _draw_beyond(canvas: Canvas, plan: Plan, look: Look) -> str:
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


def _note(
    query: int | None,
    key: int | None,
    share: float,
    plan: Plan,
    scale: Scale,
    drawn: int,
    look: Look,
) -> str:
    """Say in words which edges are drawn."""
    percent = round(100 * share)
    if query is not None:
        words = f"edges: {percent} % of the row"
    elif key is not None:
        words = f"edges: {percent} % into the key"
    else:
        all_shown = plan.queries <= plan.rows
        words = f"edges: {percent} % of each row" + ("" if all_shown else " in sight")
    if drawn >= MOST_LINES:
        words = f"the strongest {drawn:,} {words}"
    return words + (f", − {'dotted' if look.ascii else 'dashed'}" if scale.diverging else "")


def _inside(
    values: Floats, labels: tuple[Sequence[str], Sequence[str]], query: int | None, key: int | None
) -> tuple[int | None, int | None]:
    """Return the chosen query and key, None for one that there is not.

    Raises:
        ValueError: If labels and weights differ in number.
    """
    if values.shape != (len(labels[0]), len(labels[1])):
        raise ValueError(
            f"weights of shape {values.shape} do not fit {len(labels[0])} query and "
            f"{len(labels[1])} key labels; give one label for each row and each column"
        )
    query = query if query is not None and 0 <= query < len(labels[0]) else None
    return query, key if key is not None and 0 <= key < len(labels[1]) else None


def _range(values: Floats, difference: bool) -> Scale:
    """Return the range of the line colours: from 0, of differences symmetric."""
    found = Scale.of(values, difference)
    return found if difference else Scale(min(0.0, found.lo), found.hi)


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
    values, labels = np.asarray(weights), (query_labels, key_labels)
    query, key = _inside(values, labels, query, key)
    scale = scale or _range(values, difference)
    if share is None:
        share = _ALL_TOKENS if query is None and key is None else _ONE_TOKEN
    canvas = Canvas(width, height, look.ascii)
    beside = _weight_width(values, query, key, difference)
    plan = _make_plan(canvas, labels, beside, key if query is None else query, top)
    edges = _chosen(values, query, key, plan, share)
    drawn = len(edges.weights) if plan.across and plan.rows else 0
    if drawn:
        draw_lines(canvas, plan, edges, scale, look, mesh=query is None and key is None)
    partners = _partners(values, edges, query, key, scale, look)
    pale = (faint, faint if faint_keys is None else faint_keys)
    _draw_labels(canvas, plan, labels, (query, key), partners, pale, look)
    beyond = _draw_beyond(canvas, plan, look)
    note = note or _note(query, key, share, plan, scale, drawn, look)
    if canvas.height >= 3:
        _draw_foot(canvas, scale, note, beyond, look)
    return ArrowMap(canvas, plan.top, drawn, note, plan)
