"""Tasks: how records of a data set become examples, points, pairs, columns and predictions."""

from __future__ import annotations

from typing import Any

from .base import Task
from .coref import Coref

TASKS: dict[str, type[Task[Any]]] = {Coref.name: Coref}
"""The tasks by their name on the command line."""

__all__ = ["TASKS", "Coref", "Task"]
