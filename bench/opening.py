"""What opening a file costs beside torch.load, and reading one head of one example."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import torch

import collateral
from bench import files
from bench.harness import Candidate, Comparison, compare

SIZE, QUICK_SIZE = 2**30, 2**26
SMALL = files.Recipe(real=4)
_ROUNDS = 3
"""A torch.load of a gibibyte takes seconds."""


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Opening against torch.load of the same data; one head from a small and a large file."""
    recipe = files.Recipe(real=round((QUICK_SIZE if quick else SIZE) / (12 * 12 * 64 * 64 * 2)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = files.write(folder / "small.msgpack", SMALL)
        large = files.write(folder / "large.msgpack", recipe)
        size = f"{large.stat().st_size / 2**20:,.0f} MiB"
        arrays, tensors = folder / "arrays.pt", folder / "tensors.pt"
        save(recipe, arrays, tensors)
        yield opening(large, arrays, tensors, size, min(runs, _ROUNDS))
        candidates = [
            Candidate("5 MB", partial(one_head, small)),
            Candidate(size, partial(one_head, large)),
        ]
        note = "From an open file, checked and made float32; the system's cache is warm."
        yield compare("One head of one example", candidates, runs, note=note)


def opening(large: Path, arrays: Path, tensors: Path, size: str, runs: int) -> Comparison:
    """All ways to the same attention weights."""
    candidates = [
        Candidate("torch.load, arrays in a dict", partial(repeated, loaded, arrays, 1)),
        Candidate("`collateral.open`", partial(repeated, opened, large, 20), "opening"),
        Candidate("torch.load, tensors, mmap", partial(repeated, mapped, tensors, 1)),
        Candidate("msgpack, every object", partial(repeated, unpacked, large, 1)),
    ]
    note = (
        f"{size} of attention, 12 x 12 heads, 64 tokens, float16; files of torch.save hold the "
        "weights alone, a list of arrays per example as InterpreT saves them, or tensors. The "
        "system's cache is warm."
    )
    return compare(f"Opening a file of {size}", candidates, runs, note=note)


def save(recipe: files.Recipe, arrays: Path, tensors: Path) -> None:
    """The attention of a file as torch.save writes it, twice."""
    found: dict[str, Any] = {
        f"text-{row}": {"attentions": layers}
        for row, layers in enumerate(files.examples_of(recipe))
    }
    torch.save(found, arrays, pickle_protocol=4)
    for example in found.values():
        example["attentions"] = [torch.from_numpy(layer) for layer in example["attentions"]]
    torch.save(found, tensors)


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


def loaded(path: Path) -> None:
    """Loads all with torch; the file is our own, so its pickle may be trusted."""
    torch.load(path, weights_only=False)


def mapped(path: Path) -> None:
    """Loads tensors that stay on the disk."""
    torch.load(path, mmap=True)


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
