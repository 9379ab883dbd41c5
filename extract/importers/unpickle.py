"""Torch-saved files from strangers: data is read, code never runs.

``torch.load(weights_only=True)`` interprets the pickle itself and calls nothing that is not on a
list. Numpy's functions are not on it; here stand-ins of ours are, which keep shape, type and bytes
and check them, so that not even numpy's own reconstruction sees what a stranger wrote. A file that
needs more is refused.
"""

from __future__ import annotations

import codecs
import math
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..errors import ExtractError

SAVE_AGAIN = (
    "where it was made, keep only tensors, numbers and texts and save it again: "
    "torch.save({str(i): {'attentions': [torch.as_tensor(a) for a in d['attentions']], "
    "'tokens': [str(t) for t in d['tokens']]} for i, d in data.items()}, 'safe.pt'), or as "
    "safetensors: safetensors.torch.save_file({f'attention/{i}': torch.stack([torch.as_tensor(a) "
    "for a in d['attentions']]) for i, d in data.items()}, 'safe.safetensors') with the tokens in "
    "JSON Lines, for interpret-extract import safetensors (docs/import.md)"
)
"""What to do with a file that cannot be read without running code."""

_WANTED = "--collateral takes a dictionary that torch.save wrote"
_START = 4096
"""Bytes that tell what a file is."""
_SAVED = (b"PK\x03\x04", b"\x80")
"""What files of torch.save begin with: a zip archive, or the pickle of an old torch."""

_KINDS = re.compile(r"[<>=|]?(b1|\?|[iu][1248]|f[248]|U\d{1,4}|O8?)\Z")
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


class Refused(Exception):
    """What a file holds cannot be used as data; the message goes on after the place's name."""


class DtypeStandIn:
    """Stands for ``numpy.dtype``: a code such as "f4", and an order of bytes that comes later."""

    def __init__(self, code: object = "", *_: object) -> None:
        if not isinstance(code, str) or not _KINDS.match(code):
            raise Refused(f"holds an array of the type {str(code)[:40]!r}")
        self._code = code.lstrip("<>=|")
        self._order = "<"

    def __setstate__(self, state: object) -> None:
        """Takes the order of bytes, the second entry of numpy's own state."""
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self._order = ">"

    @property
    def dtype(self) -> npt.DTypeLike:
        """The type, for numpy."""
        return "O" if self._code[0] == "O" else self._order + self._code


class ArrayStandIn:
    """Stands for ``numpy.ndarray``; holds an array once its state has come.

    Attributes:
        values: the array, read-only where it lies over the file's own bytes.
    """

    def __init__(self, *_: object) -> None:
        self.values: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: object) -> None:
        """Takes numpy's state of an array: version, shape, type, order, bytes.

        Raises:
            Refused: it contradicts itself.
        """
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("holds an array without its five parts")
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, DtypeStandIn) or not _is_shape(shape):
            raise Refused("holds an array without a shape or a type")
        if kind.dtype == "O":
            self.values = _objects(shape, raw)
            return
        if not isinstance(raw, (bytes, bytearray)):
            raise Refused("holds an array without bytes")
        dtype = np.dtype(kind.dtype)
        if len(raw) != math.prod(shape) * dtype.itemsize:
            raise Refused(f"holds an array of shape {shape} in {len(raw)} bytes")
        flat = np.frombuffer(raw, dtype=dtype)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def load(path: Path) -> Any:
    """The object in a torch-saved file, with arrays as :class:`ArrayStandIn`.

    A file in today's format is mapped, not read: tensors come from the disk when they are used.

    Raises:
        ExtractError: it cannot be read, or not without running code.
    """
    try:
        check_written_by_torch(path)
        zipped = zipfile.is_zipfile(path)
        if zipped:
            _check_zip(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_stand_ins()):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except ExtractError:
        raise
    except OSError as error:
        raise ExtractError(f"{path} cannot be read ({error.strerror or error}).") from error
    except MemoryError as error:
        raise ExtractError(f"{path} does not fit into memory.") from error
    except Exception as error:  # a hostile or damaged file fails in any way it likes
        raise ExtractError(_refusal(path, error)) from error


