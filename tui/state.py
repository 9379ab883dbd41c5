"""What is being looked at: one frozen value, and pure functions that make the next one.

Nothing here knows Textual or numpy. The main screen holds one :class:`Selection`; panes draw what
it says and ask for another.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from .refusal import Refused
from .window import WHOLE, Window

View = Literal["A", "B", "B−A"]
Scope = Literal["all", "filtered", "marked", "example"]
AttentionView = Literal["matrix", "map", "table", "heads", "layer", "layers"]
Combine = Literal["head", "layer-mean", "layer-maximum", "mean", "maximum"]
Density = Literal["auto", "on", "off"]

Choice = TypeVar("Choice", bound=str)

VIEWS: tuple[View, ...] = ("A", "B", "B−A")
ATTENTION_VIEWS: tuple[AttentionView, ...] = (
    "matrix",
    "map",
    "table",
    "heads",
    "layer",
    "layers",
)
COMBINES: tuple[Combine, ...] = ("head", "layer-mean", "layer-maximum", "mean", "maximum")
SHARES = (50, 70, 80, 90, 95, 99, 100)
"""Percent of each row of attention whose edges can be shown."""
DENSITIES: tuple[Density, ...] = ("auto", "on", "off")

ALL_TOKENS = -1

MARKED = "marked"
"""The grouping of the distance pane that compares the marked points with all others."""


class KindLimits(NamedTuple):
    """One kind of attention: its size, and the head metrics that were made of it."""

    name: str
    layers: int
    heads: int
    metrics: tuple[str, ...]


class Limits(NamedTuple):
    """How far a selection can go, read from the files once.

    Attributes:
        layers: layers L whose hidden states are on the map; these go from 0 to L.
        heads: attention heads of such a layer.
        metrics: head metrics of all kinds of attention.
        pair_counts: number of pairs of each example.
        kinds: the kinds of attention; empty stands for one kind of that size.
    """

    views: tuple[View, ...]
    layers: int
    heads: int
    examples: int
    metrics: tuple[str, ...]
    colourings: tuple[str, ...]
    measures: tuple[str, ...]
    groupings: tuple[str, ...]
    pair_counts: Sequence[int] = ()
    kinds: tuple[KindLimits, ...] = ()

    def kind(self, name: str) -> KindLimits:
        """The kind of attention with this name, the first if there is none."""
        if not self.kinds:
            return KindLimits(name, self.layers, self.heads, self.metrics)
        return next((kind for kind in self.kinds if kind.name == name), self.kinds[0])


@dataclass(frozen=True)
class Selection:
    """Everything that the panes show depends on this and on the files, on nothing else.

    Attributes:
        view: model A, model B, or their difference, always B − A.
        example: row of the example.
        pair: which of the example's pairs, from 0.
        item: which of the example's items (words, labels, tokens), from 0. If the query is another
            item's token, that item counts.
        pinned: row of the example that stays beside the chosen one; None for none.
        marked: rows of the marked points.
        scope: what averages are over: all examples, those that the list shows, those of the marked
            points, or this one.
        layer: hidden state of the map, 0 (embeddings) to L.
        kind: which attention: "self", or "encoder", "decoder", "cross".
        head_layer, head: the attention head, written ``head_layer.head``.
        query, key: token cursor of the attention pane; None for the first tokens of the chosen
            pair, ``ALL_TOKENS`` for no token in particular.
        colouring: column of the points, or of their examples, that colours the map.
        window_a, window_b: which part of the map of A and of B is shown.
        path: show where the chosen points go from map to map, through the layers.
        density: the map shows how many points a cell holds; "auto" where they are crowded.
        measure: "tsne" or a measure of the file.
        share: percent of each row that the edges shown make up, one of ``SHARES``; None leaves it
            to the pane.
        combine: attention of the head, or the mean or maximum of the heads of its layer or of all.
        grouping: what makes the groups of the distance pane: a column of the pairs, or "points: "
            and a colouring of the points, or ``MARKED``.
        gap: the distance pane shows the difference of its groups.
        edges: tokens whose edges the table of attention shows: "him", "him >" (as query), "> him"
            (as key), "him > Fred"; "" for all.
        ranked: the head pane is a list of heads by value, not a grid.
        head_range: metric and ends of the colour range that was set by hand; None for none.
        hide_special: leave special tokens out of the attention pane (a view; weights stay as are).
        weighted: show weights times the norm of the value that each key adds.
        filter: condition on the examples that the list shows (see ``tui.filters``); "" for all.
        search: what their id or text must contain, ``/.../`` for a regular expression; "" for all.
        sort: column by which the list is sorted, with "-" before it from high to low; "" as stored.
    """

    view: View = "A"
    example: int = 0
    pair: int = 0
    item: int = 0
    pinned: int | None = None
    marked: frozenset[int] = frozenset()
    scope: Scope = "all"
    layer: int = 0
    kind: str = "self"
    head_layer: int = 0
    head: int = 0
    metric: str = ""
    colouring: str = ""
    window_a: Window = WHOLE
    window_b: Window = WHOLE
    path: bool = False
    density: Density = "auto"
    measure: str = "cosine"
    grouping: str = ""
    gap: bool = False
    attention_view: AttentionView = "map"
    query: int | None = None
    key: int | None = None
    share: int | None = None
    combine: Combine = "head"
    edges: str = ""
    ranked: bool = False
    head_range: tuple[str, float, float] | None = None
    hide_special: bool = False
    weighted: bool = False
    filter: str = ""
    search: str = ""
    sort: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether the list shows some of the examples only."""
        return bool(self.filter or self.search)

    @property
    def head_name(self) -> str:
        """The head as it is written everywhere: layer.head, both from 0."""
        return f"{self.head_layer}.{self.head}"


