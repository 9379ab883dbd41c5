"""Running batches: what is kept of each forward pass, reduced on the device layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from collateral.packing import PackedAttention
from collateral.schema import AttentionKind

from .. import plugins
from ..errors import ExtractError, OutOfMemory, is_out_of_memory
from ..metrics import EXAMPLE_METRICS, AttentionStats, Reduced, example_metrics
from ..metrics.spans import SpanIndex, span_distances
from ..metrics.words import WordIndex, WordStats
from ..models import LoadedModel
from ..models.capture import Block, Ran, Watch
from ..options import RunOptions
from ..saying import first_line
from ..tasks.base import Placed, Predictor, Task
from ..tasks.pair_index import pair_index
from . import checking
from .batches import layouts, model_inputs, points_on_side, special_on_side, words_on_side
from .keeping import KeptMap

Array = npt.NDArray[np.float32]

_ROW_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is kept of one example.

    Attributes:
        placed: the example, with the points that were chosen after its prediction.
        example_metrics: name to float32 [layers, heads].
        pair_metrics: name to float32 [pairs, layers, heads].
        distances: float32 [measures, pairs, layers + 1].
        points: float32 [layers + 1, points, width], means of hidden states.
        predicted: what the predictor says, None without one.
        maps: packed attention by kind, of an example that keeps it.
        norms: norms of values by kind, float32 [layers, heads, keys], likewise.
        hits: whether heads find a word's gold head, bool [2, words, layers, heads]; None without.
    """

    placed: Placed[Any]
    example_metrics: Mapping[str, Array]
    pair_metrics: Mapping[str, Array]
    distances: Array
    points: Array
    predicted: Any
    maps: Mapping[str, PackedAttention]
    norms: Mapping[str, Array]
    hits: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class MetricNames:
    """The metrics of one kind of attention: as registered, and as the file calls them.

    Attributes:
        example: of examples, from their attention alone.
        words: of examples, from attention between words and gold relations.
        pair: of pairs of spans.
    """

    kind: AttentionKind
    example: Mapping[str, str]
    words: Mapping[str, str]
    pair: Mapping[str, str]


def metric_names(
    loaded: LoadedModel, task: Task[Any], side: str, *, words: bool
) -> dict[str, MetricNames]:
    """The head metrics of a run, for each kind of attention.

    Args:
        loaded: the model.
        task: names the metrics of pairs.
        side: the tokens that pairs are of.
        words: whether examples come with gold relations between words.
    """
    several = len(loaded.kinds) > 1
    found = {}
    for kind in loaded.kinds:
        same = kind.queries == kind.keys
        relate = words and kind.queries == kind.keys == side
        names = example_metrics(same=same, causal=kind.causal, words=relate)
        of_words = [name for name in names if "words" in EXAMPLE_METRICS[name].needs]
        alone = [name for name in names if name not in of_words]
        pairs = task.pair_metrics if kind.queries == kind.keys == side else ()

        def named(metrics: Sequence[str], kind: AttentionKind = kind) -> dict[str, str]:
            return {name: f"{kind.name}:{name}" if several else name for name in metrics}

        found[kind.name] = MetricNames(kind, named(alone), named(of_words), named(pairs))
    return found


class Runner:
    """Runs batches of one model for one task.

    Attributes:
        loaded: what is known of the model.
        side: the tokens whose hidden states are kept.
        names: the metrics, by kind of attention.
    """

    def __init__(
        self,
        watch: Watch,
        loaded: LoadedModel,
        task: Task[Any],
        predictor: Predictor | None,
        options: RunOptions,
        *,
        words: bool = False,
    ) -> None:
        self.loaded, self.task, self.options = loaded, task, options
        self.side = loaded.side
        self.names = metric_names(loaded, task, self.side, words=words)
        self._watch, self._predictor = watch, predictor

    def run(self, batch: Sequence[Placed[Any]], keep: Sequence[bool]) -> list[Outcome]:
        """One forward pass.

        Args:
            batch: examples, of any lengths.
            keep: for each, whether its attention maps are wanted.

        Raises:
            ExtractError: the numbers are no attention, or the model failed.
            OutOfMemory: the device's memory is too small.
        """
        tap = BatchTap(self, batch, keep)
        full = self._predictor is not None and self._predictor.full
        try:
            inputs = model_inputs(self.loaded, batch)
            ran = self._watch.run(inputs, tap, full=full, values=any(keep))
            with torch.inference_mode():
                return tap.outcomes(self._predictions(ran, batch))
        except MemoryError as error:
            raise OutOfMemory(str(error)) from error
        except (RuntimeError, IndexError) as error:
            if is_out_of_memory(error):
                raise OutOfMemory(str(error)) from error
            if sentence := plugins.blamed(error):
                raise ExtractError(sentence) from error
            raise ExtractError(
                f"{self.loaded.info.name} failed on {size_of(batch)} ({first_line(error)}); lower "
                "--max-length, in case it takes fewer tokens than its configuration says, or "
                "--batch-size."
            ) from error

    def _predictions(self, ran: Ran, batch: Sequence[Placed[Any]]) -> list[Any]:
        if self._predictor is None:
            return [None] * len(batch)
        return checking.predictions(
            self._predictor, self._predictor.predict(ran, batch), len(batch)
        )


