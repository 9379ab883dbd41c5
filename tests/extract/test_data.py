"""Reading span pairs: what is taken, and that every bad line is named by its number."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.data.pairs import read_pairs
from extract.errors import BadLine, ExtractError

from .conftest import COUNCIL, LINES, TROPHY, line

Write = Callable[..., Path]


def test_lines_with_one_text_are_one_example(wsc_file: Path) -> None:
    reading = read_pairs(wsc_file)
    assert [group.id for group in reading.groups] == ["a", "b", "c"]
    assert [record.id for record in reading.groups[0].records] == ["a-1", "a-2"]
    first = reading.groups[0].records[0]
    assert (first.line, first.label, first.span2.text) == (1, True, "it")
    assert first.text[first.span1.start : first.span1.end] == "The trophy"
    assert reading.lines == 6 and not reading.bad


def test_without_schema_id_the_text_groups_and_the_first_id_names(write_lines: Write) -> None:
    path = write_lines(
        line(TROPHY, "The trophy", "it", id="one"),
        line(COUNCIL, "the demonstrators", "they", id="two"),
        line(TROPHY, "the brown suitcase", "it", id="three"),
    )
    groups = read_pairs(path).groups
    assert [(g.id, len(g.records)) for g in groups] == [("one", 2), ("two", 1)]
    assert groups[0].records[0].label is None


def test_an_example_named_after_a_line_never_shares_a_schemas_name(write_lines: Write) -> None:
    path = write_lines(
        line(TROPHY, "The trophy", "it", id="a"),
        line(COUNCIL, "the demonstrators", "they", id="b", schema_id="a"),
    )
    ids = [group.id for group in read_pairs(path).groups]
    assert ids[1] == "a" and len(set(ids)) == 2


def test_offsets_are_code_points_and_only_a_newline_ends_a_line(write_lines: Write) -> None:
    text = "\U0001f600 Zoë\u2028met Ana\u0301 and she smiled."
    path = write_lines(b"\xef\xbb\xbf", line(text, "Zoë", "she", id=1), "", "  \r")
    reading = read_pairs(path)
    record = reading.groups[0].records[0]
    assert (record.id, record.line, record.span1.start) == ("1", 2, 2)


def test_byte_order_mark_and_windows_line_ends_are_no_harm(write_lines: Write) -> None:
    row = json.dumps(line(TROPHY, "The trophy", "it", id="x")).encode()
    path = write_lines(b"\xef\xbb\xbf" + row + b"\r")
    assert read_pairs(path).groups[0].records[0].line == 1


def test_simple_fields_are_kept_and_others_named(write_lines: Write) -> None:
    extra = {"url": "http://x", "year": 1972, "hard": False, "none": None, "tags": ["a"], "o": {}}
    reading = read_pairs(write_lines(line(TROPHY, "The trophy", "it", id="x", **extra)))
    kept = reading.groups[0].records[0].extras
    assert kept == {"url": "http://x", "year": 1972.0, "hard": False, "none": None}
    assert reading.dropped_fields == ("tags", "o")


def _changed(path: str, value: Any) -> dict[str, Any]:
    row = copy.deepcopy(LINES[2])
    target = row
    *parents, last = path.split(".")
    for name in parents:
        target = target[name]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return row


_BAD: list[tuple[str, dict[str, Any] | str | bytes, str]] = [
    ("no id", _changed("id", ...), 'no field "id"'),
    ("no text", _changed("text", ...), 'no field "text"'),
    ("no span", _changed("span2", ...), 'no field "span2"'),
    ("no end", _changed("span1.end", ...), '"span1" has no field "end"'),
    ("id of wrong type", _changed("id", True), '"id" must be a string, not a boolean'),
    ("text of wrong type", _changed("text", 3), '"text" must be a string, not a number'),
    ("empty text", _changed("text", "  "), '"text" is empty'),
    ("span of wrong type", _changed("span1", [0, 4]), "must be an object"),
    ("start of wrong type", _changed("span1.start", "0"), "must be whole numbers"),
    ("start is a boolean", _changed("span1.start", False), "must be whole numbers"),
    ("span text of wrong type", _changed("span1.text", None), "must be a string, not null"),
    ("label of wrong type", _changed("label", "yes"), '"label" must be true, false or null'),
    ("prediction of wrong type", _changed("prediction", 1), '"prediction" must be true'),
    ("probability of wrong type", _changed("probability", "1"), '"probability" must be a number'),
    ("probability out of range", _changed("probability", 1.5), "between 0 and 1"),
    ("negative start", _changed("span1.start", -1), "outside the text of 84 characters"),
    ("end beyond the text", _changed("span1.end", 85), "outside the text of 84 characters"),
    ("end before start", _changed("span1.end", -1), "outside the text"),
    ("empty span", _changed("span1.end", 0), '"span1" is empty'),
    ("blank span", _changed("span2", {"text": " ", "start": 3, "end": 4}), '"span2" is empty'),
    ("other words", _changed("span1.text", "The town"), 'of the text are "The city councilmen"'),
    ("used id", _changed("id", "a-1"), 'the id "a-1" was used in line 1 already'),
    ("other text, same schema", _changed("schema_id", "a"), "differs from that of line 1"),
    ("not JSON", '{"id": 1', "is not valid JSON"),
    ("not a number", '{"id": NaN}', "NaN is not a JSON number"),
    ("a list", "[1, 2]", "is not a JSON object but a list"),
    ("too deep", "[" * 100_000, "is not valid JSON"),
    ("half a character", '{"id": "\\ud800"}', "half of a surrogate pair"),
    ("not UTF-8", b'{"id": "\xff"}', "is not UTF-8 (byte 9"),
]


@pytest.mark.parametrize(("bad", "what"), [row[1:] for row in _BAD], ids=[row[0] for row in _BAD])
def test_a_bad_line_is_named(write_lines: Write, bad: Any, what: str) -> None:
    path = write_lines(*LINES[:2], "", bad, *LINES[4:])
    with pytest.raises(BadLine) as caught:
        read_pairs(path)
    assert caught.value.line == 4 and what in caught.value.what
    assert str(caught.value).startswith(f"{path}, line 4: ") and "--skip-bad" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1

    reading = read_pairs(path, skip_bad=True)
    assert [one.line for one in reading.bad] == [4]
    assert [group.id for group in reading.groups] == ["a", "c"] and reading.lines == 5


def test_a_line_that_was_left_out_does_not_use_up_its_id(write_lines: Write) -> None:
    bad = _changed("span1.end", 0)
    reading = read_pairs(write_lines(bad, LINES[2]), skip_bad=True)
    assert [group.records[0].id for group in reading.groups] == ["b-1"]


@pytest.mark.parametrize("make", ["missing", "directory"])
def test_what_is_no_file_is_said_so(tmp_path: Path, make: str) -> None:
    path = tmp_path if make == "directory" else tmp_path / "none.jsonl"
    with pytest.raises(ExtractError, match="is a directory" if make == "directory" else "no data"):
        read_pairs(path)
