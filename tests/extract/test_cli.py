"""The command line: help without torch, every error one sentence, and what a run shows."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, T5Config, T5Model

import collateral
from extract import cli, pipeline
from extract.console import Console
from extract.maps import making as maps
from extract.running import prepare

from .conftest import LINES, WIDTH, make_bert, make_tokenizer

Write = Callable[..., Path]
PARTS = ".out.msgpack.parts"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    bert_folder: Path, wsc_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Calls ``interpret-extract run``; options by name replace the usual ones."""

    def call(*extra: str, **changes: object) -> tuple[int, str, str]:
        options: dict[str, object] = {
            "model": bert_folder,
            "data": wsc_file,
            "output": tmp_path / "out.msgpack",
            "threads": 1,
        }
        argv = ["run", *extra]
        for name, value in (options | changes).items():
            argv += [f"--{name.replace('_', '-')}", str(value)]
        status = cli.main(argv)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def one_sentence(err: str) -> str:
    """The error, after checking that it is one line and no traceback."""
    lines = err.strip().splitlines()
    said = [text for text in lines if text.startswith("interpret-extract")]
    assert len(said) == 1 and lines[-1] == said[0], err
    assert "Traceback" not in err and said[0].endswith(".")
    return said[0]


def test_a_run_says_what_it_did_and_what_to_do_next(run: Run, tmp_path: Path) -> None:
    status, out, err = run(name="tiny")
    assert status == 0
    for fact in ("texts     3", "pairs     6", "points", "maps of 3 of 3 texts", "memory", "time"):
        assert fact in out, fact
    assert "Predictions are unknown" in out
    assert f"Next: interpret-tui {tmp_path / 'out.msgpack'}" in out
    for stage in ("Reading", "Tokenising", "Forward pass", "t-SNE by layer", "Writing"):
        assert err.count(stage) == 1
    assert "\x1b" not in err + out
    with collateral.open(tmp_path / "out.msgpack") as c:
        assert c.meta.model.name == "tiny"


def test_accuracy_stands_beside_the_majority(run: Run, head_file: Path) -> None:
    status, out, _ = run(span_head=head_file, attention="none")
    assert status == 0
    assert "of 6 pairs (majority 50.0%)" in out and "maps of 0 of 3 texts" in out


def test_progress_bars_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Console() as console:
        console.begin("Forward pass", 10)
        console.advance(4)
        console.advance(6)
        console.end()
    assert "Forward pass" in stream.getvalue() and "10/10" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()


def test_help_and_usage_errors_do_not_load_torch() -> None:
    code = (
        "import sys; from extract.cli import main\n"
        "for argv in (['--help'], ['run', '--help'], ['--version'], ['run']):\n"
        "    main(argv)\n"
        "main(['run', '--model', 'm', '--data', '/no/such/file', '-o', 'x'])\n"
        "loaded = {'torch', 'transformers', 'numpy', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: interpret-extract") == 2
    assert "There is no data file /no/such/file" in done.stderr


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        ([], "The following arguments are required: COMMAND"),
        (["walk"], "nvalid choice"),
        (["run"], "arguments are required: --model, --data, -o/--output"),
        (["run", "--limit", "x"], '"x" is no whole number'),
        (["run", "--attention", "some"], '"some" is neither all, none nor a number'),
        (["run", "--perplexity", "x"], '"x" is no number'),
        (["run", "--format", "x"], "nvalid choice"),
        (["run", "--dtype", "int8"], "nvalid choice"),
    ],
)
def test_wrong_use(argv: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    said = one_sentence(capsys.readouterr().err)
    assert what in said and "--help" in said


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("limit", 0),
        ("attention", -1),
        ("batch_size", 0),
        ("max_length", 3),
        ("seed", -1),
        ("perplexity", 0.5),
        ("perplexity", "nan"),
        ("threads", 0),
        ("limit", 2**40),
    ],
)
def test_an_option_out_of_range(run: Run, option: str, value: object) -> None:
    status, _, err = run(**{option: value})
    assert status == 2
    assert f"--{option.replace('_', '-')} must be" in one_sentence(err)


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "meta"])
def test_a_device_that_is_not_there(run: Run, device: str) -> None:
    status, _, err = run(device=device)
    assert status == 2 and f'"{device}"' in one_sentence(err)


def test_no_such_data(run: Run, tmp_path: Path) -> None:
    status, _, err = run(data=tmp_path / "none.jsonl")
    assert status == 1 and "There is no data file" in one_sentence(err)
    status, _, err = run(data=tmp_path)
    assert status == 1 and "is a directory" in one_sentence(err)


