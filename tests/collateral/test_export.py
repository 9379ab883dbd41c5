"""``interpret-collateral export``: CSV, JSON and npz hold what the file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import Column, cli
from tests.collateral.command import export, fails, rows_of, strict
from tests.collateral.simple import LAYERS, a_writer, some_tokens


def test_export_examples(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(export(capsys, toy, "examples", "csv"))
    found = strict(export(capsys, toy, "examples", "json"))
    with collateral.open(toy) as c:
        assert [row["id"] for row in rows] == c.examples["id"]
        assert [row["text"] for row in rows] == c.examples["text"]
        for name, words in (("correct", {"": None, "yes": True, "no": False}),):
            assert [words[row[name]] for row in rows] == c.examples[name]
        assert [row["source"] or None for row in rows] == c.examples["source"]
        assert rows[5]["source"] == ""
        assert found[5]["source"] is None
        score = c.examples["score"]
        assert [row["score"] == "" for row in rows] == np.isnan(score).tolist()
        assert [row["score"] is None for row in found] == np.isnan(score).tolist()
        for column in ("id", "text", "url", "source", "correct"):
            assert [row[column] for row in found] == c.examples[column]


def test_export_points_and_pairs_carry_their_numbers(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = rows_of(export(capsys, toy, "points", "csv"))
    pairs = strict(export(capsys, toy, "pairs", "json"))
    with collateral.open(toy) as c:
        for layer in c.mapped_layers:
            names = (f"coordinates_{layer}_0", f"coordinates_{layer}_1")
            found = [[float(row[name]) for name in names] for row in points]
            np.testing.assert_array_equal(np.array(found, dtype=np.float32), c.coordinates(layer))
        ids = c.examples["id"]
        assert [row["example"] for row in points] == [ids[i] for i in c.point_examples]
        assert [int(row["token_start"]) for row in points] == c.point_tokens[:, 0].tolist()
        assert [row["example"] for row in pairs] == [ids[i] for i in c.pair_examples]
        assert [row["span2_token_stop"] for row in pairs] == c.pair_tokens[:, 1, 1].tolist()
        assert [row["span1_point_start"] for row in pairs] == c.pair_points[:, 0, 0].tolist()
        euclid = np.array([row["euclid"] for row in pairs], dtype=np.float32)
        np.testing.assert_array_equal(euclid, c.distances("euclid"))
        assert [row["prediction"] for row in pairs] == c.pairs["prediction"]


def test_export_metric_rows_carry_their_ids(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "intensity_pronoun_candidate_mass"
    rows = rows_of(export(capsys, toy, f"metric:{name}", "csv"))
    found = strict(export(capsys, toy, f"metric:{name}", "json"))
    with collateral.open(toy) as c:
        values = c.head_metric(name)
        assert [row["pair"] for row in rows] == c.pairs["id"]
        assert found["metric"]["unit"] == "pair"
        for row, item, value in zip(rows, found["rows"], values, strict=True):
            assert item["example"] == row["example"] == row["pair"][:-2]
            for layer, head in np.ndindex(*value.shape):
                cell = row[f"{layer}.{head}"]
                if np.isnan(value[layer, head]):
                    assert cell == ""
                    assert item["values"][layer][head] is None
                else:
                    assert np.float32(cell) == value[layer, head]
                    assert np.float32(item["values"][layer][head]) == value[layer, head]
        assert np.isnan(values).any()
        assert [r["example"] for r in rows_of(export(capsys, toy, "metric:std", "csv"))] == (
            c.examples["id"]
        )


def test_export_attention_has_its_tokens(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(export(capsys, toy, "attention:wsc-003", "csv"))
    found = strict(export(capsys, toy, "attention:wsc-003", "json"))
    with collateral.open(toy) as c:
        weights, tokens = c.attention("wsc-003"), c.tokens("wsc-003").texts
    assert len(rows) == weights.size
    for row in rows[:: len(rows) // 97]:
        at = tuple(int(row[name]) for name in ("layer", "head", "query", "key"))
        assert np.float32(row["weight"]) == weights[at]
        assert (row["query_token"], row["key_token"]) == (tokens[at[2]], tokens[at[3]])
    assert found["queries"] == found["keys"] == list(tokens)
    assert found["encoding"] == "float16"
    for item in found["rows"]:
        exported = np.array(item["weights"], dtype=np.float32)
        np.testing.assert_array_equal(exported, weights[item["layer"], item["head"]])


def test_export_npz(toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def load(what: str) -> dict[str, Any]:
        target = tmp_path / "out.npz"
        assert cli.main(["export", str(toy), "--what", what, "-o", str(target)]) == 0
        with np.load(target, allow_pickle=False) as arrays:
            return dict(arrays)

    with collateral.open(toy) as c:
        found = load("pairs")
        codes, labels = c.pairs.codes("prediction")
        np.testing.assert_array_equal(found["prediction"], codes)
        assert found["prediction_labels"].tolist() == list(labels)
        np.testing.assert_array_equal(found["probability"], c.pairs["probability"])
        np.testing.assert_array_equal(found["cosine"], c.distances("cosine"))
        assert found["id"].tolist() == c.pairs["id"]
        found = load("points")
        np.testing.assert_array_equal(found["coordinates"][:, 2], c.coordinates(2))
        found = load("metric:std")
        np.testing.assert_array_equal(found["values"], c.head_metric("std"))
        assert found["example"].tolist() == c.examples["id"]
        found = load("attention:wsc-001")
        np.testing.assert_array_equal(found["weights"], c.attention("wsc-001"))
        assert found["queries"].tolist() == list(c.tokens("wsc-001").texts)
        assert load("examples")["text"].tolist() == c.examples["text"]
    assert capsys.readouterr() == ("", "")


def test_export_of_awkward_values(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with collateral.open(odd) as c:
        texts = c.examples["text"]
    rows = rows_of(export(capsys, odd, "examples", "csv"))
    assert [row["text"] for row in rows] == texts
    assert [(row["flag"], row["number"]) for row in rows] == [("", ""), ("yes", "-inf")]
    found = strict(export(capsys, odd, "examples", "json"))
    assert [row["text"] for row in found] == texts
    assert [(row["flag"], row["number"]) for row in found] == [(None, None), (True, None)]
    (pair,) = strict(export(capsys, odd, "pairs", "json"))
    assert pair["cosine"] == [0.1, None, 1e-30]
    (point,) = strict(export(capsys, odd, "points", "json"))
    assert point["coordinates"] == [[None, None], [0.5, -2.0], [None, None]]
    (line,) = rows_of(export(capsys, odd, "points", "csv"))
    assert (line["coordinates_0_0"], line["coordinates_1_1"]) == ("", "-2.0")


def test_csv_is_the_same_bytes_on_every_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commas, quotes and line ends are quoted; U+0000 and all else stand as they are."""
    path = tmp_path / "a"
    with a_writer(path, metrics=[], measures=[], points={}, pairs={}) as writer:
        for number, text in enumerate(("plain", 'a "b", c', "\0", "x\ry", "x\ny", " é\t", "'")):
            writer.add_example(f"{number}", text, some_tokens(0), number=number / 4)
    assert export(capsys, path, "examples", "csv") == (
        "id,text,flag,label,number,remark\n"
        "0,plain,,,0.0,\n"
        '1,"a ""b"", c",,,0.25,\n'
        "2,\0,,,0.5,\n"
        '3,"x\ry",,,0.75,\n'
        '4,"x\ny",,,1.0,\n'
        "5, é\t,,,1.25,\n"
        "6,',,,1.5,\n"
    )


