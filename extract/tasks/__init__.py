"""Tasks: how records of a data set become examples, points, pairs, columns and predictions."""

from __future__ import annotations

from .base import Task
from .classification import Classification
from .coref import Coref
from .registry import TASKS, find_task, register
from .tagging import Tagging
from .text import Texts

for _task in (Texts, Coref, Tagging, Classification):
    register(_task)

__all__ = ["TASKS", "Coref", "Task", "find_task", "register"]
