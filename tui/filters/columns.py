"""The columns that a filter can name, and their values for every example."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from collateral import Table

from .language import Mistake

if TYPE_CHECKING:
    from ..project import Project, TableName
    from ..views.answers import Ints, Side

Numbers = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Kind = Literal["categorical", "continuous", "text", "boolean"]

_OWN = ("prediction", "probability", "correct", "score")
"""Roles of columns that are a model's, so that two models differ in them."""
_COUNTED: dict[str, TableName] = {"pairs": "pairs", "items": "items", "points": "points"}
_ROLES = ("correct", "score", "gold", "prediction", "probability")


class Column(NamedTuple):
    """A column that a filter names.

    Attributes:
        name: the column's name in its table; a table's name where its rows are counted.
        side: whose values: model A's, B's, or B's minus A's.
        counted: the number of an example's rows in that table.
    """

    table: TableName
    name: str
    side: Side | Literal["B-A"]
    kind: Kind
    counted: bool = False


def tables(p: Project) -> tuple[TableName, ...]:
    """The tables that have columns, those of examples first."""
    names: tuple[TableName, ...] = ("examples", "pairs", "items", "points")
    return tuple(name for name in names if len(getattr(p.a, name)))


def _table(p: Project, name: TableName, side: Side) -> Table:
    found: Table = getattr(p.file(side), name)
    return found


def nouns(p: Project) -> dict[str, TableName]:
    """What stands before the dot of a column of a table: "pair.gold", "word.gold"."""
    found: dict[str, TableName] = {"example": "examples", "pair": "pairs", "point": "points"}
    if p.a.meta.item:
        found[p.a.meta.item] = "items"
    return found | {"item": "items"}


def names(p: Project) -> list[str]:
    """All names that there are, those asked for most first: bare ones, then with A, B and B-A."""
    return p.once(("filter names",), lambda: _names(p))


def _names(p: Project) -> list[str]:
    known = tables(p)
    words = {table: noun for noun, table in reversed(nouns(p).items())}
    found: list[str] = []
    for table in known:
        columns = _table(p, table, "A")
        full = [name if table == "examples" else f"{words[table]}.{name}" for name in columns]
        for name, long in zip(columns, full, strict=True):
            bare = table == "examples" or name not in ("id", "text", *found)
            found.append(name if bare else long)  # the bare name where it means this column
        for name, long in zip(columns, full, strict=True):
            if p.two and columns.describe(name).role in _OWN:
                minus = columns.columns[name] == "continuous" and table == "examples"
                found += [f"A.{long}", f"B.{long}", *[f"B-A.{long}"] * minus]
    return list(dict.fromkeys([*found, *(name for name in _COUNTED if name in known)]))


def titles(p: Project) -> dict[str, str]:
    """The titles of columns that are called otherwise, by the names of :func:`names`."""
    return p.once(("filter titles",), lambda: _titles(p))


def _titles(p: Project) -> dict[str, str]:
    found = {}
    for name in names(p):
        column = _exact(p, name)
        if column is None or column.counted:
            continue
        title = _table(p, column.table, "A").describe(column.name).title
        if title and title.casefold() != column.name.casefold():
            found[name] = title
    return found


def offered(p: Project, typed: str, among: Iterable[str] | None = None) -> list[str]:
    """The names that begin so, then those whose titles do, whatever the case."""
    known = list(names(p) if among is None else among)
    low, called = typed.casefold(), titles(p)
    named = [name for name in known if name.casefold().startswith(low)]
    return named + [
        name
        for name in known
        if name not in named and called.get(name, "").casefold().startswith(low) and low
    ]


def find(p: Project, said: str, place: int = 0) -> Column:
    """The column that a filter names.

    Raises:
        Mistake: there is none, or not in all files.
    """
    found = _exact(p, said) or _exact(p, said, fold=True)
    if found is not None:
        return found
    all_names = names(p)
    lower = {title.casefold(): name for name, title in reversed(titles(p).items())}
    lower |= {name.casefold(): name for name in all_names}
    near = _begun(p, said.casefold(), lower)[:1]
    near = near or difflib.get_close_matches(said.casefold(), list(lower), 1, cutoff=0.6)
    hint = f"; did you mean {lower[near[0]]}?" if near else f". There are: {listed(all_names)}."
    raise Mistake(f"There is no column {said}{hint}", place)


def _begun(p: Project, said: str, lower: dict[str, str]) -> list[str]:
    """The names, in small letters, that begin so; those with their table's noun are put among them.

    Args:
        said: what was typed, in small letters.
        lower: the names that there are, by their small letters.
    """
    words = {noun: table for noun, table in nouns(p).items() if table in tables(p)}
    for noun, table in words.items():
        lower |= {f"{noun}.{name}".casefold(): f"{noun}.{name}" for name in _table(p, table, "A")}
    return [name for name in lower if name.startswith(said)]


