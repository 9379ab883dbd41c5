"""A plausible collateral file for tests, made without a model: quick, small, always the same.

What it holds follows what ``interpret-extract --task coref`` writes: the same tables, columns,
metrics and measures. The numbers are computed from the maps and vectors made here, so that they
agree with each other: a head metric is that of the stored attention, a distance that of the vectors
whose projection is the map.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import collateral
from collateral import (
    AttentionKind,
    Column,
    Encoding,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
    Writer,
)

Floats = npt.NDArray[np.float64]

WIDTH = 16
"""Size of the hidden states that are made up."""

RELATION = ("not coreferent", "coreferent")

_TEMPLATES = (
    ("{A} met {B} in Edinburgh before {P} left for the university.", 0),
    ("{A} thanked {B} because {P} had written the whole report overnight.", 1),
    ("The councillors asked {A} about {B}, but {P} would not answer them.", 0),
    ("{A} could not hear {B} over the orchestra, so {P} shouted again.", 1),
    ("When {A} succeeded {B} as captain, {P} was only twenty-three.", 0),
    ("{A} sold the farmhouse to {B} after {P} had moved to Montréal.", 0),
    ("{B} wrote to {A} — twice, in fact — although {P} never replied.", 0),
    ("{A} and {B} were both there; neither saw where {P} had gone.", 2),
)
_NAMES = (
    "Kathleen",
    "Charlotte Nott",
    "Wojciechowska",
    "Ngozi Adeyemi",
    "Zoë Lindqvist",
    "Rebecca",
    "Søren Dahl",
    "Abalos",
    "Margaret of Anjou",
    "Tchaikovsky",
    "Walter",
    "Jose de Venecia",
)
_RARE = re.compile(r"(Wojc|iech|owska|Ng|ozi|Ade|yemi|Lind|qvist|Aba|los|Tch|aiko|vsky|Vene|cia)")
_WORD = re.compile(r"\w+|[^\w\s]")

_EXAMPLE_METRICS = (
    Metric("std", "standard deviation", low=0.0, high=0.5, meaning="high: sharply peaked rows"),
    Metric("std_normalised", "standard deviation (normalised)", low=0.0, high=1.0, baseline=0.0),
    Metric("entropy", "entropy (nats)", low=0.0, meaning="high: attention is spread out"),
    Metric("entropy_normalised", "entropy (normalised)", low=0.0, high=1.0, baseline=1.0),
    Metric("confidence", "confidence", low=0.0, high=1.0, meaning="mean of each row's largest"),
    Metric("mass_previous", "mass on the previous token", low=0.0, high=1.0),
    Metric("mass_same", "mass on the token itself", low=0.0, high=1.0),
    Metric("mass_next", "mass on the next token", low=0.0, high=1.0),
    Metric("mass_first", "mass on the first token", low=0.0, high=1.0),
    Metric("mass_separator", "mass on separators", low=0.0, high=1.0),
    Metric("mean_distance", "mean distance (tokens)", low=0.0, meaning="high: attends far away"),
)
_DIRECTIONS = (
    ("candidate_pronoun", "candidate→pronoun"),
    ("pronoun_candidate", "pronoun→candidate"),
)
_INTENSITIES = ("max", "mass", "excess")
_PAIR_METRICS = tuple(
    Metric(
        f"intensity_{name}_{form}",
        f"intensity {title} ({form})",
        unit="pair",
        low=-1.0 if form == "excess" else 0.0,
        high=1.0,
        baseline=0.0 if form == "excess" else None,
        meaning="high: attention goes from the one span to the other",
        source="Lal et al. 2021, §3.3" if form == "max" else "",
    )
    for name, title in _DIRECTIONS
    for form in _INTENSITIES
)
_MEASURES = (
    Measure("cosine", "cosine distance", "1 - cos", "distance between span means"),
    Measure("euclid", "Euclidean distance", "", "distance between span means"),
)


_JUDGED = {
    "gold": Column("categorical", role="gold"),
    "prediction": Column("categorical", role="prediction"),
}
_CORRECT = {"correct": Column("boolean", role="correct")}
_EXAMPLE_COLUMNS = {
    "url": Column("text"),
    "source": Column("categorical"),
    "pairs": Column("continuous", "pairs", "number of pairs"),
    **_CORRECT,
    "score": Column("continuous", "score", "share of pairs that are right", "score"),
}
_POINT_COLUMNS = {
    "mention": Column("text"),
    "role": Column("categorical"),
    **_JUDGED,
    **_CORRECT,
}
_PAIR_COLUMNS = {
    "span1": Column("text"),
    "span2": Column("text"),
    **_JUDGED,
    "probability": Column("continuous", "", "of coreferent", "probability"),
    **_CORRECT,
}


@dataclass(frozen=True)
class Mention:
    """A span of a made-up sentence: its text, role and half-open token range."""

    text: str
    role: str
    start: int
    stop: int


@dataclass(frozen=True)
class Sentence:
    """A made-up example: candidates first, the pronoun last; ``answer`` 2 means neither."""

    text: str
    tokens: Tokens
    mentions: tuple[Mention, ...]
    answer: int
    template: int


def tokenise(text: str, word_pieces: bool = True, padding: int = 0) -> Tokens:
    """Lower-cased word pieces between [CLS] and [SEP], and ``padding`` more full stops."""
    texts, offsets, words = ["[CLS]"], [(0, 0)], [-1]
    for number, match in enumerate(_WORD.finditer(text)):
        pieces = [p for p in _RARE.split(match.group()) if p] if word_pieces else [match.group()]
        at = match.start()
        for i, piece in enumerate(pieces):
            texts.append(("##" if i else "") + piece.lower())
            offsets.append((at, at + len(piece)))
            words.append(number)
            at += len(piece)
    last = words[-1]
    for i in range(padding):
        texts.append(".")
        offsets.append((len(text), len(text)))
        words.append(last + 1 + i)
    texts, offsets, words = [*texts, "[SEP]"], [*offsets, (0, 0)], [*words, -1]
    return Tokens(
        tuple(texts),
        np.array(offsets, dtype=np.int32),
        np.array([word < 0 for word in words]),
        np.array(words, dtype=np.int32),
    )


def sentence(row: int, seed: int = 0, word_pieces: bool = True, tokens: int = 0) -> Sentence:
    """Example ``row`` of the files with this seed, at least ``tokens`` tokens long."""
    rng = np.random.default_rng([seed, row, 0])
    number = int(rng.integers(len(_TEMPLATES)))
    template, answer = _TEMPLATES[number]
    first, second = rng.choice(len(_NAMES), size=2, replace=False)
    names = {"A": _NAMES[first], "B": _NAMES[second], "P": str(rng.choice(["she", "he"]))}
    text, spans = "", {}
    for part in re.split(r"(\{[ABP]\})", template):
        word = names.get(part[1:2], part) if part.startswith("{") else part
        if part.startswith("{"):
            spans[part[1]] = (len(text), len(text) + len(word))
        text += word
    split = tokenise(text, word_pieces)
    split = tokenise(text, word_pieces, max(0, tokens - len(split)))
    mentions = []
    for key in "ABP":
        low, high = spans[key]
        inside = (split.offsets[:, 0] >= low) & (split.offsets[:, 1] <= high) & ~split.special
        at = np.flatnonzero(inside)
        role = "pronoun" if key == "P" else "candidate"
        mentions.append(Mention(names[key], role, int(at[0]), int(at[-1]) + 1))
    return Sentence(text, split, tuple(mentions), answer, number)


def attention_maps(
    example: Sentence, row: int, layers: int, heads: int, seed: int, shift: float
) -> Floats:
    """Softmax rows [layers, heads, n, n]: positional habits, noise and, shifted, a relation."""
    n = len(example.tokens)
    at = np.arange(n)
    step = at[None, :] - at[:, None]
    separator = np.array([text == "[SEP]" for text in example.tokens.texts])
    habits = np.stack(
        [step == -1, step == 0, step == 1, np.tile(separator, (n, 1)), np.tile(at == 0, (n, 1))]
    ).astype(np.float64)
    taste = np.random.default_rng([seed, 1]).gamma(0.7, 2.5, size=(layers, heads, len(habits)))
    noise, change = np.random.default_rng([seed, row, 1]).normal(size=(2, layers, heads, n, n))
    logits = np.einsum("lhk,kij->lhij", taste, habits) + 0.8 * noise + 0.3 * shift * change
    relation = np.zeros((n, n))
    for mention in example.mentions[:2]:
        pronoun = example.mentions[2]
        relation[mention.start : mention.stop, pronoun.start : pronoun.stop] = 1.0
    depth = ((np.arange(layers) + 1) / layers)[:, None] * (np.arange(heads) % 3 == 0)
    logits += 4.0 * shift * depth[..., None, None] * (relation + relation.T)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def example_metrics(maps: Floats, separator: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """The example metrics of one example's maps [L, H, n, n], each [L, H] (field notes, §1)."""
    n = maps.shape[-1]
    at = np.arange(n)
    surprise = -maps * np.log(np.where(maps > 0, maps, 1.0))
    squares = (maps**2).sum(axis=-1).mean(axis=-1)
    entropy = surprise.sum(axis=-1).mean(axis=-1)
    return {
        "std": maps.std(axis=(2, 3)),
        "std_normalised": np.sqrt(np.maximum(squares - 1 / n, 0) / (1 - 1 / n)),
        "entropy": entropy,
        "entropy_normalised": entropy / np.log(n),
        "confidence": maps.max(axis=-1).mean(axis=-1),
        "mass_previous": np.diagonal(maps, -1, 2, 3).mean(axis=-1),
        "mass_same": np.diagonal(maps, 0, 2, 3).mean(axis=-1),
        "mass_next": np.diagonal(maps, 1, 2, 3).mean(axis=-1),
        "mass_first": maps[:, :, 1:, 0].mean(axis=-1),
        "mass_separator": maps[..., separator].sum(axis=-1).mean(axis=-1),
        "mean_distance": (maps * abs(at[:, None] - at)).sum(axis=(2, 3)) / maps.sum(axis=(2, 3)),
    }


