"""Writers that are killed, run out of room, may not write, or meet another one at their target.

Never a wrong file under the final name, never a finished one lost.
"""

from __future__ import annotations

import fcntl
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import collateral
from collateral import CollateralError, Writer, begun
from collateral.recover import recover
from collateral.sink import Sink
from tests.attacks import forked
from tests.attacks.files import _unreadable
from tests.collateral.simple import LAYERS, a_meta, a_writer, some_tokens, uniform

SEED = 20_261_124
KILLS = 50


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a user who is not root can get to."""
    path = Path(tempfile.mkdtemp(prefix="collateral-"))
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def write(path: Path, generation: int, *, examples: int = 12, slow: float = 0.0) -> None:
    """A file that says which one it is, in every example."""
    with a_writer(path, meta=a_meta(task=f"generation {generation}"), metrics=[]) as writer:
        fill(writer, generation, examples, slow)


def fill(writer: Writer, generation: int, examples: int, slow: float = 0.0) -> None:
    for row in range(examples):
        writer.add_example(f"{generation}-{row}", "abcdefgh", some_tokens(8), label="x")
        writer.add_point(row, 0, 1, "a")
        writer.add_attention(row, uniform(8))
        time.sleep(slow)
    for layer in range(LAYERS + 1):
        writer.set_coordinates(layer, np.full((examples, 2), generation))


def generation_of(path: Path) -> int:
    """Which one it is; the whole file is checked."""
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        generation = int(c.meta.task.split()[1])
        assert c.examples["id"] == [f"{generation}-{row}" for row in range(len(c.examples))]
        return generation


def write_on(path: Path, first: int) -> Callable[[int], None]:
    """Writes one generation after another; says so after each."""

    def work(pipe: int) -> None:
        generation = first
        while True:
            write(path, generation)
            os.write(pipe, b".")
            generation += 1

    return work


def partials(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".partial"]


def test_killed_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 kills, the moments from a stated seed: the last finished file is there, and whole."""
    monkeypatch.setattr(begun, "LEAST_BETWEEN", 1 << 11)
    rng, path = random.Random(SEED), tmp_path / "target"
    last, finished, unfinished, recovered = 0, 0, 0, 0
    for number in range(KILLS):
        with forked.Child(write_on(path, last + 1)) as child:
            time.sleep(rng.uniform(0.0, 0.12))
            done = child.kill().count(b".")
        finished += done
        expected = last + done
        if path.exists():  # it may have been killed between finishing and saying so
            last = generation_of(path)
            assert expected <= last <= expected + 1, number
        else:
            assert expected == 0
        for left in partials(tmp_path):
            unfinished += 1
            recovered += recover_or_nothing(left, tmp_path / "kept")
            left.unlink()
        assert {p.name for p in tmp_path.iterdir()} <= {"target", "kept"}
    assert finished > 5
    assert unfinished > 5
    assert recovered
    print(f"{KILLS} kills, {finished} finished, {unfinished} unfinished, {recovered} recovered")


def opens(path: Path) -> bool:
    """Whether this is a collateral file; it must be whole then."""
    try:
        c = collateral.open(path)
    except CollateralError:
        return False
    with c:
        assert list(c.verify()) == []
    return True


def recover_or_nothing(left: Path, kept: Path) -> bool:
    """What a killed writer left is no collateral file, but what is whole of it can be kept.

    Between its last byte and its renaming it is one, and then all of it is whole.
    """
    finished = opens(left)
    try:
        found = recover(left, kept, force=True)
        assert found.whole or not finished
    except CollateralError as error:
        assert not finished
        assert "nothing can be kept" in error.what or "is empty" in error.what
        return False
    with collateral.open(kept) as c:
        assert list(c.verify()) == []
    return True