def listed(words: list[str], most: int = 12) -> str:
    """Words in a row, of many the first."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def _exact(p: Project, said: str, fold: bool = False) -> Column | None:
    """The column with this name, as it is written or whatever its case; with a side or none."""
    plain = _bare(p, said, "B", fold) or _bare(p, said, "A", fold)
    side, dot, rest = said.replace("−", "-").partition(".")
    if plain is not None or not dot or not p.two:
        return plain
    sides: dict[str, Side] = {"a": "A", "b": "B"}
    if (one := sides.get(side.casefold())) is not None:
        return _bare(p, rest, one, fold)
    both = [_bare(p, rest, s, fold) for s in sides.values()] if side.casefold() == "b-a" else []
    if not both or any(column is None or column.kind != "continuous" for column in both):
        return None
    found = both[0]
    if found is None or found.table != "examples":
        return None
    return Column(found.table, found.name, "B-A", "continuous")


def _bare(p: Project, said: str, side: Side, fold: bool) -> Column | None:
    """A name without a side: a column, a role or a title; with its table's noun, or none."""
    for table, name in _places(p, said, fold):
        columns = _table(p, table, side)
        chosen = _among(columns, name, fold)
        if chosen is not None:
            return Column(table, chosen, side, columns.columns[chosen])
        if table == "examples" and name in _COUNTED and _COUNTED[name] in tables(p):
            return Column(_COUNTED[name], name, side, "continuous", counted=True)
    return None


def _places(p: Project, said: str, fold: bool) -> Iterator[tuple[TableName, str]]:
    name = said.casefold() if fold else said
    for table in tables(p):
        yield table, name
    noun, dot, rest = name.partition(".")
    table_of = {n.casefold(): t for n, t in nouns(p).items()}.get(noun.casefold())
    if dot and table_of in tables(p) and table_of is not None:
        yield table_of, rest


def _among(columns: Table, name: str, fold: bool) -> str | None:
    if name in columns:
        return name
    if not fold:
        return columns.with_role(name) if name in _ROLES else None
    for column in columns:
        title = columns.describe(column).title
        if name in (column.casefold(), title.casefold()):
            return column
    return None


# -- values -----------------------------------------------------------------------------------


def owners(p: Project, column: Column) -> Ints | None:
    """The example of each row of the column's table; None if its rows are the examples."""
    if column.table == "examples" or column.counted:
        return None
    return _owners(p, column.table, column.side)


def _owners(p: Project, table: TableName, side: Side | Literal["B-A"]) -> Ints:
    file = p.file("B" if side == "B-A" else side)
    of: dict[str, str] = {"pairs": "pair_examples", "items": "item_examples"}
    name = of.get(table, "point_examples")
    found: Ints = p.once(("owners", side, name), lambda: getattr(file, name))
    return found


def rows_of(p: Project, column: Column) -> Hashable:
    """What names the rows of the column's table; None if they are the examples.

    The rows of two models are the same if they belong to the same tokens, one by one.
    """
    if column.table == "examples" or column.counted:
        return None
    return column.table if _shared(p, column.table) else (column.table, column.side)


def _shared(p: Project, table: TableName) -> bool:
    """Whether a table has the same rows in all files."""
    of = {"pairs": ("pair_examples", "pair_tokens"), "items": ("item_examples", "item_tokens")}
    parts = of.get(table, ("point_examples", "point_tokens"))
    return not p.two or p.once(
        ("filter rows", table),
        lambda: all(np.array_equal(*(getattr(file, part) for file in p.files)) for part in parts),
    )


def numbers(p: Project, column: Column) -> Numbers:
    """A column of numbers, NaN where unknown: [rows]."""
    if column.side == "B-A":
        b, a = (Column(column.table, column.name, side, column.kind) for side in ("B", "A"))
        return numbers(p, b) - numbers(p, a)
    if column.counted:
        rows = _owners(p, column.table, column.side)
        return np.bincount(rows, minlength=len(p.a.examples)).astype(np.float64)
    table = _table(p, column.table, column.side)
    key = ("filter numbers", column)
    return p.once(key, lambda: np.asarray(table[column.name], dtype=np.float64))


def codes(p: Project, column: Column) -> tuple[Ints, tuple[str, ...]]:
    """A categorical or boolean column: codes [rows], -1 where unknown, and labels."""
    assert column.side != "B-A"
    table = _table(p, column.table, column.side)
    key = ("filter codes", column)
    return p.once(key, lambda: table.codes(column.name))


def strings(p: Project, column: Column) -> list[str]:
    """A column of text, "" where unknown: [rows]."""
    if column.table == "examples" and column.name in ("id", "text"):
        return p.example_texts[column.name == "text"]
    assert column.side != "B-A"
    table = _table(p, column.table, column.side)
    found: list[str] = p.once(("filter texts", column), lambda: table[column.name])
    return found
