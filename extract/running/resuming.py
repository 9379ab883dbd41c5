"""Which unfinished run a command goes on with: it must be the very same, and nobody else's."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ..errors import ExtractError
from ..options import RunOptions
from .parts import Workspace, differences
from .prepare import Prepared
from .windows import windows

_NOT_PLANNED = frozenset(
    (
        *("output", "name", "resume", "restart", "threads", "plugins"),
        *("perplexity", "map_sample", "vectors"),
    )
)
"""Options that the parts of a run do not depend on, or that are planned by their contents."""


class Interrupted(KeyboardInterrupt):
    """The user stopped a run of which so many parts are kept."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts


@contextlib.contextmanager
def workspace_of(options: RunOptions, ready: Prepared) -> Iterator[Workspace]:
    """The workspace of this run, one that goes on or a new one; it is removed after success.

    Raises:
        ExtractError: there is an unfinished run and it is not clear what is to become of it, or
            another process is at the same target.
        Interrupted: ctrl+C, after something was done.
    """
    workspace = Workspace.beside(options.output)
    first = ready.processes.first
    with _alone(workspace, options.output) if first else contextlib.nullcontext():
        if first:
            _start(workspace, plan_of(options, ready), options, len(windows(len(ready.groups))))
        ready.processes.wait()
        try:
            yield workspace
        except BaseException as error:
            parts = workspace.finished()
            if first and ready.processes.count == 1 and not parts:
                workspace.remove()
            if isinstance(error, KeyboardInterrupt) and parts:
                raise Interrupted(parts) from None
            raise
        if first:
            workspace.remove()


def _start(workspace: Workspace, plan: dict[str, object], options: RunOptions, total: int) -> None:
    old, done = workspace.plan(), workspace.finished()
    changed = [] if old is None else differences(old, plan)
    if old is None or options.restart or (not done and not options.resume):
        workspace.start(plan)
    elif changed:
        raise ExtractError(
            f"The unfinished run of {options.output} was another one ({'; '.join(changed[:3])}); "
            "give the same command with --resume to go on with it, or --restart to throw it away."
        )
    elif not options.resume:
        raise ExtractError(
            f"There is an unfinished run of {options.output} ({done} of {total} parts are done); "
            "go on with --resume, or throw it away with --restart."
        )


def plan_of(options: RunOptions, ready: Prepared) -> dict[str, object]:
    """All that the parts of a run depend on, to know whether two runs are the same."""
    digest = hashlib.sha256()
    for group, length in zip(ready.groups, ready.lengths, strict=True):
        digest.update(f"{group!r}\0{length}\0".encode("utf-8", "replace"))
    asked = {name: value for name, value in asdict(options).items() if name not in _NOT_PLANNED}
    info = ready.loaded.info
    return {
        **{name: _plain(value) for name, value in asked.items()},
        "data": digest.hexdigest(),
        "weights": _weights_of(options.model),
        "revision": info.revision,
        "versions": dict(info.versions),
        "plugins": [_digest_of(path) for path in options.plugins],
        "span_head": None if options.span_head is None else _digest_of(options.span_head),
    }


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _digest_of(path: Path) -> str:
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def _weights_of(model: str) -> list[str]:
    """Name, size and time of the files of a model folder; empty for a name on the hub."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return []
    found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in found]


@contextlib.contextmanager
def _alone(workspace: Workspace, output: Path) -> Iterator[None]:
    """Holds a lock, so that no second run writes into the same parts.

    It is the system's, so it is gone with the process, however that ends. Where a file system has
    no locks, runs are not kept apart.

    Raises:
        ExtractError: another run holds it.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    path = workspace.folder.with_suffix(".lock")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExtractError(
                f"Another run is writing {output} right now; wait for it, stop it, or choose "
                "another --output."
            ) from None
        except OSError:
            pass
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
