"""Whole screens as text, compared letter by letter (see ``goldens.py`` for how to make them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tui import goldens
from tests.tui.pilot import running
from tui.actions import PANES

SCREENS: list[tuple[str, tuple[int, int], int, tuple[str, ...], dict[str, Any]]] = [
    ("two-160x45", (160, 45), 2, (), {}),
    ("two-160x45-tuned-matrix", (160, 45), 2, ("5", "down"), {
        "view": "B", "example": 1, "attention_view": "matrix", "layer": 2, "metric": "std"}),
    ("two-160x45-marked-table", (160, 45), 2, ("1", "space", "n", "space", "o"), {
        "attention_view": "table", "measure": "tsne", "colouring": "gold"}),
    ("one-160x45", (160, 45), 1, (), {}),
    ("two-120x36", (120, 36), 2, (), {}),
    *((f"two-80x24-{name}", (80, 24), 2, (str(number),), {"example": 1})
      for number, name in enumerate(PANES, start=1)),
    ("one-80x24", (80, 24), 1, ("m",), {}),
    ("two-60x20", (60, 20), 2, (), {}),
    ("two-40x12", (40, 12), 2, ("3",), {}),
    ("two-19x4", (19, 4), 2, (), {}),
]  # fmt: skip


TASK_SCREENS: list[tuple[str, str, tuple[int, int], int, tuple[str, ...], dict[str, Any]]] = [
    ("tagging-two-160x45", "tagging", (160, 45), 2, (), {}),
    ("tagging-two-80x24-example", "tagging", (80, 24), 2, ("2", "down", "down"), {}),
    ("tagging-one-80x24-summary", "tagging", (80, 24), 1, ("4",), {"metric": "relation_nsubj"}),
    ("tagging-one-80x24-weighted", "tagging", (80, 24), 1, ("5", "w"), {"query": 2}),
    ("translation-two-160x45", "translation", (160, 45), 2, (), {"example": 1}),
    ("translation-one-80x24-example", "translation", (80, 24), 1, ("2", "down"), {"example": 1}),
    ("translation-one-80x24-matrix", "translation", (80, 24), 1, ("5",), {
        "example": 1, "attention_view": "matrix"}),
    ("model-one-80x24-example", "model", (80, 24), 1, ("2", "down", "down"), {}),
    ("model-one-80x24-map", "model", (80, 24), 1, ("5",), {"query": 5}),
    ("classification-two-80x24-example", "classification", (80, 24), 2, ("2",), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "task", "size", "models", "keys", "changes"), TASK_SCREENS)
async def test_screens_of_other_tasks(
    name: str,
    task: str,
    size: tuple[int, int],
    models: int,
    keys: tuple[str, ...],
    changes: dict[str, Any],
    task_files: dict[str, tuple[Path, ...]],
) -> None:
    await test_screens(name, size, models, keys, changes, task_files[task])


@pytest.mark.parametrize(("name", "size", "models", "keys", "changes"), SCREENS)
async def test_screens(
    name: str,
    size: tuple[int, int],
    models: int,
    keys: tuple[str, ...],
    changes: dict[str, Any],
    files: tuple[Path, ...],
) -> None:
    async with running(files[:models], size) as session:
        await session.select(**changes)
        await session.press(*keys)
        lines = session.lines()
    assert len(lines) == size[1] and all(len(line) <= size[0] for line in lines)
    goldens.check(f"screen-{name}", "\n".join(lines))


async def test_the_same_files_and_keys_give_the_same_screen(files: tuple[Path, Path]) -> None:
    pictures = []
    for _ in range(2):
        async with running(files, (120, 36)) as session:
            await session.press("n", "right_square_bracket", "v", "space", "3", "right")
            pictures.append(session.text())
    assert pictures[0] == pictures[1]


def test_pictures_on_disk_are_all_compared() -> None:
    stored = {path.stem for path in goldens.FOLDER.glob("screen-*.txt")}
    assert stored == {f"screen-{name}" for name, *_ in (*SCREENS, *TASK_SCREENS)}
