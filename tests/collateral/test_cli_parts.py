"""``interpret-collateral`` on the parts of format 1.1: what info says, what can be exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import cli, layout
from tests.collateral.command import export, fails, rows_of, strict
from tests.collateral.simple import a_writer, some_tokens, uniform
from tests.factory_parts import write_tagging, write_translation


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tagging(tmp_path_factory.mktemp("cli") / "words", kept=3)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_translation(tmp_path_factory.mktemp("cli") / "sides", kept=2)


def info(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["info", str(path)]) == 0
    return capsys.readouterr().out


def test_info(words: Path, sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = " ".join(info(words, capsys).split())
    with collateral.open(words) as c:
        for expected in (
            f"6 examples, {len(c.points)} points, 0 pairs, {len(c.items)} items (word)",
            "attention self (2 layers x 4 heads) of 4 of 6 examples, top 3 of each row",
            "self value norms of 4 of 6 examples",
            "items column kind role text text text gold categorical gold",
            "summaries of the whole data set name range amod 0 to 1 amod (share)",
        ):
            assert expected in shown
    shown = " ".join(info(sides, capsys).split())
    for expected in (
        "decoder (from target to target, causal, 2 layers x 3 heads) of 3 of 5 examples, top 2",
        "cross (from target to source, 2 layers x 3 heads) of 3 of 5 examples, top 2 of each row",
        "cross value norms of 3 of 5 examples",
        "encoder:previous",
    ):
        assert expected in shown


def test_info_of_attention_kept_in_several_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a"
    with a_writer(path, metrics=[], measures=[]) as writer:
        for row, kept in enumerate((0, 2, 1, 2)):
            writer.add_example(str(row), "abcd", some_tokens(4))
            if kept:
                top = collateral.top_k(uniform(4), kept)
                writer.add_sparse_attention(row, *top, keys=4)
            else:
                writer.add_attention(row, uniform(4))
    expected = (
        "of 4 of 4 examples, top 1 of each row for 1 of them, top 2 of each row for 2 of them"
    )
    assert expected in " ".join(info(path, capsys).split())
    assert cli.main(["info", str(path), "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["attention_kept"] == {"self": {"all": 1, "1": 1, "2": 2}}
    assert found["value_norm_examples"] == {"self": 0}
    assert list(found["tables"]) == ["examples", "points", "pairs"]


def test_info_as_json(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(sides), "--json"]) == 0
    found = strict(capsys.readouterr().out)
    assert found["item"] == "token"
    assert found["attention"][2]["queries"] == "target"
    assert found["attention"][2]["keys"] == "source"
    assert found["tables"]["items"]["rows"] == found["counts"]["items"] > 0
    assert [s["name"] for s in found["summaries"]] == [
        "encoder:previous",
        "decoder:previous",
        "cross:previous",
    ]
    assert found["attention_kept"] == {name: {"2": 3} for name in ("encoder", "decoder", "cross")}
    assert found["value_norm_examples"] == {"encoder": 3, "decoder": 3, "cross": 3}


def test_verify_counts_them(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(words)]) == 0
    out = capsys.readouterr().out
    with collateral.open(words) as c:
        assert f"0 pairs, {len(c.items)} items\n" in out
    assert "1 metrics, 1 summaries, 0 distances" in out


def test_export_items(words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(export(capsys, words, "items", "csv"))
    found = strict(export(capsys, words, "items", "json"))
    target = tmp_path / "items.npz"
    assert cli.main(["export", str(words), "--what", "items", "-o", str(target)]) == 0
    with collateral.open(words) as c, np.load(target, allow_pickle=False) as arrays:
        ids = [c.examples["id"][row] for row in c.item_examples]
        assert [row["example"] for row in rows] == [row["example"] for row in found] == ids
        assert [int(row["token_start"]) for row in rows] == c.item_tokens[:, 0].tolist()
        assert [row["token_stop"] for row in found] == c.item_tokens[:, 1].tolist()
        assert [row["gold"] for row in found] == c.items["gold"]
        assert [row["text"] for row in rows] == c.items["text"]
        assert arrays["text"].tolist() == c.items["text"]
        np.testing.assert_array_equal(arrays["probability"], c.items["probability"])


def test_export_of_a_summary(sides: Path, tmp_path: Path, capsys: Any) -> None:
    what = "summary:cross:previous"
    rows = rows_of(export(capsys, sides, what, "csv"))
    found = strict(export(capsys, sides, what, "json"))
    target = tmp_path / "summary.npz"
    assert cli.main(["export", str(sides), "--what", what, "-o", str(target)]) == 0
    with collateral.open(sides) as c, np.load(target, allow_pickle=False) as arrays:
        values = c.head_summary("cross:previous")
        np.testing.assert_array_equal(arrays["values"], values)
    assert found["summary"]["attention"] == "cross"
    assert np.isnan(values[-1, -1])
    assert len(rows) == len(found["rows"]) == values.size
    for row, item in zip(rows, found["rows"], strict=True):
        value = values[int(row["layer"]), int(row["head"])]
        assert (item["layer"], item["head"]) == (int(row["layer"]), int(row["head"]))
        if np.isnan(value):
            assert (row["value"], item["value"]) == ("", None)
        else:
            assert np.float32(row["value"]) == np.float32(item["value"]) == value


def test_export_of_sparse_attention_is_filled_out(
    sides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    with collateral.open(sides) as c:
        weights, rest = c.attention(1, "cross"), c.attention_rest(1, "cross")
        tokens = c.tokens(1)
        source, target = c.side(1, "source"), c.side(1, "target")
    queries = [tokens.texts[i] for i in target]
    keys = [tokens.texts[i] for i in source]
    monkeypatch.setattr(layout, "MAX_FILLED", weights[0, 0].size)  # a head at a time must do
    kind = ("--kind", "cross")
    rows = rows_of(export(capsys, sides, "attention:t-1", "csv", *kind))
    assert len(rows) == weights.size
    for row, place in zip(rows, np.ndindex(*weights.shape), strict=True):
        assert tuple(int(row[name]) for name in ("layer", "head", "query", "key")) == place
        assert np.float32(row["weight"]) == weights[place]
        assert (row["query_token"], row["key_token"]) == (queries[place[2]], keys[place[3]])
    found = strict(export(capsys, sides, "attention:t-1", "json", *kind))
    assert (found["encoding"], found["kept"]) == ("topk16", 2)
    assert (found["queries"], found["keys"]) == (queries, keys)
    assert found["query_offsets"] == tokens.offsets[target.start :].tolist()
    assert found["key_offsets"] == tokens.offsets[: source.stop].tolist()
    for item in found["rows"]:
        place = item["layer"], item["head"]
        np.testing.assert_array_equal(np.float32(item["weights"]), weights[place])
        np.testing.assert_array_equal(np.float32(item["rest"]), rest[place])
    out = tmp_path / "out.npz"
    assert cli.main(["export", str(sides), "--what", "attention:t-1", *kind, "-o", str(out)]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["weights"], weights)
        np.testing.assert_array_equal(arrays["rest"], rest)
        assert arrays["keys"].tolist() == keys
        assert arrays["key_offsets"].shape == (len(keys), 2)


def test_the_first_kind_is_meant_where_none_is_named(
    sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert strict(export(capsys, sides, "attention:t-0", "json"))["kind"] == "encoder"
    assert strict(export(capsys, sides, "norms:t-0", "json"))["kind"] == "encoder"


def test_export_of_value_norms(sides: Path, tmp_path: Path, capsys: Any) -> None:
    with collateral.open(sides) as c:
        norms = c.value_norms(2, "cross")
        keys = [c.tokens(2).texts[i] for i in c.side(2, "source")]
    arguments = ("norms:t-2", "csv", "--kind", "cross")
    rows = rows_of(export(capsys, sides, *arguments))
    assert len(rows) == norms.size
    for row, place in zip(rows, np.ndindex(*norms.shape), strict=True):
        assert tuple(int(row[name]) for name in ("layer", "head", "key")) == place
        assert np.float32(row["norm"]) == norms[place]
        assert row["key_token"] == keys[place[2]]
    found = strict(export(capsys, sides, "norms:t-2", "json", "--kind", "cross"))
    assert (found["keys"], found["kind"]) == (keys, "cross")
    for item in found["rows"]:
        np.testing.assert_array_equal(np.float32(item["norms"]), norms[item["layer"], item["head"]])
    out = tmp_path / "out.npz"
    what = ["--what", "norms:t-2", "--kind", "cross"]
    assert cli.main(["export", str(sides), *what, "-o", str(out)]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["norms"], norms)


def test_what_cannot_be_exported_names_what_can(
    sides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, expected in (
        ("summary:x", "there is no summary 'x'; there is: encoder:previous, decoder:previous"),
        ("summary", "no 'summary' to export; there is: examples"),
        ("norms:t-4", "no encoder value norms are stored for 't-4'; they are for: t-0, t-1, t-2"),
        ("attention:t-4", "no encoder attention is stored for 't-4'; it is for: t-0, t-1, t-2"),
    ):
        status, message = fails(capsys, "export", sides, "--what", what)
        assert status == 2
        assert expected in message
    for what in ("norms:t-1", "attention:t-1"):
        status, message = fails(capsys, "export", sides, "--what", what, "--kind", "self")
        assert status == 2
        assert "no attention of kind 'self'; there is: encoder, decoder, cross" in message
    path = tmp_path / "a"
    with a_writer(path, metrics=[], measures=[]) as writer:
        writer.add_example("a", "abcd", some_tokens(4))
    for what, expected in (
        ("items", "--what: this file has no items"),
        ("summary:x", "there is no summary 'x'; there is: none"),
        ("norms:a", "no self value norms are stored for 'a'; they are for: none"),
    ):
        status, message = fails(capsys, "export", path, "--what", what)
        assert (status, message) == (2, expected if what == "items" else f"--what: {expected}")
