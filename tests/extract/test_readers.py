"""Files of every format: what is read, and that everything bad is named by its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.data.readers import jsonl
from extract.data.records import Record, open_records
from extract.errors import BadLine, ExtractError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of this name."""

    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [dict(record.fields) for record in open_records(path, **options).records()]


def problems(path: Path, **options: Any) -> list[tuple[int, str]]:
    bad: list[BadLine] = []
    for _ in open_records(path, **options).records(bad):
        pass
    return [(one.line, one.what) for one in bad]


# JSON


def test_an_array_gives_its_objects_with_their_lines(write: Write) -> None:
    path = write("a.json", '\ufeff[\n {"a": 1,\n "b": "x"},\n\n {"a": [1, {"c": null}]}, 7]\n\n')
    source = open_records(path)
    assert source.format == "json"
    good = [one for one in source if isinstance(one, Record)]
    assert [(one.line, one.fields) for one in good] == [
        (2, {"a": 1, "b": "x"}),
        (5, {"a": [1, {"c": None}]}),
    ]
    assert problems(path) == [(5, "is not a JSON object but a number")]


def test_a_json_file_of_lines_is_read_as_lines(write: Write) -> None:
    path = write("a.json", '\n{"a": 1}\n{"a": 2}\n')
    assert open_records(path).format == "jsonl"
    assert rows(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"a": 1},\n{"a" 2}]', "line 2: is not valid JSON"),
        ('[{"a": 1}\n{"a": 2}]', "line 2: a comma is missing"),
        ('[{"a": 1},\n', "line 2: is not valid JSON"),
        ('[{"a": 1}\n', "line 2: the array is not closed"),
        ('[{"a": 1}]\n[]', "line 2: more follows"),
        ('[{"a": NaN}]', "line 1: is not valid JSON (NaN is not a JSON number)"),
        (b'[{"a": "\xff"}]', "is not UTF-8"),
        ('[\n{"a": "\x01"}]', "line 2: is not valid JSON (Invalid control character)."),
    ],
)
def test_a_broken_array_ends_the_reading(write: Write, content: str | bytes, what: str) -> None:
    with pytest.raises(ExtractError) as caught:
        rows(write("a.json", content))
    assert what in str(caught.value) and "\n" not in str(caught.value)


def test_half_a_character_in_an_array_is_one_bad_record(write: Write) -> None:
    path = write("a.json", '[{"a": "\\ud83d"},\n{"a": "\\ud83d\\ude00"}]')
    assert problems(path) == [(1, "holds half of a surrogate pair, which is no character")]
    bad: list[BadLine] = []
    assert [r.fields for r in open_records(path).records(bad)] == [{"a": "\U0001f600"}]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.dictionaries(st.text(max_size=3), _JSON, max_size=3), max_size=4), st.data())
def test_an_array_read_in_pieces_is_the_array(
    tmp_path: Path, values: list[dict[str, Any]], data: st.DataObject
) -> None:
    indent = data.draw(st.sampled_from([None, 0, 2]))
    path = tmp_path / "pieces.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=data.draw(st.booleans())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_CHUNK", data.draw(st.integers(1, 20)))
        assert rows(path) == values


def test_texts_are_lines(write: Write) -> None:
    path = write("a.txt", b"\xef\xbb\xbfone \r\n\n  two\n\xff\nth\0ree")
    bad: list[BadLine] = []
    found = [(r.line, r.fields["text"]) for r in open_records(path).records(bad)]
    assert found == [(1, "one "), (3, "  two")]
    assert [(one.line, one.what) for one in bad] == [
        (4, "is not UTF-8 (byte 1 of the line)"),
        (5, "holds a NUL character"),
    ]


# CSV and TSV


def test_cells_are_strings_and_empty_ones_none(write: Write) -> None:
    content = b'\xef\xbb\xbfid,text,label\r\n1,"a, ""b""\nc",\r\n\r\n2,  d ,true\r\n'
    path = write("a.csv", content)
    found = list(open_records(path).records())
    assert [one.fields for one in found] == [
        {"id": "1", "text": 'a, "b"\nc', "label": None},
        {"id": "2", "text": "  d ", "label": "true"},
    ]
    assert [one.line for one in found] == [2, 5] and all(one.untyped for one in found)


