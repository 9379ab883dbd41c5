"""A short part of ``make fuzz``: the same mutants, every so many of them, and the fuzzer itself."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest

import collateral
from tests.attacks import fuzz, mutate
from tests.attacks.judge import judge
from tests.attacks.small import FILES
from tests.collateral import forge

EVERY = 193
"""Of the exhaustive mutants; a prime, so that no kind of them is always left out."""
RANDOM = 120


@pytest.fixture(scope="module", params=list(FILES))
def small(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> bytes:
    return FILES[request.param](tmp_path_factory.mktemp("fuzz") / "small").read_bytes()


def test_the_files_are_sound_and_small(tmp_path: Path) -> None:
    seen: set[str] = set()
    for name, write in FILES.items():
        path = write(tmp_path / name)
        assert judge(path, kept=tmp_path / "kept") == "sound"
        assert path.stat().st_size < 9000
        with collateral.open(path) as c:
            seen |= {section.partition("/")[0] for section in c._sections}
            seen |= {c.attention_encoding(0, kind.name) for kind in c.meta.attention}
    assert {
        "items",
        "labels",
        "vectors",
        "head_summary",
        "value_norm",
        "coordinates",
        "topk16",
    } < seen


def test_a_byte_that_changed_is_never_unnoticed(small: bytes, tmp_path: Path) -> None:
    tally = fuzz.Tally()
    run = fuzz.Fuzz(tmp_path, tmp_path / "failures")
    mutants = itertools.islice(mutate.exhaustive(small), 5, None, EVERY)
    run.run("short", mutants, tally, sealed=False)
    assert tally.tried > 200
    assert (tally.failed, tally.sound) == (0, 0), list((tmp_path / "failures").iterdir())


def test_structured_mutants(small: bytes, tmp_path: Path) -> None:
    """The seed is stated: the same mutants each time, other ones in ``make fuzz``."""
    tally = fuzz.Tally()
    run = fuzz.Fuzz(tmp_path, tmp_path / "failures")
    run.run("short", fuzz.randomly(small, "kept", 0, RANDOM), tally, sealed=True)
    assert tally.tried == RANDOM
    assert tally.failed == 0, list((tmp_path / "failures").iterdir())
    assert tally.refused > RANDOM // 2


def test_ruined_files(small: bytes, tmp_path: Path) -> None:
    """Cut and damaged, without an index: what is recovered of them is sound."""
    tally = fuzz.Tally()
    run = fuzz.Fuzz(tmp_path, tmp_path / "failures")
    mutants = fuzz.randomly(small, "kept", 0, RANDOM // 2, make=mutate.ruined)
    run.run("short", mutants, tally, sealed=False, keep_every=1)
    assert tally.failed == 0, list((tmp_path / "failures").iterdir())


def test_a_seed_gives_the_same_mutant_again(small: bytes) -> None:
    some = {mutate.structured(small, f"x:{number}") for number in range(30)}
    assert some == {mutate.structured(small, f"x:{number}") for number in range(30)}
    assert len(some) > 25
    for name, way in mutate.WAYS.items():
        body, index = forge.split(small)
        _, packed = way(random.Random(name), body, index)
        assert isinstance(packed, bytes), name


def test_exhaustive_mutants_all_differ_from_the_file() -> None:
    data = bytes(range(7)) + b"\7\7"
    mutants = dict(mutate.exhaustive(data))
    assert data not in mutants.values()
    n = len(data)
    assert len(mutants) == n + len(mutate.MASKS) * n + 2 * (n + 1) + n + (n - 2)


def test_what_fails_is_kept_and_can_be_tried_again(
    small: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fuzzer finds what a reader without checksums would let pass, and what breaks it."""
    failures = tmp_path / "failures"
    run, tally = fuzz.Fuzz(tmp_path, failures), fuzz.Tally()
    monkeypatch.setattr(fuzz, "judge", lambda path, kept: "sound")
    run.run("a", iter([("byte 3", b"mutant")]), tally, sealed=False)

    def broken(path: Path, kept: Path | None) -> str:
        raise IndexError("out of range")

    monkeypatch.setattr(fuzz, "judge", broken)
    run.run("b", iter([("byte 4", b"other")]), tally, sealed=True)
    assert tally.failed == 2
    assert (failures / "a-0").read_bytes() == b"mutant"
    assert "a change passed unnoticed" in (failures / "a-0.txt").read_text()
    assert "IndexError: out of range" in (failures / "b-0.txt").read_text()
    assert f"--replay {failures / 'b-0'}" in (failures / "b-0.txt").read_text()


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.attacks.fuzz", "--skip-exhaustive", "--seed", "1"]
    done = subprocess.run(
        [*command, "--seconds", "2", "--failures", str(tmp_path / "failures")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(", random, seed 1: ") == 2
    assert done.stdout.count(", ruined, seed 1: ") == 2
