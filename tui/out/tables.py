"""The data behind each pane, as tables with full precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from collateral import Table

from ..pane import Context
from ..project import Project, TableName
from ..views import items as item_views
from ..views import listing
from ..views.answers import DistanceView, Ints, Side
from ..views.points import EXAMPLE
from .export import Cells, Data

_FEW = 400
"""Up to so many rows are read one by one, not with their whole column."""
_SHARED = ("text", "id", "gold", "")
"""Roles of columns that stand once if both files say the same."""


def about(c: Context, **more: Any) -> dict[str, Any]:
    """Which files and what view of them; more says what the table's numbers are."""
    p, s = c.project, c.selection
    models = {side: p.name(side) for side in p.sides}
    return {"models": models, "view": s.view.replace("−", "-"), "task": p.a.meta.task, **more}


def same_everywhere(c: Context) -> dict[str, Any]:
    """What every row of a table has in common, whatever it is of."""
    return {"view": c.project.describe(c.selection.view).replace("−", "-")}


def heads(c: Context) -> Data:
    """A row per head: layer, head, value."""
    found = c.project.head_view(c.selection)
    layers, heads = np.indices(found.values.shape)
    columns: dict[str, Cells] = {"layer": layers.ravel(), "head": heads.ravel()}
    columns["value"] = found.values.ravel()
    s = c.selection
    described = about(
        c,
        metric=s.metric,
        title=found.title,
        attention=s.kind,
        averaged=found.over,
        difference=found.difference,
        baseline=found.baseline,
        range=[found.low, found.high],
    )
    constant = {**same_everywhere(c), "metric": s.metric, "over": found.over}
    return Data("heads", columns, described, constant)


def distances(c: Context) -> Data:
    """A row per group and layer: mean, interval, and how much is behind it."""
    p, s = c.project, c.selection
    found = p.distance_view(s)
    layers = len(found.curves[0].mean) if found.curves else 0

    def each(values: list[Any]) -> list[Any]:
        return [value for value in values for _ in range(layers)]

    def joined(name: str) -> Cells:
        parts = [getattr(curve, name) for curve in found.curves]
        return np.concatenate(parts) if parts else ()

    columns: dict[str, Cells] = {
        "group": each([curve.label for curve in found.curves]),
        "layer": np.tile(np.arange(layers), len(found.curves)),
        "mean": joined("mean"),
        "low": joined("low"),
        "high": joined("high"),
    }
    for name, numbers in _behind(found).items():
        columns[name] = each(numbers)
    described = about(
        c,
        measure=found.measure,
        title=found.title,
        grouping=s.grouping,
        averaged=found.over,
        difference=found.difference,
        interval="95 %, bootstrap over examples",
        warning=found.warning,
        note=found.note,
    )
    constant = {**same_everywhere(c), "measure": found.measure, "grouping": found.title}
    return Data("distances", columns, described, {**constant, "over": found.over})


def _behind(found: DistanceView) -> dict[str, list[int]]:
    """How much is behind each curve; in columns for each side of a difference if these differ."""
    both = any(len({part[1:] for part in parts}) > 1 for parts in found.behind)
    kept = [parts if both else parts[:1] for parts in found.behind]
    columns: dict[str, list[int]] = {}
    for part in (part for parts in kept for part in parts):
        of = f" {part.of}" if both else ""
        columns.setdefault(f"{found.unit}s{of}", []).append(part.units)
        columns.setdefault(f"examples{of}", []).append(part.examples)
    return columns


def map_points(c: Context, shown: Sequence[Side]) -> Data:
    """A row per point and model: its example, tokens, place, marks, and every column it has."""
    p, s = c.project, c.selection
    parts = [_points(c, side) for side in shown]
    columns = {name: _joined([part[name] for part in parts]) for name in parts[0]}
    described = about(
        c,
        layer=s.layer,
        projection=p.a.meta.settings.get("projection"),
        quality={
            side: {name: values[s.layer] for name, values in p.file(side).quality.items()}
            for side in shown
        },
    )
    return Data(f"map-layer-{s.layer}", columns, described, {"layer": s.layer})


def _points(c: Context, side: Side) -> dict[str, Cells]:
    p, s = c.project, c.selection
    places = p.coordinates(side, s.layer)
    rows = np.arange(len(places), dtype=np.int32)
    own = p.points.numbers[side]
    numbers = rows if own is None else own
    ids = p.example_texts[0]
    owners = p.points.examples[numbers]
    columns: dict[str, Cells] = {
        "model": [side] * len(rows),
        "point": numbers,
        "example": [ids[row] for row in owners.tolist()],
        "first token": p.points.tokens[numbers, 0],
        "end": p.points.tokens[numbers, 1],
        "x": places[:, 0],
        "y": places[:, 1],
        "marked": np.isin(numbers, np.fromiter(s.marked, dtype=np.int64)),
    }
    table = p.file(side).points
    for name in p.a.points:
        if all(name in p.file(other).points for other in p.sides):
            columns[_free(name, columns)] = _values(p, table, name, rows)
    if s.colouring.startswith(EXAMPLE) and s.colouring not in columns:
        column = s.colouring.removeprefix(EXAMPLE)
        columns[s.colouring] = _values(p, p.file(side).examples, column, owners)
    return columns


def examples(c: Context, rows: Ints | None = None) -> Data:
    """A row per example with every column; what each model says in a column of its own."""
    p = c.project
    rows = np.arange(p.limits.examples, dtype=np.int32) if rows is None else rows
    columns: dict[str, Cells] = {"row": rows}
    columns |= table_columns(c, "examples", dict.fromkeys(p.sides, rows))
    return Data("examples", columns | _sorted_by(c, rows), about(c, sorted_by=c.selection.sort))


