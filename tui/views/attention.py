"""The attention of one head over one example, or of several heads together."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from collateral import layout

from ..state import Selection
from ..text import many
from .answers import AttentionGrid, Floats, HeadLinks, Ints, Missing, Side, subtracted

if TYPE_CHECKING:
    from ..project import Project

QUICK = 4_000_000
"""Weights that are read and combined within a moment."""


def attention(p: Project, s: Selection) -> AttentionGrid:
    """The attention over the chosen example, for the chosen view: of the head, or of several.

    Raises:
        Missing: it is not stored for this example, or the norms are not that it is to be weighted
            by.
    """
    return p.once(_key(p, s), lambda: _attention(p, s))


def ready(p: Project, s: Selection) -> bool:
    """Whether :func:`attention` answers within a moment."""
    layers, heads = combined(p, s)
    count = len(layers) * len(heads)
    if count == 1 or p.has(_key(p, s)):
        return True
    queries, keys = p.kind_tokens(s.example, s.kind)
    return count * len(queries) * len(keys) <= QUICK


def combined(p: Project, s: Selection) -> tuple[range, range]:
    """The layers and the heads that are combined."""
    size = p.limits.kind(s.kind)
    one_layer, one_head = (range(n, n + 1) for n in (s.head_layer, s.head))
    if s.combine == "head":
        return one_layer, one_head
    return one_layer if s.combine.startswith("layer") else range(size.layers), range(size.heads)


def heads_words(p: Project, s: Selection) -> str:
    """The head, or which heads are combined: "head 5.10", "cross 5.10", "mean of layer 5"."""
    kind = s.kind if len(p.kinds) > 1 else ""
    if s.combine == "head":
        return f"{kind or 'head'} {s.head_name}"
    how = s.combine.rpartition("-")[2]
    layers, heads = combined(p, s)
    count = len(layers) * len(heads)
    where = f"layer {s.head_layer}" if s.combine.startswith("layer") else "all layers"
    return f"{kind} {how} of {where}, {many(count, 'head')}".strip()


def _key(p: Project, s: Selection) -> Hashable:
    layers, heads = combined(p, s)
    how = s.combine.rpartition("-")[2]
    return (
        *("attention", s.view, s.example, s.kind, how, layers.start, len(layers), heads.start),
        *(s.hide_special, s.weighted),
    )


def head_links(p: Project, s: Selection, query: int, key: int) -> HeadLinks:
    """The weight from one token to another in every head, for the chosen view.

    Raises:
        Missing: it is not stored for this example.
    """
    sides = p.models(s.view)
    rows = p.once(
        ("links", s.view, s.example, s.kind, query, s.weighted),
        lambda: subtracted([_rows(p, side, s, query) for side in sides]),
    )
    keys = p.kind_tokens(s.example, s.kind)[1]
    return HeadLinks(
        weights=rows[:, :, key - keys.start],
        query=query,
        key=key,
        difference=len(sides) == 2,
        note=_note(p, s, sides),
        kept=_kept(p, s, sides),
    )


def thumbnails(p: Project, s: Selection, layer: int, most: int) -> Floats:
    """The attention of each head of a layer, made small: [heads, rows, columns].

    There are ``most`` rows and columns at most; each entry is the largest of the weights that it
    stands for (of differences, the one of the largest size).

    Raises:
        Missing: it is not stored for this example.
    """
    key = ("thumbnails", s.view, s.example, s.kind, layer, s.hide_special, s.weighted, most)
    return p.once(key, lambda: _thumbnails(p, s, layer, most))


def thumbnails_kept(p: Project, s: Selection, layer: int, most: int) -> bool:
    """Whether :func:`thumbnails` answers at once."""
    key = ("thumbnails", s.view, s.example, s.kind, layer, s.hide_special, s.weighted, most)
    return p.has(key)


def _thumbnails(p: Project, s: Selection, layer: int, most: int) -> Floats:
    small = []
    for head in range(p.limits.kind(s.kind).heads):
        one = replace(s, head_layer=layer, head=head, combine="head")
        weights, _, _ = _shown(p, one)
        small.append(largest_of(weights, most, most))
    return np.stack(small)


def largest_of(weights: Floats, rows: int, columns: int) -> Floats:
    """A matrix with fewer rows and columns: in each entry the number of the largest size.

    NaN is left out where there is anything else.
    """
    result = weights
    for axis, most in enumerate((rows, columns)):
        size = result.shape[axis]
        if not 0 < most < size:
            continue
        starts = np.arange(most + 1) * size // most
        first, last = starts[:-1], starts[1:] - 1
        high = result.take(first, axis=axis)
        low = high.copy()
        # all first entries, then all second ones: reduceat does the same in ten times as long
        for step in range(1, int((last - first).max()) + 1):
            part = result.take(np.minimum(first + step, last), axis=axis)
            np.fmax(high, part, out=high)
            np.fmin(low, part, out=low)
        result = np.where(-low > high, low, high)
    return result


def no_norms(p: Project, s: Selection) -> str:
    """Why weights cannot be multiplied by the norms of the values, "" if they can."""
    for side in p.models(s.view):
        if not p.file(side).has_attention(s.example, s.kind):
            return f"No attention is stored for {_where(p, side, s)}, so there is none to weight."
        if not p.file(side).has_value_norms(s.example, s.kind):
            what = f"norms of value vectors ({s.kind})" if len(p.kinds) > 1 else "value norms"
            return f"No {what} are stored for {_where(p, side, s)}; extract without --no-values."
    return ""


def _attention(p: Project, s: Selection) -> AttentionGrid:
    sides = p.models(s.view)
    weights, rows, columns = _shown(p, s)
    queries, keys = p.kind_tokens(s.example, s.kind)
    return AttentionGrid(
        weights=weights,
        tokens=p.tokens(s.example),
        rows=(rows + queries.start).astype(np.int32),
        columns=(columns + keys.start).astype(np.int32),
        difference=len(sides) == 2,
        note=_note(p, s, sides),
        kept=_kept(p, s, sides),
        rests=_rests(p, s, sides, rows.astype(np.int32)),
        pieces=p.pieces(s.example),
    )


def _shown(p: Project, s: Selection) -> tuple[Floats, Ints, Ints]:
    """The weights that are shown, and of which queries and keys they are."""
    result = subtracted([_weights(p, side, s) for side in p.models(s.view)])
    queries, keys = p.kind_tokens(s.example, s.kind)
    if result.shape != (len(queries), len(keys)):
        shape = f"{result.shape[0]} by {result.shape[1]}"
        raise Missing(f"The {shape} weights of {s.kind} attention do not fit the example's tokens.")
    rows, columns = (np.arange(len(some), dtype=np.int32) for some in (queries, keys))
    if s.hide_special:
        special = p.tokens(s.example).special
        rows, columns = (
            np.flatnonzero(~special[list(some)]).astype(np.int32) for some in (queries, keys)
        )
        result = result[np.ix_(rows, columns)]
    return result, rows, columns


def _check_stored(p: Project, side: Side, s: Selection) -> None:
    file = p.file(side)
    if p.a.meta.kind(s.kind) is None or not file.has_attention(s.example, s.kind):
        what = f"{s.kind} attention" if len(p.kinds) > 1 else "attention"
        raise Missing(
            f"No {what} is stored for {_where(p, side, s)}; extract with --attention all."
        )
    if s.weighted and (reason := no_norms(p, s)):
        raise Missing(f"{reason} w shows the weights alone.")


def _rows(p: Project, side: Side, s: Selection, query: int) -> Floats:
    """One query's row in every head of a model, [layers, heads, keys]; times the norms if so."""
    _check_stored(p, side, s)
    queries, keys = p.kind_tokens(s.example, s.kind)
    file = p.file(side)
    if file.attention_shape(s.example, s.kind)[2:] != (len(queries), len(keys)):
        raise Missing(f"The weights of {s.kind} attention do not fit the example's tokens.")
    rows = file.attention_row(s.example, query - queries.start, s.kind)
    return rows * file.value_norms(s.example, s.kind) if s.weighted else rows


