"""Reading a collateral file: opened in constant time, and only what is asked for is read."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from . import sections
from .one_example import OfExamples

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class Collateral(OfExamples):
    """An open collateral file; made by :func:`open`, used as a context manager.

    Everything but the index is read when it is asked for. Arrays that are returned belong to the
    caller: changing them changes nothing here.

    Attributes:
        path: the file.
        meta: model, task, fingerprints, kinds of attention, settings, counts.
        metrics: head metric name to description.
        measures: distance measure name to description.
        summaries: name to description of the head metrics of the whole data set.
        examples, points, pairs: the tables.
        items: the table of words, labels or tokens (``meta.item`` says which); empty, and without
            columns, in a file that has none.
        vectors: reduced vectors of the points, for cosines and distances in the original space;
            without layers in a file that has none.
    """

    def __repr__(self) -> str:
        model, counts = self.meta.model, self.meta.counts
        rows = ", ".join(f"{counts[name]} {name}" for name in sections.TABLES[:3])
        rows += f", {counts['items']} items" if self.items.columns else ""
        heads = f"{model.layers} layers, {model.heads} heads"
        return f"<Collateral {self.path!r}: {self.meta.task}, {model.name}, {heads}, {rows}>"

    # -- what was measured --------------------------------------------------------------------

    @property
    def quality(self) -> dict[str, Floats]:
        """Quality of the maps: name to float32 [layers + 1]."""
        names = [name for name in self._sections if name.startswith("quality/")]
        return {name.partition("/")[2]: self._array(name) for name in names}

    def coordinates(self, layer: int) -> Floats:
        """The map of one hidden state: float32 [points, 2]; layer 0 is the embeddings.

        Raises:
            KeyError: the file has no map of that layer.
        """
        return self._array(f"coordinates/{layer}", f"no map of layer {layer} is stored")

    @property
    def mapped_layers(self) -> tuple[int, ...]:
        """The hidden states that have a map, in order."""
        names = [name for name in self._sections if name.startswith("coordinates/")]
        return tuple(sorted(int(name.partition("/")[2]) for name in names))

    def head_metric(self, name: str, start: int = 0, stop: int | None = None) -> Floats:
        """A head metric: float32 [units, layers, heads], units as ``metrics[name].unit`` says.

        Args:
            name: of the metric.
            start, stop: of all its units only these; the others are not read.

        Raises:
            KeyError: no such metric; the message lists those there are.
            IndexError: there are no such units.
        """
        known, section = ", ".join(self.metrics), f"head_metric/{name}"
        message = f"no head metric {name!r}; there are: {known}"
        if (start == 0 and stop is None) or section not in self._sections:
            return self._array(section, message)
        units = self._sections[section]
        return units.some(start, units.count if stop is None else stop)

    def head_summary(self, name: str) -> Floats:
        """A head metric of the whole data set: float32 [layers, heads] of its kind of attention.

        Raises:
            KeyError: no such summary; the message lists those there are.
        """
        known = ", ".join(self.summaries) or "none"
        values = self._array(f"head_summary/{name}", f"no summary {name!r}; there are: {known}")
        return values.reshape(values.shape[1:])

    def distances(self, name: str) -> Floats:
        """A distance between the spans of each pair: float32 [pairs, layers + 1].

        Raises:
            KeyError: no such measure; the message lists those there are.
        """
        known = ", ".join(self.measures)
        return self._array(f"distance/{name}", f"no distance {name!r}; there are: {known}")

    @property
    def point_examples(self) -> Ints:
        """Example row of each point, which never falls: int32 [points]."""
        return self._owners("points/@example")

    @property
    def point_tokens(self) -> Ints:
        """Half-open token range of each point: int32 [points, 2]."""
        return self._array("points/@tokens")

    @property
    def pair_examples(self) -> Ints:
        """Example row of each pair, which never falls: int32 [pairs]."""
        return self._owners("pairs/@example")

    @property
    def pair_tokens(self) -> Ints:
        """Token ranges of the two spans of each pair: int32 [pairs, 2 spans, 2]."""
        return self._array("pairs/@tokens")

    @property
    def pair_points(self) -> Ints:
        """Point ranges of the two spans of each pair: int32 [pairs, 2 spans, 2]."""
        return self._rows_below("pairs/@points", len(self.points) + 1)

    @property
    def item_examples(self) -> Ints:
        """Example row of each item, which never falls: int32 [items]."""
        return self._owners("items/@example") if self.items.columns else np.empty(0, np.int32)

    @property
    def item_tokens(self) -> Ints:
        """Half-open token range of each item, (0, 0) for none: int32 [items, 2]."""
        return self._array("items/@tokens") if self.items.columns else np.empty((0, 2), np.int32)

    def verify(self) -> Iterator[str]:
        """Reads and checks everything; yields one sentence per fault found."""
        from .verify import faults  # only who verifies needs it

        return faults(self, self._source, self._sections, self._attention)


def open(path: str | os.PathLike[str]) -> Collateral:  # noqa: A001 (collateral.open is the interface)
    """Opens a collateral file; use it in a ``with`` block.

    Raises:
        CollateralError: no such file, not a collateral file, cut, damaged, or of a newer major
            version.
    """
    return Collateral(path)
