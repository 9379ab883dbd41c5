"""Files of the paper's application, from end to end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from collateral import Collateral
from extract.errors import ExtractError, UsageError
from extract.importers.interpret import run
from extract.importers.options import InterpretOptions
from tests.extract.importers.files import (
    BOB,
    HEADS,
    LAYERS,
    TROPHY,
    absa_rows,
    attention,
    coordinate,
    dictionary,
    opened,
    save,
    write_table,
    wsc_rows,
)


@pytest.fixture
def both(tmp_path: Path) -> InterpretOptions:
    """A dictionary and a table of the same two pairs."""
    return InterpretOptions(
        tmp_path / "out.msgpack",
        collateral=save(tmp_path / "c.pt", dictionary()),
        table=write_table(tmp_path / "t.csv", wsc_rows()),
    )


def made(options: InterpretOptions) -> Collateral:
    """The file that an import makes, which verify and viewer take."""
    run(options)
    return opened(options.output)


def notes(options: InterpretOptions) -> str:
    """All notes of the import as one text."""
    return " ".join(run(options).notes)


def test_both_files_make_a_whole_file(both: InterpretOptions) -> None:
    with made(replace(both, name="BERT")) as c:
        assert c.meta.model.name == "BERT"
        assert (c.meta.model.layers, c.meta.model.heads) == (LAYERS, HEADS)
        assert c.meta.task == "coref"
        assert c.examples["id"] == ["0", "1"]
        assert c.examples["text"] == [
            "the trophy does not fit because it is large .",
            "he saw bob and he left .",
        ]
        tokens, text = c.tokens("0"), c.examples["text"][0]
        assert tokens.texts == tuple(TROPHY)
        shown = [text[a:b] for a, b in tokens.offsets.tolist()]
        assert shown[:5] == ["", "the", "tro", "phy", "does"]
        assert c.pairs["gold"] == ["coreferent", "not coreferent"]
        assert c.pairs["prediction"] == ["not coreferent", "not coreferent"]
        assert c.pairs["probability"].tolist() == [0.25, 0.1]
        assert c.pairs["correct"] == [False, True]
        assert c.pair_tokens[0].tolist() == [[1, 4], [8, 9]]
        assert c.points["text"] == ["the", "tro", "##phy", "it", "he", "bob"]
        assert c.points["role"] == [*["candidate"] * 3, "pronoun", "pronoun", "candidate"]


def test_maps_are_those_of_the_table(both: InterpretOptions) -> None:
    with made(both) as c:
        assert list(c.mapped_layers) == [0, 1, 2]
        rows = [0, 1, 2, 3, 5, 4]  # in the second text, the pronoun stands first
        for layer in range(3):
            expected = [[coordinate(row, layer, axis) for axis in (0, 1)] for row in rows]
            assert np.allclose(c.coordinates(layer), expected)


def test_spans_that_stand_twice_are_told_by_their_attention(both: InterpretOptions) -> None:
    with made(both) as c:  # attention_spans of the dictionary are of the first "he"
        assert c.pair_tokens[1].tolist() == [[3, 4], [1, 2]]
    data = dictionary()
    del data[1]["attention_spans"]
    assert both.collateral is not None
    save(both.collateral, data)
    assert "stand more than once in 1 example" in notes(both)
    with opened(both.output) as c:  # without them, the nearest after the candidate
        assert c.pair_tokens[1].tolist() == [[3, 4], [5, 6]]


def test_padding_is_cut_off(both: InterpretOptions) -> None:
    with made(both) as c:
        assert c.tokens("1").texts == tuple(BOB)
        assert c.attention("1").shape == (LAYERS, HEADS, len(BOB), len(BOB))
        assert np.allclose(c.attention("1"), np.stack(attention(len(BOB), 1)), atol=1e-3)
        assert np.allclose(c.attention("0"), np.stack(attention(len(TROPHY), 0)), atol=1e-3)
    assert "Padding was cut off in 1 example" in notes(both)


def test_head_metrics_are_computed_from_the_attention(both: InterpretOptions) -> None:
    with made(both) as c:
        for row, tokens in enumerate((TROPHY, BOB)):
            weights = np.stack(attention(len(tokens), row)).astype(np.float64)
            if row:
                weights = weights.astype(np.float16).astype(np.float64)
            n = len(tokens)
            squares = (weights**2).sum(-1).mean(-1)
            entropy = -(weights * np.log(np.where(weights > 0, weights, 1))).sum(-1).mean(-1)
            before = np.array(
                [[[one[i, i - 1] for i in range(1, n)] for one in h] for h in weights]
            )
            expected = {
                "std": weights.std(axis=(2, 3)),
                "std_normalised": np.sqrt((squares - 1 / n) / (1 - 1 / n)),
                "entropy": entropy,
                "entropy_normalised": entropy / np.log(n),
                "mass_previous": before.mean(-1),
                "mass_same": np.trace(weights, axis1=2, axis2=3) / n,
                "mass_first": weights[:, :, 1:, 0].mean(-1),
                "mass_separator": weights[..., -1].mean(-1),
            }
            for name, values in expected.items():
                assert np.allclose(c.head_metric(name)[row], values, atol=1e-3), name
        block = np.stack(attention(len(TROPHY), 0))[:, :, 1:4, 8:9]
        found = c.head_metric("intensity_candidate_pronoun_max")[0]
        assert np.allclose(found, block.max(axis=(2, 3)), atol=1e-6)
        assert np.allclose(c.head_metric("intensity_spans_max")[0], found, atol=1e-6)


def test_numbers_per_head_of_the_dictionary_are_kept(both: InterpretOptions) -> None:
    data = dictionary()
    data[1]["grammar_matrices"] = torch.arange(6.0).reshape(LAYERS, HEADS) / 10
    assert both.collateral is not None
    save(both.collateral, data)
    with made(both) as c:
        assert c.metrics["grammar_correlation"].title == "grammar correlation (imported)"
        assert np.isnan(c.head_metric("grammar_correlation")[0]).all()
        assert np.allclose(c.head_metric("grammar_correlation")[1].ravel(), np.arange(6) / 10)
        assert (c.head_metric("head_accuracy") == 0.25).all()


def test_a_pair_that_is_cut_keeps_its_points(both: InterpretOptions) -> None:
    """As the sample of the paper's authors, whose last rows are missing."""
    assert both.table is not None
    write_table(both.table, wsc_rows()[:-1])
    assert "rows of one span only for 1 example" in notes(both)
    with opened(both.output) as c:
        assert c.pairs["id"] == ["0"]
        assert c.points["text"] == ["the", "tro", "##phy", "it", "bob"]


