"""The task seq2seq: whole runs with tiny encoder-decoders, and what stands in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import collateral
from extract import pipeline
from extract.errors import BadLine, ExtractError, UsageError
from extract.maps.vectors import VectorStore
from extract.options import RunOptions
from tui.project import Project

from . import tiny

Write = Callable[..., Path]
Run = Callable[..., pipeline.Summary]

PAIRS: list[dict[str, Any]] = [
    {"id": "a", "source": "the trophy, and it because he", "target": "he and she", "kind": "x"},
    {"id": "b", "source": "they", "target": "the large suit, it is too large", "kind": "x"},
    {"id": "c", "source": "it is so", "target": "it", "kind": "y"},
]
ATTENTION = {
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models with their heads, a base checkpoint and a decoder."""
    root = tmp_path_factory.mktemp("models")
    made = {
        family: tiny.save_tiny(
            root / family, family, head="seq2seq", vocab_size=len(tiny.tokenizer_of(family))
        )
        for family in ("t5", "bart", "marian")
    }
    return {
        **made,
        "wordpiece": tiny.save_tiny(
            root / "wordpiece",
            "t5",
            head="seq2seq",
            tokenizer=tiny.tiny_tokenizer("wordpiece"),
        ),
        "base": tiny.save_tiny(root / "base", "bart"),
        "gpt2": tiny.save_tiny(root / "gpt2", "gpt2", head="language-model"),
    }


@pytest.fixture
def run(folders: dict[str, Path], write_lines: Write, tmp_path: Path) -> Run:
    """A run over a few pairs, with all attention kept; the file must be whole."""

    def call(model: str, *lines: Any, **options: Any) -> pipeline.Summary:
        data = write_lines(*(lines or PAIRS))
        settings: dict[str, Any] = {"attention": None, "batch_size": 2} | options
        summary = pipeline.run(
            RunOptions(str(folders[model]), data, tmp_path / "out.msgpack", "seq2seq", **settings)
        )
        assert summary is not None
        with collateral.open(summary.output) as c:
            assert list(c.verify()) == []
        return summary

    return call


def eager(folder: Path) -> Any:
    """The model by itself."""
    return AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()


def source_of(c: Any, row: int) -> int:
    """How many of an example's tokens are its source's."""
    count: int = c.source_tokens(row)
    return count


def of(rows: Any, row: int) -> list[int]:
    """Rows of a table that are an example's."""
    found: list[int] = np.flatnonzero(rows == row).tolist()
    return found


