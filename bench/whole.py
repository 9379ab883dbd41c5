"""All heads of a 12 x 12-head model for one text, beside the page of BertViz's head_view."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import files
from bench.harness import Candidate, Comparison, Spent, in_turn, tabled
from bench.terminal import ROOT, Session, viewer

LENGTHS = {"whole-128": 128, "whole-512": 512}
QUICK = {"whole-128": 64, "whole-512": 128}
SCREEN = (120, 60)
"""Columns and rows with room for all heads."""
NEEDED = 14e9
"""Bytes of free memory that BertViz takes for 512 tokens."""

HEAD_VIEW = """
import sys, time
import torch
from bertviz import head_view
tokens = int(sys.argv[1])
weights = [torch.rand(1, 12, tokens, tokens).softmax(-1) for _ in range(12)]
words = ["word"] * tokens
wall, cpu = time.perf_counter(), time.process_time()
head_view(weights, words, html_action="return")
print(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
"""


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """The overview of all heads of the next example, and the HTML of head_view."""
    for key, tokens in (QUICK if quick else LENGTHS).items():
        with tempfile.TemporaryDirectory() as folder:
            yield of_length(Path(folder), key, tokens, min(runs, 3 if tokens < 512 else 1))


def of_length(folder: Path, key: str, tokens: int, runs: int) -> Comparison:
    """One length of text; without BertViz where there is too little memory for it."""
    note = (
        f"{tokens} tokens, 12 layers of 12 heads. BertViz makes its page of tensors in memory, and "
        "no browser has to show it; the viewer reads the next example from the file and draws all "
        "its heads in a terminal of 120x60."
    )
    recipe = files.Recipe(tokens=(tokens,), real=runs + 2, pairs=1, metrics=(1, 1))
    path = files.write(folder / "whole.msgpack", recipe)
    options = ("--pane", "attention", "--attention-view", "layers")
    with viewer(path, *options, size=SCREEN) as session:
        session.press(b"z")
        ours = Candidate("the viewer, all heads", partial(pressed, session), key)
        if tokens >= 512 and available() < NEEDED:
            note += " There is too little memory for BertViz here: it was left out."
            alone = [replace(ours, promise="")]
            return tabled(f"All heads of {tokens} tokens", alone, in_turn(alone, runs), note=note)
        candidates = [Candidate("BertViz head_view", partial(head_view, tokens)), ours]
        rounds = in_turn(candidates, runs, warm_up=tokens < 512)
    return tabled(f"All heads of {tokens} tokens", candidates, rounds, note=note)


def pressed(session: Session) -> Spent:
    """The key for the next example."""
    return session.press(b"n").spent


def head_view(tokens: int) -> Spent:
    """BertViz in a process of its own, as it takes gigabytes."""
    found = subprocess.run(
        [sys.executable, "-c", HEAD_VIEW, str(tokens)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    wall, cpu = map(float, found.stdout.split())
    return Spent(wall, cpu)


def available() -> float:
    """Bytes of memory that can be had; infinity where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable"))
    return 1024.0 * int(kilobytes)
