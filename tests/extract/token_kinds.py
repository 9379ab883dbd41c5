"""Small fast tokenizers of every kind that models come with, built here, for tests of alignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

LETTERS = "abcdeghinorstuz.,'-"
PLAIN = [
    "the cat sat on the mat, the hat is in the box.",
    "don't the sides' ends touch? the children went there and then",
    "naïve café résumé Straße 漢字 שלום مرحبا",
]


def word_piece() -> PreTrainedTokenizerFast:
    """BERT's: lower case, no accents, [CLS] and [SEP]."""
    tokenizer = _fast(_word_piece(), _bert, sep_token="[SEP]", cls_token="[CLS]")
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def cased_word_piece() -> PreTrainedTokenizerFast:
    """WordPiece that keeps accents and case, with no special tokens."""
    tokenizer = _word_piece()
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    return _fast(tokenizer)


def byte_level() -> PreTrainedTokenizerFast:
    """GPT-2's: bytes, the leading space within a token's offsets, no special tokens."""
    return _fast(_byte_level(trim=False, prefix=False))


def trimmed_byte_level() -> PreTrainedTokenizerFast:
    """RoBERTa's: bytes, spaces trimmed off the offsets, <s> and </s>."""
    return _fast(_byte_level(trim=True, prefix=True), sep_token="</s>", cls_token="<s>")


def unigram() -> PreTrainedTokenizerFast:
    """T5's: unigram with metaspaces, NFKC, </s>."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer: Any = trainers.UnigramTrainer(
        vocab_size=90,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
        initial_alphabet=list(LETTERS),
    )
    tokenizer.train_from_iterator(PLAIN * 4, trainer)
    return _fast(tokenizer, _eos, eos_token="</s>")


def byte_fallback() -> PreTrainedTokenizerFast:
    """Llama's: BPE with metaspaces put in by the normaliser, bytes for what is unknown, <s>."""
    pieces = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS]
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("a", "t"), ("c", "at"), ("▁", "▁")]
    pieces += [first + second for first, second in merges]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return _fast(tokenizer, bos_token="<s>")


def composed() -> PreTrainedTokenizerFast:
    """Single characters after NFKD and lower-casing, which change how many there are."""
    known = dict.fromkeys([*LETTERS, "▁", "ﬁ"])
    tokenizer = Tokenizer(
        models.WordLevel({piece: i for i, piece in enumerate(["<unk>", *known])}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    return _fast(tokenizer)


KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    made.__name__: made
    for made in (
        word_piece,
        cased_word_piece,
        byte_level,
        trimmed_byte_level,
        unigram,
        byte_fallback,
        composed,
    )
}


def _word_piece() -> Tokenizer:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = ["the", "cat", "don", "side"]
    pieces = [*specials, *words, *LETTERS, *(f"##{c}" for c in LETTERS), "##at", "##s", "漢", "字"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _byte_level(*, trim: bool, prefix: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    trainer: Any = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(PLAIN, trainer)
    if trim:
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", 1), ("<s>", 0), trim_offsets=True, add_prefix_space=prefix
        )
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def _bert(tokenizer: Tokenizer) -> None:
    cls, sep = (tokenizer.get_vocab()[token] for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep), ("[CLS]", cls))


def _eos(tokenizer: Tokenizer) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )


def _fast(
    tokenizer: Tokenizer, finish: Callable[[Tokenizer], None] | None = None, **tokens: str
) -> PreTrainedTokenizerFast:
    if finish:
        finish(tokenizer)
    made: Any = PreTrainedTokenizerFast  # publishes no types
    return made(tokenizer_object=tokenizer, **tokens)  # type: ignore[no-any-return]