def test_a_column_called_like_a_place_keeps_its_own_name_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a"
    columns = {"example": Column("text")}
    with a_writer(path, points=columns, pairs={}, metrics=[], measures=[]) as writer:
        writer.add_example("id-0", "ab", some_tokens(2))
        writer.add_point(0, 0, 1, "a", example="mine")
    (row,) = rows_of(export(capsys, path, "points", "csv"))
    assert (row["example"], row["example_"]) == ("id-0", "mine")


def test_export_to_a_file_replaces_it_whole(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    assert cli.main(["export", str(toy), "--what", "pairs", "-o", str(target)]) == 0
    assert strict(target.read_text()) == strict(export(capsys, toy, "pairs", "json"))
    with_format = ["export", str(toy), "--what", "pairs", "-o", str(target), "--format", "csv"]
    assert cli.main(with_format) == 0
    assert target.read_text() == export(capsys, toy, "pairs", "csv")
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_export_leaves_the_old_file(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, target = tmp_path / "bad", tmp_path / "out.csv"
    target.write_text("old")
    data = bytearray(toy.read_bytes())
    with collateral.open(toy) as c:
        data[c._sections["pairs/gold"].place(0).offset + 30] ^= 1
    bad.write_bytes(data)
    status, message = fails(capsys, "export", bad, "--what", "pairs", "-o", target)
    assert status == 1
    assert "is damaged" in message
    assert target.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [bad, target]


def test_layers_in_the_header_are_those_of_the_file(
    odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = export(capsys, odd, "pairs", "csv").splitlines()[0].split(",")
    assert header[-(LAYERS + 1) :] == ["cosine_0", "cosine_1", "cosine_2"]
