"""The one error that anything wrong with a collateral file raises."""

from __future__ import annotations

import os

_VERBS = frozenset(("is", "has", "ends", "cannot", "does"))
"""What begins with one of these goes on with the file's name as its subject."""
MOST = 600
"""Characters of what an error says of a file: a name in it may be of any length."""


def shortened(text: str) -> str:
    """``text``, cut in its middle if a hostile file has made it long."""
    return text if len(text) <= MOST else f"{text[: MOST // 2]} ... {text[-MOST // 2 :]}"


class CollateralError(Exception):
    """Something is wrong with a collateral file, or with what was asked of it.

    Attributes:
        path: the file concerned.
        what: what is wrong and where, as the middle of a sentence.
        advice: what the user can do, as a sentence; may be empty.
    """

    def __init__(self, path: str | os.PathLike[str], what: str, advice: str = "") -> None:
        self.path = os.fspath(path)
        self.what = what = shortened(what)
        self.advice = advice
        joint = " " if what.partition(" ")[0] in _VERBS else ": "
        super().__init__(f"{self.path}{joint}{what}.{' ' + advice if advice else ''}")
