"""Reading records one by one, where every record is an example."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..data.fields import BadRecord, Fields, Value
from ..errors import BadLine
from .base import Source

if TYPE_CHECKING:
    from ..data.records import RecordSource


class _Named(Protocol):
    @property
    def id(self) -> str: ...


G = TypeVar("G", bound=_Named)


@dataclass(frozen=True)
class Parsed(Generic[G]):
    """An example as a record gives it.

    Attributes:
        group: the example.
        dropped: names of the fields that are not kept.
    """

    group: G
    dropped: Sequence[str] = ()


def read_each(
    records: RecordSource, parse: Callable[[Fields], Parsed[G]], *, skip_bad: bool
) -> Source[G]:
    """One example of each record; ids must differ.

    Args:
        records: the data.
        parse: makes an example of a record, or raises :class:`BadRecord`.
        skip_bad: collect bad records instead of stopping at the first.

    Raises:
        BadLine: a record cannot be used (only without ``skip_bad``).
        ExtractError: the data cannot be read.
    """
    groups: list[G] = []
    seen: dict[str, int] = {}
    bad: list[BadLine] = []
    dropped: dict[str, None] = {}
    lines = 0
    for one in records:
        lines += 1
        try:
            if isinstance(one, BadLine):
                raise BadRecord(one.what)
            parsed = parse(Fields(one))
            name = parsed.group.id
            if name in seen:
                raise BadRecord(f'the id "{name}" was used in line {seen[name]} already')
        except BadRecord as error:
            problem = records.bad(one.line, str(error))
            if not skip_bad:
                raise problem from None
            bad.append(problem)
            continue
        seen[name] = one.line
        dropped.update(dict.fromkeys(parsed.dropped))
        groups.append(parsed.group)
    notes = []
    if dropped:
        notes.append(f"Fields that hold lists or objects were not kept: {', '.join(dropped)}.")
    return Source(groups, lines, bad, notes)


def identifier(fields: Fields) -> str:
    """The record's ``id``, else the number of its line."""
    return fields.identifier("id", default=str(fields.record.line))


def further(
    fields: Fields, known: Collection[str], kept: Collection[str] = ()
) -> tuple[Mapping[str, Value], list[str]]:
    """The further simple fields, and the names of those that are lists or objects.

    Args:
        fields: the record.
        known: what the task reads itself.
        kept: lists that are kept otherwise.
    """
    extras, dropped = fields.extras(known)
    return extras, [name for name in dropped if name not in kept]
