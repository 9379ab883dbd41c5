"""The page of all statistics names every head metric, and tests that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LINK = re.compile(r"\[`(\w+)`\]\((\S+)\)")


@pytest.fixture(scope="module")
def rows(repository: Path) -> list[list[str]]:
    """The rows of the page's tables, as cells."""
    text = (repository / "docs" / "numbers.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("statistic", "---")]


def test_every_statistic_has_a_test_that_is_there(rows: list[list[str]], repository: Path) -> None:
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 4 and all(row), row
        found = LINK.findall(row[3])
        assert found, row
        for name, path in found:
            code = (repository / "docs" / path).read_text(encoding="utf-8")
            assert f"\ndef {name}(" in code, f"{path} has no {name}"


@pytest.mark.extract
def test_every_head_metric_has_a_row(rows: list[list[str]]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "extract", "metrics"], capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^  (\w+) \(", done.stdout, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert len(listed) > 20
    assert sorted(named) == sorted(listed)
