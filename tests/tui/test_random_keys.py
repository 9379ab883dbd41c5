"""Keys, clicks and sizes at random: a short part of ``make fuzz-keys``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.fuzz_keys import SIZES, Fuzz, Wrong
from tests.tui.pilot import running
from tui.screens.main import MainScreen

KEYS = 80


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
        fuzz = Fuzz(session, f"{which}:{seed}", check_every=1 + seed)
        try:
            await fuzz.run(KEYS)
        except Wrong as reason:
            raise AssertionError(fuzz.pressed) from reason
        while not isinstance(session.app.screen, MainScreen) or session.app.focused is not None:
            await session.press("escape")
        assert session.text().strip(), fuzz.pressed
