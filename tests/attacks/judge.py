"""What a file that may be damaged or hostile can do: be read, or raise a CollateralError."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import collateral
from collateral import Collateral, CollateralError, export, info
from collateral.recover import recover

SECONDS = 60.0
"""A small file that takes longer hangs."""


class TooSlow(BaseException):
    """Reading a small file took too long."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TooSlow when what is inside takes longer; in the main thread only."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judge(path: Path, *, kept: Path | None = None) -> str:
    """Opens a file, reads and verifies all of it; "sound", a fault, or what the error says.

    With ``kept``, what is whole of it is recovered there, and that must be sound. Any exception
    but a CollateralError about this file, in one line and with advice, comes through.
    """
    with at_most(SECONDS):
        outcome = _read(path)
        if kept is not None:
            _recover(path, kept)
    return outcome


def _read(path: Path) -> str:
    try:
        with collateral.open(path) as c:
            read_all(c)
            faults = list(c.verify())
    except CollateralError as error:
        check_error(error, path)
        return error.what
    assert all(faults)
    return faults[0] if faults else "sound"


def _recover(path: Path, kept: Path) -> None:
    try:
        report = recover(path, kept, force=True)
    except CollateralError as error:
        check_error(error, path)
        return
    assert list(report.lines())
    with collateral.open(kept) as c:
        assert list(c.verify()) == [], "what was recovered is not sound"


def check_error(error: CollateralError, path: Path) -> None:
    """An error says which file, what is wrong, and what to do, in one line."""
    assert error.path == str(path), error.path
    assert error.what
    assert error.advice.endswith((".", "NEW-FILE", "run", "interpret-tui")), error.advice
    assert "\n" not in str(error)
    assert len(str(error)) < 1200 + len(str(path)), len(str(error))


def read_all(c: Collateral) -> None:
    """Asks for every part there is; each may be damaged, none may do anything else."""
    for ask in parts(c):
        _ask(ask, Path(c.path))


def _ask(ask: Callable[[], Any], path: Path) -> None:
    try:
        ask()
    except CollateralError as error:
        check_error(error, path)


def parts(c: Collateral) -> Iterator[Callable[[], Any]]:
    """Questions that together ask for all of a file."""
    yield partial(info.as_text, c)
    yield partial(info.as_map, c)
    yield partial(repr, c)
    for table in (c.examples, c.points, c.pairs, c.items):
        for name, kind in table.columns.items():
            yield partial(table.__getitem__, name)
            if len(table):
                yield partial(table.cell, name, len(table) - 1)
            if kind in ("categorical", "boolean"):
                yield partial(table.codes, name)
    for what in ("point", "pair", "item"):
        for part in ("examples", "tokens", *(("points",) if what == "pair" else ())):
            yield partial(getattr, c, f"{what}_{part}")
    yield from (partial(c.head_metric, name) for name in c.metrics)
    yield from (partial(c.head_summary, name) for name in c.summaries)
    yield from (partial(c.distances, name) for name in c.measures)
    yield from (partial(c.coordinates, layer) for layer in c.mapped_layers)
    yield partial(getattr, c, "quality")
    yield partial(getattr, c.vectors, "points")
    yield partial(getattr, c.vectors, "quality")
    for layer in c.vectors.layers:
        yield partial(c.vectors.read, layer)
        yield partial(c.vectors.lengths, layer)
        yield partial(c.vectors.steps, layer)
    yield partial(export.find, c, "examples", None)
    for row in range(min(len(c.examples), 3)):
        yield partial(c.tokens, row)
        yield partial(c.source_tokens, row)
        for kind_of in c.meta.attention:
            yield partial(_attention, c, row, kind_of.name)
            yield partial(_norms, c, row, kind_of.name)


def _norms(c: Collateral, row: int, kind: str) -> None:
    if c.has_value_norms(row, kind):
        c.value_norms(row, kind)


def _attention(c: Collateral, row: int, kind: str) -> None:
    if not c.has_attention(row, kind):
        return
    c.attention_shape(row, kind)
    c.attention_encoding(row, kind)
    c.attention(row, kind, 0, 0)
    c.attention(row, kind)
    c.attention_row(row, 0, kind)
    c.attention_rest(row, kind)
    if c.attention_kept(row, kind) is not None:
        c.attention_sparse(row, kind)
