"""Labels of a column in an order that is the same for all models and in all tables.

A label then keeps its colour everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .answers import Ints, Side

if TYPE_CHECKING:
    from ..project import Project, TableName


def codes(p: Project, table: TableName, side: Side, column: str) -> tuple[Ints, tuple[str, ...]]:
    """Codes of a column in an order that is the same for A and B, in all tables.

    The labels of the pairs' gold column come first.
    """
    tables = [getattr(f, table) for f in p.files]
    found, own = getattr(p.file(side), table).codes(column)
    if tables[0].columns[column] == "boolean":
        title = tables[0].describe(column).title or column
        return found, (f"not {title}", title)
    gold = p.a.pairs.with_role("gold")
    first = frozenset(p.a.pairs.labels(gold) if gold else ())
    union = {label for t in tables for label in t.labels(column)}
    labels = tuple(sorted(union, key=lambda label: (label not in first, label)))
    places = np.array([*(labels.index(label) for label in own), -1], dtype=np.int32)
    return places[found], labels
