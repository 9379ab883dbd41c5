"""Fine-tunes the base model on GAP: encoder and span head together.

    python -m demo.finetune --train gap-development.jsonl gap-test.jsonl \\
        --validate gap-validation.jsonl --output minilm-gap-coref

About fifteen minutes on one free CPU core. The folder then holds the encoder and its tokenizer as
transformers saves them (float16), ``coref_head.safetensors`` and ``training.json`` with the
settings and the scores after each epoch. With ``--frozen`` only the head learns and is saved.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers import AutoModel, AutoTokenizer

from demo.base_model import base_model
from demo.scores import scores
from demo.span_model import HEAD_FILE, Example, SpanPairModel, batches, prepare
from extract.data.pairs import read_pairs
from extract.errors import ExtractError


@dataclass(frozen=True)
class Settings:
    """What a training run is made with.

    Attributes:
        epochs: passes over the training texts.
        lr: highest learning rate of the encoder.
        head_lr: highest learning rate of the head, which starts from nothing.
        batch: texts in a batch.
        max_tokens: texts are cut to so many tokens.
        warm_up: share of all steps over which the rates rise; afterwards they fall to 0 linearly.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        seed: of the head's start, of dropout and of the order.
        frozen: train the head alone and leave the encoder as it is.
    """

    epochs: int = 4
    lr: float = 5e-5
    head_lr: float = 1e-3
    batch: int = 16
    max_tokens: int = 160
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 1
    frozen: bool = False


def rate(step: int, steps: int, warm_up: float) -> float:
    """Share of the highest learning rate at ``step`` of ``steps``: up to 1 linearly, then to 0."""
    rising = max(1, round(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return max(0.0, (steps - step) / max(1, steps - rising))


def train(
    model: SpanPairModel,
    training: Sequence[Example],
    validation: Sequence[Example],
    padding: int,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Trains in place.

    Returns:
        For each epoch its number, mean training loss (nats per pair), seconds since the start, and
        the scores on ``validation``.
    """
    groups = [
        {"params": list(model.encoder.parameters()), "lr": settings.lr},
        {"params": list(model.head.parameters()), "lr": settings.head_lr},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(training) // settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: rate(step, steps, settings.warm_up)
    )
    chance = random.Random(settings.seed)
    start = time.monotonic()
    history = []
    for epoch in range(1, settings.epochs + 1):
        model.train()
        total, pairs = 0.0, 0
        for batch in batches(training, settings.batch, padding, chance):
            loss = nn.functional.binary_cross_entropy_with_logits(model(batch), batch.labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch.labels)
            pairs += len(batch.labels)
        row = {
            "epoch": epoch,
            "train_loss": total / max(pairs, 1),
            "seconds": time.monotonic() - start,
            "validation": evaluate(model, validation, padding),
        }
        history.append(row)
        print(_line(row), flush=True)
    return history


