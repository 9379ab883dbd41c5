"""A bird's-eye view: the attention of all heads of a layer, or of all layers, made small."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ... import state, text
from ...out import weights
from ...out.export import Data
from ...pane import Context
from ...plots.canvas import Canvas
from ...plots.heatmap import scroll
from ...plots.scale import Scale, legend
from ...refusal import Refused
from ...state import Selection
from ...views import attention as attention_views
from ...views.answers import Floats, Missing
from .way import ONLY_SPECIALS, Way

_LARGEST = 24
"""Rows and columns of a tile at most."""
_MANY_HEADS = 400
_FINE, _COARSE = 96, 40
"""Rows and columns that are kept of a head, with few heads and with many."""


@dataclass(frozen=True)
class _Plan:
    """Where the tiles stand.

    Attributes:
        side: rows and columns of a tile; a column takes two cells.
        across, down: tiles in sight.
        left, top: first tile in sight.
        count: tiles in a row of all of them, and rows.
    """

    side: tuple[int, int]
    across: int
    down: int
    left: int
    top: int
    count: tuple[int, int]

    @property
    def step(self) -> tuple[int, int]:
        """Cells from tile to tile, to the right and down."""
        return 2 * self.side[1] + 1, self.side[0] + 1


class Overview(Way):
    """Tiles, one per head; the chosen head's name is highlighted."""

    def __init__(self, all_layers: bool) -> None:
        self._all = all_layers
        self._plan: _Plan | None = None
        self._at = (0, 0)
        self._in_sight = 8

    def title(self, c: Context) -> list[str]:
        """Which heads, and what a cell stands for."""
        s, size = c.selection, c.project.limits.kind(c.selection.kind)
        kind = f"{s.kind} " if len(c.project.kinds) > 1 else ""
        where = f"all {size.layers} layers" if self._all else f"layer {s.head_layer}"
        parts = [f"{kind}{text.many(size.heads, 'head')} of {where}"]
        if s.weighted:
            parts.append("× ‖f(x)‖")
        if s.hide_special:
            parts.append("specials hidden")
        return parts

    def ready(self, c: Context) -> bool:
        """Whether the layers in sight are read, or small."""
        s, size = c.selection, c.project.limits.kind(c.selection.kind)
        most = _resolution(c)
        waiting = [
            layer
            for layer in self._layers(c)
            if not attention_views.thumbnails_kept(c.project, s, layer, most)
        ]
        queries, keys = c.project.kind_tokens(s.example, s.kind)
        work = len(waiting) * size.heads * len(queries) * len(keys)
        return work <= attention_views.QUICK

    def prepare(self, c: Context) -> None:
        """Reads the layers that will be in sight."""
        for layer in self._layers(c):
            attention_views.thumbnails(c.project, c.selection, layer, _resolution(c))

    def _layers(self, c: Context) -> range:
        """The layers that will be in sight, as far as that is known before drawing."""
        if not self._all:
            return range(c.selection.head_layer, c.selection.head_layer + 1)
        layers = c.project.limits.kind(c.selection.kind).layers
        top = scroll(self._at[0], c.selection.head_layer, self._in_sight, layers)
        return range(top, min(layers, top + self._in_sight))

    def draw(self, c: Context, width: int, height: int) -> Canvas:
        """The tiles that there is room for, what their cells are, the colours."""
        look, s, project = c.look, c.selection, c.project
        canvas = Canvas(width, height, ascii_only=look.ascii)
        below = 2 if height >= 8 else 1
        first = attention_views.thumbnails(project, s, s.head_layer, _resolution(c))
        if not first.size:
            raise Missing(ONLY_SPECIALS)
        plan = self._make_plan(c, first.shape[1:], width, height - below)
        self._plan, self._at, self._in_sight = plan, (plan.top, plan.left), max(1, plan.down)
        tiles = self._tiles(c, plan)
        scale = _scale(list(tiles.values()), s.view == "B−A")
        for (layer, head), small in tiles.items():
            self._draw_tile(c, canvas, plan, (layer, head), small, scale)
        self._foot(c, canvas, plan, scale, below)
        return canvas

    def _make_plan(self, c: Context, shape: tuple[int, ...], width: int, height: int) -> _Plan:
        size = c.project.limits.kind(c.selection.kind)
        layer, head = c.selection.head_layer, c.selection.head
        least = -(-len(f"{size.layers - 1}.{size.heads - 1}") // 2)
        across, down = 1, 1
        side = least
        for side in range(_LARGEST, least - 1, -1):
            rows, columns = min(side, shape[0]), max(least, min(side, shape[1]))
            across, down = (width + 1) // (2 * columns + 1), height // (rows + 1)
            if self._all and across >= size.heads and down >= size.layers:
                break
            if not self._all and across * down >= size.heads:
                break
        across, down = max(1, min(across, size.heads)), max(1, down)
        count = size.heads, size.layers
        place = layer, head
        if not self._all:
            count = across, -(-size.heads // across)
            place = divmod(head, across)
        return _Plan(
            side=(min(side, shape[0]), max(least, min(side, shape[1]))),
            across=across,
            down=down,
            left=scroll(self._at[1], place[1], across, count[0]),
            top=scroll(self._at[0], place[0], down, count[1]),
            count=count,
        )

    def _tiles(self, c: Context, plan: _Plan) -> dict[tuple[int, int], Floats]:
        """The heads in sight, each as small as its tile."""
        found = {}
        for layer, head in self._heads(c, plan):
            whole = attention_views.thumbnails(c.project, c.selection, layer, _resolution(c))
            found[layer, head] = attention_views.largest_of(whole[head], *plan.side)
        return found

    def _heads(self, c: Context, plan: _Plan) -> list[tuple[int, int]]:
        """Layer and head of each tile in sight."""
        places = [
            (row, column)
            for row in range(plan.top, min(plan.top + plan.down, plan.count[1]))
            for column in range(plan.left, min(plan.left + plan.across, plan.count[0]))
        ]
        if self._all:
            return places
        layer, heads = c.selection.head_layer, c.project.limits.kind(c.selection.kind).heads
        numbers = [row * plan.count[0] + column for row, column in places]
        return [(layer, head) for head in numbers if head < heads]

    def _place(self, plan: _Plan, layer: int, head: int) -> tuple[int, int]:
        """Upper left cell of a tile."""
        row, column = (layer, head) if self._all else divmod(head, plan.count[0])
        return (column - plan.left) * plan.step[0], (row - plan.top) * plan.step[1]

    def _draw_tile(
        self,
        c: Context,
        canvas: Canvas,
        plan: _Plan,
        at: tuple[int, int],
        small: Floats,
        scale: Scale,
    ) -> None:
        look = c.look
        x, y = self._place(plan, *at)
        chosen = at == (c.selection.head_layer, c.selection.head)
        name = f"{at[0]}.{at[1]}"
        canvas.put(x, y, name.ljust(plan.step[0] - 1) if chosen else name,
                   look.cursor if chosen else look.muted)  # fmt: skip
        levels = look.levels(scale.diverging)
        table = [look.heat(step, scale.diverging, 2) for step in range(-1, levels)]
        places = scale.steps(small, levels) + 1
        chars = np.array([words for words, _ in table], dtype="<U2")[places.ravel()]
        shape = small.shape[0], 2 * small.shape[1]
        inks = [ink for _, ink in table]
        canvas.paint(x, y + 1, chars.view("<U1").reshape(shape), np.repeat(places, 2, axis=1), inks)

    def _foot(self, c: Context, canvas: Canvas, plan: _Plan, scale: Scale, below: int) -> None:
        """The colours, what a cell stands for, and what is out of sight."""
        look, s = c.look, c.selection
        grid = c.project.kind_tokens(s.example, s.kind)
        sizes = [min(len(some), side) for some, side in zip(grid, plan.side, strict=True)]
        per_cell = [-(-len(some) // size) for some, size in zip(grid, sizes, strict=True)]
        what = "a cell per weight"
        if max(per_cell) > 1:
            kind = "largest change" if s.view == "B−A" else "largest"
            what = f"a cell: the {kind} of up to {per_cell[0]} × {per_cell[1]} weights"
        y = canvas.height - below
        canvas.blit(0, y, legend(look, scale, min(canvas.width, 36)))
        if below > 1:
            seen = self._seen(c, plan)
            x = canvas.put(0, y + 1, text.cut(seen, canvas.width), look.text)
            x += 2 if seen else 0
            if x + len(what) <= canvas.width or not seen:
                canvas.put(x, y + 1, text.cut(what, canvas.width - x), look.muted)

    def _seen(self, c: Context, plan: _Plan) -> str:
        """Which layers and heads are in sight, of how many; "" if all are."""
        size = c.project.limits.kind(c.selection.kind)
        names = ("layers", "heads") if self._all else ("heads", "")
        if not self._all:  # rows of tiles, each of so many heads
            first, shown = plan.top * plan.across, plan.down * plan.across
            ranges = [(first, shown, size.heads)]
        else:
            ranges = [
                (plan.top, plan.down, size.layers),
                (plan.left, plan.across, size.heads),
            ]
        return ", ".join(
            f"{name} {first}-{min(first + shown, count) - 1} of {count}"
            for name, (first, shown, count) in zip(names, ranges, strict=False)
            if shown < count
        )

    # -- keys and mouse ---------------------------------------------------------------------

    def move(self, c: Context, dx: int, dy: int) -> Selection:
        """The next head; in the view of one layer, the rows of tiles run on into the next layer."""
        s, limits = c.selection, c.project.limits
        if self._all or self._plan is None:
            return state.move_head(s, limits, dy, dx)
        if dy:
            size, across = limits.kind(s.kind), self._plan.count[0]
            wanted = s.head + dy * across
            if 0 <= wanted < size.heads:
                s = state.move_head(s, limits, 0, dy * across)
            elif dy < 0 or s.head // across == (size.heads - 1) // across:
                s = state.move_head(s, limits, 1 if dy > 0 else -1, 0)
            else:
                s = state.move_head(s, limits, 0, size.heads)
        return state.move_head(s, limits, 0, dx) if dx else s

    def enter(self, c: Context) -> Selection:
        """Shows the chosen head's matrix."""
        return dataclasses.replace(c.selection, attention_view="matrix", combine="head")

    def act(self, c: Context, name: str) -> Selection | None:
        """Minus shows all layers, plus the heads of one, then the matrix of the chosen head."""
        if name == "less":
            return dataclasses.replace(c.selection, attention_view="layers")
        if name == "more":
            if self._all:
                return dataclasses.replace(c.selection, attention_view="layer")
            return self.enter(c)
        return None

    def idle(self, c: Context) -> frozenset[str]:
        """From all layers nothing is further off."""
        return frozenset({"less"} if self._all else ())

    def copy(self, c: Context) -> str:
        """The chosen head's name."""
        return c.selection.head_name

    def data(self, c: Context) -> Data:
        """All weights of the heads in sight, in full."""
        if self._plan is None:
            raise Refused("The heads are not drawn yet.")
        return weights.heads(c, self._heads(c, self._plan))

    def click(self, c: Context, x: int, y: int) -> Selection:
        """The head that was clicked."""
        plan, s = self._plan, c.selection
        if plan is None:
            return s
        column, row = x // plan.step[0], y // plan.step[1]
        if column >= plan.across or row >= plan.down:
            return s
        column, row = column + plan.left, row + plan.top
        layer, head = (row, column) if self._all else (s.head_layer, row * plan.count[0] + column)
        size = c.project.limits.kind(s.kind)
        if layer >= size.layers or head >= size.heads:
            return s
        return state.move_head(s, c.project.limits, layer - s.head_layer, head - s.head)


def _resolution(c: Context) -> int:
    size = c.project.limits.kind(c.selection.kind)
    return _FINE if size.layers * size.heads <= _MANY_HEADS else _COARSE


def _scale(tiles: list[Floats], difference: bool) -> Scale:
    """From 0 for weights, about zero for differences; of the tiles in sight."""
    ranges = [Scale.of(tile, difference) for tile in tiles]
    most = max((scale.hi for scale in ranges), default=0.0)
    return Scale(-most, most, True) if difference else Scale(0.0, max(most, 0.0))