def pair_metrics(maps: Floats, candidate: Mention, pronoun: Mention) -> dict[str, Floats]:
    """The pair metrics of one example's maps [L, H, n, n], each [L, H]."""
    found = {}
    for (name, _), (a, b) in zip(
        _DIRECTIONS, ((candidate, pronoun), (pronoun, candidate)), strict=True
    ):
        block = maps[:, :, a.start : a.stop, b.start : b.stop]
        mass = block.sum(axis=-1).mean(axis=-1)
        uniform = (b.stop - b.start) / maps.shape[-1]
        for form, value in zip(
            _INTENSITIES, (block.max(axis=(2, 3)), mass, mass - uniform), strict=True
        ):
            found[f"intensity_{name}_{form}"] = value
    return found


def hidden_states(
    example: Sentence, mentions: tuple[Mention, ...], row: int, layers: int, seed: int, shift: float
) -> Floats:
    """Made-up hidden states of the mentions' tokens, in order: [layers + 1, points, WIDTH].

    With ``shift`` the pronoun and its antecedent move together, the more the later the layer.
    """
    rng = np.random.default_rng([seed, row, 2])
    topic = np.random.default_rng([seed, 2]).normal(scale=1.2, size=(len(_TEMPLATES), WIDTH))
    of_point = np.repeat(np.arange(len(mentions)), [m.stop - m.start for m in mentions])
    state = rng.normal(size=(len(mentions), WIDTH))[of_point] + 0.4 * rng.normal(
        size=(len(of_point), WIDTH)
    )
    answer = example.answer if example.answer < len(mentions) - 1 else len(mentions) - 1
    together = (of_point == len(mentions) - 1) | (of_point == answer)
    states = []
    for layer in range(layers + 1):
        state = 0.85 * state + 0.4 * rng.normal(size=state.shape)
        placed = state + topic[example.template] * layer / layers
        pull = min(1.0, 0.9 * shift * (layer / layers) ** 2)
        centre = placed[together].mean(axis=0)
        states.append(np.where(together[:, None], placed + pull * (centre - placed), placed))
    return np.stack(states)


