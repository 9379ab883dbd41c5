"""Running batches: what is kept of each forward pass, reduced on the device layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .capture import Watch
from .errors import ExtractError
from .metrics import attention as attention_metrics
from .metrics import spans as span_metrics
from .metrics.attention import AttentionView, BatchShape
from .metrics.spans import PairIndex, SpanIndex
from .models import LoadedModel
from .span_head import SpanHead
from .tasks.base import Placed, Task

Array = npt.NDArray[np.float32]

_ROW_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of one example.

    Attributes:
        example_metrics: float32 [metrics, layers, heads].
        pair_metrics: float32 [metrics, pairs, layers, heads].
        distances: float32 [measures, pairs, layers + 1].
        points: float32 [layers + 1, points, width], means of hidden states.
        logits: float32 [pairs] of the head, None without one.
        maps: [layers, heads, tokens, tokens], None if not kept.
    """

    example_metrics: Array
    pair_metrics: Array
    distances: Array
    points: Array
    logits: Array | None
    maps: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Runner:
    """Runs batches of one model for one task.

    Attributes:
        watch: the model, set up to be watched.
        loaded: what is known of the model.
        task: names the metrics.
        head: makes predictions from the last hidden state, None without one.
        map_dtype: in which attention is kept until it is written, float16 or float32.
    """

    watch: Watch
    loaded: LoadedModel
    task: Task[Any]
    head: SpanHead | None
    map_dtype: torch.dtype = torch.float16

    def run(self, batch: Sequence[Placed[Any]], keep: Sequence[bool]) -> list[Outcome]:
        """One forward pass.

        Args:
            batch: examples, of any lengths.
            keep: for each, whether its attention maps are wanted.

        Raises:
            ExtractError: the numbers are no attention, or the device's memory is too small.
        """
        tap = _BatchTap(self, batch, keep)
        try:
            last = self.watch.run(self.inputs(batch), tap)
            logits = None
            if self.head is not None and tap.pairs is not None:
                logits = self.head.logits(last, tap.pairs).float().cpu().numpy()
            return tap.outcomes(logits)
        except torch.OutOfMemoryError as error:
            raise ExtractError(
                f"The memory of {self.loaded.device} is too small for {_size(batch)} at once; "
                "lower --batch-size or --max-length."
            ) from error
        except (RuntimeError, IndexError, MemoryError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ExtractError(
                f"{self.loaded.info.name} failed on {_size(batch)} ({first.rstrip('.')}); lower "
                "--max-length, in case it takes fewer tokens than its configuration says, or "
                "--batch-size."
            ) from error

    def inputs(self, batch: Sequence[Placed[Any]]) -> dict[str, torch.Tensor]:
        """The model's keyword arguments, padded on the right, on its device."""
        lengths = [len(one.encoded) for one in batch]
        ids = np.full((len(batch), max(lengths)), self.loaded.pad_id, dtype=np.int64)
        for row, one in enumerate(batch):
            ids[row, : lengths[row]] = one.encoded.ids
        mask = np.arange(max(lengths))[None, :] < np.array(lengths)[:, None]
        device = self.loaded.device
        return {
            "input_ids": torch.from_numpy(ids).to(device),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)).to(device),
        }


