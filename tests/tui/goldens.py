"""Text pictures that lie beside the tests and are compared letter by letter.

To make them again after a wanted change, and then look at what ``git diff`` shows:

    UPDATE_GOLDENS=1 python -m pytest tests/tui
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "goldens"


def check(name: str, picture: str) -> None:
    """Compares a picture with ``goldens/NAME.txt``, or writes that file if told to."""
    path = FOLDER / f"{name}.txt"
    lines = [line.rstrip() for line in picture.splitlines()]
    drawn = "\n".join(lines).rstrip("\n") + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(drawn, encoding="utf-8")
        return
    assert path.is_file(), f"there is no picture {path.name}; make it with UPDATE_GOLDENS=1"
    stored = path.read_text(encoding="utf-8")
    assert drawn == stored, f"{path.name} differs; UPDATE_GOLDENS=1 makes it again:\n{drawn}"
