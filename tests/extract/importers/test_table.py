"""The application's tables, with all their authors' quirks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extract.errors import ExtractError
from extract.importers.common import Problems
from extract.importers.table import normal_id, read_table
from tests.extract.importers.files import absa_rows, coordinate, write_table, wsc_rows


def strict() -> Problems:
    """Problems of which the first ends all."""
    return Problems(skip=False)


def test_a_table_is_read(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "t.csv", wsc_rows()), strict())
    assert table.states == 3
    assert [row.id for row in table.rows] == ["0"] * 4 + ["1"] * 2
    assert [row.line for row in table.rows] == [2, 3, 4, 5, 6, 7]
    assert "" not in table.columns
    assert not {"id", "layer_00_tsne_x"} & set(table.columns)
    expected = [[coordinate(4, layer, axis) for axis in (0, 1)] for layer in range(3)]
    assert np.allclose(table.rows[4].coordinates, expected)
    assert table.rows[4].values["span_token"] == "bob"


def test_a_header_with_all_names_twice_is_read(tmp_path: Path) -> None:
    """As the authors' sample for the aspect task: 66 names, rows of 34 cells."""
    path = write_table(tmp_path / "t.csv", absa_rows())
    header, *rows = path.read_text().splitlines()
    twice = tmp_path / "twice.csv"
    numbered = [f"{number},{row}" for number, row in enumerate(rows)]
    twice.write_text("\n".join([f"{header},{header}", *numbered]) + "\n")
    plain, doubled = read_table(path, strict()), read_table(twice, strict())
    assert doubled.columns == plain.columns
    assert [row.values for row in doubled.rows] == [row.values for row in plain.rows]
    assert doubled.repeated == 0


def test_repeated_header_lines_are_passed_over(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", wsc_rows())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[:3], lines[0], *lines[3:], lines[0]]) + "\n\n")
    table = read_table(path, strict())
    assert table.repeated == 3
    assert len(table.rows) == 6


def test_tabs_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.dat"
    path.write_bytes("﻿id\ttoken\tlayer_00_tsne_x\tlayer_00_tsne_y\n1\ta,b\t1\t2\n".encode())
    (row,) = read_table(path, strict()).rows
    assert row.values == {"token": "a,b"}
    assert row.coordinates.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,token\n", "no rows"),
        ("token,sentence\na,b\n", 'no column "id"'),
        ("id,a,a\n1,2,3\n", 'names the column "a" twice'),
        ("id,layer_00_tsne_x\n1,2\n", 'no column "layer_00_tsne_y"'),
        ("id,layer_01_tsne_x,layer_01_tsne_y\n1,2,3\n", 'no column "layer_00_tsne_x"'),
        ("id,token\n1,2,3,4,5,6\n", "line 2 has 6 cells, but the header names 2"),
        ("id,token\n,x\n", "line 2 has no id"),
        ("id,layer_00_tsne_x,layer_00_tsne_y\n1,nan,2\n", r'line 2 has "nan" as "layer_00_tsne_x"'),
        ("id,layer_00_tsne_x,layer_00_tsne_y\n1,2,\n", 'line 2 has nothing as "layer_00_tsne_y"'),
        ("id,layer_00_tsne_x,layer_00_tsne_y\n1,2,1e99\n", "a place in every layer"),
        ("id,layer_00_tsne_x,layer_00_tsne_y\n1,2,a\n", "--skip-bad"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ExtractError, match=message) as caught:
        read_table(path, strict())
    assert str(caught.value).startswith(str(path))


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,token\n1,a\n2,\xff\n")
    with pytest.raises(ExtractError, match="not UTF-8"):
        read_table(path, strict())
    with pytest.raises(ExtractError, match="cannot be read"):
        read_table(tmp_path / "none.csv", strict())


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", wsc_rows(), layer_01_tsne_x="")
    problems = Problems(skip=True)
    assert len(read_table(path, problems).rows) == 5
    (note,) = problems.note()
    assert "1 thing was left out" in note
    assert "line 2" in note


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, "3"),
        (3.0, "3"),
        ("3.0", "3"),
        (" 3 ", "3"),
        ("3.5", "3.5"),
        ("a.0", "a.0"),
        ("v1.", "v1."),
    ],
)
def test_ids_are_the_same_however_written(given: object, expected: str) -> None:
    assert normal_id(given) == expected
