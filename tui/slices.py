"""Filters that are kept by name, in a file of the user's: ``@hard`` stands for one of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"[^\W\d][\w.-]*")


def default_path() -> Path:
    """``$XDG_CONFIG_HOME/interpret-tui/slices.json``, else under ``~/.config``."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if os.path.isabs(home) else Path.home() / ".config"
    return folder / "interpret-tui" / "slices.json"


class Slices:
    """The kept filters.

    Attributes:
        path: the file they are in, which need not exist.
        by_name: what each name stands for.
        problem: why the file was ignored, in a sentence; "" if it was not.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Reads the file if there is one."""
        self.path = path or default_path()
        self.by_name: dict[str, str] = {}
        self.problem = ""
        self._stored: dict[str, str] = {}
        self.read()

    def read(self) -> None:
        """Reads the file again, as another viewer may have written it."""
        self.by_name, self._stored, self.problem = {}, {}, ""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
                raise ValueError("it is no table of names and filters")
            self._stored = found
            self.by_name = {name: text for name, text in found.items() if valid_name(name)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.problem = f"Kept filters are ignored: {self.path} can't be read ({why})."

    def keep(self, name: str, text: str) -> None:
        """Keeps a filter by a name, in place of what had that name before.

        Raises:
            OSError: the file can't be written.
            ValueError: it is damaged, and would be lost; the message is a sentence.
        """
        self._read_to_change()
        self._write({**self._stored, name: text})
        self.by_name = {**self.by_name, name: text}

    def forget(self, name: str) -> None:
        """Removes a filter; nothing happens if there is none of that name.

        Raises:
            OSError: the file can't be written.
            ValueError: it is damaged, and would be lost; the message is a sentence.
        """
        self._read_to_change()
        if name in self._stored:
            self._write({one: text for one, text in self._stored.items() if one != name})
        self.by_name = {one: text for one, text in self.by_name.items() if one != name}

    def _read_to_change(self) -> None:
        self.read()
        if self.problem:
            raise ValueError(f"{self.problem} Repair or remove it first.")

    def _write(self, kept: Mapping[str, str]) -> None:
        """Writes the file anew, in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=self.path.parent, prefix=".slices-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file, indent=2, ensure_ascii=False)
                file.write("\n")
            os.replace(made, self.path.resolve())
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(made)
            raise


def valid_name(name: str) -> bool:
    """Whether a filter can be kept by this name: one word that begins with a letter."""
    return _NAME.fullmatch(name) is not None
