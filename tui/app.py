"""The Textual app. Its first frame comes before numpy, the plots and the files are loaded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from textual.app import App, SystemCommand
from textual.screen import Screen

from .actions import choose_keys
from .asked.wanted import Wanted
from .screens.main import MainScreen

if TYPE_CHECKING:
    from .asked.settings import Settings
    from .project import Project


class InterpretApp(App[None]):
    """Shows one or two collateral files.

    Attributes:
        asked: what to show first, as far as the command line says.
        settings: what the user prefers; None if there are no settings.
        opened: the files, if the command line had to look into them.
        failure: why the app ended by itself, a sentence for stderr; empty if the user quit.
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
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        self.settings = settings
        choose_keys(settings.keys if settings is not None else {})  # before the screen binds them
        super().__init__(ansi_color=True if plain else None)
        self.paths = tuple(paths)
        self.names = tuple(names)
        self.force_ascii = force_ascii
        self.asked = asked or Wanted()
        self.opened = opened
        self.failure = ""
        if plain:
            self.theme = "ansi-dark"  # the others would still send greys
        elif settings is not None and settings.theme and not os.environ.get("TEXTUAL_THEME"):
            self._choose_theme(settings)

    def _choose_theme(self, settings: Settings) -> None:
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        else:
            self.settings = settings.without_theme(self.available_themes)

    def get_default_screen(self) -> MainScreen:
        """The only screen; no empty one is painted before it."""
        return MainScreen()

    def on_mount(self) -> None:
        """Gives the terminal back when told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # no signals on Windows' loops, nor outside the main thread
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.exit, None, 128 + number)

    def on_ready(self) -> None:
        """The empty frame has been painted: now the slow imports, and the files."""
        screen = self.screen
        if isinstance(screen, MainScreen):
            screen.call_after_refresh(screen.load)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands only the one that has no key here."""
        yield SystemCommand("Theme", "Change the colours, dark or light", self.action_change_theme)

    def fail(self, message: str, status: int = 1) -> None:
        """Ends the app with an exit status and a sentence."""
        self.failure = message
        self.exit(return_code=status)
