"""Chooses the demo's texts: short excerpts, so that whole attention maps fit into a small file.

GAP's texts are snippets of about 90 word pieces, mostly with sentences that hold none of the three
mentions. A map grows with the square of the length, so a text is cut to the sentences from the
first mention to the last, and the shortest excerpts are taken. Words, labels and ids stay as they
are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from extract.data.pairs import PairRecord, Span, TextGroup

# A sentence ends with . ! or ? and perhaps a closing quote, before a space and a capital letter.
# Abbreviations ("St. John") are taken for ends too, which only makes an excerpt a little shorter.
_END = re.compile(r"""[.!?](?:''|["”’)])?\s+(?=["“(`]*[^\W\d_a-z])""")


@dataclass(frozen=True)
class Chosen:
    """The demo's texts, shortest first.

    Attributes:
        groups: excerpts with their pairs.
        tokens: word pieces of each.
    """

    groups: tuple[TextGroup, ...]
    tokens: tuple[int, ...]


def excerpt(group: TextGroup) -> TextGroup:
    """Cuts a text to its sentences from the first mention to the last, and moves the offsets."""
    spans = [span for record in group.records for span in (record.span1, record.span2)]
    cuts = [0, *(end.end() for end in _END.finditer(group.text)), len(group.text)]
    start = max(cut for cut in cuts if cut <= min(span.start for span in spans))
    stop = min(cut for cut in cuts if cut >= max(span.end for span in spans))
    text = group.text[start:stop].rstrip()

    def moved(span: Span) -> Span:
        return Span(span.text, span.start - start, span.end - start)

    records = tuple(
        replace(record, text=text, span1=moved(record.span1), span2=moved(record.span2))
        for record in group.records
    )
    return TextGroup(group.id, text, records)


def choose(groups: Iterable[TextGroup], length: Callable[[str], int], texts: int) -> Chosen:
    """The shortest excerpts.

    Args:
        groups: texts with their pairs.
        length: counts the word pieces of a text.
        texts: how many to take.

    Raises:
        ValueError: there are fewer than ``texts``.
    """
    ranked = sorted(
        ((length(cut.text), cut.id, cut) for cut in map(excerpt, groups)), key=lambda row: row[:2]
    )
    if len(ranked) < texts:
        raise ValueError(f"there are {len(ranked)} texts and {texts} are asked for")
    return Chosen(tuple(row[2] for row in ranked[:texts]), tuple(row[0] for row in ranked[:texts]))


def write(groups: Sequence[TextGroup], path: Path) -> None:
    """Writes texts as JSON Lines, in the form that they were read from.

    Raises:
        ValueError: a span does not slice back to its text.
    """
    lines = [
        json.dumps(_row(g, record), ensure_ascii=False) for g in groups for record in g.records
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")


def _row(group: TextGroup, record: PairRecord) -> dict[str, object]:
    row: dict[str, object] = {"id": record.id, "schema_id": group.id, "text": group.text}
    for name, span in (("span1", record.span1), ("span2", record.span2)):
        if group.text[span.start : span.end] != span.text:
            raise ValueError(f"{record.id}: {name} does not slice back to {span.text!r}")
        row[name] = {"text": span.text, "start": span.start, "end": span.end}
    return {**row, "label": record.label, **record.extras}
