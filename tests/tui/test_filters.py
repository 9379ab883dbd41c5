"""Filters: every condition against plain Python over the same rows, every mistake by its words."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import collateral
from collateral import AttentionKind, Column, Meta, ModelInfo, TokenInfo
from tests.tui.handmade import tokens
from tui import commands, filters, state
from tui.editing import Editor, picture
from tui.filters import columns, searching
from tui.look import Look
from tui.project import Project
from tui.refusal import Refused
from tui.state import Selection
from tui.views import listing


@dataclass(frozen=True)
class Row:
    """An example as it was written."""

    id: str
    text: str
    correct: bool | None
    f1: float | None
    domain: str | None
    label: str | None
    items: tuple[tuple[str, float], ...]


ROWS = (
    Row("r-0", "The soup was cold", False, 0.25, "restaurant", "x y", (("B", 0.5), ("O", 0.9))),
    Row("r-1", "A bed, a bath (and (more))", True, 1.0, "hotel", None, ()),
    Row("r-2", "Colour and color", False, None, "restaurant", "unknown", (("B", 0.1),)),
    Row("r-3", "Déjà vu", None, 0.5, None, "and", (("O", 0.2), ("O", 0.3))),
    Row("r-4", "the End", True, -0.5, "Travel", "x y", (("I", 0.7),)),
)
B_CORRECT = (True, True, False, False, None)
B_SCORES = (0.5, 0.5, 0.25, 0.5, None)


def write(path: Path, b: bool) -> Path:
    """The rows as model A or B has them; the items' labels are the same, their chances not."""
    meta = Meta(
        "tagging",
        ModelInfo("handmade", "BertModel", 2, 2, 8),
        TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
        (AttentionKind("self", 2, 2),),
        {},
        item="word",
    )
    examples = {
        "correct": Column("boolean", role="correct"),
        "score": Column("continuous", title="F1", role="score"),
        "domain": Column("categorical"),
        "two words": Column("categorical"),
    }
    items = {
        "gold": Column("categorical", role="gold"),
        "probability": Column("continuous", role="probability"),
    }
    with collateral.create(path, meta, examples=examples, items=items) as writer:
        for number, row in enumerate(ROWS):
            cells: dict[str, Any] = {"domain": row.domain, "two words": row.label}
            cells["correct"] = B_CORRECT[number] if b else row.correct
            cells["score"] = B_SCORES[number] if b else row.f1
            writer.add_example(row.id, row.text, tokens(row.text), **cells)
            for n, (gold, chance) in enumerate(row.items):
                probability = 1 - chance if b else chance
                words = row.text.split()
                writer.add_item(
                    number, n + 1, n + 2, text=words[n], gold=gold, probability=probability
                )
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("filters")
    return write(folder / "a.msgpack", False), write(folder / "b.msgpack", True)


@pytest.fixture(scope="module")
def one(pair: tuple[Path, Path]) -> Iterator[Project]:
    project = Project.open(pair[:1])
    yield project
    project.close()


@pytest.fixture(scope="module")
def two(pair: tuple[Path, Path]) -> Iterator[Project]:
    project = Project.open(pair)
    yield project
    project.close()


Fits = Callable[[Row], bool]

