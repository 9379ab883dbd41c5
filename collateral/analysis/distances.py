"""Distances between spans, layer by layer: on the maps, by group, with intervals over examples.

The unit of inference is the example: pairs of one example are not independent. So pairs are
averaged inside their example, examples are averaged, and intervals come from resampling examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..reader import Collateral

Floats = npt.NDArray[np.float32]

_CELLS = 1 << 17
"""Weights of resamples held at a time (1 MiB)."""
_KEPT = 1 << 20
"""Counts of resamples that are kept, at most (4 MiB)."""
_POINT_PAIRS = 100_000
"""Pairs of points that a map's scale is taken from, at most: some milliseconds per map. Drawn at
random they give the median to about 0.3 %."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A mean per hidden state, with a 95 % interval by bootstrap over examples.

    Attributes:
        label: the group's name.
        pairs: pairs behind it (with at least one defined value); of groups of points, points.
        examples: examples behind it; of a difference, the smaller number of the two.
        mean: float32 [layers + 1]; NaN where nothing is defined.
        low, high: float32 [layers + 1], the 2.5th and 97.5th percentile of the resampled means;
            NaN with fewer than two examples.
        resampled: float64 [samples, layers + 1], the mean in each resample.
        drawn: what decides the resamples; curves with equal ``drawn`` can be subtracted.
    """

    label: str
    pairs: int
    examples: int
    mean: Floats
    low: Floats
    high: Floats
    resampled: npt.NDArray[np.float64] = field(repr=False)
    drawn: tuple[int, int, int] = (0, 0, 0)


def map_distances(c: Collateral) -> Floats:
    """Distances between the two spans of each pair on the t-SNE maps, in units of the map.

    A span's place is the mean of its points' coordinates. A map's own unit means nothing, so each
    layer is divided by the median distance between two points of its map::

        d(pair, layer) = |place of span 1 - place of span 2| / median over i < j of |x_i - x_j|

    with x_i the coordinates of point i: at 1 the spans are as far apart as two points of the map
    usually are. Only then may layers, or two models, be compared. All points are taken, not the
    stored pairs alone: if most pairs moved together, the median over pairs would move along and
    hide it. With more than 100,000 pairs of points (448 points or more) the median is that of
    100,000 drawn at random: the same ones for every map of so many points, on every call.

    Returns:
        float32 [pairs, layers + 1]; NaN for layers without a map, for spans without points, and
        where the median is 0.

    Raises:
        CollateralError: the file is damaged.
    """
    spans = c.pair_points.reshape(-1, 2)
    result = np.full((len(c.pairs), c.meta.model.layers + 1), np.nan, dtype=np.float32)
    sizes = spans[:, 1] - spans[:, 0]
    one, other = pairs_of_points(len(c.points) if len(spans) else 0)
    for layer in c.mapped_layers if len(one) else ():
        places = c.coordinates(layer).astype(np.float64)
        sums = np.zeros((len(places) + 1, 2))
        np.cumsum(places, axis=0, out=sums[1:])
        centres = (sums[spans[:, 1]] - sums[spans[:, 0]]) / np.where(sizes > 0, sizes, np.nan)[
            :, None
        ]
        first, second = centres.reshape(-1, 2, 2).swapaxes(0, 1)
        typical = median_distance(places, one, other)
        if typical > 0:
            result[:, layer] = np.hypot(*(first - second).T) / typical
    return result


def pairs_of_points(points: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pairs of different points: every one, or 100,000 random ones if there are more.

    Returns:
        The first and the second point of each pair.
    """
    if points * (points - 1) // 2 <= _POINT_PAIRS:
        one, other = np.triu_indices(points, 1)
        return one, other
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, points, size=_POINT_PAIRS, dtype=np.intp)
    step = rng.integers(1, points, size=_POINT_PAIRS, dtype=np.intp)
    return drawn, (drawn + step) % points


def median_distance(
    places: npt.NDArray[np.float64], one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]
) -> float:
    """The median distance of these pairs of points, NaN if one is NaN.

    A column at a time, and roots of the two middle squares only, which is the fast way.
    """
    squares = np.zeros(len(one))
    for axis in np.ascontiguousarray(places.T):
        gap = axis.take(one)
        gap -= axis.take(other)
        gap *= gap
        squares += gap
    middle = (len(squares) - 1) // 2, len(squares) // 2
    squares.partition((*middle, -1))  # NaN would come last
    return float("nan") if np.isnan(squares[-1]) else float(np.sqrt(squares[[*middle]]).mean())


