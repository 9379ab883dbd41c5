"""Tasks: how records of a data set become examples, points, pairs, columns and predictions."""

from __future__ import annotations

from .base import Task
from .classification import Classification
from .coref import Coref
from .language_model import LanguageModel
from .registry import TASKS, find_task, register
from .seq2seq import Seq2Seq
from .tagging import Tagging
from .text import Texts

for _task in (Texts, Coref, Tagging, Classification, LanguageModel, Seq2Seq):
    register(_task)

__all__ = ["TASKS", "Coref", "Task", "find_task", "register"]
