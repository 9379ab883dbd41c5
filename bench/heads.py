"""From the key for the next head to the last byte: texts of several lengths, and a DataTable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from bench import files
from bench.harness import Candidate, Comparison, Spent, compare
from bench.terminal import Session, rival_app, viewer

LENGTHS = {32: "", 512: "head-512", 2048: "head-2048"}
TABLE = 128
LAYERS, HEADS = 2, 12


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Head changes of texts of 32 tokens and more, then one head beside a DataTable."""
    layers = 1 if quick else LAYERS
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        candidates = []
        for tokens, key in LENGTHS.items():
            path = one_text(folder, tokens, layers)
            session = stack.enter_context(matrix(path))
            candidates.append(
                Candidate(f"{tokens:,} tokens, six panes", partial(pressed, session), key)
            )
        note = (
            "Terminal of 120x40, attention as a matrix; each head is read from the file when its "
            "key comes, as none was looked at before."
        )
        yield compare("Next head", candidates, min(runs, layers * HEADS - 3), note=note)
    with tempfile.TemporaryDirectory() as name:
        yield beside_table(Path(name), min(runs, 5))


def one_text(folder: Path, tokens: int, layers: int) -> Path:
    """A file of a text with attention, among some without."""
    recipe = files.Recipe(
        tokens=(tokens,), real=1, bare=9, layers=layers, heads=HEADS, metrics=(1, 1)
    )
    return files.write(folder / f"{tokens}.msgpack", recipe)


def beside_table(folder: Path, runs: int) -> Comparison:
    """One head of 128 tokens filling the screen, and the same matrix in a DataTable."""
    path = one_text(folder, TABLE, LAYERS)
    plain = folder / "heads.npz"
    np.savez(plain, heads=files.weights(LAYERS, HEADS, TABLE)[0, :4])
    with ExitStack() as stack:
        table = stack.enter_context(rival_app("matrix", plain))
        panes = stack.enter_context(matrix(path))
        alone = stack.enter_context(matrix(path))
        alone.press(b"z")
        candidates = [
            Candidate("DataTable", partial(pressed, table)),
            Candidate(
                "the viewer, its matrix filling the screen", partial(pressed, alone), "one-head"
            ),
            Candidate("the viewer, all six panes", partial(pressed, panes)),
        ]
        note = (
            f"{TABLE} x {TABLE} weights, two decimals in the table, which is emptied and filled "
            "again; terminal of 120x40."
        )
        return compare(f"One head of {TABLE} tokens", candidates, runs, note=note)


def matrix(path: Path) -> Session:
    """The viewer, attention of the first head as a matrix."""
    options = ("--pane", "attention", "--attention-view", "matrix", "--head", "0.0")
    return viewer(path, *options)


def pressed(session: Session) -> Spent:
    """The key for the next head."""
    return session.press(b".").spent
