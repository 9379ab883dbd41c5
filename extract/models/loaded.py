"""A model that is ready to run: loading it and its tokenizer, and what a file says of both."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from collateral.schema import AttentionKind, ModelInfo, TokenInfo

from ..errors import ExtractError, UsageError
from ..saying import first_line
from . import anatomy as parts
from .allocation import keep_freed_memory
from .anatomy import Anatomy
from .chunked_head import ChunkedHead
from .families import refuse_by_name
from .loading import (
    HeadClass,
    HeadKind,
    check_folder,
    from_pretrained,
    head_class,
    load_weights,
    only_with_head,
    quiet_libraries,
)
from .probe import Probed, probe
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
        probed: what a trial run has shown.
        tokenizer: a fast tokenizer.
        info: goes into the file.
        tokens: conventions of the tokenizer, into the file.
        head: what the model's head predicts, None without one.
        masked: whether a language model's head is a masked one.
        labels: of a classification head, by number.
        kinds: kinds of attention.
        side: the tokens whose hidden states the file has, one of ``sides``.
        layers_of: number of layers by side.
        separator_id: number of the separator token, None if the tokenizer adds none.
        pad_id: number that fills a batch; masked, so any would do.
        own_pad_id: number that the checkpoint itself pads with, None if it names none.
        start_id: number that a decoder's input starts with, None for other models.
        max_length: most tokens the model takes, None if it has no limit.
        device: where the model's input goes.
    """

    anatomy: Anatomy
    probed: Probed
    tokenizer: Any
    info: ModelInfo
    tokens: TokenInfo
    head: HeadKind | None
    masked: bool
    labels: tuple[str, ...]
    kinds: tuple[AttentionKind, ...]
    side: str
    layers_of: Mapping[str, int]
    separator_id: int | None
    pad_id: int
    own_pad_id: int | None
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
    def value_norms(self) -> bool:
        """Whether norms of values can be had."""
        return bool(self.probed.projections)

    @property
    def logits(self) -> ChunkedHead | None:
        """From last hidden states [batch, positions, width] to logits of the same positions.

        None without a language model's head, and where a head cannot be run alone: then the whole
        model must be (``Watch.run(..., full=True)``).
        """
        return self.probed.logits

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
    if device.type == "cpu":
        keep_freed_memory()
    check_folder(path)
    config = from_pretrained(AutoConfig, path, trust_remote_code=trust_remote_code)
    refuse_by_name(path, config)
    found = None if head is None else head_class(config, head)
    tokenizer = load_tokenizer(path, trust_remote_code=trust_remote_code)
    wanted = "float32" if dtype == "auto" and device.type == "cpu" else dtype
    options = {"trust_remote_code": trust_remote_code, **_spread(device_map)}
    forced = only_with_head(config) if found is None else None
    model = load_weights(path, config, found or forced, dtype=DTYPES.get(wanted, "auto"), **options)
    if device_map is None:
        model = model.to(device)
    try:
        return describe(
            model,
            tokenizer,
            name or _short_name(path),
            head="seq2seq" if forced else head,
            loaded_as=found or forced,
            side=side,
        )
    except (ExtractError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what is no text model fails in as many ways as there are models
        raise _unsupported(path, model, error) from error


def _spread(device_map: str | None) -> dict[str, Any]:
    """Options that spread a model over devices, none if it is not to be."""
    if device_map is None:
        return {}
    if importlib.util.find_spec("accelerate") is None:
        raise ExtractError(
            "Spreading a model over devices needs accelerate: pip install accelerate."
        )
    return {"device_map": device_map}


def _unsupported(path: str, model: Any, error: Exception) -> ExtractError:
    """What to say of a model whose trial run failed."""
    half = {weight.dtype for weight in model.parameters()} & {torch.float16, torch.bfloat16}
    if half:
        return ExtractError(
            f"{path} is a {type(model).__name__}, which cannot be run in "
            f"{str(half.pop()).removeprefix('torch.')} ({first_line(error)}); try --dtype float32."
        )
    return ExtractError(
        f"{path} is a {type(model).__name__}, which is not supported: only models that are "
        f"stacks of attention layers over text are ({first_line(error)})."
    )


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
    if model.main_input_name != "input_ids":
        raise ExtractError(
            f"{type(model).__name__} reads {model.main_input_name}, not text; it is not supported."
        )
    device = _input_device(model)
    predicts_tokens = loaded_as is not None and head in ("language-model", "seq2seq")
    anatomy, probed = probe(
        model, device, headed=loaded_as is not None, language_model=predicts_tokens
    )
    side = side if side in anatomy.sides else anatomy.sides[-1]
    tokens, separator_id = describe_tokenizer(tokenizer)
    pad_id = _pad_id(model, tokenizer)
    own_pad_id = _own_pad_id(model)  # before it is changed
    if loaded_as is not None and head == "sequence-classification":
        model.config.pad_token_id = pad_id  # a decoder without one classifies no batches
    return LoadedModel(
        anatomy=anatomy,
        probed=probed,
        tokenizer=tokenizer,
        info=_info(model, name, anatomy, probed, side),
        tokens=tokens,
        head=None if loaded_as is None else head,
        masked=loaded_as is not None and loaded_as.masked,
        labels=_labels(model, head) if loaded_as is not None else (),
        kinds=_kinds(anatomy, probed),
        side=side,
        layers_of={one: probed.calls[one] for one in anatomy.sides},
        separator_id=separator_id,
        pad_id=pad_id,
        own_pad_id=own_pad_id,
        start_id=_start_id(model) if anatomy.encoder_decoder else None,
        max_length=_max_length(model, tokenizer),
        device=device,
    )


def _info(model: Any, name: str, anatomy: Anatomy, probed: Probed, side: str) -> ModelInfo:
    """What a file says of the model."""
    stack = anatomy.stacks[anatomy.sides.index(side)]
    return ModelInfo(
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


def _kinds(anatomy: Anatomy, probed: Probed) -> tuple[AttentionKind, ...]:
    return tuple(
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


def _labels(model: Any, head: HeadKind | None) -> tuple[str, ...]:
    if head not in ("token-classification", "sequence-classification"):
        return ()
    names = model.config.id2label
    return tuple(str(names[number]) for number in sorted(names))


def _pad_id(model: Any, tokenizer: Any) -> int:
    """A number to fill batches with: the model's own, as a decoder's classifier looks for it."""
    known = model.get_input_embeddings().num_embeddings
    choices = (getattr(model.config, "pad_token_id", None), tokenizer.pad_token_id)
    return next((x for x in choices if isinstance(x, int) and 0 <= x < known), 0)


def _own_pad_id(model: Any) -> int | None:
    own = getattr(model.config, "pad_token_id", None)
    return own if isinstance(own, int) else None


def _input_device(model: Any) -> torch.device:
    """Where a model's input goes; what is offloaded has no weights that would tell."""
    embeddings = model.get_input_embeddings()
    placed = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
    device: torch.device = embeddings.weight.device
    return device if placed is None else torch.device(placed)


def _start_id(model: Any) -> int:
    for name in ("decoder_start_token_id", "bos_token_id"):  # as transformers' own generation does
        for config in (getattr(model, "generation_config", None), model.config):
            start = getattr(config, name, None)
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
    config = model.config
    limits = [tokenizer.model_max_length]
    configs = (config, getattr(config, "text_config", None))
    limits += [getattr(one, "max_position_embeddings", None) for one in configs]
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.split(".")[-1] == "position_embeddings" and padding is not None:
            # RoBERTa and its kin count positions from the one after padding's
            limits.append(module.num_embeddings - padding - 1)
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known) if known else None
