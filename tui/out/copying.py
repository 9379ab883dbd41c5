"""What is copied of each pane: the value or row under its cursor, in cells with tabs between.

Text from files is cleaned first: what is pasted into a shell or an editor holds no control
characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import text
from ..commands import Refused
from ..pane import Context
from ..views import attention as attention_views
from ..views import points as point_views
from ..views.answers import AttentionGrid, HeadLinks, Side
from .export import Cells, plain
from .tables import readable, table_columns


def line(cells: Iterable[Any]) -> str:
    """Cells as one line; undefined numbers as "undefined", numbers in full."""
    return "\t".join(_cell(cell) for cell in cells)


def _cell(cell: Any) -> str:
    value = plain(cell)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "undefined" if value is None else text.clean(" ".join(str(value).split()))


def head(c: Context) -> str:
    """The head, its exact value, the metric, the view."""
    s, found = c.selection, c.project.head_view(c.selection)
    value = found.values[s.head_layer, s.head]
    return line([s.head_name, value, found.title, c.project.describe(s.view), found.over])


def edge(c: Context, grid: AttentionGrid, query: int | None, key: int | None) -> str:
    """One weight with its tokens; all those of a token, a line each, if only that is chosen.

    Args:
        query, key: row and column of the grid.
    """
    if query is None and key is None:
        raise Refused("No token is chosen; up and down choose one.")
    queries = [query] if query is not None else range(len(grid.rows))
    keys = [key] if key is not None else range(len(grid.columns))
    edges = [(q, k, grid.weights[q, k]) for q in queries for k in keys]
    if grid.kept is not None and len(edges) > 1:
        edges = [found for found in edges if found[2] != 0]
    s = c.selection
    heads = s.head_name if s.combine == "head" else attention_views.heads_words(c.project, s)
    edges.sort(key=lambda found: -abs(float(np.nan_to_num(found[2]))))
    lines = []
    for q, k, weight in edges:
        kept = grid.kept is None or weight != 0
        value = weight if kept else "not kept"
        lines.append(line([grid.label(q), grid.key_label(k), value, heads]))
    return "\n".join(lines)


def link(c: Context, found: HeadLinks) -> str:
    """What the chosen head gives a pair of tokens."""
    s, shown = c.selection, c.project.pieces(c.selection.example)
    value = found.weights[s.head_layer, s.head]
    kept = found.kept is None or value != 0
    return line([shown[found.query], shown[found.key], value if kept else "not kept", s.head_name])


def distance(c: Context) -> str:
    """A line per group: mean and interval at the layer of the map, and what is behind them."""
    found, layer = c.project.distance_view(c.selection), c.selection.layer
    lines = [
        line(
            [
                curve.label,
                f"layer {layer}",
                *(numbers[layer] for numbers in (curve.mean, curve.low, curve.high)),
                text.behind(behind, found.unit),
            ]
        )
        for curve, behind in zip(found.curves, found.behind, strict=True)
    ]
    if not lines:
        raise Refused("There is no curve to copy from.")
    return "\n".join(lines)


def point(c: Context, side: Side, number: int) -> str:
    """The point's model, example, columns, and place on the map."""
    p, s = c.project, c.selection
    row = p.point_row(side, number) if number >= 0 else -1
    if row < 0:
        raise Refused("No point is under the cursor; the arrows move it.")
    table = p.file(side).points
    name = p.example_head(int(p.points.examples[number]))[0]
    place = p.coordinates(side, s.layer)[row]
    known = [table.cell(column, row) for column in table]
    words = point_views.point_text(p, side, number)
    known = [words if column == "text" else cell for column, cell in zip(table, known, strict=True)]
    return line([side, name, *known, f"layer {s.layer}", *place])


def example_row(c: Context) -> str:
    """The row of the list of examples: every column."""
    row = np.array([c.selection.example], dtype=np.int32)
    found = table_columns(c, "examples", dict.fromkeys(c.project.sides, row))
    return line(_first(found))


def table_row(c: Context) -> str:
    """The row of the example's table: its item, else its pair, else its text."""
    p, s = c.project, c.selection
    item, pair = p.item(s), p.pair(s)
    if item is not None:
        rows = {side: numbers[[item]] for side, numbers in p.items(s.example).rows.items()}
        columns = table_columns(c, "items", rows)
        return line(_first(columns | readable(c, columns, [item])))
    if pair is not None:
        number = np.array([pair], dtype=np.int32)
        return line(_first(table_columns(c, "pairs", dict.fromkeys(c.project.sides, number))))
    return line(p.example_head(s.example))


def _first(columns: dict[str, Cells]) -> list[Any]:
    return [cells[0] for cells in columns.values()]
