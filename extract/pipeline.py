"""One run: read, tokenise, forward, put together, project. Nothing here knows the kind of task."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from . import plugins
from .assemble import Assembly, arcs_of, create, described_metrics
from .capture import watching
from .describe import describe_run
from .errors import BadLine, ExtractError, UsageError
from .forward import Runner, metric_names
from .maps import write_maps
from .metrics.relations import RelationScores
from .options import RunOptions
from .parts import Workspace, differences
from .prepare import Prepared, prepare
from .processes import Processes
from .progress import Reporter, Silent, stage
from .projection import Settings
from .tasks.base import Tables
from .vectors import VectorStore
from .windows import WindowRunner, windows

_NOT_PLANNED = ("output", "resume", "restart", "threads")
"""Options that a resumed run may have otherwise."""


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
    workspace = open_workspace(options, ready)
    with _kept_if_of_use(workspace, ready.processes):
        with _timed(seconds, "forward"):
            forward(ready, options, workspace, reporter)
            ready.processes.wait()
        if not ready.processes.first:
            return None
        summary = put_together(ready, options, tables, workspace, seconds, reporter)
    workspace.remove()
    return summary


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


def open_workspace(options: RunOptions, ready: Prepared) -> Workspace:
    """The workspace of this run: one that goes on, or a new one.

    Raises:
        ExtractError: there is an unfinished run, and it is not clear what is to become of it.
    """
    workspace = Workspace.beside(options.output)
    if ready.processes.first:
        _start(workspace, plan_of(options, ready), options, len(windows(len(ready.groups))))
    ready.processes.wait()
    return workspace


def _start(workspace: Workspace, plan: dict[str, object], options: RunOptions, total: int) -> None:
    old = workspace.plan()
    changed = [] if old is None else differences(old, plan)
    if old is None or options.restart or (changed and not options.resume):
        workspace.start(plan)
    elif changed:
        raise ExtractError(
            f"The unfinished run of {options.output} was another one ({'; '.join(changed[:3])}); "
            "give the same command to go on with it, or --restart to start anew."
        )
    elif not options.resume and workspace.finished():
        raise ExtractError(
            f"There is an unfinished run of {options.output} ({workspace.finished()} of {total} "
            "parts are done); go on with --resume, or start anew with --restart."
        )


def plan_of(options: RunOptions, ready: Prepared) -> dict[str, object]:
    """All that the parts of a run depend on, to know whether two runs are the same."""
    digest = hashlib.sha256()
    for group, length in zip(ready.groups, ready.lengths, strict=True):
        digest.update(f"{ready.task.given(group).whole}\0{length}\0".encode("utf-8", "replace"))
    asked = {name: value for name, value in asdict(options).items() if name not in _NOT_PLANNED}
    plan: dict[str, object] = {name: _plain(value) for name, value in asked.items()}
    return {**plan, "texts": digest.hexdigest(), "weights": _weights_of(options.model)}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _weights_of(model: str) -> list[str]:
    """Name, size and time of the files of a model folder; empty for a name on the hub."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return []
    found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in found]


def forward(
    ready: Prepared, options: RunOptions, workspace: Workspace, reporter: Reporter | None = None
) -> None:
    """Runs the model over this process's windows that are not done yet; a part is left of each."""
    kept = len(ready.groups) if options.attention is None else options.attention
    with (
        stage(reporter or Silent(), "Forward pass", len(ready.groups)) as advance,
        watching(ready.loaded, values=options.values and kept > 0) as watch,
    ):
        runner = Runner(
            watch, ready.loaded, ready.task, ready.predictor, options, words=ready.words
        )
        window_runner = WindowRunner(ready, runner, workspace, kept)
        for number, rows in enumerate(windows(len(ready.groups))):
            if not ready.processes.mine(number) or workspace.done(number):
                advance(len(rows))
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
    summaries = [workspace.summary(number) for number in numbers]
    points = sum(count for count, _ in summaries)
    notes = list(dict.fromkeys(note for _, some in summaries for note in some))
    settings = Settings.of(options, points)
    names = metric_names(ready.loaded, ready.task, ready.loaded.side, words=ready.words)
    meta = describe_run(
        ready, options, settings.described(points), [*notes, *settings.notes(points)]
    )
    scores = RelationScores()
    info = ready.loaded.info
    with ExitStack() as stack:
        store = stack.enter_context(
            VectorStore(workspace.folder / "vectors", info.layers + 1, info.hidden_size)
        )
        writer = stack.enter_context(
            create(options.output, meta, ready, tables, described_metrics(names, ready.baselines))
        )
        assembly = Assembly(writer, workspace, store)
        with (
            _timed(seconds, "putting together"),
            stage(reporter, "Putting together", len(numbers)) as advance,
        ):
            for number in numbers:
                part = assembly.add(number)
                for arcs in arcs_of(part):
                    scores.add(arcs)
                advance(1)
        for kind in (kind for kind, metrics in names.items() if metrics.words):
            for metric, values in scores.summaries(kind, several=len(names) > 1):
                writer.add_summary(metric, values)
        with _timed(seconds, "t-SNE"):
            write_maps(store, settings, writer, workspace.folder, reporter)
        with stage(reporter, "Writing"):
            stack.close()
    counts = assembly.counts
    return Summary(
        output=options.output,
        texts=counts.texts,
        pairs=counts.pairs,
        points=counts.points,
        items=counts.items,
        maps=counts.maps,
        score=tuple(ready.task.score(counts.total)),
        relations=tuple(scores.lines()),
        notes=meta.notes,
        bad=tuple(ready.bad),
        size=os.stat(options.output).st_size,
        seconds=seconds,
    )


@contextmanager
def _kept_if_of_use(workspace: Workspace, processes: Processes) -> Iterator[None]:
    """Removes the workspace of a run that fails before anything is done."""
    try:
        yield
    except BaseException:
        if processes.count == 1 and not workspace.finished():
            workspace.remove()
        raise


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
