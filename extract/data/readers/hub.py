"""Data sets by name, through the package ``datasets`` where it is installed."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import ExtractError, UsageError
from ...saying import listed
from .base import Problem, Record

_MEDIA = {"Image", "Audio", "Video", "Pdf", "Nifti"}


class HubData:
    """A data set by name.

    Attributes:
        split: the split that is read.
        columns: names of its columns; those that hold pictures or sound are left out.
    """

    def __init__(self, name: str, split: str | None) -> None:
        """Loads ``name``, or one configuration of it (``name:configuration``).

        Raises:
            UsageError: there is no such split, or several and none is named.
            ExtractError: the package or the data set cannot be had.
        """
        self._data, self.split = _load(name, split)
        features = dict(self._data.features)
        media = [key for key, kind in features.items() if type(kind).__name__ in _MEDIA]
        if media:
            self._data = self._data.remove_columns(media)
        self._features = {key: kind for key, kind in features.items() if key not in media}
        self.columns = list(self._features)

    def __iter__(self) -> Iterator[Record | Problem]:
        for number, row in enumerate(self._data, 1):
            fields = {key: _named(self._features.get(key), value) for key, value in row.items()}
            if problem := _unusable(fields):
                yield Problem(number, problem)
            else:
                yield Record(number, fields)


def installed() -> bool:
    """Whether the package can be imported."""
    try:
        _package()
    except ExtractError:
        return False
    return True


def _package() -> Any:
    try:
        return importlib.import_module("datasets")
    except ImportError:
        raise ExtractError(
            'Reading a data set by its name needs the package "datasets" '
            "(pip install datasets); or give a file with --data."
        ) from None


def _load(name: str, split: str | None) -> tuple[Any, str]:
    load = _package().load_dataset
    path, colon, config = (name, "", "") if Path(name).exists() else name.partition(":")
    options: dict[str, Any] = {"split": split, "streaming": False}
    if "trust_remote_code" in inspect.signature(load).parameters:
        options["trust_remote_code"] = False
    try:
        found = load(path, config if colon else None, **options)
    except Exception as error:  # the package raises errors of every kind for what a user can mend
        raise _refusal(name, split, error) from None
    if not isinstance(found, dict):
        return found, split or ""
    if len(found) == 1:
        only = next(iter(found))
        return found[only], str(only)
    raise UsageError(f"The data set {name} has the splits {listed(found)}; name one with --split.")


def _refusal(name: str, split: str | None, error: Exception) -> ExtractError:
    """One sentence for what went wrong."""
    kind, text = type(error).__name__, " ".join(str(error).split())
    if "Unknown split" in text or "Bad split" in text or (split and kind == "KeyError"):
        known = text[text.rfind("[") + 1 : text.rfind("]")] if "[" in text else ""
        there = f"; there are {known.replace(chr(39), '')}" if known else ""
        return UsageError(f'The data set {name} has no split "{split}"{there}.')
    if "BuilderConfig" in text or "Config name is missing" in text:
        known = text[text.find("[") + 1 : text.find("]")] if "[" in text else ""
        there = f": {known.replace(chr(39), '')}" if known else ""
        if ":" in name:
            return UsageError(f"There is no such configuration as in {name}{there}.")
        return UsageError(
            f"The data set {name} has several configurations; give one as {name}:CONFIGURATION"
            f"{there}."
        )
    if kind == "DatasetNotFoundError" or (kind == "FileNotFoundError" and "offline" not in text):
        return ExtractError(
            f"There is no file {name}, and no data set of this name was found "
            "(check the name; a private one needs a login)."
        )
    if kind in _OFFLINE or "offline" in text.lower():
        return ExtractError(
            f"The data set {name} is not on this machine and could not be fetched: "
            "there is no connection, or offline mode is on."
        )
    if "script" in text.lower():
        return ExtractError(f"The data set {name} comes with code, which is never run here.")
    return ExtractError(f"The data set {name} cannot be loaded ({kind}: {text[:200]}).")


_OFFLINE = {
    "OfflineModeIsEnabled",
    "ConnectionError",
    "ConnectTimeout",
    "ReadTimeout",
    "LocalEntryNotFoundError",
    "MaxRetryError",
}


def _named(kind: Any, value: Any) -> Any:
    """A value as JSON has it: class labels by their names (-1 is None), dates as strings."""
    if isinstance(kind, (list, tuple)):
        kind = kind[0] if kind else None
    elif hasattr(kind, "feature"):
        kind = kind.feature
    if isinstance(value, (list, tuple)):
        return [_named(kind, inner) for inner in value]
    if isinstance(value, Mapping):
        kinds = kind if isinstance(kind, Mapping) else {}
        return {key: _named(kinds.get(key), inner) for key, inner in value.items()}
    if hasattr(kind, "int2str") and type(value) is int:
        return None if value < 0 else str(kind.int2str(value))
    return value.isoformat() if hasattr(value, "isoformat") else value


def _unusable(fields: Mapping[str, Any]) -> str | None:
    """Why no tokenizer and no file takes the strings of a row; None if they do."""
    for name, value in fields.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode("utf-8")
                except UnicodeEncodeError:
                    return f'"{name}" holds half of a surrogate pair, which is no character'
    return None
