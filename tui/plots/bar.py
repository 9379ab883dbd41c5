"""Bars beside numbers: as long as the number is large."""

from __future__ import annotations

import math

from tui.look import Ink, Look
from tui.plots.scale import Scale

__all__ = ["bar"]


def bar(
    look: Look,
    value: float,
    most: float,
    room: int,
    difference: bool = False,
    mark: float | None = None,
) -> tuple[str, Ink]:
    """Make a bar of up to `room` cells, and its ink.

    Args:
        look: The terminal's look.
        value: The number; its size gives the length. NaN has no bar.
        most: The size that fills the room; 0 or less: no bar.
        room: Cells; any number.
        difference: The number is a difference; its sign is in the colour.
        mark: A number on the same scale that is marked by a vertical line.
    """
    room = max(0, room)
    strokes = look.strokes(difference)
    scale = Scale(-most, most, True) if difference else Scale(0.0, most)
    ink = strokes[max(0, int(scale.steps(value, len(strokes))))]
    if most <= 0 or not math.isfinite(most):
        return "", ink
    length = 0 if math.isnan(value) else min(room, round(abs(value) / most * room))
    text = ("#" if look.ascii else "━") * length
    if mark is not None and 0 <= mark <= most and room:
        at = min(room - 1, round(mark / most * room))
        text = text[:at].ljust(at) + look.marks.vertical + text[at + 1 :]
    return text, ink
