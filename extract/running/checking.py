"""What a task gives, held against what a task is to give: a plug-in's mistakes are called its own.

Built-in tasks pass through the same checks; they cost a few comparisons per example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import plugins
from ..errors import BadLine
from ..saying import many
from ..tasks.base import Placed, Range, Rows, Source, Task


def read(task: Task[Any], given: object) -> Source[Any]:
    """What ``read`` gave.

    Raises:
        ExtractError: it is not what it is to be, and the task is a plug-in's.
        ValueError: so, and the task is built in.
    """
    if not isinstance(given, Source):
        raise plugins.fault(type(task), f"read gave {_kind(given)}, not a Source")
    return given


def placed(task: Task[Any], given: object) -> tuple[Placed[Any] | None, list[BadLine]]:
    """What ``place`` gave: an example whose ranges lie among its tokens.

    Raises:
        ExtractError, ValueError: as :func:`read`.
    """
    if not isinstance(given, tuple) or len(given) != 2:
        raise plugins.fault(
            type(task), f"place gave {_kind(given)}, not a Placed (or None) and a list of BadLine"
        )
    one, bad = given
    if one is not None:
        _check_placed(task, "place", one)
    return one, list(bad)


def extended(
    task: Task[Any], before: Sequence[Placed[Any]], given: Sequence[object]
) -> list[Placed[Any]]:
    """What ``extend`` gave: as many examples as there were.

    Raises:
        ExtractError, ValueError: as :func:`read`.
    """
    if len(given) != len(before):
        what = f"extend gave {many(len(given), 'example')} for {len(before):,}"
        raise plugins.fault(type(task), what)
    return [_check_placed(task, "extend", one) for one in given]


def predictions(predictor: object, given: object, count: int) -> list[Any]:
    """What a predictor gave: one prediction for each example of a batch.

    Raises:
        ExtractError, ValueError: as :func:`read`.
    """
    if not isinstance(given, list) or len(given) != count:
        size = f" of {len(given)}" if isinstance(given, (list, tuple)) else ""
        raise plugins.fault(
            type(predictor),
            f"predict gave {_kind(given)}{size}, not a list of one for each of "
            f"{many(count, 'example')}",
        )
    return given


def chosen(task: Task[Any], one: Placed[Any], points: Sequence[Range]) -> tuple[Range, ...]:
    """What ``points_after`` gave: some of the example's points.

    Raises:
        ExtractError, ValueError: as :func:`read`.
    """
    for span in points:
        if span not in one.points:
            raise plugins.fault(
                type(task), f"points_after gave {span}, which is no point of the example {one.id}"
            )
    return tuple(points)


def rows(task: Task[Any], one: Placed[Any], given: object) -> Rows:
    """What ``rows`` gave: values for each point, pair and item of the example.

    Raises:
        ExtractError, ValueError: as :func:`read`.
    """
    if not isinstance(given, Rows):
        raise plugins.fault(type(task), f"rows gave {_kind(given)}, not Rows")
    items = len(one.items) or len(given.items)  # items may be about no tokens
    for name, count, wanted in (
        ("points", len(given.points), len(one.points)),
        ("pairs", len(given.pairs), len(one.pairs)),
        ("items", len(given.items), items),
    ):
        if count != wanted:
            raise plugins.fault(
                type(task),
                f"rows gave values of {count:,} {name} for the {wanted:,} {name} of the example "
                f"{one.id}",
            )
    return given


def _check_placed(task: Task[Any], method: str, one: object) -> Placed[Any]:
    def wrong(what: str) -> Exception:
        return plugins.fault(type(task), f"{method} gave {what}")

    if not isinstance(one, Placed):
        raise wrong(f"{_kind(one)}, not a Placed")
    if plugins.owner(type(task)) is not None:
        count = len(one.encoded)
        spans = [span for pair in one.pairs for span in (pair.span1, pair.span2)]
        _check_spans([*one.points, *spans], count, one.id, wrong)
        _check_spans([item for item in one.items if item != (0, 0)], count, one.id, wrong)
    return one


def _check_spans(
    spans: Sequence[Any], count: int, name: str, wrong: Callable[[str], Exception]
) -> None:
    for span in spans:
        if not (isinstance(span, tuple) and len(span) == 2 and 0 <= span[0] < span[1] <= count):
            raise wrong(
                f"the range {span!r} in the example {name}, which is no half-open range among its "
                f"{many(count, 'token')}"
            )


def _kind(given: object) -> str:
    return "nothing" if given is None else f"a {type(given).__name__}"
