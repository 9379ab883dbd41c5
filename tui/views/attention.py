"""One head's attention over one example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from collateral import layout

from ..state import Selection
from .answers import AttentionGrid, Floats, Ints, Missing, Side

if TYPE_CHECKING:
    from ..project import Project


def attention(p: Project, s: Selection) -> AttentionGrid:
    """The chosen head's attention over the chosen example, for the chosen view.

    Raises:
        Missing: it is not stored for this example, or the norms are not that it is to be weighted
            by.
    """
    key = (
        *("attention", s.view, s.example, s.kind, s.head_layer, s.head),
        *(s.hide_special, s.weighted),
    )
    return p.once(key, lambda: _attention(p, s))


def no_norms(p: Project, s: Selection) -> str:
    """Why weights cannot be multiplied by the norms of the values, "" if they can."""
    for side in _models(p, s):
        if not p.file(side).has_value_norms(s.example, s.kind):
            what = f"norms of value vectors ({s.kind})" if len(p.kinds) > 1 else "value norms"
            return f"No {what} are stored for {_where(p, side, s)}; extract without --no-values."
    return ""


def _attention(p: Project, s: Selection) -> AttentionGrid:
    sides = _models(p, s)
    weights = [_weights(p, side, s) for side in sides]
    result = weights[0] if len(weights) == 1 else weights[1] - weights[0]
    tokens = p.tokens(s.example)
    queries, keys = p.kind_tokens(s.example, s.kind)
    if result.shape != (len(queries), len(keys)):
        shape = f"{result.shape[0]} by {result.shape[1]}"
        raise Missing(f"The {shape} weights of {s.kind} attention do not fit the example's tokens.")
    rows, columns = np.arange(len(queries)), np.arange(len(keys))
    if s.hide_special:
        rows, columns = (np.flatnonzero(~tokens.special[list(some)]) for some in (queries, keys))
        result = result[np.ix_(rows, columns)]
    return AttentionGrid(
        weights=result,
        tokens=tokens,
        rows=(rows + queries.start).astype(np.int32),
        columns=(columns + keys.start).astype(np.int32),
        difference=len(weights) == 2,
        note=_note(p, s, sides),
        kept=_kept(p, s, sides),
        rests=_rests(p, s, sides, rows.astype(np.int32)),
    )


def _models(p: Project, s: Selection) -> tuple[Side, ...]:
    return ("A", "B") if s.view == "B−A" else (p.side(s.view),)


def _where(p: Project, side: Side, s: Selection) -> str:
    who = f"{side} ({p.name(side)})" if p.two else "the file"
    return f"{p.file(side).examples.cell('id', s.example)} in {who}"


def _weights(p: Project, side: Side, s: Selection) -> Floats:
    """Weights of one model, [queries, keys]; times the norms of the keys' values if asked for."""
    file = p.file(side)
    if p.a.meta.kind(s.kind) is None or not file.has_attention(s.example, s.kind):
        what = f"{s.kind} attention" if len(p.kinds) > 1 else "attention"
        raise Missing(
            f"No {what} is stored for {_where(p, side, s)}; extract with --attention all."
        )
    weights = file.attention(s.example, s.kind, layer=s.head_layer, head=s.head)
    if not s.weighted:
        return weights
    if reason := no_norms(p, s):
        raise Missing(f"{reason} w shows the weights alone.")
    norms = file.value_norms(s.example, s.kind, layer=s.head_layer, head=s.head)
    return weights * norms[None, :]


def _note(p: Project, s: Selection, sides: Sequence[Side]) -> str:
    """What about the weights is not exact, in words."""
    rounded = [
        side for side in sides if p.file(side).attention_encoding(s.example, s.kind) == "uint8"
    ]
    if not rounded:
        return ""
    error = f"{layout.ENCODING_ERROR['uint8'] * len(rounded):.3f}".lstrip("0")
    return "8 bits" if s.weighted else f"8 bits, ±{error}"


def _kept(p: Project, s: Selection, sides: Sequence[Side]) -> int | None:
    """How many weights of each row are there: the fewest of the models; None for all of them."""
    counts = (p.file(side).attention_kept(s.example, s.kind) for side in sides)
    return min((count for count in counts if count is not None), default=None)


def _rests(p: Project, s: Selection, sides: Sequence[Side], rows: Ints) -> dict[str, Floats]:
    """What sparse attention leaves over of the rows that are shown, by model."""
    found: dict[str, Floats] = {}
    for side in sides:
        file = p.file(side)
        if file.attention_kept(s.example, s.kind) is not None:
            rest = file.attention_rest(s.example, s.kind, layer=s.head_layer, head=s.head)
            found[side if len(sides) > 1 else ""] = rest[rows]
    return found
