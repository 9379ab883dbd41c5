"""``interpret-extract``: arguments in, exit status out; the heavy libraries load only to run."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .errors import ExtractError, UsageError
from .options import DEFAULT_MAPS, RunOptions

EPILOG = """\
examples:
  interpret-extract run --model ./my-checkpoint --task coref --data dev.jsonl -o tuned.msgpack
  interpret-extract run --model ./my-checkpoint --span-head head.safetensors \\
      --task coref --data dev.jsonl -o tuned.msgpack --attention 40
"""

DEBUG = "INTERPRET_DEBUG"
"""Environment variable that, set to anything, shows tracebacks."""

PROGRAM = "interpret-extract"
_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage lines in front."""

    def error(self, message: str) -> NoReturn:
        """Says ``message`` and ends with the status of wrong use."""
        sentence = message[:1].upper() + message[1:]
        _say(f"{sentence.rstrip('.')}. See {self.prog} --help.", self.prog)
        sys.exit(UsageError.status)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; those of the process if not given.

    Returns:
        Exit status: 0, 1 for what cannot be done, 2 for wrong use, 130 when interrupted.
    """
    try:
        arguments = build_parser().parse_args(argv)
        return _run(arguments)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except KeyboardInterrupt:
        _say("interrupted; nothing was written.")
        return _INTERRUPTED
    except ExtractError as error:
        _debug()
        _say(str(error))
        return error.status
    except Exception as error:  # the last net: a defect of ours, or of a library
        _debug()
        what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
        _say(
            f"Unexpected error ({what}); this is a defect: please report it where interpret-tui "
            f"comes from, with the traceback that {DEBUG}=1 shows."
        )
        return ExtractError.status


def build_parser() -> argparse.ArgumentParser:
    """The parser, with all its help."""
    parser = _Parser(
        prog=PROGRAM,
        description="Run a Transformer over a data set and keep what it did in one file, to be "
        "looked at with interpret-tui.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="extract a data set with a model",
        description="Extract a data set with a model into one file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_inputs(run)
    _add_amounts(run)
    _add_engine(run)
    return parser


def _add_inputs(run: argparse.ArgumentParser) -> None:
    group = run.add_argument_group("what goes in and out")
    add = group.add_argument
    add("--model", required=True, metavar="PATH", help="folder of a model, or its name on the hub")
    add("--task", default="coref", choices=("coref",), help="what the data is (default: coref)")
    add("--data", required=True, type=Path, metavar="FILE", help="JSON Lines, one pair per line")
    add("-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write")
    add("--name", default="", help="name of the model for people (default: from --model)")
    add(
        "--span-head",
        type=Path,
        metavar="FILE",
        help="safetensors file with weight [1, 4 x width] and bias [1] that makes predictions",
    )
    add("--skip-bad", action="store_true", help="leave bad lines out and count them")
    add(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that comes with the model (off: such models are refused)",
    )


def _add_amounts(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("how much of it").add_argument
    add("--limit", type=_whole, metavar="N", help="only the first N texts")
    add(
        "--attention",
        type=_maps,
        default=DEFAULT_MAPS,
        metavar="all|none|N",
        help=f"keep whole attention maps of the first N texts (default: {DEFAULT_MAPS})",
    )
    add(
        "--attention-dtype",
        choices=("float16", "uint8"),
        default="float16",
        help="store a weight in 2 bytes, or in 1 with an error of at most .004 (default: float16)",
    )
    add("--max-length", type=_whole, metavar="N", help="tokens per text (default: the model's)")


def _add_engine(run: argparse.ArgumentParser) -> None:
    add = run.add_argument_group("how it runs").add_argument
    add("--batch-size", type=_whole, default=32, metavar="N", help="texts at once (default: 32)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    add(
        "--dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="auto",
        help="of the weights; auto is float32 on a CPU, else the checkpoint's (default: auto)",
    )
    add("--threads", type=_whole, metavar="N", help="CPU threads (default: all cores)")
    add("--seed", type=_whole, default=0, metavar="N", help="of the t-SNE (default: 0)")
    add("--perplexity", type=_number, default=30.0, metavar="X", help="of t-SNE (default: 30)")


def _run(arguments: argparse.Namespace) -> int:
    values = {k: v for k, v in vars(arguments).items() if k != "command"}
    options = RunOptions(**values)
    # idle OpenMP threads that spin made t-SNE 16 times slower on a machine whose cores were shared
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # a mistyped path must not cost the seconds that torch takes to load
    _check_paths(options)
    try:
        from collateral import CollateralError

        from . import pipeline
        from .console import Console
    except ImportError as error:
        raise ExtractError(
            f"{error.name} is missing; extraction needs more than the viewer does: in a clone of "
            "the project, pip install '.[extract]' (see README, section Install)."
        ) from error
    try:
        with Console() as console:
            summary = pipeline.run(options, console)
        console.summary(summary)
    except CollateralError as error:
        raise ExtractError(str(error)) from error
    return 0


def _check_paths(options: RunOptions) -> None:
    if not options.data.exists():
        raise ExtractError(f"There is no data file {options.data}; check the path of --data.")
    if options.data.is_dir():
        raise ExtractError(f"{options.data} is a directory; give a JSON Lines file with --data.")
    if options.span_head is not None and not options.span_head.exists():
        raise ExtractError(
            f"There is no span head {options.span_head}; check the path of --span-head."
        )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number') from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no number') from None


def _maps(text: str) -> int | None:
    if text in ("all", "none"):
        return None if text == "all" else 0
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is neither all, none nor a number') from None


def _one_line(message: str) -> str:
    """A message as one line; what data or file names put into it cannot steer the terminal."""
    line = " ".join(message.split())
    if line.isascii() and line.isprintable():
        return line
    from collateral.plain import printable  # late: it brings numpy

    return printable(line)


def _debug() -> None:
    """Shows the traceback of the error at hand, to those who ask for it."""
    if os.environ.get(DEBUG):
        traceback.print_exc()


def _say(message: str, program: str = PROGRAM) -> None:
    print(f"{program}: {_one_line(message)}", file=sys.stderr)


def _version() -> str:
    try:
        return importlib.metadata.version("interpret-tui")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
