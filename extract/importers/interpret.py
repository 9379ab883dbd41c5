"""The files of the paper's published application: a dictionary of attention and a table of points.

Either file alone gives what it can. The dictionary has attention, tokens and ready-made numbers
per head; the table has sentences, predictions and the maps. Together they are joined by id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from collateral.schema import AttentionKind, Meta, Metric, ModelInfo, Setting

from ..errors import ExtractError
from ..progress import Reporter, Silent, stage
from .absa import AbsaBuilder
from .common import Clock, Example, Imported, Problems, Summary, check_paths
from .dictionary import Dictionary, DictionaryAttention, Entry, read_dictionary
from .joined import Joining, join
from .options import InterpretOptions
from .table import Row, Table, read_table
from .writing import finish
from .wsc import WscBuilder

_BUILDERS: dict[str, type[WscBuilder] | type[AbsaBuilder]] = {
    "wsc": WscBuilder,
    "absa": AbsaBuilder,
}
_SOURCE = "InterpreT (Lal et al. 2021), imported as it was computed there"
GRAMMAR = Metric(
    "grammar_correlation",
    "grammar correlation (imported)",
    low=-1.0,
    high=1.0,
    meaning="Correlation of the head's attention with a matrix of grammatical relations, as the "
    'dictionary gives it under "grammar_matrices". High: the head attends along the relations.',
    source=_SOURCE,
)
ACCURACY = Metric(
    "head_accuracy",
    "accuracy based on head (imported)",
    low=0.0,
    high=1.0,
    meaning='The dictionary\'s "acc_matrix": how often the head alone finds the right answer. It '
    "may be over the whole data set and the same for every text.",
    source=_SOURCE,
)
INTENSITY = Metric(
    "intensity_spans_max",
    "intensity between spans (max, imported)",
    unit="pair",
    low=0.0,
    high=1.0,
    meaning="Largest weight between word pieces of the two spans, of what the dictionary gives "
    'under "attention_spans". High: the head links the two.',
    source=_SOURCE,
)


def run(options: InterpretOptions, reporter: Reporter | None = None) -> Summary:
    """Imports a dictionary, a table, or both.

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
    table = dictionary = None
    with clock.of("reading"), stage(reporter, "Reading"):
        if options.table is not None:
            table = read_table(options.table, problems)
            _BUILDERS[options.task].check(table)
        if options.collateral is not None:
            dictionary = read_dictionary(options.collateral, problems)
        _check_layers(table, dictionary)
        joining = join(table, dictionary, problems)
        imported, entries = _imported(options, table, dictionary, joining, problems)
    source = DictionaryAttention(entries)
    return finish(imported, source, options, problems, reporter, clock)


def _imported(
    options: InterpretOptions,
    table: Table | None,
    dictionary: Dictionary | None,
    joining: Joining,
    problems: Problems,
) -> tuple[Imported, list[Entry | None]]:
    """All but attention, and the entries that attention comes from."""
    builder = _BUILDERS[options.task](table, joining.examples, problems)
    examples = [builder.example(one) for one in joining.examples]
    entries = [one.entry for one in joining.examples]
    states = table.states if table is not None else 0
    layers = dictionary.layers if dictionary is not None else max(1, states - 1)
    kinds = (
        (AttentionKind("self", dictionary.layers, dictionary.heads, options.causal),)
        if dictionary is not None
        else ()
    )
    model = _model(options, layers, dictionary.heads if dictionary is not None else 1)
    imported = Imported(
        Meta(
            builder.task,
            model,
            joining.info,
            kinds,
            _settings(options),
            item=_item(builder.columns.items),
        ),
        builder.columns,
        examples,
        extra=_ready_made(examples, entries, dictionary),
        coordinates=_coordinates(builder.rows, states),
        notes=[*joining.notes, *builder.notes(), *_model_notes(dictionary, states)],
    )
    return imported, entries


def _model(options: InterpretOptions, layers: int, heads: int) -> ModelInfo:
    name = options.name or options.inputs[0][1].stem
    return ModelInfo(name, "unknown", layers, heads, 0, attention="imported", dtype="unknown")


def _settings(options: InterpretOptions) -> dict[str, Setting]:
    return {
        "imported_from": "InterpreT",
        "import_task": options.task,
        "collateral": options.collateral.name if options.collateral else None,
        "table": options.table.name if options.table else None,
    }


def _item(items: object) -> str:
    return "" if items is None else "word"


def _check_layers(table: Table | None, dictionary: Dictionary | None) -> None:
    if table is None or dictionary is None or not table.states:
        return
    if table.states - 1 != dictionary.layers:
        raise ExtractError(
            f"{table.path} has maps of {table.states} hidden states, so of {table.states - 1} "
            f"layers, but {dictionary.path} has attention of {dictionary.layers} layers; they are "
            "not of the same model."
        )


def _coordinates(rows: Sequence[Row], states: int) -> dict[int, npt.NDArray[np.float32]]:
    if not rows or not states:
        return {}
    places = np.stack([row.coordinates for row in rows], axis=1)
    return dict(enumerate(places))


def _ready_made(
    examples: Sequence[Example], entries: Sequence[Entry | None], dictionary: Dictionary | None
) -> list[tuple[Metric, npt.NDArray[np.float32]]]:
    """Numbers per head that the dictionary has, those that it has at all."""
    if dictionary is None:
        return []
    shape = (dictionary.layers, dictionary.heads)
    wanted: list[tuple[Metric, Callable[[Entry], npt.NDArray[np.float32] | None]]] = [
        (GRAMMAR, lambda entry: entry.grammar),
        (ACCURACY, lambda entry: entry.accuracy),
        (INTENSITY, Entry.span_maxima),
    ]
    made = []
    for metric, of in wanted:
        units: list[npt.NDArray[np.float32] | None] = []
        for example, entry in zip(examples, entries, strict=True):
            times = len(example.pairs) if metric.unit == "pair" else 1
            units += [None if entry is None or not times else of(entry)] * times
        if any(one is not None for one in units):
            undefined = np.full(shape, np.nan, dtype=np.float32)
            made.append((metric, np.stack([undefined if v is None else v for v in units])))
    return made


def _model_notes(dictionary: Dictionary | None, states: int) -> list[str]:
    notes = ["Imported from files of InterpreT, which do not name the model or its width."]
    if dictionary is None:
        notes.append("The number of heads is not known; 1 stands for it.")
    if states:
        notes.append(
            "The maps are those of the table, each made by itself; how faithful they are is not "
            "known."
        )
    return notes
