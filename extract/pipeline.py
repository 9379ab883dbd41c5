"""One run: read, tokenise, forward, project, write. Nothing here knows the kind of task."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from collateral import Writer

from . import projection, quality
from .capture import watching
from .encoding import encode
from .errors import BadLine, ExtractError, UsageError
from .forward import Outcome, Runner
from .models import LoadedModel, choose_device, load
from .options import RunOptions
from .progress import Reporter, Silent, stage
from .span_head import load_span_head
from .tasks import TASKS
from .tasks.base import Placed, Score, Task
from .writing import Prepared, describe_run, open_writer, write_window

WINDOW = 512
WINDOW_BYTES = 256 << 20
"""Examples are sorted by length within windows of so many, or of so many bytes of kept attention:
memory does not grow with the number of examples, but for the vectors of the points."""

_TOKENISE_AT_ONCE = 256
_NO_LIMIT = 1 << 30


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        output: the file that was written.
        texts, pairs, points, maps: rows written, and texts whose attention maps were kept.
        score: predictions against gold; ``judged`` is 0 if there was nothing to compare.
        notes: as in the file.
        bad: lines that were left out.
        size: of the file, in bytes.
        seconds: by stage.
    """

    output: Path
    texts: int
    pairs: int
    points: int
    maps: int
    score: Score
    notes: tuple[str, ...]
    bad: tuple[BadLine, ...]
    size: int
    seconds: dict[str, float]


def run(options: RunOptions, reporter: Reporter | None = None) -> Summary:
    """Extracts a data set with a model into a collateral file.

    Args:
        options: what to do.
        reporter: hears of every stage.

    Raises:
        ExtractError: anything the user can mend; nothing is left behind then.
        CollateralError: the file cannot be written.
    """
    reporter = reporter or Silent()
    seconds: dict[str, float] = {}
    check_target(options)
    with _timed(seconds, "preparing"):
        ready = prepare(options, reporter)
    meta = describe_run(ready, options)
    with ExitStack() as stack:
        writer = stack.enter_context(open_writer(ready, meta, options.output))
        with _timed(seconds, "forward"):
            maps, vectors = forward(ready, options, writer, reporter)
        with _timed(seconds, "t-SNE"):
            write_maps(vectors, options, writer, reporter)
        with _timed(seconds, "writing"), stage(reporter, "Writing"):
            stack.close()
    return Summary(
        output=options.output,
        texts=len(ready.placed),
        pairs=ready.pairs,
        points=ready.points,
        maps=maps,
        score=ready.task.score(),
        notes=meta.notes,
        bad=tuple(ready.bad),
        size=options.output.stat().st_size,
        seconds=seconds,
    )


def check_target(options: RunOptions) -> None:
    """Finds out before the long work whether its result can be written.

    Raises:
        ExtractError: it cannot.
    """
    path = options.output
    folder = path.absolute().parent
    if path.is_dir():
        raise ExtractError(f"{path} is a directory; give the name of a file with --output.")
    if not folder.is_dir():
        raise ExtractError(f"There is no folder {folder} to write {path.name} in; make it first.")
    if path.exists() and options.data.exists() and path.samefile(options.data):
        raise UsageError(f"--output and --data are the same file ({path}); choose another name.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ExtractError(
            f"{folder} cannot be written to ({error.strerror}); choose another --output."
        ) from error


def prepare(options: RunOptions, reporter: Reporter | None = None) -> Prepared:
    """Reads the data, loads the model, finds the spans among the tokens.

    Raises:
        ExtractError: data, model or head cannot be used.
    """
    reporter = reporter or Silent()
    device = choose_device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    task = TASKS[options.task]()
    with stage(reporter, "Reading"):
        source = task.read(options.data, skip_bad=options.skip_bad)
    groups = source.groups[: options.limit]
    if not groups:
        raise ExtractError(_nothing(options.data, source.lines, len(source.bad)))
    with stage(reporter, "Loading the model"):
        loaded = load(
            options.model,
            name=options.name,
            device=device,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
        )
        head = None
        if options.span_head is not None:
            head = load_span_head(options.span_head, loaded.info.hidden_size)
    longest = _max_length(options, loaded)
    bad = list(source.bad)
    with stage(reporter, "Tokenising", len(groups)) as advance:
        placed = []
        for start in range(0, len(groups), _TOKENISE_AT_ONCE):
            part = groups[start : start + _TOKENISE_AT_ONCE]
            placed += _place(task, part, loaded, longest, options, bad)
            advance(len(part))
    if not placed:
        raise ExtractError(_nothing(options.data, source.lines, len(bad)))
    _check_ids(placed, loaded)
    return Prepared(task, placed, loaded, head, longest, source.lines, bad, tuple(source.notes))


