"""Makes the pictures of the documentation again: ``python docs/pictures.py``.

Those of the tour that need more than the demo are made of files in the folder ``--files``, which
the tour says how to make; without them they stay as they are.

Runs the viewer on its demo without a terminal, presses keys, and paints the cells of the screen.
Needs, beside the viewer, Pillow (``pip install pillow``) and the font DejaVu Sans Mono.

Text is set in the font; braille, blocks and lines are painted, as terminals do: few monospace fonts
have braille, and in those that have it the cells do not join.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# The pictures must not depend on the terminal they are made from. Textual reads these on import.
os.environ.update(TEXTUAL_COLOR_SYSTEM="truecolor", TERM="xterm-256color", LC_ALL="C.UTF-8")
os.environ.pop("NO_COLOR", None)

from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from rich.style import Style

from tui.app import InterpretApp
from tui.asked import wanted
from tui.cli import DEMO_FILES, parser

if TYPE_CHECKING:
    from rich.segment import Segment

HERE = Path(__file__).resolve().parent
MOST_BYTES = 300_000
"""A picture larger than this makes a page slow to open."""

CELL = (10, 20)
FONT_SIZE = 16
FONTS = {
    (False, False): "DejaVuSansMono.ttf",
    (True, False): "DejaVuSansMono-Bold.ttf",
    (False, True): "DejaVuSansMono-Oblique.ttf",
    (True, True): "DejaVuSansMono-BoldOblique.ttf",
}
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A picture: its name in ``docs/``, the size of the terminal, and what leads to it.

    Attributes:
        keys: that are pressed.
        options: of the command line.
        file: in the folder of files; empty for the demo.
    """

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    options: str = ""
    file: str = ""


PICTURES = (
    Picture("overview.png", (160, 45)),
    Picture("distance-80x24.png", (80, 24), ("m", "m", "6")),
    Picture("attention-80x24.png", (80, 24), ("5",)),
    Picture("tour-coreference.png", (90, 26), ("z",), "--view B --pane distance"),
    Picture("tour-heads.png", (90, 26), ("z",), "--view B-A --pane heads --head 5.10"),
    Picture(
        "tour-grammar.png",
        (90, 26),
        ("z",),
        "--pane heads --metric correlation --head 2.8",
        "ud.msgpack",
    ),
    Picture(
        "tour-domains.png",
        (100, 32),
        ("z",),
        "--pane map --layer 6 --colour 'example: domain'",
        "absa.msgpack",
    ),
)


async def cells(
    files: Sequence[str], names: Sequence[str], picture: Picture
) -> list[list[Segment]]:
    """The screen's rows of styled text after the picture's keys.

    Raises:
        SystemExit: the viewer could not open the files.
    """
    asked = wanted.read(parser().parse_args([*files, *shlex.split(picture.options)]))
    app = InterpretApp(files, names, asked=asked)
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause()
        for key in picture.keys:
            await pilot.press(key)
            await pilot.pause()
        await pilot.pause()
        if app.failure:
            raise SystemExit(app.failure)
        # the only place where Textual holds the finished screen; its own SVG export reads it too
        strips = app.screen._compositor.render_strips()
    return [list(strip) for strip in strips]


def paint(rows: Sequence[Sequence[Segment]], size: tuple[int, int]) -> Image.Image:
    """The picture of a screen of ``size`` cells."""
    width, height = size
    image = Image.new("RGB", (width * CELL[0], height * CELL[1]))
    painter = Painter(ImageDraw.Draw(image))
    for y, row in enumerate(rows):
        x = 0
        for text, style, control in row:
            if control:
                continue
            for character in text:
                x += painter.cell(x, y, character, style or Style())
    return image.quantize(128, dither=Image.Dither.NONE)


