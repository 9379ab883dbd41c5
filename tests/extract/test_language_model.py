"""The task language-model: whole runs with tiny models, and what stands in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import collateral
from extract import pipeline
from extract.errors import BadLine, ExtractError, UsageError
from extract.options import RunOptions
from extract.progress import Reporter
from extract.tasks import generation
from extract.tasks.base import TaskOptions
from extract.tasks.language_model import LanguageModel
from tui.project import Project

from . import tiny
from .task_runs import begin, no_model

Write = Callable[..., Path]
Run = Callable[..., pipeline.Summary]

TEXTS: list[dict[str, Any]] = [
    {"id": "a", "text": "the trophy, and it because he", "loss": "high", "kind": "x"},
    {"id": "b", "text": "h", "loss": "low", "kind": "x"},
    {"id": "c", "text": "they é🙂 it. the suit", "loss": "low", "kind": "x"},
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models with their heads, and a base checkpoint."""
    root = tmp_path_factory.mktemp("models")
    made = {
        family: tiny.save_tiny(
            root / family,
            family,
            head="language-model",
            vocab_size=len(tiny.tokenizer_of(family)),
        )
        for family in ("gpt2", "opt", "roberta")
    }
    return {
        **made,
        "base": tiny.save_tiny(root / "base", "gpt2"),
        "t5": tiny.save_tiny(root / "t5", "t5", head="seq2seq"),
    }


@pytest.fixture
def run(folders: dict[str, Path], write_lines: Write, tmp_path: Path) -> Run:
    """A run over a few texts, with all attention kept; the file must be whole."""

    def call(
        model: str, *lines: Any, reporter: Reporter | None = None, **options: Any
    ) -> pipeline.Summary:
        data = write_lines(*(lines or TEXTS))
        settings: dict[str, Any] = {"attention": None, "batch_size": 2} | options
        summary = pipeline.run(
            RunOptions(
                str(folders[model]), data, tmp_path / "out.msgpack", "language-model", **settings
            ),
            reporter,
        )
        assert summary is not None
        with collateral.open(summary.output) as c:
            assert list(c.verify()) == []
        return summary

    return call


def alone(folder: Path, *, masked: bool = False, **options: Any) -> Any:
    """The model by itself."""
    factory: Any = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    return factory.from_pretrained(folder, **options).eval()


def losses(folder: Path, ids: list[int], *, masked: bool = False) -> Any:
    """Float64 losses and the likeliest tokens of one text by transformers alone."""
    model = alone(folder, masked=masked)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    if not masked:
        logits, ids = logits[:-1], ids[1:]
    said = logits.log_softmax(-1)
    return -said[range(len(ids)), ids].numpy(), said.argmax(-1).tolist()


def items_of(c: Any, row: int) -> slice:
    """The items of an example."""
    mine = np.flatnonzero(c.item_examples == row)
    return slice(int(mine[0]), int(mine[-1]) + 1)


