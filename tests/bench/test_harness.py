"""Measurements are taken in turn, and medians and ratios are what they say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.harness import Candidate, as_markdown, compare, number, write_results
from bench.run import main
from bench.terminal import start


def canned(name: str, values: list[float], calls: list[str]) -> Candidate:
    """A candidate that returns given values one by one and notes that it was called."""
    left: Iterator[float] = iter(values)

    def measure() -> float:
        calls.append(name)
        return next(left)

    return Candidate(name, measure)


def test_candidates_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    found = compare(
        "t",
        [canned("a", [99, 1, 2, 4], calls), canned("b", [99, 3, 5, 6], calls)],
        runs=3,
    )
    assert calls == ["a", "b", "b", "a", "a", "b", "b", "a"]
    a, b = found.rows
    assert (a.median, a.low, a.high, a.ratio) == (2, 1, 4, 1)
    assert (b.median, b.low, b.high) == (5, 3, 6)
    assert b.ratio == 2.5, "the median of the ratios within a round: 3, 2.5, 1.5"


def test_results_are_a_table_with_the_machine(tmp_path: Path) -> None:
    found = compare("Thing", [canned("one", [1, 1234.5], []), canned("two", [1, 617.25], [])], 1)
    path = tmp_path / "results.md"
    write_results([found], path)
    page = path.read_text(encoding="utf-8")
    assert "| one | 1,234 | 1,234 to 1,234 | 1.00x |" in page
    assert "| two | 617 | 617 to 617 | 0.50x |" in page
    assert "Python 3." in page
    assert as_markdown(found) in page


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123")]
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["nothing"])
    assert stop.value.code == 2
    assert "there is no measurement nothing" in capsys.readouterr().err


SLEEPER = "import time; print('up', flush=True); time.sleep({}); print('done'); time.sleep(60)"


@pytest.mark.pty
def test_a_program_in_a_terminal_is_timed_and_ended() -> None:
    found = start([sys.executable, "-c", SLEEPER.format(0.3)], b"up", silence=1.0)
    assert 0 < found.first_byte <= found.marker < found.settled
    assert found.settled - found.marker > 0.2
    assert found.bytes_sent == len(b"up\r\ndone\r\n")


@pytest.mark.pty
def test_a_program_that_shows_something_else_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="never showed b'up'"):
        start([sys.executable, "-c", "print('oops')"], b"up")
