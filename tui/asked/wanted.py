"""What a command line asks to see, and the command that shows a selection.

Nothing here is slow to import: the command line needs it before the first frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import state
from ..actions import PANES, PaneName
from ..state import Limits, Selection
from .options import BY_NAME, OPTIONS, Option

if TYPE_CHECKING:
    from ..project import Project


@dataclass(frozen=True)
class Wanted:
    """What the command line asks to see, not yet held against any file.

    Attributes:
        texts: value by name of the option, as it was written.
        pane: the pane that the keys go to first; None if it was left open.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    pane: PaneName | None = None

    def __bool__(self) -> bool:
        """Whether any part of the view was asked for."""
        return bool(self.texts) or self.pane is not None


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds every option of the table to a command line."""
    group = parser.add_argument_group(
        "what is shown first",
        "Inside, Y copies the command of what is shown. Names are those of the files; one that is "
        "not found is answered with those there are.",
    )
    group.add_argument("--pane", choices=PANES, help="pane that the keys go to")
    for option in OPTIONS:
        if option.metavar is None:
            switch = argparse.BooleanOptionalAction
            group.add_argument(f"--{option.name}", action=switch, help=option.help)
        else:
            group.add_argument(f"--{option.name}", metavar=option.metavar, help=option.help)


def read(parsed: argparse.Namespace) -> Wanted:
    """What a parsed command line asks to see."""
    texts: dict[str, str] = {}
    for option in OPTIONS:
        value = getattr(parsed, option.name.replace("-", "_"))
        if value is not None:
            texts[option.name] = value if isinstance(value, str) else "yes" if value else "no"
    return Wanted(texts, parsed.pane)


def apply(project: Project, s: Selection, texts: Mapping[str, str]) -> Selection:
    """The selection with these options, in the order of the table.

    Raises:
        Unknown: the files have nothing by that name.
    """
    for option in OPTIONS:
        if option.name in texts:
            s = _applied(project, s, option, texts[option.name])
    return s


def _applied(project: Project, s: Selection, option: Option, words: str) -> Selection:
    return project.settled(state.valid(option.read(project, s, words), project.limits))


def difference(project: Project, first: Selection, s: Selection) -> Iterator[tuple[str, str]]:
    """The options (name, text) that lead from one selection to another."""
    for option in OPTIONS:
        if any(getattr(first, name) != getattr(s, name) for name in option.fields):
            words = option.write(project, s)
            yield option.name, words
            first = _applied(project, first, option, words)


def check(project: Project, asked: Wanted) -> None:
    """Whether these files can follow the options, without looking at their numbers.

    Raises:
        Unknown: they can't.
    """
    apply(
        project,
        state.valid(Selection(kind=_likely_kind(project.limits)), project.limits),
        asked.texts,
    )


def _likely_kind(limits: Limits) -> str:
    names = [kind.name for kind in limits.kinds]
    return "cross" if "cross" in names else names[0] if names else "self"


def command(
    project: Project, s: Selection, pane: PaneName | None, files: Sequence[str]
) -> list[str]:
    """The words of the command that shows this selection, with only what differs from the first.

    The pane is always named: a command that names any part of the view shows the same for
    everyone, whatever their settings.

    Args:
        files: what stands for the files: their paths with options, or ``--demo``.
    """
    words = ["interpret-tui", *files]
    if pane is not None:
        words += ["--pane", pane]
    for name, value in difference(project, project.first_selection(), s):
        if BY_NAME[name].metavar is None:
            words.append(f"--{name}" if value == "yes" else f"--no-{name}")
        elif value.startswith("-"):
            words.append(f"--{name}={value}")
        else:
            words += [f"--{name}", value]
    return words
