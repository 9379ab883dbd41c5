"""Encoder-decoders: a source, and a target that is given or that the model writes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from collateral.schema import Column

from ..encoding import PART_BREAK, Encoded, source_of
from ..errors import BadLine, ExtractError, UsageError
from ..fields import BadRecord, Fields
from ..generation import continued, first_tokens, generate
from .base import Given, Placed, Range, Rows, Source, Tables
from .language_model import LanguageModel
from .points import check_found
from .reading import Parsed, further, identifier, read_each
from .text import Text

if TYPE_CHECKING:
    from ..models import HeadKind, LoadedModel
    from ..records import RecordSource

_KNOWN = {"id", "text", "source", "target"}


@dataclass(frozen=True)
class Transduction(Text):
    """A source with its target.

    Attributes:
        target: what is to be written, None if it is not given.
    """

    target: str | None = None


class Seq2Seq(LanguageModel):
    """Sources and targets; see :class:`~extract.tasks.base.Task`."""

    name = "seq2seq"
    summary = (
        "sources with targets (translation, summaries); --generate N lets the model write them"
    )
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the text (may be missing)",
        "source": "what the encoder reads (text is taken as well)",
        "target": "what the decoder is to write (may be missing with --generate N)",
    }
    head: ClassVar[HeadKind | None] = "seq2seq"

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Text]:
        """Sources and targets, one pair per record."""
        source = read_each(records, self._parse_pair, skip_bad=skip_bad)
        check_found(self._choice, [(one.text, one.words) for one in source.groups])
        return self._sampled(Source(list(source.groups), source.lines, source.bad, source.notes))

    def _parse_pair(self, fields: Fields) -> Parsed[Transduction]:
        name = "source" if "source" in fields else "text"
        text = fields.string(name)
        target = fields.optional_string("target")
        if target is None and not self.options.generate:
            raise BadRecord('has no "target"; give one, or let the model write with --generate N')
        extras, dropped = further(fields, _KNOWN)
        record = fields.record
        group = Transduction(
            identifier(fields),
            text,
            None,
            extras,
            untyped=record.untyped,
            line=record.line,
            target=target,
        )
        return Parsed(group, dropped)

    def given(self, group: Text) -> Given:
        """Source and target; the target is empty until the model has written it."""
        target = "" if self.options.generate else getattr(group, "target", None)
        return Given(group.text, target=target or "")

    def place(self, group: Text, encoded: Encoded) -> tuple[Placed[Text] | None, list[BadLine]]:
        """Points are on one side, the target's if not the source's; items are the target's."""
        placed, bad = super().place(group, encoded)
        if placed is None:
            return None, bad
        return replace(
            placed, text=self.given(group).whole, **self._sides(placed.points, encoded)
        ), []

    def _sides(self, points: Sequence[Range], encoded: Encoded) -> dict[str, Any]:
        cut, count = source_of(encoded), len(encoded)
        low, high = (0, cut) if self.options.side == "source" else (cut, count)
        return {
            "points": tuple((a, b) for a, b in points if low <= a and b <= high),
            "items": tuple((i, i + 1) for i in range(cut, count)),
        }

    def extend(self, placed: Sequence[Placed[Text]], loaded: LoadedModel) -> list[Placed[Text]]:
        """With ``--generate`` every source with the target that the model writes."""
        if not self.options.generate:
            return list(placed)
        if loaded.max_length is not None and self.options.generate >= loaded.max_length:
            raise UsageError(
                f"--generate {self.options.generate} is more than the {loaded.max_length} tokens "
                f"that {loaded.info.name} takes."
            )
        sources = [_source(one.encoded) for one in placed]
        written = generate(loaded, sources, self.options.generate)
        return [self._written(one, loaded, ids) for one, ids in zip(placed, written, strict=True)]

    def _written(self, one: Placed[Text], loaded: LoadedModel, ids: Sequence[int]) -> Placed[Text]:
        start = first_tokens(one.encoded, source_of(one.encoded) + 1)
        before = len(one.source.text) + len(PART_BREAK)
        text, encoded = continued(start, before, loaded.tokenizer, ids)
        whole = one.source.text + PART_BREAK + text
        every = tuple((i, i + 1) for i in range(len(encoded)) if not encoded.special[i])
        points = one.points if self.options.side == "source" else every
        return replace(one, text=whole, encoded=encoded, **self._sides(points, encoded))

    def tables(self, groups: Sequence[Text], loaded: LoadedModel) -> Tables:
        """The columns of scores; where the model writes, what was to be written as well."""
        base = super().tables(groups, loaded)
        if not self.options.generate:
            return base
        gold = Column("text", "target", "What was to be written; empty where it is unknown.")
        return Tables({**base.examples, "target": gold}, base.points, items=base.items)

    def predictor(self, loaded: LoadedModel) -> Any:
        """The model's own head.

        Raises:
            ExtractError: the model is no encoder-decoder.
        """
        if loaded.sides == ("text",):
            raise ExtractError(
                f"{loaded.info.name} ({loaded.info.architecture}) is no encoder-decoder; take "
                "--task language-model for it."
            )
        return super().predictor(loaded)

    def notes(self, groups: Sequence[Text], loaded: LoadedModel) -> list[str]:
        """Where targets and scores come from."""
        if loaded.head is None or not self.options.generate:
            return super().notes(groups, loaded)
        return [
            f"Targets of up to {self.options.generate} tokens were written by the model itself, "
            "the likeliest token at a time; everything comes from one clean pass over source and "
            "target."
        ]

    def rows(self, placed: Placed[Text], predicted: Any) -> Rows:
        """Scores of the target's tokens."""
        rows = super().rows(placed, predicted)
        if not self.options.generate:
            return rows
        gold = getattr(placed.source, "target", None) or ""
        return replace(rows, example={**rows.example, "target": gold})


def _source(encoded: Encoded) -> Encoded:
    return replace(encoded, ids=encoded.ids[: source_of(encoded)])
