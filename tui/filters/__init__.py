"""Which examples to show: ``correct = false and domain = restaurant and f1 < 0.5``.

Pure: text and open files in, one truth value per example out. A mistake in the text is told by
:class:`Mistake`, with its place.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .completing import complete
    from .conditions import mask, parse
    from .language import HELP, Mistake, expand
    from .searching import search, spans

__all__ = ["HELP", "Mistake", "complete", "expand", "mask", "parse", "search", "spans"]
_ROOMS = {
    "completing": ("complete",),
    "conditions": ("mask", "parse"),
    "language": ("HELP", "Mistake", "expand"),
    "searching": ("search", "spans"),
}


def __getattr__(name: str) -> object:
    """Loads what is asked for when it is: the first picture of most files needs no filter."""
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
