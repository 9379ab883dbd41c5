"""The help text as a picture: what a pane shows, what its numbers mean, every key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import text
from .actions import ACTIONS, PANE_TITLES, shown
from .look import Look
from .pane import Context, Pane
from .plots.canvas import Canvas, Ink

Word = tuple[str, Ink]

_MARKED = re.compile(r"(\*\*.+?\*\*|`.+?`|\*.+?\*)")
_KEYS_AT = 16


def help_canvas(pane: Pane, c: Context, width: int) -> Canvas:
    """All of the help, ``width`` cells wide and as high as it needs."""
    lines = [*_about(pane, c, width), *_keys(c.look, width)]
    canvas = Canvas(width, len(lines), ascii_only=c.look.ascii)
    for y, line in enumerate(lines):
        x = 0
        for word, ink in line:
            x = canvas.put(x, y, word, ink)
    return canvas


def paragraphs(pane: Pane, c: Context) -> list[str]:
    """The pane's help, then the metric and the distance that are chosen now."""
    project, s = c.project, c.selection
    parts = pane.help.split("\n\n")
    if s.metric in project.metrics:
        parts.append(_metric(c))
    if not project.points.shared:
        sizes = f"A {len(project.a.points):,}, B {len(project.file('B').points):,}"
        parts.append(
            f"**Points**: The two files have points of their own ({sizes}), so each map shows its "
            "model's. A marked point stands for its example, also where one of them lacks it."
        )
    for file, name in zip((project.a, project.b), project.names, strict=False):
        notes = " ".join(_sentence(note) for note in file.meta.notes) if file is not None else ""
        if notes:
            parts.append(f"**Notes in the file of {name}**: {notes}")
    measure = project.a.measures.get(s.measure)
    if measure is not None:
        parts.append(f"**Distance now: {measure.title}**. {_sentence(measure.meaning)}")
    return parts


def _metric(c: Context) -> str:
    """The head metric that is chosen now: range, meaning, source, baseline."""
    project, name = c.project, c.selection.metric
    metric = project.metrics[name]
    low = "−∞" if metric.low is None else f"{metric.low:g}"
    high = "∞" if metric.high is None else f"{metric.high:g}"
    unit = "" if name in project.summaries else f" and {metric.unit}"
    whole = " for the whole data set" if name in project.summaries else ""
    words = [
        f"**Head metric now: {metric.title or name}**, one number per head{unit}{whole}, from "
        f"{low} to {high}.",
        _sentence(metric.meaning),
        f"Source: {metric.source}." if metric.source else "",
        f"Baseline: {metric.baseline:.4g}." if metric.baseline is not None else "",
    ]
    return " ".join(part for part in words if part)


def _sentence(words: str) -> str:
    """Words with a full stop, which a description in a file may lack."""
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def _about(pane: Pane, c: Context, width: int) -> Iterator[list[Word]]:
    yield [(PANE_TITLES[pane.name], c.look.accent)]
    for paragraph in paragraphs(pane, c):
        yield []
        for line in paragraph.split("\n"):
            yield from _wrapped(line, c.look, width)
    yield []


def _keys(look: Look, width: int) -> Iterator[list[Word]]:
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            yield []
            yield [(group, look.accent)]
        keys = " ".join(shown(key) for key in action.keys)
        first: list[Word] = [(text.fit(f"  {keys}", _KEYS_AT), look.header)]
        for line in _wrapped(action.help, look, max(10, width - _KEYS_AT)):
            yield first + line
            first = [(" " * _KEYS_AT, look.text)]


def _wrapped(words: str, look: Look, width: int) -> Iterator[list[Word]]:
    """One paragraph (or list item, whose further lines are indented), wrapped at blanks."""
    indent = "  " if words.startswith("- ") else ""
    line: list[Word] = []
    x = 0
    for word, ink in _words(words, look):
        size = text.width(word.rstrip(" "))
        if line and x + size > width:
            yield line
            line, x = [(indent, look.text)] * bool(indent), len(indent)
        line.append((word, ink))
        x += text.width(word)
    if line:
        yield line


def _words(words: str, look: Look) -> Iterator[Word]:
    """Words, each with the blanks after it; ``**bold**``, ``*slanted*`` and keys marked."""
    for part in _MARKED.split(words):
        ink, shown_part = look.text, part
        if part.startswith("**"):
            ink, shown_part = Ink(bold=True), part[2:-2]
        elif part.startswith("`"):
            ink, shown_part = look.accent, part[1:-1]
        elif part.startswith("*"):
            ink, shown_part = Ink(italic=True), part[1:-1]
        yield from ((word, ink) for word in re.findall(r"\S+\s*|\s+", shown_part))
