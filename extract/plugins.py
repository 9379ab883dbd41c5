"""Tasks and metrics of third parties: installed packages that say so, and files named by option.

A package names a module under the entry point group ``interpret_tui.extract``; importing it is what
registers its tasks (:func:`extract.tasks.register`) and metrics (:mod:`extract.metrics`). A file
given with ``--plugin`` is imported in the same way. Code runs because the user asked for it, never
because of data.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from .errors import ExtractError

GROUP = "interpret_tui.extract"


def load(files: Iterable[Path]) -> None:
    """Imports what is installed, then the files.

    Raises:
        ExtractError: a plug-in cannot be imported; the message names it and where it failed.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        _load_installed(entry)
    for file in files:
        _load_file(file)


def _load_installed(entry: importlib.metadata.EntryPoint) -> None:
    try:
        entry.load()
    except (Exception, SystemExit) as error:  # foreign code fails in any way there is
        package = entry.dist.name if entry.dist else entry.value
        raise ExtractError(
            f"The installed plug-in {package} cannot be loaded ({_first(error)}); mend it or "
            "uninstall it."
        ) from error


def blamed(error: BaseException) -> str | None:
    """Whose mistake an error is, in a sentence, if it was raised in the code of a plug-in file."""
    for name in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(name.filename).resolve() in _files:
            return (
                f"The plug-in {name.filename} failed in {name.name}, line {name.lineno} "
                f"({_first(error).rstrip('.')}); mend it there."
            )
    return None


_files: set[Path] = set()
"""Files that were loaded as plug-ins."""


def _load_file(file: Path) -> None:
    if not file.is_file():
        raise ExtractError(f"There is no plug-in {file}; check the path of --plugin.")
    # one name per file: a file that is given twice is imported once
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    name = f"interpret_plugin_{digest}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ExtractError(f"{file} is no Python file; --plugin takes one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _files.add(file.resolve())
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ExtractError(
            f"The plug-in {file} cannot be loaded ({_first(error)}{_where(error, file)})."
        ) from error


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _where(error: BaseException, file: Path) -> str:
    """The last line of the file that was at work."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno else ""
    found = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == file.resolve()
    ]
    return f", line {found[-1]}" if found else ""