@pytest.mark.parametrize("before", [False, True])
def test_a_disk_that_is_full(tmp_path: Path, before: bool) -> None:
    """However much room there is, an error says that it was too little, and nothing is left."""
    path = tmp_path / "target"
    write(path, 1, examples=60)
    size = path.stat().st_size
    if not before:
        path.unlink()

    def work(pipe: int) -> None:
        for limit in range(0, size, size // 9):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            with pytest.raises(CollateralError) as caught:
                write(path, 2, examples=60)
            assert "cannot be written (File too large). Free some space" in str(caught.value)
            assert caught.value.path == str(path)
            os.write(pipe, b".")

    assert len(forked.run(work)) >= 9
    assert [p.name for p in tmp_path.iterdir()] == ["target"] * before
    if before:
        assert generation_of(path) == 1
    write(path, 3)
    assert generation_of(path) == 3


def test_a_folder_that_is_read_only(folder: Path) -> None:
    path = folder / "target"
    write(path, 1)
    folder.chmod(0o555)

    def work(pipe: int) -> None:
        with pytest.raises(CollateralError) as caught:
            write(path, 2)
        os.write(pipe, str(caught.value).encode())

    said = forked.run(forked.as_nobody(work)).decode()
    advice = "Choose a folder that exists and that you may write to."
    assert said == f"{path} cannot be written (Permission denied). {advice}"
    assert generation_of(path) == 1
    assert [p.name for p in folder.iterdir()] == ["target"]


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    path = _unreadable(folder)

    def work(pipe: int) -> None:
        with pytest.raises(CollateralError) as caught:
            collateral.open(path)
        os.write(pipe, str(caught.value).encode())

    said = forked.run(forked.as_nobody(work)).decode()
    assert said == f"{path} cannot be opened (Permission denied). Check the name."


def test_two_writers_at_one_target(tmp_path: Path) -> None:
    """Whoever looks meanwhile sees a whole file of one of them; the last to finish stays."""
    path = tmp_path / "target"
    write(path, 0)

    def work(of: int) -> Callable[[int], None]:
        def some(pipe: int) -> None:
            rng = random.Random(SEED + of)
            for number in range(12):
                write(path, 1000 * of + number, slow=rng.uniform(0, 0.001))
            os.write(pipe, b"done")

        return some

    seen: list[int] = []
    with forked.Child(work(1)) as one, forked.Child(work(2)) as two:
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            seen.append(generation_of(path))
        assert (one.said(), two.said()) == (b"done", b"done")
        assert (one.wait(), two.wait()) == (0, 0)
    for of in (1, 2):  # of each, later ones replace earlier ones
        mine = [generation for generation in seen if generation // 1000 == of]
        assert mine == sorted(mine)
    assert generation_of(path) in (1011, 2011)
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


# -- what killed writers leave --------------------------------------------------------------------


def left_behind(folder: Path, name: str, age: float = 3600) -> Path:
    path = folder / f".{name}.0123abcd.partial"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_what_was_left_goes_when_the_target_is_finished(tmp_path: Path) -> None:
    mine = left_behind(tmp_path, "target")
    others = [
        left_behind(tmp_path, "other"),
        left_behind(tmp_path, "target.more"),
        left_behind(tmp_path, "more.target"),
    ]
    others.append(tmp_path / ".target.0123abcd.partial.txt")
    others[-1].write_text("mine")
    with a_writer(tmp_path / "target", metrics=[]) as writer:
        fill(writer, 1, 2)
        assert mine.exists()  # it may be wanted as long as the target is not there
    assert not mine.exists()
    assert all(path.exists() for path in others)


def test_what_another_still_writes_stays(tmp_path: Path) -> None:
    locked, young = left_behind(tmp_path, "target"), tmp_path / ".target.fedcba98.partial"
    young.write_bytes(b"half")
    with locked.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write(tmp_path / "target", 1)
        assert locked.exists()
        assert young.exists()
    write(tmp_path / "target", 2)
    assert not locked.exists()
    assert young.exists()


def test_a_writer_that_goes_on_for_long_keeps_its_file(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "target")
    (temporary,) = partials(tmp_path)
    os.utime(temporary, (0, 0))
    write(tmp_path / "target", 1)
    sink.write(b"later")
    sink.finish()
    assert (tmp_path / "target").read_bytes() == b"later"


def test_strays_of_long_names_are_not_guessed_at(tmp_path: Path) -> None:
    stray = left_behind(tmp_path, "x" * 40)
    write(tmp_path / ("x" * 50), 1)
    assert stray.exists()
