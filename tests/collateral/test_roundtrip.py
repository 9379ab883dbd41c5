"""What is written is what is read: any tables, arrays, tokens and attention."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import collateral
from collateral import (
    AttentionKind,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    growing,
    layout,
)

# Any text but lone surrogates; U+0000, combining marks and characters beyond the first plane too.
texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["", "\0", "a\0b", "👩‍🔬 emoji", "e\u0301", "\u202eright to left", "line\nbreak\r\t"]
)
floats = st.floats(width=32) | st.sampled_from([math.nan, -0.0, math.inf])
weights = st.floats(0, 1, width=32)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "categorical": st.none() | texts,
    "continuous": st.none() | st.floats() | st.integers(-(2**53), 2**53),
    "text": texts,
    "boolean": st.none() | st.booleans(),
}


@dataclass
class Content:
    """All that goes into a file, as plain values."""

    meta: Meta
    columns: dict[str, dict[str, Column]]
    metrics: list[Metric]
    measures: list[Measure]
    examples: list[tuple[str, str, Tokens, dict[str, Any]]] = field(default_factory=list)
    points: list[tuple[int, int, int, str, dict[str, Any]]] = field(default_factory=list)
    pairs: list[tuple[str, int, list[tuple[int, int]], dict[str, Any]]] = field(
        default_factory=list
    )
    arrays: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    attention: dict[tuple[int, str], tuple[npt.NDArray[np.float32], Encoding]] = field(
        default_factory=dict
    )


def array_of(draw: st.DrawFn, values: st.SearchStrategy[float], *shape: int) -> Any:
    size = math.prod(shape)
    flat = draw(st.lists(values, min_size=size, max_size=size))
    return np.array(flat, dtype=np.float32).reshape(shape)


@st.composite
def tokens_of(draw: st.DrawFn, text: str) -> Tokens:
    n = draw(st.integers(0, 4))
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    return Tokens(
        tuple(draw(st.lists(texts, min_size=n, max_size=n))),
        np.array([draw(places) for _ in range(n)], dtype=np.int32).reshape(n, 2),
        np.array([draw(st.booleans()) for _ in range(n)], dtype=bool),
        np.array([draw(st.integers(-1, 9)) for _ in range(n)], dtype=np.int32),
    )


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Column]:
    described = st.builds(
        Column,
        st.sampled_from(sorted(VALUES)),
        texts,
        texts,
        st.sampled_from(["", "gold", "score"]),
    )
    found: dict[str, Column] = draw(
        st.dictionaries(st.sampled_from(["a", "b c", "größe", "π"]), described, max_size=3)
    )
    return found


@st.composite
def metas(draw: st.DrawFn) -> Meta:
    layers, heads = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    scalar = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts | st.floats(width=64)
    kinds = [AttentionKind("self", layers, heads)]
    if draw(st.booleans()):
        kinds.append(AttentionKind("cross", draw(st.integers(1, 2)), draw(st.integers(1, 2)), True))
    return Meta(
        task=draw(texts),
        model=ModelInfo(draw(texts), draw(texts), layers, heads, 8, versions={"torch": "2"}),
        tokens=TokenInfo(("[CLS]", "[SEP]"), "[SEP]", draw(texts), draw(texts)),
        attention=tuple(kinds),
        settings=draw(st.dictionaries(texts, scalar, max_size=4)),
        notes=tuple(draw(st.lists(texts, max_size=2))),
    )


@st.composite
def contents(draw: st.DrawFn) -> Content:
    meta = draw(metas())
    last = meta.attention[-1].name
    content = Content(
        meta,
        {table: draw(columns()) for table in ("examples", "points", "pairs")},
        [Metric("m", "M"), Metric("p", "P", unit="pair", attention=last, low=-1.0)],
        [Measure("d", "D")],
    )
    for name in draw(st.lists(texts, unique=True, max_size=4)):
        text = draw(texts)
        values = {k: draw(VALUES[c.kind]) for k, c in content.columns["examples"].items()}
        content.examples.append((name, text, draw(tokens_of(text)), values))
    long_enough = [i for i, e in enumerate(content.examples) if len(e[2])]
    chosen = draw(st.lists(st.sampled_from(long_enough), max_size=6)) if long_enough else []
    for row in sorted(chosen):
        start = draw(st.integers(0, len(content.examples[row][2]) - 1))
        values = {k: draw(VALUES[c.kind]) for k, c in content.columns["points"].items()}
        content.points.append((row, start, len(content.examples[row][2]), draw(texts), values))
    names = draw(st.lists(texts, unique=True, max_size=5)) if content.points else []
    owners = sorted(draw(st.sampled_from(long_enough)) for _ in names)
    for name, row in zip(names, owners, strict=True):
        spans = [(0, len(content.examples[row][2])), (0, 1)]
        spans += [(draw(st.integers(0, len(content.points) - 1)), len(content.points))] * 2
        values = {k: draw(VALUES[c.kind]) for k, c in content.columns["pairs"].items()}
        content.pairs.append((name, row, spans, values))
    add_arrays(draw, content)
    return content


def add_arrays(draw: st.DrawFn, content: Content) -> None:
    meta, states = content.meta, content.meta.model.layers + 1
    last = meta.attention[-1]
    sizes = (len(content.examples), meta.model.layers, meta.model.heads)
    content.arrays["m"] = array_of(draw, floats, *sizes)
    content.arrays["p"] = array_of(draw, floats, len(content.pairs), last.layers, last.heads)
    content.arrays["d"] = array_of(draw, floats, len(content.pairs), states)
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    for layer in draw(st.sets(st.integers(0, states - 1), max_size=2)):
        content.arrays[f"coordinates/{layer}"] = array_of(draw, finite, len(content.points), 2)
    if draw(st.booleans()):
        content.arrays["quality/trust@15"] = array_of(draw, floats, states)
    for row, (_, _, tokens, _) in enumerate(content.examples):
        for kind in meta.attention:
            if len(tokens) and draw(st.booleans()):
                keys = len(tokens) if kind.name == "self" else draw(st.integers(1, 3))
                maps = array_of(draw, weights, kind.layers, kind.heads, len(tokens), keys)
                encoding: Encoding = draw(st.sampled_from(["float16", "uint8"]))
                content.attention[row, kind.name] = (maps, encoding)


def write(path: Path, content: Content) -> None:
    """Writes it as an extraction would: rows first, arrays in pieces, attention in between."""
    with collateral.create(
        path,
        content.meta,
        examples=content.columns["examples"],
        points=content.columns["points"],
        pairs=content.columns["pairs"],
        metrics=content.metrics,
        measures=content.measures,
    ) as writer:
        for row, (name, text, tokens, values) in enumerate(content.examples):
            assert writer.add_example(name, text, tokens, **values) == row
            writer.append_metric("m", content.arrays["m"][row : row + 1])
        for row, (example, start, stop, text, values) in enumerate(content.points):
            assert writer.add_point(example, start, stop, text, **values) == row
        for row, (name, example, spans, values) in enumerate(content.pairs):
            assert writer.add_pair(name, example, *spans, **values) == row
        for (row, kind), (maps, encoding) in reversed(content.attention.items()):
            writer.add_attention(row, maps, kind, encoding)
        writer.append_metric("p", content.arrays["p"])
        half = len(content.pairs) // 2
        writer.append_distances("d", content.arrays["d"][:half])
        writer.append_distances("d", content.arrays["d"][half:])
        for name, array in content.arrays.items():
            group, _, rest = name.partition("/")
            if group == "coordinates":
                writer.set_coordinates(int(rest), array)
            elif group == "quality":
                writer.set_quality(rest, array)


def check(c: collateral.Collateral, content: Content) -> None:
    meta = content.meta
    for name in ("task", "model", "tokens", "attention", "notes"):
        assert getattr(c.meta, name) == getattr(meta, name)
    assert repr(c.meta.settings) == repr(meta.settings)  # as text: NaN equals NaN
    assert [e[0] for e in content.examples] == c.examples["id"]
    assert [e[1] for e in content.examples] == c.examples["text"]
    assert [p[3] for p in content.points] == c.points["text"]
    assert [p[0] for p in content.pairs] == c.pairs["id"]
    check_table(c.examples, content.columns["examples"], [e[-1] for e in content.examples])
    check_table(c.points, content.columns["points"], [p[-1] for p in content.points])
    check_table(c.pairs, content.columns["pairs"], [p[-1] for p in content.pairs])
    for row, (name, _, tokens, _) in enumerate(content.examples):
        found = c.tokens(name)
        assert c.row(name) == row
        assert found.texts == tokens.texts
        np.testing.assert_array_equal(found.offsets, tokens.offsets)
        np.testing.assert_array_equal(found.special, tokens.special)
        np.testing.assert_array_equal(found.words, tokens.words)
    assert c.point_examples.tolist() == [p[0] for p in content.points]
    assert c.point_tokens.tolist() == [[p[1], p[2]] for p in content.points]
    assert c.pair_examples.tolist() == [p[1] for p in content.pairs]
    assert c.pair_tokens.tolist() == [[list(s) for s in p[2][:2]] for p in content.pairs]
    assert c.pair_points.tolist() == [[list(s) for s in p[2][2:]] for p in content.pairs]


def check_table(
    table: collateral.Table, columns: dict[str, Column], rows: list[dict[str, Any]]
) -> None:
    for name, column in columns.items():
        assert table.describe(name) == column
        expected = [row[name] for row in rows]
        if column.kind == "continuous":
            expected = [math.nan if value is None else float(value) for value in expected]
            np.testing.assert_array_equal(table[name], expected)
        else:
            assert table[name] == expected
            assert [table.cell(name, row) for row in range(len(rows))] == expected
        if column.kind in ("categorical", "boolean"):
            codes, labels = table.codes(name)
            values = [False, True] if column.kind == "boolean" else labels
            assert [None if i < 0 else values[i] for i in codes] == expected


def check_arrays(c: collateral.Collateral, content: Content) -> None:
    np.testing.assert_array_equal(c.head_metric("m"), content.arrays["m"])
    np.testing.assert_array_equal(c.head_metric("p"), content.arrays["p"])
    np.testing.assert_array_equal(c.distances("d"), content.arrays["d"])
    for name, values in content.arrays.items():
        if name.startswith("coordinates/"):
            np.testing.assert_array_equal(c.coordinates(int(name[12:])), values)
        elif name.startswith("quality/"):
            np.testing.assert_array_equal(c.quality[name[8:]], values)
    for kind in content.meta.attention:
        stored = sorted(row for row, name in content.attention if name == kind.name)
        assert c.attention_examples(kind.name) == tuple(stored)
        for row in range(len(content.examples)):
            assert c.has_attention(row, kind.name) == ((row, kind.name) in content.attention)
    for (row, name), (maps, encoding) in content.attention.items():
        found = c.attention(row, name)
        assert found.dtype == np.float32
        assert c.attention_encoding(row, name) == encoding
        np.testing.assert_allclose(found, maps, rtol=0, atol=layout.ENCODING_ERROR[encoding])
        for layer, head in np.ndindex(*maps.shape[:2]):
            one = c.attention(row, name, layer=layer, head=head)
            np.testing.assert_array_equal(one, found[layer, head])
        np.testing.assert_array_equal(c.attention(row, name, layer=0), found[0])
        np.testing.assert_array_equal(c.attention(row, name, head=0), found[:, 0])


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(contents(), st.booleans())
def test_round_trip(content: Content, small_blocks: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if small_blocks:  # every section then takes several blocks
            patch.setattr(growing, "SMALL_BLOCK", 24)
            patch.setattr(growing, "LARGE_BLOCK", 48)
            patch.setattr(growing, "BLOCK_ROWS", 2)
        path = Path(folder) / "file.msgpack"
        write(path, content)
        with collateral.open(path) as c:
            check(c, content)
            check_arrays(c, content)
            assert list(c.verify()) == []


def test_bytes_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.factory import write_collateral

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = write_collateral(tmp_path / "a", examples=3).read_bytes()
    assert write_collateral(tmp_path / "b", examples=3).read_bytes() == first
    with collateral.open(tmp_path / "a") as c:
        assert c.meta.created == "2023-11-14T22:13:20+00:00"


def test_what_is_returned_belongs_to_the_caller(tmp_path: Path) -> None:
    from tests.factory import write_collateral

    with collateral.open(write_collateral(tmp_path / "a", examples=3)) as c:
        for read in (
            lambda: c.coordinates(0),
            lambda: c.head_metric("std"),
            lambda: c.attention(0),
            lambda: c.examples["pairs"],
            lambda: c.point_tokens,
            lambda: c.tokens(0).offsets,
        ):
            before = read().copy()
            changed = read()
            changed += 1
            np.testing.assert_array_equal(read(), before)
