"""Other versions of the format: newer minor ones are read, other major ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest

import collateral
from collateral import layout
from tests.collateral import forge
from tests.collateral.forge import Index, directory, faults, put, rewritten
from tests.collateral.simple import write_simple


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple(tmp_path_factory.mktemp("versions") / "good", 3)


def version(major: int, minor: int) -> Callable[[bytes], bytes]:
    key = msgpack.packb("format")
    return lambda head: head.replace(key + b"\x92\x01\x01", key + bytes([0x92, major, minor]))


def test_a_newer_major_version_asks_for_an_update(good: Path) -> None:
    path = forge.with_head(good, version(2, 0))
    with pytest.raises(collateral.CollateralError) as caught:
        collateral.open(path)
    assert caught.value.what == "has format version 2, this program reads version 1"
    assert caught.value.advice.startswith("Update interpret-tui")


def test_an_older_major_version_is_refused(good: Path) -> None:
    with pytest.raises(collateral.CollateralError, match="has format version 0"):
        collateral.open(forge.with_head(good, version(0, 9)))


def test_a_major_version_that_does_not_stand_where_it_belongs(good: Path) -> None:
    """The keys of the head in another order: the version is not found at the start."""
    body, index = forge.split(good.read_bytes())
    head = msgpack.unpackb(body[: index["head"][1]])
    index["meta"]["format"] = [2, 0]
    moved = msgpack.packb({"magic": head["magic"], "meta": head["meta"], "format": [2, 0]})
    index["head"][2] = layout.checksum(moved)
    path = good.with_name("moved")
    path.write_bytes(forge.join(moved + body[len(moved) :], index))
    assert forge.outcome(path) == "the index is wrong: it is of format version 2"


def newer_minor(good: Path, change: Callable[[Index], None]) -> Path:
    path = forge.with_head(good, version(1, 9))

    def both(index: Index) -> None:
        index["meta"]["format"] = [1, 9]
        change(index)

    return forge.with_index(path, both)


def test_a_newer_minor_version_with_unknown_keys_is_read(good: Path) -> None:
    def change(index: Index) -> None:
        index["later"] = {"x": 1}
        index["meta"]["colour"] = "red"
        index["meta"]["model"]["parameters"] = 10**9
        index["tables"]["pairs"]["label"]["unit"] = "mm"
        index["metrics"][0]["direction"] = [1, 2]
        index["sections"]["tokens"]["sorted"] = True
        index["meta"]["counts"]["graphs"] = 3

    with collateral.open(newer_minor(good, change)) as c:
        assert c.meta.format == (1, 9)
        assert c.tokens(0).texts[0] == "a"
        assert list(c.verify()) == []


def test_a_newer_minor_version_with_other_sections_is_read(good: Path) -> None:
    body, index = forge.split(newer_minor(good, lambda index: None).read_bytes())
    extra = msgpack.packb({"record": "sparse", "name": "later/x", "start": 0, "data": [1, {}]})
    place = np.array([[0, 5, len(body), len(extra), layout.checksum(extra)]], dtype="<u8")
    index["sections"]["later/x"] = {
        "kind": "sparse",
        "dtype": "",
        "row": [],
        "count": 5,
        "blocks": place.tobytes(),
    }
    path = good.with_name("later")
    path.write_bytes(forge.join(body + extra, index))
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        assert c.examples["id"] == ["id-0", "id-1", "id-2"]
    path.write_bytes(forge.join(body + extra[:-1] + b"\x90", index))
    assert forge.outcome(path).startswith("later/x, rows from 0: is damaged")


def test_attention_of_a_newer_encoding_is_not_guessed(good: Path) -> None:
    newer = newer_minor(good, lambda index: None)
    path = rewritten(newer, "attention/directory", directory("encoding", 5))
    assert faults(path) == []
    with collateral.open(path) as c:
        assert c.has_attention(0)
        c.attention(1)
        for ask in (c.attention, c.attention_encoding):
            with pytest.raises(collateral.CollateralError, match=r"not known here\. Update"):
                ask(0)


def test_the_head_must_agree_with_the_index(good: Path) -> None:
    path = forge.with_index(good, put("meta", "task")("another"))
    assert forge.outcome(path) == "head and index describe the file differently"
    path = forge.with_index(good, put("meta", "fingerprint")("0" * 64))
    assert "texts do not have the fingerprint" in forge.outcome(path)
    path = forge.with_index(good, put("meta", "token_fingerprint")("0" * 64))
    assert "tokens do not have the fingerprint" in forge.outcome(path)


def test_unpack_version_takes_nothing_for_a_version_but_one() -> None:
    start = msgpack.packb("format")
    assert layout.unpack_version(start + b"\x92\x01\x00rest") == (1, 0)
    assert layout.unpack_version(start + b"\x92\xcd\x01\x00\x00") == (256, 0)
    for bad in (b"", start, start + b"\x91\x01", start + b"\x92\x01", b"\x01\x92\x01\x00"):
        assert layout.unpack_version(bad) is None
    assert layout.unpack_version(start + msgpack.packb(["1", "0"])) is None