def test_an_empty_data_set(run: Run, write_lines: Write) -> None:
    status, _, err = run(data=write_lines("", " ", name="empty.jsonl"))
    assert status == 1 and "has no records" in one_sentence(err)
    status, _, err = run("--skip-bad", data=write_lines("{", "[]", name="bad.jsonl"))
    assert status == 1 and "all of its records are bad (2 of 2)" in one_sentence(err)


def test_a_bad_line_by_number_and_going_on(run: Run, write_lines: Write) -> None:
    path = write_lines(LINES[0], LINES[1] | {"label": "x"}, *LINES[2:], name="bad.jsonl")
    status, _, err = run(data=path)
    assert status == 1 and f"{path}, line 2: " in one_sentence(err)
    status, out, _ = run("--skip-bad", data=path)
    assert status == 0 and "1 of 6 records was left out as bad: line 2" in out


EVIL = "\x1b[31m\x1b]0;title\x07\x9b2J\u202e"


def test_nothing_in_the_data_reaches_the_terminal_as_a_control_code(
    run: Run, write_lines: Write, tmp_path: Path
) -> None:
    wrong = LINES[0] | {"span1": {"text": f"Fr{EVIL}ed", "start": 0, "end": 4}}
    bad = write_lines(wrong, name="bad.jsonl")
    nested = [one | {f"zz{EVIL}": []} for one in LINES]
    target = tmp_path / f"out{EVIL}.msgpack"
    for status, extra, changes in (
        (1, (), {"data": bad}),
        (0, ("--skip-bad",), {"data": write_lines(wrong, *nested[1:], name="some.jsonl")}),
        (0, (), {"output": target}),
        (1, (), {"data": tmp_path / f"no{EVIL}"}),
        (1, (), {"model": tmp_path / f"no{EVIL}"}),
        (2, (), {"limit": EVIL}),
    ):
        found, out, err = run(*extra, **changes)
        assert found == status, err
        assert "\\x1b[31m\\x1b]0;title\\x07" in out + err
        assert "\\u202e" in out + err
        assert all(char.isprintable() for char in (out + err).replace("\n", ""))