def test_further_columns_are_kept_where_they_belong(both: InterpretOptions) -> None:
    with made(both) as c:
        assert c.examples.columns["sentence_idx"] == "continuous"
        assert c.examples["sentence_idx"].tolist() == [8, 8]
        assert c.points["tp_coloring"].tolist() == [0, 0.25, 0.5, 0.75, 1.25, 1.0]


def test_the_dictionary_alone_gives_attention_and_metrics(both: InterpretOptions) -> None:
    with made(replace(both, table=None)) as c:
        assert len(c.pairs) == len(c.points) == 0
        assert list(c.mapped_layers) == []
        assert c.examples["text"][1] == "he saw bob and he left ."
        assert np.isfinite(c.head_metric("std")).all()
        assert c.meta.settings["table"] is None


def test_the_table_alone_gives_points_and_maps(both: InterpretOptions) -> None:
    with made(replace(both, collateral=None)) as c:
        assert len(c.points) == 6
        assert list(c.mapped_layers) == [0, 1, 2]
        assert c.meta.model.layers == 2
        assert c.tokens("0").texts == tuple(TROPHY)
        assert c.meta.attention == ()
        assert any("number of heads is not known" in note for note in c.meta.notes)


def test_what_does_not_match_is_counted(both: InterpretOptions) -> None:
    data = dictionary()
    data["7"] = {"attentions": attention(3, 5), "tokens": ["[CLS]", "x", "[SEP]"]}
    del data[1]
    assert both.collateral is not None
    save(both.collateral, data)
    assert (
        "1 example is in both files, 1 only in the table, without attention, and 1 only in the "
        "dictionary, without points."
    ) in notes(both)
    with opened(both.output) as c:
        assert c.examples["id"] == ["0", "1", "7"]
        assert sorted(c.attention_examples()) == [0, 2]
        assert np.isnan(c.head_metric("std")[1]).all()


def test_ids_as_text_and_as_numbers_are_joined(both: InterpretOptions) -> None:
    data = {str(key): value for key, value in dictionary().items()}
    assert both.collateral is not None
    save(both.collateral, data)
    with made(both) as c:
        assert len(c.examples) == 2
    save(both.collateral, {np.int64(key): value for key, value in dictionary().items()})
    with made(both) as c:
        assert sorted(c.attention_examples()) == [0, 1]
    save(both.collateral, dictionary() | data)
    with pytest.raises(ExtractError, match="is there twice"):
        run(both)


def test_names_of_the_applications_description_are_read(both: InterpretOptions) -> None:
    data = {
        key: {"attn": np.stack(value["attentions"])[None], "token": np.array(value["tokens"])}
        for key, value in dictionary().items()
    }
    assert both.collateral is not None
    save(both.collateral, data)
    with made(both) as c:
        assert np.allclose(c.attention("0"), np.stack(attention(len(TROPHY), 0)), atol=1e-3)


