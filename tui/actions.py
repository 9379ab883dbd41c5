"""The one table of actions: bindings, footer, palette, help and the key page all come from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

PaneName = Literal["list", "example", "map", "heads", "attention", "distance"]

PANES: tuple[PaneName, ...] = ("list", "example", "map", "heads", "attention", "distance")
PANE_TITLES: dict[PaneName, str] = {
    "list": "Examples",
    "example": "Example",
    "map": "t-SNE",
    "heads": "Heads",
    "attention": "Attention",
    "distance": "Distance",
}


class Action(NamedTuple):
    """Something the user can do.

    Attributes:
        name: stable, kebab-case; what settings and bindings refer to.
        usual: the keys where the settings name no others: Textual's names; the first is shown.
        label: two words at most, for the footer; empty keeps it out of the footer.
        help: one sentence for palette and help.
        group: heading in the help.
        panes: panes in whose footer it is shown first; empty means everywhere.
    """

    name: str
    usual: tuple[str, ...]
    label: str
    help: str
    group: str
    panes: tuple[PaneName, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys now: those of the settings, else the usual ones."""
        return _CHOSEN.get(self.name, self.usual)


_CHOSEN: dict[str, tuple[str, ...]] = {}


def choose_keys(keys: Mapping[str, tuple[str, ...]]) -> None:
    """Gives actions the keys of the settings, all others their usual ones."""
    _CHOSEN.clear()
    _CHOSEN.update(keys)


