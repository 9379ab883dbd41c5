"""Whatever a file is: one clear error, soon, in little memory; no traceback, no waiting."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import collateral
from collateral import Collateral, CollateralError, cli
from tests.attacks.files import FAULTY, ONLY_FOR_OTHERS, REFUSED
from tests.attacks.judge import at_most, check_error, judge, parts, read_all
from tests.attacks.small import write_pairs, write_sides
from tests.collateral.command import fails
from tests.tui.terminal import Terminal
from tui import cli as viewer

MEMORY = 48 << 20
"""The largest index that is read is 32 MiB; these are far smaller."""
COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "info": lambda path, _: ["info", str(path)],
    "json": lambda path, _: ["info", "--json", str(path)],
    "verify": lambda path, _: ["verify", str(path)],
    "export": lambda path, _: ["export", str(path), "--what", "examples"],
    "recover": lambda path, out: ["recover", str(path), str(out)],
}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
CASES = REFUSED if IS_ROOT else {**REFUSED, **ONLY_FOR_OTHERS}


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    with at_most(60):
        yield


@pytest.mark.parametrize("name", CASES)
def test_opening_refuses_it(name: str, tmp_path: Path) -> None:
    build, message = CASES[name]
    path = build(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(CollateralError) as caught:
            collateral.open(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert message in caught.value.what
    assert str(path) in str(caught.value)
    check_error(caught.value, path)


@pytest.mark.parametrize("name", CASES)
def test_each_command_says_it_in_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recovering may succeed where a beginning is whole; what it wrote is then sound."""
    build, message = CASES[name]
    path = build(tmp_path)
    out = tmp_path / "out" / "kept"
    out.parent.mkdir()
    for command, arguments in COMMANDS.items():
        if command == "recover" and cli.main(arguments(path, out)) == 0:
            assert cli.main(["verify", str(out)]) == 0
            capsys.readouterr()
            continue
        capsys.readouterr()
        status, said = fails(capsys, *arguments(path, out))
        assert status == 1
        assert said.startswith(str(path))
        assert said.endswith((".", "run", "NEW-FILE", "interpret-tui"))
        assert command == "recover" or message in said
    assert viewer.main([str(path), "--report"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("interpret-tui: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("name", FAULTY)
def test_verify_finds_it(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build, message = FAULTY[name]
    path = build(tmp_path)
    outcome = judge(path, kept=tmp_path / "kept")
    assert message in outcome
    assert cli.main(["verify", str(path)]) == 1
    assert "Traceback" not in capsys.readouterr().err


SOME = ("empty", "gzip", "cut in the middle", "newer major", "FIFO", "/dev/zero", "deep lists")


@pytest.mark.pty
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in SOME[:3] else pytest.mark.slow) for n in SOME]
)
def test_the_viewer_says_it_in_one_sentence(name: str, tmp_path: Path) -> None:
    build, message = CASES[name]
    path = build(tmp_path)
    with Terminal([path]) as terminal:
        status = terminal.process.wait(timeout=20)
        terminal.wait(lambda: "interpret-tui: " in terminal.text())
        text = terminal.text()
    assert status == 1
    assert "Traceback" not in text
    assert text.count("interpret-tui: ") == 1
    assert message.partition(":")[0] in " ".join(text.split())


# -- files that change while they are open ------------------------------------------------------

WRITERS = {"pairs": write_pairs, "sides": write_sides}


@pytest.fixture(params=list(WRITERS))
def open_file(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Collateral]:
    with collateral.open(WRITERS[request.param](tmp_path / "file")) as c:
        yield c


def test_a_file_that_shrinks_while_it_is_open(open_file: Collateral) -> None:
    size = os.path.getsize(open_file.path)
    for length in range(size - 1, -1, -max(1, size // 25)):
        os.truncate(open_file.path, length)
        read_all(open_file)
    os.truncate(open_file.path, 0)
    with pytest.raises(CollateralError, match=r"longer when it was opened\. Was it replaced\?"):
        open_file.examples["text"]
    assert all(open_file.verify())


def test_a_file_that_is_overwritten_while_it_is_open(open_file: Collateral) -> None:
    size = os.path.getsize(open_file.path)
    Path(open_file.path).write_bytes(b"\xc0" * size)
    read_all(open_file)
    with pytest.raises(CollateralError, match="is damaged: bytes"):
        open_file.examples["text"]
    assert list(open_file.verify())


def test_a_file_that_is_replaced_or_removed_while_it_is_open(
    open_file: Collateral, tmp_path: Path
) -> None:
    """Who has it open goes on reading what was there."""
    (tmp_path / "other").write_text("other")
    (tmp_path / "other").replace(open_file.path)
    for ask in parts(open_file):
        if "info" not in repr(ask):  # that states the size of what stands there now
            ask()
    assert list(open_file.verify()) == []
    os.unlink(open_file.path)
    assert list(open_file.verify()) == []
