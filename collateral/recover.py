"""``interpret-collateral recover``: what is whole of a cut or damaged file, as a valid file."""

from __future__ import annotations

import os

from .errors import CollateralError
from .keeping import Keeping, Kept
from .source import Source
from .whole import look


def recover(
    path: str | os.PathLike[str], target: str | os.PathLike[str], *, force: bool = False
) -> Kept:
    """Writes what is whole of a cut or damaged file to another one, which then is a valid file.

    Rows of the tables are kept where what makes a row is there: an example's id, text and tokens;
    the place of a point, a pair or an item. Rows after a lost one move up. Of the rows that are
    kept, what is lost is unknown or undefined. Memory holds some hundred rows of each section, or
    the attention of one example.

    Args:
        path: the file, which is only read.
        target: the file to write; it appears whole or not at all.
        force: whether ``target`` may be a file that is there.

    Raises:
        CollateralError: nothing can be kept, or ``target`` is there or cannot be written.
    """
    source = Source(path)
    try:
        _check_target(source, target, force=force)
        return Keeping(look(source), target).run()
    finally:
        source.close()


def _check_target(source: Source, target: str | os.PathLike[str], *, force: bool) -> None:
    if not os.path.lexists(target):
        return
    if os.path.exists(target) and os.path.samefile(target, source.path):
        raise CollateralError(target, "is the file that is read", "Name another file to write.")
    if not force:
        advice = "Name a file that is not there yet, or say --force."
        raise CollateralError(target, "is there already", advice)
