"""What a user prefers: keys, theme, and what is shown first. A wrong setting is said, and ignored.

Read before the first frame, but loaded only if there is a file. TOML, as people write it by hand
and comment on it.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..actions import BY_NAME, PANES, PaneName
from .naming import Unknown
from .options import BY_NAME as OPTION
from .wanted import Wanted, apply

if TYPE_CHECKING:
    from ..project import Project
    from ..state import Selection

_LARGEST = 1_000_000
THEMES = {"dark": "textual-dark", "light": "textual-light", "ansi": "ansi-dark"}
"""Short names; ansi takes the terminal's own sixteen colours."""

EXAMPLE = """\
# theme = "light"            # dark, light, ansi, or a name from Theme in the palette

[keys]                       # action = key or keys; the names of all actions: --settings
# next-head = ["full_stop", "f8"]
# previous-head = "f7"

[defaults]                   # any option of the view, as on the command line
# metric = "entropy"
# measure = "euclid"
# head = "5.10"              # in quotes
# attention-view = "matrix"
# hide-special = true
"""


@dataclass(frozen=True)
class Settings:
    """What was set, as far as it is right.

    Attributes:
        keys: keys by the name of the action, Textual's names.
        theme: name of a theme of Textual, or one of :data:`THEMES`; "" for the usual one.
        defaults: what is shown first, where the command line asks for nothing.
        problems: a sentence for every setting that is wrong.
    """

    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    theme: str = ""
    defaults: Wanted = field(default_factory=Wanted)
    problems: tuple[str, ...] = ()

    def without_theme(self, names: Iterable[str]) -> Settings:
        """The settings with the problem that their theme is none of these."""
        wrong = _unknown("theme", self.theme, [*THEMES, *names])
        return replace(self, theme="", problems=(*self.problems, wrong))


def load(path: Path) -> Settings:
    """The user's settings; the usual ones if there is no file."""
    try:
        if not path.is_file():
            return Settings()
        if path.stat().st_size > _LARGEST:
            return Settings(problems=("the file is too large",))
        words = path.read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Settings(problems=(f"the file can't be read ({reason})",))
    return read(words)


def read(words: str) -> Settings:
    """Settings from the text of a file."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        found = tomllib.loads(words)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Settings(problems=(f"this is no TOML: {error}",))
    problems: list[str] = []
    keys = _keys(_table(found, "keys", problems), problems)
    defaults = _defaults(_table(found, "defaults", problems), problems)
    theme = found.get("theme", "")
    if not isinstance(theme, str):
        problems.append(f"theme is a name in quotes, not {theme!r}")
        theme = ""
    known = ("keys", "theme", "defaults")
    problems += [_unknown("setting", name, known) for name in found if name not in known]
    return Settings(keys, THEMES.get(theme, theme), defaults, tuple(problems))


def _table(found: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    value = found.get(name, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{name} is a table: [{name}], and below it a line for each")
    return {}


def _unknown(what: str, name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    like = get_close_matches(name, list(names), 1, 0.5)
    return f"there is no {what} {name!r}" + (f"; did you mean {like[0]}?" if like else "")


# -- defaults ----------------------------------------------------------------------------------


def _defaults(table: Mapping[str, Any], problems: list[str]) -> Wanted:
    texts: dict[str, str] = {}
    pane: PaneName | None = None
    for name, value in table.items():
        written = _written(value)
        if name == "pane" and value in PANES:
            pane = cast(PaneName, value)
        elif name == "pane":
            problems.append(f"defaults.pane is one of {', '.join(PANES)}")
        elif name not in OPTION:
            problems.append(_unknown("option", name, [*OPTION, "pane"]))
        elif written is None:
            problems.append(_unquoted(name, value))
        elif (OPTION[name].metavar is None) != isinstance(value, bool):
            kind = "true or false" if OPTION[name].metavar is None else "no true or false"
            problems.append(f"defaults.{name} is {kind}")
        else:
            texts[name] = written
    return Wanted(texts, pane)


def _unquoted(name: str, value: object) -> str:
    """Says how to write a value; TOML reads 5.10 as 5.1, so the file's own words are lost."""
    way = f'{name} = "{value}"'
    if isinstance(value, float):
        way += f' or "{value}0", whichever is meant'
    return f"defaults.{name} needs quotes: {way}"


def _written(value: object) -> str | None:
    """A value as the command line has it; None if it has no such form (5.10 would be 5.1)."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, (str, int)) else None


# -- keys --------------------------------------------------------------------------------------

_NAMES = {"solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at"}
_NAMES |= {"hyphen_minus": "minus", "plus_sign": "plus", "low_line": "underscore"}
_ALIASES = {
    "esc": "escape",
    "return": "enter",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "del": "delete",
}
_WORDS = {"escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end"}
_WORDS |= {"pageup", "pagedown", "left", "right", "up", "down"}
_MODIFIERS = frozenset({"ctrl", "shift", "alt"})


def key_name(words: str) -> str | None:
    """Textual's name of a key, which people may write as the character it types; None if none."""
    if len(words) == 1:
        if words.isalnum():
            return words
        name = unicodedata.name(words, "").lower().replace("-", "_").replace(" ", "_")
        return _NAMES.get(name, "space" if words == " " else name) if name else None
    *modifiers, key = words.split("+")
    key = _ALIASES.get(key.lower(), key)
    if not set(modifiers) <= _MODIFIERS or not key:
        return None
    single = key_name(key) if len(key) == 1 else None
    known = key in _WORDS or re.fullmatch(r"f([1-9]|1\d|2[0-4])", key) or _is_character(key)
    if single is None and not known:
        return None
    return "+".join([*modifiers, single or key])


