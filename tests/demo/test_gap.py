"""GAP's tab-separated values to JSON Lines: every offset is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.gap import COLUMNS, GapError, convert, main, records
from extract.data.pairs import read_pairs

TEXT = "Zoë Lindqvist thanked Anna — “at last” — because she had waited."
ROW = {
    "ID": "test-7",
    "Text": TEXT,
    "Pronoun": "she",
    "Pronoun-offset": str(TEXT.index("she")),
    "A": "Zoë Lindqvist",
    "A-offset": "0",
    "A-coref": "FALSE",
    "B": "Anna",
    "B-offset": str(TEXT.index("Anna")),
    "B-coref": "TRUE",
    "URL": "http://en.wikipedia.org/wiki/Anna",
}
HEADER = "\t".join(COLUMNS)


def line(**changes: str) -> str:
    """One row of a GAP file."""
    return "\t".join({**ROW, **{k.replace("_", "-"): v for k, v in changes.items()}}.values())


def test_a_row_becomes_two_records_with_offsets_in_characters() -> None:
    first, second = records([HEADER, line()])
    assert first == {
        "id": "gap-test-7-A",
        "schema_id": "gap-test-7",
        "text": TEXT,
        "span1": {"text": "Zoë Lindqvist", "start": 0, "end": 13},
        "span2": {"text": "she", "start": 49, "end": 52},
        "label": False,
        "url": ROW["URL"],
    }
    assert second["id"] == "gap-test-7-B"
    assert second["label"] is True
    assert second["span1"] == {"text": "Anna", "start": 22, "end": 26}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"A_offset": "1"}, 'A is "Zoë Lindqvist" but at 1 the text has "oë Lindqvist "'),
        ({"B_offset": "22.0"}, 'B-offset is "22.0", which is no number'),
        ({"Pronoun_offset": "900"}, 'Pronoun is "she" but at 900 the text has ""'),
        ({"B_coref": "maybe"}, 'B-coref is "maybe" instead of TRUE or FALSE'),
        ({"Pronoun": ""}, 'Pronoun is "" but'),
    ],
)
def test_the_first_wrong_row_stops_and_is_named(changes: dict[str, str], message: str) -> None:
    with pytest.raises(GapError) as error:
        list(records([HEADER, line(), line(**changes), line(A_offset="5")], "gap-test.tsv"))
    assert str(error.value).startswith("gap-test.tsv, line 3: ")
    assert message in str(error.value)


def test_no_record_of_a_wrong_row_comes_out() -> None:
    found = []
    with pytest.raises(GapError):
        for record in records([HEADER, line(B_offset="3")]):
            found.append(record)  # noqa: PERF402  # what came before the error counts
    assert found == []


def test_another_header_or_a_short_row_is_refused() -> None:
    with pytest.raises(GapError, match="does not start with GAP's header"):
        list(records([line()]))
    with pytest.raises(GapError, match="does not start with GAP's header"):
        list(records([]))
    with pytest.raises(GapError, match="line 2: 3 fields instead of 11"):
        list(records([HEADER, "a\tb\tc"]))


def test_the_file_can_be_read_by_the_extraction(tmp_path: Path) -> None:
    source, target = tmp_path / "gap-test.tsv", tmp_path / "out" / "gap-test.jsonl"
    source.write_text("\n".join([HEADER, line(), line(ID="test-8")]) + "\n", encoding="utf-8")
    assert convert(source, target) == 4
    groups = read_pairs(target).groups
    assert [group.id for group in groups] == ["gap-test-7", "gap-test-8"]
    assert [record.label for record in groups[0].records] == [False, True]


def test_nothing_is_written_where_the_source_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "gap.tsv", tmp_path / "gap.jsonl"
    source.write_text("\n".join([HEADER, line(), line(A_offset="2")]), encoding="utf-8")
    assert main([str(source), "-o", str(target)]) == 1
    assert not target.exists()
    assert "line 3" in capsys.readouterr().err
    assert main([str(tmp_path / "none.tsv"), "-o", str(target)]) == 1


def test_shared_records_have_the_same_fields(shared: Path) -> None:
    first = (shared / "data" / "gap-validation.jsonl").read_text(encoding="utf-8").split("\n")[0]
    (mine, _) = records([HEADER, line()])
    assert list(json.loads(first)) == list(mine)
