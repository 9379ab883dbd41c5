"""Files that were damaged or cut, or are something else: one clear error, nothing unnoticed."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collateral
from collateral import Column, layout
from tests.collateral import forge
from tests.collateral.simple import a_writer, sentence, some_tokens, uniform, write_simple
from tests.factory import write_collateral


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some 7 kB with something in every section."""
    return write_simple(tmp_path_factory.mktemp("damage") / "small", 2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest file with a row in every table and an attention record."""
    path = tmp_path_factory.mktemp("damage") / "tiny"
    with a_writer(path, examples={"label": Column("categorical")}, metrics=[]) as writer:
        writer.add_example("a", "ab", some_tokens(2), label="x")
        writer.add_point(0, 0, 1, "a")
        writer.add_pair("p", 0, (0, 1), (1, 2), (0, 1), (0, 1))
        writer.append_distances("cosine", np.zeros((1, 3)))
        writer.set_coordinates(0, [[0, 0]])
        writer.add_attention(0, uniform(2))
    return path


def flipped(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def assert_flips_are_found(path: Path, folder: Path, places: range, mask: int) -> None:
    data, target = path.read_bytes(), folder / "flipped"
    for at in places:
        target.write_bytes(flipped(data, at, mask))
        assert forge.outcome(target) != "sound", f"byte {at} of {len(data)}"


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_a_flipped_byte_is_found(small: Path, tmp_path: Path, mask: int) -> None:
    places = range(0, small.stat().st_size, 37)
    assert_flips_are_found(small, tmp_path, places, mask)


def test_a_flipped_byte_in_head_or_trailer_is_found(tiny: Path, tmp_path: Path) -> None:
    size = tiny.stat().st_size
    head = forge.split(tiny.read_bytes())[1]["head"][1]
    assert_flips_are_found(tiny, tmp_path, range(0, head, 5), 0x10)
    assert_flips_are_found(tiny, tmp_path, range(size - layout.TRAILER_SIZE, size), 0x10)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_found(tiny: Path, tmp_path: Path, mask: int) -> None:
    assert_flips_are_found(tiny, tmp_path, range(tiny.stat().st_size), mask)


def test_a_file_cut_anywhere(tiny: Path, tmp_path: Path) -> None:
    data, target = tiny.read_bytes(), tmp_path / "cut"
    for length in [*range(0, len(data), 5), *range(len(data) - 99, len(data))]:
        target.write_bytes(data[:length])
        with pytest.raises(collateral.CollateralError, match=r"is (cut|empty)") as caught:
            collateral.open(target)
        assert caught.value.advice


@pytest.mark.parametrize("more", [b"\0", b"\n", b"x" * 42, b"\xc0" * 5000])
def test_appended_bytes_are_refused(tiny: Path, tmp_path: Path, more: bytes) -> None:
    target = tmp_path / "longer"
    target.write_bytes(tiny.read_bytes() + more)
    with pytest.raises(collateral.CollateralError, match="is cut: its end"):
        collateral.open(target)


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_bytes_put_in_taken_out_or_swapped_are_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("edits")
    good = write_simple(folder / "good").read_bytes()
    at, to = sorted(data.draw(st.tuples(*[st.integers(0, len(good))] * 2)))
    kind = data.draw(st.sampled_from(["insert", "delete", "swap", "repeat", "zero"]))
    edited = {
        "insert": good[:at] + data.draw(st.binary(min_size=1, max_size=9)) + good[at:],
        "delete": good[:at] + good[to:],
        "swap": good[to:] + good[at:to] + good[:at],
        "repeat": good[:to] + good[at:],
        "zero": good[:at] + bytes(to - at) + good[to:],
    }[kind]
    (folder / "edited").write_bytes(edited)
    assert edited == good or forge.outcome(folder / "edited") != "sound"


def test_two_files_in_one(small: Path, tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "both"
    target.write_bytes(small.read_bytes() + tiny.read_bytes())
    assert forge.outcome(target) == "is cut: its end, where the index stands, is missing or damaged"


def test_damage_is_named_by_place(tmp_path: Path) -> None:
    path = write_collateral(tmp_path / "a", examples=4)
    data = path.read_bytes()
    with collateral.open(path) as c:
        block = c._sections["examples/text"].place(0)
        entry = c._attention.entry(1)
    at_text, at_weight = block.offset + block.length - 3, entry.data_at + 5
    path.write_bytes(flipped(flipped(data, at_text, 1), at_weight, 1))
    with collateral.open(path) as c:
        faults = list(c.verify())
        assert len(faults) == 2
        end = block.offset + block.length
        assert faults[0] == (
            f"examples/text, rows from 0: is damaged: bytes {block.offset} to {end} have changed"
        )
        assert faults[1].startswith("attention of example 1: is damaged: bytes")
        # What is whole can still be read.
        assert len(c.examples["id"]) == 4
        c.attention(0)
        c.attention(1, layer=2)
        with pytest.raises(collateral.CollateralError, match=r"head 0\.0 of example 1 has changed"):
            c.attention(1)
        with pytest.raises(collateral.CollateralError, match="Copy it again or extract it again"):
            c.examples["text"]


def foreign_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Things that are no collateral file, and what is said of them."""
    array = np.zeros(3)
    content = {
        "empty": (b"", "is empty. Make a collateral file with"),
        "gzip": (gzip.compress(b"x" * 99), "is compressed with gzip. Unpack it first."),
        "pickle": (pickle.dumps([array]), "is a pickle, not collateral"),
        "msgpack": (msgpack.packb({"a": [1, 2]}), "is not a collateral file. Make"),
        "msgpack list": (msgpack.packb([1, 2, 3]), "is not a collateral file"),
        "text": (b"id,text\n1,hello\n", "is not a collateral file"),
        "json": (b'{"magic": "interpret-collateral"}', "is not a collateral file"),
        "zeros": (bytes(5000), "is not a collateral file"),
        "magic alone": (layout.HEAD_START, "is cut"),
        "magic and rubbish": (layout.HEAD_START + b"\xff" * 500, "is cut"),
    }
    found = {}
    for name, (data, message) in content.items():
        (folder / name).write_bytes(data)
        found[name] = (folder / name, message)
    np.savez(folder / "arrays.npz", array)
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("data.pkl", b"\x80\x02")
    os.mkfifo(folder / "fifo")
    (folder / "socket").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder / "loop")
    return found | {
        "npz": (folder / "arrays.npz", "is a zip archive or a torch file"),
        "torch": (folder / "model.pt", "is a zip archive or a torch file"),
        "directory": (folder, "is a directory. Name a collateral file."),
        "fifo": (folder / "fifo", "is not a regular file"),
        "device": (Path("/dev/zero"), "is not a regular file"),
        "link to a device": (folder / "socket", "is not a regular file"),
        "link to itself": (folder / "loop", "cannot be opened (Too many levels"),
        "missing": (folder / "missing", "there is no such file. Check the name."),
        "below a file": (folder / "text" / "x", "cannot be opened (Not a directory)"),
        "no name": (Path("a\0b"), "cannot be opened (embedded null byte)"),
    }


def test_foreign_files(tmp_path: Path) -> None:
    for name, (path, message) in foreign_files(tmp_path).items():
        with pytest.raises(collateral.CollateralError) as caught:
            collateral.open(path)
        assert str(caught.value).startswith(sentence(path, message)), name


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_simple(tmp_path / "a")
    path.chmod(0)
    with pytest.raises(collateral.CollateralError, match="Permission denied"):
        collateral.open(path)


def test_a_refused_file_is_closed_again(tmp_path: Path) -> None:
    """Opening many bad files must not use up the file handles."""
    path = tmp_path / "cut"
    path.write_bytes(write_simple(tmp_path / "good").read_bytes()[:-1])
    code = """
import resource, sys, collateral
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
kept = []
for _ in range(200):
    try:
        collateral.open(sys.argv[1])
    except collateral.CollateralError as error:
        kept.append(error)
print(len({str(error) for error in kept}), kept[0].what)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert re.match(r"1 is cut: its end", result.stdout)
