"""The options of ``interpret-extract`` on the command line, and what they become."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import UsageError
from .options import DEFAULT_MAPS, DEFAULT_TOP, DEFAULT_VECTORS, SPARSE_ABOVE, RunOptions

FORMATS = (
    *("auto", "jsonl", "json", "csv", "tsv", "tsv-unquoted", "conll", "conllu", "txt", "datasets"),
)
KINDS = ("categorical", "continuous", "text", "boolean")


def add_run(run: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    _add_inputs(run)
    _add_task(run)
    _add_amounts(run)
    _add_engine(run)


def add_listings(commands: Any, act: Callable[[argparse.Namespace], int]) -> None:
    """The commands that list what there is."""
    for name, what in (("tasks", "tasks"), ("metrics", "head metrics")):
        listing = commands.add_parser(
            name, help=f"list the {what}", description=f"List the {what}, plug-ins' among them."
        )
        _add_plugin(listing)
        listing.set_defaults(act=act)


def run_options(given: argparse.Namespace) -> RunOptions:
    """The options of a run as they were given.

    Raises:
        UsageError: an option is out of its range, or two contradict each other.
    """
    values = {k: v for k, v in vars(given).items() if k not in ("command", "act")}
    values["mapping"] = _pairs("--map", values["mapping"], "field=column")
    values["kinds"] = _pairs("--column", values["kinds"], "name=kind")
    for name, kind in values["kinds"].items():
        if kind not in KINDS:
            raise UsageError(f'--column {name}={kind}: "{kind}" is none of {", ".join(KINDS)}.')
    values["plugins"] = tuple(values["plugins"])
    return RunOptions(**values)


def _add_plugin(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="Python file with tasks or metrics of your own; it is run (may be given again)",
    )


def _add_inputs(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("what goes in and out").add_argument
    add("--model", required=True, metavar="PATH", help="folder of a model, or its name on the hub")
    add(
        "--data",
        required=True,
        type=Path,
        metavar="FILE",
        help="JSON Lines, CSV, TSV, CoNLL, CoNLL-U, plain text, or a name of the package datasets",
    )
    add("-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write")
    add("--name", default="", help="name of the model for people (default: from --model)")
    add("--format", choices=FORMATS, default="auto", help="of the data (default: by its ending)")
    add("--split", metavar="NAME", help="split of a data set by name")
    add(
        "--map",
        dest="mapping",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="read a field of the task from a column of another name (may be given again)",
    )
    add(
        "--column",
        dest="kinds",
        action="append",
        default=[],
        metavar="NAME=KIND",
        help=f"kind of a further field: {', '.join(KINDS)} (default: guessed)",
    )
    add("--skip-bad", action="store_true", help="leave bad lines out and count them")
    add(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that comes with the model (off: such models are refused)",
    )


def _add_task(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("what the data is")
    add = group.add_argument
    add(
        "--task",
        default="coref",
        metavar="NAME",
        help="text, coref, tagging, classification, language-model or seq2seq; see "
        "'interpret-extract tasks' for the fields each wants (default: coref)",
    )
    add(
        "--points",
        default="",
        metavar="WHICH",
        help="which tokens are followed through the layers; what there is depends on the task: "
        "all, tagged, gold, sample:N, regex:PATTERN, words:FIELD=VALUE, first, last, mean",
    )
    add(
        "--span-head",
        type=Path,
        metavar="FILE",
        help="coref: safetensors file with weight [1, 4 x width] and bias [1] for predictions",
    )
    add(
        "--generate",
        type=whole,
        default=0,
        metavar="N",
        help="language-model, seq2seq: let the model write at most N tokens first",
    )
    add(
        "--side",
        choices=("target", "source"),
        default="",
        help="encoder-decoders: whose hidden states are mapped (default: target, the decoder's)",
    )
    _add_plugin(group)


def _add_amounts(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("how much of it").add_argument
    add("--limit", type=whole, metavar="N", help="only the first N texts")
    add(
        "--attention",
        type=maps,
        default=DEFAULT_MAPS,
        metavar="all|none|N",
        help=f"keep attention maps of the first N texts (default: {DEFAULT_MAPS})",
    )
    add(
        "--attention-top",
        dest="top",
        type=whole,
        metavar="K",
        help="keep the K largest weights of each row and the sum of the rest; 0 keeps all "
        f"(default: {DEFAULT_TOP} for texts of more than {SPARSE_ABOVE:,} tokens, else all)",
    )
    add(
        "--attention-dtype",
        choices=("float16", "uint8"),
        default="float16",
        help="store a weight in 2 bytes, or in 1 with an error of at most .004 (default: float16)",
    )
    add(
        "--no-values",
        dest="values",
        action="store_false",
        help="do not keep the norms of value vectors beside the maps",
    )
    add("--max-length", type=whole, metavar="N", help="tokens per text (default: the model's)")
    add(
        "--map-sample",
        type=whole,
        metavar="N",
        help="fit t-SNE on N points at most and place the others on the map (default: 10,000)",
    )
    add_vectors(run)


def add_vectors(parser: argparse._ActionsContainer) -> None:
    """How much of the points' hidden states is kept."""
    parser.add_argument(
        "--vectors",
        type=vectors,
        default=DEFAULT_VECTORS,
        metavar="K|none",
        help="keep K numbers, a byte each, of every hidden state of the points that t-SNE is "
        f"fitted on, for distances in the original space (default: {DEFAULT_VECTORS})",
    )


def _add_engine(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("how it runs").add_argument
    add("--batch-size", type=whole, default=32, metavar="N", help="texts at once (default: 32)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    add(
        "--device-map",
        choices=("auto",),
        default="",
        help="auto spreads a large model over all devices (needs the package accelerate)",
    )
    add(
        "--dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="auto",
        help="of the weights; auto is float32 on a CPU, else the checkpoint's (default: auto)",
    )
    add("--threads", type=whole, metavar="N", help="CPU threads (default: all cores)")
    add("--seed", type=whole, default=0, metavar="N", help="of t-SNE and samples (default: 0)")
    add("--perplexity", type=number, default=30.0, metavar="X", help="of t-SNE (default: 30)")
    add("--resume", action="store_true", help="go on with an unfinished run of this command")
    add("--restart", action="store_true", help="throw an unfinished run of this command away")


def _pairs(option: str, given: Sequence[str], form: str) -> dict[str, str]:
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} takes {form}, not {one!r}.")
        found[name] = value
    return found


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number') from None


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no number') from None


def vectors(text: str) -> int:
    """How many numbers are kept of a hidden state: none (0) or so many."""
    try:
        return 0 if text == "none" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is neither none nor a number') from None


def maps(text: str) -> int | None:
    """How many texts keep their attention maps: all (None), none (0) or so many."""
    if text in ("all", "none"):
        return None if text == "all" else 0
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is neither all, none nor a number') from None
