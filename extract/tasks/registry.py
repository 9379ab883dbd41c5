"""The tasks by their names on the command line; third parties add theirs."""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import UsageError
from .base import Task

TASKS: dict[str, type[Task[Any]]] = {}
"""The tasks by name."""

T = TypeVar("T", bound="type[Task[Any]]")


def register(task: T) -> T:
    """Adds a task, as a decorator of its class.

    Raises:
        ValueError: its name is taken by another.
    """
    if TASKS.setdefault(task.name, task) is not task:
        raise ValueError(f"there is a task {task.name!r} already")
    return task


def find_task(name: str) -> type[Task[Any]]:
    """The task called ``name``.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    if name not in TASKS:
        known = ", ".join(sorted(TASKS))
        raise UsageError(
            f'There is no task "{name}"; there are: {known}. A task of your own comes with '
            "--plugin FILE.py."
        )
    return TASKS[name]
