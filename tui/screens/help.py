"""The help: what the pane shows, what the metric means, and every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from ..actions import PANE_TITLES, key_table

if TYPE_CHECKING:
    from ..pane import Context, Pane


class HelpScreen(ModalScreen[None]):
    """Explains one pane and lists the keys."""

    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark,enter", "dismiss", "close", show=False),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
    ]

    def __init__(self, pane: Pane, context: Context) -> None:
        super().__init__()
        self._text = help_text(pane, context)

    def compose(self) -> ComposeResult:
        """The text, scrolled with the arrows."""
        with VerticalScroll(id="help"):
            yield Markdown(self._text)
        yield Static(" ↑ ↓ scroll   esc close", id="help-foot", markup=False)

    def action_scroll(self, direction: str) -> None:
        """Scrolls by a line."""
        scroll = self.query_one("#help", VerticalScroll)
        scroll.scroll_relative(y=1 if direction == "down" else -1, animate=False)


def help_text(pane: Pane, context: Context) -> str:
    """Markdown: the pane, the metric and the measure that are chosen, the keys."""
    project, s = context.project, context.selection
    parts = [f"# {PANE_TITLES[pane.name]}", pane.help]
    metric = project.a.metrics.get(s.metric)
    if metric is not None:
        low, high = (("−∞" if n is None else f"{n:g}") for n in (metric.low, metric.high))
        if metric.high is None:
            high = "∞"
        source = f" Source: {metric.source}." if metric.source else ""
        parts.append(
            f"**Head metric now: {metric.title}** (per {metric.unit}, from {low} to {high}). "
            f"{metric.meaning}{source}"
        )
    measure = project.a.measures.get(s.measure)
    if measure is not None:
        parts.append(f"**Distance now: {measure.title}.** {measure.meaning}")
    parts += ["# Keys", key_table()]
    return "\n\n".join(parts)
