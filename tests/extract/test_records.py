"""Opening data: which format, which columns, how many, and data sets by name."""

from __future__ import annotations

import datetime
import json
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from extract.arguments import FORMATS as CHOICES
from extract.data.pairs import pairs_from_records
from extract.data.records import FORMATS, Record, open_records
from extract.errors import BadLine, ExtractError, UsageError


def rows(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
    return [dict(one.fields) for one in open_records(*arguments, **options).records()]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.jsonl", '{"text": "a"}', "jsonl"),
        ("a.NDJSON", '{"text": "a"}', "jsonl"),
        ("a.json", '[{"text": "a"}]', "json"),
        ("a", '\ufeff \n{"text": "a"}', "jsonl"),
        ("a.csv", "text\na", "csv"),
        ("a.tsv", "text\na", "tsv"),
        ("a.txt", "a", "txt"),
    ],
)
def test_the_format_follows_from_the_file(
    tmp_path: Path, name: str, content: str, found: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    source = open_records(path)
    assert (source.format, source.description, source.name) == (found, name, str(path))
    assert rows(path) == [{"text": "a"}]
    assert found in FORMATS


@pytest.mark.parametrize("ending", ["conll", "bio", "iob", "conllu"])
def test_columns_follow_from_the_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("x O\n" if ending != "conllu" else "\t".join(["1", "x", *"_" * 8]))
    assert open_records(path).format == ("conllu" if ending == "conllu" else "conll")
    assert rows(path)[0]["words"] == ["x"]


def test_a_format_that_is_given_goes_before_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x\tO\n")
    assert rows(path, format="conll")[0]["tags"] == ["O"]


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    unknown = tmp_path / "a.dat"
    unknown.write_bytes(b"\x80\x02}q\x00")
    with pytest.raises(UsageError, match=r"cannot be told .* --format \(jsonl, json, csv"):
        open_records(unknown)
    with pytest.raises(UsageError, match='"pickle" is no format of data; there are jsonl'):
        open_records(unknown, format="pickle")
    with pytest.raises(ExtractError, match="There is no data file"):
        open_records(tmp_path / "none.csv")
    with pytest.raises(ExtractError, match="is a directory"):
        open_records(tmp_path, format="csv")
    with pytest.raises(UsageError, match="is a file and has no splits"):
        open_records(unknown, format="jsonl", split="test")


def test_columns_are_read_as_the_fields_that_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines: list[dict[str, Any]] = [
        {"text": "old", "review": "r", "meta": {"stars": 3}, "b": 1},
        {"text": "old", "review": "s", "b": 2},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mapping = {"text": "review", "label": "meta.stars", "b": "text"}
    assert rows(path, mapping=mapping) == [
        {"text": "r", "label": 3, "b": "old", "meta": {"stars": 3}},
        {"text": "s", "b": "old"},
    ]


def test_a_name_with_a_dot_goes_before_what_is_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a.b": 1, "a": {"b": 2, "c.d": {"e": 3}}}\n')
    assert rows(path, mapping={"x": "a.b", "y": "a.c.d.e"})[0]["x"] == 1
    assert rows(path, mapping={"x": "a.b", "y": "a.c.d.e"})[0]["y"] == 3


def test_a_column_that_is_nowhere_is_said_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,review\n1,x\n")
    source = open_records(path, mapping={"text": "reviews"})
    what = 'no column "reviews" for the field "text"; its columns are id, review.'
    with pytest.raises(UsageError, match=what):
        list(source)


def test_a_column_of_later_records_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"t": "a"}\nbad\n{"t": "b", "gold": 1}\n')
    found = list(open_records(path, mapping={"label": "gold"}))
    assert [one.fields if isinstance(one, Record) else one.line for one in found] == [
        {"t": "a"},
        2,
        {"label": 1, "t": "b"},
    ]


def test_bad_records_are_told_apart_and_the_limit_counts_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n[]\n{"n": 2}\n{"n": 3}\n{broken\n')
    source = open_records(path, limit=2)
    assert [type(one) for one in source] == [Record, BadLine, Record]
    with pytest.raises(BadLine, match=r"a\.jsonl, line 2: is not a JSON object but a list\."):
        list(source.records())
    bad: list[BadLine] = []
    assert [one.line for one in source.records(bad)] == [1, 3]  # and a second time
    assert [one.line for one in bad] == [2]
    assert not list(open_records(path, limit=0))


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "conllu", "txt"])
def test_a_file_is_not_read_into_memory(tmp_path: Path, ending: str) -> None:
    text = "word " * 600
    record = json.dumps({"text": text})
    line, start, end = {
        "jsonl": (record + "\n", "", ""),
        "json": (record + ",\n", "[", '{"text": "end"}]'),
        "csv": (f'"{text}"\n', "text\n", ""),
        "txt": (text + "\n", "", ""),
        "conllu": ("\t".join(["1", text.replace(" ", "_"), *"_" * 8]) + "\n\n", "", ""),
    }[ending]
    path = tmp_path / f"long.{ending}"
    with path.open("w") as file:
        file.write(start)
        for _ in range(4_000):
            file.write(line)
        file.write(end)
    assert path.stat().st_size > 12_000_000
    tracemalloc.start()
    count = sum(1 for _ in open_records(path).records())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count in (4_000, 4_001) and peak < 6_000_000


