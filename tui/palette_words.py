"""What the palette calls each action, in the order of use: by what it does, not by its name."""

from __future__ import annotations

import re

from .actions import ACTIONS

__all__ = ["SAID", "TITLES", "fit", "titles"]

TITLES: dict[str, str] = {
    "search": "search: examples whose text has some words",
    "filter": "filter: examples that fit conditions",
    "clear-filter": "show all examples again",
    "sort": "sort examples by a column",
    "reverse": "sort examples the other way round",
    "model": "model A, model B, or the difference B − A",
    "next-layer": "next layer",
    "previous-layer": "previous layer",
    "next-head": "next attention head",
    "previous-head": "previous attention head",
    "next-example": "next example",
    "previous-example": "previous example",
    "attention-view": "attention as matrix, map, table, all heads: next view",
    "metric": "next head metric",
    "previous-metric": "previous head metric",
    "colour": "next colouring of the map",
    "previous-colour": "previous colouring of the map",
    "average": "average over all, shown, marked or this example",
    "mark": "mark the point or the example",
    "box": "mark points in a rectangle of the map",
    "clear": "unmark all points",
    "pin": "pin the example beside the others",
    "nearest": "nearest: mark the 10 nearest points in the original space",
    "undo": "undo the last selection",
    "redo": "redo the selection",
    "zoom": "zoom: one pane fills the screen",
    "ranked": "heads as a sorted list or as a grid",
    "range": "set the colour range of the heads",
    "combine": "combine heads: mean or maximum",
    "kind": "next kind of attention (encoder, decoder, cross)",
    "edges": "edges of some tokens only, as a table",
    "specials": "specials: omit or show special tokens",
    "weighted": "weight attention by the length of values",
    "path": "path of points through the layers",
    "density": "density: how many points a cell of the map holds",
    "measure": "next distance measure",
    "group": "next groups of distances",
    "gap": "difference of groups of distances",
    "more": "more: larger map, more edges, nearer",
    "less": "less: smaller map, fewer edges, further off",
    "whole": "whole map again",
    "keep-filter": "keep the filter by a name",
    "forget-filter": "forget a filter that is kept",
    "copy": "copy the value or row under the cursor",
    "copy-command": "copy the command that shows this view",
    "export": "export the data behind the pane (CSV, JSON)",
    "save": "save a picture of the pane",
    "save-screen": "save a picture of the screen",
    "pane-list": "go to the list of examples",
    "pane-example": "go to the example",
    "pane-map": "go to the t-SNE map",
    "pane-heads": "go to the heads",
    "pane-attention": "go to the attention of a head",
    "pane-distance": "go to the distances",
    "next-pane": "next pane",
    "previous-pane": "previous pane",
    "back": "step back: end a rectangle, a zoom",
    "help": "help for this pane, and all keys",
    "suspend": "suspend: back to the shell until fg",
    "redraw": "redraw: draw the whole screen again",
    "quit": "quit",
}
"""Pure cursor keys are left out, and so is the palette itself."""

_HIDDEN = ("move-", "page-", "pan-", "first", "last", "enter", "palette")


def titles() -> dict[str, str]:
    """What each action is called, by its name; one without words of its own by its help."""
    others = {a.name: a.help.rstrip(".") for a in ACTIONS if not a.name.startswith(_HIDDEN)}
    return {**TITLES, **{name: said for name, said in others.items() if name not in TITLES}}


SAID = 2.0
"""The least that :func:`fit` gives for what was typed, as it stands inside the words."""
_LOOSE = 2
"""Letters that may be left out of what is typed, in a row of at least ``_TYPED``."""
_TYPED = 4


def fit(typed: str, words: str) -> tuple[float, list[int]]:
    """How well words fit what was typed, whatever the case, and which letters of them do.

    What begins so comes first (5), then what has it as whole words (4), at the start of a word (3),
    or inside one (``SAID``); then what has every word of it (1.5), then that with letters left out
    (below 1). Letters that are merely there somewhere, in this order, fit nothing (0).
    """
    low, typed = words.lower(), " ".join(typed.lower().split())
    if not typed or len(low) != len(words):  # a letter that grows has no place any more
        return float(bool(typed) and typed in low) * SAID, []
    found = [match.start() for match in re.finditer(re.escape(typed), low)]
    if found:
        scores = [_at(low, place, len(typed)) for place in found]
        best = found[scores.index(max(scores))]
        return max(scores), list(range(best, best + len(typed)))
    parts = [(low.find(part), len(part)) for part in typed.split()]
    if all(place >= 0 for place, _ in parts):
        return 1.5, sorted({at for place, size in parts for at in range(place, place + size)})
    return _loosely(typed, low)


def _at(low: str, place: int, size: int) -> float:
    """What a fit at some place is worth."""
    before, after = low[:place][-1:], low[place + size :][:1]
    if not place:
        return 5.0
    if before.isalnum():
        return SAID
    return 3.0 if after.isalnum() else 4.0


def _loosely(typed: str, low: str) -> tuple[float, list[int]]:
    """The closest place of all letters in their order, if few others stand between them."""
    best: list[int] = []
    for start in range(len(low)) if len(typed) >= _TYPED else ():
        places, at = [], start - 1
        for letter in typed:
            at = low.find(letter, at + 1, start + len(typed) + _LOOSE)
            if at < 0:
                break
            places.append(at)
        else:
            if not best or places[-1] - places[0] < best[-1] - best[0]:
                best = places
    return (len(typed) / (best[-1] - best[0] + 1) * 0.9, best) if best else (0.0, [])
