"""A view of the files as a report: what the panes show, for a pipe, a log or a script.

:func:`facts` gathers everything as plain numbers and words; as text and Markdown it is written in
``tui/report_text.py``. Nothing here needs a terminal, or knows Textual.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from collateral import Collateral, CollateralError
from collateral.analysis.heads import ranked

from .. import text
from ..asked import options, wanted
from ..asked.naming import Unknown
from ..project import Project, TableName
from ..state import Selection
from ..views.answers import Ints, Missing, Side
from .export import plain, written_json

STRONGEST = 10
"""So many of the strongest heads are listed."""


def facts(project: Project, s: Selection, command: str = "") -> dict[str, Any]:
    """Everything that a report says; numbers as they are, what is undefined as None.

    Args:
        command: the command that shows this view.
    """
    found: dict[str, Any] = {
        "command": command,
        "view": project.describe(s.view),
        "selection": _selection(project, s),
        "files": [_file(project, side) for side in project.sides],
        "scope": _scope(project, s),
        "scores": _scores(project, s),
        "heads": _part(_heads, project, s),
        "distances": _part(_distances, project, s),
        "maps": _maps(project),
    }
    found["warnings"] = _warnings(project, found)
    found["notes"] = [
        f"{file['name']}: {note}" for file in found["files"] for note in file["notes"]
    ]
    checked: dict[str, Any] = plain(found)
    return checked


def _selection(project: Project, s: Selection) -> dict[str, str]:
    """Every option of the selection; left out where there is nothing to choose."""
    found = {
        option.name: option.write(project, s)
        for option in options.OPTIONS
        if all(getattr(s, name) not in ("", None) for name in option.fields)
    }
    return {name: words for name, words in found.items() if words}


def _part(make: Any, project: Project, s: Selection) -> dict[str, Any]:
    """A part of the report, or why it is not there."""
    try:
        made: dict[str, Any] = make(project, s)
        return made
    except Missing as reason:
        return {"missing": str(reason)}


def _file(project: Project, side: Side) -> dict[str, Any]:
    file = project.file(side)
    model = file.meta.model
    return {
        "model": side,
        "name": project.name(side),
        "path": str(file.path),
        "model_name": model.name,
        "revision": model.revision,
        "architecture": model.architecture,
        "layers": model.layers,
        "heads": model.heads,
        "hidden_size": model.hidden_size,
        "task": file.meta.task,
        "counts": dict(file.meta.counts),
        "attention": [
            {"kind": kind.name, "layers": kind.layers, "heads": kind.heads}
            for kind in file.meta.attention
        ],
        "metrics": list(project.metrics),
        "notes": list(file.meta.notes),
    }


def _scope(project: Project, s: Selection) -> dict[str, Any]:
    rows = project.scope(s)
    count = project.limits.examples if rows is None else len(rows)
    return {"over": s.scope, "examples": count, "of": project.limits.examples}


# -- scores ------------------------------------------------------------------------------------


def _scores(project: Project, s: Selection) -> list[dict[str, Any]]:
    """Share that is right and mean score, per table that knows of it, over the scope."""
    tables: tuple[TableName, ...] = ("examples", "pairs", "items")
    found = [_score(project, s, table, role) for table in tables for role in ("correct", "score")]
    return [entry for entry in found if entry is not None]


def _score(project: Project, s: Selection, table: TableName, role: str) -> dict[str, Any] | None:
    values: dict[str, Any] = {}
    title, inside = "", project.scope(s)
    for side in project.sides:
        numbers, title = _column(project.file(side), table, role)
        if numbers is None:
            return None
        if inside is not None:
            owners = _owners(project.file(side), table)
            numbers = numbers[np.isin(owners, np.fromiter(inside, dtype=np.int64))]
        values[side] = numbers
    if all(np.isnan(numbers).all() for numbers in values.values()):
        return None
    entry: dict[str, Any] = {
        "table": table,
        "what": "share right" if role == "correct" else f"mean {title}",
        "values": {side: _mean(numbers) for side, numbers in values.items()},
        "n": {side: int(np.isfinite(numbers).sum()) for side, numbers in values.items()},
    }
    if len(values) == 2:  # items may be other ones in each file
        same = table != "items" and len(values["A"]) == len(values["B"])
        entry["difference"] = _mean(values["B"] - values["A"]) if same else None
    return entry


def _owners(file: Collateral, table: TableName) -> Ints:
    """Example of each row of a table."""
    if table == "examples":
        return np.arange(len(file.examples), dtype=np.int32)
    return file.pair_examples if table == "pairs" else file.item_examples


def _mean(numbers: Any) -> float | None:
    known = numbers[np.isfinite(numbers)]
    return float(known.mean()) if len(known) else None


def _column(file: Collateral, table: TableName, role: str) -> tuple[Any, str]:
    """The numbers in the column with a role, NaN where unknown; its title."""
    columns = getattr(file, table)
    name = columns.with_role(role)
    kind = columns.columns.get(name) if name else None
    if name is None or kind != ("boolean" if role == "correct" else "continuous"):
        return None, ""
    title = columns.describe(name).title or name
    if kind == "continuous":
        return columns[name], title
    codes = columns.codes(name)[0]
    return np.where(codes < 0, np.nan, codes.astype(np.float64)), title


# -- heads, distances, maps --------------------------------------------------------------------


def _heads(project: Project, s: Selection) -> dict[str, Any]:
    found = project.head_view(s)
    best = ranked(found.values, STRONGEST, by_magnitude=found.difference)
    return {
        "metric": s.metric,
        "title": found.title,
        "meaning": found.meaning,
        "kind": s.kind,
        "view": project.short(s.view),
        "difference": found.difference,
        "over": found.over,
        "range": [found.low, found.high],
        "baseline": found.baseline,
        "values": found.values,
        "chosen": {"head": s.head_name, "value": found.values[s.head_layer, s.head]},
        "strongest": [
            {"head": f"{layer}.{head}", "value": np.float32(value)} for layer, head, value in best
        ],
    }


def _distances(project: Project, s: Selection) -> dict[str, Any]:
    found = project.distance_view(s)
    return {
        "measure": found.measure,
        "grouping": s.grouping,
        "title": found.title,
        "view": project.short(s.view),
        "difference": found.difference,
        "over": found.over,
        "interval": "95 %, bootstrap over examples",
        "groups": [
            {
                "label": curve.label,
                f"{found.unit}s": curve.pairs,
                "examples": curve.examples,
                "behind": [
                    {"of": of, f"{found.unit}s": units, "examples": examples}
                    for of, units, examples in behind
                ],
                "mean": curve.mean,
                "low": curve.low,
                "high": curve.high,
            }
            for curve, behind in zip(found.curves, found.behind, strict=True)
        ],
        "warning": found.warning,
        "note": found.note,
    }


def _maps(project: Project) -> dict[str, Any]:
    """How faithful the map of each layer is, by measure and model."""
    return {side: project.file(side).quality for side in project.sides}


def _warnings(project: Project, found: dict[str, Any]) -> list[str]:
    """What a reader must know before believing the numbers."""
    said = [found[part]["missing"] for part in ("heads", "distances") if "missing" in found[part]]
    if warning := found["distances"].get("warning"):
        said.append(warning)
    small = [g["label"] for g in found["distances"].get("groups", ()) if g["examples"] < 2]
    if small:
        said.append(f"No interval with fewer than two examples: {', '.join(small)}.")
    if not project.points.shared:
        said.append("The two files have points of their own; their maps are of other points.")
    return said


# -- as a command ------------------------------------------------------------------------------


def run(
    project: Project,
    asked: wanted.Wanted,
    files: Sequence[str],
    form: str | None,
    width: int,
    ascii_only: bool,
) -> int:
    """Prints a report; the exit status.

    Args:
        files: the words of a command that stand for the files.
        form: "text", "markdown" or "json"; None is text.
        width: of the text, in cells.
    """
    try:
        s = wanted.apply(project, project.first_selection(), asked.texts)
        command = wanted.command(project, s, asked.pane, [*files, "--report"])
        found = facts(project, s, shlex.join(command))
    except (CollateralError, Unknown) as reason:
        print(f"interpret-tui: {text.clean(str(reason))}", file=sys.stderr)
        return 2 if isinstance(reason, Unknown) else 1
    if form == "json":
        words = written_json(found)
    else:
        from .report_text import as_markdown, as_text

        plain_only = ascii_only or not _takes_signs()
        words = as_markdown(found, plain_only) if form == "markdown" else ""
        words = words or as_text(found, width, plain_only)
    try:
        sys.stdout.write(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _takes_signs() -> bool:
    """Whether the output can hold more than ASCII."""
    try:
        "−×§".encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
