"""How the viewer ends when it is told to, or by a fault of its own: the terminal is given back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import InterpretApp

FAULT = 70
"""Exit status after a fault of the program's own (EX_SOFTWARE of BSD's sysexits)."""
_PATIENCE = 3.0
"""Seconds that the viewer may take to end; a terminal that takes no more output keeps it longer."""
_GIVEN_BACK = (
    b"\x1b[?2004l\x1b[?7h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[<u\x1b[?1004l\x1b[?1049l\x1b[?25h"
)
"""What Textual's driver sends at its end: plain pasting, no mouse, the user's screen, a cursor."""


def listen(app: InterpretApp) -> None:
    """Ends the app on SIGTERM, SIGHUP and SIGINT, also where the terminal keeps it waiting."""
    told: list[int] = []

    def end(number: int, _: object) -> None:
        if told:  # for the second time: at once
            _leave(app, number)
        told.append(number)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # it has not begun, or is done
            raise SystemExit(128 + number) from None
        loop.call_soon_threadsafe(app.exit, None, 128 + number)
        late = threading.Timer(_PATIENCE, _leave, (app, number))
        late.daemon = True
        late.start()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, end)


def _leave(app: InterpretApp, number: int) -> None:
    """Gives the terminal its modes back, and ends without waiting for anything."""
    driver: Any = app._driver
    before = getattr(driver, "attrs_before", None)
    if before is not None:
        import termios

        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(driver.fileno, termios.TCSANOW, before)
            os.set_blocking(driver.fileno, False)
            os.write(driver.fileno, _GIVEN_BACK)
    if before is not None:
        with contextlib.suppress(OSError):
            os.set_blocking(driver.fileno, True)  # others have it open too
    os._exit(128 + number)


def told_of_fault(error: BaseException) -> str:
    """Writes down where a fault happened, in a new file; a sentence about it.

    Where no file can be written, the details are printed to stderr.
    """
    import tempfile
    import traceback

    from .text import clean

    lines = "".join(traceback.format_exception(error)).split("\n")
    details = "\n".join(map(clean, lines))  # names and texts of files may stand in it
    said = f"there is a fault in the program ({type(error).__name__}); your files are as they were."
    try:
        handle, name = tempfile.mkstemp(prefix="interpret-tui-fault-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(details)
    except OSError:
        print(details, file=sys.stderr)
        return f"{said} Please report it with the lines above, and what you did last."
    return f"{said} Please report it with {name}, which says where, and what you did last."
