"""The written specification, held against the code and against the bytes of a file."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import struct
import textwrap
import typing
from pathlib import Path
from typing import Any, Literal

import msgpack
import numpy as np
import numpy.typing as npt
import pytest

import collateral
from collateral import layout, schema, sections, sparse
from tests.factory import write_collateral
from tests.factory_parts import write_tagging, write_translation

SPECIFICATION = Path(collateral.__file__).with_name("format.md")
TEXT = SPECIFICATION.read_text(encoding="utf-8")


def tables() -> dict[str, list[list[str]]]:
    """The specification's tables: title of the first column to rows."""
    found: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            current = []
            continue
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if set(cells[0]) == {"-"}:
            continue
        if not current:
            assert cells[0] not in found
            found[cells[0]] = current
        current.append(cells)
    return {name: rows[1:] for name, rows in found.items()}


TABLES = tables()


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module", params=["pairs", "words", "translation"])
def path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Files that have, together, every section there is."""
    target = tmp_path_factory.mktemp("format") / f"{request.param}.msgpack"
    if request.param == "words":
        return write_tagging(target, kept=3)
    if request.param == "translation":
        return write_translation(target, kept=2)
    return write_collateral(target, examples=9, vectors=5)


@pytest.fixture(scope="module")
def stream(path: Path) -> list[Any]:
    """The file read from the front, with nothing but msgpack."""
    with path.open("rb") as file:
        return list(msgpack.Unpacker(file, max_buffer_size=2**32 - 1))


def test_the_specification_is_complete() -> None:
    assert set(TABLES) == {
        "kind",
        "section",
        "record",
        "encoding",
        "directory column",
        "index key",
        "trailer field",
        "map",
    }


def test_order_of_the_stream(stream: list[Any]) -> None:
    head, *records, index, trailer = stream
    assert list(head) == ["magic", "format", "meta"]
    assert head["magic"] == layout.MAGIC
    assert all("record" in record for record in records)
    assert index["record"] == "index"
    assert isinstance(trailer, bytes)


def test_first_bytes(path: Path) -> None:
    stated = re.search(r"begins with the bytes `([^`]+)`", TEXT)
    assert stated is not None
    expected = b""
    for quoted, plain in re.findall(r'"([^"]+)"|([0-9A-F]{2})', stated[1]):
        expected += quoted.encode() if quoted else bytes.fromhex(plain)
    assert path.read_bytes().startswith(expected)
    assert expected.startswith(layout.HEAD_START)


def test_keys_of_records(stream: list[Any]) -> None:
    stated = {names(kind)[0]: names(keys) for kind, keys in TABLES["kind"] + TABLES["record"]}
    seen = set()
    for record in stream[1:-2]:
        assert list(record) == stated[record["record"]]
        seen.add(record["record"])
    assert seen == set(stated) == {"array", "texts", "tokens", "attention"}


def expected_sections(c: collateral.Collateral) -> dict[str, tuple[str, str, tuple[int, ...], int]]:
    """Kind, type, row and rows of every section of the file, by the specification's table."""
    states = c.meta.model.layers + 1
    counts = {**c.meta.counts, "L + 1": states}
    found: dict[str, tuple[str, str, tuple[int, ...], int]] = {}
    for title, kind, dtype, row, rows, _ in TABLES["section"]:
        pattern = names(title)[0]
        wanted = title.partition("(")[2].rstrip(")")
        plain = dtype.strip("`")
        if pattern == "TABLE/COLUMN":
            for table in (c.examples, c.points, c.pairs, c.items):
                for name, column in table.columns.items():
                    if column == wanted:
                        found[f"{table.name}/{name}"] = (kind, plain, (), len(table))
        elif pattern == "labels/TABLE/COLUMN":
            for table in (c.examples, c.points, c.pairs, c.items):
                for name, column in table.columns.items():
                    if column == "categorical":
                        labels = len(table.labels(name))
                        found[f"labels/{table.name}/{name}"] = (kind, plain, (), labels)
        elif pattern in ("items/@example", "items/@tokens", "examples/@source"):
            if c.items.columns if pattern[0] == "i" else c.meta.attention[0].keys != "text":
                extents = tuple(int(n) for n in row.split(", ") if n)
                found[pattern] = (kind, plain, extents, counts[rows])
        elif pattern == "head_summary/SUMMARY":
            for summary in c.summaries.values():
                k = c.meta.kind(summary.attention)
                assert k is not None
                found[f"head_summary/{summary.name}"] = (kind, plain, (k.layers, k.heads), 1)
        elif pattern in ("value_norm/KIND", "value_norm_places/KIND"):
            for k in c.meta.attention:
                stored = c.value_norm_examples(k.name)
                keys = [c.attention_shape(example, k.name)[3] for example in stored]
                group = pattern.partition("/")[0]
                if stored and group == "value_norm":
                    assert row == "layers {K}, heads {K}"
                    found[f"{group}/{k.name}"] = (kind, plain, (k.layers, k.heads), sum(keys))
                elif stored:
                    found[f"{group}/{k.name}"] = (kind, plain, (int(row),), len(keys))
        elif pattern == "head_metric/METRIC":
            assert (row, rows) == ("layers {K}, heads {K}", "examples or pairs")
            for metric in c.metrics.values():
                k = c.meta.kind(metric.attention)
                assert k is not None
                shape = (k.layers, k.heads)
                found[f"head_metric/{metric.name}"] = (
                    kind,
                    plain,
                    shape,
                    counts[f"{metric.unit}s"],
                )
        elif pattern.startswith("vector"):
            for name in vector_sections(c, pattern):
                known = {**counts, "vector_size": c.meta.vector_size}
                found[name] = (kind, plain, (known[row],) if row else (), known[rows])
        else:
            each = {"distance/MEASURE": list(c.measures), "quality/NAME": list(c.quality)}
            each["coordinates/LAYER"] = [str(layer) for layer in range(states)]
            extents = tuple(states if n == "L + 1" else int(n) for n in row.split(", ") if n)
            for name in each.get(pattern, [""]):
                key = pattern.partition("/")[0] + f"/{name}" if name else pattern
                found[key] = (kind, plain, extents, counts[rows])
    return found


