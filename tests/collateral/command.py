"""Helpers for tests of the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from collateral import cli

STAND_IN = "\U0010fffe"  # no character, and in no text of these tests


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
    """The rows of a CSV; U+0000 is passed by the csv module, which refuses it on Python 3.10."""
    assert STAND_IN not in text
    lines = io.StringIO(text.replace("\0", STAND_IN), newline="")
    return [
        {name: field.replace(STAND_IN, "\0") for name, field in row.items()}
        for row in csv.DictReader(lines)
    ]


def strict(text: str) -> Any:
    """JSON without the NaN and Infinity that Python would take."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)
