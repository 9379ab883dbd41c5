"""The parts of format 1.1: items, source and target, summaries, norms of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collateral
from collateral import AttentionKind, Column, Metric, Writer, growing
from collateral.source import Source
from tests.collateral.simple import HEADS, LAYERS, a_meta, a_writer, some_tokens, uniform
from tests.factory_parts import write_tagging, write_translation

Floats = npt.NDArray[np.float32]
KINDS = (
    AttentionKind("encoder", 2, 3, False, "source", "source"),
    AttentionKind("decoder", 1, 2, True, "target", "target"),
    AttentionKind("cross", 1, 2, False, "target", "source"),
)
ITEMS = {"label": Column("categorical"), "score": Column("continuous")}


@dataclass
class Content:
    """What goes into a file, as plain values."""

    tokens: list[int]
    source: list[int] | None
    items: list[tuple[int, int, int, str, str | None, float]]
    summaries: dict[str, tuple[str, Floats]]
    norms: dict[tuple[int, str], Floats]


@st.composite
def contents(draw: st.DrawFn) -> Content:
    tokens = draw(st.lists(st.integers(0, 5), max_size=5))
    source = [draw(st.integers(0, n)) for n in tokens] if draw(st.booleans()) else None
    items = []
    for row in (
        sorted(draw(st.lists(st.sampled_from(range(len(tokens))), max_size=8)) or [])
        if (tokens)
        else []
    ):
        start, stop = sorted(draw(st.tuples(*[st.integers(0, tokens[row])] * 2)))
        start, stop = (start, stop) if start < stop else (0, 0)
        label = draw(st.none() | st.sampled_from(["", "x", "ü"]))
        items.append(
            (row, start, stop, draw(st.text("aé\0", max_size=3)), label, draw(st.floats()))
        )
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    summaries = {}
    for name in draw(st.lists(st.sampled_from(["a", "b:c", "d/e", "größe"]), unique=True)):
        kind = draw(st.sampled_from(KINDS))
        values = numbers.normal(size=(kind.layers, kind.heads)).astype(np.float32)
        values[0, 0] = draw(st.sampled_from([0.5, math.nan, math.inf]))
        summaries[name] = (kind.name, values)
    norms = {}
    for row, n in enumerate(tokens):
        for kind in KINDS if source is not None else ():
            size = {"source": source[row], "target": n - source[row]} if source else {}
            if size and min(size[kind.queries], size[kind.keys]) and draw(st.booleans()):
                shape = (kind.layers, kind.heads, size[kind.keys])
                norms[row, kind.name] = numbers.gamma(2.0, size=shape).astype(np.float32)
    return Content(tokens, source, items, summaries, norms)


def write(path: Path, content: Content) -> None:
    meta = a_meta(attention=KINDS, item="word")
    nothing: dict[str, Any] = {"metrics": [], "measures": [], "points": {}, "pairs": {}}
    with a_writer(path, meta=meta, items=ITEMS, **nothing) as writer:
        for row, n in enumerate(content.tokens):
            source = None if content.source is None else content.source[row]
            assert writer.add_example(f"id-{row}", "x" * n, some_tokens(n), source) == row
        for number, (row, start, stop, text, label, score) in enumerate(content.items):
            assert writer.add_item(row, start, stop, text, label=label, score=score) == number
        for name, (attention, values) in content.summaries.items():
            writer.add_summary(Metric(name, name.upper(), attention=attention), values)
        for (row, name), norms in reversed(content.norms.items()):
            kind = next(kind for kind in KINDS if kind.name == name)
            assert content.source is not None
            size = {"source": content.source[row]}
            size["target"] = content.tokens[row] - size["source"]
            maps = np.full((*norms.shape[:2], size[kind.queries], size[kind.keys]), 0.25)
            writer.add_attention(row, maps, name)
            writer.add_value_norms(row, norms, name)


@settings(deadline=None, max_examples=60)
@given(contents(), st.booleans())
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, content: Content, small_blocks: bool
) -> None:
    path = tmp_path_factory.mktemp("parts") / "a"
    with pytest.MonkeyPatch.context() as patch:
        if small_blocks:  # every section then takes several blocks
            patch.setattr(growing, "SMALL_BLOCK", 24)
            patch.setattr(growing, "LARGE_BLOCK", 48)
            patch.setattr(growing, "BLOCK_ROWS", 2)
        write(path, content)
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        assert c.meta.attention == KINDS
        check_items(c, content)
        check_sides(c, content)
        assert {n: (m.attention, m.title) for n, m in c.summaries.items()} == {
            name: (attention, name.upper()) for name, (attention, _) in content.summaries.items()
        }
        for name, (_, values) in content.summaries.items():
            np.testing.assert_array_equal(c.head_summary(name), values)
        check_norms(c, content)


def check_items(c: collateral.Collateral, content: Content) -> None:
    assert (c.meta.item, c.meta.counts["items"]) == ("word", len(content.items))
    assert c.item_examples.tolist() == [item[0] for item in content.items]
    assert c.item_tokens.tolist() == [list(item[1:3]) for item in content.items]
    assert c.items["text"] == [item[3] for item in content.items]
    assert c.items["label"] == [item[4] for item in content.items]
    np.testing.assert_array_equal(c.items["score"], [item[5] for item in content.items])
    assert [c.items.cell("text", row) for row in range(len(c.items))] == c.items["text"]


def check_sides(c: collateral.Collateral, content: Content) -> None:
    for row, n in enumerate(content.tokens):
        assert c.side(row, "text") == range(n)
        if not content.source:
            assert c.source_tokens(row) is None
            with pytest.raises(KeyError, match=f"example 'id-{row}' has no side 'target'"):
                c.side(row, "target")
            continue
        assert c.source_tokens(f"id-{row}") == content.source[row]
        assert c.side(row, "source") == range(content.source[row])
        assert c.side(row, "target") == range(content.source[row], n)
        with pytest.raises(KeyError, match="has no side 'image'"):
            c.side(row, "image")


def check_norms(c: collateral.Collateral, content: Content) -> None:
    for kind in KINDS:
        stored = [row for row, name in content.norms if name == kind.name]
        assert c.value_norm_examples(kind.name) == tuple(stored)
        for row in range(len(content.tokens)):
            assert c.has_value_norms(row, kind.name) == (row in stored)
    for (row, name), norms in content.norms.items():
        np.testing.assert_array_equal(c.value_norms(row, name), norms)
        np.testing.assert_array_equal(c.value_norms(row, name, 0), norms[0])
        np.testing.assert_array_equal(c.value_norms(row, name, head=1), norms[:, 1])
        one = c.value_norms(row, name, 0, 1)
        np.testing.assert_array_equal(one, norms[0, 1])
        one += 1
        np.testing.assert_array_equal(c.value_norms(row, name, 0, 1), norms[0, 1])


def test_a_file_without_the_parts_has_none_of_them(tmp_path: Path) -> None:
    with a_writer(tmp_path / "a", metrics=[], measures=[]) as writer:
        writer.add_example("a", "abcd", some_tokens())
        writer.add_attention(0, uniform())
        with pytest.raises(ValueError, match="item 0: the file was created without items"):
            writer.add_item(0, 0, 1)
    with collateral.open(tmp_path / "a") as c:
        assert (len(c.items), list(c.items), c.meta.item) == (0, [], "")
        assert c.item_examples.tolist() == []
        assert c.item_tokens.shape == (0, 2)
        assert dict(c.summaries) == {}
        assert c.value_norm_examples() == ()
        assert "items" not in repr(c)
        for ask, message in (
            (lambda: c.items["text"], "items has no column 'text'"),
            (lambda: c.head_summary("a"), "no summary 'a'; there are: none"),
            (lambda: c.value_norms(0), "no self value norms are stored for example 'a'"),
            (lambda: c.value_norms(0, "cross"), "no attention of kind 'cross'; there is: self"),
            (lambda: c.has_value_norms(0, "cross"), "no attention of kind 'cross'"),
            (lambda: c.side(0, "source"), "example 'a' has no side 'source'"),
        ):
            with pytest.raises(KeyError) as caught:
                ask()
            assert message in caught.value.args[0]


def test_value_norms_of_one_example_are_read_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (16, 16, 50)
    kind = AttentionKind("cross", *size[:2])  # a query of 50 keys that are not its own
    with a_writer(
        tmp_path / "a", meta=a_meta(attention=(kind,)), metrics=[], measures=[]
    ) as writer:
        for row in range(200):
            writer.add_example(str(row), "x", some_tokens(1))
            writer.add_attention(row, np.full((16, 16, 1, 50), 0.02), "cross")
            writer.add_value_norms(row, np.full(size, row), "cross")
    reads: list[int] = []
    plain = Source.read

    def read(self: Source, offset: int, length: int) -> bytes:
        reads.append(length)
        return plain(self, offset, length)

    with collateral.open(tmp_path / "a") as c:
        assert c.value_norms(7, "cross").max() == 7
        monkeypatch.setattr(Source, "read", read)
        assert set(c.value_norms(150, "cross", 3, 2).tolist()) == {150.0}
        assert sum(reads) < (1 << 20) + 1000 < 200 * math.prod(size) * 4 / 8
        reads.clear()
        assert set(c.value_norms(150, "cross", 9, 1).tolist()) == {150.0}
        assert reads == []  # their block is kept


def test_opening_reads_nothing_of_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_translation(tmp_path / "a", kept=2)
    reads: list[tuple[int, int]] = []
    plain = Source.read

    def read(self: Source, offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return plain(self, offset, length)

    monkeypatch.setattr(Source, "read", read)
    with collateral.open(path) as c:
        assert len(c.items) > 0
        assert len(c.summaries) == 3
        assert c.meta.kind("cross") == AttentionKind("cross", 2, 3, False, "target", "source")
        assert len(reads) == 4  # start, trailer, index, head


# -- wrong use -----------------------------------------------------------------------------------


def summary(writer: Writer, **changes: Any) -> None:
    arguments = {"name": "new", "title": "new", **changes}
    values = arguments.pop("values", np.zeros((LAYERS, HEADS)))
    writer.add_summary(Metric(**arguments), values)


def norms(value: float = 1.0, keys: int = 4) -> Floats:
    return np.full((LAYERS, HEADS, keys), value, dtype=np.float32)


WRONG: dict[str, tuple[Callable[[Writer], Any], str]] = {
    "item of no example": (lambda w: w.add_item(5, 0, 1), "item 1: there is no example 5"),
    "item of none of no example": (lambda w: w.add_item(5, 0, 0), "there is no example 5"),
    "item of no tokens": (lambda w: w.add_item(1, 3, 3), "no tokens 3 to 3 in example 1"),
    "item backwards": (lambda w: w.add_item(1, 2, 1), "no tokens 2 to 1 in example 1"),
    "item outside": (lambda w: w.add_item(1, 0, 5), "no tokens 0 to 5 in example 1"),
    "item of an earlier example": (
        lambda w: w.add_item(0, 0, 1),
        "item 1: example 0 comes after example 1; add items in the order of their examples",
    ),
    "item without column": (lambda w: w.add_item(1, 0, 1, x=1), "items has no column x"),
    "item of a number": (lambda w: w.add_item(1, 0, 1, "a", label=3), "3 does not fit the categ"),
    "item of half a character": (lambda w: w.add_item(1, 0, 1, "\ud800"), "half a character"),
    "no source": (
        lambda w: w.add_example("new", "ab", some_tokens(2)),
        "example 'new': either all examples have source_tokens or none",
    ),
    "a long source": (
        lambda w: w.add_example("new", "ab", some_tokens(2), 3),
        "example 'new': 3 of 2 tokens cannot be the source's",
    ),
    "a negative source": (
        lambda w: w.add_example("new", "ab", some_tokens(2), -1),
        "-1 of 2 tokens cannot be the source's",
    ),
    "summary twice": (lambda w: summary(w, name="s"), "summary 's': added before"),
    "summary of no kind": (lambda w: summary(w, attention="x"), "'new' is of an unknown kind"),
    "summary of other heads": (
        lambda w: summary(w, values=np.zeros((HEADS, LAYERS))),
        r"summary 'new': values of shape \(2, 3\) expected, not \(3, 2\)",
    ),
    "summary of a number": (lambda w: summary(w, values=0.5), r"expected, not \(\)"),
    "summary of a list": (lambda w: summary(w, meaning=[1]), r"Metric.meaning cannot be \[1\]"),
    "summary of half a character": (lambda w: summary(w, name="\ud800"), "half a character"),
    "norms of no kind": (
        lambda w: w.add_value_norms(0, norms(), "x"),
        "value norms of example 0: there is no kind of attention 'x'",
    ),
    "norms of no example": (lambda w: w.add_value_norms(9, norms()), "there is no such example"),
    "norms without attention": (
        lambda w: w.add_value_norms(1, norms()),
        "value norms of example 1: there is no self attention of it: add that first",
    ),
    "norms of other keys": (
        lambda w: w.add_value_norms(0, norms(keys=5)),
        r"the shape \(2, 3, 5\) does not fit .* and 4 keys",
    ),
    "norms below 0": (lambda w: w.add_value_norms(0, norms(-1)), "no number from 0 up"),
    "norms of NaN": (lambda w: w.add_value_norms(0, norms(math.nan)), "no number from 0 up"),
    "endless norms": (lambda w: w.add_value_norms(0, norms(math.inf)), "no number from 0 up"),
    "attention of other queries": (
        lambda w: w.add_attention(1, np.full((1, 1, 4, 3), 0.25), "cross"),
        r"attention of example 1: \(4, 3\) weights for 4 and 0 tokens",
    ),
}


def start(writer: Writer) -> None:
    writer.add_example("first", "abcd", some_tokens(4), 3)
    writer.add_example("second", "abcd", some_tokens(4), 0)
    writer.add_item(1, 0, 1, "a", label="x")
    summary(writer, name="s")
    writer.add_attention(0, uniform())
    writer.add_attention(0, np.full((1, 1, 1, 3), 0.25), "cross")
    writer.add_value_norms(0, np.ones((1, 1, 3)), "cross")


META = a_meta(
    attention=(
        AttentionKind("self", LAYERS, HEADS),
        AttentionKind("cross", 1, 1, queries="target", keys="source"),
    )
)


def parts_writer(path: Path) -> Writer:
    return a_writer(path, meta=META, items=ITEMS, metrics=[], measures=[])


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_refused_in_words(tmp_path: Path, name: str) -> None:
    call, message = WRONG[name]
    with parts_writer(tmp_path / "a") as writer:
        start(writer)
        with pytest.raises(ValueError, match=message) as caught:
            call(writer)
        assert "\n" not in str(caught.value)


def test_a_call_that_was_refused_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    calls: dict[str, Any]
    for path, calls in ((tmp_path / "a", {}), (tmp_path / "b", WRONG)):
        with parts_writer(path) as writer:
            start(writer)
            for call, _ in calls.values():
                with pytest.raises(ValueError, match=r"\w"):
                    call(writer)
            writer.add_value_norms(0, norms())
            with pytest.raises(ValueError, match="value norms of example 0: added before"):
                writer.add_value_norms(0, norms())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with collateral.open(tmp_path / "b") as c:
        assert list(c.verify()) == []


def test_sides_need_a_source(tmp_path: Path) -> None:
    with a_writer(tmp_path / "a", meta=META, metrics=[], measures=[]) as writer:
        writer.add_example("a", "abcd", some_tokens(4))
        with pytest.raises(ValueError, match="add the examples with source_tokens"):
            writer.add_attention(0, np.full((1, 1, 1, 3), 0.25), "cross")
        with pytest.raises(ValueError, match="either all examples have source_tokens or none"):
            writer.add_example("b", "abcd", some_tokens(4), 3)
    with pytest.raises(ValueError, match="cross attention is of no side 'image'"):
        a_writer(
            tmp_path / "b", meta=a_meta(attention=(AttentionKind("cross", 1, 1, keys="image"),))
        )
    with pytest.raises(ValueError, match="a column of items cannot be called 'token_start'"):
        a_writer(tmp_path / "b", items={"token_start": Column("text")})
    with pytest.raises(ValueError, match="column 'text' of items must be of kind text"):
        a_writer(tmp_path / "b", items={"text": Column("boolean")})


def test_a_column_may_be_called_source(tmp_path: Path) -> None:
    columns = {"source": Column("categorical")}
    with a_writer(tmp_path / "a", examples=columns, metrics=[], measures=[]) as writer:
        writer.add_example("a", "abcd", some_tokens(4), source_tokens=2, source="novel")
    with collateral.open(tmp_path / "a") as c:
        assert (c.examples["source"], c.source_tokens(0)) == (["novel"], 2)


def test_made_files_are_sound_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for write_file in (write_tagging, write_translation):
        for kept in (0, 2):
            path = write_file(tmp_path / "a", kept=kept)
            first = path.read_bytes()
            with collateral.open(path) as c:
                assert list(c.verify()) == []
                kind = c.meta.attention[-1].name
                assert c.attention_kept(0, kind) == (kept or None)
            assert write_file(tmp_path / "b", kept=kept).read_bytes() == first
