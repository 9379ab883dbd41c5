"""Torch-saved files from strangers: what is data is read, what is code is refused."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extract.errors import ExtractError
from extract.importers.unpickle import Refused, array, load, plain, texts
from tests.extract.importers.files import save


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before-1.6"])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.zeros((0, 4), dtype=np.float32),
    ],
    ids=["half", "fortran", "big-endian", "boolean", "empty"],
)
def test_arrays_of_numpy_come_through(
    value: np.ndarray[Any, Any], new: bool, tmp_path: Path
) -> None:
    path = save(tmp_path / "a.pt", {"x": value}, _use_new_zipfile_serialization=new)
    found = array(load(path)["x"])
    assert found.shape == value.shape
    assert found.dtype == value.dtype
    assert np.array_equal(found, value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_any_float_come_through(dtype: torch.dtype, tmp_path: Path) -> None:
    value = torch.tensor([[0.5, 0.25], [1.0, 0.0]], dtype=dtype, requires_grad=True)
    found = array(load(save(tmp_path / "a.pt", value)))
    assert found.tolist() == [[0.5, 0.25], [1.0, 0.0]]


def test_texts_and_scalars_of_numpy_come_through(tmp_path: Path) -> None:
    data = {
        np.int64(3): np.array(["a", "bcd"]),
        "objects": np.array(["x", "yz"], dtype=object),
        "list": [np.str_("q"), "r"],
    }
    found = load(save(tmp_path / "a.pt", data))
    assert texts(found[3]) == ["a", "bcd"]
    assert texts(found["objects"]) == ["x", "yz"]
    assert texts(found["list"]) == ["q", "r"]
    assert plain(torch.tensor(4)) == 4


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


def attacks(mark: Path) -> list[tuple[str, Calls]]:
    """Calls that leave a file behind, or would end the test."""
    code = f"open({str(mark)!r}, 'w').close()"
    return [
        ("os.system", Calls(os.system, f"touch {mark}")),
        ("eval", Calls(eval, code)),
        ("exec", Calls(exec, code)),
        ("os.mkdir", Calls(os.mkdir, str(mark))),
        ("exit", Calls(os._exit, 3)),
        ("nested", Calls(OrderedDict, [("a", Calls(os.mkdir, str(mark)))])),
        ("getattr", Calls(getattr, np.zeros(1), "tofile")),
        ("numpy", Calls(np.load, str(mark))),
        ("torch", Calls(torch.load, str(mark))),
    ]


@pytest.mark.parametrize("number", range(9))
@pytest.mark.parametrize("form", ["zip", "before-1.6", "pickle", "pickle-5"])
def test_no_code_is_run(number: int, form: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pt"
    _, attack = attacks(mark)[number]
    data = {0: {"attentions": attack, "tokens": ["a"]}}
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps(data, protocol=5 if form.endswith("5") else 2))
    else:
        save(path, data, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ExtractError) as caught:
        load(path)
    assert not mark.exists()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "torch.save({" in message
    assert "safetensors" in message
    assert "\n" not in message
    assert "weights_only=False" not in message


def test_what_was_asked_for_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", Calls(os.system, "true"))
    with pytest.raises(ExtractError, match=r"asks for \w+\.system to be called"):
        load(path)


def test_attributes_of_stand_ins_cannot_be_used_as_doors(tmp_path: Path) -> None:
    class Posing:
        def __reduce__(self) -> tuple[object, ...]:
            return np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b"), {"values": "x"}

    with pytest.raises(ExtractError, match="five parts"):
        load(save(tmp_path / "a.pt", Posing()))


@pytest.mark.parametrize(
    "state",
    [
        (1, (1 << 40,), np.dtype("f8"), False, b""),
        (1, (2, 2), np.dtype("f8"), False, b"12345678"),
        (1, (-1,), np.dtype("f4"), False, b""),
        (1, (2,), np.dtype("O"), False, b"1234567812345678"),
        (1, (1,), np.dtype("V8"), False, b"12345678"),
        (1, (1,), "f8", False, b"12345678"),
        (1, "x", np.dtype("f8"), False, b"12345678"),
        (1, (1 << 70,), np.dtype("f8"), False, b""),
    ],
)
def test_arrays_that_contradict_themselves_are_refused(
    state: tuple[object, ...], tmp_path: Path
) -> None:
    class Posing:
        def __reduce__(self) -> tuple[object, ...]:
            return np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b"), state

    with pytest.raises(ExtractError, match="holds an array"):
        load(save(tmp_path / "a.pt", {0: Posing()}))


def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    small = torch.zeros(1).expand(1 << 20, 1 << 20)
    found = load(save(tmp_path / "a.pt", small))
    with pytest.raises(Refused, match="the file holds fewer"):
        array(found)


@pytest.mark.parametrize("compressed", [True, False], ids=["bomb", "stored"])
def test_a_zip_bomb_is_refused_before_it_is_read(compressed: bool, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {0: torch.zeros(8)})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("archive/data/9", bytes(1 << 22))
    if not compressed:  # the directory claims more than there is
        raw = path.read_bytes()
        path.write_bytes(raw.replace(struct.pack("<I", 1 << 22), struct.pack("<I", 1 << 31)))
    with pytest.raises(ExtractError, match="compressed records" if compressed else "claims"):
        load(path)


@pytest.mark.parametrize("keep", [0, 1, 20, 100, 200, -30, -1])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before-1.6"])
def test_a_cut_file_is_refused_in_one_sentence(keep: int, new: bool, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {0: torch.zeros(99)}, _use_new_zipfile_serialization=new)
    path.write_bytes(path.read_bytes()[:keep])
    says = r"is not read as a plain file|asks for|is empty|is a text file"
    with pytest.raises(ExtractError, match=says) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_every_byte_may_be_wrong(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({0: np.arange(3.0), 1: torch.zeros(2)}, buffer, _use_new_zipfile_serialization=False)
    raw, path = buffer.getvalue(), tmp_path / "a.pt"
    outcomes = set()
    for at in range(0, len(raw), 3):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        try:
            load(path)
            outcomes.add("read")
        except ExtractError as error:
            outcomes.add("refused")
            assert "\n" not in str(error)
    assert outcomes == {"read", "refused"}


def test_what_is_no_array_is_refused() -> None:
    for value in ("text", {"a": 1}, None, [[1], [1, 2]], ["a"]):
        with pytest.raises(Refused):
            array(value)
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(Refused):
        array(itself)
    assert array([[1, 0.5]]).tolist() == [[1, 0.5]]


def test_what_is_no_list_of_texts_is_refused() -> None:
    for value in ("text", 3, ["a", 1], [b"a"], ["\ud800"]):
        with pytest.raises(Refused):
            texts(value)


def test_unusual_tensors_are_refused(tmp_path: Path) -> None:
    for value in (torch.eye(2).to_sparse(), torch.eye(2, device="meta"), torch.zeros(2) * 1j):
        with pytest.raises(Refused, match="unusual"):
            array(value)
