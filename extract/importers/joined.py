"""Rows of the table and entries of the dictionary, joined by id and placed in their texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from collateral.schema import Column, TokenInfo, Tokens

from ..data.fields import Value, read_column
from ..errors import ExtractError
from ..saying import agree, many
from ..tasks.columns import cell, column_for, free_name, shared_fields
from .align import SPECIAL, conventions, joined, placed
from .common import Problems, Values
from .dictionary import Dictionary, Entry
from .table import Row, Table


@dataclass(frozen=True, eq=False)
class Placed:
    """One example: what the table and the dictionary say of it, and where its tokens stand.

    Attributes:
        where: for messages.
        sentence: as the table has it, None without a table.
        in_sentence: whether the text is the sentence: offsets then hold for both.
    """

    id: str
    where: str
    rows: tuple[Row, ...]
    entry: Entry | None
    sentence: str | None
    text: str
    tokens: Tokens
    in_sentence: bool


@dataclass(frozen=True, eq=False)
class Joining:
    """All examples: those of the table in its order, then those that only the dictionary has."""

    examples: list[Placed]
    info: TokenInfo
    notes: list[str]


class FurtherColumns:
    """Columns of the table that no task knows: each becomes one of the examples or of the points.

    A column is the examples' if all rows of every example agree on it.

    Attributes:
        examples, points: the columns, to be added to those of the task.
    """

    def __init__(
        self,
        examples: Sequence[Placed],
        known: Collection[str],
        taken_examples: Collection[str],
        taken_points: Collection[str],
    ) -> None:
        """Looks at all rows.

        Args:
            examples: with their rows.
            known: columns that the task reads itself.
            taken_examples, taken_points: names that the task's own columns have.
        """
        rows = [row for one in examples for row in one.rows]
        names = [name for name in (rows[0].values if rows else ()) if name not in known]
        read = {name: read_column([row.values[name] for row in rows]) for name in names}
        self._values = {
            id(row): {name: read[name][i] for name in names} for i, row in enumerate(rows)
        }
        groups = [[self._values[id(row)] for row in one.rows] for one in examples if one.rows]
        shared, _ = shared_fields(groups)
        self.examples: dict[str, Column] = {}
        self.points: dict[str, Column] = {}
        self._of_example: dict[str, str] = {}
        self._of_point: dict[str, str] = {}
        for name in names:
            place, own, taken = (
                (self.examples, self._of_example, taken_examples)
                if name in shared
                else (self.points, self._of_point, taken_points)
            )
            free = free_name(name, {"id", "text", *taken, *place})
            values: Sequence[Value] = read[name]
            if name in shared:
                values = [group[0][name] for group in groups]
            place[free] = column_for(name, values)
            own[name] = free

    def of_example(self, one: Placed) -> Values:
        """The values of an example."""
        if not one.rows:
            return {}
        values = self._values[id(one.rows[0])]
        return {free: cell(self.examples[free], values[n]) for n, free in self._of_example.items()}

    def of_point(self, row: Row) -> Values:
        """The values of the point that a row is of."""
        values = self._values[id(row)]
        return {free: cell(self.points[free], values[n]) for n, free in self._of_point.items()}


def join(table: Table | None, dictionary: Dictionary | None, problems: Problems) -> Joining:
    """Joins the two by id and finds the tokens in the sentences.

    Raises:
        ExtractError: there is no example, or one cannot be used.
    """
    groups = _groups(table, problems) if table is not None else {}
    entries = dictionary.entries if dictionary is not None else {}
    ids = [*groups, *(name for name in entries if name not in groups)]
    raw = {name: _raw_tokens(groups.get(name), entries.get(name)) for name in ids}
    info = conventions(raw.values())
    notes = _notes(groups, entries, table, dictionary)
    examples: list[Placed] = []
    lost = 0
    for name in ids:
        rows, entry = tuple(groups.get(name, ())), entries.get(name)
        where = entry.where if entry is not None else _where(table, rows)
        if not raw[name]:
            problems.add(where, "has neither tokens nor a sentence")
            continue
        sentence = rows[0].values.get("sentence") if rows else None
        text = _clean(sentence, info) if sentence is not None else None
        text, tokens, found = placed(raw[name], text, info)
        lost += sentence is not None and not found
        examples.append(Placed(name, where, rows, entry, sentence, text, tokens, found))
    if not examples:
        raise ExtractError("There is nothing to import: no example can be used.")
    if lost:
        notes.append(
            f"The tokens of {many(lost, 'example')} are not those of the sentence; the text is "
            "made of the tokens."
        )
    return Joining(examples, info, notes)


def _groups(table: Table, problems: Problems) -> dict[str, list[Row]]:
    """Rows by id, of which all have the same sentence."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in table.rows:
        before = groups[row.id]
        if before and before[0].values.get("sentence") != row.values.get("sentence"):
            problems.add(
                f"{table.path}, line {row.line}",
                f"has another sentence than line {before[0].line}, which has the same id {row.id}",
            )
            continue
        before.append(row)
    return dict(groups)


def _where(table: Table | None, rows: Sequence[Row]) -> str:
    assert table is not None
    return f"{table.path}, line {rows[0].line}"


def _raw_tokens(rows: Sequence[Row] | None, entry: Entry | None) -> tuple[str, ...]:
    if entry is not None:
        return entry.tokens
    return tuple((rows[0].values.get("sentence") or "").split()) if rows else ()


def _clean(sentence: str, info: TokenInfo) -> str:
    """A sentence that is written as its pieces, with specials, as a text."""
    pieces = sentence.split()
    marked = any(one.startswith("##") and len(one) > 2 for one in pieces)
    special = [one in SPECIAL for one in pieces]
    if not marked and not (special and (special[0] or special[-1])):
        return sentence
    own = info if info.continuation or not marked else conventions([pieces])
    return joined(pieces, np.array(special, dtype=np.bool_), own)[0]


def _notes(
    groups: dict[str, list[Row]],
    entries: dict[str, Entry],
    table: Table | None,
    dictionary: Dictionary | None,
) -> list[str]:
    notes = []
    if table is not None and dictionary is not None:
        both = len(groups.keys() & entries.keys())
        only_table, only_dictionary = len(groups) - both, len(entries) - both
        if only_table or only_dictionary:
            notes.append(
                f"{many(both, 'example')} {agree(both, 'are')} in both files, "
                f"{only_table} only in the table, "
                f"without attention, and {only_dictionary} only in the dictionary, without points."
            )
    if table is not None and table.repeated:
        what = f"{many(table.repeated, 'header line')} came again in the table"
        notes.append(f"{what} and {agree(table.repeated, 'were')} passed over.")
    if table is not None and table.aggregated:
        notes.append(
            f"{many(table.aggregated, 'column')} of aggregated coordinates (aggr_layer_...) "
            f"{agree(table.aggregated, 'were')} passed over: the maps are those of the single "
            "tokens."
        )
    padded = sum(one.padding > 0 for one in entries.values())
    if padded:
        notes.append(f"Padding was cut off in {many(padded, 'example')}.")
    if dictionary is not None and dictionary.others:
        names = ", ".join(dictionary.others[:8])
        notes.append(f"Entries of the dictionary that are not read: {names}.")
    return notes
