"""The selection as options of a command line: one table that is read, written and listed.

``interpret-tui FILE --layer 5 --head 10`` shows what a colleague looked at. What an option sets,
how it is read and how it is written stand in one row of :data:`OPTIONS`, so that a command that is
copied always leads back to the view that it was copied from.

Nothing here is slow to import: the command line needs it before the first frame.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from . import state
from .actions import PANES, PaneName
from .commands import Refused, set_range
from .state import Limits, Selection

if TYPE_CHECKING:
    from .project import Project

Read = Callable[["Project", Selection, str], Selection]
Write = Callable[["Project", Selection], str]

_MOST_NAMED = 12
"""So many names are listed at most where one was not found."""


class Unknown(Exception):
    """An option that these files cannot follow; the text says what there is, in a sentence."""


@dataclass(frozen=True)
class Option:
    """One row of the table.

    Attributes:
        name: what follows ``--``.
        fields: fields of the selection that it sets.
        metavar: what stands for its value in the help; None for a switch (``--x``, ``--no-x``).
        help: one sentence.
        read: selection with the value that a text names. Raises :class:`Unknown`.
        write: the text that names a selection's value.
    """

    name: str
    fields: tuple[str, ...]
    metavar: str | None
    help: str
    read: Read
    write: Write


@dataclass(frozen=True)
class Wanted:
    """What the command line asks to see, not yet held against any file.

    Attributes:
        texts: value by name of the option, as it was written.
        pane: the pane that the keys go to first; None if it was left open.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    pane: PaneName | None = None

    def __bool__(self) -> bool:
        """Whether any part of the view was asked for."""
        return bool(self.texts) or self.pane is not None


# -- reading and writing values ----------------------------------------------------------------


def _number(what: str, words: str, count: int) -> int:
    """A number from 0 to count - 1.

    Raises:
        Unknown: it is none.
    """
    if words.isascii() and words.isdecimal() and len(words) < 10 and int(words) < count:
        return int(words)
    there = f"from 0 to {count - 1:,}" if count > 1 else "0 only" if count else "none at all"
    raise Unknown(f"There is no {what} {words!r}; there is {there}.")


def _not_found(what: str, words: str, names: Iterable[str]) -> Unknown:
    """Says that a name is none of these, with those that are like it."""
    from difflib import get_close_matches

    known = [name for name in names if name]
    folded = {name.casefold(): name for name in known}
    near = [folded[like] for like in get_close_matches(words.casefold(), folded, 3, 0.5)]
    if near:
        return Unknown(f"There is no {what} {words!r}; did you mean {' or '.join(near)}?")
    if not known:
        return Unknown(f"There is no {what} {words!r}: the file has none.")
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return Unknown(
        f"There is no {what} {words!r}; there is: {', '.join(known[:_MOST_NAMED])}{more}."
    )


def _among(what: str, words: str, names: Sequence[str], titles: Sequence[str] = ()) -> str:
    """The name that is meant: itself, ``#2`` for the third, or a title, in any case of letters.

    Raises:
        Unknown: it is none of them.
    """
    if words in names and not words.startswith("#"):
        return words
    if words.startswith("#"):
        return names[_number(what, words[1:], len(names))]
    for known in (titles, names):
        same = [n for n, k in zip(names, known, strict=False) if k.casefold() == words.casefold()]
        if len(same) == 1:
            return same[0]
    raise _not_found(what, words, names)


def _named(value: str, names: Sequence[str]) -> str:
    """How a name is written so that it is read as itself; ``#2`` if it can't be typed."""
    plain = value and harmless(value) and not value.startswith("#")
    return value if plain or value not in names else f"#{list(names).index(value)}"


def harmless(words: str) -> bool:
    """Whether words hold nothing that a shell or terminal they are pasted into could obey."""
    from unicodedata import category

    unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return (words.isascii() and words.isprintable()) or not {category(c) for c in words} & unsafe


def _choice(
    name: str,
    field_name: str,
    names: Callable[[Project, Selection], Sequence[str]],
    what: str,
    help_text: str,
    titles: Callable[[Project, str], str] | None = None,
) -> Option:
    """An option that takes one of the names that the files have."""

    def read(p: Project, s: Selection, words: str) -> Selection:
        there = names(p, s)
        known = [titles(p, one) for one in there] if titles else ()
        return _with(s, {field_name: _among(what, words, there, known)})

    def write(p: Project, s: Selection) -> str:
        return _named(getattr(s, field_name), names(p, s))

    return Option(name, (field_name,), "NAME", help_text, read, write)


