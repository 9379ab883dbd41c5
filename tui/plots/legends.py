"""What the colours and shades of a map mean, in one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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

    If there is no room for all, names are cut a little, then the counts are left out, then names
    are cut short. If that is not enough, the largest come first, what is unknown last, and
    `+3 more` is the number of classes that are not shown. Classes without points are left out.

    Args:
        labels: Names of the classes, in class order.
        counts: Points of each.
        look: The terminal's look.
        width: Cells.
        unknown: Points of unknown class; shown if there are any.
    """
    canvas = Canvas(width, 1, look.ascii)
    names = [texts.clean(label, look.ascii) for label in labels]
    entries = [_Entry(*entry) for entry in zip(range(len(names)), names, counts, strict=True)]
    entries = [entry for entry in entries if entry.points] or entries
    entries += [_Entry(-1, "unknown", unknown)] if unknown else []
    words = _fitting(
        [entry.name for entry in entries], [entry.points for entry in entries], look, width
    )
    if words is not None:
        x = 0
        for entry, said in zip(entries, words, strict=True):
            x = _put_class(canvas, x, look, entry.kind, f" {said}")
    else:
        _some_classes(canvas, sorted(entries, key=lambda e: (e.kind < 0, -e.points)), look)
    return canvas


class _Entry(NamedTuple):
    """A class: its number (-1 for unknown), name, points."""

    kind: int
    name: str
    points: int


_SLIGHT, _SHORT = 8, 4
"""Cells that names of classes keep where they are cut a little, and where they are cut short."""


def _fitting(
    names: Sequence[str], counts: Sequence[int], look: Look, width: int
) -> list[str] | None:
    """What is written of each class, as full as there is room for; None if they don't fit."""
    longest = max(map(texts.width, names), default=0)
    for counted, least in ((True, _SLIGHT), (False, _SHORT)):
        for most in range(max(longest, least), least - 1, -1):
            words = [texts.cut(name, most, look.marks.ellipsis) for name in names]
            if len(set(words)) < len(set(names)):
                break  # two classes would be called the same
            if counted:
                words = [f"{name} {count:,}" for name, count in zip(words, counts, strict=True)]
            if sum(texts.width(word) + 4 for word in words) - 2 <= width:
                return words
    return None


def _some_classes(canvas: Canvas, entries: Sequence[_Entry], look: Look) -> None:
    """The first classes that there is room for, and how many there are more."""
    x, width = 0, canvas.width
    for place, (index, name, count) in enumerate(entries):
        left = len(entries) - place - 1
        room = width - (len(f"  +{left} more") if left else 0)
        text = f" {name} {count:,}"
        if not place:  # one class at least is named
            space = room - 3 - len(f"{count:,}")
            last = f" {count:,}" if space >= _SHORT else ""
            space = space if last else max(_SHORT, room - 2)
            text = f" {texts.cut(name, space, look.marks.ellipsis)}{last}"
        if x + 1 + texts.width(text) > room:
            canvas.put(x, 0, f"+{left + 1} more", look.muted)
            break
        x = _put_class(canvas, x, look, index, text)


def _put_class(canvas: Canvas, x: int, look: Look, index: int, text: str) -> int:
    """One class; returns where the next may begin."""
    colour, glyph = look.category(index)
    x = canvas.put(x, 0, glyph, Ink(fg=colour, bold=True))
    return canvas.put(x, 0, text) + 2


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
