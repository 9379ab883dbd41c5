"""A report as text for people, in a given width, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import text

Grid = Sequence[Sequence[float | None]]

_LEAST_WIDTH = 40
_COUNTED = ("examples", "points", "pairs", "items")


def as_text(found: Mapping[str, Any], width: int = 80, ascii_only: bool = False) -> str:
    """The report in lines of at most ``width`` cells (40 at least)."""
    width = max(_LEAST_WIDTH, width)
    lines: list[str] = []
    for line in _text(found, width, ascii_only):
        lines += _wrapped(text.clean(line, ascii_only), width)
    return "".join(f"{line}\n" for line in lines)


def _text(found: Mapping[str, Any], width: int, ascii_only: bool) -> Iterator[str]:
    yield from _head(found)
    if found["scores"]:
        yield from ("", "Scores", *_columns(_score_table(found), width))
    heads = found["heads"]
    if "missing" not in heads:
        yield from ("", f"Heads: {heads['view']} · {heads['title']}", f"  {heads['over']}")
        if heads["baseline"] is not None:
            yield f"  baseline {exact(heads['baseline'])}"
        yield from _grid(heads["values"], heads["difference"], width)
        yield f"  {_order(heads)}: {', '.join(_strongest(heads))}"
        yield f"  chosen: {_chosen(heads)}"
    distances = found["distances"]
    if "missing" not in distances:
        yield from ("", f"Distances: {distances['view']} · {distances['title']}")
        for group in distances["groups"]:
            yield f"  {group['label']}: {_behind(group)}"
        yield f"  mean [{distances['interval']}] by layer, 0 is the embeddings"
        yield from _columns(_distance_table(distances), width)
        if distances["note"]:
            yield f"  {distances['note']}"
    if any(found["maps"].values()):
        yield from ("", "Faithfulness of the maps, by layer")
        yield from _columns(_map_table(found["maps"]), width)
    if found["warnings"]:
        yield from ("", "Warnings")
        yield from (f"  ! {warning}" for warning in found["warnings"])
    if found["notes"]:
        yield from ("", "Notes", *(f"  {note}" for note in found["notes"]))


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    """The command, the files, what averages are over."""
    if found["command"]:
        yield f"$ {found['command']}"
    for file in found["files"]:
        yield f"{file['model']} {file['name']}: {_model(file)}"
    counts = [file["counts"] for file in found["files"]]
    numbers = {what: [one.get(what, 0) for one in counts] for what in (*_COUNTED, "attention")}
    said = [_number(numbers[what], what[:-1]) for what in _COUNTED if any(numbers[what])]
    if any(numbers["attention"]):
        said.append(f"attention of {_number(numbers['attention'])}")
    yield f"task {found['files'][0]['task']}: {', '.join(said)}"
    scope = found["scope"]
    yield f"showing {found['view']}, over {_over(scope)}"


def _number(counts: Sequence[int], word: str = "") -> str:
    """A number of something; of both files, A first, where these differ."""
    *first, last = dict.fromkeys(counts)
    both = "".join(f"{count:,} and " for count in first)
    return f"{both}{text.many(last, word) if word else f'{last:,}'}"


def _model(file: Mapping[str, Any]) -> str:
    size = f"{file['layers']} layers of {file['heads']} heads, width {file['hidden_size']}"
    return f"{file['model_name']}, {file['architecture']}, {size}"


def _over(scope: Mapping[str, Any]) -> str:
    if scope["over"] == "all":
        return f"all {text.many(scope['of'], 'example')}"
    which = "this example" if scope["over"] == "example" else f"{scope['over']} examples"
    return f"{which}: {scope['examples']:,} of {scope['of']:,}"


# -- numbers -----------------------------------------------------------------------------------


def exact(value: float | None, signed: bool = False) -> str:
    """A number to four significant digits; with its sign if it is a difference."""
    if value is None:
        return "undefined"
    return (f"{value:+.4g}" if signed else f"{value:.4g}").replace("-", "−")


def _factor(values: Grid) -> int:
    """The power of ten that leaves small numbers some digits: the largest gets .1 or more."""
    most = max((abs(v) for row in values for v in row if v is not None), default=0.0)
    factor = 1
    while 0 < most < 0.03 and most * factor < 0.1 and factor < 10**9:
        factor *= 10
    return factor


def _short(value: float | None, signed: bool, factor: int, decimals: int) -> str:
    """A cell of the grid; "~" for a number that is not zero but rounds to it, as in the pane."""
    if value is None:
        return "?"
    if value == 0:
        return "0"
    words = f"{value * factor:{'+' if signed else ''}.{decimals}f}"
    if not float(words):
        return "~"
    return re.sub(r"^([+-]?)0\.", r"\1.", words).replace("-", "−")


# -- parts -------------------------------------------------------------------------------------


def _grid(values: Grid, signed: bool, width: int) -> Iterator[str]:
    """Layers down, heads across, in as many blocks as the width needs."""
    factor = _factor(values)
    most = max((abs(v) for row in values for v in row if v is not None), default=0.0) * factor
    decimals = 3 if most < 1 else 2 if most < 100 else 0
    cells = [[_short(value, signed, factor, decimals) for value in row] for row in values]
    heads = len(cells[0]) if cells else 0
    size = max((len(cell) for row in cells for cell in row), default=1)
    size = max(size, len(str(max(0, heads - 1)))) + 1
    label = len(str(max(0, len(cells) - 1))) + 2
    if factor > 1:
        yield f"  cells ×{factor:,}"
    each = max(1, (width - label) // size)
    for first in range(0, heads, each):
        block = range(first, min(first + each, heads))
        yield " " * label + "".join(f"{head:>{size}}" for head in block)
        for layer, row in enumerate(cells):
            numbers = "".join(f"{row[head]:>{size}}" for head in block)
            yield f"{layer:>{label}}{numbers}"
    signs = {"?": "undefined", "~": "not zero, but rounds to it"}
    said = [f"{sign} {means}" for sign, means in signs.items() if any(sign in row for row in cells)]
    if said:
        yield f"  {', '.join(said)}"


def _order(heads: Mapping[str, Any]) -> str:
    return "most changed" if heads["difference"] else "highest"


def _strongest(heads: Mapping[str, Any]) -> list[str]:
    signed = heads["difference"]
    return [f"{one['head']} {exact(one['value'], signed)}" for one in heads["strongest"]]


def _chosen(heads: Mapping[str, Any]) -> str:
    chosen = heads["chosen"]
    return f"{chosen['head']} {exact(chosen['value'], heads['difference'])}"


def _behind(group: Mapping[str, Any]) -> str:
    unit = "pair" if "pairs" in group else "point"
    parts = [(part["of"], part[f"{unit}s"], part["examples"]) for part in group["behind"]]
    return text.behind(parts, unit)


Table = list[list[str]]


def _score_table(found: Mapping[str, Any]) -> Table:
    two = len(found["files"]) == 2
    sides = [file["model"] for file in found["files"]]
    table = [["", *sides, *(["B−A"] if two else []), "n"]]
    for score in found["scores"]:
        counts = [f"{n:,}" for n in score["n"].values()]
        row = [f"{score['table']}: {score['what']}"]
        row += [exact(score["values"][side]) for side in sides]
        if two:
            change = score.get("difference")
            row.append("" if change is None else exact(change, signed=True))
        table.append([*row, " and ".join(dict.fromkeys(counts))])
    return table


def _distance_table(distances: Mapping[str, Any]) -> Table:
    groups, signed = distances["groups"], distances["difference"]
    table = [["layer", *(group["label"] for group in groups)]]
    for layer in range(len(groups[0]["mean"]) if groups else 0):
        row = [str(layer)]
        for group in groups:
            low, high = (exact(group[end][layer], signed) for end in ("low", "high"))
            interval = "" if group["low"][layer] is None else f" [{low}, {high}]"
            row.append(f"{exact(group['mean'][layer], signed)}{interval}")
        table.append(row)
    return table


def _map_table(maps: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Table:
    columns = {
        f"{name} {side}" if len(maps) > 1 else name: values
        for side, qualities in maps.items()
        for name, values in qualities.items()
    }
    layers = max((len(values) for values in columns.values()), default=0)
    rows = [
        [str(layer), *(exact(values[layer]) for values in columns.values())]
        for layer in range(layers)
    ]
    return [["layer", *columns], *rows]


# -- layout ------------------------------------------------------------------------------------


def _columns(table: Table, width: int) -> Iterator[str]:
    """A table in columns, the first repeated in every block that the width allows."""
    sizes = [_size(table, n, width // 2) for n in range(len(table[0]))]
    first = 1
    while first < len(sizes):
        last, taken = first + 1, sizes[0] + 2 + sizes[first] + 2
        while last < len(sizes) and taken + sizes[last] + 2 <= width:
            taken += sizes[last] + 2
            last += 1
        for row in table:
            cells = [text.fit(row[0], min(sizes[0], width - 4 - sizes[first]))]
            cells += [text.fit(row[n], sizes[n], "right") for n in range(first, last)]
            yield "  " + "  ".join(cells).rstrip()
        first = last


def _size(table: Table, column: int, room: int) -> int:
    """Cells of a column: words may be cut to fit the room, numbers are not."""
    if column == 0:
        return min(room, max(text.width(row[0]) for row in table))
    numbers = max((text.width(row[column]) for row in table[1:]), default=0)
    return max(numbers, min(room, text.width(table[0][column])))


def _wrapped(line: str, width: int) -> Iterator[str]:
    """A line in pieces of at most ``width`` cells, broken at blanks if there are any."""
    indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 4)
    while text.width(line) > width:
        piece, taken = "", 0
        for cluster, cells in text.clusters(line):
            if taken + cells > width:
                break
            piece, taken = piece + cluster, taken + cells
        at = piece.rfind(" ")
        at = at if at > len(indent) else len(piece)
        yield line[:at].rstrip()
        line = indent + line[at:].lstrip()
    yield line


# -- Markdown ----------------------------------------------------------------------------------


def as_markdown(found: Mapping[str, Any], ascii_only: bool = False) -> str:
    """The report as Markdown, with tables of any width."""
    return "".join(f"{text.clean(line, ascii_only)}\n" for line in _markdown(found))


def _markdown(found: Mapping[str, Any]) -> Iterator[str]:
    yield from ("# interpret-tui report", "")
    if found["command"]:
        yield from ("```sh", found["command"].replace("```", "'''"), "```", "")
    yield from (f"- {_escaped(line)}" for line in _head({**found, "command": ""}))
    if found["scores"]:
        yield from ("", "## Scores", "", *_markdown_table(_score_table(found)))
    heads = found["heads"]
    if "missing" not in heads:
        yield from ("", f"## Heads: {_escaped(heads['view'] + ' · ' + heads['title'])}", "")
        more = f"; baseline {exact(heads['baseline'])}" if heads["baseline"] is not None else ""
        yield from (f"{_escaped(heads['over'])}{more}", "")
        signed = heads["difference"]
        numbers = [[str(n) for n in range(len(heads["values"][0]))]] if heads["values"] else [[]]
        numbers += [[exact(value, signed) for value in row] for row in heads["values"]]
        labels = ["layer", *map(str, range(len(heads["values"])))]
        yield from _markdown_table([[a, *b] for a, b in zip(labels, numbers, strict=True)])
        yield from ("", f"{_order(heads).capitalize()}: {', '.join(_strongest(heads))}")
        yield from ("", f"Chosen: {_chosen(heads)}")
    distances = found["distances"]
    if "missing" not in distances:
        title = _escaped(f"{distances['view']} · {distances['title']}")
        yield from ("", f"## Distances: {title}", "")
        yield from (f"- {_escaped(g['label'])}: {_behind(g)}" for g in distances["groups"])
        yield from ("", f"Mean [{distances['interval']}] by layer; 0 is the embeddings.", "")
        yield from _markdown_table(_distance_table(distances))
        if distances["note"]:
            yield from ("", f"{_escaped(distances['note'])}.")
    if any(found["maps"].values()):
        yield from ("", "## Faithfulness of the maps", "")
        yield from _markdown_table(_map_table(found["maps"]))
    if found["warnings"]:
        yield from ("", "## Warnings", "", *(f"- {_escaped(w)}" for w in found["warnings"]))
    if found["notes"]:
        yield from ("", "## Notes", "", *(f"- {_escaped(note)}" for note in found["notes"]))


def _escaped(words: str) -> str:
    """Words that mean nothing to Markdown, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(words.split()))


def _markdown_table(table: Table) -> Iterator[str]:
    head, *rows = [[_escaped(cell) or " " for cell in row] for row in table]
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] + ['---:'] * (len(head) - 1))} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