@pytest.fixture
def absa(tmp_path: Path) -> InterpretOptions:
    """The aspect task: pieces in the dictionary, words in the table."""
    tokens = {
        3: ["[CLS]", "the", "fo", "##od", "was", "good", ",", "fo", "##od", "!", "[SEP]"],
        4: ["[CLS]", "nice", "screen", "[SEP]"],
    }
    data = {
        name: {"attentions": attention(len(one), name), "tokens": one}
        for name, one in tokens.items()
    }
    return InterpretOptions(
        tmp_path / "out.msgpack",
        collateral=save(tmp_path / "c.pt", data),
        table=write_table(tmp_path / "t.csv", absa_rows()),
        task="absa",
    )


def test_the_aspect_task_is_read(absa: InterpretOptions) -> None:
    with made(absa) as c:
        assert c.meta.task == "tagging"
        assert c.examples["text"] == ["the food was good , food !", "nice screen"]
        assert c.examples["score"].tolist() == [0.5, 1.0]
        assert c.examples["correct"] == [False, True]
        assert c.examples["domain"] == ["restaurants", "laptops"]
        assert c.points["aspect"] == ["food", "food", "screen"]
        assert c.point_tokens.tolist() == [[2, 4], [7, 9], [2, 3]]
        assert c.meta.item == "word"
        assert c.items["text"] == ["the", "food", "was", "good", ",", "food", "!", "nice", "screen"]
        assert c.items["gold"][:7] == ["O", "B-ASP", "O", "B-OP", "O", "B-ASP", "O"]
        assert c.items["prediction"][3] == "O"
        assert c.items["correct"] == [True, True, True, False, True, False, True, True, True]
        assert c.item_tokens.tolist()[:3] == [[1, 2], [2, 4], [4, 5]]


def test_aspects_alone_are_read_as_words(absa: InterpretOptions) -> None:
    with made(replace(absa, collateral=None)) as c:
        assert c.tokens("3").texts == ("the", "food", "was", "good", ",", "food", "!")
        assert c.point_tokens.tolist() == [[1, 2], [5, 6], [1, 2]]


def test_tokens_of_another_sentence_make_their_own_text(absa: InterpretOptions) -> None:
    assert absa.collateral is not None
    data = {
        4: {"attentions": attention(4, 4), "tokens": ["[CLS]", "good", "screen", "[SEP]"]},
    }
    save(absa.collateral, data)
    assert "The tokens of 1 example are not those of the sentence" in notes(absa)
    with opened(absa.output) as c:
        assert c.examples["text"][1] == "good screen"
        assert c.items["text"][-2:] == ["nice", "screen"]
        assert c.item_tokens.tolist()[-2:] == [[0, 0], [0, 0]]


def changed(**changes: Any) -> dict[Any, Any]:
    """The dictionary with other entries in example 1; None takes an entry out."""
    data = dictionary()
    data[1] = {k: v for k, v in (data[1] | changes).items() if v is not None}
    return data


def weights(value: float, layer: int = 1) -> list[torch.Tensor]:
    """Attention of example 1 with one weight changed."""
    layers = [torch.from_numpy(one) for one in attention(len(BOB), 1)]
    layers[layer][2, 4, 3] = value
    return layers


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "holds list, not a dictionary"),
        ({}, "no example that can be used"),
        ({0: "x"}, "holds str under '0', and no example"),
        (changed() | {0: "x"}, "example 0 is str, not a dictionary"),
        (changed(tokens=None), 'example 1 has no "tokens"'),
        (changed(tokens=["[PAD]"]), "example 1 has no tokens"),
        (changed(tokens=[1, 2]), "must be a list of texts"),
        (changed(attentions=attention(4, 0)), "is 4 x 4, too small for its 9 tokens"),
        (changed(attentions=attention(9, 0)[:1]), "has 1 layer of 3 heads; before, .* 2 of 3"),
        (changed(attentions=[a[:2] for a in attention(9, 0)]), "has 2 layers of 2 heads"),
        (changed(attentions=[np.zeros((3, 9, 9)), np.zeros((2, 9, 9))]), r"in layer 1 but \(3"),
        (changed(attentions=[a[:, :, :8] for a in attention(9, 0)]), "must be square"),
        (changed(attentions=[["a"]]), "holds something else than numbers"),
        (changed(attentions=[]), "it holds nothing"),
        (
            changed(attentions=weights(float("nan"))),
            "layer 1, head 2, row 4, column 3 is no number",
        ),
        (changed(attentions=weights(-0.5, 0)), "layer 0, head 2, row 4, column 3 is -0.5"),
        (changed(attentions=weights(7.0)), "is 7; weights lie between 0 and 1"),
        (changed(acc_matrix=np.zeros(6)), r'"acc_matrix" must be \[layers, heads\]'),
        (changed(acc_matrix=np.zeros((2, 2))), '"acc_matrix" has 2 layers of 2 heads'),
        (changed(attention_spans=[np.zeros((3, 1, 1))]), '"attention_spans" has 1 layer of'),
        (changed(attentions=[torch.zeros(1).expand(3, 9, 9)] * 2), "the file holds fewer"),
    ],
)
def test_what_cannot_be_in_a_dictionary_is_said(
    data: object, message: str, both: InterpretOptions
) -> None:
    assert both.collateral is not None
    save(both.collateral, data)
    with pytest.raises(ExtractError, match=message) as caught:
        run(both)
    assert "\n" not in str(caught.value)
    assert not both.output.exists()
    assert sorted(os.listdir(both.output.parent)) == ["c.pt", "t.csv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "maybe"}, 'has "maybe" as "target", which is neither 0 nor 1'),
        ({"pred_proba": "[0.1 7.5]"}, 'has 7.5 as "pred_proba"'),
        ({"span1": "Zebra", "span2": "Yak"}, "has no rows whose"),
        ({"sentence": "[CLS] else [SEP]"}, "line 3 has another sentence than line 2"),
    ],
)
def test_what_cannot_be_in_a_table_is_said(
    changes: dict[str, str], message: str, both: InterpretOptions
) -> None:
    assert both.table is not None
    write_table(both.table, wsc_rows(), **changes)
    with pytest.raises(ExtractError, match=message):
        run(replace(both, collateral=None))


