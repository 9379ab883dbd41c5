"""A model that is ready to run: loading it and its tokenizer, and what a file says of both."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from collateral.schema import AttentionKind, ModelInfo, TokenInfo

from . import anatomy as parts
from .anatomy import Anatomy, anatomy_of
from .errors import ExtractError, UsageError
from .loading import (
    HeadClass,
    HeadKind,
    check_folder,
    from_pretrained,
    head_class,
    load_weights,
    quiet_libraries,
)
from .probe import probe
from .tokenizing import describe_tokenizer, load_tokenizer

__all__ = ["DTYPES", "HeadKind", "LoadedModel", "choose_device", "describe", "load"]

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
VERSIONS = ("torch", "transformers", "tokenizers", "openTSNE", "numpy")
_GENERIC_NAMES = {"model", "checkpoint", "final", "output"}


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to run, and what a file says of it.

    Attributes:
        anatomy: the model and its parts.
        tokenizer: a fast tokenizer.
        info: goes into the file.
        tokens: conventions of the tokenizer, into the file.
        head: what the model's head predicts, None without one.
        masked: whether a language model's head is a masked one.
        labels: of a classification head, by number.
        kinds: kinds of attention.
        layers_of: number of layers by side.
        calls: layers by side and calls of attention by kind, in every run.
        separator_id: number of the separator token, None if the tokenizer adds none.
        pad_id: number that fills a batch; masked, so any would do.
        start_id: number that a decoder's input starts with, None for other models.
        max_length: most tokens the model takes, None if it has no limit.
        device: where the model's input goes.
    """

    anatomy: Anatomy
    tokenizer: Any
    info: ModelInfo
    tokens: TokenInfo
    head: HeadKind | None
    masked: bool
    labels: tuple[str, ...]
    kinds: tuple[AttentionKind, ...]
    layers_of: Mapping[str, int]
    calls: Mapping[str, int]
    separator_id: int | None
    pad_id: int
    start_id: int | None
    max_length: int | None
    device: torch.device

    @property
    def model(self) -> Any:
        """What is run: with its head if it has one."""
        return self.anatomy.model

    @property
    def base(self) -> Any:
        """The model without a head, or the model itself."""
        return self.anatomy.base

    @property
    def sides(self) -> tuple[str, ...]:
        """("text",), or ("source", "target") of an encoder-decoder."""
        return self.anatomy.sides

    @property
    def causal(self) -> bool:
        """Whether a token of the last side sees only what is before it."""
        return next(kind for kind in self.kinds if kind.queries == self.sides[-1]).causal


