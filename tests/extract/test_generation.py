"""What models write: greedily, the same in any batch, with the characters of every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.data.encoding import Encoded, encode, encode_target, joined
from extract.errors import ExtractError, OutOfMemory
from extract.models import LoadedModel, load
from extract.models.capture import watching
from extract.running.batches import model_inputs
from extract.tasks import generation
from extract.tasks.base import Placed
from extract.tasks.generation import continued, decoded, first_tokens, generate, without_end

from . import tiny
from .watched import Keep

PROMPTS = ["the trophy and it because he", "they", "it is too large. She's so", "h", "the suit"]
NEW = 7
KINDS = ["bytes", "bytes-roberta", "metaspace", "wordpiece", "unigram-t5"]


def load_tiny(folder: Path, family: str, **options: Any) -> LoadedModel:
    """A tiny model that can write tokens that its tokenizer knows."""
    head: Any = "seq2seq" if family in tiny.SEQ2SEQ else "language-model"
    options = {"vocab_size": len(tiny.tokenizer_of(family))} | options
    return load(str(tiny.save_tiny(folder / family, family, head=head, **options)), head=head)


def prompts_of(loaded: LoadedModel, texts: list[str] = PROMPTS) -> list[Encoded]:
    """The prompts' tokens, without special ones at the end if the model is to go on."""
    found = encode(loaded.tokenizer, texts, 50)
    return found if loaded.start_id is not None else [without_end(one) for one in found]


def greedy(loaded: LoadedModel, prompt: Encoded, most: int) -> list[int]:
    """The likeliest token at a time, by whole passes over one example without a cache."""
    ids = torch.from_numpy(prompt.ids.astype(np.int64))[None]
    ends = loaded.model.generation_config.eos_token_id
    written: list[int] = []
    for _ in range(most):
        new = torch.tensor([written], dtype=torch.int64)
        with torch.no_grad():
            if loaded.start_id is None:
                logits = loaded.model(input_ids=torch.cat([ids, new], 1)).logits
            else:
                start = torch.tensor([[loaded.start_id]])
                target = torch.cat([start, new], 1)
                logits = loaded.model(input_ids=ids, decoder_input_ids=target).logits
        token = int(logits[0, -1].argmax())
        if token == ends:
            break
        written.append(token)
    return written


@pytest.mark.parametrize("family", (*tiny.CAUSAL, *tiny.SEQ2SEQ))
def test_every_token_is_the_likeliest_in_any_batch(family: str, tmp_path: Path) -> None:
    # BART and Marian are told by their configurations to end with the end-of-text token
    loaded = load_tiny(tmp_path, family)
    prompts = prompts_of(loaded)
    expected = [greedy(loaded, prompt, NEW) for prompt in prompts]
    assert len({tuple(ids) for ids in expected}) > 1 or family in tiny.SEQ2SEQ
    before = loaded.model.generation_config
    assert generate(loaded, prompts, NEW) == expected
    assert [generate(loaded, [prompt], NEW)[0] for prompt in prompts] == expected
    with watching(loaded):  # as the pipeline does
        assert generate(loaded, prompts, NEW) == expected
    assert loaded.model.generation_config is before


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama", "gpt-neox"])
def test_transformers_writes_the_same_of_each_prompt(family: str, tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, family)
    prompts = prompts_of(loaded)
    for prompt, ids in zip(prompts, generate(loaded, prompts, NEW), strict=True):
        inputs = torch.from_numpy(prompt.ids.astype(np.int64))[None]
        own = loaded.model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=NEW,
            do_sample=False,
            pad_token_id=loaded.pad_id,
        )[0, len(prompt) :].tolist()
        end = loaded.model.generation_config.eos_token_id
        assert ids == (own[: own.index(end)] if end in own else own) and len(ids) > 0


def test_settings_of_the_checkpoint_that_are_not_greedy_do_not_count(tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, "gpt2")
    prompts = prompts_of(loaded)
    expected = [greedy(loaded, prompt, NEW) for prompt in prompts]
    own = loaded.model.generation_config
    own.do_sample, own.temperature, own.num_beams = True, 2.0, 3
    own.repetition_penalty, own.no_repeat_ngram_size, own.min_new_tokens = 3.0, 1, NEW
    assert generate(loaded, prompts, NEW) == expected


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_the_end_of_a_text_ends_it(family: str, tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, family)
    prompts = prompts_of(loaded)
    free = [greedy(loaded, prompt, NEW) for prompt in prompts]
    ends = free[0][2]  # this token is the end from now on
    loaded.model.generation_config.eos_token_id = [ends, 5]
    cut = [ids[: ids.index(ends)] if ends in ids else ids for ids in free]
    assert len(cut[0]) <= 2 and generate(loaded, prompts, NEW) == cut
    assert generate(loaded, prompts[:1], NEW) == cut[:1]
    loaded.model.generation_config.eos_token_id = free[0][0]
    assert generate(loaded, prompts[:1], NEW) == [[]]  # nothing is written