def test_a_column_without_a_name_is_called_by_its_number(write: Write) -> None:
    assert rows(write("a.csv", ",text\n0,a\n")) == [{"column 1": "0", "text": "a"}]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"))] * 2),
        max_size=4,
    )
)
def test_what_is_quoted_comes_back(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    for ending, sign in (("csv", ","), ("tsv", "\t")):
        path = tmp_path / f"quoted.{ending}"
        lines = [sign.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in table]
        path.write_bytes("\n".join([f"a{sign}b", *lines]).encode())
        assert rows(path) == [{"a": a or None, "b": b or None} for a, b in table]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("1", "has 1 cell, but the header names 2 columns"),
        ("1,2,3", "has 3 cells, but the header names 2 columns"),
        ('"a"b,c', "goes on after its closing quote, where a comma is due"),
        (b"a,\xe9", "is not UTF-8 (byte 0xe9 in a cell)"),
        ("a,b\0", "holds a NUL character"),
        ("a\rb,c", "has a carriage return outside quotes"),
    ],
)
def test_a_bad_row_is_named(write: Write, line: str | bytes, what: str) -> None:
    raw = line.encode() if isinstance(line, str) else line
    path = write("a.csv", b'x,y\n"a\nb",c\n' + raw + b"\nlast,row\n")
    ((number, found),) = problems(path)
    assert number == 4 and what in found
    good = list(open_records(path).records([]))
    assert [(one.line, one.fields["x"]) for one in good] == [(2, "a\nb"), (5, "last")]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", 'x,y\n1,2\n3,"4\n5,6\n', "line 3: a quote is opened and never closed; close it."),
        ("a.tsv", 'x\ty\n3\t"4\n', '"tsv-unquoted" if quotes mean nothing here'),
        ("a.csv", "x,y,x\n", "the header names a column twice (x)"),
        ("a.csv", b"x,\xff\n", "line 1: is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_further(
    write: Write, name: str, content: str | bytes, what: str
) -> None:
    with pytest.raises(ExtractError) as caught:
        list(open_records(write(name, content)).records([]))
    assert what in str(caught.value) and not isinstance(caught.value, BadLine)


def test_quotes_of_an_unquoted_file_are_characters(write: Write) -> None:
    path = write("a.tsv", 'text\tlabel\n"so" it goes\t"\n')
    assert rows(path, format="tsv-unquoted") == [{"text": '"so" it goes', "label": '"'}]


def test_a_very_long_cell(write: Write) -> None:
    text = "word " * 200_000
    assert rows(write("a.csv", f'text\n"{text}"\n')) == [{"text": text}]


# CoNLL


def test_conll_sentences(write: Write) -> None:
    content = (
        "-DOCSTART- -X- O\n\n# text = EU rejects it.\n# domain = news\nEU NNP B-ORG\n"
        "rejects VBZ O\r\n\r\n\n# id = second\n# O\n#tag # B-X\n# = O\n"
    )
    found = list(open_records(write("news.conll", content)).records())
    assert [one.fields for one in found] == [
        {
            "id": "news-0001",
            "text": "EU rejects it.",
            "domain": "news",
            "words": ["EU", "rejects"],
            "tags": ["B-ORG", "O"],
        },
        {"id": "second", "words": ["#tag", "#"], "tags": ["B-X", "O"]},
    ]
    assert [one.line for one in found] == [5, 11]


def test_a_word_of_a_file_with_tabs_may_hold_spaces(write: Write) -> None:
    path = write("a.bio", "New York\tB\n\u00a0\tO\n# \tO\n\n#\tB\n")
    assert [(row["words"], row["tags"]) for row in rows(path)] == [
        (["New York", "\u00a0", "#"], ["B", "O", "O"]),
        (["#"], ["B"]),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("a b c", "has 3 columns (separated by spaces) where the lines before have 2"),
        ("a", "has 1 column (separated by spaces)"),
        (b"\xff O", "is not UTF-8 (byte 1"),
        ("a\0 O", "holds a NUL character"),
    ],
)
def test_a_bad_line_takes_its_sentence_with_it(write: Write, line: str | bytes, what: str) -> None:
    raw = line.encode() if isinstance(line, str) else line
    path = write("a.iob", b"x O\n\ny O\n" + raw + b"\nz O\n\nlast O\n")
    ((number, found),) = problems(path)
    assert number == 4 and what in found
    assert [r.fields["id"] for r in open_records(path).records([])] == ["a-0001", "a-0003"]


def test_conll_needs_a_tag(write: Write) -> None:
    assert problems(write("a.conll", "word\n")) == [
        (1, "has one column; a word and its tag are needed")
    ]
    assert problems(write("b.conll", "a\tO\nb\t\n\n\tO\n")) == [
        (2, "has an empty tag"),
        (4, "has an empty word"),
    ]


