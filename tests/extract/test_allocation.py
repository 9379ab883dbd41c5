"""Freed memory is kept where the C library can be told, and nothing breaks where it cannot."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from extract.models.allocation import keep_freed_memory

PAGES = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from extract.models.allocation import keep_freed_memory
    print(keep_freed_memory())
else:
    print(False)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for round in range(40):
    if round == 20:
        before = faults()
    several = [np.ones(1 << 20) for _ in range(4)]  # 8 MiB each, together 8,192 pages
    del several
print(faults() - before)
"""


def pages(how: str) -> tuple[bool, int]:
    """Whether the allocator could be told, and pages that 20 rounds of 32 MiB made anew."""
    found = subprocess.run(
        [sys.executable, "-c", PAGES, how], check=True, capture_output=True, text=True
    ).stdout.split()
    return found[0] == "True", int(found[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_pages_are_not_made_anew() -> None:
    told, kept = pages("keep")
    if not told:
        pytest.skip("another C library")
    assert kept < 8192 < pages("leave")[1]


def test_another_system_or_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