def check_written_by_torch(path: Path) -> None:
    """Whether a file begins as one of ``torch.save`` does, so that others are called what they are.

    Raises:
        ExtractError: it does not; with what it is instead.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    if not start:
        raise ExtractError(f"{path} is empty; {_WANTED}.")
    if is_text(start):
        raise ExtractError(
            f"{path} is a text file, not one of torch.save; a table (CSV) is given with --table."
        )
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        raise ExtractError(
            f"{path} is a safetensors file; take interpret-extract import safetensors for it."
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if names and all(name.endswith(".npy") for name in names):
            raise ExtractError(f"{path} is an npz file; take interpret-extract import npz for it.")
        if not any(name.endswith("data.pkl") for name in names):
            raise ExtractError(f"{path} is a zip archive, but none of torch.save; {_WANTED}.")
    elif not start.startswith(_SAVED):
        raise ExtractError(f"{path} is no file of torch.save; {_WANTED}.")


def is_text(start: bytes) -> bool:
    """Whether a file that begins so is one of text: UTF-8 without control codes."""
    text = codecs.getincrementaldecoder("utf-8")()
    try:
        found = text.decode(start)
    except UnicodeDecodeError:
        return False
    return all(one >= " " or one in "\t\r\n\f" for one in found)


def array(value: object) -> npt.NDArray[Any]:
    """Numbers from a file as an array: a tensor, an array, or nested lists of numbers.

    Half precision that numpy lacks (bfloat16) is widened.

    Raises:
        Refused: it is something else.
    """
    if isinstance(value, torch.Tensor):
        return _from_tensor(value)
    if isinstance(value, ArrayStandIn):
        found = value.values
    elif isinstance(value, (list, tuple, int, float)):
        try:
            found = np.array(value)
        except (ValueError, TypeError, RuntimeError, RecursionError, MemoryError):
            raise Refused("holds something else than numbers of one shape") from None
    else:
        raise Refused(f"is no array but {type(value).__name__}")
    if found.dtype.kind not in "biuf":
        raise Refused("holds something else than numbers")
    return found


def texts(value: object) -> list[str]:
    """A list of texts from a file: a list, or an array of texts.

    Raises:
        Refused: it is something else.
    """
    if isinstance(value, ArrayStandIn) and value.values.ndim == 1:
        value = value.values.tolist()
    if not isinstance(value, (list, tuple)):
        raise Refused(f"must be a list of texts, not {type(value).__name__}")
    made = [plain(one) for one in value]
    if not all(isinstance(one, str) for one in made):
        raise Refused("must be a list of texts; it holds something else")
    found = [str(one) for one in made]
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise Refused("holds half of a surrogate pair, which is no text") from None
    return found


def plain(value: object) -> object:
    """A scalar as Python has it: tensors and arrays of one number become that number."""
    if isinstance(value, torch.Tensor) and value.numel() == 1 and value.device.type == "cpu":
        return value.item()
    if isinstance(value, ArrayStandIn) and value.values.size == 1:
        return value.values.item()
    return value


def _from_tensor(value: torch.Tensor) -> npt.NDArray[Any]:
    usable = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
    if not usable or value.is_complex():
        raise Refused("is a tensor of an unusual kind; save a plain one")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise Refused(
            f"claims {tuple(value.shape)} numbers, but the file holds fewer; save it as "
            "tensor.contiguous()"
        )
    bare = value.detach()
    if bare.dtype == torch.bfloat16:
        bare = bare.to(torch.float32)
    try:
        return np.asarray(bare.resolve_conj().resolve_neg().numpy())
    except (TypeError, RuntimeError):
        raise Refused(f"is a tensor of {value.dtype}; save it as float32") from None


def _stand_ins() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What the names of numpy in a pickle mean here."""
    made: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (ArrayStandIn, "numpy.ndarray"),
        (DtypeStandIn, "numpy.dtype"),
        (_no_bytes, "builtins.bytes"),
    ]
    for module in _MODULES:
        made += [(_reconstruct, f"{module}._reconstruct"), (_scalar, f"{module}.scalar")]
    return made


def _reconstruct(*_: object) -> ArrayStandIn:
    """Stands for numpy's function of that name, whose arguments say nothing that is needed."""
    return ArrayStandIn()


def _no_bytes(*arguments: object) -> bytes:
    """Stands for ``bytes``, which empty arrays call without arguments."""
    if arguments:
        raise Refused("holds bytes that are to be made by a call")
    return b""


def _scalar(kind: object, raw: object = b"") -> object:
    """Stands for numpy's function that makes a single number or text."""
    made = ArrayStandIn()
    made.__setstate__((1, (), kind, False, raw))
    return made.values.item()


def _objects(shape: tuple[int, ...], raw: object) -> npt.NDArray[Any]:
    if not isinstance(raw, list) or shape != (len(raw),):
        raise Refused("holds an array of objects that is no plain list")
    made = np.empty(len(raw), dtype=object)
    for i, one in enumerate(raw):
        made[i] = one
    return made


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)


def _check_zip(path: Path) -> None:
    """Sizes that cannot be: torch stores its records as they are, side by side.

    Raises:
        ExtractError: records are compressed, or larger together than the file.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ExtractError(
            f"{path} holds compressed records, which torch.save does not write; {SAVE_AGAIN}."
        )
    total, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if total > size:
        raise ExtractError(
            f"{path} claims {total:,} bytes in its records but has {size:,}; it is damaged, or "
            "made to fill the memory."
        )


def _refusal(path: Path, error: Exception) -> str:
    said = f"{error}"
    wanted = re.search(r"GLOBAL ([\w.]+)", said) or re.search(r"function <\S+ (\S+?)[ >]", said)
    if wanted:
        return (
            f"{path} asks for {wanted[1][:80]} to be called, and code in files is never run; "
            f"{SAVE_AGAIN}."
        )
    if isinstance(error, Refused):
        return f"{path} {said}; {SAVE_AGAIN}."
    return (
        f"{path} is not read as a plain file of torch.save ({_why(said)}), and no other way is "
        f"safe; if it is whole, {SAVE_AGAIN}."
    )


def _why(said: str) -> str:
    """What torch says went wrong, without its advice to load unsafely."""
    if "Unsupported operand" in said or "magic number" in said:
        return "it is a pickle of another kind"
    if "Weights only load failed" in said:
        said = said.partition("WeightsUnpickler error:")[2].partition("Check the doc")[0]
    return " ".join(said.split())[:100].rstrip(". ") or "it is damaged, or something else"
