"""Span pairs: every record is checked, and named by its line if bad."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadLine
from .fields import BadRecord, Fields, kind_of
from .fields import Value as Value
from .records import Record, RecordSource, open_records


@dataclass(frozen=True)
class Span:
    """A stretch of a text: ``start`` to ``end`` in characters (code points), half open."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class PairRecord:
    """One line: do these two spans of this text name the same thing?

    Attributes:
        line: number of the line, counted from 1.
        schema: the text's own id, empty if the line gives none.
        span1: the candidate.
        span2: the pronoun.
        label: gold answer, None if unknown.
        prediction: a model's answer, None if there is none.
        probability: of coreference, None if there is none.
        extras: further fields that are a string, a number, a boolean or null.
    """

    line: int
    id: str
    schema: str
    text: str
    span1: Span
    span2: Span
    label: bool | None = None
    prediction: bool | None = None
    probability: float | None = None
    extras: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class TextGroup:
    """The lines that share a text: one example with one pair or several."""

    id: str
    text: str
    records: tuple[PairRecord, ...]


@dataclass
class Reading:
    """What came of reading a file.

    Attributes:
        groups: the examples, in the order in which their first lines stand.
        lines: number of lines that are not blank.
        bad: lines that were left out.
        dropped_fields: names of further fields that are lists or maps, hence not kept.
    """

    groups: list[TextGroup]
    lines: int
    bad: list[BadLine]
    dropped_fields: tuple[str, ...]


_SPAN = ("text", "start", "end")
_KNOWN = {
    *("id", "schema_id", "text", "span1", "span2", "label", "prediction", "probability"),
    *(f"{span}.{part}" for span in ("span1", "span2") for part in _SPAN),
}


def read_pairs(path: Path, *, skip_bad: bool = False) -> Reading:
    """Reads a JSON Lines file of span pairs, as in ``wsc.jsonl`` and GAP.

    Args:
        path: the file; UTF-8, one JSON object per line, blank lines are passed over.
        skip_bad: collect bad lines instead of stopping at the first.

    Raises:
        BadLine: a line cannot be used (only without ``skip_bad``).
        ExtractError: the file cannot be read.
    """
    return pairs_from_records(open_records(path, format="jsonl"), skip_bad=skip_bad)


def pairs_from_records(source: RecordSource, *, skip_bad: bool = False) -> Reading:
    """Span pairs from records of any format.

    A span is an object with ``text``, ``start`` and ``end``, or (as in CSV) three fields, of
    which the names begin with the span's: ``span1.text``, ``span1.start``, ``span1.end``.

    Args:
        source: the records.
        skip_bad: collect bad records instead of stopping at the first.

    Raises:
        BadLine: a record cannot be used (only without ``skip_bad``).
        ExtractError: the data cannot be read.
    """
    groups: dict[tuple[str, str], list[PairRecord]] = defaultdict(list)
    seen: dict[str, int] = {}
    bad: list[BadLine] = []
    dropped: dict[str, None] = {}
    lines = 0
    for one in source:
        lines += 1
        try:
            if isinstance(one, BadLine):
                raise BadRecord(one.what)
            record, left = _parse(one)
            _check_group(record, groups)
            if record.id in seen:
                raise BadRecord(f'the id "{record.id}" was used in line {seen[record.id]} already')
        except BadRecord as error:
            problem = source.bad(one.line, str(error))
            if not skip_bad:
                raise problem from None
            bad.append(problem)
            continue
        seen[record.id] = record.line
        dropped.update(dict.fromkeys(left))
        groups[_group_key(record)].append(record)
    return Reading(_named(groups), lines, bad, tuple(dropped))


def _parse(record: Record) -> tuple[PairRecord, list[str]]:
    """A record as a pair, and the names of the fields that were not kept."""
    fields = Fields(record)
    text = fields.string("text")
    label, prediction = fields.boolean("label"), fields.boolean("prediction")
    extras, dropped = fields.extras(_KNOWN)
    pair = PairRecord(
        line=record.line,
        id=fields.identifier("id"),
        schema=fields.identifier("schema_id", default=""),
        text=text,
        span1=_span(fields, "span1", text),
        span2=_span(fields, "span2", text),
        label=label,
        prediction=prediction,
        probability=fields.number("probability", low=0, high=1),
        extras=extras,
    )
    return pair, dropped


def _span(fields: Fields, name: str, text: str) -> Span:
    value = _span_object(fields, name)
    if not isinstance(value, dict):
        raise BadRecord(
            f'"{name}" must be an object with text, start and end, not {kind_of(value)}'
        )
    for part in _SPAN:
        if part not in value:
            raise BadRecord(f'"{name}" has no field "{part}"')
    words, start, end = value["text"], value["start"], value["end"]
    if not isinstance(words, str):
        raise BadRecord(f'the text of "{name}" must be a string, not {kind_of(words)}')
    if type(start) is not int or type(end) is not int:
        raise BadRecord(f'start and end of "{name}" must be whole numbers')
    if not 0 <= start <= end <= len(text):
        where = f"characters {start} to {end}"
        raise BadRecord(f'"{name}" is {where}, outside the text of {len(text)} characters')
    if not text[start:end].strip():
        raise BadRecord(f'"{name}" is empty (characters {start} to {end})')
    if text[start:end] != words:
        found = f'characters {start} to {end} of the text are "{text[start:end]}"'
        raise BadRecord(f'"{name}" says "{words}" but {found}')
    return Span(words, start, end)


def _span_object(fields: Fields, name: str) -> Any:
    """The span's object, made from its flat fields if those are what there is."""
    row = fields.record.fields
    if name in row or f"{name}.start" not in row:
        return fields.required(name)
    found = {part: fields.get(f"{name}.{part}") for part in _SPAN if f"{name}.{part}" in row}
    for part in {"start", "end"} & set(found):
        found[part] = fields.whole(f"{name}.{part}")
    return found


def _group_key(record: PairRecord) -> tuple[str, str]:
    return ("schema", record.schema) if record.schema else ("text", record.text)


def _check_group(record: PairRecord, groups: Mapping[tuple[str, str], list[PairRecord]]) -> None:
    before = groups.get(_group_key(record))
    if before and before[0].text != record.text:
        where = f"line {before[0].line}"
        raise BadRecord(
            f'its text differs from that of {where} with the same schema_id "{record.schema}"'
        )


def _named(groups: Mapping[tuple[str, str], list[PairRecord]]) -> list[TextGroup]:
    """Examples with ids: the schema's, else the first line's, made unique if both kinds clash."""
    taken = {name for kind, name in groups if kind == "schema"}
    named = []
    for (kind, name), records in groups.items():
        if kind == "text":
            name = records[0].id
            while name in taken:
                name += "'"
            taken.add(name)
        named.append(TextGroup(name, records[0].text, tuple(records)))
    return named
