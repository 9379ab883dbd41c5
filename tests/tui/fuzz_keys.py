"""``make fuzz-keys``: keys, clicks and sizes at random on every kind of file, for as long as asked.

    python -m tests.tui.fuzz_keys --keys 20000                # on each kind, one after another
    python -m tests.tui.fuzz_keys --keys 500 --kind coref --seed 5
    python -m tests.tui.fuzz_keys --replay fuzz-failures/keys-coref-5.txt
    python -m tests.tui.fuzz_keys --keys 2000 --files A.msgpack B.msgpack   # on files of one's own

Each kind runs in a process of its own, so that its memory can be told: when it starts, after a
fifth of the keys, and at the end. Status 1 if the viewer ended, or its selection or its screen was
wrong; the keys up to there are saved.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.cells import cell_len
from textual import events
from textual.geometry import Size
from textual.worker import WorkerCancelled

from tests import factory_parts
from tests.factory import write_collateral
from tests.tui import tasks
from tests.tui.handmade import Recipe
from tests.tui.pilot import Session, running
from tui import state
from tui.actions import ACTIONS
from tui.screens.main import MainScreen

SIZES = ((160, 45), (120, 36), (80, 24), (60, 20), (20, 5), (12, 3), (200, 60), (1, 1))
NOT_PRESSED = {"quit", "suspend"}
TYPED = ["a", "1", ".", "=", "f", "enter", "tab", "backspace", "up", "escape"]
"""What is pressed where a line is typed; whatever opens is closed by escape sooner or later."""
EVERY = [key for action in ACTIONS if action.name not in NOT_PRESSED for key in action.keys]


class Wrong(Exception):
    """The viewer is not as it should be; the text says how."""


# -- the files -----------------------------------------------------------------------------------


def _two(make: Callable[..., Path], folder: Path, count: int) -> list[Path]:
    shifts = (("base", 0.0), ("tuned", 1.0))[:count]
    return [make(folder / f"{who}.msgpack", shift=shift, name=who) for who, shift in shifts]


def _one_layer(folder: Path) -> list[Path]:
    return [write_collateral(folder / "one-layer.msgpack", layers=1, heads=1, examples=4)]


def _texts(folder: Path) -> list[Path]:
    return [Recipe(("one", "", "three words here")).write(folder / "texts.msgpack")]


def _no_maps(folder: Path) -> list[Path]:
    """Points without maps, a metric that is undefined everywhere, attention of one text."""
    nothing = np.full((3, 2, 2), np.nan)
    recipe = Recipe(points=(0, 0, 1), metrics={"m": nothing}, attention={1: np.eye(6)[None, None]
                    .repeat(2, 0).repeat(2, 1)})  # fmt: skip
    return [recipe.write(folder / "no-maps.msgpack")]


KINDS: dict[str, Callable[[Path], list[Path]]] = {
    "coref": lambda folder: _two(write_collateral, folder, 1),
    "coref B-A": lambda folder: _two(write_collateral, folder, 2),
    "vectors": lambda folder: [write_collateral(folder / "v.msgpack", vectors=8, examples=8)],
    "tagging": lambda folder: _two(tasks.write_tagging, folder, 1),
    "tagging B-A": lambda folder: _two(tasks.write_tagging, folder, 2),
    "translation": lambda folder: _two(tasks.write_translation, folder, 1),
    "translation B-A": lambda folder: _two(tasks.write_translation, folder, 2),
    "translation sparse": lambda folder: [
        factory_parts.write_translation(folder / "s.msgpack", kept=3)
    ],
    "classification": lambda folder: _two(tasks.write_classification, folder, 1),
    "classification B-A": lambda folder: _two(tasks.write_classification, folder, 2),
    "language-model sparse": lambda folder: [tasks.write_language_model(folder / "lm.msgpack")],
    "one layer": _one_layer,
    "texts alone": _texts,
    "no maps": _no_maps,
}


# -- pressing ------------------------------------------------------------------------------------


class Fuzz:
    """Presses keys at random, or those that were pressed before.

    Attributes:
        pressed: every key, "WxH" for a new size, "@x,y" for a click, "~x,y" for the wheel.
    """

    def __init__(self, session: Session, seed: str, check_every: int = 1) -> None:
        self.session = session
        self.chooser = random.Random(seed)
        self.check_every = check_every
        self.pressed: list[str] = []
        # A click or the palette may ask for the end, which is no failure; it would be the last key.
        for name in ("exit", "action_suspend_process"):
            setattr(session.app, name, lambda *_, **__: None)

    async def run(self, keys: int) -> None:
        """Presses so many more; every few, looks whether all is well.

        Raises:
            Wrong: it is not.
        """
        for _ in range(keys):
            await self.press(self.choose())

    async def press(self, key: str) -> None:
        """One key, size, or click."""
        self.pressed.append(key)
        if key[0] in "@~" and len(key) > 1:
            self._point(key)
        elif key[0].isdigit() and "x" in key:
            size = Size(*map(int, key.split("x")))
            driver = self.session.app._driver
            if driver is not None:
                driver._size = (size.width, size.height)
            self.session.app.post_message(events.Resize(size, size))
        else:
            letter = key if len(key) == 1 else None
            self.session.app.post_message(events.Key(key, letter))
        if len(self.pressed) % self.check_every == 0:
            await self._settle()
            if self.misfit():  # Textual waits a moment before it lays out for a new size
                await asyncio.sleep(0.1)
                await self._settle()
            self.check()

    async def _settle(self) -> None:
        with contextlib.suppress(WorkerCancelled):  # the palette's, when it searches anew
            await self.session.settle()

    def choose(self) -> str:
        """What to press next."""
        number, chooser = len(self.pressed), self.chooser
        if number % 20 == 19:
            return "{}x{}".format(*chooser.choice(SIZES))
        if chooser.random() < 0.08:
            width, height = self.session.app.size
            place = f"{chooser.randrange(max(1, width))},{chooser.randrange(max(1, height))}"
            return f"{chooser.choice('@@~')}{place}"
        return chooser.choice(TYPED if self.types() else EVERY)

    def types(self) -> bool:
        """Whether keys are typed by now and not carried out."""
        app = self.session.app
        asked = self.session.screen.prompt.question is not None
        return not isinstance(app.screen, MainScreen) or app.focused is not None or asked

    def _point(self, key: str) -> None:
        """Presses the mouse and lets it go, or turns its wheel."""
        x, y = map(int, key[1:].split(","))
        kinds: tuple[type[events.MouseEvent], ...] = (events.MouseDown, events.MouseUp)
        if key[0] == "~":
            kinds = (events.MouseScrollDown if (x + y) % 2 else events.MouseScrollUp,)
        for kind in kinds:
            event = kind(None, x, y, 0, 0, 1, False, False, False, x, y)
            self.session.app.post_message(event)

    def check(self) -> None:
        """Whether the viewer runs, on valid ground, with a screen of the right width."""
        app = self.session.app
        if app._exception is not None:
            raise Wrong("it crashed") from app._exception
        if app.failure or not app.is_running:
            raise Wrong(f"it ended: {app.failure}")
        selection, limits = self.session.selection, self.session.project.limits
        if state.valid(selection, limits) != selection:
            raise Wrong(f"the selection is none: {selection}")
        if misfit := self.misfit():
            raise Wrong(misfit)

    def misfit(self) -> str:
        """Which row is not as wide as the terminal, "" if all are."""
        screen, width = self.session.app.screen, self.session.app.size.width
        for y, strip in enumerate(screen._compositor.render_strips()):
            if cell_len(strip.text) != width:
                return f"row {y} is {cell_len(strip.text)} wide, not {width}"
        return ""


# -- one kind ------------------------------------------------------------------------------------


def resident() -> float:
    """Megabytes of memory of this process; 0 where that can't be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 1e6


