"""What opening a file costs, small and large, and reading one head of one example."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgpack

import collateral
from bench.harness import Candidate, Comparison, compare
from tests.factory import write_collateral

SMALL, LARGE = 20, 1200
"""Examples in the two files."""


def comparisons(runs: int) -> Iterator[Comparison]:
    """Opening, and reading one head, against unpacking the whole file with plain msgpack."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = (
            write_collateral(
                Path(folder) / f"{count}.msgpack",
                examples=count,
                attention=count,
                layers=6,
                heads=12,
            )
            for count in (SMALL, LARGE)
        )
        names = {path: f"{path.stat().st_size / 1e6:.1f} MB" for path in (small, large)}
        candidates = [
            Candidate(f"`collateral.open`, {names[small]}", partial(repeated, opened, small, 20)),
            Candidate(f"`collateral.open`, {names[large]}", partial(repeated, opened, large, 20)),
            Candidate(f"one head of one example, {names[small]}", partial(one_head, small)),
            Candidate(f"one head of one example, {names[large]}", partial(one_head, large)),
            Candidate(f"msgpack, all of {names[small]}", partial(repeated, unpacked, small, 1)),
            Candidate(f"msgpack, all of {names[large]}", partial(repeated, unpacked, large, 1)),
        ]
        note = "Files of random examples, all with attention; the system's cache is warm."
        yield compare("Opening a file", candidates, runs, note=note)


def repeated(action: Callable[[Path], None], path: Path, times: int) -> float:
    """Mean milliseconds of ``times`` actions."""
    began = time.perf_counter()
    for _ in range(times):
        action(path)
    return 1000 * (time.perf_counter() - began) / times


def opened(path: Path) -> None:
    """Opens a file and closes it."""
    with collateral.open(path):
        pass


def unpacked(path: Path) -> None:
    """Reads all objects of the stream, as any msgpack library can."""
    with path.open("rb") as stream:
        for _ in msgpack.Unpacker(stream, max_buffer_size=0, strict_map_key=False):
            pass


def one_head(path: Path) -> float:
    """Mean milliseconds to read one head of ten examples each from an open file."""
    with collateral.open(path) as file:
        rows = range(0, len(file.examples), max(1, len(file.examples) // 10))
        began = time.perf_counter()
        for row in rows:
            file.attention(row, layer=3, head=5)
        return 1000 * (time.perf_counter() - began) / len(rows)