def _is_character(name: str) -> bool:
    """Whether a name is that of a character, as Textual writes it: "full_stop"."""
    return len(name) > 1 and any(key_name(chr(code)) == name for code in range(0x20, 0x180))


def _keys(table: Mapping[str, Any], problems: list[str]) -> dict[str, tuple[str, ...]]:
    """Keys by action, without those that another action has as well."""
    chosen: dict[str, tuple[str, ...]] = {}
    for name, value in table.items():
        listed = [value] if isinstance(value, str) else value
        if name not in BY_NAME:
            problems.append(_unknown("action", name, BY_NAME))
        elif not isinstance(listed, list) or not listed:
            problems.append(f"keys.{name} is a key or a list of keys in quotes")
        else:
            names = [key_name(key) if isinstance(key, str) else None for key in listed]
            wrong = [key for key, known in zip(listed, names, strict=True) if known is None]
            if wrong:
                problems.append(f"keys.{name}: there is no key {wrong[0]!r}")
            else:
                chosen[name] = tuple(dict.fromkeys(key for key in names if key))
    while clash := _clash(chosen):
        name, key, other = clash
        problems.append(f"keys.{name}: {key} is the key of {other}")
        del chosen[name]
    return chosen


def _clash(chosen: Mapping[str, tuple[str, ...]]) -> tuple[str, str, str] | None:
    """An action (the last that was set), a key of it, and the other action that has the key."""
    owners: dict[str, list[str]] = {}
    for action in BY_NAME.values():
        for key in chosen.get(action.name, action.usual):
            owners.setdefault(key, []).append(action.name)
    order = list(chosen)
    twice = [(name, key) for key, names in owners.items() if len(names) > 1 for name in names]
    mine = [(order.index(name), name, key) for name, key in twice if name in chosen]
    if not mine:
        return None
    _, name, key = max(mine)
    return name, key, next(other for other in owners[key] if other != name)


# -- what is shown first -----------------------------------------------------------------------


def first_view(
    project: Project, asked: Wanted, settings: Settings | None
) -> tuple[Selection, PaneName | None, str]:
    """What is shown first, the pane that the keys go to, and what is wrong with the settings.

    A command line that asks for any part of the view shows the same for everyone: the defaults of
    the settings are left out then.

    Raises:
        Unknown: the command line asks for what the files lack.
    """
    settings = settings or Settings()
    if asked:
        first = apply(project, project.first_selection(), asked.texts)
        return first, asked.pane, _told(list(settings.problems))
    first, problems = _with_defaults(project, settings)
    return first, settings.defaults.pane, _told([*settings.problems, *problems])


def _with_defaults(project: Project, settings: Settings) -> tuple[Selection, list[str]]:
    """The first selection with the defaults that the files allow, and which they do not."""
    first, problems = project.first_selection(), []
    for option in OPTION.values():  # in the order of the table, one by one: the others hold
        if option.name in settings.defaults.texts:
            try:
                words = settings.defaults.texts[option.name]
                first = apply(project, first, {option.name: words})
            except Unknown as reason:
                problems.append(f"defaults.{option.name}: {str(reason).rstrip('.')}")
    return first, problems


def _told(problems: list[str]) -> str:
    """The bottom line: the first problem, and how many more there are."""
    if not problems:
        return ""
    more = f", and {len(problems) - 1} more (interpret-tui --settings)" if len(problems) > 1 else ""
    return f"Settings: ignored a wrong one{more}: {problems[0]}"


# -- shown -------------------------------------------------------------------------------------


def explained(path: Path, themes: Iterable[str], project: Project | None = None) -> str:
    """Where the settings are, what is wrong with them, an example, and every action.

    Args:
        path: the file of the settings.
        themes: names of the themes that there are.
        project: files that the defaults are checked against; None if none are named.
    """
    found = load(path)
    if found.theme and found.theme not in themes:
        found = found.without_theme(themes)
    problems = list(found.problems)
    if project is not None:
        problems += _with_defaults(project, found)[1]
    there = "" if path.is_file() else "  (not there yet)"
    lines = [f"Settings: {path}{there}", *(f"  wrong: {words}" for words in problems)]
    if found.defaults and project is None:
        lines.append("Names that a file must have are checked with one: --settings FILE")
    lines += ["", "An example:", "", EXAMPLE, "Actions, with their keys:", ""]
    for action in BY_NAME.values():
        keys = ", ".join(found.keys.get(action.name, action.usual))
        lines.append(f"  {action.name:<18} {keys}")
    return "\n".join(lines) + "\n"
