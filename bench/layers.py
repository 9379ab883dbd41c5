"""From the key for the next layer to the last byte of its map, beside textual-plotext."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import files
from bench.harness import Candidate, Comparison, in_turn, tabled
from bench.terminal import rival_app, viewer

SIZES = {"layer-5k": 5_000, "layer-100k": 100_000, "layer-1m": 1_000_000}
QUICK = {"layer-5k": 5_000, "layer-100k": 10_000, "layer-1m": 30_000}
LAYERS = 10
LAYERS_OF_RIVAL = 4
"""Their points take hundreds of megabytes as the lists that plotext makes of them."""
_EXAMPLES = 2000
"""At most; their number changes nothing on the map."""
REAL = "t-SNE of as many tokens of real sentences"
_AGAIN = 3
"""Layers that are gone through, down and up, where they were seen before."""


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Layer changes of maps of several sizes: time, and of the smallest one bytes."""
    with tempfile.TemporaryDirectory() as folder:
        for key, points in (QUICK if quick else SIZES).items():
            maps, source = None if quick or key != "layer-5k" else real_maps(points), REAL
            if maps is None:
                maps, source = files.maps(points, LAYERS + 1), files.WHAT_MAPS
            most = 3 if points > 500_000 else len(maps) - 2
            yield from of_points(Path(folder), key, maps, source, min(runs, most))


def real_maps(points: int) -> files.Floats | None:
    """Maps of so many real tokens, [hidden states, points, 2]; None without model or sentences.

    They take a minute.
    """
    from bench import tsne
    from extract.maps import projection, quality

    states, source = tsne.hidden_states(points)
    if source == tsne.MADE_UP:
        return None
    start = projection.common_start(states)
    units = (quality.unit_rows(state) for state in states)
    return np.stack([projection.project(u, start, projection.Settings()) for u in units])


def of_points(
    folder: Path, key: str, maps: files.Floats, source: str, runs: int
) -> Iterator[Comparison]:
    """One size: maps [layers + 1, points, 2]."""
    points = maps.shape[1]
    recipe = files.Recipe(
        tokens=(24,),
        real=1,
        bare=min(points // 5, _EXAMPLES),
        layers=len(maps) - 1,
        pairs=0,
        metrics=(1, 0),
        maps=maps,
    )
    path = files.write(folder / f"{points}.msgpack", recipe)
    plain = folder / f"{points}.npz"
    np.savez(plain, maps=maps[-LAYERS_OF_RIVAL:], codes=files.classes(maps[-1]))
    with ExitStack() as stack:
        rival = stack.enter_context(rival_app("scatter", plain))
        panes, alone, again = (stack.enter_context(viewer(path, "--pane", "map")) for _ in range(3))
        for session in (alone, again):
            session.press(b"z")
        seen = itertools.cycle([b"["] * _AGAIN + [b"]"] * _AGAIN)
        for _ in range(2 * _AGAIN):
            again.press(next(seen))
        candidates = [
            Candidate("textual-plotext", lambda: rival.press(b"]")),
            Candidate("map filling the screen", lambda: alone.press(b"["), key),
            Candidate(
                "map filling the screen, layers seen before", lambda: again.press(next(seen))
            ),
            Candidate("all six panes", lambda: panes.press(b"[")),
        ]
        rounds = in_turn(candidates, runs)
    note = (
        f"{points:,} points in {files.CLASSES} classes: {source}. Terminal of 120x40. Where not "
        "said otherwise, each layer is read from the file when its key comes; textual-plotext has "
        "its points in memory."
    )
    times = [[answer.spent for answer in one] for one in rounds]
    yield tabled(f"Layer change, {points:,} points", candidates, times, note=note)
    if key == "layer-5k":
        promised = [replace(c, promise="layer-bytes" if c.promise else "") for c in candidates]
        sizes = [[len(answer.sent) / 1000 for answer in one] for one in rounds]
        yield tabled("Bytes of a layer change", promised, sizes, "KB", note)
