"""What a collateral file describes: frozen dataclasses, and their way to and from plain maps.

The written specification is ``format.md`` beside this module; a test holds the two against each
other.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

Kind = Literal["categorical", "continuous", "text", "boolean"]
Unit = Literal["example", "pair"]
Encoding = Literal["float16", "uint8"]
Setting = str | int | float | bool | None
TableName = Literal["examples", "points", "pairs"]

FORMAT = (1, 0)
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
    """One kind of attention ("self", "decoder", "cross") and its size."""

    name: str
    layers: int
    heads: int
    causal: bool = False


@dataclass(frozen=True)
class Metric:
    """A number per attention head and unit.

    Attributes:
        unit: what one row of the array is about: an example, or a pair.
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
        fingerprint: SHA-256 over ids and texts of the examples, in order.
        token_fingerprint: SHA-256 over the tokens of the examples and their offsets, in order.
        layout_fingerprint: SHA-256 over what points and pairs there are, in order.
        counts: rows of "examples", "points", "pairs" and number of "attention" records.
        created: UTC time as ISO 8601.
        format: (major, minor).
    """

    task: str
    model: ModelInfo
    tokens: TokenInfo
    attention: tuple[AttentionKind, ...]
    settings: dict[str, Setting] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    generator: str = ""
    created: str = ""
    format: tuple[int, int] = FORMAT
    fingerprint: str = ""
    token_fingerprint: str = ""
    layout_fingerprint: str = ""
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
        raise ValueError(f"{cls.__name__} is not a map")
    hints = typing.get_type_hints(cls)
    values = {}
    for item in dataclasses.fields(typing.cast(Any, cls)):
        if item.name in data:
            where = f"{cls.__name__}.{item.name}"
            values[item.name] = _checked(hints[item.name], data[item.name], where)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise ValueError(f"{cls.__name__}.{item.name} is missing")
    return cls(**values)


def _checked(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``hint``, or ValueError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_map(typing.cast(Any, hint), value)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
    elif origin in (types.UnionType, typing.Union):
        for option in arguments:
            try:
                return _checked(option, value, where)
            except ValueError:
                continue
    elif origin is tuple and isinstance(value, (list, tuple)):
        if arguments[-1] is Ellipsis:
            return tuple(_checked(arguments[0], item, where) for item in value)
        if len(value) == len(arguments):
            pairs = zip(arguments, value, strict=True)
            return tuple(_checked(option, item, where) for option, item in pairs)
    elif origin is dict and isinstance(value, dict):
        return {
            _checked(str, key, where): _checked(arguments[1], value[key], where) for key in value
        }
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif type(value) is hint:
        return value
    raise ValueError(f"{where} is not {getattr(hint, '__name__', hint)}")
