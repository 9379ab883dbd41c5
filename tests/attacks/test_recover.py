"""``recover``: of a file cut or damaged anywhere, what is kept is what stood there."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest

import collateral
from collateral import begun, cli
from collateral.keeping import Kept
from collateral.recover import recover
from collateral.source import Block
from tests.attacks.judge import at_most
from tests.attacks.same import assert_beginning, assert_example, counts
from tests.attacks.test_hostile import little_memory
from tests.collateral import forge
from tests.collateral.command import fails
from tests.collateral.simple import LAYERS, a_writer, some_tokens, uniform, write_simple
from tests.factory import write_collateral
from tests.factory_parts import write_tagging, write_translation

KINDS: dict[str, Callable[[Path], Path]] = {
    "pairs": lambda path: write_collateral(path, examples=9, layers=2, heads=2, attention=5),
    "words": lambda path: write_tagging(path, examples=4, kept=2, attention=3),
    "sides": lambda path: write_translation(path, examples=4, kept=0, attention=3),
}
NOTHING = "holds no example that is whole, so that nothing can be kept"
HEADLESS = "has lost its head and its index, so that nothing can be kept"


@pytest.fixture(scope="module", params=list(KINDS))
def good(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Small files with something in every section, and their rows written now and then."""
    folder = tmp_path_factory.mktemp("recover")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(begun, "LEAST_BETWEEN", 1 << 11)
        return KINDS[request.param](folder / request.param)


def kept_of(path: Path, target: Path) -> Kept | str:
    """What a recovery says, or the reason why there is none."""
    target.unlink(missing_ok=True)
    try:
        return recover(path, target)
    except collateral.CollateralError as error:
        assert not target.exists()
        assert error.path == str(path)
        assert error.advice
        return error.what


def assert_cuts_are_recovered(path: Path, folder: Path, lengths: range) -> None:
    """Cut at each length, what is kept is the beginning of what there was, and never less."""
    data, cut, target = path.read_bytes(), folder / "cut", folder / "kept"
    before: dict[str, int] = {}
    with collateral.open(path) as whole:
        for length in lengths:
            cut.write_bytes(data[:length])
            kept = kept_of(cut, target)
            if isinstance(kept, str):
                assert not before, length
                known = (NOTHING, HEADLESS, "is empty", "is not a collateral file")
                assert kept in known, length
                continue
            with collateral.open(target) as part:
                assert_beginning(whole, part)
                found = counts(part)
            assert all(found[name] >= before.get(name, 0) for name in found), length
            before = found
    assert before == counts(collateral.open(path))


def places(path: Path, count: int) -> range:
    """So many lengths, the last one short of a single byte."""
    size = path.stat().st_size
    step = size // count
    return range((size - 1) % step, size, step)


def test_a_file_cut_anywhere(good: Path, tmp_path: Path) -> None:
    assert_cuts_are_recovered(good, tmp_path, places(good, 25))


@pytest.mark.slow
def test_a_file_cut_at_many_places(good: Path, tmp_path: Path) -> None:
    assert_cuts_are_recovered(good, tmp_path, places(good, 120))


def test_without_its_last_byte_all_is_kept(good: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(good.read_bytes()[:-1])
    kept = kept_of(tmp_path / "cut", tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert counts(whole) == counts(part)
        assert whole.meta.fingerprint == part.meta.fingerprint
        assert whole.meta.layout_fingerprint == part.meta.layout_fingerprint


def test_without_the_index_all_rows_are_kept(good: Path, tmp_path: Path) -> None:
    body, _ = forge.split(good.read_bytes())
    (tmp_path / "cut").write_bytes(body)
    kept = kept_of(tmp_path / "cut", tmp_path / "kept")
    assert isinstance(kept, Kept)
    assert not kept.has_index
    assert kept.lost == []
    assert kept.sections == {}
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)
        assert set(whole.summaries) == set(part.summaries)
        assert list(whole.metrics) == list(part.metrics)


def test_a_whole_file_loses_nothing(good: Path, tmp_path: Path) -> None:
    kept = kept_of(good, tmp_path / "kept")
    assert isinstance(kept, Kept)
    assert kept.whole
    assert list(kept.lines())[-1] == "nothing was lost"
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)


