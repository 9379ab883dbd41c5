"""Runs that are killed, interrupted or shared by processes: the same file, or a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from extract import pipeline
from extract.cli import main
from extract.errors import ExtractError
from extract.options import RunOptions
from extract.running import windows
from extract.running.parts import Workspace

from .conftest import LINES, line

Write = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]

SENTENCES = [
    line(f"{name} saw the trophy because it was there.", name, "it", id=f"{name}-{i}", label=i > 0)
    for i, name in enumerate(["she", "he", "they", "the suit", "and she", "he and they"])
]

KILLED = """
import os, signal, sys
from pathlib import Path
from extract import pipeline
from extract.running import windows
from extract.options import RunOptions
windows.WINDOW = 2
model, data, output, after = sys.argv[1:]

class Watcher:
    def __init__(self):
        self.stage, self.done = "", 0
    def begin(self, stage, total):
        self.stage = stage
    def advance(self, steps):
        if self.stage == "Forward pass":
            self.done += steps
            if self.done == int(after):
                os.kill(os.getpid(), signal.SIGKILL)
    def end(self):
        pass

pipeline.run(
    RunOptions(model, Path(data), Path(output), device="cpu", threads=1, batch_size=2), Watcher()
)
"""


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of two texts, and files that do not differ by their time."""
    monkeypatch.setattr(windows, "WINDOW", 2)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture
def options(bert_folder: Path, write_lines: Write, tmp_path: Path) -> RunOptions:
    """A run over nine texts, hence of five windows."""
    data = write_lines(*LINES, *SENTENCES)
    output = tmp_path / "out.msgpack"
    return RunOptions(str(bert_folder), data, output, device="cpu", threads=1, batch_size=2)


def run_and_kill(options: RunOptions, after: int) -> None:
    """Runs in a process that kills itself once so many texts are through the model."""
    command = [sys.executable, "-c", KILLED, options.model, str(options.data)]
    command += [str(options.output), str(after)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, env=environment, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL


def files_beside(options: RunOptions) -> set[str]:
    """Names in the output's folder, but for the data."""
    return {path.name for path in options.output.parent.iterdir()} - {options.data.name}


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 5, 9])
def test_a_killed_run_goes_on_and_gives_the_same_file(
    options: RunOptions, after: int, tmp_path: Path
) -> None:
    whole = replace(options, output=tmp_path / "whole.msgpack")
    pipeline.run(whole)
    run_and_kill(options, after)
    workspace = Workspace.beside(options.output)
    assert workspace.finished() == (after - 1) // 2 and not options.output.exists()
    with pytest.raises(ExtractError, match=r"unfinished run.*of 5 parts are done.*--resume"):
        pipeline.run(options)
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.glob("*.part")}
    assert before
    pipeline.run(replace(options, resume=True))
    assert options.output.read_bytes() == whole.output.read_bytes()
    assert files_beside(options) == {"out.msgpack", "whole.msgpack"}


def interrupted(options: RunOptions, after: int) -> Any:
    """A reporter that acts as ctrl+C does once so many texts are through the model."""

    class Reporter:
        done = 0
        name = ""

        def begin(self, stage: str, total: int | None) -> None:
            self.name = stage

        def advance(self, steps: int) -> None:
            self.done += steps * (self.name == "Forward pass")
            if self.name == "Forward pass" and self.done >= after:
                raise KeyboardInterrupt

        def end(self) -> None:
            pass

    return Reporter()