@pytest.mark.parametrize(("family", "masked"), [("gpt2", False), ("opt", False), ("roberta", True)])
def test_a_file_says_what_the_model_says(
    family: str, masked: bool, run: Run, folders: dict[str, Path]
) -> None:
    summary = run(family)
    tokenizer: Any = AutoTokenizer.from_pretrained(folders[family])
    with collateral.open(summary.output) as c:
        assert c.meta.task == "language-model" and c.meta.item == "token"
        assert c.examples["text"] == [one["text"] for one in TEXTS]
        # a field of the data does not take the place of a score
        assert c.examples["loss (data)"] == ["high", "low", "low"]
        assert ("perplexity" in c.examples) != masked
        total: list[float] = []
        right = 0
        for row, one in enumerate(TEXTS):
            tokens, mine = c.tokens(row), items_of(c, row)
            ids = tokenizer(one["text"])["input_ids"]
            assert list(tokens.texts) == tokenizer.convert_ids_to_tokens(ids)
            assert c.items["text"][mine] == list(tokens.texts)
            assert c.item_tokens[mine].tolist() == [[i, i + 1] for i in range(len(ids))]
            expected, said = losses(folders[family], ids, masked=masked)
            first = len(ids) - len(expected)
            found = np.array(c.items["loss"][mine])
            assert np.isnan(found[:first]).all()
            np.testing.assert_allclose(found[first:], expected, rtol=1e-4, atol=1e-5)
            names: list[str] = tokenizer.convert_ids_to_tokens(said)
            assert c.items["prediction"][mine] == [""] * first + names
            correct = [name == text for name, text in zip(names, tokens.texts[first:], strict=True)]
            assert c.items["correct"][mine] == [None] * first + correct
            assert [rank == 1 for rank in c.items["rank"][mine]] == [False] * first + correct
            for choices, name in zip(c.items["choices"][mine][first:], names, strict=True):
                assert choices.startswith(f"{name} ") and len(choices.split("  ")) == 5
            counted = ~np.array(tokens.special[first:])
            if not counted.any():
                assert np.isnan(c.examples["loss"][row]) and c.examples["scored"][row] == 0
                continue
            assert c.examples["loss"][row] == pytest.approx(expected[counted].mean(), rel=1e-4)
            if not masked:
                assert c.examples["perplexity"][row] == pytest.approx(
                    np.exp(expected[counted].mean()), rel=1e-4
                )
            assert c.examples["scored"][row] == counted.sum()
            right_here = int(np.array(correct)[counted].sum())
            assert c.examples["accuracy"][row] == pytest.approx(right_here / counted.sum())
            total += expected[counted].tolist()
            right += right_here
        # points are the tokens, with the same values
        for point, (start, stop) in enumerate(c.point_tokens.tolist()):
            assert stop == start + 1 and not c.tokens(c.point_examples[point]).special[start]
            item = items_of(c, c.point_examples[point]).start + start
            for name in ("loss", "rank", "prediction", "correct", "text"):
                values = (c.points[name][point], c.items[name][item])
                assert values[0] == values[1] or values[0] != values[0]
        (said_of_all,) = summary.score
        assert f"over {len(total)} tokens, first choice right {right / len(total):.1%}" in (
            said_of_all
        )
        assert f"mean loss {np.mean(total):.4g} nats" in said_of_all
        assert said_of_all.startswith("perplexity") != masked
        assert masked == any("no pseudo-likelihoods" in note for note in c.meta.notes)
    project = Project.open([summary.output])
    assert project.score_title == "loss"
    assert project.score("A", 0) == pytest.approx(np.mean(losses_of(summary.output, 0)), rel=1e-6)


def losses_of(path: Path, row: int) -> list[float]:
    """The losses of an example's tokens that are scored and no special tokens."""
    with collateral.open(path) as c:
        mine = items_of(c, row)
        pairs = zip(c.items["loss"][mine], c.tokens(row).special, strict=True)
        return [loss for loss, special in pairs if not special and loss == loss]


def test_columns_have_roles_that_the_viewer_knows(run: Run) -> None:
    with collateral.open(run("gpt2").output) as c:
        for table in (c.items, c.points):
            roles = {table.describe(name).role: name for name in table}
            assert roles["score"] == "loss" and roles["prediction"] == "prediction"
            assert roles["correct"] == "correct"
        assert c.items.with_role("probability") == "probability"
        assert c.examples.with_role("score") == "loss"
        for table in (c.examples, c.points, c.items):
            for name in table:
                if table.describe(name).role not in ("id", "text"):
                    assert table.describe(name).meaning.endswith(".")


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_a_model_goes_on_writing(family: str, run: Run, folders: dict[str, Path]) -> None:
    summary = run(family, generate=6, max_length=40)
    model = alone(folders[family])
    tokenizer = AutoTokenizer.from_pretrained(folders[family])
    with collateral.open(summary.output) as c:
        assert c.meta.settings["generate"] == 6
        assert any("wrote up to 6 tokens" in note for note in c.meta.notes)
        for row, one in enumerate(TEXTS):
            prompt = tokenizer(one["text"], return_tensors="pt")["input_ids"]
            whole = model.generate(prompt, max_new_tokens=6, do_sample=False, pad_token_id=0)[0]
            ids = whole.tolist()
            end = tokenizer.eos_token_id
            while ids[-1] == end:
                ids.pop()
            tokens, mine = c.tokens(row), items_of(c, row)
            assert list(tokens.texts) == tokenizer.convert_ids_to_tokens(ids)
            text = c.examples["text"][row]
            assert text == one["text"] + tokenizer.decode(ids[prompt.shape[1] :])
            new = [False] * prompt.shape[1] + [True] * (len(ids) - prompt.shape[1])
            assert c.items["written"][mine] == new and any(new)
            # what it wrote itself is its first choice, in the one clean pass
            assert all(c.items["correct"][mine][prompt.shape[1] :])
            points = np.flatnonzero(c.point_examples == row)
            written = [c.points["written"][point] for point in points]
            at = [int(c.point_tokens[point, 0]) for point in points]
            shown = [i for i in range(len(ids)) if not tokens.special[i]]
            assert at == shown and written == [new[i] for i in at]
            # attention is that of the whole, as the model gives it
            eager = alone(folders[family], attn_implementation="eager")
            with torch.no_grad():
                maps = torch.cat(eager(torch.tensor([ids]), output_attentions=True).attentions)
            np.testing.assert_allclose(c.attention(row), maps, atol=1e-3)
    assert Project.open([summary.output]).example_texts[1][0].startswith(TEXTS[0]["text"])


