"""Files of format 1.0, written before 1.1 was: they open, verify and export as they did."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import collateral
import tui
from collateral import AttentionKind, cli
from tests.collateral import forge
from tests.collateral.command import export, rows_of, strict

OLD = Path(__file__).with_name("data") / "format-1.0.msgpack"
"""Three examples with something in every section, two kinds of attention; from version 0.1.0."""
DEMOS = sorted((Path(tui.__file__).parent / "demo").glob("*.msgpack"))


def test_the_file_is_of_format_1_0() -> None:
    _, index = forge.split(OLD.read_bytes())
    assert index["meta"]["format"] == [1, 0]
    assert "summaries" not in index
    assert "items" not in index["tables"]
    assert list(index["meta"]["attention"][1]) == ["name", "layers", "heads", "causal"]


def test_an_old_file_holds_what_was_written() -> None:
    with collateral.open(OLD) as c:
        assert list(c.verify()) == []
        assert c.meta.format == (1, 0)
        assert c.meta.attention == (AttentionKind("self", 2, 3), AttentionKind("cross", 1, 2))
        assert c.examples["id"] == ["id-0", "id-1", "id-2"]
        assert c.examples["text"] == ["0000é\0", "0001é\0", "0002é\0"]
        assert c.examples["label"] == [None, "x", "y"]
        assert c.examples["flag"] == [None, True, False]
        np.testing.assert_array_equal(c.examples["number"], [np.nan, 1.5, -2])
        assert c.tokens(1).texts == ("a", "b", "c", "d")
        np.testing.assert_array_equal(c.head_metric("std").ravel(), np.arange(18))
        np.testing.assert_array_equal(c.distances("cosine").ravel(), np.arange(9))
        assert c.mapped_layers == (0, 2)
        assert c.coordinates(2).tolist() == [[0, -1], [2, -3], [4, -5]]
        np.testing.assert_array_equal(c.quality["trust@15"], [0.5, np.nan, 0.25])
        assert c.attention_examples() == (0, 2)
        np.testing.assert_array_equal(c.attention(0), np.full((2, 3, 4, 4), 0.25))
        np.testing.assert_allclose(c.attention(2), np.full((2, 3, 4, 4), 0.25), atol=0.004)
        assert c.attention(0, "cross").shape == (1, 2, 4, 7)  # keys that are no tokens of it


def test_an_old_file_has_none_of_the_new_parts() -> None:
    with collateral.open(OLD) as c:
        assert (len(c.items), dict(c.summaries), c.meta.item) == (0, {}, "")
        assert c.item_examples.tolist() == []
        assert c.source_tokens(0) is None
        assert c.side(0, "text") == range(4)
        assert c.attention_kept(0) is None
        assert not c.attention_rest(0, layer=0).any()
        assert not c.has_value_norms(0)
        assert repr(c).endswith("2 layers, 3 heads, 3 examples, 3 points, 3 pairs>")


def test_an_old_file_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copy(OLD, tmp_path / "old"))
    assert cli.main(["verify", str(path)]) == 0
    assert cli.main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"{path}: collateral 1.0" in out
    assert "self (2 layers x 3 heads) of 2 of 3 examples\n" in out
    assert "items" not in out
    assert "summaries" not in out
    assert len(rows_of(export(capsys, path, "attention:id-0", "csv"))) == 2 * 3 * 4 * 4
    found = strict(export(capsys, path, "attention:id-0", "json", "--kind", "cross"))
    assert found["keys"] == [""] * 7
    assert [row["number"] for row in strict(export(capsys, path, "examples", "json"))] == [
        None,
        1.5,
        -2,
    ]


def test_there_are_demos() -> None:
    assert len(DEMOS) == 2


@pytest.mark.parametrize("path", DEMOS, ids=lambda path: path.stem)
def test_the_demo_can_be_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        (row, *_) = c.attention_examples()
        name = c.examples["id"][row]
        tokens = len(c.tokens(row))
        heads = c.meta.model.layers * c.meta.model.heads
    found = strict(export(capsys, path, f"attention:{name}", "json"))
    assert len(found["rows"]) == heads
    assert np.array(found["rows"][-1]["weights"]).shape == (tokens, tokens)
    assert len(rows_of(export(capsys, path, "pairs", "csv"))) == len(
        strict(export(capsys, path, "pairs", "json"))
    )
