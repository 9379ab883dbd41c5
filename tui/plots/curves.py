"""Curves over the layers, with intervals, drawn by plotext.

plotext draws the lines: it is given cell coordinates and a canvas without a frame, one series at a
time, and its output is read back as braille dots. Axes, intervals, glyphs and legend are ours,
because they need our inks, our numbers and room for a glyph on each value.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tui.look import PLAIN, Ink, Look
from tui.plots.axes import Frame, layer_labels, layout
from tui.plots.canvas import Canvas
from tui.plots.sparkline import numbers_of
from tui.text import cut
from tui.text import width as cells_of

__all__ = ["Series", "curves", "legend_fits"]

Floats = NDArray[np.float64]

# plotext has one figure for the whole process, and pictures may be drawn in several threads.
_PLOTEXT = threading.Lock()
_BRAILLE = 0x2800
# Bits of the dots of a braille cell, by row and column.
_PLAIN_LINES = ".'_;"
"""What the lines of several curves are made of in ASCII: no glyph of a category, no guide."""
_ROWS_AT_LEAST = 3
"""Rows of the picture for each curve; with fewer, only the largest ones are drawn."""
_FEW, _ROWS_EACH = 3, 5
"""More curves than these, with fewer rows for each, leave no room for the intervals of all."""
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int32)


class Series(NamedTuple):
    """One curve.

    Attributes:
        name: What it shows, for the legend.
        values: [layers + 1] numbers; NaN is a gap.
        low: [layers + 1] lower ends of the intervals; NaN where there is none.
        high: [layers + 1] upper ends.
        category: Number of its colour and glyph (`Look.category`).
        n_text: How much stands behind it, for the legend: "400" or "n 400".
        weight: The same as a number: where there is no room for all, the largest are drawn.
    """

    name: str
    values: ArrayLike
    low: ArrayLike
    high: ArrayLike
    category: int = 0
    n_text: str = ""
    weight: int = 0


def _runs(values: Floats) -> list[tuple[int, int]]:
    """Return start and stop of the stretches of at least two numbers without NaN."""
    known = np.concatenate(([False], np.isfinite(values), [False]))
    edges = np.flatnonzero(known[1:] != known[:-1]).tolist()
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def _plotext(
    frame: Frame, segments: Sequence[tuple[list[float], list[float]]], marker: str
) -> list[str]:
    """Let plotext draw polylines.

    Args:
        frame: Gives the size.
        segments: x and y of each polyline in cells from the lower left corner; finite numbers.
        marker: "braille" or one character.

    Returns:
        One string of `frame.width` characters per row.
    """
    import plotext  # needed by this pane only

    # plotext puts its limits in the middle of the outermost dots
    across, down = (0.25, 0.125) if marker == "braille" else (0.499, 0.499)
    with _PLOTEXT:
        try:
            plotext.clear_figure()
            plotext.limit_size(False, False)  # else the real terminal's size is the largest
            plotext.plotsize(frame.width, frame.height)
            for show in (plotext.frame, plotext.xaxes, plotext.yaxes):
                show(False)
            plotext.xticks([])
            plotext.yticks([])
            plotext.xlim(across, frame.width - across)
            plotext.ylim(down, frame.height - down)
            for x, y in segments:
                plotext.plot(
                    np.clip(x, across, frame.width - across).tolist(),
                    np.clip(y, down, frame.height - down).tolist(),
                    marker=marker,
                )
            drawn: str = plotext.uncolorize(plotext.build())
        finally:
            plotext.clear_figure()
    rows = drawn.split("\n")[: frame.height]
    return [row.ljust(frame.width)[: frame.width] for row in rows]


class _Plot:
    """The cells inside the axes while they are being drawn."""

    def __init__(self, frame: Frame, look: Look) -> None:
        self.frame, self.look = frame, look
        self.chars: NDArray[np.str_] = np.full((frame.height, frame.width), " ", dtype="<U1")
        self.ids = np.zeros((frame.height, frame.width), dtype=np.int32)
        self.inks: list[Ink] = [PLAIN]

    def mark(self, where: NDArray[np.bool_], chars: NDArray[np.str_] | str, ink: Ink) -> None:
        """Set the cells in which `where` is true."""
        self.inks.append(ink)
        self.chars[where] = chars if isinstance(chars, str) else chars[where]
        self.ids[where] = len(self.inks) - 1

    def bands(self, lows: Sequence[Floats], highs: Sequence[Floats], inks: Sequence[Ink]) -> None:
        """Draw the intervals as loose dots; those of the first two series fall between each other.

        Every second series uses the other dots, so that two bands in one cell give a denser
        pattern; it is muted, as it belongs to neither.
        """
        frame = self.frame
        bits = [
            _band(frame, low, high, at)
            for at, (low, high) in enumerate(zip(lows, highs, strict=True))
        ]
        for cells, ink in zip(bits, inks, strict=True):
            self.mark(cells > 0, _braille(cells), ink)
        if len(bits) > 1:
            shared = np.sum([cells > 0 for cells in bits], axis=0) > 1
            self.mark(
                shared, _braille(np.bitwise_or.reduce(bits)), self.look.muted._replace(dim=True)
            )

    def onto(self, canvas: Canvas) -> None:
        """Put what was drawn into its place."""
        canvas.paint(self.frame.left, self.frame.top, self.chars, self.ids, self.inks)

    def intervals(
        self, lows: Sequence[Floats], highs: Sequence[Floats], inks: Sequence[Ink], at: int | None
    ) -> None:
        """Draw the intervals; of many curves in little room those of the current layer only."""
        crowded = len(lows) > _FEW and self.frame.height < _ROWS_EACH * len(lows)
        if crowded and at is not None:
            self.whiskers(lows, highs, inks, at)
        elif self.look.ascii:
            self.whiskers(lows, highs, inks)
        else:
            self.bands(lows, highs, inks)

    def whiskers(
        self,
        lows: Sequence[Floats],
        highs: Sequence[Floats],
        inks: Sequence[Ink],
        only: int | None = None,
    ) -> None:
        """Draw the intervals as upright lines, those of several series side by side.

        Args:
            lows, highs: ends of the intervals of each series.
            inks: inks of the series.
            only: the layer that has them; None for all.
        """
        frame = self.frame
        for index, (low, high, ink) in enumerate(zip(lows, highs, inks, strict=True)):
            shift = (index + 1) // 2 * (1 if index % 2 else -1)
            if only is not None and frame.column(only) + len(lows) // 2 >= frame.width:
                shift = index - len(lows) + 1  # at the right edge, all stand to its left
            where = np.zeros(self.chars.shape, dtype=bool)
            for layer in np.flatnonzero(np.isfinite(low) & np.isfinite(high)).tolist():
                if only is not None and layer != only:
                    continue
                column = min(max(frame.column(layer) + shift, 0), frame.width - 1)
                where[frame.row(high[layer]) : frame.row(low[layer]) + 1, column] = True
            self.mark(where, self.look.marks.vertical, ink)

    def guides(self, current: int | None, zero: bool) -> None:
        """Draw the line of the current layer behind everything, and the zero line over the bands.

        An interval that holds zero is what readers look for, so the line must show through it.
        """
        frame, muted = self.frame, self.look.muted
        if current is not None and 0 <= current <= frame.layers:
            column = np.zeros(self.chars.shape, dtype=bool)
            column[:, frame.column(current)] = True
            self.mark(column & (self.chars == " "), ":" if self.look.ascii else "┊", muted)
        if zero and frame.lo <= 0 <= frame.hi:
            line = np.zeros(self.chars.shape, dtype=bool)
            line[frame.row(0.0)] = True
            self.mark(line, self.look.marks.horizontal, muted)

    def lines(self, values: Sequence[Floats], inks: Sequence[Ink]) -> None:
        """Draw the curves; where they share a cell it has the dots of both."""
        taken = np.zeros(self.chars.shape, dtype=np.int32)
        for index, (numbers, ink) in enumerate(zip(values, inks, strict=True)):
            segments = _segments(self.frame, numbers)
            if not segments:
                continue
            plain = _PLAIN_LINES[index % len(_PLAIN_LINES)]
            rows = _plotext(self.frame, segments, plain if self.look.ascii else "braille")
            drawn = np.array([list(row) for row in rows], dtype="<U1")
            if self.look.ascii:
                self.mark(drawn != " ", drawn, ink)
                continue
            codes = drawn.view(np.uint32).astype(np.int32).reshape(self.chars.shape)
            bits = np.where(codes >= _BRAILLE, codes - _BRAILLE, 0)
            taken |= bits
            self.mark(bits > 0, _braille(taken), ink)

    def glyphs(
        self, values: Sequence[Floats], series: Sequence[Series], current: int | None
    ) -> None:
        """Put each series' sign on its values; on a taken cell, beside it.

        Where layers stand closer than three columns only every k-th has a sign, and the current
        one, so that the line stays visible between them.
        """
        frame = self.frame
        every = max(1, math.ceil(3 * frame.layers / max(frame.width - 1, 1)))
        taken: set[tuple[int, int]] = set()
        for numbers, one in zip(values, series, strict=True):
            colour, glyph = self.look.category(one.category)
            where = np.zeros(self.chars.shape, dtype=bool)
            for layer in np.flatnonzero(np.isfinite(numbers)).tolist():
                alone = not np.isfinite(numbers[max(layer - 1, 0) : layer + 2]).sum() > 1
                if layer % every and layer != current and not alone:
                    continue
                row, column = frame.row(numbers[layer]), frame.column(layer)
                for beside in (0, 1, -1, 2, -2):
                    spot = row, column + beside
                    if spot not in taken and 0 <= spot[1] < frame.width:
                        taken.add(spot)
                        where[spot] = True
                        break
            self.mark(where, glyph, Ink(fg=colour, bold=True))


def _segments(frame: Frame, numbers: Floats) -> list[tuple[list[float], list[float]]]:
    """Return the polylines of a series in cells from the plot's lower left corner."""
    heights = frame.up(numbers)
    return [
        ([frame.column(layer) + 0.5 for layer in range(a, b)], heights[a:b].tolist())
        for a, b in _runs(numbers)
    ]


