"""Helpers for tests of the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from collateral import cli


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Status and the one line on stderr of a call that must fail."""
    status = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("interpret-collateral: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return status, err.removeprefix("interpret-collateral: ").rstrip("\n")


def export(capsys: pytest.CaptureFixture[str], path: Path, what: str, form: str, *more: str) -> str:
    assert cli.main(["export", str(path), "--what", what, "--format", form, *more]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def strict(text: str) -> Any:
    """JSON without the NaN and Infinity that Python would take."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)
