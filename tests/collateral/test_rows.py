"""One query's row of every head, read without the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import collateral
from collateral import CollateralError, sparse
from tests.tui.handmade import Recipe

WEIGHTS = np.random.default_rng(5).dirichlet(np.ones(7), size=(2, 3, 7)).astype(np.float32)


def write(path: Path, encoding: str) -> Path:
    """A file with one example of seven tokens, two layers and three heads."""
    if encoding != "top 4":
        return Recipe(
            texts=("a b c d e",), heads=3, encoding=encoding, attention={0: WEIGHTS}  # type: ignore[arg-type]
        ).write(path)  # fmt: skip
    kept = sparse.top_k(WEIGHTS, 4)

    class Sparse(Recipe):
        def _arrays(self, writer: collateral.Writer) -> None:
            writer.add_sparse_attention(0, *kept, keys=7)

    return Sparse(texts=("a b c d e",), heads=3).write(path)


@pytest.mark.parametrize("encoding", ["float16", "uint8", "top 4"])
@pytest.mark.parametrize("small", [True, False])
def test_a_row_of_every_head_is_what_the_whole_has(
    encoding: str, small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not small:
        monkeypatch.setattr("collateral.attention._SMALL", 0)
    with collateral.open(write(tmp_path / "file.msgpack", encoding)) as c:
        whole = c.attention(0)
        for query in range(7):
            np.testing.assert_array_equal(c.attention_row(0, query), whole[:, :, query])
        for query in (-1, 7):
            with pytest.raises(KeyError, match=f"no query {query}, they go from 0 to 6"):
                c.attention_row(0, query)
        with pytest.raises(KeyError, match="no example 1"):
            c.attention_row(1, 0)


def test_a_row_of_a_large_record_reads_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collateral.attention._SMALL", 0)
    with collateral.open(write(tmp_path / "file.msgpack", "float16")) as c:
        c.attention_shape(0)
        lengths: list[int] = []
        read = c._source.read

        def watched(at: int, length: int) -> bytes:
            lengths.append(length)
            return read(at, length)

        monkeypatch.setattr(c._source, "read", watched)
        c.attention_row(0, 3)
        assert lengths == [7 * 2] * 6


@pytest.mark.parametrize("small", [True, False])
def test_what_cannot_be_a_weight_is_told(
    small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "file.msgpack", "float16")
    data = bytearray(path.read_bytes())
    at = data.find(WEIGHTS.astype("<f2").tobytes())
    assert at > 0
    for value in (np.nan, -0.5, 3.0):
        data[at : at + 2] = np.float16(value).tobytes()
        path.write_bytes(data)
        if not small:
            monkeypatch.setattr("collateral.attention._SMALL", 0)
        with collateral.open(path) as c, pytest.raises(CollateralError, match="is damaged"):
            c.attention_row(0, 0)
