"""The demo's files are looked at before they are shipped, and say whose texts they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import collateral
from demo.make_demo import MAPS, OUTPUT, TEXTS, DemoError, check, main, notice, select
from extract.data.pairs import PairRecord, Span, TextGroup
from tests.factory import write_collateral


def pair_of_files(folder: Path, **changes: int) -> tuple[Path, Path]:
    """Two small files of the same texts; ``changes`` are made to the second."""
    first = write_collateral(folder / "base.msgpack", examples=6, attention=3)
    settings = {"examples": 6, "attention": 3, **changes}
    second = write_collateral(folder / "tuned.msgpack", shift=1.0, **settings)  # type: ignore[arg-type]
    return first, second


def test_two_right_files_pass(tmp_path: Path) -> None:
    check(*pair_of_files(tmp_path), texts=6, maps=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"examples": 5}, "has 5 texts, 3 with attention, not 6 and 3"),
        ({"attention": 2}, "has 6 texts, 2 with attention, not 6 and 3"),
        ({"seed": 1}, "not of the same texts"),
    ],
)
def test_files_that_are_not_the_demo_are_refused(
    changes: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DemoError, match=message):
        check(*pair_of_files(tmp_path, **changes), texts=6, maps=3)


def test_files_that_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demo.make_demo.MOST_BYTES", 20_000)
    with pytest.raises(DemoError, match="more than 20,000; ask for less"):
        check(*pair_of_files(tmp_path), texts=6, maps=3)


def test_the_notice_names_the_page_of_each_text_in_order() -> None:
    def group(number: int) -> TextGroup:
        url = f"http://en.wikipedia.org/wiki/Page_{number}"
        span = Span("A", 0, 1)
        record = PairRecord(1, "x", "", "A", span, span, extras={"url": url})
        return TextGroup(f"gap-validation-{number}", "A", (record,))

    page = notice([group(10), group(9)])
    nine = page.index("- gap-validation-9: <http://en.wikipedia.org/wiki/Page_9>")
    assert nine < page.index("- gap-validation-10: <http://en.wikipedia.org/wiki/Page_10>")
    assert "{pages}" not in page


def test_records_without_a_page_cannot_be_shipped(tmp_path: Path) -> None:
    span = {"text": "A", "start": 0, "end": 1}
    row = {"id": "1", "text": "A was here", "span1": span, "span2": span}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DemoError, match="without url"):
        select(tmp_path / "data.jsonl", tmp_path, 1)


def test_a_missing_file_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "no.jsonl")
    status = main(["--data", missing, "--tuned", str(tmp_path), "--base", str(tmp_path)])
    assert status == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_shipped_files_are_what_the_recipe_makes() -> None:
    check(OUTPUT / "base.msgpack", OUTPUT / "tuned.msgpack", TEXTS, MAPS)
    page = (OUTPUT / "NOTICE.md").read_text(encoding="utf-8")
    with collateral.open(OUTPUT / "tuned.msgpack") as file:
        ids, urls = file.examples["id"], file.examples["url"]
        assert [i for i, url in zip(ids, urls, strict=True) if f"- {i}: <{url}>" not in page] == []
        assert len(set(ids)) == TEXTS
        settings = " ".join(str(value) for value in file.meta.settings.values())
    assert "/" not in settings, "names a folder of the machine that made it"
