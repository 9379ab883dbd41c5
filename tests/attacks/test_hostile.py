"""Files made to fool the reader: refused with one error, in little memory, without running code."""

from __future__ import annotations

import contextlib
import gc
import math
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collateral
from collateral import layout
from tests.collateral import forge
from tests.collateral.forge import Index, directory, faults, put, rewritten
from tests.collateral.simple import HEADS, LAYERS, write_simple


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple(tmp_path_factory.mktemp("hostile") / "good", 3)


@contextlib.contextmanager
def little_memory(most: int) -> Iterator[None]:
    """At most so many bytes may be taken inside, at any moment.

    What other tests have left behind is cleared away before: its end, too, may take memory.
    """
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert peak < most


def drop(*path: Any) -> Callable[[Index], None]:
    def change(index: Index) -> None:
        place = index
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


def blocks(name: str, *changes: tuple[int, int, int]) -> Callable[[Index], None]:
    """Sets numbers of a section's list of blocks: (block, column, value)."""

    def change(index: Index) -> None:
        section = index["sections"][name]
        table = np.frombuffer(section["blocks"], dtype="<u8").reshape(-1, 5).copy()
        for block, column, value in changes:
            table[block, column] = value
        section["blocks"] = table.tobytes()

    return change


def a_whole_other(index: Index) -> Index:
    return {"record": "index", "head": index["head"]}


