"""The attention behind each way of showing it, as tables with full precision.

Tokens stand twice: as the tokenizer writes them, and as people read them ("text").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import text
from ..pane import Context
from ..refusal import Refused
from ..views import attention as attention_views
from ..views.answers import AttentionGrid, Floats, HeadLinks, Ints
from .export import Cells, Data
from .tables import about, same_everywhere

_MOST_WEIGHTS = 3_000_000
"""So many weights of several heads are put into one table: about 200 MB as CSV."""


def attention(c: Context) -> Data:
    """A row per query and key with its weight; of sparse attention only what was kept."""
    p, s = c.project, c.selection
    grid = p.attention(s)
    head = s.head_name if s.combine == "head" else attention_views.heads_words(p, s)
    rows, columns = _places(grid)
    named = _tokens(c, grid.rows[rows], grid.columns[columns])
    named["weight"] = grid.weights[rows, columns]
    constant = {**_of_weights(c), "head": head}
    return Data("attention", named, _about(c, grid, head), constant)


def heads(c: Context, which: Sequence[tuple[int, int]]) -> Data:
    """A row per weight of several heads: layer, head, query, key.

    Raises:
        Refused: these are too many for a table.
    """
    p, s = c.project, c.selection
    queries, keys = p.kind_tokens(s.example, s.kind)
    count = len(which) * len(queries) * len(keys)
    if count > _MOST_WEIGHTS:
        raise Refused(f"{count:,} weights are too many for a table; enter shows one head.")
    places: list[Ints] = []
    weights: list[Floats] = []
    for layer, head in which:
        one = replace(s, head_layer=layer, head=head, combine="head")
        grid = attention_views.attention(p, one)
        rows, columns = _places(grid)
        at = (np.full_like(rows, number) for number in (layer, head))
        places.append(np.stack([*at, grid.rows[rows], grid.columns[columns]]))
        weights.append(grid.weights[rows, columns])
    layers, numbers, queries_of, keys_of = np.concatenate(places, axis=1)
    named = {"layer": layers, "head": numbers, **_tokens(c, queries_of, keys_of)}
    named["weight"] = np.concatenate(weights)
    words = text.many(len(which), "head")
    return Data("attention-heads", named, _about(c, grid, words), _of_weights(c))


def links(c: Context, found: HeadLinks) -> Data:
    """A row per head with what it gives a pair of tokens; in B − A what each model does, too."""
    p, s = c.project, c.selection
    layers, numbers = np.indices(found.weights.shape).reshape(2, -1)
    named: dict[str, Cells] = {"layer": layers, "head": numbers}
    sides = p.models(s.view)
    for side in sides if len(sides) > 1 else ():
        one = attention_views.head_links(p, replace(s, view=side), found.query, found.key)
        named[f"weight {side}"] = _known(one)
    named["B-A" if found.difference else "weight"] = _known(found)
    tokens = _tokens(c, *(np.array([token]) for token in (found.query, found.key)))
    constant = {**_of_weights(c), **{name: cells[0] for name, cells in tokens.items()}}
    described = about(c, attention=s.kind, difference=found.difference, exactness=found.note)
    described |= {name: value for name, value in constant.items() if name != "view"}
    return Data("head-weights", named, described, constant)


def _known(found: HeadLinks) -> Floats:
    """The weights in a row, NaN where the file keeps none."""
    weights = found.weights.ravel()
    return weights if found.kept is None else np.where(weights == 0, np.float32(np.nan), weights)


def _places(grid: AttentionGrid) -> tuple[Ints, Ints]:
    """Row and column of each weight that is there."""
    there = np.ones_like(grid.weights, dtype=bool) if grid.kept is None else grid.weights != 0
    rows, columns = (places.astype(np.int32) for places in np.nonzero(there))
    return rows, columns


def _tokens(c: Context, queries: Ints, keys: Ints) -> dict[str, Cells]:
    """Places and words of queries and keys."""
    example = c.selection.example
    own, shown = (
        np.array([*words, ""], dtype=object)
        for words in (c.project.tokens(example).texts, c.project.pieces(example))
    )
    named: dict[str, Cells] = {}
    for name, tokens in (("query", queries), ("key", keys)):
        named[name] = tokens
        named[f"{name} token"] = own[tokens].tolist()
        named[f"{name} text"] = shown[tokens].tolist()
    return named


def _of_weights(c: Context) -> dict[str, Any]:
    """What every row of these weights has in common."""
    p, s = c.project, c.selection
    found = {**same_everywhere(c), "example": p.example_head(s.example)[0]}
    return found | {"attention": s.kind, "weighted": s.weighted}


def _about(c: Context, grid: AttentionGrid, head: str) -> dict[str, Any]:
    s = c.selection
    return about(
        c,
        example=c.project.example_head(s.example)[0],
        attention=s.kind,
        head=head,
        difference=grid.difference,
        weighted_by_values=s.weighted,
        special_tokens_hidden=s.hide_special,
        kept_of_each_row=grid.kept,
        exactness=grid.note,
    )