def test_what_is_left_out_is_counted(both: InterpretOptions) -> None:
    assert both.collateral is not None
    save(both.collateral, changed(attentions=weights(float("nan"))))
    summary = run(replace(both, skip_bad=True))
    assert summary.left_out == 1
    assert "1 thing was left out: Example 1, self attention, layer 1" in " ".join(summary.notes)
    with opened(both.output) as c:
        assert len(c.pairs) == 2
        assert list(c.attention_examples()) == [0]
        assert np.isnan(c.head_metric("std")[1]).all()


def test_rows_that_do_not_sum_to_one_are_kept_and_noted(both: InterpretOptions) -> None:
    assert both.collateral is not None
    halved = [one * 0.5 for one in attention(len(BOB), 1)]
    save(both.collateral, changed(attentions=halved))
    assert "do not sum to one in 1 example (off by up to 0.5, example 1" in notes(both)
    with opened(both.output) as c:
        assert np.allclose(c.attention("1"), np.stack(halved), atol=1e-3)


def test_files_of_two_models_are_refused(both: InterpretOptions) -> None:
    assert both.table is not None
    rows = [
        {name: cell for name, cell in row.items() if "layer_02" not in name} for row in wsc_rows()
    ]
    write_table(both.table, rows)
    with pytest.raises(ExtractError, match="not of the same model"):
        run(both)


def test_the_wrong_task_is_named(both: InterpretOptions, absa: InterpretOptions) -> None:
    write_table(both.table or Path(), wsc_rows())
    with pytest.raises(ExtractError, match="is it a table of --task wsc"):
        run(replace(both, collateral=None, task="absa"))
    write_table(absa.table or Path(), absa_rows())
    with pytest.raises(ExtractError, match="is it a table of --task absa"):
        run(replace(absa, collateral=None, task="wsc"))


def test_a_table_of_tokens_only_is_read(tmp_path: Path) -> None:
    """What the application's description asks for at least."""
    path = tmp_path / "t.csv"
    path.write_text(
        "id,token,sentence,layer_00_tsne_x,layer_00_tsne_y\n"
        "a,he,he saw he,1,2\na,he,he saw he,3,4\na,saw,he saw he,5,6\n"
    )
    with made(InterpretOptions(tmp_path / "o.msgpack", table=path)) as c:
        assert c.points["text"] == ["he", "saw", "he"]
        assert c.coordinates(0).tolist() == [[1, 2], [5, 6], [3, 4]]


def test_attention_is_kept_of_as_many_as_are_wanted(both: InterpretOptions) -> None:
    with made(replace(both, attention=1)) as c:
        assert list(c.attention_examples()) == [0]
        assert np.isfinite(c.head_metric("std")).all()
    with made(replace(both, attention=0)) as c:
        assert not list(c.attention_examples())
    with made(replace(both, attention_dtype="uint8")) as c:
        assert np.allclose(c.attention("0"), np.stack(attention(len(TROPHY), 0)), atol=4.1e-3)


def test_something_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --collateral, --table or both"):
        InterpretOptions(tmp_path / "o")
    with pytest.raises(UsageError, match="--attention must be at least 0"):
        InterpretOptions(tmp_path / "o", table=tmp_path, attention=-1)


def test_the_same_input_gives_the_same_bytes(
    both: InterpretOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    run(both)
    first = both.output.read_bytes()
    run(both)
    assert both.output.read_bytes() == first