def blocks_of(path: Path) -> dict[str, list[Block]]:
    with collateral.open(path) as c:
        return {
            name: [section.place(number) for number in range(len(section))]
            for name, section in c._sections.items()
        }


def damaged(path: Path, folder: Path, *places: int) -> Path:
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0x55
    (folder / "damaged").write_bytes(data)
    return folder / "damaged"


@pytest.mark.parametrize("without_index", [False, True])
def test_a_lost_block_of_texts_takes_its_examples_only(
    good: Path, tmp_path: Path, without_index: bool
) -> None:
    """Rows after it move up, and whatever belongs to them goes with them."""
    first, *others = blocks_of(good)["examples/text"]
    assert others
    bad = damaged(good, tmp_path, first.offset + 1)  # no msgpack any more, so that it is lost
    if without_index:
        bad.write_bytes(forge.split(bad.read_bytes())[0])
    kept = kept_of(bad, tmp_path / "kept")
    assert isinstance(kept, Kept)
    assert not kept.whole
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert list(part.verify()) == []
        assert part.examples["id"] == whole.examples["id"][first.count :]
        for new in range(len(part.examples)):
            assert_example(whole, new + first.count, part, new)
        mine = whole.point_examples >= first.count
        np.testing.assert_array_equal(whole.point_examples[mine] - first.count, part.point_examples)
        np.testing.assert_array_equal(whole.point_tokens[mine], part.point_tokens)
        for layer in part.mapped_layers:
            np.testing.assert_array_equal(whole.coordinates(layer)[mine], part.coordinates(layer))
        pairs = np.flatnonzero(whole.pair_examples >= first.count)
        assert part.pairs["id"] == [whole.pairs["id"][row] for row in pairs]
        np.testing.assert_array_equal(
            whole.pair_points[pairs] - int((~mine).sum()), part.pair_points
        )
        for name, metric in part.metrics.items():
            rows = pairs if metric.unit == "pair" else slice(first.count, None)
            np.testing.assert_array_equal(whole.head_metric(name)[rows], part.head_metric(name))


def test_flipped_numbers_are_left_out_where_the_index_knows(good: Path, tmp_path: Path) -> None:
    with collateral.open(good) as whole:
        entry = whole._attention.entry(0)
        metric = next(iter(whole.metrics))
    block = blocks_of(good)[f"head_metric/{metric}"][0]
    bad = damaged(good, tmp_path, block.offset + block.length - 2, entry.data_at + 1)
    kept = kept_of(bad, tmp_path / "kept")
    assert isinstance(kept, Kept)
    had, total = kept.rows["attention records"]
    assert had == (total or 0) - 1
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert not part.has_attention(entry.example, whole.meta.attention[entry.kind].name)
        if metric in part.metrics:
            assert np.isnan(part.head_metric(metric)[: block.count]).all()
            assert any(line.startswith(f"head_metric/{metric} of ") for line in kept.lost)
        else:
            assert metric in kept.sections["head_metric"]


def test_a_lost_directory_is_found_again(good: Path, tmp_path: Path) -> None:
    block = blocks_of(good)["attention/directory"][0]
    kept = kept_of(damaged(good, tmp_path, block.offset + 60), tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)


def test_a_lost_head_is_no_loss(good: Path, tmp_path: Path) -> None:
    kept = kept_of(damaged(good, tmp_path, 3, 70), tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)


def test_neither_head_nor_index(good: Path, tmp_path: Path) -> None:
    bad = damaged(good, tmp_path, 70, 71, 72, good.stat().st_size - 3)
    bad.write_bytes(bad.read_bytes()[:60] + b"\xc1" * 20 + bad.read_bytes()[80:])
    body, _ = forge.split(good.read_bytes())
    bad.write_bytes(bad.read_bytes()[: len(body)])
    assert kept_of(bad, tmp_path / "kept") == HEADLESS


