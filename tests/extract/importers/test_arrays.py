"""Hidden states and attention in safetensors and npz, from end to end."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from sklearn.manifold import trustworthiness

from collateral import Collateral
from extract.errors import ExtractError
from extract.importers.arrays import run
from extract.importers.options import ArrayOptions
from tests.extract.importers.files import HEADS, LAYERS, attention, opened

WIDTH = 5
Arrays = dict[str, npt.NDArray[Any]]
Kind = Literal["safetensors", "npz"]

LINES: list[dict[str, Any]] = [
    {
        "id": "a",
        "text": "The trophy fits.",
        "tokens": ["[CLS]", "the", "tro", "##phy", "fits", ".", "[SEP]"],
        "domain": "x",
        "score": 0.5,
        "gold": True,
    },
    {
        "id": 2,
        "tokens": ["one", "two", "three"],
        "points": [{"tokens": [1, 3], "label": "u"}, [0, 1]],
        "domain": "x",
    },
]


def hidden(tokens: int, seed: int) -> npt.NDArray[np.float32]:
    """Hidden states [layers + 1, n, width]."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(LAYERS + 1, tokens, WIDTH)).astype(np.float32)


def arrays() -> Arrays:
    """Attention and hidden states of the two lines."""
    return {
        "attention/a": np.stack(attention(7, 0)),
        "attention/2": np.stack(attention(3, 1)).astype(np.float64),
        "hidden/a": hidden(7, 2),
        "hidden/2": hidden(3, 3).astype(np.float16),
    }


def write(folder: Path, kind: Kind, given: Arrays, lines: list[dict[str, Any]]) -> ArrayOptions:
    """The files and the options that name them."""
    path, examples = folder / f"a.{kind}", folder / "a.jsonl"
    if kind == "npz":
        stored: dict[str, Any] = given
        np.savez(path, **stored)
    else:
        save_file(given, path, metadata={"model": "tiny", "architecture": "TinyModel"})
    examples.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return ArrayOptions(
        folder / "o.msgpack", arrays=path, examples=examples, kind=kind, perplexity=5, threads=1
    )