def span_distances(states: Floats, first: slice, second: slice) -> dict[str, Floats]:
    """Distances between the means of two spans of states [L+1, points, width]: [L+1] each."""
    a, b = states[:, first].mean(axis=1), states[:, second].mean(axis=1)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return {
        "cosine": 1 - (a * b).sum(axis=-1) / norms,
        "euclid": np.linalg.norm(a - b, axis=-1),
    }


def describe(name: str, layers: int, heads: int, seed: int, shift: float) -> Meta:
    """The ``Meta`` of the files made here."""
    return Meta(
        task="coref",
        model=ModelInfo(
            name=name,
            architecture="BertModel",
            layers=layers,
            heads=heads,
            hidden_size=WIDTH,
            versions={"torch": "2.13.0", "transformers": "5.23.0"},
        ),
        tokens=TokenInfo(("[CLS]", "[SEP]"), "[SEP]", "##"),
        attention=(AttentionKind("self", layers, heads),),
        settings={"seed": seed, "shift": shift, "perplexity": 30.0, "projection": "made up"},
        notes=("made up for tests",),
    )


class _Maker:
    """Writes one file, example by example."""

    def __init__(
        self, writer: Writer, layers: int, heads: int, seed: int, shift: float, encoding: Encoding
    ) -> None:
        self.writer = writer
        self.layers, self.heads = layers, heads
        self.seed, self.shift, self.encoding = seed, shift, encoding
        self.states: list[Floats] = []
        self.points = 0

    def add(self, example: Sentence, row: int, attended: bool) -> None:
        """Adds one example with its points, pairs, metrics and distances."""
        mentions = example.mentions if row % 5 != 3 else (example.mentions[0], example.mentions[2])
        outcomes = [self._outcome(example, row, i) for i in range(len(mentions) - 1)]
        right = [o["correct"] for o in outcomes]
        known = [bool(value) for value in right if value is not None]
        self.writer.add_example(
            f"wsc-{row:03d}",
            example.text,
            example.tokens,
            url=f"https://example.org/{row}",
            source=None if row % 6 == 5 else ("novel", "news", "letter")[example.template % 3],
            pairs=len(outcomes),
            correct=None if None in right else all(known),
            score=sum(known) / len(known) if known else None,
        )
        ranges = self._points(example, row, mentions, outcomes)
        states = hidden_states(example, mentions, row, self.layers, self.seed, self.shift)
        self.states.append(states)
        maps = attention_maps(example, row, self.layers, self.heads, self.seed, self.shift)
        self._example_numbers(example, row, maps)
        pronoun, at = mentions[-1], ranges[0][0]
        for i, outcome in enumerate(outcomes):
            candidate, spans = mentions[i], (ranges[i], ranges[-1])
            self.writer.add_pair(
                f"wsc-{row:03d}-{'AB'[i]}",
                row,
                (candidate.start, candidate.stop),
                (pronoun.start, pronoun.stop),
                *spans,
                span1=candidate.text,
                span2=pronoun.text,
                **outcome,
            )
            slices = [slice(a - at, b - at) for a, b in spans]
            for name, distance in span_distances(states, *slices).items():
                self.writer.append_distances(name, distance[None])
            for name, value in pair_metrics(maps, candidate, pronoun).items():
                self.writer.append_metric(name, value[None] * (np.nan if row % 9 == 8 else 1.0))
        if attended:
            self.writer.add_attention(row, maps, encoding=self.encoding)

    def _example_numbers(self, example: Sentence, row: int, maps: Floats) -> None:
        separator = np.array([text == "[SEP]" for text in example.tokens.texts])
        for name, value in example_metrics(maps, separator).items():
            unknown = name == "mean_distance" and row % 9 == 4
            self.writer.append_metric(name, value[None] * (np.nan if unknown else 1.0))

    def _outcome(self, example: Sentence, row: int, candidate: int) -> dict[str, Any]:
        """Gold, prediction, probability and correctness of one pair; some are unknown."""
        noise = np.random.default_rng([self.seed, row, 3]).normal(size=2)[candidate]
        truth = candidate == example.answer
        score = 1.4 * noise + (0.3 + 2.5 * self.shift) * (1 if truth else -1)
        probability = float(1 / (1 + np.exp(-score)))
        gold = None if row % 7 == 6 else RELATION[truth]
        if row % 8 == 5 and candidate == 0:
            return {"gold": gold, "prediction": None, "probability": None, "correct": None}
        predicted = RELATION[probability >= 0.5]
        return {
            "gold": gold,
            "prediction": predicted,
            "probability": probability,
            "correct": None if gold is None else gold == predicted,
        }

    def _points(
        self,
        example: Sentence,
        row: int,
        mentions: tuple[Mention, ...],
        outcomes: list[dict[str, Any]],
    ) -> list[tuple[int, int]]:
        """Adds the mentions' tokens as points; the range of points of each mention."""
        ranges = []
        for i, mention in enumerate(mentions):
            mine = [outcomes[i]] if mention.role == "candidate" else outcomes
            right = [o["correct"] for o in mine]
            start = self.points
            for token in range(mention.start, mention.stop):
                self.writer.add_point(
                    row,
                    token,
                    token + 1,
                    example.tokens.texts[token],
                    mention=mention.text,
                    role=mention.role,
                    gold=_joined([o["gold"] for o in mine]),
                    prediction=_joined([o["prediction"] for o in mine]),
                    correct=None if None in right else all(right),
                )
            self.points += mention.stop - mention.start
            ranges.append((start, self.points))
        return ranges

    def finish(self) -> None:
        """Adds maps and their quality."""
        steps = np.arange(self.layers + 1)
        if self.states:
            states = np.concatenate(self.states, axis=1)
            axes = np.random.default_rng([self.seed, 4]).normal(size=(WIDTH, 2))
            for layer in steps:
                self.writer.set_coordinates(int(layer), 4.0 * states[layer] @ axes)
        self.writer.set_quality("trustworthiness@15", 0.97 - 0.01 * steps)
        self.writer.set_quality("recall@15", 0.62 - 0.03 * steps)

    def keep_vectors(self, size: int) -> None:
        """Adds the first so many numbers of the hidden states, as vectors."""
        if not (size and self.states):
            return
        self.writer.set_vector_points(range(self.points))
        kept = []
        for layer, states in enumerate(np.concatenate(self.states, axis=1)):
            lengths = np.linalg.norm(states, axis=1)
            unit = states / lengths[:, None]
            self.writer.set_vectors(layer, unit[:, :size], lengths)
            kept.append(float((unit[:, :size] ** 2).sum(axis=1).mean()))
        self.writer.set_vector_quality("kept", kept)
        self.writer.set_vector_quality("cosine error", np.linspace(0.001, 0.0042, len(kept)))


