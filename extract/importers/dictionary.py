"""The dictionary of the paper's application: attention and tokens of each example, by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ExtractError
from ..saying import many
from .align import unpadded
from .common import Maps, Problems, Unusable
from .table import normal_id
from .unpickle import Refused, array, load, plain, texts

Array = npt.NDArray[Any]
Grid = npt.NDArray[np.float32]
"""A number per layer and head: float32 [layers, heads]."""

_ATTENTION = ("attentions", "attn")
_TOKENS = ("tokens", "token")
"""The first name is what the application reads, the second what its description says."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One example of the dictionary.

    Attributes:
        where: file and id, for messages.
        tokens: without the padding at the end.
        padding: how many tokens of padding there were.
        attention: per layer [heads, n, n] with n at least the number of tokens; None without.
        spans: per layer [heads, tokens of a span, tokens of the other]; None without.
        grammar, accuracy: a number per head; None without.
    """

    where: str
    tokens: tuple[str, ...]
    padding: int
    attention: tuple[Array, ...] | None
    spans: tuple[Array, ...] | None
    grammar: Grid | None
    accuracy: Grid | None

    def maps(self) -> Grid:
        """The attention between the tokens: float32 [layers, heads, tokens, tokens]."""
        assert self.attention is not None
        n = len(self.tokens)
        return np.stack([np.asarray(one[:, :n, :n], dtype=np.float32) for one in self.attention])

    def span_maxima(self) -> Grid | None:
        """The largest weight between the two spans, for every head."""
        if self.spans is None:
            return None
        return np.stack([one.max(axis=(1, 2)) for one in self.spans]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """All examples of a file, in its order.

    Attributes:
        layers, heads: of the attention.
        others: names of further entries that are not read.
    """

    path: Path
    entries: dict[str, Entry]
    layers: int
    heads: int
    others: tuple[str, ...]


class DictionaryAttention:
    """Attention of the examples of a file, from their entries."""

    def __init__(self, entries: Sequence[Entry | None]) -> None:
        """Takes the entry of each example, None where there is none."""
        self._entries = entries

    def has(self, row: int) -> bool:
        """Whether there is attention for an example."""
        entry = self._entries[row]
        return entry is not None and entry.attention is not None

    def maps(self, row: int) -> Maps:
        """The attention of an example, as "self"."""
        entry = self._entries[row]
        assert entry is not None
        return {"self": entry.maps()}


def read_dictionary(path: Path, problems: Problems) -> Dictionary:
    """Reads a torch-saved dictionary; no code in it is run.

    Args:
        path: the file.
        problems: takes examples that cannot be used.

    Raises:
        ExtractError: it cannot be read, or holds something else.
    """
    data = load(path)
    if not isinstance(data, dict):
        raise ExtractError(
            f"{path} holds {type(data).__name__}, not a dictionary "
            "{id: {'attentions': ..., 'tokens': ...}}."
        )
    if data and not any(isinstance(value, dict) for value in data.values()):
        key, value = next(iter(data.items()))
        raise ExtractError(
            f"{path} holds {type(value).__name__} under {str(plain(key))[:60]!r}, and no example: "
            "it must be a dictionary {id: {'attentions': ..., 'tokens': ...}}."
        )
    entries: dict[str, Entry] = {}
    others: dict[str, None] = {}
    size: tuple[int, int] | None = None
    for key, value in data.items():
        name = normal_id(plain(key))
        where = f"{path}, example {name[:60]}"
        try:
            if name in entries:
                raise Unusable(where, "is there twice, once as a number and once as text")
            entry = _entry(where, value)
            size = _same_size(entry, size)
        except Unusable as error:
            problems.add(error.where, error.what)
            continue
        entries[name] = entry
        others.update(dict.fromkeys(_further(value)))
    if size is None:
        raise ExtractError(f"{path} holds no example that can be used.")
    return Dictionary(path, entries, *size, tuple(others))


def _entry(where: str, value: object) -> Entry:
    if not isinstance(value, dict):
        raise Unusable(where, f"is {type(value).__name__}, not a dictionary of attentions, tokens")
    raw_tokens = _named(value, _TOKENS)
    if raw_tokens is None:
        raise Unusable(where, 'has no "tokens"')
    try:
        padded = texts(raw_tokens)
    except Refused as error:
        raise Unusable(f'{where}: "tokens"', str(error)) from None
    tokens = padded[: unpadded(padded)]
    if not tokens:
        raise Unusable(where, "has no tokens")
    raw = _named(value, _ATTENTION)
    attention = None if raw is None else _layers(f'{where}: "attentions"', raw)
    if attention is not None:
        _check_square(f'{where}: "attentions"', attention, len(tokens))
    raw_spans = value.get("attention_spans")
    spans = None if raw_spans is None else _layers(f'{where}: "attention_spans"', raw_spans)
    grids = [_grid(where, value, name) for name in ("grammar_matrices", "acc_matrix")]
    return Entry(where, tuple(tokens), len(padded) - len(tokens), attention, spans, *grids)


def _layers(where: str, value: object) -> tuple[Array, ...]:
    """Per layer [heads, rows, columns], all of one shape.

    Raises:
        Unusable: the value is something else.
    """
    try:
        if isinstance(value, (list, tuple)):
            found = [array(one) for one in value]
        else:
            whole = array(value)
            whole = whole[0] if whole.ndim == 5 and len(whole) == 1 else whole
            found = list(whole) if whole.ndim == 4 else [whole]
    except Refused as error:
        raise Unusable(where, str(error)) from None
    found = [one[0] if one.ndim == 4 and len(one) == 1 else one for one in found]
    shapes = [one.shape for one in found]
    if not found or any(one.ndim != 3 or 0 in one.shape for one in found):
        shown = " and ".join(map(str, dict.fromkeys(shapes))) or "nothing"
        raise Unusable(
            where, f"must hold an array [heads, rows, columns] per layer; it holds {shown[:80]}"
        )
    if len(set(shapes)) > 1:
        layer = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
        raise Unusable(
            where, f"has the shape {shapes[layer]} in layer {layer} but {shapes[0]} in layer 0"
        )
    return tuple(found)


def _check_square(where: str, layers: Sequence[Array], tokens: int) -> None:
    _, rows, columns = layers[0].shape
    if rows != columns:
        raise Unusable(
            where, f"has {many(rows, 'row')} and {many(columns, 'column')}; it must be square"
        )
    if rows < tokens:
        raise Unusable(where, f"is {rows} x {columns}, too small for its {many(tokens, 'token')}")


def _grid(where: str, value: dict[Any, Any], name: str) -> Grid | None:
    raw = value.get(name)
    if raw is None:
        return None
    try:
        found = np.asarray(array(raw), dtype=np.float32)
    except Refused as error:
        raise Unusable(f'{where}: "{name}"', str(error)) from None
    if found.ndim != 2:
        raise Unusable(f'{where}: "{name}"', f"must be [layers, heads], not {found.shape}")
    return found


def _same_size(entry: Entry, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """Layers and heads, the same in all parts of all examples.

    Raises:
        Unusable: a part of this example has others.
    """
    parts: list[tuple[str, tuple[int, int]]] = []
    for name, layers in (("attentions", entry.attention), ("attention_spans", entry.spans)):
        if layers is not None:
            parts.append((name, (len(layers), len(layers[0]))))
    for name, grid in (("grammar_matrices", entry.grammar), ("acc_matrix", entry.accuracy)):
        if grid is not None:
            parts.append((name, (grid.shape[0], grid.shape[1])))
    for name, own in parts:
        size = size or own
        if own != size:
            raise Unusable(
                f'{entry.where}: "{name}"',
                f"has {many(own[0], 'layer')} of {many(own[1], 'head')}; before, there were "
                f"{size[0]} of {size[1]}",
            )
    return size


def _named(value: dict[Any, Any], names: Sequence[str]) -> object:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _further(value: dict[Any, Any]) -> list[str]:
    read = {*_ATTENTION, *_TOKENS, "attention_spans", "grammar_matrices", "acc_matrix"}
    return [str(name)[:40] for name in value if name not in read]
