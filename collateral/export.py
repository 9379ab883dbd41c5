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
from .schema import to_map
from .table import Table

_ROWS = 512
"""Rows of a table held as Python objects at a time."""
_SHOWN_IDS = 10
KNOWN = (
    "examples, points, pairs, items, metric:NAME, summary:NAME, vectors:LAYER, attention:ID "
    "or norms:ID"
)
"""What can be exported."""
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


class Parts:
    """A float32 array that is read part by part, as it may be larger than memory.

    Args:
        shape: its shape.
        parts: the parts one after another, in C order.
    """

    def __init__(
        self, shape: tuple[int, ...], parts: Callable[[], Iterator[npt.NDArray[np.float32]]]
    ) -> None:
        self._shape, self._parts = shape, parts

    def write(self, out: BinarySink) -> None:
        """Writes it as npy."""
        header = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(cast(Any, out), header)
        for part in self._parts():
            out.write(np.ascontiguousarray(part, dtype="<f4").tobytes())


Arrays = dict[str, "npt.NDArray[Any] | Parts"]


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
    def arrays(self) -> Arrays:
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
                    if isinstance(array, Parts):
                        array.write(part)
                    else:
                        np.lib.format.write_array(part, array, allow_pickle=False)


def find(c: Collateral, what: str, kind: str | None = None) -> Export:
    """The export called ``what``, which is one of :data:`KNOWN`.

    Args:
        c: the file.
        what: the name of the export.
        kind: which attention, if it is about attention; None: the first kind of the file.

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
    if what == "items":
        if not c.items.columns:
            raise KeyError("this file has no items")
        places = {"example": _ids(c, c.item_examples), **_span("token", c.item_tokens)}
        return _Table(c.items, places, {})
    if group == "metric" and colon:
        return _Metric(c, name)
    if group == "summary" and colon:
        return _Summary(c, name)
    if group == "vectors" and colon:
        return _Vectors(c, name)
    if group in ("attention", "norms") and colon:
        if kind is None:
            kind = c.meta.attention[0].name if c.meta.attention else "self"
        return (_Attention if group == "attention" else _Norms)(c, name, kind)
    raise KeyError(f"there is no {what!r} to export; there is: {KNOWN}")


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

    def arrays(self) -> Arrays:
        found: Arrays = {name: _array(place) for name, place in self._places.items()}
        found |= self._numeric
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

    def arrays(self) -> Arrays:
        found: Arrays = {key: _array(names) for key, names in self._owners.items()}
        return {**found, "values": self._values}


class _Summary(Export):
    """A head metric of the whole data set: a value for each head."""

    def __init__(self, c: Collateral, name: str) -> None:
        if name not in c.summaries:
            known = ", ".join(c.summaries) or "none"
            raise KeyError(f"there is no summary {name!r}; there is: {known}")
        self._values = c.head_summary(name)
        self.header = ["layer", "head", "value"]
        self.about = {"summary": to_map(c.summaries[name])}

    def lines(self) -> Iterator[list[Any]]:
        for layer, head in np.ndindex(*self._values.shape):
            yield [layer, head, *fields(self._values[layer, head : head + 1])]

    def rows(self) -> Iterator[dict[str, Any]]:
        for layer, values in enumerate(numbers(self._values)):
            for head, value in enumerate(values):
                yield {"layer": layer, "head": head, "value": value}

    def arrays(self) -> Arrays:
        return {"values": self._values}


class _Vectors(Export):
    """The reduced vectors of a hidden state: a row per point that has one."""

    def __init__(self, c: Collateral, layer: str) -> None:
        layers = [str(known) for known in c.vectors.layers]
        if layer not in layers:
            known = ", ".join(layers) or "no layer"
            raise KeyError(f"there are no vectors of layer {layer!r}; there are of: {known}")
        rows = c.vectors.points
        self._vectors, self._lengths = c.vectors.read(int(layer)), c.vectors.lengths(int(layer))
        texts = c.points["text"]
        self._places: dict[str, list[Any]] = {
            "point": rows.tolist(),
            "example": _ids(c, c.point_examples[rows]),
            **_span("token", c.point_tokens[rows]),
            "text": [texts[row] for row in rows.tolist()],
        }
        self.header = [*self._places, "length", *map(str, range(c.vectors.size))]
        self.about = {"layer": int(layer)}

    def lines(self) -> Iterator[list[Any]]:
        places = zip(*self._places.values(), strict=True)
        for place, length, vector in zip(places, self._lengths, self._vectors, strict=True):
            yield [*place, *fields(length[None]), *fields(vector)]

    def rows(self) -> Iterator[dict[str, Any]]:
        lengths = numbers(self._lengths)
        for row, vector in enumerate(self._vectors):
            found = {name: place[row] for name, place in self._places.items()}
            yield {**found, "length": lengths[row], "vector": numbers(vector)}

    def arrays(self) -> Arrays:
        found: Arrays = {name: _array(place) for name, place in self._places.items()}
        return {**found, "length": self._lengths, "vectors": self._vectors}


class _Attention(Export):
    """The attention of one example: every head's weights, and the tokens they lie between.

    Sparse attention is filled out, one head at a time: all of it may be larger than memory.
    """

    def __init__(self, c: Collateral, name: str, kind: str) -> None:
        _check_stored(c, name, "attention", kind, c.attention_examples(kind))
        self._c, self._name, self._kind = c, name, kind
        info = c.meta.kind(kind)
        assert info is not None  # or there would be no examples
        self._kept = c.attention_kept(name, kind)
        self._shape = c.attention_shape(name, kind)
        sides = [
            _tokens(c, name, side, size)
            for side, size in zip((info.queries, info.keys), self._shape[2:], strict=True)
        ]
        (self._queries, query_offsets), (self._keys, key_offsets) = sides
        self._offsets = {"query_offsets": query_offsets, "key_offsets": key_offsets}
        if (info.queries, info.keys) == ("text", "text"):
            self._offsets = {"offsets": c.tokens(name).offsets}
        self.header = ["layer", "head", "query", "query_token", "key", "key_token", "weight"]
        self.about = {
            "example": name,
            "kind": kind,
            "encoding": c.attention_encoding(name, kind),
            "queries": self._queries,
            "keys": self._keys,
            **{key: offsets.tolist() for key, offsets in self._offsets.items()},
        }
        if self._kept is not None:
            self.about["kept"] = self._kept

    def _heads(self) -> Iterator[tuple[int, int, npt.NDArray[np.float32]]]:
        for layer, head in np.ndindex(*self._shape[:2]):
            yield layer, head, self._c.attention(self._name, self._kind, layer, head)

    def lines(self) -> Iterator[list[Any]]:
        for layer, head, weights in self._heads():
            for query, row in enumerate(weights):
                for key, weight in enumerate(fields(row)):
                    names = (self._queries[query], self._keys[key])
                    yield [layer, head, query, names[0], key, names[1], weight]

    def rows(self) -> Iterator[dict[str, Any]]:
        for layer, head, weights in self._heads():
            found = {"layer": layer, "head": head, "weights": numbers(weights)}
            if self._kept is not None:
                rest = self._c.attention_rest(self._name, self._kind, layer, head)
                found["rest"] = numbers(rest)
            yield found

    def arrays(self) -> Arrays:
        found: Arrays = {"queries": _array(self._queries), "keys": _array(self._keys)}
        found |= self._offsets
        if self._kept is not None:
            found["rest"] = self._c.attention_rest(self._name, self._kind)
        weights = Parts(self._shape, lambda: (weights for _, _, weights in self._heads()))
        return {**found, "weights": weights}


class _Norms(Export):
    """The value norms of one example: a number for each key of each head."""

    def __init__(self, c: Collateral, name: str, kind: str) -> None:
        _check_stored(c, name, "value norms", kind, c.value_norm_examples(kind))
        self._norms = c.value_norms(name, kind)
        info = c.meta.kind(kind)
        assert info is not None  # or there would be no examples
        self._keys, self._offsets = _tokens(c, name, info.keys, self._norms.shape[2])
        self.header = ["layer", "head", "key", "key_token", "norm"]
        self.about = {
            "example": name,
            "kind": kind,
            "keys": self._keys,
            "offsets": self._offsets.tolist(),
        }

    def lines(self) -> Iterator[list[Any]]:
        for layer, head in np.ndindex(*self._norms.shape[:2]):
            for key, norm in enumerate(fields(self._norms[layer, head])):
                yield [layer, head, key, self._keys[key], norm]

    def rows(self) -> Iterator[dict[str, Any]]:
        for layer, head in np.ndindex(*self._norms.shape[:2]):
            yield {"layer": layer, "head": head, "norms": numbers(self._norms[layer, head])}

    def arrays(self) -> Arrays:
        return {"keys": _array(self._keys), "offsets": self._offsets, "norms": self._norms}


def _check_stored(c: Collateral, name: str, what: str, kind: str, stored: tuple[int, ...]) -> None:
    """Whether an example is one of those that something is stored for.

    Raises:
        KeyError: no; the message is for the user.
    """
    if name in c.examples["id"] and c.row(name) in stored:
        return
    shown = ", ".join(_ids(c, np.array(stored[:_SHOWN_IDS], dtype=np.int32))) or "none"
    more = f" and {len(stored) - _SHOWN_IDS} more" if len(stored) > _SHOWN_IDS else ""
    verb = "are" if what.endswith("s") else "is"
    pronoun = "they are" if verb == "are" else "it is"
    raise KeyError(f"no {kind} {what} {verb} stored for {name!r}; {pronoun} for: {shown}{more}")


def _tokens(
    c: Collateral, name: str, side: str, size: int
) -> tuple[list[str], npt.NDArray[np.int32]]:
    """The tokens of a side of an example and their offsets.

    In cross-attention queries or keys need not be this example's: those stay without a name.
    """
    tokens = c.tokens(name)
    found = c.side(name, side) if side in ("text", "source", "target") else range(0)
    if len(found) != size:
        return [""] * size, np.zeros((size, 2), dtype=np.int32)
    part = slice(found.start, found.stop)
    return list(tokens.texts[part]), tokens.offsets[part]
