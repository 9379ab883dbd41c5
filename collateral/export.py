"""What ``interpret-collateral export`` writes: tables, head metrics, attention; CSV, JSON, npz."""

from __future__ import annotations

import csv
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Export:
    """One thing that can be exported, in each of the formats.

    Attributes:
        header: names of the CSV's columns.
        lines: gives the CSV's rows.
        about: what stands around the rows in JSON; empty if nothing does.
        rows: gives the JSON's rows.
        arrays: gives the arrays of the npz.
    """

    header: list[str]
    lines: Callable[[], Iterator[list[Any]]]
    about: dict[str, Any]
    rows: Callable[[], Iterator[Any]]
    arrays: Callable[[], dict[str, npt.NDArray[Any]]]

    def to_csv(self, out: TextSink) -> None:
        """Writes CSV with a header; what is unknown or undefined is an empty field."""
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.lines())

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
        return _table(c, c.examples, {}, {})
    if what == "points":
        places = {"example": _ids(c, c.point_examples), **_span("token", c.point_tokens)}
        return _table(c, c.points, places, {"coordinates": _coordinates(c)})
    if what == "pairs":
        tokens, points = c.pair_tokens, c.pair_points
        places = {"example": _ids(c, c.pair_examples)}
        for span in (0, 1):
            places |= _span(f"span{span + 1}_token", tokens[:, span])
            places |= _span(f"span{span + 1}_point", points[:, span])
        return _table(c, c.pairs, places, {name: c.distances(name) for name in c.measures})
    if group == "metric" and colon:
        return _metric(c, name)
    if group == "attention" and colon:
        return _attention(c, name, kind)
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


def _table(
    c: Collateral,
    table: Table,
    places: dict[str, list[Any]],
    numeric: dict[str, npt.NDArray[np.float32]],
) -> Export:
    """A table: where its rows belong, its columns, and numbers per hidden state."""
    taken = {name: f"{name}_" if name in places else name for name in table}
    header = [*places, *taken.values()]
    for name, values in numeric.items():
        places_of = itertools.product(*map(range, values.shape[1:]))
        header += [f"{name}_{'_'.join(map(str, cell))}" for cell in places_of]

    def parts() -> Iterator[tuple[int, list[Any]]]:
        """Row numbers, and the cells of the columns as JSON has them."""
        columns = [table[name] for name in table]
        for start in range(0, len(table), _ROWS):
            cells = [
                numbers(column[start : start + _ROWS])
                if isinstance(column, np.ndarray)
                else column[start : start + _ROWS]
                for column in columns
            ]
            yield from enumerate(map(list, zip(*cells, strict=True)), start)

    def lines() -> Iterator[list[Any]]:
        for row, cells in parts():
            line = [place[row] for place in places.values()]
            line += ["" if cell is None else _flag(cell) for cell in cells]
            for values in numeric.values():
                line += fields(values[row])
            yield line

    def rows() -> Iterator[dict[str, Any]]:
        for row, cells in parts():
            found = {name: place[row] for name, place in places.items()}
            found |= dict(zip(taken.values(), cells, strict=True))
            yield found | {name: numbers(values[row]) for name, values in numeric.items()}

    def arrays() -> dict[str, npt.NDArray[Any]]:
        found = {name: _array(place) for name, place in places.items()}
        for name, column in taken.items():
            if table.columns[name] in ("categorical", "boolean"):
                found[column], labels = table.codes(name)
                found[f"{column}_labels"] = _array(list(labels))
            else:
                found[column] = _array(table[name])
        return found | numeric

    return Export(header, lines, {}, rows, arrays)


def _flag(cell: Any) -> Any:
    return ("no", "yes")[cell] if isinstance(cell, bool) else cell


def _array(values: Any) -> npt.NDArray[Any]:
    """Numbers as they are, texts as numpy's fixed-width text: an npz without pickled objects."""
    if isinstance(values, list) and (not values or isinstance(values[0], str)):
        return np.array(values, dtype=np.str_)
    return np.asarray(values)


def _metric(c: Collateral, name: str) -> Export:
    """A head metric: per unit (example or pair) its id and layers x heads values."""
    if name not in c.metrics:
        known = ", ".join(c.metrics) or "none"
        raise KeyError(f"there is no head metric {name!r}; there is: {known}")
    metric, values = c.metrics[name], c.head_metric(name)
    owners = {"example": c.examples["id"]}
    if metric.unit == "pair":
        owners = {"pair": c.pairs["id"], "example": _ids(c, c.pair_examples)}
    heads = [f"{layer}.{head}" for layer, head in np.ndindex(*values.shape[1:])]

    def lines() -> Iterator[list[Any]]:
        for row, *names in zip(values, *owners.values(), strict=True):
            yield [*names, *fields(row)]

    def rows() -> Iterator[dict[str, Any]]:
        for row, *names in zip(values, *owners.values(), strict=True):
            yield dict(zip(owners, names, strict=True)) | {"values": numbers(row)}

    def arrays() -> dict[str, npt.NDArray[Any]]:
        return {key: _array(names) for key, names in owners.items()} | {"values": values}

    return Export([*owners, *heads], lines, {"metric": to_map(metric)}, rows, arrays)


def _attention(c: Collateral, name: str, kind: str) -> Export:
    """The attention of one example: every head's weights, and the tokens they lie between."""
    stored = c.attention_examples(kind)
    if name not in c.examples["id"] or c.row(name) not in stored:
        shown = ", ".join(_ids(c, np.array(stored[:_SHOWN_IDS], dtype=np.int32))) or "none"
        more = f" and {len(stored) - _SHOWN_IDS} more" if len(stored) > _SHOWN_IDS else ""
        raise KeyError(f"no {kind} attention is stored for {name!r}; it is for: {shown}{more}")
    weights = c.attention(name, kind)
    tokens = c.tokens(name)
    # In cross-attention queries or keys are not this example's tokens: those stay without a name.
    queries, keys = (_names(tokens, size) for size in weights.shape[2:])
    about = {
        "example": name,
        "kind": kind,
        "encoding": c.attention_encoding(name, kind),
        "queries": queries,
        "keys": keys,
        "offsets": tokens.offsets.tolist(),
    }

    def lines() -> Iterator[list[Any]]:
        for layer, head in np.ndindex(*weights.shape[:2]):
            for query, row in enumerate(weights[layer, head]):
                for key, weight in enumerate(fields(row)):
                    yield [layer, head, query, queries[query], key, keys[key], weight]

    def rows() -> Iterator[dict[str, Any]]:
        for layer, head in np.ndindex(*weights.shape[:2]):
            yield {"layer": layer, "head": head, "weights": numbers(weights[layer, head])}

    def arrays() -> dict[str, npt.NDArray[Any]]:
        names = {"queries": _array(queries), "keys": _array(keys)}
        return {**names, "offsets": tokens.offsets, "weights": weights}

    header = ["layer", "head", "query", "query_token", "key", "key_token", "weight"]
    return Export(header, lines, about, rows, arrays)


def _names(tokens: Tokens, size: int) -> list[str]:
    return list(tokens.texts) if len(tokens) == size else [""] * size
