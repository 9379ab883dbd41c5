"""Textual's driver, which sends a terminal only what changes on it (see ``tui.wire``).

And which outlives its terminal by no more than a moment: one that is gone can be neither written to
nor read from, and Textual's own driver then waits forever, or reads nothing over and over.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, cast

from textual import constants

from ..wire import Wire

if TYPE_CHECKING:
    from textual.driver import Driver


def driver_class(send_all: bool = False) -> type[Driver] | None:
    """The driver; None where Textual's own is wanted, or there is no POSIX terminal.

    Args:
        send_all: it sends every cell that is drawn.
    """
    if constants.DRIVER is not None or sys.platform == "win32":
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class ThriftyDriver(LinuxDriver):
        def __init__(self, *args: Any, **options: Any) -> None:
            self.wire = None if send_all else Wire()  # first, as a driver may write while made
            self._ended: Callable[[], object] | None = None
            super().__init__(*args, **options)
            self._file = cast("Any", _Line(cast("IO[str]", self._file), self._gone))

        def write(self, data: str) -> None:
            super().write(data if self.wire is None else self.wire.passed(data))

        def start_application_mode(self) -> None:
            if self._ended is None:
                loop, app = asyncio.get_running_loop(), self._app
                status = 128 + signal.SIGHUP  # as if the line had been dropped
                self._ended = lambda: loop.call_soon_threadsafe(app.exit, None, status)
                _when_hung_up(self.fileno, self._gone)
            super().start_application_mode()  # type: ignore[no-untyped-call]

        def _gone(self) -> None:
            if self._ended is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended already
                    self._ended()

        def _run_input_thread(self) -> None:
            try:
                self.run_input_thread()
            except OSError:
                self._gone()

        def _sigcont_application(self, *arguments: Any) -> None:
            """Goes on, also after a stop that gave no chance to tidy up (SIGSTOP).

            The terminal is as the shell left it then, so all is set up anew; doing that twice would
            take the modes of a running viewer for those to leave behind.
            """
            writer = self._writer_thread
            if self._auto_restart and writer is not None and writer.is_alive():
                self.suspend_application_mode()
                self._must_signal_resume = True
            super()._sigcont_application(*arguments)

    return ThriftyDriver


class _Line:
    """The file that goes to the terminal; once that fails, what is written goes nowhere."""

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file = file
        self._gone = gone
        self._broken = False

    def write(self, text: str) -> int:
        """Writes, as long as there is a terminal."""
        self._try(lambda: self._file.write(text))
        return len(text)

    def flush(self) -> None:
        """Sends what was written."""
        self._try(self._file.flush)

    def fileno(self) -> int:
        """Of the terminal."""
        return self._file.fileno()

    def _try(self, act: Callable[[], object]) -> None:
        if self._broken:
            return
        try:
            act()
        except (OSError, ValueError):
            self._broken = True
            self._gone()


def _when_hung_up(handle: int, gone: Callable[[], None]) -> None:
    """Calls ``gone`` from a thread once the terminal's other end is closed."""
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(handle, 0)  # of a hang-up alone one is always told

    def wait() -> None:
        with contextlib.suppress(OSError):
            if any(what & select.POLLHUP for _, what in poll.poll()):
                gone()

    threading.Thread(target=wait, name="terminal-gone", daemon=True).start()
