"""A small coreference model: an encoder and a linear head over pairs of spans.

The head is the plainest that works: with u and v the means of the last hidden state over the word
pieces of the two spans, logit = weight · [u; v; u*v; |u − v|] + bias, and a positive logit means
that both spans name the same thing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from extract.data.encoding import encode
from extract.data.pairs import TextGroup

HEAD_FILE = "coref_head.safetensors"
"""The head's file beside the encoder's weights; tensors ``weight`` [1, 4 H] and ``bias`` [1]."""


@dataclass(frozen=True)
class Example:
    """One text with its pairs, as the model takes it.

    Attributes:
        ids: numbers of the tokens, special ones included.
        spans: for each pair the half-open token ranges of its two spans.
        labels: for each pair whether both spans name the same thing.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    labels: tuple[bool, ...]


def prepare(
    groups: Sequence[TextGroup], tokenizer: Any, max_tokens: int
) -> tuple[list[Example], int]:
    """Tokenises texts and finds their spans.

    Args:
        groups: texts with their pairs.
        tokenizer: a fast tokenizer of transformers.
        max_tokens: texts are cut to so many tokens, special ones included.

    Returns:
        The texts that have a labelled pair left, and the number of pairs that were lost because
        cutting took tokens of a span away or because they have no label.
    """
    examples, lost = [], 0
    encoded = encode(tokenizer, [group.text for group in groups], max_tokens)
    for group, tokens in zip(groups, encoded, strict=True):
        spans, labels = [], []
        for record in group.records:
            first = tokens.span(record.span1.start, record.span1.end)
            second = tokens.span(record.span2.start, record.span2.end)
            cut = any(tokens.loses(s.start, s.end) for s in (record.span1, record.span2))
            if first is None or second is None or cut or record.label is None:
                lost += 1
                continue
            spans.append((first, second))
            labels.append(record.label)
        if spans:
            examples.append(Example(tuple(tokens.ids.tolist()), tuple(spans), tuple(labels)))
    return examples, lost


@dataclass(frozen=True)
class Batch:
    """Several texts, padded.

    Attributes:
        ids: int64 [texts, tokens].
        mask: int64 [texts, tokens], 1 for tokens and 0 for padding.
        rows: int64 [pairs], the text of each pair.
        spans: int64 [pairs, 2, 2], token ranges, half open.
        labels: float32 [pairs], 1 for coreferent.
    """

    ids: Tensor
    mask: Tensor
    rows: Tensor
    spans: Tensor
    labels: Tensor


def collate(examples: Sequence[Example], padding: int) -> Batch:
    """Puts texts into one batch, padded to the longest with the token ``padding``."""
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), padding)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = 1
    rows = [row for row, example in enumerate(examples) for _ in example.spans]
    spans = [pair for example in examples for pair in example.spans]
    labels = [float(label) for example in examples for label in example.labels]
    return Batch(ids, mask, torch.tensor(rows), torch.tensor(spans), torch.tensor(labels))


def batches(
    examples: Sequence[Example], size: int, padding: int, shuffle: random.Random | None = None
) -> Iterator[Batch]:
    """Batches of texts of like length, so that little is padded.

    Args:
        examples: the texts.
        size: texts in a batch.
        padding: number of the padding token.
        shuffle: source of chance. With it, texts are sorted only within random groups of fifty
            batches and the batches come in random order, so that training sees texts of all lengths
            everywhere; without it, batches go from short to long.
    """
    order = list(range(len(examples)))
    group = len(order)
    if shuffle is not None:
        shuffle.shuffle(order)
        group = 50 * size
    chosen = []
    for start in range(0, len(order), max(group, 1)):
        part = sorted(order[start : start + group], key=lambda i: len(examples[i].ids))
        chosen += [part[i : i + size] for i in range(0, len(part), size)]
    if shuffle is not None:
        shuffle.shuffle(chosen)
    for rows in chosen:
        yield collate([examples[i] for i in rows], padding)


class SpanPairModel(nn.Module):
    """The encoder with the head on top.

    Args:
        encoder: a transformers model that gives ``last_hidden_state``.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(4 * int(encoder.config.hidden_size), 1)

    def forward(self, batch: Batch) -> Tensor:
        """The logits of the pairs, float32 [pairs]; positive means coreferent."""
        logits: Tensor = self.head(self.features(batch)).squeeze(-1)
        return logits

    def features(self, batch: Batch) -> Tensor:
        """What the head sees of the pairs: [u; v; u*v; |u − v|], float32 [pairs, 4 H]."""
        hidden = self.encoder(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
        u = span_means(hidden, batch.rows, batch.spans[:, 0])
        v = span_means(hidden, batch.rows, batch.spans[:, 1])
        return torch.cat([u, v, u * v, (u - v).abs()], dim=-1)

    def save_head(self, path: Path) -> None:
        """Writes weight [1, 4 H] and bias [1] as float16 safetensors."""
        tensors = {
            name: value.detach().to(torch.float16).contiguous()
            for name, value in self.head.state_dict().items()
        }
        save_file(tensors, path)


def span_means(hidden: Tensor, rows: Tensor, spans: Tensor) -> Tensor:
    """Mean hidden state of each span.

    Args:
        hidden: [texts, tokens, H].
        rows: int64 [pairs], the text of each span.
        spans: int64 [pairs, 2], token ranges, half open and not empty.

    Returns:
        [pairs, H].
    """
    position = torch.arange(hidden.shape[1], device=hidden.device)
    inside = (position >= spans[:, :1]) & (position < spans[:, 1:])
    weights = inside.to(hidden.dtype) / inside.sum(dim=1, keepdim=True)
    return torch.einsum("pt,pth->ph", weights, hidden[rows])
