"""What ``interpret-collateral export`` writes: tables, head metrics, attention; CSV, JSON, npz."""

from __future__ import annotations

import itertools
import json
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from .plain import fields, numbers
from .reader import Collateral
from .schema import Tokens, to_map
from .table import Table

_ROWS = 512
"""Rows of a table held as Python objects at a time."""
_SHOWN_IDS = 10
_SPECIAL = re.compile('[",\r\n]')
"""What makes a field of CSV be quoted."""


class TextSink(Protocol):
    """Where text goes: a file, or what stands for one."""

    def write(self, text: str, /) -> Any:
        """Takes some text."""


class BinarySink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> Any:
        """Takes some bytes."""

    def flush(self) -> Any:
        """May pass them on."""


class Export(ABC):
    """One thing that can be exported, in each of the formats.

    Attributes:
        header: names of the CSV's columns.
        about: what stands around the rows in JSON; empty if nothing does.
    """

    header: list[str]
    about: dict[str, Any]

    @abstractmethod
    def lines(self) -> Iterator[list[Any]]:
        """The rows of the CSV."""

    @abstractmethod
    def rows(self) -> Iterator[Any]:
        """The rows of the JSON."""

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the npz."""

    def to_csv(self, out: TextSink) -> None:
        """Writes CSV with a header; what is unknown or undefined is an empty field.

        Quoted as RFC 4180 says, by hand: before Python 3.11 the csv module refuses U+0000, which
        a text may hold, and versions differ in what they quote. The bytes are the same on all.
        """
        for line in itertools.chain([self.header], self.lines()):
            out.write(",".join(map(_quoted, line)) + "\n")

    def to_json(self, out: TextSink) -> None:
        """Writes JSON, plain ASCII; what is unknown or undefined is null."""
        lead = "".join(f"{json.dumps(k)}: {json.dumps(v)},\n" for k, v in self.about.items())
        out.write(f'{{{lead}"rows": [' if self.about else "[")
        for number, row in enumerate(self.rows()):
            out.write((",\n" if number else "\n") + json.dumps(row, allow_nan=False))
        out.write("\n]}\n" if self.about else "\n]\n")

    def to_npz(self, out: BinarySink) -> None:
        """Writes a compressed npz without pickled objects; the same bytes for the same data."""
        with zipfile.ZipFile(cast(Any, out), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in self.arrays().items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as part:
                    np.lib.format.write_array(part, array, allow_pickle=False)


def find(c: Collateral, what: str, kind: str = "self") -> Export:
    """The export called ``what``: "examples", "points", "pairs", "metric:NAME", "attention:ID".

    Raises:
        KeyError: there is no such thing; the message is for the user.
    """
    group, colon, name = what.partition(":")
    if what == "examples":
        return _Table(c.examples, {}, {})
    if what == "points":
        places = {"example": _ids(c, c.point_examples), **_span("token", c.point_tokens)}
        return _Table(c.points, places, {"coordinates": _coordinates(c)})
    if what == "pairs":
        tokens, points = c.pair_tokens, c.pair_points
        places = {"example": _ids(c, c.pair_examples)}
        for span in (0, 1):
            places |= _span(f"span{span + 1}_token", tokens[:, span])
            places |= _span(f"span{span + 1}_point", points[:, span])
        return _Table(c.pairs, places, {name: c.distances(name) for name in c.measures})
    if group == "metric" and colon:
        return _Metric(c, name)
    if group == "attention" and colon:
        return _Attention(c, name, kind)
    known = "examples, points, pairs, metric:NAME or attention:ID"
    raise KeyError(f"there is no {what!r} to export; there is: {known}")


def _ids(c: Collateral, rows: npt.NDArray[np.int32]) -> list[str]:
    ids = c.examples["id"]
    return [ids[row] for row in rows.tolist()]


def _span(name: str, ranges: npt.NDArray[np.int32]) -> dict[str, Any]:
    return {f"{name}_start": ranges[:, 0].tolist(), f"{name}_stop": ranges[:, 1].tolist()}


def _coordinates(c: Collateral) -> npt.NDArray[np.float32]:
    """[points, layers + 1, 2], NaN for layers without a map."""
    shape = (len(c.points), c.meta.model.layers + 1, 2)
    result = np.full(shape, np.nan, dtype=np.float32)
    for layer in c.mapped_layers:
        result[:, layer] = c.coordinates(layer)
    return result


class _Table(Export):
    """A table: where its rows belong, its columns, and numbers per hidden state."""

    def __init__(
        self,
        table: Table,
        places: dict[str, list[Any]],
        numeric: dict[str, npt.NDArray[np.float32]],
    ) -> None:
        self._table, self._places, self._numeric = table, places, numeric
        per_state = [
            f"{name}_{'_'.join(map(str, cell))}"
            for name, values in numeric.items()
            for cell in itertools.product(*map(range, values.shape[1:]))
        ]
        used = {*places, *numeric, *per_state}
        self._names = {name: _apart(name, used) for name in table}
        self.header = [*places, *self._names.values(), *per_state]
        self.about = {}

    def _cells(
        self, shown: Callable[[npt.NDArray[Any]], list[Any]]
    ) -> Iterator[tuple[int, list[Any]]]:
        """Row numbers and the cells of the columns, numbers as ``shown`` gives them."""
        columns = [self._table[name] for name in self._table]
        for start in range(0, len(self._table), _ROWS):
            parts = [column[start : start + _ROWS] for column in columns]
            lists = [shown(part) if isinstance(part, np.ndarray) else part for part in parts]
            yield from enumerate(map(list, zip(*lists, strict=True)), start)

    def lines(self) -> Iterator[list[Any]]:
        for row, cells in self._cells(fields):
            line = [place[row] for place in self._places.values()]
            line += ["" if cell is None else _flag(cell) for cell in cells]
            for values in self._numeric.values():
                line += fields(values[row])
            yield line

    def rows(self) -> Iterator[dict[str, Any]]:
        for row, cells in self._cells(numbers):
            found = {name: place[row] for name, place in self._places.items()}
            found |= dict(zip(self._names.values(), cells, strict=True))
            yield found | {name: numbers(values[row]) for name, values in self._numeric.items()}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        found = {name: _array(place) for name, place in self._places.items()} | self._numeric
        for name, shown in self._names.items():
            if self._table.columns[name] in ("categorical", "boolean"):
                found[shown], labels = self._table.codes(name)
                taken = {*found, *self._names.values()}
                found[_apart(f"{shown}_labels", taken)] = _array(list(labels))
            else:
                found[shown] = _array(self._table[name])
        return found


def _apart(name: str, used: set[str]) -> str:
    """``name``, with underscores behind it until it is none of ``used``; it is one from then on."""
    while name in used:
        name += "_"
    used.add(name)
    return name


def _quoted(cell: Any) -> str:
    """A field of CSV."""
    text = str(cell)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def _flag(cell: Any) -> Any:
    return ("no", "yes")[cell] if isinstance(cell, bool) else cell


def _array(values: Any) -> npt.NDArray[Any]:
    """Numbers as they are, texts as numpy's fixed-width text: an npz without pickled objects."""
    if isinstance(values, list) and (not values or isinstance(values[0], str)):
        return np.array(values, dtype=np.str_)
    return np.asarray(values)


