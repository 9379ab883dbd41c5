"""What the distribution promises: pinned versions, a light install, a wheel with all its files."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bench.rivals import PACKAGES

BASE = {"textual", "rich", "plotext", "numpy", "msgpack"}

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

    BASE.add("tomli")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, object]:
    """pyproject.toml as Python objects."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(repository: Path) -> dict[str, Version]:
    """Name and version of each line of constraints.txt that counts for this Python."""
    found: dict[str, Version] = {}
    for line in (repository / "constraints.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{line} pins no single version"
        name = canonicalize_name(requirement.name)
        assert name not in found, f"{name} is pinned twice"
        found[name] = Version(specifier.version)
    return found


def needed(names: Iterable[str]) -> set[str]:
    """All distributions that the installed ``names`` need, themselves included."""
    seen: set[str] = set()
    left = [canonicalize_name(name) for name in names]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        for text in requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                left.append(canonicalize_name(requirement.name))
    return seen


def listed(project: dict[str, object], *path: str) -> list[Requirement]:
    """The requirements in one list of pyproject.toml that count for this Python.

    Args:
        path: the keys on the way to the list.
    """
    node: object = project
    for key in path:
        assert isinstance(node, dict)
        node = node[key]
    assert isinstance(node, list)
    found = [Requirement(text) for text in node]
    return [r for r in found if r.marker is None or r.marker.evaluate()]


def test_the_plain_install_is_the_viewer_only(project: dict[str, object]) -> None:
    assert {r.name for r in listed(project, "project", "dependencies")} == BASE


def test_constraints_cover_everything_that_is_installed(
    project: dict[str, object], pins: dict[str, Version]
) -> None:
    direct = {
        requirement.name
        for path in (
            ("project", "dependencies"),
            ("project", "optional-dependencies", "extract"),
            ("dependency-groups", "dev"),
            ("build-system", "requires"),
        )
        for requirement in listed(project, *path)
    }
    # torch's plain Linux build also needs CUDA libraries; those follow from torch's own version.
    everything = {
        name for name in needed(direct) if not name.startswith(("nvidia-", "cuda-", "triton"))
    }
    assert len(everything) > len(direct)
    assert sorted(everything - pins.keys()) == []


def test_what_is_measured_beside_is_pinned_and_nothing_else_needs_it(
    project: dict[str, object], pins: dict[str, Version]
) -> None:
    beside = {requirement.name for requirement in listed(project, "dependency-groups", "bench")}
    assert beside == set(PACKAGES.values())
    assert beside <= pins.keys()
    development = {requirement.name for requirement in listed(project, "dependency-groups", "dev")}
    assert not beside & (development | needed(development))


def test_the_pinned_versions_are_the_installed_ones(pins: dict[str, Version]) -> None:
    different = {}
    for name, pinned in pins.items():
        try:
            installed = Version(version(name))
        except PackageNotFoundError:
            continue
        if Version(installed.public) != pinned:
            different[name] = f"{installed} is installed, {pinned} is pinned"
    assert different == {}


def test_torch_is_pinned_to_the_tested_version(pins: dict[str, Version]) -> None:
    assert str(pins["torch"]) == "2.13.0"


def test_pins_satisfy_what_the_project_asks_for(
    project: dict[str, object], pins: dict[str, Version]
) -> None:
    asked = listed(project, "project", "dependencies")
    asked += listed(project, "project", "optional-dependencies", "extract")
    asked += listed(project, "dependency-groups", "dev")
    unmet = [
        str(requirement)
        for requirement in asked
        if pins[canonicalize_name(requirement.name)] not in requirement.specifier
    ]
    assert unmet == []


def test_the_oldest_versions_are_the_lower_bounds(
    project: dict[str, Any], repository: Path
) -> None:
    """What `make test-oldest` installs is what pyproject.toml allows at least."""
    lines = (repository / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    oldest = {canonicalize_name(one.name): one for one in pinned}
    assert len(oldest) == len(pinned)
    texts = [
        *project["project"]["dependencies"],
        *(text for one in project["project"]["optional-dependencies"].values() for text in one),
        *project["dependency-groups"]["dev"],
    ]
    asked = {canonicalize_name(r.name): r for r in map(Requirement, texts)}
    assert asked.keys() - oldest.keys() == {"torch"}, "an older build of torch was never tried"
    assert oldest.keys() <= asked.keys()
    different = {}
    for name, one in oldest.items():
        (pin,) = one.specifier
        (bound,) = (s for s in asked[name].specifier if s.operator == ">=")
        assert pin.operator == "==" and str(one.marker) == str(asked[name].marker)
        if Version(pin.version) != Version(bound.version):
            different[name] = f"{pin.version} is pinned, {bound.version} is the lower bound"
    assert different == {}


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel that is built from the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_three_packages_and_nothing_else(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "tui",
        "extract",
        "collateral",
    }


@pytest.mark.parametrize(
    "name",
    [
        "tui/interpret.tcss",
        "tui/demo/base.msgpack",
        "tui/demo/tuned.msgpack",
        "tui/demo/NOTICE.md",
        "collateral/format.md",
        "tui/py.typed",
        "extract/py.typed",
        "collateral/py.typed",
    ],
)
def test_the_wheel_holds_the_files_beside_the_code(name: str, wheel: list[str]) -> None:
    assert name in wheel


def test_every_module_is_in_the_wheel(repository: Path, wheel: list[str]) -> None:
    modules = {
        path.relative_to(repository).as_posix()
        for package in ("tui", "extract", "collateral")
        for path in (repository / package).rglob("*.py")
    }
    assert len(modules) > 10
    assert sorted(modules - set(wheel)) == []


def test_the_licence_travels_with_the_wheel(wheel: list[str]) -> None:
    assert any(re.fullmatch(r"interpret_tui-.*\.dist-info/licenses/LICENSE", n) for n in wheel)
