"""What the lines around the panes say: status, tabs, gists, footer. Context in, canvas out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from . import text
from .actions import PANES, PaneName, footer
from .look import Look
from .pane import Context, Pane
from .plots.canvas import Canvas
from .state import VIEWS
from .views import listing
from .views.answers import TROUBLE

TAB_NAMES: dict[PaneName, str] = {
    "list": "List",
    "example": "Example",
    "map": "Map",
    "heads": "Heads",
    "attention": "Attention",
    "distance": "Distance",
}


@dataclass
class Line:
    """A canvas and which of its cells stand for an action.

    Attributes:
        hits: (row, first column, one past the last, action name).
    """

    canvas: Canvas
    hits: list[tuple[int, int, int, str]] = field(default_factory=list)

    def at(self, x: int, y: int) -> str | None:
        """The action under a cell."""
        return next((h[3] for h in self.hits if h[0] == y and h[1] <= x < h[2]), None)


def status(c: Context, width: int) -> Line:
    """The top line: models, data, layer, head, metric, what averages are over, the view transform.

    Parts are dropped from the least to the most important until the line fits.
    """
    line = Line(Canvas(width, 1, ascii_only=c.look.ascii))
    x = _models(c, line, short=width < 100)
    try:
        parts = _status_parts(c)
    except TROUBLE as reason:
        parts = [(0, str(reason))]
    separator = f" {c.look.marks.vertical} "
    while parts and x + sum(len(separator) + text.width(p) for _, p in parts) > width:
        parts.remove(max(parts))
    for _, part in sorted(parts, key=lambda item: _ORDER.index(item[0])):
        x = line.canvas.put(x, 0, separator, c.look.muted)
        x = line.canvas.put(x, 0, part)
    return line


_ORDER = (6, 0, 1, 2, 3, 5, 4)
"""Parts by importance (0 is kept longest), in the order in which they stand."""


def _models(c: Context, line: Line, short: bool) -> int:
    project, s, look = c.project, c.selection, c.look
    x = 1
    if not project.two:
        return line.canvas.put(x, 0, text.cut(project.name("A"), 24), look.accent)
    for view in VIEWS:
        current = view == s.view
        label = view if short or view == "B−A" else f"{view} {text.cut(project.name(view), 18)}"
        mark = look.marks.cursor if current else " "
        start = x
        x = line.canvas.put(x, 0, mark + label, look.accent if current else look.muted)
        line.hits.append((0, start, x, "model"))
        x += 1
    return x - 1


def _status_parts(c: Context) -> list[tuple[int, str]]:
    project, s = c.project, c.selection
    meta = project.a.meta
    texts = meta.counts["examples"]
    scope = {"example": "this example", "all": f"all {text.many(texts, 'example')}"}
    some = text.many(len(project.scope(s) or ()), f"{s.scope} example")
    head = s.kind if len(project.kinds) > 1 else "head"
    metric = project.metrics.get(s.metric)
    parts = [
        (0, f"layer {s.layer}  {head} {s.head_name}"),
        (1, text.middle(str(project.a.examples.cell("id", s.example)), 28)),
        (2, scope.get(s.scope, some)),
        (3, metric.title or metric.name if metric else "no metric"),
        (6, f"{meta.task} · {', '.join(_counts(c))}"),
    ]
    if s.weighted:
        parts.append((4, "weights × ‖f(x)‖"))
    if s.hide_special:
        parts.append((4, "specials hidden, not renormalised"))
    if s.narrowed and s.scope != "filtered":
        shown = len(listing.order(project, s))
        parts.append((5, f"list: {shown:,} of {texts:,}"))
    if s.marked:
        parts.append((5, f"{text.many(len(s.marked), 'point')} marked"))
    return parts


def _counts(c: Context) -> list[str]:
    """How many texts there are, and pairs and items where there are any."""
    meta = c.project.a.meta
    words = {"examples": "text", "pairs": "pair", "items": meta.item or "item"}
    return [
        text.many(meta.counts[name], word)
        for name, word in words.items()
        if name == "examples" or meta.counts.get(name)
    ]


def tabs(c: Context, active: PaneName, width: int) -> Line:
    """The names of the panes, the one that is shown marked."""
    line = Line(Canvas(width, 1, ascii_only=c.look.ascii))
    full = sum(len(name) + 4 for name in TAB_NAMES.values()) < width
    x = 1
    for number, name in enumerate(PANES, start=1):
        current = name == active
        mark = c.look.marks.cursor if current else " "
        ink = c.look.accent if current else c.look.muted
        label = TAB_NAMES[name] if full or current else ""
        start = x
        x = line.canvas.put(x, 0, f"{mark}{number} {label}".rstrip(), ink)
        line.hits.append((0, start, x, f"pane-{name}"))
        x += 1
    return line


def gists(
    c: Context, panes: Mapping[PaneName, Pane], active: PaneName, size: tuple[int, int]
) -> Line:
    """One line for each of the panes that say most in one line and are not shown."""
    width, height = size
    line = Line(Canvas(width, height, ascii_only=c.look.ascii))
    third: PaneName = "distance" if len(c.project.a.pairs) else "attention"
    order: Iterable[PaneName] = ("example", "heads", third, "map")
    shown = [name for name in order if name != active and name in panes][:height]
    for y, name in enumerate(shown):
        try:
            line.canvas.blit(1, y, panes[name].gist(c, width - 2))
        except TROUBLE as reason:
            line.canvas.put(1, y, text.cut(str(reason), width - 2), c.look.muted)
        line.hits.append((y, 0, width, f"pane-{name}"))
    return line


def foot(
    look: Look,
    active: PaneName | None,
    message: str,
    width: int,
    unused: Collection[str] = (),
    note: bool = False,
) -> Line:
    """The bottom line: a message if there is one, else the keys that matter in this pane.

    Args:
        unused: names of actions that do nothing now.
        note: the message says what was done, not what can't be.
    """
    line = Line(Canvas(width, 1, ascii_only=look.ascii))
    if message:
        line.canvas.put(1, 0, text.cut(message, width - 2), look.text if note else look.bad)
        return line
    entries = footer(active, unused)
    last = entries[-2:]  # help and quit are never dropped
    while entries and _foot_width(entries) > width - 1:
        droppable = [entry for entry in entries if entry not in last]
        if not droppable:
            break
        entries.remove(droppable[-1])
    x = 1
    for keys, label, action in entries:
        start = x
        x = line.canvas.put(x, 0, keys, look.accent)
        x = line.canvas.put(x + 1, 0, label, look.muted)
        line.hits.append((0, start, x, action))
        x += 2
    return line


def _foot_width(entries: list[tuple[str, str, str]]) -> int:
    return sum(text.width(keys) + 1 + text.width(label) + 2 for keys, label, _ in entries)


def tiny(look: Look, width: int, height: int) -> Line:
    """What is needed, for a terminal that is too small to show anything."""
    line = Line(Canvas(width, height, ascii_only=look.ascii))
    for y, words in enumerate(("needs 20x5 cells", f"has {width}x{height}", "q quits")):
        line.canvas.put(0, y, words)
    return line