@pytest.mark.parametrize("more", [b"\0", b"more", b"\x86\xa6record" * 50])
def test_bytes_behind_the_end_are_no_loss(good: Path, tmp_path: Path, more: bytes) -> None:
    (tmp_path / "longer").write_bytes(good.read_bytes() + more)
    kept = kept_of(tmp_path / "longer", tmp_path / "kept")
    assert isinstance(kept, Kept)
    assert kept.whole
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert counts(whole) == counts(part)


def test_an_index_that_was_changed_is_not_believed(good: Path, tmp_path: Path) -> None:
    """Its labels could be others; the head and the sections of labels say it again."""
    data = bytearray(good.read_bytes())
    body, _ = forge.split(bytes(data))
    at = data.index(b"\xaacategories", len(body))
    data[at + 40] ^= 1
    (tmp_path / "bad").write_bytes(data)
    kept = kept_of(tmp_path / "bad", tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)


def test_files_without_descriptions_at_the_front(tmp_path: Path) -> None:
    """As version 1.0 and early 1.1 wrote them: labels get numbers, head metrics are left out."""
    old = Path(__file__).parent.parent / "collateral" / "data" / "format-1.0.msgpack"
    body, _ = forge.split(old.read_bytes())
    (tmp_path / "cut").write_bytes(body)
    kept = kept_of(tmp_path / "cut", tmp_path / "kept")
    assert isinstance(kept, Kept)
    assert kept.sections["head_metric"]
    with collateral.open(old) as whole, collateral.open(tmp_path / "kept") as part:
        assert list(part.verify()) == []
        assert part.examples["id"] == whole.examples["id"]
        assert part.examples["label"] == [
            None,
            "label 0 (its name is lost)",
            "label 1 (its name is lost)",
        ]
        np.testing.assert_array_equal(part.distances("cosine"), whole.distances("cosine"))
        for row in range(3):
            assert_example(whole, row, part, row)
        assert len(part.metrics) == 0
    (tmp_path / "cut").write_bytes(old.read_bytes()[:-1])  # the index is there: nothing is lost
    kept_of(tmp_path / "cut", tmp_path / "kept")
    with collateral.open(old) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)
        assert part.examples["label"] == whole.examples["label"]


