"""Distances between groups of points, layer by layer, with intervals over examples.

On the maps; and, of a file that keeps reduced vectors, in the original space.

How close together the points of a group lie is the mean distance of two of them, how far apart two
groups lie the mean distance of a point of one and a point of the other. The unit of inference is
the example, as everywhere: the points that an example has in a group weigh one together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..reader import Collateral
from .distances import Curve, curve, median_distance, pairs_of_points, resamples

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Block = tuple[slice, npt.NDArray[np.float32]]
Space = Literal["tsne", "cosine", "euclid"]
"""What points have distances by: their map, or their vectors in the original space."""

MOST_POINTS = 4000
"""Points that are taken at most: all distances between them take a tenth of a second per layer."""
_BLOCK = 64
"""Points whose distances to all others are held at a time."""


@dataclass(frozen=True, eq=False)
class GroupCurves:
    """Mean distances between the points of groups; on the map in units of the map.

    Attributes:
        within: of each group, between two of its points.
        others: of each group, between one of its points and one of any other group.
        between: between two points of different groups, whichever.
        taken: points that were taken of each group.
        sizes: points that each group has.
    """

    within: list[Curve]
    others: list[Curve]
    between: Curve
    taken: tuple[int, ...]
    sizes: tuple[int, ...]


def group_curves(
    c: Collateral,
    codes: npt.NDArray[np.integer],
    labels: Sequence[str],
    *,
    measure: Space = "tsne",
    among: npt.NDArray[np.integer] | None = None,
    most: int = MOST_POINTS,
    samples: int = 1000,
    seed: int = 0,
) -> GroupCurves:
    """How close the points of each group lie to each other, and how far from the other groups.

    With w_i = 1 / (points that the example of point i has in the group of i), the mean distance
    between groups g and h (or within g, where h = g) is::

        D(g, h) = sum of w_i w_j d(i, j) / sum of w_i w_j    over i in g, j in h, i != j

    On the map ("tsne") d is the distance of two places divided by the map's median distance between
    two points, as in :func:`map_distances`: at 1 they are as far apart as two points of the map
    usually are. In the original space d is 1 - cosine, or the Euclidean distance, of two hidden
    states as far as the file's vectors keep them; see ``Vectors.quality``. "Others" and "between"
    sum numerators and denominators over several pairs of groups.

    Resamples draw examples. A mean over pairs of points is not a mean over examples, so a resample
    is taken to first order: D plus the sum over examples of (times drawn - 1) times the derivative
    of D by the example's weight. (Drawing copies instead would put each example at distance zero
    from its copy.) Resamples depend on ``seed``, ``samples`` and the length of ``among`` only, so
    two models' curves over the same examples can be subtracted by :func:`difference`, as can
    curves of one call. There is no interval where one side has fewer than two examples.

    Args:
        codes: int [points], the group of each point of the file; -1 belongs to none.
        measure: "tsne", "cosine" or "euclid"; NaN for hidden states without a map, or vectors, and
            for the cosine of a hidden state that is zero.
        labels: names of the groups 0, 1, ...
        among: example rows that resamples draw from, rising; those of the grouped points if None.
        most: points that are taken at most. If there are more, each group keeps so many drawn at
            random (by ``seed``), the same number in all groups that have as many. In the original
            space only points that have vectors are taken.

    Raises:
        ValueError: ``codes`` has another length than the points, or a code has no label.
        CollateralError: the file is damaged.
    """
    if len(codes) != len(c.points):
        raise ValueError(f"{len(codes)} codes for {len(c.points)} points")
    if len(codes) and int(np.max(codes)) >= len(labels):
        raise ValueError(f"code {np.max(codes)} has no label")
    chosen = _drawn(_known(c, codes, measure), len(labels), most, seed)
    cells = _Cells(np.asarray(codes)[chosen], c.point_examples[chosen], len(labels))
    masks = _masks(len(labels))
    mean = np.full((len(masks), c.meta.model.layers + 1), np.nan)
    slopes = np.zeros((len(cells.examples), *mean.shape))
    counts = cells.counts()
    for layer, sums in _sums(c, cells, chosen, measure) if len(chosen) else ():
        mean[:, layer], slopes[:, :, layer] = _ratios(sums, counts, masks)
    rows = cells.examples if among is None else np.asarray(among)
    at: Rows = np.asarray(np.searchsorted(rows, cells.examples))
    resampled = _to_first_order(mean, slopes, at, len(rows), samples, seed)
    drawn = (seed, samples, len(rows))
    sizes = [int(np.sum(codes == group)) for group in range(len(labels))]
    found = [
        curve(label, points, examples, mean[k], resampled[:, k], drawn)
        for k, (label, points, examples) in enumerate(_names(cells, labels, sizes))
    ]
    groups = len(labels)
    return GroupCurves(
        found[:groups],
        found[groups : 2 * groups],
        found[-1],
        tuple(np.bincount(cells.groups, minlength=groups).tolist()),
        tuple(sizes),
    )


def _known(
    c: Collateral, codes: npt.NDArray[np.integer], measure: Space
) -> npt.NDArray[np.integer]:
    """The groups of the points that have a place in this space; -1 of the others."""
    if measure == "tsne" or len(c.vectors.points) == len(codes):
        return codes
    known = np.full_like(codes, -1)
    known[c.vectors.points] = codes[c.vectors.points]
    return known


def _sums(
    c: Collateral, cells: _Cells, chosen: Rows, measure: Space
) -> Iterator[tuple[int, tuple[Doubles, Doubles]]]:
    """The sums of distances of each hidden state that has a map, or vectors."""
    if measure == "tsne":
        one, other = pairs_of_points(len(c.points))
        for layer in c.mapped_layers if len(one) else ():
            coordinates = c.coordinates(layer).astype(np.float64)
            typical = median_distance(coordinates, one, other)
            if typical > 0:
                yield layer, cells.sums(_distances(coordinates[chosen] / typical))
        return
    places = np.searchsorted(c.vectors.points, chosen)
    for layer in c.vectors.layers:
        vectors, lengths = c.vectors.read(layer, places), c.vectors.lengths(layer)[places]
        if measure == "euclid":
            yield layer, cells.sums(_euclidean(vectors, lengths))
        else:
            vectors[lengths == 0] = np.nan
            yield layer, cells.cosine_sums(vectors.astype(np.float64))


def _drawn(codes: npt.NDArray[np.integer], groups: int, most: int, seed: int) -> Rows:
    """Rows of the points that are taken, rising: all of a group, or as many as of the others."""
    members = [np.flatnonzero(codes == group) for group in range(groups)]
    each, left = 0, most
    for number, size in enumerate(sorted(map(len, members))):
        each = left // (groups - number)
        left -= min(size, each)
    rng = np.random.default_rng(seed)
    kept = [
        rows if len(rows) <= each else rng.choice(rows, each, replace=False) for rows in members
    ]
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, dtype=np.intp)


class _Cells:
    """Points by example and group.

    Attributes:
        groups: group of each point, [n].
        examples: the examples that have points, rising: [e].
        known: points of each example in each group, [e, groups].
    """

    def __init__(
        self,
        groups: npt.NDArray[np.integer],
        owners: npt.NDArray[np.integer],
        count: int,
    ) -> None:
        self.groups, self._owners = groups, owners
        self.examples, places = np.unique(owners, return_inverse=True)
        self._cell = places * count + groups
        self._shape = (len(self.examples), count)
        self.known = np.bincount(self._cell, minlength=len(self.examples) * count).reshape(
            self._shape
        )
        self._weight = 1 / np.maximum(self.known.ravel()[self._cell], 1)

    def sums(self, blocks: Iterable[Block]) -> tuple[Doubles, Doubles]:
        """Weighted sums of distances from each example's points in g to all points in h.

        Args:
            blocks: distances from some points at a time to all; 0 from a point to itself.

        Returns:
            Between different examples, and inside the example: both [e, groups, groups].
        """
        count = self._shape[1]
        weights = np.zeros((len(self.groups), count), dtype=np.float32)
        weights[np.arange(len(weights)), self.groups] = self._weight
        every, inside = np.empty_like(weights), np.empty_like(weights)
        for rows, gaps in blocks:
            every[rows] = gaps @ weights
            owners = self._owners[rows]  # they never fall: an example's points stand together
            first, last = np.searchsorted(self._owners, [owners[0], owners[-1] + 1]).tolist()
            own = owners[:, None] == self._owners[first:last]
            inside[rows] = (gaps[:, first:last] * own) @ weights[first:last]
        return self._summed(every - inside), self._summed(inside)

    def cosine_sums(self, vectors: Doubles) -> tuple[Doubles, Doubles]:
        """As :meth:`sums`, of 1 - z_i · z_j: by sums of vectors, without all pairs of points.

        Args:
            vectors: z of the points, [n, size].
        """
        count = self._shape[1]
        every, inside = np.empty((len(vectors), count)), np.empty((len(vectors), count))
        places = np.searchsorted(self.examples, self._owners)
        starts = np.searchsorted(self._owners, self.examples)
        own = self._weight * (1 - np.einsum("ij,ij->i", vectors, vectors))
        for group in range(count):
            mine = self.groups == group
            weights = np.where(mine, self._weight, 0)
            weighted = np.where(mine[:, None], weights[:, None] * vectors, 0)
            near, known = np.add.reduceat(weighted, starts), np.add.reduceat(weights, starts)
            itself = np.where(mine, own, 0)
            every[:, group] = known.sum() - vectors @ near.sum(axis=0) - itself
            inside[:, group] = known[places] - itself
            inside[:, group] -= np.einsum("ij,ij->i", vectors, near[places])
        return self._summed(every - inside), self._summed(inside)

    def _summed(self, values: npt.NDArray[np.floating]) -> Doubles:
        """Weighted sums of [n, groups] by example and group: [e, groups, groups]."""
        size = self._shape[0] * self._shape[1]
        columns = [
            np.bincount(self._cell, weights=self._weight * column, minlength=size)
            for column in values.T
        ]
        return np.stack(columns, axis=-1).reshape(*self._shape, -1).astype(np.float64)

    def counts(self) -> tuple[Doubles, Doubles]:
        """The same sums with 1 for every distance of two different points."""
        has = (self.known > 0).astype(np.float64)
        apart = has[:, :, None] * (has.sum(axis=0) - has)[:, None, :]
        inside = has[:, :, None] * has[:, None, :]
        groups = np.arange(self._shape[1])
        inside[:, groups, groups] -= has / np.maximum(self.known, 1)
        return apart, inside


def _distances(coordinates: Doubles) -> Iterator[Block]:
    """Distances on a map from some points at a time to all of them.

    Returns:
        Which points, and [some, places]; overwritten by the next.
    """
    places = coordinates.astype(np.float32)
    gaps = np.empty((min(_BLOCK, len(places)), len(places)), dtype=np.float32)
    squares = np.empty_like(gaps)
    x, y = np.ascontiguousarray(places.T)
    for start in range(0, len(places), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(places)))
        gap, square = gaps[: rows.stop - start], squares[: rows.stop - start]
        np.subtract(x[rows, None], x, out=gap)
        np.multiply(gap, gap, out=square)
        np.subtract(y[rows, None], y, out=gap)
        np.multiply(gap, gap, out=gap)
        square += gap
        yield rows, np.sqrt(square, out=square)


def _euclidean(
    vectors: npt.NDArray[np.float32], lengths: npt.NDArray[np.float32]
) -> Iterator[Block]:
    """Euclidean distances from some points at a time to all of them; see ``Vectors``."""
    scale = lengths.max(initial=0)  # so that squares of large ones stay finite
    scale = scale if scale > 0 else np.float32(1)
    lengths = lengths / scale
    squares = lengths * lengths
    scaled = vectors * lengths[:, None]
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(vectors)))
        gaps = scaled[rows] @ scaled.T
        gaps *= -2
        gaps += squares
        gaps += squares[rows, None]
        np.sqrt(np.maximum(gaps, 0, out=gaps), out=gaps)
        gaps *= scale
        gaps[np.arange(len(gaps)), np.arange(rows.start, rows.stop)] = 0
        yield rows, gaps


def _masks(groups: int) -> npt.NDArray[np.bool_]:
    """Which pairs of groups each curve sums: [within each, others of each, between all]."""
    same = np.eye(groups, dtype=bool)
    within = same[:, :, None] & same[:, None, :]
    others = (same[:, :, None] | same[:, None, :]) & ~same
    return np.concatenate([within, others, ~same[None]])


def _ratios(
    sums: tuple[Doubles, Doubles],
    counts: tuple[Doubles, Doubles],
    masks: npt.NDArray[np.bool_],
) -> tuple[Doubles, Doubles]:
    """Each curve's mean [curves], and its derivative by each example's weight [e, curves].

    A sum over pairs of different examples is of second degree in the weights, one over pairs inside
    an example of first.
    """
    flat = masks.reshape(len(masks), -1).T.astype(np.float64)
    (apart, inside), (apart_count, inside_count) = (
        [part.reshape(len(part), -1) @ flat for part in parts] for parts in (sums, counts)
    )
    total, weight = (apart + inside).sum(axis=0), (apart_count + inside_count).sum(axis=0)
    mean = np.where(weight > 1e-9, total / np.maximum(weight, 1e-9), np.nan)
    slopes = (2 * apart + inside) - mean * (2 * apart_count + inside_count)
    return mean, slopes / np.maximum(weight, 1e-9)


def _to_first_order(
    mean: Doubles, slopes: Doubles, at: Rows, examples: int, samples: int, seed: int
) -> Doubles:
    """The means in each resample: [samples, curves, layers + 1].

    Args:
        slopes: derivative of each mean by each example's weight, [e, curves, layers + 1].
        at: place of each of these examples among the ``examples`` that are drawn from.
    """
    result = np.broadcast_to(mean, (samples, *mean.shape)).copy()
    flat = np.nan_to_num(slopes.reshape(len(slopes), mean.size))
    for start, weights in resamples(examples, samples, seed) if examples else ():
        moved = (weights[:, at] - 1) @ flat
        result[start : start + len(weights)] += moved.reshape(-1, *mean.shape)
    return result


def _names(
    cells: _Cells, labels: Sequence[str], sizes: Sequence[int]
) -> list[tuple[str, int, int]]:
    """Label, points, and examples on the smaller side, of every curve."""
    has = cells.known > 0
    counts = has.sum(axis=0).tolist()
    rest = [int(np.delete(has, g, axis=1).any(axis=1).sum()) for g in range(len(labels))]
    apart = [min(own, other) for own, other in zip(counts, rest, strict=True)]
    within = list(zip(labels, sizes, counts, strict=True))
    others = list(zip(labels, sizes, apart, strict=True))
    return [*within, *others, ("between groups", sum(sizes), sorted([0, 0, *counts])[-2])]
