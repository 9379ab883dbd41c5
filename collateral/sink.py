"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time

from .errors import CollateralError

_FOLDER_ADVICE = "Choose a folder that exists and that you may write to."
_NAME = 40
"""Letters of the target's name in that of the temporary file."""
_OLD = 60.0
"""Seconds after which a temporary file that nobody writes is taken for left behind."""
_SPACE_ADVICE = "Free some space or choose another folder."


class Sink:
    """A file under a temporary name beside its target, renamed when it is finished.

    Whatever happens before :meth:`finish`, a file that stood there before stays as it was. A
    killed process leaves the temporary file (".NAME.XXXXXXXX.partial") behind, never a target that
    is half written; the next one that finishes the same target removes it. If the target is a link,
    what it points to is replaced.

    Attributes:
        offset: bytes written so far.

    Raises:
        CollateralError: the target cannot be written, or is no regular file.
    """

    _handle = -1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.offset = 0
        try:
            self._target = os.path.realpath(self.path)
            self._check_target()
            folder, name = os.path.split(self._target)
            temporary = f".{name[:_NAME]}.{secrets.token_hex(4)}.partial"
            self._temporary = os.path.join(folder, temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            self._handle = os.open(self._temporary, flags, 0o666)  # less the umask
            _is_mine(self._handle)
            self._file = os.fdopen(self._handle, "wb", buffering=1 << 20)
        except (OSError, ValueError) as error:
            raise self._failed(error, _FOLDER_ADVICE) from error

    def _check_target(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(self._target).st_mode
            if stat.S_ISREG(mode):
                return
            what = "is a directory" if stat.S_ISDIR(mode) else "is not a regular file"
            raise CollateralError(self.path, what, "Give the name of a file to write.")

    def write(self, *parts: bytes | memoryview) -> int:
        """Appends the parts; the offset at which they begin.

        Raises:
            CollateralError: the disk is full, say.
            ValueError: the sink was finished or given up.
        """
        if self._handle < 0:
            raise ValueError(f"{self.path}: writing has ended")
        start = self.offset
        try:
            for part in parts:
                self._file.write(part)
                self.offset += len(part)
        except OSError as error:
            raise self._failed(error, _SPACE_ADVICE) from error
        return start

    def flush(self) -> None:
        """Hands over to the system what was written: it is there should this process be killed.

        Raises:
            CollateralError: the disk is full, say.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise self._failed(error, _SPACE_ADVICE) from error

    def finish(self) -> None:
        """Writes all to disk and gives the file its name.

        Raises:
            CollateralError: that failed; the temporary file is still there, see :meth:`abort`.
        """
        try:
            self._file.flush()
            os.fsync(self._handle)
            self._file.close()
            self._handle = -1
            os.replace(self._temporary, self._target)
            with contextlib.suppress(OSError):  # not every file system can sync a folder
                folder = os.open(os.path.dirname(self._target), os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            raise self._failed(error, _SPACE_ADVICE) from error
        self._sweep()

    def _sweep(self) -> None:
        """Removes what killed writers of this very target have left: it is here now, and whole."""
        folder, name = os.path.split(self._target)
        if len(name) > _NAME:
            return  # it may be of another target whose name begins alike
        left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}\.partial")
        with contextlib.suppress(OSError):
            for found in os.listdir(folder):
                if left.fullmatch(found):
                    _remove_if_left(os.path.join(folder, found))

    def abort(self) -> None:
        """Gives up: removes the temporary file. Twice, or after :meth:`finish`, does nothing."""
        if self._handle >= 0:
            self._handle = -1
            with contextlib.suppress(OSError):  # a full disk, say; what matters is that it closes
                self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)

    def __del__(self) -> None:
        if self._handle >= 0:
            self.abort()

    def _failed(self, error: Exception, advice: str) -> CollateralError:
        reason = getattr(error, "strerror", None) or error
        return CollateralError(self.path, f"cannot be written ({reason})", advice)


def _is_mine(handle: int) -> bool:
    """Whether nobody else writes this file; from now on it is this process that does."""
    try:
        import fcntl  # here: not every system has it

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # another has it, or there are no locks here
        return False
    return True


def _remove_if_left(path: str) -> None:
    """Removes a temporary file that is old, and that no living process writes."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            old = time.time() - os.fstat(handle).st_mtime > _OLD
            if old and _is_mine(handle):
                os.unlink(path)
        finally:
            os.close(handle)
