"""``interpret-extract``: arguments in, exit status out; the heavy libraries load only to run."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import NoReturn

from . import arguments
from .errors import ExtractError, UsageError
from .importers import cli as importing
from .options import RunOptions

EPILOG = """\
examples:
  interpret-extract run --model ./my-checkpoint --task text --data texts.txt -o out.msgpack
  interpret-extract run --model ./tagger --task tagging --data test.conll -o tags.msgpack
  interpret-extract run --model ./my-checkpoint --task coref --span-head head.safetensors \\
      --data dev.jsonl -o tuned.msgpack --attention 40
  interpret-extract tasks
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
        given = build_parser().parse_args(argv)
        return int(given.act(given))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except KeyboardInterrupt as stopped:
        parts = getattr(stopped, "parts", 0)  # see resuming.Interrupted
        kept = f"{parts} finished parts of the run are kept, and --resume goes on with them"
        _say(f"interrupted; {kept if parts else 'nothing was written'}.")
        return _INTERRUPTED
    except ExtractError as error:
        _debug()
        _say(str(error))
        return error.status
    except Exception as error:  # the last net: a defect of ours, or of a library
        _debug()
        from .plugins import blamed  # late: most commands need no plug-ins

        if sentence := blamed(error):
            _say(sentence)
            return ExtractError.status
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
    run.set_defaults(act=_run)
    arguments.add_run(run)
    arguments.add_listings(commands, _list)
    importing.add_parser(commands).set_defaults(act=_import)
    return parser


def _run(given: argparse.Namespace) -> int:
    options = arguments.run_options(given)
    # idle OpenMP threads that spin made t-SNE 16 times slower on a machine whose cores were shared
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # a mistyped path must not cost the seconds that torch takes to load
    _check_paths(options)
    with _installed():
        from . import pipeline
        from .console import Console
        from .progress import Silent
    with _file_errors():
        if os.environ.get("RANK", "0") != "0":  # one of several processes: the first one speaks
            pipeline.run(options, Silent())
            return 0
        with Console() as console:
            summary = pipeline.run(options, console)
    if summary is not None:
        console.summary(summary)
    return 0


def _list(given: argparse.Namespace) -> int:
    with _installed():
        from . import listing, plugins
    plugins.load(given.plugins)
    what = {"tasks": listing.tasks, "metrics": listing.metrics}
    print("\n".join(what[given.command]()))
    return 0


def _import(given: argparse.Namespace) -> int:
    with _installed():
        from . import pipeline  # noqa: F401 (imports need all that runs need)
    with _file_errors():
        return importing.run(given)


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """Says what to do where the packages that extraction needs are missing."""
    try:
        yield
    except ImportError as error:
        raise ExtractError(
            f"{error.name} is missing; extraction needs more than the viewer does: in a clone of "
            "the project, pip install '.[extract]' (see README, section Install)."
        ) from error


@contextlib.contextmanager
def _file_errors() -> Iterator[None]:
    """What is wrong with a collateral file is an error of ours to tell."""
    from collateral import CollateralError

    try:
        yield
    except CollateralError as error:
        raise ExtractError(str(error)) from error


def _check_paths(options: RunOptions) -> None:
    data = options.data
    if data.is_dir():
        raise ExtractError(f"{data} is a directory; give a file of records with --data.")
    is_name = (data.name == str(data) and not data.suffix) or options.format == "datasets"
    if not data.exists() and not is_name and not _is_hub_name(str(data)):
        raise ExtractError(f"There is no data file {data}; check the path of --data.")
    if options.span_head is not None and not options.span_head.exists():
        raise ExtractError(
            f"There is no span head {options.span_head}; check the path of --span-head."
        )


def _is_hub_name(name: str) -> bool:
    """Whether it could be OWNER/NAME of a data set, and no path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and "." not in name


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