def _where(p: Project, side: Side, s: Selection) -> str:
    who = f"{side} ({p.name(side)})" if p.two else "the file"
    return f"{p.file(side).examples.cell('id', s.example)} in {who}"


def _weights(p: Project, side: Side, s: Selection) -> Floats:
    """Weights of one model, [queries, keys]; times the norms of the keys' values if asked for."""
    _check_stored(p, side, s)
    file = p.file(side)
    layers, heads = combined(p, s)
    result: Floats | None = None
    for layer, head in itertools.product(layers, heads):  # one at a time: each may be large
        weights = file.attention(s.example, s.kind, layer=layer, head=head)
        if s.weighted:
            weights *= file.value_norms(s.example, s.kind, layer=layer, head=head)[None, :]
        if result is None:
            result = weights
        elif s.combine.endswith("mean"):
            result += weights
        else:
            np.maximum(result, weights, out=result)
    assert result is not None
    if s.combine.endswith("mean"):
        result /= len(layers) * len(heads)
    return result


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
    if s.combine.endswith("maximum"):
        return found  # of which head would they be
    layers, heads = combined(p, s)
    for side in sides:
        file = p.file(side)
        if file.attention_kept(s.example, s.kind) is not None:
            rests = [
                file.attention_rest(s.example, s.kind, layer=layer, head=head)[rows]
                for layer, head in itertools.product(layers, heads)
            ]
            found[side if len(sides) > 1 else ""] = np.mean(rests, axis=0)
    return found


def ends_of(words: str) -> tuple[str, str]:
    """What query and key must be or contain, in small letters, from "a > b", "a >" or "> b".

    Without ">" both are the words: either end will do.
    """
    query, arrow, key = words.casefold().replace("\u2192", ">").partition(">")
    return (query.strip(), key.strip()) if arrow else (query.strip(), query.strip())


def meant(grid: AttentionGrid, part: str) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which tokens of the example a word means: those that are the word, else those that have it.

    Args:
        grid: whose shown tokens decide whether any of them is the word.
        part: in small letters; "" means every token.

    Returns:
        bool [tokens], and whether they are the word itself.
    """
    raw = [text.casefold() for text in grid.tokens.texts]
    pieces = [text.casefold() for text in grid.pieces] or raw
    whole = np.array([part in (*both,) for both in zip(raw, pieces, strict=True)], dtype=bool)
    if not part or whole[grid.rows].any() or whole[grid.columns].any():
        return whole if part else np.ones(len(raw), dtype=bool), True
    return np.array([part in text for text in raw], dtype=bool), False


def edges_words(grid: AttentionGrid, words: str) -> str:
    """Of which tokens the edges are: `"she"`, or `tokens with "sh"` where none is that."""
    whole = all(meant(grid, part)[1] for part in ends_of(words))
    return f'"{words}"' if whole else f'tokens with "{words}"'


def edges_of(grid: AttentionGrid, words: str) -> npt.NDArray[np.bool_]:
    """Which edges of a grid are meant: bool [queries, keys]."""
    query, key = ends_of(words)
    rows, columns = meant(grid, query)[0][grid.rows, None], meant(grid, key)[0][None, grid.columns]
    directed = ">" in words.replace("\u2192", ">")
    found: npt.NDArray[np.bool_] = rows & columns if directed else rows | columns
    return found
