"""Who loads whom, seen in a fresh process.

The static contracts in pyproject.toml see every import statement but not when it runs; here
``sys.modules`` tells what was really loaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset({"torch", "transformers", "sklearn", "openTSNE", "pandas", "scipy"})
DRAWING = frozenset({"textual", "plotext"})

WHAT_STAYS_OUT = [
    ("collateral", HEAVY | DRAWING | {"rich", "tui", "extract"}),
    ("collateral.cli", HEAVY | DRAWING | {"tui", "extract"}),
    ("extract", HEAVY | DRAWING | {"tui"}),
    ("extract.cli", DRAWING | {"tui"}),
    ("extract.pipeline", DRAWING | {"tui"}),
    ("tui", HEAVY | DRAWING | {"numpy", "extract"}),
    # The first frame stands before numpy is loaded, which alone costs a third of an empty start.
    ("tui.cli", HEAVY | DRAWING | {"numpy", "extract"}),
    ("tui.app", HEAVY | {"numpy", "plotext", "extract"}),
    ("tui.out.report", HEAVY | DRAWING | {"extract"}),
    ("tui.look", HEAVY | {"textual", "extract"}),
    ("tui.panes", HEAVY | {"textual", "extract"}),
    ("tui.plots", HEAVY | {"textual", "extract"}),
    ("tui.state", HEAVY | {"textual", "extract"}),
    ("tui.text", HEAVY | {"textual", "extract"}),
]


def marks(module: str) -> list[pytest.MarkDecorator]:
    """What a test of a module needs."""
    return [pytest.mark.extract] if module == "extract.pipeline" else []


def loaded_by(statement: str, where: Path) -> frozenset[str]:
    """The top-level names in ``sys.modules`` after ``statement`` ran in a fresh process."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return frozenset(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "absent"), [pytest.param(m, a, id=m, marks=marks(m)) for m, a in WHAT_STAYS_OUT]
)
def test_an_import_loads_no_more_than_it_may(
    module: str, absent: frozenset[str], repository: Path
) -> None:
    loaded = loaded_by(f"import {module}", repository)
    assert module.partition(".")[0] in loaded
    assert sorted(loaded & absent) == []


@pytest.mark.parametrize(
    ("package", "absent"),
    [
        ("collateral", HEAVY | DRAWING | {"rich", "tui", "extract"}),
        ("tui", HEAVY | {"extract"}),
        pytest.param("extract", DRAWING | {"tui"}, marks=pytest.mark.extract),
    ],
)
def test_all_modules_of_a_package_together_keep_the_directions(
    package: str, absent: frozenset[str], repository: Path
) -> None:
    everything = (
        f"import importlib, pkgutil, {package}\n"
        f"for found in pkgutil.walk_packages({package}.__path__, '{package}.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)"
    )
    loaded = loaded_by(everything, repository)
    assert package in loaded
    assert sorted(loaded & absent) == []


@pytest.mark.parametrize("name", ["numpy", pytest.param("torch", marks=pytest.mark.extract)])
def test_the_probe_sees_what_is_loaded(name: str, repository: Path) -> None:
    assert name in loaded_by(f"import {name}", repository)
