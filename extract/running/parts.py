"""Parts of a run: what a window of examples came to, kept on disk until all are put together.

A run is cut into windows of examples. Each ends as one part in a folder beside the target,
``.NAME.parts``: a file of large things (packed attention, vectors) that grows batch by batch, and a
file of everything else that appears under its name when it is whole. So a run that was killed goes
on where it stopped, several processes can share the windows, and memory holds one batch.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import numpy as np
import numpy.typing as npt

from ..errors import ExtractError

Array = npt.NDArray[Any]
Plan = Mapping[str, Any]
Reference = tuple[int, str, list[int]]
"""Where an array stands among a part's large things: offset, type, shape."""

Table = dict[str, Any]
"""Rows of a table: ``examples`` (int32, whose rows they are, counted within the part), ``places``
(int32, a row's numbers side by side) and ``values`` (column to list)."""

_PLAN = "run.json"


@dataclass
class Part:
    """What a window of examples came to.

    Attributes:
        points: number of points of all examples.
        sparse: number of examples of whose attention only the largest weights are kept.
        notes: what happened on the way that whoever looks at the numbers should know.
        examples: for each example, in order, plain values: ``id``, ``text``, ``tokens``, ``source``
            (tokens of the source, or None), ``values``, ``tally``, ``arcs``, ``points`` (their
            number); and where large things stand: ``maps``, ``norms``, ``vectors``.
        tables: "points", "pairs" and "items", each column by column: see :func:`table`.
        example_metrics: name to float32 [examples, layers, heads].
        pair_metrics: name to float32 [pairs, layers, heads].
        distances: name to float32 [pairs, layers + 1].
    """

    points: int
    sparse: int
    notes: list[str]
    examples: list[dict[str, Any]]
    tables: dict[str, Table]
    example_metrics: dict[str, Array]
    pair_metrics: dict[str, Array]
    distances: dict[str, Array]


def table(rows: Sequence[tuple[int, Sequence[int], Mapping[str, Any]]], width: int) -> Table:
    """Rows of a table column by column.

    Args:
        rows: for each the number of its example within the part, where it is, and its values.
        width: how many numbers say where a row is.
    """
    names = dict.fromkeys(name for _, _, values in rows for name in values)
    places = np.array([place for _, place, _ in rows], dtype=np.int32).reshape(-1, width)
    return {
        "examples": np.array([example for example, _, _ in rows], dtype=np.int32),
        "places": places,
        "values": {name: [values.get(name) for _, _, values in rows] for name in names},
    }


class PartWriter:
    """Writes one part: large things as they come, the rest at the end."""

    def __init__(self, folder: Path, window: int) -> None:
        self._path = _part_path(folder, window)
        self._large_path = _large_path(folder, window)
        self._large: BinaryIO | None = None
        self._at = 0

    def add(self, *pieces: bytes | memoryview) -> tuple[int, int]:
        """Appends bytes to the large things; where they begin, and their length."""
        start = self._at
        with _writing(self._large_path):
            if self._large is None:
                self._large = self._large_path.open("wb")
            for piece in pieces:
                self._large.write(piece)
                self._at += len(piece)
        return start, self._at - start

    def add_array(self, array: Array) -> Reference:
        """Appends an array to the large things; how to find it."""
        data = np.ascontiguousarray(array)
        offset, _ = self.add(data.reshape(-1).view(np.uint8).data)
        return offset, data.dtype.str, list(data.shape)

    def finish(self, part: Part) -> None:
        """Writes everything else; the part is there from then on."""
        temporary = self._path.with_suffix(".partial")
        with _writing(self._path):
            self.close()
            with temporary.open("wb") as file:
                for name in (f.name for f in fields(Part)):  # the summary first: it is read alone
                    file.write(_pack({name: getattr(part, name)}))
            os.replace(temporary, self._path)

    def close(self) -> None:
        """Closes the file of large things."""
        if self._large is not None:
            self._large.close()
            self._large = None


