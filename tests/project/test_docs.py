"""The pages tell the truth: commands and options exist, examples run, pictures are there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from collateral.cli import _parser as collateral_parser
from extract.cli import build_parser as extract_parser
from extract.data.pairs import read_pairs
from tests.factory import write_collateral
from tui.actions import ACTIONS, PANES, key_table, shown
from tui.asked.settings import read as read_settings
from tui.cli import parser as tui_parser

PICTURE = re.compile(r"!\[[^\]]+\]\(([^)\s]+\.png)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_BYTES = 300_000

PARSERS: dict[str, argparse.ArgumentParser] = {
    "interpret-tui": tui_parser(),
    "interpret-extract": extract_parser(),
    "interpret-collateral": collateral_parser(),
}


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    """The text of README.md."""
    return (repository / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return [body for name, body in BLOCK.findall(text) if name == language]


def commands(text: str) -> list[list[str]]:
    """Our commands in the shell blocks of a page, as a shell splits them."""
    lines = [line for body in blocks(text, "sh") for line in body.splitlines()]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        starts = [i for i, word in enumerate(words) if word in PARSERS]
        found += [words[starts[0] :]] if starts else []
    return found


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """All options of a parser and of its sub-commands."""
    options: set[str] = set()
    for action in parser._actions:
        options |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                options |= options_of(child)
    return options


def test_every_command_of_the_readme_is_taken_by_its_parser(readme: str) -> None:
    found = commands(readme)
    assert {words[0] for words in found} == set(PARSERS)
    for words in found:
        PARSERS[words[0]].parse_args(words[1:])


def test_every_option_in_the_readme_exists(readme: str) -> None:
    known = set().union(*map(options_of, PARSERS.values()))
    prose = BLOCK.sub("", readme)
    named = set(re.findall(r"`(--[a-z][a-z-]*)", prose))
    assert {"--skip-bad", "--attention", "--span-head"} <= known
    assert len(named) > 8
    assert named - known == set()


def test_every_option_of_the_extraction_is_on_a_page(readme: str, repository: Path) -> None:
    pages = [(repository / "docs" / f"{name}.md").read_text() for name in ("extraction", "import")]
    written = set(re.findall(r"--[a-z][a-z-]*", "".join([readme, *pages])))
    # what it does is said by --help: nothing to explain on a page, or not to be recommended
    left_to_help = {"--help", "--version", "--trust-remote-code", "--output"}
    long = {o for o in options_of(PARSERS["interpret-extract"]) if o.startswith("--")}
    assert long - written - left_to_help == set()


def test_every_make_target_of_the_readme_exists(readme: str, repository: Path) -> None:
    named = set(re.findall(r"make ([a-z-]+)`|^    make ([a-z-]+)$", readme, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert {"demo", "test", "check", "bench"} <= targets
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert [t for t in targets if not re.search(rf"^{t}:", makefile, re.MULTILINE)] == []


def test_the_settings_of_the_readme_are_right(readme: str) -> None:
    (example,) = blocks(readme, "toml")
    found = read_settings(example)
    assert found.problems == () and found.keys and found.theme and found.defaults


def test_the_data_of_the_readme_can_be_read(readme: str, tmp_path: Path) -> None:
    path = tmp_path / "dev.jsonl"
    (example,) = blocks(readme, "json")
    path.write_text(example, encoding="utf-8")
    reading = read_pairs(path)
    assert reading.lines == 2
    (group,) = reading.groups
    assert [record.label for record in group.records] == [False, True]


@pytest.mark.extract
def test_the_span_head_of_the_readme_can_be_read(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from extract.tasks.span_head import load_span_head

    monkeypatch.chdir(tmp_path)
    (code,) = [body for body in blocks(readme, "python") if "save_file" in body]
    exec(code, {})
    head = load_span_head(tmp_path / "head.safetensors", 384)
    assert head.weight.shape == (1, 4 * 384)


def test_the_notebook_example_of_the_readme_runs(
    readme: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_collateral(tmp_path / "tuned.msgpack", name="toy")
    monkeypatch.chdir(tmp_path)
    (code,) = [body for body in blocks(readme, "python") if "collateral.open" in body]
    names: dict[str, object] = {}
    exec(code, names)
    out = capsys.readouterr().out
    assert "toy 3 layers 12 texts" in out
    assert "[CLS]" in out


def test_the_readme_shows_a_picture_at_its_beginning(readme: str) -> None:
    assert PICTURE.search("\n".join(readme.splitlines()[:25]))


def test_pictures_are_there_and_small(repository: Path) -> None:
    pages = [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
    shown_ones = {
        page.parent / name for page in pages for name in PICTURE.findall(page.read_text("utf-8"))
    }
    assert len(shown_ones) >= 2
    for path in shown_ones:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG"), path
        assert len(data) < MOST_BYTES, path
    assert set((repository / "docs").glob("*.png")) == shown_ones


def test_the_page_of_keys_is_the_table_of_actions(repository: Path) -> None:
    page = (repository / "docs" / "keys.md").read_text(encoding="utf-8")
    assert page.endswith(key_table()), "make it again: python -m docs.keys"


def test_the_keys_in_the_readme_are_bound(readme: str) -> None:
    bound = {shown(key) for action in ACTIONS for key in action.keys}
    table = readme.partition("\n## Keys\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    assert len(named) > 15
    assert named - bound == set()


def test_the_readme_counts_the_panes(readme: str) -> None:
    assert f"`1` to `{len(PANES)}`" in readme


def test_docs_name_no_folder_of_a_machine(repository: Path) -> None:
    pages = [repository / "README.md", *(repository / "docs").iterdir()]
    texts = {p.name: p.read_text("utf-8") for p in pages if p.suffix in (".md", ".py")}
    assert {"README.md", "architecture.md", "keys.md", "pictures.py"} <= set(texts)
    found = {
        name: re.findall(r"(?<![\w.])/(?:home|work|root|Users)/\S*", t) for name, t in texts.items()
    }
    assert {name: paths for name, paths in found.items() if paths} == {}


def test_files_named_in_the_architecture_exist(repository: Path) -> None:
    page = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {"collateral", "extract", "tui"}
    rows = [line for line in page.splitlines() if re.match(r"\| `(\w+)/` \|", line)]
    assert len(rows) == len(rooms)
    for row in rows:
        room, files = re.findall(r"`([^`]+)`", row.split("|")[1])[0], row.split("|")[2]
        missing = [
            f for f in re.findall(r"`([\w/.]+)`", files) if not (repository / room / f).exists()
        ]
        assert missing == [], room
    paths = re.findall(r"`((?:tui|extract|collateral)/[\w/.]+)`", page)
    assert [p for p in paths if not (repository / p).exists()] == []


def test_names_of_the_viewer_in_the_architecture_exist(repository: Path) -> None:
    page = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    sources = [path.read_text("utf-8") for path in (repository / "tui").rglob("*.py")]
    named = re.findall(
        r"`([A-Z]\w+)\.(\w+)\b", page.partition("## How a key")[2].partition("\n## ")[0]
    )
    assert ("MainScreen", "choose") in named
    missing = [
        f"{owner}.{name}"
        for owner, name in named
        if not any(
            re.search(rf"^class {owner}\b", source, re.MULTILINE)
            and re.search(rf"^    (?:def|class) {name}\b", source, re.MULTILINE)
            for source in sources
        )
    ]
    assert missing == []