def _sorted_by(c: Context, rows: Ints) -> dict[str, Cells]:
    """What the list is sorted by, where that is no column of the examples themselves."""
    sort = c.selection.sort
    column = listing.sort_column(c.project, sort) if sort else None
    if column is None or (column.table == "examples" and column.side != "B-A"):
        return {}
    values = listing.ranks(c.project, sort)[rows]
    return {sort.removeprefix("-"): -values if sort.startswith("-") else values}


def example(c: Context) -> Data:
    """The items of the example, else its pairs, else its tokens."""
    p, s = c.project, c.selection
    constant = {"example": p.example_head(s.example)[0]}
    described = about(c, **constant)
    items = p.items(s.example)
    if len(items):
        columns: dict[str, Cells] = {"first token": items.tokens[:, 0], "end": items.tokens[:, 1]}
        texts = p.tokens(s.example).texts
        columns["token"] = [" ".join(texts[start:end]) for start, end in items.tokens.tolist()]
        own = table_columns(c, "items", items.rows)
        columns |= own
        for name, words in readable(c, own, range(len(items))).items():
            spare = [*own[name]] == [""] * len(items)  # the file says that it is the token
            columns[name if spare else f"{name} shown"] = words
        return Data("items", columns, described, constant)
    pairs = np.array(p.pairs_of(s.example), dtype=np.int32)
    if len(pairs):
        spans = p.pair_tokens[pairs]
        columns = {
            f"{what} {n + 1}": spans[:, n, at]
            for n in (0, 1)
            for at, what in enumerate(("first token of span", "end of span"))
        }
        more = table_columns(c, "pairs", dict.fromkeys(p.sides, pairs))
        return Data("pairs", columns | more, described, constant)
    tokens = p.tokens(s.example)
    columns = {
        "place": np.arange(len(tokens)),
        "token": list(tokens.texts),
        "text": list(p.pieces(s.example)),
        "special": tokens.special,
    }
    return Data("tokens", columns, described, constant)


def readable(c: Context, table: Mapping[str, Cells], numbers: Sequence[int]) -> dict[str, Cells]:
    """The columns of some items of the example that the pane shows otherwise: tokens, read."""
    p, example = c.project, c.selection.example
    found = p.items(example)
    read: dict[str, Cells] = {}
    for column in item_views.columns(p):
        for name in (column.name, *(f"{column.name} {side}" for side in p.sides)):
            cells = [*table.get(name, ())] if column.kind == "text" else []
            words = [
                cell
                if cell is None
                else item_views.readable(p, example, found, number, column, cell)
                for number, cell in zip(numbers, cells, strict=False)
            ]
            if words != cells:
                read[name] = words
    return read


def table_columns(c: Context, table: TableName, rows: Mapping[Side, Ints]) -> dict[str, Cells]:
    """Every column of some rows of a table: once if it is the data's, else once per model.

    Args:
        rows: row in each model's file, -1 where it has none.
    """
    p = c.project
    tables: dict[Side, Table] = {side: getattr(p.file(side), table) for side in p.sides}
    names = dict.fromkeys(name for one in tables.values() for name in one)
    columns: dict[str, Cells] = {}
    for name in names:
        found = {side: _values(p, t, name, rows[side]) for side, t in tables.items() if name in t}
        first, *rest = found.values()
        shared = next(t.describe(name).role for t in tables.values() if name in t) in _SHARED
        if len(found) == 1 == len(tables) or (shared and all(_same(first, one) for one in rest)):
            columns[_free(name, columns)] = first
        else:
            columns |= {f"{name} {side}": cells for side, cells in found.items()}
    return columns


def _values(p: Project, table: Table, name: str, rows: Ints | Sequence[int]) -> Cells:
    """A column at these rows, whole numbers without decimals; None for row -1."""
    numbers = np.asarray(rows).tolist()
    whole = _whole(p, table, name)
    if len(numbers) <= _FEW:
        cells = [table.cell(name, row) if row >= 0 else None for row in numbers]
        return [_counted(cell) for cell in cells] if whole else cells
    column: Cells = table[name]
    if isinstance(column, np.ndarray) and min(numbers) >= 0:
        picked = column[np.asarray(rows)]
        if whole and np.isfinite(picked).all():
            counts: Cells = picked.astype(np.int64)
            return counts
        return [_counted(cell) for cell in picked.tolist()] if whole else picked
    cells = [column[row] if row >= 0 else None for row in numbers]
    return [_counted(cell) for cell in cells] if whole else cells


def _counted(cell: Any) -> Any:
    """A whole number as an integer; what is undefined stays so."""
    return int(cell) if cell is not None and cell == cell else cell


_LARGEST = 2.0**31
"""Larger whole numbers are not taken for counts."""


def _whole(p: Project, table: Table, name: str) -> bool:
    """Whether a column of numbers counts something: all that are known are whole.

    What is measured (scores, probabilities) stays as it is, even where all of it is 0 or 1.
    """
    if table.columns[name] != "continuous" or table.describe(name).role in ("score", "probability"):
        return False

    def all_whole() -> bool:
        numbers = np.asarray(table[name], dtype=np.float64)
        known = numbers[~np.isnan(numbers)]
        return bool(len(known) and ((known == np.rint(known)) & (abs(known) < _LARGEST)).all())

    return p.once(("whole", id(table), name), all_whole)


def _same(one: Cells, other: Cells) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True)
    return all(a == b or (a != a and b != b) for a, b in zip(one, other, strict=True))


def _joined(parts: list[Cells]) -> Cells:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    return [cell for part in parts for cell in part]


def _free(name: str, taken: Mapping[str, Cells]) -> str:
    """A column's name, or another if the table has that already."""
    return name if name not in taken else _free(f"{name} (column)", taken)
