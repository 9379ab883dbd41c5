"""The main screen: it holds the one selection, and is the only one that changes it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.geometry import Size
from textual.reactive import var
from textual.screen import Screen

from .. import state
from ..actions import ACTIONS, PANES, PaneName
from ..layout import LAYOUTS, example_rows, gist_rows, layout_for
from ..state import History, Selection
from ..widgets.lines import LineWidget
from ..widgets.palette import Everything
from ..widgets.pane import PaneWidget, Wish
from ..widgets.prompt import Prompt, Question
from . import out

if TYPE_CHECKING:
    from ..app import InterpretApp
    from ..editing import Complete
    from ..look import Look
    from ..pane import Context, Pane
    from ..project import Project
    from ..slices import Slices

_PLACED: tuple[PaneName, ...] = ("list", "example", "map", "heads", "distance", "attention")
"""The order in which the grid of the sheet places the panes."""


class MainScreen(Screen[None]):
    """Six panes over one selection.

    Attributes:
        selection: what is being looked at. Panes draw it and ask for another by message.
        active: the pane that the keys go to.
        project: the open files; None until they are loaded, right after the first frame.
    """

    COMMANDS: ClassVar = {Everything}
    AUTO_FOCUS = ""

    selection: var[Selection] = var(Selection, init=False)
    active: var[PaneName] = var("heads", init=False)

    def __init__(self) -> None:
        super().__init__()
        for action in ACTIONS:  # here, as the settings may have given them other keys
            for key in action.keys:  # in place of Textual's own, such as tab
                binding = Binding(key, f"do('{action.name}')", action.help, show=False)
                self._bindings.key_to_bindings[key] = [binding]
        self.project: Project | None = None
        self.look: Look | None = None
        self.panes: dict[PaneName, Pane] = {}
        self.history = History()
        self.message, self.noted = "", False
        self.prompt = Prompt()
        self.slices: Slices | None = None
        self.told_of_slices = False
        self._terminal: Size | None = None
        self._widgets: dict[PaneName, PaneWidget] = {name: PaneWidget(name) for name in PANES}
        self._grid = Container(id="panes")
        self._lines = {
            name: LineWidget(name) for name in ("status", "tabs", "gists", "foot", "tiny")
        }

    def compose(self) -> ComposeResult:
        """The empty frame, laid out before it is mounted: so it is painted once."""
        self._find_look()
        self._arrange()
        yield self._lines["status"]
        yield self._lines["tabs"]
        with self._grid:
            yield from (self._widgets[name] for name in _PLACED)
        yield from (self._lines[name] for name in ("gists", "foot", "tiny"))
        yield self.prompt

    # -- loading ----------------------------------------------------------------------------

    def load(self) -> None:
        """Imports numpy and the plots, opens the files, fills the panes."""
        from collateral import CollateralError

        from ..asked.naming import Unknown
        from ..asked.settings import first_view
        from ..panes import all_panes
        from ..project import Project

        app = cast("InterpretApp", self.app)
        try:
            project = app.opened or Project.open(app.paths, app.names)
            first, keys_to, told = first_view(project, app.asked, app.settings)
        except (CollateralError, Unknown) as error:
            app.fail(str(error), 2 if isinstance(error, Unknown) else 1)
            return
        self.project = project
        self.panes = all_panes()
        for name, pane in self.panes.items():
            self._widgets[name].attach(pane)
        for line, make in self._line_makers().items():
            self._lines[line].set_source(make)
        self.set_reactive(MainScreen.selection, first)
        if keys_to is not None:
            self.go(keys_to)
        self._show(None)
        self.tell(told)
        app.theme_changed_signal.subscribe(self, lambda _: self._restyle())
        app.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        self.call_after_refresh(_look_for_garbage)

    def _find_look(self) -> None:
        from ..look import Look

        app = cast("InterpretApp", self.app)
        look = Look.detect(app.console.color_system, os.environ, app.current_theme.dark)
        self.look = Look(look.depth, look.ascii or app.force_ascii, look.dark)
        for widget in self._widgets.values():
            widget.ascii_only = self.look.ascii

    def _restyle(self) -> None:
        self._find_look()
        for name in PANES:
            self.pane_widget(name).forget()
        self.call_after_refresh(self._show, None)

    def on_unmount(self) -> None:
        """Closes the files."""
        if self.project is not None:
            self.project.close()

    # -- the store --------------------------------------------------------------------------

    def choose(self, selection: Selection) -> None:
        """Makes this the selection, as far as the files allow, and remembers the one before."""
        if self.project is None:
            return
        new = self.project.settled(state.valid(selection, self.project.limits))
        if new != self.selection:
            self.history.record(self.selection, new)
            self.selection = new

    def take(self, selection: Selection) -> None:
        """As :meth:`choose`, where nobody else says why it can't be."""
        self._try(lambda: self.choose(selection))

    def watch_selection(self, old: Selection, new: Selection) -> None:
        """Shows the new selection in every pane that depends on what changed."""
        self._show(state.changed_fields(old, new))

    def _show(self, changed: frozenset[str] | None) -> None:
        if self.project is None:
            return
        for name, pane in self.panes.items():
            context = self.context(name)
            if changed is None or changed & pane.depends:
                self.pane_widget(name).show(context)
            else:
                self.pane_widget(name).keep(context)
        self._update_lines()

    def context(self, pane: PaneName | None = None) -> Context:
        """What a pane is drawn from; bright if the keys go to it."""
        from ..pane import Context

        assert self.project is not None and self.look is not None
        return Context(self.project, self.selection, self.look, pane == self.active)

    # -- requests of the widgets ------------------------------------------------------------

    @on(PaneWidget.Asked)
    def _asked(self, event: PaneWidget.Asked) -> None:
        event.stop()
        self._quiet()
        self.go(event.widget.pane_name)
        self._try(lambda: self._grant(event.widget, event.wish))

    def _grant(self, widget: PaneWidget, wish: Wish) -> bool:
        """Carries out a wish at once, so that of fast keys none is lost; whether it was taken."""
        if self.project is None:
            return False
        wanted = widget.grant(wish, self.context(widget.pane_name))
        if wanted is not None:
            self.choose(wanted)
        return wanted is not None

    @on(PaneWidget.Prepared)
    def _prepared(self, event: PaneWidget.Prepared) -> None:
        event.stop()
        self._update_lines()

    @on(LineWidget.Pressed)
    def _pressed(self, event: LineWidget.Pressed) -> None:
        event.stop()
        self.action_do(event.action)

    # -- keys and actions -------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """Takes a key here, so that of fast keys those after "/" are typed and not carried out."""
        if self.app.screen is not self:  # the palette, whose key overtakes those before it
            self.app.screen._forward_event(event)
            event.stop()
        elif self.prompt.question is not None:
            self.prompt.press(event)
            event.stop()
        elif await self.app._check_bindings(event.key):
            event.stop()

    def on_paste(self, event: events.Paste) -> None:
        """Text from the clipboard goes where text is asked for."""
        event.stop()
        self.prompt.paste(event.text)

    def ask(
        self,
        label: str,
        initial: str,
        done: Callable[[str], None],
        complete: Complete | None = None,
    ) -> None:
        """Asks for a line of text at the bottom of the screen.

        Args:
            label: what it is for, in a word or two; up and down recall what was entered for it.
            initial: what stands there first.
            done: takes the text on enter. If it raises ``Refused``, the sentence is shown and the
                text stays, with the cursor at the ``place`` that the refusal names.
            complete: how the text before the cursor can go on (see ``editing.among``).
        """
        if self.look is not None:
            self.tell("")
            self.prompt.ask(Question(label, done, complete), initial, self.look)

    def _quiet(self) -> None:
        """Takes away what stands in the bottom line: a message, or an open question."""
        self.tell("")
        self.prompt.close()

    def action_do(self, name: str) -> None:
        """Carries out an action of the action table."""
        if self.project is None:
            if name == "quit":
                self.app.exit()
            return
        self._quiet()
        self._try(lambda: self._on_screen(name) or self._in_pane(name) or self._elsewhere(name))

    def _try(self, act: Callable[[], object]) -> None:
        """Acts; what can't be done now, or not with a damaged file, is said in the bottom line."""
        from ..refusal import Refused
        from ..views.answers import TROUBLE

        try:
            act()
        except (Refused, *TROUBLE) as reason:
            self.tell(str(reason))

    def _elsewhere(self, name: str) -> bool:
        """Actions that ask for text first, and actions on the selection; whether this was one."""
        from ..commands import COMMANDS
        from .asking import ask

        if ask(self, name):
            return True
        if name not in COMMANDS or self.project is None:
            return False
        self.choose(COMMANDS[name](self.project, self.selection))
        return True

    def _on_screen(self, name: str) -> bool:
        """Actions on the screen itself; whether this was one."""
        step = {"next-pane": 1, "previous-pane": -1}.get(name)
        if name.startswith("pane-"):
            self.go(cast(PaneName, name.removeprefix("pane-")))
        elif step is not None:
            order = [n for n in PANES if self.pane_widget(n).display or self.has_class("-small")]
            self.go(order[(order.index(self.active) + step) % len(order)])
        elif name == "zoom":
            self.toggle_class("-zoom")
            self._arrange()
        elif name == "back":
            self._back()
        elif name in ("undo", "redo"):
            self._turn(name)
        elif name == "help":
            self._help()
        elif name == "palette":
            self.app.action_command_palette()
        elif name == "redraw":
            self._again()
        elif name == "suspend":
            self.app.action_suspend_process()
        elif name == "quit":
            self.app.exit()
        else:
            return out.act(self, name)
        return True

    def _in_pane(self, name: str) -> bool:
        """Actions of the focused pane; whether this was one and the pane took it."""
        widget = self.pane_widget(self.active)
        if name == "box" and self.active != "map":
            self.go("map")
            self.call_after_refresh(self.action_do, name)  # there must be a map to draw on
            return True
        if name in ("path", "density") and not self.pane_widget("map").display:
            self.go("map")  # what it changes must be seen
        return self._grant(widget, _wish(name, widget.page))

    def _back(self) -> None:
        taken = self._grant(self.pane_widget(self.active), lambda pane, c: pane.back(c))
        if not taken and self.has_class("-zoom"):
            self.remove_class("-zoom")
            self._arrange()

    def _again(self) -> None:
        """Draws all anew, and asks once more for what could not be read."""
        if self.project is not None:
            self.project.kept.retry()
        self._show(None)
        cast("InterpretApp", self.app).redraw()

    def _turn(self, name: str) -> None:
        turn = self.history.undo if name == "undo" else self.history.redo
        found = turn(self.selection)
        if found is None:
            self.tell(f"There is nothing to {name}.")
        else:
            self.selection = found

    def _help(self) -> None:
        from .help import HelpScreen

        self.app.push_screen(HelpScreen(self.panes[self.active], self.context()))

    def go(self, name: PaneName) -> None:
        """Gives the keys to a pane; in the small layout, shows it."""
        before, self.active = self.active, name
        if before == name:
            return
        if name in ("list", "example"):
            self.set_class(name == "list", "-list")
        self._arrange()
        for pane in (before, name):
            self.pane_widget(pane).show(self.context(pane))

    def tell(self, message: str) -> None:
        """Shows a sentence in the bottom line until the next key; "" takes it away."""
        if (message, False) != (self.message, self.noted):
            self.message, self.noted = message, False
            self._lines["foot"].update()

    def note(self, message: str) -> None:
        """Like :meth:`tell`, for what is no refusal."""
        self.message, self.noted = message, True
        self._lines["foot"].update()

    # -- layout -----------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Lays out for the new size, which the app itself may not know yet."""
        self._terminal = event.size
        self._arrange()

    def watch_active(self) -> None:
        """Another pane's keys in the footer, another tab."""
        self._update_lines()

    def pane_widget(self, name: PaneName) -> PaneWidget:
        """The widget of a pane."""
        return self._widgets[name]

    def _arrange(self) -> None:
        width, height = self._terminal or self.app.size
        layout = layout_for(width, height)
        shown = "small" if self.has_class("-zoom") and layout != "tiny" else layout
        for name in LAYOUTS:
            self.set_class(name == shown, f"-{name}")
        single = shown == "small"
        top: PaneName = "list" if self.has_class("-list") else "example"
        for pane in PANES:
            medium = pane not in ("list", "example") or pane == top
            visible = pane == self.active if single else shown == "wide" or medium
            self.pane_widget(pane).display = visible
        self._give_rows(height, single)
        rows = gist_rows(width, height) if single and not self.has_class("-zoom") else 0
        gists = self._lines["gists"]
        gists.display = rows > 0
        gists.styles.height = rows
        self.set_class(width < 60, "-narrow")
        self.call_after_refresh(self._update_lines)

    def _give_rows(self, height: int, single: bool) -> None:
        """Gives the example its rows, and those below it the rest."""
        rows = "1fr" if single else f"{example_rows(height - 2)} 1fr 1fr"
        self._grid.styles.grid_rows = rows

    def _line_makers(self) -> dict[str, LineWidget.Maker]:
        from .. import chrome

        return {
            "status": lambda width, _: chrome.status(self.context(), width),
            "tabs": lambda width, _: chrome.tabs(self.context(), self.active, width),
            "gists": lambda width, height: chrome.gists(
                self.context(), self.panes, self.active, (width, height)
            ),
            "foot": lambda width, _: chrome.foot(
                self.context().look,
                self.active,
                self.message,
                width,
                self._unused(),
                self.noted,
            ),
            "tiny": lambda width, height: chrome.tiny(self.context().look, width, height),
        }

    def _unused(self) -> frozenset[str]:
        """Actions that do nothing with these files, or in the pane as it is."""
        from ..views.answers import TROUBLE

        context = self.context()
        try:
            return context.project.unused | self.panes[self.active].idle(context)
        except TROUBLE:
            return frozenset()

    def _update_lines(self) -> None:
        if self.project is not None:
            for line in self._lines.values():
                line.update()


def _wish(name: str, page: int) -> Wish:
    """What an action asks of the focused pane."""
    moves = {
        "move-left": (-1, 0),
        "move-right": (1, 0),
        "move-up": (0, -1),
        "move-down": (0, 1),
        "page-up": (0, -page),
        "page-down": (0, page),
    }
    if name in moves:
        dx, dy = moves[name]
        return lambda pane, c: pane.move(c, dx, dy)
    wishes: dict[str, Wish] = {
        "first": lambda pane, c: pane.jump(c, end=False),
        "last": lambda pane, c: pane.jump(c, end=True),
        "enter": lambda pane, c: pane.enter(c),
        "mark": lambda pane, c: pane.mark(c),
        "box": lambda pane, c: pane.box(c),
    }
    return wishes.get(name, lambda pane, c: pane.act(c, name))


def _look_for_garbage() -> None:
    """From now on, if the start put it off; what is there by now stays for good."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
