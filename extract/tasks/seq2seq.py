"""Encoder-decoders: a source, and a target that is given or that the model writes itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from collateral.schema import Column

from ..data.encoding import PART_BREAK, Encoded, source_of
from ..data.fields import BadRecord, Fields
from ..errors import BadLine, ExtractError, UsageError
from ..saying import many
from .base import Given, Placed, Predictor, Rows, Source, Tables, TaskOptions
from .generation import continued, first_tokens, generate
from .language_model import LanguageModel
from .points import check_found, parse_points
from .reading import Parsed, further, identifier, read_each
from .text import Text, about_tokens

if TYPE_CHECKING:
    from ..data.records import RecordSource
    from ..models import HeadKind, LoadedModel

_KNOWN = {"id", "text", "source", "target"}
_CHOICES = ("all", "sample", "regex", "first", "last", "mean")
_GOLD = Column(
    "text", "target", "What was to be written; empty where it is unknown. The model wrote its own."
)


@dataclass(frozen=True)
class Transduction(Text):
    """A source, which is the text, with its target.

    Attributes:
        target: what is to be written, "" if it is not known.
    """

    target: str = ""


class Seq2Seq(LanguageModel):
    """Sources and targets; see :class:`~extract.tasks.base.Task`."""

    name = "seq2seq"
    summary = (
        "sources with targets (translation, summaries); --generate N lets the model write them"
    )
    fields: ClassVar[Mapping[str, str]] = {
        "id": "name of the text (may be missing)",
        "source": "what the encoder reads (also called text)",
        "target": "what the decoder is to write (may be missing with --generate N)",
    }
    also = ("text",)
    head: ClassVar[HeadKind | None] = "seq2seq"
    writes = True

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        if self.options.points:
            self._choice = parse_points(self.options.points, self.name, _CHOICES)
        self._of_source = self.options.side == "source"

    def read(self, records: RecordSource, *, skip_bad: bool) -> Source[Text]:
        """Sources and targets, one pair per record."""
        source = read_each(records, self._parse_pair, skip_bad=skip_bad)
        if self._of_source or not self.options.generate:  # else the texts are not known yet
            check_found(self._choice, [(self._side_text(one), None) for one in source.groups])
        return self._sampled(Source(list(source.groups), source.lines, source.bad, source.notes))

    def _parse_pair(self, fields: Fields) -> Parsed[Transduction]:
        text = fields.string("text" if "text" in fields and "source" not in fields else "source")
        target = None
        if not self.options.generate or fields.get("target") != "":
            target = fields.optional_string("target")
        if target is None and not self.options.generate:
            raise BadRecord(
                'has no "target"; name its column with --map target=COLUMN, or let the model write '
                "with --generate N"
            )
        extras, dropped = further(fields, _KNOWN)
        record = fields.record
        group = Transduction(
            identifier(fields),
            text,
            None,
            extras,
            untyped=record.untyped,
            line=record.line,
            target=target or "",
        )
        return Parsed(group, dropped)

    def given(self, group: Text) -> Given:
        """Source and target; the target is empty until the model has written it."""
        return Given(group.text, target="" if self.options.generate else _target(group))

    def _side_text(self, group: Text) -> str:
        return group.text if self._of_source else _target(group)

    def _size(self, group: Text) -> int:
        if self.options.generate and not self._of_source:
            return self.options.generate
        return about_tokens(self._side_text(group))

    def place(self, group: Text, encoded: Encoded) -> tuple[Placed[Text] | None, list[BadLine]]:
        """Points are on one side, the target's if not the source's; items are the target's."""
        cut = source_of(encoded)
        parts = [("source", encoded.special[:cut])]
        if not self.options.generate and encoded.source is not None:
            parts.append(("target", encoded.special[cut:]))
        for name, special in parts:
            if bool(special.all()):
                return None, [BadLine(self.options.data, group.line, f"its {name} has no token")]
        text = self.given(group).whole
        return Placed(
            group.id, text, encoded, group, **self._ranges(group, self._side_text(group), encoded)
        ), []

    def _ranges(self, group: Text, text: str, encoded: Encoded) -> dict[str, Any]:
        """Points and items; ``text`` is that of the points' side."""
        cut, count = source_of(encoded), len(encoded)
        low, high = (0, cut) if self._of_source else (cut, count)
        before = 0 if self._of_source else len(group.text) + len(PART_BREAK)
        chosen = self._chosen(group, text, _part(encoded, low, high, before), ())
        return {
            "points": tuple((low + start, low + stop) for start, stop in chosen),
            "items": tuple((i, i + 1) for i in range(cut, count)),
        }

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The model's own head, if the checkpoint has it.

        Raises:
            ExtractError: the model is no encoder-decoder, or cannot write and is to.
        """
        if loaded.sides == ("text",):
            raise ExtractError(
                f"{loaded.info.name} ({loaded.info.architecture}) is no encoder-decoder; take "
                "--task language-model for it."
            )
        return self._predictor(loaded)

    def _check_room(self, loaded: LoadedModel) -> None:
        most, room = self.options.generate, loaded.max_length
        if room is not None and most >= room:
            raise UsageError(
                f"{loaded.info.name} takes {room} tokens, and the first one starts the target; "
                f"give --generate {room - 1} at most."
            )

    def extend(self, placed: Sequence[Placed[Text]], loaded: LoadedModel) -> list[Placed[Text]]:
        """With ``--generate`` every source with the target that the model writes."""
        if loaded.head is None or not self.options.generate:
            return super().extend(placed, loaded)
        sources = [first_tokens(one.encoded, source_of(one.encoded)) for one in placed]
        written = generate(loaded, sources, self.options.generate)
        return [self._written(one, loaded, ids) for one, ids in zip(placed, written, strict=True)]

    def _written(self, one: Placed[Text], loaded: LoadedModel, ids: Sequence[int]) -> Placed[Text]:
        start = first_tokens(one.encoded, source_of(one.encoded) + 1)
        text, encoded = continued(start, one.text, loaded.tokenizer, ids)
        target = one.source.text if self._of_source else text[len(one.text) :]
        return replace(one, text=text, encoded=encoded, **self._ranges(one.source, target, encoded))

    def _own_columns(self, loaded: LoadedModel) -> Tables:
        own = super()._own_columns(loaded)
        points = dict(own.points)
        if self._of_source:  # nothing is said of a source's tokens
            points = {"word": points["word"]}
        gold = {"target": _GOLD} if self.options.generate else {}
        return replace(own, examples={**own.examples, **gold}, points=points)

    def notes(self, groups: Sequence[Text], loaded: LoadedModel) -> list[str]:
        """Where targets and scores come from."""
        if loaded.head is None or not self.options.generate:
            return super().notes(groups, loaded)
        return [
            f"Targets of up to {many(self.options.generate, 'token')} were written by the model "
            "itself, the likeliest token at a time; everything comes from one clean pass over "
            "source and target."
        ]

    def rows(self, placed: Placed[Text], predicted: Any) -> Rows:
        """Scores of the target's tokens."""
        rows = super().rows(placed, predicted)
        if self._of_source:
            rows = replace(rows, points=[{"word": values["word"]} for values in rows.points])
        if not self.options.generate:
            return rows
        return replace(rows, example={**rows.example, "target": _target(placed.source)})

    def _mark(self, what: Any) -> dict[str, Any]:
        return {}  # the whole target is written, or none of it


def _target(group: Text) -> str:
    return group.target if isinstance(group, Transduction) else ""


def _part(encoded: Encoded, low: int, high: int, before: int) -> Encoded:
    """The tokens of one side as an example of their own; ``before`` characters precede its text."""
    special = encoded.special[low:high]
    offsets = encoded.offsets[low:high] - np.int32(before)
    offsets[special] = 0
    return replace(
        encoded,
        ids=encoded.ids[low:high],
        offsets=offsets,
        special=special,
        words=encoded.words[low:high],
        full_offsets=offsets,
        full_special=special,
        source=None,
    )
