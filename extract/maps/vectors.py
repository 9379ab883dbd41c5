"""Hidden states of the points on disk: memory does not grow with the number of examples.

One file per layer, float32 rows one after another, so that a map reads its layer and nothing else.
Files are read with plain positioned reads: pages of a memory map would count as memory in use.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import ExtractError

FloatArray = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

PENDING_BYTES = 8 << 20
"""Appended vectors wait in memory until there are so many: fewer, longer writes."""

ROWS_AT_ONCE = 4096

_FLOAT = np.dtype("<f4")


class Layer:
    """The vectors of one layer, read from disk whenever they are asked for.

    Attributes:
        points: number of rows.
        width: values of a row.
        checksum: CRC-32 of all of its bytes, which tells other vectors apart from these.
    """

    def __init__(self, path: Path, points: int, width: int, checksum: int) -> None:
        self._path = path
        self.points = points
        self.width = width
        self.checksum = checksum

    def rows(self, indices: npt.ArrayLike) -> FloatArray:
        """Chosen rows, in the order asked for.

        Args:
            indices: numbers of rows, in any order, also repeated.

        Returns:
            float32 [len(indices), width].

        Raises:
            IndexError: there is no such row.
            ExtractError: the file cannot be read.
        """
        wanted = np.asarray(indices, dtype=np.intp).reshape(-1)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < self.points):
            raise IndexError(f"rows are 0 to {self.points - 1}")
        found = np.empty((len(wanted), self.width), dtype=_FLOAT)
        order = np.argsort(wanted, kind="stable")
        rising = wanted[order]
        # runs of rows that lie one behind the other in the file and in the answer need one read
        apart = (np.diff(rising) != 1) | (np.diff(order) != 1)
        bounds = [0, *(np.flatnonzero(apart) + 1).tolist(), len(wanted)]
        with _reading(self._path) as file:
            for start, stop in itertools.pairwise(bounds):
                if start < stop:
                    first = order[start]
                    self._fill(file, int(rising[start]), found[first : first + stop - start])
        return found

    def chunks(self, size: int = ROWS_AT_ONCE) -> Iterator[tuple[int, FloatArray]]:
        """All rows in order, ``size`` at a time.

        Yields:
            Number of the first row, and float32 [up to size, width], which is the caller's.

        Raises:
            ExtractError: the file cannot be read.
        """
        with _reading(self._path) as file:
            for start in range(0, self.points, size):
                found = np.empty((min(size, self.points - start), self.width), dtype=_FLOAT)
                self._fill(file, start, found)
                yield start, found

    def _fill(self, file: BinaryIO, row: int, into: FloatArray) -> None:
        view = into.reshape(-1).view(np.uint8).data
        try:
            file.seek(row * self.width * _FLOAT.itemsize)
            done = 0
            while done < len(view):
                more = file.readinto(view[done:])  # type: ignore[attr-defined]
                if not more:
                    raise ExtractError(
                        f"{self._path}, which holds vectors for t-SNE, became shorter during the "
                        "run; run again, and leave its folder alone meanwhile."
                    )
                done += more
        except OSError as error:
            raise _unreadable(self._path, error) from error


class ArrayLayer(Layer):
    """Vectors that are in memory already, with the same ways to read them.

    Args:
        vectors: float32 [points, width].
    """

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = np.ascontiguousarray(vectors, dtype=_FLOAT)
        points, width = self._vectors.shape
        super().__init__(Path(), points, width, zlib.crc32(self._vectors.data))

    def rows(self, indices: npt.ArrayLike) -> FloatArray:
        """See :meth:`Layer.rows`."""
        return self._vectors[np.asarray(indices, dtype=np.intp).reshape(-1)]

    def chunks(self, size: int = ROWS_AT_ONCE) -> Iterator[tuple[int, FloatArray]]:
        """See :meth:`Layer.chunks`."""
        for start in range(0, self.points, size):
            yield start, self._vectors[start : start + size].copy()


class VectorStore:
    """Takes the points' hidden states example by example; gives them back layer by layer.

    Used as a context manager it removes its files at the end. What an earlier run left in the
    folder under the same names is overwritten, never added to, so a killed run does no harm.

    Args:
        folder: where the files go; made if it is not there, and removed if it is empty at the end.
        layers: hidden states per point: the model's layers + 1.
        width: values per hidden state.

    Raises:
        ExtractError: the folder cannot be written to.

    Attributes:
        points: rows so far.
    """

    def __init__(self, folder: Path, layers: int, width: int) -> None:
        self.folder = folder
        self.layers = layers
        self.width = width
        self.points = 0
        self._pending: list[FloatArray] = []
        self._waiting = 0
        self._written = 0
        self._checksums = [0] * layers
        digits = len(str(max(layers - 1, 0)))
        self._paths = [folder / f"vectors-{layer:0{digits}}.f32" for layer in range(layers)]
        self._made = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in self._paths:
                path.write_bytes(b"")
        except OSError as error:
            self.remove()
            raise self._unwritable(error) from error

    def __enter__(self) -> VectorStore:
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the files, whatever happened."""
        self.remove()

    def append(self, states: npt.ArrayLike) -> None:
        """Adds the points of one example (or of several) behind those that are there.

        Args:
            states: [layers, points, width]; kept as float32.

        Raises:
            ValueError: the shape is another one.
            ExtractError: a value is no number, the disk is full or cannot be written to.
        """
        # a copy: what the caller does with its own array afterwards is not ours to see
        found = np.array(states, dtype=_FLOAT, order="C")
        if found.ndim != 3 or found.shape[0] != self.layers or found.shape[2] != self.width:
            raise ValueError(
                f"vectors of shape {found.shape}, expected ({self.layers}, points, {self.width})"
            )
        if not np.isfinite(found).all():
            layer = int(np.argmin(np.isfinite(found).all((1, 2))))
            raise ExtractError(
                f"The hidden states of layer {layer} hold values that are not numbers, so that "
                "they have no map; try --dtype float32."
            )
        self._pending.append(found)
        self._waiting += found.nbytes
        self.points += found.shape[1]
        if self._waiting >= PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits in memory.

        Raises:
            ExtractError: the disk is full, or cannot be written to; nothing that was written
                before is lost, and flushing again starts over with what waited.
        """
        if not self._pending:
            return
        count = sum(part.shape[1] for part in self._pending)
        sums = list(self._checksums)
        try:
            for layer, path in enumerate(self._paths):
                joined = np.concatenate([part[layer] for part in self._pending])
                # at the place where it belongs, not at the end: an earlier attempt may have failed
                with path.open("r+b", buffering=0) as file:
                    file.seek(self._written * self.width * _FLOAT.itemsize)
                    _write(file, joined)
                sums[layer] = zlib.crc32(joined.data, sums[layer])
        except OSError as error:
            raise self._unwritable(error) from error
        self._checksums = sums
        self._written += count
        self._pending, self._waiting = [], 0

    def layer(self, number: int) -> Layer:
        """The vectors of one layer, of all points so far.

        Raises:
            IndexError: there is no such layer.
            ExtractError: what waits in memory cannot be written.
        """
        if not 0 <= number < self.layers:
            raise IndexError(f"layers are 0 to {self.layers - 1}")
        self.flush()
        return Layer(self._paths[number], self.points, self.width, self._checksums[number])

    def remove(self) -> None:
        """Removes the files, and the folder if the store made it and nothing else is in it."""
        self._pending, self._waiting = [], 0
        # what cannot be removed is left: these files are temporary, the result is not among them
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        if self._made:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def _unwritable(self, error: OSError) -> ExtractError:
        need = self.layers * self.points * self.width * _FLOAT.itemsize
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ExtractError(
                f"The disk of {self.folder} is full: the vectors of {self.points:,} points take "
                f"{need / 1e9:.2g} GB and more are to come; free some space or write the output "
                "to another disk."
            )
        return ExtractError(
            f"The vectors for t-SNE cannot be written to {self.folder} ({error.strerror}); "
            "write the output elsewhere."
        )


def _reading(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ExtractError:
    return ExtractError(
        f"{path}, which holds vectors for t-SNE, cannot be read ({error.strerror}); run again, "
        "and leave its folder alone meanwhile."
    )


def _write(file: BinaryIO, data: FloatArray) -> None:
    """Unbuffered writes may take less than they are given."""
    view = data.reshape(-1).view(np.uint8).data
    while view:
        view = view[file.write(view) :]