ACTIONS: tuple[Action, ...] = (
    Action("move-left", ("left", "h"), "", "Move left inside the pane.", "Inside a pane"),
    Action("move-down", ("down", "j"), "", "Move down inside the pane.", "Inside a pane"),
    Action("move-up", ("up", "k"), "", "Move up inside the pane.", "Inside a pane"),
    Action("move-right", ("right", "l"), "", "Move right inside the pane.", "Inside a pane"),
    Action("page-up", ("pageup",), "", "Move up by a page.", "Inside a pane"),
    Action("page-down", ("pagedown",), "", "Move down by a page.", "Inside a pane"),
    Action("first", ("home",), "", "Go to the first row.", "Inside a pane"),
    Action("last", ("end",), "", "Go to the last row.", "Inside a pane"),
    Action(
        "enter",
        ("enter",),
        "choose",
        "Choose the thing under the cursor for all panes.",
        "Inside a pane",
        ("map", "list"),
    ),
    Action(
        "more",
        ("plus",),
        "more",
        "The map larger, around the cursor or the middle; more edges of attention, up to a larger "
        "share of each row; nearer in its overviews.",
        "Inside a pane",
        ("map", "attention"),
    ),
    Action(
        "less",
        ("minus",),
        "",
        "The map smaller; fewer edges of attention; further off in its overviews.",
        "Inside a pane",
        ("map", "attention"),
    ),
    Action("whole", ("0",), "", "On the map: show the whole map again.", "Inside a pane", ("map",)),
    Action(
        "pan-left",
        ("shift+left",),
        "",
        "On the map: show what is left of this part.",
        "Inside a pane",
        ("map",),
    ),
    Action(
        "pan-down",
        ("shift+down",),
        "",
        "On the map: show what is below.",
        "Inside a pane",
        ("map",),
    ),
    Action(
        "pan-up", ("shift+up",), "", "On the map: show what is above.", "Inside a pane", ("map",)
    ),
    Action(
        "pan-right",
        ("shift+right",),
        "",
        "On the map: show what is right of this part.",
        "Inside a pane",
        ("map",),
    ),
    Action("previous-layer", ("left_square_bracket",), "", "Previous layer.", "Everywhere"),
    Action(
        "next-layer",
        ("right_square_bracket",),
        "layer",
        "Next layer: the map shows its hidden states, the head's layer goes along.",
        "Everywhere",
    ),
    Action("previous-head", ("comma",), "", "Previous attention head.", "Everywhere"),
    Action("next-head", ("full_stop",), "head", "Next attention head.", "Everywhere"),
    Action("next-example", ("n",), "example", "Next example.", "Everywhere"),
    Action("previous-example", ("p",), "", "Previous example.", "Everywhere"),
    Action(
        "model", ("m",), "model", "Show model A, model B, or the difference B − A.", "Everywhere"
    ),
    Action(
        "kind",
        ("K",),
        "kind",
        "Next kind of attention of an encoder-decoder: encoder, decoder, cross.",
        "Everywhere",
        ("heads", "attention"),
    ),
    Action(
        "metric",
        ("t",),
        "metric",
        "Next head metric of this kind of attention (T: the one before).",
        "Everywhere",
        ("heads",),
    ),
    Action("previous-metric", ("T",), "", "Previous head metric.", "Everywhere"),
    Action(
        "colour",
        ("c",),
        "colour",
        "Next column of points or examples that colours the map (C: the one before).",
        "Everywhere",
        ("map",),
    ),
    Action("previous-colour", ("C",), "", "Previous colouring.", "Everywhere"),
    Action(
        "path",
        ("i",),
        "path",
        "On the map: show where the chosen points go through the layers, or hide it.",
        "Everywhere",
        ("map",),
    ),
    Action(
        "density",
        ("I",),
        "",
        "On the map: show how many points a cell holds, or the points themselves.",
        "Everywhere",
        ("map",),
    ),
    Action(
        "attention-view",
        ("v",),
        "view",
        "Show attention as matrix, arrow map, table, heads of a pair of tokens, all heads.",
        "Everywhere",
        ("attention",),
    ),
    Action(
        "ranked",
        ("O",),
        "order",
        "Show the heads as a list in the order of their values, or as a grid.",
        "Everywhere",
        ("heads",),
    ),
    Action(
        "range",
        ("equals_sign",),
        "range",
        "Set the colour range of the head grid by hand: two numbers, or auto.",
        "Everywhere",
        ("heads",),
    ),
    Action(
        "combine",
        ("A",),
        "combine",
        "Attention of the head, or mean or maximum of the heads of its layer, or of all heads.",
        "Everywhere",
        ("attention",),
    ),
    Action(
        "edges",
        ("E",),
        "",
        "In the attention table, show the edges of some tokens only: him, him > (from), > him.",
        "Everywhere",
        ("attention",),
    ),
    Action(
        "specials",
        ("o",),
        "specials",
        "Omit special tokens from the attention pane, or show them; weights are not renormalised.",
        "Everywhere",
        ("attention",),
    ),
    Action(
        "weighted",
        ("w",),
        "values",
        "Weight attention by the length of each key's value, or show the weights alone.",
        "Everywhere",
        ("attention",),
    ),
    Action(
        "measure",
        ("d",),
        "measure",
        "Next distance: cosine, Euclid, t-SNE map.",
        "Everywhere",
        ("distance",),
    ),
    Action(
        "group",
        ("g",),
        "groups",
        "Group pairs or points in the distance pane by the next column, or marked against rest.",
        "Everywhere",
        ("distance",),
    ),
    Action(
        "gap",
        ("D",),
        "difference",
        "In the distance pane, show the difference of groups, or the groups.",
        "Everywhere",
        ("distance",),
    ),
    Action(
        "average",
        ("a",),
        "average",
        "Average over all examples, those that the list shows, the marked ones, or this one.",
        "Everywhere",
        ("heads", "distance"),
    ),
    Action(
        "search",
        ("slash",),
        "search",
        "Show the examples whose text or id has some words, or a match of /an expression/.",
        "Finding examples",
        ("list",),
    ),
    Action(
        "filter",
        ("f",),
        "filter",
        "Show the examples that fit conditions, such as: correct = false and score < 0.5.",
        "Finding examples",
        ("list",),
    ),
    Action("clear-filter", ("F",), "", "Show all examples again.", "Finding examples"),
    Action(
        "sort",
        ("r",),
        "sort",
        "Sort the examples by a column, with - before it from high to low.",
        "Finding examples",
        ("list",),
    ),
    Action("reverse", ("R",), "", "Sort them the other way round.", "Finding examples"),
    Action(
        "keep-filter",
        ("N",),
        "",
        "Name the filter and keep it; @name stands for it from then on.",
        "Finding examples",
    ),
    Action(
        "forget-filter", ("X",), "", "Forget a filter that is kept by a name.", "Finding examples"
    ),
    Action(
        "mark",
        ("space",),
        "mark",
        "Mark the point under the cursor, elsewhere the points of this example; again unmarks.",
        "Selecting",
        ("map", "list"),
    ),
    Action(
        "box",
        ("b",),
        "box",
        "On the map: begin a rectangle, move its corner, enter marks what is inside.",
        "Selecting",
        ("map",),
    ),
    Action(
        "nearest",
        ("B",),
        "nearest",
        "On the map: mark the point under the cursor and its 10 nearest in the original space.",
        "Selecting",
        ("map",),
    ),
    Action(
        "pin",
        ("P",),
        "pin",
        "Keep this example beside the one that is chosen; on the pinned one, take it away.",
        "Selecting",
        ("example",),
    ),
    Action("clear", ("x",), "", "Unmark all points.", "Selecting"),
    Action("undo", ("u",), "", "Undo the last selection.", "Selecting"),
    Action("redo", ("U",), "", "Redo it.", "Selecting"),
    Action(
        "copy",
        ("y",),
        "",
        "Copy the value or row under the cursor to the clipboard of your terminal, also over SSH.",
        "Out",
    ),
    Action(
        "copy-command",
        ("Y",),
        "",
        "Copy the command that shows what you see now, for a colleague or for tomorrow.",
        "Out",
    ),
    Action(
        "export", ("e",), "", "Write the data behind the pane to a new file, CSV or JSON.", "Out"
    ),
    Action("save", ("s",), "", "Save a picture of the pane, SVG or plain text.", "Out"),
    Action("save-screen", ("S",), "", "Save a picture of the whole screen.", "Out"),
    Action("pane-list", ("1",), "", "Go to the list of examples.", "Panes"),
    Action("pane-example", ("2",), "", "Go to the example.", "Panes"),
    Action("pane-map", ("3",), "", "Go to the t-SNE map.", "Panes"),
    Action("pane-heads", ("4",), "", "Go to the head grid.", "Panes"),
    Action("pane-attention", ("5",), "", "Go to the attention of one head.", "Panes"),
    Action("pane-distance", ("6",), "", "Go to the distances per layer.", "Panes"),
    Action("next-pane", ("tab",), "", "Next pane.", "Panes"),
    Action("previous-pane", ("shift+tab",), "", "Previous pane.", "Panes"),
    Action(
        "zoom", ("z",), "zoom", "Let the pane fill the screen, or bring back the others.", "Panes"
    ),
    Action("back", ("escape",), "", "Step back: end a rectangle, a zoom.", "Panes"),
    Action(
        "palette", ("ctrl+p",), "", "Search everything: actions, metrics, heads, examples.", "Help"
    ),
    Action("help", ("question_mark",), "help", "Explain the pane and list the keys.", "Help"),
    Action("suspend", ("ctrl+z",), "", "Back to the shell; its fg returns here.", "Help"),
    Action(
        "redraw",
        ("ctrl+l",),
        "",
        "Draw the whole screen again, if something else wrote on it.",
        "Help",
    ),
    Action("quit", ("q",), "quit", "Quit.", "Help"),
)

BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}

_SHOWN = {
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "comma": ",",
    "full_stop": ".",
    "question_mark": "?",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "slash": "/",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
    "shift+up": "shift+↑",
    "shift+down": "shift+↓",
}
_PAIRED = {"next-layer": "previous-layer", "next-head": "previous-head", "more": "less"}
_ALONE = {"less": "overview"}
"""Labels of actions that stand in the footer without the one that they are paired with."""


def shown(key: str) -> str:
    """A key as people write it: "[" for "left_square_bracket"."""
    return _SHOWN.get(key, key)


def footer(pane: PaneName | None, unused: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """(key, label, action name) for the footer: the pane's own actions, then everywhere's.

    Args:
        unused: names of actions that do nothing now.
    """
    own = [a for a in ACTIONS if a.label and pane is not None and pane in a.panes]
    rest = [a for a in ACTIONS if a.label and a not in own and not a.panes]
    entries = []
    for action in own + rest:
        partner = _PAIRED.get(action.name)
        keys, label, name = shown(action.keys[0]), action.label, action.name
        if name in unused:
            if partner is None or partner in unused:
                continue
            keys, label, name = (
                shown(BY_NAME[partner].keys[0]),
                _ALONE.get(partner, partner),
                partner,
            )
        elif partner and partner not in unused:
            keys = f"{shown(BY_NAME[partner].keys[0])} {keys}"
        if action.name == "next-example":
            keys += f" {shown(BY_NAME['previous-example'].keys[0])}"
        entries.append((keys, label, name))
    return entries


def key_table() -> str:
    """The keys as a Markdown table, as the help and ``docs/keys.md`` show it."""
    lines = []
    group = ""
    for action in ACTIONS:
        if action.group != group:
            group = action.group
            lines += ["", f"**{group}**", "", "| key | does |", "| --- | --- |"]
        keys = " ".join(f"`{shown(key)}`" for key in action.keys)
        lines.append(f"| {keys} | {action.help} |")
    return "\n".join(lines).strip() + "\n"
