"""Errors that are the user's to mend: one clear sentence each, never a traceback."""

from __future__ import annotations

import os


class ExtractError(Exception):
    """Extraction cannot go on; the message says what, where and what to do.

    Attributes:
        status: exit status of the command.
    """

    status = 1


class UsageError(ExtractError):
    """The command line asks for something that cannot be."""

    status = 2


class BadLine(ExtractError):
    """One line of the data cannot be used.

    Attributes:
        line: its number, counted from 1.
        what: what is wrong with it.
    """

    def __init__(self, path: str | os.PathLike[str], line: int, what: str) -> None:
        self.path = os.fspath(path)
        self.line = line
        self.what = what
        advice = "Correct it, or leave such lines out with --skip-bad."
        super().__init__(f"{self.path}, line {line}: {what}. {advice}")


class OutOfMemory(Exception):
    """The device's memory is too small for a batch; a smaller one may fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory is too small, in any of torch's ways."""
    said = str(error)  # a CPU and MPS raise nothing more special than a RuntimeError
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in said
        or "out of memory" in said
    )