Prepare = Callable[..., ArrayOptions]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Writes files into a folder of the test."""

    def made(
        given: Arrays | None = None,
        lines: list[dict[str, Any]] | None = None,
        kind: Kind = "safetensors",
    ) -> ArrayOptions:
        return write(tmp_path, kind, given or arrays(), lines or LINES)

    return made


def imported(options: ArrayOptions) -> Collateral:
    """The file that an import makes, which verify and viewer take."""
    run(options)
    return opened(options.output)


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_arrays_make_a_whole_file(kind: Kind, prepare: Prepare) -> None:
    with imported(prepare(kind=kind)) as c:
        assert c.meta.model.name == ("tiny" if kind == "safetensors" else "a")
        assert c.meta.model.architecture == ("TinyModel" if kind == "safetensors" else "unknown")
        assert (c.meta.model.layers, c.meta.model.heads) == (LAYERS, HEADS)
        assert c.meta.model.hidden_size == WIDTH
        assert c.examples["id"] == ["a", "2"]
        assert c.examples["text"] == ["The trophy fits.", "one two three"]
        assert c.examples["domain"] == ["x", "x"]
        assert c.examples["score"][0] == 0.5
        assert np.isnan(c.examples["score"][1])
        assert c.examples["gold"] == ["true", None]
        assert c.examples.with_role("gold") == "gold"
        assert c.points["text"] == ["the", "tro", "##phy", "fits", ".", "one", "two three"]
        assert c.points["label"][-1] == "u"
        assert np.allclose(c.attention("a"), np.stack(attention(7, 0)), atol=1e-3)
        expected = np.stack(attention(3, 1)).std(axis=(2, 3))
        assert np.allclose(c.head_metric("std")[1], expected, atol=1e-5)


def test_the_offsets_are_those_of_the_text(prepare: Prepare) -> None:
    with imported(prepare()) as c:
        text, tokens = c.examples["text"][0], c.tokens("a")
        shown = [text[a:b] for a, b in tokens.offsets.tolist()]
        assert shown == ["", "The", "tro", "phy", "fits", ".", ""]
        assert tokens.words.tolist() == [-1, 0, 1, 1, 2, 3, -1]


def test_offsets_and_specials_may_be_given(prepare: Prepare) -> None:
    line = {
        "id": "a",
        "text": "xyz",
        "tokens": ["q", "r"],
        "offsets": [[0, 0], [1, 3]],
        "special": [True, False],
    }
    with imported(prepare({"hidden/a": hidden(2, 0)}, [line])) as c:
        assert c.tokens("a").offsets.tolist() == [[0, 0], [1, 3]]
        assert c.meta.tokens.special == ("q",)
        assert c.points["text"] == ["r"]


def test_maps_are_made_and_their_quality_is_known(prepare: Prepare) -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(3, 40, WIDTH)).astype(np.float32)
    line = {"id": "z", "tokens": [f"t{i}" for i in range(40)]}
    with imported(prepare({"hidden/z": states}, [line])) as c:
        (name,) = [one for one in c.quality if one.startswith("trustworthiness")]
        unit = states / np.linalg.norm(states, axis=2, keepdims=True)
        k = int(name.partition("@")[2])
        for layer in range(3):
            expected = trustworthiness(unit[layer], c.coordinates(layer), n_neighbors=k)
            assert np.isclose(c.quality[name][layer], expected, atol=1e-4)
        assert c.meta.settings["projection"] == "t-SNE (openTSNE, Barnes-Hut)"


def test_more_points_than_t_sne_is_fitted_on_are_placed(prepare: Prepare) -> None:
    states = np.random.default_rng(0).normal(size=(3, 130, WIDTH)).astype(np.float32)
    line = {"id": "z", "tokens": [f"t{i}" for i in range(130)]}
    options = replace(prepare({"hidden/z": states}, [line]), map_sample=100)
    with imported(options) as c:
        assert c.meta.settings["projection_placed"] == 30
        assert any("fitted on 100 of 130 points" in note for note in c.meta.notes)
        assert "placed_recall@15" in c.quality
        rows = c.vectors.points
        assert len(rows) == 100  # those that it was fitted on
        for layer in range(3):
            x = states[layer, rows]
            lengths = np.linalg.norm(x, axis=1)
            np.testing.assert_allclose(c.vectors.lengths(layer), lengths, rtol=1e-5)
            z = c.vectors.read(layer)
            np.testing.assert_allclose(z @ z.T, x @ x.T / np.outer(lengths, lengths), atol=0.03)
    with imported(replace(options, vectors=0)) as c:
        assert c.vectors.layers == ()


def test_points_are_means_over_their_tokens(prepare: Prepare) -> None:
    """With fewer points than t-SNE takes, the map is linear in the unit vectors of the points."""
    states = hidden(4, 1)
    states[:, 1] = states[:, 0] * 2  # of the same direction
    states[:, 3] = -states[:, 2]
    line = {"id": "z", "tokens": list("abcd"), "points": [[0, 1], [1, 2], [0, 2], [2, 3], [2, 4]]}
    with imported(prepare({"hidden/z": states}, [line])) as c:
        assert c.point_tokens.tolist() == [[0, 1], [0, 2], [1, 2], [2, 3], [2, 4]]
        first, mean, second, other, zero = c.coordinates(0).astype(np.float64)
        assert np.abs(first - mean).max() < 0.2
        assert np.abs(first - second).max() < 0.2
        assert np.abs(first - other).max() > 0.5
        # c and d cancel: their mean is zero, which is at neither
        assert np.abs(zero - other).max() > 0.2


def test_pairs_have_distances_and_intensities(prepare: Prepare) -> None:
    pair = {"span1": [1, 4], "span2": [4, 5], "gold": "yes", "prediction": "no"}
    line = LINES[0] | {"pairs": [pair]}
    with imported(prepare(lines=[line, LINES[1]])) as c:
        assert c.pairs["id"] == ["a-0"]
        assert c.pairs.labels("gold") == ("yes",)
        assert c.pairs.with_role("prediction") == "prediction"
        assert c.pair_points.tolist() == [[[0, 3], [3, 4]]]
        states = hidden(7, 2).astype(np.float64)
        for layer in range(LAYERS + 1):
            u, v = states[layer, 1:4].mean(0), states[layer, 4]
            cosine = 1 - u @ v / np.sqrt((u @ u) * (v @ v))
            assert np.isclose(c.distances("cosine")[0, layer], cosine, atol=1e-5)
            assert np.isclose(c.distances("euclid")[0, layer], np.sqrt(((u - v) ** 2).sum()))
        found = c.head_metric("intensity_candidate_pronoun_max")[0]
        weights = np.stack(attention(7, 0))[:, :, 1:4, 4:5]
        assert np.allclose(found, weights.max(axis=(2, 3)), atol=1e-6)


def test_attention_alone_and_hidden_states_alone_are_taken(prepare: Prepare) -> None:
    only = {name: one for name, one in arrays().items() if name.startswith("attention")}
    with imported(prepare(only)) as c:
        assert list(c.mapped_layers) == []
        assert len(c.points) == 7
    only = {name: one for name, one in arrays().items() if name.startswith("hidden")}
    with imported(prepare(only)) as c:
        assert list(c.mapped_layers) == [0, 1, 2]
        assert not c.metrics


def test_examples_may_lack_arrays(prepare: Prepare) -> None:
    given = {name: one for name, one in arrays().items() if name != "hidden/2"}
    given["attention/9"] = given["attention/a"]
    given["strange"] = given["attention/a"]
    options = prepare(given)
    found = " ".join(run(options).notes)
    assert "2 arrays of a.safetensors belong to no example" in found
    assert "1 example without hidden states has no points" in found
    with opened(options.output) as c:
        assert c.point_examples.tolist() == [0] * 5


def test_bfloat16_is_read(prepare: Prepare) -> None:
    options = prepare()
    tensors = {name: torch.from_numpy(one.astype("f4")) for name, one in arrays().items()}
    save_torch({name: one.bfloat16() for name, one in tensors.items()}, options.arrays)
    with imported(options) as c:
        assert np.allclose(c.attention("a"), np.stack(attention(7, 0)), atol=4e-3)


def test_causal_attention_counts_the_keys_that_can_be_seen(prepare: Prepare) -> None:
    n = 4
    uniform = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
    given = {"attention/a": np.broadcast_to(uniform, (1, 1, n, n)).astype(np.float32).copy()}
    options = prepare(given, [{"id": "a", "tokens": list("abcd")}])
    assert "No token attends to what is after it" in " ".join(run(options).notes)
    with imported(replace(options, causal=True)) as c:
        assert c.meta.attention[0].causal
        assert np.allclose(c.head_metric("entropy_normalised"), 1)
        assert np.allclose(c.head_metric("std_normalised"), 0, atol=1e-3)


def test_causal_attention_must_not_look_ahead(prepare: Prepare) -> None:
    options = replace(prepare(), causal=True)
    with pytest.raises(ExtractError, match="said to be causal, but token"):
        run(options)
    assert "No token" not in " ".join(run(replace(options, causal=False)).notes)


def test_encoder_decoders_have_three_kinds(prepare: Prepare) -> None:
    rng = np.random.default_rng(0)

    def rows(queries: int, keys: int) -> npt.NDArray[np.float32]:
        made = rng.random((LAYERS, HEADS, queries, keys)).astype(np.float32)
        return np.asarray(made / made.sum(-1, keepdims=True))

    causal = np.tril(rows(3, 3))
    given = {
        "encoder/s": rows(4, 4),
        "decoder/s": (causal / causal.sum(-1, keepdims=True)).astype(np.float32),
        "cross/s": rows(3, 4),
        "hidden/s": hidden(3, 0),
    }
    line = {"id": "s", "tokens": ["a", "b", "c", "</s>", "<s>", "x", "y"], "source": 4}
    with imported(prepare(given, [line])) as c:
        assert c.examples["text"] == ["a b c\nx y"]
        offsets = c.tokens("s").offsets.tolist()
        assert [c.examples["text"][0][a:b] for a, b in offsets] == ["a", "b", "c", "", "", "x", "y"]
        assert [kind.name for kind in c.meta.attention] == ["encoder", "decoder", "cross"]
        assert c.attention("s", kind="cross").shape == (LAYERS, HEADS, 3, 4)
        expected = given["cross/s"].mean(axis=2)[..., 3]
        assert np.allclose(c.head_metric("cross:mass_separator")[0], expected, atol=1e-5)
        assert "encoder:mass_previous" in c.metrics
        assert "cross:mass_previous" not in c.metrics
        assert c.point_tokens.tolist() == [[5, 6], [6, 7]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention/a": np.zeros((2, 3, 7, 6), "f4")}, r"not \[layers, heads, 7, 7\]"),
        ({"attention/2": np.zeros((1, 3, 3, 3), "f4")}, "has 1 layers of 3 heads; before, 2 of 3"),
        ({"attention/a": np.full((2, 3, 7, 7), np.nan, "f4")}, "head 0, row 0, column 0 is no num"),
        ({"attention/a": np.full((2, 3, 7, 7), 3, "f4")}, "is 3; weights lie between 0 and 1"),
        ({"hidden/a": np.zeros((3, 6, 5), "f4")}, r"not \[layers \+ 1, 7, width\]"),
        ({"hidden/2": np.zeros((3, 3, 4), "f4")}, "3 states of 4 numbers; before, 3 of 5"),
        ({"hidden/a": np.full((3, 7, 5), np.inf, "f4")}, "is no number in state 0, token 0"),
        ({"encoder/a": np.zeros((2, 3, 7, 7), "f4")}, 'its example has no "source"'),
    ],
)
def test_arrays_that_cannot_be_are_said(
    change: Arrays, message: str, prepare: Prepare, tmp_path: Path
) -> None:
    options = prepare(arrays() | change)
    with pytest.raises(ExtractError, match=message) as caught:
        run(options)
    assert "--skip-bad" in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "a.safetensors"]
    assert run(replace(options, skip_bad=True)).left_out >= 1
    opened(options.output).close()


def test_layers_must_agree(prepare: Prepare) -> None:
    given = arrays()
    given |= {name: one[:2] for name, one in given.items() if name.startswith("hidden")}
    with pytest.raises(ExtractError, match="attention of 2 layers but 2 hidden states"):
        run(prepare(given))
    with pytest.raises(ExtractError, match=r"no array for any of the examples.*first id is a"):
        run(prepare({"attention/other": given["attention/a"]}))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"tokens": ["a"]}, 'has null as "id"'),
        ({"id": "x"}, 'needs "tokens", a list of texts'),
        ({"id": "x", "tokens": []}, "has no tokens"),
        ({"id": "x", "tokens": [1]}, 'needs "tokens", a list of texts'),
        ({"id": "x", "tokens": ["a"], "text": 1}, 'has a number as "text"'),
        ({"id": "x", "tokens": ["a"], "offsets": [[0, 1]]}, 'has "offsets" but no "text"'),
        (
            {"id": "x", "tokens": ["a"], "text": "a", "offsets": [[0, 2]]},
            r"\[0, 2\] in \"offsets\"",
        ),
        ({"id": "x", "tokens": ["a"], "text": "a", "offsets": []}, "for each of its 1 tokens"),
        ({"id": "x", "tokens": ["a"], "special": [1]}, "needs true or false for each of its 1"),
        ({"id": "x", "tokens": ["a"], "source": 2}, "needs a number from 0 to 1"),
        ({"id": "x", "tokens": ["a"], "points": [[0, 0]]}, r"\[0, 0\] in \"points\""),
        ({"id": "x", "tokens": ["a"], "points": [["0", 1]]}, "needs two whole numbers"),
        ({"id": "x", "tokens": ["a"], "points": {}}, 'has an object as "points"'),
        ({"id": "x", "tokens": ["a"], "pairs": [1]}, "needs a list of objects"),
        ({"id": "x", "tokens": ["a"], "pairs": [{"span1": [0, 1]}]}, 'in "span2"'),
        ({"id": "a", "tokens": ["a"]}, 'has the id "a" of line 1'),
    ],
)
def test_lines_that_cannot_be_are_said(
    line: dict[str, Any], message: str, prepare: Prepare
) -> None:
    options = prepare(lines=[*LINES, line])
    with pytest.raises(ExtractError, match=f"line 3 .*{message}"):
        run(options)
    assert run(replace(options, skip_bad=True)).left_out == 1


def test_a_pair_needs_points_within_its_spans(prepare: Prepare) -> None:
    line = LINES[0] | {"points": [[1, 2]], "pairs": [{"span1": [1, 2], "span2": [4, 5]}]}
    with pytest.raises(ExtractError, match="in which no point lies"):
        run(prepare(lines=[line, LINES[1]]))


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
@pytest.mark.parametrize("raw", [b"", b"x", b"\xff" * 99, b"PK\x03\x04", b"\x00" * 8])
def test_files_of_another_kind_are_said(raw: bytes, kind: Kind, prepare: Prepare) -> None:
    options = prepare(kind=kind)
    options.arrays.write_bytes(raw)
    with pytest.raises(ExtractError, match=f"is no {kind} file"):
        run(options)


def forge(path: Path, members: dict[str, bytes]) -> None:
    """An npz of any bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def head(said: str) -> bytes:
    """The head of an npy file."""
    return b"\x93NUMPY\x01\x00" + len(said).to_bytes(2, "little") + said.encode()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (head("{'descr':'<f4','fortran_order':False,'shape':(9,9,9,9)}"), "its size does not fit"),
        (head("{'descr':'<f4','fortran_order':False,'shape':(1<<40,)}"), "is no array of numpy"),
        (head("{'descr':'|O','fortran_order':False,'shape':(1,)}") + b"8" * 8, "objects are never"),
        (head("{'descr':[('a','<f4')],'fortran_order':False,'shape':(1,)}"), "it has fields"),
        (head("__import__('os').mkdir('mark')"), "is no array of numpy"),
        (b"\x80\x04cos\nsystem\n", "it has another start"),
        (head("[" * 5000), "is no array of numpy"),
    ],
)
def test_hostile_npz_files_are_refused(
    member: bytes,
    message: str,
    prepare: Prepare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = prepare(kind="npz")
    monkeypatch.chdir(tmp_path)
    forge(options.arrays, {"attention/a.npy": member})
    with pytest.raises(ExtractError, match=message):
        run(options)
    assert not (tmp_path / "mark").exists()


def test_a_bomb_in_an_npz_is_refused_by_its_shape(prepare: Prepare) -> None:
    options = prepare(kind="npz")
    said = "{'descr':'|i1','fortran_order':False,'shape':(1,1,8192,8192)}"
    forge(options.arrays, {"attention/a.npy": head(said) + bytes(8192 * 8192)})
    with pytest.raises(ExtractError, match=r"has the shape \(1, 1, 8192, 8192\), not"):
        run(options)


def test_compressed_npz_files_are_read(prepare: Prepare) -> None:
    options = prepare(kind="npz")
    stored: dict[str, Any] = arrays()
    np.savez_compressed(options.arrays, **stored)
    with imported(options) as c:
        assert np.allclose(c.attention("a"), np.stack(attention(7, 0)), atol=1e-3)


def test_a_damaged_member_is_said(prepare: Prepare) -> None:
    options = prepare(kind="npz")
    raw = bytearray(options.arrays.read_bytes())
    at = raw.index(b"NUMPY") + 400
    raw[at] ^= 0xFF
    options.arrays.write_bytes(raw)
    with pytest.raises(ExtractError, match=r'"attention/a" is (damaged|no array of numpy)'):
        run(options)
