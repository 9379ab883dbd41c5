"""Settings: what is right is used, what is wrong is named and ignored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tui.pilot import Session
from tests.tui.terminal import COMMAND, Terminal
from tui import cli
from tui.actions import ACTIONS, BY_NAME, choose_keys, footer, key_table
from tui.app import InterpretApp
from tui.asked import settings
from tui.asked.settings import EXAMPLE, Settings, key_name, read
from tui.asked.wanted import Wanted
from tui.help import help_canvas
from tui.screens.help import HelpScreen


@asynccontextmanager
async def running(files: tuple[Path, Path], **options: Any) -> AsyncIterator[Session]:
    """The app with settings or options."""
    app = InterpretApp([str(path) for path in files], **options)
    try:
        async with app.run_test(size=(160, 45)) as pilot:
            session = Session(app, pilot)
            await session.settle()
            yield session
    finally:
        choose_keys({})


# -- the file ----------------------------------------------------------------------------------


def test_a_file_with_everything() -> None:
    found = read(
        'theme = "light"\n[keys]\nmetric = ["M", "ctrl+t"]\nnext-head = "]"\nnext-layer = "."\n'
        '[defaults]\nmetric = "entropy"\nlayer = 2\nhide-special = true\npane = "map"\n'
    )
    assert found == Settings(
        {
            "metric": ("M", "ctrl+t"),
            "next-head": ("right_square_bracket",),
            "next-layer": ("full_stop",),
        },
        "textual-light",
        Wanted({"metric": "entropy", "layer": "2", "hide-special": "yes"}, "map"),
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("keys = 3", "keys is a table"),
        ("theme = 3", "theme is a name in quotes"),
        ("thema = 'dark'", "no setting 'thema'; did you mean theme?"),
        ("[keys]\nmetrc = 'M'", "no action 'metrc'; did you mean metric?"),
        ("[keys]\nmetric = 3", "keys.metric is a key or a list"),
        ("[keys]\nmetric = []", "keys.metric is a key or a list"),
        ("[keys]\nmetric = 'blah'", "there is no key 'blah'"),
        ("[keys]\nmetric = 'hyper+x'", "there is no key 'hyper+x'"),
        ("[keys]\nmetric = 'x'", "keys.metric: x is the key of clear"),
        ("[keys]\nmetric = 'M'\ncolour = 'M'", "keys.colour: M is the key of metric"),
        ("[defaults]\nmetrik = 'std'", "no option 'metrik'; did you mean metric?"),
        (
            "[defaults]\nhead = 5.10",
            'defaults.head needs quotes: head = "5.1" or "5.10", whichever is meant',
        ),
        ("[defaults]\npane = 'maps'", "defaults.pane is one of list, example"),
        ("[defaults]\nweighted = 'yes'", "defaults.weighted is true or false"),
        ("[defaults]\nlayer = true", "defaults.layer is no true or false"),
        ("[defaults\nlayer = 1", "this is no TOML"),
        ("a = " + "[" * 5000, "this is no TOML"),
    ],
)
def test_a_wrong_setting_is_named_and_the_others_hold(words: str, says: str) -> None:
    found = read(words)
    (problem,) = found.problems
    assert says in problem
    if "TOML" not in says:
        more = read(words + ("\n[defaults]" * ("[defaults" not in words)) + "\nmeasure = 'euclid'")
        assert more.defaults.texts == {"measure": "euclid"}
        assert not set(more.keys) - {"metric"} and len(more.problems) == 1


def test_keys_can_be_swapped() -> None:
    found = read("[keys]\nnext-example = 'p'\nprevious-example = 'n'")
    assert found.keys == {"next-example": ("p",), "previous-example": ("n",)}
    assert found.problems == ()


def test_one_that_falls_back_does_not_leave_a_key_twice() -> None:
    """metric takes the key that colour gave up; colour's new one is taken, so both fall back."""
    found = read("[keys]\nmetric = 'c'\ncolour = 'x'")
    assert found.keys == {} and len(found.problems) == 2
    owners = [key for a in ACTIONS for key in found.keys.get(a.name, a.usual)]
    assert len(owners) == len(set(owners))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("[", "left_square_bracket"),
        (".", "full_stop"),
        ("-", "minus"),
        ("/", "slash"),
        (" ", "space"),
        ("é", "é"),
        ("ctrl+s", "ctrl+s"),
        ("shift+tab", "shift+tab"),
        ("esc", "escape"),
        ("pgdn", "pagedown"),
        ("F5", None),
        ("f5", "f5"),
        ("f25", None),
        ("full_stop", "full_stop"),
        ("\x07", None),
        ("", None),
        ("ctrl+", None),
    ],
)
def test_names_of_keys(written: str, name: str | None) -> None:
    assert key_name(written) == name


def test_characters_are_named_as_textual_names_them() -> None:
    from textual.keys import _character_to_key

    for code in range(0x20, 0x17F):
        if 0x7F <= code < 0xA1 or code == 0xAD:
            continue
        expected = _character_to_key(chr(code))
        assert key_name(chr(code)) == expected
        assert key_name(expected) == expected
    for action in ACTIONS:
        assert [key_name(key) for key in action.usual] == list(action.usual)


