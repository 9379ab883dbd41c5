"""The open files and the questions panes ask of them: one model, or two compared as B − A.

Answers are cached by what they depend on. Nothing here draws, and nothing here knows Textual.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

import collateral
from collateral import Collateral, CollateralError, Tokens, layout
from collateral.analysis import distances, heads

from .state import VIEWS, Limits, Selection, View
from .text import many

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Side = Literal["A", "B"]
Answer = TypeVar("Answer")

MAP_MEASURE = "tsne"
_KEPT = 200
_QUICK_PAIRS = 500
"""Up to so many pairs the bootstrap takes less time than anyone notices."""


class Missing(Exception):
    """What was asked for is not in the file; the text says why and what to do, in a sentence."""


TROUBLE = (Missing, CollateralError)
"""What a question may raise while the viewer runs: absent, or damaged. Both are sentences."""


@dataclass(frozen=True, eq=False)
class HeadView:
    """A head metric, averaged: values [layers, heads] and what stands behind them."""

    values: Floats
    title: str
    meaning: str
    low: float | None
    high: float | None
    difference: bool
    over: str


@dataclass(frozen=True, eq=False)
class AttentionGrid:
    """One head's attention over one example: weights [queries, keys] and the token of each row.

    Attributes:
        rows: numbers of the tokens that are shown (special tokens may be left out), for queries
            and keys alike.
    """

    weights: Floats
    tokens: Tokens
    rows: Ints
    difference: bool
    note: str

    def label(self, place: int) -> str:
        """The text of the token shown in row ``place``."""
        return self.tokens.texts[int(self.rows[place])]

    def place(self, token: int | None) -> int | None:
        """The row in which a token is shown; None if it is hidden, or is None."""
        if token is None:
            return None
        found = int(np.searchsorted(self.rows, token))
        return found if found < len(self.rows) and self.rows[found] == token else None


@dataclass(frozen=True, eq=False)
class DistanceView:
    """Distances per layer: one curve per group, and where map and original space disagree."""

    curves: list[distances.Curve]
    title: str
    difference: bool
    over: str
    warning: str


@dataclass(frozen=True)
class Mention:
    """Points of one span of an example: their rows, the first token, the span's text."""

    points: tuple[int, ...]
    token: int
    text: str


@dataclass(frozen=True)
class Said:
    """What one model says of a pair; None is unknown."""

    prediction: str | None
    probability: float | None
    correct: bool | None


