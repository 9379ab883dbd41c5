"""The files that are measured with are files like all others."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import collateral
from bench import files
from bench.averages import plain_curves
from collateral.analysis import curves


def test_a_file_is_whole_and_as_described(tmp_path: Path) -> None:
    recipe = files.Recipe(tokens=(9, 16), real=4, bare=2, layers=2, heads=3, metrics=(2, 1))
    path = files.write(tmp_path / "a.msgpack", recipe)
    with collateral.open(path) as found:
        assert list(found.verify()) == []
        assert len(found.examples) == 6 and len(found.pairs) == 12 and len(found.points) == 30
        assert found.attention_examples() == (0, 1, 2, 3)
        assert [found.attention_shape(row) for row in (0, 1)] == [(2, 3, 9, 9), (2, 3, 16, 16)]
        assert found.attention(1).sum(axis=-1) == pytest.approx(1, abs=0.01)
        assert (found.attention(0) != found.attention(2)).any(), "neighbours differ"
        assert found.mapped_layers == (0, 1, 2)


def test_what_nobody_looks_at_takes_no_room(tmp_path: Path) -> None:
    recipe = files.Recipe(tokens=(64,), real=2, hollow=30, metrics=(1, 1))
    path = files.write(tmp_path / "a.msgpack", recipe)
    with collateral.open(path) as found:
        assert list(found.verify()) == []
        assert found.attention(1).any() and not found.attention(2).any()
    stat = path.stat()
    assert stat.st_size > 32 * 12 * 12 * 64 * 64 * 2
    if sys.platform == "linux":  # others may keep no holes
        assert stat.st_blocks * 512 < stat.st_size / 4


class Usage(NamedTuple):
    """What shutil.disk_usage answers."""

    total: int
    used: int
    free: int


def test_a_full_disk_makes_the_file_smaller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = files.of_size(10e9, tmp_path, 300)
    assert wanted.examples * 12 * 12 * 64 * 64 * 2 == pytest.approx(10e9, rel=0.05)
    assert wanted.real == 300
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(2.1e9)))
    assert files.of_size(10e9, tmp_path, 300).examples == 83


def test_copies_of_the_demos_points_lie_beside_them() -> None:
    found = files.maps(4000, 3)
    with collateral.open(files.DEMO) as demo:
        original = demo.coordinates(1)
    count = len(original)
    assert found.shape == (3, 4000, 2)
    assert np.array_equal(found[1, :count], original)
    gap = (found[1, count : 2 * count] - original) / np.ptp(original, axis=0)
    assert 0.005 < gap.std() < 0.02
    codes = files.classes(found[1])
    assert codes.shape == (4000,) and 1 < len(np.unique(codes)) <= files.CLASSES


def test_plain_numpy_finds_the_same_intervals() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(400, 5)).astype(np.float32)
    owners = (np.arange(400) // 2).astype(np.int32)
    codes = (np.arange(400) % 2).astype(np.int32)
    plain = plain_curves(values, codes, owners)
    ours = curves(values, codes, ("a", "b"), owners)
    for group, curve in enumerate(ours):
        assert plain[group, 0] == pytest.approx(curve.low, abs=0.03)
        assert plain[group, 1] == pytest.approx(curve.high, abs=0.03)