def test_the_example_is_right_once_its_lines_count() -> None:
    assert read(EXAMPLE) == Settings()
    used = "\n".join(line.removeprefix("# ") for line in EXAMPLE.splitlines())
    found = read(used)
    assert found.problems == () and found.theme == "textual-light"
    assert found.keys["next-head"] == ("full_stop", "f8")
    assert found.defaults.texts["head"] == "5.10"


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = cli.settings_path()
    assert path == tmp_path / "interpret-tui" / "settings.toml"
    assert settings.load(path) == Settings()
    path.parent.mkdir()
    path.write_bytes(b"theme = '\xff'")
    assert "can't be read" in settings.load(path).problems[0]
    path.write_text("#" * 2_000_000)
    assert "too large" in settings.load(path).problems[0]
    path.unlink()
    path.mkdir()
    assert settings.load(path) == Settings()
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the XDG rules: such a path does not count
    assert cli.settings_path() == Path.home() / ".config" / "interpret-tui" / "settings.toml"


def test_they_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--settings"]) == 0
    out = capsys.readouterr().out
    assert str(cli.settings_path()) in out and "(not there yet)" in out
    assert all(f"  {action.name} " in out for action in ACTIONS)


def test_what_is_wrong_is_listed_for_a_file(
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "interpret-tui" / "settings.toml"
    path.parent.mkdir()
    path.write_text('theme = "textual-lihgt"\n[defaults]\nmetric = "stt"\nmeasure = "euclid"\n')
    assert cli.main(["--settings"]) == 0
    out = capsys.readouterr().out
    assert "wrong: there is no theme 'textual-lihgt'; did you mean textual-light?" in out
    assert "stt" not in out and "--settings FILE" in out
    assert cli.main(["--settings", str(files[0])]) == 0
    out = capsys.readouterr().out
    assert "wrong: defaults.metric: There is no metric 'stt'; did you mean std?" in out
    assert "measure:" not in out and "--settings FILE" not in out
    assert cli.main(["--settings", str(tmp_path / "no.msgpack")]) == 1
    path.write_text('theme = "light"\n')
    assert cli.main(["--settings"]) == 0
    assert "wrong:" not in capsys.readouterr().out


# -- in use ------------------------------------------------------------------------------------


async def test_other_keys_work_and_are_shown_everywhere(files: tuple[Path, Path]) -> None:
    chosen = read("[keys]\nhelp = 'f1'\nmove-left = 'left'\nmodel = ['M', 'f2']\n")
    assert chosen.problems == ()
    async with running(files, settings=chosen) as session:
        view = session.selection.view
        await session.press("m")
        assert session.selection.view == view  # it is nobody's key now
        await session.press("M")
        assert session.selection.view != view
        await session.press("f2", "f2")
        assert session.selection.view == view
        assert "M model" in session.foot() and "f1 help" in session.foot()
        assert "| `M` `f2` |" in key_table()
        await session.press("f1")
        assert isinstance(session.app.screen, HelpScreen)
        help_text = help_canvas(session.screen.panes["heads"], session.screen.context(), 80).text()
        assert "M f2" in help_text
    assert BY_NAME["model"].keys == ("m",) and ("m", "model", "model") in footer("heads")


async def test_the_theme_is_used_unless_it_is_unknown(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(files, settings=Settings(theme="textual-light")) as session:
        assert session.app.theme == "textual-light" and session.screen.message == ""
        assert session.screen.look is not None and not session.screen.look.dark
    async with running(files, settings=read("theme = 'drakula'")) as session:
        assert session.app.theme == "textual-dark"
        assert ": there is no theme 'drakula'; did you mean dracula" in session.foot()
        await session.press("n")
        assert "drakula" not in session.foot()
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(files, settings=Settings(theme="textual-light")) as session:
        assert session.app.theme == "ansi-dark"


async def test_defaults_are_what_is_shown_first(files: tuple[Path, Path]) -> None:
    mine = read("[defaults]\nmetric = 'std'\nlayer = 1\ncolour = 'gone'\npane = 'distance'")
    async with running(files, settings=mine) as session:
        s = session.selection
        assert (s.metric, s.layer, session.screen.active) == ("std", 1, "distance")
        assert ": defaults.colour: There is no column" in session.foot()
        assert "ignored" in session.foot()
        await session.press("Y")  # says all, so that it shows the same elsewhere
        assert "--pane distance --layer 1 --metric std" in session.app.clipboard
    asked = Wanted({"layer": "2"})
    async with running(files, settings=mine, asked=asked) as session:
        first = session.project.first_selection()
        assert session.selection == replace(first, layer=2, head_layer=2)
        assert session.screen.active == "heads" and session.screen.message == ""


async def test_many_problems_are_one_line(files: tuple[Path, Path]) -> None:
    wrong = read("[keys]\na1 = 'x'\nb1 = 'y'\nc1 = 'z'\n")
    async with running(files, settings=wrong) as session:
        assert ", and 2 more (interpret-tui --settings): there is no action 'a1'" in session.foot()


@pytest.mark.pty
@pytest.mark.skipif(not COMMAND.exists(), reason="interpret-tui is not installed here")
def test_the_program_reads_them(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "interpret-tui" / "settings.toml"
    path.parent.mkdir()
    path.write_text("[keys]\nquit = 'Q'\n[defaults]\npane = 'map'\nview = 'A'\n")
    with Terminal(files) as terminal:
        terminal.wait("Q quit")
        assert "▸A" in terminal.text()
        terminal.press("Q")
        assert terminal.end() == 0 and terminal.is_restored()
