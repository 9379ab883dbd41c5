"""Textual's driver, which sends a terminal only what changes on it (see ``tui.wire``)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from textual import constants

from ..wire import Wire

if TYPE_CHECKING:
    from textual.driver import Driver


def driver_class() -> type[Driver] | None:
    """The driver; None where Textual's own is wanted, or there is no POSIX terminal."""
    if constants.DRIVER is not None or sys.platform == "win32":
        return None
    from textual.drivers.linux_driver import LinuxDriver

    class ThriftyDriver(LinuxDriver):
        def __init__(self, *args: Any, **options: Any) -> None:
            self.wire = Wire()  # first, as a driver may write while it is made
            super().__init__(*args, **options)

        def write(self, data: str) -> None:
            super().write(self.wire.passed(data))

    return ThriftyDriver