class Large:
    """The large things of a part, read one at a time."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes.

        Raises:
            ExtractError: they are not there.
        """
        data = b""
        with contextlib.suppress(OSError):  # said below, as for a file that is too short
            if self._file is not None:
                self._file.seek(offset)
                data = self._file.read(length)
        if len(data) != length:
            raise ExtractError(
                "A part of the unfinished run is not whole; start anew with --restart."
            )
        return data

    def array(self, reference: Sequence[Any]) -> Array:
        """The array that :meth:`PartWriter.add_array` gave this reference for."""
        offset, dtype, shape = reference
        kind = np.dtype(dtype)
        data = self.read(offset, math.prod(shape) * kind.itemsize)
        return np.frombuffer(data, dtype=kind).reshape(shape)


class Workspace:
    """The folder of an unfinished run.

    Attributes:
        folder: where the parts are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, output: Path) -> Workspace:
        """The workspace of the run that writes ``output``."""
        target = Path(os.path.realpath(output))
        return cls(target.parent / f".{target.name}.parts")

    def plan(self) -> dict[str, Any] | None:
        """What the unfinished run was asked to do; None if there is none."""
        try:
            found = json.loads((self.folder / _PLAN).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def start(self, plan: Plan) -> None:
        """Makes the folder and writes the plan; what was in it is gone."""
        with _writing(self.folder):
            self.remove()
            self.folder.mkdir(parents=True)
            temporary = self.folder / (_PLAN + ".partial")
            temporary.write_text(json.dumps(plan), encoding="utf-8")
            os.replace(temporary, self.folder / _PLAN)

    def done(self, window: int) -> bool:
        """Whether a window's part is there."""
        return _part_path(self.folder, window).is_file()

    def finished(self) -> int:
        """Number of parts that are there."""
        return sum(1 for _ in self.folder.glob("*.part"))

    @contextlib.contextmanager
    def writing(self, window: int) -> Iterator[PartWriter]:
        """A writer for one window's part."""
        writer = PartWriter(self.folder, window)
        try:
            yield writer
        finally:
            writer.close()

    def summary(self, window: int) -> dict[str, Any]:
        """The first three fields of one window's part, without reading all of it.

        Raises:
            ExtractError: it cannot be read.
        """
        return self._read(window, 3)

    def read(self, window: int) -> Part:
        """One window's part.

        Raises:
            ExtractError: it cannot be read.
        """
        return Part(**self._read(window, len(fields(Part))))

    def _read(self, window: int, objects: int) -> dict[str, Any]:
        path = _part_path(self.folder, window)
        found: dict[str, Any] = {}
        try:
            with path.open("rb") as file:
                unpacker = msgpack.Unpacker(
                    file, max_buffer_size=2**32 - 1, strict_map_key=False, object_hook=_array_of
                )
                for _ in range(objects):
                    found.update(unpacker.unpack())
            return found
        except (OSError, ValueError, TypeError, msgpack.UnpackException) as error:
            raise ExtractError(
                f"{path}, a part of the unfinished run, cannot be read ({error}); start anew with "
                "--restart."
            ) from error

    @contextlib.contextmanager
    def large(self, window: int) -> Iterator[Large]:
        """The large things of one window's part."""
        path = _large_path(self.folder, window)
        if not path.exists():
            yield Large(None)
            return
        with path.open("rb") as file:
            yield Large(file)

    def remove(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def differences(old: Plan, new: Plan) -> list[str]:
    """What an unfinished run was asked otherwise, in words."""
    return [
        f"{name.replace('_', '-')} was {_shown(old.get(name))}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _shown(value: Any) -> str:
    words = "not given" if value in (None, "", {}, []) else str(value)
    return words if len(words) <= 40 else words[:37] + "..."


def _part_path(folder: Path, window: int) -> Path:
    return folder / f"{window:06d}.part"


def _large_path(folder: Path, window: int) -> Path:
    return folder / f"{window:06d}.large"


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExtractError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or choose "
            "another folder for --output. What was done is kept: --resume goes on."
        ) from error


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, default=_plain, use_bin_type=True))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value)
        return {"@array": [data.dtype.str, list(data.shape), data.tobytes()]}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a part cannot hold {type(value).__name__}")


def _array_of(value: dict[Any, Any]) -> Any:
    if len(value) == 1 and "@array" in value:
        dtype, shape, data = value["@array"]
        return np.frombuffer(data, dtype=np.dtype(dtype)).reshape(shape)
    return value