class BatchTap:
    """Reduces each layer of one batch as it passes."""

    def __init__(self, runner: Runner, batch: Sequence[Placed[Any]], keep: Sequence[bool]) -> None:
        self._runner, self._batch = runner, batch
        loaded, options = runner.loaded, runner.options
        self._layouts = layouts(loaded, batch)
        self._pairs = pair_index(points_on_side(loaded, batch), loaded.device)
        spans = [one.points for one in points_on_side(loaded, batch)]
        self._point_rows = torch.tensor(
            [row for row, points in enumerate(spans) for _ in points], dtype=torch.int64
        )
        index = SpanIndex.of([span for points in spans for span in points])
        special = special_on_side(loaded, batch)[self._point_rows[:, None], index.positions]
        self._point_spans = index.without(special)
        self._points: list[torch.Tensor] = []
        self._distances: list[torch.Tensor] = []
        self._stats: dict[str, AttentionStats] = {}
        self._words: dict[str, WordStats] = {}
        self._maps: dict[str, dict[int, KeptMap]] = {}
        self._norms: dict[str, list[torch.Tensor]] = {}
        for name, metrics in runner.names.items():
            layout, kind = self._layouts[name], metrics.kind
            self._stats[name] = AttentionStats(
                layout,
                kind.layers,
                tuple(metrics.example),
                pair_metrics=tuple(metrics.pair),
                pairs=self._pairs if metrics.pair else None,
            )
            if metrics.words:
                self._words[name] = WordStats(
                    layout,
                    kind.layers,
                    tuple(metrics.words),
                    WordIndex(words_on_side(loaded, batch)),
                )
            self._norms[name] = []
            sizes = zip(layout.query_lengths.tolist(), layout.key_lengths.tolist(), strict=True)
            self._maps[name] = {
                row: KeptMap(kind, q, k, options.top_for(k), options.attention_dtype)
                for row, (q, k) in enumerate(sizes)
                if keep[row]
            }

    def attention(self, block: Block) -> None:
        """Reduces a block of weights to metrics; copies the maps that are kept."""
        self._stats[block.kind].add(block)
        if block.kind in self._words:
            self._words[block.kind].add(block)
        maps = self._maps[block.kind]
        if not maps:
            return
        for place, row in enumerate(range(block.examples.start, block.examples.stop)):
            kept = maps.get(row)
            if kept is None or block.rows.start >= kept.queries:
                continue
            rows = slice(block.rows.start, min(block.rows.stop, kept.queries))
            weights = block.weights[place, :, : rows.stop - rows.start, : kept.keys]
            kept.add(block.layer, rows, weights)

    def values(self, kind: str, layer: int, norms: torch.Tensor) -> None:
        """Keeps the norms of values until the end of the batch."""
        if self._maps[kind]:
            self._norms[kind].append(norms.to(torch.float32).cpu())

    def layer(self, kind: str, layer: int) -> None:
        """Nothing is left to be done at the end of a layer."""

    def hidden(self, side: str, layer: int, states: torch.Tensor) -> None:
        """Reduces one hidden state to distances and to the vectors of the points."""
        if side != self._runner.side:
            return
        device = states.device
        if self._pairs is not None:
            pairs = self._pairs.to(device)
            u = pairs.first.mean(states, pairs.examples)
            v = pairs.second.mean(states, pairs.examples)
            self._distances.append(span_distances(u, v).to(self._runner.loaded.device))
        vectors = self._point_spans.to(device).mean(states, self._point_rows.to(device))
        self._points.append(vectors.to(self._runner.loaded.device))

    def outcomes(self, predicted: Sequence[Any]) -> list[Outcome]:
        """What is kept, by example; checks that the numbers are what they are taken for."""
        reduced = {kind: stats.finish() for kind, stats in self._stats.items()}
        self._check_numbers([float(one.row_error) for one in reduced.values()])
        examples, hits = self._example_metrics(reduced)
        pairs = {
            name: values
            for kind, one in reduced.items()
            for name, values in zip(
                self._runner.names[kind].pair.values(), one.pair.cpu().numpy(), strict=True
            )
        }
        points = torch.stack(self._points).cpu().numpy()
        measures = len(self._runner.task.measures)
        distances = np.zeros((measures, 0, len(points)), np.float32)
        if self._distances and measures:
            distances = torch.stack(self._distances, 2).cpu().numpy()
        found, pair, point = [], 0, 0
        for row, one in enumerate(self._batch):
            mine = slice(pair, pair := pair + len(one.pairs))
            vectors = points[:, point : (point := point + len(one.points))]
            chosen, vectors = self._chosen(one, predicted[row], vectors)
            found.append(
                Outcome(
                    placed=chosen,
                    example_metrics={name: values[row] for name, values in examples.items()},
                    pair_metrics={name: values[mine] for name, values in pairs.items()},
                    distances=distances[:, mine],
                    points=vectors,
                    predicted=predicted[row],
                    maps={k: m[row].packed() for k, m in self._maps.items() if row in m},
                    norms=self._norms_of(row),
                    hits=self._hits_of(row, hits),
                )
            )
        return found

    def _example_metrics(
        self, reduced: Mapping[str, Reduced]
    ) -> tuple[dict[str, Array], npt.NDArray[np.bool_] | None]:
        """By name, [batch, layers, heads]; and which heads find gold relations, if there are any.

        Only the attention of the tokens that words are of is looked at for relations.
        """
        found: dict[str, Array] = {}
        hits = None
        for kind, one in reduced.items():
            names = self._runner.names[kind]
            found |= dict(zip(names.example.values(), one.example.cpu().numpy(), strict=True))
            if kind in self._words:
                of_words, of_kind = self._words[kind].finish(names.kind.heads, one.example.device)
                found |= dict(zip(names.words.values(), of_words.cpu().numpy(), strict=True))
                hits = of_kind.cpu().numpy()
        return found, hits

    def _hits_of(
        self, row: int, hits: npt.NDArray[np.bool_] | None
    ) -> npt.NDArray[np.bool_] | None:
        words = self._batch[row].words
        if hits is None or words is None or words.heads is None:
            return None
        return hits[:, row, : len(words.tokens)]

    def _chosen(
        self, one: Placed[Any], predicted: Any, vectors: Array
    ) -> tuple[Placed[Any], Array]:
        """The example with the points that the task wants now that a prediction is known."""
        points = self._runner.task.points_after(one, predicted)
        if points is None:
            return one, vectors
        points = checking.chosen(self._runner.task, one, points)
        number = {span: i for i, span in enumerate(one.points)}
        return replace(one, points=points), vectors[:, [number[span] for span in points]]

    def _norms_of(self, row: int) -> dict[str, Array]:
        return {
            kind: torch.stack([layer[row] for layer in norms]).numpy()[
                ..., : self._maps[kind][row].keys
            ]
            for kind, norms in self._norms.items()
            if norms and row in self._maps[kind]
        }

    def _check_numbers(self, errors: Sequence[float]) -> None:
        loaded = self._runner.loaded
        dtype = next(loaded.model.parameters()).dtype
        tolerance = _ROW_TOLERANCE.get(dtype, 1e-2)
        error = next((one for one in errors if not one <= tolerance), 0.0)  # NaN is not, either
        if error:
            advice = (
                f"The attention of {type(loaded.model).__name__} is not supported."
                if dtype == torch.float32
                else "Try --dtype float32."
            )
            raise ExtractError(
                f"The attention weights of {loaded.info.name} do not sum to one over the tokens of "
                f"a text (off by {error:.3g}); nothing computed from them would be true. {advice}"
            )
        # a sum is no finite number if one of them is not, and is quicker found
        if not all(math.isfinite(float(vectors.sum())) for vectors in self._points):
            raise ExtractError(
                f"The hidden states of {loaded.info.name} are not finite numbers; try "
                "--dtype float32."
            )


def size_of(batch: Sequence[Placed[Any]]) -> str:
    """A batch in words."""
    longest = max(len(one.encoded) for one in batch)
    texts = "1 text" if len(batch) == 1 else f"{len(batch)} texts"
    return f"{texts} of up to {longest} tokens"
