"""The selection as options of a command line: one table that is read, written and listed.

``interpret-tui FILE --layer 5 --head 10`` shows what a colleague looked at. What an option sets,
how it is read and how it is written stand in one row of :data:`OPTIONS`, so that a command that is
copied always leads back to the view that it was copied from.

Nothing here is slow to import: the command line needs it before the first frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .. import state
from ..refusal import Refused
from ..state import Selection
from ..window import Window
from .naming import Unknown, among, harmless, named, not_found, number

if TYPE_CHECKING:
    from ..project import Project

Read = Callable[["Project", Selection, str], Selection]
Write = Callable[["Project", Selection], str]


class Option(NamedTuple):
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


# -- reading and writing values ----------------------------------------------------------------


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
        return _with(s, {field_name: among(what, words, there, known)})

    def write(p: Project, s: Selection) -> str:
        return named(getattr(s, field_name), names(p, s))

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
    shown = [view.replace("−", "-") for view in p.limits.views]
    raise not_found("view", words, [*shown, *(p.names if p.two else ())])


def _read_kind(p: Project, s: Selection, words: str) -> Selection:
    name = among("kind of attention", words, [kind.name for kind in p.kinds])
    return s if name == s.kind else state.choose_kind(s, p.limits, name)


def _read_layer(p: Project, s: Selection, words: str) -> Selection:
    layer = number("layer", words, p.limits.layers + 1)
    kind = p.limits.kind(s.kind)
    return _with(s, {"layer": layer, "head_layer": state.clamp(layer, kind.layers)})


def _read_head(p: Project, s: Selection, words: str) -> Selection:
    kind = p.limits.kind(s.kind)
    layer, dot, head = words.rpartition(".")
    row = number("attention layer", layer, kind.layers) if dot else s.head_layer
    return _with(s, {"head_layer": row, "head": number("head", head, kind.heads)})


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
    return _with(s, {"metric": among("metric", words, names, titles)})


def _read_measure(p: Project, s: Selection, words: str) -> Selection:
    names = p.limits.measures
    words = "tsne" if words.casefold() in ("t-sne", "map") and words not in names else words
    titles = [p.measure_title(name) for name in names]
    return _with(s, {"measure": among("distance", words, names, titles)})


def _read_example(p: Project, s: Selection, words: str) -> Selection:
    return state.choose_example(s, p.limits, _example_row(p, words))


def _example_row(p: Project, words: str) -> int:
    count = p.limits.examples
    if words.startswith("#"):
        return number("row", words[1:], count)
    ids = p.example_texts[0]
    for known in (words, p.id_prefix + words):  # the list leaves out what all begin with
        if known in ids:
            return ids.index(known)
    is_number = words.isascii() and words.isdecimal()
    if is_number and len(words) < 10 and int(words) < count:
        return int(words)
    ends = [row for row, known in enumerate(ids) if _ends_so(known, words)]
    if len(ends) == 1:
        return ends[0]
    if ends:
        some = ", ".join(ids[row] for row in ends[:3]) + (", ..." if len(ends) > 3 else "")
        raise Unknown(f"There is no example {words!r}; {len(ends)} ids end so: {some}.")
    if is_number:
        return number("example", words, count)
    raise not_found("example", words, ids)


def _ends_so(known: str, words: str) -> bool:
    """Whether an id ends with these words, after a separator."""
    before = known.removesuffix(words)
    return bool(words) and before != known and before[-1:] in {*"-_/.: "}


def _write_example(p: Project, s: Selection) -> str:
    return _example_name(p, s.example)


def _example_name(p: Project, row: int) -> str:
    name = str(p.a.examples.cell("id", row))
    usable = name and name != "none" and harmless(name) and not name.startswith("#")
    return name if usable and _example_row(p, name) == row else f"#{row}"


def _read_pinned(p: Project, s: Selection, words: str) -> Selection:
    return _with(s, {"pinned": None if words == "none" else _example_row(p, words)})


def _write_pinned(p: Project, s: Selection) -> str:
    return "none" if s.pinned is None else _example_name(p, s.pinned)


def _read_pair(p: Project, s: Selection, words: str) -> Selection:
    count = len(p.pairs_of(s.example))
    return _with(s, {"pair": number("pair", words, max(1, count))})


def _read_item(p: Project, s: Selection, words: str) -> Selection:
    found = p.items(s.example)
    item = number(p.a.meta.item or "item", words, max(1, len(found)))
    if not len(found):
        return s
    start, stop = found.tokens[item].tolist()
    return state.choose_item(s, item, start if stop > start else None)


def _read_range(p: Project, s: Selection, words: str) -> Selection:
    try:
        return state.set_range(s, words)
    except Refused as reason:
        raise Unknown(str(reason)) from None


def _write_range(p: Project, s: Selection) -> str:
    if s.head_range is None or s.head_range[0] != s.metric:
        return "auto"
    return f"{s.head_range[1]!r},{s.head_range[2]!r}"


def _read_share(p: Project, s: Selection, words: str) -> Selection:
    names = ("auto", *map(str, state.SHARES))
    found = among("share", words, names, ())
    return _with(s, {"share": None if found == "auto" else int(found)})


def _token(name: str) -> Option:
    """The token cursor, as query or as key: a number, a token's text, "all" or "none"."""

    def read(p: Project, s: Selection, words: str) -> Selection:
        if words in ("all", "none"):
            return _with(s, {name: state.ALL_TOKENS if words == "all" else None})
        texts = p.tokens(s.example).texts
        if not words.isdecimal() and words in texts:
            return _with(s, {name: texts.index(words)})
        return _with(s, {name: number("token", words, len(texts))})

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
        start = number("point", first, count)
        marked |= set(range(start, (number("point", last, count) if dash else start) + 1))
    return _with(s, {"marked": frozenset(marked), "scope": "marked" if marked else "all"})