def test_models_that_cannot_be_loaded(run: Run, tmp_path: Path, bert_folder: Path) -> None:
    def folder(name: str, *keep: str) -> Path:
        path = tmp_path / name
        path.mkdir()
        for file in bert_folder.iterdir():
            if file.name in keep or file.suffix in keep:
                (path / file.name).write_bytes(file.read_bytes())
        return path

    pickled = folder("pickled", "config.json")
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    cut = folder("cut", ".json")
    whole = (bert_folder / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    part = folder("part", ".json")
    small = folder("small-words", "tokenizer.json", "tokenizer_config.json")
    make_bert(vocab_size=9).save_pretrained(small)
    make_bert(num_hidden_layers=1).save_pretrained(tmp_path / "small")
    (part / "model.safetensors").write_bytes((tmp_path / "small/model.safetensors").read_bytes())
    broken = folder("broken", ".safetensors", "tokenizer.json", "tokenizer_config.json")
    (broken / "config.json").write_text("{")
    for model, what in (
        (tmp_path / "nothing", "There is no model folder"),
        ("some/model-that-is-not-here", "no such model could be had from the hub"),
        (bert_folder / "config.json", "is a file"),
        (folder("empty"), "holds no config.json"),
        (folder("weightless", ".json"), "holds no weights (*.safetensors)"),
        (pickled, "never loaded"),
        (cut, "weights of"),
        (part, "lacks 32 of the weights of BertModel"),
        (broken, "configuration of"),
        (folder("wordless", "config.json", ".safetensors"), "holds no tokenizer"),
        (small, "does not fit its weights"),
    ):
        status, _, err = run(model=model)
        assert status == 1, model
        assert what in one_sentence(err), err


def test_a_slow_tokenizer_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        is_fast = False

    def give(*_: object, **__: object) -> Slow:
        return Slow()

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", give)
    status, _, err = run()
    assert status == 1 and "slow one" in one_sentence(err)


def test_a_decoder_that_does_not_know_how_to_start_is_refused(run: Run, tmp_path: Path) -> None:
    T5Model(
        T5Config(vocab_size=80, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(tmp_path / "t5")
    make_tokenizer().save_pretrained(tmp_path / "t5")
    status, _, err = run(model=tmp_path / "t5")
    assert status == 1 and "decoder_start_token_id" in one_sentence(err)


def test_tasks_maps_and_kinds_that_are_none(run: Run) -> None:
    for changes, what in (
        ({"task": "x"}, 'no task "x"; there are: classification, coref,'),
        ({"map": "text"}, "--map takes field=column, not 'text'"),
        ({"column": "id=colour"}, '"colour" is none of categorical'),
        ({"points": "half", "task": "text"}, "the task text takes all"),
        ({"generate": 3}, "the task coref lets no model write"),
    ):
        status, _, err = run(**changes)
        assert status == 2 and what in one_sentence(err)


def test_fields_may_have_the_names_of_our_own_arguments(
    run: Run, write_lines: Write, tmp_path: Path
) -> None:
    names = ("self", "tokens", "id", "example_row", "span1_points", "values", "pairs", "@", "")
    rows = [one | {name: f"{i} {name}" for name in names[3:]} for i, one in enumerate(LINES)]
    rows = [one | {"self": 3, "tokens": "t"} for one in rows]
    status, _, err = run(data=write_lines(*rows, name="names.jsonl"))
    assert status == 0, err
    with collateral.open(tmp_path / "out.msgpack") as c:
        assert list(c.examples["self (data)"]) == [3, 3, 3]
        assert {"example_row (data)", "span1_points (data)"} <= set(c.pairs.columns)


def test_fields_may_have_the_names_of_our_own_columns_behind_a_sign(
    run: Run, write_lines: Write, tmp_path: Path
) -> None:
    rows = [one | {"@id": 7, "@text": True} for one in LINES]
    status, _, err = run(data=write_lines(*rows, name="names.jsonl"))
    assert status == 0, err
    with collateral.open(tmp_path / "out.msgpack") as c:
        assert c.examples["id"] == ["a", "b", "c"]
        assert list(c.examples["id (data)"]) == [7, 7, 7]
        assert c.examples["text (data)"] == [True, True, True]


def test_a_defect_is_one_sentence_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("by\nzero\x1b[31m.")

    monkeypatch.delenv("INTERPRET_DEBUG", raising=False)
    monkeypatch.setattr(maps, "project", fail)
    status, out, err = run()
    said = one_sentence(err)
    assert status == 1 and "(ZeroDivisionError: by zero\\x1b[31m)" in said
    assert "report it" in said and "INTERPRET_DEBUG=1" in said
    # the forward passes are done: they are kept
    assert not out and {path.name for path in tmp_path.iterdir()} == {"data.jsonl", PARTS}
    monkeypatch.setenv("INTERPRET_DEBUG", "1")
    status, _, err = run("--resume")
    assert status == 1 and "Traceback" in err and err.rstrip().endswith(said)


def test_a_missing_library_is_told_with_the_way_to_install_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "extract.pipeline", None)
    monkeypatch.delattr("extract.pipeline")
    status, _, err = run()
    said = one_sentence(err)
    assert status == 1 and "clone" in said and "pip install '.[extract]'" in said


def test_a_span_head_that_does_not_fit(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    save_file({"weight": torch.ones(1, 8), "bias": torch.ones(1)}, path)
    status, _, err = run(span_head=path)
    assert status == 1 and f"needs [1, {4 * WIDTH}]" in one_sentence(err)
    status, _, err = run(span_head=tmp_path / "none")
    assert status == 1 and "There is no span head" in one_sentence(err)


def test_a_target_that_cannot_be_written_is_found_before_the_work(
    run: Run, tmp_path: Path, wsc_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the work was started")

    monkeypatch.setattr(pipeline, "prepare", never)
    before = wsc_file.read_bytes()
    for output, status, what in (
        (tmp_path, 1, "is a directory"),
        (tmp_path / "no" / "x.msgpack", 1, "There is no folder"),
        (wsc_file, 2, "are the same file"),
        (Path("/proc/x.msgpack"), 1, "cannot be written to"),
    ):
        if output.parts[1] == "proc" and not Path("/proc/self").exists():
            continue
        found, _, err = run(output=output)
        assert found == status and what in one_sentence(err)
    assert wsc_file.read_bytes() == before


def test_interrupting_leaves_nothing_behind(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "load", stop)
    status, out, err = run()
    assert status == 130 and one_sentence(err).endswith("interrupted; nothing was written.")
    assert not out and {path.name for path in tmp_path.iterdir()} == {"data.jsonl"}


def test_perplexity_too_large_is_lowered_and_said(run: Run) -> None:
    status, out, _ = run(perplexity=500)
    assert status == 0 and "The perplexity was lowered from 500 to" in out
