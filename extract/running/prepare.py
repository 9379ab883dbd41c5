"""Before the first forward pass: data read, model loaded, spans found among the tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..data.encoding import Encoded, encode, encode_target, joined
from ..data.records import RecordSource, open_records
from ..errors import BadLine, ExtractError, UsageError
from ..metrics.relations import CORRELATIONS
from ..metrics.words import distance_correlations
from ..models import LoadedModel, choose_device, load
from ..options import RunOptions
from ..progress import Advance, Reporter, Silent, stage
from ..saying import listed
from ..tasks import find_task
from ..tasks.base import Placed, Predictor, Task, TaskOptions
from . import checking
from .batches import takes
from .processes import Processes

_TOKENISE_AT_ONCE = 256
_NO_LIMIT = 1 << 30

_ROWS = "a line that names the columns, and rows beneath it"
_HOLDS = {
    "jsonl": "one JSON object per line",
    "json": "a JSON array of objects",
    "csv": _ROWS,
    "tsv": _ROWS,
    "tsv-unquoted": _ROWS,
    "conll": "a word and its tag per line, and a blank line after each sentence",
    "conllu": "sentences in the ten columns of CoNLL-U",
    "txt": "one text per line",
    "datasets": "at least one row",
}
"""What data of each format must hold."""


@dataclass(frozen=True)
class Prepared:
    """All that is known before the first forward pass.

    Attributes:
        task: the task.
        groups: the examples as the task reads them; they are tokenised again when they are run, so
            that memory does not hold all tokens.
        lengths: tokens of each example.
        loaded: the model.
        predictor: makes predictions, None without one.
        max_length: tokens that texts were cut at; ``1 << 30`` or more is no limit.
        cut: number of texts that were cut.
        lines: records of the data.
        relations: what 1/distance alone reaches with each text's gold relations, NaN where
            undefined; empty without gold relations.
        bad: records that were left out.
        notes: what the task has to say of the data.
        processes: those that share the run.
    """

    task: Task[Any]
    groups: list[Any]
    lengths: list[int]
    loaded: LoadedModel
    predictor: Predictor | None
    max_length: int
    cut: int
    lines: int
    relations: list[tuple[float, ...]]
    bad: list[BadLine]
    notes: tuple[str, ...]
    processes: Processes

    @property
    def words(self) -> bool:
        """Whether examples come with gold relations between words, which metrics can use."""
        return len(self.relations) > 0

    @property
    def baselines(self) -> dict[str, float]:
        """What an uninformed head would score, mean over texts: metric in the registry to value."""
        if not self.relations:
            return {}
        columns = zip(*self.relations, strict=True)
        means = [_mean(column) for column in columns]
        return {name: mean for name, mean in zip(CORRELATIONS, means, strict=True) if mean == mean}

    @property
    def limit(self) -> int | None:
        """Most tokens of a text, None if there is no limit."""
        return self.max_length if self.max_length < _NO_LIMIT else None

    def place(self, rows: Sequence[int]) -> list[Placed[Any]]:
        """Some examples, tokenised and placed."""
        groups = [self.groups[row] for row in rows]
        placed = []
        for group, encoded in zip(
            groups, encode_groups(self.task, groups, self.loaded, self.max_length), strict=True
        ):
            one, _ = checking.placed(self.task, self.task.place(group, encoded))
            if one is None:  # it had a place when it was checked
                raise ExtractError("The tokenizer gives other tokens for the same text each time.")
            placed.append(one)
        return placed


def prepare(options: RunOptions, reporter: Reporter | None = None) -> Prepared:
    """Reads the data, loads the model, finds the spans among the tokens.

    Raises:
        ExtractError: data, model or head cannot be used, or an option would be ignored.
    """
    reporter = reporter or Silent()
    processes = Processes.join(cpu=options.device == "cpu")
    device = _set_up(options, processes)
    task = find_task(options.task)(task_options(options))
    check_asked(options, task)
    with stage(reporter, "Reading"):
        records = open_records(
            options.data, format=options.format, mapping=options.mapping, split=options.split
        )
        source = checking.read(task, task.read(records, skip_bad=options.skip_bad))
    groups = source.groups[: options.limit]
    if not groups:
        raise ExtractError(_nothing(records, source.lines, len(source.bad)))
    with stage(reporter, "Loading the model"):
        loaded = _load(options, task, device)
        predictor = task.predictor(loaded)
        _check_side(options, loaded)
    longest = _max_length(options, loaded)
    with stage(reporter, "Tokenising", len(groups)) as advance:
        found = _tokenised(task, groups, loaded, longest, options, advance)
    bad = [*source.bad, *found.bad]
    if not found.groups:
        raise ExtractError(_nothing(records, source.lines, len(bad)))
    _check_ids(found.largest, loaded)
    return Prepared(
        task=task,
        groups=found.groups,
        lengths=found.lengths,
        loaded=loaded,
        predictor=predictor,
        max_length=longest,
        cut=found.cut,
        lines=source.lines,
        relations=found.relations,
        bad=bad,
        notes=(*source.notes, *_side_notes(task, loaded)),
        processes=processes,
    )


def check_asked(options: RunOptions, task: Task[Any]) -> None:
    """Whether the task makes use of what it is asked for, so that no option is ignored.

    Raises:
        UsageError: it does not.
    """
    name = task.name
    if options.generate and not task.generates:
        raise UsageError(f"--generate: the task {name} lets no model write; leave it out.")
    if options.span_head is not None and not task.judges_spans:
        raise UsageError(f"--span-head: the task {name} has no pairs of spans; leave it out.")
    if options.side == "target" and not task.writes:
        raise UsageError(f"--side target: the task {name} has no targets; leave it out.")
    read = (*task.fields, *task.also)
    for wanted, column in options.mapping.items():
        if read and wanted not in read:
            raise UsageError(
                f'--map {wanted}={column}: the task {name} reads no field "{wanted}"; it reads '
                f"{listed(read)}."
            )


def _check_side(options: RunOptions, loaded: LoadedModel) -> None:
    if options.side and loaded.sides == ("text",):
        raise UsageError(
            f"--side {options.side}: {loaded.info.name} ({loaded.info.architecture}) is no "
            "encoder-decoder, so there is one side only; leave it out."
        )


def _set_up(options: RunOptions, processes: Processes) -> torch.device:
    """Sets threads and seed; the device that is asked for, of several processes its own GPU."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = choose_device(options.device)
    if device.type == "cuda" and ":" not in options.device and processes.count > 1:
        return torch.device("cuda", processes.local)
    return device