NAN, HUGE = math.nan, 1 << 40
ATTACKS: dict[str, tuple[Callable[[Index], Any], str]] = {
    "nothing but a head": (a_whole_other, "the index is wrong: it lacks 'meta'"),
    "a list": (lambda _: [1, 2], "is not a map"),
    "nil": (lambda _: msgpack.packb(None), "is not a map"),
    "no head": (drop("head"), "does not say where the head is"),
    "head elsewhere": (put("head", 0)(5), "the head is where it cannot be"),
    "head too long": (put("head", 1)(HUGE), "the head is where it cannot be"),
    "head of NaN": (put("head", 1)(NAN), "does not say where the head is"),
    "head of another checksum": (put("head", 2)(7), "is damaged: bytes 0 to"),
    "not called index": (put("record")("array"), "head or index is none"),
    "no task": (drop("meta", "task"), "Meta.task is missing"),
    "task of a number": (put("meta", "task")(3), "Meta.task cannot be 3"),
    "layers of a float": (put("meta", "model", "layers")(2.0), "ModelInfo.layers cannot be 2.0"),
    "layers of NaN": (put("meta", "model", "layers")(NAN), "ModelInfo.layers cannot be nan"),
    "layers of a flag": (put("meta", "model", "layers")(True), "layers cannot be True"),
    "negative layers": (put("meta", "model", "layers")(-1), "-1 layers are not between 1 and"),
    "huge layers": (put("meta", "model", "layers")(HUGE), "layers are not between 1 and 4096"),
    "other layers": (put("meta", "model", "layers")(5), "'distance/cosine' does not have the type"),
    "huge heads": (put("meta", "attention", 0, "heads")(HUGE), "heads are not between 1 and"),
    "other heads": (put("meta", "attention", 0, "heads")(4), "'head_metric/std' does not have"),
    "settings of a list": (put("meta", "settings")({"a": [1]}), "Meta.settings cannot be"),
    "notes of numbers": (put("meta", "notes")([1]), "Meta.notes cannot be [1]"),
    "notes of text": (put("meta", "notes")("abc"), "Meta.notes cannot be 'abc'"),
    "format of text": (put("meta", "format")(["1", "0"]), "Meta.format cannot be"),
    "format of three": (put("meta", "format")([1, 0, 0]), "Meta.format cannot be"),
    "another format": (put("meta", "format")([1, 7]), "its version is not that of the head"),
    "counts missing": (put("meta", "counts")({}), "it lacks 'examples'"),
    "counts of a float": (put("meta", "counts", "points")(3.0), "Meta.counts cannot be"),
    "negative count": (put("meta", "counts", "examples")(-3), "does not have the type and shape"),
    "huge count": (put("meta", "counts", "examples")(HUGE), "does not have the type and shape"),
    "more attention": (
        put("meta", "counts", "attention")(9),
        "'attention/directory' does not have",
    ),
    "no tables": (drop("tables"), "it lacks 'tables'"),
    "no pairs": (drop("tables", "pairs"), "it lacks 'pairs'"),
    "tables of a list": (put("tables")([]), "the index is wrong"),
    "columns of a number": (put("tables", "pairs")(7), "the index is wrong"),
    "column of a number": (put("tables", "pairs", "label")(7), "Column is 7, not a map"),
    "a new kind of column": (
        put("tables", "pairs", "label", "kind")("colour"),
        "Column.kind cannot",
    ),
    "id is a number": (
        put("tables", "examples", "id", "kind")("continuous"),
        "column 'id' of examples must be of kind text",
    ),
    "no id": (drop("tables", "examples", "id"), "it lacks 'id'"),
    "text called categorical": (
        put("tables", "examples", "remark", "kind")("boolean"),
        "'examples/remark' does not have the type",
    ),
    "column without section": (
        put("tables", "pairs", "more")({"kind": "text"}),
        "it lacks 'pairs/more'",
    ),
    "column of a bad name": (
        put("tables", "pairs", "@x")({"kind": "text"}),
        "a column of pairs cannot be called '@x'",
    ),
    "no labels": (drop("categories", "pairs/label"), "it lacks 'pairs/label'"),
    "labels of numbers": (put("categories", "pairs/label")([1]), "1 is not text"),
    "a label twice": (put("categories", "examples/label")(["a", "a"]), "appears twice"),
    "metrics of a number": (put("metrics")(3), "the index is wrong"),
    "metric of another unit": (put("metrics", 0, "unit")("token"), "Metric.unit cannot be 'token'"),
    "metric of another kind": (
        put("metrics", 0, "attention")("cross"),
        "unknown kind of attention",
    ),
    "metric without values": (put("metrics", 0, "name")("other"), "it lacks 'head_metric/other'"),
    "metric twice": (put("metrics", 1, "name")("std"), "have the same name"),
    "metric from NaN": (
        put("metrics", 0, "low")(NAN),
        "head and index describe tables, metrics or distances differently",
    ),
    "map of no layer": (
        lambda i: i["sections"].__setitem__("coordinates/9", i["sections"]["coordinates/0"]),
        "there is no hidden state '9'",
    ),
    "map of layer 01": (
        lambda i: i["sections"].__setitem__("coordinates/01", i["sections"].pop("coordinates/1")),
        "there is no hidden state '01'",
    ),
    "map of layer ²": (
        lambda i: i["sections"].__setitem__("coordinates/²", i["sections"].pop("coordinates/1")),
        "there is no hidden state",
    ),
    "no sections": (drop("sections"), "it lacks 'sections'"),
    "sections of a list": (put("sections")([]), "the index is wrong"),
    "a section is nil": (put("sections", "tokens")(None), "describes 'tokens' wrongly"),
    "no tokens": (drop("sections", "tokens"), "it lacks 'tokens'"),
    "section without blocks": (drop("sections", "tokens", "blocks"), "no 'blocks'"),
    "section of another type": (
        put("sections", "coordinates/0", "dtype")("<f8"),
        "'coordinates/0' does not have the type",
    ),
    "section of a new kind": (put("sections", "coordinates/0", "kind")("later"), "unknown kind"),
    "section of objects": (put("sections", "coordinates/0", "dtype")("|O"), "unknown type"),
    "section of a list type": (put("sections", "coordinates/0", "dtype")(["<f4"]), "unknown type"),
    "rows of huge extents": (
        put("sections", "coordinates/0", "row")([HUGE, HUGE]),
        "the rows are too large",
    ),
    "rows of many extents": (put("sections", "coordinates/0", "row")([1] * 99), "too large"),
    "rows of large extents": (put("sections", "coordinates/0", "row")([9999] * 4), "too large"),
    "rows of negative extents": (put("sections", "coordinates/0", "row")([-2]), "a size is none"),
    "rows of NaN": (put("sections", "coordinates/0", "row")([NAN]), "a size is none"),
    "rows of text": (put("sections", "coordinates/0", "row")("2"), "a size is none"),
    "rows of nothing": (put("sections", "coordinates/0", "row")([0]), "does not have the type"),
    "count of a float": (put("sections", "tokens", "count")(3.0), "a size is none"),
    "count of a flag": (put("sections", "tokens", "count")(True), "a size is none"),
    "blocks of text": (put("sections", "tokens", "blocks")("x" * 40), "list of blocks is wrong"),
    "blocks cut": (put("sections", "tokens", "blocks")(b"x" * 39), "list of blocks is wrong"),
    "no blocks": (put("sections", "tokens", "blocks")(b""), "the blocks of 'tokens' lack rows"),
    "block of huge numbers": (blocks("tokens", (0, 3, 2**64 - 1)), "a size is too large"),
    "block beyond the end": (blocks("tokens", (0, 2, HUGE)), "a block lies outside the records"),
    "block in the head": (blocks("tokens", (0, 2, 0)), "a block lies outside the records"),
    "block without rows": (blocks("tokens", (0, 1, 0)), "the blocks of 'tokens' lack rows"),
    "block of too many rows": (blocks("tokens", (0, 1, HUGE)), "the blocks of 'tokens' lack rows"),
    "block from another row": (blocks("tokens", (0, 0, 1)), "the blocks of 'tokens' lack rows"),
    "block too short": (blocks("tokens", (0, 3, 3)), "is damaged"),
    "block of another checksum": (blocks("tokens", (0, 4, 3)), "is damaged"),
    "block of a huge checksum": (blocks("tokens", (0, 4, HUGE)), "is damaged"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_index(good: Path, name: str) -> None:
    change, message = ATTACKS[name]
    path = forge.with_index(good, change)
    with little_memory(2 << 20):
        assert message in forge.outcome(path)


def test_overlapping_and_shared_blocks(good: Path) -> None:
    def overlap(index: Index) -> None:
        found = index["sections"]
        found["coordinates/1"]["blocks"] = found["coordinates/0"]["blocks"]

    assert "two blocks overlap" in forge.outcome(forge.with_index(good, overlap))


def test_a_block_of_another_section(good: Path) -> None:
    def swap(index: Index) -> None:
        a, b = index["sections"]["coordinates/0"], index["sections"]["coordinates/1"]
        a["blocks"], b["blocks"] = b["blocks"], a["blocks"]

    outcome = forge.outcome(forge.with_index(good, swap))
    assert "the record of 'coordinates/0' at byte" in outcome


def test_bytes_of_no_record(good: Path) -> None:
    body, index = forge.split(good.read_bytes())
    good.with_name("gap").write_bytes(forge.join(body + b"hidden", index))
    outcome = forge.outcome(good.with_name("gap"))
    assert outcome == f"bytes {len(body)} to {len(body) + 6} belong to no record"


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"\x82" + 2 * (b"\xa4head" + b"\xc0"), "a key appears twice"),
        (b"\x81\xa4meta\x82\xa1a\x01\xa1a\x02", "a key appears twice"),
        (b"\x91" * 5000 + b"\xc0", "not readable as msgpack"),
        (b"\x81\xa1a" * 5000 + b"\xc0", "not readable as msgpack"),
        (b"\xdd\xff\xff\xff\xff", "not readable as msgpack"),
        (b"\xdf\xff\xff\xff\xff", "not readable as msgpack"),
        (b"\xc6\xff\xff\xff\xff", "not readable as msgpack"),
        (b"\x81\x01\x01", "not readable as msgpack"),
        (b"\x81\xa1\xff\x01", "not readable as msgpack"),
        (b"\xc1", "not readable as msgpack"),
        (b"", "not readable as msgpack"),
        (b"\xd4\x05\x00", "extension type 5"),
        (b"\x80\xc0", "not readable as msgpack"),
    ],
)
def test_an_index_that_is_bad_msgpack(good: Path, packed: bytes, message: str) -> None:
    path = forge.with_index(good, lambda _: packed)
    with little_memory(2 << 20):
        assert message in forge.outcome(path)


