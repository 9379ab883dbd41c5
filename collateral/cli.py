"""``interpret-collateral``: looks at, checks, exports and recovers collateral files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from . import export, info
from .errors import CollateralError
from .plain import printable
from .reader import Collateral
from .reader import open as open_file
from .sink import Sink
from .version import version

PROGRAM = "interpret-collateral"
_SHOWN_FAULTS = 50


class UsageError(Exception):
    """The command line asks for what cannot be; the message is one sentence."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try {self.prog} --help")


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM, description="Looks at, checks, exports and recovers collateral files."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("info", help="say what is in a file")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help="as JSON, all of it")
    check = commands.add_parser("verify", help="read and check everything; status 1 on damage")
    check.add_argument("file", metavar="FILE")
    keep = commands.add_parser(
        "recover",
        help="write what is whole of a cut or damaged file to another",
        description="Writes what is whole of a cut or damaged file to another, which can be opened "
        "and verified, and says what was kept and what was lost.",
    )
    keep.add_argument("file", metavar="IN", help="the file, which is only read")
    keep.add_argument("target", metavar="OUT", help="the file to write")
    keep.add_argument("--force", action="store_true", help="OUT may be there already")
    out = commands.add_parser("export", help="write a part of a file as CSV, JSON or npz")
    out.add_argument("file", metavar="FILE")
    out.add_argument("--what", required=True, metavar="WHAT", help=export.KNOWN)
    out.add_argument(
        "--kind", help="which attention or value norms (default: the first kind of the file)"
    )
    out.add_argument(
        "--format", choices=("csv", "json", "npz"), help="default: by the ending of OUT, else csv"
    )
    out.add_argument(
        "-o", "--output", default="-", metavar="OUT", help="a file, or - for stdout (default)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 for a bad file, 2 for bad usage."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a letter gets its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(_parser().parse_args(arguments))
        sys.stdout.flush()
        return status
    except UsageError as error:
        return _fail(str(error), 2)
    except CollateralError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"cannot write ({error.strerror})", 1)
    except KeyboardInterrupt:
        return 130


def _fail(message: str, status: int) -> int:
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr)
    return status


def _run(options: argparse.Namespace) -> int:
    if options.command == "recover":
        return _recover(options)
    with open_file(options.file) as c:
        if options.command == "info":
            if options.json:
                print(json.dumps(info.as_map(c), indent=2, allow_nan=False))
            else:
                sys.stdout.write(info.as_text(c))
            return 0
        if options.command == "verify":
            return _verify(c)
        _export(c, options)
        return 0


def _recover(options: argparse.Namespace) -> int:
    from .recover import recover  # only who recovers needs it

    kept = recover(options.file, options.target, force=options.force)
    print(printable(f"{options.target}: recovered from {options.file}"))
    for line in kept.lines():
        print(f"  {printable(line)}")
    return 0


def _verify(c: Collateral) -> int:
    found = 0
    for fault in c.verify():
        found += 1
        if found <= _SHOWN_FAULTS:
            print(printable(f"{c.path}: {fault}"))
    if found > _SHOWN_FAULTS:
        print(f"... and {found - _SHOWN_FAULTS} more")
    if found:
        faults = "1 fault" if found == 1 else f"{found} faults"
        message = (
            f"{c.path} has {faults}. Copy it again or extract it again; or keep what is whole: "
        )
        message += f"{PROGRAM} recover FILE NEW-FILE"
        return _fail(message, 1)
    counts = c.meta.counts
    print(printable(f"{c.path}: no fault found"))
    print(f"  checksums of all {os.path.getsize(c.path):,} bytes")
    tables = [table.name for table in (c.examples, c.points, c.pairs, c.items) if table.columns]
    rows = ", ".join(f"{counts[name]:,} {name}" for name in tables)
    print(f"  tables: {rows}")
    summaries = f"{len(c.summaries)} summaries, " if c.summaries else ""
    print(f"  arrays: {len(c.metrics)} metrics, {summaries}{len(c.measures)} distances, ", end="")
    print(f"{len(c.mapped_layers)} maps; {counts['attention']:,} attention records")
    print("  what refers to tokens, points, examples and labels finds them")
    print("  fingerprints of texts, tokens, points and pairs")
    return 0


def _export(c: Collateral, options: argparse.Namespace) -> None:
    target: str = options.output
    form = options.format or target.rpartition(".")[2]
    form = form if form in ("csv", "json", "npz") else "csv"
    if form == "npz" and target == "-":
        raise UsageError("npz cannot go to stdout: name a file with -o")
    if target != "-" and os.path.exists(target) and os.path.samefile(target, c.path):
        raise UsageError(f"{target} is the file that is read: name another with -o")
    try:
        found = export.find(c, options.what, options.kind)
    except KeyError as error:
        raise UsageError(f"--what: {error.args[0]}") from None
    if target == "-":
        _write(found, form, _Screen(sys.stdout))
        return
    sink = Sink(target)
    try:
        if form == "npz":
            found.to_npz(_Binary(sink))
        else:
            _write(found, form, _Text(sink))
        sink.finish()
    except BaseException:
        sink.abort()
        raise


def _write(found: export.Export, form: str, out: export.TextSink) -> None:
    (found.to_json if form == "json" else found.to_csv)(out)


class _Screen:
    """Standard output. On a terminal, what could control it is shown as escapes instead."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._careful = stream.isatty()
        if hasattr(stream, "reconfigure"):  # whoever reads a pipe expects UTF-8
            stream.reconfigure(encoding="utf-8", newline="\n")

    def write(self, text: str, /) -> None:
        """Writes text."""
        if self._careful:
            text = "\n".join(map(printable, text.split("\n")))
        self._stream.write(text)


class _Text:
    """A sink for text, in UTF-8."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, text: str, /) -> None:
        """Writes text."""
        self._sink.write(text.encode())


class _Binary:
    """A sink as a file that can only be written to: enough for a zip archive."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, data: bytes, /) -> int:
        """Writes bytes; their number."""
        self._sink.write(data)
        return len(data)

    def flush(self) -> None:
        """Does nothing: the sink flushes when it is finished."""


if __name__ == "__main__":
    sys.exit(main())
