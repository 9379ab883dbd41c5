"""Sparse attention: what is kept is right, single heads are read alone, wrong use is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collateral
from collateral import (
    AttentionKind,
    PackedAttention,
    layout,
    pack_attention,
    pack_sparse_attention,
    sparse,
    top_k,
)
from collateral.source import Source
from tests.collateral.simple import HEADS, LAYERS, a_meta, a_writer, some_tokens
from tests.factory_parts import softmax_rows

Halves = npt.NDArray[np.float16]
SELF = AttentionKind("self", LAYERS, HEADS)


def a_file(path: Path, *examples: int) -> collateral.Writer:
    """A writer of a file with examples of so many tokens."""
    writer = a_writer(path, metrics=[], measures=[])
    for row, n in enumerate(examples):
        writer.add_example(f"id-{row}", "x" * n, some_tokens(n))
    return writer


def maps_of(n: int, seed: int = 0, causal: bool = False) -> npt.NDArray[np.float32]:
    weights = softmax_rows(np.random.default_rng(seed), (LAYERS, HEADS, n, n), causal)
    return weights.astype(np.float32)


def largest(maps: npt.NDArray[Any], k: int) -> npt.NDArray[np.float64]:
    """What is left of each row when all but its k largest weights are 0; row by row."""
    result = np.zeros(maps.shape)
    for place in np.ndindex(*maps.shape[:-1]):
        row = maps[place]
        best = np.argsort(-row, kind="stable")[:k]
        result[place][best] = row[best]
    return result


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 14), st.integers(0, 2**32 - 1), st.booleans())
def test_top_k_keeps_the_largest_and_knows_the_rest(
    n: int, k: int, seed: int, rounded: bool
) -> None:
    maps = softmax_rows(np.random.default_rng(seed), (2, n, n))
    maps = np.round(maps, 1) if rounded else maps  # many are equal then
    kept = top_k(maps, k)
    assert kept.indices.shape == kept.weights.shape == (2, n, min(k, n))
    assert (np.diff(kept.indices, axis=-1) > 0).all()
    filled = np.zeros(maps.shape)
    np.put_along_axis(filled, kept.indices, kept.weights, axis=-1)
    np.testing.assert_array_equal(filled, largest(maps, k))
    np.testing.assert_allclose(kept.rest, (maps - filled).sum(axis=-1), atol=1e-6)


def test_top_k_needs_something_to_keep() -> None:
    for maps, k in ((np.zeros((2, 2)), 0), (np.zeros(3), 1)):
        with pytest.raises(ValueError, match="cannot be kept"):
            top_k(maps, k)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.booleans())
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, n: int, k: int, seed: int, causal: bool
) -> None:
    path = tmp_path_factory.mktemp("sparse") / "a"
    maps, k = maps_of(n, seed, causal), min(k, n)
    with a_file(path, n) as writer:
        writer.add_sparse_attention(0, *top_k(maps, k), keys=n)
    with collateral.open(path) as c:
        assert list(c.verify()) == []
        found = c.attention(0)
        expected = largest(maps, k).astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(found, expected)
        rest = c.attention_rest(0)
        np.testing.assert_allclose(rest, (maps - largest(maps, k)).sum(axis=-1), atol=3e-4)
        assert c.attention_kept(0) == k
        assert c.attention_shape(0) == (LAYERS, HEADS, n, n)
        assert c.attention_encoding(0) == "topk16"
        assert c.attention_examples() == (0,)
        for layer, head in np.ndindex(LAYERS, HEADS):
            np.testing.assert_array_equal(c.attention(0, "self", layer, head), found[layer, head])
            one = c.attention_rest(0, layer=layer, head=head)
            np.testing.assert_array_equal(one, rest[layer, head])
        np.testing.assert_array_equal(c.attention(0, layer=1), found[1])
        np.testing.assert_array_equal(c.attention_rest(0, head=2), rest[:, 2])
        kept = c.attention_sparse(0, head=2)
        assert kept.indices.shape == (LAYERS, n, k)
        again = np.zeros((LAYERS, n, n), dtype=np.float32)
        np.put_along_axis(again, kept.indices, kept.weights, axis=-1)
        np.testing.assert_array_equal(again, found[:, 2])


def test_whole_attention_has_no_rest(tmp_path: Path) -> None:
    with a_file(tmp_path / "a", 4, 4) as writer:
        writer.add_attention(0, maps_of(4), encoding="uint8")
        writer.add_sparse_attention(1, *top_k(maps_of(4), 2), keys=4)
    with collateral.open(tmp_path / "a") as c:
        assert [c.attention_kept(row) for row in range(2)] == [None, 2]
        assert c.attention_rest(0).tolist() == np.zeros((LAYERS, HEADS, 4)).tolist()
        assert c.attention_rest(0, layer=1, head=0).tolist() == [0, 0, 0, 0]
        with pytest.raises(KeyError, match="all self attention of example 0 is stored"):
            c.attention_sparse(0)
        for ask in (c.attention, c.attention_rest, c.attention_sparse):
            with pytest.raises(KeyError, match="no layer 2"):
                ask(1, layer=2)


def test_one_head_touches_its_own_bytes_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n, k = 256, 8
    with a_file(tmp_path / "a", n) as writer:
        writer.add_sparse_attention(0, *top_k(maps_of(n), k), keys=n)
    reads: list[int] = []
    plain = Source.read

    def read(self: Source, offset: int, length: int) -> bytes:
        reads.append(length)
        return plain(self, offset, length)

    with collateral.open(tmp_path / "a") as c:
        c.tokens(0)
        c.attention(0, layer=0, head=0)  # reads the directory
        monkeypatch.setattr(Source, "read", read)
        c.attention(0, layer=1, head=2)
        assert sorted(reads) == [4, n * (4 * k + 2)]  # a checksum, the head


def test_more_keys_than_two_bytes_can_number(tmp_path: Path) -> None:
    keys = (1 << 16) + 5
    kind = AttentionKind("cross", 1, 1)  # about tokens of something else
    indices = np.array([0, 7, keys - 1]).reshape(1, 1, 1, 3)
    weights = np.array([0.25, 0.5, 0.125]).reshape(1, 1, 1, 3)
    meta = a_meta(attention=(kind,))
    with a_writer(tmp_path / "a", meta=meta, metrics=[], measures=[]) as writer:
        writer.add_example("a", "a", some_tokens(1))
        rest = np.full((1, 1, 1), 0.125)
        writer.add_sparse_attention(0, indices, weights, rest, keys=keys, kind="cross")
        assert sparse.encoding_for(keys - 5) == "topk16"
    with collateral.open(tmp_path / "a") as c:
        assert c.attention_encoding(0, "cross") == "topk32"
        found = c.attention(0, "cross", 0, 0)
        assert found.shape == (1, keys)
        assert {int(i): float(found[0, i]) for i in np.flatnonzero(found)} == {
            0: 0.25,
            7: 0.5,
            keys - 1: 0.125,
        }
        assert c.attention_sparse(0, "cross").indices.ravel().tolist() == [0, 7, keys - 1]
        assert c.attention_rest(0, "cross").item() == 0.125
        assert list(c.verify()) == []


def test_what_would_fill_memory_is_not_filled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_FILLED", HEADS * 8 * 8)
    with a_file(tmp_path / "a", 8, 8) as writer:
        writer.add_sparse_attention(0, *top_k(maps_of(8), 2), keys=8)
        writer.add_attention(1, maps_of(8))
    with collateral.open(tmp_path / "a") as c:
        assert c.attention(0, layer=0).shape == (HEADS, 8, 8)
        with pytest.raises(collateral.CollateralError) as caught:
            c.attention(0)
        assert caught.value.what == (
            "the attention of example 0 is too large to be filled out: 2 x 3 x 8 x 8 weights"
        )
        assert caught.value.advice == "Read fewer heads at once, or what was kept only."
        assert c.attention_sparse(0).indices.shape == (LAYERS, HEADS, 8, 2)
        assert c.attention(1).shape == (LAYERS, HEADS, 8, 8)
        assert list(c.verify()) == []


# -- packed once, written as it is ---------------------------------------------------------------


def test_packed_attention_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    maps = maps_of(6)
    with a_file(tmp_path / "a", 6, 6, 6) as writer:
        writer.add_attention(0, maps)
        writer.add_attention(1, maps, encoding="uint8")
        writer.add_sparse_attention(2, *top_k(maps, 2), keys=6)
    with a_file(tmp_path / "b", 6, 6, 6) as writer:
        writer.add_packed_attention(0, pack_attention(SELF, "float16", maps))
        writer.add_packed_attention(1, pack_attention(SELF, "uint8", maps))
        packed = pack_sparse_attention(SELF, *top_k(maps, 2), 6)
        fields = vars(packed)
        assert {type(value) for value in fields.values()} == {str, tuple, bytes}
        writer.add_packed_attention(2, PackedAttention(**fields))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_packing_does_not_keep_the_callers_array(tmp_path: Path) -> None:
    maps = maps_of(4).astype("<f2")
    packed = pack_attention(SELF, "float16", maps)
    before = maps.copy()
    maps[:] = 0
    with a_file(tmp_path / "a", 4) as writer:
        writer.add_packed_attention(0, packed)
    with collateral.open(tmp_path / "a") as c:
        np.testing.assert_array_equal(c.attention(0), before.astype(np.float32))


def changed(**changes: Any) -> PackedAttention:
    packed = pack_sparse_attention(SELF, *top_k(maps_of(4), 2), 4)
    return PackedAttention(**{**vars(packed), **changes})


GOOD = top_k(maps_of(4), 2)
WRONG: dict[str, tuple[Any, str]] = {
    "no such kind": (changed(kind="cross"), "there is no kind of attention 'cross'"),
    "other heads": (changed(shape=(1, 6, 4, 4)), r"the shape \(1, 6, 4, 4\) does not fit"),
    "other tokens": (changed(shape=(LAYERS, HEADS, 4, 5)), r"\(4, 5\) weights for 4 tokens"),
    "no such encoding": (changed(encoding="topk8"), "no encoding 'topk8'; there are: float16, u"),
    "another encoding": (changed(encoding="uint8"), "240 bytes do not fit the shape"),
    "a byte too many": (changed(data=b"x" * 241), "241 bytes do not fit the shape"),
    "nothing": (changed(data=b""), "0 bytes do not fit the shape"),
    "more than all": (changed(data=b"x" * (2 * 3 * 4 * 22)), "528 bytes do not fit the shape"),
    "a checksum too few": (changed(checksums=b"x" * 20), "240 bytes do not fit the shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_packed_attention_that_does_not_fit(tmp_path: Path, name: str) -> None:
    packed, message = WRONG[name]
    with a_file(tmp_path / "a", 4) as writer:
        with pytest.raises(ValueError, match=f"attention of example 0: {message}"):
            writer.add_packed_attention(0, packed)
        writer.add_packed_attention(0, changed())
        with pytest.raises(ValueError, match="attention of example 0: added before"):
            writer.add_packed_attention(0, changed())
        with pytest.raises(ValueError, match="attention of example 9: there is no such example"):
            writer.add_packed_attention(9, changed())
    with collateral.open(tmp_path / "a") as c:
        assert list(c.verify()) == []


def with_index(value: int) -> npt.NDArray[Any]:
    indices = GOOD.indices.copy()
    indices[1, 2, 3, 1] = value
    return indices


def with_value(values: npt.NDArray[Any], value: float) -> npt.NDArray[Any]:
    result = values.copy()
    result.reshape(-1)[5] = value
    return result


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": with_index(4)}, "an index of sparse attention does not lie between 0 and 3"),
        ({"indices": with_index(-1)}, "an index of sparse attention does not lie between 0 and 3"),
        ({"indices": GOOD.indices[..., ::-1]}, "indices of sparse attention must rise"),
        ({"indices": np.zeros_like(GOOD.indices)}, "indices of sparse attention must rise"),
        ({"indices": GOOD.indices.astype(float)}, "must be whole numbers, not float64"),
        ({"indices": GOOD.indices[..., :1]}, "of shapes that do not fit"),
        ({"indices": GOOD.indices[0]}, "does not fit AttentionKind"),
        ({"weights": GOOD.weights[:, :, :3]}, "of shapes that do not fit"),
        ({"rest": GOOD.rest[..., None]}, "of shapes that do not fit"),
        ({"weights": with_value(GOOD.weights, 1.5)}, "attention weights must lie between 0 and 1"),
        ({"weights": with_value(GOOD.weights, -0.1)}, "attention weights must lie between 0 and 1"),
        ({"weights": with_value(GOOD.weights, np.nan)}, "attention weights must lie between"),
        ({"rest": with_value(GOOD.rest, np.nan)}, "rests of sparse attention must lie between"),
        ({"rest": with_value(GOOD.rest, -0.1)}, "rests of sparse attention must lie between"),
        ({"rest": with_value(GOOD.rest, 1.1)}, "rests of sparse attention must lie between"),
        ({"keys": 1}, "2 weights of each row cannot be kept of 1 keys"),
        ({"keys": 5}, r"\(4, 5\) weights for 4 tokens"),
    ],
)
def test_sparse_attention_that_is_none(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {**GOOD._asdict(), "keys": 4}
    with a_file(tmp_path / "a", 4) as writer:
        with pytest.raises(ValueError, match=f"attention of example 0: .*{message}"):
            writer.add_sparse_attention(0, **{**arguments, **changes})
        writer.add_sparse_attention(0, **arguments)
    with collateral.open(tmp_path / "a") as c:
        assert list(c.verify()) == []


def test_a_rest_may_be_off_by_rounding(tmp_path: Path) -> None:
    rest = np.full(GOOD.rest.shape, -3e-8, dtype=np.float32)
    rest[0] = 1 + 1e-6
    with a_file(tmp_path / "a", 4) as writer:
        writer.add_sparse_attention(0, *GOOD[:2], rest, keys=4)
    with collateral.open(tmp_path / "a") as c:
        assert set(c.attention_rest(0).ravel().tolist()) == {0.0, 1.0}
        assert list(c.verify()) == []


def test_the_sparse_encodings_are_no_encodings_of_whole_attention(tmp_path: Path) -> None:
    with a_file(tmp_path / "a", 4) as writer:
        for encoding in layout.SPARSE:
            with pytest.raises(ValueError, match=f"no encoding '{encoding}'; .*: float16, uint8"):
                writer.add_attention(0, maps_of(4), encoding=encoding)
