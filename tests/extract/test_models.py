"""Loading: what a file says of a model, and the true reason where one is not supported."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import BertModel, PreTrainedTokenizerFast

from extract.errors import ExtractError, UsageError
from extract.models import choose_device, describe, load
from extract.models.families import REFUSED
from extract.models.loaded import _max_length
from extract.models.tokenizing import describe_tokenizer

from . import tiny
from .conftest import make_tokenizer
from .watched import batch, watched

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
    ("family", "options", "reason"),
    [
        ("Mamba", {"state_size": 4}, r"is a Mamba, which has no attention; it is not supported\.$"),
        ("Longformer", TEXT | {"attention_window": 4}, "is a Longformer, which attends sparsely"),
        ("BigBird", TEXT, r"is a BigBird, which attends sparsely.*original_full"),
        ("Reformer", {"vocab_size": 80}, "is a Reformer, which attends within buckets"),
        ("FNet", TEXT, "is a FNet, which has no attention"),
        ("RecurrentGemma", TEXT, "is a RecurrentGemma, which has layers without attention"),
        ("Nystromformer", TEXT, "is a Nystromformer, which approximates attention"),
        ("Funnel", {"vocab_size": 80}, "is a Funnel, which changes the number of tokens"),
    ],
)
def test_a_family_is_refused_by_name_before_its_weights_are_read(
    family: str, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    library: Any = transformers
    config = getattr(library, f"{family}Config")(**options)
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not read")
    with pytest.raises(ExtractError, match=reason) as caught:
        load(str(tmp_path))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert config.model_type in REFUSED


def test_what_an_older_transformers_does_wrong_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save_tiny(tmp_path / "gemma2", "gemma2", head="language-model")
    monkeypatch.setattr(transformers, "__version__", "5.20.2")
    message = r"is a Gemma2, which needs transformers 5\.21 or newer \(here is 5\.20\.2\)"
    with pytest.raises(ExtractError, match=message):
        load(str(folder), head="language-model")
    monkeypatch.setattr(transformers, "__version__", "5.21.0.dev0")
    load(str(folder), head="language-model")


@pytest.mark.parametrize(
    ("family", "options", "reason"),
    [
        ("CLIP", {"text_config": TEXT, "vision_config": IMAGE}, "is a CLIPModel.*not supported"),
        ("ViT", IMAGE, "ViTModel reads pixel_values, not text"),
        ("GptOss", GROUPED | EXPERTS, "GptOssModel gives part of its attention to a sink"),
        (
            "Qwen3Next",
            GROUPED | EXPERTS | {"layer_types": ["linear_attention"]},
            "Qwen3NextModel computes no self attention",
        ),
    ],
)
def test_what_a_trial_run_shows_to_be_no_stack_over_text_is_refused(
    family: str, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    folder = save(make(family, **options), tmp_path / family)
    with pytest.raises(ExtractError, match=reason) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value) and "--dtype" not in str(caught.value)


def test_big_bird_is_shown_where_it_attends_to_everything(tmp_path: Path) -> None:
    model = make("BigBird", **TEXT, attention_type="original_full")
    loaded = load(str(save(model, tmp_path / "bird")))
    assert loaded.info.attention == "eager" and loaded.info.heads == 2


def test_a_model_that_also_sees_is_run_as_the_text_model_that_it_holds(tmp_path: Path) -> None:
    model = make("Gemma3", text_config=GROUPED, vision_config=IMAGE, mm_tokens_per_image=4)
    loaded = load(str(save(model, tmp_path / "gemma3")))
    assert type(loaded.base).__name__ == "Gemma3TextModel" and loaded.causal
    inputs = batch(7, 4)
    found, _ = watched(loaded, inputs)
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
    real = inputs["attention_mask"].bool()
    torch.testing.assert_close(found.states["text", 1][real], expected[real], rtol=0, atol=1e-5)


def test_two_models_joined_as_encoder_and_decoder(tmp_path: Path) -> None:
    library: Any = transformers
    both = library.BertConfig(**TEXT), library.BertConfig(**TEXT)
    config = library.EncoderDecoderConfig.from_encoder_decoder_configs(*both)
    config.decoder_start_token_id, config.pad_token_id = 2, 0
    torch.manual_seed(5)
    model = library.EncoderDecoderModel(config).eval()
    loaded = load(str(save(model, tmp_path / "joined")))
    assert loaded.head == "seq2seq" and loaded.logits is not None and loaded.start_id == 2
    assert [kind.causal for kind in loaded.kinds] == [False, True, False]
    inputs = batch(7, 4, targets=(5, 3))
    with torch.no_grad():
        expected = model(**inputs).logits
    _, bare = watched(loaded, inputs)
    assert bare.last.shape == (2, 5, 16)
    mine = loaded.logits(bare.last)
    real = inputs["decoder_attention_mask"].bool()
    torch.testing.assert_close(mine[real], expected[real], rtol=0, atol=1e-5)


def test_hidden_states_that_are_several_vectors_are_refused() -> None:
    few = {"sliding_window": 4, "num_kv_shared_layers": 0, "laurel_rank": 4}
    sizes = {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 80}
    model = make("Gemma3nText", **GROUPED, **few, **sizes, layer_types=["full_attention"])
    with pytest.raises(ExtractError, match="Gemma3nTextModel are not one vector per token"):
        describe(model, make_tokenizer(), "g")


@pytest.mark.parametrize("family", ["Roberta", "XLMRoberta"])
def test_positions_that_start_after_padding_leave_fewer_tokens(family: str, tmp_path: Path) -> None:
    model = make(family, **TEXT, max_position_embeddings=40, pad_token_id=1)
    loaded = load(str(save(model, tmp_path / family, model_max_length=10**30)))
    assert loaded.max_length == 40 - 1 - 1
    found, _ = watched(loaded, batch(38))
    assert found.maps["self", 0].shape == (1, 2, 38, 38)
    with pytest.raises((IndexError, RuntimeError), match="out of "):
        watched(loaded, batch(39))


@pytest.mark.parametrize(
    ("family", "limit"),
    [("t5", None), ("xlnet", None), ("bloom", None), ("gpt2", 64), ("opt", 64), ("bart", 64)],
)
def test_the_most_tokens_that_a_model_takes(family: str, limit: int | None) -> None:
    tokenizer = tiny.tokenizer_of(family)
    tokenizer.model_max_length = 10**30
    assert describe(tiny.tiny_model(family), tokenizer, family).max_length == limit
    tokenizer.model_max_length = 20
    assert describe(tiny.tiny_model(family), tokenizer, family).max_length == 20


def test_positions_on_a_page_are_no_limit_of_the_text() -> None:
    model = make("LayoutLM", **TEXT, max_position_embeddings=40, max_2d_position_embeddings=99)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 10**30
    assert _max_length(model, tokenizer) == 40


def test_what_a_file_says_of_model_and_tokenizer(
    tokenizer: PreTrainedTokenizerFast, bert: BertModel
) -> None:
    loaded = describe(bert, tokenizer, "tiny")
    assert loaded.tokens.special == ("[CLS]", "[SEP]")
    assert (loaded.tokens.separator, loaded.tokens.continuation) == ("[SEP]", "##")
    assert loaded.tokens.word_start == ""
    assert (loaded.info.architecture, loaded.info.dtype) == ("BertModel", "float32")
    assert loaded.max_length == 64
    assert set(loaded.info.versions) >= {"torch", "transformers", "openTSNE", "numpy"}


@pytest.mark.parametrize(
    ("kind", "special", "separator", "start", "continuation"),
    [
        ("wordpiece", ("[CLS]", "[SEP]"), "[SEP]", "", "##"),
        ("bytes", (), "", "Ġ", ""),
        ("bytes-bert", ("[CLS]", "[SEP]"), "[SEP]", "Ġ", ""),
        ("bytes-roberta", ("<s>", "</s>"), "</s>", "Ġ", ""),
        ("metaspace", ("<s>",), "", "▁", ""),
        ("unigram", (), "", "▁", ""),
        ("unigram-t5", ("</s>",), "</s>", "▁", ""),
        ("unigram-xlnet", ("<sep>", "<cls>"), "<sep>", "▁", ""),
    ],
)
def test_conventions_of_tokenizers(
    kind: str, special: tuple[str, ...], separator: str, start: str, continuation: str
) -> None:
    tokenizer = tiny.tiny_tokenizer(kind)
    info, number = describe_tokenizer(tokenizer)
    assert (info.special, info.separator) == (special, separator)
    assert (info.word_start, info.continuation) == (start, continuation)
    assert number == (tokenizer.convert_tokens_to_ids(separator) if separator else None)


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_a_tokenizer_without_padding_is_enough(kind: str) -> None:
    tokenizer = tiny.tiny_tokenizer(kind)
    assert tokenizer.pad_token_id is None
    loaded = describe(tiny.tiny_model("gpt2"), tokenizer, "g")
    assert loaded.pad_id == 0
    inputs = batch(5, 2)
    inputs["input_ids"][1, 2:] = loaded.pad_id
    found, _ = watched(loaded, inputs)
    assert not found.maps["self", 0][1, :, :2, 2:].any()


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "ctrl", "gpt2")
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "<unk>": 2}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CTRLTokenizer"}')
    with pytest.raises(ExtractError, match=r"CTRLTokenizer\) is a slow one.*tokenizer\.json") as e:
        load(str(folder))
    assert "\n" not in str(e.value)


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "bert", "bert")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ExtractError, match=r"holds no weights \(\*\.safetensors\): save"):
        load(str(folder))

    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (folder / "sprung",))  # type: ignore[return-value]

    torch.save({"trap": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(ExtractError, match="never loaded"):
        load(str(folder))
    assert not (folder / "sprung").exists()


def test_code_that_comes_with_a_model_is_not_run_unasked(tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "bert", "bert")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "unheard-of", "auto_map": {"AutoConfig": "theirs.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "theirs.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    with pytest.raises(ExtractError, match=r"brings code of its own.*--trust-remote-code"):
        load(str(folder))
    assert not (folder / "ran").exists()


def test_a_decoder_without_a_start_is_an_error(tmp_path: Path) -> None:
    folder = tiny.save_tiny(tmp_path / "t5", "t5")
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.exists():
            config = json.loads(path.read_text())
            for key in ("decoder_start_token_id", "bos_token_id"):
                config.pop(key, None)
            path.write_text(json.dumps(config))
    with pytest.raises(ExtractError, match="which token its decoder starts with"):
        load(str(folder))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(UsageError, match=f'no device "{name}" on this machine'):
            choose_device(name)
    with pytest.raises(UsageError, match='no device "gpu"'):
        choose_device("gpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps" and choose_device("mps").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto").type == "cuda" and choose_device("cuda:1").index == 1


def test_spreading_over_devices_needs_accelerate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.save_tiny(tmp_path / "bert", "bert")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ExtractError, match="pip install accelerate") as caught:
        load(str(folder), device_map="auto")
    assert "\n" not in str(caught.value)


def test_a_model_spread_over_devices_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    inputs = batch(7, 4)
    folder = tiny.save_tiny(tmp_path / "llama", "llama", head="language-model")
    spread = load(str(folder), device_map="auto", head="language-model")
    plain = load(str(folder), head="language-model")
    found, ran = watched(spread, inputs, full=True, values=True)
    expected, whole = watched(plain, inputs, full=True, values=True)
    for place, maps in expected.maps.items():
        torch.testing.assert_close(found.maps[place].cpu(), maps, rtol=0, atol=1e-6)
    for place, norms in expected.norms.items():
        torch.testing.assert_close(found.norms[place].cpu(), norms, rtol=0, atol=1e-5)
    assert ran.logits is not None and whole.logits is not None and spread.logits is not None
    torch.testing.assert_close(ran.logits.cpu(), whole.logits, rtol=0, atol=1e-5)
    part = spread.logits(ran.last[:, 1:3])
    torch.testing.assert_close(part.cpu(), whole.logits[:, 1:3], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["gemma3", "t5"])
def test_a_model_whose_weights_come_and_go_gives_the_same(family: str) -> None:
    """As of a model that is larger than its devices: weights are there only while a module runs."""
    accelerate = pytest.importorskip("accelerate")
    model = tiny.tiny_model(family)
    expected = describe(copy.deepcopy(model), tiny.tokenizer_of(family), family)
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    assert next(model.parameters()).is_meta
    loaded = describe(model, tiny.tokenizer_of(family), family)
    assert loaded.device.type == "cpu" and not loaded.value_norms
    inputs = batch(7, 4, targets=(5, 3) if family == "t5" else ())
    found, _ = watched(loaded, inputs)
    theirs, _ = watched(expected, inputs)
    for place, maps in theirs.maps.items():
        torch.testing.assert_close(found.maps[place], maps, rtol=0, atol=1e-6)
