"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat

from .errors import CollateralError

_FOLDER_ADVICE = "Choose a folder that exists and that you may write to."
_SPACE_ADVICE = "Free some space or choose another folder."


class Sink:
    """A file under a temporary name beside its target, renamed when it is finished.

    Whatever happens before :meth:`finish`, a file that stood there before stays as it was. A
    killed process leaves the temporary file (".NAME.XXXXXXXX.partial") behind, never a target that
    is half written. If the target is a link, what it points to is replaced.

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
            self._temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(4)}.partial")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            self._handle = os.open(self._temporary, flags, 0o666)  # less the umask
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
