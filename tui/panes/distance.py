"""How far apart spans and points are, layer by layer, per group of pairs or points."""

from __future__ import annotations

from typing import ClassVar

from .. import text
from ..actions import PaneName
from ..out import copying, tables
from ..out.export import Data
from ..pane import Context, Pane
from ..plots.canvas import Canvas, Ink
from ..plots.curves import Series, curves, legend_fits
from ..plots.sparkline import sparkline
from ..views.answers import DistanceView, Floats


class DistancePane(Pane):
    """One curve per group, with an interval over examples, and a word where the map misleads."""

    name: ClassVar[PaneName] = "distance"
    depends: ClassVar[frozenset[str]] = frozenset(
        {
            *("view", "measure", "grouping", "gap", "scope", "marked", "filter", "search"),
            *("example", "layer"),
        }
    )
    help: ClassVar[str] = (
        "A mean distance in every hidden state, 0 (embeddings) to the last, one curve per group. "
        "`g` changes the groups, `d` the distance, `D` shows the difference of the groups, `m` "
        "that of the models, `a` chooses which examples count.\n\n"
        "**Groups of pairs** (tasks with pairs, such as coreference): the distance between the "
        "two spans of a pair, by gold label, prediction, right or wrong. Cosine and Euclid are "
        "between the spans' mean vectors in the original space; t-SNE is the distance on the map "
        "divided by the median distance between two points of that map. Pairs are averaged "
        "inside their example first, then over examples. `D` subtracts the second group from the "
        "first (of more than two, of those with the most pairs). In B − A each pair's distance "
        "in A is subtracted from that in B: below zero, fine-tuning moved the spans together.\n\n"
        "**Groups of points** (every task): by any column of the points or of their examples, "
        "the five largest groups; or the marked points against the rest, once some are marked "
        "(`space`, `b`). A group's curve is the mean distance between two of its points: low, "
        "they lie close together. *Between groups* is that between two points of different "
        "groups. An example's points in a group weigh one together. `D` shows for each group the "
        "distance to the other groups minus that inside: above zero, the group stands apart. "
        "Cosine and Euclid are those of the points' hidden states, as far as the file's vectors "
        "keep them; the last line says how many dimensions, and what the cosines of 95 % of "
        "pairs of points are off by at most in the worst layer (means over groups are nearer: "
        "errors have either sign). A file without vectors has the map alone; extract it again to "
        "have them. On the map the unit is its median distance; a t-SNE map exaggerates some gaps "
        "and hides others: believe it no further than its quality. Of more than 4,000 points a "
        "random sample is taken, always the same one.\n\n"
        "The legend has the value of each group at the layer of the map, where there is room. The "
        "band is a 95 % interval from 1,000 bootstrap samples of examples (for points, to "
        "first order); with one example there is none. Where many curves have little room, "
        "intervals stand at the chosen layer only, as upright lines, and only the largest groups "
        "are drawn. Differences are paired: both sides are taken from the same samples of "
        "examples.\n\n"
        "The last line warns where the gap between two groups of pairs, or between a group of "
        "points and the others, has the opposite sign on the map and in the original space, and "
        "both intervals exclude zero. Believe the original space.\n\n"
        "`y` copies a line per group: its distance at the chosen layer, with the interval."
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
            canvas.put(1, 0, text.cut(self._empty(c, found), width - 2), c.look.muted)
            return canvas
        warn = 1 if height > (4 if found.warning else 9) and (found.warning or found.note) else 0
        if height - warn < 5 or width < 24:
            self._sparklines(c, canvas, found, height - warn)
        else:
            series = _series(c, found, width, height - warn)
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
            said = f"! {found.warning}" if found.warning else found.note
            if text.width(said) > width - 2 and " in layer" in found.warning:
                what, _, layers = found.warning.rpartition(" in ")
                said = f"! {layers}: {what}"  # which layers must not be cut off
            ink = c.look.bad if found.warning else c.look.muted
            canvas.put(1, height - 1, text.cut(said, width - 2), ink)
        return canvas

    def _empty(self, c: Context, found: DistanceView) -> str:
        s = c.selection
        if found.unit == "point" and s.gap:
            return "There are no two groups to subtract here; D shows the groups."
        if found.unit == "point":
            return "No distance is known here: a group needs two points."
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
        x = canvas.put(0, 0, found.brief + " B−A" * (c.selection.view == "B−A"), c.look.muted)
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


def _series(c: Context, found: DistanceView, width: int, height: int) -> list[Series]:
    """The curves; where the legend has room, with their values at the layer of the map."""
    groups = [*zip(found.categories, found.curves, found.counts, strict=True)]
    plain = [
        Series(curve.label, curve.mean, curve.low, curve.high, category, count, curve.pairs)
        for category, curve, count in groups
    ]
    valued = [
        one._replace(n_text=_at(c, found, curve.mean) + (f" ({count})" if count else ""))
        for one, (_, curve, count) in zip(plain, groups, strict=True)
    ]
    return valued if legend_fits(valued, c.look, width, height) else plain


def _at(c: Context, found: DistanceView, mean: Floats) -> str:
    """A group's value at the layer of the map."""
    layer = c.selection.layer
    value = float(mean[layer]) if layer < len(mean) else float("nan")
    return c.look.number(value, signed=found.difference)
