"""Keys at random, and sizes at random, on the running app: it stays alive and on valid ground."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size

from tests.tui.pilot import Session, running
from tui import state
from tui.actions import ACTIONS
from tui.screens.main import MainScreen

SIZES = ((160, 45), (120, 36), (80, 24), (60, 20), (20, 5), (12, 3))
NOT_PRESSED = {"quit", "suspend"}
TYPED = ["a", "1", ".", "=", "f", "enter", "tab", "backspace", "up", "escape"]
"""What is pressed where a line is typed."""
KEYS = 80


async def press_at_random(session: Session, seed: int, keys: int) -> list[str]:
    """Presses so many keys, with a new size now and then; the keys, for the message of a failure.

    Whatever opens over the main screen is closed by escape sooner or later.
    """
    chooser = random.Random(seed)
    every = [key for action in ACTIONS if action.name not in NOT_PRESSED for key in action.keys]
    pressed = []
    for number in range(keys):
        if number % 20 == 19:
            size = chooser.choice(SIZES)
            session.app.post_message(events.Resize(_size(*size), _size(*size)))
            pressed.append(f"{size[0]}x{size[1]}")
        typing = not isinstance(session.app.screen, MainScreen) or session.app.focused is not None
        typing |= session.screen.prompt.question is not None
        pressed.append(chooser.choice(TYPED if typing else every))
        await session.press(pressed[-1])
        selection, limits = session.selection, session.project.limits
        assert state.valid(selection, limits) == selection, pressed
        assert session.app.is_running, pressed
    return pressed


def _size(width: int, height: int) -> Size:
    return Size(width, height)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("which", ["coref", "tagging", "translation", "classification", "model"])
async def test_no_keys_stop_the_viewer(
    which: str,
    seed: int,
    files: tuple[Path, Path],
    task_files: dict[str, tuple[Path, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # what is saved or exported on the way lands here
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    opened = files if which == "coref" else task_files[which]
    async with running(opened, SIZES[seed]) as session:
        pressed = await press_at_random(session, seed, KEYS)
        assert not session.app.failure, pressed
        while not isinstance(session.app.screen, MainScreen) or session.app.focused is not None:
            await session.press("escape")
        assert session.text().strip(), pressed
