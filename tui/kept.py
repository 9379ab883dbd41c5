"""Answers that are kept: each is made once, and forgotten when it was asked for long ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from .views.answers import TROUBLE, AttentionGrid

Answer = TypeVar("Answer")

MOST = 200
"""Answers that are kept."""
MOST_BYTES = 256 * 1024**2
"""Bytes of arrays that are kept: the attention of one head over 4,096 tokens is 64 MiB."""


class Kept:
    """Answers by what they depend on; threads may share it."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays among the answers."""
        return self._bytes

    def has(self, key: Hashable) -> bool:
        """Whether the answer for ``key`` is kept."""
        return key in self._answers

    def retry(self) -> None:
        """Forgets why there was no answer: a disk or a server may be back."""
        with self._lock:
            for key in [k for k, kept in self._answers.items() if isinstance(kept, _Failed)]:
                del self._answers[key]  # it has no bytes

    def once(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer for ``key``, made once and kept while it is among those used last."""
        with self._lock:  # a thread may be preparing another pane's picture
            if key in self._answers:
                self._answers.move_to_end(key)
                found: Answer | _Failed = self._answers[key]
                return _answer(found)
        try:
            made: Answer | _Failed = make()
        except TROUBLE as error:
            made = _Failed(error)  # kept as well: asking again would only take as long again
        with self._lock:
            self._bytes += _size(made) - _size(self._answers.get(key))
            self._answers[key] = made
            while len(self) > MOST or (self._bytes > MOST_BYTES and len(self) > 1):
                self._bytes -= _size(self._answers.popitem(last=False)[1])
        return _answer(made)


class _Failed:
    """Why there is no answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _answer(kept: Answer | _Failed) -> Answer:
    if isinstance(kept, _Failed):
        raise kept.error.with_traceback(None)
    return kept


def _size(kept: object) -> int:
    """Bytes of an answer that may be large: an array, attention, or what says so itself."""
    array = kept.weights if isinstance(kept, AttentionGrid) else kept
    size = getattr(array, "nbytes", 0)
    return size if isinstance(size, int) else 0
