"""``interpret-collateral``: info, verify and export, and one sentence for whatever is wrong."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

import collateral
from collateral import cli
from tests.collateral.command import export, fails, rows_of, strict
from tests.collateral.simple import sentence
from tests.factory import write_collateral

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "collateral.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)


# -- info and verify ---------------------------------------------------------------------------


def test_info_says_what_is_in_the_file(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(toy)]) == 0
    out = capsys.readouterr().out
    with collateral.open(toy) as c:
        for expected in (
            str(toy),
            "collateral 1.1",
            "BertModel, 3 layers, 4 heads, hidden size 16, float32",
            "torch 2.13.0, transformers 5.23.0",
            f"10 examples, {len(c.points)} points, {len(c.pairs)} pairs",
            "self (3 layers x 4 heads) of 6 of 10 examples",
            "of hidden states 0, 1, 2, 3",
            "trustworthiness@15   0.970 0.960 0.950 0.940",
            "coreferent, not coreferent",
            c.meta.fingerprint,
            c.meta.token_fingerprint,
            *c.metrics,
            *c.measures,
        ):
            assert expected in out
    assert max(map(len, out.splitlines()[1:])) <= 100
    assert not any(line != line.rstrip() for line in out.splitlines())


def test_info_as_json_holds_everything(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", str(toy), "--json"]) == 0
    found = strict(capsys.readouterr().out)
    with collateral.open(toy) as c:
        assert found["model"]["name"] == "toy"
        assert found["format"] == [1, 1]
        assert found["fingerprint"] == c.meta.fingerprint
        assert found["bytes"] == toy.stat().st_size
        assert found["counts"] == c.meta.counts
        assert [m["name"] for m in found["metrics"]] == list(c.metrics)
        assert [m["name"] for m in found["measures"]] == ["cosine", "euclid"]
        assert found["tables"]["pairs"]["columns"]["gold"]["role"] == "gold"
        assert found["tables"]["pairs"]["labels"]["gold"] == ["coreferent", "not coreferent"]
        assert found["tables"]["examples"]["rows"] == 10
        assert found["attention_examples"] == {"self": 6}
        assert found["mapped_layers"] == [0, 1, 2, 3]
        assert found["quality"]["recall@15"] == [0.62, 0.59, 0.56, 0.53]


def test_info_of_a_file_without_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_collateral(tmp_path / "empty", examples=0)
    assert cli.main(["info", str(path)]) == 0
    assert "0 examples, 0 points, 0 pairs" in capsys.readouterr().out
    assert cli.main(["verify", str(path)]) == 0
    capsys.readouterr()
    assert strict(export(capsys, path, "pairs", "json")) == []
    assert rows_of(export(capsys, path, "examples", "csv")) == []
    assert strict(export(capsys, path, "metric:std", "json"))["rows"] == []


def test_nothing_in_a_file_controls_the_terminal(
    odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["info", str(odd)], ["verify", str(odd)], ["info", str(odd), "--json"]):
        assert cli.main(command) == 0
        out = capsys.readouterr().out
        assert not any(char in out for char in "\x1b\x9b\u202e\0\r")
    assert cli.main(["info", str(odd)]) == 0
    assert "task         \\x1b[2J\\x9b31m\\u202eevil\\x00" in capsys.readouterr().out
    status, message = fails(capsys, "export", odd, "--what", "attention:\x1b[2J")
    assert status == 2
    assert "\x1b" not in message


def test_export_to_a_terminal_is_shown_with_escapes(odd: Path) -> None:
    main, side = pty.openpty()
    command = [sys.executable, "-m", "collateral.cli", "export", str(odd), "--what", "examples"]
    process = subprocess.Popen(command, stdout=side, stderr=side, stdin=side, cwd=ROOT)
    assert process.wait(timeout=60) == 0
    os.close(side)
    shown = b""
    while len(shown) < 1 << 16:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        shown += part
    os.close(main)
    assert b"\\x1b[2J" in shown
    assert b"\x1b" not in shown
    assert "\u202e".encode() not in shown
    piped = run("export", odd, "--what", "examples").stdout
    assert "\x1b[2J" in piped  # a pipe gets the data as they are


def test_verify_says_what_was_checked(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(toy)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{toy}: no fault found\n")
    assert f"checksums of all {toy.stat().st_size:,} bytes" in out
    assert "17 metrics, 2 distances, 4 maps; 6 attention records" in out
    assert "fingerprints" in out


def test_verify_names_the_damage(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(toy.read_bytes())
    with collateral.open(toy) as c:
        for name in ("head_metric/std", "examples/text"):
            block = c._sections[name].place(0)
            data[block.offset + block.length - 1] ^= 1
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    assert cli.main(["verify", str(bad)]) == 1
    out, err = capsys.readouterr()
    assert [line.split(", ")[0] for line in out.splitlines()] == [
        f"{bad}: examples/text",
        f"{bad}: head_metric/std",
    ]
    assert err == (
        f"interpret-collateral: {bad} has 2 faults. Copy it again or extract it again; or keep "
        "what is whole: interpret-collateral recover FILE NEW-FILE\n"
    )


def test_verify_does_not_flood_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_collateral(tmp_path / "a", examples=12, attention=12)
    data = bytearray(path.read_bytes())
    with collateral.open(path) as c:
        for row in range(12):
            data[c._attention.entry(row).data_at] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr(cli, "_SHOWN_FAULTS", 5)
    assert cli.main(["verify", str(path)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6
    assert out.endswith("... and 7 more\n")
    assert "has 12 faults" in err


# -- wrong use -----------------------------------------------------------------------------------


def test_what_cannot_be_exported_names_what_can(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, expected in (
        (
            "heads",
            "no 'heads' to export; there is: examples, points, pairs, items, metric:NAME, summ",
        ),
        ("metric", "no 'metric' to export; there is: examples"),
        ("points:", "no 'points:' to export"),
        ("metric:sdt", "no head metric 'sdt'; there is: std, std_normalised, entropy"),
        (
            "attention:wsc-009",
            "no self attention is stored for 'wsc-009'; it is for: wsc-000, wsc-001",
        ),
        ("attention:nobody", "no self attention is stored for 'nobody'; it is for: wsc-000"),
    ):
        status, message = fails(capsys, "export", toy, "--what", what)
        assert status == 2
        assert expected in message
    status, message = fails(capsys, "export", toy, "--what", "attention:wsc-000", "--kind", "cross")
    assert status == 2
    assert "there is no attention of kind 'cross'; there is: self" in message


def test_usage_errors_are_one_sentence(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, expected in (
        ((), "the following arguments are required: COMMAND"),
        (("look", toy), "invalid choice: 'look'"),
        (("info",), "the following arguments are required: FILE"),
        (("info", toy, "--yaml"), "unrecognized arguments: --yaml"),
        (("export", toy), "the following arguments are required: --what"),
        (("export", toy, "--what", "pairs", "--format", "xml"), "invalid choice: 'xml'"),
        (("export", toy, "--what", "pairs", "--format", "npz"), "npz cannot go to stdout"),
        (("export", toy, "--what", "pairs", "-o", toy), "is the file that is read"),
    ):
        status, message = fails(capsys, *arguments)
        assert status == 2
        assert expected in message
    status, message = fails(capsys, "export", toy, "--what", "pairs", "-o", tmp_path)
    assert (status, message) == (
        1,
        f"{tmp_path} is a directory. Give the name of a file to write.",
    )


def test_bad_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_collateral(tmp_path / "good", examples=2)
    (tmp_path / "cut").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("hello")
    os.mkfifo(tmp_path / "fifo")
    for name, expected in (
        ("cut", "is cut: its end, where the index stands, is missing or damaged. Was the"),
        ("empty", "is empty. Make a collateral file with: interpret-extract run"),
        ("text", "is not a collateral file. Make a collateral file with"),
        ("fifo", "is not a regular file. Name a collateral file."),
        ("missing", "there is no such file. Check the name."),
        (".", "is a directory. Name a collateral file."),
        ("/dev/zero", "is not a regular file. Name a collateral file."),
    ):
        for command in (["info"], ["verify"], ["export", "--what", "pairs"]):
            path = tmp_path / name
            status, message = fails(capsys, *command, path)
            assert status == 1
            assert message.startswith(sentence(path, expected))


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--help"], ["export", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert "usage: interpret-collateral" in capsys.readouterr().out


def test_version_from_the_command_line() -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith("interpret-collateral ")
    assert result.stderr == ""


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    path = write_collateral(tmp_path / "a", examples=200, attention=0)
    command = [sys.executable, "-m", "collateral.cli", "export", str(path), "--what", "points"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(100)
    time.sleep(0.1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_a_full_disk_behind_stdout(toy: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "collateral.cli", "export", str(toy), "--what", "points"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert result.stderr == "interpret-collateral: cannot write (No space left on device)\n"
    assert result.returncode == 1


def test_a_terminal_that_knows_ascii_only(toy: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    command = [sys.executable, "-m", "collateral.cli", "info", str(toy)]
    result = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT)
    assert result.returncode == 0
    assert result.stderr == b""
    assert b"intensity candidate\\u2192pronoun (max)" in result.stdout
    command[3:4] = ["export"]
    result = subprocess.run(
        [*command, "--what", "examples"], capture_output=True, env=environment, cwd=ROOT
    )
    assert "Søren".encode() in result.stdout  # data leave as UTF-8, whatever the terminal