async def _press(files: Sequence[Path], seed: int, keys: int, replay: Sequence[str]) -> list[str]:
    """Presses the keys, in as many sessions as keep the limit of time of each; what went wrong."""
    kind = os.environ.get("FUZZ_KIND", "files")
    memory, start = [], time.monotonic()
    async with running(files, limit=None) as session:
        fuzz = Fuzz(session, f"{kind}:{seed}", check_every=1 if replay else 3)
        try:
            if replay:
                for key in replay:
                    await fuzz.press(key)
            else:
                for share in (0, 5, *(10 + 10 * n for n in range(10)))[:12]:
                    await fuzz.run(keys * share // 100 - len(fuzz.pressed))
                    _clear()
                    gc.collect()
                    memory.append(f"{resident():.0f}")
        except Exception:
            _save(fuzz.pressed, files, seed)
            trace = _last_lines(session.app._exception)
            session.app._exception = None  # told here, with the keys
            return [f"WRONG after {len(fuzz.pressed):,} keys", *trace, " ".join(fuzz.pressed[-30:])]
        seconds = time.monotonic() - start
        kept = f"{len(session.project.kept)} answers kept"
    mb = " ".join(memory) or "-"
    print(
        f"{len(fuzz.pressed):,} keys in {seconds:.0f} s; MB at 0, 5, 10, 20...100 %: {mb}; {kept}"
    )
    return []


def _last_lines(fault: BaseException | None) -> list[str]:
    """Where the viewer crashed, else where the harness found it wrong."""
    lines = traceback.format_exception(fault) if fault is not None else [traceback.format_exc()]
    return "".join(lines).splitlines()[-12:]


def _clear() -> None:
    """Removes what was saved and exported on the way; the folder is a temporary one."""
    for path in Path().iterdir():
        if path.is_file():
            path.unlink()


def _save(pressed: Sequence[str], files: Sequence[Path], seed: int) -> None:
    folder = Path(os.environ["FUZZ_FAILURES"])
    folder.mkdir(parents=True, exist_ok=True)
    kind = os.environ.get("FUZZ_KIND", "files").replace(" ", "-")
    path = folder / f"keys-{kind}-{seed}.txt"
    path.write_text("\n".join([kind, *map(str, files), "", *pressed]) + "\n", encoding="utf-8")
    print(f"again: python -m tests.tui.fuzz_keys --kind '{os.environ.get('FUZZ_KIND')}' "
          f"--replay {path}")  # fmt: skip


def _child(given: argparse.Namespace) -> int:
    """Runs one kind here; the exit status."""
    replay = []
    if given.replay is not None:
        replay = given.replay.read_text(encoding="utf-8").partition("\n\n")[2].split("\n")[:-1]
    os.environ.setdefault("FUZZ_FAILURES", str(given.failures.resolve()))
    files = [path.resolve() for path in given.files]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "here").mkdir()
        os.environ["XDG_CONFIG_HOME"] = str(folder)
        os.environ["FUZZ_KIND"] = given.kind or "files"
        files = files or KINDS[given.kind](folder / "files")
        os.chdir(folder / "here")
        wrong = asyncio.run(_press(files, given.seed, given.keys, replay))
    print("\n".join(wrong), end="\n" if wrong else "", flush=True)
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.fuzz_keys")
    parser.add_argument("--keys", type=int, default=2000, help="on each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="one's own, one or two")
    parser.add_argument("--replay", type=Path, help="the keys of a failure, with --kind or --files")
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    return parser.parse_args()


def main() -> int:
    """Runs it; the exit status."""
    given = _options()
    if given.kind or given.files:
        return _child(given)
    failed = []
    for kind in KINDS:
        print(f"{kind}, seed {given.seed}: ", end="", flush=True)
        more = ["--keys", str(given.keys), "--seed", str(given.seed)]
        more += ["--failures", str(given.failures)]
        command = [sys.executable, "-m", "tests.tui.fuzz_keys", "--kind", kind, *more]
        if subprocess.run(command, check=False).returncode:
            failed.append(kind)
    print(f"crashes: {len(failed)}" + (f" ({', '.join(failed)})" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
