"""Questions asked of a collateral file: means over examples, distance curves. Numpy only."""

from .distances import Curve, curves, difference, disagreements, map_distances
from .groups import GroupCurves, Space, group_curves
from .heads import HeadMean, mean_over_examples, ranked

__all__ = [
    "Curve",
    "GroupCurves",
    "HeadMean",
    "Space",
    "curves",
    "difference",
    "disagreements",
    "group_curves",
    "map_distances",
    "mean_over_examples",
    "ranked",
]
