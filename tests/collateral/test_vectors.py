"""Reduced vectors of points: what is stored of them, how near they come, and hostile files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import collateral
from collateral import Column, cli, pack_vectors, recover, sections, unpack_vectors
from tests.collateral import forge
from tests.collateral.command import export, strict
from tests.collateral.forge import Index, rewritten
from tests.collateral.simple import LAYERS, a_writer, some_tokens
from tests.collateral.test_old_files import DEMOS, OLD

Array = npt.NDArray[np.float64]
POINTS, WIDTH, SIZE = 40, 12, 7


def states(layer: int) -> Array:
    """Hidden states of the points, of very different lengths."""
    rng = np.random.default_rng(layer)
    return rng.normal(size=(POINTS, WIDTH)) * 10.0 ** rng.integers(-3, 5, size=(POINTS, 1))


def directions(layer: int) -> Array:
    """Orthonormal directions, [WIDTH, SIZE]."""
    basis, _ = np.linalg.qr(np.random.default_rng([9, layer]).normal(size=(WIDTH, WIDTH)))
    return basis[:, :SIZE]


def with_points(writer: collateral.Writer) -> None:
    writer.add_example("x", "a" * POINTS, some_tokens(POINTS))
    for token in range(POINTS):
        writer.add_point(0, token, token + 1, f"t{token}")


def write(path: Path, rows: list[int]) -> Path:
    with a_writer(path, metrics=[], measures=[], points={"label": Column("categorical")}) as writer:
        with_points(writer)
        writer.set_vector_points(rows)
        for layer in (0, LAYERS):
            x = states(layer)[rows]
            lengths = np.linalg.norm(x, axis=1)
            writer.set_vectors(layer, x / lengths[:, None] @ directions(layer), lengths)
        writer.set_vector_quality("kept", np.linspace(0.5, 1, LAYERS + 1))
    return path


@pytest.fixture(scope="module", params=["all", "sample"])
def rows(request: pytest.FixtureRequest) -> list[int]:
    return list(range(POINTS)) if request.param == "all" else [1, 4, 5, 20, 39]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, rows: list[int]) -> Path:
    return write(tmp_path_factory.mktemp("vectors") / "file", rows)


def test_vectors_come_back(path: Path, rows: list[int]) -> None:
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        vectors = c.vectors
        assert (vectors.size, vectors.layers, vectors.points.tolist()) == (SIZE, (0, LAYERS), rows)
        assert c.meta.vector_size == SIZE
        assert c.meta.counts["vectors"] == len(rows)
        for layer in vectors.layers:
            x = states(layer)[rows]
            lengths = np.linalg.norm(x, axis=1)
            exact = x / lengths[:, None] @ directions(layer)
            found = vectors.read(layer)
            assert found.dtype == np.float32
            half = np.abs(exact).max(axis=0) / 127 / 2
            assert (np.abs(found - exact) <= half * 1.001 + 1e-7).all()
            np.testing.assert_allclose(vectors.lengths(layer), lengths, rtol=1e-6)
            some = np.array([0, 2, 4])
            np.testing.assert_array_equal(vectors.read(layer, some), found[some])
            assert vectors.read(layer, some[:0]).shape == (0, SIZE)
        np.testing.assert_allclose(vectors.quality["kept"], np.linspace(0.5, 1, LAYERS + 1))
        with pytest.raises(KeyError, match="no vectors of layer 1"):
            vectors.read(1)
        with pytest.raises(KeyError, match="there are"):
            vectors.read(0, np.array([POINTS]))


def test_cosines_are_as_near_as_what_was_left_out_allows(path: Path, rows: list[int]) -> None:
    """|cosine - z_i · z_j| ≤ √(1 - |z_i|²) √(1 - |z_j|²) and what rounding to a byte adds."""
    with collateral.open(path) as c:
        unit = states(0)[rows] / np.linalg.norm(states(0)[rows], axis=1)[:, None]
        exact, found = unit @ directions(0), c.vectors.read(0).astype(float)
        left = np.sqrt(np.maximum(0, 1 - (exact**2).sum(axis=1)))
        rounding = 2 * np.linalg.norm(c.vectors.steps(0) / 2) + 1e-6
        error = np.abs(found @ found.T - unit @ unit.T)
        assert (error <= np.outer(left, left) + 1.01 * rounding).all()


def test_bytes_by_the_specification(path: Path) -> None:
    """(s − 128) · step, and directions are not centred: with numpy and the index alone."""
    _, index = forge.split(path.read_bytes())
    assert index["sections"]["vectors/0"]["dtype"] == "|u1"
    with collateral.open(path) as c:
        stored = c._sections["vectors/0"].all()
        steps = c._sections["vector_steps/0"].all()
        assert stored.min() >= 1
        expected = (stored.astype(np.float32) - 128) * steps
        np.testing.assert_array_equal(c.vectors.read(0), expected)


def test_packing_is_idempotent_and_keeps_signs_and_zero() -> None:
    values = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    values[:, 2] = 0
    values[:, 3] *= 1e-30
    stored, steps = pack_vectors(values)
    found = unpack_vectors(stored, steps)
    again, same = pack_vectors(found)
    np.testing.assert_array_equal(again, stored)
    np.testing.assert_allclose(same, steps, rtol=1e-6)
    assert not found[:, 2].any()
    np.testing.assert_array_equal(unpack_vectors(*pack_vectors(-values)), -found)
    assert pack_vectors(np.empty((0, 3)))[0].shape == (0, 3)
    for wrong in (values[0], np.full((2, 2), np.nan), np.full((2, 2), np.inf)):
        with pytest.raises(ValueError, match="must be numbers"):
            pack_vectors(wrong)


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda w: w.set_vectors(0, np.zeros((2, 3)), [1, 1]), "need their points first"),
        (lambda w: w.set_vector_points([1, 0]), "must rise"),
        (lambda w: w.set_vector_points([0, POINTS]), "must rise, and lie between 0 and 39"),
        (lambda w: w.set_vector_points([-1]), "must rise, and lie"),
        (lambda w: both(w, np.zeros((3, 3)), [1, 1]), "2 vectors and lengths were expected"),
        (lambda w: both(w, np.zeros((2, 3)), [1, -1]), "lengths of layer 0 are not numbers"),
        (lambda w: both(w, np.zeros((2, 3)), [1, np.nan]), "lengths of layer 0 are not numbers"),
        (lambda w: both(w, np.zeros((2, 0)), [1, 1]), "vectors cannot be of 0 numbers"),
        (lambda w: both(w, np.zeros((2, 3)), [1, 1], LAYERS + 1), "no hidden state"),
        (lambda w: both(w, np.zeros((2, 3)), [1, 1], 0, 0), "was set before"),
        (lambda w: w.set_vector_quality("kept", [1.0]), "1 values for"),
    ],
)
def test_the_writer_refuses(
    tmp_path: Path, act: Callable[[collateral.Writer], None], what: str
) -> None:
    writer = a_writer(tmp_path / "file", metrics=[], measures=[])
    with_points(writer)
    with pytest.raises(ValueError, match=what):
        act(writer)
    writer.abort()


def both(writer: collateral.Writer, vectors: Array, lengths: list[float], *layers: int) -> None:
    writer.set_vector_points([3, 8])
    for layer in layers or (0,):
        writer.set_vectors(layer, vectors, lengths)


def test_layers_have_vectors_of_one_size(tmp_path: Path) -> None:
    writer = a_writer(tmp_path / "file", metrics=[], measures=[])
    with_points(writer)
    both(writer, np.zeros((2, 3)), [1, 1])
    with pytest.raises(ValueError, match="vectors of 3 numbers were expected, not of 4"):
        writer.set_vectors(1, np.zeros((2, 4)), [1, 1])
    with pytest.raises(ValueError, match="set before"):
        writer.set_vector_points([3, 8])
    writer.abort()


def without(name: str) -> Callable[[Index], None]:
    def change(index: Index) -> None:
        del index["sections"][name]

    return change


@pytest.mark.parametrize("name", ["vector_steps/0", "vector_lengths/0", "vector_points"])
def test_vectors_without_a_part_of_them_are_refused(path: Path, name: str) -> None:
    assert "vectors of layer 0 are not complete" in forge.outcome(
        forge.with_index(path, without(name))
    )


def test_vectors_of_another_size_than_stated_are_refused(path: Path) -> None:
    def change(size: Any) -> Callable[[Index], None]:
        return lambda index: index["meta"].update(vector_size=size)

    for size in (SIZE + 1, 0, 1 << 20):
        outcome = forge.outcome(forge.with_index(path, change(size)))
        assert "index is wrong" in outcome, outcome
    assert "vector_size cannot be" in forge.outcome(forge.with_index(path, change("7")))


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("vector_points", lambda a: a[::-1].copy(), "are not points, or do not rise"),
        ("vector_points", lambda a: a + POINTS, "are not points, or do not rise"),
        ("vector_lengths/0", lambda a: -a, "layer 0 have lengths or steps that are not numbers"),
        ("vector_steps/0", lambda a: a * np.nan, "layer 0 have lengths or steps"),
    ],
)
def test_verify_finds_wrong_vectors(
    path: Path, name: str, change: Callable[[Array], Array], what: str
) -> None:
    dtype = "<i4" if name == "vector_points" else "<f4"

    def of_bytes(data: bytes) -> bytes:
        return change(np.frombuffer(data, dtype)).astype(dtype).tobytes()

    found = forge.faults(rewritten(path, name, of_bytes))
    assert len(found) == 1
    assert what in found[0]


@pytest.mark.parametrize("old", [OLD, *DEMOS], ids=lambda path: path.stem)
def test_old_files_have_no_vectors(old: Path) -> None:
    with collateral.open(old) as c:
        vectors = c.vectors
        assert (vectors.layers, vectors.size, vectors.quality) == ((), 0, {})
        assert vectors.points.tolist() == []
        assert "vectors" not in c.meta.counts
        with pytest.raises(KeyError, match="no vectors of layer 0"):
            vectors.read(0)


def test_a_reader_that_does_not_know_vectors_skips_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the reader was before: no shapes of these sections are known to it."""
    known = sections.optional
    monkeypatch.setattr(
        sections, "optional", lambda n, m: None if n.startswith("vector") else known(n, m)
    )
    with collateral.open(path) as c:
        assert c.points["text"][:2] == ["t0", "t1"]
        assert list(c.verify()) == []