def _braille(bits: NDArray[np.int32]) -> NDArray[np.str_]:
    """Return the braille characters with these dots."""
    codes = np.ascontiguousarray(bits + _BRAILLE, dtype=np.uint32)
    return codes.view("<U1").reshape(bits.shape)


def _band(frame: Frame, low: Floats, high: Floats, index: int) -> NDArray[np.int32]:
    """Return the dots of one band: every fourth one between the two lines.

    Between layers the ends run straight, as the curve does.
    """
    dots = np.zeros((4 * frame.height, 2 * frame.width), dtype=bool)
    across = np.arange(2 * frame.width) / 2 + 0.25
    down = np.arange(4 * frame.height)[:, None]
    for a, b in _runs(low + high):
        columns = [frame.column(layer) + 0.5 for layer in range(a, b)]
        inside = (across >= columns[0] - 0.25) & (across <= columns[-1] + 0.25)
        top, bottom = (
            4 * frame.height - 1 - np.floor(4 * np.interp(across, columns, frame.up(ends[a:b])))
            for ends in (high, low)
        )
        dots |= inside & (down >= top) & (down <= bottom)
    side = index % 2
    loose = np.zeros_like(dots)
    loose[side::2, side::2] = dots[side::2, side::2]
    tiles = loose.reshape(frame.height, 4, frame.width, 2)
    bits: NDArray[np.int32] = (tiles * _DOTS[None, :, None, :]).sum(axis=(1, 3), dtype=np.int32)
    return bits