def _switch(name: str, field_name: str, help_text: str) -> Option:
    """An option that is on or off."""

    def read(p: Project, s: Selection, words: str) -> Selection:
        if words not in ("yes", "no"):
            raise Unknown(f"--{name} is yes or no, not {words!r}.")
        return _with(s, {field_name: words == "yes"})

    def write(p: Project, s: Selection) -> str:
        return "yes" if getattr(s, field_name) else "no"

    return Option(name, (field_name,), None, help_text, read, write)


def _with(s: Selection, changes: dict[str, Any]) -> Selection:
    return dataclasses.replace(s, **changes)


# -- the single options ------------------------------------------------------------------------


def _read_view(p: Project, s: Selection, words: str) -> Selection:
    plain = words.replace("−", "-").upper()
    names = {view.replace("−", "-"): view for view in p.limits.views}
    for side in ("A", "B") if p.two else ():
        names.setdefault(p.name(cast(Any, side)).upper(), cast(Any, side))
    if plain in names:
        return _with(s, {"view": names[plain]})
    if not p.two and plain in ("B", "B-A"):
        raise Unknown(f"--view {words} needs two files: interpret-tui A.msgpack B.msgpack")
    raise _not_found("view", words, names)


def _read_kind(p: Project, s: Selection, words: str) -> Selection:
    name = _among("kind of attention", words, [kind.name for kind in p.kinds])
    return s if name == s.kind else state.choose_kind(s, p.limits, name)


def _read_layer(p: Project, s: Selection, words: str) -> Selection:
    layer = _number("layer", words, p.limits.layers + 1)
    kind = p.limits.kind(s.kind)
    return _with(s, {"layer": layer, "head_layer": state.clamp(layer, kind.layers)})


def _read_head(p: Project, s: Selection, words: str) -> Selection:
    kind = p.limits.kind(s.kind)
    layer, dot, head = words.rpartition(".")
    row = _number("attention layer", layer, kind.layers) if dot else s.head_layer
    return _with(s, {"head_layer": row, "head": _number("head", head, kind.heads)})


def _metric_names(p: Project, s: Selection) -> Sequence[str]:
    return p.limits.kind(s.kind).metrics


def _read_metric(p: Project, s: Selection, words: str) -> Selection:
    names = _metric_names(p, s)
    if f"{s.kind}:{words}" in names:
        words = f"{s.kind}:{words}"
    if words not in names and words in p.metrics:
        other = p.metrics[words].attention
        raise Unknown(f"{words} is a metric of {other} attention: add --kind {other}.")
    titles = [p.metric_title(name) for name in names]
    return _with(s, {"metric": _among("metric", words, names, titles)})


def _read_measure(p: Project, s: Selection, words: str) -> Selection:
    names = p.limits.measures
    words = "tsne" if words.casefold() in ("t-sne", "map") and words not in names else words
    titles = [p.measure_title(name) for name in names]
    return _with(s, {"measure": _among("distance", words, names, titles)})


def _read_example(p: Project, s: Selection, words: str) -> Selection:
    return state.choose_example(s, p.limits, _example_row(p, words))


def _example_row(p: Project, words: str) -> int:
    count = p.limits.examples
    if words.startswith("#"):
        return _number("row", words[1:], count)
    ids = p.example_texts[0]
    if words in ids:
        return ids.index(words)
    if words.isascii() and words.isdecimal():
        return _number("example", words, count)
    raise _not_found("example", words, ids)


def _write_example(p: Project, s: Selection) -> str:
    name = str(p.a.examples.cell("id", s.example))
    usable = name and harmless(name) and not name.startswith("#")
    return name if usable and _example_row(p, name) == s.example else f"#{s.example}"


def _read_pair(p: Project, s: Selection, words: str) -> Selection:
    count = len(p.pairs_of(s.example))
    return _with(s, {"pair": _number("pair", words, max(1, count))})


def _read_item(p: Project, s: Selection, words: str) -> Selection:
    found = p.items(s.example)
    item = _number(p.a.meta.item or "item", words, max(1, len(found)))
    if not len(found):
        return s
    start, stop = found.tokens[item].tolist()
    return state.choose_item(s, item, start if stop > start else None)


