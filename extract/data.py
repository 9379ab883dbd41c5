"""Reading span pairs from JSON Lines: every line is checked, and named by its number if bad."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BadLine, ExtractError

Value = str | float | bool | None
"""What a further field of a record may hold."""


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


_KNOWN = {"id", "schema_id", "text", "span1", "span2", "label", "prediction", "probability"}


class _Bad(Exception):
    """What is wrong with a line, before its number is added."""


def read_pairs(path: Path, *, skip_bad: bool = False) -> Reading:
    """Reads a JSON Lines file of span pairs, as in ``wsc.jsonl`` and GAP.

    Args:
        path: the file; UTF-8, one JSON object per line, blank lines are passed over.
        skip_bad: collect bad lines instead of stopping at the first.

    Raises:
        BadLine: a line cannot be used (only without ``skip_bad``).
        ExtractError: the file cannot be read.
    """
    groups: dict[tuple[str, str], list[PairRecord]] = defaultdict(list)
    seen: dict[str, int] = {}
    bad: list[BadLine] = []
    dropped: dict[str, None] = {}
    lines = 0
    for number, raw in _raw_lines(path):
        lines += 1
        try:
            record, left = _parse(number, raw)
            _check_group(record, groups)
            if record.id in seen:
                raise _Bad(f'the id "{record.id}" was used in line {seen[record.id]} already')
        except _Bad as error:
            problem = BadLine(path, number, str(error))
            if not skip_bad:
                raise problem from None
            bad.append(problem)
            continue
        seen[record.id] = number
        dropped.update(dict.fromkeys(left))
        groups[_group_key(record)].append(record)
    return Reading(_named(groups), lines, bad, tuple(dropped))


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers; only ``\\n`` ends a line."""
    if path.is_dir():
        raise ExtractError(f"{path} is a directory; give a JSON Lines file with --data.")
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if raw.strip():
                    yield number, raw
    except FileNotFoundError:
        raise ExtractError(f"There is no data file {path}; check the path of --data.") from None
    except OSError as error:
        raise ExtractError(f"{path} cannot be read ({error.strerror}).") from None


def _parse(number: int, raw: bytes) -> tuple[PairRecord, list[str]]:
    """A line as a record, and the names of the fields that were not kept."""
    row = _object(raw)
    text = _string(row, "text")
    label, prediction = _boolean(row, "label"), _boolean(row, "prediction")
    simple = {k: v for k, v in row.items() if k not in _KNOWN and _is_simple(v)}
    record = PairRecord(
        line=number,
        id=_identifier(row, "id", required=True),
        schema=_identifier(row, "schema_id", required=False),
        text=text,
        span1=_span(row, "span1", text),
        span2=_span(row, "span2", text),
        label=label,
        prediction=prediction,
        probability=_probability(row),
        extras={k: float(v) if type(v) is int else v for k, v in simple.items()},
    )
    return record, [k for k in row if k not in _KNOWN and k not in simple]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Bad(f"is not UTF-8 (byte {error.start + 1} of the line)") from None
    try:
        row = json.loads(text, parse_constant=_no_constant)
        if b"\\u" in raw:
            # an escaped lone surrogate is valid JSON, but no tokenizer and no file takes it
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise _Bad(f"is not valid JSON ({error.msg} at column {error.colno})") from None
    except UnicodeEncodeError:
        raise _Bad("holds half of a surrogate pair, which is no character") from None
    except (ValueError, RecursionError) as error:
        raise _Bad(f"is not valid JSON ({error})") from None
    if not isinstance(row, dict):
        raise _Bad(f"is not a JSON object but {_kind(row)}")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def _is_simple(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 1000
    return value is None or isinstance(value, (str, float, bool))


def _field(row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise _Bad(f'has no field "{name}"')
    return row[name]


def _string(row: Mapping[str, Any], name: str) -> str:
    value = _field(row, name)
    if not isinstance(value, str):
        raise _Bad(f'"{name}" must be a string, not {_kind(value)}')
    if not value.strip():
        raise _Bad(f'"{name}" is empty')
    return value


def _identifier(row: Mapping[str, Any], name: str, *, required: bool) -> str:
    if not required and row.get(name) is None:
        return ""
    value = _field(row, name)
    if type(value) is int:
        return str(value)
    return _string(row, name)


def _boolean(row: Mapping[str, Any], name: str) -> bool | None:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Bad(f'"{name}" must be true, false or null, not {_kind(value)}')
    return value


def _probability(row: Mapping[str, Any]) -> float | None:
    value = row.get("probability")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Bad(f'"probability" must be a number, not {_kind(value)}')
    if not 0 <= value <= 1:
        raise _Bad(f'"probability" must lie between 0 and 1, not {value:g}')
    return float(value)


def _span(row: Mapping[str, Any], name: str, text: str) -> Span:
    value = _field(row, name)
    if not isinstance(value, dict):
        raise _Bad(f'"{name}" must be an object with text, start and end, not {_kind(value)}')
    for part in ("text", "start", "end"):
        if part not in value:
            raise _Bad(f'"{name}" has no field "{part}"')
    words, start, end = value["text"], value["start"], value["end"]
    if not isinstance(words, str):
        raise _Bad(f'the text of "{name}" must be a string, not {_kind(words)}')
    if type(start) is not int or type(end) is not int:
        raise _Bad(f'start and end of "{name}" must be whole numbers')
    if not 0 <= start <= end <= len(text):
        where = f"characters {start} to {end}"
        raise _Bad(f'"{name}" is {where}, outside the text of {len(text)} characters')
    if not text[start:end].strip():
        raise _Bad(f'"{name}" is empty (characters {start} to {end})')
    if text[start:end] != words:
        found = f'characters {start} to {end} of the text are "{text[start:end]}"'
        raise _Bad(f'"{name}" says "{words}" but {found}')
    return Span(words, start, end)


def _group_key(record: PairRecord) -> tuple[str, str]:
    return ("schema", record.schema) if record.schema else ("text", record.text)


def _check_group(record: PairRecord, groups: Mapping[tuple[str, str], list[PairRecord]]) -> None:
    before = groups.get(_group_key(record))
    if before and before[0].text != record.text:
        where = f"line {before[0].line}"
        raise _Bad(
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
