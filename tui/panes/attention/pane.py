"""Attention over one example, in one of several ways."""

from __future__ import annotations

from typing import ClassVar

from ... import text
from ...actions import PaneName
from ...out.export import Data
from ...pane import Context, Pane
from ...plots.canvas import Canvas
from ...state import AttentionView, Selection
from ...views import attention as attention_views
from ...views.answers import Missing
from .arrow_map import Map
from .links import Links
from .matrix import Matrix
from .overview import Overview
from .table import EdgeTable, largest_edges
from .way import Way


class AttentionPane(Pane):
    """Attention weights of the selected head or heads; rows are queries, columns are keys."""

    name: ClassVar[PaneName] = "attention"
    depends: ClassVar[frozenset[str]] = frozenset(
        {
            "view",
            "example",
            "pair",
            "kind",
            "head_layer",
            "head",
            "attention_view",
            "query",
            "key",
            "share",
            "edges",
            "combine",
            "hide_special",
            "weighted",
        }
    )
    help: ClassVar[str] = (
        "The attention weights of the selected head over the selected example, as the model "
        "computed them. A row is a **query** (the token that attends), a column a **key** (the "
        "token that is attended to); a row sums to 1. `v` changes the view:\n\n"
        "- **matrix**: a coloured cell per pair of tokens; the arrows move the cursor, its value "
        "stands below, with the places of both tokens (counted from 0). `-` goes back to the "
        "overview of the heads.\n"
        "- **map**: queries on the left, keys on the right, a line per edge. At first the edges "
        "of the chosen pair's second span (the pronoun) with their weights; `↑` `↓` choose "
        "another query, `←` `→` change between edges *from* and edges *to* the token. `esc` shows "
        "the edges of all tokens.\n"
        "- **table**: the edges sorted by weight (by size of the difference in B − A), with the "
        "places of their tokens. `E` leaves only the edges of some tokens: those that are what you "
        "type, or if there are none, those that contain it.\n"
        "- **heads**, the reverse question: what every head of all layers gives the chosen pair of "
        "tokens, sorted, and as a grid where there is room. Of a span or word of several "
        "pieces one token counts, and the pane says which; the head grid's metrics of pairs take "
        "whole spans. `↑` `↓` choose a head for all panes, "
        "`←` `→` another key, `enter` shows the head's matrix there.\n"
        "- **layer** and **layers**: a bird's-eye view of all heads of the layer, or of all "
        "layers, each as a small matrix. A cell that stands for several weights shows the largest "
        "of them. The arrows choose a head, `-` shows all layers, `+` one layer, `enter` the "
        "head's matrix.\n\n"
        "In map and table `+` and `-` change how much is shown: of each row the strongest edges "
        "that together make up 50, 70, 80, 90, 95, 99 or 100 % of it. Before you choose, the map "
        "has 70 % of all rows or 95 % of one token's edges, the table everything. Where a file "
        "keeps the largest weights of a row only, shares are of those, and in B − A a weight that "
        "one of the models does not keep counts as 0.\n\n"
        "`A` looks at several heads together: the mean or the maximum of the layer's heads, then "
        "of all heads of all layers. In B − A these are taken of each model first, so the maxima "
        "of A and B may be of different heads.\n\n"
        "`o` omits special tokens; the other weights stay as they are (they are not "
        "renormalised, so rows then sum to less than 1). In B − A a positive number means that "
        "B attends more. Maps that were stored in 8 bits are exact to ±.004 (a difference of two: "
        "±.008), and say so.\n\n"
        "Encoder-decoders have three **kinds** of attention, `K` goes through them: *encoder* "
        "(source to source), *decoder* (target to target, the decoder's inputs) and *cross*: a row "
        "is a token of the target, a column one of the source. The target's tokens are counted "
        "from 0 too (in copies and exports they go on after the source's).\n\n"
        "Of long texts a file may keep the **top** weights of each row only. What is left over of "
        "the row is said above; a cell without a kept weight is empty, which means small, not "
        "zero.\n\n"
        "`w` multiplies each weight by the length of the **value** that the head passes on for "
        "that key, ‖f(x)‖ (Kobayashi et al. 2020): a token that is attended to but adds next to "
        "nothing, often [SEP], then fades. Rows no longer sum to 1.\n\n"
        "`y` copies the weight under the cursor with its tokens (in the map all edges of the "
        "chosen token, in the list of heads the weight of the chosen head, in the bird's-eye "
        "views that head's name)."
    )

    def __init__(self) -> None:
        self.ways: dict[AttentionView, Way] = {
            "matrix": Matrix(),
            "map": Map(),
            "table": EdgeTable(),
            "heads": Links(),
            "layer": Overview(all_layers=False),
            "layers": Overview(all_layers=True),
        }

    def _way(self, c: Context) -> Way:
        return self.ways[c.selection.attention_view]

    def title(self, c: Context) -> str:
        """Model, heads, way of showing; what about the numbers is not exact."""
        return " · ".join([c.project.short(c.selection.view), *self._way(c).title(c)])

    def ready(self, c: Context) -> bool:
        """Several heads of a long text take a while."""
        return self._way(c).ready(c)

    def prepare(self, c: Context) -> None:
        """Reads them."""
        self._way(c).prepare(c)

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The chosen way."""
        return self._way(c).draw(c, width, height)

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """Moves the way's cursor."""
        try:
            return self._way(c).move(c, dx, dy)
        except Missing:
            return c.selection

    def enter(self, c: Context) -> Selection:
        """Chooses what is under the cursor."""
        try:
            return self._way(c).enter(c)
        except Missing:
            return c.selection

    def back(self, c: Context) -> Selection | None:
        """Lets the map show the edges of all tokens."""
        return self._way(c).back(c)

    def click(self, c: Context, x: int, y: int) -> Selection:
        """Chooses the cell, token or edge that was clicked."""
        try:
            return self._way(c).click(c, x, y)
        except Missing:
            return c.selection

    def act(self, c: Context, name: str) -> Selection | None:
        """What the way can do, such as to show more or fewer edges."""
        return self._way(c).act(c, name)

    def idle(self, c: Context) -> frozenset[str]:
        """What the way has no use for."""
        return self._way(c).idle(c)

    def gist(self, c: Context, width: int) -> Canvas:
        """The strongest edges between ordinary tokens."""
        canvas = Canvas(width, 1, ascii_only=c.look.ascii)
        if not attention_views.ready(c.project, c.selection):
            canvas.put(0, 0, "computing...", c.look.muted)
            return canvas
        grid = c.project.attention(c.selection)
        x = canvas.put(0, 0, attention_views.heads_words(c.project, c.selection), c.look.muted)
        for query, key in largest_edges(grid, 4, ordinary=True):
            value = c.look.number(float(grid.weights[query, key]), signed=grid.difference)
            words = f"{grid.label(query)}→{grid.key_label(key)} {value}"
            words = text.clean(words, c.look.ascii)
            if x + 2 + text.width(words) > width:
                break
            x = canvas.put(x + 2, 0, words)
        return canvas

    # -- out --------------------------------------------------------------------------------

    def copy(self, c: Context) -> str:
        """What is under the cursor."""
        return self._way(c).copy(c)

    def data(self, c: Context) -> Data:
        """What the way shows, a row per weight."""
        return self._way(c).data(c)
