"""What the tour says of the demo is what the demo's files say, computed here by other means."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import collateral
from tests.project.test_docs import blocks
from tui.cli import DEMO

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def tour(repository: Path) -> str:
    """The page, its lines joined."""
    return (repository / "docs" / "tour.md").read_text(encoding="utf-8")


def gap(file: str, column: str) -> Floats:
    """Mean over texts of the mean cosine distance: not coreferent minus coreferent, by layer."""
    with (
        collateral.open(DEMO / f"{file}.msgpack") as c,
        collateral.open(DEMO / "tuned.msgpack") as by,
    ):
        distances, owners = c.distances("cosine"), c.pair_examples
        labels = np.array(by.pairs[column], dtype=object)
    means = {}
    for label in ("coreferent", "not coreferent"):
        texts = sorted(set(owners[labels == label].tolist()))
        per_text = [distances[(labels == label) & (owners == text)].mean(0) for text in texts]
        means[label] = np.mean(per_text, axis=0)
    difference: Floats = means["not coreferent"] - means["coreferent"]
    return difference


def stated(row: str, page: str) -> list[float]:
    """The numbers before the intervals in a row of the table of gaps."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {row} |")]
    return [float(found) for found in re.findall(r"\| (\.\d+) \(", line)]


@pytest.mark.parametrize(("row", "file"), [("base, the same pairs", "base"), ("tuned", "tuned")])
def test_the_gaps_by_prediction(row: str, file: str, tour: str) -> None:
    assert stated(row, tour) == pytest.approx(gap(file, "prediction")[3:], abs=0.0006)


def test_the_gap_by_gold(tour: str) -> None:
    found = re.search(r"by gold: the gap in state 6 shrinks to (\.\d+) ", tour)
    assert found is not None
    assert float(found[1]) == pytest.approx(gap("tuned", "gold")[6], abs=0.006)


def test_what_changed_most_and_how_well_it_tells_the_pairs_apart(
    tour: str, monkeypatch: pytest.MonkeyPatch, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = [body for body in blocks(tour, "python") if "demo/tuned" in body]
    monkeypatch.chdir(repository)
    exec(code, {})
    printed = float(capsys.readouterr().out)
    assert code.rstrip().endswith(f"# {printed:.3f}")
    name = "intensity_pronoun_candidate_max"
    with (
        collateral.open(DEMO / "base.msgpack") as a,
        collateral.open(DEMO / "tuned.msgpack") as b,
    ):
        change, owners = b.head_metric(name) - a.head_metric(name), b.pair_examples
    mean = np.mean([change[owners == text].mean(0) for text in np.unique(owners)], axis=0)
    best = np.unravel_index(np.argsort(-mean, axis=None)[:4], mean.shape)
    found = re.findall(r"(\d\.\d+) (?:grew most, by |\()(\.\d+)", tour)
    expected = [(f"{layer}.{head}", mean[layer, head]) for layer, head in zip(*best, strict=True)]
    assert [head for head, _ in found] == [head for head, _ in expected]
    assert [float(v) for _, v in found] == pytest.approx([v for _, v in expected], abs=0.0006)
