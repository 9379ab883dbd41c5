"""What is promised of speed: budgets are words with a meaning, and each has its measurement."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from bench import rivals, run
from bench.harness import Comparison, Row
from bench.promises import PROMISES, Budget, summary
from bench.run import MODULES, main


def row(ratio: float = 1.0, more: float = 0.0, median: float = 1.0, promise: str = "") -> Row:
    """A row of which only some numbers matter."""
    return Row("a", median, median, median, ratio, more, promise=promise)


@pytest.mark.parametrize(
    ("text", "good", "bad", "said"),
    [
        ("at most 1.15x", row(ratio=1.15), row(ratio=1.16), "1.15x"),
        ("at least 10x faster", row(ratio=0.1), row(ratio=0.11), "10.0x faster"),
        ("at least 1,000x faster", row(ratio=0.0005), row(ratio=0.002), "2,000x faster"),
        ("at most 40 MB more", row(more=39.5), row(more=40.5), "39.5 MB more"),
        ("at most 100 ms", row(median=99.9), row(median=101), "99.9 ms"),
    ],
)
def test_a_budget_is_read_from_words(text: str, good: Row, bad: Row, said: str) -> None:
    budget = Budget.parse(text)
    assert budget.is_met(good) and not budget.is_met(bad)
    assert budget.said(good) == said


@pytest.mark.parametrize(
    "text",
    ["", "10x", "at most 10", "at most 10x faster", "at least 40 MB more", "at least 3 ms faster"],
)
def test_other_words_are_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="no budget"):
        Budget.parse(text)


def test_every_promise_has_a_budget_and_a_measurement_that_names_it() -> None:
    for key, promise in PROMISES.items():
        Budget.parse(promise.budget)
        assert promise.module in MODULES
        assert key in named(promise.module), f"bench.{promise.module} does not measure {key}"


def named(module: str) -> set[str]:
    """The strings in a measurement, with what it puts together from parts."""
    loaded = importlib.import_module(f"bench.{module}")
    nodes = list(ast.walk(ast.parse(inspect.getsource(loaded))))
    found = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    if module == "startup":
        found |= {f"{moment}-{size}" for moment in loaded.MOMENTS for size in found}
    if module == "extraction":
        found |= {f"extract-{tokens}" for tokens, *_ in loaded.LENGTHS}
    return found


def test_the_rows_of_the_table_are_all_promised() -> None:
    counts = {name: sum(p.module == name for p in PROMISES.values()) for name in MODULES}
    assert counts == {
        "startup": 4,  # first frame and all panes, small and large
        "memory": 2,
        "opening": 1,
        "layers": 4,  # three sizes, and bytes
        "heads": 3,  # two lengths beside the shortest, and DataTable
        "whole": 2,
        "averages": 4,  # two, and that neither keeps a key waiting
        "extraction": 5,
        "tsne": 1,
    }


@pytest.mark.parametrize("name", list(MODULES))
def test_quick_measures_the_same_on_smaller_sizes(name: str) -> None:
    module = importlib.import_module(f"bench.{name}")
    assert list(inspect.signature(module.comparisons).parameters) == ["runs", "quick"]
    whole = {k: v for k, v in vars(module).items() if k in ("SIZES", "LENGTHS", "SIZE", "LARGE")}
    quick = getattr(module, "QUICK", None)
    if isinstance(quick, dict):
        (full,) = (v for v in whole.values() if isinstance(v, dict))
        assert quick.keys() == full.keys()
        assert all(quick[key] <= full[key] for key in quick)
    elif isinstance(quick, tuple):
        assert [tokens for tokens, *_ in quick] == [tokens for tokens, *_ in module.LENGTHS]
    for key, value in vars(module).items():
        if key.startswith("QUICK_"):
            assert value < getattr(module, key.removeprefix("QUICK_"))


def test_the_summary_says_what_is_met_what_is_not_and_what_is_missing() -> None:
    rows = (row(promise="frame-small"), row(ratio=1.2, promise="frame-large"), row(ratio=9))
    table = summary([Comparison("t", "ms", 1, rows)], modules={"startup"})
    lines = [line for line in table.splitlines() if line.startswith("| exec")]
    assert lines == [
        "| exec to first frame, 5 MB file | an empty Textual app | at most 1.15x | 1.00x | yes |",
        "| exec to first frame, 10 GB file | an empty Textual app | at most 1.15x | 1.20x | no |",
        "| exec to all panes filled, 5 MB file | an empty Textual app | at most 2.0x |"
        " not measured | |",
        "| exec to all panes filled, 10 GB file | an empty Textual app | at most 2.0x |"
        " not measured | |",
    ]
    assert "Sizes were smaller" not in table
    assert "Sizes were smaller" in summary([], quick=True)
    assert summary([]).count("not measured") == len(PROMISES)


def test_rows_that_are_held_to_the_same_promise_are_told_apart() -> None:
    rows = (row(promise="tsne"), Row("b", 1, 1, 1, 0.5, promise="tsne"))
    table = summary([Comparison("t", "ms", 1, rows)], modules={"tsne"})
    assert "equal quality: a | scikit-learn | at least 1.6x faster | 1.00x faster | no |" in table
    assert "equal quality: b | scikit-learn | at least 1.6x faster | 2.00x faster | yes |" in table


def test_what_is_not_installed_is_said_in_a_sentence_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rivals, "PACKAGES", {"no_such_module": "no-such"})
    monkeypatch.setattr(run, "MODULES", {"layers": ("no_such_module",)})
    assert main(["--quick"]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err == (
        "bench: no-such must be installed to measure beside: `make bench` does so, or "
        "pip install -c constraints.txt --group bench\n"
    )


def test_a_miss_fails_nothing_and_only_a_full_run_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Slow:
        @staticmethod
        def comparisons(runs: int, quick: bool) -> list[Comparison]:
            slow = row(ratio=99, promise="frame-small")
            return [Comparison(f"Slow {runs} {quick}", "ms", runs, (slow,))]

    monkeypatch.setattr(run, "MODULES", {"startup": ()})
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(importlib, "import_module", lambda name: Slow)
    assert main(["--quick"]) == 0
    assert "## Slow 1 True" in capsys.readouterr().out
    assert not (tmp_path / "results.md").exists()
    assert main(["--runs", "3"]) == 0
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "## Slow 3 False" in page
    assert "| an empty Textual app | at most 1.15x | 99.0x | no |" in page