def _entries(series: Sequence[Series], look: Look, width: int) -> list[tuple[Series, str, str]]:
    """Return glyph and words of the legend's entries, names cut alike so that all fit if they can.

    What stands behind a curve is never cut, a name never to less than five cells.
    """
    longest = min(max((cells_of(one.name) for one in series), default=0), max(5, width))
    for most in range(longest, min(longest, 5) - 1, -1):
        entries = [
            (one, look.category(one.category)[1], cut(one.name, most, look.marks.ellipsis))
            for one in series
        ]
        if sum(_taken(*entry) for entry in entries) - 3 <= width:
            break
    return entries


def _taken(one: Series, glyph: str, name: str) -> int:
    """Return how many cells an entry of the legend takes, with the gap after it."""
    return cells_of(glyph) + 1 + cells_of(name) + (1 + cells_of(one.n_text)) * bool(one.n_text) + 3


def legend_fits(series: Sequence[Series], look: Look, width: int, height: int) -> bool:
    """Return whether the legend of such a picture names all series in full."""
    if len(_heaviest(series, height)) < len(series) or height < 4:
        return False
    left = 1 if width >= 20 else 0
    most = _legend_rows(height)
    entries = _entries(series, look, _legend_cells(width - left, most))
    if any(name != one.name for one, _, name in entries):
        return False
    rows, x = 1, left
    for entry in entries:
        taken = _taken(*entry) - 3
        if x > left and x + taken > width:
            rows, x = rows + 1, left
        if x + taken > width:
            return False
        x += taken + 3
    return rows <= most


def _legend_cells(room: int, rows: int) -> int:
    """Return how many cells the entries of a legend may take, as some rows end early."""
    return room * rows - (rows - 1) * 12


def _legend_rows(height: int) -> int:
    """Return how many rows a legend has at most."""
    return 1 if height < 10 else 2


