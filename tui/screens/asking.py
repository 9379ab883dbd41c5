"""Actions that ask for a line of text first: filter, search, sort, keep, range, edges."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..project import Project
    from ..slices import Slices
    from ..state import Selection
    from .main import MainScreen


def ask(screen: MainScreen, name: str) -> bool:
    """Asks what an action needs; whether this was an action that asks."""
    if name in _ASKING and screen.project is not None:
        _ASKING[name](screen, screen.project)
        return True
    if name.startswith("forget ") and screen.project is not None:
        _forgotten(screen, name.removeprefix("forget "))
        return True
    if name.startswith("slice ") and screen.project is not None:
        _apply(screen, screen.project, name.removeprefix("slice "))
        return True
    return False


def _filter(screen: MainScreen, project: Project) -> None:
    from .. import filters

    slices = _slices(screen)
    screen.ask(
        "filter",
        screen.selection.filter,
        lambda text: _apply(screen, project, text),
        lambda before: filters.complete(before, project, slices.by_name),
    )
    if slices.problem and not screen.told_of_slices:
        screen.told_of_slices = True
        screen.prompt.refuse(slices.problem)


def _apply(screen: MainScreen, project: Project, text: str) -> None:
    """Filters the list; what names stand for is written out, so that the view can be handed on."""
    from .. import commands, filters

    expanded = filters.expand(text, _slices(screen).by_name)
    screen.choose(commands.filtered(project, screen.selection, expanded))
    _say(screen, project)


def _search(screen: MainScreen, project: Project) -> None:
    from .. import commands

    def done(text: str) -> None:
        screen.choose(commands.searched(project, screen.selection, text))
        _say(screen, project)

    screen.ask("search", "", done)


def _say(screen: MainScreen, project: Project) -> None:
    """How many examples are left, and what can be done with them."""
    from ..views import listing

    s = screen.selection
    if s.narrowed:
        shown, total = len(listing.order(project, s)), project.limits.examples
        over = "" if s.scope == "filtered" else ", a averages over them"
        screen.note(f"{shown:,} of {total:,} shown; n p go through{over}, F shows all")


def _sort(screen: MainScreen, project: Project) -> None:
    from .. import commands
    from ..editing import Completion
    from ..filters import columns
    from ..views import listing

    known = list(dict.fromkeys([*listing.sortable(project), *columns.names(project)]))

    def complete(before: str) -> Completion:
        start = 1 if before.startswith(("-", "−")) else 0
        found = columns.offered(project, before[start:], known)
        options = [] if found == [before[start:]] else found
        return Completion(start, options, titles=columns.titles(project))

    screen.ask(
        "sort by",
        screen.selection.sort,
        lambda text: screen.choose(commands.sorted_by(project, screen.selection, text)),
        complete,
    )


def _range(screen: MainScreen, project: Project) -> None:
    from .. import state

    now, metric = screen.selection.head_range, screen.selection.metric
    screen.go("heads")
    screen.ask(
        "colours from, to",
        f"{now[1]:g} {now[2]:g}" if now and now[0] == metric else "",
        lambda text: screen.choose(state.set_range(screen.selection, text)),
    )


def _edges(screen: MainScreen, project: Project) -> None:
    from dataclasses import replace

    from ..commands import edges_of

    screen.go("attention")
    screen.choose(replace(screen.selection, attention_view="table"))
    screen.ask(
        "edges of",
        screen.selection.edges,
        lambda text: screen.choose(edges_of(project, screen.selection, text)),
    )


def _keep(screen: MainScreen, project: Project) -> None:
    from ..editing import among
    from ..refusal import Refused
    from ..slices import valid_name

    text = _condition(screen.selection)
    if not text:
        raise Refused("There is no filter to keep; f sets one.")
    if len(screen.selection.search) > _LONGEST_KEPT:
        raise Refused("The search is too long to be kept as a filter.")
    slices = _slices(screen)

    def done(name: str) -> None:
        name = name.strip().removeprefix("@")
        if not valid_name(name):
            raise Refused("A name is one word that begins with a letter, for example: hard")
        try:
            slices.keep(name, text)
        except OSError as error:
            raise Refused(f"{slices.path} can't be written: {error.strerror}.") from error
        except ValueError as error:
            raise Refused(str(error)) from error
        screen.note(f"Kept. @{name} stands for this filter after f, also when you come back.")

    screen.ask("keep as", "", done, among(list(slices.by_name)))


def _forget(screen: MainScreen, project: Project) -> None:
    from ..editing import among
    from ..refusal import Refused

    slices = _slices(screen)
    if not slices.by_name:
        raise Refused(slices.problem or "No filter is kept; N keeps the present one.")
    screen.ask(
        "forget filter",
        "",
        lambda name: _forgotten(screen, name.strip().removeprefix("@")),
        among(list(slices.by_name)),
    )


def _forgotten(screen: MainScreen, name: str) -> None:
    """Removes a kept filter; the one that is set stays, as it is written out."""
    from ..refusal import Refused

    slices = _slices(screen)
    if name not in slices.by_name:
        kept = ", ".join(slices.by_name) or "none"
        raise Refused(f"No filter is kept as {name}. Kept: {kept}.")
    try:
        slices.forget(name)
    except OSError as error:
        raise Refused(f"{slices.path} can't be written: {error.strerror}.") from error
    except ValueError as error:
        raise Refused(str(error)) from error
    screen.note(f"Forgotten: @{name}. A filter that was made with it stays as it is.")


_LONGEST_KEPT = 200
"""Characters of a search that is kept: it becomes an expression, with marks before some of them."""


def _condition(s: Selection) -> str:
    """Filter and search as one filter."""
    from ..filters.language import quoted

    if not s.search:
        return s.filter
    closed = len(s.search) > 2 and s.search.startswith("/") and s.search.endswith("/")
    expression = quoted(s.search[1:-1] if closed else re.escape(s.search))
    found = f"(text ~ {expression} or id ~ {expression})"
    return f"({s.filter}) and {found}" if s.filter else found


def _slices(screen: MainScreen) -> Slices:
    from ..slices import Slices

    if screen.slices is None:
        screen.slices = Slices()
    return screen.slices


_ASKING: dict[str, Callable[[MainScreen, Project], None]] = {
    "filter": _filter,
    "search": _search,
    "sort": _sort,
    "keep-filter": _keep,
    "forget-filter": _forget,
    "range": _range,
    "edges": _edges,
}