def set_range(s: Selection, words: str) -> Selection:
    """The colour range of the head metric, from what was typed: two numbers, or "auto".

    Raises:
        Refused: it is neither.
    """
    parts = words.replace(",", " ").replace("\u2212", "-").split()
    if parts in ([], ["auto"]):
        return dataclasses.replace(s, head_range=None)
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and s.view == "B\u2212A":
        numbers = [-abs(numbers[0]), abs(numbers[0])]
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)) or numbers[0] >= numbers[1]:
        raise Refused("A colour range is two numbers, the lower one first, as in: 0 0.5; or auto.")
    return dataclasses.replace(s, head_range=(s.metric, numbers[0], numbers[1]))


def clamp(value: int, count: int) -> int:
    """``value`` moved into 0 .. count - 1 (0 if there is nothing)."""
    return max(0, min(value, count - 1))


def valid(s: Selection, limits: Limits) -> Selection:
    """The nearest selection that the files allow."""
    example = clamp(s.example, limits.examples)
    kind = limits.kind(s.kind)
    return dataclasses.replace(
        s,
        view=s.view if s.view in limits.views else limits.views[-1],
        example=example,
        pair=clamp(s.pair, limits.pair_counts[example] if limits.pair_counts else 0),
        item=max(0, s.item),
        scope=s.scope if s.scope in _scopes(s) else "all",
        pinned=None if s.pinned is None else clamp(s.pinned, limits.examples),
        layer=clamp(s.layer, limits.layers + 1),
        kind=kind.name,
        head_layer=clamp(s.head_layer, kind.layers),
        head=clamp(s.head, kind.heads),
        metric=_metric(s.metric, kind, limits),
        colouring=_among(s.colouring, limits.colourings),
        window_a=s.window_a.inside(),
        window_b=s.window_b.inside(),
        measure=_among(s.measure, limits.measures),
        share=s.share if s.share is None else min(SHARES, key=lambda n: abs(n - (s.share or 0))),
        combine=s.combine if s.combine in COMBINES else COMBINES[0],
        grouping=_among(s.grouping, groupings(s, limits)),
    )


def step_layer(s: Selection, limits: Limits, step: int) -> Selection:
    """Moves the map by ``step`` hidden states; the head's layer goes as many layers along.

    Attention layer l reads hidden state l, so the last state, L, has attention layer L - 1: a head
    of the map's layer stays one. A head of another layer keeps its distance, as far as there are
    layers, so that a step back undoes a step.
    """
    layer, layers = clamp(s.layer + step, limits.layers + 1), limits.kind(s.kind).layers
    moved = clamp(layer, layers) - clamp(s.layer, layers)
    return dataclasses.replace(s, layer=layer, head_layer=clamp(s.head_layer + moved, layers))


def step_head(s: Selection, limits: Limits, step: int) -> Selection:
    """The next head in reading order: after a layer's last head comes the next layer's first."""
    kind = limits.kind(s.kind)
    flat = clamp(s.head_layer * kind.heads + s.head + step, kind.layers * kind.heads)
    layer, head = divmod(flat, max(1, kind.heads))
    return dataclasses.replace(s, head_layer=layer, head=head)


def move_head(s: Selection, limits: Limits, layers: int, heads: int) -> Selection:
    """Moves the head inside the grid, stopping at its edges; the map's layer stays."""
    kind = limits.kind(s.kind)
    return dataclasses.replace(
        s,
        head_layer=clamp(s.head_layer + layers, kind.layers),
        head=clamp(s.head + heads, kind.heads),
    )


def choose_kind(s: Selection, limits: Limits, name: str) -> Selection:
    """Another kind of attention, the same metric if it has that; its tokens are others."""
    return valid(dataclasses.replace(s, kind=name, query=None, key=None), limits)


def choose_example(s: Selection, limits: Limits, example: int, pair: int = 0) -> Selection:
    """Another example; its first pair and item, and no token chosen."""
    example = clamp(example, limits.examples)
    if (example, pair) == (s.example, s.pair):
        return s
    changed = dataclasses.replace(s, example=example, pair=pair)
    if example != s.example:
        changed = dataclasses.replace(changed, item=0, query=None, key=None)
    return valid(changed, limits)


def choose_tokens(s: Selection, query: int | None, key: int | None) -> Selection:
    """Another token cursor of the attention pane."""
    return dataclasses.replace(s, query=query, key=key)


