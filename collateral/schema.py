"""What a collateral file describes: frozen dataclasses, and their way to and from plain maps.

The written specification is ``format.md`` beside this module; a test holds the two against each
other.
"""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

Kind = Literal["categorical", "continuous", "text", "boolean"]
Unit = Literal["example", "pair"]
Encoding = Literal["float16", "uint8", "topk16", "topk32"]
Side = Literal["text", "source", "target"]
Setting = str | int | float | bool | None
TableName = Literal["examples", "points", "pairs", "items"]

FORMAT = (1, 1)
"""Format version this code writes: (major, minor)."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        kind: how its values are to be read, coloured, filtered and sorted.
        title: name for people; empty means the column's own name.
        meaning: one sentence.
        role: what the viewer may take it for: "id", "text", "gold", "prediction", "probability",
            "correct", "score" or "".
    """

    kind: Kind
    title: str = ""
    meaning: str = ""
    role: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """The model that was run.

    Attributes:
        layers: number of attention layers L; hidden states are numbered 0 (embeddings) to L.
        heads: query heads per layer.
        hidden_size: width of a hidden state.
        attention: "interface" if captured through transformers' attention interface, "eager" if
            taken from the model's own outputs.
        versions: library name to version.
    """

    name: str
    architecture: str
    layers: int
    heads: int
    hidden_size: int
    revision: str = ""
    attention: str = "interface"
    dtype: str = "float32"
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenInfo:
    """Conventions of the tokenizer.

    Attributes:
        special: texts of the special tokens.
        separator: text of the separator token, empty if there is none.
        continuation: prefix of a piece that continues a word (WordPiece: "##").
        word_start: prefix of a piece that starts a word (SentencePiece: "▁", byte BPE: "Ġ").
    """

    special: tuple[str, ...] = ()
    separator: str = ""
    continuation: str = ""
    word_start: str = ""


@dataclass(frozen=True)
class AttentionKind:
    """One kind of attention ("self", "encoder", "decoder", "cross") and its size.

    Attributes:
        queries, keys: which of an example's tokens are the rows and the columns: "text" (all of
            them; for kinds not called "self" they may be others), "source" or "target" (of an
            encoder-decoder, see ``Collateral.side``).
    """

    name: str
    layers: int
    heads: int
    causal: bool = False
    queries: str = "text"
    keys: str = "text"


@dataclass(frozen=True)
class Metric:
    """A number per attention head and unit; or, as a summary, per attention head.

    Attributes:
        unit: what one row of the array is about: an example, or a pair. A summary has none: it is
            about the whole data set.
        attention: the kind of attention it was computed from.
        low, high: the range it can take, None where unbounded.
        baseline: what an uninformative head would score, None if there is no such constant.
        meaning: what it is and what a high value means.
        source: where the formula comes from.
    """

    name: str
    title: str
    unit: Unit = "example"
    attention: str = "self"
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    meaning: str = ""
    source: str = ""


@dataclass(frozen=True)
class Measure:
    """A distance between the two spans of a pair, per hidden state."""

    name: str
    title: str
    unit_text: str = ""
    meaning: str = ""
    source: str = ""


@dataclass(frozen=True)
class Meta:
    """Everything about a file that is not a table or an array.

    The first group is given to the writer; the second is filled in by it.

    Attributes:
        item: what a row of the table of items is: "word", "label", "token"; "" without that table.
        fingerprint: SHA-256 over ids and texts of the examples, in order.
        token_fingerprint: SHA-256 over the tokens of the examples and their offsets, in order.
        layout_fingerprint: SHA-256 over what points and pairs there are, in order.
        vector_size: numbers of a point's reduced vector; 0 without vectors.
        counts: rows of "examples", "points", "pairs", "items", number of "attention" records and,
            if there are any, of points with "vectors"; a file of version 1.0 has no "items".
        created: UTC time as ISO 8601.
        format: (major, minor).
    """

    task: str
    model: ModelInfo
    tokens: TokenInfo
    attention: tuple[AttentionKind, ...]
    settings: dict[str, Setting] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    item: str = ""

    generator: str = ""
    created: str = ""
    format: tuple[int, int] = FORMAT
    fingerprint: str = ""
    token_fingerprint: str = ""
    layout_fingerprint: str = ""
    vector_size: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def kind(self, name: str) -> AttentionKind | None:
        """The kind of attention called ``name``, or None."""
        return next((kind for kind in self.attention if kind.name == name), None)


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one example.

    Attributes:
        texts: the tokens as the tokenizer writes them, n of them.
        offsets: int32 [n, 2], start and end in characters (code points) of the example's text;
            (0, 0) for special tokens.
        special: bool [n], True for special tokens.
        words: int32 [n], number of the word a token belongs to, -1 for special tokens.
    """

    texts: tuple[str, ...]
    offsets: npt.NDArray[np.int32]
    special: npt.NDArray[np.bool_]
    words: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.texts)


T = TypeVar("T")


def to_map(value: Any) -> Any:
    """Turns a dataclass of this module into maps, lists and scalars that msgpack can write."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_map(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_map(item) for item in value]
    if isinstance(value, dict):
        return {key: to_map(item) for key, item in value.items()}
    return value


def from_map(cls: type[T], data: object) -> T:
    """The inverse of :func:`to_map`; keys it does not know are skipped (a newer minor version).

    Raises:
        ValueError: a key is missing or has the wrong type; the message names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} is {reprlib.repr(data)}, not a map")
    values = {}
    for name, needed, check in _fields(typing.cast(Any, cls)):
        if name in data:
            try:
                values[name] = check(data[name])
            except TypeError:
                shown = reprlib.repr(data[name])
                raise ValueError(f"{cls.__name__}.{name} cannot be {shown}") from None
        elif needed:
            raise ValueError(f"{cls.__name__}.{name} is missing")
    return cls(**values)


_Check = Callable[[Any], Any]
"""Gives a value as its field holds it; raises TypeError if it is of another type."""


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, bool, _Check], ...]:
    """Name, whether it must be there, and check of each field. Kept: this is dear, opening is not.

    Args:
        cls: a dataclass of this module.
    """
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return tuple(
        (f.name, f.default is missing and f.default_factory is missing, _check(hints[f.name]))
        for f in dataclasses.fields(typing.cast(Any, cls))
    )


def _check(hint: Any) -> _Check:
    """The check that a type hint stands for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return lambda value: from_map(typing.cast(Any, hint), value)
    if origin is Literal:
        return _one_of(str, frozenset(arguments))
    if origin is dict:
        return _map_of(_check(arguments[1]))
    if origin is tuple and arguments[-1] is Ellipsis:
        return _list_of(_check(arguments[0]))
    if origin is tuple:
        return _list_of(_check(arguments[0]), len(arguments))  # all of one type, in this module
    return _plain(frozenset(arguments or (hint,)))


def _plain(types: frozenset[type]) -> _Check:
    def check(value: Any) -> Any:
        if type(value) in types:
            return value
        if float in types and type(value) is int:
            return float(value)
        raise TypeError

    return check


def _one_of(kind: type, allowed: frozenset[Any]) -> _Check:
    def check(value: Any) -> Any:
        if type(value) is kind and value in allowed:
            return value
        raise TypeError

    return check


def _list_of(item: _Check, length: int | None = None) -> _Check:
    def check(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or (length is not None and len(value) != length):
            raise TypeError
        return tuple(map(item, value))

    return check


def _map_of(item: _Check) -> _Check:
    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict or not all(type(key) is str for key in value):
            raise TypeError
        return {key: item(value[key]) for key in value}

    return check