def test_the_tokens_of_one_clean_pass_are_the_written_ones(tmp_path: Path) -> None:
    """Padding on the left while it writes, on the right while it is looked at."""
    loaded = load_tiny(tmp_path, "gpt2")
    prompts = prompts_of(loaded)
    rows = []
    for text, prompt, ids in zip(PROMPTS, prompts, generate(loaded, prompts, NEW), strict=True):
        whole, encoded = continued(prompt, text, loaded.tokenizer, ids)
        rows.append(Placed(text, whole, encoded, None, ()))
        assert encoded.ids.tolist() == [*prompt.ids.tolist(), *ids]
    with watching(loaded) as watch, torch.inference_mode():
        logits = watch.run(model_inputs(loaded, rows), Keep(), full=True).logits
    assert logits is not None
    for row, (prompt, one) in enumerate(zip(prompts, rows, strict=True)):
        said = logits[row, len(prompt) - 1 : len(one.encoded) - 1].argmax(-1).tolist()
        assert said == one.encoded.ids[len(prompt) :].tolist()


def test_memory_that_is_short_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_tiny(tmp_path, "gpt2")
    prompts = prompts_of(loaded)
    assert generate(loaded, [], 3) == []

    def short(*_: object) -> None:
        raise torch.OutOfMemoryError("no")

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(generation, "_generate", short)
    with pytest.raises(OutOfMemory):
        generate(loaded, prompts, 3)
    monkeypatch.setattr(generation, "_generate", broken)
    with pytest.raises(RuntimeError, match="broken"):
        generate(loaded, prompts, 3)


def test_models_that_cannot_write(tmp_path: Path) -> None:
    masked = load_tiny(tmp_path, "bert")
    with pytest.raises(ExtractError, match=r"bert .BertForMaskedLM. fills gaps and cannot go on"):
        generate(masked, prompts_of(masked), 3)
    base = load(str(tiny.save_tiny(tmp_path / "base", "gpt2")), head="language-model")
    with pytest.raises(ExtractError, match="no head that predicts the next token"):
        generate(base, prompts_of(base), 3)


# -- tokens and characters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [
        ("bytes-roberta", "<s> t h e </s>"),
        ("bytes-opt", "</s> t h e"),
        ("wordpiece", "[CLS] the [SEP]"),
        ("metaspace", "<s> ▁the"),
        ("unigram-t5", "▁the </s>"),
        ("unigram-xlnet", "▁the <sep> <cls>"),
        ("bytes", "t h e"),
    ],
)
def test_special_tokens_at_the_end_of_a_prompt_are_dropped(kind: str, tokens: str) -> None:
    tokenizer = tiny.tiny_tokenizer(kind)
    prompt = encode(tokenizer, ["the"], 20)[0]
    names = tokens.split()
    assert list(prompt.tokens(tokenizer).texts) == names
    found = without_end(prompt)
    while names[-1][0] in "<[" and names[-1] != "<":
        names.pop()
    assert list(found.tokens(tokenizer).texts) == names
    assert len(found.offsets) == len(found.special) == len(found.words) == len(names)
    assert not found.cut and found.characters == 3


def test_a_prompt_of_special_tokens_keeps_one() -> None:
    tokenizer = tiny.tiny_tokenizer("wordpiece")
    assert without_end(encode(tokenizer, [""], 20)[0]).tokens(tokenizer).texts == ("[CLS]",)


def test_characters_of_several_tokens_belong_to_all_of_them() -> None:
    tokenizer = tiny.tiny_tokenizer("bytes")
    ids = tokenizer("a€🙂b")["input_ids"]
    text, offsets = decoded(tokenizer, ids)
    assert text == "a€🙂b" and len(ids) == 1 + 3 + 4 + 1
    assert offsets == [(0, 1), *[(1, 2)] * 3, *[(2, 3)] * 4, (3, 4)]
    cut, offsets = decoded(tokenizer, ids[:6])  # the last one is not whole
    assert cut == "a€\ufffd" and offsets[:4] == [(0, 1), (1, 2), (1, 2), (1, 2)]
    assert offsets[4][0] == 2 and max(end for _, end in offsets) == 3


