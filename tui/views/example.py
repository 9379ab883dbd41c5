"""One example: its pairs and what the models say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collateral import Collateral, Table

from .. import pieces
from .answers import Field, PairFacts, Said

if TYPE_CHECKING:
    from ..project import Project


_ROLES = ("gold", "prediction", "probability", "correct", "score", "")


def fields(p: Project, example: int) -> list[Field]:
    """The further columns of an example: label and predictions first, long texts last.

    Columns in which no example has a value, such as the predictions of a model without a head, are
    left out.
    """
    return p.once(("fields", example), lambda: _fields(p, example))


def _fields(p: Project, example: int) -> list[Field]:
    tables = [file.examples for file in p.files]
    found: list[tuple[int, Field]] = []
    for name, kind in tables[0].columns.items():
        column = tables[0].describe(name)
        there = [table for table in tables if table.columns.get(name) == kind]
        if column.role in ("id", "text") or len(there) < len(tables):
            continue
        if kind == "categorical" and not any(table.labels(name) for table in there):
            continue
        values = [table.cell(name, example) for table in there]
        same = len({str(value) for value in values}) == 1
        place = _ROLES.index(column.role) if column.role in _ROLES else len(_ROLES)
        order = place + 10 * (kind == "text")
        found.append((order, Field(column.title or name, tuple(values[:1] if same else values))))
    return [field for _, field in sorted(found, key=lambda pair: pair[0])]


def pair_facts(p: Project, example: int) -> list[PairFacts]:
    """The pairs of an example with what each model says."""
    return p.once(("facts", example), lambda: _pair_facts(p, example))


def _pair_facts(p: Project, example: int) -> list[PairFacts]:
    facts = []
    for number, row in enumerate(p.pairs_of(example)):
        said = tuple(_said(f, row) for f in (p.a, p.b) if f is not None)
        spans = [_span_text(p, row, span) for span in (0, 1)]
        gold = _label(p.a.pairs, "gold", row)
        facts.append(PairFacts(number, spans[0], spans[1], gold, said))
    return facts


def _said(file: Collateral, row: int) -> Said:
    probability = file.pairs.with_role("probability")
    correct = file.pairs.with_role("correct")
    number = file.pairs.cell(probability, row) if probability else None
    right = file.pairs.cell(correct, row) if correct else None
    return Said(
        prediction=_label(file.pairs, "prediction", row),
        probability=number if isinstance(number, float) and number == number else None,
        correct=right if isinstance(right, bool) else None,
    )


def _span_text(p: Project, pair: int, span: int) -> str:
    name = f"span{span + 1}"
    if name in p.a.pairs:
        return str(p.a.pairs.cell(name, pair))
    example = int(p.pair_examples[pair])
    start, stop = p.pair_tokens[pair, span].tolist()
    return pieces.joined(p.pieces(example)[start:stop])


def _label(table: Table, role: str, row: int) -> str | None:
    """The value in the column with this role, as words; None if unknown or absent."""
    column = table.with_role(role)
    value = table.cell(column, row) if column else None
    return None if value is None else str(value)
