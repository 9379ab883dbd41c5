"""The help text as a picture: what a pane shows, what its numbers mean, every key."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from collateral import Metric

from . import text
from .actions import ACTIONS, PANE_TITLES, Action, shown
from .look import Look
from .pane import Context, Pane
from .plots.canvas import Canvas, Ink

Word = tuple[str, Ink]

_MARKED = re.compile(r"(\*\*.+?\*\*|`.+?`|\*.+?\*)")
_KEYS_AT = 16
_WORDS_AT = 12


def help_canvas(pane: Pane, c: Context, width: int) -> Canvas:
    """All of the help, ``width`` cells wide and as high as it needs.

    The pane's own keys come first, then what it shows, then the metric or distance that is chosen
    and all others, then every key.
    """
    lines = [*_own_keys(pane, c.look, width), *_about(pane, c, width), *_keys(c.look, width)]
    canvas = Canvas(width, len(lines), ascii_only=c.look.ascii)
    for y, line in enumerate(lines):
        x = 0
        for word, ink in line:
            x = canvas.put(x, y, word, ink)
    return canvas


def _paragraphs(pane: Pane, c: Context) -> list[str]:
    """The pane's help, then what is special about the open files."""
    project = c.project
    parts = pane.help.split("\n\n")
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
    return parts


def _metric(c: Context) -> list[tuple[str, str]]:
    """The head metric that is chosen now, as pairs of a word and what it is."""
    project, name = c.project, c.selection.metric
    metric = project.metrics[name]
    per = "for the whole data set" if name in project.summaries else f"and {metric.unit}"
    several = f", {metric.attention} attention" if len(project.kinds) > 1 else ""
    baseline = "" if metric.baseline is None else f"{metric.baseline:.4g}: "
    return [
        ("is", _sentence(metric.meaning)),
        ("unit", f"one number per head {per}{several}"),
        ("range", _range(metric)),
        ("baseline", f"{baseline}what an uninformative head would score" if baseline else ""),
        ("formula", metric.source),
    ]


def _range(metric: Metric) -> str:
    """From where to where the numbers of a metric can go."""
    low = "−∞" if metric.low is None else f"{metric.low:g}".replace("-", "−")
    high = "∞" if metric.high is None else f"{metric.high:g}"
    return f"{low} to {high}"


def _measure(c: Context) -> list[tuple[str, str]]:
    """The distance of pairs that is chosen now."""
    measure = c.project.a.measures[c.selection.measure]
    return [
        ("is", _sentence(measure.meaning)),
        ("unit", measure.unit_text or "none"),
        ("formula", measure.source),
    ]


def _chosen(pane: Pane, c: Context, width: int) -> Iterator[list[Word]]:
    """The metric and the distance that are chosen now; for the head grid all metrics."""
    project, s = c.project, c.selection
    if s.metric in project.metrics:
        title = f"Head metric now: {project.metric_title(s.metric)}"
        yield from _described(title, _metric(c), c, width)
    if s.measure in project.a.measures:
        title = project.a.measures[s.measure].title
        yield from _described(f"Distance now: {title}", _measure(c), c, width)
    if pane.name == "heads" and project.metrics:
        yield from _all_metrics(c, width)


def _all_metrics(c: Context, width: int) -> Iterator[list[Word]]:
    """A line for every head metric of the files: name, range, and how its meaning begins."""
    project, s, look = c.project, c.selection, c.look
    rows = [
        (name == s.metric, project.metric_title(name), f"{_range(metric)}. {metric.meaning}")
        for name, metric in project.metrics.items()
    ]
    yield [("All head metrics of the file, with their range (t is the next)", look.accent)]
    column = min(max(text.width(title) for _, title, _ in rows), max(10, width * 2 // 5))
    for now, title, words in rows:
        mark = look.marks.cursor if now else " "
        first = text.fit(title, column, ellipsis=look.marks.ellipsis)
        rest = text.cut(_first_sentence(words), width - column - 3, look.marks.ellipsis)
        yield [(f"{mark}{first}", look.header), (f"  {rest}", look.text)]
    yield []


def _first_sentence(words: str) -> str:
    """A range with its full stop, and the first sentence of a meaning."""
    head, _, rest = words.partition(". ")
    return f"{head}. {rest.partition('. ')[0]}" if rest else head


def _described(
    title: str, parts: list[tuple[str, str]], c: Context, width: int
) -> Iterator[list[Word]]:
    """A heading, and what is known below it, word by word."""
    for part in textwrap.wrap(title, max(1, width)) or [""]:
        yield [(text.cut(part, width, c.look.marks.ellipsis), c.look.accent)]
    for name, words in parts:
        first: list[Word] = [(text.fit(f"  {name}", _WORDS_AT), c.look.header)]
        for line in _wrapped(words, c.look, max(10, width - _WORDS_AT), plain=True):
            yield first + line
            first = [(" " * _WORDS_AT, c.look.text)]
    yield []


def _sentence(words: str) -> str:
    """Words with a full stop, which a description in a file may lack."""
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."


def _about(pane: Pane, c: Context, width: int) -> Iterator[list[Word]]:
    for paragraph in _paragraphs(pane, c):
        yield []
        for line in paragraph.split("\n"):
            yield from _wrapped(line, c.look, width)
    yield []
    yield from _chosen(pane, c, width)


def _own_keys(pane: Pane, look: Look, width: int) -> Iterator[list[Word]]:
    """The pane's name, and the keys that are for it."""
    yield [(PANE_TITLES[pane.name], look.accent)]
    for action in ACTIONS:
        if pane.name in action.panes:
            yield from _key(action, look, width)


def _keys(look: Look, width: int) -> Iterator[list[Word]]:
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            yield []
            yield [(group, look.accent)]
        yield from _key(action, look, width)


def _key(action: Action, look: Look, width: int) -> Iterator[list[Word]]:
    keys = " ".join(shown(key) for key in action.keys)
    first: list[Word] = [(text.fit(f"  {keys}", _KEYS_AT), look.header)]
    for line in _wrapped(action.help, look, max(10, width - _KEYS_AT)):
        yield first + line
        first = [(" " * _KEYS_AT, look.text)]


def _wrapped(words: str, look: Look, width: int, plain: bool = False) -> Iterator[list[Word]]:
    """One paragraph (or list item, whose further lines are indented), wrapped at blanks.

    Args:
        plain: the words are from a file: asterisks and backticks in them mean nothing.
    """
    indent = "  " if words.startswith("- ") else ""
    line: list[Word] = []
    x = 0
    for word, ink in _split(words, look.text) if plain else _words(words, look):
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
        yield from _split(shown_part, ink)


def _split(words: str, ink: Ink) -> Iterator[Word]:
    yield from ((word, ink) for word in re.findall(r"\S+\s*|\s+", words))
