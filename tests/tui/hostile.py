"""A valid file whose every text tries to do something to the terminal, and who looks for that."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from rich.cells import get_character_cell_size

import collateral
from collateral import (
    AttentionKind,
    Column,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    Writer,
)

NASTY = (
    "\x1b[31m\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1bP1$r\x1b\\\x1b[6n\x9b2J\x9d0;x\x9c\x85\r\n\t\x08\x0e\x00\x7f"
    "\u202e\u2066\u200f\u200b\u200d\u2060\ufeff\u2028\u00ad\u115f\u3164\ue000\U000e0041"
    "\u65e5\u672c\U0001f468\u200d\U0001f469\u2764\ufe0f\U0001f1e9\U0001f1eae\u0301\u0302\u0303\u0304"
    " [bold red]x[/] [@click=app.exit]y[/] \\[ $x `z` <b> | % {0}"
)
"""Escape sequences of one byte and of two, other controls, what turns or hides text, what is wide
or joined, and markup."""
LONG = "\u65e5w" * 5000
"""A token and a label of 10,000 characters."""
FILE = "na\x1b[31m\x1b]0;owned\x07me\r\n\u202e\u200b\x9b2J\u65e5 [red].msgpack"
"""A name of a file."""


def n(name: str) -> str:
    """A name that differs from others, at its beginning and its end, and is hostile between.

    Without "/", which columns cannot have in their names.
    """
    return f"{name}{NASTY.replace('/', '')}{name}"


def _columns() -> dict[str, Column]:
    about = (n("title"), n("meaning"))
    return {
        n("class"): Column("categorical", *about, role="gold"),
        n("said"): Column("categorical", *about, role="prediction"),
        n("number"): Column("continuous", *about, role="score"),
        n("words"): Column("text", *about),
        n("right"): Column("boolean", *about, role="correct"),
    }


def _values(row: int, shift: float) -> dict[str, Any]:
    label = LONG if row == 3 else n(f"label-{row % 3}")
    return {
        n("class"): label,
        n("said"): n(f"label-{(row + int(shift)) % 3}"),
        n("number"): row / 7 + shift,
        n("words"): n(f"some words {row}"),
        n("right"): bool(row % 2),
    }


KINDS = (AttentionKind(n("self"), 2, 3), AttentionKind(n("other"), 2, 3))


def _meta(shift: float) -> Meta:
    versions = {n("torch"): n("2.0")}
    return Meta(
        n("task"),
        ModelInfo(n("model"), n("Architecture"), 2, 3, 8, n("main"), "interface", n("f"), versions),
        TokenInfo((n("[CLS]"), n("[SEP]")), n("[SEP]"), n("##"), n("\u2581")),
        KINDS,
        {n("setting"): n("value"), "projection": n("tsne"), n("shift"): shift},
        (n("a note"), n("another")),
        n("item"),
    )


def write_hostile(path: Path, shift: float = 0.0, items: bool = True) -> Path:
    """Six examples with points, pairs, items, two kinds of attention, maps, vectors, summaries.

    Args:
        shift: 0 and 1 make two files that belong together.
        items: without them the pairs are what the example shows.
    """
    metrics = [
        Metric(n(f"metric-{k}"), n(f"title-{k}"), attention=kind.name, low=0.0, high=1.0,
               meaning=n("meaning"), source=n("source"))
        for k, kind in enumerate(KINDS)
    ]  # fmt: skip
    metrics.append(Metric(n("of-pairs"), n("title of pairs"), "pair", KINDS[0].name))
    columns = _columns()
    measures = [Measure(n("cosine"), n("cosine"), n("unit"), n("meaning"), n("source"))]
    with collateral.create(
        path,
        _meta(shift),
        examples=columns,
        points=columns,
        pairs=columns,
        items=columns if items else None,
        metrics=metrics,
        measures=measures,
    ) as writer:
        for row in range(6):
            _add(writer, row, shift, items)
        summary = Metric(n("summary"), n("title"), attention=KINDS[0].name, meaning=n("meaning"))
        writer.add_summary(summary, np.linspace(0, 1, 6).reshape(2, 3))
        rng = np.random.default_rng(int(shift))
        writer.set_vector_points(range(24))
        for layer in range(3):
            writer.set_coordinates(layer, rng.normal(size=(24, 2)))
            writer.set_vectors(layer, rng.normal(size=(24, 4)), np.ones(24))
        writer.set_quality(n("trust"), [0.9, 0.8, 0.7])
        writer.set_vector_quality(n("kept"), [0.9, 0.8, 0.7])
    return path


def _add(writer: Writer, row: int, shift: float, items: bool) -> None:
    """Adds an example of four hostile words with all that belongs to it."""
    words = [n(f"word{row}"), LONG if row == 3 else n("##two"), n("\u2581three"), NASTY]
    text = " ".join(words)
    offsets, at = [(0, 0)], 0
    for word in words:
        offsets.append((at, at + len(word)))
        at += len(word) + 1
    tokens = Tokens(
        (n("[CLS]"), *words, n("[SEP]")),
        np.array([*offsets, (0, 0)], dtype=np.int32),
        np.array([True, *[False] * 4, True]),
        np.array([-1, *range(4), -1], dtype=np.int32),
    )
    writer.add_example(n(f"id-{row}"), text, tokens, **_values(row, shift))
    for token in range(1, 5):
        writer.add_point(row, token, token + 1, words[token - 1], **_values(row + token, shift))
        if items:
            writer.add_item(row, token, token + 1, words[token - 1], **_values(token, shift))
    first = row * 4
    spans = ((1, 2), (3, 5), (first, first + 1), (first + 2, first + 4))
    writer.add_pair(n(f"pair-{row}"), row, *spans, **_values(row, shift))
    rng = np.random.default_rng([row, int(shift)])
    for kind in KINDS:
        maps = rng.dirichlet(np.ones(6), size=(2, 3, 6))
        writer.add_attention(row, maps, kind.name)
    for k in range(2):
        writer.append_metric(n(f"metric-{k}"), rng.random((1, 2, 3)))
    writer.append_metric(n("of-pairs"), rng.random((1, 2, 3)))
    writer.append_distances(n("cosine"), rng.random((1, 3)))


# -- who looks -----------------------------------------------------------------------------------

OWN = re.compile(
    r"\x1b\[\d*(?:;\d+)?H|\x1b\[\d*C|\x1b\[[\d;]*m|\x1b\[\?\d+[hl]|\x1b\[\?\d+\$p|\x1b\[[<>]\d*u"
    r"|\x1b\]22;[a-z-]*(?:\x1b\\|\x07)|\x1b\]52;c;[A-Za-z0-9+/=]*\x07|\x07|\n(?=\x1b\[\d+;\d+H)"
)
"""What the viewer itself sends: the cursor's place, styles, modes, the pointer's
shape, the clipboard, a bell."""
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def unsafe(sent: str, own: re.Pattern[str] = OWN) -> list[str]:
    """What a terminal would obey, or not show, of what it was sent, with some that is around it."""
    rest = own.sub("", sent)
    found = []
    for at, char in enumerate(rest):
        category = unicodedata.category(char)
        invisible = get_character_cell_size(char) == 0 and not category.startswith("M")
        piled = category.startswith("M") and all(
            unicodedata.category(c).startswith("M") for c in rest[max(0, at - 2) : at + 1]
        )
        if category in _UNSAFE or invisible or (piled and at >= 2):
            found.append(repr(rest[max(0, at - 20) : at + 20]))
    return found
