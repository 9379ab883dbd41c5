"""Tasks: how records of a data set become examples, points, pairs, columns and predictions."""

from __future__ import annotations

from .base import Task
from .coref import Coref
from .registry import TASKS, find_task, register

for _task in (Coref,):
    register(_task)

__all__ = ["TASKS", "Coref", "Task", "find_task", "register"]
