"""Files to look at: one pair that belongs together, and a project over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.factory import write_collateral
from tests.tui import tasks as made
from tui.project import Project


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A terminal of known abilities and no settings, whatever the tests were started from."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    unset = ("NO_COLOR", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_THEME", "LANG", "LC_CTYPE", "SSH_TTY")
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    for name, value in (("TERM", "xterm-256color"), ("COLORTERM", "truecolor")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base and a fine-tuned model's file: 12 texts, 3 layers of 4 heads, attention for 6."""
    folder = tmp_path_factory.mktemp("files")
    return (
        write_collateral(folder / "base.msgpack", shift=0.0, name="base"),
        write_collateral(folder / "tuned.msgpack", shift=1.0, name="tuned"),
    )


@pytest.fixture(scope="session")
def compared(files: tuple[Path, Path]) -> Iterator[Project]:
    """The two files, open."""
    project = Project.open(files)
    yield project
    project.close()


@pytest.fixture(scope="session")
def alone(files: tuple[Path, Path]) -> Iterator[Project]:
    """The first file, open."""
    project = Project.open(files[:1])
    yield project
    project.close()


@pytest.fixture(scope="session")
def task_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ...]]:
    """Files of other tasks than coreference: of a base and a tuned model, or of one model."""
    folder = tmp_path_factory.mktemp("tasks")
    found: dict[str, tuple[Path, ...]] = {}
    for make in (made.write_tagging, made.write_translation, made.write_classification):
        name = make.__name__.removeprefix("write_")
        found[name] = tuple(
            make(folder / f"{name}-{who}.msgpack", shift=shift, name=who)
            for who, shift in (("base", 0.0), ("tuned", 1.0))
        )
    found["model"] = (made.write_language_model(folder / "model.msgpack"),)
    return found


@pytest.fixture(scope="session")
def tasks(task_files: dict[str, tuple[Path, ...]]) -> Iterator[dict[str, Project]]:
    """These files open, by task and number of files: "tagging-2", "tagging-1", "model-1"..."""
    with ExitStack() as stack:
        projects: dict[str, Project] = {}
        for name, paths in task_files.items():
            for count in range(1, len(paths) + 1):
                project = Project.open(paths[:count])
                stack.callback(project.close)
                projects[f"{name}-{count}"] = project
        yield projects
