"""Measurements are taken in turn, and medians and ratios are what they say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.harness import Candidate, Spent, as_markdown, compare, number, write_results
from bench.run import main
from bench.terminal import Session


def canned(name: str, values: list[float], calls: list[str]) -> Candidate[float]:
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
    assert b.more == 2, "the median of the differences within a round: 2, 3, 2"


def test_processor_time_has_a_ratio_of_its_own() -> None:
    spent = {"a": Spent(10, 4), "b": Spent(30, 6)}
    found = compare(
        "t", [Candidate(name, partial(spent.__getitem__, name)) for name in spent], runs=2
    )
    assert [(row.ratio, row.cpu_ratio) for row in found.rows] == [(1, 1), (3, 1.5)]
    assert "| b | 30.0 | 30.0 to 30.0 | 3.00x | 1.50x |" in as_markdown(found)


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
ECHO = """
import sys, time, tty
tty.setraw(0)
print("up", flush=True)
while key := sys.stdin.read(1):
    print("first " + key, end="", flush=True)
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    print("last", end="", flush=True)
"""


@pytest.mark.pty
def test_a_program_in_a_terminal_is_timed_and_ended() -> None:
    with Session([sys.executable, "-c", SLEEPER.format(0)]) as session:
        up = session.until(b"up")
        settled = session.settled()
        assert up > 0
        assert settled > 0
        assert session.sent == b"up\r\ndone\r\n"


@pytest.mark.pty
def test_a_key_is_timed_to_the_last_byte_while_the_program_is_busy() -> None:
    with Session([sys.executable, "-c", ECHO]) as session:
        session.until(b"up")
        session.settled()
        answer = session.press(b"x")
        assert answer.sent == b"first xlast"
        assert answer.last - answer.first > 250, "not the first silence is the end"
        if sys.platform == "linux":
            assert answer.cpu > 100
            memory = session.memory()
            assert memory is not None and 1 < memory.private <= memory.resident
        assert session.answered(b"y", b"first y") > 0


@pytest.mark.pty
def test_a_program_that_shows_something_else_is_an_error() -> None:
    with (
        Session([sys.executable, "-c", "print('oops')"]) as session,
        pytest.raises(RuntimeError, match="never showed b'up'"),
    ):
        session.until(b"up")


@pytest.mark.pty
def test_a_key_without_an_answer_is_an_error() -> None:
    deaf = "import time, tty; tty.setraw(0); print('up', flush=True); time.sleep(60)"
    with Session([sys.executable, "-c", deaf]) as session:
        session.until(b"up")
        session.settled()
        with pytest.raises(RuntimeError, match="did not answer"):
            session.press(b"x")