CASES: dict[str, Fits] = {
    "correct": lambda r: r.correct is True,
    "correct = false": lambda r: r.correct is False,
    "CORRECT = No": lambda r: r.correct is False,
    "correct != true": lambda r: r.correct is False,
    "not correct": lambda r: r.correct is not True,
    "correct = unknown": lambda r: r.correct is None,
    "correct is not unknown": lambda r: r.correct is not None,
    "score < 0.5": lambda r: r.f1 is not None and r.f1 < 0.5,
    "f1 ≤ .5": lambda r: r.f1 is not None and r.f1 <= 0.5,
    "F1 > −1": lambda r: r.f1 is not None,
    "f1 >= 5e-1": lambda r: r.f1 is not None and r.f1 >= 0.5,
    "f1=0.25": lambda r: r.f1 == 0.25,
    "f1 != 0.25": lambda r: r.f1 is not None and r.f1 != 0.25,
    "f1 in (0.25, 1)": lambda r: r.f1 in (0.25, 1),
    "f1 not in (0.25, unknown)": lambda r: r.f1 is not None and r.f1 != 0.25,
    "f1 in (0.25, unknown)": lambda r: r.f1 in (0.25, None),
    "domain = RESTAURANT": lambda r: r.domain == "restaurant",
    "domain != restaurant": lambda r: r.domain in ("hotel", "Travel"),
    "domain in (hotel, travel)": lambda r: r.domain in ("hotel", "Travel"),
    "domain not in (hotel, travel)": lambda r: r.domain == "restaurant",
    "domain ~ ^.o": lambda r: r.domain == "hotel",
    "domain !~ ^.o": lambda r: r.domain in ("restaurant", "Travel"),
    "domain = unknown": lambda r: r.domain is None,
    '"two words" = "x y"': lambda r: r.label == "x y",
    "'two words' = \"unknown\"": lambda r: r.label == "unknown",
    '"two words" = unknown': lambda r: r.label is None,
    '"two words" = "and" or "two words" = "x y"': lambda r: r.label in ("and", "x y"),
    "text ~ colou?r": lambda r: "colo" in r.text.lower(),
    "text ~ /(and|the)/": lambda r: re.search("and|the", r.text, re.I) is not None,
    'text ~ "^the "': lambda r: r.text.lower().startswith("the "),
    "text !~ the": lambda r: "the" not in r.text.lower(),
    'text = "the end"': lambda r: r.text.lower() == "the end",
    "id in (r-0, R-4)": lambda r: r.id in ("r-0", "r-4"),
    "gold = B": lambda r: any(g == "B" for g, _ in r.items),
    "word.gold != O": lambda r: any(g != "O" for g, _ in r.items),
    "not gold = B": lambda r: not any(g == "B" for g, _ in r.items),
    "item.probability > 0.5": lambda r: any(p > 0.5 for _, p in r.items),
    "items > 1": lambda r: len(r.items) > 1,
    "items = 0": lambda r: not r.items,
    "correct = false and domain = restaurant and f1 < 0.5": lambda r: (
        r.correct is False and r.domain == "restaurant" and r.f1 is not None and r.f1 < 0.5
    ),
    "correct or domain = restaurant and f1 < 0.5": lambda r: (
        r.correct is True or (r.domain == "restaurant" and (r.f1 or 1) < 0.5)
    ),
    "(correct or domain = restaurant) and f1 < 0.5": lambda r: (
        (r.correct is True or r.domain == "restaurant") and r.f1 is not None and r.f1 < 0.5
    ),
    "not (correct or not domain = hotel)": lambda r: r.correct is not True and r.domain == "hotel",
    "not not correct": lambda r: r.correct is True,
}


@pytest.mark.parametrize("text", CASES)
def test_a_filter_lets_through_what_plain_python_does(text: str, one: Project) -> None:
    assert filters.mask(text, one).tolist() == [CASES[text](row) for row in ROWS]


SIDES: dict[str, list[bool]] = {
    "A.correct = false and B.correct = true": [True, False, False, False, False],
    "correct = false": [False, False, True, True, False],
    "B.correct = unknown": [False, False, False, False, True],
    "B-A.score > 0": [True, False, False, False, False],
    "B−A.score < 0": [False, True, False, False, False],
    "B-A.f1 = unknown": [False, False, True, False, True],
    "A.word.probability > 0.6": [True, False, False, False, True],
    "B.word.probability > 0.6": [False, False, True, True, False],
}


@pytest.mark.parametrize("text", SIDES)
def test_a_side_names_a_model(text: str, two: Project) -> None:
    assert filters.mask(text, two).tolist() == SIDES[text]


def _of_words(text: str) -> bool:
    return text.startswith(("gold", "word.", "item."))


tests = st.sampled_from(
    sorted(t for t in CASES if " and " not in t and "or" not in t and not _of_words(t))
)


