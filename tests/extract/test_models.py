"""Architectures that are not supported, or differ a little: the true reason is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import collateral
from extract import forward, pipeline
from extract.errors import ExtractError
from extract.models import _max_length, load
from extract.options import RunOptions

from .conftest import LINES, line, make_tokenizer

SIZE: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT = SIZE | {"vocab_size": 80, "intermediate_size": 16}
GROUPED = TEXT | {"num_key_value_heads": 1, "head_dim": 8}
IMAGE = SIZE | {"intermediate_size": 16, "image_size": 8, "patch_size": 4}
EXPERTS: dict[str, Any] = {"num_local_experts": 2, "num_experts_per_tok": 1}


def make(family: str, **options: Any) -> Any:
    """A tiny random model of a family of transformers, from nothing but its configuration."""
    torch.manual_seed(5)
    library: Any = transformers
    config = getattr(library, f"{family}Config")(**options)
    return getattr(library, f"{family}Model")(config).eval()


def save(model: Any, folder: Path, **tokenizer: Any) -> Path:
    """Saves a model with the tiny tokenizer, whose attributes may be set."""
    made = make_tokenizer()
    for name, value in tokenizer.items():
        setattr(made, name, value)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("Mamba", {"vocab_size": 80, "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}),
        ("Gemma3", {"text_config": GROUPED, "vision_config": IMAGE}),
        ("CLIP", {"text_config": TEXT, "vision_config": IMAGE}),
        ("ViT", IMAGE),
    ],
)
def test_what_is_no_stack_over_text_is_refused_by_name(
    family: str, options: dict[str, Any], tmp_path: Path
) -> None:
    folder = save(make(family, **options), tmp_path / family)
    with pytest.raises(ExtractError, match=f"{family}Model.* not supported yet") as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


def test_attention_sinks_are_the_reason_given(tmp_path: Path, wsc_file: Path) -> None:
    folder = save(make("GptOss", **GROUPED, **EXPERTS), tmp_path / "sinks")
    options = RunOptions(str(folder), wsc_file, tmp_path / "out.msgpack")
    with pytest.raises(ExtractError, match=r"GptOssModel gives part of .* to a sink") as caught:
        pipeline.run(options)
    assert "--dtype" not in str(caught.value) and not options.output.exists()


def test_another_type_is_advised_only_where_it_can_help() -> None:
    model = make("Bert", **TEXT)
    assert "--dtype float32" in forward._why_not_one(model, torch.float16)
    assert "--dtype" not in forward._why_not_one(model, torch.float32)


@pytest.mark.parametrize("family", ["Roberta", "XLMRoberta"])
def test_positions_that_start_after_padding_leave_fewer_tokens(
    family: str, tmp_path: Path, write_lines: Callable[..., Path]
) -> None:
    model = make(family, **TEXT, max_position_embeddings=40, pad_token_id=1)
    folder = save(model, tmp_path / family, model_max_length=10**30)
    path = write_lines(line("He saw it. " + "and " * 80, "He", "it", id="1"), name="long.jsonl")
    options = RunOptions(str(folder), path, tmp_path / "out.msgpack")
    pipeline.run(options)
    with collateral.open(options.output) as c:
        assert len(c.tokens(0)) == 40 - 1 - 1
        assert any("cut at 38 tokens" in note for note in c.meta.notes)


def test_positions_on_a_page_are_no_limit_of_the_text() -> None:
    model = make("LayoutLM", **TEXT, max_position_embeddings=40, max_2d_position_embeddings=99)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 10**30
    assert _max_length(model, tokenizer) == 40


@pytest.mark.parametrize("error", [IndexError, RuntimeError, MemoryError])
def test_a_forward_pass_that_fails_ends_with_advice(
    error: type[Exception],
    bert_folder: Path,
    wsc_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = RunOptions(str(bert_folder), wsc_file, tmp_path / "out.msgpack", batch_size=2)
    ready = pipeline.prepare(options)

    def fail(*_: object, **__: object) -> None:
        raise error("index 40 is out of bounds\nand forty more lines")

    monkeypatch.setattr(pipeline, "prepare", lambda *_: ready)
    monkeypatch.setattr(ready.loaded.model, "forward", fail)
    with pytest.raises(ExtractError, match=r"--max-length.*--batch-size") as caught:
        pipeline.run(dataclasses.replace(options))
    assert "(index 40 is out of bounds)" in str(caught.value)
    assert f"on {min(2, len(LINES))} texts of" in str(caught.value)
