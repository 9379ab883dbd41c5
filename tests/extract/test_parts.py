"""Parts of a run: what is written comes back, and what is not whole is not there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from extract.errors import ExtractError
from extract.running.parts import Part, PartWriter, Workspace, differences, table


def make_part(writer: PartWriter) -> tuple[Part, bytes]:
    """A part of one example with something of every type, and its large bytes."""
    data = bytes(range(256)) * 3
    writer.add(b"before")
    example = {
        "id": "a",
        "values": {"none": None, "yes": True, "number": 1.5, "words": "naïve 👩‍👩‍👧"},
        "tally": {"right": 2},
        "points": 2,
        "tokens": [["na", "##ïve"], np.array([[0, 2], [2, 5]], np.int32), np.array([False, True])],
        "maps": {"self": {"at": writer.add(data)}},
        "vectors": writer.add_array(np.arange(12, dtype=np.float32).reshape(2, 3, 2)),
    }
    tables = {"points": table([(0, (0, 2), {"gold": "x"}), (0, (1, 2), {"text": "é"})], 2)}
    metrics = np.array([[[0.5, np.nan]]], np.float32)
    return Part(
        1, 0, ["halved"], [example], tables, {"std": metrics}, {}, {"cosine": metrics[0]}
    ), data


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "out.msgpack")
    workspace.start({"seed": 1})
    with workspace.writing(3) as writer:
        part, data = make_part(writer)
        assert not workspace.done(3)
        writer.finish(part)
    assert workspace.done(3) and not workspace.done(2) and workspace.finished() == 1
    assert workspace.summary(3) == {"points": 1, "sparse": 0, "notes": ["halved"]}
    found = workspace.read(3)
    (example,) = found.examples
    assert example["values"] == part.examples[0]["values"]
    points = found.tables["points"]
    assert points["examples"].tolist() == [0, 0] and points["places"].tolist() == [[0, 2], [1, 2]]
    assert points["values"] == {"gold": ["x", None], "text": [None, "é"]}
    np.testing.assert_array_equal(example["tokens"][1], [[0, 2], [2, 5]])
    np.testing.assert_array_equal(found.example_metrics["std"], part.example_metrics["std"])
    assert found.distances["cosine"].dtype == np.float32 and not found.pair_metrics
    with workspace.large(3) as large:
        assert large.read(*example["maps"]["self"]["at"]) == data
        vectors = large.array(example["vectors"])
        np.testing.assert_array_equal(vectors, np.arange(12).reshape(2, 3, 2))
        with pytest.raises(ExtractError, match="not whole"):
            large.read(len(data), 10 * len(data))


def test_a_part_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "out.msgpack")
    workspace.start({})
    with pytest.raises(RuntimeError), workspace.writing(0) as writer:
        make_part(writer)
        raise RuntimeError
    assert not workspace.done(0) and workspace.finished() == 0
    with pytest.raises(ExtractError, match="--restart"):
        workspace.read(0)


def test_a_part_whose_end_is_lost_is_an_error(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "out.msgpack")
    workspace.start({})
    with workspace.writing(0) as writer:
        writer.finish(make_part(writer)[0])
    (path,) = workspace.folder.glob("*.part")
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ExtractError, match="--restart"):
            workspace.read(0)


def test_the_plan_is_kept_and_compared(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "out.msgpack")
    assert workspace.plan() is None
    plan = {"batch_size": 32, "mapping": {"text": "review"}, "limit": None}
    workspace.start(plan)
    assert workspace.plan() == json.loads(json.dumps(plan))
    assert differences(plan, {**plan, "batch_size": 16}) == ["batch-size was 32"]
    assert differences({**plan, "limit": 3}, plan) == ["limit was 3"]
    assert differences(plan, {**plan, "limit": 3}) == ["limit was not given"]
    (workspace.folder / "run.json").write_text("[")
    assert workspace.plan() is None
    workspace.remove()
    assert not workspace.folder.exists()


def test_starting_anew_leaves_nothing_of_the_old(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "out.msgpack")
    workspace.start({})
    with workspace.writing(0) as writer:
        writer.finish(make_part(writer)[0])
    workspace.start({"seed": 2})
    assert workspace.finished() == 0 and workspace.plan() == {"seed": 2}


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("")
    with pytest.raises(ExtractError, match="cannot be written"):
        Workspace(target / "parts").start({})


def test_all_fields_of_a_part_are_kept() -> None:
    names = [field.name for field in dataclasses.fields(Part)]
    assert names[:3] == ["points", "sparse", "notes"]  # what is read alone comes first