@settings(max_examples=150, deadline=None)
@given(
    tree=st.recursive(
        tests,
        lambda inner: (
            st.tuples(st.sampled_from(["and", "or"]), inner, inner)
            | st.tuples(st.just("not"), inner)
        ),
        max_leaves=8,
    )
)
def test_any_joining_means_what_it_says(tree: Any, one: Project) -> None:
    def words(node: Any) -> str:
        if isinstance(node, str):
            return node
        return (
            f"not ({words(node[1])})"
            if len(node) == 2
            else f"({f' {node[0]} '.join(map(words, node[1:]))})"
        )

    def fits(node: Any, row: Row) -> bool:
        if isinstance(node, str):
            return CASES[node](row)
        truths = [fits(part, row) for part in node[1:]]
        return {"and": all(truths), "or": any(truths), "not": not truths[0]}[node[0]]

    assert filters.mask(words(tree), one).tolist() == [fits(tree, row) for row in ROWS]


WORDS: dict[str, Callable[[str, float], bool]] = {
    "gold = B": lambda gold, p: gold == "B",
    "word.gold != O": lambda gold, p: gold != "O",
    "gold in (O, I)": lambda gold, p: gold in ("O", "I"),
    "item.probability > 0.4": lambda gold, p: p > 0.4,
    "word.probability < .25": lambda gold, p: p < 0.25,
    "probability != 0.2": lambda gold, p: p != 0.2,
}
"""Conditions on the words of an example, and what they mean for one word."""


@settings(max_examples=200, deadline=None)
@given(
    tree=st.recursive(
        st.sampled_from(sorted(WORDS)) | st.sampled_from(["correct", "score < 0.5"]),
        lambda inner: (
            st.tuples(st.sampled_from(["and", "or"]), inner, inner)
            | st.tuples(st.sampled_from(["not", "any"]), inner)
        ),
        max_leaves=7,
    )
)
def test_conditions_on_words_joined_hold_for_one_word(tree: Any, one: Project) -> None:
    """Against plain Python: a part is either about each word, or about the example."""

    def words(node: Any) -> str:
        if isinstance(node, str):
            return node
        inside = f" {node[0]} ".join(map(words, node[1:]))
        return f"{node[0]} ({inside})" if len(node) == 2 else f"({inside})"

    def fits(node: Any, row: Row) -> bool | list[bool]:
        if isinstance(node, str):
            if node in WORDS:
                return [WORDS[node](*item) for item in row.items]
            return bool(CASES[node](row))
        parts = [fits(part, row) for part in node[1:]]
        if len(parts) == 1:
            return bool(any_of(parts[0]) != (node[0] == "not"))
        join = all if node[0] == "and" else any
        if all(isinstance(part, list) for part in parts):
            return [join(of_word) for of_word in zip(*parts, strict=True)]
        return join(any_of(part) for part in parts)

    def any_of(part: bool | list[bool]) -> bool:
        return any(part) if isinstance(part, list) else part

    text = words(tree)
    assert filters.mask(text, one).tolist() == [any_of(fits(tree, row)) for row in ROWS]


def test_words_of_two_models_are_the_same_words(two: Project) -> None:
    """Both files have the same words: one word must fit both, unless it may be another one."""
    a, b = (np.asarray(file.items["probability"]) for file in two.files)
    of = two.a.item_examples
    for text, rows in (
        ("A.word.probability > 0.4 and B.word.probability > 0.4", (a > 0.4) & (b > 0.4)),
        ("A.word.probability > 0.4 and B.word.probability < 0.4", (a > 0.4) & (b < 0.4)),
    ):
        expected = [bool(rows[of == example].any()) for example in range(len(ROWS))]
        assert filters.mask(text, two).tolist() == expected
    apart = "any (A.word.probability > 0.4) and any (B.word.probability < 0.4)"
    loose = [bool((a[of == n] > 0.4).any() and (b[of == n] < 0.4).any()) for n in range(len(ROWS))]
    assert filters.mask(apart, two).tolist() == loose