def test_info_names_them(path: Path, rows: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"^vectors +7 of \d+ dimensions, of {len(rows)} of 40 points", said, re.M)
    assert re.search(r"^ +kept +0\.500 ", said, re.M)
    assert cli.main(["info", "--json", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)["vectors"]
    assert (found["size"], found["points"], found["layers"]) == (SIZE, len(rows), [0, LAYERS])


def test_export(
    path: Path, rows: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with collateral.open(path) as c:
        vectors, lengths = c.vectors.read(LAYERS), c.vectors.lengths(LAYERS)
    what = f"vectors:{LAYERS}"
    assert cli.main(["export", str(path), "--what", what, "-o", str(tmp_path / "out.npz")]) == 0
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["vectors"], vectors)
    np.testing.assert_array_equal(found["length"], lengths)
    assert found["point"].tolist() == rows
    capsys.readouterr()
    lines = export(capsys, path, what, "csv").splitlines()
    names = ["point", "example", "token_start", "token_stop", "text", "length", *map(str, range(7))]
    assert lines[0] == ",".join(names)
    first = lines[1].split(",")
    assert first[:5] == [str(rows[0]), "x", str(rows[0]), str(rows[0] + 1), f"t{rows[0]}"]
    np.testing.assert_allclose([float(cell) for cell in first[6:]], vectors[0], rtol=1e-6)
    loaded = strict(export(capsys, path, what, "json"))
    assert loaded["layer"] == LAYERS
    np.testing.assert_allclose(loaded["rows"][-1]["vector"], vectors[-1], rtol=1e-6)
    assert cli.main(["export", str(path), "--what", "vectors:1", "--format", "csv"]) != 0
    assert f"no vectors of layer '1'; there are of: 0, {LAYERS}" in capsys.readouterr().err


def recovered(path: Path, target: Path) -> list[str]:
    """What recovering a file says."""
    return list(recover.recover(path, target).lines())


def test_recovering_keeps_vectors(path: Path, rows: list[int], tmp_path: Path) -> None:
    """With the index, and without it, when only the records say how long a vector is."""
    cut = tmp_path / "cut"
    body, _ = forge.split(path.read_bytes())
    cut.write_bytes(body)
    for number, damaged in enumerate((path, cut)):
        target = tmp_path / f"new-{number}"
        said = recovered(damaged, target)
        assert any("2 of 2 vectors" in line or "2 vectors" in line for line in said), said
        assert not any("vector" in line for line in said if line.startswith("lost")), said
        with collateral.open(path) as old, collateral.open(target) as new:
            assert list(new.verify()) == []
            assert new.vectors.points.tolist() == rows
            for layer in old.vectors.layers:
                np.testing.assert_allclose(new.vectors.read(layer), old.vectors.read(layer))
                np.testing.assert_array_equal(
                    new.vectors.lengths(layer), old.vectors.lengths(layer)
                )
            np.testing.assert_array_equal(new.vectors.quality["kept"], old.vectors.quality["kept"])


def test_recovering_leaves_out_what_is_damaged(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    _, index = forge.split(bytes(data))
    blocks = np.frombuffer(index["sections"]["vectors/0"]["blocks"], dtype="<u8").reshape(-1, 5)
    offset, length = blocks[0, 2:4].tolist()
    data[offset + length - 1] ^= 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    said = recovered(damaged, tmp_path / "new")
    assert any("1 of 2 vectors" in line for line in said), said
    assert "lost: all of vectors/ 0" in said
    with collateral.open(tmp_path / "new") as new:
        assert list(new.verify()) == []
        assert new.vectors.layers == (LAYERS,)