def forward(
    ready: Prepared, options: RunOptions, writer: Writer, reporter: Reporter | None = None
) -> tuple[int, npt.NDArray[np.float32]]:
    """Runs the model over all examples and writes everything but the maps of the points.

    Returns:
        Number of examples whose attention was kept; the points' vectors, float32
        [layers + 1, points, width], all held in memory because t-SNE needs them together.
    """
    info = ready.loaded.info
    vectors = np.empty((info.layers + 1, ready.points, info.hidden_size), dtype=np.float32)
    kept = len(ready.placed) if options.attention is None else options.attention
    # 8-bit weights are rounded once, from float32; half precision is how float16 ones are written
    dtype = torch.float16 if options.attention_dtype == "float16" else torch.float32
    point = row = 0
    with (
        stage(reporter or Silent(), "Forward pass", len(ready.placed)) as advance,
        watching(ready.loaded.model, info.layers) as watch,
    ):
        runner = Runner(watch, ready.loaded, ready.task, ready.head, dtype)
        for window in windows(ready.placed, kept, info.layers * info.heads * dtype.itemsize):
            keep = [row + i < kept for i in range(len(window))]
            found: list[Outcome | None] = [None] * len(window)
            for batch in batches(window, options.batch_size):
                outcomes = runner.run([window[i] for i in batch], [keep[i] for i in batch])
                for i, outcome in zip(batch, outcomes, strict=True):
                    found[i] = outcome
                advance(len(batch))
            outcomes = [outcome for outcome in found if outcome is not None]
            for outcome in outcomes:
                vectors[:, point : point + outcome.points.shape[1]] = outcome.points
                point += outcome.points.shape[1]
            write_window(writer, ready, window, outcomes, options)
            row += len(window)
    return min(kept, len(ready.placed)), vectors


def windows(
    placed: Sequence[Placed[Any]], kept: int, weight_bytes: int
) -> Iterator[list[Placed[Any]]]:
    """Runs of examples that are held in memory together.

    Args:
        placed: all examples, in order.
        kept: the first so many keep their attention.
        weight_bytes: of one query-key weight, for all layers and heads.
    """
    window: list[Placed[Any]] = []
    size = 0
    for row, one in enumerate(placed):
        more = weight_bytes * len(one.encoded) ** 2 if row < kept else 0
        if window and (len(window) >= WINDOW or size + more > WINDOW_BYTES):
            yield window
            window, size = [], 0
        window.append(one)
        size += more
    if window:
        yield window


def batches(window: Sequence[Placed[Any]], size: int) -> Iterator[list[int]]:
    """Indices of a window in batches of like lengths: padding is time lost."""
    order = sorted(range(len(window)), key=lambda i: len(window[i].encoded))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def write_maps(
    vectors: npt.NDArray[np.float32],
    options: RunOptions,
    writer: Writer,
    reporter: Reporter | None = None,
) -> None:
    """Makes and writes the map of every hidden state, and how faithful each is.

    Args:
        vectors: float32 [layers + 1, points, width]; rows are scaled to unit length in place.
        options: seed, perplexity, threads.
        writer: takes coordinates and qualities.
        reporter: hears of every layer.
    """
    count, points, _ = vectors.shape
    settings = projection.Settings(
        projection.usable_perplexity(options.perplexity, points),
        options.seed,
        torch.get_num_threads(),
    )
    k = quality.neighbours_for(points)
    found = []
    with stage(reporter or Silent(), "t-SNE by layer", count) as advance:
        start = projection.common_start(vectors, options.seed)
        for layer in range(count):
            unit = quality.unit_rows(vectors[layer])
            coordinates = projection.project(unit, start, settings)
            writer.set_coordinates(layer, coordinates)
            found.append(quality.map_quality(unit, coordinates, k, options.seed))
            advance(1)
    if k:
        trust, recall = np.array(found, dtype=np.float32).T
        writer.set_quality(f"trustworthiness@{k}", trust)
        writer.set_quality(f"recall@{k}", recall)


def _place(
    task: Task[Any],
    groups: Sequence[Any],
    loaded: LoadedModel,
    longest: int,
    options: RunOptions,
    bad: list[BadLine],
) -> list[Placed[Any]]:
    """Tokenises some examples; lines without a place are raised, or added to ``bad``."""
    texts = [task.text(group) for group in groups]
    placed = []
    for group, encoded in zip(groups, encode(loaded.tokenizer, texts, longest), strict=True):
        one, lost = task.place(group, encoded)
        if lost and not options.skip_bad:
            raise lost[0]
        bad.extend(lost)
        if one is not None:
            placed.append(one)
    return placed


def _check_ids(placed: Sequence[Placed[Any]], loaded: LoadedModel) -> None:
    known = loaded.model.get_input_embeddings().num_embeddings
    largest = max(int(one.encoded.ids.max()) for one in placed)
    if largest >= known:
        raise ExtractError(
            f"The tokenizer of {loaded.info.name} does not fit its weights: token {largest} is "
            f"beyond the {known} that the model knows."
        )


def _max_length(options: RunOptions, loaded: LoadedModel) -> int:
    """Tokens that texts are cut at.

    Raises:
        UsageError: more are asked for than the model takes.
    """
    limit = loaded.max_length
    if options.max_length is None:
        return limit or _NO_LIMIT
    if limit is not None and options.max_length > limit:
        raise UsageError(
            f"--max-length {options.max_length} is more than the {limit} tokens that "
            f"{loaded.info.name} takes."
        )
    return options.max_length


def _nothing(path: Path, lines: int, bad: int) -> str:
    if not lines:
        return f"{path} is empty; it must hold one JSON object per line."
    return f"{path} holds nothing to extract: all of its lines are bad ({bad} of {lines})."


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