def test_span_pairs_from_cells(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    head = "id,text,span1.text,span1.start,span1.end,span2.text,span2.start,span2.end,label,from\n"
    path.write_text(
        head + '1,"Ann, she",Ann,0,3,she,5,8,yes,x\n2,"Ann, she",Ann,0,three,she,5,8,,\n'
    )
    reading = pairs_from_records(open_records(path), skip_bad=True)
    (record,) = reading.groups[0].records
    assert (record.id, record.label, record.span2.start) == ("1", True, 5)
    assert record.extras == {"from": "x"} and not reading.dropped_fields
    assert [one.what for one in reading.bad] == [
        '"span1.end" must be a number or empty, not "three"'
    ]


# data sets by name: what the package does is played by a small module


class _Label:
    names = ("neg", "pos")

    def int2str(self, number: int) -> str:
        return self.names[number]


class _List:
    def __init__(self, feature: Any) -> None:
        self.feature = feature


class Image:
    """A feature of this name cannot be read as text."""


class _Data:
    def __init__(self, rows: list[dict[str, Any]], features: dict[str, Any]) -> None:
        self.rows = rows
        self.features = features

    def remove_columns(self, names: list[str]) -> _Data:
        left = {key: kind for key, kind in self.features.items() if key not in names}
        return _Data([{key: row[key] for key in left} for row in self.rows], left)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


_REVIEWS = _Data(
    [
        {
            "review": "good",
            "label": 1,
            "tags": [0, 1],
            "answers": {"kind": [1], "text": ["a"]},
            "more": [{"kind": 0}],
            "day": datetime.date(2020, 2, 1),
            "picture": b"...",
        },
        {
            "review": "\ud800",
            "label": -1,
            "tags": [],
            "answers": None,
            "more": [],
            "day": None,
            "picture": b"",
        },
    ],
    {
        "review": object(),
        "label": _Label(),
        "tags": _List(_Label()),
        "answers": {"kind": _List(_Label()), "text": _List(object())},
        "more": [{"kind": _Label()}],
        "day": object(),
        "picture": Image(),
    },
)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module ``datasets`` that has two data sets."""
    module = ModuleType("datasets")

    def load_dataset(
        path: str, name: str | None = None, *, split: str | None, streaming: bool, **more: Any
    ) -> Any:
        assert not streaming and not more
        if path == "one":
            return {"train": _REVIEWS}
        if path == "two":
            every = {"train": _Data([], {}), "test": _REVIEWS}
            if split is not None and split not in every:
                raise ValueError(f'Unknown split "{split}". Should be one of {list(every)}.')
            return every if split is None else every[split]
        if path == "many":
            if name is None:
                raise ValueError("Config name is missing.\nPlease pick one among: ['a', 'b']")
            return {name: _REVIEWS}
        raise ERRORS[path]

    module.__dict__["load_dataset"] = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


class DatasetNotFoundError(FileNotFoundError):
    pass


class OfflineModeIsEnabled(ConnectionError):
    pass


ERRORS: dict[str, Exception] = {
    "unknown": DatasetNotFoundError("Dataset 'unknown' doesn't exist on the Hub"),
    "offline": OfflineModeIsEnabled("Offline mode is enabled."),
    "cable": ConnectionError("Couldn't reach 'cable' on the Hub"),
    "code": RuntimeError("Dataset scripts are no longer supported, but found code.py"),
    "odd": KeyError("something\nwith lines"),
}


@pytest.mark.usefixtures("package")
def test_a_data_set_by_name() -> None:
    source = open_records("one", mapping={"text": "review"})
    assert (source.format, source.description) == ("datasets", "one, split train")
    first, second = source
    assert isinstance(first, Record) and not first.untyped
    assert first.fields == {
        "text": "good",
        "label": "pos",
        "tags": ["neg", "pos"],
        "answers": {"kind": ["pos"], "text": ["a"]},
        "more": [{"kind": "neg"}],
        "day": "2020-02-01",
    }
    assert isinstance(second, BadLine) and second.line == 2 and "surrogate" in second.what


@pytest.mark.usefixtures("package")
def test_splits_and_configurations() -> None:
    assert open_records("two", split="test").description == "two, split test"
    assert open_records("many:b").description == "many:b, split b"
    with pytest.raises(UsageError, match="two has the splits train, test; name one with --split"):
        open_records("two")
    with pytest.raises(UsageError, match='has no split "dev"; there are train, test'):
        open_records("two", split="dev")
    with pytest.raises(UsageError, match="give one as many:CONFIGURATION: a, b"):
        open_records("many")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("unknown", "There is no file unknown, and no data set of this name was found"),
        ("offline", "could not be fetched: there is no connection, or offline mode is on"),
        ("cable", "could not be fetched"),
        ("code", "comes with code, which is never run here"),
        ("odd", "cannot be loaded (KeyError: 'something"),
    ],
)
def test_a_data_set_that_cannot_be_had(name: str, what: str) -> None:
    with pytest.raises(ExtractError) as caught:
        open_records(name)
    assert what in str(caught.value) and "\n" not in str(caught.value)


def test_without_the_package_a_name_is_a_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ExtractError, match=r"There is no data file imdb; if .*pip install"):
        open_records("imdb")
    with pytest.raises(ExtractError, match='needs the package "datasets"'):
        open_records("imdb", format="datasets")
    with pytest.raises(ExtractError, match="There is no data file data/imdb/x; check the path"):
        open_records("data/imdb/x")


def test_the_command_line_knows_every_format() -> None:
    assert set(CHOICES) == {"auto", "datasets", *FORMATS}
