"""Children that are forked: cheap enough to be killed by the dozen."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable
from types import TracebackType

NOBODY = 65534
WORK = Callable[[int], None]
"""What a child does; it is given a pipe to write to."""


class Child:
    """A process that does some work and ends with status 0, or 1 if that raised.

    Attributes:
        pid: its number.
    """

    def __init__(self, work: WORK) -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                os.close(self._read)
                try:
                    work(write)
                    status = 0
                except BaseException:
                    os.write(write, traceback.format_exc().encode())
            os._exit(status)
        os.close(write)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._read)

    def said(self) -> bytes:
        """All that it wrote; waits until it has ended."""
        parts = []
        while part := os.read(self._read, 1 << 16):
            parts.append(part)
        return b"".join(parts)

    def wait(self) -> int:
        """Its exit status; minus the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> bytes:
        """Ends it with SIGKILL; all that it wrote until then."""
        os.kill(self.pid, signal.SIGKILL)
        said = self.said()
        assert self.wait() == -signal.SIGKILL, said
        return said


def run(work: WORK) -> bytes:
    """What a child wrote that must end well."""
    with Child(work) as child:
        said = child.said()
        assert child.wait() == 0, said.decode()
    return said


def as_nobody(work: WORK) -> WORK:
    """The same work, for a user who is not root."""

    def dropped(pipe: int) -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        work(pipe)

    return dropped