def _read_range(p: Project, s: Selection, words: str) -> Selection:
    try:
        return set_range(s, words)
    except Refused as reason:
        raise Unknown(str(reason)) from None


def _write_range(p: Project, s: Selection) -> str:
    return "auto" if s.head_range is None else f"{s.head_range[1]!r},{s.head_range[2]!r}"


def _read_share(p: Project, s: Selection, words: str) -> Selection:
    names = ("auto", *map(str, state.SHARES))
    found = _among("share", words, names, ())
    return _with(s, {"share": None if found == "auto" else int(found)})


def _token(name: str) -> Option:
    """The token cursor, as query or as key: a number, a token's text, "all" or "none"."""

    def read(p: Project, s: Selection, words: str) -> Selection:
        if words in ("all", "none"):
            return _with(s, {name: state.ALL_TOKENS if words == "all" else None})
        texts = p.tokens(s.example).texts
        if not words.isdecimal() and words in texts:
            return _with(s, {name: texts.index(words)})
        return _with(s, {name: _number("token", words, len(texts))})

    def write(p: Project, s: Selection) -> str:
        token = getattr(s, name)
        return "none" if token is None else "all" if token < 0 else str(token)

    said = f"token that is the {name} of the attention: its number from 0, its text, all or none"
    return Option(name, (name,), "TOKEN", said, read, write)


def _read_marked(p: Project, s: Selection, words: str) -> Selection:
    count = len(p.points.examples)
    marked: set[int] = set()
    for part in filter(None, words.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        start = _number("point", first, count)
        marked |= set(range(start, (_number("point", last, count) if dash else start) + 1))
    return _with(s, {"marked": frozenset(marked), "scope": "marked" if marked else "all"})


def _write_marked(p: Project, s: Selection) -> str:
    runs: list[list[int]] = []
    for point in sorted(s.marked):
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _read_scope(p: Project, s: Selection, words: str) -> Selection:
    scope = _among("scope", words, ("all", "marked", "example"))
    if scope == "marked" and not s.marked:
        raise Unknown("--scope marked needs marked points: --marked 12,40-55")
    return _with(s, {"scope": scope})


OPTIONS: tuple[Option, ...] = (
    Option(
        "view",
        ("view",),
        "MODEL",
        "model A, model B, or B-A, the difference",
        _read_view,
        lambda p, s: s.view.replace("−", "-"),
    ),
    Option(
        "kind",
        ("kind",),
        "NAME",
        "kind of attention: self, or encoder, decoder, cross",
        _read_kind,
        lambda p, s: _named(s.kind, [kind.name for kind in p.kinds]),
    ),
    Option(
        "layer",
        ("layer",),
        "N",
        "hidden state of the map, 0 (embeddings) to the last; the head's layer goes along",
        _read_layer,
        lambda p, s: str(s.layer),
    ),
    Option(
        "head",
        ("head_layer", "head"),
        "L.H",
        "attention head, as layer.head, both from 0; or H in the layer that is shown",
        _read_head,
        lambda p, s: s.head_name,
    ),
    Option(
        "metric",
        ("metric",),
        "NAME",
        "head metric",
        _read_metric,
        lambda p, s: _named(s.metric, _metric_names(p, s)),
    ),
    _choice(
        "colour",
        "colouring",
        lambda p, s: p.limits.colourings,
        "column for the points",
        "column that colours the map",
        lambda p, name: p.colouring_title(name),
    ),
    Option(
        "measure",
        ("measure",),
        "NAME",
        "distance: cosine, euclid, tsne",
        _read_measure,
        lambda p, s: _named(s.measure, p.limits.measures),
    ),
    _choice(
        "group",
        "grouping",
        lambda p, s: p.limits.groupings,
        "column that groups the pairs",
        "column that makes the groups of the distances",
    ),
    Option(
        "example",
        ("example",),
        "ID",
        "example: its id, or the number of its row from 0 (#7 is always a row)",
        _read_example,
        _write_example,
    ),
    Option(
        "pair",
        ("pair",),
        "N",
        "pair of the example, from 0",
        _read_pair,
        lambda p, s: str(s.pair),
    ),
    Option(
        "item",
        ("item",),
        "N",
        "word, label or token of the example, from 0",
        _read_item,
        lambda p, s: str(s.item),
    ),
    _token("query"),
    _token("key"),
    _choice(
        "attention-view",
        "attention_view",
        lambda p, s: state.ATTENTION_VIEWS,
        "attention view",
        f"attention as {', '.join(state.ATTENTION_VIEWS)}",
    ),
    _switch("ranked", "ranked", "heads as a list in the order of their values"),
    Option(
        "range",
        ("head_range",),
        "LO,HI",
        "colour range of the head metric, or auto",
        _read_range,
        _write_range,
    ),
    Option(
        "share",
        ("share",),
        "PERCENT",
        "attention edges up to this share of each row: "
        f"{', '.join(map(str, state.SHARES))}, or auto",
        _read_share,
        lambda p, s: str(s.share or "auto"),
    ),
    _choice(
        "combine",
        "combine",
        lambda p, s: state.COMBINES,
        "way to combine heads",
        f"attention of the head or of several: {', '.join(state.COMBINES)}",
    ),
    _switch("hide-special", "hide_special", "leave special tokens out of the attention"),
    _switch("weighted", "weighted", "weight attention by the length of each key's value"),
    Option(
        "marked",
        ("marked",),
        "POINTS",
        "marked points, by number: 12,40-55; averages then go over their examples",
        _read_marked,
        _write_marked,
    ),
    Option(
        "scope",
        ("scope",),
        "NAME",
        "what averages go over: all, marked, example",
        _read_scope,
        lambda p, s: s.scope,
    ),
)
"""In the order in which they are applied: what others depend on comes first."""

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}