def _load(options: RunOptions, task: Task[Any], device: torch.device) -> LoadedModel:
    return load(
        options.model,
        head=task.head,
        name=options.name,
        device=device,
        dtype=options.dtype,
        trust_remote_code=options.trust_remote_code,
        device_map=options.device_map or None,
        side=_side(options) if task.writes else "source",
    )


def _side(options: RunOptions) -> str:
    return options.side or "target"


@dataclass
class _Tokenised:
    """What is found by tokenising all examples once, without the tokens.

    Attributes:
        largest: number of the largest token.
    """

    groups: list[Any] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    relations: list[tuple[float, ...]] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    cut: int = 0
    largest: int = 0

    def add(self, one: Placed[Any]) -> None:
        """Takes one example."""
        self.groups.append(one.source)
        self.lengths.append(len(one.encoded))
        self.cut += one.encoded.cut
        if one.words is not None and one.words.heads is not None:
            self.relations.append(distance_correlations(one.words))
        self.largest = max(self.largest, int(one.encoded.ids.max(initial=0)))


def _tokenised(
    task: Task[Any],
    groups: Sequence[Any],
    loaded: LoadedModel,
    longest: int,
    options: RunOptions,
    advance: Advance,
) -> _Tokenised:
    found = _Tokenised()
    for start in range(0, len(groups), _TOKENISE_AT_ONCE):
        part = groups[start : start + _TOKENISE_AT_ONCE]
        for one in _placed(task, part, loaded, longest, options, found.bad):
            found.add(one)
        advance(len(part))
    return found


def _side_notes(task: Task[Any], loaded: LoadedModel) -> list[str]:
    if task.writes or loaded.sides == ("text",):
        return []
    return [
        f"The task {task.name} gives an encoder-decoder nothing to write: maps and points are of "
        "the encoder, and the decoder saw its start token alone."
    ]


def task_options(options: RunOptions) -> TaskOptions:
    """What of the command line concerns the task."""
    return TaskOptions(
        data=options.data,
        span_head=options.span_head,
        points=options.points,
        generate=options.generate,
        side=_side(options),
        kinds=options.kinds,
        seed=options.seed,
        limit=options.limit,
    )


def encode_groups(
    task: Task[Any], groups: Sequence[Any], loaded: LoadedModel, longest: int
) -> list[Encoded]:
    """The tokens of some examples, each text cut to ``longest`` tokens.

    What an encoder-decoder is to write is a part of its own; where it is not known yet, the target
    is the decoder's first token alone.
    """
    given = [task.given(group) for group in groups]
    texts = [one.text for one in given]
    sources = encode(
        loaded.tokenizer,
        texts,
        longest,
        seconds=[one.second for one in given],
        types=takes(loaded.base, "token_type_ids"),
    )
    if loaded.start_id is None:
        return sources
    targets = encode_target(
        loaded.tokenizer, [one.target or "" for one in given], longest, loaded.start_id
    )
    return [joined(source, target) for source, target in zip(sources, targets, strict=True)]


def _placed(
    task: Task[Any],
    groups: Sequence[Any],
    loaded: LoadedModel,
    longest: int,
    options: RunOptions,
    bad: list[BadLine],
) -> Iterator[Placed[Any]]:
    """Tokenises some examples; records without a place are raised, or added to ``bad``."""
    for group, encoded in zip(groups, encode_groups(task, groups, loaded, longest), strict=True):
        one, lost = checking.placed(task, task.place(group, encoded))
        if lost and not options.skip_bad:
            raise lost[0]
        bad.extend(lost)
        if one is not None:
            yield one


def _check_ids(largest: int, loaded: LoadedModel) -> None:
    known = loaded.base.get_input_embeddings().num_embeddings
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


def _mean(values: Iterable[float]) -> float:
    """Mean of those that are numbers; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _nothing(records: RecordSource, read: int, bad: int) -> str:
    """Why there is nothing to extract."""
    if not read:
        what = _HOLDS.get(records.format, "records")
        return f"{records.name} has no records; it must hold {what}."
    return (
        f"{records.name} holds nothing to extract: all of its records are bad "
        f"({bad:,} of {read:,})."
    )
