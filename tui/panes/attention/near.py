"""The part of a grid that an arrow map shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...plots.arrows import strongest
from ...views.answers import AttentionGrid


@dataclass(frozen=True, eq=False)
class Near:
    """The part of a grid that an arrow map shows.

    Attributes:
        queries, keys: rows and columns of the grid.
        weights: [queries, keys]; NaN for edges that are left out.
        query, key: place of the chosen token among them, None for none.
        whole: it is the whole grid.
        note: what is shown, if it is not the whole.
    """

    queries: list[int]
    keys: list[int]
    weights: npt.NDArray[np.float32]
    query: int | None
    key: int | None
    whole: bool = False
    note: str = ""


def near(grid: AttentionGrid, query: int | None, key: int | None, room: int, share: float) -> Near:
    """The chosen token and those it has the strongest edges with, as many as there is room for.

    A sentence may have more tokens than the pane has rows; then only tokens with an edge stay, in
    their order, so that no edge leads out of sight. Where queries and keys are the same tokens,
    both sides keep the same ones.
    """
    sizes = grid.weights.shape
    token = query if query is not None else key
    if token is None or max(sizes) <= room:
        everything = [list(range(size)) for size in sizes]
        return Near(everything[0], everything[1], grid.weights, query, key, whole=True)
    line = grid.weights[token] if query is not None else grid.weights[:, token]
    needed = strongest(line[None], share)[0]
    order = np.argsort(-np.abs(np.nan_to_num(line)), kind="stable")
    wanted = [place for place in order.tolist() if needed[place]]
    kept = wanted[: max(1, room - 1)]
    own, others = [token], sorted(kept)
    if grid.square:
        own = others = sorted({token, *kept})
    queries, keys = (own, others) if query is not None else (others, own)
    weights = grid.weights[np.ix_(queries, keys)].copy()
    left_out = [number for number, place in enumerate(others) if place not in kept]
    if query is not None:
        weights[own.index(token), left_out] = np.nan
    else:
        weights[left_out, own.index(token)] = np.nan
    note = _part(line, kept, query is not None, grid.kept is not None, len(wanted))
    if query is not None:
        return Near(queries, keys, weights, own.index(token), None, note=note)
    return Near(queries, keys, weights, None, own.index(token), note=note)


def _part(
    line: npt.NDArray[np.float32], kept: list[int], row: bool, sparse: bool, wanted: int
) -> str:
    """How much of a row, or of what goes into a key, the edges that are shown make up."""
    whole = float(np.nansum(np.abs(line)))
    if not whole:
        return f"no edges: the whole {'row' if row else 'column'} is zero"
    where = ("of what the row keeps" if sparse else "of the row") if row else "into the key"
    share = float(np.abs(line[kept]).sum()) / whole
    which = f"{len(kept)} of {len(line)} tokens"
    if len(kept) < wanted:
        which = f"{len(kept)} of {wanted} edges fit"
    return f"{which}: {round(100 * share)} % {where}"
