"""Means over very many examples and curves with intervals: what they take, and what a key waits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import files
from bench.harness import Candidate, Comparison, Spent, compare, stopwatch
from bench.terminal import Session, viewer
from collateral.analysis import curves, mean_over_examples

Floats = npt.NDArray[np.floating[Any]]

EXAMPLES, QUICK_EXAMPLES = 100_000, 10_000
PAIRS, QUICK_PAIRS = 10_000, 4_000
SAMPLES = 1000
_PAIRS_EACH = 2


def comparisons(runs: int, quick: bool = False) -> Iterator[Comparison]:
    """Both, in numbers alone and then in the viewer."""
    examples = QUICK_EXAMPLES if quick else EXAMPLES
    pairs = QUICK_PAIRS if quick else PAIRS
    yield mean(examples, runs)
    yield intervals(pairs, runs)
    with tempfile.TemporaryDirectory() as folder:
        yield mean_on_screen(Path(folder), examples, min(runs, METRICS // 2 - 2))
    with tempfile.TemporaryDirectory() as folder:
        yield curves_on_screen(Path(folder), pairs, runs)


def mean(examples: int, runs: int) -> Comparison:
    """Of one metric in memory."""
    values = np.random.default_rng(0).random((examples, 12, 12), dtype=np.float32)
    owners = np.arange(examples, dtype=np.int32)
    candidates = [
        Candidate("numpy.nanmean", partial(timed, lambda: np.nanmean(values, axis=0))),
        Candidate("ours", partial(timed, lambda: mean_over_examples(values, owners)), "mean"),
        Candidate("numpy.mean, NaN not left out", partial(timed, lambda: values.mean(axis=0))),
    ]
    note = f"{examples:,} examples, 12 x 12 heads, in memory."
    return compare("Mean of a head metric", candidates, runs, note=note)


def intervals(pairs: int, runs: int) -> Comparison:
    """Curves of two groups with intervals over examples."""
    rng = np.random.default_rng(0)
    values = rng.random((pairs, 13), dtype=np.float32)
    owners = (np.arange(pairs) // _PAIRS_EACH).astype(np.int32)
    codes = (np.arange(pairs) % 2).astype(np.int32)
    ours = partial(curves, values, codes, ("same", "other"), owners, samples=SAMPLES)
    candidates = [
        Candidate("plain numpy", partial(timed, partial(plain_curves, values, codes, owners))),
        Candidate("ours", partial(timed, ours), "curves"),
    ]
    note = (
        f"{pairs:,} pairs of {pairs // _PAIRS_EACH:,} examples in two groups, 13 hidden states, "
        f"{SAMPLES:,} resamples of examples. Plain numpy draws and averages in a loop."
    )
    return compare("Distance curves with intervals", candidates, min(runs, 5), note=note)


def plain_curves(values: Floats, codes: npt.NDArray[Any], owners: npt.NDArray[Any]) -> Floats:
    """The intervals of each group's mean, a resample at a time: [groups, 2, hidden states].

    For groups in which every example has as many pairs.
    """
    rng = np.random.default_rng(0)
    examples = int(owners.max()) + 1
    found = []
    for code in range(int(codes.max()) + 1):
        chosen = values[codes == code]
        means = chosen.reshape(examples, -1, values.shape[1]).mean(axis=1, dtype=np.float64)
        drawn = [means[rng.integers(0, examples, examples)].mean(axis=0) for _ in range(SAMPLES)]
        found.append(np.percentile(drawn, (2.5, 97.5), axis=0))
    return np.array(found)


def timed(action: Callable[[], object]) -> Spent:
    """Does it once."""
    with stopwatch() as spent:
        action()
    return spent


METRICS = 16
SEARCH, SEARCHING = b"/", b"search"
"""A key that is answered at once, and a word of its answer."""


def mean_on_screen(folder: Path, examples: int, runs: int) -> Comparison:
    """The next head metric: it is read from the file and averaged over all examples."""
    metrics = METRICS if examples <= QUICK_EXAMPLES else METRICS // 2
    runs = min(runs, metrics // 2 - 2)
    recipe = files.Recipe(
        tokens=(16,), real=1, bare=examples - 1, pairs=0, metrics=(metrics, 0), maps=_few()
    )
    path = files.write(folder / "many.msgpack", recipe)
    with viewer(path, "--pane", "heads") as session:
        candidates = [
            Candidate("the mean on screen", lambda: session.press(b"t").last),
            Candidate("a key pressed right after", partial(meanwhile, session, b"t"), "mean-apart"),
            Candidate("the same key when nothing is made", partial(meanwhile, session, b"")),
        ]
        note = (
            f"{examples:,} examples, 12 x 12 heads; each time a metric that was not looked at "
            "before is read from the file and averaged. The key asks for a search; its answer "
            "is there when the word has been sent."
        )
        return compare("A key while a mean is made", candidates, runs, note=note)


def curves_on_screen(folder: Path, pairs: int, runs: int) -> Comparison:
    """The other distance: its curves are made anew, in a viewer just started."""
    recipe = files.Recipe(
        tokens=(16,), real=1, bare=pairs // _PAIRS_EACH - 1, metrics=(1, 1), maps=_few()
    )
    path = files.write(folder / "pairs.msgpack", recipe)

    def fresh(action: Callable[[Session], float]) -> float:
        with viewer(path, "--pane", "distance") as session:
            return action(session)

    candidates = [
        Candidate("the curves on screen", lambda: fresh(lambda s: s.press(b"d").last)),
        Candidate(
            "a key pressed right after",
            lambda: fresh(lambda s: meanwhile(s, b"d")),
            "curves-apart",
        ),
        Candidate("the same key when nothing is made", lambda: fresh(lambda s: meanwhile(s, b""))),
    ]
    note = f"{pairs:,} pairs, {SAMPLES:,} resamples, curves that were not looked at before."
    return compare("A key while curves are made", candidates, min(runs, 5), note=note)


def meanwhile(session: Session, work: bytes) -> float:
    """Milliseconds until a search is asked for, the key for some work having been pressed first."""
    found = session.answered(work + SEARCH, SEARCHING)
    session.settled()
    session.press(b"\x1b")
    return found


def _few() -> npt.NDArray[np.float32]:
    """Maps of few points, as they are not what is looked at."""
    return files.maps(1000, 13)
