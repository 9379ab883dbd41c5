"""The open files and the questions panes ask of them: one model, or two compared as B − A.

Answers are cached by what they depend on. Nothing here draws, and nothing here knows Textual.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

import collateral
from collateral import Collateral, CollateralError, Tokens
from collateral.analysis.heads import ranked

from .state import VIEWS, Limits, Selection, View
from .views import attention as attention_views
from .views import distances as distance_views
from .views import example as example_views
from .views import heads as head_views
from .views.answers import (
    MAP_MEASURE,
    TROUBLE,
    AttentionGrid,
    DistanceView,
    Floats,
    HeadView,
    Ints,
    Mention,
    Missing,
    PairFacts,
    Side,
)
from .views.belonging import check_same_data

Answer = TypeVar("Answer")

_KEPT = 200


class Project:
    """One or two open collateral files that belong together.

    Attributes:
        a, b: the files; ``b`` is None with one file.
        names: display names of A and B.
    """

    def __init__(self, a: Collateral, b: Collateral | None, names: Sequence[str]) -> None:
        self.a, self.b = a, b
        self.names = tuple(names)
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._check_drawable()

    # -- life -------------------------------------------------------------------------------

    @classmethod
    def open(cls, paths: Sequence[str | os.PathLike[str]], names: Sequence[str] = ()) -> Project:
        """Opens one or two files.

        Raises:
            CollateralError: a file cannot be read, or the two do not belong together; the message
                says what differs.
        """
        files: list[Collateral] = []
        try:
            files.extend(collateral.open(path) for path in paths)
            if len(files) == 2:
                check_same_data(files[0], files[1])
            shown = [*names, *(_name(path) for path in paths[len(names) :])]
            return cls(files[0], files[1] if len(files) == 2 else None, shown)
        except BaseException:
            for file in files:
                file.close()
            raise

    def close(self) -> None:
        """Closes the files."""
        self.a.close()
        if self.b is not None:
            self.b.close()

    def _check_drawable(self) -> None:
        if not len(self.a.examples):
            raise CollateralError(self.a.path, "has no examples", "Extract it from some data.")

    # -- what there is ----------------------------------------------------------------------

    @property
    def two(self) -> bool:
        """Whether two models are compared."""
        return self.b is not None

    def file(self, side: Side) -> Collateral:
        """The file of model A or B."""
        return self.b if side == "B" and self.b is not None else self.a

    def side(self, view: View) -> Side:
        """The model whose map and columns stand for a view: B for B − A."""
        return "A" if view == "A" else "B"

    def name(self, side: Side) -> str:
        """Display name of a model."""
        return self.names[1 if side == "B" and self.two else 0]

    def describe(self, view: View) -> str:
        """The view with names: "A base", "B tuned", "B−A tuned − base"."""
        if view == "B−A":
            return f"B−A {self.name('B')} − {self.name('A')}"
        return f"{view} {self.name(view)}" if self.two else self.name("A")

    def short(self, view: View) -> str:
        """The view for titles, where there is little room: "A base", "B−A"; the name if alone."""
        return "B−A" if view == "B−A" else self.describe(view)

    @cached_property
    def limits(self) -> Limits:
        """How far a selection can go."""
        model = self.a.meta.model
        pairs = np.bincount(self.pair_examples, minlength=len(self.a.examples)).tolist()
        colourings = [n for n, kind in self.a.points.columns.items() if kind != "text"]
        groupings = [
            name
            for name in self.a.pairs.columns
            if self.a.pairs.columns[name] in ("categorical", "boolean")
        ]
        metrics = self.a.metrics
        measures, mapped = list(self.a.measures), bool(self.a.mapped_layers)
        if self.b is not None:
            both = self.b
            metrics = {name: m for name, m in metrics.items() if name in both.metrics}
            colourings = [name for name in colourings if name in both.points]
            groupings = [name for name in groupings if name in both.pairs]
            measures = [name for name in measures if name in both.measures]
            mapped = mapped and bool(both.mapped_layers)
        return Limits(
            views=VIEWS if self.two else ("A",),
            layers=model.layers,
            heads=model.heads,
            examples=len(self.a.examples),
            metrics=tuple(metrics),
            colourings=tuple(colourings),
            measures=(*measures, *((MAP_MEASURE,) if mapped else ())),
            groupings=tuple(groupings),
            pair_counts=pairs,
        )

    def first_selection(self) -> Selection:
        """What is shown on opening: the last layer, the head that stands out, an attended text."""
        limits = self.limits
        pair_metrics = [n for n in limits.metrics if self.a.metrics[n].unit == "pair"]
        preferred = [n for n in pair_metrics if "pronoun_candidate" in n] or pair_metrics
        metric = (preferred or list(limits.metrics) or [""])[0]
        attended = self.attended
        chosen = Selection(
            view=limits.views[-1],
            example=min(attended, default=0),
            layer=limits.layers,
            head_layer=limits.layers - 1,
            metric=metric,
            colouring=self._first_colouring(),
            measure=limits.measures[0] if limits.measures else "",
            grouping=self._first_grouping(),
        )
        with contextlib.suppress(Missing):
            values = self.head_view(chosen).values
            top = ranked(values, 1, by_magnitude=self.two)
            if top:
                layer, head, _ = top[0]
                return Selection(**(vars(chosen) | {"head_layer": layer, "head": head}))
        return chosen

    def _first_colouring(self) -> str:
        points = self.file("B").points
        for role in ("prediction", "gold"):
            name = points.with_role(role)
            if name and (points.codes(name)[0] >= 0).any():
                return name
        return self.limits.colourings[0] if self.limits.colourings else ""

    def _first_grouping(self) -> str:
        pairs = self.file("B").pairs
        for role in ("prediction", "gold"):
            name = pairs.with_role(role)
            if name in self.limits.groupings and name and (pairs.codes(name)[0] >= 0).any():
                return name
        return self.limits.groupings[0] if self.limits.groupings else ""

    # -- tables -----------------------------------------------------------------------------

    @cached_property
    def pair_examples(self) -> Ints:
        """Example row of each pair."""
        return self.a.pair_examples

    @cached_property
    def point_examples(self) -> Ints:
        """Example row of each point, in rising order."""
        return self.a.point_examples

    @cached_property
    def attended(self) -> frozenset[int]:
        """Rows of the examples with attention stored in every file."""
        rows = frozenset(self.a.attention_examples())
        return rows & frozenset(self.b.attention_examples()) if self.b is not None else rows

    @cached_property
    def example_texts(self) -> tuple[list[str], list[str]]:
        """Ids and texts of all examples."""
        return self.a.examples["id"], self.a.examples["text"]

    def example_head(self, row: int) -> tuple[str, str]:
        """Id and text (white space squeezed) of one example; reads only its part of the file."""
        examples = self.a.examples
        return str(examples.cell("id", row)), " ".join(str(examples.cell("text", row)).split())

    @cached_property
    def id_prefix(self) -> str:
        """What all ids begin with, up to a separator: lists may leave it out."""
        ids = self.example_texts[0]
        both = zip(min(ids), max(ids), strict=False)  # what these two share, all share
        common = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], both))
        end = max((common.rfind(mark) for mark in "-_/.: "), default=-1)
        return common[: end + 1] if len(ids) > 1 else ""

    def correct(self, side: Side, row: int) -> bool | None:
        """Whether a model got an example right; None if that is unknown."""
        examples = self.file(side).examples
        column = examples.with_role("correct")
        value = examples.cell(column, row) if column else None
        return value if isinstance(value, bool) else None

    def marked_examples(self, s: Selection) -> frozenset[int]:
        """Rows of the examples that have a marked point."""
        if not s.marked:
            return frozenset()
        key = ("marked", s.marked)
        rows = np.fromiter(s.marked, dtype=np.int64)
        return self.once(key, lambda: frozenset(self.point_examples[rows].tolist()))

    def pairs_of(self, example: int) -> range:
        """Rows of the pairs of one example (they are stored together, in order)."""
        return _rows_of(self.pair_examples, example)

    def points_of(self, example: int) -> range:
        """Rows of the points of one example."""
        return _rows_of(self.point_examples, example)

    def pair(self, s: Selection) -> int | None:
        """Row of the selected pair, None if the example has none."""
        pairs = self.pairs_of(s.example)
        return pairs[min(s.pair, len(pairs) - 1)] if pairs else None

    def spans(self, s: Selection) -> list[tuple[int, int]]:
        """Token ranges of the two spans of the selected pair; empty without a pair."""
        pair = self.pair(s)
        if pair is None:
            return []
        return [(int(start), int(stop)) for start, stop in self.pair_tokens[pair]]

    @cached_property
    def pair_tokens(self) -> Ints:
        """Token ranges of the two spans of each pair, [pairs, 2, 2]."""
        return self.a.pair_tokens

    def mentions(self, example: int) -> list[Mention]:
        """The points of an example, grouped by the span they belong to, in token order."""
        return example_views.mentions(self, example)

    @cached_property
    def point_tokens(self) -> Ints:
        """Token range of each point, [points, 2]."""
        return self.a.point_tokens

    def point_words(self, side: Side, point: int, column: str) -> str:
        """A point in words: its text, its value in a column, and the text that it stands in."""
        return example_views.point_words(self, side, point, column)

    def pair_facts(self, example: int) -> list[PairFacts]:
        """The pairs of an example with what each model says."""
        return example_views.pair_facts(self, example)

    def classes(self, side: Side, column: str) -> tuple[Ints, tuple[str, ...]]:
        """A categorical or boolean column of the points: codes (-1 unknown), labels."""
        return self.codes("points", side, column)

    def codes(
        self, table: Literal["points", "pairs"], side: Side, column: str
    ) -> tuple[Ints, tuple[str, ...]]:
        """Codes in an order that is the same for A and B, for points and pairs.

        A label then keeps its colour everywhere: the labels of the pairs' gold column come first.
        """
        return self.once(("codes", table, side, column), lambda: self._codes(table, side, column))

    def _codes(
        self, table: Literal["points", "pairs"], side: Side, column: str
    ) -> tuple[Ints, tuple[str, ...]]:
        tables = [getattr(f, table) for f in (self.a, self.b) if f is not None]
        codes, own = getattr(self.file(side), table).codes(column)
        if tables[0].columns[column] == "boolean":
            title = tables[0].describe(column).title or column
            return codes, (f"not {title}", title)
        first = frozenset(self._gold_labels)
        union = {label for t in tables for label in t.labels(column)}
        labels = tuple(sorted(union, key=lambda label: (label not in first, label)))
        places = np.array([*(labels.index(label) for label in own), -1], dtype=np.int32)
        return places[codes], labels

    @cached_property
    def _gold_labels(self) -> tuple[str, ...]:
        gold = self.a.pairs.with_role("gold")
        return self.a.pairs.labels(gold) if gold else ()

    def point_title(self, column: str) -> str:
        """A column of the points, for people."""
        return (self.a.points.describe(column).title or column) if column else "nothing"

    def numbers(self, side: Side, column: str) -> Floats:
        """A continuous column of the points."""
        return self.once(
            ("numbers", side, column),
            lambda: np.asarray(self.file(side).points[column], dtype=np.float32),
        )

    def coordinates(self, side: Side, layer: int) -> Floats:
        """The map of a hidden state.

        Raises:
            Missing: the file has no map of that layer.
        """
        file = self.file(side)
        if layer not in file.mapped_layers:
            raise Missing(f"No t-SNE map of layer {layer} is stored; extract the file with maps.")
        return self.once(("map", side, layer), lambda: file.coordinates(layer))

    # -- heads ------------------------------------------------------------------------------

    def scope(self, s: Selection) -> frozenset[int] | None:
        """Rows of the examples that averages are over; None for all."""
        if s.scope == "example":
            return frozenset((s.example,))
        if s.scope == "marked":
            return self.marked_examples(s)
        return None

    def head_view(self, s: Selection) -> HeadView:
        """The chosen metric for every head, averaged over the scope, for the chosen view.

        Raises:
            Missing: the files have no head metrics.
        """
        return head_views.head_view(self, s)

    def scope_key(self, s: Selection, unit: str) -> Hashable:
        """What an average of units depends on, for keeping it."""
        if s.scope == "example":
            return (s.example, s.pair if unit == "pair" else None)
        return (s.scope, s.marked if s.scope == "marked" else None)

    def metric(self, side: Side, name: str) -> Floats:
        """A head metric of one model, [units, layers, heads]."""
        return self.once(("metric", side, name), lambda: self.file(side).head_metric(name))

    # -- attention --------------------------------------------------------------------------

    def attention(self, s: Selection) -> AttentionGrid:
        """The chosen head's attention over the chosen example, for the chosen view.

        Raises:
            Missing: it is not stored for this example.
        """
        return attention_views.attention(self, s)

    def tokens(self, example: int) -> Tokens:
        """Tokens of an example (the same in both files)."""
        return self.once(("tokens", example), lambda: self.a.tokens(example))

    # -- distances --------------------------------------------------------------------------

    def distance_view(self, s: Selection) -> DistanceView:
        """Distance between the spans of each pair, per layer and group, for the chosen view.

        Raises:
            Missing: no pairs, no distances, or no groups.
        """
        return distance_views.distance_view(self, s)

    def distance_ready(self, s: Selection) -> bool:
        """Whether :meth:`distance_view` answers within a moment."""
        return distance_views.distance_ready(self, s)

    def measure_title(self, name: str) -> str:
        """Title of a distance measure."""
        if name == MAP_MEASURE:
            return "t-SNE distance"
        measure = self.a.measures[name]
        return measure.title or measure.name

    # -- inside -----------------------------------------------------------------------------

    def has(self, key: Hashable) -> bool:
        """Whether the answer for ``key`` is kept."""
        return key in self._cache

    def once(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer for ``key``, made once and kept while it is among those used last."""
        with self._lock:  # a thread may be preparing another pane's picture
            if key in self._cache:
                self._cache.move_to_end(key)
                found: Answer | _Failed = self._cache[key]
                return _answer(found)
        try:
            made: Answer | _Failed = make()
        except TROUBLE as error:
            made = _Failed(error)  # kept as well: asking again would only take as long again
        with self._lock:
            self._cache[key] = made
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return _answer(made)


class _Failed:
    """Why there is no answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _answer(kept: Answer | _Failed) -> Answer:
    if isinstance(kept, _Failed):
        raise kept.error.with_traceback(None)
    return kept


def _name(path: str | os.PathLike[str]) -> str:
    return Path(path).stem


def _rows_of(owners: Ints, example: int) -> range:
    start, stop = np.searchsorted(owners, [example, example + 1]).tolist()
    return range(start, stop)
