"""Turns the public files of GAP into the JSON Lines that ``interpret-extract`` reads.

GAP (K. Webster, M. Recasens, V. Axelrod, J. Baldridge, "Mind the GAP: A Balanced Corpus of Gendered
Ambiguous Pronouns", TACL 2018) gives each text one pronoun and two names, as tab-separated values.
Each name becomes one line here: do name and pronoun mean the same person?

    python -m demo.gap gap-validation.tsv -o gap-validation.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

COLUMNS = (
    *("ID", "Text", "Pronoun", "Pronoun-offset"),
    *("A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL"),
)
"""The header of a GAP file."""


class GapError(Exception):
    """A GAP file that is not what it should be; the message says where and what."""


def records(lines: Iterable[str], name: str = "GAP") -> Iterator[dict[str, object]]:
    """Reads GAP's tab-separated lines and gives two records for each.

    Args:
        lines: the header and the rows, with or without their line ends.
        name: what to call the file in an error.

    Yields:
        Records with id, schema_id, text, span1 (the name), span2 (the pronoun), label and url;
        offsets are characters (code points), half open.

    Raises:
        GapError: the header or a row is not GAP's, or an offset does not slice back to its text.
    """
    rows = (line.rstrip("\r\n").split("\t") for line in lines)
    header = next(rows, None)
    if header != list(COLUMNS):
        raise GapError(f"{name} does not start with GAP's header; expected {' '.join(COLUMNS)}")
    for number, values in enumerate(rows, 2):
        if len(values) != len(COLUMNS):
            found = f"{len(values)} fields instead of {len(COLUMNS)}"
            raise GapError(f"{name}, line {number}: {found}")
        row = dict(zip(COLUMNS, values, strict=True))
        try:
            pair = [_record(row, candidate) for candidate in ("A", "B")]
        except ValueError as error:
            raise GapError(f"{name}, line {number}: {error}") from None
        yield from pair


def _record(row: Mapping[str, str], candidate: str) -> dict[str, object]:
    schema = f"gap-{row['ID']}"
    return {
        "id": f"{schema}-{candidate}",
        "schema_id": schema,
        "text": row["Text"],
        "span1": _span(row, candidate),
        "span2": _span(row, "Pronoun"),
        "label": _truth(row, f"{candidate}-coref"),
        "url": row["URL"],
    }


def _span(row: Mapping[str, str], column: str) -> dict[str, object]:
    words, offset = row[column], row[f"{column}-offset"]
    if not offset.isdecimal():
        raise ValueError(f'{column}-offset is "{offset}", which is no number')
    start = int(offset)
    end = start + len(words)
    found = row["Text"][start:end]
    if not words or found != words:
        raise ValueError(f'{column} is "{words}" but at {start} the text has "{found}"')
    return {"text": words, "start": start, "end": end}


def _truth(row: Mapping[str, str], column: str) -> bool:
    if row[column].upper() not in ("TRUE", "FALSE"):
        raise ValueError(f'{column} is "{row[column]}" instead of TRUE or FALSE')
    return row[column].upper() == "TRUE"


def convert(source: Path, target: Path) -> int:
    """Writes the records of a GAP file as JSON Lines.

    Args:
        source: a ``.tsv`` file of GAP, UTF-8.
        target: the file to write; appears only when all of ``source`` was right.

    Returns:
        The number of lines written.

    Raises:
        GapError: see :func:`records`; also where ``source`` cannot be read.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GapError(f"{source} cannot be read: {error}") from None
    # Only "\n" ends a line: a text may hold characters that str.splitlines takes for line ends.
    lines = text.removesuffix("\n").split("\n")
    found = [json.dumps(row, ensure_ascii=False) for row in records(lines, str(source))]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(line + "\n" for line in found), encoding="utf-8", newline="\n")
    return len(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Converts one file; 0 on success, 1 where it is not right."""
    parser = argparse.ArgumentParser(prog="python -m demo.gap", description="GAP to JSON Lines")
    parser.add_argument("source", type=Path, help="gap-development.tsv, -validation or -test")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .jsonl to write")
    options = parser.parse_args(arguments)
    try:
        lines = convert(options.source, options.output)
    except GapError as error:
        print(f"demo.gap: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {lines} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
