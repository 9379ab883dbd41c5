"""The writer: whole files or none, flat memory, and a clear word about wrong use."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import collateral
from collateral import AttentionKind, Column, Metric, ModelInfo, Tokens, Writer, growing, layout
from collateral.sink import Sink
from tests.collateral.simple import (
    HEADS,
    LAYERS,
    a_meta,
    a_writer,
    sentence,
    some_tokens,
    uniform,
    write_simple,
)

NAN = float("nan")


def broken_tokens(**changes: Any) -> Tokens:
    good = some_tokens(4)
    values: dict[str, Any] = {
        "texts": good.texts,
        "offsets": good.offsets,
        "special": good.special,
        "words": good.words,
    }
    return Tokens(**{**values, **changes})


def add(writer: Writer, **changes: Any) -> int:
    arguments = {"example_id": "new", "text": "abcd", "tokens": some_tokens(4), **changes}
    return writer.add_example(**arguments)


def pair(writer: Writer, *spans: tuple[int, int], name: str = "new", row: int = 1) -> int:
    return writer.add_pair(name, row, *spans)


ONE = (0, 1)
WRONG: dict[str, tuple[Callable[[Writer], Any], str]] = {
    "id twice": (lambda w: add(w, example_id="first"), "the id 'first' is used twice in examples"),
    "id is no text": (lambda w: add(w, example_id=7), "the id 7 is not text"),
    "no such column": (lambda w: add(w, colour="red"), "examples has no column colour"),
    "label is no text": (lambda w: add(w, label=3), "'new': 3 does not fit the categorical column"),
    "number is text": (lambda w: add(w, number="3"), "'3' does not fit the continuous column"),
    "number is bool": (lambda w: add(w, number=True), "True does not fit the continuous column"),
    "number is a list": (lambda w: add(w, number=[1]), "does not fit the continuous column"),
    "number is huge": (lambda w: add(w, number=10**400), "does not fit the continuous column"),
    "flag is a number": (lambda w: add(w, flag=1), "1 does not fit the boolean column"),
    "remark is a number": (lambda w: add(w, remark=1.5), "1.5 does not fit the text column"),
    "half a character": (
        lambda w: add(w, text="abc\ud800"),
        "examples/text holds half a character",
    ),
    "half a label": (lambda w: add(w, label="\udfff"), "examples/label holds half a character"),
    "half a token": (
        lambda w: add(w, tokens=broken_tokens(texts=("a", "b", "\ud800", "d"))),
        "half a character",
    ),
    "a token is no text": (
        lambda w: add(w, tokens=broken_tokens(texts=("a", "b", 3, "d"))),
        "a token is not text",
    ),
    "offsets are too few": (
        lambda w: add(w, tokens=broken_tokens(offsets=np.zeros((3, 2)))),
        r"4 tokens, but offsets \(3, 2\)",
    ),
    "words are too few": (lambda w: add(w, tokens=broken_tokens(words=[0])), r"words \(1,\)"),
    "special is too long": (
        lambda w: add(w, tokens=broken_tokens(special=[False] * 5)),
        r"special \(5,\)",
    ),
    "offsets outside the text": (
        lambda w: add(w, text="abc"),
        "token 3 spans characters 3 to 4 of a text of 3",
    ),
    "offsets backwards": (
        lambda w: add(w, tokens=broken_tokens(offsets=[[1, 0]] * 4)),
        "token 0 spans characters 1 to 0",
    ),
    "a text too large": (
        lambda w: add(w, text="x" * (layout.MAX_RECORD // 2)),
        "are too many for one row",
    ),
    "point of no example": (lambda w: w.add_point(5, 0, 1, "a"), "there is no example 5"),
    "point of example -1": (lambda w: w.add_point(-1, 0, 1, "a"), "there is no example -1"),
    "point outside": (lambda w: w.add_point(0, 3, 5, "a"), "no tokens 3 to 5 in example 0"),
    "empty point": (lambda w: w.add_point(0, 2, 2, "a"), "no tokens 2 to 2"),
    "point of an earlier example": (
        lambda w: w.add_point(0, 0, 1, "a"),
        "point 1: example 0 comes after example 1; add points in the order of their examples",
    ),
    "pair of an earlier example": (
        lambda w: pair(w, ONE, ONE, ONE, ONE, row=0),
        "pair 'new': example 0 comes after example 1; add pairs in the order of their examples",
    ),
    "point without column": (lambda w: w.add_point(1, 0, 1, "a", x=1), "points has no column x"),
    "pair id twice": (
        lambda w: pair(w, ONE, ONE, ONE, ONE, name="p"),
        "the id 'p' is used twice in pairs",
    ),
    "pair of no tokens": (lambda w: pair(w, ONE, (4, 5), ONE, ONE), "no tokens 4 to 5"),
    "pair of no points": (lambda w: pair(w, ONE, ONE, ONE, (0, 2)), "no points 0 to 2"),
    "pair of empty points": (lambda w: pair(w, ONE, ONE, (0, 0), ONE), "no points 0 to 0"),
    "unknown metric": (lambda w: w.append_metric("sdt", []), "metric 'sdt' was not declared"),
    "unknown measure": (lambda w: w.append_distances("l2", []), "measure 'l2' was not declared"),
    "metric of a wrong shape": (
        lambda w: w.append_metric("std", np.zeros((1, HEADS, LAYERS))),
        r"rows of shape \(2, 3\) expected, not \(1, 3, 2\)",
    ),
    "metric without unit axis": (
        lambda w: w.append_metric("std", np.zeros((LAYERS, HEADS))),
        "head_metric/std",
    ),
    "distances of a wrong shape": (
        lambda w: w.append_distances("cosine", np.zeros((1, LAYERS))),
        "distance/cosine",
    ),
    "map of no layer": (lambda w: w.set_coordinates(3, np.zeros((1, 2))), "no hidden state '3'"),
    "map of layer -1": (lambda w: w.set_coordinates(-1, np.zeros((1, 2))), "no hidden state '-1'"),
    "map twice": (lambda w: w.set_coordinates(0, np.zeros((1, 2))), "coordinates/0 was set before"),
    "map of a wrong shape": (
        lambda w: w.set_coordinates(1, np.zeros((1, 3))),
        r"coordinates/1 has the shape \(1, 3\)",
    ),
    "map with NaN": (lambda w: w.set_coordinates(1, [[0, NAN]]), "map of layer 1 has coordinates"),
    "quality twice": (
        lambda w: w.set_quality("q", np.zeros(LAYERS + 1)),
        "quality/q was set before",
    ),
    "quality too short": (lambda w: w.set_quality("r", [0.5]), "1 values for 3 hidden states"),
    "quality of a wrong shape": (lambda w: w.set_quality("r", [[1.0]]), r"the shape \(1, 1\)"),
    "attention of no kind": (
        lambda w: w.add_attention(0, uniform(), "cross"),
        "no kind of attention 'cross'",
    ),
    "attention of no example": (
        lambda w: w.add_attention(9, uniform()),
        "there is no such example",
    ),
    "attention of other heads": (
        lambda w: w.add_attention(1, np.zeros((HEADS, LAYERS, 4, 4))),
        r"the shape \(3, 2, 4, 4\) does not fit",
    ),
    "attention of one layer": (lambda w: w.add_attention(1, uniform()[0]), "does not fit"),
    "attention of other tokens": (
        lambda w: w.add_attention(1, uniform(5)),
        r"\(5, 5\) weights for 4 tokens",
    ),
    "attention twice": (lambda w: w.add_attention(0, uniform()), "example 0: added before"),
    "attention with NaN": (lambda w: w.add_attention(1, uniform() * NAN), "between 0 and 1"),
    "attention below 0": (lambda w: w.add_attention(1, -uniform()), "between 0 and 1"),
    "attention above 1": (lambda w: w.add_attention(1, uniform() * 5), "between 0 and 1"),
    "unknown encoding": (
        lambda w: w.add_attention(1, uniform(), encoding="float8"),  # type: ignore[arg-type]
        "no encoding 'float8'; there are: float16, uint8",
    ),
}


def start(writer: Writer) -> None:
    """Two examples, one point, one pair and one of each array."""
    writer.add_example("first", "abcd", some_tokens(4), label="x", flag=True)
    writer.add_example("second", "abcd", some_tokens(4))
    writer.add_point(1, 0, 1, "a", label="x")
    writer.add_pair("p", 1, ONE, (1, 3), ONE, ONE, label="y")
    writer.append_metric("std", np.zeros((2, LAYERS, HEADS)))
    writer.append_metric("hit", np.zeros((1, LAYERS, HEADS)))
    writer.append_distances("cosine", np.zeros((1, LAYERS + 1)))
    writer.set_coordinates(0, [[0.0, 1.0]])
    writer.set_quality("q", [0.9, NAN, 0.7])
    writer.add_attention(0, uniform())


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_refused_in_words(tmp_path: Path, name: str) -> None:
    call, message = WRONG[name]
    with a_writer(tmp_path / "a") as writer:
        start(writer)
        with pytest.raises(ValueError, match=message) as caught:
            call(writer)
        assert "\n" not in str(caught.value)


def test_a_call_that_was_refused_leaves_nothing_behind(tmp_path: Path, fixed_time: None) -> None:
    for path, calls in ((tmp_path / "a", {}), (tmp_path / "b", WRONG)):
        with a_writer(path) as writer:
            start(writer)
            for call, _ in calls.values():
                with pytest.raises(ValueError, match=r"\w"):
                    call(writer)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with collateral.open(tmp_path / "b") as c:
        assert list(c.verify()) == []


@pytest.fixture
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": [Metric("a", "A"), Metric("a", "B")]}, "two metrics have the same name"),
        ({"metrics": [Metric("a", "A", attention="cross")]}, "unknown kind of attention"),
        ({"metrics": [Metric("a", "A", unit="token")]}, "Metric.unit cannot be 'token'"),  # type: ignore[arg-type]
        ({"examples": {"a/b": Column("text")}}, "column of examples cannot be called 'a/b'"),
        ({"points": {"@tokens": Column("text")}}, "column of points cannot be called '@tokens'"),
        ({"pairs": {"": Column("text")}}, "column of pairs cannot be called ''"),
        ({"examples": {"tokens": Column("text")}}, "of examples cannot be called 'tokens'"),
        ({"pairs": {"id": Column("boolean")}}, "column 'id' of pairs must be of kind text"),
        ({"pairs": {"x": Column("colour")}}, "Column.kind cannot be 'colour'"),  # type: ignore[arg-type]
        ({"meta": a_meta(settings={"path": Path("x")})}, "can not serialize"),
        ({"meta": a_meta(settings={"list": [1]})}, "Meta.settings cannot be"),
        ({"meta": a_meta(settings={"big": 2**70})}, "Integer value out of range"),
        ({"meta": a_meta(notes=("\ud800",))}, "half a character"),
        ({"meta": a_meta(notes=("x" * (17 << 20),))}, "too many for the head"),
        ({"meta": a_meta(model=ModelInfo("m", "a", 0, 3, 8))}, "0 layers are not between 1 and"),
        ({"meta": a_meta(model=ModelInfo("m", "a", 2, 9999, 8))}, "9999 heads are not between"),
        (
            {"meta": a_meta(attention=(AttentionKind("self", 2, 3), AttentionKind("self", 1, 1)))},
            "two kinds of attention have the same name",
        ),
    ],
)
def test_descriptions_that_contradict_each_other(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        a_writer(tmp_path / "a", **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w.append_metric("std", np.zeros((1, LAYERS, HEADS))), "head_metric/std has 3"),
        (lambda w: add(w), "head_metric/std has 2 rows, 3 were expected"),
        (lambda w: w.append_distances("cosine", np.zeros((1, 3))), "distance/cosine has 2 rows, 1"),
        (lambda w: w.add_point(1, 1, 2, "b"), "coordinates/0 has 1 rows, 2 were expected"),
    ],
)
def test_an_incomplete_file_is_not_finished(
    tmp_path: Path, spoil: Callable[[Writer], Any], message: str
) -> None:
    writer = a_writer(tmp_path / "a")
    start(writer)
    spoil(writer)
    with pytest.raises(ValueError, match=message), writer:
        pass
    assert list(tmp_path.iterdir()) == []


def test_too_many_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_LABELS", 3)
    with a_writer(tmp_path / "a", metrics=[]) as writer:
        for row, label in enumerate(["a", "b", "c", "a"]):
            add(writer, example_id=str(row), label=label)
        with pytest.raises(ValueError, match="more than 3 labels; make it a text column"):
            add(writer, label="d")


def test_too_much_attention_for_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_ATTENTION", 100)
    with a_writer(tmp_path / "a", metrics=[]) as writer:
        add(writer)
        with pytest.raises(ValueError, match="192 bytes are more than one record can hold"):
            writer.add_attention(0, uniform())


def test_a_finished_writer_takes_no_more(tmp_path: Path) -> None:
    with a_writer(tmp_path / "a") as writer:
        start(writer)
    with pytest.raises(ValueError, match="writing has ended"):
        writer.add_attention(1, uniform())


# -- memory -------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_examples(tmp_path: Path) -> None:
    maps = uniform(64)
    values = np.zeros((1, LAYERS, HEADS), dtype=np.float32)

    def fill(writer: Writer, first: int, count: int) -> None:
        for row in range(first, first + count):
            writer.add_example(f"{row:06d}", "x" * 2000, some_tokens(64), remark="y" * 2000)
            writer.append_metric("std", values)
            writer.add_attention(row, maps)

    with a_writer(tmp_path / "a") as writer:
        fill(writer, 0, 100)
        tracemalloc.start()
        fill(writer, 100, 100)
        before, first_peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        fill(writer, 200, 600)
        after, second_peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    per_example = (tmp_path / "a").stat().st_size / 800
    assert per_example > 50_000
    assert (after - before) / 600 < 0.02 * per_example
    assert second_peak - first_peak < 10 * per_example


# -- whole or not at all --------------------------------------------------------------------------


class Stop(Exception):
    pass


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_simple(tmp_path / "a", 5)
    before = path.read_bytes()
    with pytest.raises(Stop), a_writer(path) as writer:
        start(writer)
        raise Stop
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_forgotten_leaves_nothing(tmp_path: Path) -> None:
    writer = a_writer(tmp_path / "a")
    assert len(list(tmp_path.iterdir())) == 1
    del writer
    assert list(tmp_path.iterdir()) == []


def test_kill_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_simple(tmp_path / "a", 5)
    before = path.read_bytes()
    code = """
        import sys
        from tests.collateral.simple import a_writer, some_tokens, uniform
        with a_writer(sys.argv[1]) as writer:
            for row in range(10**9):
                writer.add_example(str(row), "x" * 40, some_tokens(40))
                writer.add_attention(row, uniform(40))
                if row == 200:
                    print("going", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"going\n"
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.read_bytes() == before
    left = [p for p in tmp_path.iterdir() if p != path]
    assert [p.suffix for p in left] == [".partial"]
    with pytest.raises(collateral.CollateralError, match="is cut"):
        collateral.open(left[0])
    write_simple(path, 3)  # what was left behind is in nobody's way
    with collateral.open(path) as c:
        assert len(c.examples) == 3


@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    path = write_simple(tmp_path / "a", 5)
    before = path.read_bytes()

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    def fail(self: Full, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    setattr(Full, method, fail)
    writer = a_writer(path)
    writer._sink._file = Full(writer._sink._file)  # type: ignore[assignment]
    with pytest.raises(collateral.CollateralError) as caught, writer:
        start(writer)
    assert "cannot be written (No space left on device). Free some space" in str(caught.value)
    assert caught.value.path == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_one_target(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with a_writer(path) as first, a_writer(path) as second:
        start(first)
        start(second)
        first.add_example("third", "abcd", some_tokens(4))
        first.append_metric("std", np.zeros((1, LAYERS, HEADS)))
    with collateral.open(path) as c:  # the last to finish, and whole
        assert len(c.examples) == 3
        assert list(c.verify()) == []
    assert list(tmp_path.iterdir()) == [path]


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for target, message in (
        (tmp_path, "is a directory. Give the name of a file to write."),
        (
            tmp_path / "no" / "file",
            "cannot be written (No such file or directory). Choose a folder",
        ),
        (fifo, "is not a regular file. Give the name of a file to write."),
        (Path(os.devnull), "is not a regular file"),
        (tmp_path / ("x" * 300), "cannot be written (File name too long)"),
        (Path("a\0b"), "cannot be written ("),
    ):
        with pytest.raises(collateral.CollateralError) as caught:
            a_writer(target)
        assert str(caught.value).startswith(sentence(target, message))
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(collateral.CollateralError, match="Permission denied"):
        a_writer(tmp_path / "a")
    tmp_path.chmod(0o700)


def test_a_long_name_and_a_link_and_the_umask(tmp_path: Path) -> None:
    real = tmp_path / ("ü" * 120)
    write_simple(real)
    assert real.stat().st_mode & 0o777 == 0o666 & ~current_umask()
    link = tmp_path / "link"
    link.symlink_to(real)
    write_simple(link, 4)
    assert link.is_symlink()
    with collateral.open(real) as c:
        assert len(c.examples) == 4


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_giving_up_after_finishing_does_no_harm(tmp_path: Path) -> None:
    sink = Sink(tmp_path / "a")
    sink.write(b"whole")
    sink.finish()
    sink.abort()
    assert (tmp_path / "a").read_bytes() == b"whole"


# -- blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[1] * 50, [7, 1, 40, 2], [50], [0, 25, 0, 25]])
def test_blocks_hold_the_rows_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[int]
) -> None:
    monkeypatch.setattr(growing, "BLOCK_ROWS", 8)
    monkeypatch.setattr(growing, "SMALL_BLOCK", 16)
    values = np.arange(50 * LAYERS * HEADS, dtype=np.float32).reshape(50, LAYERS, HEADS)
    path = tmp_path / "a"
    with a_writer(path) as writer:
        for row in range(50):
            add(writer, example_id=str(row))
        at = 0
        for count in pieces:
            piece = values[at : at + count].copy()
            writer.append_metric("std", piece)
            piece[:] = -1  # the writer must have kept its own
            at += count
    with collateral.open(path) as c:
        np.testing.assert_array_equal(c.head_metric("std"), values)
        sizes = c._sections["head_metric/std"].blocks[:, 1].tolist()
        assert sum(sizes) == 50
        assert max(sizes) == 8
        assert list(c.verify()) == []
