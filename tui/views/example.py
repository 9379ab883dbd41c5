"""One example: its pairs and what the models say of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from collateral import Collateral, Table

from .. import pieces
from ..filters import columns
from .answers import Field, PairFacts, Said, Side

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


def probability_of(p: Project, side: Side) -> str | None:
    """The label whose probability a model's column of the pairs holds; None if it is not one label.

    It is the label that is predicted where the probability is above one half, and nowhere else.
    """
    return p.once(("probability of", side), lambda: _probability_of(p.file(side).pairs))


def _probability_of(pairs: Table) -> str | None:
    probability, prediction = pairs.with_role("probability"), pairs.with_role("prediction")
    if probability is None or prediction is None or pairs.columns[prediction] != "categorical":
        return None
    numbers = np.asarray(pairs[probability], dtype=np.float64)
    codes, labels = pairs.codes(prediction)
    known = (codes >= 0) & np.isfinite(numbers) & (numbers != 0.5)
    above, below = (set(codes[known & so].tolist()) for so in (numbers > 0.5, numbers < 0.5))
    return labels[above.pop()] if len(above) == 1 and below and not above & below else None


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


def token_place(p: Project, example: int, token: int) -> str:
    """Where a token stands: "7", or "source 7", "target 0" where there are both."""
    source = p.source(example)
    if source is None:
        return str(token)
    return f"source {token}" if token < source else f"target {token - source}"


# -- what lists say of it -------------------------------------------------------------------


def head(p: Project, row: int, read: tuple[list[str], list[str]] | None) -> tuple[str, str]:
    """Id and text (white space squeezed) of one example.

    Args:
        read: ids and texts of all, if they were read; else only this one's part of the file is.
    """
    if read is not None:
        name, words = (column[row] for column in read)
    else:
        name, words = (str(p.a.examples.cell(what, row)) for what in ("id", "text"))
    return name, " ".join(words.split())


def common_start(ids: Sequence[str]) -> str:
    """What all ids begin with, up to a separator; "" for one id."""
    if len(ids) < 2:
        return ""
    both = zip(min(ids), max(ids), strict=False)  # what these two share, all share
    common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], both))
    return common[: max(common.rfind(mark) for mark in "-_/.: ") + 1]


def correct(p: Project, side: Side, row: int) -> bool | None:
    """Whether a model got an example right; None if that is unknown."""
    examples = p.file(side).examples
    column = examples.with_role("correct")
    if column is None or examples.columns[column] != "boolean":
        return None
    return {1: True, 0: False}.get(int(p.codes("examples", side, column)[0][row]))


def score_column(p: Project) -> str | None:
    """The column with the score of each example, if all files have it."""
    name = p.a.examples.with_role("score")
    kinds = {file.examples.columns.get(name) for file in p.files} if name else set()
    return name if kinds == {"continuous"} else None


def score(p: Project, side: Side, row: int) -> float | None:
    """The score of an example, NaN where unknown; None if the file has no scores."""
    if (name := p.score_column) is None:
        return None
    return float(columns.numbers(p, columns.Column("examples", name, side, "continuous"))[row])
