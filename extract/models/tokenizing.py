"""Loading a tokenizer, and what a file says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from collateral.schema import TokenInfo

from ..errors import ExtractError
from .loading import from_pretrained

_SEPARATORS = ("sep_token_id", "eos_token_id")


def load_tokenizer(path: str, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model.

    Raises:
        ExtractError: there is none, or it cannot say where its tokens stand in the text.
    """
    _check_files(path)
    tokenizer = from_pretrained(AutoTokenizer, path, trust_remote_code=trust_remote_code)
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
    ends = [getattr(tokenizer, name) for name in _SEPARATORS]
    separator = next((int(i) for i in ends if i is not None and i in added), None)
    info = TokenInfo(
        special=tuple(tokenizer.convert_ids_to_tokens(added)),
        separator="" if separator is None else tokenizer.convert_ids_to_tokens(separator),
        continuation=prefix or "",
        word_start=starts[0] if starts else "",
    )
    return info, separator


def _check_files(path: str) -> None:
    """Without its files a library makes a tokenizer up that knows no word."""
    folder = Path(path).expanduser()
    kinds = ("tokenizer.json", "vocab.*", "*.model", "merges.txt", "*.tiktoken", "*.py")
    if folder.is_dir() and not any(any(folder.glob(kind)) for kind in kinds):
        raise ExtractError(
            f"The model folder {path} holds no tokenizer (tokenizer.json); save it there as well."
        )