class _Metric(Export):
    """A head metric: per unit (example or pair) its id and layers x heads values."""

    def __init__(self, c: Collateral, name: str) -> None:
        if name not in c.metrics:
            known = ", ".join(c.metrics) or "none"
            raise KeyError(f"there is no head metric {name!r}; there is: {known}")
        metric = c.metrics[name]
        self._values = c.head_metric(name)
        self._owners = {"example": c.examples["id"]}
        if metric.unit == "pair":
            self._owners = {"pair": c.pairs["id"], "example": _ids(c, c.pair_examples)}
        heads = [f"{layer}.{head}" for layer, head in np.ndindex(*self._values.shape[1:])]
        self.header = [*self._owners, *heads]
        self.about = {"metric": to_map(metric)}

    def _units(self) -> Iterator[tuple[npt.NDArray[np.float32], list[str]]]:
        for values, *names in zip(self._values, *self._owners.values(), strict=True):
            yield values, names

    def lines(self) -> Iterator[list[Any]]:
        for values, names in self._units():
            yield [*names, *fields(values)]

    def rows(self) -> Iterator[dict[str, Any]]:
        for values, names in self._units():
            yield dict(zip(self._owners, names, strict=True)) | {"values": numbers(values)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        found = {key: _array(names) for key, names in self._owners.items()}
        return {**found, "values": self._values}


class _Attention(Export):
    """The attention of one example: every head's weights, and the tokens they lie between."""

    def __init__(self, c: Collateral, name: str, kind: str) -> None:
        stored = c.attention_examples(kind)
        if name not in c.examples["id"] or c.row(name) not in stored:
            shown = ", ".join(_ids(c, np.array(stored[:_SHOWN_IDS], dtype=np.int32))) or "none"
            more = f" and {len(stored) - _SHOWN_IDS} more" if len(stored) > _SHOWN_IDS else ""
            raise KeyError(f"no {kind} attention is stored for {name!r}; it is for: {shown}{more}")
        self._weights = c.attention(name, kind)
        tokens = c.tokens(name)
        # In cross-attention queries or keys are not this example's: those stay without a name.
        self._queries, self._keys = (_names(tokens, size) for size in self._weights.shape[2:])
        self._offsets = tokens.offsets
        self.header = ["layer", "head", "query", "query_token", "key", "key_token", "weight"]
        self.about = {
            "example": name,
            "kind": kind,
            "encoding": c.attention_encoding(name, kind),
            "queries": self._queries,
            "keys": self._keys,
            "offsets": self._offsets.tolist(),
        }

    def lines(self) -> Iterator[list[Any]]:
        for layer, head in np.ndindex(*self._weights.shape[:2]):
            for query, row in enumerate(self._weights[layer, head]):
                for key, weight in enumerate(fields(row)):
                    names = (self._queries[query], self._keys[key])
                    yield [layer, head, query, names[0], key, names[1], weight]

    def rows(self) -> Iterator[dict[str, Any]]:
        for layer, head in np.ndindex(*self._weights.shape[:2]):
            yield {"layer": layer, "head": head, "weights": numbers(self._weights[layer, head])}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        names = {"queries": _array(self._queries), "keys": _array(self._keys)}
        return {**names, "offsets": self._offsets, "weights": self._weights}


def _names(tokens: Tokens, size: int) -> list[str]:
    return list(tokens.texts) if len(tokens) == size else [""] * size