def vector_sections(c: collateral.Collateral, pattern: str) -> list[str]:
    """The sections of vectors that a pattern of the specification stands for in a file."""
    if not c.vectors.layers:
        return []
    each = {"LAYER": map(str, c.vectors.layers), "NAME": c.vectors.quality}
    group, _, kind = pattern.partition("/")
    return [f"{group}/{name}" for name in each[kind]] if kind else [group]


def test_sections_in_index_and_code_and_records(path: Path, stream: list[Any]) -> None:
    with collateral.open(path) as c:
        expected = expected_sections(c)
        index = stream[-2]
        stored = {
            name: (d["kind"], d["dtype"], tuple(d["row"]), d["count"])
            for name, d in index["sections"].items()
        }
        assert stored == expected
        all_columns = {
            table.name: {name: table.describe(name) for name in table}
            for table in (c.examples, c.points, c.pairs, c.items)
            if table.columns
        }
        shapes = sections.declared(c.meta, all_columns, c.metrics, c.measures, c.summaries)
    for name, shape in shapes.items():
        assert (shape.kind, shape.dtype, shape.row) == expected[name][:3]
    for record in stream[1:-2]:
        if record["record"] == "array":
            kind, dtype, row, _ = expected[record["name"]]
            assert (record["record"], record["dtype"]) == (kind, dtype)
            assert tuple(record["shape"][1:]) == row
            assert len(record["data"]) == np.dtype(dtype).itemsize * np.prod(record["shape"])


def test_column_kinds_and_array_types_are_all_described() -> None:
    described = [re.search(r"\((\w+)\)", row[0]) for row in TABLES["section"]]
    kinds = {match[1] for match in described if match}
    assert kinds == set(typing.get_args(schema.Kind)) == set(sections.COLUMN_TYPES)
    assert set(typing.get_args(schema.Encoding)) == set(layout.ENCODING_NAMES)
    types = {row[2].strip("`") for row in TABLES["section"]} - {""}
    assert types == set(sections.ARRAY_TYPES)


def test_blocks_and_checksums(path: Path, stream: list[Any]) -> None:
    """Every byte lies in exactly one of the places that the index names."""
    data, index = path.read_bytes(), stream[-2]
    start, length, check = index["head"]
    places = [(start, length)]
    assert layout.checksum(data[:length]) == check
    for name, section in index["sections"].items():
        blocks = np.frombuffer(section["blocks"], dtype="<u8").reshape(-1, 5)
        row = 0
        for first, count, offset, length, check in blocks.tolist():
            assert first == row
            row += count
            assert layout.checksum(data[offset : offset + length]) == check
            assert msgpack.unpackb(data[offset : offset + length])["name"] == name
            places.append((offset, length))
        assert row == section["count"]
    directory = np.concatenate(
        [
            np.frombuffer(r["data"], dtype="<u8").reshape(r["shape"])
            for r in stream[1:-2]
            if r.get("name") == "attention/directory"
        ]
    )
    columns = [names(row[0])[0] for row in TABLES["directory column"]]
    assert tuple(columns) == layout.DIRECTORY
    for row_of in directory.tolist():
        entry = dict(zip(columns, row_of, strict=True))
        places.append((entry["offset"], entry["length"]))
        check_attention(data, entry, index)
    places += [(index_place(data)[0], index_place(data)[1]), (len(data) - 42, 42)]
    end = 0
    for offset, length in sorted(places):
        assert offset == end
        end += length
    assert end == len(data)


