"""Writes ``docs/keys.md`` from the table of actions: ``python -m docs.keys``."""

from __future__ import annotations

from pathlib import Path

from tui.actions import key_table

PAGE = Path(__file__).with_name("keys.md")


def page() -> str:
    """The page: a title, where the keys come from, the tables."""
    return f"# Keys\n\nMade from `tui/actions.py` by `python -m docs.keys`.\n\n{key_table()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
