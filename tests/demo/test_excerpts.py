"""The choice of the demo's texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.excerpts import choose, excerpt, write
from extract.data.pairs import PairRecord, Span, TextGroup, read_pairs


def group(text: str, *pairs: tuple[str, str], name: str = "g-1") -> TextGroup:
    """A text with pairs of words; the last occurrence of a word counts."""

    def span(word: str) -> Span:
        start = text.rindex(word)
        return Span(word, start, start + len(word))

    records = tuple(
        PairRecord(
            n, f"{name}-{n}", name, text, span(a), span(b), n == 1, extras={"url": "http://x"}
        )
        for n, (a, b) in enumerate(pairs, 1)
    )
    return TextGroup(name, text, records)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Anna saw Bea. She left. Two.", "Anna saw Bea. She left."),
        ("Anna saw Bea, and She left", "Anna saw Bea, and She left"),
        ("He said ``no.'' Anna met Bea! Then She left? Yes.", "Anna met Bea! Then She left?"),
        ("It cost 3.50 to Anna and Bea. She paid.", "It cost 3.50 to Anna and Bea. She paid."),
        ("Zero. “Anna” knew Bea… but Élan came. Élan saw She.", None),
    ],
)
def test_an_excerpt_goes_from_the_first_mention_to_the_last(text: str, kept: str | None) -> None:
    cut = excerpt(group(text, ("Anna", "She"), ("Bea", "She")))
    assert cut.text == (kept if kept is not None else text.removeprefix("Zero. "))
    for record in cut.records:
        assert record.text == cut.text
        for span in (record.span1, record.span2):
            assert cut.text[span.start : span.end] == span.text


words = st.sampled_from(["Anna", "Bea", "She", "saw", "left.", "no!", "”", "Then", "é", "  ", "x?"])


@given(st.tuples(*[st.lists(words).map(" ".join)] * 4))
def test_whatever_the_text_the_mentions_stay(parts: tuple[str, str, str, str]) -> None:
    first, second, third, last = parts
    text = f"{first} Anna {second} Bea {third} She {last}"
    before = group(text, ("Anna", "She"), ("Bea", "She"))
    after = excerpt(before)
    assert after.text in text
    for old, new in zip(before.records, after.records, strict=True):
        assert (old.id, old.label, old.span1.text) == (new.id, new.label, new.span1.text)
        for span in (new.span1, new.span2):
            assert after.text[span.start : span.end] == span.text


def test_the_shortest_are_chosen_and_ties_go_by_id() -> None:
    texts = [
        group("Anna saw that She left.", ("Anna", "She"), name="b"),
        group("Much. Before it. Anna saw She.", ("Anna", "She"), name="c"),
        group("Anna hid what She lost.", ("Anna", "She"), name="a"),
    ]
    chosen = choose(texts, lambda text: len(text.split()), 2)
    assert [g.id for g in chosen.groups] == ["c", "a"]
    assert chosen.tokens == (3, 5)
    with pytest.raises(ValueError, match="there are 3 texts and 4 are asked for"):
        choose(texts, len, 4)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    cut = excerpt(group("Um. Anna saw Bea. She left.", ("Anna", "She"), ("Bea", "She")))
    path = tmp_path / "out" / "texts.jsonl"
    write([cut], path)
    (back,) = read_pairs(path).groups
    assert (back.id, back.text) == (cut.id, "Anna saw Bea. She left.")
    for old, new in zip(cut.records, back.records, strict=True):
        assert (old.id, old.span1, old.span2, old.label) == (
            new.id,
            new.span1,
            new.span2,
            new.label,
        )
        assert new.extras == {"url": "http://x"}


def test_a_span_that_moved_wrongly_is_refused(tmp_path: Path) -> None:
    right = group("Anna saw that She left.", ("Anna", "She"))
    wrong = TextGroup(right.id, "Oh " + right.text, right.records)
    with pytest.raises(ValueError, match="span1 does not slice back"):
        write([wrong], tmp_path / "texts.jsonl")
