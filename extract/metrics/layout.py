"""What is known of a padded batch beside its attention, and the views that metrics are given.

A batch is padded on the right. Its attention comes in blocks: some examples, some query rows, all
heads, all keys. What a block needs besides its weights (positions, who sees what, where tokens
repeat) depends on the block's place and not on its layer, so it is made once and kept in a
:class:`Part`, for each device that a layer of the model stands on.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

NOT_SEEN = -9999.0
"""An additive mask below this hides a key: its weight is e^-9999 of another's at most, zero."""

KEPT_TOKENS = 1024
"""Up to this many tokens what belongs to a block's place is kept between layers. Of longer texts it
is made anew, which takes little of a block's time: kept, it would break up freed memory."""

KEPT_PLACES = 1 << 21
"""Places of repeated tokens that are kept between layers, 32 MiB; found anew for each above."""

Places = tuple[torch.Tensor, torch.Tensor]
Matches = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Block(Protocol):
    """A part of one layer's attention, as :class:`extract.models.capture.Block`."""

    @property
    def layer(self) -> int: ...
    @property
    def examples(self) -> slice: ...
    @property
    def rows(self) -> slice: ...
    @property
    def weights(self) -> torch.Tensor:
        """[examples, heads, rows, keys] of any floating point type."""

    @property
    def mask(self) -> torch.Tensor | None:
        """Additive, [examples or 1, heads or 1, rows, keys]; None if nothing is masked."""

    @property
    def scores(self) -> torch.Tensor | None:
        """Like the weights, which are their softmax; None where that is not known."""