def test_on_the_command_line(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut, target = tmp_path / "cut", tmp_path / "kept"
    cut.write_bytes(good.read_bytes()[:-1])
    status, message = fails(capsys, "verify", cut)
    assert status == 1
    assert "interpret-collateral recover FILE NEW-FILE" in message
    assert cli.main(["recover", str(cut), str(target)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"{target}: recovered from {cut}\n  kept: ")
    assert cli.main(["verify", str(target)]) == 0
    capsys.readouterr()
    before = target.read_bytes()
    status, message = fails(capsys, "recover", cut, target)
    assert (status, message) == (
        1,
        f"{target} is there already. Name a file that is not there yet, or say --force.",
    )
    assert target.read_bytes() == before
    assert cli.main(["recover", "--force", str(cut), str(target)]) == 0
    capsys.readouterr()
    status, message = fails(capsys, "recover", "--force", cut, cut)
    assert (status, message) == (1, f"{cut} is the file that is read. Name another file to write.")
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    assert fails(capsys, "recover", cut, tmp_path / "link")[0] == 1
    assert not (tmp_path / "nowhere").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "kept", "link"]


def test_nothing_is_written_where_nothing_can_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_simple(tmp_path / "good")
    body, index = forge.split(good.read_bytes())
    (tmp_path / "cut").write_bytes(body[: index["head"][1] + 5])
    status, message = fails(capsys, "recover", tmp_path / "cut", tmp_path / "kept")
    assert status == 1
    assert message.startswith(f"{tmp_path / 'cut'}: {NOTHING}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "good"]


# -- files made to keep a recovery busy -----------------------------------------------------------

FAKE_TEXTS = b"\x84\xa6record\xa5texts\xa4name\xa1x\xa5start\x00\xa4data\xdd\x00\x40\x00\x00"
FAKES = {
    "beginnings of records": b"\x86\xa6record",
    "lists that claim millions": FAKE_TEXTS,
    "lists of depth": FAKE_TEXTS + b"\x91" * 400,
    "arrays of 4 GiB": b"\x86\xa6record\xa5array\xa4name\xa1x\xa5start\x00\xa5dtype\xa3<f4"
    b"\xa5shape\x91\xce\x40\x00\x00\x00\xa4data\xc6\xff\xff\xff\xff",
    "texts without end": b"\x86\xa6record\xa5array\xa4name\xdb\xff\xff\xff\xffx",
}


@pytest.mark.parametrize("name", FAKES)
def test_what_only_looks_like_records_does_not_keep_it_busy(name: str, tmp_path: Path) -> None:
    """After so many tries the rest is given up, and what stood before it is kept."""
    good = write_simple(tmp_path / "good")
    body, _ = forge.split(good.read_bytes())
    fake = FAKES[name]
    (tmp_path / "bad").write_bytes(body + fake * (500_000 // len(fake)))
    tracemalloc.start()
    try:
        with at_most(60):
            kept = kept_of(tmp_path / "bad", tmp_path / "kept")
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)
    assert kept.lost[-1].endswith("which is all from there on")


def test_a_record_twice_is_kept_once(tmp_path: Path) -> None:
    good = write_simple(tmp_path / "good")
    body, index = forge.split(good.read_bytes())
    (tmp_path / "bad").write_bytes(body + body[index["head"][1] :])
    kept = kept_of(tmp_path / "bad", tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)


def test_rows_are_written_in_step_with_attention(tmp_path: Path) -> None:
    """Of a file that is cut somewhere, all but the last stretch of 256 KiB can be kept."""
    with a_writer(tmp_path / "good", metrics=[]) as writer:
        for row in range(30):
            writer.add_example(f"id-{row}", "x" * 64, some_tokens(64), label=f"label {row}")
            writer.add_attention(row, uniform(64))
        for layer in range(LAYERS + 1):
            writer.set_coordinates(layer, np.zeros((0, 2)))
    data = (tmp_path / "good").read_bytes()
    each = len(data) / 30
    for part in (0.35, 0.65, 0.95):
        length = int(len(data) * part)
        (tmp_path / "cut").write_bytes(data[:length])
        assert isinstance(kept_of(tmp_path / "cut", tmp_path / "kept"), Kept)
        with collateral.open(tmp_path / "kept") as kept, collateral.open(tmp_path / "good") as good:
            assert_beginning(good, kept)
            rows = len(kept.examples)
            assert rows >= (length - begun.LEAST_BETWEEN) / each - 2
            assert kept.examples["label"] == [f"label {row}" for row in range(rows)]
            assert len(kept.attention_examples()) == rows


@pytest.mark.parametrize("start", [1 << 25, 1 << 40, 1 << 50])
@pytest.mark.parametrize("section", ["labels/examples/label", "examples/id", "points/@example"])
def test_a_record_that_says_it_begins_far_away(tmp_path: Path, section: str, start: int) -> None:
    """It is left out, and no memory is taken for rows that would stand before it."""
    good = write_simple(tmp_path / "good")
    body, _ = forge.split(good.read_bytes())
    block = blocks_of(good)[section][0]
    record = msgpack.unpackb(body[block.offset : block.offset + block.length])
    record["start"] = start
    (tmp_path / "bad").write_bytes(body + msgpack.packb(record))
    with little_memory(16 << 20):
        kept = kept_of(tmp_path / "bad", tmp_path / "kept")
    assert isinstance(kept, Kept)
    with collateral.open(good) as whole, collateral.open(tmp_path / "kept") as part:
        assert_beginning(whole, part)
        assert counts(whole) == counts(part)
