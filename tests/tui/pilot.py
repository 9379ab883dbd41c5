"""Runs the app without a terminal: start it, press keys, read what stands on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textual import events
from textual.driver import Driver
from textual.pilot import Pilot

from tui.actions import PaneName
from tui.app import InterpretApp
from tui.project import Project
from tui.screens.main import MainScreen
from tui.state import Selection


@dataclass
class Session:
    """A running app."""

    app: InterpretApp
    pilot: Pilot[None]

    @property
    def screen(self) -> MainScreen:
        """The main screen, also while another one covers it."""
        return next(s for s in self.app.screen_stack if isinstance(s, MainScreen))

    @property
    def project(self) -> Project:
        """The open files."""
        assert self.screen.project is not None
        return self.screen.project

    @property
    def selection(self) -> Selection:
        """What is being looked at."""
        return self.screen.selection

    async def settle(self) -> None:
        """Waits until all that was asked for is computed and drawn.

        Textual's ``pilot.pause`` waits until the processor idles, which takes long on a busy
        machine; here it is enough that every queue was emptied a few times: a key becomes a
        message, a message a layout, a layout a picture.
        """
        for _ in range(4):
            await self.pilot._wait_for_screen()
            await self.app.workers.wait_for_complete()
            self.app.screen._on_timer_update()
        await self.pilot._wait_for_screen()

    async def press(self, *keys: str) -> None:
        """Presses keys, one after another, as a terminal sends them."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await self.settle()

    async def select(self, **changes: Any) -> Selection:
        """Changes the selection from outside; the new one."""
        self.screen.choose(replace(self.selection, **changes))
        await self.settle()
        return self.selection

    async def go(self, pane: PaneName) -> None:
        """Gives a pane the focus."""
        self.screen.go(pane)
        await self.settle()

    def lines(self) -> list[str]:
        """What stands on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.lines())

    def title(self, pane: PaneName) -> str:
        """What stands in the frame of a pane, as it is on the screen."""
        region = self.screen.pane_widget(pane).region
        return self.lines()[region.y][region.x : region.right].strip("╭╮─+- ")

    def inside(self, pane: PaneName) -> tuple[int, int]:
        """The place of the first cell inside the frame of a pane."""
        region = self.screen.pane_widget(pane).region
        return region.x + 1, region.y + 1

    def foot(self) -> str:
        """The bottom line."""
        return self.lines()[-1]

    def find(self, words: str, after: int = 0) -> tuple[int, int]:
        """The place (x, y) of words on the screen, from line ``after`` on."""
        for y, line in enumerate(self.lines()):
            if y >= after and words in line:
                return line.index(words), y
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text()}")


@asynccontextmanager
async def running(
    files: Sequence[Path],
    size: tuple[int, int] = (160, 45),
    driver: type[Driver] | None = None,
    limit: float | None = 60,
) -> AsyncIterator[Session]:
    """The app on these files, loaded and drawn; after a minute the test has failed.

    Args:
        driver: takes the place of Textual's driver without a terminal.
        limit: other seconds than a minute; None is as long as it takes.
    """
    app = InterpretApp([str(path) for path in files])
    if driver is not None:
        app.driver_class = driver
    async with _limit(limit), app.run_test(headless=driver is None, size=size) as pilot:
        session = Session(app, pilot)
        await session.settle()
        yield session


def _limit(seconds: float | None) -> AbstractAsyncContextManager[Any]:
    """``asyncio.timeout``, which Python 3.10 does not have."""
    timeout = getattr(asyncio, "timeout", None)
    return nullcontext() if timeout is None else timeout(seconds)
