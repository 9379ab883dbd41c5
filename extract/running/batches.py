"""A batch of examples as a model and as metrics want it: padded on the right, side by side."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from ..data.encoding import source_of
from ..metrics.layout import BatchLayout

if TYPE_CHECKING:
    from ..models import LoadedModel
    from ..tasks.base import Placed, PlacedPair, Range, Words


def model_inputs(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> dict[str, torch.Tensor]:
    """The model's keyword arguments, padded on the right, on its device."""
    if loaded.sides == ("text",):
        parts = [one.encoded for one in batch]
        inputs = _padded([one.ids for one in parts], loaded.pad_id)
        types = [one.types for one in parts]
        if all(one is not None for one in types) and takes(loaded.base, "token_type_ids"):
            inputs["token_type_ids"] = _padded([one for one in types if one is not None], 0)[
                "input_ids"
            ]
    else:
        inputs = _padded(
            [one.encoded.ids[: source_of(one.encoded)] for one in batch], loaded.pad_id
        )
        target = _padded(
            [one.encoded.ids[source_of(one.encoded) :] for one in batch], loaded.pad_id
        )
        inputs["decoder_input_ids"] = target["input_ids"]
        inputs["decoder_attention_mask"] = target["attention_mask"]
    return {name: value.to(loaded.device) for name, value in inputs.items()}


def layouts(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> dict[str, BatchLayout]:
    """What metrics must know of a batch, by kind of attention."""
    whole = [one.encoded.ids for one in batch]
    sides = {"text": whole}
    if loaded.sides != ("text",):
        cuts = [source_of(one.encoded) for one in batch]
        sides = {
            "source": [ids[:cut] for ids, cut in zip(whole, cuts, strict=True)],
            "target": [ids[cut:] for ids, cut in zip(whole, cuts, strict=True)],
        }
    made = {}
    for kind in loaded.kinds:
        queries, keys = sides[kind.queries], sides[kind.keys]
        same = kind.queries == kind.keys
        padded = _padded(keys, loaded.pad_id)["input_ids"].numpy()
        separators = np.zeros(padded.shape, dtype=np.bool_)
        if loaded.separator_id is not None:
            separators = padded == loaded.separator_id
        made[kind.name] = BatchLayout(
            [len(ids) for ids in queries],
            None if same else [len(ids) for ids in keys],
            causal=kind.causal,
            separators=separators,
            ids=padded if same else None,
        )
    return made


def points_on_side(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> list[Placed[Any]]:
    """The examples with points and pairs counted in the tokens of the side they are on."""
    if loaded.side != "target":
        return list(batch)
    found = []
    for one in batch:
        cut = source_of(one.encoded)
        pairs = tuple(_moved(pair, cut) for pair in one.pairs)
        points = tuple((start - cut, stop - cut) for start, stop in one.points)
        found.append(replace(one, points=points, pairs=pairs))
    return found


def special_on_side(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> torch.Tensor:
    """bool [batch, tokens]: which tokens of the side that points are on are special."""
    marks = []
    for one in batch:
        cut = source_of(one.encoded) if loaded.side == "target" else 0
        marks.append(one.encoded.special[cut:])
    made = np.zeros((len(marks), max(map(len, marks))), dtype=np.bool_)
    for row, mark in enumerate(marks):
        made[row, : len(mark)] = mark
    return torch.from_numpy(made)


def words_on_side(loaded: LoadedModel, batch: Sequence[Placed[Any]]) -> list[Words | None]:
    """The words of the examples, counted in the tokens of the side that points are on."""
    if loaded.side != "target":
        return [one.words for one in batch]
    found: list[Words | None] = []
    for one in batch:
        cut = source_of(one.encoded)
        words = one.words
        if words is not None:
            tokens = tuple((max(a - cut, 0), max(b - cut, 0)) for a, b in words.tokens)
            words = replace(words, tokens=tokens)
        found.append(words)
    return found


def _moved(pair: PlacedPair, cut: int) -> PlacedPair:
    def moved(span: Range) -> Range:
        return span[0] - cut, span[1] - cut

    return replace(pair, span1=moved(pair.span1), span2=moved(pair.span2))


def _padded(rows: Sequence[npt.NDArray[np.int32]], pad: int) -> dict[str, torch.Tensor]:
    lengths = np.array([len(row) for row in rows])
    ids = np.full((len(rows), int(lengths.max())), pad, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    mask = np.arange(ids.shape[1])[None, :] < lengths[:, None]
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask.astype(np.int64)),
    }


def takes(model: Any, name: str) -> bool:
    """Whether a model's forward call has an argument of this name."""
    return name in inspect.signature(model.forward).parameters
