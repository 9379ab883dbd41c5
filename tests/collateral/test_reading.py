"""What is read, and how much of it: opening is constant, one head is one, memory stays flat."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import layout
from collateral.section import BlockCache
from collateral.source import Source
from tests.collateral.simple import HEADS, LAYERS, a_writer, some_tokens, uniform, write_simple
from tests.factory import write_collateral

Reads = list[tuple[int, int]]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Every (offset, length) that is read from now on."""
    found: Reads = []
    plain = Source.read

    def read(self: Source, offset: int, length: int) -> bytes:
        found.append((offset, length))
        return plain(self, offset, length)

    monkeypatch.setattr(Source, "read", read)
    return found


def bytes_to_open(path: Path, reads: Reads) -> int:
    reads.clear()
    collateral.open(path).close()
    return sum(length for _, length in reads)


def test_opening_does_not_grow_with_the_examples(tmp_path: Path, reads: Reads) -> None:
    few = write_simple(tmp_path / "few", 50)
    many = write_simple(tmp_path / "many", 2000)
    small, large = bytes_to_open(few, reads), bytes_to_open(many, reads)
    assert many.stat().st_size > 25 * few.stat().st_size
    # A block of the index is 40 bytes and stands for up to 64 KiB.
    assert large - small < 40 * many.stat().st_size / 8192
    assert large < 1.3 * small


def test_opening_reads_no_table(tmp_path: Path, reads: Reads) -> None:
    path = write_simple(tmp_path / "a", 300)
    with collateral.open(path) as c:
        index_at = c._source.index_at
        assert sorted(offset for offset, _ in reads if offset < index_at) == [0, 0]
        assert len(c.examples) == 300
        assert c.metrics["std"].unit == "example"
        assert c.examples.columns["label"] == "categorical"
        assert c.mapped_layers == (0, 1, 2)
        assert len(reads) == 4  # start, trailer, index, head


def test_one_head_touches_its_own_bytes_only(tmp_path: Path, reads: Reads) -> None:
    with collateral.open(write_collateral(tmp_path / "a", layers=4, heads=5)) as c:
        whole = c.attention(2)
        n = len(c.tokens(2))
        reads.clear()
        one = c.attention(2, layer=3, head=1)
        np.testing.assert_array_equal(one, whole[3, 1])
        assert sorted(length for _, length in reads) == [4, 2 * n * n]  # a checksum, the weights
        reads.clear()
        c.attention(2, layer=3)
        assert sorted(length for _, length in reads) == [4 * 5, 2 * 5 * n * n]


def test_one_example_reads_one_small_block(tmp_path: Path, reads: Reads) -> None:
    with collateral.open(write_simple(tmp_path / "a", 3000)) as c:
        reads.clear()
        assert c.tokens(1234).texts == some_tokens(8).texts
        assert c.examples.cell("text", 1234) == "00001234"
        assert len(reads) == 2
        assert max(length for _, length in reads) <= (64 << 10) + 100
        reads.clear()
        c.tokens(1235)
        assert reads == []  # its neighbour came with it


def test_visiting_many_examples_keeps_memory_flat(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with a_writer(path, metrics=[], measures=[]) as writer:
        for row in range(300):
            text = f"{row:04d}" + "x" * 20_000
            writer.add_example(f"id-{row}", text, some_tokens(500), remark=text)
            if row < 10:
                writer.add_attention(row, np.full((LAYERS, HEADS, 500, 500), 0.5), encoding="uint8")
    with collateral.open(path) as c:
        tracemalloc.start()
        for row in range(len(c.examples)):
            c.tokens(row), c.examples.cell("text", row), c.examples.cell("remark", row)
            if c.has_attention(row):
                c.attention(row, layer=0, head=0)
        size, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert path.stat().st_size > 25 << 20
    assert size < 12 << 20
    assert peak < 16 << 20


def test_cache_forgets_the_oldest() -> None:
    cache = BlockCache(most=100)
    for number in range(5):
        cache.put(("a", number), number, 40)
    assert [cache.get(("a", number)) for number in range(5)] == [None, None, None, 3, 4]
    cache.put(("b", 0), "large", 1000)  # even what is too large is kept until the next
    assert cache.get(("b", 0)) == "large"
    assert cache.get(("a", 4)) is None
    cache.put(("c", 0), "next", 1)
    assert cache.get(("b", 0)) is None
    assert cache.get(("c", 0)) == "next"


def test_reading_from_several_threads(tmp_path: Path) -> None:
    failures: list[BaseException] = []
    with collateral.open(write_simple(tmp_path / "a", 2000)) as c:
        expected = c.examples["text"]

        def work(seed: int) -> None:
            try:
                for row in np.random.default_rng(seed).integers(0, 2000, size=300).tolist():
                    assert c.examples.cell("text", row) == expected[row]
                    assert len(c.tokens(row)) == 8
                    c.attention(row % 2, layer=row % LAYERS)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    with collateral.open(write_simple(tmp_path / "a")) as c:
        stays = c.examples["text"]
    with pytest.raises(collateral.CollateralError, match=r"is closed\. Open it again"):
        c.examples["text"]
    c.close()
    assert stays == ["00000000", "00000001"]


def test_a_file_cut_while_it_is_open(tmp_path: Path) -> None:
    path = write_simple(tmp_path / "a")
    with collateral.open(path) as c:
        os.truncate(path, 600)
        with pytest.raises(collateral.CollateralError, match="longer when it was opened"):
            c.head_metric("std")


def test_a_file_replaced_while_it_is_open_is_still_the_old_one(tmp_path: Path) -> None:
    path = write_simple(tmp_path / "a")
    with collateral.open(path) as c:
        write_simple(path, 7)
        assert len(c.examples["id"]) == 2
        assert list(c.verify()) == []
    with collateral.open(path) as c:
        assert len(c.examples["id"]) == 7


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.head_metric("sdt"), "no head metric 'sdt'; there are: std, hit"),
        (lambda c: c.distances("cos"), "no distance 'cos'; there are: cosine"),
        (lambda c: c.coordinates(9), "no map of layer 9 is stored"),
        (lambda c: c.examples["nope"], "examples has no column 'nope'; id, text, flag"),
        (lambda c: c.row("nobody"), "no example has the id 'nobody'"),
        (lambda c: c.row(2), "there is no example 2, rows go from 0 to 1"),
        (lambda c: c.row(-1), "there is no example -1"),
        (lambda c: c.attention(0, "cross"), "no attention of kind 'cross'; there is: self"),
        (lambda c: c.attention(0, layer=2), "there is no layer 2, they go from 0 to 1"),
        (lambda c: c.attention(0, head=-1), "there is no head -1, they go from 0 to 2"),
    ],
)
def test_asking_for_what_is_not_there(
    tmp_path: Path, ask: Callable[[collateral.Collateral], Any], message: str
) -> None:
    with (
        collateral.open(write_simple(tmp_path / "a")) as c,
        pytest.raises(KeyError) as caught,
    ):
        ask(c)
    assert message in caught.value.args[0]


