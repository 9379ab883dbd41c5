"""Runs a program in a pseudo-terminal and notes when its picture stands."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.harness import Spent

ROOT = Path(__file__).resolve().parent.parent
VIEWER = str(Path(sys.executable).with_name("interpret-tui"))

KEYS_SIZE = (120, 40)
"""Columns and rows of the terminal in which keys are timed."""
_SEEN = os.path.isdir("/proc/self/task")
"""Whether the system says what a process is doing."""
_SILENCE = 0.08 if _SEEN else 0.5
"""Seconds without a byte after which a program that sleeps has drawn all."""

_LOOKS, _PAUSE = 3, 0.02
"""How often it must be seen to sleep, and seconds in between: threads wake each other up."""


@dataclass(frozen=True)
class Answer:
    """What a program sent after a key.

    Attributes:
        first, last: milliseconds to the first and the last byte.
        cpu: milliseconds of its processor time, until it slept again; 0 if that is not known.
        sent: the bytes.
    """

    first: float
    last: float
    cpu: float
    sent: bytes

    @property
    def spent(self) -> Spent:
        """Time to the last byte."""
        return Spent(self.last, self.cpu)


@dataclass(frozen=True)
class Memory:
    """Memory of a process in MB: resident, and what of it is its own."""

    resident: float
    private: float


class Session:
    """A program in a terminal; a context manager that ends it."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (160, 45),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts ``command``.

        Args:
            command: program and arguments.
            size: columns and rows of the terminal.
            environment: further variables.
        """
        self._name = command[0]
        self._began = time.perf_counter()
        self._child, self._terminal = _spawn(command, size, environment or {})
        self.sent = b""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _end(self._child, self._terminal)

    def until(self, marker: bytes, patience: float = 120.0) -> float:
        """Reads until the marker was sent; milliseconds from exec to then.

        Raises:
            RuntimeError: the program ended, or the marker did not come in time.
        """
        last = time.perf_counter()
        deadline = last + patience
        while marker not in self.sent:
            left = deadline - time.perf_counter()
            piece = self._read(max(left, 0.0))
            if not piece:
                raise RuntimeError(
                    f"{self._name} never showed {marker!r}; it sent {self.sent[-300:]!r}"
                )
            last = time.perf_counter()
            self.sent += piece
        return 1000 * (last - self._began)

    def settled(self, patience: float = 120.0) -> float:
        """Reads until all is drawn; milliseconds from exec to the last byte, or to now."""
        return 1000 * (self._drain(time.perf_counter() + patience)[1] - self._began)

    def press(self, *keys: bytes, patience: float = 120.0) -> Answer:
        """Types keys at once and reads until all is drawn.

        Raises:
            RuntimeError: nothing was sent.
        """
        self.sent, used = b"", self.used()
        began = time.perf_counter()
        for key in keys:
            os.write(self._terminal, key)
        first, last = self._drain(began + patience, 3 * _SILENCE)
        if not self.sent:
            raise RuntimeError(f"{self._name} did not answer {keys!r}")
        cpu = self.used() - used
        return Answer(1000 * (first - began), 1000 * (last - began), cpu, self.sent)

    def answered(self, key: bytes, marker: bytes, patience: float = 30.0) -> float:
        """Types a key; milliseconds until the marker was sent."""
        self.sent = b""
        began = time.perf_counter()
        os.write(self._terminal, key)
        return self.until(marker, patience) - 1000 * (began - self._began)

    def memory(self) -> Memory | None:
        """What it holds now; None where the system does not say."""
        try:
            lines = Path(f"/proc/{self._child}/smaps_rollup").read_text().splitlines()
        except OSError:
            return None
        kilobytes = {
            name: int(value.split()[0])
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        return Memory(kilobytes["Rss"] * 1024 / 1e6, own * 1024 / 1e6)

    def _drain(self, deadline: float, first_wait: float = _SILENCE) -> tuple[float, float]:
        """Reads until the program is silent and sleeps; when the first and last byte came."""
        first = last = time.perf_counter()
        begun, asleep = False, 0
        while time.perf_counter() < deadline and asleep < _LOOKS:
            piece = self._read(_PAUSE if asleep else _SILENCE if begun else first_wait)
            if piece == b"":
                break
            if piece is None:
                asleep = asleep + 1 if self._sleeps() else 0
                continue
            last = time.perf_counter()
            first = first if begun else last
            begun, asleep = True, 0
            self.sent += piece
        return first, last

    def used(self) -> float:
        """Milliseconds of its processor time, all threads together; 0 if that is not known."""
        if not _SEEN:
            return 0.0
        clock = (~self._child << 3) | 2  # what Linux's clock_getcpuclockid gives for a process
        return 1000 * time.clock_gettime(clock)

    def _sleeps(self) -> bool:
        """Whether no thread of it runs or waits for the disk."""
        threads: list[str] = []
        with contextlib.suppress(OSError):
            threads = os.listdir(f"/proc/{self._child}/task")
        for thread in threads:
            with contextlib.suppress(OSError):  # it may have ended meanwhile
                stat = Path(f"/proc/{self._child}/task/{thread}/stat").read_bytes()
                if stat.rpartition(b")")[2].split()[0] in (b"R", b"D"):
                    return False
        return True

    def _read(self, wait: float) -> bytes | None:
        """The next piece; None if there was none in time, b"" if the program has ended."""
        if not select.select([self._terminal], [], [], wait)[0]:
            return None
        try:
            return os.read(self._terminal, 65536)
        except OSError:  # Linux answers so when the other side is closed
            return b""


def viewer(path: Path, *options: str, size: tuple[int, int] = KEYS_SIZE) -> Session:
    """The viewer with a file, all panes filled."""
    session = Session([VIEWER, str(path), *options], size)
    session.until(b"t-SNE")
    session.settled()
    return session


def rival_app(what: str, path: Path) -> Session:
    """An app of ``bench.rivals`` with what it shows, all drawn."""
    session = Session([sys.executable, "-m", "bench.rivals", what, str(path)], KEYS_SIZE)
    session.until(b"\x1b[?1049h")
    session.settled()
    return session


def _spawn(
    command: Sequence[str], size: tuple[int, int], environment: Mapping[str, str]
) -> tuple[int, int]:
    columns, rows = size
    child, terminal = pty.fork()
    if child == 0:
        variables = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
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