def _joined(values: list[Any]) -> Any:
    """The value of a mention that takes part in several pairs."""
    if None in values:
        return None
    return values[0] if len(set(values)) == 1 else "ambiguous"


def write_collateral(
    path: str | os.PathLike[str],
    *,
    examples: int = 12,
    layers: int = 3,
    heads: int = 4,
    seed: int = 0,
    attention: int = 6,
    name: str = "toy",
    shift: float = 0.0,
    encoding: Encoding = "float16",
    word_pieces: bool = True,
    long: int = 0,
    vectors: int = 0,
) -> Path:
    """Writes a plausible coreference file and returns its path.

    Files with the same ``seed`` hold the same texts, tokens, points and pairs, so two of them with
    different ``shift`` make a pair to compare. Rows with unknown values, by row number: a source
    ``row % 6 == 5``, the gold label ``row % 7 == 6``, the first prediction ``row % 8 == 5``, the
    metric mean_distance ``row % 9 == 4``, pair metrics ``row % 9 == 8``. One pair only, instead of
    two: ``row % 5 == 3``.

    Args:
        examples: number of examples; 0 gives a file without rows and maps.
        seed: decides about texts and numbers.
        attention: the first so many examples have their attention stored.
        name: the model's name.
        shift: 0 is a base model, 1 a fine-tuned one: other predictions, maps and attention.
        word_pieces: False keeps each word one token (the same texts, other tokens).
        long: if not 0, the last example is padded to at least so many tokens.
        vectors: if not 0, points keep so many numbers of their hidden states.
    """
    with collateral.create(
        path,
        describe(name, layers, heads, seed, shift),
        examples=_EXAMPLE_COLUMNS,
        points=_POINT_COLUMNS,
        pairs=_PAIR_COLUMNS,
        metrics=(*_EXAMPLE_METRICS, *_PAIR_METRICS),
        measures=_MEASURES,
    ) as writer:
        maker = _Maker(writer, layers, heads, seed, shift, encoding)
        for row in range(examples):
            least = long if row == examples - 1 else 0
            maker.add(sentence(row, seed, word_pieces, least), row, row < attention)
        maker.finish()
        maker.keep_vectors(vectors)
    return Path(path)