def test_attention_that_is_not_stored(tmp_path: Path) -> None:
    with collateral.open(write_simple(tmp_path / "a", 3)) as c:
        assert [c.has_attention(row) for row in range(3)] == [True, True, False]
        assert not c.has_attention("id-2")
        with pytest.raises(KeyError, match="no self attention is stored for example 'id-2'"):
            c.attention("id-2")
        with pytest.raises(KeyError, match="stored for example 'id-2'"):
            c.attention_encoding(2)


def test_columns_without_labels_have_no_codes(tmp_path: Path) -> None:
    with collateral.open(write_simple(tmp_path / "a")) as c:
        with pytest.raises(ValueError, match="'number' is continuous, it has no labels"):
            c.examples.codes("number")
        with pytest.raises(IndexError, match="no row 2"):
            c.examples.cell("text", 2)
        assert c.examples.with_role("id") == "id"
        assert c.examples.with_role("gold") is None
        assert "text" in c.examples
        assert list(c.pairs) == ["id", "label"]
        assert repr(c.pairs) == "<Table pairs: 2 rows of id, label>"
        assert "2 layers, 3 heads, 2 examples, 2 points, 2 pairs" in repr(c)


def test_unknown_is_unknown_in_every_kind_of_column(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with a_writer(path, metrics=[], measures=[]) as writer:
        writer.add_example("known", "abcd", some_tokens(), flag=False, label="", number=0.0)
        writer.add_example("unknown", "abcd", some_tokens())
        writer.add_attention(0, uniform())
    with collateral.open(path) as c:
        assert c.examples["flag"] == [False, None]
        assert c.examples["label"] == ["", None]
        assert np.isnan(c.examples["number"]).tolist() == [False, True]
        assert c.examples["remark"] == ["", ""]
        assert c.examples.codes("flag")[0].tolist() == [0, -1]
        assert c.examples.codes("flag")[1] == ("no", "yes")
        assert c.examples.cell("flag", 1) is None
        assert c.examples.cell("label", 1) is None


def test_errors_of_stored_weights_are_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a"
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.full(30, 0.1), size=(2, LAYERS, HEADS, 30)).astype(np.float32)
    with a_writer(path, metrics=[], measures=[]) as writer:
        for row, encoding in enumerate(layout.ENCODINGS):
            writer.add_example(encoding, "x" * 30, some_tokens(30))
            writer.add_attention(row, maps[row], encoding=encoding)
    with collateral.open(path) as c:
        for row, encoding in enumerate(layout.ENCODINGS):
            error = np.abs(c.attention(row) - maps[row]).max()
            assert 0 < error <= layout.ENCODING_ERROR[encoding]


def test_some_units_of_a_metric_are_those_of_the_whole(tmp_path: Path) -> None:
    with collateral.open(write_simple(tmp_path / "a", 7)) as c:
        whole = c.head_metric("std")
        for start, stop in ((0, 7), (2, 5), (6, 7), (3, 3)):
            np.testing.assert_array_equal(c.head_metric("std", start, stop), whole[start:stop])
        np.testing.assert_array_equal(c.head_metric("std", 4), whole[4:])
        with pytest.raises(IndexError):
            c.head_metric("std", 0, 8)
        with pytest.raises(KeyError, match="there are: std, hit"):
            c.head_metric("sdt", 0, 1)
