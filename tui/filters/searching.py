"""Searching texts, by words or by a regular expression that can't hang the viewer."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np

from .language import Mistake

if TYPE_CHECKING:
    from ..project import Project
    from .columns import Bools

SECONDS = 3.0
"""A search that takes longer is given up."""
MOST_CHARACTERS = 20_000
"""Of a longer text only the beginning is searched by a regular expression."""
MAX_PATTERN = 500
"""Characters of a regular expression."""
MARKING = 0.3
"""Seconds that an expression may take in all to be marked in texts; then it is marked no more."""
_spent: dict[str, float] = {}
"""What expressions have taken, beyond a millisecond for each text: slow ones are remembered."""


def compiled(pattern: str, place: int = 0) -> re.Pattern[str]:
    """A regular expression of the user's, letter case ignored.

    Raises:
        Mistake: it is none.
    """
    if len(pattern) > MAX_PATTERN:
        raise Mistake(f"The regular expression is longer than {MAX_PATTERN} characters.", place)
    try:
        return re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        why = getattr(error, "msg", "") or "it is too large"
        raise Mistake(f"/{pattern}/ is no regular expression: {why}.", place + at) from None


def matching(pattern: re.Pattern[str], texts: Sequence[str], place: int = 0) -> Bools:
    """Which texts a regular expression is found in.

    Some expressions take for ever on some texts. A search is given up after ``SECONDS``: between
    two texts, and in the main thread also inside one, where the system can ring (a search in Python
    looks up for signals); and the texts are cut at ``MOST_CHARACTERS``.

    Raises:
        Mistake: it took too long.
    """
    found = np.zeros(len(texts), dtype=bool)
    late = time.monotonic() + SECONDS
    try:
        with _rung(SECONDS):
            for row, text in enumerate(texts):
                found[row] = pattern.search(text, 0, MOST_CHARACTERS) is not None
                if row % 1024 == 0 and time.monotonic() > late:
                    raise _Late
    except _Late:
        what = f"/{pattern.pattern}/ takes longer than {SECONDS:g} seconds on these texts"
        raise Mistake(f"{what}; make it simpler.", place) from None
    return found


class _Late(Exception):
    """Time is over."""


@contextlib.contextmanager
def _rung(seconds: float) -> Iterator[None]:
    """Raises ``_Late`` inside the block when time is over, where the system can do that."""
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _expression(wanted: str) -> str | None:
    """The expression of ``/expression/``; None for plain words."""
    closed = len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/")
    return wanted[1:-1] if closed else None


def search(p: Project, wanted: str) -> Bools:
    """Which examples have the words in id or text, or a match of ``/expression/``: bool [examples].

    Raises:
        Mistake: it is no regular expression, or takes too long.
    """
    return p.once(("search", wanted), lambda: _search(p, wanted))


def _search(p: Project, wanted: str) -> Bools:
    ids, texts = p.example_texts
    expression = _expression(wanted)
    if expression is not None:
        pattern = compiled(expression, 1)
        return matching(pattern, ids, 1) | matching(pattern, texts, 1)
    low = wanted.casefold()
    both = zip(ids, texts, strict=True)
    return np.array([low in text.casefold() or low in name.casefold() for name, text in both])


def spans(wanted: str, text: str, most: int = 20) -> list[tuple[int, int]]:
    """Where in a text what was searched for stands, the first ``most`` places."""
    expression = _expression(wanted)
    if expression is None:
        pattern = re.compile(re.escape(wanted), re.IGNORECASE)
    elif _spent.get(wanted, 0.0) > MARKING:
        return []
    else:
        pattern = compiled(expression)
    found: list[tuple[int, int]] = []
    began = time.monotonic()
    with contextlib.suppress(_Late), _rung(MARKING):
        for match in pattern.finditer(text, 0, MOST_CHARACTERS):
            if match.end() > match.start():
                found.append(match.span())
            if len(found) == most:
                break
    if expression is not None:
        _spent[wanted] = _spent.get(wanted, 0.0) + max(0.0, time.monotonic() - began - 0.001)
    return found
