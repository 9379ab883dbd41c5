"""Small Textual apps that the viewer is measured beside: ``python -m bench.rivals WHAT FILE``.

Each reads what it shows from an npz file, goes on by any key, and does nothing but draw.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from textual import events
from textual.app import App, ComposeResult
from textual.widgets import DataTable

COLOURS = ("red", "green", "blue", "orange", "magenta", "cyan", "white", "gray", "yellow", "teal")
PACKAGES = {"textual_plotext": "textual-plotext", "bertviz": "bertviz"}
"""What ``make bench`` installs beside all else: module and distribution."""


def missing(modules: Iterable[str]) -> list[str]:
    """The distributions of those modules that are not installed."""
    return [PACKAGES[name] for name in sorted(modules) if importlib.util.find_spec(name) is None]


class Scatter(App[None]):
    """The points of one layer in a PlotextPlot, coloured by class; a key shows the next layer."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with np.load(path) as found:
            places, codes = found["maps"], found["codes"]
        # plotext makes lists of what it is given; that is spared it here
        self._layers = [
            [layer[codes == code].T.tolist() for code in range(int(codes.max()) + 1)]
            for layer in places
        ]
        self._turns = 0

    def compose(self) -> ComposeResult:
        """Nothing but the plot."""
        from textual_plotext import PlotextPlot

        self._plot = PlotextPlot()
        yield self._plot

    def on_mount(self) -> None:
        """The first layer."""
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """The next layer, there and back."""
        self._turns += 1
        self._draw()

    def _draw(self) -> None:
        count = len(self._layers)
        at = self._turns % (2 * count - 2)
        layer = self._layers[min(at, 2 * count - 2 - at)]
        plt: Any = self._plot.plt
        plt.clear_data()
        for (x, y), colour in zip(layer, COLOURS, strict=False):
            plt.scatter(x, y, marker="braille", color=colour)
        self._plot.refresh()


class Matrix(App[None]):
    """One head in a DataTable; a key shows the next one."""

    BINDINGS: ClassVar = []

    def __init__(self, path: Path) -> None:
        super().__init__()
        with np.load(path) as found:
            self._heads = [
                [[f"{weight:.2f}" for weight in row] for row in head] for head in found["heads"]
            ]
        self._turns = 0

    def compose(self) -> ComposeResult:
        """Nothing but the table."""
        self._table: DataTable[str] = DataTable(show_cursor=False)
        yield self._table

    def on_mount(self) -> None:
        """The first head."""
        self._table.add_columns(*map(str, range(len(self._heads[0]))))
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """The next head."""
        self._turns += 1
        self._draw()

    def _draw(self) -> None:
        self._table.clear()
        self._table.add_rows(self._heads[self._turns % len(self._heads)])


APPS: dict[str, type[Scatter] | type[Matrix]] = {"scatter": Scatter, "matrix": Matrix}


def main() -> None:
    """Runs one of them."""
    what, path = sys.argv[1:]
    APPS[what](Path(path)).run()


if __name__ == "__main__":
    main()
