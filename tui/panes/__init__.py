"""The panes: pictures of the files for a selection. None knows another, none knows a widget."""

from __future__ import annotations

from ..actions import PaneName
from ..pane import Pane
from .attention import AttentionPane
from .distance import DistancePane
from .example import ExamplePane
from .examples import ExamplesPane
from .heads import HeadsPane
from .map import MapPane


def all_panes() -> dict[PaneName, Pane]:
    """A fresh pane of each kind, by name."""
    panes: list[Pane] = [
        ExamplesPane(),
        ExamplePane(),
        MapPane(),
        HeadsPane(),
        AttentionPane(),
        DistancePane(),
    ]
    return {pane.name: pane for pane in panes}
