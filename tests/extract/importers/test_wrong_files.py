"""Files that are not what the option wants: each is called what it is, in one true sentence."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from extract.cli import main

from .files import absa_rows, dictionary, save, write_table, wsc_rows


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files of many kinds, which is the current one."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "good.pt", dictionary())
    save(tmp_path / "old.pt", dictionary(), _use_new_zipfile_serialization=False)
    save(tmp_path / "weights.pt", {"weight": torch.ones(2)})
    write_table(tmp_path / "wsc.csv", wsc_rows())
    write_table(tmp_path / "absa.csv", absa_rows())
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "text.txt").write_text("Just some text\nin two lines: ä.\n", encoding="utf-8")
    (tmp_path / "utf16.csv").write_text("id,token\n1,a\n", encoding="utf-16")
    (tmp_path / "a.json").write_text(json.dumps({"1": {"tokens": ["a"]}}))
    (tmp_path / "other.csv").write_text("name,price\nx,1\n")
    (tmp_path / "ids.csv").write_text("id,price\nx,1\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x": 1}))
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    save_file({"attention/1": np.zeros((1, 1, 2, 2), np.float32)}, tmp_path / "a.safetensors")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        # the two files swapped
        (
            "--collateral wsc.csv --table good.pt",
            "good.pt is no table (CSV); a dictionary that torch.save wrote is given with "
            "--collateral.",
        ),
        ("--table old.pt", "old.pt is no table (CSV); a dictionary that torch.save wrote"),
        (
            "--collateral wsc.csv",
            "wsc.csv is a text file, not one of torch.save; a table (CSV) is given with --table.",
        ),
        ("--collateral text.txt", "text.txt is a text file, not one of torch.save"),
        ("--collateral a.json", "a.json is a text file, not one of torch.save"),
        ("--collateral empty", "empty is empty; --collateral takes a dictionary"),
        ("--collateral folder", "folder is a directory; give a file with --collateral."),
        ("--collateral picture.png", "picture.png is no file of torch.save; --collateral takes"),
        ("--collateral a.npz", "a.npz is an npz file; take interpret-extract import npz for it."),
        ("--collateral a.safetensors", "is a safetensors file; take interpret-extract import saf"),
        ("--collateral a.pkl", "a.pkl is not read as a plain file of torch.save (it is a pickle"),
        (
            "--collateral weights.pt",
            "weights.pt holds Tensor under 'weight', and no example: it must be a dictionary",
        ),
        ("--table empty", "empty is empty; it must hold a header line and rows."),
        ("--table folder", "folder is a directory; give a file with --table."),
        ("--table text.txt", 'no column "id", which joins its rows to the examples; its columns '),
        ("--table other.csv", "its columns are name, price."),
        ("--table ids.csv", '"span_token" with the token that each row is of; its columns are id,'),
        ("--table ids.csv --task absa", '"aspect" with the words that each row is of; its columns'),
        ("--table wsc.csv --task absa", "is it a table of --task wsc?"),
        ("--table absa.csv", "is it a table of --task absa?"),
        ("--table picture.png", "picture.png is no text; --table takes a table (CSV)."),
        ("--table a.safetensors", "a.safetensors is no text; --table takes a table (CSV)."),
        ("--table utf16.csv", "utf16.csv is not UTF-8 (at or after line 1); convert it."),
    ],
)
def test_a_wrong_file(
    arguments: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(here.iterdir())
    assert main(["import", "interpret", *arguments.split(), "-o", "out.msgpack"]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in said and said.startswith("interpret-extract: ") and said[-1] in ".?"
    assert set(here.iterdir()) == before


def test_a_table_of_each_task_is_read(here: Path) -> None:
    for name in ("wsc", "absa"):
        table = ["--table", f"{name}.csv", "--task", name]
        assert main(["import", "interpret", *table, "-o", "out.msgpack"]) == 0