@pytest.mark.parametrize("side", ["target", "source"])
@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_source_and_target(family: str, side: str, run: Run, folders: dict[str, Path]) -> None:
    summary = run(family, side=side)
    model, tokenizer = eager(folders[family]), AutoTokenizer.from_pretrained(folders[family])
    with collateral.open(summary.output) as c:
        assert c.meta.task == "seq2seq" and c.meta.item == "token"
        assert c.meta.settings["side"] == side
        total: list[float] = []
        for row, one in enumerate(PAIRS):
            source = tokenizer(one["source"])["input_ids"]
            labels = tokenizer(text_target=one["target"])["input_ids"]
            cut, tokens = source_of(c, row), c.tokens(row)
            start = model.config.decoder_start_token_id
            assert cut == len(source)
            assert list(tokens.texts) == tokenizer.convert_ids_to_tokens([*source, start, *labels])
            assert bool(tokens.special[cut])
            assert c.examples["text"][row] == f"{one['source']}\n{one['target']}"
            # all that the model gives when it is asked, with labels moved by its own code
            with torch.no_grad():
                said = model(
                    input_ids=torch.tensor([source]),
                    labels=torch.tensor([labels]),
                    output_attentions=True,
                    output_hidden_states=True,
                )
                whole = model(
                    input_ids=torch.tensor([source]),
                    decoder_input_ids=torch.tensor([[start, *labels]]),
                    output_attentions=True,
                )
            losses = -said.logits[0].double().log_softmax(-1)[range(len(labels)), labels]
            items = of(c.item_examples, row)
            assert c.item_tokens[items].tolist() == [
                [i, i + 1] for i in range(cut, len(tokens.texts))
            ]
            found = np.array([c.items["loss"][item] for item in items])
            assert np.isnan(found[0]) and c.items["prediction"][items[0]] == ""
            np.testing.assert_allclose(found[1:], losses, rtol=1e-4, atol=1e-5)
            assert found[1:].mean() == pytest.approx(float(said.loss), rel=1e-4)
            top = tokenizer.convert_ids_to_tokens(said.logits[0].argmax(-1).tolist())
            assert [c.items["prediction"][item] for item in items[1:]] == top
            shown = ~np.array(tokens.special[cut + 1 :])
            total += losses[torch.from_numpy(shown)].tolist()
            assert c.examples["loss"][row] == pytest.approx(losses[shown].mean().item(), rel=1e-4)
            for kind, name in ATTENTION.items():
                maps = torch.cat(getattr(whole, name)).numpy()
                np.testing.assert_allclose(c.attention(row, kind), maps, atol=1e-3)
                assert (kind == "decoder") == (not np.triu(maps, 1).any())
        assert np.log(float(summary.score[0].split()[1].rstrip(","))) == pytest.approx(
            np.mean(total), rel=1e-3
        )
        sides = {kind.name: (kind.queries, kind.keys, kind.causal) for kind in c.meta.attention}
        assert sides == {
            "encoder": ("source", "source", False),
            "decoder": ("target", "target", True),
            "cross": ("target", "source", False),
        }
        assert {"encoder:std", "decoder:std", "cross:std"} <= set(c.metrics)
        check_points(c, side)
    project = Project.open([summary.output])
    assert project.score_title == "loss"


def check_points(c: Any, side: str) -> None:
    """All tokens of one side that are not special, and no other."""
    for row in range(len(PAIRS)):
        cut, tokens = source_of(c, row), c.tokens(row)
        places = range(cut) if side == "source" else range(cut, len(tokens.texts))
        points = of(c.point_examples, row)
        expected = [[i, i + 1] for i in places if not tokens.special[i]]
        assert c.point_tokens[points].tolist() == expected
        if side == "source":
            assert "loss" not in c.points
            continue
        items = {int(c.item_tokens[item, 0]): item for item in of(c.item_examples, row)}
        for point in points:
            item = items[int(c.point_tokens[point, 0])]
            assert c.points["loss"][point] == c.items["loss"][item]
            assert c.points["prediction"][point] == c.items["prediction"][item]
    words = {word for word in c.points["word"] if word}
    assert ("trophy" in words) == (side == "source") and ("suit" in words) == (side == "target")


