"""The line that asks for text: what keys do to it, how it is drawn, that keys do nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual import events

from tests.tui.pilot import Session, running
from tui.commands import Refused
from tui.editing import Completion, Editor, among, picture
from tui.look import Look
from tui.palette_words import fit


def typed(editor: Editor, *keys: str) -> Editor:
    """The editor after keys; text of several characters is typed letter by letter."""
    for key in keys:
        if len(key) == 1:
            assert editor.press(key, key)
        else:
            editor.press(key, None)
    return editor


@pytest.mark.parametrize(
    ("keys", "text", "cursor"),
    [
        ([*"abc"], "abc", 3),
        ([*"abc", "left", "X"], "abXc", 3),
        ([*"abc", "home", "X", "end", "Y"], "XabcY", 5),
        ([*"abc", "backspace"], "ab", 2),
        ([*"abc", "home", "delete", "backspace"], "bc", 0),
        ([*"one two ", "ctrl+w"], "one ", 4),
        ([*"one two", "ctrl+left", "ctrl+left", "ctrl+right"], "one two", 3),
        ([*"one two", "ctrl+left", "ctrl+k"], "one ", 4),
        ([*"one two", "ctrl+left", "ctrl+u"], "", 0),
        ([*"a", "left", "left", "right", "right", "b"], "ab", 2),
        (["up"], "second", 6),
        (["up", "up", "up"], "first", 5),
        ([*"new", "up", "down"], "new", 3),
    ],
)
def test_keys_edit_the_text(keys: Sequence[str], text: str, cursor: int) -> None:
    editor = typed(Editor(past=["first", "second"]), *keys)
    assert (editor.text, editor.cursor) == (text, cursor)


def test_what_is_no_text_is_not_taken() -> None:
    assert not Editor().press("f5", None)
    assert not Editor().press("ctrl+x", "\x18")


def test_pasted_lines_become_one() -> None:
    editor = Editor("a c")
    editor.place(2)
    editor.insert("b\nb\x1b")
    assert editor.text == "a b b c" and editor.cursor == 6


def test_tab_goes_through_the_words_and_round() -> None:
    editor = Editor(complete=among(["gold", "Good", "role"]))
    assert list(editor.offered.options) == ["gold", "Good", "role"]
    typed(editor, "g", "o", "tab")
    assert editor.text == "gold"
    typed(editor, "tab")
    assert editor.text == "Good"
    typed(editor, "tab")
    assert editor.text == "gold"
    typed(editor, "shift+tab")
    assert editor.text == "Good" and editor.cursor == 4


def test_the_only_word_is_typed_with_what_follows() -> None:
    def complete(before: str) -> Completion:
        return Completion(before.rfind(" ") + 1, ["domain"], " ")

    editor = typed(Editor("x do", complete=complete), "tab")
    assert editor.text == "x domain " and editor.chosen is None


@pytest.mark.parametrize("width", [20, 40, 160])
@pytest.mark.parametrize("text", ["short", "日本語 " * 30, "a" * 300, "\x1b[31m red"])
def test_the_cursor_is_always_seen(width: int, text: str) -> None:
    look = Look("truecolor")
    for place in (0, len(text) // 2, len(text)):
        editor = Editor(text)
        editor.place(place)
        canvas = picture(editor, "filter", "", look, width, 3).canvas
        assert canvas.height == 1
        seen = [x for x in range(width) if canvas.ink(x, 0) == look.cursor]
        assert seen and seen[-1] < width
        assert "\x1b" not in canvas.text()


def test_a_mistake_is_wrapped_above_the_text() -> None:
    words = "There is no column domian; did you mean domain? There are gold, domain and f1."
    canvas = picture(Editor("domian = 1"), "filter", words, Look("none", ascii=True), 30, 5).canvas
    lines = canvas.text().split("\n")
    assert " ".join(line.strip() for line in lines[:-1]) == words
    assert lines[-1].strip() == "filter: domian = 1"


# -- on the screen ----------------------------------------------------------------------------


def _ask(session: Session, taken: list[str], refuse: str = "") -> None:
    def done(text: str) -> None:
        if text == refuse:
            raise Refused("That is not a number; say 1 or 2.", place=1)
        taken.append(text)

    session.screen.ask("number", "", done, among(["one", "only", "two"]))


@pytest.mark.parametrize("size", [(160, 45), (80, 24), (20, 5)])
async def test_typed_keys_do_nothing_else(size: tuple[int, int], files: tuple[Path, Path]) -> None:
    async with running(files, size) as session:
        before, words, taken = session.selection, session.text(), list[str]()
        _ask(session, taken)
        await session.settle()
        assert session.foot().strip().startswith("num")
        await session.press(*"qnm[z?", "tab")
        assert session.selection == before and session.app.is_running
        assert "qnm[z?" in session.foot()
        await session.press("escape")
        assert session.text() == words and taken == []
        await session.press("n")
        assert session.selection.example == before.example + 1


async def test_a_refused_text_stays_and_a_taken_one_is_recalled(files: tuple[Path, Path]) -> None:
    async with running(files, (80, 24)) as session:
        taken: list[str] = []
        _ask(session, taken, refuse="three")
        await session.press(*"three", "enter")
        assert "number: three" in session.foot()
        assert "That is not a number; say 1 or 2." in session.lines()[-2]
        await session.press("X")
        assert "tXhree" in session.foot()  # where the mistake was
        assert "not a number" not in session.text()
        await session.press("ctrl+a", "ctrl+k", "t", "tab", "enter")
        assert taken == ["two"] and "number:" not in session.text()
        _ask(session, taken)
        await session.press("up", "enter")
        assert taken == ["two", "two"]


async def test_a_damaged_file_of_filters_is_named_once(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "interpret-tui" / "slices.json"
    path.parent.mkdir()
    path.write_text("{")
    async with running(files) as session:
        await session.press("f")
        above = " ".join(line.strip() for line in session.lines()[-6:-1])
        assert "Kept filters are ignored" in above and "slices.json" in above.replace(" ", "")
        await session.press(*"correct", "enter", "f")
        assert "ignored" not in session.text()
        await session.press("escape", "N", *"mine", "enter")
        assert "Repair or remove it first" in session.text().replace("\n", " ")
        await session.press("escape")
    assert path.read_text() == "{"


async def test_status_says_that_the_list_is_narrowed(files: tuple[Path, Path]) -> None:
    async with running(files, (200, 45)) as session:
        await session.select(search="wsc-00", view="B")
        assert "list: 10 of 12" in session.lines()[0]
        await session.select(scope="filtered")
        assert "10 filtered examples" in session.lines()[0]
        assert "list:" not in session.lines()[0]


async def test_keys_that_arrive_at_once_are_typed(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        taken: list[str] = []
        before = session.selection
        session.screen._bindings.bind("f9", "ask")
        session.screen.action_ask = lambda: _ask(session, taken)  # type: ignore[attr-defined]
        for key in ("f9", *"mtn", "enter", "m"):
            session.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await session.settle()
        assert taken == ["mtn"]
        assert session.selection.view == "A" and session.selection.example == before.example


async def test_a_click_elsewhere_ends_the_question(files: tuple[Path, Path]) -> None:
    async with running(files) as session:
        taken: list[str] = []
        _ask(session, taken)
        await session.settle()
        x, y = session.find("only")
        await session.pilot.click(offset=(x, y))
        await session.settle()
        assert session.foot().strip() == "number: only"
        await session.pilot.click(offset=(5, 10))
        await session.settle()
        assert "number:" not in session.text() and taken == []


@pytest.mark.parametrize(
    ("typed", "words", "score", "marked"),
    [
        ("undo", "undo the last selection", 5.0, "undo"),
        ("her", "token 3 her", 4.0, "her"),
        ("her", "token 3 hers", 3.0, "her"),
        ("HER", "colour by other", 2.0, "her"),
        ("her", "other, her", 4.0, "her"),
        ("by head", "head metric by value", 1.5, "headby"),
        ("undo", "intensity under a good uniform", 0.0, ""),
        ("him", "which item", 0.0, ""),
        ("entrpy", "metric entropy", 0.9 * 6 / 7, "entrpy"),
        ("", "anything", 0.0, ""),
        ("i", "\u0130", 2.0, ""),
    ],
)
def test_how_well_words_fit_what_was_typed(
    typed: str, words: str, score: float, marked: str
) -> None:
    found, places = fit(typed, words)
    assert found == pytest.approx(score)
    assert "".join(words[place] for place in places) == marked
