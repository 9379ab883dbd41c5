"""Tiny random models of many families, with tokenizers that fit them; no network, no real weights.

``tiny_model(family)`` builds one, ``save_tiny(folder, family, head=...)`` saves it with a fast
tokenizer. Weights are large, so that attention is far from uniform, and biases are not zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import PreTrainedTokenizerFast

from extract.models.families import is_too_old_for
from extract.models.loading import HeadKind

VOCABULARY = 384
WIDTH, LAYERS, HEADS = 16, 2, 4

_SIZE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 32,
}
_ENCODER: dict[str, Any] = _SIZE | {"max_position_embeddings": 66}
_GROUPED: dict[str, Any] = _ENCODER | {"num_key_value_heads": 2}
_SEQ2SEQ: dict[str, Any] = {
    "d_model": WIDTH,
    "encoder_layers": LAYERS,
    "decoder_layers": LAYERS + 1,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}
_T5: dict[str, Any] = {
    "d_model": WIDTH,
    "d_kv": 6,
    "d_ff": 32,
    "num_layers": LAYERS,
    "num_decoder_layers": LAYERS + 1,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
}

# family: (name of the configuration class, its options, kind of tokenizer)
_FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert": ("BertConfig", _ENCODER, "wordpiece"),
    "roberta": ("RobertaConfig", _ENCODER, "bytes-roberta"),
    "distilbert": (
        "DistilBertConfig",
        {
            "dim": WIDTH,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "hidden_dim": 32,
            "max_position_embeddings": 64,
        },
        "wordpiece",
    ),
    "albert": ("AlbertConfig", _ENCODER | {"embedding_size": 8}, "unigram-bert"),
    "electra": ("ElectraConfig", _ENCODER | {"embedding_size": 8}, "wordpiece"),
    "modernbert": (
        "ModernBertConfig",
        _ENCODER | {"num_hidden_layers": 3, "local_attention": 6, "global_attn_every_n_layers": 3},
        "bytes-bert",
    ),
    "deberta-v2": (
        "DebertaV2Config",
        _ENCODER
        | {
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        "unigram-bert",
    ),
    "xlnet": (
        "XLNetConfig",
        {"d_model": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "d_inner": 32},
        "unigram-xlnet",
    ),
    "gpt2": (
        "GPT2Config",
        {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 64},
        "bytes",
    ),
    "llama": ("LlamaConfig", _GROUPED, "metaspace"),
    "mistral": ("MistralConfig", _GROUPED | {"sliding_window": 4}, "metaspace"),
    "qwen3": ("Qwen3Config", _GROUPED | {"head_dim": 8}, "bytes"),
    "gemma2": (
        "Gemma2Config",
        _GROUPED
        | {
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 4,
            "attn_logit_softcapping": 3.0,
            "final_logit_softcapping": 2.0,
        },
        "metaspace",
    ),
    "gemma3": (
        "Gemma3TextConfig",
        _GROUPED
        | {
            "num_hidden_layers": 3,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        },
        "metaspace",
    ),
    "gpt-neox": ("GPTNeoXConfig", _ENCODER, "bytes"),
    "opt": (
        "OPTConfig",
        _ENCODER | {"ffn_dim": 32, "word_embed_proj_dim": 8, "max_position_embeddings": 64},
        "bytes-opt",
    ),
    "bloom": ("BloomConfig", {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": HEADS}, "bytes"),
    "falcon": ("FalconConfig", _ENCODER | {"new_decoder_architecture": False}, "bytes"),
    "t5": ("T5Config", _T5 | {"feed_forward_proj": "gated-gelu"}, "unigram-t5"),
    "bart": ("BartConfig", _SEQ2SEQ, "bytes-roberta"),
    "mbart": ("MBartConfig", _SEQ2SEQ, "unigram-t5"),
    "marian": ("MarianConfig", _SEQ2SEQ, "unigram-t5"),
    "pegasus": ("PegasusConfig", _SEQ2SEQ, "unigram-t5"),
}

FAMILIES = tuple(_FAMILIES)
SEQ2SEQ = ("t5", "bart", "mbart", "marian", "pegasus")
CAUSAL = (
    *("gpt2", "llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt-neox", "opt"),
    *("bloom", "falcon"),
)
EAGER = ("deberta-v2", "xlnet", "bloom", "falcon")
"""Families that do not go through the attention interface."""

_FACTORIES: dict[HeadKind, str] = {
    "token-classification": "AutoModelForTokenClassification",
    "sequence-classification": "AutoModelForSequenceClassification",
    "seq2seq": "AutoModelForSeq2SeqLM",
}
_WORDS = ["the", "and", "he", "she", "they", "it", "because", "trophy", "suit", "too", "large"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz.,'"


def tiny_config(family: str, **options: Any) -> Any:
    """The configuration of a tiny model, with the special tokens of its tokenizer."""
    name, size, kind = _FAMILIES[family]
    tokenizer = tiny_tokenizer(kind)
    specials = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if family in SEQ2SEQ:
        specials["decoder_start_token_id"] = tokenizer.pad_token_id
    library: Any = transformers
    made = getattr(library, name)(**({"vocab_size": VOCABULARY} | size | specials | options))
    if family in EAGER:
        made._attn_implementation = "eager"
    return made


def tiny_model(
    family: str,
    *,
    head: HeadKind | None = None,
    seed: int = 7,
    std: float | None = None,
    **options: Any,
) -> Any:
    """A random model in evaluation mode.

    Args:
        family: one of :data:`FAMILIES`.
        head: with which head, None for the base model.
        seed: of its weights.
        std: of its weights' normal distribution; None for what makes attention uneven enough.
        options: of its configuration.
    """
    config = tiny_config(family, **options)
    library: Any = transformers
    if head is None:
        factory = "AutoModel"
    elif head == "language-model":
        causal = family in (*CAUSAL, "xlnet")
        factory = "AutoModelForCausalLM" if causal else "AutoModelForMaskedLM"
    else:
        factory = _FACTORIES[head]
    model = getattr(library, factory).from_config(config).eval()
    generator = torch.Generator().manual_seed(seed)
    if std is None:
        std = {"t5": 0.2, "xlnet": 0.6, "marian": 0.4}.get(family, 0.3)  # T5 scales no scores
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.ndim > 1:
                weight.copy_(torch.randn(weight.shape, generator=generator) * std)
            elif "bias" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
    return model


def save_tiny(
    folder: Path,
    family: str,
    *,
    head: HeadKind | None = None,
    labels: Sequence[str] = (),
    tokenizer: Any = None,
    **options: Any,
) -> Path:
    """Saves a tiny model and its tokenizer; gives the folder.

    Args:
        folder: made if need be.
        family: one of :data:`FAMILIES`.
        head: with which head.
        labels: of a classification head.
        tokenizer: instead of the family's own.
        options: of :func:`tiny_model`.
    """
    if is_too_old_for(family):
        pytest.skip(f"transformers {transformers.__version__} is too old for {family}")
    if labels:
        options["id2label"] = dict(enumerate(labels))
        options["label2id"] = {label: number for number, label in enumerate(labels)}
    tiny_model(family, head=head, **options).save_pretrained(folder)
    made = tokenizer if tokenizer is not None else tokenizer_of(family)
    made.save_pretrained(folder)
    return folder


def tokenizer_of(family: str) -> Any:
    """The fast tokenizer that fits a family."""
    return tiny_tokenizer(_FAMILIES[family][2])


def tiny_tokenizer(kind: str) -> Any:
    """A fast tokenizer.

    Args:
        kind: "wordpiece" ([CLS] text [SEP]); "bytes" (byte-level, no special tokens around a text,
            no padding token), "bytes-bert" ([CLS] text [SEP]), "bytes-roberta" (<s> text </s>),
            "bytes-opt" (</s> text); "metaspace" (byte-pair, <s> text, no padding token);
            "unigram" (no special tokens), "unigram-bert" ([CLS] text [SEP]), "unigram-t5" (text
            </s>), "unigram-xlnet" (text <sep> <cls>).
    """
    model, _, style = kind.partition("-")
    if model == "wordpiece":
        return _wordpiece()
    if model == "bytes":
        return _bytes(style)
    return _metaspace() if model == "metaspace" else _unigram(style)


def _wordpiece() -> Any:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*specials, *_WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), "##case"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _finish(tokenizer, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", cls="[CLS]", sep="[SEP]")


def _bytes(style: str) -> Any:
    around = {
        "": ("", "", {"eos": "<|end|>", "bos": "<|end|>", "unk": "<|end|>"}),
        "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", {"cls": "[CLS]", "sep": "[SEP]"}),
        "roberta": (
            "<s> $A </s>",
            "<s> $A </s> </s> $B </s>",
            {"cls": "<s>", "bos": "<s>", "sep": "</s>", "eos": "</s>"},
        ),
        "opt": ("</s> $A", "</s> $A </s> $B", {"bos": "</s>", "eos": "</s>"}),
    }
    one, two, names = around[style]
    specials = {
        "": ["<|end|>"],
        "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        "roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        "opt": ["<s>", "<pad>", "</s>", "<unk>"],
    }[style]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(["Ġ" + word for word in _WORDS])
    pieces = [*specials, *letters, *(a + b for a, b in merges)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _finish(tokenizer, one, two, **names)


def _metaspace() -> Any:
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    merges = _merges(["▁" + word for word in _WORDS])
    pieces = ["<unk>", "<s>", "</s>", *bytes_, "▁", *_LETTERS, *(a + b for a, b in merges)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _finish(tokenizer, "<s> $A", "<s> $A $B", bos="<s>", eos="</s>", unk="<unk>")


def _unigram(style: str) -> Any:
    around = {
        "": ("", "", {}),
        "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", {"cls": "[CLS]", "sep": "[SEP]"}),
        "t5": ("$A </s>", "$A </s> $B </s>", {"eos": "</s>"}),
        "xlnet": ("$A <sep> <cls>", "$A <sep> $B <sep> <cls>", {"sep": "<sep>", "cls": "<cls>"}),
    }
    one, two, names = around[style]
    specials = ["<pad>", "<unk>", *names.values(), "<mask>"]
    pieces = [*specials, "▁", *_LETTERS, *("▁" + word for word in _WORDS), "case"]
    scores = [0.0] * len(specials) + [-5.0] * (1 + len(_LETTERS)) + [-2.0] * (1 + len(_WORDS))
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=1))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _finish(tokenizer, one, two, **names)


def _merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merges that build words from their first letter on."""
    found = {(word[:end], word[end]): None for word in words for end in range(1, len(word))}
    return list(found)


def _finish(tokenizer: Tokenizer, one: str, two: str, **names: str) -> Any:
    """Adds special tokens around texts and makes it transformers' own."""
    if one:
        used = sorted({token for token in two.split() if not token.startswith("$")})
        tokenizer.post_processor = processors.TemplateProcessing(
            single=one,
            pair=two,
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in used],
        )
    known = set(tokenizer.get_vocab())
    for role, choices in (
        ("pad", ("[PAD]", "<pad>")),
        ("unk", ("[UNK]", "<unk>")),
        ("mask", ("[MASK]", "<mask>")),
    ):
        found = [token for token in choices if token in known]
        if found:
            names.setdefault(role, found[0])
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=tokenizer,
        model_max_length=64,
        **{f"{role}_token": token for role, token in names.items()},
    )
