"""Runs a program in a pseudo-terminal and notes when its picture stands."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    """How a program came up in a terminal.

    Attributes:
        first_byte: seconds from exec to the first byte.
        marker: seconds to the byte that completed the marker.
        settled: seconds to the last byte before it fell silent.
        bytes_sent: bytes up to then.
    """

    first_byte: float
    marker: float
    settled: float
    bytes_sent: int


def start(
    command: Sequence[str],
    marker: bytes,
    size: tuple[int, int] = (160, 45),
    environment: Mapping[str, str] | None = None,
    silence: float = 0.5,
    patience: float = 60.0,
) -> Start:
    """Starts ``command``, waits until it has drawn and fallen silent, and ends it.

    Args:
        command: program and arguments.
        marker: text that stands in the first picture.
        size: columns and rows of the terminal.
        environment: further variables.
        silence: seconds without a byte that count as settled.
        patience: seconds to wait for the marker.

    Raises:
        RuntimeError: the program ended, or the marker did not come in time.
    """
    began = time.monotonic()
    child, terminal = _spawn(command, size, environment or {})
    shown = b""
    first = marked = last = 0.0
    try:
        while True:
            wait = silence if marked else patience - (time.monotonic() - began)
            ready, _, _ = select.select([terminal], [], [], max(wait, 0.0))
            if not ready:
                break
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux answers so when the other side is closed
                piece = b""
            if not piece:
                break
            last = time.monotonic() - began
            first = first or last
            shown += piece
            if not marked and marker in shown:
                marked = last
    finally:
        _end(child, terminal)
    if not marked:
        raise RuntimeError(f"{command[0]} never showed {marker!r}; it sent {shown[-300:]!r}")
    return Start(first, marked, last, len(shown))


def _spawn(
    command: Sequence[str], size: tuple[int, int], environment: Mapping[str, str]
) -> tuple[int, int]:
    columns, rows = size
    child, terminal = pty.fork()
    if child == 0:
        variables = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "COLUMNS": str(columns),
            "LINES": str(rows),
            **environment,
        }
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe(command[0], list(command), variables)
        finally:
            os._exit(127)
    return child, terminal


def _end(child: int, terminal: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
