"""What all attacks share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small files are written: that they reach a disk is not what is tested."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
