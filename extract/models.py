"""Loading a model and its tokenizer, with every way this can fail said in one sentence."""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from collateral.schema import AttentionKind, ModelInfo, TokenInfo

from .capture import watching
from .errors import ExtractError, UsageError

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
        model: the base encoder or decoder, in evaluation mode, on its device.
        tokenizer: a fast tokenizer.
        info: goes into the file.
        tokens: conventions of the tokenizer, into the file.
        kinds: kinds of attention.
        separator_id: number of the separator token, None if the tokenizer adds none.
        pad_id: number that fills a batch; masked, so any would do.
        max_length: most tokens the model takes, None if it has no limit.
        device: where the model is.
    """

    model: Any
    tokenizer: Any
    info: ModelInfo
    tokens: TokenInfo
    kinds: tuple[AttentionKind, ...]
    separator_id: int | None
    pad_id: int
    max_length: int | None
    device: torch.device

    @property
    def causal(self) -> bool:
        """Whether a token sees only what is before it."""
        return self.kinds[0].causal


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
    name: str = "",
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    trust_remote_code: bool = False,
) -> LoadedModel:
    """Loads a model and its tokenizer and tries them once.

    Args:
        path: a folder, or a name on the hub.
        name: for people; empty takes the last part of ``path``.
        device: where to run.
        dtype: "auto" is float32 on a CPU and the checkpoint's own type elsewhere.
        trust_remote_code: run code that comes with the model.

    Raises:
        ExtractError: no such model, no weights, a slow tokenizer, an unsupported architecture.
    """
    quiet_libraries()
    device = torch.device(device)
    _check_folder(path)
    config = _from(AutoConfig, path, trust_remote_code=trust_remote_code)
    if getattr(config, "is_encoder_decoder", False):
        kind = type(config).__name__.removesuffix("Config")
        raise ExtractError(
            f"{path} is an encoder-decoder ({kind}); only single-stack models are supported yet."
        )
    tokenizer = load_tokenizer(path, trust_remote_code=trust_remote_code)
    wanted = "float32" if dtype == "auto" and device.type == "cpu" else dtype
    model = _load_weights(path, DTYPES.get(wanted, "auto"), trust_remote_code).to(device).eval()
    try:
        return describe(model, tokenizer, name or _short_name(path))
    except (ExtractError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what is no text model fails in as many ways as there are models
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExtractError(
            f"{path} is a {type(model).__name__}, which is not supported yet: only models that are "
            f"one stack of attention layers over text are ({first.rstrip('.')})."
        ) from error


def describe(model: Any, tokenizer: Any, name: str) -> LoadedModel:
    """What a file says of a model and tokenizer that are loaded already; tries them once."""
    config = model.config
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    device = next(model.parameters()).device
    causal = _is_causal(model, layers, heads, device)
    info = ModelInfo(
        name=name,
        architecture=type(model).__name__,
        layers=layers,
        heads=heads,
        hidden_size=config.hidden_size,
        revision=getattr(config, "_commit_hash", None) or "",
        attention="interface",
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        versions={package: importlib.metadata.version(package) for package in VERSIONS},
    )
    tokens, separator_id = describe_tokenizer(tokenizer)
    pad = tokenizer.pad_token_id
    kind = AttentionKind("self", layers, heads, causal)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        info=info,
        tokens=tokens,
        kinds=(kind,),
        separator_id=separator_id,
        pad_id=0 if pad is None else int(pad),
        max_length=_max_length(model, tokenizer),
        device=device,
    )


def load_tokenizer(path: str, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model.

    Raises:
        ExtractError: there is none, or it cannot say where its tokens stand in the text.
    """
    _check_tokenizer_files(path)
    tokenizer = _from(AutoTokenizer, path, trust_remote_code=trust_remote_code)
    if not getattr(tokenizer, "is_fast", False):
        raise ExtractError(
            f"The tokenizer of {path} ({type(tokenizer).__name__}) is a slow one that cannot say "
            "where its tokens stand in the text; save a fast one (tokenizer.json) beside the model."
        )
    return tokenizer


def describe_tokenizer(tokenizer: Any) -> tuple[TokenInfo, int | None]:
    """Conventions of a fast tokenizer, and the number of its separator if it adds one."""
    probe = tokenizer("a b")["input_ids"]
    added = [i for i in dict.fromkeys(probe) if i in set(tokenizer.all_special_ids)]
    plain = tokenizer.convert_ids_to_tokens(tokenizer("a b", add_special_tokens=False)["input_ids"])
    starts = [mark for mark in ("Ġ", "▁") if any(token.startswith(mark) for token in plain)]
    prefix = getattr(tokenizer.backend_tokenizer.model, "continuing_subword_prefix", None)
    ends = (tokenizer.sep_token_id, tokenizer.eos_token_id)
    separator = next((int(i) for i in ends if i is not None and i in added), None)
    info = TokenInfo(
        special=tuple(tokenizer.convert_ids_to_tokens(added)),
        separator="" if separator is None else tokenizer.convert_ids_to_tokens(separator),
        continuation=prefix or "",
        word_start=starts[0] if starts else "",
    )
    return info, separator