@dataclass(frozen=True)
class PairFacts:
    """One pair of an example, as the summary table shows it: spans, gold label, A (and B)."""

    number: int
    span1: str
    span2: str
    gold: str | None
    models: tuple[Said, ...]


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
            name for name in self.a.pairs.columns if self._kind(name) in ("categorical", "boolean")
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

    def _kind(self, pair_column: str) -> str:
        return self.a.pairs.columns[pair_column]

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
            top = heads.ranked(values, 1, by_magnitude=self.two)
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
        return self._once(key, lambda: frozenset(self.point_examples[rows].tolist()))

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
        return [(int(start), int(stop)) for start, stop in self._pair_tokens[pair]]

    @cached_property
    def _pair_tokens(self) -> Ints:
        return self.a.pair_tokens

    def mentions(self, example: int) -> list[Mention]:
        """The points of an example, grouped by the span they belong to, in token order."""
        return self._once(("mentions", example), lambda: self._mentions(example))

    def _mentions(self, example: int) -> list[Mention]:
        points = self.a.points
        found: list[Mention] = []
        for point in self.points_of(example):
            token = int(self._point_tokens[point, 0])
            words = str(points.cell("mention" if "mention" in points else "text", point))
            last = found[-1] if found else None
            if last and last.text == words and token == last.token + len(last.points):
                found[-1] = Mention((*last.points, point), last.token, words)
            else:
                found.append(Mention((point,), token, words))
        return found

    @cached_property
    def _point_tokens(self) -> Ints:
        return self.a.point_tokens

    def point_words(self, side: Side, point: int, column: str) -> str:
        """A point in words: its text, its value in a column, and the text that it stands in."""
        points = self.file(side).points
        name, sentence = self.example_head(int(self.point_examples[point]))
        value = points.cell(column, point) if column else None
        shown = {True: "yes", False: "no", None: "unknown"}.get(value, value)  # type: ignore[arg-type]
        what = f" · {column} {shown}" if column else ""
        return f"{points.cell('text', point)}{what} · {name} {sentence}"

    def pair_facts(self, example: int) -> list[PairFacts]:
        """The pairs of an example with what each model says."""
        return self._once(("facts", example), lambda: self._pair_facts(example))

    def _pair_facts(self, example: int) -> list[PairFacts]:
        facts = []
        for number, row in enumerate(self.pairs_of(example)):
            said = tuple(self._said(f, row) for f in (self.a, self.b) if f is not None)
            spans = [self._span_text(row, span) for span in (0, 1)]
            gold = _label(self.a.pairs, "gold", row)
            facts.append(PairFacts(number, spans[0], spans[1], gold, said))
        return facts

    def _said(self, file: Collateral, row: int) -> Said:
        probability = file.pairs.with_role("probability")
        correct = file.pairs.with_role("correct")
        number = file.pairs.cell(probability, row) if probability else None
        right = file.pairs.cell(correct, row) if correct else None
        return Said(
            prediction=_label(file.pairs, "prediction", row),
            probability=number if isinstance(number, float) and number == number else None,
            correct=right if isinstance(right, bool) else None,
        )

    def _span_text(self, pair: int, span: int) -> str:
        name = f"span{span + 1}"
        if name in self.a.pairs:
            return str(self.a.pairs.cell(name, pair))
        example = int(self.pair_examples[pair])
        start, stop = self._pair_tokens[pair, span].tolist()
        return " ".join(self.tokens(example).texts[start:stop])

    def classes(self, side: Side, column: str) -> tuple[Ints, tuple[str, ...]]:
        """A categorical or boolean column of the points: codes (-1 unknown), labels."""
        return self._once(("classes", side, column), lambda: self._codes("points", side, column))

    def _codes(
        self, table: Literal["points", "pairs"], side: Side, column: str
    ) -> tuple[Ints, tuple[str, ...]]:
        """Codes in an order that is the same for A and B, for points and pairs.

        A label then keeps its colour everywhere: the labels of the pairs' gold column come first.
        """
        tables = [getattr(f, table) for f in (self.a, self.b) if f is not None]
        first = frozenset(self._gold_labels)
        union = {label for t in tables for label in t.codes(column)[1]}
        labels = tuple(sorted(union, key=lambda label: (label not in first, label)))
        codes, own = getattr(self.file(side), table).codes(column)
        places = np.array([*(labels.index(label) for label in own), -1], dtype=np.int32)
        return places[codes], labels

    @cached_property
    def _gold_labels(self) -> tuple[str, ...]:
        gold = self.a.pairs.with_role("gold")
        return self.a.pairs.codes(gold)[1] if gold else ()

    def numbers(self, side: Side, column: str) -> Floats:
        """A continuous column of the points."""
        return self._once(
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
        return self._once(("map", side, layer), lambda: file.coordinates(layer))

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
        if s.metric not in self.a.metrics:
            raise Missing("The file has no head metrics; extract it again.")
        metric = self.a.metrics[s.metric]
        key = ("heads", s.view, s.metric, self._scope_key(s, metric.unit))
        return self._once(key, lambda: self._head_view(s))

    def _scope_key(self, s: Selection, unit: str) -> Hashable:
        if s.scope == "example":
            return (s.example, s.pair if unit == "pair" else None)
        return (s.scope, s.marked if s.scope == "marked" else None)

    def _head_view(self, s: Selection) -> HeadView:
        metric = self.a.metrics[s.metric]
        found = heads.mean_over_examples(*self._units(s))
        return HeadView(
            values=found.mean,
            title=metric.title or metric.name,
            meaning=metric.meaning,
            low=metric.low,
            high=metric.high,
            difference=s.view == "B−A",
            over=self._over(s, metric.unit, found.examples, found.units),
        )

    def _units(self, s: Selection) -> tuple[Floats, Ints, frozenset[int] | None]:
        """The metric of the view for every unit, the example of each, the examples that count.

        For B − A the units are subtracted before they are averaged: only units that both define
        count.
        """
        unit = self.a.metrics[s.metric].unit
        values = self._metric(self.side(s.view), s.metric)
        if s.view == "B−A":
            values = values - self._metric("A", s.metric)
        owners = self.pair_examples
        if unit == "example":
            owners = np.arange(len(self.a.examples), dtype=np.int32)
        pair = self.pair(s)
        if s.scope == "example" and unit == "pair" and pair is not None:
            return values[pair : pair + 1], owners[pair : pair + 1], None
        return values, owners, self.scope(s)

    def _metric(self, side: Side, name: str) -> Floats:
        return self._once(("metric", side, name), lambda: self.file(side).head_metric(name))

    def _over(self, s: Selection, unit: str, examples: int, units: int) -> str:
        if s.scope == "example":
            return "this pair" if unit == "pair" else "this example"
        kind = "marked" if s.scope == "marked" else "all"
        pairs = f", {many(units, 'pair')}" if unit == "pair" else ""
        return f"mean of {kind} {many(examples, 'example')}{pairs}"

    # -- attention --------------------------------------------------------------------------

    def attention(self, s: Selection) -> AttentionGrid:
        """The chosen head's attention over the chosen example, for the chosen view.

        Raises:
            Missing: it is not stored for this example.
        """
        key = ("attention", s.view, s.example, s.head_layer, s.head, s.hide_special)
        return self._once(key, lambda: self._attention(s))

    def _attention(self, s: Selection) -> AttentionGrid:
        sides: tuple[Side, ...] = ("A", "B") if s.view == "B−A" else (self.side(s.view),)
        weights = [self._weights(side, s) for side in sides]
        tokens = self.tokens(s.example)
        shown = np.flatnonzero(~tokens.special) if s.hide_special else np.arange(len(tokens))
        result = weights[0] if len(weights) == 1 else weights[1] - weights[0]
        rounded = [
            side for side in sides if self.file(side).attention_encoding(s.example) != "float16"
        ]
        error = f"{layout.ENCODING_ERROR['uint8'] * len(rounded):.3f}".lstrip("0")
        return AttentionGrid(
            weights=result[np.ix_(shown, shown)],
            tokens=tokens,
            rows=shown.astype(np.int32),
            difference=len(weights) == 2,
            note=f"stored in 8 bits: ±{error}" if rounded else "",
        )

    def _weights(self, side: Side, s: Selection) -> Floats:
        file = self.file(side)
        if not file.has_attention(s.example):
            name = file.examples.cell("id", s.example)
            who = f"{side} ({self.name(side)})" if self.two else "the file"
            raise Missing(
                f"No attention is stored for {name} in {who}; extract with --attention all."
            )
        return file.attention(s.example, layer=s.head_layer, head=s.head)

    def tokens(self, example: int) -> Tokens:
        """Tokens of an example (the same in both files)."""
        return self._once(("tokens", example), lambda: self.a.tokens(example))

    # -- distances --------------------------------------------------------------------------

    def distance_view(self, s: Selection) -> DistanceView:
        """Distance between the spans of each pair, per layer and group, for the chosen view.

        Raises:
            Missing: no pairs, no distances, or no groups.
        """
        if not len(self.a.pairs):
            raise Missing("The file has no pairs of spans, so there are no distances.")
        if not s.grouping or not s.measure:
            raise Missing("The file has no distances; extract it again.")
        return self._once(self._distance_key(s), lambda: self._distance_view(s))

    def distance_ready(self, s: Selection) -> bool:
        """Whether :meth:`distance_view` answers within a moment."""
        few = len(self.a.pairs) <= _QUICK_PAIRS or s.scope == "example"
        return few or self._distance_key(s) in self._cache

    def _distance_key(self, s: Selection) -> Hashable:
        return ("distance", s.view, s.measure, s.grouping, self._scope_key(s, "example"))

    def _distance_view(self, s: Selection) -> DistanceView:
        curves = self._curves(s, s.measure)
        column = self.a.pairs.describe(s.grouping).title or s.grouping
        owner = (
            f" ({self._grouping_side(s)})" if self.two and s.grouping == self._predicted() else ""
        )
        measure = self.measure_title(s.measure).removesuffix(" distance")
        count = len(np.unique(self.pair_examples[self._groups(s)[0] >= 0]))
        return DistanceView(
            curves=curves,
            title=f"{measure} · by {column}{owner}",
            difference=s.view == "B−A",
            over="this example" if s.scope == "example" else many(count, "example"),
            warning=self._warning(s, curves),
        )

    def _groups(self, s: Selection) -> tuple[Ints, tuple[str, ...]]:
        """Group of each pair (-1 outside the scope or unknown), and the groups' labels."""
        codes, labels = self._codes("pairs", self._grouping_side(s), s.grouping)
        examples = self.scope(s)
        if examples is not None:
            inside = np.isin(self.pair_examples, np.fromiter(examples, dtype=np.int64))
            codes = np.where(inside, codes, np.int32(-1))
        return codes, labels

    def _grouping_side(self, s: Selection) -> Side:
        """Whose column makes the groups: the shown model's, or the other's if it knows nothing."""
        side: Side = self.side(s.view)
        if self.two and not (self._codes("pairs", side, s.grouping)[0] >= 0).any():
            return "A" if side == "B" else "B"
        return side

    def _predicted(self) -> str | None:
        return self.a.pairs.with_role("prediction")

    def measure_title(self, name: str) -> str:
        """Title of a distance measure."""
        if name == MAP_MEASURE:
            return "t-SNE distance"
        measure = self.a.measures[name]
        return measure.title or measure.name

    def _pair_distances(self, side: Side, measure: str) -> Floats:
        file = self.file(side)
        if measure == MAP_MEASURE:
            return self._once(("distances", side, measure), lambda: distances.map_distances(file))
        return self._once(("distances", side, measure), lambda: file.distances(measure))

    def _curves(self, s: Selection, measure: str) -> list[distances.Curve]:
        side = self.side(s.view)
        values = self._pair_distances(side, measure)
        if s.view == "B−A":
            values = values - self._pair_distances("A", measure)
        codes, labels = self._groups(s)
        return [
            curve
            for curve in distances.curves(values, codes, labels, self.pair_examples)
            if curve.pairs
        ]

    def _warning(self, s: Selection, curves: list[distances.Curve]) -> str:
        """Where the map shows the opposite of the original space, in words."""
        if MAP_MEASURE not in self.limits.measures or len(curves) != 2:
            return ""
        original = s.measure if s.measure != MAP_MEASURE else next(iter(self.a.measures), "")
        if not original:
            return ""
        on_map = curves if s.measure == MAP_MEASURE else self._curves(s, MAP_MEASURE)
        in_space = curves if s.measure == original else self._curves(s, original)
        layers = distances.disagreements(_gap(on_map), _gap(in_space))
        if not layers:
            return ""
        names = ", ".join(str(layer) for layer in layers)
        plural = "s" if len(layers) > 1 else ""
        return (
            f"t-SNE shows the opposite of {self.measure_title(original)} in layer{plural} {names}"
        )

    # -- inside -----------------------------------------------------------------------------

    def _once(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer for ``key``, made once and kept while it is among those used last."""
        with self._lock:  # a thread may be preparing another pane's picture
            if key in self._cache:
                self._cache.move_to_end(key)
                answer: Answer = self._cache[key]
                return answer
        made = make()
        with self._lock:
            self._cache[key] = made
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return made


def check_same_data(a: Collateral, b: Collateral) -> None:
    """Makes sure that two files can be compared.

    Raises:
        CollateralError: they saw other texts, other tokens, or have other sizes; it says which.
    """
    first, second = a.meta, b.meta
    name = os.path.basename(a.path)
    advice = "Extract both from the same data with the same tokenizer and options."
    counts = [(k, first.counts[k], second.counts[k]) for k in ("examples", "pairs", "points")]
    problem = ""
    if first.task != second.task:
        problem = f"task {second.task} instead of {first.task}"
    elif first.fingerprint != second.fingerprint:
        problem = _first_difference(a, b) or "other texts"
    elif first.token_fingerprint != second.token_fingerprint:
        problem = "the same texts but other tokens (another tokenizer)"
    elif differing := [c for c in counts if c[1] != c[2]]:
        what, here, there = differing[0]
        problem = f"{there} {what} instead of {here}"
    elif first.layout_fingerprint != second.layout_fingerprint:
        problem = "other points or pairs in the same texts"
    elif (first.model.layers, first.model.heads) != (second.model.layers, second.model.heads):
        problem = (
            f"{second.model.layers} layers of {second.model.heads} heads instead of "
            f"{first.model.layers} of {first.model.heads}"
        )
    if problem:
        raise CollateralError(b.path, f"does not belong to {name}: it has {problem}", advice)


def _first_difference(a: Collateral, b: Collateral) -> str:
    """Where two sets of examples differ, in words."""
    if len(a.examples) != len(b.examples):
        return f"{len(b.examples)} examples instead of {len(a.examples)}"
    ids = zip(a.examples["id"], b.examples["id"], strict=True)
    for row, (one, two) in enumerate(ids):
        if one != two:
            return f"example {two!r} instead of {one!r} in row {row}"
    texts = zip(a.examples["id"], a.examples["text"], b.examples["text"], strict=True)
    return next((f"another text for example {id_!r}" for id_, one, two in texts if one != two), "")


def _gap(curves: list[distances.Curve]) -> distances.Curve:
    """The first of two groups minus the second."""
    first, second = curves
    return distances.difference(second, first)


def _label(table: collateral.Table, role: str, row: int) -> str | None:
    """The value in the column with this role, as words; None if unknown or absent."""
    column = table.with_role(role)
    value = table.cell(column, row) if column else None
    return None if value is None else str(value)


def _name(path: str | os.PathLike[str]) -> str:
    return Path(path).stem


def _rows_of(owners: Ints, example: int) -> range:
    start, stop = np.searchsorted(owners, [example, example + 1]).tolist()
    return range(start, stop)
