"""Vectors on disk: what is read is what was put, memory stays flat, a full disk is told."""

from __future__ import annotations

import errno
import os
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from extract.errors import ExtractError
from extract.maps import vectors
from extract.maps.vectors import ArrayLayer, VectorStore

Array = npt.NDArray[np.float32]


def filled(folder: Path, sizes: list[int], seed: int = 0) -> tuple[VectorStore, Array]:
    """A store of 3 layers and width 5 with so many points per example, and what is in it."""
    random = np.random.default_rng(seed)
    parts = [random.normal(size=(3, size, 5)).astype(np.float32) for size in sizes]
    store = VectorStore(folder, 3, 5)
    for part in parts:
        store.append(part)
    return store, np.concatenate(parts, axis=1)


@pytest.mark.parametrize("pending", [1, 100, 8 << 20], ids=["each", "some", "all at once"])
def test_rows_and_chunks_are_what_was_put(
    tmp_path: Path, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "PENDING_BYTES", pending)
    store, expected = filled(tmp_path / "v", [4, 0, 1, 7, 3])
    with store:
        assert store.points == 15
        for number in range(3):
            layer = store.layer(number)
            assert (layer.points, layer.width) == (15, 5)
            for rows in ([], [3], [14, 0], [2, 3, 4, 9, 10], [5, 4, 4, 5, 6], range(15)):
                wanted = np.array(list(rows), dtype=int)
                assert np.array_equal(layer.rows(wanted), expected[number][wanted])
            for size in (1, 4, 15, 100):
                chunks = list(layer.chunks(size))
                assert [first for first, _ in chunks] == list(range(0, 15, size))
                assert np.array_equal(np.concatenate([c for _, c in chunks]), expected[number])


def test_points_may_follow_after_reading(tmp_path: Path) -> None:
    store, first = filled(tmp_path / "v", [4])
    with store:
        before = store.layer(1).checksum
        more = np.ones((3, 2, 5), dtype=np.float32)
        store.append(more)
        layer = store.layer(1)
        assert np.array_equal(layer.rows(range(6)), np.concatenate([first[1], more[1]]))
        assert layer.checksum != before
        assert layer.checksum == zlib.crc32(layer.rows(range(6)).tobytes())


def test_an_array_reads_like_a_file(tmp_path: Path) -> None:
    store, expected = filled(tmp_path / "v", [6, 3])
    with store:
        stored, held = store.layer(2), ArrayLayer(expected[2])
        assert held.checksum == stored.checksum and held.points == stored.points
        assert np.array_equal(held.rows([8, 1, 1]), stored.rows([8, 1, 1]))
        for (i, a), (j, b) in zip(held.chunks(4), stored.chunks(4), strict=True):
            assert i == j and np.array_equal(a, b)


def test_what_is_appended_is_a_copy(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "v", 1, 2) as store:
        mine = np.ones((1, 3, 2), dtype=np.float32)
        store.append(mine)
        mine[:] = 7
        assert (store.layer(0).rows([0, 1, 2]) == 1).all()


def test_files_go_and_nothing_else(tmp_path: Path) -> None:
    store, _ = filled(tmp_path / "made", [4])
    store.flush()
    assert len(list((tmp_path / "made").iterdir())) == 3
    with store:
        pass
    assert not (tmp_path / "made").exists()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("x")
    with pytest.raises(KeyError), filled(tmp_path / "kept", [4])[0]:
        raise KeyError
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["mine.txt"]


def test_what_a_killed_run_left_is_overwritten(tmp_path: Path) -> None:
    left, _ = filled(tmp_path / "v", [40])
    left.flush()
    store, expected = filled(tmp_path / "v", [4], seed=1)
    with store:
        layer = store.layer(0)
        assert np.array_equal(np.concatenate([c for _, c in layer.chunks()]), expected[0])
        assert os.path.getsize(tmp_path / "v" / "vectors-0.f32") == 4 * 5 * 4


def test_wrong_shapes_rows_and_layers_are_refused(tmp_path: Path) -> None:
    store, _ = filled(tmp_path / "v", [4])
    with store:
        for shape in ((2, 4, 5), (3, 4, 6), (4, 5)):
            with pytest.raises(ValueError, match="expected"):
                store.append(np.zeros(shape))
        for row in (-1, 4):
            with pytest.raises(IndexError):
                store.layer(0).rows([row])
        for layer in (-1, 3):
            with pytest.raises(IndexError):
                store.layer(layer)


def test_values_that_are_no_numbers_are_told_with_their_layer(tmp_path: Path) -> None:
    with VectorStore(tmp_path / "v", 2, 2) as store:
        states = np.zeros((2, 3, 2))
        states[1, 2, 0] = np.inf
        with pytest.raises(ExtractError, match=r"layer 1 .* not numbers.*--dtype float32\.$"):
            store.append(states)
        assert store.points == 0


class _FullDisk:
    """Stands for a file on a disk with room for so many bytes only."""

    def __init__(self, file: Any, room: list[int]) -> None:
        self._file, self._room = file, room

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: memoryview) -> int:
        """Writes a part, as a file without buffer may; then nothing fits."""
        taken = min(self._room[0], len(data), 16)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room[0] -= taken
        return int(self._file.write(data[:taken]))


def test_a_full_disk_is_one_sentence_and_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, expected = filled(tmp_path / "v", [4])
    room = [100]
    opened = Path.open

    def open_(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = opened(self, mode, *args, **kwargs)
        return _FullDisk(file, room) if mode == "r+b" else file

    with store:
        monkeypatch.setattr(Path, "open", open_)
        with pytest.raises(ExtractError) as caught:
            store.flush()
        told = str(caught.value)
        assert "disk" in told and "full" in told and str(tmp_path / "v") in told
        assert "\n" not in told and told.endswith(".")
        room[0] = 1 << 20  # somebody made room
        for number in range(3):
            layer = store.layer(number)
            assert np.array_equal(layer.rows(range(4)), expected[number])


def test_folders_and_files_that_fail_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExtractError, match=r"cannot be written to .*; write the output elsewhere"):
        VectorStore(tmp_path / "file", 1, 2)
    store, _ = filled(tmp_path / "v", [4])
    with store:
        layer = store.layer(0)
        os.truncate(tmp_path / "v" / "vectors-0.f32", 30)
        with pytest.raises(ExtractError, match="became shorter"):
            layer.rows([2])
        (tmp_path / "v" / "vectors-0.f32").unlink()
        with pytest.raises(ExtractError, match="cannot be read"):
            list(layer.chunks())


def test_memory_does_not_grow_with_the_number_of_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "PENDING_BYTES", 1 << 18)

    def peak(examples: int) -> int:
        part = np.ones((3, 10, 16), dtype=np.float32)
        tracemalloc.start()
        with VectorStore(tmp_path / "v", 3, 16) as store:
            for _ in range(examples):
                store.append(part)
            for _, chunk in store.layer(1).chunks(1000):
                assert chunk[0, 0] == 1
            found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(1000), peak(20_000)
    assert 10 * 20_000 * 3 * 16 * 4 > 40 * (1 << 18)
    assert large < 1.1 * small + (1 << 16)
