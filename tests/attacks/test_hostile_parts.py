"""Files made to fool the reader with the parts of format 1.1; and damage in any byte of them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import AttentionKind, layout, sparse, top_k
from collateral.records import AttentionRecords
from tests.attacks.test_damage import assert_flips_are_found
from tests.attacks.test_hostile import drop, little_memory, numbers
from tests.collateral import forge
from tests.collateral.forge import Index, directory, faults, put, rewritten
from tests.collateral.simple import HEADS, LAYERS, a_meta, a_writer, some_tokens
from tests.factory_parts import softmax_rows, write_tagging, write_translation

HUGE = 1 << 40


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tagging(tmp_path_factory.mktemp("hostile") / "words", examples=3, kept=2)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_translation(tmp_path_factory.mktemp("hostile") / "sides", examples=3, kept=2)


def rename(old: str, new: str) -> Callable[[Index], None]:
    def change(index: Index) -> None:
        index["sections"][new] = index["sections"].pop(old)

    return change


ATTACKS: dict[str, tuple[Callable[[Index], Any], str]] = {
    "item of a number": (put("meta", "item")(3), "Meta.item cannot be 3"),
    "no column text": (drop("tables", "items", "text"), "it lacks 'text'"),
    "text is a number": (
        put("tables", "items", "text", "kind")("continuous"),
        "column 'text' of items must be of kind text",
    ),
    "no labels": (drop("categories", "items/gold"), "it lacks 'items/gold'"),
    "no table of items": (drop("tables", "items"), "it counts items but has no table of them"),
    "items are not counted": (drop("meta", "counts", "items"), "it lacks 'items'"),
    "more items": (put("meta", "counts", "items")(HUGE), "does not have the type and shape"),
    "fewer items": (put("meta", "counts", "items")(1), "does not have the type and shape"),
    "items of no example": (drop("sections", "items/@example"), "it lacks 'items/@example'"),
    "items without tokens": (drop("sections", "items/@tokens"), "it lacks 'items/@tokens'"),
    "items of a wide row": (
        put("sections", "items/@tokens", "row")([2, 2]),
        "'items/@tokens' does not have the type",
    ),
    "queries of a number": (put("meta", "attention", 0, "queries")(1), "AttentionKind.queries can"),
    "keys of nothing": (put("meta", "attention", 0, "keys")(None), "AttentionKind.keys cannot be"),
    "summaries of a number": (put("summaries")(3), "the index is wrong"),
    "summaries of numbers": (put("summaries")([3]), "Metric is 3, not a map"),
    "no such summary": (put("summaries", 0, "name")("other"), "it lacks 'head_summary/other'"),
    "summary of another kind": (
        put("summaries", 0, "attention")("cross"),
        "summary 'amod' is of an unknown kind of attention",
    ),
    "summary twice": (
        lambda i: i["summaries"].append(i["summaries"][0]),
        "two of kind Metric have the same name",
    ),
    "summary of other heads": (
        put("sections", "head_summary/amod", "row")([4, 2]),
        "'head_summary/amod' does not have the type",
    ),
    "summary of two rows": (
        put("sections", "head_summary/amod", "count")(2),
        "'head_summary/amod' does not have the type",
    ),
    "a source of floats": (
        rename("head_summary/amod", "examples/@source"),
        "it lacks 'head_summary/amod'",
    ),
    "norms without places": (
        drop("sections", "value_norm_places/self"),
        "the value norms of 'self' are not complete",
    ),
    "places without norms": (
        drop("sections", "value_norm/self"),
        "the value norms of 'self' are not complete",
    ),
    "norms of no kind": (
        rename("value_norm/self", "value_norm/cross"),
        "there are value norms of no kind of attention 'cross'",
    ),
    "places of another type": (
        put("sections", "value_norm_places/self", "dtype")("<f8"),
        "'value_norm_places/self' does not have the type",
    ),
    "norms of other heads": (
        put("sections", "value_norm/self", "row")([4, 2]),
        "'value_norm/self' does not have the type",
    ),
    "more norms": (
        put("sections", "value_norm/self", "count")(HUGE),
        "the blocks of 'value_norm/self' lack rows",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_index(words: Path, name: str) -> None:
    change, message = ATTACKS[name]
    path = forge.with_index(words, change)
    with little_memory(2 << 20):
        assert message in forge.outcome(path)


def test_a_source_of_another_type(sides: Path) -> None:
    change = put("sections", "examples/@source", "dtype")("<f4")
    outcome = forge.outcome(forge.with_index(sides, change))
    assert "'examples/@source' does not have the type and shape it must have" in outcome


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("items/@example", numbers("<i4", 3), "'items/@example' points outside its table"),
        ("items/@example", numbers("<i4", -1), "'items/@example' points outside its table"),
        ("items/@example", numbers("<i4", 0), "the rows are not in the order of their examples"),
        ("items/@tokens", numbers("<i4", 90, 91), "of items names tokens that are not there"),
        ("items/@tokens", numbers("<i4", 2, 2), "of items names tokens that are not there"),
        ("items/@tokens", numbers("<i4", -1, 1), "of items names tokens that are not there"),
        ("items/@tokens", numbers("<i4", 1, 0), "of items names tokens that are not there"),
        ("items/gold", numbers("<i4", 9), "column 'gold' of items has a value without a label"),
        ("items/correct", numbers("|u1", 9), "column 'correct' of items has a value without"),
        ("value_norm/self", numbers("<f4", math.nan), "self value norms of example 2 are not num"),
        ("value_norm/self", numbers("<f4", math.inf), "self value norms of example 2 are not num"),
        ("value_norm/self", numbers("<f4", -1), "self value norms of example 2 are not numbers"),
    ],
)
def test_parts_that_contradict_the_rest(
    words: Path, section: str, change: Callable[[Any], Any], message: str
) -> None:
    found = faults(rewritten(words, section, change))
    assert any(message in fault for fault in found), found


def test_the_row_of_a_wrong_item_is_named(words: Path) -> None:
    with collateral.open(words) as c:
        last = len(c.items) - 1
    (fault,) = faults(rewritten(words, "items/@tokens", numbers("<i4", 0, 0, 90, 91)))
    assert fault == f"row {last} of items names tokens that are not there"


@pytest.mark.parametrize("places", [(1,), (1, 0), (0, 0), (5, 0), (0, HUGE), (0, 2**64 - 1)])
@pytest.mark.parametrize("column", [0, 1])
def test_places_of_value_norms_that_lie(words: Path, column: int, places: tuple[int, int]) -> None:
    def change(data: bytes) -> bytes:
        table = np.frombuffer(data, dtype="<u8").reshape(-1, 2).copy()
        table[: len(places), column] = places
        return table.tobytes()

    path = rewritten(words, "value_norm_places/self", change)
    with little_memory(4 << 20), collateral.open(path) as c:
        with pytest.raises(collateral.CollateralError) as caught:
            c.value_norms(0)
        with contextlib.suppress(collateral.CollateralError):
            assert set(c.value_norm_examples()) <= {0, 1, 2}
    assert "value norms" in caught.value.what
    if column:
        assert caught.value.what == "the places of the self value norms are wrong"
    assert any("value norms" in fault for fault in faults(path))


def test_value_norms_without_their_attention(words: Path) -> None:
    """The record of example 0 is now said to be of kind 1, which there is not."""
    body, index = forge.split(words.read_bytes())
    index["meta"]["attention"].append({"name": "cross", "layers": 2, "heads": 4})
    path = words.with_name("two kinds")
    path.write_bytes(forge.join(body, index))
    path = rewritten(path, "attention/directory", directory("kind", 1))
    with collateral.open(path) as c, pytest.raises(collateral.CollateralError) as caught:
        c.value_norms(0)
    assert caught.value.what == (
        "the self value norms of example 0 are not of the keys of its attention"
    )


@pytest.mark.parametrize("values", [(-1,), (99,), (2**31 - 1,)])
def test_a_source_that_is_longer_than_its_example(sides: Path, values: tuple[int, ...]) -> None:
    path = rewritten(sides, "examples/@source", numbers("<i4", *values))
    with collateral.open(path) as c:
        for ask in (c.source_tokens, lambda row: c.side(row, "target")):
            with pytest.raises(collateral.CollateralError, match="source of example 2 is longer"):
                ask(2)
    assert "the source of example 2 is longer than the example" in faults(path)


def test_a_source_of_an_example_without_attention(tmp_path: Path) -> None:
    path = write_translation(tmp_path / "a", examples=3, attention=2)
    assert faults(rewritten(path, "examples/@source", numbers("<i4", 50))) == [
        "the source of example 2 is longer than the example"
    ]


def test_a_source_that_does_not_fit_the_attention(sides: Path) -> None:
    with collateral.open(sides) as c:
        wrong = [0 if row == 1 else c.source_tokens(row) for row in range(3)]
    path = rewritten(sides, "examples/@source", numbers("<i4", *(n or 0 for n in wrong)))
    with collateral.open(path) as c:
        n = len(c.tokens(1))
        with pytest.raises(collateral.CollateralError) as caught:
            c.attention(1, "cross", layer=0)
        assert f"queries for {n} tokens" in caught.value.what
        c.attention(0, "cross")
    found = faults(path)
    for kind in ("encoder", "decoder", "cross"):
        assert any(fault.startswith(f"the {kind} attention of example 1 has") for fault in found)


def test_sides_without_a_source(sides: Path) -> None:
    body, index = forge.split(sides.read_bytes())
    del index["sections"]["examples/@source"]
    path = sides.with_name("no source")
    path.write_bytes(forge.join(body, index))
    assert any("encoder attention of example 0 has" in fault for fault in faults(path))
    with collateral.open(path) as c, pytest.raises(collateral.CollateralError, match="for 0 toke"):
        c.attention(0, "encoder")


# -- sparse attention that lies -------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 2, 3, 4, 7, 1 << 20, 1 << 40, 2**63, 2**64 - 1])
@pytest.mark.parametrize("column", layout.DIRECTORY)
def test_a_directory_that_lies(words: Path, column: str, value: int) -> None:
    with collateral.open(words) as c:
        before = c.attention(0)
        true_value = int(
            c._sections["attention/directory"].all()[0, layout.DIRECTORY.index(column)]
        )
    path = rewritten(words, "attention/directory", directory(column, value))
    with little_memory(4 << 20), collateral.open(path) as c:
        with contextlib.suppress(collateral.CollateralError, KeyError):
            assert c.attention(0).shape == before.shape
        with contextlib.suppress(collateral.CollateralError, KeyError):
            c.attention_rest(0), c.attention_sparse(0), c.attention_kept(0)
        assert set(c.attention_examples()) <= {0, 1, 2}
    assert bool(faults(path)) == (value != true_value)


@pytest.mark.parametrize("keys", [1, (1 << 16) + 1])
def test_keys_that_an_encoding_cannot_have(tmp_path: Path, keys: int) -> None:
    """Two weights of one key; a key that two bytes cannot number. The keys are not its tokens."""
    kind = AttentionKind("cross", 1, 1)
    meta = a_meta(attention=(kind,))
    with a_writer(tmp_path / "a", meta=meta, metrics=[], measures=[]) as writer:
        writer.add_example("a", "a", some_tokens(1))
        kept = top_k(np.full((1, 1, 1, 5), 0.2), 2)
        writer.add_sparse_attention(0, *kept, keys=5, kind="cross")
    path = rewritten(tmp_path / "a", "attention/directory", directory("keys", keys))
    with collateral.open(path) as c:
        for ask in (c.attention, c.attention_kept, c.has_attention):
            with pytest.raises(collateral.CollateralError, match="row 0 of the directory of att"):
                ask(0, "cross")
    assert any("row 0 of the directory" in fault for fault in faults(path))


def a_lie(
    path: Path, monkeypatch: pytest.MonkeyPatch, n: int = 4, keys: int = 0, **changes: Any
) -> Path:
    """A file whose checksums are right and whose sparse attention is none."""
    maps = softmax_rows(np.random.default_rng(0), (LAYERS, HEADS, n, n))
    kept = top_k(maps, 2)._replace(**changes)
    with monkeypatch.context() as patch, a_writer(path, metrics=[], measures=[]) as writer:
        patch.setattr(sparse, "_check", lambda *_: None)
        patch.setattr(AttentionRecords, "_check_sides", lambda *_: None)
        writer.add_example("a", "x" * n, some_tokens(n))
        writer.add_sparse_attention(0, *kept, keys=keys or n)
    return path


def spread(first: int, second: int) -> Any:
    """Indices of which the last row has these."""
    indices = np.broadcast_to(np.array([0, 1]), (LAYERS, HEADS, 4, 2)).copy()
    indices[-1, -1, -1] = first, second
    return indices


@pytest.mark.parametrize("last", [(1, 4), (65534, 65535), (2, 2), (3, 1), (65535, 0)])
def test_keys_that_are_not_there_or_do_not_rise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: tuple[int, int]
) -> None:
    path = a_lie(tmp_path / "a", monkeypatch, indices=spread(*last))
    message = "the attention of example 0 has keys out of order or range"
    with collateral.open(path) as c:
        assert c.attention(0, layer=0).shape == (HEADS, 4, 4)  # what is right can be read
        for ask in (c.attention, c.attention_rest, c.attention_sparse):
            with pytest.raises(collateral.CollateralError, match=message):
                ask(0)
            with pytest.raises(collateral.CollateralError, match=message):
                ask(0, "self", LAYERS - 1, HEADS - 1)
    assert faults(path) == [f"attention of example 0: {message}"]


@pytest.mark.parametrize("value", [math.nan, 1.5, -0.5, math.inf])
@pytest.mark.parametrize("part", ["weights", "rest"])
def test_numbers_that_are_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, value: float
) -> None:
    size = (LAYERS, HEADS, 4, 2)[: 4 if part == "weights" else 3]
    values = np.full(size, 0.25)
    values[-1, 1, 2] = value
    monkeypatch.setattr(np, "clip", lambda values, *_: values)
    changes: dict[str, Any] = {part: values}
    path = a_lie(tmp_path / "a", monkeypatch, **changes)
    assert faults(path) == ["attention of example 0: head 1.1 has weights outside 0 to 1"]


@pytest.mark.parametrize("keys", [5, 65536, 65537, 1 << 20])
def test_few_bytes_are_not_filled_out_to_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    path = a_lie(tmp_path / "a", monkeypatch, keys=keys)
    message = f"the self attention of example 0 has {keys:,} keys for 4 tokens"
    with little_memory(2 << 20), collateral.open(path) as c:
        with pytest.raises(collateral.CollateralError) as caught:
            c.attention(0)
        assert caught.value.what == message
    assert faults(path) == [message]


def test_a_text_of_many_tokens_is_not_filled_out(tmp_path: Path) -> None:
    """One head of 131,072 tokens would take 64 GiB."""
    n = 1 << 17
    indices = np.zeros((LAYERS, HEADS, n, 1), dtype=np.uint16)
    zeros = np.zeros((LAYERS, HEADS, n, 1), dtype=np.float16)
    with a_writer(tmp_path / "a", metrics=[], measures=[]) as writer:
        at = np.zeros((n, 2), dtype=np.int32)
        tokens = collateral.Tokens(("x",) * n, at, at[:, 0] > 0, at[:, 0])
        writer.add_example("a", "x", tokens)
        writer.add_sparse_attention(0, indices, zeros, zeros[..., 0], keys=n)
    with collateral.open(tmp_path / "a") as c:
        c.tokens(0)
        wrong = pytest.raises(collateral.CollateralError, match="too large to be filled out")
        with little_memory(16 << 20), wrong:
            c.attention(0, layer=0, head=0)
        assert c.attention_sparse(0, layer=0, head=0).rest.shape == (n,)


# -- damage ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "tiny"
    return write_translation(path, examples=2, layers=1, heads=2, attention=1, kept=1)


def new_places(path: Path) -> list[range]:
    """Where the parts of format 1.1 lie."""
    groups = ("items", "head_summary", "value_norm", "value_norm_places", "examples/@source")
    with collateral.open(path) as c:
        places = [
            c._sections[name].place(number)
            for name in c._sections
            if name.startswith(groups)
            for number in range(len(c._sections[name]))
        ]
        entries = [c._attention.entry(row) for row in range(len(c._attention))]
    assert len(places) >= 14
    assert len(entries) == 3
    found = [(place.offset, place.length) for place in places]
    found += [(entry.offset, entry.length) for entry in entries]
    return [range(offset, offset + length) for offset, length in found]


def test_a_flipped_byte_is_found(tiny: Path, tmp_path: Path) -> None:
    for place in new_places(tiny):
        assert_flips_are_found(tiny, tmp_path, place[:: max(1, len(place) // 12)], 0x04)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_every_flipped_byte_is_found(tiny: Path, tmp_path: Path, mask: int) -> None:
    for place in new_places(tiny):
        assert_flips_are_found(tiny, tmp_path, place, mask)


def test_damage_of_one_head_leaves_the_others(words: Path, tmp_path: Path) -> None:
    data = bytearray(words.read_bytes())
    with collateral.open(words) as c:
        entry = c._attention.entry(0)
        expected = c.attention(0, layer=1)
    data[entry.data_at + 3] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with collateral.open(tmp_path / "bad") as c:
        np.testing.assert_array_equal(c.attention(0, layer=1), expected)
        for ask in (c.attention, c.attention_rest, c.attention_sparse):
            with pytest.raises(collateral.CollateralError, match=r"head 0\.0 of example 0 has cha"):
                ask(0)
