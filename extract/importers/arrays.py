"""Hidden states and attention that were computed elsewhere: safetensors and npz.

Arrays are named by what they are and the id of their example; n is its number of tokens:

================== ============================= ===================================================
``attention/ID``   [layers, heads, n, n]         After the softmax: queries × keys.
``hidden/ID``      [layers + 1, n, width]        Of every token: 0 is the embeddings.
``encoder/ID``     [layers, heads, s, s]         Encoder-decoders: the s tokens of the source,
``decoder/ID``     [layers, heads, t, t]         the t tokens of the target,
``cross/ID``       [layers, heads, t, s]         and from target to source. ``hidden/ID`` is then
                                                 [layers + 1, t, width], of the target.
================== ============================= ===================================================

All are optional and of any type of float; examples may lack some. Layers, heads and width are the
same for all. The tokens stand in JSON Lines, see :mod:`~extract.importers.described`. A safetensors
file may say in its metadata what ``model`` and ``architecture`` the arrays are of, and whether they
are ``causal`` ("true"). Arrays are read one at a time.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collateral.schema import AttentionKind, Measure, Meta, ModelInfo, Setting

from ..errors import ExtractError
from ..maps.vectors import VectorStore
from ..progress import Reporter, Silent, stage
from ..saying import agree, listed, many
from .common import (
    Clock,
    Example,
    Imported,
    Maps,
    Problems,
    Range,
    Summary,
    Unusable,
    check_paths,
)
from .described import Reading, read_examples
from .maps import add_maps, span_distances
from .options import ArrayOptions
from .tensors import MOST_NUMBERS, Arrays, opened
from .writing import finish

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]

_HIDDEN = "hidden"
_KINDS = {"attention": "self", "encoder": "encoder", "decoder": "decoder", "cross": "cross"}
_SIDES = {
    "self": ("text", "text"),
    "encoder": ("source", "source"),
    "decoder": ("target", "target"),
    "cross": ("target", "source"),
}
_MEASURES = (
    Measure(
        "cosine",
        "cosine distance",
        "",
        "1 − cosine of the angle between the means of the two spans' hidden states: 0 is the same "
        "direction, 1 a right angle, 2 opposite.",
        "1 − u·v / (‖u‖ ‖v‖), u and v means over word pieces",
    ),
    Measure(
        "euclid",
        "Euclidean distance",
        "hidden-state units",
        "Distance between the means of the two spans' hidden states; grows with their length, so "
        "layers and models do not compare.",
        "‖u − v‖, u and v means over word pieces",
    ),
)


@dataclass(eq=False)
class _Plan:
    """Which arrays are used.

    Attributes:
        kinds: attention by kind: layers and heads.
        hidden: layers + 1 and width; None without hidden states.
        attention: per example, kind to name of the array.
        states: per example, the name of its hidden states, None without.
    """

    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    hidden: tuple[int, int] | None = None
    attention: list[dict[str, str]] = field(default_factory=list)
    states: list[str | None] = field(default_factory=list)


class _ArrayAttention:
    """Attention from an open file."""

    def __init__(self, arrays: Arrays, names: Sequence[Mapping[str, str]]) -> None:
        self._arrays, self._names = arrays, names

    def has(self, row: int) -> bool:
        """Whether there is attention for an example."""
        return bool(self._names[row])

    def maps(self, row: int) -> Maps:
        """The attention of an example, by kind."""
        return {kind: self._arrays.read(name) for kind, name in self._names[row].items()}


def run(options: ArrayOptions, reporter: Reporter | None = None) -> Summary:
    """Imports arrays.

    Args:
        options: what to do.
        reporter: hears of every stage.

    Raises:
        ExtractError: anything the user can mend; nothing is left behind then.
        CollateralError: the file cannot be written.
    """
    reporter = reporter or Silent()
    check_paths(options)
    problems, clock = Problems(skip=options.skip_bad), Clock()
    with opened(options.arrays, options.kind) as arrays:
        with clock.of("reading"), stage(reporter, "Reading"):
            reading = read_examples(options.examples, problems)
            shapes = arrays.shapes()
            notes = [*reading.notes, *_unmatched(options, shapes, reading)]
            plan = _plan(options, reading, shapes, problems)
        imported = _imported(options, arrays, reading, plan, notes)
        if plan.hidden is not None:
            _add_hidden(imported, arrays, plan, plan.hidden, options, problems, reporter, clock)
        source = _ArrayAttention(arrays, plan.attention)
        return finish(imported, source, options, problems, reporter, clock)


def _unmatched(options: ArrayOptions, shapes: Mapping[str, Shape], reading: Reading) -> list[str]:
    """Arrays of no example, and examples without an array, as notes."""
    ids = {one.id for one in reading.examples}
    strange = [n for n in shapes if not _is_known(n) or n.partition("/")[2] not in ids]
    there = {name.partition("/")[2] for name in shapes}
    without = len(ids - there)
    notes = []
    if strange:
        some = listed([name[:40] for name in strange], 3)
        count = len(strange)
        notes.append(
            f"{many(count, 'array')} of {options.arrays.name} {agree(count, 'belong')} to no "
            f"example and {agree(count, 'were')} passed over: {some}."
        )
    if without:
        notes.append(
            f"{many(without, 'example')} of {len(ids):,} {agree(without, 'have')} no array."
        )
    if without == len(ids):
        raise ExtractError(
            f"{options.arrays} has no array for any of the examples; arrays are called "
            f"attention/ID and hidden/ID, and the first id is {reading.examples[0].id[:40]}."
        )
    return notes


def _is_known(name: str) -> bool:
    return name.partition("/")[0] in {*_KINDS, _HIDDEN}


def _plan(
    options: ArrayOptions, reading: Reading, shapes: Mapping[str, Shape], problems: Problems
) -> _Plan:
    """Looks at all shapes.

    Raises:
        ExtractError: a shape cannot be, or layers contradict each other.
    """
    plan = _Plan()
    for example in reading.examples:
        names: dict[str, str] = {}
        for prefix, kind in _KINDS.items():
            name = f"{prefix}/{example.id}"
            if name in shapes:
                try:
                    _check_attention(options, example, name, kind, shapes[name], plan)
                    names[kind] = name
                except Unusable as error:
                    problems.add(error.where, error.what)
        plan.attention.append(names)
        name = f"{_HIDDEN}/{example.id}"
        states = None
        if name in shapes:
            try:
                _check_hidden(options, example, name, shapes[name], plan)
                states = name
            except Unusable as error:
                problems.add(error.where, error.what)
        plan.states.append(states)
    main = plan.kinds.get("self") or plan.kinds.get("decoder") or plan.kinds.get("cross")
    if main and plan.hidden and main[0] != plan.hidden[0] - 1:
        raise ExtractError(
            f"{options.arrays} has attention of {main[0]} layers but {plan.hidden[0]} hidden "
            f"states; there must be one more than layers, the embeddings first."
        )
    return plan


def _check_attention(
    options: ArrayOptions, example: Example, name: str, kind: str, shape: Shape, plan: _Plan
) -> None:
    where = f'{options.arrays}, "{name[:80]}"'
    if (kind == "self") == (example.source is not None):
        raise Unusable(
            where,
            f"is {kind} attention, but its example has {'no' if example.source is None else 'a'} "
            '"source"; with it, arrays are called encoder/, decoder/ and cross/',
        )
    queries, keys = (example.length(side) for side in _SIDES[kind])
    if len(shape) != 4 or shape[2:] != (queries, keys) or 0 in shape:
        raise Unusable(
            where, f"has the shape {shape}, not [layers, heads, {queries}, {keys}] as by its tokens"
        )
    if shape[0] * shape[1] * queries * keys > MOST_NUMBERS:
        raise Unusable(where, "is larger than what one example can keep")
    size = plan.kinds.setdefault(kind, (shape[0], shape[1]))
    if size != shape[:2]:
        raise Unusable(
            where, f"has {shape[0]} layers of {shape[1]} heads; before, {size[0]} of {size[1]}"
        )


def _check_hidden(
    options: ArrayOptions, example: Example, name: str, shape: Shape, plan: _Plan
) -> None:
    where = f'{options.arrays}, "{name[:80]}"'
    side = "text" if example.source is None else "target"
    tokens = example.length(side)
    if len(shape) != 3 or shape[1] != tokens or 0 in shape:
        raise Unusable(where, f"has the shape {shape}, not [layers + 1, {tokens}, width]")
    size = plan.hidden or (shape[0], shape[2])
    if size != (shape[0], shape[2]):
        raise Unusable(
            where,
            f"has {shape[0]} states of {shape[2]} numbers; before, {size[0]} of {size[1]}",
        )
    plan.hidden = size


def _imported(
    options: ArrayOptions, arrays: Arrays, reading: Reading, plan: _Plan, notes: list[str]
) -> Imported:
    said = arrays.metadata
    causal = options.causal or str(said.get("causal", "")).lower() == "true"
    kinds = tuple(
        AttentionKind(
            kind, *plan.kinds[kind], causal if kind == "self" else kind == "decoder", *_SIDES[kind]
        )
        for kind in ("encoder", "decoder", "cross", "self")
        if kind in plan.kinds
    )
    main = (
        plan.kinds.get("self") or plan.kinds.get("decoder") or next(iter(plan.kinds.values()), None)
    )
    if main is None and plan.hidden is None:
        raise ExtractError(f"{options.arrays} has no array that can be used.")
    layers = main[0] if main else max(1, plan.hidden[0] - 1 if plan.hidden else 1)
    notes = list(notes)
    if main is None:
        notes.append("There is no attention; the number of heads is not known, 1 stands for it.")
    model = ModelInfo(
        options.name or str(said.get("model", "")) or options.arrays.stem,
        options.architecture or str(said.get("architecture", "")) or "unknown",
        layers,
        main[1] if main else 1,
        plan.hidden[1] if plan.hidden else 0,
        attention="imported",
        dtype="unknown",
    )
    settings: dict[str, Setting] = {
        "imported_from": options.kind,
        "arrays": options.arrays.name,
        "examples": options.examples.name,
    }
    meta = Meta("imported", model, reading.info, kinds, settings)
    return Imported(meta, reading.columns, reading.examples, notes=notes)


def _add_hidden(
    imported: Imported,
    arrays: Arrays,
    plan: _Plan,
    size: tuple[int, int],
    options: ArrayOptions,
    problems: Problems,
    reporter: Reporter,
    clock: Clock,
) -> None:
    """Adds what comes of hidden states: maps, and distances between spans.

    Args:
        size: number of hidden states and their width.
    """
    folder = options.output.absolute().parent
    try:
        room = tempfile.TemporaryDirectory(prefix=f".{options.output.name}-", dir=folder)
    except OSError as error:
        raise ExtractError(f"{folder} cannot be written to ({error.strerror}).") from error
    with room as name, VectorStore(Path(name), *size) as store:
        with clock.of("hidden states"):
            _fill(store, imported, arrays, plan, problems, reporter)
        if store.points:
            with clock.of("t-SNE"):
                add_maps(imported, store, options, reporter)


def _fill(
    store: VectorStore,
    imported: Imported,
    arrays: Arrays,
    plan: _Plan,
    problems: Problems,
    reporter: Reporter,
) -> None:
    """Means of the hidden states over each point into a store, and distances between spans.

    Examples without hidden states lose their points: a map has a place for every point.
    """
    distances: list[tuple[Floats, Floats]] = []
    bare = 0
    with stage(reporter, "Hidden states", len(imported.examples)) as advance:
        for row, example in enumerate(imported.examples):
            hidden = _read_hidden(arrays, plan.states[row], problems)
            if hidden is None:
                bare += bool(example.points)
                imported.examples[row] = dataclasses.replace(example, points=(), pairs=())
            else:
                shift = example.source or 0
                store.append(_means(hidden, example, shift))
                pairs = [_both(one.span1, one.span2, shift) for one in example.pairs]
                distances.append(span_distances(hidden, pairs))
            advance(1)
    if sum(len(one) for one, _ in distances):
        joined = [np.concatenate(blocks) for blocks in zip(*distances, strict=True)]
        imported.distances = list(zip(_MEASURES, joined, strict=True))
    if bare:
        imported.notes.append(
            f"{many(bare, 'example')} without hidden states {agree(bare, 'have')} no points, as a "
            "map has a place for every point."
        )


def _means(hidden: Floats, example: Example, shift: int) -> Floats:
    """The mean over the tokens of each point: [layers + 1, points, width].

    Args:
        hidden: [layers + 1, tokens, width], of the tokens from ``shift`` on.
        example: with its points.
        shift: tokens of the source.
    """
    made = np.empty((len(hidden), len(example.points), hidden.shape[2]), dtype=np.float32)
    for number, point in enumerate(example.points):
        start, stop = point.tokens[0] - shift, point.tokens[1] - shift
        if start < 0:
            raise ExtractError(
                f"Example {example.id} has a point among the tokens of the source, but hidden "
                "states are the target's; name points of the target."
            )
        made[:, number] = hidden[:, start:stop].mean(axis=1)
    return made


def _read_hidden(arrays: Arrays, name: str | None, problems: Problems) -> Floats | None:
    if name is None:
        return None
    try:
        hidden = arrays.read(name)
        if not np.isfinite(hidden).all():
            layer, token, _ = (int(at) for at in np.argwhere(~np.isfinite(hidden))[0])
            raise Unusable(f'"{name[:80]}"', f"is no number in state {layer}, token {token}")
    except Unusable as error:
        problems.add(error.where, error.what)
        return None
    return hidden


def _both(first: Range, second: Range, shift: int) -> tuple[Range, Range]:
    """Two ranges of tokens, counted from ``shift``."""
    (a, b), (c, d) = first, second
    return (a - shift, b - shift), (c - shift, d - shift)