def probe(
    model: SpanPairModel,
    training: Sequence[Example],
    validation: Sequence[Example],
    padding: int,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Trains the head alone, in place: what can be read off the encoder as it is.

    The encoder does not change, so it runs once over the texts, without dropout, and the epochs
    go over what the head sees of the pairs. Arguments and result as of :func:`train`; one row.
    """
    start = time.monotonic()
    model.eval()
    found, labels = [], []
    with torch.no_grad():
        for batch in batches(training, settings.batch, padding):
            found.append(model.features(batch))
            labels.append(batch.labels)
    features, truth = torch.cat(found), torch.cat(labels)
    optimiser = torch.optim.AdamW(
        model.head.parameters(), lr=settings.head_lr, weight_decay=settings.weight_decay
    )
    for _ in range(settings.epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(truth)), 2 * settings.batch):
            logits = model.head(features[rows]).squeeze(-1)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, truth[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            optimiser.step()
            total += loss.item() * len(rows)
    row = {
        "epoch": settings.epochs,
        "train_loss": total / len(truth),
        "seconds": time.monotonic() - start,
        "validation": evaluate(model, validation, padding),
    }
    print(_line(row), flush=True)
    return [row]


def evaluate(model: SpanPairModel, examples: Sequence[Example], padding: int) -> dict[str, float]:
    """Scores of ``model`` on texts; see :func:`demo.scores.scores`."""
    model.eval()
    logits: list[list[float]] = []
    ordered = sorted(examples, key=lambda example: len(example.ids))
    with torch.inference_mode():
        for batch in batches(ordered, 32, padding):
            found = model(batch)
            texts = range(len(batch.ids))
            logits += [found[batch.rows == text].tolist() for text in texts]
    return scores(logits, [example.labels for example in ordered])


def _line(row: dict[str, Any]) -> str:
    found = row["validation"]
    return (
        f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, validation accuracy"
        f" {found['accuracy']:.3f} ± {found['accuracy_se']:.3f} (majority {found['majority']:.3f}),"
        f" F1 {found['f1']:.3f}, {row['seconds']:.0f} s"
    )


def save(model: SpanPairModel, tokenizer: Any, folder: Path, head_only: bool = False) -> None:
    """Writes encoder and head as float16, and the tokenizer. ``model`` is float16 afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half()
    model.save_head(folder / HEAD_FILE)
    if not head_only:
        model.encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def finetune(
    source: Path,
    training: Sequence[Path],
    validation: Path,
    output: Path,
    settings: Settings,
    limit: int | None = None,
) -> dict[str, Any]:
    """Trains on files of pairs and saves the result.

    Args:
        source: folder of the base model.
        training: JSON Lines files to train on.
        validation: JSON Lines file to score on.
        output: folder to write.
        settings: how to train.
        limit: only so many texts of each file; for a quick try.

    Returns:
        What ``training.json`` holds; ``final`` are the scores of the model as it was saved.

    Raises:
        ExtractError: a data file cannot be used.
    """
    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(source)
    groups = [group for path in training for group in read_pairs(path).groups[:limit]]
    train_set, lost = prepare(groups, tokenizer, settings.max_tokens)
    held_out, held_out_lost = prepare(
        read_pairs(validation).groups[:limit], tokenizer, tokenizer.model_max_length
    )
    model = SpanPairModel(AutoModel.from_pretrained(source, dtype=torch.float32))
    padding = int(tokenizer.pad_token_id)
    print(f"training on {len(train_set)} texts ({lost} pairs lost), scoring on {len(held_out)}")
    history = (probe if settings.frozen else train)(model, train_set, held_out, padding, settings)
    save(model, tokenizer, output, head_only=settings.frozen)
    report = {
        "settings": asdict(settings),
        "base": "sentence-transformers/all-MiniLM-L6-v2" if source == base_model() else source.name,
        "training": [path.name for path in training],
        "validation": validation.name,
        "train_texts": len(train_set),
        "train_pairs_lost": lost,
        "validation_pairs_lost": held_out_lost,
        "epochs": history,
        "final": evaluate(model.float(), held_out, padding),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (output / "training.json").write_text(text + "\n", encoding="utf-8")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one training; 0 on success, 1 where a file cannot be used."""
    options = _parser().parse_args(arguments)
    if options.output.exists() and any(options.output.iterdir()):
        print(f"demo.finetune: {options.output} is not empty; give a new folder", file=sys.stderr)
        return 1
    torch.set_num_threads(options.threads)
    names = Settings.__dataclass_fields__
    settings = Settings(**{name: getattr(options, name) for name in names})
    try:
        report = finetune(
            options.model or base_model(),
            options.train,
            options.validate,
            options.output,
            settings,
            options.limit,
        )
    except (ExtractError, FileNotFoundError) as error:
        print(f"demo.finetune: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: validation accuracy {report['final']['accuracy']:.3f} as saved")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.finetune",
        description="Fine-tune a small encoder on span pairs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", type=Path, help="base model (default: the installed package)")
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="JSON Lines files")
    parser.add_argument("--validate", type=Path, required=True, help="JSON Lines file to score on")
    parser.add_argument("--output", type=Path, required=True, help="new folder for the model")
    parser.add_argument("--limit", type=int, help="only so many texts of each file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    for name, field in Settings.__dataclass_fields__.items():
        option = "--" + name.replace("_", "-")
        if name == "frozen":
            parser.add_argument(option, action="store_true", help="train the head alone")
        else:
            kind = type(field.default)
            parser.add_argument(option, type=kind, default=field.default, help="see Settings")
    return parser


if __name__ == "__main__":
    sys.exit(main())