def test_parts_that_are_done_are_not_done_again(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(options, interrupted(options, 5))
    ran: list[int] = []
    real = windows.WindowRunner.run

    def counted(self: Any, number: int, *rest: Any) -> None:
        ran.append(number)
        real(self, number, *rest)

    monkeypatch.setattr(windows.WindowRunner, "run", counted)
    pipeline.run(replace(options, resume=True))
    assert ran == [2, 3, 4]


def test_nothing_is_left_of_a_run_that_did_nothing(options: RunOptions) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(options, interrupted(options, 1))
    assert files_beside(options) == set()


def test_another_command_neither_goes_on_nor_destroys(options: RunOptions, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(options, interrupted(options, 5))
    with pytest.raises(ExtractError, match=r"another one \(batch-size was 2\)"):
        pipeline.run(replace(options, batch_size=1, resume=True))
    with pytest.raises(ExtractError, match=r"another one \(batch-size was 2\).*--restart"):
        pipeline.run(replace(options, batch_size=1))
    before = options.data.read_text(encoding="utf-8")
    for old, new in (("there", "here"), ("true", "false"), ('"x"', '"z"')):  # text, gold, column
        options.data.write_text(before.replace(old, new), encoding="utf-8")
        with pytest.raises(ExtractError, match="data was"):
            pipeline.run(replace(options, resume=True))
    options.data.write_text(before, encoding="utf-8")
    plugin = tmp_path / "nothing.py"
    plugin.write_text("")
    with pytest.raises(ExtractError, match="plugins was"):
        pipeline.run(replace(options, plugins=(plugin,), resume=True))
    assert Workspace.beside(options.output).finished() == 2  # nothing was lost on the way
    # what the forward passes do not depend on may change
    summary = pipeline.run(replace(options, resume=True, perplexity=3, vectors=4, name="other"))
    assert summary is not None and summary.texts == 9


def test_two_runs_at_one_target_do_not_meet(options: RunOptions, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(options, interrupted(options, 5))
    seen: list[str] = []

    class Meeting:
        def begin(self, stage: str, total: int | None) -> None:
            if stage == "Forward pass":
                with pytest.raises(ExtractError, match="Another run is writing") as caught:
                    pipeline.run(replace(options, batch_size=1, restart=True))
                seen.append(str(caught.value))

        def advance(self, steps: int) -> None:
            pass

        def end(self) -> None:
            pass

    summary = pipeline.run(replace(options, resume=True), Meeting())
    assert summary is not None and summary.texts == 9 and len(seen) == 1
    assert files_beside(options) == {"out.msgpack"}


def test_restart_throws_the_old_run_away(options: RunOptions) -> None:
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(options, interrupted(options, 5))
    summary = pipeline.run(replace(options, restart=True))
    assert summary is not None and summary.texts == 9
    assert files_beside(options) == {"out.msgpack"}


def test_resume_without_an_unfinished_run_begins(options: RunOptions) -> None:
    summary = pipeline.run(replace(options, resume=True))
    assert summary is not None and summary.texts == 9


def test_an_interrupted_command_says_what_is_kept(
    options: RunOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("extract.console.Console.advance", interrupted(options, 5).advance)
    reporter = interrupted(options, 5)
    monkeypatch.setattr("extract.console.Console.begin", lambda self, *rest: reporter.begin(*rest))
    monkeypatch.setattr("extract.console.Console.advance", lambda self, n: reporter.advance(n))
    monkeypatch.setattr("extract.console.Console.end", lambda self: None)
    command = ["run", "--model", options.model, "--data", str(options.data), "--device", "cpu"]
    command += ["-o", str(options.output), "--threads", "1", "--batch-size", "2"]
    assert main(command) == 130
    assert "2 finished parts of the run are kept, and --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_give_the_file_of_one(options: RunOptions, tmp_path: Path) -> None:
    whole = replace(options, output=tmp_path / "whole.msgpack")
    pipeline.run(whole)
    script = tmp_path / "shared.py"
    script.write_text(
        "import sys\nfrom extract.running import windows\nfrom extract.cli import main\n"
        "windows.WINDOW = 2\nsys.exit(main())\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command += [str(script), "run", "--model", options.model, "--data", str(options.data)]
    command += ["-o", str(options.output), "--device", "cpu", "--threads", "1", "--batch-size", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, check=False, env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert options.output.read_bytes() == whole.output.read_bytes()
    assert not Workspace.beside(options.output).folder.exists()
    assert done.stdout.count("Next: interpret-tui") == 1  # one process speaks
