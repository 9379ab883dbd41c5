"""How far apart the spans of a pair are, layer by layer, per group of pairs."""

from __future__ import annotations

from typing import ClassVar

from .. import copying, tables, text
from ..actions import PaneName
from ..export import Data
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.curves import Series, curves, sparkline
from ..views.answers import DistanceView


class DistancePane(Pane):
    """One curve per group, with an interval over examples, and a word where the map misleads."""

    name: ClassVar[PaneName] = "distance"
    depends: ClassVar[frozenset[str]] = frozenset(
        {"view", "measure", "grouping", "scope", "marked", "filter", "search", "example", "layer"}
    )
    help: ClassVar[str] = (
        "The mean distance between the two spans of a pair in every hidden state, 0 (embeddings) "
        "to the last, one curve per group. `g` changes what groups the pairs (gold label, "
        "prediction, right or wrong), `d` the distance: cosine or Euclid between the spans' mean "
        "vectors in the original space, or t-SNE, the distance on the map divided by the median "
        "distance between two points of that map. `a` chooses which examples count.\n\n"
        "Pairs are averaged inside their example first, then over examples. The band is a 95 % "
        "interval from 1,000 bootstrap samples of examples; with one example there is none. In "
        "B − A each pair's distance in A is subtracted from that in B: below zero, fine-tuning "
        "moved the spans together.\n\n"
        "The last line warns where the gap between the two groups has the opposite sign on the "
        "map and in the original space, and both intervals exclude zero. Believe the original "
        "space."
    )

    def title(self, c: Context) -> str:
        """Model, measure, grouping, and how many examples count."""
        found = c.project.distance_view(c.selection)
        return f"{c.project.short(c.selection.view)} · {found.title} · {found.over}"

    def ready(self, c: Context) -> bool:
        """Whether the intervals are known, or made in a moment."""
        return c.project.distance_ready(c.selection)

    def prepare(self, c: Context) -> None:
        """Makes the intervals."""
        c.project.distance_view(c.selection)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The curves; a sparkline per group where there is little room."""
        canvas = Canvas(width, height, ascii_only=c.look.ascii)
        found = c.project.distance_view(c.selection)
        if not found.curves:
            canvas.put(1, 0, text.cut(self._empty(c), width - 2), c.look.muted)
            return canvas
        warn = 1 if found.warning and height > 4 else 0
        if height - warn < 5 or width < 24:
            self._sparklines(c, canvas, found, height - warn)
        else:
            series = [
                Series(
                    curve.label,
                    curve.mean,
                    curve.low,
                    curve.high,
                    category,
                    text.many(curve.pairs, "pair"),
                )
                for category, curve in zip(found.categories, found.curves, strict=True)
            ]
            drawn = curves(
                series,
                c.look,
                width,
                height - warn,
                current=c.selection.layer,
                zero=found.difference,
                signed=found.difference,
            )
            canvas.blit(0, 0, drawn)
        if warn:
            canvas.put(1, height - 1, text.cut(f"! {found.warning}", width - 2), c.look.bad)
        return canvas

    def _empty(self, c: Context) -> str:
        s = c.selection
        side = c.project.side(s.view)
        who = f"{side} ({c.project.name(side)})" if c.project.two else "The file"
        return f"{who} has no value of {s.grouping!r} for these pairs; g groups by another column."

    def _sparklines(self, c: Context, canvas: Canvas, found: DistanceView, rows: int) -> None:
        groups = zip(found.categories, found.curves, strict=True)
        for y, (category, curve) in enumerate([*groups][:rows]):
            colour, glyph = c.look.category(category)
            x = canvas.put(0, y, glyph, Ink(fg=colour, bold=True))
            line = sparkline(curve.mean, c.look)
            x = canvas.put(x + 1, y, line, Ink(fg=colour))
            last = c.look.number(float(curve.mean[-1]), signed=found.difference)
            canvas.put(x + 1, y, text.cut(f"{last} {curve.label}", canvas.width - x - 1))

    def gist(self, c: Context, width: int) -> Canvas:
        """A sparkline per group, with its last value."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        if not self.ready(c):
            canvas.put(0, 0, "distance: computing", c.look.muted)
            return canvas
        found = c.project.distance_view(c.selection)
        measure = c.project.measure_title(c.selection.measure)
        x = canvas.put(0, 0, measure + (" B−A" if found.difference else ""), c.look.muted)
        for category, curve in zip(found.categories, found.curves, strict=True):
            colour, glyph = c.look.category(category)
            last = c.look.number(float(curve.mean[-1]), signed=found.difference)
            words = f" {last} {curve.label}"
            line = sparkline(curve.mean, c.look)
            if x + 4 + text.width(line) + text.width(words) > width:
                words = f" {last}"
            if x + 4 + text.width(line) + text.width(words) > width:
                break
            x = canvas.put(x + 2, 0, glyph, Ink(fg=colour, bold=True))
            x = canvas.put(x, 0, line, Ink(fg=colour))
            x = canvas.put(x, 0, words)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """The distances at the layer, a line per group."""
        return copying.distance(c)

    def data(self, c: Context) -> Data:
        """The curves: a row per group and layer."""
        return tables.distances(c)