@pytest.mark.parametrize("item", [b"\x90", b"\x80"])
def test_many_small_containers_do_not_take_much_memory(good: Path, item: bytes) -> None:
    """An empty list takes 56 bytes, its code one: a few megabytes must not become hundreds."""
    count = 4 << 20
    lists = [b"\xdd" + struct.pack(">I", 1 << 18) + item * (1 << 18) for _ in range(count >> 18)]
    packed = b"\x81\xa1a" + b"\xdc" + struct.pack(">H", len(lists)) + b"".join(lists)
    path = forge.with_index(good, lambda _: packed)
    with little_memory(64 << 20):
        assert "too many lists and maps" in forge.outcome(path)


def test_a_timestamp_where_a_text_belongs(good: Path) -> None:
    stamp = msgpack.Timestamp(1, 2)
    assert "Meta.task cannot be" in forge.outcome(
        forge.with_index(good, put("meta", "task")(stamp))
    )


def test_a_large_index_is_not_read(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_INDEX", 1000)
    assert "is cut: its end" in forge.outcome(good)


# -- tables and attention that lie -------------------------------------------------------------


def numbers(dtype: str, *values: int | float) -> Callable[[bytes], bytes]:
    """Replaces the last numbers of an array."""

    def change(data: bytes) -> bytes:
        array = np.frombuffer(data, dtype=dtype).copy()
        array[len(array) - len(values) :] = values
        return array.tobytes()

    return change


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("examples/label", numbers("<i4", 7), "column 'label' of examples has a value without"),
        ("examples/label", numbers("<i4", -2), "column 'label' of examples has a value without"),
        ("examples/flag", numbers("|u1", 9), "column 'flag' of examples has a value without"),
        ("examples/id", lambda d: [*d[:-1], "id-0"], "the id 'id-0' is used by two examples"),
        ("examples/text", lambda d: [*d[:-1], "other"], "tokens of example 2 lie outside its text"),
        ("examples/text", lambda d: [*d[:-1], "longer text"], "texts do not have the fingerprint"),
        ("pairs/id", lambda d: [*d[:-1], d[0]], "an id is used by two pairs"),
        ("points/@example", numbers("<i4", 3), "'points/@example' points outside its table"),
        ("points/@example", numbers("<i4", -1), "'points/@example' points outside its table"),
        ("points/@example", numbers("<i4", 0), "row 2 of 'points/@example' is of example 0, but"),
        ("pairs/@example", numbers("<i4", 2, 0, 1), "row 1 of 'pairs/@example' is of example 0"),
        ("points/@tokens", numbers("<i4", 7, 9), "row 2 of points names tokens that are not there"),
        ("points/@tokens", numbers("<i4", 2, 2), "row 2 of points names tokens that are not there"),
        ("points/@tokens", numbers("<i4", 0, 1), "points and pairs do not have the fingerprint"),
        ("pairs/@example", numbers("<i4", 99), "'pairs/@example' points outside its table"),
        ("pairs/@tokens", numbers("<i4", -1, 2), "row 2 of pairs names tokens that are not there"),
        ("pairs/@points", numbers("<i4", 2, 4), "'pairs/@points' points outside its table"),
        ("pairs/@points", numbers("<i4", 2, 2), "a pair has a span without points"),
        ("coordinates/1", numbers("<f4", NAN), "the map of layer 1 has coordinates that are not"),
    ],
)
def test_tables_that_contradict_each_other(
    good: Path, section: str, change: Callable[[Any], Any], message: str
) -> None:
    found = faults(rewritten(good, section, change))
    assert any(message in fault for fault in found), found


