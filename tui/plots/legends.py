"""What the colours and shades of a map mean, in one row."""

from __future__ import annotations

from collections.abc import Sequence

from tui import text as texts
from tui.look import Ink, Look
from tui.plots.canvas import Canvas
from tui.plots.scatter import density_signs

__all__ = ["class_legend", "density_legend"]


def class_legend(
    labels: Sequence[str],
    counts: Sequence[int],
    look: Look,
    width: int,
    *,
    unknown: int = 0,
) -> Canvas:
    """Draw glyph, name and count of each class in one row: `● coreferent 400  ■ not 508`.

    If there is no room for all, the largest come first, what is unknown last, and `+3 more` is the
    number of classes that are not shown. Classes without points are left out.

    Args:
        labels: Names of the classes, in class order.
        counts: Points of each.
        look: The terminal's look.
        width: Cells.
        unknown: Points of unknown class; shown if there are any.
    """
    canvas = Canvas(width, 1, look.ascii)
    entries = [(index, *pair) for index, pair in enumerate(zip(labels, counts, strict=True))]
    entries = [entry for entry in entries if entry[2]] or entries
    entries += [(-1, "unknown", unknown)] if unknown else []
    words = [f"{texts.clean(label, look.ascii)} {count:,}" for _, label, count in entries]
    if sum(texts.width(word) + 4 for word in words) - 2 > width:
        entries.sort(key=lambda entry: (entry[0] < 0, -entry[2]))
    x = 0
    for place, (index, label, count) in enumerate(entries):
        colour, glyph = look.category(index)
        name = texts.clean(label, look.ascii)
        left = len(entries) - place - 1
        room = width - (len(f"  +{left} more") if left else 0)
        if not place:  # one class at least is named
            least = 3 + len(f"{count:,}")
            name = texts.cut(name, max(room - least, min(6, width - least)), look.marks.ellipsis)
        text = f" {name} {count:,}"
        if x + 1 + texts.width(text) > room:
            canvas.put(x, 0, f"+{left + 1} more", look.muted)
            break
        x = canvas.put(x, 0, glyph, Ink(fg=colour, bold=True))
        x = canvas.put(x, 0, text) + 2
    return canvas


def density_legend(
    look: Look, edges: Sequence[int], densest: int, width: int, *, plain: bool = False
) -> Canvas:
    """Draw the shades of a map that shows how many points a cell holds: `░1 ▒4 ▓12 █34-96 a cell`.

    Each shade stands before the least number of points that has it; the last one also has the
    number of points in the fullest cell. Where there is no room for that, the last one remains.

    Args:
        look: The terminal's look.
        edges: Least points of each shade.
        densest: Points in the fullest cell.
        width: Cells; the canvas is as wide as what is drawn, at most this.
        plain: All points are alike (see `tui.plots.scatter.density_signs`).
    """
    signs = density_signs(look, edges, plain)
    words = [f"{edge:,}" for edge in edges]
    if words and densest > edges[-1]:
        words[-1] += f"-{densest:,}"
    parts = [*zip(signs, words, strict=True)]
    if sum(len(word) + 2 for word in words) + len("a cell") > width:
        parts = parts[-1:]
    size = sum(len(word) + 2 for _, word in parts) + len("a cell")
    canvas = Canvas(min(size, width), 1, look.ascii)
    x = 0
    for (sign, ink), word in parts:
        x = canvas.put(x, 0, sign, ink)
        x = canvas.put(x, 0, word, look.muted) + 1
    canvas.put(x, 0, "a cell", look.muted)
    return canvas
