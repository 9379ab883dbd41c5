"""Language models: every token with its loss, its rank, and what the model would have said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from collateral.schema import Column

from ..data.encoding import Encoded, source_of, token_names
from ..errors import BadLine, ExtractError, UsageError
from ..saying import many
from .base import Placed, Predictor, Range, Rows, Tables, TaskOptions, Values
from .generation import can_write, continued, generate, without_end
from .text import Text, Texts
from .token_scores import TokenPredictor, TokenScores

if TYPE_CHECKING:
    from ..models import HeadKind, LoadedModel

_LOSS = "−ln of the probability that the model gives the token, in nats. High: it is surprised."
_RANK = "Place of the token among all that the model knows, by probability; 1 is the likeliest."
_SAYS = "The token that the model holds for the likeliest at this place."
_RIGHT = "Whether the token that stands there is the likeliest one."
_SEVERAL = " Of several tokens: "

_RIGHT_COLUMN = Column("boolean", "right", _RIGHT, "correct")
ITEMS = {
    "prediction": Column("text", "says", _SAYS, "prediction"),
    "probability": Column("continuous", "probability", "Of what the model says.", "probability"),
    "correct": _RIGHT_COLUMN,
    "loss": Column("continuous", "loss", _LOSS, "score"),
    "rank": Column("continuous", "rank", _RANK),
}
_CHOICES = Column("text", "first choices", "The likeliest tokens and their probabilities.")
POINTS = {
    "loss": replace(ITEMS["loss"], meaning=f"{_LOSS}{_SEVERAL}the mean."),
    "rank": replace(ITEMS["rank"], meaning=f"{_RANK}{_SEVERAL}the last place."),
    "prediction": replace(ITEMS["prediction"], meaning=f"{_SAYS}{_SEVERAL}one for each."),
    "correct": replace(_RIGHT_COLUMN, meaning=f"{_RIGHT}{_SEVERAL}all of them."),
}
_MEAN = "Mean loss of the tokens, in nats; special tokens are left out."
_TOP = "Share of the tokens that are the model's first choice; special tokens are left out."
EXAMPLES = {
    "loss": Column("continuous", "loss", _MEAN, "score"),
    "perplexity": Column("continuous", "perplexity", "e to the power of the mean loss."),
    "accuracy": Column("continuous", "first choice right", _TOP),
    "scored": Column("continuous", "scored tokens", "Tokens that the means are of."),
}
WRITTEN = Column("boolean", "written", "Whether the model wrote the token itself.")

_MOST_SAID = 8
"""Tokens of a point whose predictions are kept."""
_LEAST_LENGTH = 4


@dataclass(frozen=True)
class Continued(Placed[Text]):
    """An example that a model has gone on with.

    Attributes:
        prompt: tokens that were there before.
    """

    prompt: int = 0


class LanguageModel(Texts):
    """Texts, token by token; see :class:`~extract.tasks.base.Task`."""

    name = "language-model"
    summary = "texts, scored token by token; with --generate N the model goes on writing first"
    fields: ClassVar[Mapping[str, str]] = {
        **Texts.fields,
        "text": "the text, or the prompt that the model goes on from (may be missing if there are "
        "words)",
    }
    head: ClassVar[HeadKind | None] = "language-model"
    generates = True
    item = "token"

    def __init__(self, options: TaskOptions | None = None) -> None:
        super().__init__(options)
        self._longest = 0
        self._masked = False
        self._tokenizer: Any = None

    def _size(self, group: Text) -> int:
        return super()._size(group) + self.options.generate

    def place(self, group: Text, encoded: Encoded) -> tuple[Placed[Text] | None, list[BadLine]]:
        """Points are what ``--points`` says; items are all tokens."""
        placed, bad = super().place(group, encoded)
        if placed is not None:
            self._longest = max(self._longest, len(without_end(encoded)))
            placed = replace(placed, items=_single(range(len(encoded))))
        return placed, bad

    def predictor(self, loaded: LoadedModel) -> Predictor | None:
        """The model's own head, if the checkpoint has it.

        Raises:
            ExtractError: the model is an encoder-decoder, or cannot write and is to.
        """
        if loaded.sides != ("text",):
            raise ExtractError(
                f"{loaded.info.name} ({loaded.info.architecture}) is an encoder-decoder; take "
                "--task seq2seq for it."
            )
        return self._predictor(loaded)

    def _predictor(self, loaded: LoadedModel) -> Predictor | None:
        if self.options.generate:
            can_write(loaded)
        return None if loaded.head is None else TokenPredictor(loaded)

    def tables(self, groups: Sequence[Text], loaded: LoadedModel) -> Tables:
        """The columns of scores, beside those of texts and words.

        Raises:
            UsageError: the model cannot write so much after such prompts.
        """
        self._check_room(loaded)
        self._masked, self._tokenizer = loaded.masked, loaded.tokenizer
        tables = super().tables(groups, loaded)
        return replace(tables, items=self._own_columns(loaded).items)

    def _own_columns(self, loaded: LoadedModel) -> Tables:
        own = super()._own_columns(loaded)
        if loaded.head is None:
            return own
        examples = dict(EXAMPLES)
        if loaded.masked:  # it has seen the token: that is no perplexity
            del examples["perplexity"]
        return Tables(
            examples,
            {**own.points, **POINTS, **self._mark(WRITTEN)},
            items={**ITEMS, **self._mark(WRITTEN), "choices": _CHOICES},
        )

    def _check_room(self, loaded: LoadedModel) -> None:
        most, room = self.options.generate, loaded.max_length
        if not most or room is None or self._longest + most <= room:
            return
        advice = "lower --generate"
        if room - most >= _LEAST_LENGTH:
            advice += f", or cut the prompts with --max-length {room - most}"
        raise UsageError(
            f"{loaded.info.name} takes {room} tokens: prompts of up to {self._longest} leave no "
            f"room for --generate {most}; {advice}."
        )

    def extend(self, placed: Sequence[Placed[Text]], loaded: LoadedModel) -> list[Placed[Text]]:
        """With ``--generate`` every prompt with what the model goes on to write."""
        if loaded.head is None:  # nothing can be said of the tokens
            return [replace(one, items=()) for one in placed]
        if not self.options.generate:
            return list(placed)
        prompts = [without_end(one.encoded) for one in placed]
        written = generate(loaded, prompts, self.options.generate)
        return [
            self._continued(one, prompt, loaded, ids)
            for one, prompt, ids in zip(placed, prompts, written, strict=True)
        ]

    def _continued(
        self, one: Placed[Text], prompt: Encoded, loaded: LoadedModel, ids: Sequence[int]
    ) -> Placed[Text]:
        text = one.text
        if one.encoded.cut:  # what is written follows the part that the model was given
            text = text[: int(prompt.offsets[:, 1].max())]
        text, encoded = continued(prompt, text, loaded.tokenizer, ids)
        words = () if one.words is None else one.words.tokens
        return Continued(
            one.id,
            text,
            encoded,
            one.source,
            self._chosen(one.source, text, encoded, words),
            items=_single(range(len(encoded))),
            words=one.words,
            prompt=len(prompt),
        )

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
                f"The model wrote up to {many(self.options.generate, 'token')} of each text, the "
                "likeliest one at a time; everything comes from one clean pass over prompt and "
                "writing together."
            ]
        return []

    def rows(self, placed: Placed[Text], predicted: Any) -> Rows:
        """Scores of every token; means over those that are no special tokens."""
        scores: TokenScores | None = predicted
        base = super().rows(placed, predicted)
        if scores is None:
            return replace(base, items=[])
        first = 0 if placed.encoded.source is None else source_of(placed.encoded)
        means, _ = summed(placed, scores, first)
        # the likeliest token is what the model wrote: that says nothing of how well it predicts
        given = [not self._is_written(placed, i) for i in range(first, len(placed.encoded))]
        _, tally = summed(placed, scores, first, np.array(given, dtype=np.bool_))
        if self._masked:
            means.pop("perplexity", None)
        marks = [self._mark(self._is_written(placed, i)) for i in range(len(placed.encoded))]
        names = token_names(self._tokenizer, placed.encoded.ids.tolist())
        items = [
            {"text": names[at], **_of_token(scores, at - first), **marks[at]}
            for at, _ in placed.items
        ]
        points = [
            {**values, **self._of_point(scores, start - first, stop - first), **marks[stop - 1]}
            for values, (start, stop) in zip(base.points, placed.points, strict=True)
        ]
        return Rows({**base.example, **means}, points, items=items, tally=tally)

    def score(self, total: Counter[str]) -> list[str]:
        """Perplexity over all tokens, and how often the first choice is right."""
        count = total["tokens"]
        if not count:
            return []
        mean = total["loss"] / count
        what = f"mean loss {mean:.4g} nats"
        if not self._masked:
            what = f"perplexity {_exp(mean):.4g}, {what}"
        right = f"first choice right {total['right'] / count:.1%}"
        return [f"{what} over {many(int(count), 'token')}, {right}"]

    def _mark(self, what: Any) -> dict[str, Any]:
        """The column "written", or a value of it, where the model may have written something."""
        return {"written": what} if self.options.generate else {}

    @staticmethod
    def _is_written(placed: Placed[Text], at: int) -> bool:
        return isinstance(placed, Continued) and at >= placed.prompt

    def _of_point(self, scores: TokenScores, start: int, stop: int) -> Values:
        """What is said of the tokens of a point."""
        known = [at for at in range(max(start, 0), stop) if scores.rank[at]]
        if not known:
            return dict.fromkeys(POINTS) | {"prediction": ""}
        says = [scores.names[at][0] for at in known] if len(known) <= _MOST_SAID else []
        return {
            "loss": float(scores.loss[known].mean(dtype=np.float64)),
            "rank": float(scores.rank[known].max()),
            "prediction": " ".join(says),
            "correct": bool((scores.rank[known] == 1).all()),
        }


def summed(
    placed: Placed[Any],
    scores: TokenScores,
    first: int,
    among: npt.NDArray[np.bool_] | None = None,
) -> tuple[Values, dict[str, float]]:
    """Means over the tokens of an example that are scored and not special, and its tally.

    Args:
        placed: the example.
        scores: of the tokens from ``first`` on.
        first: the first token that is scored or could be.
        among: bool [tokens from first on], those that count; all if not given.
    """
    counted = (scores.rank > 0) & ~placed.encoded.special[first:]
    if among is not None:
        counted &= among
    count = int(counted.sum())
    if not count:
        return {**dict.fromkeys(EXAMPLES), "scored": 0.0}, {}
    loss = float(scores.loss[counted].sum(dtype=np.float64))
    right = int((scores.rank[counted] == 1).sum())
    example: Values = {
        "loss": loss / count,
        "perplexity": _exp(loss / count),
        "accuracy": right / count,
        "scored": float(count),
    }
    return example, {"loss": loss, "tokens": count, "right": right}


def _of_token(scores: TokenScores, at: int) -> Values:
    """What is said of one token."""
    if not scores.rank[at]:
        return {**dict.fromkeys(ITEMS), "prediction": "", "choices": ""}
    return {
        "prediction": scores.names[at][0],
        "probability": float(scores.chances[at, 0]),
        "correct": bool(scores.rank[at] == 1),
        "loss": float(scores.loss[at]),
        "rank": float(scores.rank[at]),
        "choices": "  ".join(
            f"{name} {_short(float(chance))}"
            for name, chance in zip(scores.names[at], scores.chances[at], strict=True)
        ),
    }


def _single(numbers: range) -> tuple[Range, ...]:
    return tuple((i, i + 1) for i in numbers)


def _exp(mean: float) -> float:
    """Perplexity; as large as a number can be rather than none."""
    return float(np.exp(min(mean, 700.0)))


def _short(value: float) -> str:
    """A probability in two digits, without the zero in front."""
    return "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0")