MISTAKES: list[tuple[str, str, int]] = [
    ("do = hotel", "There is no column do; did you mean domain?", 0),
    ("word.go = hotel", "There is no column word.go; did you mean word.gold?", 0),
    ("word.t = hotel", "There is no column word.t; did you mean word.text?", 0),
    ("domian = hotel", "There is no column domian; did you mean domain?", 0),
    ("correct and dimain > 1", "There is no column dimain; did you mean domain?", 12),
    ("zzz = 1", "There are: id, text, correct, score, domain, two words", 0),
    ("f1 ~ 3", "f1 is a number; compare it with = != < <= > >=.", 5),
    ("f1 < abc", "f1 is a number, which abc is not.", 5),
    ("f1 < nan", "f1 is a number, which nan is not.", 5),
    ("f1", "f1 is a number; compare it", 2),
    ("domain < hotel", "domain is a label; compare it with = != ~ in.", 9),
    ("domain = hotle", "domain has no label hotle; did you mean hotel?", 9),
    ("domain = z", "domain has no label z. It has: restaurant, hotel, Travel.", 9),
    ("correct = maybe", "correct is yes or no: correct = true, or false.", 10),
    ("correct ~ yes", "correct is yes or no; compare it with = !=.", 10),
    ("text ~ /(/", "/(/ is no regular expression: missing )", 8),
    ("f1 < unknown", "unknown can only be compared with = and !=.", 5),
    ("correct =", "After correct = comes a value, a word, a number or unknown.", 9),
    ("correct and", "A condition begins with a column, not with the end.", 11),
    ("and correct", "A condition begins with a column, not with and.", 0),
    ("< 3", "A condition begins with a column, not with <.", 0),
    ("domain = New York", "After New comes York; put several words in quotes", 13),
    ("correct & f1 < 1", "After correct comes &; write and instead.", 8),
    ("correct, f1 < 1", "a list stands in parentheses: in (a, b).", 7),
    ("(correct", "There is a ( without its ).", 0),
    ("correct)", "There is a ) without its (.", 7),
    ("domain in hotel", "After domain in comes a list: (a, b).", 10),
    ("domain in (hotel", "The list is not closed with a ).", 16),
    ('domain = "hotel', 'The quote " is not closed.', 9),
    ("(" * 60, "More than 50 parentheses inside each other.", 51),
    ("A.correct", "There is no column A.correct", 0),
]


@pytest.mark.parametrize(("text", "sentence", "place"), MISTAKES)
def test_a_mistake_is_named_with_its_place(
    text: str, sentence: str, place: int, one: Project
) -> None:
    with pytest.raises(filters.Mistake) as told:
        filters.mask(text, one)
    assert sentence in str(told.value)
    assert told.value.place == place


