"""The open files and the questions panes ask of them: one model, or two compared as B − A.

Answers are cached by what they depend on. Nothing here draws, and nothing here knows Textual.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

import collateral
from collateral import AttentionKind, Collateral, CollateralError, Metric, Tokens

from . import pieces
from .kept import Kept
from .state import Limits, Selection, View
from .views import attention as attention_views
from .views import distances as distance_views
from .views import example as example_views
from .views import heads as head_views
from .views import items as item_views
from .views import labels, listing, opening
from .views import points as point_views
from .views.answers import (
    MAP_MEASURE,
    VECTOR_MEASURES,
    AttentionGrid,
    DistanceView,
    Field,
    Floats,
    HeadView,
    Ints,
    ItemRows,
    Mention,
    Missing,
    PairFacts,
    Side,
    Tag,
)
from .views.belonging import check_same_data

Answer = TypeVar("Answer")
TableName = Literal["examples", "points", "pairs", "items"]


class Project:
    """One or two open collateral files that belong together.

    Attributes:
        a, b: the files; ``b`` is None with one file.
        names: display names of A and B.
        kept: answers that were given.
    """

    def __init__(self, a: Collateral, b: Collateral | None, names: Sequence[str]) -> None:
        self.a, self.b = a, b
        self.names = tuple(names)
        self.kept = Kept()
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

    @property
    def sides(self) -> tuple[Side, ...]:
        """The models that are open."""
        return ("A", "B") if self.two else ("A",)

    @property
    def files(self) -> tuple[Collateral, ...]:
        """The open files."""
        return (self.a,) if self.b is None else (self.a, self.b)

    def models(self, view: View) -> tuple[Side, ...]:
        """The models that a view is made of: both for B − A."""
        return ("A", "B") if view == "B−A" else (self.side(view),)

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
        return opening.limits(self)

    def first_selection(self) -> Selection:
        """What is shown on opening: the last layer, the head that stands out, an attended text."""
        return opening.first_selection(self)

    @cached_property
    def kinds(self) -> tuple[AttentionKind, ...]:
        """The kinds of attention, the same in all files."""
        return self.a.meta.attention

    @cached_property
    def unused(self) -> frozenset[str]:
        """Actions that these files have no use for: the footer leaves them out."""
        one = {"kind"} if len(self.kinds) < 2 else set()
        norms = any(self.a.value_norm_examples(kind.name) for kind in self.kinds)
        vectors = any(file.vectors.layers for file in self.files)
        return frozenset(
            one | (set() if norms else {"weighted"}) | (set() if vectors else {"nearest"})
        )

    def kind_tokens(self, example: int, kind: str) -> tuple[range, range]:
        """The tokens of an example that are queries and keys of a kind of attention."""
        return self.once(("sides", example, kind), lambda: self._kind_tokens(example, kind))

    def _kind_tokens(self, example: int, kind: str) -> tuple[range, range]:
        found = self.a.meta.kind(kind)
        sides = (found.queries, found.keys) if found is not None else ("text", "text")
        queries, keys = (self.a.side(example, side) for side in sides)
        return queries, keys

    def source(self, example: int) -> int | None:
        """How many of an example's tokens are the source's; None without source and target."""
        return self.once(("source", example), lambda: self.a.source_tokens(example))

    # -- tables -----------------------------------------------------------------------------

    @cached_property
    def pair_examples(self) -> Ints:
        """Example row of each pair."""
        return self.a.pair_examples

    @cached_property
    def points(self) -> point_views.Points:
        """The points of all files, each with the number that selections know it by."""
        return point_views.points(self.a, self.b)

    def point_row(self, side: Side, point: int) -> int:
        """Row of a point in a model's file; -1 if it has none."""
        rows = self.points.rows[side]
        return point if rows is None else int(rows[point])

    def point_rows(self, side: Side, points: Collection[int]) -> Ints:
        """Rows of points in a model's file, without those that it does not have."""
        numbers = point_views.numbered(self, points)
        rows = self.points.rows[side]
        found = numbers if rows is None else rows[numbers]
        return found[found >= 0]

    def point_number(self, side: Side, row: int) -> int:
        """Number of the point in a row of a model's file."""
        numbers = self.points.numbers[side]
        return row if numbers is None else int(numbers[row])

    @cached_property
    def attended(self) -> frozenset[int]:
        """Rows of the examples with some attention stored in every file."""
        names = [kind.name for kind in self.kinds]
        stored = [{row for name in names for row in f.attention_examples(name)} for f in self.files]
        return frozenset(set.intersection(*stored))

    @cached_property
    def example_texts(self) -> tuple[list[str], list[str]]:
        """Ids and texts of all examples."""
        return self.a.examples["id"], self.a.examples["text"]

    def example_head(self, row: int) -> tuple[str, str]:
        """Id and text (white space squeezed) of one example; reads only its part of the file."""
        read = self.example_texts if "example_texts" in self.__dict__ else None
        return example_views.head(self, row, read)

    @cached_property
    def id_prefix(self) -> str:
        """What all ids begin with, up to a separator: lists may leave it out."""
        return example_views.common_start(self.a.examples["id"])

    def correct(self, side: Side, row: int) -> bool | None:
        """Whether a model got an example right; None if that is unknown."""
        return example_views.correct(self, side, row)

    def score(self, side: Side, row: int) -> float | None:
        """The score of an example, NaN where unknown; None if the file has no scores."""
        return example_views.score(self, side, row)

    @cached_property
    def score_column(self) -> str | None:
        """The column with the score of each example, if all files have it."""
        return example_views.score_column(self)

    @property
    def score_title(self) -> str:
        """What the score of an example is, for people; "" if there are none."""
        name = self.score_column
        return (self.a.examples.describe(name).title or name) if name else ""

    def marked_examples(self, s: Selection) -> frozenset[int]:
        """Rows of the examples that have a marked point."""
        return point_views.marked_examples(self, s.marked)

    def pairs_of(self, example: int) -> range:
        """Rows of the pairs of one example (they are stored together, in order)."""
        return _rows_of(self.pair_examples, example)

    def points_of(self, example: int) -> range:
        """Numbers of the points of one example."""
        return _rows_of(self.points.examples, example)

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
        return point_views.mentions(self, example)

    def point_words(self, side: Side, point: int, colouring: str) -> str:
        """A point in words: its text, its value in a column, and the text that it stands in."""
        return point_views.point_words(self, side, point, colouring)

    def items(self, example: int) -> ItemRows:
        """The items of an example: the rows of its summary table."""
        return item_views.items(self, example)

    def item(self, s: Selection) -> int | None:
        """The item that is looked at; None if the example has none."""
        return item_views.current(self, s)

    def settled(self, s: Selection) -> Selection:
        """The selection with the item that its query token belongs to, and a list of examples."""
        s = listing.settled(self, s)
        item = self.item(s)
        return s if item is None or item == s.item else replace(s, item=item)

    def item_span(self, s: Selection) -> tuple[int, int] | None:
        """Its token range; None without one."""
        return item_views.span(self, s)

    def tags(self, side: Side, example: int) -> list[Tag]:
        """The words of an example that gold or a model gave a tag, in order."""
        return item_views.tags(self, side, example)

    def fields(self, example: int) -> list[Field]:
        """The further columns of an example: label and predictions first, long texts last."""
        return example_views.fields(self, example)

    def pair_facts(self, example: int) -> list[PairFacts]:
        """The pairs of an example with what each model says."""
        return example_views.pair_facts(self, example)

    def classes(self, side: Side, colouring: str) -> tuple[Ints, tuple[str, ...]]:
        """A categorical or boolean colouring of the points: codes (-1 unknown), labels."""
        return point_views.classes(self, side, colouring)

    def codes(self, table: TableName, side: Side, column: str) -> tuple[Ints, tuple[str, ...]]:
        """Codes in an order that is the same for A and B, in all tables.

        A label then keeps its colour everywhere: the labels of the pairs' gold column come first.
        """
        key = ("codes", table, side, column)
        return self.once(key, lambda: labels.codes(self, table, side, column))

    def colouring_title(self, colouring: str) -> str:
        """A colouring, for people."""
        return point_views.colouring_title(self, colouring)

    def is_continuous(self, colouring: str) -> bool:
        """Whether a colouring goes by numbers, not by classes."""
        return point_views.is_continuous(self, colouring)

    def numbers(self, side: Side, colouring: str) -> Floats:
        """A continuous colouring of the points."""
        return point_views.numbers(self, side, colouring)

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

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The head metrics that all files have, those of the whole data set last."""
        units = {n: m for n, m in self.a.metrics.items() if self.b is None or n in self.b.metrics}
        return {**units, **self.summaries}

    @cached_property
    def summaries(self) -> dict[str, Metric]:
        """The head metrics of the whole data set that all files have.

        One that is called like another metric gets a name of its own here.
        """
        both = self.b.summaries if self.b is not None else self.a.summaries
        return {
            f"summary:{name}" if name in self.a.metrics else name: metric
            for name, metric in self.a.summaries.items()
            if name in both
        }

    def metric_title(self, name: str) -> str:
        """A head metric, for people; "whole data set" says that it is no average."""
        metric = self.metrics[name]
        whole = " · whole data set" if name in self.summaries else ""
        return f"{metric.title or name}{whole}"

    def baseline(self, side: Side, name: str) -> float | None:
        """What an uninformative head would score, as a model's file says; None if unknown."""
        file = self.file(side)
        described = file.summaries if name in self.summaries else file.metrics
        return described[self.metrics[name].name].baseline

    def scope(self, s: Selection) -> frozenset[int] | None:
        """Rows of the examples that averages are over; None for all."""
        if s.scope == "example":
            return frozenset((s.example,))
        if s.scope == "marked":
            return self.marked_examples(s)
        if s.scope == "filtered":
            key = ("filtered", s.filter, s.search)
            return self.once(key, lambda: frozenset(listing.order(self, s).tolist()))
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
        some = {"marked": s.marked, "filtered": (s.filter, s.search)}
        return (s.scope, some.get(s.scope))

    def head_ready(self, s: Selection) -> bool:
        """Whether :meth:`head_view` answers within a moment."""
        return head_views.head_ready(self, s)

    def metric(self, side: Side, name: str) -> Floats:
        """A head metric of one model, [units, layers, heads]; kept if it is small."""
        return head_views.metric(self, side, name)

    # -- attention --------------------------------------------------------------------------

    def attention(self, s: Selection) -> AttentionGrid:
        """The chosen head's attention over the chosen example, for the chosen view.

        Raises:
            Missing: it is not stored for this example.
        """
        return attention_views.attention(self, s)

    def no_norms(self, s: Selection) -> str:
        """Why weights cannot be multiplied by the norms of the values, "" if they can."""
        return attention_views.no_norms(self, s)

    def tokens(self, example: int) -> Tokens:
        """Tokens of an example (the same in both files)."""
        return self.once(("tokens", example), lambda: self.a.tokens(example))

    def pieces(self, example: int) -> tuple[str, ...]:
        """The tokens of an example as people read them."""
        source, known = self.source(example), self.a.meta.tokens
        return self.once(
            ("pieces", example), lambda: pieces.readable(self.tokens(example), known, source)
        )

    # -- distances --------------------------------------------------------------------------

    def distance_view(self, s: Selection) -> DistanceView:
        """Distances per layer and group, of pairs or of points, for the chosen view.

        Raises:
            Missing: no pairs and no maps, or no groups.
        """
        return distance_views.distance_view(self, s)

    def distance_ready(self, s: Selection) -> bool:
        """Whether :meth:`distance_view` answers within a moment."""
        return distance_views.distance_ready(self, s)

    def measure_title(self, name: str) -> str:
        """Title of a distance measure."""
        if name == MAP_MEASURE:
            return "t-SNE distance"
        if name not in self.a.measures:  # between points by their vectors
            return VECTOR_MEASURES[name]
        measure = self.a.measures[name]
        return measure.title or measure.name

    def grouping_title(self, name: str) -> str:
        """What groups the distance pane, for people: "pairs by gold"."""
        return distance_views.grouping_title(self, name)

    # -- inside -----------------------------------------------------------------------------

    def has(self, key: Hashable) -> bool:
        """Whether the answer for ``key`` is kept."""
        return self.kept.has(key)

    def once(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer for ``key``, made once and kept while it is among those used last."""
        return self.kept.once(key, make)


def _name(path: str | os.PathLike[str]) -> str:
    return Path(path).stem


def _rows_of(owners: Ints, example: int) -> range:
    start, stop = np.searchsorted(owners, [example, example + 1]).tolist()
    return range(start, stop)
