"""Letting a model write before it is looked at: prompts in, whole examples out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import GenerationConfig

from ..data.encoding import Encoded
from ..errors import ExtractError, OutOfMemory, is_out_of_memory

if TYPE_CHECKING:
    from ..models import LoadedModel

_CONTEXT = 8
"""Tokens of the prompt that written ones are decoded after: a first one may lose its space."""

_KEPT = (
    *("bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_bos_token_id"),
    "bad_words_ids",
)
"""What of a checkpoint's own settings holds here, too: not penalties, not least lengths."""


def can_write(loaded: LoadedModel) -> None:
    """Whether a model can go on with a text.

    Raises:
        ExtractError: it cannot.
    """
    if loaded.masked:
        raise ExtractError(
            f"{loaded.info.name} ({loaded.info.architecture}) fills gaps and cannot go on with a "
            "text; leave --generate out."
        )
    if loaded.head not in ("language-model", "seq2seq"):
        raise ExtractError(
            f"{loaded.info.name} ({loaded.info.architecture}) cannot write: the checkpoint has no "
            "head that predicts the next token; leave --generate out."
        )


def generate(loaded: LoadedModel, prompts: Sequence[Encoded], most: int) -> list[list[int]]:
    """What a model with a head goes on to write, token by token the likeliest (greedy).

    Args:
        loaded: a causal language model, or an encoder-decoder, whose prompts are the sources.
        prompts: tokens of each prompt, all of which are written after at once.
        most: tokens to write at most; the end-of-text token ends a text and is not given.

    Returns:
        Numbers of the new tokens of each prompt.

    Raises:
        ExtractError: the model cannot write.
        OutOfMemory: the device's memory is too small for so many prompts.
    """
    can_write(loaded)
    if not prompts:
        return []
    with _plainly(loaded):
        try:
            return _generate(loaded, [prompt.ids for prompt in prompts], most)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(str(error)) from error


@contextmanager
def _plainly(loaded: LoadedModel) -> Iterator[None]:
    """Sets a checkpoint's own settings for writing aside: greedy is the likeliest token, always."""
    model = loaded.model
    before = model.generation_config
    kept = {name: getattr(before, name, None) for name in _KEPT}
    if kept["eos_token_id"] is None:
        kept["eos_token_id"] = loaded.tokenizer.eos_token_id
    if loaded.start_id is not None:
        kept["decoder_start_token_id"] = loaded.start_id
    made: Any = GenerationConfig  # publishes no types
    model.generation_config = made(**kept, pad_token_id=loaded.pad_id, use_cache=_caches(loaded))
    try:
        yield
    finally:
        model.generation_config = before


def _caches(loaded: LoadedModel) -> bool:
    """Whether keys and values of earlier tokens can be kept.

    transformers makes room for as many layers as the configuration's ``num_hidden_layers``; of T5
    those are the encoder's, and its decoder may have more.
    """
    config = loaded.model.config.get_text_config(decoder=True)
    layers = getattr(config, "num_hidden_layers", None)
    return layers is None or layers >= loaded.layers_of[loaded.sides[-1]]


