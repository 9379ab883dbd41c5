"""The version of the program, and the time: what a file says of how it was made."""

from __future__ import annotations

import datetime
import functools
import os


@functools.cache
def version() -> str:
    """The version of interpret-tui that is installed."""
    from importlib import metadata  # late: it takes long to load, and only writing needs it

    try:
        return metadata.version("interpret-tui")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def now() -> str:
    """The time as ISO 8601 in UTC; ``SOURCE_DATE_EPOCH`` fixes it, for files that must not vary."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    utc = datetime.timezone.utc
    moment = datetime.datetime.now(utc)
    if fixed.isascii() and fixed.isdigit():
        moment = datetime.datetime.fromtimestamp(int(fixed), utc)
    return moment.isoformat(timespec="seconds")