@given(text=st.text(alphabet="correctf1 <>=!~()/\"',andornti.@5", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_filter_or_a_mistake_inside_it(text: str, one: Project) -> None:
    try:
        assert filters.mask(text, one).shape == (len(ROWS),)
    except filters.Mistake as mistake:
        assert mistake.place is None or 0 <= mistake.place <= len(text)
    offered = filters.complete(text, one)
    assert 0 <= offered.start <= len(text)


# -- completion -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "start", "first"),
    [
        ("", 0, ["id", "text", "correct", "score", "domain", '"two words"']),
        ("do", 0, ["domain"]),
        ("domain", 0, []),
        ('"tw', 0, ['"two words"']),
        ("domain ", 7, ["=", "!=", "~", "in"]),
        ("score ", 6, ["<", "<=", ">", ">="]),
        ("correct ", 8, ["=", "!=", "and", "or"]),
        ("domain = ", 9, ["restaurant", "hotel", "Travel", "unknown"]),
        ("domain = r", 9, ["restaurant"]),
        ("domain in ", 10, ["("]),
        ("domain in (hotel, t", 18, ["Travel"]),
        ("domain not in (hotel) ", 22, ["and", "or"]),
        ('"two words" = ', 14, ['"x y"', '"unknown"', '"and"', "unknown"]),
        ("correct = true ", 15, ["and", "or"]),
        ("correct = true and no", 19, ["not"]),
        ("not (cor", 5, ["correct"]),
        ("@h", 0, ["@hard"]),
        ("F1", 0, ["score"]),
        ("correct and f1", 12, ["score"]),
        ("any (cor", 5, ["correct"]),
        ("nonsense = ", 11, []),
    ],
)
def test_words_are_completed_where_they_can_stand(
    before: str, start: int, first: list[str], one: Project
) -> None:
    offered = filters.complete(before, one, ["hard", "easy"])
    assert offered.start == start
    assert list(offered.options)[: max(1, len(first))] == first


def test_a_title_is_offered_as_the_name_of_its_column(two: Project) -> None:
    offered = filters.complete("", two)
    assert offered.titles["score"] == "F1"
    editor = Editor("", complete=lambda before: filters.complete(before, two))
    editor.press("f", "f")
    editor.press("1", "1")
    drawn = picture(editor, "filter", "", Look(), 70, 4).canvas.text()
    assert "score (F1)" in drawn and "B-A.score (F1)" in drawn
    with pytest.raises(filters.Mistake, match="did you mean score"):
        filters.mask("F12 < 3", two)


def test_every_name_that_is_offered_is_a_column(two: Project) -> None:
    for name in filters.complete("", two).options:
        if name != "not":
            words = filters.complete(f"{name} ", two).options
            assert "=" in words
            filters.mask(f"{name} = unknown", two)
    assert "B-A.score" in filters.complete("", two).options


# -- names for filters ------------------------------------------------------------------------


def test_a_kept_filter_is_written_out(one: Project) -> None:
    kept = {"hard": "correct = false or f1 < 0.5", "b": "gold = B"}
    assert filters.expand("@HARD", kept) == kept["hard"]
    full = filters.expand("not @hard and @b", kept)
    assert full == "not any (correct = false or f1 < 0.5) and any (gold = B)"
    assert filters.expand("not @b", kept) == "not (gold = B)"
    assert filters.expand('text ~ "@hard"', kept) == 'text ~ "@hard"'
    with pytest.raises(filters.Mistake, match=r"There is no @hrad\. Kept: @hard, @b\.") as told:
        filters.expand("correct and @hrad", kept)
    assert told.value.place == 12


# -- searching --------------------------------------------------------------------------------


def test_a_search_looks_into_ids_and_texts(one: Project) -> None:
    assert filters.search(one, "THE").tolist() == [True, False, False, False, True]
    assert filters.search(one, "r-3").tolist() == [False, False, False, True, False]
    assert filters.search(one, "(and").tolist() == [False, True, False, False, False]
    assert filters.search(one, "/^the|é/").tolist() == [True, False, False, True, True]
    with pytest.raises(filters.Mistake, match="no regular expression"):
        filters.search(one, "/(/")


def test_what_was_found_is_where_it_says() -> None:
    assert filters.spans("a(", "xa( A(") == [(1, 3), (4, 6)]
    assert filters.spans("/o+/", "foo boot") == [(1, 3), (5, 7)]
    assert filters.spans("/x*/", "aaa") == []


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*)*="])
def test_an_expression_that_takes_for_ever_is_given_up(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SECONDS", 0.3)
    begun = time.monotonic()
    with pytest.raises(filters.Mistake, match=r"takes longer than 0\.3 seconds"):
        searching.matching(searching.compiled(pattern), ["a" * 80 + "!"])
    assert time.monotonic() - begun < 5


def test_many_slow_texts_are_given_up_also_outside_the_main_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(searching, "SECONDS", 0.05)
    told: list[str] = []

    def search() -> None:
        try:
            searching.matching(searching.compiled("(a+)+$"), ["a" * 12 + "!"] * 5000)
        except filters.Mistake as mistake:
            told.append(str(mistake))

    thread = threading.Thread(target=search)
    thread.start()
    thread.join(30)
    assert len(told) == 1


# -- the list ---------------------------------------------------------------------------------


def order(p: Project, **changes: Any) -> list[str]:
    """The ids of the list, in its order."""
    rows = listing.order(p, replace(Selection(), **changes))
    return [ROWS[row].id for row in rows.tolist()]


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("score", lambda r: r.f1),
        ("domain", lambda r: r.domain.casefold() if r.domain else None),
        ("correct", lambda r: r.correct),
        ("text", lambda r: r.text.casefold()),
        ("id", lambda r: r.id),
        ("items", lambda r: len(r.items)),
        ("word.probability", lambda r: np.mean([p for _, p in r.items]) if r.items else None),
    ],
)
def test_the_list_is_sorted_both_ways_with_what_is_unknown_last(
    sort: str, key: Callable[[Row], Any], one: Project
) -> None:
    known = [row for row in ROWS if key(row) is not None]
    unknown = [row.id for row in ROWS if key(row) is None]
    assert order(one, sort=sort) == [r.id for r in sorted(known, key=key)] + unknown
    back = sorted(known, key=key, reverse=True)
    assert order(one, sort=f"-{sort}") == [r.id for r in back] + unknown


