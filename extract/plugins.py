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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ExtractError
from .saying import first_line

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
    name = entry.dist.name if entry.dist else entry.value
    package = entry.module.partition(".")[0]
    if package not in _BUILT_IN:
        _owners[package] = name
    try:
        entry.load()
    except (Exception, SystemExit) as error:  # foreign code fails in any way there is
        raise ExtractError(
            f"The installed plug-in {name} cannot be loaded ({_first(error)}); mend it or "
            "uninstall it."
        ) from error


def owner(thing: object) -> str | None:
    """The plug-in that a function or a class comes from; None for what is built in."""
    return _owner_of(getattr(thing, "__module__", None))


def blamed(error: BaseException) -> str | None:
    """Whose mistake an error is, in a sentence, if it was raised in the code of a plug-in."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if (name := _owner_of(frame.f_globals.get("__name__"))) is not None:
            code = frame.f_code
            file = Path(code.co_filename).name
            place = "" if name.endswith(file) else f"{file}, "
            return (
                f"The plug-in {name} failed in {code.co_name}, {place}line {line} "
                f"({_first(error)}); mend it there."
            )
    return None


def fault(thing: object, what: str) -> Exception:
    """The error for what a function or a class did that it may not: the plug-in's, or a defect.

    Args:
        thing: the function or class.
        what: it did, as a part of a sentence.
    """
    name = owner(thing)
    return ValueError(what) if name is None else ExtractError(f"The plug-in {name}: {what}.")


@contextmanager
def answering(thing: object, what: str) -> Iterator[None]:
    """Blames a plug-in for what goes wrong where its results are used.

    Args:
        thing: function or class that gave the results.
        what: the results, for the sentence.
    """
    try:
        yield
    except (ExtractError, OSError):
        raise
    except Exception as error:  # what a plug-in gives fails in as many ways as there are
        if owner(thing) is None:
            raise
        sentence = blamed(error) or str(fault(thing, f"{what} cannot be used ({_first(error)})"))
        raise ExtractError(sentence) from error


_BUILT_IN = {__name__.partition(".")[0], "torch", "transformers"}
_owners: dict[str, str] = {}
"""Modules (with what is in them) that were loaded as plug-ins: name to what users call it."""


def _owner_of(module: object) -> str | None:
    if not isinstance(module, str):
        return None
    return _owners.get(module) or _owners.get(module.partition(".")[0])


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
    _owners[name] = str(file)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ExtractError(
            f"The plug-in {file} cannot be loaded ({_first(error)}{_where(error, file)})."
        ) from error


def _first(error: BaseException) -> str:
    kind, said = type(error).__name__, first_line(error)
    return kind if said == kind else f"{kind}: {said}"


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