@pytest.mark.parametrize("table", ["points", "pairs"])
def test_rows_that_are_not_in_the_order_of_their_examples(good: Path, table: str) -> None:
    """Who reads them looks for an example's rows by bisection, which would miss some here."""

    def rows(c: collateral.Collateral) -> list[int]:
        found: list[int] = (c.point_examples if table == "points" else c.pair_examples).tolist()
        return found

    for order in ((0, 2, 2), (1, 1, 1)):
        with collateral.open(rewritten(good, f"{table}/@example", numbers("<i4", *order))) as c:
            assert rows(c) == list(order)
    for order, (row, of, before) in (((1, 0, 2), (1, 0, 1)), ((0, 2, 1), (2, 1, 2))):
        path = rewritten(good, f"{table}/@example", numbers("<i4", *order))
        with collateral.open(path) as c, pytest.raises(collateral.CollateralError) as caught:
            rows(c)
        assert caught.value.what == (
            f"row {row} of '{table}/@example' is of example {of}, but the one before it is of "
            f"example {before}: the rows are not in the order of their examples"
        )


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[:-1],
        lambda d: [*d[:-1], "text"],
        lambda d: [*d[:-1], []],
        lambda d: [*d[:-1], {}],
        lambda d: [*d[:-1], [*d[-1], 5]],
        lambda d: [*d[:-1], [["a"], b"", b"", b""]],
        lambda d: [*d[:-1], [[1] * 8, *d[-1][1:]]],
        lambda d: [*d[:-1], [d[-1][0], d[-1][1][:-1], *d[-1][2:]]],
        lambda d: [*d[:-1], [d[-1][0], "x" * 64, *d[-1][2:]]],
        lambda d: {"a": 1},
        lambda d: None,
        lambda d: b"bytes",
    ],
)
def test_tokens_that_are_none(good: Path, change: Callable[[Any], Any]) -> None:
    path = rewritten(good, "tokens", change)
    with collateral.open(path) as c, pytest.raises(collateral.CollateralError, match="wrong"):
        c.tokens(2)
    assert any("wrong" in fault for fault in faults(path))


