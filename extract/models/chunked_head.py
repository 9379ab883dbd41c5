"""A language model's head alone, so that [tokens, vocabulary] need not be held at once.

Families compute more than a product with the output embeddings (transforms, soft caps, scales,
biases), so the head is run by the model's own code: its forward function is called with the stack
of layers stood in for by one that gives hidden states which are known already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from .anatomy import Anatomy

ChunkedHead = Callable[[torch.Tensor], torch.Tensor]


def chunked_head(anatomy: Anatomy, last: torch.Tensor, logits: torch.Tensor) -> ChunkedHead | None:
    """A function from last hidden states [batch, positions, width] to logits.

    Args:
        anatomy: a model with a language model's head.
        last: last hidden states of some tokens, [batch, tokens, width].
        logits: of the whole model for the same tokens, [batch, tokens, vocabulary].

    Returns:
        None if the head of this model is not the same at every position: the function's logits for
        a stretch of ``last`` must be those of the whole model.
    """

    def head(states: torch.Tensor) -> torch.Tensor:
        """Logits [batch, positions, vocabulary] of last hidden states [batch, positions, width]."""
        ids = torch.zeros(states.shape[:2], dtype=torch.int64, device=states.device)
        inputs = {"input_ids": ids}
        if anatomy.encoder_decoder:
            inputs["decoder_input_ids"] = ids
        with torch.inference_mode(), _standing_in(anatomy, states):
            found: torch.Tensor = anatomy.model(**inputs).logits
        return found

    stretch = slice(1, last.shape[1] - 1)
    try:
        mine = head(last[:, stretch])
    except Exception:  # foreign code that is run in a way it was not made for: any error is a no
        return None
    whole = logits[:, stretch]
    if mine.shape != whole.shape:
        return None
    scale = float(whole.float().abs().max())
    near = 8 * torch.finfo(whole.dtype).eps * max(scale, 1.0)
    return head if bool(((mine - whole).abs().float() <= near).all()) else None


class _Given(BaseModelOutputWithPastAndCrossAttentions):
    """An output of layers that has nothing but the hidden states; all else is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


@contextmanager
def _standing_in(anatomy: Anatomy, states: torch.Tensor) -> Iterator[None]:
    """Lets every stack give ``states``, whatever it is called with."""
    given: Any = _Given(last_hidden_state=states)
    before = [(stack.module, stack.module.__dict__.get("forward")) for stack in anatomy.stacks]
    try:
        for module, _ in before:
            module.__dict__["forward"] = lambda *_args, **_kwargs: given
        yield
    finally:
        for module, forward in before:
            if forward is None:
                del module.__dict__["forward"]
            else:
                module.__dict__["forward"] = forward
