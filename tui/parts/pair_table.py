"""The summary table of an example's pairs: spans, gold label, and what each model says."""

from __future__ import annotations

from .. import text
from ..pane import Context
from ..plots.canvas import Ink
from ..plots.table import Column, Table, table
from ..views.answers import Said, Side
from ..views.example import probability_of

_NARROW = 70
"""Cells below which headings are as short as can be."""


def pair_table(c: Context, width: int, height: int) -> Table:
    """A row per pair: spans, gold label, and what each model says."""
    short = width < 100
    found = c.project.pair_facts(c.selection.example)
    more = len(found) - max(1, height - 1)
    columns = [Column(f"pair (+{more} more)" if more > 0 else "pair", flexible=True)]
    columns.append(Column("gold"))
    for side in c.project.sides:
        name = f"{side} {c.project.name(side)}" if c.project.two else "model"
        columns.append(Column(text.cut(name, 8 if short else 18)))
        columns += [Column(_probability_title(c, side, width < _NARROW), "right"), Column()]
    rows: list[list[tuple[str, Ink]]] = []
    for facts in found:
        pair = f"{facts.span1} – {facts.span2}"
        row = [(pair, c.look.text), (label(facts.gold, short), c.look.text)]
        rows.append(row + [cell for said in facts.models for cell in _said(c, said, short)])
    chosen = min(c.selection.pair, len(rows) - 1)
    return table(columns, rows, c.look, width, height, cursor=chosen, focused=c.focused, gap=2)


def _probability_title(c: Context, side: Side, brief: bool) -> str:
    """What the numbers are the probability of, in the label's short form; "" without any."""
    of = probability_of(c.project, side)
    there = any(
        facts.models["AB".index(side)].probability is not None
        for facts in c.project.pair_facts(c.selection.example)
    )
    return (f"P({label(of, True)})" if of and not brief else "P") if there else ""


def _said(c: Context, said: Said, short: bool) -> list[tuple[str, Ink]]:
    """Three cells: the prediction, its probability, right or wrong."""
    look = c.look
    marks = {True: (look.marks.yes, look.good), False: (look.marks.no, look.bad)}
    mark = (look.marks.unknown, look.muted) if said.correct is None else marks[said.correct]
    probability = "" if said.probability is None else look.number(said.probability)
    ink = look.text if said.prediction else look.muted
    return [(label(said.prediction, short), ink), (probability, look.muted), mark]


def label(value: str | None, short: bool) -> str:
    """A label of a pair, in a short form where there is little room."""
    if value is None:
        return "?" if short else "? unknown"
    if short:
        return {"coreferent": "coref", "not coreferent": "not"}.get(value, value)
    return value
