"""Makes the two files of the shipped demo: the base model and the fine-tuned one on the same texts.

    python -m demo.make_demo --data gap-validation.jsonl --tuned minilm-gap-coref \\
        --base-head base-head/coref_head.safetensors

Writes ``base.msgpack``, ``tuned.msgpack`` and ``NOTICE.md`` into ``tui/demo``; about four minutes
on one CPU core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer

import collateral
from demo.base_model import base_model
from demo.excerpts import Chosen, choose, write
from demo.span_model import HEAD_FILE
from extract.data.pairs import TextGroup, read_pairs
from extract.errors import ExtractError

TEXTS = 300
"""Texts in the demo: enough for a map of a thousand points, and for intervals with a meaning."""

MAPS = 40
"""Texts with whole attention maps: the shortest."""

MOST_BYTES = 10_000_000
"""Both files together may be so large."""

RECORDS = "gap-validation-excerpts.jsonl"

OUTPUT = Path(__file__).resolve().parent.parent / "tui" / "demo"
TEMPLATE = Path(__file__).with_name("notice.md")


class DemoError(Exception):
    """The demo cannot be made; the message says why."""


def extract(
    work: Path, model: Path, name: str, output: str, maps: int, head: Path | None = None
) -> None:
    """Runs ``interpret-extract`` on the demo's texts, as anyone would.

    Args:
        work: folder that holds the texts; the run's folder, so that the file it writes names no
            folder of this machine.
        model: folder of the model; linked into ``work``.
        name: the model's name for people.
        output: file to write in ``work``.
        maps: how many texts keep their attention maps.
        head: span head that makes predictions; copied into ``work``.

    Raises:
        DemoError: it failed; its own message stands above.
    """
    link = work / ("all-MiniLM-L6-v2" if model == base_model() else model.resolve().name)
    link.symlink_to(model.resolve(), target_is_directory=True)
    command = [sys.executable, "-m", "extract", "run", "--task", "coref", "--model", link.name]
    command += ["--name", name, "--data", RECORDS, "--output", output, "--seed", "1"]
    command += ["--attention", str(maps), "--attention-dtype", "uint8", "--threads", "1"]
    command += ["--vectors", "none"]  # they would double the demo; its pairs have distances
    if head is not None:
        copy = work / f"{link.name}-{HEAD_FILE}"
        copy.write_bytes(head.read_bytes())
        command += ["--span-head", copy.name]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=False, cwd=work, env=environment)
    if done.returncode:
        raise DemoError(f"interpret-extract ended with status {done.returncode} for {model}")


def check(base: Path, tuned: Path, texts: int, maps: int) -> None:
    """Looks at the two files as the viewer will.

    Raises:
        DemoError: they are too large, not of the same texts, or lack what the demo promises.
        collateral.CollateralError: a file is damaged.
    """
    size = base.stat().st_size + tuned.stat().st_size
    if size > MOST_BYTES:
        raise DemoError(f"both files take {size:,} bytes, more than {MOST_BYTES:,}; ask for less")
    with collateral.open(base) as a, collateral.open(tuned) as b:
        for file in (a, b):
            with_maps = sum(file.has_attention(row) for row in range(len(file.examples)))
            if (len(file.examples), with_maps) != (texts, maps):
                found = f"{len(file.examples)} texts, {with_maps} with attention"
                raise DemoError(f"{file.path} has {found}, not {texts} and {maps}")
        if (a.meta.fingerprint, a.meta.token_fingerprint) != (
            b.meta.fingerprint,
            b.meta.token_fingerprint,
        ):
            raise DemoError("the two files are not of the same texts and tokens")


def notice(groups: Sequence[TextGroup]) -> str:
    """The licences and attributions to ship: the template with the pages of the texts filled in."""
    pages = [f"- {g.id}: <{g.records[0].extras['url']}>" for g in sorted(groups, key=_number)]
    return TEMPLATE.read_text(encoding="utf-8").replace("{pages}", "\n".join(pages))


def _number(group: TextGroup) -> tuple[str, int]:
    head, _, number = group.id.rpartition("-")
    return (head, int(number)) if number.isdecimal() else (group.id, 0)


def select(data: Path, base: Path, texts: int) -> Chosen:
    """The demo's texts from a file of GAP records; lengths are counted with the base's tokenizer.

    Raises:
        ExtractError: the file cannot be used.
        DemoError: it has too few texts, or records without the page they are from.
    """
    groups = read_pairs(data).groups
    if not all("url" in group.records[0].extras for group in groups):
        raise DemoError(f"{data} has records without url, which the attribution needs")
    tokenizer = AutoTokenizer.from_pretrained(base)
    try:
        return choose(groups, lambda text: len(tokenizer(text)["input_ids"]), texts)
    except ValueError as error:
        raise DemoError(f"{data}: {error}") from None


def make(
    data: Path,
    base: Path,
    base_head: Path | None,
    tuned: Path,
    output: Path,
    texts: int = TEXTS,
    maps: int = MAPS,
) -> None:
    """Makes the demo in ``output``; nothing there is touched before all of it is right.

    Args:
        data: JSON Lines of GAP, as ``demo.gap`` writes them.
        base: folder of the base model.
        base_head: span head for the base model; without it that file holds no predictions.
        tuned: folder of the fine-tuned model, with its span head.
        output: folder for the two files and the notice.
        texts: how many texts.
        maps: how many of them, the shortest, keep their attention maps.

    Raises:
        DemoError: see :func:`check` and :func:`select`.
        ExtractError: the data cannot be used.
    """
    chosen = select(data, base, texts)
    print(f"{texts} excerpts of {chosen.tokens[0]} to {chosen.tokens[-1]} word pieces")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".making-") as name:
        work = Path(name)
        write(chosen.groups, work / RECORDS)
        files = work / "base.msgpack", work / "tuned.msgpack"
        extract(work, base, "MiniLM", files[0].name, maps, base_head)
        extract(work, tuned, "MiniLM tuned on GAP", files[1].name, maps, tuned / HEAD_FILE)
        check(*files, texts, maps)
        for file in files:
            file.replace(output / file.name)
    (output / "NOTICE.md").write_text(notice(chosen.groups), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the demo; 0 on success, 1 where something is not right."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.make_demo",
        description="Make the shipped demo.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="gap-validation.jsonl")
    parser.add_argument("--tuned", type=Path, required=True, help="folder of the tuned model")
    parser.add_argument("--base-head", type=Path, help="span head for the base model")
    parser.add_argument("--base", type=Path, help="base model (default: the installed package)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write into")
    parser.add_argument("--texts", type=int, default=TEXTS, help="how many texts")
    parser.add_argument("--maps", type=int, default=MAPS, help="how many with attention maps")
    options = parser.parse_args(arguments)
    try:
        base = options.base or base_model()
        make(
            options.data,
            base,
            options.base_head,
            options.tuned,
            options.output,
            options.texts,
            options.maps,
        )
    except (DemoError, ExtractError, FileNotFoundError, collateral.CollateralError) as error:
        print(f"demo.make_demo: {error}", file=sys.stderr)
        return 1
    total = sum(path.stat().st_size for path in options.output.glob("*.msgpack"))
    print(f"{options.output}: {total / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
