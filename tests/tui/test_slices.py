"""Filters kept by name: written whole or not at all, and never lost to a damaged file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui.slices import Slices, default_path, valid_name


def test_the_file_is_where_settings_belong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "interpret-tui" / "slices.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the standard says to ignore it
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".config" / "interpret-tui" / "slices.json"


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "slices.json"
    first = Slices(path)
    assert first.by_name == {} and not first.problem
    first.keep("hard", 'domain = "日本" and f1 < 0.5')
    second = Slices(path)
    second.keep("easy", "correct")
    first.keep("hard", "correct = false")  # does not lose what another viewer kept meanwhile
    assert Slices(path).by_name == {"hard": "correct = false", "easy": "correct"}
    assert [p.name for p in path.parent.iterdir()] == ["slices.json"]


def test_a_forgotten_filter_is_gone_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "slices.json"
    first, second = Slices(path), Slices(path)
    first.keep("hard", "correct = false")
    second.keep("easy", "correct")
    first.forget("hard")
    assert Slices(path).by_name == first.by_name == {"easy": "correct"}
    first.forget("hard")  # it is gone already
    assert Slices(path).by_name == {"easy": "correct"}
    path.write_text("{")
    with pytest.raises(ValueError, match="Repair or remove it first"):
        first.forget("easy")


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', "\udcff", '{"a": "b"'])
def test_a_damaged_file_is_named_and_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "slices.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    slices = Slices(path)
    assert slices.by_name == {} and str(path) in slices.problem
    with pytest.raises(ValueError, match="Repair or remove it first"):
        slices.keep("hard", "correct")
    assert path.read_bytes() == content.encode(errors="surrogateescape")


def test_names_that_could_not_be_typed_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "slices.json"
    path.write_text(json.dumps({"good-1": "correct", "not good": "correct", "1st": "correct"}))
    assert list(Slices(path).by_name) == ["good-1"]
    assert valid_name("größe") and not valid_name("") and not valid_name("a b")


def test_what_this_version_cannot_read_is_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text('{"1st": "correct", "ok": "pairs > 1"}', encoding="utf-8")
    link = tmp_path / "slices.json"
    link.symlink_to(real)
    Slices(link).keep("new", "pairs > 2")
    assert link.is_symlink()
    assert json.loads(real.read_text("utf-8")) == {
        "1st": "correct",
        "ok": "pairs > 1",
        "new": "pairs > 2",
    }
