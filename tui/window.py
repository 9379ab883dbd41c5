"""Which part of a map is shown: how much larger it is drawn, and its middle."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

__all__ = ["LARGEST", "WHOLE", "Window"]

LARGEST = 1024.0
"""How far a map is zoomed in at most."""
_DIGITS = 6
"""Decimals of a part's numbers: a thousandth of what is shown, where the map is largest."""


class Window(NamedTuple):
    """A part of a map, in shares of the whole map, so that it fits the map of every layer.

    Attributes:
        zoom: how many times larger than the whole map, from 1.
        x: middle of the part, from 0 (left edge of the map) to 1.
        y: likewise, from 0 (lower edge).
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5

    def inside(self) -> Window:
        """The nearest part that lies on the map; the whole map if a number is none.

        Numbers are rounded to what is written, so that a part is read again as it was.
        """
        if not all(math.isfinite(number) for number in (self.zoom, self.x, self.y)):
            return WHOLE
        zoom = round(min(max(self.zoom, 1.0), LARGEST), _DIGITS)
        half = 0.5 / zoom
        x, y = (min(max(share, half), 1 - half) for share in (self.x, self.y))
        return Window(zoom, round(x, _DIGITS), round(y, _DIGITS))

    def zoomed(self, factor: float, x: float, y: float) -> Window:
        """The part ``factor`` times larger; the place (x, y) of the map stays where it is seen."""
        zoom = min(max(self.zoom * factor, 1.0), LARGEST)
        power = 2.0 ** round(math.log2(zoom))  # half steps there and back end where they began
        zoom = power if math.isclose(zoom, power, rel_tol=1e-5) else zoom
        kept = self.zoom / zoom
        return Window(zoom, x + (self.x - x) * kept, y + (self.y - y) * kept).inside()

    def moved(self, dx: float, dy: float) -> Window:
        """The part that lies ``dx``, ``dy`` beside it, in widths and heights of a part."""
        return Window(self.zoom, self.x + dx / self.zoom, self.y + dy / self.zoom).inside()

    def place(self, across: float, up: float) -> tuple[float, float]:
        """The place on the map of a place in the part, both as shares from the lower left."""
        return self.x + (across - 0.5) / self.zoom, self.y + (up - 0.5) / self.zoom

    def __str__(self) -> str:
        return f"{self.zoom:.10g}@{self.x:.10g},{self.y:.10g}"

    @classmethod
    def read(cls, written: str) -> Window:
        """The part that was written as ``4@0.3,0.7``: zoom, middle across and up.

        Raises:
            ValueError: it is not written so.
        """
        number = r"\d*\.?\d+(?:e[+-]?\d+)?"
        found = re.fullmatch(rf"({number})@({number}),({number})", written.strip())
        if found is None:
            raise ValueError(f"a part of the map is written ZOOM@X,Y (4@0.3,0.7), not {written!r}")
        return cls(*(float(part) for part in found.groups())).inside()


WHOLE = Window()
