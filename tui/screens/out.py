"""What leaves the viewer by a key: copied text, the command of a view, data, pictures."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.geometry import Region
from textual.strip import Strip

from ..text import clean

if TYPE_CHECKING:
    from ..app import InterpretApp
    from .main import MainScreen

_MOST_COPIED = 70_000
"""Bytes that terminals take at once for their clipboard: some stop at 75 kB."""
_SHOWN_COPIED = 300
_MANY_ROWS = 50_000
"""From here on a table is written in a thread."""


def act(screen: MainScreen, name: str) -> bool:
    """Carries out an action that takes something out of the viewer; whether this was one."""
    actions: dict[str, Callable[[MainScreen], None]] = {
        "copy": _copy,
        "copy-command": _copy_command,
        "export": _export,
        "save": lambda screen: _save(screen, whole=False),
        "save-screen": lambda screen: _save(screen, whole=True),
    }
    if name not in actions:
        return False
    actions[name](screen)
    return True


# -- the clipboard -----------------------------------------------------------------------------


def _copy(screen: MainScreen) -> None:
    _to_clipboard(screen, screen.panes[screen.active].copy(screen.context(screen.active)))


def _copy_command(screen: MainScreen) -> None:
    from ..asked.naming import harmless
    from ..asked.wanted import command
    from ..cli import named_files
    from ..commands import Refused

    assert screen.project is not None
    app = cast("InterpretApp", screen.app)
    files = named_files(app.paths, app.names)
    if not all(map(harmless, files)):
        raise Refused("A file's name holds control characters; no command is made of it.")
    words = command(screen.project, screen.selection, screen.active, files)
    if not all(map(harmless, words)):
        raise Refused("A filter holds control characters; no command is made of it.")
    _to_clipboard(screen, shlex.join(words))


def _to_clipboard(screen: MainScreen, words: str) -> None:
    """Asks the terminal to take words into its clipboard (OSC 52), and says what was asked."""
    from ..commands import Refused
    from ..text import many

    size = len(words.encode("utf-8", "backslashreplace"))
    if size > _MOST_COPIED:
        raise Refused(f"These {size // 1000:,} kB are too much for a clipboard; e writes a file.")
    screen.app.copy_to_clipboard(words)
    first, *more = words.split("\n")
    told = f" and {many(len(more), 'more line')}" if more else ""
    screen.tell(f"Copied{told}: {first[:_SHOWN_COPIED]}".replace("\t", "  "))


# -- files -------------------------------------------------------------------------------------


def _export(screen: MainScreen) -> None:
    from ..out.export import free_name, save

    data = screen.panes[screen.active].data(screen.context(screen.active))

    def write(name: str) -> str:
        if len(data) <= _MANY_ROWS:
            return save(data, name)
        screen.run_worker(lambda: _later(screen, lambda: save(data, name)), thread=True)
        return f"Writing {len(data):,} rows to {name}..."

    _ask(screen, "write data to", free_name(data.name, ".csv"), write)


def _later(screen: MainScreen, act: Callable[[], str]) -> None:
    """Does what takes long, in a thread, and says what was done."""
    from ..commands import Refused

    try:
        said = act()
    except Refused as reason:
        said = str(reason)
    screen.app.call_from_thread(screen.tell, said)


def _save(screen: MainScreen, whole: bool) -> None:
    from ..out.export import free_name

    stem = "screen" if whole else screen.active
    picture = _Picture.of_screen(screen) if whole else _Picture.of_pane(screen)
    _ask(screen, "save picture as", free_name(stem, ".svg"), picture.save)


def _ask(screen: MainScreen, what: str, default: str, then: Callable[[str], str]) -> None:
    """Does something with a file's name, and says what was done."""
    screen.ask(what, default, lambda name: screen.tell(then(name)))


class _Picture:
    """What stands on the screen, or in a pane, at one moment."""

    def __init__(self, strips: Sequence[Strip], title: str) -> None:
        self._strips = strips
        self._title = clean(title)  # no letter that XML does not have

    @classmethod
    def of_pane(cls, screen: MainScreen) -> _Picture:
        """The pane that the keys go to, with its frame."""
        widget = screen.pane_widget(screen.active)
        whole = Region(0, 0, widget.size.width, widget.size.height)
        return cls(widget.render_lines(whole), widget.pane_title)

    @classmethod
    def of_screen(cls, screen: MainScreen) -> _Picture:
        """Everything, as Textual's own pictures have it."""
        return cls(screen._compositor.render_strips(), "interpret-tui")

    def save(self, name: str) -> str:
        """Writes it to a new file, SVG or text by its ending; what was done, in a sentence.

        Raises:
            Refused: the name has another ending, or the file can't be written.
        """
        from ..commands import Refused
        from ..out.export import write_new

        ending = Path(name).suffix.lower()
        if ending not in (".svg", ".txt"):
            raise Refused("The name must end with .svg or .txt.")
        words = self.svg() if ending == ".svg" else self.text()
        write_new(name, lambda out: out.write(words))
        return f"Saved {name}"

    def text(self) -> str:
        """The characters alone, without blanks at the ends of lines."""
        return "".join(f"{strip.text.rstrip()}\n" for strip in self._strips)

    def svg(self) -> str:
        """The characters with their colours."""
        from rich.console import Console
        from rich.segment import Segment, Segments

        width = max((strip.cell_length for strip in self._strips), default=1)
        console = Console(
            width=width,
            height=max(1, len(self._strips)),
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
            record=True,
            legacy_windows=False,
            safe_box=False,
        )
        segments = [part for strip in self._strips for part in (*strip, Segment.line())]
        console.print(Segments(segments), end="")
        # rich's picture would fetch its font from the network wherever it is opened
        fonts = re.compile(r"@font-face\s*\{[^}]*\}")
        return fonts.sub("", console.export_svg(title=self._title))