def check_attention(data: bytes, entry: dict[str, int], index: dict[str, Any]) -> None:
    whole = data[entry["offset"] : entry["offset"] + entry["length"]]
    assert layout.checksum(whole) == entry["checksum"]
    record = msgpack.unpackb(whole)
    kind = index["meta"]["attention"][entry["kind"]]
    stated = {names(row[0])[0]: (int(row[1]), names(row[2])) for row in TABLES["encoding"]}
    number, (dtype, *others) = stated[record["encoding"]]
    assert number == entry["encoding"]
    assert record["kind"] == kind["name"]
    assert record["example"] == entry["example"]
    assert record["shape"] == [kind["layers"], kind["heads"], entry["queries"], entry["keys"]]
    size = entry["queries"] * entry["keys"] * np.dtype(dtype).itemsize
    if others:  # sparse: m = queries * (k * (size of a number + 2) + 2), by the specification
        size = len(record["data"]) // (kind["layers"] * kind["heads"])
        each = size / entry["queries"] - 2
        kept = int(each / (np.dtype(dtype).itemsize + 2))
        assert each == kept * (np.dtype(dtype).itemsize + 2)
        assert 1 <= kept == min(index["meta"]["settings"]["kept"], entry["keys"])
    for i in range(kind["layers"] * kind["heads"]):
        part = data[entry["data_at"] + i * size : entry["data_at"] + (i + 1) * size]
        assert part == record["data"][i * size : (i + 1) * size]
        (check,) = struct.unpack_from("<I", data, entry["checksums_at"] + 4 * i)
        assert layout.checksum(part) == check


def index_place(data: bytes) -> tuple[int, int]:
    """Offset and length of the index by the specification's table of the trailer."""
    at = {row[0]: (int(row[1]), row[2].strip("`")) for row in TABLES["trailer field"]}
    trailer = data[-42:]
    found: dict[str, Any] = {}
    for name, (start, kind) in at.items():
        if kind.endswith("bytes"):
            found[name] = trailer[start : start + int(kind.split()[0])]
        else:
            found[name] = int(np.frombuffer(trailer, dtype=kind, count=1, offset=start)[0])
    last = at["trailer checksum"][0]
    assert found["lead"] == bytes.fromhex("C4 28") == struct.pack("BB", 0xC4, 42 - 2)
    assert found["magic"] == b"ITPCTRLR"
    assert found["file size"] == len(data)
    assert found["trailer checksum"] == layout.checksum(trailer[:last])
    offset, length = int(found["index offset"]), int(found["index length"])
    assert found["index checksum"] == layout.checksum(data[offset : offset + length])
    assert offset + length + 42 == len(data)
    return offset, length


def test_the_head_describes_what_the_index_does(stream: list[Any]) -> None:
    head, index = stream[0], stream[-2]
    assert head["meta"][layout.DESCRIBED] == {
        key: index[key] for key in ("tables", "metrics", "measures")
    }
    for key, labels in index["categories"].items():
        assert column(stream, f"labels/{key}") == labels


def test_keys_of_the_index(stream: list[Any]) -> None:
    assert list(stream[-2]) == [names(row[0])[0] for row in TABLES["index key"]]