def test_a_written_token_that_completes_a_character() -> None:
    tokenizer = tiny.tiny_tokenizer("bytes")
    ids = tokenizer("a€ the")["input_ids"]
    text, offsets = decoded(tokenizer, ids[2:], ids[:2])
    assert text.endswith(" the") and offsets[-1] == (len(text) - 4, len(text))
    assert [text[a:b] for a, b in offsets][-1] == " the"


def test_the_space_before_the_first_written_word_is_kept() -> None:
    for kind, piece in (("metaspace", "▁the"), ("bytes", "Ġthe"), ("unigram", "▁the")):
        tokenizer = tiny.tiny_tokenizer(kind)
        prompt = without_end(encode(tokenizer, ["it"], 9)[0])
        number = tokenizer.convert_tokens_to_ids(piece)
        text, encoded = continued(prompt, "it", tokenizer, [number])
        assert text == "it the"
        assert encoded.offsets[-1].tolist() == [2, 6]
        assert encoded.words[-1] == encoded.words[-2] + 1


def test_what_an_encoder_decoder_writes_begins_without_a_space() -> None:
    tokenizer = tiny.tiny_tokenizer("unigram-t5")
    source = encode(tokenizer, ["it"], 9)[0]
    whole = joined(source, encode_target(tokenizer, [""], 9, 0)[0])
    start = first_tokens(whole, len(source) + 1)
    ids = tokenizer.convert_tokens_to_ids(["▁", "▁the", "<unk>", "s", "▁it", "</s>"])
    text, encoded = continued(start, "it\n", tokenizer, ids)
    assert text == "it\nthes it" or text == "it\n thes it"
    pieces = [text[a:b] for a, b in encoded.offsets.tolist()]
    assert pieces[0] == "it" and "".join(pieces[1:]).strip() == "thes it"
    assert encoded.special.tolist() == [False, True, True, False, False, True, False, False, True]
    assert encoded.words.tolist()[:3] == [0, -1, -1] and encoded.words[-2] > encoded.words[-4]
    assert encoded.source == len(source) and encoded.characters == len(text)


def test_words_of_what_is_written() -> None:
    tokenizer = tiny.tiny_tokenizer("bytes")
    prompt = encode(tokenizer, ["tro"], 9)[0]
    ids = tokenizer("phy, it e\u0301!")["input_ids"]
    text, encoded = continued(prompt, "tro", tokenizer, ids)
    words: dict[int, str] = {}
    for (start, end), word in zip(encoded.offsets.tolist(), encoded.words.tolist(), strict=True):
        piece = words.get(word, "")
        words[word] = piece if piece.endswith(text[start:end]) else piece + text[start:end]
    assert list(words.values()) == ["trophy", ",", " it", " e\u0301", "!"]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(KINDS),
    st.text(st.characters(codec="utf-8") | st.sampled_from("the it é🙂字ب"), max_size=12),
    st.lists(st.integers(0, 500), max_size=14),
)
def test_offsets_of_anything_that_may_be_written(kind: str, text: str, numbers: list[int]) -> None:
    tokenizer = tiny.tiny_tokenizer(kind)
    prompt = without_end(encode(tokenizer, [text], 200)[0])
    ids = [number % (len(tokenizer) + 9) for number in numbers]  # some that it does not know
    whole, encoded = continued(prompt, text, tokenizer, ids)
    assert whole.startswith(text) and encoded.characters == len(whole)
    count = len(prompt) + len(ids)
    assert len(encoded) == len(encoded.offsets) == len(encoded.words) == count
    new = encoded.offsets[len(prompt) :]
    shown = ~encoded.special[len(prompt) :]
    starts, ends = new[shown, 0], new[shown, 1]
    assert (starts <= ends).all() and (ends <= len(whole)).all()
    assert not new[~shown].any() and (encoded.words[len(prompt) :][~shown] == -1).all()
    if shown.any():
        assert (np.diff(starts) >= 0).all() and starts[0] == len(text)
        assert max(ends) == len(whole)  # no character is of no token
        covered = np.zeros(len(whole) + 1, dtype=bool)
        for start, end in zip(starts, ends, strict=True):
            covered[start:end] = True
        assert covered[len(text) : len(whole)].all()
        assert (np.diff(encoded.words[len(prompt) :][shown]) >= 0).all()