def _heaviest(series: Sequence[Series], height: int) -> list[Series]:
    """Return the series that there are rows for, in their order: those of the most weight."""
    most = max(_FEW, height // _ROWS_AT_LEAST)
    order = sorted(range(len(series)), key=lambda at: (-series[at].weight, at))
    return [series[at] for at in sorted(order[:most])]


def _legend(
    canvas: Canvas,
    place: tuple[int, int],
    rows: int,
    series: Sequence[Series],
    more: int,
    look: Look,
) -> int:
    """Write glyph, name and n of each series, and return how many rows it took.

    Args:
        canvas: Where.
        place: Column and row of the first one.
        rows: Rows at most.
        series: The curves that are drawn.
        more: Curves that are not: their number stands at the end.
        look: The terminal's look.
    """
    (left, y), row = place, 0
    x = left
    end = canvas.width - (len(f"+{len(series) + more} more") + 1 if more else 0)
    entries = _entries(series, look, _legend_cells(end - left, rows))
    for number, (one, glyph, name) in enumerate(entries):
        taken = _taken(one, glyph, name) - 3
        if x > left and x + taken > (end if row + 1 >= rows else canvas.width):
            if row + 1 >= rows:
                more += len(entries) - number if more else 0
                canvas.put(canvas.width - 1, y + row, look.marks.ellipsis, look.muted)
                break
            row, x = row + 1, left
        colour = look.category(one.category)[0]
        x = canvas.put(x, y + row, glyph + " ", Ink(fg=colour, bold=True))
        x = canvas.put(x, y + row, name, Ink(fg=colour))
        if one.n_text:
            x = canvas.put(x + 1, y + row, one.n_text, look.muted)
        x += 3
    if more and end > left:
        if x > end + 1 and row + 1 < rows:
            row, x = row + 1, left
        canvas.put(min(x, end + 1), y + row, f"+{more} more".ljust(canvas.width), look.muted)
    return row + 1


def _range(low: Sequence[Floats], high: Sequence[Floats], zero: bool) -> tuple[float, float] | None:
    """Return the smallest and the largest number drawn, or None without any."""
    numbers = np.concatenate([*low, *high]) if low else np.zeros(0)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    lo, hi = float(numbers.min()), float(numbers.max())
    return (min(lo, 0.0), max(hi, 0.0)) if zero else (lo, hi)


def curves(
    series: Sequence[Series],
    look: Look,
    width: int,
    height: int,
    *,
    current: int | None,
    zero: bool = False,
    signed: bool = False,
) -> Canvas:
    """Draw curves over the layers 0..L, each with its interval, and a legend above.

    Lines are braille, each value has its series' glyph, intervals are fainter: loose dots between
    their ends, in ASCII upright lines. Many curves in little room have intervals at the current
    layer only, as upright lines side by side; of more than there are rows for, those with the
    largest weights are drawn, and the legend says how many there are more. NaN and infinite values
    are gaps. Layers of a shorter series that it lacks are gaps too.

    Args:
        series: The curves; the later ones are drawn over the earlier.
        look: The terminal's look.
        width: Cells; any number.
        height: Rows; any number. Legend and axes give way before the curves do.
        current: The layer that is looked at, marked below and by an upright line.
        zero: The values are differences: zero is in the range and has a line.
        signed: Labels have a sign.

    Returns:
        A canvas of the size asked for.
    """
    canvas = Canvas(width, height, look.ascii)
    if canvas.width < 1 or canvas.height < 1:
        return canvas
    every, series = len(series), _heaviest(series, canvas.height)
    values, lows, highs = _arrays(series)
    found = _range([*values, *lows], highs, zero)
    top = 0
    if canvas.height >= 4 and series:
        rows = _legend_rows(canvas.height)
        left = 1 if canvas.width >= 20 else 0
        top = _legend(canvas, (left, 0), rows, series, every - len(series), look)
    if found is None:
        words = cut("no values to draw", canvas.width, look.marks.ellipsis)
        canvas.put((canvas.width - len(words)) // 2, (canvas.height + top) // 2, words, look.muted)
        return canvas
    frame = layout(canvas, top, len(values[0]) - 1, found, look, signed)
    _draw(frame, look, series, (values, lows, highs), current, zero).onto(canvas)
    if frame.top + frame.height < canvas.height:
        layer_labels(canvas, canvas.height - 1, frame, look, current)
    return canvas


def _arrays(series: Sequence[Series]) -> tuple[list[Floats], list[Floats], list[Floats]]:
    """Return values and ends of the intervals of each series, all as long as the longest."""
    count = max((len(numbers_of(one.values)) for one in series), default=0)
    lows, highs = (
        [numbers_of(end, count)[:count] for end in ends]
        for ends in ([one.low for one in series], [one.high for one in series])
    )
    return [numbers_of(one.values, count) for one in series], lows, highs


def _draw(
    frame: Frame,
    look: Look,
    series: Sequence[Series],
    numbers: tuple[list[Floats], list[Floats], list[Floats]],
    current: int | None,
    zero: bool,
) -> _Plot:
    """Draw everything inside the axes, the faintest first."""
    values, lows, highs = numbers
    plot = _Plot(frame, look)
    solid = [Ink(fg=look.category(one.category)[0]) for one in series]
    faint = [ink._replace(dim=True) for ink in solid]
    plot.intervals(lows, highs, faint, current)
    plot.guides(current, zero)
    plot.lines(values, solid)
    plot.glyphs(values, series, current)
    return plot
