"""JSON Lines that say what arrays are of: text, tokens, points and pairs of each example.

One object per line:

========== =========================================================================================
``id``     Text or a whole number; the arrays of the example are named by it.
``tokens`` The tokens as the tokenizer writes them.
``text``   The text; without it, it is made of the tokens.
``offsets`` [start, end] in characters of the text per token, [0, 0] for special ones; without it,
           tokens are sought in the text.
``special`` true or false per token; without it, [CLS], ``</s>`` and the like are special.
``source`` Of an encoder-decoder: how many tokens are the source's; they come first.
``points`` What the maps show: [start, stop] of tokens each, half open, or an object with ``tokens``
           and further fields; without it, every token that is not special.
``pairs``  Two spans to compare: objects with ``span1`` and ``span2``, [start, stop] of tokens, and
           further fields.
========== =========================================================================================

Any further field becomes a column of the examples, of the points or of the pairs; the names
``gold``, ``prediction``, ``probability``, ``correct`` and ``score`` are taken for what they say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from collateral.schema import Column, TokenInfo, Tokens

from ..data.fields import Value
from ..data.readers.base import Record, kind_of
from ..data.readers.jsonl import read_jsonl
from ..errors import ExtractError
from ..saying import many
from ..tasks.columns import cell, column_for, free_name
from .align import conventions, joined, placed
from .common import Columns, Example, Pair, Point, Problems, Range, Unusable, Values

_KNOWN = frozenset({"id", "tokens", "text", "offsets", "special", "source", "points", "pairs"})
_ROLES = frozenset({"gold", "prediction", "probability", "correct", "score"})
_ROLE_KINDS = {"probability": "continuous", "correct": "boolean", "score": "continuous"}


@dataclass(frozen=True, eq=False)
class Described:
    """One line, checked but without columns.

    Attributes:
        where: file and line.
        points: token ranges with further fields; None if the line names none.
        pairs: id, spans and further fields.
    """

    where: str
    id: str
    text: str | None
    tokens: tuple[str, ...]
    offsets: list[Range] | None
    special: list[bool] | None
    source: int | None
    extras: dict[str, Value]
    points: list[tuple[Range, dict[str, Value]]] | None
    pairs: list[tuple[str, Range, Range, dict[str, Value]]]


@dataclass(eq=False)
class Reading:
    """All lines as examples.

    Attributes:
        pooled: whether points are named by lines: then hidden states are means over their tokens.
    """

    examples: list[Example]
    columns: Columns
    info: TokenInfo
    notes: list[str] = field(default_factory=list)


def read_examples(path: Path, problems: Problems) -> Reading:
    """Reads the lines.

    Args:
        path: the file.
        problems: takes lines that cannot be used.

    Raises:
        ExtractError: the file cannot be read, or none of its lines can be used.
    """
    dropped: dict[str, None] = {}
    lines = list(_lines(path, problems, dropped))
    if not lines:
        raise ExtractError(f"{path} has no line that can be used; it must hold a JSON object each.")
    sided = {line.source is not None for line in lines}
    if len(sided) > 1:
        raise ExtractError(f'{path}: "source" must be given for all examples or for none.')
    chosen = {
        token
        for line in lines
        if line.special is not None
        for token, special in zip(line.tokens, line.special, strict=True)
        if special
    }
    info = conventions([line.tokens for line in lines], chosen)
    notes = []
    if dropped:
        names = ", ".join(dropped)
        notes.append(f"Fields that hold lists or objects were not kept: {names}.")
    columns, tables = _columns(lines)
    examples = []
    lost = 0
    for line in lines:
        try:
            example, found = _example(line, info, tables)
        except Unusable as error:
            problems.add(error.where, error.what)
            continue
        lost += line.text is not None and not found
        examples.append(example)
    if not examples:
        raise ExtractError(f"{path} has no line that can be used.")
    if lost:
        notes.append(
            f"The tokens of {many(lost, 'example')} were not found in the text; the text is made "
            'of the tokens (give "offsets" to keep it).'
        )
    return Reading(examples, columns, info, notes)


def _lines(path: Path, problems: Problems, dropped: dict[str, None]) -> Iterator[Described]:
    seen: dict[str, int] = {}
    for one in read_jsonl(path):
        where = f"{path}, line {one.line}"
        if not isinstance(one, Record):
            problems.add(where, one.what)
            continue
        try:
            line = _checked(where, one.fields, dropped)
            if line.id in seen:
                raise Unusable(where, f'has the id "{line.id}" of line {seen[line.id]}')
        except Unusable as error:
            problems.add(error.where, error.what)
            continue
        seen[line.id] = one.line
        yield line


def _checked(where: str, row: Mapping[str, Any], dropped: dict[str, None]) -> Described:
    name = row.get("id")
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        raise Unusable(where, f'has {kind_of(name)} as "id"; it must be text or a whole number')
    tokens = row.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(one, str) for one in tokens):
        raise Unusable(where, 'needs "tokens", a list of texts')
    if not tokens:
        raise Unusable(where, 'has no tokens in "tokens"')
    text = row.get("text")
    if text is not None and not isinstance(text, str):
        raise Unusable(where, f'has {kind_of(text)} as "text"')
    n = len(tokens)
    offsets = _ranges(where, "offsets", row.get("offsets"), n, None if text is None else len(text))
    special = row.get("special")
    if special is not None and (
        not isinstance(special, list) or [type(one) for one in special] != [bool] * n
    ):
        raise Unusable(where, f'needs true or false for each of its {n} tokens in "special"')
    source = row.get("source")
    if source is not None and (type(source) is not int or not 0 <= source <= n):
        raise Unusable(where, f'needs a number from 0 to {n} as "source"')
    extras = _extras(row, _KNOWN, dropped)
    points = _points(where, row.get("points"), n, dropped)
    pairs = _pairs(where, str(name), row.get("pairs"), n, dropped)
    return Described(
        where, str(name), text, tuple(tokens), offsets, special, source, extras, points, pairs
    )


def _ranges(
    where: str, name: str, value: object, count: int, length: int | None
) -> list[Range] | None:
    if value is None:
        return None
    if length is None:
        raise Unusable(where, f'has "{name}" but no "text" that they are in')
    if not isinstance(value, list) or len(value) != count:
        raise Unusable(where, f'needs [start, end] for each of its {count} tokens in "{name}"')
    return [_range(where, name, one, length, empty=True) for one in value]


def _range(where: str, name: str, value: object, length: int, *, empty: bool = False) -> Range:
    if not isinstance(value, list) or [type(one) for one in value] != [int, int]:
        raise Unusable(where, f'needs two whole numbers, [start, end], in "{name}"')
    start, stop = value
    if not 0 <= start <= stop <= length or (start == stop and not empty):
        raise Unusable(where, f'has [{start}, {stop}] in "{name}", which is not within {length}')
    return start, stop


def _points(
    where: str, value: object, count: int, dropped: dict[str, None]
) -> list[tuple[Range, dict[str, Value]]] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise Unusable(where, f'has {kind_of(value)} as "points"; it must be a list')
    made = []
    for one in value:
        fields = one if isinstance(one, dict) else {"tokens": one}
        span = _range(where, "points", fields.get("tokens"), count)
        made.append((span, _extras(fields, {"tokens"}, dropped)))
    return sorted(made, key=lambda item: item[0])


def _pairs(
    where: str, example: str, value: object, count: int, dropped: dict[str, None]
) -> list[tuple[str, Range, Range, dict[str, Value]]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Unusable(where, 'needs a list of objects as "pairs"')
    made = []
    for number, one in enumerate(value):
        name = one.get("id", f"{example}-{number}")
        spans = [_range(where, key, one.get(key), count) for key in ("span1", "span2")]
        extras = _extras(one, {"id", "span1", "span2"}, dropped)
        made.append((str(name), spans[0], spans[1], extras))
    return made


def _extras(
    row: Mapping[str, Any], known: frozenset[str] | set[str], dropped: dict[str, None]
) -> dict[str, Value]:
    kept: dict[str, Value] = {}
    for name, value in row.items():
        if name in known:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 1 << 1000 else str(value)
        if value is None or isinstance(value, (str, float, bool)):
            kept[name] = value
        else:
            dropped[name] = None
    return kept


@dataclass(frozen=True)
class _Table:
    """Columns of one table, and the name that each field has there."""

    columns: dict[str, Column]
    names: dict[str, str]

    def values(self, fields: Mapping[str, Value]) -> Values:
        return {
            free: cell(self.columns[free], _as(self.columns[free], fields.get(name)))
            for name, free in self.names.items()
        }


def _columns(lines: Sequence[Described]) -> tuple[Columns, dict[str, _Table]]:
    fields: dict[str, list[dict[str, Value]]] = {
        "examples": [line.extras for line in lines],
        "points": [extras for line in lines for _, extras in line.points or ()],
        "pairs": [extras for line in lines for *_, extras in line.pairs],
    }
    tables = {name: _table(rows) for name, rows in fields.items()}
    made = Columns(tables["examples"].columns, tables["points"].columns, tables["pairs"].columns)
    return made, tables


def _table(rows: Sequence[Mapping[str, Value]]) -> _Table:
    columns: dict[str, Column] = {}
    names: dict[str, str] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        free = free_name(name, {"id", "text", *columns})
        column = column_for(name, values)
        known = [value for value in values if value is not None]
        if name in ("gold", "prediction") and all(isinstance(v, (str, bool)) for v in known):
            column = dataclasses.replace(column, kind="categorical")
        if name in _ROLES and _ROLE_KINDS.get(name, column.kind) == column.kind:
            column = dataclasses.replace(column, role=name)
        columns[free], names[name] = column, free
    return _Table(columns, names)


def _as(column: Column, value: Value) -> Value:
    """A label of a categorical column is text."""
    if column.kind == "categorical" and isinstance(value, bool):
        return str(value).lower()
    return value


def _example(
    line: Described, info: TokenInfo, tables: Mapping[str, _Table]
) -> tuple[Example, bool]:
    """The example, and whether its tokens are in the text that was given."""
    special = None if line.special is None else np.array(line.special, dtype=np.bool_)
    if line.offsets is not None and line.text is not None:
        _, tokens, _ = placed(line.tokens, None, info, special)
        offsets = np.array(line.offsets, dtype=np.int32).reshape(-1, 2)
        offsets[tokens.special] = 0
        text, found = line.text, True
        tokens = Tokens(tokens.texts, offsets, tokens.special, tokens.words)
    else:
        text, tokens, found = placed(line.tokens, line.text, info, special)
        if line.source is not None and not (found and line.text is not None):
            text, tokens = _two_lines(tokens, line.source, info)
    points = _made_points(line, tokens, tables["points"])
    pairs = []
    for name, first, second, extras in line.pairs:
        ranges = [_points_of(line.where, span, points) for span in (first, second)]
        values = tables["pairs"].values(extras)
        pairs.append(Pair(name, first, second, ranges[0], ranges[1], values))
    values = tables["examples"].values(line.extras)
    return (
        Example(line.id, text, tokens, values, points, pairs, source=line.source),
        found,
    )


def _two_lines(tokens: Tokens, source: int, info: TokenInfo) -> tuple[str, Tokens]:
    """A text made of tokens with the source on one line and the target on the next."""
    halves = [
        joined(tokens.texts[half], tokens.special[half], info)
        for half in (slice(0, source), slice(source, None))
    ]
    (first, above), (second, below) = halves
    below[~tokens.special[source:]] += len(first) + 1
    offsets = np.concatenate([above, below])
    return f"{first}\n{second}", dataclasses.replace(tokens, offsets=offsets)


def _made_points(line: Described, tokens: Tokens, table: _Table) -> list[Point]:
    """The points of a line: those it names, else the pieces of its pairs, else all tokens."""
    if line.points is not None:
        return [Point(span, table.values(extras)) for span, extras in line.points]
    spans = [span for _, first, second, _ in line.pairs for span in (first, second)]
    pieces = sorted({at for span in spans for at in range(*span)})
    if not line.pairs:
        first = line.source or 0
        pieces = [at for at in range(first, len(tokens)) if not tokens.special[at]]
    return [Point((at, at + 1), table.values({})) for at in pieces]


def _points_of(where: str, span: Range, points: Sequence[Point]) -> Range:
    """The points within a span, which must be neighbours."""
    inside = [
        i for i, one in enumerate(points) if span[0] <= one.tokens[0] and one.tokens[1] <= span[1]
    ]
    if not inside:
        raise Unusable(where, f"has a pair with the span {list(span)}, in which no point lies")
    if inside[-1] - inside[0] + 1 != len(inside):
        raise Unusable(where, f"has other points between those of the span {list(span)}")
    return inside[0], inside[-1] + 1
