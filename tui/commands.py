"""What each selecting action does: pure functions from one selection to the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import state
from .state import Selection

if TYPE_CHECKING:
    from .project import Project


class Refused(Exception):
    """An action that cannot act now; the text says why, in a sentence.

    Attributes:
        place: where in a text that was typed the mistake is; None if it is nowhere in particular.
    """

    def __init__(self, reason: str, place: int | None = None) -> None:
        super().__init__(reason)
        self.place = place


Command = Callable[["Project", Selection], Selection]


def _model(project: Project, s: Selection) -> Selection:
    if not project.two:
        raise Refused("Only one file is open. To compare: interpret-tui A.msgpack B.msgpack")
    return replace(s, view=state.after(s.view, project.limits.views))


def _cycle(field: str, options: str, what: str, step: int = 1) -> Command:
    """Steps a field of the selection through one of the limits' tuples."""

    def command(project: Project, s: Selection) -> Selection:
        choices: Sequence[str] = getattr(project.limits, options)
        if len(choices) < 2:
            raise Refused(f"There is {'only one' if choices else 'no'} {what} in the file.")
        return replace(s, **{field: state.after(getattr(s, field), choices, step)})

    return command


def _metric(step: int) -> Command:
    """Steps through the head metrics of the kind of attention that is shown."""

    def command(project: Project, s: Selection) -> Selection:
        metrics = project.limits.kind(s.kind).metrics
        if len(metrics) < 2:
            of_kind = f" of {s.kind} attention" if len(project.kinds) > 1 else ""
            count = "only one head metric" if metrics else "no head metric"
            raise Refused(f"There is {count}{of_kind} in the file.")
        return replace(s, metric=state.after(s.metric, metrics, step))

    return command


def _kind(project: Project, s: Selection) -> Selection:
    names = [kind.name for kind in project.kinds]
    if len(names) < 2:
        raise Refused(f"There is only one kind of attention in the file: {s.kind}.")
    return state.choose_kind(s, project.limits, state.after(s.kind, names))


def _weighted(project: Project, s: Selection) -> Selection:
    if not s.weighted and (reason := project.no_norms(s)):
        raise Refused(reason)
    return replace(s, weighted=not s.weighted)


def _attention_view(project: Project, s: Selection) -> Selection:
    return replace(s, attention_view=state.after(s.attention_view, state.ATTENTION_VIEWS))


def _combine(project: Project, s: Selection) -> Selection:
    return replace(s, combine=state.after(s.combine, state.COMBINES))


def _ranked(project: Project, s: Selection) -> Selection:
    return replace(s, ranked=not s.ranked)


def set_range(s: Selection, words: str) -> Selection:
    """The colour range of the head metric, from what was typed: two numbers, or "auto".

    Raises:
        Refused: it is neither.
    """
    parts = words.replace(",", " ").replace("\u2212", "-").split()
    if parts in ([], ["auto"]):
        return replace(s, head_range=None)
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and s.view == "B\u2212A":
        numbers = [-abs(numbers[0]), abs(numbers[0])]
    if len(numbers) != 2 or not all(map(math.isfinite, numbers)) or numbers[0] >= numbers[1]:
        raise Refused("A colour range is two numbers, the lower one first, as in: 0 0.5; or auto.")
    return replace(s, head_range=(s.metric, numbers[0], numbers[1]))


def _specials(project: Project, s: Selection) -> Selection:
    return replace(s, hide_special=not s.hide_special, query=None, key=None)


def _average(project: Project, s: Selection) -> Selection:
    if s.metric in project.summaries and not project.limits.measures:
        raise Refused("This metric is of the whole data set, there is nothing to average; t next.")
    return state.step_scope(s)


def _mark(project: Project, s: Selection) -> Selection:
    points = project.points_of(s.example)
    if not points:
        raise Refused("This example has no points on the map.")
    return state.toggle_marks(s, points)


def _clear(project: Project, s: Selection) -> Selection:
    if not s.marked:
        raise Refused("Nothing is marked; space marks the points of the example.")
    return state.clear_marks(s)


def _layer(step: int) -> Command:
    return lambda project, s: state.step_layer(s, project.limits, step)


def _head(step: int) -> Command:
    return lambda project, s: state.step_head(s, project.limits, step)


def _example(step: int) -> Command:
    def command(project: Project, s: Selection) -> Selection:
        return state.choose_example(s, project.limits, s.example + step)

    return command


COMMANDS: dict[str, Command] = {
    "previous-layer": _layer(-1),
    "next-layer": _layer(+1),
    "previous-head": _head(-1),
    "next-head": _head(+1),
    "previous-example": _example(-1),
    "next-example": _example(+1),
    "model": _model,
    "kind": _kind,
    "metric": _metric(+1),
    "previous-metric": _metric(-1),
    "colour": _cycle("colouring", "colourings", "column for the points"),
    "previous-colour": _cycle("colouring", "colourings", "column for the points", -1),
    "attention-view": _attention_view,
    "weighted": _weighted,
    "combine": _combine,
    "ranked": _ranked,
    "specials": _specials,
    "measure": _cycle("measure", "measures", "distance"),
    "group": _cycle("grouping", "groupings", "column that groups the pairs"),
    "average": _average,
    "mark": _mark,
    "clear": _clear,
}