def choose_device(name: str) -> torch.device:
    """The device called ``name``; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f'There is no device "{name}"; --device takes auto, cpu, cuda, cuda:N or mps.'
        ) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise UsageError(f'The device "{name}" is not supported; take auto, cpu, cuda or mps.')
    count = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= count.get(device.type, 1):
        raise UsageError(f'There is no device "{name}" on this machine; try --device cpu.')
    return device


def load(
    path: str,
    *,
    head: HeadKind | None = None,
    name: str = "",
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    trust_remote_code: bool = False,
    device_map: str | None = None,
    side: str = parts.TARGET,
) -> LoadedModel:
    """Loads a model and its tokenizer and tries them once.

    Args:
        path: a folder, or a name on the hub.
        head: the head that is wanted; loaded if the checkpoint has it.
        name: for people; empty takes the last part of ``path``.
        device: where to run.
        dtype: "auto" is float32 on a CPU and the checkpoint's own type elsewhere.
        trust_remote_code: run code that comes with the model.
        device_map: "auto" spreads the model over all devices.
        side: of an encoder-decoder, whose layers the file's hidden states are.

    Raises:
        ExtractError: no such model, no weights, a slow tokenizer, an unsupported architecture.
    """
    quiet_libraries()
    device = torch.device(device)
    check_folder(path)
    config = from_pretrained(AutoConfig, path, trust_remote_code=trust_remote_code)
    found = None if head is None else head_class(config, head)
    tokenizer = load_tokenizer(path, trust_remote_code=trust_remote_code)
    wanted = "float32" if dtype == "auto" and device.type == "cpu" else dtype
    options: dict[str, Any] = {
        "dtype": DTYPES.get(wanted, "auto"),
        "trust_remote_code": trust_remote_code,
    }
    if device_map is not None:
        options["device_map"] = device_map
    model = load_weights(path, config, found, **options)
    if device_map is None:
        model = model.to(device)
    try:
        return describe(
            model, tokenizer, name or _short_name(path), head=head, loaded_as=found, side=side
        )
    except (ExtractError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what is no text model fails in as many ways as there are models
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExtractError(
            f"{path} is a {type(model).__name__}, which is not supported yet: only models that are "
            f"stacks of attention layers over text are ({first.rstrip('.')})."
        ) from error


def describe(
    model: Any,
    tokenizer: Any,
    name: str,
    *,
    head: HeadKind | None = None,
    loaded_as: HeadClass | None = None,
    side: str = parts.TARGET,
) -> LoadedModel:
    """What a file says of a model and tokenizer that are loaded already; tries them once.

    Args:
        model: of transformers, in evaluation mode.
        tokenizer: a fast one.
        name: for people.
        head: which head was asked for.
        loaded_as: how the model was loaded with it, None if it has no such head.
        side: of an encoder-decoder, whose layers the file's hidden states are.

    Raises:
        ExtractError: the architecture is not supported.
    """
    device = model.get_input_embeddings().weight.device
    anatomy = anatomy_of(model)
    probed = probe(anatomy, device)
    side = side if side in anatomy.sides else anatomy.sides[-1]
    stack = anatomy.stacks[anatomy.sides.index(side)]
    info = ModelInfo(
        name=name,
        architecture=type(model).__name__,
        layers=probed.calls[side],
        heads=probed.heads[stack.kinds[0]],
        hidden_size=probed.width[side],
        revision=getattr(model.config, "_commit_hash", None) or "",
        attention="interface" if anatomy.interface else "eager",
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        versions={package: importlib.metadata.version(package) for package in VERSIONS},
    )
    tokens, separator_id = describe_tokenizer(tokenizer)
    pad = tokenizer.pad_token_id
    kinds = tuple(
        AttentionKind(
            kind,
            probed.calls[kind],
            probed.heads[kind],
            probed.causal[kind],
            parts.QUERIES[kind],
            parts.KEYS[kind],
        )
        for kind in anatomy.kinds
    )
    return LoadedModel(
        anatomy=anatomy,
        tokenizer=tokenizer,
        info=info,
        tokens=tokens,
        head=None if loaded_as is None else head,
        masked=loaded_as is not None and loaded_as.masked,
        labels=_labels(model, head) if loaded_as is not None else (),
        kinds=kinds,
        layers_of={one: probed.calls[one] for one in anatomy.sides},
        calls=probed.calls,
        separator_id=separator_id,
        pad_id=0 if pad is None else int(pad),
        start_id=_start_id(model) if anatomy.encoder_decoder else None,
        max_length=_max_length(model, tokenizer),
        device=device,
    )


def _labels(model: Any, head: HeadKind | None) -> tuple[str, ...]:
    if head not in ("token-classification", "sequence-classification"):
        return ()
    names = model.config.id2label
    return tuple(str(names[number]) for number in sorted(names))


def _start_id(model: Any) -> int:
    for config in (getattr(model, "generation_config", None), model.config):
        start = getattr(config, "decoder_start_token_id", None)
        if isinstance(start, int):
            return start
    raise ExtractError(
        f"The config.json of {type(model).__name__} does not say which token its decoder starts "
        "with (decoder_start_token_id)."
    )


def _short_name(path: str) -> str:
    names = [part for part in Path(path).expanduser().absolute().parts if part != "/"]
    if not Path(path).expanduser().exists() or not names:
        return path
    return names[-2] if names[-1] in _GENERIC_NAMES and len(names) > 1 else names[-1]


def _max_length(model: Any, tokenizer: Any) -> int | None:
    """Most tokens a model takes; tokenizers say "very many" where they do not know."""
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.split(".")[-1] == "position_embeddings" and padding is not None:
            # RoBERTa and its kin count positions from the one after padding's
            limits.append(module.num_embeddings - padding - 1)
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 10**9]
    return min(known) if known else None
