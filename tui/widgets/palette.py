"""The command palette: every action, metric, colouring, head and example by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from ..actions import ACTIONS, shown

if TYPE_CHECKING:
    from ..project import Project
    from ..screens.main import MainScreen
    from ..state import Selection

_MAX_EXAMPLES = 20


class _Entry(NamedTuple):
    text: str
    help: str
    selection: Selection | None
    action: str


class Everything(Provider):
    """Finds actions and anything that can be selected."""

    async def discover(self) -> Hits:
        """What is listed before anything is typed: the actions."""
        for entry in self._actions():
            yield DiscoveryHit(entry.text, self._chosen(entry), help=entry.help)

    async def search(self, query: str) -> Hits:
        """Everything that matches what was typed."""
        matcher = self.matcher(query)
        screen = cast("MainScreen", self.screen)
        entries = list(self._actions())
        if screen.project is not None:
            entries += self._selectable(screen.project, screen.selection)
        for entry in entries:
            score = matcher.match(entry.text)
            if score > 0:
                yield Hit(
                    score, matcher.highlight(entry.text), self._chosen(entry), help=entry.help
                )
        if screen.project is not None:
            for entry in _examples(screen.project, screen.selection, query):
                yield Hit(0.5, Content(entry.text), self._chosen(entry), help=entry.help)

    def _chosen(self, entry: _Entry) -> partial[None]:
        screen = cast("MainScreen", self.screen)
        if entry.selection is not None:
            return partial(screen.choose, entry.selection)
        return partial(screen.action_do, entry.action)

    def _actions(self) -> Iterator[_Entry]:
        for action in ACTIONS:
            if not action.name.startswith(("move-", "page-")):
                name = action.name.replace("-", " ")
                yield _Entry(f"{name}  ({shown(action.keys[0])})", action.help, None, action.name)

    def _selectable(self, project: Project, s: Selection) -> Iterator[_Entry]:
        for name, metric in project.a.metrics.items():
            yield _Entry(f"metric {metric.title}", metric.meaning, replace(s, metric=name), "")
        for name in project.limits.colourings:
            yield _Entry(f"colour by {name}", "of the points", replace(s, colouring=name), "")
        for name in project.limits.measures:
            title = project.measure_title(name)
            yield _Entry(f"distance {title}", "between spans", replace(s, measure=name), "")
        for layer in range(project.limits.layers + 1):
            yield _Entry(f"layer {layer}", "of the map", replace(s, layer=layer), "")
        for layer in range(project.limits.layers):
            for head in range(project.limits.heads):
                chosen = replace(s, head_layer=layer, head=head)
                yield _Entry(f"head {layer}.{head}", "attention head", chosen, "")


def _examples(project: Project, s: Selection, query: str) -> Iterator[_Entry]:
    """The first examples whose id or text contains the query."""
    wanted, found = query.casefold(), 0
    ids, texts = project.example_texts
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if wanted in text.casefold() or wanted in name.casefold():
            chosen = replace(s, example=row, pair=0, query=None, key=None)
            yield _Entry(f"example {name}", " ".join(text.split())[:200], chosen, "")
            found += 1
            if found == _MAX_EXAMPLES:
                return
