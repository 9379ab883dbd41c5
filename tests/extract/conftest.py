"""Tiny models and data for the tests of extraction; no network, no real weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

LAYERS, HEADS, WIDTH = 3, 2, 16

Line = dict[str, Any]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Two busy threads on two shared cores can be slower than one by far."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer that knows every lower-case letter, a few words and [SEP]."""
    letters = "abcdefghijklmnopqrstuvwxyz.,'"
    words = ["the", "and", "he", "she", "they", "it", "because", "trophy", "suit"]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*specials, *words, *letters, *(f"##{letter}" for letter in letters), "##case"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    made: Any = PreTrainedTokenizerFast  # publishes no types
    return made(  # type: ignore[no-any-return]
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )


def make_bert(**changes: Any) -> BertModel:
    """A random BERT whose attention is far from uniform."""
    options: dict[str, Any] = {
        "vocab_size": 80,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "initializer_range": 0.6,
    }
    torch.manual_seed(7)
    model: Any = BertModel(BertConfig(**(options | changes)))
    return model.eval()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """The tiny tokenizer."""
    return make_tokenizer()


@pytest.fixture(scope="session")
def bert() -> BertModel:
    """The tiny BERT."""
    return make_bert()


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT and its tokenizer, saved."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    make_bert().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def head_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random span head for the tiny BERT."""
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(1, 4 * WIDTH, generator=generator)
    save_file({"weight": weight, "bias": torch.tensor([0.1])}, path)
    return path


def line(text: str, first: str, second: str, **fields: Any) -> Line:
    """A record whose spans are where their words first and last stand in the text."""
    start, last = text.index(first), text.rindex(second)
    return {
        "text": text,
        "span1": {"text": first, "start": start, "end": start + len(first)},
        "span2": {"text": second, "start": last, "end": last + len(second)},
        **fields,
    }


TROPHY = "The trophy doesn't fit into the brown suitcase because it is too large."
COUNCIL = "The city councilmen refused the demonstrators a permit because they feared violence."
JOAN = "Joan made sure to thank Susan for all the help she had received."

LINES: list[Line] = [
    line(TROPHY, "The trophy", "it", id="a-1", schema_id="a", label=True, source="x"),
    line(TROPHY, "the brown suitcase", "it", id="a-2", schema_id="a", label=False, source="x"),
    line(COUNCIL, "The city councilmen", "they", id="b-1", schema_id="b", label=True, source="y"),
    line(COUNCIL, "the demonstrators", "they", id="b-2", schema_id="b", label=False, source="y"),
    line(JOAN, "Joan", "she", id="c-1", schema_id="c", label=True, source="y"),
    line(JOAN, "Susan", "she", id="c-2", schema_id="c", label=False, source="y"),
]
"""Three sentences of the Winograd Schema Challenge (Levesque, Davis and Morgenstern 2012; the
collection is CC BY 4.0, https://cs.nyu.edu/faculty/davise/papers/WinogradSchemas/WS.html)."""


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes lines (maps, or raw strings and bytes) as a JSON Lines file and gives its path."""

    def write(*lines: Line | str | bytes, name: str = "data.jsonl") -> Path:
        raw = []
        for one in lines:
            if isinstance(one, dict):
                one = json.dumps(one, ensure_ascii=False)
            raw.append(one.encode() if isinstance(one, str) else one)
        path = tmp_path / name
        path.write_bytes(b"".join(row + b"\n" for row in raw))
        return path

    return write


@pytest.fixture
def wsc_file(write_lines: Callable[..., Path]) -> Path:
    """The three sentences as a file."""
    return write_lines(*LINES)