# CoNLL-U


def conllu(*lines: str) -> str:
    """Lines of ID FORM HEAD DEPREL (and MISC), with all ten columns."""
    made = []
    for line in lines:
        if not line or line.startswith("#"):
            made.append(line)
            continue
        number, form, head, relation, misc = [*line.split(), "_"][:5]
        lemma, upos = form.lower(), "X" if number.isdigit() else "_"
        made.append("\t".join([number, form, lemma, upos, "_", "_", head, relation, "_", misc]))
    return "\n".join(made) + "\n"


def test_conllu_words_heads_and_surface(write: Write) -> None:
    content = conllu(
        "# newdoc",
        "# sent_id = s1",
        "# text = Je vais au marché.",
        "# speaker = A = B",
        "1 Je 2 nsubj",
        "2 vais 0 root",
        "3-4 au _ _",
        "3 à 5 case",
        "4 le 5 det",
        "4.1 vide _ _",
        "5 marché 2 obl SpaceAfter=No",
        "6 . 2 punct",
        "",
        "1-2 Don't _ _ SpaceAfter=No",
        "1 Do 0 root",
        "2 n't 1 advmod",
        "3 ! 1 punct",
    )
    first, second = rows(write("fr.conllu", content))
    assert first.pop("text") == "Je vais au marché."
    assert first == {
        "id": "s1",
        "words": ["Je", "vais", "à", "le", "marché", "."],
        "ranges": [[0, 2], [3, 7], [8, 10], [8, 10], [11, 17], [17, 18]],
        "lemmas": ["je", "vais", "à", "le", "marché", "."],
        "upos": ["X"] * 6,
        "heads": [1, -1, 4, 4, 1, 1],
        "deprels": ["nsubj", "root", "case", "det", "obl", "punct"],
        "speaker": "A = B",
    }
    assert second["id"] == "fr-0002" and second["text"] == "Don't!"
    assert second["ranges"] == [[0, 2], [2, 5], [5, 6]]


def test_a_text_that_is_not_that_of_the_words_is_made_anew(write: Write) -> None:
    content = conllu("# text = _ _", "1 Other 0 root SpaceAfter=No", "2 words 1 obj")
    (row,) = rows(write("a.conllu", content))
    assert (row["text"], row["ranges"]) == ("Otherwords", [[0, 5], [5, 10]])


_GOOD = ("1 a 2 x", "2 b 0 root", "3 c 2 x")


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        (("1 a 4 x", *_GOOD[1:]), 3, "has the head 4, but the sentence has 3 words"),
        (("1 a -1 x", *_GOOD[1:]), 3, 'has the head "-1", which is no word'),
        (("1 a 0 root", *_GOOD[1:]), 3, "has 2 roots (words 1, 2); it must have one"),
        (("1 a 2 x", "2 b 1 x", "3 c 2 x"), 3, "has no root"),
        (("1 a 2 x", "2 b 1 x", "3 c 0 root"), 3, "the heads make a cycle through word 1"),
        (("1 a 1 x", *_GOOD[1:]), 3, "word 1 is its own head"),
        (("1 a 2 x", "3 b 0 root"), 4, "has word 3 where word 2 is due"),
        (("1 a 2 x", "x b 0 root"), 4, 'has the id "x"'),
        (("2-3 ab _ _", *_GOOD), 3, "has the range 2-3 where word 1 is due"),
        ((*_GOOD, "4-5 de _ _"), 6, "a range names word 5, which the sentence has not"),
    ],
)
def test_a_sentence_that_is_no_tree(
    write: Write, lines: tuple[str, ...], line: int, what: str
) -> None:
    path = write("a.conllu", conllu("1 ok 0 root", "", *lines, "", "1 last 0 root"))
    ((number, found),) = problems(path)
    assert number == line and what in found
    assert [r.fields["words"] for r in open_records(path).records([])] == [["ok"], ["last"]]


def test_conllu_has_ten_columns(write: Write) -> None:
    path = write("a.conllu", "1\tword\tO\n\n" + conllu("1 a 0 root").replace("a", "", 1))
    assert problems(path) == [
        (1, "has 3 columns (separated by tabs) where CoNLL-U has 10"),
        (3, "has an empty word form"),
    ]


def test_words_without_heads_are_no_harm(write: Write) -> None:
    (row,) = rows(write("a.conllu", conllu("1 a _ _", "2 b _ _")))
    assert "heads" not in row and "deprels" not in row and row["text"] == "a b"
