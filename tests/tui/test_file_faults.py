"""Files that change, vanish or fail while they are open: a sentence, and the rest works."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factory import write_collateral
from tests.tui.pilot import Session, running
from tui.actions import ACTIONS
from tui.screens.main import MainScreen

SKIPPED = {"quit", "suspend", "export", "save", "save-screen", "back"}


@pytest.fixture
def own(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """Copies of the two files in the working folder, to be damaged."""
    monkeypatch.chdir(tmp_path)
    one, two = (Path(shutil.copy(path, tmp_path / path.name)).name for path in files)
    return Path(one), Path(two)


def _delete(path: Path) -> None:
    path.unlink()


def _replace(path: Path) -> None:
    os.replace(write_collateral(path.with_name("other"), examples=3, seed=5), path)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwrite(path: Path) -> None:
    """As ``cp`` does: other bytes in the same file."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


async def _walk(session: Session, panes: str) -> str:
    """Presses every key in some panes; all that stood on the screen."""
    seen = []
    for pane in panes:
        await session.press(pane)
        for action in ACTIONS:
            if action.name in SKIPPED or action.name.startswith("pane-"):
                continue
            await session.press(action.keys[0])
            seen.append(session.text())
            while not isinstance(session.app.screen, MainScreen):
                await session.press("escape")
            if session.screen.prompt.question is not None:
                await session.press("a", "enter", "escape")
            assert session.app._exception is None and session.app.is_running, action.name
    return "\n".join(seen)


@pytest.mark.parametrize("change", [_delete, _replace])
async def test_a_file_that_is_deleted_or_replaced_stays_open_as_it_was(
    change: Callable[[Path], None], own: tuple[Path, Path]
) -> None:
    async with running(own, (120, 36)) as session:
        change(own[0])
        await session.press("n", "n", "5", "left_square_bracket")
        text = session.text()
        assert "cannot be read" not in text and "though it was longer" not in text
        await session.press("p", "p")
    assert own[0].exists() == (change is _replace)


@pytest.mark.parametrize(
    ("change", "panes", "size"),
    [
        (_halve, "3", (160, 45)),
        pytest.param(_halve, "135246", (80, 24), marks=pytest.mark.slow),
        pytest.param(_empty, "135246", (160, 45), marks=pytest.mark.slow),
        pytest.param(_overwrite, "135246", (160, 45), marks=pytest.mark.slow),
    ],
)
async def test_a_file_that_is_cut_or_written_over_is_told_of(
    change: Callable[[Path], None], panes: str, size: tuple[int, int], own: tuple[Path, Path]
) -> None:
    async with running(own, size, limit=None) as session:
        change(own[0])
        session.project.kept._answers.clear()  # what was read before would hide it
        await session.press("5", "n")
        seen = await _walk(session, panes)
        assert "base.msgpack ends at byte" in seen or "base.msgpack is damaged" in seen
        assert session.app.is_running


@pytest.mark.parametrize("number", [errno.EIO, pytest.param(errno.ESTALE, marks=pytest.mark.slow)])
async def test_a_disk_that_fails_is_told_of_and_forgiven(
    number: int, own: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(own, (160, 45), limit=None) as session:

        def fails(*_: object) -> bytes:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as broken:
            broken.setattr(os, "pread", fails)
            session.project.kept._answers.clear()
            await _walk(session, "5" if number == errno.EIO else "1234")
            await session.press("5", "n")
            assert os.strerror(number) in " ".join(session.text().split())
        await session.press("ctrl+l")
        assert os.strerror(number) not in session.text()