def test_nothing_is_written(folders: dict[str, Path], run: Run, tmp_path: Path) -> None:
    model = alone(folders["gpt2"])
    tokenizer = AutoTokenizer.from_pretrained(folders["gpt2"])
    ids = tokenizer(TEXTS[0]["text"], return_tensors="pt")["input_ids"]
    first = int(model(ids).logits[0, -1].argmax())
    model.generation_config.eos_token_id = first
    folders["ends"] = tmp_path / "ends"
    model.save_pretrained(folders["ends"])
    tokenizer.save_pretrained(folders["ends"])
    with collateral.open(run("ends", generate=6, max_length=40).output) as c:
        assert c.examples["text"][0] == TEXTS[0]["text"]
        assert not any(c.items["written"][items_of(c, 0)])
        assert len(c.tokens(0)) == ids.shape[1]


class Steps:
    """Hears of every stage: its name, its steps, and how they came."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[int | None, list[int]]] = {}

    def begin(self, stage: str, total: int | None) -> None:
        """A stage starts."""
        self.stages[stage] = total, []

    def advance(self, steps: int) -> None:
        """So many more steps are done."""
        list(self.stages.values())[-1][1].append(steps)

    def end(self) -> None:
        """The stage is done."""


def test_writing_keeps_to_the_batch_size_and_shows_how_far_it_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = tmp_path / "out.msgpack"
    run("gpt2", generate=3, batch_size=3, max_length=40)
    with collateral.open(written) as c:
        expected = list(c.examples["text"])
    real, sizes = generation._generate, []

    def short(loaded: Any, batch: Any, most: int) -> Any:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("no")
        return real(loaded, batch, most)

    monkeypatch.setattr(generation, "_generate", short)
    steps = Steps()
    summary = run("gpt2", reporter=steps, generate=3, batch_size=3, max_length=40)
    assert sizes == [3, 1, 1, 1]
    assert steps.stages["Writing, forward"] == (6, [1] * 6)  # each text is written, then looked at
    assert any("too small for 3 texts" in note and "held 1" in note for note in summary.notes)
    with collateral.open(written) as c:
        assert list(c.examples["text"]) == expected

    def never(*_: object) -> None:
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(generation, "_generate", never)
    with pytest.raises(ExtractError, match=r"too small for 1 text .*; lower --max-length, --gene"):
        run("gpt2", generate=3, max_length=40)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ("first", [(0, 1)]),
        ("last", [(9, 10)]),
        ("mean", [(0, 10)]),
        ("regex:the trophy", [(0, 4)]),
        ("sample:2", None),
    ],
)
def test_points_of_what_is_written(
    points: str, expected: list[tuple[int, int]] | None, run: Run
) -> None:
    summary = run("gpt2", {"text": "the trophy and it"}, generate=4, points=points, max_length=40)
    with collateral.open(summary.output) as c:
        assert len(c.tokens(0)) == 10  # t h e Ġtrophy Ġand Ġit, and four that are written
        found = [tuple(one) for one in c.point_tokens.tolist()]
        if expected is None:
            assert len(found) == 2 and found == sorted(set(found))
            return
        assert found == expected
        start, stop = expected[0]
        known = [x for x in c.items["loss"][start:stop] if x == x]
        if not known:
            assert np.isnan(c.points["loss"][0]) and c.points["prediction"] == [""]
            return
        assert c.points["loss"][0] == pytest.approx(np.mean(known), rel=1e-6)
        assert c.points["rank"][0] == np.nanmax(c.items["rank"][start:stop])
        right = [x for x in c.items["correct"][start:stop] if x is not None]
        assert c.points["correct"][0] is all(right)
        names = [x for x in c.items["prediction"][start:stop] if x]
        assert c.points["prediction"][0] == (" ".join(names) if len(names) <= 8 else "")


def test_a_prompt_that_is_cut_is_gone_on_from_where_it_is_cut(run: Run) -> None:
    text = "the trophy and it because he and she"
    summary = run("gpt2", {"text": text}, generate=3, max_length=6)
    with collateral.open(summary.output) as c:
        tokens = c.tokens(0)
        assert list(tokens.texts)[:6] == ["t", "h", "e", "Ġtrophy", "Ġand", "Ġit"]
        whole = c.examples["text"][0]
        assert whole.startswith("the trophy and it") and "because" not in whole
        assert tokens.offsets[6][0] == len("the trophy and it")
        assert c.items["written"] == [False] * 6 + [True] * 3
        assert any("cut at 6 tokens" in note for note in c.meta.notes)


def test_words_keep_their_parse(run: Run) -> None:
    line = {
        "words": ["the", "trophy", "fits"],
        "heads": [1, 2, -1],
        "deprels": ["det", "nsubj", "root"],
    }
    for generate in (0, 3):
        with collateral.open(run("gpt2", line, generate=generate, max_length=40).output) as c:
            assert c.items["text"][:4] == ["t", "h", "e", "Ġtrophy"]
            assert c.points["deprels"][:4] == ["det", "det", "det", "nsubj"]
            assert "loss" in c.items and c.points["word"][3] == "trophy"


def test_a_checkpoint_without_a_head(run: Run) -> None:
    summary = run("base")
    assert summary.score == () and summary.items == 0
    with collateral.open(summary.output) as c:
        assert c.examples["loss"] == ["high", "low", "low"]  # the data's
        assert not {"loss", "prediction"} & set(c.points) and len(c.items) == 0
        assert any("no head that predicts tokens (GPT2Model)" in note for note in c.meta.notes)
    assert Project.open([summary.output]).score_title == ""
    with pytest.raises(ExtractError, match="cannot write: the checkpoint has no head"):
        run("base", generate=3)


def test_models_that_are_of_no_use(run: Run) -> None:
    with pytest.raises(ExtractError, match=r"RobertaForMaskedLM.*leave --generate out"):
        run("roberta", generate=3)
    with pytest.raises(ExtractError, match="is an encoder-decoder; take --task seq2seq"):
        run("t5")


def test_no_room_is_said_before_the_model_runs(run: Run) -> None:
    with pytest.raises(UsageError, match=r"takes 64 tokens.*--max-length 44\."):
        run("gpt2", {"text": "he " * 50}, generate=20)
    with pytest.raises(UsageError, match=r"for --generate 70; lower --generate\."):
        run("gpt2", generate=70)


@pytest.mark.parametrize("family", ["gpt2", "roberta"])
def test_texts_without_tokens_are_bad_lines(family: str, run: Run) -> None:
    with pytest.raises(BadLine, match=r'line 2: "text" is empty'):
        run(family, TEXTS[0], {"text": ""})
    summary = run(family, TEXTS[0], {"text": ""}, skip_bad=True)
    assert summary.texts == 1 and [one.line for one in summary.bad] == [2]


def test_special_tokens_written_in_a_text_are_tokens(run: Run) -> None:
    with collateral.open(run("roberta", {"text": "<s></s>"}, {"text": "the"}).output) as c:
        assert list(c.tokens(0).texts) == ["<s>", "<s>", "</s>", "</s>"]
        assert len(c.items) == 4 + 5


def test_a_token_alone(run: Run) -> None:
    summary = run("gpt2", {"text": "h"}, {"text": "x"})
    assert summary.score == ()
    with collateral.open(summary.output) as c:
        assert np.isnan(c.examples["loss"]).all() and list(c.examples["scored"]) == [0, 0]
        assert c.items["prediction"] == ["", ""] and c.items["correct"] == [None, None]
    assert Project.open([summary.output]).score("A", 0) != 0


def test_samples_count_what_will_be_written(write_lines: Write) -> None:
    path = write_lines(*({"text": "they"} for _ in range(100)))
    tokenizer = tiny.tiny_tokenizer("bytes")
    loaded = no_model(head="language-model", max_length=128, masked=False, tokenizer=tokenizer)
    few = begin(LanguageModel(), path, tokenizer, loaded)
    assert few.source.groups[0].quota is None
    many = begin(LanguageModel(TaskOptions(generate=60)), path, tokenizer, loaded)
    assert sum(one.quota for one in many.source.groups) == 5000