def curves(
    values: npt.NDArray[np.floating],
    codes: npt.NDArray[np.integer],
    labels: Sequence[str],
    pair_examples: npt.NDArray[np.integer],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> list[Curve]:
    """One curve per group of pairs: means over examples and their bootstrap intervals.

    Within a group, the pairs of an example are averaged first, then the examples; NaN is left out.
    A resample draws as many examples as there are, with replacement, from all examples that have a
    pair in ``pair_examples`` (whatever its group); all groups use the same resamples, so that
    :func:`difference` of two of them respects what they share. The draw depends on ``seed``,
    ``samples`` and the number of examples only. A resample in which a group has no example is left
    out of that group's interval.

    Args:
        values: [pairs, layers + 1], for example ``c.distances("cosine")``.
        codes: int [pairs], the group of each pair; -1 belongs to none.
        labels: names of the groups 0, 1, ...
        pair_examples: int [pairs], the example row of each pair.
        samples: number of resamples; 0 gives means without intervals.
        seed: of the resamples.

    Returns:
        A curve per label, in order, also for groups without pairs (NaN, 0 examples).

    Raises:
        ValueError: the lengths differ or a code has no label.
    """
    if values.ndim != 2 or not len(values) == len(codes) == len(pair_examples):
        raise ValueError("values, codes and pair_examples differ in length")
    if len(codes) and int(np.max(codes)) >= len(labels):
        raise ValueError(f"code {np.max(codes)} has no label")
    rows, places = np.unique(pair_examples, return_inverse=True)
    sums, known = _per_example(values, codes, len(labels), places, len(rows))
    examples = (known.any(axis=2)).sum(axis=0)
    pairs = np.bincount(codes[(codes >= 0) & ~np.isnan(values).all(axis=1)], minlength=len(labels))
    mean = _ratio(sums.sum(axis=0), known.sum(axis=0))
    resampled = _resampled(sums, known, samples, seed)
    drawn = (seed, samples, len(rows))
    return [
        curve(label, int(pairs[g]), int(examples[g]), mean[g], resampled[:, g], drawn)
        for g, label in enumerate(labels)
    ]


def difference(first: Curve, second: Curve, label: str = "") -> Curve:
    """``second - first``, with an interval from the resamples that the two share.

    Args:
        first, second: curves of one call of :func:`curves`, or of two calls on the same pairs with
            equal ``seed`` and ``samples`` (two models: ``difference(a, b)`` is B - A, paired).
        label: a name; "second - first" if empty.

    Raises:
        ValueError: the two were not drawn alike.
    """
    if first.drawn != second.drawn or first.mean.shape != second.mean.shape:
        raise ValueError(f"{first.label!r} and {second.label!r} were not resampled together")
    return curve(
        label or f"{second.label} - {first.label}",
        min(first.pairs, second.pairs),
        min(first.examples, second.examples),
        second.mean - first.mean,
        second.resampled - first.resampled,
        first.drawn,
    )


def disagreements(
    map_gap: Curve | npt.NDArray[np.floating], original_gap: Curve | npt.NDArray[np.floating]
) -> tuple[int, ...]:
    """The hidden states in which the map and the original space contradict each other.

    A gap is the difference between two groups' distances, on the map and in the original space,
    the same way round. With curves, a layer counts only if both intervals exclude zero and lie on
    opposite sides: anything less may be chance. With plain arrays [layers + 1] there are no
    intervals, and opposite signs are enough. NaN never disagrees.

    Raises:
        ValueError: the two have different lengths.
    """
    (map_low, map_high), (low, high) = _bounds(map_gap), _bounds(original_gap)
    if map_low.shape != low.shape:
        raise ValueError(f"gaps of {len(map_low)} and {len(low)} layers")
    opposite = ((map_low > 0) & (high < 0)) | ((map_high < 0) & (low > 0))
    return tuple(int(layer) for layer in np.flatnonzero(opposite))


def _bounds(
    gap: Curve | npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    return (gap.low, gap.high) if isinstance(gap, Curve) else (gap, gap)


def curve(
    label: str,
    pairs: int,
    examples: int,
    mean: npt.NDArray[np.floating],
    resampled: npt.NDArray[np.float64],
    drawn: tuple[int, int, int],
) -> Curve:
    """A curve with the interval that its resamples give; none with fewer than two examples."""
    low = high = np.full(mean.shape, np.nan, dtype=np.float32)
    if examples >= 2 and len(resampled):
        low, high = _percentiles(resampled)
    return Curve(label, pairs, examples, mean.astype(np.float32), low, high, resampled, drawn)


def _percentiles(resampled: npt.NDArray[np.float64]) -> tuple[Floats, Floats]:
    """The 2.5th and 97.5th percentile of each column, NaN left out; linear, as numpy's.

    numpy's own sorts no better, and loads its masked arrays first, which the viewer's start feels.
    """
    ordered = np.sort(resampled, axis=0)  # NaN comes last
    known = np.count_nonzero(~np.isnan(resampled), axis=0)
    columns = np.arange(resampled.shape[1])

    def at(percent: float) -> Floats:
        place = percent / 100 * np.maximum(known - 1, 0)
        below = np.floor(place).astype(np.intp)
        low, high = ordered[below, columns], ordered[np.ceil(place).astype(np.intp), columns]
        return np.asarray(low + (high - low) * (place - below), dtype=np.float32)

    return at(2.5), at(97.5)


def _per_example(
    values: npt.NDArray[np.floating],
    codes: npt.NDArray[np.integer],
    groups: int,
    places: npt.NDArray[np.intp],
    examples: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Mean of each example's pairs in each group (0 if there is none), and whether it is defined.

    Both are [examples, groups, layers + 1].
    """
    shape = (examples, groups, values.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    inside = codes >= 0
    cells = places[inside] * groups + codes[inside]
    for layer in range(values.shape[1]):
        column = values[inside, layer].astype(np.float64)
        known = ~np.isnan(column)
        size = examples * groups
        counts[..., layer] = np.bincount(cells[known], minlength=size).reshape(shape[:2])
        sums[..., layer] = np.bincount(cells[known], weights=column[known], minlength=size).reshape(
            shape[:2]
        )
    return sums / np.maximum(counts, 1), counts > 0


def _resampled(
    means: npt.NDArray[np.float64], known: npt.NDArray[np.bool_], samples: int, seed: int
) -> npt.NDArray[np.float64]:
    """Means over resampled examples: [samples, groups, layers + 1], by matrix products."""
    examples, groups, layers = means.shape
    result = np.full((samples, groups, layers), np.nan)
    if not examples:
        return result
    table = np.concatenate([means.reshape(examples, -1), known.reshape(examples, -1)], axis=1)
    for start, weights in resamples(examples, samples, seed):
        sums, counts = np.split(weights @ table, 2, axis=1)
        part = slice(start, start + len(weights))
        result[part] = _ratio(sums, counts).reshape(-1, groups, layers)
    return result


def resamples(
    examples: int, samples: int, seed: int
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """How often each example is drawn in each resample, some resamples at a time.

    Returns:
        The number of the first resample, and counts [resamples, examples].
    """
    if samples * examples <= _KEPT:  # asked for again and again, for each measure and view
        yield 0, _all_resamples(examples, samples, seed).astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, examples))
    for start in range(0, samples, step):
        yield start, _drawn(rng, min(step, samples - start), examples).astype(np.float64)


@lru_cache(maxsize=2)
def _all_resamples(examples: int, samples: int, seed: int) -> npt.NDArray[np.uint32]:
    return _drawn(np.random.default_rng(seed), samples, examples).astype(np.uint32)


def _drawn(rng: np.random.Generator, samples: int, examples: int) -> npt.NDArray[np.intp]:
    """The next resamples: how often each example is drawn, [samples, examples]."""
    drawn = rng.integers(0, examples, size=(samples, examples))
    drawn += np.arange(samples)[:, None] * examples
    return np.bincount(drawn.ravel(), minlength=samples * examples).reshape(samples, examples)


def _ratio(
    sums: npt.NDArray[np.float64], counts: npt.NDArray[np.floating | np.integer]
) -> npt.NDArray[np.float64]:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
