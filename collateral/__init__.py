"""The collateral file: what a Transformer did on a data set, in one self-contained file.

Reading, in a notebook or a script; nothing but numpy and msgpack is needed, and a file of 10 GB
opens as fast as one of 10 MB, because only what is asked for is read:

    import collateral

    c = collateral.open("tuned.msgpack")      # or: with collateral.open("tuned.msgpack") as c:
    c                                         # model, sizes
    c.meta.model.layers, c.meta.settings      # how it was made
    c.examples.columns                        # {"id": "text", "correct": "boolean", ...}
    c.pairs["prediction"]                     # a list: "coreferent", ... or None where unknown
    c.pairs["probability"]                    # float64, NaN where unknown
    c.head_metric("std")                      # float32 [examples, layers, heads]
    c.metrics["std"].meaning                  # what it is, and what a high value means
    c.distances("cosine")                     # float32 [pairs, layers + 1]
    c.coordinates(0)                          # the map of the embeddings, float32 [points, 2]
    c.tokens("wsc-000").texts                 # with .offsets into c.examples["text"]
    c.attention("wsc-000", layer=2, head=1)   # float32 [queries, keys], this head only
    c.attention_kept("wsc-000")               # None: all weights; k: the k largest of each row
    c.attention_rest("wsc-000", layer=2)      # float32 [heads, queries], what was not kept
    c.items, c.item_tokens                    # words, labels or tokens, if the file has them
    c.summaries                               # metrics of the whole data set: c.head_summary(name)
    c.has_value_norms("wsc-000")              # then c.value_norms(...): [layers, heads, keys]
    c.side("wsc-000", "text")                 # its tokens; of an encoder-decoder: source, target

Questions over many examples count each example once, however many pairs it has:

    from collateral.analysis import curves, difference, mean_over_examples, ranked

    metric = c.head_metric("intensity_pronoun_candidate_max")
    wrong = [row for row, ok in enumerate(c.examples["correct"]) if ok is False]
    mean = mean_over_examples(metric, c.pair_examples, wrong)
    ranked(mean.mean, 5)                      # the five strongest heads: (layer, head, value)
    codes, labels = c.pairs.codes("prediction")
    yes, no = curves(c.distances("cosine"), codes, labels, c.pair_examples)[:2]
    gap = difference(yes, no)                 # .mean, .low, .high per layer, 95 % over examples

Writing one, from any source of numbers (see ``Writer``):

    import numpy as np
    from collateral import AttentionKind, Meta, Metric, ModelInfo, TokenInfo, Tokens, top_k

    model = ModelInfo("mine", "BertModel", layers=2, heads=4, hidden_size=128)
    meta = Meta("text", model, TokenInfo(), (AttentionKind("self", 2, 4),))
    with collateral.create("mine.msgpack", meta, metrics=[Metric("std", "spread")]) as writer:
        offsets = np.array([[0, 5], [6, 11]])
        tokens = Tokens(("hello", "world"), offsets, np.zeros(2, bool), np.arange(2))
        row = writer.add_example("first", "hello world", tokens)
        maps = np.full((2, 4, 2, 2), 0.5)
        writer.add_attention(row, maps)
        writer.append_metric("std", maps.std(axis=(2, 3))[None])
        row = writer.add_example("second", "hello world", tokens)
        writer.add_sparse_attention(row, *top_k(maps, 1), keys=2)
        writer.add_value_norms(row, np.ones((2, 4, 2)))
        writer.append_metric("std", maps.std(axis=(2, 3))[None])
        writer.add_summary(Metric("moved", "change"), np.zeros((2, 4)))

A file of words, labels or tokens is created with ``items={column: Column(...)}`` and filled with
``add_item``; the examples of an encoder-decoder are added with ``source_tokens``. Attention may be
packed where it is computed (``pack_attention``, ``pack_sparse_attention``) and written elsewhere
(``add_packed_attention``).

The file appears when the block is left, whole, or not at all. Anything wrong with a file raises
``CollateralError``; asking for what it does not hold raises KeyError, wrong use of the writer
ValueError. The format is specified in ``format.md`` beside this module.
"""

from typing import TYPE_CHECKING

from .errors import CollateralError
from .packing import PackedAttention, pack_attention, pack_sparse_attention
from .reader import Collateral, open  # noqa: A004 (collateral.open is the interface)
from .schema import (
    AttentionKind,
    Column,
    Encoding,
    Kind,
    Measure,
    Meta,
    Metric,
    ModelInfo,
    TokenInfo,
    Tokens,
)
from .sparse import Kept, top_k
from .table import Table
from .vectors import Vectors, pack_vectors, unpack_vectors

if TYPE_CHECKING:
    from .writer import Writer, create

__all__ = [
    "AttentionKind",
    "Collateral",
    "CollateralError",
    "Column",
    "Encoding",
    "Kept",
    "Kind",
    "Measure",
    "Meta",
    "Metric",
    "ModelInfo",
    "PackedAttention",
    "Table",
    "TokenInfo",
    "Tokens",
    "Vectors",
    "Writer",
    "create",
    "open",
    "pack_attention",
    "pack_sparse_attention",
    "pack_vectors",
    "top_k",
    "unpack_vectors",
]


def __getattr__(name: str) -> object:
    """The writer is loaded when it is asked for: whoever only reads starts the sooner."""
    if name in ("Writer", "create"):
        from . import writer

        return getattr(writer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