@pytest.mark.parametrize("value", [0, 1, 3, 1 << 20, 1 << 40, 2**63, 2**64 - 1])
@pytest.mark.parametrize("column", layout.DIRECTORY)
def test_a_directory_that_lies(good: Path, column: str, value: int) -> None:
    path = rewritten(good, "attention/directory", directory(column, value))
    with little_memory(4 << 20), collateral.open(path) as c:
        with contextlib.suppress(collateral.CollateralError, KeyError):
            weights = c.attention(0)
            assert weights.shape == (LAYERS, HEADS, 8, 8)
        assert set(c.attention_examples()) <= {0, 1, 2}
    with collateral.open(good) as c:
        true_value = int(
            c._sections["attention/directory"].all()[0, layout.DIRECTORY.index(column)]
        )
    assert bool(faults(path)) == (value != true_value)


def test_attention_outside_its_range(tmp_path: Path) -> None:
    """All checksums are right, yet a weight is no weight."""
    path = write_simple(tmp_path / "a")
    body, index = forge.split(path.read_bytes())
    with collateral.open(path) as c:
        entry = c._attention.entry(0)
    data = bytearray(body)
    data[entry.data_at : entry.data_at + 2] = np.float16(7).tobytes()
    size = 2 * 8 * 8
    head = layout.checksum(bytes(data[entry.data_at : entry.data_at + size]))
    data[entry.checksums_at : entry.checksums_at + 4] = struct.pack("<I", head)
    whole = layout.checksum(bytes(data[entry.offset : entry.offset + entry.length]))
    path.write_bytes(forge.join(bytes(data), index))
    target = rewritten(path, "attention/directory", directory("checksum", whole))
    assert any("head 0.0 has weights outside 0 to 1" in fault for fault in faults(target))


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_any_value_anywhere_in_the_index(good: Path, data: st.DataObject) -> None:
    """Whatever stands in the index: an error or a file, never another exception."""
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(st.characters(codec="utf-8"), max_size=3)
        | st.binary(max_size=50),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner),
        max_leaves=4,
    )

    def change(index: Index) -> None:
        place: Any = index
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(list(keys)))
            deeper = isinstance(place[key], (dict, list)) and len(place[key])
            if not deeper or data.draw(st.booleans()):
                break
            place = place[key]
        place[key] = data.draw(anything)

    forge.outcome(forge.with_index(good, change))


def test_unpack_refuses_what_is_no_plain_msgpack() -> None:
    assert layout.unpack(layout.pack({"a": [1, None, "x", b"y", 2.5, True]})) == {
        "a": [1, None, "x", b"y", 2.5, True]
    }
    with pytest.raises(ValueError, match="received extra data"):
        layout.unpack(b"\xc0\xc0")