class Painter:
    """Paints cells of a terminal."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self.draw = draw
        self.fonts = {key: ImageFont.truetype(name, FONT_SIZE) for key, name in FONTS.items()}

    def cell(self, column: int, row: int, character: str, style: Style) -> int:
        """Paints one character; the number of cells that it takes."""
        cells = cell_len(character)
        if not cells:
            return 0
        left, top = column * CELL[0], row * CELL[1]
        ink, ground = colours(style)
        self.draw.rectangle((left, top, left + cells * CELL[0] - 1, top + CELL[1] - 1), ground)
        code = ord(character)
        if 0x2800 < code < 0x2900:
            self.braille(left, top, code - 0x2800, ink)
        elif 0x2500 <= code < 0x2580:
            self.lines(left, top, character, ink)
        elif 0x2580 <= code < 0x25A0:
            self.blocks(left, top, code, ink, ground)
        elif character != " ":
            font = self.fonts[bool(style.bold), bool(style.italic)]
            self.draw.text((left, top + CELL[1] - 5), character, ink, font, anchor="ls")
        if style.underline:
            self.fill(left, top, (0, 0.92, cells, 0.97), ink)
        return cells

    def fill(self, left: int, top: int, box: Box, colour: Colour) -> None:
        """Fills a part of a cell, in fractions of it: left, top, right, bottom."""
        x0, y0 = left + round(box[0] * CELL[0]), top + round(box[1] * CELL[1])
        x1, y1 = left + round(box[2] * CELL[0]), top + round(box[3] * CELL[1])
        self.draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), colour)

    def braille(self, left: int, top: int, bits: int, ink: Colour) -> None:
        """Two by four dots."""
        for bit, (x, y) in enumerate(_DOTS):
            if bits >> bit & 1:
                px, py = left + 1 + 5 * x, top + 1 + 5 * y
                self.draw.rectangle((px, py, px + 2, py + 2), ink)

    def blocks(self, left: int, top: int, code: int, ink: Colour, ground: Colour) -> None:
        """Rectangles that fill eighths or quarters of a cell, and the three shades."""
        if 0x2591 <= code <= 0x2593:
            ink = blend(ground, ink, (code - 0x2590) / 4)
        for box in block_boxes(code):
            self.fill(left, top, box, ink)

    def lines(self, left: int, top: int, character: str, ink: Colour) -> None:
        """Box-drawing characters: from the middle towards the sides that their name says."""
        x, y = left + CELL[0] // 2, top + CELL[1] // 2
        right, bottom = left + CELL[0] - 1, top + CELL[1] - 1
        ends = {"LEFT": (left, y), "RIGHT": (right, y), "UP": (x, top), "DOWN": (x, bottom)}
        for side, heavy in line_arms(character):
            self.draw.line((x, y, *ends[side]), ink, 3 if heavy else 1)


_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
_QUARTERS = (0b0010, 0b0001, 0b1000, 0b1011, 0b1001, 0b1110, 0b1101, 0b0100, 0b0110, 0b0111)
"""U+2596 to U+259F: upper left, upper right, lower left, lower right."""


def block_boxes(code: int) -> Iterator[Box]:
    """The rectangles of a block element, in fractions of a cell."""
    if code == 0x2580:
        yield 0, 0, 1, 0.5
    elif code <= 0x2588:
        yield 0, 1 - (code - 0x2580) / 8, 1, 1
    elif code <= 0x258F:
        yield 0, 0, (0x2590 - code) / 8, 1
    elif code == 0x2590:
        yield 0.5, 0, 1, 1
    elif code <= 0x2593:
        yield 0, 0, 1, 1
    elif code == 0x2594:
        yield 0, 0, 1, 0.125
    elif code == 0x2595:
        yield 0.875, 0, 1, 1
    else:
        quarters = _QUARTERS[code - 0x2596]
        for bit, (x, y) in zip((8, 4, 2, 1), ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)), strict=True):
            if quarters & bit:
                yield x, y, x + 0.5, y + 0.5


def line_arms(character: str) -> Iterator[tuple[str, bool]]:
    """The sides to which a box-drawing character goes, and whether by a heavy line."""
    name = unicodedata.name(character).removeprefix("BOX DRAWINGS ")
    whole = name.startswith("HEAVY")
    both = {"HORIZONTAL": ("LEFT", "RIGHT"), "VERTICAL": ("UP", "DOWN")}
    for part in name.replace(" DASH", "").split(" AND "):
        words = part.split()
        heavy = "HEAVY" in words or (whole and "LIGHT" not in words)
        for word in words:
            for side in both.get(word, (word,) if word in ("LEFT", "RIGHT", "UP", "DOWN") else ()):
                yield side, heavy


def colours(style: Style) -> tuple[Colour, Colour]:
    """Ink and ground of a style."""
    ink: Colour = style.color.get_truecolor() if style.color else (224, 224, 224)
    ground: Colour = (
        style.bgcolor.get_truecolor(foreground=False) if style.bgcolor else (18, 18, 18)
    )
    if style.reverse:
        ink, ground = ground, ink
    return (blend(ground, ink, 0.6) if style.dim else ink), ground


def blend(ground: Colour, ink: Colour, share: float) -> Colour:
    """A colour between two: ``share`` 1 is the ink."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(ground, ink, strict=True))
    return red, green, blue


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes all pictures; 1 if one is too large."""
    made = argparse.ArgumentParser(description="Make the pictures of the documentation.")
    made.add_argument("names", nargs="*", help="some of the pictures (default: all)")
    made.add_argument("--files", type=Path, help="folder with the files of the tour")
    made.add_argument("--output", type=Path, default=HERE, help="folder (default: docs)")
    options = made.parse_args(arguments)
    status = 0
    for picture in PICTURES:
        if options.names and picture.name not in options.names:
            continue
        if picture.file and (options.files is None or not (options.files / picture.file).is_file()):
            print(f"{picture.name}: left as it is; it needs {picture.file}, see the tour")
            continue
        files = [str(options.files / picture.file)] if picture.file else list(DEMO_FILES)
        rows = asyncio.run(cells(files, (), picture))
        path = options.output / picture.name
        paint(rows, picture.size).save(path, optimize=True)
        size = path.stat().st_size
        print(f"{path}: {picture.size[0]}x{picture.size[1]} cells, {size:,} bytes")
        status |= size > MOST_BYTES
    return status


if __name__ == "__main__":
    sys.exit(main())
