"""Files of named arrays, read one array at a time: safetensors and npz."""

from __future__ import annotations

import ast
import contextlib
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import ExtractError
from .common import Unusable

MOST_NUMBERS = 1 << 32
"""An array of more numbers cannot be kept anyway; it is refused before memory is taken for it."""

_MOST_HEADER = 1 << 16
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, MemoryError)


class Arrays(Protocol):
    """Named arrays of one file.

    Attributes:
        metadata: what the file says of itself, text by name.
    """

    metadata: Mapping[str, str]

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of all arrays."""

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """One array, as float32.

        Raises:
            Unusable: it is damaged.
        """


class SafetensorsArrays:
    """A safetensors file; bfloat16 is widened."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            ExtractError: it is none.
        """
        from safetensors import safe_open

        self._path = path
        opened: Any = safe_open
        try:
            self._file = opened(str(path), framework="pt", device="cpu")
        except OSError as error:
            raise ExtractError(f"{path} cannot be read ({error.strerror or error}).") from None
        except Exception as error:  # its own class of errors, and what a stranger's header provokes
            raise ExtractError(f"{path} is no safetensors file ({error}).") from None
        self.metadata: Mapping[str, str] = self._file.metadata() or {}

    def __enter__(self) -> SafetensorsArrays:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, traceback)

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of all arrays."""
        names: list[str] = self._file.keys()
        return {name: tuple(self._file.get_slice(name).get_shape()) for name in names}

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """One array, as float32."""
        import torch

        tensor = self._file.get_tensor(name)
        if tensor.is_complex():
            raise Unusable(f'{self._path}, "{name}"', "holds complex numbers")
        return np.asarray(tensor.to(torch.float32).numpy())


class NpzArrays:
    """An npz file, as numpy writes it; never one with objects in it."""

    def __init__(self, path: Path) -> None:
        """Opens the file and reads the shapes.

        Raises:
            ExtractError: it is none.
        """
        self._path = path
        self.metadata: Mapping[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise ExtractError(f"{path} cannot be read ({error.strerror or error}).") from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise ExtractError(f"{path} is no npz file ({error}).") from None
        self._shapes: dict[str, tuple[int, ...]] = {}
        try:
            for entry in self._zip.infolist():
                if not entry.is_dir():
                    self._note(entry)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> NpzArrays:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes of all arrays."""
        return self._shapes

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """One array, as float32."""
        try:
            with self._zip.open(f"{name}.npy") as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
        except (*_DAMAGE, ValueError) as error:
            raise Unusable(f'{self._path}, "{name}"', f"is damaged ({error})") from None
        if found.shape != self._shapes[name]:
            raise Unusable(f'{self._path}, "{name}"', "is not of the shape that it says")
        return np.asarray(found, dtype=np.float32)

    def _note(self, entry: zipfile.ZipInfo) -> None:
        """Reads the head of one array; its size must be what the head says.

        Raises:
            ExtractError: it is no array of numbers, or its size cannot be.
        """
        name = entry.filename.removesuffix(".npy")
        where = f'{self._path}, "{name[:80]}"'
        if name == entry.filename:
            raise ExtractError(f"{where} is no array; an npz file holds .npy members only.")
        try:
            with self._zip.open(entry) as file:
                shape, dtype, start = _npy_head(file.read(_MOST_HEADER))
        except Exception as error:  # a head from a stranger fails in many ways
            raise ExtractError(f"{where} is no array of numpy ({error}).") from None
        if dtype.kind not in "biuf":
            raise ExtractError(
                f"{where} holds {dtype}, not plain numbers, and objects are never read; save "
                "arrays of floats."
            )
        numbers = math.prod(shape)
        if numbers > MOST_NUMBERS or start + numbers * dtype.itemsize != entry.file_size:
            raise ExtractError(f"{where} claims {shape}, which its size does not fit.")
        self._shapes[name] = shape


@contextlib.contextmanager
def opened(path: Path, kind: str) -> Iterator[Arrays]:
    """The arrays of a file, "safetensors" or "npz".

    Raises:
        ExtractError: it cannot be read.
    """
    if kind == "npz":
        with NpzArrays(path) as arrays:
            yield arrays
    else:
        with SafetensorsArrays(path) as tensors:
            yield tensors


def _npy_head(raw: bytes) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type and length of the head of an npy file, from its first bytes."""
    if raw[:6] != b"\x93NUMPY" or raw[6] not in (1, 2, 3):
        raise ValueError("it has another start")
    wide = raw[6] > 1
    (length,) = struct.unpack("<I" if wide else "<H", raw[8 : 12 if wide else 10])
    start = (12 if wide else 10) + length
    if start > len(raw):
        raise ValueError("its head is too long")
    said = ast.literal_eval(raw[12 if wide else 10 : start].decode("latin-1").strip())
    shape, descr = said["shape"], said["descr"]
    if not isinstance(descr, str):
        raise ValueError("it has fields")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("its shape is none")
    return shape, np.dtype(descr), start