def test_filter_search_and_sort_work_together(one: Project) -> None:
    assert order(one, filter="correct = false", sort="-text") == ["r-0", "r-2"]
    assert order(one, filter="f1 < 1", search="the", sort="f1") == ["r-4", "r-0"]


def test_stepping_follows_the_list(one: Project) -> None:
    s = commands.filtered(one, one.first_selection(), "f1 < 1")
    s = commands.sorted_by(one, replace(s, example=4), "f1")
    assert order(one, filter=s.filter, sort=s.sort) == ["r-4", "r-0", "r-3"]
    seen = [s.example]
    for name in ("next-example",) * 3 + ("previous-example",) * 3:
        s = commands.COMMANDS[name](one, s)
        seen.append(s.example)
    assert seen == [4, 0, 3, 3, 0, 4, 4]
    outside = replace(s, example=1, sort="")
    assert commands.COMMANDS["next-example"](one, outside).example == 3
    assert commands.COMMANDS["previous-example"](one, outside).example == 0


def test_a_filter_chooses_an_example_that_it_shows(one: Project) -> None:
    s = commands.filtered(one, replace(one.first_selection(), example=1), "correct = false")
    assert s.example == 2 and one.settled(s) == s
    s = commands.filtered(one, replace(s, example=4), "correct = false")
    assert s.example == 2
    with pytest.raises(Refused, match="No example fits"):
        commands.filtered(one, s, "f1 > 5")
    with pytest.raises(Refused, match=r"No id or text has bath among those where correct = false"):
        commands.searched(one, s, "bath")
    s = commands.searched(one, s, "soup")
    assert (s.example, s.search) == (0, "soup")
    assert commands.COMMANDS["clear-filter"](one, s) == replace(s, filter="", search="")


def test_averages_can_be_over_what_is_shown(one: Project) -> None:
    s = commands.filtered(one, one.first_selection(), "correct = false")
    assert s.scope == "all"
    s = commands.COMMANDS["average"](one, s)
    assert s.scope == "filtered" and one.scope(s) == frozenset({0, 2})
    assert one.scope_key(s, "example") != one.scope_key(replace(s, filter="correct"), "example")
    assert state.clear_filter(s).scope == "all"
    assert state.valid(replace(s, filter=""), one.limits).scope == "all"


def test_what_other_files_lack_is_dropped(one: Project) -> None:
    s = replace(one.first_selection(), filter="source = 3", sort="nothing", scope="filtered")
    assert one.settled(s) == replace(s, filter="", sort="", scope="all")
    s = replace(one.first_selection(), filter="f1 > 7", search="the", sort="-f1")
    assert one.settled(s) == replace(s, filter="")


def test_sorting_by_many_labels_is_refused(one: Project) -> None:
    with pytest.raises(Refused, match="no mean to sort by"):
        commands.sorted_by(one, one.first_selection(), "word.gold")
    with pytest.raises(Refused, match="There is no column socre; did you mean score") as told:
        commands.sorted_by(one, one.first_selection(), "-socre")
    assert told.value.place == 1
    assert not math.isnan(listing.ranks(one, "score")[0])


def test_any_long_words_can_be_searched_for(one: Project) -> None:
    words = "(a" * 400
    assert not filters.search(one, words).any()
    assert filters.spans(words, f"x{words}") == [(1, 801)]


def test_an_expression_that_is_slow_to_mark_is_marked_no_more() -> None:
    wanted, text = "/x|(a+)+b/", f"x{'a' * 40}"
    began = time.process_time()
    found = [filters.spans(wanted, text) for _ in range(20)]
    assert found[-1] == []
    assert time.process_time() - began < 20 * searching.MARKING / 2  # not the limit each time


def test_labels_are_searched_no_longer_than_texts(
    one: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SECONDS", 0.3)
    labels = ("a" * 40 + "!", "b")
    monkeypatch.setattr(columns, "codes", lambda p, column: (np.zeros(5, dtype=np.int32), labels))
    with pytest.raises(filters.Mistake, match="takes longer than"):
        filters.parse("domain ~ /(a+)+$/", one)
