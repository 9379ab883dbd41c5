"""The real program in a real pseudo-terminal, with pyte as the terminal that is looked at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte

COMMAND = Path(sys.executable).with_name("interpret-tui")

_OWN = ("TEXTUAL", "LC_", "LANG", "COLUMNS", "LINES")
"""Variables that a test sets or goes without; pytest-xdist gives its workers a fixed COLUMNS."""

ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_].*?\x1b\\|.)")


class Terminal:
    """A terminal in which the program runs.

    Attributes:
        sent: all bytes that the program has sent.
    """

    def __init__(
        self,
        arguments: Sequence[object],
        size: tuple[int, int] = (80, 24),
        redirected: bool = False,
        controlling: bool = False,
        command: Sequence[object] = (COMMAND,),
        **environ: str,
    ) -> None:
        """Starts the program.

        Args:
            arguments: of the command line.
            size: columns and rows.
            redirected: stderr is a pipe, whose text is the ``errors``.
            controlling: it is the program's controlling terminal, as for a shell's own child: who
                loses it is told by SIGHUP.
            command: what to start in place of the viewer's command.
            environ: more environment variables.
        """
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave  # kept open: its modes are looked at when the program has ended
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
        kept.pop("NO_COLOR", None)
        known = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [*map(str, command), *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE if redirected else slave,  # Textual draws there
            env=kept | known | environ,
            start_new_session=True,
            preexec_fn=partial(_in_child, controlling),
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.hang_up()
        os.close(self._slave)

    def hang_up(self) -> None:
        """Closes the terminal, as its window is closed or a line drops."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def stopped(self, seconds: float = 20) -> bool:
        """Reads until the program is stopped (ctrl+z); whether it was in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read()
            if self._state() == "T":
                while self.read():
                    pass
                return True
        return False

    def _state(self) -> str:
        """What the program does, as Linux says it: S sleeps, T is stopped, Z has ended."""
        about = Path(f"/proc/{self.process.pid}/stat").read_text()
        return about.rpartition(")")[2].split()[0]

    def read(self, seconds: float = 0.05) -> bool:
        """Takes in what has been sent; whether there was anything."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        data = os.read(self._master, 1 << 16)
        self.sent += data
        self._stream.feed(_known_to_pyte(data))
        return True

    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def press(self, keys: str) -> None:
        """Types keys."""
        os.write(self._master, keys.encode())

    def wait(self, seen: Callable[[], Any] | str, seconds: float = 40) -> None:
        """Reads until words stand on the screen, or a condition holds."""
        until = time.monotonic() + seconds
        while not (seen in self.text() if isinstance(seen, str) else seen()):
            ended = self.process.poll() is not None and not self.read()
            if ended or time.monotonic() > until:
                raise AssertionError(f"waited in vain for {seen!r}:\n{self.text()}")
            self.read()

    def resize(self, width: int, height: int) -> None:
        """Changes the size of the terminal."""
        size = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, size)
        self.screen.resize(height, width)
        self.process.send_signal(28)  # SIGWINCH, as the slave is not its controlling terminal

    def end(self, seconds: float = 40) -> int:
        """Reads until the program has ended; its exit status."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < until, f"does not end:\n{self.text()}"
        while self.read():
            pass
        return self.process.returncode

    @property
    def errors(self) -> str:
        """What stands below the user's prompt when the program has ended."""
        if self.process.stderr is not None:
            return self.process.stderr.read().decode()
        last = self.sent.rpartition(b"\x1b[?1049l")[2]
        return ESCAPES.sub(b"", last).decode().replace("\r\n", "\n")

    def printed(self) -> bytes:
        """All that was sent, without escape sequences."""
        return ESCAPES.sub(b"", self.sent)

    def is_restored(self) -> bool:
        """Whether the terminal is as it was: line modes, screen, cursor, mouse, pasting."""
        if termios.tcgetattr(self._slave)[:4] != self.before[:4]:
            return False
        for mode, wanted in ((1049, b"l"), (25, b"h"), (1000, b"l"), (1003, b"l"), (2004, b"l")):
            switched = re.findall(rb"\x1b\[\?(?:\d+;)*%d(?:;\d+)*([hl])" % mode, self.sent)
            if switched and switched[-1] != wanted:
                return False
        return b"\x1b[?1049h" in self.sent


def _in_child(controlling: bool) -> None:
    """Before the program: as a shell starts one in front of somebody."""
    for heard in (signal.SIGINT, signal.SIGHUP):  # what a script or nohup starts ignores them
        signal.signal(heard, signal.SIG_DFL)
    if controlling:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _known_to_pyte(data: bytes) -> bytes:
    """Drops private sequences that pyte takes for others (it would print or misread them)."""
    return re.sub(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1bP.*?\x1b\\|\x1b\[\?[0-9;]*\$p", b"", data)