def choose_item(s: Selection, item: int, token: int | None) -> Selection:
    """Another item of the same example, and its first token as query; None if it has no token."""
    return dataclasses.replace(s, item=max(0, item), query=token, key=None)


def pin(s: Selection) -> Selection:
    """Pins the chosen example, or takes the pin away from it."""
    return dataclasses.replace(s, pinned=None if s.pinned == s.example else s.example)


def step_pair(s: Selection, limits: Limits, step: int) -> Selection:
    """Another pair of the same example."""
    return choose_example(s, limits, s.example, max(0, s.pair + step))


def toggle_marks(s: Selection, points: Iterable[int]) -> Selection:
    """Marks these points, or unmarks them if all were marked; averages follow the marks."""
    chosen = frozenset(points)
    marked = s.marked - chosen if chosen <= s.marked else s.marked | chosen
    scope: Scope = "marked" if marked else "all"
    return dataclasses.replace(s, marked=marked, scope=scope)


def clear_marks(s: Selection) -> Selection:
    """Unmarks everything; averages that were over it are over all examples again."""
    scope: Scope = "all" if s.scope == "marked" else s.scope
    return dataclasses.replace(s, marked=frozenset(), scope=scope)


def clear_filter(s: Selection) -> Selection:
    """Shows all examples in the list; averages that were over fewer are over all again."""
    scope: Scope = "all" if s.scope == "filtered" else s.scope
    return dataclasses.replace(s, filter="", search="", scope=scope)


def step_share(s: Selection, now: int, step: int) -> Selection:
    """The next larger or smaller share of each row, from the one that is shown now."""
    place = min(range(len(SHARES)), key=lambda n: abs(SHARES[n] - now))
    return dataclasses.replace(s, share=SHARES[clamp(place + step, len(SHARES))])


def step_scope(s: Selection) -> Selection:
    """Averages over: all examples, the list's, the marked points' (if any), this example."""
    return dataclasses.replace(s, scope=after(s.scope, _scopes(s)))


def _scopes(s: Selection) -> tuple[Scope, ...]:
    """What averages can be over now."""
    some: dict[Scope, bool] = {
        "all": True,
        "filtered": s.narrowed,
        "marked": bool(s.marked),
        "example": True,
    }
    return tuple(scope for scope, there in some.items() if there)


def groupings(s: Selection, limits: Limits) -> tuple[str, ...]:
    """What can group the distance pane now: the marked points only if there are any.

    Where nothing else could, they are offered all the same: the pane then says what to mark.
    """
    others = tuple(name for name in limits.groupings if name != MARKED)
    return limits.groupings if s.marked or not others else others


def after(value: Choice, options: Sequence[Choice], step: int = 1) -> Choice:
    """The option that follows ``value``, going round; the first if ``value`` is none of them."""
    if value not in options:
        return options[0] if options else value
    return options[(options.index(value) + step) % len(options)]


def _metric(name: str, kind: KindLimits, limits: Limits) -> str:
    """The metric, or its like for this kind: "cross:std" where "encoder:std" was chosen."""
    prefix, _, rest = name.partition(":")
    like = f"{kind.name}:{rest}" if any(k.name == prefix for k in limits.kinds) else name
    return _among(like if name not in kind.metrics else name, kind.metrics)


def _among(value: str, options: Sequence[str]) -> str:
    return value if value in options or not options else options[0]


@dataclass
class History:
    """Undo and redo of selections.

    A run of moves of the token cursor is one entry, and so is a run of moves of the map.
    """

    past: list[Selection] = field(default_factory=list)
    future: list[Selection] = field(default_factory=list)
    limit: int = 500
    _run: frozenset[str] = frozenset()

    def record(self, old: Selection, new: Selection) -> None:
        """Remembers that ``old`` became ``new``."""
        changed = changed_fields(old, new)
        if not changed:
            return
        run = next((fields for fields in _RUNS if changed <= fields), frozenset())
        if not (run and run == self._run and self.past):
            self.past.append(old)
            del self.past[: -self.limit]
        self._run = run
        self.future.clear()

    def undo(self, now: Selection) -> Selection | None:
        """The selection before this one, or None."""
        return self._turn(self.past, self.future, now)

    def redo(self, now: Selection) -> Selection | None:
        """The selection that was undone last, or None."""
        return self._turn(self.future, self.past, now)

    def _turn(
        self, source: list[Selection], target: list[Selection], now: Selection
    ) -> Selection | None:
        if not source:
            return None
        target.append(now)
        self._run = frozenset()
        return source.pop()


_RUNS: tuple[frozenset[str], ...] = (
    frozenset({"query", "key", "item"}),
    frozenset({"window_a", "window_b"}),
)


def changed_fields(old: Selection, new: Selection) -> frozenset[str]:
    """Names of the fields in which two selections differ."""
    names = (f.name for f in dataclasses.fields(old))
    return frozenset(name for name in names if getattr(old, name) != getattr(new, name))
