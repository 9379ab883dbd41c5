"""One head's attention over one example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from collateral import layout

from ..state import Selection
from .answers import AttentionGrid, Floats, Missing, Side

if TYPE_CHECKING:
    from ..project import Project


def attention(p: Project, s: Selection) -> AttentionGrid:
    """The chosen head's attention over the chosen example, for the chosen view.

    Raises:
        Missing: it is not stored for this example.
    """
    key = ("attention", s.view, s.example, s.head_layer, s.head, s.hide_special)
    return p.once(key, lambda: _attention(p, s))


def _attention(p: Project, s: Selection) -> AttentionGrid:
    sides: tuple[Side, ...] = ("A", "B") if s.view == "B−A" else (p.side(s.view),)
    weights = [_weights(p, side, s) for side in sides]
    tokens = p.tokens(s.example)
    shown = np.flatnonzero(~tokens.special) if s.hide_special else np.arange(len(tokens))
    result = weights[0] if len(weights) == 1 else weights[1] - weights[0]
    rounded = [side for side in sides if p.file(side).attention_encoding(s.example) != "float16"]
    error = f"{layout.ENCODING_ERROR['uint8'] * len(rounded):.3f}".lstrip("0")
    return AttentionGrid(
        weights=result[np.ix_(shown, shown)],
        tokens=tokens,
        rows=shown.astype(np.int32),
        difference=len(weights) == 2,
        note=f"8 bits, ±{error}" if rounded else "",
    )


def _weights(p: Project, side: Side, s: Selection) -> Floats:
    file = p.file(side)
    if not file.has_attention(s.example):
        name = file.examples.cell("id", s.example)
        who = f"{side} ({p.name(side)})" if p.two else "the file"
        raise Missing(f"No attention is stored for {name} in {who}; extract with --attention all.")
    return file.attention(s.example, layer=s.head_layer, head=s.head)
