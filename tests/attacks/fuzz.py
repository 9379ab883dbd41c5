"""``make fuzz``: every byte of small files changed in every way, then random structured mutants.

    python -m tests.attacks.fuzz --seconds 600          # exhaustive, then so long at random
    python -m tests.attacks.fuzz --file sides --number 17 --seed 5   # one random mutant again
    python -m tests.attacks.fuzz --replay fuzz-failures/FILE

Status 1 if a mutant does anything but be read or raise a CollateralError, if one that was changed
without mending checksums passes for sound, or if what is recovered of one is not sound.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from .judge import TooSlow, judge
from .mutate import Mutant, exhaustive, ruined, structured
from .small import FILES

MEMORY = 1 << 30
"""Bytes of address space beyond what the process has at the start."""
_KEEP_EVERY = 17
"""Recovery is tried on every so many mutants: it takes longer than all else."""


@dataclasses.dataclass
class Tally:
    """What came of the mutants."""

    tried: int = 0
    refused: int = 0
    faulty: int = 0
    sound: int = 0
    failed: int = 0
    slowest: float = 0.0

    def line(self, name: str) -> str:
        """For people."""
        return (
            f"{name}: {self.tried:,} mutants, {self.refused:,} refused or faulty, {self.sound:,} "
            f"sound, {self.failed:,} failed; the slowest took {self.slowest:.2f} s"
        )


class Fuzz:
    """Judges mutants one after another; those that fail are saved."""

    def __init__(self, folder: Path, failures: Path) -> None:
        self._mutant, self._kept = folder / "mutant", folder / "kept"
        self._failures = failures

    def run(
        self,
        name: str,
        mutants: Iterator[Mutant],
        tally: Tally,
        *,
        sealed: bool,
        keep_every: int = _KEEP_EVERY,
    ) -> None:
        """Judges all of them.

        Args:
            name: of the file and the seed, for the names of failures.
            mutants: what was done and what came of it.
            tally: is added to.
            sealed: whether checksums were made right again: then a mutant may be sound.
            keep_every: of how many mutants what is whole is recovered from one.
        """
        for number, (what, data) in enumerate(mutants):
            reason = self._try(data, tally, sealed=sealed, keep=number % keep_every == 0)
            if reason:
                tally.failed += 1
                self._save(name, number, what, data, reason)

    def _try(self, data: bytes, tally: Tally, *, sealed: bool, keep: bool) -> str:
        """Judges one mutant; why it fails, "" if it does not."""
        self._mutant.write_bytes(data)
        tally.tried += 1
        start = time.perf_counter()
        try:
            outcome = judge(self._mutant, kept=self._kept if keep else None)
        except (Exception, TooSlow):
            return traceback.format_exc()
        finally:
            tally.slowest = max(tally.slowest, time.perf_counter() - start)
        if outcome != "sound":
            tally.refused += 1
            return ""
        tally.sound += 1
        return "" if sealed else "a change passed unnoticed\n"

    def _save(self, name: str, number: int, what: str, data: bytes, reason: str) -> None:
        self._failures.mkdir(parents=True, exist_ok=True)
        path = self._failures / f"{name}-{number}"
        path.write_bytes(data)
        again = f"python -m tests.attacks.fuzz --replay {path}"
        path.with_name(path.name + ".txt").write_text(f"{what}\n{reason}\n{again}\n")
        print(f"{name} {number}, {what}: {reason.strip().splitlines()[-1]}; saved as {path}")


def randomly(
    data: bytes,
    seed: str,
    seconds: float,
    count: int | None = None,
    make: Callable[[bytes, str], Mutant] = structured,
) -> Iterator[Mutant]:
    """Random mutants until the time is up, or so many."""
    end = time.monotonic() + seconds
    for number in itertools.count() if count is None else range(count):
        if count is None and time.monotonic() > end:
            return
        yield make(data, f"{seed}:{number}")


def limit_memory() -> None:
    """From here on this process can take no more than :data:`MEMORY` beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    most = pages * resource.getpagesize() + MEMORY
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.fuzz")
    parser.add_argument("--seconds", type=float, default=60.0, help="of random mutants, in all")
    parser.add_argument("--seed", default=None, help="of the random mutants; default: the time")
    parser.add_argument("--skip-exhaustive", action="store_true")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--replay", type=Path, help="judge this file and no other")
    parser.add_argument("--file", choices=FILES, help="mutate only this one")
    parser.add_argument("--number", type=int, help="one random mutant of --file and --seed")
    return parser.parse_args()


def _replay(path: Path, folder: Path) -> int:
    print(judge(path, kept=folder / "kept"))
    return 0


def main() -> int:
    """Runs it; the exit status."""
    options = _options()
    setattr(os, "fsync", lambda handle: None)  # noqa: B010 (mypy knows its type)
    seed = options.seed or str(int(time.time()))
    failed = 0
    limit_memory()
    memory = Path("/dev/shm")  # a folder in memory takes a third of the time
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        folder = Path(name)
        if options.replay:
            return _replay(options.replay, folder)
        fuzz = Fuzz(folder, options.failures)
        files = [options.file] if options.file else list(FILES)
        for file in files:
            data = FILES[file](folder / file).read_bytes()
            if options.number is not None:
                (folder / "one").write_bytes(structured(data, f"{seed}:{options.number}")[1])
                return _replay(folder / "one", folder)
            if not options.skip_exhaustive:
                tally = Tally()
                fuzz.run(file, exhaustive(data), tally, sealed=False)
                print(tally.line(f"{file}, {len(data):,} bytes, each in turn"), flush=True)
                failed += tally.failed
            for what, make, every in (("random", structured, _KEEP_EVERY), ("ruined", ruined, 1)):
                tally = Tally()
                mutants = randomly(data, seed, options.seconds / len(files) / 2, make=make)
                sealed = make is structured
                fuzz.run(f"{file}-{what}-{seed}", mutants, tally, sealed=sealed, keep_every=every)
                print(tally.line(f"{file}, {what}, seed {seed}"), flush=True)
                failed += tally.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