class BatchLayout:
    """What is known of a padded batch, for one kind of attention.

    Attributes:
        batch: number of examples.
        queries, keys: tokens of the padded batch, on either side.
        same: whether queries and keys are the same tokens (no cross-attention).
        causal: whether a row sees only itself and what is before it.
        shortest: keys of the example that has fewest.
        query_lengths, key_lengths: int64 [batch].
        separators: bool [batch, keys], where the separator token stands.
        ids: int64 [batch, keys] of the tokens, None if not given; padding holds anything.
    """

    def __init__(
        self,
        queries: Sequence[int],
        keys: Sequence[int] | None = None,
        *,
        causal: bool = False,
        separators: npt.NDArray[np.bool_] | None = None,
        ids: npt.NDArray[np.integer] | None = None,
    ) -> None:
        """Layout of examples with these numbers of tokens.

        Args:
            queries: tokens of each example on the side of the queries.
            keys: on the side of the keys; None if both are the same tokens.
            causal: whether a row sees only itself and what is before it.
            separators: bool [batch, keys], where the separator stands among the keys.
            ids: [batch, keys] of the tokens.
        """
        self.same = keys is None
        self.causal = causal
        self.query_lengths = np.asarray(list(queries), dtype=np.int64)
        self.key_lengths = (
            self.query_lengths if keys is None else np.asarray(list(keys), dtype=np.int64)
        )
        self.batch = len(self.query_lengths)
        self.queries = int(self.query_lengths.max())
        self.keys = int(self.key_lengths.max())
        self.shortest = int(self.key_lengths.min())
        if separators is None:
            separators = np.zeros((self.batch, self.keys), dtype=np.bool_)
        self.separators = separators & (np.arange(self.keys) < self.key_lengths[:, None])
        self.ids = None if ids is None else np.asarray(ids, dtype=np.int64)
        self.kept_places = 0
        self._parts: dict[tuple[int, int, int, int, torch.device], Part] = {}
        self._scratch: dict[torch.device, torch.Tensor] = {}
        self._distances: dict[torch.device, torch.Tensor] = {}

    @cached_property
    def separator_places(self) -> list[tuple[int, ...]]:
        """For each example, the positions of separators among its keys."""
        return [tuple(np.flatnonzero(marks).tolist()) for marks in self.separators]

    @cached_property
    def repeated(self) -> npt.NDArray[np.bool_]:
        """bool [batch, tokens]: the same token stands somewhere before this one.

        Raises:
            ValueError: the ids were not given.
        """
        if self.ids is None or not self.same:
            raise ValueError("repeats need the ids of tokens that are queries and keys alike")
        padding = np.arange(self.keys) >= self.key_lengths[:, None]
        ids = np.where(padding, -1 - np.arange(self.keys), self.ids)  # padding repeats nothing
        order = np.argsort(ids, axis=1, kind="stable")
        ordered = np.take_along_axis(ids, order, axis=1)
        found = np.zeros(ids.shape, dtype=np.bool_)
        np.put_along_axis(found, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        return found

    def part(self, examples: slice, rows: slice, device: torch.device) -> Part:
        """What is known of some examples and rows, on a device."""
        key = (examples.start, examples.stop, rows.start, rows.stop, device)
        found = self._parts.get(key)
        if found is None:
            found = Part(self, examples, rows, device)
            if self.keeps:
                self._parts[key] = found
        return found

    @property
    def keeps(self) -> bool:
        """Whether what belongs to a block's place is kept between layers."""
        return max(self.queries, self.keys) <= KEPT_TOKENS

    def whole(self, device: torch.device) -> Part:
        """What is known of all examples and rows."""
        return self.part(slice(0, self.batch), slice(0, self.queries), device)

    def scratch(self, size: int, device: torch.device) -> torch.Tensor:
        """float32 [size], kept from call to call: fresh memory costs a page fault per 4 KiB."""
        room = self._scratch.get(device)
        if room is None or len(room) < size:
            # twice as much at a time: blocks of causal rows grow, and freed memory has no use then
            room = self._scratch[device] = torch.empty(1 << (size - 1).bit_length(), device=device)
        return room[:size]

    def distance(self, rows: slice, keys: int, device: torch.device) -> torch.Tensor:
        """float32 [rows, keys]: |i − j|."""
        if not self.keeps:
            return _distances(rows.start, rows.stop, keys, device)
        found = self._distances.get(device)
        if found is None:
            found = self._distances[device] = _distances(0, self.queries, self.keys, device)
        return found[rows, :keys]


def _distances(start: int, stop: int, keys: int, device: torch.device) -> torch.Tensor:
    i = torch.arange(start, stop, dtype=torch.float32, device=device)
    j = torch.arange(keys, dtype=torch.float32, device=device)
    return (i[:, None] - j[None, :]).abs_()


class Part:
    """What is known of some examples and some query rows of a batch, on one device.

    Attributes:
        layout: the whole batch.
        examples, rows: which part of it.
        device: where the tensors are.
        kept: whatever else was made of it, by who made it.
    """

    def __init__(
        self, layout: BatchLayout, examples: slice, rows: slice, device: torch.device
    ) -> None:
        self.layout = layout
        self.examples = examples
        self.rows = rows
        self.device = device
        self.kept: dict[Hashable, Any] = {}
        self._seen: list[Seen] = []
        self._repeats: dict[int, list[Places]] = {}

    def _put(self, values: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    @cached_property
    def positions(self) -> torch.Tensor:
        """int64 [rows]: where the query rows stand in their texts."""
        return torch.arange(self.rows.start, self.rows.stop, device=self.device)

    @cached_property
    def query_lengths(self) -> torch.Tensor:
        """int64 [examples]."""
        return self._put(self.layout.query_lengths[self.examples])

    @cached_property
    def key_lengths(self) -> torch.Tensor:
        """int64 [examples]."""
        return self._put(self.layout.key_lengths[self.examples])

    @cached_property
    def real(self) -> torch.Tensor:
        """bool [examples, rows]: False in padding."""
        return self.positions < self.query_lengths[:, None]

    @cached_property
    def separators(self) -> torch.Tensor:
        """bool [examples, keys]: where the separator stands among the keys."""
        return self._put(self.layout.separators[self.examples])

    @cached_property
    def has_separators(self) -> bool:
        """Whether any of the examples has a separator."""
        return bool(self.layout.separators[self.examples].any())

    @cached_property
    def others(self) -> torch.Tensor:
        """float32 [examples, 1, 1, keys]: 0 for separators, 1 for all else."""
        return (~self.separators).to(torch.float32)[:, None, None, :]

    @cached_property
    def outside(self) -> torch.Tensor:
        """float32 [examples, 1, 1, keys]: 1 for padding, 0 for real keys."""
        at = torch.arange(self.layout.keys, device=self.device)
        return (at >= self.key_lengths[:, None]).to(torch.float32)[:, None, None, :]

    @cached_property
    def from_separators(self) -> torch.Tensor:
        """bool [examples, rows]: query rows of separators, where both sides are the same."""
        return self._put(self.layout.separators[self.examples, self.rows])

    @cached_property
    def repeated(self) -> torch.Tensor:
        """bool [examples, rows]: the same token stands somewhere before this one."""
        return self._put(self.layout.repeated[self.examples, self.rows])

    @cached_property
    def same_separators(self) -> tuple[int, ...] | None:
        """Where separators stand if they stand in the same places in all of the examples."""
        places = set(self.layout.separator_places[self.examples])
        return places.pop() if len(places) == 1 else None

    @cached_property
    def separator_columns(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions of separators, int64 [examples, most], and which of them are real."""
        marks = self.layout.separators[self.examples]
        most = int(marks.sum(1).max(initial=0))
        # a stable sort of "not a separator" brings the positions of separators to the front
        columns = np.argsort(~marks, axis=1, kind="stable")[:, :most]
        return self._put(columns), self._put(np.take_along_axis(marks, columns, axis=1))

    @cached_property
    def example_numbers(self) -> torch.Tensor:
        """int64 [examples, 1]: 0, 1, ..., to index with."""
        size = self.examples.stop - self.examples.start
        return torch.arange(size, device=self.device)[:, None]

    def repeats(self, heads: int) -> Iterable[Places]:
        """Where a token repeats: places in weights [examples, heads, rows, keys], laid flat.

        Returns:
            Pieces of bounded size, each of two int64 arrays: where the weights on an earlier equal
            token stand, then those on the tokens after these, for all heads; and where their rows
            stand in [2, examples, heads, rows], laid flat.
        """
        found = self._repeats.get(heads)
        if found is not None:
            return found
        matches = self._find_matches()
        pieces = self._places(heads, *matches)
        count = 2 * heads * len(matches[0])
        if not self.layout.keeps or self.layout.kept_places + count > KEPT_PLACES:
            return pieces
        self.layout.kept_places += count
        self._repeats[heads] = list(pieces)
        return self._repeats[heads]

    def _find_matches(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Example and row within the part of each token that repeats, and an earlier equal one."""
        again = self.layout.repeated[self.examples, self.rows]
        assert self.layout.ids is not None  # `repeated` has seen to it
        example, row = np.nonzero(again)
        tokens = self.layout.ids[self.examples]
        at = row + self.rows.start
        equal = tokens[example] == tokens[example, at][:, None]
        equal &= np.arange(tokens.shape[1]) < at[:, None]
        which, earlier = np.nonzero(equal)
        return self._put(example[which]), self._put(row[which]), self._put(earlier)

    def _places(
        self, heads: int, example: torch.Tensor, row: torch.Tensor, earlier: torch.Tensor
    ) -> Iterator[Places]:
        rows, keys = self.rows.stop - self.rows.start, self.layout.keys
        size = (self.examples.stop - self.examples.start) * heads * rows
        head = torch.arange(heads, device=self.device)[:, None]
        # in pieces, so that a text of one repeated token takes no more memory than its weights
        step = max(1, size * keys // (8 * heads))
        for begin in range(0, len(example), step):
            e, r, k = (x[begin : begin + step] for x in (example, row, earlier))
            place = ((e * heads + head) * rows + r).flatten()  # [heads · matches]
            at = place * keys + k.repeat(heads)
            yield torch.cat([at, at + 1]), torch.cat([place, place + size])

    def seen(self, mask: torch.Tensor | None) -> Seen:
        """Which keys the rows can see by this mask; one object for the same mask of many layers.

        Layers share their masks, so that one is known by its place in memory, which cannot be
        taken by another while it is kept here.
        """
        for one in self._seen:
            if one.is_of(mask):
                return one
        self._seen = [*self._seen[-3:], Seen(self, mask)]
        return self._seen[-1]


class Seen:
    """Which keys the rows of a part can see: by a mask, or else by lengths and causality.

    Masks that differ between heads are taken to hide the same keys from all.

    Attributes:
        part: the examples and rows it is about.
        kept: whatever was made of it, by who made it; it holds for other layers with this mask.
    """

    def __init__(self, part: Part, mask: torch.Tensor | None) -> None:
        self.part = part
        self.kept: dict[Hashable, Any] = {}
        self._mask = mask
        self.visible = self._visible()

    def is_of(self, mask: torch.Tensor | None) -> bool:
        """Whether ``mask`` is the very memory that this was made of."""
        mine = self._mask
        if mine is None or mask is None:
            return mine is mask
        return (
            mine.data_ptr() == mask.data_ptr()
            and mine.shape == mask.shape
            and mine.stride() == mask.stride()
        )

    def _visible(self) -> torch.Tensor:
        """float32 [examples, rows]: how many keys a row sees (v_i); 1 in padding."""
        part = self.part
        if self._mask is not None:
            counts = _open(self._mask[:, 0]).sum(-1).clamp_min(1)
        elif part.layout.causal:
            counts = part.positions + 1
        else:
            counts = part.key_lengths[:, None]
        return torch.where(part.real, counts, 1).to(torch.float32)

    def at(self, example: torch.Tensor, row: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """bool: whether rows, counted within the part, see keys."""
        if self._mask is not None:
            # an axis of one stands for all
            example, row = (
                torch.zeros_like(at) if self._mask.shape[axis] == 1 else at
                for axis, at in ((0, example), (2, row))
            )
            return _open(self._mask[example, 0, row, key])
        causal = self.part.layout.causal
        last = row + self.part.rows.start + 1 if causal else self.part.key_lengths[example]
        return torch.lt(key, last)


def _open(mask: torch.Tensor) -> torch.Tensor:
    seen: torch.Tensor = mask if mask.dtype == torch.bool else mask > NOT_SEEN
    return seen


class View:
    """One block of attention, as row statistics see it.

    Attributes:
        weights: [examples, heads, rows, keys], of the model's type: widen before summing.
        scores: like the weights, which are their softmax; None where that is not known.
        part: what is known of the block's examples and rows.
        seen: which keys its rows can see.
    """

    def __init__(self, block: Block, part: Part) -> None:
        self.weights, self.scores = block.weights, block.scores
        self.part = part
        self.seen = part.seen(block.mask)

    @property
    def layout(self) -> BatchLayout:
        """The whole batch."""
        return self.part.layout

    @property
    def visible(self) -> torch.Tensor:
        """float32 [examples, 1, rows]: how many keys a row sees; 1 in padding."""
        return self.seen.visible[:, None, :]


class Rows:
    """Row statistics of a whole batch, as example metrics see them.

    The heads of several layers stand side by side, so a function treats them all alike.

    Attributes:
        whole: what is known of the batch.
        visible: float32 [batch, 1 or heads, rows], how many keys a row sees; 1 in padding.
    """

    def __init__(
        self, statistics: Mapping[str, torch.Tensor], whole: Part, visible: torch.Tensor
    ) -> None:
        self._statistics = statistics
        self.whole = whole
        self.visible = visible

    def __getitem__(self, name: str) -> torch.Tensor:
        """A row statistic, float32 [batch, heads, rows]; 0 in padding."""
        return self._statistics[name]

    @property
    def real(self) -> torch.Tensor:
        """bool [batch, rows]: False in padding."""
        return self.whole.real

    @property
    def keys(self) -> torch.Tensor:
        """float32 [batch, 1]: number of keys of each example."""
        return self.whole.key_lengths[:, None].to(torch.float32)

    def mean(self, values: torch.Tensor, among: torch.Tensor | None = None) -> torch.Tensor:
        """Mean over rows of [batch, heads, rows] → [batch, heads]; NaN where there is no row.

        Args:
            values: one number per row, finite in padding.
            among: bool [batch, 1 or heads, rows] or [batch, rows], the rows that count; real ones
                if not given.
        """
        among = self.real if among is None else among
        shares = among / among.sum(-1, keepdim=True)
        if shares.ndim == 3 and shares.shape[1] > 1:
            return (values * shares).sum(-1)
        return torch.bmm(values, shares.reshape(len(shares), -1, 1)).squeeze(-1)

    def mean_of_defined(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over the real rows that are not NaN → [batch, heads]; NaN where there is none."""
        defined = self.real[:, None, :] & ~values.isnan()
        return torch.where(defined, values, 0.0).sum(-1) / defined.sum(-1)
