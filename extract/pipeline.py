"""One run: read, tokenise, forward, put together, project. Nothing here knows the kind of task."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collateral import Meta, layout

from . import plugins
from .errors import BadLine, ExtractError, UsageError
from .maps.making import write_maps
from .maps.projection import Settings
from .maps.reducing import write_vectors
from .maps.vectors import VectorStore
from .metrics.relations import RelationScores
from .models.capture import watching
from .options import RunOptions
from .progress import Reporter, Silent, stage
from .running.assemble import Assembly, arcs_of, create, described_metrics
from .running.describe import describe_run, sparse_notes
from .running.forward import Runner, metric_names
from .running.parts import Workspace
from .running.prepare import Prepared, prepare
from .running.resuming import workspace_of
from .running.windows import WindowRunner, windows
from .tasks.base import Tables


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        output: the file that was written.
        texts, pairs, points, items, maps: rows written, and texts whose attention was kept.
        score: predictions against gold, in sentences; empty if there was nothing to compare.
        relations: how heads find gold relations, a line each; empty without gold relations.
        notes: as in the file.
        bad: lines that were left out.
        size: of the file, in bytes.
        seconds: by stage.
    """

    output: Path
    texts: int
    pairs: int
    points: int
    items: int
    maps: int
    score: tuple[str, ...]
    relations: tuple[str, ...]
    notes: tuple[str, ...]
    bad: tuple[BadLine, ...]
    size: int
    seconds: dict[str, float]


def run(options: RunOptions, reporter: Reporter | None = None) -> Summary | None:
    """Extracts a data set with a model into a collateral file.

    Args:
        options: what to do.
        reporter: hears of every stage.

    Returns:
        What was done; None in a process that only helps the first one.

    Raises:
        ExtractError: anything the user can mend. What was done of the forward passes is kept
            beside the target, for ``--resume``.
        CollateralError: the file cannot be written.
    """
    reporter = reporter or Silent()
    seconds: dict[str, float] = {}
    check_target(options)
    plugins.load(options.plugins)
    with _timed(seconds, "preparing"):
        ready = prepare(options, reporter)
        tables = ready.task.tables(ready.groups, ready.loaded)
    with workspace_of(options, ready) as workspace:
        with _timed(seconds, "forward"):
            forward(ready, options, workspace, reporter)
            ready.processes.wait()
        if not ready.processes.first:
            return None
        return put_together(ready, options, tables, workspace, seconds, reporter)


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
    if not _may_be_replaced(path):
        raise ExtractError(
            f"{path} exists and is no collateral file; choose another --output, or remove it first."
        )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ExtractError(
            f"{folder} cannot be written to ({error.strerror}); choose another --output."
        ) from error


def _may_be_replaced(path: Path) -> bool:
    """Whether nothing is lost that is not ours: no file, an empty one, or a collateral file."""
    try:
        with path.open("rb") as file:
            start = file.read(len(layout.HEAD_START))
    except OSError:
        return True  # it is not there, or writing says what is wrong
    return start in (b"", layout.HEAD_START)


def forward(
    ready: Prepared, options: RunOptions, workspace: Workspace, reporter: Reporter | None = None
) -> None:
    """Runs the model over this process's windows that are not done yet; a part is left of each."""
    kept = len(ready.groups) if options.attention is None else options.attention
    # a text that is written first counts twice: once it is written, once it is looked at
    steps, name = (2, "Writing, forward") if options.generate else (1, "Forward pass")
    with (
        stage(reporter or Silent(), name, steps * len(ready.groups)) as advance,
        watching(ready.loaded, values=options.values and kept > 0) as watch,
    ):
        runner = Runner(
            watch, ready.loaded, ready.task, ready.predictor, options, words=ready.words
        )
        window_runner = WindowRunner(ready, runner, workspace, kept)
        for number, rows in enumerate(windows(len(ready.groups))):
            if not ready.processes.mine(number) or workspace.done(number):
                advance(steps * len(rows))
            else:
                window_runner.run(number, rows, advance)


def put_together(
    ready: Prepared,
    options: RunOptions,
    tables: Tables,
    workspace: Workspace,
    seconds: dict[str, float],
    reporter: Reporter,
) -> Summary:
    """Writes the file from the parts of a run, and the maps of its points."""
    numbers = range(len(windows(len(ready.groups))))
    settings, meta = _described(ready, options, [workspace.summary(number) for number in numbers])
    names = metric_names(ready.loaded, ready.task, ready.loaded.side, words=ready.words)
    scores = RelationScores()
    info = ready.loaded.info
    with ExitStack() as stack:
        store = stack.enter_context(
            VectorStore(workspace.folder / "vectors", info.layers + 1, info.hidden_size)
        )
        with plugins.answering(type(ready.task), "its columns"):
            made = create(
                options.output, meta, ready, tables, described_metrics(names, ready.baselines)
            )
        writer = stack.enter_context(made)
        assembly = Assembly(writer, workspace, store)
        with _timed(seconds, "putting together"):
            _add_parts(assembly, numbers, ready, scores, reporter)
        with plugins.answering(type(ready.task), "its score"):
            score = tuple(ready.task.score(assembly.counts.total))
        for kind in (kind for kind, metrics in names.items() if metrics.words):
            for metric, values in scores.summaries(kind, several=len(names) > 1):
                writer.add_summary(metric, values)
        with _timed(seconds, "t-SNE"):
            write_maps(store, settings, writer, workspace.folder, reporter)
        with _timed(seconds, "vectors"):
            write_vectors(store, settings, options.vectors, writer, reporter)
        with stage(reporter, "Writing"):
            stack.close()
    return _summary(options, ready, meta, assembly, score, scores, seconds)


def _described(
    ready: Prepared, options: RunOptions, summaries: Sequence[Mapping[str, Any]]
) -> tuple[Settings, Meta]:
    """How maps are made, and what the file says of the run, from the summaries of its parts."""
    points = sum(one["points"] for one in summaries)
    notes = list(dict.fromkeys(note for one in summaries for note in one["notes"]))
    notes += sparse_notes(options, sum(one["sparse"] for one in summaries))
    settings = Settings.of(options, points)
    notes += settings.notes(points)
    return settings, describe_run(ready, options, settings.described(points), notes)


def _add_parts(
    assembly: Assembly,
    numbers: Sequence[int],
    ready: Prepared,
    scores: RelationScores,
    reporter: Reporter,
) -> None:
    """Writes the rows of all parts, and counts the relations that heads find."""
    with stage(reporter, "Putting together", len(numbers)) as advance:
        for number in numbers:
            with plugins.answering(type(ready.task), "its rows"):
                part = assembly.add(number)
            for arcs in arcs_of(part):
                scores.add(arcs)
            advance(1)


def _summary(
    options: RunOptions,
    ready: Prepared,
    meta: Meta,
    assembly: Assembly,
    score: tuple[str, ...],
    scores: RelationScores,
    seconds: dict[str, float],
) -> Summary:
    counts = assembly.counts
    return Summary(
        output=options.output,
        texts=counts.texts,
        pairs=counts.pairs,
        points=counts.points,
        items=counts.items,
        maps=counts.maps,
        score=score,
        relations=tuple(scores.lines()),
        notes=meta.notes,
        bad=tuple(ready.bad),
        size=os.stat(options.output).st_size,
        seconds=seconds,
    )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
