"""``interpret-extract import``: arguments in, exit status out; heavy libraries load only to run."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import add_vectors, maps, number, whole
from ..saying import many
from .options import ArrayOptions, ImportOptions, InterpretOptions

if TYPE_CHECKING:
    from .common import Summary

EPILOG = """\
examples:
  interpret-extract import interpret --collateral bert.pt --table bert.csv --task wsc \\
      -o bert.msgpack
  interpret-extract import safetensors mine.safetensors --examples mine.jsonl -o mine.msgpack
"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Adds the command to the sub-parsers of a program and returns its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "import",
        help="take over what was computed elsewhere",
        description="Make a file of what was computed elsewhere; docs/import.md has the layouts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="source", required=True, metavar="FORMAT")
    _add_interpret(kinds)
    for kind in ("safetensors", "npz"):
        _add_arrays(kinds, kind)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Imports what the arguments name.

    Returns:
        Exit status 0.

    Raises:
        ExtractError: it cannot be done.
        CollateralError: the file cannot be written.
        ImportError: a library that is needed is not installed.
    """
    options = _options(arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as extract.cli
    from .common import check_paths  # late: it brings numpy

    check_paths(options)  # before the seconds that torch takes to load
    from ..console import Console
    from . import arrays, interpret

    with Console() as console:
        if isinstance(options, InterpretOptions):
            summary = interpret.run(options, console)
        else:
            assert isinstance(options, ArrayOptions)
            summary = arrays.run(options, console)
    _show(summary)
    return 0


def _add_interpret(kinds: Any) -> None:
    parser = kinds.add_parser(
        "interpret",
        help="files of the paper's application, InterpreT",
        description="Import the files of InterpreT: a torch-saved dictionary of attention, a table "
        "of points, or both, joined by id. No code in them is run.",
    )
    add = parser.add_argument
    add("--collateral", type=Path, metavar="FILE", help="{id: {attentions, tokens}}, by torch.save")
    add("--table", type=Path, metavar="FILE", help="CSV with id, sentence, layer_00_tsne_x, ...")
    add("--task", choices=("wsc", "absa"), default="wsc", help="what it is of (default: wsc)")
    _add_common(parser)


def _add_arrays(kinds: Any, kind: str) -> None:
    parser = kinds.add_parser(
        kind,
        help=f"hidden states and attention in a file of the format {kind}",
        description="Import arrays called attention/ID [layers, heads, n, n] and hidden/ID "
        "[layers + 1, n, width]; JSON Lines with id and tokens say what they are of.",
    )
    add = parser.add_argument
    add("arrays", type=Path, metavar="FILE", help=f"the {kind} file")
    add("--examples", type=Path, required=True, metavar="FILE", help="JSON Lines: id, tokens, ...")
    _add_common(parser)
    add("--architecture", default="", metavar="NAME", help="class of the model, to be shown")
    add("--seed", type=whole, default=0, metavar="N", help="of the t-SNE (default: 0)")
    add("--perplexity", type=number, default=30.0, metavar="X", help="of t-SNE (default: 30)")
    add(
        "--map-sample",
        type=whole,
        metavar="N",
        help="points that t-SNE is fitted on at most; others are placed on the map",
    )
    add_vectors(parser)
    add("--threads", type=whole, metavar="N", help="CPU threads (default: all cores)")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write")
    add("--name", default="", help="name of the model for people (default: from the file)")
    add(
        "--attention",
        type=maps,
        metavar="all|none|N",
        help="keep whole attention maps of the first N texts that have one (default: all)",
    )
    add(
        "--attention-dtype",
        choices=("float16", "uint8"),
        default="float16",
        help="store a weight in 2 bytes, or in 1 with an error of at most .004 (default: float16)",
    )
    add("--causal", action="store_true", help="a token sees only itself and what is before it")
    add("--skip-bad", action="store_true", help="leave out and count what cannot be used")


def _options(arguments: argparse.Namespace) -> ImportOptions:
    values = {k: v for k, v in vars(arguments).items() if k not in ("command", "source", "act")}
    if arguments.source == "interpret":
        return InterpretOptions(**values)
    return ArrayOptions(kind=arguments.source, **values)


def _show(summary: Summary) -> None:
    """What was done, on standard output; names from the data cannot move the cursor."""
    import rich.console
    from rich.text import Text

    from collateral.plain import printable, size

    counts = summary.counts
    rows = [
        many(counts[name], name[:-1])
        for name in ("texts", "points", "pairs", "items")
        if counts[name]
    ]
    parts = [f"{name} {spent:.1f} s" for name, spent in summary.seconds.items() if spent >= 0.05]
    facts = [
        ("file", f"{summary.output} ({size(summary.size)})"),
        ("rows", ", ".join(rows)),
        ("maps", f"of {many(counts['layers'], 'hidden state')}" if counts["layers"] else "none"),
        ("attention", f"whole maps of {counts['maps']:,} of {many(counts['texts'], 'text')}"),
        ("time", f"{sum(summary.seconds.values()):.1f} s ({', '.join(parts) or 'all short'})"),
    ]
    out = rich.console.Console(highlight=False, soft_wrap=True)
    for name, value in facts:
        out.print(Text.assemble((f"{name:<10}", "bold"), printable(value)))
    for note in summary.notes:
        out.print(Text.assemble((f"{'note':<10}", "bold yellow"), printable(note)))
    path = printable(shlex.quote(str(summary.output)))
    out.print(Text(f"\nNext: interpret-tui {path}"))
