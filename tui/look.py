"""How things look: colours, glyphs and numbers for every kind of terminal.

A `Look` knows what the terminal can show (24-bit, 256 or 16 colours or none, Unicode or ASCII, dark
or light) and gives every plot its colours and signs. Nothing depends on colour alone: categories
have a glyph each, differences a sign, and where colours are few or absent shades stand in.

The ramps were made in OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/): paths of
rising lightness, cut into steps of equal length. The sequential one runs through teal and green to
yellow; the diverging one from blue over the background to orange, so that the two cannot be taken
for each other, by colour-blind readers either. 256-colour ramps are picked by hand near them, from
the colours that Rich maps to themselves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

__all__ = ["PLAIN", "Depth", "Ink", "Look", "Marks", "compact"]

Depth = Literal["truecolor", "256", "16", "none"]


class Ink(NamedTuple):
    """How a cell is drawn.

    Attributes:
        fg: Colour of the character: "" (the terminal's own) or "#rrggbb".
        bg: Colour behind it, likewise.
        bold: Heavier letters.
        dim: Fainter letters.
        italic: Slanted letters.
        underline: A line below.
        reverse: Foreground and background exchanged.
    """

    fg: str = ""
    bg: str = ""
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


PLAIN = Ink()

# The 16 colours as Rich's palette has them: hex values survive Textual's own conversions, names do
# not (it resolves them against a theme and folds the result back to another colour).
_ANSI = {
    "black": "#000000",
    "red": "#aa0000",
    "green": "#00aa00",
    "yellow": "#aa5500",
    "blue": "#0000aa",
    "magenta": "#aa00aa",
    "cyan": "#00aaaa",
    "white": "#aaaaaa",
    "bright_black": "#555555",
    "bright_red": "#ff5555",
    "bright_green": "#55ff55",
    "bright_yellow": "#ffff55",
    "bright_blue": "#5555ff",
    "bright_magenta": "#ff55ff",
    "bright_cyan": "#55ffff",
    "bright_white": "#ffffff",
}


def _ramp(text: str) -> tuple[str, ...]:
    """Read a ramp from hex colours, or names of the 16, with spaces between."""
    return tuple(_ANSI.get(word, f"#{word}") for word in text.split())


_SEQUENTIAL: dict[tuple[Depth, bool], tuple[str, ...]] = {
    ("truecolor", True): _ramp(
        "182729 16353a 0b454c 0b5159 0a6065 097170 0e827a 089382 "
        "10a384 27b282 49c27e 69d076 8fdc73 b3e773 d4f177 f4fc7e"
    ),
    ("truecolor", False): _ramp(
        "f4f7ec e2eecc cee7ad b6df92 98d38c 79c688 56ba86 2ead86 "
        "009e87 0c8e85 117f80 00707a 026070 015063 014156 023248"
    ),
    ("256", True): _ramp(
        "262626 303030 444444 005f5f 005f87 00875f 008787 5f875f "
        "00af87 5faf87 87af5f 5fd787 87d75f afd75f d7ff87 ffff87"
    ),
    ("256", False): _ramp(
        "ffffff d7ffd7 afffaf afd787 87d787 5fd787 87af87 5faf87 "
        "00af87 5f875f 008787 005f87 005f5f 444444 303030 262626"
    ),
    ("16", True): _ramp("black bright_black green bright_green bright_yellow"),
    ("16", False): _ramp("bright_white bright_green green bright_black black"),
}
_DIVERGING: dict[tuple[Depth, bool], tuple[str, ...]] = {
    ("truecolor", True): _ramp(
        "71c9fa 55b1ef 3c99e3 2f81d0 2b6cb1 265793 28476e 28374a 252728 "
        "453123 633c1d 834613 9f550e bd6501 d3780b e89124 fcaa38"
    ),
    ("truecolor", False): _ramp(
        "1d438c 265aa5 3072bf 408ad4 5ea1e1 7db9ee a2cef5 cbe1f6 f2f4f5 "
        "f5dbbf f3c38b e9a962 d98d46 c97228 b05c1c 964815 7c350e"
    ),
    ("256", True): _ramp(
        "87d7ff 5fafff 0087d7 005faf 005f87 00005f 262626 5f0000 875f00 af5f00 d78700 ffaf00 ffd75f"
    ),
    ("256", False): _ramp(
        "005f87 005faf 5f87d7 5fafd7 87afd7 afd7ff ffffff ffd7af d7af5f d78700 d75f00 af5f00 870000"
    ),
    ("16", True): _ramp("bright_blue blue black yellow bright_yellow"),
    ("16", False): _ramp("blue bright_blue bright_white bright_yellow yellow"),
}
# After Okabe and Ito (2008, https://jfly.uni-koeln.de/color/), lightened or darkened until each
# stands out from the background; the order keeps the first ones furthest apart.
_CATEGORIES: dict[tuple[Depth, bool], tuple[str, ...]] = {
    ("truecolor", True): _ramp("56b4e9 e69f00 2fc79b cc79a7 f0e442 ff7847 7d95ff d0d0d0"),
    ("truecolor", False): _ramp("0072b2 b86e00 008760 a8497f 8a7a00 c04a00 4a4fc4 505050"),
    ("256", True): _ramp("5fafff ffaf00 00d7af d787af ffff5f ff875f 8787ff d7d7d7"),
    ("256", False): _ramp("005faf af5f00 00875f af5f87 878700 d75f00 5f5fd7 444444"),
    ("16", True): _ramp("bright_cyan yellow bright_green magenta bright_yellow bright_red"),
    ("16", False): _ramp("blue yellow green magenta cyan red"),
}
_GLYPHS = "●■▲◆✚✖○□△◇▼◀▶▽◁▷◐◧◑◨◒◓◢◤◣◥◈⊞⊕⊠⊗⊟⊘⊡◩◪◍✶"
_GLYPHS_ASCII = "ox+#%=&@~^"
_LETTERS = "abcdefghijklmnpqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ROLES: dict[tuple[Depth, bool], dict[str, str]] = {
    ("truecolor", True): dict(
        zip("amsgb", _ramp("7fb8ff 8a8f98 ffe66d 4fd1a1 ff8a5c"), strict=True)
    ),
    ("truecolor", False): dict(
        zip("amsgb", _ramp("005a9c 6a6f78 8a4b00 00704e b33c00"), strict=True)
    ),
    ("256", True): dict(zip("amsgb", _ramp("87afff 8a8a8a ffff87 5fd7af ff875f"), strict=True)),
    ("256", False): dict(zip("amsgb", _ramp("005faf 6c6c6c 875f00 00875f af5f00"), strict=True)),
    ("16", True): dict(
        zip("amsgb", _ramp("bright_cyan white bright_white bright_green bright_red"), strict=True)
    ),
    ("16", False): dict(zip("amsgb", _ramp("blue bright_black black green red"), strict=True)),
}


class Marks(NamedTuple):
    """Signs that plots and panes share; each is one cell wide unless said otherwise.

    Attributes:
        ellipsis: Text was cut here.
        minus: Sign of negative numbers.
        undefined: An undefined number; never used for anything else.
        small: A number that is not zero but rounds to it.
        unknown: Nobody says whether it is so.
        star: A selected thing on a map.
        pinned: A thing of the pinned example on a map.
        cursor: The row the cursor is on.
        right: An arrow, from left to right.
        left: An arrow, from right to left.
        up: More above.
        down: More below.
        yes: Correct.
        no: Wrong.
        differ: Two models say different things.
        open: Left edge of the cursor's cell.
        close: Right edge of the cursor's cell.
        aim: The point under the cursor on a map.
        horizontal: A line across.
        vertical: A line down.
        times: Between a number and its scale.
        bars: Bars of rising height, the first empty.
        shades: Fillings of rising darkness, the first empty.
    """

    ellipsis: str = "…"
    minus: str = "−"
    undefined: str = "?"
    small: str = "~"
    unknown: str = "·"
    star: str = "★"
    pinned: str = "☆"
    cursor: str = "▸"
    right: str = "→"
    left: str = "←"
    up: str = "↑"
    down: str = "↓"
    yes: str = "✓"
    no: str = "✗"
    differ: str = "≠"
    open: str = "▐"
    close: str = "▌"
    aim: str = "◎"
    horizontal: str = "─"
    vertical: str = "│"
    times: str = "×"
    bars: str = " ▁▂▃▄▅▆▇█"
    shades: str = " ░▒▓█"


_UNICODE = Marks()
_ASCII = Marks(
    ellipsis=".",
    minus="-",
    unknown=".",
    star="*",
    pinned="P",
    cursor=">",
    right=">",
    left="<",
    up="^",
    down="v",
    yes="y",
    no="n",
    differ="!",
    open="[",
    close="]",
    aim="X",
    horizontal="-",
    vertical="|",
    times="x",
    bars=" _.-:=+*#",
    shades=" .:-=+*#%@",
)


def _luminance(colour: str) -> float:
    """Return the relative luminance of "#rrggbb" (WCAG 2.2, "relative luminance"), 0 to 1."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class Look(NamedTuple):
    """What a terminal can show, and the colours and signs that follow from it.

    Attributes:
        depth: Colours: "truecolor", "256", "16" or "none".
        ascii: Only ASCII characters.
        dark: The background is dark.
    """

    depth: Depth = "truecolor"
    ascii: bool = False
    dark: bool = True

    @classmethod
    def detect(
        cls, color_system: str | None, environ: Mapping[str, str], dark: bool = True
    ) -> Look:
        """Find the look for a terminal.

        Args:
            color_system: Rich's name: "truecolor", "256", "standard", "windows" or None.
            environ: Environment; NO_COLOR (if not empty, https://no-color.org), TERM, and LC_ALL,
                LC_CTYPE or LANG, of which the first that is set gives the encoding.
            dark: Whether the theme is dark.
        """
        names: dict[str | None, Depth] = {"truecolor": "truecolor", "256": "256", None: "none"}
        depth = names.get(color_system, "16")
        term = environ.get("TERM", "")
        if environ.get("NO_COLOR") or term in ("dumb", "unknown"):
            depth = "none"
        values = (environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
        locale = next((value for value in values if value), "C")
        unicode = "utf-8" in locale.lower() or "utf8" in locale.lower()
        return cls(depth, not unicode or term in ("linux", "dumb"), dark)

    @property
    def marks(self) -> Marks:
        """The shared signs."""
        return _ASCII if self.ascii else _UNICODE

    @property
    def sequential(self) -> tuple[str, ...]:
        """Background colours for values, low to high; empty without colours."""
        return _SEQUENTIAL.get((self.depth, self.dark), ())

    @property
    def diverging(self) -> tuple[str, ...]:
        """Background colours for differences, an odd number; the middle is zero."""
        return _DIVERGING.get((self.depth, self.dark), ())

    def on(self, colour: str) -> str:
        """Return black or white, whichever reads better on a background colour ("" stays "")."""
        if not colour:
            return ""
        # 0.179 is where the WCAG contrast ratios to black and to white are equal.
        return "#000000" if _luminance(colour) > 0.179 else "#ffffff"

    def category(self, index: int) -> tuple[str, str]:
        """Return colour and glyph of a category; -1 is the unknown one.

        Glyphs repeat only after sixty categories, colours after a few. Letters, which look like
        text, come last.
        """
        if index < 0:
            return self.muted.fg, self.marks.undefined
        colours = _CATEGORIES.get((self.depth, self.dark), ("",))
        glyphs = (_GLYPHS_ASCII if self.ascii else _GLYPHS) + _LETTERS
        return colours[index % len(colours)], glyphs[index % len(glyphs)]

    def _role(self, letter: str, **style: Any) -> Ink:
        return Ink(fg=_ROLES.get((self.depth, self.dark), {}).get(letter, ""), **style)

    @property
    def text(self) -> Ink:
        """Ordinary text."""
        return PLAIN

    @property
    def accent(self) -> Ink:
        """What is chosen now: the cursor's labels, the current layer."""
        return self._role("a", bold=True)

    @property
    def muted(self) -> Ink:
        """What is there but not important: axes, special tokens, undefined numbers."""
        return self._role("m", dim=self.depth == "none")

    @property
    def star(self) -> Ink:
        """Selected things on a map."""
        return self._role("s", bold=True)

    @property
    def good(self) -> Ink:
        """Correct."""
        return self._role("g")

    @property
    def bad(self) -> Ink:
        """Wrong, or a warning."""
        return self._role("b", bold=True)

    @property
    def header(self) -> Ink:
        """Headings of tables."""
        return self._role("m", bold=True)

    @property
    def cursor(self) -> Ink:
        """The row or cell under the cursor."""
        return Ink(bold=True, reverse=True)

    @property
    def marked(self) -> Ink:
        """Behind marked things; a background, or reverse where few colours are left."""
        tints = {("truecolor", True): "#3d3a66", ("truecolor", False): "#d9d6ff"}
        tints |= {("256", True): "#5f5f87", ("256", False): "#d7d7ff"}
        tint = tints.get((self.depth, self.dark), "")
        return Ink(bg=tint, reverse=not tint)

    def levels(self, diverging: bool = False) -> int:
        """Return how many steps `heat` tells apart; odd for differences."""
        if self.depth == "none":
            shades = len(self._shades(diverging))
            return 2 * shades - 1 if diverging else shades
        return len(self.diverging if diverging else self.sequential)

    def _shades(self, diverging: bool) -> str:
        # "+" and "-" are signs in a picture of differences, so they cannot be shades there.
        return " .:*#@" if self.ascii and diverging else self.marks.shades

    def heat(self, step: int, diverging: bool = False, width: int = 2) -> tuple[str, Ink]:
        """Return what a cell of a heat map is drawn with.

        With few colours a shade (for differences, signs) is drawn besides the colour; without
        colours it stands alone, behind the sign if the number is a difference.

        Args:
            step: From 0 to `levels(diverging)` - 1; -1 is an undefined number.
            diverging: The steps are of a difference.
            width: Cells, at least 1.

        Returns:
            Text of `width` cells, and its ink.
        """
        return _heat(self, step, diverging, width)

    def strokes(self, diverging: bool = False) -> tuple[Ink, ...]:
        """Return inks for lines and dots of rising value, all visible on the background.

        The ramps begin at the background, where a heat map wants its low end and a line would
        vanish, so lines use their upper part. For differences the number is odd and the middle one,
        for zero, is muted.
        """
        return _strokes(self, diverging)

    def number(self, value: float, signed: bool = False) -> str:
        """Write a number short, with this look's minus; see `compact`."""
        return compact(value, signed=signed, minus=self.marks.minus)


def _magnitude(size: float) -> str:
    """Write a number that is not negative in four characters or so, without its leading zero."""
    if size == 0:
        return "0"
    if size < 0.005:
        return "<.01"
    if size < 0.995:
        return f"{size:.2f}"[1:]
    if size < 1:
        return ">.99"
    if size < 9.95:
        return f"{size:.1f}"
    for factor, unit in ((1, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")):
        scaled = size / factor
        if unit and scaled < 9.95:
            return f"{scaled:.1f}{unit}"
        if scaled < 999.5:
            return f"{scaled:.0f}{unit}"
    return "inf" if math.isinf(size) else f"{size:.0e}"


def compact(value: float, signed: bool = False, minus: str = "−", undefined: str = "?") -> str:
    """Write a number short: `.31`, `+.35`, `−.20`, `1.5`, `12`, `1.2k`.

    Rounding never turns one thing into another: a number that is not 0 is not written 0 but `<.01`,
    and one below 1 is not written 1 but `>.99`.

    Args:
        value: Any number; NaN is written as `undefined`.
        signed: Write "+" before numbers above 0.
        minus: The sign of negative numbers.
        undefined: What NaN is written as.
    """
    if math.isnan(value):
        return undefined
    sign = minus if value < 0 else "+" if signed and value > 0 else ""
    return sign + _magnitude(abs(value))


@lru_cache(maxsize=4096)
def _heat(look: Look, step: int, diverging: bool, width: int) -> tuple[str, Ink]:
    if step < 0:
        return look.marks.undefined.center(width), look.muted
    middle = look.levels(diverging) // 2
    distance = step - middle if diverging else step
    sign = "" if not diverging or not distance else look.marks.minus if distance < 0 else "+"
    if look.depth == "none":
        shade = look._shades(diverging)[abs(distance)]
        room = max(width - 1, 0) if diverging else width
        return ((sign or " ") if diverging else "") + shade * room, PLAIN
    ramp = look.diverging if diverging else look.sequential
    ink = Ink(fg=look.on(ramp[step]), bg=ramp[step])
    if look.depth != "16":
        return " " * width, ink
    # Black and white of the palette are often the background itself: leave it alone there.
    blank = distance == 0
    ink = PLAIN if blank else ink
    shown = sign * abs(distance) if diverging else look.marks.shades[0] if blank else str(step)
    return shown[:width].center(width) if not diverging else shown[:width].ljust(width), ink


@lru_cache(maxsize=64)
def _strokes(look: Look, diverging: bool) -> tuple[Ink, ...]:
    if look.depth == "none":
        up = (Ink(dim=True), PLAIN, Ink(bold=True))
        return (*up[::-1], Ink(dim=True), *up) if diverging else up
    if look.depth == "16":
        words = (
            (
                "bright_blue bright_blue white yellow bright_yellow",
                "bright_black green bright_green bright_yellow",
            )
            if look.dark
            else ("blue bright_blue bright_black yellow yellow", "bright_black green blue black")
        )
        return tuple(Ink(fg=colour) for colour in _ramp(words[0] if diverging else words[1]))
    ramp = look.diverging if diverging else look.sequential
    if not diverging:
        return tuple(Ink(fg=colour) for colour in ramp[4:])
    middle = len(ramp) // 2
    low, high = ramp[: middle - 2], ramp[middle + 3 :]
    return (*(Ink(fg=c) for c in low), look.muted, *(Ink(fg=c) for c in high))
