"""What each selecting action does: pure functions from one selection to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from . import state
from .refusal import Refused
from .state import Selection
from .views import attention as attention_views
from .views import heads as head_views
from .views import listing
from .views.distances import pair_measures
from .views.groups import of_points, spaces

if TYPE_CHECKING:
    from .project import Project

__all__ = ["COMMANDS", "Command", "Refused", "filtered", "searched", "sorted_by"]


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
    """Steps through the head metrics of the kind of attention that is shown.

    Those without any number are passed over; the palette and ``--metric`` choose them all the same.
    """

    def command(project: Project, s: Selection) -> Selection:
        metrics = project.limits.kind(s.kind).metrics
        if len(metrics) < 2:
            of_kind = f" of {s.kind} attention" if len(project.kinds) > 1 else ""
            count = "only one head metric" if metrics else "no head metric"
            raise Refused(f"There is {count}{of_kind} in the file.")
        at = metrics.index(s.metric) if s.metric in metrics else -step
        order = [metrics[(at + step * (n + 1)) % len(metrics)] for n in range(len(metrics))]
        shown = (name for name in order if not head_views.undefined(project, s, name))
        return replace(s, metric=next(shown, order[0]))

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


def _measure(project: Project, s: Selection) -> Selection:
    choices: Sequence[str] = spaces(project) if of_points(s) else pair_measures(project)
    if of_points(s) and choices == ("tsne",):
        raise Refused(
            "Groups of points have one distance, that on the map: the file keeps no vectors; "
            "extract it again."
        )
    if len(choices) < 2:
        raise Refused(f"There is {'only one' if choices else 'no'} distance in the file.")
    return replace(s, measure=state.after(s.measure, choices))


def _group(project: Project, s: Selection) -> Selection:
    choices = state.groupings(s, project.limits)
    if len(choices) < 2:
        raise Refused("Nothing else groups the points or pairs; mark points (space, b) first.")
    return replace(s, grouping=state.after(s.grouping, choices))


def _gap(project: Project, s: Selection) -> Selection:
    if not project.limits.groupings:
        raise Refused("There are no groups in the file.")
    return replace(s, gap=not s.gap)


def _attention_view(project: Project, s: Selection) -> Selection:
    return replace(s, attention_view=state.after(s.attention_view, state.ATTENTION_VIEWS))


def _combine(project: Project, s: Selection) -> Selection:
    return replace(s, combine=state.after(s.combine, state.COMBINES))


def _ranked(project: Project, s: Selection) -> Selection:
    return replace(s, ranked=not s.ranked)


def edges_of(project: Project, s: Selection, words: str) -> Selection:
    """Only the edges of some tokens in the table of attention; no words for all.

    Raises:
        Refused: no token of the example is meant.
    """
    words = " ".join(words.split())
    texts = [text.casefold() for text in project.tokens(s.example).texts]
    for part in filter(None, attention_views.ends_of(words)):
        if not any(part in text for text in texts):
            raise Refused(f'No token of this example contains "{part}"; nothing shows all edges.')
    return replace(s, edges=words, attention_view="table")


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


def _path(project: Project, s: Selection) -> Selection:
    if any(len(project.file(side).mapped_layers) < 2 for side in project.sides):
        raise Refused("There are no maps of several layers in the file, so no path through them.")
    return replace(s, path=not s.path)


def _density(project: Project, s: Selection) -> Selection:
    return replace(s, density="off" if s.density == "on" else "on")


def _neither_here(project: Project, s: Selection) -> Selection:
    raise Refused("+ and - zoom the map (3), choose edges (5) and go through its overviews.")


def _only_on_the_map(project: Project, s: Selection) -> Selection:
    raise Refused("This acts on the map, whose part it changes: 3 goes there.")


def _layer(step: int) -> Command:
    return lambda project, s: state.step_layer(s, project.limits, step)


def _head(step: int) -> Command:
    return lambda project, s: state.step_head(s, project.limits, step)


def _example(step: int) -> Command:
    """The next example of the list, in its order."""
    return lambda project, s: state.choose_example(
        s, project.limits, listing.near(project, s, step)
    )


def filtered(project: Project, s: Selection, text: str) -> Selection:
    """Shows the examples that a filter lets through, all if it is empty.

    Raises:
        Refused: the filter can't be understood, or no example fits.
    """
    new = replace(s, filter=text.strip())
    return _narrowed(project, new, "No example fits." if not s.search else _NONE_WITH_SEARCH)


def searched(project: Project, s: Selection, wanted: str) -> Selection:
    """Shows the examples whose id or text has some words, all if there are none.

    Raises:
        Refused: no example has them, or the regular expression is none.
    """
    within = f" among those where {s.filter}; F shows all" if s.filter else ""
    return _narrowed(project, replace(s, search=wanted), f"No id or text has {wanted}{within}.")


_NONE_WITH_SEARCH = "No example fits among those found by /; / and enter shows all again."


def _narrowed(project: Project, new: Selection, none: str) -> Selection:
    """The selection with an example that its list shows."""
    if not new.narrowed:
        return state.clear_filter(new)
    if not len(listing.order(project, new)):
        raise Refused(none)
    return state.choose_example(new, project.limits, listing.near(project, new))


def sorted_by(project: Project, s: Selection, sort: str) -> Selection:
    """Sorts the list by a column, from high to low with "-" before it; as stored if empty.

    Raises:
        Refused: there is no such column.
    """
    sort = sort.strip().replace("−", "-")
    if sort:
        listing.sort_column(project, sort)
    return replace(s, sort=sort)


def _reverse(project: Project, s: Selection) -> Selection:
    if not s.sort:
        raise Refused("The list is in the order of the file; r sorts it.")
    return replace(s, sort=s.sort[1:] if s.sort.startswith("-") else f"-{s.sort}")


def _clear_filter(project: Project, s: Selection) -> Selection:
    if not s.narrowed:
        raise Refused("All examples are shown; f or / shows some of them.")
    return state.clear_filter(s)


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
    **dict.fromkeys(("more", "less"), _neither_here),
    "whole": _only_on_the_map,
    **{f"pan-{way}": _only_on_the_map for way in ("left", "right", "up", "down")},
    "path": _path,
    "density": _density,
    "attention-view": _attention_view,
    "weighted": _weighted,
    "combine": _combine,
    "ranked": _ranked,
    "specials": _specials,
    "measure": _measure,
    "group": _group,
    "gap": _gap,
    "average": _average,
    "pin": lambda _, s: state.pin(s),
    "mark": _mark,
    "clear": _clear,
    "clear-filter": _clear_filter,
    "reverse": _reverse,
}
