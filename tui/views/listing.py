"""Which examples the list shows, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .. import filters
from ..filters import columns
from ..filters.columns import Bools, Column, Numbers
from ..filters.language import Mistake
from ..state import Selection
from .answers import Ints

if TYPE_CHECKING:
    from ..project import Project


def mask(p: Project, s: Selection) -> Bools:
    """Which examples the list shows, bool [examples].

    Raises:
        Mistake: filter or search can't be understood.
    """
    found = np.ones(len(p.a.examples), dtype=bool)
    if s.filter:
        found &= filters.mask(s.filter, p)
    if s.search:
        found &= filters.search(p, s.search)
    return found


def order(p: Project, s: Selection) -> Ints:
    """Rows of the examples that the list shows, in its order; not to be changed.

    Raises:
        Mistake: filter, search or sort can't be understood.
    """
    return p.once(("order", s.filter, s.search, s.sort), lambda: _order(p, s))


def _order(p: Project, s: Selection) -> Ints:
    shown = mask(p, s)
    if not s.sort:
        return np.flatnonzero(shown).astype(np.int32)
    ranked = ranks(p, s.sort)
    rows = np.argsort(ranked, kind="stable").astype(np.int32)
    return rows[shown[rows]]


def place(p: Project, s: Selection, row: int | None = None) -> int | None:
    """Where in the list an example stands, the selected one unless told; None if it does not."""
    key = ("places", s.filter, s.search, s.sort)
    places = p.once(key, lambda: _places(p, s))
    found = int(places[s.example if row is None else row])
    return None if found < 0 else found


def _places(p: Project, s: Selection) -> Ints:
    rows = order(p, s)
    places = np.full(len(p.a.examples), -1, dtype=np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    return places


def near(p: Project, s: Selection, step: int = 0) -> int:
    """The row of the example so many steps down the list; the nearest if the list is over.

    From an example that the list does not show, the first step goes to the next one as stored.
    """
    rows, at = order(p, s), place(p, s)
    if not len(rows):
        return s.example
    if at is None:
        later = rows[rows > s.example] if step >= 0 else rows[rows < s.example]
        if not len(later):
            return int(rows.max() if step >= 0 else rows.min())
        return int(later.min() if step >= 0 else later.max())
    return int(rows[max(0, min(at + step, len(rows) - 1))])


def settled(p: Project, s: Selection) -> Selection:
    """The selection without a filter, search or sorting that these files can't have."""
    if s.filter and not _usable(p, replace(s, search="", sort="")):
        s = replace(s, filter="", scope="all" if s.scope == "filtered" else s.scope)
    if s.search and not _usable(p, replace(s, sort="")):
        s = replace(s, search="", scope="all" if s.scope == "filtered" else s.scope)
    if s.sort and not _usable(p, s):
        s = replace(s, sort="")
    return s if s.narrowed or s.scope != "filtered" else replace(s, scope="all")


def _usable(p: Project, s: Selection) -> bool:
    try:
        return len(order(p, s)) > 0
    except Mistake:
        return False


# -- what stands in it ------------------------------------------------------------------------


def sentence(p: Project, row: int) -> str:
    """The text of an example, white space squeezed; "→" between source and target.

    Reads only its part of the file.
    """
    if p.source(0) is None:
        return p.example_head(row)[1]
    words, source = str(p.a.examples.cell("text", row)), p.a.source_tokens(row) or 0
    tokens = p.a.tokens(row)
    starts = tokens.offsets[source:][tokens.offsets[source:, 1] > tokens.offsets[source:, 0], 0]
    split = int(starts[0]) if len(starts) else len(words)
    both = (" ".join(part.split()) for part in (words[:split], words[split:]))
    return " → ".join(part for part in both if part)


def judged(p: Project) -> tuple[bool, bool]:
    """Whether any example has a score, and whether of any it is known that a model was right."""
    return p.once(("judged",), lambda: _judged(p))


def _judged(p: Project) -> tuple[bool, bool]:
    files = p.files
    score, correct = p.score_column, p.a.examples.with_role("correct")
    scored = any(np.isfinite(f.examples[score]).any() for f in files) if score else False
    right = [f.examples for f in files if correct and correct in f.examples]
    return bool(scored), any((t.codes(str(correct))[0] >= 0).any() for t in right)


# -- sorting ----------------------------------------------------------------------------------


def sortable(p: Project) -> list[str]:
    """Names of the columns that ``r`` goes through: what models made of each text, then others."""
    return p.once(("sortable",), lambda: _sortable(p))


def _sortable(p: Project) -> list[str]:
    table = p.a.examples
    places = {"score": 0, "correct": 1, "probability": 2}
    own = sorted(table, key=lambda name: places.get(table.describe(name).role, 9))
    sided = [name for name in columns.names(p) if name.startswith(("A.", "B.", "B-A."))]
    found: list[str] = []
    for name in own:
        if table.columns[name] == "text":
            continue
        with_side = [f"{side}.{name}" for side in ("A", "B", "B-A")]
        found += [one for one in with_side if one in sided] or [name]
    return found


def sort_column(p: Project, sort: str) -> Column:
    """The column that a list is sorted by.

    Raises:
        Mistake: there is none, or its values have no order.
    """
    name = sort.removeprefix("-")
    column = columns.find(p, name, len(sort) - len(name))
    if columns.owners(p, column) is not None and column.kind not in ("continuous", "boolean"):
        raise Mistake(f"{name} has many values per example, which have no mean to sort by.")
    return column


def ranks(p: Project, sort: str) -> Numbers:
    """A number for each example by which the list is sorted, NaN where unknown: [examples].

    Raises:
        Mistake: there is no such column.
    """
    return p.once(("ranks", sort), lambda: _ranks(p, sort))


def _ranks(p: Project, sort: str) -> Numbers:
    column = sort_column(p, sort)
    values = _values(p, column)
    owners = columns.owners(p, column)
    if owners is not None:
        values = _means(values, owners, len(p.a.examples))
    return -values if sort.startswith("-") else values


def _values(p: Project, column: Column) -> Numbers:
    """A column as numbers that have its order; numpy puts NaN last."""
    if column.kind == "continuous":
        return columns.numbers(p, column)
    if column.kind == "text":
        texts = [text.casefold() for text in columns.strings(p, column)]
        place_of = {text: float(n) for n, text in enumerate(sorted(set(texts)))}
        return np.array([place_of[text] if text else np.nan for text in texts])
    codes, labels = columns.codes(p, column)
    by_label = np.arange(len(labels) + 1, dtype=np.float64)
    if column.kind == "categorical":
        lower = [label.casefold() for label in labels]
        by_label[:-1] = np.argsort(np.array(sorted(range(len(lower)), key=lower.__getitem__)))
    by_label[-1] = np.nan
    return by_label[codes]


def _means(values: Numbers, owners: Ints, examples: int) -> Numbers:
    known = ~np.isnan(values)
    counts = np.bincount(owners[known], minlength=examples)
    sums = np.bincount(owners[known], weights=values[known], minlength=examples)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def sort_value(p: Project, sort: str, row: int) -> float | str | None:
    """What an example is sorted by: a number, or words; None if it is unknown."""
    column = sort_column(p, sort)
    if column.kind == "continuous" or columns.owners(p, column) is not None:
        value = float(ranks(p, sort)[row])
        value = 0.0 - value if sort.startswith("-") else value
        return None if value != value else value
    if column.kind == "text":
        return columns.strings(p, column)[row] or None
    codes, labels = columns.codes(p, column)
    return labels[codes[row]] if codes[row] >= 0 else None
