"""The command palette: every action, metric, colouring, head and example by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.css.query import NoMatches
from textual.markup import escape

from .. import state
from ..actions import BY_NAME, PaneName, shown
from ..palette_words import SAID, fit, titles
from ..text import clean

if TYPE_CHECKING:
    from ..project import Project
    from ..screens.main import MainScreen
    from ..state import Selection

_MAX_EXAMPLES = 20


class _Entry(NamedTuple):
    """One thing to find, in words that are safe to show.

    Attributes:
        name: another word to find an action by.
        panes: where one sees what was selected; if none of them is in sight, the first is shown.
    """

    text: str
    help: str
    selection: Selection | None
    action: str
    name: str = ""
    panes: tuple[PaneName, ...] = ()

    @classmethod
    def of(cls, words: str, about: str, selection: Selection, *panes: PaneName) -> _Entry:
        """Something to select; words from a file are cleaned."""
        return cls(clean(words), clean(about), selection, "", panes=panes)


class Palette(CommandPalette):
    """Textual's palette, which no key ends that comes before its list is there or after it is gone.

    Such a key would be a fault: Textual looks for the list, or for the screen below the last one.
    """

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Closes it; twice is fine."""
        if self.app.screen is not self:
            return AwaitComplete()
        return super().dismiss(result)

    def _select_or_command(self, *given: Any) -> None:
        if self.app.screen is self:
            super()._select_or_command(*given)

    def _action_command_list(self, action: str) -> None:
        with contextlib.suppress(NoMatches, LookupError):  # no list yet, or not laid out
            super()._action_command_list(action)


