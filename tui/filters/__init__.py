"""Which examples to show: ``correct = false and domain = restaurant and f1 < 0.5``.

Pure: text and open files in, one truth value per example out. A mistake in the text is told by
:class:`Mistake`, with its place.
"""

from .completing import complete
from .conditions import mask, parse
from .language import HELP, Mistake, expand
from .searching import search, spans

__all__ = ["HELP", "Mistake", "complete", "expand", "mask", "parse", "search", "spans"]
