"""The Textual app. Its first frame comes before numpy, the plots and the files are loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import App, SystemCommand
from textual.driver import Driver
from textual.screen import Screen

from .actions import choose_keys
from .asked.wanted import Wanted
from .screens.main import MainScreen
from .widgets.driver import driver_class
from .widgets.palette import Palette
from .wire import Wire

if TYPE_CHECKING:
    from .asked.settings import Settings
    from .project import Project


class InterpretApp(App[None]):
    """Shows one or two collateral files.

    Attributes:
        asked: what to show first, as far as the command line says.
        settings: what the user prefers; None if there are no settings.
        send_all: whether the terminal gets every cell that is drawn, not the changed ones alone.
        opened: the files, if the command line had to look into them.
        failure: why the app ended by itself, a sentence for stderr; empty if the user quit.
        fault: an exception that nobody expected, which ended the app.
    """

    TITLE = "interpret-tui"
    CSS_PATH = "interpret.tcss"
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self,
        paths: Sequence[str],
        names: Sequence[str] = (),
        force_ascii: bool = False,
        asked: Wanted | None = None,
        opened: Project | None = None,
        settings: Settings | None = None,
        send_all: bool = False,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        self.settings = settings
        self.send_all = send_all
        choose_keys(settings.keys if settings is not None else {})  # before the screen binds them
        super().__init__(ansi_color=True if plain else None)
        self.paths = tuple(paths)
        self.names = tuple(names)
        self.force_ascii = force_ascii
        self.asked = asked or Wanted()
        self.opened = opened
        self.failure = ""
        self.fault: Exception | None = None
        if plain:
            self.theme = "ansi-dark"  # the others would still send greys
        elif settings is not None and settings.theme and not os.environ.get("TEXTUAL_THEME"):
            self._choose_theme(settings)

    def _choose_theme(self, settings: Settings) -> None:
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        else:
            self.settings = settings.without_theme(self.available_themes)

    def get_driver_class(self) -> type[Driver]:
        """The one that sends what changes, unless all is to be sent."""
        return driver_class(self.send_all) or super().get_driver_class()

    def on_resize(self, _: events.Resize) -> None:
        """Terminals move and cut what they show when their size changes."""
        self._forget_cells()

    def redraw(self) -> None:
        """Sends the whole screen again, whatever the terminal shows by now."""
        self._forget_cells()
        self.screen.refresh(layout=True)

    def _forget_cells(self) -> None:
        wire = getattr(self._driver, "wire", None)
        if isinstance(wire, Wire):
            wire.forget()

    def get_default_screen(self) -> MainScreen:
        """The only screen; no empty one is painted before it."""
        return MainScreen()

    def on_ready(self) -> None:
        """The empty frame has been painted: now the slow imports, and the files."""
        screen = self.screen
        if isinstance(screen, MainScreen):
            screen.call_after_refresh(screen.load)

    def action_command_palette(self) -> None:
        """Opens the palette, unless it is open."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands only the one that has no key here."""
        yield SystemCommand("Theme", "Change the colours, dark or light", self.action_change_theme)

    def fail(self, message: str, status: int = 1) -> None:
        """Ends the app with an exit status and a sentence."""
        self.failure = message
        self.exit(return_code=status)

    def _handle_exception(self, error: Exception) -> None:
        """Remembers the first fault; what follows from it says less."""
        self.fault = self.fault or error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Ends after a fault. Textual would print a screen full of code; see ``tui.ending``."""
        self._close_messages_no_wait()