def type_name(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        *most, last = (f'"{option}"' for option in arguments)
        return f"{', '.join(most)} or {last}"
    if origin is tuple:
        shown = arguments[:1] if arguments[-1] is Ellipsis else arguments
        return f"[{', '.join(map(type_name, shown))}]"
    if origin is dict:
        return f"{{{type_name(arguments[0])}: {type_name(arguments[1])}}}"
    if arguments:
        *most, last = map(type_name, arguments)
        return f"{', '.join(most)} or {last}"
    return "nil" if hint is type(None) else str(hint.__name__)


def test_descriptions() -> None:
    stated = dict(TABLES["map"])
    for name, keys in stated.items():
        cls = getattr(schema, name)
        hints = typing.get_type_hints(cls)
        parts = []
        for item in dataclasses.fields(cls):
            optional = (
                item.default is not dataclasses.MISSING
                or item.default_factory is not dataclasses.MISSING
            )
            part = f"{item.name} {type_name(hints[item.name])}"
            parts.append(f"[{part}]" if optional else part)
        assert ", ".join(parts) == keys, name
    described = {n for n in dir(schema) if dataclasses.is_dataclass(getattr(schema, n))}
    assert described - {"Tokens"} == set(stated)  # tokens have a section of their own


def test_limits_are_those_of_the_code() -> None:
    mebi = 1 << 20
    for stated, number in (
        (f"At most {layout.MAX_HEAD // mebi} MiB.", layout.MAX_HEAD),
        (f"one record, at most {layout.MAX_RECORD // mebi} MiB", layout.MAX_RECORD),
        (f"The index, at most {layout.MAX_INDEX // mebi} MiB", layout.MAX_INDEX),
        (f"at most {(layout.MAX_ATTENTION + 1) >> 30} GiB - 1", layout.MAX_ATTENTION + 1),
        (f"{layout.MAX_LAYERS:,} layers and heads", layout.MAX_HEADS),
        (f"{layout.MAX_LABELS:,} labels", layout.MAX_LABELS),
        (f"{layout.MAX_VECTOR:,} numbers in a vector", layout.MAX_VECTOR),
        (f"{layout.MAX_TOKENS:,} tokens", layout.MAX_TOKENS),
        (f"more than {layout.MAX_FILLED:,} weights at once", layout.MAX_FILLED),
        (f"`topk16` up to {layout.most_keys('topk16'):,} keys", layout.most_keys("topk16")),
        (f"{layout.MAX_LIST:,} entries in a list", layout.MAX_LIST),
        (f"{layout.MAX_CONTAINERS:,} lists and maps", layout.MAX_CONTAINERS),
        (f"{layout.TRAILER_SIZE} bytes: where the index is", layout.TRAILER_SIZE),
    ):
        assert stated in " ".join(TEXT.split()), stated
        assert number & (number - 1) == 0 or number == 42  # nothing was rounded in the text


def test_errors_of_encodings_are_kept() -> None:
    stated = {names(row[0])[0]: float(row[4]) for row in TABLES["encoding"]}
    assert stated == layout.ENCODING_ERROR
    weights = np.linspace(0, 1, 200_001)
    for encoding in layout.ENCODINGS:
        most = stated[encoding]
        back = layout.decode_attention(layout.encode_attention(weights, encoding))
        assert back.dtype == np.float32
        error = np.abs(back - weights).max()
        assert 0.95 * most < error <= most  # stated as tight as it is


@pytest.mark.parametrize("encoding", layout.SPARSE)
def test_errors_of_kept_weights(encoding: schema.Encoding) -> None:
    weights = np.linspace(0.5, 1, 1 << 14).reshape(1, 1, 4, -1)  # where float16 is coarsest
    indices = np.broadcast_to(np.arange(weights.shape[3]), weights.shape)
    kept = sparse.Kept(indices, weights, np.zeros((1, 1, 4)))
    stored = sparse.encode(kept, weights.shape[3], encoding)[0, 0]
    back = sparse.split(stored, 4, weights.shape[3], encoding).weights
    error = np.abs(layout.decode_attention(back) - weights).max()
    most = layout.ENCODING_ERROR[encoding]
    assert 0.95 * most < error <= most


def test_uint8_formula() -> None:
    back = layout.decode_attention(np.arange(256, dtype=np.uint8))
    np.testing.assert_allclose(back, (np.arange(256) / 255.0) ** 2, atol=1e-7)


def test_fingerprints_by_their_definition(stream: list[Any]) -> None:
    meta = stream[-2]["meta"]
    ids, texts = column(stream, "examples/id"), column(stream, "examples/text")
    entries = column(stream, "tokens")
    data, tokens = hashlib.sha256(), hashlib.sha256()
    for name, text, entry in zip(ids, texts, entries, strict=True):
        data.update(msgpack.packb([name, text]))
        tokens.update(msgpack.packb(entry[:2]))
    assert meta["fingerprint"] == data.hexdigest()
    assert meta["token_fingerprint"] == tokens.hexdigest()
    points, pairs = hashlib.sha256(), hashlib.sha256()
    for example, span in zip(
        array(stream, "points/@example"), array(stream, "points/@tokens"), strict=True
    ):
        points.update(msgpack.packb([int(example), *map(int, span)]))
    for name, example, spans in zip(
        column(stream, "pairs/id"),
        array(stream, "pairs/@example"),
        array(stream, "pairs/@tokens"),
        strict=True,
    ):
        pairs.update(msgpack.packb([name, int(example), *map(int, spans.ravel())]))
    both = hashlib.sha256(points.digest() + pairs.digest())
    assert meta["layout_fingerprint"] == both.hexdigest()


def column(stream: list[Any], name: str) -> list[Any]:
    return [row for record in stream if of(record, name) for row in record["data"]]


def array(stream: list[Any], name: str) -> npt.NDArray[Any]:
    parts = [
        np.frombuffer(r["data"], dtype=r["dtype"]).reshape(r["shape"])
        for r in stream
        if of(r, name)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def heads_of(record: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Attention as the specification says it is stored, filled out one weight after another."""
    if record["encoding"] == "float16":
        return np.frombuffer(record["data"], dtype="<f2").reshape(record["shape"]).astype("f4")
    assert record["encoding"] == "topk16"
    layers, heads, queries, keys = record["shape"]
    filled = np.zeros((layers * heads, queries, keys), dtype=np.float32)
    size = len(record["data"]) // len(filled)
    kept = (size // queries - 2) // 4
    for number, head in enumerate(filled):
        data = record["data"][number * size : (number + 1) * size]
        for i in range(queries * kept):
            (key,) = struct.unpack_from("<H", data, 2 * i)
            (weight,) = struct.unpack_from("<e", data, 2 * queries * kept + 2 * i)
            head[i // kept, key] = weight
    return filled.reshape(record["shape"])


def of(record: Any, name: str) -> bool:
    return isinstance(record, dict) and record.get("name") == name


def test_read_from_the_front_gives_the_same(path: Path, stream: list[Any]) -> None:
    index = stream[-2]
    with collateral.open(path) as c:
        for table in (c.examples, c.points, c.pairs, c.items):
            for name, kind in table.columns.items():
                key = f"{table.name}/{name}"
                if kind == "text":
                    assert column(stream, key) == table[name]
                elif kind == "continuous":
                    np.testing.assert_array_equal(array(stream, key), table[name])
                elif kind == "categorical":
                    labels = index["categories"][key]
                    values = [labels[i] if i >= 0 else None for i in array(stream, key)]
                    assert values == table[name]
                else:
                    values = [None if i == 255 else bool(i) for i in array(stream, key)]
                    assert values == table[name]
        for metric in c.metrics:
            np.testing.assert_array_equal(
                array(stream, f"head_metric/{metric}"), c.head_metric(metric)
            )
        for layer in c.mapped_layers:
            np.testing.assert_array_equal(
                array(stream, f"coordinates/{layer}"), c.coordinates(layer)
            )
        for row, entry in enumerate(column(stream, "tokens")):
            tokens = c.tokens(row)
            assert tuple(entry[0]) == tokens.texts
            assert entry[1] == tokens.offsets.astype("<i4").tobytes()
        for name in c.summaries:
            (values,) = array(stream, f"head_summary/{name}")
            np.testing.assert_array_equal(values, c.head_summary(name))
        check_kinds(c, stream)


def check_kinds(c: collateral.Collateral, stream: list[Any]) -> None:
    """Attention and value norms of each kind, read from the front."""
    records = [r for r in stream[1:-2] if r["record"] == "attention"]
    for kind in c.meta.attention:
        mine = [r for r in records if r["kind"] == kind.name]
        assert tuple(sorted(r["example"] for r in mine)) == c.attention_examples(kind.name)
        for record in mine:
            found = c.attention(record["example"], kind.name)
            np.testing.assert_array_equal(heads_of(record), found)
        places = array(stream, f"value_norm_places/{kind.name}").tolist()
        norms = array(stream, f"value_norm/{kind.name}")
        assert len(places) == len(c.value_norm_examples(kind.name))
        for number, (example, start) in enumerate(places):
            stop = places[number + 1][1] if number + 1 < len(places) else len(norms)
            found = c.value_norms(example, kind.name)
            np.testing.assert_array_equal(np.moveaxis(norms[start:stop], 0, 2), found)


def test_the_example_in_the_specification_runs(tmp_path: Path) -> None:
    path = write_collateral(tmp_path / "toy.msgpack", examples=9)
    block = re.search(r"((?:^    .*\n)+)\nThe index is the last object but one", TEXT, re.MULTILINE)
    assert block is not None
    code = textwrap.dedent(block[1]).replace("tuned.msgpack", str(path))
    scope: dict[str, Any] = {}
    exec(code, scope)
    with collateral.open(path) as c:
        np.testing.assert_array_equal(scope["block"], c.head_metric("std"))