class Everything(Provider):
    """Finds actions and anything that can be selected."""

    async def discover(self) -> Hits:
        """What is listed before anything is typed: the actions."""
        for entry in self._actions():
            yield DiscoveryHit(
                Content(entry.text), self._chosen(entry), text=entry.text, help=escape(entry.help)
            )

    async def search(self, query: str) -> Hits:
        """Everything that matches what was typed."""
        from ..views.answers import TROUBLE

        screen = cast("MainScreen", self.screen)
        entries = list(self._actions())
        examples: list[_Entry] = []
        if screen.project is not None:
            entries += self._kept(screen)
            with contextlib.suppress(*TROUBLE):  # what can't be read can't be chosen
                entries += self._selectable(screen.project, screen.selection)
                examples += _examples(screen.project, screen.selection, query)
        for entry in entries:
            score, places = fit(query, entry.text)
            if score < SAID and entry.name:  # what the settings and the key page call it
                by_name = fit(query, entry.name)[0]
                score, places = (by_name, []) if by_name > score else (score, places)
            if score > 0:
                yield self._hit(score, entry, places)
        for entry in examples:
            yield self._hit(SAID, entry)

    def _hit(self, score: float, entry: _Entry, places: Sequence[int] = ()) -> Hit:
        """A hit with its matching letters marked; nothing in a file is taken for markup."""
        shown_text = Content(entry.text)
        for place in places:
            shown_text = shown_text.stylize("underline", place, place + 1)
        return Hit(score, shown_text, self._chosen(entry), text=entry.text, help=escape(entry.help))

    def _chosen(self, entry: _Entry) -> partial[None]:
        screen = cast("MainScreen", self.screen)
        if entry.selection is not None:
            return partial(_select, screen, entry)
        return partial(screen.action_do, entry.action)

    def _actions(self) -> Iterator[_Entry]:
        screen = cast("MainScreen", self.screen)
        unused = screen.project.unused if screen.project is not None else ()
        for name, title in titles().items():
            action = BY_NAME[name]
            key = f"  ({shown(action.keys[0])})" if action.keys else ""
            if name not in unused:
                yield _Entry(f"{title}{key}", action.help, None, name, name.replace("-", " "))

    def _selectable(self, project: Project, s: Selection) -> Iterator[_Entry]:
        from ..views.heads import undefined

        for name, metric in project.metrics.items():
            chosen = state.choose_kind(s, project.limits, metric.attention)
            chosen = replace(chosen if chosen.kind != s.kind else s, metric=name)
            words = f"metric {project.metric_title(name)}"
            words += " (undefined in all of the file)" * undefined(project, chosen, name)
            yield _Entry.of(words, metric.meaning, chosen, "heads")
        for name in project.limits.colourings:
            title = project.colouring_title(name)
            words = f"colour by {name}" if name == title else f"colour by {name} ({title})"
            yield _Entry.of(words, "colours the map", replace(s, colouring=name), "map")
        for name in project.limits.measures:
            title = project.measure_title(name)
            yield _Entry.of(
                f"distance {title}", "between spans", replace(s, measure=name), "distance"
            )
        for name in state.groupings(s, project.limits):
            words = f"group distances: {project.grouping_title(name)}"
            yield _Entry.of(words, "of the distance pane", replace(s, grouping=name), "distance")
        for layer in range(project.limits.layers + 1):
            yield _Entry.of(f"layer {layer}", "of the map", replace(s, layer=layer), "map")
        from ..filters import columns
        from ..views import listing

        titles = columns.titles(project)
        for name in listing.sortable(project):
            words = f"sort by {name} ({titles[name]})" if name in titles else f"sort by {name}"
            yield _Entry.of(words, "sorts the examples", replace(s, sort=name), "list")
        yield from self._heads(project, s)
        yield from self._tokens(project, s)

    def _tokens(self, project: Project, s: Selection) -> Iterator[_Entry]:
        """The tokens of the example that are queries of this kind of attention."""
        from ..views.example import token_place

        shown_pieces = project.pieces(s.example)
        for token in project.kind_tokens(s.example, s.kind)[0]:
            words = f"token {token_place(project, s.example, token)} {clean(shown_pieces[token])}"
            chosen = state.choose_tokens(s, token, None)
            yield _Entry.of(words, "query of the attention", chosen, "attention")

    def _kept(self, screen: MainScreen) -> Iterator[_Entry]:
        """Filters that are kept by name."""
        from ..slices import Slices

        screen.slices = screen.slices or Slices()
        for name, text in screen.slices.by_name.items():
            yield _Entry(f"filter @{name}", clean(text), None, f"slice @{name}")
        for name, text in screen.slices.by_name.items():
            yield _Entry(f"forget filter {name}", clean(text), None, f"forget {name}")

    def _heads(self, project: Project, s: Selection) -> Iterator[_Entry]:
        """Every kind of attention, if there are several, and every head of each."""
        several = len(project.kinds) > 1
        for kind in project.limits.kinds:
            other = state.choose_kind(s, project.limits, kind.name) if kind.name != s.kind else s
            if several:
                yield _Entry.of(f"kind {kind.name}", "attention", other, "heads", "attention")
            for layer in range(kind.layers):
                for head in range(kind.heads):
                    chosen = replace(other, head_layer=layer, head=head)
                    word = f"{kind.name} head" if several else "head"
                    yield _Entry.of(
                        f"{word} {layer}.{head}", "attention head", chosen, "attention", "heads"
                    )


def _select(screen: MainScreen, entry: _Entry) -> None:
    """Selects something, and goes where it is seen, if it is not in sight."""
    if entry.selection is not None:
        screen.take(entry.selection)
    if entry.panes and not any(screen.pane_widget(pane).display for pane in entry.panes):
        screen.go(entry.panes[0])


def _examples(project: Project, s: Selection, query: str) -> Iterator[_Entry]:
    """The first examples whose id or text contains the query."""
    wanted, found = query.casefold(), 0
    ids, texts = project.example_texts
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if wanted in text.casefold() or wanted in name.casefold():
            chosen = replace(s, example=row, pair=0, item=0, query=None, key=None)
            yield _Entry.of(f"example {name}", " ".join(text.split())[:200], chosen)
            found += 1
            if found == _MAX_EXAMPLES:
                return
