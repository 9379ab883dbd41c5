"""Letting a model write before it is looked at: prompts in, whole examples out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from .batches import batches
from .encoding import Encoded
from .errors import ExtractError

if TYPE_CHECKING:
    from .models import LoadedModel

_AT_ONCE = 16


def generate(
    loaded: LoadedModel, prompts: Sequence[Encoded], most: int, at_once: int = _AT_ONCE
) -> list[list[int]]:
    """What a model with a head goes on to write, token by token the likeliest (greedy).

    Args:
        loaded: a causal language model, or an encoder-decoder, whose prompts are the sources.
        prompts: tokens of each prompt.
        most: tokens to write at most; the end-of-text token ends a text and is not given.
        at_once: prompts per batch.

    Returns:
        Numbers of the new tokens of each prompt.

    Raises:
        ExtractError: the model cannot write.
    """
    if loaded.head not in ("language-model", "seq2seq") or loaded.masked:
        raise ExtractError(
            f"{loaded.info.name} cannot write: it has no head that predicts the next token; leave "
            "--generate out."
        )
    written: list[list[int]] = [[] for _ in prompts]
    lengths = [len(prompt) for prompt in prompts]
    for batch in batches(lengths, at_once, lambda _: 0):
        new = _generate(loaded, [prompts[i].ids for i in batch], most)
        for i, ids in zip(batch, new, strict=True):
            written[i] = ids
    return written


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
    config = loaded.model.generation_config
    ends = config.eos_token_id if config.eos_token_id is not None else loaded.tokenizer.eos_token_id
    ending = {ends} if isinstance(ends, int) else set(ends or ())
    with torch.inference_mode():
        found = loaded.model.generate(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            max_new_tokens=most,
            do_sample=False,
            num_beams=1,
            pad_token_id=loaded.pad_id,
        )
    start = longest if decoder_only else 1
    return [_until(row, ending) for row in found[:, start:].tolist()]


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


def _until(ids: Sequence[int], ending: set[int]) -> list[int]:
    for place, number in enumerate(ids):
        if number in ending:
            return list(ids[:place])
    return list(ids)


def decoded(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """Written tokens as text, and the characters of each.

    A character that several tokens make up together belongs to all of them.
    """
    text = str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    ends = []
    for count in range(1, len(ids) + 1):
        part = str(
            tokenizer.decode(
                ids[:count], skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
        # the end of a character that is not whole yet is decoded as a replacement
        ends.append(min(len(part.rstrip("\ufffd")), len(text)))
    offsets = []
    start = 0
    for place, end in enumerate(ends):
        # a token in the midst of a character reaches to where that character ends
        reach = end if end > start else next((e for e in ends[place:] if e > start), start)
        offsets.append((start, max(reach, start)))
        start = max(start, end)
    return text, offsets


def continued(
    prompt: Encoded, characters: int, tokenizer: Any, ids: Sequence[int]
) -> tuple[str, Encoded]:
    """A prompt with what was written after it, as the very tokens that were written.

    Args:
        prompt: tokens of the prompt.
        characters: length of the prompt's text.
        tokenizer: of the model.
        ids: numbers of the written tokens.

    Returns:
        The written text, and the tokens of both.
    """
    text, offsets = decoded(tokenizer, ids)
    special = np.isin(ids, tokenizer.all_special_ids)
    words: list[int] = []
    word = int(prompt.words.max(initial=-1))
    for (start, end), hidden in zip(offsets, special, strict=True):
        if not hidden and (not words or text[start:end][:1].isspace()):
            word += 1
        words.append(-1 if hidden else max(word, 0))
    places = np.array(offsets, dtype=np.int32).reshape(-1, 2) + characters
    places[special] = 0
    joined = np.concatenate([prompt.offsets, places]).astype(np.int32)
    marks = np.concatenate([prompt.special, special])
    return text, replace(
        prompt,
        ids=np.concatenate([prompt.ids, np.array(ids, dtype=np.int32)]),
        offsets=joined,
        special=marks,
        words=np.concatenate([prompt.words, np.array(words, dtype=np.int32)]),
        full_offsets=joined,
        full_special=marks,
        types=None,
        characters=characters + len(text),
    )
