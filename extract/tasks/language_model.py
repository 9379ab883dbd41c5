"""Language models: every token with its loss, its rank, and what the model would have said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from collateral.schema import Column

from ..encoding import Encoded, source_of
from ..errors import BadLine, ExtractError
from ..generation import continued, generate, without_end
from ..token_scores import TokenPredictor, TokenScores
from .base import Placed, Predictor, Rows, Tables, Values
from .text import Text, Texts

if TYPE_CHECKING:
    from ..models import HeadKind, LoadedModel

_LOSS = (
    "−ln of the probability that the model gives the token, in nats. High: the token surprises it."
)
_SAYS = "The token that the model holds likeliest at this place."

ITEMS = {
    "loss": Column("continuous", "loss", _LOSS, role="score"),
    "rank": Column("continuous", "rank", "Place of the token among all, by probability; 1 is top."),
    "prediction": Column("text", "says", _SAYS, role="prediction"),
    "probability": Column(
        "continuous", "probability", "Of the token that it holds likeliest.", role="probability"
    ),
    "correct": Column(
        "boolean", "right", "Whether the likeliest token is the one that stands there.", "correct"
    ),
    "choices": Column("text", "choices", "The likeliest tokens with their probabilities."),
}
EXAMPLES = {
    "loss": Column("continuous", "loss", "Mean loss of its tokens, in nats.", role="score"),
    "perplexity": Column("continuous", "perplexity", "exp of the mean loss."),
    "scored": Column("continuous", "scored", "Tokens that the model says something of."),
    "top 1": Column("continuous", "top 1", "Share of tokens that are the model's first choice."),
}
_POINTS = ("loss", "rank", "prediction", "correct")
_WRITTEN = Column("boolean", "written", "Whether the model wrote the token itself.")


class LanguageModel(Texts):
    """Texts, token by token; see :class:`~extract.tasks.base.Task`."""

    name = "language-model"
    summary = "texts, scored token by token; with --generate N the model goes on writing first"
    fields: ClassVar[Mapping[str, str]] = {
        **Texts.fields,
        "text": "the text, or the prompt that the model goes on from",
    }
    head: ClassVar[HeadKind | None] = "language-model"
    item = "token"

    def place(self, group: Text, encoded: Encoded) -> tuple[Placed[Text] | None, list[BadLine]]:
        """Points are what ``--points`` says; items are all tokens."""
        placed, bad = super().place(group, encoded)
        if placed is not None:
            placed = replace(placed, items=tuple((i, i + 1) for i in range(len(encoded))))
        return placed, bad

    def extend(self, placed: Sequence[Placed[Text]], loaded: LoadedModel) -> list[Placed[Text]]:
        """With ``--generate`` every prompt with what the model goes on to write."""
        most = self.options.generate
        if not most:
            return list(placed)
        prompts = [without_end(one.encoded) for one in placed]
        room = loaded.max_length
        if room is not None and max(len(prompt) for prompt in prompts) + most > room:
            longest = max(len(prompt) for prompt in prompts)
            raise ExtractError(
                f"{loaded.info.name} takes {room} tokens: prompts of up to {longest} leave no room "
                f"for {most} more; lower --generate or --max-length."
            )
        written = generate(loaded, prompts, most)
        return [
            self._continued(one, prompt, loaded, ids)
            for one, prompt, ids in zip(placed, prompts, written, strict=True)
        ]

    def _continued(
        self, one: Placed[Text], prompt: Encoded, loaded: LoadedModel, ids: Sequence[int]
    ) -> Placed[Text]:
        text, encoded = continued(prompt, len(one.text), loaded.tokenizer, ids)
        new = tuple((i, i + 1) for i in range(len(prompt), len(encoded)))
        points = tuple(span for span in one.points if span[1] <= len(prompt)) + new
        return replace(
            one,
            text=one.text + text,
            encoded=encoded,
            points=points,
            items=tuple((i, i + 1) for i in range(len(encoded))),
        )

    def tables(self, groups: Sequence[Text], loaded: LoadedModel) -> Tables:
        """The columns of scores, beside those of texts and words."""
        base = super().tables(groups, loaded)
        written = {"written": _WRITTEN} if self.options.generate else {}
        points = {**base.points, **{name: ITEMS[name] for name in _POINTS}, **written}
        return Tables({**base.examples, **EXAMPLES}, points, items={**ITEMS, **written})

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The model's own head, if the checkpoint has it."""
        return None if loaded.head is None else TokenPredictor(loaded)

    def notes(self, groups: Sequence[Text], loaded: LoadedModel) -> list[str]:
        """Where the scores come from."""
        if loaded.head is None:
            return [
                "Scores are unknown: the checkpoint has no head that predicts tokens "
                f"({loaded.info.architecture})."
            ]
        if loaded.masked:
            return [
                "The model is a masked one: each token was scored in one pass over the text as it "
                "is, with the token itself in sight; these are no pseudo-likelihoods."
            ]
        if self.options.generate:
            return [
                f"Up to {self.options.generate} tokens of each text were written by the model "
                "itself, the likeliest one at a time; everything comes from one clean pass over "
                "prompt and writing together."
            ]
        return []

    def rows(self, placed: Placed[Text], predicted: Any) -> Rows:
        """Scores of every token; means over those that are no special tokens."""
        scores: TokenScores | None = predicted
        first = (
            0
            if len(placed.encoded) == 0 or placed.encoded.source is None
            else source_of(placed.encoded)
        )
        items = [self._token(placed, scores, span[0], first) for span in placed.items]
        points = [
            {**values, **self._scored(scores, span[0] - first), **self._mark(placed, span[0])}
            for values, span in zip(self._point_rows(placed), placed.points, strict=True)
        ]
        example, tally = summed(placed, scores, first)
        return Rows(
            {**self._example_fields.values(placed.source.extras), **example},
            points,
            items=items,
            tally=tally,
        )

    def score(self, total: Counter[str]) -> list[str]:
        """Perplexity over all tokens, and how often the first choice is right."""
        count = total["tokens"]
        if not count:
            return []
        perplexity = float(np.exp(total["loss"] / count))
        return [
            f"perplexity {perplexity:.4g} over {int(count):,} tokens, first choice right "
            f"{total['right'] / count:.1%}"
        ]

    def _token(
        self, placed: Placed[Text], scores: TokenScores | None, at: int, first: int
    ) -> Values:
        values = self._scored(scores, at - first, choices=True)
        return {**values, **self._mark(placed, at)}

    def _mark(self, placed: Placed[Text], at: int) -> Values:
        if not self.options.generate:
            return {}
        return {"written": int(placed.encoded.offsets[at, 1]) > len(placed.source.text)}

    @staticmethod
    def _scored(scores: TokenScores | None, at: int, *, choices: bool = False) -> Values:
        """What is said of one token."""
        if scores is None or at < 0 or not scores.rank[at]:
            return {}
        values: Values = {
            "loss": float(scores.loss[at]),
            "rank": float(scores.rank[at]),
            "prediction": scores.names[at][0],
            "correct": bool(scores.rank[at] == 1),
        }
        if choices:
            values["probability"] = float(scores.chances[at, 0])
            values["choices"] = "  ".join(
                f"{name} {_short(float(chance))}"
                for name, chance in zip(scores.names[at], scores.chances[at], strict=True)
            )
        return values


def summed(
    placed: Placed[Any], scores: TokenScores | None, first: int
) -> tuple[Values, dict[str, float]]:
    """Means over the tokens of an example that are scored and not special, and its tally."""
    if scores is None:
        return {}, {}
    counted = (scores.rank > 0) & ~placed.encoded.special[first:]
    count = int(counted.sum())
    if not count:
        return {"scored": 0.0}, {}
    loss = float(scores.loss[counted].sum(dtype=np.float64))
    right = int((scores.rank[counted] == 1).sum())
    example: Values = {
        "loss": loss / count,
        "perplexity": float(np.exp(min(loss / count, 700.0))),
        "scored": float(count),
        "top 1": right / count,
    }
    return example, {"loss": loss, "tokens": count, "right": right}


def _short(value: float) -> str:
    """A probability in two digits, without the zero in front."""
    return "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0")