def quiet_libraries() -> None:
    """Keeps the libraries' own bars and warnings off the terminal: errors are ours to tell."""
    library: Any = transformers_logging  # publishes no types
    library.set_verbosity_error()
    library.disable_progress_bar()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _check_folder(path: str) -> None:
    """Says what is wrong with a folder before a library says it in forty lines."""
    folder = Path(path).expanduser()
    if not folder.exists():
        if path.startswith((".", "/", "~")) or path.count("/") > 1:
            raise ExtractError(f"There is no model folder {path}; check the path of --model.")
        return
    if not folder.is_dir():
        raise ExtractError(f"{path} is a file; --model takes the folder that holds config.json.")
    if not (folder / "config.json").is_file():
        raise ExtractError(f"{path} is no model folder: it holds no config.json.")
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin"))
        advice = (
            "only pickled ones (*.bin), which are never loaded; save it again with "
            "safe_serialization"
            if pickled
            else "save the model there again"
        )
        raise ExtractError(f"The model folder {path} holds no weights (*.safetensors): {advice}.")


def _check_tokenizer_files(path: str) -> None:
    """Without its files a library makes a tokenizer up that knows no word."""
    folder = Path(path).expanduser()
    kinds = ("tokenizer.json", "vocab.*", "*.model", "merges.txt", "*.tiktoken", "*.py")
    if folder.is_dir() and not any(any(folder.glob(kind)) for kind in kinds):
        raise ExtractError(
            f"The model folder {path} holds no tokenizer (tokenizer.json); save it there as well."
        )


def _load_weights(path: str, dtype: Any, trust_remote_code: bool) -> Any:
    model, report = _from(
        AutoModel,
        path,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        use_safetensors=True,
        output_loading_info=True,
    )
    # a pooler is not used here, and task models are commonly saved without one
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)
    if missing:
        raise ExtractError(
            f"{path} lacks {len(missing)} of the weights of {type(model).__name__} "
            f"({missing[0]}, ...); its config.json does not fit its weights."
        )
    return model


def _from(factory: Any, path: str, **options: Any) -> Any:
    """``factory.from_pretrained`` with its errors in one sentence."""
    try:
        return factory.from_pretrained(str(Path(path).expanduser()), **options)
    except Exception as error:  # a model's files are foreign: they fail in any way there is
        if "trust_remote_code" in str(error):
            raise ExtractError(
                f"{path} brings code of its own; if you trust it, give --trust-remote-code."
            ) from error
        if not Path(path).expanduser().exists():
            offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
            raise ExtractError(
                f"There is no folder {path}, and no such model could be had from the hub{offline}."
            ) from error
        what = {"AutoConfig": "configuration", "AutoTokenizer": "tokenizer", "AutoModel": "weights"}
        part = what.get(getattr(factory, "__name__", ""), "model")
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise ExtractError(
            f"The {part} of {path} cannot be loaded: {first[0].rstrip('.')}."
        ) from error


def _short_name(path: str) -> str:
    parts = [part for part in Path(path).expanduser().absolute().parts if part != "/"]
    if not Path(path).expanduser().exists() or not parts:
        return path
    return parts[-2] if parts[-1] in _GENERIC_NAMES and len(parts) > 1 else parts[-1]


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


class _Probe:
    """Looks whether any token sees one after it."""

    def __init__(self) -> None:
        self.causal = True
        self.heads: set[int] = set()

    def attention(self, layer: int, weights: torch.Tensor) -> None:
        """Looks at one layer's weights."""
        self.heads.add(weights.shape[1])
        self.causal &= not bool(weights.triu(1).any())

    def hidden(self, layer: int, states: torch.Tensor) -> None:
        """Does not matter here."""


def _is_causal(model: Any, layers: int, heads: int, device: torch.device) -> bool:
    """Runs a few tokens, which also proves that attention can be captured."""
    probe = _Probe()
    known = model.get_input_embeddings().num_embeddings
    batch = torch.arange(4, device=device)[None] % known
    with watching(model, layers) as watch:
        watch.run({"input_ids": batch, "attention_mask": torch.ones_like(batch)}, probe)
    if probe.heads != {heads}:
        raise ExtractError(
            f"{type(model).__name__} has layers with different numbers of heads, which is not "
            "supported yet."
        )
    return probe.causal