class _BatchTap:
    """Reduces each layer of one batch as it passes."""

    def __init__(self, runner: Runner, batch: Sequence[Placed[Any]], keep: Sequence[bool]) -> None:
        self._runner, self._batch = runner, batch
        info, device = runner.loaded.info, runner.loaded.device
        self._lengths = [len(one.encoded) for one in batch]
        self._shape = _shape(runner.loaded, batch)
        self.pairs = _pair_index(batch, device)
        rows = [row for row, one in enumerate(batch) for _ in one.points]
        self._point_rows = torch.tensor(rows, dtype=torch.int64, device=device)
        self._point_spans = SpanIndex.of([span for one in batch for span in one.points], device)
        self._example_metrics: list[torch.Tensor] = []
        self._pair_metrics: list[torch.Tensor] = []
        self._distances: list[torch.Tensor] = []
        self._points: list[torch.Tensor] = []
        self._error = torch.zeros((), device=device)
        self._map_dtype = runner.map_dtype
        stored = np.float16 if runner.map_dtype == torch.float16 else np.float32
        self._maps = {
            row: np.empty((info.layers, info.heads, n, n), dtype=stored)
            for row, n in enumerate(self._lengths)
            if keep[row]
        }

    def attention(self, layer: int, weights: torch.Tensor) -> None:
        """Reduces one layer's weights to metrics; copies the maps that are kept."""
        task, shape = self._runner.task, self._shape
        view = AttentionView(weights, shape)
        # torch.maximum hands NaN on, so that one look at the end of a batch is enough
        self._error = torch.maximum(self._error, view.row_error)
        self._example_metrics.append(attention_metrics.compute(view, task.example_metrics))
        if self.pairs is not None:
            self._pair_metrics.append(
                span_metrics.compute(weights, shape, self.pairs, task.pair_metrics)
            )
        for row, maps in self._maps.items():
            n = self._lengths[row]
            # torch narrows to half precision some forty times faster than numpy does
            maps[layer] = weights[row, :, :n, :n].to(self._map_dtype).cpu().numpy()

    def hidden(self, layer: int, states: torch.Tensor) -> None:
        """Reduces one hidden state to distances and to the vectors of the points."""
        if self.pairs is not None:
            u = self.pairs.first.mean(states, self.pairs.examples)
            v = self.pairs.second.mean(states, self.pairs.examples)
            self._distances.append(span_metrics.span_distances(u, v))
        self._points.append(self._point_spans.mean(states, self._point_rows))

    def outcomes(self, logits: Array | None) -> list[Outcome]:
        """What is kept, by example; checks that the numbers are what they are taken for."""
        self._check_numbers()
        example_metrics = torch.stack(self._example_metrics, 2).cpu().numpy()
        points = torch.stack(self._points).cpu().numpy()
        if self.pairs is not None:
            pair_metrics = torch.stack(self._pair_metrics, 2).cpu().numpy()
            distances = torch.stack(self._distances, 2).cpu().numpy()
        else:
            info, task = self._runner.loaded.info, self._runner.task
            size = (len(task.pair_metrics), 0, info.layers, info.heads)
            pair_metrics = np.zeros(size, np.float32)
            distances = np.zeros((len(task.measures), 0, info.layers + 1), np.float32)
        found, pair, point = [], 0, 0
        for row, one in enumerate(self._batch):
            pairs = slice(pair, pair := pair + len(one.pairs))
            mine = slice(point, point := point + len(one.points))
            found.append(
                Outcome(
                    example_metrics=example_metrics[:, row],
                    pair_metrics=pair_metrics[:, pairs],
                    distances=distances[:, pairs],
                    points=points[:, mine],
                    logits=None if logits is None else logits[pairs],
                    maps=self._maps.get(row),
                )
            )
        return found

    def _check_numbers(self) -> None:
        dtype = next(self._runner.loaded.model.parameters()).dtype
        error = float(self._error)
        if not error <= _ROW_TOLERANCE.get(dtype, 1e-2):
            raise ExtractError(
                f"The attention weights of {self._runner.loaded.info.name} do not sum to one over "
                f"the tokens of a text (off by {error:.3g}); nothing computed from them would be "
                f"true. {_why_not_one(self._runner.loaded.model, dtype)}"
            )
        if not all(bool(torch.isfinite(vectors).all()) for vectors in self._points):
            raise ExtractError(
                f"The hidden states of {self._runner.loaded.info.name} are not finite numbers; try "
                "--dtype float32."
            )


def _why_not_one(model: Any, dtype: torch.dtype) -> str:
    """Why attention does not sum to one, as far as can be known, and what to do."""
    kind = type(model).__name__
    # "sinks", "sink_proj": transformers' names for what takes part in the softmax and is no token
    if any("sink" in name for name, _ in model.named_parameters()):
        return (
            f"{kind} gives part of its attention to a sink, which is no token of the text; such "
            "models are not supported yet."
        )
    if dtype != torch.float32:
        return "Try --dtype float32."
    return f"The attention of {kind} is not supported yet."


def _size(batch: Sequence[Placed[Any]]) -> str:
    longest = max(len(one.encoded) for one in batch)
    return f"{len(batch)} texts of up to {longest} tokens"


def _shape(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> BatchShape:
    lengths = [len(one.encoded) for one in batch]
    separators = np.zeros((len(batch), max(lengths)), dtype=np.bool_)
    if loaded.separator_id is not None:
        for row, one in enumerate(batch):
            separators[row, : lengths[row]] = one.encoded.ids == loaded.separator_id
    return BatchShape.of(lengths, separators, loaded.causal, loaded.device)


def _pair_index(batch: Sequence[Placed[Any]], device: torch.device) -> PairIndex | None:
    """Where the pairs of a batch are; None if it has none."""
    pairs = [(row, pair) for row, one in enumerate(batch) for pair in one.pairs]
    if not pairs:
        return None
    return PairIndex.of(
        [row for row, _ in pairs],
        [pair.span1 for _, pair in pairs],
        [pair.span2 for _, pair in pairs],
        device,
    )
