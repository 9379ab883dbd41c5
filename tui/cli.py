"""``interpret-tui``: opens one or two collateral files in the terminal."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from .asked import wanted

if TYPE_CHECKING:
    from .asked.settings import Settings
    from .project import Project

FORMATS = ("text", "markdown", "json")
DEMO = Path(__file__).parent / "demo"
DEMO_FILES = (str(DEMO / "base.msgpack"), str(DEMO / "tuned.msgpack"))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = _Parser(
        prog="interpret-tui",
        allow_abbrev=False,
        description="Look inside Transformer models: t-SNE per layer, attention heads, attention, "
        "distances, linked, in the terminal. Two files are compared as B − A.",
        epilog="Make a file with: interpret-extract run --model MODEL --task coref --data "
        "FILE.jsonl --output OUT.msgpack. Inside, ? explains everything.",
    )
    p.add_argument("files", nargs="*", metavar="FILE", help="one collateral file, or two: A and B")
    p.add_argument("--demo", action="store_true", help="open the demo: a model before and after")
    p.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="display name of a model, once per file (default: the file's name)",
    )
    p.add_argument(
        "--ascii", action="store_true", help="draw with ASCII only (automatic under LC_ALL=C)"
    )
    p.add_argument(
        "--send-all",
        action="store_true",
        help="send every cell that is drawn, not only those that change (if a screen is ever "
        "wrong; ctrl+l draws it again)",
    )
    p.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    p.add_argument(
        "--settings",
        action="store_true",
        help="say where your settings are and what is wrong with them (for FILE), with an example",
    )
    wanted.add_to(p)
    report = p.add_argument_group("without a terminal")
    report.add_argument(
        "--report", action="store_true", help="print what is shown first, with its numbers"
    )
    report.add_argument("--format", choices=FORMATS, help="of the report (default: text)")
    report.add_argument(
        "--width", type=int, metavar="N", help="of its lines, at least 40 (default: 80)"
    )
    return p


class _Parser(argparse.ArgumentParser):
    """Repeats no control characters of a file's name that it took for an option."""

    def error(self, message: str) -> NoReturn:
        from .text import clean

        super().error(clean(message))


class _Version(argparse.Action):
    """Says the version, which is looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"interpret-tui {version()}")
        parser.exit()


def version() -> str:
    """Version of the installed distribution."""
    from importlib import metadata  # late: as slow as a tenth of Textual, and asked for rarely

    try:
        return metadata.version("interpret-tui")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the viewer; the exit status: 0 quit, 1 a file or the terminal is wrong, 2 usage.

    128 and the signal's number if told to end by one; 70 after a fault of the program's own.
    """
    p = parser()
    given = p.parse_args(argv)
    files = list(DEMO_FILES) if given.demo else []
    files += given.files
    if given.settings:
        return _explain_settings(files[:2], given.name)
    if not files:
        p.error("name a collateral file, or try --demo")
    if len(files) > 2:
        p.error("one file, or two to compare" + ("; --demo brings two itself" * given.demo))
    if len(given.name) > len(files):
        p.error(f"--name was given {len(given.name)} times for {len(files)} file(s)")
    if not given.report and (given.format or given.width is not None):
        p.error("--format and --width are for --report")
    asked = wanted.read(given)
    if given.report:
        return _report(files, given, asked)
    if problem := _terminal_problem():
        return _failed(problem, 1)
    project = _opened(files, given.name, asked) if asked.texts else None
    if isinstance(project, int):
        return project
    return _run(files, given, asked, project)


def _explain_settings(files: Sequence[str], names: Sequence[str]) -> int:
    """Prints the settings and what is wrong with them, for some files if any are named."""
    from textual.theme import BUILTIN_THEMES

    from .asked import settings
    from .asked.wanted import Wanted

    project = _opened(files, names, Wanted()) if files else None
    if isinstance(project, int):
        return project
    print(settings.explained(settings_path(), BUILTIN_THEMES, project), end="")
    if project is not None:
        project.close()
    return 0


def _report(files: Sequence[str], given: argparse.Namespace, asked: wanted.Wanted) -> int:
    """Prints a report; the exit status."""
    project = _opened(files, given.name, asked)
    if isinstance(project, int):
        return project
    from .out import report

    try:
        words = named_files(files, given.name)
        return report.run(project, asked, words, given.format, given.width or 80, given.ascii)
    finally:
        project.close()


def named_files(files: Sequence[str], names: Sequence[str]) -> list[str]:
    """The words of a command that stand for files and their names, from whatever folder."""
    demo = tuple(files) == DEMO_FILES
    words = ["--demo"] if demo else [os.path.abspath(path) for path in files]
    for name in names:
        words += [f"--name={name}"] if name.startswith("-") else ["--name", name]
    return words


def _opened(files: Sequence[str], names: Sequence[str], asked: wanted.Wanted) -> Project | int:
    """The files, if they have what is asked for; else the exit status, and why is printed."""
    from collateral import CollateralError  # late: numpy comes with it

    from .asked.naming import Unknown
    from .project import Project

    try:
        project = Project.open(files, names)
    except CollateralError as error:
        return _failed(str(error), 1)
    try:
        wanted.check(project, asked)
    except (CollateralError, Unknown) as reason:
        project.close()
        return _failed(str(reason), 2 if isinstance(reason, Unknown) else 1)
    return project


def _failed(sentence: str, status: int) -> int:
    """Prints why; the exit status."""
    from .text import clean  # a file's name and contents stand in the sentence

    print(f"interpret-tui: {clean(sentence)}", file=sys.stderr)
    return status


def settings_path() -> Path:
    """The file of the user's settings, whether or not it is there."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = base if os.path.isabs(base) else os.path.expanduser("~/.config")
    return Path(folder, "interpret-tui", "settings.toml")


def _settings() -> Settings | None:
    """The user's settings; None, and nothing is loaded for them, if there are none."""
    path = settings_path()
    if not os.path.isfile(path):
        return None
    from .asked import settings

    return settings.load(path)


def _terminal_problem() -> str:
    streams = {"input": sys.stdin, "output": sys.stdout, "error output": sys.stderr}
    for name, stream in streams.items():  # Textual draws on the error output
        if stream is None or not stream.isatty():
            return (
                f"this is no terminal (its {name} is redirected). Run it in a terminal, over SSH "
                "with: ssh -t HOST interpret-tui FILE"
            )
    if os.environ.get("TERM", "") in ("", "dumb"):
        return (
            "the terminal cannot move its cursor (TERM is unset or dumb). Set it, for example "
            "TERM=xterm-256color"
        )
    return ""


def _run(
    files: Sequence[str],
    given: argparse.Namespace,
    asked: wanted.Wanted,
    project: Project | None,
) -> int:
    # numpy would start a thread per core for products that are small here, and wait for all.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # until the panes are filled: looking for garbage is a tenth of the start
    try:
        from .app import InterpretApp  # late: --help must not wait for Textual
        from .ending import FAULT, listen, told_of_fault

        app = InterpretApp(
            files, given.name, given.ascii, asked, project, _settings(), given.send_all
        )
        listen(app)
        app.run()
    finally:
        gc.enable()
    if app.fault is not None:
        return _failed(told_of_fault(app.fault), FAULT)
    if app.failure:
        return _failed(app.failure, app.return_code or 1)
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