@pytest.mark.parametrize("side", ["target", "source"])
def test_points_are_hidden_states_of_their_side(
    side: str, run: Run, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    real = VectorStore.append

    def append(self: VectorStore, block: Any) -> None:
        kept.append(np.array(block))
        real(self, block)

    monkeypatch.setattr(VectorStore, "append", append)
    summary = run("t5", side=side)
    model, tokenizer = eager(folders["t5"]), AutoTokenizer.from_pretrained(folders["t5"])
    with collateral.open(summary.output) as c:
        layers = {"source": tiny.LAYERS, "target": tiny.LAYERS + 1}
        assert c.meta.model.layers == layers[side]
        for row, one in enumerate(PAIRS):
            source = tokenizer(one["source"], return_tensors="pt")["input_ids"]
            labels = tokenizer(text_target=one["target"])["input_ids"]
            with torch.no_grad():
                said = model(
                    input_ids=source,
                    decoder_input_ids=torch.tensor([[tokenizer.pad_token_id, *labels]]),
                    output_hidden_states=True,
                )
            names = {"source": "encoder_hidden_states", "target": "decoder_hidden_states"}
            states = torch.cat(getattr(said, names[side])).numpy()
            first = source_of(c, row) if side == "target" else 0
            at = [start - first for start, _ in c.point_tokens[of(c.point_examples, row)].tolist()]
            np.testing.assert_allclose(kept[row], states[:, at], atol=1e-4)


@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_a_model_writes_the_target(family: str, run: Run, folders: dict[str, Path]) -> None:
    lines = [*PAIRS, {"id": "d", "source": "the suit"}, {"id": "e", "source": "he", "target": ""}]
    summary = run(family, *lines, generate=5)
    model, tokenizer = eager(folders[family]), AutoTokenizer.from_pretrained(folders[family])
    own = model.generation_config
    own.forced_eos_token_id, own.use_cache = None, False  # T5's fails with a deeper decoder
    with collateral.open(summary.output) as c:
        assert c.examples["target"] == [*(one["target"] for one in PAIRS), "", ""]
        assert "written" not in c.items and "written" not in c.points
        assert any("Targets of up to 5 tokens" in note for note in c.meta.notes)
        for row, one in enumerate(lines):
            source = tokenizer(one["source"], return_tensors="pt")["input_ids"]
            ids = model.generate(source, max_new_tokens=5, do_sample=False)[0].tolist()
            assert ids[0] == model.config.decoder_start_token_id
            if tokenizer.eos_token_id in ids[1:]:
                ids = ids[: ids.index(tokenizer.eos_token_id, 1)]
            cut, tokens = source_of(c, row), c.tokens(row)
            assert list(tokens.texts)[cut:] == tokenizer.convert_ids_to_tokens(ids)
            text = c.examples["text"][row]
            assert text == f"{one['source']}\n{tokenizer.decode(ids, skip_special_tokens=True)}"
            items = of(c.item_examples, row)
            assert len(items) == len(ids) and all(c.items["correct"][i] for i in items[1:])
            points = c.point_tokens[of(c.point_examples, row), 0].tolist()
            shown = [i for i in range(cut, len(tokens.texts)) if not tokens.special[i]]
            assert points == shown
            assert len(text) >= tokens.offsets.max()
    assert Project.open([summary.output]).score_title == "loss"


def test_nothing_is_written(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    model, tokenizer = eager(folders["bart"]), AutoTokenizer.from_pretrained(folders["bart"])
    ids = tokenizer(PAIRS[0]["source"], return_tensors="pt")["input_ids"]
    start = torch.tensor([[model.config.decoder_start_token_id]])
    first = int(model(input_ids=ids, decoder_input_ids=start).logits[0, -1].argmax())
    model.generation_config.eos_token_id = first
    folders["ends"] = tmp_path / "ends"
    model.save_pretrained(folders["ends"])
    tokenizer.save_pretrained(folders["ends"])
    with collateral.open(run("ends", generate=4, side="source").output) as c:
        cut = source_of(c, 0)
        assert c.examples["text"][0] == PAIRS[0]["source"] + "\n"
        assert len(c.tokens(0)) == cut + 1 and np.isnan(c.examples["loss"][0])
        assert c.attention(0, "cross").shape[-2:] == (1, cut)


@pytest.mark.parametrize(
    ("side", "points", "expected"),
    [
        ("target", "first", ["<pad>"]),
        ("target", "last", ["</s>"]),
        ("target", "mean", ["▁the ▁suit ▁and"]),
        ("target", "regex:suit|trophy", ["▁suit"]),
        ("source", "first", ["▁the"]),
        ("source", "last", ["</s>"]),
        ("source", "mean", ["▁the ▁trophy"]),
        ("source", "regex:suit|trophy", ["▁trophy"]),
        ("source", "all", ["▁the", "▁trophy"]),
    ],
)
def test_points_by_option(side: str, points: str, expected: list[str], run: Run) -> None:
    line = {"source": "the trophy", "target": "the suit and"}
    summary = run(
        "t5", line, PAIRS[0] if points == "all" else line | {"id": "x"}, side=side, points=points
    )
    with collateral.open(summary.output) as c:
        assert [c.points["text"][i] for i in of(c.point_examples, 0)] == expected
        if points == "mean":
            assert c.points["word"][0] == ""


def test_samples_are_of_one_side(run: Run) -> None:
    for side in ("source", "target"):
        with collateral.open(run("t5", side=side, points="sample:5").output) as c:
            assert len(c.points) == 5
            for row, (start, _) in zip(c.point_examples, c.point_tokens.tolist(), strict=True):
                assert (start < source_of(c, row)) == (side == "source")


def test_a_pattern_that_no_text_of_the_side_has(run: Run) -> None:
    with pytest.raises(UsageError, match="regex:trophy: no text of the data has a match"):
        run("t5", points="regex:trophy")
    with pytest.raises(UsageError, match=r"--points words:a=b: the task seq2seq takes all, "):
        run("t5", points="words:a=b")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"source": "it"}, r'has no "target"; name its column with --map target=COLUMN'),
        ({"source": "it", "target": ""}, r'"target" is empty'),
        ({"source": "", "target": "it"}, r'"source" is empty'),
        ({"target": "it"}, r'has no field "source"'),
        ({"source": "\u200d", "target": "it"}, "its source has no token"),
        ({"source": "it", "target": "\u200d"}, "its target has no token"),
    ],
)
def test_bad_lines(line: dict[str, Any], says: str, run: Run) -> None:
    model = "wordpiece" if "token" in says else "t5"  # has no token for a joiner
    with pytest.raises(BadLine, match=f"line 4: {says}"):
        run(model, *PAIRS, line)
    summary = run(model, *PAIRS, line, skip_bad=True)
    assert summary.texts == 3 and [one.line for one in summary.bad] == [4]


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_both_sides_are_cut(family: str, run: Run, folders: dict[str, Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folders[family])
    long = "the trophy and it because he and she"
    lines = [
        {"source": long, "target": "it"},
        {"source": "it", "target": long},
        {"source": long, "target": long},
    ]
    summary = run(family, *lines, max_length=7)
    with collateral.open(summary.output) as c:
        assert any("3 texts were cut at 7 tokens" in note for note in c.meta.notes)
        for row, one in enumerate(lines):
            source = tokenizer(one["source"], truncation=True, max_length=7)["input_ids"]
            target = tokenizer(text_target=one["target"], truncation=True, max_length=6)
            cut, tokens = source_of(c, row), c.tokens(row)
            assert list(tokens.texts)[:cut] == tokenizer.convert_ids_to_tokens(source)
            names = tokenizer.convert_ids_to_tokens(target["input_ids"])
            assert list(tokens.texts)[cut + 1 :] == names
            text = c.examples["text"][row]
            before = len(one["source"]) + 1
            for i in range(cut + 1, len(tokens.texts)):
                start, end = tokens.offsets[i].tolist()
                if not tokens.special[i]:
                    assert before <= start < end <= len(text)
                    assert text[start:end].strip() == tokens.texts[i].strip("▁Ġ")


def test_models_that_are_of_no_use(run: Run) -> None:
    with pytest.raises(ExtractError, match="is no encoder-decoder; take --task language-model"):
        run("gpt2")
    with pytest.raises(ExtractError, match="cannot write: the checkpoint has no head"):
        run("base", generate=3)
    with pytest.raises(UsageError, match=r"takes 64 tokens.*give --generate 63 at most"):
        run("t5", generate=64)


def test_a_checkpoint_without_a_head(run: Run) -> None:
    summary = run("base")
    assert summary.score == () and summary.items == 0
    with collateral.open(summary.output) as c:
        assert "loss" not in c.examples and "loss" not in c.points
        assert any("no head that predicts tokens (BartModel)" in note for note in c.meta.notes)
        assert c.attention(0, "cross").shape[-2:] == (
            len(c.tokens(0)) - source_of(c, 0),
            source_of(c, 0),
        )


def test_further_fields_and_names(run: Run) -> None:
    lines = [
        {"text": "the trophy", "target": "it", "perplexity": 3, "tags": [1]},
        {"text": "they", "target": "he", "perplexity": 4, "tags": [2]},
        {"text": "it is", "target": "the suit", "perplexity": 5, "tags": []},
    ]
    with collateral.open(run("marian", *lines).output) as c:
        assert list(c.examples["perplexity (data)"]) == [3, 4, 5]
        assert c.examples["id"] == ["1", "2", "3"]
        assert any("not kept: tags" in note for note in c.meta.notes)