def _generate(
    loaded: LoadedModel, prompts: Sequence[npt.NDArray[np.int32]], most: int
) -> list[list[int]]:
    """One batch; padded on the left, as what is written follows on the right."""
    longest = max(len(ids) for ids in prompts)
    decoder_only = loaded.sides == ("text",)
    ids = torch.full((len(prompts), longest), loaded.pad_id, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        place = slice(longest - len(prompt), None) if decoder_only else slice(len(prompt))
        ids[row, place] = torch.from_numpy(prompt.astype(np.int64))
        mask[row, place] = 1
    ends = loaded.model.generation_config.eos_token_id
    ending = {ends} if isinstance(ends, int) else set(ends or ())
    with torch.inference_mode():
        found = loaded.model.generate(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            max_new_tokens=most,
            do_sample=False,
            num_beams=1,
        )
    start = longest if decoder_only else 1
    return [_until(row, ending) for row in found[:, start:].tolist()]


def _until(ids: Sequence[int], ending: set[int]) -> list[int]:
    for place, number in enumerate(ids):
        if number in ending:
            return list(ids[:place])
    return list(ids)


def without_end(prompt: Encoded) -> Encoded:
    """A prompt without the special tokens at its end, so that it can be gone on from."""
    count = len(prompt)
    while count > 1 and prompt.special[count - 1]:
        count -= 1
    return prompt if count == len(prompt) else first_tokens(prompt, count)


def first_tokens(prompt: Encoded, count: int) -> Encoded:
    """The first ``count`` tokens, as if there had never been more."""
    offsets, special = prompt.offsets[:count], prompt.special[:count]
    return replace(
        prompt,
        ids=prompt.ids[:count],
        offsets=offsets,
        special=special,
        words=prompt.words[:count],
        full_offsets=offsets,
        full_special=special,
        types=None if prompt.types is None else prompt.types[:count],
    )


def decoded(
    tokenizer: Any, ids: Sequence[int], before: Sequence[int] = ()
) -> tuple[str, list[tuple[int, int]]]:
    """Written tokens as text, and the characters of each; special ones have none.

    A character that several tokens make up together belongs to all of them.

    Args:
        tokenizer: of the model.
        ids: numbers of the written tokens.
        before: numbers of some tokens that they follow. Tokenizers that mark a word by the space
            before it drop that space at the beginning of a text.
    """
    known, whole = _decode(tokenizer, before), _decode(tokenizer, [*before, *ids])
    if not whole.startswith(known):  # what was written completes half a character
        return decoded(tokenizer, ids)
    text = whole[len(known) :]
    ends = []
    for count in range(1, len(ids) + 1):
        part = _decode(tokenizer, [*before, *ids[:count]])[len(known) :]
        # the end of a character that is not whole yet is decoded as a sign for such
        ends.append(_alike(part, text))
    offsets = []
    start = 0
    for place, end in enumerate(ends):
        # a token in the midst of a character reaches to where that character ends
        reach = end if end > start else next((e for e in ends[place:] if e > start), start)
        midst = reach > end and not _is_silent(tokenizer, ids[place])
        offsets.append((start, reach if midst else max(end, start)))
        start = max(start, end)
    return text, offsets


def _alike(first: str, second: str) -> int:
    """How many characters two strings have in common at their beginnings."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _is_silent(tokenizer: Any, number: int) -> bool:
    """Whether a token is nothing on its own, neither characters nor a part of one."""
    return _decode(tokenizer, [number]) == ""


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(
        tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )


def continued(
    prompt: Encoded, text: str, tokenizer: Any, ids: Sequence[int]
) -> tuple[str, Encoded]:
    """A prompt with what was written after it, as the very tokens that were written.

    Args:
        prompt: tokens of the prompt.
        text: of the prompt.
        tokenizer: of the model.
        ids: numbers of the written tokens.

    Returns:
        The text and the tokens of both.
    """
    last = np.flatnonzero(prompt.special).max(initial=-1)
    before = prompt.ids[max(last + 1, len(prompt) - _CONTEXT) :].tolist()
    new, offsets = decoded(tokenizer, ids, before)
    special = np.isin(np.array(ids, dtype=np.int64), list(_special_ids(tokenizer)))
    whole = text + new
    places = np.array(offsets, dtype=np.int32).reshape(-1, 2) + np.int32(len(text))
    words = _words(whole, places, special, int(prompt.words.max(initial=-1)))
    places[special] = 0
    joined = np.concatenate([prompt.offsets, places])
    marks = np.concatenate([prompt.special, special])
    return whole, replace(
        prompt,
        ids=np.concatenate([prompt.ids, np.array(ids, dtype=np.int32)]),
        offsets=joined,
        special=marks,
        words=np.concatenate([prompt.words, words]),
        full_offsets=joined,
        full_special=marks,
        types=None,
        characters=len(whole),
    )


def _special_ids(tokenizer: Any) -> set[int]:
    """Numbers of the tokens that are not decoded: those with a role, and others marked as such."""
    marked = {number for number, one in tokenizer.added_tokens_decoder.items() if one.special}
    return marked | set(tokenizer.all_special_ids)


def _words(
    text: str, places: npt.NDArray[np.int32], special: npt.NDArray[np.bool_], last: int
) -> npt.NDArray[np.int32]:
    """Numbers of the words of written tokens; ``last`` is that of the last word before them.

    A word begins behind white space, and where letters and signs meet.
    """
    words: list[int] = []
    end = -1
    for (start, stop), hidden in zip(places.tolist(), special.tolist(), strict=True):
        if hidden:
            words.append(-1)
            continue
        if start < stop and start >= end and _begins(text, start, first=end < 0):
            last += 1
        last, end = max(last, 0), max(end, stop)
        words.append(last)
    return np.array(words, dtype=np.int32)


def _begins(text: str, at: int, *, first: bool) -> bool:
    """Whether a word begins at a character of a text; a space belongs to the word behind it."""
    here, back = text[at], at - 1
    while back > 0 and unicodedata.category(text[back])[0] == "M":
        back -= 1  # marks belong to the character before them
    before = text[max(back, 0) : at][:1]
    if not before:
        return True
    if before.isspace():
        return first  # else the space has begun the word already
    if unicodedata.category(here)[0] == "M":
        return False
    return here.isspace() or before.isalnum() != here.isalnum()
