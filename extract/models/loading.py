"""Reading a model's folder, with every way this can fail said in one sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import transformers
from transformers import AutoModel, AutoModelForTextEncoding
from transformers.models.auto import modeling_auto
from transformers.utils import logging as transformers_logging

from ..errors import ExtractError
from ..saying import first_line

HeadKind = Literal["token-classification", "sequence-classification", "language-model", "seq2seq"]
"""What a head predicts; "language-model" is a causal or a masked one."""

_WITH_MASKED_HEAD = {
    f"{name}ForPreTraining" for name in ("Bert", "Albert", "MobileBert", "RoCBert")
}
# sees the token that it predicts, unless told by masks that are its own
_NO_PLAIN_LANGUAGE_MODEL = {"xlnet"}


@dataclass(frozen=True)
class HeadClass:
    """How a checkpoint with a head is loaded.

    Attributes:
        factory: name of the class of transformers that loads it.
        masked: whether the head is a masked language model's.
    """

    factory: str
    masked: bool = False


_FACTORIES: dict[HeadKind, Sequence[tuple[str, str]]] = {
    "token-classification": [("AutoModelForTokenClassification", "TOKEN_CLASSIFICATION")],
    "sequence-classification": [("AutoModelForSequenceClassification", "SEQUENCE_CLASSIFICATION")],
    "language-model": [
        ("AutoModelForCausalLM", "CAUSAL_LM"),
        ("AutoModelForMaskedLM", "MASKED_LM"),
    ],
    "seq2seq": [("AutoModelForSeq2SeqLM", "SEQ_TO_SEQ_CAUSAL_LM")],
}


def only_with_head(config: Any) -> HeadClass | None:
    """How to load a checkpoint that transformers has no base model for; None if it has one.

    Two models joined as encoder and decoder are such.
    """
    known = config.model_type in modeling_auto.MODEL_MAPPING_NAMES
    return None if known else head_class(config, "seq2seq")


def head_class(config: Any, head: HeadKind) -> HeadClass | None:
    """How to load the checkpoint with its head; None if it says of none, or of another."""
    names = set(getattr(config, "architectures", None) or ())
    two_stacks = bool(getattr(config, "is_encoder_decoder", False))
    if head == "language-model" and (two_stacks or config.model_type in _NO_PLAIN_LANGUAGE_MODEL):
        return None
    for factory, table in _FACTORIES[head]:
        mapping = getattr(modeling_auto, f"MODEL_FOR_{table}_MAPPING_NAMES")
        known = mapping.get(config.model_type, ())
        known = {known} if isinstance(known, str) else set(known)
        masked = table == "MASKED_LM"
        if names & known or (masked and known and names & _WITH_MASKED_HEAD):
            return HeadClass(factory, masked)
        remote = getattr(config, "auto_map", None) or {}
        if factory in remote and remote[factory].split(".")[-1] in names:
            return HeadClass(factory, masked)
    return None


def quiet_libraries() -> None:
    """Keeps the libraries' own bars and warnings off the terminal: errors are ours to tell."""
    library: Any = transformers_logging  # publishes no types
    library.set_verbosity_error()
    library.disable_progress_bar()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def check_folder(path: str) -> None:
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


def load_weights(path: str, config: Any, head: HeadClass | None, **options: Any) -> Any:
    """The model, in evaluation mode.

    Args:
        path: a folder, or a name on the hub.
        config: its configuration.
        head: the head it is loaded with, None for the base model.
        options: passed to transformers.

    Raises:
        ExtractError: the weights cannot be read or do not fit the configuration.
    """
    factory: Any = AutoModel if head is None else getattr(transformers, head.factory)
    if head is None and _is_encoder_alone(config):
        factory = AutoModelForTextEncoding
    mapping = getattr(factory, "_model_mapping", None)
    made: Any = mapping.get(type(config), None) if mapping is not None else factory
    if hasattr(made, "_can_set_attn_implementation") and not made._can_set_attn_implementation():
        options["attn_implementation"] = "eager"  # the only one that can say what it computed
    model, report = from_pretrained(
        factory, path, use_safetensors=True, output_loading_info=True, **options
    )
    missing = sorted(key for key in report["missing_keys"] if _matters(model, key, head))
    if missing:
        raise ExtractError(
            f"{path} lacks {len(missing)} of the weights of {type(model).__name__} "
            f"({missing[0]}, ...); its config.json does not fit its weights."
        )
    return model.eval()


def _is_encoder_alone(config: Any) -> bool:
    """Whether a checkpoint of an encoder-decoder family, such as T5, has but its encoder."""
    name = (getattr(config, "architectures", None) or [""])[0]
    two = config.model_type in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    return name.endswith("EncoderModel") or (two and name.endswith("ForTokenClassification"))


def _matters(model: Any, key: str, head: HeadClass | None) -> bool:
    """Whether a weight that a checkpoint lacks would have to be there."""
    if head is None and "pooler" in key:
        return False  # used by none but heads; task models are commonly saved without one
    # positions by formula are not saved
    return "Sinusoidal" not in type(model.get_submodule(key.rpartition(".")[0])).__name__


def from_pretrained(factory: Any, path: str, **options: Any) -> Any:
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
        what = {"AutoConfig": "configuration", "AutoTokenizer": "tokenizer"}
        part = what.get(getattr(factory, "__name__", ""), "weights")
        raise ExtractError(
            f"The {part} of {path} cannot be loaded: {first_line(error)}."
        ) from error