def _write_marked(p: Project, s: Selection) -> str:
    runs: list[list[int]] = []
    for point in sorted(s.marked):
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _part(side: str) -> Option:
    """The part of a model's map that is shown."""
    name = f"window_{side}"

    def read(p: Project, s: Selection, words: str) -> Selection:
        try:
            return _with(s, {name: Window.read(words)})
        except ValueError as reason:
            raise Unknown(f"For --window-{side}, {reason}.") from None

    said = f"part of the map of {side.upper()}: how many times larger, and its middle (4@0.3,0.7)"
    return Option(
        f"window-{side}", (name,), "ZOOM@X,Y", said, read, lambda p, s: str(getattr(s, name))
    )


def _read_scope(p: Project, s: Selection, words: str) -> Selection:
    scope = among("scope", words, ("all", "filtered", "marked", "example"))
    if scope == "marked" and not s.marked:
        raise Unknown("--scope marked needs marked points: --marked 12,40-55")
    if scope == "filtered" and not s.narrowed:
        raise Unknown("--scope filtered needs a filter: --filter 'correct = false'")
    return _with(s, {"scope": scope})


def _listed(name: str, command: str, metavar: str, help_text: str) -> Option:
    """An option of the list of examples, which reads it as its key does."""

    def read(p: Project, s: Selection, words: str) -> Selection:
        from .. import commands, filters
        from ..slices import Slices

        try:
            if name == "filter" and "@" in words:
                words = filters.expand(words, Slices().by_name)
            return cast(Selection, getattr(commands, command)(p, s, words))
        except commands.Refused as reason:
            raise Unknown(f"--{name} {words}: {reason}") from None

    return Option(name, (name,), metavar, help_text, read, lambda p, s: str(getattr(s, name)))


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
        lambda p, s: named(s.kind, [kind.name for kind in p.kinds]),
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
        lambda p, s: named(s.metric, _metric_names(p, s)),
    ),
    _choice(
        "colour",
        "colouring",
        lambda p, s: p.limits.colourings,
        "column for the points",
        "column that colours the map",
        lambda p, name: p.colouring_title(name),
    ),
    _part("a"),
    _part("b"),
    _switch("path", "path", "draw the path of the chosen points through the layers on the map"),
    _choice(
        "density",
        "density",
        lambda p, s: state.DENSITIES,
        "density",
        f"show how many points a cell of the map holds: {', '.join(state.DENSITIES)}",
    ),
    Option(
        "measure",
        ("measure",),
        "NAME",
        "distance: cosine, euclid, tsne",
        _read_measure,
        lambda p, s: named(s.measure, p.limits.measures),
    ),
    _listed("filter", "filtered", "TEXT", "examples that the list shows: correct = false"),
    _listed("search", "searched", "TEXT", "words of their text or id, or /an expression/"),
    _listed("sort", "sorted_by", "NAME", "column of the list's order; -NAME from high to low"),
    Option(
        "example",
        ("example",),
        "ID",
        "example: its id, the end of that, or its row from 0 (#7 is always a row)",
        _read_example,
        _write_example,
    ),
    Option(
        "pinned",
        ("pinned",),
        "ID",
        "example that stays beside it, by id or number, or none",
        _read_pinned,
        _write_pinned,
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
    Option(
        "edges",
        ("edges",),
        "TOKENS",
        "edges in the attention table: of tokens (him), from (him >), to (> him)",
        lambda p, s, words: _with(s, {"edges": " ".join(words.split())}),
        lambda p, s: s.edges,
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
    _choice(
        "group",
        "grouping",
        lambda p, s: p.limits.groupings,
        "column that groups pairs or points",
        "column that makes the groups of the distances; marked: the marked points, the rest",
        lambda p, name: name.removeprefix("points: "),
    ),
    _switch("group-difference", "gap", "show the difference of the groups' distances"),
    Option(
        "scope",
        ("scope",),
        "NAME",
        "what averages go over: all, filtered, marked, example",
        _read_scope,
        lambda p, s: s.scope,
    ),
)
"""In the order in which they are applied: what others depend on comes first."""

BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}