# -- the table in use --------------------------------------------------------------------------


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds every option of the table to a command line."""
    group = parser.add_argument_group(
        "what is shown first",
        "Inside, Y copies the command of what is shown. Names are those of the files; one that is "
        "not found is answered with those there are.",
    )
    group.add_argument("--pane", choices=PANES, help="pane that the keys go to")
    for option in OPTIONS:
        if option.metavar is None:
            switch = argparse.BooleanOptionalAction
            group.add_argument(f"--{option.name}", action=switch, help=option.help)
        else:
            group.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)


def wanted(parsed: argparse.Namespace) -> Wanted:
    """What a parsed command line asks to see."""
    texts: dict[str, str] = {}
    for option in OPTIONS:
        value = getattr(parsed, option.name.replace("-", "_"))
        if value is not None:
            texts[option.name] = value if isinstance(value, str) else "yes" if value else "no"
    return Wanted(texts, parsed.pane)


def apply(project: Project, s: Selection, texts: Mapping[str, str]) -> Selection:
    """The selection with these options, in the order of the table.

    Raises:
        Unknown: the files have nothing by that name.
    """
    for option in OPTIONS:
        if option.name in texts:
            s = _applied(project, s, option, texts[option.name])
    return s


def _applied(project: Project, s: Selection, option: Option, words: str) -> Selection:
    return project.settled(state.valid(option.read(project, s, words), project.limits))


def difference(project: Project, first: Selection, s: Selection) -> Iterator[tuple[str, str]]:
    """The options (name, text) that lead from one selection to another."""
    for option in OPTIONS:
        if any(getattr(first, name) != getattr(s, name) for name in option.fields):
            words = option.write(project, s)
            yield option.name, words
            first = _applied(project, first, option, words)


def check(project: Project, asked: Wanted) -> None:
    """Whether these files can follow the options, without looking at their numbers.

    Raises:
        Unknown: they can't.
    """
    apply(
        project,
        state.valid(Selection(kind=_likely_kind(project.limits)), project.limits),
        asked.texts,
    )


def _likely_kind(limits: Limits) -> str:
    names = [kind.name for kind in limits.kinds]
    return "cross" if "cross" in names else names[0] if names else "self"


def command(
    project: Project, s: Selection, pane: PaneName | None, files: Sequence[str]
) -> list[str]:
    """The words of the command that shows this selection, with only what differs from the first.

    The pane is always named: a command that names any part of the view shows the same for
    everyone, whatever their settings.

    Args:
        files: what stands for the files: their paths with options, or ``--demo``.
    """
    words = ["interpret-tui", *files]
    if pane is not None:
        words += ["--pane", pane]
    for name, value in difference(project, project.first_selection(), s):
        if BY_NAME[name].metavar is None:
            words.append(f"--{name}" if value == "yes" else f"--no-{name}")
        elif value.startswith("-"):
            words.append(f"--{name}={value}")
        else:
            words += [f"--{name}", value]
    return words
